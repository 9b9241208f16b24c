//! What lies under `blobs/` of a layout directory, without opening anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::During;
use super::{StoreFault, codes};
use crate::image::Digest;

/// Most files in one foreign bundle.
pub(super) const MAX_ENTRIES: usize = 1_000_000;

/// The files under `blobs/`.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Plain files whose name is a digest, with their sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// Anything else that is no plain file where content belongs: with what it is.
    pub special: Vec<(PathBuf, &'static str)>,
    /// Plain files and folders with other names.
    pub stray: Vec<PathBuf>,
}

/// Lists `root/blobs`, at most `limit` entries; an absent folder is an empty one.
pub(super) fn list(root: &Path, limit: usize) -> Result<Listing, StoreFault> {
    let mut listing = Listing::default();
    let mut count = 0_usize;
    for algorithm in entries(&root.join("blobs"))? {
        let known = ["sha256", "sha512"].into_iter().find(|a| algorithm.file_name() == *a);
        let path = algorithm.path();
        let kind = algorithm.file_type().during("looking at", &path)?;
        let Some(known) = known else {
            listing.stray.push(path);
            continue;
        };
        if !kind.is_dir() {
            listing.special.push((path, what(kind)));
            continue;
        }
        for file in entries(&path)? {
            count += 1;
            if count > limit {
                return Err(StoreFault::refused(
                    &codes::LIMIT,
                    path.display().to_string(),
                    format!("more than {limit} files"),
                ));
            }
            let path = file.path();
            let digest =
                file.file_name().to_str().and_then(|hex| format!("{known}:{hex}").parse::<Digest>().ok());
            let metadata = match file.metadata() {
                Ok(metadata) => metadata,
                // A writer may have renamed it meanwhile.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e).during("looking at", &path),
            };
            match digest {
                Some(digest) if metadata.is_file() => {
                    listing.blobs.insert(digest, metadata.len());
                }
                None if metadata.is_file() || metadata.is_dir() => listing.stray.push(path),
                _ => listing.special.push((path, what(metadata.file_type()))),
            }
        }
    }
    listing.special.sort();
    listing.stray.sort();
    Ok(listing)
}

/// The size of a plain file; nothing where none is.
pub(super) fn size(path: &Path) -> Result<Option<u64>, StoreFault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).during("looking at", path),
    }
}

/// What a file is, where it is not a plain one.
pub(super) fn what(kind: fs::FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a plain file"
    } else {
        "a pipe, socket or device"
    }
}

/// The entries of a directory; an absent one has none.
pub(super) fn entries(path: &Path) -> Result<Vec<fs::DirEntry>, StoreFault> {
    match fs::read_dir(path) {
        Ok(entries) => entries.collect::<Result<_, _>>().during("listing", path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e).during("listing", path),
    }
}
