//! An OCI registry over loopback: plain HTTP/1.1, in threads, in memory, with every misbehaviour scripted.
//!
//! | part | what it does |
//! |---|---|
//! | manifests | by tag and digest, `GET`, `HEAD`, `PUT`, `Docker-Content-Digest` |
//! | blobs | `GET` with `Range: bytes=N-`, `HEAD`, uploads by `POST`, `PATCH`, `PUT`, mounts |
//! | `tags/list` | paged by `n` and `last` with `Link` |
//! | referrers | on or off ([`Options::referrers`]), paged by [`Options::page`] with `Link` |
//! | access | open, basic, or a token from a realm on the same server ([`Access`]) |
//! | script | [`Registry::script`] answers a path with anything: see [`Reply`] |
//! | counts | [`Registry::requests`], [`Registry::count`] |
//!
//! Not here: TLS, the catalogue, deletion.

mod answer;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::evidence::{BUNDLE, Layer, Signed};
use crate::layout::{
    CONFIG, EMPTY, INDEX, Image, Index, MANIFEST, Subject, bundle_manifest, descriptor, evidence_manifest,
};
use crate::sha256_digest;

pub use wire::{Request, Shape};

/// How a registry behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it has the referrers API; without it, `/referrers/` is `404 page not found` as plain text.
    pub referrers: bool,
    /// Entries on one page of referrers and of tags; 0 means all.
    pub page: usize,
    /// Who may ask.
    pub access: Access,
}

impl Default for Options {
    fn default() -> Options {
        Options { referrers: true, page: 0, access: Access::Open }
    }
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever sends this user and password.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// Whoever brings a token; the realm `/token` gives one for this user and password, or to everybody.
    Token {
        /// User and password.
        user: Option<(String, String)>,
        /// An identity (refresh) token that `POST /token` exchanges.
        identity: Option<String>,
        /// Seconds that a token lives by its own account.
        seconds: u64,
    },
}

/// A scripted answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers beside `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// How the body is sent.
    pub shape: Shape,
}

impl Reply {
    /// A status with an empty body.
    pub fn status(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), shape: Shape::Whole }
    }

    /// A status with the error envelope of the distribution specification.
    pub fn error(status: u16, code: &str) -> Reply {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"scripted","detail":null}}]}}"#);
        Reply::status(status).header("Content-Type", "application/json").body(body.as_bytes())
    }

    /// 200 with a media type.
    pub fn content(media_type: &str, body: &[u8]) -> Reply {
        Reply::status(200).header("Content-Type", media_type).body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, bytes: &[u8]) -> Reply {
        self.body = bytes.to_vec();
        self
    }

    /// Sets how the body is sent.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Reply {
        self.shape = shape;
        self
    }
}

/// A manifest as kept.
#[derive(Clone, Debug)]
struct Kept {
    media_type: String,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Repository {
    /// By digest.
    manifests: BTreeMap<String, Kept>,
    /// In the order in which they were put.
    tags: Vec<(String, String)>,
    /// Subject and descriptor (as JSON text) of every referrer.
    referrers: Vec<(String, String)>,
    blobs: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<u64, Vec<u8>>,
    next_upload: u64,
    /// `METHOD path` → answers; the last one stays where it is marked so.
    script: BTreeMap<String, VecDeque<(Reply, bool)>>,
    requests: Vec<Request>,
    tokens: u64,
    slow: Duration,
    /// After how many bytes the next uploads break off.
    cuts: Vec<usize>,
    /// Path and digest of what is not mounted.
    unmounted: Vec<(String, String)>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    options: Options,
    state: Mutex<State>,
    stopped: AtomicBool,
}

/// A running registry; it stops when dropped.
#[derive(Debug)]
pub struct Registry {
    server: Arc<Server>,
}

impl Registry {
    /// Starts an open registry with referrers API.
    pub fn start() -> Registry {
        Registry::with(Options::default())
    }

    /// Starts a registry on a free port of loopback.
    pub fn with(options: Options) -> Registry {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            Arc::new(Server { address, options, state: Mutex::default(), stopped: AtomicBool::new(false) });
        let accepting = Arc::clone(&server);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let server = Arc::clone(&accepting);
                std::thread::spawn(move || wire::serve(&server, &connection));
            }
        });
        Registry { server }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.server.state.lock().unwrap()
    }

    /// Answers `METHOD /path` (without query) with `reply` from now on, after what [`Registry::script_times`] said.
    pub fn script(&self, request: &str, reply: Reply) {
        let mut state = self.state();
        let script = state.script.entry(request.to_owned()).or_default();
        script.retain(|(_, stays)| !stays);
        script.push_back((reply, true));
    }

    /// Answers `METHOD /path` with `reply` that many times, then as before.
    pub fn script_times(&self, request: &str, times: usize, reply: &Reply) {
        let mut state = self.state();
        let script = state.script.entry(request.to_owned()).or_default();
        script.extend(std::iter::repeat_n((reply.clone(), false), times));
    }

    /// Forgets the script.
    pub fn clear_script(&self) {
        self.state().script.clear();
    }

    /// Lets the next uploads that are longer break off after so many bytes, which are kept.
    pub fn cut_uploads(&self, after: &[usize]) {
        self.state().cuts = after.to_vec();
    }

    /// Mounts that blob into that repository for nobody.
    pub fn script_mount_refused(&self, path: &str, digest: &str) {
        self.state().unmounted.push((path.to_owned(), digest.to_owned()));
    }

    /// Every tag of every repository (path without host), with what it stands for.
    pub fn tags(&self) -> Vec<(String, String, String)> {
        let state = self.state();
        let all = state.repositories.iter().flat_map(|(path, repository)| {
            repository.tags.iter().map(|(tag, digest)| (path.clone(), tag.clone(), digest.clone()))
        });
        all.collect()
    }

    /// Lets every piece of a blob (64 KiB) wait that long, so that there is time to kill whoever reads or sends it.
    pub fn slow(&self, pause: Duration) {
        self.state().slow = pause;
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Forgets the requests.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// How often `METHOD /path` (without query) was asked for.
    pub fn count(&self, request: &str) -> usize {
        self.state().requests.iter().filter(|r| format!("{} {}", r.method, r.path) == request).count()
    }

    /// Keeps a blob in a repository (path without host); tells its digest.
    pub fn blob(&self, path: &str, bytes: &[u8]) -> String {
        let digest = sha256_digest(bytes);
        self.blob_as(path, &digest, bytes);
        digest
    }

    /// Keeps bytes under a digest that need not be theirs.
    pub fn blob_as(&self, path: &str, digest: &str, bytes: &[u8]) {
        let mut state = self.state();
        let repository = state.repositories.entry(path.to_owned()).or_default();
        repository.blobs.insert(digest.to_owned(), bytes.to_vec());
    }

    /// Whether a repository has a blob or manifest of that digest, and its bytes.
    pub fn held(&self, path: &str, digest: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let repository = state.repositories.get(path)?;
        let manifest = repository.manifests.get(digest).map(|kept| kept.bytes.clone());
        manifest.or_else(|| repository.blobs.get(digest).cloned())
    }

    /// The digest that a tag stands for.
    pub fn tag(&self, path: &str, tag: &str) -> Option<String> {
        let state = self.state();
        let tags = &state.repositories.get(path)?.tags;
        tags.iter().find(|(name, _)| name == tag).map(|(_, digest)| digest.clone())
    }

    /// Keeps a manifest under its digest, and under `tag` where that is not empty; tells the digest.
    pub fn manifest(&self, path: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        self.state().keep_manifest(path, tag, media_type, bytes)
    }

    /// Lists a descriptor as a referrer of a digest, whatever it is in truth.
    pub fn list_referrer(&self, path: &str, subject: &str, descriptor: &str) {
        let mut state = self.state();
        let repository = state.repositories.entry(path.to_owned()).or_default();
        repository.referrers.push((subject.to_owned(), descriptor.to_owned()));
    }

    /// Keeps an image, under a tag where that is not empty. Its repository's host is not looked at.
    pub fn image(&self, tag: &str, image: &Image) {
        let path = path_of(&image.repository);
        for blob in &image.blobs {
            self.blob(path, blob);
        }
        self.manifest(path, tag, MANIFEST, &image.manifest);
    }

    /// Keeps an index with its children.
    pub fn index(&self, tag: &str, index: &Index) {
        for child in &index.children {
            self.image("", child);
        }
        self.manifest(path_of(&index.repository), tag, INDEX, &index.manifest);
    }

    /// Keeps layers under a tag such as `sha256-<hex>.sig` of the subject's repository; tells the manifest's digest.
    pub fn layers(&self, subject: impl Into<Subject>, suffix: &str, layers: &[Layer]) -> String {
        let name = subject.into().tag(suffix);
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let path = path_of(repository);
        let (manifest, config) = evidence_manifest(layers);
        self.blob(path, &config);
        for layer in layers {
            self.blob(path, &layer.blob);
        }
        self.manifest(path, tag, MANIFEST, &manifest)
    }

    /// Keeps a bundle as a referrer; tells the manifest's digest.
    pub fn referrer(&self, subject: impl Into<Subject>, signed: &Signed) -> String {
        self.referrer_bytes(subject, signed.bundle().as_bytes(), signed.predicate_type().as_deref())
    }

    /// As [`Registry::referrer`] for bundle bytes of any content.
    pub fn referrer_bytes(
        &self,
        subject: impl Into<Subject>,
        bundle: &[u8],
        predicate_type: Option<&str>,
    ) -> String {
        let subject = subject.into();
        let path = path_of(&subject.repository).to_owned();
        self.blob(&path, bundle);
        self.blob(&path, b"{}");
        let manifest = bundle_manifest(&subject, bundle, predicate_type);
        self.manifest(&path, "", MANIFEST, &manifest)
    }

    /// Writes the fallback index of a subject from what refers to it now, as a client does for a registry without
    /// referrers API; tells its digest.
    pub fn fallback(&self, subject: impl Into<Subject>) -> String {
        let subject = subject.into();
        let name = subject.tag("");
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let path = path_of(repository);
        let bytes = {
            let state = self.state();
            let entries: Vec<_> = state
                .repositories
                .get(path)
                .map(|r| r.referrers.iter().filter(|(on, _)| *on == subject.digest).map(|(_, d)| d.clone()))
                .into_iter()
                .flatten()
                .collect();
            answer::index_of(&entries)
        };
        self.manifest(path, tag, INDEX, &bytes)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.server.address);
    }
}

impl State {
    fn keep_manifest(&mut self, path: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = sha256_digest(bytes);
        let repository = self.repositories.entry(path.to_owned()).or_default();
        repository
            .manifests
            .insert(digest.clone(), Kept { media_type: media_type.to_owned(), bytes: bytes.to_vec() });
        if let Some(subject) = answer::subject_of(bytes) {
            let mut entry = descriptor(media_type, bytes);
            if String::from_utf8_lossy(bytes).contains(&format!(r#""artifactType":"{BUNDLE}""#)) {
                entry = entry.with("artifactType", BUNDLE.into());
            }
            let entry = (subject, entry.compact());
            if !repository.referrers.contains(&entry) {
                repository.referrers.push(entry);
            }
        }
        if !tag.is_empty() {
            repository.tags.retain(|(name, _)| name != tag);
            repository.tags.push((tag.to_owned(), digest.clone()));
        }
        digest
    }
}

/// The path of a repository without its host.
pub fn path_of(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, path)| path)
}

/// Media types that tests need beside those of [`crate::layout`].
pub const MEDIA_TYPES: [&str; 4] = [MANIFEST, INDEX, CONFIG, EMPTY];
