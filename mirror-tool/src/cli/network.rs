//! Flags about the way to registries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use sealock::cli::exit::Failure;
use sealock::cli::files;

use super::keychain::DockerKeychain;
use crate::credentials;
use crate::registry::clock::SystemClock;
use crate::registry::tls::PemFile;
use crate::registry::{Network, Registries};

/// Flags about the way to registries.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// A registry (`host` or `host:port`) to ask without TLS; may be given again
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    plain_http: Vec<String>,
    /// Certificates of authorities to trust beside the system's (PEM); a file without any is an error
    #[arg(long, value_name = "FILE")]
    ca_file: Vec<PathBuf>,
    /// Our own certificate chain (PEM), for registries that ask for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The private key of `--client-cert` (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Proxy for https
    #[arg(long, value_name = "URL", env = "HTTPS_PROXY", hide_env_values = true)]
    https_proxy: Option<String>,
    /// Proxy for http
    #[arg(long, value_name = "URL", env = "HTTP_PROXY", hide_env_values = true)]
    http_proxy: Option<String>,
    /// Hosts that no proxy is asked for
    #[arg(long, value_name = "HOSTS", env = "NO_PROXY")]
    no_proxy: Option<String>,
    /// Ask another registry in place of one, as `docker.io=mirror.example.com`; names stay as they are
    #[arg(long, value_name = "HOST=HOST")]
    registry_mirror: Vec<String>,
    /// Let a host of another site give tokens for a registry, as `registry.example.com=auth.example.net`
    #[arg(long, value_name = "HOST=HOST")]
    token_realm: Vec<String>,
    /// Docker's configuration file. Default: `config.json` in `$DOCKER_CONFIG`, else in ~/.docker
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
    /// Seconds for a connection to stand
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    connect_timeout: u64,
    /// Longest silence in seconds while something is read
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    read_timeout: u64,
    /// Requests under way to one registry
    #[arg(long, value_name = "N", default_value_t = 8)]
    in_flight: usize,
}

fn pem(path: &Path) -> Result<PemFile, Failure> {
    let bytes = files::read(path, credentials::MAX).map_err(Failure::misuse)?;
    Ok(PemFile { name: path.display().to_string(), bytes })
}

fn pair(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok((canonical(a), b.to_owned())),
        _ => Err(Failure::misuse(anyhow!("{text:?} is not HOST=HOST"))),
    }
}

/// A registry's host as in canonical names.
pub fn canonical(host: &str) -> String {
    if matches!(host, "docker.io" | "registry-1.docker.io") { "index.docker.io" } else { host }.to_owned()
}

impl NetworkArgs {
    fn network(&self) -> Result<Network, Failure> {
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(chain), Some(key)) => Some((pem(chain)?, pem(key)?)),
            _ => None,
        };
        let mut realms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for text in &self.token_realm {
            let (registry, host) = pair(text)?;
            realms.entry(registry).or_default().insert(host);
        }
        let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        Ok(Network {
            authorities: self.ca_file.iter().map(|p| pem(p)).collect::<Result<_, _>>()?,
            identity,
            system_roots: true,
            http_proxy: given(&self.http_proxy),
            https_proxy: given(&self.https_proxy),
            no_proxy: given(&self.no_proxy),
            plain_http: self.plain_http.iter().map(|host| canonical(host)).collect(),
            stand_ins: self.registry_mirror.iter().map(|t| pair(t)).collect::<Result<_, _>>()?,
            realms,
            connect_timeout: Duration::from_secs(self.connect_timeout.max(1)),
            read_timeout: Duration::from_secs(self.read_timeout.max(1)),
            in_flight: self.in_flight.clamp(1, 64),
        })
    }

    /// Docker's configuration file.
    pub fn configuration(&self) -> Option<PathBuf> {
        self.registry_config.clone().or_else(super::keychain::default_place)
    }

    /// The client.
    ///
    /// # Errors
    /// Exit 2 for files and values that do not fit.
    pub fn client(&self) -> Result<Registries, Failure> {
        let keychain = Arc::new(DockerKeychain::new(self.configuration()));
        Registries::new(self.network()?, keychain, Arc::new(SystemClock::new())).map_err(Failure::misuse)
    }
}

/// Runs asynchronous work to its end.
///
/// # Errors
/// Where the system gives no threads.
pub fn run<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(|e| Failure::undecided(anyhow::Error::new(e).context("no threads")))?;
    Ok(runtime.block_on(work))
}
