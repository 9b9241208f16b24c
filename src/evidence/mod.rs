//! Bytes → structure. Everything here is untrusted until [`crate::verify`] has been through it.
//!
//! Input: the blobs of signature manifests with their annotations, and Sigstore bundles. Output: [`Evidence`],
//! one shape for all of them, so that verification has one door.
//!
//! | form | where it comes from | read by |
//! |---|---|---|
//! | classic signature layer | cosign `SIGNATURE_SPEC.md`, `application/vnd.dev.cosign.simplesigning.v1+json` | [`classic`] |
//! | classic attestation layer | cosign, `application/vnd.dsse.envelope.v1+json` | [`classic`], [`dsse`] |
//! | log entry fetched later | ours, `docs/formats/log-history.md` | [`fetched`] |
//! | Sigstore bundle 0.1 to 0.3 | protobuf-specs `dev.sigstore.bundle.v1`, JSON mapping | [`bundle`] |
//!
//! Not checked here: anything cryptographic, and whether the parts belong together (`verify`).
//! Attacks considered: parsers that disagree (strict scanner first), floods and giants ([`limits`]).

pub mod bundle;
pub mod classic;
pub mod codes;
pub mod dsse;
pub mod encoding;
pub mod fetched;
pub mod gathered;
pub mod limits;
pub mod statement;

use jiff::Timestamp;

use crate::image::Digest;

pub use gathered::{Gathered, Piece, Place, State};

/// Which form a piece of evidence has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A layer of a `.sig` manifest.
    ClassicSignature,
    /// A layer of an `.att` manifest.
    ClassicAttestation,
    /// A Sigstore bundle.
    Bundle,
}

impl Kind {
    /// As in documents: `classic-signature`, `classic-attestation`, `bundle`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassicSignature => "classic-signature",
            Self::ClassicAttestation => "classic-attestation",
            Self::Bundle => "bundle",
        }
    }
}

/// One piece of evidence, parsed and unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Digest of the blob it came from.
    pub digest: Digest,
    /// Its form.
    pub kind: Kind,
    /// What was signed, and the signature.
    pub content: Content,
    /// Who claims to have signed.
    pub signer: Signer,
    /// Log entries that come with it.
    pub entries: Vec<LogEntry>,
    /// RFC 3161 responses that come with it, DER.
    pub timestamps: Vec<Vec<u8>>,
    /// What its form demands.
    pub form: Form,
}

/// What the form of a piece of evidence demands beyond what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Form {
    /// A log entry counts only with an inclusion proof: bundles from 0.2 on.
    pub proof_required: bool,
    /// A bundle of a version before 0.3: policy-controller does not look at them.
    pub before_0_3: bool,
    /// It carries a chain where its form has one certificate: bundles from 0.3 on.
    pub chain_unexpected: bool,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A simple-signing payload and a signature over its bytes.
    SimpleSigning {
        /// The payload as it lies in the blob.
        payload: Vec<u8>,
        /// Raw signature.
        signature: Vec<u8>,
        /// The payload's claim.
        claim: classic::Claim,
    },
    /// A DSSE envelope with an in-toto statement.
    Envelope {
        /// The envelope.
        envelope: dsse::Envelope,
        /// Its statement.
        statement: statement::Statement,
    },
    /// A signature over an artifact that lies elsewhere.
    Message {
        /// Raw signature.
        signature: Vec<u8>,
        /// `messageDigest`, a hint that must agree.
        digest: Option<(String, Vec<u8>)>,
    },
}

/// Who claims to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A certificate, DER, and whatever chain came with it (never used to build trust).
    Certificate {
        /// The leaf.
        leaf: Vec<u8>,
        /// The rest, as found.
        chain: Vec<Vec<u8>>,
    },
    /// Nobody by name: a key that the verifier must know.
    Key {
        /// `publicKey.hint` of a bundle.
        hint: Option<String>,
    },
}

/// A transparency log entry as carried with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// `logID` / `logId.keyId`, raw bytes.
    pub log_id: Vec<u8>,
    /// `logIndex`. Signed by a promise; unauthenticated without one.
    pub log_index: u64,
    /// `integratedTime`. Signed by a promise; unauthenticated without one.
    pub integrated_time: Option<Timestamp>,
    /// `kind` and `version` as announced beside the body, where they are.
    pub kind_version: Option<(String, String)>,
    /// The canonicalized body, decoded.
    pub body: Vec<u8>,
    /// Signed entry timestamp, DER signature.
    pub promise: Option<Vec<u8>>,
    /// Inclusion proof with checkpoint.
    pub proof: Option<InclusionProof>,
    /// Those that were asked for later, where only a promise came with the signature ([`fetched`]). One that holds is
    /// enough: whoever plants one that does not must not take its place.
    pub fetched_proofs: Vec<InclusionProof>,
}

/// An RFC 6962 inclusion proof with the checkpoint that signs its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Index of the leaf in the tree (not the global log index).
    pub log_index: u64,
    /// Claimed size; the checkpoint's counts.
    pub tree_size: u64,
    /// Claimed root; the checkpoint's counts.
    pub root_hash: Vec<u8>,
    /// Path from leaf to root.
    pub hashes: Vec<[u8; 32]>,
    /// Signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// Why bytes are not evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFault {
    /// A part that must be there is not.
    #[error("{part} is missing")]
    Missing {
        /// As annotation or member name.
        part: &'static str,
    },
    /// Text that is not what it must be.
    #[error("{part}: {reason}")]
    Malformed {
        /// As annotation or member name.
        part: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// More of something than is read.
    #[error("{part}: {found}, the limit is {limit}")]
    Limit {
        /// What there is too much of.
        part: &'static str,
        /// How much there is.
        found: u64,
        /// How much is read.
        limit: u64,
    },
    /// A form that is not supported, by name.
    #[error("{part} {found:?} is not supported")]
    Unsupported {
        /// What it is.
        part: &'static str,
        /// Its name.
        found: String,
    },
}

impl EvidenceFault {
    fn malformed(part: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { part, reason: reason.to_string() }
    }

    fn limit(part: &'static str, found: usize, limit: usize) -> Result<(), Self> {
        if found > limit {
            return Err(Self::Limit { part, found: found as u64, limit: limit as u64 });
        }
        Ok(())
    }
}
