//! Checking a store: content, catalogue and `index.json` against each other.
//!
//! Input: a store. Output: [`FsckReport`]: defects and notes, each with a code and a path.
//!
//! | what is compared | with | finding |
//! |---|---|---|
//! | every file under `blobs/` | its name | `store/damaged`, `store/special-file`, `store/stray-file` |
//! | every row of the catalogue | the files | `store/missing-blob`, `store/wrong-size` |
//! | every manifest | its row, and its children | `store/catalogue-differs`, `store/missing-blob` |
//! | `index.json` | what the catalogue would write | `store/index-differs` |
//!
//! What an interrupted import leaves is a note, not a defect: content without a row, part files, an `index.json`
//! that is one import behind. Takes no lock: a writer at work can make content appear that has no row yet.
//!
//! Attacks considered: `store_special_files`, `refs_edited`, a catalogue that hides evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::blob::{self, OpenFault};
use super::catalogue::{Catalogue, INDEX_BEFORE};
use super::graph::Node;
use super::reader::Store;
use super::sweep::{self, State};
use super::writer::{self, Hashing, INGEST, OCI_LAYOUT};
use super::{SourceFault, StoreFault, codes, columns, index, listing};
use crate::decision::{Code, Finding, Severity};
use crate::image::manifest::MAX_MANIFEST;
use crate::image::{Digest, Manifest};

/// How often `index.json` is compared again, because a writer may be replacing it.
const INDEX_RETRIES: usize = 5;
/// Most differences of `index.json` that are spelt out.
const MAX_DIFFERENCES: usize = 8;

/// What a check found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FsckReport {
    /// `sealock.dev/store-fsck/v1`.
    pub schema: &'static str,
    /// The store's directory.
    pub store: String,
    /// Its id.
    pub store_id: String,
    /// Whether there is no defect. Notes do not count.
    pub clean: bool,
    /// Whether something could not be read, so that the answer is incomplete.
    pub unreadable: bool,
    /// How much was checked.
    pub counts: FsckCounts,
    /// Defects and notes.
    pub findings: Vec<Located>,
}

/// Counts of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FsckCounts {
    /// Files hashed.
    pub blobs: usize,
    /// Bytes hashed.
    pub bytes: u64,
    /// Manifests read.
    pub manifests: usize,
    /// Entries of `index.json`.
    pub listed: usize,
    /// Defects found.
    pub defects: usize,
    /// Contents that manifests were taken in without.
    pub missing: usize,
}

/// A finding with the file that it is about.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Located {
    /// Below the store's directory.
    pub path: String,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The rows of the catalogue.
struct Rows {
    blobs: BTreeMap<Digest, u64>,
    manifests: BTreeMap<Digest, Node>,
    missing: BTreeSet<(Digest, Digest)>,
}

struct Check<'a> {
    root: &'a Path,
    report: FsckReport,
}

/// Checks the store at `root`.
///
/// # Errors
/// [`StoreFault`] where the check itself cannot be done: no store, or a catalogue that cannot be read.
pub fn fsck(root: &Path) -> Result<FsckReport, StoreFault> {
    let store = Store::open(root)?;
    let report = FsckReport {
        schema: "sealock.dev/store-fsck/v1",
        store: root.display().to_string(),
        store_id: store.id().to_owned(),
        clean: true,
        unreadable: false,
        counts: FsckCounts::default(),
        findings: Vec::new(),
    };
    let mut check = Check { root, report };
    let rows = store.with(|catalogue| {
        catalogue.check()?;
        rows(catalogue)
    })?;
    check.marker();
    check.leftovers()?;
    let sound = check.contents(&rows)?;
    check.manifests(&rows, &sound);
    store.with(|catalogue| check.index(catalogue))?;
    check.seal(&store);
    check.report.findings.sort_by(|a, b| {
        (b.finding.severity, a.finding.code, &a.path).cmp(&(a.finding.severity, b.finding.code, &b.path))
    });
    check.report.counts.defects =
        check.report.findings.iter().filter(|f| f.finding.severity == Severity::Error).count();
    check.report.clean = check.report.counts.defects == 0;
    Ok(check.report)
}

/// Reads all rows in one view, so that a writer at work cannot tear them apart.
fn rows(catalogue: &Catalogue) -> Result<Rows, StoreFault> {
    catalogue.view(|catalogue| {
        let blobs = catalogue.many("SELECT digest, size FROM blob", [], |row| {
            Ok((columns::digest(row, 0)?, columns::size(row, 1)?))
        })?;
        let manifests = catalogue.many(
            "SELECT m.digest, m.kind, m.artifact_type, m.subject, b.size
               FROM manifest m JOIN blob b ON b.digest = m.digest",
            [],
            |row| {
                Ok((
                    columns::digest(row, 0)?,
                    Node {
                        media_type: columns::kind(row, 1)?.to_owned(),
                        artifact_type: row.get(2)?,
                        subject: columns::optional_digest(row, 3)?,
                        size: columns::size(row, 4)?,
                    },
                ))
            },
        )?;
        let missing = catalogue.many("SELECT parent, child FROM missing", [], |row| {
            Ok((columns::digest(row, 0)?, columns::digest(row, 1)?))
        })?;
        Ok(Rows {
            blobs: blobs.into_iter().collect(),
            manifests: manifests.into_iter().collect(),
            missing: missing.into_iter().collect(),
        })
    })
}

impl Check<'_> {
    fn add(&mut self, code: &'static Code, severity: Severity, path: &Path, message: impl Into<String>) {
        let path = path.strip_prefix(self.root).unwrap_or(path).display().to_string();
        self.report.findings.push(Located { path, finding: Finding::new(code, severity, message) });
    }

    fn defect(&mut self, code: &'static Code, path: &Path, message: impl Into<String>) {
        self.add(code, Severity::Error, path, message);
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.report.unreadable = true;
        self.defect(&codes::UNREADABLE, path, format!("it cannot be read: {error}"));
    }

    /// `oci-layout` is what the store wrote.
    fn marker(&mut self) {
        let path = self.root.join("oci-layout");
        match blob::read_plain(&path, OCI_LAYOUT.len() as u64) {
            Ok(bytes) if bytes == OCI_LAYOUT => {}
            Ok(_) => self.defect(&codes::LAYOUT_VERSION, &path, "it is not what the store wrote"),
            Err(OpenFault::Absent) => self.defect(&codes::LAYOUT_VERSION, &path, "it is missing"),
            Err(OpenFault::Special(kind)) => {
                self.defect(&codes::SPECIAL_FILE, &path, format!("it is {kind}"));
            }
            Err(OpenFault::Io(e)) if e.kind() == io::ErrorKind::InvalidData => {
                self.defect(&codes::LAYOUT_VERSION, &path, "it is not what the store wrote");
            }
            Err(OpenFault::Io(e)) => self.unreadable(&path, &e),
        }
    }

    /// What operators sealed is what was accepted.
    fn seal(&mut self, store: &Store) {
        let names = store.accepted().and_then(|accepted| accepted.map_or(Ok(()), |a| a.names().map(drop)));
        if let Err(fault) = names {
            self.defect(fault.code(), &self.root.join("seal"), fault.to_string());
        }
    }

    fn leftovers(&mut self) -> Result<(), StoreFault> {
        let path = self.root.join(INGEST);
        let count = listing::entries(&path)?.len();
        if count > 0 {
            self.add(
                &codes::LEFTOVER,
                Severity::Note,
                &path,
                format!("{count} unfinished files of an import that was interrupted or is under way"),
            );
        }
        Ok(())
    }

    /// Compares files and rows; tells which content is sound.
    fn contents(&mut self, rows: &Rows) -> Result<BTreeSet<Digest>, StoreFault> {
        let listing = listing::list(self.root, usize::MAX)?;
        for (path, kind) in &listing.special {
            self.defect(&codes::SPECIAL_FILE, path, format!("{kind} stands where content belongs"));
        }
        for path in &listing.stray {
            self.defect(&codes::STRAY_FILE, path, "it is not named by a digest");
        }
        let mut sound = BTreeSet::new();
        let mut unlisted = 0_usize;
        let mut present = BTreeSet::new();
        for (digest, state) in sweep::sweep(self.root, listing.blobs.into_iter()) {
            let path = blob::path(self.root, &digest);
            let row = rows.blobs.get(&digest);
            match state {
                State::Sound { size } => {
                    self.report.counts.blobs += 1;
                    self.report.counts.bytes = self.report.counts.bytes.saturating_add(size);
                    match row {
                        Some(listed) if *listed != size => self.defect(
                            &codes::SIZE,
                            &path,
                            format!("the catalogue says {listed} bytes, it has {size}"),
                        ),
                        Some(_) => {}
                        None => unlisted += 1,
                    }
                    sound.insert(digest);
                }
                State::Damaged => {
                    self.report.counts.blobs += 1;
                    self.defect(&codes::DAMAGED, &path, "its bytes do not hash to its name");
                }
                State::Special(kind) => {
                    self.defect(&codes::SPECIAL_FILE, &path, format!("{kind} stands where content belongs"));
                }
                State::Gone => continue,
                State::Unreadable(e) => self.unreadable(&path, &e),
            }
            present.insert(digest);
        }
        if unlisted > 0 {
            self.add(
                &codes::UNLISTED_BLOB,
                Severity::Note,
                &self.root.join("blobs"),
                format!("{unlisted} sound contents without a row in the catalogue"),
            );
        }
        for digest in rows.blobs.keys().filter(|digest| !present.contains(digest)) {
            let path = blob::path(self.root, digest);
            if std::fs::symlink_metadata(&path).is_err() {
                self.defect(&codes::MISSING_BLOB, &path, "the catalogue lists it");
            }
        }
        Ok(sound)
    }

    /// Compares manifests with their rows and with what they point to.
    fn manifests(&mut self, rows: &Rows, sound: &BTreeSet<Digest>) {
        let mut reached: BTreeSet<Digest> = BTreeSet::new();
        let mut complete = true;
        for (digest, node) in &rows.manifests {
            let path = blob::path(self.root, digest);
            if !sound.contains(digest) {
                // Damage and absence are told already.
                complete = false;
                continue;
            }
            let bytes = match blob::read(self.root, digest, MAX_MANIFEST) {
                Ok(bytes) => bytes,
                Err(SourceFault::Unreadable { source, .. }) => {
                    self.unreadable(&path, &source);
                    continue;
                }
                Err(fault) => {
                    self.defect(&codes::DAMAGED, &path, fault.to_string());
                    continue;
                }
            };
            self.report.counts.manifests += 1;
            let manifest = match Manifest::parse(&bytes, &node.media_type) {
                Ok(manifest) => manifest,
                Err(fault) => {
                    self.defect(
                        &codes::CATALOGUE_DIFFERS,
                        &path,
                        format!("the catalogue calls it a manifest: {fault}"),
                    );
                    continue;
                }
            };
            let subject = manifest.subject.as_ref().map(|s| s.digest);
            if subject != node.subject || manifest.artifact_type != node.artifact_type {
                self.defect(
                    &codes::CATALOGUE_DIFFERS,
                    &path,
                    "the catalogue says something else about its subject or artifact type",
                );
            }
            for child in manifest.children() {
                reached.insert(child.digest);
                let known = rows.missing.contains(&(*digest, child.digest));
                if !rows.blobs.contains_key(&child.digest) && !known {
                    self.defect(
                        &codes::MISSING_BLOB,
                        &blob::path(self.root, &child.digest),
                        format!("{digest} needs it"),
                    );
                }
            }
        }
        self.report.counts.missing = rows.missing.len();
        // With a manifest unread nobody knows what it leads to.
        let strays = rows.blobs.keys().filter(|d| !reached.contains(d) && !rows.manifests.contains_key(d));
        for digest in strays.take(if complete { usize::MAX } else { 0 }) {
            self.defect(
                &codes::CATALOGUE_DIFFERS,
                &blob::path(self.root, digest),
                "no manifest in the catalogue leads to it",
            );
        }
    }

    /// Compares `index.json` with what the catalogue would write.
    fn index(&mut self, catalogue: &Catalogue) -> Result<(), StoreFault> {
        let path = self.root.join("index.json");
        for attempt in 1.. {
            let (wanted, before, listed) = catalogue.view(|catalogue| {
                let mut listed = 0;
                let wanted = expected_index(catalogue, &path, &mut listed)?;
                Ok((wanted, catalogue.state(INDEX_BEFORE)?, listed))
            })?;
            self.report.counts.listed = listed;
            let found = match hash_file(&path) {
                Ok(found) => found,
                Err(OpenFault::Absent) => {
                    self.defect(&codes::INDEX_DIFFERS, &path, "it is missing");
                    return Ok(());
                }
                Err(OpenFault::Special(kind)) => {
                    self.defect(&codes::SPECIAL_FILE, &path, format!("it is {kind}"));
                    return Ok(());
                }
                Err(OpenFault::Io(e)) => {
                    self.unreadable(&path, &e);
                    return Ok(());
                }
            };
            if found == wanted {
                return Ok(());
            }
            if before.as_deref() == Some(found.to_string().as_str()) {
                self.add(
                    &codes::INDEX_BEHIND,
                    Severity::Note,
                    &path,
                    "it is one import behind the catalogue",
                );
                return Ok(());
            }
            if attempt >= INDEX_RETRIES {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let differences = differences(catalogue, &path)?;
        self.defect(&codes::INDEX_DIFFERS, &path, format!("it is not what the store wrote{differences}"));
        Ok(())
    }
}

/// Digest of the `index.json` that belongs to the catalogue; counts its entries.
fn expected_index(catalogue: &Catalogue, path: &Path, listed: &mut usize) -> Result<Digest, StoreFault> {
    let mut out = Hashing { to: BufWriter::new(io::sink()), hasher: crate::crypto::Hasher::sha256() };
    writer::write_index(
        &mut out,
        |each| {
            catalogue.each_named(|row| {
                *listed += 1;
                each(row)
            })
        },
        path,
    )?;
    let _ = out.flush();
    Ok(Digest::Sha256(out.hasher.finish().try_into().unwrap_or_default()))
}

fn hash_file(path: &Path) -> Result<Digest, OpenFault> {
    let (mut file, _) = blob::open_regular(path)?;
    let mut out = Hashing { to: io::sink(), hasher: crate::crypto::Hasher::sha256() };
    io::copy(&mut file, &mut out).map_err(OpenFault::Io)?;
    Ok(Digest::Sha256(out.hasher.finish().try_into().unwrap_or_default()))
}

/// Which names differ between the file and the catalogue.
fn differences(catalogue: &Catalogue, path: &Path) -> Result<String, StoreFault> {
    let Ok(bytes) = blob::read_plain(path, index::MAX_INDEX_FILE) else { return Ok(String::new()) };
    let Ok(entries) = index::parse(&bytes, None) else {
        return Ok(": it is no sound index".to_owned());
    };
    let mut in_file: BTreeMap<String, Digest> =
        entries.into_iter().filter_map(|e| Some((e.name?.to_string(), e.descriptor.digest))).collect();
    let mut told = Vec::new();
    catalogue.each_named(|row| {
        let Some(name) = row.name.as_ref().map(ToString::to_string) else { return Ok(()) };
        match in_file.remove(&name) {
            Some(digest) if digest == row.digest => {}
            Some(digest) => told.push(format!("{name} leads to {digest} instead of {}", row.digest)),
            None => told.push(format!("{name} is not in it")),
        }
        Ok::<_, StoreFault>(())
    })?;
    told.extend(in_file.keys().map(|name| format!("{name} was added")));
    let more = told.len().saturating_sub(MAX_DIFFERENCES);
    told.truncate(MAX_DIFFERENCES);
    if told.is_empty() {
        return Ok(String::new());
    }
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Ok(format!(": {}{more}", told.join("; ")))
}
