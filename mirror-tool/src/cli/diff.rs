//! `sealock-mirror diff`.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::images::store_failure;
use sealock::cli::output::Output;
use sealock::report::text::escape;
use serde::Serialize;

use super::network::{NetworkArgs, run as wait};
use super::pull::Format;
use crate::diff::compare::{Differences, Piece, compare};
use crate::diff::place::{Place, PlaceFault};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Where names go in a whole registry (HOST[/PREFIX]/), as for push
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<String>,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    network: NetworkArgs,
    /// A store, a transfer, an OCI layout (folder or archive), HOST/PATH[:TAG|@DIGEST], or HOST[/PREFIX]/ for what the other
    /// side has. A form in front decides where a path and a name look alike: store:, transfer:, oci:, oci-archive:,
    /// registry:
    #[arg(value_name = "A")]
    a: String,
    /// The other side
    #[arg(value_name = "B")]
    b: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    schema: &'static str,
    a: &'a str,
    b: &'a str,
    equal: bool,
    #[serde(flatten)]
    differences: Differences,
}

/// Compares. Exit 0 when equal, 1 when different, 3 when something cannot be told.
///
/// # Errors
/// [`Failure`] where nothing was compared.
pub fn run(args: &DiffArgs, output: &mut Output) -> Result<Status, Failure> {
    let open = |text: &str| {
        Place::open(text, &args.map).map_err(|fault| match fault {
            PlaceFault::Misuse(reason) => Failure::misuse(anyhow!(reason)),
            PlaceFault::Store(fault) => store_failure(fault),
        })
    };
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let registries = args.network.client()?;
    let whole = |place: &Place| matches!(place, Place::Registry(crate::diff::place::Scope::Mapped(_)));
    let local = |place: &Place| matches!(place, Place::Local(_));
    if (whole(&a) && !local(&b)) || (whole(&b) && !local(&a)) {
        return Err(Failure::misuse(anyhow!(
            "a whole registry (HOST[/PREFIX]/) is compared with a store, a layout or a transfer"
        )));
    }
    let differences = wait(compare(&registries, &a, &b))?.map_err(|e| Failure::undecided(anyhow!(e)))?;
    if differences.compared == 0 {
        return Err(Failure::misuse(anyhow!("neither side has a name to compare")));
    }
    let status = if !differences.unknown.is_empty() {
        Status::Undecided
    } else if differences.any() {
        Status::Denied
    } else {
        Status::Allowed
    };
    let equal = status == Status::Allowed;
    let report = Report { schema: "sealock.dev/mirror-diff/v1", a: &args.a, b: &args.b, equal, differences };
    match args.output {
        Format::Json => output.data(&sealock::cli::store::json(&report)?)?,
        Format::Human => output.data(&human(&report))?,
    }
    Ok(status)
}

fn pieces(text: &mut String, sign: char, pieces: &[Piece]) {
    for piece in pieces {
        let layer = piece.layer.map(|layer| format!(", layer {layer}")).unwrap_or_default();
        let _ =
            writeln!(text, "    {sign} {} about {}: {}{layer}", piece.channel, piece.subject, piece.manifest);
    }
}

fn human(report: &Report<'_>) -> String {
    let mut text = String::new();
    let differences = &report.differences;
    for name in &differences.only_in_a {
        let _ = writeln!(text, "- {}", escape(name));
    }
    for name in &differences.only_in_b {
        let _ = writeln!(text, "+ {}", escape(name));
    }
    for moved in &differences.moved {
        let _ = writeln!(text, "~ {} {} -> {}", escape(&moved.name), moved.a, moved.b);
    }
    for unlike in &differences.unlike {
        let _ = writeln!(text, "! {} {}", escape(&unlike.name), unlike.digest);
        pieces(&mut text, '-', &unlike.evidence_only_in_a);
        pieces(&mut text, '+', &unlike.evidence_only_in_b);
        for digest in &unlike.missing_in_b {
            let _ = writeln!(text, "    - {digest}");
        }
        for digest in &unlike.missing_in_a {
            let _ = writeln!(text, "    + {digest}");
        }
    }
    for unknown in &differences.unknown {
        for reason in &unknown.reasons {
            let _ = writeln!(text, "? {} ({}): {}", escape(&unknown.name), unknown.side, escape(reason));
        }
    }
    let said = match (differences.unknown.is_empty(), differences.any()) {
        (false, _) => "cannot be told",
        (true, true) => "different",
        (true, false) => "equal",
    };
    let _ = writeln!(text, "{} names compared: {said}", differences.compared);
    text
}
