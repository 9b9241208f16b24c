//! Canonical JSON: one document, one sequence of bytes.
//!
//! Input: a value, or bytes that claim to be canonical. Output: bytes, or a value that has no other spelling.
//!
//! | rule | source |
//! |---|---|
//! | no white space; members in the order of their UTF-16 code units | RFC 8785 §3.2.1, §3.2.3 |
//! | strings escape only what must be escaped, control characters in lower case | RFC 8785 §3.2.2.2 |
//! | numbers are integers up to 2^53 - 1 | ours: RFC 8785 §3.2.2.3 spells fractions as ECMAScript does, none is needed |
//! | what is read is scanned strictly, then written again and compared byte for byte | ours |
//!
//! Attacks considered: `json_differentials`: a signature over one reading and a decision on another.

use sealock_trust_root::json::{self, Spelling};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SealFault;

/// Largest number that every JSON reader sees alike.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The canonical bytes of `value`.
///
/// # Errors
/// [`SealFault::Malformed`] for fractions and numbers over 2^53 - 1.
pub fn render(part: &'static str, value: &impl Serialize) -> Result<Vec<u8>, SealFault> {
    let value = serde_json::to_value(value).map_err(|e| SealFault::malformed(part, e.to_string()))?;
    let mut out = Vec::new();
    write(part, &value, &mut out)?;
    Ok(out)
}

/// Reads canonical bytes.
///
/// # Errors
/// [`SealFault::Malformed`] for every other spelling and for another shape than `T`.
pub fn parse<T: DeserializeOwned>(part: &'static str, bytes: &[u8]) -> Result<T, SealFault> {
    let malformed = |reason: String| SealFault::malformed(part, reason);
    let value: Value = json::parse(bytes, Spelling::Exact).map_err(|e| malformed(e.to_string()))?;
    if render(part, &value)? != bytes {
        return Err(malformed("it is not written in the canonical form".into()));
    }
    serde_json::from_value(value).map_err(|e| malformed(e.to_string()))
}

/// Reads a document whose bytes are vouched for already: strictly, in any spelling.
///
/// # Errors
/// [`SealFault::Malformed`].
pub fn read<T: DeserializeOwned>(part: &'static str, bytes: &[u8]) -> Result<T, SealFault> {
    json::parse(bytes, Spelling::Exact).map_err(|e| SealFault::malformed(part, e.to_string()))
}

fn write(part: &'static str, value: &Value, out: &mut Vec<u8>) -> Result<(), SealFault> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_u64() {
            Some(n) if n <= MAX_INTEGER => out.extend_from_slice(n.to_string().as_bytes()),
            _ => return Err(SealFault::malformed(part, format!("{number} is no integer up to 2^53 - 1"))),
        },
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(part, item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(name, out);
                out.push(b':');
                write(part, members.get(name).unwrap_or(&Value::Null), out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{0}'..='\u{1f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = "{\"\\u0001\":null,\"1\":[true,false],\"a\":\"\\\"\\\\\\n/\u{e9}\",\"\u{1f600}\":0,\"\u{fb33}\":9007199254740991}";
        let value: Value = parse("x", text.as_bytes()).unwrap();
        assert_eq!(render("x", &value).unwrap(), text.as_bytes());
        for other in [
            "{ }",
            "{\"b\":1,\"a\":2}",
            "[1.0]",
            "[1e2]",
            "[-1]",
            "[9007199254740992]",
            "\"\\u0041\"",
            "\"\\/\"",
            "{\"\u{fb33}\":1,\"\u{1f600}\":0}",
            "\"\\u000a\"",
            "[] ",
            "{\"a\":1,\"a\":1}",
            "",
        ] {
            assert!(parse::<Value>("x", other.as_bytes()).is_err(), "{other}");
        }
    }
}
