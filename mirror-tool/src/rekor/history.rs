//! The history of each log, between the snapshots of a store.
//!
//! ```text
//! <store>/logs/<kind>-<key id>-<origin>.json   heads with their proofs, and evidence tied to them
//! ```
//!
//! | rule | source |
//! |---|---|
//! | a log is asked about where evidence of this run rests on it | ours |
//! | a newer head is kept with the proof from the head before; if the log gives none that holds, twice, that is kept too, and asked for again by each later pull | DESIGN §5: both are kept |
//! | a log that cannot be asked, or says 404, contradicts nothing: the head waits | DESIGN §4 rule 5 |
//! | a head that is older than the kept one is left, if a proof shows that it is; caches answer late | ours |
//! | each checkpoint that came with evidence is tied to a head by a proof, once | DESIGN §5: evidence → new |
//!
//! The format: `docs/formats/log-history.md`. Not here: what a contradiction means for verdicts (the far side).

use std::collections::{BTreeMap, BTreeSet};

use sealock::evidence::LogEntry;
use sealock::log::growth::{self, History, Link, MAX_HISTORY, Outcome, Tie};
use sealock::log::head::LogKind;
use sealock::log::{Checkpoint, Head, LogName, SignedHead};
use sealock::store::Writer;
use sealock::trust::view::Log;
use serde::Serialize;

use super::client::Tree;
use super::{Client, Logs};
use crate::registry::Answer;

/// Ties that are asked for in one run and log; the rest waits for the next.
const MOST: usize = 5_000;

/// What became of a log's history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    /// The log's URL.
    pub url: String,
    /// `rekor` or `ct`.
    pub kind: LogKind,
    /// The log's name for itself; empty for CT logs.
    pub origin: String,
    /// Leaves of the newest head that is kept now.
    pub size: Option<u64>,
    /// Leaves of the newest head that was kept before.
    pub before: Option<u64>,
    /// Checkpoints of evidence that lead to a head, all in all.
    pub tied: usize,
    /// Whether two heads that the log signed contradict each other.
    pub split: bool,
    /// Why nothing, or not all, could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// The logs that evidence of a run rests on.
#[derive(Debug, Default)]
pub struct Rests {
    /// Checkpoints that came with evidence, by the log's id as the evidence has it.
    checkpoints: BTreeMap<Vec<u8>, BTreeSet<String>>,
    /// CT logs, by the hash of their key.
    ct: BTreeSet<[u8; 32]>,
}

impl Rests {
    /// Adds what an entry rests on, and the CT logs that its certificate names.
    pub fn on(&mut self, entry: &LogEntry, ct: &[[u8; 32]]) {
        let checkpoints = self.checkpoints.entry(entry.log_id.clone()).or_default();
        checkpoints.extend(entry.proof.as_ref().map(|proof| proof.checkpoint.clone()));
        self.ct.extend(ct);
    }
}

/// Asks every log that evidence rests on, and keeps what it says.
///
/// # Errors
/// The store's words.
pub async fn keep(
    client: &Client,
    logs: &Logs,
    rests: &Rests,
    writer: &Writer,
) -> Result<Vec<LogReport>, String> {
    // By kind and key: the log, and the checkpoints that came with evidence.
    type Wanted<'w> = BTreeMap<(LogKind, [u8; 32]), (&'w Log, BTreeSet<&'w str>)>;
    let mut wanted: Wanted<'_> = BTreeMap::new();
    for (log_id, checkpoints) in &rests.checkpoints {
        if let Some(log) = logs.signing(log_id).next() {
            let wanted = wanted.entry((LogKind::Rekor, log.entry.key_id)).or_insert((log, BTreeSet::new()));
            wanted.1.extend(checkpoints.iter().map(String::as_str));
        }
    }
    for key_id in &rests.ct {
        if let Some(log) = logs.of(LogKind::Ct, *key_id).next() {
            wanted.entry((LogKind::Ct, *key_id)).or_insert((log, BTreeSet::new()));
        }
    }
    let mut reports = Vec::new();
    for ((kind, _), (log, checkpoints)) in wanted {
        let trees = match client.trees(kind, log).await {
            Answer::Found(trees) => trees,
            Answer::Absent(absence) => {
                reports.push(silent(kind, log, absence.to_string()));
                continue;
            }
            Answer::Unknown(doubt) => {
                reports.push(silent(kind, log, doubt.reason));
                continue;
            }
        };
        let last = trees.len().saturating_sub(1);
        for (at, tree) in trees.iter().enumerate() {
            let own: Vec<&str> = checkpoints
                .iter()
                .filter(|text| Head::parse(kind, text).is_ok_and(|h| h.origin() == tree.head.origin()))
                .copied()
                .collect();
            // Trees that are closed matter only where evidence is in them.
            if at == last || !own.is_empty() {
                reports.push(tree_history(client, (kind, log), tree, &own, writer).await?);
            }
        }
    }
    Ok(reports)
}

fn silent(kind: LogKind, log: &Log, reason: String) -> LogReport {
    LogReport {
        url: log.entry.base_url.clone(),
        kind,
        origin: String::new(),
        size: None,
        before: None,
        tied: 0,
        split: false,
        unknown: Some(reason),
    }
}

/// Asks one tree, and keeps what it says.
async fn tree_history(
    client: &Client,
    (kind, log): (LogKind, &Log),
    tree: &Tree,
    checkpoints: &[&str],
    writer: &Writer,
) -> Result<LogReport, String> {
    let mut report = silent(kind, log, String::new());
    tree.head.origin().clone_into(&mut report.origin);
    report.unknown = None;
    let signed = match tree.head.clone().signed_by(log) {
        Ok(signed) => signed,
        Err(reason) => {
            report.unknown = Some(reason);
            return Ok(report);
        }
    };
    let file = signed.log().file_name();
    let mut history = match kept(writer, &file, signed.log(), log)? {
        Ok(history) => history,
        Err(reason) => {
            report.unknown = Some(reason);
            return Ok(report);
        }
    };
    mend(client, (kind, log), tree, &mut history).await;
    let newest = history.heads.last().and_then(|link| head(kind, &link.head, log));
    report.before = newest.as_ref().map(|head| head.head().size());
    let unknown = go_on(client, (kind, log), tree, (newest.as_ref(), &signed), &mut history).await;
    report.unknown = unknown.err();
    if history.heads.is_empty() {
        return Ok(report);
    }
    report.unknown =
        report.unknown.take().or(tie(client, (kind, log), tree, checkpoints, &mut history).await);
    report.size = history.heads.last().and_then(|l| head(kind, &l.head, log)).map(|h| h.head().size());
    report.tied = history.ties.len();
    let judged = history.judge(log, None).map_err(|fault| fault.to_string())?;
    report.split = matches!(judged, Outcome::Split(_));
    let bytes = history.render().map_err(|fault| fault.to_string())?;
    if bytes.len() as u64 > MAX_HISTORY {
        return Err(format!("the history of {} has more than {MAX_HISTORY} bytes", report.url));
    }
    writer.keep_log(&file, &bytes).map_err(|fault| fault.to_string())?;
    Ok(report)
}

/// The history that is kept, or an empty one; or why the one that is there cannot be gone on with.
fn kept(writer: &Writer, file: &str, name: &LogName, log: &Log) -> Result<Result<History, String>, String> {
    let Some(bytes) = writer.log(file, MAX_HISTORY).map_err(|fault| fault.to_string())? else {
        return Ok(Ok(History::new(name)));
    };
    let read = History::parse(&bytes).and_then(|history| history.judge(log, None).map(|_| history));
    Ok(read.map_err(|fault| format!("{fault}; move logs/{file} out of the store to begin anew")))
}

fn head(kind: LogKind, text: &str, log: &Log) -> Option<SignedHead> {
    Head::parse(kind, text).ok()?.signed_by(log).ok()
}

fn hex(proof: &[[u8; 32]]) -> Vec<String> {
    proof.iter().map(hex::encode).collect()
}

/// The proof that leads from one head to the other; nothing where the log gives one that does not hold, twice: what
/// comes over a network may be damaged once. `tree` is that of the newer head.
async fn connect(
    client: &Client,
    (kind, log): (LogKind, &Log),
    tree: &Tree,
    (old, new): (&SignedHead, &SignedHead),
) -> Result<Option<Vec<String>>, String> {
    for _ in 0..2 {
        match client.consistency(kind, log, tree, old.head().size()).await {
            Answer::Found(proof) if growth::grew(old, new, &proof).is_ok() => return Ok(Some(hex(&proof))),
            Answer::Found(_) => {}
            Answer::Absent(absence) => return Err(format!("the log has no proof ({absence})")),
            Answer::Unknown(doubt) => return Err(doubt.reason),
        }
    }
    Ok(None)
}

/// Asks once more for the proofs that did not hold: a wrong answer of a front end, or of somebody on the way, is no
/// second history of the log.
async fn mend(client: &Client, (kind, log): (LogKind, &Log), tree: &Tree, history: &mut History) {
    let again = async |old: &SignedHead, new: &SignedHead| {
        let tree = tree.at(new.head());
        connect(client, (kind, log), &tree, (old, new)).await.ok().flatten()
    };
    let heads: Vec<_> = history.heads.iter().filter_map(|link| head(kind, &link.head, log)).collect();
    for (link, pair) in history.heads.iter_mut().skip(1).zip(heads.windows(2)) {
        if let (None, [old, new]) = (&link.proof, pair) {
            link.proof = again(old, new).await;
        }
    }
    for tie in history.ties.iter_mut().filter(|tie| tie.proof.is_none()).take(MOST) {
        let new = heads.iter().find(|new| new.head().size() == tie.to);
        if let (Some(old), Some(new)) = (head(kind, &tie.head, log), new)
            && old.head().size() < tie.to
        {
            tie.proof = again(&old, new).await;
        }
    }
}

/// Adds the newest head. Says why nothing could be added where the log could not be asked.
async fn go_on(
    client: &Client,
    (kind, log): (LogKind, &Log),
    tree: &Tree,
    (before, signed): (Option<&SignedHead>, &SignedHead),
    history: &mut History,
) -> Result<(), String> {
    let text = signed.head().text().to_owned();
    let Some(before) = before else {
        history.heads.push(Link { head: text, proof: Some(Vec::new()) });
        return Ok(());
    };
    let (old, new) = (before.head().size(), signed.head().size());
    if new > old {
        let proof = connect(client, (kind, log), tree, (before, signed)).await?;
        history.heads.push(Link { head: text, proof });
        return Ok(());
    }
    if new == old && before.head().root() == signed.head().root() {
        return Ok(());
    }
    // The same size with another root, or an older head: tied to the kept one, or a contradiction.
    let proof = if new == old {
        None
    } else {
        let tree = tree.at(before.head());
        match connect(client, (kind, log), &tree, (signed, before)).await? {
            Some(_) => return Ok(()),
            None => None,
        }
    };
    history.ties.push(Tie { head: text, proof, to: old });
    Ok(())
}

/// Ties checkpoints that came with evidence to the newest head. Says why some could not be.
async fn tie(
    client: &Client,
    (kind, log): (LogKind, &Log),
    tree: &Tree,
    checkpoints: &[&str],
    history: &mut History,
) -> Option<String> {
    let newest = history.heads.last().and_then(|link| head(kind, &link.head, log))?;
    let mut known: BTreeSet<(u64, [u8; 32])> = BTreeSet::new();
    for text in history.heads.iter().map(|l| &l.head).chain(history.ties.iter().map(|t| &t.head)) {
        known.extend(Head::parse(kind, text).map(|h| (h.size(), h.root())));
    }
    let mut unknown = None;
    let mut asked = 0;
    let tree = tree.at(newest.head());
    for text in checkpoints {
        // A checkpoint that the log did not sign proves nothing, and condemns its evidence, not the log.
        let Some(own) = head(kind, text, log) else { continue };
        let (size, root) = (own.head().size(), own.head().root());
        if size > newest.head().size() || known.contains(&(size, root)) {
            continue;
        }
        if asked >= MOST {
            return Some(format!("more than {MOST} checkpoints wait to be tied: pull again"));
        }
        asked += 1;
        let proof = if size == newest.head().size() {
            (root == newest.head().root()).then(Vec::new)
        } else {
            match connect(client, (kind, log), &tree, (&own, &newest)).await {
                Ok(proof) => proof,
                Err(reason) => {
                    unknown = Some(reason);
                    continue;
                }
            }
        };
        known.insert((size, root));
        // Whoever carries evidence may add lines below what the log signed; a history of such would grow without end.
        let head = Checkpoint::parse(text).ok().and_then(|note| note.signed_by_only(log));
        let head = head.unwrap_or_else(|| (*text).to_owned());
        history.ties.push(Tie { head, proof, to: newest.head().size() });
    }
    unknown
}
