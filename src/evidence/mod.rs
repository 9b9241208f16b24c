//! Bytes → structure: classic layers, bundles, envelopes, statements. Untrusted until verified.
