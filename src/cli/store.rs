//! `sealock store init | ls | fsck | reindex`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::exit::{Failure, Status};
use super::findings::lines;
use super::output::Output;
use super::place::store_directory;
use crate::decision::{Finding, Severity};
use crate::report::text::escape;
use crate::seal::{self, Operators, operators};
use crate::store::{self, Store, StoreFault, Writer, codes, transfer};

/// Arguments of `sealock store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a store and print its id; on a store that is there already, print its id.
    Init {
        #[command(flatten)]
        place: Place,
        /// Id of the store, for replicas of one enclave that share it. Default: a random one.
        #[arg(long)]
        id: Option<String>,
        /// Operators who may seal for this store; from then on it takes nothing else. On a store that has operators:
        /// a newer version of theirs.
        #[arg(long, value_name = "FILE")]
        operators: Option<PathBuf>,
    },
    /// List the images and the evidence in the store.
    Ls {
        #[command(flatten)]
        place: Place,
        /// List evidence too, not only images.
        #[arg(long, short)]
        all: bool,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Check every content, the catalogue and index.json against each other. Exit 0 clean, 1 defects, 3 unreadable.
    Fsck {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Rebuild the catalogue from index.json and the contents.
    Reindex {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: FormatArgs,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub struct Place {
    /// The store's directory. Default: $`SEALOCK_STORE`, else ./sealock-store if it exists, else
    /// $`XDG_DATA_HOME`/sealock/store.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

impl Place {
    /// The directory.
    pub fn directory(&self) -> PathBuf {
        store_directory(self.store.as_deref())
    }
}

/// How to answer.
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Format of the answer.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Formats of answers about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON document.
    Json,
}

/// How long a writer waits for another one.
pub const PATIENCE: Duration = Duration::from_secs(10);

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        let code = fault.code();
        let error = anyhow::anyhow!("{fault} [{}]\n  next: {}", code.name, code.remedy);
        match fault {
            StoreFault::NotAStore { .. }
            | StoreFault::ForeignDirectory { .. }
            | StoreFault::OtherId { .. }
            | StoreFault::Id { .. }
            | StoreFault::NewerFormat { .. } => Self::misuse(error),
            // Wrong kind of file: nothing was judged.
            StoreFault::Refused { code, .. }
                if [
                    &codes::DOCKER_SAVE,
                    &codes::COMPRESSED,
                    &codes::NOT_A_BUNDLE,
                    &seal::codes::NOT_PINNED,
                ]
                .contains(&code) =>
            {
                Self::misuse(error)
            }
            // Security state or a clock that cannot be relied on decides nothing.
            StoreFault::Refused { code, .. }
                if [&seal::codes::STATE, &seal::codes::CLOCK].contains(&code) =>
            {
                Self::undecided(error)
            }
            StoreFault::Refused { .. } => Self { status: Status::Denied, error },
            StoreFault::Catalogue { .. } | StoreFault::Busy { .. } | StoreFault::Io { .. } => {
                Self::undecided(error)
            }
        }
    }
}

/// What a run that came to no answer says in JSON.
#[derive(Serialize)]
struct Failed<'a> {
    schema: &'a str,
    store: String,
    findings: [Finding; 1],
}

/// Turns a fault into the run's failure; with `-o json` it is told in JSON as well.
pub fn failed(
    fault: StoreFault,
    schema: &str,
    place: &Place,
    format: Format,
    output: &mut Output,
) -> Failure {
    if format == Format::Json {
        let store = place.directory().display().to_string();
        let told = json(&Failed { schema, store, findings: [fault.finding()] })
            .and_then(|text| output.data(&text).map_err(Failure::from));
        if let Err(failure) = told {
            return failure;
        }
    }
    fault.into()
}

/// One JSON document and a line feed.
///
/// # Errors
/// Where a value has no JSON form.
pub fn json(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::undecided(anyhow::Error::new(e).context("the answer could not be written")))?;
    text.push('\n');
    Ok(text)
}

/// Runs the verb.
///
/// # Errors
/// A [`Failure`] with the store's own words.
pub fn run(args: &StoreArgs, output: &mut Output) -> Result<Status, Failure> {
    match &args.verb {
        Verb::Init { place, id, operators } => {
            let root = place.directory();
            // A file that is refused leaves no store behind that takes anything.
            let operators = operators.as_deref().map(read_operators).transpose()?;
            let made = Writer::init(&root, id.as_deref(), PATIENCE)?;
            if let Some((path, bytes)) = &operators {
                let writer = Writer::open(&root, "store init", PATIENCE)?;
                let version = transfer::pin(&writer, path, bytes)?;
                output.note(&format!("operators of version {version} may seal for this store\n"));
            }
            output.note(&format!(
                "its receipts are checked with {}\n",
                transfer::receipt_key(&root, &made.id)?
            ));
            output.data(&format!("{}\n", made.id))?;
            let what = if made.new { "new store in" } else { "store already in" };
            output.note(&format!("{what} {}\n", root.display()));
            Ok(Status::Allowed)
        }
        Verb::Ls { place, all, format } => list(place, *all, format.format, output),
        Verb::Fsck { place, format } => check(place, format.format, output),
        Verb::Reindex { place, format } => rebuild(place, format.format, output),
    }
}

/// Reads and checks an operators file.
fn read_operators(path: &Path) -> Result<(&Path, Vec<u8>), Failure> {
    let bytes = sealock_trust_root::disk::read_named(path, operators::MAX_FILE)
        .map_err(|e| Failure::misuse(anyhow::anyhow!("{}: {e}", path.display())))?;
    Operators::parse(&bytes)
        .map_err(|fault| StoreFault::refused(fault.code(), path.display().to_string(), fault.to_string()))?;
    Ok((path, bytes))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListReport {
    schema: &'static str,
    store: String,
    store_id: String,
    entries: Vec<crate::store::Listed>,
}

fn list(place: &Place, all: bool, format: Format, output: &mut Output) -> Result<Status, Failure> {
    let root = place.directory();
    let (store, mut entries) = Store::open(&root)
        .and_then(|store| store.list().map(|entries| (store, entries)))
        .map_err(|fault| failed(fault, "sealock.dev/store-list/v1", place, format, output))?;
    let evidence = entries.iter().filter(|e| e.about.is_some()).count();
    if format == Format::Json {
        let report = ListReport {
            schema: "sealock.dev/store-list/v1",
            store: root.display().to_string(),
            store_id: store.id().to_owned(),
            entries,
        };
        output.data(&json(&report)?)?;
        return Ok(Status::Allowed);
    }
    entries.retain(|e| all || e.about.is_none());
    let mut text = String::new();
    for entry in &entries {
        let name = entry.name.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{}  {:<7}  {}", entry.digest, entry.status, escape(name));
    }
    output.data(&text)?;
    if !all && evidence > 0 {
        output.note(&format!("and {evidence} pieces of evidence: `sealock store ls --all` lists them\n"));
    }
    Ok(Status::Allowed)
}

fn check(place: &Place, format: Format, output: &mut Output) -> Result<Status, Failure> {
    let report = store::fsck(&place.directory())
        .map_err(|fault| failed(fault, "sealock.dev/store-fsck/v1", place, format, output))?;
    if format == Format::Json {
        output.data(&json(&report)?)?;
    } else {
        let mut text = String::new();
        for located in &report.findings {
            let _ =
                write!(text, "{}: {}", escape(&located.path), lines(std::slice::from_ref(&located.finding)));
        }
        let counts = &report.counts;
        let verdict = if report.clean { "clean".to_owned() } else { format!("{} defects", counts.defects) };
        let _ = writeln!(
            text,
            "{verdict}: {} contents, {} bytes hashed, {} manifests, {} listed, {} known to be missing",
            counts.blobs, counts.bytes, counts.manifests, counts.listed, counts.missing
        );
        output.data(&text)?;
    }
    Ok(match (report.unreadable, report.clean) {
        (true, _) => Status::Undecided,
        (false, true) => Status::Allowed,
        (false, false) => Status::Denied,
    })
}

fn rebuild(place: &Place, format: Format, output: &mut Output) -> Result<Status, Failure> {
    let report = store::reindex(&place.directory(), PATIENCE)
        .map_err(|fault| failed(fault, "sealock.dev/store-reindex/v1", place, format, output))?;
    if format == Format::Json {
        output.data(&json(&report)?)?;
    } else {
        output.data(&format!(
            "rebuilt: {} manifests, {} other contents, {} names, {} contents that nothing leads to\n",
            report.manifests, report.blobs, report.names, report.unlisted
        ))?;
        output.note(&lines(&report.findings));
    }
    let defects = report.findings.iter().any(|f| f.severity == Severity::Error);
    Ok(if defects { Status::Denied } else { Status::Allowed })
}
