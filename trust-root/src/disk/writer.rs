//! The one writer of a store's trust state; what it writes and in which order: [`super::state`].

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::state::{Action, FORMAT, Force, HistoryLine, PART, Record, StateFault, TrustState};
use crate::floor::Floor;
use crate::tuf::Loaded;
use crate::{crypto, embedded};

/// The one writer of a state; the lock lasts as long as this.
#[derive(Debug)]
pub struct Writer {
    pub(super) state: TrustState,
    pub(super) _lock: File,
}

impl Writer {
    /// The pinned root and the floor under `name`, for the next load. `first` is the root that a person pins for
    /// a name that has none yet; without it the embedded one counts.
    ///
    /// # Errors
    /// [`StateFault::Pinned`] when `first` is not the root that the name is pinned to.
    pub fn start(&self, name: &str, first: Option<&[u8]>) -> Result<(Vec<u8>, Option<Floor>), StateFault> {
        let embedded = || embedded::TUF_ROOT.to_vec();
        let Some((record, _)) = self.state.record(name)? else {
            return Ok((first.map_or_else(embedded, <[u8]>::to_vec), None));
        };
        let floor = self.state.floor(name, &record)?;
        if floor.is_none() {
            return Ok((first.map_or_else(embedded, <[u8]>::to_vec), None));
        }
        let pinned = self.state.pinned(&record)?;
        if first.is_some_and(|first| first != pinned) {
            return Err(StateFault::Pinned { name: name.to_owned() });
        }
        Ok((pinned, floor))
    }

    /// Makes a loaded repository the root in force under `name`.
    ///
    /// # Errors
    /// [`StateFault::Unreadable`] when something cannot be written; the older state is in force then.
    pub fn commit_tuf(
        &self,
        name: &str,
        pinned: &[u8],
        loaded: &Loaded,
        at: Timestamp,
    ) -> Result<(), StateFault> {
        let pin = if pinned == embedded::TUF_ROOT { None } else { Some(self.put_object(pinned)?) };
        let digest = self.put_object(&loaded.trusted_root)?;
        let floor = String::from_utf8(loaded.floor.to_bytes())
            .map_err(|_| self.state.damaged(name, "floor is not text"))?;
        let record =
            Record { format: FORMAT.to_owned(), pin, floor: Some(floor), force: Force::Tuf { digest } };
        let roles = loaded.roles.iter().map(|r| format!("{} {}", r.role, r.version)).collect();
        let resets = loaded.resets.iter().map(|r| format!("{} {} -> {}", r.role, r.floor, r.found)).collect();
        self.commit(name, &record, Action::Update, roles, resets, at)
    }

    /// Makes a bare root the one in force under `name`. A floor under that name stays.
    ///
    /// # Errors
    /// See [`Writer::commit_tuf`].
    pub fn commit_adopted(&self, name: &str, bytes: &[u8], at: Timestamp) -> Result<(), StateFault> {
        let before = self.state.record(name)?.map(|(record, _)| record);
        let digest = self.put_object(bytes)?;
        let (pin, floor) = before.map_or((None, None), |b| (b.pin, b.floor));
        let record = Record { format: FORMAT.to_owned(), pin, floor, force: Force::Adopted { digest } };
        self.commit(name, &record, Action::Adopt, Vec::new(), Vec::new(), at)
    }

    fn commit(
        &self,
        name: &str,
        record: &Record,
        action: Action,
        roles: Vec<String>,
        resets: Vec<String>,
        at: Timestamp,
    ) -> Result<(), StateFault> {
        self.recover(at)?;
        let bytes = serde_json::to_vec(record).map_err(|e| self.state.damaged(name, e.to_string()))?;
        let unchanged = self.state.record(name)?.is_some_and(|(_, before)| before == bytes);
        if unchanged {
            return Ok(());
        }
        self.replace(&format!("roots/{name}.json"), &bytes)?;
        self.append(HistoryLine {
            seq: 0,
            at,
            action,
            name: name.to_owned(),
            trusted_root: record.force.digest().to_owned(),
            record: hex::encode(crypto::sha256(&bytes)),
            roles,
            resets,
            previous: String::new(),
        })
    }

    /// Adds the lines that a kill between record and history left out.
    fn recover(&self, at: Timestamp) -> Result<(), StateFault> {
        for name in self.state.names()? {
            let Some((record, bytes)) = self.state.record(&name)? else { continue };
            let digest = hex::encode(crypto::sha256(&bytes));
            let (lines, _, _) = self.state.history_bytes()?;
            let last = lines.iter().rev().find(|line| line.name == name);
            if last.is_none_or(|line| line.record != digest) {
                self.append(HistoryLine {
                    seq: 0,
                    at,
                    action: Action::Recovered,
                    name,
                    trusted_root: record.force.digest().to_owned(),
                    record: digest,
                    roles: Vec::new(),
                    resets: Vec::new(),
                    previous: String::new(),
                })?;
            }
        }
        Ok(())
    }

    fn append(&self, mut line: HistoryLine) -> Result<(), StateFault> {
        let (lines, mut bytes, torn) = self.state.history_bytes()?;
        line.seq = lines.len() as u64 + 1;
        line.previous = bytes
            .split_inclusive(|b| *b == b'\n')
            .next_back()
            .map_or_else(String::new, |last| hex::encode(crypto::sha256(last)));
        let path = self.state.dir.join("history.jsonl");
        let mut text = serde_json::to_vec(&line)
            .map_err(|e| StateFault::Damaged { path: path.clone(), reason: e.to_string() })?;
        text.push(b'\n');
        if torn {
            // The torn line is nobody's word: rewrite what was whole.
            bytes.extend_from_slice(&text);
            return self.replace("history.jsonl", &bytes);
        }
        let wrap = |source| StateFault::Unreadable { path: path.clone(), source };
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
        let mut file =
            OpenOptions::new().create(true).append(true).custom_flags(flags).open(&path).map_err(wrap)?;
        file.write_all(&text).map_err(wrap)?;
        file.sync_all().map_err(wrap)?;
        sync_folder(&self.state.dir)
    }

    fn put_object(&self, bytes: &[u8]) -> Result<String, StateFault> {
        let digest = hex::encode(crypto::sha256(bytes));
        if self.state.object(&digest).is_err() {
            self.replace(&format!("objects/{digest}"), bytes)?;
        }
        Ok(digest)
    }

    /// Writes beside, syncs, renames, syncs the folder.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StateFault> {
        let path = self.state.dir.join(name);
        let wrap = |source| StateFault::Unreadable { path: path.clone(), source };
        let folder = path.parent().unwrap_or(&self.state.dir).to_owned();
        let mut part = tempfile::Builder::new().prefix(PART).tempfile_in(&folder).map_err(wrap)?;
        part.write_all(bytes).map_err(wrap)?;
        part.as_file().sync_all().map_err(wrap)?;
        part.persist(&path).map_err(|e| wrap(e.error))?;
        sync_folder(&folder)
    }
}

/// Makes renames in `folder` survive a power cut.
fn sync_folder(folder: &Path) -> Result<(), StateFault> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(|source| StateFault::Unreadable { path: folder.to_owned(), source })
}
