//! Files of the sealing side: read within limits, written whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::SealingFault;

/// Adds the path to an error.
pub(crate) fn io<T>(path: &Path, result: std::io::Result<T>) -> Result<T, SealingFault> {
    result.map_err(|source| SealingFault::Io { path: path.to_owned(), source })
}

/// Reads at most `limit` bytes.
///
/// # Errors
/// [`SealingFault::Io`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, SealingFault> {
    io(path, sealock_trust_root::disk::read_named(path, limit))
}

/// `path` with `.part` behind it.
pub(crate) fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Makes `path` hold `bytes`, all or nothing.
///
/// # Errors
/// [`SealingFault::Io`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), SealingFault> {
    let beside = part(path);
    io(
        &beside,
        File::create(&beside).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())),
    )?;
    publish(path)
}

/// Gives the part file of `path` its name, synced.
pub(crate) fn publish(path: &Path) -> Result<(), SealingFault> {
    io(path, fs::rename(part(path), path))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    io(folder, File::open(folder).and_then(|folder| folder.sync_all()))
}
