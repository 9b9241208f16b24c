//! Growth: heads of one log, each proven to go on from the one before, and evidence tied to them.
//!
//! Input: a history as a mirror kept it (`docs/formats/log-history.md`), the log's key, the head that is kept here.
//! Output: [`Outcome`]: the newest head, or the contradiction, or that nothing connects.
//!
//! | rule | source |
//! |---|---|
//! | the smaller tree is a prefix of the larger one | RFC 6962 §2.1.2 |
//! | sizes only rise; every head is signed by the log's key and of one origin | ours |
//! | the head that is kept here must stand in the history, as a head or tied to one, with its root | DESIGN §5: old → new |
//! | each checkpoint that came with evidence leads to a head of the history | DESIGN §5: evidence → new |
//! | two signed heads whose proof is missing or wrong are a contradiction | DESIGN §5 |
//!
//! Attacks considered: `split_view_detected_at_import`, a history cut off below the kept head, heads or proofs of
//! another log.

use serde::{Deserialize, Serialize};
use sigstore_types::Sha256Hash;

use super::head::LogKind;
use super::state::Kept;
use super::{Head, LogName, SignedHead};
use crate::evidence::limits;
use crate::seal::canonical;
use crate::trust::view::Log;

/// `format` of a history.
pub const FORMAT: &str = "sealock.dev/log-history/v1";
/// Largest history that is read, in bytes.
pub const MAX_HISTORY: u64 = 64 * 1024 * 1024;
/// Most heads of one history; the oldest are left out first.
pub const MAX_HEADS: usize = 1000;
/// Most checkpoints of evidence that one history ties; the oldest are left out first.
pub const MAX_TIES: usize = 20_000;

/// What is wrong with a history that nobody can have got from the log like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history of log {log}: {reason}")]
pub struct HistoryFault {
    /// The key's id, in hex.
    pub log: String,
    /// What does not fit.
    pub reason: String,
}

/// A head with the proof that leads to it from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// As the log wrote it.
    pub head: String,
    /// Hashes of the consistency proof, in hex; empty for the first. Nothing where the log gave none that holds.
    pub proof: Option<Vec<String>>,
}

/// A checkpoint that came with evidence, with the proof that leads from it to a head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tie {
    /// As it came.
    pub head: String,
    /// As in [`Link`].
    pub proof: Option<Vec<String>>,
    /// Size of the head that it leads to.
    pub to: u64,
}

/// What a mirror knows of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// [`FORMAT`].
    pub format: String,
    /// From the oldest on.
    pub heads: Vec<Link>,
    /// SHA-256 of the key, in hex.
    pub key_id: String,
    /// Which kind of log.
    pub kind: LogKind,
    /// The log's name for itself; empty for CT logs.
    pub origin: String,
    /// In the order in which they came.
    pub ties: Vec<Tie>,
}

/// Two heads that the log signed and that no proof connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The smaller one.
    pub one: String,
    /// The other.
    pub other: String,
    /// Why they do not fit together.
    pub reason: String,
}

impl Contradiction {
    /// Whether it is one of two trees of one size: no proof can ever mend that.
    pub fn is_final(&self, kind: LogKind) -> bool {
        let size = |text| Head::parse(kind, text).ok().map(|head| head.size());
        size(&self.one).is_some_and(|one| Some(one) == size(&self.other))
    }
}

/// What a history says.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The log only grew. This is its newest head.
    Grew(SignedHead),
    /// It did not.
    Split(Contradiction),
    /// Nothing leads from the head that is kept to those in it.
    Unconnected,
    /// Everything in it is older than the head that is kept.
    Older,
}

/// Checks that the tree of `new` begins with the tree of `old`.
///
/// # Errors
/// What does not fit.
pub fn grew(old: &SignedHead, new: &SignedHead, proof: &[[u8; 32]]) -> Result<(), String> {
    if old.log() != new.log() {
        return Err("the heads are of two logs".to_owned());
    }
    let hashes: Vec<_> = proof.iter().map(|hash| Sha256Hash::new(*hash)).collect();
    let (old, new) = (old.head(), new.head());
    let roots = (Sha256Hash::new(old.root()), Sha256Hash::new(new.root()));
    sigstore_merkle::verify_consistency_proof(old.size(), new.size(), &hashes, &roots.0, &roots.1)
        .map_err(|e| format!("nothing proves that {} leaves begin {}: {e}", old.size(), new.size()))
}

fn hashes(proof: &[String]) -> Result<Vec<[u8; 32]>, String> {
    if proof.len() > limits::PROOF_HASHES {
        return Err(format!("a proof of {} hashes", proof.len()));
    }
    let one = |text: &String| {
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        hex::decode(text).ok().filter(|_| lower).and_then(|b| b.try_into().ok())
    };
    proof
        .iter()
        .map(|text| one(text).ok_or_else(|| "a hash is not 64 lower-case digits".to_owned()))
        .collect()
}

/// The reason why `proof` does not lead from one to the other, if it does not.
fn broken(old: &SignedHead, new: &SignedHead, proof: Option<&Vec<String>>) -> Option<Contradiction> {
    let reason = match proof {
        None => Some("the log gave no proof that connects them".to_owned()),
        Some(proof) => hashes(proof).and_then(|proof| grew(old, new, &proof)).err(),
    };
    reason.map(|reason| contradiction(old.head(), new.head(), reason))
}

fn contradiction(one: &Head, other: &Head, reason: String) -> Contradiction {
    Contradiction { one: one.text().to_owned(), other: other.text().to_owned(), reason }
}

impl History {
    /// A history without heads.
    pub fn new(log: &LogName) -> Self {
        Self {
            format: FORMAT.to_owned(),
            heads: Vec::new(),
            key_id: hex::encode(log.key_id),
            kind: log.kind,
            origin: log.origin.clone(),
            ties: Vec::new(),
        }
    }

    fn fault(&self, reason: impl Into<String>) -> HistoryFault {
        HistoryFault { log: self.key_id.chars().take(64).collect(), reason: reason.into() }
    }

    /// Reads a history; nothing in it is believed yet.
    ///
    /// # Errors
    /// [`HistoryFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, HistoryFault> {
        let unreadable = |reason: String| HistoryFault { log: "of no name".to_owned(), reason };
        let history: Self = canonical::parse("log history", bytes).map_err(|e| unreadable(e.to_string()))?;
        let id = hex::decode(&history.key_id).ok().filter(|id| id.len() == 32);
        if history.format != FORMAT || id.is_none() {
            return Err(history.fault("its format or its key's id is none"));
        }
        if history.heads.is_empty() || history.heads.len() > MAX_HEADS || history.ties.len() > MAX_TIES {
            return Err(history.fault("it has no head, or too many"));
        }
        Ok(history)
    }

    /// The key's id.
    pub fn key(&self) -> [u8; 32] {
        hex::decode(&self.key_id).ok().and_then(|id| id.try_into().ok()).unwrap_or([0; 32])
    }

    /// Whose it is.
    pub fn log(&self) -> LogName {
        LogName { kind: self.kind, key_id: self.key(), origin: self.origin.clone() }
    }

    /// A head of this log that `log` signed.
    fn signed(&self, text: &str, log: &Log) -> Result<SignedHead, HistoryFault> {
        let head = Head::parse(self.kind, text).map_err(|e| self.fault(e))?;
        if head.origin() != self.origin {
            return Err(self.fault(format!(
                "a head of {:?} among those of {:?}",
                head.origin(),
                self.origin
            )));
        }
        head.signed_by(log).map_err(|e| self.fault(e))
    }

    /// Judges it under the key of `log`, against the head that is kept here.
    ///
    /// # Errors
    /// [`HistoryFault`] for what the log cannot have said: heads that it did not sign, sizes that do not rise.
    pub fn judge(&self, log: &Log, kept: Option<&Kept>) -> Result<Outcome, HistoryFault> {
        if log.entry.key_id != self.key() {
            return Err(self.fault("it is of another key"));
        }
        let mut heads: Vec<SignedHead> = Vec::with_capacity(self.heads.len());
        let mut found: Option<Contradiction> = None;
        for link in &self.heads {
            let head = self.signed(&link.head, log)?;
            if let Some(before) = heads.last() {
                if before.head().size() >= head.head().size() {
                    return Err(self.fault("its heads do not rise"));
                }
                found = found.or_else(|| broken(before, &head, link.proof.as_ref()));
            }
            heads.push(head);
        }
        let mut tied: Vec<SignedHead> = Vec::new();
        for tie in &self.ties {
            let evidence = self.signed(&tie.head, log)?;
            let Some(head) = heads.iter().find(|head| head.head().size() == tie.to) else {
                return Err(
                    self.fault(format!("evidence is tied to a head of {} leaves that is not in it", tie.to))
                );
            };
            if evidence.head().size() > tie.to {
                return Err(self.fault("evidence is tied to a head that is older"));
            }
            found = found.or_else(|| broken(&evidence, head, tie.proof.as_ref()));
            tied.extend(kept.filter(|kept| kept.size == evidence.head().size()).map(|_| evidence));
        }
        if let Some(kept) = kept {
            let mut same = heads.iter().chain(&tied).map(SignedHead::head).filter(|h| h.size() == kept.size);
            if let Some(other) = same.clone().find(|head| hex::encode(head.root()) != kept.root) {
                let reason = format!("two trees of {} leaves", kept.size);
                let other = other.text().to_owned();
                return Ok(Outcome::Split(Contradiction { one: kept.head.clone(), other, reason }));
            }
            if same.next().is_none() && found.is_none() {
                let newer = heads.last().is_some_and(|head| head.head().size() > kept.size);
                return Ok(if newer { Outcome::Unconnected } else { Outcome::Older });
            }
        }
        if let Some(found) = found {
            return Ok(Outcome::Split(found));
        }
        match heads.pop() {
            Some(newest) if kept.is_none_or(|kept| newest.head().size() >= kept.size) => {
                Ok(Outcome::Grew(newest))
            }
            Some(_) => Ok(Outcome::Older),
            None => Err(self.fault("it has no head")),
        }
    }

    /// Whether a head of that size and root stands in it, among the heads or the ties. Where [`History::judge`] says
    /// [`Outcome::Grew`], each of them is proven to lead to the newest one.
    pub fn holds(&self, text: &str) -> bool {
        let Ok(wanted) = Head::parse(self.kind, text) else { return false };
        let all = self.heads.iter().map(|link| &link.head).chain(self.ties.iter().map(|tie| &tie.head));
        all.filter_map(|text| Head::parse(self.kind, text).ok()).any(|own| {
            (own.size(), own.root(), own.origin()) == (wanted.size(), wanted.root(), wanted.origin())
        })
    }

    /// Canonical bytes. The oldest heads and ties are left out where there are too many, the oldest ties also
    /// where they have too many bytes.
    ///
    /// # Errors
    /// Only where memory fails.
    pub fn render(&mut self) -> Result<Vec<u8>, HistoryFault> {
        let more = self.heads.len().saturating_sub(MAX_HEADS);
        self.heads.drain(..more);
        if let (true, Some(first)) = (more > 0, self.heads.first_mut()) {
            first.proof = Some(Vec::new());
        }
        let sizes: Vec<u64> = self
            .heads
            .iter()
            .filter_map(|l| Head::parse(self.kind, &l.head).ok())
            .map(|h| h.size())
            .collect();
        self.ties.retain(|tie| sizes.contains(&tie.to));
        let more = self.ties.len().saturating_sub(MAX_TIES);
        self.ties.drain(..more);
        loop {
            let bytes = canonical::render("log history", self).map_err(|e| self.fault(e.to_string()))?;
            if bytes.len() as u64 <= MAX_HISTORY || self.ties.is_empty() {
                return Ok(bytes);
            }
            // What nobody would read would end the history.
            self.ties.drain(..self.ties.len().div_ceil(8));
        }
    }
}
