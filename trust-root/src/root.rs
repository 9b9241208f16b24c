//! The model of a Sigstore trusted root: who may issue certificates, run logs and stamp times, and when.
//!
//! Input: `trusted_root.json` (protobuf-specs `dev.sigstore.trustroot.v1.TrustedRoot`, JSON mapping).
//! Output: [`TrustedRoot`], with one [`RootFinding`] for every part that cannot be used. One unsupported key
//! never makes the rest unusable.

use jiff::Timestamp;

/// A span of time with both ends inclusive; an absent end is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// First moment that belongs to it.
    pub start: Option<Timestamp>,
    /// Last moment that belongs to it.
    pub end: Option<Timestamp>,
}

impl Window {
    /// Whether `time` lies inside, ends included (sigstore `common.v1.TimeRange`).
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// Kinds of public keys that the verifier can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// RSA, 2048 to 8192 bits, PKCS#1 v1.5.
    Rsa,
    /// Ed25519, pure.
    Ed25519,
}

/// One transparency or certificate log: its key, its name and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// `baseUrl` as written; its host is the origin of checkpoints of Rekor v2.
    pub base_url: String,
    /// `logId.keyId` as declared, raw bytes. Both encodings found in the wild (raw, ASCII hex) are normalised to raw.
    pub log_id: Vec<u8>,
    /// SHA-256 of the `SubjectPublicKeyInfo`: the log id of RFC 6962 §3.2 and of Rekor v1.
    pub key_id: [u8; 32],
    /// DER `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// Kind of key, from the key itself.
    pub algorithm: KeyAlgorithm,
    /// When signatures of this key count.
    pub window: Window,
}

/// A chain of certificates that issues certificates (Fulcio) or stamps times (TSA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `uri` as written.
    pub uri: String,
    /// DER certificates as in the file: the root is last.
    pub chain: Vec<Vec<u8>>,
    /// When the authority counts.
    pub window: Window,
}

/// Everything a verdict may rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRoot {
    /// SHA-256 of the file this was read from.
    pub digest: [u8; 32],
    /// Fulcio instances.
    pub certificate_authorities: Vec<Authority>,
    /// Rekor instances.
    pub transparency_logs: Vec<LogKey>,
    /// Certificate transparency logs.
    pub ct_logs: Vec<LogKey>,
    /// RFC 3161 timestamp authorities.
    pub timestamp_authorities: Vec<Authority>,
    /// Parts left out or remarkable, and why.
    pub findings: Vec<RootFinding>,
}

/// A part of a trusted root that is not used, or that deserves a look, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFinding {
    /// JSON path of the part, as `tlogs[1]`.
    pub part: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it is used all the same: the finding is a remark then.
    pub kept: bool,
}
