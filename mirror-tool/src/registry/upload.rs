//! Writing: blobs and manifests.
//!
//! | rule | source |
//! |---|---|
//! | what is there is not sent: a `HEAD` first | OCI distribution-spec 1.1 |
//! | a blob that another repository of the registry has is mounted; 202 to that means that it must be sent | the same, "Mounting a blob from another repository" |
//! | one `PUT` with the whole blob; where the registry does not take that, or it broke off, `PATCH` by `PATCH` | the same, "Pushing a blob" |
//! | after a break the registry is asked what it has (`Range`), and only the rest is sent | the same, "Resuming" |
//! | blobs are hashed on the way out, and the last piece is sent only once the hash is right | DESIGN §4 rule 1 |
//! | the digest in the answer is the one sent | the same as for reading |
//! | `Location` stays within the registry's origin | ours: content and credentials go where the user said |
//! | no answer is no success: the registry is asked again | |
//!
//! Attacks considered: a `Location` on another host, an answer with another digest, a registry that says it has more
//! than was sent, one that takes nothing and says nothing.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use reqwest::Method;
use reqwest::header::LOCATION;
use sealock::image::Digest;
use url::Url;

use super::answer::{self, Answer, Doubt, plain};
use super::endpoint::{self, Repository};
use super::limits;
use super::manifest::{By, header};
use super::outflow::{Load, Origin, flow};
use super::request::{Ask, Follow, Host, Registries, Whole};

/// Hears of bytes that were sent.
pub type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// How a blob came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It was there.
    There,
    /// The registry took it from another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// What the registry said about a manifest that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whether it says that it lists the manifest as a referrer (`OCI-Subject`).
    pub listed: bool,
}

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The registry does not take it.
    #[error("{0}")]
    Denied(Doubt),
    /// Nobody knows whether it would.
    #[error("{0}")]
    Open(Doubt),
    /// Our own side.
    #[error("{0}")]
    Local(String),
}

impl From<Doubt> for Unsent {
    fn from(doubt: Doubt) -> Self {
        Self::Open(doubt)
    }
}

/// An upload that the registry keeps for us.
struct Session {
    url: Url,
    /// Bytes of a piece.
    piece: u64,
}

/// How an upload went on.
enum Step {
    Done,
    /// From a new session on.
    Again,
    /// In a new session, in pieces.
    Pieces,
}

/// What all steps of one upload need.
struct Upload<'a> {
    registries: &'a Registries,
    host: &'a Arc<Host>,
    repository: &'a Repository,
    digest: &'a Digest,
    size: u64,
    origin: &'a Arc<dyn Origin>,
    sent: &'a Sent,
    taken: Arc<AtomicU64>,
    /// Why our own side broke off.
    fault: Arc<Mutex<Option<String>>>,
}

impl Registries {
    /// Whether a blob is there, by a `HEAD`.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest, size: u64) -> Answer<()> {
        let whole = async {
            let host = self.host(repository)?;
            let url = Self::url(&host, repository, &format!("blobs/{digest}"))?;
            let method = Method::HEAD;
            let follow = Follow::Anywhere;
            let ask = Ask { host: &host, repository, method, url, accept: "*/*", from: 0, follow };
            self.whole(&ask, limits::SMALL).await
        };
        match whole.await {
            Ok(whole) if whole.status == 200 => {
                if let Err(doubt) = same_digest(&whole, digest) {
                    return Answer::Unknown(doubt);
                }
                match header(&whole, "content-length").and_then(|length| length.parse::<u64>().ok()) {
                    Some(length) if length != size => Answer::Unknown(Doubt::of(
                        200,
                        format!("the registry says that {digest} has {length} bytes, it has {size}"),
                    )),
                    _ => Answer::Found(()),
                }
            }
            Ok(whole) => answer::negative(whole.status, &whole.body),
            Err(doubt) => Answer::Unknown(doubt),
        }
    }

    /// Sends a blob that is not there, or mounts it from another repository of the same registry.
    ///
    /// # Errors
    /// [`Unsent`]; what the registry has of it by then is never visible.
    pub async fn send_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        origin: &Arc<dyn Origin>,
        mount: Option<&Repository>,
        sent: &Sent,
    ) -> Result<Delivered, Unsent> {
        let host = self.host(repository)?;
        let upload = Upload {
            registries: self,
            host: &host,
            repository,
            digest,
            size,
            origin,
            sent,
            taken: Arc::default(),
            fault: Arc::default(),
        };
        let mut pieces = false;
        let mut tried = 0;
        let mut session = match mount {
            Some(from) => match upload.mount(from).await? {
                Some(session) => session,
                None => return Ok(Delivered::Mounted),
            },
            None => upload.begin().await?,
        };
        for _ in 0..limits::TRIES {
            let step = if pieces {
                upload.in_pieces(&mut session, 0, &mut tried).await?
            } else {
                upload.at_once(&mut session, &mut tried).await?
            };
            match step {
                Step::Done => return Ok(Delivered::Sent),
                Step::Again => {}
                Step::Pieces => pieces = true,
            }
            session = upload.begin().await?;
        }
        let reason = format!("the upload was given up by the registry {} times", limits::TRIES);
        Err(Unsent::Open(Doubt::new(reason)))
    }

    /// Sends a manifest, under a tag or under its digest.
    ///
    /// # Errors
    /// [`Unsent`].
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        by: By<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Placed, Unsent> {
        let host = self.host(repository)?;
        let url = Self::url(&host, repository, &by.path())?;
        let ask = asking(&host, repository, Method::PUT, url);
        let content = Bytes::copy_from_slice(bytes);
        let length = bytes.len() as u64;
        let body = || reqwest::Body::from(content.clone());
        let taken = AtomicU64::new(0);
        let load = Load { media_type, range: None, length, body: &body, from: None, taken: &taken };
        let whole = self.whole_with(&ask, &load).await?;
        if !(200..=202).contains(&whole.status) {
            return Err(denied(&whole));
        }
        match header(&whole, "docker-content-digest") {
            Some(said) if !said.parse::<Digest>().is_ok_and(|said| said.matches(bytes)) => {
                same_digest(&whole, &Digest::sha256(bytes))?;
            }
            _ => {}
        }
        Ok(Placed { listed: header(&whole, "oci-subject").is_some() })
    }

    /// As [`Self::whole`], with content that can be sent again as it was.
    async fn whole_with(&self, ask: &Ask<'_>, load: &Load<'_>) -> Result<Whole, Doubt> {
        let mut tried = 0;
        loop {
            if let Some(whole) = self.attempt(ask, load, &mut tried).await? {
                return Ok(whole);
            }
        }
    }
}

impl Upload<'_> {
    fn ask(&self, method: Method, url: Url) -> Ask<'_> {
        asking(self.host, self.repository, method, url)
    }

    /// A request without content.
    async fn empty(&self, method: Method, url: Url, from: Option<&str>) -> Result<Whole, Doubt> {
        let body = || reqwest::Body::from(Bytes::new());
        let load = Load { media_type: "", range: None, length: 0, body: &body, from, taken: &self.taken };
        self.registries.whole_with(&self.ask(method, url), &load).await
    }

    async fn begin(&self) -> Result<Session, Unsent> {
        let url = Registries::url(self.host, self.repository, "blobs/uploads/")?;
        let whole = self.empty(Method::POST, url.clone(), None).await?;
        if whole.status != 202 {
            return Err(denied(&whole));
        }
        self.session(&url, &whole)
    }

    /// Nothing where the blob was mounted.
    async fn mount(&self, from: &Repository) -> Result<Option<Session>, Unsent> {
        let mut url = Registries::url(self.host, self.repository, "blobs/uploads/")?;
        let plain = url.clone();
        url.query_pairs_mut().append_pair("mount", &self.digest.to_string()).append_pair("from", &from.path);
        match self.empty(Method::POST, url, Some(&from.path)).await {
            Ok(whole) if whole.status == 201 => {
                same_digest(&whole, self.digest)?;
                Ok(None)
            }
            Ok(whole) if whole.status == 202 => self.session(&plain, &whole).map(Some),
            // Only a shorter way: what is refused here may still be sent.
            _ => self.begin().await.map(Some),
        }
    }

    /// Where the registry wants the upload.
    fn session(&self, at: &Url, whole: &Whole) -> Result<Session, Unsent> {
        let least = header(whole, "oci-chunk-min-length").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        if least > limits::LARGEST_PIECE {
            let reason = format!("the registry wants pieces of {least} bytes or more");
            return Err(Unsent::Open(Doubt::of(whole.status, reason)));
        }
        let url = self.location(at, whole)?.ok_or_else(|| {
            Doubt::of(whole.status, "the registry does not say where the upload goes (no Location)")
        })?;
        Ok(Session { url, piece: limits::PIECE.max(least) })
    }

    /// `Location`, where there is one.
    fn location(&self, at: &Url, whole: &Whole) -> Result<Option<Url>, Unsent> {
        let Some(value) = whole.headers.get(LOCATION) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        let shown = plain(text.split('?').next().unwrap_or_default());
        let open = |reason: String| Unsent::Open(Doubt::of(whole.status, reason));
        let url = at
            .join(text)
            .map_err(|_| open(format!("the registry wants the upload at {shown:?}, which is no URL")))?;
        if !endpoint::same_origin(&self.host.base, &url) {
            return Err(open(format!(
                "the registry wants the upload at {:?}, which is not the registry: nothing was sent there",
                plain(&format!("{}://{}", url.scheme(), endpoint::authority(&url)))
            )));
        }
        Ok(Some(url))
    }

    fn finishing(&self, session: &Session) -> Url {
        let mut url = session.url.clone();
        url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        url
    }

    /// The words of our own side, where it broke off.
    fn own(&self) -> Result<(), Unsent> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.map_or(Ok(()), |reason| Err(Unsent::Local(reason)))
    }

    fn flow(&self, from: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let stream = flow(Arc::clone(self.origin), *self.digest, self.size, from, Arc::clone(&self.fault));
        let (taken, sent) = (Arc::clone(&self.taken), Arc::clone(self.sent));
        stream.inspect(move |piece| {
            if let Ok(piece) = piece {
                taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
                sent(piece.len() as u64);
            }
        })
    }

    /// All of it in one request.
    async fn at_once(&self, session: &mut Session, tried: &mut u32) -> Result<Step, Unsent> {
        let body = || reqwest::Body::wrap_stream(self.flow(0));
        let load = Load {
            media_type: "application/octet-stream",
            range: None,
            length: self.size,
            body: &body,
            from: None,
            taken: &self.taken,
        };
        let ask = self.ask(Method::PUT, self.finishing(session));
        let done = self.registries.attempt(&ask, &load, tried).await;
        self.own()?;
        match done? {
            Some(whole) => match whole.status {
                200..=202 | 204 => self.arrived(&whole).await,
                405 | 411 | 413 | 415 | 501 => Ok(Step::Pieces),
                404 => Ok(Step::Again),
                _ => Err(denied(&whole)),
            },
            None => match self.status(session).await? {
                // Nothing, or a single byte: nobody can tell from `0-0`.
                Some(0) => Ok(Step::Again),
                Some(from) if from <= self.size => self.in_pieces(session, from, tried).await,
                Some(_) => Ok(Step::Again),
                None => self.lost().await,
            },
        }
    }

    /// From byte `from` on, piece by piece.
    async fn in_pieces(&self, session: &mut Session, from: u64, tried: &mut u32) -> Result<Step, Unsent> {
        let mut flow = Box::pin(self.flow(from).fuse());
        let mut at = from;
        let mut piece = BytesMut::new();
        loop {
            while (piece.len() as u64) < session.piece {
                match flow.next().await {
                    Some(Ok(more)) => piece.extend_from_slice(&more),
                    Some(Err(e)) => return Err(self.own().err().unwrap_or(Unsent::Local(e.to_string()))),
                    None => break,
                }
            }
            if piece.is_empty() {
                return self.close(session).await;
            }
            let length = session.piece.min(piece.len() as u64);
            let now = Bytes::copy_from_slice(piece.get(..index(length)).unwrap_or_default());
            let body = || reqwest::Body::from(now.clone());
            let load = Load {
                media_type: "application/octet-stream",
                range: Some((at, at + length - 1)),
                length,
                body: &body,
                from: None,
                taken: &self.taken,
            };
            let ask = self.ask(Method::PATCH, session.url.clone());
            let end = match self.registries.attempt(&ask, &load, tried).await? {
                Some(whole) if matches!(whole.status, 200..=202 | 204) => {
                    if let Some(url) = self.location(&session.url, &whole)? {
                        session.url = url;
                    }
                    Some(at + length)
                }
                Some(whole) if whole.status == 404 => return Ok(Step::Again),
                // It refuses where it is: that is worth going on only if it is further.
                Some(whole) if whole.status == 416 => self.status(session).await?.filter(|end| *end > at),
                Some(whole) => return Err(denied(&whole)),
                None => self.status(session).await?,
            };
            let Some(end) = end.filter(|end| (at..=at + length).contains(end)) else {
                return Ok(Step::Again);
            };
            if end > at {
                *tried = 0;
            }
            drop(piece.split_to(index(end - at)));
            at = end;
        }
    }

    /// Ends an upload of which the registry has everything.
    async fn close(&self, session: &Session) -> Result<Step, Unsent> {
        let whole = self.empty(Method::PUT, self.finishing(session), None).await?;
        match whole.status {
            200..=202 | 204 => self.arrived(&whole).await,
            // An answer may have been lost: then it is there already.
            404 => self.lost().await,
            _ => Err(denied(&whole)),
        }
    }

    async fn arrived(&self, whole: &Whole) -> Result<Step, Unsent> {
        same_digest(whole, self.digest)?;
        if whole.status == 202 {
            return self.lost().await;
        }
        Ok(Step::Done)
    }

    /// The session is gone: the blob may be there.
    async fn lost(&self) -> Result<Step, Unsent> {
        match self.registries.has_blob(self.repository, self.digest, self.size).await {
            Answer::Found(()) => Ok(Step::Done),
            Answer::Absent(_) => Ok(Step::Again),
            Answer::Unknown(doubt) => Err(doubt.into()),
        }
    }

    /// How many bytes of the upload the registry has; nothing where it does not know the upload any more.
    async fn status(&self, session: &mut Session) -> Result<Option<u64>, Unsent> {
        let ask = self.ask(Method::GET, session.url.clone());
        let whole = self.registries.whole(&ask, limits::SMALL).await?;
        if !matches!(whole.status, 200 | 202 | 204) {
            return Ok(None);
        }
        if let Some(url) = self.location(&session.url, &whole)? {
            session.url = url;
        }
        Ok(header(&whole, "range").and_then(end_of_range))
    }
}

fn asking<'a>(host: &'a Arc<Host>, repository: &'a Repository, method: Method, url: Url) -> Ask<'a> {
    Ask { host, repository, method, url, accept: "*/*", from: 0, follow: Follow::SameOrigin }
}

/// Bytes that `0-<last>` speaks of. An upload without a byte is `0-0` or `0--1`, as one of a single byte is: it is
/// begun again.
fn end_of_range(text: &str) -> Option<u64> {
    let (first, last) = text.trim().trim_start_matches("bytes=").split_once('-')?;
    if first != "0" {
        return None;
    }
    match last.parse::<u64>() {
        Ok(0) => Some(0),
        Ok(last) => last.checked_add(1),
        Err(_) if last == "-1" => Some(0),
        Err(_) => None,
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// That `Docker-Content-Digest`, where it is there, is this digest.
fn same_digest(whole: &Whole, digest: &Digest) -> Result<(), Doubt> {
    match header(whole, "docker-content-digest") {
        Some(said) if said.parse::<Digest>().ok().as_ref() != Some(digest) => Err(Doubt::of(
            whole.status,
            format!("the registry was sent {digest} and says that it has {:?}", plain(said)),
        )),
        _ => Ok(()),
    }
}

/// What a status means that is no success: content that is not taken, or nobody knows.
fn denied(whole: &Whole) -> Unsent {
    let doubt = match answer::negative::<()>(whole.status, &whole.body) {
        Answer::Unknown(doubt) => doubt,
        Answer::Absent(absence) => Doubt::of(whole.status, format!("the registry answered {absence}")),
        Answer::Found(()) => Doubt::of(whole.status, "no answer"),
    };
    // 401 and 403 are about us, not about the content.
    if matches!(whole.status, 400 | 404..=499) { Unsent::Denied(doubt) } else { Unsent::Open(doubt) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, end) in [
            ("0-9", Some(10)),
            ("bytes=0-9", Some(10)),
            ("0-0", Some(0)),
            ("0--1", Some(0)),
            ("5-9", None),
            ("x", None),
        ] {
            assert_eq!(end_of_range(text), end, "{text}");
        }
        assert_eq!(end_of_range("0-18446744073709551615"), None);
    }
}
