//! What to mirror, as the command line says it: names, `mirror.yaml`, manifests, policies.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::Failure;
use sealock::cli::files::{self, PolicyFile};
use sealock::cli::output::Output;
use sealock::cli::policies;
use sealock::image::Reference;
use sealock::policy::{Loaded, Policy};

use crate::plan::file::PlanFile;
use crate::plan::{self, Carried, Choice, Source, document, workloads};
use crate::pull::order::SourcePlace;
use crate::pull::{Evidence, Order, Waiver};
use crate::registry::{Registries, Repository};
use crate::trust_root::{MAX_ROOT, keep};

/// Largest `mirror.yaml`, plan or stream of manifests that is read, in bytes.
pub const MAX: u64 = 64 * 1024 * 1024;

/// Flags that say what to mirror.
#[derive(Debug, Args)]
pub struct WantedArgs {
    /// A `mirror.yaml`; - is standard input
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Kubernetes manifests to take images from, as `helm template` prints them; - is standard input
    #[arg(long, value_name = "FILE")]
    manifests: Vec<PathBuf>,
    /// A platform to bring (`os/architecture[/variant]`); default: all. Indexes stay whole
    #[arg(long = "platform", value_name = "PLATFORM")]
    platforms: Vec<String>,
    /// Evidence without which an image is not brought: signature, attestation or sbom
    #[arg(long = "require", value_name = "KIND", value_parser = Evidence::parse)]
    required: Vec<Evidence>,
    /// Policies: their other places for signatures (`source`) are asked too
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Let a question stay open, with the reason; it is recorded. * stands for any text
    #[arg(long = "waive", value_name = "QUESTION=REASON", value_parser = Waiver::parse)]
    waivers: Vec<Waiver>,
    /// Images by name, tag or digest
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// What was read, before registries are asked.
pub struct Read {
    sources: Vec<Source>,
    waivers: Vec<Waiver>,
    plan: Option<PlanFile>,
    /// Policies and what came with them.
    pub loaded: Loaded,
    /// What is kept beside images, for the next seal.
    pub carried: Carried,
}

impl WantedArgs {
    /// Whether anything is named at all.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.manifests.is_empty() && self.images.is_empty()
    }

    /// Whether policies are named.
    pub fn has_policies(&self) -> bool {
        !self.policies.is_empty()
    }

    /// Reads every file; `plan` is one that was made before.
    ///
    /// # Errors
    /// Exit 2.
    pub fn read(&self, plan: Option<&Path>, output: &mut Output) -> Result<Read, Failure> {
        let misuse = |text: String| Failure::misuse(anyhow!(text));
        let mut sources = Vec::new();
        let mut waivers = self.waivers.clone();
        let mut policy_files = files::policies(&self.policies).map_err(Failure::misuse)?;
        let mut carried = Carried::default();
        let named = |reference: Reference| Source {
            reference,
            choice: Choice::Named,
            platforms: self.platforms.clone(),
            required: self.required.iter().copied().collect(),
        };
        for image in &self.images {
            let reference = Reference::parse(image)
                .map_err(|e| Failure::misuse(anyhow!("{image:?} is not an image name: {e}")))?;
            sources.push(named(reference));
        }
        for path in &self.manifests {
            let bytes = files::read(path, MAX).map_err(Failure::misuse)?;
            let images = workloads::images(&path.display().to_string(), &bytes).map_err(misuse)?;
            sources.extend(images.into_iter().map(named));
        }
        if let Some(path) = &self.file {
            let bytes = files::read(path, MAX).map_err(Failure::misuse)?;
            let mut read = document::read(&path.display().to_string(), &bytes).map_err(misuse)?;
            for source in &mut read.sources {
                source.required.extend(&self.required);
                if !self.platforms.is_empty() {
                    source.platforms.clone_from(&self.platforms);
                }
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            carried = beside(&read, folder, &mut policy_files)?;
            sources.append(&mut read.sources);
            waivers.append(&mut read.waivers);
        }
        let plan = plan.map(planned).transpose()?;
        if let Some((path, plan)) = &plan {
            carried = plan.carried().map_err(|e| misuse(format!("{}: {e}", path.display())))?;
            policy_files.extend(carried.policies.iter().map(|(name, bytes)| PolicyFile {
                path: path.join(name),
                bytes: bytes.clone(),
                from_directory: false,
            }));
        }
        carried.check().map_err(misuse)?;
        let plan = plan.map(|(_, plan)| plan);
        Ok(Read { sources, waivers, plan, loaded: policies::load_files(policy_files, output)?, carried })
    }
}

fn planned(path: &Path) -> Result<(PathBuf, PlanFile), Failure> {
    let bytes = files::read(path, MAX).map_err(Failure::misuse)?;
    let plan = PlanFile::parse(&bytes).map_err(|e| Failure::misuse(anyhow!("{}: {e}", path.display())))?;
    Ok((path.to_owned(), plan))
}

/// Roots and policies that a document in `folder` names; the policies are judged by too.
fn beside(
    read: &document::Document,
    folder: &Path,
    policy_files: &mut Vec<PolicyFile>,
) -> Result<Carried, Failure> {
    let mut carried = Carried::default();
    for named in &read.trust_roots {
        let root = named.root.as_ref().map(|root| files::read(&folder.join(root), MAX_ROOT));
        carried.trust_roots.push(keep::Wanted {
            name: named.name.clone(),
            url: named.url.clone(),
            root: root.transpose().map_err(Failure::misuse)?,
            optional: named.optional,
        });
    }
    let paths: Vec<_> = read.policies.iter().map(|policy| folder.join(policy)).collect();
    for file in files::policies(&paths).map_err(Failure::misuse)? {
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if carried.policies.insert(name.clone(), file.bytes.clone()).is_some() {
            return Err(Failure::misuse(anyhow!("two policy files are called {name:?}")));
        }
        policy_files.push(file);
    }
    Ok(carried)
}

impl Read {
    /// The order, with every choice of tags made; that of the plan, where there is one.
    ///
    /// # Errors
    /// Exit 3 where a registry does not say which tags it has; exit 2 for places that cannot be asked.
    pub async fn order(&self, registries: &Registries) -> Result<Order, Failure> {
        if let Some(plan) = &self.plan {
            return self.planned(plan);
        }
        let images = plan::expand(registries, &self.sources)
            .await
            .map_err(|reason| Failure::undecided(anyhow!(reason)))?;
        Ok(Order { images, places: places(&self.loaded.policies)?, waivers: self.waivers.clone() })
    }

    /// The order of the plan that was made before, where there is one.
    fn planned(&self, plan: &PlanFile) -> Result<Order, Failure> {
        let images = plan.wanted().map_err(|e| Failure::misuse(anyhow!("the plan: {e}")))?;
        let mut waivers = self.waivers.clone();
        waivers.extend(plan.waivers.iter().map(|(p, r)| Waiver { pattern: p.clone(), reason: r.clone() }));
        Ok(Order { images, places: places(&self.loaded.policies)?, waivers })
    }
}

/// The other places that policies name.
fn places(policies: &[Policy]) -> Result<Vec<SourcePlace>, Failure> {
    let mut places = std::collections::BTreeSet::new();
    let sources = policies.iter().flat_map(|p| &p.authorities).flat_map(|a| &a.sources);
    for source in sources {
        let prefix = source.tag_prefix.clone().unwrap_or_default();
        let repository = match &source.oci {
            Some(oci) => {
                let name =
                    Reference::parse(oci).map_err(|e| Failure::misuse(anyhow!("source {oci:?}: {e}")))?;
                Some(Repository::of(&name).map_err(Failure::misuse)?)
            }
            None => None,
        };
        places.insert(SourcePlace { repository, prefix });
    }
    Ok(places.into_iter().collect())
}
