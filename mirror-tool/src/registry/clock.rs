//! Waiting, and the little randomness that spreads it. Tests bring a clock that does not wait.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

/// What the client needs to know about time.
pub trait Clock: Debug + Send + Sync {
    /// Time since any fixed moment; never goes back.
    fn now(&self) -> Duration;
    /// The wall clock, for dates in `Retry-After`.
    fn wall(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// A number from 0 to 1.
    fn random(&self) -> f64;
}

/// The system's.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
    random: ring::rand::SystemRandom,
}

impl SystemClock {
    /// Starts now.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now(), random: ring::rand::SystemRandom::new() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> Timestamp {
        sealock::cli::clock::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without randomness the whole wait is taken.
        if ring::rand::SecureRandom::fill(&self.random, &mut bytes).is_err() {
            return 1.0;
        }
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}
