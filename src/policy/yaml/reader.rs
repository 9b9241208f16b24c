//! Events of the parser → trees, within the budget.
//!
//! Input: text that has no character which must not be there. Output: [`Document`]s. The rules are in the table of
//! the parent module; here are those that need the parser's events or the text around them.
//!
//! Not checked here: encoding and control characters (parent module), types (`scalar.rs`).
//!
//! Attacks considered: see the parent module. Nothing here recurses; what is open lies on a stack of bounded height.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, StrInput, StructureStyle, Tag};

use super::{
    Document, Fault, Key, MAX_DEPTH, MAX_DOCUMENT, MAX_DOCUMENTS, MAX_NODES, MAX_TEXT, Mark, Meaning, Node,
    Value,
};

/// Reads every document of `text`.
pub(super) fn documents(text: &str) -> Vec<Document> {
    Reader::new(text).run()
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
