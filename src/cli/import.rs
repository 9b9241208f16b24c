//! `sealock import`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::exit::{Failure, Status};
use super::output::Output;
use super::store::{Format, FormatArgs, PATIENCE, Place, json, lines, plain};
use crate::decision::Severity;
use crate::store::{ImportReport, Plan, Writer};

/// Arguments of `sealock import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    place: Place,
    /// Say what the import would bring, and bring nothing.
    #[arg(long)]
    dry_run: bool,
    /// Hash again what the store holds already, and replace what is damaged.
    #[arg(long)]
    recheck: bool,
    #[command(flatten)]
    format: FormatArgs,
    /// An OCI image layout: a directory, or a tar archive of one.
    #[arg(value_name = "FILE|DIR")]
    bundle: PathBuf,
}

/// Takes a bundle in. Exit 0 when all of it was sound, 1 when something was refused.
///
/// # Errors
/// A [`Failure`] with the store's own words.
pub fn run(args: &ImportArgs, output: &mut Output) -> Result<Status, Failure> {
    let root = args.place.directory();
    let mut writer = Writer::open(&root, "import", PATIENCE)?;
    let plan = Plan::prepare(&mut writer, &args.bundle, args.recheck)?;
    let report = if args.dry_run { plan.preview() } else { plan.commit()? };
    match args.format.format {
        Format::Json => output.data(&json(&report)?)?,
        Format::Human => {
            output.data(&human(&report))?;
            output.note(&lines(&report.findings));
        }
    }
    let refused = report.findings.iter().any(|f| f.severity == Severity::Error);
    Ok(if refused { Status::Denied } else { Status::Allowed })
}

fn human(report: &ImportReport) -> String {
    let mut text = String::new();
    for name in &report.names {
        let _ = writeln!(text, "{}  {}  {}", name.digest, name.status, plain(&name.name));
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
