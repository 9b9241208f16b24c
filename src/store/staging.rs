//! Content on its way in: written once to `ingest/`, hashed on the way, judged from there, published by rename.
//!
//! Input: streams named by a digest. Output: files in `blobs/` that hash to their name and are on the disk.
//!
//! | rule | why |
//! |---|---|
//! | a part file is made new, never through a link | nothing planted is written to |
//! | size and hash are taken from the bytes as they pass | the medium is read once, so it cannot show two faces |
//! | small files are synced together, large ones at once | one sync of a 2 kB file costs as much as hashing 3 MB |
//! | content that the store holds is not written again: small content only if the file still hashes right, large content if catalogue and size agree, or with `recheck` if it hashes right | a size alone proves nothing |

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use super::catalogue::Catalogue;
use super::fault::During;
use super::writer::INGEST;
use super::{SourceFault, StoreFault, blob, codes, files, listing};
use crate::image::Digest;

/// Content up to this many bytes counts as small.
pub(super) const SMALL: u64 = 1024 * 1024;
/// From this many unsynced files on, the whole file system is synced once instead of each file.
const SYNC_TOGETHER: usize = 24;

/// Where content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In `ingest/`, perhaps only in memory.
    Written,
    /// In `ingest/`, on the disk.
    Synced,
    /// The store holds it already.
    Held,
}

/// Content taken in but not published.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    /// Where part files lie.
    folder: PathBuf,
    /// Whether they outlive this: a transfer in quarantine is judged more than once.
    keep: bool,
    contents: BTreeMap<Digest, (u64, State)>,
    buffer: Vec<u8>,
    recheck: bool,
}

impl Staging {
    /// For the store at `root`, whose lock the caller holds.
    pub(super) fn new(root: &Path, recheck: bool) -> Self {
        let folder = root.join(INGEST);
        Self {
            root: root.to_owned(),
            folder,
            keep: false,
            contents: BTreeMap::new(),
            buffer: Vec::new(),
            recheck,
        }
    }

    /// For content that was copied to `folder` already, and stays there until it is published.
    pub(super) fn in_quarantine(root: &Path, folder: &Path, recheck: bool) -> Self {
        let mut staging = Self::new(root, recheck);
        folder.clone_into(&mut staging.folder);
        staging.keep = true;
        staging
    }

    fn part(&self, digest: &Digest) -> PathBuf {
        self.folder.join(part_name(digest))
    }

    /// Takes over what lies in the folder, or is held, as `digest`. Tells whether it does and hashes right.
    pub(super) fn adopt(
        &mut self,
        catalogue: &Catalogue,
        digest: &Digest,
        size: u64,
    ) -> Result<bool, StoreFault> {
        let part = self.part(digest);
        if self.hashes_right(&part, digest, size)? {
            rustix::fs::chmod(&part, Mode::from_raw_mode(0o444)).during("setting the mode of", &part)?;
            self.contents.insert(*digest, (size, State::Synced));
            return Ok(true);
        }
        // An interrupted commit may have published it without telling the catalogue.
        let held = self.holds(catalogue, digest, size)?
            || self.hashes_right(&blob::path(&self.root, digest), digest, size)?;
        if held {
            self.contents.insert(*digest, (size, State::Held));
        }
        Ok(held)
    }

    fn hashes_right(&mut self, path: &Path, digest: &Digest, size: u64) -> Result<bool, StoreFault> {
        let Ok((file, found)) = blob::open_regular(path) else { return Ok(false) };
        if found != size {
            return Ok(false);
        }
        let streamed = blob::stream(file, digest, &mut self.buffer, |_| Ok(())).during("reading", path)?;
        Ok(streamed.matches && streamed.size == size)
    }

    /// Whether there is room for `bytes` more.
    fn check_room(&self, bytes: u64) -> Result<(), StoreFault> {
        let path = self.root.join(INGEST);
        let disk = rustix::fs::statvfs(&path).during("asking for free space of", &path)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes {
            return Err(StoreFault::Io {
                what: "no room for the bundle in",
                path: self.root.clone(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }

    /// Takes in `size` bytes from `reader`, which must hash to `digest`. `what` names them in messages.
    pub(super) fn put(
        &mut self,
        catalogue: &Catalogue,
        digest: &Digest,
        size: u64,
        reader: impl Read,
        what: &str,
    ) -> Result<(), StoreFault> {
        let held = self.holds(catalogue, digest, size)?;
        if !held && size > SMALL {
            self.check_room(size)?;
        }
        if held {
            self.copy(digest, size, reader, what, None)?;
            self.contents.insert(*digest, (size, State::Held));
            return Ok(());
        }
        let part = self.part(digest);
        let file = files::create(&part, 0o444)?;
        match self.copy(digest, size, reader, what, Some(file)) {
            Ok(state) => {
                self.contents.insert(*digest, (size, state));
                Ok(())
            }
            Err(fault) => {
                // What cannot be removed now, the next writer removes.
                let _ = std::fs::remove_file(&part);
                Err(fault)
            }
        }
    }

    /// Streams `reader` through the hasher, and into `file` where there is one.
    fn copy(
        &mut self,
        digest: &Digest,
        size: u64,
        reader: impl Read,
        what: &str,
        mut file: Option<File>,
    ) -> Result<State, StoreFault> {
        let part = self.part(digest);
        let mut failed = None;
        let streamed = blob::stream(reader.take(size.saturating_add(1)), digest, &mut self.buffer, |chunk| {
            match &mut file {
                // Which side failed decides the message.
                Some(file) => file.write_all(chunk).inspect_err(|e| failed = Some(e.kind())),
                None => Ok(()),
            }
        });
        let streamed = match (streamed, failed) {
            (Ok(streamed), _) => streamed,
            (Err(e), Some(_)) => return Err(e).during("writing", &part),
            (Err(e), None) => return Err(e).during("reading", Path::new(what)),
        };
        if streamed.size != size {
            return Err(StoreFault::refused(
                &codes::SIZE,
                what,
                format!("{size} bytes were announced, there are {}", amount(streamed.size, size)),
            ));
        }
        if !streamed.matches {
            return Err(StoreFault::refused(
                &codes::DAMAGED,
                what,
                format!("its bytes do not hash to {digest}"),
            ));
        }
        match file {
            None => Ok(State::Held),
            Some(file) if size > SMALL => {
                file.sync_all().during("writing", &part)?;
                Ok(State::Synced)
            }
            Some(_) => Ok(State::Written),
        }
    }

    /// Whether the store has this content in a state that need not be written again.
    fn holds(&mut self, catalogue: &Catalogue, digest: &Digest, size: u64) -> Result<bool, StoreFault> {
        let path = blob::path(&self.root, digest);
        if catalogue.blob(digest)? != Some(size) || listing::size(&path)? != Some(size) {
            return Ok(false);
        }
        if size > SMALL && !self.recheck {
            return Ok(true);
        }
        self.hashes_right(&path, digest, size)
    }

    /// Everything taken in, with sizes.
    pub(super) fn contents(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.contents.iter().map(|(digest, (size, _))| (*digest, *size))
    }

    /// The size of content taken in.
    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.contents.get(digest).map(|(size, _)| *size)
    }

    /// The bytes of content taken in, hashed again; nothing where it was not.
    pub(super) fn read(
        &self,
        digest: &Digest,
        limit: u64,
        place: &str,
    ) -> Option<Result<Vec<u8>, SourceFault>> {
        let (_, state) = self.contents.get(digest)?;
        let path = if *state == State::Held { blob::path(&self.root, digest) } else { self.part(digest) };
        Some(blob::read_file(&path, digest, limit, place))
    }

    /// Publishes what `wanted` says and forgets the rest. On return everything published is on the disk.
    pub(super) fn publish(&mut self, wanted: impl Fn(&Digest) -> bool) -> Result<(), StoreFault> {
        let parts: Vec<Digest> = self
            .contents
            .iter()
            .filter(|(digest, (_, state))| *state != State::Held && wanted(digest))
            .map(|(digest, _)| *digest)
            .collect();
        self.sync(&parts)?;
        let mut folders = std::collections::BTreeSet::new();
        for digest in &parts {
            let target = blob::path(&self.root, digest);
            if let Some(folder) = target.parent()
                && folders.insert(folder.to_owned())
            {
                files::make_directory(folder)?;
            }
            let part = self.part(digest);
            std::fs::rename(&part, &target).during("renaming", &part)?;
            if let Some((_, state)) = self.contents.get_mut(digest) {
                *state = State::Held;
            }
        }
        for folder in folders {
            files::sync_directory(&folder)?;
        }
        Ok(())
    }

    fn sync(&self, parts: &[Digest]) -> Result<(), StoreFault> {
        let unsynced: Vec<_> = parts
            .iter()
            .filter(|digest| self.contents.get(digest).is_some_and(|(_, state)| *state == State::Written))
            .collect();
        if unsynced.len() >= SYNC_TOGETHER {
            let path = self.root.join(INGEST);
            let folder = File::open(&path).during("opening", &path)?;
            return rustix::fs::syncfs(&folder).during("syncing", &path);
        }
        for digest in unsynced {
            let path = self.part(digest);
            File::open(&path).and_then(|file| file.sync_all()).during("syncing", &path)?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for (digest, (_, state)) in &self.contents {
            if *state != State::Held {
                // What cannot be removed now, the next writer removes.
                let _ = std::fs::remove_file(self.part(digest));
            }
        }
    }
}

/// Name of the part file of `digest`.
pub(super) fn part_name(digest: &Digest) -> String {
    format!("{}-{}.part", digest.algorithm(), digest.hex())
}

fn amount(found: u64, announced: u64) -> String {
    if found > announced { "more".to_owned() } else { format!("only {found}") }
}
