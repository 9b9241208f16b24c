//! Where output goes: data to standard output, everything else to standard error. Nothing else prints.

use std::io::{self, Write};

/// The two streams of a run.
pub struct Output {
    data: Box<dyn Write>,
    notes: Box<dyn Write>,
}

impl Output {
    /// The process's own streams; colours are stripped where the stream is no terminal or `NO_COLOR` is set.
    pub fn standard() -> Self {
        Self { data: Box::new(anstream::stdout()), notes: Box::new(anstream::stderr()) }
    }

    /// Writes an answer.
    ///
    /// # Errors
    /// When the stream is closed or full: an answer that nobody got must not count as one.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        self.data.write_all(text.as_bytes())?;
        self.data.flush()
    }

    /// Writes a remark. A closed standard error is no reason to fail.
    pub fn note(&mut self, text: &str) {
        let _ = self.notes.write_all(text.as_bytes());
        let _ = self.notes.flush();
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output(..)")
    }
}
