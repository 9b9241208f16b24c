//! Findings that no other test has as its subject, each provoked once.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use sealock::decision::{self, Decision, Question, Roots, Verdict};
use sealock::evidence::{Evidence, Gathered, Kind, Piece, Place, State, classic, limits};
use sealock::image::{Digest, Reference};
use sealock::policy::{self, Input, Loaded, Policy};
use sealock::store::StoreFault;
use sealock::trust::{TrustView, TrustedRoot};
use sealock_testkit::{Algorithm, Identity, Image, Layer, Sigstore, Twist};

const REPOSITORY: &str = "registry.example.com/demo/app";
const HEAD: &str = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\n";

fn load(text: &str) -> Loaded {
    policy::load(&[Input { file: "policy.yaml".into(), bytes: text.into(), from_directory: false }])
}

fn policies(authority: &str) -> Vec<Policy> {
    let loaded =
        load(&format!("{HEAD}spec:\n  images: [{{glob: \"**\"}}]\n  authorities:\n  - {authority}\n"));
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.policies
}

fn keyless() -> Vec<Policy> {
    let identity = Identity::example();
    policies(&format!(
        "keyless: {{url: https://fulcio.example.com, identities: [{{issuer: \"https://token.actions.githubusercontent.com\", subject: \"{}\"}}]}}",
        identity.name.text()
    ))
}

fn parse(layer: &Layer) -> Evidence {
    classic::signature(Digest::sha256(&layer.blob), layer.blob.clone(), &layer.annotations).unwrap()
}

struct World {
    sigstore: Sigstore,
    image: Image,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { sigstore: Sigstore::new(seed), image: Image::new(REPOSITORY, "app") }
    }

    /// The decision about the image when exactly these signatures are held.
    fn decide(&self, policies: &[Policy], signatures: Vec<Evidence>) -> Decision {
        let root = TrustedRoot::from_json(self.sigstore.trusted_root().json().as_bytes()).unwrap();
        let roots = Roots { default: TrustView::build("minted", &root), named: BTreeMap::new() };
        let written = self.image.pinned();
        let reference = Reference::parse(&written).unwrap();
        let pieces = signatures.into_iter().map(|evidence| Piece {
            digest: evidence.digest,
            kind: Kind::ClassicSignature,
            by_subject: false,
            state: State::Read(Box::new(evidence)),
        });
        let gathered = Gathered {
            pieces: pieces.collect(),
            present: vec![Kind::ClassicSignature],
            absent: Vec::new(),
            fault: None,
        };
        let place = Place { repository: reference.repository().to_owned(), tag_prefix: String::new() };
        decision::decide(&Question {
            written: &written,
            reference: &reference,
            digest: Ok(*reference.digest().unwrap()),
            policies,
            evidence: &BTreeMap::from([(place, gathered)]),
            roots: &roots,
        })
    }
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    let of_policies = decision
        .policies
        .iter()
        .flat_map(|p| p.findings.iter().chain(p.authorities.iter().flat_map(|a| &a.findings)));
    decision.findings.iter().chain(of_policies).map(|f| f.code).collect()
}

#[test]
fn a_static_authority_that_fails_says_so() {
    let decision = World::new(1).decide(&policies("static: {action: fail, message: blocked}"), Vec::new());
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy/static-fail"]));
}

/// No document yields one, and if one ever does it accepts nobody.
#[test]
fn a_policy_without_authorities_denies() {
    let mut policies = policies("static: {action: pass}");
    assert_eq!(World::new(2).decide(&policies, Vec::new()).verdict, Verdict::Allow);
    policies[0].authorities.clear();
    let decision = World::new(2).decide(&policies, Vec::new());
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy/no-authority"]));
}

#[test]
fn a_signature_for_another_name_is_allowed_and_told() {
    let world = World::new(3);
    let sign = |name: &str| {
        parse(&world.sigstore.keyless(&Identity::example()).image(name, &world.image.digest()).layer())
    };
    let decision = world.decide(&keyless(), vec![sign("registry.example.com/demo/other")]);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Allow, vec!["ref/signed-for-another-name"]));
    let decision = world.decide(&keyless(), vec![sign(REPOSITORY)]);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Allow, vec![]));
}

#[test]
fn a_key_signature_satisfies_no_keyless_authority() {
    let world = World::new(4);
    let key = world.sigstore.key("release", Algorithm::P256);
    let layer = world.sigstore.keyed(&key).image(REPOSITORY, &world.image.digest()).layer();
    let decision = world.decide(&keyless(), vec![parse(&layer)]);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/no-certificate"]));
}

#[test]
fn an_exhausted_budget_is_undecided() {
    let world = World::new(5);
    let signer = world.sigstore.keyless(&Identity::example());
    let broken = signer.clone().twisted(Twist::SignatureAltered).image(REPOSITORY, &world.image.digest());
    let junk = parse(&broken.layer());
    let full = vec![junk.clone(); limits::CANDIDATES];
    let decision = world.decide(&keyless(), full.clone());
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/bad-signature"]));
    let decision = world.decide(&keyless(), [full, vec![junk]].concat());
    assert_eq!(decision.verdict, Verdict::Undecided);
    assert!(codes(&decision).contains(&"evidence/budget-exhausted"), "{:?}", codes(&decision));
}

#[test]
fn a_name_that_stands_for_nothing_is_undecided() {
    let folder = tempfile::tempdir().unwrap();
    let sealock = |words: &[&str]| {
        let store = folder.path().join("store");
        let output =
            Command::new(env!("CARGO_BIN_EXE_sealock")).args(words).env("SEALOCK_STORE", store).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let policy = folder.path().join("policy.yaml");
    std::fs::write(
        &policy,
        format!("{HEAD}spec: {{images: [{{glob: \"**\"}}], authorities: [{{static: {{action: pass}}}}]}}\n"),
    )
    .unwrap();
    assert_eq!(sealock(&["store", "init"]).0, Some(0));
    let policy = policy.to_str().unwrap();
    let (status, text) =
        sealock(&["verify", "-o", "json", "--policy", policy, "registry.example.com/demo/app:1.0"]);
    assert_eq!(status, Some(3), "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let decision = &answer["decisions"][0];
    assert_eq!(decision["verdict"], "undecided", "{text}");
    assert_eq!(decision["findings"][0]["code"], "image/not-held", "{text}");
}

#[test]
fn documents_are_refused_under_the_code_of_their_fault() {
    let spec =
        |authority: &str| format!("{HEAD}spec: {{images: [{{glob: \"**\"}}], authorities: [{authority}]}}\n");
    for (text, code) in [
        ("a: [".to_owned(), "policy/unreadable"),
        (format!("{HEAD}spec: {{images: [{{glob: \"**\"}}], spec: 1}}\n"), "policy/invalid"),
        (
            spec(
                "{static: {action: fail}, attestations: [{name: a, predicateType: custom, policy: {type: cue, data: \"a: 1\"}}]}",
            ),
            "policy/unsupported",
        ),
    ] {
        let loaded = load(&text);
        assert!(loaded.policies.is_empty(), "{text}");
        let codes: Vec<_> = loaded.errors.iter().map(|e| e.kind.code().name).collect();
        assert!(codes.contains(&code), "{text}: {codes:?}");
    }
}

#[test]
fn the_command_line_shows_codes_of_documents() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    let verify = |text: &str| {
        std::fs::write(&policy, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
            .args([
                "verify",
                "--store",
                folder.path().to_str().unwrap(),
                "--policy",
                policy.to_str().unwrap(),
            ])
            .arg("registry.example.com/demo/app:1.0")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, text) = verify("a: [");
    assert!(status == Some(2) && text.contains("[policy/unreadable]"), "{text}");
    let odd = "{keyless: {url: https://fulcio.example.com, identities: [{issuer: a, subject: b}]}, signatureFormat: odd}";
    let (_, text) = verify(&format!("{HEAD}spec: {{images: [{{glob: \"**\"}}], authorities: [{odd}]}}\n"));
    assert!(text.contains(&format!("note {}: ", policy::codes::UNUSED.name)), "{text}");
}

#[test]
fn what_the_system_refuses_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let sealock = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_sealock")).args(words).env("SEALOCK_STORE", &store).output().unwrap()
    };
    assert!(sealock(&["store", "init"]).status.success());
    // A name longer than any file system takes.
    let output = sealock(&["import", &"x".repeat(300)]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && text.contains("[store/unreadable]"), "{text}");

    let full = io::Error::from(io::ErrorKind::StorageFull);
    let fault = StoreFault::Io { what: "writing", path: store.clone(), source: full };
    assert_eq!(fault.code().name, "store/no-space");
}
