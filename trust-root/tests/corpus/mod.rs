//! Where the test data lies, and repositories read from it into memory.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sealock_trust_root::source::{MemorySource, RepositorySource};

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

/// A folder with a published repository, read into memory under the names that a mirror has.
pub fn memory(folder: &Path) -> MemorySource {
    fn walk(source: &mut MemorySource, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                let inner = if prefix.is_empty() && name == "metadata" {
                    String::new()
                } else {
                    format!("{prefix}{name}/")
                };
                walk(source, &entry.path(), &inner);
            } else {
                source.insert(format!("{prefix}{name}"), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut source = MemorySource::new();
    walk(&mut source, folder, "");
    source
}

/// One of the 20 repositories of the private Sigstore.
pub fn private(corpus: &Path, name: &str) -> MemorySource {
    memory(&corpus.join("private-sigstore/trust/tuf").join(name))
}

/// The production repository, unpacked.
pub fn production(corpus: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("tar")
        .arg("-xzf")
        .arg(corpus.join("trust-roots/tuf-production.tar.gz"))
        .arg("-C")
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let path = dir.path().join("tuf-production");
    (dir, path)
}

/// As the loader wants it.
pub fn shared(source: &MemorySource) -> Arc<dyn RepositorySource> {
    Arc::new(source.clone())
}
