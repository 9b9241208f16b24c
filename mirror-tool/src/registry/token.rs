//! Who we are to a registry: challenges, credentials, tokens.
//!
//! Input: `WWW-Authenticate` of a 401. Output: an `Authorization` header for that registry and repository.
//!
//! | rule | source |
//! |---|---|
//! | `Basic` and `Bearer` challenges, parameters quoted or not | RFC 9110 §11, distribution's token specification |
//! | the scope asked for is ours (`repository:<path>:pull`), not the challenge's | a challenge may ask for more than we need |
//! | credentials go to a realm on the registry's own host, on a host above or below it in the domain, on Docker Hub's, or on one the user named | ours: a registry must not collect what is meant for it elsewhere |
//! | a realm elsewhere may give anonymous tokens, if it is no nearer than the registry, and never without TLS unless the registry is without | ours |
//! | an identity token is exchanged by `POST` | distribution's `OAuth2` specification |
//! | `expires_in` counts, 60 s where it is missing, at most a day | distribution's token specification |
//! | a token endpoint that fails is an open question with its own words, never an anonymous request | `oci-client` sends one |
//!
//! Attacks considered: `ssrf_and_credential_leak`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::{Host, Url};

use super::answer::{Doubt, plain};
use super::{Network, limits, reach};

/// What a user holds for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password.
    Password {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A token that is exchanged for others.
    Identity {
        /// The token.
        token: String,
    },
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user})"),
            Self::Identity { .. } => f.write_str("Identity"),
        }
    }
}

/// Where credentials are looked up.
pub trait Keychain: std::fmt::Debug + Send + Sync {
    /// What is held for a registry, by its host as in image names.
    ///
    /// # Errors
    /// With the reason, where it cannot be told; that is not the same as none.
    fn find(&self, registry: &str) -> Result<Option<Credential>, String>;
}

/// Nothing is held for anybody.
#[derive(Debug)]
pub struct Anonymous;

impl Keychain for Anonymous {
    fn find(&self, _: &str) -> Result<Option<Credential>, String> {
        Ok(None)
    }
}

/// What a 401 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from a realm.
    Bearer {
        /// URL of the token endpoint.
        realm: String,
        /// Name of the service; may be empty.
        service: String,
    },
}

/// Reads `WWW-Authenticate`; the first challenge that is understood counts, `Bearer` before `Basic`.
pub fn challenge<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
    let mut basic = false;
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            basic = true;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            let parameters = parameters(rest);
            let get = |name: &str| {
                parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
            };
            if let Some(realm) = get("realm") {
                return Some(Challenge::Bearer { realm, service: get("service").unwrap_or_default() });
            }
        }
    }
    basic.then_some(Challenge::Basic)
}

/// `name=value` pairs, quoted or not, as far as they can be read.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_owned();
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let mut text = String::new();
            let mut characters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, c)) = characters.next() {
                match c {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => text.extend(characters.next().map(|(_, c)| c)),
                    c => text.push(c),
                }
            }
            value = text;
            rest = quoted.get(end..).unwrap_or_default();
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value = after.get(..end).unwrap_or_default().trim().to_owned();
            rest = after.get(end..).unwrap_or_default();
        }
        found.push((name, value));
    }
    found
}

/// An `Authorization` header, and until when it may be used.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The header, marked sensitive.
    pub header: HeaderValue,
    /// On the client's clock; nothing for basic.
    pub until: Option<Duration>,
}

/// The header for user and password.
///
/// # Errors
/// [`Doubt`] where they cannot stand in a header.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, Doubt> {
    header(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The header for a token.
///
/// # Errors
/// [`Doubt`] where it cannot stand in a header.
pub fn bearer(token: &str) -> Result<HeaderValue, Doubt> {
    header(&format!("Bearer {token}"))
}

fn header(text: &str) -> Result<HeaderValue, Doubt> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| Doubt::new("the credentials cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The realm as a URL that may be asked, and whether credentials may go there.
///
/// # Errors
/// [`Doubt`] for a realm that must not be asked at all.
pub async fn realm(network: &Network, registry: &str, base: &Url, realm: &str) -> Result<(Url, bool), Doubt> {
    let shown = plain(realm);
    let url =
        base.join(realm).map_err(|e| Doubt::new(format!("its token realm {shown:?} is no URL: {e}")))?;
    let own = super::endpoint::same_origin(base, &url);
    if !own && !reach::allowed(base, &url).await {
        return Err(Doubt::new(format!(
            "its token realm {shown:?} is nearer to this machine than the registry, or less protected, and was not asked"
        )));
    }
    let host = super::endpoint::authority(&url);
    let named = network.realms.get(registry).is_some_and(|hosts| hosts.contains(&host));
    Ok((url.clone(), own || named || same_site(base, &url)))
}

/// Whether two hosts are one above the other in the domain, with at least two labels, or are Docker Hub's.
fn same_site(one: &Url, other: &Url) -> bool {
    if other.scheme() != "https" {
        return false;
    }
    let (Some(Host::Domain(one)), Some(Host::Domain(other))) = (one.host(), other.host()) else {
        return false;
    };
    if (one, other) == ("registry-1.docker.io", "auth.docker.io") {
        return true;
    }
    let below = |low: &str, high: &str| {
        high.contains('.')
            && low.strip_suffix(high).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    below(one, other) || below(other, one)
}

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

/// Reads what a token endpoint gave: the token, and how long it lives.
///
/// # Errors
/// [`Doubt`] where there is none in it.
pub fn given(body: &[u8]) -> Result<(String, Duration), Doubt> {
    let given: Given = serde_json::from_slice(body)
        .map_err(|_| Doubt::new("the token endpoint's answer is not JSON of the expected shape"))?;
    let token = if given.token.is_empty() { given.access_token } else { given.token };
    if token.is_empty() {
        return Err(Doubt::new("the token endpoint gave no token"));
    }
    // A little early, so that it does not end under way.
    let seconds = given.expires_in.unwrap_or(60).min(limits::TOKEN_LIFE);
    Ok((token, Duration::from_secs(seconds.saturating_sub(seconds.min(60) / 6))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let read = |text: &str| challenge(std::iter::once(text));
        let bearer = |realm: &str, service: &str| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.into() })
        };
        assert_eq!(
            read(r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#),
            bearer("https://a/t", "s")
        );
        assert_eq!(read(r#"bearer service=s, realm="https://a/\"t""#), bearer("https://a/\"t", "s"));
        assert_eq!(read("Basic realm=x"), Some(Challenge::Basic));
        assert_eq!(read("Negotiate"), None);
        assert_eq!(read(r#"Bearer realm="unterminated"#), bearer("unterminated", ""));
        assert_eq!(challenge(["Basic realm=x", "Bearer realm=\"r\""].into_iter()), bearer("r", ""));
    }

    #[tokio::test]
    async fn credentials_stay_within_the_site() {
        let network = Network {
            realms: [("r.example".to_owned(), ["auth.other".to_owned()].into())].into(),
            ..Network::default()
        };
        for (base, realm_url, fine) in [
            ("https://registry-1.docker.io/", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io/", "https://ghcr.io/token", true),
            ("https://ghcr.io/", "https://evil.example/token", false),
            ("https://ghcr.io/", "https://evilghcr.io/token", false),
            ("https://a.io/", "https://io/token", false),
            ("https://r.example/", "https://auth.other/token", true),
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/token", false),
            ("http://127.0.0.1:1/", "/token", true),
        ] {
            let base = Url::parse(base).unwrap();
            let (_, given) = realm(&network, base.host_str().unwrap(), &base, realm_url).await.unwrap();
            assert_eq!(given, fine, "{base} {realm_url}");
        }
        let base = Url::parse("https://1.1.1.1/").unwrap();
        for bad in ["https://127.0.0.1/t", "https://169.254.169.254/t", "http://2.2.2.2/t", "file:///x"] {
            assert!(realm(&network, "1.1.1.1", &base, bad).await.is_err(), "{bad}");
        }
    }

    #[test]
    fn lives_of_tokens() {
        assert_eq!(
            given(br#"{"token":"t","expires_in":300}"#).unwrap(),
            ("t".into(), Duration::from_secs(290))
        );
        assert_eq!(given(br#"{"access_token":"a"}"#).unwrap(), ("a".into(), Duration::from_secs(50)));
        assert!(given(b"{}").is_err() && given(b"<html>").is_err());
        let long = given(br#"{"token":"t","expires_in":99999999999}"#).unwrap().1;
        assert!(long.as_secs() <= limits::TOKEN_LIFE);
    }
}
