//! The documents that a statement binds and that Sealock reads itself: closure, names, changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::statement::Content;
use super::{SealFault, canonical};
use crate::crypto;
use crate::image::Digest;

/// `format` of `snapshot.json`.
pub const FORMAT: &str = "sealock.dev/snapshot/v1";
/// Largest `snapshot.json`, in bytes.
pub const MAX_SNAPSHOT: u64 = 256 * 1024 * 1024;
/// Names in one file of names, about: so that one name is looked up without reading all of them.
const NAMES_A_FILE: usize = 4096;
/// Most files of names.
const MAX_FILES: usize = 64;

/// Everything that was mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Every content, with its size.
    pub closure: BTreeMap<Digest, u64>,
    /// [`FORMAT`].
    pub format: String,
    /// Name of the ledger document in this transfer; nothing where absence stays unknown.
    pub ledger: Option<String>,
    /// Content of the closure that is not in this transfer, because its receiver acknowledged it.
    pub omitted: BTreeSet<Digest>,
}

impl Snapshot {
    /// Reads the document, whose digest was checked.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        let snapshot: Self = canonical::read("snapshot.json", bytes)?;
        let malformed = |reason: &str| Err(SealFault::malformed("snapshot.json", reason));
        if snapshot.format != FORMAT {
            return malformed("its format is not sealock.dev/snapshot/v1");
        }
        if !snapshot.omitted.iter().all(|digest| snapshot.closure.contains_key(digest)) {
            return malformed("it leaves out what it does not list");
        }
        Ok(snapshot)
    }

    /// Content that the transfer carries, in order.
    pub fn carried(&self) -> impl Iterator<Item = (&Digest, u64)> {
        let carried = self.closure.iter().filter(|(digest, _)| !self.omitted.contains(*digest));
        carried.map(|(digest, size)| (digest, *size))
    }
}

/// What changed since the seal before, for people who sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Names that are new: name → digest.
    pub added: BTreeMap<String, String>,
    /// Names that stand for something else: name → before, after.
    pub moved: BTreeMap<String, [String; 2]>,
    /// Names that are gone: name → digest.
    pub removed: BTreeMap<String, String>,
}

impl Changes {
    /// Compares names.
    pub fn between(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Self {
        let mut changes = Self::default();
        for (name, digest) in after {
            match before.get(name) {
                None => drop(changes.added.insert(name.clone(), digest.clone())),
                Some(old) if old != digest => {
                    changes.moved.insert(name.clone(), [old.clone(), digest.clone()]);
                }
                Some(_) => {}
            }
        }
        for (name, digest) in before {
            if !after.contains_key(name) {
                changes.removed.insert(name.clone(), digest.clone());
            }
        }
        changes
    }
}

/// Which file of names `name` is in, out of `files`.
fn file_of(name: &str, files: usize) -> usize {
    let [first, ..] = crypto::sha256(name.as_bytes());
    usize::from(first) % files.max(1)
}

/// Folder of the files of names: full name → digest.
pub const REFS: &str = "refs";
/// Folder of the files of referrers: digest of the subject → digests of its referrers, with spaces between.
pub const FOUND: &str = "found";

/// Folder of the files of proven absences: `<repository>@<subject>` → channels that were asked and had nothing, with
/// spaces between. A repository with a tag prefix is `<repository>#<prefix>`.
pub const ABSENT: &str = "absent";

fn file_name(folder: &str, at: usize) -> String {
    format!("{folder}/{at:02}.json")
}

/// The files below `folder` that hold `names`: file name → bytes. Each holds one object in canonical form.
///
/// # Errors
/// None in practice.
pub fn name_files(
    folder: &str,
    names: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Vec<u8>>, SealFault> {
    let files = names.len().div_ceil(NAMES_A_FILE).clamp(1, MAX_FILES);
    let mut split: Vec<BTreeMap<&str, &str>> = vec![BTreeMap::new(); files];
    for (name, digest) in names {
        if let Some(file) = split.get_mut(file_of(name, files)) {
            file.insert(name, digest);
        }
    }
    let files = split.iter().enumerate();
    files.map(|(at, names)| Ok((file_name(folder, at), canonical::render("names", names)?))).collect()
}

/// The file below `folder` that says what `name` stands for, out of the documents of a statement.
pub fn file_for(contents: &BTreeMap<String, Content>, folder: &str, name: &str) -> String {
    let below = |document: &&String| document.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    file_name(folder, file_of(name, contents.keys().filter(below).count()))
}

/// Reads one file of names, whose digest was checked.
///
/// # Errors
/// [`SealFault::Malformed`].
pub fn parse_names(bytes: &[u8]) -> Result<BTreeMap<String, String>, SealFault> {
    canonical::read("names", bytes)
}
