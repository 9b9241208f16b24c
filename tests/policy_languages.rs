//! Image globs and regular expressions over the vectors that the Go implementations answered (`$SEALOCK_CORPUS`, else `../shared/corpus`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: a test reads the corpus and says so when it is missing.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sealock::image::Reference;
use sealock::policy::glob::Glob;
use sealock::policy::regexp::{Regexp, RegexpFault};
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

/// Runs `sealock policy eval` with a standard input; exit status and standard output.
fn eval(args: &[&str], input: &[u8]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(["policy", "eval"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A run that refuses its arguments closes its standard input unread.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn eval_answers_one_question() {
    for (args, input, status, word) in [
        (["--language", "glob", "--policy", "ghcr.io/**", "--input", "-"], "ghcr.io/a/b:1\n", 0, "pass\n"),
        (["--language", "glob", "--policy", "ghcr.io/**", "--input", "-"], "ghcrxio/a", 1, "fail\n"),
        (["--language", "glob", "--policy", "a b", "--input", "-"], "foo", 2, "refused\n"),
        (["--language", "glob", "--policy", "**", "--input", "-"], "Foo", 2, "refused\n"),
        (["--language", "glob", "--policy", "**", "--input", "-"], "", 2, "refused\n"),
        (["--language", "regexp", "--policy", "^a$", "--input", "-"], "a\n", 0, "pass\n"),
        // One line feed belongs to the file, two do not.
        (["--language", "regexp", "--policy", "^a$", "--input", "-"], "a\n\n", 1, "fail\n"),
        (["--language", "regexp", "--policy", "-a", "--input", "-"], "x-a", 0, "pass\n"),
        (["--language", "regexp", "--policy", "a**", "--input", "-"], "a", 2, "refused\n"),
    ] {
        assert_eq!(eval(&args, input.as_bytes()), (status, word.to_owned()), "{args:?} {input:?}");
    }
}

#[test]
fn eval_reads_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (policy, input) = (file("policy", b"^b$\n"), file("input", b"b\n"));
    let run = |policy: &str, input: &str| {
        eval(&["--language", "regexp", "--policy", policy, "--input", input], b"")
    };
    assert_eq!(run(&policy, &input), (0, "pass\n".into()));
    // A folder is no policy file, so its name is the text.
    assert_eq!(run(folder.path().to_str().unwrap(), &input), (1, "fail\n".into()));
    for bad in [file("bytes", b"\xff"), file("large", &vec![b'b'; (1 << 20) + 1]), "no/such/file".to_owned()]
    {
        assert_eq!(run(&policy, &bad), (2, String::new()), "{bad}");
    }
    assert_eq!(run(&file("policy-bytes", b"\xff"), &input), (2, String::new()));
}

#[test]
fn eval_refuses_half_a_question() {
    for args in [
        vec!["--language", "glob"],
        vec!["--language", "glob", "--policy", "**"],
        vec!["--language", "glob", "--input", "-"],
        vec!["--language", "glob", "--batch", "-", "--policy", "**", "--input", "-"],
        vec!["--policy", "**", "--input", "-"],
        vec!["--language", "sieve", "--policy", "**", "--input", "-"],
        // Nothing asked is nothing answered.
        vec!["--language", "glob", "--batch", "-"],
    ] {
        assert_eq!(eval(&args, b"").0, 2, "{args:?}");
    }
}

#[test]
fn eval_answers_a_batch_line_by_line() {
    let batch = concat!(
        r#"{"id":"1","policy":"ghcr.io/*","input":"ghcr.io/foo"}"#,
        "\n",
        r#"{"id":"2","policy":"ghcr.io/*","input":"ghcr.io/foo/bar"}"#,
        "\n",
        r#"{"id":"3","policy":"[a]","input":"foo"}"#,
        "\n",
        r#"{"id":"\u0034","policy":"*","input":"Foo"}"#,
    );
    let (status, answers) = eval(&["--language", "glob", "--batch", "-"], batch.as_bytes());
    assert_eq!(status, 0);
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> =
        answers.iter().map(|a| (text(a, "id"), text(a, "verdict"), text(a, "stage"))).collect();
    assert_eq!(
        seen,
        [
            ("1", "pass", "match"),
            ("2", "fail", "match"),
            ("3", "refused", "policy"),
            ("4", "refused", "input")
        ]
    );
    assert_eq!(text(&answers[2], "message"), "invalid glob \"[a]\"");
}

#[test]
fn eval_answers_a_line_that_cannot_be_read() {
    let good = r#"{"id":"1","policy":"a","input":"a"}"#;
    for bad in [
        "",
        "{",
        "[]",
        r#"{"id":"1","policy":"a"}"#,
        r#"{"id":1,"policy":"a","input":"a"}"#,
        r#"{"id":"1","policy":"b","policy":"a","input":"a"}"#,
        r#"{"id":"1","policy":"a","input":"a","mode":"loose"}"#,
        r#"{"id":"1","policy":"a","input":"\ud800"}"#,
    ] {
        let (status, answers) =
            eval(&["--language", "regexp", "--batch", "-"], format!("{good}\n{bad}\n{good}\n").as_bytes());
        assert_eq!(status, 2, "{bad}");
        let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let verdicts: Vec<_> = answers.iter().map(|a| text(a, "verdict")).collect();
        assert_eq!(verdicts, ["pass", "refused", "pass"], "{bad}");
        assert!(answers[1]["id"].is_null());
    }
    let long = format!("{{\"id\":\"1\",\"policy\":\"{}\"", "a".repeat(5 << 20));
    assert_eq!(eval(&["--language", "regexp", "--batch", "-"], long.as_bytes()).0, 2);
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

#[test]
fn no_pattern_panics_or_takes_long() {
    const PIECES: &[&str] = &[
        "a",
        "k",
        "\u{e9}",
        "\u{212a}",
        "\0",
        "\n",
        ".",
        "^",
        "$",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?i:",
        "(?ms-U)",
        "(?P<n>",
        "(?<n>",
        "(?",
        "[",
        "]",
        "[^",
        "-",
        "[:alpha:]",
        "[:^word:]",
        "[[:",
        ":]",
        "\\d",
        "\\W",
        "\\s",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "\\Q",
        "\\E",
        "\\pL",
        "\\PL",
        "\\p{Greek}",
        "\\p{^Lu}",
        "\\p{",
        "}",
        "\\x{41}",
        "\\x{D800}",
        "\\x4",
        "\\101",
        "\\0",
        "\\",
        "*",
        "+",
        "?",
        "{2}",
        "{2,}",
        "{0,3}",
        "{1000}",
        "{0}",
        "{",
        ",",
        "|",
        "||",
        "&&",
        "~~",
        "--",
        "/",
        ":",
        "@",
    ];
    const SUBJECTS: &[&str] = &["", "a", "k\u{212a}\u{e9}", "a\n\0b", "[:alpha:]"];
    let start = std::time::Instant::now();
    let mut numbers = Numbers(0x5EA1_0C4E);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..4000 {
        let pattern: String = (0..=numbers.next(9)).map(|_| PIECES[numbers.next(PIECES.len())]).collect();
        match Regexp::compile(&pattern) {
            Ok(regexp) => {
                good += 1;
                for subject in SUBJECTS {
                    regexp.is_match(subject);
                }
            }
            Err(RegexpFault::Engine { message }) => {
                panic!("{pattern:?} became a pattern that the engine refuses: {message}")
            }
            Err(_) => bad += 1,
        }
    }
    assert!(good > 500 && bad > 500, "{good} {bad}");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
