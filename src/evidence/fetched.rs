//! Log entries that were fetched after signing: the inclusion proof for a signature that came with a promise only.
//!
//! Input: the layer of a manifest of type [`ARTIFACT_TYPE`], whose subject is the manifest of the evidence; it holds
//! one Sigstore `TransparencyLogEntry` (protobuf-specs, JSON mapping). Output: the entry, and [`attach`].
//!
//! | rule | source |
//! |---|---|
//! | it counts for the piece whose own entry has the same log and the same body | ours: index and time come from the promise |
//! | it only ever adds: a proof that does not hold leaves the promise as it is | DESIGN §9: adding evidence never lets anything fail |
//!
//! Not checked here: the proof (`log::inclusion`, called by `verify`).

use super::{Evidence, EvidenceFault, LogEntry, bundle};

/// `artifactType` of the manifest, and media type of its layer.
pub const ARTIFACT_TYPE: &str = "application/vnd.sealock.log-entry.v1+json";
/// Largest layer, in bytes.
pub const MAX: u64 = 4 * 1024 * 1024;
/// Most manifests of this type that are looked at for one manifest of evidence.
pub const MOST: usize = 16;

/// Reads the layer.
///
/// # Errors
/// [`EvidenceFault`] naming the member.
pub fn parse(bytes: &[u8]) -> Result<LogEntry, EvidenceFault> {
    bundle::log_entry(bytes)
}

/// Whether a piece has an entry that came with a promise only, and whose form takes that.
pub fn wanted(evidence: &Evidence) -> bool {
    let entries = &evidence.entries;
    !evidence.form.proof_required && entries.iter().any(|e| e.promise.is_some() && e.proof.is_none())
}

/// Gives the entries of `evidence` the proof of `fetched` where it is about the same entry.
pub fn attach(evidence: &mut Evidence, fetched: &LogEntry) {
    for entry in &mut evidence.entries {
        let same = entry.log_id == fetched.log_id && entry.body == fetched.body;
        if same && entry.promise.is_some() && entry.proof.is_none() && entry.fetched_proof.is_none() {
            entry.fetched_proof.clone_from(&fetched.proof);
        }
    }
}
