//! Histories of logs that a transfer carries, against the heads that are kept here.
//!
//! | rule | source |
//! |---|---|
//! | each history is judged under the key of a root in force here, after the transfer's own trust updates | DESIGN §5 |
//! | a log that no root in force names is left out, and said so | ours: nobody could say whether its heads are genuine |
//! | a head that the log did not sign refuses the transfer | `log/not-signed` |
//! | a contradiction lets the transfer in; what that log vouches for is undecided from then on | DESIGN §5 |
//! | what is known stays known where a transfer says nothing about a log | ours |
//!
//! Attacks considered: `split_view_detected_at_import`.

use std::collections::BTreeSet;
use std::path::Path;

use sealock_trust_root::disk::{DEFAULT_NAME, StateFault, TrustState};

use super::accepted;
use super::quarantine::Quarantine;
use super::trust::Updates;
use crate::decision::{Finding, Severity};
use crate::log::growth::{History, HistoryFault, MAX_HISTORY};
use crate::log::{LogState, codes};
use crate::seal::{Floors, canonical};
use crate::store::StoreFault;
use crate::trust::TrustView;

/// Folder of histories in a transfer.
pub(super) const FOLDER: &str = "logs/";
/// File of the state beside the documents of an accepted seal.
pub(super) const STATE: &str = "logs.json";
/// Largest state, in bytes.
const MAX_STATE: u64 = 16 * 1024 * 1024;

fn refused(name: &str, fault: &HistoryFault) -> StoreFault {
    StoreFault::refused(&codes::NOT_SIGNED, format!("{FOLDER}{name}"), fault.to_string())
}

/// What is kept of logs once the transfer is committed. Remarks go to `notes`. `given` are roots that somebody named
/// for this import.
pub(super) fn judge(
    root: &Path,
    quarantine: &Quarantine,
    before: LogState,
    updates: &Updates,
    given: &[TrustView],
    notes: &mut Vec<Finding>,
) -> Result<LogState, StoreFault> {
    let mut state = before;
    let histories = quarantine.documents_below(FOLDER)?;
    if histories.is_empty() {
        return Ok(state);
    }
    let mut views = in_force(root, updates)?;
    views.extend_from_slice(given);
    for (name, bytes) in histories {
        if bytes.len() as u64 > MAX_HISTORY {
            let reason = format!("it has more than {MAX_HISTORY} bytes");
            return Err(refused(&name, &HistoryFault { log: "of no name".to_owned(), reason }));
        }
        let history = History::parse(&bytes).map_err(|fault| refused(&name, &fault))?;
        let log = history.log();
        if log.file_name() != name {
            let reason = "it stands where that of another log is looked for".to_owned();
            return Err(refused(&name, &HistoryFault { log: history.key_id, reason }));
        }
        let known = views.iter().flat_map(|view| view.logs_of(log.kind, log.key_id)).next();
        let Some(known) = known else {
            let text = format!(
                "log {:?} (key {}): no trust root in force here names it, so its history says nothing here",
                log.origin, history.key_id
            );
            notes.push(Finding::new(&codes::UNKNOWN_LOG, Severity::Note, text));
            continue;
        };
        notes.extend(state.take(&history, known).map_err(|fault| refused(&name, &fault))?);
    }
    Ok(state)
}

/// Every root in force once the transfer is committed.
fn in_force(root: &Path, updates: &Updates) -> Result<Vec<TrustView>, StoreFault> {
    let failed = |fault: &StateFault| {
        StoreFault::refused(&crate::seal::codes::TRUST_REFUSED, "trust roots".to_owned(), fault.to_string())
    };
    let mut names: BTreeSet<String> =
        TrustState::of_store(root).names().map_err(|fault| failed(&fault))?.into_iter().collect();
    names.insert(DEFAULT_NAME.to_owned());
    let mut views = Vec::new();
    for name in names {
        let held = updates.in_force(root, &name).map_err(|fault| failed(&fault))?;
        views.push(TrustView::build(name, &held.root));
    }
    Ok(views)
}

/// The state that belongs to the accepted seal `digest`.
pub(super) fn kept(root: &Path, digest: Option<&str>) -> Result<LogState, StoreFault> {
    let Some(digest) = digest else { return Ok(LogState::default()) };
    let path = accepted::folder(root, digest).join(STATE);
    // Every commit writes it: one that is gone was taken away, and doubts must not go with it.
    let bytes = accepted::needed(&path, MAX_STATE)?;
    LogState::parse(&bytes).map_err(|e| accepted::damaged(&path, e))
}

/// Key ids (SHA-256) of logs that have contradicted themselves, as the store at `root` knows. No store knows none.
///
/// # Errors
/// [`StoreFault`] where the state cannot be read: that is no "none".
pub fn doubted(root: &Path) -> Result<BTreeSet<[u8; 32]>, StoreFault> {
    let Some(bytes) = accepted::floors(root)? else { return Ok(BTreeSet::new()) };
    let floors: Floors = canonical::parse("floors.json", &bytes).map_err(|e| accepted::damaged(root, e))?;
    Ok(kept(root, floors.seal.as_deref())?.doubted())
}
