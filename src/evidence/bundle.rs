//! Sigstore bundles 0.1, 0.2 and 0.3.
//!
//! Input: bundle JSON. Output: [`Evidence`].
//!
//! | rule | source |
//! |---|---|
//! | media types `…bundle+json;version=0.1`, `0.2`, `0.3` and `…bundle.v0.3+json` | protobuf-specs `sigstore_bundle.proto` |
//! | 64-bit numbers are strings, bytes are base64, absent means zero | protobuf JSON mapping |
//! | no unknown member | protobuf JSON mapping, the default of every generated reader |
//! | one spelling of a member, one member of a oneof | ours: readers differ on which one counts |
//! | entries, timestamps and certificates within [`super::limits`] | sigstore-go |
//! | an empty `messageDigest` is none | cosign writes one beside pure Ed25519 signatures |
//!
//! The media type is unsigned: it selects no rule of verification. Not checked here: everything cryptographic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealock_trust_root::json::{self, Spelling};
use serde::{Deserialize, Deserializer};

use super::{
    Content, Evidence, EvidenceFault, Form, InclusionProof, Kind, LogEntry, Signer, dsse, limits, statement,
};
use crate::image::Digest;

/// What the media type of a bundle starts with, in every version.
pub const MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";

/// Bytes written as strict base64.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(&text)
            .map(Self)
            .map_err(|e| serde::de::Error::custom(format!("not strict base64: {e}")))
    }
}

/// A 64-bit number: a string of digits, or a number as some writers have it.
#[derive(Default)]
struct Number(i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Plain(i64),
        }
        match Form::deserialize(deserializer)? {
            Form::Plain(number) => Ok(Self(number)),
            Form::Text(text) if text == "0" || !text.starts_with(['0', '+']) => {
                text.parse().map(Self).map_err(serde::de::Error::custom)
            }
            Form::Text(text) => Err(serde::de::Error::custom(format!("{text:?} is not a decimal number"))),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(alias = "media_type")]
    media_type: Option<String>,
    #[serde(alias = "verification_material")]
    verification_material: RawMaterial,
    #[serde(alias = "message_signature")]
    message_signature: Option<RawMessage>,
    #[serde(alias = "dsse_envelope")]
    dsse_envelope: Option<dsse::Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawMessage {
    #[serde(alias = "message_digest")]
    message_digest: Option<RawDigest>,
    signature: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDigest {
    algorithm: Option<String>,
    digest: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawMaterial {
    #[serde(alias = "public_key")]
    public_key: Option<RawHint>,
    certificate: Option<RawCertificate>,
    #[serde(alias = "x509_certificate_chain")]
    x509_certificate_chain: Option<RawChain>,
    #[serde(default, alias = "tlog_entries")]
    tlog_entries: Option<Vec<RawEntry>>,
    #[serde(default, alias = "timestamp_verification_data")]
    timestamp_verification_data: Option<RawTimestamps>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHint {
    #[serde(default)]
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawCertificate {
    #[serde(alias = "raw_bytes")]
    raw_bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChain {
    #[serde(default)]
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTimestamps {
    #[serde(default, alias = "rfc3161_timestamps")]
    rfc3161_timestamps: Option<Vec<RawTimestamp>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTimestamp {
    #[serde(alias = "signed_timestamp")]
    signed_timestamp: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawEntry {
    #[serde(default, alias = "log_index")]
    log_index: Number,
    #[serde(alias = "log_id")]
    log_id: Option<RawLogId>,
    #[serde(alias = "kind_version")]
    kind_version: Option<RawKind>,
    #[serde(default, alias = "integrated_time")]
    integrated_time: Number,
    #[serde(alias = "inclusion_promise")]
    inclusion_promise: Option<RawPromise>,
    #[serde(alias = "inclusion_proof")]
    inclusion_proof: Option<RawProof>,
    #[serde(alias = "canonicalized_body")]
    canonicalized_body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawLogId {
    #[serde(alias = "key_id")]
    key_id: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKind {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPromise {
    #[serde(alias = "signed_entry_timestamp")]
    signed_entry_timestamp: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawProof {
    #[serde(default, alias = "log_index")]
    log_index: Number,
    #[serde(default, alias = "tree_size")]
    tree_size: Number,
    #[serde(alias = "root_hash")]
    root_hash: Option<Bytes>,
    #[serde(default)]
    hashes: Option<Vec<Bytes>>,
    checkpoint: Option<RawCheckpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheckpoint {
    #[serde(default)]
    envelope: String,
}

/// Reads a bundle.
///
/// # Errors
/// [`EvidenceFault`] naming the member.
pub fn parse(digest: Digest, bytes: &[u8]) -> Result<Evidence, EvidenceFault> {
    let raw: Raw = json::parse(bytes, Spelling::Folded).map_err(|e| EvidenceFault::malformed("bundle", e))?;
    let media_type = raw.media_type.unwrap_or_default();
    if !["+json;version=0.1", "+json;version=0.2", "+json;version=0.3", ".v0.3+json"]
        .iter()
        .any(|version| media_type.strip_prefix(MEDIA_TYPE_PREFIX) == Some(version))
    {
        return Err(EvidenceFault::Unsupported {
            part: "bundle media type",
            found: media_type.chars().take(120).collect(),
        });
    }
    let content = match (raw.message_signature, raw.dsse_envelope) {
        (Some(message), None) => Content::Message {
            digest: message_digest(message.message_digest)?,
            signature: message.signature.0,
        },
        (None, Some(envelope)) => {
            let envelope = dsse::Envelope::from_raw(&envelope)?;
            // Several signatures over one payload are how an unverified one hides behind a verified one.
            EvidenceFault::limit("DSSE signatures of a bundle", envelope.signatures.len(), 1)?;
            let statement = statement::Statement::parse(&envelope.payload)?;
            Content::Envelope { envelope, statement }
        }
        (None, None) => return Err(EvidenceFault::Missing { part: "messageSignature or dsseEnvelope" }),
        (Some(_), Some(_)) => {
            return Err(EvidenceFault::malformed("bundle", "both messageSignature and dsseEnvelope"));
        }
    };
    let material = raw.verification_material;
    let version = media_type.strip_prefix(MEDIA_TYPE_PREFIX).unwrap_or_default();
    let form = Form {
        before_0_3: version.ends_with("=0.1") || version.ends_with("=0.2"),
        proof_required: !version.ends_with("=0.1"),
        chain_unexpected: material.x509_certificate_chain.is_some()
            && !version.ends_with("=0.1")
            && !version.ends_with("=0.2"),
    };
    let signer = signer(material.public_key, material.certificate, material.x509_certificate_chain)?;
    let raw_entries = material.tlog_entries.unwrap_or_default();
    EvidenceFault::limit("log entries", raw_entries.len(), limits::LOG_ENTRIES)?;
    let entries = raw_entries.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let stamps = material.timestamp_verification_data.and_then(|d| d.rfc3161_timestamps).unwrap_or_default();
    EvidenceFault::limit("timestamps", stamps.len(), limits::TIMESTAMPS)?;
    let timestamps = stamps.into_iter().map(|s| s.signed_timestamp.0).collect();
    Ok(Evidence { digest, kind: Kind::Bundle, content, signer, entries, timestamps, form })
}

/// Reads one `TransparencyLogEntry` that stands alone.
///
/// # Errors
/// [`EvidenceFault`] naming the member.
pub(super) fn log_entry(bytes: &[u8]) -> Result<LogEntry, EvidenceFault> {
    entry(json::parse(bytes, Spelling::Folded).map_err(|e| EvidenceFault::malformed("log entry", e))?)
}

fn message_digest(raw: Option<RawDigest>) -> Result<Option<(String, Vec<u8>)>, EvidenceFault> {
    match raw {
        None | Some(RawDigest { algorithm: None, digest: None }) => Ok(None),
        Some(RawDigest { algorithm: Some(algorithm), digest: Some(digest) }) => {
            Ok(Some((algorithm, digest.0)))
        }
        Some(_) => Err(EvidenceFault::malformed("messageDigest", "algorithm and digest go together")),
    }
}

fn signer(
    key: Option<RawHint>,
    certificate: Option<RawCertificate>,
    chain: Option<RawChain>,
) -> Result<Signer, EvidenceFault> {
    match (key, certificate, chain) {
        (Some(key), None, None) => Ok(Signer::Key { hint: key.hint }),
        (None, Some(certificate), None) => {
            Ok(Signer::Certificate { leaf: certificate.raw_bytes.0, chain: Vec::new() })
        }
        (None, None, Some(chain)) => {
            EvidenceFault::limit("certificates of the chain", chain.certificates.len(), limits::CHAIN)?;
            let mut certificates = chain.certificates.into_iter().map(|c| c.raw_bytes.0);
            let leaf = certificates
                .next()
                .ok_or(EvidenceFault::Missing { part: "x509CertificateChain.certificates" })?;
            Ok(Signer::Certificate { leaf, chain: certificates.collect() })
        }
        (None, None, None) => {
            Err(EvidenceFault::Missing { part: "certificate, x509CertificateChain or publicKey" })
        }
        _ => Err(EvidenceFault::malformed("verificationMaterial", "more than one kind of signer")),
    }
}

fn entry(raw: RawEntry) -> Result<LogEntry, EvidenceFault> {
    let unsigned = |part: &'static str, number: Number| {
        u64::try_from(number.0).map_err(|e| EvidenceFault::malformed(part, e))
    };
    let proof = raw.inclusion_proof.map(proof).transpose()?;
    Ok(LogEntry {
        log_id: raw.log_id.map(|id| id.key_id.0).unwrap_or_default(),
        log_index: unsigned("logIndex", raw.log_index)?,
        integrated_time: match raw.integrated_time.0 {
            0 => None,
            seconds => Some(
                Timestamp::from_second(seconds).map_err(|e| EvidenceFault::malformed("integratedTime", e))?,
            ),
        },
        kind_version: raw.kind_version.map(|k| (k.kind, k.version)),
        body: raw.canonicalized_body.0,
        promise: raw.inclusion_promise.map(|p| p.signed_entry_timestamp.0),
        proof,
        fetched_proofs: Vec::new(),
    })
}

fn proof(raw: RawProof) -> Result<InclusionProof, EvidenceFault> {
    let hashes = raw.hashes.unwrap_or_default();
    EvidenceFault::limit("hashes of the inclusion proof", hashes.len(), limits::PROOF_HASHES)?;
    let checkpoint = raw
        .checkpoint
        .map(|c| c.envelope)
        .ok_or(EvidenceFault::Missing { part: "checkpoint of the inclusion proof" })?;
    EvidenceFault::limit("bytes of the checkpoint", checkpoint.len(), limits::CHECKPOINT)?;
    Ok(InclusionProof {
        log_index: u64::try_from(raw.log_index.0)
            .map_err(|e| EvidenceFault::malformed("inclusionProof.logIndex", e))?,
        tree_size: u64::try_from(raw.tree_size.0)
            .map_err(|e| EvidenceFault::malformed("inclusionProof.treeSize", e))?,
        root_hash: raw.root_hash.map(|h| h.0).unwrap_or_default(),
        hashes: hashes
            .into_iter()
            .map(|h| {
                h.0.try_into()
                    .map_err(|_| EvidenceFault::malformed("inclusionProof.hashes", "a hash is not 32 bytes"))
            })
            .collect::<Result<_, _>>()?,
        checkpoint,
    })
}
