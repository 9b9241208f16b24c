//! Kills `pull` at random moments: names stand for what they stood for before or for all that was pulled, the store is
//! clean, and the next run completes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sealock_testkit::Signed;

use super::*;
use crate::kill::{Kills, copy};

/// What a store says: names, and where it has none yet, nothing.
fn names(shop: &Shop) -> BTreeMap<String, String> {
    if !shop.path("store/store.json").exists() || !shop.path("store/index.json").exists() {
        return BTreeMap::new();
    }
    shop.clean();
    for ledger in shop.ledgers() {
        assert_eq!(ledger["schema"], "sealock.dev/ledger/v1", "a ledger is whole or not there");
    }
    let listed = shop.store().list().unwrap();
    listed.into_iter().filter_map(|l| Some((l.name?, l.digest.to_string()))).collect()
}

fn blobs(shop: &Shop) -> BTreeSet<String> {
    let folder = std::fs::read_dir(shop.path("store/blobs/sha256")).unwrap();
    folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A signed image under `tag`, with layers that take a while.
fn put(shop: &Shop, tag: &str, text: &str, sign: impl Fn(&Image) -> Signed) -> Image {
    let repository = format!("{}/{APP}", shop.registry.host());
    let seed = sealock_testkit::sha256_hex(text.as_bytes()).into_bytes();
    let layers: Vec<Vec<u8>> = (0..3).map(|n| [&[n][..], &seed].concat().repeat(8 << 10)).collect();
    let image = Image::with_layers(&repository, "linux/amd64", &layers);
    shop.registry.image(tag, &image);
    let signed = sign(&image);
    shop.registry.layers(&image, ".sig", &[signed.layer()]);
    let statement = shop.sigstore.keyless(&Identity::example()).image_statement(&image.digest());
    shop.registry.referrer(&image, &statement);
    image
}

#[test]
fn kill_at_random_points_of_pulling() {
    let shop = Shop::new();
    let signer = shop.sigstore.keyless(&Identity::example());
    let sign = |image: &Image| signer.image(&image.repository, &image.digest());
    let all = ["1", "2", "3"].map(|tag| shop.name(APP, tag));
    put(&shop, "1", "one", sign);
    put(&shop, "2", "two", sign);
    assert_eq!(shop.pull(&[&all[0], &all[1]]).status, 0);
    copy(&shop.path("store"), &shop.path("base"));
    let base = names(&shop);
    // Both tags move, and a third one comes.
    let new = [put(&shop, "1", "three", sign), put(&shop, "2", "four", sign), put(&shop, "3", "five", sign)];
    shop.registry.slow(Duration::from_millis(2));

    // From nothing, and over a store that has the old images.
    let start = |fresh: bool| {
        let _ = std::fs::remove_dir_all(shop.path("store"));
        if !fresh {
            copy(&shop.path("base"), &shop.path("store"));
        }
    };
    let mut goals = BTreeMap::new();
    let mut whole = Duration::MAX;
    for fresh in [true, false, false] {
        start(fresh);
        let begin = Instant::now();
        let run = shop.pull(&[&all[0], &all[1], &all[2]]);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
        whole = whole.min(begin.elapsed());
        goals.insert(fresh, (names(&shop), blobs(&shop)));
    }
    let mut kills = Kills::new(20_261_126, whole, 200);
    let (mut seen, mut parts) = (BTreeMap::from([("before", 0), ("after", 0)]), 0);
    let mut fresh = true;
    start(fresh);
    while kills.go_on() {
        let done = kills.kill(&mut shop.command("pull", &[&all[0], &all[1], &all[2]]));
        let (goal, content) = &goals[&fresh];
        let now = names(&shop);
        let before = if fresh { BTreeMap::new() } else { base.clone() };
        assert!(now == before || now == *goal, "kill {}: half of a run: {now:?}", kills.tried);
        assert!(!done || now == *goal, "kill {}: it said that it was done", kills.tried);
        *seen.get_mut(if now == *goal { "after" } else { "before" }).unwrap() += 1;
        for name in all.iter().filter(|name| now.contains_key(*name)) {
            assert_eq!(shop.verdict(name), Verdict::Allow, "kill {}", kills.tried);
        }
        let partial =
            std::fs::read_dir(shop.path("store/ingest")).is_ok_and(|mut list| list.next().is_some());
        parts += usize::from(partial);
        if now == *goal || kills.tried % 3 == 2 {
            shop.registry.slow(Duration::ZERO);
            let run = shop.pull(&[&all[0], &all[1], &all[2]]);
            assert_eq!(run.status, 0, "kill {}: {}{}", kills.tried, run.data, run.notes);
            assert_eq!((&names(&shop), &blobs(&shop)), (goal, content), "kill {}", kills.tried);
            let newest = shop.ledgers().pop().unwrap();
            let told: BTreeSet<_> = newest["images"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["digest"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(told, new.iter().map(Image::digest).collect(), "kill {}: its ledger", kills.tried);
            assert_eq!(std::fs::read_dir(shop.path("store/ingest")).unwrap().count(), 0);
            fresh = !fresh;
            start(fresh);
            shop.registry.slow(Duration::from_millis(2));
            shop.registry.forget_requests();
        }
    }
    println!("{}: {seen:?}, {parts} with parts", kills.told());
    assert!(seen.values().all(|count| *count > 0) && parts > 0, "{seen:?}");
}
