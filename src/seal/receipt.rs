//! Receipts: what a store has accepted, as a signed note of at most 512 bytes.
//!
//! Input and output: text by C2SP `signed-note`, with an Ed25519 key of the store's own. No names are in it.
//!
//! ```text
//! sealock.dev/receipt/v1
//! <store id>
//! <seal digest, 64 hexadecimal digits>
//! <sequence>
//! <journal checkpoint, or ->
//! <complete, or partial where policies kept something out>
//!
//! — <key name> <base64 of the 4 bytes of the key's id and the signature>
//! ```
//!
//! Attacks considered: `receipt_forged`: a forged one would make the next transfer leave out what is not there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::SealFault;
use crate::crypto::{self, HashAlgorithm, PublicKey, SigningKey};

/// Longest receipt, in bytes.
pub const MAX_SIZE: usize = 512;
/// First line.
const FORMAT: &str = "sealock.dev/receipt/v1";
/// Signature type of Ed25519 in C2SP `signed-note`.
const ED25519: u8 = 1;
/// What stands before an Ed25519 key in its `SubjectPublicKeyInfo`.
const SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A receipt whose signature holds, or one that is about to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Id of the store.
    pub store: String,
    /// Digest of the newest accepted seal, in hex.
    pub seal: String,
    /// Its sequence.
    pub sequence: u64,
    /// Newest checkpoint of the store's journal.
    pub journal: Option<String>,
    /// Whether all that the seal lists is held.
    pub complete: bool,
}

/// Key that checks receipts of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptKey {
    name: String,
    key: PublicKey,
}

impl ReceiptKey {
    /// The public half of the store's key.
    pub fn of(store: &str, key: &SigningKey) -> Self {
        Self { name: format!("sealock.dev/store/{store}"), key: key.public().clone() }
    }

    /// Reads C2SP's text form, `<name>+<id>+<key>`.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SealFault> {
        let malformed = |reason: &str| SealFault::malformed("receipt key", reason);
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("it is not <name>+<id>+<key>"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| malformed("its key is not base64"))?;
        let raw = bytes.strip_prefix(&[ED25519]).filter(|raw| raw.len() == 32);
        let raw = raw.ok_or_else(|| malformed("its key is not Ed25519"))?;
        let key = PublicKey::from_spki(&[SPKI, raw].concat()).map_err(|e| malformed(&e.to_string()))?;
        let found = Self { name: name.to_owned(), key };
        if hex::encode(found.id()) != id {
            return Err(malformed("its id is not that of its key"));
        }
        Ok(found)
    }

    fn raw(&self) -> &[u8] {
        self.key.spki().get(SPKI.len()..).unwrap_or_default()
    }

    fn id(&self) -> [u8; 4] {
        let bytes = [self.name.as_bytes(), &[b'\n', ED25519], self.raw()].concat();
        let [a, b, c, d, ..] = crypto::sha256(&bytes);
        [a, b, c, d]
    }
}

impl std::fmt::Display for ReceiptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519], self.raw()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl Receipt {
    fn text(&self) -> String {
        let journal = self.journal.as_deref().unwrap_or("-");
        let whole = if self.complete { "complete" } else { "partial" };
        format!("{FORMAT}\n{}\n{}\n{}\n{journal}\n{whole}\n", self.store, self.seal, self.sequence)
    }

    /// Signs it with the store's key.
    ///
    /// # Errors
    /// [`SealFault::Malformed`] where it grows over [`MAX_SIZE`] or the key does not sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SealFault> {
        let malformed = |reason: String| SealFault::malformed("receipt", reason);
        let text = self.text();
        let signature = key.sign(text.as_bytes()).map_err(|e| malformed(e.to_string()))?;
        let checks = ReceiptKey::of(&self.store, key);
        let line = STANDARD.encode([checks.id().as_slice(), &signature].concat());
        let note = format!("{text}\n\u{2014} {} {line}\n", checks.name);
        if note.len() > MAX_SIZE {
            return Err(malformed(format!("it has {} bytes, the limit is {MAX_SIZE}", note.len())));
        }
        Ok(note)
    }

    /// Reads a receipt that `key` signed.
    ///
    /// # Errors
    /// [`SealFault::Receipt`].
    pub fn verify(note: &[u8], key: &ReceiptKey) -> Result<Self, SealFault> {
        let refused = |reason: &str| SealFault::Receipt { reason: reason.to_owned() };
        if note.len() > MAX_SIZE {
            return Err(refused("it is too long"));
        }
        let note = std::str::from_utf8(note).map_err(|_| refused("it is not text"))?;
        let (text, signatures) = note.split_once("\n\n").ok_or_else(|| refused("it has no signature"))?;
        let text = format!("{text}\n");
        let prefix = format!("\u{2014} {} ", key.name);
        let signed = signatures.lines().filter_map(|line| line.strip_prefix(&prefix)).any(|line| {
            let bytes = STANDARD.decode(line).unwrap_or_default();
            let signature = bytes.strip_prefix(&key.id());
            signature.is_some_and(|s| key.key.verifies(HashAlgorithm::Sha256, text.as_bytes(), s))
        });
        if !signed {
            return Err(refused("it is not signed by the key of that store"));
        }
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default();
        let (format, store, seal, sequence, journal, whole) =
            (next(), next(), next(), next(), next(), next());
        let receipt = Self {
            store: store.to_owned(),
            seal: seal.to_owned(),
            sequence: sequence.parse().map_err(|_| refused("its sequence is no number"))?,
            journal: Some(journal.to_owned()).filter(|j| j != "-"),
            complete: whole == "complete",
        };
        if format != FORMAT || receipt.text() != text {
            return Err(refused("it is not written as a receipt"));
        }
        Ok(receipt)
    }
}
