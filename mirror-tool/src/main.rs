//! The `sealock-mirror` program. Everything it does is in the library; this only hands over arguments and takes an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealock_mirror::cli::main(std::env::args_os())
}
