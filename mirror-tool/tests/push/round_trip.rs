//! What works: everything arrives, in every layout, and is judged as before.

use super::*;
use crate::shop::APP;
use crate::yard::{OPEN, Yard, verdict_from, without_referrers};

#[test]
fn everything_arrives_byte_for_byte_and_judges_the_same() {
    for options in [OPEN(), without_referrers()] {
        let api = options.referrers;
        let (yard, index, digests) = Yard::full(options);
        let report = yard.pushed(&[]);
        let path = format!("in/{APP}");
        for digest in &digests {
            assert_eq!(yard.inside.held(&path, digest), yard.shop.registry.held(APP, digest), "{digest}");
        }
        for child in &index.children {
            for blob in &child.blobs {
                let digest = sealock_testkit::sha256_digest(blob);
                assert_eq!(yard.inside.held(&path, &digest).as_ref(), Some(blob));
            }
        }
        let stem = index.digest().replace(':', "-");
        for tag in ["1.0", &format!("{stem}.sig"), &format!("{stem}.att"), &format!("{stem}.sbom"), &stem] {
            assert_eq!(yard.inside.tag(&path, tag), yard.shop.registry.tag(APP, tag), "{tag}");
        }
        // Where the registry lists nothing itself, each subject has its index.
        for child in &index.children {
            let fallback = yard.inside.tag(&path, &child.digest().replace(':', "-"));
            assert_eq!(fallback.is_some(), !api, "{api}");
        }
        assert_eq!(report["schema"], "sealock.dev/mirror-push/v1");
        let image = &report["images"][0];
        assert_eq!((&image["fate"], &image["tag"]), (&"pushed".into(), &"created".into()), "{report}");
        assert_eq!(image["target"], format!("{}/{path}:1.0", yard.inside.host()));
        yard.complete();
        assert_eq!(yard.shop.verdict(&yard.shop.name(APP, "1.0")), Verdict::Allow);
        assert_eq!(verdict_from(&yard.shop, &yard.inside, &path, "1.0", "again"), Verdict::Allow);
        let again = Store::open(&yard.shop.path("again")).unwrap();
        for digest in &digests {
            let bytes = again.read(&digest.parse().unwrap(), 1 << 22).unwrap();
            assert_eq!(Some(bytes), yard.shop.registry.held(APP, digest), "{digest}");
        }
        assert!(
            fsck(&yard.shop.path("again"))
                .unwrap()
                .findings
                .iter()
                .all(|f| { f.finding.severity != sealock::decision::Severity::Error })
        );

        // Once more is nothing but questions.
        yard.inside.forget_requests();
        let again = yard.pushed(&[]);
        assert_eq!(yard.writes(), Vec::<String>::new());
        assert_eq!(again["images"][0]["tag"], "unchanged");
        assert_eq!((&again["sent"]["blobs"], &again["sent"]["manifests"]), (&0.into(), &0.into()));
    }
}

#[test]
fn push_dry_run_writes_nothing() {
    let (yard, _, _) = Yard::full(OPEN());
    let report = yard.pushed(&["--dry-run"]);
    assert_eq!(yard.writes(), Vec::<String>::new());
    assert!(report["sent"]["blobs"].as_u64().unwrap() > 5, "{report}");
    assert!(yard.inside.tags().is_empty());
}

#[test]
fn order_of_writing_is_bottom_up() {
    let (yard, index, _) = Yard::full(without_referrers());
    yard.pushed(&[]);
    let writes = yard.writes();
    let last = writes.last().unwrap();
    assert!(last.ends_with("/manifests/1.0"), "{last}");
    let at = |what: &str| writes.iter().position(|w| w.ends_with(what)).unwrap_or_else(|| panic!("{what}"));
    let stem = index.digest().replace(':', "-");
    assert!(
        at(&format!("/manifests/{}", index.children[0].digest()))
            < at(&format!("/manifests/{}", index.digest()))
    );
    assert!(at(&format!("/manifests/{}", index.digest())) < at(&format!("/manifests/{stem}.sig")));
    assert!(at(&format!("/manifests/{stem}.sig")) < at("/manifests/1.0"));
}

#[test]
fn a_blob_is_mounted_where_the_registry_has_it() {
    let yard = Yard::new();
    let image = yard.image("1", "x");
    let mut other = image.clone();
    other.repository = format!("{}/demo/other", yard.shop.registry.host());
    yard.shop.registry.image("1", &other);
    yard.pull("1");
    let run = yard.shop.pull(&[&yard.shop.name("demo/other", "1")]);
    assert_eq!(run.status, 0, "{}", run.data);
    let report = yard.pushed(&[]);
    assert_eq!(report["sent"]["mounted"], image.blobs.len(), "{report}");
    yard.complete();
    let mounts = yard.inside.requests().into_iter().filter(|r| r.query.contains("mount="));
    assert_eq!(mounts.count(), image.blobs.len());
    // 202 to a mount means that it must be sent.
    let refusing = Yard { shop: yard.shop, inside: Registry::start() };
    for path in [format!("in/{APP}"), "in/demo/other".to_owned()] {
        let digest = sealock_testkit::sha256_digest(&image.blobs[1]);
        refusing.inside.script_mount_refused(&path, &digest);
    }
    let report = refusing.pushed(&[]);
    assert_eq!(report["sent"]["mounted"], image.blobs.len() - 1, "{report}");
    refusing.complete();
}
