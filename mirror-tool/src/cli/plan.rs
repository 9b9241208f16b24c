//! `sealock-mirror plan`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;
use sealock::cli::place::store_directory;
use sealock::cli::store::PATIENCE;
use sealock::store::Writer;

use super::network::{NetworkArgs, run as wait};
use super::wanted::WantedArgs;
use crate::plan::file::plan;
use crate::pull::walk;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The store to compare with; one that does not exist holds nothing
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    wanted: WantedArgs,
}

/// Resolves every name once, asks every question, and prints the plan. Exit 3 where something is unknown.
///
/// # Errors
/// [`Failure`] where there is no plan to print.
pub fn run(args: &PlanArgs, output: &mut Output) -> Result<Status, Failure> {
    if args.wanted.is_empty() {
        return Err(Failure::misuse(anyhow!(
            "nothing to plan: name images, -f mirror.yaml, or --manifests -"
        )));
    }
    let read = args.wanted.read(None, output)?;
    let registries = args.network.client()?;
    let root = store_directory(args.store.as_deref());
    let writer = if root.join("store.json").exists() {
        Some(Writer::open(&root, "plan", PATIENCE).map_err(Failure::from)?)
    } else {
        None
    };
    let intake = writer.as_ref().map(Writer::intake).transpose().map_err(Failure::from)?;
    let (order, walked) = wait(async {
        let order = read.order(&registries).await?;
        let walked = walk(&registries, intake.as_ref(), false, &order).await;
        Ok::<_, Failure>((order, walked))
    })??;
    let mut file = plan(&order, &walked, intake.as_ref()).map_err(|e| Failure::undecided(anyhow!(e)))?;
    file.carry(&read.carried).map_err(|e| Failure::misuse(anyhow!(e)))?;
    output.data(&file.text().map_err(|e| Failure::undecided(anyhow!(e)))?)?;
    let open = walked.iter().any(|walk| !walk.problems.is_empty() || walk.open().next().is_some());
    Ok(if open { Status::Undecided } else { Status::Allowed })
}
