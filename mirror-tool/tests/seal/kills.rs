//! Kills the program at random moments of taking a transfer in.
