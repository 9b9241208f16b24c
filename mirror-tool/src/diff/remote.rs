//! A registry's part of a comparison: everything about one image is fetched into memory, manifests only, and looked at
//! as any other place is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::StreamExt as _;
use sealock::image::manifest::Content;
use sealock::image::{Digest, Manifest};
use sealock::store::source::Resolved;
use sealock::store::{Attachment, Channel, Source, SourceFault};

use crate::pull::walk::MAX_DEPTH;
use crate::push::inventory::{Named, Names, about};
use crate::registry::manifest::By;
use crate::registry::{Answer, Registries, Repository};

/// Most manifests of one image that are fetched, evidence included.
const MAX_MANIFESTS: usize = 4096;
/// Most bytes of them.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Questions about blobs at once.
const WIDE: usize = 8;

/// What was fetched about one image.
#[derive(Debug, Default)]
pub struct Fetched {
    manifests: BTreeMap<Digest, Vec<u8>>,
    bytes: u64,
    referrers: BTreeMap<Digest, BTreeSet<Digest>>,
    tags: Vec<Named>,
    /// Sizes of the blobs that are there.
    pub blobs: BTreeMap<Digest, u64>,
    /// What nobody could tell.
    pub unknown: Vec<String>,
}

impl Fetched {
    /// Its names.
    pub fn names(&self) -> Names {
        Names::new(self.tags.iter().cloned())
    }

    fn keep(&mut self, digest: Digest, bytes: Vec<u8>) -> bool {
        self.bytes += bytes.len() as u64;
        if self.manifests.len() >= MAX_MANIFESTS || self.bytes > MAX_BYTES {
            let reason =
                format!("more than {MAX_MANIFESTS} manifests or {MAX_BYTES} bytes of them hang together");
            if !self.unknown.contains(&reason) {
                self.unknown.push(reason);
            }
            return false;
        }
        self.manifests.insert(digest, bytes);
        true
    }

    /// Fetches everything about `digest`, and looks for its blobs.
    pub async fn all(registries: &Registries, repository: &Repository, digest: &Digest) -> Self {
        let mut done = Self::default();
        // Breadth first: what is met on several ways is met on the shortest.
        let mut queue = VecDeque::from([(*digest, 0)]);
        let mut seen = BTreeSet::new();
        while let Some((digest, depth)) = queue.pop_front() {
            if !seen.insert(digest) {
                continue;
            }
            if depth > 2 * MAX_DEPTH {
                done.unknown.push(format!("{digest} hangs deeper than is followed"));
                continue;
            }
            if !done.manifests.contains_key(&digest) && !done.fetch(registries, repository, &digest).await {
                continue;
            }
            let manifest = done.manifests.get(&digest).and_then(|bytes| Manifest::parse(bytes, "").ok());
            if let Some(Manifest { content: Content::Index { manifests }, .. }) = manifest {
                let children = manifests.iter().filter(|child| Manifest::is_manifest(&child.media_type));
                queue.extend(children.map(|child| (child.digest, depth + 1)));
            }
            let evidence = done.ask(registries, repository, &digest).await;
            queue.extend(evidence.into_iter().map(|digest| (digest, depth + 1)));
        }
        done.look(registries, repository).await;
        done
    }

    /// Fetches a manifest by its digest. Tells whether it is there.
    async fn fetch(&mut self, registries: &Registries, repository: &Repository, digest: &Digest) -> bool {
        match registries.manifest(repository, By::Digest(digest)).await {
            Answer::Found(fetched) => self.keep(*digest, fetched.bytes),
            Answer::Absent(_) => false,
            Answer::Unknown(doubt) => {
                self.unknown.push(format!("{digest} cannot be fetched: {doubt}"));
                false
            }
        }
    }

    /// Asks every way about a digest; tells the evidence found.
    async fn ask(
        &mut self,
        registries: &Registries,
        repository: &Repository,
        subject: &Digest,
    ) -> Vec<Digest> {
        let stem = format!("{}-{}", subject.algorithm(), subject.hex());
        let tags = [format!("{stem}.sig"), format!("{stem}.att"), format!("{stem}.sbom"), stem];
        let answers =
            futures::future::join_all(tags.iter().map(|tag| registries.manifest(repository, By::Tag(tag))));
        let (answers, listed) = futures::join!(answers, registries.referrers(repository, subject));
        let mut found = Vec::new();
        let mut listings = BTreeSet::new();
        for (tag, answer) in tags.iter().zip(answers) {
            match answer {
                Answer::Found(fetched) if fetched.digest != *subject => {
                    let digest = fetched.digest;
                    if about(tag).is_some_and(|(_, channel, _)| channel != Channel::Referrer) {
                        found.push(digest);
                    } else if let Ok(Manifest { content: Content::Index { manifests }, .. }) =
                        Manifest::parse(&fetched.bytes, "")
                    {
                        listings.extend(manifests.iter().map(|descriptor| descriptor.digest));
                    }
                    self.tags.push(Named { repository: repository.name.clone(), tag: tag.clone(), digest });
                    self.keep(digest, fetched.bytes);
                }
                Answer::Found(_) | Answer::Absent(_) => {}
                Answer::Unknown(doubt) => {
                    self.unknown.push(format!("{}:{tag} is unknown: {doubt}", repository.name));
                }
            }
        }
        match listed {
            Answer::Found(listed) => listings.extend(listed.iter().map(|descriptor| descriptor.digest)),
            Answer::Absent(_) => {}
            Answer::Unknown(doubt) => {
                self.unknown.push(format!("the referrers of {subject} are unknown: {doubt}"));
            }
        }
        for digest in listings {
            if !self.manifests.contains_key(&digest) && !self.fetch(registries, repository, &digest).await {
                continue;
            }
            let manifest = self.manifests.get(&digest).and_then(|bytes| Manifest::parse(bytes, "").ok());
            if manifest.is_some_and(|manifest| manifest.subject.is_some_and(|s| s.digest == *subject)) {
                self.referrers.entry(*subject).or_default().insert(digest);
                found.push(digest);
            }
        }
        found
    }

    /// Looks for every blob.
    async fn look(&mut self, registries: &Registries, repository: &Repository) {
        let mut wanted: BTreeMap<Digest, u64> = BTreeMap::new();
        for manifest in self.manifests.values().filter_map(|bytes| Manifest::parse(bytes, "").ok()) {
            let is_index = matches!(manifest.content, Content::Index { .. });
            let blobs = manifest.children().into_iter().map(|c| (c.digest, c.size, c.media_type.clone()));
            wanted.extend(
                blobs
                    .filter(|(_, _, kind)| !is_index || !Manifest::is_manifest(kind))
                    .map(|(d, s, _)| (d, s)),
            );
        }
        let asks = wanted.into_iter().map(|(digest, size)| async move {
            (digest, size, registries.has_blob(repository, &digest, size).await)
        });
        let answers: Vec<_> =
            futures::stream::iter(asks.collect::<Vec<_>>()).buffer_unordered(WIDE).collect().await;
        for (digest, size, answer) in answers {
            match answer {
                Answer::Found(()) => drop(self.blobs.insert(digest, size)),
                Answer::Absent(_) => {}
                Answer::Unknown(doubt) => {
                    self.unknown.push(format!("whether {digest} is there is unknown: {doubt}"));
                }
            }
        }
        self.unknown.sort();
    }
}

impl Source for Fetched {
    fn place(&self) -> String {
        "the registry".to_owned()
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        let found = self.tags.iter().find(|named| named.repository == repository && named.tag == tag);
        found
            .map(|named| Resolved { digest: named.digest, sealed: false })
            .ok_or_else(|| SourceFault::NotHeld { what: format!("{repository}:{tag}"), place: self.place() })
    }

    fn read(&self, digest: &Digest, _: u64) -> Result<Vec<u8>, SourceFault> {
        let found = self.manifests.get(digest).cloned();
        found.ok_or_else(|| SourceFault::NotHeld { what: digest.to_string(), place: self.place() })
    }

    fn attachments(&self, _: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        let referrers = self.referrers.get(subject).into_iter().flatten();
        let attachment = |digest: &Digest| Attachment {
            channel: Channel::Referrer,
            manifest: *digest,
            media_type: String::new(),
        };
        Ok(referrers.map(attachment).collect())
    }

    fn fallbacks(&self, _: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        Ok(Vec::new())
    }
}
