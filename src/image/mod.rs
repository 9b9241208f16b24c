//! What images are called and what they consist of: names, digests, manifests.

pub mod digest;
pub mod manifest;
pub mod name;

pub use digest::Digest;
pub use manifest::Manifest;
pub use name::Reference;
