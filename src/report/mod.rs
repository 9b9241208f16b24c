//! Decisions → text and JSON; the one place that renders.
