//! Checkpoints: signed notes that state the size and root of a tree (C2SP signed-note, tlog-checkpoint).
//!
//! Input: the note's text. Output: [`Checkpoint`], and whether a log's key signed it. Attacks considered: floods of
//! signature lines, key hints of other keys, sizes with signs or leading zeros.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{HashAlgorithm, KeyAlgorithm};
use crate::evidence::limits;
use crate::trust::view::Log;

/// A note as written; not believed.
#[derive(Clone, Debug)]
pub struct Checkpoint<'c> {
    /// First line: the log's name for itself.
    pub origin: &'c str,
    /// Leaves.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    text: &'c str,
    /// Name, key hint, signature.
    signatures: Vec<(&'c str, Vec<u8>, Vec<u8>)>,
}

impl<'c> Checkpoint<'c> {
    /// Reads a note.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(envelope: &'c str) -> Result<Self, String> {
        if envelope.len() > limits::CHECKPOINT {
            return Err("its checkpoint is too long".to_owned());
        }
        let malformed = |what: &str| format!("its checkpoint is malformed: {what}");
        let (text, tail) = envelope.split_once("\n\n").ok_or_else(|| malformed("no empty line"))?;
        let text = envelope.get(..=text.len()).ok_or_else(|| malformed("no text"))?;
        let mut lines = text.lines();
        let origin = lines.next().filter(|l| !l.is_empty()).ok_or_else(|| malformed("no origin"))?;
        let size = lines
            .next()
            .filter(|l| *l == "0" || !l.starts_with(['0', '+']))
            .and_then(|l| l.parse().ok())
            .ok_or_else(|| malformed("no size"))?;
        let root = lines
            .next()
            .and_then(|l| STANDARD.decode(l).ok())
            .and_then(|b| <[u8; 32]>::try_from(b).ok())
            .ok_or_else(|| malformed("no root hash"))?;
        let mut signatures = Vec::new();
        for line in tail.lines() {
            let (name, encoded) = line
                .strip_prefix("\u{2014} ")
                .and_then(|l| l.split_once(' '))
                .ok_or_else(|| malformed("a signature line of another form"))?;
            let bytes = STANDARD.decode(encoded).map_err(|e| malformed(&e.to_string()))?;
            let (hint, signature) = bytes
                .split_at_checked(4)
                .ok_or_else(|| malformed("a signature shorter than its key hint"))?;
            signatures.push((name, hint.to_vec(), signature.to_vec()));
            if signatures.len() > limits::CHECKPOINT_SIGNATURES {
                return Err(malformed("too many signatures"));
            }
        }
        Ok(Self { origin, size, root, text, signatures })
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        self.text
    }

    /// Signatures under a name and a key hint.
    pub fn signatures_of(&self, name: &str, hint: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let own = self.signatures.iter().filter(move |(n, h, _)| *n == name && *h == hint);
        own.map(|(_, _, signature)| signature.as_slice())
    }

    /// Whether `log` signed it.
    pub fn is_signed_by(&self, log: &Log) -> bool {
        self.signature_by(log).is_some()
    }

    fn signature_by(&self, log: &Log) -> Option<&(&'c str, Vec<u8>, Vec<u8>)> {
        let hints = [log.entry.key_id.get(..4), log.entry.log_id.get(..4)];
        self.signatures.iter().find(|(_, hint, signature)| {
            hints.contains(&Some(hint.as_slice()))
                && log.key.verifies(log_hash(log), self.text.as_bytes(), signature)
        })
    }

    /// The note with the signature of `log` alone: anybody can add lines below what is signed. Nothing where `log` did
    /// not sign it.
    pub fn signed_by_only(&self, log: &Log) -> Option<String> {
        let (name, hint, signature) = self.signature_by(log)?;
        let encoded = STANDARD.encode([hint.as_slice(), signature].concat());
        Some(format!("{}\n\u{2014} {name} {encoded}\n", self.text))
    }
}

/// Logs sign with SHA-256, whatever the curve, except where the curve is larger and the root says so.
pub fn log_hash(log: &Log) -> HashAlgorithm {
    match log.key.algorithm() {
        KeyAlgorithm::EcdsaP384 => HashAlgorithm::Sha384,
        KeyAlgorithm::EcdsaP521 => HashAlgorithm::Sha512,
        _ => HashAlgorithm::Sha256,
    }
}
