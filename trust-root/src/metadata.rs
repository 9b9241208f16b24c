//! TUF metadata checked a second time, by public keys instead of key ids, and without `tough`'s loader.
//!
//! Input: the documents of one repository state. Output: the same, parsed, when every link holds. This is what
//! makes a state kept in the store believable again without a repository at hand, and what closes the gaps of
//! the loader.
//!
//! | rule | source |
//! |---|---|
//! | strict JSON | [`crate::json`] |
//! | root N+1 signed by thresholds of N and of N+1, versions without a gap | TUF §5.3.4, §5.3.5 |
//! | a threshold counts distinct public keys; one key under two ids counts once; a threshold of 0 does not parse | GHSA-3633-5h82-39pq, go-tuf PR 733, CVE-2026-23992 |
//! | timestamp → snapshot → targets → delegations by version, and by length and hash where given | TUF §5.5.2, §5.6.2 |
//!
//! The schema and the canonical form are `tough`'s; signatures are checked with `ring`.
//!
//! Not checked here: rollback ([`crate::floor`]), expiry ([`crate::freshness`]).
//!
//! Attacks considered: one key that signs twice, mixed metadata of two snapshots, a role's document offered as
//! another's (the signed type differs), delegations in a circle.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ring::signature::{self, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::schema::{Delegations, Metafile, Role as SignedRole, Root, Signed, Snapshot, Targets, Timestamp};

use crate::crypto;
use crate::freshness::{Role, RoleExpiry};
use crate::json::{self, ParseFault, Spelling};

/// Deepest nesting of delegations, and most delegated roles, that are followed.
const MAX_DELEGATIONS: usize = 1024;

/// Why documents do not hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// Not strict JSON, or of another shape.
    #[error("{what} cannot be read: {source}")]
    Unreadable {
        /// Which document.
        what: String,
        /// The parser's reason.
        source: ParseFault,
    },
    /// Fewer distinct keys than the threshold signed.
    #[error("{what} is signed by {found} distinct keys, {threshold} are needed")]
    Signatures {
        /// Which document.
        what: String,
        /// Distinct public keys whose signatures verify.
        found: u64,
        /// Keys needed.
        threshold: u64,
    },
    /// Versions do not follow each other.
    #[error("{what} has version {found}, expected {expected}")]
    Version {
        /// Which document.
        what: String,
        /// Version found.
        found: u64,
        /// Version expected.
        expected: u64,
    },
    /// Bytes that are not those that the parent vouches for.
    #[error("{what} is not the document that its parent names by length or hash")]
    Digest {
        /// Which document.
        what: String,
    },
    /// A document is missing, or a parent does not name it.
    #[error("{what} is missing")]
    Missing {
        /// Which document.
        what: String,
    },
    /// Two roots of one version that say different things.
    #[error("two different roots of version {version}")]
    Fork {
        /// The version.
        version: u64,
    },
}

/// The documents of one repository state, as served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Documents {
    /// `timestamp.json`.
    pub timestamp: Vec<u8>,
    /// The snapshot.
    pub snapshot: Vec<u8>,
    /// The top-level targets.
    pub targets: Vec<u8>,
    /// Delegated targets, by role name.
    pub delegations: BTreeMap<String, Vec<u8>>,
}

/// The same, parsed and linked to a root.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub timestamp: Signed<Timestamp>,
    pub snapshot: Signed<Snapshot>,
    pub targets: Signed<Targets>,
    pub delegations: BTreeMap<String, Signed<Targets>>,
}

/// Parses one document.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<Signed<T>, MetadataFault> {
    json::parse(bytes, Spelling::Exact)
        .map_err(|source| MetadataFault::Unreadable { what: what.to_owned(), source })
}

/// Parses a first trusted root: it must at least be signed by itself (TUF §5.2).
pub(crate) fn first_root(bytes: &[u8]) -> Result<Signed<Root>, MetadataFault> {
    let root: Signed<Root> = parse("the pinned root", bytes)?;
    by_root("the pinned root", &root.signed, &root)?;
    Ok(root)
}

/// Takes the next root if both sides sign it.
pub(crate) fn next_root(trusted: &Signed<Root>, bytes: &[u8]) -> Result<Signed<Root>, MetadataFault> {
    let expected = trusted.signed.version.get().saturating_add(1);
    let what = format!("root {expected}");
    let next: Signed<Root> = parse(&what, bytes)?;
    by_root(&what, &trusted.signed, &next)?;
    by_root(&what, &next.signed, &next)?;
    let found = next.signed.version.get();
    if found != expected {
        return Err(MetadataFault::Version { what, found, expected });
    }
    Ok(next)
}

/// Whether two roots say the same, whoever signed them.
pub(crate) fn same_root(a: &Signed<Root>, b: &Signed<Root>) -> bool {
    a.signed == b.signed
}

/// Demands that `document` is signed as `root` says for its role.
pub(crate) fn by_root<T: SignedRole>(
    what: &str,
    root: &Root,
    document: &Signed<T>,
) -> Result<(), MetadataFault> {
    let role = root.roles.get(&T::TYPE).ok_or_else(|| MetadataFault::Missing { what: what.to_owned() })?;
    demand(what, document, &root.keys, &role.keyids, role.threshold.get())
}

fn demand<T: SignedRole>(
    what: &str,
    document: &Signed<T>,
    keys: &HashMap<Decoded<Hex>, Key>,
    ids: &[Decoded<Hex>],
    threshold: u64,
) -> Result<(), MetadataFault> {
    let short = |found| MetadataFault::Signatures { what: what.to_owned(), found, threshold };
    let message = document.signed.canonical_form().map_err(|_| short(0))?;
    let mut signers = BTreeSet::new();
    for signature in &document.signatures {
        if ids.contains(&signature.keyid)
            && let Some(key) = keys.get(&signature.keyid)
        {
            let (kind, algorithm, public) = public_key(key);
            if UnparsedPublicKey::new(algorithm, public).verify(&message, &signature.sig).is_ok() {
                signers.insert((kind, public));
            }
        }
    }
    let found = signers.len() as u64;
    if found < threshold || threshold == 0 { Err(short(found)) } else { Ok(()) }
}

/// What a key is, apart from how its document is spelled and which id it has.
fn public_key(key: &Key) -> (u8, &'static dyn signature::VerificationAlgorithm, &[u8]) {
    match key {
        Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => {
            (0, &signature::ECDSA_P256_SHA256_ASN1, &keyval.public)
        }
        Key::Ed25519 { keyval, .. } => (1, &signature::ED25519, &keyval.public),
        Key::Rsa { keyval, .. } => (2, &signature::RSA_PSS_2048_8192_SHA256, &keyval.public),
    }
}

/// Checks that the documents hang together under `root`.
pub(crate) fn check(root: &Root, documents: &Documents) -> Result<Checked, MetadataFault> {
    let timestamp: Signed<Timestamp> = parse("timestamp", &documents.timestamp)?;
    by_root("timestamp", root, &timestamp)?;
    let snapshot: Signed<Snapshot> = parse("snapshot", &documents.snapshot)?;
    by_root("snapshot", root, &snapshot)?;
    let named = snapshot_of(&timestamp.signed)
        .ok_or_else(|| MetadataFault::Missing { what: "snapshot.json in timestamp".to_owned() })?;
    same("snapshot", named, snapshot.signed.version.get(), &documents.snapshot)?;
    let targets: Signed<Targets> = parse("targets", &documents.targets)?;
    by_root("targets", root, &targets)?;
    same("targets", meta(&snapshot.signed, "targets")?, targets.signed.version.get(), &documents.targets)?;
    let mut delegations = BTreeMap::new();
    let mut pending: Vec<Delegations> = targets.signed.delegations.iter().cloned().collect();
    while let Some(parent) = pending.pop() {
        for role in &parent.roles {
            let Some(bytes) = documents.delegations.get(&role.name) else { continue };
            if delegations.contains_key(&role.name) {
                continue;
            }
            if delegations.len() >= MAX_DELEGATIONS {
                return Err(MetadataFault::Missing {
                    what: format!("an end of the delegations after {MAX_DELEGATIONS}"),
                });
            }
            let what = format!("delegation {}", role.name);
            let child: Signed<Targets> = parse(&what, bytes)?;
            demand(&what, &child, &parent.keys, &role.keyids, role.threshold.get())?;
            same(&what, meta(&snapshot.signed, &role.name)?, child.signed.version.get(), bytes)?;
            pending.extend(child.signed.delegations.iter().cloned());
            delegations.insert(role.name.clone(), child);
        }
    }
    if let Some(name) = documents.delegations.keys().find(|name| !delegations.contains_key(*name)) {
        return Err(MetadataFault::Missing { what: format!("the parent of delegation {name}") });
    }
    Ok(Checked { timestamp, snapshot, targets, delegations })
}

/// What a timestamp says about the snapshot: its one entry (TUF §4.6).
pub(crate) fn snapshot_of(timestamp: &Timestamp) -> Option<&Metafile> {
    timestamp.meta.get("snapshot.json").filter(|_| timestamp.meta.len() == 1)
}

fn meta<'a>(snapshot: &'a Snapshot, role: &str) -> Result<&'a Metafile, MetadataFault> {
    snapshot
        .meta
        .get(&format!("{role}.json"))
        .ok_or_else(|| MetadataFault::Missing { what: format!("{role}.json in snapshot") })
}

fn same(what: &str, named: &Metafile, version: u64, bytes: &[u8]) -> Result<(), MetadataFault> {
    let expected = named.version.get();
    if version != expected {
        return Err(MetadataFault::Version { what: what.to_owned(), found: version, expected });
    }
    let length = named.length.is_none_or(|length| bytes.len() as u64 <= length);
    let hash = named.hashes.as_ref().is_none_or(|h| h.sha256[..] == crypto::sha256(bytes));
    if length && hash { Ok(()) } else { Err(MetadataFault::Digest { what: what.to_owned() }) }
}

/// Versions and expiries of a root and what hangs on it.
pub(crate) fn expiries(root: &Root, checked: &Checked) -> Vec<RoleExpiry> {
    fn of<T: SignedRole>(role: Role, signed: &T) -> RoleExpiry {
        RoleExpiry { role, version: signed.version().get(), expires: signed.expires() }
    }
    let mut out = vec![
        of(Role::Root, root),
        of(Role::Timestamp, &checked.timestamp.signed),
        of(Role::Snapshot, &checked.snapshot.signed),
        of(Role::Targets, &checked.targets.signed),
    ];
    for (name, targets) in &checked.delegations {
        out.push(of(Role::Delegation(name.clone()), &targets.signed));
    }
    out
}
