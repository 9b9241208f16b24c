//! Foreign text on its way to a terminal or a log line.
//!
//! | rule | why |
//! |---|---|
//! | control characters, line and paragraph separators become `\u{…}` | terminal escapes, forged log lines |
//! | bidirectional controls and zero-width characters become `\u{…}` | text that reads differently from what it is |
//!
//! Homoglyphs stay: identities compare as bytes, and a difference is shown with its offset.

/// `text` with everything that could steer a terminal or deceive a reader made visible.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn hostile_san_everywhere() {
        assert_eq!(escape("a\u{1b}[31mb\n\0"), "a\\u{1b}[31mb\\u{a}\\u{0}");
        assert_eq!(escape("x\u{202e}y\u{200b}"), "x\\u{202e}y\\u{200b}");
        assert_eq!(escape("Grüße 漢字"), "Grüße 漢字");
    }
}
