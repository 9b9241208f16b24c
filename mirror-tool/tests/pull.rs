//! `sealock-mirror pull` and `plan` as programs, against registries on loopback: everything arrives, what is not there
//! is proven absent, what is unknown fails, and a kill loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests make stores and look into them")]
#![allow(clippy::print_stdout, reason = "how often a kill met the program is said")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sealock::decision::{Roots, Verdict};
use sealock::image::{Digest, Reference};
use sealock::store::{Source as _, Store, fsck};
use sealock::trust::{TrustView, TrustedRoot};
use sealock_mirror::pull::judge::judge;
use sealock_testkit::layout::{INDEX, Image, Index, MANIFEST};
use sealock_testkit::registry::{Options, Registry, Reply, Shape};
use sealock_testkit::{Identity, Sigstore};
use serde_json::Value;

#[path = "world/kill.rs"]
mod kill;
#[path = "pull/kills.rs"]
mod kills;
#[path = "pull/policies.rs"]
mod policies;
#[path = "pull/shop.rs"]
mod shop;

use shop::{APP, POLICY, Shop, states};

#[test]
fn every_kind_of_evidence_arrives_and_judges_the_same() {
    for options in [
        Options::default(),
        Options { page: 1, ..Options::default() },
        Options { referrers: false, ..Options::default() },
    ] {
        let referrers = options.referrers;
        let shop = Shop::with(options);
        let (index, digests) = shop.everything();
        if !referrers {
            for child in &index.children {
                shop.registry.fallback(child);
            }
            let signature = sealock_testkit::Subject::absent(&index.repository, &digests[1]);
            shop.registry.fallback(&signature);
        }
        let name = shop.name(APP, "1.0");
        let run = shop.pull(&[&name]);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
        let store = shop.store();
        for digest in &digests {
            let bytes = store.read(&digest.parse().unwrap(), 1 << 22).unwrap();
            assert_eq!(Some(bytes), shop.registry.held(APP, digest), "{digest}");
        }
        for blob in index.children.iter().flat_map(|c| &c.blobs) {
            assert_eq!(&store.read(&Digest::sha256(blob), 1 << 22).unwrap(), blob);
        }
        assert_eq!(shop.verdict(&name), Verdict::Allow);
        shop.clean();

        // The ledger has every question about the index, its children and the evidence, and names what it found.
        let [ledger] = &shop.ledgers()[..] else { panic!("one ledger") };
        assert_eq!(
            (ledger["schema"].as_str(), ledger["sequence"].as_u64()),
            (Some("sealock.dev/ledger/v1"), Some(1))
        );
        assert!(ledger["previous"].is_null());
        let questions = ledger["images"][0]["questions"].as_array().unwrap();
        let about = |digest: &str| questions.iter().filter(|q| q["subject"] == digest).count();
        for digest in [&index.digest(), &index.children[0].digest(), &index.children[1].digest(), &digests[1]]
        {
            assert_eq!(about(digest), 5, "{digest}");
        }
        assert!(questions.iter().all(|q| q["state"] == "found" || q["state"] == "absent"));
        assert!(
            questions.iter().filter(|q| q["state"] == "absent").all(|q| q["answer"]
                .as_str()
                .unwrap()
                .starts_with("404")
                || q["answer"].as_str().unwrap().starts_with("200"))
        );

        // The second run transfers nothing and says the same.
        shop.registry.forget_requests();
        let again = shop.pull(&[&name]);
        assert_eq!(again.status, 0, "{}", again.notes);
        let requests = shop.registry.requests();
        assert!(!requests.iter().any(|r| r.path.contains("/blobs/")), "blobs were asked for");
        let bodies =
            requests.iter().filter(|r| r.method == "GET" && r.path.contains("/manifests/sha256:")).count();
        assert_eq!(bodies, 0, "manifests were fetched again");
        assert_eq!(again.json()["fetched"]["new"], 0);
        assert_eq!(shop.ledgers().len(), 1, "equal answers need no new ledger");
    }
}

/// The table of answers again, as the program sees it: what is unknown fails, and only that.
#[test]
fn unknown_fails_unless_it_is_waived_by_name() {
    for (what, reply, state) in [
        ("403", Reply::error(403, "DENIED"), "unknown"),
        ("400", Reply::error(400, "UNSUPPORTED"), "unknown"),
        ("429", Reply::error(429, "X").header("Retry-After", "9999"), "unknown"),
        ("303", Reply::status(303).header("Location", "https://elsewhere.example/"), "unknown"),
        ("404", Reply::error(404, "MANIFEST_UNKNOWN"), "absent"),
    ] {
        let shop = Shop::new();
        let image = shop.image("x");
        shop.registry.image("1", &image);
        let tag = format!("{}.sig", image.digest().replace(':', "-"));
        shop.registry.script(&format!("GET /v2/{APP}/manifests/{tag}"), reply);
        let name = shop.name(APP, "1");
        let run = shop.pull(&[&name]);
        let report = run.json();
        let sig = states(&report).into_iter().find(|(channel, _)| channel == "signature-tag").unwrap();
        assert_eq!(sig.1, state, "{what}");
        if state == "absent" {
            assert_eq!(run.status, 0, "{what}");
            continue;
        }
        assert_eq!(run.status, 3, "{what}: {}", run.data);
        assert_eq!(shop.store().list().unwrap(), [], "{what}: nothing is visible");
        assert!(shop.ledgers().is_empty());
        let question = format!("{}/{APP}@{}#signature-tag", shop.registry.host(), image.digest());
        assert!(run.data.contains(&question), "{what}: the question is named");
        // Another question's waiver does not help, its own does and is recorded.
        let other = shop.pull(&["--waive", &format!("{question}x=because"), &name]);
        assert_eq!(other.status, 3);
        let run = shop.pull(&["--waive", &format!("{question}=throttled since May"), &name]);
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
        let questions = shop.ledgers()[0]["images"][0]["questions"].clone();
        let waived: Vec<_> =
            questions.as_array().unwrap().iter().filter(|q| q["state"] == "waived").cloned().collect();
        assert_eq!(waived.len(), 1);
        assert_eq!(waived[0]["waiver"], "throttled since May");
    }
}

#[test]
fn bogus_fallback() {
    let shop = Shop::with(Options { referrers: false, ..Options::default() });
    let repository = format!("{}/{APP}", shop.registry.host());
    let child = Image::new(&repository, "child");
    let index = Index::new(&repository, std::slice::from_ref(&child));
    shop.registry.index("1", &index);
    // GitLab: the tag leads to the subject itself.
    shop.registry.manifest(APP, &index.digest().replace(':', "-"), INDEX, &index.manifest);
    // Somebody else's: an index of manifests that are about nothing, or about another image.
    let other = shop.image("other");
    shop.registry.referrer_bytes(&other, b"about another", None);
    shop.registry.fallback(&other);
    let foreign = shop.registry.tag(APP, &other.digest().replace(':', "-")).unwrap();
    let foreign = shop.registry.held(APP, &foreign).unwrap();
    shop.registry.manifest(APP, &child.digest().replace(':', "-"), INDEX, &foreign);
    let run = shop.pull(&[&shop.name(APP, "1")]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let report = run.json();
    let questions = report["images"][0]["questions"].as_array().unwrap();
    let fallback = |digest: &str| {
        questions.iter().find(|q| q["channel"] == "fallback-tag" && q["subject"] == digest).unwrap().clone()
    };
    assert_eq!(fallback(&index.digest())["answer"], "200, the subject itself");
    assert_eq!(fallback(&child.digest())["answer"], "200, nothing about it");
    assert!(questions.iter().all(|q| q["state"] == "absent" && q["digests"].as_array().unwrap().is_empty()));
    shop.clean();
}

#[test]
fn manifest_and_index_in_one() {
    let shop = Shop::new();
    let image = shop.image("x");
    shop.registry.image("1", &image);
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    let chimera = text.replacen('{', "{\"manifests\":[],", 1);
    shop.registry.manifest(APP, "both", MANIFEST, chimera.as_bytes());
    let run = shop.pull(&[&shop.name(APP, "both")]);
    assert_eq!(run.status, 3, "{}", run.data);
    assert!(run.data.contains("both"), "{}", run.data);
    // As evidence it is named, left out, and holds nothing up.
    shop.registry.manifest(
        APP,
        &format!("{}.sig", image.digest().replace(':', "-")),
        MANIFEST,
        chimera.as_bytes(),
    );
    let run = shop.pull(&[&shop.name(APP, "1")]);
    assert_eq!(run.status, 0, "{}", run.data);
    assert_eq!(run.json()["images"][0]["refused"].as_array().unwrap().len(), 1);
    shop.clean();
}

/// Thousands of signatures that are none do not hide the good one, and do not stop the mirror.
#[test]
fn flood_of_referrers_does_not_stop_the_mirror() {
    let shop = Shop::with(Options { page: 100, ..Options::default() });
    let image = shop.image("x");
    shop.registry.image("1", &image);
    let signer = shop.sigstore.keyless(&Identity::example());
    shop.registry.referrer(&image, &signer.image_statement(&image.digest()));
    let stranger = shop.sigstore.foreign();
    let junk = stranger.sign_keyless(&Identity::example(), &image);
    let good = shop.sigstore.sign_keyless(&Identity::example(), &image);
    shop.registry.layers(&image, ".sig", &[junk, good]);
    for n in 0..120 {
        let junk = format!(
            r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":7}}"#,
            shop.registry.manifest(APP, "", MANIFEST, format!("junk {n:02}").as_bytes())
        );
        shop.registry.list_referrer(APP, &image.digest(), &junk);
    }
    let name = shop.name(APP, "1");
    let run = shop.pull(&[&name]);
    assert_eq!(run.status, 0, "{}", run.notes);
    assert_eq!(run.json()["images"][0]["refused"].as_array().unwrap().len(), 120);
    assert_eq!(shop.verdict(&name), Verdict::Allow);
}

#[test]
fn wrong_and_short_blobs_are_never_visible() {
    for (what, reply) in [
        ("wrong bytes", Reply::content("x/y", &[7; 2048])),
        ("endless", Reply::content("x/y", b"abc").shape(Shape::Endless)),
        ("gone", Reply::error(404, "BLOB_UNKNOWN")),
        ("forbidden", Reply::error(403, "DENIED")),
    ] {
        let shop = Shop::new();
        let image = shop.image("x");
        shop.registry.image("1", &image);
        let layer = Digest::sha256(&image.blobs[1]);
        shop.registry.script(&format!("GET /v2/{APP}/blobs/{layer}"), reply);
        let name = shop.name(APP, "1");
        let run = shop.pull(&[&name]);
        assert_eq!(run.status, 3, "{what}: {}", run.data);
        assert!(run.data.contains(&layer.to_string()), "{what}");
        assert_eq!(shop.store().list().unwrap(), [], "{what}");
        assert!(shop.store().read(&layer, 1 << 20).is_err(), "{what}");
        shop.clean();
        shop.registry.clear_script();
        assert_eq!(shop.pull(&[&name]).status, 0, "{what}: mended");
        shop.clean();
    }
}

/// Killed, the rerun goes on where it was. Random moments are in `pull/kills.rs`.
#[test]
fn kill_and_rerun() {
    let shop = Shop::new();
    let repository = format!("{}/{APP}", shop.registry.host());
    let layers: Vec<Vec<u8>> =
        (0..3_u32).map(|n| (0..1_000_000_u32).flat_map(|i| (i ^ n).to_le_bytes()).collect()).collect();
    let image = Image::with_layers(&repository, "linux/amd64", &layers);
    shop.registry.image("1", &image);
    let signer = shop.sigstore.keyless(&Identity::example());
    shop.registry.layers(&image, ".sig", &[signer.image(&repository, &image.digest()).layer()]);
    shop.registry.slow(Duration::from_millis(4));
    let name = shop.name(APP, "1");
    let mut killed = 0;
    for round in 0..12_u64 {
        let mut child =
            shop.command("pull", &[&name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 23));
        killed += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        if shop.path("store/store.json").exists() && shop.path("store/index.json").exists() {
            shop.clean();
            let listed = shop.store().list().unwrap();
            assert!(listed.is_empty() || shop.verdict(&name) == Verdict::Allow);
        }
    }
    assert!(killed > 0);
    shop.registry.slow(Duration::ZERO);
    let run = shop.pull(&[&name]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(shop.verdict(&name), Verdict::Allow);
    assert!(
        shop.registry.requests().iter().any(|r| r.header("range").is_some()),
        "a part that was left is continued"
    );
    let left = std::fs::read_dir(shop.path("store/ingest")).unwrap().count();
    assert_eq!(left, 0);
    shop.clean();
}

/// A policy may look for signatures under other tags of the image's own repository, or in another repository.
#[test]
fn places_that_policies_name_are_asked() {
    let shop = Shop::new();
    let image = shop.image("x");
    shop.registry.image("1", &image);
    let signature = shop.sigstore.sign_keyless(&Identity::example(), &image);
    let elsewhere = format!("{}/demo/signatures", shop.registry.host());
    for (source, repository, prefix) in [
        ("tagPrefix: release-".to_owned(), image.repository.clone(), "release-"),
        (format!("oci: {elsewhere}"), elsewhere.clone(), ""),
        (format!("oci: {elsewhere}\n          tagPrefix: old-"), elsewhere, "old-"),
    ] {
        let subject = sealock_testkit::Subject::absent(&repository, &image.digest());
        let manifest = shop.registry.layers(&subject, ".sig", std::slice::from_ref(&signature));
        let path = sealock_testkit::registry::path_of(&repository);
        let tag = format!("{prefix}{}.sig", image.digest().replace(':', "-"));
        let bytes = shop.registry.held(path, &manifest).unwrap();
        shop.registry.manifest(path, &tag, MANIFEST, &bytes);
        let policy = shop.path("source.yaml");
        std::fs::write(&policy, format!("{POLICY}      source:\n        - {source}\n")).unwrap();
        let _ = std::fs::remove_dir_all(shop.path("store"));
        let run = shop.pull(&[
            "--require-verifiable",
            "--policy",
            policy.to_str().unwrap(),
            "--trust-root",
            shop.path("root.json").to_str().unwrap(),
            &shop.name(APP, "1"),
        ]);
        assert_eq!(run.status, 0, "{source}: {}{}", run.data, run.notes);
        assert!(shop.store().resolve(&repository, &tag).is_ok(), "{source}: {tag} came along");
    }
}

#[test]
fn require_verifiable() {
    let shop = Shop::new();
    let policy = shop.path("policy.yaml");
    let root = shop.path("root.json");
    let flags = [
        "--require-verifiable",
        "--policy",
        policy.to_str().unwrap(),
        "--trust-root",
        root.to_str().unwrap(),
    ];
    let image = shop.image("x");
    shop.registry.image("1", &image);
    let name = shop.name(APP, "1");
    let stranger = shop.sigstore.foreign();
    let foreign = stranger.keyless(&Identity::example()).image(&image.repository, &image.digest()).layer();
    shop.registry.layers(&image, ".sig", std::slice::from_ref(&foreign));
    let run = shop.pull(&[&flags[..], &[&name]].concat());
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    let report = run.json();
    assert_eq!(
        (&report["images"][0]["fate"], &report["images"][0]["verdict"]),
        (&"refused".into(), &"deny".into())
    );
    assert!(report["images"][0]["reasons"].as_array().unwrap().len() > 1, "{report}");
    assert_eq!(shop.store().list().unwrap(), []);
    // Mended at the source, it is brought.
    let good = shop.sigstore.sign_keyless(&Identity::example(), &image);
    shop.registry.layers(&image, ".sig", &[foreign, good]);
    let run = shop.pull(&[&flags[..], &[&name]].concat());
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert_eq!(run.json()["images"][0]["verdict"], "allow");
    assert_eq!(shop.verdict(&name), Verdict::Allow);
}

#[test]
fn ledger_required_kind_absent() {
    let shop = Shop::new();
    let image = shop.image("x");
    shop.registry.image("1", &image);
    shop.registry.layers(&image, ".sig", &[shop.sigstore.sign_keyless(&Identity::example(), &image)]);
    let name = shop.name(APP, "1");
    let run = shop.pull(&["--require", "attestation", &name]);
    assert_eq!(run.status, 1, "{}", run.data);
    assert!(run.data.contains("required evidence is proven absent: attestation"));
    assert_eq!(shop.pull(&["--require", "signature", &name]).status, 0);
}

/// Evidence that is an index of which a part cannot be had: what the registry denies is refused and named, what it only
/// does not say stays open. Neither counts as evidence of a required kind.
#[test]
fn parts_of_evidence_are_not_lost_silently() {
    for (what, reply, status) in
        [("denied", Reply::error(404, "MANIFEST_UNKNOWN"), 0), ("forbidden", Reply::error(403, "DENIED"), 3)]
    {
        let shop = Shop::new();
        let image = shop.image("x");
        shop.registry.image("1", &image);
        let part = shop.image("a part of evidence");
        let evidence = Index::new(&image.repository, std::slice::from_ref(&part));
        let tag = format!("{}.att", image.digest().replace(':', "-"));
        shop.registry.index(&tag, &evidence);
        shop.registry.script(&format!("GET /v2/{APP}/manifests/{}", part.digest()), reply);
        let name = shop.name(APP, "1");
        let run = shop.pull(&[&name]);
        assert_eq!(run.status, status, "{what}: {}", run.data);
        let report = run.json();
        let attestation = states(&report).into_iter().find(|(c, _)| c == "attestation-tag").unwrap().1;
        assert_eq!(attestation, if status == 0 { "found" } else { "unknown" }, "{what}");
        assert!(run.data.contains(&part.digest()), "{what}: the part is named");
        let required = shop.pull(&["--require", "attestation", &name]).status;
        assert_eq!(required, if status == 0 { 1 } else { 3 }, "{what}");
        shop.registry.clear_script();
        let run = shop.pull(&["--require", "attestation", &name]);
        assert_eq!(run.status, 0, "{what}: {}", run.data);
        assert!(shop.store().read(&part.digest().parse().unwrap(), 1 << 20).is_ok());
        shop.clean();
    }
}

#[test]
fn platforms_leave_the_index_whole() {
    let shop = Shop::new();
    let (index, _) = shop.everything();
    let run = shop.pull(&["--platform", "linux/arm64", &shop.name(APP, "1.0")]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let store = shop.store();
    assert_eq!(store.read(&index.digest().parse().unwrap(), 1 << 20).unwrap(), index.manifest);
    let held = |child: &Image| store.read(&child.digest().parse().unwrap(), 1 << 20).is_ok();
    assert!(!held(&index.children[0]) && held(&index.children[1]));
    shop.clean();
}

#[test]
fn plans_are_deterministic_and_are_executed_as_they_stand() {
    let shop = Shop::new();
    let (index, _) = shop.everything();
    for tag in ["1.1.0", "1.2.0", "2.0.0", "1.3.0-rc1", "latest"] {
        shop.registry.image(tag, &shop.image(tag));
    }
    let file = shop.path("mirror.yaml");
    let text = format!(
        "apiVersion: sealock.dev/v1\nkind: Mirror\nimages:\n- name: {0}/{APP}:1.0\n- name: {0}/{APP}\n  versions: '^1'\n",
        shop.registry.host()
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let one = shop.run("plan", &["-f", &file]);
    assert_eq!(one.status, 0, "{}", one.notes);
    assert_eq!(one.data, shop.run("plan", &["-f", &file]).data);
    assert!(!shop.path("store").exists(), "a plan writes nothing");
    let plan = one.json();
    let names: Vec<_> =
        plan["images"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, [shop.name(APP, "1.0"), shop.name(APP, "1.1.0"), shop.name(APP, "1.2.0")]);
    assert_eq!(plan["images"][0]["digest"], index.digest());
    assert_eq!(plan["total"]["newBytes"], plan["total"]["bytes"]);
    // The tag moves; the plan stays what was reviewed.
    shop.registry.image("1.1.0", &shop.image("moved"));
    let written = shop.path("plan.json");
    std::fs::write(&written, &one.data).unwrap();
    let run = shop.pull(&["--plan", written.to_str().unwrap()]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let reference = Reference::parse(&shop.name(APP, "1.1.0")).unwrap();
    let held = shop.store().resolve(reference.repository(), "1.1.0").unwrap().digest;
    assert_eq!(held.to_string(), shop.image("1.1.0").digest());
    let again = shop.run("plan", &["-f", &file]).json();
    assert_eq!(again["images"][0]["amount"]["newBlobs"], 0);
    // Manifests on standard input are walked for images.
    let pod = shop.path("pod.yaml");
    std::fs::write(
        &pod,
        format!("kind: Pod\nspec: {{containers: [{{image: '{}'}}]}}\n", shop.name(APP, "2.0.0")),
    )
    .unwrap();
    let plan = shop.run("plan", &["--manifests", pod.to_str().unwrap()]).json();
    assert_eq!(plan["images"][0]["digest"], shop.image("2.0.0").digest());
}

#[test]
fn a_dry_run_changes_nothing() {
    let shop = Shop::new();
    shop.everything();
    let run = shop.pull(&["--dry-run", &shop.name(APP, "1.0")]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert!(!shop.path("store").exists());
    assert!(run.json()["fetched"]["blobs"].as_u64().unwrap() > 3);
    assert!(!shop.registry.requests().iter().any(|r| r.path.contains("/blobs/")));
}

#[test]
fn wrong_use_is_told() {
    let shop = Shop::new();
    for more in [
        &[][..],
        &["A b"],
        &["-f", "/nonexistent.yaml"],
        &["--waive", "x", "a.io/bb"],
        &["--require", "x", "a.io/bb"],
        &["--ca-file", "/dev/null", "a.io/bb"],
    ] {
        let run = shop.pull(more);
        assert_eq!(run.status, 2, "{more:?}: {}", run.notes);
        assert!(!run.notes.is_empty());
    }
    let run = shop.pull(&[&shop.name("no/such", "1")]);
    assert_eq!(run.status, 3, "{}", run.data);
}

/// Images that share everything are brought together, each content once.
#[test]
fn shared_content_is_fetched_once() {
    let shop = Shop::new();
    let (index, _) = shop.everything();
    shop.registry.index("2.0", &index);
    shop.registry.image("child", &index.children[0]);
    let names = [shop.name(APP, "1.0"), shop.name(APP, "2.0"), shop.name(APP, "child")];
    let run = shop.pull(&[&names[0], &names[1], &names[2]]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    for blob in index.children.iter().flat_map(|child| &child.blobs) {
        assert_eq!(shop.registry.count(&format!("GET /v2/{APP}/blobs/{}", Digest::sha256(blob))), 1);
    }
    for name in &names[..2] {
        assert_eq!(shop.verdict(name), Verdict::Allow);
    }
    assert_eq!(shop.ledgers()[0]["images"].as_array().unwrap().len(), 3);
    shop.clean();
}

#[test]
fn login_and_logout() {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let access = sealock_testkit::registry::Access::Basic { user: "u".into(), password: "p q".into() };
    let shop = Shop::with(Options { access, ..Options::default() });
    shop.registry.image("1", &shop.image("x"));
    let name = shop.name(APP, "1");
    assert_eq!(shop.pull(&[&name]).status, 3);
    let host = shop.registry.host();
    let run = |args: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"))
            .args(args)
            .env("DOCKER_CONFIG", shop.path("docker"))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait().unwrap().code().unwrap()
    };
    assert_eq!(run(&["login", "-u", "u", "--password-stdin", &host], b"p q\n"), 0);
    let file = shop.path("docker/config.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let pulled = shop.pull(&[&name]);
    assert_eq!(pulled.status, 0, "{}{}", pulled.data, pulled.notes);
    assert!(!pulled.data.contains("p q") && !pulled.notes.contains("p q"));
    assert_eq!(run(&["logout", &host], b""), 0);
    assert_eq!(shop.pull(&[&shop.name(APP, "2")]).status, 3);
}

/// A credential helper is a program of docker's naming; one that says it has nothing is not one that fails.
#[test]
fn credential_helpers() {
    use std::os::unix::fs::PermissionsExt as _;
    let access = sealock_testkit::registry::Access::Token {
        user: None,
        identity: Some("refresh-me".into()),
        seconds: 60,
    };
    let shop = Shop::with(Options { access, ..Options::default() });
    shop.registry.image("1", &shop.image("x"));
    // Anonymous tokens are refused, so that only the helper's identity token helps.
    shop.registry.script("GET /token", Reply::error(401, "UNAUTHORIZED"));
    let bin = shop.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(shop.path("docker")).unwrap();
    let helper = bin.join("docker-credential-test");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let name = shop.name(APP, "1");
    let pull = |script: &str, configuration: &str| {
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(shop.path("docker/config.json"), configuration).unwrap();
        shop.command("pull", &["--dry-run", "-o", "json", &name]).env("PATH", &path).output().unwrap()
    };
    let store = r#"{"credsStore":"test"}"#;
    let good = r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"<token>\",\"Secret\":\"refresh-me\"}""#;
    assert_eq!(pull(good, store).status.code(), Some(0));
    for (script, configuration, said) in [
        ("echo credentials not found in native keychain; exit 1", store, "answered 401"),
        ("exit 3", store, "docker-credential-test failed"),
        ("yes | head -c 3000000", store, "says too much"),
        ("echo '{}'", store, "lacks Username"),
        (good, r#"{"credsStore":"../test"}"#, "is none"),
        (good, "not json", "not JSON"),
    ] {
        let run = pull(script, configuration);
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(run.status.code(), Some(3), "{script}: {text}");
        assert!(text.contains(said), "{script}: {text}");
        assert!(!text.contains("refresh-me"));
    }
}
