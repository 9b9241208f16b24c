//! YAML text → documents as trees whose every key and value knows its line and column.
//!
//! Input: the bytes of one file (YAML, or JSON, which is YAML). Output: one [`Document`] for each document of the
//! stream, each a tree of [`Node`]s or a [`Fault`]. Nothing else in the project reads YAML.
//!
//! | rule | source |
//! |---|---|
//! | A stream may hold many documents; each `---` at the start of a line begins one, `...` ends one | YAML 1.2.2 §9.1, §9.2 |
//! | Tabs are no indentation of block collections | §6.1 |
//! | Between brackets plain text neither starts with `?` or `:` nor ends at a `:` without space | §7.3.3, YAML 1.1 §9.1.3 |
//! | Control characters and broken UTF-8 are refused | YAML 1.2.2 §5.1 |
//! | Line breaks are LF, CR LF and CR; NEL, LS and PS (breaks in YAML 1.1, text in 1.2) and a byte order mark after the start are refused | §5.4, YAML 1.1 §4.1.4 |
//! | A key given twice is refused, also through a merge key | §3.2.1.1 |
//! | Keys are strings; a plain key that reads as a number, boolean or null is refused | policy-controller's reader turns it into another text |
//! | Anchors are named by letters, digits, `_` and `-` | YAML 1.1 readers end a name there |
//! | Aliases are followed within a budget; an alias inside its own anchor is refused | §3.2.2.2 |
//! | A merge key `<<` takes over the entries of mappings | YAML 1.1 merge type |
//! | Tags other than `!!str`, `!!seq`, `!!map`, and directives, are refused by name | |
//! | Plain scalars mean what policy-controller's reader (YAML 1.1 with Go's numbers) makes of them | `behaviour §0a`, `corpus/verdicts/invalid/type-*` |
//!
//! Budget: [`MAX_FILE`], [`MAX_DOCUMENT`], [`MAX_DOCUMENTS`], [`MAX_NODES`], [`MAX_TEXT`], [`MAX_DEPTH`].
//!
//! Not checked here: which fields exist and what they may hold (`document.rs`, `validation.rs`).
//!
//! Attacks considered: alias bombs (an alias shares its node and its whole weight counts each time); deep nesting
//! (bounded before any recursion); a document hidden from one of two readers behind a separator, a line break or a
//! directive that they read differently; a second value hidden behind a key given twice or a merge.

mod reader;
mod scalar;

use std::sync::Arc;

use serde_yaml::granit_parser::Marker;

/// Bytes of a file.
pub const MAX_FILE: usize = 4 << 20;
/// Bytes of one document.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// Documents of a file, empty ones counted too.
pub const MAX_DOCUMENTS: usize = 1_000;
/// Nodes of one document, aliases expanded.
pub const MAX_NODES: u64 = 50_000;
/// Bytes of all scalars and keys of one document, aliases expanded.
pub const MAX_TEXT: u64 = 2 << 20;
/// Collections inside each other.
pub const MAX_DEPTH: usize = 64;

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line from 1.
    pub line: u64,
    /// Column from 1.
    pub column: u64,
}

impl Mark {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    fn of(marker: &Marker) -> Self {
        Self { line: (marker.line() as u64).max(1), column: marker.col() as u64 + 1 }
    }

    /// Where byte `offset` of `text` stands.
    fn at(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let mut mark = Self::START;
        let mut previous = 0;
        for &byte in before {
            match byte {
                b'\n' if previous == b'\r' => {}
                b'\n' | b'\r' => mark = Self { line: mark.line + 1, column: 1 },
                // Continuation bytes belong to the character that has been counted.
                0x80..=0xbf => {}
                _ => mark.column += 1,
            }
            previous = byte;
        }
        mark
    }
}

/// One document of a stream.
#[derive(Debug)]
pub struct Document {
    /// Where its first node starts.
    pub mark: Mark,
    /// The root; `None` for a document without content (nothing, or `null`).
    pub root: Result<Option<Arc<Node>>, Fault>,
}

/// Why text is not a document that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// Where.
    pub mark: Mark,
    /// What, in one sentence without a full stop.
    pub text: String,
}

/// A value with its place.
#[derive(Debug)]
pub struct Node {
    /// Where it starts.
    pub mark: Mark,
    /// What it is.
    pub value: Value,
    nodes: u64,
    text: u64,
    height: usize,
}

/// What a node holds.
#[derive(Debug)]
pub enum Value {
    /// A scalar; `plain` when it stands without quotes, so that its text decides its type.
    Scalar {
        /// After unescaping.
        text: String,
        /// Without quotes, block indicator or tag.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Arc<Node>>),
    /// Entries in the order of the document; keys are distinct.
    Mapping(Vec<(Key, Arc<Node>)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where it starts.
    pub mark: Mark,
    /// After unescaping.
    pub text: String,
}

/// What a node is to policy-controller's reader.
#[derive(Clone, Copy, Debug)]
pub enum Meaning<'n> {
    /// Absent: nothing, `~` or `null`.
    Null,
    /// A boolean.
    Bool {
        /// Its value.
        value: bool,
        /// Spelled `true` or `false` (in any of the three cases), which YAML 1.1 and 1.2 read alike; else `yes`,
        /// `no`, `on`, `off`, `y` or `n`, which YAML 1.2 reads as text.
        plainly: bool,
    },
    /// A number.
    Number,
    /// A text.
    Text {
        /// Its characters.
        text: &'n str,
        /// Whether YAML 1.1 reads a number of minutes or degrees in it (`12:30`).
        sexagesimal: bool,
    },
    /// A list.
    Sequence(&'n [Arc<Node>]),
    /// A mapping.
    Mapping(&'n [(Key, Arc<Node>)]),
}

impl Meaning<'_> {
    /// The word that Go's JSON reader has for it.
    pub fn json_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool { .. } => "bool",
            Self::Number => "number",
            Self::Text { .. } => "string",
            Self::Sequence(_) => "array",
            Self::Mapping(_) => "object",
        }
    }
}

impl Node {
    /// What it is to policy-controller's reader.
    pub fn meaning(&self) -> Meaning<'_> {
        match &self.value {
            Value::Sequence(items) => Meaning::Sequence(items),
            Value::Mapping(entries) => Meaning::Mapping(entries),
            Value::Scalar { text, plain: false } => Meaning::Text { text, sexagesimal: false },
            Value::Scalar { text, plain: true } => scalar::plain_meaning(text),
        }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v.as_ref()),
            _ => None,
        }
    }
}

/// Reads every document of a file.
///
/// A fault of one document leaves the others readable; a fault of the file (size, encoding, a character that must
/// not be there) is the only document returned.
pub fn read(bytes: &[u8]) -> Vec<Document> {
    match text_of(bytes) {
        Ok(text) => reader::documents(text),
        Err(fault) => vec![Document { mark: fault.mark, root: Err(fault) }],
    }
}

/// The bytes as text that may be parsed.
fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > MAX_FILE {
        return Err(Fault {
            mark: Mark::START,
            text: format!("the file has {} bytes, more than {MAX_FILE}", bytes.len()),
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let text = match (e.error_len(), bytes.get(at)) {
            (None, _) => "incomplete UTF-8 octet sequence",
            (_, Some(0xc2..=0xf4)) => "invalid trailing UTF-8 octet",
            _ => "invalid leading UTF-8 octet",
        };
        Fault { mark: Mark::at(bytes, at), text: format!("yaml: {text}") }
    })?;
    for (at, character) in text.char_indices() {
        let reason = match character {
            '\t' | '\n' | '\r' | '\x20'..='\x7e' => continue,
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                "is a line break to some readers of YAML and text to others; write it as an escape in double quotes"
            }
            '\u{feff}' if at == 0 => continue,
            '\u{feff}' => {
                "is a byte order mark to some readers of YAML and text to others; write it as an escape in double quotes"
            }
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(Fault {
                    mark: Mark::at(bytes, at),
                    text: format!(
                        "yaml: control characters are not allowed (U+{:04X})",
                        u32::from(character)
                    ),
                });
            }
            _ => continue,
        };
        return Err(Fault {
            mark: Mark::at(bytes, at),
            text: format!("U+{:04X} {reason}", u32::from(character)),
        });
    }
    Ok(text)
}
