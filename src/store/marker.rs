//! `store.json`: says that a directory is a store, of which format, and which one.

use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use sealock_trust_root::json::{self, Spelling};
use serde::{Deserialize, Serialize};

use super::StoreFault;
use super::blob::{self, OpenFault};

/// File name in the store.
pub(super) const FILE: &str = "store.json";
/// Its schema.
const SCHEMA: &str = "sealock.dev/store/v1";
/// The format that this version reads and writes.
const FORMAT: i64 = 1;
/// Largest file that is read, in bytes.
const MAX_SIZE: u64 = 4096;
/// Longest id.
const MAX_ID: usize = 64;

#[derive(Serialize, Deserialize)]
struct Marker {
    schema: String,
    format: i64,
    id: String,
}

/// The id of the store at `root`; nothing where no `store.json` is.
pub(super) fn read(root: &Path) -> Result<Option<String>, StoreFault> {
    let path = root.join(FILE);
    let bytes = match blob::read_plain(&path, MAX_SIZE) {
        Ok(bytes) => bytes,
        Err(OpenFault::Absent) => return Ok(None),
        Err(OpenFault::Special(_)) => return Err(StoreFault::NotAStore { place: root.to_owned() }),
        Err(OpenFault::Io(source)) => return Err(StoreFault::Io { what: "reading", path, source }),
    };
    let marker: Marker =
        json::parse(&bytes, Spelling::Exact).map_err(|_| StoreFault::NotAStore { place: root.to_owned() })?;
    if marker.format != FORMAT {
        return Err(StoreFault::NewerFormat { place: root.to_owned(), found: marker.format, known: FORMAT });
    }
    if marker.schema != SCHEMA || check(&marker.id).is_err() {
        return Err(StoreFault::NotAStore { place: root.to_owned() });
    }
    Ok(Some(marker.id))
}

/// The bytes of a `store.json`.
pub(super) fn render(id: &str) -> Vec<u8> {
    let marker = Marker { schema: SCHEMA.to_owned(), format: FORMAT, id: id.to_owned() };
    let mut bytes = serde_json::to_vec(&marker).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Checks an id given by hand.
pub(super) fn check(id: &str) -> Result<(), StoreFault> {
    let sound = !id.is_empty()
        && id.len() <= MAX_ID
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if sound { Ok(()) } else { Err(StoreFault::Id { text: id.chars().take(160).collect() }) }
}

/// A new id: 128 random bits of the system's generator, as lower-case hexadecimal digits.
pub(super) fn random_id() -> Result<String, StoreFault> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreFault::Io {
        what: "reading",
        path: "the system's random generator".into(),
        source: std::io::ErrorKind::Other.into(),
    })?;
    Ok(hex::encode(bytes))
}
