//! Kills the program at random moments of taking a transfer in: names stand for what they stood for before or for what
//! was sealed, the store is clean, and the next run completes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sealock::store::{Source, Store};
use sealock_testkit::Random;

use crate::gap::{Gap, bundle};

/// Runs the program and kills it after `delay`. Tells whether it had finished by then.
fn killed(program: &Path, args: &[&str], delay: Duration) -> bool {
    let mut child =
        Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let _ = child.kill();
    child.wait().unwrap().success()
}

fn copy(from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").args(["-r", from, to]).status().unwrap().success());
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
    /// Kills that met the program at work; those that came too late do not count.
    const KILLS: usize = 80;
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
    let mut random = Random(20_261_124);
    let (mut kill, mut hits, mut halfway) = (0, 0, 0);
    let mut seen = BTreeMap::from([("before", 0), ("after", 0)]);
    copy(&gap.path("high"), &killed_store);
    while hits < KILLS {
        kill += 1;
        assert!(kill < 20 * KILLS, "{hits} of {kill} kills met the program");
        let nanos = random.below(whole.as_nanos() * 5 / 4);
        let delay = Duration::from_nanos(u64::try_from(nanos).unwrap());
        hits += usize::from(!killed(gap.program(), &args, delay));
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
    println!("{hits} kills within {whole:?}, {} came too late: {seen:?}, {halfway} with a copy", kill - hits);
    assert!(seen.values().all(|count| *count > 0) && halfway > 0, "{seen:?}");
}

#[test]
fn kill_at_random_points_of_sealing() {
    /// Kills that met the program at work.
    const KILLS: usize = 60;
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
    let mut random = Random(20_261_125);
    let (mut hits, mut kill, mut sequence) = (0, 0, 4);
    while hits < KILLS {
        kill += 1;
        assert!(kill < 20 * KILLS, "{hits} of {kill} kills met the program");
        let _ = std::fs::remove_file(&output);
        let nanos = random.below(whole.as_nanos() * 5 / 4);
        let fresh = [&args[..], &["--fresh"]].concat();
        let done = killed(program, &fresh, Duration::from_nanos(u64::try_from(nanos).unwrap()));
        hits += usize::from(!done);
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
    println!("{hits} kills within {whole:?}, {} came too late; {sequence} seals", kill - hits);
    assert!(sequence > 4 && sequence < 4 + kill as u64, "{sequence}");
}
