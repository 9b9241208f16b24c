//! The corpus: every document has the answer of policy-controller, or is listed with the reason.

use std::collections::{BTreeMap, BTreeSet};

use sealock::policy::document::DocumentErrorKind::{Invalid, Unreadable, Unsupported};
use sealock::policy::document::{DocumentError, upstream_text};

use super::*;

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
    const FIELDS: [&str; 5] = ["match", "policy", "ca-cert", "secretRef", "kms"];
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
