//! Warm, uncached verification of one signature, against the signature checks that it cannot do without.
//!
//! `cargo bench --bench verify`. Needs the corpus; what it measures stands in `README.md` beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;
mod measure;

use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corpus::Row;
use der::{Decode, Encode};
use measure::Comparison;
use sealock::crypto::HashAlgorithm;
use sealock::evidence::{Content, Evidence, Signer, classic};
use sealock::image::Digest;
use sealock::trust::TrustView;
use sealock::verify::{Demand, LogDemand, Purpose, SignerDemand, claimed, verify};
use sealock_testkit::{Algorithm, Sigstore};
use serde_json::{Value, json};
use x509_cert::Certificate;

const ROUNDS: usize = 60;
const CALLS: usize = 50;

fn main() {
    let Some(rows) = corpus::signatures() else { return };
    // One whose intermediate is the present one (P-384) and whose subject is a workflow: the usual case.
    let row = rows.iter().find(|row| row.image.starts_with("ghcr.io/chainguard-images/")).unwrap();
    println!("signature {} of {}", row.id, row.image);
    keyless(row);
    keyed();
}

fn annotations(row: &Row) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("dev.cosignproject.cosign/signature".to_owned(), row.signature.clone()),
        ("dev.sigstore.cosign/certificate".to_owned(), row.certificate_pem.clone()),
        ("dev.sigstore.cosign/bundle".to_owned(), row.bundle.to_string()),
    ])
}

fn keyless(row: &Row) {
    let root = sealock_trust_root::embedded::trusted_root().unwrap();
    let view = TrustView::build("public-good", &root);
    let image: Digest = row.manifest_digest.parse().unwrap();
    let payload = STANDARD.decode(&row.payload_b64).unwrap();
    let blob = Digest::sha256(&payload);
    let annotations = annotations(row);
    let evidence = classic::signature(blob, payload.clone(), &annotations).unwrap();
    let demand = Demand {
        image: &image,
        purpose: Purpose::ImageSignature,
        signer: SignerDemand::Keyless { view: &view, sct: true },
        log: LogDemand::Required(&view),
    };
    let checks = raw(&evidence, row, &view);
    let parsed: Vec<_> = checks
        .iter()
        .map(|check| (ParsedPublicKey::new(check.algorithm, &check.key).unwrap(), check))
        .collect();
    let theirs = Theirs::new(row, &payload);

    let mut comparison = Comparison::default();
    comparison.add("raw: 3 x P-256 + 1 x P-384, keys as bytes", || {
        for check in &checks {
            UnparsedPublicKey::new(check.algorithm, &check.key)
                .verify(&check.message, &check.signature)
                .unwrap();
        }
    });
    comparison.add("raw: the same, keys parsed before", || {
        for (key, check) in &parsed {
            key.verify_sig(&check.message, &check.signature).unwrap();
        }
    });
    comparison.add("verify", || verify(&evidence, &demand).1.unwrap());
    comparison.add("claimed identity + verify", || {
        claimed(&evidence).unwrap();
        verify(&evidence, &demand).1.unwrap()
    });
    comparison.add("parsing alone", || classic::signature(blob, payload.clone(), &annotations).unwrap());
    comparison.add("parsing + verify", || {
        let evidence = classic::signature(blob, payload.clone(), &annotations).unwrap();
        verify(&evidence, &demand).1.unwrap()
    });
    comparison.add("sigstore-verify, same evidence as bundle v0.1", || theirs.verify());
    comparison.add("sigstore-verify, parsing of the bundle included", || theirs.parse_and_verify());
    comparison.report("one classic keyless signature, warm, uncached", ROUNDS, CALLS);

    let mut comparison = Comparison::default();
    comparison
        .add("read the embedded trusted_root.json", || sealock_trust_root::embedded::trusted_root().unwrap());
    comparison.add("prove its authorities (trust view)", || TrustView::build("public-good", &root));
    comparison.report("the trust root, once per process", ROUNDS, CALLS);
}

/// A signature check without anything around it.
struct Check {
    algorithm: &'static dyn VerificationAlgorithm,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// The four distinct checks of a classic keyless signature: payload, promise (SET), SCT, certificate.
fn raw(evidence: &Evidence, row: &Row, view: &TrustView) -> Vec<Check> {
    let Content::SimpleSigning { payload, signature, .. } = &evidence.content else { panic!() };
    let Signer::Certificate { leaf, .. } = &evidence.signer else { panic!() };
    let leaf = Certificate::from_der(leaf).unwrap();
    let entry = &evidence.entries[0];
    let check = |algorithm, spki: &[u8], message: Vec<u8>, signature: &[u8]| Check {
        algorithm,
        key: key_bytes(spki),
        message,
        signature: signature.to_vec(),
    };
    let spki = leaf.tbs_certificate.subject_public_key_info.to_der().unwrap();
    let promise = format!(
        "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{}\",\"logIndex\":{}}}",
        row.bundle["Payload"]["body"].as_str().unwrap(),
        entry.integrated_time.unwrap().as_second(),
        hex::encode(&entry.log_id),
        entry.log_index
    );
    let log = view.logs(&entry.log_id).next().unwrap();

    let root = sealock_trust_root::embedded::trusted_root().unwrap();
    let issuer = root
        .certificate_authorities
        .iter()
        .flat_map(|authority| &authority.chain)
        .map(|der| Certificate::from_der(der).unwrap())
        .filter(|issuer| issuer.tbs_certificate.subject == leaf.tbs_certificate.issuer)
        .find(|issuer| issuer.tbs_certificate.subject != issuer.tbs_certificate.issuer)
        .unwrap();
    let issuer_key = issuer.tbs_certificate.subject_public_key_info.to_der().unwrap();
    let (log_id, sct_message, sct_signature) = sct(&leaf, &issuer_key);
    let ct_log = view.ct_logs(log_id).next().unwrap();
    vec![
        check(&ECDSA_P256_SHA256_ASN1, &spki, payload.clone(), signature),
        check(
            &ECDSA_P256_SHA256_ASN1,
            &log.entry.spki,
            promise.into_bytes(),
            entry.promise.as_deref().unwrap(),
        ),
        check(&ECDSA_P256_SHA256_ASN1, &ct_log.entry.spki, sct_message, &sct_signature),
        check(
            &ECDSA_P384_SHA384_ASN1,
            &issuer_key,
            leaf.tbs_certificate.to_der().unwrap(),
            leaf.signature.as_bytes().unwrap(),
        ),
    ]
}

fn key_bytes(spki: &[u8]) -> Vec<u8> {
    x509_cert::spki::SubjectPublicKeyInfoOwned::from_der(spki)
        .unwrap()
        .subject_public_key
        .as_bytes()
        .unwrap()
        .to_vec()
}

/// The first SCT of a certificate: log id, signed bytes (RFC 6962 §3.2), signature.
fn sct(leaf: &Certificate, issuer_key: &[u8]) -> ([u8; 32], Vec<u8>, Vec<u8>) {
    const LIST: &str = "1.3.6.1.4.1.11129.2.4.2";
    let mut tbs = leaf.tbs_certificate.clone();
    let mut extensions = tbs.extensions.take().unwrap();
    let at = extensions.iter().position(|e| e.extn_id.to_string() == LIST).unwrap();
    let list = extensions.remove(at).extn_value;
    tbs.extensions = Some(extensions);
    let list = der::asn1::OctetString::from_der(list.as_bytes()).unwrap().into_bytes();
    let tbs = tbs.to_der().unwrap();
    // List length, SCT length, version; then log id, time, extensions, algorithms, signature.
    let sct = &list[5..];
    let extensions = usize::from(u16::from_be_bytes([sct[40], sct[41]]));
    let rest = &sct[42 + extensions..];
    let signature = rest[4..4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]))].to_vec();
    let mut message = vec![0, 0];
    message.extend(&sct[32..40]);
    message.extend([0, 1]);
    message.extend(sealock::crypto::sha256(issuer_key));
    message.extend(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
    message.extend(tbs);
    message.extend(&sct[40..42 + extensions]);
    (sct[..32].try_into().unwrap(), message, signature)
}

/// The same evidence for the Sigstore project's own verifier.
struct Theirs {
    payload: Vec<u8>,
    json: String,
    bundle: sigstore_verify::types::Bundle,
    verifier: sigstore_verify::Verifier,
    policy: sigstore_verify::VerificationPolicy,
}

impl Theirs {
    fn new(row: &Row, payload: &[u8]) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |value: &Value| value.as_i64().unwrap().to_string();
        let entry = &row.bundle["Payload"];
        let certificate: String =
            row.certificate_pem.lines().filter(|line| !line.starts_with("---")).collect();
        let json = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
            "verificationMaterial": {
                "x509CertificateChain": {"certificates": [{"rawBytes": certificate}]},
                "tlogEntries": [{
                    "logIndex": number(&entry["logIndex"]),
                    "logId": {"keyId": STANDARD.encode(hex::decode(text(&entry["logID"])).unwrap())},
                    "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
                    "integratedTime": number(&entry["integratedTime"]),
                    "inclusionPromise": {"signedEntryTimestamp": text(&row.bundle["SignedEntryTimestamp"])},
                    "canonicalizedBody": text(&entry["body"]),
                }],
            },
            "messageSignature": {
                "messageDigest": {
                    "algorithm": "SHA2_256",
                    "digest": STANDARD.encode(sealock::crypto::sha256(payload)),
                },
                "signature": row.signature,
            },
        })
        .to_string();
        let root = std::str::from_utf8(sealock_trust_root::embedded::TRUSTED_ROOT).unwrap();
        let root = sigstore_verify::trust_root::TrustedRoot::from_json(root).unwrap();
        let theirs = Self {
            payload: payload.to_vec(),
            bundle: sigstore_verify::types::Bundle::from_json(&json).unwrap(),
            json,
            verifier: sigstore_verify::Verifier::new(&root).unwrap(),
            policy: sigstore_verify::VerificationPolicy::new(row.identity.clone(), row.issuer.clone()),
        };
        theirs.verify();
        theirs
    }

    fn verify(&self) {
        self.verifier.verify(self.payload.as_slice(), &self.bundle, &self.policy).unwrap();
    }

    fn parse_and_verify(&self) {
        let bundle = sigstore_verify::types::Bundle::from_json(&self.json).unwrap();
        self.verifier.verify(self.payload.as_slice(), &bundle, &self.policy).unwrap();
    }
}

/// A classic signature with a managed key, minted here: without a log entry, and with one.
fn keyed() {
    let sigstore = Sigstore::new(1);
    let signing = sigstore.key("bench", Algorithm::P256);
    let minted = sigstore.image("app");
    let signed = sigstore.keyed(&signing).image(&minted.repository, &minted.digest());
    let layer = signed.layer();
    let image: Digest = minted.digest().parse().unwrap();
    let blob = Digest::sha256(&layer.blob);
    let evidence = classic::signature(blob, layer.blob.clone(), &layer.annotations).unwrap();
    let Content::SimpleSigning { payload, signature, .. } = &evidence.content else { panic!() };
    let root = sigstore.trusted_root().json();
    let root = sealock_trust_root::root::TrustedRoot::from_json(root.as_bytes()).unwrap();
    let view = TrustView::build("private", &root);
    let key = sealock::crypto::PublicKey::from_spki(&signing.public_der()).unwrap();
    let raw = key_bytes(&signing.public_der());
    let demand = |log| Demand {
        image: &image,
        purpose: Purpose::ImageSignature,
        signer: SignerDemand::Key { key: &key, hash: HashAlgorithm::Sha256 },
        log,
    };
    let (alone, logged) = (demand(LogDemand::None), demand(LogDemand::Required(&view)));
    let mut comparison = Comparison::default();
    comparison.add("raw: 1 x P-256", || {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &raw).verify(payload, signature).unwrap();
    });
    comparison.add("verify, no log asked", || verify(&evidence, &alone).1.unwrap());
    comparison.add("verify, log entry required (a second P-256)", || verify(&evidence, &logged).1.unwrap());
    comparison.report("one classic signature with a P-256 key, warm, uncached", ROUNDS, CALLS);
}
