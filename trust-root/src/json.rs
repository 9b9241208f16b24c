//! The strict JSON scanner that stands before every parser of signed or deciding JSON.
//!
//! Input: foreign bytes. Output: `Ok(())` when every conforming reader sees one and the same document in them,
//! else the first [`Fault`] with its byte offset.
//!
//! | rule | source |
//! |---|---|
//! | UTF-8 throughout, no byte order mark | RFC 8259 §8.1 |
//! | grammar of values, numbers and strings | RFC 8259 §3 to §7 |
//! | no member name twice in one object, compared after unescaping | RFC 8259 §4 leaves it open, so readers differ |
//! | no two names that differ only in case and underscores ([`Spelling::Folded`]) | protobuf JSON mapping accepts `mediaType` and `media_type`; Go compares names without case |
//! | no lone surrogate in an escape | RFC 8259 §8.2: behaviour is unpredictable |
//! | at most [`MAX_DEPTH`] levels | ours: readers differ from 64 to unlimited |
//! | nothing but white space after the value | RFC 8259 §2 |
//!
//! Not checked here: the meaning of any member, and "two members of one oneof", which need the type and stand in
//! the parsers of each type. Size limits stand with the caller, who knows what is being read.
//!
//! Attacks considered: two parsers that disagree about one document (a signature checked over one reading, a
//! decision taken on another), stack exhaustion, trailing second documents.

use std::collections::HashSet;

/// Deepest nesting that is read. Every genuine Sigstore document stays below 16.
pub const MAX_DEPTH: usize = 64;

/// Which member names count as the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Byte equality after unescaping: for documents with free-form maps (annotations, predicates).
    Exact,
    /// Equality without case and underscores: for typed documents that some readers spell two ways.
    Folded,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are not UTF-8 or start with a byte order mark.
    #[error("not UTF-8 text at byte {at}")]
    Encoding {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// The grammar is violated.
    #[error("malformed JSON at byte {at}: {what}")]
    Syntax {
        /// Offset of the first byte that does not fit.
        at: usize,
        /// What was expected.
        what: &'static str,
    },
    /// One object has a member twice.
    #[error("member {name:?} stands twice in one object, at byte {at}")]
    Duplicate {
        /// Offset of the second occurrence.
        at: usize,
        /// The name as unescaped.
        name: String,
    },
    /// Nesting is deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at byte {at}")]
    Depth {
        /// Offset where the limit was passed.
        at: usize,
    },
    /// Something follows the value.
    #[error("data after the JSON value at byte {at}")]
    Trailing {
        /// Offset of the first byte after the value.
        at: usize,
    },
}

/// Checks `bytes` and says nothing about their meaning.
///
/// # Errors
/// The first [`Fault`] found, in document order.
pub fn scan(bytes: &[u8], spelling: Spelling) -> Result<(), Fault> {
    let text = std::str::from_utf8(bytes).map_err(|e| Fault::Encoding { at: e.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(Fault::Encoding { at: 0 });
    }
    let mut scanner = Scanner { bytes, at: 0, spelling };
    scanner.space();
    scanner.value(0)?;
    scanner.space();
    if scanner.at < bytes.len() {
        return Err(Fault::Trailing { at: scanner.at });
    }
    Ok(())
}

/// Scans, then parses into `T`.
///
/// # Errors
/// A [`Fault`] of the scan, or the type's own refusal as [`Fault::Syntax`]-like text in [`ParseFault`].
pub fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], spelling: Spelling) -> Result<T, ParseFault> {
    scan(bytes, spelling)?;
    serde_json::from_slice(bytes).map_err(|e| ParseFault::Shape(e.to_string()))
}

/// Why [`parse`] refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFault {
    /// The scanner refused.
    #[error(transparent)]
    Scan(#[from] Fault),
    /// Sound JSON of another shape than expected.
    #[error("unexpected shape: {0}")]
    Shape(String),
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    spelling: Spelling,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault::Syntax { at: self.at, what })
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err(Fault::Depth { at: self.at }),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail("a value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut seen = HashSet::new();
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.fail("a member name");
            }
            let name = self.string()?;
            let key = match self.spelling {
                Spelling::Exact => name.clone(),
                Spelling::Folded => fold(&name),
            };
            if !seen.insert(key) {
                return Err(Fault::Duplicate { at: start, name });
            }
            self.space();
            if self.peek() != Some(b':') {
                return self.fail("':' after a member name");
            }
            self.at += 1;
            self.space();
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail("',' or '}'"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail("',' or ']'"),
            }
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        self.fail("true, false or null")
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("a digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a string and returns it unescaped.
    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                None => return self.fail("the end of a string"),
                Some(b'"') => {
                    self.at += 1;
                    // Built from validated UTF-8 and from `char`s, so this cannot fail; were it to, refuse.
                    return String::from_utf8(out).map_err(|_| Fault::Encoding { at: self.at });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(0..=0x1f) => return self.fail("no control character inside a string"),
                Some(b) => {
                    out.push(b);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.fail("a known escape"),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let high = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                return self.fail("the second half of a surrogate pair");
            }
            self.at += 2;
            let low = self.hex4()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.fail("the second half of a surrogate pair");
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).map_or_else(|| self.fail("no lone surrogate"), Ok)
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return self.fail("four hexadecimal digits");
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// One spelling for `mediaType`, `media_type` and `MediaType`.
fn fold(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Result<(), Fault> {
        scan(text.as_bytes(), Spelling::Exact)
    }

    #[test]
    fn accepts_what_is_sound() {
        for text in [
            "null",
            " [1, -0.5e+3, \"a\\u00e9\\ud83d\\ude00\\/\"] ",
            "{}",
            "{\"a\":{\"a\":[{}]}}",
            "{\"media_type\":1,\"mediaType\":2}",
            "\"\\\"\"",
        ] {
            assert_eq!(exact(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn json_differentials() {
        for (text, spelling) in [
            ("{\"a\":1,\"a\":1}", Spelling::Exact),
            ("{\"a\":1,\"\\u0061\":1}", Spelling::Exact),
            ("{\"mediaType\":1,\"media_type\":2}", Spelling::Folded),
            ("{\"x\":{\"Subject\":1,\"subject\":2}}", Spelling::Folded),
        ] {
            assert!(matches!(scan(text.as_bytes(), spelling), Err(Fault::Duplicate { .. })), "{text}");
        }
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "1.",
            "+1",
            "NaN",
            "'a'",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\x41\"",
            "tru",
            "{\"a\"}",
            "{a:1}",
            "[1 2]",
            "\"",
            "-",
            "1e",
            "\u{b}1",
        ] {
            assert!(matches!(exact(text), Err(Fault::Syntax { .. })), "{text:?} {:?}", exact(text));
        }
        assert!(matches!(exact("1 2"), Err(Fault::Trailing { at: 2 })));
        assert!(matches!(exact("01"), Err(Fault::Trailing { at: 1 })));
        assert!(matches!(exact("{}\u{0}"), Err(Fault::Trailing { .. })));
        assert!(matches!(exact("\u{feff}{}"), Err(Fault::Encoding { at: 0 })));
        assert!(matches!(scan(b"\"\xff\"", Spelling::Exact), Err(Fault::Encoding { at: 1 })));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(exact(&nested(MAX_DEPTH)), Ok(()));
        assert!(matches!(exact(&nested(MAX_DEPTH + 1)), Err(Fault::Depth { .. })));
        assert!(matches!(exact(&"[".repeat(1 << 20)), Err(Fault::Depth { .. })));
    }
}
