//! `sealock-mirror seal` and `seal sign`.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use sealock::cli::clock;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;
use sealock::cli::place::store_directory;
use sealock::report::text::escape;
use sealock::seal::statement::Exception;
use sealock::store::StoreFault;

use crate::operators::KeyFile;
use crate::seal::{self, Again, Order, Review, Sealed, SealingFault, TrustSource};

/// Arguments of `sealock-mirror seal`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SealArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The store to seal
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// Id of the store that it is for, as `sealock store init` prints it on the far side
    #[arg(long, value_name = "STORE-ID", required = true)]
    audience: Option<String>,
    /// The operators file
    #[arg(long, value_name = "FILE", required_unless_present = "again")]
    operators: Option<PathBuf>,
    /// A private key that signs at once; `seal sign` adds others
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Leave out what this receipt of the far side acknowledges
    #[arg(long, value_name = "RECEIPT")]
    since: Option<PathBuf>,
    /// The transfers behind the one that this receipt acknowledges were lost: go on from that one
    #[arg(long, value_name = "RECEIPT")]
    after: Option<PathBuf>,
    /// Write seal N once more, byte for byte, because its transfer was lost
    #[arg(long, value_name = "N", conflicts_with_all = ["since", "after", "fresh", "trust", "policies", "ledgers", "allow_rollback"])]
    again: Option<u64>,
    /// The key that checks its receipts, as `sealock store init` prints it; remembered
    #[arg(long, value_name = "KEY")]
    receipt_key: Option<String>,
    /// Cut the transfer into files of this size: 512-byte multiple with K, M, G, or `fat32`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    segment_size: Option<u64>,
    /// A TUF repository in a folder to carry, in place of one of that name that `pull` kept; without a name, the
    /// public one
    #[arg(long = "trust", value_name = "[NAME=]DIR")]
    trust: Vec<String>,
    /// Do not carry a TUF repository that `pull` kept
    #[arg(long, value_name = "NAME")]
    no_trust: Vec<String>,
    /// A policy file to carry, in place of one of that name that `pull` kept
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// Do not carry a policy file that `pull` kept
    #[arg(long = "no-policy", value_name = "NAME")]
    no_policies: Vec<String>,
    /// A ledger of what was asked for and found; the newest last. Without it, those in the store
    #[arg(long = "ledger", value_name = "FILE")]
    ledgers: Vec<PathBuf>,
    /// Let a name move back to what an earlier seal had under it
    #[arg(long, value_name = "NAME=DIGEST")]
    allow_rollback: Vec<String>,
    /// Name of the sealing side
    #[arg(long, default_value = "sealock-mirror")]
    origin: String,
    /// Days that it may be taken in
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Make a new seal even where nothing changed since the last one
    #[arg(long)]
    fresh: bool,
    /// How to answer
    #[arg(long = "format", value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The file to write, or the base of the segments' names
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what a transfer would bring, then add a signature to it
    Sign {
        /// The private key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The transfer before this one: what changed is worked out from it, not taken from the sealing host
        #[arg(long, value_name = "FILE")]
        previous: Option<PathBuf>,
        /// Only show
        #[arg(long)]
        review: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// The transfer, or its first segment (`.000`)
        file: PathBuf,
    },
}

/// Formats of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

fn size(text: &str) -> Result<u64, String> {
    if text.eq_ignore_ascii_case("fat32") {
        return Ok(sealock::seal::container::FAT32);
    }
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (text.get(..at), 1 << 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 1 << 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1_u64),
    };
    let count: u64 = digits.unwrap_or_default().parse().map_err(|_| "not a size".to_owned())?;
    let size = count.checked_mul(factor).ok_or("too large")? / 512 * 512;
    if size == 0 { Err("a segment has 512 bytes or more".to_owned()) } else { Ok(size) }
}

/// What a fault means for the shell.
pub(super) fn failure(fault: SealingFault) -> Failure {
    let status = match &fault {
        SealingFault::Misuse(_)
        | SealingFault::Key { .. }
        | SealingFault::Store(StoreFault::NotAStore { .. }) => Status::Misuse,
        SealingFault::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Status::Misuse,
        SealingFault::Store(StoreFault::Refused { .. })
        | SealingFault::Seal(_)
        | SealingFault::Trust { .. } => Status::Denied,
        SealingFault::Io { .. } | SealingFault::Store(_) => Status::Undecided,
    };
    let error = match fault.code() {
        Some(code) => anyhow!("{fault} [{}]\n  next: {}", code.name, code.remedy),
        None => anyhow!(fault),
    };
    Failure { status, error }
}

/// Seals, or signs.
///
/// # Errors
/// A [`Failure`] with the reason.
pub fn run(args: &SealArgs, output: &mut Output) -> Result<Status, Failure> {
    if let Some(Verb::Sign { key, previous, review, yes, file }) = &args.verb {
        let seen = seal::review(file, previous.as_deref()).map_err(failure)?;
        output.data(&describe(&seen))?;
        if *review {
            return Ok(Status::Allowed);
        }
        if !yes && std::io::stdin().is_terminal() && !asked(output)? {
            return Err(Failure::misuse(anyhow!("not signed")));
        }
        let key = KeyFile::signing(key).map_err(failure)?;
        let count = seal::sign(file, &key, &seen).map_err(failure)?;
        output.note(&format!(
            "signed by {}: {count} of {} signatures\n",
            super::operators::id(&key),
            seen.threshold
        ));
        return Ok(Status::Allowed);
    }
    let needed = |what: &str| Failure::misuse(anyhow!("--{what} is needed"));
    let store = store_directory(args.store.as_deref());
    let keys =
        args.keys.iter().map(|p| KeyFile::signing(p).map_err(failure)).collect::<Result<Vec<_>, _>>()?;
    if let Some(sequence) = args.again {
        let sealed = seal::again(&Again {
            store: &store,
            audience: args.audience.as_deref().ok_or_else(|| needed("audience"))?,
            sequence,
            keys: &keys,
            segment_size: args.segment_size,
            output: args.output.as_deref().ok_or_else(|| needed("output"))?,
            now: clock::now(),
        });
        return tell(args, &sealed.map_err(failure)?, output);
    }
    let exceptions = args
        .allow_rollback
        .iter()
        .map(|text| {
            let (name, digest) =
                text.split_once('=').ok_or_else(|| anyhow!("{text:?} is not NAME=DIGEST"))?;
            Ok(Exception { digest: digest.to_owned(), name: name.to_owned() })
        })
        .collect::<Result<Vec<_>, anyhow::Error>>()
        .map_err(Failure::misuse)?;
    let ledgers =
        if args.ledgers.is_empty() { seal::ledgers(&store).map_err(failure)? } else { args.ledgers.clone() };
    let trust: Vec<_> = args.trust.iter().map(|text| TrustSource::parse(text)).collect();
    let sealed = seal::seal(&Order {
        store: &store,
        audience: args.audience.as_deref().ok_or_else(|| needed("audience"))?,
        operators: args.operators.as_deref().ok_or_else(|| needed("operators"))?,
        keys: &keys,
        origin: &args.origin,
        since: args.since.as_deref(),
        after: args.after.as_deref(),
        receipt_key: args.receipt_key.as_deref(),
        segment_size: args.segment_size,
        valid: SignedDuration::from_hours(24 * args.days),
        trust: &trust,
        no_trust: &args.no_trust,
        policies: &args.policies,
        no_policies: &args.no_policies,
        ledgers: &ledgers,
        exceptions,
        fresh: args.fresh,
        output: args.output.as_deref().ok_or_else(|| needed("output"))?,
        now: clock::now(),
    })
    .map_err(failure)?;
    tell(args, &sealed, output)
}

/// Says what was sealed.
fn tell(args: &SealArgs, sealed: &Sealed, output: &mut Output) -> Result<Status, Failure> {
    if args.format == Format::Json {
        output.data(&sealock::cli::store::json(sealed)?)?;
    } else {
        let again = match (sealed.again, args.again) {
            (true, None) => " once more, nothing changed",
            (true, Some(_)) => " once more",
            (false, _) => "",
        };
        output.data(&format!(
            "seal {}{again}: {}, {} contents carried, {} left out, {} bytes in {} files\n",
            sealed.sequence,
            sealed.digest,
            sealed.carried,
            sealed.omitted,
            sealed.bytes,
            sealed.files.len()
        ))?;
    }
    if sealed.signatures < sealed.threshold {
        output.note(&format!(
            "{} of {} signatures: `sealock-mirror seal sign {} --key FILE` adds one\n",
            sealed.signatures,
            sealed.threshold,
            sealed.files.last().map_or("", String::as_str)
        ));
    }
    if sealed.missing > 0 {
        output.note(&format!("{} contents that manifests point to are not in the store\n", sealed.missing));
    }
    if sealed.partial_receipt {
        output.note("the receipt is partial, so everything is carried\n");
    }
    Ok(Status::Allowed)
}

fn asked(output: &mut Output) -> Result<bool, Failure> {
    output.note("sign this? [y/N] ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn describe(review: &Review) -> String {
    let statement = &review.statement;
    let mut text = String::new();
    let _ = writeln!(text, "seal {} of {}", statement.sequence, escape(&statement.origin));
    let _ = writeln!(text, "digest     sha256:{}", review.digest);
    let _ = writeln!(text, "for store  {}", escape(&statement.audience));
    let _ = writeln!(text, "after      {}", statement.previous.as_deref().unwrap_or("nothing: the first"));
    let _ = writeln!(text, "sealed at  {}, to be taken in until {}", statement.sealed_at, statement.expires);
    let _ = writeln!(text, "operators  version {}", statement.operators.version);
    for trust in &statement.trust {
        let versions: Vec<_> =
            trust.versions.iter().map(|(role, version)| format!("{role} {version}")).collect();
        let _ = writeln!(text, "trust      {}: {}", escape(&trust.name), escape(&versions.join(", ")));
    }
    for (name, digest) in &statement.policies {
        let _ = writeln!(text, "policy     {}  sha256:{digest}", escape(name));
    }
    for exception in &statement.exceptions {
        let _ = writeln!(text, "may go back: {} to {}", escape(&exception.name), escape(&exception.digest));
    }
    let source = if review.compared { "worked out here" } else { "as the sealing host says" };
    let changes = &review.changes;
    let _ = writeln!(
        text,
        "names: {} new, {} moved, {} gone ({source})",
        changes.added.len(),
        changes.moved.len(),
        changes.removed.len()
    );
    for (name, digest) in &changes.added {
        let _ = writeln!(text, "  + {}  {}", escape(name), escape(digest));
    }
    for (name, [before, after]) in &changes.moved {
        let _ = writeln!(text, "  ~ {}  {} -> {}", escape(name), escape(before), escape(after));
    }
    for (name, digest) in &changes.removed {
        let _ = writeln!(text, "  - {}  {}", escape(name), escape(digest));
    }
    let signers = if review.signers.is_empty() { "nobody yet".to_owned() } else { review.signers.join(", ") };
    let _ = writeln!(text, "signed by  {} ({} needed)", escape(&signers), review.threshold);
    text
}
