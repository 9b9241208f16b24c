//! One image, with all that hangs on it, to one registry: what leads to something is written after it.
//!
//! 1. The tag is looked at: another image under it stops everything before a byte is sent.
//! 2. Blobs, children, the image by its digest.
//! 3. Evidence by its digest, wherever it hangs; then the tags and indexes that lead to it.
//! 4. The image's tag.
//!
//! | rule | source |
//! |---|---|
//! | an index of referrers is kept where the registry does not list them itself: no `OCI-Subject` in the answer to a `PUT`, no referrers API | OCI distribution-spec 1.1, "Pushing Manifests with Subject" |
//! | and where the store has one: it says in which repository evidence hangs | `sealock::store::gather` |
//! | such a tag that leads to the subject itself is none | GitLab, oras-go issue 1396 |
//! | what was read is compared once more right before it is replaced | the specification has no conditional write |
//!
//! What is left: somebody who writes the same tag within the last question and the write loses to us.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _};
use sealock::image::Digest;
use sealock::store::Channel;
use serde::Serialize;

use super::courier::{Courier, Miss};
use super::inventory::{Inventory, Part};
use super::mapping::Mapping;
use super::merge::{self, Union};
use crate::registry::manifest::By;
use crate::registry::{Answer, Repository};

/// Blobs of one image asked for at once.
const WIDE: usize = 4;
/// How often a tag is read again because somebody else wrote it.
const AGAIN: usize = 3;

/// How an image came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// There, with all its evidence.
    Pushed,
    /// Not pushed: the registry does not take it, or something there must not be replaced.
    Refused,
    /// Not pushed: something cannot be told, or is not held.
    Unknown,
}

/// How a tag stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// It stood so before.
    Unchanged,
    /// It is new.
    Created,
    /// It was united with what stood there.
    Merged,
    /// It stood for another image.
    Moved,
}

/// A tag about a digest, or the referrers of one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceReport {
    /// What it is about.
    pub subject: Digest,
    /// `repository:tag`, or the repository for what its referrers API lists.
    pub at: String,
    /// The manifests of the store that are there now.
    pub manifests: Vec<Digest>,
    /// How the tag stands; nothing for referrers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Written>,
}

/// What a run says about an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// Its name in the store.
    pub name: String,
    /// What it stands for there.
    pub digest: Option<Digest>,
    /// Whether a seal vouches for the name; nothing where it was named by its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// Its name in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How it came out.
    pub fate: Fate,
    /// Why, where it was not pushed.
    pub reasons: Vec<String>,
    /// How its tag stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Written>,
    /// Evidence.
    pub evidence: Vec<EvidenceReport>,
    /// Platforms of the index that are not held.
    pub left_out: BTreeSet<Digest>,
}

/// What to bring.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// The report so far: name, digest, sealed.
    pub report: ImageReport,
    /// Canonical repository in the store.
    pub repository: String,
    /// Tag to write; nothing for an image named by its digest, and for evidence alone.
    pub tag: Option<String>,
    /// Everything about it.
    pub inventory: Inventory,
    /// The image itself is not to be brought.
    pub evidence_only: bool,
}

/// Brings an image.
pub async fn deliver(courier: &Courier<'_>, mapping: &Mapping, image: Consignment) -> ImageReport {
    let mut delivery = Delivery { courier, mapping, inventory: &image.inventory, report: image.report };
    let done = delivery.run(&image.repository, image.tag.as_deref(), image.evidence_only).await;
    let mut report = delivery.report;
    report.left_out.clone_from(&image.inventory.left_out);
    if let Err(miss) = done {
        (report.fate, report.tag) =
            (if matches!(miss, Miss::Refused(_)) { Fate::Refused } else { Fate::Unknown }, None);
        report.reasons.push(miss.to_string());
    }
    report
}

/// A referrer, and whether the registry said that it lists it; nothing where it was there already.
type Referrer = (Digest, Option<bool>);

struct Delivery<'a> {
    courier: &'a Courier<'a>,
    mapping: &'a Mapping,
    inventory: &'a Inventory,
    report: ImageReport,
}

impl Delivery<'_> {
    fn target(&self, repository: &str) -> Result<Repository, Miss> {
        self.mapping.target(repository).map_err(Miss::Refused)
    }

    fn part(&self, digest: &Digest) -> Result<&Part, Miss> {
        let part = self.inventory.parts.get(digest);
        part.ok_or_else(|| Miss::Unknown(format!("{digest} is not held")))
    }

    async fn run(&mut self, repository: &str, tag: Option<&str>, evidence_only: bool) -> Result<(), Miss> {
        let digest = self.report.digest.ok_or_else(|| Miss::Unknown("it stands for nothing".to_owned()))?;
        let inventory = self.inventory;
        if let Some(problem) = inventory.problems.first() {
            return Err(Miss::Unknown(problem.clone()));
        }
        if let Some((parent, child)) = inventory.missing.first() {
            let more = inventory.missing.len() - 1;
            return Err(Miss::Unknown(format!(
                "{parent} is held without {child}{}: nothing of it was pushed",
                if more > 0 { format!(" and {more} more are missing") } else { String::new() }
            )));
        }
        let to = self.target(repository)?;
        if !evidence_only {
            let stands = match tag {
                Some(tag) => self.stands(&to, tag, &digest).await?,
                None => Written::Unchanged,
            };
            self.bring(&to, &digest).await?;
            self.evidence().await?;
            if let Some(tag) = tag {
                self.report.tag = Some(self.name(&to, tag, &digest, stands).await?);
            }
            return Ok(());
        }
        self.evidence().await
    }

    /// How the image's tag stands before.
    async fn stands(&self, to: &Repository, tag: &str, digest: &Digest) -> Result<Written, Miss> {
        match self.courier.registries.stands_for(to, By::Tag(tag)).await {
            // A registry may know the same bytes by another algorithm.
            Answer::Found(there) if there == *digest || there.matches(&self.courier.read(digest)?) => {
                Ok(Written::Unchanged)
            }
            Answer::Found(_) if self.courier.move_tags => Ok(Written::Moved),
            Answer::Found(there) => Err(Miss::Refused(format!(
                "{}:{tag} stands for {there} in the registry and would be moved to {digest}: --move-tags lets it",
                to.name
            ))),
            Answer::Absent(_) => Ok(Written::Created),
            Answer::Unknown(doubt) => {
                Err(Miss::Unknown(format!("what {}:{tag} stands for is unknown: {doubt}", to.name)))
            }
        }
    }

    /// Writes the image's tag.
    async fn name(
        &self,
        to: &Repository,
        tag: &str,
        digest: &Digest,
        before: Written,
    ) -> Result<Written, Miss> {
        if before == Written::Unchanged {
            return Ok(before);
        }
        let _only = self.courier.tag_lock(to, tag).await;
        let now = self.stands(to, tag, digest).await?;
        if now != Written::Unchanged {
            let bytes = self.courier.read(digest)?;
            self.courier.put(to, By::Tag(tag), &self.part(digest)?.media_type, &bytes).await?;
        }
        Ok(now)
    }

    /// Brings a manifest with everything below it, each after what it leads to.
    async fn bring(&self, to: &Repository, digest: &Digest) -> Result<Option<bool>, Miss> {
        let order = self.inventory.order(digest);
        let parts = order.iter().map(|digest| self.part(digest)).collect::<Result<Vec<_>, _>>()?;
        let blobs: BTreeMap<_, _> = parts.iter().flat_map(|part| &part.blobs).collect();
        futures::stream::iter(blobs.into_iter().map(Ok))
            .try_for_each_concurrent(WIDE, |(blob, size)| self.courier.blob(to, blob, *size))
            .await?;
        let mut listed = None;
        for (digest, part) in order.iter().zip(parts) {
            let bytes = self.courier.read(digest)?;
            let arrived = self.courier.manifest(to, &part.media_type, &bytes, digest).await;
            listed = arrived.map_err(|miss| self.explain(digest, miss))?.listed;
        }
        Ok(listed)
    }

    /// A registry may want every platform of an index.
    fn explain(&self, digest: &Digest, miss: Miss) -> Miss {
        match miss {
            Miss::Refused(reason)
                if self.report.digest == Some(*digest) && !self.inventory.left_out.is_empty() =>
            {
                Miss::Refused(format!(
                    "{reason}; {} platforms of it are not held, and this registry takes only whole indexes: mirror it \
                     without a choice of platforms, or name a child by its digest",
                    self.inventory.left_out.len()
                ))
            }
            other => other,
        }
    }

    /// Brings everything that hangs on the image, then writes what leads to it.
    async fn evidence(&mut self) -> Result<(), Miss> {
        let mut tags: BTreeMap<(Repository, String), (Digest, Vec<Digest>)> = BTreeMap::new();
        let mut referrers: BTreeMap<(Repository, Digest), Vec<Referrer>> = BTreeMap::new();
        let mut kept: BTreeMap<(Repository, Digest), Digest> = BTreeMap::new();
        for ((repository, subject), index) in &self.inventory.fallbacks {
            kept.insert((self.target(repository)?, *subject), *index);
        }
        // What lies deepest first: evidence on evidence is there when the evidence is found.
        for hung in self.inventory.hung.iter().rev() {
            let to = self.target(&hung.repository)?;
            let listed = self.bring(&to, &hung.manifest).await?;
            if hung.channel == Channel::Referrer {
                referrers.entry((to, hung.subject)).or_default().push((hung.manifest, listed));
            } else {
                let entry = tags.entry((to, hung.tag.clone())).or_insert_with(|| (hung.subject, Vec::new()));
                entry.1.push(hung.manifest);
            }
        }
        for ((to, tag), (subject, mut manifests)) in tags {
            manifests.sort_unstable();
            manifests.dedup();
            let written = self.classic(&to, &tag, &manifests).await?;
            let at = format!("{}:{tag}", to.name);
            self.report.evidence.push(EvidenceReport { subject, at, manifests, tag: Some(written) });
        }
        for ((to, subject), mut manifests) in referrers {
            manifests.sort_unstable();
            manifests.dedup_by_key(|(digest, _)| *digest);
            let kept = kept.get(&(to.clone(), subject));
            let written = self.listed(&to, &subject, &manifests, kept).await?;
            let tag = format!("{}-{}", subject.algorithm(), subject.hex());
            let at = if written.is_some() { format!("{}:{tag}", to.name) } else { to.name };
            let manifests = manifests.into_iter().map(|(digest, _)| digest).collect();
            self.report.evidence.push(EvidenceReport { subject, at, manifests, tag: written });
        }
        Ok(())
    }

    /// Writes what should stand under a tag, from what `unite` makes of what stands there.
    async fn unite(
        &self,
        to: &Repository,
        tag: &str,
        ours: &[Vec<u8>],
        subject: Option<&Digest>,
        unite: impl Fn(Option<&[u8]>) -> Result<Union, merge::MergeFault>,
    ) -> Result<Written, Miss> {
        let _only = self.courier.tag_lock(to, tag).await;
        let at = format!("{}:{tag}", to.name);
        for _ in 0..AGAIN {
            let there = match self.courier.registries.stands_for(to, By::Tag(tag)).await {
                Answer::Found(digest) if subject == Some(&digest) => None,
                Answer::Found(digest) => Some(digest),
                Answer::Absent(_) => None,
                Answer::Unknown(doubt) => {
                    return Err(Miss::Unknown(format!("what {at} stands for is unknown: {doubt}")));
                }
            };
            let bytes = match there {
                None => None,
                Some(digest) => match ours.iter().find(|bytes| digest.matches(bytes)) {
                    Some(bytes) => Some(bytes.clone()),
                    None => match self.courier.registries.manifest(to, By::Tag(tag)).await {
                        Answer::Found(fetched) if fetched.digest == digest => Some(fetched.bytes),
                        Answer::Found(_) | Answer::Absent(_) => continue,
                        Answer::Unknown(doubt) => {
                            return Err(Miss::Unknown(format!(
                                "what stands under {at} cannot be read: {doubt}"
                            )));
                        }
                    },
                },
            };
            let united = unite(bytes.as_deref()).map_err(|fault| {
                Miss::Refused(format!("what stands under {at} in the registry stays as it is: {fault}"))
            })?;
            let created = if there.is_some() { Written::Merged } else { Written::Created };
            let (media_type, manifest) = match united {
                Union::AsItIs => return Ok(Written::Unchanged),
                Union::One(one) => {
                    let bytes = ours.get(one).cloned().unwrap_or_default();
                    let parsed = sealock::image::Manifest::parse(&bytes, "");
                    (parsed.map_err(|e| Miss::Unknown(e.to_string()))?.media_type, bytes)
                }
                Union::New { manifest, media_type, config } => {
                    if !config.is_empty() {
                        self.courier.bytes(to, &config).await?;
                    }
                    (media_type, manifest)
                }
            };
            // Whoever wrote meanwhile must not lose it.
            let now = match self.courier.registries.stands_for(to, By::Tag(tag)).await {
                Answer::Found(digest) if subject == Some(&digest) => None,
                Answer::Found(digest) => Some(digest),
                Answer::Absent(_) => None,
                Answer::Unknown(doubt) => {
                    return Err(Miss::Unknown(format!("what {at} stands for is unknown: {doubt}")));
                }
            };
            if now == there {
                self.courier.put(to, By::Tag(tag), &media_type, &manifest).await?;
                return Ok(created);
            }
        }
        Err(Miss::Unknown(format!("{at} is written by somebody else all the time")))
    }

    /// A classic evidence tag.
    async fn classic(&self, to: &Repository, tag: &str, manifests: &[Digest]) -> Result<Written, Miss> {
        let ours = manifests.iter().map(|digest| self.courier.read(digest)).collect::<Result<Vec<_>, _>>()?;
        self.unite(to, tag, &ours, None, |there| merge::layers(there, &ours)).await
    }

    /// The referrers of a digest: listed by the registry, or by an index under a tag. Tells how that tag stands.
    async fn listed(
        &self,
        to: &Repository,
        subject: &Digest,
        manifests: &[Referrer],
        kept: Option<&Digest>,
    ) -> Result<Option<Written>, Miss> {
        let api = if manifests.iter().any(|(_, listed)| *listed == Some(false)) {
            false
        } else if manifests.iter().all(|(_, listed)| *listed == Some(true)) {
            true
        } else {
            match self.courier.registries.referrers(to, subject).await {
                Answer::Found(there) => {
                    let there: BTreeSet<_> = there.iter().map(|descriptor| descriptor.digest).collect();
                    manifests.iter().all(|(digest, listed)| *listed == Some(true) || there.contains(digest))
                }
                Answer::Absent(_) => false,
                Answer::Unknown(doubt) => {
                    return Err(Miss::Unknown(format!(
                        "whether {} lists referrers is unknown: {doubt}",
                        to.name
                    )));
                }
            }
        };
        if api && kept.is_none() {
            return Ok(None);
        }
        let listings = manifests
            .iter()
            .map(|(digest, _)| {
                let bytes = self.courier.read(digest)?;
                merge::listing(digest, &bytes).map_err(|fault| Miss::Unknown(fault.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let kept: Vec<_> = kept.map(|digest| self.courier.read(digest)).transpose()?.into_iter().collect();
        let tag = format!("{}-{}", subject.algorithm(), subject.hex());
        let first = kept.first().map(Vec::as_slice);
        let unite = |there: Option<&[u8]>| merge::referrers(there, &listings, first);
        self.unite(to, &tag, &kept, Some(subject), unite).await.map(Some)
    }
}

/// Brings images, several at once, in the order given.
pub async fn deliver_all(
    courier: &Courier<'_>,
    mapping: &Mapping,
    images: impl Iterator<Item = Result<Consignment, Box<ImageReport>>>,
) -> Vec<ImageReport> {
    let each = images.map(|image| async move {
        match image {
            Ok(image) => deliver(courier, mapping, image).await,
            Err(report) => *report,
        }
    });
    futures::stream::iter(each).buffered(super::IMAGES).collect().await
}
