//! Transfers that were lost on the way: written once more, or given up; never two histories that look alike.

use std::path::Path;

use sealock_mirror::seal::{Again, again};

use crate::gap::{Gap, bundle};
use crate::hands::Hand;

/// Seal 1 was taken in (receipt `r1`), seal 2 was lost, and something is new since.
fn lost(gap: &Gap) {
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &["--receipt-key", &gap.receipt_key]).ok();
    gap.import("t1", &["--receipt", &gap.path("r1")]).ok();
    gap.mirror_in(&bundle(2, "2.0").0);
    gap.seal("t2", &[]).ok();
    gap.mirror_in(&bundle(3, "3.0").0);
}

fn copy(gap: &Gap, from: &str, to: &str) {
    let run = std::process::Command::new("cp").args(["-r", &gap.path(from), &gap.path(to)]).status();
    assert!(run.unwrap().success());
}

fn sequence(run: crate::gap::Run) -> u64 {
    run.ok().json()["sequence"].as_u64().unwrap()
}

#[test]
fn a_lost_seal_is_written_once_more() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    gap.seal("t3", &[]).ok();
    gap.import("t3", &[]).refused("seal/gap");
    // What is asked for is what was lost, though the store holds more by now and its last seal is another one.
    let again = gap.seal("t2-again", &["--again", "2", "--format", "json"]).ok().json();
    assert_eq!((&again["sequence"], &again["again"]), (&2.into(), &true.into()), "{again}");
    assert!(std::fs::read(gap.path("t2")).unwrap() == std::fs::read(gap.path("t2-again")).unwrap());
    gap.import("t2-again", &[]).ok();
    gap.import("t3", &[]).ok();
    assert_eq!(gap.list("high").len(), gap.list("low").len());
    gap.fsck("high");
    // Nothing was made: the next seal is the next one.
    gap.mirror_in(&bundle(4, "4.0").0);
    assert_eq!(sequence(gap.seal("t4", &["--format", "json"])), 4);
    gap.import("t4", &[]).ok();
}

/// Cut as it was, and signed by others than the machine that seals.
#[test]
fn a_lost_seal_is_cut_and_signed_again() {
    let Some(gap) = Gap::with(vec![Hand::new("olga"), Hand::new("pavel")], 2) else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    let cut = ["--segment-size", "300K"];
    gap.seal("t1", &cut).ok();
    gap.mirror_in(&bundle(2, "2.0").0);
    gap.seal("t2", &cut).ok();
    gap.seal("again", &["--again", "1", "--segment-size", "300K"]).ok();
    for number in 0.. {
        let Ok(before) = std::fs::read(gap.path(&format!("t1.{number:03}"))) else { break };
        assert!(before == std::fs::read(gap.path(&format!("again.{number:03}"))).unwrap(), "{number}");
    }
    assert_eq!(gap.seal("other", &["--again", "1", "--segment-size", "400K"]).status, 2);
    // One damaged segment can come from it, too.
    std::fs::remove_file(gap.path("t1.002")).unwrap();
    let (file, key) = (gap.path("t1.000"), gap.path("pavel"));
    gap.mirror(&["seal", "sign", &file, "--key", &key, "--yes"]).ok();
    gap.import("t1.000", &[]).refused("seal/segment-damaged");
    gap.import("again.002", &[]).ok();
    gap.import("t2.000", &[]).refused("seal/threshold");
}

/// The next seal goes on from what a receipt acknowledges, under a number that was never given.
#[test]
fn lost_seals_are_given_up() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    gap.seal("t3", &[]).ok();
    let r1 = gap.path("r1");
    let run = gap.seal("t4", &["--after", &r1, "--format", "json"]);
    assert_eq!(sequence(run), 4);
    // Twice is once.
    assert_eq!(gap.seal("t4-again", &["--after", &r1, "--format", "json"]).ok().json()["again"], true);
    let seen = gap.mirror(&[
        "seal",
        "sign",
        &gap.path("t4"),
        "--key",
        &gap.path("olga"),
        "--review",
        "--previous",
        &gap.path("t1"),
    ]);
    let seen = seen.ok().data;
    assert!(seen.contains(":2.0") && seen.contains(":3.0") && seen.contains("worked out here"), "{seen}");
    gap.import("t4", &["--receipt", &gap.path("r4")]).ok();
    assert_eq!(gap.blobs("high"), gap.blobs("low"));
    // What was given up and turns up after all is refused.
    gap.import("t2", &[]).refused("seal/replay");
    gap.import("t3", &[]).refused("seal/replay");
    // And it goes on.
    gap.mirror_in(&bundle(4, "4.0").0);
    assert_eq!(sequence(gap.seal("t5", &["--since", &gap.path("r4"), "--format", "json"])), 5);
    gap.import("t5", &[]).ok();
    assert_eq!(gap.list("high").len(), gap.list("low").len());
    gap.fsck("high");
}

/// With what the receipt acknowledges left out.
#[test]
fn lost_seals_are_given_up_with_a_delta() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    let r1 = gap.path("r1");
    let sealed = gap.seal("t3", &["--after", &r1, "--since", &r1, "--format", "json"]).ok().json();
    assert!(sealed["omitted"].as_u64().unwrap() > 0 && sealed["sequence"] == 3, "{sealed}");
    gap.import("t3", &[]).ok();
    assert_eq!(gap.blobs("high"), gap.blobs("low"));
}

/// Two stores of one id, and the lost seal was not lost for one of them: it refuses the history in which it was, and
/// the other one refuses the seal that it never had. Nobody follows both.
#[test]
fn fork_after_a_lost_seal() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    copy(&gap, "high", "replica");
    gap.import_to("replica", "t2", &["--receipt", &gap.path("r2")]).ok();
    let before = gap.list("replica");
    gap.seal("t3", &["--after", &gap.path("r1")]).ok();
    gap.import_to("replica", "t3", &[]).refused("seal/fork");
    assert_eq!(gap.list("replica"), before);
    gap.import("t3", &[]).ok();
    gap.import("t2", &[]).refused("seal/replay");
    // What follows belongs to one history only.
    gap.mirror_in(&bundle(4, "4.0").0);
    gap.seal("t4", &[]).ok();
    gap.import_to("replica", "t4", &[]).refused("seal/gap");
    gap.import("t4", &[]).ok();
    // It can be changed, and the other one is out then.
    gap.mirror_in(&bundle(5, "5.0").0);
    gap.seal("t5", &["--after", &gap.path("r2")]).ok();
    gap.import("t5", &[]).refused("seal/fork");
    gap.import_to("replica", "t5", &[]).ok();
    assert_eq!(gap.list("replica").len(), gap.list("low").len());
}

/// A receipt that is not the store's own, or acknowledges what was never sealed here, gives nothing up.
#[test]
fn receipt_forged_gives_nothing_up() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    let (other, other_key) = gap.found("other");
    gap.seal_for(&other, "o1", &["--receipt-key", &other_key]).ok();
    gap.import_to("other", "o1", &["--receipt", &gap.path("ro")]).ok();
    gap.seal("t3", &["--after", &gap.path("ro")]).refused("seal/receipt-refused");
    let text = std::fs::read_to_string(gap.path("r1")).unwrap();
    let digest = text.lines().nth(2).unwrap().to_owned();
    for (from, to) in [(digest, "0".repeat(64)), ("\n1\n".to_owned(), "\n2\n".to_owned())] {
        std::fs::write(gap.path("forged"), text.replacen(&from, &to, 1)).unwrap();
        gap.seal("t3", &["--after", &gap.path("forged")]).refused("seal/receipt-refused");
    }
    assert!(!Path::new(&gap.path("t3")).exists());
    assert_eq!(sequence(gap.seal("t3", &["--format", "json"])), 3, "no number was lost");
}

/// What cannot be written as it was is not written.
#[test]
fn a_seal_that_is_not_held_is_not_written_again() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    for (again, status) in [("3", 2), ("0", 2)] {
        assert_eq!(gap.seal("t", &["--again", again]).status, status);
    }
    assert_eq!(gap.seal("t", &["--again", "2", "--fresh"]).status, 2);
    // Somebody else's key signs nothing.
    std::fs::write(gap.path("zoe"), Hand::new("zoe").pem()).unwrap();
    let (store, zoe, out) = (gap.path("low"), gap.path("zoe"), gap.path("t"));
    let base = ["seal", "--store", &store, "--audience", &gap.id, "-o", &out, "--again", "2"];
    assert_eq!(gap.mirror(&[&base[..], &["--key", &zoe]].concat()).status, 2);
    // Without a key it is written unsigned; operators are those of then.
    let run = gap.mirror(&base).ok();
    assert!(run.notes.contains("0 of 1 signatures"), "{run:?}");
    std::fs::remove_file(gap.path("t")).unwrap();
    // A document that was exchanged.
    let folder = Path::new(&store).join("seals").join(&gap.id).join("documents");
    let largest = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .max_by_key(|path| std::fs::metadata(path).unwrap().len());
    let largest = largest.unwrap();
    let good = std::fs::read(&largest).unwrap();
    let mut bad = good.clone();
    bad[10] ^= 1;
    std::fs::write(&largest, &bad).unwrap();
    let both: Vec<_> = ["1", "2"].iter().map(|n| gap.seal("t", &["--again", n]).status).collect();
    assert!(both.iter().any(|status| *status != 0), "{both:?}");
    std::fs::write(&largest, &good).unwrap();
    let _ = std::fs::remove_file(gap.path("t"));
    // Content that is gone.
    let (layout, _, _) = bundle(2, "2.0");
    layout.write(gap.path("two"));
    let held = |folder: &str| -> std::collections::BTreeSet<String> {
        let list = std::fs::read_dir(Path::new(&gap.path(folder)).join("blobs/sha256")).unwrap();
        list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let one = held("high");
    let only = held("two").into_iter().find(|digest| !one.contains(digest)).unwrap();
    std::fs::remove_file(Path::new(&store).join("blobs/sha256").join(only)).unwrap();
    assert_ne!(gap.seal("t", &["--again", "2"]).status, 0);
    assert!(!Path::new(&gap.path("t")).exists());
    gap.seal("t", &["--again", "1"]).ok();
}

/// A seal past its time is not written again, and documents are not kept for ever.
#[test]
fn old_seals_are_given_up_instead() {
    let Some(gap) = Gap::new() else { return };
    lost(&gap);
    for _ in 3..=17 {
        gap.seal("t", &["--fresh"]).ok();
    }
    let run = gap.seal("again", &["--again", "1"]);
    assert!(run.status == 2 && run.notes.contains("--after"), "{run:?}");
    gap.seal("again", &["--again", "2"]).ok();
    let (store, output) = (gap.path("low"), gap.path("late"));
    let order = |days: i64| Again {
        store: Path::new(&store),
        audience: &gap.id,
        sequence: 2,
        keys: &[],
        segment_size: None,
        output: Path::new(&output),
        now: jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days),
    };
    assert!(again(&order(91)).unwrap_err().to_string().contains("--after"));
    again(&order(89)).unwrap();
    gap.seal("t", &["--after", &gap.path("r1")]).ok();
    gap.import("t", &[]).ok();
}
