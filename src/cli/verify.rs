//! `sealock verify`: judges images against policies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::ad_hoc::AdHocArgs;
use super::exit::{Failure, Status};
use super::output::Output;
use super::{clock, images, place, policies, roots};
use crate::decision::ad_hoc::{AdHoc, decide_ad_hoc};
use crate::decision::{self, Decision, Finding, Question, Roots, Severity, Verdict};
use crate::evidence::{Gathered, Place};
use crate::policy::Policy;
use crate::report::text::escape;
use crate::report::{Report, human, json};
use crate::store::codes::CLAIMED;
use crate::store::{gather, transfer};

/// Flags of `sealock verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The store that holds images and evidence
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// A policy file, a directory of them, or - for standard input; without any, everything is denied
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    who: AdHocArgs,
    #[command(flatten)]
    roots: roots::RootArgs,
    /// Evaluate freshness for this moment (RFC 3339) instead of now; the answer is marked hypothetical
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    /// Say nothing but the verdict's exit status
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every check of every piece of evidence
    #[arg(short, long)]
    verbose: bool,
    /// Images: `name:tag`, `name@digest`, `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

/// Judges and prints.
///
/// # Errors
/// [`Failure`] when there is no answer to print.
pub fn run(args: &VerifyArgs, output: &mut Output) -> Result<Status, Failure> {
    let ad_hoc = args.who.demand()?;
    if ad_hoc.is_some() && !args.policies.is_empty() {
        return Err(Failure::misuse(anyhow!(
            "--policy and flags that say who must have signed are two ways to ask: use one of them"
        )));
    }
    let loaded = policies::load(&args.policies, output)?;
    for remark in args.roots.remarks() {
        output.note(&format!("{remark}\n"));
    }
    let (evaluated_at, hypothetical) = clock::moment(args.at);
    if !hypothetical {
        transfer::check_clock(&place::store_directory(args.store.as_deref()), evaluated_at)?;
    }
    let held =
        roots::load(&args.roots, &loaded.trust_roots, &loaded.policies, args.store.as_deref(), evaluated_at)?;
    let mut sources = images::Sources::new(args.store.as_deref());
    let mut decisions = Vec::new();
    // One wrong name leaves the others their answers.
    let (mut worst, mut failures) = (Status::Allowed, Vec::new());
    for image in &args.images {
        match judge(image, &loaded.policies, ad_hoc.as_ref(), &held.roots, &mut sources) {
            Ok(decision) => decisions.push(decision),
            Err(failure) if args.images.len() == 1 => return Err(failure),
            Err(failure) => {
                let message = format!("{:#}", failure.error);
                output.note(&format!("error: {}: {}\n", escape(image), escape(&message)));
                worst = worst.max(failure.status);
                failures.push((image.clone(), message));
            }
        }
    }
    let trust_root = held.note.clone();
    let report =
        Report { evaluated_at, hypothetical, trust_root, decisions: &decisions, failures: &failures };
    if !args.quiet {
        let text = match args.output {
            Format::Human => human::render(&report, human::Detail { verbose: args.verbose }),
            Format::Json => json::render(&report),
        };
        output.data(&text)?;
    }
    let decided = decisions.iter().map(status).max();
    Ok(decided.map_or(Status::Misuse, |decided| decided.max(worst)).max(worst))
}

fn judge(
    written: &str,
    policies: &[Policy],
    ad_hoc: Option<&AdHoc>,
    roots: &Roots,
    sources: &mut images::Sources,
) -> Result<Decision, Failure> {
    let image = sources.find(written)?;
    let evidence = match &image.digest {
        Ok(digest) => gather::for_policies(image.source, policies, &image.reference, digest),
        Err(_) => BTreeMap::new(),
    };
    let question = Question {
        written,
        reference: &image.reference,
        digest: image.digest.clone(),
        policies,
        evidence: &evidence,
        roots,
    };
    let Some(ad_hoc) = ad_hoc else { return Ok(named(decision::decide(&question), &image)) };
    let place = Place { repository: image.reference.repository().to_owned(), tag_prefix: String::new() };
    let gathered = match &image.digest {
        Ok(digest) => gather::gather(image.source, &place, digest),
        Err(_) => Gathered::default(),
    };
    Ok(named(decide_ad_hoc(&question, ad_hoc, &gathered), &image))
}

/// Says under which name the image was judged where nobody vouches for that name.
fn named(mut decision: Decision, image: &images::Found<'_>) -> Decision {
    if let (Some(name), Ok(digest)) = (&image.claimed, &image.digest) {
        let text = format!("judged as {name}; that this name stands for {digest} is claimed, not sealed");
        decision.findings.push(Finding::new(&CLAIMED, Severity::Note, text));
    }
    decision
}

/// What a decision comes to.
pub fn status(decision: &Decision) -> Status {
    match decision.verdict {
        Verdict::Allow | Verdict::Warn => Status::Allowed,
        Verdict::Deny => Status::Denied,
        Verdict::Undecided => Status::Undecided,
    }
}
