//! Heads: what a log signed about the tree as it stood once.
//!
//! Input: a checkpoint's text, or the JSON of `get-sth`. Output: [`Head`], not believed; with a log's key
//! [`SignedHead`], which has no other maker.
//!
//! | rule | source |
//! |---|---|
//! | Rekor: a checkpoint | C2SP tlog-checkpoint |
//! | CT: version, type `tree_hash`, time, size, root, signed as a `digitally-signed struct` | RFC 6962 §3.5, §4.3; RFC 5246 §4.7 |
//! | a tree without leaves has the hash of nothing as its root | RFC 6962 §2.1 |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealock_trust_root::json::{self, Spelling};
use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::crypto::{self, HashAlgorithm, KeyAlgorithm};
use crate::evidence::limits;
use crate::trust::view::Log;

/// Most leaves: the largest number that canonical JSON carries (RFC 8785), so that each head can be kept.
const MAX_LEAVES: u64 = (1 << 53) - 1;

/// Which of the two forms of heads a log signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Signing log: checkpoints.
    Rekor,
    /// Certificate transparency log: signed tree heads.
    Ct,
}

/// A log, as its heads name it: a key may serve several trees, each with an origin of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// Which kind.
    pub kind: LogKind,
    /// SHA-256 of the key's `SubjectPublicKeyInfo`.
    pub key_id: [u8; 32],
    /// First line of its checkpoints; empty for CT logs.
    pub origin: String,
}

impl LogName {
    /// Name of the file of its history: letters, digits, `-` and `.` only.
    pub fn file_name(&self) -> String {
        let kind = if self.kind == LogKind::Ct { "ct" } else { "rekor" };
        let origin = hex::encode(crypto::sha256(self.origin.as_bytes()));
        format!("{kind}-{}-{}.json", hex::encode(self.key_id), origin.get(..16).unwrap_or_default())
    }
}

/// A head as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    kind: LogKind,
    text: String,
    origin: String,
    size: u64,
    root: [u8; 32],
}

/// A head that a log is proven to have signed. Only [`Head::signed_by`] makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedHead {
    log: LogName,
    head: Head,
}

/// The JSON that `get-sth` answers (RFC 6962 §4.3).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeHead {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    #[serde(rename = "tree_head_signature")]
    signature: String,
}

impl TreeHead {
    fn parse(text: &str) -> Result<Self, String> {
        json::parse(text.as_bytes(), Spelling::Exact)
            .map_err(|e| format!("the tree head cannot be read: {e}"))
    }

    fn root(&self) -> Result<[u8; 32], String> {
        let root = STANDARD.decode(&self.sha256_root_hash).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
        root.ok_or_else(|| "the tree head's root is not 32 bytes".to_owned())
    }

    fn is_signed_by(&self, log: &Log) -> bool {
        let Ok(root) = self.root() else { return false };
        let mut message = vec![0, 1]; // v1, tree_hash
        message.extend_from_slice(&self.timestamp.to_be_bytes());
        message.extend_from_slice(&self.tree_size.to_be_bytes());
        message.extend_from_slice(&root);
        let Ok(signed) = STANDARD.decode(&self.signature) else { return false };
        let Some((&[hash, algorithm, high, low], signature)) = signed.split_first_chunk::<4>() else {
            return false;
        };
        usize::from(u16::from_be_bytes([high, low])) == signature.len()
            && tls_hash(hash, algorithm, log.key.algorithm())
                .is_some_and(|hash| log.key.verifies(hash, &message, signature))
    }
}

/// RFC 5246 §7.4.1.4.1 numbers: hash 4, 5, 6 are SHA-256, 384, 512; signature 1 is RSA, 3 ECDSA.
pub(crate) fn tls_hash(hash: u8, signature: u8, key: KeyAlgorithm) -> Option<HashAlgorithm> {
    let fits = match key {
        KeyAlgorithm::Rsa => signature == 1,
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => signature == 3,
        KeyAlgorithm::Ed25519 => false,
    };
    match (fits, hash) {
        (true, 4) => Some(HashAlgorithm::Sha256),
        (true, 5) => Some(HashAlgorithm::Sha384),
        (true, 6) => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(kind: LogKind, text: &str) -> Result<Self, String> {
        if text.len() > limits::CHECKPOINT {
            return Err("the head is too long".to_owned());
        }
        let (origin, size, root) = match kind {
            LogKind::Rekor => {
                let note = Checkpoint::parse(text)?;
                (note.origin.to_owned(), note.size, note.root)
            }
            LogKind::Ct => {
                let head = TreeHead::parse(text)?;
                (String::new(), head.tree_size, head.root()?)
            }
        };
        if size > MAX_LEAVES {
            return Err(format!("a tree of {size} leaves, more than any log has"));
        }
        if size == 0 && root != crypto::sha256(b"") {
            return Err("a tree without leaves has another root".to_owned());
        }
        Ok(Self { kind, text: text.to_owned(), origin, size, root })
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree over them.
    pub fn root(&self) -> [u8; 32] {
        self.root
    }

    /// The log's name for itself; empty for CT logs.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// As the log wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Proves that `log` signed it.
    ///
    /// # Errors
    /// Where it did not.
    pub fn signed_by(self, log: &Log) -> Result<SignedHead, String> {
        let signed = match self.kind {
            LogKind::Rekor => Checkpoint::parse(&self.text)?.is_signed_by(log),
            LogKind::Ct => TreeHead::parse(&self.text)?.is_signed_by(log),
        };
        if !signed {
            return Err(format!("the head of {} leaves is not signed by the log's key", self.size));
        }
        let log = LogName { kind: self.kind, key_id: log.entry.key_id, origin: self.origin.clone() };
        Ok(SignedHead { log, head: self })
    }
}

impl SignedHead {
    /// Whose it is.
    pub fn log(&self) -> &LogName {
        &self.log
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
