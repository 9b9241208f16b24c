//! The command line: one file per verb, each `Args` → `run`.
// Reason: the command line is where the environment, the clock and files named by the user come in.
#![allow(clippy::disallowed_methods)]

pub mod diff;
pub mod keychain;
pub mod login;
pub mod network;
pub mod operators;
pub mod plan;
pub mod progress;
pub mod pull;
pub mod push;
pub mod seal;
pub mod trust_root;
pub mod wanted;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sealock::cli::exit::{self, Failure, Status};
use sealock::cli::output::Output;

/// Carries images and all their proof across an air gap.
#[derive(Debug, Parser)]
#[command(name = "sealock-mirror", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write one sealed transfer of what the store holds
    Seal(Box<seal::SealArgs>),
    /// Keep the file of those who may seal
    Operators(operators::OperatorsArgs),
    /// Resolve names once, ask what evidence there is, and print what would be brought
    Plan(plan::PlanArgs),
    /// Bring images with all their evidence into a store
    Pull(pull::PullArgs),
    /// Bring images of a store, with all their evidence, to a registry
    Push(Box<push::PushArgs>),
    /// Compare two places by content
    Diff(Box<diff::DiffArgs>),
    /// Take a TUF repository over, byte for byte
    TrustRoot(trust_root::TrustRootArgs),
    /// Keep credentials for a registry
    Login(login::LoginArgs),
    /// Forget credentials for a registry
    Logout(login::LogoutArgs),
    /// Print the version
    Version,
}

/// Parses `args`, runs the verb, prints, and returns the exit status.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut output = Output::standard();
    let result = match Cli::try_parse_from(args) {
        Ok(cli) => run(&cli, &mut output),
        Err(e) => Ok(exit::usage(&e, &mut output)),
    };
    exit::finish(result, &mut output)
}

fn run(cli: &Cli, output: &mut Output) -> Result<Status, Failure> {
    match &cli.verb {
        Verb::Seal(args) => seal::run(args, output),
        Verb::Operators(args) => operators::run(args, output),
        Verb::Plan(args) => plan::run(args, output),
        Verb::Pull(args) => pull::run(args, output),
        Verb::Push(args) => push::run(args, output),
        Verb::Diff(args) => diff::run(args, output),
        Verb::TrustRoot(args) => trust_root::run(args, output),
        Verb::Login(args) => login::login(args, output),
        Verb::Logout(args) => login::logout(args, output),
        Verb::Version => {
            output.data(&format!("sealock-mirror {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(Status::Allowed)
        }
    }
}
