//! `index.json`: read from foreign layouts, written for our own.
//!
//! Input: the bytes of an `index.json`. Output: its entries with the names that they claim.
//!
//! | rule | source |
//! |---|---|
//! | no member twice, one document, depth bounded | `sealock_trust_root::json` |
//! | `schemaVersion` is 2, `mediaType` an OCI index where given | OCI image-spec, image-layout and image-index |
//! | each digest has the one spelling | `image::digest` |
//! | a name is `org.opencontainers.image.ref.name`, else `io.containerd.image.name`, and full | reference layouts of skopeo, containerd, cosign |
//! | entries that cosign and hauler mark as evidence carry no name of their own | hauler gives them the image's name |
//!
//! Not checked here: that the entries exist and are what they say (`graph`).
//!
//! Attacks considered: two digests for one name, foreign tags as paths (names never become paths).

use std::collections::BTreeMap;
use std::io::{self, Write};

use sealock_trust_root::json::{self, Spelling};
use serde::{Deserialize, Serialize};

use super::graph::Node;
use super::name::{self, Name};
use super::{StoreFault, codes};
use crate::image::Digest;
use crate::image::manifest::{Descriptor, OCI_INDEX};

/// Largest `index.json` that is read, in bytes. It is not a registry's manifest, so the limit of those does not
/// apply: an image with a signature takes about 830 bytes, so this is enough for 600,000 of them.
pub(super) const MAX_INDEX_FILE: u64 = 512 * 1024 * 1024;

/// The standard annotation for a name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that containerd writes and reads.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Where cosign and hauler say what an entry is.
const KIND: &str = "kind";

/// One entry of an `index.json`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What it points to.
    pub descriptor: Descriptor,
    /// The full name that it claims.
    pub name: Option<Name>,
    /// What it is called in the file, where that is no full name.
    pub label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
}

/// Reads an `index.json`. A `repository` given by the user completes bare tags.
pub(super) fn parse(bytes: &[u8], repository: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    let refused = |reason: String| StoreFault::refused(&codes::INDEX, "index.json", reason);
    let raw: Raw = json::parse(bytes, Spelling::Exact).map_err(|e| refused(e.to_string()))?;
    if raw.schema_version != 2 {
        return Err(refused(format!("schemaVersion {}, only 2 is read", raw.schema_version)));
    }
    if let Some(other) = raw.media_type.filter(|m| m != OCI_INDEX) {
        return Err(refused(format!("media type {other:?}, expected {OCI_INDEX}")));
    }
    let mut names: BTreeMap<Name, Digest> = BTreeMap::new();
    let mut seen: BTreeMap<Digest, (String, u64)> = BTreeMap::new();
    let mut entries = Vec::new();
    for descriptor in raw.manifests.unwrap_or_default() {
        let (media_type, size) =
            seen.entry(descriptor.digest).or_insert_with(|| (descriptor.media_type.clone(), descriptor.size));
        if *media_type != descriptor.media_type || *size != descriptor.size {
            return Err(StoreFault::refused(
                &codes::AMBIGUOUS_NAME,
                descriptor.digest.to_string(),
                format!(
                    "index.json lists it as {media_type:?} of {size} bytes and as {:?} of {} bytes",
                    descriptor.media_type, descriptor.size
                ),
            ));
        }
        let mut entry = name_of(descriptor);
        if let (Some(repository), Some(tag)) = (repository, &entry.label)
            && let Some(name) = name::full(&format!("{repository}:{tag}"))
        {
            (entry.name, entry.label) = (Some(name), None);
        }
        if let Some(name) = &entry.name {
            let digest = *names.entry(name.clone()).or_insert(entry.descriptor.digest);
            if digest != entry.descriptor.digest {
                return Err(StoreFault::refused(
                    &codes::AMBIGUOUS_NAME,
                    name.to_string(),
                    format!("index.json gives it to {digest} and to {}", entry.descriptor.digest),
                ));
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn name_of(descriptor: Descriptor) -> Entry {
    let annotation = |key: &str| descriptor.annotations.get(key).map(String::as_str);
    let evidence = annotation(KIND).and_then(|kind| kind.rsplit_once('/')).is_some_and(|(owner, kind)| {
        ["dev.cosignproject.cosign", "dev.hauler", "dev.hauler/referrers"].contains(&owner)
            && !["image", "imageIndex"].contains(&kind)
    });
    let labels = [annotation(REF_NAME), annotation(CONTAINERD_NAME)];
    let name = if evidence { None } else { labels.into_iter().flatten().find_map(name::full) };
    let label = match name {
        Some(_) => None,
        None if evidence => None,
        None => labels.into_iter().flatten().next().map(str::to_owned),
    };
    Entry { descriptor, name, label }
}

/// One line of the `index.json` that the store writes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// The manifest's media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// Kind of artifact, for referrers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The name, twice: for OCI tools and for containerd.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<&'static str, String>,
}

impl Line {
    /// A line without a name.
    pub(super) fn of(digest: Digest, node: &Node) -> Self {
        Self {
            media_type: node.media_type.clone(),
            digest,
            size: node.size,
            artifact_type: node.artifact_type.clone(),
            annotations: BTreeMap::new(),
        }
    }

    /// Gives the line a name.
    pub(super) fn name(&mut self, name: &Name) {
        self.annotations.insert(REF_NAME, name.to_string());
        self.annotations.insert(CONTAINERD_NAME, name.to_string());
    }
}

/// Writes an `index.json` line by line; the same lines give the same bytes.
pub(super) struct Writer<W: Write> {
    to: W,
    first: bool,
}

impl<W: Write> Writer<W> {
    /// Starts the file.
    pub(super) fn new(mut to: W) -> io::Result<Self> {
        write!(to, "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[")?;
        Ok(Self { to, first: true })
    }

    /// Adds an entry.
    pub(super) fn line(&mut self, line: &Line) -> io::Result<()> {
        self.to.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut self.to, line)?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.to.write_all(b"\n]}\n")?;
        Ok(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(digest: &str, size: u64, name: &str) -> String {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{digest}","size":{size},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
        )
    }

    fn index(entries: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
    }

    fn code(text: &str) -> &'static str {
        parse(text.as_bytes(), None).unwrap_err().code().name
    }

    #[test]
    fn one_name_one_digest() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        let ok = index(&[entry(&a, 2, "h.example/xx:1"), entry(&a, 2, "h.example/xx:2")]);
        assert_eq!(parse(ok.as_bytes(), None).unwrap().len(), 2);
        assert_eq!(
            code(&index(&[entry(&a, 2, "h.example/xx:1"), entry(&b, 2, "h.example/xx:1")])),
            "store/ambiguous-name"
        );
        assert_eq!(
            code(&index(&[entry(&a, 2, "h.example/xx:1"), entry(&a, 3, "h.example/xx:2")])),
            "store/ambiguous-name"
        );
        // Two spellings of one name are one name.
        assert_eq!(
            code(&index(&[entry(&a, 2, "docker.io/xx:1"), entry(&b, 2, "index.docker.io/library/xx:1")])),
            "store/ambiguous-name"
        );
    }

    #[test]
    fn digest_grammar() {
        for bad in ["../../etc/passwd".to_owned(), "0A".repeat(32), "0a".repeat(31), String::new()] {
            assert_eq!(code(&index(&[entry(&bad, 2, "h.example/xx:1")])), "store/index-json", "{bad}");
        }
    }

    #[test]
    fn odd_documents() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":1,"manifests":[]}"#,
            r#"{"schemaVersion":2,"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"mediaType":"x","manifests":[]}"#,
            r#"{"schemaVersion":2,"manifests":[]} x"#,
        ] {
            assert_eq!(code(bad), "store/index-json", "{bad}");
        }
        assert!(parse(br#"{"schemaVersion":2,"manifests":null}"#, None).unwrap().is_empty());
    }

    #[test]
    fn evidence_carries_no_name() {
        let text = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:D","size":2,
            "annotations":{"kind":"dev.hauler/sigs","org.opencontainers.image.ref.name":"h.example/xx:1"}}]}"#
            .replace('D', &"0a".repeat(32));
        let entries = parse(text.as_bytes(), None).unwrap();
        assert_eq!(entries[0].name, None);
        assert_eq!(entries[0].label, None);
    }

    /// A store writes its own `index.json` whole, so what it can hold it must also be able to read again.
    #[test]
    fn index_of_a_large_store_stays_below_the_limit() {
        let mut line = Line {
            media_type: crate::image::manifest::OCI_MANIFEST.to_owned(),
            digest: Digest::sha256(b"x"),
            size: 10_000,
            artifact_type: None,
            annotations: BTreeMap::new(),
        };
        let evidence =
            format!("registry.example.com/some-team/some-application:sha256-{}.sig", "0a".repeat(32));
        line.name(&name::full(&evidence).unwrap());
        let one = serde_json::to_vec(&line).unwrap().len() as u64;
        // 500,000 images with a signature each: two names an image, at most this long.
        assert!(one * 2 * 500_000 < MAX_INDEX_FILE, "{one} bytes a line");
    }

    #[test]
    fn written_files_are_read_back() {
        let mut line = Line {
            media_type: crate::image::manifest::OCI_MANIFEST.to_owned(),
            digest: Digest::sha256(b"x"),
            size: 7,
            artifact_type: None,
            annotations: BTreeMap::new(),
        };
        line.name(&name::full("h.example/xx:1").unwrap());
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.line(&line).unwrap();
        let entries = parse(&writer.finish().unwrap(), None).unwrap();
        assert_eq!(entries[0].name.as_ref().unwrap().to_string(), "h.example/xx:1");
        assert!(parse(&Writer::new(Vec::new()).unwrap().finish().unwrap(), None).unwrap().is_empty());
    }
}
