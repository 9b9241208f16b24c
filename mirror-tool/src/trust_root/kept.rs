//! Repositories and policies that the store keeps for the next seal.
//!
//! ```text
//! <store>/trust-repositories/NAME/kept.json   what is kept: every file with size and hash, where from, the pinned root
//! <store>/trust-repositories/NAME/<digest>/   those files, in published layout; the digest is that of the list
//! <store>/policies/FILE                       policy files, as they were
//! ```
//!
//! | rule | source |
//! |---|---|
//! | a state is a folder of its own, written and flushed before `kept.json` names it; that rename is the one moment | a kill leaves the state before or the one after, each whole: a new root beside an old timestamp would not load |
//! | every file is hashed again on every read | DESIGN §4 rule 1 |
//! | nothing kept and something that cannot be read are two answers | DESIGN §4 rule 5 |
//! | at most [`MAX_FILES`] files, [`MAX_FILE`] bytes each, names that a seal can carry | DESIGN §4 rule 9 |
//!
//! Not here: whether it verifies ([`super::keep`]), whether it is fresh (`seal`). There is one writer: whoever calls holds
//! the store's lock.
//!
//! Attacks considered: files exchanged in the store, a list that names files elsewhere.
// Reason: what is kept are files below the store; their names are checked before they become paths.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sealock::seal::statement::Content;
use sealock::seal::{canonical, container};
use sealock_trust_root::disk::{is_name, read_named};
use sealock_trust_root::source::MemorySource;
use serde::{Deserialize, Serialize};

/// Folder of repositories in the store.
pub const REPOSITORIES: &str = "trust-repositories";
/// Folder of policies in the store.
pub const POLICIES: &str = "policies";
/// Most files of one repository: the head of a seal lists each.
pub const MAX_FILES: usize = 256;
/// Largest of them, in bytes.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Largest policy file, in bytes.
pub const MAX_POLICY: u64 = 4 * 1024 * 1024;

const FORMAT: &str = "sealock.dev/trust-repository/v1";
const LIST: &str = "kept.json";
const MAX_LIST: u64 = 1024 * 1024;

/// What is kept cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub struct KeptFault {
    /// On what.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A repository that the store keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it came from.
    pub url: String,
    /// SHA-256 of the pinned root in hex; nothing for the one inside the program.
    pub root: Option<String>,
    /// Every file by its published name.
    pub files: BTreeMap<String, Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    files: BTreeMap<String, Content>,
    folder: String,
    format: String,
    root: Option<String>,
    url: String,
}

impl Kept {
    /// As a source of metadata.
    pub fn source(&self) -> MemorySource {
        source(&self.files)
    }

    /// The oldest root that is kept: where the chain begins.
    pub fn first_root(&self) -> Option<&[u8]> {
        first_root(&self.files)
    }
}

/// Files as a source of metadata.
pub fn source(files: &BTreeMap<String, Vec<u8>>) -> MemorySource {
    let mut source = MemorySource::new();
    for (name, bytes) in files {
        source.insert(name.strip_prefix("metadata/").unwrap_or(name), bytes.clone());
    }
    source
}

/// The oldest `N.root.json` among files.
pub fn first_root(files: &BTreeMap<String, Vec<u8>>) -> Option<&[u8]> {
    let roots = files.iter().filter_map(|(path, bytes)| {
        let file = path.rsplit('/').next()?;
        let version: u64 = file.strip_suffix(".root.json")?.parse().ok()?;
        Some((version, bytes))
    });
    roots.min_by_key(|(version, _)| *version).map(|(_, bytes)| bytes.as_slice())
}

/// Why files cannot be kept for a seal, where they cannot.
pub fn objection(name: &str, files: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    if files.len() > MAX_FILES {
        return Some(format!("{} files, the limit is {MAX_FILES}", files.len()));
    }
    let odd = files.keys().find(|path| !container::is_document(&format!("trust/{name}/{path}")));
    if let Some(path) = odd {
        return Some(format!("no seal can carry a file of the name {path:?}"));
    }
    let large = files.iter().find(|(_, bytes)| bytes.len() as u64 > MAX_FILE);
    large.map(|(path, bytes)| format!("{path} has {} bytes, the limit is {MAX_FILE}", bytes.len()))
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, KeptFault> {
    result.map_err(|source| KeptFault { path: path.to_owned(), source })
}

fn damaged(path: &Path, reason: impl Into<String>) -> KeptFault {
    KeptFault { path: path.to_owned(), source: io::Error::other(reason.into()) }
}

fn missing(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::NotFound
}

fn place(store: &Path, name: &str) -> Result<PathBuf, KeptFault> {
    let folder = store.join(REPOSITORIES);
    if is_name(name) {
        Ok(folder.join(name))
    } else {
        Err(damaged(&folder, format!("{name:?} is not a name")))
    }
}

/// The repository that is kept under `name`, every file hashed on this read.
///
/// # Errors
/// [`KeptFault`] where something is kept and cannot be read, or is not what was written.
pub fn read(store: &Path, name: &str) -> Result<Option<Kept>, KeptFault> {
    let folder = place(store, name)?;
    let path = folder.join(LIST);
    let bytes = match read_named(&path, MAX_LIST) {
        Ok(bytes) => bytes,
        Err(e) if missing(&e) => return Ok(None),
        Err(source) => return Err(KeptFault { path, source }),
    };
    let list: List = canonical::parse("list", &bytes).map_err(|e| damaged(&path, e.to_string()))?;
    if list.format != FORMAT
        || list.files.len() > MAX_FILES
        || list.folder != folder_name(&list.files, &path)?
    {
        return Err(damaged(&path, "it is not the list of a repository"));
    }
    let mut files = BTreeMap::new();
    for (file, content) in list.files {
        if !container::is_document(&format!("trust/{name}/{file}")) || content.size > MAX_FILE {
            return Err(damaged(&path, format!("it lists {file:?}")));
        }
        let path = folder.join(&list.folder).join(&file);
        let bytes = at(&path, read_named(&path, content.size))?;
        if !content.matches(&bytes) {
            return Err(damaged(&path, "it is not what was kept"));
        }
        files.insert(file, bytes);
    }
    Ok(Some(Kept { url: list.url, root: list.root, files }))
}

/// Names of all repositories that are kept, in order.
///
/// # Errors
/// [`KeptFault`] where the folder cannot be read.
pub fn names(store: &Path) -> Result<Vec<String>, KeptFault> {
    let folder = store.join(REPOSITORIES);
    let mut found = Vec::new();
    for name in entries(&folder)?.into_iter().filter(|name| is_name(name)) {
        let list = folder.join(&name).join(LIST);
        // Without a list nothing was ever kept here; one that cannot be looked for is another matter.
        if at(&list, list.try_exists())? {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// Keeps a repository in place of the one before; tells which files were not kept before.
///
/// # Errors
/// [`KeptFault`]; what was kept before is kept then.
pub fn write(store: &Path, name: &str, kept: &Kept) -> Result<Vec<String>, KeptFault> {
    let folder = place(store, name)?;
    let before = read(store, name)?;
    let held = before.as_ref().map(|before| &before.files);
    let fresh = |file: &String| held.and_then(|files| files.get(file)) != kept.files.get(file);
    let new: Vec<String> = kept.files.keys().filter(|file| fresh(file)).cloned().collect();
    let files: BTreeMap<String, Content> =
        kept.files.iter().map(|(file, bytes)| (file.clone(), Content::of(bytes))).collect();
    let path = folder.join(LIST);
    let digest = folder_name(&files, &path)?;
    make(store, &[REPOSITORIES, name])?;
    let state = folder.join(&digest);
    if before.is_none_or(|before| before.files != kept.files) {
        let part = folder.join(".part");
        for leftover in [&part, &state] {
            match fs::remove_dir_all(leftover) {
                Err(e) if !missing(&e) => return Err(KeptFault { path: leftover.clone(), source: e }),
                _ => {}
            }
        }
        fill(&part, &kept.files)?;
        at(&state, fs::rename(&part, &state))?;
        sync(&folder)?;
    }
    let list = List {
        files,
        folder: digest,
        format: FORMAT.to_owned(),
        root: kept.root.clone(),
        url: kept.url.clone(),
    };
    let bytes = canonical::render("list", &list).map_err(|e| damaged(&path, e.to_string()))?;
    replace(&path, &bytes)?;
    for other in entries(&folder)?.into_iter().filter(|other| *other != list.folder && other != LIST) {
        // What cannot be removed now is removed after the next one.
        let _ = fs::remove_dir_all(folder.join(other));
    }
    Ok(new)
}

/// Policy files that are kept, by name.
///
/// # Errors
/// [`KeptFault`] where they cannot be read.
pub fn policies(store: &Path) -> Result<BTreeMap<String, Vec<u8>>, KeptFault> {
    let folder = store.join(POLICIES);
    let mut found = BTreeMap::new();
    for name in entries(&folder)?.into_iter().filter(|name| is_policy(name)) {
        let path = folder.join(&name);
        found.insert(name, at(&path, read_named(&path, MAX_POLICY))?);
    }
    Ok(found)
}

/// Whether a policy file of this name can be kept and carried.
pub fn is_policy(name: &str) -> bool {
    !name.contains('/') && container::is_document(&format!("{POLICIES}/{name}"))
}

/// Keeps a policy file; tells whether it is new or other than before.
///
/// # Errors
/// [`KeptFault`].
pub fn write_policy(store: &Path, name: &str, bytes: &[u8]) -> Result<bool, KeptFault> {
    let path = store.join(POLICIES).join(name);
    if !is_policy(name) {
        return Err(damaged(&path, "no seal can carry a file of this name"));
    }
    match read_named(&path, MAX_POLICY) {
        Ok(before) if before == bytes => return Ok(false),
        _ => {}
    }
    make(store, &[POLICIES])?;
    replace(&path, bytes)?;
    Ok(true)
}

/// Name of the folder of a state: the digest of its list of files.
fn folder_name(files: &BTreeMap<String, Content>, path: &Path) -> Result<String, KeptFault> {
    let bytes = canonical::render("list", files).map_err(|e| damaged(path, e.to_string()))?;
    Ok(Content::of(&bytes).sha256)
}

/// Writes and flushes every file below `folder`, which does not exist.
fn fill(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), KeptFault> {
    let mut made = std::collections::BTreeSet::from([folder.to_owned()]);
    at(folder, fs::create_dir_all(folder))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let mut parent = path.parent();
        while let Some(above) = parent.filter(|above| above.starts_with(folder)) {
            made.insert(above.to_owned());
            parent = above.parent();
        }
        if let Some(parent) = path.parent() {
            at(parent, fs::create_dir_all(parent))?;
        }
        at(
            &path,
            File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())),
        )?;
    }
    made.iter().rev().try_for_each(|folder| sync(folder))
}

/// Makes folders below the store, one in the other, so that they last.
fn make(store: &Path, parts: &[&str]) -> Result<(), KeptFault> {
    let mut folder = store.to_owned();
    for part in parts {
        let above = folder.clone();
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => sync(&above)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(KeptFault { path: folder, source }),
        }
    }
    Ok(())
}

/// Makes `path` hold `bytes`, all or nothing. The part file is hidden, so that nobody takes it for a file of ours.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), KeptFault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let part = folder.join(".part.file");
    at(&part, File::create(&part).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())))?;
    at(path, fs::rename(&part, path))?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), KeptFault> {
    at(folder, File::open(folder).and_then(|folder| folder.sync_all()))
}

fn entries(folder: &Path) -> Result<Vec<String>, KeptFault> {
    let list = match fs::read_dir(folder) {
        Ok(list) => list,
        Err(e) if missing(&e) => return Ok(Vec::new()),
        Err(source) => return Err(KeptFault { path: folder.to_owned(), source }),
    };
    let mut names = Vec::new();
    for entry in list {
        names.extend(at(folder, entry)?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(files: &[(&str, &str)]) -> Kept {
        let files = files.iter().map(|(n, b)| ((*n).to_owned(), b.as_bytes().to_vec())).collect();
        Kept { url: "https://tuf.example/".into(), root: None, files }
    }

    #[test]
    fn a_state_is_replaced_as_a_whole() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        assert!(read(store, "default").unwrap().is_none());
        let one = kept(&[("1.root.json", "a"), ("timestamp.json", "b"), ("targets/x/y.z", "c")]);
        assert_eq!(write(store, "default", &one).unwrap().len(), 3);
        assert_eq!(read(store, "default").unwrap().unwrap().files, one.files);
        assert!(write(store, "default", &one).unwrap().is_empty());
        let two = kept(&[("1.root.json", "a"), ("timestamp.json", "d")]);
        assert_eq!(write(store, "default", &two).unwrap(), ["timestamp.json"]);
        assert_eq!(read(store, "default").unwrap().unwrap().files, two.files);
        assert_eq!(names(store).unwrap(), ["default"]);
        assert_eq!(
            entries(&store.join(REPOSITORIES).join("default")).unwrap().len(),
            2,
            "nothing old is left"
        );
    }

    #[test]
    fn what_was_changed_is_no_empty_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path();
        write(store, "default", &kept(&[("1.root.json", "a")])).unwrap();
        let place = store.join(REPOSITORIES).join("default");
        let state = entries(&place).unwrap().into_iter().find(|name| name != LIST).unwrap();
        fs::write(place.join(&state).join("1.root.json"), "b").unwrap();
        assert!(read(store, "default").is_err());
        fs::remove_file(place.join(&state).join("1.root.json")).unwrap();
        assert!(read(store, "default").is_err());
        fs::write(place.join(LIST), "{}").unwrap();
        assert!(read(store, "default").is_err());
        assert!(read(store, "../default").is_err());
    }

    #[test]
    fn names_that_no_seal_carries() {
        let odd = |name: &str| objection("default", &kept(&[(name, "x")]).files);
        assert!(odd("targets/a b").is_some() && odd("targets/.x").is_some() && odd("1.root.json").is_none());
        assert!(
            is_policy("demo.yaml") && !is_policy("../x") && !is_policy("a/b") && !is_policy(".part.file")
        );
    }
}
