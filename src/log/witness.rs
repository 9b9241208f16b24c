//! Witnesses: others who saw the same head of a log, and say so.
//!
//! Input: verifier keys (`name+hash+key`), a checkpoint. Output: whether enough of the witnesses cosigned it.
//!
//! | rule | source |
//! |---|---|
//! | a key is `<name>+<hash>+<base64 of type and key>`, type 0x04, Ed25519; the hash is the start of SHA-256 over name, line feed, type and key | C2SP signed-note, tlog-cosignature |
//! | a cosignature is a time and an Ed25519 signature over `cosignature/v1`, that time, and the checkpoint's text | C2SP tlog-cosignature |
//! | each witness counts once, whatever number of lines it has | ours: a quorum of one voice is none |
//!
//! Witnesses strengthen and never weaken: a cosignature that does not verify is as if it were not there. Not here:
//! which strength is demanded (`decision`). Attacks considered: one witness under two names, a cosignature for another
//! log's head.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Checkpoint;
use crate::crypto::{self, HashAlgorithm, PublicKey};

/// C2SP signature type of `cosignature/v1`.
const COSIGNATURE: u8 = 4;
/// Most witnesses of one file.
const MOST: usize = 64;
/// DER before the 32 bytes of an Ed25519 key (RFC 8410 §4).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Somebody who watches logs.
#[derive(Clone, Debug)]
struct Witness {
    name: String,
    hint: [u8; 4],
    key: PublicKey,
}

/// Witnesses, and how many of them must have seen a head.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    all: Vec<Witness>,
    quorum: usize,
}

impl Witness {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("a witness is NAME+HASH+KEY, as it publishes it (a C2SP verifier key)".to_owned());
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("the witness has no name, or one with spaces".to_owned());
        }
        let typed = STANDARD.decode(key).map_err(|e| format!("the witness's key: {e}"))?;
        let Some((&COSIGNATURE, raw)) = typed.split_first().filter(|(_, raw)| raw.len() == 32) else {
            return Err("the witness's key is not of type 4 (Ed25519 cosignature/v1)".to_owned());
        };
        let digest = crypto::sha256(&[name.as_bytes(), b"\n", &typed].concat());
        let [a, b, c, d, ..] = digest;
        let hint = [a, b, c, d];
        if hex::encode(hint) != hash {
            return Err(format!(
                "the witness's hash is {hash:?}, its name and key hash to {}",
                hex::encode(hint)
            ));
        }
        let key = PublicKey::from_spki(&[&ED25519[..], raw].concat()).map_err(|e| e.to_string())?;
        Ok(Self { name: name.to_owned(), hint, key })
    }

    /// Whether it cosigned the checkpoint.
    fn cosigned(&self, checkpoint: &Checkpoint<'_>) -> bool {
        checkpoint.signatures_of(&self.name, self.hint).any(|signature| {
            let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
            let time = u64::from_be_bytes(*time);
            let message = format!("cosignature/v1\ntime {time}\n{}", checkpoint.text());
            self.key.verifies(HashAlgorithm::Sha256, message.as_bytes(), signature)
        })
    }
}

impl Witnesses {
    /// Reads a file of witnesses: one verifier key a line, `#` begins a comment, `quorum N` says how many are needed
    /// (one, unless said).
    ///
    /// # Errors
    /// The line, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self { all: Vec::new(), quorum: 1 };
        let mut keys = BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let fault = |reason: String| format!("line {}: {reason}", at + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(number) = line.strip_prefix("quorum ") {
                found.quorum =
                    number.trim().parse().map_err(|_| fault("the quorum is no number".to_owned()))?;
                continue;
            }
            let witness = Witness::parse(line).map_err(fault)?;
            if !keys.insert(witness.key.spki().to_vec()) {
                return Err(fault("this key stands twice".to_owned()));
            }
            found.all.push(witness);
            if found.all.len() > MOST {
                return Err(fault(format!("more than {MOST} witnesses")));
            }
        }
        if found.quorum == 0 || found.quorum > found.all.len() {
            return Err(format!("a quorum of {} out of {} witnesses", found.quorum, found.all.len()));
        }
        Ok(found)
    }

    /// Whether enough of them cosigned the checkpoint.
    pub fn saw(&self, checkpoint: &Checkpoint<'_>) -> bool {
        self.quorum > 0 && self.all.iter().filter(|w| w.cosigned(checkpoint)).count() >= self.quorum
    }
}
