//! A whole private Sigstore in one struct, for tests: certificate authority, CT log, Rekor, TUF repository, images and
//! their layouts. Seeded and deterministic, with every misbehaviour a method.
//!
//! ```
//! use sealock_testkit::{Algorithm, Identity, Layout, Sigstore, Twist};
//!
//! let sigstore = Sigstore::new(1);
//! let image = sigstore.image("app");
//! let identity = Identity::workflow("example/app", "release.yaml", "refs/heads/main");
//!
//! // The classic signature of the image, as cosign stores it, and a layout that holds both.
//! let signature = sigstore.sign_keyless(&identity, &image);
//! let layout = Layout::new()
//!     .image("registry.example.com/demo/app:1.0", &image)
//!     .signature(&image, &signature);
//! assert!(layout.files().contains_key("index.json"));
//! let trusted_root = sigstore.trusted_root().json();
//! # assert!(trusted_root.contains("certificateAuthorities"));
//!
//! // Anything else is a description of a signer, then what it signs, then the form it travels in.
//! let key = sigstore.key("release", Algorithm::P384);
//! let attestation = sigstore.keyed(&key).without_log().statement(
//!     "v1", &image.repository, &image.digest(), "https://slsa.dev/provenance/v1", r#"{"builder":{}}"#,
//! );
//! let layer = attestation.layer();
//! let bundle = sigstore.keyless(&identity).image_statement(&image.digest()).bundle();
//! # assert!(bundle.contains("dsseEnvelope") && !layer.blob.is_empty());
//!
//! // One misbehaviour: the certificate had ended when the log took the signature.
//! let expired = sigstore
//!     .keyless(&identity)
//!     .twisted(Twist::CertificateExpired)
//!     .image(&image.repository, &image.digest())
//!     .layer();
//! # assert_ne!(expired, signature);
//! ```
//!
//! | to get | use |
//! |---|---|
//! | a private Sigstore | [`Sigstore::new`], [`Sigstore::build`], [`Sigstore::foreign`] for one that nobody trusts |
//! | its trusted root, with windows to set | [`Sigstore::trusted_root`], [`TrustedRoot`] |
//! | a signer, keyless or with a managed key | [`Sigstore::keyless`], [`Sigstore::keyed`] |
//! | signatures, attestations, statements | [`Signer::image`], [`Signer::statement`], [`Signer::image_statement`], [`Signer::payload`] |
//! | the forms they travel in | [`Signed::layer`], [`Signed::bundle`]; all parts are public and can be swapped |
//! | a misbehaving signature | [`Signer::twisted`] with a [`Twist`]; all that apply: [`Twist::of`] a [`Shape`] |
//! | a certificate of any other content | [`Signer::certificate`] |
//! | a log of version 2, its witnesses, an entry in it | [`RekorV2`], [`Witness`], [`Signer::logged_in_v2`] |
//! | a timestamp authority, a stamp, a misbehaving stamp | [`Tsa`], [`Signer::stamped_by`], [`tsa::Token`] |
//! | promises of CT logs to order, or none | [`Signer::scts`] |
//! | an authority that has ended | [`Sigstore::with_expired_intermediate`] and its siblings |
//! | sloppy base64, JSON members given twice | [`Base64Spelling`], [`JsonSpelling`] on a [`Layer`] |
//! | images, indexes, layouts, archives | [`Image`], [`Index`], [`Layout`]; hostile archives: [`tar`] |
//! | a TUF repository and attacks on it, on disk or over loopback | [`TufRepository`], [`tuf::Published`], [`tuf::TufServer`] |
//! | an OCI registry over loopback, honest or scripted | [`Registry`], [`registry::Reply`] |
//! | logs over loopback: Rekor v1, tiles as of v2, CT | [`log_server`] |
//! | an HTTP proxy over loopback | [`Proxy`] |
//! | the example in the repository's root | [`example`] |
//!
//! It depends on none of Sealock's crates and has its own encoders (DER, JSON, tar, Merkle tree), and it signs with
//! other libraries than the ones Sealock verifies with, so that an error cannot cancel itself out. Its own tests
//! verify what it mints with OpenSSL, the Sigstore project's verifier, `tough` and `tar`.
//!
//! Equal seeds and equal calls in equal order give equal bytes. Time is an argument ([`calendar::BASE_TIME`] unless
//! given); no clock, environment or randomness is read. Keys are worthless outside tests.
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
pub mod evidence;
pub mod example;
pub mod identity;
pub mod json;
pub mod keys;
pub mod layout;
pub mod log_server;
pub mod merkle;
pub mod proxy;
pub mod random;
pub mod registry;
pub mod rekor;
pub mod rekor_v2;
pub mod signer;
pub mod sigstore;
pub mod spelling;
pub mod tar;
pub mod trusted_root;
pub mod tsa;
pub mod tuf;
pub mod twist;

pub use evidence::{Content, Layer, Signed};
pub use identity::Identity;
pub use keys::{Algorithm, Hash, SigningKey};
pub use layout::{Image, Index, Layout, Subject};
pub use proxy::Proxy;
pub use random::Random;
pub use registry::Registry;
pub use rekor_v2::{RekorV2, Witness};
pub use signer::{EnvelopeEntry, Signer};
pub use sigstore::{Options, Sigstore};
pub use spelling::{Base64Spelling, JsonSpelling};
pub use trusted_root::TrustedRoot;
pub use tsa::{Tsa, TsaOptions};
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
