//! The store as a [`Source`]: cheap to open, never waits for the writer, believes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::catalogue::{Catalogue, Named};
use super::name::EvidenceTag;
use super::source::{Resolved, fallback_tag};
use super::transfer::{self, Accepted};
use super::{Attachment, Channel, Source, SourceFault, StoreFault, blob, graph, marker};
use crate::image::Digest;

/// A store opened for reading.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    id: String,
    catalogue: Mutex<Catalogue>,
    /// What was accepted, with the floors that it belongs to.
    accepted: Mutex<Option<Believed>>,
}

/// The floors as they were read, and what they led to.
type Believed = (Vec<u8>, Arc<Accepted>);

impl Store {
    /// Opens the store at `root`. Reads two small files and scans nothing.
    ///
    /// # Errors
    /// [`StoreFault::NotAStore`], [`StoreFault::NewerFormat`], [`StoreFault::Catalogue`], [`StoreFault::Io`].
    pub fn open(root: &Path) -> Result<Self, StoreFault> {
        let id = marker::read(root)?.ok_or_else(|| StoreFault::NotAStore { place: root.to_owned() })?;
        let catalogue = Catalogue::read(root)?;
        Ok(Self { root: root.to_owned(), id, catalogue: Mutex::new(catalogue), accepted: Mutex::new(None) })
    }

    /// The store's id: random, or as given to `store init --id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that is listed: named images and evidence in the order of their names, then the nameless.
    ///
    /// # Errors
    /// [`StoreFault::Catalogue`].
    pub fn list(&self) -> Result<Vec<Listed>, StoreFault> {
        let sealed = self.accepted()?.map(|accepted| accepted.names()).transpose()?.unwrap_or_default();
        let mut listed = Vec::new();
        self.with(|catalogue| {
            catalogue.each_named(|row| {
                let mut line = Listed::from(row);
                if let Some(name) = &line.name {
                    let vouched = sealed.get(name).is_some_and(|digest| *digest == line.digest.to_string());
                    line.status = if vouched { "sealed" } else { "claimed" };
                }
                listed.push(line);
                Ok::<_, StoreFault>(())
            })
        })?;
        Ok(listed)
    }

    /// What operators have sealed, believed anew whenever the floors changed; nothing where none are pinned.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it cannot be believed: then no name is sealed, and none may be taken as claimed.
    pub fn accepted(&self) -> Result<Option<Arc<Accepted>>, StoreFault> {
        let floors = transfer::floors(&self.root)?;
        let broken = |_| StoreFault::Catalogue {
            place: self.root.clone(),
            reason: "an earlier question broke off".to_owned(),
        };
        let mut kept = self.accepted.lock().map_err(broken)?;
        if let (Some(floors), Some((known, accepted))) = (&floors, kept.as_ref())
            && floors == known
        {
            return Ok(Some(Arc::clone(accepted)));
        }
        let Some(accepted) = Accepted::open(&self.root, &self.id)?.map(Arc::new) else { return Ok(None) };
        *kept = floors.map(|floors| (floors, Arc::clone(&accepted)));
        Ok(Some(accepted))
    }

    /// What a seal says that a name stands for.
    fn sealed(&self, repository: &str, tag: &str) -> Result<Option<Digest>, SourceFault> {
        let name = format!("{repository}:{tag}");
        let damaged =
            |reason: String| SourceFault::Damaged { what: name.clone(), place: self.place(), reason };
        let Some(accepted) = self.accepted().map_err(|e| damaged(e.to_string()))? else { return Ok(None) };
        let digest = accepted.resolve(&name).map_err(|e| damaged(e.to_string()))?;
        digest
            .map(|digest| digest.parse().map_err(|_| damaged("the seal gives it no digest".into())))
            .transpose()
    }

    pub(super) fn with<T>(
        &self,
        ask: impl FnOnce(&Catalogue) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let Ok(mut catalogue) = self.catalogue.lock() else {
            return Err(StoreFault::Catalogue {
                place: self.root.clone(),
                reason: "an earlier question broke off".to_owned(),
            });
        };
        if catalogue.stale() {
            *catalogue = Catalogue::read(&self.root)?;
        }
        let answer = ask(&catalogue);
        if catalogue.stale() {
            // Only for one who may not write beside the catalogue: what was read may be torn.
            return Err(StoreFault::Busy {
                place: self.root.clone(),
                holder: "another process".to_owned(),
                waited: 0,
            });
        }
        answer
    }

    fn ask<T>(
        &self,
        what: impl Fn() -> String,
        ask: impl FnOnce(&Catalogue) -> Result<T, StoreFault>,
    ) -> Result<T, SourceFault> {
        self.with(ask).map_err(|fault| SourceFault::Unreadable {
            what: what(),
            place: self.place(),
            source: std::io::Error::other(fault.to_string()),
        })
    }
}

/// One line of `store ls`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Full name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The manifest.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// Bytes of the manifest itself.
    pub size: u64,
    /// Kind of artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it is about, where it says so itself or by its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Digest>,
    /// `sealed`, or `claimed` by whoever wrote the bundle; `held` by digest only.
    pub status: &'static str,
}

impl From<&Named> for Listed {
    fn from(row: &Named) -> Self {
        let by_tag = row.name.as_ref().and_then(|n| match super::name::kind(&n.tag) {
            super::name::TagKind::Evidence(_, subject) | super::name::TagKind::Fallback(subject) => {
                Some(subject)
            }
            super::name::TagKind::Plain => None,
        });
        Self {
            name: row.name.as_ref().map(ToString::to_string),
            digest: row.digest,
            media_type: row.node.media_type.clone(),
            size: row.node.size,
            artifact_type: row.node.artifact_type.clone(),
            about: row.node.subject.or(by_tag),
            status: match (&row.name, row.sealed) {
                (Some(_), true) => "sealed",
                (Some(_), false) => "claimed",
                (None, _) => "held",
            },
        }
    }
}

/// What hangs on `subject` according to `catalogue`: see [`Source::attachments`].
pub(super) fn attachments(
    catalogue: &Catalogue,
    repository: &str,
    subject: &Digest,
) -> Result<Vec<(Digest, Channel)>, StoreFault> {
    let mut found = Vec::new();
    for evidence in EvidenceTag::ALL {
        if let Some((manifest, _)) = catalogue.name(repository, &evidence.tag(subject))? {
            found.push((manifest, evidence.channel()));
        }
    }
    for (evidence, manifest) in catalogue.loose(subject)? {
        found.push((manifest, evidence.channel()));
    }
    found.extend(catalogue.referrers(subject)?.into_iter().map(|manifest| (manifest, Channel::Referrer)));
    Ok(found)
}

impl Source for Store {
    fn place(&self) -> String {
        format!("the store {}", self.root.display())
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        if let Some(digest) = self.sealed(repository, tag)? {
            return Ok(Resolved { digest, sealed: true });
        }
        let what = || format!("{repository}:{tag}");
        match self.ask(what, |catalogue| catalogue.name(repository, tag))? {
            // The mark in the catalogue is a finding aid: only the seal itself makes a name sealed.
            Some((digest, _)) => Ok(Resolved { digest, sealed: false }),
            None => Err(SourceFault::NotHeld { what: what(), place: self.place() }),
        }
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        blob::read_file(&blob::path(&self.root, digest), digest, limit, &self.place())
    }

    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        let mut vouched = Vec::new();
        for evidence in EvidenceTag::ALL {
            if let Some(digest) = self.sealed(repository, &evidence.tag(subject))? {
                vouched.push((digest, evidence.channel()));
            }
        }
        // So do the referrers that were sealed: one that is gone is missed, not forgotten.
        let damaged = |fault: StoreFault| SourceFault::Damaged {
            what: format!("the evidence about {subject}"),
            place: self.place(),
            reason: fault.to_string(),
        };
        if let Some(accepted) = self.accepted().map_err(damaged)? {
            let referrers = accepted.referrers(subject).map_err(damaged)?;
            vouched.extend(referrers.into_iter().map(|digest| (digest, Channel::Referrer)));
        }
        self.ask(
            || format!("the evidence about {subject}"),
            |catalogue| {
                let mut found = attachments(catalogue, repository, subject)?;
                // What a seal says about evidence counts, whatever the catalogue says.
                found.extend(vouched.iter().filter(|v| !found.contains(v)).cloned().collect::<Vec<_>>());
                let mut kinds = std::collections::BTreeMap::new();
                for (manifest, _) in &found {
                    if let Some(kind) = catalogue.media_type(manifest)? {
                        kinds.insert(*manifest, kind);
                    }
                }
                Ok(graph::sorted(found, |manifest| kinds.get(manifest).cloned()))
            },
        )
    }

    fn fallbacks(&self, subject: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        self.ask(
            || format!("the evidence about {subject}"),
            |catalogue| catalogue.fallbacks(&fallback_tag(subject)),
        )
    }

    fn absent(&self, place: &str, subject: &Digest) -> Result<Vec<String>, SourceFault> {
        let damaged = |fault: StoreFault| SourceFault::Damaged {
            what: format!("the ledger about {subject}"),
            place: self.place(),
            reason: fault.to_string(),
        };
        let accepted = self.accepted().map_err(damaged)?;
        accepted.map_or(Ok(Vec::new()), |accepted| accepted.absent(place, subject)).map_err(damaged)
    }
}
