//! Hashing everything in `blobs/`, on two threads, in memory that does not depend on what is hashed.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::blob::{self, OpenFault};
use crate::image::Digest;

/// Most threads that hash. Two saturate most disks; more would take memory for nothing.
const MAX_THREADS: usize = 2;

/// What hashing one file found.
#[derive(Debug)]
pub(super) enum State {
    /// Its bytes hash to its name.
    Sound {
        /// Bytes hashed.
        size: u64,
    },
    /// They do not.
    Damaged,
    /// No plain file.
    Special(&'static str),
    /// Removed since it was listed.
    Gone,
    /// The system refused.
    Unreadable(io::Error),
}

/// Hashes `files` of the layout at `root`, largest first.
pub(super) fn sweep(root: &Path, files: impl Iterator<Item = (Digest, u64)>) -> Vec<(Digest, State)> {
    let mut files: Vec<_> = files.collect();
    files.sort_by_key(|(digest, size)| (std::cmp::Reverse(*size), *digest));
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(files.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                while let Some((digest, _)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let state = one(root, digest, &mut buffer);
                    if let Ok(mut found) = found.lock() {
                        found.push((*digest, state));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(digest, _)| *digest);
    found
}

fn one(root: &Path, digest: &Digest, buffer: &mut Vec<u8>) -> State {
    match blob::open_regular(&blob::path(root, digest)) {
        Ok((file, _)) => match blob::stream(file, digest, buffer, |_| Ok(())) {
            Ok(streamed) if streamed.matches => State::Sound { size: streamed.size },
            Ok(_) => State::Damaged,
            Err(e) => State::Unreadable(e),
        },
        Err(OpenFault::Absent) => State::Gone,
        Err(OpenFault::Special(kind)) => State::Special(kind),
        Err(OpenFault::Io(e)) => State::Unreadable(e),
    }
}
