//! What is shown while content is sent: a bar on a terminal, lines elsewhere, nothing where nobody wants any.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::push::courier::{Event, Tell};

/// Shows progress on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Progress {
    /// Nothing is shown unless it is `wanted`.
    pub fn new(wanted: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (wanted && terminal).then(|| {
            let style = ProgressStyle::with_template("{spinner} {bytes} sent, {bytes_per_sec} {wide_msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, lines: wanted && !terminal }
    }

    /// For whoever sends.
    pub fn teller(&self) -> Tell {
        let (bar, lines) = (self.bar.clone(), self.lines);
        Arc::new(move |event| match event {
            Event::Bytes(n) => {
                if let Some(bar) = &bar {
                    bar.inc(n);
                }
            }
            Event::Blob(digest, place) => {
                let line = format!("{digest} is in {place}");
                if lines {
                    // A closed standard error is no reason to fail.
                    let _ = std::io::stderr().lock().write_all((line.clone() + "\n").as_bytes());
                }
                if let Some(bar) = &bar {
                    bar.set_message(line);
                }
            }
        })
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
