//! Signing: who, when, with which log, and what comes out of it.
//!
//! A [`Signer`] is a description that can sign any number of times; what comes out is a [`Signed`].

use crate::authority::CertificateRequest;
use crate::calendar::{BASE_TIME, Time};
use crate::ct_log::{CtLog, Sct, sct_list};
use crate::der;
use crate::identity::Identity;
use crate::json::Json;
use crate::keys::{Algorithm, Hash, SigningKey};
use crate::rekor::{self, LogEntry};
use crate::rekor_v2::{self, RekorV2, Verifier};
use crate::sigstore::Sigstore;
use crate::tsa::{Token, Tsa};
use crate::twist::Twist;

pub use crate::evidence::{
    BUNDLE, CERTIFICATE, CHAIN, Content, DSSE_ENVELOPE, IN_TOTO, Layer, REKOR_BUNDLE, SIGN_V1, SIGNATURE,
    SIMPLE_SIGNING, Signed, TIMESTAMP, pae, simple_signing, statement, swap_blobs,
};

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
    /// `hashedrekord` over the envelope's encoding, as cosign logs envelopes in Rekor v2.
    Hashedrekord,
}

#[derive(Clone, Debug)]
enum Who {
    Identity(Identity),
    Key(SigningKey),
}

type Adjustment<'a> = std::rc::Rc<dyn Fn(&mut CertificateRequest) + 'a>;
type Promises<'a> = std::rc::Rc<dyn Fn(&CtLog, &Precertificate<'_>) -> Vec<Sct> + 'a>;
type Stamping<'a> = std::rc::Rc<dyn Fn(&mut Token) + 'a>;

/// What a CT log is shown.
#[derive(Clone, Copy, Debug)]
pub struct Precertificate<'p> {
    /// SHA-256 of the issuer's key.
    pub issuer_key_hash: [u8; 32],
    /// The signed part of the certificate, without the list of promises.
    pub tbs: &'p [u8],
    /// When the certificate begins.
    pub time: Time,
}

/// Somebody who signs. Every method returns a changed copy; nothing happens before [`Signer::image`],
/// [`Signer::payload`] or [`Signer::statement`].
#[derive(Clone)]
pub struct Signer<'a> {
    pub(crate) sigstore: &'a Sigstore,
    who: Who,
    pub(crate) time: Time,
    log_delay: Time,
    logged: bool,
    logs_v2: Vec<&'a RekorV2>,
    stamps: Vec<(&'a Tsa, Option<Stamping<'a>>)>,
    classic: bool,
    envelope_entry: EnvelopeEntry,
    hash: Hash,
    prehashed: bool,
    pub(crate) twist: Option<Twist>,
    optional: Json,
    adjustment: Option<Adjustment<'a>>,
    promises: Option<Promises<'a>>,
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
            logs_v2: Vec::new(),
            stamps: Vec::new(),
            classic: false,
            envelope_entry: EnvelopeEntry::Dsse,
            hash: Hash::Sha256,
            prehashed: false,
            twist: None,
            optional: Json::Null,
            adjustment: None,
            promises: None,
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

    /// Logged in a log of version 2, in place of the instance's own log.
    #[must_use]
    pub fn logged_in_v2(mut self, log: &'a RekorV2) -> Self {
        self.logged = false;
        self.also_logged_in_v2(log)
    }

    /// Logged in a log of version 2 beside whatever else.
    #[must_use]
    pub fn also_logged_in_v2(mut self, log: &'a RekorV2) -> Self {
        self.logs_v2.push(log);
        self
    }

    /// Stamped by an authority, when the log would have taken it.
    #[must_use]
    pub fn stamped_by(mut self, tsa: &'a Tsa) -> Self {
        self.stamps.push((tsa, None));
        self
    }

    /// Stamped by an authority with a token that is not what it should be.
    #[must_use]
    pub fn stamped_with(mut self, tsa: &'a Tsa, change: impl Fn(&mut Token) + 'a) -> Self {
        self.stamps.push((tsa, Some(std::rc::Rc::new(change))));
        self
    }

    /// For a classic attestation, whose timestamps are over the whole layer.
    #[must_use]
    pub fn classic(mut self) -> Self {
        self.classic = true;
        self
    }

    /// What CT logs promise, in place of one promise by the instance's own log. None: the certificate has no list.
    #[must_use]
    pub fn scts(mut self, promises: impl Fn(&CtLog, &Precertificate<'_>) -> Vec<Sct> + 'a) -> Self {
        self.promises = Some(std::rc::Rc::new(promises));
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

    /// With that misbehaviour. Those of entries ([`Twist::is_of_the_entry`]) are of the instance's own log; entries of
    /// version 2 are spoiled field by field.
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
            logs_v2: Vec::new(),
            stamps: Vec::new(),
            classic: self.classic,
            envelope_entry: self.envelope_entry,
            hash: self.hash,
            prehashed: self.prehashed,
            twist: None,
            optional: self.optional.clone(),
            adjustment: None,
            promises: None,
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
            key_details: key.key_details(),
            entry: None,
            further_entries: Vec::new(),
            timestamps: Vec::new(),
        };
        self.log(&mut signed);
        self.stamp(&mut signed);
        match self.twist {
            Some(twist) if !self.logs_v2.is_empty() && twist.is_of_the_entry() => {
                panic!("{twist:?} is of the instance's own log");
            }
            Some(twist) => twist.apply(self, signed),
            None => signed,
        }
    }

    /// Logs the signature as it is now, in every log that it goes to.
    pub(crate) fn log(&self, signed: &mut Signed) {
        let mut entries = Vec::new();
        if self.logged {
            let body = self.body(signed);
            entries.push(self.sigstore.rekor.append(body.0, body.1, &body.2, self.integrated_time()));
        }
        entries.extend(self.logs_v2.iter().map(|log| self.entry_v2(log, signed)));
        let mut entries = entries.into_iter();
        signed.entry = entries.next();
        signed.further_entries = entries.collect();
    }

    /// The entry for a signature in a log of version 2.
    pub fn entry_v2(&self, log: &RekorV2, signed: &Signed) -> LogEntry {
        let public = der::unpem(&signed.public_pem);
        let verifier = match &signed.certificate {
            Some(certificate) => Verifier::Certificate(certificate),
            None => Verifier::Key(&public),
        };
        match &signed.content {
            Content::Envelope { payload, .. } if self.envelope_entry == EnvelopeEntry::Dsse => {
                let body = rekor_v2::dsse(payload, &signed.signature, verifier, signed.key_details);
                log.append("dsse", "0.0.2", &body)
            }
            content => {
                let digest = signed.hash.digest(&content.to_be_signed());
                let body = rekor_v2::hashedrekord(
                    signed.hash,
                    &digest,
                    &signed.signature,
                    verifier,
                    signed.key_details,
                );
                log.append("hashedrekord", "0.0.2", &body)
            }
        }
    }

    /// Stamps the signature as it is now.
    pub(crate) fn stamp(&self, signed: &mut Signed) {
        let message = signed.to_be_stamped(self.classic);
        signed.timestamps = self
            .stamps
            .iter()
            .map(|(tsa, change)| {
                let mut token = tsa.token(&message, self.integrated_time());
                if let Some(change) = change {
                    change(&mut token);
                }
                token.response()
            })
            .collect();
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
                    EnvelopeEntry::Hashedrekord => {
                        let digest = signed.hash.digest(&signed.content.to_be_signed());
                        let body = rekor::hashedrekord(signed.hash, &digest, &signed.signature, &verifier);
                        ("hashedrekord", "0.0.1", body)
                    }
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
        if let Some(promises) = &self.promises {
            let shown = Precertificate {
                issuer_key_hash: sigstore.authority.issuer_key_hash(),
                tbs: &precertificate,
                time: request.validity.from,
            };
            let scts = promises(&self.sigstore.ct_log, &shown);
            let list = (!scts.is_empty()).then(|| sct_list(&scts));
            return sigstore.authority.certify(&sigstore.authority.leaf_tbs(&request, list.as_deref()));
        }
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
