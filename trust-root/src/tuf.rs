//! TUF: from a pinned root to the bytes of `trusted_root.json`, through `tough` and our own checks on top.
//!
//! Input: a published repository ([`RepositorySource`]), the pinned root, the floor. Output: [`Loaded`], with the
//! new floor, which the caller commits after success.
//!
//! | rule | source |
//! |---|---|
//! | the client workflow: root chain, timestamp, snapshot, targets, delegations | TUF §5, by `tough` |
//! | expiry is reported, not enforced: nothing stays fresh behind a gap | DESIGN rule 8, [`crate::freshness`] |
//! | at most [`MAX_ROOTS`] new roots | TUF §5.3.3 |
//! | rollback is refused against our floor; the scratch datastore of each load is seeded from it | [`crate::floor`] |
//! | thresholds count distinct public keys | `metadata.rs` |
//! | the next root being unreadable is a fault; `tough` takes it for absent | DESIGN rule 5 |
//! | a target's bytes are handed out after the end of its stream and a second hash | `tough` yields bytes before it checks them |
//! | `trusted_root.json` must be listed by the top-level targets | nobody delegates the trust root itself |
//!
//! Not checked here: what `trusted_root.json` says ([`crate::document`]).
//!
//! Attacks considered: `tuf_root_withheld`, `tuf_replay_after_rotation`, `tuf_fast_forward_recovery`, `tuf_mix_and_match`,
//! a clock that was once in 2040 (`tough` remembers it in its datastore, which here lives for one load only).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tough::schema::{Root, Signed};
use tough::{ExpirationEnforcement, IntoVec, Limits, RepositoryLoader, TargetName};
use url::Url;

use crate::crypto;
use crate::floor::{self, Floor, FloorFault, MAX_ROOTS, Reset, Rollback, StandingFloor};
use crate::freshness::{Role, RoleExpiry};
use crate::json;
use crate::metadata::{self, Documents};
use crate::source::{Answer, RepositorySource};
use crate::transport::{
    MAX_METADATA, MAX_TARGETS_METADATA, METADATA_URL, Record, RecordingTransport, TARGETS_URL, Trouble,
};

pub use crate::metadata::MetadataFault;

/// Name of the target that holds the trusted root.
pub const TRUSTED_ROOT_TARGET: &str = "trusted_root.json";

/// A target as the metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEntry {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// What a repository vouches for.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The bytes of `trusted_root.json`.
    pub trusted_root: Vec<u8>,
    /// Every target, delegated ones included, in order of their names.
    pub targets: Vec<TargetEntry>,
    /// Dates of every role.
    pub roles: Vec<RoleExpiry>,
    /// What to remember; commit it only after everything else succeeded.
    pub floor: Floor,
    /// Floors that fell because a new root rotated the keys.
    pub resets: Vec<Reset>,
    /// Roots that were new: their versions.
    pub new_roots: Vec<u64>,
}

/// Why a repository is refused.
#[derive(Debug, thiserror::Error)]
pub enum TufFault {
    /// The floor cannot be used.
    #[error(transparent)]
    Floor(#[from] FloorFault),
    /// Something older than what was seen.
    #[error("rollback: {} has version {}, {} was seen before", .0.role, .0.found, .0.floor)]
    Rollback(Rollback),
    /// The newest root that this repository once gave is not in it any more.
    #[error("root {version} was seen before and is withheld now")]
    RootWithheld {
        /// Its version.
        version: u64,
    },
    /// A name exists but cannot be read.
    #[error("{name} cannot be read: {reason}")]
    Unreadable {
        /// Name in the repository.
        name: String,
        /// Why.
        reason: String,
    },
    /// Metadata that is not strict JSON.
    #[error("{name} is refused: {fault}")]
    NotStrict {
        /// Name in the repository.
        name: String,
        /// Where and why.
        fault: json::Fault,
    },
    /// Endless data or an endless chain.
    #[error("the repository exceeds a limit of one load at {what}")]
    Budget {
        /// Where.
        what: String,
    },
    /// Key ids that are not computed as the library computes them; GitHub's root is like that.
    #[error("the root uses key ids of another kind: {reason}")]
    KeyIds {
        /// The library's words.
        reason: String,
    },
    /// A check of ours found what the library let pass.
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    /// The library refused.
    #[error("{reason}")]
    Invalid {
        /// The library's words.
        reason: String,
    },
    /// The top-level targets do not list `trusted_root.json`.
    #[error("the repository has no target trusted_root.json")]
    NoTrustedRoot,
    /// The scratch folder or the runtime could not be made.
    #[error("cannot work: {0}")]
    System(String),
}

impl From<Rollback> for TufFault {
    fn from(rollback: Rollback) -> Self {
        Self::Rollback(rollback)
    }
}

/// Loads a repository.
///
/// `pinned` is the first trusted root; `floor` is what an earlier load returned, or `None` for a repository that
/// was never loaded: a floor that could not be read must not be passed as `None`.
///
/// # Errors
/// [`TufFault`]; nothing of the repository may be used then.
pub fn load(
    source: &Arc<dyn RepositorySource>,
    pinned: &[u8],
    floor: Option<&Floor>,
) -> Result<Loaded, TufFault> {
    refuse_foreign_key_ids(pinned)?;
    let pin = metadata::first_root(pinned)?;
    let standing = floor.map(|floor| floor.under(pinned)).transpose()?;
    let (start, start_bytes) = match &standing {
        Some(standing) => (standing.start.clone(), standing.start_bytes.clone()),
        None => (pin, pinned.to_vec()),
    };
    if let Some(standing) = &standing {
        demand_seen_root(source.as_ref(), standing)?;
    }
    let transport = RecordingTransport::new(Arc::clone(source));
    let fetched = fetch(&transport, &start_bytes, standing.as_ref());
    let record = transport.take_record();
    if let Some(trouble) = record.troubles.first() {
        return Err(trouble.clone().into());
    }
    let fetched = fetched?;

    let (roots, root) = root_chain(&record, start)?;
    let documents = documents(&record, &fetched.delegations)?;
    let checked = metadata::check(&root.signed, &documents)?;
    let resets = match &standing {
        Some(standing) => standing.allows(&root.signed, &checked)?,
        None => Vec::new(),
    };
    let (digest, length) =
        floor::target_digest(&checked, TRUSTED_ROOT_TARGET).ok_or(TufFault::NoTrustedRoot)?;
    if crypto::sha256(&fetched.trusted_root) != digest || fetched.trusted_root.len() as u64 != length {
        return Err(MetadataFault::Digest { what: TRUSTED_ROOT_TARGET.to_owned() }.into());
    }
    let first = root.signed.version.get() - roots.len() as u64;
    let new_roots = (first + 1..=root.signed.version.get()).collect();
    let mut chain = match floor {
        Some(floor) if standing.as_ref().is_some_and(|s| floor.roots.last() == Some(&s.start_bytes)) => {
            floor.roots.clone()
        }
        _ => vec![start_bytes],
    };
    chain.extend(roots);
    if chain.len() > MAX_ROOTS {
        return Err(TufFault::Budget { what: "the chain of roots".to_owned() });
    }
    Ok(Loaded {
        trusted_root: fetched.trusted_root,
        targets: fetched.targets,
        roles: metadata::expiries(&root.signed, &checked),
        floor: Floor { roots: chain, documents },
        resets,
        new_roots,
    })
}

/// Checks that a chain of roots, in order, leads from `pinned` to the last of them, and returns what that says.
///
/// # Errors
/// The first link that does not hold.
pub fn follow_roots<'a>(
    pinned: &[u8],
    roots: impl IntoIterator<Item = &'a [u8]>,
) -> Result<RoleExpiry, TufFault> {
    refuse_foreign_key_ids(pinned)?;
    let mut trusted = metadata::first_root(pinned)?;
    for bytes in roots {
        trusted = metadata::next_root(&trusted, bytes)?;
    }
    Ok(RoleExpiry {
        role: Role::Root,
        version: trusted.signed.version.get(),
        expires: trusted.signed.expires,
    })
}

/// `tough` computes key ids anew and refuses a root that chose them otherwise, which TUF allows.
fn refuse_foreign_key_ids(root: &[u8]) -> Result<(), TufFault> {
    match metadata::parse::<Root>("root", root) {
        Err(MetadataFault::Unreadable { source: json::ParseFault::Shape(reason), .. })
            if reason.contains("Invalid key ID") =>
        {
            Err(TufFault::KeyIds { reason })
        }
        _ => Ok(()),
    }
}

/// A repository that once gave us its newest root must have it still, saying the same.
fn demand_seen_root(source: &dyn RepositorySource, standing: &StandingFloor) -> Result<(), TufFault> {
    if !standing.from_repository {
        return Ok(());
    }
    let version = standing.start.signed.version.get();
    let name = format!("{version}.root.json");
    match source.read(&name, MAX_METADATA) {
        Answer::Absent => Err(TufFault::RootWithheld { version }),
        Answer::Unreadable(reason) => Err(TufFault::Unreadable { name, reason }),
        Answer::Found(bytes) => {
            let offered: Signed<Root> = metadata::parse(&name, &bytes)?;
            if metadata::same_root(&offered, &standing.start) {
                Ok(())
            } else {
                Err(MetadataFault::Fork { version }.into())
            }
        }
    }
}

struct Fetched {
    trusted_root: Vec<u8>,
    targets: Vec<TargetEntry>,
    /// Version of every delegated role that was followed.
    delegations: BTreeMap<String, u64>,
}

/// Runs `tough` on a thread of its own, so that callers inside a runtime do not meet a second one.
fn fetch(
    transport: &RecordingTransport,
    root: &[u8],
    standing: Option<&StandingFloor>,
) -> Result<Fetched, TufFault> {
    let system = |e: std::io::Error| TufFault::System(e.to_string());
    let scratch = tempfile::Builder::new().prefix("sealock-tuf-").tempdir().map_err(system)?;
    if let Some(standing) = standing {
        crate::disk::seed_scratch(
            scratch.path(),
            &[
                ("timestamp.json", &standing.documents.timestamp),
                ("snapshot.json", &standing.documents.snapshot),
            ],
        )
        .map_err(system)?;
    }
    let run = || {
        // Neither network nor timers: `tough` needs only its blocking pool for the scratch folder.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(system)?;
        runtime.block_on(fetch_all(transport.clone(), root, scratch.path()))
    };
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("tuf".to_owned())
            .stack_size(16 << 20)
            .spawn_scoped(scope, run)
            .map_err(system)?;
        worker.join().unwrap_or_else(|_| Err(TufFault::System("the TUF library panicked".to_owned())))
    })
}

async fn fetch_all(transport: RecordingTransport, root: &[u8], scratch: &Path) -> Result<Fetched, TufFault> {
    let url = |text: &str| Url::parse(text).map_err(|e| TufFault::System(e.to_string()));
    let repository = RepositoryLoader::new(&root, url(METADATA_URL)?, url(TARGETS_URL)?)
        .transport(transport)
        .limits(Limits {
            max_root_size: MAX_METADATA,
            max_targets_size: MAX_TARGETS_METADATA,
            max_timestamp_size: MAX_METADATA,
            max_snapshot_size: MAX_METADATA,
            max_root_updates: MAX_ROOTS as u64,
        })
        .datastore(scratch)
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .map_err(|e| library_fault(&e))?;
    let name = TargetName::new(TRUSTED_ROOT_TARGET).map_err(|e| library_fault(&e))?;
    if !repository.targets().signed.targets.contains_key(&name) {
        return Err(TufFault::NoTrustedRoot);
    }
    let stream =
        repository.read_target(&name).await.map_err(|e| library_fault(&e))?.ok_or(TufFault::NoTrustedRoot)?;
    // Nothing of the stream is used before its end: only there is the hash known.
    let trusted_root = stream.into_vec().await.map_err(|e| library_fault(&e))?;
    let mut targets: Vec<TargetEntry> = repository
        .all_targets()
        .map(|(name, target)| TargetEntry {
            name: name.raw().to_owned(),
            length: target.length,
            sha256: hex::encode(&target.hashes.sha256[..]),
        })
        .collect();
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    let mut delegations = BTreeMap::new();
    let mut pending: Vec<_> = repository.targets().signed.delegations.iter().collect();
    while let Some(parent) = pending.pop() {
        for role in &parent.roles {
            if let Some(child) = &role.targets
                && !delegations.contains_key(&role.name)
            {
                delegations.insert(role.name.clone(), child.signed.version.get());
                pending.extend(child.signed.delegations.iter());
            }
        }
    }
    Ok(Fetched { trusted_root, targets, delegations })
}

/// The library's refusals in our words where we have some.
fn library_fault(fault: &tough::error::Error) -> TufFault {
    use tough::error::Error;
    use tough::schema::RoleType;
    let rollback = |role, floor: u64, found: u64| TufFault::Rollback(Rollback { role, floor, found });
    match fault {
        Error::OlderMetadata { role, current_version, new_version, .. } => match role {
            RoleType::Timestamp => rollback(Role::Timestamp, *current_version, *new_version),
            RoleType::Snapshot => rollback(Role::Snapshot, *current_version, *new_version),
            RoleType::Targets | RoleType::DelegatedTargets => {
                rollback(Role::Targets, *current_version, *new_version)
            }
            RoleType::Root => TufFault::Invalid { reason: words(fault) },
        },
        Error::OlderSnapshotInTimestamp { snapshot_new, snapshot_old, .. } => {
            rollback(Role::Snapshot, *snapshot_old, *snapshot_new)
        }
        Error::SnapshotRoleMissing { role, .. } => {
            rollback(floor::role_named(role.strip_suffix(".json").unwrap_or(role)), 1, 0)
        }
        Error::SnapshotRoleRollback { role, old_role_version, new_role_version, .. } => rollback(
            floor::role_named(role.strip_suffix(".json").unwrap_or(role)),
            *old_role_version,
            *new_role_version,
        ),
        Error::MaxUpdatesExceeded { .. } => TufFault::Budget { what: "the chain of roots".to_owned() },
        Error::ParseMetadata { source, .. } | Error::ParseTrustedMetadata { source, .. }
            if source.to_string().contains("Invalid key ID") =>
        {
            TufFault::KeyIds { reason: source.to_string() }
        }
        _ => TufFault::Invalid { reason: words(fault) },
    }
}

/// A fault with its causes, on one line.
fn words(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}

impl From<Trouble> for TufFault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreadable { name, reason } => Self::Unreadable { name, reason },
            Trouble::NotStrict { name, fault } => Self::NotStrict { name, fault },
            Trouble::Budget { name } => Self::Budget { what: name },
        }
    }
}

/// Follows the roots that were served, by our own count of keys.
fn root_chain(record: &Record, start: Signed<Root>) -> Result<(Vec<Vec<u8>>, Signed<Root>), TufFault> {
    let mut trusted = start;
    let mut roots = Vec::new();
    for (name, bytes) in &record.served {
        if is_version_of(name, "root") {
            trusted = metadata::next_root(&trusted, bytes)?;
            roots.push(bytes.clone());
        }
    }
    Ok((roots, trusted))
}

/// The documents as they were served, found by their published names.
fn documents(record: &Record, delegations: &BTreeMap<String, u64>) -> Result<Documents, TufFault> {
    let served = |role: &str| {
        record
            .served
            .iter()
            .find(|(name, _)| *name == format!("{role}.json") || is_version_of(name, role))
            .map(|(_, bytes)| bytes.clone())
            .ok_or_else(|| TufFault::from(MetadataFault::Missing { what: role.to_owned() }))
    };
    Ok(Documents {
        timestamp: served("timestamp")?,
        snapshot: served("snapshot")?,
        targets: served("targets")?,
        delegations: delegations
            .keys()
            .map(|name| Ok((name.clone(), served(&file_name(name))?)))
            .collect::<Result<_, TufFault>>()?,
    })
}

/// Whether `name` is `N.role.json`.
fn is_version_of(name: &str, role: &str) -> bool {
    name.strip_suffix(".json")
        .and_then(|stem| stem.split_once('.'))
        .is_some_and(|(version, rest)| rest == role && version.bytes().all(|b| b.is_ascii_digit()))
}

/// The name of a delegated role as it stands in a file name (RFC 3986 §2.3, nothing else is safe).
fn file_name(role: &str) -> String {
    let mut out = String::new();
    for byte in role.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}
