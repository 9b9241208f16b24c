//! Carries images and all their proof across an air gap.
//!
//! This is the only part of Sealock that opens connections. What it collects is judged by the same library that
//! judges on the far side, and nothing it says is believed there without a seal.

pub mod cli;
pub mod credentials;
pub mod diff;
pub mod operators;
pub mod plan;
pub mod pull;
pub mod push;
pub mod registry;
pub mod seal;
pub mod trust_root;
