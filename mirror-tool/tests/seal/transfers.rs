//! What works: round trips, segments, deltas, signatures by several, trust and policies that come along.

use std::path::Path;

use sealock::store::Store;

use crate::gap::{Gap, REPOSITORY, bundle};
use crate::hands::Hand;

#[test]
fn round_trip() {
    let Some(gap) = Gap::new() else { return };
    let (layout, index, _) = bundle(1, "1.0");
    gap.mirror_in(&layout);
    let sealed = gap.seal("t1", &["--format", "json"]).ok().json();
    assert_eq!(sealed["sequence"], 1);
    let dry = gap.import("t1", &["--dry-run", "-o", "json"]).ok().json();
    assert_eq!((&dry["committed"], &dry["seal"]["digest"]), (&false.into(), &sealed["digest"]));
    assert!(gap.list("high").is_empty(), "nothing is visible");
    let report = gap.import("t1", &["-o", "json", "--receipt", &gap.path("receipt")]).ok().json();
    assert_eq!((&report["committed"], &report["seal"]["sequence"]), (&true.into(), &1.into()));
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
    let (low, high) = (gap.list("low"), gap.list("high"));
    assert_eq!(low.keys().collect::<Vec<_>>(), high.keys().collect::<Vec<_>>());
    let name = format!("{REPOSITORY}:1.0");
    assert_eq!(high[&name], (index.digest(), "sealed".to_owned()));
    assert_eq!(low[&name].1, "claimed");
    gap.fsck("high");
    assert!(std::fs::read_dir(gap.path("high/quarantine")).unwrap().next().is_none(), "the copy is gone");
    let receipt = std::fs::read_to_string(gap.path("receipt")).unwrap();
    assert!(receipt.len() <= 512 && receipt.contains(&gap.id) && !receipt.contains(REPOSITORY), "{receipt}");
    // Once more is nothing new.
    let again = gap.import("t1", &["-o", "json"]).ok().json();
    assert_eq!(again["counts"]["new"], 0);
    assert_eq!(gap.list("high"), high);
    // A full transfer is an OCI archive for ordinary tools: every entry stands where a layout has it.
    let entries = std::process::Command::new("tar").args(["tf", &gap.path("t1")]).output().unwrap();
    let entries = String::from_utf8(entries.stdout).unwrap();
    assert!(entries.contains("oci-layout\n") && entries.contains("blobs/sha256/"), "{entries}");
}

#[test]
fn two_runs_give_the_same_bytes() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("whole", &[]).ok();
    let first = std::fs::read(gap.path("whole")).unwrap();
    let again = gap.seal("again", &["--format", "json"]).ok().json();
    assert_eq!((&again["again"], &again["sequence"]), (&true.into(), &1.into()));
    assert!(first == std::fs::read(gap.path("again")).unwrap());
    // Something new is the next seal; and so is the same when it is asked for.
    gap.mirror_in(&bundle(2, "2.0").0);
    assert_eq!(gap.seal("t2", &["--format", "json"]).ok().json()["sequence"], 2);
    assert_eq!(gap.seal("t3", &["--format", "json", "--fresh"]).ok().json()["sequence"], 3);
    // Segments, one after the other, are the file.
    let cut = gap.seal("cut", &["--format", "json", "--segment-size", "512K", "--fresh"]).ok().json();
    let files: Vec<_> =
        cut["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect();
    assert!(files.len() > 4, "{files:?}");
    let mut sorted = files.clone();
    sorted.sort();
    let joined: Vec<u8> = sorted.iter().flat_map(|f| std::fs::read(f).unwrap()).collect();
    assert_eq!(std::fs::metadata(gap.path("cut.000")).unwrap().len(), 66_048);
    gap.seal("uncut", &["--fresh", "--format", "json"]).ok();
    let uncut = std::fs::read(gap.path("uncut")).unwrap();
    // Only the heads differ, for the sequence and the cut.
    assert!(joined.len() > 1 << 20);
    assert_eq!(joined[66_048..].len().abs_diff(uncut[66_048..].len()) % 512, 0);
    // What came first must be taken in first.
    gap.import("whole", &[]).ok();
    gap.import("t3", &[]).refused("seal/gap");
}

#[test]
fn segments_are_taken_in_as_one() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("cut", &["--segment-size", "300K"]).ok();
    // By the first segment, by the base, and joined to one file.
    gap.import("cut.000", &["--dry-run"]).ok();
    gap.import("cut", &["--dry-run"]).ok();
    let mut joined = Vec::new();
    for number in 0.. {
        let Ok(bytes) = std::fs::read(gap.path(&format!("cut.{number:03}"))) else { break };
        joined.extend(bytes);
    }
    std::fs::write(gap.path("joined"), &joined).unwrap();
    gap.import("joined", &[]).ok();
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
}

#[test]
fn a_damaged_segment_is_named_and_comes_again_alone() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("cut", &["--segment-size", "300K"]).ok();
    let (third, second) = (gap.path("cut.003"), gap.path("cut.002"));
    let good = std::fs::read(&third).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    std::fs::write(&third, &bad).unwrap();
    std::fs::rename(&second, gap.path("lost")).unwrap();
    let run = gap.import("cut.000", &[]).refused("seal/segment-damaged");
    assert!(
        run.notes.contains("segment 3 is damaged") && run.notes.contains("segment 2 is missing"),
        "{run:?}"
    );
    assert!(!run.notes.contains("segment 1 ") && !run.notes.contains("segment 4 "), "{run:?}");
    assert!(gap.list("high").is_empty());
    // The good ones are not needed any more, but for the head's own file.
    for gone in [1, 4] {
        std::fs::remove_file(gap.path(&format!("cut.{gone:03}"))).unwrap();
    }
    gap.import("cut.003", &[]).refused("seal/unknown-segment");
    std::fs::write(&third, &good).unwrap();
    let run = gap.import("cut.003", &[]).refused("seal/segment-damaged");
    assert!(run.notes.contains("segment 2 is missing") && !run.notes.contains("segment 3"), "{run:?}");
    std::fs::rename(gap.path("lost"), &second).unwrap();
    gap.import("cut.002", &[]).ok();
    assert_eq!(gap.blobs("low"), gap.blobs("high"));
    gap.fsck("high");
}

#[test]
fn base_plus_deltas_equal_a_full_transfer() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &["--receipt", &gap.path("r1")]).ok();
    // Without the key nobody can tell whose receipt it is.
    let run = gap.seal("t2", &["--since", &gap.path("r1")]);
    assert_eq!(run.status, 2, "{run:?}");
    gap.mirror_in(&bundle(2, "2.0").0);
    let delta =
        gap.seal("t2", &["--since", &gap.path("r1"), "--receipt-key", &gap.receipt_key, "--format", "json"]);
    let delta = delta.ok().json();
    assert!(delta["omitted"].as_u64().unwrap() > 0);
    gap.mirror_in(&bundle(3, "3.0").0);
    gap.import("t2", &["--receipt", &gap.path("r2")]).ok();
    // The key is known now.
    gap.seal("t3", &["--since", &gap.path("r2")]).ok();
    gap.import("t3", &[]).ok();
    let (id, _) = gap.found("full");
    gap.seal_for(&id, "whole", &[]).ok();
    gap.import_to("full", "whole", &[]).ok();
    assert_eq!(gap.blobs("full"), gap.blobs("high"));
    assert_eq!(gap.list("full"), gap.list("high"));
    let size = |name: &str| std::fs::metadata(gap.path(name)).unwrap().len();
    assert!(size("t3") * 2 < size("whole"), "{} {}", size("t3"), size("whole"));
    // A delta is nothing for a store that lacks its base.
    let (other, key) = gap.found("other");
    gap.seal_for(&other, "o1", &[]).ok();
    gap.import_to("other", "o1", &["--receipt", &gap.path("ro")]).ok();
    let index =
        std::fs::read_dir(Path::new(&gap.path("other")).join("blobs/sha256")).unwrap().next().unwrap();
    std::fs::remove_file(index.unwrap().path()).unwrap();
    gap.mirror_in(&bundle(4, "4.0").0);
    gap.seal_for(&other, "o2", &["--since", &gap.path("ro"), "--receipt-key", &key]).ok();
    gap.import_to("other", "o2", &[]).refused("seal/incomplete");
}

#[test]
fn several_sign_on_machines_of_their_own() {
    let hands = vec![Hand::new("olga"), Hand::p256("pavel"), Hand::p384("rosa")];
    let Some(gap) = Gap::with(hands, 2) else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    let run = gap.seal("t1", &[]).ok();
    assert!(run.notes.contains("1 of 2 signatures"), "{run:?}");
    gap.import("t1", &[]).refused("seal/threshold");
    let sign = |name: &str, key: &str, more: &[&str]| {
        let (file, key) = (gap.path(name), gap.path(key));
        let mut args = vec!["seal", "sign", &file, "--key", &key];
        args.extend(more);
        gap.mirror(&args)
    };
    let seen = sign("t1", "rosa", &["--review"]).ok().data;
    for shown in [&format!("+ {REPOSITORY}:1.0"), "olga (2 needed)", "worked out here", &gap.id] {
        assert!(seen.contains(shown), "{shown}: {seen}");
    }
    gap.import("t1", &[]).refused("seal/threshold");
    sign("t1", "rosa", &[]).ok();
    gap.import("t1", &[]).ok();
    // The next one: what changed, compared with the one before.
    gap.mirror_in(&bundle(2, "1.0").0);
    gap.seal("t2", &["--segment-size", "1M"]).ok();
    let seen = sign("t2.000", "pavel", &["--previous", &gap.path("t1")]).ok().data;
    assert!(seen.contains(&format!("~ {REPOSITORY}:1.0")) && seen.contains("worked out here"), "{seen}");
    let unlike = sign("t2.000", "pavel", &["--previous", &gap.path("t2.000")]);
    assert_eq!(unlike.status, 2, "{unlike:?}");
    gap.import("t2", &[]).ok();
    // Somebody else's key signs nothing.
    let stranger = Hand::new("zoe");
    std::fs::write(gap.path("zoe"), stranger.pem()).unwrap();
    assert_eq!(sign("t2.000", "zoe", &[]).status, 2);
}

#[test]
fn ledgers_and_policies_come_along() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    let ledger = "{\"images\":[],\"schema\":\"sealock.dev/ledger/v1\"}";
    std::fs::write(gap.path("1-ledger.json"), ledger).unwrap();
    std::fs::write(gap.path("demo.yaml"), "# a policy\n").unwrap();
    gap.seal("t1", &["--ledger", &gap.path("1-ledger.json"), "--policy", &gap.path("demo.yaml")]).ok();
    let report = gap.import("t1", &["-o", "json"]).ok().json();
    let digest = sealock_testkit::sha256_digest(b"# a policy\n");
    assert_eq!(report["seal"]["brought"]["policies/demo.yaml"], digest);
    let store = Store::open(Path::new(&gap.path("high"))).unwrap();
    let accepted = store.accepted().unwrap().unwrap();
    assert_eq!(accepted.ledger().unwrap().as_deref(), Some(ledger.as_bytes()));
    assert_eq!(accepted.document("policies/demo.yaml").unwrap().as_deref(), Some(&b"# a policy\n"[..]));
    // A store whose accepted documents were changed is not clean.
    let place = Path::new(&gap.path("high")).join("seal/accepted");
    let seal = std::fs::read_dir(place).unwrap().next().unwrap().unwrap().path();
    std::fs::write(seal.join("ledger/1-ledger.json"), "{}").unwrap();
    assert_eq!(accepted.ledger().unwrap_err().code().name, "seal/state-unreadable");
    std::fs::write(seal.join("refs/00.json"), "{}").unwrap();
    let report = gap.sealock(&["store", "fsck", "-o", "json", "--store", &gap.path("high")]);
    assert_eq!(report.status, 1, "{report:?}");
    assert!(report.data.contains("seal/state-unreadable"), "{report:?}");
}
