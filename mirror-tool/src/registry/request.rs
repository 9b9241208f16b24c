//! One request to a registry, with everything that may come between it and its answer: gates, tries, tokens, redirects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    RANGE,
};
use reqwest::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::answer::{self, Answer, Doubt, plain};
use super::clock::Clock;
use super::endpoint::{self, Repository};
use super::outflow::{Load, stalled};
use super::retry::{self, Gate};
use super::token::{self, Challenge, Credential, Grant, Keychain};
use super::{Network, NetworkFault, limits, reach};

/// The client of all registries of a run.
#[derive(Clone, Debug)]
pub struct Registries {
    shared: Arc<Shared>,
    tries: u32,
    /// For requests with content, which may take long: without a limit on the time to the answer. Where it is there,
    /// tokens are asked for that let us write too.
    patient: Option<reqwest::Client>,
}

#[derive(Debug)]
struct Shared {
    network: Network,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    keychain: Arc<dyn Keychain>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// One server, with what is known about it.
#[derive(Debug)]
pub(super) struct Host {
    /// As in image names.
    registry: String,
    /// Whose credentials it gets: its own where it stands in for another.
    account: String,
    /// Root of its URLs.
    pub(super) base: Url,
    gate: Gate,
    permits: Arc<Semaphore>,
    grants: Mutex<HashMap<String, Grant>>,
    /// Held while a token is fetched, so that many workers fetch one.
    granting: tokio::sync::Mutex<()>,
}

/// Where a request may be led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// Only within the same origin.
    SameOrigin,
    /// To other hosts too, without credentials.
    Anywhere,
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// The server.
    pub host: &'a Arc<Host>,
    /// The repository that it concerns, for tokens.
    pub repository: &'a Repository,
    /// `GET` or `HEAD`.
    pub method: Method,
    /// Whole URL.
    pub url: Url,
    /// Media types.
    pub accept: &'static str,
    /// First byte wanted.
    pub from: u64,
    /// Redirects.
    pub follow: Follow,
}

/// An answer whose body was read whole.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most what was allowed.
    pub body: Vec<u8>,
    /// Where it came from in the end.
    pub url: Url,
}

/// An answer whose body is still to come; holds the host's permit.
pub(super) struct Open {
    /// The answer.
    pub response: reqwest::Response,
    _permit: OwnedSemaphorePermit,
}

/// How a try ended that gave no answer.
enum Trouble {
    /// Worth another try, after at least that long.
    Again(Doubt, Option<Duration>),
    /// Not worth one.
    End(Doubt),
}

impl Registries {
    /// A client.
    ///
    /// # Errors
    /// [`NetworkFault`] where the network's description does not fit together.
    pub fn new(
        network: Network,
        keychain: Arc<dyn Keychain>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NetworkFault> {
        let client = network.client()?;
        let hosts = Mutex::new(HashMap::new());
        let shared = Arc::new(Shared { network, client, clock, keychain, hosts });
        Ok(Self { shared, tries: limits::TRIES, patient: None })
    }

    /// The same client with another number of tries, for what can be done without.
    #[must_use]
    pub fn with_tries(&self, tries: u32) -> Self {
        Self { shared: Arc::clone(&self.shared), tries: tries.max(1), patient: self.patient.clone() }
    }

    /// The same client, made to write.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_writing(&self) -> Result<Self, NetworkFault> {
        let mut network = self.shared.network.clone();
        network.read_timeout = limits::UPLOAD;
        Ok(Self { shared: Arc::clone(&self.shared), tries: self.tries, patient: Some(network.client()?) })
    }

    /// The server of a repository.
    pub(super) fn host(&self, repository: &Repository) -> Result<Arc<Host>, Doubt> {
        let mut hosts = self.shared.hosts.lock().map_err(|_| Doubt::new("an earlier request broke off"))?;
        if let Some(host) = hosts.get(&repository.registry) {
            return Ok(Arc::clone(host));
        }
        let (served, base) = endpoint::base(&self.shared.network, &repository.registry)
            .map_err(|e| Doubt::new(e.to_string()))?;
        let host = Arc::new(Host {
            registry: repository.registry.clone(),
            account: if self.has_stand_in(&repository.registry) {
                served
            } else {
                repository.registry.clone()
            },
            base,
            gate: Gate::default(),
            permits: Arc::new(Semaphore::new(self.shared.network.in_flight.max(1))),
            grants: Mutex::default(),
            granting: tokio::sync::Mutex::default(),
        });
        hosts.insert(repository.registry.clone(), Arc::clone(&host));
        Ok(host)
    }

    /// `/v2/<path>/<rest>` on the server of a repository.
    pub(super) fn url(host: &Host, repository: &Repository, rest: &str) -> Result<Url, Doubt> {
        host.base
            .join(&format!("/v2/{}/{rest}", repository.path))
            .map_err(|e| Doubt::new(format!("no URL can be made: {e}")))
    }

    /// Whether another server stands in for this one.
    pub(super) fn has_stand_in(&self, registry: &str) -> bool {
        self.shared.network.stand_ins.contains_key(registry)
    }

    /// Asks until there is an answer that is not worth another try, and reads it whole.
    pub(super) async fn whole(&self, ask: &Ask<'_>, limit: u64) -> Result<Whole, Doubt> {
        let mut tried = 0;
        loop {
            let trouble = match self.once(ask).await {
                Ok(open) => match read_whole(open, limit).await {
                    Ok(whole) => return Ok(whole),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            self.wait(ask.host, trouble, &mut tried).await?;
        }
    }

    /// One try with content; without an answer, the wait after it, and nothing.
    pub(super) async fn attempt(
        &self,
        ask: &Ask<'_>,
        load: &Load<'_>,
        tried: &mut u32,
    ) -> Result<Option<Whole>, Doubt> {
        let once = async {
            let open = self.carry(ask, Some(load)).await?;
            tokio::select! {
                whole = read_whole(open, limits::SMALL) => whole,
                () = stalled(load.taken, self.shared.network.read_timeout) => Err(still()),
            }
        };
        match once.await {
            Ok(whole) => Ok(Some(whole)),
            Err(trouble) => self.wait(ask.host, trouble, tried).await.map(|()| None),
        }
    }

    /// Asks until there is an answer; its body is the caller's.
    pub(super) async fn open(&self, ask: &Ask<'_>, tried: &mut u32) -> Result<Open, Doubt> {
        loop {
            match self.once(ask).await {
                Ok(open) => return Ok(open),
                Err(trouble) => self.wait(ask.host, trouble, tried).await?,
            }
        }
    }

    /// Waits after a broken body before the caller asks for the rest.
    pub(super) async fn pause(&self, host: &Arc<Host>, doubt: Doubt, tried: &mut u32) -> Result<(), Doubt> {
        self.wait(host, Trouble::Again(doubt, None), tried).await
    }

    async fn wait(&self, host: &Host, trouble: Trouble, tried: &mut u32) -> Result<(), Doubt> {
        let clock = self.shared.clock.as_ref();
        *tried += 1;
        match trouble {
            Trouble::End(doubt) => Err(doubt),
            Trouble::Again(mut doubt, _) if *tried >= self.tries => {
                doubt.reason = format!("{} (after {} tries)", doubt.reason, self.tries);
                Err(doubt)
            }
            Trouble::Again(mut doubt, demanded) => {
                if let Some(demanded) = demanded.filter(|d| retry::too_long(*d)) {
                    doubt.reason = format!("{} and asks to wait {} s", doubt.reason, demanded.as_secs());
                    return Err(doubt);
                }
                let wait = retry::backoff(*tried, clock.random()).max(demanded.unwrap_or_default());
                if demanded.is_some() || doubt.status == Some(429) {
                    host.gate.close(clock, wait);
                } else {
                    clock.sleep(wait).await;
                }
                Ok(())
            }
        }
    }

    /// One try: through the gate, with a token where one is held, a new one where it is refused, along redirects.
    async fn once(&self, ask: &Ask<'_>) -> Result<Open, Trouble> {
        self.carry(ask, None).await
    }

    async fn carry(&self, ask: &Ask<'_>, load: Option<&Load<'_>>) -> Result<Open, Trouble> {
        let host = ask.host;
        let from = load.and_then(|load| load.from);
        host.gate.pass(self.shared.clock.as_ref()).await;
        let permit = Arc::clone(&host.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Trouble::End(Doubt::new("the client was shut down")))?;
        let mut grant = self.held(host, &self.key(ask, from));
        let mut response = self.send(ask, load, &ask.url, grant.as_ref().map(|g| &g.header)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let asked: Vec<_> = response
                .headers()
                .get_all(reqwest::header::WWW_AUTHENTICATE)
                .iter()
                .filter_map(|v| v.to_str().ok())
                .map(str::to_owned)
                .collect();
            let Some(challenge) = token::challenge(asked.iter().map(String::as_str)) else {
                return Err(Trouble::End(Doubt::of(
                    401,
                    "the registry answered 401 without saying how to log in",
                )));
            };
            let stale = grant.take().map(|g| g.header);
            match self.grant(ask, from, &challenge, stale.as_ref()).await? {
                Some(fresh) => response = self.send(ask, load, &ask.url, Some(&fresh.header)).await?,
                None => {
                    return Err(Trouble::End(Doubt::of(
                        401,
                        format!("{} asks for a login, and no credentials are held for it", host.account),
                    )));
                }
            }
        }
        if load.is_none() {
            response = self.follow(ask, response).await?;
        }
        let status = response.status().as_u16();
        if retry::again(status) {
            let demanded = response
                .headers()
                .get(reqwest::header::RETRY_AFTER)
                .and_then(|v| v.to_str().ok())
                .and_then(|v| retry::retry_after(v, self.shared.clock.wall()));
            let body = read_whole(Open { response, _permit: permit }, limits::SMALL).await;
            let body = body.map(|whole| whole.body).unwrap_or_default();
            let doubt = match answer::negative::<()>(status, &body) {
                Answer::Unknown(doubt) => doubt,
                _ => Doubt::of(status, format!("the registry answered {status}")),
            };
            return Err(Trouble::Again(doubt, demanded));
        }
        Ok(Open { response, _permit: permit })
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        load: Option<&Load<'_>>,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<reqwest::Response, Trouble> {
        let client = self.patient.as_ref().filter(|_| load.is_some()).unwrap_or(&self.shared.client);
        let mut request = client.request(ask.method.clone(), url.clone()).header(ACCEPT, ask.accept);
        if let Some(load) = load {
            request = request.header(CONTENT_LENGTH, load.length).body((load.body)());
            if !load.media_type.is_empty() {
                request = request.header(CONTENT_TYPE, load.media_type);
            }
            if let Some((first, last)) = load.range {
                request = request.header(CONTENT_RANGE, format!("{first}-{last}"));
            }
        }
        if ask.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.from));
        }
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let Some(load) = load else { return request.send().await.map_err(|e| transport(&e)) };
        tokio::select! {
            response = request.send() => response.map_err(|e| transport(&e)),
            () = stalled(load.taken, self.shared.network.read_timeout) => Err(still()),
        }
    }

    /// Follows redirects as far as `ask` allows. Credentials never come along: what a registry redirects to carries
    /// its permission in the URL.
    async fn follow(
        &self,
        ask: &Ask<'_>,
        mut response: reqwest::Response,
    ) -> Result<reqwest::Response, Trouble> {
        let mut at = ask.url.clone();
        let mut steps = 0;
        while matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            let status = response.status().as_u16();
            let end = |reason: String| Trouble::End(Doubt::of(status, reason));
            let location = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let shown = plain(location.split('?').next().unwrap_or_default());
            let Ok(to) = at.join(location) else {
                return Err(end(format!(
                    "the registry answered {status} and leads to {shown:?}, which is no URL"
                )));
            };
            let inside = endpoint::same_origin(&ask.url, &to);
            if !inside && ask.follow == Follow::SameOrigin {
                return Err(end(format!(
                    "the registry answered {status} and leads to another host ({}), which proves nothing",
                    plain(&endpoint::authority(&to))
                )));
            }
            if !inside && !reach::allowed(&ask.url, &to).await {
                return Err(end(format!(
                    "the registry answered {status} and leads to {:?}, which is nearer to this machine than the registry, \
                     or less protected",
                    plain(&endpoint::authority(&to))
                )));
            }
            steps += 1;
            if steps > limits::REDIRECTS {
                return Err(end(format!("more than {} redirects", limits::REDIRECTS)));
            }
            let grant = if inside { self.held(ask.host, &self.key(ask, None)) } else { None };
            response = self.send(ask, None, &to, grant.as_ref().map(|g| &g.header)).await?;
            at = to;
        }
        Ok(response)
    }

    /// What a request needs to be allowed: the scopes of the token that is asked for, and its key among the grants.
    fn key(&self, ask: &Ask<'_>, from: Option<&str>) -> String {
        let what = if self.patient.is_some() { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{what}", ask.repository.path);
        from.map_or_else(|| own.clone(), |from| format!("{own} repository:{from}:pull"))
    }

    /// The grant held under a key, if it still holds.
    fn held(&self, host: &Host, key: &str) -> Option<Grant> {
        let grants = host.grants.lock().ok()?;
        let grant = grants.get(key).or_else(|| grants.get(""))?;
        let now = self.shared.clock.now();
        grant.until.is_none_or(|until| until > now).then(|| grant.clone())
    }

    /// Gets a grant. `stale` is the one that was refused just now.
    async fn grant(
        &self,
        ask: &Ask<'_>,
        from: Option<&str>,
        challenge: &Challenge,
        stale: Option<&HeaderValue>,
    ) -> Result<Option<Grant>, Trouble> {
        let host = ask.host;
        let scopes = self.key(ask, from);
        let _only = host.granting.lock().await;
        if let Some(held) = self.held(host, &scopes).filter(|held| Some(&held.header) != stale) {
            return Ok(Some(held));
        }
        let registry = host.account.clone();
        let keychain = Arc::clone(&self.shared.keychain);
        let credential = tokio::task::spawn_blocking(move || keychain.find(&registry))
            .await
            .map_err(|_| Trouble::End(Doubt::new("looking up credentials broke off")))?
            .map_err(|reason| {
                Trouble::End(Doubt::of(401, format!("the credentials cannot be looked up: {reason}")))
            })?;
        let (key, grant) = match challenge {
            Challenge::Basic => {
                let Some(Credential::Password { user, password }) = credential else { return Ok(None) };
                let header = token::basic(&user, &password).map_err(Trouble::End)?;
                (String::new(), Grant { header, until: None })
            }
            Challenge::Bearer { realm, service } => {
                let (token, life) = self.token(ask, &scopes, realm, service, credential.as_ref()).await?;
                let header = token::bearer(&token).map_err(Trouble::End)?;
                (scopes, Grant { header, until: Some(self.shared.clock.now().saturating_add(life)) })
            }
        };
        if let Ok(mut grants) = host.grants.lock() {
            grants.insert(key, grant.clone());
        }
        Ok(Some(grant))
    }

    /// Asks the realm for a token.
    async fn token(
        &self,
        ask: &Ask<'_>,
        scopes: &str,
        realm: &str,
        service: &str,
        credential: Option<&Credential>,
    ) -> Result<(String, Duration), Trouble> {
        let host = ask.host;
        let (mut url, trusted) = token::realm(&self.shared.network, &host.registry, &host.base, realm)
            .await
            .map_err(|d| Trouble::End(Doubt::of(401, d.reason)))?;
        let shown = endpoint::authority(&url);
        if credential.is_some() && !trusted {
            return Err(Trouble::End(Doubt::of(
                401,
                format!(
                    "{} sends us to {} for a token, and its credentials are not for that host: if they are, say \
                     --token-realm {}={}",
                    host.registry,
                    plain(&shown),
                    host.registry,
                    plain(&shown)
                ),
            )));
        }
        let request = match credential {
            Some(Credential::Identity { token }) => {
                let form = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("service", service)
                    .append_pair("client_id", "sealock-mirror")
                    .append_pair("scope", scopes)
                    .append_pair("refresh_token", token)
                    .finish();
                self.shared
                    .client
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form)
            }
            other => {
                for scope in scopes.split(' ') {
                    url.query_pairs_mut().append_pair("scope", scope);
                }
                if !service.is_empty() {
                    url.query_pairs_mut().append_pair("service", service);
                }
                let mut request = self.shared.client.get(url);
                if let Some(Credential::Password { user, password }) = other {
                    let header = token::basic(user, password).map_err(Trouble::End)?;
                    request = request.header(AUTHORIZATION, header);
                }
                request
            }
        };
        let response = request.send().await.map_err(|e| match transport(&e) {
            Trouble::Again(d, wait) => Trouble::Again(
                Doubt::new(format!("the token endpoint {shown} did not answer: {}", d.reason)),
                wait,
            ),
            end @ Trouble::End(_) => end,
        })?;
        let status = response.status().as_u16();
        let body = read_body(response, limits::SMALL).await?;
        if status != 200 {
            let doubt = Doubt::of(status, format!("the token endpoint {shown} answered {status}"));
            return Err(if retry::again(status) { Trouble::Again(doubt, None) } else { Trouble::End(doubt) });
        }
        token::given(&body).map_err(Trouble::End)
    }
}

fn still() -> Trouble {
    Trouble::Again(Doubt::new("the registry takes nothing more and does not answer"), None)
}

/// What a failure of the connection means.
fn transport(error: &reqwest::Error) -> Trouble {
    // The innermost cause says most, and the URL may carry a signature.
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    let what = if error.is_timeout() {
        "it took too long".to_owned()
    } else if text.is_empty() {
        "the request could not be made".to_owned()
    } else {
        plain(&text)
    };
    let doubt = Doubt::new(if error.is_connect() {
        format!("no connection: {what}")
    } else {
        format!("the connection broke: {what}")
    });
    if error.is_builder() { Trouble::End(doubt) } else { Trouble::Again(doubt, None) }
}

async fn read_whole(open: Open, limit: u64) -> Result<Whole, Trouble> {
    let status = open.response.status().as_u16();
    let headers = open.response.headers().clone();
    let url = open.response.url().clone();
    // Nobody needs more of an error.
    let limit = if status == 200 { limit } else { limits::SMALL.min(limit) };
    let body = read_body(open.response, limit).await?;
    Ok(Whole { status, headers, body, url })
}

async fn read_body(response: reqwest::Response, limit: u64) -> Result<Vec<u8>, Trouble> {
    let status = response.status().as_u16();
    let over = || Trouble::End(Doubt::of(status, format!("the answer is larger than {limit} bytes")));
    if status == 200 && response.content_length().is_some_and(|length| length > limit) {
        return Err(over());
    }
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|e| transport(&e))?;
        if body.len() as u64 + piece.len() as u64 > limit {
            return Err(over());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
