//! Pinned Sigstore trust roots for machines that have no network.
//!
//! What lives here: the embedded public-good TUF root and `trusted_root.json` ([`embedded`]), the model of a
//! trusted root that verification works with ([`root`]) and its reader ([`document`]), TUF with a floor of our own
//! ([`tuf`], [`floor`], [`freshness`]), and the two primitives that everything above shares
//! and that must exist once: the strict JSON scanner ([`json`]) and hashing ([`crypto`]).
//!
//! Nothing in this crate can dial: `tough` is built without its HTTP feature and is given a transport that
//! serves bytes from memory.

pub mod crypto;
pub mod disk;
pub mod document;
pub mod embedded;
pub mod floor;
pub mod freshness;
pub mod json;
mod keys;
mod metadata;
pub mod root;
pub mod source;
mod transport;
pub mod tuf;
