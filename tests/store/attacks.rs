//! Attacks of the threat model on bundles and on the store's own files.

use std::path::Path;
use std::process::Command;

use sealock::image::Digest;
use sealock::store::{LayoutDirectory, Source, SourceFault, Store, fsck};
use sealock_testkit::json::{Json, object};
use sealock_testkit::layout::{self, INDEX, MANIFEST, REF_NAME};
use sealock_testkit::{Image, Index, Layout, Sigstore, Subject, sha256_digest};

use crate::shop::{Shop, bytes_below, overwrite, run, run_json};
use crate::{REPOSITORY, everything};

pub fn codes(report: &sealock::store::FsckReport) -> Vec<&'static str> {
    report.findings.iter().map(|f| f.finding.code).collect()
}

#[test]
fn manifest_and_index_in_one() {
    let image = Image::new(REPOSITORY, "x");
    let good = Image::new(REPOSITORY, "good");
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    let chimera = text.replacen(
        '{',
        &format!(r#"{{"manifests":[{}],"#, layout::descriptor(MANIFEST, &good.manifest).compact()),
        1,
    );
    for (what, media_type, bytes) in [
        ("both, as image", MANIFEST, chimera.clone()),
        ("both, as index", INDEX, chimera),
        ("image announced as index", INDEX, text.clone()),
        ("member twice", MANIFEST, text.replacen('{', r#"{"schemaVersion":2,"#, 1)),
        ("not JSON", MANIFEST, "nothing".to_owned()),
        ("announced as something else", "application/vnd.oci.image.config.v1+json", text.clone()),
    ] {
        let shop = Shop::new();
        let bundle = Layout::new()
            .image(&format!("{REPOSITORY}:good"), &good)
            .blob(&image.blobs[0])
            .blob(&image.blobs[1])
            .manifest(&format!("{REPOSITORY}:bad"), media_type, bytes.as_bytes());
        let run = shop.try_import(&bundle);
        assert_eq!(run.status, 1, "{what}: {}", run.notes);
        assert!(run.notes.contains("[store/manifest-refused]"), "{what}: {}", run.notes);
        // It is left out, the rest is not held up.
        let store = Store::open(&shop.root()).unwrap();
        assert!(store.resolve(REPOSITORY, "good").is_ok(), "{what}");
        assert!(store.resolve(REPOSITORY, "bad").is_err(), "{what}");
        let digest: Digest = sha256_digest(bytes.as_bytes()).parse().unwrap();
        assert!(matches!(store.read(&digest, 1 << 20), Err(SourceFault::NotHeld { .. })), "{what}");
        assert!(fsck(&shop.root()).unwrap().clean, "{what}");
    }
}

#[test]
fn one_manifest_under_two_media_types() {
    // Without a media type inside, the descriptor alone says what it is.
    let image = Image::new(REPOSITORY, "x");
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    let bare = text.replacen(&format!(r#""mediaType":"{MANIFEST}","#), "", 1);
    assert_ne!(bare, text);
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let children =
        [layout::descriptor(MANIFEST, bare.as_bytes()), layout::descriptor(docker, bare.as_bytes())];
    let index = object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", INDEX.into()),
        ("manifests", Json::Array(children.to_vec())),
    ])
    .compact();
    let shop = Shop::new();
    let bundle = Layout::new().blob(bare.as_bytes()).blob(&image.blobs[0]).blob(&image.blobs[1]).manifest(
        &format!("{REPOSITORY}:1"),
        INDEX,
        index.as_bytes(),
    );
    let run = shop.try_import(&bundle);
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/manifest-refused]"), "{}", run.notes);
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean, "{check:?}");
    assert_eq!(check.counts.missing, 1);
    // Twice in index.json itself: the bundle contradicts itself.
    let run = shop.try_import(&children.into_iter().fold(bundle, Layout::entry));
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/ambiguous-name]"), "{}", run.notes);
}

#[test]
fn two_digests_for_one_name() {
    let [a, b] = ["a", "b"].map(|text| Image::new(REPOSITORY, text));
    let name = format!("{REPOSITORY}:1");
    let shop = Shop::new();
    let before = bytes_below(&shop.root());
    let run = shop.try_import(&Layout::new().image(&name, &a).image(&name, &b));
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/ambiguous-name]"), "{}", run.notes);
    assert_eq!(before, bytes_below(&shop.root()));
    // One digest under two names is nothing special.
    shop.import(&Layout::new().image(&name, &a).image(&format!("{REPOSITORY}:2"), &a));
}

#[test]
fn bogus_fallback() {
    let sigstore = Sigstore::new(5);
    let [victim, other] = ["victim", "other"].map(|text| Image::new(REPOSITORY, text));
    let statement = sigstore.keyless(&sealock_testkit::Identity::example()).image_statement(&other.digest());
    let about_other =
        layout::bundle_manifest(&Subject::from(&other), statement.bundle().as_bytes(), Some("x"));
    let tag = Subject::from(&victim).tag("");
    let lying = object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", INDEX.into()),
        (
            "manifests",
            Json::Array(vec![
                layout::descriptor(MANIFEST, &about_other),
                layout::descriptor(MANIFEST, &other.manifest),
            ]),
        ),
    ])
    .compact();
    let base = Layout::new()
        .image(&format!("{REPOSITORY}:victim"), &victim)
        .image(&format!("{REPOSITORY}:other"), &other)
        .blob(statement.bundle().as_bytes())
        .blob(b"{}")
        .blob(&about_other);
    let victim_digest: Digest = victim.digest().parse().unwrap();
    for (what, bundle) in [
        ("entries about somebody else", base.clone().manifest(&tag, INDEX, lying.as_bytes())),
        ("the subject itself", base.clone().image(&tag, &victim)),
        ("an image", base.clone().image(&tag, &other)),
    ] {
        let shop = Shop::new();
        let report = shop.import(&bundle);
        assert!(report["findings"].to_string().contains("store/bogus-fallback"), "{what}: {report}");
        bundle.write(shop.path("layout"));
        let layout = LayoutDirectory::open(Path::new(&shop.path("layout"))).unwrap();
        let store = Store::open(&shop.root()).unwrap();
        for source in [&layout as &dyn Source, &store] {
            let found = source.attachments(REPOSITORY, &victim_digest).unwrap();
            assert!(found.is_empty(), "{what}: {found:?}");
            let found = source.attachments(REPOSITORY, &other.digest().parse().unwrap()).unwrap();
            assert_eq!(found.len(), 1, "{what}");
        }
        assert!(fsck(&shop.root()).unwrap().clean, "{what}");
    }
}

#[test]
fn digest_grammar() {
    let image = Image::new(REPOSITORY, "x");
    let good = layout::descriptor(MANIFEST, &image.manifest);
    for bad in [
        "sha256:../../../../etc/passwd".to_owned(),
        image.digest().to_uppercase(),
        image.digest().replace("sha256:", "SHA256:"),
        image.digest()[..70].to_owned(),
        image.digest().replace("sha256:", "sha512:"),
        image.digest().replace("sha256:", "md5:"),
        format!("{}\n", image.digest()),
        String::new(),
    ] {
        let mut entry = good.clone();
        *entry.member("digest") = bad.as_str().into();
        let shop = Shop::new();
        let before = bytes_below(&shop.root());
        let run = shop.try_import(&Layout::new().image("x.example/x/y:1", &image).entry(entry));
        assert_eq!(run.status, 1, "{bad:?}");
        assert!(run.notes.contains("[store/index-json]"), "{bad:?}: {}", run.notes);
        assert_eq!(before, bytes_below(&shop.root()), "{bad:?}");
        // The same inside a manifest.
        let text = String::from_utf8(image.manifest.clone()).unwrap();
        let layer = sha256_digest(&image.blobs[1]);
        let inner = text.replace(&layer, Json::from(bad.as_str()).compact().trim_matches('"'));
        let run =
            shop.try_import(&Layout::new().manifest(&format!("{REPOSITORY}:1"), MANIFEST, inner.as_bytes()));
        assert_eq!(run.status, 1, "{bad:?}");
        assert!(run.notes.contains("[store/manifest-refused]"), "{bad:?}: {}", run.notes);
    }
}

#[test]
fn sizes_that_lie() {
    let image = Image::new(REPOSITORY, "x");
    let name = object([(REF_NAME, format!("{REPOSITORY}:1").into())]);
    for size in [0_usize, image.manifest.len() - 1, image.manifest.len() + 1, 1 << 40] {
        let mut entry = layout::descriptor(MANIFEST, &image.manifest).with("annotations", name.clone());
        *entry.member("size") = size.into();
        let shop = Shop::new();
        let bundle =
            Layout::new().blob(&image.manifest).blob(&image.blobs[0]).blob(&image.blobs[1]).entry(entry);
        let run = shop.try_import(&bundle);
        assert_eq!(run.status, 1);
        assert!(run.notes.contains("[store/wrong-size]"), "{size}: {}", run.notes);
        assert!(Store::open(&shop.root()).unwrap().list().unwrap().is_empty());
    }
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    let size = format!("\"size\":{}", image.blobs[1].len());
    assert!(text.contains(&size));
    let lying = text.replace(&size, "\"size\":1");
    let shop = Shop::new();
    let bundle = Layout::new().blob(&image.blobs[0]).blob(&image.blobs[1]).manifest(
        &format!("{REPOSITORY}:1"),
        MANIFEST,
        lying.as_bytes(),
    );
    let run = shop.try_import(&bundle);
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/wrong-size]"), "{}", run.notes);
}

#[test]
fn nested_too_deep() {
    let nest = |depth: usize| {
        let image = Image::new(REPOSITORY, "x");
        let mut layout = Layout::new().blob(&image.manifest).blob(&image.blobs[0]).blob(&image.blobs[1]);
        let (mut media_type, mut bytes) = (MANIFEST, image.manifest);
        for _ in 0..depth {
            let entries = vec![layout::descriptor(media_type, &bytes)];
            bytes = object([
                ("schemaVersion", 2_i64.into()),
                ("mediaType", INDEX.into()),
                ("manifests", Json::Array(entries)),
            ])
            .compact()
            .into_bytes();
            media_type = INDEX;
            layout = layout.blob(&bytes);
        }
        layout.manifest(&format!("{REPOSITORY}:1"), media_type, &bytes)
    };
    let shop = Shop::new();
    shop.import(&nest(4));
    let run = shop.try_import(&nest(5));
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/nested-too-deep]"), "{}", run.notes);
    assert_eq!(shop.try_import(&nest(500)).status, 1);
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn odd_layouts() {
    let (layout, _) = everything();
    for (what, file, bytes, code, status) in [
        ("version", "oci-layout", &br#"{"imageLayoutVersion":"2.0.0"}"#[..], "store/layout-version", 1),
        ("marker", "oci-layout", b"x", "store/layout-version", 1),
        ("index", "index.json", b"{", "store/index-json", 1),
        (
            "index twice",
            "index.json",
            br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
            "store/index-json",
            1,
        ),
    ] {
        let shop = Shop::new();
        let run = shop.try_import(&layout.clone().file(file, bytes));
        assert_eq!(run.status, status, "{what}: {}", run.notes);
        assert!(run.notes.contains(&format!("[{code}]")), "{what}: {}", run.notes);
    }
    // Files that macOS and others strew about do no harm.
    let shop = Shop::new();
    let strewn = layout.file("blobs/sha256/._x", b"x").file(".DS_Store", b"x").file("blobs/extra/x", b"x");
    let report = shop.import(&strewn);
    assert!(report["findings"].to_string().contains("store/ignored"));
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn blob_race() {
    // Another process exchanges the file all the time: what comes out hashes to the digest or does not come out.
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let digest: Digest = index.digest().parse().unwrap();
    let path = shop.blob(&index.digest());
    let good = std::fs::read(&path).unwrap();
    let mut evil = good.clone();
    evil[10] ^= 1;
    let done = std::sync::atomic::AtomicBool::new(false);
    let store = Store::open(&shop.root()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = path.with_extension("other");
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for bytes in [&evil, &good] {
                    std::fs::write(&other, bytes).unwrap();
                    std::fs::rename(&other, &path).unwrap();
                }
            }
        });
        let (mut right, mut wrong) = (0, 0);
        for _ in 0..100_000 {
            match store.read(&digest, 1 << 20) {
                Ok(bytes) => {
                    assert_eq!(bytes, good);
                    right += 1;
                }
                Err(SourceFault::Damaged { .. }) => wrong += 1,
                Err(other) => panic!("{other}"),
            }
            if right > 50 && wrong > 50 {
                break;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(right > 0 && wrong > 0, "{right} {wrong}");
    });
}

#[test]
fn refs_edited() {
    let [good, evil] = ["good", "evil"].map(|text| Image::new(REPOSITORY, text));
    let shop = Shop::new();
    shop.import(
        &Layout::new().image(&format!("{REPOSITORY}:1"), &good).image(&format!("{REPOSITORY}:2"), &evil),
    );
    let path = shop.root().join("index.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let swapped = text
        .replace(&good.digest(), "G")
        .replace(&evil.digest(), &good.digest())
        .replace('G', &evil.digest());
    std::fs::write(&path, &swapped).unwrap();
    let check = fsck(&shop.root()).unwrap();
    assert!(!check.clean);
    assert_eq!(codes(&check), ["store/index-differs"]);
    assert!(check.findings[0].finding.message.contains(&format!("{REPOSITORY}:1 leads to")), "{check:?}");
    // Readers do not look at it, and what it says stays a claim.
    let store = Store::open(&shop.root()).unwrap();
    assert_eq!(store.resolve(REPOSITORY, "1").unwrap().digest.to_string(), good.digest());
    drop(store);
    assert_eq!(run(&["store", "reindex", "--store", &shop.store()]).status, 0);
    let store = Store::open(&shop.root()).unwrap();
    let resolved = store.resolve(REPOSITORY, "1").unwrap();
    assert_eq!(resolved.digest.to_string(), evil.digest());
    assert!(!resolved.sealed);
    let listed = run_json(&["store", "ls", "-o", "json", "--store", &shop.store()]);
    assert!(listed["entries"].as_array().unwrap().iter().all(|e| e["status"] == "claimed"), "{listed}");
}

#[test]
fn damage_in_the_store_is_found_and_mended() {
    let (layout, _) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let blobs: Vec<_> = layout.files().into_iter().filter(|(path, _)| path.starts_with("blobs/")).collect();
    for (path, bytes) in &blobs {
        let file = shop.root().join(path);
        // Another byte; other bytes of the same length under a right-looking size; shorter; longer; gone.
        let mut flipped = bytes.clone();
        flipped[0] ^= 0x80;
        let longer = [bytes.as_slice(), b"x"].concat();
        for (what, wrong) in
            [("flipped", Some(flipped)), ("shorter", Some(vec![])), ("longer", Some(longer)), ("gone", None)]
        {
            std::fs::remove_file(&file).unwrap();
            let code = if let Some(wrong) = &wrong {
                std::fs::write(&file, wrong).unwrap();
                "store/damaged"
            } else {
                "store/missing-blob"
            };
            let check = fsck(&shop.root()).unwrap();
            assert!(codes(&check).contains(&code), "{path} {what}: {check:?}");
            assert!(check.findings.iter().any(|f| f.path == *path), "{path} {what}: {check:?}");
            assert_eq!(run(&["store", "fsck", "-o", "json", "--store", &shop.store()]).status, 1);
            // The same content again mends it, and small content needs no --recheck for that.
            shop.import(&layout);
            assert!(fsck(&shop.root()).unwrap().clean, "{path} {what}");
        }
    }
}

#[test]
fn large_content_is_mended_by_recheck() {
    let layer = vec![7_u8; 3 << 20];
    let image = Image::with_layers(REPOSITORY, "linux/amd64", std::slice::from_ref(&layer));
    let layout = Layout::new().image(&format!("{REPOSITORY}:1"), &image);
    let shop = Shop::new();
    shop.import(&layout);
    let path = shop.blob(&sha256_digest(&layer));
    let mut wrong = layer.clone();
    wrong[1 << 20] ^= 1;
    overwrite(&path, &wrong);
    layout.write(shop.path("bundle"));
    assert_eq!(run(&["import", "--recheck", "--store", &shop.store(), &shop.path("bundle")]).status, 0);
    assert_eq!(std::fs::read(&path).unwrap(), layer);
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn a_catalogue_that_lies_is_found() {
    let (layout, index) = everything();
    let sabotage = |sql: &str| {
        let shop = Shop::new();
        shop.import(&layout);
        let database = rusqlite::Connection::open(shop.root().join("catalog.sqlite")).unwrap();
        database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
        drop(database);
        shop
    };
    for (sql, code) in [
        ("UPDATE manifest SET subject = zeroblob(32) WHERE subject IS NOT NULL", "store/catalogue-differs"),
        ("UPDATE manifest SET subject = NULL WHERE subject IS NOT NULL", "store/catalogue-differs"),
        ("UPDATE manifest SET kind = 1 WHERE subject IS NOT NULL", "store/catalogue-differs"),
        (
            "UPDATE blob SET size = size + 1 WHERE digest IN (SELECT digest FROM blob LIMIT 1)",
            "store/wrong-size",
        ),
        (
            "UPDATE name SET digest = (SELECT digest FROM name WHERE tag LIKE '%.sig' LIMIT 1) WHERE tag = '1.0'",
            "store/index-differs",
        ),
        ("DELETE FROM name WHERE tag LIKE '%.sig'", "store/index-differs"),
        ("DELETE FROM root", "store/index-differs"),
        ("INSERT INTO blob VALUES (zeroblob(32), 5)", "store/missing-blob"),
    ] {
        let shop = sabotage(sql);
        let check = fsck(&shop.root()).unwrap();
        assert!(!check.clean && codes(&check).contains(&code), "{sql}: {check:?}");
        // Nothing it says turns bytes into others.
        let store = Store::open(&shop.root()).unwrap();
        if let Ok(resolved) = store.resolve(REPOSITORY, "1.0") {
            let bytes = store.read(&resolved.digest, 1 << 20).unwrap();
            assert!(resolved.digest.matches(&bytes));
        }
        assert_eq!(run(&["store", "reindex", "--store", &shop.store()]).status, 0);
        assert!(fsck(&shop.root()).unwrap().clean, "{sql}");
    }
    // A row that cannot be: no answer, which is not "none".
    let shop = sabotage("UPDATE manifest SET kind = 77");
    let store = Store::open(&shop.root()).unwrap();
    let answer = store.attachments(REPOSITORY, &index.digest().parse().unwrap());
    assert!(matches!(answer, Err(SourceFault::Unreadable { .. })), "{answer:?}");
}

#[test]
fn a_stray_file_in_blobs() {
    let shop = Shop::new();
    std::fs::write(shop.root().join("blobs/sha256/readme.txt"), "x").unwrap();
    let check = fsck(&shop.root()).unwrap();
    assert_eq!(codes(&check), ["store/stray-file"]);
    assert_eq!(check.findings[0].path, "blobs/sha256/readme.txt");
    std::fs::remove_file(shop.root().join("blobs/sha256/readme.txt")).unwrap();
    std::fs::write(shop.root().join("oci-layout"), "{}").unwrap();
    assert_eq!(codes(&fsck(&shop.root()).unwrap()), ["store/layout-version"]);
}

#[test]
fn a_full_disk_says_so_and_leaves_nothing() {
    // The shell's file size limit stands in for a full disk: a write in the middle of the import fails.
    let layer = vec![7_u8; 3 << 20];
    let image = Image::with_layers(REPOSITORY, "linux/amd64", &[layer]);
    let shop = Shop::new();
    Layout::new().image(&format!("{REPOSITORY}:1"), &image).write(shop.path("bundle"));
    let before = bytes_below(&shop.root());
    let script = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" import --store \"$1\" \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_sealock"), &shop.store(), &shop.path("bundle")])
        .output()
        .unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{notes}");
    assert!(notes.contains("writing") && notes.contains(".part"), "{notes}");
    assert_eq!(before, bytes_below(&shop.root()));
    assert!(fsck(&shop.root()).unwrap().findings.is_empty());
}

#[test]
fn a_bundle_larger_than_the_disk_is_refused_before_it_is_copied() {
    let image = Image::new(REPOSITORY, "x");
    let layer = sha256_digest(&image.blobs[1]);
    let text = String::from_utf8(image.manifest).unwrap();
    let giant =
        text.replace(&format!("\"size\":{}", image.blobs[1].len()), &format!("\"size\":{}", 1_u64 << 50));
    assert_ne!(giant, text);
    let shop = Shop::new();
    Layout::new()
        .blob(&image.blobs[0])
        .manifest(&format!("{REPOSITORY}:1"), MANIFEST, giant.as_bytes())
        .write(shop.path("bundle"));
    let sparse = Path::new(&shop.path("bundle")).join("blobs").join(layer.replace(':', "/"));
    if std::fs::File::create(&sparse).unwrap().set_len(1 << 50).is_err() {
        // Not every file system has sparse files of this size.
        return;
    }
    let before = bytes_below(&shop.root());
    let run = run(&["import", "--store", &shop.store(), &shop.path("bundle")]);
    assert_eq!(run.status, 3, "{}", run.notes);
    assert!(run.notes.contains("[store/no-space]"), "{}", run.notes);
    assert_eq!(before, bytes_below(&shop.root()));
}

#[test]
fn control_characters_in_labels_do_not_reach_the_terminal() {
    let image = Image::new(REPOSITORY, "x");
    let entry = layout::descriptor(MANIFEST, &image.manifest)
        .with("annotations", object([(REF_NAME, "\u{1b}[2Jgone\r\n".into())]));
    let shop = Shop::new();
    let run = shop.try_import(
        &Layout::new().blob(&image.manifest).blob(&image.blobs[0]).blob(&image.blobs[1]).entry(entry),
    );
    assert_eq!(run.status, 0);
    assert!(!run.notes.contains('\u{1b}') && !run.notes.contains('\r'), "{:?}", run.notes);
}

#[test]
fn a_child_never_vouches_for_its_index() {
    let sigstore = Sigstore::new(9);
    let child = Image::for_platform(REPOSITORY, "x", "linux/amd64");
    let index = Index::new(REPOSITORY, std::slice::from_ref(&child));
    let layer = sigstore.sign_keyless(&sealock_testkit::Identity::example(), &child);
    let shop = Shop::new();
    shop.import(&Layout::new().index(&format!("{REPOSITORY}:1"), &index).signature(&child, &layer));
    let store = Store::open(&shop.root()).unwrap();
    assert!(store.attachments(REPOSITORY, &index.digest().parse().unwrap()).unwrap().is_empty());
    assert_eq!(store.attachments(REPOSITORY, &child.digest().parse().unwrap()).unwrap().len(), 1);
}

/// Whether operators are pinned must not be answered with no where nobody can look: then anything would be taken in.
#[test]
fn operators_that_cannot_be_looked_for_are_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let pinned = |prepare: &dyn Fn(&Path)| {
        let root = tempfile::tempdir_in(folder.path()).unwrap();
        prepare(root.path());
        sealock::store::transfer::requires_seal(root.path())
    };
    assert!(!pinned(&|_| {}));
    assert!(!pinned(&|root| std::fs::create_dir(root.join("seal")).unwrap()));
    assert!(pinned(&|root| std::fs::write(root.join("seal"), b"").unwrap()));
    assert!(pinned(&|root| std::os::unix::fs::symlink("seal", root.join("seal")).unwrap()));
    for name in ["operators.json", "floors.json"] {
        assert!(pinned(&|root| {
            std::fs::create_dir(root.join("seal")).unwrap();
            std::os::unix::fs::symlink("nowhere", root.join("seal").join(name)).unwrap();
        }));
    }
}
