//! What a store keeps of logs: the newest head of each that was accepted, and contradictions.
//!
//! | rule | source |
//! |---|---|
//! | a head is replaced only by one that is proven to go on from it | DESIGN §5 |
//! | a contradiction stays, with both heads, | DESIGN §5: both checkpoints are kept |
//! | … until a later history proves that the one goes on from the other: then it was none | ours: a proof that is missing, or was spoilt on its way, is no second history, and of two histories nobody can make one |
//! | every key that contradicts itself is doubted, whatever tree it was for | ours: a key that signs two histories signs a third |

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::growth::{History, HistoryFault, Outcome};
use super::head::LogKind;
use super::{LogName, SignedHead, codes};
use crate::decision::{Finding, Severity};
use crate::seal::{SealFault, canonical};
use crate::trust::view::Log;

/// `format` of the state.
pub const FORMAT: &str = "sealock.dev/logs/v1";

/// What is kept of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// The head, as the log wrote it.
    pub head: String,
    /// SHA-256 of the key, in hex.
    pub key_id: String,
    /// Which kind of log.
    pub kind: LogKind,
    /// The log's name for itself.
    pub origin: String,
    /// A head that contradicts it.
    pub other: Option<String>,
    /// Leaves of `head`.
    pub size: u64,
    /// Its root, in hex.
    pub root: String,
}

/// What is kept of all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogState {
    /// [`FORMAT`].
    pub format: String,
    /// By kind, key and origin.
    pub logs: Vec<Kept>,
}

impl Default for LogState {
    fn default() -> Self {
        Self { format: FORMAT.to_owned(), logs: Vec::new() }
    }
}

impl LogState {
    /// Reads the state.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        let state: Self = canonical::parse("logs", bytes)?;
        if state.format != FORMAT {
            return Err(SealFault::malformed("logs", "its format is not sealock.dev/logs/v1"));
        }
        Ok(state)
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Only for sizes beyond 2^53.
    pub fn render(&self) -> Result<Vec<u8>, SealFault> {
        canonical::render("logs", self)
    }

    fn at(&self, log: &LogName) -> Option<usize> {
        let key_id = hex::encode(log.key_id);
        self.logs.iter().position(|k| k.kind == log.kind && k.key_id == key_id && k.origin == log.origin)
    }

    /// Key ids (SHA-256) of logs that contradict themselves.
    pub fn doubted(&self) -> BTreeSet<[u8; 32]> {
        let split = self.logs.iter().filter(|kept| kept.other.is_some());
        split.filter_map(|kept| hex::decode(&kept.key_id).ok()?.try_into().ok()).collect()
    }

    /// Keeps the newest head of `history`, of which all is proven.
    fn keep(&mut self, log: &LogName, newest: &SignedHead, history: &History) {
        let kept = Kept {
            head: newest.head().text().to_owned(),
            key_id: hex::encode(log.key_id),
            kind: log.kind,
            origin: log.origin.clone(),
            other: None,
            size: newest.head().size(),
            root: hex::encode(newest.head().root()),
        };
        if let Some(known) = self.at(log).and_then(|at| self.logs.get_mut(at)) {
            let other = known.other.take().filter(|other| !history.holds(other));
            *known = Kept { other, ..kept };
            return;
        }
        self.logs.push(kept);
        self.logs.sort_by(|a, b| (a.kind, &a.key_id, &a.origin).cmp(&(b.kind, &b.key_id, &b.origin)));
    }

    /// Takes a history in under the key of `log`. Says what there is to say; a contradiction is among it, and kept.
    ///
    /// # Errors
    /// [`HistoryFault`] where the log cannot have said this.
    pub fn take(&mut self, history: &History, log: &Log) -> Result<Option<Finding>, HistoryFault> {
        let name = history.log();
        let kept = self.at(&name).and_then(|at| self.logs.get(at));
        let shown = if name.origin.is_empty() { &log.entry.base_url } else { &name.origin };
        match history.judge(log, kept)? {
            Outcome::Grew(newest) => {
                self.keep(&name, &newest, history);
                Ok(None)
            }
            Outcome::Older => Ok(None),
            Outcome::Unconnected => Ok(Some(Finding::new(
                &codes::NOT_PROVEN,
                Severity::Warning,
                format!("log {shown:?}: nothing proves that it only grew since the head that is kept here"),
            ))),
            Outcome::Split(found) => {
                let text = format!(
                    "log {shown:?} shows two histories ({}); what it vouches for is undecided until they are proven to be one",
                    found.reason
                );
                match self.at(&name).and_then(|at| self.logs.get_mut(at)) {
                    // One that no proof can mend takes the place of one that a proof may.
                    Some(known) if known.other.is_some() && !found.is_final(name.kind) => {}
                    Some(known) => {
                        let one = known.head == found.other
                            || (found.is_final(name.kind) && known.head != found.one);
                        let other = if one { found.one } else { found.other };
                        known.other = Some(other);
                    }
                    None => {
                        let one = super::Head::parse(name.kind, &found.one)
                            .ok()
                            .and_then(|h| h.signed_by(log).ok());
                        if let Some(one) = one {
                            self.keep(&name, &one, history);
                        }
                        if let Some(known) = self.at(&name).and_then(|at| self.logs.get_mut(at)) {
                            known.other = Some(found.other);
                        }
                    }
                }
                Ok(Some(Finding::new(&codes::SPLIT_VIEW, Severity::Warning, text)))
            }
        }
    }
}
