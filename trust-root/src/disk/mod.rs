//! The only part of this crate that touches files: repositories in folders, and the state that a store keeps.
// Reason: a TUF folder and the store's trust state are files; everything else in the crate gets bytes.
#![allow(clippy::disallowed_methods)]

mod plain;
mod repository;
mod state;
mod writer;

use std::io;
use std::path::Path;

pub use repository::DirectorySource;
pub use state::{
    Action, DEFAULT_NAME, HistoryLine, InForce, NAME_RULE, Pin, Provenance, StateFault, TrustState, is_name,
};
pub use writer::Writer;

/// Reads a file that a person named, at most `limit` bytes. Symbolic links are followed, special files refused.
///
/// # Errors
/// The system's reason, or [`io::ErrorKind::FileTooLarge`].
pub fn read_named(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    plain::read_file(std::fs::File::open(path)?, limit)
}

/// Writes the floor's documents where `tough` looks for them during one load.
pub(crate) fn seed_scratch(scratch: &Path, files: &[(&str, &Vec<u8>)]) -> io::Result<()> {
    for (name, bytes) in files {
        std::fs::write(scratch.join(name), bytes)?;
    }
    Ok(())
}
