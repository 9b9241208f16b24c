//! Rekor v2 and timestamps of a private Sigstore: what is honest verifies, and every departure is refused with the code
//! of the check that must catch it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod minted;
#[path = "verify_stamped/tokens.rs"]
mod tokens;

use minted::{PROVENANCE, REPOSITORY, World, by_key, judge, read, view};
use sealock::evidence::Evidence;
use sealock::trust::TrustView;
use sealock::verify::{Demand, LogDemand, LogStrength, Purpose, StampDemand, Subject};
use sealock_testkit::authority::{CODE_SIGNING, Validity};
use sealock_testkit::calendar::{BASE_TIME, DAY, YEAR};
use sealock_testkit::rekor_v2::{self, Verifier};
use sealock_testkit::tsa::{Token, Tsa, TsaOptions};
use sealock_testkit::{Algorithm, EnvelopeEntry, Hash, Identity, RekorV2, Shape, Signed, Signer, Witness};

/// An entry that is not what it should be, and the code that it is refused with.
type Broken<'a> = (&'a str, Box<dyn Fn(&mut sealock_testkit::rekor::LogEntry) + 'a>, &'a str);
/// A token of another form.
type Form<'a> = (&'a str, Box<dyn Fn(&mut Token) + 'a>);

/// When the testkit's stamps are made.
const STAMPED: i64 = BASE_TIME + 5;
const NO_STAMP: &str = "verify/no-timestamp";
const NO_TIME: &str = "verify/no-time";
const NOT_LOGGED: &str = "verify/not-logged";
const DIFFERS: &str = "verify/entry-differs";

#[test]
fn honest_evidence_of_every_kind_of_key_verifies() {
    for (log, tsa) in [
        (Algorithm::Ed25519, Algorithm::P384),
        (Algorithm::P256, Algorithm::P256),
        (Algorithm::Ed25519, Algorithm::Rsa2048),
    ] {
        let world = World::with(1, log, tsa);
        let view = world.view();
        assert_eq!(view.findings(), []);
        for kind in [EnvelopeEntry::Dsse, EnvelopeEntry::Hashedrekord] {
            let signed = world.sign(&world.stamped().envelope_entry(kind));
            let proof = world.judge_stamp(&signed, &view).unwrap_or_else(|code| panic!("{kind:?}: {code}"));
            assert_eq!((proof.log(), proof.time()), (LogStrength::Inclusion, "tsa"));
            assert_eq!(proof.signed_at().unwrap().as_second(), STAMPED);
            assert_eq!(proof.log_key(), Some(world.log.key.key_id()));
        }
        let (key, public) = world.key();
        let signer = world.sigstore.keyed(&key).logged_in_v2(&world.log).stamped_by(&world.tsa);
        for kind in [EnvelopeEntry::Dsse, EnvelopeEntry::Hashedrekord] {
            let evidence = read(&world.sign(&signer.clone().envelope_entry(kind)), Shape::BUNDLE).unwrap();
            let demand = Demand { signer: by_key(&public), ..world.demand(&view) };
            let proof = judge(&evidence, &demand).unwrap();
            assert_eq!((proof.log(), proof.time()), (LogStrength::Inclusion, "tsa"));
            assert_eq!(proof.signed_at().map(jiff::Timestamp::as_second), Some(STAMPED), "a stamp is a time");
        }
    }
}

#[test]
fn files_attestations_and_classic_layers_verify() {
    let world = World::new(2);
    let view = world.view();
    let blob = b"a file".to_vec();
    let digest = sealock::image::Digest::sha256(&blob);
    let file = Demand {
        subject: Subject::Artifact { digest: &digest, bytes: Some(&blob) },
        purpose: Purpose::Artifact,
        ..world.demand(&view)
    };
    let signed = world.stamped().payload(blob.clone());
    assert!(judge(&read(&signed, Shape::BUNDLE).unwrap(), &file).is_ok());
    let attestation = world.stamped().statement("v1", REPOSITORY, &world.text, PROVENANCE, "{}");
    let about = Demand { purpose: Purpose::Attestation, ..world.demand(&view) };
    assert!(judge(&read(&attestation, Shape::BUNDLE).unwrap(), &about).is_ok());
    // Classic layers know no Rekor v2; their stamps are over the signature, or over the whole layer of an attestation.
    let keyless = || world.sigstore.keyless(&Identity::example()).without_log().stamped_by(&world.tsa);
    let optional = Demand { log: LogDemand::Optional(&view), ..world.demand(&view) };
    let signed = keyless().image(REPOSITORY, &world.text);
    let proof = judge(&read(&signed, Shape::CLASSIC_KEYLESS).unwrap(), &optional).unwrap();
    assert_eq!((proof.log(), proof.time()), (LogStrength::None, "tsa"));
    for (classic, want) in [(true, Ok("tsa")), (false, Err(NO_TIME))] {
        let signer = if classic { keyless().classic() } else { keyless() };
        let layer = signer.statement("v0.1", REPOSITORY, &world.text, PROVENANCE, "{}");
        let demand = Demand { purpose: Purpose::Attestation, ..optional };
        let got = judge(&read(&layer, Shape::CLASSIC_ATTESTATION).unwrap(), &demand);
        assert_eq!(got.map(|proof| proof.time()), want, "classic: {classic}");
    }
}

#[test]
fn first_entries_small_trees_and_witnessed_heads_verify() {
    let world = World::new(3);
    let witness = Witness::new(3, "witness.example.com");
    let host = world.log.host.clone();
    let logs = [
        RekorV2::empty(3, &host, Algorithm::Ed25519),
        RekorV2::empty(4, &host, Algorithm::P256),
        RekorV2::new(5, &host, Algorithm::Ed25519).witnessed_by(&witness, STAMPED + 1),
    ];
    for log in &logs {
        let view = view(&world.sigstore.trusted_root().with_log_v2(log).with_tsa(&world.tsa));
        for number in 0..4 {
            let signer = world.sigstore.keyless(&Identity::example()).logged_in_v2(log);
            let signed = world.sign(&signer.stamped_by(&world.tsa));
            assert!(world.judge(&signed, &view).is_ok(), "{number}");
        }
    }
}

/// Whatever is wrong with signature, certificate or promise is refused in the same way under either version of the log.
#[test]
fn other_misbehaviours_have_the_codes_that_they_have_in_version_1() {
    let world = World::new(40);
    let view = world.view();
    let mut refused = 0;
    let twists = sealock_testkit::Twist::of(Shape::BUNDLE);
    for twist in twists.into_iter().filter(|twist| !twist.is_of_the_entry()) {
        let one = world.sign(&world.sigstore.keyless(&Identity::example()).twisted(twist));
        let two = world.sign(&world.stamped().twisted(twist));
        let verdict = world.judge(&two, &view).map(drop);
        assert_eq!(verdict, world.judge(&one, &view).map(drop), "{twist:?}");
        assert!(verdict != Err(NOT_LOGGED) && verdict != Err(NO_TIME), "{twist:?}: {verdict:?}");
        refused += usize::from(verdict.is_err());
    }
    assert!(refused >= 15, "{refused}");
}

/// A log of version 2 gives no time: without a stamp a certificate is denied, whatever else is there.
#[test]
fn version_2_alone_proves_no_time() {
    let world = World::new(4);
    let view = world.view();
    let signed = world.sign(&world.unstamped());
    assert_eq!(world.judge(&signed, &view).map(drop), Err(NO_TIME));
    assert_eq!(world.judge_stamp(&signed, &view).map(drop), Err(NO_STAMP));
    let optional = Demand { log: LogDemand::Optional(&view), ..world.demand(&view) };
    let evidence = read(&signed, Shape::BUNDLE).unwrap();
    assert_eq!(judge(&evidence, &optional).map(drop), Err(NO_TIME));
    // Nor does a number beside it that nobody signed: it must agree with nothing, so it is refused.
    for mut dated in [signed, world.sign(&world.stamped())] {
        dated.entry.as_mut().unwrap().integrated_time = STAMPED;
        assert_eq!(world.judge(&dated, &view).map(drop), Err(NOT_LOGGED));
    }
}

/// What a key signed needs no time, and an entry without one in a log whose key still counts is an entry. So this
/// is accepted; it must not be once the log's key has an end, because nothing says that the entry is older
/// (`crates-measured.md` §3.1: there the answer depends on the day it is asked, here only on the root).
#[test]
fn key_and_version_2_without_any_time() {
    let world = World::new(5);
    let (key, public) = world.key();
    let logged = world.sigstore.keyed(&key).logged_in_v2(&world.log);
    let bare = read(&world.sign(&logged), Shape::BUNDLE).unwrap();
    let stamped = read(&world.sign(&logged.stamped_by(&world.tsa)), Shape::BUNDLE).unwrap();
    let under = |evidence: &Evidence, end: Option<i64>| {
        let mut root = world.root();
        root.tlogs[1].window.end = end;
        let view = view(&root);
        let demand = Demand { signer: by_key(&public), ..world.demand(&view) };
        judge(evidence, &demand).map(|proof| proof.time())
    };
    assert_eq!(under(&bare, None), Ok("none"));
    assert_eq!(under(&bare, Some(STAMPED + 20 * YEAR)), Err(NOT_LOGGED), "even if the end is far away");
    assert_eq!(under(&stamped, Some(STAMPED)), Ok("tsa"));
    assert_eq!(under(&stamped, Some(STAMPED - 1)), Err(NOT_LOGGED));
}

/// The entry says that another log has it. Both logs are trusted.
#[test]
fn logid_swapped() {
    let world = World::new(6);
    let other = RekorV2::new(60, "log2026.example.com", Algorithm::Ed25519);
    let view = view(&world.root().with_log_v2(&other));
    let honest = world.sign(&world.stamped());
    assert!(world.judge(&honest, &view).is_ok());
    for id in [other.log_id(), world.sigstore.rekor.key.key_id(), [0; 32]] {
        let mut swapped = honest.clone();
        swapped.entry.as_mut().unwrap().log_id = id;
        assert_eq!(world.judge(&swapped, &view).map(drop), Err(NOT_LOGGED));
    }
    // The checkpoint of another trusted log, over the right root, under either id.
    let entry = honest.entry.as_ref().unwrap();
    let size = usize::try_from(entry.proof.tree_size).unwrap();
    for id in [world.log.log_id(), other.log_id()] {
        let mut swapped = honest.clone();
        let entry = swapped.entry.as_mut().unwrap();
        entry.log_id = id;
        entry.proof.checkpoint = other.checkpoint(size, &entry.proof.root);
        let verdict = world.judge(&swapped, &view).map(|proof| proof.log_key());
        // The other log vouches for the same tree with its own name and key: then it is the one that vouched.
        let want = if id == other.log_id() { Ok(Some(other.key.key_id())) } else { Err(NOT_LOGGED) };
        assert_eq!(verdict, want);
    }
}

#[test]
fn log_key_retired() {
    let world = World::new(7);
    let (key, public) = world.key();
    let keyless = world.sign(&world.stamped());
    let keyed = world.sign(&world.sigstore.keyed(&key).logged_in_v2(&world.log).stamped_by(&world.tsa));
    let cases = [
        ("ended before", STAMPED - DAY, Some(STAMPED - 1), false),
        ("begins after", STAMPED + 1, None, false),
        ("both ends are inside", STAMPED, Some(STAMPED), true),
        ("open", STAMPED, None, true),
    ];
    for (name, start, end, good) in cases {
        let mut root = world.root();
        root.tlogs[1].window = sealock_testkit::trusted_root::Window { start, end };
        let view = view(&root);
        let want = if good { Ok(()) } else { Err(NOT_LOGGED) };
        assert_eq!(world.judge(&keyless, &view).map(drop), want, "{name}");
        let demand = Demand { signer: by_key(&public), ..world.demand(&view) };
        let evidence = read(&keyed, Shape::BUNDLE).unwrap();
        assert_eq!(judge(&evidence, &demand).map(drop), want, "{name}, by key");
    }
    // Version 1: whoever deletes the promise does not escape the window, the stamp's time is held against it.
    let root = world.root().rekor_window(STAMPED - DAY, Some(STAMPED - 1));
    let signer = world.sigstore.keyless(&Identity::example()).stamped_by(&world.tsa);
    let mut signed = world.sign(&signer);
    let ended = view(&root);
    assert_eq!(world.judge(&signed, &ended).map(drop), Err(NOT_LOGGED));
    let entry = signed.entry.as_mut().unwrap();
    entry.set.clear();
    assert_eq!(world.judge(&signed, &ended).map(drop), Err(NOT_LOGGED));
    assert!(world.judge(&signed, &world.view()).is_ok(), "the proof is sound, only the window is over");
}

/// One key that serves two names, or a root that has the log under another name.
#[test]
fn origin_differs() {
    let world = World::with(8, Algorithm::P256, Algorithm::P384);
    let honest = world.sign(&world.stamped());
    let view_of = |base_url: &str| {
        let mut root = world.root();
        base_url.clone_into(&mut root.tlogs[1].base_url);
        view(&root)
    };
    let host = world.log.host.as_str();
    for (base_url, good) in [
        (format!("https://{host}"), true),
        (format!("http://{host}"), true),
        (format!("https://{host}/"), true),
        (format!("https://other.{host}"), false),
        (format!("https://{host}.example.com"), false),
        (format!("https://example.com/{host}"), false),
        (format!("https://{host}:8443"), false),
    ] {
        let got = world.judge(&honest, &view_of(&base_url)).map(drop);
        assert_eq!(got, if good { Ok(()) } else { Err(NOT_LOGGED) }, "{base_url}");
    }
    let mut elsewhere = honest.clone();
    let entry = honest.entry.as_ref().unwrap();
    elsewhere.entry = Some(world.log.under_another_name(entry, "shard2.example.com"));
    assert_eq!(world.judge(&elsewhere, &world.view()).map(drop), Err(NOT_LOGGED));
}

#[test]
fn unsigned_copies_and_broken_proofs_of_version_2() {
    let world = World::new(9);
    let view = world.view();
    let honest = world.sign(&world.stamped());
    let other = world.sign(&world.stamped());
    let altered = |change: &dyn Fn(&mut sealock_testkit::rekor::LogEntry)| {
        let mut signed = honest.clone();
        change(signed.entry.as_mut().unwrap());
        world.judge(&signed, &view).map(drop)
    };
    assert_eq!(altered(&|_| ()), Ok(()));
    let foreign = RekorV2::new(90, &world.log.host, Algorithm::Ed25519);
    let cases: Vec<Broken<'_>> = vec![
        ("log index", Box::new(|entry| entry.log_index += 1), NOT_LOGGED),
        ("index of the proof", Box::new(|entry| entry.proof.index -= 1), NOT_LOGGED),
        (
            "both indexes",
            Box::new(|e| (e.log_index, e.proof.index) = (e.log_index - 1, e.proof.index - 1)),
            NOT_LOGGED,
        ),
        ("tree size", Box::new(|entry| entry.proof.tree_size += 1), NOT_LOGGED),
        ("root", Box::new(|entry| entry.proof.root[0] ^= 1), NOT_LOGGED),
        ("a hash", Box::new(|entry| entry.proof.hashes[0][31] ^= 1), NOT_LOGGED),
        (
            "a hash less",
            Box::new(|entry| entry.proof.hashes.truncate(entry.proof.hashes.len() - 1)),
            NOT_LOGGED,
        ),
        ("a hash more", Box::new(|entry| entry.proof.hashes.push([0; 32])), NOT_LOGGED),
        ("no proof", Box::new(|entry| entry.proof.checkpoint.clear()), "verify/bad-entry"),
        ("proof of another", Box::new(|e| e.proof = other.entry.as_ref().unwrap().proof.clone()), NOT_LOGGED),
        (
            "signed by another key",
            Box::new(|e| {
                e.proof.checkpoint =
                    foreign.checkpoint(usize::try_from(e.proof.tree_size).unwrap(), &e.proof.root);
            }),
            NOT_LOGGED,
        ),
        ("announced as another version", Box::new(|entry| "0.0.1".clone_into(&mut entry.version)), DIFFERS),
        ("announced as another kind", Box::new(|entry| "hashedrekord".clone_into(&mut entry.kind)), DIFFERS),
        ("a body nobody logged", Box::new(|entry| entry.body.push(b' ')), NOT_LOGGED),
    ];
    for (name, change, code) in cases {
        assert_eq!(altered(&*change), Err(code), "{name}");
    }
    let mut twice = honest.clone();
    twice.further_entries = vec![honest.entry.clone().unwrap()];
    assert_eq!(world.judge(&twice, &view).map(drop), Err("verify/bad-entry"));
    let mut none = honest;
    none.entry = None;
    assert_eq!(world.judge(&none, &view).map(drop), Err(NOT_LOGGED));
}

/// Entries of version 2 that the log holds and that belong to something else.
#[test]
fn version_2_bodies_of_something_else() {
    let world = World::new(10);
    let view = world.view();
    for kind in [EnvelopeEntry::Dsse, EnvelopeEntry::Hashedrekord] {
        let signer = world.stamped().envelope_entry(kind);
        let honest = world.sign(&signer);
        let other = signer.statement("v1", "", &sealock_testkit::sha256_digest(b"x"), PROVENANCE, "{}");
        let relogged = |change: &dyn Fn(Signed) -> Signed| {
            let entry = signer.entry_v2(&world.log, &change(honest.clone()));
            world.judge(&Signed { entry: Some(entry), ..honest.clone() }, &view).map(drop)
        };
        assert_eq!(relogged(&|mine| mine), Ok(()));
        assert_eq!(relogged(&|mine| Signed { content: other.content.clone(), ..mine }), Err(DIFFERS));
        assert_eq!(relogged(&|mine| Signed { signature: other.signature.clone(), ..mine }), Err(DIFFERS));
        assert_eq!(relogged(&|mine| Signed { certificate: other.certificate.clone(), ..mine }), Err(DIFFERS));
        assert_eq!(
            relogged(&|mine| Signed { certificate: None, ..mine }),
            Err(DIFFERS),
            "key for certificate"
        );
        let lent = Signed { entry: other.entry.clone(), ..honest.clone() };
        assert_eq!(world.judge(&lent, &view).map(drop), Err(DIFFERS));
        let beside = Signed { further_entries: other.entry.iter().cloned().collect(), ..honest.clone() };
        assert_eq!(world.judge(&beside, &view).map(drop), Err(DIFFERS), "beside the right one as well");
    }
    // A hash by another name than the one it was made with, and a kind that stands for something else.
    let honest = world.sign(&world.stamped());
    let certificate = honest.certificate.clone().unwrap();
    let message = honest.content.to_be_signed();
    let logged = |hash: Hash, digest: &[u8]| {
        let verifier = Verifier::Certificate(&certificate);
        let body = rekor_v2::hashedrekord(hash, digest, &honest.signature, verifier, honest.key_details);
        let entry = world.log.append("hashedrekord", "0.0.2", &body);
        world.judge(&Signed { entry: Some(entry), ..honest.clone() }, &view).map(drop)
    };
    assert_eq!(logged(Hash::Sha256, &Hash::Sha256.digest(&message)), Ok(()));
    assert_eq!(logged(Hash::Sha512, &Hash::Sha256.digest(&message)), Err(DIFFERS));
    assert_eq!(
        logged(Hash::Sha256, &Hash::Sha256.digest(honest.content.payload())),
        Err(DIFFERS),
        "payload alone"
    );
}

/// Two logs and two authorities beside each other: each must hold on its own.
#[test]
fn entries_and_stamps_lend_each_other_nothing() {
    let world = World::new(11);
    let view = world.view();
    let both = world.sigstore.keyless(&Identity::example()).also_logged_in_v2(&world.log);
    let signed = world.sign(&both.clone().stamped_by(&world.tsa));
    let proof = world.judge(&signed, &view).unwrap();
    assert_eq!((proof.log(), proof.time()), (LogStrength::Inclusion, "both"));
    // Without the stamp the promise of version 1 dates the signature.
    let signed = world.sign(&both);
    assert_eq!(world.judge(&signed, &view).map(|proof| proof.time()), Ok("log"));
    assert_eq!(world.judge_stamp(&signed, &view).map(drop), Err(NO_STAMP), "a promise is no stamp");
    // With the promise gone, its time is gone, however the entry beside it is proven.
    let mut without = signed.clone();
    without.entry.as_mut().unwrap().set.clear();
    assert_eq!(world.judge(&without, &view).map(drop), Err(NO_TIME));
    // An entry of version 2 that does not hold is not held up by the one of version 1, but set aside.
    let mut broken = signed;
    broken.further_entries[0].proof.hashes[0][0] ^= 1;
    let proof = world.judge(&broken, &view).unwrap();
    assert_eq!(proof.log_key(), Some(world.sigstore.rekor.key.key_id()));
    // A stamp of another signature, in place of the right one or as the only time.
    let (mine, other) = (world.sign(&world.stamped()), world.sign(&world.stamped()));
    let lent = Signed { timestamps: other.timestamps.clone(), ..mine.clone() };
    assert_eq!(world.judge(&lent, &view).map(drop), Err(NO_TIME));
    // A stamp that verifies makes no entry, and is no entry where one is demanded.
    let unlogged = Signed { entry: None, ..mine };
    assert_eq!(world.judge(&unlogged, &view).map(drop), Err(NOT_LOGGED));
}
