//! Content that is fetched piece by piece, by many at once, and may break off anywhere.
//!
//! Input: bytes named by a digest and a size. Output: files in `blobs/` that hash to their name; then a [`Plan`] over
//! them, which judges and commits as for any bundle.
//!
//! | rule | why |
//! |---|---|
//! | a part file of `ingest/` with the ending `.partial` survives the next [`Writer`] and is continued | a large blob need not start again after a kill |
//! | what a part holds is hashed again before it is continued | nobody vouches for a file that was left |
//! | content is published once it hashes to its name, before anything refers to it | a kill leaves sound content; `fsck` calls it clean |
//! | content that is there counts if it hashes to its name now; large content that the catalogue knows by its size | as for every import |
//! | small files are synced together | one sync of a 2 kB file costs as much as hashing 3 MB |
//!
//! Not here: where the bytes come from; names, manifests and evidence (`graph`), the commit (`writer`).
//!
//! Attacks considered: links and devices planted in `ingest/`, a partial of other content, a source without an end.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};

use super::fault::During;
use super::graph::{Contents, Graph};
use super::import::Plan;
use super::index::Entry;
use super::source::Channel;
use super::staging::SMALL;
use super::writer::{INGEST, Writer};
use super::{Source as _, SourceFault, Store, StoreFault, blob, codes, files, listing, name};
use crate::crypto::Hasher;
use crate::image::Digest;
use crate::image::manifest::Descriptor;

/// Ending of part files that outlive their writer.
pub(super) const PARTIAL: &str = ".partial";

/// Takes content in; cheap to clone, usable from many threads.
#[derive(Clone, Debug)]
pub struct Intake {
    root: PathBuf,
    /// The catalogue, for what is large and was hashed when it came in.
    store: Arc<Store>,
    /// Small contents in `ingest/` that are not synced yet.
    pending: Arc<Mutex<BTreeSet<Digest>>>,
}

/// Content under way.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    digest: Digest,
    size: u64,
    offset: u64,
    hasher: Hasher,
    file: File,
    intake: Intake,
}

/// Something to commit: a manifest that was taken in, and the full name it has, if any.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Media type, digest and size of the manifest.
    pub descriptor: Descriptor,
    /// `host/repository:tag`; without one the manifest is kept by its digest.
    pub name: Option<String>,
}

impl Writer {
    /// For taking in fetched content. The writer must live as long as it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn intake(&self) -> Result<Intake, StoreFault> {
        let store = Arc::new(Store::open(self.root())?);
        Ok(Intake { root: self.root().to_owned(), store, pending: Arc::default() })
    }

    /// Forgets every partial file: when all that was wanted has arrived, nothing continues them.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn forget_partials(&self) -> Result<(), StoreFault> {
        for entry in listing::entries(&self.root().join(INGEST))? {
            if entry.file_name().to_string_lossy().ends_with(PARTIAL) {
                files::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Keeps the history of a log in `logs/` under `name`, replaced as a whole.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn keep_log(&self, name: &str, bytes: &[u8]) -> Result<(), StoreFault> {
        let folder = self.root().join(LOGS);
        files::make_directory(&folder)?;
        files::replace(&self.root().join(INGEST).join("log.part"), &folder.join(name), bytes)
    }

    /// The history of a log; nothing where none is kept.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn log(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreFault> {
        let path = self.root().join(LOGS).join(name);
        match blob::read_plain(&path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(blob::OpenFault::Absent) => Ok(None),
            Err(fault) => Err(StoreFault::Io { what: "reading", path, source: fault.into_io() }),
        }
    }

    /// Keeps a document in `snapshots/` under `name`, replaced as a whole.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn keep_snapshot(&self, name: &str, bytes: &[u8]) -> Result<(), StoreFault> {
        let folder = self.root().join(SNAPSHOTS);
        files::make_directory(&folder)?;
        files::replace(&self.root().join(INGEST).join("snapshot.part"), &folder.join(name), bytes)
    }

    /// The names in `snapshots/` that start with `prefix`, in byte order.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn snapshots(&self, prefix: &str) -> Result<Vec<String>, StoreFault> {
        let folder = self.root().join(SNAPSHOTS);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let names = listing::entries(&folder)?.into_iter();
        let mut names: Vec<_> = names.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        Ok(names)
    }

    /// A document of `snapshots/`, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn snapshot(&self, name: &str, limit: u64) -> Result<Vec<u8>, StoreFault> {
        let path = self.root().join(SNAPSHOTS).join(name);
        blob::read_plain(&path, limit).map_err(|fault| StoreFault::Io {
            what: "reading",
            path,
            source: fault.into_io(),
        })
    }
}

/// Folder of the store for canonical JSON that seals rest on.
const SNAPSHOTS: &str = "snapshots";
/// Folder of the store for histories of logs.
pub const LOGS: &str = "logs";

impl Intake {
    /// Whether the store holds this content: large content if catalogue and size agree, else if the file hashes right
    /// now.
    ///
    /// # Errors
    /// [`StoreFault::Io`] where it is there and cannot be read.
    pub fn holds(&self, digest: &Digest, size: u64) -> Result<bool, StoreFault> {
        let path = blob::path(&self.root, digest);
        match blob::open_regular(&path) {
            Ok((_, found))
                if found == size
                    && size > SMALL
                    && self.store.with(|catalogue| catalogue.blob(digest))? == Some(size) =>
            {
                Ok(true)
            }
            Ok((file, found)) if found == size => {
                let mut buffer = Vec::new();
                let streamed =
                    blob::stream(file, digest, &mut buffer, |_| Ok(())).during("reading", &path)?;
                Ok(streamed.matches)
            }
            Ok(_) | Err(blob::OpenFault::Absent | blob::OpenFault::Special(_)) => Ok(false),
            Err(blob::OpenFault::Io(source)) => Err(StoreFault::Io { what: "opening", path, source }),
        }
    }

    /// The bytes of content that was taken in or was there, hashed again; nothing where it is not.
    pub fn read(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let place = self.root.display().to_string();
        [blob::path(&self.root, digest), self.part_path(digest)]
            .iter()
            .find_map(|path| blob::read_file(path, digest, limit, &place).ok())
    }

    /// What the store has under a name by its own catalogue; a hint, not proof.
    pub fn named(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.store.resolve(repository, tag).ok().map(|found| found.digest)
    }

    /// What the store holds by its own catalogue that refers to `subject`; a hint, not proof.
    pub fn referrers(&self, subject: &Digest) -> Vec<Digest> {
        let attachments = self.store.attachments("", subject).unwrap_or_default().into_iter();
        attachments.filter(|a| a.channel == Channel::Referrer).map(|a| a.manifest).collect()
    }

    fn part_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(INGEST).join(format!("{}-{}{PARTIAL}", digest.algorithm(), digest.hex()))
    }

    /// Bytes that are free on the store's disk.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn room(&self) -> Result<u64, StoreFault> {
        let path = self.root.join(INGEST);
        let disk = rustix::fs::statvfs(&path).during("asking for free space of", &path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Starts, or continues, content of `size` bytes.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn part(&self, digest: &Digest, size: u64) -> Result<Part, StoreFault> {
        let path = self.part_path(digest);
        let mut hasher = digest.hasher();
        let mut offset = 0;
        if let Ok((left, found)) = blob::open_regular(&path)
            && found > 0
            && found <= size
        {
            let mut buffer = Vec::new();
            blob::stream(left, digest, &mut buffer, |chunk| {
                hasher.update(chunk);
                offset += chunk.len() as u64;
                Ok(())
            })
            .during("reading", &path)?;
            let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file: File = rustix::fs::open(&path, flags, Mode::empty()).during("opening", &path)?.into();
            return Ok(Part { path, digest: *digest, size, offset, hasher, file, intake: self.clone() });
        }
        files::remove(&path)?;
        let file = files::create(&path, 0o644)?;
        Ok(Part { path, digest: *digest, size, offset, hasher, file, intake: self.clone() })
    }

    /// Takes in content that is in memory.
    ///
    /// # Errors
    /// As [`Part::write`] and [`Part::finish`].
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreFault> {
        // Taken in a moment ago and not published yet counts as held.
        let waits = self.pending.lock().is_ok_and(|pending| pending.contains(digest));
        if waits || self.holds(digest, bytes.len() as u64)? {
            return Ok(());
        }
        files::remove(&self.part_path(digest))?;
        let mut part = self.part(digest, bytes.len() as u64)?;
        part.write(bytes)?;
        part.finish()
    }

    /// Publishes what is small and still waits.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn flush(&self) -> Result<(), StoreFault> {
        let pending = match self.pending.lock() {
            Ok(mut pending) => std::mem::take(&mut *pending),
            Err(_) => BTreeSet::new(),
        };
        if pending.is_empty() {
            return Ok(());
        }
        let folder = self.root.join(INGEST);
        let ingest = File::open(&folder).during("opening", &folder)?;
        rustix::fs::syncfs(&ingest).during("syncing", &folder)?;
        let mut folders = BTreeSet::new();
        for digest in pending {
            folders.extend(self.publish(&digest)?);
        }
        folders.iter().try_for_each(|folder| files::sync_directory(folder))
    }

    fn publish(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreFault> {
        let target = blob::path(&self.root, digest);
        let folder = target.parent().map(Path::to_owned);
        if let Some(folder) = &folder {
            files::make_directory(folder)?;
        }
        let part = self.part_path(digest);
        std::fs::rename(&part, &target).during("renaming", &part)?;
        Ok(folder)
    }
}

impl Part {
    /// Bytes that it has.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// [`StoreFault::Io`]; [`StoreFault::Refused`] beyond the announced size.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreFault> {
        if self.offset.saturating_add(bytes.len() as u64) > self.size {
            return Err(StoreFault::refused(
                &codes::SIZE,
                self.digest.to_string(),
                format!("{} bytes were announced, there are more", self.size),
            ));
        }
        self.file.write_all(bytes).during("writing", &self.path)?;
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what it has.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub fn restart(&mut self) -> Result<(), StoreFault> {
        files::remove(&self.path)?;
        self.file = files::create(&self.path, 0o644)?;
        self.hasher = self.digest.hasher();
        self.offset = 0;
        Ok(())
    }

    /// Publishes it, if it is what it must be; else it is removed, so that nothing continues it.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where size or digest differ, [`StoreFault::Io`].
    pub fn finish(self) -> Result<(), StoreFault> {
        let wrong = if self.offset == self.size {
            (self.hasher.finish() != self.digest.bytes())
                .then(|| (&codes::DAMAGED, format!("its bytes do not hash to {}", self.digest)))
        } else {
            Some((
                &codes::SIZE,
                format!("{} bytes were announced, there are only {}", self.size, self.offset),
            ))
        };
        if let Some((code, reason)) = wrong {
            files::remove(&self.path)?;
            return Err(StoreFault::refused(code, self.digest.to_string(), reason));
        }
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o444)).during("closing", &self.path)?;
        if self.size <= SMALL {
            if let Ok(mut pending) = self.intake.pending.lock() {
                pending.insert(self.digest);
            }
            return Ok(());
        }
        self.file.sync_all().during("writing", &self.path)?;
        drop(self.file);
        match self.intake.publish(&self.digest)? {
            Some(folder) => files::sync_directory(&folder),
            None => Ok(()),
        }
    }
}

/// The store's own files, as contents of a bundle.
struct Files<'a> {
    root: &'a Path,
}

impl Contents for Files<'_> {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        listing::size(&blob::path(self.root, digest))
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        blob::read(self.root, digest, limit)
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        Ok(Vec::new())
    }
}

impl<'w> Plan<'w> {
    /// What `arrivals` lead to among the content that [`Intake`] has taken in and flushed. `place` names where they
    /// are from, for messages.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where a name is none, and what cannot be read.
    pub fn arrived(writer: &'w mut Writer, arrivals: &[Arrival], place: &str) -> Result<Self, StoreFault> {
        let mut entries = Vec::new();
        for arrival in arrivals {
            let name = match &arrival.name {
                None => None,
                Some(text) => Some(name::full(text).ok_or_else(|| {
                    StoreFault::refused(&codes::INDEX, text.clone(), "it is no full name".to_owned())
                })?),
            };
            entries.push(Entry { descriptor: arrival.descriptor.clone(), name, label: None });
        }
        let graph = Graph::build(&entries, &Files { root: writer.root() })?;
        Ok(Self::of(writer, Path::new(place), graph))
    }
}
