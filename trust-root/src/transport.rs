//! The transport that serves a [`RepositorySource`] to `tough`.
//!
//! Input: addresses that `tough` asks for. Output: bytes that were bounded, and, where they are metadata,
//! scanned strictly before `tough` parses them. What was served and what failed is kept, because `tough` takes
//! any failure of the next root for its absence.
//!
//! | rule | source |
//! |---|---|
//! | `targets/<hash>.dir/name` is published as `targets/dir/<hash>.name` | TUF §3.7 of the reference implementation; `tough` asks for the former |
//! | at most [`MAX_METADATA`] bytes of metadata, [`MAX_TARGETS_METADATA`] of targets metadata, [`MAX_TARGET`] of a target | ours, TUF §5.3.3: limits are set by the client |
//! | at most [`MAX_REQUESTS`] requests and [`MAX_TOTAL`] bytes in one load | DESIGN rule 9 |
//!
//! Attacks considered: endless data, endless root chains, a damaged root passing for an absent one, JSON that two
//! parsers read differently, target names that leave the folder.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tough::{Transport, TransportError, TransportErrorKind, TransportStream};
use url::Url;

use crate::document;
use crate::json::{self, Spelling};
use crate::source::{Answer, RepositorySource, is_plain};

/// Largest root, timestamp or snapshot, in bytes. The largest known is below 100 KiB.
pub(crate) const MAX_METADATA: u64 = 1 << 20;
/// Largest targets or delegated targets metadata, in bytes.
pub(crate) const MAX_TARGETS_METADATA: u64 = 10 << 20;
/// Largest target that is read, in bytes: a trusted root.
pub(crate) const MAX_TARGET: u64 = document::MAX_BYTES as u64;
/// Most requests of one load: the root chain, and 1,024 delegations.
const MAX_REQUESTS: usize = 2048 + 64;
/// Most bytes served in one load.
const MAX_TOTAL: usize = 64 << 20;

const METADATA: &str = "/metadata/";
const TARGETS: &str = "/targets/";

/// Base address of metadata; nothing is ever dialled, the scheme only names this transport.
pub(crate) const METADATA_URL: &str = "repository:///metadata/";
/// Base address of targets.
pub(crate) const TARGETS_URL: &str = "repository:///targets/";

/// What happened on one name.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It cannot be read.
    Unreadable { name: String, reason: String },
    /// It was read, and is not strict JSON.
    NotStrict { name: String, fault: json::Fault },
    /// A budget of the whole load is spent.
    Budget { name: String },
}

/// What one load asked for.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Metadata that was served, in the order of asking.
    pub served: Vec<(String, Vec<u8>)>,
    /// What went wrong, other than absence.
    pub troubles: Vec<Trouble>,
    requests: usize,
    total: usize,
}

/// Serves a source and keeps a record.
#[derive(Clone, Debug)]
pub(crate) struct RecordingTransport {
    source: Arc<dyn RepositorySource>,
    record: Arc<Mutex<Record>>,
}

impl RecordingTransport {
    pub(crate) fn new(source: Arc<dyn RepositorySource>) -> Self {
        Self { source, record: Arc::default() }
    }

    /// Takes the record out.
    pub(crate) fn take_record(&self) -> Record {
        std::mem::take(&mut *self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, path: &str) -> Result<Vec<u8>, TransportErrorKind> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, limit, metadata) = if let Some(name) = path.strip_prefix(METADATA) {
            let targets =
                !["root.json", "timestamp.json", "snapshot.json"].iter().any(|end| name.ends_with(end));
            (name.to_owned(), if targets { MAX_TARGETS_METADATA } else { MAX_METADATA }, true)
        } else if let Some(name) = path.strip_prefix(TARGETS) {
            (format!("targets/{}", published(&percent_decoded(name))), MAX_TARGET, false)
        } else {
            (path.to_owned(), 0, false)
        };
        record.requests += 1;
        if record.requests > MAX_REQUESTS {
            record.troubles.push(Trouble::Budget { name });
            return Err(TransportErrorKind::Other);
        }
        if !is_plain(&name) {
            record.troubles.push(Trouble::Unreadable { name, reason: "unsafe name".to_owned() });
            return Err(TransportErrorKind::Other);
        }
        let bytes = match self.source.read(&name, limit) {
            Answer::Found(bytes) => bytes,
            Answer::Absent => return Err(TransportErrorKind::FileNotFound),
            Answer::Unreadable(reason) => {
                record.troubles.push(Trouble::Unreadable { name, reason });
                return Err(TransportErrorKind::Other);
            }
        };
        record.total = record.total.saturating_add(bytes.len());
        if record.total > MAX_TOTAL {
            record.troubles.push(Trouble::Budget { name });
            return Err(TransportErrorKind::Other);
        }
        if metadata {
            if let Err(fault) = json::scan(&bytes, Spelling::Exact) {
                record.troubles.push(Trouble::NotStrict { name, fault });
                return Err(TransportErrorKind::Other);
            }
            record.served.push((name, bytes.clone()));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Transport for RecordingTransport {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        match self.answer(url.path()) {
            Ok(bytes) => Ok(Box::pin(futures::stream::iter([Ok(Bytes::from(bytes))]))),
            Err(kind) => Err(TransportError::new(kind, url)),
        }
    }
}

/// `<hash>.dir/name` → `dir/<hash>.name`.
fn published(asked: &str) -> String {
    let Some((hash, rest)) = asked.split_once('.') else { return asked.to_owned() };
    let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match rest.rsplit_once('/') {
        Some((dir, name)) if is_hash => format!("{dir}/{hash}.{name}"),
        _ => asked.to_owned(),
    }
}

/// Undoes what putting a target's name into an address did to it.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%'
            && let Some(value) = hex_pair(bytes.clone())
        {
            out.push(value);
            bytes.nth(1);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The next two characters as a hexadecimal value.
fn hex_pair(mut ahead: std::str::Bytes<'_>) -> Option<u8> {
    let high = char::from(ahead.next()?).to_digit(16)?;
    let low = char::from(ahead.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_names_as_published() {
        let hash = "ab".repeat(32);
        assert_eq!(published(&format!("{hash}.trusted_root.json")), format!("{hash}.trusted_root.json"));
        assert_eq!(
            published(&format!("{hash}.registry.npmjs.org/keys.json")),
            format!("registry.npmjs.org/{hash}.keys.json")
        );
        assert_eq!(published("no.hash/keys.json"), "no.hash/keys.json");
    }

    #[test]
    fn percent_signs() {
        assert_eq!(percent_decoded("a%20b%2F%zz%4"), "a b/%zz%4");
        assert_eq!(percent_decoded("%2e%2E/x"), "../x");
    }
}
