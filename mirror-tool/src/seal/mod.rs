//! Sealing: one deterministic transfer of what the store holds.
//!
//! Input: a store, its receiver's id, operators, a moment. Output: a transfer (`docs/formats/seal.md`), signed or to be
//! signed, and a record of it in the store.
//!
//! | rule | source |
//! |---|---|
//! | the same input gives the same bytes; where nothing changed since the last seal, that one is written again | DESIGN §5; issue 4 item 3 |
//! | content is hashed on the way out | DESIGN §4 rule 1 |
//! | TUF metadata that has expired is not sealed | DESIGN §4 rule 8 |
//! | only what a signed and complete receipt acknowledges is left out; documents are always whole | `docs/formats/receipt.md` |
//! | a key that may not seal is refused | ours: a seal that nobody accepts helps nobody |
//! | the record stands before the transfer is published | ours: a sequence is never given twice |
//!
//! Not here: what makes a seal good (`sealock::seal`). Attacks considered: `receipt_forged`, `tuf_frozen_at_seal`.
// Reason: transfers, keys and records are files that the user names.
#![allow(clippy::disallowed_methods)]

mod again;
mod documents;
pub mod files;
mod ledger;
mod output;
mod record;
mod review;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sealock::crypto::SigningKey;
use sealock::decision::Code;
use sealock::image::Digest;
use sealock::seal::envelope::key_id;
use sealock::seal::snapshot::{self, Changes};
use sealock::seal::statement::{self, Exception, Segments, Versioned};
use sealock::seal::{
    Header, Operators, Receipt, ReceiptKey, SealFault, Snapshot, Statement, canonical, codes, container,
    operators, receipt,
};
use sealock::store::{Store, StoreFault, Writer};

pub use again::{Again, again};
pub use documents::{TrustSource, ledgers};
pub use record::{Record, Records};
pub use review::{Review, review, sign};

use documents::Documents;

/// How long another writer of the store is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest file of a receipt, in bytes.
const MAX_RECEIPT: u64 = receipt::MAX_SIZE as u64;

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealingFault {
    /// A rule of seals.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A key.
    #[error("{}: {reason}", .path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// Trust metadata that must not be sealed.
    #[error("the trust root {name}: {reason}")]
    Trust {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
        /// The code.
        code: &'static Code,
    },
    /// Asked for something that makes no sense.
    #[error("{0}")]
    Misuse(String),
}

impl SealingFault {
    /// The finding code, where there is one.
    pub fn code(&self) -> Option<&'static Code> {
        match self {
            Self::Seal(fault) => Some(fault.code()),
            Self::Store(fault) => Some(fault.code()),
            Self::Trust { code, .. } => Some(code),
            Self::Key { .. } | Self::Io { .. } | Self::Misuse(_) => None,
        }
    }
}

/// What to seal.
#[derive(Debug)]
pub struct Order<'a> {
    /// The store.
    pub store: &'a Path,
    /// Id of the receiving store.
    pub audience: &'a str,
    /// The operators file.
    pub operators: &'a Path,
    /// Keys that sign at once.
    pub keys: &'a [SigningKey],
    /// Name of the sealing side.
    pub origin: &'a str,
    /// A receipt of the receiving store.
    pub since: Option<&'a Path>,
    /// A receipt of the receiving store: seals behind the one that it acknowledges were lost, and are given up.
    pub after: Option<&'a Path>,
    /// The key that checks it; remembered for later.
    pub receipt_key: Option<&'a str>,
    /// Bytes of a segment; nothing for one file.
    pub segment_size: Option<u64>,
    /// How long it may be taken in.
    pub valid: SignedDuration,
    /// TUF repositories to carry, beside those that the store keeps.
    pub trust: &'a [TrustSource],
    /// Names of kept repositories that are not carried.
    pub no_trust: &'a [String],
    /// Policy files to carry, beside those that the store keeps.
    pub policies: &'a [PathBuf],
    /// Names of kept policy files that are not carried.
    pub no_policies: &'a [String],
    /// Ledgers of what was asked for, oldest first; carried as they are.
    pub ledgers: &'a [PathBuf],
    /// Names that may move back.
    pub exceptions: Vec<Exception>,
    /// Make a new seal even where nothing changed.
    pub fresh: bool,
    /// The transfer, or the base of its segments' names.
    pub output: &'a Path,
    /// Now.
    pub now: Timestamp,
}

/// What was sealed.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// `sealock.dev/sealed/v1`.
    pub schema: &'static str,
    /// Digest of the seal.
    pub digest: String,
    /// Its sequence.
    pub sequence: u64,
    /// Whether it is the last one once more.
    pub again: bool,
    /// Files written, in order.
    pub files: Vec<String>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Contents carried, and left out because they were acknowledged.
    pub carried: usize,
    /// See `carried`.
    pub omitted: usize,
    /// Signatures that count, and how many are needed.
    pub signatures: u32,
    /// See `signatures`.
    pub threshold: u32,
    /// Contents that the store knows to be missing.
    pub missing: usize,
    /// Whether a receipt was given that acknowledges nothing, because it is partial.
    pub partial_receipt: bool,
}

/// Seals.
///
/// # Errors
/// [`SealingFault`]; no transfer stands at the output's name then, and no sequence is lost.
pub fn seal(order: &Order<'_>) -> Result<Sealed, SealingFault> {
    // One writer: what is listed must be what is held, and no two seals may take one sequence.
    let _writer = Writer::open(order.store, "seal", PATIENCE)?;
    let store = Store::open(order.store)?;
    let operators = Operators::parse(&files::read(order.operators, operators::MAX_FILE)?)?;
    check_keys(order.keys, &operators)?;
    let records = Records::open(order.store, order.audience)?;
    let (acknowledged, partial) = acknowledged(order, &records)?;
    let after = again::given_up(order, &records)?;
    let base = acknowledged.as_ref().map(|(digest, _)| digest.clone());
    let closure = store.contents()?;
    let omitted: BTreeSet<Digest> = match &acknowledged {
        Some((_, held)) => {
            closure.keys().filter(|digest| held.closure.contains_key(*digest)).copied().collect()
        }
        None => BTreeSet::new(),
    };
    let names: BTreeMap<String, String> =
        store.list()?.into_iter().filter_map(|l| Some((l.name?, l.digest.to_string()))).collect();
    let ledger = order.ledgers.last().map(|path| documents::ledger_name(path));
    let snapshot = Snapshot { closure, format: snapshot::FORMAT.to_owned(), ledger, omitted };
    let mut documents = Documents::collect(order, &store, &operators, &names, &snapshot)?;
    let last = records.newest()?;
    // The last seal once more, if this says nothing else.
    let goes_on = |last: &&Record| after.as_ref().is_none_or(|after| after.follows_or_is(last));
    if let Some(last) = last.as_ref().filter(|_| !order.fresh).filter(goes_on) {
        let sequence = records.sequence_of(last.statement.previous.as_deref(), last.statement.sequence)?;
        let before = records.names(sequence)?;
        documents.changes(&Changes::between(&before, &names))?;
        let previous = last.statement.previous.clone();
        let twin =
            Draft { order, operators: &operators, documents: &documents, base: &base, snapshot: &snapshot };
        let twin = twin.statement(last.statement.sequence, previous, &last.statement);
        if twin == last.statement && last.statement.expires > order.now {
            return write(order, &store, &operators, &documents, &snapshot, twin, &records, None, partial);
        }
    }
    // A number is never given twice, also where the seals in between were lost: then two histories would look alike.
    let sequence = last.as_ref().map_or(0, |last| last.statement.sequence) + 1;
    let before_it = after.or(last);
    let before = match &before_it {
        Some(before) => records.names(before.statement.sequence)?,
        None => BTreeMap::new(),
    };
    documents.changes(&Changes::between(&before, &names))?;
    let previous = before_it.map(|before| before.digest);
    let draft =
        Draft { order, operators: &operators, documents: &documents, base: &base, snapshot: &snapshot };
    let sealed_at = Timestamp::from_second(order.now.as_second()).unwrap_or(order.now);
    let statement = draft.new_statement(sequence, previous, sealed_at)?;
    write(order, &store, &operators, &documents, &snapshot, statement, &records, Some(&names), partial)
}

/// Everything that a statement is made of.
struct Draft<'a> {
    order: &'a Order<'a>,
    operators: &'a Operators,
    documents: &'a Documents,
    base: &'a Option<String>,
    snapshot: &'a Snapshot,
}

impl Draft<'_> {
    /// A statement with the times and the segments' hashes of `like`.
    fn statement(&self, sequence: u64, previous: Option<String>, like: &Statement) -> Statement {
        let contents = self.documents.contents();
        let documents: u64 = contents.values().map(|c| container::entry_length(c.size)).sum();
        let content: u64 = self.snapshot.carried().map(|(_, size)| container::entry_length(size)).sum();
        Statement {
            audience: self.order.audience.to_owned(),
            base: self.base.clone(),
            contents,
            deny_list: None,
            exceptions: self.order.exceptions.clone(),
            expires: like.expires,
            format: statement::FORMAT.to_owned(),
            journal: None,
            operators: Versioned {
                sha256: self.operators.newest().digest(),
                version: self.operators.version(),
            },
            origin: self.order.origin.to_owned(),
            policies: self.documents.policies(),
            previous,
            sealed_at: like.sealed_at,
            segments: Segments {
                sha256: like.segments.sha256.clone(),
                size: self.order.segment_size.unwrap_or(container::FAT32),
                total: documents + content + container::END,
            },
            sequence,
            trust: self.documents.trust(),
        }
    }

    fn new_statement(
        &self,
        sequence: u64,
        previous: Option<String>,
        sealed_at: Timestamp,
    ) -> Result<Statement, SealingFault> {
        let expires = sealed_at
            .checked_add(self.order.valid)
            .map_err(|e| SealingFault::Misuse(format!("it cannot be valid that long: {e}")))?;
        let like = Statement {
            audience: String::new(),
            base: None,
            contents: BTreeMap::new(),
            deny_list: None,
            exceptions: Vec::new(),
            expires,
            format: String::new(),
            journal: None,
            operators: Versioned { sha256: String::new(), version: 0 },
            origin: String::new(),
            policies: BTreeMap::new(),
            previous: None,
            sealed_at,
            segments: Segments { sha256: Vec::new(), size: 0, total: 0 },
            sequence: 0,
            trust: Vec::new(),
        };
        Ok(self.statement(sequence, previous, &like))
    }
}

#[allow(clippy::too_many_arguments, reason = "each is one part of one transfer")]
fn write(
    order: &Order<'_>,
    store: &Store,
    operators: &Operators,
    documents: &Documents,
    snapshot: &Snapshot,
    statement: Statement,
    records: &Records,
    names: Option<&BTreeMap<String, String>>,
    partial_receipt: bool,
) -> Result<Sealed, SealingFault> {
    write_out(
        order.output,
        order.segment_size,
        order.keys,
        store,
        operators,
        documents,
        snapshot,
        statement,
        names.map(|names| (records, names)),
        partial_receipt,
    )
}

/// Writes a transfer. `new` is where a seal that was not made before is remembered, and its names; without it the bytes
/// must be those of before.
#[allow(clippy::too_many_arguments, reason = "each is one part of one transfer")]
fn write_out(
    path: &Path,
    segment_size: Option<u64>,
    keys: &[SigningKey],
    store: &Store,
    operators: &Operators,
    documents: &Documents,
    snapshot: &Snapshot,
    mut statement: Statement,
    new: Option<(&Records, &BTreeMap<String, String>)>,
    partial_receipt: bool,
) -> Result<Sealed, SealingFault> {
    let mut output = output::Output::create(path, segment_size, statement.segments.size)?;
    output.write(store, documents, snapshot)?;
    let hashes = output.hashes();
    if new.is_none() && hashes != statement.segments.sha256 {
        return Err(SealFault::malformed("record", "the last seal's content is not what it was").into());
    }
    statement.segments.sha256 = hashes;
    let mut header = Header::new(&statement)?;
    for key in keys {
        let signed = header.envelope_mut().sign(key);
        signed.map_err(|e| SealFault::Operators { reason: e.to_string() })?;
    }
    let digest = header.envelope().digest();
    let head = header.render()?;
    let mut files = output.finish(&head)?;
    if let Some((records, names)) = new {
        records.put(header.envelope().payload(), &statement, documents, names)?;
    }
    let bytes = files.iter().map(|(_, size)| size).sum();
    for (path, _) in &mut files {
        files::publish(path)?;
    }
    let role = &operators.newest().document().roles.seal;
    let signed: BTreeSet<_> = keys.iter().map(|key| key_id(key.public())).collect();
    Ok(Sealed {
        schema: "sealock.dev/sealed/v1",
        digest: format!("sha256:{digest}"),
        sequence: statement.sequence,
        again: new.is_none(),
        files: files.iter().map(|(path, _)| path.display().to_string()).collect(),
        bytes,
        carried: snapshot.carried().count(),
        omitted: snapshot.omitted.len(),
        signatures: u32::try_from(signed.len()).unwrap_or(u32::MAX),
        threshold: role.threshold,
        missing: store.missing()?,
        partial_receipt,
    })
}

/// Keys that sign must be ones that may seal.
fn check_keys(keys: &[SigningKey], operators: &Operators) -> Result<(), SealingFault> {
    let allowed = &operators.newest().document().roles.seal.keys;
    match keys.iter().map(|key| key_id(key.public())).find(|id| !allowed.contains(id)) {
        Some(id) => Err(SealingFault::Misuse(format!(
            "the key {id} may not seal: `sealock-mirror operators show` lists those that may"
        ))),
        None => Ok(()),
    }
}

/// The receipt at `path`, and the seal of ours that it acknowledges.
fn acknowledged_by(
    path: &Path,
    audience: &str,
    records: &Records,
    key: Option<ReceiptKey>,
) -> Result<(Receipt, Record), SealingFault> {
    let Some(key) = key else {
        return Err(SealingFault::Misuse(
            "the receipt cannot be checked: give --receipt-key as `sealock store init` printed it".into(),
        ));
    };
    let note = files::read(path, MAX_RECEIPT)?;
    let receipt = Receipt::verify(&note, &key)?;
    if receipt.store != audience {
        let reason = format!("it is of the store {}", receipt.store);
        return Err(SealFault::Receipt { reason }.into());
    }
    let Some(record) = records.get(receipt.sequence)?.filter(|r| r.digest == receipt.seal) else {
        let reason = format!("seal {} of this store is not known here", receipt.sequence);
        return Err(SealFault::Receipt { reason }.into());
    };
    Ok((receipt, record))
}

/// What the receipt acknowledges: the seal's digest and its snapshot; and whether a receipt acknowledges nothing.
fn acknowledged(
    order: &Order<'_>,
    records: &Records,
) -> Result<(Option<(String, Snapshot)>, bool), SealingFault> {
    let key = match order.receipt_key {
        Some(text) => {
            let key = ReceiptKey::parse(text)?;
            if let Some(known) = records.receipt_key()?.filter(|known| *known != key) {
                return Err(SealFault::Receipt {
                    reason: format!("the key of this store is known as {known}, which is another one"),
                }
                .into());
            }
            records.put_receipt_key(&key)?;
            Some(key)
        }
        None => records.receipt_key()?,
    };
    let Some(path) = order.since else { return Ok((None, false)) };
    let (receipt, record) = acknowledged_by(path, order.audience, records, key)?;
    if !receipt.complete {
        return Ok((None, true));
    }
    let snapshot = records.snapshot(receipt.sequence)?;
    let stated = record.statement.contents.get(container::SNAPSHOT);
    if !stated.is_some_and(|content| content.matches(&snapshot)) {
        return Err(SealFault::malformed("record", "its snapshot is not the one that was sealed").into());
    }
    Ok((Some((record.digest, Snapshot::parse(&snapshot)?)), false))
}

/// Canonical bytes of a document.
pub(crate) fn render(part: &'static str, value: &impl serde::Serialize) -> Result<Vec<u8>, SealingFault> {
    Ok(canonical::render(part, value)?)
}

/// The code for metadata that has expired.
pub(crate) static STALE: &Code = &codes::TRUST_STALE;
/// The code for metadata that cannot be loaded.
pub(crate) static REFUSED: &Code = &codes::TRUST_REFUSED;
