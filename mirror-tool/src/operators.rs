//! Keys from files, and new versions of `operators.json`.
//!
//! Input: PKCS#8 private keys or PEM public keys, an operators file. Output: the next version of the file, signed by the
//! private keys that were given. The rules stand in `sealock::seal::operators`; nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealock::crypto::{PublicKey, SigningKey};
use sealock::seal::envelope::key_id;
use sealock::seal::operators::{Document, Draft, FORMAT, Key, Role, Roles};

use crate::seal::SealingFault;
use crate::seal::files;

/// Largest key file, in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// A key from a file: private, or the public half alone.
#[derive(Debug)]
pub struct KeyFile {
    /// The public half.
    pub public: PublicKey,
    /// The private half, if the file holds it.
    pub private: Option<SigningKey>,
}

impl KeyFile {
    /// Reads it.
    ///
    /// # Errors
    /// [`SealingFault::Key`] for a file that is neither.
    pub fn read(path: &Path) -> Result<Self, SealingFault> {
        let bytes = files::read(path, MAX_KEY)?;
        let fault = |reason: String| SealingFault::Key { path: path.to_owned(), reason };
        match SigningKey::from_file(&bytes) {
            Ok(private) => Ok(Self { public: private.public().clone(), private: Some(private) }),
            Err(reason) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| fault(reason.to_string()))?;
                let public = PublicKey::from_pem(text).map_err(|_| fault(reason.to_string()))?;
                Ok(Self { public, private: None })
            }
        }
    }

    /// The private key in the file at `path`.
    ///
    /// # Errors
    /// [`SealingFault::Key`] where it is none.
    pub fn signing(path: &Path) -> Result<SigningKey, SealingFault> {
        let bytes = files::read(path, MAX_KEY)?;
        SigningKey::from_file(&bytes)
            .map_err(|e| SealingFault::Key { path: path.to_owned(), reason: e.to_string() })
    }
}

/// What a version is to say.
#[derive(Debug)]
pub struct Wanted {
    /// Holders by name.
    pub holders: BTreeMap<String, PublicKey>,
    /// How many of them are enough; without it, more than half.
    pub threshold: Option<u32>,
    /// Keys that may sign the next version when the holders' keys are lost.
    pub recovery: BTreeMap<String, PublicKey>,
    /// From when on it may not seal any more.
    pub expires: Timestamp,
}

impl Wanted {
    /// The document of version `version`.
    pub fn document(&self, version: u64) -> Document {
        let ids = |keys: &BTreeMap<String, PublicKey>| keys.values().map(key_id).collect::<BTreeSet<_>>();
        let holders = ids(&self.holders);
        let half = u32::try_from(holders.len() / 2 + 1).unwrap_or(u32::MAX);
        let role = Role { keys: holders, threshold: self.threshold.unwrap_or(half) };
        let recovery = ids(&self.recovery);
        let recovery = (!recovery.is_empty()).then_some(Role { keys: recovery, threshold: 1 });
        let keys =
            self.holders.iter().chain(&self.recovery).map(|(name, key)| {
                (key_id(key), Key { name: name.clone(), spki: STANDARD.encode(key.spki()) })
            });
        Document {
            expires: self.expires,
            format: FORMAT.to_owned(),
            keys: keys.collect(),
            roles: Roles {
                deny: role.clone(),
                operators: role.clone(),
                policy: role.clone(),
                recovery,
                seal: role,
            },
            version,
        }
    }

    /// What the newest version of `draft` says.
    ///
    /// # Errors
    /// [`SealingFault::Seal`] in an empty file.
    pub fn of(draft: &Draft) -> Result<Self, SealingFault> {
        let document = draft.newest()?.document();
        let find = |ids: &BTreeSet<String>| {
            let named = ids.iter().filter_map(|id| document.keys.get(id));
            named
                .filter_map(|key| {
                    let public =
                        STANDARD.decode(&key.spki).ok().and_then(|der| PublicKey::from_spki(&der).ok())?;
                    Some((key.name.clone(), public))
                })
                .collect()
        };
        Ok(Self {
            holders: find(&document.roles.operators.keys),
            threshold: Some(document.roles.operators.threshold),
            recovery: document.roles.recovery.as_ref().map(|r| find(&r.keys)).unwrap_or_default(),
            expires: document.expires,
        })
    }
}
