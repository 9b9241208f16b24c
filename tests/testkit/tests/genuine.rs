//! The testkit's encoders against genuine evidence: what they write out of its parts is what the real services wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "finds and reads the corpus")]
#![allow(clippy::print_stderr, reason = "says what was skipped")]

use std::path::PathBuf;

use p256::ecdsa::signature::Verifier;
use sealock_testkit::evidence::simple_signing;
use sealock_testkit::json::Json;
use sealock_testkit::rekor::{LogEntry, Proof, dsse, hashedrekord, intoto_v1};
use sealock_testkit::{Hash, base64, unbase64};
use serde_json::Value;

/// The corpus, or `None` with a word about it.
fn corpus() -> Option<PathBuf> {
    let place = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus")),
        PathBuf::from,
    );
    if place.is_dir() {
        return Some(place);
    }
    eprintln!("skipped: no corpus at {}", place.display());
    None
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn file(place: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(corpus()?.join(place)).unwrap())
}

#[test]
fn hashedrekord_bodies_and_payloads_are_reproduced() {
    let Some(lines) = file("classic/signatures.jsonl") else { return };
    let (mut bodies, mut payloads) = (0, 0);
    for line in String::from_utf8(lines).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let payload = unbase64(text(&case["payload_b64"]));
        let signature = unbase64(text(&case["signature"]));
        let body = hashedrekord(
            Hash::Sha256,
            &Hash::Sha256.digest(&payload),
            &signature,
            text(&case["certificate_pem"]),
        );
        let genuine = unbase64(text(&case["bundle"]["Payload"]["body"]));
        assert_eq!(body.canonical().into_bytes(), genuine, "{}", case["id"]);
        bodies += 1;
        let parsed: Value = serde_json::from_slice(&payload).unwrap();
        if parsed["optional"].is_null() {
            let identity = text(&parsed["critical"]["identity"]["docker-reference"]);
            let digest = text(&parsed["critical"]["image"]["docker-manifest-digest"]);
            let minted = simple_signing(identity, digest, &Json::Null);
            // Some signers were not cosign and wrote the members in another order.
            payloads += u32::from(minted.into_bytes() == payload);
        }
    }
    assert!(bodies > 400, "{bodies}");
    assert!(payloads > 0, "{payloads}");
}

#[test]
fn envelope_bodies_are_reproduced() {
    let place = "classic-attestations/ghcr-io-distroless-static-vuln-20220729";
    let Some(envelope) = file(&format!("{place}/envelope.json")) else { return };
    let bundle: Value = serde_json::from_slice(&file(&format!("{place}/bundle.json")).unwrap()).unwrap();
    let certificate = String::from_utf8(file(&format!("{place}/cert.pem")).unwrap()).unwrap();
    let parsed: Value = serde_json::from_slice(&envelope).unwrap();
    let payload = unbase64(text(&parsed["payload"]));
    let genuine = unbase64(text(&bundle["Payload"]["body"]));
    assert_eq!(intoto_v1(&envelope, &payload, &certificate).canonical().into_bytes(), genuine);

    let bundle: Value = serde_json::from_slice(
        &file("cosign-v3/kubewarden-controller-v1.34.0/bundle.sigstore.json").unwrap(),
    )
    .unwrap();
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let genuine = unbase64(text(&entry["canonicalizedBody"]));
    let signed: Value = serde_json::from_slice(&genuine).unwrap();
    let payload = unbase64(text(&bundle["dsseEnvelope"]["payload"]));
    let signature = unbase64(text(&bundle["dsseEnvelope"]["signatures"][0]["sig"]));
    let der = unbase64(text(&bundle["verificationMaterial"]["certificate"]["rawBytes"]));
    let certificate = sealock_testkit::der::pem("CERTIFICATE", &der);
    // The bytes of the envelope that was logged are not in the bundle: its hash is taken over.
    let mut body = dsse(b"", &payload, &signature, &certificate);
    *body.member("spec").member("envelopeHash").member("value") =
        text(&signed["spec"]["envelopeHash"]["value"]).into();
    assert_eq!(body.canonical().into_bytes(), genuine);
}

#[test]
fn promise_of_the_public_log_verifies_over_our_canonical_form() {
    let Some(bundle) = file("classic/gcr-io-distroless-cc-debian12-20260810-2413841358/bundle.json") else {
        return;
    };
    let bundle: Value = serde_json::from_slice(&bundle).unwrap();
    let root: Value =
        serde_json::from_slice(&file("trust-roots/trusted_root.production.json").unwrap()).unwrap();
    let log = &root["tlogs"][0];
    let entry = LogEntry {
        kind: "hashedrekord".to_owned(),
        version: "0.0.1".to_owned(),
        body: unbase64(text(&bundle["Payload"]["body"])),
        integrated_time: bundle["Payload"]["integratedTime"].as_i64().unwrap(),
        log_id: unbase64(text(&log["logId"]["keyId"])).try_into().unwrap(),
        log_index: bundle["Payload"]["logIndex"].as_i64().unwrap(),
        set: unbase64(text(&bundle["SignedEntryTimestamp"])),
        proof: Proof { index: 0, tree_size: 0, root: [0; 32], hashes: Vec::new(), checkpoint: String::new() },
    };
    // The annotation is the same text as the genuine one.
    let genuine = file("classic/gcr-io-distroless-cc-debian12-20260810-2413841358/bundle.json").unwrap();
    assert_eq!(entry.annotation().compact(), String::from_utf8(genuine).unwrap().trim_end());

    // A P-256 key info ends with the uncompressed point.
    let key_info = unbase64(text(&log["publicKey"]["rawBytes"]));
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key_info[key_info.len() - 65..]).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&entry.set).unwrap();
    key.verify(entry.promised().as_bytes(), &signature).unwrap();
    assert_eq!(base64(&entry.log_id), text(&log["logId"]["keyId"]));
}
