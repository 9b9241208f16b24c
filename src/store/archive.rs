//! An OCI archive that is read where it lies: one scan for the offsets, then reads by position.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::fault::During;
use super::graph::Contents;
use super::index::{self, Entry};
use super::layout::{self, Layout};
use super::tar::{Archive, Member};
use super::{SourceFault, StoreFault, blob, codes};
use crate::image::Digest;

/// An OCI image layout in a tar archive.
pub type LayoutArchive = Layout<Archived>;

/// Content in an archive.
#[derive(Debug)]
pub struct Archived {
    file: File,
    place: String,
    /// Offset and size of each content.
    contents: BTreeMap<Digest, (u64, u64)>,
}

impl LayoutArchive {
    /// Opens the archive at `path` and scans its headers once.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is no sound archive of a layout, [`StoreFault::Io`] where it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreFault> {
        let file = open_file(path)?;
        let held = file.try_clone().during("opening", path)?;
        let mut archive = Archive::new(file, path);
        let mut parts = Parts::default();
        let mut contents = BTreeMap::new();
        while let Some(entry) = archive.next()? {
            match entry.member {
                Member::Blob(digest) => {
                    contents.insert(digest, (entry.offset, entry.size));
                }
                _ => parts.take(&mut archive, &entry)?,
            }
        }
        let entries = parts.finish(path, None)?;
        Ok(Self::new(path, entries, Archived { file: held, place: path.display().to_string(), contents }))
    }
}

/// Opens a regular file that the user named. A pipe would hang, or tell two stories.
pub(super) fn open_file(path: &Path) -> Result<File, StoreFault> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::empty()).during("opening", path)?.into();
    if file.metadata().during("looking at", path)?.is_file() {
        return Ok(file);
    }
    Err(StoreFault::refused(
        &codes::NOT_A_BUNDLE,
        path.display().to_string(),
        "it is neither a plain file nor a directory",
    ))
}

/// The parts of a layout that are no content.
#[derive(Debug, Default)]
pub(super) struct Parts {
    marker: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    docker: bool,
}

impl Parts {
    /// Reads the present entry, which is no content.
    pub(super) fn take(
        &mut self,
        archive: &mut Archive,
        entry: &super::tar::Entry,
    ) -> Result<(), StoreFault> {
        match entry.member {
            Member::Marker => self.marker = Some(archive.bytes(entry, layout::MAX_MARKER)?),
            Member::Index => self.index = Some(archive.bytes(entry, index::MAX_INDEX_FILE)?),
            Member::Docker | Member::Blob(_) => self.docker = true,
        }
        Ok(())
    }

    /// Whether docker's own files were there, which are ignored.
    pub(super) fn docker(&self) -> bool {
        self.docker
    }

    /// The entries of `index.json`.
    pub(super) fn finish(&self, path: &Path, repository: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
        let what = path.display().to_string();
        match (&self.marker, &self.index) {
            (Some(marker), Some(index)) => {
                layout::check_marker(marker)?;
                index::parse(index, repository)
            }
            _ if self.docker => Err(StoreFault::refused(
                &codes::DOCKER_SAVE,
                what,
                "it holds docker's manifest.json and no OCI image layout, so it carries no manifest digest",
            )),
            _ => Err(StoreFault::refused(
                &codes::NOT_A_BUNDLE,
                what,
                "it holds no oci-layout and index.json, so it is no OCI image layout",
            )),
        }
    }
}

/// A window of a file, read by position.
struct Window<'a> {
    file: &'a File,
    offset: u64,
    rest: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.offset)?;
        self.offset += n as u64;
        self.rest -= n as u64;
        Ok(n)
    }
}

impl Contents for Archived {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        Ok(self.contents.get(digest).map(|(_, size)| *size))
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        let Some((offset, size)) = self.contents.get(digest).copied() else {
            return Err(SourceFault::NotHeld { what: digest.to_string(), place: self.place.clone() });
        };
        let window = Window { file: &self.file, offset, rest: size };
        blob::take(window, size, digest, limit, &self.place)
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        Ok(self.contents.iter().map(|(digest, (_, size))| (*digest, *size)).collect())
    }
}
