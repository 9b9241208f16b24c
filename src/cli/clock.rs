//! The one place that reads the wall clock.

use jiff::Timestamp;

/// Now. Serves freshness only: signatures are judged at their proven time.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The moment asked for with `--at`, else now; and whether it was asked for.
pub fn moment(at: Option<Timestamp>) -> (Timestamp, bool) {
    at.map_or_else(|| (now(), false), |at| (at, true))
}
