//! The same content in a spelling that a strict reader refuses: sloppy base64, hex in capitals, members given twice.
//!
//! Two readers that disagree about one text can be played against each other, so none of these may be accepted,
//! even where the decoded bytes are the right ones.

use crate::evidence::Layer;

/// A spelling of base64 that RFC 4648 §3 lets a strict decoder refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Spelling {
    /// `-` and `_` for `+` and `/`.
    UrlSafe,
    /// Padding left out.
    Unpadded,
    /// One `=` more than belongs there.
    PaddedMore,
    /// A line break in the middle.
    LineBreak,
    /// A line break at the end.
    FinalLineBreak,
    /// A space at the beginning.
    LeadingSpace,
    /// The unused bits of the last character are set; a sloppy decoder gives the same bytes.
    UnusedBits,
    /// A character that is not of the alphabet in the middle.
    ForeignCharacter,
    /// Cut in the middle of a group of four.
    CutGroup,
    /// Nothing.
    Empty,
}

impl Base64Spelling {
    /// All of them.
    pub const ALL: [Base64Spelling; 10] = [
        Base64Spelling::UrlSafe,
        Base64Spelling::Unpadded,
        Base64Spelling::PaddedMore,
        Base64Spelling::LineBreak,
        Base64Spelling::FinalLineBreak,
        Base64Spelling::LeadingSpace,
        Base64Spelling::UnusedBits,
        Base64Spelling::ForeignCharacter,
        Base64Spelling::CutGroup,
        Base64Spelling::Empty,
    ];

    /// The text in that spelling; `None` where it has no place for it (no `+`, no padding).
    pub fn apply(self, text: &str) -> Option<String> {
        let middle = text.len() / 2;
        let spelled = match self {
            Base64Spelling::UrlSafe => text.replace('+', "-").replace('/', "_"),
            Base64Spelling::Unpadded => text.trim_end_matches('=').to_owned(),
            Base64Spelling::PaddedMore => format!("{text}="),
            Base64Spelling::LineBreak => format!("{}\n{}", &text[..middle], &text[middle..]),
            Base64Spelling::FinalLineBreak => format!("{text}\n"),
            Base64Spelling::LeadingSpace => format!(" {text}"),
            Base64Spelling::UnusedBits => set_unused_bits(text)?,
            Base64Spelling::ForeignCharacter => format!("{}*{}", &text[..middle], &text[middle..]),
            Base64Spelling::CutGroup => text.get(..text.len().checked_sub(5)?)?.to_owned(),
            Base64Spelling::Empty => String::new(),
        };
        (spelled != text).then_some(spelled)
    }
}

fn set_unused_bits(text: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bare = text.trim_end_matches('=');
    if bare.len() == text.len() {
        return None;
    }
    let last = *bare.as_bytes().last()?;
    let value = ALPHABET.iter().position(|one| *one == last)?;
    let changed = char::from(ALPHABET[value | 1]);
    Some(format!("{}{changed}{}", &bare[..bare.len() - 1], &text[bare.len()..]))
}

/// A spelling of a JSON object that readers understand differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonSpelling {
    /// The first member once more before it, as null: readers that take the last one notice nothing.
    NullBefore,
    /// The first member once more at the end, as null: readers that take the first one notice nothing.
    NullAfter,
    /// The first member once more, word by word.
    Repeated,
    /// The first member once more in other letters (`mediaType` and `media_type`; Go reads any case), as null.
    OtherSpelling,
    /// A second document after the first.
    SecondDocument,
    /// A word after the document.
    TrailingWord,
    /// An unknown member nested a hundred deep.
    Deep,
    /// An unknown member with half a surrogate pair.
    LoneSurrogate,
    /// A comma after the last member.
    TrailingComma,
    /// Cut in the middle.
    Cut,
    /// A byte order mark in front.
    ByteOrderMark,
}

impl JsonSpelling {
    /// All of them.
    pub const ALL: [JsonSpelling; 11] = [
        JsonSpelling::NullBefore,
        JsonSpelling::NullAfter,
        JsonSpelling::Repeated,
        JsonSpelling::OtherSpelling,
        JsonSpelling::SecondDocument,
        JsonSpelling::TrailingWord,
        JsonSpelling::Deep,
        JsonSpelling::LoneSurrogate,
        JsonSpelling::TrailingComma,
        JsonSpelling::Cut,
        JsonSpelling::ByteOrderMark,
    ];

    /// The text of an object in that spelling. The text is compact and has a member.
    pub fn apply(self, text: &str) -> String {
        let inside = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("an object");
        let first = first_member(inside);
        let name = first.split('"').nth(1).expect("a member");
        match self {
            JsonSpelling::NullBefore => format!("{{\"{name}\":null,{inside}}}"),
            JsonSpelling::NullAfter => format!("{{{inside},\"{name}\":null}}"),
            JsonSpelling::Repeated => format!("{{{first},{inside}}}"),
            JsonSpelling::OtherSpelling => format!("{{{inside},\"{}\":null}}", respell(name)),
            JsonSpelling::SecondDocument => format!("{text}{text}"),
            JsonSpelling::TrailingWord => format!("{text} x"),
            JsonSpelling::Deep => {
                format!("{{{inside},\"deep\":{}0{}}}", "[".repeat(100), "]".repeat(100))
            }
            JsonSpelling::LoneSurrogate => format!("{{{inside},\"half\":\"\\ud800\"}}"),
            JsonSpelling::TrailingComma => format!("{{{inside},}}"),
            JsonSpelling::Cut => text[..text.len() / 2].to_owned(),
            JsonSpelling::ByteOrderMark => format!("\u{feff}{text}"),
        }
    }
}

/// Name, colon and value of the first member of an object without its braces.
fn first_member(inside: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (place, character) in inside.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => return &inside[..place],
            _ => {}
        }
    }
    inside
}

/// `mediaType` as `media_type`; a name without a hump as capitals, or as small letters where it begins with one.
fn respell(name: &str) -> String {
    let hump = |(place, character): (usize, char)| place > 0 && character.is_ascii_uppercase();
    if name.starts_with(|first: char| first.is_ascii_uppercase()) {
        name.to_ascii_lowercase()
    } else if name.char_indices().any(hump) {
        let mut out = String::new();
        for character in name.chars() {
            if character.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(character.to_ascii_lowercase());
        }
        out
    } else {
        name.to_ascii_uppercase()
    }
}

impl Layer {
    /// With an annotation's base64 in another spelling; `None` where the text has no place for it.
    #[must_use]
    pub fn with_base64_spelling(&self, annotation: &str, spelling: Base64Spelling) -> Option<Layer> {
        let spelled = spelling.apply(self.annotation(annotation))?;
        Some(self.clone().with_annotation(annotation, spelled))
    }

    /// With the base64 of a member inside a JSON annotation in another spelling (`body`, `SignedEntryTimestamp`).
    #[must_use]
    pub fn with_member_spelling(
        &self,
        annotation: &str,
        member: &str,
        spelling: Base64Spelling,
    ) -> Option<Layer> {
        let text = self.annotation(annotation);
        let start = text.find(&format!("\"{member}\":\""))? + member.len() + 4;
        let end = start + text[start..].find('"')?;
        let spelled = spelling.apply(&text[start..end])?.replace('\n', "\\n");
        let changed = format!("{}{spelled}{}", &text[..start], &text[end..]);
        Some(self.clone().with_annotation(annotation, changed))
    }

    /// With a JSON annotation in another spelling.
    #[must_use]
    pub fn with_json_spelling(&self, annotation: &str, spelling: JsonSpelling) -> Layer {
        let spelled = spelling.apply(self.annotation(annotation));
        self.clone().with_annotation(annotation, spelled)
    }

    /// With its blob, a JSON object, in another spelling.
    #[must_use]
    pub fn with_blob_spelling(&self, spelling: JsonSpelling) -> Layer {
        let text = String::from_utf8(self.blob.clone()).unwrap();
        self.clone().with_blob(spelling.apply(&text))
    }

    /// With the log id of the log entry in capitals: the same bytes, another spelling of hex.
    #[must_use]
    pub fn with_log_id_in_capitals(&self) -> Layer {
        let text = self.annotation(crate::evidence::REKOR_BUNDLE);
        let start = text.find("\"logID\":\"").expect("a log entry") + 9;
        let (head, tail) = text.split_at(start);
        let (id, rest) = tail.split_at(64);
        self.clone().with_annotation(
            crate::evidence::REKOR_BUNDLE,
            format!("{head}{}{rest}", id.to_ascii_uppercase()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_every_spelling() {
        let spelled = |spelling: Base64Spelling| spelling.apply("+/+/AAECAw==");
        assert_eq!(spelled(Base64Spelling::UrlSafe).as_deref(), Some("-_-_AAECAw=="));
        assert_eq!(spelled(Base64Spelling::Unpadded).as_deref(), Some("+/+/AAECAw"));
        assert_eq!(spelled(Base64Spelling::UnusedBits).as_deref(), Some("+/+/AAECAx=="));
        assert_eq!(spelled(Base64Spelling::CutGroup).as_deref(), Some("+/+/AAE"));
        assert_eq!(Base64Spelling::UnusedBits.apply("AAEC"), None);
        assert_eq!(Base64Spelling::UrlSafe.apply("AAEC"), None);
    }

    #[test]
    fn json_in_every_spelling() {
        let text = r#"{"mediaType":{"a":"},"},"b":1}"#;
        assert_eq!(
            JsonSpelling::NullBefore.apply(text),
            r#"{"mediaType":null,"mediaType":{"a":"},"},"b":1}"#
        );
        assert_eq!(
            JsonSpelling::Repeated.apply(text),
            r#"{"mediaType":{"a":"},"},"mediaType":{"a":"},"},"b":1}"#
        );
        assert_eq!(
            JsonSpelling::OtherSpelling.apply(text),
            r#"{"mediaType":{"a":"},"},"b":1,"media_type":null}"#
        );
        assert_eq!(
            JsonSpelling::OtherSpelling.apply(r#"{"SignedEntryTimestamp":""}"#),
            r#"{"SignedEntryTimestamp":"","signedentrytimestamp":null}"#
        );
    }
}
