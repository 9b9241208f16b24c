//! TUF on real repositories: what python-tuf accepts is accepted, and every attack on a floor is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: tests read their data from files and say what they skip.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod corpus;

use std::sync::Arc;

use jiff::Timestamp;
use sealock_trust_root::disk::DirectorySource;
use sealock_trust_root::embedded;
use sealock_trust_root::floor::Floor;
use sealock_trust_root::freshness::{Action, FreshnessPolicy, Judgement, Role, heaviest, judge};
use sealock_trust_root::source::{Answer, MemorySource, RepositorySource};
use sealock_trust_root::tuf::{Loaded, TufFault, follow_roots, load};
use serde_json::Value;

/// The day that the corpus' verdicts are about.
const DAY: &str = "2026-11-23T12:00:00Z";

fn now() -> Timestamp {
    DAY.parse().unwrap()
}

fn first(source: &MemorySource) -> Vec<u8> {
    source.get("1.root.json").unwrap().to_vec()
}

fn fresh(source: &MemorySource) -> Result<Loaded, TufFault> {
    load(&corpus::shared(source), &first(source), None)
}

fn after(source: &MemorySource, floor: &Floor) -> Result<Loaded, TufFault> {
    load(&corpus::shared(source), &first(source), Some(floor))
}

fn rolled_back(answer: Result<Loaded, TufFault>) -> (Role, u64, u64) {
    match answer {
        Err(TufFault::Rollback(r)) => (r.role, r.floor, r.found),
        other => panic!("{:?}", other.map(|l| l.roles)),
    }
}

#[test]
fn corpus_roots_chain_to_the_embedded_one() {
    let Some(corpus) = corpus::place() else { return };
    let root = |n: u32| std::fs::read(corpus.join(format!("trust-roots/roots/{n}.root.json"))).unwrap();
    let chain: Vec<_> = (13..=16).map(root).collect();
    let end = follow_roots(&root(12), chain.iter().map(Vec::as_slice)).unwrap();
    assert_eq!((end.version, end.expires.to_string().as_str()), (16, "2027-04-22T19:27:31Z"));
    assert_eq!(root(16), embedded::TUF_ROOT);
    // A gap in the chain, and a chain backwards, are refused.
    assert!(follow_roots(&root(12), [root(14).as_slice()]).is_err());
    assert!(follow_roots(&root(16), [root(15).as_slice()]).is_err());
}

#[test]
fn production_repository() {
    let Some(corpus) = corpus::place() else { return };
    let (_dir, path) = corpus::production(&corpus);
    let source: Arc<dyn RepositorySource> = Arc::new(DirectorySource::open(&path).unwrap());
    for pinned in [12, 15, 16] {
        let pinned = std::fs::read(corpus.join(format!("trust-roots/roots/{pinned}.root.json"))).unwrap();
        let loaded = load(&source, &pinned, None).unwrap();
        assert_eq!(loaded.trusted_root, embedded::TRUSTED_ROOT);
        let roles: Vec<_> = loaded.roles.iter().map(|r| (r.role.to_string(), r.version)).collect();
        let want = [
            ("root", 16),
            ("timestamp", 762),
            ("snapshot", 165),
            ("targets", 14),
            ("delegation registry.npmjs.org", 8),
        ];
        assert_eq!(roles, want.map(|(n, v)| (n.to_owned(), v)));
        assert!(loaded.targets.iter().any(|t| t.name == "registry.npmjs.org/keys.json" && t.length == 2121));
        assert_eq!(loaded.targets.len(), 12);
        let ages = judge(&loaded.roles, now(), &FreshnessPolicy::default());
        assert_eq!(ages[0].judgement, Judgement::Fresh);
        assert_eq!(ages[1].judgement, Judgement::Beyond(Action::Note));
        assert_eq!(ages[2].judgement, Judgement::Fresh);
        assert_eq!(heaviest(&ages), Some(Action::Note));
        assert_eq!(heaviest(&judge(&loaded.roles, now(), &FreshnessPolicy::strict())), Some(Action::Deny));
    }
}

#[test]
fn production_at_root_15_is_expired_within_the_grace() {
    let Some(corpus) = corpus::place() else { return };
    let (_dir, path) = corpus::production(&corpus);
    let mut source = corpus::memory(&path);
    source.remove("16.root.json").unwrap();
    let pinned = source.get("12.root.json").unwrap().to_vec();
    let loaded = load(&corpus::shared(&source), &pinned, None).unwrap();
    let ages = judge(&loaded.roles, now(), &FreshnessPolicy::default());
    assert_eq!((ages[0].version, ages[0].judgement), (15, Judgement::WithinLimit));
    assert_eq!(ages[0].past_expiry.as_hours() / 24, 2);
    let late = "2027-02-19T00:00:00Z".parse().unwrap();
    assert_eq!(
        judge(&loaded.roles, late, &FreshnessPolicy::default())[0].judgement,
        Judgement::Beyond(Action::Deny)
    );
}

#[test]
fn delegated_target_lies_where_it_is_published() {
    // `tough` reads `<hash>.registry.npmjs.org/keys.json`; a mirror has `registry.npmjs.org/<hash>.keys.json`.
    let Some(corpus) = corpus::place() else { return };
    let (_dir, path) = corpus::production(&corpus);
    let source = DirectorySource::open(&path).unwrap();
    let name = "targets/registry.npmjs.org/160677eb6e1c7083c89b166b20f8fe4e837fb71181506aff1991b80b89184f7d.keys.json";
    assert!(matches!(source.read(name, 4096), Answer::Found(bytes) if bytes.len() == 2121));
    assert_eq!(
        source.read("targets/registry.npmjs.org", 4096),
        Answer::Unreadable("not a plain file".into())
    );
}

/// python-tuf's verdicts on the 20 repositories and the sequences of them.
#[test]
fn private_repositories_as_python_tuf_judges_them() {
    let Some(corpus) = corpus::place() else { return };
    let cases = std::fs::read_to_string(corpus.join("private-sigstore/trust/tuf/cases.jsonl")).unwrap();
    let mut count = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let steps: Vec<_> =
            case["update_from"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
        let mut floor: Option<Floor> = None;
        let mut answer = None;
        for (at, step) in steps.iter().enumerate() {
            let source = corpus::private(&corpus, step);
            let loaded = load(&corpus::shared(&source), &first(&source), floor.as_ref());
            if at + 1 < steps.len() {
                floor = Some(loaded.unwrap_or_else(|e| panic!("{id}: {step}: {e}")).floor);
            } else {
                answer = Some(loaded);
            }
        }
        let answer = answer.unwrap();
        let expired = id.starts_with("tuf-expired-");
        if expired {
            // Loads, and the limits decide: both ways.
            let loaded = answer.unwrap_or_else(|e| panic!("{id}: {e}"));
            let of = |policy: &FreshnessPolicy| heaviest(&judge(&loaded.roles, now(), policy));
            assert_eq!(of(&FreshnessPolicy::strict()), Some(Action::Deny), "{id}");
            assert_ne!(of(&FreshnessPolicy::default()), Some(Action::Deny), "{id}");
            let role = id.strip_prefix("tuf-expired-").unwrap();
            let mut policy = FreshnessPolicy::default();
            policy.set(&format!("{role}=1d:deny")).unwrap();
            assert_eq!(of(&policy), Some(Action::Deny), "{id}");
            policy.set(&format!("{role}=2d:deny")).unwrap();
            assert_ne!(of(&policy), Some(Action::Deny), "{id}");
        } else if case["expect"] == "accept" {
            let loaded = answer.unwrap_or_else(|e| panic!("{id}: {e}"));
            assert_eq!(heaviest(&judge(&loaded.roles, now(), &FreshnessPolicy::strict())), None, "{id}");
        } else {
            assert!(answer.is_err(), "{id}");
        }
        count += 1;
    }
    assert_eq!(count, 24);
}

#[test]
fn rollbacks_are_named() {
    let Some(corpus) = corpus::place() else { return };
    let floor = fresh(&corpus::private(&corpus, "good")).unwrap().floor;
    let of = |name: &str| rolled_back(after(&corpus::private(&corpus, name), &floor));
    assert_eq!(of("rollback-timestamp"), (Role::Timestamp, 3, 2));
    assert_eq!(of("rollback-snapshot"), (Role::Snapshot, 2, 1));
    assert_eq!(of("rollback-targets"), (Role::Targets, 2, 1));
    // And after the floor was written and read again.
    let floor = Floor::from_bytes(&floor.to_bytes()).unwrap();
    assert_eq!(rolled_back(after(&corpus::private(&corpus, "rollback-timestamp"), &floor)).1, 3);
    // The same state again is no rollback, and changes nothing.
    assert_eq!(after(&corpus::private(&corpus, "good"), &floor).unwrap().floor, floor);
}

#[test]
fn tuf_root_withheld() {
    let Some(corpus) = corpus::place() else { return };
    let (_dir, path) = corpus::production(&corpus);
    let source = corpus::memory(&path);
    let pinned = source.get("15.root.json").unwrap().to_vec();
    let floor = load(&corpus::shared(&source), &pinned, None).unwrap().floor;
    let mut withheld = source.clone();
    withheld.remove("16.root.json").unwrap();
    let answer = load(&corpus::shared(&withheld), &pinned, Some(&floor));
    assert!(matches!(answer, Err(TufFault::RootWithheld { version: 16 })), "{:?}", answer.map(|l| l.roles));
    // Another root in its place is no better.
    let mut replaced = source.clone();
    replaced.insert("16.root.json", source.get("15.root.json").unwrap());
    assert!(load(&corpus::shared(&replaced), &pinned, Some(&floor)).is_err());
}

#[test]
fn an_unreadable_next_root_is_not_an_absent_one() {
    #[derive(Debug)]
    struct Unreadable(MemorySource);
    impl RepositorySource for Unreadable {
        fn read(&self, name: &str, limit: u64) -> Answer {
            if name == "3.root.json" {
                return Answer::Unreadable("permission denied".into());
            }
            self.0.read(name, limit)
        }
    }
    let Some(corpus) = corpus::place() else { return };
    let source = corpus::private(&corpus, "good");
    let pinned = first(&source);
    let broken: Arc<dyn RepositorySource> = Arc::new(Unreadable(source.clone()));
    assert!(
        matches!(load(&broken, &pinned, None), Err(TufFault::Unreadable { name, .. }) if name == "3.root.json")
    );
    // Nor is one that is too large, cut off, or no strict JSON.
    let mut large = source.clone();
    large.insert("4.root.json", vec![b' '; (1 << 20) + 1]);
    assert!(matches!(fresh(&large), Err(TufFault::Unreadable { .. })));
    let mut cut = source.clone();
    let whole = source.get("3.root.json").unwrap();
    cut.insert("3.root.json", &whole[..whole.len() - 9]);
    assert!(matches!(fresh(&cut), Err(TufFault::NotStrict { .. })));
}

/// The floor stands at timestamp 3, signed by the key of root 3. Starting each run from root 1, `tough` sees a
/// rotation every time and forgets it.
#[test]
fn tuf_replay_after_rotation() {
    let Some(corpus) = corpus::place() else { return };
    let good = corpus::private(&corpus, "good");
    let replayed = corpus::private(&corpus, "rollback-timestamp");
    assert!(fresh(&replayed).is_ok(), "alone it is consistent");
    let floor = fresh(&good).unwrap().floor;
    assert_eq!(rolled_back(after(&replayed, &floor)), (Role::Timestamp, 3, 2));
}

/// Root 3 of `good` replaces the timestamp key, so a timestamp seen at root 1 no longer binds.
#[test]
fn rotation_resets_the_timestamp_floor_and_says_so() {
    let Some(corpus) = corpus::place() else { return };
    let floor = fresh(&corpus::private(&corpus, "root-v1-only")).unwrap().floor;
    let loaded = after(&corpus::private(&corpus, "good"), &floor).unwrap();
    assert_eq!(loaded.new_roots, [2, 3]);
    assert_eq!(loaded.resets.len(), 1, "{:?}", loaded.resets);
    assert_eq!(loaded.resets[0].role, Role::Timestamp);
    // Back to where only root 1 exists: withheld.
    let back = after(&corpus::private(&corpus, "root-v1-only"), &loaded.floor);
    assert!(matches!(back, Err(TufFault::RootWithheld { version: 3 })));
}

#[test]
fn tuf_mix_and_match() {
    let Some(corpus) = corpus::place() else { return };
    let good = corpus::private(&corpus, "good");
    for (other, name) in [
        ("rollback-targets", "timestamp.json"),
        ("root-v1-only", "timestamp.json"),
        ("expired-targets", "2.targets.json"),
    ] {
        let donor = corpus::private(&corpus, other);
        let mut mixed = good.clone();
        mixed.insert(name, donor.get(name).unwrap());
        let floor = fresh(&good).unwrap().floor;
        let answer = after(&mixed, &floor);
        if name == "2.targets.json" {
            // Without hashes in the snapshot, TUF takes any targets of this version that its keys signed.
            assert!(answer.is_ok());
        } else {
            assert!(answer.is_err(), "{other} {name}");
        }
    }
    // With hashes in the snapshot it is refused.
    let hashed = corpus::private(&corpus, "good-hashed-meta");
    let mut mixed = hashed.clone();
    mixed
        .insert("2.targets.json", corpus::private(&corpus, "expired-targets").get("2.targets.json").unwrap());
    assert!(fresh(&hashed).is_ok());
    assert!(fresh(&mixed).is_err());
}

/// Every byte of every file, in steps; nothing altered may load as something else.
#[test]
fn altered_and_truncated_copies() {
    let Some(corpus) = corpus::place() else { return };
    let good = corpus::private(&corpus, "good");
    let pinned = first(&good);
    let whole = fresh(&good).unwrap();
    let names: Vec<String> = good.names().map(str::to_owned).collect();
    for name in names {
        let bytes = good.get(&name).unwrap().to_vec();
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            for cut in [false, true] {
                let mut altered = good.clone();
                let mut copy = bytes.clone();
                if cut {
                    copy.truncate(at);
                } else {
                    copy[at] ^= 1;
                }
                altered.insert(name.clone(), copy);
                if let Ok(loaded) = load(&corpus::shared(&altered), &pinned, None) {
                    assert_eq!(loaded.trusted_root, whole.trusted_root, "{name} at {at}, cut {cut}");
                    assert_eq!(loaded.roles, whole.roles, "{name} at {at}, cut {cut}");
                }
            }
        }
        let mut missing = good.clone();
        missing.remove(&name);
        if let Ok(loaded) = load(&corpus::shared(&missing), &pinned, None) {
            assert_eq!(loaded.trusted_root, whole.trusted_root, "{name} missing");
        }
    }
}

#[test]
fn frozen_copy_shows_its_age() {
    let Some(corpus) = corpus::place() else { return };
    let source = corpus::private(&corpus, "good-short-lived");
    let floor = fresh(&source).unwrap().floor;
    let again = after(&source, &floor).unwrap();
    let later = "2026-12-30T00:00:00Z".parse().unwrap();
    let ages = judge(&again.roles, later, &FreshnessPolicy::default());
    let timestamp = &ages[1];
    assert_eq!(timestamp.judgement, Judgement::Beyond(Action::Note));
    assert_eq!(timestamp.past_expiry.as_hours() / 24, 30);
    let mut policy = FreshnessPolicy::default();
    policy.set("timestamp=14d:deny").unwrap();
    assert_eq!(heaviest(&judge(&again.roles, later, &policy)), Some(Action::Deny));
}

/// One run in 2040 leaves nothing behind that a run in 2026 could stumble over.
#[test]
fn clock_once_2040() {
    let Some(corpus) = corpus::place() else { return };
    let source = corpus::private(&corpus, "good");
    let floor = fresh(&source).unwrap().floor;
    let roles = after(&source, &floor).unwrap().roles;
    let in_2040 = judge(&roles, "2040-01-01T00:00:00Z".parse().unwrap(), &FreshnessPolicy::default());
    assert_eq!(heaviest(&in_2040), Some(Action::Deny));
    let back = after(&source, &floor).unwrap();
    assert_eq!(back.floor, floor);
    assert_eq!(heaviest(&judge(&back.roles, now(), &FreshnessPolicy::default())), None);
    let text = String::from_utf8(floor.to_bytes()).unwrap();
    assert!(!text.contains("latest_known_time"));
}

#[test]
fn githubs_root_is_refused_by_name() {
    let Some(corpus) = corpus::place() else { return };
    let root = std::fs::read(corpus.join("trust-roots/roots/github-9.root.json")).unwrap();
    let source = corpus::private(&corpus, "good");
    assert!(matches!(load(&corpus::shared(&source), &root, None), Err(TufFault::KeyIds { .. })));
}

#[test]
fn a_damaged_floor_is_a_fault() {
    let Some(corpus) = corpus::place() else { return };
    let source = corpus::private(&corpus, "good");
    let floor = fresh(&source).unwrap().floor;
    let bytes = floor.to_bytes();
    assert!(Floor::from_bytes(&[]).is_err());
    assert!(Floor::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    // Another repository's pin does not meet it.
    let foreign = embedded::TUF_ROOT;
    assert!(matches!(
        load(&corpus::shared(&source), foreign, Some(&floor)),
        Err(TufFault::Metadata(_) | TufFault::Floor(_) | TufFault::Invalid { .. })
    ));
    // A lowered one no longer carries signatures.
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    let donor = fresh(&corpus::private(&corpus, "root-v1-only")).unwrap().floor;
    let donor: Value = serde_json::from_slice(&donor.to_bytes()).unwrap();
    value["timestamp"] = donor["timestamp"].clone();
    let lowered = Floor::from_bytes(&serde_json::to_vec(&value).unwrap()).unwrap();
    assert!(matches!(after(&source, &lowered), Err(TufFault::Floor(_))));
}

#[test]
fn works_inside_another_runtime() {
    let Some(corpus) = corpus::place() else { return };
    let source = corpus::private(&corpus, "good");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(async { fresh(&source) }).is_ok());
}
