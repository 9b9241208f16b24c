//! A page out of what a program's help prints.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Adds what the help of `program`, and of each of its verbs below `words`, prints.
pub fn document(program: &Path, words: &[&str], text: &mut String) {
    let output = Command::new(program).args(words).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    let answer = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
    let answer = lines.join("\n").trim_end().to_owned();
    let name = program.file_name().unwrap().to_str().unwrap();
    let title = [&[name], words].concat().join(" ");
    let _ = write!(text, "\n## `{title}`\n\n```text\n{answer}\n```\n");
    let verbs = answer.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in verbs.take_while(|line| !line.is_empty()) {
        // A longer indent is the rest of a description.
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        let name = name.and_then(|rest| rest.split_whitespace().next());
        if let Some(name) = name.filter(|name| *name != "help") {
            document(program, &[words, &[name]].concat(), text);
        }
    }
}

/// That a page of the project says `text`; with `SEALOCK_BLESS` it is written.
pub fn agrees(page: &Path, text: &str) {
    if std::env::var_os("SEALOCK_BLESS").is_some() {
        std::fs::write(page, text).unwrap();
    }
    let said = std::fs::read_to_string(page).unwrap_or_default();
    assert!(said == text, "{} is not what it is generated from: SEALOCK_BLESS=1", page.display());
}
