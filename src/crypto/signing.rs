//! Private keys of our own: operators' keys that sign seals, the store's key that signs receipts.
//!
//! Input: PKCS#8 (RFC 5208, RFC 5958), DER or one PEM block `PRIVATE KEY`. Output: signatures that
//! [`PublicKey::verifies`] accepts with [`hash_of`]: Ed25519 pure, ECDSA P-256 over SHA-256, P-384 over SHA-384.
//! Encrypted keys, other curves and RSA are refused. Nothing here prints or stores a key.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};

use super::{HashAlgorithm, KeyAlgorithm, KeyFault, PublicKey};

/// What stands before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410 §4).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same for an uncompressed P-256 point, its first byte included (RFC 5480 §2).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// The same for P-384.
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];

/// A private key that can sign.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    /// Reads a PKCS#8 file: PEM if it looks like PEM, else DER.
    ///
    /// # Errors
    /// [`KeyFault`]; its text never holds any of the key.
    pub fn from_file(bytes: &[u8]) -> Result<Self, KeyFault> {
        let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) else {
            return Self::from_pkcs8(bytes);
        };
        let (label, der) = super::pem::first(text).map_err(KeyFault::Pem)?;
        match label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            other => Err(KeyFault::Pem(format!(
                "block type {other:?}, expected \"PRIVATE KEY\" (PKCS#8: `openssl pkcs8 -topk8 -nocrypt`)"
            ))),
        }
    }

    /// Reads DER PKCS#8.
    ///
    /// # Errors
    /// [`KeyFault::Unsupported`] for anything but the three kinds.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        let (pair, prefix, raw) = if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            let raw = pair.public_key().as_ref().to_vec();
            (Pair::Ed25519(pair), ED25519, raw)
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            let raw = pair.public_key().as_ref().get(1..).unwrap_or_default().to_vec();
            (Pair::Ecdsa(pair), P256, raw)
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, der) {
            let raw = pair.public_key().as_ref().get(1..).unwrap_or_default().to_vec();
            (Pair::Ecdsa(pair), P384, raw)
        } else {
            return Err(KeyFault::Unsupported(
                "no PKCS#8 private key of the kinds Ed25519, ECDSA P-256 and ECDSA P-384".into(),
            ));
        };
        let mut spki = prefix.to_vec();
        spki.extend_from_slice(&raw);
        Ok(Self { pair, public: PublicKey::from_spki(&spki)? })
    }

    /// Makes a new Ed25519 key and its PKCS#8 form.
    ///
    /// # Errors
    /// [`KeyFault::Unsupported`] where the system gives no random bytes.
    pub fn generate() -> Result<(Vec<u8>, Self), KeyFault> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| KeyFault::Unsupported("the system gave no random bytes".into()))?;
        let der = document.as_ref().to_vec();
        let key = Self::from_pkcs8(&der)?;
        Ok((der, key))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`KeyFault::Unsupported`] where the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFault> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyFault::Unsupported("the key did not sign".into())),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public)
    }
}

/// The hash that a key of this kind signs over.
pub fn hash_of(key: &PublicKey) -> HashAlgorithm {
    if key.algorithm() == KeyAlgorithm::EcdsaP384 { HashAlgorithm::Sha384 } else { HashAlgorithm::Sha256 }
}

/// Whether `key` is of a kind that [`SigningKey`] makes, in the one encoding that it writes: so that one key cannot
/// be counted twice under two spellings.
pub fn is_plain(key: &PublicKey) -> bool {
    let spki = key.spki();
    let fits = |prefix: &[u8], rest: usize| spki.len() == prefix.len() + rest && spki.starts_with(prefix);
    fits(ED25519, 32) || fits(P256, 64) || fits(P384, 96)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::EcdsaSigningAlgorithm;

    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> SigningKey {
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        SigningKey::from_pkcs8(document.as_ref()).unwrap()
    }

    #[test]
    fn each_kind_signs_what_its_public_key_verifies() {
        let keys = [
            SigningKey::generate().unwrap().1,
            ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        ];
        for key in &keys {
            let signature = key.sign(b"message").unwrap();
            assert!(is_plain(key.public()), "{key:?}");
            assert!(key.public().verifies(hash_of(key.public()), b"message", &signature), "{key:?}");
            assert!(!key.public().verifies(hash_of(key.public()), b"massage", &signature), "{key:?}");
        }
        assert!(SigningKey::from_file(b"").is_err());
        assert!(
            SigningKey::from_file(b"-----BEGIN EC PRIVATE KEY-----\nAAEC\n-----END EC PRIVATE KEY-----\n")
                .is_err()
        );
    }
}
