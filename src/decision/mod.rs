//! Policies × proofs → decisions, with findings that say what to do next.

pub mod code;
pub mod finding;

pub use code::Code;
pub use finding::{Finding, Severity};
