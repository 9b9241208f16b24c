//! Fields: what is read, what is refused, and where.

use sealock::crypto::HashAlgorithm;
use sealock::policy::document::DocumentErrorKind::{Invalid, Unsupported};
use sealock::policy::document::upstream_text;
use sealock::policy::glob::Glob;
use sealock::policy::identity::Matcher;
use sealock::policy::model::{ApiVersion, Ctlog, SourceRef};
use sealock::policy::{AuthorityKind, Mode};

use super::*;

#[test]
fn every_field_of_the_model_is_read() {
    let loaded = read(document(
        "all",
        &format!(
            "  mode: warn
  images:
  - glob: cgr.dev/chainguard/**
  - glob: ghcr.io/x/*
  authorities:
  - keyless:
      url: https://fulcio.sigstore.dev
      trustRootRef: mine
      insecureIgnoreSCT: true
      identities:
      - issuer: https://token.example
        subjectRegExp: ^a$
      - issuerRegExp: .*
        subject: s
    ctlog:
      url: https://rekor.sigstore.dev
      trustRootRef: logs
    signatureFormat: bundle
  - name: keyed
    key:
      hashAlgorithm: ' SHA512'
      data: |
{KEY}    ctlog: {{}}
    source:
    - oci: registry.example/signatures/here
      tagPrefix: pre-
      signaturePullSecrets:
      - name: pull
  - static: {{action: fail, message: no}}
"
        )
        .replace("message: no", "message: 'no'"),
    ));
    assert_eq!(error_lines(&loaded), Vec::<String>::new());
    let [policy] = loaded.policies.as_slice() else { panic!("one policy") };
    assert_eq!((policy.name.as_str(), policy.mode), ("all", Mode::Warn));
    assert_eq!(policy.api_version, ApiVersion::V1Beta1);
    assert_eq!(policy.position.to_string(), "p.yaml:1:1");
    assert_eq!(
        policy.images.iter().map(Glob::text).collect::<Vec<_>>(),
        ["cgr.dev/chainguard/**", "ghcr.io/x/*"]
    );
    let [first, second, third] = policy.authorities.as_slice() else { panic!("three authorities") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("authority-0", "keyed"));
    assert!(first.bundle_format && !second.bundle_format);
    let AuthorityKind::Keyless { identities, trust_root_ref, insecure_ignore_sct } = &first.kind else {
        panic!("keyless")
    };
    assert_eq!((trust_root_ref.as_deref(), *insecure_ignore_sct), (Some("mine"), true));
    assert!(matches!(&identities[0].issuer, Matcher::Literal(text) if text == "https://token.example"));
    assert!(matches!(&identities[0].subject, Matcher::Regexp(_)));
    assert!(matches!(&identities[1].issuer, Matcher::Regexp(_)));
    assert!(matches!(&identities[1].subject, Matcher::Literal(text) if text == "s"));
    let (url, reference) = (Some("https://rekor.sigstore.dev".to_owned()), Some("logs".to_owned()));
    assert_eq!(first.ctlog, Some(Ctlog { url, trust_root_ref: reference }));
    assert!(matches!(second.kind, AuthorityKind::Key { hash: HashAlgorithm::Sha512, .. }));
    assert_eq!(second.ctlog, Some(Ctlog { url: None, trust_root_ref: None }), "an empty ctlog is kept");
    let (oci, tag_prefix) = (Some("registry.example/signatures/here".to_owned()), Some("pre-".to_owned()));
    assert_eq!(second.sources, [SourceRef { oci, tag_prefix }]);
    assert!(matches!(&third.kind, AuthorityKind::Static { pass: false, message } if message == "no"));
    assert_eq!(third.ctlog, None);
    assert!(loaded.notes.iter().any(|n| n.message.contains("signaturePullSecrets")), "{:?}", loaded.notes);
}

#[test]
fn a_log_demanded_without_url_survives_in_both_versions() {
    for version in ["v1alpha1", "v1beta1"] {
        let spec = format!(
            "  images:\n  - glob: '**'\n  authorities:\n  - key:\n      data: |\n{KEY}    ctlog:\n      trustRootRef: logs\n"
        );
        let loaded = read(document("p", &spec).replace("v1beta1", version));
        let log = loaded.policies[0].authorities[0].ctlog.as_ref().unwrap();
        assert_eq!((log.url.as_deref(), log.trust_root_ref.as_deref()), (None, Some("logs")));
        assert_eq!(loaded.policies[0].api_version.name(), version);
    }
}

#[test]
fn an_error_is_one_line_with_file_line_column_and_path() {
    let loaded = read(document(
        "p",
        "  images:\n  - glob: 'a b'\n  - glib: x\n  mode: Enforce\n  authorities:\n  - key:\n      hashAlgorithm: md5\n      data: \"x\\n\\e[31m\\u202e\"\n  - {}\n",
    ));
    assert_eq!(
        error_lines(&loaded),
        [
            "p.yaml:7:11: spec.images[0].glob: invalid value: a b: glob is invalid: invalid glob \"a b\"",
            "p.yaml:8:5: spec.images[1].glib: unable to unmarshal: json: unknown field \"glib\"",
            "p.yaml:8:5: spec.images[1].glob: missing field(s)",
            "p.yaml:9:9: spec.mode: invalid value: Enforce: unsupported mode",
            "p.yaml:12:22: spec.authorities[0].key.hashAlgorithm: invalid value: md5",
            "p.yaml:13:13: spec.authorities[0].key.data: invalid value: x\\n\\u{1b}[31m\\u{202e} (not a PEM public key: no -----BEGIN line)",
            "p.yaml:14:5: spec.authorities[1].key, spec.authorities[1].keyless, spec.authorities[1].static: expected exactly one, got neither",
        ]
    );
    assert!(loaded.policies.is_empty());
    let [broken] = loaded.broken.as_slice() else { panic!("one broken document") };
    assert_eq!(broken.name.as_deref(), Some("p"));
    assert!(broken.images.is_none(), "one glob is not known, so any image may be meant");
}

#[test]
fn what_is_not_implemented_is_refused_by_name_and_a_broken_document_is_called_broken_first() {
    let unsupported = |spec: &str, path: &str| {
        let loaded = read(document("p", spec));
        let [error] = loaded.errors.as_slice() else { panic!("{path}: {}", shown(&loaded)) };
        assert_eq!((error.kind, error.path.as_str()), (Unsupported, path), "{error}");
        assert!(loaded.policies.is_empty(), "{path}");
        assert_eq!(loaded.broken[0].images.as_ref().map(Vec::len), Some(1), "{path}: its images are known");
    };
    let images = "  images:\n  - glob: '**'\n";
    let fixed = format!("{images}  authorities:\n  - static: {{action: pass}}\n");
    let key = format!("{images}  authorities:\n  - key:\n      data: |\n{KEY}");
    let keyless = format!(
        "{images}  authorities:\n  - keyless:\n      identities:\n      - {{issuer: i, subject: s}}\n"
    );
    unsupported(&format!("{fixed}  match:\n  - {{resource: pods}}\n"), "spec.match");
    unsupported(&format!("{fixed}  policy: {{type: cue, data: x}}\n"), "spec.policy");
    let judged = format!(
        "{key}    attestations:\n    - {{name: a, predicateType: vuln, policy: {{type: cue, data: x}}}}\n"
    );
    unsupported(&judged, "spec.authorities[0].attestations[0].policy");
    // What is read of them: the type, with cosign's short names written out, and the root of a timestamp.
    let attested = format!(
        "{key}    attestations:\n    - {{name: a, predicateType: vuln}}\n    rfc3161timestamp: {{trustRootRef: t}}\n"
    );
    let authority = read(document("p", &attested)).policies[0].authorities[0].clone();
    assert_eq!(authority.attestations[0].predicate_type, "https://cosign.sigstore.dev/attestation/vuln/v1");
    assert_eq!(authority.timestamp_root.as_deref(), Some("t"));
    let ca = format!("{keyless}      ca-cert: {{secretRef: {{name: x}}}}\n");
    let loaded = read(document("p", &ca));
    assert!(loaded.errors.iter().all(|e| e.kind == Unsupported), "{}", shown(&loaded));
    assert!(error_lines(&loaded).iter().any(|l| l.contains("spec.authorities[0].keyless.ca-cert: ")));
    let of_key = |inner: &str| format!("{images}  authorities:\n  - key: {{{inner}}}\n");
    unsupported(&of_key("secretRef: {name: x}"), "spec.authorities[0].key.secretRef");
    unsupported(&of_key("kms: gcpkms://x"), "spec.authorities[0].key.kms");
    unsupported(&format!("{key}      hashAlgorithm: sha224\n"), "spec.authorities[0].key.hashAlgorithm");
    unsupported(&fixed.replace("authorities", "Authorities"), "spec.Authorities");
    let yes = format!("{keyless}      insecureIgnoreSCT: yes\n");
    unsupported(&yes, "spec.authorities[0].keyless.insecureIgnoreSCT");
    let time = fixed.replace("action: pass", "action: pass, message: 12:30");
    unsupported(&time, "spec.authorities[0].static.message");

    let long = format!("'{}'", "a".repeat(20_000));
    let expression = keyless.replace("subject: s", &format!("subjectRegExp: {long}"));
    unsupported(&expression, "spec.authorities[0].keyless.identities[0].subjectRegExp");

    // An empty time stamp demands nothing upstream, and says so here.
    let loaded = read(document("p", &format!("{key}    rfc3161timestamp: {{}}\n")));
    assert_eq!((loaded.policies.len(), loaded.errors.len(), loaded.notes.len()), (1, 0, 1));

    // Invalid and not implemented: both are said.
    let loaded = read(document("p", &format!("{fixed}  mode: x\n  policy: {{type: cue, data: x}}\n")));
    assert!(has(&loaded, Invalid) && has(&loaded, Unsupported));
    assert_eq!(upstream_text(&loaded.errors), "invalid value: x: spec.mode\nunsupported mode");
}

#[test]
fn plain_words_that_are_no_texts_are_refused_where_a_text_is_due() {
    for (word, wanted) in [
        ("y", "cannot unmarshal bool"),
        ("No", "cannot unmarshal bool"),
        ("on", "cannot unmarshal bool"),
        ("true", "cannot unmarshal bool"),
        ("0o17", "cannot unmarshal number"),
        ("017", "cannot unmarshal number"),
        ("1_000", "cannot unmarshal number"),
        ("0x1F", "cannot unmarshal number"),
        ("1e3", "cannot unmarshal number"),
        (".5", "cannot unmarshal number"),
        ("-.inf", "cannot unmarshal number"),
        ("12:30", "is a number to some readers of YAML"),
        ("[a]", "cannot unmarshal array"),
        ("{a: b}", "cannot unmarshal object"),
        ("null", "missing field(s)"),
        ("~", "missing field(s)"),
        ("", "missing field(s)"),
    ] {
        let spec = format!(
            "  images:\n  - glob: '**'\n  authorities:\n  - keyless:\n      identities:\n      - issuer: i\n        subject: {word}\n"
        );
        let loaded = read(document("p", &spec));
        assert!(loaded.policies.is_empty(), "{word}");
        assert!(shown(&loaded).contains(wanted), "{word}: {}", shown(&loaded));
        if !word.is_empty() {
            let quoted =
                document("p", &spec.replace(&format!("subject: {word}"), &format!("subject: '{word}'")));
            assert_eq!(error_lines(&read(quoted)), Vec::<String>::new(), "'{word}'");
        }
    }
    // Texts to every reader.
    for word in ["1.2.3", "2024-01-01", "a:1", "10.0.0.1:5000", "yes-sir", "0x", "1e", "nulls", "12:61"] {
        let loaded = read(document(
            "p",
            &format!(
                "  images:\n  - glob: '**'\n  authorities:\n  - static: {{action: fail, message: {word}}}\n"
            ),
        ));
        assert_eq!(error_lines(&loaded), Vec::<String>::new(), "{word}");
    }
}
