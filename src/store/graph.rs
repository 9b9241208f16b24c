//! What hangs together in a layout: the closure of `index.json`, and the evidence in it.
//!
//! Input: the entries of an `index.json` and the content of the layout. Output: [`Graph`].
//!
//! | rule | source |
//! |---|---|
//! | manifests are read strictly; one that is also an index, or another thing than announced, is left out | `image::manifest` |
//! | a descriptor's size is the content's size | OCI image-spec, descriptor |
//! | indexes nest at most [`MAX_DEPTH`] deep | `reference`: containers/image and ours |
//! | evidence: every manifest with a `subject` is a referrer of exactly that digest, wherever it was found | OCI distribution-spec 1.1, referrers |
//! | classic evidence without a tag hangs on what its payload names, unless it has a `subject` of its own | `cosign sign` with OCI 1.1 referrers |
//! | loose manifests with a `subject` are looked for in all content of at most 4 MiB | `cosign save` names them nowhere |
//! | the referrers tag is followed to find manifests, and each one's own `subject` decides | OCI distribution-spec 1.1; oras-go issue 1396 |
//!
//! Not checked here: anything about signatures. An attachment is a place to look, never proof; the reader of
//! evidence checks the subject again.
//!
//! Attacks considered: `manifest_and_index_in_one`, `bogus_fallback`, a child that vouches for its index (it
//! cannot: attachments are per exact digest), manifests listed under two media types, deep and wide nesting.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Entry;
use super::name::{self, EvidenceTag, Name, TagKind};
use super::source::fallback_tag;
use super::{Attachment, Channel, SourceFault, StoreFault, codes, loose};
use crate::decision::{Code, Finding, Severity};
use crate::image::manifest::{Content, Descriptor, MAX_MANIFEST};
use crate::image::{Digest, Manifest};

/// How deep indexes nest at most: `index.json` itself is level 0.
pub(super) const MAX_DEPTH: usize = 4;
/// Most findings that one bundle brings; the rest is counted.
const MAX_FINDINGS: usize = 1000;

/// The content of a layout.
pub trait Contents {
    /// How many bytes `digest` has here; nothing where it is not held.
    ///
    /// # Errors
    /// Where the system cannot tell.
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault>;

    /// The bytes of `digest`, hashed on this read, at most `limit` of them.
    ///
    /// # Errors
    /// Every kind of [`SourceFault`].
    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault>;

    /// Everything in the layout itself, in digest order.
    ///
    /// # Errors
    /// Where the system cannot tell.
    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault>;
}

/// A manifest of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// One of the four media types that [`Manifest`] accepts.
    pub media_type: String,
    /// Kind of artifact.
    pub artifact_type: Option<String>,
    /// What it is about.
    pub subject: Option<Digest>,
    /// Its bytes.
    pub size: u64,
}

/// A manifest and what it points to.
type Edges = BTreeMap<Digest, Vec<Digest>>;

/// Everything that `index.json` leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    /// Sound manifests.
    pub manifests: BTreeMap<Digest, Node>,
    /// Configurations, layers and other content of theirs, with sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// Full names.
    pub names: BTreeMap<Name, Digest>,
    /// Manifests without a name that are listed themselves: unnamed entries, loose referrers.
    pub roots: BTreeSet<Digest>,
    /// Evidence in the classic form that no tag leads to: subject, form, manifest.
    pub loose: BTreeSet<(Digest, EvidenceTag, Digest)>,
    /// What is missing: manifest, content.
    pub missing: BTreeSet<(Digest, Digest)>,
    /// Content that belongs to nothing.
    pub unreferenced: usize,
    /// Entries that are held by digest only.
    pub unnamed: usize,
    /// Manifests left out, with the rule.
    pub refused: BTreeMap<Digest, &'static Code>,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit.
    pub unsaid: usize,
    referrers: BTreeSet<(Digest, Digest)>,
    edges: Edges,
}

/// Whether a descriptor's target can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Held,
    Absent,
    Refused,
}

impl Graph {
    /// Walks from `entries` through `contents`.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where content does not hash to its name, and what `contents` cannot read.
    pub(super) fn build(entries: &[Entry], contents: &dyn Contents) -> Result<Self, StoreFault> {
        let mut graph = Self::default();
        for entry in entries {
            graph.entry(entry, contents)?;
        }
        graph.scan(contents)?;
        graph.prune();
        graph.check_fallbacks(contents)?;
        graph.note_missing();
        graph.referrers = graph
            .manifests
            .iter()
            .filter_map(|(digest, node)| node.subject.map(|subject| (subject, *digest)))
            .collect();
        Ok(graph)
    }

    /// What hangs on `subject`: see [`super::Source::attachments`].
    pub(super) fn attachments(&self, repository: &str, subject: &Digest) -> Vec<Attachment> {
        let mut found = Vec::new();
        for evidence in EvidenceTag::ALL {
            let name = Name { repository: repository.to_owned(), tag: evidence.tag(subject) };
            if let Some(manifest) = self.names.get(&name) {
                found.push((*manifest, evidence.channel()));
            }
        }
        let least = Digest::Sha256([0; 32]);
        let loose = self.loose.range((*subject, EvidenceTag::Signature, least)..);
        for (_, evidence, manifest) in loose.take_while(|(about, ..)| about == subject) {
            found.push((*manifest, evidence.channel()));
        }
        let referrers = self.referrers.range((*subject, least)..);
        for (_, manifest) in referrers.take_while(|(about, _)| about == subject) {
            found.push((*manifest, Channel::Referrer));
        }
        sorted(found, |manifest| self.manifests.get(manifest).map(|node| node.media_type.clone()))
    }

    /// Repositories with a fallback tag for `subject`: see [`super::Source::fallbacks`].
    pub(super) fn fallbacks(&self, subject: &Digest) -> Vec<(String, Digest)> {
        let tag = fallback_tag(subject);
        let named = self.names.iter().filter(|(name, _)| name.tag == tag);
        named.map(|(name, manifest)| (name.repository.clone(), *manifest)).collect()
    }

    /// Takes out `image`, its names, and whatever nothing else leads to.
    pub(super) fn withhold(&mut self, image: &Digest) {
        self.names.retain(|_, digest| digest != image);
        self.roots.remove(image);
        self.loose.retain(|(_, _, manifest)| manifest != image);
        self.prune();
    }

    /// Entries that have no name and are no evidence about anything.
    pub(super) fn nameless(&self) -> Vec<Digest> {
        let evidence: BTreeSet<_> = self.loose.iter().map(|(_, _, manifest)| manifest).collect();
        let named: BTreeSet<_> = self.names.values().collect();
        let roots = self.roots.iter().filter(|root| !evidence.contains(root) && !named.contains(root));
        roots.filter(|root| self.manifests.get(root).is_some_and(|n| n.subject.is_none())).copied().collect()
    }

    /// Keeps only what names and roots lead to.
    fn prune(&mut self) {
        let mut reached = BTreeSet::new();
        let mut next: Vec<Digest> = self.names.values().chain(&self.roots).copied().collect();
        while let Some(digest) = next.pop() {
            if reached.insert(digest) {
                next.extend(self.edges.get(&digest).into_iter().flatten());
            }
        }
        self.manifests.retain(|digest, _| reached.contains(digest));
        self.blobs.retain(|digest, _| reached.contains(digest));
        self.edges.retain(|digest, _| reached.contains(digest));
        self.missing.retain(|(parent, _)| reached.contains(parent));
        self.referrers.retain(|(_, manifest)| reached.contains(manifest));
    }

    fn finding(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.unsaid += 1;
        }
    }

    fn refuse(&mut self, code: &'static Code, digest: &Digest, reason: &str) -> Outcome {
        if self.refused.insert(*digest, code).is_none() {
            self.finding(Finding::error(code, format!("{digest} is left out: {reason}")));
        }
        Outcome::Refused
    }

    fn entry(&mut self, entry: &Entry, contents: &dyn Contents) -> Result<(), StoreFault> {
        let descriptor = &entry.descriptor;
        let digest = descriptor.digest;
        match self.visit(descriptor, 0, contents)? {
            Outcome::Held => {}
            Outcome::Refused => return Ok(()),
            Outcome::Absent => {
                let called = entry.name.as_ref().map(|n| format!(" ({n})")).unwrap_or_default();
                self.finding(Finding::new(
                    &codes::INCOMPLETE,
                    Severity::Warning,
                    format!("index.json lists {digest}{called}, but its manifest is not in the bundle"),
                ));
                return Ok(());
            }
        }
        match &entry.name {
            Some(name) if name::kind(&name.tag) == TagKind::Fallback(digest) => {
                self.roots.insert(digest);
                self.finding(Finding::new(
                    &codes::BOGUS_FALLBACK,
                    Severity::Warning,
                    format!("the referrers tag {name} leads to the image itself and was not taken in"),
                ));
            }
            Some(name) => {
                self.names.insert(name.clone(), digest);
            }
            None => {
                self.roots.insert(digest);
                self.unnamed += 1;
                if let Some(label) = &entry.label {
                    if let TagKind::Evidence(evidence, subject) = name::kind(label) {
                        self.loose.insert((subject, evidence, digest));
                    } else {
                        let label: String = label.chars().take(160).collect();
                        self.finding(Finding::new(
                            &codes::UNNAMED,
                            Severity::Note,
                            format!("{digest} is called {label:?} only and is held by its digest"),
                        ));
                    }
                }
                // What says itself what it is about is a referrer, and hangs there once.
                if self.manifests.get(&digest).is_none_or(|node| node.subject.is_none()) {
                    for (subject, evidence) in loose::subjects(&digest, contents)? {
                        self.loose.insert((subject, evidence, digest));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in the manifest that `descriptor` points to, and everything below it.
    fn visit(
        &mut self,
        descriptor: &Descriptor,
        depth: usize,
        contents: &dyn Contents,
    ) -> Result<Outcome, StoreFault> {
        let digest = descriptor.digest;
        if self.refused.contains_key(&digest) {
            return Ok(Outcome::Refused);
        }
        let Some(size) = contents.size(&digest)? else { return Ok(Outcome::Absent) };
        if size != descriptor.size {
            return Ok(self.refuse(
                &codes::SIZE,
                &digest,
                &format!("its descriptor says {} bytes, it has {size}", descriptor.size),
            ));
        }
        if let Some(node) = self.manifests.get(&digest) {
            if node.media_type == descriptor.media_type {
                return Ok(Outcome::Held);
            }
            let reason = format!("it is listed as {} and as {}", node.media_type, descriptor.media_type);
            self.manifests.remove(&digest);
            self.names.retain(|_, d| *d != digest);
            self.roots.remove(&digest);
            self.loose.retain(|(_, _, d)| *d != digest);
            self.edges.remove(&digest);
            return Ok(self.refuse(&codes::MANIFEST, &digest, &reason));
        }
        if depth > MAX_DEPTH {
            return Ok(self.refuse(
                &codes::DEPTH,
                &digest,
                &format!("it lies deeper than {MAX_DEPTH} indexes"),
            ));
        }
        if size > MAX_MANIFEST {
            return Ok(self.refuse(
                &codes::MANIFEST,
                &digest,
                &format!("{size} bytes, the limit for a manifest is {MAX_MANIFEST}"),
            ));
        }
        let bytes = read(contents, &digest)?;
        let manifest = match Manifest::parse(&bytes, &descriptor.media_type) {
            Ok(manifest) => manifest,
            Err(fault) => return Ok(self.refuse(&codes::MANIFEST, &digest, &fault.to_string())),
        };
        self.take(digest, size, manifest, depth, contents)
    }

    /// Takes in a parsed manifest.
    fn take(
        &mut self,
        digest: Digest,
        size: u64,
        manifest: Manifest,
        depth: usize,
        contents: &dyn Contents,
    ) -> Result<Outcome, StoreFault> {
        let is_index = matches!(manifest.content, Content::Index { .. });
        let mut blobs = Vec::new();
        for child in manifest.children() {
            if is_index && Manifest::is_manifest(&child.media_type) {
                self.visit(child, depth + 1, contents)?;
                continue;
            }
            match contents.size(&child.digest)? {
                None => {}
                Some(held) if held == child.size => blobs.push((child.digest, held)),
                Some(held) => {
                    let reason =
                        format!("it says that {} has {} bytes, but it has {held}", child.digest, child.size);
                    return Ok(self.refuse(&codes::SIZE, &digest, &reason));
                }
            }
        }
        let children = manifest.children().into_iter().map(|child| child.digest).collect();
        self.edges.insert(digest, children);
        self.blobs.extend(blobs);
        let subject = manifest.subject.map(|subject| subject.digest);
        if subject.is_some() {
            self.roots.insert(digest);
        }
        self.manifests.insert(
            digest,
            Node { media_type: manifest.media_type, artifact_type: manifest.artifact_type, subject, size },
        );
        Ok(Outcome::Held)
    }

    /// Looks for manifests with a `subject` that nothing names.
    fn scan(&mut self, contents: &dyn Contents) -> Result<(), StoreFault> {
        let mut unreferenced = Vec::new();
        for (digest, size) in contents.all()? {
            if self.manifests.contains_key(&digest)
                || self.blobs.contains_key(&digest)
                || self.refused.contains_key(&digest)
            {
                continue;
            }
            unreferenced.push(digest);
            if size > MAX_MANIFEST {
                continue;
            }
            let bytes = read(contents, &digest)?;
            if bytes.first() != Some(&b'{') || !contains(&bytes, b"\"subject\"") {
                continue;
            }
            let Ok(manifest) = Manifest::parse(&bytes, "") else { continue };
            if manifest.subject.is_some() {
                self.take(digest, size, manifest, 0, contents)?;
            }
        }
        self.unreferenced = unreferenced
            .iter()
            .filter(|d| !self.manifests.contains_key(d) && !self.blobs.contains_key(d))
            .count();
        Ok(())
    }

    /// Says where a referrers tag leads to something else than evidence about its digest.
    fn check_fallbacks(&mut self, contents: &dyn Contents) -> Result<(), StoreFault> {
        let tags: Vec<_> = self
            .names
            .iter()
            .filter_map(|(name, digest)| match name::kind(&name.tag) {
                TagKind::Fallback(subject) => Some((name.clone(), subject, *digest)),
                _ => None,
            })
            .collect();
        for (name, subject, digest) in tags {
            let media_type = self.manifests.get(&digest).map(|n| n.media_type.clone()).unwrap_or_default();
            let bogus = match Manifest::parse(&read(contents, &digest)?, &media_type) {
                Ok(Manifest { content: Content::Index { manifests }, .. }) => manifests
                    .iter()
                    .filter(|child| {
                        self.manifests.get(&child.digest).is_some_and(|n| n.subject != Some(subject))
                    })
                    .count(),
                _ => 1,
            };
            if bogus > 0 {
                self.finding(Finding::new(
                    &codes::BOGUS_FALLBACK,
                    Severity::Warning,
                    format!("{bogus} entries under {name} are not about {subject} and do not count as evidence about it"),
                ));
            }
        }
        Ok(())
    }

    /// Works out what is missing; one finding for each manifest that lacks something.
    fn note_missing(&mut self) {
        for (parent, children) in &self.edges {
            for child in children {
                if !self.manifests.contains_key(child) && !self.blobs.contains_key(child) {
                    self.missing.insert((*parent, *child));
                }
            }
        }
        let mut by_parent: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for (parent, child) in &self.missing {
            by_parent.entry(*parent).or_default().push(*child);
        }
        for (parent, children) in by_parent {
            let shown: Vec<_> = children.iter().take(8).map(ToString::to_string).collect();
            let more = children.len().saturating_sub(shown.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.finding(Finding::new(
                &codes::INCOMPLETE,
                Severity::Note,
                format!("{parent} is held without {}{more}", shown.join(", ")),
            ));
        }
    }
}

/// Sorts attachments by digest, then by how they were found, and removes repetitions.
pub(super) fn sorted(
    mut found: Vec<(Digest, Channel)>,
    media_type: impl Fn(&Digest) -> Option<String>,
) -> Vec<Attachment> {
    found.sort();
    found.dedup();
    found
        .into_iter()
        .map(|(manifest, channel)| Attachment {
            media_type: media_type(&manifest).unwrap_or_default(),
            channel,
            manifest,
        })
        .collect()
}

/// Reads content of at most [`MAX_MANIFEST`] bytes; damage is a refusal.
pub(super) fn read(contents: &dyn Contents, digest: &Digest) -> Result<Vec<u8>, StoreFault> {
    contents.read(digest, MAX_MANIFEST).map_err(|fault| match fault {
        SourceFault::Unreadable { what, source, .. } => {
            StoreFault::Io { what: "reading", path: what.into(), source }
        }
        SourceFault::TooLarge { .. } => {
            StoreFault::refused(&codes::LIMIT, digest.to_string(), fault.to_string())
        }
        SourceFault::NotHeld { .. } | SourceFault::Damaged { .. } => {
            StoreFault::refused(&codes::DAMAGED, digest.to_string(), fault.to_string())
        }
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}
