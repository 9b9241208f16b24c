//! `sealock-mirror trust-root`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;
use sealock::cli::{clock, files};
use sealock_trust_root::embedded;

use super::network::NetworkArgs;
use crate::trust_root::{MAX_ROOT, PUBLIC_GOOD, Taken, take};

/// Arguments of `trust-root`.
#[derive(Debug, Args)]
pub struct TrustRootArgs {
    /// The pinned root to start from (`N.root.json`). Default: the one in this program, for the default URL only
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// The folder to write; one that holds an earlier state of the same repository is brought up to date
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// The repository's URL
    #[arg(default_value = PUBLIC_GOOD)]
    url: String,
}

/// Takes a TUF repository over. Exit 1 where it is refused, 3 where it cannot be read.
///
/// # Errors
/// [`Failure`].
pub fn run(args: &TrustRootArgs, output: &mut Output) -> Result<Status, Failure> {
    let pinned = match &args.root {
        Some(path) => files::read(path, MAX_ROOT).map_err(Failure::misuse)?,
        None if args.url == PUBLIC_GOOD => embedded::TUF_ROOT.to_vec(),
        None => {
            return Err(Failure::misuse(anyhow!(
                "{} is not the public-good repository: say which root to start from with --root FILE",
                args.url
            )));
        }
    };
    let registries = args.network.client()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::undecided(anyhow::Error::new(e).context("no threads")))?;
    let taken = match take(&registries, runtime.handle().clone(), &args.url, &pinned) {
        Ok(taken) => taken,
        Err(fault) if fault.is_open() => return Err(Failure::undecided(fault)),
        Err(fault) => return Err(Failure { status: Status::Denied, error: fault.into() }),
    };
    write(&args.output, &taken).map_err(Failure::undecided)?;
    let now = clock::now();
    let mut text = String::new();
    for role in &taken.roles {
        let old = if role.expires <= now { " (expired: a seal will refuse it)" } else { "" };
        let _ = writeln!(text, "{} {} until {}{old}", role.role, role.version, role.expires);
    }
    let _ = writeln!(
        text,
        "{} targets, {} files in {}",
        taken.targets.len(),
        taken.files.len(),
        args.output.display()
    );
    output.data(&text)?;
    Ok(Status::Allowed)
}

/// Writes each file as a whole, `timestamp.json` last. After a kill in between a reader finds the state before, or, where
/// a new root rotated keys, one that does not load until the next run; never another one. (`pull` keeps states whole.)
fn write(folder: &Path, taken: &Taken) -> anyhow::Result<()> {
    let last = "timestamp.json";
    let ordered = taken.files.iter().filter(|(name, _)| *name != last).chain(taken.files.get_key_value(last));
    for (name, bytes) in ordered {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        let part = parent.join(format!(".{}.part", std::process::id()));
        let done = (|| {
            let mut file = std::fs::File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            std::fs::File::open(parent)?.sync_all()
        })();
        done.with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
