//! Image manifests and indexes, read strictly.
//!
//! Input: raw bytes of a manifest, and the media type that its descriptor announced. Output: [`Manifest`].
//!
//! | rule | source |
//! |---|---|
//! | at most [`MAX_MANIFEST`] bytes | 4 MiB, as containers/image and the distribution spec ask of registries |
//! | no member twice, one document | `sealock_trust_root::json` |
//! | never `manifests` beside `config` or `layers` | CVE-2021-41190, OCI image-spec 1.0.2 |
//! | `mediaType` inside equals the descriptor's | OCI image-spec, manifest, `mediaType` |
//! | `schemaVersion` is 2 | OCI image-spec |
//!
//! Not checked here: that the bytes hash to the digest asked for (the reader of the store), that children exist.

use std::collections::BTreeMap;

use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;

use super::Digest;

/// Largest manifest or index that is read, in bytes.
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A reference to content by digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content claims to be.
    pub media_type: String,
    /// What it must hash to.
    pub digest: Digest,
    /// How many bytes it must have.
    pub size: u64,
    /// Free-form notes of whoever wrote the manifest.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Kind of artifact, for referrers.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Platform of an index entry.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// The content itself, base64, where a writer inlined it. Ignored: bytes come from the store only.
    #[serde(default)]
    pub data: Option<String>,
    /// Foreign locations. Ignored: nothing is ever fetched from them.
    #[serde(default, deserialize_with = "nullable")]
    pub urls: Vec<String>,
}

/// What a child of an index runs on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// As `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// As `linux`.
    #[serde(default)]
    pub os: String,
    /// As `v7`.
    #[serde(default)]
    pub variant: Option<String>,
}

/// What stands in a manifest, whichever of the two kinds it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `mediaType` inside the document, else the descriptor's.
    pub media_type: String,
    /// `artifactType`, where the manifest is an artifact.
    pub artifact_type: Option<String>,
    /// What this manifest is about, for referrers.
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest itself.
    pub annotations: BTreeMap<String, String>,
    /// An image's parts or an index's children.
    pub content: Content,
}

/// The two kinds of manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image (or artifact) manifest.
    Image {
        /// Its configuration.
        config: Box<Descriptor>,
        /// Its layers.
        layers: Vec<Descriptor>,
    },
    /// An index of manifests.
    Index {
        /// Its children.
        manifests: Vec<Descriptor>,
    },
}

/// Why bytes are not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// Over [`MAX_MANIFEST`].
    #[error("manifest of {size} bytes, the limit is {MAX_MANIFEST}")]
    Size {
        /// Bytes found.
        size: usize,
    },
    /// Not sound JSON, or not of this shape.
    #[error(transparent)]
    Json(#[from] json::ParseFault),
    /// A document that is both an image and an index, or neither.
    #[error(
        "a manifest must be either an image (config and layers) or an index (manifests), this one is {found}"
    )]
    Ambiguous {
        /// What it looks like.
        found: &'static str,
    },
    /// The document and its descriptor disagree.
    #[error("media type {inside:?} inside, but {announced:?} announced by the descriptor")]
    MediaType {
        /// In the document.
        inside: String,
        /// In the descriptor.
        announced: String,
    },
    /// `schemaVersion` is not 2.
    #[error("schemaVersion {found}, only 2 is read")]
    SchemaVersion {
        /// What it is.
        found: u64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest. `announced` is the media type in the descriptor that led here; empty where none did.
    ///
    /// # Errors
    /// See [`ManifestFault`].
    pub fn parse(bytes: &[u8], announced: &str) -> Result<Self, ManifestFault> {
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(ManifestFault::Size { size: bytes.len() });
        }
        let raw: Raw = json::parse(bytes, Spelling::Exact)?;
        if raw.schema_version != 2 {
            return Err(ManifestFault::SchemaVersion { found: raw.schema_version });
        }
        let content = match (raw.config, raw.layers, raw.manifests) {
            (Some(config), layers, None) => {
                Content::Image { config: Box::new(config), layers: layers.unwrap_or_default() }
            }
            (None, None, Some(manifests)) => Content::Index { manifests },
            (None, None | Some(_), None) => {
                return Err(ManifestFault::Ambiguous { found: "neither" });
            }
            _ => return Err(ManifestFault::Ambiguous { found: "both" }),
        };
        let implied = match content {
            Content::Image { .. } => [OCI_MANIFEST, DOCKER_MANIFEST],
            Content::Index { .. } => [OCI_INDEX, DOCKER_INDEX],
        };
        let media_type = match (raw.media_type, announced) {
            (Some(inside), "") => inside,
            (Some(inside), announced) if inside == announced => inside,
            (Some(inside), announced) => {
                return Err(ManifestFault::MediaType { inside, announced: announced.to_owned() });
            }
            (None, "") => implied.first().copied().unwrap_or_default().to_owned(),
            (None, announced) => announced.to_owned(),
        };
        if !implied.contains(&media_type.as_str()) {
            let [expected, _] = implied;
            return Err(ManifestFault::MediaType { inside: expected.to_owned(), announced: media_type });
        }
        Ok(Self {
            media_type,
            artifact_type: raw.artifact_type,
            subject: raw.subject,
            annotations: raw.annotations,
            content,
        })
    }

    /// Everything this manifest points to below itself (not its subject).
    pub fn children(&self) -> Vec<&Descriptor> {
        match &self.content {
            Content::Image { config, layers } => std::iter::once(config.as_ref()).chain(layers).collect(),
            Content::Index { manifests } => manifests.iter().collect(),
        }
    }

    /// Whether a media type announces a manifest or an index.
    pub fn is_manifest(media_type: &str) -> bool {
        [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX].contains(&media_type)
    }
}

/// `null` for a list or map means an empty one: Go writers leave both.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":2}}"#, "0a".repeat(32))
    }

    #[test]
    fn manifest_and_index_in_one() {
        let c = descriptor("application/vnd.oci.image.config.v1+json");
        let both = format!(r#"{{"schemaVersion":2,"config":{c},"layers":[],"manifests":[]}}"#);
        assert!(matches!(
            Manifest::parse(both.as_bytes(), ""),
            Err(ManifestFault::Ambiguous { found: "both" })
        ));
        let neither = br#"{"schemaVersion":2}"#;
        assert!(matches!(Manifest::parse(neither, ""), Err(ManifestFault::Ambiguous { found: "neither" })));
        let image = format!(r#"{{"schemaVersion":2,"config":{c},"layers":[]}}"#);
        assert!(Manifest::parse(image.as_bytes(), OCI_MANIFEST).is_ok());
        assert!(Manifest::parse(image.as_bytes(), "").is_ok());
        assert!(matches!(Manifest::parse(image.as_bytes(), OCI_INDEX), Err(ManifestFault::MediaType { .. })));
        let lying = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{c},"layers":[]}}"#);
        assert!(matches!(Manifest::parse(lying.as_bytes(), ""), Err(ManifestFault::MediaType { .. })));
    }

    #[test]
    fn size_is_bounded() {
        let big = vec![b' '; usize::try_from(MAX_MANIFEST).unwrap() + 1];
        assert!(matches!(Manifest::parse(&big, ""), Err(ManifestFault::Size { .. })));
    }
}
