//! The corpus' layouts, read as files, and put into a registry byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sealock_testkit::Registry;
use serde_json::Value;

use crate::Answering;

/// A named entry of `index.json`.
pub struct Entry {
    pub repository: String,
    pub tag: String,
    pub digest: String,
    media_type: String,
}

impl Entry {
    pub fn name(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// Its repository as a registry names it.
    fn path(&self) -> &str {
        sealock_testkit::registry::path_of(&self.repository)
    }

    /// The digest that a tag such as `sha256-<hex>.sig` is about, and what follows it; nothing for other tags.
    pub fn about(&self) -> Option<(String, &str)> {
        let rest = self.tag.strip_prefix("sha256-")?;
        let (hex, suffix) = rest.split_at_checked(64)?;
        Some((format!("sha256:{hex}"), suffix))
    }

    /// Whether it is the list that stands in for the referrers API.
    pub fn is_fallback(&self) -> bool {
        self.about().is_some_and(|(_, suffix)| suffix.is_empty())
    }
}

pub struct CorpusLayout {
    pub folder: PathBuf,
    pub entries: Vec<Entry>,
}

impl CorpusLayout {
    /// Every layout below a folder, by name.
    pub fn all(folder: &Path) -> BTreeMap<String, Self> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            all.insert(name, Self::read(&entry.path()));
        }
        all
    }

    fn read(folder: &Path) -> Self {
        let index: Value =
            serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let entry = |descriptor: &Value| {
            let name = text(&descriptor["annotations"]["org.opencontainers.image.ref.name"]);
            let (repository, tag) = name.rsplit_once(':').unwrap();
            Entry {
                repository: repository.to_owned(),
                tag: tag.to_owned(),
                digest: text(&descriptor["digest"]),
                media_type: text(&descriptor["mediaType"]),
            }
        };
        let entries = index["manifests"].as_array().unwrap().iter().map(entry).collect();
        Self { folder: folder.to_owned(), entries }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    pub fn holds(&self, digest: &str) -> bool {
        self.path(digest).is_file()
    }

    /// Every content, by hex digest.
    pub fn blobs(&self) -> BTreeSet<String> {
        let folder = std::fs::read_dir(self.folder.join("blobs/sha256")).unwrap();
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The name under which an image of `repository` with that digest stands in `index.json`.
    pub fn named(&self, repository: &str, digest: &str) -> Option<String> {
        let plain = self.entries.iter().filter(|entry| entry.about().is_none());
        plain.filter(|e| e.repository == repository && e.digest == digest).map(Entry::name).next()
    }

    /// Whether the registry has the tag. With a referrers API the lists that stand in for it are left out, but for those
    /// about images that are not here: there is nothing that their referrers could be asked through.
    fn is_put(&self, entry: &Entry, answering: Answering) -> bool {
        let listing = entry.about().is_some_and(|(subject, _)| self.holds(&subject)) && entry.is_fallback();
        answering == Answering::Fallbacks || !listing
    }

    /// Contents that the referrers API stands for, by hex digest.
    pub fn replaced(&self, answering: Answering) -> BTreeSet<String> {
        let lists = self.entries.iter().filter(|entry| !self.is_put(entry, answering));
        lists.map(|entry| entry.digest.trim_start_matches("sha256:").to_owned()).collect()
    }

    /// Names to pull: every image, and under its own tag the evidence about images that are not here. Tags that policies
    /// look for by a prefix are found through the policies.
    pub fn wanted(&self, answering: Answering) -> impl Iterator<Item = String> {
        let wanted = move |entry: &&Entry| match entry.about() {
            None => !entry.tag.starts_with("pre-sha256-"),
            Some((subject, _)) => !self.holds(&subject) && self.is_put(entry, answering),
        };
        self.entries.iter().filter(wanted).map(Entry::name)
    }

    /// Puts every tag with all that hangs below it.
    pub fn put(&self, registry: &Registry, answering: Answering) {
        for entry in &self.entries {
            let tag = self.is_put(entry, answering).then_some(entry.tag.as_str());
            self.manifest(registry, entry.path(), tag, &entry.media_type, &entry.digest);
        }
    }

    /// Puts the images and no evidence.
    pub fn put_bare(&self, registry: &Registry) {
        for entry in self.entries.iter().filter(|entry| entry.about().is_none()) {
            self.manifest(registry, entry.path(), Some(&entry.tag), &entry.media_type, &entry.digest);
        }
    }

    fn manifest(&self, registry: &Registry, path: &str, tag: Option<&str>, media_type: &str, digest: &str) {
        let bytes = std::fs::read(self.path(digest)).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            let digest = child["digest"].as_str().unwrap();
            self.manifest(registry, path, Some(""), child["mediaType"].as_str().unwrap(), digest);
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in layers.chain(manifest.get("config")) {
            let digest = blob["digest"].as_str().unwrap();
            registry.blob_as(path, digest, &std::fs::read(self.path(digest)).unwrap());
        }
        if let Some(tag) = tag {
            assert_eq!(registry.manifest(path, tag, media_type, &bytes), digest);
        }
    }
}
