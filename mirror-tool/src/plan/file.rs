//! A plan as a file: what will be brought, for a reviewer, and for `pull --plan`. Equal answers of the registries give
//! equal bytes: no time, no host, lists in a fixed order.

use std::collections::{BTreeMap, BTreeSet};

use sealock::image::{Digest, Reference};
use sealock::store::Intake;
use sealock_trust_root::tuf;
use serde::{Deserialize, Serialize};

use super::Carried;
use crate::pull::fetch;
use crate::pull::ledger::Question;
use crate::pull::{Evidence, Order, Walked, Wanted};
use crate::trust_root::keep;

/// `schema`.
pub const SCHEMA: &str = "sealock.dev/mirror-plan/v1";

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanFile {
    /// [`SCHEMA`].
    pub schema: String,
    /// Each image.
    pub images: Vec<PlannedImage>,
    /// All of them together; what is shared counts once.
    pub total: Amount,
    /// Patterns of questions that may stay open, with the reasons.
    #[serde(default)]
    pub waivers: BTreeMap<String, String>,
    /// TUF repositories to keep for the next seal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_roots: Vec<PlannedTrustRoot>,
    /// Policy files to keep for the next seal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PlannedPolicy>,
}

/// A TUF repository of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedTrustRoot {
    /// Its name.
    pub name: String,
    /// Where it is published.
    pub url: String,
    /// Whether a run may succeed where it cannot be read.
    #[serde(default)]
    pub optional: bool,
    /// Version of the first root to trust.
    pub root_version: u64,
    /// Its digest.
    pub root_digest: Digest,
    /// Its text; nothing for the one in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What will be asked, in order.
    pub asks: Vec<String>,
}

/// A policy file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedPolicy {
    /// File name.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Its text.
    pub text: String,
}

/// An image of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedImage {
    /// As asked for.
    pub name: String,
    /// What the name stands for; nothing where it could not be resolved.
    pub digest: Option<Digest>,
    /// Platforms; empty means all.
    pub platforms: Vec<String>,
    /// Evidence without which it is not brought.
    pub required: BTreeSet<Evidence>,
    /// Manifests, evidence included, with their bytes.
    pub manifests: BTreeMap<Digest, u64>,
    /// What it takes.
    pub amount: Amount,
    /// What was asked, and will be asked again.
    pub questions: Vec<Question>,
    /// Why it cannot be brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amount {
    /// Blobs.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the store lacks.
    pub new_blobs: usize,
    /// Their bytes.
    pub new_bytes: u64,
}

/// Makes a plan of what was walked; `intake` is the store's, where there is one.
///
/// # Errors
/// Where the store cannot be asked.
pub fn plan(order: &Order, walked: &[Walked], intake: Option<&Intake>) -> Result<PlanFile, String> {
    let amount = |walked: &[Walked]| -> Result<Amount, String> {
        let (all, _) = fetch::missing(None, walked)?;
        let (new, _) = fetch::missing(intake, walked)?;
        let bytes =
            |needs: &[crate::pull::walk::Need]| needs.iter().map(|n| n.size).fold(0, u64::saturating_add);
        Ok(Amount { blobs: all.len(), bytes: bytes(&all), new_blobs: new.len(), new_bytes: bytes(&new) })
    };
    let mut images = Vec::new();
    for (walk, wanted) in walked.iter().zip(&order.images) {
        images.push(PlannedImage {
            name: wanted.reference.written().to_owned(),
            digest: walk.digest,
            platforms: wanted.platforms.clone(),
            required: wanted.required.clone(),
            manifests: walk.manifests.clone(),
            amount: amount(std::slice::from_ref(walk))?,
            questions: walk.questions.clone(),
            problems: walk.problems.clone(),
        });
    }
    let waivers = order.waivers.iter().map(|w| (w.pattern.clone(), w.reason.clone())).collect();
    Ok(PlanFile {
        schema: SCHEMA.to_owned(),
        images,
        total: amount(walked)?,
        waivers,
        trust_roots: Vec::new(),
        policies: Vec::new(),
    })
}

impl PlanFile {
    /// Reads a plan.
    ///
    /// # Errors
    /// What does not fit.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if plan.schema != SCHEMA {
            return Err(format!("schema {:?}, expected {SCHEMA}", plan.schema));
        }
        Ok(plan)
    }

    /// The images to bring, pinned to what they were planned with.
    ///
    /// # Errors
    /// An image that was not resolved, or whose name is none.
    pub fn wanted(&self) -> Result<Vec<Wanted>, String> {
        let each = self.images.iter().map(|image| {
            let reference = Reference::parse(&image.name).map_err(|e| e.to_string())?;
            let Some(digest) = image.digest else {
                return Err(format!("{} was not resolved when the plan was made", image.name));
            };
            Ok(Wanted {
                reference,
                pinned: Some(digest),
                platforms: image.platforms.clone(),
                required: image.required.clone(),
            })
        });
        each.collect()
    }

    /// Adds what is carried beside images.
    ///
    /// # Errors
    /// A root or a policy that is not what its name says.
    pub fn carry(&mut self, carried: &Carried) -> Result<(), String> {
        for wanted in &carried.trust_roots {
            let fault = |e: String| format!("the root of {}: {e}", wanted.name);
            let pinned = wanted.pinned();
            let root = tuf::follow_roots(pinned, []).map_err(|e| fault(e.to_string()))?;
            let text = wanted.root.as_ref().map(|root| String::from_utf8(root.clone()));
            self.trust_roots.push(PlannedTrustRoot {
                name: wanted.name.clone(),
                url: wanted.url.clone(),
                optional: wanted.optional,
                root_version: root.version,
                root_digest: Digest::sha256(pinned),
                root: text.transpose().map_err(|_| fault("it is not text".into()))?,
                asks: vec![
                    format!("{}.root.json and every one after it", root.version.saturating_add(1)),
                    "timestamp.json".to_owned(),
                    "the snapshot, targets and delegated targets that it names".to_owned(),
                    "every target that those list".to_owned(),
                ],
            });
        }
        for (name, bytes) in &carried.policies {
            let text = String::from_utf8(bytes.clone()).map_err(|_| format!("{name} is not text"))?;
            self.policies.push(PlannedPolicy { name: name.clone(), digest: Digest::sha256(bytes), text });
        }
        Ok(())
    }

    /// What is carried beside images.
    ///
    /// # Errors
    /// Text that does not have its digest, or is not what its name says.
    pub fn carried(&self) -> Result<Carried, String> {
        let mut carried = Carried::default();
        for planned in &self.trust_roots {
            let wanted = keep::Wanted {
                name: planned.name.clone(),
                url: planned.url.clone(),
                root: planned.root.clone().map(String::into_bytes),
                optional: planned.optional,
            };
            if Digest::sha256(wanted.pinned()) != planned.root_digest {
                return Err(format!(
                    "the first root of {} is not {}, with which the plan was made",
                    planned.name, planned.root_digest
                ));
            }
            carried.trust_roots.push(wanted);
        }
        for planned in &self.policies {
            let bytes = planned.text.clone().into_bytes();
            if Digest::sha256(&bytes) != planned.digest {
                return Err(format!("the policy {} is not {}", planned.name, planned.digest));
            }
            carried.policies.insert(planned.name.clone(), bytes);
        }
        carried.check()?;
        Ok(carried)
    }

    /// As written.
    ///
    /// # Errors
    /// Only where memory fails.
    pub fn text(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| e.to_string())
    }
}
