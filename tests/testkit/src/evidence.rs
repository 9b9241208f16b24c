//! Evidence: one signature in all its parts, and the forms in which it travels.
//!
//! [`Signed`] holds every part in public fields, so that a test can swap any two of them. It renders itself as a
//! classic layer, a classic attestation layer, or a Sigstore bundle.

use std::collections::BTreeMap;

use crate::base64;
use crate::der;
use crate::json::{Json, object};
use crate::keys::Hash;
use crate::rekor::LogEntry;

/// Media type of a classic signature layer.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of a classic attestation layer.
pub const DSSE_ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Media type of a Sigstore bundle.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Predicate type of cosign's image signatures in bundles.
pub const SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";

/// Annotation with the signature, base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Annotation with the leaf certificate, PEM.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Annotation with intermediate and root, PEM.
pub const CHAIN: &str = "dev.sigstore.cosign/chain";
/// Annotation with the log entry, JSON.
pub const REKOR_BUNDLE: &str = "dev.sigstore.cosign/bundle";
/// Annotation with an RFC 3161 response, JSON.
pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes.
    Payload(Vec<u8>),
    /// A DSSE envelope around a payload of some type.
    Envelope {
        /// `payloadType`.
        payload_type: String,
        /// The payload, decoded.
        payload: Vec<u8>,
    },
}

/// One signature in all its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What was signed (or what a twist pretends was signed).
    pub content: Content,
    /// Hash of the signature.
    pub hash: Hash,
    /// The signature: DER for ECDSA.
    pub signature: Vec<u8>,
    /// The leaf certificate, DER; none for a managed key.
    pub certificate: Option<Vec<u8>>,
    /// Intermediate and root, PEM; empty for a managed key.
    pub chain_pem: String,
    /// The signer's public key, PEM.
    pub public_pem: String,
    /// What logs call the signer's kind of key.
    pub key_details: &'static str,
    /// The log entry, where there is one.
    pub entry: Option<LogEntry>,
    /// Entries beside it. Only bundles can carry them.
    pub further_entries: Vec<LogEntry>,
    /// RFC 3161 responses, DER. A classic layer carries the first.
    pub timestamps: Vec<Vec<u8>>,
}

/// A layer of a classic signature or attestation manifest: blob and annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Media type of the blob.
    pub media_type: String,
    /// The blob.
    pub blob: Vec<u8>,
    /// Annotations of its descriptor.
    pub annotations: BTreeMap<String, String>,
}

/// Cosign's simple-signing payload.
pub fn simple_signing(repository: &str, digest: &str, optional: &Json) -> String {
    object([
        (
            "critical",
            object([
                ("identity", object([("docker-reference", repository.into())])),
                ("image", object([("docker-manifest-digest", digest.into())])),
                ("type", "cosign container image signature".into()),
            ]),
        ),
        ("optional", optional.clone()),
    ])
    .compact()
}

/// An in-toto statement; `version` is `v0.1` or `v1`.
pub fn statement(
    version: &str,
    subject_name: &str,
    digest: &str,
    predicate_type: &str,
    predicate: &str,
) -> String {
    let (algorithm, value) = digest.split_once(':').unwrap();
    let mut subject = Vec::new();
    if !subject_name.is_empty() {
        subject.push(("name".to_owned(), Json::from(subject_name)));
    }
    subject.push(("digest".to_owned(), object([(algorithm, value.into())])));
    object([
        ("_type", format!("https://in-toto.io/Statement/{version}").into()),
        ("subject", Json::Array(vec![Json::Object(subject)])),
        ("predicateType", predicate_type.into()),
        ("predicate", Json::Raw(predicate.to_owned())),
    ])
    .compact()
}

/// The pre-authentication encoding of DSSE.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Content {
    /// The bytes under the signature: the payload, or the envelope's pre-authentication encoding.
    pub fn to_be_signed(&self) -> Vec<u8> {
        match self {
            Content::Payload(payload) => payload.clone(),
            Content::Envelope { payload_type, payload } => pae(payload_type, payload),
        }
    }

    /// The payload, with or without an envelope around it.
    pub fn payload(&self) -> &[u8] {
        match self {
            Content::Payload(payload) | Content::Envelope { payload, .. } => payload,
        }
    }

    /// The payload, to be changed.
    pub fn payload_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Content::Payload(payload) | Content::Envelope { payload, .. } => payload,
        }
    }
}

impl Signed {
    /// The certificate as PEM, or else the public key: what log entries hold.
    pub fn verifier_pem(&self) -> String {
        self.certificate_pem().unwrap_or_else(|| self.public_pem.clone())
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> Option<String> {
        self.certificate.as_ref().map(|der| der::pem("CERTIFICATE", der))
    }

    /// The bytes that a timestamp covers: the signature, or the whole layer of a classic attestation.
    pub fn to_be_stamped(&self, classic: bool) -> Vec<u8> {
        match &self.content {
            Content::Envelope { .. } if classic => self.envelope(),
            _ => self.signature.clone(),
        }
    }

    /// The DSSE envelope, JSON. Panics where a payload was signed without one.
    pub fn envelope(&self) -> Vec<u8> {
        self.envelope_value().compact().into_bytes()
    }

    fn envelope_value(&self) -> Json {
        let Content::Envelope { payload_type, payload } = &self.content else { panic!("not an envelope") };
        object([
            ("payload", base64(payload).into()),
            ("payloadType", payload_type.as_str().into()),
            ("signatures", Json::Array(vec![object([("sig", base64(&self.signature).into())])])),
        ])
    }

    /// The classic form: a simple-signing layer, or a DSSE layer for an envelope.
    pub fn layer(&self) -> Layer {
        let mut annotations = BTreeMap::new();
        let (media_type, blob) = match &self.content {
            Content::Payload(payload) => {
                annotations.insert(SIGNATURE.to_owned(), base64(&self.signature));
                (SIMPLE_SIGNING, payload.clone())
            }
            Content::Envelope { .. } => {
                annotations.insert(SIGNATURE.to_owned(), String::new());
                if let Some(predicate_type) = self.predicate_type() {
                    annotations.insert("predicateType".to_owned(), predicate_type);
                }
                (DSSE_ENVELOPE, self.envelope())
            }
        };
        if let Some(pem) = self.certificate_pem() {
            annotations.insert(CERTIFICATE.to_owned(), pem);
            annotations.insert(CHAIN.to_owned(), self.chain_pem.clone());
        }
        if let Some(entry) = &self.entry {
            annotations.insert(REKOR_BUNDLE.to_owned(), entry.annotation().compact());
        }
        if let Some(stamp) = self.timestamps.first() {
            let value = object([("SignedRFC3161Timestamp", base64(stamp).into())]);
            annotations.insert(TIMESTAMP.to_owned(), value.compact());
        }
        Layer { media_type: media_type.to_owned(), blob, annotations }
    }

    /// The Sigstore bundle v0.3 as a value: message signature, or DSSE for an envelope.
    pub fn bundle_value(&self) -> Json {
        let mut material = Vec::new();
        match &self.certificate {
            Some(der) => {
                material.push(("certificate".to_owned(), object([("rawBytes", base64(der).into())])));
            }
            None => material.push(("publicKey".to_owned(), object([("hint", self.key_hint().into())]))),
        }
        let entries: Vec<Json> =
            self.entry.iter().chain(&self.further_entries).map(LogEntry::bundle).collect();
        if !entries.is_empty() {
            material.push(("tlogEntries".to_owned(), Json::Array(entries)));
        }
        if !self.timestamps.is_empty() {
            let stamps =
                self.timestamps.iter().map(|der| object([("signedTimestamp", base64(der).into())])).collect();
            material.push((
                "timestampVerificationData".to_owned(),
                object([("rfc3161Timestamps", Json::Array(stamps))]),
            ));
        }
        let content = match &self.content {
            Content::Payload(payload) => (
                "messageSignature",
                object([
                    (
                        "messageDigest",
                        object([
                            ("algorithm", self.hash.bundle_name().into()),
                            ("digest", base64(&self.hash.digest(payload)).into()),
                        ]),
                    ),
                    ("signature", base64(&self.signature).into()),
                ]),
            ),
            Content::Envelope { .. } => ("dsseEnvelope", self.envelope_value()),
        };
        object([("mediaType", BUNDLE.into()), ("verificationMaterial", Json::Object(material)), content])
    }

    /// The bundle of an older version, `0.1` or `0.2`: the certificate stands in a chain of one.
    pub fn older_bundle(&self, version: &str) -> String {
        let mut value = self.bundle_value();
        *value.member("mediaType") =
            format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
        if let Some(certificate) = &self.certificate {
            let one = object([("rawBytes", base64(certificate).into())]);
            let Json::Object(material) = value.member("verificationMaterial") else { unreachable!() };
            material[0] =
                ("x509CertificateChain".to_owned(), object([("certificates", Json::Array(vec![one]))]));
        }
        value.compact()
    }

    /// The Sigstore bundle v0.3 as text.
    pub fn bundle(&self) -> String {
        self.bundle_value().compact()
    }

    /// What stands behind `"predicateType":` in the payload, where it is a statement that this crate wrote.
    pub fn predicate_type(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.content.payload()).into_owned();
        let (_, rest) = text.split_once("\"predicateType\":\"")?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    }

    /// Cosign's hint for a managed key: base64 of the SHA-256 of the key's DER.
    fn key_hint(&self) -> String {
        let text: String = self.public_pem.lines().filter(|line| !line.starts_with('-')).collect();
        base64(&Hash::Sha256.digest(&crate::unbase64(&text)))
    }
}

impl Layer {
    /// An annotation, or an empty string.
    pub fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }

    /// With an annotation set.
    #[must_use]
    pub fn with_annotation(mut self, name: &str, value: impl Into<String>) -> Layer {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// Without an annotation.
    #[must_use]
    pub fn without_annotation(mut self, name: &str) -> Layer {
        self.annotations.remove(name);
        self
    }

    /// With another blob under the same annotations.
    #[must_use]
    pub fn with_blob(mut self, blob: impl Into<Vec<u8>>) -> Layer {
        self.blob = blob.into();
        self
    }

    /// The annotation of another layer in place of its own.
    #[must_use]
    pub fn with_annotation_of(self, other: &Layer, name: &str) -> Layer {
        let value = other.annotation(name).to_owned();
        self.with_annotation(name, value)
    }
}

/// Exchanges the blobs of two layers, and leaves their annotations where they are.
pub fn swap_blobs(one: &mut Layer, other: &mut Layer) {
    std::mem::swap(&mut one.blob, &mut other.blob);
}
