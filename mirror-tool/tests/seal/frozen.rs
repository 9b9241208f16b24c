//! Trust metadata that transfers carry: fresh when sealed, through TUF, never around it.

use jiff::{SignedDuration, Timestamp};
use sealock_testkit::tuf::{Role, TufRepository};

use crate::attacks::forge;
use crate::gap::{Gap, bundle};

/// A private TUF repository whose metadata is good for a year; the timestamp until `timestamp`, in seconds.
fn repository(timestamp: Option<i64>) -> TufRepository {
    let trusted_root = std::str::from_utf8(sealock_trust_root::embedded::TRUSTED_ROOT).unwrap();
    let year = Timestamp::now().as_second() + 365 * 24 * 3600;
    let mut repository = TufRepository::with_trusted_root(1, trusted_root);
    for role in [Role::Root, Role::Targets, Role::Delegation, Role::Snapshot, Role::Timestamp] {
        repository.set_expiry(role, year);
    }
    if let Some(timestamp) = timestamp {
        repository.set_expiry(Role::Timestamp, timestamp);
    }
    repository.publish_root();
    repository.publish();
    repository
}

#[test]
fn tuf_frozen_at_seal() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    let (fresh, stale, newer) = (gap.path("fresh"), gap.path("stale"), gap.path("newer"));
    let mut private = repository(None);
    private.published().write(&fresh);
    private.publish_timestamp().write(&newer);
    repository(Some(Timestamp::now().as_second() - 1)).published().write(&stale);
    // The near side refuses to seal what is not fresh.
    gap.seal("t0", &["--trust", &format!("private={stale}")]).refused("seal/trust-stale");
    // What comes is left out where nobody pinned it, and goes through TUF where somebody did.
    gap.seal("t1", &["--trust", &format!("private={fresh}")]).ok();
    let run = gap.import("t1", &["--dry-run"]).ok();
    assert!(run.notes.contains("[seal/trust-refused]") && run.notes.contains("private"), "{run:?}");
    let root = gap.path("root.json");
    std::fs::write(&root, private.first_root()).unwrap();
    let digest = sealock_testkit::sha256_hex(&private.first_root());
    let high = gap.path("high");
    let update = ["trust", "update", "--store", &high, "--name", "private"];
    gap.sealock(&[&update[..], &["--root", &root, "--sha256", &digest, &fresh]].concat()).ok();
    let report = gap.import("t1", &["-o", "json"]).ok().json();
    assert!(report["seal"]["brought"]["trust/private"].as_str().unwrap().contains("timestamp 1"), "{report}");
    // A newer one comes in with the next seal, and not if it is another one than was sealed, or was stale then.
    gap.seal("t2", &["--trust", &format!("private={newer}")]).ok();
    let late = Timestamp::now() + SignedDuration::from_secs(200);
    forge(&gap, "t2", "other", None, |s| {
        s.trust[0].versions.insert("timestamp".into(), 77);
    });
    gap.import("other", &[]).refused("seal/trust-refused");
    gap.import("t2", &[]).ok();
    let history = ["trust", "history", "--store", &high, "-o", "json"];
    assert!(gap.sealock(&history).ok().data.contains("timestamp 2"));
    // Whoever can seal cannot bring what had expired when it was sealed.
    let mut soon = repository(Some(late.as_second() - 100));
    soon.publish_timestamp();
    soon.publish_timestamp().write(gap.path("soon"));
    gap.seal("t3", &["--trust", &format!("private={}", gap.path("soon"))]).ok();
    forge(&gap, "t3", "late", None, |s| s.sealed_at = late);
    gap.import("late", &[]).refused("seal/trust-stale");
    // An older one than the store has is left out, and the seal is taken in.
    gap.import("t3", &[]).ok();
    gap.seal("t4", &["--trust", &format!("private={fresh}")]).ok();
    let run = gap.import("t4", &[]).ok();
    assert!(run.notes.contains("rollback") && run.notes.contains("[seal/trust-refused]"), "{run:?}");
}
