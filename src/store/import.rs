//! Taking in foreign bundles: plan, judge, commit.
//!
//! Input: an OCI image layout as a directory, or an archive of one. Output: content in the store with names that
//! are *claimed*, because nobody vouches for them, and an [`ImportReport`].
//!
//! 1. [`Plan::prepare`] copies the bundle's content to `ingest/`, hashing it on the way, never reads the medium
//!    again, and works out what hangs together. Nothing is visible yet.
//! 2. The plan is a [`Source`]: whoever judges looks at the private copy through it, beside what the store has.
//! 3. [`Plan::commit`] publishes. Dropping the plan instead removes the copy.
//!
//! | rule | source |
//! |---|---|
//! | every content file hashes to its name, or the whole bundle is refused | OCI image-layout; a medium that is damaged in one place is copied again |
//! | a manifest that cannot be read in one way is left out, the rest is taken in | CVE-2021-41190; one bad artifact must not hold up a mirror |
//! | only what `index.json` leads to, and manifests with a `subject`, are taken in | containers/image; `cosign save` |
//! | evidence about an image that is not held is taken in | DESIGN §5, absence is not proven by a miss |
//! | two digests for one name are refused | ours: neither can be preferred |
//! | no name, tag or path of the bundle ever becomes a path | CVE-2026-29064, CVE-2026-50163, CVE-2026-17106 |
//!
//! Not checked here: signatures and policies (whoever judges the plan), the names' truth (nobody, until a seal does).
//!
//! Attacks considered: `tar_corpus`, `digest_grammar`, `bogus_fallback`, `manifest_and_index_in_one`, two-faced media.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::catalogue::{Catalogue, Changes};
use super::graph::{Contents, Graph};
use super::index::Entry;
use super::listing::{self, MAX_ENTRIES};
use super::source::{Resolved, fallback_tag};
use super::staging::Staging;
use super::tar::{Archive, Member};
use super::writer::Writer;
use super::{
    Attachment, Channel, Source, SourceFault, StoreFault, archive, blob, codes, graph, layout, reader,
};
use crate::decision::{Finding, Severity};
use crate::image::Digest;
use crate::image::manifest::MAX_MANIFEST;

/// A bundle that was copied and understood but is not visible yet.
#[derive(Debug)]
pub struct Plan<'w> {
    writer: &'w mut Writer,
    bundle: PathBuf,
    staging: Staging,
    graph: Graph,
    notes: Vec<Finding>,
    /// Whether a seal vouches for the names.
    sealed: bool,
}

/// What the user may say about an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Hash large content that the store holds again, and replace it where it is damaged.
    pub recheck: bool,
    /// `host/repository` for entries that have only a tag, as skopeo and oras write them.
    pub repository: Option<String>,
}

/// What came out of an import.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// `sealock.dev/import/v1`.
    pub schema: &'static str,
    /// The bundle, as named on the command line.
    pub bundle: String,
    /// The store's directory.
    pub store: String,
    /// Its id.
    pub store_id: String,
    /// Whether it was committed.
    pub committed: bool,
    /// How much of what.
    pub counts: Counts,
    /// The full names in the bundle, in order.
    pub names: Vec<NameReport>,
    /// What manifests in the bundle point to without its being held.
    pub missing: Vec<Missing>,
    /// Manifests left out.
    pub refused: Vec<Refused>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Counts of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Manifests and indexes taken in.
    pub manifests: usize,
    /// Those among them with a `subject`.
    pub referrers: usize,
    /// Configurations, layers and other content.
    pub blobs: usize,
    /// Bytes of all of it.
    pub bytes: u64,
    /// Content that the store did not hold before.
    pub new: usize,
    /// Full names.
    pub names: usize,
    /// Names that the store did not have before.
    pub new_names: usize,
    /// Entries of `index.json` held by digest only.
    pub unnamed: usize,
    /// Content that belongs to nothing and was not taken in.
    pub unreferenced: usize,
}

/// A name in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NameReport {
    /// As `host/repository:tag`.
    pub name: String,
    /// What it stands for.
    pub digest: Digest,
    /// `sealed`, or `claimed`: nobody vouches for it.
    pub status: &'static str,
    /// What it stood for before, where that was something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Digest>,
}

/// Something that is not held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The manifest that points to it.
    pub manifest: Digest,
    /// What is missing.
    pub content: Digest,
}

/// A manifest left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The manifest.
    pub manifest: Digest,
    /// The rule.
    pub code: &'static str,
}

/// The content of a bundle under way, together with what the store holds.
struct Incoming<'a> {
    staging: &'a Staging,
    /// Large files of a directory, not read yet.
    unread: &'a BTreeMap<Digest, u64>,
    catalogue: &'a Catalogue,
    root: &'a Path,
    place: String,
}

impl Contents for Incoming<'_> {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        match self.staging.size(digest).or_else(|| self.unread.get(digest).copied()) {
            Some(size) => Ok(Some(size)),
            None => self.catalogue.blob(digest),
        }
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        self.staging.read(digest, limit, &self.place).unwrap_or_else(|| blob::read(self.root, digest, limit))
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        let mut all: BTreeMap<Digest, u64> = self.unread.clone();
        all.extend(self.staging.contents());
        Ok(all.into_iter().collect())
    }
}

impl<'w> Plan<'w> {
    /// A plan over content that lies in `blobs/` already.
    pub(super) fn of(writer: &'w mut Writer, bundle: &Path, graph: Graph) -> Self {
        let staging = Staging::new(writer.root(), false);
        Self { writer, bundle: bundle.to_owned(), staging, graph, notes: Vec::new(), sealed: false }
    }

    /// Copies and understands the bundle at `path`.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where the bundle is unsound, [`StoreFault::Io`] where something cannot be read or
    /// written. Nothing is left behind but part files that the next writer removes.
    pub fn prepare(writer: &'w mut Writer, path: &Path, options: &ImportOptions) -> Result<Self, StoreFault> {
        let metadata = std::fs::metadata(path).map_err(|source| StoreFault::Io {
            what: "opening",
            path: path.to_owned(),
            source,
        })?;
        super::transfer::refuse_unsealed(writer.root(), path)?;
        if metadata.is_dir() {
            return Self::directory(writer, path, options);
        }
        Self::archive(writer, path, options)
    }

    fn archive(writer: &'w mut Writer, path: &Path, options: &ImportOptions) -> Result<Self, StoreFault> {
        let file = archive::open_file(path)?;
        let size = file.metadata().map_or(0, |m| m.len());
        let mut staging = Staging::new(writer.root(), options.recheck);
        let mut archive = Archive::new(file, path);
        let mut parts = archive::Parts::default();
        while let Some(entry) = archive.next()? {
            match entry.member {
                Member::Blob(digest) => {
                    if entry.offset.checked_add(entry.size).is_none_or(|end| end > size) {
                        return Err(StoreFault::refused(
                            &codes::TAR_TRUNCATED,
                            entry.name,
                            format!("it announces {} bytes in an archive of {size}", entry.size),
                        ));
                    }
                    staging.put(writer.catalogue(), &digest, entry.size, archive.content(), &entry.name)?;
                }
                _ => parts.take(&mut archive, &entry)?,
            }
        }
        let entries = parts.finish(path, options.repository.as_deref())?;
        let graph = build(writer, &entries, &staging, &BTreeMap::new(), path)?;
        let mut notes = Vec::new();
        if parts.docker() {
            notes.push(Finding::new(
                &codes::IGNORED,
                Severity::Note,
                "docker's manifest.json and repositories in the archive are not read",
            ));
        }
        Ok(Self { writer, bundle: path.to_owned(), staging, graph, notes, sealed: false })
    }

    fn directory(writer: &'w mut Writer, path: &Path, options: &ImportOptions) -> Result<Self, StoreFault> {
        let entries = layout::entries(path, options.repository.as_deref())?;
        let listing = listing::list(path, MAX_ENTRIES)?;
        if let Some((special, kind)) = listing.special.first() {
            return Err(StoreFault::refused(
                &codes::SPECIAL_FILE,
                special.display().to_string(),
                format!("{kind} stands where content belongs"),
            ));
        }
        let mut staging = Staging::new(writer.root(), options.recheck);
        let (small, large): (BTreeMap<_, _>, BTreeMap<_, _>) =
            listing.blobs.into_iter().partition(|(_, size)| *size <= MAX_MANIFEST);
        for (digest, size) in &small {
            take_file(&mut staging, writer.catalogue(), path, digest, *size)?;
        }
        let graph = build(writer, &entries, &staging, &large, path)?;
        let wanted: Vec<_> = large.iter().filter(|(digest, _)| graph.blobs.contains_key(digest)).collect();
        for (digest, size) in wanted {
            take_file(&mut staging, writer.catalogue(), path, digest, *size)?;
        }
        let mut notes = Vec::new();
        if !listing.stray.is_empty() {
            notes.push(Finding::new(
                &codes::IGNORED,
                Severity::Note,
                format!(
                    "{} files under blobs/ are not named by a digest and were not taken in",
                    listing.stray.len()
                ),
            ));
        }
        Ok(Self { writer, bundle: path.to_owned(), staging, graph, notes, sealed: false })
    }

    /// A transfer whose content is in `staging` already, and whose names a seal vouches for.
    pub(super) fn sealed(
        writer: &'w mut Writer,
        bundle: &Path,
        entries: &[Entry],
        staging: Staging,
    ) -> Result<Self, StoreFault> {
        let graph = build(writer, entries, &staging, &BTreeMap::new(), bundle)?;
        Ok(Self { writer, bundle: bundle.to_owned(), staging, graph, notes: Vec::new(), sealed: true })
    }

    /// The store that it goes to.
    pub(super) fn root(&self) -> &Path {
        self.writer.root()
    }

    /// Adds a remark to the report.
    pub(super) fn note(&mut self, finding: Finding) {
        self.notes.push(finding);
    }

    /// Every name that it brings.
    pub(super) fn names(&self) -> impl Iterator<Item = (String, Digest)> {
        self.graph.names.iter().map(|(name, digest)| (name.to_string(), *digest))
    }

    /// Publishes the content, then the names, in one transaction.
    ///
    /// # Errors
    /// [`StoreFault::Io`] and [`StoreFault::Catalogue`]; then nothing is visible.
    pub fn commit(mut self) -> Result<ImportReport, StoreFault> {
        let graph = &self.graph;
        self.staging
            .publish(|digest| graph.blobs.contains_key(digest) || graph.manifests.contains_key(digest))?;
        let changes = if self.sealed {
            self.writer.commit_sealed(&self.graph)?
        } else {
            self.writer.commit(&self.graph, false)?
        };
        Ok(self.report(&changes, true))
    }

    /// What a commit would bring, without one.
    pub fn preview(&self) -> ImportReport {
        self.report(&Changes::default(), false)
    }

    /// Keeps an image out: its names and whatever nothing else leads to. Evidence about it stays, as it may come
    /// without the image at any time.
    pub fn withhold(&mut self, image: &Digest) {
        self.graph.withhold(image);
    }

    /// Keeps out the images that have no full name: no policy can match them, so none can allow them. Tells which.
    pub fn withhold_nameless(&mut self) -> Vec<Digest> {
        let nameless = self.graph.nameless();
        for image in &nameless {
            self.graph.withhold(image);
            self.notes.push(Finding::new(
                &crate::seal::codes::POLICY_WITHHELD,
                Severity::Error,
                format!("{image} was kept out: it has no full name, so no policy can allow it"),
            ));
        }
        nameless
    }

    /// The images that the bundle names, evidence tags left out: full name and digest.
    pub fn images(&self) -> Vec<(String, Digest)> {
        self.graph
            .names
            .iter()
            .filter(|(name, _)| super::name::kind(&name.tag) == super::name::TagKind::Plain)
            .map(|(name, digest)| (name.to_string(), *digest))
            .collect()
    }

    fn report(&self, changes: &Changes, committed: bool) -> ImportReport {
        let graph = &self.graph;
        let mut findings = graph.findings.clone();
        findings.extend(self.notes.iter().cloned());
        if graph.unreferenced > 0 {
            findings.push(Finding::new(
                &codes::IGNORED,
                Severity::Note,
                format!(
                    "{} content files belong to nothing in the bundle and were not taken in",
                    graph.unreferenced
                ),
            ));
        }
        if graph.unsaid > 0 {
            findings.push(Finding::new(
                &codes::LIMIT,
                Severity::Warning,
                format!("{} more findings about the bundle are not shown", graph.unsaid),
            ));
        }
        for (name, before, now) in &changes.moved {
            let (severity, what) =
                if self.sealed { (Severity::Note, "sealed") } else { (Severity::Warning, "claimed") };
            findings.push(
                Finding::new(
                    &codes::NAME_MOVED,
                    severity,
                    format!("the {what} name {name} stands for another digest now"),
                )
                .with_facts(before.to_string(), now.to_string()),
            );
        }
        for (name, kept, offered) in &changes.kept {
            findings.push(
                Finding::new(
                    &codes::NAME_MOVED,
                    Severity::Warning,
                    format!("the sealed name {name} was not moved by an unsealed bundle"),
                )
                .with_facts(kept.to_string(), offered.to_string()),
            );
        }
        let moved: BTreeMap<_, _> = changes.moved.iter().map(|(name, before, _)| (name, *before)).collect();
        let blobs = graph.blobs.iter().filter(|(digest, _)| !graph.manifests.contains_key(digest));
        ImportReport {
            schema: "sealock.dev/import/v1",
            bundle: self.bundle.display().to_string(),
            store: self.writer.root().display().to_string(),
            store_id: self.writer.id().to_owned(),
            committed,
            counts: Counts {
                manifests: graph.manifests.len(),
                referrers: graph.manifests.values().filter(|n| n.subject.is_some()).count(),
                blobs: blobs.clone().count(),
                bytes: blobs.map(|(_, size)| *size).chain(graph.manifests.values().map(|n| n.size)).sum(),
                new: changes.new_blobs,
                names: graph.names.len(),
                new_names: changes.new_names,
                unnamed: graph.unnamed,
                unreferenced: graph.unreferenced,
            },
            names: graph
                .names
                .iter()
                .map(|(name, digest)| NameReport {
                    name: name.to_string(),
                    digest: *digest,
                    status: if self.sealed { "sealed" } else { "claimed" },
                    moved_from: moved.get(name).copied(),
                })
                .collect(),
            missing: graph
                .missing
                .iter()
                .map(|(manifest, content)| Missing { manifest: *manifest, content: *content })
                .collect(),
            refused: graph
                .refused
                .iter()
                .map(|(manifest, code)| Refused { manifest: *manifest, code: code.name })
                .collect(),
            findings,
        }
    }
}

fn build(
    writer: &Writer,
    entries: &[Entry],
    staging: &Staging,
    unread: &BTreeMap<Digest, u64>,
    bundle: &Path,
) -> Result<Graph, StoreFault> {
    let incoming = Incoming {
        staging,
        unread,
        catalogue: writer.catalogue(),
        root: writer.root(),
        place: bundle.display().to_string(),
    };
    Graph::build(entries, &incoming)
}

/// Copies one content file of a directory.
fn take_file(
    staging: &mut Staging,
    catalogue: &Catalogue,
    bundle: &Path,
    digest: &Digest,
    size: u64,
) -> Result<(), StoreFault> {
    let path = blob::path(bundle, digest);
    let what = path.display().to_string();
    let (file, found): (File, u64) = blob::open_regular(&path).map_err(|fault| match fault {
        blob::OpenFault::Absent => StoreFault::Io {
            what: "opening",
            path: path.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        },
        blob::OpenFault::Special(kind) => {
            StoreFault::refused(&codes::SPECIAL_FILE, what.clone(), format!("it is {kind}"))
        }
        blob::OpenFault::Io(source) => StoreFault::Io { what: "opening", path: path.clone(), source },
    })?;
    if found != size {
        return Err(StoreFault::refused(
            &codes::SIZE,
            what,
            format!("it had {size} bytes when the bundle was listed and has {found} now"),
        ));
    }
    staging.put(catalogue, digest, size, file, &what)
}

impl Source for Plan<'_> {
    fn place(&self) -> String {
        format!("the bundle {}", self.bundle.display())
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        let name = super::name::Name { repository: repository.to_owned(), tag: tag.to_owned() };
        match self.graph.names.get(&name) {
            Some(digest) => Ok(Resolved { digest: *digest, sealed: self.sealed }),
            None => Err(SourceFault::NotHeld { what: name.to_string(), place: self.place() }),
        }
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        self.staging
            .read(digest, limit, &self.place())
            .unwrap_or_else(|| blob::read(self.writer.root(), digest, limit))
    }

    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        let unreadable = |fault: StoreFault| SourceFault::Unreadable {
            what: format!("the evidence about {subject}"),
            place: self.place(),
            source: std::io::Error::other(fault.to_string()),
        };
        let catalogue = self.writer.catalogue();
        let in_bundle = self.graph.attachments(repository, subject);
        let mut found: Vec<_> = reader::attachments(catalogue, repository, subject).map_err(unreadable)?;
        // A tag that the bundle brings replaces the store's; referrers add up.
        found.retain(|(_, channel)| {
            *channel == Channel::Referrer || !in_bundle.iter().any(|a| a.channel == *channel)
        });
        found.extend(in_bundle.into_iter().map(|attachment| (attachment.manifest, attachment.channel)));
        let mut kinds = BTreeMap::new();
        for (manifest, _) in &found {
            let kind = match self.graph.manifests.get(manifest) {
                Some(node) => Some(node.media_type.clone()),
                None => catalogue.media_type(manifest).map_err(unreadable)?,
            };
            if let Some(kind) = kind {
                kinds.insert(*manifest, kind);
            }
        }
        Ok(graph::sorted(found, |manifest| kinds.get(manifest).cloned()))
    }

    fn fallbacks(&self, subject: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        let held = self.writer.catalogue().fallbacks(&fallback_tag(subject)).map_err(|fault| {
            SourceFault::Unreadable {
                what: format!("the evidence about {subject}"),
                place: self.place(),
                source: std::io::Error::other(fault.to_string()),
            }
        })?;
        let mut all: BTreeMap<String, Digest> = held.into_iter().collect();
        all.extend(self.graph.fallbacks(subject));
        Ok(all.into_iter().collect())
    }
}
