//! Transparency logs: what they signed about themselves, and whether they only ever grew.
//!
//! Input: checkpoints, signed tree heads, proofs, and the keys of a trusted root. Output: heads that a log is proven to
//! have signed ([`SignedHead`]), inclusion ([`inclusion`]), growth ([`growth`]), and what a store keeps of it ([`state`]).
//!
//! | rule | source |
//! |---|---|
//! | a checkpoint is a signed note of origin, size and root | C2SP signed-note, tlog-checkpoint |
//! | a signed tree head of a CT log covers version, type, time, size and root | RFC 6962 §3.5 |
//! | an entry is in the tree whose root the log signed | RFC 6962 §2.1.1 |
//! | the smaller tree is a prefix of the larger one | RFC 6962 §2.1.2 |
//! | a head that witnesses cosigned was seen by others too | C2SP tlog-cosignature |
//! | two signed heads of one log that no proof connects are a split view: both are kept, and the log decides nothing | DESIGN §5 |
//!
//! Not here: which evidence an entry belongs to (`verify`), asking logs (`sealock-mirror`). Attacks considered:
//! `split_view_detected_at_import`, histories whose proofs or heads were exchanged, a log that goes back.

pub mod checkpoint;
pub mod codes;
pub mod growth;
pub mod head;
pub mod inclusion;
pub mod state;
pub mod witness;

pub use checkpoint::Checkpoint;
pub use growth::History;
pub use head::{Head, LogName, SignedHead};
pub use state::LogState;
pub use witness::Witnesses;
