//! What hangs together in a place: an image, what it is made of, and everything that is said about it.
//!
//! Input: a [`Source`], the names that it knows, a repository and a digest. Output: [`Inventory`].
//!
//! | rule | source |
//! |---|---|
//! | every manifest is asked about: the image, its children, and evidence itself, [`MAX_DEPTH`] deep | evidence hangs on children and on evidence |
//! | tags about a digest count wherever they stand; what a fallback tag lists hangs there | `source` of policies; `sealock::store::gather` |
//! | a child that is not held is left out and named; any other content that is not held is missing | an index is kept whole, whatever platforms are held |
//! | a referrer counts by its own `subject` | oras-go issue 1396 |

use std::collections::{BTreeMap, BTreeSet};

use sealock::image::manifest::{Content, MAX_MANIFEST};
use sealock::image::{Digest, Manifest};
use sealock::store::{Channel, Source, SourceFault, Store, StoreFault};

use crate::pull::walk::MAX_DEPTH;

/// Most manifests of one image, evidence included.
const MAX_MANIFESTS: usize = 20_000;

/// A name of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Canonical repository.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// What it stands for.
    pub digest: Digest,
}

impl Named {
    /// `repository:tag`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

/// A tag about another digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceTag {
    /// Repository, tag and what it stands for.
    pub named: Named,
    /// What it says that it is; [`Channel::Referrer`] for a fallback index.
    pub channel: Channel,
    /// What stands before the digest in the tag.
    pub prefix: String,
}

/// All names of a place.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names of images.
    pub images: Vec<Named>,
    /// Tags about digests.
    pub evidence: BTreeMap<Digest, Vec<EvidenceTag>>,
}

/// Reads `[prefix]sha256-<hex>[.sig|.att|.sbom]`.
pub fn about(tag: &str) -> Option<(Digest, Channel, &str)> {
    let endings =
        [(".sig", Channel::SignatureTag), (".att", Channel::AttestationTag), (".sbom", Channel::SbomTag)];
    let (stem, channel) = endings
        .into_iter()
        .find_map(|(ending, channel)| Some((tag.strip_suffix(ending)?, channel)))
        .unwrap_or((tag, Channel::Referrer));
    [("sha256", 71), ("sha512", 135)].into_iter().find_map(|(algorithm, length)| {
        let at = stem.len().checked_sub(length)?;
        let (prefix, digest) = (stem.get(..at)?, stem.get(at..)?);
        let hex = digest.strip_prefix(algorithm)?.strip_prefix('-')?;
        let digest = format!("{algorithm}:{hex}").parse().ok()?;
        // Only classic tags carry a prefix.
        (prefix.is_empty() || matches!(channel, Channel::SignatureTag | Channel::AttestationTag)).then_some((
            digest,
            channel.clone(),
            prefix,
        ))
    })
}

impl Names {
    /// Sorts names into those of images and those about digests.
    pub fn new(names: impl IntoIterator<Item = Named>) -> Self {
        let mut sorted = Self::default();
        for named in names {
            match about(&named.tag) {
                Some((subject, channel, prefix)) => {
                    let prefix = prefix.to_owned();
                    sorted.evidence.entry(subject).or_default().push(EvidenceTag { named, channel, prefix });
                }
                None => sorted.images.push(named),
            }
        }
        sorted.images.sort();
        sorted.evidence.values_mut().for_each(|tags| tags.sort());
        sorted
    }
}

/// Every name of a store. What a seal says counts, also where the catalogue has lost it.
///
/// # Errors
/// The store's.
pub fn names_of(store: &Store) -> Result<Names, StoreFault> {
    let listed = store.list()?.into_iter();
    let mut all: BTreeMap<String, Digest> =
        listed.filter_map(|line| Some((line.name?, line.digest))).collect();
    if let Some(accepted) = store.accepted()? {
        for (name, digest) in accepted.names()? {
            let digest = digest.parse().map_err(|_| StoreFault::Catalogue {
                place: store.root().to_owned(),
                reason: format!("the seal gives {name} no digest"),
            })?;
            all.insert(name, digest);
        }
    }
    Ok(Names::new(all.into_iter().filter_map(|(name, digest)| {
        let (repository, tag) = name.rsplit_once(':')?;
        Some(Named { repository: repository.to_owned(), tag: tag.to_owned(), digest })
    })))
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// Content of it that is no manifest, with sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// Children that are held.
    pub children: Vec<Digest>,
    /// What it is about.
    pub subject: Option<Digest>,
}

/// A piece of evidence, where it hangs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hung {
    /// Canonical repository.
    pub repository: String,
    /// What it is about.
    pub subject: Digest,
    /// The tag, for classic evidence; empty for a referrer.
    pub tag: String,
    /// How it hangs there.
    pub channel: Channel,
    /// The manifest.
    pub manifest: Digest,
}

/// What hangs together.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Every manifest that is held.
    pub parts: BTreeMap<Digest, Part>,
    /// Evidence, what lies nearest to the image first.
    pub hung: Vec<Hung>,
    /// Children of the image that are not held.
    pub left_out: BTreeSet<Digest>,
    /// Content that is not held although something needs it: manifest, content.
    pub missing: BTreeSet<(Digest, Digest)>,
    /// Fallback indexes that are held: repository, subject → index.
    pub fallbacks: BTreeMap<(String, Digest), Digest>,
    /// What keeps it from being told.
    pub problems: Vec<String>,
}

/// Says how many bytes a content has that is no manifest; nothing where it is not held.
pub type Held<'a> = &'a dyn Fn(&Digest) -> Result<Option<u64>, String>;

struct Walk<'a> {
    source: &'a dyn Source,
    held: Held<'a>,
    names: &'a Names,
    asked: BTreeSet<(String, Digest)>,
    done: Inventory,
}

impl Inventory {
    /// Everything about `digest` in `repository`. With `evidence_only`, the manifest itself need not be held.
    pub fn take(
        source: &dyn Source,
        held: Held<'_>,
        names: &Names,
        repository: &str,
        digest: &Digest,
        evidence_only: bool,
    ) -> Self {
        let mut walk = Walk { source, held, names, asked: BTreeSet::new(), done: Self::default() };
        if !evidence_only && let Err(reason) = walk.part(digest, "", false, 0) {
            walk.done.problems.push(reason);
            return walk.done;
        }
        let mut subjects: Vec<_> = walk.done.parts.keys().copied().collect();
        if evidence_only {
            subjects.push(*digest);
        }
        for subject in subjects {
            walk.ask(repository, &subject, 0);
        }
        walk.done
    }

    /// The manifests below `digest` and itself, each after what it lists.
    pub fn order(&self, digest: &Digest) -> Vec<Digest> {
        let mut order = Vec::new();
        self.descend(digest, &mut order);
        order
    }

    fn descend(&self, digest: &Digest, order: &mut Vec<Digest>) {
        let Some(part) = self.parts.get(digest).filter(|_| !order.contains(digest)) else { return };
        for child in &part.children {
            self.descend(child, order);
        }
        order.push(*digest);
    }
}

impl Walk<'_> {
    /// Takes in a manifest with what it lists. Tells whether it is held.
    fn part(
        &mut self,
        digest: &Digest,
        announced: &str,
        evidence: bool,
        depth: usize,
    ) -> Result<bool, String> {
        if self.done.parts.contains_key(digest) {
            return Ok(true);
        }
        if depth > MAX_DEPTH {
            return Err(format!("{digest} nests deeper than {MAX_DEPTH} indexes"));
        }
        if self.done.parts.len() >= MAX_MANIFESTS {
            return Err(format!("more than {MAX_MANIFESTS} manifests hang together"));
        }
        let bytes = match self.source.read(digest, MAX_MANIFEST) {
            Ok(bytes) => bytes,
            Err(SourceFault::NotHeld { .. }) if depth > 0 || evidence => return Ok(false),
            Err(fault) => return Err(fault.to_string()),
        };
        let manifest = Manifest::parse(&bytes, announced)
            .map_err(|fault| format!("{digest} cannot be read in one way: {fault}"))?;
        let mut part = Part {
            media_type: manifest.media_type.clone(),
            size: bytes.len() as u64,
            blobs: BTreeMap::new(),
            children: Vec::new(),
            subject: manifest.subject.as_ref().map(|subject| subject.digest),
        };
        let is_index = matches!(manifest.content, Content::Index { .. });
        for child in manifest.children() {
            if is_index && Manifest::is_manifest(&child.media_type) {
                if self.part(&child.digest, &child.media_type, evidence, depth + 1)? {
                    part.children.push(child.digest);
                } else if evidence {
                    self.done.missing.insert((*digest, child.digest));
                } else {
                    self.done.left_out.insert(child.digest);
                }
                continue;
            }
            match (self.held)(&child.digest)? {
                Some(size) if size == child.size => drop(part.blobs.insert(child.digest, size)),
                Some(size) => {
                    let said = child.size;
                    return Err(format!(
                        "{digest} says that {} has {said} bytes, it has {size}",
                        child.digest
                    ));
                }
                // Content that by its kind is fetched from elsewhere need not be anywhere.
                None if child.media_type.contains("nondistributable")
                    || child.media_type.contains(".foreign.") => {}
                None => drop(self.done.missing.insert((*digest, child.digest))),
            }
        }
        self.done.parts.insert(*digest, part);
        Ok(true)
    }

    /// Finds what is said about `subject`, in `repository` and wherever tags are about it.
    fn ask(&mut self, repository: &str, subject: &Digest, depth: usize) {
        if !self.asked.insert((repository.to_owned(), *subject)) {
            return;
        }
        // Twice what `pull` follows: proofs of logs hang on what hangs deepest.
        if depth > 2 * MAX_DEPTH {
            let problem = format!("evidence on {subject} hangs deeper than is followed");
            return self.done.problems.push(problem);
        }
        let mut found = BTreeSet::new();
        let hung = |repository: &str, tag: &str, channel: &Channel, manifest: &Digest| Hung {
            repository: repository.to_owned(),
            subject: *subject,
            tag: tag.to_owned(),
            channel: channel.clone(),
            manifest: *manifest,
        };
        let mut listed: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for tag in self.names.evidence.get(subject).into_iter().flatten() {
            let named = &tag.named;
            if tag.channel != Channel::Referrer {
                found.insert(hung(&named.repository, &named.tag, &tag.channel, &named.digest));
                continue;
            }
            // An index of referrers: where they hang.
            let index = self.source.read(&named.digest, MAX_MANIFEST).ok();
            let Some(Ok(Manifest { content: Content::Index { manifests }, .. })) =
                index.map(|bytes| Manifest::parse(&bytes, ""))
            else {
                continue;
            };
            self.done.fallbacks.insert((named.repository.clone(), *subject), named.digest);
            for descriptor in manifests {
                listed.entry(descriptor.digest).or_default().insert(named.repository.clone());
            }
        }
        match self.source.attachments(repository, subject) {
            Ok(attachments) => {
                for attachment in attachments {
                    let manifest = &attachment.manifest;
                    let ending = match attachment.channel {
                        Channel::SignatureTag => ".sig",
                        Channel::AttestationTag => ".att",
                        Channel::SbomTag => ".sbom",
                        Channel::Referrer => {
                            let here = BTreeSet::from([repository.to_owned()]);
                            for place in listed.get(manifest).unwrap_or(&here) {
                                found.insert(hung(place, "", &attachment.channel, manifest));
                            }
                            continue;
                        }
                    };
                    let tag = format!("{}-{}{ending}", subject.algorithm(), subject.hex());
                    found.insert(hung(repository, &tag, &attachment.channel, manifest));
                }
            }
            Err(fault) => return self.done.problems.push(fault.to_string()),
        }
        for hung in found {
            match self.part(&hung.manifest, "", true, 0) {
                Ok(true) => {}
                Ok(false) => drop(self.done.missing.insert((*subject, hung.manifest))),
                Err(reason) => self.done.problems.push(reason),
            }
            let part = self.done.parts.get(&hung.manifest);
            if hung.channel == Channel::Referrer && part.is_some_and(|p| p.subject != Some(*subject)) {
                continue;
            }
            let (place, manifest) = (hung.repository.clone(), hung.manifest);
            self.done.hung.push(hung);
            for below in self.done.order(&manifest) {
                self.ask(&place, &below, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_about_digests() {
        let digest = Digest::sha256(b"x");
        let stem = format!("sha256-{}", digest.hex());
        assert_eq!(about(&stem), Some((digest, Channel::Referrer, "")));
        assert_eq!(about(&format!("{stem}.sig")), Some((digest, Channel::SignatureTag, "")));
        assert_eq!(about(&format!("p-{stem}.att")), Some((digest, Channel::AttestationTag, "p-")));
        for tag in [format!("p-{stem}"), format!("p{stem}.sbom"), format!("{stem}.zip"), "v1".to_owned()] {
            assert_eq!(about(&tag), None, "{tag}");
        }
    }
}
