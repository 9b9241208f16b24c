//! The Sigstore project's own verifier over what the testkit mints: honest evidence passes, every twist fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::similar_names, reason = "signer and signed are the words of the domain")]

use sealock_testkit::calendar::{BASE_TIME, DAY};
use sealock_testkit::json::{Json, object};
use sealock_testkit::{
    Algorithm, EnvelopeEntry, Identity, Shape, Signed, Sigstore, TrustedRoot, Twist, base64,
};
use sigstore_types::{Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy};

fn root(document: &TrustedRoot) -> sigstore_trust_root::TrustedRoot {
    sigstore_trust_root::TrustedRoot::from_json(&document.json()).unwrap()
}

fn policy(identity: &Identity) -> VerificationPolicy {
    VerificationPolicy::any_identity()
        .require_identity(identity.name.text())
        .require_issuer(identity.issuer.as_str())
}

/// A classic signature as the bundle v0.1 that it is in all but name: promise, no proof.
fn classic_bundle(signed: &Signed) -> String {
    let mut value = signed.bundle_value();
    *value.member("mediaType") = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
    if let Some(certificate) = &signed.certificate {
        let chain =
            object([("certificates", Json::Array(vec![object([("rawBytes", base64(certificate).into())])]))]);
        let Json::Object(material) = value.member("verificationMaterial") else { panic!() };
        material[0] = ("x509CertificateChain".to_owned(), chain);
    }
    if let Some(entry) = &signed.entry {
        let mut entry = entry.clone();
        entry.proof.checkpoint.clear();
        *value.member("verificationMaterial").member("tlogEntries") = Json::Array(vec![entry.bundle()]);
    }
    value.compact()
}

fn verify(
    bundle: &str,
    artifact: &[u8],
    policy: &VerificationPolicy,
    trust: &TrustedRoot,
) -> Result<(), String> {
    let bundle = Bundle::from_json(bundle).map_err(|fault| fault.to_string())?;
    sigstore_verify::verify(artifact, &bundle, policy, &root(trust))
        .map(|_| ())
        .map_err(|fault| fault.to_string())
}

fn verify_digest(
    bundle: &str,
    digest: &str,
    policy: &VerificationPolicy,
    trust: &TrustedRoot,
) -> Result<(), String> {
    let bundle = Bundle::from_json(bundle).map_err(|fault| fault.to_string())?;
    let hash = Sha256Hash::from_hex(digest.strip_prefix("sha256:").unwrap()).unwrap();
    sigstore_verify::verify(hash, &bundle, policy, &root(trust))
        .map(|_| ())
        .map_err(|fault| fault.to_string())
}

fn identities() -> Vec<Identity> {
    vec![
        Identity::example(),
        Identity::email("https://accounts.example.com", "alice@example.com"),
        Identity::uri("https://spiffe.example.com", "spiffe://example.com/builder"),
    ]
}

#[test]
fn classic_and_bundle_signatures_pass() {
    for sigstore in [Sigstore::new(1), Sigstore::with_p256_authority(2)] {
        let image = sigstore.image("app");
        for identity in identities() {
            let signed = sigstore.keyless(&identity).image(&image.repository, &image.digest());
            let trust = sigstore.trusted_root();
            verify(&signed.bundle(), signed.content.payload(), &policy(&identity), &trust).unwrap();
            verify(&classic_bundle(&signed), signed.content.payload(), &policy(&identity), &trust).unwrap();
        }
    }
}

#[test]
fn attestations_pass_under_every_kind_of_entry() {
    let sigstore = Sigstore::new(3);
    let image = sigstore.image("app");
    let identity = Identity::example();
    // The verifier reads no `intoto` 0.0.1, which does not hold the signature.
    for kind in [EnvelopeEntry::Dsse, EnvelopeEntry::IntotoV2] {
        for version in ["v0.1", "v1"] {
            let signed = sigstore.keyless(&identity).envelope_entry(kind).statement(
                version,
                &image.repository,
                &image.digest(),
                "https://example.com/predicate/v1",
                r#"{"good":true}"#,
            );
            verify_digest(&signed.bundle(), &image.digest(), &policy(&identity), &sigstore.trusted_root())
                .unwrap_or_else(|fault| panic!("{kind:?} {version}: {fault}"));
        }
    }
}

#[test]
fn managed_keys_pass() {
    let sigstore = Sigstore::new(4);
    let image = sigstore.image("app");
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Rsa2048] {
        let key = sigstore.key("release", algorithm);
        let signed = sigstore.keyed(&key).image(&image.repository, &image.digest());
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(&key.public_der()));
        let bundle = Bundle::from_json(&signed.bundle()).unwrap();
        sigstore_verify::verify(signed.content.payload(), &bundle, &policy, &root(&sigstore.trusted_root()))
            .unwrap_or_else(|fault| panic!("{algorithm:?}: {fault}"));
    }
}

/// Twists that this verifier lets pass because it leaves the check to its caller.
fn left_to_the_caller(twist: Twist, shape: Shape) -> Option<&'static str> {
    match twist {
        Twist::PayloadMemberTwice | Twist::PayloadOfAnotherType if !shape.envelope => {
            Some("the payload's meaning is the caller's")
        }
        Twist::WrongDigest if !shape.envelope => Some("the payload's meaning is the caller's"),
        _ => None,
    }
}

/// Parts of the verifier's messages: each twist is to be refused for what it is, not for bad encoding elsewhere.
fn reasons(twist: Twist) -> &'static [&'static str] {
    match twist {
        Twist::WrongDigest => &["does not match any subject"],
        Twist::PayloadMemberTwice | Twist::PayloadOfAnotherType => &[],
        Twist::PayloadNobodySigned
        | Twist::SignatureAltered
        | Twist::SignatureOfAnotherKey
        | Twist::Stranger
        | Twist::CertificateOfAnotherSignature => &["invalid signature"],
        Twist::CertificateOfAnotherAuthority => &["UnknownIssuer"],
        Twist::SelfSigned | Twist::CertificateAltered => &["InvalidSignatureForPublicKey"],
        Twist::CertificateExpired => &["CertExpired"],
        Twist::CertificateNotYetValid => &["CertNotValidYet"],
        Twist::SctMissing => &["missing SCT"],
        Twist::SctOfUnknownLog => &["SCT signature verification failed: Verification error: key not found"],
        Twist::SctTimeAltered | Twist::SctOfAnotherCertificate => {
            &["SCT signature verification failed: Verification error: ECDSA_P256_SHA256 signature invalid"]
        }
        Twist::CodeSigningMissing | Twist::ServerCertificate => &["RequiredEkuNotFound"],
        Twist::NulInSubject | Twist::NewlineInSubject | Twist::AnsiInSubject => &["identity mismatch"],
        Twist::EntryOfAnotherSignature | Twist::BodyHashOfAnother => {
            &["artifact hash mismatch for hashedrekord entry", "payload hash mismatch"]
        }
        Twist::EntryOfAnotherLog | Twist::LogIdOfAnotherLog => &["No log key valid"],
        Twist::EntryForgedByAnotherLog
        | Twist::SetAltered
        | Twist::IntegratedTimeChanged
        | Twist::LogIndexChanged
        | Twist::BodyReplaced => &["invalid inclusion promise"],
        Twist::BodySignatureOfAnother | Twist::BodyKeyOfAnother => &["log entry does not match the bundle"],
        Twist::BodyOfUnknownKind => &["unsupported Rekor entry format"],
        Twist::BodyMemberTwice => &["duplicate field"],
        Twist::ProofAltered | Twist::ProofIndexChanged | Twist::ProofOfAnotherTree => &["root hash mismatch"],
        Twist::CheckpointAltered => &["No valid Rekor signature found on checkpoint"],
        Twist::CheckpointOfAnotherRoot => &["root hash does not match checkpoint"],
        Twist::CheckpointOfAnotherLog => &["No matching Rekor key found for checkpoint"],
    }
}

#[test]
fn every_twist_is_refused() {
    let identity = Identity::example();
    for shape in [Shape::CLASSIC_KEYLESS, Shape::CLASSIC_ATTESTATION, Shape::BUNDLE] {
        for twist in Twist::of(shape) {
            let sigstore = Sigstore::with_p256_authority(5);
            let image = sigstore.image("app");
            let signer = sigstore.keyless(&identity).twisted(twist);
            let trust = sigstore.trusted_root();
            let signed = if shape.envelope {
                signer.image_statement(&image.digest())
            } else {
                signer.image(&image.repository, &image.digest())
            };
            let bundle = if shape.bundle { signed.bundle() } else { classic_bundle(&signed) };
            let verdict = if shape.envelope {
                verify_digest(&bundle, &image.digest(), &policy(&identity), &trust)
            } else {
                verify(&bundle, signed.content.payload(), &policy(&identity), &trust)
            };
            match left_to_the_caller(twist, shape) {
                None => {
                    let reason = verdict.expect_err(&format!("{twist:?} of {shape:?} must be refused"));
                    let expected = reasons(twist);
                    assert!(
                        expected.iter().any(|part| reason.contains(part)),
                        "{twist:?} of {shape:?}: {reason}"
                    );
                }
                Some(why) => assert_eq!(verdict, Ok(()), "{twist:?} of {shape:?}: {why}"),
            }
        }
    }
}

#[test]
fn every_twist_of_a_keyed_signature_is_refused() {
    for twist in Twist::of(Shape::CLASSIC_KEYED) {
        let sigstore = Sigstore::with_p256_authority(6);
        let image = sigstore.image("app");
        let key = sigstore.key("release", Algorithm::P256);
        let signed = sigstore.keyed(&key).twisted(twist).image(&image.repository, &image.digest());
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(&key.public_der()));
        let verdict = Bundle::from_json(&classic_bundle(&signed))
            .map_err(|fault| fault.to_string())
            .and_then(|bundle| {
                sigstore_verify::verify(
                    signed.content.payload(),
                    &bundle,
                    &policy,
                    &root(&sigstore.trusted_root()),
                )
                .map(|_| ())
                .map_err(|fault| fault.to_string())
            });
        match left_to_the_caller(twist, Shape::CLASSIC_KEYED) {
            None => assert!(verdict.is_err(), "{twist:?} must be refused"),
            Some(why) => assert_eq!(verdict, Ok(()), "{twist:?}: {why}"),
        }
    }
}

#[test]
fn windows_and_absences_of_the_trusted_root_count() {
    let sigstore = Sigstore::with_p256_authority(7);
    let image = sigstore.image("app");
    let identity = Identity::example();
    let signed = sigstore.keyless(&identity).image(&image.repository, &image.digest());
    let judge = |trust: TrustedRoot| {
        verify(&classic_bundle(&signed), signed.content.payload(), &policy(&identity), &trust)
    };
    let (before, start) = (BASE_TIME - DAY, BASE_TIME - 2 * DAY);
    let trust = || sigstore.trusted_root();
    assert_eq!(judge(trust()), Ok(()));
    assert_eq!(judge(sigstore.foreign().trusted_root().with(trust())), Ok(()), "beside another instance");
    assert!(judge(sigstore.foreign().trusted_root()).is_err(), "another instance");
    assert!(judge(trust().authority_window(start, Some(before))).is_err(), "authority ended");
    assert!(judge(trust().rekor_window(start, Some(before))).is_err(), "log ended");
    assert!(judge(trust().ct_log_window(start, Some(before))).is_err(), "CT log ended");
    assert!(judge(trust().authority_window(BASE_TIME + DAY, None)).is_err(), "authority not begun");
    assert!(judge(trust().without_rekor()).is_err(), "no log");
    assert!(judge(trust().without_ct_logs()).is_err(), "no CT log");
}

/// The committed example, read with `serde_json` and mapped to a bundle without the testkit's own types.
#[test]
fn the_example_verifies() {
    let files = sealock_testkit::example::quickstart();
    let blob = |digest: &str| files[&format!("layout/blobs/{}", digest.replace(':', "/"))].clone();
    let index: serde_json::Value = serde_json::from_slice(&files["layout/index.json"]).unwrap();
    let signature = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| {
            entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().contains(":sha256-")
        })
        .unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&blob(signature["digest"].as_str().unwrap())).unwrap();
    let layer = &manifest["layers"][0];
    let payload = blob(layer["digest"].as_str().unwrap());
    let annotation = |name: &str| layer["annotations"][name].as_str().unwrap();
    let certificate: String =
        annotation("dev.sigstore.cosign/certificate").lines().filter(|line| !line.starts_with('-')).collect();
    let entry: serde_json::Value = serde_json::from_str(annotation("dev.sigstore.cosign/bundle")).unwrap();
    let log_id = (0..32)
        .map(|at| {
            u8::from_str_radix(&entry["Payload"]["logID"].as_str().unwrap()[2 * at..2 * at + 2], 16).unwrap()
        })
        .collect::<Vec<u8>>();
    let bundle = serde_json::json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": [{"rawBytes": certificate}]},
            "tlogEntries": [{
                "logIndex": entry["Payload"]["logIndex"].to_string(),
                "logId": {"keyId": base64(&log_id)},
                "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
                "integratedTime": entry["Payload"]["integratedTime"].to_string(),
                "inclusionPromise": {"signedEntryTimestamp": entry["SignedEntryTimestamp"]},
                "canonicalizedBody": entry["Payload"]["body"],
            }],
        },
        "messageSignature": {"signature": annotation("dev.cosignproject.cosign/signature")},
    });
    let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
    let document = String::from_utf8(files["trusted_root.json"].clone()).unwrap();
    let trust = sigstore_trust_root::TrustedRoot::from_json(&document).unwrap();
    let policy = policy(&Identity::example());
    sigstore_verify::verify(payload.as_slice(), &bundle, &policy, &trust).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], index["manifests"][0]["digest"]);
}

#[test]
fn proofs_of_every_tree_size_verify() {
    use sealock_testkit::merkle;
    let hash = |node: &merkle::Node| Sha256Hash::new(*node);
    let leaves: Vec<merkle::Node> = (0..40_u8).map(|number| merkle::leaf(&[number])).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = hash(&merkle::root(tree));
        for index in 0..size {
            let path: Vec<Sha256Hash> = merkle::inclusion(tree, index).iter().map(hash).collect();
            let (at, of) = (index as u64, size as u64);
            sigstore_merkle::verify_inclusion_proof(&hash(&tree[index]), at, of, &path, &root).unwrap();
        }
        for old in 1..=size {
            let path: Vec<Sha256Hash> = merkle::consistency(tree, old).iter().map(hash).collect();
            let before = hash(&merkle::root(&leaves[..old]));
            sigstore_merkle::verify_consistency_proof(old as u64, size as u64, &path, &before, &root)
                .unwrap();
        }
    }
}
