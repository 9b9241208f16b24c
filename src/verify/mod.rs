//! Structure and trust → proof.
