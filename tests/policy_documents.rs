//! Reading `ClusterImagePolicy` documents: policy-controller's answers to the corpus, word for word, and what no
//! document may do to the reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sealock::crypto::HashAlgorithm;
use sealock::policy::document::DocumentErrorKind::{Invalid, Unreadable, Unsupported};
use sealock::policy::document::{DocumentError, DocumentErrorKind, upstream_text};
use sealock::policy::glob::Glob;
use sealock::policy::identity::Matcher;
use sealock::policy::model::{ApiVersion, Ctlog, SourceRef};
use sealock::policy::{AuthorityKind, Input, Loaded, Mode, load};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("SEALOCK_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: there is no corpus at {}", path.display());
    None
}

fn input(file: &str, bytes: &[u8], from_directory: bool) -> Input {
    Input { file: file.into(), bytes: bytes.to_vec(), from_directory }
}

fn read(bytes: impl AsRef<[u8]>) -> Loaded {
    load(&[input("p.yaml", bytes.as_ref(), false)])
}

fn read_file(path: &Path) -> Loaded {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    load(&[input(&path.file_name().unwrap().to_string_lossy(), &bytes, false)])
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn shown(loaded: &Loaded) -> String {
    loaded.errors.iter().map(|e| format!("{:?} {e}", e.kind)).collect::<Vec<_>>().join("\n")
}

fn has(loaded: &Loaded, kind: DocumentErrorKind) -> bool {
    loaded.errors.iter().any(|e| e.kind == kind)
}

/// The errors of each document, by the line that it starts on.
fn by_document(loaded: &Loaded) -> Vec<Vec<DocumentError>> {
    let mut starts: Vec<u64> = loaded.policies.iter().map(|p| p.position.line).collect();
    starts.extend(loaded.others.iter().map(|o| o.position.line));
    starts.extend(loaded.broken.iter().map(|b| b.position.line));
    starts.sort_unstable();
    let end = |index: usize| starts.get(index + 1).copied().unwrap_or(u64::MAX);
    let within = |index: usize, line: u64| starts[index] <= line && line < end(index);
    (0..starts.len())
        .map(|i| loaded.errors.iter().filter(|e| within(i, e.position.line)).cloned().collect())
        .collect()
}

/// Everything that may be refused as not implemented, by the last part of its path or a part of its message.
fn is_known_gap(error: &DocumentError) -> bool {
    const FIELDS: [&str; 7] =
        ["match", "policy", "attestations", "rfc3161timestamp", "ca-cert", "secretRef", "kms"];
    let field = error.path.rsplit('.').next().unwrap();
    FIELDS.contains(&field)
        || error.message.contains("unsupported kind of public key")
        || error.message.contains("\"sha224\"")
        || error.message.contains("must be written")
        || error.message.contains("write true or false")
}

/// Rows of `corpus/verdicts` that are not refused as upstream refuses them, and why.
const INVALID_OTHERWISE: &[(&str, &str)] = &[
    ("invalid/secretref-namespace", "depends on SYSTEM_NAMESPACE; secretRef is refused by name"),
    ("invalid/kind", "a TrustRoot is a document of its own"),
    ("invalid/apiversion-slashes", "upstream prints the whole document"),
    ("invalid/comment-only", "a document without content is skipped"),
    ("invalid/null-document", "a document without content is skipped"),
    ("invalid/second-unknown", "a ConfigMap is a document of its own"),
    ("invalid/secret-default-ns", "a Secret is a document of its own, whatever its namespace"),
    ("invalid/secret-no-ns", "a Secret is a document of its own, whatever its namespace"),
    ("invalid/latin1", "not text: unreadable, not invalid"),
    ("invalid/nul", "not YAML: unreadable, not invalid"),
    ("invalid/bad-indent", "not YAML: unreadable, not invalid"),
    ("invalid/unquoted-star", "not YAML: unreadable, not invalid"),
];

/// Rows of `corpus/verdicts` that upstream reads and this reader refuses, and why.
const VALID_REFUSED: &[(&str, &str, DocumentErrorKind)] = &[
    ("invalid/dup-key-authority", "a key given twice", DocumentErrorKind::Unreadable),
    ("invalid/tag-binary", "a tag", DocumentErrorKind::Unreadable),
    ("invalid/v1alpha1-match", "refused by the webhook, not by the tester", DocumentErrorKind::Invalid),
];

#[test]
fn verdict_rows_are_refused_in_the_words_of_upstream_or_load() {
    let Some(corpus) = corpus() else { return };
    let corpus = corpus.join("verdicts");
    let mut failures = Vec::new();
    let mut count = BTreeMap::new();
    let mut exceptions = BTreeSet::new();
    for row in lines(&corpus.join("cases.jsonl")) {
        let id = row["id"].as_str().unwrap();
        let Some(policy) = row["policy"].as_str() else { continue };
        let path = corpus.join(policy);
        if !path.exists() {
            *count.entry("no policy file in this copy").or_insert(0) += 1;
            continue;
        }
        let loaded = read_file(&path);
        let invalid = row["expect"]["verdict"] == "invalid-policy";
        let text = upstream_text(&loaded.errors);
        let what = if invalid {
            let stderr = row["expect"]["stderr"].as_str().unwrap_or_default();
            let wanted = stderr
                .trim_end()
                .trim_start_matches("CIP is invalid: invalid value: ")
                .trim_end_matches(": policies[0].path");
            // The corpus lacks the line break at the end of a key.
            if has(&loaded, Invalid) && text.replace("-\n:", "-:").replace("=\n:", "=:") == wanted {
                "invalid, same text"
            } else if INVALID_OTHERWISE.iter().any(|(exception, _)| *exception == id) {
                exceptions.insert(id.to_owned());
                "invalid, listed"
            } else {
                failures
                    .push(format!("{id}: expected\n  {wanted}\nfound\n  {text}\nall\n{}", shown(&loaded)));
                "invalid, different"
            }
        } else if let Some((.., kind)) = VALID_REFUSED.iter().find(|(exception, ..)| *exception == id) {
            assert!(has(&loaded, *kind), "{id}: {}", shown(&loaded));
            exceptions.insert(id.to_owned());
            "valid, listed"
        } else if !loaded.errors.iter().all(|e| e.kind == Unsupported && is_known_gap(e)) {
            failures.push(format!("{id}: valid, but\n{}", shown(&loaded)));
            "valid, refused"
        } else if loaded.errors.is_empty() {
            "valid, loaded"
        } else {
            "valid, not implemented"
        };
        *count.entry(what).or_insert(0) += 1;
    }
    println!("{count:?}");
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n\n"));
    let listed = INVALID_OTHERWISE.iter().map(|(id, _)| *id).chain(VALID_REFUSED.iter().map(|(id, ..)| *id));
    for id in listed {
        assert!(exceptions.contains(id), "{id} is listed and no exception");
    }
}

#[test]
fn what_is_not_yaml_says_so_in_the_words_of_upstream() {
    let Some(corpus) = corpus() else { return };
    for (name, place, words) in [
        ("latin1", "invalid-latin1.yaml:5:21: ", "yaml: invalid trailing UTF-8 octet"),
        ("nul", "invalid-nul.yaml:15:1: ", "yaml: control characters are not allowed"),
        ("bad-indent", "invalid-bad-indent.yaml:8:3: ", "did not find expected '-' indicator"),
        ("unquoted-star", "invalid-unquoted-star.yaml:7:11: ", "a value that starts with * needs quotes"),
        ("dup-key-authority", "invalid-dup-key-authority.yaml:15:3: ", "key \"authorities\" is given twice"),
        ("tag-binary", "invalid-tag-binary.yaml:4:18: ", "tag \"!!binary\" is not supported"),
    ] {
        let loaded = read_file(&corpus.join(format!("verdicts/policies/invalid-{name}.yaml")));
        let [error] = loaded.errors.as_slice() else { panic!("{name}: {}", shown(&loaded)) };
        let line = error.to_string();
        assert_eq!(error.kind, Unreadable, "{line}");
        assert!(line.starts_with(place) && line.contains(words), "{line}");
        assert!(loaded.policies.is_empty() && loaded.broken.len() == 1);
    }
}

#[test]
fn the_webhooks_documents_are_refused_in_its_words_or_load() {
    let Some(corpus) = corpus() else { return };
    let mut failures = Vec::new();
    let mut count = BTreeMap::new();
    for row in lines(&corpus.join("admission-vectors/documents.jsonl")) {
        if row["kind"] != "ClusterImagePolicy" {
            continue;
        }
        let file = row["file"].as_str().unwrap();
        let path = match file.strip_prefix("corpus/") {
            Some(name) => corpus.join("policies/documents").join(name),
            None => corpus.join("admission-vectors/documents").join(file),
        };
        if !path.exists() {
            *count.entry("no file in this copy").or_insert(0) += 1;
            continue;
        }
        let loaded = read_file(&path);
        let documents = by_document(&loaded);
        let index = usize::try_from(row["doc"].as_u64().unwrap()).unwrap();
        let Some(errors) = documents.get(index) else {
            failures.push(format!("{file} has no document {index}: {}", shown(&loaded)));
            continue;
        };
        let text = upstream_text(errors);
        let what = if row["allowed"] == true {
            if errors.iter().all(|e| e.kind == Unsupported && is_known_gap(e)) {
                if errors.is_empty() { "valid, loaded" } else { "valid, not implemented" }
            } else {
                failures.push(format!("{file} {index}: valid, but\n{}", shown(&loaded)));
                "valid, refused"
            }
        } else {
            let wanted = row["message"].as_str().unwrap();
            let wanted = wanted
                .strip_prefix("validation failed: ")
                .or_else(|| {
                    wanted.strip_prefix("decoding request failed: cannot decode incoming new object: ")
                })
                .unwrap_or(wanted);
            // The webhook's router calls an unknown kind in its own words.
            let wanted = wanted.replace("unhandled kind: ", "unknown type: ");
            let wanted = wanted.trim_start_matches("decoding request failed: ");
            if text.strip_prefix("unable to unmarshal: ").unwrap_or(&text) == wanted {
                "invalid, same text"
            } else {
                failures.push(format!("{file} {index}: expected\n  {wanted}\nfound\n  {text}"));
                "invalid, different"
            }
        };
        *count.entry(what).or_insert(0) += 1;
    }
    println!("{count:?}");
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n\n"));
}

/// Documents of `corpus/policies` that their authors did not mean to be invalid, and what is wrong with them.
const INVALID_BY_MISTAKE: &[(&str, &str, DocumentErrorKind)] = &[
    ("signed-by-aws-kms-key.yaml", "spec.authorities[0].key.kms: invalid value", Invalid),
    ("empty-authorities__authorities-present.yaml", "spec.authorities: missing field(s)", Invalid),
    ("policy-examples.md.0.yaml", "spec.authorities[0].keyless.identities: missing field(s)", Invalid),
    ("cloudrun-serviceaccount-rego.yaml", "spec.match[0].resource: invalid value: services", Invalid),
    ("text4shell-policy.yaml", "spec.authorities[0].keyless.identities: missing field(s)", Invalid),
    ("overview.md.0.yaml", "spec.authorities: missing field(s)", Invalid),
    // Templates whose `{{ … }}` is YAML for a mapping as a key.
    ("bundle_cluster_image_policy.yaml.tpl.yaml", "a collection as a key", Unreadable),
    ("common_cluster_image_policy.yaml.tpl.yaml", "a collection as a key", Unreadable),
    // `glob: *` without quotes.
    ("overview.md.13.yaml", "a value that starts with * or & needs quotes", Unreadable),
];

#[test]
fn documents_of_public_repositories_load_or_are_refused_for_what_they_are() {
    let Some(corpus) = corpus() else { return };
    let index = std::fs::read(corpus.join("policies/documents.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.len(), 117);
    let mut count = BTreeMap::new();
    let mut failures = Vec::new();
    for entry in &index {
        let file = entry["file"].as_str().unwrap();
        let loaded = read_file(&corpus.join("policies").join(file));
        let on_purpose = entry["invalid_on_purpose"] == true;
        let mistake = INVALID_BY_MISTAKE.iter().find(|(name, ..)| file.ends_with(name));
        let what = if let Some((_, text, kind)) = mistake {
            let found = loaded.errors.iter().any(|e| e.kind == *kind && e.to_string().contains(text));
            assert!(found, "{file}: expected {text}\n{}", shown(&loaded));
            "invalid by mistake"
        } else if on_purpose != has(&loaded, Invalid) {
            failures.push(format!("{file}: on purpose: {on_purpose}\n{}", shown(&loaded)));
            "different"
        } else if on_purpose {
            "invalid"
        } else if loaded.errors.is_empty() {
            "loaded"
        } else if loaded.errors.iter().all(|e| e.kind == Unsupported && is_known_gap(e)) {
            "not implemented"
        } else {
            failures.push(format!("{file}\n{}", shown(&loaded)));
            "unreadable"
        };
        *count.entry(what).or_insert(0) += 1;
    }
    println!("{count:?}");
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n\n"));
}

const KEY: &str = "        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhy0Wbs0kgF3nmPoiB+tvvMHeuKry
        XHNsoHaeWMgtzrSZhIZSOYspm47gOEiJ2MMICkzZ9Ht5BoJxiN1aVbyDvQ==
        -----END PUBLIC KEY-----
";

/// A valid document whose `spec` is `spec`, indented by two.
fn document(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

fn passing(name: &str) -> String {
    document(name, "  images:\n  - glob: '**'\n  authorities:\n  - static:\n      action: pass\n")
}

fn error_lines(loaded: &Loaded) -> Vec<String> {
    loaded.errors.iter().map(ToString::to_string).collect()
}

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
fn columns_count_characters_and_lines_end_as_yaml_says() {
    let spec = "  images:\n  - {glob: 'ü', glob2: x}\n  authorities: []\n";
    for separator in ["\n", "\r\n", "\r"] {
        let loaded = read(document("p", spec).replace('\n', separator));
        let lines = error_lines(&loaded);
        assert!(lines.iter().any(|l| l.starts_with("p.yaml:7:17: spec.images[0].glob2: ")), "{lines:#?}");
        assert!(lines.iter().any(|l| l.starts_with("p.yaml:7:12: spec.images[0].glob: ")), "{lines:#?}");
    }
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
    let attested = format!("{key}    attestations:\n    - {{name: a, predicateType: 'https://x/y'}}\n");
    unsupported(&attested, "spec.authorities[0].attestations");
    let stamped = format!("{key}    rfc3161timestamp: {{trustRootRef: t}}\n");
    unsupported(&stamped, "spec.authorities[0].rfc3161timestamp");
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

#[test]
fn every_document_of_a_stream_is_read_whatever_separates_them() {
    for separator in [
        "---\n",
        "--- \n",
        "--- # x\n",
        "---\t\n",
        "...\n---\n",
        "...\n",
        "...\n# x\n---\n",
        "---\n# x\n---\n",
        "--- !!map\n",
    ] {
        let stream = format!("{}{separator}{}", passing("a"), passing("b"));
        for stream in [stream.clone(), stream.replace('\n', "\r\n"), stream.replace('\n', "\r")] {
            let loaded = read(&stream);
            let names: Vec<_> = loaded.policies.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names, ["a", "b"], "{separator:?}: {}", shown(&loaded));
        }
    }
    let bom = format!("\u{feff}{}", passing("a"));
    assert_eq!(read(bom).policies.len(), 1);
    let twice = format!("{}---\n{}", passing("a"), passing("a"));
    assert_eq!(read(twice).policies.len(), 2, "policies of one name all apply");
    for nothing in ["", "\n", "# x\n", "---\n", "---\n---\n...\n", "null\n", "~\n", " \t\n", "--- # x\n"] {
        let loaded = read(nothing);
        assert_eq!((loaded.policies.len(), loaded.errors.len()), (0, 0), "{nothing:?}: {}", shown(&loaded));
    }
}

#[test]
fn json_is_yaml() {
    let json = r#"{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"p"},
	"spec":{"images":[{"glob":"**"}],"authorities":[{"static":{"action":"fail","message":"a\/b \ud83d\ude00"}}]}}"#;
    let loaded = read(json);
    assert_eq!(error_lines(&loaded), Vec::<String>::new());
    let AuthorityKind::Static { message, .. } = &loaded.policies[0].authorities[0].kind else { panic!() };
    assert_eq!(message, "a/b 😀");
    for broken in
        [json.replace("\\ude00", ""), json.replace("}]}}", "}]}"), json.replace("\"kind\"", "\"apiVersion\"")]
    {
        let loaded = read(&broken);
        assert!(has(&loaded, Unreadable) && loaded.policies.is_empty(), "{broken}");
    }
}

#[test]
fn a_broken_document_leaves_the_others() {
    for broken in [
        "a: [1, 2\n",
        "a: \"x\n",
        "a: b: c\n",
        "a: *nothing\n",
        "a: !x y\n",
        "a: b\na: c\n",
        "%YAML 1.1\n",
        "\tb: c\n",
        "5\n",
    ] {
        let stream = format!("{}---\n{broken}---\n{}", passing("a"), passing("b"));
        let loaded = read(&stream);
        let names: Vec<_> = loaded.policies.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "b"], "{broken:?}: {}", shown(&loaded));
        assert_eq!((loaded.errors.len(), loaded.broken.len()), (1, 1), "{broken:?}: {}", shown(&loaded));
        assert!(loaded.broken[0].images.is_none());
        assert!((10..=13).contains(&loaded.errors[0].position.line), "{broken:?}: {}", shown(&loaded));
    }
}

#[test]
fn merge_keys_take_over_entries_unless_one_would_be_given_twice() {
    let with =
        |body: &str| read(document("p", &format!("  images:\n  - glob: '**'\n  authorities:\n{body}")));
    let loaded = with(
        "  - static: &s {action: fail, message: m}\n  - static: {<<: *s}\n  - static: {<<: [{action: pass}, {message: x}]}\n",
    );
    assert_eq!(error_lines(&loaded), Vec::<String>::new());
    let AuthorityKind::Static { pass: false, message } = &loaded.policies[0].authorities[1].kind else {
        panic!()
    };
    assert_eq!(message, "m");
    for (body, text) in [
        ("  - static: &s {action: fail}\n  - static: {<<: *s, action: pass}\n", "\"action\" is given twice"),
        ("  - static: &s {action: fail}\n  - static: {action: pass, <<: *s}\n", "\"action\" is given twice"),
        ("  - static: &s {action: fail}\n  - static: {<<: [*s, *s]}\n", "\"action\" is given twice"),
        ("  - static: {<<: x}\n", "map merge requires map"),
        ("  - static: {<<: [x]}\n", "map merge requires map"),
        ("  - static: {'<<': {action: pass}}\n", "unknown field \"<<\""),
        ("  - static: {\"\\0<<\": {action: pass}}\n", "unknown field"),
    ] {
        let loaded = with(body);
        assert!(loaded.policies.is_empty() && shown(&loaded).contains(text), "{body}: {}", shown(&loaded));
    }
}

#[test]
fn kinds_are_refused_by_name_or_kept_and_no_policy_vanishes() {
    let doc = |api: &str, kind: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: x\nspec:\n  a: 1\n")
    };
    let at = |from_directory, text: &str| load(&[input("d/p.yaml", text.as_bytes(), from_directory)]);
    for (api, kind) in [("policy.sigstore.dev/v1alpha1", "TrustRoot"), ("v1", "Secret"), ("v1", "ConfigMap")]
    {
        for from_directory in [false, true] {
            let loaded = at(from_directory, &doc(api, kind));
            assert_eq!((loaded.others.len(), loaded.errors.len(), loaded.notes.len()), (1, 0, 1), "{kind}");
            assert_eq!((loaded.others[0].kind.as_str(), loaded.others[0].name.as_str()), (kind, "x"));
            assert_eq!(loaded.others[0].position.to_string(), "d/p.yaml:1:1");
        }
    }
    for (api, kind) in [
        ("policy.sigstore.dev/v1beta1", "ClusterImagePolcy"),
        ("policy.sigstore.dev/v1beta1", "clusterimagepolicy"),
        ("policy.sigstore.dev/v1beta1", "TrustRoot"),
        ("policy.sigstore.dev/v1", "ClusterImagePolicy"),
        ("policy.sigstore.dev", "ClusterImagePolicy"),
        ("Policy.Sigstore.dev/v1beta1", "ClusterImagePolicy"),
        ("cosigned.sigstore.dev/v1alpha1", "ClusterImagePolicy"),
        ("policy.sigstor.dev/v1beta1", "ClusterImagePolicy"),
        ("policy.sigstore.dev/v1beta1", "ClusterImagePolicyList"),
        ("v1", "List"),
    ] {
        for from_directory in [false, true] {
            let loaded = at(from_directory, &doc(api, kind));
            let [error] = loaded.errors.as_slice() else { panic!("{api} {kind}: {}", shown(&loaded)) };
            assert!(error.to_string().starts_with("d/p.yaml:2:7: unknown type: "), "{error}");
            assert!(error.message.ends_with(&format!(", Kind={kind}")), "{error}");
        }
    }
    let pod = doc("v1", "Pod");
    assert_eq!(at(false, &pod).errors[0].message, "unknown type: /v1, Kind=Pod");
    let loaded = at(true, &pod);
    assert_eq!((loaded.errors.len(), loaded.others.len(), loaded.notes.len()), (0, 1, 1));
    for (missing, path) in [("apiVersion", "apiVersion"), ("kind", "kind"), ("  name", "metadata.name")] {
        let text = passing("p").replace(&format!("{missing}:"), &format!("{missing}x:"));
        for from_directory in [false, true] {
            let loaded = at(from_directory, &text);
            assert_eq!(upstream_text(&loaded.errors), format!("missing field(s): [0].{path}"));
            assert!(loaded.policies.is_empty());
        }
    }
}

/// Reads within a time that no honest document needs, and expects exactly one error with these words.
fn refused_quickly(what: &str, bytes: &[u8], words: &str) {
    let started = std::time::Instant::now();
    let loaded = read(bytes);
    let took = started.elapsed();
    assert!(loaded.policies.is_empty(), "{what}");
    let first = loaded.errors.first().unwrap_or_else(|| panic!("{what}: no error")).to_string();
    assert!(first.contains(words), "{what}: {first}");
    assert!(first.len() < 1000, "{what}: {} bytes", first.len());
    assert!(took.as_secs() < 5, "{what} took {took:?}");
    println!("{what}: {took:?}, {} errors", loaded.errors.len());
}

#[test]
fn floods_and_broken_bytes_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    refused_quickly("alias bomb", bomb.as_bytes(), "nodes, aliases expanded");
    let mut text = format!("a: &a \"{}\"\nb: [", "x".repeat(100_000));
    text.push_str(&vec!["*a"; 100].join(", "));
    text.push(']');
    refused_quickly("text bomb", text.as_bytes(), "bytes of text, aliases expanded");
    let mut merges = "a: &a {".to_owned();
    merges.push_str(&(0..1000).map(|i| format!("k{i}: v")).collect::<Vec<_>>().join(", "));
    merges.push_str("}\nb: {<<: [");
    merges.push_str(&vec!["*a"; 1000].join(", "));
    merges.push_str("]}\n");
    refused_quickly("merge flood", merges.as_bytes(), "nodes, aliases expanded");
    refused_quickly("alias in its anchor", b"a: &a [*a]\n", "inside its own anchor");
    refused_quickly("alias chain", chain(80).as_bytes(), "collections inside each other");
    let deep = "more than 64 collections inside each other";
    refused_quickly("brackets", "[".repeat(200_000).as_bytes(), deep);
    refused_quickly("braces", "{a: ".repeat(200_000).as_bytes(), deep);
    refused_quickly("dashes", "- ".repeat(200_000).as_bytes(), deep);
    refused_quickly("question marks", "? ".repeat(200_000).as_bytes(), deep);
    let stairs: String = (0..1000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    refused_quickly("stairs", stairs.as_bytes(), deep);
    refused_quickly("many nodes", "- a\n".repeat(200_000).as_bytes(), "more than 50000 nodes");
    refused_quickly(
        "many keys",
        (0..60_000).map(|i| format!("k{i}: v\n")).collect::<String>().as_bytes(),
        "nodes",
    );
    refused_quickly("many documents", "---\na\n".repeat(200_000).as_bytes(), "cannot unmarshal string");
    refused_quickly("many broken documents", "---\n]\n".repeat(200_000).as_bytes(), "yaml: ");
    refused_quickly(
        "a scalar of 10 MB",
        format!("a: {}\n", "x".repeat(10 << 20)).as_bytes(),
        "more than 4194304",
    );
    refused_quickly(
        "a scalar of 3 MB",
        format!("a: {}\n", "x".repeat(3 << 20)).as_bytes(),
        "more than 1048576 bytes",
    );
    refused_quickly(
        "a quoted scalar of 3 MB",
        format!("a: \"{}\"\n", "x\n ".repeat(1 << 20)).as_bytes(),
        "more than 1048576 bytes",
    );
    refused_quickly("a key of 1 MB", format!("{}: a\n", "x".repeat(1 << 20)).as_bytes(), "");
    refused_quickly(
        "a long glob",
        passing("p").replace("**", &"a".repeat(500_000)).as_bytes(),
        "spec.images[0].glob",
    );
    refused_quickly(
        "anchors",
        (0..40_000).map(|i| format!("- &a{i} x\n")).collect::<String>().as_bytes(),
        "array",
    );
    refused_quickly("duplicate keys", b"a: 1\nb: 2\na: 3\n", "p.yaml:3:1: key \"a\" is given twice");
    refused_quickly("NUL", b"a: b\0\n", "p.yaml:1:5: yaml: control characters are not allowed (U+0000)");
    refused_quickly("escape", b"a: \x1b[2J\n", "U+001B");
    refused_quickly("NEL", "a: b # c\u{85}d: e\n".as_bytes(), "p.yaml:1:9: U+0085 is a line break to some");
    refused_quickly("LS", "# c\u{2028}d: e\n".as_bytes(), "p.yaml:1:4: U+2028 is a line break to some");
    refused_quickly(
        "BOM",
        "# x\n\u{feff}d: e\n".as_bytes(),
        "p.yaml:2:1: U+FEFF is a byte order mark to some",
    );
    refused_quickly("anchor name", b"a: &b: c\n", "anchor \"b:\" holds more than letters");
    refused_quickly("Latin-1", b"a: caf\xe9\n", "p.yaml:1:7: yaml: invalid trailing UTF-8 octet");
    refused_quickly("cut UTF-8", b"a: \xe2\x82", "incomplete UTF-8");
    refused_quickly("UTF-16", b"\xff\xfea\0", "p.yaml:1:1: yaml: invalid leading UTF-8 octet");
    refused_quickly("directive", b"%YAML 1.1\n---\na: b\n", "directives");
    refused_quickly("tag directive", b"%TAG !! tag:x,2000:\n---\na: b\n", "directives");
    for tab in [
        "\ta: b\n",
        " a: b\n\tc: d\n",
        "a:\n\tb: c\n",
        "a:\n\tb\n",
        "a:\n\t- b\n",
        "a:\n - b\n\t- c\n",
        "-\ta: b\n\tc: d\n",
    ] {
        refused_quickly(tab, tab.as_bytes(), "");
        let error = read(tab).errors[0].clone();
        assert_eq!(error.kind, Unreadable, "{tab:?}: {error}");
    }
    for flow in ["m: {a:}", "m: {a:, b: c}", "m: {a :}", "m: {?a: b}", "m: {:a b}", "m: [?a]"] {
        refused_quickly(flow, flow.as_bytes(), "between brackets is read differently");
    }
    refused_quickly("custom tag", b"a: !x b\n", "tag \"!x\" is not supported");
    refused_quickly("number as a key", b"1: b\n", "quote it");
    refused_quickly("boolean as a key", b"y: b\n", "key \"y\" without quotes is a bool");
    refused_quickly(
        "terminal escape in an error",
        passing("p").replace("**", "\\u001b[2J").replace('\'', "\"").as_bytes(),
        "\\u{1b}[2J",
    );
}

/// Aliases that nest: each anchor holds the one before.
fn chain(length: usize) -> String {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for i in 1..length {
        text.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    text
}

/// xorshift64*: enough for mutations that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % limit
    }
}

#[test]
fn no_mutation_of_a_document_stops_the_reader() {
    let mut seeds = vec![passing("a"), format!("{}--- # x\n{}", passing("a"), passing("b")), chain(5)];
    if let Some(corpus) = corpus() {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join("policies/documents"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        seeds.extend(files.iter().map(|path| std::fs::read_to_string(path).unwrap()));
    }
    let pieces: [&[u8]; 24] = [
        b"\n",
        b"\r",
        b"---\n",
        b"...\n",
        b"- ",
        b": ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"*a",
        b"&a ",
        b"<<: *a\n",
        b"!!str ",
        b"|\n",
        b">-\n",
        b"'",
        b"\"",
        b"\\",
        b"#",
        b"\t",
        b"%YAML 1.2\n",
        b"? ",
        b"\xef\xbb\xbf",
    ];
    let mut random = Random(0x5ea1_0c4b);
    let mut policies = 0;
    for seed in &seeds {
        for _ in 0..40 {
            let mut bytes = seed.clone().into_bytes();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() + 1);
                match random.below(5) {
                    0 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                    1 => {
                        let end = (at + random.below(60)).min(bytes.len());
                        bytes.drain(at..end);
                    }
                    2 => {
                        let end = (at + random.below(200)).min(bytes.len());
                        let part = bytes[at..end].to_vec();
                        let to = random.below(bytes.len() + 1);
                        bytes.splice(to..to, part);
                    }
                    3 => bytes.truncate(at),
                    _ => {
                        let piece = pieces[random.below(pieces.len())];
                        bytes.splice(at..at, piece.iter().copied());
                    }
                }
            }
            let loaded = read(&bytes);
            policies += loaded.policies.len();
            let all =
                loaded.errors.iter().map(|e| &e.position).chain(loaded.broken.iter().map(|b| &b.position));
            for position in all {
                assert!(position.line > 0 && position.column > 0);
            }
            for error in &loaded.errors {
                let line = error.to_string();
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            assert_eq!(loaded.errors.is_empty(), loaded.broken.is_empty());
        }
    }
    assert!(policies > 0, "some mutations leave a policy");
}
