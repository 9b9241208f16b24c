//! Where images and evidence are read from: the store, an OCI layout directory, or an OCI archive.
//!
//! Every byte that comes out was hashed on this read; what the source says about names and attachments is a
//! finding aid and makes nothing true.

use crate::image::Digest;

/// How a piece of evidence was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The tag `sha256-<hex>.sig` of the image's repository.
    SignatureTag,
    /// The tag `sha256-<hex>.att` of the image's repository.
    AttestationTag,
    /// The tag `sha256-<hex>.sbom` of the image's repository.
    SbomTag,
    /// A manifest whose `subject` is the image.
    Referrer,
}

/// A manifest that hangs on an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// How it was found.
    pub channel: Channel,
    /// The manifest (or index) of the evidence.
    pub manifest: Digest,
    /// Media type its descriptor announced; empty where none did.
    pub media_type: String,
}

/// The tag under which registries without a referrers API keep the list of them (OCI distribution-spec 1.1).
pub fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm(), subject.hex())
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The digest.
    pub digest: Digest,
    /// Whether an accepted seal vouches for the name; else it is merely claimed by whoever wrote the bundle.
    pub sealed: bool,
}

/// Why a source has no answer. Absent, unreadable and damaged are three answers.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// Nothing of that name or digest is held. This is not proof that it does not exist.
    #[error("{what} is not held in {place}")]
    NotHeld {
        /// Name or digest.
        what: String,
        /// The store or layout.
        place: String,
    },
    /// Held, but the bytes are not what the digest says.
    #[error("{what} in {place} is damaged: {reason}")]
    Damaged {
        /// Name or digest.
        what: String,
        /// The store or layout.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// Larger than the caller's limit.
    #[error("{what} in {place} has {size} bytes, the limit here is {limit}")]
    TooLarge {
        /// Name or digest.
        what: String,
        /// The store or layout.
        place: String,
        /// Bytes held.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The system refused.
    #[error("{what} in {place} cannot be read: {source}")]
    Unreadable {
        /// Name or digest.
        what: String,
        /// The store or layout.
        place: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Something that holds images and evidence.
pub trait Source {
    /// Where this is, for messages.
    fn place(&self) -> String;

    /// The digest that `repository:tag` stands for. `repository` is canonical (`index.docker.io/library/x`).
    ///
    /// # Errors
    /// [`SourceFault::NotHeld`] when the name is not known here.
    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault>;

    /// The bytes of `digest`, hashed on this read, at most `limit` of them.
    ///
    /// # Errors
    /// Every kind of [`SourceFault`].
    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault>;

    /// What hangs on `subject` in `repository` (tags), and on `subject` anywhere (referrers), in digest order.
    /// An empty answer means that nothing was found, not that nothing exists.
    ///
    /// # Errors
    /// [`SourceFault::Unreadable`] or [`SourceFault::Damaged`] when the question could not be answered.
    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault>;

    /// Repositories that have a fallback tag (`sha256-<hex>`) for `subject`, with the index that it stands for there:
    /// what such an index lists hangs on the subject in that repository, not in every one.
    ///
    /// # Errors
    /// As [`Self::attachments`].
    fn fallbacks(&self, subject: &Digest) -> Result<Vec<(String, Digest)>, SourceFault>;

    /// The channels that were asked about `subject` at `place` and proven to hold nothing, as a sealed ledger has
    /// them: `signature-tag`, `attestation-tag`, `sbom-tag`, `fallback-tag`, `referrers`. A place is a repository,
    /// with `#` and the prefix where tags carry one. Without a ledger nothing is proven.
    ///
    /// # Errors
    /// [`SourceFault::Damaged`] where the ledger is not what was sealed.
    fn absent(&self, place: &str, subject: &Digest) -> Result<Vec<String>, SourceFault> {
        let _ = (place, subject);
        Ok(Vec::new())
    }
}
