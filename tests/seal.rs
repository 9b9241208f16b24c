//! Seals: heads, operators, order, receipts; and transfers taken in, refused, killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests write what the store must withstand")]

#[path = "seal/hands.rs"]
#[allow(dead_code)]
mod hands;
#[path = "seal/heads.rs"]
mod heads;
