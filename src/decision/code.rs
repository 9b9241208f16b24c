//! Finding codes: stable names of everything that Sealock tells people and machines.
//!
//! Each room lists its own codes in a `codes.rs`; [`all`] is the whole table, in the order of the rooms. A code
//! is `room/kebab-case`, never changes its meaning, and is documented in `docs/reference/findings.md`.

/// One finding code with what it means and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `room/kebab-case`.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub meaning: &'static str,
    /// What to do next: names the command and the side of the gap to run it on.
    pub remedy: &'static str,
}

/// Every code of every room.
pub fn all() -> impl Iterator<Item = &'static Code> {
    let rooms = [
        crate::store::codes::ALL,
        crate::trust::codes::ALL,
        crate::evidence::codes::ALL,
        crate::verify::codes::ALL,
        crate::policy::codes::ALL,
        super::codes::ALL,
        crate::seal::codes::ALL,
        crate::log::codes::ALL,
    ];
    rooms.into_iter().flat_map(|room| room.iter().copied())
}
