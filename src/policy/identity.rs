//! Identities that a keyless authority accepts.

use super::regexp::Regexp;

/// One entry of `identities`.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Issuer.
    pub issuer: Matcher,
    /// Subject.
    pub subject: Matcher,
}

/// How a text is compared.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Bytes.
    Literal(String),
    /// Go's regular expression.
    Regexp(Regexp),
}

/// How an identity compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityMatch {
    /// Both match.
    Match,
    /// Only the subject matches.
    IssuerDiffers,
    /// Only the issuer matches.
    SubjectDiffers {
        /// First difference.
        at: usize,
        /// Wanted.
        expected: String,
        /// Found.
        found: String,
    },
    /// Neither matches.
    Both,
}

impl Matcher {
    fn m(&self, t: &str) -> bool {
        match self {
            Self::Literal(l) => l == t,
            Self::Regexp(_) => false,
        }
    }
}
impl Identity {
    /// Compares.
    pub fn compare(&self, issuer: Option<&str>, subjects: &[String]) -> IdentityMatch {
        match (issuer.is_some_and(|i| self.issuer.m(i)), subjects.iter().any(|s| self.subject.m(s))) {
            (true, true) => IdentityMatch::Match,
            (false, true) => IdentityMatch::IssuerDiffers,
            (true, false) => {
                IdentityMatch::SubjectDiffers { at: 0, expected: String::new(), found: String::new() }
            }
            (false, false) => IdentityMatch::Both,
        }
    }

    /// For messages.
    pub fn describe(&self) -> String {
        format!("{self:?}")
    }
}
