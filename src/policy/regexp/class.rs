//! Character classes and escapes, by Go's grammar.

use super::parser::{Flags, Tables, consumed, next, refuse};
use super::runes::{self, Runes};
use super::{RegexpFault, SyntaxKind};

/// Look-ups that one `\p{…}` counts for: the largest table has about as many numbers.
const NAMED_COST: usize = 3000;

/// A character as a pattern may name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodePoint {
    /// One that a subject may hold.
    Char(char),
    /// U+D800 to U+DFFF, by `\x{…}` only.
    Surrogate,
}

/// A class in brackets; `whole` starts with `[`.
pub(super) fn bracket<'p>(
    whole: &'p str,
    flags: Flags,
    tables: &mut Tables,
) -> Result<(Runes, &'p str), RegexpFault> {
    let inner = whole.strip_prefix('[').unwrap_or(whole);
    let (negated, mut rest) = match inner.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let mut class = Runes::new();
    // A `]` that comes first is a character.
    let mut first = true;
    loop {
        if !first && let Some(after) = rest.strip_prefix(']') {
            let class = if negated { runes::negated(class) } else { class };
            return Ok((class, after));
        }
        first = false;
        if let Some((runes, after)) = posix(rest, flags, tables)? {
            class.extend(runes);
            rest = after;
            continue;
        }
        if let Some((runes, after)) = escaped(rest, flags, tables)? {
            class.extend(runes);
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = member(rest, whole)?;
        rest = after;
        let mut high = low;
        // A `-` before the closing bracket is a character.
        if let Some(after) = rest.strip_prefix('-')
            && !after.is_empty()
            && !after.starts_with(']')
        {
            (high, rest) = member(after, whole)?;
            if high < low {
                return refuse(SyntaxKind::ClassRange, consumed(start, rest));
            }
        }
        class.extend(tables.fold(runes::code_points(low, high), flags)?);
    }
}

/// `[:name:]` and `[:^name:]`; nothing if the text is not of that form.
fn posix<'p>(
    text: &'p str,
    flags: Flags,
    tables: &mut Tables,
) -> Result<Option<(Runes, &'p str)>, RegexpFault> {
    let Some((name, after)) = text.strip_prefix("[:").and_then(|text| text.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => (true, plain),
        None => (false, name),
    };
    match runes::posix(plain) {
        Some(ranges) => Ok(Some((ascii(ranges, negated, flags, tables)?, after))),
        None => refuse(SyntaxKind::ClassRange, consumed(text, after)),
    }
}

/// `\d \D \s \S \w \W \pL \PL \p{…} \P{…}`; nothing for any other text.
pub(super) fn escaped<'p>(
    text: &'p str,
    flags: Flags,
    tables: &mut Tables,
) -> Result<Option<(Runes, &'p str)>, RegexpFault> {
    let Some((letter, after)) = text.strip_prefix('\\').and_then(next) else {
        return Ok(None);
    };
    if let Some(ranges) = runes::perl(letter.to_ascii_lowercase()) {
        let runes = ascii(ranges, letter.is_ascii_uppercase(), flags, tables)?;
        return Ok(Some((runes, after)));
    }
    let mut negated = match letter {
        'p' => false,
        'P' => true,
        _ => return Ok(None),
    };
    let (name, after) = match after.strip_prefix('{') {
        Some(braces) => match braces.split_once('}') {
            Some(parts) => parts,
            None => return refuse(SyntaxKind::ClassRange, text),
        },
        // One character is the name.
        None => next(after).map_or(("", after), |(_, rest)| (consumed(after, rest), rest)),
    };
    let plain = match name.strip_prefix('^') {
        Some(plain) => {
            negated = !negated;
            plain
        }
        None => name,
    };
    let Some(named) = runes::named(plain) else {
        return refuse(SyntaxKind::ClassRange, consumed(text, after));
    };
    tables.spend(NAMED_COST)?;
    let runes = if named.folds { tables.fold(named.runes, flags)? } else { named.runes };
    Ok(Some((if negated { runes::negated(runes) } else { runes }, after)))
}

fn ascii(
    ranges: &[(char, char)],
    negated: bool,
    flags: Flags,
    tables: &mut Tables,
) -> Result<Runes, RegexpFault> {
    let runes = ranges.iter().map(|(low, high)| runes::range(*low, *high)).collect();
    let runes = tables.fold(runes, flags)?;
    Ok(if negated { runes::negated(runes) } else { runes })
}

/// One end of a range, as a code point.
fn member<'p>(text: &'p str, whole: &str) -> Result<(u32, &'p str), RegexpFault> {
    match next(text) {
        None => refuse(SyntaxKind::Bracket, whole),
        Some(('\\', _)) => escape(text),
        Some((c, after)) => Ok((u32::from(c), after)),
    }
}

/// A character by its escape; `text` starts with the backslash.
pub(super) fn character(text: &str) -> Result<(CodePoint, &str), RegexpFault> {
    let (code, after) = escape(text)?;
    Ok((char::from_u32(code).map_or(CodePoint::Surrogate, CodePoint::Char), after))
}

fn escape(text: &str) -> Result<(u32, &str), RegexpFault> {
    let Some((c, after)) = text.strip_prefix('\\').and_then(next) else {
        return refuse(SyntaxKind::Backslash, "");
    };
    let code = match c {
        'a' => 0x07,
        'f' => 0x0C,
        'n' => 0x0A,
        'r' => 0x0D,
        't' => 0x09,
        'v' => 0x0B,
        'x' => return hexadecimal(text, after),
        // A single digit that is not zero would be a back-reference.
        '0'..='7' if c == '0' || after.starts_with(octal) => {
            let digits = after.char_indices().take(2).take_while(|(_, c)| octal(*c)).count();
            let (more, after) = after.split_at_checked(digits).unwrap_or(("", after));
            let code = std::iter::once(c).chain(more.chars()).filter_map(|c| c.to_digit(8));
            return Ok((code.fold(0, |sum, digit| sum * 8 + digit), after));
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return refuse(SyntaxKind::Escape, consumed(text, after)),
    };
    Ok((code, after))
}

fn octal(c: char) -> bool {
    c.is_digit(8)
}

/// `\xHH` or `\x{H…}`; `after` follows the `x`.
fn hexadecimal<'p>(text: &'p str, after: &'p str) -> Result<(u32, &'p str), RegexpFault> {
    let mut rest = after;
    let mut take = || {
        let (c, after) = next(rest)?;
        rest = after;
        Some(c)
    };
    let code = match take() {
        Some('{') => {
            let mut code = None;
            loop {
                match take() {
                    Some('}') => break code,
                    Some(c) => match c.to_digit(16).map(|digit| code.unwrap_or(0) * 16 + digit) {
                        Some(sum) if sum <= 0x0010_FFFF => code = Some(sum),
                        _ => break None,
                    },
                    None => break None,
                }
            }
        }
        Some(high) => {
            let low = take();
            high.to_digit(16).and_then(|high| Some(high * 16 + low?.to_digit(16)?))
        }
        None => None,
    };
    match code {
        Some(code) => Ok((code, rest)),
        None => refuse(SyntaxKind::Escape, consumed(text, rest)),
    }
}
