//! How near to us a host is. A registry far away must not send us to a machine next door.
//!
//! | from \ to | the internet | private network | this machine, link-local |
//! |---|---|---|---|
//! | the internet | yes | no | no |
//! | private network | yes | yes | no |
//! | this machine | yes | yes | yes |
//!
//! What is checked is what the name resolves to before the request; a name that changes its mind between the two is
//! stopped by the digest, which the answer must hash to, and gets no credentials in any case.
//!
//! Attacks considered: redirects to `169.254.169.254`, to `localhost`, to an intranet's host by name.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

/// How near a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Anywhere.
    Public,
    /// Addresses of private networks.
    Private,
    /// This machine, its links, and what has no other place.
    Local,
}

/// Where an address is.
pub fn of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return of_v4(v4);
            }
            let [first, ..] = v6.segments();
            if v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || first & 0xffc0 == 0xfe80 {
                Reach::Local
            } else if first & 0xfe00 == 0xfc00 {
                Reach::Private
            } else {
                Reach::Public
            }
        }
    }
}

fn of_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, ..] = v4.octets();
    if v4.is_loopback()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_multicast()
        || a == 0
        || a >= 240
    {
        Reach::Local
    } else if v4.is_private() || (a == 100 && b & 0xc0 == 64) {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// Where a URL's host is: the nearest of its addresses. A name that does not resolve here is for the proxy to find.
pub async fn of_url(url: &Url) -> Reach {
    match url.host() {
        Some(Host::Ipv4(v4)) => of(v4.into()),
        Some(Host::Ipv6(v6)) => of(v6.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                return Reach::Local;
            }
            let port = url.port_or_known_default().unwrap_or(443);
            match tokio::net::lookup_host((name, port)).await {
                Ok(found) => found.map(|a| of(a.ip())).max().unwrap_or(Reach::Public),
                Err(_) => Reach::Public,
            }
        }
        None => Reach::Local,
    }
}

/// Whether `from` may send us to `to`.
pub async fn allowed(from: &Url, to: &Url) -> bool {
    matches!(to.scheme(), "https" | "http")
        && (to.scheme() == "https" || from.scheme() == "http")
        && of_url(to).await <= of_url(from).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, reach) in [
            ("1.1.1.1", Reach::Public),
            ("10.1.2.3", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("192.168.0.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("127.0.0.1", Reach::Local),
            ("169.254.169.254", Reach::Local),
            ("0.0.0.0", Reach::Local),
            ("255.255.255.255", Reach::Local),
            ("::1", Reach::Local),
            ("fe80::1", Reach::Local),
            ("fd00::1", Reach::Private),
            ("::ffff:127.0.0.1", Reach::Local),
            ("2606:4700::1", Reach::Public),
        ] {
            assert_eq!(of(text.parse().unwrap()), reach, "{text}");
        }
    }

    #[tokio::test]
    async fn nobody_sends_us_nearer() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, fine) in [
            ("https://1.1.1.1/", "https://2.2.2.2/", true),
            ("https://1.1.1.1/", "http://2.2.2.2/", false),
            ("https://1.1.1.1/", "https://169.254.169.254/latest", false),
            ("https://1.1.1.1/", "https://localhost/", false),
            ("https://1.1.1.1/", "https://10.0.0.1/", false),
            ("https://10.0.0.1/", "https://10.0.0.2/", true),
            ("https://10.0.0.1/", "https://127.0.0.1/", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:6000/", true),
            ("https://127.0.0.1/", "file:///etc/passwd", false),
        ] {
            assert_eq!(allowed(&url(from), &url(to)).await, fine, "{from} {to}");
        }
    }
}
