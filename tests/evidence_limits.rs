//! Everything foreign that verification loops over: as much as the limit is read and judged in little time, one more is
//! refused before anything is verified.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "says how long a flood took")]

mod minted;

use std::time::{Duration, Instant};

use minted::{World, judge, read_bundle};
use sealock::evidence::{EvidenceFault, limits};
use sealock_testkit::evidence::IN_TOTO;
use sealock_testkit::json::{Json, object};
use sealock_testkit::{Algorithm, EnvelopeEntry, RekorV2, Signed, der};

/// What a reader says about a bundle; `Ok` is how the door judged it.
fn outcome(world: &World, text: &str) -> Result<Result<(), &'static str>, &'static str> {
    let view = world.view();
    let begin = Instant::now();
    let verdict = match read_bundle(text) {
        Ok(evidence) => Ok(judge(&evidence, &world.demand(&view)).map(drop)),
        Err(EvidenceFault::Limit { part, .. }) => Err(part),
        Err(other) => panic!("{other}"),
    };
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    verdict
}

#[test]
fn stamps_entries_and_chains() {
    let world = World::new(80);
    let honest = world.sign(&world.stamped());
    let stamps = |count: usize| {
        let timestamps = vec![honest.timestamps[0].clone(); count];
        outcome(&world, &Signed { timestamps, ..honest.clone() }.bundle())
    };
    assert_eq!(stamps(limits::TIMESTAMPS), Ok(Ok(())));
    assert_eq!(stamps(limits::TIMESTAMPS + 1), Err("timestamps"));
    let entries = |count: usize| {
        let foreign = RekorV2::new(81, "elsewhere.example.com", Algorithm::Ed25519);
        let body =
            |n: usize| format!("{{\"apiVersion\":\"0.0.2\",\"kind\":\"dsse\",\"n\":{n}}}").into_bytes();
        let further_entries = (1..count).map(|n| foreign.append_bytes("dsse", "0.0.2", body(n))).collect();
        outcome(&world, &Signed { further_entries, ..honest.clone() }.bundle())
    };
    assert_eq!(entries(limits::LOG_ENTRIES), Ok(Ok(())));
    assert_eq!(entries(limits::LOG_ENTRIES + 1), Err("log entries"));
    let chain = |count: usize| {
        let one = format!("{{\"rawBytes\":\"{}\"}}", sealock_testkit::base64(&world.sigstore.authority.root));
        let more = format!("{}]", format!(",{one}").repeat(count - 1));
        let text = honest.older_bundle("0.2");
        let (head, tail) = text.split_once("\"}]},").unwrap();
        outcome(&world, &format!("{head}\"}}{more}}},{tail}"))
    };
    assert_eq!(chain(limits::CHAIN), Ok(Ok(())));
    assert_eq!(chain(limits::CHAIN + 1), Err("certificates of the chain"));
}

#[test]
fn proofs_and_checkpoints() {
    let world = World::new(82);
    let honest = world.sign(&world.stamped());
    let not_logged = Ok(Err("verify/not-logged"));
    let altered = |change: &dyn Fn(&mut sealock_testkit::rekor::Proof)| {
        let mut signed = honest.clone();
        change(&mut signed.entry.as_mut().unwrap().proof);
        outcome(&world, &signed.bundle())
    };
    assert_eq!(altered(&|proof| proof.hashes = vec![[7; 32]; limits::PROOF_HASHES]), not_logged);
    let many = altered(&|proof| proof.hashes = vec![[7; 32]; limits::PROOF_HASHES + 1]);
    assert_eq!(many, Err("hashes of the inclusion proof"));
    // A head that others have signed as well, up to the limit; one more is not read.
    let line = sealock_testkit::rekor_v2::line("w", &[1, 2, 3, 4], &[5; 64]);
    let signatures = |more: usize| altered(&|proof| proof.checkpoint.push_str(&line.repeat(more)));
    assert_eq!(signatures(limits::CHECKPOINT_SIGNATURES - 1), Ok(Ok(())));
    assert_eq!(signatures(limits::CHECKPOINT_SIGNATURES), not_logged);
    let long = |length: usize| {
        altered(&|proof| {
            let name = "n".repeat(length - proof.checkpoint.len() - (line.len() - 1));
            proof.checkpoint.push_str(&sealock_testkit::rekor_v2::line(&name, &[1, 2, 3, 4], &[5; 64]));
            assert_eq!(proof.checkpoint.len(), length);
        })
    };
    assert_eq!(long(limits::CHECKPOINT), Ok(Ok(())));
    assert_eq!(long(limits::CHECKPOINT + 1), Err("bytes of the checkpoint"));
}

/// CVE-2024-45395: subjects and digests without end.
#[test]
fn subjects_and_digests() {
    let world = World::new(83);
    let signer = world.stamped().envelope_entry(EnvelopeEntry::Dsse);
    let hex = world.text.strip_prefix("sha256:").unwrap();
    let statement = |subjects: usize, digests: usize| {
        let digest = |subject: usize| {
            let own = if subject == 0 { hex.to_owned() } else { format!("{subject:064x}") };
            let more = (1..digests).map(|n| (format!("other{n}"), Json::from("00")));
            Json::Object(std::iter::once(("sha256".to_owned(), own.into())).chain(more).collect())
        };
        let subject = (0..subjects).map(|n| object([("digest", digest(n))])).collect();
        let text = object([
            ("_type", "https://in-toto.io/Statement/v1".into()),
            ("subject", Json::Array(subject)),
            ("predicateType", sealock_testkit::evidence::SIGN_V1.into()),
            ("predicate", object([])),
        ]);
        outcome(&world, &signer.envelope(IN_TOTO, text.compact()).bundle())
    };
    assert_eq!(statement(limits::SUBJECTS, 1), Ok(Ok(())));
    assert_eq!(statement(1, limits::SUBJECT_DIGESTS), Ok(Ok(())));
    assert_eq!(statement(limits::SUBJECTS, limits::SUBJECT_DIGESTS), Ok(Ok(())));
    assert!(statement(limits::SUBJECTS + 1, 1).is_err());
    assert!(statement(1, limits::SUBJECT_DIGESTS + 1).is_err());
}

/// CVE-2025-66564: a token of nothing but structure.
#[test]
fn tokens_of_nothing_but_structure() {
    let world = World::new(84);
    let view = world.view();
    let honest = world.sign(&world.stamped());
    let mut nested = Vec::new();
    for _ in 0..2000 {
        nested = der::sequence(&[nested]);
    }
    let wide = der::sequence(&vec![der::null(); 50_000]);
    let length_that_lies = vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02];
    let mut bag = world.tsa.token(&honest.signature, 0);
    bag.bag = vec![world.tsa.leaf.clone(); 500];
    for stamp in [nested, wide, length_that_lies, bag.response()] {
        let signed = Signed { timestamps: vec![stamp; limits::TIMESTAMPS], ..honest.clone() };
        let text = signed.bundle();
        let begin = Instant::now();
        let evidence = read_bundle(&text).unwrap();
        assert_eq!(judge(&evidence, &world.demand(&view)).map(drop), Err("verify/no-time"));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

/// A classic envelope may carry several signatures; past the limit it is not read.
#[test]
fn signatures_of_one_envelope() {
    let world = World::new(85);
    let (key, public) = world.key();
    let signer = world.sigstore.keyed(&key);
    let signed = signer.statement("v0.1", "", &world.text, minted::PROVENANCE, "{}");
    let layer = signed.layer();
    let text = String::from_utf8(layer.blob.clone()).unwrap();
    let read = |count: usize| {
        let junk = r#"{"sig":"AAAA"},"#.repeat(count - 1);
        let blob = text.replace("\"signatures\":[", &format!("\"signatures\":[{junk}"));
        sealock::evidence::classic::attestation(
            sealock::image::Digest::sha256(blob.as_bytes()),
            blob.as_bytes(),
            &layer.annotations,
        )
    };
    let view = world.view();
    let demand = sealock::verify::Demand {
        purpose: sealock::verify::Purpose::Attestation,
        signer: minted::by_key(&public),
        ..world.demand(&view)
    };
    assert!(judge(&read(limits::ENVELOPE_SIGNATURES).unwrap(), &demand).is_ok());
    let fault = read(limits::ENVELOPE_SIGNATURES + 1).unwrap_err();
    assert!(matches!(fault, EvidenceFault::Limit { part: "DSSE signatures", .. }), "{fault}");
}
