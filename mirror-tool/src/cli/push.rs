//! `sealock-mirror push`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::images::store_failure;
use sealock::cli::output::Output;
use sealock::cli::place::store_directory;
use sealock::image::{Digest, Reference};
use sealock::report::text::escape;
use sealock::store::{Source as _, SourceFault, Store, transfer};
use serde::Serialize;

use super::network::{NetworkArgs, run as wait};
use super::progress::Progress;
use super::pull::Format;
use crate::push::artifact::Artifact;
use crate::push::courier::{Counts, Courier, Miss, Tell};
use crate::push::deliver::{Consignment, Fate, ImageReport, Written, deliver_all};
use crate::push::inventory::{EvidenceTag, Inventory, Names, names_of};
use crate::push::mapping::Mapping;
use crate::registry::tags::is_tag;
use crate::registry::{Origin, Repository};

/// Arguments of `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The store to push from
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// Publish this sealed transfer as an OCI artifact instead; REGISTRY/PREFIX is its repository
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "images"])]
    seal: Option<PathBuf>,
    /// Where names go: FROM is the front of a full name, TO a path below REGISTRY/PREFIX. The longest match wins
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<String>,
    /// Let tags of the registry that stand for something else stand for what the store has
    #[arg(long)]
    move_tags: bool,
    /// Ask everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    network: NetworkArgs,
    /// The registry, and a path that all repositories go below
    #[arg(value_name = "REGISTRY[/PREFIX]")]
    target: String,
    /// Images of the store; without any, all that have a name, and all evidence
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// What a run says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    schema: &'static str,
    target: String,
    dry_run: bool,
    images: Vec<ImageReport>,
    sent: Counts,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SealPushed {
    schema: &'static str,
    target: String,
    dry_run: bool,
    seal: String,
    digest: Digest,
    fate: Fate,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Written>,
    sent: Counts,
}

const SCHEMA: &str = "sealock.dev/mirror-push/v1";

/// The store as a place where blobs come from.
struct FromStore(Arc<Store>);

impl Origin for FromStore {
    fn copy(&self, digest: &Digest, size: u64, mut out: &mut dyn std::io::Write) -> Result<(), String> {
        self.0.copy(digest, size, &mut out).map_err(|fault| fault.to_string())
    }
}

/// Pushes. Exit 0 when all is there, 1 when something was refused, 3 when something is unknown.
///
/// # Errors
/// [`Failure`] where nothing was decided.
pub fn run(args: &PushArgs, output: &mut Output) -> Result<Status, Failure> {
    let registries = args.network.client()?.for_writing().map_err(Failure::misuse)?;
    let progress = Progress::new(!args.no_progress);
    let tell: Tell = progress.teller();
    let flags = [args.dry_run, args.move_tags];
    if let Some(path) = &args.seal {
        let artifact = Artifact::open(path).map_err(super::seal::failure)?;
        let (to, tag) = artifact_place(&args.target, &artifact)?;
        let courier = Courier::new(registries, &artifact, Arc::new(artifact.clone()), flags, tell);
        let done = wait(artifact.deliver(&courier, &to, &tag))?;
        progress.end();
        return sealed(args, &artifact, &format!("{}:{tag}", to.name), &courier, done, output);
    }
    let misuse = |reason: String| Failure::misuse(anyhow!(reason));
    let mapping = Mapping::parse(&args.target, &args.map).map_err(misuse)?;
    let root = store_directory(args.store.as_deref());
    let store = Arc::new(Store::open(&root).map_err(store_failure)?);
    let names = names_of(&store).map_err(store_failure)?;
    let wanted = wanted(&args.images, &names, &store)?;
    let everything = args.images.is_empty();
    if wanted.is_empty() && names.evidence.is_empty() {
        return Err(misuse(format!("{} holds no image that has a name: nothing to push", root.display())));
    }
    let held = |digest: &Digest| store.size(digest).map_err(|fault| fault.to_string());
    let require_seal = transfer::requires_seal(&root);
    // Manifests that belong to an image that was asked for.
    let covered = RefCell::new(BTreeSet::new());
    let consign = |wanted: Wanted| {
        let Wanted { report, repository, tag, evidence_only } = wanted;
        let Some(digest) = report.digest else { return Err(Box::new(report)) };
        let inventory = Inventory::take(store.as_ref(), &held, &names, &repository, &digest, evidence_only);
        covered.borrow_mut().extend(inventory.parts.keys().copied());
        if report.fate != Fate::Pushed {
            return Err(Box::new(report));
        }
        Ok(Consignment { report, repository, tag, inventory, evidence_only })
    };
    // Evidence about what has no name here is evidence too. Only asked for when all images have been looked at.
    let rest = || {
        let all = names.evidence.iter().filter(|_| everything);
        let left: Vec<_> = all.filter(|(subject, _)| !covered.borrow().contains(*subject)).collect();
        judge_names(left.into_iter().filter_map(Wanted::evidence).collect(), &mapping, require_seal)
    };
    let images = judge_names(wanted, &mapping, require_seal).into_iter();
    let consignments = images.chain(std::iter::once_with(rest).flatten()).map(consign);
    let origin = Arc::new(FromStore(Arc::clone(&store)));
    let courier = Courier::new(registries, store.as_ref(), origin, flags, tell);
    let images = wait(deliver_all(&courier, &mapping, consignments))?;
    progress.end();
    let status = images.iter().map(|image| status(image.fate)).max().unwrap_or(Status::Misuse);
    let report = Report {
        schema: SCHEMA,
        target: args.target.clone(),
        dry_run: args.dry_run,
        images,
        sent: courier.counts(),
    };
    match args.output {
        Format::Json => output.data(&sealock::cli::store::json(&report)?)?,
        Format::Human => output.data(&human(&report))?,
    }
    Ok(status)
}

/// `REGISTRY[/REPOSITORY][:TAG]` of a transfer.
fn artifact_place(target: &str, artifact: &Artifact) -> Result<(Repository, String), Failure> {
    let (place, tag) = match target.rsplit_once(':') {
        Some((place, tag)) if !tag.contains('/') && place.contains('/') => (place, Some(tag.to_owned())),
        _ => (target, None),
    };
    let misuse = |reason: String| Failure::misuse(anyhow!(reason));
    let mapping = Mapping::parse(place, &[]).map_err(misuse)?;
    let path = place.split_once('/').map_or("sealock/transfers", |(_, path)| path);
    let name = format!("{}/{path}", mapping.registry());
    let tag = tag.unwrap_or_else(|| artifact.tag());
    Reference::parse(&format!("{name}:{tag}")).map_err(Failure::misuse)?;
    Ok((Repository::parse(&name).map_err(Failure::misuse)?, tag))
}

/// An image that was asked for.
struct Wanted {
    report: ImageReport,
    repository: String,
    tag: Option<String>,
    evidence_only: bool,
}

impl Wanted {
    fn new(name: String, repository: &str, tag: Option<&str>, digest: Option<Digest>) -> Self {
        let report = ImageReport {
            name,
            digest,
            sealed: None,
            target: None,
            fate: Fate::Pushed,
            reasons: Vec::new(),
            tag: None,
            evidence: Vec::new(),
            left_out: BTreeSet::new(),
        };
        Self { report, repository: repository.to_owned(), tag: tag.map(str::to_owned), evidence_only: false }
    }

    /// Evidence about something that has no name.
    fn evidence((subject, tags): (&Digest, &Vec<EvidenceTag>)) -> Option<Self> {
        let repository = &tags.first()?.named.repository;
        let mut image = Self::new(format!("{repository}@{subject}"), repository, None, Some(*subject));
        image.evidence_only = true;
        Some(image)
    }

    fn fail(&mut self, fate: Fate, reason: String) {
        self.report.fate = fate;
        self.report.reasons.push(reason);
    }
}

fn wanted(images: &[String], names: &Names, store: &Store) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for text in images {
        let reference = Reference::parse(text)
            .map_err(|e| Failure::misuse(anyhow!("{text:?} is not an image name: {e}")))?;
        let repository = reference.repository();
        if let Some(digest) = reference.digest() {
            wanted.push(Wanted::new(reference.name(), repository, None, Some(*digest)));
        } else {
            wanted.push(tagged(store, repository, reference.tag().unwrap_or("latest"))?);
        }
    }
    if !images.is_empty() {
        return Ok(wanted);
    }
    for named in &names.images {
        wanted.push(tagged(store, &named.repository, &named.tag)?);
    }
    Ok(wanted)
}

fn tagged(store: &Store, repository: &str, tag: &str) -> Result<Wanted, Failure> {
    let name = format!("{repository}:{tag}");
    match store.resolve(repository, tag) {
        Ok(found) => {
            let mut image = Wanted::new(name, repository, Some(tag), Some(found.digest));
            image.report.sealed = Some(found.sealed);
            Ok(image)
        }
        Err(fault @ SourceFault::NotHeld { .. }) => {
            let mut image = Wanted::new(name, repository, Some(tag), None);
            image.fail(Fate::Unknown, format!("{fault}: pull or import it first"));
            Ok(image)
        }
        Err(fault) => Err(Failure::undecided(fault)),
    }
}

/// Refuses names that nobody vouches for where operators are pinned, and names that two images would share.
fn judge_names(mut wanted: Vec<Wanted>, mapping: &Mapping, require_seal: bool) -> Vec<Wanted> {
    let mut claims: BTreeMap<String, BTreeMap<Digest, BTreeSet<String>>> = BTreeMap::new();
    for image in &mut wanted {
        match mapping.target(&image.repository) {
            Ok(to) => {
                let target = match (&image.tag, image.report.digest) {
                    (Some(tag), _) => format!("{}:{tag}", to.name),
                    (None, Some(digest)) => format!("{}@{digest}", to.name),
                    (None, None) => to.name,
                };
                if let (Some(digest), Some(_)) = (image.report.digest, &image.tag) {
                    let sources = claims.entry(target.clone()).or_default().entry(digest).or_default();
                    sources.insert(image.report.name.clone());
                }
                image.report.target = Some(target);
            }
            Err(reason) => image.fail(Fate::Refused, reason),
        }
        if let Some(tag) = image.tag.clone().filter(|tag| !is_tag(tag)) {
            image.fail(Fate::Refused, format!("no registry takes {tag:?} as a tag"));
        }
        if require_seal && image.report.sealed == Some(false) {
            image.fail(
                Fate::Refused,
                "no seal vouches for the name, and this store has operators pinned: import it in a sealed transfer".to_owned(),
            );
        }
    }
    for image in &mut wanted {
        let Some(claims) = image.report.target.as_ref().and_then(|target| claims.get(target)) else {
            continue;
        };
        if claims.len() > 1 {
            let all: Vec<_> = claims.values().flatten().map(String::as_str).collect();
            let reason = format!(
                "{} would be one name with different digests: keep them apart with --map",
                all.join(" and ")
            );
            image.fail(Fate::Refused, reason);
        }
    }
    wanted
}

fn status(fate: Fate) -> Status {
    match fate {
        Fate::Pushed => Status::Allowed,
        Fate::Refused => Status::Denied,
        Fate::Unknown => Status::Undecided,
    }
}

fn sealed(
    args: &PushArgs,
    artifact: &Artifact,
    target: &str,
    courier: &Courier<'_>,
    done: Result<Written, Miss>,
    output: &mut Output,
) -> Result<Status, Failure> {
    let (fate, reasons, tag) = match done {
        Ok(written) => (Fate::Pushed, Vec::new(), Some(written)),
        Err(miss @ Miss::Refused(_)) => (Fate::Refused, vec![miss.to_string()], None),
        Err(miss @ Miss::Unknown(_)) => (Fate::Unknown, vec![miss.to_string()], None),
    };
    let report = SealPushed {
        schema: SCHEMA,
        target: target.to_owned(),
        dry_run: args.dry_run,
        seal: format!("sha256:{}", artifact.seal()),
        digest: artifact.digest(),
        fate,
        reasons,
        tag,
        sent: courier.counts(),
    };
    match args.output {
        Format::Json => output.data(&sealock::cli::store::json(&report)?)?,
        Format::Human => {
            let mut text = format!(
                "seal {} → {} {}: {}\n",
                report.seal,
                target,
                report.digest,
                said(fate, args.dry_run)
            );
            for reason in &report.reasons {
                let _ = writeln!(text, "  {}", escape(reason));
            }
            count(&mut text, &report.sent, args.dry_run);
            output.data(&text)?;
        }
    }
    Ok(status(fate))
}

fn said(fate: Fate, dry: bool) -> &'static str {
    match (fate, dry) {
        (Fate::Pushed, false) => "pushed",
        (Fate::Pushed, true) => "can be pushed",
        (Fate::Refused, _) => "refused",
        (Fate::Unknown, _) => "unknown",
    }
}

fn how(written: Written) -> &'static str {
    match written {
        Written::Unchanged => "there",
        Written::Created => "new",
        Written::Merged => "united with what was there",
        Written::Moved => "moved",
    }
}

fn count(text: &mut String, sent: &Counts, dry: bool) {
    let verb = if dry { "to send" } else { "sent" };
    let _ = writeln!(
        text,
        "blobs: {} {verb} ({} bytes), {} mounted, {} there; {} manifests {}",
        sent.blobs,
        sent.bytes,
        sent.mounted,
        sent.there,
        sent.manifests,
        if dry { "to write" } else { "written" }
    );
}

fn human(report: &Report) -> String {
    let mut text = String::new();
    for image in &report.images {
        let digest = image.digest.map(|digest| format!(" {digest}")).unwrap_or_default();
        let target = image.target.as_deref().unwrap_or("nowhere");
        let _ = writeln!(
            text,
            "{}{digest} → {}: {}{}",
            escape(&image.name),
            escape(target),
            said(image.fate, report.dry_run),
            image.tag.map(|tag| format!(" ({})", how(tag))).unwrap_or_default()
        );
        for reason in &image.reasons {
            let _ = writeln!(text, "  {}", escape(reason));
        }
        if !image.left_out.is_empty() {
            let _ = writeln!(text, "  {} platforms of it are not held", image.left_out.len());
        }
        for evidence in &image.evidence {
            let tag = evidence.tag.map(|tag| format!(" ({})", how(tag))).unwrap_or_default();
            let _ = writeln!(
                text,
                "  evidence: {}{tag}, {} manifests",
                escape(&evidence.at),
                evidence.manifests.len()
            );
        }
    }
    count(&mut text, &report.sent, report.dry_run);
    text
}
