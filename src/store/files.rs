//! Writing whole files so that nothing half-written is ever visible.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::StoreFault;
use super::fault::During;

/// Creates a new file for writing; an existing one, and any link, is refused.
pub(super) fn create(path: &Path, mode: u32) -> Result<File, StoreFault> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).during("creating", path)?.into())
}

/// Writes `bytes` to `part`, then renames it to `path`, synced in between and after.
pub(super) fn replace(part: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreFault> {
    remove(part)?;
    let mut file = create(part, 0o644)?;
    file.write_all(bytes).during("writing", part)?;
    file.sync_all().during("writing", part)?;
    drop(file);
    rename(part, path)
}

/// Renames and syncs the directory.
pub(super) fn rename(part: &Path, path: &Path) -> Result<(), StoreFault> {
    fs::rename(part, path).during("renaming", part)?;
    match path.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreFault> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).during("removing", path),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreFault> {
    File::open(path).and_then(|d| d.sync_all()).during("syncing", path)
}

/// Makes a directory if it is not there, and its name durable.
pub(super) fn make_directory(path: &Path) -> Result<(), StoreFault> {
    match fs::create_dir(path) {
        Ok(()) => match path.parent() {
            Some(parent) => sync_directory(parent),
            None => Ok(()),
        },
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).during("looking at", path)?;
            if metadata.is_dir() { Ok(()) } else { Err(e).during("making the directory", path) }
        }
        Err(e) => Err(e).during("making the directory", path),
    }
}

/// Writes a new file of `mode`, synced.
pub(super) fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), StoreFault> {
    let mut file = create(path, mode)?;
    file.write_all(bytes).during("writing", path)?;
    file.sync_all().during("writing", path)
}
