//! Log entries that were fetched after signing: the inclusion proof for a signature that came with a promise only.
//!
//! Input: the layer of a manifest of type [`ARTIFACT_TYPE`], whose subject is the manifest of the evidence; it holds
//! one Sigstore `TransparencyLogEntry` (protobuf-specs, JSON mapping) in each layer. Output: the entry, and [`attach`].
//!
//! | rule | source |
//! |---|---|
//! | it counts for the piece whose own entry has the same log and the same body | ours: index and time come from the promise |
//! | it only ever adds: a proof that does not hold leaves the promise as it is | DESIGN §9: adding evidence never lets anything fail |
//!
//! Not checked here: the proof (`log::inclusion`, called by `verify`).

use super::{Evidence, EvidenceFault, LogEntry, bundle, encoding};

/// `artifactType` of the manifest, and media type of its layer.
pub const ARTIFACT_TYPE: &str = "application/vnd.sealock.log-entry.v1+json";
/// Largest layer, in bytes.
pub const MAX: u64 = 4 * 1024 * 1024;
/// Most manifests of this type that are looked at for one manifest of evidence, and most proofs of one entry.
pub const MOST: usize = 16;

/// Reads the layer.
///
/// # Errors
/// [`EvidenceFault`] naming the member.
pub fn parse(bytes: &[u8]) -> Result<LogEntry, EvidenceFault> {
    bundle::log_entry(bytes)
}

/// Whether an entry came with a promise only.
pub fn is_promise_only(entry: &LogEntry) -> bool {
    entry.promise.is_some() && entry.proof.is_none()
}

/// Whether a piece has an entry that came with a promise only, and whose form takes that.
pub fn wanted(evidence: &Evidence) -> bool {
    !evidence.form.proof_required && evidence.entries.iter().any(is_promise_only)
}

/// The layer of an entry that was fetched: Sigstore's `TransparencyLogEntry`.
pub fn render(entry: &LogEntry) -> Vec<u8> {
    let base64 = encoding::to_base64;
    let (kind, version) = kind_version(&entry.body);
    let mut document = serde_json::json!({
        "canonicalizedBody": base64(&entry.body),
        "kindVersion": {"kind": kind, "version": version},
        "logId": {"keyId": base64(&entry.log_id)},
        "logIndex": entry.log_index.to_string(),
    });
    let mut put = |name: &str, value: serde_json::Value| {
        if let Some(members) = document.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(time) = entry.integrated_time {
        put("integratedTime", time.as_second().to_string().into());
    }
    if let Some(promise) = &entry.promise {
        put("inclusionPromise", serde_json::json!({"signedEntryTimestamp": base64(promise)}));
    }
    if let Some(proof) = &entry.proof {
        let hashes: Vec<_> = proof.hashes.iter().map(|hash| base64(hash)).collect();
        put(
            "inclusionProof",
            serde_json::json!({
                "checkpoint": {"envelope": proof.checkpoint},
                "hashes": hashes,
                "logIndex": proof.log_index.to_string(),
                "rootHash": base64(&proof.root_hash),
                "treeSize": proof.tree_size.to_string(),
            }),
        );
    }
    document.to_string().into_bytes()
}

/// What the body says it is; empty where it says nothing.
fn kind_version(body: &[u8]) -> (String, String) {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Head {
        kind: String,
        api_version: String,
    }
    let head: Head = serde_json::from_slice(body).unwrap_or_default();
    (head.kind, head.api_version)
}

/// Gives the entries of `evidence` the proof of `fetched` where it is about the same entry.
pub fn attach(evidence: &mut Evidence, fetched: &LogEntry) {
    for entry in &mut evidence.entries {
        let same = entry.log_id == fetched.log_id && entry.body == fetched.body;
        if same && is_promise_only(entry) && entry.fetched_proofs.len() < MOST {
            entry.fetched_proofs.extend(fetched.proof.clone());
        }
    }
}
