//! A finding: one thing that was noticed, for people and machines alike.

use serde::Serialize;

use super::Code;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Allowed, but somebody should look.
    Warning,
    /// The reason of a denial or of an undecided verdict.
    Error,
}

/// One thing that was noticed. Facts are values; sentences are made from them in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, `room/kebab-case`.
    pub code: &'static str,
    /// Weight.
    pub severity: Severity,
    /// What happened, in one sentence without a full stop. At admission: policy-controller's text.
    pub message: String,
    /// What would have been right, where there is such a thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What to do next.
    pub remedy: String,
}

impl Finding {
    /// A finding of `code` whose remedy is the code's own.
    pub fn new(code: &'static Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code: code.name,
            severity,
            message: message.into(),
            expected: None,
            found: None,
            remedy: code.remedy.to_owned(),
        }
    }

    /// An error of `code`.
    pub fn error(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// Adds what was expected and what was found.
    #[must_use]
    pub fn with_facts(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// Replaces the general remedy by a more precise one.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}
