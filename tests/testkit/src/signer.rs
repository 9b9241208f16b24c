//! Signing: who, when, with which log, and what comes out of it.
//!
//! A [`Signer`] is a description that can sign any number of times; [`Signed`] holds every part of one signature
//! in public fields, so that a test can swap any two of them, and renders itself as the three forms in which
//! evidence travels: a classic layer, a classic attestation layer, and a Sigstore bundle.

use std::collections::BTreeMap;

use crate::authority::CertificateRequest;
use crate::base64;
use crate::calendar::{BASE_TIME, Time};
use crate::ct_log::{Sct, sct_list};
use crate::der;
use crate::identity::Identity;
use crate::json::{Json, object};
use crate::keys::{Algorithm, Hash, SigningKey};
use crate::rekor::{self, LogEntry};
use crate::sigstore::Sigstore;
use crate::twist::Twist;

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

/// Seconds from the certificate's start to the inclusion in the log.
pub const LOG_DELAY: Time = 5;

/// The kind of entry under which an envelope is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeEntry {
    /// `dsse` 0.0.1, as cosign writes today.
    Dsse,
    /// `intoto` 0.0.1, as cosign 1 wrote.
    IntotoV1,
    /// `intoto` 0.0.2.
    IntotoV2,
}

#[derive(Clone, Debug)]
enum Who {
    Identity(Identity),
    Key(SigningKey),
}

type Adjustment<'a> = std::rc::Rc<dyn Fn(&mut CertificateRequest) + 'a>;

/// Somebody who signs. Every method returns a changed copy; nothing happens before [`Signer::image`],
/// [`Signer::payload`] or [`Signer::statement`].
#[derive(Clone)]
pub struct Signer<'a> {
    pub(crate) sigstore: &'a Sigstore,
    who: Who,
    pub(crate) time: Time,
    log_delay: Time,
    logged: bool,
    envelope_entry: EnvelopeEntry,
    hash: Hash,
    prehashed: bool,
    pub(crate) twist: Option<Twist>,
    optional: Json,
    adjustment: Option<Adjustment<'a>>,
}

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
    /// The log entry, where there is one.
    pub entry: Option<LogEntry>,
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

impl<'a> Signer<'a> {
    pub(crate) fn keyless(sigstore: &'a Sigstore, identity: &Identity) -> Self {
        Signer::new(sigstore, Who::Identity(identity.clone()))
    }

    pub(crate) fn keyed(sigstore: &'a Sigstore, key: &SigningKey) -> Self {
        Signer::new(sigstore, Who::Key(key.clone()))
    }

    fn new(sigstore: &'a Sigstore, who: Who) -> Self {
        Signer {
            sigstore,
            who,
            time: BASE_TIME,
            log_delay: LOG_DELAY,
            logged: true,
            envelope_entry: EnvelopeEntry::Dsse,
            hash: Hash::Sha256,
            prehashed: false,
            twist: None,
            optional: Json::Null,
            adjustment: None,
        }
    }

    /// Signs at another time than [`BASE_TIME`]. The entry follows [`LOG_DELAY`] seconds later.
    #[must_use]
    pub fn at(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// Seconds from the certificate's start to the integrated time, in place of [`LOG_DELAY`].
    #[must_use]
    pub fn log_delay(mut self, seconds: Time) -> Self {
        self.log_delay = seconds;
        self
    }

    /// Without a log entry.
    #[must_use]
    pub fn without_log(mut self) -> Self {
        self.logged = false;
        self
    }

    /// Logs envelopes as that kind of entry.
    #[must_use]
    pub fn envelope_entry(mut self, kind: EnvelopeEntry) -> Self {
        self.envelope_entry = kind;
        self
    }

    /// Signs over that hash in place of SHA-256, whatever the curve.
    #[must_use]
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// Ed25519 keys: signs with Ed25519ph over SHA-512, as cosign does.
    #[must_use]
    pub fn prehashed(mut self) -> Self {
        self.prehashed = true;
        self.hash = Hash::Sha512;
        self
    }

    /// The `optional` member of simple-signing payloads, usually an object of strings (cosign's `-a`).
    #[must_use]
    pub fn annotations(mut self, optional: Json) -> Self {
        self.optional = optional;
        self
    }

    /// With that misbehaviour.
    #[must_use]
    pub fn twisted(mut self, twist: Twist) -> Self {
        self.twist = Some(twist);
        self
    }

    /// Changes each certificate request before it is issued (and stamped by the CT log).
    #[must_use]
    pub fn certificate(mut self, adjustment: impl Fn(&mut CertificateRequest) + 'a) -> Self {
        self.adjustment = Some(std::rc::Rc::new(adjustment));
        self
    }

    pub(crate) fn honest(&self) -> Self {
        let mut signer = self.clone();
        signer.twist = None;
        signer
    }

    /// The same signer with a certificate or key of somebody nobody asked for.
    pub(crate) fn somebody_else(&self) -> Self {
        let mut signer = self.honest();
        signer.who = match &self.who {
            Who::Identity(identity) => {
                Who::Identity(identity.named("https://attacker.example.com/somebody-else"))
            }
            Who::Key(key) => {
                Who::Key(SigningKey::derive(self.sigstore.seed, "somebody-else", cheap(key.algorithm())))
            }
        };
        signer
    }

    /// The same signer at another Sigstore.
    pub(crate) fn moved<'b>(&self, sigstore: &'b Sigstore) -> Signer<'b> {
        Signer {
            sigstore,
            who: self.who.clone(),
            time: self.time,
            log_delay: self.log_delay,
            logged: self.logged,
            envelope_entry: self.envelope_entry,
            hash: self.hash,
            prehashed: self.prehashed,
            twist: None,
            optional: self.optional.clone(),
            adjustment: None,
        }
    }

    /// Signs an image: a simple-signing payload that names a repository and a digest (`sha256:…`).
    pub fn image(&self, repository: &str, digest: &str) -> Signed {
        let named = match self.twist {
            Some(Twist::WrongDigest) => OTHER_DIGEST,
            _ => digest,
        };
        let mut payload = simple_signing(repository, named, &self.optional);
        match self.twist {
            Some(Twist::PayloadMemberTwice) => {
                let member = format!("\"docker-manifest-digest\":\"{named}\"");
                payload = payload
                    .replace(&member, &format!("\"docker-manifest-digest\":\"{OTHER_DIGEST}\",{member}"));
            }
            Some(Twist::PayloadOfAnotherType) => {
                payload = payload.replace("cosign container image signature", "atomic container signature");
            }
            _ => {}
        }
        self.payload(payload.into_bytes())
    }

    /// Signs any bytes.
    pub fn payload(&self, payload: impl Into<Vec<u8>>) -> Signed {
        self.produce(Content::Payload(payload.into()))
    }

    /// Signs an in-toto statement about an image: `version` is `v0.1` or `v1`, the predicate is JSON text.
    pub fn statement(
        &self,
        version: &str,
        repository: &str,
        digest: &str,
        predicate_type: &str,
        predicate: &str,
    ) -> Signed {
        let digest = match self.twist {
            Some(Twist::WrongDigest) => OTHER_DIGEST,
            _ => digest,
        };
        self.envelope(IN_TOTO, statement(version, repository, digest, predicate_type, predicate))
    }

    /// Signs an image as cosign 3 does: a statement v1 with the predicate type [`SIGN_V1`] and an empty predicate.
    pub fn image_statement(&self, digest: &str) -> Signed {
        self.statement("v1", "", digest, SIGN_V1, "{}")
    }

    /// Signs any payload in a DSSE envelope.
    pub fn envelope(&self, payload_type: &str, payload: impl Into<Vec<u8>>) -> Signed {
        self.produce(Content::Envelope { payload_type: payload_type.to_owned(), payload: payload.into() })
    }

    fn produce(&self, content: Content) -> Signed {
        let key = match &self.who {
            Who::Identity(_) => self.sigstore.ephemeral_key(),
            Who::Key(key) => key.clone(),
        };
        let certificate = match &self.who {
            Who::Identity(identity) => Some(self.issue(identity, &key)),
            Who::Key(_) => None,
        };
        let signing_key = match self.twist {
            Some(Twist::SignatureOfAnotherKey) => {
                SigningKey::derive(self.sigstore.seed, "another-key", cheap(key.algorithm()))
            }
            _ => key.clone(),
        };
        let message = content.to_be_signed();
        let signature = if self.prehashed && signing_key.algorithm() == Algorithm::Ed25519 {
            signing_key.sign_ed25519ph(&message)
        } else {
            signing_key.sign(&message, self.hash)
        };
        let mut signed = Signed {
            content,
            hash: self.hash,
            signature,
            chain_pem: certificate.as_ref().map_or_else(String::new, |_| self.sigstore.authority.chain_pem()),
            certificate,
            public_pem: key.public_pem(),
            entry: None,
        };
        if self.logged {
            let body = self.body(&signed);
            signed.entry = Some(self.sigstore.rekor.append(body.0, body.1, &body.2, self.integrated_time()));
        }
        match self.twist {
            Some(twist) => twist.apply(self, signed),
            None => signed,
        }
    }

    /// When the entry is logged.
    pub(crate) fn integrated_time(&self) -> Time {
        match self.twist {
            Some(Twist::CertificateExpired) => self.time + 10 * 60 + 1,
            Some(Twist::CertificateNotYetValid) => self.time - 1,
            _ => self.time + self.log_delay,
        }
    }

    /// Kind, version and body of the entry for a signature.
    pub(crate) fn body(&self, signed: &Signed) -> (&'static str, &'static str, Json) {
        let verifier = signed.verifier_pem();
        match &signed.content {
            Content::Payload(payload) => {
                let digest = signed.hash.digest(payload);
                (
                    "hashedrekord",
                    "0.0.1",
                    rekor::hashedrekord(signed.hash, &digest, &signed.signature, &verifier),
                )
            }
            Content::Envelope { payload_type, payload } => {
                let envelope = signed.envelope();
                match self.envelope_entry {
                    EnvelopeEntry::Dsse => {
                        ("dsse", "0.0.1", rekor::dsse(&envelope, payload, &signed.signature, &verifier))
                    }
                    EnvelopeEntry::IntotoV1 => {
                        ("intoto", "0.0.1", rekor::intoto_v1(&envelope, payload, &verifier))
                    }
                    EnvelopeEntry::IntotoV2 => (
                        "intoto",
                        "0.0.2",
                        rekor::intoto_v2(&envelope, payload, payload_type, &signed.signature, &verifier),
                    ),
                }
            }
        }
    }

    fn issue(&self, identity: &Identity, key: &SigningKey) -> Vec<u8> {
        let mut request = CertificateRequest::honest(identity, &key.public_der(), self.time);
        if let Some(twist) = self.twist {
            twist.adjust(&mut request);
        }
        if let Some(adjustment) = &self.adjustment {
            adjustment(&mut request);
        }
        let sigstore = match self.twist {
            Some(Twist::CertificateOfAnotherAuthority) => &self.sigstore.foreign(),
            _ => self.sigstore,
        };
        if self.twist == Some(Twist::SelfSigned) {
            return sigstore.self_signed(&request, key);
        }
        let precertificate = sigstore.authority.leaf_tbs(&request, None);
        let stamp = |log: &Sigstore, tbs: &[u8]| {
            log.ct_log.stamp(&sigstore.authority.issuer_key_hash(), tbs, request.validity.from)
        };
        let scts: Vec<Sct> = match self.twist {
            Some(Twist::SctMissing) => {
                return sigstore.authority.certify(&precertificate);
            }
            Some(Twist::SctOfUnknownLog) => vec![stamp(&self.sigstore.foreign(), &precertificate)],
            Some(Twist::CertificateOfAnotherAuthority) => vec![stamp(self.sigstore, &precertificate)],
            Some(Twist::SctTimeAltered) => {
                let mut sct = stamp(sigstore, &precertificate);
                sct.timestamp += 1;
                vec![sct]
            }
            Some(Twist::SctOfAnotherCertificate) => {
                let mut other = request.clone();
                other.names = vec![identity.name.with_text("https://example.com/another".to_owned())];
                vec![stamp(sigstore, &sigstore.authority.leaf_tbs(&other, None))]
            }
            _ => vec![stamp(sigstore, &precertificate)],
        };
        let list = sct_list(&scts);
        sigstore.authority.certify(&sigstore.authority.leaf_tbs(&request, Some(&list)))
    }
}

/// A digest that no image of the testkit has.
pub const OTHER_DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// RSA keys are slow to find, so that strangers to an RSA key use P-256.
fn cheap(algorithm: Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::Rsa2048 | Algorithm::Rsa3072 => Algorithm::P256,
        other => other,
    }
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
        if let Some(entry) = &self.entry {
            material.push(("tlogEntries".to_owned(), Json::Array(vec![entry.bundle()])));
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
