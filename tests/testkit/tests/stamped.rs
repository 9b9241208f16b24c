//! Tokens of the timestamp authority by OpenSSL, and entries of Rekor v2 with them by the Sigstore project's verifier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stderr, reason = "says what was skipped and why something was refused")]
#![allow(clippy::similar_names, reason = "signer and signed are the words of the domain")]
#![allow(clippy::disallowed_methods, reason = "tests write the files that OpenSSL reads")]

use std::path::Path;
use std::process::{Command, Output};

use sealock_testkit::authority::Validity;
use sealock_testkit::calendar::{BASE_TIME, DAY, YEAR};
use sealock_testkit::tsa::{Token, Tsa, TsaOptions};
use sealock_testkit::{
    Algorithm, EnvelopeEntry, Hash, Identity, RekorV2, Signed, Signer, Sigstore, TrustedRoot, Witness, der,
};
use sigstore_types::{Bundle, Sha256Hash};
use sigstore_verify::VerificationPolicy;

/// A token of another form.
type Change<'a> = (&'a str, Box<dyn Fn(Token) -> Token + 'a>);

const MESSAGE: &[u8] = b"what was stamped";

/// Whether OpenSSL takes a token over [`MESSAGE`], with what it says; `None` where there is no OpenSSL.
fn openssl(directory: &Path, tsa: &Tsa, token: &[u8], bare: bool) -> Option<Result<(), String>> {
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    write("message", MESSAGE);
    write("token", token);
    write("root.pem", der::pem("CERTIFICATE", &tsa.root).as_bytes());
    let chain = der::pem("CERTIFICATE", &tsa.intermediate) + &der::pem("CERTIFICATE", &tsa.leaf);
    write("chain.pem", chain.as_bytes());
    let at = BASE_TIME.to_string();
    let mut arguments = vec!["ts", "-verify", "-data", "message", "-in", "token", "-CAfile", "root.pem"];
    arguments.extend(["-untrusted", "chain.pem", "-attime", &at]);
    if bare {
        arguments.push("-token_in");
    }
    let Ok(output) = Command::new("openssl").current_dir(directory).args(arguments).output() else {
        eprintln!("skipped: no openssl command");
        return None;
    };
    let text = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    Some(if output.status.success() { Ok(()) } else { Err(text(&output)) })
}

#[test]
fn honest_tokens_of_every_kind_of_key_pass() {
    let directory = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Rsa2048] {
        let tsa = Tsa::with_key(1, "stamps.example.com", algorithm);
        let honest = tsa.token(MESSAGE, BASE_TIME);
        let changes: Vec<Change<'_>> = vec![
            ("as it is", Box::new(|token| token)),
            ("SHA-512 imprint", Box::new(|token| token.imprinted(MESSAGE, Hash::Sha512))),
            ("SHA-384 imprint", Box::new(|token| token.imprinted(MESSAGE, Hash::Sha384))),
            (
                "nonce and no accuracy",
                Box::new(|token| Token { nonce: Some(u64::MAX), accuracy: None, ..token }),
            ),
            ("fraction", Box::new(|token| Token { fraction: "25".into(), ..token })),
            ("empty bag", Box::new(|token| Token { bag: Vec::new(), ..token })),
            ("digest by SHA-256", Box::new(|token| Token { digest_hash: Hash::Sha256, ..token })),
            ("granted with changes", Box::new(|token| Token { status: 1, ..token })),
            ("no signing time", Box::new(|token| Token { signing_time: None, ..token })),
        ];
        for (name, change) in changes {
            let token = change(honest.clone());
            let Some(verdict) = openssl(directory.path(), &tsa, &token.response(), false) else { return };
            assert_eq!(verdict, Ok(()), "{algorithm:?}: {name}");
        }
        assert_eq!(openssl(directory.path(), &tsa, &honest.bare(), true).unwrap(), Ok(()), "bare");
        // `openssl ts` knows signers by issuer and serial number only; its reader of CMS knows both.
        let bag = vec![tsa.leaf.clone(), tsa.intermediate.clone()];
        let by_key = Token { signer: tsa.key_identifier(), bag, ..honest };
        std::fs::write(directory.path().join("token"), by_key.bare()).unwrap();
        let output = Command::new("openssl")
            .current_dir(directory.path())
            .args([
                "cms", "-verify", "-inform", "DER", "-in", "token", "-out", "content", "-CAfile", "root.pem",
            ])
            .args(["-certfile", "chain.pem", "-purpose", "timestampsign", "-attime", &BASE_TIME.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(directory.path().join("content")).unwrap(), by_key.content());
    }
}

/// Each departure is refused for what it is, so that nothing else is wrong with the token.
#[test]
fn every_departure_is_refused_by_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let tsa = Tsa::with_key(2, "stamps.example.com", Algorithm::P256);
    let impostor = tsa.impostor();
    let stranger = Tsa::with_key(3, "stranger.example.com", Algorithm::P256);
    let honest = || tsa.token(MESSAGE, BASE_TIME);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("another imprint", tsa.stamp(b"another", BASE_TIME), "message imprint mismatch"),
        ("rejected", Token { status: 2, ..honest() }.response(), "token present"),
        ("no token", Token { with_token: false, ..honest() }.response(), ""),
        (
            "two signers",
            Token { keys: vec![tsa.leaf_key.clone(), tsa.leaf_key.clone()], ..honest() }.response(),
            "there must be one signer",
        ),
        ("another key", honest().signed_by(&stranger.leaf_key).response(), "signature failure"),
        (
            "the impostor's leaf in the bag",
            Token { bag: vec![impostor.leaf.clone()], ..honest() }.signed_by(&impostor.leaf_key).response(),
            "",
        ),
        (
            "names another certificate",
            Token { signing_certificate: Some(stranger.leaf.clone()), ..honest() }.response(),
            "ess",
        ),
        (
            "digest of something else",
            Token { message_digest: Some(vec![7; 32]), ..honest() }.response(),
            "digest failure",
        ),
        (
            "another content type",
            Token { content_type: "1.2.840.113549.1.7.1".into(), ..honest() }.response(),
            "",
        ),
    ];
    for (name, token, reason) in cases {
        let Some(verdict) = openssl(directory.path(), &tsa, &token, false) else { return };
        let said = verdict.expect_err(name).to_lowercase();
        assert!(said.contains(reason), "{name}: {said}");
    }
    // Authorities that must not stamp.
    let years = Validity::around(BASE_TIME);
    let ended = Validity { from: years.from, until: BASE_TIME - DAY };
    let options =
        || TsaOptions { leaf_algorithm: Algorithm::P256, ..TsaOptions::new(4, "stamps.example.com") };
    for (name, options) in [
        ("leaf ended", TsaOptions { leaf_validity: ended, ..options() }),
        ("intermediate ended", TsaOptions { intermediate_validity: ended, ..options() }),
        ("root ended", TsaOptions { root_validity: ended, ..options() }),
        ("usage not critical", TsaOptions { usage_critical: false, ..options() }),
        ("no usage", TsaOptions { leaf_usages: Vec::new(), ..options() }),
    ] {
        let tsa = Tsa::build(&options);
        let verdict = openssl(directory.path(), &tsa, &tsa.stamp(MESSAGE, BASE_TIME), false).unwrap();
        assert!(verdict.is_err(), "{name}");
    }
}

struct World {
    sigstore: Sigstore,
    tsa: Tsa,
    digest: String,
}

impl World {
    fn new(seed: u64) -> World {
        let sigstore = Sigstore::with_p256_authority(seed);
        let digest = sigstore.image("app").digest();
        World { tsa: Tsa::with_key(seed, &sigstore.domain, Algorithm::P384), sigstore, digest }
    }

    fn signer<'a>(&'a self, log: &'a RekorV2) -> Signer<'a> {
        let signer = self.sigstore.keyless(&Identity::example());
        signer.logged_in_v2(log).stamped_by(&self.tsa)
    }

    fn root(&self, log: &RekorV2) -> TrustedRoot {
        self.sigstore.trusted_root().with_log_v2(log).with_tsa(&self.tsa)
    }

    fn judge(&self, signed: &Signed, root: &TrustedRoot) -> Result<(), String> {
        let identity = Identity::example();
        let policy = VerificationPolicy::any_identity()
            .require_identity(identity.name.text())
            .require_issuer(identity.issuer.as_str());
        let bundle = Bundle::from_json(&signed.bundle()).map_err(|fault| fault.to_string())?;
        let hash = Sha256Hash::from_hex(self.digest.strip_prefix("sha256:").unwrap()).unwrap();
        let root = sigstore_trust_root::TrustedRoot::from_json(&root.json()).unwrap();
        sigstore_verify::verify(hash, &bundle, &policy, &root).map(|_| ()).map_err(|fault| fault.to_string())
    }
}

#[test]
fn entries_of_version_2_pass() {
    let world = World::new(20);
    let witness = Witness::new(20, "witness.example.com/w1");
    let host = "log2025-1.rekor.example.com";
    let logs = [
        RekorV2::new(20, host, Algorithm::Ed25519),
        RekorV2::new(20, host, Algorithm::P256),
        RekorV2::empty(21, host, Algorithm::Ed25519),
        RekorV2::new(22, host, Algorithm::Ed25519).witnessed_by(&witness, BASE_TIME + 9),
    ];
    for log in &logs {
        let signer = world.signer(log);
        let signed = signer.image_statement(&world.digest);
        let said = world.judge(&signed, &world.root(log)).unwrap_err();
        assert!(
            said.contains("unsupported Rekor entry format: dsse/0.0.2"),
            "it reads none of these: {said}"
        );
        let signer = signer.envelope_entry(EnvelopeEntry::Hashedrekord);
        let signed = signer.image_statement(&world.digest);
        assert_eq!(world.judge(&signed, &world.root(log)), Ok(()), "{}", signed.bundle());
        let blob = signer.payload(b"a file".to_vec());
        let bundle = Bundle::from_json(&blob.bundle()).unwrap();
        let root = sigstore_trust_root::TrustedRoot::from_json(&world.root(log).json()).unwrap();
        let any = VerificationPolicy::any_identity();
        sigstore_verify::verify(b"a file".as_slice(), &bundle, &any, &root).unwrap();
    }
}

#[test]
fn departures_of_version_2_are_refused() {
    let world = World::new(23);
    let host = "log2025-1.rekor.example.com";
    let log = RekorV2::new(23, host, Algorithm::Ed25519);
    let other = RekorV2::new(24, host, Algorithm::Ed25519);
    let root = world.root(&log);
    let honest =
        world.signer(&log).envelope_entry(EnvelopeEntry::Hashedrekord).image_statement(&world.digest);
    assert_eq!(world.judge(&honest, &root), Ok(()));
    let change = |change: &dyn Fn(&mut Signed)| {
        let mut signed = honest.clone();
        change(&mut signed);
        world.judge(&signed, &root)
    };
    let stranger = Tsa::new(99, "stranger.example.com");
    let foreign =
        world.signer(&other).envelope_entry(EnvelopeEntry::Hashedrekord).image_statement(&world.digest);
    let cases = [
        ("no stamp", change(&|signed| signed.timestamps.clear())),
        ("a stranger's stamp", change(&|s| s.timestamps = vec![stranger.stamp(&s.signature, BASE_TIME)])),
        ("a stamp of something else", change(&|s| s.timestamps = vec![world.tsa.stamp(b"x", BASE_TIME)])),
        ("a late stamp", change(&|s| s.timestamps = vec![world.tsa.stamp(&s.signature, BASE_TIME + YEAR)])),
        ("no entry", change(&|signed| signed.entry = None)),
        ("another log's entry", change(&|signed| signed.entry.clone_from(&foreign.entry))),
        ("another proof", change(&|s| s.entry.as_mut().unwrap().proof.hashes[0][0] ^= 1)),
        ("another body", change(&|s| s.entry.as_mut().unwrap().body.push(b' '))),
    ];
    for (name, verdict) in cases {
        assert!(verdict.is_err(), "{name}");
    }
}

/// Extensions of a promise are covered by its signature. The verifier reads one promise per certificate.
#[test]
fn promises_with_extensions_pass() {
    let world = World::new(25);
    let signed_with = |extensions: &'static [u8], kept: bool| {
        let signer = world.sigstore.keyless(&Identity::example()).scts(move |log, shown| {
            let mut sct = log.stamp_with(&shown.issuer_key_hash, shown.tbs, shown.time, extensions);
            if !kept {
                sct.extensions.clear();
            }
            vec![sct]
        });
        let signed = signer.envelope_entry(EnvelopeEntry::Dsse).image_statement(&world.digest);
        world.judge(&signed, &world.sigstore.trusted_root())
    };
    assert_eq!(signed_with(b"", true), Ok(()));
    assert_eq!(signed_with(b"\0\0\x05index", true), Ok(()));
    assert!(signed_with(b"\0\0\x05index", false).unwrap_err().contains("SCT"));
}

#[test]
fn names_and_hints_of_witnesses() {
    let witness = Witness::new(1, "w.example.com");
    let vkey = witness.vkey();
    let parts: Vec<&str> = vkey.splitn(3, '+').collect();
    let key = sealock_testkit::unbase64(parts[2]);
    assert_eq!((parts[0], key[0], key.len()), ("w.example.com", 4, 33));
    let id = Hash::Sha256.digest(&[b"w.example.com\n".as_slice(), &key].concat());
    let hint: Vec<u8> =
        (0..4).map(|at| u8::from_str_radix(&parts[1][2 * at..2 * at + 2], 16).unwrap()).collect();
    assert_eq!(hint, id[..4]);
    // Signed by OpenSSL's reading of the specification as well as ours.
    let line = witness.cosign("origin\n1\nroot\n", 7);
    let signature = sealock_testkit::unbase64(line.trim_end().rsplit_once(' ').unwrap().1);
    assert_eq!((&signature[..4], &signature[4..12]), (&id[..4], &7_u64.to_be_bytes()[..]));
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("public.pem", witness.key.public_pem().as_bytes());
    write("message", b"cosignature/v1\ntime 7\norigin\n1\nroot\n");
    write("signature", &signature[12..]);
    let verified = Command::new("openssl")
        .current_dir(directory.path())
        .args(["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin"])
        .args(["-in", "message", "-sigfile", "signature"])
        .status();
    assert!(verified.is_ok_and(|status| status.success()));
}
