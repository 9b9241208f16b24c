//! Stand-in until the real one is merged.

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Regexp(regex::Regex);

impl Regexp {
    /// Compiles `text`.
    ///
    /// # Errors
    /// A sentence.
    pub fn compile(text: &str) -> Result<Self, String> {
        regex::Regex::new(text).map(Self).map_err(|e| e.to_string())
    }
}
