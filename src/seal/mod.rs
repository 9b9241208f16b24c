//! Seals: who vouches for names, completeness and order, and how that is written down.
//!
//! Input: bytes, pinned operators, floors, a moment. Output: a [`VerifiedSeal`] and whether it is the next one. Pure:
//! the store copies, commits and raises floors; `sealock-mirror` writes transfers.
//!
//! | file | what |
//! |---|---|
//! | [`canonical`] | the one spelling of signed documents |
//! | [`envelope`] | signatures around them |
//! | [`operators`] | whose keys may seal |
//! | [`statement`], [`snapshot`] | what is sealed |
//! | [`container`], [`header`] | the bytes of a transfer and its head |
//! | [`order`] | audience, sequence, expiry, floors, names that move back |
//! | [`receipt`] | what the far side answers |
//!
//! Formats: `docs/formats/seal.md`, `docs/formats/operators.md`, `docs/formats/receipt.md`. Rules: DESIGN §5; each file
//! names its own. Not here: copying and hashing media, TUF, policies.

pub mod canonical;
pub mod codes;
pub mod container;
pub mod envelope;
mod fault;
pub mod header;
pub mod operators;
pub mod order;
pub mod receipt;
pub mod snapshot;
pub mod statement;

pub use envelope::Envelope;
pub use fault::SealFault;
pub use header::{Header, VerifiedSeal};
pub use operators::Operators;
pub use order::Floors;
pub use receipt::{Receipt, ReceiptKey};
pub use snapshot::Snapshot;
pub use statement::Statement;
