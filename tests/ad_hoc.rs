//! cosign's flags in place of a policy: the official conformance cases, evidence of a real private Sigstore, and what is
//! refused with which code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods)]

mod corpus;
#[path = "corpus/cosign.rs"]
mod cosign;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn sealock(home: &Path, args: &[String]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(args)
        .args(["-o", "json"])
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("an exit status"), document, String::from_utf8(output.stderr).unwrap())
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|&word| word.to_owned()).collect()
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[test]
fn conformance_cases_by_file_and_by_digest() {
    let Some(corpus) = corpus::path() else { return };
    let home = tempfile::tempdir().unwrap();
    let root = corpus.join("bundles-conformance");
    let mut seen = 0;
    for entry in std::fs::read_dir(&root).unwrap() {
        let case = entry.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let or =
            |file: &str, default: PathBuf| Some(case.join(file)).filter(|p| p.exists()).unwrap_or(default);
        let trusted = or("trusted_root.json", corpus.join("trust-roots/trusted_root.production.json"));
        let artifact = or("artifact", root.join("a.txt"));
        let digest = sealock::image::Digest::sha256(&std::fs::read(&artifact).unwrap()).to_string();
        let bundle = case.join("bundle.sigstore.json");
        let mut args = words(&[
            "verify-blob",
            "--bundle",
            bundle.to_str().unwrap(),
            "--trusted-root",
            trusted.to_str().unwrap(),
        ]);
        if name.starts_with("managed-key") {
            args.extend(words(&["--key", case.join("key.pub").to_str().unwrap()]));
        } else {
            let identity = text(&case.join("identity")).unwrap_or_else(|| BEACON.to_owned());
            let issuer = text(&case.join("issuer")).unwrap_or_else(|| GITHUB.to_owned());
            args.extend(words(&["--certificate-identity", &identity, "--certificate-oidc-issuer", &issuer]));
        }
        for subject in [artifact.to_str().unwrap(), &digest] {
            let (code, document, err) = sealock(home.path(), &[args.clone(), words(&[subject])].concat());
            let refused = name.ends_with("_fail");
            assert_eq!(code != 0, refused, "{name} by {subject}: {document} {err}");
            // The one key that is no key is wrong use, not a verdict.
            let expected: &[i32] = if name == "managed-key-wrong-key_fail" { &[2] } else { &[0, 1] };
            assert!(expected.contains(&code), "{name} by {subject}: exit {code}, {err}");
        }
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}

/// Rows where we answer otherwise than the row, each with its reason; all of them may differ.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("mixed:default-alice", "without a format asked for, every kind of evidence counts"),
    ("mixed:classic-gh", "without a format asked for, every kind of evidence counts"),
    ("blob-tt-two-ts-in-and-late-v2", "every time that verifies must fit the certificate"),
    ("blob-tt-two-ts-in-and-late-v2+ts", "every time that verifies must fit the certificate"),
];

fn code_of(document: &Value) -> BTreeSet<String> {
    let findings = document["decisions"][0]["policies"][0]["authorities"][0]["findings"].as_array();
    findings.into_iter().flatten().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn evidence_of_a_real_private_sigstore() {
    let Some(corpus) = corpus::path() else { return };
    let root = corpus.join("private-sigstore");
    let home = tempfile::tempdir().unwrap();
    let mut stores = BTreeMap::new();
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut rows, mut differing) = (0, BTreeSet::new());
    for line in std::fs::read_to_string(root.join("cases.jsonl")).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let id = row["id"].as_str().unwrap();
        let args = cosign::flags(&corpus, &row);
        let (code, document, err) = if let Some(blob) = row["blob"].as_str() {
            let folder = root.join("blobs").join(blob);
            let bundle = folder.join("bundle.sigstore.json");
            let head = words(&["verify-blob", "--bundle", bundle.to_str().unwrap()]);
            sealock(home.path(), &[head, args, words(&[folder.join("artifact").to_str().unwrap()])].concat())
        } else {
            let layout = row["layout"].as_str().unwrap();
            let store = stores.entry(layout.to_owned()).or_insert_with(|| {
                let store = home.path().join(layout).to_str().unwrap().to_owned();
                assert_eq!(
                    sealock(home.path(), &words(&["import", "--dry-run", "--store", "none", "none"])).0,
                    2
                );
                let made = Command::new(env!("CARGO_BIN_EXE_sealock"))
                    .args(["store", "init", "--store", &store])
                    .output()
                    .unwrap();
                assert!(made.status.success());
                let from = root.join("layouts").join(layout);
                let (code, _, err) =
                    sealock(home.path(), &words(&["import", "--store", &store, from.to_str().unwrap()]));
                assert_eq!(code, 0, "{layout}: {err}");
                store
            });
            let head = words(&["verify", "--store", store]);
            sealock(home.path(), &[head, args, words(&[row["image"].as_str().unwrap()])].concat())
        };
        assert!(matches!(code, 0 | 1 | 3) || row["identity_regexp"].is_string(), "{id}: exit {code}, {err}");
        if (code == 0) != (row["expect"] == "accept") {
            differing.insert(id.to_owned());
        }
        for found in code_of(&document) {
            codes.entry(found).or_default().insert(id.to_owned());
        }
        rows += 1;
    }
    assert!(rows > 600, "{rows}");
    let excused: BTreeSet<String> = EXCEPTIONS.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(differing, excused);
    // Every reason that these rows are about is told by its own code.
    for code in [
        "policy/identity-differs",
        "policy/predicate-differs",
        "policy/claim-differs",
        "policy/chain-not-allowed",
        "verify/no-timestamp",
        "verify/not-logged",
        "verify/no-sct",
        "verify/not-valid-then",
        "verify/issuer-not-valid-then",
        "verify/bad-signature",
    ] {
        assert!(codes.contains_key(code), "{code} among {:?}", codes.keys());
    }
}

#[test]
fn nobody_in_particular_is_nobody() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("bundle.json"), "{}").unwrap();
    std::fs::write(home.path().join("key.pub"), "no key").unwrap();
    let blob = ["verify-blob", "--bundle", "bundle.json"];
    for more in [
        &[][..],
        &["--certificate-identity", "x"],
        &["--certificate-oidc-issuer", "x"],
        &["--certificate-identity-regexp", ".*"],
        &["--certificate-identity", "", "--certificate-oidc-issuer", "x"],
        &["--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "x"],
        &["--insecure-ignore-tlog"],
        &["--key", "key.pub"],
        &["--key", "key.pub", "--certificate-identity", "x"],
        &["--certificate-github-workflow-sha", "x"],
        &["--certificate-identity", "x", "--certificate-oidc-issuer", "x", "-a", "novalue"],
    ] {
        let (code, _, err) = sealock(home.path(), &words(&[&blob[..], more, &["bundle.json"]].concat()));
        assert_eq!(code, 2, "{more:?}: {err}");
    }
    let policy = [
        "verify",
        "--policy",
        "p.yaml",
        "--certificate-identity",
        "x",
        "--certificate-oidc-issuer",
        "x",
        "registry.example.com/a/b:1",
    ];
    assert_eq!(sealock(home.path(), &words(&policy)).0, 2, "two ways to ask never mix");
    // The bundle is read and refused, not misused.
    let asked = ["--certificate-identity", "x", "--certificate-oidc-issuer", "x", "bundle.json"];
    let (code, document, _) = sealock(home.path(), &words(&[&blob[..], &asked].concat()));
    assert_eq!((code, code_of(&document).contains("evidence/malformed")), (1, true));
}
