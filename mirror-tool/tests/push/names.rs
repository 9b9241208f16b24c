//! Where names go, and which are not pushed.

use super::*;
use crate::shop::{APP, Shop};
use crate::yard::Yard;

/// Two registries outside with the same path: one name inside for two images.
#[test]
fn push_two_sources_one_name() {
    let yard = Yard::new();
    yard.image("1", "x");
    yard.pull("1");
    let second = Shop::new();
    let image = second.image("another");
    second.registry.image("1", &image);
    second.registry.image("same", &second.image("same"));
    let store = yard.shop.path("store");
    let pull = |name: &str| {
        let run = second.pull(&["--store", store.to_str().unwrap(), name]);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    };
    pull(&second.name(APP, "1"));
    pull(&second.name(APP, "same"));
    let run = yard.push(&[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    let report = run.json();
    let fates: Vec<_> = report["images"].as_array().unwrap().iter().map(|i| i["fate"].clone()).collect();
    assert_eq!(fates.iter().filter(|fate| **fate == "refused").count(), 2, "{report}");
    assert_eq!(yard.inside.tag("in/demo/app", "1"), None, "neither wins");
    assert!(yard.inside.tag("in/demo/app", "same").is_some());
    assert!(run.data.contains("--map"), "{}", run.data);
    let report = yard.pushed(&["--map", &format!("{}=two", second.registry.host())]);
    assert_eq!(report["images"].as_array().unwrap().len(), 3);
    assert_eq!(yard.inside.tag("in/two/demo/app", "1"), Some(image.digest()));
    yard.complete();
}

#[test]
fn a_tag_that_stands_for_something_else_stays_unless_told() {
    let (yard, image) = Yard::signed();
    let other = Image::new(&format!("{}/in/{APP}", yard.inside.host()), "older");
    yard.inside.image("1", &other);
    yard.inside.forget_requests();
    let run = yard.push(&[]);
    assert_eq!(run.status, 1, "{}", run.data);
    assert!(run.data.contains("--move-tags") && run.data.contains(&other.digest()), "{}", run.data);
    assert_eq!(yard.writes(), Vec::<String>::new(), "refused before a byte was sent");
    assert_eq!(yard.inside.tag("in/demo/app", "1"), Some(other.digest()));
    let report = yard.pushed(&["--move-tags"]);
    assert_eq!(report["images"][0]["tag"], "moved");
    assert_eq!(yard.inside.tag("in/demo/app", "1"), Some(image.digest()));
}

#[test]
fn images_are_chosen_by_name_or_digest() {
    let yard = Yard::new();
    let (one, two) = (yard.image("1", "x"), yard.image("2", "y"));
    yard.pull("1");
    yard.pull("2");
    let target = format!("{}/in", yard.inside.host());
    let name = yard.shop.name(APP, "2");
    let run = yard.run(&[&target, &name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(yard.inside.tag("in/demo/app", "1"), None);
    assert_eq!(yard.inside.tag("in/demo/app", "2"), Some(two.digest()));
    let run = yard.run(&[&target, &one.pinned()]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert!(yard.inside.held("in/demo/app", &one.digest()).is_some());
    let sig = format!("{}.sig", one.digest().replace(':', "-"));
    assert!(yard.inside.tag("in/demo/app", &sig).is_some() && yard.inside.tag("in/demo/app", "1").is_none());
    // What is not held is unknown, and the others are pushed all the same.
    let missing = yard.shop.name(APP, "3");
    let run = yard.run(&[&target, &missing, &yard.shop.name(APP, "1")]);
    assert_eq!(run.status, 3, "{}", run.data);
    assert!(yard.inside.tag("in/demo/app", "1").is_some());
}

#[test]
fn wrong_use_of_push_is_told() {
    let (yard, _) = Yard::signed();
    let host = yard.inside.host();
    for more in [
        &["registry"][..],
        &[&format!("{host}/A")],
        &[&format!("{host}/a"), "A b"],
        &[&host, "--map", "x"],
        &[&host, "--map", "ghcr.io=../x"],
        &[&host, "--seal", "/nonexistent"],
        &[&host, "--store", "/nonexistent"],
        &[&host, "--seal", "/etc/passwd", "--map", "a.io=b"],
    ] {
        let run = yard.run(more);
        assert_eq!(run.status, 2, "{more:?}: {}{}", run.data, run.notes);
    }
    assert_eq!(yard.writes(), Vec::<String>::new());
    let empty = yard.shop.path("empty");
    sealock::store::Writer::init(&empty, None, std::time::Duration::ZERO).unwrap();
    let run = yard.run(&[&host, "--store", empty.to_str().unwrap()]);
    assert_eq!(run.status, 2, "nothing pushed is no success: {}", run.data);
}

/// Where operators are pinned, a name that an insider wrote into the catalogue is not pushed.
#[test]
fn push_names_without_a_seal() {
    let (yard, _) = Yard::signed();
    let (key, operators) = (yard.shop.path("key.pem"), yard.shop.path("operators.json"));
    let store = yard.shop.path("store");
    let run = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", key.to_str().unwrap()]) {
        println!("skipped: openssl is not on this machine");
        return;
    }
    let mirror = env!("CARGO_BIN_EXE_sealock-mirror");
    let named = format!("olga={}", key.display());
    assert!(run(mirror, &["operators", "init", "--key", &named, "-o", operators.to_str().unwrap()]));
    let writer = sealock::store::Writer::open(&store, "test", std::time::Duration::from_secs(5)).unwrap();
    let bytes = std::fs::read(&operators).unwrap();
    sealock::store::transfer::pin(&writer, &operators, &bytes).unwrap();
    drop(writer);
    let run = yard.push(&[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    assert!(run.data.contains("no seal vouches for the name"), "{}", run.data);
    assert_eq!(yard.writes(), Vec::<String>::new());
}
