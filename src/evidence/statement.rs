//! In-toto statements: which artifacts an attestation is about, and what kind of attestation it is.
//!
//! Input: the payload of a DSSE envelope. Output: [`Statement`]; the predicate itself stays raw.
//!
//! | rule | source |
//! |---|---|
//! | members `_type`, `subject`, `predicateType`, `predicate` | in-toto attestation framework, statement v1 and v0.1 |
//! | the predicate is an object | statement v1; policy-controller refuses others |
//! | subjects and digests within [`super::limits`] | sigstore-go |
//! | no member twice | `sealock_trust_root::json` |
//!
//! Not checked here: that a subject is the image (`verify`), what the predicate says (`policy`).

use std::collections::BTreeMap;

use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;

use super::{EvidenceFault, limits};

/// An in-toto statement without its predicate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Statement {
    /// `_type`.
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What it is about.
    #[serde(default)]
    pub subject: Vec<Subject>,
    /// `predicateType`, compared byte for byte.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// `predicate`: an object or nothing; what it says is not read here.
    #[serde(default, rename = "predicate")]
    _predicate: Predicate,
}

/// Proof that a predicate is an object or `null`, without keeping it: it may be a hundred megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Predicate;

impl<'de> Deserialize<'de> for Predicate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Predicate;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a predicate that is an object")
            }

            fn visit_unit<E>(self) -> Result<Predicate, E> {
                Ok(Predicate)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Predicate, A::Error> {
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Predicate)
            }
        }
        deserializer.deserialize_any(Object)
    }
}

/// One subject of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    /// Informative.
    #[serde(default)]
    pub name: String,
    /// Algorithm → lower-case hex.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
    /// `annotations`: what `cosign sign -a` added.
    #[serde(default)]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    /// [`EvidenceFault`] naming the statement.
    pub fn parse(payload: &[u8]) -> Result<Self, EvidenceFault> {
        let statement: Self = json::parse(payload, Spelling::Exact)
            .map_err(|e| EvidenceFault::malformed("in-toto statement", e))?;
        EvidenceFault::limit("subjects of the statement", statement.subject.len(), limits::SUBJECTS)?;
        for subject in &statement.subject {
            EvidenceFault::limit("digests of a subject", subject.digest.len(), limits::SUBJECT_DIGESTS)?;
        }
        Ok(statement)
    }

    /// Whether some subject carries exactly this digest.
    pub fn names(&self, digest: &crate::image::Digest) -> bool {
        self.about(digest).next().is_some()
    }

    /// The annotation `name` of a subject that carries exactly this digest.
    pub fn annotation(&self, digest: &crate::image::Digest, name: &str) -> Option<&str> {
        self.about(digest).find_map(|subject| subject.annotations.get(name)?.as_str())
    }

    fn about(&self, digest: &crate::image::Digest) -> impl Iterator<Item = &Subject> {
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        self.subject.iter().filter(move |subject| subject.digest.get(algorithm) == Some(&hex))
    }
}
