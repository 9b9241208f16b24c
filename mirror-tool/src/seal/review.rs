//! Signing a transfer that is made already, on any machine: first what a person should see, then the signature.
//!
//! | rule | source |
//! |---|---|
//! | what is shown comes from documents that hash to what will be signed | ours |
//! | with the transfer before, the changes are worked out anew and compared | the sealing host may lie about them |
//! | a signature is added in place; nothing else of the transfer is touched | `docs/formats/seal.md` |

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sealock::crypto::SigningKey;
use sealock::seal::envelope::key_id;
use sealock::seal::snapshot::{self, Changes};
use sealock::seal::{Header, Operators, SealFault, Statement, canonical, container};
use sealock::store::transfer;

use super::{SealingFault, files};

/// Largest document that is shown, in bytes.
const MAX_SHOWN: u64 = 256 * 1024 * 1024;

/// What a person sees before signing.
#[derive(Debug)]
pub struct Review {
    /// The statement.
    pub statement: Statement,
    /// Digest of the seal.
    pub digest: String,
    /// Names that changed since the seal before.
    pub changes: Changes,
    /// Whether the changes were worked out from the transfer before; else the sealing host says so.
    pub compared: bool,
    /// Names of those who have signed.
    pub signers: Vec<String>,
    /// How many must.
    pub threshold: u32,
    /// The operators.
    pub operators: Operators,
}

/// The file with the head, and the files with the rest in order.
fn places(path: &Path) -> (PathBuf, Option<PathBuf>) {
    let split = path.extension().is_some_and(|e| e == "000");
    if split { (path.to_owned(), Some(path.with_extension(""))) } else { (path.to_owned(), None) }
}

fn head(path: &Path) -> Result<Header, SealingFault> {
    let mut bytes = Vec::new();
    let opened = File::open(path);
    let limit = container::HEADER_LENGTH as u64;
    files::io(path, opened.and_then(|file| file.take(limit).read_to_end(&mut bytes)))?;
    Ok(Header::parse(&bytes)?)
}

/// Reads documents of a transfer, each checked against its statement.
fn documents(
    path: &Path,
    statement: &Statement,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, SealingFault> {
    let (whole, base) = places(path);
    let mut found = BTreeMap::new();
    let mut start = 0_u64;
    for (name, content) in &statement.contents {
        let from = start + container::BLOCK;
        start += container::entry_length(content.size);
        if !wanted(name) {
            continue;
        }
        if content.size > MAX_SHOWN {
            return Err(SealFault::malformed("document", "it is larger than is read").into());
        }
        let mut bytes = Vec::new();
        let (mut at, end) = (from, from + content.size);
        while at < end {
            let (place, offset, most) = match &base {
                None => (whole.clone(), at + container::HEADER_LENGTH as u64, end - at),
                Some(base) => {
                    let size = statement.segments.size;
                    let number = usize::try_from(at / size).unwrap_or(usize::MAX).saturating_add(1);
                    (transfer::segment(base, number), at % size, (size - at % size).min(end - at))
                }
            };
            let read = File::open(&place).and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                file.take(most).read_to_end(&mut bytes)
            });
            let n = files::io(&place, read)?;
            if n == 0 {
                return Err(
                    SealFault::malformed("document", format!("{} ends early", place.display())).into()
                );
            }
            at += n as u64;
        }
        if !content.matches(&bytes) {
            return Err(SealFault::malformed("document", format!("{name} is not what the seal binds")).into());
        }
        found.insert(name.clone(), bytes);
    }
    Ok(found)
}

fn names(path: &Path, statement: &Statement) -> Result<BTreeMap<String, String>, SealingFault> {
    let mut names = BTreeMap::new();
    for bytes in documents(path, statement, |name| name.starts_with("refs/"))?.values() {
        names.extend(snapshot::parse_names(bytes)?);
    }
    Ok(names)
}

/// Looks at the transfer at `path`; `previous` is the transfer before.
///
/// # Errors
/// [`SealingFault`] where it is not sound, or `previous` is not the one before.
pub fn review(path: &Path, previous: Option<&Path>) -> Result<Review, SealingFault> {
    let header = head(path)?;
    let statement = header.unverified()?;
    let shown =
        documents(path, &statement, |name| [container::CHANGES, container::OPERATORS].contains(&name))?;
    let get = |name: &str| shown.get(name).map_or(&[][..], Vec::as_slice);
    let told: Changes = canonical::read("changes", get(container::CHANGES))?;
    let operators = Operators::parse(get(container::OPERATORS))?;
    let mut compared = statement.previous.is_none();
    let before = match previous {
        Some(previous) => {
            let old = head(previous)?;
            if statement.previous.as_deref() != Some(old.envelope().digest().as_str()) {
                return Err(SealingFault::Misuse(format!(
                    "{} is not the transfer before this one",
                    previous.display()
                )));
            }
            compared = true;
            Some(names(previous, &old.unverified()?)?)
        }
        None => statement.previous.is_none().then(BTreeMap::new),
    };
    let changes = match before {
        Some(before) => {
            let found = Changes::between(&before, &names(path, &statement)?);
            if found != told {
                return Err(SealFault::malformed("changes", "they are not what really changed").into());
            }
            found
        }
        None => told,
    };
    let newest = operators.newest();
    Ok(Review {
        digest: header.envelope().digest(),
        changes,
        compared,
        signers: newest.signers(header.envelope()),
        threshold: newest.document().roles.seal.threshold,
        statement,
        operators,
    })
}

/// Adds the signature of `key` to the transfer at `path`; `reviewed` is what was shown. Tells how many signatures
/// count now.
///
/// # Errors
/// [`SealingFault`]; also where the transfer is not the one that was shown any more.
pub fn sign(path: &Path, key: &SigningKey, reviewed: &Review) -> Result<usize, SealingFault> {
    let newest = reviewed.operators.newest();
    if !newest.document().roles.seal.keys.contains(&key_id(key.public())) {
        return Err(SealingFault::Misuse(format!("the key {} may not seal", key_id(key.public()))));
    }
    let mut header = head(path)?;
    if header.envelope().digest() != reviewed.digest {
        return Err(SealFault::malformed("seal", "it is not the one that was shown any more").into());
    }
    header.envelope_mut().sign(key).map_err(|e| SealFault::Operators { reason: e.to_string() })?;
    let bytes = header.render()?;
    if places(path).1.is_some() {
        files::replace(path, &bytes)?;
    } else {
        // In place: what is signed comes first and stays as it is, so that a torn write costs signatures at most.
        let written = OpenOptions::new().write(true).open(path).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        files::io(path, written)?;
    }
    Ok(newest.signers(header.envelope()).len())
}
