//! `sealock-mirror diff` as a program: places with the same content are equal whatever form they have, and each kind of
//! difference is told; what cannot be told is neither.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]
#![allow(clippy::disallowed_methods, reason = "tests make stores and look into them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sealock::decision::{Roots, Verdict};
use sealock::image::Reference;
use sealock::store::{Source as _, Store, fsck};
use sealock::trust::{TrustView, TrustedRoot};
use sealock_mirror::pull::judge::judge;
use sealock_testkit::layout::{Image, Index};
use sealock_testkit::registry::{Options, Registry, Reply};
use sealock_testkit::{Identity, Sigstore};
use serde_json::{Value, json};

#[path = "pull/shop.rs"]
#[allow(dead_code)]
mod shop;
#[path = "push/yard.rs"]
#[allow(dead_code)]
mod yard;

use shop::{APP, Run};
use yard::{OPEN, Yard, without_referrers};

impl Yard {
    fn diff(&self, a: &str, b: &str, more: &[&str]) -> Run {
        let host = self.inside.host();
        let all = [&["--plain-http", &host, "-o", "json"], more, &[a, b]].concat();
        self.shop.run("diff", &all)
    }

    #[track_caller]
    fn equal(&self, a: &str, b: &str, more: &[&str]) {
        for (a, b) in [(a, b), (b, a)] {
            let run = self.diff(a, b, more);
            assert_eq!(run.status, 0, "{a} {b}: {}{}", run.data, run.notes);
            assert!(run.json()["compared"].as_u64().unwrap() > 0);
        }
    }

    fn text(&self, name: &str) -> String {
        self.shop.path(name).to_str().unwrap().to_owned()
    }

    /// Another store with what the shop's registry has under a tag.
    fn second(&self, tag: &str) -> String {
        let store = self.text("second");
        let run = self.shop.pull(&["--store", &store, &self.shop.name(APP, tag)]);
        assert_eq!(run.status, 0, "{}", run.data);
        store
    }

    /// Seals the store; gives the transfer.
    fn seal(&self, more: &[&str]) -> Option<String> {
        let path = |name: &str| self.text(name);
        let script = format!("test -e {0} || openssl genpkey -algorithm ed25519 -out {0}", path("k"));
        let key = Command::new("sh").args(["-c", &script]).output();
        if !key.is_ok_and(|done| done.status.success()) {
            println!("skipped: openssl is not on this machine");
            return None;
        }
        let mirror = |args: &[&str]| {
            let run = Command::new(env!("CARGO_BIN_EXE_sealock-mirror")).args(args).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        };
        if !Path::new(&path("operators.json")).exists() {
            mirror(&[
                "operators",
                "init",
                "--key",
                &format!("olga={}", path("k")),
                "-o",
                &path("operators.json"),
            ]);
        }
        let (store, operators, key, output) =
            (path("store"), path("operators.json"), path("k"), path("t.tar"));
        let mut args = vec!["seal", "--store", &store, "--audience", "far-store", "--operators", &operators];
        args.extend(["--key", &key, "-o", &output]);
        args.extend(more);
        mirror(&args);
        Some(output)
    }
}

#[test]
fn the_same_content_is_equal_in_every_form() {
    for inside in [OPEN(), without_referrers()] {
        let (yard, _, _) = Yard::full(inside);
        let store = yard.text("store");
        let second = yard.second("1.0");
        let layout = yard.text("copy");
        std::fs::create_dir(&layout).unwrap();
        for part in ["oci-layout", "index.json", "blobs"] {
            let from = format!("{store}/{part}");
            assert!(Command::new("cp").args(["-r", &from, &layout]).status().unwrap().success());
        }
        let archive = yard.text("copy.tar");
        let tar = ["-cf", &archive, "-C", &layout, "--format=ustar", "oci-layout", "index.json", "blobs"];
        assert!(Command::new("tar").args(tar).status().unwrap().success());
        yard.equal(&store, &second, &[]);
        yard.equal(&store, &layout, &[]);
        yard.equal(&format!("store:{store}"), &format!("oci-archive:{archive}"), &[]);
        yard.equal(&layout, &archive, &[]);
        // The registry that it was pulled from, by repository and by tag.
        let outside = format!("{}/{APP}", yard.shop.registry.host());
        yard.equal(&store, &outside, &[]);
        yard.equal(&layout, &format!("registry:{outside}:1.0"), &[]);
        // The registry that it was pushed to.
        yard.pushed(&[]);
        yard.equal(&store, &format!("{}/in/", yard.inside.host()), &[]);
        yard.equal(&outside, &format!("{}/in/{APP}", yard.inside.host()), &[]);
        if let Some(transfer) = yard.seal(&[]) {
            yard.equal(&store, &transfer, &[]);
            yard.equal(&transfer, &outside, &[]);
            let cut = yard.seal(&["--segment-size", "4K", "--fresh"]).unwrap();
            std::fs::remove_file(&transfer).unwrap();
            yard.equal(&store, &cut, &[]);
            yard.equal(&format!("transfer:{cut}.000"), &layout, &[]);
        }
    }
}

#[test]
fn names_that_differ_are_told() {
    let yard = Yard::new();
    yard.image("1", "x");
    yard.image("2", "y");
    yard.image("3", "z");
    yard.pull("1");
    yard.pull("2");
    yard.pull("3");
    yard.image("3", "moved");
    let second = yard.second("1");
    for tag in ["3", "4"] {
        if tag == "4" {
            yard.image("4", "new");
        }
        let run = yard.shop.pull(&["--store", &second, &yard.shop.name(APP, tag)]);
        assert_eq!(run.status, 0);
    }
    let run = yard.diff(&yard.text("store"), &second, &[]);
    assert_eq!(run.status, 1, "{}", run.data);
    let report = run.json();
    assert_eq!(report["schema"], "sealock.dev/mirror-diff/v1");
    assert_eq!(report["onlyInA"], json!([yard.shop.name(APP, "2")]));
    assert_eq!(report["onlyInB"], json!([yard.shop.name(APP, "4")]));
    assert_eq!(report["moved"][0]["name"], yard.shop.name(APP, "3"));
    assert_eq!(report["moved"][0]["b"], yard.shop.image("moved").digest());
    assert_eq!((&report["compared"], &report["equal"]), (&4.into(), &false.into()));
    // Against the registry: what stands there now.
    let run = yard.diff(&yard.text("store"), &format!("{}/{APP}", yard.shop.registry.host()), &[]);
    assert_eq!(run.status, 1, "{}", run.data);
    assert_eq!(run.json()["onlyInB"], json!([yard.shop.name(APP, "4")]));
}

#[test]
fn evidence_that_differs_is_told() {
    let (yard, index, digests) = Yard::full(without_referrers());
    let store = yard.text("store");
    yard.pushed(&[]);
    let target = format!("{}/in/", yard.inside.host());
    // A signature that is added inside, and an image that is signed no more.
    let signer = yard.shop.sigstore.keyless(&Identity::example());
    let here = sealock_testkit::Subject {
        repository: format!("{}/in/{APP}", yard.inside.host()),
        ..sealock_testkit::Subject::from(&index)
    };
    let added = yard.inside.referrer_bytes(&here, b"made inside", None);
    yard.inside.fallback(&here);
    let run = yard.diff(&store, &target, &[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    let unlike = &run.json()["unlike"][0];
    assert_eq!(unlike["evidenceOnlyInB"][0]["manifest"], added);
    assert_eq!(unlike["evidenceOnlyInB"][0]["channel"], "referrer");
    let lost: Vec<_> = unlike["evidenceOnlyInA"].as_array().unwrap().clone();
    assert!(lost.is_empty(), "{lost:?}");
    // Another signature under the same tag: one layer more, and the others are still the same.
    let key = yard.shop.sigstore.key("inside", sealock_testkit::Algorithm::P256);
    let own = yard.shop.sigstore.keyed(&key).image(&here.repository, &index.digest()).layer();
    drop(signer);
    let fresh = Yard { inside: Registry::with(without_referrers()), ..yard };
    fresh.inside.layers(&here, ".sig", &[own]);
    fresh.pushed(&[]);
    let run = fresh.diff(&store, &format!("{}/in/", fresh.inside.host()), &[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    let unlike = &run.json()["unlike"][0];
    assert_eq!(unlike["evidenceOnlyInA"], json!([]), "{unlike}");
    assert_eq!(unlike["evidenceOnlyInB"].as_array().unwrap().len(), 1, "{unlike}");
    assert_eq!(unlike["evidenceOnlyInB"][0]["channel"], "signature-tag");
    assert_ne!(unlike["evidenceOnlyInB"][0]["manifest"], digests[1]);
}

#[test]
fn missing_content_is_told() {
    let (yard, image) = Yard::signed();
    let (store, second) = (yard.text("store"), yard.second("1"));
    let layout = yard.text("copy");
    std::fs::create_dir(&layout).unwrap();
    for part in ["oci-layout", "index.json", "blobs"] {
        let from = format!("{second}/{part}");
        assert!(Command::new("cp").args(["-r", &from, &layout]).status().unwrap().success());
    }
    let layer = sealock_testkit::sha256_digest(&image.blobs[1]);
    std::fs::remove_file(Path::new(&layout).join("blobs").join(layer.replace(':', "/"))).unwrap();
    let run = yard.diff(&store, &layout, &[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    assert_eq!(run.json()["unlike"][0]["missingInB"], json!([layer]));
    // In a registry, too.
    yard.pushed(&[]);
    yard.inside.script(&format!("HEAD /v2/in/{APP}/blobs/{layer}"), Reply::status(404));
    let run = yard.diff(&store, &format!("{}/in/", yard.inside.host()), &[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    assert_eq!(run.json()["unlike"][0]["missingInB"], json!([layer]));
}

/// A registry that answers anything but "there" and "not there" is neither equal nor different.
#[test]
fn diff_throttled_registry() {
    let (yard, image) = Yard::signed();
    yard.pushed(&[]);
    let (store, target) = (yard.text("store"), format!("{}/in/", yard.inside.host()));
    let path = format!("/v2/in/{APP}");
    let stem = image.digest().replace(':', "-");
    for request in [
        format!("HEAD {path}/manifests/1"),
        format!("GET {path}/manifests/{}", image.digest()),
        format!("GET {path}/manifests/{stem}.sig"),
        format!("GET {path}/manifests/{stem}"),
        format!("GET {path}/referrers/{}", image.digest()),
        format!("HEAD {path}/blobs/{}", sealock_testkit::sha256_digest(&image.blobs[1])),
    ] {
        for reply in [
            Reply::error(403, "DENIED"),
            Reply::error(400, "UNSUPPORTED"),
            Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "9999"),
            Reply::status(303).header("Location", "https://elsewhere.example/"),
        ] {
            if reply.status == 303 && request.contains("/blobs/") {
                continue;
            }
            yard.inside.clear_script();
            yard.inside.script(&request, reply.clone());
            let run = yard.diff(&store, &target, &[]);
            assert_eq!(run.status, 3, "{request} {}: {}{}", reply.status, run.data, run.notes);
            let unknown = run.json()["unknown"].clone();
            assert!(!unknown.as_array().unwrap().is_empty(), "{request}");
        }
    }
    yard.inside.clear_script();
    yard.inside.script(&format!("GET {path}/tags/list"), Reply::error(403, "DENIED"));
    let run = yard.diff(&store, &format!("{}/in/{APP}", yard.inside.host()), &[]);
    assert_eq!(run.status, 3, "{}{}", run.data, run.notes);
}

/// A transfer whose bytes are not what its head binds, or that is cut, is refused or unknown; never equal.
#[test]
fn diff_lying_transfer() {
    let (yard, _) = Yard::signed();
    let store = yard.text("store");
    let Some(transfer) = yard.seal(&[]) else { return };
    let good = std::fs::read(&transfer).unwrap();
    yard.equal(&store, &transfer, &[]);
    let manifest = yard.shop.store().list().unwrap()[0].digest;
    let name = format!("blobs/sha256/{}", manifest.hex());
    let at = good.windows(name.len()).rposition(|w| w == name.as_bytes()).unwrap() + 512;
    let block = sealock::seal::container::block("index.json", 0).unwrap();
    let index = good.windows(100).position(|w| *w == block[..100]).unwrap() + 512;
    for (what, bytes) in [
        ("a manifest", flipped(&good, at + 5)),
        ("index.json", flipped(&good, index + 20)),
        ("its end", good[..good.len() / 2].to_vec()),
        ("the form of the head", flipped(&good, 512)),
    ] {
        std::fs::write(&transfer, bytes).unwrap();
        let run = yard.diff(&store, &transfer, &[]);
        assert_ne!(run.status, 0, "{what}: {}{}", run.data, run.notes);
        assert_ne!(run.status, 101, "{what}: {}", run.notes);
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// What a delta leaves out, because its receiver has it, is no difference.
#[test]
fn a_delta_lacks_nothing() {
    use sealock::seal::{ReceiptKey, Snapshot};
    // The snapshot's own words; the whole way with a receipt is tested across the gap.
    let _ = (std::any::type_name::<ReceiptKey>(), std::any::type_name::<Snapshot>());
    let yard = Yard::new();
    yard.image("1", "x");
    yard.pull("1");
    let Some(program) = verifier() else { return };
    let Some(first) = yard.seal(&[]) else { return };
    let far = yard.text("far");
    let operators = yard.text("operators.json");
    let run = |args: &[&str]| {
        let run = Command::new(&program).args(args).output().unwrap();
        assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stderr).unwrap()
    };
    let notes = run(&["store", "init", "--store", &far, "--id", "far-store", "--operators", &operators]);
    let key =
        notes.lines().find_map(|l| l.strip_prefix("its receipts are checked with ")).unwrap().to_owned();
    let receipt = yard.text("receipt");
    run(&["import", "--store", &far, "--receipt", &receipt, &first]);
    yard.image("2", "y");
    yard.pull("2");
    let store = yard.text("store");
    let (operators, key_file, output) = (yard.text("operators.json"), yard.text("k"), yard.text("delta"));
    let args =
        ["seal", "--store", &store, "--audience", "far-store", "--operators", &operators, "--key", &key_file];
    let more = ["--since", &receipt, "--receipt-key", &key, "-o", &output];
    let done = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"))
        .args([&args[..], &more].concat())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    yard.equal(&store, &output, &[]);
    run(&["import", "--store", &far, &output]);
    yard.equal(&store, &far, &[]);
    yard.equal(&output, &far, &[]);
    // What was sealed is pushed from the far store, and nothing is missing there.
    let report = yard.pushed(&["--store", &far]);
    let images = report["images"].as_array().unwrap();
    assert!(images.len() == 2 && images.iter().all(|image| image["sealed"] == true), "{report}");
    yard.equal(&far, &format!("{}/in/", yard.inside.host()), &[]);
}

fn verifier() -> Option<PathBuf> {
    let given = std::env::var_os("SEALOCK_BIN").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_BIN_EXE_sealock-mirror")).with_file_name("sealock");
    let found = given.unwrap_or_else(beside);
    if !found.is_file() {
        println!("skipped: no verifier at {} (cargo build -p sealock, or SEALOCK_BIN)", found.display());
        return None;
    }
    Some(found)
}

#[test]
fn wrong_use_of_diff_is_told() {
    let (yard, _) = Yard::signed();
    let (store, host) = (yard.text("store"), yard.inside.host());
    let empty = yard.text("empty");
    sealock::store::Writer::init(Path::new(&empty), None, std::time::Duration::ZERO).unwrap();
    std::fs::write(yard.shop.path("junk"), vec![7; 100_000]).unwrap();
    let (whole, junk, other) = (format!("{host}/"), yard.text("junk"), format!("{host}/a/b:1"));
    for [a, b] in [
        [&store, &"nonsense".to_owned()],
        [&store, &junk],
        [&"/nonexistent".to_owned(), &store],
        [&whole, &whole],
        [&whole, &other],
        [&empty, &empty],
    ] {
        let run = yard.diff(a, b, &[]);
        assert_eq!(run.status, 2, "{a} {b}: {}{}", run.data, run.notes);
    }
    assert_eq!(yard.diff(&store, &whole, &["--map", "x"]).status, 2);
}
