//! Policies named on the command line: an invalid document is wrong configuration, with every error shown.

use std::path::PathBuf;

use anyhow::anyhow;

use super::exit::Failure;
use super::files::{self, PolicyFile};
use super::output::Output;
use crate::policy::{self, Input, Loaded};
use crate::report::text::escape;

/// Reads and validates every document; none at all is the empty set.
///
/// # Errors
/// Exit 2 with one line for each error: `file:line:column: path: message`.
pub fn load(paths: &[PathBuf], output: &mut Output) -> Result<Loaded, Failure> {
    load_files(files::policies(paths).map_err(Failure::misuse)?, output)
}

/// As [`load`], for files that were read.
///
/// # Errors
/// As [`load`].
pub fn load_files(files: Vec<PolicyFile>, output: &mut Output) -> Result<Loaded, Failure> {
    let inputs: Vec<Input> = files
        .into_iter()
        .map(|file| Input {
            file: file.path.display().to_string(),
            bytes: file.bytes,
            from_directory: file.from_directory,
        })
        .collect();
    twins(&inputs)?;
    let loaded = policy::load(&inputs);
    for note in &loaded.notes {
        let text = format!("{}: {}", note.position, note.message);
        output.note(&format!("note {}: {}\n", policy::codes::UNUSED.name, escape(&text)));
    }
    let Some(first) = loaded.errors.first() else { return Ok(loaded) };
    let lines: Vec<String> = loaded
        .errors
        .iter()
        .map(|error| format!("{} [{}]", escape_lines(&error.to_string()), error.kind.code().name))
        .collect();
    Err(Failure::misuse(anyhow!(
        "the policy is not valid\n{}\n  next: {}",
        lines.join("\n"),
        first.kind.code().remedy
    )))
}

/// The same content under two names is a slip: whoever gives two files means two things.
fn twins(inputs: &[Input]) -> Result<(), Failure> {
    for (at, one) in inputs.iter().enumerate() {
        let twin = inputs.iter().skip(at + 1).find(|other| other.bytes == one.bytes && !one.bytes.is_empty());
        if let Some(other) = twin {
            return Err(Failure::misuse(anyhow!(
                "{} and {} are the same content given twice: leave one out",
                one.file,
                other.file
            )));
        }
    }
    Ok(())
}

/// Errors may span lines by design; what stands in them is still foreign text.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n  ")
}
