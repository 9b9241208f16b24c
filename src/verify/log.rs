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

use jiff::Timestamp;

use super::signature::SignedBy;
use super::timestamp::Stamps;
use super::{LogStrength, Rejection};
use crate::evidence::{LogEntry, encoding};
use crate::log::{Checkpoint, checkpoint, inclusion};
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
    doubted: Option<String>,
}

/// Entries that a log vouches for and that belong to this signature: made by `entry::bind` only.
pub(super) struct Entries {
    strength: LogStrength,
    log_key: Option<[u8; 32]>,
    times: Vec<Timestamp>,
    count: usize,
    aside: Vec<String>,
    root: String,
    doubted: Option<String>,
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
            doubted: None,
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
            doubted: found.doubted,
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

    /// The log that was left out because it has shown two histories.
    pub(super) fn doubted(&self) -> Option<Rejection> {
        self.doubted.clone().map(|log| Rejection::LogDoubted { log })
    }

    pub(super) fn why_empty(self) -> Rejection {
        if let Some(doubted) = self.doubted() {
            return doubted;
        }
        Rejection::NotLogged { root: self.root, aside: self.aside }
    }
}

pub(super) fn prove<'e>(
    signed: &SignedBy<'e>,
    view: &TrustView,
    stamps: &Stamps,
) -> Result<Found<'e>, Rejection> {
    let entries = &signed.evidence().entries;
    let mut found =
        Found { proven: Vec::new(), aside: Vec::new(), root: view.name().to_owned(), doubted: None };
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
            Ok(proven) if view.doubts(&proven.key_id) => {
                let log = view.logs(&entry.log_id).next().map(|log| log.entry.base_url.clone());
                found.doubted = log;
                found.aside.push("its log has shown two histories".to_owned());
            }
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
        match by_log(entry, log, view, stamps) {
            Ok((strength, time)) => {
                return Ok(Proven { entry, strength, key_id: log.entry.key_id, time });
            }
            Err(e) => reason = e,
        }
    }
    Err(reason)
}

fn by_log(
    entry: &LogEntry,
    log: &Log,
    view: &TrustView,
    stamps: &Stamps,
) -> Result<(LogStrength, Option<Timestamp>), String> {
    // Both are verified where both are there: neither may contradict the other.
    let time = match &entry.promise {
        Some(promise) => Some(promised(entry, promise, log)?),
        None => None,
    };
    let strength = if let Some(proof) = &entry.proof {
        strength(&inclusion::included(entry, proof, log)?, view)
    } else {
        // A proof that was fetched later strengthens, and one that does not hold weakens nothing.
        let proofs = entry.fetched_proofs.iter();
        let holding = proofs.filter_map(|proof| inclusion::included(entry, proof, log).ok());
        holding.map(|checkpoint| strength(&checkpoint, view)).max().unwrap_or(LogStrength::Promise)
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

/// How strong an inclusion under this checkpoint is.
fn strength(checkpoint: &Checkpoint<'_>, view: &TrustView) -> LogStrength {
    if view.witnesses().saw(checkpoint) { LogStrength::Witnessed } else { LogStrength::Inclusion }
}

/// Checks the promise and returns the time in it.
pub(super) fn promised(entry: &LogEntry, promise: &[u8], log: &Log) -> Result<Timestamp, String> {
    let time = entry.integrated_time.ok_or("the promise carries no time")?;
    // RFC 8785 of this object: members in this order, numbers plain, strings without anything to escape.
    let canonical = format!(
        "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{}\",\"logIndex\":{}}}",
        encoding::to_base64(&entry.body),
        time.as_second(),
        hex::encode(&entry.log_id),
        entry.log_index
    );
    if log.key.verifies(checkpoint::log_hash(log), canonical.as_bytes(), promise) {
        Ok(time)
    } else {
        Err("its promise (SET) does not verify".into())
    }
}
