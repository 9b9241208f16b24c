//! Identities that a keyless authority accepts, and how near a certificate comes to one.
//!
//! Input: the issuer and the subject alternative names that a verified certificate holds. Output: whether they are the identity, and
//! if not, which half differs and where.
//!
//! | rule | source |
//! |---|---|
//! | issuer and subject must both match; any one subject suffices | cosign `pkg/cosign/verify.go`, `checkIdentities` |
//! | a literal is compared byte by byte: no trimming, no folding, no normal form | the same |
//! | a regular expression matches anywhere in the text | Go `regexp.MatchString` |
//! | an empty literal stands for "not given", which a document may not leave out, so here it matches nothing | policy-controller `clusterimagepolicy_validation.go` |
//! | a certificate without an issuer matches no issuer, not even `.*` (upstream tries the empty text) | DESIGN: absent is not empty |
//!
//! Not checked here: that the certificate is genuine (`verify`), which of its extensions the issuer comes from (`evidence`), and that a
//! document gives both halves (`policy`, reading).
//!
//! Attacks considered: a subject with a line break, a look-alike character or a trailing space; a subject among many that looks
//! nearest; an empty subject.

use std::fmt;

use super::regexp::Regexp;

/// Bytes of text shown on each side of the first difference.
const SNIPPET: usize = 48;

/// What one half of an identity must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Exactly this text: `issuer`, `subject`.
    Literal(String),
    /// A text in which this matches: `issuerRegExp`, `subjectRegExp`.
    Regexp(Regexp),
}

/// One entry of `identities`: both halves must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The OIDC issuer of the certificate.
    pub issuer: Matcher,
    /// Any subject alternative name of the certificate.
    pub subject: Matcher,
}

/// How near a certificate comes to an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityMatch {
    /// Both halves match.
    Match,
    /// A subject matches, the issuer does not.
    IssuerDiffers {
        /// Byte offset of the first difference; 0 for a regular expression.
        at: usize,
        /// What was asked for, from a little before that offset.
        expected: String,
        /// The issuer found, from the same place; empty if there is none.
        found: String,
    },
    /// The issuer matches, no subject does. The subject that comes nearest is shown.
    SubjectDiffers {
        /// Byte offset of the first difference; 0 for a regular expression.
        at: usize,
        /// What was asked for, from a little before that offset.
        expected: String,
        /// The subject found, from the same place; empty if there is none.
        found: String,
    },
    /// Neither half matches.
    Both,
}

impl Matcher {
    /// Whether `text` is what is asked for.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => !literal.is_empty() && literal == text,
            Self::Regexp(regexp) => regexp.is_match(text),
        }
    }

    /// The literal or the pattern, as written.
    pub fn text(&self) -> &str {
        match self {
            Self::Literal(literal) => literal,
            Self::Regexp(regexp) => regexp.text(),
        }
    }

    /// As in a document: `subject "…"` or `subjectRegExp "…"`, for the field `subject`. The text is escaped.
    pub fn describe(&self, field: &str) -> String {
        let kind = match self {
            Self::Literal(_) => "",
            Self::Regexp(_) => "RegExp",
        };
        format!("{field}{kind} {:?}", self.text())
    }

    /// The text that comes nearest, and the byte at which it starts to differ.
    fn nearest<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Option<(usize, &'t str)> {
        let Self::Literal(literal) = self else {
            return texts.map(|text| (0, text)).next();
        };
        // The first of several that are equally near, as the certificate lists them.
        texts
            .map(|text| (common(literal, text), text))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
    }

    /// Offset, what was expected there, what was found there.
    fn difference<'t>(&self, texts: impl Iterator<Item = &'t str>) -> (usize, String, String) {
        let (at, found) = self.nearest(texts).unwrap_or((0, ""));
        (at, snippet(self.text(), at), snippet(found, at))
    }
}

impl Identity {
    /// Whether a certificate with this issuer and these subjects is this identity.
    pub fn matches(&self, issuer: Option<&str>, subjects: &[String]) -> bool {
        issuer.is_some_and(|issuer| self.issuer.matches(issuer)) && self.matches_subject(subjects)
    }

    /// The same, with the nearest miss.
    pub fn compare(&self, issuer: Option<&str>, subjects: &[String]) -> IdentityMatch {
        let issuer_matches = issuer.is_some_and(|issuer| self.issuer.matches(issuer));
        match (issuer_matches, self.matches_subject(subjects)) {
            (true, true) => IdentityMatch::Match,
            (false, true) => {
                let (at, expected, found) = self.issuer.difference(issuer.into_iter());
                IdentityMatch::IssuerDiffers { at, expected, found }
            }
            (true, false) => {
                let (at, expected, found) = self.subject.difference(subjects.iter().map(String::as_str));
                IdentityMatch::SubjectDiffers { at, expected, found }
            }
            (false, false) => IdentityMatch::Both,
        }
    }

    fn matches_subject(&self, subjects: &[String]) -> bool {
        subjects.iter().any(|subject| self.subject.matches(subject))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.issuer.describe("issuer"), self.subject.describe("subject"))
    }
}

/// How many leading bytes are the same, back to the start of a character.
fn common(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    floor(a, same)
}

/// The text around `at`: what precedes it by at most [`SNIPPET`] bytes, and as much again from there on. `…` marks a cut.
fn snippet(text: &str, at: usize) -> String {
    let start = floor(text, at.saturating_sub(SNIPPET));
    let end = floor(text, at.saturating_add(SNIPPET));
    let middle = text.get(start..end).unwrap_or_default();
    let mark = |cut| if cut { "…" } else { "" };
    format!("{}{middle}{}", mark(start > 0), mark(end < text.len()))
}

/// The nearest start of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const SUBJECT: &str = "https://github.com/o/r/.github/workflows/w.yaml@refs/heads/main";

    fn identity(issuer: &str, subject: &str) -> Identity {
        Identity { issuer: Matcher::Literal(issuer.into()), subject: Matcher::Literal(subject.into()) }
    }

    fn regexp(text: &str) -> Matcher {
        Matcher::Regexp(Regexp::compile(text).unwrap())
    }

    fn subjects(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn literals_compare_as_bytes() {
        let identity = identity(ISSUER, SUBJECT);
        assert_eq!(identity.compare(Some(ISSUER), &subjects(&["x", SUBJECT])), IdentityMatch::Match);
        assert!(identity.matches(Some(ISSUER), &subjects(&[SUBJECT])));
        for other in [
            format!("{SUBJECT} "),
            format!(" {SUBJECT}"),
            format!("{SUBJECT}\n"),
            format!("{SUBJECT}\0"),
            SUBJECT.to_uppercase(),
            SUBJECT.replace('o', "\u{43e}"),
            SUBJECT.replace("main", "mai"),
            String::new(),
        ] {
            assert!(!identity.matches(Some(ISSUER), std::slice::from_ref(&other)), "{other:?}");
        }
        assert!(!identity.matches(Some(ISSUER), &[]));
    }

    #[test]
    fn empty_literals_match_nothing() {
        assert!(!Matcher::Literal(String::new()).matches(""));
        assert!(!Matcher::Literal(String::new()).matches("x"));
        assert_eq!(identity("", "").compare(Some(""), &subjects(&[""])), IdentityMatch::Both);
    }

    #[test]
    fn an_absent_issuer_matches_no_issuer() {
        let identity = Identity { issuer: regexp(".*"), subject: regexp(".*") };
        assert!(identity.matches(Some(""), &subjects(&[""])));
        assert!(!identity.matches(None, &subjects(&["x"])));
        assert!(!identity.matches(Some("x"), &[]));
    }

    #[test]
    fn regular_expressions_match_anywhere() {
        let identity = Identity { issuer: Matcher::Literal(ISSUER.into()), subject: regexp("github.com/o/") };
        assert!(identity.matches(Some(ISSUER), &subjects(&["https://github.com/o/r.evil"])));
        let anchored = Identity { subject: regexp("^https://github\\.com/o/r$"), ..identity };
        assert!(!anchored.matches(Some(ISSUER), &subjects(&["https://github.com/o/r\n"])));
    }

    #[test]
    fn the_nearest_miss_is_shown() {
        let identity = identity(ISSUER, SUBJECT);
        let found = subjects(&["mail@example.com", &SUBJECT.replace("main", "dev"), "https://github.com/"]);
        let IdentityMatch::SubjectDiffers { at, expected, found } = identity.compare(Some(ISSUER), &found)
        else {
            panic!("the subject differs")
        };
        assert_eq!(at, SUBJECT.len() - "main".len());
        assert!(expected.starts_with('…') && expected.ends_with("@refs/heads/main"), "{expected}");
        assert!(found.ends_with("@refs/heads/dev"), "{found}");
        assert_eq!(
            identity.compare(Some("https://token.example"), &subjects(&[SUBJECT])),
            IdentityMatch::IssuerDiffers {
                at: 14,
                expected: ISSUER.into(),
                found: "https://token.example".into()
            }
        );
        assert_eq!(
            identity.compare(None, &subjects(&[SUBJECT])),
            IdentityMatch::IssuerDiffers { at: 0, expected: ISSUER.into(), found: String::new() }
        );
        assert_eq!(identity.compare(Some(ISSUER), &[]), {
            let expected = SUBJECT[..SNIPPET].to_owned() + "…";
            IdentityMatch::SubjectDiffers { at: 0, expected, found: String::new() }
        });
        assert_eq!(identity.compare(None, &[]), IdentityMatch::Both);
    }

    #[test]
    fn snippets_keep_characters_whole() {
        let (a, b) = ("\u{e9}".repeat(60), "\u{e9}".repeat(59) + "\u{ea}");
        let matcher = Matcher::Literal(a.clone());
        let (at, expected, found) = matcher.difference(std::iter::once(b.as_str()));
        assert_eq!(at, 118);
        assert_ne!(expected, found);
        assert_eq!(matcher.describe("subject"), format!("subject \"{a}\""));
        assert_eq!(regexp("a\"\n").describe("issuer"), "issuerRegExp \"a\\\"\\n\"");
        assert_eq!(identity("i", "s").to_string(), "issuer \"i\", subject \"s\"");
    }
}
