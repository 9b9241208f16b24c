//! Rebuilding the catalogue from `index.json` and `blobs/`.
//!
//! The store's id stays, because `store.json` has it. Names stay as claimed ones, because `index.json` has them.
//! Content that does not hash to its name is left out and told; nothing is deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::blob::{self, OpenFault};
use super::graph::{Contents, Graph};
use super::index::{self, Entry};
use super::sweep::{self, State};
use super::writer::Writer;
use super::{SourceFault, StoreFault, codes, listing};
use crate::decision::{Finding, Severity};
use crate::image::Digest;

/// What came out of a rebuild.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReindexReport {
    /// `sealock.dev/store-reindex/v1`.
    pub schema: &'static str,
    /// The store's directory.
    pub store: String,
    /// Its id.
    pub store_id: String,
    /// Manifests in the new catalogue.
    pub manifests: usize,
    /// Other contents in it.
    pub blobs: usize,
    /// Names in it, all of them claimed.
    pub names: usize,
    /// Sound contents that nothing leads to.
    pub unlisted: usize,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Sound content of the store itself.
struct Sound {
    root: PathBuf,
    contents: BTreeMap<Digest, u64>,
}

impl Contents for Sound {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        Ok(self.contents.get(digest).copied())
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceFault> {
        blob::read(&self.root, digest, limit)
    }

    fn all(&self) -> Result<Vec<(Digest, u64)>, StoreFault> {
        Ok(self.contents.iter().map(|(digest, size)| (*digest, *size)).collect())
    }
}

/// Rebuilds the catalogue of the store at `root`, waiting up to `patience` for another writer.
///
/// # Errors
/// [`StoreFault::NotAStore`], [`StoreFault::NewerFormat`], [`StoreFault::Busy`], [`StoreFault::Io`], and
/// [`StoreFault::Refused`] where `index.json` is no sound index.
pub fn reindex(root: &Path, patience: Duration) -> Result<ReindexReport, StoreFault> {
    let mut findings = Vec::new();
    let mut writer = Writer::rebuild(root, patience)?;
    let entries = entries(root, &mut findings)?;
    let listing = listing::list(root, usize::MAX)?;
    let mut contents = BTreeMap::new();
    for (digest, state) in sweep::sweep(root, listing.blobs.into_iter()) {
        match state {
            State::Sound { size } => {
                contents.insert(digest, size);
            }
            State::Damaged => findings.push(Finding::error(
                &codes::DAMAGED,
                format!("{digest} does not hash to its name and is not in the new catalogue"),
            )),
            State::Special(kind) => {
                findings.push(Finding::error(&codes::SPECIAL_FILE, format!("{digest} is {kind}")));
            }
            State::Gone => {}
            State::Unreadable(source) => {
                return Err(StoreFault::Io { what: "reading", path: blob::path(root, &digest), source });
            }
        }
    }
    for (path, kind) in &listing.special {
        findings.push(Finding::error(&codes::SPECIAL_FILE, format!("{} is {kind}", path.display())));
    }
    let graph = Graph::build(&entries, &Sound { root: root.to_owned(), contents })?;
    writer.commit(&graph, true)?;
    findings.extend(graph.findings.iter().cloned());
    Ok(ReindexReport {
        schema: "sealock.dev/store-reindex/v1",
        store: root.display().to_string(),
        store_id: writer.id().to_owned(),
        manifests: graph.manifests.len(),
        blobs: graph.blobs.keys().filter(|d| !graph.manifests.contains_key(d)).count(),
        names: graph.names.len(),
        unlisted: graph.unreferenced,
        findings,
    })
}

fn entries(root: &Path, findings: &mut Vec<Finding>) -> Result<Vec<Entry>, StoreFault> {
    let path = root.join("index.json");
    match blob::read_plain(&path, index::MAX_INDEX_FILE) {
        Ok(bytes) => index::parse(&bytes, None),
        Err(OpenFault::Absent) => {
            findings.push(Finding::new(
                &codes::INDEX_DIFFERS,
                Severity::Error,
                "index.json is missing, so all names are lost; import the bundles again to get them back",
            ));
            Ok(Vec::new())
        }
        Err(OpenFault::Special(kind)) => Err(StoreFault::refused(
            &codes::SPECIAL_FILE,
            path.display().to_string(),
            format!("it is {kind}"),
        )),
        Err(OpenFault::Io(source)) => Err(StoreFault::Io { what: "reading", path, source }),
    }
}
