//! What a seal states. The document: `docs/formats/seal.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SealFault, container};

/// `format` of a statement.
pub const FORMAT: &str = "sealock.dev/seal/v1";
/// Most documents that one statement binds.
const MAX_CONTENTS: usize = 400;
/// Longest name of a sealing side, in bytes.
const MAX_ORIGIN: usize = 128;

/// Digest and size of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// SHA-256 in hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl Content {
    /// Of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: hex::encode(crate::crypto::sha256(bytes)), size: bytes.len() as u64 }
    }

    /// Whether `bytes` are these.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        *self == Self::of(bytes)
    }
}

/// How everything behind the first entry is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    /// SHA-256 of each, in hex, in order.
    pub sha256: Vec<String>,
    /// Bytes of each but the last.
    pub size: u64,
    /// Bytes of all.
    pub total: u64,
}

impl Segments {
    /// Where segment `at` (from 0) begins, and how long it is.
    pub fn span(&self, at: usize) -> (u64, u64) {
        let start = (at as u64).saturating_mul(self.size).min(self.total);
        (start, self.size.min(self.total - start))
    }
}

/// A document with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versioned {
    /// SHA-256 of the signed part, in hex.
    pub sha256: String,
    /// Its version.
    pub version: u64,
}

/// A trust root that the transfer carries as a TUF repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Its name in the store.
    pub name: String,
    /// Version of each role, by the role's name.
    pub versions: BTreeMap<String, u64>,
}

/// Lets a name move back to what an earlier seal had under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it may stand for again.
    pub digest: String,
    /// The full name.
    pub name: String,
}

/// The statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// Id of the store that this is for.
    pub audience: String,
    /// Seal whose receipt says what this need not carry; nothing for a transfer that carries all.
    pub base: Option<String>,
    /// Documents that follow the statement, by name.
    pub contents: BTreeMap<String, Content>,
    /// Deny list; not written yet.
    pub deny_list: Option<Versioned>,
    /// Moves back that are meant.
    pub exceptions: Vec<Exception>,
    /// From when on it is not taken in any more.
    pub expires: Timestamp,
    /// [`FORMAT`].
    pub format: String,
    /// Checkpoint of the journal that the sealing side has seen last; not written yet.
    pub journal: Option<String>,
    /// Operators that the transfer carries.
    pub operators: Versioned,
    /// Name of the sealing side.
    pub origin: String,
    /// Policy files that the transfer carries, with their digests in hex.
    pub policies: BTreeMap<String, String>,
    /// Digest of the seal before, in hex; nothing for the first.
    pub previous: Option<String>,
    /// When.
    pub sealed_at: Timestamp,
    /// How the rest is cut.
    pub segments: Segments,
    /// Counts from 1.
    pub sequence: u64,
    /// Trust roots that the transfer carries.
    pub trust: Vec<Trust>,
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Statement {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn check(&self) -> Result<(), SealFault> {
        let refused = |reason: &str| Err(SealFault::malformed("seal", reason));
        if self.format != FORMAT {
            return refused("its format is not sealock.dev/seal/v1");
        }
        if self.sequence == 0 || (self.sequence == 1) != self.previous.is_none() {
            return refused("sequence and previous seal do not fit together");
        }
        let digests = self.previous.iter().chain(&self.base).chain([&self.operators.sha256]);
        let digests = digests.chain(&self.segments.sha256).chain(self.policies.values());
        if !digests.chain(self.contents.values().map(|c| &c.sha256)).all(|d| is_digest(d)) {
            return refused("a digest is not 64 lower-case hexadecimal digits");
        }
        if self.origin.len() > MAX_ORIGIN
            || self.origin.chars().any(char::is_control)
            || self.origin.is_empty()
        {
            return refused("the name of the sealing side is empty, too long or holds control characters");
        }
        if self.contents.len() > MAX_CONTENTS
            || !self.contents.keys().all(|name| container::is_document(name))
        {
            return refused(
                "a document has a name that does not belong in a transfer, or there are too many",
            );
        }
        for wanted in [container::LAYOUT, container::INDEX, container::OPERATORS, container::SNAPSHOT] {
            if !self.contents.contains_key(wanted) {
                return refused("a document that every transfer has is missing");
            }
        }
        let policies = self.policies.iter().all(|(name, digest)| {
            self.contents.get(&format!("policies/{name}")).is_some_and(|c| c.sha256 == *digest)
        });
        let all_named = self
            .contents
            .keys()
            .filter_map(|name| name.strip_prefix("policies/"))
            .all(|name| self.policies.contains_key(name));
        if !policies || !all_named {
            return refused("its policies are not those that it carries");
        }
        let Segments { sha256, size, total } = &self.segments;
        if *size == 0 || size % container::BLOCK != 0 || total.div_ceil(*size) != sha256.len() as u64 {
            return refused("its segments do not add up");
        }
        if self.documents_end() > *total {
            return refused("its documents are longer than all of it");
        }
        if self.expires <= self.sealed_at {
            return refused("it expires before it was sealed");
        }
        if self.trust.iter().any(|t| !sealock_trust_root::disk::is_name(&t.name)) {
            return refused("a trust root has a name that is none");
        }
        Ok(())
    }

    /// Where the documents end and content begins, counted from the end of the first entry.
    pub fn documents_end(&self) -> u64 {
        self.contents.values().map(|c| container::entry_length(c.size)).fold(0, u64::saturating_add)
    }
}
