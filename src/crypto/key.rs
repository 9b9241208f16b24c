//! Public keys and the one call that checks a signature with one.
//!
//! Input: DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7) or PEM. Output: [`PublicKey`], whose kind is fixed by
//! the key itself, never by the signature that is to be checked.
//!
//! | kind | hash | signature encoding | source |
//! |---|---|---|---|
//! | ECDSA P-256, P-384, P-521 | SHA-256, SHA-384 or SHA-512, as asked | ASN.1 DER | FIPS 186-5 §6, RFC 3279 §2.2.3 |
//! | RSA 2048 to 8192 | SHA-256, SHA-384 or SHA-512, as asked | PKCS#1 v1.5 | RFC 8017 §8.2 |
//! | Ed25519 | pure: the hash asked for is not used | 64 bytes | RFC 8032 §5.1.7 |
//!
//! SHA-224, RSA below 2048 bits, RSA-PSS and DSA are refused by name.

use aws_lc_rs::signature::{self, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm};
use der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::KeyAlgorithm;

/// Hash that a signature is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// As written in documents: `sha256`, `sha384`, `sha512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => super::sha256(bytes).to_vec(),
            Self::Sha384 => super::sha384(bytes).to_vec(),
            Self::Sha512 => super::sha512(bytes).to_vec(),
        }
    }
}

/// A public key that can check signatures.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    spki: Vec<u8>,
    /// The `BIT STRING` inside: a point, a modulus and exponent, or 32 bytes.
    raw: Vec<u8>,
    /// The same, read once: for SHA-256, which nearly every signature is made over.
    parsed: ParsedPublicKey,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

/// Why bytes are not a usable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No PEM block, or a broken one.
    #[error("not a PEM public key: {0}")]
    Pem(String),
    /// Not a `SubjectPublicKeyInfo`.
    #[error("not a DER public key: {0}")]
    Der(String),
    /// A kind of key that is not supported.
    #[error("unsupported kind of public key: {0}")]
    Unsupported(String),
}

const ID_EC_PUBLIC_KEY: const_oid::ObjectIdentifier =
    const_oid::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.132.0.35");
const RSA_ENCRYPTION: const_oid::ObjectIdentifier =
    const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ID_ED25519: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.101.112");

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`KeyFault::Der`] for anything else, [`KeyFault::Unsupported`] for kinds that cannot be used.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyFault> {
        let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(|e| KeyFault::Der(e.to_string()))?;
        let curve = || {
            info.algorithm
                .parameters
                .as_ref()
                .and_then(|p| p.decode_as::<const_oid::ObjectIdentifier>().ok())
                .ok_or_else(|| KeyFault::Unsupported("elliptic curve without a named curve".into()))
        };
        let algorithm = match info.algorithm.oid {
            ID_EC_PUBLIC_KEY => match curve()? {
                SECP256R1 => KeyAlgorithm::EcdsaP256,
                SECP384R1 => KeyAlgorithm::EcdsaP384,
                SECP521R1 => KeyAlgorithm::EcdsaP521,
                other => return Err(KeyFault::Unsupported(format!("elliptic curve {other}"))),
            },
            RSA_ENCRYPTION => KeyAlgorithm::Rsa,
            ID_ED25519 => KeyAlgorithm::Ed25519,
            other => return Err(KeyFault::Unsupported(format!("algorithm {other}"))),
        };
        let raw = info
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| KeyFault::Der("key is not a whole number of bytes".into()))?
            .to_vec();
        // Parsed once here so that a bad point or modulus is a fault of the key, not of every signature.
        let parsed =
            ParsedPublicKey::new(verification(algorithm, HashAlgorithm::Sha256), &raw).map_err(|_| {
                KeyFault::Unsupported(format!("{algorithm:?} key that is malformed or of unsupported size"))
            })?;
        Ok(Self { algorithm, spki: der.to_vec(), raw, parsed })
    }

    /// Reads the first PEM block, `PUBLIC KEY` (PKIX) or `RSA PUBLIC KEY` (PKCS#1), as policy-controller does.
    ///
    /// # Errors
    /// See [`KeyFault`].
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let (label, der) = super::pem::first(text).map_err(KeyFault::Pem)?;
        match label.as_str() {
            "PUBLIC KEY" => Self::from_spki(&der),
            "RSA PUBLIC KEY" => Self::from_spki(&wrap_rsa(&der)?),
            other => Err(KeyFault::Pem(format!(
                "block type {other:?}, expected \"PUBLIC KEY\" or \"RSA PUBLIC KEY\""
            ))),
        }
    }

    /// The kind of key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// DER `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature` is one of `message` by this key. Ed25519 is pure and does not use `hash`.
    #[must_use]
    pub fn verifies(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        if hash == HashAlgorithm::Sha256 || self.algorithm == KeyAlgorithm::Ed25519 {
            return self.parsed.verify_sig(message, signature).is_ok();
        }
        UnparsedPublicKey::new(verification(self.algorithm, hash), &self.raw)
            .verify(message, signature)
            .is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:?}, {})", self.algorithm, hex::encode(super::sha256(&self.spki)))
    }
}

/// The library's name for a kind of key with a hash.
fn verification(key: KeyAlgorithm, hash: HashAlgorithm) -> &'static dyn VerificationAlgorithm {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    match (key, hash) {
        (KeyAlgorithm::EcdsaP256, Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP256, Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP256, Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (KeyAlgorithm::EcdsaP384, Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP384, Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP384, Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::EcdsaP521, Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP521, Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP521, Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (KeyAlgorithm::Rsa, Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (KeyAlgorithm::Rsa, Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (KeyAlgorithm::Rsa, Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (KeyAlgorithm::Ed25519, _) => &signature::ED25519,
    }
}

/// PKCS#1 `RSAPublicKey` (RFC 8017 §A.1.1) inside a `SubjectPublicKeyInfo`.
fn wrap_rsa(pkcs1: &[u8]) -> Result<Vec<u8>, KeyFault> {
    let der_fault = |e: der::Error| KeyFault::Der(e.to_string());
    SubjectPublicKeyInfoOwned {
        algorithm: x509_cert::spki::AlgorithmIdentifierOwned {
            oid: RSA_ENCRYPTION,
            parameters: Some(der::asn1::AnyRef::NULL.into()),
        },
        subject_public_key: der::asn1::BitString::from_bytes(pkcs1).map_err(der_fault)?,
    }
    .to_der()
    .map_err(der_fault)
}
