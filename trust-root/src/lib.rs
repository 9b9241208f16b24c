//! Pinned Sigstore trust roots for machines that have no network.
//!
//! What lives here: the embedded public-good TUF root and `trusted_root.json` ([`embedded`]), the model of a
//! trusted root that verification works with ([`root`]), and the two primitives that everything above shares
//! and that must exist once: the strict JSON scanner ([`json`]) and hashing ([`crypto`]).
//!
//! Nothing in this crate can dial: `tough` is built without its HTTP feature and is given a transport that
//! serves bytes from memory.

pub mod crypto;
pub mod document;
pub mod embedded;
pub mod json;
mod keys;
pub mod root;
