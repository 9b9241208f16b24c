//! The documents of a transfer: collected whole, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealock::log::growth::{History, MAX_HISTORY};
use sealock::seal::snapshot::{self, Changes};
use sealock::seal::statement::{Content, Trust};
use sealock::seal::{Operators, Snapshot, container};
use sealock::store::{LOGS, Store, transfer};
use sealock_trust_root::disk::{DEFAULT_NAME, DirectorySource, TrustState, is_name};
use sealock_trust_root::source::RepositorySource;
use sealock_trust_root::tuf;

use super::ledger::Ledgers;
use super::{Order, REFUSED, STALE, SealingFault, files, render};
use crate::trust_root::kept::{self, Kept, KeptFault};

/// Most ledgers that are carried whole.
const MOST_LEDGERS: usize = 50;
/// Largest ledger, in bytes.
const MAX_LEDGER: u64 = 256 * 1024 * 1024;

/// A TUF repository in a folder.
#[derive(Clone, Debug)]
pub struct TrustSource {
    /// Its name in the receiving store.
    pub name: String,
    /// The folder, in published layout.
    pub folder: PathBuf,
}

impl TrustSource {
    /// Reads `DIR` or `NAME=DIR`.
    pub fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, folder)) if is_name(name) => Self { name: name.to_owned(), folder: folder.into() },
            _ => Self { name: DEFAULT_NAME.to_owned(), folder: text.into() },
        }
    }
}

/// All of them, by name.
#[derive(Debug)]
pub(super) struct Documents {
    bytes: BTreeMap<String, Vec<u8>>,
    trust: Vec<Trust>,
}

impl Documents {
    pub(super) fn collect(
        order: &Order<'_>,
        store: &Store,
        operators: &Operators,
        names: &BTreeMap<String, String>,
        snapshot: &Snapshot,
    ) -> Result<Self, SealingFault> {
        let mut bytes = snapshot::name_files(snapshot::REFS, names)?;
        bytes.extend(snapshot::name_files(snapshot::FOUND, &store.found()?)?);
        let mut put = |name: String, content: Vec<u8>| -> Result<(), SealingFault> {
            if !container::is_document(&name) {
                return Err(SealingFault::Misuse(format!(
                    "{name:?} cannot be the name of a document: letters, digits, '.', '_' and '-' only"
                )));
            }
            match bytes.insert(name.clone(), content) {
                None => Ok(()),
                Some(_) => Err(SealingFault::Misuse(format!("two files would be called {name:?}"))),
            }
        };
        put(container::LAYOUT.to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())?;
        put(container::INDEX.to_owned(), store.index_json()?)?;
        put(container::OPERATORS.to_owned(), operators.render()?)?;
        put(container::SNAPSHOT.to_owned(), render("snapshot", snapshot)?)?;
        for path in order.policies {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            put(format!("policies/{name}"), files::read(path, kept::MAX_POLICY)?)?;
        }
        // What `pull` kept, but for what was given here under the same name, or is to stay.
        let given: BTreeSet<_> =
            order.policies.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        let kept = kept::policies(order.store).map_err(unreadable)?;
        if let Some(unknown) = order.no_policies.iter().find(|name| !kept.contains_key(*name)) {
            return Err(SealingFault::Misuse(format!("the store keeps no policy of the name {unknown:?}")));
        }
        for (name, content) in kept {
            if !given.contains(name.as_str()) && !order.no_policies.contains(&name) {
                put(format!("policies/{name}"), content)?;
            }
        }
        let mut ledgers = Ledgers::default();
        for (at, path) in order.ledgers.iter().enumerate() {
            let content = files::read(path, MAX_LEDGER)?;
            ledgers.read(&content)?;
            // What older ones say is in the files of absences; the newest are carried whole, for people.
            if at + MOST_LEDGERS >= order.ledgers.len() {
                put(ledger_name(path), content)?;
            }
        }
        if !order.ledgers.is_empty() {
            for (name, content) in
                snapshot::name_files(snapshot::ABSENT, &ledgers.absent(&snapshot.closure)?)?
            {
                put(name, content)?;
            }
        }
        for (name, content) in histories(order.store)? {
            put(format!("logs/{name}"), content)?;
        }
        let mut trust = Vec::new();
        for source in order.trust {
            let opened: Arc<dyn RepositorySource> =
                Arc::new(files::io(&source.folder, DirectorySource::open(&source.folder))?);
            let files = folder(&source.folder)?;
            // A name that this store does not know yet is checked from its own first root; the far side has its own pin.
            let first = kept::first_root(&files).filter(|_| source.name != DEFAULT_NAME);
            trust.push(load(&source.name, &opened, first, order)?);
            for (path, content) in files {
                put(format!("trust/{}/{path}", source.name), content)?;
            }
        }
        for (name, repository) in kept_repositories(order)? {
            let first = repository.first_root().filter(|_| repository.root.is_some());
            let source: Arc<dyn RepositorySource> = Arc::new(repository.source());
            trust.push(load(&name, &source, first, order)?);
            for (path, content) in repository.files {
                put(format!("trust/{name}/{path}"), content)?;
            }
        }
        trust.sort_by(|a: &Trust, b| a.name.cmp(&b.name));
        Ok(Self { bytes, trust })
    }

    /// Those of a seal that was made before.
    pub(super) fn again(bytes: BTreeMap<String, Vec<u8>>, trust: Vec<Trust>) -> Self {
        Self { bytes, trust }
    }

    /// Sets what changed.
    pub(super) fn changes(&mut self, changes: &Changes) -> Result<(), SealingFault> {
        self.bytes.insert(container::CHANGES.to_owned(), render("changes", changes)?);
        Ok(())
    }

    pub(super) fn contents(&self) -> BTreeMap<String, Content> {
        self.bytes.iter().map(|(name, bytes)| (name.clone(), Content::of(bytes))).collect()
    }

    pub(super) fn policies(&self) -> BTreeMap<String, String> {
        let below = self.bytes.iter().filter_map(|(name, b)| Some((name.strip_prefix("policies/")?, b)));
        below.map(|(name, bytes)| (name.to_owned(), Content::of(bytes).sha256)).collect()
    }

    pub(super) fn trust(&self) -> Vec<Trust> {
        self.trust.clone()
    }

    pub(super) fn snapshot(&self) -> &[u8] {
        self.get(container::SNAPSHOT)
    }

    pub(super) fn get(&self, name: &str) -> &[u8] {
        self.bytes.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.bytes.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

/// The ledgers in the store, oldest first.
///
/// # Errors
/// [`SealingFault::Io`].
pub fn ledgers(store: &Path) -> Result<Vec<PathBuf>, SealingFault> {
    let folder = store.join("snapshots");
    let list = match std::fs::read_dir(&folder) {
        Ok(list) => list,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(SealingFault::Io { path: folder, source }),
    };
    let mut found = Vec::new();
    for entry in list {
        let path = files::io(&folder, entry)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.strip_prefix("ledger-").is_some_and(|rest| rest.strip_suffix(".json").is_some()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Histories of logs in the store, by file name.
fn histories(store: &Path) -> Result<BTreeMap<String, Vec<u8>>, SealingFault> {
    let folder = store.join(LOGS);
    let mut found = BTreeMap::new();
    // One that cannot be looked for is not absent.
    if !files::io(&folder, folder.try_exists())? {
        return Ok(found);
    }
    for entry in files::io(&folder, std::fs::read_dir(&folder))? {
        let path = files::io(&folder, entry)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let content = files::read(&path, MAX_HISTORY)?;
        let read = History::parse(&content);
        if !read.is_ok_and(|history| history.log().file_name() == name) {
            return Err(SealingFault::Misuse(format!(
                "{} is no history of a log: move it out of the store, and pull again",
                path.display()
            )));
        }
        found.insert(name, content);
    }
    Ok(found)
}

/// Name of the document that carries the ledger at `path`.
pub(super) fn ledger_name(path: &Path) -> String {
    format!("ledger/{}", path.file_name().and_then(|n| n.to_str()).unwrap_or_default())
}

/// The repositories that `pull` kept, but for those given here under the same name, and those that are to stay.
fn kept_repositories(order: &Order<'_>) -> Result<Vec<(String, Kept)>, SealingFault> {
    let mut found = Vec::new();
    let names = kept::names(order.store).map_err(unreadable)?;
    if let Some(unknown) = order.no_trust.iter().find(|name| !names.contains(*name)) {
        return Err(SealingFault::Misuse(format!("the store keeps no trust root of the name {unknown:?}")));
    }
    for name in names {
        if order.no_trust.contains(&name) || order.trust.iter().any(|given| given.name == name) {
            continue;
        }
        if let Some(repository) = kept::read(order.store, &name).map_err(unreadable)? {
            found.push((name, repository));
        }
    }
    Ok(found)
}

fn unreadable(fault: KeptFault) -> SealingFault {
    SealingFault::Io { path: fault.path, source: fault.source }
}

/// Loads a repository as the far side will, and refuses what is not fresh now. `first` is where its chain begins if this
/// store knows nothing of the name; nothing for the root in this program.
fn load(
    name: &str,
    repository: &Arc<dyn RepositorySource>,
    first: Option<&[u8]>,
    order: &Order<'_>,
) -> Result<Trust, SealingFault> {
    let fault = |code, reason: String| SealingFault::Trust { name: name.to_owned(), reason, code };
    let state = TrustState::of_store(order.store);
    let writer = state.writer().map_err(|e| fault(REFUSED, e.to_string()))?;
    let (pinned, floor) = match writer.start(name, first) {
        Ok(start) => start,
        Err(sealock_trust_root::disk::StateFault::Pinned { .. }) => {
            writer.start(name, None).map_err(|e| fault(REFUSED, e.to_string()))?
        }
        Err(e) => return Err(fault(REFUSED, e.to_string())),
    };
    drop(writer);
    let loaded = tuf::load(repository, &pinned, floor.as_ref()).map_err(|e| fault(REFUSED, e.to_string()))?;
    for role in &loaded.roles {
        if role.expires <= order.now {
            return Err(fault(STALE, format!("its {} expired at {}", role.role, role.expires)));
        }
    }
    Ok(Trust { name: name.to_owned(), versions: transfer::versions(&loaded) })
}

/// Every file below `place`, by its path with `/`.
fn folder(place: &Path) -> Result<BTreeMap<String, Vec<u8>>, SealingFault> {
    let mut found = BTreeMap::new();
    let mut open = vec![(place.to_owned(), String::new())];
    while let Some((directory, prefix)) = open.pop() {
        for entry in files::io(&directory, std::fs::read_dir(&directory))? {
            let entry = files::io(&directory, entry)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if name.starts_with('.') {
                continue;
            }
            let kind = files::io(&path, entry.file_type())?;
            if kind.is_dir() && prefix.matches('/').count() < 3 {
                open.push((path, format!("{prefix}{name}/")));
            } else if kind.is_file() {
                found.insert(format!("{prefix}{name}"), files::read(&path, kept::MAX_FILE)?);
            } else {
                return Err(SealingFault::Misuse(format!(
                    "{} does not belong in a TUF repository",
                    path.display()
                )));
            }
            if found.len() > kept::MAX_FILES {
                return Err(SealingFault::Misuse(format!("{} holds too many files", place.display())));
            }
        }
    }
    Ok(found)
}
