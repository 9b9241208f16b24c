//! The certificate authority: root, intermediate, and Fulcio's short-lived leaf certificates.
//!
//! The leaf carries what Fulcio writes (its `docs/oid-info.md`): an empty subject, the identity as a critical
//! subject alternative name, the issuer of the token in two extensions (`.1` raw bytes, `.8` DER string), claims of
//! the workflow, key usage, code signing, both key identifiers, and last the embedded SCT list.

use sha1::Digest as _;

use crate::calendar::{MINUTE, Time, YEAR};
use crate::der;
use crate::identity::{Identity, Name};
use crate::keys::{Algorithm, SigningKey, Stream};

/// Arc of Fulcio's extensions.
pub const FULCIO_ARC: &str = "1.3.6.1.4.1.57264.1";
/// Extension that holds the SCT list (RFC 6962 §3.3).
pub const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";
/// Extended key usage of Fulcio's leaves.
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// Extended key usage of web servers: what a leaf must not be accepted for.
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";

/// From when to when, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub from: Time,
    /// `notAfter`.
    pub until: Time,
}

impl Validity {
    /// Two years before to ten years after a moment.
    pub fn around(time: Time) -> Validity {
        Validity { from: time - 2 * YEAR, until: time + 10 * YEAR }
    }
}

/// A root and an intermediate with their keys.
#[derive(Clone, Debug)]
pub struct Authority {
    /// `O` in the names of both certificates.
    pub organization: String,
    /// Signs the intermediate.
    pub root_key: SigningKey,
    /// Signs the leaves.
    pub intermediate_key: SigningKey,
    /// The root certificate, DER.
    pub root: Vec<u8>,
    /// The intermediate certificate, DER.
    pub intermediate: Vec<u8>,
}

/// What stands in a leaf certificate. Start from [`CertificateRequest::honest`] and change what the test is about.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
    /// Subject alternative names; Fulcio writes exactly one.
    pub names: Vec<Name>,
    /// Issuer of the token in extension `.1` (raw bytes), absent where `None`.
    pub issuer_v1: Option<String>,
    /// Issuer of the token in extension `.8` (DER string), absent where `None`.
    pub issuer_v2: Option<String>,
    /// Other extensions of Fulcio's arc: last number and value. 2 to 6 are written raw, others as DER strings.
    pub claims: Vec<(u32, String)>,
    /// Validity of the leaf.
    pub validity: Validity,
    /// Named bits of `keyUsage` (0x80 is `digitalSignature`); no extension where `None`.
    pub key_usage: Option<u8>,
    /// Object identifiers of `extKeyUsage`; no extension where empty.
    pub extended_key_usage: Vec<String>,
    /// Adds `basicConstraints` with CA true.
    pub is_authority: bool,
    /// Twenty bytes of the serial number.
    pub serial: Vec<u8>,
}

impl CertificateRequest {
    /// What Fulcio would issue to that identity at that time, valid for ten minutes.
    pub fn honest(identity: &Identity, public_key: &[u8], time: Time) -> CertificateRequest {
        CertificateRequest {
            public_key: public_key.to_vec(),
            names: vec![identity.name.clone()],
            issuer_v1: Some(identity.issuer.clone()),
            issuer_v2: Some(identity.issuer.clone()),
            claims: identity.claims.clone(),
            validity: Validity { from: time, until: time + 10 * MINUTE },
            key_usage: Some(0x80),
            extended_key_usage: vec![CODE_SIGNING.to_owned()],
            is_authority: false,
            serial: {
                let mut serial =
                    Stream::new(0, &format!("serial/{time}/{}", hex::encode(public_key))).take(20);
                serial[0] = serial[0] & 0x7f | 0x40;
                serial
            },
        }
    }
}

impl Authority {
    /// Root and intermediate, both of that kind of key and with these validities.
    pub fn new(
        seed: u64,
        organization: &str,
        algorithm: Algorithm,
        root_validity: Validity,
        intermediate_validity: Validity,
    ) -> Authority {
        let root_key = SigningKey::derive(seed, &format!("{organization}/root"), algorithm);
        let intermediate_key = SigningKey::derive(seed, &format!("{organization}/intermediate"), algorithm);
        let root_name = name(organization, "sigstore");
        let intermediate_name = name(organization, "sigstore-intermediate");
        let serial = |label: &str| {
            let mut bytes = Stream::new(seed, &format!("serial/{organization}/{label}")).take(20);
            bytes[0] = bytes[0] & 0x7f | 0x40;
            bytes
        };
        let key_usage = extension("2.5.29.15", true, &der::named_bits(0x06));
        let root = sign_certificate(
            &root_key,
            &tbs(
                &serial("root"),
                &root_key,
                &root_name,
                root_validity,
                &root_name,
                &root_key.public_der(),
                &[
                    key_usage.clone(),
                    basic_constraints(None),
                    subject_key_identifier(&root_key.public_der()),
                    authority_key_identifier(&root_key.public_der()),
                ],
            ),
        );
        let intermediate = sign_certificate(
            &root_key,
            &tbs(
                &serial("intermediate"),
                &root_key,
                &root_name,
                intermediate_validity,
                &intermediate_name,
                &intermediate_key.public_der(),
                &[
                    key_usage,
                    extension("2.5.29.37", false, &der::sequence(&[der::oid(CODE_SIGNING)])),
                    basic_constraints(Some(0)),
                    subject_key_identifier(&intermediate_key.public_der()),
                    authority_key_identifier(&root_key.public_der()),
                ],
            ),
        );
        Authority { organization: organization.to_owned(), root_key, intermediate_key, root, intermediate }
    }

    /// SHA-256 of the intermediate's public key: what an SCT is bound to (RFC 6962 §3.2).
    pub fn issuer_key_hash(&self) -> [u8; 32] {
        self.intermediate_key.key_id()
    }

    /// The part of a leaf that is signed, with the SCT list where there is one.
    pub fn leaf_tbs(&self, request: &CertificateRequest, sct_list: Option<&[u8]>) -> Vec<u8> {
        let mut extensions = Vec::new();
        if let Some(bits) = request.key_usage {
            extensions.push(extension("2.5.29.15", true, &der::named_bits(bits)));
        }
        if !request.extended_key_usage.is_empty() {
            let usages: Vec<Vec<u8>> =
                request.extended_key_usage.iter().map(|usage| der::oid(usage)).collect();
            extensions.push(extension("2.5.29.37", false, &der::sequence(&usages)));
        }
        if request.is_authority {
            extensions.push(basic_constraints(None));
        }
        extensions.push(subject_key_identifier(&request.public_key));
        extensions.push(authority_key_identifier(&self.intermediate_key.public_der()));
        if !request.names.is_empty() {
            let names: Vec<Vec<u8>> = request.names.iter().map(Name::der).collect();
            extensions.push(extension("2.5.29.17", true, &der::sequence(&names)));
        }
        if let Some(issuer) = &request.issuer_v1 {
            extensions.push(extension(&format!("{FULCIO_ARC}.1"), false, issuer.as_bytes()));
        }
        let raw = |number: u32| (2..=6).contains(&number);
        for (number, value) in request.claims.iter().filter(|(number, _)| raw(*number)) {
            extensions.push(extension(&format!("{FULCIO_ARC}.{number}"), false, value.as_bytes()));
        }
        if let Some(issuer) = &request.issuer_v2 {
            extensions.push(extension(&format!("{FULCIO_ARC}.8"), false, &der::utf8_string(issuer)));
        }
        for (number, value) in request.claims.iter().filter(|(number, _)| !raw(*number)) {
            extensions.push(extension(&format!("{FULCIO_ARC}.{number}"), false, &der::utf8_string(value)));
        }
        if let Some(list) = sct_list {
            extensions.push(extension(SCT_LIST, false, &der::octet_string(list)));
        }
        tbs(
            &request.serial,
            &self.intermediate_key,
            &name(&self.organization, "sigstore-intermediate"),
            request.validity,
            &der::sequence::<Vec<u8>>(&[]),
            &request.public_key,
            &extensions,
        )
    }

    /// Signs a leaf with the intermediate's key.
    pub fn certify(&self, tbs: &[u8]) -> Vec<u8> {
        sign_certificate(&self.intermediate_key, tbs)
    }

    /// Intermediate and root as cosign stores them in the `chain` annotation.
    pub fn chain_pem(&self) -> String {
        der::pem("CERTIFICATE", &self.intermediate) + &der::pem("CERTIFICATE", &self.root)
    }
}

/// Certificate out of its signed part and the key that signs it.
pub fn sign_certificate(key: &SigningKey, tbs: &[u8]) -> Vec<u8> {
    let hash = key.usual_hash();
    der::sequence(&[tbs.to_vec(), key.signature_algorithm(hash), der::bit_string(&key.sign(tbs, hash))])
}

pub(crate) fn tbs(
    serial: &[u8],
    signer: &SigningKey,
    issuer: &[u8],
    validity: Validity,
    subject: &[u8],
    public_key: &[u8],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    der::sequence(&[
        der::explicit(0, &[der::unsigned(&[2])]),
        der::unsigned(serial),
        signer.signature_algorithm(signer.usual_hash()),
        issuer.to_vec(),
        der::sequence(&[der::time(validity.from), der::time(validity.until)]),
        subject.to_vec(),
        public_key.to_vec(),
        der::explicit(3, &[der::sequence(extensions)]),
    ])
}

pub(crate) fn name(organization: &str, common_name: &str) -> Vec<u8> {
    let attribute =
        |oid: &str, value: &str| der::set(&[der::sequence(&[der::oid(oid), der::utf8_string(value)])]);
    der::sequence(&[attribute("2.5.4.10", organization), attribute("2.5.4.3", common_name)])
}

pub(crate) fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::oid(oid)];
    if critical {
        parts.push(der::boolean_true());
    }
    parts.push(der::octet_string(value));
    der::sequence(&parts)
}

pub(crate) fn basic_constraints(path_length: Option<u8>) -> Vec<u8> {
    let mut parts = vec![der::boolean_true()];
    if let Some(length) = path_length {
        parts.push(der::unsigned(&[length]));
    }
    extension("2.5.29.19", true, &der::sequence(&parts))
}

/// RFC 5280 §4.2.1.2, method 1 over the whole key info: any stable value will do, it only has to agree.
fn key_identifier(public_key: &[u8]) -> Vec<u8> {
    sha1::Sha1::digest(public_key).to_vec()
}

pub(crate) fn subject_key_identifier(public_key: &[u8]) -> Vec<u8> {
    extension("2.5.29.14", false, &der::octet_string(&key_identifier(public_key)))
}

pub(crate) fn authority_key_identifier(public_key: &[u8]) -> Vec<u8> {
    extension("2.5.29.35", false, &der::sequence(&[der::implicit(0, &key_identifier(public_key))]))
}
