//! What a store has accepted: pinned operators, floors, the newest seal with its documents; read and believed anew
//! each time.
//!
//! ```text
//! seal/key.pk8                    the store's own key, mode 0600
//! seal/operators.json             the operators that were pinned
//! seal/floors.json                the floors; names the newest accepted seal, and replacing it is the moment of commit
//! seal/accepted/<digest>/head     the head of that seal
//! seal/accepted/<digest>/<name>   its documents
//! seal/accepted/<digest>/history.json   what each name has stood for
//! seal/accepted/<digest>/logs.json   newest heads of logs, and contradictions
//! ```
//!
//! | rule | source |
//! |---|---|
//! | the accepted seal's signatures are checked on each opening, its documents hashed on each read | threats §1 no. 40 |
//! | its operators must go on from the pinned ones | DESIGN §5 |
//! | state that cannot be read is a fault, never "none" | DESIGN §4 rule 5 |
//!
//! Attacks considered: `refs_edited`, `planted_root`. Whoever can replace all of the folder can go back to an older
//! whole state; a floor outside (`--minimum`) holds against that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::crypto::SigningKey;
use crate::image::Digest;
use crate::seal::order::History;
use crate::seal::{
    Floors, Header, Operators, ReceiptKey, SealFault, Snapshot, Statement, VerifiedSeal, canonical,
    container, operators, snapshot,
};
use crate::store::blob::{self, OpenFault};
use crate::store::{StoreFault, files, listing};

/// Folder of all of it.
pub(super) const FOLDER: &str = "seal";
/// The pinned operators.
pub(super) const OPERATORS: &str = "operators.json";
/// The floors.
pub(super) const FLOORS: &str = "floors.json";
const KEY: &str = "key.pk8";
const ACCEPTED: &str = "accepted";
/// The head of a seal, here and in quarantine.
pub(super) const HEAD: &str = "head";
/// What each name has stood for.
pub(super) const HISTORY: &str = "history.json";
/// Largest file of floors, in bytes.
const MAX_FLOORS: u64 = 64 * 1024;
/// Largest document that is read whole, in bytes.
pub(super) const MAX_DOCUMENT: u64 = 512 * 1024 * 1024;

/// What a store has accepted.
#[derive(Debug)]
pub struct Accepted {
    folder: PathBuf,
    pinned: Operators,
    floors: Floors,
    newest: Option<Newest>,
}

/// The newest accepted seal.
#[derive(Debug)]
struct Newest {
    seal: VerifiedSeal,
    operators: Operators,
    folder: PathBuf,
}

/// Folder of what belongs to the accepted seal `digest`.
pub(super) fn folder(root: &Path, digest: &str) -> PathBuf {
    root.join(FOLDER).join(ACCEPTED).join(digest)
}

/// A refusal with the code of `fault`.
pub(super) fn refused(what: &Path, fault: &SealFault) -> StoreFault {
    StoreFault::refused(fault.code(), what.display().to_string(), fault.to_string())
}

/// State of ours that is not what we wrote.
pub(super) fn damaged(what: &Path, reason: impl std::fmt::Display) -> StoreFault {
    StoreFault::refused(&crate::seal::codes::STATE, what.display().to_string(), reason.to_string())
}

/// Reads a file of ours; nothing where none is.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreFault> {
    match blob::read_plain(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(OpenFault::Absent) => Ok(None),
        Err(OpenFault::Special(kind)) => Err(damaged(path, format!("it is {kind}"))),
        Err(OpenFault::Io(source)) => Err(StoreFault::Io { what: "reading", path: path.to_owned(), source }),
    }
}

pub(super) fn needed(path: &Path, limit: u64) -> Result<Vec<u8>, StoreFault> {
    read(path, limit)?.ok_or_else(|| damaged(path, "it is missing"))
}

impl Accepted {
    /// Reads it. Nothing where no operators are pinned.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is not what was accepted.
    pub fn open(root: &Path, store: &str) -> Result<Option<Self>, StoreFault> {
        let folder = root.join(FOLDER);
        let path = folder.join(OPERATORS);
        let floors_path = folder.join(FLOORS);
        let floors = read(&floors_path, MAX_FLOORS)?;
        let Some(bytes) = read(&path, operators::MAX_FILE)? else {
            // Pins that vanished while something was accepted under them are no "none".
            return if floors.is_some() { Err(damaged(&path, "it is missing")) } else { Ok(None) };
        };
        let pinned = Operators::parse(&bytes).map_err(|e| damaged(&path, e))?;
        let Some(floors) = floors else {
            return Ok(Some(Self { folder, pinned, floors: Floors::default(), newest: None }));
        };
        let floors: Floors = canonical::parse(FLOORS, &floors).map_err(|e| damaged(&floors_path, e))?;
        let Some(digest) = floors.seal.clone().filter(|d| hex::decode(d).is_ok_and(|d| d.len() == 32)) else {
            return Err(damaged(&floors_path, "it names no seal"));
        };
        let accepted = folder.join(ACCEPTED).join(&digest);
        let head = accepted.join(HEAD);
        let bytes = needed(&head, container::HEADER_LENGTH as u64)?;
        let brought = accepted.join(container::OPERATORS);
        let operators =
            Operators::parse(&needed(&brought, operators::MAX_FILE)?).map_err(|e| damaged(&brought, e))?;
        let checked = operators
            .follows(&pinned)
            .or_else(|fault| if pinned.follows(&operators).is_ok() { Ok(()) } else { Err(fault) })
            .and_then(|()| Header::parse(&bytes)?.verify(&operators))
            .and_then(|seal| seal.verify_under(&operators).map(|()| seal));
        let seal = checked.map_err(|e| damaged(&head, e))?;
        let statement = seal.statement();
        if seal.digest() != digest || statement.sequence != floors.sequence || statement.audience != store {
            return Err(damaged(&head, "it is not the seal that the floors name"));
        }
        Ok(Some(Self { folder, pinned, floors, newest: Some(Newest { seal, operators, folder: accepted }) }))
    }

    /// The floors.
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// The operators in force: the pinned ones, or newer ones that a seal brought.
    pub fn operators(&self) -> &Operators {
        let brought = self.newest.as_ref().map(|newest| &newest.operators);
        brought.filter(|b| b.version() >= self.pinned.version()).unwrap_or(&self.pinned)
    }

    /// The newest accepted statement.
    pub fn statement(&self) -> Option<&Statement> {
        self.newest.as_ref().map(|newest| newest.seal.statement())
    }

    /// A document of the newest accepted seal, hashed on this read.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is missing or changed.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let Some(newest) = &self.newest else { return Ok(None) };
        let Some(content) = newest.seal.statement().contents.get(name) else { return Ok(None) };
        let path = newest.folder.join(name);
        let bytes = needed(&path, MAX_DOCUMENT)?;
        if !content.matches(&bytes) {
            return Err(damaged(&path, "it is not the document that was sealed"));
        }
        Ok(Some(bytes))
    }

    /// What the newest accepted seal says that `name` stands for.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where its files of names are missing or changed.
    pub fn resolve(&self, name: &str) -> Result<Option<String>, StoreFault> {
        self.look_up(snapshot::REFS, name)
    }

    /// The referrers of `subject` that were sealed. None at all is no proof that there are none.
    ///
    /// # Errors
    /// As [`Accepted::resolve`].
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, StoreFault> {
        let found = self.look_up(snapshot::FOUND, &subject.to_string())?.unwrap_or_default();
        let digests = found.split(' ').filter(|text| !text.is_empty());
        digests.map(|text| text.parse().map_err(|_| damaged(&self.folder, "it lists no digest"))).collect()
    }

    /// The channels that the sealed ledgers prove to hold nothing about `subject` at `place`.
    ///
    /// # Errors
    /// As [`Accepted::resolve`].
    pub fn absent(&self, place: &str, subject: &Digest) -> Result<Vec<String>, StoreFault> {
        let found = self.look_up(snapshot::ABSENT, &format!("{place}@{subject}"))?.unwrap_or_default();
        Ok(found.split(' ').filter(|c| !c.is_empty()).map(str::to_owned).collect())
    }

    fn look_up(&self, folder: &str, name: &str) -> Result<Option<String>, StoreFault> {
        let Some(statement) = self.statement() else { return Ok(None) };
        let file = snapshot::file_for(&statement.contents, folder, name);
        let Some(bytes) = self.document(&file)? else { return Ok(None) };
        let mut names = snapshot::parse_names(&bytes).map_err(|e| damaged(&self.folder.join(file), e))?;
        Ok(names.remove(name))
    }

    /// Every name that the newest accepted seal vouches for.
    ///
    /// # Errors
    /// As [`Accepted::resolve`].
    pub fn names(&self) -> Result<BTreeMap<String, String>, StoreFault> {
        let mut names = BTreeMap::new();
        let contents = self.statement().map(|s| s.contents.keys().cloned().collect::<Vec<_>>());
        for file in contents.unwrap_or_default().iter().filter(|name| name.starts_with("refs/")) {
            if let Some(bytes) = self.document(file)? {
                names.extend(snapshot::parse_names(&bytes).map_err(|e| damaged(&self.folder.join(file), e))?);
            }
        }
        Ok(names)
    }

    /// The newest ledger of the newest accepted seal; nothing where absence stays unknown.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] where it is missing or changed.
    pub fn ledger(&self) -> Result<Option<Vec<u8>>, StoreFault> {
        let Some(bytes) = self.document(container::SNAPSHOT)? else { return Ok(None) };
        let snapshot = Snapshot::parse(&bytes).map_err(|e| damaged(&self.folder, e))?;
        snapshot.ledger.map_or(Ok(None), |name| self.document(&name))
    }

    /// What each name has stood for in accepted seals.
    pub(super) fn history(&self) -> Result<History, StoreFault> {
        let Some(newest) = &self.newest else { return Ok(History::new()) };
        let path = newest.folder.join(HISTORY);
        canonical::read("history", &needed(&path, MAX_DOCUMENT)?).map_err(|e| damaged(&path, e))
    }
}

/// The floors as they stand in the file; nothing where nothing was accepted.
///
/// # Errors
/// [`StoreFault`] where the file cannot be read.
pub(in crate::store) fn floors(root: &Path) -> Result<Option<Vec<u8>>, StoreFault> {
    read(&root.join(FOLDER).join(FLOORS), MAX_FLOORS)
}

/// Whether a clock that says `now` can be right, by what the store at `root` has accepted. No store is no reason to
/// doubt it.
///
/// # Errors
/// [`StoreFault::Refused`] where it cannot, or where the floors cannot be read.
pub fn check_clock(root: &Path, now: Timestamp) -> Result<(), StoreFault> {
    let path = root.join(FOLDER).join(FLOORS);
    let Some(bytes) = floors(root)? else { return Ok(()) };
    let floors: Floors = canonical::parse(FLOORS, &bytes).map_err(|e| damaged(&path, e))?;
    floors.check_clock(now).map_err(|fault| refused(&path, &fault))
}

/// Pins operators, or takes a newer version of those that are pinned.
///
/// # Errors
/// [`StoreFault::Refused`] where they are refused or do not go on from the pinned ones.
pub(super) fn pin(root: &Path, file: &Path, bytes: &[u8]) -> Result<u64, StoreFault> {
    let offered = Operators::parse(bytes).map_err(|e| refused(file, &e))?;
    let folder = root.join(FOLDER);
    let path = folder.join(OPERATORS);
    if let Some(before) = read(&path, operators::MAX_FILE)? {
        let before = Operators::parse(&before).map_err(|e| damaged(&path, e))?;
        offered.follows(&before).map_err(|e| refused(file, &e))?;
    } else if floors(root)?.is_some() {
        return Err(damaged(&path, "it is missing"));
    }
    files::replace(&folder.join("operators.part"), &path, bytes)?;
    Ok(offered.version())
}

/// Makes the folder and the store's key, as far as they are missing.
pub(in crate::store) fn complete(root: &Path) -> Result<(), StoreFault> {
    let folder = root.join(FOLDER);
    files::make_directory(&folder)?;
    let path = folder.join(KEY);
    if path.exists() {
        return Ok(());
    }
    let (der, _) = SigningKey::generate().map_err(|e| damaged(&path, e))?;
    let part = folder.join("key.part");
    files::remove(&part)?;
    files::write_new(&part, 0o600, &der)?;
    files::rename(&part, &path)
}

/// The store's key.
pub(super) fn key(root: &Path) -> Result<SigningKey, StoreFault> {
    let path = root.join(FOLDER).join(KEY);
    SigningKey::from_pkcs8(&needed(&path, 4096)?).map_err(|e| damaged(&path, e))
}

/// The key that checks the receipts of the store at `root`.
///
/// # Errors
/// [`StoreFault`] where it cannot be read.
pub fn receipt_key(root: &Path, store: &str) -> Result<ReceiptKey, StoreFault> {
    Ok(ReceiptKey::of(store, &key(root)?))
}

/// Puts the documents of a seal in their place. Nothing is accepted by that.
pub(super) fn put(root: &Path, digest: &str, documents: &[(&str, &[u8])]) -> Result<(), StoreFault> {
    let accepted = root.join(FOLDER).join(ACCEPTED);
    files::make_directory(&accepted)?;
    let folder = accepted.join(digest);
    files::make_directory(&folder)?;
    for (name, bytes) in documents {
        let path = folder.join(name);
        let mut below = folder.clone();
        for part in Path::new(name).parent().into_iter().flat_map(Path::components) {
            below.push(part);
            files::make_directory(&below)?;
        }
        files::replace(&accepted.join("document.part"), &path, bytes)?;
    }
    Ok(())
}

/// Raises the floors: the moment from which a seal is accepted. Older seals but `before` are forgotten.
pub(super) fn raise(root: &Path, floors: &Floors, before: Option<&str>) -> Result<(), StoreFault> {
    let folder = root.join(FOLDER);
    let path = folder.join(FLOORS);
    let bytes = canonical::render(FLOORS, floors).map_err(|e| damaged(&path, e))?;
    files::replace(&folder.join("floors.part"), &path, &bytes)?;
    for entry in listing::entries(&folder.join(ACCEPTED))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if Some(&name) != floors.seal.as_ref() && Some(name.as_str()) != before {
            // What cannot be removed now is removed after the next seal.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
