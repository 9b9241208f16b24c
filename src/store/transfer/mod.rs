//! Taking in sealed transfers.
//!
//! Input: a transfer on a medium, the store, a moment. Output: a [`Transfer`] that was copied, checked and is not
//! visible yet; then, committed, names that a seal vouches for, raised floors, and a receipt.
//!
//! 1. The head is read and believed (`seal::header`), and it is the next one here (`seal::order`).
//! 2. The medium is copied once (`quarantine`); from then on only the copy is looked at.
//! 3. Operators, documents, content, closure, names, trust ([`Transfer::open`]).
//! 4. Whoever judges policies looks at it as a [`Source`] and may [`Transfer::withhold`].
//! 5. [`Transfer::commit`]: documents, content, catalogue, trust, then the floors, which is the one moment.
//!
//! | a kill after | leaves |
//! |---|---|
//! | some segments | a copy that the next import goes on with |
//! | content is published, the catalogue committed | content that is held; names as the seal before says |
//! | the floors are raised | all of it |
//!
//! Rules and attacks: each file names its own; formats: `docs/formats/seal.md`. Not here: signatures of images.

mod accepted;
mod carried;
mod logs;
mod media;
mod outgoing;
mod quarantine;
mod trust;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sealock_trust_root::disk::{InForce, StateFault};
use serde::Serialize;

pub use accepted::{Accepted, check_clock, receipt_key};
pub use carried::{Carried, CarriedTransfer};
pub use logs::doubted;
pub use media::segment;
pub use trust::versions;

use super::import::{ImportReport, Plan};
use super::source::{Attachment, Resolved};
use super::staging::Staging;
use super::writer::Writer;
use super::{Source, SourceFault, StoreFault, index};
use crate::decision::{Finding, Severity};
use crate::image::Digest;
use crate::log::LogState;
use crate::seal::order::{self, History};
use crate::seal::{Floors, Header, Operators, Receipt, SealFault, canonical, codes, container, snapshot};
use crate::trust::TrustView;
use accepted::refused;
use media::Media;
use quarantine::Quarantine;

pub(super) use accepted::{complete, floors};

/// Folder of the store for bundles that nobody sealed.
const FOREIGN: &str = "foreign";

/// A transfer that was copied and checked, and is not visible yet.
#[derive(Debug)]
pub struct Transfer<'w> {
    plan: Plan<'w>,
    quarantine: Quarantine,
    before: Option<String>,
    floors: Floors,
    history: History,
    logs: LogState,
    updates: trust::Updates,
    withheld: Vec<Digest>,
}

/// What came of a transfer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SealReport {
    /// Digest of the seal.
    pub digest: String,
    /// Name of the sealing side.
    pub origin: String,
    /// Its sequence.
    pub sequence: u64,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// The copy in quarantine, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Images that policies kept out.
    pub withheld: Vec<Digest>,
    /// Trust roots and policies that came with it: name → version or digest.
    pub brought: BTreeMap<String, String>,
}

/// Where bundles that nobody sealed go when operators are pinned.
pub fn foreign(root: &Path) -> PathBuf {
    root.join(FOREIGN)
}

/// Pins operators to the store at `root`, or takes a newer version of those that are pinned; tells the version.
///
/// # Errors
/// [`StoreFault::Refused`] where they are refused, or do not go on from the pinned ones.
pub fn pin(writer: &Writer, file: &Path, bytes: &[u8]) -> Result<u64, StoreFault> {
    accepted::pin(writer.root(), file, bytes)
}

/// Whether the store takes nothing but what operators sealed; also where their file has vanished, or where nobody can
/// look for it.
pub fn requires_seal(root: &Path) -> bool {
    let folder = root.join(accepted::FOLDER);
    let absent = |name| {
        let found = std::fs::symlink_metadata(folder.join(name));
        found.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
    };
    !absent(accepted::OPERATORS) || !absent(accepted::FLOORS)
}

/// Refuses a bundle without a seal where operators are pinned.
pub(super) fn refuse_unsealed(root: &Path, path: &Path) -> Result<(), StoreFault> {
    if !requires_seal(root) {
        return Ok(());
    }
    Err(StoreFault::refused(
        &codes::UNSEALED,
        path.display().to_string(),
        "it is not sealed, and this store takes nothing but what its operators sealed",
    ))
}

/// Whether `path` looks like a transfer, or a part of one, to the store at `root`. Proves nothing.
pub fn is_transfer(root: &Path, path: &Path) -> bool {
    Media::sniff(root, path).is_some()
}

/// Whether `path` looks like a transfer on a medium. Proves nothing.
pub fn is_carried(path: &Path) -> bool {
    Media::carried(path).is_some()
}

impl<'w> Transfer<'w> {
    /// Copies and checks the transfer at `path`. `minimum` are floors from a source that this process does not own,
    /// `given` trust roots that name logs beside those in force.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] with the code of the rule that is broken; nothing is visible then. Sound segments stay
    /// in quarantine.
    pub fn open(
        writer: &'w mut Writer,
        path: &Path,
        minimum: Option<&Floors>,
        given: &[TrustView],
        recheck: bool,
        now: Timestamp,
    ) -> Result<Self, StoreFault> {
        let Some(media) = Media::sniff(writer.root(), path) else {
            return Err(StoreFault::refused(
                &codes::MALFORMED,
                path.display().to_string(),
                "it does not begin like a transfer",
            ));
        };
        let root = writer.root().to_owned();
        let accepted = Accepted::open(&root, writer.id())?.ok_or_else(|| {
            StoreFault::refused(
                &codes::NOT_PINNED,
                path.display().to_string(),
                "no operators are pinned here",
            )
        })?;
        let floors = match minimum {
            Some(minimum) => accepted.floors().clone().raised_by(minimum),
            None => accepted.floors().clone(),
        };
        let heads = match &media {
            Media::One(..) => quarantine::waiting(&root)?.into_iter().map(|(_, head, _)| head).collect(),
            _ => vec![media.head()?],
        };
        let mut found = None;
        for head in heads {
            let judged = believe(&head, &accepted, &floors, writer.id(), now, path);
            let judged = judged.and_then(|seal| Quarantine::open(&root, seal, &head));
            match (judged, &media) {
                (Ok(mut quarantine), Media::One(..)) => {
                    if take_one(&mut quarantine, &media)? {
                        found = Some(quarantine);
                        break;
                    }
                }
                (Ok(quarantine), _) => found = Some(quarantine),
                // Another transfer that waits may be the one.
                (Err(_), Media::One(..)) => {}
                (Err(fault), _) => return Err(fault),
            }
        }
        let Some(mut quarantine) = found else {
            return Err(StoreFault::refused(
                &codes::UNKNOWN_SEGMENT,
                path.display().to_string(),
                "no transfer in quarantine waits for it",
            ));
        };
        copy(&mut quarantine, &media, path)?;
        let checked = Self::check(writer, quarantine, (&accepted, &floors), given, recheck, path);
        checked.map_err(|(quarantine, fault)| {
            quarantine.refuse(&fault);
            if matches!(fault, StoreFault::Refused { code, .. } if code == &codes::LAYOUT) {
                quarantine.distrust();
            }
            fault
        })
    }

    /// Judges the copy.
    #[allow(clippy::result_large_err, reason = "the copy goes back to be told why")]
    fn check(
        writer: &'w mut Writer,
        quarantine: Quarantine,
        (accepted, floors): (&Accepted, &Floors),
        given: &[TrustView],
        recheck: bool,
        path: &Path,
    ) -> Result<Self, (Quarantine, StoreFault)> {
        let mut notes = Vec::new();
        let checked = (|| {
            check_operators(&quarantine, accepted)?;
            for name in quarantine.seal().statement().contents.keys() {
                quarantine.document(name)?;
            }
            let history = check_names(&quarantine, accepted)?;
            let updates = trust::Updates::load(writer.root(), &quarantine, &mut notes)?;
            let before = logs::kept(writer.root(), accepted.floors().seal.as_deref())?;
            let logs = logs::judge(writer.root(), &quarantine, before, &updates, given, &mut notes)?;
            let staging = stage(&quarantine, writer, recheck)?;
            let entries = index::parse(&quarantine.document(container::INDEX)?, None)?;
            let mut plan = Plan::sealed(writer, path, &entries, staging)?;
            agree(&plan, &quarantine)?;
            for note in notes {
                plan.note(note);
            }
            Ok((plan, history, updates, logs))
        })();
        match checked {
            Ok((plan, history, updates, logs)) => Ok(Self {
                plan,
                before: accepted.floors().seal.clone(),
                floors: floors.after(quarantine.seal()),
                quarantine,
                history,
                logs,
                updates,
                withheld: Vec::new(),
            }),
            Err(fault) => Err((quarantine, fault)),
        }
    }

    /// Key ids (SHA-256) of logs that have contradicted themselves, here or in what it brings.
    pub fn doubted(&self) -> std::collections::BTreeSet<[u8; 32]> {
        self.logs.doubted()
    }

    /// The images that it names: full name and digest.
    pub fn images(&self) -> Vec<(String, Digest)> {
        self.plan.images()
    }

    /// Keeps an image out.
    pub fn withhold(&mut self, image: &Digest, name: &str) {
        self.plan.withhold(image);
        self.withheld.push(*image);
        self.plan.note(Finding::new(
            &codes::POLICY_WITHHELD,
            Severity::Error,
            format!("{name} was kept out: the policies do not allow {image}"),
        ));
    }

    /// Keeps out images without a name.
    pub fn withhold_nameless(&mut self) {
        self.withheld.extend(self.plan.withhold_nameless());
    }

    /// What a commit would bring.
    pub fn preview(&self) -> ImportReport {
        self.plan.preview()
    }

    /// The trust root in force under `name` once this is committed.
    ///
    /// # Errors
    /// As [`sealock_trust_root::disk::TrustState::in_force`].
    pub fn root_in_force(&self, name: &str) -> Result<InForce, StateFault> {
        self.updates.in_force(self.plan.root(), name)
    }

    /// About the seal.
    pub fn seal(&self) -> SealReport {
        let statement = self.quarantine.seal().statement();
        let mut brought: BTreeMap<String, String> = statement
            .policies
            .iter()
            .map(|(name, digest)| (format!("policies/{name}"), format!("sha256:{digest}")))
            .collect();
        for trust in &statement.trust {
            let versions: Vec<_> = trust.versions.iter().map(|(role, v)| format!("{role} {v}")).collect();
            brought.insert(format!("trust/{}", trust.name), versions.join(", "));
        }
        brought.insert("operators".to_owned(), statement.operators.version.to_string());
        SealReport {
            digest: format!("sha256:{}", self.quarantine.seal().digest()),
            origin: statement.origin.clone(),
            sequence: statement.sequence,
            sealed_at: statement.sealed_at,
            quarantine: Some(self.quarantine.folder().display().to_string()),
            withheld: self.withheld.clone(),
            brought,
        }
    }

    /// Makes it visible: documents, content, catalogue, trust, floors. Gives the report and the receipt.
    ///
    /// # Errors
    /// [`StoreFault::Io`], [`StoreFault::Catalogue`]; names stand for what they stood for before, and the next import
    /// of the same transfer goes on.
    pub fn commit(self, at: Timestamp) -> Result<(ImportReport, String), StoreFault> {
        let root = self.plan.root().to_owned();
        let quarantine = &self.quarantine;
        let (statement, digest) = (quarantine.seal().statement(), quarantine.seal().digest().to_owned());
        let mut documents = vec![(accepted::HEAD.to_owned(), head_of(quarantine)?)];
        for name in statement.contents.keys() {
            // What the store has in another form already is not kept twice.
            if name != container::INDEX
                && name != container::LAYOUT
                && !name.starts_with("trust/")
                && !name.starts_with(logs::FOLDER)
            {
                documents.push((name.clone(), quarantine.document(name)?));
            }
        }
        let history = canonical::render("history", &self.history).map_err(|e| refused(&root, &e))?;
        documents.push((accepted::HISTORY.to_owned(), history));
        documents.push((logs::STATE.to_owned(), self.logs.render().map_err(|e| refused(&root, &e))?));
        let borrowed: Vec<_> = documents.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        accepted::put(&root, &digest, &borrowed)?;
        let receipt = Receipt {
            store: statement.audience.clone(),
            seal: digest,
            sequence: statement.sequence,
            journal: None,
            complete: self.withheld.is_empty(),
        };
        let receipt = receipt.sign(&accepted::key(&root)?).map_err(|e| refused(&root, &e))?;
        let report = self.plan.commit()?;
        self.updates.commit(at)?;
        accepted::raise(&root, &self.floors, self.before.as_deref())?;
        self.quarantine.remove();
        Ok((report, receipt))
    }
}

/// Believes a head, and that it is the next one here.
fn believe(
    head: &[u8],
    accepted: &Accepted,
    floors: &Floors,
    store: &str,
    now: Timestamp,
    path: &Path,
) -> Result<crate::seal::VerifiedSeal, StoreFault> {
    let judged =
        Header::parse(head).and_then(|header| header.verify(accepted.operators())).and_then(|seal| {
            floors.judge(&seal, store, now)?;
            Ok(seal)
        });
    judged.map_err(|fault| refused(path, &fault))
}

/// Takes in a segment that came alone. Tells whether it belongs to this transfer.
fn take_one(quarantine: &mut Quarantine, media: &Media) -> Result<bool, StoreFault> {
    let Media::One(path, number) = media else { return Ok(false) };
    let at = number.saturating_sub(1);
    let segments = &quarantine.seal().statement().segments;
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    if !quarantine.missing().contains(&at) || segments.span(at).1 != size {
        return Ok(false);
    }
    let start = segments.span(at).0;
    let Some(reader) = media.segment(at, start)? else { return Ok(false) };
    Ok(quarantine.take(at, reader)?.is_none())
}

/// Copies what is missing, once; names what is damaged.
fn copy(quarantine: &mut Quarantine, media: &Media, path: &Path) -> Result<(), StoreFault> {
    quarantine.check_room()?;
    let segments = quarantine.seal().statement().segments.clone();
    if let Some(reason) = media.trailing(&segments) {
        return Err(StoreFault::refused(&codes::LAYOUT, path.display().to_string(), reason));
    }
    let mut wrong = Vec::new();
    for at in quarantine.missing() {
        let Some(reader) = media.segment(at, segments.span(at).0)? else {
            wrong.push(format!("segment {} is missing", at + 1));
            continue;
        };
        if let Some(reason) = quarantine.take(at, reader.take(segments.span(at).1))? {
            wrong.push(format!("segment {} is damaged ({reason})", at + 1));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let fault = StoreFault::refused(&codes::SEGMENT_DAMAGED, path.display().to_string(), wrong.join("; "));
    quarantine.refuse(&fault);
    Err(fault)
}

/// The operators that it brings go on from those in force, and vouch for it as well.
fn check_operators(quarantine: &Quarantine, accepted: &Accepted) -> Result<(), StoreFault> {
    let path = Path::new(container::OPERATORS);
    let bytes = quarantine.document(container::OPERATORS)?;
    let checked = Operators::parse(&bytes).and_then(|brought| {
        brought.follows(accepted.operators())?;
        quarantine.seal().verify_under(&brought)
    });
    checked.map_err(|fault| refused(path, &fault))
}

/// Reads the names and refuses those that move back; gives the history that results.
fn check_names(quarantine: &Quarantine, accepted: &Accepted) -> Result<History, StoreFault> {
    let names = names(quarantine)?;
    let mut history = accepted.history()?;
    let before = accepted.names()?;
    let seal = quarantine.seal();
    if let Some((name, from, to)) = order::rollbacks(&history, &before, seal, &names).into_iter().next() {
        let fault = SealFault::RefRollback { name: name.clone(), from, to };
        return Err(refused(Path::new(&name), &fault));
    }
    for (name, digest) in names {
        history.entry(name).or_default().entry(digest).or_insert(seal.statement().sequence);
    }
    Ok(history)
}

/// The names of its files of names; each in the file where it will be looked for.
fn names(quarantine: &Quarantine) -> Result<BTreeMap<String, String>, StoreFault> {
    let contents = &quarantine.seal().statement().contents;
    let mut all = BTreeMap::new();
    for (rest, bytes) in quarantine.documents_below("refs/")? {
        let file = format!("refs/{rest}");
        let names = snapshot::parse_names(&bytes).map_err(|e| refused(Path::new(&file), &e))?;
        for (name, digest) in names {
            let sound = snapshot::file_for(contents, snapshot::REFS, &name) == file
                && digest.parse::<Digest>().is_ok();
            if !sound || all.insert(name, digest).is_some() {
                return Err(StoreFault::refused(
                    &codes::LAYOUT,
                    file,
                    "a name stands where none is looked for",
                ));
            }
        }
    }
    Ok(all)
}

/// Takes over all content of the closure: from the copy, or from what the store holds.
fn stage(quarantine: &Quarantine, writer: &Writer, recheck: bool) -> Result<Staging, StoreFault> {
    let snapshot = quarantine.snapshot()?;
    let mut staging = Staging::in_quarantine(writer.root(), quarantine.folder(), recheck);
    for (digest, size) in &snapshot.closure {
        if staging.adopt(writer.catalogue(), digest, *size)? {
            continue;
        }
        let omitted = snapshot.omitted.contains(digest);
        let (code, reason) = if omitted {
            (&codes::INCOMPLETE, "the transfer leaves it out, and it is not held here")
        } else {
            (&codes::LAYOUT, "its bytes do not hash to the digest that was sealed")
        };
        return Err(StoreFault::refused(code, digest.to_string(), reason));
    }
    Ok(staging)
}

/// Names in `index.json` and in the files of names are the same ones.
fn agree(plan: &Plan<'_>, quarantine: &Quarantine) -> Result<(), StoreFault> {
    let indexed: BTreeMap<String, String> = plan.names().map(|(n, d)| (n, d.to_string())).collect();
    if indexed == names(quarantine)? {
        return Ok(());
    }
    Err(StoreFault::refused(
        &codes::LAYOUT,
        container::INDEX,
        "its names are not those of the files of names, or some of its manifests are refused",
    ))
}

fn head_of(quarantine: &Quarantine) -> Result<Vec<u8>, StoreFault> {
    let path = quarantine.folder().join(accepted::HEAD);
    accepted::read(&path, container::HEADER_LENGTH as u64)?
        .ok_or_else(|| accepted::damaged(&path, "it is missing"))
}

impl Source for Transfer<'_> {
    fn place(&self) -> String {
        self.plan.place()
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        self.plan.resolve(repository, tag)
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        self.plan.read(digest, limit)
    }

    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        self.plan.attachments(repository, subject)
    }

    fn fallbacks(&self, subject: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        self.plan.fallbacks(subject)
    }

    fn absent(&self, place: &str, subject: &Digest) -> Result<Vec<String>, SourceFault> {
        let name = format!("{place}@{subject}");
        let contents = &self.quarantine.seal().statement().contents;
        let file = snapshot::file_for(contents, snapshot::ABSENT, &name);
        if !contents.contains_key(&file) {
            return Ok(Vec::new());
        }
        let damaged =
            |reason: String| SourceFault::Damaged { what: file.clone(), place: self.place(), reason };
        let bytes = self.quarantine.document(&file).map_err(|e| damaged(e.to_string()))?;
        let mut all = snapshot::parse_names(&bytes).map_err(|e| damaged(e.to_string()))?;
        let channels = all.remove(&name).unwrap_or_default();
        Ok(channels.split(' ').filter(|c| !c.is_empty()).map(str::to_owned).collect())
    }
}
