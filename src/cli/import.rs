//! `sealock import`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use sealock_trust_root::disk::{InForce, StateFault, TrustState};
use serde_json::{Value, json as value};

use super::exit::{Failure, Status};
use super::findings::lines;
use super::output::Output;
use super::store::{Format, FormatArgs, PATIENCE, Place, failed, json};
use super::{clock, policies, roots};
use crate::decision::{self, Decision, Question, Roots, Severity, Verdict};
use crate::image::{Digest, Reference};
use crate::policy::{Loaded, Policy};
use crate::report::text::escape;
use crate::report::{Report, human as words, json as document};
use crate::seal::{Floors, canonical};
use crate::store::transfer::{self, SealReport, Transfer};
use crate::store::{ImportOptions, ImportReport, Plan, Source, StoreFault, Writer, gather};

/// Largest file of minimum floors, in bytes.
const MAX_MINIMUM: u64 = 64 * 1024;

/// Arguments of `sealock import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    place: Place,
    /// A policy file or a directory of them: only images that they allow come in. May be given more than once.
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    roots: roots::RootArgs,
    /// Say what the import would bring, and bring nothing.
    #[arg(long)]
    dry_run: bool,
    /// Hash again what the store holds already, and replace what is damaged.
    #[arg(long)]
    recheck: bool,
    /// `host/repository` of entries that have only a tag, as `skopeo copy … oci:DIR:TAG` leaves them.
    #[arg(long, value_name = "HOST/REPOSITORY", value_parser = repository)]
    repository: Option<String>,
    /// Take a bundle that nobody sealed to a separate store below this one, which nothing else looks at.
    #[arg(long)]
    as_foreign: bool,
    /// Write a receipt for the connected side to this file.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Floors from a source that this program does not own: nothing below them is taken in.
    #[arg(long, value_name = "FILE")]
    minimum: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
    /// A sealed transfer, its first segment or a single one; or an OCI image layout, a directory or a tar archive.
    #[arg(value_name = "FILE|DIR")]
    bundle: PathBuf,
}

/// What was judged, and with what.
struct Judged {
    decisions: Vec<Decision>,
    /// The decisions as `sealock verify -o json` writes them.
    document: Value,
    text: String,
}

/// Takes a bundle in. Exit 0 when all of it was sound and allowed, 1 when something was refused.
///
/// # Errors
/// A [`Failure`] with the store's own words.
pub fn run(args: &ImportArgs, output: &mut Output) -> Result<Status, Failure> {
    let root = args.place.directory();
    let loaded = if args.policies.is_empty() { None } else { Some(policies::load(&args.policies, output)?) };
    if args.as_foreign {
        if args.receipt.is_some() {
            return Err(Failure::misuse(anyhow!(
                "only a sealed transfer has a receipt, and --as-foreign takes none"
            )));
        }
        // The store itself must be one: the foreign one lies below it.
        or_told(Writer::open(&root, "import", PATIENCE), args, output)?;
        let foreign = transfer::foreign(&root);
        or_told(Writer::init(&foreign, None, PATIENCE), args, output)?;
        return bundle(args, &foreign, &root, loaded.as_ref(), output);
    }
    if transfer::is_transfer(&root, &args.bundle) {
        return sealed(args, &root, loaded.as_ref(), output);
    }
    if args.receipt.is_some() {
        return Err(Failure::misuse(anyhow!(
            "{} is no sealed transfer, so there is nothing to write a receipt for",
            args.bundle.display()
        )));
    }
    bundle(args, &root, &root, loaded.as_ref(), output)
}

/// A bundle that nobody sealed.
fn bundle(
    args: &ImportArgs,
    root: &Path,
    trust: &Path,
    loaded: Option<&Loaded>,
    output: &mut Output,
) -> Result<Status, Failure> {
    let options = ImportOptions { recheck: args.recheck, repository: args.repository.clone() };
    let mut writer = or_told(Writer::open(root, "import", PATIENCE), args, output)?;
    let mut plan = or_told(Plan::prepare(&mut writer, &args.bundle, &options), args, output)?;
    let judged = match loaded {
        Some(loaded) => {
            let state = TrustState::of_store(trust);
            let doubted = or_told(transfer::doubted(trust), args, output)?;
            let judged =
                judge(args, &|name| state.in_force(name), &doubted, loaded, (&plan, &plan.images()))?;
            for (_, digest) in kept_out(&judged.decisions) {
                plan.withhold(&digest);
            }
            plan.withhold_nameless();
            Some(judged)
        }
        None => None,
    };
    let report = if args.dry_run { plan.preview() } else { or_told(plan.commit(), args, output)? };
    finish(args, &report, None, judged.as_ref(), output)
}

/// A sealed transfer.
fn sealed(
    args: &ImportArgs,
    root: &Path,
    loaded: Option<&Loaded>,
    output: &mut Output,
) -> Result<Status, Failure> {
    let minimum = args.minimum.as_deref().map(read_minimum).transpose()?;
    let now = clock::now();
    let given = roots::given(&args.roots)?;
    let mut writer = or_told(Writer::open(root, "import", PATIENCE), args, output)?;
    let opened = Transfer::open(&mut writer, &args.bundle, minimum.as_ref(), &given, args.recheck, now);
    let mut incoming = or_told(opened, args, output)?;
    let judged = match loaded {
        Some(loaded) => {
            // What it brings is judged by the trust that it brings, once TUF has believed that.
            let in_force = |name: &str| incoming.root_in_force(name);
            let judged =
                judge(args, &in_force, &incoming.doubted(), loaded, (&incoming, &incoming.images()))?;
            for (name, digest) in kept_out(&judged.decisions) {
                incoming.withhold(&digest, &name);
            }
            incoming.withhold_nameless();
            Some(judged)
        }
        None => None,
    };
    let mut seal = incoming.seal();
    if args.dry_run {
        let report = incoming.preview();
        return finish(args, &report, Some(&seal), judged.as_ref(), output);
    }
    let (report, receipt) = or_told(incoming.commit(now), args, output)?;
    seal.quarantine = None;
    if let Some(path) = &args.receipt {
        std::fs::write(path, receipt).map_err(|e| {
            Failure::undecided(anyhow!("the receipt could not be written to {}: {e}", path.display()))
        })?;
    }
    finish(args, &report, Some(&seal), judged.as_ref(), output)
}

/// A fault, told in the format that was asked for as well.
fn or_told<T>(result: Result<T, StoreFault>, args: &ImportArgs, output: &mut Output) -> Result<T, Failure> {
    result.map_err(|fault| failed(fault, "sealock.dev/import/v1", &args.place, args.format.format, output))
}

fn read_minimum(path: &Path) -> Result<Floors, Failure> {
    // Unreadable floors are no "none".
    let bytes = sealock_trust_root::disk::read_named(path, MAX_MINIMUM)
        .map_err(|e| Failure::undecided(anyhow!("{}: {e}", path.display())))?;
    canonical::read("floors", &bytes).map_err(|e| Failure::undecided(anyhow!("{}: {e}", path.display())))
}

/// Judges every image that the bundle names, over the copy.
fn judge(
    args: &ImportArgs,
    in_force: &dyn Fn(&str) -> Result<InForce, StateFault>,
    doubted: &BTreeSet<[u8; 32]>,
    loaded: &Loaded,
    (source, images): (&dyn Source, &[(String, Digest)]),
) -> Result<Judged, Failure> {
    let now = clock::now();
    let mut held = roots::load_with(&args.roots, &loaded.trust_roots, &loaded.policies, in_force, now)?;
    held.roots = held.roots.doubting(doubted);
    let mut decisions = Vec::new();
    for (name, digest) in images {
        let reference = Reference::parse(name).map_err(|e| Failure::undecided(anyhow!("{name:?}: {e}")))?;
        decisions.push(decide(name, &reference, digest, source, &loaded.policies, &held.roots));
    }
    let report = Report {
        evaluated_at: now,
        hypothetical: false,
        trust_root: held.note.clone(),
        decisions: &decisions,
        failures: &[],
    };
    let document = serde_json::from_str(&document::render(&report))
        .map_err(|e| Failure::undecided(anyhow!("the decisions could not be written: {e}")))?;
    let text = words::render(&report, words::Detail { verbose: false });
    Ok(Judged { decisions, document, text })
}

fn decide(
    name: &str,
    reference: &Reference,
    digest: &Digest,
    source: &dyn Source,
    policies: &[Policy],
    roots: &Roots,
) -> Decision {
    let evidence = gather::for_policies(source, policies, reference, digest);
    decision::decide(&Question {
        written: name,
        reference,
        digest: Ok(*digest),
        policies,
        evidence: &evidence,
        roots,
    })
}

/// Images that may not enter.
fn kept_out(decisions: &[Decision]) -> Vec<(String, Digest)> {
    let out = decisions.iter().filter(|d| !matches!(d.verdict, Verdict::Allow | Verdict::Warn));
    out.filter_map(|d| Some((d.image.clone(), d.digest?))).collect()
}

fn finish(
    args: &ImportArgs,
    report: &ImportReport,
    seal: Option<&SealReport>,
    judged: Option<&Judged>,
    output: &mut Output,
) -> Result<Status, Failure> {
    match args.format.format {
        Format::Json => {
            let mut whole = serde_json::to_value(report)
                .map_err(|e| Failure::undecided(anyhow!("the answer could not be written: {e}")))?;
            if let Some(members) = whole.as_object_mut() {
                if let Some(seal) = seal {
                    members.insert("seal".to_owned(), value!(seal));
                }
                for name in ["evaluatedAt", "trustRoot", "decisions"] {
                    if let Some(found) = judged.and_then(|j| j.document.get(name)) {
                        members.insert(name.to_owned(), found.clone());
                    }
                }
            }
            output.data(&json(&whole)?)?;
        }
        Format::Human => {
            if let Some(judged) = judged {
                output.data(&judged.text)?;
            }
            output.data(&human(report, seal))?;
            output.note(&lines(&report.findings));
        }
    }
    let refused = report.findings.iter().any(|f| f.severity == Severity::Error);
    let verdicts = judged.into_iter().flat_map(|j| &j.decisions).map(|d| match d.verdict {
        Verdict::Allow | Verdict::Warn => Status::Allowed,
        Verdict::Deny => Status::Denied,
        Verdict::Undecided => Status::Undecided,
    });
    let judged = verdicts.max().unwrap_or(Status::Allowed);
    Ok(judged.max(if refused { Status::Denied } else { Status::Allowed }))
}

/// A repository must be named in full, and without tag or digest.
fn repository(text: &str) -> Result<String, String> {
    let wrong = || "expected host/repository without tag or digest".to_owned();
    let reference = Reference::parse(&format!("{text}:tag")).map_err(|_| wrong())?;
    let (host, _) = text.split_once('/').ok_or_else(wrong)?;
    if host != "localhost" && !host.contains(['.', ':']) {
        return Err(wrong());
    }
    Ok(reference.repository().to_owned())
}

fn human(report: &ImportReport, seal: Option<&SealReport>) -> String {
    let mut text = String::new();
    for name in &report.names {
        let _ = writeln!(text, "{}  {}  {}", name.digest, name.status, escape(&name.name));
    }
    if let Some(seal) = seal {
        let _ = writeln!(
            text,
            "seal {} of {}, sealed at {}, {}",
            seal.sequence,
            escape(&seal.origin),
            seal.sealed_at,
            seal.digest
        );
        if let Some(place) = &seal.quarantine {
            let _ = writeln!(text, "its copy waits in {place}: `sealock import {place}` takes it in");
        }
    }
    let counts = &report.counts;
    let done = if report.committed { "imported" } else { "would import" };
    let _ = writeln!(
        text,
        "{done} {} manifests ({} with a subject) and {} other contents, {} bytes, {} of them new; {} names, {} of them new; {} held by digest only; {} contents missing",
        counts.manifests,
        counts.referrers,
        counts.blobs,
        counts.bytes,
        counts.new,
        counts.names,
        counts.new_names,
        counts.unnamed,
        report.missing.len(),
    );
    text
}

impl From<crate::seal::SealFault> for Failure {
    fn from(fault: crate::seal::SealFault) -> Self {
        StoreFault::refused(fault.code(), "seal", fault.to_string()).into()
    }
}
