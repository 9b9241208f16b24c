//! Every limit on foreign data that verification reads, with its source.
//!
//! A limit is met before the parser it protects. Passing one is a fault of that piece of evidence alone;
//! passing a budget over several pieces makes the verdict undecided and names its source.

/// Bytes of a simple-signing payload. Genuine ones stay below 1 KiB; containers/image reads signatures up to 4 MiB.
pub const SIMPLE_SIGNING: u64 = 4 * 1024 * 1024;

/// Bytes of a DSSE envelope or a bundle: cosign's default attachment limit (`COSIGN_MAX_ATTACHMENT_SIZE`), 128 MiB.
pub const ENVELOPE: u64 = 128 * 1024 * 1024;

/// Layers of one signature or attestation manifest: cosign reads at most 1000.
pub const LAYERS: usize = 1000;

/// Log entries of one piece of evidence: sigstore-go reads at most 32 (CVE-2024-45395).
pub const LOG_ENTRIES: usize = 32;

/// Timestamps of one piece of evidence: sigstore-go reads at most 32.
pub const TIMESTAMPS: usize = 32;

/// Certificates in a bundle's chain. Fulcio issues three; webpki builds paths of at most six.
pub const CHAIN: usize = 8;

/// SCTs in one certificate. Fulcio embeds one; browsers ask for three.
pub const SCTS: usize = 16;

/// Hashes of an inclusion proof: the depth of a tree of 2^64 leaves.
pub const PROOF_HASHES: usize = 64;

/// Bytes of a checkpoint: a signed note with a handful of signatures stays far below.
pub const CHECKPOINT: usize = 16 * 1024;

/// Signatures on one checkpoint: a log and its witnesses.
pub const CHECKPOINT_SIGNATURES: usize = 64;

/// Subjects of one statement: sigstore-go reads at most 1024 (CVE-2024-45395).
pub const SUBJECTS: usize = 1024;

/// Digests of one subject: sigstore-go reads at most 32.
pub const SUBJECT_DIGESTS: usize = 32;

/// Signatures of one classic DSSE envelope. Bundles have exactly one.
pub const ENVELOPE_SIGNATURES: usize = 16;

/// Manifests that may hang on one image, those below indexes included: the bound that registries' referrers lists are read to.
pub const ATTACHMENTS: usize = 4096;

/// Bytes of manifests and evidence that are read for one image and place: two of the largest attachments.
pub const GATHERED: u64 = 2 * ENVELOPE;

/// Bytes of proofs fetched later that are read for one image and place, beside [`GATHERED`]: thousands of genuine ones.
pub const FETCHED: u64 = 16 * 1024 * 1024;

/// Pieces of evidence that are verified in full for one image and authority, after the cheap filter. At some
/// 400 µs each this is about four seconds of one core; a thousand junk signatures fit in ten times.
pub const CANDIDATES: usize = 10_000;

/// Indexes below a `.sig` tag that is itself an index, which policy-controller follows.
pub const NESTED_INDEXES: usize = 4;
