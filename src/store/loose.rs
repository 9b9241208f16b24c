//! Classic evidence without a tag, as `cosign save` leaves it: which digests its payloads speak of.
//!
//! Input: a manifest. Output: digests to attach it to. What is found is a place to look and proves nothing: the
//! payloads are read again, and their signatures checked, by the rooms that judge.
//!
//! | rule | source |
//! |---|---|
//! | a layer of media type `application/vnd.dev.cosign.simplesigning.v1+json` names `critical.image.docker-manifest-digest` | containers/image, simple signing |
//! | a layer of media type `application/vnd.dsse.envelope.v1+json` carries an in-toto statement with `subject` | in-toto attestation, Statement v0.1 and v1 |
//! | at most [`MAX_LAYERS`] layers, [`MAX_SUBJECTS`] subjects each | cosign's own `maxLayers`; ours |

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;

use super::StoreFault;
use super::graph::{Contents, read};
use super::name::EvidenceTag;
use crate::image::manifest::{Content, MAX_MANIFEST};
use crate::image::{Digest, Manifest};

/// Most layers of one manifest that are looked at.
const MAX_LAYERS: usize = 1000;
/// Most subjects of one statement that are followed.
const MAX_SUBJECTS: usize = 1000;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
}

#[derive(Deserialize)]
struct Statement {
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

/// The digests that the payloads of `manifest` speak of.
pub(super) fn subjects(
    manifest: &Digest,
    contents: &dyn Contents,
) -> Result<Vec<(Digest, EvidenceTag)>, StoreFault> {
    let mut found = Vec::new();
    let Ok(Manifest { content: Content::Image { layers, .. }, .. }) =
        Manifest::parse(&read(contents, manifest)?, "")
    else {
        return Ok(found);
    };
    for layer in layers.iter().take(MAX_LAYERS) {
        let kind = match layer.media_type.as_str() {
            SIMPLE_SIGNING => EvidenceTag::Signature,
            DSSE => EvidenceTag::Attestation,
            _ => continue,
        };
        if contents.size(&layer.digest)?.is_none_or(|size| size > MAX_MANIFEST) {
            continue;
        }
        let bytes = read(contents, &layer.digest)?;
        match kind {
            EvidenceTag::Signature => {
                if let Ok(payload) = json::parse::<Payload>(&bytes, Spelling::Exact) {
                    found.push((payload.critical.image.digest, kind));
                }
            }
            EvidenceTag::Attestation | EvidenceTag::Sbom => {
                found.extend(statement_subjects(&bytes).into_iter().map(|digest| (digest, kind)));
            }
        }
    }
    Ok(found)
}

fn statement_subjects(envelope: &[u8]) -> Vec<Digest> {
    let Ok(envelope) = json::parse::<Envelope>(envelope, Spelling::Exact) else { return Vec::new() };
    let Ok(payload) = STANDARD.decode(envelope.payload) else { return Vec::new() };
    let Ok(statement) = json::parse::<Statement>(&payload, Spelling::Exact) else { return Vec::new() };
    statement
        .subject
        .iter()
        .take(MAX_SUBJECTS)
        .flat_map(|subject| &subject.digest)
        .filter_map(|(algorithm, hex)| format!("{algorithm}:{hex}").parse().ok())
        .collect()
}
