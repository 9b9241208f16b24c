//! When to try again, and how long to wait.
//!
//! | rule | value |
//! |---|---|
//! | tried again | 408, 425, 429, 500, 502, 503, 504, broken and timed-out connections |
//! | never | 400, 401 (but for one new token), 403, 404, and everything else |
//! | wait | 500 ms doubled each time, at most 30 s, full jitter |
//! | `Retry-After` | seconds or a date; honoured up to [`limits::RETRY_AFTER`], beyond it the question stays open |
//! | gate | a 429, or a `Retry-After`, holds back every request to that host |

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

use super::clock::Clock;
use super::limits;

const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(30);

/// Whether a status is worth another try.
pub fn again(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long to wait before try number `tried + 1`.
pub fn backoff(tried: u32, random: f64) -> Duration {
    let full = BASE.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(CAP);
    full.mul_f64(random.clamp(0.0, 1.0))
}

/// Reads `Retry-After`.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// Whether a wait that a host demands is too long.
pub fn too_long(wait: Duration) -> bool {
    wait.as_secs() > limits::RETRY_AFTER
}

/// Holds back requests to one host.
#[derive(Debug, Default)]
pub struct Gate {
    until: Mutex<Duration>,
}

impl Gate {
    /// Closes the gate for `wait` from now on.
    pub fn close(&self, clock: &dyn Clock, wait: Duration) {
        let until = clock.now().saturating_add(wait);
        if let Ok(mut held) = self.until.lock() {
            *held = (*held).max(until);
        }
    }

    /// Waits until the gate is open.
    pub async fn pass(&self, clock: &dyn Clock) {
        loop {
            let until = self.until.lock().map_or(Duration::ZERO, |held| *held);
            let Some(wait) = until.checked_sub(clock.now()).filter(|wait| !wait.is_zero()) else { return };
            clock.sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<_> = (1..9).map(|n| backoff(n, 1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff(3, 0.5).as_millis(), 1000);
        assert_eq!(backoff(u32::MAX, 1.0), CAP);
    }

    #[test]
    fn retry_after_as_seconds_or_date() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("Wed, 31 Dec 2025 00:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert!(too_long(Duration::from_secs(301)) && !too_long(Duration::from_secs(300)));
    }

    #[test]
    fn what_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(again(status));
        }
        for status in [200, 206, 301, 303, 400, 401, 403, 404, 405, 416, 501] {
            assert!(!again(status));
        }
    }
}
