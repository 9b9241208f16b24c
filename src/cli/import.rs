//! `sealock import`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::exit::{Failure, Status};
use super::output::Output;
use super::store::{Format, FormatArgs, PATIENCE, Place, failed, json, lines, plain};
use crate::decision::Severity;
use crate::image::Reference;
use crate::store::{ImportOptions, ImportReport, Plan, StoreFault, Writer};

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
    /// `host/repository` of entries that have only a tag, as `skopeo copy … oci:DIR:TAG` leaves them.
    #[arg(long, value_name = "HOST/REPOSITORY", value_parser = repository)]
    repository: Option<String>,
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
    let options = ImportOptions { recheck: args.recheck, repository: args.repository.clone() };
    let report = take_in(args, &options)
        .map_err(|fault| failed(fault, "sealock.dev/import/v1", &args.place, args.format.format, output))?;
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

fn take_in(args: &ImportArgs, options: &ImportOptions) -> Result<ImportReport, StoreFault> {
    let mut writer = Writer::open(&args.place.directory(), "import", PATIENCE)?;
    let plan = Plan::prepare(&mut writer, &args.bundle, options)?;
    if args.dry_run { Ok(plan.preview()) } else { plan.commit() }
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
