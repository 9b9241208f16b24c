//! A sealed transfer as an OCI artifact, so that a registry inside the gap, or one that both sides see, can hand it on.
//!
//! | part | what |
//! |---|---|
//! | `artifactType` | [`ARTIFACT_TYPE`] |
//! | configuration | the empty object of the image specification |
//! | first layer | the head: what operators signed, filled up |
//! | further layers | the segments in their order, as the head states them |
//! | `org.opencontainers.image.title` of each | `NAME.000`, `NAME.001`, …: `sealock import NAME.000` takes them in as they come |
//!
//! | rule | why |
//! |---|---|
//! | what does not begin like a transfer, ends early or goes on behind its end is refused | it would be refused on the far side, much later |
//! | each segment hashes to what the head states, while it is sent | the same |
//! | signatures are not judged here | only the far side knows whom it believes |
//!
//! Not here: fetching; `oras pull` and `skopeo copy … dir:` do it, and `import` judges what they bring.
// Reason: the transfer is a file that the user names.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sealock::crypto::Hasher;
use sealock::image::manifest::OCI_MANIFEST;
use sealock::image::{Digest, Manifest};
use sealock::seal::{Header, SealFault, Statement, container};
use sealock::store::source::Resolved;
use sealock::store::{Attachment, Source, SourceFault, transfer};
use serde_json::json;

use super::courier::{Courier, Miss};
use super::deliver::Written;
use crate::registry::manifest::By;
use crate::registry::{Answer, Origin, Repository};
use crate::seal::{SealingFault, files};

/// Kind of the artifact.
pub const ARTIFACT_TYPE: &str = "application/vnd.sealock.seal.v1";
/// Media type of the head.
pub const HEAD_TYPE: &str = "application/vnd.sealock.seal.head.v1";
/// Media type of a segment.
pub const SEGMENT_TYPE: &str = "application/vnd.sealock.seal.segment.v1";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
/// Bytes read at once.
const CHUNK: usize = 1024 * 1024;

/// Where a part of the transfer lies.
#[derive(Clone, Debug)]
struct Place {
    digest: Digest,
    size: u64,
    path: PathBuf,
    from: u64,
}

/// A transfer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Artifact {
    head: Vec<u8>,
    statement: Statement,
    digest: String,
    places: Vec<Place>,
    manifest: Vec<u8>,
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> SealingFault {
    SealFault::malformed("transfer", format!("{}: {reason}", path.display())).into()
}

impl Artifact {
    /// Reads the head of the transfer at `path` (the file, its first segment, or the base of its segments), and looks
    /// whether all of it is there.
    ///
    /// # Errors
    /// [`SealingFault`] for what is no transfer, or not a whole one.
    pub fn open(path: &Path) -> Result<Self, SealingFault> {
        let first = transfer::segment(path, 0);
        let base = match path.extension() {
            Some(ending) if ending == "000" => Some(path.with_extension("")),
            _ if !path.exists() && first.exists() => Some(path.to_owned()),
            _ => None,
        };
        let whole = base.as_ref().map_or_else(|| path.to_owned(), |base| transfer::segment(base, 0));
        let file = files::io(&whole, File::open(&whole))?;
        let length = files::io(&whole, file.metadata())?.len();
        let mut head = Vec::new();
        files::io(&whole, file.take(container::HEADER_LENGTH as u64).read_to_end(&mut head))?;
        let header = Header::parse(&head)?;
        let statement = header.unverified()?;
        let expected =
            container::HEADER_LENGTH as u64 + if base.is_some() { 0 } else { statement.segments.total };
        if length != expected {
            return Err(wrong(&whole, format!("it has {length} bytes, its head states {expected}")));
        }
        let mut places = Vec::new();
        for (at, sha256) in statement.segments.sha256.iter().enumerate() {
            let (start, size) = statement.segments.span(at);
            let digest =
                format!("sha256:{sha256}").parse().map_err(|_| wrong(&whole, "a hash of it is none"))?;
            let (path, from) = match &base {
                None => (whole.clone(), container::HEADER_LENGTH as u64 + start),
                Some(base) => {
                    let path = transfer::segment(base, at + 1);
                    let found = files::io(&path, std::fs::metadata(&path))?.len();
                    if found != size {
                        return Err(wrong(&path, format!("it has {found} bytes, the head states {size}")));
                    }
                    (path, 0)
                }
            };
            places.push(Place { digest, size, path, from });
        }
        let name =
            base.as_deref().unwrap_or(path).file_name().map(|name| name.to_string_lossy().into_owned());
        let manifest = manifest(&head, &places, &name.unwrap_or_else(|| "transfer".to_owned()))?;
        Ok(Self { digest: header.envelope().digest(), head, statement, places, manifest })
    }

    /// SHA-256 of what is signed, in hex.
    pub fn seal(&self) -> &str {
        &self.digest
    }

    /// Digest of the artifact.
    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.manifest)
    }

    /// Its tag, where none is given: receiver and sequence.
    pub fn tag(&self) -> String {
        format!("seal-{}-{}", self.statement.audience, self.statement.sequence)
    }

    /// Sends it.
    ///
    /// # Errors
    /// [`Miss`].
    pub async fn deliver(&self, courier: &Courier<'_>, to: &Repository, tag: &str) -> Result<Written, Miss> {
        let digest = self.digest();
        let at = format!("{}:{tag}", to.name);
        let before = match courier.registries.stands_for(to, By::Tag(tag)).await {
            Answer::Found(there) if there == digest => Written::Unchanged,
            Answer::Found(_) if courier.move_tags => Written::Moved,
            Answer::Found(there) => {
                return Err(Miss::Refused(format!(
                    "{at} stands for {there} in the registry: another transfer, or this one with other signatures; \
                     --move-tags lets it stand for {digest}"
                )));
            }
            Answer::Absent(_) => Written::Created,
            Answer::Unknown(doubt) => {
                return Err(Miss::Unknown(format!("what {at} stands for is unknown: {doubt}")));
            }
        };
        courier.bytes(to, EMPTY).await?;
        courier.bytes(to, &self.head).await?;
        for place in &self.places {
            courier.blob(to, &place.digest, place.size).await?;
        }
        courier.manifest(to, OCI_MANIFEST, &self.manifest, &digest).await?;
        if before != Written::Unchanged {
            courier.put(to, By::Tag(tag), OCI_MANIFEST, &self.manifest).await?;
        }
        Ok(before)
    }
}

fn manifest(head: &[u8], places: &[Place], name: &str) -> Result<Vec<u8>, SealingFault> {
    let layer = |media_type: &str, digest: &Digest, size: u64, number: usize| {
        json!({
            "annotations": { "org.opencontainers.image.title": format!("{name}.{number:03}") },
            "digest": digest,
            "mediaType": media_type,
            "size": size,
        })
    };
    let mut layers = vec![layer(HEAD_TYPE, &Digest::sha256(head), head.len() as u64, 0)];
    layers.extend(places.iter().enumerate().map(|(at, p)| layer(SEGMENT_TYPE, &p.digest, p.size, at + 1)));
    let manifest = json!({
        "artifactType": ARTIFACT_TYPE,
        "config": { "digest": Digest::sha256(EMPTY), "mediaType": EMPTY_TYPE, "size": EMPTY.len() },
        "layers": layers,
        "mediaType": OCI_MANIFEST,
        "schemaVersion": 2,
    });
    let bytes = serde_json::to_vec(&manifest).map_err(|e| SealFault::malformed("artifact", e.to_string()))?;
    Manifest::parse(&bytes, OCI_MANIFEST).map_err(|e| SealFault::malformed("artifact", e.to_string()))?;
    Ok(bytes)
}

impl Origin for Artifact {
    fn copy(&self, digest: &Digest, size: u64, out: &mut dyn Write) -> Result<(), String> {
        let Some(place) = self.places.iter().find(|p| p.digest == *digest && p.size == size) else {
            return Err(format!("{digest} is no part of the transfer"));
        };
        let text = |e: std::io::Error| format!("{}: {e}", place.path.display());
        let mut file = File::open(&place.path).map_err(text)?;
        file.seek(SeekFrom::Start(place.from)).map_err(text)?;
        let mut file = file.take(size);
        let mut hasher = Hasher::sha256();
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = file.read(&mut buffer).map_err(text)?;
            if n == 0 {
                break;
            }
            let chunk = buffer.get(..n).unwrap_or_default();
            hasher.update(chunk);
            out.write_all(chunk).map_err(|e| e.to_string())?;
        }
        if hasher.finish() == digest.bytes() {
            return Ok(());
        }
        Err(format!("{} is damaged: its bytes do not hash to what was signed", place.path.display()))
    }
}

/// A transfer's parts are no manifests.
impl Source for Artifact {
    fn place(&self) -> String {
        "the transfer".to_owned()
    }

    fn resolve(&self, repository: &str, tag: &str) -> Result<Resolved, SourceFault> {
        Err(SourceFault::NotHeld { what: format!("{repository}:{tag}"), place: self.place() })
    }

    fn read(&self, digest: &Digest, _: u64) -> Result<Vec<u8>, SourceFault> {
        Err(SourceFault::NotHeld { what: digest.to_string(), place: self.place() })
    }

    fn attachments(&self, _: &str, _: &Digest) -> Result<Vec<Attachment>, SourceFault> {
        Ok(Vec::new())
    }

    fn fallbacks(&self, _: &Digest) -> Result<Vec<(String, Digest)>, SourceFault> {
        Ok(Vec::new())
    }
}
