//! Hashing, in one place, so that the provider can be exchanged whole.
//!
//! Input: bytes. Output: digests. The provider is `ring`; `aws-lc-rs` offers the same API.
//! Not here: signature verification (`sealock::crypto`), which needs what `ring` lacks.

use ring::digest;

/// SHA-256 of `bytes` (FIPS 180-4), 32 bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-384 of `bytes` (FIPS 180-4), 48 bytes.
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    fixed(digest::digest(&digest::SHA384, bytes).as_ref())
}

/// SHA-512 of `bytes` (FIPS 180-4), 64 bytes.
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    fixed(digest::digest(&digest::SHA512, bytes).as_ref())
}

/// A digest under construction, for content that does not fit in memory.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Starts a SHA-256.
    pub fn sha256() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Starts a SHA-512.
    pub fn sha512() -> Self {
        Self(digest::Context::new(&digest::SHA512))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest, as many bytes as the algorithm has.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher(..)")
    }
}

/// Copies a digest into an array of its own length; the lengths are equal by construction.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0_u8; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(
            hex::encode(sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hex::encode(sha384(b""))[..16], *"38b060a751ac9638");
        assert_eq!(hex::encode(sha512(b""))[..16], *"cf83e1357eefb8bd");
        let mut hasher = Hasher::sha256();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), sha256(b"abc"));
    }
}
