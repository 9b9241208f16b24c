//! Step 4: the log entry is about this content, this signature and this signer, and about nothing else.
//!
//! | kind | what is compared | source |
//! |---|---|---|
//! | `hashedrekord` 0.0.1 | hash of the signed bytes, signature, certificate or key (PEM) | rekor `hashedrekord_v0_0_1_schema.json` |
//! | `hashedrekord` 0.0.2 | the same, certificate or key as DER | rekor-tiles `hashedrekord.proto` |
//! | `dsse` 0.0.1 | payload hash, signature, certificate or key (PEM) | rekor `dsse_v0_0_1_schema.json` |
//! | `dsse` 0.0.2 | payload hash, signature, certificate or key as DER | rekor-tiles `dsse.proto` |
//! | `intoto` 0.0.1 | payload hash, certificate or key (PEM): its body holds no signature | rekor `intoto_v0_0_1_schema.json` |
//! | `intoto` 0.0.2 | payload hash, signature (base64 twice), certificate or key (PEM) | rekor `intoto_v0_0_2_schema.json` |
//!
//! Every entry that a log vouches for must belong; one that does not condemns the evidence, because somebody put it
//! there. The hash of the envelope's JSON is not compared: it depends on white space, and payload, signature and
//! signer bind everything that matters.

use sealock_trust_root::json::{self, Spelling};
use serde_json::Value;

use super::Rejection;
use super::log::{Entries, Found};
use super::signature::{SignedBy, Verifier};
use crate::crypto::{Certificate, HashAlgorithm, PublicKey, pem};
use crate::evidence::{Content, LogEntry, encoding};

/// Compares every entry that a log vouches for with the signature.
pub(super) fn bind(signed: &SignedBy<'_>, found: Found<'_>) -> Result<Entries, Rejection> {
    for proven in &found.proven {
        belongs(signed, proven.entry)?;
    }
    Ok(Entries::of_bound(found))
}

fn bad(reason: impl Into<String>) -> Rejection {
    Rejection::BadEntry { reason: reason.into() }
}

fn belongs(signed: &SignedBy<'_>, entry: &LogEntry) -> Result<(), Rejection> {
    let body: Value = json::parse(&entry.body, Spelling::Exact).map_err(|e| bad(format!("its body: {e}")))?;
    let kind = text(&body, "/kind")?;
    let version = text(&body, "/apiVersion")?;
    if let Some((announced_kind, announced_version)) = &entry.kind_version
        && (announced_kind != kind || announced_version != version)
    {
        return Err(Rejection::EntryDiffers { part: "kind" });
    }
    match (kind, version) {
        ("hashedrekord", "0.0.1") => {
            let spec = "/spec";
            content_hash(
                signed,
                text(&body, &format!("{spec}/data/hash/algorithm"))?,
                &encoding::hex("hash", text(&body, &format!("{spec}/data/hash/value"))?)
                    .map_err(|e| bad(e.to_string()))?,
            )?;
            same_signature(signed, &strict(text(&body, "/spec/signature/content")?)?)?;
            same_pem(signed, text(&body, "/spec/signature/publicKey/content")?)
        }
        ("hashedrekord", "0.0.2") => {
            let spec = "/spec/hashedRekordV002";
            content_hash(
                signed,
                text(&body, &format!("{spec}/data/algorithm"))?,
                &strict(text(&body, &format!("{spec}/data/digest"))?)?,
            )?;
            same_signature(signed, &strict(text(&body, &format!("{spec}/signature/content"))?)?)?;
            same_der(signed, &body, &format!("{spec}/signature/verifier"))
        }
        ("dsse", "0.0.1") => {
            payload_hash(signed, &body, "/spec/payloadHash")?;
            one_of(&body, "/spec/signatures", |signature| {
                same_signature(signed, &strict(text(signature, "/signature")?)?)?;
                same_pem(signed, text(signature, "/verifier")?)
            })
        }
        ("dsse", "0.0.2") => {
            let spec = "/spec/dsseV002";
            let payload = envelope_payload(signed)?;
            let algorithm = text(&body, &format!("{spec}/payloadHash/algorithm"))?;
            let digest = strict(text(&body, &format!("{spec}/payloadHash/digest"))?)?;
            compare_hash(payload, algorithm, &digest, "payload hash")?;
            one_of(&body, &format!("{spec}/signatures"), |signature| {
                same_signature(signed, &strict(text(signature, "/content")?)?)?;
                same_der(signed, signature, "/verifier")
            })
        }
        ("intoto", "0.0.1") => {
            payload_hash(signed, &body, "/spec/content/payloadHash")?;
            same_pem(signed, text(&body, "/spec/publicKey")?)
        }
        ("intoto", "0.0.2") => {
            payload_hash(signed, &body, "/spec/content/payloadHash")?;
            one_of(&body, "/spec/content/envelope/signatures", |signature| {
                // The signature stands there as base64 of its base64.
                let inner = String::from_utf8(strict(text(signature, "/sig")?)?)
                    .map_err(|_| bad("its signature is not base64 of base64"))?;
                same_signature(signed, &strict(&inner)?)?;
                same_pem(signed, text(signature, "/publicKey")?)
            })
        }
        _ => Err(bad(format!("kind {kind} {version} is not supported"))),
    }
}

fn text<'b>(body: &'b Value, pointer: &str) -> Result<&'b str, Rejection> {
    body.pointer(pointer).and_then(Value::as_str).ok_or_else(|| bad(format!("its body has no {pointer}")))
}

fn strict(encoded: &str) -> Result<Vec<u8>, Rejection> {
    encoding::base64("entry body", encoded).map_err(|e| bad(e.to_string()))
}

/// Some element of a list must fit; the nearest reason is that of the last one tried.
fn one_of(
    body: &Value,
    pointer: &str,
    fits: impl Fn(&Value) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let list = body
        .pointer(pointer)
        .and_then(Value::as_array)
        .ok_or_else(|| bad(format!("its body has no {pointer}")))?;
    let mut nearest = Rejection::EntryDiffers { part: "signature" };
    for element in list {
        match fits(element) {
            Ok(()) => return Ok(()),
            Err(e) => nearest = e,
        }
    }
    Err(nearest)
}

fn envelope_payload<'s>(signed: &'s SignedBy<'_>) -> Result<&'s [u8], Rejection> {
    match &signed.evidence().content {
        Content::Envelope { envelope, .. } => Ok(&envelope.payload),
        _ => Err(Rejection::EntryDiffers { part: "kind" }),
    }
}

fn payload_hash(signed: &SignedBy<'_>, body: &Value, pointer: &str) -> Result<(), Rejection> {
    let payload = envelope_payload(signed)?;
    let value = encoding::hex("payload hash", text(body, &format!("{pointer}/value"))?)
        .map_err(|e| bad(e.to_string()))?;
    compare_hash(payload, text(body, &format!("{pointer}/algorithm"))?, &value, "payload hash")
}

fn content_hash(signed: &SignedBy<'_>, algorithm: &str, expected: &[u8]) -> Result<(), Rejection> {
    let found = signed.signed().digest(named(algorithm)?);
    let found = found.ok_or_else(|| {
        bad(format!(
            "it holds a {algorithm} digest, but of the artifact only another digest is known: give the file"
        ))
    })?;
    if found == expected { Ok(()) } else { Err(Rejection::EntryDiffers { part: "content hash" }) }
}

fn named(algorithm: &str) -> Result<HashAlgorithm, Rejection> {
    HashAlgorithm::named(algorithm)
        .ok_or_else(|| bad(format!("hash algorithm {algorithm:?} is not supported")))
}

fn compare_hash(
    content: &[u8],
    algorithm: &str,
    expected: &[u8],
    part: &'static str,
) -> Result<(), Rejection> {
    if named(algorithm)?.digest(content) == expected { Ok(()) } else { Err(Rejection::EntryDiffers { part }) }
}

fn same_signature(signed: &SignedBy<'_>, found: &[u8]) -> Result<(), Rejection> {
    if signed.signature() == found { Ok(()) } else { Err(Rejection::EntryDiffers { part: "signature" }) }
}

/// The certificate or key of the entry, base64 of PEM, is the one that verified.
fn same_pem(signed: &SignedBy<'_>, encoded: &str) -> Result<(), Rejection> {
    let pem_text = String::from_utf8(strict(encoded)?).map_err(|_| bad("its verifier is not PEM"))?;
    let (label, der) = pem::first(&pem_text).map_err(|e| bad(format!("its verifier: {e}")))?;
    let same = match signed.verifier() {
        Verifier::Certificate(leaf) => label == "CERTIFICATE" && *leaf == der,
        // A log may hold the key as itself or inside a certificate; it is the same key either way.
        Verifier::Key(key) if label == "CERTIFICATE" => {
            Certificate::from_der(&der).is_ok_and(|found| found.spki == key.spki())
        }
        Verifier::Key(key) => PublicKey::from_pem(&pem_text).is_ok_and(|found| found.spki() == key.spki()),
    };
    if same { Ok(()) } else { Err(Rejection::EntryDiffers { part: "certificate or key" }) }
}

/// The same for Rekor v2, where it stands as DER.
fn same_der(signed: &SignedBy<'_>, body: &Value, pointer: &str) -> Result<(), Rejection> {
    let at = |member: &str| body.pointer(&format!("{pointer}/{member}/rawBytes")).and_then(Value::as_str);
    let (expected, found) = match signed.verifier() {
        Verifier::Certificate(leaf) => (leaf.as_slice(), at("x509Certificate")),
        Verifier::Key(key) => (key.spki(), at("publicKey")),
    };
    let found = found.ok_or(Rejection::EntryDiffers { part: "certificate or key" })?;
    if strict(found)? == expected {
        Ok(())
    } else {
        Err(Rejection::EntryDiffers { part: "certificate or key" })
    }
}
