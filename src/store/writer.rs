//! The one writer: makes a store, takes content in, commits.
//!
//! | step | a kill after it leaves |
//! |---|---|
//! | content is written to `ingest/`, hashed on the way, and synced | part files, removed by the next writer |
//! | part files are renamed into `blobs/`, the directories synced | sound content that nothing refers to |
//! | the catalogue commits, with the digest of the coming `index.json` | a complete store whose `index.json` is one import behind |
//! | `index.json` is replaced, the directory synced | a complete store |
//!
//! Each of these is called clean by `fsck`, and none of them can make a verdict better than the one before.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::catalogue::{self, Catalogue, Changes, Commit, INDEX_BEFORE, INDEX_NOW};
use super::fault::During;
use super::graph::Graph;
use super::lock::Lock;
use super::{StoreFault, blob, files, index, listing, marker};
use crate::image::Digest;

/// Where unfinished files live.
pub(super) const INGEST: &str = "ingest";
/// The next `index.json`, in `ingest/`.
const INDEX_PART: &str = "index.json.part";
/// Content of `oci-layout`.
pub(super) const OCI_LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

/// A store opened for writing; holds the lock.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    id: String,
    catalogue: Catalogue,
    _lock: Lock,
}

/// What [`Writer::init`] found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The store's id.
    pub id: String,
    /// Whether the store is new.
    pub new: bool,
}

impl Writer {
    /// Makes a store at `root`, or completes one whose making was interrupted, or finds the one that is there.
    /// `id` is for replicas that share one id; without it, a random one is taken.
    ///
    /// # Errors
    /// [`StoreFault::ForeignDirectory`] where `root` holds something else, [`StoreFault::OtherId`],
    /// [`StoreFault::Id`], [`StoreFault::NewerFormat`], [`StoreFault::Busy`], [`StoreFault::Io`].
    pub fn init(root: &Path, id: Option<&str>, patience: Duration) -> Result<Made, StoreFault> {
        if let Some(id) = id {
            marker::check(id)?;
        }
        refuse_foreign(root)?;
        fs::create_dir_all(root).during("making the directory", root)?;
        let _lock = Lock::take(root, "store init", patience)?;
        refuse_foreign(root)?;
        let found = marker::read(root)?;
        if let (Some(found), Some(wanted)) = (&found, id)
            && found != wanted
        {
            return Err(StoreFault::OtherId {
                place: root.to_owned(),
                wanted: wanted.to_owned(),
                found: found.clone(),
            });
        }
        let new = found.is_none();
        let id = match (found, id) {
            (Some(found), _) => found,
            (None, Some(id)) => id.to_owned(),
            (None, None) => marker::random_id()?,
        };
        if new {
            let part = root.join(format!("{}.part", marker::FILE));
            files::replace(&part, &root.join(marker::FILE), &marker::render(&id))?;
        }
        complete(root)?;
        Ok(Made { id, new })
    }

    /// Opens the store at `root` for writing, waiting up to `patience` for another writer. Removes what an
    /// interrupted one left behind.
    ///
    /// # Errors
    /// [`StoreFault::NotAStore`], [`StoreFault::NewerFormat`], [`StoreFault::Busy`],
    /// [`StoreFault::Catalogue`], [`StoreFault::Io`].
    pub fn open(root: &Path, verb: &str, patience: Duration) -> Result<Self, StoreFault> {
        let id = marker::read(root)?.ok_or_else(|| StoreFault::NotAStore { place: root.to_owned() })?;
        let lock = Lock::take(root, verb, patience)?;
        complete(root)?;
        let catalogue = Catalogue::write(root)?;
        let mut writer = Self { root: root.to_owned(), id, catalogue, _lock: lock };
        for entry in listing::entries(&writer.root.join(INGEST))? {
            // A download that broke off is continued; `ingest` hashes what is there first.
            if entry.file_name().to_string_lossy().ends_with(super::ingest::PARTIAL) {
                continue;
            }
            files::remove(&entry.path())?;
        }
        if writer.catalogue.state(INDEX_BEFORE)?.is_some() {
            writer.write_index()?;
        }
        Ok(writer)
    }

    /// Opens the store for a rebuild of its catalogue: one that cannot be read is replaced by an empty one.
    pub(super) fn rebuild(root: &Path, patience: Duration) -> Result<Self, StoreFault> {
        let id = marker::read(root)?.ok_or_else(|| StoreFault::NotAStore { place: root.to_owned() })?;
        let lock = Lock::take(root, "store reindex", patience)?;
        complete_folders(root)?;
        let opened = Catalogue::create(root).and_then(|catalogue| {
            catalogue.check()?;
            Ok(catalogue)
        });
        let catalogue = match opened {
            Err(StoreFault::Catalogue { .. }) => {
                // The log first: it must never be applied to the new file.
                for suffix in ["-wal", "-shm", "-journal", ""] {
                    files::remove(&root.join(format!("{}{suffix}", catalogue::FILE)))?;
                }
                Catalogue::create(root)?
            }
            opened => opened?,
        };
        Ok(Self { root: root.to_owned(), id, catalogue, _lock: lock })
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Commits `graph`, whose content is published already. `rebuild` empties the catalogue first.
    pub(super) fn commit(&mut self, graph: &Graph, rebuild: bool) -> Result<Changes, StoreFault> {
        self.commit_as(graph, rebuild, false)
    }

    /// Commits `graph`, for whose names a seal vouches. Names that only an earlier seal vouched for go.
    pub(super) fn commit_sealed(&mut self, graph: &Graph) -> Result<Changes, StoreFault> {
        self.commit_as(graph, false, true)
    }

    fn commit_as(&mut self, graph: &Graph, rebuild: bool, sealed: bool) -> Result<Changes, StoreFault> {
        let before = self.catalogue.state(INDEX_NOW)?;
        let root = self.root.clone();
        let commit = self.catalogue.begin()?;
        if rebuild {
            commit.clear()?;
        }
        let superseded = if sealed { commit.unseal()? } else { Vec::new() };
        let changes = commit.add(graph)?;
        if sealed {
            commit.seal(graph, &superseded)?;
        }
        if !changes.any && !rebuild && !sealed {
            return Ok(changes);
        }
        let now = render_index(&commit, &root)?;
        commit.set_state(INDEX_NOW, Some(&now.to_string()))?;
        commit.set_state(INDEX_BEFORE, Some(before.as_deref().unwrap_or("")))?;
        commit.finish()?;
        self.publish_index()?;
        Ok(changes)
    }

    /// Writes `index.json` again from the catalogue.
    fn write_index(&mut self) -> Result<(), StoreFault> {
        let root = self.root.clone();
        let commit = self.catalogue.begin()?;
        let now = render_index(&commit, &root)?;
        commit.set_state(INDEX_NOW, Some(&now.to_string()))?;
        commit.finish()?;
        self.publish_index()
    }

    fn publish_index(&mut self) -> Result<(), StoreFault> {
        files::rename(&self.root.join(INGEST).join(INDEX_PART), &self.root.join("index.json"))?;
        let commit = self.catalogue.begin()?;
        commit.set_state(INDEX_BEFORE, None)?;
        commit.finish()
    }
}

/// Makes what a store consists of, as far as it is missing. The caller holds the lock.
fn complete(root: &Path) -> Result<(), StoreFault> {
    complete_folders(root)?;
    if root.join("index.json").exists() {
        return Ok(());
    }
    // Either the store is new, or somebody removed `index.json`: the catalogue has all of it.
    let mut catalogue = Catalogue::create(root)?;
    let commit = catalogue.begin()?;
    let now = render_index(&commit, root)?;
    commit.set_state(INDEX_NOW, Some(&now.to_string()))?;
    commit.set_state(INDEX_BEFORE, None)?;
    commit.finish()?;
    files::rename(&root.join(INGEST).join(INDEX_PART), &root.join("index.json"))
}

fn complete_folders(root: &Path) -> Result<(), StoreFault> {
    files::make_directory(&root.join("blobs"))?;
    files::make_directory(&root.join("blobs/sha256"))?;
    files::make_directory(&root.join(INGEST))?;
    super::transfer::complete(root)?;
    if !root.join("oci-layout").exists() {
        files::replace(&root.join(INGEST).join("oci-layout.part"), &root.join("oci-layout"), OCI_LAYOUT)?;
    }
    Ok(())
}

/// Writes the `index.json` of the rows as they stand in `commit` to `ingest/`, synced; tells its digest.
fn render_index(commit: &Commit<'_>, root: &Path) -> Result<Digest, StoreFault> {
    let part = root.join(INGEST).join(INDEX_PART);
    files::remove(&part)?;
    let file = files::create(&part, 0o644)?;
    let mut out =
        Hashing { to: BufWriter::with_capacity(blob::CHUNK, file), hasher: crate::crypto::Hasher::sha256() };
    write_index(&mut out, |each| commit.each_named(each), &part)?;
    out.to.flush().during("writing", &part)?;
    out.to.get_ref().sync_all().during("writing", &part)?;
    let bytes: [u8; 32] = out.hasher.finish().try_into().unwrap_or_default();
    Ok(Digest::Sha256(bytes))
}

/// Writes an `index.json` to `out`.
pub(super) fn write_index<W: Write>(
    out: &mut W,
    rows: impl FnOnce(&mut dyn FnMut(&catalogue::Named) -> Result<(), StoreFault>) -> Result<(), StoreFault>,
    path: &Path,
) -> Result<(), StoreFault> {
    let mut writer = index::Writer::new(out).during("writing", path)?;
    rows(&mut |row| {
        let mut line = index::Line::of(row.digest, &row.node);
        if let Some(name) = &row.name {
            line.name(name);
        }
        writer.line(&line).during("writing", path)
    })?;
    writer.finish().during("writing", path)?;
    Ok(())
}

/// Hashes what is written.
pub(super) struct Hashing<W> {
    pub to: W,
    pub hasher: crate::crypto::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Refuses a directory that holds something and is no store.
fn refuse_foreign(root: &Path) -> Result<(), StoreFault> {
    if marker::read(root)?.is_some() {
        return Ok(());
    }
    for entry in listing::entries(root)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        // What an interrupted `init` leaves before `store.json` stands.
        if name != "lock" && name != format!("{}.part", marker::FILE) {
            return Err(StoreFault::ForeignDirectory { place: root.to_owned(), found: name });
        }
    }
    Ok(())
}
