//! What can go wrong in the store, each with its finding code.

use std::io;
use std::path::{Path, PathBuf};

use super::codes;
use crate::decision::{Code, Finding};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// No store there.
    #[error("{} is not a Sealock store: run `sealock store init --store {}`", .place.display(), .place.display())]
    NotAStore {
        /// The directory.
        place: PathBuf,
    },
    /// `init` in a directory that holds something else.
    #[error("{} is not empty and not a Sealock store (it holds {found:?}): choose an empty or new directory", .place.display())]
    ForeignDirectory {
        /// The directory.
        place: PathBuf,
        /// One of the names found in it.
        found: String,
    },
    /// `--id` differs from the id of the store that is there.
    #[error("{} is already a store, and its id is {found}, not {wanted}", .place.display())]
    OtherId {
        /// The directory.
        place: PathBuf,
        /// The id asked for.
        wanted: String,
        /// The id it has.
        found: String,
    },
    /// An id that is none.
    #[error("{text:?} is not a store id: 1 to 64 letters, digits, '.', '_' or '-'")]
    Id {
        /// What was given.
        text: String,
    },
    /// Written by a newer version.
    #[error("{} has format {found}, this version of sealock knows {known}: use the newer `sealock`", .place.display())]
    NewerFormat {
        /// The directory or file.
        place: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The catalogue has no answer.
    #[error("the catalogue of {} cannot be read: {reason}: run `sealock store reindex --store {}`", .place.display(), .place.display())]
    Catalogue {
        /// The store.
        place: PathBuf,
        /// `SQLite`'s words.
        reason: String,
    },
    /// Another writer holds the lock.
    #[error("{} is being written by {holder}; waited {waited} s", .place.display())]
    Busy {
        /// The store.
        place: PathBuf,
        /// Who holds the lock.
        holder: String,
        /// Seconds waited.
        waited: u64,
    },
    /// The system refused.
    #[error("{what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Foreign content was refused.
    #[error("{what}: {reason}")]
    Refused {
        /// Which rule.
        code: &'static Code,
        /// Which entry, file or digest.
        what: String,
        /// What does not fit.
        reason: String,
    },
}

impl StoreFault {
    /// A refusal of foreign content.
    pub fn refused(code: &'static Code, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { code, what: what.into(), reason: reason.into() }
    }

    /// The finding code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NotAStore { .. } => &codes::NOT_A_STORE,
            Self::ForeignDirectory { .. } | Self::OtherId { .. } | Self::Id { .. } => {
                &codes::FOREIGN_DIRECTORY
            }
            Self::NewerFormat { .. } => &codes::NEWER_FORMAT,
            Self::Catalogue { .. } => &codes::CATALOGUE,
            Self::Busy { .. } => &codes::BUSY,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => &codes::NO_SPACE,
            Self::Io { .. } => &codes::UNREADABLE,
            Self::Refused { code, .. } => code,
        }
    }

    /// The finding that tells it.
    pub fn finding(&self) -> Finding {
        Finding::error(self.code(), self.to_string())
    }
}

/// Adds what was tried on which path to an I/O error.
pub(super) trait During<T> {
    /// Wraps the error.
    fn during(self, what: &'static str, path: &Path) -> Result<T, StoreFault>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: &'static str, path: &Path) -> Result<T, StoreFault> {
        self.map_err(|source| StoreFault::Io { what, path: path.to_owned(), source })
    }
}

impl<T> During<T> for Result<T, rustix::io::Errno> {
    fn during(self, what: &'static str, path: &Path) -> Result<T, StoreFault> {
        self.map_err(io::Error::from).during(what, path)
    }
}
