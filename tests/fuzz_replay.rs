//! Every parser of foreign bytes over its seeds and over a fixed number of mutations of them, from a fixed seed: each call
//! returns, and soon. The same targets run under libFuzzer in `tests/fuzz`.
//!
//! `SEALOCK_FUZZ_ROUNDS` sets the number of mutations per target, `SEALOCK_FUZZ_SEED` another start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "the environment says how long; archives are files; calls are timed"
)]

#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "fuzz/targets.rs"]
mod targets;

use std::time::{Duration, Instant};

use sealock_testkit::Random;

/// Longest that one call may take, unoptimised and on a busy machine.
const SLOW: Duration = Duration::from_secs(5);
/// Largest input.
const LARGEST: usize = 256 * 1024;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

struct Mutator {
    random: Random,
}

impl Mutator {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u128)).unwrap()
    }

    /// A few changes of the kinds that parsers trip over.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        const TOKENS: [&[u8]; 16] = [
            b"\0",
            b"\xff\xff\xff\xff",
            b"\x30\x80",
            b"\x30\x84\xff\xff\xff\xff",
            b"{",
            b"[[[[[[[[",
            b"\"",
            b"\\u0000",
            b"\\ud800",
            b"-1",
            b"18446744073709551616",
            b"1e999",
            b"null",
            b"\n\n",
            b"*",
            b"\xe2\x80\x94 ",
        ];
        let mut out = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(out.len() + 1);
            let length = self.below(33).min(out.len() - at);
            match self.below(9) {
                0 | 1 if at < out.len() => out[at] ^= 1 << self.below(8),
                2 if at < out.len() => out[at] = u8::try_from(self.below(256)).unwrap(),
                3 => drop(out.drain(at..at + length)),
                4 => {
                    let piece = out[at..at + length].to_vec();
                    let times = 1 + self.below(64);
                    out.splice(at..at, piece.repeat(times));
                }
                5 => out.truncate(at),
                6 => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    let times = if self.below(8) == 0 { 1 + self.below(2000) } else { 1 };
                    out.splice(at..at, token.repeat(times));
                }
                7 => {
                    // What another seed has in its place.
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    out.truncate(at);
                    out.extend_from_slice(&other[from..]);
                }
                _ => {
                    let from = self.below(out.len() + 1);
                    let end = (from + length).min(out.len());
                    let piece = out[from..end].to_vec();
                    out.splice(at..at, piece);
                }
            }
            out.truncate(LARGEST);
        }
        out
    }
}

fn call(target: targets::Target, data: &[u8]) -> bool {
    let begin = Instant::now();
    let outcome = std::panic::catch_unwind(|| (target.run)(data));
    let took = begin.elapsed();
    let shown = || String::from_utf8_lossy(&data[..data.len().min(2000)]).into_owned();
    assert!(
        outcome.is_ok(),
        "{} panicked over {} bytes, hex {}\n{}",
        target.name,
        data.len(),
        hex::encode(data),
        shown()
    );
    assert!(took < SLOW, "{} took {took:?} over {} bytes: {}", target.name, data.len(), shown());
    outcome.unwrap()
}

#[test]
fn seeds_and_their_mutations_return() {
    let rounds = number("SEALOCK_FUZZ_ROUNDS", 400);
    let mut unread = Vec::new();
    for (index, target) in targets::ALL.into_iter().enumerate() {
        let seeds = seeds::of(target.name);
        assert!(!seeds.is_empty(), "{}", target.name);
        let start = number("SEALOCK_FUZZ_SEED", 1).wrapping_mul(1000) + index as u64;
        let mut mutator = Mutator { random: Random(start) };
        call(target, b"");
        let read = seeds.iter().filter(|seed| call(target, seed)).count();
        if read == 0 {
            unread.push(target.name);
        }
        for _ in 0..rounds {
            call(target, &mutator.mutate(&seeds));
        }
    }
    assert!(unread.is_empty(), "none of their seeds is read: {unread:?}");
}
