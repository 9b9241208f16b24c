//! What is shown while content is fetched or sent: a bar on a terminal, lines elsewhere, nothing where nobody wants any.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pull::fetch;
use crate::push::courier::{self, Tell};

/// Shows progress on standard error.
#[derive(Clone)]
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Progress {
    /// For sending. Nothing is shown unless it is `wanted`.
    pub fn new(wanted: bool) -> Self {
        Self::with(wanted, "{spinner} {bytes} sent, {bytes_per_sec} {wide_msg}")
    }

    /// For fetching, where the end is known.
    pub fn fetching(wanted: bool) -> Self {
        Self::with(wanted, "{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta} {msg}")
    }

    fn with(wanted: bool, template: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (wanted && terminal).then(|| {
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, lines: wanted && !terminal }
    }

    fn bytes(&self, n: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(n);
        }
    }

    /// A line where there is no bar, else what stands beside it.
    fn say(&self, line: &str, beside: String) {
        if self.lines {
            // A closed standard error is no reason to fail.
            let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
        }
        if let Some(bar) = &self.bar {
            bar.set_message(beside);
        }
    }

    /// For whoever sends.
    pub fn teller(&self) -> Tell {
        let this = self.clone();
        Arc::new(move |event| match event {
            courier::Event::Bytes(n) => this.bytes(n),
            courier::Event::Blob(digest, place) => {
                let line = format!("{digest} is in {place}");
                this.say(&line, line.clone());
            }
        })
    }

    /// For whoever fetches.
    pub fn hear(&self, event: &fetch::Event) {
        match event {
            fetch::Event::Start { blobs, bytes } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(*bytes);
                }
                self.say(&format!("fetching {blobs} blobs, {bytes} bytes"), String::new());
            }
            fetch::Event::Bytes(n) => self.bytes(*n),
            fetch::Event::Blob(digest, left) => {
                self.say(&format!("fetched {digest}, {left} left"), format!("{left} left"));
            }
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
