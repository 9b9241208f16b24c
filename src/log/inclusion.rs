//! Whether an entry is in a tree whose root a log signed.
//!
//! | rule | source |
//! |---|---|
//! | inclusion proof up to the root of a checkpoint signed by the log's key | RFC 6962 §2.1.1; C2SP tlog-checkpoint |
//! | checkpoint origin is the log's host (Rekor v2) | rekor-tiles |
//! | copies beside the checkpoint agree with it; Rekor v2 gives no time | ours: they are not signed |

use sigstore_types::Sha256Hash;

use super::Checkpoint;
use crate::evidence::{InclusionProof, LogEntry};
use crate::trust::view::Log;

/// Checks that `proof` leads from `entry` to a root that `log` signed. Gives the checkpoint.
///
/// # Errors
/// What does not fit.
pub fn included<'p>(
    entry: &LogEntry,
    proof: &'p InclusionProof,
    log: &Log,
) -> Result<Checkpoint<'p>, String> {
    let checkpoint = Checkpoint::parse(&proof.checkpoint)?;
    if !checkpoint.is_signed_by(log) {
        return Err("its checkpoint is not signed by the log".into());
    }
    // Rekor v2 signs as its own host; v1 puts a tree number behind whatever name it was given.
    let host =
        log.entry.base_url.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
    if is_v2(entry) && checkpoint.origin != host {
        return Err(format!("its checkpoint is of {:?}, not of {host:?}", checkpoint.origin));
    }
    if is_v2(entry) && entry.log_index != proof.log_index {
        return Err("it and its inclusion proof name different places in the log".to_owned());
    }
    if is_v2(entry) && entry.integrated_time.is_some() {
        return Err("it names a time, but a log of version 2 signs none".to_owned());
    }
    // The copies beside the checkpoint are not signed: they must agree or somebody lies.
    if proof.tree_size != checkpoint.size || proof.root_hash != checkpoint.root {
        return Err("its proof and its checkpoint disagree".into());
    }
    let root = Sha256Hash::new(checkpoint.root);
    let leaf = sigstore_merkle::hash_leaf(&entry.body);
    let hashes: Vec<_> = proof.hashes.iter().map(|h| Sha256Hash::new(*h)).collect();
    sigstore_merkle::verify_inclusion_proof(&leaf, proof.log_index, checkpoint.size, &hashes, &root)
        .map_err(|e| format!("its inclusion proof does not verify: {e}"))?;
    Ok(checkpoint)
}

/// Whether the body is one of Rekor v2: the version in it is covered by the proof.
pub fn is_v2(entry: &LogEntry) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        kind: String,
        api_version: String,
    }
    serde_json::from_slice::<Head>(&entry.body)
        .is_ok_and(|head| head.api_version == "0.0.2" && head.kind != "intoto")
}
