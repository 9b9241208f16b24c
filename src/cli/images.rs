//! Images named on the command line, and the source that each one is read from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::exit::Failure;
use super::place;
use crate::image::{Digest, Reference};
use crate::store::{LayoutDirectory, Picked, Source, SourceFault, Store, StoreFault};

/// An image as judged.
pub struct Found<'s> {
    /// The name, parsed.
    pub reference: Reference,
    /// The digest, or why the name stands for none.
    pub digest: Result<Digest, String>,
    /// Where its evidence is.
    pub source: &'s dyn Source,
}

/// Sources that are open, each opened once.
pub struct Sources {
    store: PathBuf,
    open: BTreeMap<String, Opened>,
}

enum Opened {
    Store(Store),
    Directory(LayoutDirectory),
}

impl Opened {
    fn source(&self) -> &dyn Source {
        match self {
            Self::Store(store) => store,
            Self::Directory(layout) => layout,
        }
    }

    fn pick(&self, reference: Option<&str>) -> Result<Picked, SourceFault> {
        match self {
            Self::Store(store) => Err(SourceFault::NotHeld { what: "a layout".into(), place: store.place() }),
            Self::Directory(layout) => layout.pick(reference),
        }
    }
}

impl Sources {
    /// Nothing open yet; `store` as given on the command line.
    pub fn new(store: Option<&Path>) -> Self {
        Self { store: place::store_directory(store), open: BTreeMap::new() }
    }

    /// The image that `written` names.
    ///
    /// # Errors
    /// Exit 2 for text that is no image name and for places that hold no images; exit 3 where they cannot be read.
    pub fn find(&mut self, written: &str) -> Result<Found<'_>, Failure> {
        for (scheme, is_archive) in [("oci-archive:", true), ("oci:", false)] {
            if let Some(rest) = written.strip_prefix(scheme) {
                return self.in_layout(rest, is_archive);
            }
        }
        let reference = Reference::parse(written)
            .map_err(|e| Failure::misuse(anyhow!("{written:?} is not an image name: {e}")))?;
        let store = self.store.clone();
        let opened = self.open("", || Store::open(&store).map(Opened::Store))?;
        let digest = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Ok(*digest),
            (None, tag) => resolve(opened.source(), reference.repository(), tag.unwrap_or("latest"))?,
        };
        Ok(Found { reference, digest, source: opened.source() })
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
        let store = self.store.clone();
        let opened = self.open("", || Store::open(&store).map(Opened::Store))?;
        let mut repositories = std::collections::BTreeSet::new();
        if let Opened::Store(store) = opened {
            for listed in store.list().map_err(store_failure)? {
                let concerned = listed.digest == digest || listed.about == Some(digest);
                let name = listed.name.filter(|_| concerned).and_then(|name| Reference::parse(&name).ok());
                repositories.extend(name.map(|name| name.repository().to_owned()));
            }
        }
        // A digest without any name still has referrers; they hang on it whatever the repository.
        let mut repositories: Vec<_> = repositories.into_iter().collect();
        if repositories.is_empty() {
            repositories.push("unnamed.invalid/image".to_owned());
        }
        let name = repositories.first().map_or("unnamed.invalid/image", String::as_str);
        let reference = Reference::parse(&format!("{name}@{digest}"))
            .map_err(|e| Failure::misuse(anyhow!("{written:?} cannot be looked up: {e}")))?;
        Ok((Found { reference, digest: Ok(digest), source: opened.source() }, repositories))
    }

    fn in_layout(&mut self, rest: &str, is_archive: bool) -> Result<Found<'_>, Failure> {
        // A path may hold colons; the reference is what follows the longest prefix that exists.
        let (path, wanted) = split_path(rest);
        let key = format!("{is_archive}:{path}");
        let opened = self.open(&key, || {
            if is_archive {
                LayoutDirectory::open(Path::new(path)).map(Opened::Directory)
            } else {
                LayoutDirectory::open(Path::new(path)).map(Opened::Directory)
            }
        })?;
        let picked = opened.pick(wanted).map_err(|e| match e {
            SourceFault::NotHeld { .. } => Failure::misuse(e),
            _ => Failure::undecided(e),
        })?;
        let text = match (&picked.name, wanted) {
            (Some((repository, _)), _) => format!("{repository}@{}", picked.digest),
            (None, Some(wanted)) if wanted.contains('/') => wanted.to_owned(),
            _ => {
                return Err(Failure::misuse(anyhow!(
                    "the layout {path} gives {} no full name, so no policy can match it: import it under a name first",
                    picked.digest
                )));
            }
        };
        let reference = Reference::parse(&text)
            .map_err(|e| Failure::misuse(anyhow!("{text:?} in {path} is not an image name: {e}")))?;
        Ok(Found { reference, digest: Ok(picked.digest), source: opened.source() })
    }

    fn open(
        &mut self,
        key: &str,
        open: impl FnOnce() -> Result<Opened, StoreFault>,
    ) -> Result<&Opened, Failure> {
        if !self.open.contains_key(key) {
            let opened = open().map_err(store_failure)?;
            self.open.insert(key.to_owned(), opened);
        }
        self.open.get(key).ok_or_else(|| Failure::undecided(anyhow!("a source vanished while it was opened")))
    }
}

/// What a fault of the store means for the exit status: wrong place or wrong use, or undecided.
pub fn store_failure(fault: StoreFault) -> Failure {
    match fault {
        StoreFault::Io { .. } | StoreFault::Catalogue { .. } => Failure::undecided(fault),
        _ => Failure::misuse(fault),
    }
}

fn resolve(source: &dyn Source, repository: &str, tag: &str) -> Result<Result<Digest, String>, Failure> {
    match source.resolve(repository, tag) {
        Ok(found) => Ok(Ok(found.digest)),
        Err(e @ SourceFault::NotHeld { .. }) => Ok(Err(e.to_string())),
        Err(e) => Err(Failure::undecided(e)),
    }
}

/// `DIR[:REF]`: the longest prefix up to a colon that exists is the path.
fn split_path(text: &str) -> (&str, Option<&str>) {
    if Path::new(text).exists() {
        return (text, None);
    }
    let colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).collect();
    for at in colons.into_iter().rev() {
        if let Some((path, rest)) = text.split_at_checked(at)
            && Path::new(path).exists()
        {
            return (path, rest.strip_prefix(':'));
        }
    }
    (text, None)
}
