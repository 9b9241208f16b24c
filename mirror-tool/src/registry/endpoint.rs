//! Which server a repository is asked from.
//!
//! | rule | source |
//! |---|---|
//! | `index.docker.io` is served by `registry-1.docker.io` | Docker Hub |
//! | a host on the plain-HTTP list is asked without TLS, every other one with | flags |
//! | the host of the URL is the host of the name, or nothing is asked | a name may hold what a URL reads otherwise |
//! | path components are neither empty nor `.` nor `..` | a URL would lead somewhere else |

use sealock::image::{Digest, Reference};
use url::Url;

use super::{Network, NetworkFault};

const HUB: &str = "index.docker.io";
const HUB_SERVER: &str = "registry-1.docker.io";

/// A repository as asked for: canonical name, and where it is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// Canonical name with host, as `index.docker.io/library/alpine`.
    pub name: String,
    /// Host that credentials are looked up for, as in the name.
    pub registry: String,
    /// Path without host.
    pub path: String,
}

impl Repository {
    /// The repository of a canonical name.
    ///
    /// # Errors
    /// [`NetworkFault::Host`] where the path would lead to another place in a URL.
    pub fn parse(canonical: &str) -> Result<Self, NetworkFault> {
        let (registry, path) = canonical.split_once('/').unwrap_or((canonical, ""));
        let fault =
            |reason: &str| NetworkFault::Host { host: canonical.to_owned(), reason: reason.to_owned() };
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(fault("its path has an empty component, or . or .."));
        }
        Ok(Self { name: canonical.to_owned(), registry: registry.to_owned(), path: path.to_owned() })
    }

    /// The repository of an image.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of(reference: &Reference) -> Result<Self, NetworkFault> {
        Self::parse(reference.repository())
    }

    /// Name and digest.
    pub fn pinned(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.name)
    }
}

/// The host that serves `registry`, and the URL of its root.
///
/// # Errors
/// [`NetworkFault::Host`] where the name is no host of a URL.
pub fn base(network: &Network, registry: &str) -> Result<(String, Url), NetworkFault> {
    let stand_in = network.stand_ins.get(registry).map(String::as_str);
    let served = stand_in.unwrap_or(if registry == HUB { HUB_SERVER } else { registry });
    let plain = network.plain_http.contains(served) || network.plain_http.contains(registry);
    let scheme = if plain { "http" } else { "https" };
    let fault = |reason: String| NetworkFault::Host { host: registry.to_owned(), reason };
    if !served.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) {
        return Err(fault("it holds characters that no host has".to_owned()));
    }
    let url = Url::parse(&format!("{scheme}://{served}/")).map_err(|e| fault(e.to_string()))?;
    let wanted = served.trim_end_matches(if plain { ":80" } else { ":443" }).to_ascii_lowercase();
    if authority(&url) != wanted
        || !url.username().is_empty()
        || url.password().is_some()
        || url.path() != "/"
    {
        return Err(fault(format!("a URL reads it as {:?}", authority(&url))));
    }
    Ok((served.to_owned(), url))
}

/// `host[:port]` of a URL, without a default port.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether two URLs are of one origin: scheme, host, port.
pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_they_say() {
        let mut network = Network::default();
        network.plain_http.insert("localhost:5000".into());
        let url = |host: &str| base(&network, host).map(|(_, url)| url.to_string());
        assert_eq!(url("index.docker.io").unwrap(), "https://registry-1.docker.io/");
        assert_eq!(url("localhost:5000").unwrap(), "http://localhost:5000/");
        assert_eq!(url("ghcr.io:443").unwrap(), "https://ghcr.io/");
        assert_eq!(url("REG.example.com").unwrap(), "https://reg.example.com/");
        for odd in ["0x7f.1", "a\"b.io", "2130706433", "r\u{e9}g.io", "a.io:99999", "a.io;b"] {
            assert!(base(&network, odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for bad in ["ghcr.io/../..", "ghcr.io//a", "ghcr.io/a/./b", "ghcr.io/a/", "ghcr.io"] {
            assert!(Repository::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Repository::parse("ghcr.io/a/b").unwrap().path, "a/b");
    }
}
