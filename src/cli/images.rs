//! Images named on the command line, and the source that each one is read from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::exit::Failure;
use super::place;
use crate::image::{Digest, Reference};
use crate::store::form::{self, FormFault};
use crate::store::{Source, SourceFault, Store, StoreFault};

/// An image as judged.
pub struct Found<'s> {
    /// The name, parsed.
    pub reference: Reference,
    /// The digest, or why the name stands for none.
    pub digest: Result<Digest, String>,
    /// The name whose digest nobody vouches for, where one was resolved or brought along by a layout.
    pub claimed: Option<String>,
    /// Where its evidence is.
    pub source: &'s dyn Source,
}

/// Sources that are open: the store, once, and the layouts that images were named in.
pub struct Sources {
    place: PathBuf,
    store: Option<Store>,
    layouts: BTreeMap<String, form::Opened>,
}

impl Sources {
    /// Nothing open yet; `store` as given on the command line.
    pub fn new(store: Option<&Path>) -> Self {
        Self { place: place::store_directory(store), store: None, layouts: BTreeMap::new() }
    }

    /// The image that `written` names.
    ///
    /// # Errors
    /// Exit 2 for text that is no image name and for places that hold no images; exit 3 where they cannot be read.
    pub fn find(&mut self, written: &str) -> Result<Found<'_>, Failure> {
        if let Some(opened) = form::open(written) {
            let opened = opened.map_err(|fault| match fault {
                FormFault::Layout(fault) => store_failure(fault),
                FormFault::Image(fault @ SourceFault::NotHeld { .. }) => Failure::misuse(fault),
                FormFault::Image(fault) => Failure::undecided(fault),
            })?;
            return in_layout(written, self.layouts.entry(written.to_owned()).or_insert(opened));
        }
        let reference = Reference::parse(written)
            .map_err(|e| Failure::misuse(anyhow!("{written:?} is not an image name: {e}")))?;
        let store = self.store()?;
        let (digest, claimed) = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => (Ok(*digest), None),
            (None, tag) => resolve(store, reference.repository(), tag.unwrap_or("latest"))?,
        };
        Ok(Found { reference, digest, claimed, source: store })
    }

    fn store(&mut self) -> Result<&Store, Failure> {
        if self.store.is_none() {
            self.store = Some(Store::open(&self.place).map_err(store_failure)?);
        }
        self.store
            .as_ref()
            .ok_or_else(|| Failure::undecided(anyhow!("the store vanished while it was opened")))
    }

    /// As [`Self::find`], or a bare digest in the store; with every repository that is known for it.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_or_digest(&mut self, written: &str) -> Result<(Found<'_>, Vec<String>), Failure> {
        let Ok(digest) = written.parse::<Digest>() else {
            let found = self.find(written)?;
            let repository = found.reference.repository().to_owned();
            return Ok((found, vec![repository]));
        };
        let store = self.store()?;
        let mut repositories = std::collections::BTreeSet::new();
        for listed in store.list().map_err(store_failure)? {
            let concerned = listed.digest == digest || listed.about == Some(digest);
            let name = listed.name.filter(|_| concerned).and_then(|name| Reference::parse(&name).ok());
            repositories.extend(name.map(|name| name.repository().to_owned()));
        }
        // A digest without any name still has referrers; they hang on it whatever the repository.
        let mut repositories: Vec<_> = repositories.into_iter().collect();
        if repositories.is_empty() {
            repositories.push("unnamed.invalid/image".to_owned());
        }
        let name = repositories.first().map_or("unnamed.invalid/image", String::as_str);
        let reference = Reference::parse(&format!("{name}@{digest}"))
            .map_err(|e| Failure::misuse(anyhow!("{written:?} cannot be looked up: {e}")))?;
        Ok((Found { reference, digest: Ok(digest), claimed: None, source: store }, repositories))
    }
}

/// An image that lies in a layout outside of the store.
fn in_layout<'s>(written: &str, opened: &'s form::Opened) -> Result<Found<'s>, Failure> {
    let digest = opened.image.digest;
    let Some((repository, tag)) = &opened.image.name else {
        return Err(Failure::misuse(anyhow!(
            "the layout behind {written:?} gives {digest} no full name, so no policy can match it: name it in \
             org.opencontainers.image.ref.name, or import the layout"
        )));
    };
    let text = format!("{repository}@{digest}");
    let reference = Reference::parse(&text)
        .map_err(|e| Failure::misuse(anyhow!("{text:?} is not an image name: {e}")))?;
    let claimed = Some(format!("{repository}:{tag}"));
    Ok(Found { reference, digest: Ok(digest), claimed, source: opened.source.as_ref() })
}

/// What a fault of the store means for the exit status: wrong place or wrong use, or undecided.
pub fn store_failure(fault: StoreFault) -> Failure {
    match fault {
        StoreFault::Io { .. } | StoreFault::Catalogue { .. } => Failure::undecided(fault),
        _ => Failure::misuse(fault),
    }
}

/// The digest, or why there is none; and the name, where only a bundle claims it.
type Named = (Result<Digest, String>, Option<String>);

fn resolve(source: &dyn Source, repository: &str, tag: &str) -> Result<Named, Failure> {
    match source.resolve(repository, tag) {
        Ok(found) => Ok((Ok(found.digest), (!found.sealed).then(|| format!("{repository}:{tag}")))),
        Err(e @ SourceFault::NotHeld { .. }) => Ok((Err(e.to_string()), None)),
        Err(e) => Err(Failure::undecided(e)),
    }
}
