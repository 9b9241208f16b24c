//! `sealock inspect`: evidence without judgement.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::exit::{Failure, Status};
use super::images::{Found, Sources};
use super::output::Output;
use super::verify::Format;
use crate::evidence::{Gathered, Place};
use crate::report::inspection;
use crate::store::gather;

/// Flags of `sealock inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The store that holds images and evidence
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    /// `name:tag`, `name@digest`, a bare digest, `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`
    #[arg(value_name = "IMAGE|DIGEST")]
    image: String,
}

/// Prints what every piece of evidence says of itself.
///
/// # Errors
/// [`Failure`] when there is nothing to look at.
pub fn run(args: &InspectArgs, output: &mut Output) -> Result<Status, Failure> {
    let mut sources = Sources::new(args.store.as_deref());
    let (found, repositories) = sources.find_or_digest(&args.image)?;
    let digest = found.digest.clone().map_err(|reason| Failure::undecided(anyhow!(reason)))?;
    let gathered = gather_all(&found, &repositories);
    let document = inspection::document(&args.image, &digest, &gathered);
    match args.output {
        Format::Json => output.data(&format!("{document}\n"))?,
        Format::Human => output.data(&inspection::text(&document))?,
    }
    let nothing = gathered.iter().all(|(_, g)| g.pieces.is_empty());
    if nothing {
        output.note("note: no evidence for this image is held here, which is no proof that none exists\n");
    }
    Ok(if gathered.iter().any(|(_, g)| g.fault.is_some()) { Status::Undecided } else { Status::Allowed })
}

/// What hangs on the image in each repository. Referrers hang on the digest alone and are listed once.
fn gather_all(found: &Found<'_>, repositories: &[String]) -> Vec<(String, Gathered)> {
    let Ok(digest) = &found.digest else { return Vec::new() };
    let mut seen = std::collections::HashSet::new();
    repositories
        .iter()
        .map(|repository| {
            let place = Place { repository: repository.clone(), tag_prefix: String::new() };
            let mut gathered = gather::gather(found.source, &place, digest);
            gathered.pieces.retain(|p| p.kind != crate::evidence::Kind::Bundle || seen.insert(p.digest));
            (repository.clone(), gathered)
        })
        .collect()
}
