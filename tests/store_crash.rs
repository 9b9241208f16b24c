//! Kills the program at random moments of `import`, `store reindex` and `store init`: the store stays clean, shows
//! all of an import or nothing of it, and goes on working.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests measure time and write what the store must withstand")]

#[path = "store/shop.rs"]
#[allow(dead_code)]
mod shop;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sealock::store::{Listed, Source, Store, fsck};
use sealock_testkit::{Algorithm, Image, Index, Layout, Random, Sigstore};
use shop::{Shop, run};

const REPOSITORY: &str = "registry.example.com/demo/app";

/// A few images with evidence of each kind, and one layer that is synced on its own.
fn bundle(seed: u64) -> (Layout, Index) {
    let sigstore = Sigstore::new(seed);
    let key = sigstore.key("k", Algorithm::P256);
    let layer = vec![u8::try_from(seed).unwrap(); (1 << 20) + 1];
    let children = [
        Image::with_layers(REPOSITORY, "linux/amd64", &[layer]),
        Image::for_platform(REPOSITORY, &format!("arm {seed}"), "linux/arm64"),
    ];
    let index = Index::new(REPOSITORY, &children);
    let signed = sigstore.keyed(&key).image(REPOSITORY, &index.digest()).layer();
    let layout = Layout::new()
        .index(&format!("{REPOSITORY}:{seed}"), &index)
        .signature(&index, &signed)
        .signature(&children[0], &sigstore.sign_keyed(&key, &children[0]))
        .referrer(&children[1], &sigstore.keyed(&key).image_statement(&children[1].digest()))
        .fallback_index(&children[1]);
    (layout, index)
}

/// Runs the program and kills it after `delay`. Tells whether it had finished by then.
fn killed(args: &[&str], delay: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(delay);
    let _ = child.kill();
    child.wait().unwrap().success()
}

/// How long the program takes when nobody kills it.
fn duration(args: &[&str]) -> Duration {
    let start = Instant::now();
    assert_eq!(run(args).status, 0);
    start.elapsed()
}

fn copy(from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").args(["-r", from, to]).status().unwrap().success());
}

fn listing(root: &Path) -> Vec<Listed> {
    Store::open(root).unwrap().list().unwrap()
}

/// Every listed manifest, and everything attached to it, can be read.
fn all_readable(root: &Path) {
    let store = Store::open(root).unwrap();
    for entry in store.list().unwrap() {
        store.read(&entry.digest, 4 << 20).unwrap();
        for attachment in store.attachments(REPOSITORY, &entry.digest).unwrap() {
            store.read(&attachment.manifest, 4 << 20).unwrap();
        }
    }
}

#[test]
fn kill_at_random_points_of_import() {
    // Kills that met the program at work; those that came too late do not count. `.ci/full` asks for thousands.
    let kills: usize = std::env::var("SEALOCK_CRASH_ROUNDS").map_or(220, |text| text.parse().unwrap());
    assert!(kills >= 200);
    let shop = Shop::new();
    let (first, _) = bundle(1);
    let (second, index) = bundle(2);
    shop.import(&first);
    let before = listing(&shop.root());
    second.write(shop.path("bundle"));
    second.write_archive(shop.path("bundle.tar"));
    // What a completed import shows.
    let store = shop.path("killed");
    copy(&shop.store(), &store);
    let mut whole = duration(&["import", "--store", &store, &shop.path("bundle")]);
    let measured = shop.path("measured");
    for _ in 0..5 {
        copy(&shop.store(), &measured);
        whole = whole.min(duration(&["import", "--store", &measured, &shop.path("bundle")]));
    }
    let after = listing(Path::new(&store));
    assert_eq!(after.len(), before.len() + 5);
    let index_json = std::fs::read(Path::new(&store).join("index.json")).unwrap();
    let mut random = Random(20_261_124);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut kill, mut hits) = (0, 0);
    copy(&shop.store(), &store);
    while hits < kills {
        kill += 1;
        assert!(kill < 20 * kills, "{hits} of {kill} kills met the program");
        let bundle = shop.path(if kill % 2 == 0 { "bundle" } else { "bundle.tar" });
        let args = ["import", "--store", store.as_str(), bundle.as_str()];
        let nanos = random.below(whole.as_nanos() * 5 / 4);
        hits += usize::from(!killed(&args, Duration::from_nanos(u64::try_from(nanos).unwrap())));
        let root = Path::new(&store);
        let check = fsck(root).unwrap();
        assert!(check.clean, "kill {kill}: {check:?}");
        for finding in check.findings {
            *seen.entry(finding.finding.code.to_owned()).or_default() += 1;
        }
        let now = listing(root);
        assert!(now == before || now == after, "kill {kill}: half an import: {now:?}");
        *seen.entry(if now == before { "nothing" } else { "everything" }.to_owned()).or_default() += 1;
        all_readable(root);
        // Some go on from what the kill left, some more than once, some from a fresh store.
        if kill % 4 == 3 {
            assert_eq!(run(&args).status, 0, "kill {kill}");
            assert_eq!(listing(root), after, "kill {kill}");
            assert_eq!(std::fs::read(root.join("index.json")).unwrap(), index_json, "kill {kill}");
            assert!(fsck(root).unwrap().findings.is_empty(), "kill {kill}");
            let signatures =
                Store::open(root).unwrap().attachments(REPOSITORY, &index.digest().parse().unwrap());
            assert_eq!(signatures.unwrap().len(), 1);
        }
        if now == after || kill % 4 == 3 {
            copy(&shop.store(), &store);
        }
    }
    println!("{hits} kills within {whole:?}, {} came too late: {seen:?}", kill - hits);
    // The kills have met the import, and not only its ends.
    assert!(seen.contains_key("nothing") && seen.contains_key("everything"), "{seen:?}");
    assert!(seen.contains_key("store/leftover"), "{seen:?}");
}

#[test]
fn kill_at_random_points_of_reindex() {
    let shop = Shop::new();
    shop.import(&bundle(1).0);
    shop.import(&bundle(2).0);
    let before = listing(&shop.root());
    let store = shop.store();
    let args = ["store", "reindex", "--store", store.as_str()];
    let whole = duration(&args);
    let mut random = Random(7);
    for kill in 0..40 {
        let nanos = random.below(whole.as_nanos() * 5 / 4);
        killed(&args, Duration::from_nanos(u64::try_from(nanos).unwrap()));
        let check = fsck(&shop.root()).unwrap();
        assert!(check.clean, "kill {kill}: {check:?}");
        assert_eq!(listing(&shop.root()), before, "kill {kill}");
    }
}

#[test]
fn kill_at_random_points_of_init() {
    let shop = Shop::empty();
    let store = shop.path("measured");
    let whole = duration(&["store", "init", "--store", &store]);
    let mut random = Random(9);
    for kill in 0..40 {
        let store = shop.path(&format!("store{kill}"));
        let args = ["store", "init", "--store", store.as_str()];
        let nanos = random.below(whole.as_nanos() * 5 / 4);
        killed(&args, Duration::from_nanos(u64::try_from(nanos).unwrap()));
        let again = run(&args);
        assert_eq!(again.status, 0, "kill {kill}: {}", again.notes);
        assert!(fsck(Path::new(&store)).unwrap().findings.is_empty(), "kill {kill}");
        assert_eq!(run(&args).data, again.data, "kill {kill}");
    }
}
