//! Trust roots out of PEM files, as cosign's environment variables name them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods)]

use std::process::{Command, Stdio};

use sealock::crypto::Certificate;
use sealock::trust::parts::Parts;
use sealock_testkit::der::pem;
use sealock_testkit::{Identity, Image, Layout, Sigstore};

const NAME: &str = "registry.example.com/demo/app:1";

struct Shop {
    home: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let shop = Self { home: tempfile::tempdir().unwrap() };
        let sigstore = Sigstore::new(3);
        let image = Image::new("registry.example.com/demo/app", "app");
        let signature = sigstore.sign_keyless(&Identity::example(), &image);
        Layout::new()
            .image(NAME, &image)
            .signature(&image, &signature)
            .write(shop.home.path().join("layout"));
        shop.write("anchor.pem", &pem("CERTIFICATE", &sigstore.authority.root));
        let chain = [&sigstore.authority.intermediate, &sigstore.authority.root];
        shop.write("chain.pem", &chain.map(|der| pem("CERTIFICATE", der)).concat());
        shop.write("rekor.pem", &sigstore.rekor.key.public_pem());
        shop.write("ct.pem", &sigstore.ct_log.key.public_pem());
        shop.write("other.pem", &Sigstore::new(4).rekor.key.public_pem());
        shop.write("root.json", &sigstore.trusted_root().json());
        shop.write("empty.pem", "");
        shop
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    fn verify(&self, flags: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
            .args(["verify", "--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*"])
            .args(flags)
            .arg(format!("oci:layout:{NAME}"))
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(all).unwrap())
    }
}

const ALL: [&str; 6] = ["--fulcio-root", "chain.pem", "--rekor-key", "rekor.pem", "--ct-log-key", "ct.pem"];

#[test]
fn every_part_is_needed_and_only_what_was_named_counts() {
    let shop = Shop::new();
    let (status, said) = shop.verify(&ALL, &[]);
    assert_eq!(status, 0, "{said}");
    for (flags, wanted) in [
        (&["--rekor-key", "rekor.pem", "--ct-log-key", "ct.pem"][..], "certificate authority"),
        (&["--fulcio-root", "chain.pem", "--ct-log-key", "ct.pem"], "no entry"),
        (&["--fulcio-root", "chain.pem", "--rekor-key", "other.pem", "--ct-log-key", "ct.pem"], "no entry"),
        (&["--fulcio-root", "chain.pem", "--rekor-key", "rekor.pem"], "SCT"),
        // The intermediate is not known without being named, and none comes out of the evidence.
        (
            &["--fulcio-root", "anchor.pem", "--rekor-key", "rekor.pem", "--ct-log-key", "ct.pem"],
            "certificate authority",
        ),
    ] {
        let (status, said) = shop.verify(flags, &[]);
        assert!(status == 1 && said.contains(wanted), "{flags:?}: {status} {said}");
    }
    // Several of a kind.
    let more = [&ALL[..], &["--rekor-key", "other.pem", "--fulcio-root", "anchor.pem"]].concat();
    assert_eq!(shop.verify(&more, &[]).0, 0);
}

#[test]
fn what_is_no_pem_or_names_two_roots_is_wrong_use() {
    let shop = Shop::new();
    for flags in [
        &["--fulcio-root", "missing.pem"][..],
        &["--fulcio-root", "empty.pem"],
        &["--fulcio-root", "rekor.pem"],
        &["--fulcio-root", "root.json"],
        &["--rekor-key", "chain.pem"],
        &["--ct-log-key", "empty.pem"],
        &["--tsa-chain", "ct.pem"],
        &["--trust-root", "root.json", "--rekor-key", "rekor.pem"],
    ] {
        let (status, said) = shop.verify(flags, &[]);
        assert_eq!(status, 2, "{flags:?}: {said}");
    }
}

/// Whoever can set a variable must not choose whom we trust; that it is not followed is said.
#[test]
fn cosigns_variables_are_not_followed_and_that_is_said() {
    let shop = Shop::new();
    let variables = [
        ("SIGSTORE_ROOT_FILE", "chain.pem"),
        ("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pem"),
        ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "ct.pem"),
    ];
    let (status, said) = shop.verify(&[], &variables);
    assert_eq!(status, 1, "{said}");
    for (name, _) in variables {
        assert!(said.contains(&format!("{name} is set and not followed")), "{said}");
    }
    let (status, said) = shop.verify(&ALL, &variables);
    assert!(status == 0 && !said.contains("not followed"), "{said}");
}

/// An anchor was renewed: same name, same key, other dates. Each way up counts, whichever stands first.
#[test]
fn each_of_two_issuers_of_one_name_and_key_counts() {
    let shop = Shop::new();
    let (renewed, ended) = (Sigstore::new(3), Sigstore::with_expired_root(3));
    let [new, old, below] = [&renewed.authority.root, &ended.authority.root, &renewed.authority.intermediate];
    assert_ne!(new, old);
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    for order in [[old, new], [new, old]] {
        let chain = vec![read(below), read(order[0]), read(order[1])];
        let parts = Parts { issuing: vec![("a".to_owned(), chain)], ..Parts::default() };
        assert_eq!(parts.root([0; 32]).certificate_authorities.len(), 4, "two ways up, and both anchors");
        shop.write("both.pem", &[below, order[0], order[1]].map(|der| pem("CERTIFICATE", der)).concat());
        let flags = ["--fulcio-root", "both.pem", "--rekor-key", "rekor.pem", "--ct-log-key", "ct.pem"];
        let (status, said) = shop.verify(&flags, &[]);
        assert_eq!(status, 0, "{said}");
    }
    // With the old one alone it does not count; without any it vouches for nobody.
    shop.write("old.pem", &[below, old].map(|der| pem("CERTIFICATE", der)).concat());
    let flags = ["--fulcio-root", "old.pem", "--rekor-key", "rekor.pem", "--ct-log-key", "ct.pem"];
    assert_eq!(shop.verify(&flags, &[]).0, 1);
    let parts = Parts { issuing: vec![("a".to_owned(), vec![read(below)])], ..Parts::default() };
    assert!(parts.root([0; 32]).certificate_authorities.is_empty());
}
