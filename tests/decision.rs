//! Decisions over whole layouts: what a policy and the evidence that is held come to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::similar_names)]

use std::collections::BTreeMap;
use std::path::Path;

use sealock::decision::{self, Decision, Question, Roots, Verdict};
use sealock::evidence::{Gathered, Kind, Piece, State, limits};
use sealock::image::Reference;
use sealock::policy::{self, Input, Policy};
use sealock::store::{LayoutDirectory, gather};
use sealock::trust::{TrustView, TrustedRoot};
use sealock_testkit::signer::{CHAIN, REKOR_BUNDLE, SIGNATURE};
use sealock_testkit::{Algorithm, Identity, Image, Layer, Layout, Sigstore, Twist};

#[path = "decision/fetched.rs"]
mod fetched;

const NAME: &str = "registry.example.com/demo/app:1.0";
const REPOSITORY: &str = "registry.example.com/demo/app";

struct World {
    sigstore: Sigstore,
    image: Image,
    roots: Roots,
}

impl World {
    fn new(seed: u64) -> Self {
        let sigstore = Sigstore::new(seed);
        let root = TrustedRoot::from_json(sigstore.trusted_root().json().as_bytes()).unwrap();
        let foreign = TrustedRoot::from_json(sigstore.foreign().trusted_root().json().as_bytes()).unwrap();
        let named = BTreeMap::from([("other".to_owned(), TrustView::build("other", &foreign))]);
        let roots = Roots { default: TrustView::build("minted", &root), named };
        Self { image: Image::new(REPOSITORY, "app"), sigstore, roots }
    }

    fn layer(&self, identity: &Identity) -> Layer {
        self.sigstore.keyless(identity).image(REPOSITORY, &self.image.digest()).layer()
    }

    fn layout(&self, layers: &[Layer]) -> Layout {
        let layout = Layout::new().image(NAME, &self.image);
        if layers.is_empty() {
            return layout;
        }
        let (manifest, config) = sealock_testkit::layout::evidence_manifest(layers);
        let tag = sealock_testkit::layout::Subject::from(&self.image).tag(".sig");
        let mut layout = layout.blob(&config);
        for layer in layers {
            layout = layout.blob(&layer.blob);
        }
        layout.manifest(&tag, "application/vnd.oci.image.manifest.v1+json", &manifest)
    }

    fn decide(&self, layout: &Layout, policies: &[Policy]) -> Decision {
        let folder = tempfile::tempdir().unwrap();
        layout.write(folder.path());
        self.decide_in(folder.path(), policies, &self.image.pinned())
    }

    fn decide_in(&self, folder: &Path, policies: &[Policy], written: &str) -> Decision {
        let source = LayoutDirectory::open(folder).unwrap();
        let reference = Reference::parse(written).unwrap();
        let digest = *reference.digest().unwrap();
        let mut evidence = BTreeMap::new();
        for policy in policies {
            for authority in &policy.authorities {
                let place = decision::place(authority, &reference);
                let gathered = gather::gather(&source, &place, &digest);
                evidence.insert(place, gathered);
            }
        }
        decision::decide(&Question {
            written,
            reference: &reference,
            digest: Ok(digest),
            policies,
            evidence: &evidence,
            roots: &self.roots,
        })
    }
}

fn policies(text: &str) -> Vec<Policy> {
    let loaded =
        policy::load(&[Input { file: "policy.yaml".into(), bytes: text.into(), from_directory: false }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.policies
}

fn keyless(mode: &str, subject: &str, more: &str) -> String {
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: p-{mode}}}\nspec:\n  mode: {mode}\n  images: [{{glob: \"registry.example.com/**\"}}]\n  authorities:\n  - keyless:\n      url: https://fulcio.sigstore.dev\n      identities: [{{issuer: \"https://token.actions.githubusercontent.com\", subject: \"{subject}\"}}]\n    ctlog: {{url: https://rekor.sigstore.dev}}\n{more}"
    )
}

fn own(mode: &str) -> Vec<Policy> {
    policies(&keyless(mode, Identity::example().name.text(), ""))
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    let authorities = decision.policies.iter().flat_map(|p| &p.authorities);
    decision.findings.iter().chain(authorities.flat_map(|a| &a.findings)).map(|f| f.code).collect()
}

#[test]
fn signed_is_allowed_and_says_by_whom() {
    let world = World::new(1);
    let decision = world.decide(&world.layout(&[world.layer(&Identity::example())]), &own("enforce"));
    assert_eq!(decision.verdict, Verdict::Allow);
    let evidence = &decision.policies[0].authorities[0].evidence[0];
    assert_eq!(evidence.verdict, "passed");
    assert_eq!(evidence.identity.as_ref().unwrap().subject, Identity::example().name.text());
    let strength = evidence.strength.as_ref().unwrap();
    assert_eq!((strength.log, strength.time), ("promise", "log"));
}

#[test]
fn the_nearest_miss_is_shown() {
    let world = World::new(2);
    let subject = Identity::example().name.text().replace("main", "other");
    let decision = world.decide(
        &world.layout(&[world.layer(&Identity::example())]),
        &policies(&keyless("enforce", &subject, "")),
    );
    assert_eq!(decision.verdict, Verdict::Deny);
    let finding = &decision.policies[0].authorities[0].findings[0];
    assert_eq!(finding.code, "policy/identity-differs");
    assert!(
        finding.message.contains("the issuer matches, the subject differs at byte"),
        "{}",
        finding.message
    );
    assert!(finding.expected.as_ref().unwrap().contains(&subject));
    assert!(finding.found.as_ref().unwrap().contains(Identity::example().name.text()));
}

#[test]
fn nothing_held_is_undecided_and_nothing_matching_is_denied() {
    let world = World::new(3);
    let decision = world.decide(&world.layout(&[]), &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Undecided, vec!["evidence/not-mirrored"]));
    let decision = world.decide(&world.layout(&[]), &[]);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy/no-match"]));
    assert_eq!(decision.findings[0].message, "no matching policies");
}

#[test]
fn thousand_junk_signatures_still_allow() {
    let world = World::new(4);
    let genuine = world.layer(&Identity::example());
    let other = Identity::uri("https://issuer.example.com", "https://attacker.example.com/x");
    let foreign = world.layer(&other);
    // Junk of three kinds: another identity, the wanted identity with a broken signature, and no sense at all.
    // Without their chains and entries, or a thousand of them would not fit into one manifest.
    let bare = |layer: &Layer| layer.clone().without_annotation(CHAIN).without_annotation(REKOR_BUNDLE);
    let mut layers = Vec::new();
    for n in 0..333_u32 {
        layers.push(bare(&foreign).with_annotation("n", n.to_string()));
        let broken = sealock_testkit::base64(&n.to_be_bytes());
        layers.push(bare(&genuine).with_annotation(SIGNATURE, broken));
        layers.push(bare(&genuine).with_annotation(SIGNATURE, format!("not base64 {n}")));
    }
    layers.push(genuine);
    assert_eq!(layers.len(), 1000);
    let decision = world.decide(&world.layout(&layers), &own("enforce"));
    assert_eq!(decision.verdict, Verdict::Allow, "{:?}", codes(&decision));
    layers.pop();
    let decision = world.decide(&world.layout(&layers), &own("enforce"));
    assert_eq!(decision.verdict, Verdict::Deny, "{:?}", codes(&decision));
    // One more than is read of one manifest: its pieces are refused together, by name.
    layers.extend([bare(&foreign), bare(&foreign)]);
    let decision = world.decide(&world.layout(&layers), &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["evidence/malformed"]));
}

#[test]
fn evidence_that_cannot_be_read_is_undecided_never_allowed() {
    let world = World::new(5);
    let foreign = world.layer(&Identity::uri("https://issuer.example.com", "https://attacker.example.com/x"));
    let genuine = world.layer(&Identity::example());
    let blob = sealock_testkit::sha256_digest(&genuine.blob);
    let layout = world.layout(std::slice::from_ref(&genuine)).without_blob(&blob);
    let decision = world.decide(&layout, &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Undecided, vec!["evidence/unreadable"]));
    // A damaged blob is not the same as none, also beside one that was judged and failed.
    let damaged = world.layout(&[genuine, foreign]).blob_as(&blob, b"something else");
    let decision = world.decide(&damaged, &own("enforce"));
    assert_eq!(decision.verdict, Verdict::Undecided, "{:?}", codes(&decision));
}

#[test]
fn policies_are_anded_and_authorities_ored() {
    let world = World::new(6);
    let layout = world.layout(&[world.layer(&Identity::example())]);
    let fail = "  - static: {action: fail, message: blocked}\n";
    let identity = Identity::example();
    let subject = identity.name.text();
    let decision = world.decide(&layout, &policies(&keyless("enforce", subject, fail)));
    assert_eq!(decision.verdict, Verdict::Allow, "one authority suffices");
    let blocked = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: blocked}\nspec:\n  images: [{glob: \"**\"}]\n  authorities:\n  - static: {action: fail, message: on purpose}\n";
    let both = format!("{}---\n{blocked}", keyless("enforce", subject, ""));
    let decision = world.decide(&layout, &policies(&both));
    assert_eq!((decision.verdict, decision.policies.len()), (Verdict::Deny, 2));
    assert!(decision.policies[1].authorities[0].findings[0].message.contains("on purpose"));
}

#[test]
fn a_warning_policy_warns_and_hides_nothing() {
    let world = World::new(7);
    let layout = world.layout(&[world.layer(&Identity::example())]);
    let other = keyless("warn", "https://github.com/another", "");
    assert_eq!(world.decide(&layout, &policies(&other)).verdict, Verdict::Warn);
    for mode in ["enforce", "warn"] {
        let failing = keyless("enforce", "https://github.com/another", "");
        let pair = [other.clone(), failing];
        let text = if mode == "warn" {
            pair.join("---\n")
        } else {
            [&pair[1], &pair[0]].map(String::as_str).join("---\n")
        };
        assert_eq!(world.decide(&layout, &policies(&text)).verdict, Verdict::Deny, "{mode} first");
    }
}

#[test]
fn child_never_vouches_for_index() {
    let world = World::new(8);
    let child = Image::for_platform(REPOSITORY, "app", "linux/amd64");
    let index = sealock_testkit::Index::new(REPOSITORY, std::slice::from_ref(&child));
    let signer = world.sigstore.keyless(&Identity::example());
    let on_child = signer.image(REPOSITORY, &child.digest()).layer();
    let on_index = signer.image(REPOSITORY, &index.digest()).layer();
    for (subject, own, other) in
        [(&child.pinned(), &on_child, &on_index), (&index.pinned(), &on_index, &on_child)]
    {
        let judge = |layer: &Layer| {
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::new().index(NAME, &index);
            let layout = if *subject == child.pinned() {
                layout.signature(&child, layer)
            } else {
                layout.signature(&index, layer)
            };
            layout.write(folder.path());
            world.decide_in(folder.path(), &self::own("enforce"), subject)
        };
        assert_eq!(judge(own).verdict, Verdict::Allow, "{subject}");
        let wrong = judge(other);
        assert_eq!(
            (wrong.verdict, codes(&wrong)),
            (Verdict::Deny, vec!["verify/subject-differs"]),
            "{subject}"
        );
    }
}

#[test]
fn a_bundle_satisfies_only_authorities_that_ask_for_one() {
    let world = World::new(9);
    let signed = world.sigstore.keyless(&Identity::example()).image_statement(&world.image.digest());
    let layout = Layout::new().image(NAME, &world.image).referrer(&world.image, &signed);
    let decision = world.decide(&layout, &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy/format-differs"]));
    let identity = Identity::example();
    let subject = identity.name.text();
    let bundle = policies(&keyless("enforce", subject, "    signatureFormat: bundle\n"));
    let decision = world.decide(&layout, &bundle);
    assert_eq!(decision.verdict, Verdict::Allow, "{:?}", codes(&decision));
    let classic = world.layout(&[world.layer(&Identity::example())]);
    assert_eq!(world.decide(&classic, &bundle).verdict, Verdict::Deny);
    let twisted = world.sigstore.keyless(&Identity::example()).twisted(Twist::ProofAltered);
    let signed = twisted.image_statement(&world.image.digest());
    let layout = Layout::new().image(NAME, &world.image).referrer(&world.image, &signed);
    let decision = world.decide(&layout, &bundle);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/not-logged"]));
}

/// What anybody can push beside an image: a referrer with an in-toto type that nobody signed (policy-controller
/// PR 1971 admitted it).
#[test]
fn pr1971_replay() {
    let world = World::new(10);
    let signed =
        world.sigstore.keyless(&Identity::example()).without_log().image_statement(&world.image.digest());
    let unsigned = signed.bundle().replace(&sealock_testkit::base64(&signed.signature), "AAAA");
    assert_ne!(unsigned, signed.bundle());
    let layout = Layout::new().image(NAME, &world.image).bundle(&world.image, unsigned.as_bytes(), None);
    let identity = Identity::example();
    let subject = identity.name.text();
    for more in ["", "    signatureFormat: bundle\n"] {
        let decision = world.decide(&layout, &policies(&keyless("enforce", subject, more)));
        assert_eq!(decision.verdict, Verdict::Deny, "{:?}", codes(&decision));
    }
}

#[test]
fn a_trust_root_that_was_not_given_is_undecided() {
    let world = World::new(11);
    let layout = world.layout(&[world.layer(&Identity::example())]);
    let identity = Identity::example();
    let subject = identity.name.text();
    let named = |name: &str| {
        let text = keyless("enforce", subject, "").replace(
            "https://fulcio.sigstore.dev\n",
            &format!("https://fulcio.sigstore.dev\n      trustRootRef: {name}\n"),
        );
        policies(&text)
    };
    let decision = world.decide(&layout, &named("missing"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Undecided, vec!["policy/trust-root-missing"]));
    let decision = world.decide(&layout, &named("other"));
    assert_eq!(decision.verdict, Verdict::Deny, "evidence of one root under another: {:?}", codes(&decision));
}

#[test]
fn a_key_authority_reads_no_log_unless_asked() {
    let world = World::new(12);
    let key = world.sigstore.key("release", Algorithm::P256);
    let pem = key.public_pem().trim().replace('\n', "\n        ");
    let policy = |ctlog: &str| {
        policies(&format!(
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: keyed}}\nspec:\n  images: [{{glob: \"**\"}}]\n  authorities:\n  - key:\n      data: |\n        {pem}\n{ctlog}"
        ))
    };
    let signer = world.sigstore.keyed(&key);
    let bare = signer.clone().without_log().image(REPOSITORY, &world.image.digest()).layer();
    let logged = signer.image(REPOSITORY, &world.image.digest()).layer();
    let url = "    ctlog: {url: https://rekor.sigstore.dev}\n";
    assert_eq!(world.decide(&world.layout(std::slice::from_ref(&bare)), &policy("")).verdict, Verdict::Allow);
    let decision = world.decide(&world.layout(&[bare]), &policy(url));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/not-logged"]));
    let decision = world.decide(&world.layout(&[logged]), &policy(url));
    assert_eq!(decision.verdict, Verdict::Allow, "{:?}", codes(&decision));
}

#[test]
fn reasons_outside_of_verification_have_their_codes() {
    let world = World::new(13);
    let layout = world.layout(&[world.layer(&Identity::example())]);
    let blocked = policies(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: blocked}\nspec:\n  images: [{glob: \"**\"}]\n  authorities:\n  - static: {action: fail, message: on purpose}\n",
    );
    assert_eq!(codes(&world.decide(&layout, &blocked)), ["policy/static-fail"]);
    // No document without authorities is valid; if one ever came this far, it accepts nobody.
    let mut nobody = blocked;
    nobody[0].authorities.clear();
    let decision = world.decide(&layout, &nobody);
    assert_eq!(
        (decision.verdict, decision.policies[0].findings[0].code),
        (Verdict::Deny, "policy/no-authority")
    );
    // A key signature under a keyless authority.
    let key = world.sigstore.key("release", Algorithm::P256);
    let keyed = world.sigstore.keyed(&key).image(REPOSITORY, &world.image.digest()).layer();
    let decision = world.decide(&world.layout(&[keyed]), &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/no-certificate"]));
    // The same digest signed under another name: allowed, and said.
    let elsewhere = world
        .sigstore
        .keyless(&Identity::example())
        .image("elsewhere.example.com/app", &world.image.digest());
    let decision = world.decide(&world.layout(&[elsewhere.layer()]), &own("enforce"));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Allow, vec!["ref/signed-for-another-name"]));
    // A name that stands for nothing.
    let reference = Reference::parse(NAME).unwrap();
    let decision = decision::decide(&Question {
        written: NAME,
        reference: &reference,
        digest: Err("not held".into()),
        policies: &own("enforce"),
        evidence: &BTreeMap::new(),
        roots: &world.roots,
    });
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Undecided, vec!["image/not-held"]));
}

/// A flood is not a denial: past the budget the answer is that nobody knows.
#[test]
fn past_the_budget_nothing_is_decided() {
    let world = World::new(14);
    let layer = world.layer(&Identity::example()).with_annotation(SIGNATURE, "AAAA");
    let blob = sealock::image::Digest::sha256(&layer.blob);
    let evidence =
        sealock::evidence::classic::signature(blob, layer.blob.clone(), &layer.annotations).unwrap();
    let piece = Piece {
        digest: blob,
        kind: Kind::ClassicSignature,
        by_subject: false,
        state: State::Read(Box::new(evidence)),
    };
    let reference = Reference::parse(&world.image.pinned()).unwrap();
    let policies = own("enforce");
    for (count, verdict, code) in [
        (limits::CANDIDATES, Verdict::Deny, "verify/bad-signature"),
        (limits::CANDIDATES + 1, Verdict::Undecided, "evidence/budget-exhausted"),
    ] {
        let gathered = Gathered { pieces: vec![piece.clone(); count], ..Gathered::default() };
        let place = decision::place(&policies[0].authorities[0], &reference);
        let decision = decision::decide(&Question {
            written: NAME,
            reference: &reference,
            digest: Ok(*reference.digest().unwrap()),
            policies: &policies,
            evidence: &BTreeMap::from([(place, gathered)]),
            roots: &world.roots,
        });
        assert_eq!(decision.verdict, verdict, "{count}");
        assert!(codes(&decision).contains(&code), "{count}: {:?}", codes(&decision));
    }
}

/// A referrer that one repository lists is not evidence in another: as with a `.sig` tag, the place counts.
#[test]
fn evidence_of_another_repository_does_not_count() {
    let world = World::new(15);
    let signed = world.sigstore.keyless(&Identity::example()).image_statement(&world.image.digest());
    let elsewhere = Image::new("registry.example.com/other/app", "app");
    assert_eq!(elsewhere.digest(), world.image.digest(), "one digest in two repositories");
    let identity = Identity::example();
    let bundle = policies(&keyless("enforce", identity.name.text(), "    signatureFormat: bundle\n"));
    let bare = Layout::new().image(NAME, &world.image).referrer(&world.image, &signed);
    assert_eq!(world.decide(&bare, &bundle).verdict, Verdict::Allow, "listed nowhere: it counts everywhere");
    let here = bare.clone().fallback_index(&world.image);
    assert_eq!(world.decide(&here, &bundle).verdict, Verdict::Allow);
    let there = bare.fallback_index(&elsewhere);
    let decision = world.decide(&there, &bundle);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Undecided, vec!["evidence/not-mirrored"]));
}

#[test]
fn every_attestation_that_is_asked_for_must_be_there() {
    let world = World::new(16);
    let identity = Identity::example();
    let attest = |kind: &str| {
        let signer = world.sigstore.keyless(&identity);
        signer.statement("v1", REPOSITORY, &world.image.digest(), kind, "{}").layer()
    };
    let (vuln, provenance) =
        ("https://cosign.sigstore.dev/attestation/vuln/v1", "https://slsa.dev/provenance/v1");
    let asked = "    attestations:\n    - {name: v, predicateType: vuln}\n    - {name: p, predicateType: slsaprovenance1}\n";
    let policy = policies(&keyless("enforce", identity.name.text(), asked));
    let layout = |layers: &[Layer]| {
        layers.iter().fold(Layout::new().image(NAME, &world.image), |layout, layer| {
            layout.attestation(&world.image, layer)
        })
    };
    assert_eq!(world.decide(&layout(&[attest(vuln), attest(provenance)]), &policy).verdict, Verdict::Allow);
    let decision = world.decide(&layout(&[attest(vuln)]), &policy);
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy/predicate-differs"]));
    let signature = world.layout(&[world.layer(&identity)]);
    assert_eq!(world.decide(&signature, &policy).verdict, Verdict::Deny, "a signature is no attestation");
}

#[test]
fn references_of_a_bundle_authority_must_agree() {
    let world = World::new(17);
    let signed = world.sigstore.keyless(&Identity::example()).image_statement(&world.image.digest());
    let layout = Layout::new().image(NAME, &world.image).referrer(&world.image, &signed);
    let identity = Identity::example();
    for more in ["    rfc3161timestamp: {trustRootRef: other}\n", ""] {
        let text = keyless("enforce", identity.name.text(), &format!("    signatureFormat: bundle\n{more}"));
        let text = if more.is_empty() {
            text.replace("ctlog: {url: ", "ctlog: {trustRootRef: other, url: ")
        } else {
            text
        };
        let decision = world.decide(&layout, &policies(&text));
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Deny, vec!["policy/references-differ"]),
            "{text}"
        );
    }
}

/// Upstream lets a missing timestamp pass and switches the log off; here both must hold.
#[test]
fn a_timestamp_that_is_demanded_must_be_there() {
    let world = World::new(18);
    let identity = Identity::example();
    let layout = world.layout(&[world.layer(&identity)]);
    let text = keyless("enforce", identity.name.text(), "    rfc3161timestamp: {trustRootRef: other}\n");
    let decision = world.decide(&layout, &policies(&text));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["verify/no-timestamp"]));
}

/// Indexes that list one manifest a thousand times, on each of four levels: read once each, not 10^12 times.
#[test]
fn index_bomb_below_a_signature_tag() {
    use sealock_testkit::json::{Json, object};
    use sealock_testkit::layout::{INDEX, MANIFEST, descriptor, evidence_manifest};
    let world = World::new(31);
    let layer = world.layer(&Identity::example());
    let (manifest, config) = evidence_manifest(std::slice::from_ref(&layer));
    let mut layout = Layout::new().image(NAME, &world.image).blob(&config).blob(&layer.blob).blob(&manifest);
    let mut below = descriptor(MANIFEST, &manifest);
    let mut bytes = Vec::new();
    for _ in 0..limits::NESTED_INDEXES {
        bytes = object([
            ("schemaVersion", 2_i64.into()),
            ("mediaType", INDEX.into()),
            ("manifests", Json::Array(vec![below; limits::LAYERS])),
        ])
        .compact()
        .into_bytes();
        below = descriptor(INDEX, &bytes);
        layout = layout.blob(&bytes);
    }
    let tag = sealock_testkit::layout::Subject::from(&world.image).tag(".sig");
    let decision = world.decide(&layout.manifest(&tag, INDEX, &bytes), &own("enforce"));
    // The one genuine signature at the bottom is found, and found once.
    assert_eq!(decision.verdict, Verdict::Allow, "{:?}", codes(&decision));
    assert_eq!(decision.policies[0].authorities[0].evidence.len(), 1);
}

/// More manifests in a signature index than are read are not silently cut off.
#[test]
fn overlong_signature_index_is_said_and_not_cut() {
    use sealock_testkit::json::{Json, object};
    use sealock_testkit::layout::{INDEX, MANIFEST, descriptor};
    let world = World::new(32);
    let children = (0..=limits::LAYERS).map(|n| descriptor(MANIFEST, n.to_string().as_bytes())).collect();
    let bytes = object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", INDEX.into()),
        ("manifests", Json::Array(children)),
    ])
    .compact()
    .into_bytes();
    let tag = sealock_testkit::layout::Subject::from(&world.image).tag(".sig");
    let layout = Layout::new().image(NAME, &world.image).manifest(&tag, INDEX, &bytes);
    let decision = world.decide(&layout, &own("enforce"));
    assert_eq!(codes(&decision), ["evidence/malformed"]);
}
