//! Decisions → text and JSON: the one place that renders.
//!
//! Input: decisions. Output: text. Foreign text passes [`text::escape`] on its way to a terminal.

pub mod human;
pub mod inspection;
pub mod json;
pub mod text;

use jiff::Timestamp;
use sealock_trust_root::root::RootFinding;

use crate::decision::{Decision, Finding};

/// Everything that one run has to say.
#[derive(Debug)]
pub struct Report<'a> {
    /// The moment for which freshness and time-dependent policies were evaluated.
    pub evaluated_at: Timestamp,
    /// Whether that moment was given with `--at`.
    pub hypothetical: bool,
    /// The trust root in force.
    pub trust_root: TrustRootNote,
    /// One for each image, in the order asked.
    pub decisions: &'a [Decision],
    /// Images of the same run that could not be asked about, each with the reason.
    pub failures: &'a [(String, String)],
}

/// What is said about the trust root in force.
#[derive(Debug, Clone)]
pub struct TrustRootNote {
    /// Where it comes from.
    pub name: String,
    /// SHA-256 of its file, hex.
    pub digest: String,
    /// Ages of the TUF roles behind it, judged.
    pub freshness: Vec<RoleNote>,
    /// Parts that are not used.
    pub unused: Vec<RootFinding>,
}

/// The age of one TUF role.
#[derive(Debug, Clone)]
pub struct RoleNote {
    /// `root`, `timestamp`, …
    pub role: String,
    /// Version.
    pub version: u64,
    /// Its `expires`.
    pub expires: Timestamp,
    /// What the configured limit says, if it says anything.
    pub finding: Option<Finding>,
}
