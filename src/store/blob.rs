//! Reading content files: opened without following links, bounded, hashed, and handed out as one owned buffer.
//!
//! Input: a path and the digest that it is named after. Output: bytes that hash to the digest.
//!
//! | rule | why |
//! |---|---|
//! | `O_NOFOLLOW`, `O_NONBLOCK`, then `fstat` says "regular file" | a planted link, pipe or device must neither lead away nor hang |
//! | the size is compared with the limit before anything is read | a sparse giant costs no memory |
//! | the buffer that was hashed is the buffer returned | nothing can be exchanged between hashing and parsing |
//!
//! Attacks considered: `store_special_files`, `blob_race`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::SourceFault;
use crate::image::Digest;

/// Bytes read at once when content is streamed.
pub(super) const CHUNK: usize = 1024 * 1024;

/// Why a file could not be opened as content.
#[derive(Debug)]
pub(super) enum OpenFault {
    /// Nothing there.
    Absent,
    /// Not a regular file.
    Special(&'static str),
    /// The system refused.
    Io(io::Error),
}

impl OpenFault {
    /// As an error of the system.
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Absent => io::ErrorKind::NotFound.into(),
            Self::Special(kind) => io::Error::other(format!("{kind} stands there")),
            Self::Io(source) => source,
        }
    }
}

/// Opens a regular file for reading and tells its size.
pub(super) fn open_regular(path: &Path) -> Result<(File, u64), OpenFault> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Err(OpenFault::Absent),
        Err(rustix::io::Errno::LOOP) => return Err(OpenFault::Special("a symbolic link")),
        Err(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => {
            return Err(OpenFault::Special("a socket or device"));
        }
        Err(e) => return Err(OpenFault::Io(e.into())),
    };
    let metadata = file.metadata().map_err(OpenFault::Io)?;
    if !metadata.is_file() {
        return Err(OpenFault::Special(if metadata.is_dir() {
            "a directory"
        } else {
            "a pipe, socket or device"
        }));
    }
    Ok((file, metadata.len()))
}

/// Where a blob lies below the root of a layout.
pub(super) fn path(root: &Path, digest: &Digest) -> PathBuf {
    root.join("blobs").join(digest.algorithm()).join(digest.hex())
}

/// Reads `digest` from the layout at `root`.
pub(super) fn read(root: &Path, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
    read_file(&path(root, digest), digest, limit, &root.display().to_string())
}

/// Reads the file at `path`, which must hash to `digest`; `place` is for messages.
pub(super) fn read_file(
    path: &Path,
    digest: &Digest,
    limit: u64,
    place: &str,
) -> Result<Vec<u8>, SourceFault> {
    let what = || digest.to_string();
    let (file, size) = match open_regular(path) {
        Ok(opened) => opened,
        Err(OpenFault::Absent) => {
            return Err(SourceFault::NotHeld { what: what(), place: place.to_owned() });
        }
        Err(OpenFault::Special(kind)) => {
            return Err(SourceFault::Damaged {
                what: what(),
                place: place.to_owned(),
                reason: format!("{kind} stands where a plain file belongs"),
            });
        }
        Err(OpenFault::Io(source)) => {
            return Err(SourceFault::Unreadable { what: what(), place: place.to_owned(), source });
        }
    };
    take(file, size, digest, limit, place)
}

/// Reads `size` bytes from `reader` into one buffer and hashes it.
pub(super) fn take(
    reader: impl Read,
    size: u64,
    digest: &Digest,
    limit: u64,
    place: &str,
) -> Result<Vec<u8>, SourceFault> {
    let what = || digest.to_string();
    if size > limit {
        return Err(SourceFault::TooLarge { what: what(), place: place.to_owned(), size, limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    reader
        .take(size.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| SourceFault::Unreadable { what: what(), place: place.to_owned(), source })?;
    let damaged = |reason: String| SourceFault::Damaged { what: what(), place: place.to_owned(), reason };
    if bytes.len() as u64 != size {
        return Err(damaged(format!("the file had {size} bytes and changed while it was read")));
    }
    if !digest.matches(&bytes) {
        return Err(damaged("its bytes hash to something else".to_owned()));
    }
    Ok(bytes)
}

/// What streaming through a file found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Streamed {
    /// Bytes read.
    pub size: u64,
    /// Whether they hash to the digest.
    pub matches: bool,
}

/// Streams `reader` through the hasher of `digest` and, chunk by chunk, through `sink`.
pub(super) fn stream(
    mut reader: impl Read,
    digest: &Digest,
    buffer: &mut Vec<u8>,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Streamed> {
    if buffer.len() != CHUNK {
        // The system clears new memory where it is touched, and most contents are small.
        *buffer = vec![0; CHUNK];
    }
    let mut hasher = digest.hasher();
    let mut size = 0_u64;
    loop {
        let n = match reader.read(buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let chunk = buffer.get(..n).unwrap_or_default();
        hasher.update(chunk);
        sink(chunk)?;
        size = size.saturating_add(n as u64);
    }
    Ok(Streamed { size, matches: hasher.finish() == digest.bytes() })
}

/// Reads a small file of a layout that is not named by a digest, such as `index.json`.
pub(super) fn read_plain(path: &Path, limit: u64) -> Result<Vec<u8>, OpenFault> {
    let (file, size) = open_regular(path)?;
    if size > limit {
        return Err(OpenFault::Io(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size} bytes, the limit is {limit}"),
        )));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(OpenFault::Io)?;
    if bytes.len() as u64 > limit {
        return Err(OpenFault::Io(io::Error::new(io::ErrorKind::InvalidData, "it grew while it was read")));
    }
    Ok(bytes)
}
