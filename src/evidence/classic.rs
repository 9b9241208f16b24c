//! Classic cosign layers: a blob plus annotations on its descriptor.
//!
//! Input: the blob's bytes and the layer's annotations. Output: [`Evidence`].
//!
//! | part | where | source |
//! |---|---|---|
//! | signature | annotation `dev.cosignproject.cosign/signature`, base64; empty for attestations | cosign `SIGNATURE_SPEC` |
//! | certificate, chain | `dev.sigstore.cosign/certificate`, `/chain`, PEM; the first block counts | the same |
//! | log entry with promise | `dev.sigstore.cosign/bundle`, JSON; names compared without case, as Go reads them | the same, Rekor OpenAPI |
//! | timestamp | `dev.sigstore.cosign/rfc3161timestamp`, JSON `SignedRFC3161Timestamp` | cosign |
//! | claim | `critical.image.docker-manifest-digest`, `critical.identity.docker-reference`, `critical.type` | containers/image simple signing |
//!
//! An annotation that is there but empty counts as broken, except the signature of an attestation.
//! Not checked here: that payload, signature, certificate and entry belong together (`verify`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use sealock_trust_root::json::{self, Spelling};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Content, Evidence, EvidenceFault, Form, Kind, LogEntry, Signer, dsse, encoding, limits, statement,
};
use crate::crypto::{Certificate, pem};
use crate::image::Digest;

/// Media type of a classic signature layer.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of a classic attestation layer.
pub const DSSE_LAYER: &str = "application/vnd.dsse.envelope.v1+json";

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// What a simple-signing payload claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `critical.image.docker-manifest-digest`.
    pub digest: Digest,
    /// `critical.identity.docker-reference`: the name at the time of signing. Reported, never a condition.
    pub reference: Option<String>,
    /// `critical.type`, informative as upstream.
    pub claim_type: Option<String>,
    /// `optional`: what `cosign sign -a` added.
    pub annotations: BTreeMap<String, String>,
}

/// Reads a layer of a `.sig` manifest.
///
/// # Errors
/// [`EvidenceFault`] naming the annotation or member.
pub fn signature(
    digest: Digest,
    payload: Vec<u8>,
    annotations: &BTreeMap<String, String>,
) -> Result<Evidence, EvidenceFault> {
    let text = annotations.get(SIGNATURE).ok_or(EvidenceFault::Missing { part: SIGNATURE })?;
    if text.is_empty() {
        return Err(EvidenceFault::Missing { part: SIGNATURE });
    }
    let signature = encoding::base64(SIGNATURE, text)?;
    let claim = Claim::parse(&payload)?;
    let content = Content::SimpleSigning { payload, signature, claim };
    material(digest, Kind::ClassicSignature, content, annotations)
}

/// Reads a layer of an `.att` manifest.
///
/// # Errors
/// [`EvidenceFault`] naming the annotation or member.
pub fn attestation(
    digest: Digest,
    bytes: &[u8],
    annotations: &BTreeMap<String, String>,
) -> Result<Evidence, EvidenceFault> {
    // Every writer of attestations leaves it, empty: the signature proper is inside the envelope.
    if !annotations.contains_key(SIGNATURE) {
        return Err(EvidenceFault::Missing { part: SIGNATURE });
    }
    let envelope = dsse::Envelope::parse(bytes)?;
    let statement = statement::Statement::parse(&envelope.payload)?;
    material(digest, Kind::ClassicAttestation, Content::Envelope { envelope, statement }, annotations)
}

fn material(
    digest: Digest,
    kind: Kind,
    content: Content,
    annotations: &BTreeMap<String, String>,
) -> Result<Evidence, EvidenceFault> {
    let signer = match annotations.get(CERTIFICATE) {
        None => Signer::Key { hint: None },
        Some(text) => Signer::Certificate {
            leaf: certificates(CERTIFICATE, text)?
                .into_iter()
                .next()
                .ok_or(EvidenceFault::Missing { part: CERTIFICATE })?,
            chain: match annotations.get(CHAIN) {
                Some(text) if !text.is_empty() => certificates(CHAIN, text)?,
                _ => Vec::new(),
            },
        },
    };
    let entries = match annotations.get(BUNDLE) {
        None => Vec::new(),
        Some(text) => vec![log_entry(text)?],
    };
    let timestamps = match annotations.get(TIMESTAMP) {
        None => Vec::new(),
        Some(text) => vec![timestamp(text)?],
    };
    Ok(Evidence { digest, kind, content, signer, entries, timestamps, form: Form::default() })
}

/// PEM certificates in order; the first block must be one.
fn certificates(part: &'static str, text: &str) -> Result<Vec<Vec<u8>>, EvidenceFault> {
    let (label, first) = pem::first(text).map_err(|e| EvidenceFault::malformed(part, e))?;
    if label != "CERTIFICATE" {
        return Err(EvidenceFault::malformed(part, format!("PEM block {label:?}, expected \"CERTIFICATE\"")));
    }
    // Whatever follows the first block is not trusted and need not even be well formed.
    let mut out = vec![first];
    if part == CHAIN {
        let blocks = pem::all(text).map_err(|e| EvidenceFault::malformed(part, e))?;
        EvidenceFault::limit("certificates of the chain", blocks.len(), limits::CHAIN)?;
        out = blocks.into_iter().map(|(_, der)| der).collect();
    }
    Ok(out)
}

impl Claim {
    /// Reads a simple-signing payload.
    ///
    /// # Errors
    /// [`EvidenceFault::Malformed`] naming the payload.
    pub fn parse(payload: &[u8]) -> Result<Self, EvidenceFault> {
        #[derive(Deserialize)]
        struct Raw {
            critical: Critical,
            #[serde(default)]
            optional: Option<Map<String, Value>>,
        }
        #[derive(Deserialize)]
        struct Critical {
            #[serde(default)]
            identity: Option<Identity>,
            image: Image,
            #[serde(default, rename = "type")]
            claim_type: Option<String>,
        }
        #[derive(Deserialize)]
        struct Identity {
            #[serde(default, rename = "docker-reference")]
            reference: Option<String>,
        }
        #[derive(Deserialize)]
        struct Image {
            #[serde(rename = "docker-manifest-digest")]
            digest: Digest,
        }
        let raw: Raw = json::parse(payload, Spelling::Exact)
            .map_err(|e| EvidenceFault::malformed("simple-signing payload", e))?;
        let annotations = raw
            .optional
            .unwrap_or_default()
            .into_iter()
            .map(|(k, v)| (k, v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            .collect();
        Ok(Self {
            digest: raw.critical.image.digest,
            reference: raw.critical.identity.and_then(|i| i.reference),
            claim_type: raw.critical.claim_type,
            annotations,
        })
    }
}

/// The log entry in a layer's annotations, for whoever looks for entries alone.
///
/// # Errors
/// [`EvidenceFault`] naming the member.
pub fn entry_of(annotations: &BTreeMap<String, String>) -> Result<Option<LogEntry>, EvidenceFault> {
    annotations.get(BUNDLE).map(|text| log_entry(text)).transpose()
}

/// The certificate in a layer's annotations, unverified.
pub fn leaf_of(annotations: &BTreeMap<String, String>) -> Option<Certificate> {
    let first = certificates(CERTIFICATE, annotations.get(CERTIFICATE)?).ok()?.into_iter().next()?;
    Certificate::from_der(&first).ok()
}

/// Reads the annotation that carries a Rekor v1 entry with its promise.
fn log_entry(text: &str) -> Result<LogEntry, EvidenceFault> {
    let value: Map<String, Value> =
        json::parse(text.as_bytes(), Spelling::Folded).map_err(|e| EvidenceFault::malformed(BUNDLE, e))?;
    let promise = text_member(&value, "SignedEntryTimestamp")?;
    let payload = member(&value, "Payload")
        .and_then(Value::as_object)
        .ok_or(EvidenceFault::Missing { part: "Payload of the log entry" })?;
    let integrated_time = number_member(payload, "integratedTime")?;
    let log_index = number_member(payload, "logIndex")?;
    Ok(LogEntry {
        log_id: encoding::hex("logID", text_member(payload, "logID")?)?,
        log_index: u64::try_from(log_index).map_err(|e| EvidenceFault::malformed("logIndex", e))?,
        integrated_time: Some(
            Timestamp::from_second(integrated_time)
                .map_err(|e| EvidenceFault::malformed("integratedTime", e))?,
        ),
        kind_version: None,
        body: encoding::base64("body of the log entry", text_member(payload, "body")?)?,
        promise: Some(encoding::base64("SignedEntryTimestamp", promise)?),
        proof: None,
        fetched_proofs: Vec::new(),
    })
}

fn timestamp(text: &str) -> Result<Vec<u8>, EvidenceFault> {
    let value: Map<String, Value> =
        json::parse(text.as_bytes(), Spelling::Folded).map_err(|e| EvidenceFault::malformed(TIMESTAMP, e))?;
    encoding::base64(TIMESTAMP, text_member(&value, "SignedRFC3161Timestamp")?)
}

/// A member by its name without case, as Go reads it; the scanner has refused twins.
fn member<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text_member<'v>(map: &'v Map<String, Value>, name: &'static str) -> Result<&'v str, EvidenceFault> {
    match member(map, name) {
        None | Some(Value::Null) => Err(EvidenceFault::Missing { part: name }),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(EvidenceFault::malformed(name, "not a string")),
    }
}

fn number_member(map: &Map<String, Value>, name: &'static str) -> Result<i64, EvidenceFault> {
    match member(map, name) {
        None | Some(Value::Null) => Err(EvidenceFault::Missing { part: name }),
        Some(value) => {
            value.as_i64().ok_or_else(|| EvidenceFault::malformed(name, "not a whole number of 64 bits"))
        }
    }
}
