//! Bundles of a real private Sigstore, with every byte of every decoded part flipped: refused, or the byte proves nothing
//! and the proof is the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods)]

mod corpus;

use sealock::evidence::{Content, Evidence, Signer, bundle};
use sealock::image::Digest;
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{
    Demand, LogDemand, Purpose, Rejection, SignerDemand, StampDemand, Subject, Verified, verify,
};

/// The decoded parts, and whether every one of their bytes is covered by some signature that is checked.
const PARTS: [(&str, bool); 8] = [
    ("content", true),
    ("signature", true),
    ("certificate", true),
    ("body", true),
    ("promise", true),
    ("hashes", true),
    // Signature lines of witnesses, names of signers, and the padding of base64 prove nothing.
    ("checkpoint", false),
    // Certificates in the bag, status and version numbers prove nothing.
    ("timestamp", false),
];

fn part<'e>(evidence: &'e mut Evidence, name: &str) -> Option<&'e mut [u8]> {
    match name {
        "content" => match &mut evidence.content {
            Content::Envelope { envelope, .. } => Some(&mut envelope.payload),
            _ => None,
        },
        "signature" => match &mut evidence.content {
            Content::Envelope { envelope, .. } => Some(&mut envelope.signatures[0]),
            Content::Message { signature, .. } | Content::SimpleSigning { signature, .. } => Some(signature),
        },
        "certificate" => match &mut evidence.signer {
            Signer::Certificate { leaf, .. } => Some(leaf),
            Signer::Key { .. } => None,
        },
        "body" => evidence.entries.first_mut().map(|entry| entry.body.as_mut_slice()),
        "promise" => evidence.entries.first_mut()?.promise.as_deref_mut(),
        "hashes" => {
            evidence.entries.first_mut()?.proof.as_mut()?.hashes.first_mut().map(<[u8; 32]>::as_mut_slice)
        }
        "timestamp" => evidence.timestamps.first_mut().map(Vec::as_mut_slice),
        _ => None,
    }
}

/// Flips one bit; nothing where there is no such byte, or where the text would be none any more.
fn flipped(evidence: &Evidence, name: &str, at: usize) -> Option<Evidence> {
    let mut altered = evidence.clone();
    if name == "checkpoint" {
        let proof = altered.entries.first_mut()?.proof.as_mut()?;
        let mut bytes = proof.checkpoint.clone().into_bytes();
        *bytes.get_mut(at)? ^= 1 << (at % 7);
        proof.checkpoint = String::from_utf8(bytes).ok()?;
        return Some(altered);
    }
    *part(&mut altered, name)?.get_mut(at)? ^= 1 << (at % 8);
    if let Content::Envelope { envelope, statement } = &mut altered.content {
        *statement = sealock::evidence::statement::Statement::parse(&envelope.payload).ok()?;
    }
    Some(altered)
}

struct Case {
    name: &'static str,
    evidence: Evidence,
    subject: Digest,
    artifact: Option<Vec<u8>>,
    stamp_needed: bool,
}

impl Case {
    fn judge(&self, evidence: &Evidence, view: &TrustView) -> Result<Verified, Rejection> {
        let subject = match &self.artifact {
            Some(bytes) => Subject::Artifact { digest: &self.subject, bytes: Some(bytes) },
            None => Subject::Image(&self.subject),
        };
        let demand = Demand {
            subject,
            purpose: if self.artifact.is_some() { Purpose::Artifact } else { Purpose::ImageSignature },
            signer: SignerDemand::Keyless { view, sct: true },
            log: LogDemand::Required(view),
            stamp: if self.stamp_needed { StampDemand::Required(view) } else { StampDemand::Optional(view) },
        };
        verify(evidence, &demand).1
    }
}

fn cases(root: &std::path::Path) -> Vec<Case> {
    let mut out = Vec::new();
    for (name, stamp_needed) in [("bundle-a-v1-t1", true), ("bundle-a-v2-t1", true)] {
        let blobs = std::fs::read_dir(root.join("layouts").join(name).join("blobs/sha256")).unwrap();
        let bytes = blobs
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .find(|bytes| bytes.windows(14).any(|w| w == b"\"dsseEnvelope\""))
            .unwrap();
        let evidence = bundle::parse(Digest::sha256(&bytes), &bytes).unwrap();
        let Content::Envelope { statement, .. } = &evidence.content else { panic!("{name}") };
        let subject = format!("sha256:{}", statement.subject[0].digest["sha256"]).parse().unwrap();
        out.push(Case { name, evidence, subject, artifact: None, stamp_needed });
    }
    for (name, stamp_needed) in [("sig-a-v1", false), ("sig-a-v2-t1", true)] {
        let folder = root.join("blobs").join(name);
        let bytes = std::fs::read(folder.join("bundle.sigstore.json")).unwrap();
        let artifact = std::fs::read(folder.join("artifact")).unwrap();
        let evidence = bundle::parse(Digest::sha256(&bytes), &bytes).unwrap();
        let subject = Digest::sha256(&artifact);
        out.push(Case { name, evidence, subject, artifact: Some(artifact), stamp_needed });
    }
    out
}

#[test]
fn every_byte_flip_of_a_bundle_is_denied_or_proves_nothing() {
    let Some(corpus) = corpus::path() else { return };
    let root = corpus.join("private-sigstore");
    let trusted = std::fs::read(root.join("trust/trusted_root.json")).unwrap();
    let view = TrustView::build("private", &TrustedRoot::from_json(&trusted).unwrap());
    for case in cases(&root) {
        let honest = case.judge(&case.evidence, &view).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let mut flips = 0;
        for (name, signed) in PARTS {
            let mut refused = 0;
            for at in 0..20_000 {
                let Some(altered) = flipped(&case.evidence, name, at) else {
                    // Some flips leave no text behind; past the longest part there is nothing more to flip.
                    if at > 6_000 {
                        break;
                    }
                    continue;
                };
                flips += 1;
                match case.judge(&altered, &view) {
                    Err(_) => refused += 1,
                    Ok(proof) => {
                        assert!(!signed, "{}: byte {at} of the {name} flipped and still verified", case.name);
                        assert_eq!(proof, honest, "{}: byte {at} of the {name} changes the proof", case.name);
                    }
                }
            }
            let there = flipped(&case.evidence, name, 0).is_some() || name == "checkpoint";
            assert!(refused > 30 || !there || name == "content", "{}: {name}: {refused} refused", case.name);
        }
        assert!(flips > 1500, "{}: {flips}", case.name);
    }
}

/// Copies beside a checkpoint are not signed; whoever changes one is found out all the same.
#[test]
fn unsigned_copies_must_agree() {
    let Some(corpus) = corpus::path() else { return };
    let root = corpus.join("private-sigstore");
    let trusted = std::fs::read(root.join("trust/trusted_root.json")).unwrap();
    let view = TrustView::build("private", &TrustedRoot::from_json(&trusted).unwrap());
    for case in cases(&root) {
        for change in 0..5 {
            let mut altered = case.evidence.clone();
            let entry = &mut altered.entries[0];
            let proof = entry.proof.as_mut().unwrap();
            match change {
                0 => proof.tree_size += 1,
                1 => proof.root_hash[0] ^= 1,
                2 => proof.log_index ^= 1,
                3 => entry.log_id[0] ^= 1,
                _ => entry.kind_version = Some(("hashedrekord".into(), "9.9.9".into())),
            }
            assert!(case.judge(&altered, &view).is_err(), "{}: change {change}", case.name);
        }
        // Neither proof nor promise; the same entry twice; no entry.
        let mut altered = case.evidence.clone();
        (altered.entries[0].proof, altered.entries[0].promise) = (None, None);
        assert!(matches!(case.judge(&altered, &view), Err(Rejection::BadEntry { .. })), "{}", case.name);
        let mut altered = case.evidence.clone();
        altered.entries.push(case.evidence.entries[0].clone());
        assert!(matches!(case.judge(&altered, &view), Err(Rejection::DuplicateEntry)), "{}", case.name);
        let mut altered = case.evidence.clone();
        altered.entries.clear();
        assert!(matches!(case.judge(&altered, &view), Err(Rejection::NotLogged { .. })), "{}", case.name);
    }
}

/// A stamp vouches only for the signature that it is over.
#[test]
fn timestamp_of_another_signature() {
    let Some(corpus) = corpus::path() else { return };
    let root = corpus.join("private-sigstore");
    let trusted = std::fs::read(root.join("trust/trusted_root.json")).unwrap();
    let view = TrustView::build("private", &TrustedRoot::from_json(&trusted).unwrap());
    let mut stamped: Vec<Case> =
        cases(&root).into_iter().filter(|case| case.name.contains("v2-t1")).collect();
    let stamps = std::mem::take(&mut stamped[0].evidence.timestamps);
    assert!(matches!(stamped[0].judge(&stamped[0].evidence, &view), Err(Rejection::NoStamp { .. })));
    stamped[1].evidence.timestamps.clone_from(&stamps);
    assert!(matches!(stamped[1].judge(&stamped[1].evidence, &view), Err(Rejection::NoStamp { .. })));
    stamped[0].evidence.timestamps = vec![stamps[0].clone(), Vec::new(), b"\x30\x00".to_vec()];
    assert!(
        stamped[0].judge(&stamped[0].evidence, &view).is_ok(),
        "broken ones beside a good one are set aside"
    );
}

/// Several signatures over one payload are how an unverified one hides behind a verified one.
#[test]
fn envelope_with_several_signatures_is_no_bundle() {
    let Some(corpus) = corpus::path() else { return };
    let folder = corpus.join("private-sigstore/layouts/bundle-a-v2-t1/blobs/sha256");
    let bytes = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .find(|bytes| bytes.windows(14).any(|w| w == b"\"dsseEnvelope\""))
        .unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let parse = |value: &serde_json::Value| bundle::parse(Digest::sha256(b""), value.to_string().as_bytes());
    assert!(parse(&value).is_ok());
    let signatures = value["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
    signatures.push(signatures[0].clone());
    assert!(parse(&value).is_err());
    value["dsseEnvelope"]["signatures"] = serde_json::json!([]);
    assert!(parse(&value).is_err());
    // Nor one with a member that nobody knows, or with two kinds of content.
    let mut unknown: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    unknown["verificationMaterial"]["extra"] = 1.into();
    assert!(parse(&unknown).is_err());
    let mut both: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    both["messageSignature"] = serde_json::json!({ "signature": "AAAA" });
    assert!(parse(&both).is_err());
}
