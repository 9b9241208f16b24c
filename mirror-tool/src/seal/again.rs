//! Transfers that were lost on the way.
//!
//! Two ways, neither of which makes two seals of one number:
//!
//! | way | what it does | source |
//! |---|---|---|
//! | [`again()`] | writes seal N once more, byte for byte: its documents were kept, its content is in the store | the receiver goes on as if nothing had been lost |
//! | [`given_up`] | the next seal names the one that a receipt acknowledges as the one before, and takes the next number that was never given | a store that did take a lost seal refuses it as a gap or a fork, and one that took it refuses the lost ones as replays |
//!
//! Not here: what a store makes of them (`sealock::seal::order`). Attacks considered: `receipt_forged`,
//! `fork_after_a_lost_seal`.

use std::path::Path;

use jiff::Timestamp;
use sealock::crypto::SigningKey;
use sealock::seal::{Operators, Snapshot, container};
use sealock::store::{Store, Writer};

use super::{Order, PATIENCE, Record, Records, Sealed, SealingFault, acknowledged_by, check_keys, write_out};

/// A seal to write once more.
#[derive(Debug)]
pub struct Again<'a> {
    /// The store.
    pub store: &'a Path,
    /// Id of the receiving store.
    pub audience: &'a str,
    /// Its sequence.
    pub sequence: u64,
    /// Keys that sign at once.
    pub keys: &'a [SigningKey],
    /// Bytes of a segment; nothing for one file.
    pub segment_size: Option<u64>,
    /// The transfer, or the base of its segments' names.
    pub output: &'a Path,
    /// Now.
    pub now: Timestamp,
}

/// Writes a seal once more.
///
/// # Errors
/// [`SealingFault`] where it was not made here, may not be taken in any more, or is not held as it was sealed.
pub fn again(order: &Again<'_>) -> Result<Sealed, SealingFault> {
    let _writer = Writer::open(order.store, "seal", PATIENCE)?;
    let store = Store::open(order.store)?;
    let records = Records::open(order.store, order.audience)?;
    let Some(Record { statement, .. }) = records.get(order.sequence)? else {
        return Err(SealingFault::Misuse(format!(
            "seal {} for the store {} was not made here",
            order.sequence, order.audience
        )));
    };
    if statement.expires <= order.now {
        return Err(SealingFault::Misuse(format!(
            "seal {} could be taken in until {}: give lost seals up with --after",
            order.sequence, statement.expires
        )));
    }
    if order.segment_size.is_some_and(|size| size != statement.segments.size) {
        return Err(SealingFault::Misuse(format!(
            "seal {} was cut at {} bytes, and can be written in one file or cut there",
            order.sequence, statement.segments.size
        )));
    }
    let documents = records.documents(&statement)?;
    let operators = Operators::parse(documents.get(container::OPERATORS))?;
    check_keys(order.keys, &operators)?;
    let snapshot = Snapshot::parse(documents.snapshot())?;
    write_out(
        order.output,
        order.segment_size,
        order.keys,
        &store,
        &operators,
        &documents,
        &snapshot,
        statement,
        None,
        false,
    )
}

impl Record {
    /// Whether `last` is this seal, or names it as the one before.
    pub(super) fn follows_or_is(&self, last: &Record) -> bool {
        last.digest == self.digest || last.statement.previous.as_ref() == Some(&self.digest)
    }
}

/// The seal that the next one goes on from, where those behind it are given up.
pub(super) fn given_up(order: &Order<'_>, records: &Records) -> Result<Option<Record>, SealingFault> {
    let Some(path) = order.after else { return Ok(None) };
    let (_, record) = acknowledged_by(path, order.audience, records, records.receipt_key()?)?;
    Ok(Some(record))
}
