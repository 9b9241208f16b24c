//! The store: making, importing, reading, checking, rebuilding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests write what the store must withstand")]

#[path = "store/archives.rs"]
mod archives;
#[path = "store/attacks.rs"]
mod attacks;
#[path = "store/corpus.rs"]
mod corpus;
#[path = "store/recovery.rs"]
mod recovery;
#[path = "store/shop.rs"]
mod shop;
#[path = "store/special.rs"]
mod special;
#[path = "store/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sealock::image::Digest;
use sealock::store::{
    Channel, ImportOptions, LayoutArchive, LayoutDirectory, Plan, Source, SourceFault, Store, Writer, form,
    fsck,
};
use sealock_testkit::json::object;
use sealock_testkit::layout::{self, MANIFEST};
use sealock_testkit::{Algorithm, Identity, Image, Index, Layout, Sigstore, Subject};
use shop::{Shop, bytes_below, overwrite, run, run_json};

const REPOSITORY: &str = "registry.example.com/demo/app";

/// An index of two children with classic signatures on the index and on one child, an attestation as referrer of
/// the other child, all under full names.
pub fn everything() -> (Layout, Index) {
    let sigstore = Sigstore::new(7);
    let key = sigstore.key("k", Algorithm::P256);
    let children = [
        Image::for_platform(REPOSITORY, "amd64", "linux/amd64"),
        Image::for_platform(REPOSITORY, "arm64", "linux/arm64"),
    ];
    let index = Index::new(REPOSITORY, &children);
    let signed = sigstore.keyed(&key).image(REPOSITORY, &index.digest()).layer();
    let referrer = sigstore.keyed(&key).image_statement(&children[1].digest());
    let layout = Layout::new()
        .index(&format!("{REPOSITORY}:1.0"), &index)
        .signature(&index, &signed)
        .signature(&children[0], &sigstore.sign_keyed(&key, &children[0]))
        .referrer(&children[1], &referrer);
    (layout, index)
}

#[test]
fn init_is_idempotent_and_prints_the_id() {
    let shop = Shop::empty();
    let place = shop.path("new/store");
    let first = run(&["store", "init", "--store", &place]);
    assert_eq!(first.status, 0, "{}", first.notes);
    let id = first.data.trim().to_owned();
    assert_eq!(id.len(), 32);
    let before = bytes_below(Path::new(&place));
    let second = run(&["store", "init", "--store", &place]);
    assert_eq!((second.status, second.data.trim()), (0, id.as_str()));
    assert_eq!(before, bytes_below(Path::new(&place)));
    let other = run(&["store", "init", "--store", &shop.path("other")]);
    assert_ne!(other.data.trim(), id);
    let replica = run(&["store", "init", "--store", &shop.path("replica"), "--id", &id]);
    assert_eq!(replica.data.trim(), id);
    let wrong = run(&["store", "init", "--store", &place, "--id", "x"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.notes.contains(&id), "{}", wrong.notes);
    for bad in ["", "../x", "a b", "ü", &"x".repeat(65)] {
        assert_eq!(run(&["store", "init", "--store", &shop.path("bad"), "--id", bad]).status, 2, "{bad:?}");
    }
    assert!(!Path::new(&shop.path("bad")).exists());
}

#[test]
fn init_refuses_a_foreign_directory() {
    let shop = Shop::empty();
    let place = shop.path("home");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(format!("{place}/letter.txt"), "dear").unwrap();
    let refused = run(&["store", "init", "--store", &place]);
    assert_eq!(refused.status, 2);
    assert!(refused.notes.contains("store/foreign-directory") && refused.notes.contains("letter.txt"));
    assert_eq!(bytes_below(Path::new(&place)).len(), 1);
    // An OCI layout made by another tool is foreign too.
    let layout = shop.path("layout");
    everything().0.write(&layout);
    assert_eq!(run(&["store", "init", "--store", &layout]).status, 2);
}

#[test]
fn init_completes_what_was_interrupted() {
    for left in [&["lock"][..], &["lock", "store.json.part"]] {
        let shop = Shop::empty();
        let place = shop.path("store");
        std::fs::create_dir(&place).unwrap();
        for name in left {
            std::fs::write(format!("{place}/{name}"), "{").unwrap();
        }
        assert_eq!(run(&["store", "init", "--store", &place]).status, 0);
        assert!(fsck(Path::new(&place)).unwrap().clean);
    }
    // Killed after `store.json`: the id stays.
    let shop = Shop::new();
    for name in ["index.json", "catalog.sqlite", "oci-layout"] {
        std::fs::remove_file(shop.root().join(name)).unwrap();
    }
    let again = run(&["store", "init", "--store", &shop.store()]);
    assert_eq!((again.status, again.data.trim()), (0, shop.id.as_str()));
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn what_is_no_store_says_what_to_do() {
    let shop = Shop::empty();
    let nothing = run(&["store", "ls", "--store", &shop.path("nothing")]);
    assert_eq!(nothing.status, 2);
    assert!(nothing.notes.contains("sealock store init"), "{}", nothing.notes);
    assert!(nothing.notes.contains("store/not-a-store"));
    let shop = Shop::new();
    std::fs::write(
        shop.root().join("store.json"),
        r#"{"schema":"sealock.dev/store/v1","format":2,"id":"x"}"#,
    )
    .unwrap();
    let newer = run(&["store", "ls", "--store", &shop.store()]);
    assert_eq!(newer.status, 2);
    assert!(
        newer.notes.contains("store/newer-format") && newer.notes.contains("format 2"),
        "{}",
        newer.notes
    );
}

#[test]
fn a_newer_or_foreign_catalogue_is_refused() {
    let shop = Shop::new();
    let file = shop.root().join("catalog.sqlite");
    // The header of an SQLite file: user_version at 60, application_id at 68, both big-endian.
    let original = std::fs::read(&file).unwrap();
    let patched = |at: usize| {
        let mut bytes = original.clone();
        bytes[at..at + 4].copy_from_slice(&9_u32.to_be_bytes());
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(shop.root().join(format!("catalog.sqlite{suffix}")));
        }
        std::fs::write(&file, bytes).unwrap();
    };
    patched(60);
    let newer = Store::open(&shop.root()).unwrap_err();
    assert_eq!(newer.code().name, "store/newer-format", "{newer}");
    assert_eq!(shop.import_status(&everything().0), 2);
    patched(68);
    let foreign = Store::open(&shop.root()).unwrap_err();
    assert_eq!(foreign.code().name, "store/catalogue-unreadable", "{foreign}");
    assert!(foreign.to_string().contains("sealock store reindex"));
}

#[test]
fn import_from_a_directory_and_from_an_archive_is_the_same() {
    let (layout, index) = everything();
    let (directory, archive) = (Shop::new(), Shop::new());
    directory.import(&layout);
    archive.import_archive(&layout.archive());
    let listing = |shop: &Shop| run(&["store", "ls", "--all", "--store", &shop.store()]).data;
    assert_eq!(listing(&directory), listing(&archive));
    let index_json = |shop: &Shop| std::fs::read(shop.root().join("index.json")).unwrap();
    assert_eq!(index_json(&directory), index_json(&archive));
    assert!(listing(&directory).contains(&index.digest()));
    for shop in [&directory, &archive] {
        assert!(fsck(&shop.root()).unwrap().clean);
    }
}

#[test]
fn import_twice_changes_nothing() {
    let (layout, _) = everything();
    let shop = Shop::new();
    let first = shop.import(&layout);
    assert!(first["counts"]["new"].as_u64().unwrap() > 0);
    let before = bytes_below(&shop.root());
    let second = shop.import(&layout);
    assert_eq!(second["counts"]["new"], 0);
    assert_eq!(second["counts"]["newNames"], 0);
    assert_eq!(before, bytes_below(&shop.root()));
}

#[test]
fn dry_run_brings_nothing() {
    let (layout, _) = everything();
    let shop = Shop::new();
    let before = bytes_below(&shop.root());
    layout.write(shop.path("bundle"));
    let preview =
        run_json(&["import", "--dry-run", "-o", "json", "--store", &shop.store(), &shop.path("bundle")]);
    assert_eq!(preview["committed"], false);
    assert_eq!(preview["counts"]["names"], 3);
    assert_eq!(before, bytes_below(&shop.root()));
}

#[test]
fn report_says_what_came() {
    let (layout, index) = everything();
    let shop = Shop::new();
    let report = shop.import(&layout);
    assert_eq!(report["schema"], "sealock.dev/import/v1");
    assert_eq!(report["storeId"], shop.id);
    assert_eq!(report["committed"], true);
    assert_eq!(report["counts"]["manifests"], 6);
    assert_eq!(report["counts"]["referrers"], 1);
    assert_eq!(report["names"][0]["name"], format!("{REPOSITORY}:1.0"));
    assert_eq!(report["names"][0]["digest"], index.digest());
    assert_eq!(report["names"][0]["status"], "claimed");
    assert_eq!(report["missing"].as_array().unwrap().len(), 0);
}

#[test]
fn evidence_hangs_on_the_index_and_on_each_child() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    layout.write(shop.path("layout"));
    layout.write_archive(shop.path("layout.tar"));
    let sources: [Box<dyn Source>; 3] = [
        Box::new(Store::open(&shop.root()).unwrap()),
        Box::new(LayoutDirectory::open(Path::new(&shop.path("layout"))).unwrap()),
        Box::new(LayoutArchive::open(Path::new(&shop.path("layout.tar"))).unwrap()),
    ];
    for source in sources {
        let place = source.place();
        let resolved = source.resolve(REPOSITORY, "1.0").unwrap();
        assert_eq!(resolved.digest.to_string(), index.digest(), "{place}");
        assert!(!resolved.sealed, "{place}");
        let channels = |digest: &str| -> Vec<Channel> {
            let found = source.attachments(REPOSITORY, &digest.parse().unwrap()).unwrap();
            for attachment in &found {
                assert_eq!(attachment.media_type, MANIFEST);
                assert!(source.read(&attachment.manifest, 1 << 20).is_ok(), "{place}");
            }
            found.into_iter().map(|a| a.channel).collect()
        };
        assert_eq!(channels(&index.digest()), [Channel::SignatureTag], "{place}");
        assert_eq!(channels(&index.children[0].digest()), [Channel::SignatureTag], "{place}");
        assert_eq!(channels(&index.children[1].digest()), [Channel::Referrer], "{place}");
        // Tags count in their own repository only, referrers anywhere.
        let elsewhere =
            |digest: &str| source.attachments("other.example/x", &digest.parse().unwrap()).unwrap();
        assert!(elsewhere(&index.digest()).is_empty(), "{place}");
        assert_eq!(elsewhere(&index.children[1].digest()).len(), 1, "{place}");
        // Nothing found is an empty answer; a name that is not there is "not held".
        assert!(source.attachments(REPOSITORY, &Digest::sha256(b"nobody")).unwrap().is_empty());
        assert!(matches!(source.resolve(REPOSITORY, "2.0"), Err(SourceFault::NotHeld { .. })), "{place}");
        assert!(matches!(source.read(&Digest::sha256(b"nobody"), 9), Err(SourceFault::NotHeld { .. })));
        let manifest: Digest = index.digest().parse().unwrap();
        assert!(
            matches!(source.read(&manifest, 10), Err(SourceFault::TooLarge { limit: 10, .. })),
            "{place}"
        );
    }
}

#[test]
fn fallback_index_and_loose_referrers_are_found() {
    let sigstore = Sigstore::new(3);
    let image = sigstore.image("app");
    let statement = sigstore.keyless(&Identity::example()).image_statement(&image.digest());
    let named = Layout::new().image(&format!("{}:1", image.repository), &image);
    let through_index = named.clone().referrer(&image, &statement).fallback_index(&image);
    // As `cosign save` leaves it: the manifest is only a blob.
    let bundle = statement.bundle();
    let manifest = layout::bundle_manifest(&Subject::from(&image), bundle.as_bytes(), Some("x"));
    let loose = named.blob(bundle.as_bytes()).blob(b"{}").blob(&manifest);
    for layout in [through_index, loose] {
        let shop = Shop::new();
        shop.import(&layout);
        let store = Store::open(&shop.root()).unwrap();
        let found = store.attachments(&image.repository, &image.digest().parse().unwrap()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].channel, Channel::Referrer);
        assert!(fsck(&shop.root()).unwrap().clean);
        // It survives a rebuild, because index.json lists every referrer.
        let before = std::fs::read(shop.root().join("index.json")).unwrap();
        assert_eq!(run(&["store", "reindex", "--store", &shop.store()]).status, 0);
        assert_eq!(before, std::fs::read(shop.root().join("index.json")).unwrap());
    }
}

#[test]
fn classic_evidence_without_a_tag_is_found_by_its_payload() {
    let sigstore = Sigstore::new(3);
    let image = sigstore.image("app");
    let layer = sigstore.sign_keyless(&Identity::example(), &image);
    let (manifest, config) = layout::evidence_manifest(std::slice::from_ref(&layer));
    let kind = object([("kind", "dev.cosignproject.cosign/sigs".into())]);
    let entry = layout::descriptor(MANIFEST, &manifest).with("annotations", kind);
    let shop = Shop::new();
    shop.import(&Layout::new().blob(&config).blob(&layer.blob).blob(&manifest).entry(entry));
    let store = Store::open(&shop.root()).unwrap();
    let found = store.attachments("any.example/app", &image.digest().parse().unwrap()).unwrap();
    assert_eq!(found.iter().map(|a| a.channel.clone()).collect::<Vec<_>>(), [Channel::SignatureTag]);
}

/// A classic signature with a `subject`, as cosign makes it for registries with referrers: it hangs there once, and its
/// payload does not carry it into other repositories as one without a tag.
#[test]
fn classic_evidence_with_a_subject_hangs_on_it_once() {
    let sigstore = Sigstore::new(3);
    let image = sigstore.image("app");
    let layer = sigstore.sign_keyless(&Identity::example(), &image);
    let (manifest, config) = layout::evidence_manifest(std::slice::from_ref(&layer));
    let subject = layout::descriptor(MANIFEST, &image.manifest).compact();
    let text = String::from_utf8(manifest).unwrap();
    let manifest = format!(r#"{},"subject":{subject}}}"#, text.strip_suffix('}').unwrap()).into_bytes();
    let layout = Layout::new().image(&format!("{}:1", image.repository), &image);
    let layout = layout.blob(&config).blob(&layer.blob).blob(&manifest);
    let shop = Shop::new();
    shop.import(&layout.entry(layout::descriptor(MANIFEST, &manifest)));
    let store = Store::open(&shop.root()).unwrap();
    let found = store.attachments(&image.repository, &image.digest().parse().unwrap()).unwrap();
    assert_eq!(found.iter().map(|a| a.channel.clone()).collect::<Vec<_>>(), [Channel::Referrer]);
}

#[test]
fn evidence_about_an_image_that_is_not_held() {
    let sigstore = Sigstore::new(4);
    let image = sigstore.image("app");
    let subject = Subject::absent(REPOSITORY, &image.digest());
    let layer = sigstore.keyless(&Identity::example()).image(REPOSITORY, &image.digest()).layer();
    let shop = Shop::new();
    let report = shop.import(&Layout::new().signature(&subject, &layer));
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
    let store = Store::open(&shop.root()).unwrap();
    assert_eq!(store.attachments(REPOSITORY, &image.digest().parse().unwrap()).unwrap().len(), 1);
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn what_is_missing_is_told_and_may_come_later() {
    let (_, index) = everything();
    let [first, second] = [&index.children[0], &index.children[1]];
    let layer = layout::descriptor(layout::LAYER, &second.blobs[1]);
    let digest = match &layer {
        sealock_testkit::json::Json::Object(members) => members[1].1.compact().trim_matches('"').to_owned(),
        _ => unreachable!(),
    };
    let name = format!("{REPOSITORY}:1.0");
    let whole = Layout::new().index(&name, &index);
    // A sparse index, and an image without its layer.
    let thin = whole.clone().without_blob(&first.digest()).without_blob(&digest);
    let shop = Shop::new();
    let report = shop.import(&thin);
    let missing: BTreeSet<_> = report["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["manifest"].as_str().unwrap().to_owned(), m["content"].as_str().unwrap().to_owned()))
        .collect();
    let wanted = [(index.digest(), first.digest()), (second.digest(), digest)];
    assert_eq!(missing, wanted.into_iter().collect());
    let codes: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"store/incomplete"), "{codes:?}");
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean);
    assert_eq!(check.counts.missing, 2);
    shop.import(&whole);
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean);
    assert_eq!(check.counts.missing, 0);
}

#[test]
fn an_entry_without_its_manifest_is_told() {
    let (layout, index) = everything();
    let shop = Shop::new();
    let report = shop.import(&layout.without_blob(&index.digest()));
    assert!(report["findings"].to_string().contains("store/incomplete"), "{report}");
    let store = Store::open(&shop.root()).unwrap();
    assert!(store.resolve(REPOSITORY, "1.0").is_err());
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn a_claimed_name_may_move_and_the_old_image_stays() {
    let shop = Shop::new();
    let [old, new] = ["old", "new"].map(|text| Image::new(REPOSITORY, text));
    let name = format!("{REPOSITORY}:1.0");
    shop.import(&Layout::new().image(&name, &old));
    let report = shop.import(&Layout::new().image(&name, &new));
    assert_eq!(report["names"][0]["movedFrom"], old.digest());
    assert!(report["findings"].to_string().contains("store/name-moved"));
    let store = Store::open(&shop.root()).unwrap();
    assert_eq!(store.resolve(REPOSITORY, "1.0").unwrap().digest.to_string(), new.digest());
    assert!(store.read(&old.digest().parse().unwrap(), 1 << 20).is_ok());
    assert!(run(&["store", "ls", "--store", &shop.store()]).data.contains(&old.digest()));
    assert_eq!(run(&["store", "reindex", "--store", &shop.store()]).status, 0);
    assert!(run(&["store", "ls", "--store", &shop.store()]).data.contains(&old.digest()));
}

#[test]
fn names_without_a_host_are_not_taken() {
    let image = Image::new(REPOSITORY, "x");
    let shop = Shop::new();
    let report = shop.import(&Layout::new().image("latest", &image));
    assert_eq!(report["counts"]["names"], 0);
    assert_eq!(report["counts"]["unnamed"], 1);
    assert!(report["findings"].to_string().contains("store/unnamed"));
    let listed = run(&["store", "ls", "--store", &shop.store()]).data;
    assert!(listed.contains(&image.digest()) && listed.contains("held"));
}

#[test]
fn bare_tags_take_the_repository_that_the_user_names() {
    let sigstore = Sigstore::new(2);
    let image = Image::new(REPOSITORY, "x");
    let signed = sigstore.sign_keyless(&Identity::example(), &image);
    let (manifest, config) = layout::evidence_manifest(std::slice::from_ref(&signed));
    let tag = Subject::from(&image).tag(".sig").rsplit_once(':').unwrap().1.to_owned();
    let layout = Layout::new()
        .image("1.0", &image)
        .blob(&config)
        .blob(&signed.blob)
        .manifest(&tag, MANIFEST, &manifest);
    let shop = Shop::new();
    layout.write(shop.path("bundle"));
    let import = |repository: &str| {
        run(&["import", "--store", &shop.store(), "--repository", repository, &shop.path("bundle")])
    };
    for bad in ["app", "library/app", "h.example/app:1", "h.example/app@sha256:00", "../x", ""] {
        assert_eq!(import(bad).status, 2, "{bad}");
    }
    assert_eq!(import(REPOSITORY).status, 0);
    let store = Store::open(&shop.root()).unwrap();
    let digest = store.resolve(REPOSITORY, "1.0").unwrap().digest;
    assert_eq!(digest.to_string(), image.digest());
    assert_eq!(store.attachments(REPOSITORY, &digest).unwrap().len(), 1);
    assert!(store.attachments("other.example/app", &digest).unwrap().is_empty());
    // Without it, the tag itself and the payload say what the evidence is about.
    let shop = Shop::new();
    shop.import(&layout);
    assert_eq!(Store::open(&shop.root()).unwrap().attachments("any.example/app", &digest).unwrap().len(), 1);
}

#[test]
fn failures_are_told_in_json_too() {
    let shop = Shop::empty();
    let nothing = shop.path("nothing");
    for args in [
        &["store", "ls", "-o", "json", "--store", &nothing][..],
        &["store", "fsck", "-o", "json", "--store", &nothing],
        &["store", "reindex", "-o", "json", "--store", &nothing],
        &["import", "-o", "json", "--store", &nothing, "/"],
    ] {
        let told = run_json(args);
        assert_eq!(told["findings"][0]["code"], "store/not-a-store", "{args:?}");
        assert!(told["schema"].as_str().unwrap().starts_with("sealock.dev/"), "{args:?}");
        assert_eq!(run(args).status, 2, "{args:?}");
    }
}

#[test]
fn images_in_layouts_by_form() {
    let shop = Shop::empty();
    let (layout, index) = everything();
    layout.write(shop.path("layout"));
    layout.write_archive(shop.path("layout.tar"));
    let name = format!("{REPOSITORY}:1.0");
    for form in [
        format!("oci:{}", shop.path("layout")),
        format!("oci:{}:{name}", shop.path("layout")),
        format!("oci:{}:{}", shop.path("layout"), index.digest()),
        format!("oci-archive:{}:{name}", shop.path("layout.tar")),
        format!("oci-archive:{}:@{}", shop.path("layout.tar"), index.digest()),
    ] {
        let opened = form::open(&form).unwrap().unwrap();
        assert_eq!(opened.image.digest.to_string(), index.digest(), "{form}");
        assert_eq!(opened.image.name, Some((REPOSITORY.to_owned(), "1.0".to_owned())), "{form}");
    }
    assert!(form::open(&name).is_none());
    assert!(form::open(&format!("oci:{}:nobody", shop.path("layout"))).unwrap().is_err());
    assert!(form::open(&format!("oci:{}", shop.path("nothing"))).unwrap().is_err());
    // Two images: which one must be said.
    let [a, b] = ["a", "b"].map(|text| Image::new(REPOSITORY, text));
    Layout::new().image("1", &a).image("2", &b).write(shop.path("two"));
    assert!(form::open(&format!("oci:{}", shop.path("two"))).unwrap().is_err());
    let opened = form::open(&format!("oci:{}:2", shop.path("two"))).unwrap().unwrap();
    assert_eq!((opened.image.digest.to_string(), opened.image.name), (b.digest(), None));
}

#[test]
fn a_plan_can_be_judged_before_it_is_visible() {
    let (layout, index) = everything();
    let other = Image::new("registry.example.com/demo/other", "other");
    let layout = layout.image("registry.example.com/demo/other:1", &other);
    let shop = Shop::new();
    layout.write(shop.path("bundle"));
    let mut writer = Writer::open(&shop.root(), "import", Duration::ZERO).unwrap();
    let mut plan =
        Plan::prepare(&mut writer, Path::new(&shop.path("bundle")), &ImportOptions::default()).unwrap();
    assert_eq!(plan.images().len(), 2);
    let digest: Digest = index.digest().parse().unwrap();
    assert_eq!(plan.resolve(REPOSITORY, "1.0").unwrap().digest, digest);
    assert_eq!(plan.attachments(REPOSITORY, &digest).unwrap().len(), 1);
    assert!(plan.read(&digest, 1 << 20).is_ok());
    // The copy is judged: what happens to the medium does not matter any more.
    std::fs::remove_dir_all(shop.path("bundle")).unwrap();
    assert!(Store::open(&shop.root()).unwrap().list().unwrap().is_empty());
    plan.withhold(&digest);
    plan.commit().unwrap();
    drop(writer);
    let store = Store::open(&shop.root()).unwrap();
    assert!(matches!(store.resolve(REPOSITORY, "1.0"), Err(SourceFault::NotHeld { .. })));
    assert!(matches!(store.read(&digest, 1 << 20), Err(SourceFault::NotHeld { .. })));
    assert!(store.resolve("registry.example.com/demo/other", "1").is_ok());
    assert!(fsck(&shop.root()).unwrap().clean);
}

/// With policies an image without a name must not come in unjudged; evidence without a name still does.
#[test]
fn policies_keep_out_what_has_no_name() {
    let shop = Shop::new();
    let image = Image::new(REPOSITORY, "nameless");
    let layout = Layout::new().entry(layout::descriptor(MANIFEST, &image.manifest)).blob(&image.manifest);
    let layout = image.blobs.iter().fold(layout, |layout, blob| layout.blob(blob));
    layout.write(shop.path("nameless"));
    let policy = shop.path("policy.yaml");
    let text = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: all}\nspec: {images: [{glob: \"**\"}], authorities: [{static: {action: pass}}]}\n";
    std::fs::write(&policy, text).unwrap();
    let bundle = shop.path("nameless");
    let store = shop.store();
    let import = |more: &[&str]| run(&[&["import", "--store", &store][..], more, &[&bundle]].concat());
    let kept_out = import(&["--policy", &policy]);
    assert_eq!(kept_out.status, 1, "{}", kept_out.notes);
    assert!(
        kept_out.notes.contains("seal/withheld") && kept_out.notes.contains("no full name"),
        "{}",
        kept_out.notes
    );
    let digest: Digest = image.digest().parse().unwrap();
    let held = || Store::open(&shop.root()).unwrap().read(&digest, 1 << 20).is_ok();
    assert!(!held());
    assert_eq!(import(&[]).status, 0);
    assert!(held());
}
