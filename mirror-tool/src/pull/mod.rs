//! From images to a store with everything that judges them.
//!
//! Input: images, registries, a store. Output: content, names and the [`ledger`] of what was asked and answered.
//!
//! 1. [`mod@walk`] follows names to manifests, indexes to children, and asks every way for evidence about each of them.
//! 2. [`mod@fetch`] brings the blobs, after asking whether there is room.
//! 3. [`mod@judge`] says what the far side would say, where policies are given.
//! 4. [`mod@commit`] makes what is complete visible, and keeps the ledger.
//!
//! | rule | why |
//! |---|---|
//! | every question has one of four answers in the ledger: found, absent with the HTTP answer, unknown, waived | DESIGN §4 rule 5 |
//! | an image with an open question is not committed | a throttled registry must not make an image look unsigned |
//! | what is waived is named, with the reason, in the ledger | |
//! | the index is kept whole, whatever platforms are wanted | its digest is what was signed |
//! | what is said to refer to a digest counts only if its own `subject` says so | oras-go issue 1396 |
//! | evidence that cannot be read in one way is named and left out, and holds nothing up | a flood is not a denial |
//!
//! Not here: whether evidence proves anything (the `sealock` library), seals.

pub mod commit;
pub mod fetch;
pub mod judge;
pub mod ledger;
pub mod order;
pub mod walk;

pub use ledger::{Ledger, Question, State};
pub use order::{Evidence, Order, Waiver, Wanted};
pub use walk::{Walked, walk};
