//! A TUF repository in the layout in which it is published: consistent snapshots, root chain, one delegation.
//!
//! The state of every role is public: change it, then [`TufRepository::publish`]. What was published stays, as on a
//! real mirror, so that a client can be shown an old file, and an older [`Published`] is a frozen repository. The misbehaviours of a *repository whose keys are in
//! honest hands* (withheld, mixed, truncated, frozen files) are methods of [`Published`]; those that need the keys
//! are methods of [`TufRepository`].
//!
//! Keys look as in Sigstore's production root: keytype `ecdsa`, PEM in `keyval`, an owner in an `x-` field that is
//! part of the key's id.

use std::collections::BTreeMap;

use crate::calendar::{BASE_TIME, Time, YEAR, rfc3339};
use crate::json::{Json, object};
use crate::keys::{Algorithm, Hash, SigningKey};
use crate::sha256_hex;

mod published;
mod server;

pub use published::Published;
pub use server::TufServer;

/// The largest version that a signed 32-bit counter holds: where a fast-forward attack goes.
pub const FAR_FUTURE_VERSION: i64 = 0x7fff_ffff;

/// The five roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Says which keys speak for the others.
    Root,
    /// Names the current snapshot.
    Timestamp,
    /// Names the current targets and delegations.
    Snapshot,
    /// Names files by hash, and delegates.
    Targets,
    /// The delegated role.
    Delegation,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets, Role::Delegation];

    /// The roles that the root names.
    pub const TOP: [Role; 4] = [Role::Root, Role::Snapshot, Role::Targets, Role::Timestamp];

    /// Name in metadata; the delegation's name is the repository's.
    pub fn name(self) -> &'static str {
        match self {
            Role::Root => "root",
            Role::Timestamp => "timestamp",
            Role::Snapshot => "snapshot",
            Role::Targets => "targets",
            Role::Delegation => DELEGATION,
        }
    }
}

/// Name of the delegated role; it signs for everything below this folder.
pub const DELEGATION: &str = "registry.example.org";
/// The target of the delegated role.
pub const DELEGATED_TARGET: &str = "registry.example.org/keys.json";

/// A key as metadata lists it.
#[derive(Clone, Debug)]
pub struct TufKey {
    /// The private key, ECDSA P-256.
    pub key: SigningKey,
    /// `x-tuf-on-ci-keyowner`: part of the key's id.
    pub owner: String,
}

impl TufKey {
    /// The key object.
    pub fn json(&self) -> Json {
        object([
            ("keytype", "ecdsa".into()),
            ("keyval", object([("public", self.key.public_pem().into())])),
            ("scheme", "ecdsa-sha2-nistp256".into()),
            ("x-tuf-on-ci-keyowner", self.owner.as_str().into()),
        ])
    }

    /// SHA-256 of the canonical key object.
    pub fn id(&self) -> String {
        sha256_hex(self.json().olpc().as_bytes())
    }

    /// The same key under another owner, hence under another id.
    #[must_use]
    pub fn under_another_id(&self) -> TufKey {
        TufKey { key: self.key.clone(), owner: format!("{}-again", self.owner) }
    }
}

/// Keys and threshold of a role.
#[derive(Clone, Debug)]
pub struct RoleKeys {
    /// Who may sign.
    pub keys: Vec<TufKey>,
    /// How many must.
    pub threshold: i64,
}

/// Version and expiry of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleState {
    /// Version that the next publication writes.
    pub version: i64,
    /// When that expires.
    pub expires: Time,
}

/// Who signs a role at the next publication.
#[derive(Clone, Debug, Default)]
pub enum Signers {
    /// Every key of the role.
    #[default]
    All,
    /// The first keys of the role, so many.
    First(usize),
    /// The first key of the role, so many times.
    Repeated(usize),
    /// These keys, whether the role has them or not.
    These(Vec<TufKey>),
}

/// The repository with all its keys.
#[derive(Clone, Debug)]
pub struct TufRepository {
    seed: u64,
    /// Keys of each role.
    pub keys: BTreeMap<Role, RoleKeys>,
    /// Version and expiry of each role.
    pub states: BTreeMap<Role, RoleState>,
    /// Who signs each role; everybody where nothing is said.
    pub signers: BTreeMap<Role, Signers>,
    /// Target files of the top role, by name.
    pub targets: BTreeMap<String, Vec<u8>>,
    /// Target files of the delegated role, by name.
    pub delegated_targets: BTreeMap<String, Vec<u8>>,
    /// Whether snapshot and timestamp state lengths and hashes beside versions.
    pub hashes_in_meta: bool,
    /// Targets whose metadata is to state another length: name and what is added.
    pub wrong_lengths: BTreeMap<String, i64>,
    /// Targets whose metadata is to state another hash.
    pub wrong_hashes: Vec<String>,
    /// Version that the snapshot states for the targets, where it is not theirs.
    pub snapshot_names_targets: Option<i64>,
    /// Version that the timestamp states for the snapshot, where it is not its own.
    pub timestamp_names_snapshot: Option<i64>,
    previous_root_keys: Vec<TufKey>,
    published: Published,
}

impl TufRepository {
    /// Three root keys with threshold two, who also sign targets; one online key for snapshot and timestamp; one
    /// delegation key. Every role expires ten years after [`BASE_TIME`]. Root 1 is published, nothing else is.
    pub fn new(seed: u64) -> TufRepository {
        let key = |owner: &str| TufKey {
            key: SigningKey::derive(seed, &format!("tuf/{owner}"), Algorithm::P256),
            owner: format!("@{owner}"),
        };
        let holders = RoleKeys { keys: vec![key("anna"), key("boris"), key("chen")], threshold: 2 };
        let online = RoleKeys { keys: vec![key("online")], threshold: 1 };
        let delegate = RoleKeys { keys: vec![key("registry")], threshold: 1 };
        let keys = BTreeMap::from([
            (Role::Root, holders.clone()),
            (Role::Targets, holders),
            (Role::Snapshot, online.clone()),
            (Role::Timestamp, online),
            (Role::Delegation, delegate),
        ]);
        let state = RoleState { version: 1, expires: BASE_TIME + 10 * YEAR };
        let mut repository = TufRepository {
            seed,
            keys,
            states: Role::ALL.into_iter().map(|role| (role, state)).collect(),
            signers: BTreeMap::new(),
            targets: BTreeMap::new(),
            delegated_targets: BTreeMap::from([(DELEGATED_TARGET.to_owned(), b"{\"keys\":[]}\n".to_vec())]),
            hashes_in_meta: false,
            wrong_lengths: BTreeMap::new(),
            wrong_hashes: Vec::new(),
            snapshot_names_targets: None,
            timestamp_names_snapshot: None,
            previous_root_keys: Vec::new(),
            published: Published::default(),
        };
        repository.publish_root();
        repository
    }

    /// A repository that holds a `trusted_root.json` and is published.
    pub fn with_trusted_root(seed: u64, trusted_root: &str) -> TufRepository {
        let mut repository = TufRepository::new(seed);
        repository.set_target("trusted_root.json", trusted_root.as_bytes());
        repository.publish();
        repository
    }

    /// Sets the content of a target; the next publication names it.
    pub fn set_target(&mut self, name: &str, bytes: &[u8]) {
        self.targets.insert(name.to_owned(), bytes.to_vec());
    }

    /// Sets when a role expires; counts from the next publication (for the root: [`TufRepository::publish_root`]).
    pub fn set_expiry(&mut self, role: Role, expires: Time) {
        self.state(role).expires = expires;
    }

    /// Version and expiry of a role, to be changed.
    pub fn state(&mut self, role: Role) -> &mut RoleState {
        self.states.get_mut(&role).unwrap()
    }

    /// Version of a role.
    pub fn version(&self, role: Role) -> i64 {
        self.states[&role].version
    }

    /// Writes delegation, targets, snapshot and timestamp at their present versions.
    pub fn publish(&mut self) -> Published {
        for (name, bytes) in self.targets.iter().chain(&self.delegated_targets) {
            // Under the hash that metadata states, so that a wrong one is found by hashing, not by its absence.
            let path = target_path(name, &self.stated_hash(name, bytes));
            self.published.files.insert(path.clone(), bytes.clone());
            self.published.target_paths.insert(name.clone(), path);
        }
        let delegation = self.signed(Role::Delegation, &self.delegation_metadata());
        let delegation_file = format!("{}.{DELEGATION}.json", self.version(Role::Delegation));
        let targets = self.signed(Role::Targets, &self.targets_metadata());
        let targets_file = format!("{}.targets.json", self.version(Role::Targets));
        let snapshot = self.signed(Role::Snapshot, &self.snapshot_metadata(&targets, &delegation));
        let snapshot_file = format!("{}.snapshot.json", self.version(Role::Snapshot));
        let timestamp = self.signed(Role::Timestamp, &self.timestamp_metadata(&snapshot));
        let files = &mut self.published.files;
        files.insert(delegation_file, delegation);
        files.insert(targets_file, targets);
        files.insert(snapshot_file, snapshot);
        files.insert("timestamp.json".to_owned(), timestamp);
        self.published.clone()
    }

    /// Raises targets, snapshot and timestamp by one and publishes them: what an honest change of a target does.
    pub fn publish_next(&mut self) -> Published {
        for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
            self.state(role).version += 1;
        }
        self.publish()
    }

    /// Raises the timestamp alone, as a repository does every few days.
    pub fn publish_timestamp(&mut self) -> Published {
        self.state(Role::Timestamp).version += 1;
        self.publish()
    }

    /// Writes the root at its present version, signed by its own keys and by the ones that were replaced in it.
    pub fn publish_root(&mut self) -> Published {
        let metadata = self.root_metadata();
        let mut signers = self.signing_keys(Role::Root);
        if matches!(self.signers.get(&Role::Root), None | Some(Signers::All)) {
            let known: Vec<String> = signers.iter().map(TufKey::id).collect();
            signers.extend(self.previous_root_keys.iter().filter(|key| !known.contains(&key.id())).cloned());
        }
        let bytes = envelope(&metadata, &signers);
        self.published.files.insert(format!("{}.root.json", self.version(Role::Root)), bytes);
        self.previous_root_keys = self.keys[&Role::Root].keys.clone();
        self.published.clone()
    }

    /// Raises the root by one and publishes it.
    pub fn publish_next_root(&mut self) -> Published {
        self.state(Role::Root).version += 1;
        self.publish_root()
    }

    /// A fresh key in place of a role's key at that place, in the metadata that is published next. Replacing a root
    /// key replaces the same holder's targets key.
    pub fn rotate_key(&mut self, role: Role, place: usize) {
        let old = self.keys[&role].keys[place].clone();
        let label = format!("tuf/{}/rotated at root {}", old.owner, self.version(Role::Root));
        let fresh = TufKey {
            key: SigningKey::derive(self.seed, &label, Algorithm::P256),
            owner: format!("{}+", old.owner),
        };
        for keys in self.keys.values_mut() {
            for key in &mut keys.keys {
                if key.id() == old.id() {
                    *key = fresh.clone();
                }
            }
        }
    }

    /// What has been published so far.
    pub fn published(&self) -> Published {
        self.published.clone()
    }

    /// The first root, where clients begin.
    pub fn first_root(&self) -> Vec<u8> {
        self.published.files["1.root.json"].clone()
    }

    /// The SHA-256 of the first root, for who pins it.
    pub fn first_root_digest(&self) -> String {
        sha256_hex(&self.first_root())
    }

    // Misbehaviours that need the keys of a role.

    /// Publishes a role again at an older version, with everything above it one version on: only a client that
    /// remembers can tell. For the timestamp: that timestamp alone. Root cannot be rolled back by publishing; see
    /// [`Published::without_roots_after`].
    pub fn roll_back(&mut self, role: Role, version: i64) -> Published {
        self.state(role).version = version;
        let above: &[Role] = match role {
            Role::Targets | Role::Delegation => &[Role::Snapshot, Role::Timestamp],
            Role::Snapshot => &[Role::Timestamp],
            Role::Timestamp | Role::Root => &[],
        };
        for higher in above {
            self.state(*higher).version += 1;
        }
        self.publish()
    }

    /// Publishes a role at [`FAR_FUTURE_VERSION`], so that a client that took it refuses every honest version after.
    pub fn fast_forward(&mut self, role: Role) -> Published {
        self.roll_back(role, FAR_FUTURE_VERSION)
    }

    /// Publishes a role with one signature less than its threshold asks for.
    pub fn publish_below_threshold(&mut self, role: Role) -> Published {
        let enough = usize::try_from(self.keys[&role].threshold).unwrap();
        self.publish_signed_by(role, Signers::First(enough - 1))
    }

    /// Publishes a role with its threshold of signatures, all by its first key.
    pub fn publish_with_one_key_repeated(&mut self, role: Role) -> Published {
        let enough = usize::try_from(self.keys[&role].threshold).unwrap();
        self.publish_signed_by(role, Signers::Repeated(enough))
    }

    /// Publishes a next root that lists one key of a role under two ids and no other key of that role, and the role
    /// signed under both: two signatures, one key holder.
    pub fn publish_with_one_key_under_two_ids(&mut self, role: Role) -> Published {
        let first = self.keys[&role].keys[0].clone();
        self.keys.get_mut(&role).unwrap().keys = vec![first.clone(), first.under_another_id()];
        self.keys.get_mut(&role).unwrap().threshold = 2;
        self.publish_next_root();
        self.publish()
    }

    /// Publishes a role signed by keys that are not its own.
    pub fn publish_signed_by_strangers(&mut self, role: Role) -> Published {
        let strangers = TufRepository::new(self.seed ^ 0x0bad_5eed).keys[&role].keys.clone();
        self.publish_signed_by(role, Signers::These(strangers))
    }

    /// Publishes a role signed by the given signers, and returns to honest ones.
    pub fn publish_signed_by(&mut self, role: Role, signers: Signers) -> Published {
        self.signers.insert(role, signers);
        let published = if role == Role::Root { self.publish_root() } else { self.publish() };
        self.signers.remove(&role);
        published
    }

    fn signing_keys(&self, role: Role) -> Vec<TufKey> {
        let own = &self.keys[&role].keys;
        match self.signers.get(&role).unwrap_or(&Signers::All) {
            Signers::All => own.clone(),
            Signers::First(count) => own[..*count].to_vec(),
            Signers::Repeated(count) => vec![own[0].clone(); *count],
            Signers::These(keys) => keys.clone(),
        }
    }

    fn signed(&self, role: Role, metadata: &Json) -> Vec<u8> {
        envelope(metadata, &self.signing_keys(role))
    }

    fn root_metadata(&self) -> Json {
        let mut keys: Vec<(String, Json)> = Vec::new();
        let mut roles = Vec::new();
        for role in Role::TOP {
            let RoleKeys { keys: own, threshold } = &self.keys[&role];
            for key in own {
                if keys.iter().all(|(id, _)| *id != key.id()) {
                    keys.push((key.id(), key.json()));
                }
            }
            roles.push((role.name().to_owned(), role_json(own, *threshold)));
        }
        keys.sort_by(|one, other| one.0.cmp(&other.0));
        self.head(Role::Root, "root", |head| {
            head.with("consistent_snapshot", true.into())
                .with("keys", Json::Object(keys))
                .with("roles", Json::Object(roles))
        })
    }

    fn timestamp_metadata(&self, snapshot: &[u8]) -> Json {
        let version = self.timestamp_names_snapshot.unwrap_or(self.version(Role::Snapshot));
        self.head(Role::Timestamp, "timestamp", |head| {
            head.with("meta", object([("snapshot.json", self.meta(version, snapshot))]))
        })
    }

    fn snapshot_metadata(&self, targets: &[u8], delegation: &[u8]) -> Json {
        let version = self.snapshot_names_targets.unwrap_or(self.version(Role::Targets));
        let delegated = format!("{DELEGATION}.json");
        self.head(Role::Snapshot, "snapshot", |head| {
            head.with(
                "meta",
                object([
                    (delegated.as_str(), self.meta(self.version(Role::Delegation), delegation)),
                    ("targets.json", self.meta(version, targets)),
                ]),
            )
        })
    }

    fn targets_metadata(&self) -> Json {
        let RoleKeys { keys, threshold } = &self.keys[&Role::Delegation];
        let listed = keys.iter().map(|key| (key.id(), key.json())).collect();
        let role = role_json(keys, *threshold)
            .with("name", DELEGATION.into())
            .with("paths", Json::Array(vec![format!("{DELEGATION}/*").into()]))
            .with("terminating", true.into());
        self.head(Role::Targets, "targets", |head| {
            head.with("targets", self.target_list(&self.targets)).with(
                "delegations",
                object([("keys", Json::Object(listed)), ("roles", Json::Array(vec![role]))]),
            )
        })
    }

    fn delegation_metadata(&self) -> Json {
        self.head(Role::Delegation, "targets", |head| {
            head.with("targets", self.target_list(&self.delegated_targets))
        })
    }

    fn target_list(&self, targets: &BTreeMap<String, Vec<u8>>) -> Json {
        let entries = targets.iter().map(|(name, bytes)| {
            let digest = self.stated_hash(name, bytes);
            let added = self.wrong_lengths.get(name).copied().unwrap_or(0);
            let length = i64::try_from(bytes.len()).unwrap() + added;
            let value = object([("hashes", object([("sha256", digest.into())])), ("length", length.into())]);
            (name.clone(), value)
        });
        Json::Object(entries.collect())
    }

    fn stated_hash(&self, name: &str, bytes: &[u8]) -> String {
        let right = sha256_hex(bytes);
        if self.wrong_hashes.iter().any(|wrong| wrong == name) { sha256_hex(right.as_bytes()) } else { right }
    }

    fn meta(&self, version: i64, bytes: &[u8]) -> Json {
        let meta = object([("version", version.into())]);
        if self.hashes_in_meta {
            meta.with("hashes", object([("sha256", sha256_hex(bytes).into())]))
                .with("length", bytes.len().into())
        } else {
            meta
        }
    }

    fn head(&self, role: Role, kind: &str, rest: impl FnOnce(Json) -> Json) -> Json {
        let RoleState { version, expires } = self.states[&role];
        rest(object([
            ("_type", kind.into()),
            ("expires", rfc3339(expires).into()),
            ("spec_version", "1.0".into()),
            ("version", version.into()),
        ]))
    }
}

fn role_json(keys: &[TufKey], threshold: i64) -> Json {
    let ids = keys.iter().map(|key| Json::Text(key.id())).collect();
    object([("keyids", Json::Array(ids)), ("threshold", threshold.into())])
}

/// Metadata with signatures over its canonical form, in hex.
fn envelope(metadata: &Json, signers: &[TufKey]) -> Vec<u8> {
    let canonical = metadata.olpc();
    let signatures = signers
        .iter()
        .map(|signer| {
            let signature = signer.key.sign(canonical.as_bytes(), Hash::Sha256);
            object([("keyid", signer.id().into()), ("sig", hex::encode(signature).into())])
        })
        .collect();
    object([("signatures", Json::Array(signatures)), ("signed", metadata.clone())]).pretty().into_bytes()
}

/// `targets/dir/<hash>.name`, as a consistent snapshot is published.
fn target_path(name: &str, hash: &str) -> String {
    match name.rsplit_once('/') {
        Some((folder, file)) => format!("targets/{folder}/{hash}.{file}"),
        None => format!("targets/{hash}.{name}"),
    }
}
