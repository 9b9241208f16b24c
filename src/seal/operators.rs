//! Operators: whose keys may seal, by the rules that TUF has for its root.
//!
//! Input: an `operators.json`: every version since the first, each a signed document. Output: [`Operators`], the
//! newest one, which an unbroken chain of signatures leads to; or the one that follows from what a store pinned.
//!
//! | rule | source |
//! |---|---|
//! | version N+1 is signed by thresholds of N and of N+1 (role `operators`) | TUF §5.3.4; DESIGN §5 |
//! | in place of N's operators its `recovery` role may sign, never in place of N+1's | ours: lost keys |
//! | version 1 is signed by its own threshold | TUF §6.1 |
//! | versions follow one another without gaps | TUF §5.3.5 |
//! | a key is its bytes: one key under two names is refused, a signer is counted once | threats §1 no. 9, GHSA-3633-5h82-39pq |
//! | thresholds are 1 or more and can be reached | CVE-2026-23992 |
//! | only the newest version may seal, and only until it expires | TUF §5.3.10 |
//! | keys in one encoding only | ours: two spellings of one key are two digests |
//!
//! Not checked here: which version a store has seen already (`order`).
//! Attacks considered: `seal_threshold_duplicate_key`, `seal_by_removed_operator`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, KeyId, Raw, key_id};
use super::{SealFault, canonical};
use crate::crypto::{PublicKey, signing};

/// Payload type of one version.
pub const PAYLOAD_TYPE: &str = "application/vnd.sealock.operators.v1+json";
/// `format` of one version.
pub const FORMAT: &str = "sealock.dev/operators/v1";
/// `format` of the file that holds all of them.
pub const FILE_FORMAT: &str = "sealock.dev/operators-file/v1";
/// Largest file, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;
/// Most versions in one file.
const MAX_VERSIONS: usize = 256;
/// Most keys of one version.
const MAX_KEYS: usize = 32;
const PART: &str = "operators.json";

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What people call its holder.
    pub name: String,
    /// Base64 of its `SubjectPublicKeyInfo`.
    pub spki: String,
}

/// Who has a role, and how many of them are enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Key ids.
    pub keys: BTreeSet<KeyId>,
    /// How many of them.
    pub threshold: u32,
}

/// The roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Signs the deny list.
    pub deny: Role,
    /// Signs the next version of the operators.
    pub operators: Role,
    /// Signs policies.
    pub policy: Role,
    /// Signs the next version in place of operators whose keys are lost; kept offline.
    pub recovery: Option<Role>,
    /// Signs seals.
    pub seal: Role,
}

/// One version, as signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// From when on it may not seal any more.
    pub expires: Timestamp,
    /// [`FORMAT`].
    pub format: String,
    /// Every key, by its id.
    pub keys: BTreeMap<KeyId, Key>,
    /// The roles.
    pub roles: Roles,
    /// Counts from 1.
    pub version: u64,
}

/// The file: every version, oldest first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    versions: Vec<Raw>,
}

/// A version whose form is sound; who signed it is another question.
#[derive(Clone, Debug)]
pub struct Version {
    document: Document,
    keys: BTreeMap<KeyId, PublicKey>,
    envelope: Envelope,
}

/// What a file holds, not yet believed: the newest version may still lack signatures.
#[derive(Clone, Debug)]
pub struct Draft {
    versions: Vec<Version>,
}

/// Operators that a chain of signatures leads to.
#[derive(Debug)]
pub struct Operators {
    versions: Vec<Version>,
    newest: Version,
}

impl Version {
    /// Reads one version.
    ///
    /// # Errors
    /// [`SealFault::Operators`] for a document that breaks a rule, [`SealFault::Malformed`] for none.
    fn read(envelope: Envelope) -> Result<Self, SealFault> {
        let document: Document = canonical::parse(PART, envelope.payload())?;
        let refused = |reason: String| SealFault::Operators { reason };
        if document.format != FORMAT {
            return Err(refused(format!("its format is not {FORMAT}")));
        }
        if document.keys.len() > MAX_KEYS {
            return Err(refused(format!("it names more than {MAX_KEYS} keys")));
        }
        let mut keys = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (id, key) in &document.keys {
            let spki = STANDARD.decode(&key.spki).map_err(|e| refused(format!("key {id}: {e}")))?;
            let public = PublicKey::from_spki(&spki).map_err(|e| refused(format!("key {id}: {e}")))?;
            // An id is the digest of the key, so a key under two ids is two entries of which one lies.
            if key_id(&public) != *id {
                return Err(refused(format!("key {id} is filed under an id that is not its own")));
            }
            if !signing::is_plain(&public) {
                return Err(refused(format!("key {id} is neither Ed25519 nor plain ECDSA P-256 or P-384")));
            }
            if key.name.is_empty() || key.name.len() > 64 || key.name.chars().any(char::is_control) {
                return Err(refused(format!("key {id} has no name of 1 to 64 bytes")));
            }
            if !names.insert(key.name.as_str()) {
                return Err(refused(format!("two keys are named {:?}", key.name)));
            }
            keys.insert(id.clone(), public);
        }
        let roles = &document.roles;
        let all = [
            ("operators", Some(&roles.operators)),
            ("seal", Some(&roles.seal)),
            ("deny", Some(&roles.deny)),
            ("policy", Some(&roles.policy)),
            ("recovery", roles.recovery.as_ref()),
        ];
        for (name, role) in all.into_iter().filter_map(|(name, role)| Some((name, role?))) {
            if role.threshold == 0 {
                return Err(refused(format!("the role {name} has threshold 0")));
            }
            if usize::try_from(role.threshold).is_ok_and(|n| n > role.keys.len()) {
                return Err(refused(format!("the role {name} wants more signatures than it has keys")));
            }
            if let Some(id) = role.keys.iter().find(|id| !keys.contains_key(*id)) {
                return Err(refused(format!("the role {name} names {id}, which is no key of the document")));
            }
        }
        if document.version == 0 {
            return Err(refused("versions count from 1".into()));
        }
        Ok(Self { document, keys, envelope })
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Its digest, whoever signs it.
    pub fn digest(&self) -> String {
        self.envelope.digest()
    }

    /// How many of `role`'s keys signed `envelope`.
    fn count(&self, role: &Role, envelope: &Envelope) -> u32 {
        let keys = role.keys.iter().filter_map(|id| self.keys.get(id));
        u32::try_from(envelope.signers(keys).len()).unwrap_or(u32::MAX)
    }

    /// Whether enough of `role` signed.
    fn enough(&self, role: &Role, envelope: &Envelope) -> bool {
        self.count(role, envelope) >= role.threshold.max(1)
    }

    /// Names of the keys that signed `envelope`.
    pub fn signers(&self, envelope: &Envelope) -> Vec<String> {
        let signed = envelope.signers(self.keys.values());
        self.document
            .keys
            .iter()
            .filter(|(id, _)| signed.contains(*id))
            .map(|(_, k)| k.name.clone())
            .collect()
    }

    /// What a version still lacks to follow from `before`, in words; nothing where it is complete.
    fn lacks(&self, before: Option<&Self>) -> Option<String> {
        let own = &self.document.roles.operators;
        if !self.enough(own, &self.envelope) {
            return Some(format!(
                "version {} carries {} of the {} signatures of its own operators",
                self.document.version,
                self.count(own, &self.envelope),
                own.threshold
            ));
        }
        let before = before?;
        let roles = &before.document.roles;
        let recovered = roles.recovery.as_ref().is_some_and(|role| before.enough(role, &self.envelope));
        if before.enough(&roles.operators, &self.envelope) || recovered {
            return None;
        }
        Some(format!(
            "version {} carries {} of the {} signatures of the operators of version {}",
            self.document.version,
            before.count(&roles.operators, &self.envelope),
            roles.operators.threshold,
            before.document.version
        ))
    }
}

impl Draft {
    /// A first version.
    ///
    /// # Errors
    /// As [`Draft::parse`].
    pub fn first(document: &Document) -> Result<Self, SealFault> {
        Ok(Self { versions: vec![version(document)?] })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`SealFault::Malformed`], [`SealFault::Operators`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        let file: File = canonical::parse(PART, bytes)?;
        let refused = |reason: &str| SealFault::Operators { reason: reason.to_owned() };
        if file.format != FILE_FORMAT {
            return Err(refused("it is no operators file"));
        }
        if file.versions.is_empty() || file.versions.len() > MAX_VERSIONS {
            return Err(refused("it holds no version, or too many"));
        }
        let mut versions: Vec<Version> = Vec::new();
        for raw in file.versions {
            let version = Version::read(Envelope::from_raw(PART, raw, PAYLOAD_TYPE)?)?;
            let follows = versions.last().map_or(Some(1), |last| last.document.version.checked_add(1));
            if follows != Some(version.document.version) {
                return Err(refused("its versions do not follow one another from 1"));
            }
            versions.push(version);
        }
        Ok(Self { versions })
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// None in practice.
    pub fn render(&self) -> Result<Vec<u8>, SealFault> {
        render(&self.versions)
    }

    /// The newest version.
    ///
    /// # Errors
    /// None in practice: a draft has a version.
    pub fn newest(&self) -> Result<&Version, SealFault> {
        self.versions.last().ok_or_else(|| SealFault::Operators { reason: "it holds no version".into() })
    }

    /// Adds the next version.
    ///
    /// # Errors
    /// [`SealFault::Operators`].
    pub fn push(&mut self, document: &Document) -> Result<(), SealFault> {
        self.versions.push(version(document)?);
        Ok(())
    }

    /// Signs the newest version.
    ///
    /// # Errors
    /// [`SealFault::Operators`] where the key is none of those that count.
    pub fn sign(&mut self, key: &crate::crypto::SigningKey) -> Result<(), SealFault> {
        let id = key_id(key.public());
        let known = self.versions.iter().rev().take(2).any(|v| v.keys.contains_key(&id));
        let newest = self.versions.last_mut().filter(|_| known);
        let Some(newest) = newest else {
            return Err(SealFault::Operators { reason: format!("key {id} is in neither version") });
        };
        newest.envelope.sign(key).map_err(|e| SealFault::Operators { reason: e.to_string() })
    }

    /// What the newest version still lacks, in words.
    pub fn lacks(&self) -> Option<String> {
        let mut last_two = self.versions.iter().rev();
        let newest = last_two.next()?;
        newest.lacks(last_two.next())
    }

    /// Checks every link.
    ///
    /// # Errors
    /// [`SealFault::OperatorsThreshold`] at the first link that does not hold.
    pub fn verify(self) -> Result<Operators, SealFault> {
        let mut before = None;
        for version in &self.versions {
            if let Some(reason) = version.lacks(before) {
                return Err(SealFault::OperatorsThreshold { reason });
            }
            before = Some(version);
        }
        let newest = self.newest()?.clone();
        Ok(Operators { versions: self.versions, newest })
    }
}

impl Operators {
    /// Reads a file and checks every link.
    ///
    /// # Errors
    /// As [`Draft::parse`] and [`Draft::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        Draft::parse(bytes)?.verify()
    }

    /// The newest version.
    pub fn newest(&self) -> &Version {
        &self.newest
    }

    /// Its number.
    pub fn version(&self) -> u64 {
        self.newest.document.version
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// None in practice.
    pub fn render(&self) -> Result<Vec<u8>, SealFault> {
        render(&self.versions)
    }

    /// Whether this goes on from `pinned`: the same version or a later one of the same chain.
    ///
    /// # Errors
    /// [`SealFault::OperatorsRollback`] for an older chain, [`SealFault::OperatorsFork`] for another one.
    pub fn follows(&self, pinned: &Self) -> Result<(), SealFault> {
        if self.version() < pinned.version() {
            return Err(SealFault::OperatorsRollback { floor: pinned.version(), found: self.version() });
        }
        let same =
            |v: &&Version| v.document.version == pinned.version() && v.digest() == pinned.newest.digest();
        if self.versions.iter().any(|v| same(&v)) {
            return Ok(());
        }
        Err(SealFault::OperatorsFork { version: pinned.version() })
    }

    /// Whether enough of those who may seal signed `envelope`, and the operators had not expired at `at`.
    ///
    /// # Errors
    /// [`SealFault::Threshold`], [`SealFault::OperatorsExpired`].
    pub fn vouch_for(&self, envelope: &Envelope, at: Timestamp) -> Result<(), SealFault> {
        let role = &self.newest.document.roles.seal;
        if !self.newest.enough(role, envelope) {
            return Err(SealFault::Threshold {
                wanted: role.threshold,
                found: self.newest.count(role, envelope),
                version: self.version(),
            });
        }
        if self.newest.document.expires <= at {
            return Err(SealFault::OperatorsExpired {
                version: self.version(),
                expires: self.newest.document.expires,
            });
        }
        Ok(())
    }
}

fn version(document: &Document) -> Result<Version, SealFault> {
    Version::read(Envelope::new(PAYLOAD_TYPE, canonical::render(PART, document)?))
}

fn render(versions: &[Version]) -> Result<Vec<u8>, SealFault> {
    let file = File {
        format: FILE_FORMAT.to_owned(),
        versions: versions.iter().map(|v| v.envelope.to_raw()).collect(),
    };
    canonical::render(PART, &file)
}
