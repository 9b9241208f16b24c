//! Takes the fields of a mapping one by one, typed, as Go's JSON reader would.
//!
//! Input: a [`Node`] and the names of the fields that exist. Output: [`Given`] values with their place; what does
//! not fit goes to the [`Report`].
//!
//! | rule | source |
//! |---|---|
//! | An unknown field is refused | `behaviour §1` (unknown fields are disallowed), `corpus/verdicts/invalid/unknown-*` |
//! | A field spelled in another case is refused by name; Go would accept it | DESIGN §4 rule 10 (both spellings of one field) |
//! | `null` is absent; in a list it is an element without content | Go's JSON reader, `invalid/type-mode-null`, `key-null` |
//! | A value of another type is refused in the words of Go's JSON reader | `invalid/type-*` |
//! | Text that YAML 1.1 reads as a number of minutes, and booleans other than `true` and `false`, are refused by name | DESIGN §4 rule 10 |
//!
//! Not checked here: what the values may be (`validation.rs`); keys given twice (`yaml.rs`).
//!
//! Attacks considered: a field that one reader sees and another does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Report;
use super::yaml::{Key, Mark, Meaning, Node};

/// What became of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<T> {
    /// Not there, or `null`.
    Absent,
    /// There, but not of its type: reported already, and not to be called missing.
    Broken,
    /// There.
    Value(T, Mark),
}

impl<T> Given<T> {
    /// Whether the field has a value, usable or not.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The value, if usable.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value, _) => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }
}

impl Given<&str> {
    /// Go's zero value: an empty text counts as absent.
    pub fn non_empty(self) -> Self {
        match self {
            Self::Value("", _) => Self::Absent,
            other => other,
        }
    }
}

/// A mapping whose fields are known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Where it starts.
    pub mark: Mark,
    /// Its path in the document, `spec.authorities[0]`; empty for the root.
    pub path: String,
    /// The name of its Go type without the package, for messages.
    go: &'static str,
    /// The Go package of the policy's types, which is the version of its API.
    package: &'static str,
    /// Its path without list indexes, as Go's messages have it.
    go_path: String,
    entries: BTreeMap<&'static str, (&'n Key, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The root of a document.
    pub fn root(
        report: &mut Report<'_>,
        node: &'n Node,
        package: &'static str,
        go: &'static str,
        known: &[&'static str],
    ) -> Self {
        let (path, go_path, entries) = (String::new(), String::new(), BTreeMap::new());
        Self { mark: node.mark, path, go, package, go_path, entries }.filled(report, node, known)
    }

    /// The mapping at `node`, which is the field `name` of this one, or an element of it at `path`.
    fn inner(
        &self,
        report: &mut Report<'_>,
        node: &'n Node,
        (name, path): (&str, String),
        go: &'static str,
        known: &[&'static str],
    ) -> Self {
        let go = go.rsplit_once('.').map_or(go, |(_, name)| name);
        let (go_path, entries) = (self.go_at(name), BTreeMap::new());
        Self { mark: node.mark, path, go, package: self.package, go_path, entries }
            .filled(report, node, known)
    }

    fn filled(mut self, report: &mut Report<'_>, node: &'n Node, known: &[&'static str]) -> Self {
        let Meaning::Mapping(entries) = node.meaning() else { return self };
        for (key, value) in entries {
            if let Some(name) = known.iter().find(|name| **name == key.text) {
                self.entries.insert(name, (key, value));
            }
        }
        for (key, value) in entries {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let path = self.at(&key.text);
            if let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(&key.text)) {
                let message = format!("field \"{}\" must be written \"{name}\"", key.text);
                report.unsupported(key.mark, path, message);
                self.entries.entry(name).or_insert((key, value));
            } else {
                report.undecodable(key.mark, path, format!("json: unknown field \"{}\"", key.text));
            }
        }
        self
    }

    /// The type's name with its package: the policy's own unless it names one.
    fn qualified(&self, go: &str) -> String {
        if go.contains('.') { go.to_owned() } else { format!("{}.{go}", self.package) }
    }

    /// The path of a field of this mapping.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Where the key of a field stands; where the mapping starts if there is none.
    pub fn key_mark(&self, name: &str) -> Mark {
        self.entries.get(name).map_or(self.mark, |(key, _)| key.mark)
    }

    fn go_at(&self, name: &str) -> String {
        if self.go_path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.go_path) }
    }

    /// The field's node, if it is there and not `null`.
    pub fn node(&self, name: &str) -> Option<&'n Node> {
        let (_, node) = self.entries.get(name)?;
        (!matches!(node.meaning(), Meaning::Null)).then_some(*node)
    }

    fn mistyped(&self, report: &mut Report<'_>, node: &Node, path: String, name: &str, wanted: &str) {
        let message = format!(
            "json: cannot unmarshal {} into Go struct field {}.{} of type {wanted}",
            node.meaning().json_name(),
            self.go,
            self.go_at(name),
        );
        report.undecodable(node.mark, path, message);
        match node.meaning() {
            Meaning::Bool { .. } | Meaning::Number if wanted == "string" => {
                report.hint("quote it to make it a text");
            }
            _ => {}
        }
    }

    fn text_of(&self, report: &mut Report<'_>, node: &'n Node, path: String, name: &str) -> Given<&'n str> {
        match node.meaning() {
            Meaning::Text { text, sexagesimal: false } => Given::Value(text, node.mark),
            Meaning::Text { text, sexagesimal: true } => {
                let message = format!("{text} without quotes is a number to some readers of YAML; quote it");
                report.unsupported(node.mark, path, message);
                Given::Broken
            }
            _ => {
                self.mistyped(report, node, path, name, "string");
                Given::Broken
            }
        }
    }

    /// A text.
    pub fn text(&self, report: &mut Report<'_>, name: &str) -> Given<&'n str> {
        match self.node(name) {
            None => Given::Absent,
            Some(node) => self.text_of(report, node, self.at(name), name),
        }
    }

    /// A boolean.
    pub fn flag(&self, report: &mut Report<'_>, name: &str) -> Given<bool> {
        let Some(node) = self.node(name) else { return Given::Absent };
        match node.meaning() {
            Meaning::Bool { value, plainly: true } => Given::Value(value, node.mark),
            Meaning::Bool { plainly: false, .. } => {
                let message = "a boolean to some readers of YAML and a text to others; write true or false";
                report.unsupported(node.mark, self.at(name), message);
                Given::Broken
            }
            _ => {
                self.mistyped(report, node, self.at(name), name, "bool");
                Given::Broken
            }
        }
    }

    /// A mapping with its own fields; `go` is the name of its type, `KeyRef` or `v1.LabelSelector`.
    pub fn object(
        &self,
        report: &mut Report<'_>,
        name: &str,
        go: &'static str,
        known: &[&'static str],
    ) -> Given<Fields<'n>> {
        let Some(node) = self.node(name) else { return Given::Absent };
        if !matches!(node.meaning(), Meaning::Mapping(_)) {
            self.mistyped(report, node, self.at(name), name, &self.qualified(go));
            return Given::Broken;
        }
        let fields = self.inner(report, node, (name, self.at(name)), go, known);
        Given::Value(fields, node.mark)
    }

    /// The elements of a list.
    fn elements(&self, report: &mut Report<'_>, name: &str, wanted: &str) -> Given<&'n [Arc<Node>]> {
        let Some(node) = self.node(name) else { return Given::Absent };
        let Meaning::Sequence(items) = node.meaning() else {
            self.mistyped(report, node, self.at(name), name, wanted);
            return Given::Broken;
        };
        Given::Value(items, node.mark)
    }

    /// A list of mappings. An empty list counts as absent, as in Go; an element that is no mapping is `None`.
    pub fn objects(
        &self,
        report: &mut Report<'_>,
        name: &str,
        go: &'static str,
        known: &[&'static str],
    ) -> Given<Vec<Option<Fields<'n>>>> {
        let (elements, mark) = match self.elements(report, name, &format!("[]{}", self.qualified(go))) {
            Given::Absent => return Given::Absent,
            Given::Broken => return Given::Broken,
            Given::Value(elements, mark) => (elements, mark),
        };
        let mut objects = Vec::new();
        for (index, node) in elements.iter().enumerate() {
            let path = format!("{}[{index}]", self.at(name));
            match node.meaning() {
                Meaning::Mapping(_) | Meaning::Null => {
                    objects.push(Some(self.inner(report, node, (name, path), go, known)));
                }
                _ => {
                    self.mistyped(report, node, path, name, &self.qualified(go));
                    objects.push(None);
                }
            }
        }
        if objects.is_empty() { Given::Absent } else { Given::Value(objects, mark) }
    }

    /// A list of texts, checked and not used.
    pub fn check_texts(&self, report: &mut Report<'_>, name: &str) {
        if let Given::Value(elements, _) = self.elements(report, name, "[]string") {
            for (index, node) in elements.iter().enumerate() {
                if !matches!(node.meaning(), Meaning::Null) {
                    self.text_of(report, node, format!("{}[{index}]", self.at(name)), name);
                }
            }
        }
    }

    /// A mapping of texts to texts, checked and not used.
    pub fn check_text_map(&self, report: &mut Report<'_>, name: &str) {
        let Some(node) = self.node(name) else { return };
        let Meaning::Mapping(entries) = node.meaning() else {
            self.mistyped(report, node, self.at(name), name, "map[string]string");
            return;
        };
        for (key, value) in entries {
            if !matches!(value.meaning(), Meaning::Null) {
                self.text_of(report, value, format!("{}[{:?}]", self.at(name), key.text), name);
            }
        }
    }
}
