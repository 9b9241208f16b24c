//! `sealock-mirror operators init | rotate | sign | show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use sealock::cli::clock;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;
use sealock::crypto::SigningKey;
use sealock::report::text::escape;
use sealock::seal::envelope::key_id;
use sealock::seal::operators::{Draft, MAX_FILE};

use super::seal::failure;
use crate::operators::{KeyFile, Wanted};
use crate::seal::files;

/// Days that a version may seal, unless asked otherwise.
const DAYS: i64 = 730;

/// Arguments of `sealock-mirror operators`.
#[derive(Debug, Args)]
pub struct OperatorsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the first version
    Init {
        /// A holder and the file of the key: a PKCS#8 private key, which signs at once, or a PEM public key
        #[arg(long = "key", value_name = "NAME=FILE", required = true)]
        keys: Vec<String>,
        /// How many holders must sign; without it, more than half
        #[arg(long)]
        threshold: Option<u32>,
        /// A key kept offline that may sign the next version when the holders' keys are lost
        #[arg(long, value_name = "NAME=FILE")]
        recovery: Vec<String>,
        /// Days until it may not seal any more
        #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(i64).range(1..=36500))]
        days: i64,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Add the next version to a file: other holders, another threshold, a later expiry
    Rotate {
        /// A holder to add, or to give another key
        #[arg(long = "add", value_name = "NAME=FILE")]
        add: Vec<String>,
        /// A holder to remove
        #[arg(long = "remove", value_name = "NAME")]
        remove: Vec<String>,
        /// How many holders must sign; without it, as before
        #[arg(long)]
        threshold: Option<u32>,
        /// A recovery key to add
        #[arg(long, value_name = "NAME=FILE")]
        recovery: Vec<String>,
        /// Days until it may not seal any more
        #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(i64).range(1..=36500))]
        days: i64,
        /// Private keys that sign at once, of the version before and of the next
        #[arg(long = "key", value_name = "FILE")]
        keys: Vec<PathBuf>,
        /// The operators file
        file: PathBuf,
    },
    /// Sign the newest version of a file
    Sign {
        /// The private key
        #[arg(long = "key", value_name = "FILE", required = true)]
        keys: Vec<PathBuf>,
        /// The operators file
        file: PathBuf,
    },
    /// Show versions, holders and what is still missing
    Show {
        /// The operators file
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// A [`Failure`] with the reason.
pub fn run(args: &OperatorsArgs, output: &mut Output) -> Result<Status, Failure> {
    match &args.verb {
        Verb::Init { keys, threshold, recovery, days, output: file } => {
            if file.exists() {
                return Err(Failure::misuse(anyhow!(
                    "{} exists: `sealock-mirror operators rotate` adds a version to it",
                    file.display()
                )));
            }
            let (holders, mut private) = named(keys)?;
            let (recovery, more) = named(recovery)?;
            private.extend(more);
            let wanted = Wanted { holders, threshold: *threshold, recovery, expires: expiry(*days)? };
            let draft = Draft::first(&wanted.document(1)).map_err(|e| failure(e.into()))?;
            save(draft, private, file, output)
        }
        Verb::Rotate { add, remove, threshold, recovery, days, keys, file } => {
            let mut draft = read(file)?;
            if let Some(reason) = draft.lacks() {
                return Err(Failure::misuse(anyhow!("the last version is not complete yet: {reason}")));
            }
            let mut wanted = Wanted::of(&draft).map_err(failure)?;
            for name in remove {
                if wanted.holders.remove(name).is_none() && wanted.recovery.remove(name).is_none() {
                    return Err(Failure::misuse(anyhow!("nobody is named {name:?}")));
                }
            }
            let (holders, mut private) = named(add)?;
            wanted.holders.extend(holders);
            let (more, more_private) = named(recovery)?;
            wanted.recovery.extend(more);
            private.extend(more_private);
            for path in keys {
                private.push(KeyFile::signing(path).map_err(failure)?);
            }
            wanted.threshold = threshold.or(wanted.threshold);
            wanted.expires = expiry(*days)?;
            let version = draft.newest().map_err(|e| failure(e.into()))?.document().version + 1;
            draft.push(&wanted.document(version)).map_err(|e| failure(e.into()))?;
            save(draft, private, file, output)
        }
        Verb::Sign { keys, file } => {
            let private =
                keys.iter().map(|p| KeyFile::signing(p).map_err(failure)).collect::<Result<Vec<_>, _>>()?;
            save(read(file)?, private, file, output)
        }
        Verb::Show { file } => {
            let draft = read(file)?;
            output.data(&describe(&draft)?)?;
            Ok(if draft.clone().verify().is_ok() { Status::Allowed } else { Status::Denied })
        }
    }
}

fn read(file: &Path) -> Result<Draft, Failure> {
    let bytes = files::read(file, MAX_FILE).map_err(failure)?;
    Draft::parse(&bytes).map_err(|e| failure(e.into()))
}

fn expiry(days: i64) -> Result<Timestamp, Failure> {
    let now = clock::now();
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    second.checked_add(SignedDuration::from_hours(24 * days)).map_err(Failure::misuse)
}

type Named = (BTreeMap<String, sealock::crypto::PublicKey>, Vec<SigningKey>);

fn named(keys: &[String]) -> Result<Named, Failure> {
    let (mut public, mut private) = (BTreeMap::new(), Vec::new());
    for text in keys {
        let (name, path) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::misuse(anyhow!("{text:?} is not NAME=FILE")))?;
        let key = KeyFile::read(Path::new(path)).map_err(failure)?;
        if public.insert(name.to_owned(), key.public).is_some() {
            return Err(Failure::misuse(anyhow!("two keys are named {name:?}")));
        }
        private.extend(key.private);
    }
    Ok((public, private))
}

fn save(
    mut draft: Draft,
    keys: Vec<SigningKey>,
    file: &Path,
    output: &mut Output,
) -> Result<Status, Failure> {
    for key in keys {
        draft.sign(&key).map_err(|e| failure(e.into()))?;
    }
    let bytes = draft.render().map_err(|e| failure(e.into()))?;
    files::replace(file, &bytes).map_err(failure)?;
    output.data(&describe(&draft)?)?;
    if let Some(reason) = draft.lacks() {
        output.note(&format!(
            "not complete yet: {reason}: `sealock-mirror operators sign {} --key FILE`\n",
            file.display()
        ));
    }
    Ok(Status::Allowed)
}

fn describe(draft: &Draft) -> Result<String, Failure> {
    let newest = draft.newest().map_err(|e| failure(e.into()))?;
    let document = newest.document();
    let mut text =
        format!("version {}, expires {}, sha256:{}\n", document.version, document.expires, newest.digest());
    let recovery = document.roles.recovery.clone();
    let _ =
        writeln!(text, "{} of {} must sign", document.roles.seal.threshold, document.roles.seal.keys.len());
    for (id, key) in &document.keys {
        let role =
            if recovery.as_ref().is_some_and(|r| r.keys.contains(id)) { "recovery" } else { "operator" };
        let _ = writeln!(text, "{role}  {id}  {}", escape(&key.name));
    }
    if let Some(reason) = draft.lacks() {
        let _ = writeln!(text, "not complete: {reason}");
    }
    Ok(text)
}

/// The id of a key, for messages.
pub(super) fn id(key: &SigningKey) -> String {
    key_id(key.public())
}
