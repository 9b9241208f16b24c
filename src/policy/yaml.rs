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

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{
    ErrorKind, Event, Marker, Parser, ScalarStyle, StrInput, StructureStyle, Tag,
};

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
            Value::Scalar { text, plain: true } => plain_meaning(text),
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

/// Plain scalars as policy-controller's YAML reader resolves them.
fn plain_meaning(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool { value: true, plainly: true },
        "false" | "False" | "FALSE" => Meaning::Bool { value: false, plainly: true },
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Meaning::Bool { value: true, plainly: false }
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Meaning::Bool { value: false, plainly: false }
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => Meaning::Number,
        _ if is_number(text) => Meaning::Number,
        _ => Meaning::Text { text, sexagesimal: is_sexagesimal(text) },
    }
}

/// Go's integers of any base (underscores anywhere) and decimal floating point numbers.
fn is_number(text: &str) -> bool {
    if !text.starts_with(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        return false;
    }
    let text = text.replace('_', "");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let all = |rest: &str, base: u32| !rest.is_empty() && rest.chars().all(|c| c.is_digit(base));
    for (prefix, base) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return all(rest, base);
        }
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let exponent_fits = exponent.is_none_or(|e| all(e.strip_prefix(['+', '-']).unwrap_or(e), 10));
    let mantissa_fits = match mantissa.split_once('.') {
        None => all(mantissa, 10),
        Some(("", fraction)) => all(fraction, 10),
        Some((whole, fraction)) => all(whole, 10) && (fraction.is_empty() || all(fraction, 10)),
    };
    exponent_fits && mantissa_fits
}

/// YAML 1.1's base 60: `[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut groups = text.split(':');
    let Some(first) = groups.next() else { return false };
    let mut rest = groups.peekable();
    if rest.peek().is_none()
        || !first.starts_with(|c: char| c.is_ascii_digit())
        || !first.chars().all(|c| c.is_ascii_digit() || c == '_')
    {
        return false;
    }
    while let Some(group) = rest.next() {
        let group = match group.split_once('.') {
            Some((whole, fraction))
                if rest.peek().is_none() && fraction.chars().all(|c| c.is_ascii_digit() || c == '_') =>
            {
                whole
            }
            _ => group,
        };
        if !matches!(group.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']) {
            return false;
        }
    }
    true
}

/// Reads every document of a file.
///
/// A fault of one document leaves the others readable; a fault of the file (size, encoding, a character that must
/// not be there) is the only document returned.
pub fn read(bytes: &[u8]) -> Vec<Document> {
    match text_of(bytes) {
        Ok(text) => Reader::new(text).run(),
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

/// A collection that is still open.
struct Frame {
    mark: Mark,
    anchor: usize,
    block: bool,
    content: Open,
}

enum Open {
    Sequence(Vec<Arc<Node>>),
    Mapping { entries: Vec<(Key, Arc<Node>)>, keys: HashSet<String>, key: Option<Slot>, merged: Vec<Merge> },
}

/// A key whose value comes next.
enum Slot {
    Key(Key),
    /// A plain `<<`.
    Merge(Mark),
}

/// A merge key and what it names.
struct Merge {
    mark: Mark,
    source: Arc<Node>,
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    documents: Vec<Document>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Arc<Node>>,
    /// The document that is being read: where it starts (mark and byte) and its root once complete.
    current: Option<(Mark, usize, Option<Arc<Node>>)>,
    /// Nodes made so far in this document, so that a flood stops before its collection ends.
    made: u64,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let options = serde_yaml::granit_parser::options! {
            disallow_directives: true,
            // As policy-controller's reader; only the last line break of a file without one hangs on it.
            block_scalar_eof_without_line_feed: true,
            emit_comments: false,
            emit_anchor_events: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        Self {
            text,
            parser: Parser::new_from_str_with_options(text, options),
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            current: None,
            made: 0,
        }
    }

    fn run(mut self) -> Vec<Document> {
        loop {
            let outcome = match self.parser.next_event() {
                None => break,
                Some(Ok((event, span))) => {
                    let mark = Mark::of(&span.start);
                    let from = span.start.byte_offset().unwrap_or(0);
                    let to = span.end.byte_offset().unwrap_or(from);
                    self.event(event, mark, from, to)
                }
                Some(Err(error)) => {
                    let text = parse_fault(error.kind(), &error.info());
                    Err(Fault { mark: Mark::of(error.marker()), text })
                }
            };
            let Err(fault) = outcome else { continue };
            let mark = self.current.take().map_or(fault.mark, |(mark, ..)| mark);
            self.documents.push(Document { mark, root: Err(fault) });
            self.open.clear();
            if self.documents.len() >= MAX_DOCUMENTS {
                break;
            }
            // The next document is still readable; what cannot even be skipped ends the file.
            match self.parser.proceed_next_document() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let mark = Mark::of(error.marker());
                    self.documents.push(Document { mark, root: Err(Fault { mark, text: error.info() }) });
                    break;
                }
            }
        }
        self.documents
    }

    fn event(&mut self, event: Event<'t>, mark: Mark, from: usize, to: usize) -> Result<(), Fault> {
        if let Some((_, start, _)) = &self.current
            && to.saturating_sub(*start) > MAX_DOCUMENT
        {
            return Err(Fault { mark, text: format!("the document has more than {MAX_DOCUMENT} bytes") });
        }
        self.check_indentation(&event, mark, from)?;
        self.check_flow_scalar(&event, mark, to)?;
        match event {
            Event::DocumentStart(..) => {
                if self.documents.len() >= MAX_DOCUMENTS {
                    return Err(Fault {
                        mark,
                        text: format!("the file has more than {MAX_DOCUMENTS} documents"),
                    });
                }
                self.current = Some((mark, from, None));
                self.anchors.clear();
                self.made = 0;
                Ok(())
            }
            Event::DocumentEnd => {
                if let Some((start, _, root)) = self.current.take() {
                    let root = root.filter(|node| !matches!(node.meaning(), Meaning::Null));
                    let mark = root.as_ref().map_or(start, |node| node.mark);
                    self.documents.push(Document { mark, root: Ok(root) });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                check_tag(tag.as_deref(), &["str"], mark)?;
                let length = text.len() as u64;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.complete(Node { mark, value, nodes: 1, text: length, height: 0 }, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), &["seq"], mark)?;
                self.begin(mark, (anchor, style == StructureStyle::Block), Open::Sequence(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), &["map"], mark)?;
                let content = Open::Mapping {
                    entries: Vec::new(),
                    keys: HashSet::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(mark, (anchor, style == StructureStyle::Block), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(mark),
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.attach(node, mark, true),
                None => Err(Fault { mark, text: "the alias stands inside its own anchor".into() }),
            },
            Event::Anchor(_, name) if !is_anchor_name(&name) => Err(Fault {
                mark,
                text: format!("anchor {:?} holds more than letters, digits, _ and -", cut(&name)),
            }),
            // Stream marks, and what is not asked for: comments, unresolved aliases.
            _ => Ok(()),
        }
    }

    /// The parser lets a tab stand for indentation in places where policy-controller's reader does not.
    fn check_indentation(&self, event: &Event<'_>, mark: Mark, from: usize) -> Result<(), Fault> {
        let in_block = match event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..)
                if *style == StructureStyle::Block =>
            {
                true
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                self.open.last().is_some_and(|frame| frame.block)
            }
            _ => false,
        };
        if !in_block {
            return Ok(());
        }
        let before = self.text.get(..from).unwrap_or_default();
        let line = before.trim_end_matches([' ', '\t']);
        let indentation = before.get(line.len()..).unwrap_or_default();
        if (line.is_empty() || line.ends_with(['\n', '\r'])) && indentation.contains('\t') {
            return Err(Fault { mark, text: "yaml: a tab in the indentation".into() });
        }
        Ok(())
    }

    /// Between brackets the colon and the question mark are indicators to YAML 1.1 where they are text to 1.2, and
    /// the other way round: `{a:}`, `{?a: b}`.
    fn check_flow_scalar(&self, event: &Event<'_>, mark: Mark, to: usize) -> Result<(), Fault> {
        let Event::Scalar(text, ScalarStyle::Plain, ..) = event else { return Ok(()) };
        if self.open.last().is_none_or(|frame| frame.block) {
            return Ok(());
        }
        let mut after = self.text.get(to..).unwrap_or_default().trim_start().chars();
        let bare_colon =
            after.next() == Some(':') && matches!(after.next(), Some(',' | '[' | ']' | '{' | '}'));
        if bare_colon || text.starts_with(['?', ':']) {
            let text =
                format!("{:?} between brackets is read differently by readers of YAML; quote it", cut(text));
            return Err(Fault { mark, text });
        }
        Ok(())
    }

    fn begin(&mut self, mark: Mark, (anchor, block): (usize, bool), content: Open) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(mark));
        }
        self.open.push(Frame { mark, anchor, block, content });
        Ok(())
    }

    fn end(&mut self, mark: Mark) -> Result<(), Fault> {
        let Some(frame) = self.open.pop() else {
            return Err(Fault { mark, text: "a collection ends that never began".into() });
        };
        let value = match frame.content {
            Open::Sequence(items) => Value::Sequence(items),
            Open::Mapping { mut entries, mut keys, merged, .. } => {
                for merge in merged {
                    merge_into(&mut entries, &mut keys, &merge)?;
                }
                Value::Mapping(entries)
            }
        };
        let (mut nodes, mut text, mut height) = (1_u64, 0_u64, 0);
        let mut weigh = |node: &Node, key: usize| {
            nodes = nodes.saturating_add(node.nodes);
            text = text.saturating_add(node.text).saturating_add(key as u64);
            height = height.max(node.height);
        };
        match &value {
            Value::Sequence(items) => items.iter().for_each(|node| weigh(node, 0)),
            Value::Mapping(entries) => entries.iter().for_each(|(key, node)| weigh(node, key.text.len())),
            Value::Scalar { .. } => {}
        }
        self.complete(Node { mark: frame.mark, value, nodes, text, height: height + 1 }, frame.anchor)
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.made += 1;
        let over = |what: &str, limit: u64| Fault {
            mark: node.mark,
            text: format!("the document has more than {limit} {what}, aliases expanded"),
        };
        if node.nodes.max(self.made) > MAX_NODES {
            return Err(over("nodes", MAX_NODES));
        }
        if node.text > MAX_TEXT {
            return Err(over("bytes of text", MAX_TEXT));
        }
        let mark = node.mark;
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.attach(node, mark, false)
    }

    /// Puts a node where the innermost open collection expects one.
    fn attach(&mut self, node: Arc<Node>, mark: Mark, alias: bool) -> Result<(), Fault> {
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(too_deep(mark));
        }
        match self.open.last_mut().map(|frame| &mut frame.content) {
            None => {
                if let Some((_, _, root)) = &mut self.current {
                    *root = Some(node);
                }
            }
            Some(Open::Sequence(items)) => items.push(node),
            Some(Open::Mapping { entries, keys, key, merged }) => match key.take() {
                None => *key = Some(slot(&node, mark, alias)?),
                Some(Slot::Merge(mark)) => merged.push(Merge { mark, source: node }),
                Some(Slot::Key(key)) => {
                    if !keys.insert(key.text.clone()) {
                        return Err(Fault {
                            mark: key.mark,
                            text: format!("key {:?} is given twice", cut(&key.text)),
                        });
                    }
                    entries.push((key, node));
                }
            },
        }
        Ok(())
    }
}

/// The node as a key.
fn slot(node: &Node, mark: Mark, alias: bool) -> Result<Slot, Fault> {
    let fault = |text: String| Err(Fault { mark, text });
    if alias {
        return fault("an alias as a key is not supported".into());
    }
    match &node.value {
        Value::Scalar { text, plain: true } if text == "<<" => Ok(Slot::Merge(mark)),
        Value::Scalar { text, .. } => match node.meaning() {
            Meaning::Text { .. } => Ok(Slot::Key(Key { mark, text: text.clone() })),
            other => fault(format!(
                "key {:?} without quotes is a {} to policy-controller; quote it",
                cut(text),
                other.json_name()
            )),
        },
        _ => fault("a collection as a key is not supported".into()),
    }
}

fn merge_into(
    entries: &mut Vec<(Key, Arc<Node>)>,
    keys: &mut HashSet<String>,
    merge: &Merge,
) -> Result<(), Fault> {
    let fault = |text: String| Err(Fault { mark: merge.mark, text });
    let sources: Vec<&Node> = match &merge.source.value {
        Value::Mapping(_) => vec![merge.source.as_ref()],
        Value::Sequence(items) => items.iter().map(AsRef::as_ref).collect(),
        Value::Scalar { .. } => {
            return fault("map merge requires map or sequence of maps as the value".into());
        }
    };
    for source in sources {
        let Value::Mapping(merged) = &source.value else {
            return fault("map merge requires map or sequence of maps as the value".into());
        };
        for (key, node) in merged {
            // Which one wins depends on the reader and on the order.
            if !keys.insert(key.text.clone()) {
                return fault(format!("key {:?} is given twice: here through a merge key", cut(&key.text)));
            }
            if keys.len() as u64 > MAX_NODES {
                return fault(format!("the document has more than {MAX_NODES} nodes, aliases expanded"));
            }
            entries.push((key.clone(), Arc::clone(node)));
        }
    }
    Ok(())
}

/// The names that YAML 1.1 readers know; `&a:` is an anchor and an indicator to them and a name to YAML 1.2.
fn is_anchor_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn check_tag(tag: Option<&Tag>, allowed: &[&str], mark: Mark) -> Result<(), Fault> {
    match tag {
        Some(tag) if !allowed.iter().any(|name| tag.is_yaml_core_schema_tag(name)) => {
            Err(Fault { mark, text: format!("tag {:?} is not supported", cut(&tag.original())) })
        }
        _ => Ok(()),
    }
}

fn too_deep(mark: Mark) -> Fault {
    Fault { mark, text: format!("more than {MAX_DEPTH} collections inside each other") }
}

/// The parser's reason, in policy-controller's words where a test knows them.
fn parse_fault(kind: &ErrorKind, info: &str) -> String {
    match kind {
        ErrorKind::RecursionLimitExceeded => format!("more than {MAX_DEPTH} collections inside each other"),
        ErrorKind::DirectiveDisallowed => "directives (lines that start with %) are not supported".into(),
        ErrorKind::MissingAnchorOrAliasName => {
            "yaml: did not find expected alphabetic or numeric character: a value that starts with * or & needs quotes".into()
        }
        ErrorKind::UnknownAnchor => {
            "the alias names no anchor before it: a value that starts with * needs quotes".into()
        }
        ErrorKind::ExpectedBlockSequenceEntry => "yaml: did not find expected '-' indicator".into(),
        _ => format!("yaml: {}", cut(info)),
    }
}

/// Foreign text short enough for a message.
fn cut(text: &str) -> &str {
    match text.char_indices().nth(80) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}
