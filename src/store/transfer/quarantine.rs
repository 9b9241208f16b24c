//! The private copy of a transfer: written once, segment by segment, judged from there.
//!
//! ```text
//! quarantine/<seal digest>/head              the head
//! quarantine/<seal digest>/documents         the bytes of all documents with their blocks
//! quarantine/<seal digest>/<alg>-<hex>.part  content, written where it belongs as segments come
//! quarantine/<seal digest>/done-<n>          segment n was whole, and is on the disk
//! quarantine/<seal digest>/reason            why it was not taken in
//! ```
//!
//! | rule | source |
//! |---|---|
//! | nothing is copied before the head is believed | DESIGN §5 |
//! | a segment counts when its bytes hash to what was signed; a damaged one is named and may come again alone | DESIGN §5 |
//! | block by block the bytes are those that the statement demands; no header is parsed | threats §1 no. 8 |
//! | content is hashed again from the copy | no. 6 |
//! | at most [`MOST`] transfers are kept | DESIGN §5: bounded |
//!
//! Attacks considered: `segment_donor_swap`, `fuse_two_faced_media`, `tar_corpus`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::accepted::{self, HEAD};
use crate::crypto::Hasher;
use crate::image::Digest;
use crate::seal::{Header, Snapshot, VerifiedSeal, codes, container, snapshot};
use crate::store::fault::During;
use crate::store::{StoreFault, blob, files, listing, staging};

/// Folder of all of them.
pub(super) const FOLDER: &str = "quarantine";
/// Most transfers that are kept.
const MOST: usize = 4;
const DOCUMENTS: &str = "documents";
const REASON: &str = "reason";

/// One transfer's copy.
#[derive(Debug)]
pub(super) struct Quarantine {
    folder: PathBuf,
    seal: VerifiedSeal,
    buffer: Vec<u8>,
}

/// What stands where behind the documents.
enum Piece {
    Block(Box<[u8; 512]>),
    Content(Digest),
    Zeros,
}

struct Plan {
    /// Start, length, what; in order, without gaps.
    pieces: Vec<(u64, u64, Piece)>,
}

/// What came of copying one segment.
enum Copied {
    Whole,
    Damaged(String),
    /// Whole, but the documents that say where its bytes belong are not here yet.
    Early,
}

impl Quarantine {
    /// Opens the copy of `seal`, making it if it is not there.
    pub(super) fn open(root: &Path, seal: VerifiedSeal, head: &[u8]) -> Result<Self, StoreFault> {
        let all = root.join(FOLDER);
        files::make_directory(&all)?;
        let folder = all.join(seal.digest());
        if !folder.exists() {
            make_room(&all)?;
        }
        files::make_directory(&folder)?;
        files::replace(&folder.join("head.part"), &folder.join(HEAD), head)?;
        Ok(Self { folder, seal, buffer: Vec::new() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn seal(&self) -> &VerifiedSeal {
        &self.seal
    }

    fn marker(&self, at: usize) -> PathBuf {
        self.folder.join(format!("done-{at}"))
    }

    /// Segments that are not here, from 0.
    pub(super) fn missing(&self) -> Vec<usize> {
        let count = self.seal.statement().segments.sha256.len();
        (0..count).filter(|at| !self.marker(*at).exists()).collect()
    }

    /// Whether there is room for what is missing.
    pub(super) fn check_room(&self) -> Result<(), StoreFault> {
        let segments = &self.seal.statement().segments;
        let wanted: u64 = self.missing().into_iter().map(|at| segments.span(at).1).sum();
        let disk = rustix::fs::statvfs(&self.folder).during("asking for free space of", &self.folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < wanted {
            return Err(StoreFault::Io {
                what: "no room for the transfer in",
                path: self.folder.clone(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }

    /// Copies segment `at` from `reader`. Tells what is wrong with it, in words; nothing where it is whole.
    pub(super) fn take(&mut self, at: usize, reader: impl Read) -> Result<Option<String>, StoreFault> {
        match self.copy(at, reader)? {
            Copied::Damaged(reason) => Ok(Some(reason)),
            Copied::Early => Ok(Some("it comes before the segments with the documents".into())),
            Copied::Whole => {
                let folder = File::open(&self.folder).during("opening", &self.folder)?;
                rustix::fs::syncfs(&folder).during("syncing", &self.folder)?;
                files::remove(&self.marker(at))?;
                files::write_new(&self.marker(at), 0o644, b"")?;
                files::sync_directory(&self.folder)?;
                Ok(None)
            }
        }
    }

    fn copy(&mut self, at: usize, mut reader: impl Read) -> Result<Copied, StoreFault> {
        let segments = &self.seal.statement().segments;
        let (start, length) = segments.span(at);
        let wanted = segments.sha256.get(at).cloned().unwrap_or_default();
        let documents_end = self.seal.statement().documents_end();
        let end = start.saturating_add(length);
        let mut hasher = Hasher::sha256();
        let (mut offset, mut misplaced) = (start, None);
        let mut plan: Option<Plan> = None;
        let mut open: Option<(Digest, File)> = None;
        let mut early = false;
        self.buffer.resize(blob::CHUNK, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        while offset < end {
            let boundary = if offset < documents_end { documents_end.min(end) } else { end };
            let most = usize::try_from(boundary - offset).unwrap_or(usize::MAX).min(buffer.len());
            let n = match reader.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                // A medium that cannot be read is a damaged one: the other segments may still be whole.
                Err(e) => {
                    self.buffer = buffer;
                    return Ok(Copied::Damaged(format!("it cannot be read: {e}")));
                }
            };
            let chunk = buffer.get(..n).unwrap_or_default();
            hasher.update(chunk);
            if offset < documents_end {
                let path = self.folder.join(DOCUMENTS);
                let file = writable(&path)?;
                file.write_all_at(chunk, offset).during("writing", &path)?;
            } else {
                if plan.is_none() && !early && misplaced.is_none() {
                    match self.plan(at) {
                        Ok(made) => plan = Some(made),
                        Err(_) if self.documents_missing(at) => early = true,
                        Err(fault) => misplaced = Some(fault.to_string()),
                    }
                }
                if let Some(plan) = &plan
                    && misplaced.is_none()
                {
                    misplaced = self.place(plan, offset, chunk, &mut open)?;
                }
            }
            offset += n as u64;
        }
        self.buffer = buffer;
        if offset < end {
            return Ok(Copied::Damaged(format!("it has {} of {length} bytes", offset - start)));
        }
        if hex::encode(hasher.finish()) != wanted {
            return Ok(Copied::Damaged("its bytes do not hash to what was signed".into()));
        }
        match misplaced {
            // Its bytes are what was signed, and they are not what was signed beside them.
            Some(reason) => Err(StoreFault::refused(&codes::LAYOUT, format!("segment {}", at + 1), reason)),
            None if early => Ok(Copied::Early),
            None => Ok(Copied::Whole),
        }
    }

    /// Whether another segment than `at` holds documents and is not here.
    fn documents_missing(&self, at: usize) -> bool {
        let statement = self.seal.statement();
        let end = statement.documents_end();
        self.missing().into_iter().any(|other| other != at && statement.segments.span(other).0 < end)
    }

    /// What belongs where behind the documents.
    fn plan(&self, at: usize) -> Result<Plan, StoreFault> {
        if self.documents_missing(at) {
            return Err(accepted::damaged(&self.folder, "the documents are not here yet"));
        }
        let snapshot = self.snapshot()?;
        let mut pieces = Vec::new();
        let mut start = self.seal.statement().documents_end();
        let mut add = |length: u64, piece: Piece| {
            if length > 0 {
                pieces.push((start, length, piece));
                start = start.saturating_add(length);
            }
        };
        for (digest, size) in snapshot.carried() {
            let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
            let block = container::block(&name, size).unwrap_or([0; 512]);
            add(container::BLOCK, Piece::Block(Box::new(block)));
            add(size, Piece::Content(*digest));
            add(container::padding(size) as u64, Piece::Zeros);
        }
        add(container::END, Piece::Zeros);
        let total = self.seal.statement().segments.total;
        if start != total {
            return Err(StoreFault::refused(
                &codes::LAYOUT,
                self.folder.display().to_string(),
                format!("its entries take {start} bytes, {total} are stated"),
            ));
        }
        Ok(Plan { pieces })
    }

    /// Puts `chunk`, which begins at `offset`, where it belongs. Tells what does not fit.
    fn place(
        &self,
        plan: &Plan,
        mut offset: u64,
        mut chunk: &[u8],
        open: &mut Option<(Digest, File)>,
    ) -> Result<Option<String>, StoreFault> {
        let mut at = plan.pieces.partition_point(|(start, length, _)| start + length <= offset);
        while !chunk.is_empty() {
            let Some((start, length, piece)) = plan.pieces.get(at) else {
                return Ok(Some("data follows the end".into()));
            };
            let inside = offset - start;
            let n = usize::try_from(length - inside).unwrap_or(usize::MAX).min(chunk.len());
            let (now, rest) = chunk.split_at(n);
            match piece {
                Piece::Content(digest) => {
                    let path = self.folder.join(staging::part_name(digest));
                    if open.as_ref().is_none_or(|(known, _)| known != digest) {
                        *open = Some((*digest, writable(&path)?));
                    }
                    if let Some((_, file)) = open {
                        file.write_all_at(now, inside).during("writing", &path)?;
                    }
                }
                Piece::Zeros if now.iter().any(|b| *b != 0) => {
                    return Ok(Some(format!("at byte {offset} stands something where zeros belong")));
                }
                Piece::Block(block) => {
                    let from = usize::try_from(inside).unwrap_or(0);
                    if block.get(from..from + n) != Some(now) {
                        return Ok(Some(format!("at byte {offset} stands another entry than was sealed")));
                    }
                }
                Piece::Zeros => {}
            }
            offset += n as u64;
            chunk = rest;
            at += 1;
        }
        Ok(None)
    }

    /// A document, checked against the statement, with the blocks around it.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, StoreFault> {
        let path = self.folder.join(DOCUMENTS);
        let wrong = |reason: &str| StoreFault::refused(&codes::LAYOUT, name.to_owned(), reason.to_owned());
        let mut start = 0_u64;
        for (other, content) in &self.seal.statement().contents {
            if other != name {
                start = start.saturating_add(container::entry_length(content.size));
                continue;
            }
            if content.size > accepted::MAX_DOCUMENT {
                return Err(wrong("it is larger than is read"));
            }
            let (file, _) = blob::open_regular(&path).map_err(|_| wrong("it is not here"))?;
            let length = usize::try_from(container::entry_length(content.size)).unwrap_or(0);
            let mut bytes = vec![0_u8; length];
            file.read_exact_at(&mut bytes, start).map_err(|_| wrong("it is not here"))?;
            let size = usize::try_from(content.size).unwrap_or(0);
            let (block, rest) = bytes.split_at(512.min(length));
            let (document, padding) = rest.split_at(size.min(rest.len()));
            let expected = container::block(name, content.size);
            if expected.as_ref().map(<[u8; 512]>::as_slice) != Some(block) || padding.iter().any(|b| *b != 0)
            {
                return Err(wrong("another entry stands in its place"));
            }
            if !content.matches(document) {
                return Err(wrong("it is not the document that was sealed"));
            }
            return Ok(document.to_vec());
        }
        Err(wrong("the seal binds no such document"))
    }

    /// The snapshot.
    pub(super) fn snapshot(&self) -> Result<Snapshot, StoreFault> {
        let size = self.seal.statement().contents.get(container::SNAPSHOT).map_or(0, |c| c.size);
        if size > snapshot::MAX_SNAPSHOT {
            return Err(StoreFault::refused(
                &codes::LAYOUT,
                container::SNAPSHOT,
                "it is larger than is read",
            ));
        }
        let bytes = self.document(container::SNAPSHOT)?;
        Snapshot::parse(&bytes).map_err(|e| accepted::refused(Path::new(container::SNAPSHOT), &e))
    }

    /// Every document below `folder/`, by the rest of its name.
    pub(super) fn documents_below(&self, folder: &str) -> Result<BTreeMap<String, Vec<u8>>, StoreFault> {
        let names = self.seal.statement().contents.keys();
        names
            .filter_map(|name| Some((name, name.strip_prefix(folder)?.to_owned())))
            .map(|(name, rest)| Ok((rest, self.document(name)?)))
            .collect()
    }

    /// Writes down why it was not taken in.
    pub(super) fn refuse(&self, fault: &StoreFault) {
        let text = format!("{} [{}]\n", fault, fault.code().name);
        // Only a remark for people: the fault itself is what counts.
        let _ = files::replace(&self.folder.join("reason.part"), &self.folder.join(REASON), text.as_bytes());
    }

    /// Believes no segment of it any more: the copy is copied again.
    pub(super) fn distrust(&self) {
        for at in 0..self.seal.statement().segments.sha256.len() {
            // A mark that stays only means that the next import refuses once more.
            let _ = files::remove(&self.marker(at));
        }
    }

    /// Forgets it.
    pub(super) fn remove(&self) {
        // What cannot be removed now makes room later.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The heads of the transfers that are waiting, with their folders.
pub(super) fn waiting(root: &Path) -> Result<Vec<(PathBuf, Vec<u8>, Header)>, StoreFault> {
    let mut found = Vec::new();
    let all = root.join(FOLDER);
    if !all.exists() {
        return Ok(found);
    }
    for entry in listing::entries(&all)? {
        let path = entry.path();
        if let Some(bytes) = accepted::read(&path.join(HEAD), container::HEADER_LENGTH as u64)?
            && let Ok(header) = Header::parse(&bytes)
        {
            found.push((path, bytes, header));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Removes the oldest copies until there is room for one more.
fn make_room(all: &Path) -> Result<(), StoreFault> {
    let mut kept = Vec::new();
    for entry in listing::entries(all)? {
        let modified = entry.metadata().and_then(|m| m.modified()).during("looking at", &entry.path())?;
        kept.push((modified, entry.path()));
    }
    kept.sort();
    let surplus = (kept.len() + 1).saturating_sub(MOST);
    for (_, path) in kept.into_iter().take(surplus) {
        std::fs::remove_dir_all(&path).during("removing", &path)?;
    }
    Ok(())
}

/// A file of the copy, opened for writing and made where it is missing; never through a link.
fn writable(path: &Path) -> Result<File, StoreFault> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File =
        rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).during("opening", path)?.into();
    if !file.metadata().during("looking at", path)?.is_file() {
        return Err(accepted::damaged(path, "it is no plain file"));
    }
    Ok(file)
}
