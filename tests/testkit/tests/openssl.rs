//! What the testkit mints, read and verified by OpenSSL: keys, signatures, certificate chains, promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stderr, reason = "says what was skipped and why something was refused")]
#![allow(clippy::similar_names, reason = "signer and signed are the words of the domain")]
#![allow(clippy::disallowed_methods, reason = "tests write the files that OpenSSL reads")]

use std::path::Path;
use std::process::{Command, Output};

use sealock_testkit::calendar::BASE_TIME;
use sealock_testkit::{Algorithm, Hash, Identity, Sigstore, der};

/// Runs OpenSSL in a directory; `None` where the command does not exist.
fn openssl(directory: &Path, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("openssl").current_dir(directory).args(arguments).output();
    if output.is_err() {
        eprintln!("skipped: no openssl command");
    }
    output.ok()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_kind_of_key_and_hash_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let sigstore = Sigstore::new(7);
    let message = b"signed by one library, verified by another";
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("message", message);
    for algorithm in Algorithm::ALL {
        let key = sigstore.key("openssl", algorithm);
        write("public.pem", key.public_pem().as_bytes());
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let signature = key.sign(message, hash);
            assert_eq!(signature, key.sign(message, hash), "signatures are deterministic");
            write("signature", &signature);
            let digest = format!("-{}", hash.lower_name());
            let arguments: Vec<&str> = match algorithm {
                Algorithm::Ed25519 => vec![
                    "pkeyutl",
                    "-verify",
                    "-pubin",
                    "-inkey",
                    "public.pem",
                    "-rawin",
                    "-in",
                    "message",
                    "-sigfile",
                    "signature",
                ],
                _ => vec!["dgst", &digest, "-verify", "public.pem", "-signature", "signature", "message"],
            };
            let Some(output) = openssl(directory.path(), &arguments) else { return };
            assert!(output.status.success(), "{algorithm:?} {hash:?}: {}", text(&output));
        }
    }
}

#[test]
fn chain_verifies_at_signing_time_and_not_after() {
    for sigstore in [Sigstore::new(1), Sigstore::with_p256_authority(1)] {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let signed = sigstore.keyless(&Identity::example()).payload("x");
        write("root.pem", &der::pem("CERTIFICATE", &sigstore.authority.root));
        write("intermediate.pem", &der::pem("CERTIFICATE", &sigstore.authority.intermediate));
        write("leaf.pem", &signed.certificate_pem().unwrap());
        for (time, good) in
            [(BASE_TIME - 1, false), (BASE_TIME, true), (BASE_TIME + 599, true), (BASE_TIME + 601, false)]
        {
            let arguments = [
                "verify",
                "-x509_strict",
                "-purpose",
                "any",
                "-attime",
                &time.to_string(),
                "-CAfile",
                "root.pem",
                "-untrusted",
                "intermediate.pem",
                "leaf.pem",
            ];
            let Some(output) = openssl(directory.path(), &arguments) else { return };
            assert_eq!(output.status.success(), good, "{time}: {}", text(&output));
        }
        let arguments = ["x509", "-in", "leaf.pem", "-noout", "-text"];
        let shown = text(&openssl(directory.path(), &arguments).unwrap());
        for expected in [
            "URI:https://github.com/example/app/.github/workflows/release.yaml@refs/heads/main",
            "Code Signing",
            "Digital Signature",
            "Signed Certificate Timestamp",
            "https://token.actions.githubusercontent.com",
            "X509v3 Subject Alternative Name: critical",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
    }
}

#[test]
fn promise_verifies_over_the_canonical_entry() {
    let directory = tempfile::tempdir().unwrap();
    let sigstore = Sigstore::new(2);
    let entry = sigstore.keyless(&Identity::example()).payload("x").entry.unwrap();
    // The canonical form is spelled out here once more, by hand.
    let promised = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        sealock_testkit::base64(&entry.body),
        BASE_TIME + 5,
        sealock_testkit::sha256_hex(&sigstore.rekor.key.public_der()),
        5
    );
    std::fs::write(directory.path().join("promised"), promised).unwrap();
    std::fs::write(directory.path().join("set"), &entry.set).unwrap();
    std::fs::write(directory.path().join("log.pem"), sigstore.rekor.key.public_pem()).unwrap();
    let arguments = ["dgst", "-sha256", "-verify", "log.pem", "-signature", "set", "promised"];
    let Some(output) = openssl(directory.path(), &arguments) else { return };
    assert!(output.status.success(), "{}", text(&output));
}

/// Whether OpenSSL accepts the chain of a fresh leaf at [`BASE_TIME`]; `None` without the command.
fn chain_holds(sigstore: &Sigstore) -> Option<bool> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let signed = sigstore.keyless(&Identity::example()).payload("x");
    write("root.pem", &der::pem("CERTIFICATE", &sigstore.authority.root));
    write("intermediate.pem", &der::pem("CERTIFICATE", &sigstore.authority.intermediate));
    write("leaf.pem", &signed.certificate_pem().unwrap());
    let time = (BASE_TIME + 5).to_string();
    let arguments = [
        "verify",
        "-purpose",
        "any",
        "-attime",
        &time,
        "-CAfile",
        "root.pem",
        "-untrusted",
        "intermediate.pem",
        "leaf.pem",
    ];
    Some(openssl(directory.path(), &arguments)?.status.success())
}

#[test]
fn authorities_end_and_begin_as_asked() {
    let Some(honest) = chain_holds(&Sigstore::new(3)) else { return };
    assert!(honest);
    assert_eq!(chain_holds(&Sigstore::with_expired_intermediate(3)), Some(false));
    assert_eq!(chain_holds(&Sigstore::with_expired_root(3)), Some(false));
    assert_eq!(chain_holds(&Sigstore::with_future_intermediate(3)), Some(false));
}

#[test]
fn names_are_of_the_kind_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let sigstore = Sigstore::with_p256_authority(4);
    let issuer = "https://accounts.example.com";
    for (identity, shown) in [
        (Identity::email(issuer, "alice@example.com"), "email:alice@example.com"),
        (Identity::dns(issuer, "build.example.com"), "DNS:build.example.com"),
        (Identity::uri(issuer, "spiffe://example.com/build"), "URI:spiffe://example.com/build"),
        (Identity::user(issuer, "alice"), "othername: 1.3.6.1.4.1.57264.1.7::alice"),
    ] {
        let signed = sigstore.keyless(&identity).payload("x");
        std::fs::write(directory.path().join("leaf.pem"), signed.certificate_pem().unwrap()).unwrap();
        let arguments = ["x509", "-in", "leaf.pem", "-noout", "-ext", "subjectAltName"];
        let Some(output) = openssl(directory.path(), &arguments) else { return };
        assert!(text(&output).contains(shown), "{shown} in {}", text(&output));
    }
}
