//! Why a piece of evidence does not prove what was demanded.

use jiff::Timestamp;

use super::codes;
use crate::decision::Code;

/// One reason, with the facts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// An attestation where a signature was wanted, or the reverse.
    #[error("{found} where {wanted} is wanted")]
    WrongKind {
        /// What it is.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// It is about something else.
    #[error("the signed claim is about {claimed}, not about {image}")]
    SubjectDiffers {
        /// In the claim.
        claimed: String,
        /// What is judged.
        image: String,
    },
    /// Keyless was demanded and there is no certificate.
    #[error("no certificate: signed with a key, not by an identity")]
    NoCertificate,
    /// The certificate or its key cannot be used.
    #[error("{reason}")]
    BadCertificate {
        /// Why.
        reason: String,
    },
    /// The signature does not verify.
    #[error("the signature is not one of this content by the {by}")]
    BadSignature {
        /// `certificate's key` or `given key`.
        by: &'static str,
    },
    /// No log of the root vouches.
    #[error("no entry that a log of trust root {root:?} vouches for{}", if aside.is_empty() { String::new() } else { format!(": {}", aside.join("; ")) })]
    NotLogged {
        /// Name of the root.
        root: String,
        /// Why each entry that is there was set aside.
        aside: Vec<String>,
    },
    /// A timestamp was demanded and none verifies.
    #[error("no timestamp of an authority of trust root {root:?}{}", if aside.is_empty() { String::new() } else { format!(": {}", aside.join("; ")) })]
    NoStamp {
        /// Name of the root.
        root: String,
        /// Why each stamp that is there was set aside.
        aside: Vec<String>,
    },
    /// An entry of a log is about something else.
    #[error("the log entry belongs to another signature: its {part} differs")]
    EntryDiffers {
        /// Which part.
        part: &'static str,
    },
    /// An entry that cannot be read, or that proves nothing.
    #[error("log entry: {reason}")]
    BadEntry {
        /// Why.
        reason: String,
    },
    /// The same entry stands twice.
    #[error("the same log entry stands twice")]
    DuplicateEntry,
    /// Nothing proves when it was signed.
    #[error("nothing proves when this was signed, so the certificate cannot be judged")]
    NoTime,
    /// The certificate was not valid then.
    #[error("the certificate is valid from {not_before} to {not_after}, but was used at {time}")]
    NotValidThen {
        /// A proven time.
        time: Timestamp,
        /// First valid second.
        not_before: Timestamp,
        /// Last valid second.
        not_after: Timestamp,
    },
    /// No authority of the root issued it.
    #[error("no certificate authority of trust root {root:?} issued the certificate{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    UnknownIssuer {
        /// Name of the root.
        root: String,
        /// What the path builder says.
        reason: String,
    },
    /// The authority did not count then.
    #[error("the certificate authority {authority} does not count at {time}")]
    IssuerNotValidThen {
        /// Its URI.
        authority: String,
        /// A proven time.
        time: Timestamp,
    },
    /// Only a log that has shown two histories vouches.
    #[error("it rests on the log {log}, which has shown two histories")]
    LogDoubted {
        /// Its URL.
        log: String,
    },
    /// No usable SCT.
    #[error("{reason}")]
    NoSct {
        /// Why.
        reason: String,
    },
    /// An SCT of a known log does not verify.
    #[error("the SCT of a known CT log does not verify: {reason}")]
    BadSct {
        /// Why.
        reason: String,
    },
}

impl Rejection {
    /// The finding code of this reason.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::WrongKind { .. } => &codes::WRONG_KIND,
            Self::SubjectDiffers { .. } => &codes::SUBJECT_DIFFERS,
            Self::NoCertificate => &codes::NO_CERTIFICATE,
            Self::BadCertificate { .. } => &codes::BAD_CERTIFICATE,
            Self::BadSignature { .. } => &codes::BAD_SIGNATURE,
            Self::NotLogged { .. } => &codes::NOT_LOGGED,
            Self::NoStamp { .. } => &codes::NO_STAMP,
            Self::EntryDiffers { .. } => &codes::ENTRY_DIFFERS,
            Self::BadEntry { .. } | Self::DuplicateEntry => &codes::BAD_ENTRY,
            Self::NoTime => &codes::NO_TIME,
            Self::NotValidThen { .. } => &codes::NOT_VALID_THEN,
            Self::UnknownIssuer { .. } => &codes::UNKNOWN_ISSUER,
            Self::IssuerNotValidThen { .. } => &codes::ISSUER_NOT_VALID_THEN,
            Self::LogDoubted { .. } => &crate::log::codes::SPLIT_VIEW,
            Self::NoSct { .. } => &codes::NO_SCT,
            Self::BadSct { .. } => &codes::BAD_SCT,
        }
    }

    /// How far verification came: of several failures the one that came furthest tells a person most.
    pub fn rank(&self) -> u8 {
        match self {
            Self::WrongKind { .. } => 0,
            Self::SubjectDiffers { .. } => 1,
            Self::NoCertificate => 2,
            Self::BadCertificate { .. } => 3,
            Self::BadSignature { .. } => 4,
            Self::BadEntry { .. } | Self::DuplicateEntry => 5,
            Self::NotLogged { .. } | Self::NoStamp { .. } => 6,
            Self::EntryDiffers { .. } => 7,
            Self::NoTime => 8,
            Self::UnknownIssuer { .. } => 9,
            Self::NotValidThen { .. } | Self::IssuerNotValidThen { .. } => 10,
            Self::NoSct { .. } | Self::BadSct { .. } | Self::LogDoubted { .. } => 11,
        }
    }
}
