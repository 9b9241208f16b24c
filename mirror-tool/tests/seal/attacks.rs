//! Attacks by whoever carries, keeps or receives transfers.
