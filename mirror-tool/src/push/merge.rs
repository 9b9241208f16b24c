//! Evidence beside evidence: nothing that is there is lost.
//!
//! Input: the manifest under a tag, and those to add. Output: which bytes should stand there.
//!
//! | rule | source |
//! |---|---|
//! | layers are united: what is there first, in its order, then what is not there by media type, digest and annotations | cosign appends signatures in the same way |
//! | where the union is one of the manifests, its bytes are kept | digests stay what they were |
//! | a new configuration lists every layer in `rootfs.diff_ids` and `history`; layers of evidence are not compressed, so their digests are their `diff_ids` | OCI image-spec, configuration; cosign's `.sig` images |
//! | an index of referrers is united by digest | OCI distribution-spec 1.1, "Referrers Tag Schema" |
//! | what cannot be read in one way, or is of another kind, is an error | nothing is overwritten that is not understood |
//! | the same input gives the same bytes | members in byte order |

use std::collections::BTreeSet;

use sealock::evidence::limits::LAYERS;
use sealock::image::manifest::{Content, DOCKER_MANIFEST, MAX_MANIFEST, OCI_INDEX};
use sealock::image::{Digest, Manifest};
use serde_json::{Value, json};

use crate::registry::limits;

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// As cosign writes it: signatures are not made at any time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What should stand under a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Union {
    /// What is there.
    AsItIs,
    /// One of those to add, by its place.
    One(usize),
    /// Something new.
    New {
        /// The manifest.
        manifest: Vec<u8>,
        /// Its media type.
        media_type: String,
        /// The configuration; empty for an index.
        config: Vec<u8>,
    },
}

/// Why nothing can be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MergeFault(String);

fn fault(text: impl Into<String>) -> MergeFault {
    MergeFault(text.into())
}

/// A manifest, strictly read, and its document.
fn read(bytes: &[u8]) -> Result<(Manifest, Value), MergeFault> {
    let manifest =
        Manifest::parse(bytes, "").map_err(|e| fault(format!("it cannot be read in one way: {e}")))?;
    let value = serde_json::from_slice(bytes).map_err(|e| fault(e.to_string()))?;
    Ok((manifest, value))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What makes a layer another one.
pub fn identity(layer: &Value) -> String {
    let annotations = layer.get("annotations").filter(|a| a.as_object().is_some_and(|a| !a.is_empty()));
    json!([layer.get("mediaType"), layer.get("digest"), annotations]).to_string()
}

fn bytes(value: &Value) -> Result<Vec<u8>, MergeFault> {
    let bytes = serde_json::to_vec(value).map_err(|e| fault(e.to_string()))?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(fault(format!("together they have more than {MAX_MANIFEST} bytes")));
    }
    Ok(bytes)
}

/// The layers of `there`, if anything is there, and of `ours`.
///
/// # Errors
/// [`MergeFault`], where one of them cannot be read in one way, or is an index beside another thing.
pub fn layers(there: Option<&[u8]>, ours: &[Vec<u8>]) -> Result<Union, MergeFault> {
    if there.is_none() && ours.len() == 1 {
        return Ok(Union::One(0));
    }
    if ours.iter().any(|bytes| there == Some(bytes)) && ours.len() == 1 {
        return Ok(Union::AsItIs);
    }
    let all = there.into_iter().chain(ours.iter().map(Vec::as_slice));
    let all = all.map(read).collect::<Result<Vec<_>, _>>()?;
    if all.iter().any(|(manifest, _)| matches!(manifest.content, Content::Index { .. })) {
        return Err(fault("an index of signatures stands beside another manifest of them"));
    }
    let mut seen = BTreeSet::new();
    let mut united: Vec<Value> = Vec::new();
    for layer in all.iter().flat_map(|(_, value)| list(value, "layers")) {
        if seen.insert(identity(layer)) {
            united.push(layer.clone());
        }
    }
    let is_union = |value: &Value| {
        let own = list(value, "layers");
        own.len() == united.len() && own.iter().zip(&united).all(|(a, b)| identity(a) == identity(b))
    };
    if let Some(at) = all.iter().position(|(_, value)| is_union(value)) {
        return Ok(match (there, at) {
            (Some(_), 0) => Union::AsItIs,
            (Some(_), at) => Union::One(at - 1),
            (None, at) => Union::One(at),
        });
    }
    if united.len() > LAYERS {
        return Err(fault(format!("together they have {} layers, {LAYERS} are read", united.len())));
    }
    let Some((first, document)) = all.first() else { return Err(fault("nothing to unite")) };
    let docker = first.media_type == DOCKER_MANIFEST;
    let diff_ids: Vec<_> = united.iter().filter_map(|layer| layer.get("digest").cloned()).collect();
    let history: Vec<_> = united.iter().map(|_| json!({ "created": NEVER })).collect();
    let config = bytes(&json!({
        "architecture": "",
        "config": {},
        "created": NEVER,
        "history": history,
        "os": "",
        "rootfs": { "diff_ids": diff_ids, "type": "layers" },
    }))?;
    let mut manifest = document.clone();
    let Some(members) = manifest.as_object_mut() else { return Err(fault("it is no object")) };
    members.insert("mediaType".into(), first.media_type.clone().into());
    members.insert("layers".into(), united.into());
    members.insert(
        "config".into(),
        json!({
            "digest": Digest::sha256(&config),
            "mediaType": if docker { DOCKER_CONFIG } else { OCI_CONFIG },
            "size": config.len(),
        }),
    );
    Ok(Union::New { manifest: bytes(&manifest)?, media_type: first.media_type.clone(), config })
}

/// The descriptor of a manifest in an index of referrers.
///
/// # Errors
/// [`MergeFault`], where it cannot be read in one way.
pub fn listing(digest: &Digest, manifest: &[u8]) -> Result<Value, MergeFault> {
    let (parsed, value) = read(manifest)?;
    let mut descriptor = json!({
        "digest": digest,
        "mediaType": parsed.media_type,
        "size": manifest.len(),
    });
    let kind = parsed.artifact_type.or(match parsed.content {
        Content::Image { config, .. } => Some(config.media_type),
        Content::Index { .. } => None,
    });
    if let Some(members) = descriptor.as_object_mut() {
        if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
            members.insert("artifactType".into(), kind.into());
        }
        if let Some(annotations) = value.get("annotations").filter(|a| !a.is_null()) {
            members.insert("annotations".into(), annotations.clone());
        }
    }
    Ok(descriptor)
}

/// The referrers that `there` lists, if anything is there, and those of `ours` (descriptors). `kept` is an index that
/// the store has for the same subject: where it lists exactly these, it stands for them.
///
/// # Errors
/// [`MergeFault`], where what is there is no index that can be read in one way.
pub fn referrers(there: Option<&[u8]>, ours: &[Value], kept: Option<&[u8]>) -> Result<Union, MergeFault> {
    let digest = |value: &Value| value.get("digest").and_then(Value::as_str).map(str::to_owned);
    let (media_type, document) = match there {
        None => {
            let empty = json!({ "manifests": [], "mediaType": OCI_INDEX, "schemaVersion": 2 });
            (OCI_INDEX.to_owned(), empty)
        }
        Some(bytes) => match read(bytes)? {
            (Manifest { content: Content::Index { .. }, media_type, .. }, value) => (media_type, value),
            _ => return Err(fault("it is no index of referrers")),
        },
    };
    let mut united = list(&document, "manifests").to_vec();
    let mut seen: BTreeSet<_> = united.iter().filter_map(digest).collect();
    let before = seen.len();
    for descriptor in ours {
        if digest(descriptor).is_some_and(|digest| seen.insert(digest)) {
            united.push(descriptor.clone());
        }
    }
    if there.is_some() && seen.len() == before {
        return Ok(Union::AsItIs);
    }
    if united.len() > limits::DESCRIPTORS {
        return Err(fault(format!("together they list more than {} referrers", limits::DESCRIPTORS)));
    }
    if let Some((Manifest { content: Content::Index { manifests }, .. }, _)) = kept.map(read).transpose()? {
        let listed: BTreeSet<_> = manifests.iter().map(|d| d.digest.to_string()).collect();
        if listed == seen {
            return Ok(Union::One(0));
        }
    }
    let mut manifest = document;
    if let Some(members) = manifest.as_object_mut() {
        members.insert("manifests".into(), united.into());
    }
    Ok(Union::New { manifest: bytes(&manifest)?, media_type, config: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

    fn layer(text: &str, signature: &str) -> Value {
        json!({
            "annotations": { "dev.cosignproject.cosign/signature": signature },
            "digest": Digest::sha256(text.as_bytes()),
            "mediaType": LAYER,
            "size": text.len(),
        })
    }

    fn manifest(media_type: &str, layers: &[Value]) -> Vec<u8> {
        let config = json!({ "digest": Digest::sha256(b"c"), "mediaType": OCI_CONFIG, "size": 1 });
        let value = json!({
            "annotations": { "kept": "yes" }, "config": config, "layers": layers, "mediaType": media_type, "schemaVersion": 2,
        });
        serde_json::to_vec(&value).unwrap()
    }

    fn oci(layers: &[Value]) -> Vec<u8> {
        manifest(sealock::image::manifest::OCI_MANIFEST, layers)
    }

    #[test]
    fn what_is_there_comes_first_and_nothing_twice() {
        // One payload with two signatures: they differ in annotations alone.
        let (a, b, c) = (layer("p", "a"), layer("p", "b"), layer("q", "c"));
        let there = oci(&[a.clone(), b.clone()]);
        let union = layers(Some(&there), &[oci(&[c.clone(), b.clone()])]).unwrap();
        let Union::New { manifest, media_type, config } = union.clone() else { panic!("{union:?}") };
        let value: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(value["layers"], json!([a, b, c]));
        assert_eq!(value["annotations"]["kept"], "yes");
        assert_eq!(media_type, sealock::image::manifest::OCI_MANIFEST);
        assert_eq!(value["config"]["digest"], Digest::sha256(&config).to_string());
        let read: Value = serde_json::from_slice(&config).unwrap();
        let digests: Vec<_> = [&a, &b, &c].iter().map(|layer| layer["digest"].clone()).collect();
        assert_eq!(read["rootfs"]["diff_ids"], Value::from(digests));
        // The same again, and merged once more: nothing changes.
        assert_eq!(layers(Some(&there), &[oci(&[c.clone(), b.clone()])]).unwrap(), union);
        assert_eq!(layers(Some(&manifest), &[oci(&[c, b])]).unwrap(), Union::AsItIs);
    }

    #[test]
    fn one_of_them_is_kept_where_it_is_the_union() {
        let (a, b) = (layer("p", "a"), layer("q", "b"));
        let (one, other) = (oci(std::slice::from_ref(&a)), oci(std::slice::from_ref(&b)));
        let both = oci(&[a.clone(), b.clone()]);
        assert_eq!(layers(None, std::slice::from_ref(&one)), Ok(Union::One(0)));
        assert_eq!(layers(Some(&one), std::slice::from_ref(&both)), Ok(Union::One(0)));
        assert_eq!(layers(Some(&both), &[other]), Ok(Union::AsItIs));
        assert_eq!(layers(None, &[one, both]), Ok(Union::One(1)));
        let docker = manifest(DOCKER_MANIFEST, &[a]);
        let Ok(Union::New { manifest, media_type, .. }) = layers(Some(&docker), &[oci(&[b])]) else {
            panic!()
        };
        let value: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(
            (media_type.as_str(), &value["config"]["mediaType"]),
            (DOCKER_MANIFEST, &DOCKER_CONFIG.into())
        );
    }

    #[test]
    fn what_is_not_understood_stays() {
        let ours = [oci(&[layer("p", "a")])];
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        for bad in
            [&index[..], b"junk", br#"{"schemaVersion":2}"#, br#"{"schemaVersion":2,"schemaVersion":2}"#]
        {
            assert!(layers(Some(bad), &ours).is_err());
        }
        let many: Vec<_> = (0..LAYERS).map(|n| layer(&n.to_string(), "x")).collect();
        assert!(layers(Some(&oci(&many)), &ours).is_err(), "more than is read");
        let listed = json!({ "digest": Digest::sha256(b"x"), "mediaType": "m", "size": 1 });
        for bad in [&ours[0][..], b"junk"] {
            assert!(referrers(Some(bad), std::slice::from_ref(&listed), None).is_err());
        }
        let Ok(Union::New { manifest, .. }) = referrers(Some(index), std::slice::from_ref(&listed), None)
        else {
            panic!()
        };
        assert_eq!(referrers(Some(&manifest), &[listed], None), Ok(Union::AsItIs));
    }
}
