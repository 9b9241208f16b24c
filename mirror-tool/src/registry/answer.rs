//! Three answers to "is it there?": found, proven absent, unknown.
//!
//! Input: status, headers and body of an answer. Output: [`Answer`].
//!
//! | rule | source |
//! |---|---|
//! | 404 without an error envelope, or with one of [`ABSENT`], proves absence | OCI distribution-spec 1.1, error codes |
//! | every other status, and a 404 with another code, proves nothing | DESIGN §4 rule 5; throttled registries answer 403, 429 and even 400 |
//!
//! Attacks considered: a registry that throttles until an image looks unsigned.

use std::fmt;

use sealock::report::text::escape;
use serde::Deserialize;

/// Error codes that say "not here" beside the status 404.
pub const ABSENT: [&str; 4] = ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"];

/// An answer of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is there.
    Found(T),
    /// It is not there, and the registry said so.
    Absent(Absence),
    /// Nobody knows.
    Unknown(Doubt),
}

/// The HTTP answer that proves an absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Always 404.
    pub status: u16,
    /// Error code of the envelope; empty where there is none.
    pub code: String,
}

/// Why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Doubt {
    /// Last status, where there was an answer.
    pub status: Option<u16>,
    /// What happened, in one line.
    pub reason: String,
}

impl Doubt {
    /// Without a status.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { status: None, reason: reason.into() }
    }

    /// With the status of the answer.
    pub fn of(status: u16, reason: impl Into<String>) -> Self {
        Self { status: Some(status), reason: reason.into() }
    }
}

impl<T> Answer<T> {
    /// Changes what was found.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found(found) => Answer::Found(change(found)),
            Self::Absent(absence) => Answer::Absent(absence),
            Self::Unknown(doubt) => Answer::Unknown(doubt),
        }
    }
}

impl<T> From<Doubt> for Answer<T> {
    fn from(doubt: Doubt) -> Self {
        Self::Unknown(doubt)
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            write!(f, "{}", self.status)
        } else {
            write!(f, "{} {}", self.status, self.code)
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer whose status is not the one hoped for.
pub fn negative<T>(status: u16, body: &[u8]) -> Answer<T> {
    let entries = serde_json::from_slice::<Envelope>(body).map(|e| e.errors).unwrap_or_default();
    let first = entries.first();
    let code = first.map(|e| plain(&e.code)).unwrap_or_default();
    if status == 404 && entries.iter().all(|e| ABSENT.contains(&e.code.as_str())) {
        return Answer::Absent(Absence { status, code });
    }
    let said = first.map(|e| plain(&e.message)).filter(|m| !m.is_empty());
    let mut reason = format!("the registry answered {status}");
    for part in [Some(code), said].into_iter().flatten().filter(|p| !p.is_empty()) {
        reason.push_str(", ");
        reason.push_str(&part);
    }
    Answer::Unknown(Doubt::of(status, reason))
}

/// Foreign text for a message: one line, printable, short.
pub fn plain(text: &str) -> String {
    escape(&text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(code: &str) -> Vec<u8> {
        format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#).into_bytes()
    }

    #[test]
    fn only_a_404_proves_absence() {
        for code in ABSENT {
            assert_eq!(
                negative::<()>(404, &envelope(code)),
                Answer::Absent(Absence { status: 404, code: code.into() })
            );
            for status in [400, 401, 403, 429, 500, 503] {
                assert!(
                    matches!(negative::<()>(status, &envelope(code)), Answer::Unknown(_)),
                    "{status} {code}"
                );
            }
        }
        assert!(matches!(negative::<()>(404, b"404 page not found\n"), Answer::Absent(_)));
        for code in ["DENIED", "UNAUTHORIZED", "TOOMANYREQUESTS", ""] {
            assert!(matches!(negative::<()>(404, &envelope(code)), Answer::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn foreign_text_stays_on_one_line() {
        let Answer::Unknown(doubt) =
            negative::<()>(403, b"{\"errors\":[{\"code\":\"A\\nB\",\"message\":\"\\u001b[2J\"}]}")
        else {
            panic!("403 is no absence");
        };
        assert!(!doubt.reason.contains(['\n', '\u{1b}']));
    }
}
