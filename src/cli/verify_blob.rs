//! `sealock verify-blob`: judges a file by its bundle.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;

use super::ad_hoc::AdHocArgs;
use super::exit::{Failure, Status};
use super::output::Output;
use super::verify::{Format, status};
use super::{clock, files, roots};
use crate::decision::ad_hoc::decide_artifact;
use crate::evidence::{Gathered, Kind, Piece, State, bundle, limits};
use crate::image::Digest;
use crate::report::{Report, human, json};

/// Largest file that is judged by its bytes; a larger one by its digest.
const MAX_ARTIFACT: u64 = 4 * 1024 * 1024 * 1024;

/// Flags of `sealock verify-blob`.
#[derive(Debug, Args)]
pub struct VerifyBlobArgs {
    /// The Sigstore bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    #[command(flatten)]
    who: AdHocArgs,
    #[command(flatten)]
    roots: roots::RootArgs,
    /// The store whose trust root is in force where none is given
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// Evaluate freshness for this moment (RFC 3339) instead of now; the answer is marked hypothetical
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    /// Say nothing but the verdict's exit status
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every check
    #[arg(short, long)]
    verbose: bool,
    /// The file, - for standard input, or its digest
    #[arg(value_name = "ARTIFACT|sha256:DIGEST")]
    artifact: String,
}

/// Judges and prints.
///
/// # Errors
/// [`Failure`] when there is no answer to print.
pub fn run(args: &VerifyBlobArgs, output: &mut Output) -> Result<Status, Failure> {
    let demand = args.who.demand()?.ok_or_else(|| {
        Failure::misuse(anyhow!(
            "who must have signed? Give --certificate-identity and --certificate-oidc-issuer, or --key"
        ))
    })?;
    for remark in args.roots.remarks() {
        output.note(&format!("{remark}\n"));
    }
    let (evaluated_at, hypothetical) = clock::moment(args.at);
    let held = roots::load(&args.roots, &[], &[], args.store.as_deref(), evaluated_at)?;
    let bytes = files::read(&args.bundle, limits::ENVELOPE).map_err(Failure::misuse)?;
    let blob = Digest::sha256(&bytes);
    let state = match bundle::parse(blob, &bytes) {
        Ok(evidence) => State::Read(Box::new(evidence)),
        Err(fault) => State::Malformed(fault),
    };
    let gathered = Gathered {
        pieces: vec![Piece { digest: blob, kind: Kind::Bundle, by_subject: true, state }],
        ..Gathered::default()
    };
    let (digest, content) = artifact(&args.artifact)?;
    let decision =
        decide_artifact(&args.artifact, &digest, content.as_deref(), &demand, &gathered, &held.roots.default);
    let decisions = [decision];
    let report =
        Report { evaluated_at, hypothetical, trust_root: held.note, decisions: &decisions, failures: &[] };
    if !args.quiet {
        let text = match args.output {
            Format::Human => human::render(&report, human::Detail { verbose: args.verbose }),
            Format::Json => json::render(&report),
        };
        output.data(&text)?;
    }
    let [decision] = &decisions;
    Ok(status(decision))
}

/// The digest, and the bytes where a file was named.
fn artifact(named: &str) -> Result<(Digest, Option<Vec<u8>>), Failure> {
    if let Ok(digest) = named.parse::<Digest>() {
        return Ok((digest, None));
    }
    let bytes = files::read(Path::new(named), MAX_ARTIFACT).map_err(Failure::misuse)?;
    Ok((Digest::sha256(&bytes), Some(bytes)))
}
