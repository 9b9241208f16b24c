//! Both sides of the gap: sealed on one, taken in, refused or killed on the other.
//!
//! The verifier is `$SEALOCK_BIN`, else the program beside `sealock-mirror`; without one the tests say so and are
//! skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]
#![allow(clippy::disallowed_methods, reason = "tests measure time and write what must be withstood")]

#[path = "seal/attacks.rs"]
mod attacks;
#[path = "seal/carried.rs"]
mod carried;
#[path = "seal/frozen.rs"]
mod frozen;
#[path = "seal/gap.rs"]
mod gap;
#[path = "../../tests/seal/hands.rs"]
#[allow(dead_code)]
mod hands;
#[path = "world/kill.rs"]
mod kill;
#[path = "seal/kills.rs"]
mod kills;
#[path = "seal/lost.rs"]
mod lost;
#[path = "seal/split.rs"]
mod split;
#[path = "seal/transfers.rs"]
mod transfers;
