//! What images are called and what they consist of: names, digests, manifests.

pub mod digest;
pub mod manifest;

pub use digest::Digest;
pub use manifest::Manifest;
