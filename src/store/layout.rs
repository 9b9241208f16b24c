//! An OCI image layout that is read where it lies: a directory or an archive.
//!
//! Input: a path. Output: a [`Source`]. Nothing is written, names are only claimed.
//!
//! Names come from `index.json` alone; what hangs on an image takes a walk through the whole layout, which is
//! done once, when the first question asks for it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::blob::{self, OpenFault};
use super::graph::{Contents, Graph};
use super::index::{self, Entry};
use super::listing::{self, MAX_ENTRIES};
use super::name::{self, Name};
use super::source::Resolved;
use super::{Attachment, Source, SourceFault, StoreFault, codes};
use crate::image::Digest;

/// Largest `oci-layout` file that is read, in bytes.
pub(super) const MAX_MARKER: u64 = 4096;

/// A layout with its content in `C`.
#[derive(Debug)]
pub struct Layout<C> {
    place: PathBuf,
    entries: Vec<Entry>,
    contents: C,
    graph: OnceLock<Graph>,
}

/// An OCI image layout in a directory.
pub type LayoutDirectory = Layout<Directory>;

/// Content in the `blobs/` folder of a directory.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Contents for Directory {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        listing::size(&blob::path(&self.root, digest))
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        blob::read(&self.root, digest, limit)
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        Ok(listing::list(&self.root, MAX_ENTRIES)?.blobs.into_iter().collect())
    }
}

impl LayoutDirectory {
    /// Opens the layout at `root`.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is no sound layout, [`StoreFault::Io`] where it cannot be read.
    pub fn open(root: &Path) -> Result<Self, StoreFault> {
        let entries = entries(root, None)?;
        Ok(Self::new(root, entries, Directory { root: root.to_owned() }))
    }
}

/// Reads `oci-layout` and `index.json` of the directory `root`.
pub(super) fn entries(root: &Path, repository: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    let file = |name: &'static str, limit| {
        let path = root.join(name);
        blob::read_plain(&path, limit).map_err(|fault| match fault {
            OpenFault::Absent => StoreFault::refused(
                &codes::NOT_A_BUNDLE,
                root.display().to_string(),
                format!("it holds no {name}, so it is no OCI image layout"),
            ),
            OpenFault::Special(kind) => {
                StoreFault::refused(&codes::SPECIAL_FILE, path.display().to_string(), format!("it is {kind}"))
            }
            OpenFault::Io(source) => StoreFault::Io { what: "reading", path, source },
        })
    };
    check_marker(&file("oci-layout", MAX_MARKER)?)?;
    index::parse(&file("index.json", index::MAX_INDEX_FILE)?, repository)
}

/// Checks the content of an `oci-layout` file.
pub(super) fn check_marker(bytes: &[u8]) -> Result<(), StoreFault> {
    #[derive(serde::Deserialize)]
    struct Marker {
        #[serde(rename = "imageLayoutVersion")]
        version: String,
    }
    let refused = |reason: String| StoreFault::refused(&codes::LAYOUT_VERSION, "oci-layout", reason);
    let marker: Marker = sealock_trust_root::json::parse(bytes, sealock_trust_root::json::Spelling::Exact)
        .map_err(|e| refused(e.to_string()))?;
    if marker.version == "1.0.0" {
        return Ok(());
    }
    Err(refused(format!("image layout version {:?}, only 1.0.0 is read", marker.version)))
}

impl<C: Contents> Layout<C> {
    pub(super) fn new(place: &Path, entries: Vec<Entry>, contents: C) -> Self {
        Self { place: place.to_owned(), entries, contents, graph: OnceLock::new() }
    }

    /// Every full name that it claims, with what it stands for; a name that is given twice, twice.
    pub fn names(&self) -> Vec<(String, Digest)> {
        let named =
            self.entries.iter().filter_map(|e| Some((e.name.as_ref()?.to_string(), e.descriptor.digest)));
        named.collect()
    }

    /// How many bytes a content has here; nothing where it is not held.
    ///
    /// # Errors
    /// Where the system cannot tell.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        self.contents.size(digest)
    }

    pub(super) fn contents(&self) -> &C {
        &self.contents
    }

    /// What `reference` stands for: a full name, a bare tag as `index.json` has it, or a digest. Without a
    /// reference, the layout's only named or only entry.
    ///
    /// # Errors
    /// [`SourceFault::NotHeld`] where it stands for nothing or for more than one thing.
    pub fn pick(&self, reference: Option<&str>) -> Result<Picked, SourceFault> {
        let not_held = |what: String| SourceFault::NotHeld { what, place: self.place.display().to_string() };
        let picked = |entry: &Entry| Picked {
            digest: entry.descriptor.digest,
            name: entry.name.as_ref().map(|n| (n.repository.clone(), n.tag.clone())),
        };
        let Some(reference) = reference else {
            let images: Vec<_> = self
                .entries
                .iter()
                .filter(|e| {
                    let tag = e.name.as_ref().map(|n| n.tag.as_str()).or(e.label.as_deref()).unwrap_or("");
                    name::kind(tag) == name::TagKind::Plain && e.descriptor.artifact_type.is_none()
                })
                .collect();
            let mut digests: Vec<_> = images.iter().map(|e| e.descriptor.digest).collect();
            digests.sort_unstable();
            digests.dedup();
            return match (images.first(), digests.len()) {
                (Some(entry), 1) => self.in_one_repository(entry).map(picked),
                (_, n) => Err(not_held(format!("one image ({n} are held: name one after the path)"))),
            };
        };
        if let Ok(digest) = reference.trim_start_matches('@').parse::<Digest>() {
            return match self.entries.iter().find(|e| e.descriptor.digest == digest && e.name.is_some()) {
                Some(entry) => self.in_one_repository(entry).map(picked),
                None => Ok(Picked { digest, name: None }),
            };
        }
        let wanted = name::full(reference);
        self.entries
            .iter()
            .find(|e| (wanted.is_some() && e.name == wanted) || e.label.as_deref() == Some(reference))
            .map(picked)
            .ok_or_else(|| not_held(reference.to_owned()))
    }

    /// The entry, unless another one puts the same content into another repository: whoever made the layout must not
    /// choose which policies apply.
    fn in_one_repository<'e>(&self, entry: &'e Entry) -> Result<&'e Entry, SourceFault> {
        let repository = |e: &Entry| e.name.as_ref().map(|n| n.repository.clone());
        let plain = |e: &&Entry| e.name.as_ref().is_some_and(|n| name::kind(&n.tag) == name::TagKind::Plain);
        let same = self.entries.iter().filter(|e| e.descriptor.digest == entry.descriptor.digest);
        let mut repositories: Vec<_> = same.filter(plain).filter_map(repository).collect();
        repositories.sort_unstable();
        repositories.dedup();
        if repositories.len() <= 1 {
            return Ok(entry);
        }
        Err(SourceFault::NotHeld {
            what: format!(
                "one name of {} ({} are there: give the full name after the path)",
                entry.descriptor.digest,
                repositories.join(", ")
            ),
            place: self.place.display().to_string(),
        })
    }

    fn graph(&self) -> Result<&Graph, SourceFault> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let graph = Graph::build(&self.entries, &self.contents).map_err(|fault| {
            let (what, place) = ("its evidence".to_owned(), self.place.display().to_string());
            match fault {
                StoreFault::Io { source, .. } => SourceFault::Unreadable { what, place, source },
                other => SourceFault::Damaged { what, place, reason: other.to_string() },
            }
        })?;
        Ok(self.graph.get_or_init(|| graph))
    }
}

/// What a reference into a layout stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// The digest.
    pub digest: Digest,
    /// Canonical repository and tag, where the layout gives a full name.
    pub name: Option<(String, String)>,
}

impl<C: Contents> Source for Layout<C> {
    fn place(&self) -> String {
        self.place.display().to_string()
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        let wanted = Name { repository: repository.to_owned(), tag: tag.to_owned() };
        self.entries
            .iter()
            .find(|e| e.name.as_ref() == Some(&wanted))
            .map(|e| Resolved { digest: e.descriptor.digest, sealed: false })
            .ok_or_else(|| SourceFault::NotHeld { what: wanted.to_string(), place: self.place() })
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        self.contents.read(digest, limit)
    }

    fn attachments(&self, repository: &str, subject: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        Ok(self.graph()?.attachments(repository, subject))
    }

    fn fallbacks(&self, subject: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        Ok(self.graph()?.fallbacks(subject))
    }
}
