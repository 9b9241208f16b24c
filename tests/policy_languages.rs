//! Image globs and regular expressions over the vectors that the Go implementations answered (`$SEALOCK_CORPUS`, else `../shared/corpus`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: a test reads the corpus and says so when it is missing.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

use std::path::PathBuf;

use sealock::image::Reference;
use sealock::policy::glob::Glob;
use sealock::policy::regexp::Regexp;
use serde_json::Value;

/// The rows of one vector file, or nothing where the corpus is missing.
fn rows(file: &str) -> Option<Vec<Value>> {
    let corpus = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")),
        PathBuf::from,
    );
    let path = corpus.join("policies").join(file);
    if !path.exists() {
        eprintln!("skipped: {} does not exist", path.display());
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    Some(
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap()
}

#[test]
fn globs_answer_as_the_go_implementation() {
    let Some(rows) = rows("glob.jsonl") else { return };
    assert!(rows.len() > 700);
    for row in &rows {
        let (glob, image) = (text(row, "Glob"), text(row, "Image"));
        let answer = Glob::compile(glob).map_err(|e| e.to_string());
        let answer = answer.and_then(|glob| glob.matches(image).map_err(|e| e.to_string()));
        match row.get("Err").and_then(Value::as_str) {
            Some(error) => assert_eq!(answer, Err(error.to_owned()), "{glob} {image}"),
            None => assert_eq!(answer, Ok(row["Match"].as_bool().unwrap()), "{glob} {image}"),
        }
    }
}

#[test]
fn names_resolve_as_the_go_implementation() {
    let Some(rows) = rows("glob.jsonl") else { return };
    let mut seen = 0;
    for row in &rows {
        let Some(resolved) = row.get("Resolved").and_then(Value::as_str) else { continue };
        let reference = Reference::parse(text(row, "Image")).unwrap();
        assert_eq!(reference.name(), resolved);
        // A canonical name is its own canonical name, so asking twice cannot widen a glob.
        let again = Reference::parse(resolved).unwrap();
        assert_eq!(again.name(), resolved);
        assert_eq!(again.repository(), reference.repository());
        seen += 1;
    }
    assert!(seen > 500);
}

#[test]
fn regular_expressions_answer_as_the_go_implementation() {
    let Some(rows) = rows("regex.jsonl") else { return };
    assert!(rows.len() >= 70);
    for row in &rows {
        let (pattern, subject) = (text(row, "Re"), text(row, "S"));
        let answer = Regexp::compile(pattern).map_err(|e| e.to_string());
        let answer = answer.map(|regexp| regexp.is_match(subject));
        if row["Ok"].as_bool().unwrap() {
            assert_eq!(answer, Ok(row["Match"].as_bool().unwrap()), "{pattern} {subject}");
        } else {
            assert_eq!(answer, Err(text(row, "Err").to_owned()), "{pattern}");
        }
    }
}
