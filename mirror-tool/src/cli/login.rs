//! `sealock-mirror login` and `logout`: one entry of docker's configuration, or of the helper it names.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;

use super::keychain;
use super::network::canonical;
use crate::credentials::MAX;

/// Arguments of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// User
    #[arg(short, long, value_name = "NAME")]
    username: String,
    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
    #[command(flatten)]
    place: FileArgs,
    /// The registry, as in image names
    registry: String,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    #[command(flatten)]
    place: FileArgs,
    /// The registry, as in image names
    registry: String,
}

/// Which file.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// Docker's configuration file. Default: `config.json` in `$DOCKER_CONFIG`, else in ~/.docker
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl FileArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        self.registry_config.clone().or_else(keychain::default_place).ok_or_else(|| {
            Failure::misuse(anyhow!(
                "no place for the configuration: say --registry-config, or set DOCKER_CONFIG or HOME"
            ))
        })
    }
}

fn failure(reason: String) -> Failure {
    Failure::undecided(anyhow!(reason))
}

/// Keeps credentials. They are not tried; the first pull does.
///
/// # Errors
/// Exit 2 for a name or password that is none, 3 where they cannot be kept.
pub fn login(args: &LoginArgs, output: &mut Output) -> Result<Status, Failure> {
    let path = args.place.path()?;
    let mut password = String::new();
    std::io::stdin().lock().take(MAX).read_to_string(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if args.username.is_empty() || args.username.contains(':') || password.is_empty() {
        return Err(Failure::misuse(anyhow!("a login needs a user without ':' and a password")));
    }
    let registry = canonical(&args.registry);
    let mut configuration = keychain::read(&path).map_err(failure)?;
    if let Some((name, server)) = configuration.keeper(&registry).map_err(failure)? {
        let entry = serde_json::json!({"ServerURL": server, "Username": args.username, "Secret": password});
        keychain::helper(&name, "store", entry.to_string().as_bytes()).map_err(failure)?;
    } else {
        configuration.set(&registry, Some((&args.username, password)));
        keychain::write(&path, &configuration).map_err(failure)?;
    }
    output.note(&format!("credentials for {registry} are kept\n"));
    Ok(Status::Allowed)
}

/// Forgets credentials.
///
/// # Errors
/// Exit 3 where they cannot be removed.
pub fn logout(args: &LogoutArgs, output: &mut Output) -> Result<Status, Failure> {
    let path = args.place.path()?;
    let registry = canonical(&args.registry);
    let mut configuration = keychain::read(&path).map_err(failure)?;
    let mut removed = configuration.set(&registry, None);
    if removed {
        keychain::write(&path, &configuration).map_err(failure)?;
    }
    if let Some((name, server)) = configuration.keeper(&registry).map_err(failure)? {
        removed |= keychain::helper(&name, "erase", server.as_bytes()).map_err(failure)?.is_some();
    }
    let said = if removed { "are forgotten" } else { "were not held" };
    output.note(&format!("credentials for {registry} {said}\n"));
    Ok(Status::Allowed)
}
