//! Transparency logs: the proofs that did not come along with a signature.
//!
//! Input: what a pull has fetched, the trust roots that name logs. Output: inclusion proofs for evidence that came with
//! a promise only, kept as evidence; and the history of each log, so that the far side can see that it only grew.
//!
//! | part | does | source |
//! |---|---|---|
//! | [`client`] | asks Rekor v1, Rekor v2 and CT logs, bounded; three answers, as for registries | Rekor OpenAPI; C2SP tlog-tiles; RFC 6962 §4 |
//! | [`tiles`] | makes a consistency proof out of tiles | C2SP tlog-tiles; RFC 6962 §2.1.2 |
//! | [`entries`] | finds evidence with a promise only, and fetches and checks its proof | DESIGN §4 rule 13 |
//! | [`history`] | links each log's newest head to the one before, and evidence to it | DESIGN §5 |
//!
//! | rule | source |
//! |---|---|
//! | a log is asked at the `baseUrl` that a trust root names for it, and nowhere else | ours |
//! | what a log answers counts only where its key signed it and the proof holds | DESIGN §4 rule 1 |
//! | a missing proof fails a pull only where proofs are required; else the ledger says that it was not required | ours: the promise decides verdicts |
//! | a log that cannot be reached is asked once, not once for each signature | ours |
//!
//! Not here: what a promise or a proof is worth (`sealock::verify`). Attacks considered: an entry of another signature,
//! a proof that does not hold, a log that shows two histories.

pub mod client;
pub mod entries;
pub mod history;
pub mod tiles;

use sealock::log::head::LogKind;
use sealock::trust::TrustView;
use sealock::trust::view::Log;

pub use client::Client;

/// What to do about proofs that a log does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogProofs {
    /// Ask; what cannot be had is noted in the ledger.
    Try,
    /// Ask; what cannot be had keeps the image out, unless waived.
    Require,
    /// Do not ask.
    Never,
}

/// The logs that the roots of a run name.
#[derive(Debug)]
pub struct Logs {
    views: Vec<TrustView>,
}

impl Logs {
    /// Of these roots.
    pub fn new(views: Vec<TrustView>) -> Self {
        Self { views }
    }

    /// Signing logs with that id.
    pub fn signing(&self, log_id: &[u8]) -> impl Iterator<Item = &Log> {
        self.views.iter().flat_map(move |view| view.logs(log_id))
    }

    /// Logs of one kind with that key.
    pub fn of(&self, kind: LogKind, key_id: [u8; 32]) -> impl Iterator<Item = &Log> {
        self.views.iter().flat_map(move |view| view.logs_of(kind, key_id))
    }
}
