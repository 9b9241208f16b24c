//! `ClusterImagePolicy` documents → validated policies.

pub mod address;
pub mod codes;
pub mod document;
mod fields;
pub mod glob;
pub mod identity;
pub mod load;
pub mod model;
pub mod predicate;
pub mod regexp;
pub mod trust_root;
mod validation;
pub mod yaml;

pub use load::{Input, Loaded, load};
pub use model::{ApiVersion, Authority, AuthorityKind, Mode, Policy, Position};
