//! What was sealed for each receiver, so that sequence and chain go on and receipts can be understood.
//!
//! ```text
//! <store>/seals/<audience>/receipt-key         key that checks its receipts
//! <store>/seals/<audience>/<n>.snapshot.json   the snapshot of seal n
//! <store>/seals/<audience>/<n>.names.json      its names
//! <store>/seals/<audience>/<n>.json            its statement; written last
//! <store>/seals/<audience>/documents/<sha256>  documents of the newest seals, so that one that was lost can be written again
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sealock::seal::{ReceiptKey, SealFault, Statement, canonical, snapshot};

use super::documents::Documents;
use super::{SealingFault, files, render};

/// Largest statement, in bytes.
const MAX_STATEMENT: u64 = 64 * 1024;
/// Largest file of names, in bytes.
const MAX_NAMES: u64 = 256 * 1024 * 1024;
/// Seals whose documents are kept.
const KEPT: u64 = 16;
const DOCUMENTS: &str = "documents";

/// The records for one receiver.
#[derive(Debug)]
pub struct Records {
    folder: PathBuf,
}

/// One seal.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its statement.
    pub statement: Statement,
    /// Its digest.
    pub digest: String,
}

impl Records {
    /// Opens them; nothing is written yet.
    ///
    /// # Errors
    /// [`SealingFault::Misuse`] for an id that is none.
    pub fn open(store: &Path, audience: &str) -> Result<Self, SealingFault> {
        let sound = !audience.is_empty()
            && audience.len() <= 64
            && !audience.starts_with('.')
            && audience.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !sound {
            return Err(SealingFault::Misuse(format!(
                "{audience:?} is not a store id: `sealock store init` prints it on the far side"
            )));
        }
        Ok(Self { folder: store.join("seals").join(audience) })
    }

    fn path(&self, sequence: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("{sequence}.{ending}"))
    }

    fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, SealingFault> {
        match files::read(path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(SealingFault::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Seal `sequence`, if it was made here.
    ///
    /// # Errors
    /// [`SealingFault`] where it cannot be read.
    pub fn get(&self, sequence: u64) -> Result<Option<Record>, SealingFault> {
        let Some(bytes) = Self::read(&self.path(sequence, "json"), MAX_STATEMENT)? else { return Ok(None) };
        let statement: Statement = canonical::parse("record", &bytes)?;
        let digest = hex::encode(sealock::crypto::sha256(&bytes));
        Ok(Some(Record { statement, digest }))
    }

    /// The newest seal.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn newest(&self) -> Result<Option<Record>, SealingFault> {
        let list = match fs::read_dir(&self.folder) {
            Ok(list) => list,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SealingFault::Io { path: self.folder.clone(), source }),
        };
        let mut newest = 0;
        for entry in list {
            let name = files::io(&self.folder, entry)?.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".json")).and_then(|n| n.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        if newest == 0 { Ok(None) } else { self.get(newest) }
    }

    /// The names of seal `sequence`; none for 0.
    ///
    /// # Errors
    /// [`SealingFault`] where they are missing.
    pub fn names(&self, sequence: u64) -> Result<BTreeMap<String, String>, SealingFault> {
        if sequence == 0 {
            return Ok(BTreeMap::new());
        }
        let bytes = files::read(&self.path(sequence, "names.json"), MAX_NAMES)?;
        Ok(canonical::parse("record", &bytes)?)
    }

    /// The snapshot of seal `sequence`.
    ///
    /// # Errors
    /// [`SealingFault`] where it is missing.
    pub fn snapshot(&self, sequence: u64) -> Result<Vec<u8>, SealingFault> {
        files::read(&self.path(sequence, "snapshot.json"), snapshot::MAX_SNAPSHOT)
    }

    fn make(&self) -> Result<(), SealingFault> {
        files::io(&self.folder, fs::create_dir_all(&self.folder))
    }

    /// The sequence of the seal with this digest; 0 for none.
    ///
    /// # Errors
    /// [`SealingFault`] where it was not made here.
    pub fn sequence_of(&self, digest: Option<&str>, below: u64) -> Result<u64, SealingFault> {
        let Some(digest) = digest else { return Ok(0) };
        for sequence in (1..below).rev() {
            if self.get(sequence)?.is_some_and(|record| record.digest == digest) {
                return Ok(sequence);
            }
        }
        Err(SealFault::malformed("record", format!("the seal {digest} is not among them")).into())
    }

    /// Remembers a seal.
    ///
    /// # Errors
    /// [`SealingFault::Io`].
    pub(super) fn put(
        &self,
        payload: &[u8],
        statement: &Statement,
        documents: &Documents,
        names: &BTreeMap<String, String>,
    ) -> Result<(), SealingFault> {
        self.make()?;
        let folder = self.folder.join(DOCUMENTS);
        files::io(&folder, fs::create_dir_all(&folder))?;
        for (name, bytes) in documents.iter() {
            let Some(content) = statement.contents.get(name) else { continue };
            let path = folder.join(&content.sha256);
            // A part file has another name: what stands here is whole.
            if !path.exists() {
                files::replace(&path, bytes)?;
            }
        }
        let sequence = statement.sequence;
        files::replace(&self.path(sequence, "snapshot.json"), documents.snapshot())?;
        files::replace(&self.path(sequence, "names.json"), &render("record", names)?)?;
        files::replace(&self.path(sequence, "json"), payload)?;
        self.prune(statement)
    }

    /// The documents of a seal, each hashed on this read.
    ///
    /// # Errors
    /// [`SealingFault`] where they are not kept any more, or are not what was sealed.
    pub(super) fn documents(&self, statement: &Statement) -> Result<Documents, SealingFault> {
        let mut bytes = BTreeMap::new();
        for (name, content) in &statement.contents {
            let path = self.folder.join(DOCUMENTS).join(&content.sha256);
            let Some(document) = Self::read(&path, content.size)? else {
                return Err(SealingFault::Misuse(format!(
                    "the documents of seal {} are not kept any more: those of the newest {KEPT} are; give lost seals up \
                     with --after",
                    statement.sequence
                )));
            };
            if !content.matches(&document) {
                let reason = format!("{name} of seal {} is not what was sealed", statement.sequence);
                return Err(SealFault::malformed("record", reason).into());
            }
            bytes.insert(name.clone(), document);
        }
        Ok(Documents::again(bytes, statement.trust.clone()))
    }

    /// Forgets documents that only older seals have.
    fn prune(&self, newest: &Statement) -> Result<(), SealingFault> {
        let folder = self.folder.join(DOCUMENTS);
        let mut needed = BTreeSet::new();
        for sequence in newest.sequence.saturating_sub(KEPT - 1)..=newest.sequence {
            if let Some(record) = self.get(sequence)? {
                needed.extend(record.statement.contents.into_values().map(|content| content.sha256));
            }
        }
        for entry in files::io(&folder, fs::read_dir(&folder))? {
            let entry = files::io(&folder, entry)?;
            if !entry.file_name().to_str().is_some_and(|name| needed.contains(name)) {
                // What cannot be removed now is removed after the next seal.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// The key that checks receipts of this receiver.
    ///
    /// # Errors
    /// [`SealingFault`] where it cannot be read.
    pub fn receipt_key(&self) -> Result<Option<ReceiptKey>, SealingFault> {
        let Some(bytes) = Self::read(&self.folder.join("receipt-key"), 4096)? else { return Ok(None) };
        let text =
            String::from_utf8(bytes).map_err(|_| SealFault::malformed("receipt key", "it is not text"))?;
        Ok(Some(ReceiptKey::parse(&text)?))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// [`SealingFault::Io`].
    pub fn put_receipt_key(&self, key: &ReceiptKey) -> Result<(), SealingFault> {
        self.make()?;
        files::replace(&self.folder.join("receipt-key"), format!("{key}\n").as_bytes())
    }
}
