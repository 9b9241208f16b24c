//! A server, a store, and the keeper between them, with a clock that does not wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sealock_mirror::pull::commit::Fate;
use sealock_mirror::registry::token::Anonymous;
use sealock_mirror::trust_root::keep::{Keeper, KeptReport, Wanted};
use sealock_mirror::trust_root::kept;
use sealock_testkit::tuf::{DELEGATED_TARGET, TufServer};
use sealock_testkit::{Sigstore, TufRepository};
use sealock_trust_root::disk::TrustState;
use sealock_trust_root::source::RepositorySource;
use sealock_trust_root::tuf::{Loaded, load};

use crate::world::{Client, client, network};

pub const NAME: &str = "private";

pub struct Keeping {
    pub server: TufServer,
    pub store: tempfile::TempDir,
    client: Client,
    runtime: tokio::runtime::Runtime,
    pub first: Vec<u8>,
}

/// A repository whose trusted root is that of a private Sigstore, with a delegation; root 1 and nothing newer.
pub fn repository() -> TufRepository {
    TufRepository::with_trusted_root(3, &Sigstore::new(3).trusted_root().json())
}

impl Keeping {
    pub fn new(first: Vec<u8>) -> Self {
        let server = TufServer::start();
        let client = client(network(&[server.registry()]), Arc::new(Anonymous));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { server, store: tempfile::tempdir().unwrap(), client, runtime: runtime.unwrap(), first }
    }

    pub fn path(&self) -> &Path {
        self.store.path()
    }

    pub fn wanted(&self) -> Wanted {
        let root = Some(self.first.clone());
        Wanted { name: NAME.into(), url: self.server.url(), root, optional: false }
    }

    pub fn keep(&self) -> KeptReport {
        self.keep_as(&self.wanted())
    }

    pub fn keep_as(&self, wanted: &Wanted) -> KeptReport {
        let keeper = Keeper {
            store: Some(self.path()),
            registries: &self.client.registries,
            handle: self.runtime.handle().clone(),
            dry_run: false,
            now: now(),
        };
        keeper.keep(wanted)
    }

    /// That it is kept.
    #[track_caller]
    pub fn kept(&self) -> KeptReport {
        let report = self.keep();
        assert_eq!(report.fate, Fate::Mirrored, "{report:?}");
        report
    }

    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        kept::read(self.path(), NAME).unwrap().map(|kept| kept.files).unwrap_or_default()
    }

    /// What the far side makes of what is kept: the whole way from the first root.
    pub fn far_side(&self) -> Loaded {
        let kept = kept::read(self.path(), NAME).unwrap().unwrap();
        let source: Arc<dyn RepositorySource> = Arc::new(kept.source());
        load(&source, &self.first, None).unwrap()
    }

    /// That this does not come in, and that all is as it was.
    #[track_caller]
    pub fn stays_out(&self, what: &str, fate: Fate, code: &str) {
        let (files, trust) = (self.files(), state(self.path()));
        let report = self.keep();
        assert_eq!((report.fate, report.code), (fate, Some(code)), "{what}: {report:?}");
        assert!(!report.reasons.is_empty(), "{what}");
        assert!(self.files() == files, "{what}: what was kept stays");
        assert_eq!(state(self.path()), trust, "{what}: the floor stays");
    }
}

/// The trust root in force under the name, by its roles.
pub fn state(store: &Path) -> Option<String> {
    TrustState::of_store(store).in_force(NAME).ok().map(|held| format!("{:?}", held.roles))
}

pub fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

#[test]
fn every_file_of_the_way_is_kept() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    for _ in 0..3 {
        repository.publish_next_root();
    }
    let published = repository.publish();
    keeping.server.publish(&published);
    let report = keeping.kept();
    assert!(keeping.files() == published.files, "all of it, byte for byte, and nothing else");
    assert_eq!((report.files, report.new_files.len()), (published.files.len(), published.files.len()));
    assert_eq!(report.roles["root"].version, 4);
    assert!(report.expired.is_empty());
    assert!(published.files.contains_key(&published.target_path(DELEGATED_TARGET)));
    assert_eq!(keeping.far_side().targets.len(), 2);
    // It is in force for what arrives here, too.
    let held = TrustState::of_store(keeping.path()).in_force(NAME).unwrap();
    assert_eq!(held.roles[0].version, 4);
    // Once more is nothing new.
    assert!(keeping.kept().new_files.is_empty());
    assert_eq!(TrustState::of_store(keeping.path()).history().unwrap().0.len(), 1);
}

#[test]
fn a_rotation_between_two_runs() {
    use sealock_testkit::tuf::Role;
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.published());
    keeping.kept();
    // Other keys for the root and for timestamp and snapshot, and another trusted root.
    repository.rotate_key(Role::Root, 0);
    repository.publish_next_root();
    repository.rotate_key(Role::Timestamp, 0);
    repository.publish_next_root();
    repository.set_target("trusted_root.json", Sigstore::new(4).trusted_root().json().as_bytes());
    let published = repository.publish_next().without_history();
    keeping.server.publish(&published);
    let report = keeping.kept();
    assert_eq!((report.roles["root"].version, report.roles["targets"].version), (3, 2));
    assert!(report.new_files.contains(&"3.root.json".to_owned()), "{report:?}");
    for name in ["1.root.json", "2.root.json", "3.root.json", "timestamp.json", "2.snapshot.json"] {
        assert_eq!(keeping.files().get(name), published.files.get(name), "{name}");
    }
    assert!(!keeping.files().contains_key("1.snapshot.json"), "nothing of the state before is left");
    let loaded = keeping.far_side();
    assert_eq!(loaded.trusted_root, Sigstore::new(4).trusted_root().json().as_bytes());
}

/// A run that changes nothing asks and tells, and writes nothing.
#[test]
fn a_dry_run_keeps_nothing() {
    let repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.published());
    let dry = |keeping: &Keeping| {
        let keeper = Keeper {
            store: Some(keeping.path()),
            registries: &keeping.client.registries,
            handle: keeping.runtime.handle().clone(),
            dry_run: true,
            now: now(),
        };
        keeper.keep(&keeping.wanted())
    };
    let report = dry(&keeping);
    assert_eq!((report.fate, report.new_files.len()), (Fate::Mirrored, report.files));
    assert!(std::fs::read_dir(keeping.path()).unwrap().next().is_none());
    keeping.kept();
    assert!(dry(&keeping).new_files.is_empty());
}
