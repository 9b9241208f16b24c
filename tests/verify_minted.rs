//! Evidence minted by a private Sigstore: what is honest verifies, and every single departure from it is refused
//! with the code that its check has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use sealock::crypto::{HashAlgorithm, PublicKey};
use sealock::evidence::{Evidence, bundle};
use sealock::image::Digest;
use sealock::trust::{TrustView, TrustedRoot};
use sealock::verify::{
    Demand, KeyHash, LogDemand, Purpose, Rejection, SignerDemand, StampDemand, Subject, Verified, verify,
};
use sealock_testkit::calendar::BASE_TIME;
use sealock_testkit::{Algorithm, EnvelopeEntry, Hash, Identity, Shape, Signed, Signer, Sigstore, Twist};

mod minted;

use minted::read;

const REPOSITORY: &str = "registry.example.com/demo/app";

fn view(root: &sealock_testkit::TrustedRoot) -> TrustView {
    TrustView::build("minted", &TrustedRoot::from_json(root.json().as_bytes()).unwrap())
}

/// What the door says, or the code under which the evidence was refused before it.
fn judge(signed: &Signed, shape: Shape, demand: &Demand<'_>) -> Result<Verified, &'static str> {
    let evidence = read(signed, shape).map_err(|_| "evidence/malformed")?;
    verify(&evidence, demand).1.map_err(|rejection| rejection.code().name)
}

struct Case {
    sigstore: Sigstore,
    view: TrustView,
    image: Digest,
    text: String,
}

impl Case {
    fn new(seed: u64) -> Self {
        Self::of(Sigstore::new(seed))
    }

    fn of(sigstore: Sigstore) -> Self {
        let image = sigstore.image("app");
        let text = image.digest();
        Self { view: view(&sigstore.trusted_root()), image: text.parse().unwrap(), text, sigstore }
    }

    fn keyless(&self) -> Signer<'_> {
        self.sigstore.keyless(&Identity::example())
    }

    fn demand(&self) -> Demand<'_> {
        self.demand_under(&self.view)
    }

    fn demand_under<'a>(&'a self, view: &'a TrustView) -> Demand<'a> {
        Demand {
            subject: Subject::Image(&self.image),
            purpose: Purpose::ImageSignature,
            signer: SignerDemand::Keyless { view, sct: true },
            log: LogDemand::Required(view),
            stamp: StampDemand::Optional(view),
        }
    }

    fn sign(&self, signer: &Signer<'_>, shape: Shape) -> Signed {
        match (shape.envelope, shape.bundle) {
            (false, _) => signer.image(REPOSITORY, &self.text),
            (true, true) => signer.image_statement(&self.text),
            (true, false) => {
                signer.statement("v0.1", REPOSITORY, &self.text, "https://slsa.dev/provenance/v1", "{}")
            }
        }
    }
}

fn purpose(shape: Shape) -> Purpose {
    if shape.envelope && !shape.bundle { Purpose::Attestation } else { Purpose::ImageSignature }
}

#[test]
fn honest_evidence_of_every_shape_verifies() {
    let case = Case::new(1);
    for shape in [Shape::CLASSIC_KEYLESS, Shape::CLASSIC_ATTESTATION, Shape::BUNDLE] {
        let signed = case.sign(&case.keyless(), shape);
        let proof = judge(&signed, shape, &Demand { purpose: purpose(shape), ..case.demand() }).unwrap();
        let log = if shape.bundle { "inclusion" } else { "promise" };
        assert_eq!((proof.log().name(), proof.time()), (log, "log"), "{shape:?}");
        assert_eq!(proof.signed_at().unwrap().as_second(), BASE_TIME + 5, "{shape:?}");
    }
    for entry in [EnvelopeEntry::Dsse, EnvelopeEntry::IntotoV1, EnvelopeEntry::IntotoV2] {
        let signed = case.sign(&case.keyless().envelope_entry(entry), Shape::CLASSIC_ATTESTATION);
        let demand = Demand { purpose: Purpose::Attestation, ..case.demand() };
        assert!(judge(&signed, Shape::CLASSIC_ATTESTATION, &demand).is_ok(), "{entry:?}");
    }
    let p256 = Case::of(Sigstore::with_p256_authority(2));
    let signed = p256.sign(&p256.keyless(), Shape::CLASSIC_KEYLESS);
    assert!(judge(&signed, Shape::CLASSIC_KEYLESS, &p256.demand()).is_ok());
}

/// Every misbehaviour of the testkit under the code of the check that must catch it.
fn expected(twist: Twist) -> &'static [&'static str] {
    use Twist::*;
    match twist {
        WrongDigest => &["verify/subject-differs"],
        PayloadMemberTwice => &["evidence/malformed"],
        PayloadNobodySigned | SignatureAltered | SignatureOfAnotherKey | Stranger => {
            &["verify/bad-signature"]
        }
        CertificateOfAnotherSignature => &["verify/bad-signature"],
        CertificateOfAnotherAuthority | SelfSigned | CodeSigningMissing | ServerCertificate => {
            &["verify/unknown-issuer"]
        }
        CertificateAltered => &["verify/unknown-issuer", "verify/bad-certificate"],
        CertificateExpired | CertificateNotYetValid => &["verify/not-valid-then"],
        SctMissing | SctOfUnknownLog => &["verify/no-sct"],
        SctTimeAltered | SctOfAnotherCertificate => &["verify/bad-sct"],
        EntryOfAnotherSignature | BodyHashOfAnother | BodySignatureOfAnother | BodyKeyOfAnother => {
            &["verify/entry-differs"]
        }
        EntryOfAnotherLog
        | EntryForgedByAnotherLog
        | SetAltered
        | IntegratedTimeChanged
        | LogIndexChanged
        | LogIdOfAnotherLog
        | ProofAltered
        | ProofIndexChanged
        | ProofOfAnotherTree
        | CheckpointAltered
        | CheckpointOfAnotherRoot
        | CheckpointOfAnotherLog
        | BodyReplaced => &["verify/not-logged"],
        BodyOfUnknownKind | BodyMemberTwice => &["verify/bad-entry"],
        // Names are compared by the policy; verification passes them on as they are.
        // As in policy-controller, the type is information: what is signed is the digest.
        NulInSubject | NewlineInSubject | AnsiInSubject | PayloadOfAnotherType => &[],
    }
}

#[test]
fn every_misbehaviour_is_refused_with_its_code() {
    let case = Case::new(3);
    let key = case.sigstore.key("release", Algorithm::P256);
    let public = PublicKey::from_pem(&key.public_pem()).unwrap();
    for shape in [Shape::CLASSIC_KEYLESS, Shape::CLASSIC_KEYED, Shape::CLASSIC_ATTESTATION, Shape::BUNDLE] {
        let mut seen = 0;
        for twist in Twist::of(shape) {
            let codes = expected(twist);
            let who = if shape.keyless { case.keyless() } else { case.sigstore.keyed(&key) };
            let signed = case.sign(&who.twisted(twist), shape);
            let mut demand = Demand { purpose: purpose(shape), ..case.demand() };
            if !shape.keyless {
                demand.signer = SignerDemand::Key { key: &public, hash: KeyHash::As(HashAlgorithm::Sha256) };
            }
            match judge(&signed, shape, &demand) {
                Err(code) => {
                    assert!(codes.contains(&code), "{twist:?} in {shape:?}: {code}, expected {codes:?}");
                }
                Ok(proof) => assert!(codes.is_empty(), "{twist:?} in {shape:?} was accepted: {proof:?}"),
            }
            seen += 1;
        }
        assert!(seen >= 15, "{shape:?}: {seen}");
    }
}

#[test]
fn keys_of_every_kind_with_and_without_a_log() {
    let case = Case::new(4);
    let kinds = [
        (Algorithm::P256, Hash::Sha256),
        (Algorithm::P256, Hash::Sha384),
        (Algorithm::P384, Hash::Sha384),
        (Algorithm::P384, Hash::Sha256),
        (Algorithm::P521, Hash::Sha512),
        (Algorithm::P521, Hash::Sha256),
        (Algorithm::Rsa2048, Hash::Sha256),
        (Algorithm::Rsa2048, Hash::Sha512),
        (Algorithm::Ed25519, Hash::Sha256),
    ];
    for (algorithm, hash) in kinds {
        let key = case.sigstore.key("release", algorithm);
        let public = PublicKey::from_pem(&key.public_pem()).unwrap();
        let ours = match hash {
            Hash::Sha256 => HashAlgorithm::Sha256,
            Hash::Sha384 => HashAlgorithm::Sha384,
            Hash::Sha512 => HashAlgorithm::Sha512,
        };
        let by_key = |log| Demand {
            signer: SignerDemand::Key { key: &public, hash: KeyHash::As(ours) },
            log,
            ..case.demand()
        };
        let shape = Shape::CLASSIC_KEYED;
        let bare = case.sign(&case.sigstore.keyed(&key).hash(hash).without_log(), shape);
        let proof =
            judge(&bare, shape, &by_key(LogDemand::None)).unwrap_or_else(|c| panic!("{algorithm:?}: {c}"));
        assert_eq!((proof.log().name(), proof.time()), ("none", "none"));
        let code = judge(&bare, shape, &by_key(LogDemand::Required(&case.view))).unwrap_err();
        assert_eq!(code, "verify/not-logged", "{algorithm:?} without an entry where one is demanded");
        let other = case.sigstore.key("other", algorithm);
        let public = PublicKey::from_pem(&other.public_pem()).unwrap();
        let demand = Demand {
            signer: SignerDemand::Key { key: &public, hash: KeyHash::As(ours) },
            log: LogDemand::None,
            ..case.demand()
        };
        assert_eq!(judge(&bare, shape, &demand).unwrap_err(), "verify/bad-signature");
    }
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Rsa2048] {
        let key = case.sigstore.key("release", algorithm);
        let public = PublicKey::from_pem(&key.public_pem()).unwrap();
        let logged = case.sign(&case.sigstore.keyed(&key).hash(Hash::Sha256), Shape::CLASSIC_KEYED);
        let demand = Demand {
            signer: SignerDemand::Key { key: &public, hash: KeyHash::As(HashAlgorithm::Sha256) },
            ..case.demand()
        };
        let proof =
            judge(&logged, Shape::CLASSIC_KEYED, &demand).unwrap_or_else(|c| panic!("{algorithm:?}: {c}"));
        assert_eq!((proof.log().name(), proof.time()), ("promise", "log"));
    }
}

/// GHSA-wqqc-jjcq-vfxm, GHSA-wfqv-66vq-46rm: what vouches must have counted at the proven time, ends included.
#[test]
fn windows_are_held_against_the_proven_time() {
    let case = Case::new(5);
    let signed = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
    let bundle = case.sign(&case.keyless(), Shape::BUNDLE);
    let logged = BASE_TIME + 5;
    let root = || case.sigstore.trusted_root();
    let early = BASE_TIME - 1000;
    let cases = [
        ("log_key_retired", root().rekor_window(early, Some(logged - 1)), Err("verify/not-logged")),
        ("log key not yet", root().rekor_window(logged + 1, None), Err("verify/not-logged")),
        ("log window, both ends", root().rekor_window(logged, Some(logged)), Ok(())),
        (
            "authority over",
            root().authority_window(early, Some(logged - 1)),
            Err("verify/issuer-not-valid-then"),
        ),
        ("authority not yet", root().authority_window(logged + 1, None), Err("verify/issuer-not-valid-then")),
        ("authority window, both ends", root().authority_window(logged, Some(logged)), Ok(())),
        ("CT log over", root().ct_log_window(early, Some(BASE_TIME - 10)), Err("verify/bad-sct")),
        ("CT log not yet", root().ct_log_window(BASE_TIME + 9000, None), Err("verify/bad-sct")),
        ("no CT logs", root().without_ct_logs(), Err("verify/no-sct")),
        ("no logs", root().without_rekor(), Err("verify/not-logged")),
    ];
    for (name, root, want) in cases {
        let view = view(&root);
        for (signed, shape) in [(&signed, Shape::CLASSIC_KEYLESS), (&bundle, Shape::BUNDLE)] {
            let got = judge(signed, shape, &case.demand_under(&view)).map(drop);
            assert_eq!(got, want, "{name} in {shape:?}");
        }
    }
}

#[test]
fn expired_intermediate() {
    for sigstore in [
        Sigstore::with_expired_intermediate(6),
        Sigstore::with_expired_root(6),
        Sigstore::with_future_intermediate(6),
    ] {
        let case = Case::of(sigstore);
        let signed = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
        let code = judge(&signed, Shape::CLASSIC_KEYLESS, &case.demand()).unwrap_err();
        assert_eq!(code, "verify/issuer-not-valid-then");
    }
}

/// Evidence under one root never satisfies a demand bound to another, whole or in parts.
#[test]
fn github_vs_public_good() {
    let case = Case::new(7);
    let foreign = case.sigstore.foreign();
    let other = view(&foreign.trusted_root());
    for shape in [Shape::CLASSIC_KEYLESS, Shape::BUNDLE] {
        let signed = case.sign(&case.keyless(), shape);
        assert!(judge(&signed, shape, &case.demand_under(&other)).is_err());
        let mixed = [
            Demand { signer: SignerDemand::Keyless { view: &other, sct: true }, ..case.demand() },
            Demand { log: LogDemand::Required(&other), ..case.demand() },
        ];
        for demand in mixed {
            assert!(judge(&signed, shape, &demand).is_err(), "{shape:?} {demand:?}");
        }
    }
}

/// CVE-2022-35929: an attestation is not an image signature, and the reverse.
#[test]
fn attestation_never_counts_as_signature() {
    let case = Case::new(8);
    let attestation = case.sign(&case.keyless(), Shape::CLASSIC_ATTESTATION);
    let code = judge(&attestation, Shape::CLASSIC_ATTESTATION, &case.demand()).unwrap_err();
    assert_eq!(code, "verify/wrong-kind");
    let signature = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
    let demand = Demand { purpose: Purpose::Attestation, ..case.demand() };
    assert_eq!(judge(&signature, Shape::CLASSIC_KEYLESS, &demand).unwrap_err(), "verify/wrong-kind");
    let statement =
        case.keyless().statement("v1", REPOSITORY, &case.text, "https://slsa.dev/provenance/v1", "{}");
    assert_eq!(judge(&statement, Shape::BUNDLE, &case.demand()).unwrap_err(), "verify/wrong-kind");
}

/// A signature over a file, however it is dressed up, says nothing about an image.
#[test]
fn repackaged_blob_signature() {
    let case = Case::new(9);
    let blob = case.keyless().payload(b"#!/bin/sh\n".to_vec());
    assert_eq!(judge(&blob, Shape::CLASSIC_KEYLESS, &case.demand()).unwrap_err(), "evidence/malformed");
    assert_eq!(judge(&blob, Shape::BUNDLE, &case.demand()).unwrap_err(), "verify/wrong-kind");
}

/// A certificate without any proven time is denied, never judged at the present.
#[test]
fn certificate_without_time_is_denied() {
    let case = Case::new(10);
    let signed = case.sign(&case.keyless().without_log(), Shape::CLASSIC_KEYLESS);
    assert_eq!(judge(&signed, Shape::CLASSIC_KEYLESS, &case.demand()).unwrap_err(), "verify/not-logged");
    for log in [LogDemand::Optional(&case.view), LogDemand::None] {
        let demand = Demand { log, ..case.demand() };
        assert_eq!(judge(&signed, Shape::CLASSIC_KEYLESS, &demand).unwrap_err(), "verify/no-time");
    }
    // An entry that nobody demanded still gives the time, and its lies still count.
    let demand = Demand { log: LogDemand::Optional(&case.view), ..case.demand() };
    let honest = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
    assert!(judge(&honest, Shape::CLASSIC_KEYLESS, &demand).is_ok());
    let foreign = case.sign(&case.keyless().twisted(Twist::EntryOfAnotherSignature), Shape::CLASSIC_KEYLESS);
    assert_eq!(judge(&foreign, Shape::CLASSIC_KEYLESS, &demand).unwrap_err(), "verify/entry-differs");
}

#[test]
fn a_missing_sct_is_accepted_only_where_none_is_demanded() {
    let case = Case::new(11);
    let signed = case.sign(&case.keyless().twisted(Twist::SctMissing), Shape::CLASSIC_KEYLESS);
    let demand = Demand { signer: SignerDemand::Keyless { view: &case.view, sct: false }, ..case.demand() };
    let evidence = read(&signed, Shape::CLASSIC_KEYLESS).unwrap();
    let (account, result) = verify(&evidence, &demand);
    result.unwrap();
    let sct = account.checks().find(|(name, _)| *name == "sct").unwrap();
    assert_eq!(sct.1.name(), "not-required");
}

/// The media type of a bundle is unsigned: relabelling one changes no rule.
#[test]
fn media_type_selects_no_rule() {
    let case = Case::new(12);
    let signed = case.sign(&case.keyless(), Shape::BUNDLE);
    let honest = signed.bundle();
    for version in ["+json;version=0.1", "+json;version=0.2", "+json;version=0.3"] {
        let relabelled = honest.replace(".v0.3+json", version);
        assert_ne!(relabelled, honest);
        let twisted = case.sign(&case.keyless().twisted(Twist::ProofAltered), Shape::BUNDLE).bundle();
        let twisted = twisted.replace(".v0.3+json", version);
        let judge = |text: &str| {
            let evidence = bundle::parse(Digest::sha256(text.as_bytes()), text.as_bytes()).unwrap();
            verify(&evidence, &case.demand()).1
        };
        assert!(judge(&relabelled).is_ok(), "{version}");
        assert!(matches!(judge(&twisted), Err(Rejection::NotLogged { .. })), "{version}");
    }
    let unknown = honest.replace(".v0.3+json", ".v0.4+json");
    assert!(bundle::parse(Digest::sha256(b""), unknown.as_bytes()).is_err());
}

/// A key that signs asks for no time, but a log whose own time has ended does.
#[test]
fn a_retired_log_vouches_for_nothing_without_a_time() {
    let case = Case::new(9);
    let key = case.sigstore.key("release", Algorithm::P256);
    let public = PublicKey::from_pem(&key.public_pem()).unwrap();
    let signed = case.sign(&case.sigstore.keyed(&key), Shape::BUNDLE);
    let mut evidence = read(&signed, Shape::BUNDLE).unwrap();
    let logged = BASE_TIME + 5;
    let root = || case.sigstore.trusted_root();
    let (open, ended) = (view(&root()), view(&root().rekor_window(BASE_TIME - 1000, Some(logged + 1000))));
    let judge = |evidence: &Evidence, view: &TrustView| {
        let demand = Demand {
            signer: SignerDemand::Key { key: &public, hash: KeyHash::As(HashAlgorithm::Sha256) },
            stamp: StampDemand::None,
            log: LogDemand::Required(view),
            ..case.demand()
        };
        verify(evidence, &demand).1.map(|proof| proof.time()).map_err(|rejection| rejection.code().name)
    };
    assert_eq!(judge(&evidence, &ended), Ok("log"), "the promise says that it was in time");
    for entry in &mut evidence.entries {
        entry.promise = None;
    }
    assert_eq!(judge(&evidence, &open), Ok("none"));
    assert_eq!(judge(&evidence, &ended), Err("verify/not-logged"));
}

/// A log that has shown two histories vouches for nothing and dates nothing; that is no denial either.
#[test]
fn a_doubted_log_decides_nothing() {
    let case = Case::new(41);
    let signed = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
    let doubting =
        |keys: &[[u8; 32]]| view(&case.sigstore.trusted_root()).doubting(&keys.iter().copied().collect());
    let (rekor, ct) = (case.sigstore.rekor.key.key_id(), case.sigstore.ct_log.key.key_id());
    let judge_under = |view: &TrustView, log: &dyn Fn(&TrustView) -> bool| {
        let mut demand = case.demand_under(view);
        if !log(view) {
            demand.log = LogDemand::Optional(view);
        }
        judge(&signed, Shape::CLASSIC_KEYLESS, &demand).map(|_| ())
    };
    for required in [true, false] {
        let asked = |_: &TrustView| required;
        assert_eq!(judge_under(&doubting(&[]), &asked), Ok(()));
        assert_eq!(judge_under(&doubting(&[[9; 32]]), &asked), Ok(()), "another log's key");
        for keys in [&[rekor][..], &[ct], &[rekor, ct]] {
            assert_eq!(judge_under(&doubting(keys), &asked), Err("log/split-view"), "{required}");
        }
    }
    // What fails for another reason is still denied for that.
    let view = doubting(&[rekor]);
    let other = "sha256:".to_owned() + &"0".repeat(64);
    let other: Digest = other.parse().unwrap();
    let demand = Demand { subject: Subject::Image(&other), ..case.demand_under(&view) };
    assert_eq!(judge(&signed, Shape::CLASSIC_KEYLESS, &demand).map(|_| ()), Err("verify/subject-differs"));
    // A key whose log nobody asks for needs none.
    let key = case.sigstore.key("k", Algorithm::P256);
    let keyed = case.sign(&case.sigstore.keyed(&key), Shape::CLASSIC_KEYLESS);
    let public = sealock::crypto::PublicKey::from_spki(&key.public_der()).unwrap();
    let signer = SignerDemand::Key { key: &public, hash: sealock::verify::KeyHash::Own };
    let demand = Demand { signer, log: LogDemand::None, ..case.demand_under(&view) };
    assert!(judge(&keyed, Shape::CLASSIC_KEYLESS, &demand).is_ok());
    let demand = Demand { signer, ..case.demand_under(&view) };
    assert_eq!(judge(&keyed, Shape::CLASSIC_KEYLESS, &demand).map(|_| ()), Err("log/split-view"));
}

/// GHSA-wqqc-jjcq-vfxm: the end of a key's life was not looked at. What it signed by then counts, also long after.
#[test]
fn expiring_key() {
    let case = Case::new(43);
    let signed = case.sign(&case.keyless(), Shape::CLASSIC_KEYLESS);
    let logged = BASE_TIME + 5;
    for (start, end, good) in [
        (logged - 100, Some(logged), true),
        (logged - 100, Some(logged - 1), false),
        (logged, None, true),
        (logged + 1, None, false),
    ] {
        let view = view(&case.sigstore.trusted_root().rekor_window(start, end));
        let verdict = judge(&signed, Shape::CLASSIC_KEYLESS, &case.demand_under(&view)).map(|_| ());
        assert_eq!(verdict, if good { Ok(()) } else { Err("verify/not-logged") }, "{start} {end:?}");
    }
}
