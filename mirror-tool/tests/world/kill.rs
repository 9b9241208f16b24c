//! Programs that are killed while they work.
//!
//! A kill counts where it met the program at work. `SEALOCK_KILLS` asks for more of each kind than every commit gets. Half
//! of them fall anywhere in the run, half in its last third, where things become visible.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sealock_testkit::Random;

/// Moments to kill at, and how often it worked.
pub struct Kills {
    random: Random,
    whole: Duration,
    wanted: usize,
    /// Kills that met the program at work.
    pub hits: usize,
    /// All of them, with those that came too late.
    pub tried: usize,
}

impl Kills {
    /// For a program whose whole run takes `whole`; at least `least` of them.
    pub fn new(seed: u64, whole: Duration, least: usize) -> Self {
        let said = std::env::var("SEALOCK_KILLS").ok().map(|text| text.parse().unwrap());
        let wanted = said.unwrap_or(least).max(least);
        Self { random: Random(seed), whole, wanted, hits: 0, tried: 0 }
    }

    /// Whether more are wanted.
    pub fn go_on(&self) -> bool {
        assert!(self.tried < 20 * self.wanted, "{} of {} kills met the program", self.hits, self.tried);
        self.hits < self.wanted
    }

    /// Runs the program and kills it. Tells whether it had succeeded by then.
    pub fn kill(&mut self, command: &mut Command) -> bool {
        let whole = self.whole.as_nanos();
        let (from, width) =
            if self.tried.is_multiple_of(2) { (0, whole * 5 / 4) } else { (whole * 2 / 3, whole / 2) };
        let delay = Duration::from_nanos(u64::try_from(from + self.random.below(width)).unwrap());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        let done = child.wait().unwrap().success();
        self.tried += 1;
        self.hits += usize::from(!done);
        // The machine has other work too: the next moments follow how long a run takes now.
        self.whole = if done { self.whole * 19 / 20 } else { self.whole * 101 / 100 };
        done
    }

    /// For people.
    pub fn told(&self) -> String {
        format!("{} kills within about {:?}, {} came too late", self.hits, self.whole, self.tried - self.hits)
    }
}

/// Puts a copy of a folder in the place of another one.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}
