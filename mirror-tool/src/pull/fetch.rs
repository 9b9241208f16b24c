//! The blobs: asked for once each, whatever refers to them, streamed to the store's part files while they are hashed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use sealock::image::Digest;
use sealock::store::{Intake, Part};

use super::ledger::{Refused, State};
use super::walk::{Need, Walked};
use crate::registry::Registries;
use crate::registry::blob::{Broken, Sink};

/// Blobs under way at once, over all hosts.
const WIDE: usize = 16;
/// Room that is left on the disk.
const MARGIN: u64 = 64 * 1024 * 1024;

/// What happens during a run, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Event {
    /// That many bytes in so many blobs will be fetched.
    Start {
        /// Blobs.
        blobs: usize,
        /// Bytes.
        bytes: u64,
    },
    /// Bytes came.
    Bytes(u64),
    /// A blob is complete: digest, how many are left.
    Blob(Digest, usize),
}

/// What a run fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetching {
    /// Blobs that were not held.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were held.
    pub held: usize,
}

/// A part file as a sink; the store's words are kept short.
struct Into(Part);

impl Sink for Into {
    fn offset(&self) -> u64 {
        self.0.offset()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.write(bytes).map_err(|fault| fault.to_string())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.0.restart().map_err(|fault| fault.to_string())
    }
}

/// What is wanted and not held, each blob once. Two sizes for one digest are kept apart; one of them cannot be right.
///
/// # Errors
/// The store's words.
pub fn missing(intake: Option<&Intake>, walked: &[Walked]) -> Result<(Vec<Need>, usize), String> {
    let mut needs: BTreeMap<(Digest, u64), &Need> = BTreeMap::new();
    for need in walked.iter().flat_map(|w| &w.needs) {
        needs.entry((need.digest, need.size)).or_insert(need);
    }
    let mut missing = Vec::new();
    let mut held = 0;
    for ((digest, size), need) in needs {
        let there = match intake {
            Some(intake) => intake.holds(&digest, size).map_err(|fault| fault.to_string())?,
            None => false,
        };
        if there { held += 1 } else { missing.push(need.clone()) }
    }
    Ok((missing, held))
}

/// Fetches what is missing. What cannot be had is written into the walks: an image's own blob is a problem of the
/// image, one of evidence that the registry denies to have makes that evidence refused, and any other leaves the
/// questions that led to it open.
///
/// # Errors
/// Where the disk has no room, or the store cannot be asked.
pub async fn fetch(
    registries: &Registries,
    intake: &Intake,
    walked: &mut [Walked],
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Fetching, String> {
    let (missing, held) = missing(Some(intake), walked)?;
    let bytes: u64 = missing.iter().map(|need| need.size).fold(0, u64::saturating_add);
    let room = intake.room().map_err(|fault| fault.to_string())?;
    if bytes.saturating_add(MARGIN) > room {
        return Err(format!(
            "{bytes} bytes are to be fetched and {room} are free where the store is: nothing was fetched"
        ));
    }
    tell(Event::Start { blobs: missing.len(), bytes });
    let left = AtomicUsize::new(missing.len());
    let fetching = Fetching { blobs: missing.len(), bytes, held };
    let fetched: Vec<_> = futures::stream::iter(&missing)
        .map(|need| {
            let left = &left;
            async move {
                let done = one(registries, intake, need, tell).await;
                let left = left.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
                if done.is_ok() {
                    tell(Event::Blob(need.digest, left));
                }
                (need, done)
            }
        })
        .buffer_unordered(WIDE)
        .collect()
        .await;
    let failed: BTreeMap<(Digest, u64), Broken> = fetched
        .into_iter()
        .filter_map(|(need, done)| done.err().map(|broken| ((need.digest, need.size), broken)))
        .collect();
    for walk in walked {
        spread(walk, &failed);
    }
    intake.flush().map_err(|fault| fault.to_string())?;
    Ok(fetching)
}

async fn one(
    registries: &Registries,
    intake: &Intake,
    need: &Need,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), Broken> {
    let local = |fault: sealock::store::StoreFault| Broken::Local(fault.to_string());
    let part = intake.part(&need.digest, need.size).map_err(local)?;
    let mut sink = Into(part);
    registries.blob(&need.repository, &need.digest, need.size, &mut sink, &|n| tell(Event::Bytes(n))).await?;
    // Syncing waits for the disk.
    tokio::task::spawn_blocking(move || sink.0.finish())
        .await
        .map_err(|_| Broken::Local("the store broke off".to_owned()))?
        .map_err(local)
}

fn spread(walk: &mut Walked, failed: &BTreeMap<(Digest, u64), Broken>) {
    let mut lost: BTreeMap<Digest, (Digest, &Broken)> = BTreeMap::new();
    for need in &walk.needs {
        let Some(broken) = failed.get(&(need.digest, need.size)) else { continue };
        match need.evidence {
            None => walk.problems.push(format!("{} cannot be fetched: {broken}", need.digest)),
            Some(evidence) => drop(lost.insert(evidence, (need.digest, broken))),
        }
    }
    for (evidence, (blob, broken)) in lost {
        walk.arrivals.retain(|arrival| arrival.descriptor.digest != evidence);
        walk.kinds.retain(|(manifest, _)| *manifest != evidence);
        let reason = format!("{blob} of it cannot be fetched: {broken}");
        let denied = matches!(broken, Broken::Absent(_));
        for question in walk.questions.iter_mut().filter(|q| q.digests.contains(&evidence)) {
            question.digests.retain(|digest| *digest != evidence);
            if denied {
                question.answer = format!("{}, refused", question.answer.trim_end_matches(", refused"));
            } else if question.state != State::Waived {
                question.state = State::Unknown;
                question.answer.clone_from(&reason);
            }
        }
        if denied {
            walk.refused.insert(Refused { digest: evidence, reason });
        }
    }
}
