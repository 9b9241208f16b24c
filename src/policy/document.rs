//! What is said about documents: errors and notes, each with file, line, column and field path.
//!
//! Input: what the readers of this room find. Output: [`DocumentError`]s and [`Note`]s; [`upstream_text`] makes
//! policy-controller's own text of the errors that it has, too.
//!
//! | rule | source |
//! |---|---|
//! | Errors of equal message and details are one line with all their paths; paths and lines are sorted | knative's `FieldError`, `corpus/verdicts/invalid/same-error-twice` |
//! | A decoding error names no path | `corpus/verdicts/invalid/unknown-*`, `type-*` |
//! | Unreadable, invalid and unsupported are three kinds | DESIGN §4 rule 5 |
//!
//! Not checked here: anything; the rules are in `yaml.rs`, `fields.rs` and `validation.rs`.
//!
//! Attacks considered: an error text that carries terminal control sequences, turns the direction of writing or
//! breaks the one line it has (`Display` escapes all three and cuts long values).

use std::collections::BTreeMap;

use super::model::Position;
use super::yaml::Mark;
use crate::decision::Code;

/// Why a document yields no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentErrorKind {
    /// Not YAML, over a limit, or a construct of YAML that is refused.
    Unreadable,
    /// Policy-controller refuses it too.
    Invalid,
    /// Policy-controller accepts it; it is not implemented here and refused by name.
    Unsupported,
}

impl DocumentErrorKind {
    /// The finding code.
    pub fn code(self) -> &'static Code {
        match self {
            Self::Unreadable => &super::codes::UNREADABLE,
            Self::Invalid => &super::codes::INVALID,
            Self::Unsupported => &super::codes::UNSUPPORTED,
        }
    }
}

/// One thing that is wrong with a document. `Display` is one line: `file:line:col: path: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Whose fault it is.
    pub kind: DocumentErrorKind,
    /// Where.
    pub position: Position,
    /// Field path, `spec.authorities[0].key`; several are joined by `, `; empty when it is about the document.
    pub path: String,
    /// What. For [`DocumentErrorKind::Invalid`]: policy-controller's text, without paths and details.
    pub message: String,
    /// Policy-controller's second line, where it has one.
    pub detail: Option<String>,
    /// Our own explanation, where policy-controller's text does not suffice.
    pub hint: Option<String>,
    /// The paths that policy-controller names, in its own spelling; empty where it names none.
    pub upstream_paths: Vec<String>,
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { file, line, column } = &self.position;
        write!(f, "{}:{line}:{column}: ", escaped(file))?;
        if !self.path.is_empty() {
            write!(f, "{}: ", escaped(&self.path))?;
        }
        f.write_str(&escaped(&self.message))?;
        if let Some(detail) = &self.detail {
            write!(f, ": {}", escaped(detail))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " ({})", escaped(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for DocumentError {}

/// Foreign text on one line, without control characters, cut after 400 characters.
fn escaped(text: &str) -> String {
    const LIMIT: usize = 400;
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LIMIT {
            shown.push('…');
            break;
        }
        let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || invisible {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The invalid ones among the errors of one document as policy-controller writes them: the first decoding error
/// alone, else all of them, equal ones merged, paths and lines sorted.
///
/// Empty when none is [`DocumentErrorKind::Invalid`].
pub fn upstream_text(errors: &[DocumentError]) -> String {
    let decoding = errors.iter().filter(|e| {
        e.kind == DocumentErrorKind::Invalid
            && e.upstream_paths.is_empty()
            && e.message.starts_with(UNDECODABLE)
    });
    if let Some(first) = decoding.min_by_key(|e| &e.position) {
        return first.message.clone();
    }
    let mut lines: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for error in errors.iter().filter(|e| e.kind == DocumentErrorKind::Invalid) {
        let key = (error.message.as_str(), error.detail.as_deref().unwrap_or_default());
        lines.entry(key).or_default().extend(error.upstream_paths.iter().map(String::as_str));
    }
    let lines = lines.into_iter().map(|((message, detail), mut paths)| {
        paths.sort_unstable();
        paths.dedup();
        let mut line = message.to_owned();
        if !paths.is_empty() {
            line.push_str(": ");
            line.push_str(&paths.join(", "));
        }
        if !detail.is_empty() {
            line.push('\n');
            line.push_str(detail);
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How policy-controller begins a decoding error.
const UNDECODABLE: &str = "unable to unmarshal: ";

/// Something worth knowing that refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub position: Position,
    /// What, in one sentence without a full stop.
    pub message: String,
}

/// Collects what is said about one document.
#[derive(Debug)]
pub(super) struct Report<'f> {
    pub file: &'f str,
    pub errors: Vec<DocumentError>,
    pub notes: Vec<Note>,
}

impl<'f> Report<'f> {
    pub fn new(file: &'f str) -> Self {
        Self { file, errors: Vec::new(), notes: Vec::new() }
    }

    pub fn position(&self, mark: Mark) -> Position {
        Position { file: self.file.to_owned(), line: mark.line, column: mark.column }
    }

    pub fn note(&mut self, mark: Mark, message: impl Into<String>) {
        let position = self.position(mark);
        self.notes.push(Note { position, message: message.into() });
    }

    fn push(&mut self, kind: DocumentErrorKind, mark: Mark, path: String, message: String) {
        let position = self.position(mark);
        self.errors.push(DocumentError {
            kind,
            position,
            path,
            message,
            detail: None,
            hint: None,
            upstream_paths: Vec::new(),
        });
    }

    pub fn unreadable(&mut self, mark: Mark, message: String) {
        self.push(DocumentErrorKind::Unreadable, mark, String::new(), message);
    }

    /// A rule of policy-controller is broken at one or more of its paths.
    pub fn invalid(&mut self, mark: Mark, message: impl Into<String>, paths: &[String]) {
        self.push(DocumentErrorKind::Invalid, mark, paths.join(", "), message.into());
        if let Some(error) = self.errors.last_mut() {
            error.upstream_paths = paths.to_vec();
        }
    }

    /// [`Self::invalid`] at one path, with policy-controller's second line.
    pub fn invalid_because(
        &mut self,
        mark: Mark,
        message: impl Into<String>,
        path: &str,
        detail: impl Into<String>,
    ) {
        self.invalid(mark, message, &[path.to_owned()]);
        if let Some(error) = self.errors.last_mut() {
            error.detail = Some(detail.into());
        }
    }

    /// Policy-controller's decoder refuses the document without naming a path.
    pub fn undecodable(&mut self, mark: Mark, path: String, message: impl AsRef<str>) {
        let message = format!("{UNDECODABLE}{}", message.as_ref());
        self.push(DocumentErrorKind::Invalid, mark, path, message);
    }

    pub fn unsupported(&mut self, mark: Mark, path: String, message: impl Into<String>) {
        self.push(DocumentErrorKind::Unsupported, mark, path, message.into());
    }

    /// Adds our own explanation to the newest error.
    pub fn hint(&mut self, hint: impl Into<String>) {
        if let Some(error) = self.errors.last_mut() {
            error.hint = Some(hint.into());
        }
    }
}
