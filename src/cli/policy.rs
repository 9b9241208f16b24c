//! `sealock policy`: `eval` asks one policy language for its answer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use sealock_trust_root::json::{self, Spelling};
use serde::{Deserialize, Serialize};

use super::exit::{Failure, Status};
use super::output::Output;
use crate::policy::glob::Glob;
use crate::policy::regexp::Regexp;

/// Largest policy or input, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// Largest line of a batch, in bytes: a policy, an input, and their escapes.
const MAX_LINE: u64 = 4 << 20;

/// Works with policies.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
enum PolicyVerb {
    /// Evaluate a glob or a regular expression as a policy would.
    ///
    /// Prints `pass`, `fail` or `refused`, and exits with 0, 1 or 2. With --batch: one JSON line for each line read, and 0 if every
    /// one of them was answered.
    Eval(EvalArgs),
}

/// What to evaluate.
#[derive(Debug, Args)]
struct EvalArgs {
    /// What the policy is written in.
    #[arg(long, value_enum)]
    language: Language,
    /// The policy: a file if one of that name exists, else the text itself.
    #[arg(
        long,
        value_name = "FILE|TEXT",
        required_unless_present = "batch",
        requires = "input",
        allow_hyphen_values = true
    )]
    policy: Option<String>,
    /// The input, `-` for standard input: an image name for a glob, a text for a regular expression.
    #[arg(long, value_name = "FILE|-", requires = "policy")]
    input: Option<String>,
    /// JSON lines `{"id","policy","input"}`, `-` for standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["policy", "input"])]
    batch: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// An image glob; the input is an image name.
    Glob,
    /// A regular expression of identities, as Go means it; the input is any text.
    Regexp,
}

/// A line of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: String,
    policy: String,
    input: String,
}

/// The answer to one question.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    verdict: Verdict,
    /// How far it came: `line`, `policy`, `input`, `match`.
    stage: &'static str,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Fail,
    Refused,
}

/// A line that is written for a line of a batch; `id` is null where the line could not be read.
#[derive(Debug, Serialize)]
struct AnswerLine {
    id: Option<String>,
    #[serde(flatten)]
    answer: Answer,
}

/// Runs the verb.
///
/// # Errors
/// When a file cannot be read, is not UTF-8 or too large, or the answer cannot be written.
pub fn run(args: &PolicyArgs, output: &mut Output) -> Result<Status, Failure> {
    match &args.verb {
        PolicyVerb::Eval(args) => eval(args, output),
    }
}

fn eval(args: &EvalArgs, output: &mut Output) -> Result<Status, Failure> {
    if let Some(file) = &args.batch {
        return batch(args.language, file, output);
    }
    let (Some(policy), Some(input)) = (&args.policy, &args.input) else {
        return Err(Failure::misuse(anyhow!("--policy and --input, or --batch, must be given")));
    };
    let policy = if Path::new(policy).metadata().is_ok_and(|found| !found.is_dir()) {
        file_text(policy)?
    } else {
        policy.clone()
    };
    let answer = answer(args.language, &policy, &file_text(input)?);
    let (word, status) = match answer.verdict {
        Verdict::Pass => ("pass", Status::Allowed),
        Verdict::Fail => ("fail", Status::Denied),
        Verdict::Refused => ("refused", Status::Misuse),
    };
    output.data(&format!("{word}\n"))?;
    if !answer.message.is_empty() {
        output.note(&format!("{}: {}\n", answer.stage, answer.message));
    }
    Ok(status)
}

fn batch(language: Language, file: &str, output: &mut Output) -> Result<Status, Failure> {
    let mut reader = BufReader::new(open(file)?);
    let mut status = Status::Allowed;
    let mut asked = 0_u64;
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(MAX_LINE + 1).read_until(b'\n', &mut line);
        let read = read.with_context(|| format!("{file} cannot be read")).map_err(Failure::misuse)?;
        if read == 0 {
            break;
        }
        if line.len() as u64 > MAX_LINE {
            return Err(Failure::misuse(anyhow!(
                "{file}: line {} has more than {MAX_LINE} bytes",
                asked + 1
            )));
        }
        asked += 1;
        let (id, answer) = match json::parse::<Question>(line.trim_ascii(), Spelling::Exact) {
            Ok(question) => (Some(question.id), answer(language, &question.policy, &question.input)),
            Err(fault) => {
                status = Status::Misuse;
                (None, refused("line", format!("line {asked}: {fault}")))
            }
        };
        let line = serde_json::to_string(&AnswerLine { id, answer }).map_err(Failure::undecided)?;
        output.data(&format!("{line}\n"))?;
    }
    if asked == 0 {
        return Err(Failure::misuse(anyhow!("{file} asks nothing")));
    }
    Ok(status)
}

fn answer(language: Language, policy: &str, input: &str) -> Answer {
    let (matches, miss) = match language {
        Language::Glob => {
            let glob = match Glob::compile(policy) {
                Ok(glob) => glob,
                Err(fault) => return refused("policy", fault.to_string()),
            };
            match glob.matches(input) {
                Ok(matches) => (matches, "the glob does not match the image"),
                Err(fault) => return refused("input", format!("{fault}: {}", fault.reason)),
            }
        }
        Language::Regexp => match Regexp::compile(policy) {
            Ok(regexp) => (regexp.is_match(input), "the regular expression does not match the text"),
            Err(fault) => return refused("policy", fault.to_string()),
        },
    };
    if matches {
        Answer { verdict: Verdict::Pass, stage: "match", message: String::new() }
    } else {
        Answer { verdict: Verdict::Fail, stage: "match", message: miss.to_owned() }
    }
}

fn refused(stage: &'static str, message: String) -> Answer {
    Answer { verdict: Verdict::Refused, stage, message }
}

/// The text of a file, without one line feed at its end.
fn file_text(file: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = open(file)?.take(MAX_TEXT + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{file} cannot be read")).map_err(Failure::misuse)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Failure::misuse(anyhow!("{file} has more than {MAX_TEXT} bytes")));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).with_context(|| format!("{file} is not UTF-8")).map_err(Failure::misuse)
}

fn open(file: &str) -> Result<Box<dyn Read>, Failure> {
    if file == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let opened =
        File::open(file).with_context(|| format!("{file} cannot be opened")).map_err(Failure::misuse)?;
    Ok(Box::new(opened))
}
