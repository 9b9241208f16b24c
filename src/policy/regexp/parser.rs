//! Go's grammar: pattern text → one [`Element`].
//!
//! Groups are kept on a stack of our own, so no nesting can overflow the program's.

use super::class;
use super::element::{Element, Repeat};
use super::runes::{self, Folding, Runes};
use super::{MAX_DEPTH, MAX_RUNES, RegexpFault, SyntaxKind};

/// What `(?ims)` sets. `U` changes which match is found, never whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// `i`
    pub(super) fold: bool,
    /// `m`
    pub(super) lines: bool,
    /// `s`
    pub(super) dot_all: bool,
}

/// An open group, or the whole pattern.
#[derive(Debug)]
struct Group {
    /// To be restored after the group.
    flags: Flags,
    captures: bool,
    alternatives: Vec<Element>,
    parts: Vec<Element>,
}

impl Group {
    fn new(flags: Flags, captures: bool) -> Self {
        Self { flags, captures, alternatives: Vec::new(), parts: Vec::new() }
    }

    fn bar(&mut self) -> Result<(), RegexpFault> {
        let alternative = Element::concat(std::mem::take(&mut self.parts))?;
        self.alternatives.push(alternative);
        Ok(())
    }

    fn close(mut self) -> Result<Element, RegexpFault> {
        self.bar()?;
        let element = Element::alternate(self.alternatives)?;
        if self.captures { element.captured() } else { Ok(element) }
    }
}

/// Counts what is looked up in tables, and does the looking up.
#[derive(Debug, Default)]
pub(super) struct Tables {
    folding: Option<Folding>,
    spent: usize,
}

impl Tables {
    /// `runes`, and under `(?i)` what differs from them by case only.
    pub(super) fn fold(&mut self, runes: Runes, flags: Flags) -> Result<Runes, RegexpFault> {
        if !flags.fold {
            return Ok(runes);
        }
        let (folded, cost) = self.folding.get_or_insert_with(Folding::new).fold(runes);
        self.spend(cost)?;
        Ok(folded)
    }

    /// Takes `cost` from the budget of this pattern.
    pub(super) fn spend(&mut self, cost: usize) -> Result<(), RegexpFault> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > MAX_RUNES { Err(RegexpFault::Classes) } else { Ok(()) }
    }
}

struct Parser<'p> {
    whole: &'p str,
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
    tables: Tables,
}

/// Reads a whole pattern.
pub(super) fn parse(pattern: &str) -> Result<Element, RegexpFault> {
    let flags = Flags { fold: false, lines: false, dot_all: false };
    let group = Group::new(flags, false);
    Parser { whole: pattern, flags, outer: Vec::new(), group, tables: Tables::default() }.run()
}

/// A refusal in Go's words.
pub(super) fn refuse<T>(kind: SyntaxKind, found: &str) -> Result<T, RegexpFault> {
    Err(RegexpFault::Syntax { kind, found: found.to_owned() })
}

/// What was consumed on the way from `before` to its suffix `after`.
pub(super) fn consumed<'p>(before: &'p str, after: &str) -> &'p str {
    before.get(..before.len().saturating_sub(after.len())).unwrap_or(before)
}

/// The first character, and the rest.
pub(super) fn next(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|c| (c, chars.as_str()))
}

impl<'p> Parser<'p> {
    fn run(mut self) -> Result<Element, RegexpFault> {
        let mut rest = self.whole;
        // Where the repetition started that was read just before, if one was.
        let mut last: Option<&str> = None;
        while let Some((c, after)) = next(rest) {
            let mut repeated = None;
            rest = match c {
                '(' => self.open(rest, after)?,
                '|' => {
                    self.group.bar()?;
                    after
                }
                ')' => {
                    self.close()?;
                    after
                }
                '^' if self.flags.lines => self.push(Element::line_start(), after),
                '^' => self.push(Element::text_start(), after),
                '$' if self.flags.lines => self.push(Element::line_end(), after),
                '$' => self.push(Element::text_end(), after),
                '.' if self.flags.dot_all => {
                    self.push(Element::class(runes::code_points(0, 0x0010_FFFF)), after)
                }
                '.' => self.push(Element::class(runes::negated(runes::code_points(0x0A, 0x0A))), after),
                '[' => {
                    let (runes, after) = class::bracket(rest, self.flags, &mut self.tables)?;
                    self.push(Element::class(runes), after)
                }
                '*' | '+' | '?' => {
                    let repeat = match c {
                        '*' => Repeat::Star,
                        '+' => Repeat::Plus,
                        _ => Repeat::Quest,
                    };
                    repeated = Some(rest);
                    self.repeat(repeat, rest, after, last)?
                }
                '{' => match counted(rest) {
                    Count::None => self.literal('{', after)?,
                    Count::TooBig(after) => return refuse(SyntaxKind::RepeatCount, consumed(rest, after)),
                    Count::Some { low, high, after } => {
                        repeated = Some(rest);
                        self.repeat(Repeat::Counted { low, high }, rest, after, last)?
                    }
                },
                '\\' => self.backslash(rest, after)?,
                _ => self.literal(c, after)?,
            };
            last = repeated;
        }
        if !self.outer.is_empty() {
            return refuse(SyntaxKind::Parenthesis, self.whole);
        }
        self.group.close()
    }

    fn push<'t>(&mut self, element: Element, after: &'t str) -> &'t str {
        self.group.parts.push(element);
        after
    }

    fn literal<'t>(&mut self, c: char, after: &'t str) -> Result<&'t str, RegexpFault> {
        let runes = self.tables.fold(vec![runes::range(c, c)], self.flags)?;
        Ok(self.push(Element::class(runes), after))
    }

    fn enter(&mut self, captures: bool) -> Result<(), RegexpFault> {
        if self.outer.len() >= MAX_DEPTH as usize {
            return Err(RegexpFault::Depth { limit: MAX_DEPTH });
        }
        self.outer.push(std::mem::replace(&mut self.group, Group::new(self.flags, captures)));
        Ok(())
    }

    fn close(&mut self) -> Result<(), RegexpFault> {
        let Some(outer) = self.outer.pop() else {
            return refuse(SyntaxKind::UnexpectedParenthesis, self.whole);
        };
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.flags;
        let element = group.close()?;
        self.group.parts.push(element);
        Ok(())
    }

    /// `(`, `(?flags)`, `(?flags:`, `(?P<name>`, `(?<name>`; `rest` starts with the parenthesis.
    fn open(&mut self, rest: &'p str, after: &'p str) -> Result<&'p str, RegexpFault> {
        let Some(perl) = after.strip_prefix('?') else {
            self.enter(true)?;
            return Ok(after);
        };
        // Go wants at least one byte after the `<`.
        let name = perl.strip_prefix("P<").or_else(|| perl.strip_prefix('<')).filter(|name| !name.is_empty());
        if let Some(name) = name {
            let Some((name, after)) = name.split_once('>') else {
                return refuse(SyntaxKind::GroupName, rest);
            };
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return refuse(SyntaxKind::GroupName, consumed(rest, after));
            }
            self.enter(true)?;
            return Ok(after);
        }
        let mut flags = self.flags;
        let mut to = true;
        let mut seen = false;
        let mut left = perl;
        while let Some((c, after)) = next(left) {
            left = after;
            match c {
                'i' => flags.fold = to,
                'm' => flags.lines = to,
                's' => flags.dot_all = to,
                'U' => {}
                '-' if to => {
                    to = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if to || seen => {
                    if c == ':' {
                        self.enter(false)?;
                    }
                    self.flags = flags;
                    return Ok(after);
                }
                _ => break,
            }
            seen = true;
        }
        refuse(SyntaxKind::PerlSyntax, consumed(rest, left))
    }

    /// Applies a repetition, and a `?` after it, to the part before it.
    fn repeat(
        &mut self,
        repeat: Repeat,
        before: &'p str,
        after: &'p str,
        last: Option<&'p str>,
    ) -> Result<&'p str, RegexpFault> {
        let after = after.strip_prefix('?').unwrap_or(after);
        if let Some(last) = last {
            return refuse(SyntaxKind::NestedRepeat, consumed(last, after));
        }
        let Some(part) = self.group.parts.pop() else {
            return refuse(SyntaxKind::RepeatArgument, consumed(before, after));
        };
        if !part.may_repeat(repeat) {
            return refuse(SyntaxKind::RepeatCount, consumed(before, after));
        }
        self.group.parts.push(part.repeated(repeat)?);
        Ok(after)
    }

    /// What starts with a backslash outside of a class.
    fn backslash(&mut self, rest: &'p str, after: &'p str) -> Result<&'p str, RegexpFault> {
        if let Some((c, after)) = next(after) {
            let assertion = match c {
                'A' => Some(Element::text_start()),
                'z' => Some(Element::text_end()),
                'b' => Some(Element::word_boundary()),
                'B' => Some(Element::no_word_boundary()),
                'Q' => {
                    let (literal, after) = after.split_once("\\E").unwrap_or((after, ""));
                    for c in literal.chars() {
                        self.literal(c, "")?;
                    }
                    return Ok(after);
                }
                _ => None,
            };
            if let Some(element) = assertion {
                return Ok(self.push(element, after));
            }
        }
        if let Some((runes, after)) = class::escaped(rest, self.flags, &mut self.tables)? {
            return Ok(self.push(Element::class(runes), after));
        }
        match class::character(rest)? {
            (class::CodePoint::Char(c), after) => self.literal(c, after),
            // A surrogate: legal in a pattern, found in no subject.
            (class::CodePoint::Surrogate, after) => Ok(self.push(Element::class(Runes::new()), after)),
        }
    }
}

/// What `{` turns out to be.
enum Count<'p> {
    /// No repetition: a character.
    None,
    /// A repetition that Go refuses.
    TooBig(&'p str),
    /// `{low}`, `{low,}`, `{low,high}`.
    Some { low: u32, high: Option<u32>, after: &'p str },
}

fn counted(text: &str) -> Count<'_> {
    let parts = || {
        let (low, rest) = integer(text.strip_prefix('{')?)?;
        let Some(rest) = rest.strip_prefix(',') else {
            return Some((low, Some(low), rest.strip_prefix('}')?));
        };
        if let Some(after) = rest.strip_prefix('}') {
            return Some((low, None, after));
        }
        let (high, rest) = integer(rest)?;
        Some((low, Some(high), rest.strip_prefix('}')?))
    };
    match parts() {
        None => Count::None,
        Some((low, high, after)) if low > 1000 || high.is_some_and(|high| high > 1000 || low > high) => {
            Count::TooBig(after)
        }
        Some((low, high, after)) => Count::Some { low, high, after },
    }
}

/// Decimal digits without a leading zero; a number too big for 32 bits comes back as the largest one.
fn integer(text: &str) -> Option<(u32, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = consumed(text, rest);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
