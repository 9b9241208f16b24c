//! Step 5: when it was signed. Every proven time counts, wherever it comes from; there must be one.

use jiff::Timestamp;

use super::Rejection;
use super::log::Entries;
use super::timestamp::Stamps;

/// At least one proven time: proof of step 5.
pub(super) struct Times {
    earliest: Timestamp,
    all: Vec<Timestamp>,
}

impl Times {
    pub(super) fn all(&self) -> &[Timestamp] {
        &self.all
    }

    pub(super) fn earliest(&self) -> Timestamp {
        self.earliest
    }
}

pub(super) fn gather(entries: &Entries, stamps: &Stamps) -> Result<Times, Rejection> {
    let all: Vec<_> = entries.times().chain(stamps.times()).collect();
    let earliest = all.iter().min().copied().ok_or(Rejection::NoTime)?;
    Ok(Times { earliest, all })
}
