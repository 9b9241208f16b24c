//! What was sealed for each receiver, so that sequence and chain go on and receipts can be understood.
//!
//! ```text
//! <store>/seals/<audience>/receipt-key         key that checks its receipts
//! <store>/seals/<audience>/<n>.snapshot.json   the snapshot of seal n
//! <store>/seals/<audience>/<n>.names.json      its names
//! <store>/seals/<audience>/<n>.json            its statement; written last
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sealock::seal::{ReceiptKey, SealFault, Statement, canonical, snapshot};

use super::{SealingFault, files, render};

/// Largest statement, in bytes.
const MAX_STATEMENT: u64 = 64 * 1024;
/// Largest file of names, in bytes.
const MAX_NAMES: u64 = 256 * 1024 * 1024;

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

    /// Remembers a seal.
    ///
    /// # Errors
    /// [`SealingFault::Io`].
    pub fn put(
        &self,
        payload: &[u8],
        statement: &Statement,
        snapshot: &[u8],
        names: &BTreeMap<String, String>,
    ) -> Result<(), SealingFault> {
        self.make()?;
        let sequence = statement.sequence;
        files::replace(&self.path(sequence, "snapshot.json"), snapshot)?;
        files::replace(&self.path(sequence, "names.json"), &render("record", names)?)?;
        files::replace(&self.path(sequence, "json"), payload)
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
