//! The floor: what has been seen of a repository, below which it must never go again.
//!
//! Input: the documents of the last accepted state, kept as bytes. Output: refusals of anything older, across
//! runs and restarts. The floor is not believed because it is there: it is chained from the pinned root and its
//! signatures are checked whenever it is read.
//!
//! | rule | source |
//! |---|---|
//! | the newest root seen is where the next load starts | TUF §5.3.8; `tough` forgets it when the file is withheld |
//! | a repository that gave us root N must still have root N, saying the same | threats 15 |
//! | timestamp, the snapshot it names, snapshot, targets and delegations never go back, and no entry of the snapshot vanishes | TUF §5.4.3, §5.5.5; specification PR 106 |
//! | the floor of a role falls only when its document no longer verifies under the newest root: the keys were rotated | TUF §5.3.11 as python-tuf does it |
//! | rotation is judged from the floor's root, not from the pinned one | `tough` judges from the pinned one, so an old timestamp passes after every rotation |
//! | a floor that cannot be read is a fault, never "no floor" | DESIGN rule 5 |
//!
//! Not checked here: expiry. Raising a floor is the caller's, after success.
//!
//! Attacks considered: a withheld root, a replayed timestamp, mixed snapshots, fast-forwarded versions (recovery
//! by key rotation), a planted floor.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tough::schema::{Root, Signed, Snapshot, Timestamp};

use crate::freshness::{Role, RoleExpiry};
use crate::json::{self, ParseFault, Spelling};
use crate::metadata::{self, Checked, Documents, MetadataFault};

/// Most roots in one chain.
pub const MAX_ROOTS: usize = 1024;

/// What is remembered about one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The first trusted root and every one after it, in order.
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) documents: Documents,
}

/// Versions below which nothing is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Of the root.
    pub root: u64,
    /// Of the timestamp.
    pub timestamp: u64,
    /// Of the snapshot.
    pub snapshot: u64,
    /// Of targets and delegations, by file name in the snapshot without `.json`.
    pub targets: BTreeMap<String, u64>,
}

/// Why a floor cannot be used. Nothing is loaded then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloorFault {
    /// Not the format that we write.
    #[error("the floor cannot be read: {0}")]
    Format(#[from] ParseFault),
    /// A part is not base64.
    #[error("the floor's {part} is not base64")]
    Encoding {
        /// Which part.
        part: &'static str,
    },
    /// What it holds does not hang together.
    #[error("the floor is not what was accepted: {0}")]
    Broken(#[from] MetadataFault),
    /// Its chain of roots does not meet the pinned root.
    #[error("the floor's roots {first} to {last} do not meet the pinned root {pinned}")]
    NotLinked {
        /// First version in the floor.
        first: u64,
        /// Last version in the floor.
        last: u64,
        /// Version of the pinned root.
        pinned: u64,
    },
}

/// Something older than what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// The role.
    pub role: Role,
    /// Version that was seen.
    pub floor: u64,
    /// Version offered; 0 where it is not offered at all.
    pub found: u64,
}

/// A floor that fell because the keys of its role were rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The role.
    pub role: Role,
    /// Version that had been seen.
    pub floor: u64,
    /// Version that is accepted now.
    pub found: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    format: String,
    roots: Vec<String>,
    timestamp: String,
    snapshot: String,
    targets: String,
    delegations: BTreeMap<String, String>,
}

const FORMAT: &str = "sealock.dev/tuf-floor/v1";

impl Floor {
    /// As JSON, for [`Floor::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = |bytes: &Vec<u8>| STANDARD.encode(bytes);
        let form = Form {
            format: FORMAT.to_owned(),
            roots: self.roots.iter().map(text).collect(),
            timestamp: text(&self.documents.timestamp),
            snapshot: text(&self.documents.snapshot),
            targets: text(&self.documents.targets),
            delegations: self.documents.delegations.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        };
        // Strings and maps of strings always serialise; an empty file would be refused when read.
        serde_json::to_vec(&form).unwrap_or_default()
    }

    /// Reads what [`Floor::to_bytes`] wrote. Its signatures are checked by [`Floor::under`].
    ///
    /// # Errors
    /// [`FloorFault::Format`], [`FloorFault::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FloorFault> {
        let form: Form = json::parse(bytes, Spelling::Exact)?;
        if form.format != FORMAT || form.roots.is_empty() || form.roots.len() > MAX_ROOTS {
            return Err(FloorFault::Format(ParseFault::Shape(format!(
                "format {:?} with {} roots",
                form.format,
                form.roots.len()
            ))));
        }
        let raw = |part, text: &String| STANDARD.decode(text).map_err(|_| FloorFault::Encoding { part });
        Ok(Self {
            roots: form.roots.iter().map(|r| raw("roots", r)).collect::<Result<_, _>>()?,
            documents: Documents {
                timestamp: raw("timestamp", &form.timestamp)?,
                snapshot: raw("snapshot", &form.snapshot)?,
                targets: raw("targets", &form.targets)?,
                delegations: form
                    .delegations
                    .iter()
                    .map(|(name, text)| Ok((name.clone(), raw("delegations", text)?)))
                    .collect::<Result<_, FloorFault>>()?,
            },
        })
    }

    /// Chains the floor from `pinned` and checks every signature in it.
    ///
    /// # Errors
    /// [`FloorFault::Broken`] or [`FloorFault::NotLinked`]: somebody wrote to it, or pinned another root.
    pub fn under(&self, pinned: &[u8]) -> Result<StandingFloor, FloorFault> {
        let pin = metadata::first_root(pinned)?;
        let pin_version = pin.signed.version.get();
        let mut chain = Vec::new();
        for bytes in &self.roots {
            let root = match chain.last() {
                None => metadata::first_root(bytes)?,
                Some(before) => metadata::next_root(before, bytes)?,
            };
            if root.signed.version == pin.signed.version && !metadata::same_root(&root, &pin) {
                return Err(MetadataFault::Fork { version: pin_version }.into());
            }
            chain.push(root);
        }
        let version = |root: Option<&Signed<Root>>| root.map_or(0, |r| r.signed.version.get());
        let (first, last) = (version(chain.first()), version(chain.last()));
        if pin_version < first {
            return Err(FloorFault::NotLinked { first, last, pinned: pin_version });
        }
        let Some(newest) = chain.pop() else {
            return Err(FloorFault::NotLinked { first, last, pinned: pin_version });
        };
        let checked = metadata::check(&newest.signed, &self.documents)?;
        // A program with a newer pinned root than any that was seen: the documents are kept as a floor, and fall
        // if that root rotated their keys.
        let (start, start_bytes, from_repository) = if pin_version > last {
            (pin, pinned.to_vec(), false)
        } else {
            (newest, self.roots.last().cloned().unwrap_or_default(), self.roots.len() > 1)
        };
        // A chain that ends before the pinned root was not linked to it: what hangs on it is a floor as far as its
        // signatures go, but it vouches for nothing.
        let vouches = pin_version <= last;
        let documents = self.documents.clone();
        Ok(StandingFloor { start, start_bytes, from_repository, vouches, checked, documents })
    }
}

/// A floor whose chain and signatures hold.
#[derive(Clone, Debug)]
pub struct StandingFloor {
    /// The newest trusted root.
    pub(crate) start: Signed<Root>,
    pub(crate) start_bytes: Vec<u8>,
    /// Whether a repository served that root, and so must have it still.
    pub(crate) from_repository: bool,
    /// Whether the documents hang on a root that is linked to the pinned one.
    vouches: bool,
    pub(crate) checked: Checked,
    pub(crate) documents: Documents,
}

impl StandingFloor {
    /// The versions it demands.
    pub fn versions(&self) -> Versions {
        Versions {
            root: self.start.signed.version.get(),
            timestamp: self.checked.timestamp.signed.version.get(),
            snapshot: self.checked.snapshot.signed.version.get(),
            targets: snapshot_versions(&self.checked.snapshot.signed),
        }
    }

    /// Dates of every role, under the newest root.
    pub fn roles(&self) -> Vec<RoleExpiry> {
        metadata::expiries(&self.start.signed, &self.checked)
    }

    /// Whether its documents hang on the pinned root or a later one. If not, the pinned root is newer than all
    /// that was seen, and the documents only hold back what is older than they are.
    pub fn vouches(&self) -> bool {
        self.vouches
    }

    /// SHA-256 and length of the target `name`, as the top-level targets say; `None` also when nothing vouches.
    pub fn target(&self, name: &str) -> Option<([u8; 32], u64)> {
        target_digest(&self.checked, name).filter(|_| self.vouches)
    }

    /// Compares what is offered with what was seen.
    ///
    /// # Errors
    /// The first [`Rollback`], in the order root, timestamp, snapshot, targets and delegations.
    pub(crate) fn allows(&self, root: &Root, offered: &Checked) -> Result<Vec<Reset>, Rollback> {
        let mut resets = Vec::new();
        never_back(Role::Root, self.start.signed.version.get(), root.version.get())?;
        let seen = self.versions();
        let timestamp = offered.timestamp.signed.version.get();
        if still_signed(root, &self.checked.timestamp) {
            never_back(Role::Timestamp, seen.timestamp, timestamp)?;
            let named = |t: &Timestamp| metadata::snapshot_of(t).map_or(0, |m| m.version.get());
            never_back(
                Role::Snapshot,
                named(&self.checked.timestamp.signed),
                named(&offered.timestamp.signed),
            )?;
        } else {
            resets.push(Reset { role: Role::Timestamp, floor: seen.timestamp, found: timestamp });
        }
        let snapshot = offered.snapshot.signed.version.get();
        let listed = snapshot_versions(&offered.snapshot.signed);
        if still_signed(root, &self.checked.snapshot) {
            never_back(Role::Snapshot, seen.snapshot, snapshot)?;
            for (name, floor) in &seen.targets {
                never_back(role_named(name), *floor, listed.get(name).copied().unwrap_or(0))?;
            }
        } else {
            resets.push(Reset { role: Role::Snapshot, floor: seen.snapshot, found: snapshot });
            for (name, floor) in &seen.targets {
                let found = listed.get(name).copied().unwrap_or(0);
                if found < *floor {
                    resets.push(Reset { role: role_named(name), floor: *floor, found });
                }
            }
        }
        Ok(resets)
    }
}

fn still_signed<T: tough::schema::Role>(root: &Root, document: &Signed<T>) -> bool {
    metadata::by_root("floor", root, document).is_ok()
}

fn never_back(role: Role, floor: u64, found: u64) -> Result<(), Rollback> {
    if found < floor { Err(Rollback { role, floor, found }) } else { Ok(()) }
}

pub(crate) fn role_named(name: &str) -> Role {
    if name == "targets" { Role::Targets } else { Role::Delegation(name.to_owned()) }
}

fn snapshot_versions(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    snapshot
        .meta
        .iter()
        .map(|(name, meta)| (name.strip_suffix(".json").unwrap_or(name).to_owned(), meta.version.get()))
        .collect()
}

pub(crate) fn target_digest(checked: &Checked, name: &str) -> Option<([u8; 32], u64)> {
    let (_, target) = checked.targets.signed.targets.iter().find(|(n, _)| n.raw() == name)?;
    let digest = <[u8; 32]>::try_from(&target.hashes.sha256[..]).ok()?;
    Some((digest, target.length))
}
