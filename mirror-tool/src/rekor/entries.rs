//! Inclusion proofs for evidence that came with a promise only.
//!
//! Input: manifests that were fetched. Output: every log entry in them ([`Carried`]); for those with a promise only, a
//! manifest of type `fetched::ARTIFACT_TYPE` beside the evidence, whose layers are the entries as the log has them.
//!
//! | rule | source |
//! |---|---|
//! | only entries whose promise a log made that a root of this run names are asked about | nobody else's answer could be checked |
//! | the answer must be the very entry: log, body, index and time | ours |
//! | its proof must hold under a checkpoint that the log's key signed | RFC 6962 §2.1.1 |
//! | what is held already is not fetched again | |
//! | the question stands in the ledger, by the channel `log-entry` | DESIGN §4 rule 5 |

use std::collections::BTreeMap;

use futures::StreamExt as _;
use sealock::crypto::Certificate;
use sealock::evidence::{LogEntry, bundle, classic, fetched, limits};
use sealock::image::manifest::{Content, Descriptor, MAX_MANIFEST, OCI_MANIFEST};
use sealock::image::{Digest, Manifest};
use sealock::log::inclusion;
use sealock::store::{Arrival, Intake};
use sealock::trust::view::Log;
use sealock::verify;
use serde_json::json;

use super::history::Rests;
use super::{Client, LogProofs, Logs};
use crate::pull::ledger::{Question, State};
use crate::pull::{Waiver, Walked};
use crate::registry::Answer;

/// Channel of these questions in the ledger.
pub const CHANNEL: &str = "log-entry";
/// Entries asked for at once, over all logs.
const WIDE: usize = 8;
/// Why a question may stay open where proofs are only tried.
const NOT_REQUIRED: &str = "an inclusion proof is wished for, not required (--log-proofs require)";
/// Content and media type of a config that says nothing (OCI image-spec 1.1).
const EMPTY: (&[u8], &str) = (b"{}", "application/vnd.oci.empty.v1+json");
/// Bytes of entries that are held at once to be asked about; what lies beyond keeps its promise alone.
const MAX_BODIES: usize = 16 * 1024 * 1024;
/// Largest bundle that is looked into, in bytes. Larger ones are kept and verified all the same.
const MAX_BUNDLE: u64 = 16 * 1024 * 1024;

/// A log entry that a piece of evidence carries.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The manifest of the evidence.
    pub manifest: Digest,
    /// Its bytes, and what it says it is.
    size: u64,
    media_type: String,
    /// The entry.
    pub entry: LogEntry,
    /// Key ids of the CT logs that its certificate names.
    pub ct: Vec<[u8; 32]>,
    /// Whether a proof is wanted: it came with a promise only, and in a form that takes that.
    wanted: bool,
}

/// The entries of every manifest that was walked; each manifest once.
pub fn carried(intake: &Intake, walked: &[Walked]) -> Vec<Carried> {
    let manifests: BTreeMap<&Digest, &u64> = walked.iter().flat_map(|walk| &walk.manifests).collect();
    let mut found = Vec::new();
    let mut bodies = MAX_BODIES;
    for (digest, size) in manifests {
        let Some(bytes) = intake.read(digest, MAX_MANIFEST) else { continue };
        let Ok(manifest) = Manifest::parse(&bytes, "") else { continue };
        let Content::Image { layers, .. } = &manifest.content else { continue };
        let mut keep = |mut entry: LogEntry, leaf: Option<Certificate>, wanted: bool| {
            let wanted = wanted && fetched::is_promise_only(&entry) && entry.body.len() <= bodies;
            if wanted {
                bodies -= entry.body.len();
            } else {
                // Of these only the log and the checkpoint are needed: memory must not grow with what hangs on an image.
                entry.body = Vec::new();
                entry.promise = None;
                entry.proof.iter_mut().for_each(|proof| proof.hashes = Vec::new());
            }
            found.push(Carried {
                manifest: *digest,
                size: *size,
                media_type: manifest.media_type.clone(),
                ct: leaf.as_ref().map(verify::promised_by).unwrap_or_default(),
                wanted,
                entry,
            });
        };
        for layer in layers.iter().take(limits::LAYERS) {
            if let Ok(Some(entry)) = classic::entry_of(&layer.annotations) {
                keep(entry, classic::leaf_of(&layer.annotations), true);
            } else if layer.media_type.starts_with(bundle::MEDIA_TYPE_PREFIX) && layer.size <= MAX_BUNDLE {
                let Some(bytes) = intake.read(&layer.digest, MAX_BUNDLE) else { continue };
                let Ok(evidence) = bundle::parse(layer.digest, &bytes) else { continue };
                let wanted = fetched::wanted(&evidence);
                let leaf = verify::claimed(&evidence);
                evidence.entries.into_iter().for_each(|entry| keep(entry, leaf.clone(), wanted));
            }
        }
    }
    found
}

/// A proof that was found: the entry as the log has it, and the manifest that holds it where it was held before.
struct Proven {
    entry: LogEntry,
    held: Option<Digest>,
}

/// How it came out for one entry.
enum Outcome {
    Proven(Box<Proven>),
    Absent(String),
    Open(String),
}

/// Finds proofs for evidence that came with promises only, and tells what all of the evidence rests on.
///
/// # Errors
/// Where the store cannot keep them.
pub async fn rests(
    asked: (&Client, &Logs),
    mode: LogProofs,
    intake: &Intake,
    walked: &mut [Walked],
    waivers: &[Waiver],
) -> Result<Rests, String> {
    let carried = carried(intake, walked);
    let proven = complete(asked, mode, intake, &carried, walked, waivers).await?;
    let mut rests = Rests::default();
    for carried in &carried {
        rests.on(&carried.entry, &carried.ct);
    }
    for entry in &proven {
        rests.on(entry, &[]);
    }
    Ok(rests)
}

/// Finds proofs for what is wanted among `carried`, and adds them to the walks with their questions. Gives the entries
/// with their proofs, for the logs' histories.
///
/// # Errors
/// Where the store cannot keep them.
pub async fn complete(
    (client, logs): (&Client, &Logs),
    mode: LogProofs,
    intake: &Intake,
    carried: &[Carried],
    walked: &mut [Walked],
    waivers: &[Waiver],
) -> Result<Vec<LogEntry>, String> {
    // A promise that the log did not make counts nowhere, so there is nothing to strengthen: whoever plants one makes
    // nobody ask the log, and keeps nothing out.
    let made = |c: &Carried| logs.signing(&c.entry.log_id).find(|log| verify::is_promised(&c.entry, log));
    let wanted = carried.iter().filter(|c| c.wanted).filter_map(|c| Some((c, made(c)?)));
    let asks =
        wanted.map(|(carried, log)| async move { (carried, log, prove(client, log, intake, carried).await) });
    let asked: Vec<_> = futures::stream::iter(asks.collect::<Vec<_>>()).buffered(WIDE).collect().await;
    let mut by_manifest: BTreeMap<Digest, Vec<(&Carried, &Log, Outcome)>> = BTreeMap::new();
    for (carried, log, outcome) in asked {
        by_manifest.entry(carried.manifest).or_default().push((carried, log, outcome));
    }
    let mut entries = Vec::new();
    for (subject, outcomes) in by_manifest {
        let place = outcomes.first().map_or(String::new(), |(_, log, _)| place(log));
        let mut question = Question {
            answer: "200".to_owned(),
            channel: CHANNEL.to_owned(),
            digests: Vec::new(),
            state: State::Found,
            subject,
            waiver: None,
            place,
        };
        let mut new = Vec::new();
        for (_, _, outcome) in &outcomes {
            match outcome {
                Outcome::Proven(proven) => {
                    entries.push(proven.entry.clone());
                    match proven.held {
                        Some(held) => question.digests.push(held),
                        None => new.push(proven.entry.clone()),
                    }
                }
                Outcome::Open(reason) => {
                    question.state = State::Unknown;
                    question.answer.clone_from(reason);
                }
                Outcome::Absent(answer) if question.state == State::Found => {
                    question.state = State::Absent;
                    question.answer.clone_from(answer);
                }
                Outcome::Absent(_) => {}
            }
        }
        let mut arrival = None;
        if let (Some((carried, ..)), false) = (outcomes.first(), new.is_empty()) {
            let made = artifact(intake, carried, &new)?;
            question.digests.push(made.digest);
            arrival = Some(Arrival { descriptor: made, name: None });
        }
        question.digests.sort();
        question.digests.dedup();
        if question.state == State::Absent && !question.digests.is_empty() {
            question.state = State::Found;
        }
        if question.state == State::Unknown && mode == LogProofs::Try {
            question.state = State::Waived;
            question.waiver = Some(NOT_REQUIRED.to_owned());
        }
        for walk in walked.iter_mut().filter(|walk| walk.manifests.contains_key(&subject)) {
            walk.questions.push(question.clone());
            walk.arrivals.extend(arrival.clone());
        }
    }
    for walk in walked {
        walk.finish(waivers);
    }
    intake.flush().map_err(|fault| fault.to_string())?;
    Ok(entries)
}

/// The log's URL without its scheme.
fn place(log: &Log) -> String {
    let url = log.entry.base_url.trim_end_matches('/');
    url.split_once("://").map_or(url, |(_, rest)| rest).to_owned()
}

async fn prove(client: &Client, log: &Log, intake: &Intake, carried: &Carried) -> Outcome {
    if let Some(proven) = held(log, intake, carried) {
        return Outcome::Proven(Box::new(proven));
    }
    match client.entry(log, carried.entry.log_index).await {
        Answer::Found(entry) => match check(log, &carried.entry, &entry) {
            Ok(()) => Outcome::Proven(Box::new(Proven { entry, held: None })),
            Err(reason) => Outcome::Open(reason),
        },
        Answer::Absent(absence) => Outcome::Absent(absence.to_string()),
        Answer::Unknown(doubt) => Outcome::Open(doubt.reason),
    }
}

/// Whether what the log answered is the entry that came with the evidence, proven.
fn check(log: &Log, carried: &LogEntry, answered: &LogEntry) -> Result<(), String> {
    let same = (&carried.log_id, carried.log_index, carried.integrated_time, &carried.body)
        == (&answered.log_id, answered.log_index, answered.integrated_time, &answered.body);
    if !same {
        return Err("the log answered with another entry than the one that came with the evidence".to_owned());
    }
    let proof = answered.proof.as_ref().ok_or("the log gave no inclusion proof")?;
    inclusion::included(answered, proof, log).map(|_| ())
}

/// A proof that the store holds already. Whatever else hangs on the evidence does not hide it: the log would be asked
/// again by each pull, and each answer be kept beside the others.
fn held(log: &Log, intake: &Intake, carried: &Carried) -> Option<Proven> {
    let mut left = limits::FETCHED;
    let mut read = |digest: &Digest, limit: u64| {
        let bytes = intake.read(digest, limit.min(left))?;
        left = left.saturating_sub(bytes.len() as u64);
        Some(bytes)
    };
    for referrer in intake.referrers(&carried.manifest) {
        let Some(bytes) = read(&referrer, MAX_MANIFEST) else { continue };
        let Ok(manifest) = Manifest::parse(&bytes, "") else { continue };
        let Content::Image { layers, .. } = &manifest.content else { continue };
        for layer in layers.iter().filter(|l| l.media_type == fetched::ARTIFACT_TYPE).take(limits::LAYERS) {
            let entry = read(&layer.digest, fetched::MAX).and_then(|bytes| fetched::parse(&bytes).ok());
            if let Some(entry) = entry.filter(|entry| check(log, &carried.entry, entry).is_ok()) {
                return Some(Proven { entry, held: Some(referrer) });
            }
        }
    }
    None
}

/// Keeps `entries` beside the evidence: a manifest whose subject is the evidence's own.
fn artifact(intake: &Intake, carried: &Carried, entries: &[LogEntry]) -> Result<Descriptor, String> {
    let put = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        intake.put(&digest, bytes).map_err(|fault| fault.to_string()).map(|()| digest)
    };
    let (empty, empty_type) = EMPTY;
    let config = put(empty)?;
    let mut layers = Vec::new();
    for entry in entries {
        let bytes = fetched::render(entry);
        let digest = put(&bytes)?;
        layers.push(json!({"mediaType": fetched::ARTIFACT_TYPE, "digest": digest, "size": bytes.len()}));
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": fetched::ARTIFACT_TYPE,
        "config": {"mediaType": empty_type, "digest": config, "size": empty.len()},
        "layers": layers,
        "subject": {"mediaType": carried.media_type, "digest": carried.manifest, "size": carried.size},
    });
    let bytes = manifest.to_string().into_bytes();
    Ok(Descriptor {
        media_type: OCI_MANIFEST.to_owned(),
        digest: put(&bytes)?,
        size: bytes.len() as u64,
        annotations: BTreeMap::new(),
        artifact_type: Some(fetched::ARTIFACT_TYPE.to_owned()),
        platform: None,
        data: None,
        urls: Vec::new(),
    })
}
