//! What a store remembers: it survives, it is checked again, and whoever writes to it is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: tests read their data from files and say what they skip.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod corpus;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sealock_testkit::tuf::TufRepository;
use sealock_trust_root::disk::{
    Action, DEFAULT_NAME, DirectorySource, Pin, Provenance, StateFault, TrustState,
};
use sealock_trust_root::embedded;
use sealock_trust_root::source::{MemorySource, RepositorySource};
use sealock_trust_root::tuf::{Loaded, load};
use serde_json::{Value, json};

fn at() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn root_text() -> &'static str {
    std::str::from_utf8(embedded::TRUSTED_ROOT).unwrap()
}

/// A repository of the testkit, loaded and committed under a name.
fn take(state: &TrustState, name: &str, repository: &TufRepository) -> Loaded {
    let writer = state.writer().unwrap();
    let first = repository.first_root();
    let (pinned, floor) = writer.start(name, Some(&first)).unwrap();
    let loaded = load(&source(repository), &pinned, floor.as_ref()).unwrap();
    writer.commit_tuf(name, &pinned, &loaded, at()).unwrap();
    loaded
}

fn source(repository: &TufRepository) -> Arc<dyn RepositorySource> {
    let mut source = MemorySource::new();
    for (name, bytes) in &repository.published().files {
        source.insert(name.clone(), bytes.clone());
    }
    Arc::new(source)
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn without_a_state_the_embedded_root_is_in_force() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(&store.path().join("nothing-here"));
    let found = state.in_force(DEFAULT_NAME).unwrap();
    assert_eq!(found.provenance, Provenance::Embedded);
    assert_eq!((found.roles[0].version, found.roles.len()), (16, 1));
    assert!(matches!(state.in_force("other"), Err(StateFault::Unknown { .. })));
    assert!(matches!(state.in_force("../x"), Err(StateFault::Name { .. })));
    assert!(state.history().unwrap().0.is_empty());
}

#[test]
fn a_private_repository_is_kept_under_its_name() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let mut repository = TufRepository::with_trusted_root(1, root_text());
    take(&state, "private", &repository);
    let found = state.in_force("private").unwrap();
    assert_eq!(
        found.provenance,
        Provenance::Tuf { name: "private".into(), pin: Pin::Given(repository.first_root_digest()) }
    );
    assert_eq!(found.roles.len(), 5);
    assert_eq!(state.in_force(DEFAULT_NAME).unwrap().provenance, Provenance::Embedded);

    repository.publish_next_root();
    repository.publish_next();
    let loaded = take(&state, "private", &repository);
    assert_eq!(loaded.new_roots, [2]);
    assert_eq!(state.in_force("private").unwrap().roles[1].version, 2);
    // The same again writes nothing.
    take(&state, "private", &repository);
    let (lines, torn) = state.history().unwrap();
    assert_eq!((lines.len(), torn), (2, false));
    assert!(lines.iter().all(|l| l.action == Action::Update && l.name == "private"));
    assert_eq!(state.names().unwrap(), ["private"]);
    // Another first root under the same name is refused.
    let other = TufRepository::with_trusted_root(2, root_text());
    let answer = state.writer().unwrap().start("private", Some(&other.first_root()));
    assert!(matches!(answer, Err(StateFault::Pinned { .. })));
}

#[test]
fn production_from_a_folder() {
    let Some(corpus) = corpus::place() else { return };
    let (_dir, path) = corpus::production(&corpus);
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let source: Arc<dyn RepositorySource> = Arc::new(DirectorySource::open(&path).unwrap());
    {
        let writer = state.writer().unwrap();
        let (pinned, floor) = writer.start(DEFAULT_NAME, None).unwrap();
        assert!(floor.is_none());
        let loaded = load(&source, &pinned, None).unwrap();
        writer.commit_tuf(DEFAULT_NAME, &pinned, &loaded, at()).unwrap();
    }
    let found = state.in_force(DEFAULT_NAME).unwrap();
    assert_eq!(found.provenance, Provenance::Tuf { name: DEFAULT_NAME.into(), pin: Pin::Embedded });
    assert_eq!(found.roles.len(), 5);
    assert_eq!(hex::encode(found.root.digest), embedded::TRUSTED_ROOT_SHA256);
}

/// Whoever writes to the store plants a root of their own: signed, consistent, newer, and not chained from the pin.
#[test]
fn planted_root() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let evil_root = root_text().replace("https://rekor.sigstore.dev", "https://rekor.evil.example");
    // Chains that end before, meet, and go beyond the embedded root 16.
    for versions in [1, 16, 17] {
        let mut evil = TufRepository::with_trusted_root(66, &evil_root);
        for _ in 1..versions {
            evil.publish_next_root();
        }
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = TrustState::of_store(dir.path());
        take(&elsewhere, DEFAULT_NAME, &evil);
        // As if nobody but the embedded root had been pinned.
        let record = dir.path().join("trust/roots/default.json");
        edit(&record, |value| value["pin"] = Value::Null);
        for part in ["roots", "objects"] {
            std::fs::create_dir_all(store.path().join("trust").join(part)).unwrap();
            for entry in std::fs::read_dir(dir.path().join("trust").join(part)).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), store.path().join("trust").join(part).join(entry.file_name()))
                    .unwrap();
            }
        }
        match state.in_force(DEFAULT_NAME) {
            // A chain that ends before the embedded root: the program's own is newer.
            Ok(found) => assert_eq!((versions, found.provenance), (1, Provenance::Embedded)),
            Err(fault) => assert!(matches!(fault, StateFault::Floor { .. }), "{versions}: {fault}"),
        }
    }
}

/// The same against a root that a person pinned: what hangs on a chain that ends before the pin vouches for nothing.
#[test]
fn planted_root_before_a_given_pin() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let mut honest = TufRepository::with_trusted_root(1, root_text());
    honest.publish_next_root();
    honest.publish_next();
    let pinned = honest.published().files["2.root.json"].clone();
    let loaded = load(&source(&honest), &pinned, None).unwrap();
    state.writer().unwrap().commit_tuf("private", &pinned, &loaded, at()).unwrap();
    assert_eq!(state.in_force("private").unwrap().roles[0].version, 2);

    let evil = TufRepository::with_trusted_root(66, root_text());
    let evil = load(&source(&evil), &evil.first_root(), None).unwrap();
    let planted = String::from_utf8(evil.floor.to_bytes()).unwrap();
    edit(&store.path().join("trust/roots/private.json"), |value| value["floor"] = json!(planted));
    assert!(matches!(state.in_force("private"), Err(StateFault::NotAuthentic { .. })));
    // It does not hold back the honest repository either, and the next update is rid of it.
    let writer = state.writer().unwrap();
    let (pinned, floor) = writer.start("private", None).unwrap();
    let loaded = load(&source(&honest), &pinned, floor.as_ref()).unwrap();
    writer.commit_tuf("private", &pinned, &loaded, at()).unwrap();
    drop(writer);
    assert_eq!(state.in_force("private").unwrap().roles[1].version, 2);
}

#[test]
fn planted_object() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let repository = TufRepository::with_trusted_root(1, root_text());
    take(&state, "private", &repository);
    let objects = store.path().join("trust/objects");
    let record = store.path().join("trust/roots/private.json");

    // Other bytes under the digest.
    let object = objects.join(embedded::TRUSTED_ROOT_SHA256);
    let genuine = std::fs::read(&object).unwrap();
    std::fs::write(&object, b"{}").unwrap();
    assert!(matches!(state.in_force("private"), Err(StateFault::NotAuthentic { .. })));
    std::fs::remove_file(&object).unwrap();
    assert!(matches!(state.in_force("private"), Err(StateFault::NotAuthentic { .. })));
    // A link to the very same bytes is not followed either.
    let aside = store.path().join("aside");
    std::fs::write(&aside, &genuine).unwrap();
    std::os::unix::fs::symlink(&aside, &object).unwrap();
    assert!(matches!(state.in_force("private"), Err(StateFault::Unreadable { .. })));
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, &genuine).unwrap();
    assert!(state.in_force("private").is_ok());

    // Another object that the record names, but no targets metadata vouches for.
    let other = root_text().replace("https://rekor.sigstore.dev", "https://rekor.evil.example");
    let digest = hex::encode(sealock_trust_root::crypto::sha256(other.as_bytes()));
    std::fs::write(objects.join(&digest), &other).unwrap();
    edit(&record, |value| value["force"]["digest"] = json!(digest));
    assert!(matches!(state.in_force("private"), Err(StateFault::NotAuthentic { .. })));
    // A digest that is a path.
    edit(&record, |value| value["force"]["digest"] = json!("../../aside"));
    assert!(matches!(state.in_force("private"), Err(StateFault::NotAuthentic { .. })));
}

#[test]
fn an_unreadable_state_is_never_an_empty_one() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let repository = TufRepository::with_trusted_root(1, root_text());
    take(&state, DEFAULT_NAME, &repository);
    let record = store.path().join("trust/roots/default.json");
    let bytes = std::fs::read(&record).unwrap();
    for wrong in [&b""[..], b"{}", b"null", &bytes[..bytes.len() / 2]] {
        std::fs::write(&record, wrong).unwrap();
        assert!(matches!(state.in_force(DEFAULT_NAME), Err(StateFault::Damaged { .. })));
        assert!(state.writer().unwrap().start(DEFAULT_NAME, None).is_err());
    }
    std::fs::write(&record, &bytes).unwrap();
    edit(&record, |value| value["floor"] = json!("{\"format\":\"sealock.dev/tuf-floor/v1\"}"));
    assert!(matches!(state.in_force(DEFAULT_NAME), Err(StateFault::Floor { .. })));
    assert!(matches!(state.writer().unwrap().start(DEFAULT_NAME, None), Err(StateFault::Floor { .. })));
    // A folder or a FIFO in its place.
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir(&record).unwrap();
    assert!(matches!(state.in_force(DEFAULT_NAME), Err(StateFault::Unreadable { .. })));
    std::fs::remove_dir(&record).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
    assert!(matches!(state.in_force(DEFAULT_NAME), Err(StateFault::Unreadable { .. })));
}

#[test]
fn adoption_keeps_the_floor() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let mut repository = TufRepository::with_trusted_root(1, root_text());
    repository.publish_next();
    take(&state, "private", &repository);
    state.writer().unwrap().commit_adopted("private", embedded::TRUSTED_ROOT, at()).unwrap();
    let found = state.in_force("private").unwrap();
    assert_eq!(found.provenance, Provenance::Adopted { name: "private".into() });
    assert!(found.roles.is_empty());
    let writer = state.writer().unwrap();
    let (pinned, floor) = writer.start("private", None).unwrap();
    assert_eq!(pinned, repository.first_root());
    let old = TufRepository::with_trusted_root(1, root_text());
    assert!(load(&source(&old), &pinned, floor.as_ref()).is_err());
}

#[test]
fn history_is_hash_linked_and_heals_torn_ends() {
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let mut repository = TufRepository::with_trusted_root(1, root_text());
    for _ in 0..3 {
        take(&state, "private", &repository);
        repository.publish_next();
    }
    let path = store.path().join("trust/history.jsonl");
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(state.history().unwrap().0.len(), 3);

    // A torn last line: said, and replaced by the next writer, who also adds the lost line.
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let (lines, torn) = state.history().unwrap();
    assert_eq!((lines.len(), torn), (2, true));
    take(&state, "private", &repository);
    let (lines, torn) = state.history().unwrap();
    assert_eq!((lines.len(), torn), (4, false));
    assert_eq!(lines[2].action, Action::Recovered);

    // A line changed or taken out of the middle.
    let text = String::from_utf8(whole).unwrap();
    let rows: Vec<&str> = text.split_inclusive('\n').collect();
    for forged in [
        format!("{}{}", rows[0], rows[2]),
        format!("{}{}{}", rows[0].replace("timestamp 1", "timestamp 9"), rows[1], rows[2]),
        rows[1..].concat(),
    ] {
        assert_ne!(forged, text);
        std::fs::write(&path, forged).unwrap();
        assert!(matches!(state.history(), Err(StateFault::Damaged { .. })));
    }
}

#[test]
fn no_time_is_remembered_by_the_floor() {
    // clock_once_2040: a change recorded in 2040 does not bind a run in 2026.
    let store = tempfile::tempdir().unwrap();
    let state = TrustState::of_store(store.path());
    let mut repository = TufRepository::with_trusted_root(1, root_text());
    let writer = state.writer().unwrap();
    let first = repository.first_root();
    let loaded = load(&source(&repository), &first, None).unwrap();
    let in_2040 = "2040-01-01T00:00:00Z".parse().unwrap();
    writer.commit_tuf("private", &first, &loaded, in_2040).unwrap();
    drop(writer);
    repository.publish_next();
    take(&state, "private", &repository);
    assert_eq!(state.in_force("private").unwrap().roles[1].version, 2);
}
