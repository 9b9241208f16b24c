//! Regular expressions with Go's meaning: `issuerRegExp`, `subjectRegExp`.
//!
//! Input: a pattern in the syntax of Go's `regexp` (RE2 with Perl flags), and a subject. Output: whether the pattern matches anywhere
//! in the subject, as Go's `regexp.MatchString` says: unanchored, case-sensitive, `$` at the very end only.
//!
//! The pattern is parsed here by Go's rules and put into the words of the `regex` crate, with every class written out as ranges, so
//! that nothing is left to the crate's own syntax. What a match contains is never asked, so groups do not capture and laziness has no
//! meaning.
//!
//! | rule | source (Go 1.26 `regexp/syntax`) |
//! |---|---|
//! | what is refused, with which words | `parse.go` |
//! | `\d \s \w \b`, POSIX classes: ASCII; `\p{…}`: Unicode 15.0 | `perl_groups.go`, `unicodeTable` |
//! | `{` that starts no repetition is a character; in a class `[ & ~ -` are too | `parseRepeat`, `parseClass` |
//! | at most 1,000 repetitions, also multiplied through nested groups; no repetition of a repetition | `repeat`, `repeatIsValid` |
//! | `^ $` are the ends of the text without `(?m)`, `.` excludes the line feed without `(?s)` | `parse` |
//! | a match starts and ends between characters | package `regexp` works on runes |
//!
//! Refused here and not by Go, each by name: patterns above [`MAX_PATTERN`] bytes, groups and repetitions nested more than
//! [`MAX_DEPTH`] deep (Go: 1,000), programs above [`MAX_INSTRUCTIONS`] instructions (Go: 3.3 million), more than [`MAX_RUNES`]
//! characters to be looked up in tables, and programs above [`MAX_PROGRAM`] bytes.
//!
//! Not checked here: whether a pattern is wise (missing anchors, unescaped dots).
//!
//! Attacks considered: patterns that take exponential time (the engine is linear in the subject), that grow when compiled, or that
//! nest so deep that a recursion overflows; a pattern that means less in one engine than in the other (`[a&&b]`, `\d`, `(?i)k`);
//! subjects with line feeds and NUL.

mod class;
mod element;
mod parser;
mod runes;

use std::fmt;

/// Longest pattern, in bytes.
pub const MAX_PATTERN: usize = 16 * 1024;

/// Deepest nesting of groups, alternatives and repetitions.
pub const MAX_DEPTH: u32 = 250;

/// Largest program in Go's count of instructions, after repetitions are written out.
pub const MAX_INSTRUCTIONS: u64 = 100_000;

/// How many characters may be looked up in Unicode and folding tables while one pattern is read.
pub const MAX_RUNES: usize = 300_000;

/// Longest pattern in the words of the `regex` crate, in bytes: classes take the most of it.
const MAX_TRANSLATION: usize = 1 << 20;

/// Largest compiled program, in bytes.
pub const MAX_PROGRAM: usize = 10 << 20;

/// A compiled regular expression.
#[derive(Clone)]
pub struct Regexp {
    text: String,
    engine: regex::bytes::Regex,
}

/// The pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegexpFault {
    /// Go refuses it too; the text is Go's.
    #[error("error parsing regexp: {kind}: `{found}`")]
    Syntax {
        /// What is wrong.
        kind: SyntaxKind,
        /// The part of the pattern that Go names.
        found: String,
    },
    /// Longer than [`MAX_PATTERN`].
    #[error("the regular expression has {found} bytes, more than {limit}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the regular expression nests more than {limit} deep")]
    Depth {
        /// Levels allowed.
        limit: u32,
    },
    /// Its repetitions, written out, are longer than [`MAX_INSTRUCTIONS`].
    #[error(
        "the regular expression is too large: more than {limit} instructions when its repetitions are written out"
    )]
    Instructions {
        /// Instructions allowed.
        limit: u64,
    },
    /// Its classes need more table look-ups than [`MAX_RUNES`], or more room than a pattern may have.
    #[error("the character classes of the regular expression are too large")]
    Classes,
    /// Its program is larger than [`MAX_PROGRAM`].
    #[error("the regular expression is too large: its program has more than {limit} bytes")]
    Program {
        /// Bytes allowed.
        limit: usize,
    },
    /// The engine refuses what was made of it.
    #[error("the regular expression cannot be expressed for the matching engine: {message}")]
    Engine {
        /// The engine's words.
        message: String,
    },
}

/// Why Go refuses a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxKind {
    /// A range or a class name that does not exist.
    ClassRange,
    /// An escape that has no meaning.
    Escape,
    /// A group name outside of `[A-Za-z0-9_]+`.
    GroupName,
    /// `(?…` that is no group and no flag.
    PerlSyntax,
    /// A repetition of a repetition.
    NestedRepeat,
    /// More than 1,000 repetitions, or `{m,n}` with m > n.
    RepeatCount,
    /// `[` without `]`.
    Bracket,
    /// `(` without `)`.
    Parenthesis,
    /// `)` without `(`.
    UnexpectedParenthesis,
    /// A repetition of nothing.
    RepeatArgument,
    /// A backslash at the end.
    Backslash,
}

impl fmt::Display for SyntaxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClassRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::GroupName => "invalid named capture",
            Self::PerlSyntax => "invalid or unsupported Perl syntax",
            Self::NestedRepeat => "invalid nested repetition operator",
            Self::RepeatCount => "invalid repeat count",
            Self::Bracket => "missing closing ]",
            Self::Parenthesis => "missing closing )",
            Self::UnexpectedParenthesis => "unexpected )",
            Self::RepeatArgument => "missing argument to repetition operator",
            Self::Backslash => "trailing backslash at end of expression",
        })
    }
}

impl Regexp {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`RegexpFault::Syntax`] where Go refuses it, another variant where a limit of ours does.
    pub fn compile(text: &str) -> Result<Self, RegexpFault> {
        if text.len() > MAX_PATTERN {
            return Err(RegexpFault::Length { found: text.len(), limit: MAX_PATTERN });
        }
        let translation = parser::parse(text)?.into_search();
        let engine = regex::bytes::RegexBuilder::new(&translation)
            .size_limit(MAX_PROGRAM)
            // Each level of ours takes at most a group, an alternation, a concatenation and a repetition.
            .nest_limit(4 * MAX_DEPTH + 8)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => RegexpFault::Program { limit },
                // The engine's text quotes the whole translation.
                other => RegexpFault::Engine { message: other.to_string().chars().take(400).collect() },
            })?;
        Ok(Self { text: text.to_owned(), engine })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches anywhere in `subject`. Takes time linear in `subject`.
    pub fn is_match(&self, subject: &str) -> bool {
        self.engine.is_match(subject.as_bytes())
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regexp").field(&self.text).finish()
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Regexp {}

#[cfg(test)]
mod tests;
