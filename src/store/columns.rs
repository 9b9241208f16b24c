//! How digests, sizes, media types and forms of evidence stand in the catalogue's columns.
//!
//! What does not fit is an error of the column, never a default: a row that cannot be must not become an answer.

use super::name::EvidenceTag;
use crate::image::Digest;
use crate::image::manifest::{DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// Media types by their number in `manifest.kind`.
const KINDS: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];

fn bad(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, what.into())
}

/// A digest out of a column: 32 bytes are SHA-256, 64 are SHA-512.
pub(super) fn digest(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let bytes: Vec<u8> = row.get(column)?;
    match bytes.len() {
        32 => bytes.try_into().map(Digest::Sha256),
        _ => bytes.try_into().map(Digest::Sha512),
    }
    .map_err(|_| bad(column, "not a digest"))
}

/// A digest or nothing.
pub(super) fn optional_digest(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<Digest>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => digest(row, column).map(Some),
    }
}

/// A size.
pub(super) fn size(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let size: i64 = row.get(column)?;
    u64::try_from(size).map_err(|_| bad(column, "a negative size"))
}

/// A media type by its number.
pub(super) fn kind(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<&'static str> {
    let number: i64 = row.get(column)?;
    usize::try_from(number)
        .ok()
        .and_then(|n| KINDS.get(n).copied())
        .ok_or_else(|| bad(column, "an unknown kind of manifest"))
}

/// The number of a media type.
pub(super) fn kind_number(media_type: &str) -> i64 {
    KINDS.iter().position(|k| *k == media_type).and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)
}

/// A form of classic evidence by its number.
pub(super) fn form(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<EvidenceTag> {
    let number: i64 = row.get(column)?;
    usize::try_from(number)
        .ok()
        .and_then(|n| EvidenceTag::ALL.get(n).copied())
        .ok_or_else(|| bad(column, "an unknown form of evidence"))
}

/// The number of a form.
pub(super) fn form_number(form: EvidenceTag) -> i64 {
    EvidenceTag::ALL.iter().position(|f| *f == form).and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)
}
