//! What is complete becomes visible; the rest is named, with what to do.

use std::collections::BTreeSet;

use sealock::decision::{Decision, Roots, Verdict};
use sealock::image::{Digest, Reference};
use sealock::policy::Policy;
use sealock::store::{Arrival, Plan, StoreFault, Writer};
use serde::Serialize;

use super::judge;
use super::ledger::{self, ImageEntry, Ledger, State};
use super::order::Order;
use super::walk::Walked;

/// Where fetched content is said to be from, in messages.
const PLACE: &str = "the registries";

/// How an image came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// In the store, with all its evidence and its ledger.
    Mirrored,
    /// Left out: the far side would not allow it, or required evidence does not exist.
    Refused,
    /// Left out: a question is open, or something could not be fetched.
    Unknown,
}

/// What a run says about an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// Canonical name.
    pub name: String,
    /// What it stands for.
    pub digest: Option<Digest>,
    /// How it came out.
    pub fate: Fate,
    /// Why, where it was left out.
    pub reasons: Vec<String>,
    /// What policies said, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    /// Every question with its answer.
    pub questions: Vec<ledger::Question>,
    /// Evidence left out.
    pub refused: Vec<ledger::Refused>,
}

/// Policies to ask on arrival.
#[derive(Debug)]
pub struct Demand<'a> {
    /// The policies.
    pub policies: &'a [Policy],
    /// Trust roots.
    pub roots: &'a Roots,
    /// Whether a no keeps the image out.
    pub must: bool,
}

/// What a commit came to.
#[derive(Debug)]
pub struct Committed {
    /// Each image.
    pub images: Vec<ImageReport>,
    /// The ledger's file in `snapshots/`, where one was written.
    pub ledger: Option<String>,
    /// Contents that the store did not hold before.
    pub new: usize,
}

/// Decides what is complete, without looking at policies.
pub fn report(order: &Order, walked: &[Walked]) -> Vec<ImageReport> {
    let each = walked.iter().zip(&order.images).map(|(walk, wanted)| {
        let mut reasons = walk.problems.clone();
        reasons.extend(walk.open().map(|q| {
            let name = q.name();
            format!("{name} is unknown: {} (ask again, or --waive '{name}=REASON')", q.answer)
        }));
        let mut fate = if reasons.is_empty() { Fate::Mirrored } else { Fate::Unknown };
        if fate == Fate::Mirrored {
            let has: BTreeSet<_> = walk.kinds.iter().map(|(_, kind)| *kind).collect();
            let lacking = wanted.required.difference(&has);
            reasons
                .extend(lacking.map(|kind| format!("required evidence is proven absent: {}", kind.name())));
            if !reasons.is_empty() {
                fate = Fate::Refused;
            }
        }
        ImageReport {
            name: walk.name.clone(),
            digest: walk.digest,
            fate,
            reasons,
            verdict: None,
            questions: walk.questions.clone(),
            refused: walk.refused.iter().cloned().collect(),
        }
    });
    each.collect()
}

/// Judges, commits, and keeps the ledger. The content was fetched and flushed.
///
/// # Errors
/// The store's.
pub fn commit(
    writer: &mut Writer,
    order: &Order,
    walked: &[Walked],
    demand: Option<&Demand<'_>>,
    taken_at: &str,
) -> Result<Committed, StoreFault> {
    let mut images = report(order, walked);
    if let Some(demand) = demand {
        for ((image, walk), wanted) in images.iter_mut().zip(walked).zip(&order.images) {
            let (Fate::Mirrored, Some(digest)) = (image.fate, walk.digest) else { continue };
            let plan = Plan::arrived(writer, &walk.arrivals, PLACE)?;
            let decision = judge_as_far_side(&plan, &wanted.reference, digest, demand);
            image.verdict = Some(decision.verdict.name());
            let objections = judge::objections(&decision);
            if demand.must && !matches!(decision.verdict, Verdict::Allow | Verdict::Warn) {
                image.fate = Fate::Refused;
                image.reasons.push(format!("the far side would say {}", decision.verdict.name()));
                image.reasons.extend(objections);
            }
        }
    }
    let kept: Vec<_> = images.iter().zip(walked).filter(|(image, _)| image.fate == Fate::Mirrored).collect();
    if kept.is_empty() {
        return Ok(Committed { images, ledger: None, new: 0 });
    }
    let mut arrivals: Vec<Arrival> = Vec::new();
    let mut seen = BTreeSet::new();
    for arrival in kept.iter().flat_map(|(_, walk)| &walk.arrivals) {
        if seen.insert((&arrival.name, arrival.descriptor.digest)) {
            arrivals.push(arrival.clone());
        }
    }
    let mut entries: Vec<ImageEntry> = kept
        .iter()
        .filter_map(|(image, walk)| {
            Some(ImageEntry {
                digest: walk.digest?,
                name: image.name.clone(),
                questions: image.questions.clone(),
                refused: image.refused.clone(),
            })
        })
        .collect();
    entries.sort_by(|a, b| (&a.name, a.digest).cmp(&(&b.name, b.digest)));
    entries.dedup();
    let done = Plan::arrived(writer, &arrivals, PLACE)?.commit()?;
    let ledger = keep(writer, entries, taken_at)?;
    if images.iter().all(|image| image.fate == Fate::Mirrored) {
        writer.forget_partials()?;
    }
    Ok(Committed { images, ledger: Some(ledger), new: done.counts.new })
}

fn judge_as_far_side(
    plan: &Plan<'_>,
    reference: &Reference,
    digest: Digest,
    demand: &Demand<'_>,
) -> Decision {
    judge::judge(plan, reference.written(), reference, digest, demand.policies, demand.roots)
}

/// Writes the next ledger. Equal answers as in the one before need no new one.
fn keep(writer: &Writer, images: Vec<ImageEntry>, taken_at: &str) -> Result<String, StoreFault> {
    let mut previous = None;
    let mut sequence = 1;
    if let Some(newest) = writer.snapshots(ledger::PREFIX)?.pop() {
        let bytes = writer.snapshot(&newest, ledger::MAX)?;
        // One that cannot be read is still one that this one follows.
        let before: Option<Ledger> = serde_json::from_slice(&bytes).ok();
        if before.as_ref().is_some_and(|before| before.images == images) {
            return Ok(newest);
        }
        // The number in the name counts, so that the newest one is always the last in order.
        let number = newest.get(ledger::PREFIX.len()..).and_then(|rest| rest.get(..10));
        sequence = number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).saturating_add(1);
        previous = Some(Digest::sha256(&bytes));
    }
    let ledger = Ledger {
        images,
        previous,
        schema: ledger::SCHEMA.to_owned(),
        sequence,
        taken_at: taken_at.to_owned(),
    };
    let unreadable = |e: serde_json::Error| StoreFault::Io {
        what: "writing the ledger in",
        path: writer.root().to_owned(),
        source: std::io::Error::other(e),
    };
    let bytes = ledger.bytes().map_err(unreadable)?;
    let name = ledger.file_name(&bytes);
    writer.keep_snapshot(&name, &bytes)?;
    Ok(name)
}

/// How many questions have which answer: found, absent, unknown, waived.
pub fn counts(images: &[ImageReport]) -> [usize; 4] {
    let mut counts = [0; 4];
    for question in images.iter().flat_map(|image| &image.questions) {
        let [found, absent, unknown, waived] = &mut counts;
        *match question.state {
            State::Found => found,
            State::Absent => absent,
            State::Unknown => unknown,
            State::Waived => waived,
        } += 1;
    }
    counts
}
