//! A TUF repository in a folder, in published layout.
//!
//! Metadata lies in the folder itself (`timestamp.json`, `16.root.json`, …) or in `metadata/` below it, targets in
//! `targets/`. Links are not followed at any part of a name, special files are refused, sizes are bounded.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::plain;
use crate::source::{Answer, RepositorySource};

/// A folder with a published TUF repository.
#[derive(Debug)]
pub struct DirectorySource {
    folder: OwnedFd,
    /// Where metadata lies: empty, or `metadata/`.
    prefix: &'static str,
}

impl DirectorySource {
    /// Opens a folder.
    ///
    /// # Errors
    /// The system's reason; [`io::ErrorKind::NotFound`] also for a folder without `timestamp.json`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let folder = plain::open_folder(path)?;
        for prefix in ["", "metadata/"] {
            // A file that exists but is too large or unreadable is found here, and refused when it is loaded.
            let probe = plain::read_below(&folder, &format!("{prefix}timestamp.json"), 1 << 20);
            if !matches!(probe, Ok(None)) {
                return Ok(Self { folder, prefix });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no timestamp.json here or in metadata/: not a TUF repository in published layout",
        ))
    }
}

impl RepositorySource for DirectorySource {
    fn read(&self, name: &str, limit: u64) -> Answer {
        let path =
            if name.starts_with("targets/") { name.to_owned() } else { format!("{}{name}", self.prefix) };
        match plain::read_below(&self.folder, &path, limit) {
            Ok(Some(bytes)) => Answer::Found(bytes),
            Ok(None) => Answer::Absent,
            Err(fault) => Answer::Unreadable(fault.to_string()),
        }
    }
}
