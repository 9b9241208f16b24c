//! Layouts and archives, read with other means: `serde_json`, a digest of every blob, and the `tar` command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests write the files that tar reads")]
#![allow(clippy::print_stderr, reason = "says what was skipped")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use sealock_testkit::evidence::{REKOR_BUNDLE, SIGNATURE};
use sealock_testkit::tar::{self, Member};
use sealock_testkit::{
    Base64Spelling, Identity, Image, Index, JsonSpelling, Layout, Sigstore, Subject, sha256_digest,
};
use serde_json::Value;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Names of `index.json` with the manifests behind them; entries without a name under their digest.
fn named(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Value> {
    let entries = json(&files["index.json"])["manifests"].as_array().unwrap().clone();
    entries
        .iter()
        .map(|entry| {
            let digest = entry["digest"].as_str().unwrap();
            let bytes = blob(files, entry);
            let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or(digest);
            (name.to_owned(), json(bytes))
        })
        .collect()
}

/// The blob that a descriptor means, with digest and size checked.
fn blob<'f>(files: &'f BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'f [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let bytes = &files[&format!("blobs/{}", digest.replace(':', "/"))];
    assert_eq!(sha256_digest(bytes), digest);
    assert_eq!(descriptor["size"].as_u64().unwrap(), bytes.len() as u64);
    bytes
}

#[test]
fn everything_is_found_and_hashes_to_its_name() {
    let sigstore = Sigstore::with_p256_authority(1);
    let amd = Image::for_platform("registry.example.com/demo/app", "one", "linux/amd64");
    let arm = Image::for_platform("registry.example.com/demo/app", "two", "linux/arm64");
    let index = Index::new("registry.example.com/demo/app", &[amd.clone(), arm]);
    let identity = Identity::example();
    let attestation =
        sigstore.keyless(&identity).statement("v0.1", "app", &index.digest(), "https://a.example/v1", "{}");
    let bundle = sigstore.keyless(&identity).image_statement(&index.digest());
    let elsewhere = sigstore.keyless(&identity).image_statement(&amd.digest());
    let absent = Subject::absent("registry.example.com/demo/gone", &sha256_digest(b"gone"));
    let files = Layout::new()
        .index("registry.example.com/demo/app:1.0", &index)
        .signature(&amd, &sigstore.sign_keyless(&identity, &amd))
        .signature(&amd, &sigstore.sign_keyless(&identity, &amd))
        .attestation(&index, &attestation.layer())
        .signature(&absent, &sigstore.keyless(&identity).image("gone", &absent.digest).layer())
        .referrer(&index, &bundle)
        .referrer(&amd, &elsewhere)
        .fallback_index(&index)
        .files();

    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
        assert_eq!(path.strip_prefix("blobs/sha256/").unwrap(), sealock_testkit::sha256_hex(bytes));
    }
    let named = named(&files);
    let hex = |digest: String| digest.replace(':', "-");
    let signatures = &named[&format!("registry.example.com/demo/app:{}.sig", hex(amd.digest()))];
    assert_eq!(signatures["layers"].as_array().unwrap().len(), 2);
    for layer in signatures["layers"].as_array().unwrap() {
        let payload = json(blob(&files, layer));
        assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], amd.digest());
        let entry: Value =
            serde_json::from_str(layer["annotations"][REKOR_BUNDLE].as_str().unwrap()).unwrap();
        assert_eq!(entry["Payload"]["integratedTime"], 1_740_830_405);
    }
    let attestations = &named[&format!("registry.example.com/demo/app:{}.att", hex(index.digest()))];
    assert_eq!(attestations["layers"][0]["annotations"][SIGNATURE], "");
    assert_eq!(attestations["layers"][0]["annotations"]["predicateType"], "https://a.example/v1");
    assert_eq!(json(blob(&files, &attestations["layers"][0]))["payloadType"], "application/vnd.in-toto+json");
    assert!(named.contains_key(&format!("registry.example.com/demo/gone:{}.sig", hex(absent.digest))));

    let fallback = &named[&format!("registry.example.com/demo/app:{}", hex(index.digest()))];
    assert_eq!(fallback["manifests"].as_array().unwrap().len(), 1);
    let referrer = json(blob(&files, &fallback["manifests"][0]));
    assert_eq!(referrer["subject"]["digest"], index.digest());
    assert_eq!(json(blob(&files, &referrer["layers"][0])), json(bundle.bundle().as_bytes()));
    // The referrer of the child has no fallback index: it stands in index.json without a name.
    let loose: Vec<&Value> =
        named.values().filter(|found| found["subject"]["digest"] == amd.digest()).collect();
    assert_eq!(loose.len(), 1);
    assert_eq!(loose[0]["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");

    let children = &named["registry.example.com/demo/app:1.0"]["manifests"];
    assert_eq!(children[1]["platform"]["architecture"], "arm64");
    let manifest = json(blob(&files, &children[1]));
    let config = json(blob(&files, &manifest["config"]));
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
}

#[test]
fn blobs_can_be_missing_and_wrong() {
    let image = Sigstore::with_p256_authority(1).image("app");
    let layer = sha256_digest(&image.blobs[1]);
    let path = format!("blobs/{}", layer.replace(':', "/"));
    let layout = Layout::new().image("registry.example.com/demo/app:1.0", &image);
    assert!(layout.files().contains_key(&path));
    assert!(!layout.clone().without_blob(&layer).files().contains_key(&path));
    assert_eq!(layout.blob_as(&layer, b"planted").files()[&path], b"planted");
}

fn run_tar(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("tar").current_dir(directory).args(arguments).output();
    if output.is_err() {
        eprintln!("skipped: no tar command");
    }
    output.ok()
}

#[test]
fn archives_unpack_to_the_layout() {
    let sigstore = Sigstore::with_p256_authority(2);
    let image = sigstore.image("app");
    let layout = Layout::new()
        .image("registry.example.com/demo/app:1.0", &image)
        .signature(&image, &sigstore.sign_keyless(&Identity::example(), &image));
    let directory = tempfile::tempdir().unwrap();
    layout.write_archive(directory.path().join("layout.tar"));
    let Some(output) = run_tar(directory.path(), &["-xf", "layout.tar"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = tempfile::tempdir().unwrap();
    layout.write(written.path());
    for (path, bytes) in layout.files() {
        assert_eq!(std::fs::read(directory.path().join(&path)).unwrap(), bytes, "{path}");
        assert_eq!(std::fs::read(written.path().join(&path)).unwrap(), bytes, "{path}");
    }
}

#[test]
fn hostile_archives_are_what_they_claim() {
    let members = [
        Member::file("../outside", b"x"),
        Member::file("/absolute", b"x"),
        Member::symlink("link", "/etc/passwd"),
        Member::hardlink("hard", "/etc/passwd"),
        Member::character_device("char"),
        Member::block_device("block"),
        Member::fifo("fifo"),
        Member::directory("directory/"),
        Member::pax(&[("path", "renamed/by/pax")]),
        Member::file("plain", b"seen under another name"),
        Member::gnu_long_name("renamed/by/gnu"),
        Member::file("plain", b"seen under another name"),
        Member::file("twice", b"first"),
        Member::file("twice", b"second"),
    ];
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hostile.tar"), tar::archive(&members)).unwrap();
    let Some(output) = run_tar(directory.path(), &["-P", "-tvf", "hostile.tar"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    for (kind, name) in [
        ('-', " ../outside"),
        ('-', " /absolute"),
        ('l', " link -> /etc/passwd"),
        ('h', " hard link to /etc/passwd"),
        ('c', " char"),
        ('b', " block"),
        ('p', " fifo"),
        ('d', " directory/"),
        ('-', " renamed/by/pax"),
        ('-', " renamed/by/gnu"),
    ] {
        assert!(
            shown.lines().any(|line| line.starts_with(kind) && line.ends_with(name)),
            "{name} in {shown}"
        );
    }
    assert_eq!(shown.lines().filter(|line| line.ends_with(" twice")).count(), 2);

    for (what, bytes) in [
        ("checksum", tar::archive(&[Member::file("a", b"x").with_wrong_checksum()])),
        ("cut", tar::without_end(&[Member::file("a", &[7; 2000])])[..1500].to_vec()),
        ("size", tar::archive(&[Member::file("a", b"x").stating(1 << 40)])),
    ] {
        std::fs::write(directory.path().join("bad.tar"), bytes).unwrap();
        let output = run_tar(directory.path(), &["-tf", "bad.tar"]).unwrap();
        assert!(!output.status.success(), "{what}");
    }
    // What follows the end is invisible to one reader and plain to another.
    let two = tar::concatenated(&[Member::file("first", b"1")], &[Member::file("second", b"2")]);
    std::fs::write(directory.path().join("two.tar"), two).unwrap();
    let seen =
        |arguments: &[&str]| String::from_utf8(run_tar(directory.path(), arguments).unwrap().stdout).unwrap();
    assert_eq!(seen(&["-tf", "two.tar"]), "first\n");
    assert_eq!(seen(&["--ignore-zeros", "-tf", "two.tar"]), "first\nsecond\n");
}

#[test]
fn spellings_change_the_text_and_nothing_else() {
    let sigstore = Sigstore::with_p256_authority(3);
    let layer = sigstore.sign_keyless(&Identity::example(), &sigstore.image("app"));
    let mut spelled = 0;
    for spelling in Base64Spelling::ALL {
        for changed in [
            layer.with_base64_spelling(SIGNATURE, spelling),
            layer.with_member_spelling(REKOR_BUNDLE, "SignedEntryTimestamp", spelling),
            layer.with_member_spelling(REKOR_BUNDLE, "body", spelling),
        ]
        .into_iter()
        .flatten()
        {
            assert_ne!(changed, layer);
            assert_eq!(changed.blob, layer.blob);
            spelled += 1;
        }
    }
    assert!(spelled > 20, "{spelled}");
    for spelling in JsonSpelling::ALL {
        assert_ne!(layer.with_json_spelling(REKOR_BUNDLE, spelling), layer);
        assert_ne!(layer.with_blob_spelling(spelling), layer);
    }
    let capitals = layer.with_log_id_in_capitals();
    assert!(capitals.annotation(REKOR_BUNDLE).eq_ignore_ascii_case(layer.annotation(REKOR_BUNDLE)));
    assert_ne!(capitals, layer);
}

#[test]
fn equal_seeds_give_equal_archives() {
    let archive = |seed| {
        let sigstore = Sigstore::with_p256_authority(seed);
        let image = sigstore.image("app");
        Layout::new()
            .image("registry.example.com/demo/app:1.0", &image)
            .signature(&image, &sigstore.sign_keyless(&Identity::example(), &image))
            .archive()
    };
    assert_eq!(archive(1), archive(1));
    assert_ne!(archive(1), archive(2));
}
