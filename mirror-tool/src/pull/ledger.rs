//! The ledger: every question that was asked, and its answer. `docs/formats/ledger.md` describes the format.
//!
//! Members stand in alphabetical order and without spaces, lists in a fixed order, so equal answers give equal bytes.

use sealock::image::Digest;
use serde::{Deserialize, Serialize};

/// `schema`.
pub const SCHEMA: &str = "sealock.dev/ledger/v1";
/// What ledgers in `snapshots/` begin with.
pub const PREFIX: &str = "ledger-";
/// Largest ledger that is read, in bytes.
pub const MAX: u64 = 64 * 1024 * 1024;

/// What was asked and answered in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// The images that were committed, by name, then digest.
    pub images: Vec<ImageEntry>,
    /// SHA-256 of the ledger before.
    pub previous: Option<Digest>,
    /// [`SCHEMA`].
    pub schema: String,
    /// One more than the ledger before; the first is 1.
    pub sequence: u64,
    /// When the run began, RFC 3339.
    pub taken_at: String,
}

/// What was asked about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageEntry {
    /// What the name stood for.
    pub digest: Digest,
    /// Canonical name, with its tag where it has one.
    pub name: String,
    /// By subject, place, channel.
    pub questions: Vec<Question>,
    /// Evidence that was found and cannot be read in one way; it is not among the digests of any question.
    pub refused: Vec<Refused>,
}

/// Evidence left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Its manifest.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}

/// The four answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there, and it is held.
    Found,
    /// It is not there, and the registry said so.
    Absent,
    /// Nobody knows.
    Unknown,
    /// Nobody knows, and somebody said why that may stay so.
    Waived,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The HTTP answer in short, or why there is none.
    pub answer: String,
    /// `signature-tag`, `attestation-tag`, `sbom-tag`, `fallback-tag` or `referrers`.
    pub channel: String,
    /// Manifests that were found and are about the subject, in order.
    pub digests: Vec<Digest>,
    /// Which of the four.
    pub state: State,
    /// What was asked about.
    pub subject: Digest,
    /// Why it may stay open; only where `state` is `waived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
    /// The repository that was asked, with the prefix of tags after a `#` where there is one.
    #[serde(rename = "where")]
    pub place: String,
}

impl Question {
    /// Its name: `repository@digest#channel`.
    pub fn name(&self) -> String {
        format!("{}@{}#{}", self.place, self.subject, self.channel)
    }
}

impl Ledger {
    /// As kept.
    ///
    /// # Errors
    /// Only where memory fails.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Its file name in `snapshots/`.
    pub fn file_name(&self, bytes: &[u8]) -> String {
        format!("{PREFIX}{:010}-{}.json", self.sequence, Digest::sha256(bytes).hex())
    }
}
