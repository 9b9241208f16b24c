//! From names to manifests, and from manifests to everything that is said about them. Fetches manifests only.
//!
//! | rule | source |
//! |---|---|
//! | a name is resolved once; with a digest it is not resolved at all | |
//! | each manifest of the image is asked about by all five ways, and so is each piece of evidence, [`MAX_DEPTH`] deep | evidence hangs on children and on evidence |
//! | a fallback tag that leads to the subject itself is no fallback tag | GitLab, oras-go issue 1396 |
//! | what is held already is not fetched again: a `HEAD` on the tag is enough | |

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use sealock::image::manifest::{Content, Descriptor, MAX_MANIFEST};
use sealock::image::{Digest, Manifest};
use sealock::store::{Arrival, Intake};

use super::ledger::{Question, Refused, State};
use super::order::{Evidence, Order, Wanted};
use crate::registry::manifest::By;
use crate::registry::{Answer, Fetched, Registries, Repository};

/// How deep evidence hangs on evidence, and indexes nest.
pub const MAX_DEPTH: usize = 4;
/// Most manifests of one image, evidence included.
const MAX_MANIFESTS: usize = 20_000;
/// Images walked at once.
const IMAGES: usize = 4;
/// Manifests of one list asked for at once.
const WIDE: usize = 8;

/// A blob that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Where it is.
    pub repository: Repository,
    /// The evidence manifest that it belongs to; nothing for the image's own.
    pub evidence: Option<Digest>,
}

/// What was found about one image.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Canonical name with tag, or with digest where there is no tag.
    pub name: String,
    /// What it stands for.
    pub digest: Option<Digest>,
    /// Manifests to commit.
    pub arrivals: Vec<Arrival>,
    /// Every manifest of it, with its size; evidence too.
    pub manifests: BTreeMap<Digest, u64>,
    /// Blobs that belong to them.
    pub needs: Vec<Need>,
    /// What was asked.
    pub questions: Vec<Question>,
    /// Evidence left out.
    pub refused: BTreeSet<Refused>,
    /// Kinds of evidence found about the image's own digest, by manifest.
    pub kinds: BTreeSet<(Digest, Evidence)>,
    /// Children of indexes that are of other platforms.
    pub left_out: usize,
    /// Why the image cannot be brought.
    pub problems: Vec<String>,
}

struct Walk<'a> {
    registries: &'a Registries,
    intake: Option<&'a Intake>,
    keep: bool,
    order: &'a Order,
    wanted: &'a Wanted,
    done: Walked,
    /// Subjects that were asked about.
    asked: BTreeSet<Digest>,
}

/// Walks every image of the order. With `intake`, what is held is used; with `keep`, manifests are kept in it.
pub async fn walk(
    registries: &Registries,
    intake: Option<&Intake>,
    keep: bool,
    order: &Order,
) -> Vec<Walked> {
    let walks = order.images.iter().map(|wanted| {
        let done = Walked { name: display_name(wanted), ..Walked::default() };
        let mut walk = Walk { registries, intake, keep, order, wanted, done, asked: BTreeSet::new() };
        async move {
            walk.image().await;
            walk.done.finish(&order.waivers);
            walk.done
        }
    });
    futures::stream::iter(walks).buffered(IMAGES).collect().await
}

/// The name under which an image is kept.
fn display_name(wanted: &Wanted) -> String {
    match (wanted.reference.tag(), wanted.digest()) {
        (Some(tag), _) => format!("{}:{tag}", wanted.reference.repository()),
        (None, Some(digest)) => format!("{}@{digest}", wanted.reference.repository()),
        (None, None) => wanted.reference.name(),
    }
}

impl Walked {
    /// Orders the questions, and waives those that may stay open.
    pub fn finish(&mut self, waivers: &[super::Waiver]) {
        self.questions.sort_by_key(|q| (q.subject, q.place.clone(), q.channel.clone()));
        self.questions.dedup();
        for question in self.questions.iter_mut().filter(|q| q.state == State::Unknown) {
            let name = question.name();
            if let Some(waiver) = waivers.iter().find(|w| w.covers(&name)) {
                question.state = State::Waived;
                question.waiver = Some(waiver.reason.clone());
            }
        }
    }

    /// The questions that nobody answered or waived.
    pub fn open(&self) -> impl Iterator<Item = &Question> {
        self.questions.iter().filter(|q| q.state == State::Unknown)
    }
}

/// Why a manifest could not be taken in.
enum Miss {
    /// It cannot be read in one way, or the registry denies to have a part of it.
    Refused(String),
    /// Nobody knows.
    Open(String),
}

impl Miss {
    fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Open(reason) => reason,
        }
    }
}

/// Where a piece of evidence was looked for.
struct Place<'p> {
    repository: &'p Repository,
    prefix: &'p str,
}

impl Place<'_> {
    fn shown(&self) -> String {
        if self.prefix.is_empty() {
            self.repository.name.clone()
        } else {
            format!("{}#{}", self.repository.name, self.prefix)
        }
    }
}

impl Walk<'_> {
    async fn image(&mut self) {
        let repository = match Repository::of(&self.wanted.reference) {
            Ok(repository) => repository,
            Err(fault) => return self.done.problems.push(fault.to_string()),
        };
        let tag = self.wanted.reference.tag().unwrap_or("latest");
        let found = match self.wanted.digest() {
            Some(digest) => self.by_digest(&repository, digest).await,
            None => self.by_tag(&repository, tag).await,
        };
        let fetched = match found {
            Answer::Found(fetched) => fetched,
            Answer::Absent(absence) => {
                return self
                    .done
                    .problems
                    .push(format!("the registry says that it does not exist ({absence})"));
            }
            Answer::Unknown(doubt) => {
                return self.done.problems.push(format!("it cannot be resolved: {doubt}"));
            }
        };
        self.done.digest = Some(fetched.digest);
        let announced = if Manifest::is_manifest(&fetched.media_type) {
            fetched.media_type.clone()
        } else {
            String::new()
        };
        let name = self.wanted.reference.tag().map(|tag| format!("{}:{tag}", repository.name));
        let digest = fetched.digest;
        match self.take(&repository, fetched, &announced, None, 0).await {
            Ok(manifest) => self.arrive(digest, &manifest.media_type, name),
            Err(miss) => self.done.problems.push(miss.reason()),
        }
    }

    fn arrive(&mut self, digest: Digest, media_type: &str, name: Option<String>) {
        let size = self.done.manifests.get(&digest).copied().unwrap_or_default();
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            annotations: BTreeMap::new(),
            artifact_type: None,
            platform: None,
            data: None,
            urls: Vec::new(),
        };
        self.done.arrivals.push(Arrival { descriptor, name });
    }

    /// A manifest by digest: from the store where it is held.
    async fn by_digest(&self, repository: &Repository, digest: &Digest) -> Answer<Fetched> {
        if let Some(bytes) = self.intake.and_then(|intake| intake.read(digest, MAX_MANIFEST)) {
            return Answer::Found(Fetched { digest: *digest, media_type: String::new(), bytes });
        }
        self.registries.manifest(repository, By::Digest(digest)).await
    }

    /// A manifest by tag: a `HEAD` where the store has it under that name.
    async fn by_tag(&self, repository: &Repository, tag: &str) -> Answer<Fetched> {
        let hint = self.intake.and_then(|intake| intake.named(&repository.name, tag));
        if let Some(digest) = hint
            && let Some(bytes) = self.intake.and_then(|intake| intake.read(&digest, MAX_MANIFEST))
            && self.registries.unchanged(repository, tag, &digest).await
        {
            return Answer::Found(Fetched { digest, media_type: String::new(), bytes });
        }
        self.registries.manifest(repository, By::Tag(tag)).await
    }

    /// Takes a manifest in, with what it points to, and asks about it. `evidence` is the piece it belongs to.
    fn take<'s>(
        &'s mut self,
        repository: &'s Repository,
        fetched: Fetched,
        announced: &'s str,
        evidence: Option<Digest>,
        depth: usize,
    ) -> BoxFuture<'s, Result<Manifest, Miss>> {
        Box::pin(async move {
            let digest = fetched.digest;
            let manifest = Manifest::parse(&fetched.bytes, announced)
                .map_err(|fault| Miss::Refused(format!("{digest} cannot be read in one way: {fault}")))?;
            if self.done.manifests.insert(digest, fetched.bytes.len() as u64).is_some() {
                return Ok(manifest);
            }
            if self.done.manifests.len() > MAX_MANIFESTS {
                return Err(Miss::Open(format!("more than {MAX_MANIFESTS} manifests hang together")));
            }
            if let Some(intake) = self.intake.filter(|_| self.keep) {
                intake.put(&digest, &fetched.bytes).map_err(|fault| Miss::Open(fault.to_string()))?;
            }
            if let Err(miss) = self.children(repository, &manifest, digest, evidence, depth).await {
                // Met again, it fails again.
                self.done.manifests.remove(&digest);
                return Err(miss);
            }
            self.ask(repository, digest, usize::from(evidence.is_some()) + depth).await;
            Ok(manifest)
        })
    }

    /// Takes in what a manifest points to.
    async fn children(
        &mut self,
        repository: &Repository,
        manifest: &Manifest,
        digest: Digest,
        evidence: Option<Digest>,
        depth: usize,
    ) -> Result<(), Miss> {
        let is_index = matches!(manifest.content, Content::Index { .. });
        for child in manifest.children() {
            if is_index && Manifest::is_manifest(&child.media_type) {
                if !self.wanted.wants(child.platform.as_ref()) {
                    self.done.left_out += 1;
                    continue;
                }
                if depth >= MAX_DEPTH {
                    return Err(Miss::Refused(format!("{digest} nests deeper than {MAX_DEPTH} indexes")));
                }
                let found = match self.by_digest(repository, &child.digest).await {
                    Answer::Found(found) if found.bytes.len() as u64 == child.size => found,
                    Answer::Found(found) => {
                        return Err(Miss::Refused(format!(
                            "{digest} says that {} has {} bytes, it has {}",
                            child.digest,
                            child.size,
                            found.bytes.len()
                        )));
                    }
                    Answer::Absent(absence) => {
                        return Err(Miss::Refused(format!(
                            "its child {} is not there ({absence})",
                            child.digest
                        )));
                    }
                    Answer::Unknown(doubt) => {
                        return Err(Miss::Open(format!(
                            "its child {} cannot be fetched: {doubt}",
                            child.digest
                        )));
                    }
                };
                self.take(repository, found, &child.media_type, evidence, depth + 1).await?;
            } else {
                self.done.needs.push(Need {
                    digest: child.digest,
                    size: child.size,
                    repository: repository.clone(),
                    evidence,
                });
            }
        }
        Ok(())
    }

    /// Asks every way about `subject`.
    async fn ask(&mut self, repository: &Repository, subject: Digest, depth: usize) {
        if !self.asked.insert(subject) {
            return;
        }
        if depth > MAX_DEPTH {
            // Nobody judges that deep, and a chain without an end must not hold the image up. It is said, though.
            return self.done.questions.push(Question {
                answer: "not asked".to_owned(),
                channel: "every-channel".to_owned(),
                digests: Vec::new(),
                state: State::Waived,
                subject,
                waiver: Some(format!("evidence on evidence is followed {MAX_DEPTH} deep")),
                place: repository.name.clone(),
            });
        }
        let others = self.order.places.iter().map(|place| {
            (place.repository.clone().unwrap_or_else(|| repository.clone()), place.prefix.clone())
        });
        let mut places: BTreeSet<_> = others.collect();
        places.remove(&(repository.clone(), String::new()));
        let own = (repository.clone(), String::new());
        for (repository, prefix) in std::iter::once(own).chain(places) {
            let place = Place { repository: &repository, prefix: &prefix };
            self.ask_place(&place, subject, depth).await;
        }
    }

    async fn ask_place(&mut self, place: &Place<'_>, subject: Digest, depth: usize) {
        let stem = format!("{}{}-{}", place.prefix, subject.algorithm(), subject.hex());
        let tags = [format!("{stem}.sig"), format!("{stem}.att"), format!("{stem}.sbom"), stem.clone()];
        let [sig, att, sbom, fallback] = &tags;
        // With a prefix only the two classic tags exist, as for policy-controller.
        let (signature, attestation) =
            futures::join!(self.by_tag(place.repository, sig), self.by_tag(place.repository, att));
        self.tagged(place, subject, "signature-tag", sig, signature, depth).await;
        self.tagged(place, subject, "attestation-tag", att, attestation, depth).await;
        if !place.prefix.is_empty() {
            return;
        }
        let (bom, index, listed) = futures::join!(
            self.by_tag(place.repository, sbom),
            self.by_tag(place.repository, fallback),
            self.registries.referrers(place.repository, &subject)
        );
        self.tagged(place, subject, "sbom-tag", sbom, bom, depth).await;
        self.fallback(place, subject, fallback, index, depth).await;
        match listed {
            Answer::Found(listed) => {
                let (digests, trouble) = self.listed(place, subject, &listed, depth).await;
                self.answered(place, subject, "referrers", digests, "200", trouble);
            }
            Answer::Absent(absence) => {
                self.note(place, subject, "referrers", State::Absent, absence.to_string(), Vec::new());
            }
            Answer::Unknown(doubt) => {
                self.note(place, subject, "referrers", State::Unknown, doubt.reason, Vec::new());
            }
        }
    }

    fn note(
        &mut self,
        place: &Place<'_>,
        subject: Digest,
        channel: &str,
        state: State,
        answer: String,
        digests: Vec<Digest>,
    ) {
        self.done.questions.push(Question {
            answer,
            channel: channel.to_owned(),
            digests,
            state,
            subject,
            waiver: None,
            place: place.shown(),
        });
    }

    fn answered(
        &mut self,
        place: &Place<'_>,
        subject: Digest,
        channel: &str,
        digests: Vec<Digest>,
        answer: &str,
        trouble: Option<String>,
    ) {
        match trouble {
            Some(reason) => self.note(place, subject, channel, State::Unknown, reason, digests),
            None if digests.is_empty() => {
                self.note(
                    place,
                    subject,
                    channel,
                    State::Absent,
                    format!("{answer}, nothing about it"),
                    digests,
                );
            }
            None => self.note(place, subject, channel, State::Found, answer.to_owned(), digests),
        }
    }

    /// A classic evidence tag.
    async fn tagged(
        &mut self,
        place: &Place<'_>,
        subject: Digest,
        channel: &str,
        tag: &str,
        answer: Answer<Fetched>,
        depth: usize,
    ) {
        let fetched = match answer {
            Answer::Found(fetched) => fetched,
            Answer::Absent(absence) => {
                return self.note(place, subject, channel, State::Absent, absence.to_string(), Vec::new());
            }
            Answer::Unknown(doubt) => {
                return self.note(place, subject, channel, State::Unknown, doubt.reason, Vec::new());
            }
        };
        let digest = fetched.digest;
        let name = Some(format!("{}:{tag}", place.repository.name));
        match self.take(place.repository, fetched, "", Some(digest), depth).await {
            Ok(manifest) => {
                if self.done.digest == Some(subject) {
                    let kind = match channel {
                        "signature-tag" => Evidence::Signature,
                        "attestation-tag" => Evidence::Attestation,
                        _ => Evidence::Sbom,
                    };
                    self.done.kinds.insert((digest, kind));
                }
                self.arrive(digest, &manifest.media_type, name);
                self.note(place, subject, channel, State::Found, "200".to_owned(), vec![digest]);
            }
            Err(Miss::Open(reason)) => {
                self.note(place, subject, channel, State::Unknown, reason, Vec::new());
            }
            Err(Miss::Refused(reason)) => {
                self.done.refused.insert(Refused { digest, reason });
                self.note(place, subject, channel, State::Found, "200, refused".to_owned(), Vec::new());
            }
        }
    }

    /// The tag that stands in for the referrers API.
    async fn fallback(
        &mut self,
        place: &Place<'_>,
        subject: Digest,
        tag: &str,
        answer: Answer<Fetched>,
        depth: usize,
    ) {
        const CHANNEL: &str = "fallback-tag";
        let fetched = match answer {
            Answer::Found(fetched) => fetched,
            Answer::Absent(absence) => {
                return self.note(place, subject, CHANNEL, State::Absent, absence.to_string(), Vec::new());
            }
            Answer::Unknown(doubt) => {
                return self.note(place, subject, CHANNEL, State::Unknown, doubt.reason, Vec::new());
            }
        };
        if fetched.digest == subject {
            let answer = "200, the subject itself".to_owned();
            return self.note(place, subject, CHANNEL, State::Absent, answer, Vec::new());
        }
        let manifest = match Manifest::parse(&fetched.bytes, "") {
            Ok(manifest) => manifest,
            Err(fault) => {
                self.done.refused.insert(Refused { digest: fetched.digest, reason: fault.to_string() });
                let answer = "200, refused".to_owned();
                return self.note(place, subject, CHANNEL, State::Found, answer, Vec::new());
            }
        };
        let Content::Index { manifests } = manifest.content else {
            let answer = "200, no index of referrers".to_owned();
            return self.note(place, subject, CHANNEL, State::Absent, answer, Vec::new());
        };
        let (digests, trouble) = self.listed(place, subject, &manifests, depth).await;
        if !digests.is_empty() {
            let kept = self
                .intake
                .filter(|_| self.keep)
                .map_or(Ok(()), |intake| intake.put(&fetched.digest, &fetched.bytes));
            if let Err(fault) = kept {
                self.done.problems.push(fault.to_string());
            }
            self.done.manifests.insert(fetched.digest, fetched.bytes.len() as u64);
            self.arrive(
                fetched.digest,
                &manifest.media_type,
                Some(format!("{}:{tag}", place.repository.name)),
            );
        }
        self.answered(place, subject, CHANNEL, digests, "200", trouble);
    }

    /// Manifests that are listed as referring to `subject`: those that do, and why others could not be told.
    async fn listed(
        &mut self,
        place: &Place<'_>,
        subject: Digest,
        listed: &[Descriptor],
        depth: usize,
    ) -> (Vec<Digest>, Option<String>) {
        let wanted: BTreeMap<Digest, u64> = listed.iter().map(|d| (d.digest, d.size)).collect();
        let fetched: Vec<_> = {
            let this = &*self;
            let asks =
                wanted.into_iter().filter(|(digest, _)| *digest != subject).map(
                    |(digest, size)| async move {
                        (digest, size, this.by_digest(place.repository, &digest).await)
                    },
                );
            futures::stream::iter(asks.collect::<Vec<_>>()).buffered(WIDE).collect().await
        };
        let mut found = Vec::new();
        let mut trouble = None;
        for (digest, size, answer) in fetched {
            let fetched = match answer {
                Answer::Found(fetched) => fetched,
                Answer::Absent(absence) => {
                    trouble = Some(format!("{digest} is listed and not there ({absence})"));
                    continue;
                }
                Answer::Unknown(doubt) => {
                    trouble = Some(format!("{digest} is listed and cannot be fetched: {doubt}"));
                    continue;
                }
            };
            let refuse = |reason: String| Refused { digest, reason };
            if fetched.bytes.len() as u64 != size {
                let reason = format!("listed with {size} bytes, it has {}", fetched.bytes.len());
                self.done.refused.insert(refuse(reason));
                continue;
            }
            let manifest = match Manifest::parse(&fetched.bytes, "") {
                Ok(manifest) => manifest,
                Err(fault) => {
                    self.done.refused.insert(refuse(fault.to_string()));
                    continue;
                }
            };
            if manifest.subject.as_ref().is_none_or(|s| s.digest != subject) {
                // Whoever lists it lies, or means the parts of an index.
                continue;
            }
            match self.take(place.repository, fetched, "", Some(digest), depth).await {
                Ok(manifest) => {
                    if self.done.digest == Some(subject) {
                        self.done.kinds.extend(Evidence::claimed(&manifest).map(|kind| (digest, kind)));
                    }
                    self.arrive(digest, &manifest.media_type, None);
                    found.push(digest);
                }
                Err(Miss::Open(reason)) => trouble = Some(reason),
                Err(Miss::Refused(reason)) => drop(self.done.refused.insert(refuse(reason))),
            }
        }
        (found, trouble)
    }
}
