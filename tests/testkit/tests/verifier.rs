//! The Sigstore project's own verifier over what the testkit mints: honest evidence passes, every twist fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stderr, reason = "says what was skipped and why something was refused")]
#![allow(clippy::similar_names, reason = "signer and signed are the words of the domain")]

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
                    eprintln!("{twist:?}: {reason}");
                }
                Some(why) => assert_eq!(verdict, Ok(()), "{twist:?} of {shape:?}: {why}"),
            }
        }
    }
}
