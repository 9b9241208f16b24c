//! The catalogue: which names, manifests and contents the store holds, in `SQLite`.
//!
//! It is a finding aid. Nothing becomes true by standing here: content is hashed on every read, and the whole
//! file is rebuilt from `index.json` and `blobs/` by `store reindex`. Only a catalogue that this store made
//! itself is ever opened.
//!
//! | table | a row says |
//! |---|---|
//! | `blob` | content of this digest and size was hashed and published |
//! | `manifest` | the blob is a sound manifest, of this kind, about this subject |
//! | `name` | `repository:tag` stands for this manifest; `sealed` if an accepted seal says so, else claimed |
//! | `root` | the manifest is listed in `index.json` also where it has no name |
//! | `loose` | classic evidence without a tag speaks of this subject |
//! | `missing` | the manifest was taken in without this child |
//! | `state` | digests of the `index.json` that belongs to this catalogue, and of the one before |
//!
//! Settings: WAL, so that readers never wait for the writer; `synchronous=FULL`; `STRICT` tables;
//! `trusted_schema=OFF`, defensive mode and `cell_size_check`, so that a planted file can neither run code nor
//! crash the reader; no memory mapping, so that a truncated file is an error and not a signal. WAL needs a local
//! disk. On a read-only medium, or for a user who may only read, the file is opened as immutable, which is sound
//! only as long as nobody writes: so there must be no `-wal` beside it, and [`Catalogue::stale`] is asked before and
//! after each question.
//!
//! Versions and migrations: `schema`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::StoreFault;
use super::columns::{digest, form, form_number, kind, kind_number, optional_digest, size};
use super::fault::During;
use super::graph::{Graph, Node};
use super::name::{EvidenceTag, Name};
use super::schema::{APPLICATION_ID, known, migrate, newest};
use crate::image::Digest;

/// File name in the store.
pub(super) const FILE: &str = "catalog.sqlite";
/// How long a connection waits where `SQLite` cannot avoid it (recovery after a kill).
const PATIENCE: Duration = Duration::from_secs(5);

/// `state`: digest of the `index.json` that belongs to the committed rows.
pub(super) const INDEX_NOW: &str = "index";
/// `state`: digest of the `index.json` before, until the new one stands in its place.
pub(super) const INDEX_BEFORE: &str = "index-before";

/// An open catalogue.
#[derive(Debug)]
pub(super) struct Catalogue {
    connection: Connection,
    place: PathBuf,
    /// The file as it was when it was opened as immutable.
    immutable: Option<Stamp>,
}

/// What changes when a file is written: size, and time of change in seconds and nanoseconds.
type Stamp = (u64, i64, i64);

/// What changed in a commit.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Names that stand for another digest now: name, before, after.
    pub moved: Vec<(Name, Digest, Digest)>,
    /// Names that a seal vouches for and that this unsealed bundle would have moved: name, kept, offered.
    pub kept: Vec<(Name, Digest, Digest)>,
    /// Names that were not there before.
    pub new_names: usize,
    /// Contents (manifests included) that were not there before.
    pub new_blobs: usize,
    /// Whether any row changed.
    pub any: bool,
}

/// A row of `name` with what `index.json` and `store ls` need.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// The name; nothing for a manifest that has none.
    pub name: Option<Name>,
    /// Whether a seal vouches for it.
    pub sealed: bool,
    /// The manifest.
    pub digest: Digest,
    /// What it is.
    pub node: Node,
}

impl Catalogue {
    /// Opens the catalogue of the store at `root` for reading. Takes no lock and scans nothing.
    pub(super) fn read(root: &Path) -> Result<Self, StoreFault> {
        let path = root.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let fault = |e: rusqlite::Error| fault(root, &e);
        let metadata = std::fs::symlink_metadata(&path)
            .map_err(|e| StoreFault::Catalogue { place: root.to_owned(), reason: e.to_string() })?;
        if !metadata.is_file() {
            return Err(StoreFault::Catalogue {
                place: root.to_owned(),
                reason: format!("{FILE} is no plain file"),
            });
        }
        let opened = Connection::open_with_flags(&path, flags).and_then(|c| {
            configure(&c)?;
            c.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
            Ok(c)
        });
        let connection = match opened {
            Ok(connection) => connection,
            // WAL needs a writable directory, unless there is nothing in the log.
            Err(rusqlite::Error::SqliteFailure(e, _))
                if matches!(e.code, rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
                    && !log_exists(root) =>
            {
                return Self::read_immutable(root);
            }
            Err(e) => return Err(fault(e)),
        };
        let catalogue = Self { connection, place: root.to_owned(), immutable: None };
        catalogue.check_version()?;
        Ok(catalogue)
    }

    /// Opens the catalogue where nothing can be written beside it.
    fn read_immutable(root: &Path) -> Result<Self, StoreFault> {
        let path = root.join(FILE);
        let fault = |e: rusqlite::Error| fault(root, &e);
        let before = stamp(&path).during("looking at", &path)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}?immutable=1", percent(&path));
        let connection = Connection::open_with_flags(uri, flags).map_err(fault)?;
        configure(&connection).map_err(fault)?;
        let catalogue = Self { connection, place: root.to_owned(), immutable: Some(before) };
        catalogue.check_version()?;
        Ok(catalogue)
    }

    /// Whether somebody writes, or has written, to a catalogue that was opened as immutable. Its answers from
    /// then on mean nothing.
    pub(super) fn stale(&self) -> bool {
        self.immutable.is_some_and(|opened| {
            log_exists(&self.place) || stamp(&self.place.join(FILE)).map_or(true, |now| now != opened)
        })
    }

    /// Opens the catalogue for writing and brings it to the present version. The caller holds the lock.
    pub(super) fn write(root: &Path) -> Result<Self, StoreFault> {
        let path = root.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Self::open_writable(root, &path, flags)
    }

    /// Makes a new catalogue, or opens the one that is there.
    pub(super) fn create(root: &Path) -> Result<Self, StoreFault> {
        let path = root.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Self::open_writable(root, &path, flags)
    }

    fn open_writable(root: &Path, path: &Path, flags: OpenFlags) -> Result<Self, StoreFault> {
        let fault = |e: rusqlite::Error| fault(root, &e);
        let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        configure(&connection).map_err(fault)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fault)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
        migrate(&mut connection, root)?;
        Ok(Self { connection, place: root.to_owned(), immutable: None })
    }

    fn check_version(&self) -> Result<(), StoreFault> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let application = pragma("application_id").map_err(|e| self.fault(&e))?;
        let version = pragma("user_version").map_err(|e| self.fault(&e))?;
        if application != APPLICATION_ID {
            return Err(StoreFault::Catalogue {
                place: self.place.clone(),
                reason: format!("{FILE} was not made by sealock"),
            });
        }
        known(version, &self.place)?;
        if version < newest() {
            return Err(StoreFault::Catalogue {
                place: self.place.clone(),
                reason: format!("it has the old version {version}"),
            });
        }
        Ok(())
    }

    pub(super) fn fault(&self, error: &rusqlite::Error) -> StoreFault {
        fault(&self.place, error)
    }

    /// The digest of a name, and whether it is sealed.
    pub(super) fn name(&self, repository: &str, tag: &str) -> Result<Option<(Digest, bool)>, StoreFault> {
        self.one(
            "SELECT digest, sealed FROM name WHERE repository = ?1 AND tag = ?2",
            params![repository, tag],
            |row| Ok((digest(row, 0)?, row.get(1)?)),
        )
    }

    /// The size of published content.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<u64>, StoreFault> {
        self.one("SELECT size FROM blob WHERE digest = ?1", params![digest.bytes()], |row| size(row, 0))
    }

    /// The media type of a manifest.
    pub(super) fn media_type(&self, digest: &Digest) -> Result<Option<String>, StoreFault> {
        self.one("SELECT kind FROM manifest WHERE digest = ?1", params![digest.bytes()], |row| {
            kind(row, 0).map(str::to_owned)
        })
    }

    /// Manifests whose subject is `subject`.
    pub(super) fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, StoreFault> {
        self.many(
            "SELECT digest FROM manifest WHERE subject = ?1 ORDER BY digest",
            params![subject.bytes()],
            |row| digest(row, 0),
        )
    }

    /// Repositories that have this fallback tag, and what it stands for there.
    pub(super) fn fallbacks(&self, tag: &str) -> Result<Vec<(String, Digest)>, StoreFault> {
        self.many(
            "SELECT repository, digest FROM name WHERE tag = ?1 AND length(tag) IN (71, 135) ORDER BY repository",
            params![tag],
            |row| Ok((row.get(0)?, digest(row, 1)?)),
        )
    }

    /// Classic evidence without a tag about `subject`.
    pub(super) fn loose(&self, subject: &Digest) -> Result<Vec<(EvidenceTag, Digest)>, StoreFault> {
        self.many(
            "SELECT form, manifest FROM loose WHERE subject = ?1 ORDER BY manifest, form",
            params![subject.bytes()],
            |row| Ok((form(row, 0)?, digest(row, 1)?)),
        )
    }

    /// A value of `state`.
    pub(super) fn state(&self, key: &str) -> Result<Option<String>, StoreFault> {
        self.one("SELECT value FROM state WHERE key = ?1", params![key], |row| row.get(0))
    }

    /// Runs `each` on everything that `index.json` lists: names in order, then what has none, in digest order.
    pub(super) fn each_named<E: From<StoreFault>>(
        &self,
        each: impl FnMut(&Named) -> Result<(), E>,
    ) -> Result<(), E> {
        each_named(&self.connection, &self.place, each)
    }

    /// Starts the one transaction of a commit.
    pub(super) fn begin(&mut self) -> Result<Commit<'_>, StoreFault> {
        let place = self.place.clone();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| fault(&place, &e))?;
        Ok(Commit { transaction, place })
    }

    /// Asks several questions about one and the same state, whatever a writer does meanwhile.
    pub(super) fn view<T>(&self, ask: impl FnOnce(&Self) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        self.connection.execute_batch("BEGIN").map_err(|e| self.fault(&e))?;
        let answer = ask(self);
        self.connection.execute_batch("ROLLBACK").map_err(|e| self.fault(&e))?;
        answer
    }

    /// Lets `SQLite` check its own file.
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        for pragma in ["quick_check(1)", "foreign_key_check"] {
            let found: Option<String> = self
                .connection
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, String>(0))
                .optional()
                .map_err(|e| self.fault(&e))?;
            if let Some(reason) = found.filter(|text| text != "ok") {
                return Err(StoreFault::Catalogue { place: self.place.clone(), reason });
            }
        }
        Ok(())
    }

    /// Everything of one table, for `fsck`.
    pub(super) fn many<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreFault> {
        let fault = |e: rusqlite::Error| self.fault(&e);
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let rows = statement.query_map(parameters, map).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        map: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreFault> {
        let fault = |e: rusqlite::Error| self.fault(&e);
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.query_row(parameters, map).optional().map_err(fault)
    }
}

/// A commit under way; dropping it leaves the catalogue as it was.
pub(super) struct Commit<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) place: PathBuf,
}

impl Commit<'_> {
    /// Empties every table but `state`, before a rebuild.
    pub(super) fn clear(&self) -> Result<(), StoreFault> {
        self.transaction
            .execute_batch(
                "DELETE FROM missing; DELETE FROM loose; DELETE FROM root; DELETE FROM name;
                 DELETE FROM manifest; DELETE FROM blob;",
            )
            .map_err(|e| fault(&self.place, &e))
    }

    /// Adds everything in `graph`. Names become claimed ones.
    pub(super) fn add(&self, graph: &Graph) -> Result<Changes, StoreFault> {
        self.add_inner(graph).map_err(|e| fault(&self.place, &e))
    }

    fn add_inner(&self, graph: &Graph) -> rusqlite::Result<Changes> {
        let before = self.transaction.total_changes();
        let mut changes = Changes::default();
        let mut blob = self.transaction.prepare(
            "INSERT INTO blob (digest, size) VALUES (?1, ?2)
             ON CONFLICT (digest) DO UPDATE SET size = excluded.size WHERE size <> excluded.size",
        )?;
        let sizes = graph.blobs.iter().map(|(d, s)| (d, *s));
        for (digest, size) in sizes.chain(graph.manifests.iter().map(|(d, n)| (d, n.size))) {
            changes.new_blobs += blob.execute(params![digest.bytes(), size.cast_signed()])?;
        }
        let mut manifest = self.transaction.prepare(
            "INSERT INTO manifest (digest, kind, artifact_type, subject) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (digest) DO UPDATE
                SET kind = excluded.kind, artifact_type = excluded.artifact_type, subject = excluded.subject
              WHERE kind IS NOT excluded.kind OR artifact_type IS NOT excluded.artifact_type
                 OR subject IS NOT excluded.subject",
        )?;
        for (digest, node) in &graph.manifests {
            manifest.execute(params![
                digest.bytes(),
                kind_number(&node.media_type),
                node.artifact_type,
                node.subject.as_ref().map(Digest::bytes)
            ])?;
        }
        self.add_names(graph, &mut changes)?;
        let mut root = self.transaction.prepare("INSERT OR IGNORE INTO root (digest) VALUES (?1)")?;
        for digest in &graph.roots {
            root.execute(params![digest.bytes()])?;
        }
        let mut loose = self
            .transaction
            .prepare("INSERT OR IGNORE INTO loose (subject, form, manifest) VALUES (?1, ?2, ?3)")?;
        for (subject, form, manifest) in &graph.loose {
            loose.execute(params![subject.bytes(), form_number(*form), manifest.bytes()])?;
        }
        let mut missing =
            self.transaction.prepare("INSERT OR IGNORE INTO missing (parent, child) VALUES (?1, ?2)")?;
        for (parent, child) in &graph.missing {
            missing.execute(params![parent.bytes(), child.bytes()])?;
        }
        // What a later bundle brought is not missing any more.
        self.transaction.execute("DELETE FROM missing WHERE child IN (SELECT digest FROM blob)", [])?;
        changes.any = self.transaction.total_changes() != before;
        Ok(changes)
    }

    fn add_names(&self, graph: &Graph, changes: &mut Changes) -> rusqlite::Result<()> {
        let mut look =
            self.transaction.prepare("SELECT digest, sealed FROM name WHERE repository = ?1 AND tag = ?2")?;
        let mut put = self.transaction.prepare(
            "INSERT INTO name (repository, tag, digest, sealed) VALUES (?1, ?2, ?3, 0)
             ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest",
        )?;
        let mut keep = self.transaction.prepare("INSERT OR IGNORE INTO root (digest) VALUES (?1)")?;
        for (name, new) in &graph.names {
            let old: Option<(Digest, bool)> = look
                .query_row(params![name.repository, name.tag], |row| Ok((digest(row, 0)?, row.get(1)?)))
                .optional()?;
            match old {
                Some((old, _)) if old == *new => continue,
                Some((old, true)) => {
                    changes.kept.push((name.clone(), old, *new));
                    keep.execute(params![new.bytes()])?;
                    continue;
                }
                Some((old, false)) => {
                    // The manifest that loses its name stays listed, by digest.
                    keep.execute(params![old.bytes()])?;
                    changes.moved.push((name.clone(), old, *new));
                }
                None => changes.new_names += 1,
            }
            put.execute(params![name.repository, name.tag, new.bytes()])?;
        }
        Ok(())
    }

    /// As [`Catalogue::each_named`], with what this commit changed.
    pub(super) fn each_named(
        &self,
        each: impl FnMut(&Named) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        each_named(&self.transaction, &self.place, each)
    }

    /// Sets a value of `state`; nothing removes it.
    pub(super) fn set_state(&self, key: &str, value: Option<&str>) -> Result<(), StoreFault> {
        let done = match value {
            Some(value) => self.transaction.execute(
                "INSERT INTO state (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            ),
            None => self.transaction.execute("DELETE FROM state WHERE key = ?1", params![key]),
        };
        done.map(drop).map_err(|e| fault(&self.place, &e))
    }

    /// Makes it all visible.
    pub(super) fn finish(self) -> Result<(), StoreFault> {
        self.transaction.commit().map_err(|e| fault(&self.place, &e))
    }
}

fn each_named<E: From<StoreFault>>(
    connection: &Connection,
    place: &Path,
    mut each: impl FnMut(&Named) -> Result<(), E>,
) -> Result<(), E> {
    const NAMES: &str =
        "SELECT n.repository, n.tag, n.sealed, m.digest, m.kind, m.artifact_type, m.subject, b.size
           FROM name n JOIN manifest m ON m.digest = n.digest JOIN blob b ON b.digest = m.digest
          ORDER BY n.repository, n.tag";
    const NAMELESS: &str = "SELECT NULL, NULL, 0, m.digest, m.kind, m.artifact_type, m.subject, b.size
           FROM root r JOIN manifest m ON m.digest = r.digest JOIN blob b ON b.digest = m.digest
          WHERE r.digest NOT IN (SELECT digest FROM name) ORDER BY r.digest";
    let fault = |e: rusqlite::Error| E::from(fault(place, &e));
    for sql in [NAMES, NAMELESS] {
        let mut statement = connection.prepare(sql).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            each(&named(row).map_err(fault)?)?;
        }
    }
    Ok(())
}

/// Whether there is anything in the log beside the file.
fn log_exists(root: &Path) -> bool {
    match std::fs::symlink_metadata(root.join(format!("{FILE}-wal"))) {
        Ok(metadata) => metadata.len() > 0,
        Err(e) => e.kind() != std::io::ErrorKind::NotFound,
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;",
    )
}

/// Words for what `SQLite` says.
pub(super) fn fault(place: &Path, error: &rusqlite::Error) -> StoreFault {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
        return StoreFault::Io {
            what: "writing",
            path: place.join(FILE),
            source: std::io::ErrorKind::StorageFull.into(),
        };
    }
    if matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    ) {
        return StoreFault::Busy {
            place: place.to_owned(),
            holder: "another process".to_owned(),
            waited: PATIENCE.as_secs(),
        };
    }
    StoreFault::Catalogue { place: place.to_owned(), reason: error.to_string() }
}

/// A path for a `file:` address.
fn percent(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|b| match b {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn named(row: &rusqlite::Row<'_>) -> rusqlite::Result<Named> {
    let repository: Option<String> = row.get(0)?;
    let tag: Option<String> = row.get(1)?;
    Ok(Named {
        name: repository.zip(tag).map(|(repository, tag)| Name { repository, tag }),
        sealed: row.get(2)?,
        digest: digest(row, 3)?,
        node: Node {
            media_type: kind(row, 4)?.to_owned(),
            artifact_type: row.get(5)?,
            subject: optional_digest(row, 6)?,
            size: size(row, 7)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Writer;

    #[test]
    fn an_immutable_catalogue_notices_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        Writer::init(&root, None, Duration::ZERO).unwrap();
        let catalogue = Catalogue::read_immutable(&root).unwrap();
        assert!(!catalogue.stale());
        assert_eq!(catalogue.name("host.example/app", "1").unwrap(), None);
        let mut writing = Catalogue::write(&root).unwrap();
        let commit = writing.begin().unwrap();
        commit.set_state("key", Some("value")).unwrap();
        commit.finish().unwrap();
        // While the log stands, and after it is gone.
        assert!(catalogue.stale());
        drop(writing);
        assert!(!log_exists(&root));
        assert!(catalogue.stale());
        assert!(!Catalogue::read_immutable(&root).unwrap().stale());
        // One that may write beside the file sees the writer's log and is never stale.
        assert!(!Catalogue::read(&root).unwrap().stale());
    }
}
