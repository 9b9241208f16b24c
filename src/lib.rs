//! Sealock judges container images against Sigstore policies behind an air gap, with no network at all.
//!
//! The rooms, in the order data flows through them:
//!
//! | room | turns | into |
//! |---|---|---|
//! | [`image`] | text | names, digests, manifests |
//! | [`store`] | an OCI image layout | bytes that were hashed again on this read |
//! | [`evidence`] | bytes | structure, still untrusted (pure) |
//! | [`seal`] | a transfer's head, operators and floors | what is vouched for, and whether it comes next (pure) |
//! | [`trust`] | a trusted root and a moment | what counts at that moment (pure) |
//! | [`log`] | checkpoints, proofs and log keys | heads that a log signed, and whether it only grew (pure) |
//! | [`verify`] | structure and trust | proof (pure) |
//! | [`policy`] | `ClusterImagePolicy` documents | validated policies (pure) |
//! | [`decision`] | policies × proofs | decisions with findings (pure) |
//! | [`report`] | decisions | text and JSON |
//! | [`cli`] | arguments | exit status |
//!
//! [`crypto`] stands below all of them. Rooms marked *pure* do no I/O and read no clock, environment or
//! randomness: time, bytes and trust come in as arguments.

pub mod cli;
pub mod crypto;
pub mod decision;
pub mod evidence;
pub mod image;
pub mod log;
pub mod policy;
pub mod report;
pub mod seal;
pub mod store;
pub mod trust;
pub mod verify;
