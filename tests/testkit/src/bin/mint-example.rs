//! Writes the committed example: `cargo run -p sealock-testkit --bin mint-example -- examples/quickstart`.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a tool for whoever works on the project")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: mint-example DIR");
        return ExitCode::from(2);
    };
    sealock_testkit::example::write(&directory);
    println!("wrote {}", directory.display());
    ExitCode::SUCCESS
}
