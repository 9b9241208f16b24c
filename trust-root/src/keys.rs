//! Public keys as trusted roots write them, brought into one form.
//!
//! Input: the `rawBytes` of a key. Output: a DER `SubjectPublicKeyInfo` and the kind of key, read from the key
//! itself; what the document says about its kind (`keyDetails`) decides nothing.
//!
//! | written as | read as | source |
//! |---|---|---|
//! | `SubjectPublicKeyInfo`, elliptic curve | P-256, P-384 or P-521, uncompressed point of the right length | RFC 5480 §2.1, §2.2 |
//! | `SubjectPublicKeyInfo`, RSA | modulus of 2048 to 8192 bits | RFC 8017 §A.1 |
//! | `RSAPublicKey` alone (`PKCS1_RSA_PKCS1V5` in old roots) | the same, wrapped | RFC 8017 §A.1.1 |
//! | `SubjectPublicKeyInfo`, Ed25519 | 32 bytes | RFC 8410 §4 |
//!
//! Not checked here: whether a point lies on its curve; the cryptographic library does that when the key is used.
//!
//! Attacks considered: a key that is taken for another kind than it is; a modulus so small that it can be
//! factored, or so large that checking it takes the machine.

use der::asn1::{AnyRef, BitString, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Reader};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::root::KeyAlgorithm;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads a key; the error says in words why it cannot be used.
pub(crate) fn read(der: &[u8]) -> Result<(Vec<u8>, KeyAlgorithm), String> {
    match SubjectPublicKeyInfoOwned::from_der(der) {
        Ok(info) => {
            let algorithm = kind(&info)?;
            Ok((der.to_vec(), algorithm))
        }
        Err(fault) => {
            rsa_size(der).map_err(|_| format!("not a public key: {fault}"))?;
            let info = SubjectPublicKeyInfoOwned {
                algorithm: AlgorithmIdentifierOwned {
                    oid: RSA_ENCRYPTION,
                    parameters: Some(AnyRef::NULL.into()),
                },
                subject_public_key: BitString::from_bytes(der).map_err(|e| e.to_string())?,
            };
            let algorithm = kind(&info)?;
            Ok((info.to_der().map_err(|e| e.to_string())?, algorithm))
        }
    }
}

fn kind(info: &SubjectPublicKeyInfoOwned) -> Result<KeyAlgorithm, String> {
    let raw =
        info.subject_public_key.as_bytes().ok_or_else(|| "key is not a whole number of bytes".to_owned())?;
    match info.algorithm.oid {
        EC_PUBLIC_KEY => {
            let curve = info
                .algorithm
                .parameters
                .as_ref()
                .and_then(|p| p.decode_as::<ObjectIdentifier>().ok())
                .ok_or_else(|| "elliptic curve without a name".to_owned())?;
            let (algorithm, length) = match curve {
                SECP256R1 => (KeyAlgorithm::EcdsaP256, 65),
                SECP384R1 => (KeyAlgorithm::EcdsaP384, 97),
                SECP521R1 => (KeyAlgorithm::EcdsaP521, 133),
                other => return Err(format!("unsupported elliptic curve {other}")),
            };
            if raw.len() == length && raw.first() == Some(&4) {
                Ok(algorithm)
            } else {
                Err(format!("{algorithm:?} key that is not an uncompressed point"))
            }
        }
        RSA_ENCRYPTION => match rsa_size(raw) {
            Ok(bits @ 2048..=8192) => Ok(bits).map(|_| KeyAlgorithm::Rsa),
            Ok(bits) => Err(format!("RSA key of {bits} bits, 2048 to 8192 are supported")),
            Err(fault) => Err(format!("malformed RSA key: {fault}")),
        },
        ED25519 if raw.len() == 32 => Ok(KeyAlgorithm::Ed25519),
        ED25519 => Err(format!("Ed25519 key of {} bytes, 32 expected", raw.len())),
        other => Err(format!("unsupported key algorithm {other}")),
    }
}

/// Bits of the modulus of an `RSAPublicKey`.
fn rsa_size(der: &[u8]) -> der::Result<usize> {
    let mut reader = der::SliceReader::new(der)?;
    let bits = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        UintRef::decode(inner)?;
        let bytes = modulus.as_bytes();
        let top = bytes.first().map_or(8, |b| b.leading_zeros() as usize);
        Ok((bytes.len() * 8).saturating_sub(top))
    })?;
    reader.finish(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    fn spki(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    #[test]
    fn kinds_come_from_the_key() {
        let p256 = spki(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==",
        );
        assert_eq!(read(&p256).unwrap(), (p256.clone(), KeyAlgorithm::EcdsaP256));
        let ed = spki("MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=");
        assert_eq!(read(&ed).unwrap().1, KeyAlgorithm::Ed25519);
        let mut short = ed.clone();
        short.truncate(short.len() - 1);
        assert!(read(&short).is_err());
        assert!(read(&[]).is_err());
        let mut curve = p256;
        curve[22] ^= 1;
        assert!(read(&curve).unwrap_err().contains("unsupported elliptic curve"));
    }

    #[test]
    fn bare_rsa_key_is_wrapped_and_small_ones_are_refused() {
        let bare = |bytes: usize| {
            let mut modulus = vec![0x00, 0x80];
            modulus.resize(bytes + 1, 1);
            let mut body = vec![0x02, 0x82];
            body.extend(u16::try_from(bytes + 1).unwrap().to_be_bytes());
            body.extend(modulus);
            body.extend([0x02, 0x03, 1, 0, 1]);
            let mut out = vec![0x30, 0x82];
            out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
            out.extend(body);
            out
        };
        let (wrapped, kind) = read(&bare(256)).unwrap();
        assert_eq!(kind, KeyAlgorithm::Rsa);
        assert_eq!(read(&wrapped).unwrap(), (wrapped.clone(), KeyAlgorithm::Rsa));
        assert!(read(&bare(255)).unwrap_err().contains("2040 bits"));
        assert!(read(&bare(1025)).unwrap_err().contains("8200 bits"));
    }
}
