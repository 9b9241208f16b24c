//! The paperwork agrees with the program: named tests exist, every finding code is documented and provoked, the
//! command line is documented as it is, and the README's commands are those that are run for every commit.
//!
//! `SEALOCK_BLESS=1 cargo test --test paperwork` writes the generated documents anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the project's own files and may write its documents"
)]

mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use sealock::decision::code::{self, Code};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Codes that no test provokes yet, each with the reason.
const UNPROVOKED: &[(&str, &str)] = &[];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every Rust file of the workspace, by path relative to the project, without this one.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<_> =
        ["src", "tests", "trust-root", "mirror-tool", "benches"].map(|f| Path::new(ROOT).join(f)).into();
    open.retain(|folder| folder.is_dir());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found.remove("tests/paperwork.rs").map(|_| found).expect("this file is among them")
}

/// The part of a file that is tests: all of an integration test or a `tests.rs`, else what follows `#[cfg(test)]`.
fn tests_of<'t>(name: &str, text: &'t str) -> &'t str {
    if name.contains("tests/") || name.ends_with("/tests.rs") {
        return text;
    }
    text.find("#[cfg(test)]").map_or("", |at| &text[at..])
}

/// Compares a generated document with the one in the repository, or writes it.
fn agrees(path: &str, text: &str) {
    reference::agrees(&Path::new(ROOT).join(path), text);
}

/// Names of functions that carry `#[test]` or the asynchronous form of it.
fn test_names(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in sources.values() {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                let mut signature = lines.by_ref().skip_while(|l| l.starts_with("#[") || l.starts_with("//"));
                let rest = signature
                    .next()
                    .map(|l| l.trim_start_matches("async "))
                    .and_then(|l| l.strip_prefix("fn "))
                    .unwrap_or_default();
                names.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}

#[test]
fn every_named_test_of_the_threat_model_exists() {
    let document = read("THREAT-MODEL.md");
    let known = test_names(&sources());
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .filter(|cells: &Vec<&str>| {
            let id = cells[0].trim_start_matches(['A', 'H']);
            id != cells[0] && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())
        })
        .collect();
    let mut ids = BTreeMap::from([('A', Vec::new()), ('H', Vec::new())]);
    let (mut covered, mut problems) = (0, Vec::new());
    for cells in &rows {
        // id | actor | attack | asset | STRIDE | defence | test | residual
        assert_eq!(cells.len(), 8, "a row has eight cells: {cells:?}");
        let (letter, number) = cells[0].split_at(1);
        let list = ids.get_mut(&letter.chars().next().unwrap()).unwrap();
        list.push(number.parse::<usize>().unwrap());
        let named: Vec<&str> = cells[6].split('`').skip(1).step_by(2).collect();
        if cells[6] == "planned" {
            continue;
        }
        covered += 1;
        if named.is_empty() {
            problems.push(format!("{}: neither a test nor `planned`", cells[0]));
        }
        for name in named.iter().filter(|name| !known.contains(**name)) {
            problems.push(format!("{}: no test is named {name}", cells[0]));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    for (letter, list) in &ids {
        assert_eq!(*list, (1..=list.len()).collect::<Vec<_>>(), "rows {letter} are numbered without gaps");
    }
    assert_eq!(ids[&'A'].len(), 52, "every attack has its row");
    assert!(ids[&'H'].len() > 30 && covered > 20, "the history has its rows, and rows have tests");
}

#[test]
fn every_named_test_of_the_architecture_exists() {
    let document = read("ARCHITECTURE.md");
    let known = test_names(&sources());
    let table = document.lines().skip_while(|line| *line != "| rule | where | proven by |").skip(2);
    let mut named = 0;
    for line in table.take_while(|line| line.starts_with('|')) {
        let (_, tests) = line.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "no test is named {name}: {line}");
            named += 1;
        }
    }
    assert!(named > 15, "the rules of trust name their tests");
}

/// The name of the static that holds a code, with its room's folder: `store` and `TAR_NAME`.
fn constants(sources: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, text) in sources.iter().filter(|(name, _)| name.ends_with("/codes.rs")) {
        let words = text.split('"').step_by(2).zip(text.split('"').skip(1).step_by(2));
        for (before, word) in words.filter(|(_, word)| word.contains('/') && !word.contains(' ')) {
            let constant = before
                .split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
                .rfind(|part| part.len() > 2 && part.starts_with(|c: char| c.is_ascii_uppercase()));
            let constant = constant.unwrap_or_else(|| panic!("{name}: no constant for {word}"));
            found.insert(word.to_owned(), constant.to_owned());
        }
    }
    found
}

#[test]
fn every_finding_code_is_sound_and_provoked() {
    let sources = sources();
    let constants = constants(&sources);
    let tests: Vec<&str> = sources.iter().map(|(name, text)| tests_of(name, text)).collect();
    let mut names = BTreeSet::new();
    let mut unprovoked = BTreeSet::new();
    for Code { name, meaning, remedy } in code::all() {
        assert!(names.insert(*name), "{name} stands twice");
        let (room, rest) = name.split_once('/').unwrap_or_else(|| panic!("{name} has no room"));
        for part in [room, rest] {
            let kebab =
                part.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(kebab && part == part.to_lowercase(), "{name} is no room/kebab-case");
        }
        assert!(meaning.len() > 15 && remedy.len() > 10, "{name} says what it means and what to do");
        let constant = constants.get(*name).unwrap_or_else(|| panic!("{name} is in no codes.rs"));
        // As a string of its own, or as the program prints it: `[room/kebab-case]`.
        let (quoted, printed, by_constant) =
            (format!("\"{name}\""), format!("[{name}]"), format!("codes::{constant}"));
        if !tests.iter().any(|text| {
            text.contains(&quoted) || text.contains(&printed) || names_constant(text, &by_constant)
        }) {
            unprovoked.insert(*name);
        }
    }
    // Every room's list is in the table.
    let listed: BTreeSet<&str> = constants.keys().map(String::as_str).collect();
    assert_eq!(listed, names, "codes of every codes.rs, and those of decision::code::all()");
    let excused: BTreeSet<&str> = UNPROVOKED.iter().map(|(name, _)| *name).collect();
    assert_eq!(unprovoked, excused, "codes that no test names, and the written exceptions");
}

/// Whether `text` names the constant and not a longer one.
fn names_constant(text: &str, constant: &str) -> bool {
    text.split(constant)
        .skip(1)
        .any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

#[test]
fn the_reference_of_findings_is_the_table() {
    let mut text = String::from(
        "# Findings\n\nEverything that Sealock tells people and machines has a code, `room/kebab-case`, which never changes its \
         meaning.\nA finding carries its code, a severity (note, warning, error), a sentence, where it helps the expected and the \
         found\nvalue, and the remedy. In JSON these are `code`, `severity`, `message`, `expected`, `found` and `remedy`.\n\nThis page \
         is generated from the code: `SEALOCK_BLESS=1 cargo test --test paperwork`.\n",
    );
    let mut room = "";
    let mut codes: Vec<&Code> = code::all().collect();
    codes.sort_by_key(|code| code.name);
    for code in codes {
        let (this, _) = code.name.split_once('/').unwrap();
        if this != room {
            room = this;
            let _ = write!(text, "\n## {room}\n");
        }
        let _ = write!(
            text,
            "\n### `{}`\n\n{}.\n\n*Next:* {}.\n",
            code.name,
            code.meaning.trim_end_matches('.'),
            code.remedy.trim_end_matches('.')
        );
    }
    agrees("docs/reference/findings.md", &text);
}

/// What the program prints for `WORDS… --help`, as on a machine without any setting.
#[test]
fn the_reference_of_the_command_line_is_what_the_program_prints() {
    let mut text = String::from(
        "# Command line\n\nWhat `sealock --help` and the help of each of its verbs print. This page is generated:\n\
         `SEALOCK_BLESS=1 cargo test --test paperwork`.\n\nExit status: `0` every image allowed, warnings printed · `1` at least one \
         denied · `2` wrong use or configuration ·\n`3` undecided. For several images 2 wins over 3 over 1 over 0. Answers go to standard \
         output, everything else to\nstandard error.\n",
    );
    reference::document(Path::new(env!("CARGO_BIN_EXE_sealock")), &[], &mut text);
    assert!(text.contains("## `sealock store init`"), "verbs below verbs are found");
    agrees("docs/reference/cli.md", &text);
}

#[test]
fn the_readmes_commands_are_those_that_are_run() {
    let readme = read("README.md");
    let script = read(".ci/run");
    let blocks: Vec<&str> =
        readme.split("```sh\n").skip(1).map(|b| b.split("\n```").next().unwrap()).collect();
    let (main, tests) = (blocks[0].replace("\\\n", " "), blocks[1]);
    let main = main.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(main.starts_with("cargo run --release -p sealock -- verify "), "{main}");
    assert!(tests.starts_with("cargo test"), "{tests}");
    for (command, step) in [(main.as_str(), "quickstart"), (tests, "tests")] {
        assert!(!command.contains('\n'), "one command: {command}");
        assert!(script.contains(command), ".ci/run does not run: {command}");
        let called =
            script.lines().any(|line| line.starts_with("step ") && line.ends_with(&format!(" {step}")));
        assert!(called, ".ci/run has no step {step}");
    }
}
