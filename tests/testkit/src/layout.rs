//! OCI images and image layouts, as directories and as archives.

use std::collections::BTreeMap;
use std::path::Path;

use crate::evidence::{BUNDLE, Content, Layer, Signed};
use crate::json::{Json, object};
use crate::sha256_digest;
use crate::tar::{self, Member};

/// OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Uncompressed layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The empty JSON object as a configuration.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Annotation with the name of an entry of `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image: manifest, configuration and layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `host/path` without tag or digest.
    pub repository: String,
    /// `os/architecture`.
    pub platform: String,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// Configuration and layers.
    pub blobs: Vec<Vec<u8>>,
}

/// An image index with its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// `host/path` without tag or digest.
    pub repository: String,
    /// The index's bytes.
    pub manifest: Vec<u8>,
    /// The images it lists.
    pub children: Vec<Image>,
}

/// What evidence can hang on: an image, an index, or a digest of which nothing else is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `host/path` without tag or digest.
    pub repository: String,
    /// Media type of the manifest.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its length.
    pub size: usize,
}

impl Image {
    /// A `linux/amd64` image with one layer that holds one file with that text.
    pub fn new(repository: &str, text: &str) -> Image {
        Image::for_platform(repository, text, "linux/amd64")
    }

    /// An image for a platform `os/architecture`.
    pub fn for_platform(repository: &str, text: &str, platform: &str) -> Image {
        Image::with_layers(
            repository,
            platform,
            &[tar::archive(&[Member::file("hello.txt", format!("{text}\n").as_bytes())])],
        )
    }

    /// An image with these layers, uncompressed.
    pub fn with_layers(repository: &str, platform: &str, layers: &[Vec<u8>]) -> Image {
        let (os, architecture) = platform.split_once('/').unwrap();
        let diff_ids = layers.iter().map(|layer| Json::Text(sha256_digest(layer))).collect();
        let config = object([
            ("created", "2025-03-01T12:00:00Z".into()),
            ("architecture", architecture.into()),
            ("os", os.into()),
            ("config", object([])),
            ("rootfs", object([("type", "layers".into()), ("diff_ids", Json::Array(diff_ids))])),
        ])
        .compact()
        .into_bytes();
        let manifest = object([
            ("schemaVersion", 2_i64.into()),
            ("mediaType", MANIFEST.into()),
            ("config", descriptor(CONFIG, &config)),
            ("layers", Json::Array(layers.iter().map(|layer| descriptor(LAYER, layer)).collect())),
        ])
        .compact()
        .into_bytes();
        let mut blobs = vec![config];
        blobs.extend_from_slice(layers);
        Image { repository: repository.to_owned(), platform: platform.to_owned(), manifest, blobs }
    }

    /// The manifest's digest, `sha256:…`.
    pub fn digest(&self) -> String {
        sha256_digest(&self.manifest)
    }

    /// `host/path@sha256:…`.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest())
    }
}

impl Index {
    /// An index of these images.
    pub fn new(repository: &str, children: &[Image]) -> Index {
        let entries = children
            .iter()
            .map(|child| {
                let (os, architecture) = child.platform.split_once('/').unwrap();
                descriptor(MANIFEST, &child.manifest)
                    .with("platform", object([("architecture", architecture.into()), ("os", os.into())]))
            })
            .collect();
        Index {
            repository: repository.to_owned(),
            manifest: index_bytes(entries),
            children: children.to_vec(),
        }
    }

    /// The index's digest, `sha256:…`.
    pub fn digest(&self) -> String {
        sha256_digest(&self.manifest)
    }

    /// `host/path@sha256:…`.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest())
    }
}

impl Subject {
    /// A digest of which nothing else is held.
    pub fn absent(repository: &str, digest: &str) -> Subject {
        Subject {
            repository: repository.to_owned(),
            media_type: MANIFEST.to_owned(),
            digest: digest.to_owned(),
            size: 418,
        }
    }

    /// The name of the tag under which things about this digest are found: `host/path:sha256-<hex><suffix>`.
    pub fn tag(&self, suffix: &str) -> String {
        format!("{}:{}{suffix}", self.repository, self.digest.replace(':', "-"))
    }

    fn descriptor(&self) -> Json {
        object([
            ("mediaType", self.media_type.as_str().into()),
            ("digest", self.digest.as_str().into()),
            ("size", self.size.into()),
        ])
    }
}

impl From<&Image> for Subject {
    fn from(image: &Image) -> Subject {
        Subject {
            repository: image.repository.clone(),
            media_type: MANIFEST.to_owned(),
            digest: image.digest(),
            size: image.manifest.len(),
        }
    }
}

impl From<&Index> for Subject {
    fn from(index: &Index) -> Subject {
        Subject {
            repository: index.repository.clone(),
            media_type: INDEX.to_owned(),
            digest: index.digest(),
            size: index.manifest.len(),
        }
    }
}

impl From<&Subject> for Subject {
    fn from(subject: &Subject) -> Subject {
        subject.clone()
    }
}

/// `mediaType`, `digest` and `size` of some bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Json {
    object([
        ("mediaType", media_type.into()),
        ("digest", sha256_digest(bytes).into()),
        ("size", bytes.len().into()),
    ])
}

fn index_bytes(entries: Vec<Json>) -> Vec<u8> {
    object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", INDEX.into()),
        ("manifests", Json::Array(entries)),
    ])
    .compact()
    .into_bytes()
}

/// The manifest that cosign puts under `.sig` and `.att`, and its configuration.
pub fn evidence_manifest(layers: &[Layer]) -> (Vec<u8>, Vec<u8>) {
    let never = "0001-01-01T00:00:00Z";
    let history = layers.iter().map(|_| object([("created", never.into())])).collect();
    let diff_ids = layers.iter().map(|layer| Json::Text(sha256_digest(&layer.blob))).collect();
    let config = object([
        ("architecture", "".into()),
        ("created", never.into()),
        ("history", Json::Array(history)),
        ("os", "".into()),
        ("rootfs", object([("type", "layers".into()), ("diff_ids", Json::Array(diff_ids))])),
        ("config", object([])),
    ])
    .compact()
    .into_bytes();
    let entries = layers
        .iter()
        .map(|layer| {
            let annotations =
                layer.annotations.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str())));
            descriptor(&layer.media_type, &layer.blob)
                .with("annotations", Json::Object(annotations.collect()))
        })
        .collect();
    let manifest = object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", MANIFEST.into()),
        ("config", descriptor(CONFIG, &config)),
        ("layers", Json::Array(entries)),
    ])
    .compact()
    .into_bytes();
    (manifest, config)
}

/// The manifest that cosign 3 makes a referrer: a bundle with a `subject`.
pub fn bundle_manifest(subject: &Subject, bundle: &[u8], predicate_type: Option<&str>) -> Vec<u8> {
    let mut annotations = vec![(
        "dev.sigstore.bundle.content".to_owned(),
        Json::from(if predicate_type.is_some() { "dsse-envelope" } else { "message-signature" }),
    )];
    if let Some(kind) = predicate_type {
        annotations.push(("dev.sigstore.bundle.predicateType".to_owned(), kind.into()));
    }
    annotations.push(("org.opencontainers.image.created".to_owned(), "2025-03-01T12:00:05Z".into()));
    object([
        ("schemaVersion", 2_i64.into()),
        ("mediaType", MANIFEST.into()),
        ("config", descriptor(EMPTY, b"{}").with("artifactType", BUNDLE.into())),
        ("layers", Json::Array(vec![descriptor(BUNDLE, bundle)])),
        ("annotations", Json::Object(annotations)),
        ("subject", subject.descriptor()),
        ("artifactType", BUNDLE.into()),
    ])
    .compact()
    .into_bytes()
}

/// An OCI image layout under construction. Every method returns the layout with something added.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    entries: Vec<Json>,
    evidence: Vec<(String, Vec<Layer>)>,
    referrers: Vec<(Subject, Json)>,
    fallbacks: Vec<Subject>,
    missing: Vec<String>,
    extra_files: BTreeMap<String, Vec<u8>>,
}

impl Layout {
    /// An empty layout.
    pub fn new() -> Layout {
        Layout::default()
    }

    /// Keeps bytes as a blob.
    #[must_use]
    pub fn blob(mut self, bytes: &[u8]) -> Layout {
        self.blobs.insert(sha256_digest(bytes), bytes.to_vec());
        self
    }

    /// Keeps bytes under a digest that need not be theirs (`sha256:…`): a damaged or planted blob.
    #[must_use]
    pub fn blob_as(mut self, digest: &str, bytes: &[u8]) -> Layout {
        self.blobs.insert(digest.to_owned(), bytes.to_vec());
        self
    }

    /// Leaves a blob out, whatever else adds it.
    #[must_use]
    pub fn without_blob(mut self, digest: &str) -> Layout {
        self.missing.push(digest.to_owned());
        self
    }

    /// Adds an entry of any shape to `index.json`.
    #[must_use]
    pub fn entry(mut self, descriptor: Json) -> Layout {
        self.entries.push(descriptor);
        self
    }

    /// Adds a file beside the blobs, under any relative name.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: &[u8]) -> Layout {
        self.extra_files.insert(path.to_owned(), bytes.to_vec());
        self
    }

    /// Adds a manifest of any media type under a full reference name.
    #[must_use]
    pub fn manifest(self, name: &str, media_type: &str, bytes: &[u8]) -> Layout {
        let entry = descriptor(media_type, bytes).with("annotations", object([(REF_NAME, name.into())]));
        self.blob(bytes).entry(entry)
    }

    /// Adds an image under a full reference name.
    #[must_use]
    pub fn image(self, name: &str, image: &Image) -> Layout {
        self.contents(image).manifest(name, MANIFEST, &image.manifest)
    }

    /// Adds an index with its children under a full reference name.
    #[must_use]
    pub fn index(self, name: &str, index: &Index) -> Layout {
        index
            .children
            .iter()
            .fold(self, |layout, child| layout.contents(child).blob(&child.manifest))
            .manifest(name, INDEX, &index.manifest)
    }

    fn contents(self, image: &Image) -> Layout {
        image.blobs.iter().fold(self, |layout, blob| layout.blob(blob))
    }

    /// Adds a layer to the `.sig` tag of an image; the tag holds the layers in the order of their calls.
    #[must_use]
    pub fn signature(self, subject: impl Into<Subject>, layer: &Layer) -> Layout {
        self.evidence(&subject.into().tag(".sig"), layer)
    }

    /// Adds a layer to the `.att` tag of an image.
    #[must_use]
    pub fn attestation(self, subject: impl Into<Subject>, layer: &Layer) -> Layout {
        self.evidence(&subject.into().tag(".att"), layer)
    }

    fn evidence(mut self, tag: &str, layer: &Layer) -> Layout {
        match self.evidence.iter_mut().find(|(name, _)| name == tag) {
            Some((_, layers)) => layers.push(layer.clone()),
            None => self.evidence.push((tag.to_owned(), vec![layer.clone()])),
        }
        self
    }

    /// Adds a bundle as a referrer: a manifest with `subject`, an entry with `artifactType` and without a name.
    #[must_use]
    pub fn referrer(self, subject: impl Into<Subject>, signed: &Signed) -> Layout {
        let envelope = matches!(signed.content, Content::Envelope { .. });
        let predicate_type = signed.predicate_type();
        let kind = if envelope { Some(predicate_type.as_deref().unwrap_or("")) } else { None };
        self.bundle(subject, signed.bundle().as_bytes(), kind)
    }

    /// As [`Layout::referrer`] for bundle bytes of any content.
    #[must_use]
    pub fn bundle(self, subject: impl Into<Subject>, bundle: &[u8], predicate_type: Option<&str>) -> Layout {
        let subject = subject.into();
        let manifest = bundle_manifest(&subject, bundle, predicate_type);
        let entry = descriptor(MANIFEST, &manifest).with("artifactType", BUNDLE.into());
        let mut layout = self.blob(bundle).blob(b"{}").blob(&manifest);
        layout.referrers.push((subject, entry));
        layout
    }

    /// Lists the referrers of a subject in the fallback index `host/path:sha256-<hex>` in place of `index.json`.
    #[must_use]
    pub fn fallback_index(mut self, subject: impl Into<Subject>) -> Layout {
        self.fallbacks.push(subject.into());
        self
    }

    /// Every file of the layout by its relative path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut layout = self.clone();
        for (tag, layers) in &self.evidence {
            let (manifest, config) = evidence_manifest(layers);
            layout = layers.iter().fold(layout.blob(&config), |layout, layer| layout.blob(&layer.blob));
            layout = layout.manifest(tag, MANIFEST, &manifest);
        }
        for subject in &self.fallbacks {
            let entries = self
                .referrers
                .iter()
                .filter(|(on, _)| on.digest == subject.digest)
                .map(|(_, entry)| entry.clone())
                .collect();
            layout = layout.manifest(&subject.tag(""), INDEX, &index_bytes(entries));
        }
        for (subject, entry) in &self.referrers {
            if !self.fallbacks.iter().any(|fallback| fallback.digest == subject.digest) {
                layout = layout.entry(entry.clone());
            }
        }
        let mut files: BTreeMap<String, Vec<u8>> =
            layout.blobs.iter().map(|(digest, bytes)| (blob_path(digest), bytes.clone())).collect();
        for digest in &self.missing {
            files.remove(&blob_path(digest));
        }
        files.insert("index.json".to_owned(), index_bytes(layout.entries));
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        files.extend(layout.extra_files);
        files
    }

    /// Writes the layout as a directory, which is made where it does not exist.
    pub fn write(&self, directory: impl AsRef<Path>) {
        write_files(directory.as_ref(), &self.files());
    }

    /// The layout as members of an archive: `oci-layout`, `index.json`, then the blobs.
    pub fn members(&self) -> Vec<Member> {
        let mut files = self.files();
        let mut members = Vec::new();
        for name in ["oci-layout", "index.json"] {
            members.extend(files.remove(name).map(|bytes| Member::file(name, &bytes)));
        }
        members.extend([Member::directory("blobs/"), Member::directory("blobs/sha256/")]);
        members.extend(files.iter().map(|(path, bytes)| Member::file(path, bytes)));
        members
    }

    /// The layout as an OCI archive: an uncompressed tar.
    pub fn archive(&self) -> Vec<u8> {
        tar::archive(&self.members())
    }

    /// Writes the layout as an OCI archive.
    pub fn write_archive(&self, file: impl AsRef<Path>) {
        std::fs::write(file, self.archive()).unwrap();
    }
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// Writes files below a directory.
pub fn write_files(directory: &Path, files: &BTreeMap<String, Vec<u8>>) {
    std::fs::create_dir_all(directory).unwrap();
    for (path, bytes) in files {
        let target = directory.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}
