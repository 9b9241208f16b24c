//! The store as a [`Source`]: cheap to open, never waits for the writer, believes nothing.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::catalogue::{Catalogue, Named};
use super::name::EvidenceTag;
use super::source::{Resolved, fallback_tag};
use super::{Attachment, Channel, Source, SourceFault, StoreFault, blob, graph, marker};
use crate::image::Digest;

/// A store opened for reading.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    id: String,
    catalogue: Mutex<Catalogue>,
}

impl Store {
    /// Opens the store at `root`. Reads two small files and scans nothing.
    ///
    /// # Errors
    /// [`StoreFault::NotAStore`], [`StoreFault::NewerFormat`], [`StoreFault::Catalogue`], [`StoreFault::Io`].
    pub fn open(root: &Path) -> Result<Self, StoreFault> {
        let id = marker::read(root)?.ok_or_else(|| StoreFault::NotAStore { place: root.to_owned() })?;
        let catalogue = Catalogue::read(root)?;
        Ok(Self { root: root.to_owned(), id, catalogue: Mutex::new(catalogue) })
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
        let mut listed = Vec::new();
        self.with(|catalogue| {
            catalogue.each_named(|row| {
                listed.push(Listed::from(row));
                Ok::<_, StoreFault>(())
            })
        })?;
        Ok(listed)
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
        let what = || format!("{repository}:{tag}");
        match self.ask(what, |catalogue| catalogue.name(repository, tag))? {
            Some((digest, sealed)) => Ok(Resolved { digest, sealed }),
            None => Err(SourceFault::NotHeld { what: what(), place: self.place() }),
        }
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        blob::read_file(&blob::path(&self.root, digest), digest, limit, &self.place())
    }

    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        self.ask(
            || format!("the evidence about {subject}"),
            |catalogue| {
                let found = attachments(catalogue, repository, subject)?;
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
}
