//! `ClusterImagePolicy` documents → validated policies.

pub mod glob;
pub mod identity;
pub mod model;

pub use model::{ApiVersion, Authority, AuthorityKind, Mode, Policy, Position};
