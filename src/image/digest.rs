//! Content digests, and the one comparison of them.
//!
//! Input: text such as `sha256:<64 hex>`. Output: [`Digest`], which has one spelling only.
//!
//! | rule | source |
//! |---|---|
//! | algorithm `sha256` or `sha512`, lower case | OCI image-spec, descriptor, registered algorithms |
//! | exactly 64 or 128 lower-case hexadecimal digits | the same |
//!
//! Attacks considered: `sha256:../../x` as a path, upper-case twins, short digests, a sha512 spelling of sha256 bytes.

use std::fmt;
use std::str::FromStr;

use crate::crypto;

/// A digest of content. Its text form is the only one accepted, so equal digests have equal text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// SHA-256, 32 bytes.
    Sha256([u8; 32]),
    /// SHA-512, 64 bytes.
    Sha512([u8; 64]),
}

/// The text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: expected sha256:<64 lower-case hex digits> or sha512:<128>")]
pub struct DigestFault {
    /// What was found.
    pub text: String,
}

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(crypto::sha256(bytes))
    }

    /// `sha256` or `sha512`: also the folder of the blob in an OCI layout.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The hash that made it.
    pub fn hash(&self) -> crypto::HashAlgorithm {
        match self {
            Self::Sha256(_) => crypto::HashAlgorithm::Sha256,
            Self::Sha512(_) => crypto::HashAlgorithm::Sha512,
        }
    }

    /// The raw bytes, 32 or 64.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The lower-case hexadecimal digits without the algorithm: also the file name of the blob in an OCI layout.
    pub fn hex(&self) -> String {
        hex::encode(self.bytes())
    }

    /// Whether `content` hashes to this digest.
    pub fn matches(&self, content: &[u8]) -> bool {
        match self {
            Self::Sha256(bytes) => crypto::sha256(content) == *bytes,
            Self::Sha512(bytes) => crypto::sha512(content) == *bytes,
        }
    }

    /// A hasher of this digest's algorithm, for content that is streamed.
    pub fn hasher(&self) -> crypto::Hasher {
        match self {
            Self::Sha256(_) => crypto::Hasher::sha256(),
            Self::Sha512(_) => crypto::Hasher::sha512(),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestFault;

    fn from_str(text: &str) -> Result<Self, DigestFault> {
        let fault = || DigestFault { text: text.chars().take(160).collect() };
        let (algorithm, digits) = text.split_once(':').ok_or_else(fault)?;
        if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fault());
        }
        let bytes = hex::decode(digits).map_err(|_| fault())?;
        match algorithm {
            "sha256" => bytes.try_into().map(Self::Sha256).map_err(|_| fault()),
            "sha512" => bytes.try_into().map(Self::Sha512).map_err(|_| fault()),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_grammar() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(good.parse::<Digest>().unwrap().to_string(), good);
        assert!(format!("sha512:{}", "0a".repeat(64)).parse::<Digest>().is_ok());
        for bad in [
            String::new(),
            "sha256:".into(),
            "sha256:../../etc/passwd".into(),
            format!("sha256:{}", "0A".repeat(32)),
            format!("SHA256:{}", "0a".repeat(32)),
            format!("sha256:{}", "0a".repeat(31)),
            format!("sha256:{}", "0a".repeat(64)),
            format!("sha512:{}", "0a".repeat(32)),
            format!("sha256:{} ", "0a".repeat(32)),
            format!(" sha256:{}", "0a".repeat(32)),
            format!("sha256:{}g", "0a".repeat(31) + "0"),
            format!("md5:{}", "0a".repeat(16)),
            "0a".repeat(32),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
