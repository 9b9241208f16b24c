//! How old trust may be: per role, judged by limits, never by a yes or no of its own.
//!
//! Input: what roles say about themselves, a time, a policy. Output: dates, ages and judgements. Pure.
//!
//! | rule | source |
//! |---|---|
//! | a role counts as expired from its `expires` on | TUF §5.3.10, §5.4.4, §5.5.6, §5.6.5 |
//! | behind a gap nothing stays fresh: each role has a limit past its expiry, and an action beyond it | DESIGN rule 8 |
//! | by default only the root can deny, and only past [`ROOT_GRACE`]; the rest is noted | DESIGN rule 8 |
//!
//! Not checked here: that metadata was fresh when it was sealed (the sealer and import do).
//!
//! Attacks considered: a frozen mirror (ages are always shown); a wrong clock (time is an argument; nothing of
//! it is remembered, so one run in the year 2040 changes nothing).

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// How long past its expiry a root is still taken by default: two of the public-good instance's renewal periods.
pub const ROOT_GRACE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A TUF role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The keys of all top-level roles.
    Root,
    /// The newest snapshot.
    Timestamp,
    /// The versions of all targets metadata.
    Snapshot,
    /// The targets and their digests.
    Targets,
    /// A delegated targets role, by name.
    Delegation(String),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Snapshot => f.write_str("snapshot"),
            Self::Targets => f.write_str("targets"),
            Self::Delegation(name) => write!(f, "delegation {name}"),
        }
    }
}

/// What verified metadata says about one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleExpiry {
    /// The role.
    pub role: Role,
    /// Version of its metadata.
    pub version: u64,
    /// From when on it is expired.
    pub expires: Timestamp,
}

/// What happens when a role is older than its limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Say so.
    Note,
    /// Say so loudly.
    Warn,
    /// Trust nothing that rests on it.
    Deny,
}

impl Action {
    /// As written on the command line and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// A limit for one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How long past its expiry a role may be.
    pub past_expiry: SignedDuration,
    /// What happens beyond that.
    pub action: Action,
}

impl Limit {
    /// Expired at all is too old.
    pub const fn at_expiry(action: Action) -> Self {
        Self { past_expiry: SignedDuration::ZERO, action }
    }
}

impl FromStr for Limit {
    type Err = PolicyFault;

    /// `90d:deny`, `12h:warn`, `0d:note`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || PolicyFault { text: text.to_owned() };
        let (span, action) = text.split_once(':').ok_or_else(fault)?;
        let action = match action {
            "note" => Action::Note,
            "warn" => Action::Warn,
            "deny" => Action::Deny,
            _ => return Err(fault()),
        };
        let hours = if let Some(days) = span.strip_suffix('d') {
            number(days).map(|n| n * 24)
        } else {
            span.strip_suffix('h').and_then(number)
        };
        let past_expiry = SignedDuration::from_hours(hours.ok_or_else(fault)?);
        Ok(Self { past_expiry, action })
    }
}

/// At most six digits: no sum of them overflows, and nobody needs 3,000 years.
fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A limit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a freshness limit; write ROLE=TIME:ACTION, as in root=90d:deny (d or h; note, warn or deny)"
)]
pub struct PolicyFault {
    /// As written.
    pub text: String,
}

/// A limit for every role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessPolicy {
    /// For the root.
    pub root: Limit,
    /// For the timestamp.
    pub timestamp: Limit,
    /// For the snapshot.
    pub snapshot: Limit,
    /// For the top-level targets.
    pub targets: Limit,
    /// For every delegated role.
    pub delegation: Limit,
}

impl Default for FreshnessPolicy {
    /// DESIGN rule 8: an expired root denies past [`ROOT_GRACE`], anything else is noted.
    fn default() -> Self {
        let note = Limit::at_expiry(Action::Note);
        Self {
            root: Limit { past_expiry: ROOT_GRACE, action: Action::Deny },
            timestamp: note,
            snapshot: note,
            targets: note,
            delegation: note,
        }
    }
}

impl FreshnessPolicy {
    /// TUF's own rule: whatever is expired denies. Usable on the connected side only.
    pub const fn strict() -> Self {
        let deny = Limit::at_expiry(Action::Deny);
        Self { root: deny, timestamp: deny, snapshot: deny, targets: deny, delegation: deny }
    }

    /// Changes one role's limit: `root=90d:deny`, `timestamp=30d:warn`, `delegation=…`, or `all=…`.
    ///
    /// # Errors
    /// [`PolicyFault`] for an unknown role, time or action.
    pub fn set(&mut self, text: &str) -> Result<(), PolicyFault> {
        let fault = || PolicyFault { text: text.to_owned() };
        let (role, limit) = text.split_once('=').ok_or_else(fault)?;
        let limit: Limit = limit.parse().map_err(|_| fault())?;
        match role {
            "root" => self.root = limit,
            "timestamp" => self.timestamp = limit,
            "snapshot" => self.snapshot = limit,
            "targets" => self.targets = limit,
            "delegation" => self.delegation = limit,
            "all" => {
                *self =
                    Self { root: limit, timestamp: limit, snapshot: limit, targets: limit, delegation: limit }
            }
            _ => return Err(fault()),
        }
        Ok(())
    }

    /// The limit for `role`.
    pub fn limit(&self, role: &Role) -> Limit {
        match role {
            Role::Root => self.root,
            Role::Timestamp => self.timestamp,
            Role::Snapshot => self.snapshot,
            Role::Targets => self.targets,
            Role::Delegation(_) => self.delegation,
        }
    }
}

/// What a policy says about the age of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// Not expired.
    Fresh,
    /// Expired, within the limit.
    WithinLimit,
    /// Expired for longer than the limit allows.
    Beyond(Action),
}

/// The age of one role at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAge {
    /// The role.
    pub role: Role,
    /// Version of its metadata.
    pub version: u64,
    /// From when on it is expired.
    pub expires: Timestamp,
    /// Time since expiry; negative while there is time left.
    pub past_expiry: SignedDuration,
    /// What the policy says.
    pub judgement: Judgement,
}

/// Judges every role at `now`.
pub fn judge(roles: &[RoleExpiry], now: Timestamp, policy: &FreshnessPolicy) -> Vec<RoleAge> {
    roles
        .iter()
        .map(|role| {
            let past_expiry = now.duration_since(role.expires);
            let limit = policy.limit(&role.role);
            let judgement = if past_expiry < SignedDuration::ZERO {
                Judgement::Fresh
            } else if past_expiry < limit.past_expiry {
                Judgement::WithinLimit
            } else {
                Judgement::Beyond(limit.action)
            };
            RoleAge {
                role: role.role.clone(),
                version: role.version,
                expires: role.expires,
                past_expiry,
                judgement,
            }
        })
        .collect()
}

/// The heaviest action that any role's age calls for.
pub fn heaviest(ages: &[RoleAge]) -> Option<Action> {
    ages.iter()
        .filter_map(|age| match age.judgement {
            Judgement::Beyond(action) => Some(action),
            Judgement::Fresh | Judgement::WithinLimit => None,
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn roles() -> Vec<RoleExpiry> {
        [(Role::Root, "2026-11-20T13:58:18Z"), (Role::Timestamp, "2026-08-28T19:25:56Z")]
            .into_iter()
            .map(|(role, expires)| RoleExpiry { role, version: 1, expires: at(expires) })
            .collect()
    }

    #[test]
    fn default_denies_a_root_only_past_its_grace() {
        let policy = FreshnessPolicy::default();
        let of = |now: &str| -> Vec<Judgement> {
            judge(&roles(), at(now), &policy).into_iter().map(|a| a.judgement).collect()
        };
        assert_eq!(of("2026-08-28T19:25:55Z"), [Judgement::Fresh, Judgement::Fresh]);
        assert_eq!(of("2026-08-28T19:25:56Z"), [Judgement::Fresh, Judgement::Beyond(Action::Note)]);
        assert_eq!(of("2026-11-23T00:00:00Z")[0], Judgement::WithinLimit);
        assert_eq!(of("2027-02-18T13:58:17Z")[0], Judgement::WithinLimit);
        assert_eq!(of("2027-02-18T13:58:18Z")[0], Judgement::Beyond(Action::Deny));
    }

    #[test]
    fn limits_are_written_and_read() {
        let mut policy = FreshnessPolicy::default();
        policy.set("root=0d:deny").unwrap();
        policy.set("timestamp=36h:warn").unwrap();
        let ages = judge(&roles(), at("2026-11-23T00:00:00Z"), &policy);
        assert_eq!(ages[0].judgement, Judgement::Beyond(Action::Deny));
        assert_eq!(ages[1].judgement, Judgement::Beyond(Action::Warn));
        assert_eq!(heaviest(&ages), Some(Action::Deny));
        for wrong in
            ["root", "root=90d", "root=90:deny", "root=-1d:deny", "rot=1d:deny", "root=d:deny", "root=1d:no"]
        {
            assert!(policy.set(wrong).is_err(), "{wrong}");
        }
        policy.set("all=0d:deny").unwrap();
        assert_eq!(policy, FreshnessPolicy::strict());
    }
}
