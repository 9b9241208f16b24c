//! Writing a transfer: the rest first, hashed by segment on the way, the head last; nothing has its name before it is
//! whole and on the disk.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sealock::crypto::Hasher;
use sealock::seal::{Snapshot, container};
use sealock::store::{Store, transfer};

use super::documents::Documents;
use super::{SealingFault, files};

/// Bytes written at once.
const BUFFER: usize = 1024 * 1024;

/// A transfer under way.
pub(super) struct Output {
    base: PathBuf,
    /// Whether each segment is a file.
    split: bool,
    size: u64,
    file: Option<BufWriter<File>>,
    /// Bytes in the present segment.
    filled: u64,
    hasher: Hasher,
    hashes: Vec<String>,
    /// Files that are whole but for the head of the first: final name, bytes.
    done: Vec<(PathBuf, u64)>,
    total: u64,
}

impl Output {
    pub(super) fn create(base: &Path, segment: Option<u64>, size: u64) -> Result<Self, SealingFault> {
        if size == 0 || !size.is_multiple_of(container::BLOCK) {
            return Err(SealingFault::Misuse("a segment is a multiple of 512 bytes".into()));
        }
        let mut output = Self {
            base: base.to_owned(),
            split: segment.is_some(),
            size,
            file: None,
            filled: 0,
            hasher: Hasher::sha256(),
            hashes: Vec::new(),
            done: Vec::new(),
            total: 0,
        };
        if !output.split {
            let path = files::part(base);
            let mut file = BufWriter::with_capacity(BUFFER, files::io(&path, File::create(&path))?);
            files::io(&path, file.write_all(&vec![0; container::HEADER_LENGTH]))?;
            output.file = Some(file);
        }
        Ok(output)
    }

    /// Writes everything behind the head.
    pub(super) fn write(
        &mut self,
        store: &Store,
        documents: &Documents,
        snapshot: &Snapshot,
    ) -> Result<(), SealingFault> {
        let path = files::part(&self.base);
        let too_long = || SealingFault::Misuse("a name is too long for an archive".into());
        for (name, bytes) in documents.iter() {
            let block = container::block(name, bytes.len() as u64).ok_or_else(too_long)?;
            files::io(&path, self.entry(&block, bytes))?;
        }
        for (digest, size) in snapshot.carried() {
            let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
            let block = container::block(&name, size).ok_or_else(too_long)?;
            files::io(&path, self.write_all(&block))?;
            store.copy(digest, size, self)?;
            files::io(&path, self.zeros(container::padding(size)))?;
        }
        files::io(&path, self.zeros(1024))?;
        files::io(&path, self.close_segment())
    }

    fn entry(&mut self, block: &[u8], bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(block)?;
        self.write_all(bytes)?;
        self.zeros(container::padding(bytes.len() as u64))
    }

    fn zeros(&mut self, count: usize) -> std::io::Result<()> {
        self.write_all([0_u8; 1024].get(..count).unwrap_or_default())
    }

    /// Ends the present segment, if anything is in it.
    fn close_segment(&mut self) -> std::io::Result<()> {
        if self.filled == 0 {
            return Ok(());
        }
        let hasher = std::mem::replace(&mut self.hasher, Hasher::sha256());
        self.hashes.push(hex::encode(hasher.finish()));
        if self.split
            && let Some(mut file) = self.file.take()
        {
            file.flush()?;
            file.get_ref().sync_all()?;
            let path = transfer::segment(&self.base, self.hashes.len());
            self.done.push((path, self.filled));
        }
        self.filled = 0;
        Ok(())
    }

    pub(super) fn hashes(&self) -> Vec<String> {
        self.hashes.clone()
    }

    /// Writes the head. Gives every file, by its final name, still to be published.
    pub(super) fn finish(mut self, head: &[u8]) -> Result<Vec<(PathBuf, u64)>, SealingFault> {
        if self.split {
            let path = transfer::segment(&self.base, 0);
            let part = files::part(&path);
            let written =
                File::create(&part).and_then(|mut file| file.write_all(head).and_then(|()| file.sync_all()));
            files::io(&part, written)?;
            // Last, so that a head stands only beside all of its segments.
            self.done.push((path, head.len() as u64));
            return Ok(self.done);
        }
        let path = files::part(&self.base);
        let mut write = || {
            let Some(file) = self.file.as_mut() else { return Ok(()) };
            file.flush()?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(head)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        files::io(&path, write())?;
        Ok(vec![(self.base, head.len() as u64 + self.total)])
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.filled == self.size {
            self.close_segment()?;
        }
        if self.file.is_none() {
            let path = files::part(&transfer::segment(&self.base, self.hashes.len() + 1));
            self.file = Some(BufWriter::with_capacity(BUFFER, File::create(path)?));
        }
        let room = usize::try_from(self.size - self.filled).unwrap_or(usize::MAX);
        let now = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if let Some(file) = &mut self.file {
            file.write_all(now)?;
        }
        self.hasher.update(now);
        self.filled += now.len() as u64;
        self.total += now.len() as u64;
        Ok(now.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}
