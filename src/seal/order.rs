//! Whether a verified seal is the next one for this store.
//!
//! Input: a [`VerifiedSeal`], the store's id, what it has accepted so far ([`Floors`]), the time. Output: what kind of
//! step it is, or the one rule that it breaks.
//!
//! | rule | source |
//! |---|---|
//! | the audience is this store | threats §1 no. 3 |
//! | below the newest accepted sequence: replay; the same with another statement: fork | no. 2 |
//! | the next must name the newest accepted as the one before; numbers between may be missing, where their seals were lost and given up | no. 4 |
//! | one that names another: with the next number it is a fork, with a later one seals are missing | no. 2, no. 4 |
//! | a store that has accepted none takes any seal that carries everything, from its floor on | a new replica |
//! | expired seals are refused; a clock below a time that was signed decides nothing | DESIGN §4 rule 7 |
//! | operators never go back | no. 10 |
//! | deny list and journal may be null only while no value was ever seen | DESIGN §5 |
//!
//! Floors are raised by whoever commits, after success only. Attacks considered:
//! `seal_replay_denied_after_restart_and_reinstall`, `seal_wrong_audience`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SealFault;
use super::header::VerifiedSeal;

/// `format` of the floors.
pub const FORMAT: &str = "sealock.dev/floors/v1";
/// How far a clock may be behind before it decides nothing.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// What a store has accepted. All of it only ever goes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floors {
    /// Version of the deny list; nothing where none was ever seen.
    pub deny_list: Option<u64>,
    /// [`FORMAT`].
    pub format: String,
    /// Journal checkpoint that a seal carried last; nothing where none was ever seen.
    pub journal: Option<String>,
    /// Version of the operators.
    pub operators: u64,
    /// Digest of the newest accepted seal, in hex; nothing where only numbers are known.
    pub seal: Option<String>,
    /// Its time of sealing.
    pub sealed_at: Option<Timestamp>,
    /// Its sequence; 0 for none.
    pub sequence: u64,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            deny_list: None,
            format: FORMAT.to_owned(),
            journal: None,
            operators: 0,
            seal: None,
            sealed_at: None,
            sequence: 0,
        }
    }
}

/// What a seal is to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first that it accepts.
    First,
    /// The next one.
    Next,
    /// The newest one once more.
    Again,
}

impl Floors {
    /// The higher of both in everything: what the store has, and what a source says that it does not own.
    #[must_use]
    pub fn raised_by(mut self, minimum: &Self) -> Self {
        if minimum.sequence > self.sequence {
            self.sequence = minimum.sequence;
            self.seal.clone_from(&minimum.seal);
        }
        self.operators = self.operators.max(minimum.operators);
        self.sealed_at = self.sealed_at.max(minimum.sealed_at);
        self.deny_list = self.deny_list.max(minimum.deny_list);
        self
    }

    /// Judges `seal`.
    ///
    /// # Errors
    /// One [`SealFault`] for each rule.
    pub fn judge(&self, seal: &VerifiedSeal, store: &str, now: Timestamp) -> Result<Step, SealFault> {
        let statement = seal.statement();
        if statement.audience != store {
            return Err(SealFault::WrongAudience {
                wanted: store.to_owned(),
                found: statement.audience.chars().take(80).collect(),
            });
        }
        let step = self.step(seal)?;
        if statement.operators.version < self.operators {
            return Err(SealFault::OperatorsRollback {
                floor: self.operators,
                found: statement.operators.version,
            });
        }
        let list = statement.deny_list.as_ref().map(|list| list.version);
        if list < self.deny_list {
            return Err(SealFault::Withdrawn { what: "deny list" });
        }
        if self.journal.is_some() && statement.journal.is_none() {
            return Err(SealFault::Withdrawn { what: "journal checkpoint" });
        }
        self.check_clock(now)?;
        past(statement.sealed_at, now)?;
        if statement.expires <= now {
            return Err(SealFault::Expired { expires: statement.expires, now });
        }
        Ok(step)
    }

    /// Whether a clock that says `now` can be right: the newest accepted seal was made before.
    ///
    /// # Errors
    /// [`SealFault::Clock`].
    pub fn check_clock(&self, now: Timestamp) -> Result<(), SealFault> {
        self.sealed_at.map_or(Ok(()), |bound| past(bound, now))
    }

    fn step(&self, seal: &VerifiedSeal) -> Result<Step, SealFault> {
        let (floor, found) = (self.sequence, seal.statement().sequence);
        let known = self.seal.as_deref();
        if found < floor {
            return Err(SealFault::Replay { floor, found });
        }
        if found == floor {
            return if known.is_none_or(|known| known == seal.digest()) {
                Ok(if known.is_none() { Step::First } else { Step::Again })
            } else {
                Err(SealFault::Fork { sequence: found })
            };
        }
        let Some(known) = known else {
            // Nothing was accepted here: whatever carries everything may be the first.
            return match &seal.statement().base {
                None => Ok(Step::First),
                Some(_) => Err(SealFault::Gap { floor, found }),
            };
        };
        if seal.statement().previous.as_deref() == Some(known) {
            return Ok(Step::Next);
        }
        Err(if floor.checked_add(1) == Some(found) {
            SealFault::Fork { sequence: found }
        } else {
            SealFault::Gap { floor, found }
        })
    }

    /// The floors after `seal` was accepted.
    #[must_use]
    pub fn after(&self, seal: &VerifiedSeal) -> Self {
        let statement = seal.statement();
        Self {
            deny_list: statement.deny_list.as_ref().map(|list| list.version).max(self.deny_list),
            format: FORMAT.to_owned(),
            journal: statement.journal.clone().or_else(|| self.journal.clone()),
            operators: statement.operators.version.max(self.operators),
            seal: Some(seal.digest().to_owned()),
            sealed_at: Some(statement.sealed_at).max(self.sealed_at),
            sequence: statement.sequence,
        }
    }
}

/// A time that was signed must be past, but for a little.
fn past(bound: Timestamp, now: Timestamp) -> Result<(), SealFault> {
    if now.saturating_add(SLACK).unwrap_or(now) < bound {
        return Err(SealFault::Clock { bound, now });
    }
    Ok(())
}

/// What each name has stood for in the seals that were accepted: digest → sequence of the first seal that said so.
pub type History = BTreeMap<String, BTreeMap<String, u64>>;

/// Names that move back to what an earlier seal had under them, without an exception.
pub fn rollbacks(
    history: &History,
    before: &BTreeMap<String, String>,
    seal: &VerifiedSeal,
    refs: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    let allowed = |name: &str, digest: &str| {
        seal.statement().exceptions.iter().any(|e| e.name == name && e.digest == digest)
    };
    let mut found = Vec::new();
    for (name, digest) in refs {
        let (Some(seen), now) = (history.get(name), before.get(name)) else { continue };
        let newest = seen.values().max().copied().unwrap_or(0);
        let moves = now.is_none_or(|now| now != digest);
        let older = seen.get(digest).is_some_and(|first| *first < newest || now.is_none());
        // A name that vanished and comes back as it last was does not go back.
        let last = seen.iter().max_by_key(|(_, first)| **first).map(|(d, _)| d);
        let returns = now.is_none() && last == Some(digest);
        if moves && older && !returns && !allowed(name, digest) {
            let from = now.or(last).cloned().unwrap_or_default();
            found.push((name.clone(), from, digest.clone()));
        }
    }
    found
}
