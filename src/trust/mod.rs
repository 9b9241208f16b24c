//! What counts at one moment: a view of a trusted root.

pub mod codes;
pub mod freshness;
