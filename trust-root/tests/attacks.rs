//! Attacks with and without the keys of a repository, minted by the testkit: each is refused, by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use sealock_testkit::tuf::{Published, Role as Key, TufRepository};
use sealock_trust_root::embedded;
use sealock_trust_root::floor::Floor;
use sealock_trust_root::freshness::Role;
use sealock_trust_root::source::{MemorySource, RepositorySource};
use sealock_trust_root::tuf::{Loaded, MetadataFault, TufFault, load};

fn repository() -> TufRepository {
    TufRepository::with_trusted_root(7, std::str::from_utf8(embedded::TRUSTED_ROOT).unwrap())
}

fn source(published: &Published) -> Arc<dyn RepositorySource> {
    let mut source = MemorySource::new();
    for (name, bytes) in &published.files {
        source.insert(name.clone(), bytes.clone());
    }
    Arc::new(source)
}

fn fresh(published: &Published) -> Result<Loaded, TufFault> {
    load(&source(published), &repository().first_root(), None)
}

fn after(published: &Published, floor: &Floor) -> Result<Loaded, TufFault> {
    load(&source(published), &repository().first_root(), Some(floor))
}

fn rollback(answer: Result<Loaded, TufFault>) -> (Role, u64, u64) {
    match answer {
        Err(TufFault::Rollback(r)) => (r.role, r.floor, r.found),
        other => panic!("{:?}", other.map(|l| l.roles)),
    }
}

fn refused(answer: Result<Loaded, TufFault>, what: &str) -> TufFault {
    answer.map(|l| l.roles).expect_err(what)
}

#[test]
fn an_honest_repository_loads_and_goes_on() {
    let mut honest = repository();
    let mut floor = fresh(&honest.published()).unwrap().floor;
    for hashes in [false, true] {
        honest.hashes_in_meta = hashes;
        for key in [Key::Root, Key::Timestamp, Key::Delegation] {
            honest.rotate_key(key, 0);
            honest.publish_next_root();
            let loaded = after(&honest.publish_next(), &floor).unwrap();
            assert_eq!(loaded.trusted_root, embedded::TRUSTED_ROOT);
            assert_eq!(loaded.roles.len(), 5);
            assert_eq!(loaded.roles[4].role, Role::Delegation("registry.example.org".into()));
            floor = Floor::from_bytes(&loaded.floor.to_bytes()).unwrap();
        }
    }
    // And a client that starts from root 1 with nothing reaches the same.
    assert_eq!(fresh(&honest.published()).unwrap().new_roots, [2, 3, 4, 5, 6, 7]);
}

#[test]
fn tuf_root_withheld() {
    let mut honest = repository();
    honest.rotate_key(Key::Root, 1);
    honest.publish_next_root();
    honest.publish_next_root();
    let published = honest.publish_next();
    let floor = fresh(&published).unwrap().floor;
    let answer = after(&published.clone().without_roots_after(2), &floor);
    assert!(matches!(answer, Err(TufFault::RootWithheld { version: 3 })));
    // A gap in the chain that a known client does not need is no attack on it; a new client stays below the gap.
    assert!(after(&published.clone().without_root(2), &floor).is_ok());
    let stuck = fresh(&published.without_root(2)).unwrap();
    assert_eq!(stuck.roles[0].version, 1);
}

#[test]
fn tuf_replay_after_rotation() {
    let mut honest = repository();
    let old = fresh(&honest.publish_timestamp()).unwrap().floor;
    honest.rotate_key(Key::Timestamp, 0);
    honest.publish_next_root();
    let early = honest.publish_next();
    honest.publish_timestamp();
    let late = honest.publish_next();
    let floor = after(&late, &old).unwrap().floor;
    // Both timestamps are by the new key; the library alone forgets its floor because root 1 had another.
    let replayed = late.clone().with_timestamp_of(&early);
    assert!(fresh(&replayed).is_ok(), "alone it is consistent");
    assert_eq!(rollback(after(&replayed, &floor)), (Role::Timestamp, 5, 3));
}

#[test]
fn tuf_fast_forward_recovery() {
    for role in [Key::Timestamp, Key::Snapshot, Key::Targets] {
        let mut honest = repository();
        let before = honest.clone();
        let floor = fresh(&honest.fast_forward(role)).unwrap().floor;
        // The owner goes on from the honest versions: refused, whatever the version.
        let mut healed = before;
        healed.publish_next();
        let answer = rollback(after(&healed.published(), &floor));
        assert!(answer.2 < answer.1, "{role:?}");
        // Until a root replaces the online key, and only then; and it is said.
        healed.publish_next_root();
        assert!(after(&healed.publish_next(), &floor).is_err(), "{role:?}: a new root alone is no rotation");
        healed.rotate_key(Key::Timestamp, 0);
        healed.publish_next_root();
        let loaded = after(&healed.publish_next(), &floor).unwrap();
        let resets: Vec<_> = loaded.resets.iter().map(|r| r.role.clone()).collect();
        assert!(resets.contains(&Role::Timestamp) && resets.contains(&Role::Snapshot), "{resets:?}");
        assert_eq!(resets.contains(&Role::Targets), role == Key::Targets, "{resets:?}");
        // From here on the new floor binds.
        let floor = loaded.floor;
        healed.state(Key::Timestamp).version -= 1;
        assert!(after(&healed.publish(), &floor).is_err());
    }
}

/// A rotated timestamp key frees the timestamp, not the snapshot whose key stayed. `tough` forgets both.
#[test]
fn rotating_one_key_does_not_free_the_other() {
    let mut honest = repository();
    let mut apart = honest.keys[&Key::Root].keys[2].clone();
    apart.owner = "@timestamp".into();
    honest.keys.get_mut(&Key::Timestamp).unwrap().keys = vec![apart];
    honest.publish_next_root();
    honest.publish_next();
    let floor = fresh(&honest.publish_next()).unwrap().floor;
    honest.rotate_key(Key::Timestamp, 0);
    honest.publish_next_root();
    let mut attacker = honest.clone();
    assert_eq!(after(&honest.publish_next(), &floor).unwrap().resets.len(), 1);
    let rolled = attacker.roll_back(Key::Snapshot, 2);
    assert!(fresh(&rolled).is_ok(), "alone it is consistent");
    assert_eq!(rollback(after(&rolled, &floor)), (Role::Snapshot, 3, 2));
}

#[test]
fn tuf_rollback_of_every_role() {
    for (key, role) in [
        (Key::Timestamp, Role::Timestamp),
        (Key::Snapshot, Role::Snapshot),
        (Key::Targets, Role::Targets),
        (Key::Delegation, Role::Delegation("registry.example.org".into())),
    ] {
        let mut honest = repository();
        honest.state(Key::Delegation).version = 2;
        let floor = fresh(&honest.publish_next()).unwrap().floor;
        let rolled = honest.roll_back(key, 1);
        assert!(fresh(&rolled).is_ok(), "{role}: alone it is consistent");
        assert_eq!(rollback(after(&rolled, &floor)), (role, 2, 1));
    }
}

#[test]
fn tuf_mix_and_match() {
    let mut honest = repository();
    let first = honest.published();
    let second = honest.publish_next();
    let floor = fresh(&second).unwrap().floor;
    assert_eq!(rollback(after(&second.clone().with_timestamp_of(&first), &floor)).0, Role::Timestamp);
    // The snapshot of one publication with the targets of another.
    let mixed = second.clone().with("2.targets.json", &second.files["1.targets.json"]);
    refused(fresh(&mixed), "targets of another version");
    let mixed = second.clone().with("2.snapshot.json", &second.files["1.snapshot.json"]);
    refused(fresh(&mixed), "snapshot of another version");
    // One role's document in another's place: same key, other type.
    let mixed = second.clone().with("timestamp.json", &second.files["2.snapshot.json"]);
    refused(fresh(&mixed), "snapshot as timestamp");
    honest.snapshot_names_targets = Some(1);
    refused(after(&honest.publish_next(), &floor), "snapshot names other targets");
}

#[test]
fn thresholds() {
    for role in Key::ALL {
        for attack in [
            TufRepository::publish_below_threshold,
            TufRepository::publish_with_one_key_repeated,
            TufRepository::publish_signed_by_strangers,
        ] {
            let mut signer = repository();
            if role == Key::Root {
                signer.publish_next_root();
            }
            let enough = signer.keys[&role].threshold;
            let published = attack(&mut signer, role);
            // One key, one needed: writing it "repeatedly" is honest.
            if let Ok(loaded) = fresh(&published) {
                assert_eq!(enough, 1, "{role:?}");
                assert_eq!(loaded.trusted_root, embedded::TRUSTED_ROOT);
                assert_eq!(published.files, repository_like(role).files, "{role:?}");
            }
        }
    }
}

/// What an honest publication of `role` looks like, for roles with one key.
fn repository_like(role: Key) -> Published {
    let mut honest = repository();
    if role == Key::Root { honest.publish_next_root() } else { honest.publish() }
}

/// One holder, two signatures: `tough` counts two key ids, we count one key.
#[test]
fn same_key_under_two_ids() {
    for role in [Key::Timestamp, Key::Snapshot, Key::Targets, Key::Root] {
        let mut signer = repository();
        let published = signer.publish_with_one_key_under_two_ids(role);
        match refused(fresh(&published), "one key under two ids") {
            TufFault::Metadata(MetadataFault::Signatures { found: 1, threshold: 2, .. }) => {}
            TufFault::Invalid { .. } if role == Key::Root => {}
            other => panic!("{role:?}: {other}"),
        }
    }
    let mut signer = repository();
    let first = signer.keys[&Key::Delegation].keys[0].clone();
    let keys = signer.keys.get_mut(&Key::Delegation).unwrap();
    keys.keys = vec![first.clone(), first.under_another_id()];
    keys.threshold = 2;
    assert!(matches!(
        refused(fresh(&signer.publish_next()), "one key under two ids"),
        TufFault::Metadata(MetadataFault::Signatures { found: 1, threshold: 2, .. })
    ));
}

#[test]
fn threshold_zero() {
    for role in Key::TOP {
        let mut signer = repository();
        signer.keys.get_mut(&role).unwrap().threshold = 0;
        signer.publish_next_root();
        let published = signer.publish_signed_by_strangers(role);
        refused(fresh(&published), "threshold 0");
    }
}

#[test]
fn altered_targets_and_metadata() {
    let mut signer = repository();
    let published = signer.published();
    refused(fresh(&published.clone().with_target_altered("trusted_root.json")), "altered");
    refused(fresh(&published.clone().with_target_longer("trusted_root.json")), "longer");
    let path = published.target_path("trusted_root.json");
    refused(fresh(&published.clone().truncated(&path)), "truncated");
    refused(fresh(&published.clone().without(&path)), "missing");
    for role in Key::ALL {
        let name = published.newest(role);
        if role != Key::Root {
            refused(fresh(&published.clone().with_metadata_altered(role)), "altered metadata");
            refused(fresh(&published.clone().truncated(&name)), "truncated metadata");
            refused(fresh(&published.clone().without(&name)), "missing metadata");
        }
    }
    signer.wrong_lengths.insert("trusted_root.json".into(), -1);
    refused(fresh(&signer.publish_next()), "length too small");
    let mut signer = repository();
    signer.wrong_lengths.insert("trusted_root.json".into(), 1);
    refused(fresh(&signer.publish_next()), "length too large");
    let mut signer = repository();
    signer.wrong_hashes.push("trusted_root.json".into());
    refused(fresh(&signer.publish_next()), "wrong hash");
    let mut signer = repository();
    signer.targets.clear();
    assert!(matches!(fresh(&signer.publish_next()), Err(TufFault::NoTrustedRoot)));
}

#[test]
fn duplicate_members_in_metadata_are_refused_before_signatures() {
    let published = repository().published();
    let text = String::from_utf8(published.files["timestamp.json"].clone()).unwrap();
    let doubled = text.replacen("\"signed\":", "\"signed\": {}, \"signed\":", 1);
    assert_ne!(text, doubled);
    assert!(matches!(
        fresh(&published.with("timestamp.json", doubled.as_bytes())),
        Err(TufFault::NotStrict { .. })
    ));
}

#[test]
fn endless_root_chain() {
    let mut signer = repository();
    for _ in 0..1030 {
        signer.publish_next_root();
    }
    assert!(matches!(fresh(&signer.published()), Err(TufFault::Budget { .. })));
}
