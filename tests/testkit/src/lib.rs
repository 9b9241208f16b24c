//! A whole private Sigstore in one struct, for tests.
