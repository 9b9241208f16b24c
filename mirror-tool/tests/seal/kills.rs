//! Kills the program at random moments of taking a transfer in: names stand for what they stood for before or for what
//! was sealed, the store is clean, and the next run completes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sealock::store::{Source, Store};

use crate::gap::{Gap, bundle};
use crate::kill::Kills;

fn copy(from: &str, to: &str) {
    crate::kill::copy(Path::new(from), Path::new(to));
}

/// What names stand for by the newest accepted seal; each resolves so.
fn sealed(gap: &Gap, store: &str) -> BTreeMap<String, String> {
    let store = Store::open(Path::new(&gap.path(store))).unwrap();
    let names = store.accepted().unwrap().unwrap().names().unwrap();
    for (name, digest) in &names {
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let found = store.resolve(repository, tag).unwrap();
        assert_eq!((found.digest.to_string(), found.sealed), (digest.clone(), true));
    }
    names
}

#[test]
fn kill_at_random_points_of_taking_a_transfer_in() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t1", &[]).ok();
    gap.import("t1", &[]).ok();
    let before = sealed(&gap, "high");
    gap.mirror_in(&bundle(2, "2.0").0);
    gap.mirror_in(&bundle(3, "1.0").0);
    gap.seal("t2", &["--segment-size", "600K"]).ok();
    let killed_store = gap.path("killed");
    let transfer = gap.path("t2.000");
    let args = ["import", "--store", &killed_store, &transfer];
    let mut whole = Duration::MAX;
    for _ in 0..4 {
        copy(&gap.path("high"), &killed_store);
        let start = Instant::now();
        gap.sealock(&args).ok();
        whole = whole.min(start.elapsed());
    }
    let after = sealed(&gap, "killed");
    let blobs = gap.blobs("killed");
    assert_ne!(before, after);
    let mut kills = Kills::new(20_261_124, whole, 200);
    let mut halfway = 0;
    let mut seen = BTreeMap::from([("before", 0), ("after", 0)]);
    copy(&gap.path("high"), &killed_store);
    while kills.go_on() {
        kills.kill(Command::new(gap.program()).args(args));
        let kill = kills.tried;
        gap.fsck("killed");
        let now = sealed(&gap, "killed");
        assert!(now == before || now == after, "kill {kill}: half a transfer: {now:?}");
        *seen.get_mut(if now == after { "after" } else { "before" }).unwrap() += 1;
        halfway += usize::from(Path::new(&killed_store).join("quarantine").is_dir());
        if now == after || kill % 3 == 2 {
            gap.sealock(&args).ok();
            assert_eq!(sealed(&gap, "killed"), after, "kill {kill}");
            assert_eq!(gap.blobs("killed"), blobs, "kill {kill}");
            gap.fsck("killed");
            copy(&gap.path("high"), &killed_store);
        }
    }
    println!("{}: {seen:?}, {halfway} with a copy", kills.told());
    assert!(seen.values().all(|count| *count > 0) && halfway > 0, "{seen:?}");
}

#[test]
fn kill_at_random_points_of_sealing() {
    let Some(gap) = Gap::new() else { return };
    gap.mirror_in(&bundle(1, "1.0").0);
    gap.seal("t0", &[]).ok();
    let program = Path::new(env!("CARGO_BIN_EXE_sealock-mirror"));
    let (store, operators) = (gap.path("low"), gap.path("operators.json"));
    let (key, output) = (gap.path(gap.hands[0].name), gap.path("t"));
    let args = ["seal", "--store", &store, "--audience", &gap.id, "--operators", &operators, "--key", &key];
    let args = [&args[..], &["--format", "json", "-o", &output]].concat();
    let mut whole = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        gap.mirror(&[&args[..], &["--fresh"]].concat()).ok();
        whole = whole.min(start.elapsed());
    }
    let mut kills = Kills::new(20_261_125, whole, 200);
    let mut sequence = 4;
    let fresh = [&args[..], &["--fresh"]].concat();
    while kills.go_on() {
        let _ = std::fs::remove_file(&output);
        kills.kill(Command::new(program).args(&fresh));
        let kill = kills.tried;
        // What stands under the output's name is whole, and its sequence is remembered.
        let stood = std::fs::read(&output).ok();
        let again = gap.mirror(&args).ok().json();
        assert_eq!(again["again"], true, "kill {kill}");
        let now = again["sequence"].as_u64().unwrap();
        assert!(now == sequence || now == sequence + 1, "kill {kill}: {sequence} {now}");
        if let Some(stood) = stood {
            assert_eq!(now, sequence + 1, "kill {kill}");
            assert!(stood == std::fs::read(&output).unwrap(), "kill {kill}");
        }
        sequence = now;
    }
    println!("{}; {sequence} seals", kills.told());
    assert!(sequence > 4 && sequence < 4 + kills.tried as u64, "{sequence}");
}
