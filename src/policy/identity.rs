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
