//! How connections are made: certificates, proxies, plain HTTP, timeouts. All of it comes in from flags.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::tls::{self, PemFile};

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Network {
    /// Files with certificates of authorities, beside the system's.
    pub authorities: Vec<PemFile>,
    /// Certificate chain and private key that we show.
    pub identity: Option<(PemFile, PemFile)>,
    /// Whether the system's certificates count.
    pub system_roots: bool,
    /// Proxy for `http`, as a URL.
    pub http_proxy: Option<String>,
    /// Proxy for `https`, as a URL.
    pub https_proxy: Option<String>,
    /// Hosts that no proxy is asked for, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// Registries (`host` or `host:port`) that are asked without TLS.
    pub plain_http: BTreeSet<String>,
    /// Registries that another one stands in for: host → host.
    pub stand_ins: BTreeMap<String, String>,
    /// Hosts that may give tokens for a registry although they are of another site: registry → hosts.
    pub realms: BTreeMap<String, BTreeSet<String>>,
    /// Time for a connection to stand.
    pub connect_timeout: Duration,
    /// Longest silence while something is read.
    pub read_timeout: Duration,
    /// Requests under way to one host.
    pub in_flight: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            identity: None,
            system_roots: true,
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            plain_http: BTreeSet::new(),
            stand_ins: BTreeMap::new(),
            realms: BTreeMap::new(),
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(60),
            in_flight: 8,
        }
    }
}

/// What is wrong with the way to a registry.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFault {
    /// A file of certificates or keys.
    #[error("{file}: {reason}")]
    Certificates {
        /// As the user named it.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// TLS as a whole.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// The library's words.
        reason: String,
    },
    /// A proxy.
    #[error("{url:?} is not a proxy: {reason}")]
    Proxy {
        /// As given, without credentials.
        url: String,
        /// What does not fit.
        reason: String,
    },
    /// A host that cannot be asked.
    #[error("{host:?} cannot be asked: {reason}")]
    Host {
        /// As in the image's name.
        host: String,
        /// What does not fit.
        reason: String,
    },
}

impl Network {
    /// The HTTP client. It follows no redirect and reads no environment.
    ///
    /// # Errors
    /// Every kind of [`NetworkFault`] but the last.
    pub(super) fn client(&self) -> Result<reqwest::Client, NetworkFault> {
        let tls = tls::configuration(&self.authorities, self.identity.as_ref(), self.system_roots)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .user_agent(concat!("sealock-mirror/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .pool_max_idle_per_host(self.in_flight)
            .tcp_nodelay(true);
        let except = || self.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        let fault = |url: &str, e: &reqwest::Error| NetworkFault::Proxy {
            url: url.rsplit('@').next().unwrap_or_default().to_owned(),
            reason: e.to_string(),
        };
        // The library lets * stand for names only; everybody else means addresses too.
        let none =
            self.no_proxy.as_deref().is_some_and(|list| list.split(',').any(|host| host.trim() == "*"));
        if let Some(url) = self.http_proxy.as_ref().filter(|_| !none) {
            let proxy = reqwest::Proxy::http(url).map_err(|e| fault(url, &e))?;
            builder = builder.proxy(proxy.no_proxy(except()));
        }
        if let Some(url) = self.https_proxy.as_ref().filter(|_| !none) {
            let proxy = reqwest::Proxy::https(url).map_err(|e| fault(url, &e))?;
            builder = builder.proxy(proxy.no_proxy(except()));
        }
        builder.build().map_err(|e| NetworkFault::Tls { reason: e.to_string() })
    }
}
