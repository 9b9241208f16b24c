//! What a store remembers about trust, in its folder `trust/`.
//!
//! | file | content | written |
//! |---|---|---|
//! | `roots/NAME.json` | which root is in force under a name, and the floor of its repository | part file, fsync, rename, fsync of the folder |
//! | `objects/SHA256` | adopted roots, as received | the same, before whatever names them |
//! | `history.jsonl` | one line for each change; each carries the SHA-256 of the line before | appended, fsync, last |
//! | `lock` | held by the one writer | never |
//!
//! | rule | source |
//! |---|---|
//! | absent and unreadable are two answers; an unreadable floor stops everything | DESIGN rule 5 |
//! | objects are hashed again on every read; a TUF state is chained again from the pinned root | DESIGN rule 1, threats 40 (`planted_root`) |
//! | a floor outlives the adoption of a bare root under the same name | DESIGN §5 "Floors" |
//! | a program whose embedded root is newer than the store's uses its own | issue 3 |
//!
//! A kill between two writes leaves the older state in force, or the newer one without its line in the history;
//! the next writer adds the line. A torn last line is cut off by the next writer.
//!
//! Attacks considered: a newer root planted in the folder, an object exchanged, a history cut or rewritten in its
//! middle, two writers, links and devices in place of files. Somebody who may write here can put an older state
//! back or plant an *adopted* root under its own digest; `trust show` names digest and origin for that reason.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};

use super::plain;
use super::writer::Writer;
use crate::document::{self, RootFault};
use crate::floor::{Floor, FloorFault, StandingFloor};
use crate::freshness::RoleExpiry;
use crate::json::{self, Spelling};
use crate::root::TrustedRoot;
use crate::tuf::{self, TRUSTED_ROOT_TARGET, TufFault};
use crate::{crypto, embedded};

/// The name of the root that counts where no other is asked for.
pub const DEFAULT_NAME: &str = "default";

/// What a name may be, in words.
pub const NAME_RULE: &str =
    "lower-case letters, digits, '-' and '.', at most 63 of them, first and last no '.' or '-'";

pub(super) const FORMAT: &str = "sealock.dev/trust/v1";
/// How names of files begin that are not whole yet.
pub(super) const PART: &str = ".part-";
const MAX_RECORD: u64 = 64 << 20;
const MAX_HISTORY: u64 = 64 << 20;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// A file exists, or may exist, but cannot be read or written.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what we wrote.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The floor cannot be used.
    #[error("{path}: {source}")]
    Floor {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FloorFault,
    },
    /// The bytes of a root are not those of its digest.
    #[error("the trusted root sha256:{digest} is not held, or is not what was accepted")]
    NotAuthentic {
        /// The digest that was asked for, in hex.
        digest: String,
    },
    /// A root that cannot be read.
    #[error("the trusted root cannot be read: {0}")]
    Root(#[from] RootFault),
    /// A repository that cannot be used.
    #[error(transparent)]
    Tuf(#[from] TufFault),
    /// No root is known under a name.
    #[error("no trusted root is named {name:?} here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name that is none.
    #[error("{name:?} is not a name: {NAME_RULE}")]
    Name {
        /// As given.
        name: String,
    },
    /// A name that already has another pinned root.
    #[error("{name:?} is pinned to another first root")]
    Pinned {
        /// The name.
        name: String,
    },
}

/// What a chain of roots starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The root inside the program.
    Embedded,
    /// A root that a person named, by its SHA-256 in hex.
    Given(String),
}

/// Where a root comes from, and so who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// It travels inside the program.
    Embedded,
    /// A TUF repository taken into the store, chained again from its pin just now.
    Tuf {
        /// Name in the store.
        name: String,
        /// What the chain starts from.
        pin: Pin,
    },
    /// A bare file that a person adopted by its digest.
    Adopted {
        /// Name in the store.
        name: String,
    },
    /// A bare file that a person named just now.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// A TUF repository that a person named just now, chained from the embedded root, without a floor.
    Directory {
        /// Its path.
        path: PathBuf,
    },
}

/// A root that is in force.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The root.
    pub root: TrustedRoot,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Dates of the TUF roles that vouch for it; none for a bare file.
    pub roles: Vec<RoleExpiry>,
}

impl InForce {
    /// The root inside the program.
    ///
    /// # Errors
    /// None in practice; see [`embedded::trusted_root`].
    pub fn embedded() -> Result<Self, StateFault> {
        Ok(Self {
            root: embedded::trusted_root()?,
            provenance: Provenance::Embedded,
            roles: vec![embedded::tuf_root_expiry()],
        })
    }

    /// What a person named: a `trusted_root.json`, or the folder of a TUF repository that chains from the
    /// embedded root.
    ///
    /// # Errors
    /// [`StateFault`] of reading it.
    pub fn named(path: &Path) -> Result<Self, StateFault> {
        let unreadable = |source| StateFault::Unreadable { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let source = super::DirectorySource::open(path).map_err(unreadable)?;
            let source: std::sync::Arc<dyn crate::source::RepositorySource> = std::sync::Arc::new(source);
            let loaded = tuf::load(&source, embedded::TUF_ROOT, None)?;
            return Ok(Self {
                root: TrustedRoot::from_json(&loaded.trusted_root)?,
                provenance: Provenance::Directory { path: path.to_owned() },
                roles: loaded.roles,
            });
        }
        let bytes = super::read_named(path, document::MAX_BYTES as u64).map_err(unreadable)?;
        Ok(Self {
            root: TrustedRoot::from_json(&bytes)?,
            provenance: Provenance::File { path: path.to_owned() },
            roles: Vec::new(),
        })
    }
}

/// What a line of the history tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A TUF repository was taken in.
    Update,
    /// A bare root was adopted.
    Adopt,
    /// A change whose line was lost when a run was killed.
    Recovered,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryLine {
    /// Counts from 1.
    pub seq: u64,
    /// When, by the clock of the machine.
    pub at: Timestamp,
    /// What happened.
    pub action: Action,
    /// Under which name.
    pub name: String,
    /// SHA-256 of the `trusted_root.json` in force since then, in hex.
    pub trusted_root: String,
    /// SHA-256 of the file `roots/NAME.json` since then, in hex.
    pub record: String,
    /// Versions of the TUF roles, as `root 16`, in order.
    pub roles: Vec<String>,
    /// Floors that fell because keys were rotated, as `timestamp 9 -> 3`.
    pub resets: Vec<String>,
    /// SHA-256 of the line before, in hex; empty for the first.
    pub previous: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: String,
    /// SHA-256 of the first trusted root, where it is not the embedded one.
    pub(super) pin: Option<String>,
    /// [`Floor::to_bytes`] as text.
    pub(super) floor: Option<String>,
    pub(super) force: Force,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub(super) enum Force {
    Tuf { digest: String },
    Adopted { digest: String },
}

impl Force {
    pub(super) fn digest(&self) -> &str {
        match self {
            Self::Tuf { digest } | Self::Adopted { digest } => digest,
        }
    }
}

/// Whether `name` can name a root.
pub fn is_name(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// The trust state of a store.
#[derive(Clone, Debug)]
pub struct TrustState {
    pub(super) dir: PathBuf,
}

impl TrustState {
    /// The state of the store in folder `store`; nothing is read or written yet.
    pub fn of_store(store: &Path) -> Self {
        Self { dir: store.join("trust") }
    }

    /// The root in force under `name`. For [`DEFAULT_NAME`] that is the embedded one unless the store has an
    /// adopted or an equally new or newer one.
    ///
    /// # Errors
    /// [`StateFault`]; a state that cannot be read is never taken for an empty one.
    pub fn in_force(&self, name: &str) -> Result<InForce, StateFault> {
        let Some((record, _)) = self.record(name)? else {
            if name == DEFAULT_NAME {
                return InForce::embedded();
            }
            return Err(StateFault::Unknown { name: name.to_owned() });
        };
        match &record.force {
            Force::Adopted { digest } => Ok(InForce {
                root: TrustedRoot::from_json(&self.object(digest)?)?,
                provenance: Provenance::Adopted { name: name.to_owned() },
                roles: Vec::new(),
            }),
            Force::Tuf { digest } => {
                let Some(standing) = self.standing(name, &record)? else {
                    return Err(self.damaged(name, "no floor beside a root from TUF"));
                };
                if record.pin.is_none() && name == DEFAULT_NAME && !standing.vouches() {
                    return InForce::embedded();
                }
                let bytes = self.object(digest)?;
                let vouched = standing.target(TRUSTED_ROOT_TARGET);
                if vouched != Some((crypto::sha256(&bytes), bytes.len() as u64)) {
                    return Err(StateFault::NotAuthentic { digest: digest.clone() });
                }
                Ok(InForce {
                    root: TrustedRoot::from_json(&bytes)?,
                    provenance: Provenance::Tuf {
                        name: name.to_owned(),
                        pin: record.pin.map_or(Pin::Embedded, Pin::Given),
                    },
                    roles: standing.roles(),
                })
            }
        }
    }

    /// Every name that has a root of its own here, in order.
    ///
    /// # Errors
    /// [`StateFault::Unreadable`].
    pub fn names(&self) -> Result<Vec<String>, StateFault> {
        let path = self.dir.join("roots");
        let unreadable = |source| StateFault::Unreadable { path: path.clone(), source };
        let list = match std::fs::read_dir(&path) {
            Ok(list) => list,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(e)),
        };
        let mut names = Vec::new();
        for entry in list {
            let file = entry.map_err(unreadable)?.file_name();
            if let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".json")).filter(|n| is_name(n)) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The history, oldest first, and whether a torn line stands at its end.
    ///
    /// # Errors
    /// [`StateFault::Damaged`] when a line does not carry the digest of the one before.
    pub fn history(&self) -> Result<(Vec<HistoryLine>, bool), StateFault> {
        let (lines, _, torn) = self.history_bytes()?;
        Ok((lines, torn))
    }

    /// Takes the lock. One writer at a time; readers need no lock.
    ///
    /// # Errors
    /// [`StateFault::Unreadable`] when the folder cannot be made or locked.
    pub fn writer(&self) -> Result<Writer, StateFault> {
        let path = self.dir.join("lock");
        let wrap = |source| StateFault::Unreadable { path: path.clone(), source };
        for dir in [self.dir.clone(), self.dir.join("roots"), self.dir.join("objects")] {
            std::fs::create_dir_all(dir).map_err(wrap)?;
        }
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .custom_flags(flags)
            .open(&path)
            .map_err(wrap)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| wrap(e.into()))?;
        // What a killed writer left half-written; nobody else writes while we hold the lock.
        for dir in [self.dir.clone(), self.dir.join("roots"), self.dir.join("objects")] {
            for entry in std::fs::read_dir(dir).map_err(wrap)? {
                let entry = entry.map_err(wrap)?;
                if entry.file_name().as_bytes().starts_with(PART.as_bytes()) {
                    std::fs::remove_file(entry.path()).map_err(wrap)?;
                }
            }
        }
        Ok(Writer { state: self.clone(), _lock: lock })
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.dir.join("roots").join(format!("{name}.json"))
    }

    pub(super) fn damaged(&self, name: &str, reason: impl Into<String>) -> StateFault {
        StateFault::Damaged { path: self.record_path(name), reason: reason.into() }
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StateFault> {
        let wrap = |source| StateFault::Unreadable { path: self.dir.join(name), source };
        let folder: OwnedFd = match plain::open_folder(&self.dir) {
            Ok(folder) => folder,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrap(e)),
        };
        plain::read_below(&folder, name, limit).map_err(wrap)
    }

    pub(super) fn record(&self, name: &str) -> Result<Option<(Record, Vec<u8>)>, StateFault> {
        if !is_name(name) {
            return Err(StateFault::Name { name: name.to_owned() });
        }
        let Some(bytes) = self.read(&format!("roots/{name}.json"), MAX_RECORD)? else { return Ok(None) };
        let record: Record =
            json::parse(&bytes, Spelling::Exact).map_err(|e| self.damaged(name, e.to_string()))?;
        if record.format != FORMAT {
            return Err(self.damaged(name, format!("format {:?}", record.format)));
        }
        Ok(Some((record, bytes)))
    }

    pub(super) fn floor(&self, name: &str, record: &Record) -> Result<Option<Floor>, StateFault> {
        let wrap = |source| StateFault::Floor { path: self.record_path(name), source };
        record.floor.as_ref().map(|text| Floor::from_bytes(text.as_bytes()).map_err(wrap)).transpose()
    }

    /// The floor under a name, chained from its pin and checked.
    fn standing(&self, name: &str, record: &Record) -> Result<Option<StandingFloor>, StateFault> {
        let Some(floor) = self.floor(name, record)? else { return Ok(None) };
        let pinned = self.pinned(record)?;
        floor
            .under(&pinned)
            .map(Some)
            .map_err(|source| StateFault::Floor { path: self.record_path(name), source })
    }

    pub(super) fn pinned(&self, record: &Record) -> Result<Vec<u8>, StateFault> {
        match &record.pin {
            None => Ok(embedded::TUF_ROOT.to_vec()),
            Some(digest) => self.object(digest),
        }
    }

    /// An object by its digest in hex, hashed on this read.
    pub(super) fn object(&self, digest: &str) -> Result<Vec<u8>, StateFault> {
        let missing = || StateFault::NotAuthentic { digest: digest.to_owned() };
        if digest.len() != 64 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(missing());
        }
        let bytes =
            self.read(&format!("objects/{digest}"), document::MAX_BYTES as u64)?.ok_or_else(missing)?;
        if hex::encode(crypto::sha256(&bytes)) == digest { Ok(bytes) } else { Err(missing()) }
    }

    /// Lines, how many bytes of the file they take, and whether more follows.
    pub(super) fn history_bytes(&self) -> Result<(Vec<HistoryLine>, Vec<u8>, bool), StateFault> {
        let bytes = self.read("history.jsonl", MAX_HISTORY)?.unwrap_or_default();
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let torn = whole < bytes.len();
        let bytes = bytes.get(..whole).unwrap_or_default().to_vec();
        let mut lines: Vec<HistoryLine> = Vec::new();
        let mut previous = String::new();
        for raw in bytes.split_inclusive(|b| *b == b'\n') {
            let number = lines.len() as u64 + 1;
            let damaged = |reason: String| StateFault::Damaged {
                path: self.dir.join("history.jsonl"),
                reason: format!("line {number}: {reason}"),
            };
            let line: HistoryLine = json::parse(raw, Spelling::Exact).map_err(|e| damaged(e.to_string()))?;
            if line.previous != previous || line.seq != number {
                return Err(damaged("does not follow the line before".to_owned()));
            }
            previous = hex::encode(crypto::sha256(raw));
            lines.push(line);
        }
        Ok((lines, bytes, torn))
    }
}
