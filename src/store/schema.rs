//! The catalogue's tables and their versions.
//!
//! One entry of [`MIGRATIONS`] for each version, applied in one exclusive transaction; entries are never changed
//! or removed, and a newer version than the last is refused.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreFault;
use super::catalogue::{FILE, fault};

/// `SEAL`, so that `file` and we ourselves recognise it.
pub(super) const APPLICATION_ID: i64 = 0x5345_414c;

/// One entry for each version, never changed once released.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE blob (digest BLOB PRIMARY KEY NOT NULL CHECK (length(digest) IN (32, 64)),
                   size INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE manifest (digest BLOB PRIMARY KEY NOT NULL REFERENCES blob (digest),
                       kind INTEGER NOT NULL, artifact_type TEXT, subject BLOB) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_subject ON manifest (subject) WHERE subject IS NOT NULL;
CREATE TABLE name (repository TEXT NOT NULL, tag TEXT NOT NULL,
                   digest BLOB NOT NULL REFERENCES manifest (digest), sealed INTEGER NOT NULL DEFAULT 0,
                   PRIMARY KEY (repository, tag)) STRICT, WITHOUT ROWID;
CREATE TABLE root (digest BLOB PRIMARY KEY NOT NULL REFERENCES manifest (digest)) STRICT, WITHOUT ROWID;
CREATE TABLE loose (subject BLOB NOT NULL, form INTEGER NOT NULL,
                    manifest BLOB NOT NULL REFERENCES manifest (digest),
                    PRIMARY KEY (subject, form, manifest)) STRICT, WITHOUT ROWID;
CREATE TABLE missing (parent BLOB NOT NULL REFERENCES manifest (digest), child BLOB NOT NULL,
                      PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
",
    // Fallback tags by digest, whatever the repository: `sha256-<hex>` and `sha512-<hex>` have these lengths.
    "
CREATE INDEX name_fallback ON name (tag) WHERE length(tag) IN (71, 135);
",
];

/// Brings a catalogue to the present version, in one transaction.
pub(super) fn migrate(connection: &mut Connection, root: &Path) -> Result<(), StoreFault> {
    let fault = |e: rusqlite::Error| fault(root, &e);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(fault)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version").map_err(fault)?;
    let application = pragma("application_id").map_err(fault)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    if application != APPLICATION_ID && (version != 0 || tables != 0) {
        return Err(StoreFault::Catalogue {
            place: root.to_owned(),
            reason: format!("{FILE} was not made by sealock"),
        });
    }
    known(version, root)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration).map_err(fault)?;
    }
    if version < newest() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fault)?;
        transaction.pragma_update(None, "user_version", newest()).map_err(fault)?;
    }
    transaction.commit().map_err(fault)
}

/// The version that this program writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Refuses a version that this program does not know.
pub(super) fn known(version: i64, root: &Path) -> Result<(), StoreFault> {
    if (0..=newest()).contains(&version) {
        return Ok(());
    }
    Err(StoreFault::NewerFormat { place: root.join(FILE), found: version, known: newest() })
}
