//! Timestamp tokens: every honest form, and every departure from it.

use super::*;

fn with_token<'a>(world: &'a World, change: impl Fn(&mut Token) + 'a) -> Signed {
    let signer: Signer<'a> = world.unstamped().stamped_with(&world.tsa, change);
    world.sign(&signer)
}

#[test]
fn tokens_of_every_honest_form() {
    let world = World::new(12);
    let view = world.view();
    let forms: Vec<Form<'_>> = vec![
        ("nonce", Box::new(|token| token.nonce = Some(u64::MAX))),
        ("no accuracy", Box::new(|token| token.accuracy = None)),
        ("no certificate inside", Box::new(|token| token.bag.clear())),
        ("granted with changes", Box::new(|token| token.status = 1)),
        ("no signing time", Box::new(|token| token.signing_time = None)),
        ("a signing time that is nobody's concern", Box::new(|t| t.signing_time = Some(STAMPED + 9 * YEAR))),
        ("digest by SHA-256 with a key on P-384", Box::new(|token| token.digest_hash = Hash::Sha256)),
        ("digest by SHA-512", Box::new(|token| token.digest_hash = Hash::Sha512)),
        ("no signing certificate", Box::new(|token| token.signing_certificate = None)),
        ("fraction", Box::new(|token| "5".clone_into(&mut token.fraction))),
    ];
    for (name, change) in forms {
        let signed = with_token(&world, change);
        assert_eq!(world.judge_stamp(&signed, &view).map(|proof| proof.time()), Ok("tsa"), "{name}");
    }
    let signed = with_token(&world, |token| token.signer = world.tsa.key_identifier());
    assert!(world.judge_stamp(&signed, &view).is_ok(), "signer by key identifier");
    let honest = world.sign(&world.unstamped());
    let token = world.tsa.token(&honest.signature, STAMPED);
    for hash in [Hash::Sha384, Hash::Sha512] {
        let stamp = token.clone().imprinted(&honest.signature, hash).response();
        let signed = Signed { timestamps: vec![stamp], ..honest.clone() };
        assert!(world.judge_stamp(&signed, &view).is_ok(), "{hash:?}");
    }
    let signed = Signed { timestamps: vec![token.bare()], ..honest };
    assert!(world.judge_stamp(&signed, &view).is_ok(), "a bare token");
}

#[test]
fn every_departure_of_a_token_is_no_stamp() {
    let world = World::new(13);
    let view = world.view();
    let stranger = Tsa::with_key(130, "stranger.example.com", Algorithm::P384);
    let forms: Vec<Form<'_>> = vec![
        ("imprint of something else", Box::new(|token| token.imprint = Hash::Sha256.digest(b"x"))),
        ("imprint cut short", Box::new(|token| token.imprint.truncate(16))),
        ("imprint empty", Box::new(|token| token.imprint.clear())),
        ("imprint under another hash", Box::new(|token| token.imprint_hash = Hash::Sha512)),
        ("rejected", Box::new(|token| token.status = 2)),
        ("granted without a token", Box::new(|token| token.with_token = false)),
        ("two signers", Box::new(|token| token.keys.push(world.tsa.leaf_key.clone()))),
        ("the right signer second", Box::new(|t| t.keys.insert(0, stranger.leaf_key.clone()))),
        ("no signer", Box::new(|token| token.keys.clear())),
        ("another's key", Box::new(|token| *token = token.clone().signed_by(&stranger.leaf_key))),
        ("the intermediate's key", Box::new(|t| *t = t.clone().signed_by(&world.tsa.intermediate_key))),
        ("names another signer", Box::new(|token| token.signer = stranger.issuer_and_serial())),
        ("names another key", Box::new(|token| token.signer = stranger.key_identifier())),
        ("signing certificate of another", Box::new(|t| t.signing_certificate = Some(stranger.leaf.clone()))),
        ("digest of another content", Box::new(|token| token.message_digest = Some(vec![7; 48]))),
        ("empty digest", Box::new(|token| token.message_digest = Some(Vec::new()))),
        ("not a time", Box::new(|token| "1.2.840.113549.1.7.1".clone_into(&mut token.content_type))),
        ("nothing is signed but the content", Box::new(|token| token.with_attributes = false)),
    ];
    for (name, change) in &forms {
        let signed = with_token(&world, change);
        assert_eq!(world.judge_stamp(&signed, &view).map(drop), Err(NO_STAMP), "{name}");
        assert_eq!(world.judge(&signed, &view).map(drop), Err(NO_TIME), "{name}");
        // Set aside beside a good one.
        let mut beside = signed.clone();
        beside.timestamps.push(world.tsa.stamp(&signed.signature, STAMPED));
        assert!(world.judge_stamp(&beside, &view).is_ok(), "{name}");
    }
    let honest = world.sign(&world.unstamped());
    let good = world.tsa.stamp(&honest.signature, STAMPED);
    let mut longer = good.clone();
    longer.push(0);
    for (name, stamp) in [
        ("empty", Vec::new()),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("longer", longer),
        ("of the payload", world.tsa.stamp(honest.content.payload(), STAMPED)),
        ("of what was signed", world.tsa.stamp(&honest.content.to_be_signed(), STAMPED)),
        ("of an authority that nobody trusts", stranger.stamp(&honest.signature, STAMPED)),
    ] {
        let signed = Signed { timestamps: vec![stamp], ..honest.clone() };
        assert_eq!(world.judge_stamp(&signed, &view).map(drop), Err(NO_STAMP), "{name}");
    }
}

/// CVE-2026-39984: a certificate that a token brings is never the one it is verified with.
#[test]
fn tsa_cert_bag() {
    let world = World::new(14);
    let view = world.view();
    let impostor = world.tsa.impostor();
    assert_ne!(impostor.leaf, world.tsa.leaf);
    let bags = [
        vec![impostor.leaf.clone()],
        vec![impostor.leaf.clone(), impostor.intermediate.clone(), impostor.root.clone()],
        vec![world.tsa.leaf.clone(), impostor.leaf.clone()],
        vec![impostor.leaf.clone(), world.tsa.leaf.clone(), world.tsa.intermediate.clone()],
    ];
    for bag in &bags {
        for named in [&impostor.leaf, &world.tsa.leaf] {
            let forged = with_token(&world, |token| {
                *token = token.clone().signed_by(&impostor.leaf_key);
                token.bag.clone_from(bag);
                token.signing_certificate = Some(named.clone());
            });
            assert_eq!(world.judge_stamp(&forged, &view).map(drop), Err(NO_STAMP));
        }
        // The bag proves nothing and spoils nothing.
        let honest = with_token(&world, |token| token.bag.clone_from(bag));
        assert!(world.judge_stamp(&honest, &view).is_ok());
    }
}

/// Every time that verifies must fit; the one that fits does not excuse the other.
#[test]
fn two_tsas_one_backdated() {
    let world = World::new(15);
    let second = Tsa::with_key(150, "second.example.com", Algorithm::P256);
    let both = view(&world.root().with_tsa(&second));
    for (offset, want) in [
        (0, Ok(())),
        (-YEAR, Err("verify/not-valid-then")),
        (-6, Err("verify/not-valid-then")),
        (-5, Ok(())),
        (595, Ok(())),
        (596, Err("verify/not-valid-then")),
        (YEAR, Err("verify/not-valid-then")),
    ] {
        let stamped = world.stamped().stamped_with(&second, |token| token.time = STAMPED + offset);
        let signed = world.sign(&stamped);
        assert_eq!(world.judge(&signed, &both).map(drop), want, "{offset}");
        // Who is not in the root cannot spoil anything either.
        assert!(world.judge(&signed, &world.view()).is_ok(), "{offset}");
    }
    let signed = world.sign(&world.stamped().stamped_with(&second, |token| token.time = STAMPED - 3));
    let proof = world.judge(&signed, &both).unwrap();
    assert_eq!(proof.signed_at().unwrap().as_second(), STAMPED - 3, "the earliest");
    // A stamp and a promise that disagree: as two stamps.
    let logged = world.sigstore.keyless(&Identity::example());
    let late = world.sign(&logged.stamped_with(&world.tsa, |token| token.time = STAMPED + DAY));
    assert_eq!(world.judge(&late, &world.view()).map(drop), Err("verify/not-valid-then"));
}

/// The dates of leaf, intermediate, root and authority all hold at `genTime`, ends included.
#[test]
fn expired_intermediate_of_a_timestamp_authority() {
    let world = World::new(16);
    let year = Validity { from: STAMPED - YEAR, until: STAMPED + YEAR };
    let at = |from: i64, until: i64| Validity { from, until };
    let cases = [
        (year, Ok("tsa")),
        (at(STAMPED, STAMPED), Ok("tsa")),
        (at(STAMPED - YEAR, STAMPED - 1), Err(NO_STAMP)),
        (at(STAMPED + 1, STAMPED + YEAR), Err(NO_STAMP)),
    ];
    for (validity, want) in cases {
        for part in 0..4 {
            let mut options = TsaOptions::new(16, "dated.example.com");
            match part {
                0 => options.leaf_validity = validity,
                1 => options.intermediate_validity = validity,
                2 => options.root_validity = validity,
                _ => {}
            }
            let tsa = Tsa::build(&options);
            let mut root = world.sigstore.trusted_root().with_log_v2(&world.log).with_tsa(&tsa);
            if part == 3 {
                root = root.tsa_window(validity.from, Some(validity.until));
            }
            let view = view(&root);
            let signed = world.sign(&world.unstamped().stamped_by(&tsa));
            let got = world.judge_stamp(&signed, &view).map(|proof| proof.time());
            assert_eq!(got, want, "part {part}, {validity:?}");
        }
    }
    // A fraction of a second after the last one is after it; `signingTime` excuses nothing.
    let ended = view(&world.root().tsa_window(STAMPED - YEAR, Some(STAMPED)));
    let signed = with_token(&world, |token| "000000001".clone_into(&mut token.fraction));
    assert_eq!(world.judge_stamp(&signed, &ended).map(drop), Err(NO_STAMP));
    let signed = with_token(&world, |token| (token.time, token.signing_time) = (STAMPED + 9, Some(STAMPED)));
    assert_eq!(world.judge_stamp(&signed, &ended).map(drop), Err(NO_STAMP));
    let signed = with_token(&world, |token| token.signing_time = Some(STAMPED + 9));
    assert!(world.judge_stamp(&signed, &ended).is_ok());
}

/// Certificates that must not stamp are left out of the root with a finding.
#[test]
fn authorities_that_must_not_stamp() {
    let world = World::new(17);
    let options = || TsaOptions::new(17, "odd.example.com");
    let code_signing = vec![sealock_testkit::tsa::TIME_STAMPING.to_owned(), CODE_SIGNING.to_owned()];
    for (name, options) in [
        ("usage not critical", TsaOptions { usage_critical: false, ..options() }),
        ("no usage", TsaOptions { leaf_usages: Vec::new(), ..options() }),
        ("also for code", TsaOptions { leaf_usages: code_signing.clone(), ..options() }),
        ("only for code", TsaOptions { leaf_usages: vec![CODE_SIGNING.to_owned()], ..options() }),
    ] {
        let tsa = Tsa::build(&options);
        let view = view(&world.sigstore.trusted_root().with_log_v2(&world.log).with_tsa(&tsa));
        assert_eq!((view.stampers().len(), view.findings().len()), (0, 1), "{name}: {:?}", view.findings());
        let signed = world.sign(&world.unstamped().stamped_by(&tsa));
        assert_eq!(world.judge_stamp(&signed, &view).map(drop), Err(NO_STAMP), "{name}");
    }
    // Half a chain proves nothing about whoever is missing above; the leaf of another chain proves nothing at all.
    let other = Tsa::new(18, "odd.example.com");
    let tsa = Tsa::build(&options());
    let chains: [(&str, Vec<Vec<u8>>, bool); 4] = [
        ("whole", vec![tsa.leaf.clone(), tsa.intermediate.clone(), tsa.root.clone()], true),
        (
            "foreign intermediate",
            vec![tsa.leaf.clone(), other.intermediate.clone(), other.root.clone()],
            false,
        ),
        ("out of order", vec![tsa.intermediate.clone(), tsa.leaf.clone(), tsa.root.clone()], false),
        ("no leaf", vec![tsa.intermediate.clone(), tsa.root.clone()], false),
    ];
    for (name, chain, good) in chains {
        let mut root = world.sigstore.trusted_root().with_log_v2(&world.log).with_tsa(&tsa);
        root.timestamp_authorities[0].certificates = chain;
        let signed = world.sign(&world.unstamped().stamped_by(&tsa));
        assert_eq!(world.judge_stamp(&signed, &view(&root)).is_ok(), good, "{name}");
    }
}

/// Stamps and entries up to the limits are read, one more is refused before anything is verified.
#[test]
fn floods_of_stamps_and_entries() {
    let world = World::new(18);
    let view = world.view();
    let honest = world.sign(&world.stamped());
    let stamp = honest.timestamps[0].clone();
    let with = |count: usize| Signed { timestamps: vec![stamp.clone(); count], ..honest.clone() };
    assert!(world.judge(&with(32), &view).is_ok());
    assert_eq!(world.judge(&with(33), &view).map(drop), Err("evidence/malformed"));
    let foreign = RekorV2::new(180, "elsewhere.example.com", Algorithm::Ed25519);
    let signer = world.stamped();
    let mut flooded = honest.clone();
    flooded.further_entries = (0..32).map(|_| signer.entry_v2(&foreign, &honest)).collect();
    assert_eq!(world.judge(&flooded, &view).map(drop), Err("evidence/malformed"));
    // Entries of a log that is not in the root are set aside. All are the same body under one id: only the first counts.
    flooded.further_entries.truncate(1);
    assert!(world.judge(&flooded, &view).is_ok());
}

/// Evidence of one instance under the root of another, and instances without a part.
#[test]
fn roots_without_a_part() {
    let world = World::new(19);
    let signed = world.sign(&world.stamped());
    let other = World::new(190);
    let cases: [(&str, TrustView, &str); 4] = [
        ("another instance", view(&other.root()), NOT_LOGGED),
        ("no logs", view(&world.root().without_rekor()), NOT_LOGGED),
        ("no timestamp authorities", view(&world.root().without_tsa()), NO_TIME),
        ("no CT logs", view(&world.root().without_ct_logs()), "verify/no-sct"),
    ];
    for (name, view, code) in &cases {
        assert_eq!(world.judge(&signed, view).map(drop), Err(*code), "{name}");
    }
    // What a root does not have, a policy cannot demand; it may then ask for less, and the rest is still held.
    let without_log = view(&world.root().without_rekor());
    let demand = Demand { log: LogDemand::None, ..world.demand(&without_log) };
    let evidence = read(&signed, Shape::BUNDLE).unwrap();
    let proof = judge(&evidence, &demand).unwrap();
    assert_eq!((proof.log(), proof.time()), (LogStrength::None, "tsa"));
    let unstamped = Demand { stamp: StampDemand::None, ..demand };
    assert_eq!(judge(&evidence, &unstamped).map(drop), Err(NO_TIME));
}
