//! Identities that a keyless authority accepts.

/// One entry of `identities`.
#[derive(Clone, Debug)]
pub struct Identity {
    issuer: String,
    subject: String,
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

impl Identity {
    /// Compares.
    pub fn compare(&self, issuer: Option<&str>, subjects: &[String]) -> IdentityMatch {
        match (issuer == Some(self.issuer.as_str()), subjects.contains(&self.subject)) {
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
