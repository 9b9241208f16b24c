//! Opening files that nobody vouches for: no links, no devices, no more bytes than asked for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Opens a folder that a person named.
pub(super) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Reads `name`, a path of plain parts below `folder`, without following links at any part.
/// `Ok(None)`: it does not exist.
pub(super) fn read_below(folder: &OwnedFd, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if !crate::source::is_plain(name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "unsafe name"));
    }
    let mut at = folder.try_clone()?;
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        // NONBLOCK: opening a FIFO must not wait for somebody to write to it.
        let mut flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if parts.peek().is_some() {
            flags |= OFlags::DIRECTORY;
        }
        at = match rustix::fs::openat(at.as_fd(), part, flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(io::Error::other("a symbolic link, which is not followed")),
            Err(other) => return Err(other.into()),
        };
    }
    read_file(File::from(at), limit).map(Some)
}

/// Reads an open file whole if it is a plain one of at most `limit` bytes.
pub(super) fn read_file(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("more than the {limit} bytes that are read"));
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}
