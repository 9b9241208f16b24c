//! Manifests: by tag or digest, raw bytes, digests compared.
//!
//! | rule | source |
//! |---|---|
//! | all four media types and `*/*` are accepted | docker-registry answers 404 where the stored type is not accepted |
//! | the bytes hash to the digest asked for, and to the one in `Docker-Content-Digest` | OCI distribution-spec 1.1 |
//! | a `HEAD` is only a hint: it is believed where we hold bytes of that digest already | the header alone proves nothing about bytes |

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use sealock::image::Digest;

use super::answer::{self, Answer, Doubt, plain};
use super::endpoint::Repository;
use super::limits;
use super::request::{Ask, Follow, Registries, Whole};

/// What we take.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, */*";

/// A manifest as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What it hashes to.
    pub digest: Digest,
    /// `Content-Type` without parameters; empty where there was none.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A tag.
    Tag(&'a str),
    /// A digest.
    Digest(&'a Digest),
}

impl By<'_> {
    pub(super) fn path(self) -> String {
        match self {
            Self::Tag(tag) => format!("manifests/{tag}"),
            Self::Digest(digest) => format!("manifests/{digest}"),
        }
    }
}

impl Registries {
    /// Fetches a manifest.
    pub async fn manifest(&self, repository: &Repository, by: By<'_>) -> Answer<Fetched> {
        match self.ask_manifest(repository, by, Method::GET).await {
            Ok(whole) if whole.status == 200 => match checked(&whole, by) {
                Ok(fetched) => Answer::Found(fetched),
                Err(doubt) => Answer::Unknown(doubt),
            },
            Ok(whole) => answer::negative(whole.status, &whole.body),
            Err(doubt) => Answer::Unknown(doubt),
        }
    }

    /// Whether a tag still stands for `held`, by a `HEAD`. Anything but a clear yes is no.
    pub async fn unchanged(&self, repository: &Repository, tag: &str, held: &Digest) -> bool {
        match self.ask_manifest(repository, By::Tag(tag), Method::HEAD).await {
            Ok(whole) if whole.status == 200 => {
                header(&whole, "docker-content-digest").is_some_and(|said| said == held.to_string())
            }
            _ => false,
        }
    }

    /// What a tag or digest stands for there, by a `HEAD`; fetched and hashed where that does not say. That a tag is
    /// absent counts only from an answer that can carry an error code, which that to a `HEAD` cannot.
    pub async fn stands_for(&self, repository: &Repository, by: By<'_>) -> Answer<Digest> {
        let whole = match self.ask_manifest(repository, by, Method::HEAD).await {
            Ok(whole) => whole,
            Err(doubt) => return Answer::Unknown(doubt),
        };
        if whole.status == 404 && matches!(by, By::Tag(_)) {
            return self.manifest(repository, by).await.map(|fetched| fetched.digest);
        }
        if whole.status != 200 {
            return answer::negative(whole.status, &whole.body);
        }
        let Some(said) = header(&whole, "docker-content-digest") else {
            return self.manifest(repository, by).await.map(|fetched| fetched.digest);
        };
        match (said.parse::<Digest>(), by) {
            (Ok(said), By::Digest(digest)) if said != *digest => Answer::Unknown(Doubt::of(
                200,
                format!("the registry was asked for {digest} and says that it has {said}"),
            )),
            (Ok(said), _) => Answer::Found(said),
            (Err(_), _) => {
                let reason = format!("the registry says {:?} where a digest belongs", plain(said));
                Answer::Unknown(Doubt::of(200, reason))
            }
        }
    }

    async fn ask_manifest(
        &self,
        repository: &Repository,
        by: By<'_>,
        method: Method,
    ) -> Result<Whole, Doubt> {
        let host = self.host(repository)?;
        let url = Self::url(&host, repository, &by.path())?;
        let ask =
            Ask { host: &host, repository, method, url, accept: ACCEPT, from: 0, follow: Follow::SameOrigin };
        self.whole(&ask, limits::MANIFEST).await
    }
}

/// A header's text.
pub(super) fn header<'w>(whole: &'w Whole, name: &str) -> Option<&'w str> {
    whole.headers.get(name).and_then(|v| v.to_str().ok())
}

/// The media type that an answer names, without parameters.
pub(super) fn media_type(whole: &Whole) -> String {
    let said = whole.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    plain(said.split(';').next().unwrap_or_default().trim()).to_ascii_lowercase()
}

fn checked(whole: &Whole, by: By<'_>) -> Result<Fetched, Doubt> {
    let wrong = |reason: String| Doubt::of(whole.status, reason);
    let digest = match by {
        By::Digest(digest) if digest.matches(&whole.body) => *digest,
        By::Digest(digest) => {
            return Err(wrong(format!(
                "the registry was asked for {digest} and sent bytes that hash to {}",
                Digest::sha256(&whole.body)
            )));
        }
        By::Tag(_) => Digest::sha256(&whole.body),
    };
    if let Some(said) = header(whole, "docker-content-digest") {
        let fits = said.parse::<Digest>().is_ok_and(|said| said.matches(&whole.body));
        if !fits {
            return Err(wrong(format!(
                "the registry says the bytes hash to {:?}, and they hash to {digest}",
                plain(said)
            )));
        }
    }
    Ok(Fetched { digest, media_type: media_type(whole), bytes: whole.body.clone() })
}
