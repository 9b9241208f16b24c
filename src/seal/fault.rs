//! Why a seal, an operators file or a receipt is refused; each with its finding code.

use jiff::Timestamp;

use super::codes;
use crate::decision::{Code, Finding};

/// Why it is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// Not written as it must be.
    #[error("the {part} is refused: {reason}")]
    Malformed {
        /// Which document.
        part: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// The head does not fit in its entry.
    #[error(
        "the statement and its signatures take {size} bytes, there is room for {limit}: use larger segments"
    )]
    HeaderTooLarge {
        /// Bytes.
        size: usize,
        /// Room.
        limit: usize,
    },
    /// Operators that break a rule.
    #[error("the operators are refused: {reason}")]
    Operators {
        /// Which rule.
        reason: String,
    },
    /// A link of the operators' chain does not hold.
    #[error("the operators are not signed by enough of their keys: {reason}")]
    OperatorsThreshold {
        /// Which link.
        reason: String,
    },
    /// Older operators than were seen.
    #[error("operators of version {found} are offered, version {floor} was seen")]
    OperatorsRollback {
        /// Seen.
        floor: u64,
        /// Offered.
        found: u64,
    },
    /// Another chain of operators.
    #[error("the operators do not go on from the version {version} that is pinned")]
    OperatorsFork {
        /// The pinned version.
        version: u64,
    },
    /// Expired operators.
    #[error("the operators of version {version} expired at {expires}")]
    OperatorsExpired {
        /// Which.
        version: u64,
        /// When.
        expires: Timestamp,
    },
    /// Not enough signatures.
    #[error("{found} of {wanted} signatures of operators (version {version}) who may seal")]
    Threshold {
        /// How many are needed.
        wanted: u32,
        /// How many hold.
        found: u32,
        /// Version of the operators.
        version: u64,
    },
    /// For another store.
    #[error("the seal is for the store {found}, this is {wanted}")]
    WrongAudience {
        /// This store.
        wanted: String,
        /// The seal's.
        found: String,
    },
    /// Older than what was accepted.
    #[error("seal {found} was sealed before seal {floor}, which was accepted here")]
    Replay {
        /// Accepted.
        floor: u64,
        /// Offered.
        found: u64,
    },
    /// Something between is missing.
    #[error("seal {found} does not follow seal {floor}: the seals between are missing")]
    Gap {
        /// Accepted.
        floor: u64,
        /// Offered.
        found: u64,
    },
    /// Another history.
    #[error("seal {sequence} does not go on from the seal that was accepted here")]
    Fork {
        /// Its sequence.
        sequence: u64,
    },
    /// Too old.
    #[error("the seal expired at {expires}; it is {now}")]
    Expired {
        /// When.
        expires: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// The clock is behind.
    #[error("the clock says {now}, but {bound} is past: it was signed by the operators")]
    Clock {
        /// A time that is past.
        bound: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// A value that was there once is gone, or older.
    #[error("the {what} that was seen before is missing or older in this seal")]
    Withdrawn {
        /// Which.
        what: &'static str,
    },
    /// A name moves back.
    #[error("{name} would move back from {from} to {to}, which an earlier seal had under it")]
    RefRollback {
        /// The full name.
        name: String,
        /// What it stands for.
        from: String,
        /// What it would.
        to: String,
    },
    /// A receipt that proves nothing.
    #[error("the receipt is refused: {reason}")]
    Receipt {
        /// Why.
        reason: String,
    },
}

impl SealFault {
    /// A document that is not written as it must be.
    pub fn malformed(part: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { part, reason: reason.into() }
    }

    /// The finding code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Malformed { .. } => &codes::MALFORMED,
            Self::HeaderTooLarge { .. } => &codes::HEADER_TOO_LARGE,
            Self::Operators { .. } => &codes::OPERATORS_INVALID,
            Self::OperatorsThreshold { .. } => &codes::OPERATORS_THRESHOLD,
            Self::OperatorsRollback { .. } => &codes::OPERATORS_ROLLBACK,
            Self::OperatorsFork { .. } => &codes::OPERATORS_FORK,
            Self::OperatorsExpired { .. } => &codes::OPERATORS_EXPIRED,
            Self::Threshold { .. } => &codes::THRESHOLD,
            Self::WrongAudience { .. } => &codes::WRONG_AUDIENCE,
            Self::Replay { .. } => &codes::REPLAY,
            Self::Gap { .. } => &codes::GAP,
            Self::Fork { .. } => &codes::FORK,
            Self::Expired { .. } => &codes::EXPIRED,
            Self::Clock { .. } => &codes::CLOCK,
            Self::Withdrawn { .. } => &codes::WITHDRAWN,
            Self::RefRollback { .. } => &codes::REF_ROLLBACK,
            Self::Receipt { .. } => &codes::RECEIPT,
        }
    }

    /// The finding that tells it.
    pub fn finding(&self) -> Finding {
        Finding::error(self.code(), self.to_string())
    }
}
