//! Genuine, publicly logged signatures through the one door, and every byte of them flipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "the environment says how many signatures are mutated")]

mod corpus;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corpus::Row;
use sealock::decision::{Question, Roots, Verdict, decide};
use sealock::evidence::{Content, Evidence, Gathered, Kind, Piece, Place, Signer, State, classic};
use sealock::image::{Digest, Reference};
use sealock::trust::TrustView;
use sealock::verify::{
    Demand, LogDemand, Outcome, Purpose, Rejection, SignerDemand, StampDemand, Subject, Verified,
    VerifiedSigner, verify,
};

fn production() -> TrustView {
    TrustView::build("public-good", &sealock_trust_root::embedded::trusted_root().unwrap())
}

fn parse(row: &Row) -> Evidence {
    let payload = STANDARD.decode(&row.payload_b64).unwrap();
    let annotations = BTreeMap::from([
        ("dev.cosignproject.cosign/signature".to_owned(), row.signature.clone()),
        ("dev.sigstore.cosign/certificate".to_owned(), row.certificate_pem.clone()),
        ("dev.sigstore.cosign/bundle".to_owned(), row.bundle.to_string()),
    ]);
    classic::signature(Digest::sha256(&payload), payload, &annotations).unwrap()
}

fn judge(evidence: &Evidence, image: &Digest, view: &TrustView) -> Result<Verified, Rejection> {
    let demand = Demand {
        subject: Subject::Image(image),
        purpose: Purpose::ImageSignature,
        signer: SignerDemand::Keyless { view, sct: true },
        log: LogDemand::Required(view),
        stamp: StampDemand::Optional(view),
    };
    let (account, result) = verify(evidence, &demand);
    let failed = account.checks().any(|(_, outcome)| outcome == Outcome::Failed);
    assert_eq!(result.is_err(), failed, "a failed check and a rejection go together: {result:?}");
    result
}

#[test]
fn every_genuine_signature_verifies_with_its_own_identity() {
    let Some(rows) = corpus::signatures() else { return };
    let view = production();
    for row in &rows {
        let image: Digest = row.manifest_digest.parse().unwrap();
        let proof = judge(&parse(row), &image, &view).unwrap_or_else(|e| panic!("{}: {e}", row.id));
        let VerifiedSigner::Certificate { issuer, subjects, .. } = proof.signer() else {
            panic!("{}", row.id)
        };
        assert_eq!(issuer.as_deref(), Some(row.issuer.as_str()), "{}", row.id);
        assert!(subjects.contains(&row.identity), "{}", row.id);
        assert_eq!((proof.log().name(), proof.time()), ("promise", "log"), "{}", row.id);
    }
    assert_eq!(rows.len(), 488);
}

#[test]
fn the_digest_judged_is_the_digest_signed() {
    let Some(rows) = corpus::signatures() else { return };
    let view = production();
    let other = Digest::sha256(b"another image");
    for row in rows.iter().take(20) {
        assert!(
            matches!(judge(&parse(row), &other, &view), Err(Rejection::SubjectDiffers { .. })),
            "{}",
            row.id
        );
    }
}

/// Every byte of every decoded part, flipped: denied, with a code, never a panic.
/// `SEALOCK_MUTATION_ROWS=all` takes every signature and every bit (`.ci/full mutation`).
#[test]
fn every_byte_flip_is_denied() {
    let Some(rows) = corpus::signatures() else { return };
    let view = production();
    let all = std::env::var("SEALOCK_MUTATION_ROWS").is_ok_and(|text| text == "all");
    // One of each year and kind of signer keeps the usual run short; the parts are the same in all.
    let step = if all { 1 } else { rows.len() / 4 };
    for row in rows.iter().step_by(step) {
        let image: Digest = row.manifest_digest.parse().unwrap();
        let evidence = parse(row);
        judge(&evidence, &image, &view).unwrap();
        let mut flips = 0;
        for part in ["payload", "signature", "certificate", "promise", "body"] {
            let length = part_of(&mut evidence.clone(), part).len();
            let bits = if all { 0..8 * length } else { 0..length };
            for bit in bits {
                // Another bit of each byte, or every bit.
                let (at, bit) = if all { (bit / 8, bit % 8) } else { (bit, bit % 8) };
                let mut altered = evidence.clone();
                part_of(&mut altered, part)[at] ^= 1 << bit;
                let result = reread(altered).map(|e| judge(&e, &image, &view));
                let code = match &result {
                    None => continue, // no longer a claim at all: refused before the door
                    Some(Ok(_)) => panic!("{}: byte {at} of the {part} flipped and still verified", row.id),
                    Some(Err(rejection)) => rejection.code().name,
                };
                assert!(code.starts_with("verify/"), "{code}");
                flips += 1;
            }
        }
        assert!(flips > 1000, "{flips}");
    }
}

#[test]
fn every_signed_number_of_the_entry_counts() {
    let Some(rows) = corpus::signatures() else { return };
    let view = production();
    let row = &rows[0];
    let image: Digest = row.manifest_digest.parse().unwrap();
    for change in 0..3 {
        let mut altered = parse(row);
        let entry = &mut altered.entries[0];
        match change {
            0 => {
                entry.integrated_time =
                    Some(entry.integrated_time.unwrap() + std::time::Duration::from_secs(1));
            }
            1 => entry.log_index += 1,
            _ => entry.log_id[0] ^= 1,
        }
        assert!(matches!(judge(&altered, &image, &view), Err(Rejection::NotLogged { .. })));
    }
}

/// A layer whose parts each verify on their own and belong to different signatures.
#[test]
fn parts_of_two_signatures_never_make_one() {
    let Some(rows) = corpus::signatures() else { return };
    let view = production();
    let (a, b) = (parse(&rows[3]), parse(&rows[40]));
    let image: Digest = rows[3].manifest_digest.parse().unwrap();
    let mut forged = a.clone();
    forged.entries.clone_from(&b.entries);
    assert!(
        matches!(judge(&forged, &image, &view), Err(Rejection::EntryDiffers { .. })),
        "foreign log entry"
    );
    let mut forged = a.clone();
    forged.signer = b.signer.clone();
    assert!(
        matches!(judge(&forged, &image, &view), Err(Rejection::BadSignature { .. })),
        "foreign certificate"
    );
    let mut forged = a.clone();
    forged.signer = b.signer.clone();
    forged.entries.clone_from(&b.entries);
    assert!(
        matches!(judge(&forged, &image, &view), Err(Rejection::BadSignature { .. })),
        "payload nobody signed"
    );
    let mut forged = a.clone();
    forged.entries.push(forged.entries[0].clone());
    assert!(matches!(judge(&forged, &image, &view), Err(Rejection::DuplicateEntry)), "one entry twice");
    let mut forged = a.clone();
    forged.entries[0].promise = None;
    assert!(
        matches!(judge(&forged, &image, &view), Err(Rejection::BadEntry { .. })),
        "neither proof nor promise"
    );
    let mut forged = a;
    forged.entries.clear();
    assert!(matches!(judge(&forged, &image, &view), Err(Rejection::NotLogged { .. })), "no entry");
}

/// A mutable view of one decoded part.
fn part_of<'e>(evidence: &'e mut Evidence, part: &str) -> &'e mut Vec<u8> {
    match (part, &mut evidence.content, &mut evidence.signer) {
        ("payload", Content::SimpleSigning { payload, .. }, _) => payload,
        ("signature", Content::SimpleSigning { signature, .. }, _) => signature,
        ("certificate", _, Signer::Certificate { leaf, .. }) => leaf,
        ("promise", _, _) => evidence.entries[0].promise.as_mut().unwrap(),
        ("body", _, _) => &mut evidence.entries[0].body,
        _ => panic!("{part}"),
    }
}

/// Reads the claim out of an altered payload again, as a reader of the layer would.
fn reread(mut evidence: Evidence) -> Option<Evidence> {
    if let Content::SimpleSigning { payload, claim, .. } = &mut evidence.content {
        *claim = classic::Claim::parse(payload).ok()?;
    }
    Some(evidence)
}

/// One identity signs many images. A genuine signature of a `jdk` is no proof that what is called `php` is one: Sigstore
/// compares no names, so it is allowed as upstream allows it, and both names are told.
#[test]
fn corpus_jdk_as_php() {
    let Some(rows) = corpus::signatures() else { return };
    let policy = br#"
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: chainguard-images-are-signed}
spec:
  images: [{glob: "cgr.dev/chainguard/**"}]
  authorities:
  - keyless:
      url: https://fulcio.sigstore.dev
      identities:
      - issuer: https://token.actions.githubusercontent.com
        subject: https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main
    ctlog: {url: https://rekor.sigstore.dev}
"#;
    let input = sealock::policy::Input { file: "p".into(), bytes: policy.to_vec(), from_directory: false };
    let policies = sealock::policy::load(&[input]).policies;
    let roots = Roots { default: production(), named: BTreeMap::new() };
    let mut seen = 0;
    for row in rows.iter().filter(|row| row.image.starts_with("ghcr.io/chainguard-images/jdk@")) {
        let digest: Digest = row.manifest_digest.parse().unwrap();
        let evidence = parse(row);
        let piece = Piece {
            digest: evidence.digest,
            kind: Kind::ClassicSignature,
            by_subject: false,
            state: State::Read(Box::new(evidence)),
        };
        let gathered =
            Gathered { pieces: vec![piece], present: vec![Kind::ClassicSignature], ..Gathered::default() };
        let written = format!("cgr.dev/chainguard/php@{digest}");
        let reference = Reference::parse(&written).unwrap();
        let place = Place { repository: reference.repository().to_owned(), tag_prefix: String::new() };
        let decision = decide(&Question {
            written: &written,
            reference: &reference,
            digest: Ok(digest),
            policies: &policies,
            evidence: &BTreeMap::from([(place, gathered)]),
            roots: &roots,
        });
        if decision.verdict != Verdict::Allow {
            // Some jdk images were signed by another workflow.
            continue;
        }
        let findings = &decision.policies[0].authorities[0].findings;
        let told = findings.iter().find(|f| f.code == "ref/signed-for-another-name").unwrap();
        assert_eq!(told.expected.as_deref(), Some("cgr.dev/chainguard/php"));
        assert_eq!(told.found.as_deref(), Some("ghcr.io/chainguard-images/jdk"));
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}
