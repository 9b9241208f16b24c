//! Parts of a pattern, already in the words of the `regex` crate, with what Go's limits need to know about them.
//!
//! A part's text can be put beside any other: a class or an assertion stands for itself, whatever else is wrapped in `(?:…)`.

use std::fmt::Write;

use regex_syntax::hir::ClassUnicode;

use super::runes::Runes;
use super::{MAX_DEPTH, MAX_INSTRUCTIONS, MAX_TRANSLATION, RegexpFault};

/// One part of a pattern.
#[derive(Debug)]
pub(super) struct Element {
    text: String,
    /// Levels of nesting, never less than Go's height without its factoring of alternatives. Factoring a pattern of
    /// [`super::MAX_PATTERN`] bytes adds fewer levels than Go's limit exceeds ours.
    height: u32,
    /// The largest product of counted repetitions on a path to a leaf; 0 below `{0}`.
    copies: u64,
    /// Instructions as Go counts them.
    size: u64,
    /// Whether it holds `\B`, the one assertion that is true inside of a character.
    within: bool,
}

/// How often something is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// `*`
    Star,
    /// `+`
    Plus,
    /// `?`
    Quest,
    /// `{low,high}`, with no upper end if `high` is absent.
    Counted {
        /// Least.
        low: u32,
        /// Most.
        high: Option<u32>,
    },
}

impl Element {
    fn leaf(text: &str) -> Self {
        Self { text: text.to_owned(), height: 1, copies: 1, size: 1, within: false }
    }

    /// Matches the empty text.
    pub(super) fn empty() -> Self {
        Self::leaf("(?:)")
    }

    /// `\A`
    pub(super) fn text_start() -> Self {
        Self::leaf(r"\A")
    }

    /// `\z`
    pub(super) fn text_end() -> Self {
        Self::leaf(r"\z")
    }

    /// `(?m)^`
    pub(super) fn line_start() -> Self {
        Self::leaf("(?m:^)")
    }

    /// `(?m)$`
    pub(super) fn line_end() -> Self {
        Self::leaf("(?m:$)")
    }

    /// `\b`
    pub(super) fn word_boundary() -> Self {
        Self::leaf(r"(?-u:\b)")
    }

    /// `\B`
    pub(super) fn no_word_boundary() -> Self {
        Self { within: true, ..Self::leaf(r"(?-u:\B)") }
    }

    /// One character of a set.
    pub(super) fn class(runes: Runes) -> Self {
        let class = ClassUnicode::new(runes);
        let mut text = String::new();
        match class.ranges() {
            // No character at all: an intersection of two different ones.
            [] => text.push_str("[a&&b]"),
            [one] if one.start() == one.end() => push(&mut text, one.start()),
            ranges => {
                text.push('[');
                for range in ranges {
                    push(&mut text, range.start());
                    if range.start() != range.end() {
                        text.push('-');
                        push(&mut text, range.end());
                    }
                }
                text.push(']');
            }
        }
        Self { text, ..Self::leaf("") }
    }

    /// One after the other; a single part is returned as it is.
    pub(super) fn concat(parts: Vec<Self>) -> Result<Self, RegexpFault> {
        Self::join(parts, "", |text| text, |size, _| size)
    }

    /// One of several; a single part is returned as it is.
    pub(super) fn alternate(parts: Vec<Self>) -> Result<Self, RegexpFault> {
        Self::join(parts, "|", |text| format!("(?:{text})"), |size, n| size.saturating_add(n - 1))
    }

    fn join(
        mut parts: Vec<Self>,
        separator: &str,
        wrap: impl Fn(String) -> String,
        total: impl Fn(u64, u64) -> u64,
    ) -> Result<Self, RegexpFault> {
        if parts.len() < 2 {
            return Ok(parts.pop().unwrap_or_else(Self::empty));
        }
        let length: usize = parts.iter().map(|part| part.text.len() + separator.len()).sum();
        if length > MAX_TRANSLATION {
            return Err(RegexpFault::Classes);
        }
        let mut text = String::with_capacity(length);
        let mut joined = Self { height: 0, copies: 0, size: 0, ..Self::leaf("") };
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                text.push_str(separator);
            }
            text.push_str(&part.text);
            joined.height = joined.height.max(part.height + 1);
            joined.copies = joined.copies.max(part.copies);
            joined.size = joined.size.saturating_add(part.size);
            joined.within |= part.within;
        }
        joined.text = wrap(text);
        joined.size = total(joined.size, parts.len() as u64);
        joined.checked()
    }

    /// A capturing group: nothing is captured, but Go counts it.
    pub(super) fn captured(self) -> Result<Self, RegexpFault> {
        Self { height: self.height + 1, size: self.size.saturating_add(2), ..self }.checked()
    }

    /// Whether one more repetition keeps the product of all nested ones within Go's 1,000.
    pub(super) fn may_repeat(&self, repeat: Repeat) -> bool {
        let Repeat::Counted { low, high } = repeat else { return true };
        // Go asks only where something is repeated at least twice, and not below `{0}`.
        if low < 2 && high.is_none_or(|high| high < 2) {
            return true;
        }
        u64::from(high.unwrap_or(low)).saturating_mul(self.copies.max(1)) <= 1000
    }

    /// Repeated.
    pub(super) fn repeated(self, repeat: Repeat) -> Result<Self, RegexpFault> {
        let inner = self.size;
        let (operator, copies, size) = match repeat {
            // `{0,}` multiplies nothing.
            Repeat::Star | Repeat::Counted { low: 0, high: None } => {
                ("*".to_owned(), 1, inner.saturating_add(2))
            }
            Repeat::Plus => ("+".to_owned(), 1, inner.saturating_add(1)),
            Repeat::Quest => ("?".to_owned(), 1, inner.saturating_add(1)),
            Repeat::Counted { low, high: None } => (
                format!("{{{low},}}"),
                u64::from(low),
                inner.saturating_mul(u64::from(low)).saturating_add(1),
            ),
            Repeat::Counted { low, high: Some(high) } => {
                let optional = u64::from(high.saturating_sub(low));
                let size = inner.saturating_mul(u64::from(high)).saturating_add(optional);
                (format!("{{{low},{high}}}"), u64::from(high), size)
            }
        };
        Self {
            text: format!("(?:{}){operator}", self.text),
            height: self.height + 1,
            copies: if copies == 0 { 0 } else { self.copies.max(1).saturating_mul(copies) },
            size: size.max(1),
            within: self.within,
        }
        .checked()
    }

    /// The text of a search for this part anywhere in a subject.
    pub(super) fn into_search(self) -> String {
        if self.within {
            // The engine would also try `\B` inside of a character, where Go never looks: whole characters are skipped first.
            format!(r"\A(?s:.)*(?:{})", self.text)
        } else {
            self.text
        }
    }

    fn checked(self) -> Result<Self, RegexpFault> {
        if self.height > MAX_DEPTH {
            return Err(RegexpFault::Depth { limit: MAX_DEPTH });
        }
        if self.size > MAX_INSTRUCTIONS {
            return Err(RegexpFault::Instructions { limit: MAX_INSTRUCTIONS });
        }
        if self.text.len() > MAX_TRANSLATION {
            return Err(RegexpFault::Classes);
        }
        Ok(self)
    }
}

/// A character that stands for itself in and out of a class.
fn push(text: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        text.push(c);
    } else {
        // Writing into a string never fails.
        let _ = write!(text, r"\x{{{:X}}}", u32::from(c));
    }
}
