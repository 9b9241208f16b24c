//! The command line: one file per verb, each `Args` → `run`. Only [`exit`] and [`output`] exit or print.
// Reason: the command line is where the environment, the clock and files named by the user come in.
#![allow(clippy::disallowed_methods)]

pub mod ad_hoc;
pub mod clock;
pub mod exit;
pub mod files;
pub mod findings;
pub mod images;
pub mod import;
pub mod inspect;
pub mod output;
pub mod pem_root;
pub mod place;
pub mod policies;
pub mod policy;
pub mod roots;
pub mod store;
pub mod tree;
pub mod trust;
pub mod verify;
pub mod verify_blob;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Failure, Status};
use output::Output;

/// Judges container images against Sigstore policies, with no network at all.
#[derive(Debug, Parser)]
#[command(name = "sealock", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Judge images against policies
    Verify(verify::VerifyArgs),
    /// Judge a file by its Sigstore bundle
    VerifyBlob(verify_blob::VerifyBlobArgs),
    /// Show evidence without judging it
    Inspect(inspect::InspectArgs),
    /// Draw an image, its children, and everything attached to them
    Tree(tree::TreeArgs),
    /// Work with policies.
    Policy(policy::PolicyArgs),
    /// Show and change the trust roots that verdicts rest on
    Trust(trust::TrustArgs),
    /// Print the version.
    Version,
    /// Make, list, check and rebuild the store.
    Store(store::StoreArgs),
    /// Take an OCI image layout, a directory or an archive, into the store.
    Import(import::ImportArgs),
}

/// Parses `args`, runs the verb, prints, and returns the exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut output = Output::standard();
    let result = match Cli::try_parse_from(args) {
        Ok(cli) => exit::guarded(|| run(&cli, &mut output)),
        Err(e) => Ok(exit::usage(&e, &mut output)),
    };
    exit::finish(result, &mut output)
}

fn run(cli: &Cli, output: &mut Output) -> Result<Status, Failure> {
    match &cli.verb {
        Verb::Verify(args) => verify::run(args, output),
        Verb::VerifyBlob(args) => verify_blob::run(args, output),
        Verb::Inspect(args) => inspect::run(args, output),
        Verb::Tree(args) => tree::run(args, output),
        Verb::Policy(args) => policy::run(args, output),
        Verb::Trust(args) => trust::run(args, output),
        Verb::Version => {
            output.data(&format!("sealock {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(Status::Allowed)
        }
        Verb::Store(args) => store::run(args, output),
        Verb::Import(args) => import::run(args, output),
    }
}
