//! `ClusterImagePolicy` documents → validated policies.

pub mod glob;
pub mod identity;
pub mod model;
pub mod regexp;

pub use model::{Authority, AuthorityKind, Mode, Policy, Position};
