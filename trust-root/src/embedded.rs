//! The public-good trust root that travels inside the program.
//!
//! Input: nothing. Output: TUF root version 16 and the `trusted_root.json` that it vouched for when they were
//! published; where from, with digests and dates: `embedded/PROVENANCE.md`.
//!
//! | rule | source |
//! |---|---|
//! | the files are exactly those of the package `sigstore-trust-root` 0.15.1 | issue 3; tests pin their SHA-256 |
//! | the root is the first trusted one: everything newer must chain from it | TUF §5.2 |
//!
//! Not checked here: expiry ([`crate::freshness`]). The embedded `trusted_root.json` is vouched for by whoever
//! built the program, not by the embedded root's signature.
//!
//! Attacks considered: a build with another root under the same name (digests are pinned in the tests).

use jiff::Timestamp;

use crate::document::RootFault;
use crate::freshness::{Role, RoleExpiry};
use crate::root::TrustedRoot;

/// TUF root metadata of the public-good instance, version [`TUF_ROOT_VERSION`].
pub const TUF_ROOT: &[u8] = include_bytes!("../embedded/tuf_root.json");

/// SHA-256 of [`TUF_ROOT`], in hex.
pub const TUF_ROOT_SHA256: &str = "27aea7e372aa7864065174f0661784fcf8b0e28b1dbfebeada31a0f1fb19167f";

/// Version of [`TUF_ROOT`].
pub const TUF_ROOT_VERSION: u64 = 16;

/// When [`TUF_ROOT`] expires: 2027-04-22T19:27:31Z, in seconds since 1970. A test compares it with the metadata.
const TUF_ROOT_EXPIRES: i64 = 1_808_422_051;

/// `trusted_root.json` of the public-good instance.
pub const TRUSTED_ROOT: &[u8] = include_bytes!("../embedded/trusted_root.json");

/// SHA-256 of [`TRUSTED_ROOT`], in hex.
pub const TRUSTED_ROOT_SHA256: &str = "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66";

/// [`TRUSTED_ROOT`], read.
///
/// # Errors
/// None in practice: the tests read the same bytes. The type keeps callers from assuming it.
pub fn trusted_root() -> Result<TrustedRoot, RootFault> {
    TrustedRoot::from_json(TRUSTED_ROOT)
}

/// Version and date of [`TUF_ROOT`], without checking its signatures anew in every process: it is part of the
/// program, and a test checks them. Reading it costs a quarter of a whole `sealock verify`.
pub fn tuf_root_expiry() -> RoleExpiry {
    RoleExpiry {
        role: Role::Root,
        version: TUF_ROOT_VERSION,
        expires: Timestamp::constant(TUF_ROOT_EXPIRES, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_what_the_metadata_says() {
        assert_eq!(crate::tuf::follow_roots(TUF_ROOT, []).unwrap(), tuf_root_expiry());
    }

    #[test]
    fn files_are_those_of_the_package() {
        assert_eq!(hex::encode(crate::crypto::sha256(TUF_ROOT)), TUF_ROOT_SHA256);
        assert_eq!(hex::encode(crate::crypto::sha256(TRUSTED_ROOT)), TRUSTED_ROOT_SHA256);
        let package = sigstore_trust_root::SigstoreInstance::PublicGood.embedded_trusted_root_json();
        assert_eq!(TRUSTED_ROOT, package.as_bytes());
    }

    #[test]
    fn reads_without_findings() {
        let root = trusted_root().unwrap();
        assert!(root.findings.is_empty(), "{:?}", root.findings);
        assert_eq!(hex::encode(root.digest), TRUSTED_ROOT_SHA256);
        assert_eq!(root.transparency_logs.len(), 2);
        assert_eq!(root.certificate_authorities.len(), 2);
        assert_eq!(root.ct_logs.len(), 2);
        assert_eq!(root.timestamp_authorities.len(), 1);
    }
}
