//! A whole private Sigstore in one struct, for tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::similar_names,
    reason = "a test's tool: a panic is a failed test, and it writes the files that tests read"
)]

pub mod authority;
pub mod calendar;
pub mod ct_log;
pub mod der;
pub mod identity;
pub mod json;
pub mod keys;
pub mod layout;
pub mod merkle;
pub mod rekor;
pub mod signer;
pub mod sigstore;
pub mod tar;
pub mod trusted_root;
pub mod tuf;
pub mod twist;

pub use identity::Identity;
pub use keys::{Algorithm, Hash, SigningKey};
pub use layout::{Image, Index, Layout, Subject};
pub use signer::{EnvelopeEntry, Layer, Signed, Signer};
pub use sigstore::{Options, Sigstore};
pub use trusted_root::TrustedRoot;
pub use tuf::TufRepository;
pub use twist::{Shape, Twist};

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The bytes behind standard base64 with padding; panics on anything else.
pub fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Hash::Sha256.digest(bytes))
}

/// SHA-256 as OCI spells it: `sha256:…`.
pub fn sha256_digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}
