//! What to mirror, written down before it is done.
//!
//! | source of names | where |
//! |---|---|
//! | the command line | `cli` |
//! | `mirror.yaml` | [`document`] |
//! | Kubernetes manifests, Helm's output | [`workloads`] |
//! | a plan made earlier | [`mod@file`] |

pub mod document;
pub mod file;
pub mod version;
pub mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use sealock::image::Reference;
use sealock_trust_root::disk::is_name;
use sealock_trust_root::tuf;

use crate::pull::order::wildcard;
use crate::pull::{Evidence, Wanted};
use crate::registry::{Answer, Registries, Repository};
use crate::trust_root::{keep, kept};
use version::Range;

/// What is brought beside images, for the next seal.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// TUF repositories.
    pub trust_roots: Vec<keep::Wanted>,
    /// Policy files, by name.
    pub policies: BTreeMap<String, Vec<u8>>,
}

impl Carried {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.trust_roots.is_empty() && self.policies.is_empty()
    }

    /// Checks what can be checked before anybody is asked.
    ///
    /// # Errors
    /// A name that is none, a first root that is none, a policy that no seal can carry.
    pub fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for wanted in &self.trust_roots {
            let name = &wanted.name;
            if !is_name(name) || !names.insert(name) {
                return Err(format!("{name:?} cannot be the name of a trust root, or is one already"));
            }
            tuf::follow_roots(wanted.pinned(), []).map_err(|e| format!("the first root of {name}: {e}"))?;
        }
        match self.policies.keys().find(|name| !kept::is_policy(name)) {
            Some(name) => Err(format!(
                "no seal can carry a policy file of the name {name:?}: letters, digits, '.', '_' and '-' only"
            )),
            None => Ok(()),
        }
    }
}

/// Images of one source: a name, or a choice of tags.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name as written.
    pub reference: Reference,
    /// Which tags.
    pub choice: Choice,
    /// Platforms; empty means all.
    pub platforms: Vec<String>,
    /// Evidence without which nothing is brought.
    pub required: BTreeSet<Evidence>,
}

/// Which tags of a repository.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The one in the name.
    Named,
    /// Those that one of these patterns is about, `*` for any text.
    Patterns(Vec<String>),
    /// Those that are versions within a range.
    Versions(Range),
}

/// The images that sources stand for, in order, each once. Tags of evidence are no images.
///
/// # Errors
/// Where the tags of a repository cannot be told, or a choice is empty: a source that brings nothing is a slip.
pub async fn expand(registries: &Registries, sources: &[Source]) -> Result<Vec<Wanted>, String> {
    let mut images: Vec<Wanted> = Vec::new();
    for source in sources {
        let wanted = |reference: Reference| Wanted {
            reference,
            pinned: None,
            platforms: source.platforms.clone(),
            required: source.required.clone(),
        };
        if matches!(source.choice, Choice::Named) {
            images.push(wanted(source.reference.clone()));
            continue;
        }
        let repository = Repository::of(&source.reference).map_err(|fault| fault.to_string())?;
        let tags = match registries.tags(&repository).await {
            Answer::Found(tags) => tags,
            Answer::Absent(absence) => return Err(format!("{} does not exist ({absence})", repository.name)),
            Answer::Unknown(doubt) => {
                return Err(format!("the tags of {} cannot be told: {doubt}", repository.name));
            }
        };
        let before = images.len();
        for tag in tags.iter().filter(|tag| !is_evidence(tag)) {
            let chosen = match &source.choice {
                Choice::Named => false,
                Choice::Patterns(patterns) => patterns.iter().any(|pattern| wildcard(pattern, tag)),
                Choice::Versions(range) => range.holds(tag),
            };
            if chosen {
                let name = format!("{}:{tag}", repository.name);
                images.push(wanted(Reference::parse(&name).map_err(|e| e.to_string())?));
            }
        }
        if images.len() == before {
            return Err(format!("no tag of {} is among those chosen ({} tags)", repository.name, tags.len()));
        }
    }
    let mut seen = BTreeSet::new();
    images.retain(|image| seen.insert((image.reference.name(), image.reference.tag().map(str::to_owned))));
    Ok(images)
}

/// `sha256-<hex>` with or without an ending.
fn is_evidence(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| rest.len() >= 64)
        || tag.strip_prefix("sha512-").is_some_and(|rest| rest.len() >= 64)
}
