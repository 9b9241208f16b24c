//! What a side is, by what a person writes.
//!
//! | written | is |
//! |---|---|
//! | `store:DIR`, `oci:DIR`, `oci-archive:FILE`, `transfer:FILE` | that, at that path |
//! | a path that exists | a store if it has a `store.json`, a layout if it is another folder, a transfer if it begins like one, else an archive |
//! | the base of a row of segments | a transfer |
//! | `registry:HOST/PATH`, or without `registry:` | every tag of that repository |
//! | `… :TAG` or `… @DIGEST` | that image alone |
//! | `registry:HOST[/PREFIX]/`, or without `registry:` | whatever the other side has, where `push` would put it |

use std::collections::BTreeSet;
use std::path::Path;

use sealock::image::{Digest, Reference};
use sealock::store::transfer::{self, CarriedTransfer};
use sealock::store::{LayoutArchive, LayoutDirectory, Source, Store, StoreFault};

use crate::push::inventory::{Named, Names};
use crate::push::mapping::Mapping;

/// A side on this machine.
pub struct Local {
    /// Where it is, for messages.
    pub shown: String,
    /// Its content.
    pub source: Box<dyn Source>,
    /// Its names.
    pub names: Names,
    /// What it leaves out because its receiver has it.
    pub omitted: BTreeSet<Digest>,
    /// How many bytes a content has.
    #[allow(clippy::type_complexity, reason = "one question")]
    pub held: Box<dyn Fn(&Digest) -> Result<Option<u64>, String>>,
}

/// What is asked of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tag of a canonical repository.
    Repository(String),
    /// One image.
    Image(Box<Reference>),
    /// What the other side has, where `push` would put it.
    Mapped(Mapping),
}

/// A side.
pub enum Place {
    /// On this machine.
    Local(Box<Local>),
    /// In a registry.
    Registry(Scope),
}

/// Why a text is no side.
#[derive(Debug, thiserror::Error)]
pub enum PlaceFault {
    /// It names nothing.
    #[error("{0}")]
    Misuse(String),
    /// It cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

fn named(names: Vec<(String, Digest)>) -> Names {
    Names::new(names.into_iter().filter_map(|(name, digest)| {
        let (repository, tag) = name.rsplit_once(':')?;
        Some(Named { repository: repository.to_owned(), tag: tag.to_owned(), digest })
    }))
}

fn store(path: &Path) -> Result<Local, PlaceFault> {
    let store = Store::open(path)?;
    let names = crate::push::inventory::names_of(&store)?;
    let contents = Store::open(path)?;
    let held = Box::new(move |digest: &Digest| contents.size(digest).map_err(|fault| fault.to_string()));
    let shown = path.display().to_string();
    Ok(Local { shown, source: Box::new(store), names, omitted: BTreeSet::new(), held })
}

/// A layout, twice: once to walk, once to look for content.
macro_rules! layout {
    ($kind:ty, $path:expr, $omitted:expr) => {{
        let (layout, contents) = (<$kind>::open($path)?, <$kind>::open($path)?);
        let omitted: BTreeSet<Digest> = $omitted(&layout);
        let held = Box::new(move |digest: &Digest| contents.size(digest).map_err(|fault| fault.to_string()));
        let (shown, names) = ($path.display().to_string(), named(layout.names()));
        Ok(Local { shown, source: Box::new(layout), names, omitted, held })
    }};
}

fn directory(path: &Path) -> Result<Local, PlaceFault> {
    layout!(LayoutDirectory, path, |_: &LayoutDirectory| BTreeSet::new())
}

fn archive(path: &Path) -> Result<Local, PlaceFault> {
    layout!(LayoutArchive, path, |_: &LayoutArchive| BTreeSet::new())
}

fn carried(path: &Path) -> Result<Local, PlaceFault> {
    layout!(CarriedTransfer, path, |transfer: &CarriedTransfer| transfer.omitted().clone())
}

fn registry(text: &str, rules: &[String]) -> Result<Scope, String> {
    if let Some(target) = text.strip_suffix('/') {
        return Mapping::parse(target, rules).map(Scope::Mapped);
    }
    let host =
        text.split_once('/').map(|(host, _)| host).filter(|h| *h == "localhost" || h.contains(['.', ':']));
    if host.is_none() {
        return Err(format!(
            "{text:?} is neither a path that exists nor a name with its registry: HOST/PATH[:TAG], or HOST/ for all"
        ));
    }
    let reference = Reference::parse(text).map_err(|e| format!("{text:?} is no name: {e}"))?;
    let written_tag = text.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    Ok(if written_tag || reference.digest().is_some() {
        Scope::Image(Box::new(reference))
    } else {
        Scope::Repository(reference.repository().to_owned())
    })
}

impl Place {
    /// Reads and opens a side. `rules` map names for a whole registry.
    ///
    /// # Errors
    /// [`PlaceFault`].
    pub fn open(text: &str, rules: &[String]) -> Result<Self, PlaceFault> {
        let local = |local: Result<Local, PlaceFault>| local.map(|local| Self::Local(Box::new(local)));
        if let Some((form, rest)) = text.split_once(':') {
            let path = Path::new(rest);
            match form {
                "store" => return local(store(path)),
                "oci" => return local(directory(path)),
                "oci-archive" => return local(archive(path)),
                "transfer" => return local(carried(path)),
                "registry" => return registry(rest, rules).map(Self::Registry).map_err(PlaceFault::Misuse),
                _ => {}
            }
        }
        let path = Path::new(text);
        if path.is_dir() {
            return local(if path.join("store.json").exists() { store(path) } else { directory(path) });
        }
        if transfer::is_carried(path) {
            return local(carried(path));
        }
        if path.exists() {
            return local(archive(path));
        }
        registry(text, rules).map(Self::Registry).map_err(PlaceFault::Misuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        let read = |text: &str| registry(text, &[]);
        assert_eq!(read("ghcr.io/a/b"), Ok(Scope::Repository("ghcr.io/a/b".into())));
        assert!(matches!(read("ghcr.io/a/b:1"), Ok(Scope::Image(r)) if r.tag() == Some("1")));
        assert!(matches!(read("localhost:5000/a/b"), Ok(Scope::Repository(_))));
        assert!(matches!(read("localhost:5000/"), Ok(Scope::Mapped(_))));
        assert!(matches!(read("r.io/in/x/"), Ok(Scope::Mapped(_))));
        for bad in ["x", "a/b", "r.io/A", "r.io/a:b:c", "", "/"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
