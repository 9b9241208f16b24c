//! Where the test data lies.

use std::path::PathBuf;

/// The corpus, or `None` with a word about it.
pub fn place() -> Option<PathBuf> {
    let place = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    if place.is_dir() {
        return Some(place);
    }
    eprintln!("skipped: no corpus at {}", place.display());
    None
}
