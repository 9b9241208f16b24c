//! The one place that calls cryptographic libraries.
//!
//! Hashes come from the trust-root crate (`ring`); signatures are in [`key`] (`aws-lc-rs`, which has what
//! `ring` lacks: P-521, and any hash with any curve).

pub mod certificate;
pub mod der_slice;
pub mod key;
pub mod pem;
pub mod signing;

pub use certificate::{Certificate, CertificateFault, SubjectName};
pub use key::{HashAlgorithm, KeyFault, PublicKey};
pub use sealock_trust_root::crypto::{Hasher, sha256, sha384, sha512};
pub use sealock_trust_root::root::KeyAlgorithm;
pub use signing::SigningKey;
