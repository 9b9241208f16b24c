//! A timestamp authority: root, intermediate and leaf, and RFC 3161 tokens written by an encoder of our own.
//!
//! [`Tsa::token`] describes an honest token over some bytes. A [`Token`] is that description: change what the test is
//! about, then write it as a response ([`Token::response`]) or bare ([`Token::bare`]). Nothing is kept in step, so that
//! each departure is one field.

use crate::authority::{
    Validity, authority_key_identifier, basic_constraints, extension, name, sign_certificate,
    subject_key_identifier, tbs,
};
use crate::calendar::{BASE_TIME, Time, generalized_time, utc_time};
use crate::der;
use crate::keys::{Algorithm, Hash, SigningKey, Stream};

/// Extended key usage of timestamp authorities.
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";

/// How to build a [`Tsa`].
#[derive(Clone, Debug)]
pub struct TsaOptions {
    /// Everything is derived from it and the name.
    pub seed: u64,
    /// `O` in the names of its certificates.
    pub organization: String,
    /// Kind of the key that stamps.
    pub leaf_algorithm: Algorithm,
    /// Validity of the root certificate.
    pub root_validity: Validity,
    /// Validity of the intermediate certificate.
    pub intermediate_validity: Validity,
    /// Validity of the leaf.
    pub leaf_validity: Validity,
    /// `extKeyUsage` of the leaf; no extension where empty.
    pub leaf_usages: Vec<String>,
    /// Whether that extension is critical, as RFC 3161 §2.3 demands.
    pub usage_critical: bool,
}

impl TsaOptions {
    /// An honest authority with a leaf key on P-384, valid for years around [`BASE_TIME`].
    pub fn new(seed: u64, organization: &str) -> TsaOptions {
        TsaOptions {
            seed,
            organization: organization.to_owned(),
            leaf_algorithm: Algorithm::P384,
            root_validity: Validity::around(BASE_TIME),
            intermediate_validity: Validity::around(BASE_TIME),
            leaf_validity: Validity::around(BASE_TIME),
            leaf_usages: vec![TIME_STAMPING.to_owned()],
            usage_critical: true,
        }
    }
}

/// A timestamp authority with all its keys and certificates; all may be changed.
#[derive(Clone, Debug)]
pub struct Tsa {
    /// `O` in the names of its certificates.
    pub organization: String,
    /// Signs the intermediate.
    pub root_key: SigningKey,
    /// Signs the leaf.
    pub intermediate_key: SigningKey,
    /// Signs tokens.
    pub leaf_key: SigningKey,
    /// The root certificate, DER.
    pub root: Vec<u8>,
    /// The intermediate certificate, DER.
    pub intermediate: Vec<u8>,
    /// The leaf certificate, DER.
    pub leaf: Vec<u8>,
    /// Serial number of the leaf.
    pub leaf_serial: Vec<u8>,
}

/// Who a token says has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerName {
    /// Issuer and serial number.
    IssuerAndSerial {
        /// `Name`, DER.
        issuer: Vec<u8>,
        /// Unsigned, big-endian.
        serial: Vec<u8>,
    },
    /// Subject key identifier.
    KeyIdentifier(Vec<u8>),
}

/// What a token says. Start from [`Tsa::token`].
#[derive(Clone, Debug)]
pub struct Token {
    /// `PKIStatus` of the response: 0 granted, 1 granted with changes, 2 rejected.
    pub status: u8,
    /// Whether the response carries the token at all.
    pub with_token: bool,
    /// Hash of the imprint.
    pub imprint_hash: Hash,
    /// The imprint; put anything here.
    pub imprint: Vec<u8>,
    /// `genTime`.
    pub time: Time,
    /// Digits behind its seconds; none where empty.
    pub fraction: String,
    /// The attribute `signingTime`; none where absent.
    pub signing_time: Option<Time>,
    /// Serial number.
    pub serial: Vec<u8>,
    /// `accuracy` in seconds.
    pub accuracy: Option<u8>,
    /// `nonce`.
    pub nonce: Option<u64>,
    /// The authority's own name in the content.
    pub tsa_name: Option<Vec<u8>>,
    /// Content type, of the content and of the attribute: `id-ct-TSTInfo`.
    pub content_type: String,
    /// Hash of content and signature.
    pub digest_hash: Hash,
    /// `messageDigest`; that of the content where absent.
    pub message_digest: Option<Vec<u8>>,
    /// The certificate that `signingCertificateV2` names; no attribute where absent.
    pub signing_certificate: Option<Vec<u8>>,
    /// Certificates in the bag, DER.
    pub bag: Vec<Vec<u8>>,
    /// Who it says has signed.
    pub signer: SignerName,
    /// Keys that sign, one signer info each.
    pub keys: Vec<SigningKey>,
    /// Attributes are signed; a token without any is signed over its content.
    pub with_attributes: bool,
}

impl Tsa {
    /// An honest authority at `timestamp.<domain>`.
    pub fn new(seed: u64, organization: &str) -> Tsa {
        Tsa::build(&TsaOptions::new(seed, organization))
    }

    /// An honest authority whose leaf has that kind of key.
    pub fn with_key(seed: u64, organization: &str, algorithm: Algorithm) -> Tsa {
        Tsa::build(&TsaOptions { leaf_algorithm: algorithm, ..TsaOptions::new(seed, organization) })
    }

    /// An authority to order. Root and intermediate have keys on P-384.
    pub fn build(options: &TsaOptions) -> Tsa {
        let organization = options.organization.as_str();
        let key = |label: &str, algorithm| {
            SigningKey::derive(options.seed, &format!("tsa/{organization}/{label}"), algorithm)
        };
        let serial = |label: &str| {
            let mut bytes = Stream::new(options.seed, &format!("tsa-serial/{organization}/{label}")).take(20);
            bytes[0] = bytes[0] & 0x7f | 0x40;
            bytes
        };
        let (root_key, intermediate_key) =
            (key("root", Algorithm::P384), key("intermediate", Algorithm::P384));
        let leaf_key = key("leaf", options.leaf_algorithm);
        let (root_name, intermediate_name) =
            (name(organization, "tsa root"), name(organization, "tsa intermediate"));
        let may_sign = extension("2.5.29.15", true, &der::named_bits(0x06));
        let usage = |critical, usages: &[String]| {
            let list: Vec<Vec<u8>> = usages.iter().map(|usage| der::oid(usage)).collect();
            extension("2.5.29.37", critical, &der::sequence(&list))
        };
        let root_tbs = tbs(
            &serial("root"),
            &root_key,
            &root_name,
            options.root_validity,
            &root_name,
            &root_key.public_der(),
            &[may_sign.clone(), basic_constraints(Some(1)), subject_key_identifier(&root_key.public_der())],
        );
        let intermediate_tbs = tbs(
            &serial("intermediate"),
            &root_key,
            &root_name,
            options.intermediate_validity,
            &intermediate_name,
            &intermediate_key.public_der(),
            &[
                may_sign,
                usage(false, &[TIME_STAMPING.to_owned()]),
                basic_constraints(Some(0)),
                subject_key_identifier(&intermediate_key.public_der()),
                authority_key_identifier(&root_key.public_der()),
            ],
        );
        let mut tsa = Tsa {
            organization: organization.to_owned(),
            root: sign_certificate(&root_key, &root_tbs),
            intermediate: sign_certificate(&root_key, &intermediate_tbs),
            leaf: Vec::new(),
            leaf_serial: serial("leaf"),
            root_key,
            intermediate_key,
            leaf_key,
        };
        let mut extensions = vec![
            extension("2.5.29.15", true, &der::named_bits(0x80)),
            subject_key_identifier(&tsa.leaf_key.public_der()),
            authority_key_identifier(&tsa.intermediate_key.public_der()),
        ];
        if !options.leaf_usages.is_empty() {
            extensions.push(usage(options.usage_critical, &options.leaf_usages));
        }
        tsa.leaf = sign_certificate(
            &tsa.intermediate_key,
            &tbs(
                &tsa.leaf_serial,
                &tsa.intermediate_key,
                &intermediate_name,
                options.leaf_validity,
                &name(organization, "tsa"),
                &tsa.leaf_key.public_der(),
                &extensions,
            ),
        );
        tsa
    }

    /// `uri` in the trusted root.
    pub fn uri(&self) -> String {
        format!("https://timestamp.{}", self.organization)
    }

    /// Another authority whose leaf has the same issuer name and serial number as this one's: what somebody forges who
    /// wants to be taken for it.
    #[must_use]
    pub fn impostor(&self) -> Tsa {
        let mut options = TsaOptions::new(0xbad, &self.organization);
        options.leaf_algorithm = match self.leaf_key.algorithm() {
            Algorithm::Rsa2048 | Algorithm::Rsa3072 => Algorithm::P256,
            other => other,
        };
        let mut impostor = Tsa::build(&options);
        impostor.leaf_serial.clone_from(&self.leaf_serial);
        impostor.leaf = sign_certificate(
            &impostor.intermediate_key,
            &tbs(
                &self.leaf_serial,
                &impostor.intermediate_key,
                &name(&self.organization, "tsa intermediate"),
                options.leaf_validity,
                &name(&self.organization, "tsa"),
                &impostor.leaf_key.public_der(),
                &[
                    extension("2.5.29.15", true, &der::named_bits(0x80)),
                    subject_key_identifier(&impostor.leaf_key.public_der()),
                    extension("2.5.29.37", true, &der::sequence(&[der::oid(TIME_STAMPING)])),
                ],
            ),
        );
        impostor
    }

    /// The honest token over `message` at `time`: SHA-256 of it, the leaf in the bag, every attribute.
    pub fn token(&self, message: &[u8], time: Time) -> Token {
        Token {
            status: 0,
            with_token: true,
            imprint_hash: Hash::Sha256,
            imprint: Hash::Sha256.digest(message),
            time,
            fraction: String::new(),
            signing_time: Some(time),
            serial: Hash::Sha256.digest(message)[..16].to_vec(),
            accuracy: Some(1),
            nonce: None,
            tsa_name: None,
            content_type: TST_INFO.to_owned(),
            digest_hash: self.leaf_key.usual_hash(),
            message_digest: None,
            signing_certificate: Some(self.leaf.clone()),
            bag: vec![self.leaf.clone()],
            signer: self.issuer_and_serial(),
            keys: vec![self.leaf_key.clone()],
            with_attributes: true,
        }
    }

    /// The honest response over `message` at `time`.
    pub fn stamp(&self, message: &[u8], time: Time) -> Vec<u8> {
        self.token(message, time).response()
    }

    /// How tokens name the leaf.
    pub fn issuer_and_serial(&self) -> SignerName {
        SignerName::IssuerAndSerial {
            issuer: name(&self.organization, "tsa intermediate"),
            serial: self.leaf_serial.clone(),
        }
    }

    /// The other way in which tokens may name the leaf.
    pub fn key_identifier(&self) -> SignerName {
        use sha1::Digest as _;
        SignerName::KeyIdentifier(sha1::Sha1::digest(self.leaf_key.public_der()).to_vec())
    }
}

fn hash_algorithm(hash: Hash) -> Vec<u8> {
    let last = match hash {
        Hash::Sha256 => 1,
        Hash::Sha384 => 2,
        Hash::Sha512 => 3,
    };
    der::sequence(&[der::oid(&format!("2.16.840.1.101.3.4.2.{last}"))])
}

fn attribute(oid: &str, value: Vec<u8>) -> Vec<u8> {
    der::sequence(&[der::oid(oid), der::set(&[value])])
}

impl Token {
    /// Over another hash of the message.
    #[must_use]
    pub fn imprinted(mut self, message: &[u8], hash: Hash) -> Token {
        (self.imprint_hash, self.imprint) = (hash, hash.digest(message));
        self
    }

    /// Signed by another key, and named after it no better than before.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Token {
        self.keys = vec![key.clone()];
        self.digest_hash = key.usual_hash();
        self
    }

    /// `TimeStampResp`: status and token.
    pub fn response(&self) -> Vec<u8> {
        let status = der::sequence(&[der::unsigned(&[self.status])]);
        if self.with_token { der::sequence(&[status, self.bare()]) } else { der::sequence(&[status]) }
    }

    /// The token alone: `ContentInfo` with `SignedData`.
    pub fn bare(&self) -> Vec<u8> {
        let content = self.content();
        let mut parts = vec![
            der::unsigned(&[3]),
            der::set(&[hash_algorithm(self.digest_hash)]),
            der::sequence(&[der::oid(&self.content_type), der::explicit(0, &[der::octet_string(&content)])]),
        ];
        if !self.bag.is_empty() {
            parts.push(der::explicit(0, &self.bag));
        }
        let infos: Vec<Vec<u8>> = self.keys.iter().map(|key| self.signer_info(key, &content)).collect();
        parts.push(der::set(&infos));
        der::sequence(&[der::oid(SIGNED_DATA), der::explicit(0, &[der::sequence(&parts)])])
    }

    /// `TSTInfo`.
    pub fn content(&self) -> Vec<u8> {
        let mut time = generalized_time(self.time);
        if !self.fraction.is_empty() {
            time = time.replace('Z', &format!(".{}Z", self.fraction));
        }
        let mut parts = vec![
            der::unsigned(&[1]),
            der::oid("1.3.6.1.4.1.57264.2"),
            der::sequence(&[hash_algorithm(self.imprint_hash), der::octet_string(&self.imprint)]),
            der::unsigned(&self.serial),
            der::tlv(0x18, time.as_bytes()),
        ];
        parts.extend(self.accuracy.map(|seconds| der::sequence(&[der::unsigned(&[seconds])])));
        parts.extend(self.nonce.map(|nonce| der::unsigned(&nonce.to_be_bytes())));
        // GeneralName: directoryName is explicit, because Name is a choice.
        parts.extend(self.tsa_name.as_ref().map(|name| der::explicit(0, &[der::explicit(4, &[name])])));
        der::sequence(&parts)
    }

    fn signer_info(&self, key: &SigningKey, content: &[u8]) -> Vec<u8> {
        let (version, signer) = match &self.signer {
            SignerName::IssuerAndSerial { issuer, serial } => {
                (1, der::sequence(&[issuer.clone(), der::unsigned(serial)]))
            }
            SignerName::KeyIdentifier(id) => (3, der::implicit(0, id)),
        };
        let mut parts = vec![der::unsigned(&[version]), signer, hash_algorithm(self.digest_hash)];
        if self.with_attributes {
            parts.push(der::tlv(0xa0, &der::join(&self.attributes(content))));
        }
        parts.push(key.signature_algorithm(self.digest_hash));
        parts.push(der::octet_string(&self.signature(key, content)));
        der::sequence(&parts)
    }

    fn signature(&self, key: &SigningKey, content: &[u8]) -> Vec<u8> {
        let signed =
            if self.with_attributes { der::set(&self.attributes(content)) } else { content.to_vec() };
        key.sign(&signed, self.digest_hash)
    }

    /// The three parts of a token that prove something, as they stand in it: content, signed attributes, signature of
    /// the first key.
    pub fn proof_carrying(&self) -> [Vec<u8>; 3] {
        let content = self.content();
        let attributes = der::join(&self.attributes(&content));
        let signature = self.signature(&self.keys[0], &content);
        [content, attributes, signature]
    }

    /// In DER's order of sets: shorter encodings first, as none of these begin alike.
    fn attributes(&self, content: &[u8]) -> Vec<Vec<u8>> {
        let digest = self.message_digest.clone().unwrap_or_else(|| self.digest_hash.digest(content));
        let mut out = vec![
            attribute("1.2.840.113549.1.9.3", der::oid(&self.content_type)),
            attribute("1.2.840.113549.1.9.4", der::octet_string(&digest)),
        ];
        out.extend(
            self.signing_time
                .map(|time| attribute("1.2.840.113549.1.9.5", der::tlv(0x17, utc_time(time).as_bytes()))),
        );
        out.extend(self.signing_certificate.as_ref().map(|certificate| {
            // ESSCertIDv2 of the default hash, SHA-256, which DER leaves out.
            let id = der::sequence(&[der::octet_string(&Hash::Sha256.digest(certificate))]);
            attribute("1.2.840.113549.1.9.16.2.47", der::sequence(&[der::sequence(&[id])]))
        }));
        out.sort();
        out
    }
}
