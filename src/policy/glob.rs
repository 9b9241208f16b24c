//! Image globs.

/// A compiled image glob.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
}

impl Glob {
    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }
}
