//! Step 3: which of the entries a transparency log of the root vouches for.
//!
//! | rule | source |
//! |---|---|
//! | promise over RFC 8785 `{body,integratedTime,logID,logIndex}`, by the key that the entry's id names | Rekor OpenAPI, `SignedEntryTimestamp` |
//! | inclusion proof up to the root of a checkpoint signed by that key | RFC 6962 §2.1.1; C2SP signed-note, tlog-checkpoint |
//! | checkpoint origin is the log's host (Rekor v2), its key hint the key's | rekor-tiles; C2SP signed-note |
//! | the key's window holds the entry's time and every stamp's; one that has an end needs such a time | protobuf-specs `valid_for` |
//! | an entry has a proof or a promise, and stands once | ours; cosign |
//!
//! An entry of a log that the root does not know, or whose promise or proof does not verify, is set aside: it
//! proves nothing. An entry with neither, or one that stands twice, condemns the evidence.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sigstore_types::Sha256Hash;

use super::signature::SignedBy;
use super::timestamp::Stamps;
use super::{LogStrength, Rejection};
use crate::crypto::{HashAlgorithm, KeyAlgorithm};
use crate::evidence::{InclusionProof, LogEntry, encoding, limits};
use crate::trust::TrustView;
use crate::trust::view::Log;

/// An entry that a log of the root vouches for.
pub(super) struct Proven<'e> {
    pub(super) entry: &'e LogEntry,
    strength: LogStrength,
    key_id: [u8; 32],
    /// Signed time of the log; a proof alone carries none.
    time: Option<Timestamp>,
}

/// Entries that a log vouches for, not yet compared with the signature.
pub(super) struct Found<'e> {
    pub(super) proven: Vec<Proven<'e>>,
    aside: Vec<String>,
    root: String,
}

/// Entries that a log vouches for and that belong to this signature: made by `entry::bind` only.
pub(super) struct Entries {
    strength: LogStrength,
    log_key: Option<[u8; 32]>,
    times: Vec<Timestamp>,
    count: usize,
    aside: Vec<String>,
    root: String,
}

impl Entries {
    pub(super) fn none() -> Self {
        Self {
            strength: LogStrength::None,
            log_key: None,
            times: Vec::new(),
            count: 0,
            aside: Vec::new(),
            root: String::new(),
        }
    }

    /// Called by `entry::bind` after every entry was compared.
    pub(super) fn of_bound(found: Found<'_>) -> Self {
        let strongest = found.proven.iter().max_by_key(|p| p.strength);
        Self {
            strength: strongest.map_or(LogStrength::None, |p| p.strength),
            log_key: strongest.map(|p| p.key_id),
            times: found.proven.iter().filter_map(|p| p.time).collect(),
            count: found.proven.len(),
            aside: found.aside,
            root: found.root,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn strength(&self) -> LogStrength {
        self.strength
    }

    /// Whether a log vouched for a time, too.
    pub(super) fn has_time(&self) -> bool {
        !self.times.is_empty()
    }

    pub(super) fn log_key(&self) -> Option<[u8; 32]> {
        self.log_key
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.times.iter().copied()
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.times.iter().min().copied()
    }

    pub(super) fn why_empty(self) -> Rejection {
        Rejection::NotLogged { root: self.root, aside: self.aside }
    }
}

pub(super) fn prove<'e>(
    signed: &SignedBy<'e>,
    view: &TrustView,
    stamps: &Stamps,
) -> Result<Found<'e>, Rejection> {
    let entries = &signed.evidence().entries;
    let mut found = Found { proven: Vec::new(), aside: Vec::new(), root: view.name().to_owned() };
    let mut seen = std::collections::HashSet::new();
    for entry in entries {
        if entry.promise.is_none() && entry.proof.is_none() {
            return Err(Rejection::BadEntry {
                reason: "it carries neither an inclusion proof nor a promise".into(),
            });
        }
        if !seen.insert((&entry.log_id, &entry.body)) {
            return Err(Rejection::DuplicateEntry);
        }
        if signed.evidence().form.proof_required && entry.proof.is_none() {
            found.aside.push("a bundle of this version must carry an inclusion proof".into());
            continue;
        }
        match vouched(entry, view, stamps) {
            Ok(proven) => found.proven.push(proven),
            Err(reason) => found.aside.push(reason),
        }
    }
    Ok(found)
}

/// The log that vouches for `entry`, or why none does.
fn vouched<'e>(entry: &'e LogEntry, view: &TrustView, stamps: &Stamps) -> Result<Proven<'e>, String> {
    let mut reason = format!("log {} is not in the root", hex::encode(&entry.log_id));
    for log in view.logs(&entry.log_id) {
        match by_log(entry, log, stamps) {
            Ok((strength, time)) => {
                return Ok(Proven { entry, strength, key_id: log.entry.key_id, time });
            }
            Err(e) => reason = e,
        }
    }
    Err(reason)
}

fn by_log(entry: &LogEntry, log: &Log, stamps: &Stamps) -> Result<(LogStrength, Option<Timestamp>), String> {
    // Both are verified where both are there: neither may contradict the other.
    let time = match &entry.promise {
        Some(promise) => Some(promised(entry, promise, log)?),
        None => None,
    };
    let strength = match &entry.proof {
        Some(proof) => {
            included(entry, proof, log)?;
            LogStrength::Inclusion
        }
        None => LogStrength::Promise,
    };
    if time.is_none() && stamps.is_empty() && log.entry.window.end.is_some() {
        return Err("the log's key no longer counts, and nothing proves that the entry is older".to_owned());
    }
    let mut judged = time.iter().copied().chain(stamps.times()).peekable();
    if let Some(outside) = judged.find(|time| !log.entry.window.contains(*time)) {
        return Err(format!("the log's key does not count at {outside}"));
    }
    Ok((strength, time))
}

/// Checks the promise and returns the time in it.
fn promised(entry: &LogEntry, promise: &[u8], log: &Log) -> Result<Timestamp, String> {
    let time = entry.integrated_time.ok_or("the promise carries no time")?;
    // RFC 8785 of this object: members in this order, numbers plain, strings without anything to escape.
    let canonical = format!(
        "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{}\",\"logIndex\":{}}}",
        encoding::to_base64(&entry.body),
        time.as_second(),
        hex::encode(&entry.log_id),
        entry.log_index
    );
    if log.key.verifies(log_hash(log), canonical.as_bytes(), promise) {
        Ok(time)
    } else {
        Err("its promise (SET) does not verify".into())
    }
}

/// Checks proof and checkpoint.
fn included(entry: &LogEntry, proof: &InclusionProof, log: &Log) -> Result<(), String> {
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
    // The copies beside the checkpoint are not signed: they must agree or somebody lies.
    if proof.tree_size != checkpoint.size || proof.root_hash != checkpoint.root {
        return Err("its proof and its checkpoint disagree".into());
    }
    let root = Sha256Hash::new(checkpoint.root);
    let leaf = sigstore_merkle::hash_leaf(&entry.body);
    let hashes: Vec<_> = proof.hashes.iter().map(|h| Sha256Hash::new(*h)).collect();
    sigstore_merkle::verify_inclusion_proof(&leaf, proof.log_index, checkpoint.size, &hashes, &root)
        .map_err(|e| format!("its inclusion proof does not verify: {e}"))
}

/// Whether the body is one of Rekor v2: the version in it is covered by the proof.
fn is_v2(entry: &LogEntry) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        kind: String,
        api_version: String,
    }
    serde_json::from_slice::<Head>(&entry.body)
        .is_ok_and(|head| head.api_version == "0.0.2" && head.kind != "intoto")
}

/// Logs sign with SHA-256, whatever the curve, except where the curve is larger and the root says so.
fn log_hash(log: &Log) -> HashAlgorithm {
    match log.key.algorithm() {
        KeyAlgorithm::EcdsaP384 => HashAlgorithm::Sha384,
        KeyAlgorithm::EcdsaP521 => HashAlgorithm::Sha512,
        _ => HashAlgorithm::Sha256,
    }
}

/// A signed note that states the size and root of a tree.
struct Checkpoint<'c> {
    origin: &'c str,
    size: u64,
    root: [u8; 32],
    text: &'c str,
    signatures: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'c> Checkpoint<'c> {
    fn parse(envelope: &'c str) -> Result<Self, String> {
        let malformed = |what: &str| format!("its checkpoint is malformed: {what}");
        let (text, tail) = envelope.split_once("\n\n").ok_or_else(|| malformed("no empty line"))?;
        let text = envelope.get(..=text.len()).ok_or_else(|| malformed("no text"))?;
        let mut lines = text.lines();
        let origin = lines.next().filter(|l| !l.is_empty()).ok_or_else(|| malformed("no origin"))?;
        let size = lines
            .next()
            .filter(|l| *l == "0" || !l.starts_with(['0', '+']))
            .and_then(|l| l.parse().ok())
            .ok_or_else(|| malformed("no size"))?;
        let root = lines
            .next()
            .and_then(|l| STANDARD.decode(l).ok())
            .and_then(|b| <[u8; 32]>::try_from(b).ok())
            .ok_or_else(|| malformed("no root hash"))?;
        let mut signatures = Vec::new();
        for line in tail.lines() {
            let (_, encoded) = line
                .strip_prefix("\u{2014} ")
                .and_then(|l| l.split_once(' '))
                .ok_or_else(|| malformed("a signature line of another form"))?;
            let bytes = STANDARD.decode(encoded).map_err(|e| malformed(&e.to_string()))?;
            let (hint, signature) = bytes
                .split_at_checked(4)
                .ok_or_else(|| malformed("a signature shorter than its key hint"))?;
            signatures.push((hint.to_vec(), signature.to_vec()));
            if signatures.len() > limits::CHECKPOINT_SIGNATURES {
                return Err(malformed("too many signatures"));
            }
        }
        Ok(Self { origin, size, root, text, signatures })
    }

    fn is_signed_by(&self, log: &Log) -> bool {
        let hints = [log.entry.key_id.get(..4), log.entry.log_id.get(..4)];
        self.signatures.iter().any(|(hint, signature)| {
            hints.contains(&Some(hint.as_slice()))
                && log.key.verifies(log_hash(log), self.text.as_bytes(), signature)
        })
    }
}
