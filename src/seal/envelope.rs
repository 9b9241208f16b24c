//! DSSE envelopes around our own signed documents: seals and operators.
//!
//! Input: canonical JSON with `payloadType`, `payload`, `signatures[].keyid`, `signatures[].sig`. Output:
//! [`Envelope`], and which of a set of keys signed it.
//!
//! | rule | source |
//! |---|---|
//! | pre-authentication encoding | DSSE protocol v1, PAE (`evidence::dsse`, the one implementation) |
//! | `keyid` is the SHA-256 of the key's `SubjectPublicKeyInfo`, in hex; it selects the one key that is tried | ours |
//! | at most [`MAX_SIGNATURES`], in the order of their key ids, each key once | ours: one spelling, bounded work |
//! | keys are counted by their bytes, never by signature | threats §1 no. 9 |
//!
//! Not checked here: what the payload says, which keys count and how many are enough (`operators`).
//! Attacks considered: `seal_threshold_duplicate_key`, floods of signatures.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{SealFault, canonical};
use crate::crypto::{self, KeyFault, PublicKey, SigningKey, signing};
use crate::evidence::dsse;

/// Most signatures of one envelope.
pub const MAX_SIGNATURES: usize = 32;

/// SHA-256 of a public key's `SubjectPublicKeyInfo`, in hex.
pub type KeyId = String;

/// The id of a key.
pub fn key_id(key: &PublicKey) -> KeyId {
    hex::encode(crypto::sha256(key.spki()))
}

/// A signed document, its signatures not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: BTreeMap<KeyId, Vec<u8>>,
}

/// The JSON form; also inside of other documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Raw {
    payload_type: String,
    payload: String,
    signatures: Vec<RawSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// An envelope without signatures.
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: BTreeMap::new() }
    }

    /// Reads canonical bytes whose payload is of `payload_type`.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn parse(part: &'static str, bytes: &[u8], payload_type: &str) -> Result<Self, SealFault> {
        Self::from_raw(part, canonical::parse(part, bytes)?, payload_type)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn from_raw(part: &'static str, raw: Raw, payload_type: &str) -> Result<Self, SealFault> {
        let malformed = |reason: String| SealFault::malformed(part, reason);
        if raw.payload_type != payload_type {
            let found: String = raw.payload_type.chars().take(100).collect();
            return Err(malformed(format!("its payload is {found:?}, not {payload_type:?}")));
        }
        if raw.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let decode = |what: &str, text: &str| {
            STANDARD.decode(text).map_err(|e| malformed(format!("its {what} is not base64: {e}")))
        };
        let payload = decode("payload", &raw.payload)?;
        let mut signatures = BTreeMap::new();
        let mut last = String::new();
        for RawSignature { keyid, sig } in raw.signatures {
            let hex = keyid.len() == 64 && keyid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !hex || keyid <= last {
                return Err(malformed("its key ids are not ordered SHA-256 digests, each once".into()));
            }
            signatures.insert(keyid.clone(), decode("signature", &sig)?);
            last = keyid;
        }
        Ok(Self { payload_type: raw.payload_type, payload, signatures })
    }

    /// The JSON form.
    pub fn to_raw(&self) -> Raw {
        Raw {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: self
                .signatures
                .iter()
                .map(|(keyid, sig)| RawSignature { keyid: keyid.clone(), sig: STANDARD.encode(sig) })
                .collect(),
        }
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// None in practice; see [`canonical::render`].
    pub fn render(&self, part: &'static str) -> Result<Vec<u8>, SealFault> {
        canonical::render(part, &self.to_raw())
    }

    /// The signed document, which nothing vouches for yet.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the payload, in hex: the name of the document, whoever signs it.
    pub fn digest(&self) -> String {
        hex::encode(crypto::sha256(&self.payload))
    }

    /// Ids of the keys that claim to have signed.
    pub fn claimed(&self) -> impl Iterator<Item = &KeyId> {
        self.signatures.keys()
    }

    /// The bytes that signatures cover.
    fn signed_bytes(&self) -> Vec<u8> {
        dsse::Envelope {
            payload_type: self.payload_type.clone(),
            payload: self.payload.clone(),
            signatures: Vec::new(),
            raw: Vec::new(),
        }
        .signed_bytes()
    }

    /// Adds a signature of `key`, or replaces the one it made before.
    ///
    /// # Errors
    /// [`KeyFault`] where the key does not sign.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), KeyFault> {
        let signature = key.sign(&self.signed_bytes())?;
        self.signatures.insert(key_id(key.public()), signature);
        Ok(())
    }

    /// Which of `keys` signed this.
    pub fn signers<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> BTreeSet<KeyId> {
        let message = self.signed_bytes();
        let mut found = BTreeSet::new();
        for key in keys {
            let id = key_id(key);
            let signature = self.signatures.get(&id).filter(|_| signing::is_plain(key));
            if signature.is_some_and(|sig| key.verifies(signing::hash_of(key), &message, sig)) {
                found.insert(id);
            }
        }
        found
    }
}
