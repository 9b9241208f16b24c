//! Identities that a keyless authority accepts.

/// One entry of `identities`.
#[derive(Clone, Debug)]
pub struct Identity {}
