//! Measuring on a machine that others use too: everything that is compared runs in turns within one run, and
//! medians are compared, so that a busy second falls on all of them alike.

#![allow(dead_code)]

pub mod process;

use std::hint::black_box;
use std::time::Instant;

/// One thing to measure.
pub struct Candidate<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
    samples: Vec<f64>,
}

/// Things that are compared with the first of them.
#[derive(Default)]
pub struct Comparison<'a>(Vec<Candidate<'a>>);

impl<'a> Comparison<'a> {
    /// Adds a candidate; the first one added is the yardstick.
    pub fn add<T>(&mut self, name: &str, mut run: impl FnMut() -> T + 'a) {
        let run = Box::new(move || drop(black_box(run())));
        self.0.push(Candidate { name: name.to_owned(), run, samples: Vec::new() });
    }

    /// Runs every candidate `calls` times in each of `rounds` rounds, in turns, and prints a table.
    pub fn report(mut self, title: &str, rounds: usize, calls: usize) {
        for candidate in &mut self.0 {
            for _ in 0..calls {
                (candidate.run)();
            }
        }
        for _ in 0..rounds {
            for candidate in &mut self.0 {
                let start = Instant::now();
                for _ in 0..calls {
                    (candidate.run)();
                }
                let call = start.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(calls).unwrap_or(1));
                candidate.samples.push(call);
            }
        }
        println!("\n{title} (median of {rounds} rounds of {calls} calls)");
        let yardstick = self.0.first().map_or(1.0, |c| median(&c.samples));
        for candidate in &self.0 {
            let middle = median(&candidate.samples);
            let least = candidate.samples.iter().copied().fold(f64::INFINITY, f64::min);
            println!(
                "  {:<58} {:>9.1} us  (least {:>9.1})  ratio {:.2}",
                candidate.name,
                middle,
                least,
                middle / yardstick
            );
        }
    }
}

/// The middle of `samples`.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
