//! What counts at one moment: a view of a trusted root.
