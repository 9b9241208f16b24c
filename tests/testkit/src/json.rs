//! JSON as a value with an order of members, and the three ways in which Sigstore serialises it.
//!
//! [`Json::compact`] keeps the order of members and may hold what a strict reader must refuse (a member twice,
//! raw text); [`Json::canonical`] is RFC 8785; [`Json::olpc`] is the older canonical form that TUF signs.

use std::fmt::Write;

/// A JSON value. Objects are lists, so that a member can be given twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// Members in their order.
    Object(Vec<(String, Json)>),
    /// Text that is already JSON, taken over as it is. It has no canonical form.
    Raw(String),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Json::Number(number)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Json::Number(i64::try_from(number).unwrap())
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Json::Number(i64::try_from(number).unwrap())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Json::Array(items)
    }
}

/// An object of these members, in this order.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Json {
    /// Adds a member at the end of an object, whether or not there is one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: Json) -> Json {
        let Json::Object(members) = &mut self else { panic!("not an object") };
        members.push((name.to_owned(), value));
        self
    }

    /// The member of that name, to be changed; panics where there is none.
    pub fn member(&mut self, name: &str) -> &mut Json {
        let Json::Object(members) = self else { panic!("not an object") };
        &mut members.iter_mut().find(|(found, _)| found == name).expect("a member of that name").1
    }

    /// Without spaces, members in their order, as Go's `encoding/json` writes (but `<`, `>` and `&` unescaped).
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// Two spaces of indentation, members in their order, a newline at the end.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out.push('\n');
        out
    }

    /// RFC 8785: no spaces, members sorted by UTF-16 code units.
    pub fn canonical(&self) -> String {
        self.sorted().compact()
    }

    /// The canonical form that TUF signs: as RFC 8785, but strings escape nothing but `"` and `\`.
    pub fn olpc(&self) -> String {
        let mut out = String::new();
        self.sorted().write_olpc(&mut out);
        out
    }

    fn sorted(&self) -> Json {
        match self {
            Json::Array(items) => Json::Array(items.iter().map(Json::sorted).collect()),
            Json::Object(members) => {
                let mut sorted: Vec<(String, Json)> =
                    members.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
                sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                Json::Object(sorted)
            }
            Json::Raw(_) => panic!("raw text has no canonical form"),
            other => other.clone(),
        }
    }

    fn write(&self, out: &mut String, indent: Option<usize>) {
        let inner = indent.map(|depth| depth + 1);
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(number) => out.push_str(&number.to_string()),
            Json::Text(text) => write_string(text, out),
            Json::Raw(text) => out.push_str(text),
            Json::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    separate(out, position, inner);
                    item.write(out, inner);
                }
                close(out, items.is_empty(), indent);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (position, (name, value)) in members.iter().enumerate() {
                    separate(out, position, inner);
                    write_string(name, out);
                    out.push_str(if indent.is_some() { ": " } else { ":" });
                    value.write(out, inner);
                }
                close(out, members.is_empty(), indent);
                out.push('}');
            }
        }
    }

    fn write_olpc(&self, out: &mut String) {
        match self {
            Json::Text(text) => write_olpc_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    separate(out, position, None);
                    item.write_olpc(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (position, (name, value)) in members.iter().enumerate() {
                    separate(out, position, None);
                    write_olpc_string(name, out);
                    out.push(':');
                    value.write_olpc(out);
                }
                out.push('}');
            }
            other => other.write(out, None),
        }
    }
}

fn separate(out: &mut String, position: usize, indent: Option<usize>) {
    if position > 0 {
        out.push(',');
    }
    if let Some(depth) = indent {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
}

fn close(out: &mut String, empty: bool, indent: Option<usize>) {
    if let Some(depth) = indent.filter(|_| !empty) {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => write!(out, "\\u{:04x}", u32::from(control)).unwrap(),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn write_olpc_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if character == '"' || character == '\\' {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        let value = object([("b", "x\ny\"".into()), ("a", vec![Json::Null, 1_i64.into()].into())]);
        assert_eq!(value.compact(), r#"{"b":"x\ny\"","a":[null,1]}"#);
        assert_eq!(value.canonical(), r#"{"a":[null,1],"b":"x\ny\""}"#);
        assert_eq!(value.olpc(), "{\"a\":[null,1],\"b\":\"x\ny\\\"\"}");
        assert_eq!(value.pretty(), "{\n  \"b\": \"x\\ny\\\"\",\n  \"a\": [\n    null,\n    1\n  ]\n}\n");
    }
}
