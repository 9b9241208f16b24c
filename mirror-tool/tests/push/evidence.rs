//! Evidence that is there already: united, never replaced, never overwritten where it is not understood.

use super::*;
use crate::shop::APP;
use crate::yard::{Yard, verdict_from, without_referrers};
use sealock_testkit::layout::{INDEX, MANIFEST};

const PATH: &str = "in/demo/app";

fn stem(digest: &str) -> String {
    digest.replace(':', "-")
}

/// The layers under a tag inside.
fn layers(yard: &Yard, tag: &str) -> Vec<Value> {
    let digest = yard.inside.tag(PATH, tag).unwrap();
    let manifest: Value = serde_json::from_slice(&yard.inside.held(PATH, &digest).unwrap()).unwrap();
    manifest["layers"].as_array().unwrap().clone()
}

/// An image inside with a signature of its own, and the same image in the store with another one.
fn signed_on_both_sides() -> (Yard, Image, String) {
    let (yard, image) = Yard::signed();
    let here = Image { repository: format!("{}/{PATH}", yard.inside.host()), ..image.clone() };
    yard.inside.image("", &here);
    let own = yard.shop.sigstore.key("inside", sealock_testkit::Algorithm::P256);
    let signature = yard.shop.sigstore.keyed(&own).image(&here.repository, &image.digest()).layer();
    let manifest = yard.inside.layers(&here, ".sig", &[signature]);
    (yard, image, manifest)
}

#[test]
fn push_never_replaces_signatures_made_inside() {
    let (yard, image, before) = signed_on_both_sides();
    let tag = format!("{}.sig", stem(&image.digest()));
    let own = layers(&yard, &tag);
    let report = yard.pushed(&[]);
    assert_eq!(report["images"][0]["evidence"][0]["tag"], "merged", "{report}");
    let both = layers(&yard, &tag);
    assert_eq!((both.len(), &both[0]), (2, &own[0]), "what was there comes first");
    assert!(yard.inside.held(PATH, &before).is_some());
    // The configuration is one that readers of images take: a digest for each layer.
    let manifest = yard.inside.held(PATH, &yard.inside.tag(PATH, &tag).unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let config = yard.inside.held(PATH, manifest["config"]["digest"].as_str().unwrap()).unwrap();
    assert_eq!(manifest["config"]["size"], config.len());
    let config: Value = serde_json::from_slice(&config).unwrap();
    let digests: Vec<_> = both.iter().map(|layer| layer["digest"].clone()).collect();
    assert_eq!(config["rootfs"]["diff_ids"], Value::from(digests));
    assert_eq!(config["history"].as_array().unwrap().len(), 2);
    yard.complete();
    // Again changes nothing, and both count.
    yard.inside.forget_requests();
    yard.pushed(&[]);
    assert_eq!(yard.writes(), Vec::<String>::new());
    assert_eq!(verdict_from(&yard.shop, &yard.inside, PATH, "1", "again"), Verdict::Allow);
    // What the store has of it already is one and the same: nothing is doubled.
    let mut layers = layers(&yard, &tag);
    layers.dedup();
    assert_eq!(layers.len(), 2);
}

#[test]
fn push_keeps_referrers_made_inside() {
    let yard = Yard::with(yard::OPEN(), without_referrers());
    let image = yard.image("1", "x");
    let signer = yard.shop.sigstore.keyless(&Identity::example());
    let outside = yard.shop.registry.referrer(&image, &signer.image_statement(&image.digest()));
    yard.pull("1");
    let here = Image { repository: format!("{}/{PATH}", yard.inside.host()), ..image.clone() };
    yard.inside.image("", &here);
    let inside = yard.inside.referrer_bytes(&here, b"made inside", None);
    yard.inside.fallback(&here);
    yard.pushed(&[]);
    let index = yard.inside.tag(PATH, &stem(&image.digest())).unwrap();
    let index: Value = serde_json::from_slice(&yard.inside.held(PATH, &index).unwrap()).unwrap();
    let listed: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|m| m["digest"].as_str().unwrap()).collect();
    assert_eq!(listed, [&inside, &outside]);
    let added = &index["manifests"][1];
    assert_eq!(added["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert!(added["annotations"].is_object());
    yard.inside.forget_requests();
    yard.pushed(&[]);
    assert_eq!(yard.writes(), Vec::<String>::new());
}

/// An index of referrers is the client's to keep wherever the registry does not say that it lists them; also where a run
/// broke off between the two.
#[test]
fn push_lists_referrers_that_were_pushed_before() {
    let yard = Yard::with(yard::OPEN(), without_referrers());
    let image = yard.image("1", "x");
    let signer = yard.shop.sigstore.keyless(&Identity::example());
    let referrer = yard.shop.registry.referrer(&image, &signer.image_statement(&image.digest()));
    drop(signer);
    yard.pull("1");
    let bytes = yard.shop.registry.held(APP, &referrer).unwrap();
    yard.inside.manifest(PATH, "", MANIFEST, &bytes);
    yard.pushed(&[]);
    assert!(yard.inside.tag(PATH, &stem(&image.digest())).is_some());
    // Nobody knows whether it lists them: then nothing is named.
    let yard = Yard { inside: Registry::with(without_referrers()), ..yard };
    yard.inside.manifest(PATH, "", MANIFEST, &bytes);
    yard.inside.script(
        &format!("GET /v2/{PATH}/referrers/{}", image.digest()),
        sealock_testkit::registry::Reply::error(403, "DENIED"),
    );
    let run = yard.push(&[]);
    assert_eq!(run.status, 3, "{}", run.data);
    assert_eq!(yard.inside.tag(PATH, "1"), None);
}

#[test]
fn push_bogus_fallback() {
    for (what, status) in [("subject", 0), ("image", 1), ("chimera", 1), ("junk", 1)] {
        let yard = Yard::with(yard::OPEN(), without_referrers());
        let image = yard.image("1", "x");
        let signer = yard.shop.sigstore.keyless(&Identity::example());
        yard.shop.registry.referrer(&image, &signer.image_statement(&image.digest()));
        yard.pull("1");
        let tag = stem(&image.digest());
        let other = yard.shop.image("another");
        let text = String::from_utf8(other.manifest.clone()).unwrap();
        let chimera = text.replacen('{', "{\"manifests\":[],", 1).into_bytes();
        let (media_type, bytes) = match what {
            // GitLab: the tag leads to the subject.
            "subject" => (MANIFEST, image.manifest.clone()),
            "image" => (MANIFEST, other.manifest.clone()),
            "chimera" => (INDEX, chimera),
            _ => (INDEX, b"not even JSON".to_vec()),
        };
        let before = yard.inside.manifest(PATH, &tag, media_type, &bytes);
        let run = yard.push(&[]);
        assert_eq!(run.status, status, "{what}: {}{}", run.data, run.notes);
        if status == 0 {
            assert_ne!(yard.inside.tag(PATH, &tag).unwrap(), before);
            yard.complete();
        } else {
            assert_eq!(yard.inside.tag(PATH, &tag).unwrap(), before, "{what}: not overwritten");
            assert_eq!(yard.inside.tag(PATH, "1"), None, "{what}: the image is not named");
            assert!(run.data.contains("stays as it is"), "{what}: {}", run.data);
        }
    }
}

/// What stands under `.sig` and cannot be read in one way, or cannot be asked for, stays.
#[test]
fn push_leaves_what_it_does_not_understand() {
    use sealock_testkit::registry::{Reply, Shape};
    for (what, status) in [
        ("index", 1),
        ("chimera", 1),
        ("junk", 1),
        ("403", 3),
        ("400", 3),
        ("gone", 3),
        ("endless", 3),
        ("lying", 3),
        ("short", 3),
    ] {
        let (yard, image) = Yard::signed();
        let tag = format!("{}.sig", stem(&image.digest()));
        let text = String::from_utf8(image.manifest.clone()).unwrap();
        let bytes = match what {
            "index" => Index::new("x", std::slice::from_ref(&image)).manifest,
            "chimera" => text.replacen('{', "{\"manifests\":[],", 1).into_bytes(),
            _ => b"\x00\x01".to_vec(),
        };
        let before = yard.inside.manifest(PATH, &tag, MANIFEST, &bytes);
        let (head, get) =
            (format!("HEAD /v2/{PATH}/manifests/{tag}"), format!("GET /v2/{PATH}/manifests/{tag}"));
        match what {
            "403" => yard.inside.script(&head, Reply::error(403, "DENIED")),
            "400" => yard.inside.script(&head, Reply::error(400, "UNSUPPORTED")),
            "endless" => yard.inside.script(&get, Reply::content(MANIFEST, b"{").shape(Shape::Endless)),
            "lying" => {
                let reply = Reply::content(MANIFEST, &image.manifest);
                yard.inside.script(&get, reply.header("Docker-Content-Digest", &before));
            }
            "short" => yard.inside.script(&get, Reply::content(MANIFEST, b"{").shape(Shape::Announced(900))),
            "gone" => yard.inside.script(&get, Reply::error(404, "MANIFEST_UNKNOWN")),
            _ => {}
        }
        let run = yard.push(&[]);
        assert_eq!(run.status, status, "{what}: {}{}", run.data, run.notes);
        assert_eq!(yard.inside.tag(PATH, &tag).unwrap(), before, "{what}");
        assert_eq!(yard.inside.tag(PATH, "1"), None, "{what}");
    }
}

/// A signature that the store keeps under another repository goes where that repository goes.
#[test]
fn signatures_of_another_repository_go_to_its_place() {
    let yard = Yard::new();
    let image = yard.shop.image("x");
    yard.shop.registry.image("1", &image);
    let host = yard.shop.registry.host();
    let there = sealock_testkit::Subject::from(&image);
    let there = sealock_testkit::Subject { repository: format!("{host}/signatures/all"), ..there };
    let signature = yard.shop.sigstore.sign_keyless(&Identity::example(), &image);
    yard.shop.registry.layers(&there, ".sig", &[signature]);
    let policy = format!("{}      source:\n        - oci: {host}/signatures/all\n", shop::POLICY);
    std::fs::write(yard.shop.path("source.yaml"), policy).unwrap();
    let file = yard.shop.path("source.yaml");
    let run = yard.shop.pull(&["--policy", file.to_str().unwrap(), &yard.shop.name(APP, "1")]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let rule = format!("{host}/signatures=sigs");
    yard.pushed(&["--map", &rule]);
    let tag = format!("{}.sig", stem(&image.digest()));
    assert_eq!(yard.inside.tag("in/sigs/all", &tag), yard.shop.registry.tag("signatures/all", &tag));
    assert_eq!(yard.inside.tag(PATH, &tag), None);
    yard.complete();
}

/// Evidence about a digest that is not held is carried on too, and an image that is refused takes its evidence with it.
#[test]
fn evidence_without_its_image_is_pushed() {
    let yard = Yard::new();
    let image = yard.image("1", "x");
    let absent = sealock_testkit::Subject::absent(&image.repository, &format!("sha256:{}", "0a".repeat(32)));
    let signature = yard.shop.sigstore.sign_keyless(&Identity::example(), &image);
    let manifest = yard.shop.registry.layers(&absent, ".sig", &[signature]);
    let tag = absent.tag(".sig").rsplit_once(':').unwrap().1.to_owned();
    yard.pull(&tag);
    yard.pull("1");
    let other = Image::new(&format!("{}/{PATH}", yard.inside.host()), "older");
    yard.inside.image("1", &other);
    let run = yard.push(&[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    assert_eq!(yard.inside.tag(PATH, &tag), Some(manifest));
    assert_eq!(yard.inside.tag(PATH, &format!("{}.sig", stem(&image.digest()))), None);
    yard.complete();
    // Who asks for an image gets that one.
    let yard = Yard { inside: Registry::start(), ..yard };
    let target = format!("{}/in", yard.inside.host());
    assert_eq!(yard.run(&[&target, &yard.shop.name(APP, "1")]).status, 0);
    assert_eq!(yard.inside.tag(PATH, &tag), None);
}
