//! What servers and those who hold old keys try: nothing goes back, nothing half comes in, and what cannot be read is
//! never taken for what is not there.

use sealock_mirror::pull::commit::Fate;
use sealock_mirror::trust_root::keep::Wanted;
use sealock_mirror::trust_root::kept;
use sealock_testkit::registry::{Reply, Shape};
use sealock_testkit::tuf::{DELEGATED_TARGET, Role};
use sealock_testkit::{Sigstore, TufRepository};

use crate::keeping::{Keeping, NAME, repository, state};

fn rotated(repository: &mut TufRepository) {
    repository.rotate_key(Role::Root, 0);
    repository.rotate_key(Role::Timestamp, 0);
    repository.publish_next_root();
    repository.publish_next();
}

/// Only 404 says that there is no newer root.
#[test]
fn tuf_root_withheld_by_errors() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    let old = repository.published();
    keeping.server.publish(&old);
    keeping.kept();
    rotated(&mut repository);
    let replies = [
        ("401", Reply::error(401, "UNAUTHORIZED")),
        ("403", Reply::status(403)),
        ("403 that claims absence", Reply::error(403, "NOT_FOUND")),
        ("404 that means no", Reply::error(404, "DENIED")),
        ("410", Reply::status(410)),
        ("429 for an hour", Reply::status(429).header("Retry-After", "3600")),
        ("500", Reply::status(500)),
        ("503", Reply::status(503)),
        ("302 in a circle", Reply::status(302).header("Location", "2.root.json")),
        ("hangs up", Reply::status(200).shape(Shape::Hangup)),
        ("short", Reply::content("text/plain", b"{\"signatures\":").shape(Shape::Announced(9000))),
        ("endless", Reply::content("text/plain", b" ").shape(Shape::Endless)),
        ("longer than any root", Reply::content("text/plain", b"{}").header("Content-Length", "3000000")),
    ];
    for (what, reply) in replies {
        // Everything else is as it was, and verifies under the old root.
        keeping.server.publish(&old);
        keeping.server.answer("2.root.json", reply);
        keeping.stays_out(what, Fate::Unknown, "trust/repository-unreadable");
    }
    keeping.server.publish(&old);
    keeping.server.answer("2.root.json", Reply::content("text/html", b"<html>log in</html>"));
    keeping.stays_out("a web page", Fate::Refused, "trust/repository-invalid");
    keeping.server.publish(&repository.published());
    assert_eq!(keeping.kept().roles["root"].version, 2);
}

/// A server that is silent once, or slow, is waited for.
#[test]
fn a_slow_server_is_waited_for() {
    let repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.published());
    keeping.server.registry().slow(std::time::Duration::from_millis(50));
    keeping.server.answer_once("timestamp.json", &Reply::status(200).shape(Shape::Silence));
    keeping.server.answer_once("1.snapshot.json", &Reply::status(503));
    keeping.kept();
    assert_eq!((keeping.server.count("timestamp.json"), keeping.server.count("1.snapshot.json")), (2, 2));
}

/// A root that was seen is not there any more: the repository from before is served again, whole and validly signed.
#[test]
fn tuf_root_withheld() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    let old = repository.published();
    rotated(&mut repository);
    keeping.server.publish(&repository.published());
    keeping.kept();
    keeping.server.publish(&old);
    keeping.stays_out("root 2 is gone", Fate::Refused, "trust/root-withheld");
    // Also where only one of both memories is left.
    std::fs::remove_dir_all(keeping.path().join(kept::REPOSITORIES)).unwrap();
    keeping.stays_out("the store's floor remembers", Fate::Refused, "trust/root-withheld");
    keeping.server.publish(&repository.published());
    keeping.kept();
    std::fs::remove_dir_all(keeping.path().join("trust")).unwrap();
    keeping.server.publish(&old);
    keeping.stays_out("what is kept remembers", Fate::Refused, "trust/root-withheld");
}

#[test]
fn tuf_rollback_at_pull() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let mut repository = repository();
        let keeping = Keeping::new(repository.first_root());
        let old = repository.published();
        keeping.server.publish(&repository.publish_next());
        keeping.kept();
        keeping.server.publish(&old);
        keeping.stays_out("the whole from before", Fate::Refused, "trust/rollback");
        // By whoever holds the online key.
        keeping.server.publish(&repository.roll_back(role, 1));
        keeping.stays_out(role.name(), Fate::Refused, "trust/rollback");
        std::fs::remove_dir_all(keeping.path().join("trust")).unwrap();
        keeping.stays_out("what is kept is a floor by itself", Fate::Refused, "trust/rollback");
    }
}

#[test]
fn tuf_replay_after_rotation() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    let old = repository.published();
    rotated(&mut repository);
    let new = repository.published();
    keeping.server.publish(&new);
    keeping.kept();
    keeping.server.publish(&new.with_timestamp_of(&old));
    keeping.stays_out("a timestamp by the key before", Fate::Refused, "trust/repository-invalid");
}

/// Recovery as TUF has it: versions at the end of the world fall with the key that signed them, and that is told.
#[test]
fn tuf_fast_forward_recovery_at_pull() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.fast_forward(Role::Timestamp));
    keeping.kept();
    repository.state(Role::Timestamp).version = 2;
    keeping.server.publish(&repository.publish());
    keeping.stays_out("no rotation", Fate::Refused, "trust/rollback");
    repository.rotate_key(Role::Timestamp, 0);
    repository.publish_next_root();
    keeping.server.publish(&repository.publish());
    assert_eq!(keeping.kept().roles["timestamp"].version, 2);
    let history = sealock_trust_root::disk::TrustState::of_store(keeping.path()).history().unwrap().0;
    assert!(!history.last().unwrap().resets.is_empty(), "{history:?}");
}

/// Targets, top-level and delegated: each is hashed, and one that is missing or endless is missing, not empty.
#[test]
fn tuf_targets_altered() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    let good = repository.published();
    let altered = "trust/repository-invalid";
    for name in ["trusted_root.json", DELEGATED_TARGET] {
        let path = good.target_path(name);
        keeping.server.publish(&good.clone().with_target_altered(name));
        keeping.stays_out(&format!("{name} altered"), Fate::Refused, altered);
        keeping.server.publish(&good.clone().with_target_longer(name));
        keeping.stays_out(&format!("{name} longer"), Fate::Refused, altered);
        keeping.server.publish(&good);
        keeping.server.answer(&path, Reply::content("x/y", b"x").shape(Shape::Endless));
        let report = keeping.keep();
        assert_ne!(report.fate, Fate::Mirrored, "{name} endless: {report:?}");
        for status in [403, 500] {
            keeping.server.publish(&good);
            keeping.server.answer(&path, Reply::status(status));
            keeping.stays_out(&format!("{name} {status}"), Fate::Unknown, "trust/repository-unreadable");
        }
        keeping.server.publish(&good);
        keeping.server.withhold(&path);
        let report = keeping.keep();
        assert_ne!(report.fate, Fate::Mirrored, "{name} gone: {report:?}");
        assert!(keeping.files().is_empty() && state(keeping.path()).is_none(), "{name}: nothing comes in");
    }
    repository.wrong_hashes.push(DELEGATED_TARGET.to_owned());
    keeping.server.publish(&repository.publish());
    keeping.stays_out("metadata that lies", Fate::Refused, altered);
}

/// Metadata: altered, cut, mixed, by strangers, by too few.
#[test]
fn tuf_metadata_altered_at_pull() {
    let honest = repository();
    let keeping = Keeping::new(honest.first_root());
    let good = honest.published();
    let refused = |what: &str| keeping.stays_out(what, Fate::Refused, "trust/repository-invalid");
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets, Role::Delegation] {
        keeping.server.publish(&good.clone().with_metadata_altered(role));
        refused(&format!("{} altered", role.name()));
        keeping.server.publish(&good.clone().truncated(&good.newest(role)));
        refused(&format!("{} cut", role.name()));
        keeping.server.publish(&honest.clone().publish_signed_by_strangers(role));
        refused(&format!("{} by strangers", role.name()));
        keeping.server.publish(&good);
        keeping.server.answer(&good.newest(role), Reply::content("x/y", b"{").shape(Shape::Endless));
        keeping.stays_out(&format!("{} endless", role.name()), Fate::Unknown, "trust/repository-unreadable");
    }
    keeping.server.publish(&honest.clone().publish_below_threshold(Role::Targets));
    refused("too few");
    keeping.server.publish(&honest.clone().publish_with_one_key_under_two_ids(Role::Targets));
    refused("one key twice");
    let mut mixed = honest.clone();
    let later = mixed.publish_next().without(&format!("{}.snapshot.json", 2));
    keeping.server.publish(&later);
    assert_ne!(keeping.keep().fate, Fate::Mirrored, "the snapshot of another time");
    let mut greedy = honest.clone();
    greedy.snapshot_names_targets = Some(7);
    keeping.server.publish(&greedy.publish_next());
    assert_ne!(keeping.keep().fate, Fate::Mirrored, "a targets version that is not");
    assert!(keeping.files().is_empty());
}

/// Nothing at the URL is an open question, also for a name that was never kept.
#[test]
fn nothing_published_is_unknown() {
    let repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.stays_out("an empty server", Fate::Unknown, "trust/repository-unreadable");
    keeping.server.publish(&repository.published().without("timestamp.json"));
    keeping.stays_out("no timestamp", Fate::Unknown, "trust/repository-unreadable");
    let closed = Wanted { url: "http://127.0.0.1:1/tuf".into(), ..keeping.wanted() };
    assert_eq!(keeping.keep_as(&closed).fate, Fate::Unknown);
}

/// A name stays with its first root, whoever edits the file that names it.
#[test]
fn planted_root() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.published());
    keeping.kept();
    let theirs = TufRepository::with_trusted_root(66, &Sigstore::new(66).trusted_root().json());
    keeping.server.publish(&theirs.published());
    keeping.stays_out("another repository", Fate::Refused, "trust/repository-invalid");
    let wanted = Wanted { root: Some(theirs.first_root()), ..keeping.wanted() };
    let report = keeping.keep_as(&wanted);
    assert_eq!((report.fate, report.code), (Fate::Refused, Some("trust/pinned-otherwise")), "{report:?}");
    std::fs::remove_dir_all(keeping.path().join(kept::REPOSITORIES)).unwrap();
    let report = keeping.keep_as(&wanted);
    assert_eq!((report.fate, report.code), (Fate::Refused, Some("trust/pinned-otherwise")), "{report:?}");
    // The program's own root is another one, too.
    let wanted = Wanted { root: None, ..keeping.wanted() };
    assert_ne!(keeping.keep_as(&wanted).fate, Fate::Mirrored);
    keeping.server.publish(&repository.publish_next());
    keeping.kept();
}

/// What the store keeps was exchanged: it is no floor then, and no reason to begin anew.
#[test]
fn what_is_kept_was_exchanged() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    keeping.server.publish(&repository.publish_next());
    keeping.kept();
    let place = keeping.path().join(kept::REPOSITORIES).join(NAME);
    let folder = std::fs::read_dir(&place).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
    std::fs::write(folder.join("timestamp.json"), "{}").unwrap();
    let report = keeping.keep();
    assert_eq!((report.fate, report.code), (Fate::Unknown, Some("trust/unreadable-floor")), "{report:?}");
}

/// Names that no seal could carry, and more files than one lists.
#[test]
fn what_no_seal_can_carry_is_not_kept() {
    let mut repository = repository();
    let keeping = Keeping::new(repository.first_root());
    repository.set_target("odd name+x.json", b"{}");
    keeping.server.publish(&repository.publish_next());
    assert_ne!(keeping.keep().fate, Fate::Mirrored);
    let mut flood = crate::keeping::repository();
    for n in 0..300 {
        flood.set_target(&format!("t{n}.json"), format!("{n}").as_bytes());
    }
    keeping.server.publish(&flood.publish_next());
    keeping.stays_out("a flood of targets", Fate::Refused, "trust/repository-invalid");
}
