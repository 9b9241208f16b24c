//! What is asked of a log, and how it answers.
//!
//! | asked | Rekor v1 | Rekor v2 | CT |
//! |---|---|---|---|
//! | newest heads | `api/v1/log`, shards included | `api/v2/checkpoint` | `ct/v1/get-sth` |
//! | an entry with its proof | `api/v1/log/entries?logIndex=` | comes with the signature | – |
//! | the log only grew | `api/v1/log/proof` | from `api/v2/tile/…` | `ct/v1/get-sth-consistency` |
//!
//! Which version a signing log speaks: one whose declared id is not the hash of its key is v2 (its id hashes the origin
//! too); else v1 is asked first, and v2 where that says 404.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealock::evidence::{InclusionProof, LogEntry, limits};
use sealock::log::Head;
use sealock::log::head::LogKind;
use sealock::trust::view::Log;
use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::tiles;
use crate::registry::answer::plain;
use crate::registry::{Answer, Doubt, Registries};

/// Largest answer but an entry's, in bytes: a thousand shards stay below.
const SMALL: u64 = 1024 * 1024;
/// Largest entry, in bytes: attestations are part of some.
const ENTRY: u64 = 8 * 1024 * 1024;
/// Most trees of one log.
const SHARDS: usize = 64;

/// A client of logs. A log that could not be reached is not asked again.
#[derive(Debug)]
pub struct Client {
    registries: Registries,
    out_of_reach: Mutex<BTreeMap<String, String>>,
}

/// A tree of a log: its newest head, and the number that Rekor v1 knows it by.
#[derive(Clone, Debug)]
pub struct Tree {
    /// As the log wrote it.
    pub head: Head,
    number: Option<String>,
}

impl Tree {
    /// The same tree as it stood at another head.
    #[must_use]
    pub fn at(&self, head: &Head) -> Self {
        Self { head: head.clone(), number: self.number.clone() }
    }
}

fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, String> {
    json::parse(bytes, Spelling::Exact).map_err(|e| format!("{what}: {}", plain(&e.to_string())))
}

/// Answers that are found and cannot be read prove nothing.
fn readable<T>(answer: Answer<Vec<u8>>, read: impl FnOnce(Vec<u8>) -> Result<T, String>) -> Answer<T> {
    match answer {
        Answer::Found(bytes) => match read(bytes) {
            Ok(value) => Answer::Found(value),
            Err(reason) => Answer::Unknown(Doubt::new(reason)),
        },
        Answer::Absent(absence) => Answer::Absent(absence),
        Answer::Unknown(doubt) => Answer::Unknown(doubt),
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shard {
    signed_tree_head: String,
    #[serde(rename = "treeID")]
    tree_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogInfo {
    #[serde(flatten)]
    active: Shard,
    #[serde(default)]
    inactive_shards: Option<Vec<Shard>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    body: String,
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    log_index: u64,
    verification: Verification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    inclusion_proof: Option<Proof>,
    signed_entry_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    checkpoint: String,
    #[serde(default)]
    hashes: Vec<String>,
    log_index: u64,
    root_hash: String,
    tree_size: u64,
}

#[derive(Deserialize)]
struct Hashes {
    hashes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Consistency {
    consistency: Option<Vec<String>>,
}

impl Client {
    /// A client that asks through `registries`.
    pub fn new(registries: &Registries) -> Self {
        // Verdicts do not wait for proofs: two tries are enough.
        Self { registries: registries.with_tries(2), out_of_reach: Mutex::default() }
    }

    async fn ask(&self, log: &Log, path: &str, limit: u64) -> Answer<Vec<u8>> {
        let base = log.entry.base_url.trim_end_matches('/');
        if let Some(reason) = self.out_of_reach.lock().ok().and_then(|known| known.get(base).cloned()) {
            return Answer::Unknown(Doubt::new(reason));
        }
        let url = match Url::parse(&format!("{base}/{path}")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Answer::Unknown(Doubt::new(format!("the log's URL {:?} is none", plain(base)))),
        };
        let answer = self.registries.document(&url, limit).await;
        if let Answer::Unknown(doubt) = &answer
            && doubt.status.is_none()
            && let Ok(mut known) = self.out_of_reach.lock()
        {
            known
                .entry(base.to_owned())
                .or_insert_with(|| format!("{base} was out of reach: {}", doubt.reason));
        }
        answer
    }

    /// The newest heads of every tree of the log. They are not believed yet.
    pub async fn trees(&self, kind: LogKind, log: &Log) -> Answer<Vec<Tree>> {
        let one = |kind, bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).map_err(|_| "the head is no text".to_owned())?;
            Ok(vec![Tree { head: Head::parse(kind, &text)?, number: None }])
        };
        match kind {
            LogKind::Ct => {
                readable(self.ask(log, "ct/v1/get-sth", SMALL).await, |b| one(kind, b.trim_ascii().to_vec()))
            }
            LogKind::Rekor if is_v2(log) => {
                readable(self.ask(log, "api/v2/checkpoint", SMALL).await, |b| one(kind, b))
            }
            LogKind::Rekor => match self.ask(log, "api/v1/log", SMALL).await {
                Answer::Absent(_) => {
                    readable(self.ask(log, "api/v2/checkpoint", SMALL).await, |b| one(kind, b))
                }
                answer => readable(answer, |bytes| {
                    let info: LogInfo = read("the log's state", &bytes)?;
                    let shards = info.inactive_shards.unwrap_or_default();
                    if shards.len() >= SHARDS {
                        return Err(format!("the log names {} trees", shards.len()));
                    }
                    let all = shards.into_iter().chain([info.active]).map(|shard| {
                        let head = Head::parse(kind, &shard.signed_tree_head)?;
                        Ok(Tree { head, number: Some(shard.tree_id) })
                    });
                    all.collect()
                }),
            },
        }
    }

    /// The entry at `index` (over all shards), with its proof. It is not believed yet.
    pub async fn entry(&self, log: &Log, index: u64) -> Answer<LogEntry> {
        let answer = self.ask(log, &format!("api/v1/log/entries?logIndex={index}"), ENTRY).await;
        readable(answer, |bytes| {
            let mut entries: BTreeMap<String, Answered> = read("the log entry", &bytes)?;
            match (entries.pop_first(), entries.is_empty()) {
                (Some((_, entry)), true) => parse_entry(entry),
                _ => Err("the log answered with another number of entries than one".to_owned()),
            }
        })
    }

    /// Proof that the first `from` leaves of `tree` begin it. It is not believed yet.
    pub async fn consistency(
        &self,
        kind: LogKind,
        log: &Log,
        tree: &Tree,
        from: u64,
    ) -> Answer<Vec<[u8; 32]>> {
        let to = tree.head.size();
        if from == 0 || from >= to {
            return Answer::Found(Vec::new());
        }
        if kind == LogKind::Ct {
            let path = format!("ct/v1/get-sth-consistency?first={from}&second={to}");
            return readable(self.ask(log, &path, SMALL).await, |bytes| {
                let proof: Consistency = read("the proof", &bytes)?;
                let one = |text: String| STANDARD.decode(text).ok().and_then(|b| b.try_into().ok());
                proof
                    .consistency
                    .unwrap_or_default()
                    .into_iter()
                    .map(one)
                    .collect::<Option<_>>()
                    .ok_or_else(bad)
            });
        }
        let Some(number) = &tree.number else { return self.tiled(log, from, to).await };
        let path = format!("api/v1/log/proof?firstSize={from}&lastSize={to}&treeID={}", plain(number));
        readable(self.ask(log, &path, SMALL).await, |bytes| {
            let proof: Hashes = read("the proof", &bytes)?;
            let hashes = proof.hashes.unwrap_or_default();
            hashes.iter().map(|text| hex32(text)).collect::<Option<_>>().ok_or_else(bad)
        })
    }

    async fn tiled(&self, log: &Log, from: u64, to: u64) -> Answer<Vec<[u8; 32]>> {
        let mut tiles = BTreeMap::new();
        for tile in tiles::needed(from, to) {
            match self.ask(log, &format!("api/v2/{}", tile.path()), tile.bytes()).await {
                Answer::Found(bytes) => drop(tiles.insert(tile, bytes)),
                Answer::Absent(absence) => return Answer::Absent(absence),
                Answer::Unknown(doubt) => return Answer::Unknown(doubt),
            }
        }
        match tiles::proof(from, to, &tiles) {
            Some(proof) => Answer::Found(proof),
            None => Answer::Unknown(Doubt::new("a tile of the log is too short")),
        }
    }
}

fn bad() -> String {
    "a hash of the proof is not 32 bytes".to_owned()
}

/// Rekor v2 declares an id that is not the hash of the key alone.
fn is_v2(log: &Log) -> bool {
    log.entry.log_id != log.entry.key_id
}

fn parse_entry(entry: Answered) -> Result<LogEntry, String> {
    let text = |what: &str, text: &str| STANDARD.decode(text).map_err(|e| format!("{what}: {e}"));
    let proof = entry.verification.inclusion_proof.ok_or("the log gave no inclusion proof")?;
    if proof.hashes.len() > limits::PROOF_HASHES || proof.checkpoint.len() > limits::CHECKPOINT {
        return Err("the proof is longer than any tree is deep".to_owned());
    }
    let hashes = proof.hashes.iter().map(|hash| hex32(hash)).collect::<Option<_>>().ok_or_else(bad)?;
    Ok(LogEntry {
        log_id: hex::decode(&entry.log_id).map_err(|e| format!("logID: {e}"))?,
        log_index: entry.log_index,
        integrated_time: jiff::Timestamp::from_second(entry.integrated_time).ok(),
        kind_version: None,
        body: text("body", &entry.body)?,
        promise: match entry.verification.signed_entry_timestamp {
            Some(promise) => Some(text("signedEntryTimestamp", &promise)?),
            None => None,
        },
        proof: Some(InclusionProof {
            log_index: proof.log_index,
            tree_size: proof.tree_size,
            root_hash: hex::decode(&proof.root_hash).map_err(|e| format!("rootHash: {e}"))?,
            hashes,
            checkpoint: proof.checkpoint,
        }),
        fetched_proofs: Vec::new(),
    })
}
