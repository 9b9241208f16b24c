//! Reading `ClusterImagePolicy` documents: policy-controller's answers to the corpus, word for word, and what no
//! document may do to the reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealock::policy::document::{DocumentErrorKind, upstream_text};
use sealock::policy::{Input, Loaded, load};
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

#[test]
fn verdict_rows_are_refused_in_the_words_of_upstream_or_load() {
    let Some(corpus) = corpus() else { return };
    let corpus = corpus.join("verdicts");
    let mut failures = Vec::new();
    let mut count = BTreeMap::new();
    for row in lines(&corpus.join("cases.jsonl")) {
        let id = row["id"].as_str().unwrap();
        let Some(policy) = row["policy"].as_str() else { continue };
        let path = corpus.join(policy);
        if !path.exists() {
            println!("{id}: no such file");
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
            if has(&loaded, DocumentErrorKind::Invalid) && text == wanted {
                "invalid, same text"
            } else {
                failures
                    .push(format!("{id}: expected\n  {wanted}\nfound\n  {text}\nall\n{}", shown(&loaded)));
                "different"
            }
        } else if has(&loaded, DocumentErrorKind::Invalid) || has(&loaded, DocumentErrorKind::Unreadable) {
            failures.push(format!("{id}: valid, but\n{}", shown(&loaded)));
            "valid, refused"
        } else if loaded.errors.is_empty() {
            "valid, loaded"
        } else {
            "valid, unsupported"
        };
        *count.entry(what).or_insert(0) += 1;
    }
    println!("{count:?}");
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n\n"));
}
