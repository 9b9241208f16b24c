//! What a plain scalar is: policy-controller's reader decides by its text.
//!
//! Input: the text. Output: [`Meaning`].
//!
//! | rule | source |
//! |---|---|
//! | `null`, `~` and nothing are absent; `true`, `yes`, `on`, `y` and their opposites are booleans | YAML 1.1 types, as go-yaml v2 reads them |
//! | Integers of Go's syntax in any base, with underscores; decimal floating point; `.inf`, `.nan` | the same, `strconv.ParseInt` with base 0 |
//! | Dates and numbers of base 60 are texts | the same |
//!
//! Not checked here: whether that type is due (`fields.rs`).
//!
//! Attacks considered: a text that becomes a boolean or another number for policy-controller (`subject: y`).

use super::Meaning;

/// Plain scalars as policy-controller's YAML reader resolves them.
pub(super) fn plain_meaning(text: &str) -> Meaning<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        for number in [
            "0", "-1", "+1", "017", "08", "0o17", "0x1F", "0b101", "1_000", "1e3", "1.", ".5", "-.5e-3",
            "1_0.5", "0X_f", ".inf", "-.INF", ".NaN",
        ] {
            assert!(matches!(plain_meaning(number), Meaning::Number), "{number}");
        }
        for text in [
            "0x",
            "0o8",
            "0b2",
            "1e",
            "1.2.3",
            "-",
            "+",
            ".",
            "..5",
            "1-2",
            "inf",
            "nan",
            "x1",
            "_1",
            "2024-01-01",
        ] {
            assert!(matches!(plain_meaning(text), Meaning::Text { sexagesimal: false, .. }), "{text}");
        }
    }

    #[test]
    fn base_60_is_text_that_says_so() {
        for text in ["12:30", "1:00:59", "-1:5", "190:20:30.15", "1_0:59"] {
            assert!(matches!(plain_meaning(text), Meaning::Text { sexagesimal: true, .. }), "{text}");
        }
        for text in ["12:60", "12:", ":30", "a:30", "1:2:a", "1:2.x", "1:123", "::", "1.5:30"] {
            assert!(matches!(plain_meaning(text), Meaning::Text { sexagesimal: false, .. }), "{text}");
        }
    }
}
