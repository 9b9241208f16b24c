//! Signing keys derived from a seed, and the encodings of their public halves.
//!
//! The same seed, label and algorithm always give the same key, and the same key always gives the same
//! signature: ECDSA with the nonce of RFC 6979, Ed25519, RSA with PKCS#1 v1.5.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::traits::PublicKeyParts;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::der;

/// Kinds of keys that a [`SigningKey`] can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519 (pure, not prehashed).
    Ed25519,
    /// RSA of 2048 bits with PKCS#1 v1.5. Making one costs about a second.
    Rsa2048,
    /// RSA of 3072 bits with PKCS#1 v1.5. Making one costs a few seconds.
    Rsa3072,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::P256,
        Algorithm::P384,
        Algorithm::P521,
        Algorithm::Ed25519,
        Algorithm::Rsa2048,
        Algorithm::Rsa3072,
    ];
}

/// Hash functions that signatures are made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The digest of a message.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// As log entries spell it: `sha256`.
    pub fn lower_name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        }
    }

    /// As bundles spell it: `SHA2_256`.
    pub fn bundle_name(self) -> &'static str {
        match self {
            Hash::Sha256 => "SHA2_256",
            Hash::Sha384 => "SHA2_384",
            Hash::Sha512 => "SHA2_512",
        }
    }
}

/// A private key. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    algorithm: Algorithm,
}

#[derive(Clone)]
enum Secret {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(Box<p521::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Arc<rsa::PrivateKey>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?}, {})", self.algorithm, hex::encode(self.key_id()))
    }
}

impl SigningKey {
    /// The key of that kind that belongs to a seed and a label.
    ///
    /// RSA keys are searched for once in a process and kept.
    pub fn derive(seed: u64, label: &str, algorithm: Algorithm) -> SigningKey {
        let mut stream = Stream::new(seed, &format!("key/{algorithm:?}/{label}"));
        let secret = match algorithm {
            Algorithm::P256 => Secret::P256(Box::new(stream.scalar(32, p256::ecdsa::SigningKey::from_slice))),
            Algorithm::P384 => Secret::P384(Box::new(stream.scalar(48, p384::ecdsa::SigningKey::from_slice))),
            Algorithm::P521 => Secret::P521(Box::new(stream.scalar(66, |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                // 521 bits are 65 bytes and one bit.
                bytes[0] &= 1;
                p521::ecdsa::SigningKey::from_slice(&bytes)
            }))),
            Algorithm::Ed25519 => {
                let mut bytes = [0; 32];
                stream.fill(&mut bytes);
                Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&bytes)))
            }
            Algorithm::Rsa2048 => Secret::Rsa(rsa_key(seed, label, 2048)),
            Algorithm::Rsa3072 => Secret::Rsa(rsa_key(seed, label, 3072)),
        };
        SigningKey { secret, algorithm }
    }

    /// Its kind.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash that goes with the curve by custom: SHA-384 for P-384, SHA-512 for P-521, else SHA-256.
    pub fn usual_hash(&self) -> Hash {
        match self.algorithm {
            Algorithm::P384 => Hash::Sha384,
            Algorithm::P521 => Hash::Sha512,
            _ => Hash::Sha256,
        }
    }

    /// Signs a message. Ed25519 signs the message itself and ignores the hash; ECDSA signatures are DER.
    pub fn sign(&self, message: &[u8], hash: Hash) -> Vec<u8> {
        let digest = hash.digest(message);
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                ecdsa_der(&signature.to_bytes())
            }
            Secret::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                ecdsa_der(&signature.to_bytes())
            }
            Secret::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                ecdsa_der(&signature.to_bytes())
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Secret::Rsa(key) => {
                let padding = match hash {
                    Hash::Sha256 => rsa::Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => rsa::Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => rsa::Pkcs1v15Sign::new::<Sha512>(),
                };
                key.sign(padding, &digest).unwrap()
            }
        }
    }

    /// Ed25519ph over SHA-512 of the message (RFC 8032 §5.1), as cosign signs wherever a log is used.
    /// Panics for any other kind of key.
    pub fn sign_ed25519ph(&self, message: &[u8]) -> Vec<u8> {
        let Secret::Ed25519(key) = &self.secret else { panic!("only Ed25519 has a prehashed variant") };
        let mut hasher = Sha512::new();
        hasher.update(message);
        key.sign_prehashed(hasher, None).unwrap().to_bytes().to_vec()
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub fn public_der(&self) -> Vec<u8> {
        match &self.secret {
            Secret::P256(key) => {
                ec_public("1.2.840.10045.3.1.7", key.verifying_key().to_sec1_point(false).as_bytes())
            }
            Secret::P384(key) => {
                ec_public("1.3.132.0.34", key.verifying_key().to_sec1_point(false).as_bytes())
            }
            Secret::P521(key) => {
                ec_public("1.3.132.0.35", key.verifying_key().to_sec1_point(false).as_bytes())
            }
            Secret::Ed25519(key) => der::sequence(&[
                der::sequence(&[der::oid("1.3.101.112")]),
                der::bit_string(key.verifying_key().as_bytes()),
            ]),
            Secret::Rsa(key) => der::sequence(&[
                der::sequence(&[der::oid("1.2.840.113549.1.1.1"), der::null()]),
                der::bit_string(&der::sequence(&[
                    der::unsigned(&key.n().to_be_bytes()),
                    der::unsigned(&key.e().to_be_bytes()),
                ])),
            ]),
        }
    }

    /// The public key as PEM, `PUBLIC KEY`.
    pub fn public_pem(&self) -> String {
        der::pem("PUBLIC KEY", &self.public_der())
    }

    /// SHA-256 of the DER of the public key: the log id of a log, and the usual short name of a key.
    pub fn key_id(&self) -> [u8; 32] {
        Sha256::digest(self.public_der()).into()
    }

    /// `AlgorithmIdentifier` of signatures made with this key and hash.
    pub fn signature_algorithm(&self, hash: Hash) -> Vec<u8> {
        let (identifier, parameters) = match (self.algorithm, hash) {
            (Algorithm::P256 | Algorithm::P384 | Algorithm::P521, Hash::Sha256) => {
                ("1.2.840.10045.4.3.2", false)
            }
            (Algorithm::P256 | Algorithm::P384 | Algorithm::P521, Hash::Sha384) => {
                ("1.2.840.10045.4.3.3", false)
            }
            (Algorithm::P256 | Algorithm::P384 | Algorithm::P521, Hash::Sha512) => {
                ("1.2.840.10045.4.3.4", false)
            }
            (Algorithm::Ed25519, _) => ("1.3.101.112", false),
            (_, Hash::Sha256) => ("1.2.840.113549.1.1.11", true),
            (_, Hash::Sha384) => ("1.2.840.113549.1.1.12", true),
            (_, Hash::Sha512) => ("1.2.840.113549.1.1.13", true),
        };
        if parameters {
            der::sequence(&[der::oid(identifier), der::null()])
        } else {
            der::sequence(&[der::oid(identifier)])
        }
    }

    /// The name that `trusted_root.json` gives this kind of key.
    pub fn key_details(&self) -> &'static str {
        match self.algorithm {
            Algorithm::P256 => "PKIX_ECDSA_P256_SHA_256",
            Algorithm::P384 => "PKIX_ECDSA_P384_SHA_384",
            Algorithm::P521 => "PKIX_ECDSA_P521_SHA_512",
            Algorithm::Ed25519 => "PKIX_ED25519",
            Algorithm::Rsa2048 => "PKIX_RSA_PKCS1V15_2048_SHA256",
            Algorithm::Rsa3072 => "PKIX_RSA_PKCS1V15_3072_SHA256",
        }
    }
}

fn ec_public(curve: &str, point: &[u8]) -> Vec<u8> {
    der::sequence(&[der::sequence(&[der::oid("1.2.840.10045.2.1"), der::oid(curve)]), der::bit_string(point)])
}

/// `Ecdsa-Sig-Value` out of the two halves of a fixed-width signature.
fn ecdsa_der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    der::sequence(&[der::unsigned(r), der::unsigned(s)])
}

fn rsa_key(seed: u64, label: &str, bits: usize) -> Arc<rsa::PrivateKey> {
    type Kept = Mutex<HashMap<(u64, String, usize), Arc<rsa::PrivateKey>>>;
    static KEPT: OnceLock<Kept> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Kept::default).lock().unwrap();
    kept.entry((seed, label.to_owned(), bits))
        .or_insert_with(|| {
            let mut stream = Stream::new(seed, &format!("rsa/{bits}/{label}"));
            Arc::new(rsa::PrivateKey::new(&mut stream, bits).unwrap())
        })
        .clone()
}

/// A deterministic stream of bytes: SHA-256 of seed, label and a counter. Not for anything but tests.
#[derive(Clone, Debug)]
pub struct Stream {
    prefix: Vec<u8>,
    counter: u64,
    buffer: Vec<u8>,
}

impl Stream {
    /// The stream that belongs to a seed and a label.
    pub fn new(seed: u64, label: &str) -> Stream {
        let mut prefix = seed.to_be_bytes().to_vec();
        prefix.extend_from_slice(label.as_bytes());
        Stream { prefix, counter: 0, buffer: Vec::new() }
    }

    /// The next bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.buffer.is_empty() {
                let mut hasher = Sha256::new();
                hasher.update(&self.prefix);
                hasher.update(self.counter.to_be_bytes());
                self.counter += 1;
                self.buffer = hasher.finalize().to_vec();
                self.buffer.reverse();
            }
            *byte = self.buffer.pop().unwrap();
        }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let mut out = vec![0; count];
        self.fill(&mut out);
        out
    }

    /// Draws until the bytes are a key.
    fn scalar<K, F>(&mut self, width: usize, read: impl Fn(&[u8]) -> Result<K, F>) -> K {
        loop {
            if let Ok(key) = read(&self.take(width)) {
                return key;
            }
        }
    }
}

impl rand_core::TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Stream {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prehashed_signatures_are_another_scheme() {
        let key = SigningKey::derive(1, "prehashed", Algorithm::Ed25519);
        let signature = ed25519_dalek::Signature::from_slice(&key.sign_ed25519ph(b"message")).unwrap();
        let Secret::Ed25519(secret) = &key.secret else { panic!("Ed25519") };
        let hasher = |message: &[u8]| {
            let mut hasher = Sha512::new();
            hasher.update(message);
            hasher
        };
        let public = secret.verifying_key();
        public.verify_prehashed_strict(hasher(b"message"), None, &signature).unwrap();
        assert!(public.verify_prehashed_strict(hasher(b"another"), None, &signature).is_err());
        assert!(public.verify_strict(b"message", &signature).is_err());
    }

    #[test]
    fn labels_seeds_and_kinds_tell_keys_apart() {
        let keys = [
            SigningKey::derive(1, "a", Algorithm::P256),
            SigningKey::derive(1, "b", Algorithm::P256),
            SigningKey::derive(2, "a", Algorithm::P256),
            SigningKey::derive(1, "a", Algorithm::Rsa2048),
        ];
        let ids: std::collections::BTreeSet<_> = keys.iter().map(SigningKey::key_id).collect();
        assert_eq!(ids.len(), keys.len());
        assert_eq!(keys[3].key_id(), SigningKey::derive(1, "a", Algorithm::Rsa2048).key_id());
    }
}
