//! Exit status: 0 allowed · 1 denied · 2 wrong use or configuration · 3 undecided; for a batch 2 wins over 3 over 1 over 0.

use std::process::ExitCode;

use super::output::Output;
use crate::report::text::escape;

/// What a run came to, in the order in which one outweighs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Everything asked was answered with yes.
    Allowed,
    /// At least one denial, or a check that found damage.
    Denied,
    /// Something could not be decided.
    Undecided,
    /// The question itself was wrong.
    Misuse,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Self::Allowed => 0,
            Self::Denied => 1,
            Self::Misuse => 2,
            Self::Undecided => 3,
        }
    }
}

/// A run that came to no answer: the text says what to do, the status says whose turn it is.
#[derive(Debug)]
pub struct Failure {
    /// Exit status, never [`Status::Allowed`].
    pub status: Status,
    /// The whole story, outermost first.
    pub error: anyhow::Error,
}

impl Failure {
    /// Wrong use or configuration (exit 2).
    pub fn misuse(error: impl Into<anyhow::Error>) -> Self {
        Self { status: Status::Misuse, error: error.into() }
    }

    /// Could not be decided (exit 3).
    pub fn undecided(error: impl Into<anyhow::Error>) -> Self {
        Self { status: Status::Undecided, error: error.into() }
    }
}

impl From<std::io::Error> for Failure {
    /// Output that cannot be written is an answer that nobody got.
    fn from(error: std::io::Error) -> Self {
        Self::undecided(anyhow::Error::new(error).context("the answer could not be written"))
    }
}

/// Runs `run`; a panic in it is an answer that nobody has, never one that looks like another.
///
/// # Errors
/// Those of `run`, and exit 3 for a panic.
pub fn guarded(run: impl FnOnce() -> Result<Status, Failure>) -> Result<Status, Failure> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Failure::undecided(anyhow::anyhow!(
            "this is a defect of sealock: nothing was decided; please report it with the lines above (SECURITY.md)"
        )))
    })
}

/// Prints what clap says; help and version go to standard output and are not errors.
pub fn usage(error: &clap::Error, output: &mut Output) -> Status {
    if error.use_stderr() {
        output.note(&error.to_string());
        return Status::Misuse;
    }
    match output.data(&error.to_string()) {
        Ok(()) => Status::Allowed,
        Err(_) => Status::Undecided,
    }
}

/// Turns the outcome of a run into the process's exit code, printing failures.
pub fn finish(result: Result<Status, Failure>, output: &mut Output) -> ExitCode {
    let status = match result {
        Ok(status) => status,
        Err(failure) => {
            // Parts of it may come from files that somebody else wrote.
            let text = format!("error: {:#}", failure.error);
            let lines: Vec<_> = text.lines().map(escape).collect();
            output.note(&(lines.join("\n") + "\n"));
            failure.status.max(Status::Denied)
        }
    };
    ExitCode::from(status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_undecided() {
        let outcome = guarded(|| {
            assert!(std::hint::black_box(false), "on purpose");
            Ok(Status::Allowed)
        });
        assert_eq!(outcome.unwrap_err().status, Status::Undecided);
        assert_eq!(guarded(|| Ok(Status::Denied)).unwrap(), Status::Denied);
    }
}
