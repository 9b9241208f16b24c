//! `sealock-mirror pull`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use sealock::cli::exit::{Failure, Status};
use sealock::cli::output::Output;
use sealock::cli::place::store_directory;
use sealock::cli::store::PATIENCE;
use sealock::cli::{clock, roots};
use sealock::log::codes;
use sealock::policy::Loaded;
use sealock::report::text::escape;
use sealock::store::Writer;
use sealock::trust::TrustView;
use sealock_trust_root::disk::TrustState;
use serde::Serialize;

use super::network::{NetworkArgs, run as wait};
use super::progress::Progress;
use super::pull_trust;
use super::wanted::WantedArgs;
use crate::pull::commit::{self, Demand, Fate, ImageReport};
use crate::pull::fetch::{self, Fetching};
use crate::pull::walk;
use crate::rekor::history::LogReport;
use crate::rekor::{Client, LogProofs, Logs, entries, history};

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The store to mirror into; it is made where it does not exist
    #[arg(long, value_name = "DIR", env = "SEALOCK_STORE")]
    store: Option<PathBuf>,
    /// A plan made by `plan`, in place of names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "manifests", "images"])]
    plan: Option<PathBuf>,
    /// Keep out what the policies (`--policy`, or those of `mirror.yaml`) would not allow on the far side
    #[arg(long)]
    require_verifiable: bool,
    #[command(flatten)]
    roots: roots::RootArgs,
    /// Whether to fetch inclusion proofs for signatures that came with a log's promise only, and the logs' histories
    #[arg(long, value_enum, default_value_t = LogProofs::Try, value_name = "WHEN")]
    log_proofs: LogProofs,
    /// Ask everything, fetch no layers, change nothing
    #[arg(long)]
    dry_run: bool,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    wanted: WantedArgs,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

/// What a run says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    schema: &'static str,
    store: String,
    dry_run: bool,
    images: Vec<ImageReport>,
    fetched: Fetched,
    /// Each log that evidence rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<LogReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    #[serde(flatten)]
    carried: pull_trust::Report,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    blobs: usize,
    bytes: u64,
    held: usize,
    new: usize,
}

/// Brings images. Exit 0 when all are in the store, 1 when one was refused, 3 when one is unknown.
///
/// # Errors
/// [`Failure`] where nothing was decided.
pub fn run(args: &PullArgs, output: &mut Output) -> Result<Status, Failure> {
    if args.plan.is_none() && args.wanted.is_empty() {
        return Err(Failure::misuse(anyhow!(
            "nothing to pull: name images, -f mirror.yaml, --plan FILE, or --manifests -"
        )));
    }
    let read = args.wanted.read(args.plan.as_deref(), output)?;
    if args.require_verifiable && !args.wanted.has_policies() && read.loaded.policies.is_empty() {
        return Err(Failure::misuse(anyhow!(
            "--require-verifiable needs policies: --policy PATH, or `policies` in mirror.yaml"
        )));
    }
    let registries = args.network.client()?;
    let root = store_directory(args.store.as_deref());
    let started = clock::now();
    let mut writer = if args.dry_run && !root.join("store.json").exists() {
        None
    } else {
        if !args.dry_run {
            Writer::init(&root, None, PATIENCE)?;
        }
        Some(Writer::open(&root, "pull", PATIENCE)?)
    };
    // First, so that what arrives is judged by the newest roots.
    let store = writer.as_ref().map(|_| root.as_path());
    let carried = pull_trust::keep(&read.carried, store, &args.network, args.dry_run, started)?;
    let held = if args.wanted.has_policies() || !read.loaded.policies.is_empty() {
        let loaded = &read.loaded;
        Some(roots::load(&args.roots, &loaded.trust_roots, &loaded.policies, args.store.as_deref(), started)?)
    } else {
        None
    };
    let ask_logs = !args.dry_run && args.log_proofs != LogProofs::Never;
    let logs = if ask_logs {
        Some((Client::new(&registries), known_logs(args, &read.loaded, started)?))
    } else {
        None
    };
    let intake = writer.as_ref().map(Writer::intake).transpose()?;
    let progress = Progress::fetching(!args.no_progress);
    let undecided = |reason: String| Failure::undecided(anyhow!(reason));
    let (order, walked, fetching, logs) = wait(async {
        let order = read.order(&registries).await?;
        let mut walked = walk(&registries, intake.as_ref(), !args.dry_run, &order).await;
        let mut fetching = Fetching::default();
        if let Some(intake) = intake.as_ref().filter(|_| !args.dry_run) {
            fetching = fetch::fetch(&registries, intake, &mut walked, &|event| progress.hear(&event))
                .await
                .map_err(undecided)?;
        }
        let mut reports = Vec::new();
        if let (Some((client, logs)), Some(intake), Some(writer)) = (&logs, &intake, &writer) {
            let rests =
                entries::rests((client, logs), args.log_proofs, intake, &mut walked, &order.waivers).await;
            reports =
                history::keep(client, logs, &rests.map_err(undecided)?, writer).await.map_err(undecided)?;
        }
        Ok::<_, Failure>((order, walked, fetching, reports))
    })??;
    progress.end();
    let mut fetched = Fetched { blobs: fetching.blobs, bytes: fetching.bytes, held: fetching.held, new: 0 };
    let (images, ledger) = if let Some(writer) = writer.as_mut().filter(|_| !args.dry_run) {
        let demand = held.as_ref().map(|held| Demand {
            policies: &read.loaded.policies,
            roots: &held.roots,
            must: args.require_verifiable,
        });
        let done = commit::commit(writer, &order, &walked, demand.as_ref(), &started.to_string())?;
        fetched.new = done.new;
        (done.images, done.ledger)
    } else {
        let (missing, there) = fetch::missing(intake.as_ref(), &walked).map_err(undecided)?;
        fetched.blobs = missing.len();
        fetched.bytes = missing.iter().map(|need| need.size).sum();
        fetched.held = there;
        (commit::report(&order, &walked), None)
    };
    let fates = images.iter().map(|image| image.fate).chain(carried.fates());
    let status = fates.map(status).max().unwrap_or(Status::Misuse);
    // Nobody on the far side can decide by a log that contradicts itself; one that is silent fails those who asked.
    let silent = |log: &LogReport| args.log_proofs == LogProofs::Require && log.unknown.is_some();
    let status =
        if logs.iter().any(|log| log.split || silent(log)) { status.max(Status::Undecided) } else { status };
    let report = Report {
        schema: "sealock.dev/mirror-pull/v1",
        store: root.display().to_string(),
        dry_run: args.dry_run,
        images,
        fetched,
        logs,
        ledger,
        carried,
    };
    match args.output {
        Format::Json => {
            let text = serde_json::to_string_pretty(&report)
                .map_err(|e| Failure::undecided(anyhow::Error::new(e)))?;
            output.data(&(text + "\n"))?;
        }
        Format::Human => output.data(&human(&report))?,
    }
    Ok(status)
}

/// The logs that the roots of this run name.
fn known_logs(args: &PullArgs, loaded: &Loaded, at: Timestamp) -> Result<Logs, Failure> {
    let mut views = roots::given(&args.roots)?;
    let documents = loaded.trust_roots.iter();
    views.extend(documents.map(|document| TrustView::build(document.name.clone(), &document.root)));
    let held = roots::load(&args.roots, &[], &loaded.policies, args.store.as_deref(), at)?;
    // A log is a log whatever policy refers to its root.
    let state = TrustState::of_store(&store_directory(args.store.as_deref()));
    for name in state.names().map_err(|e| Failure::undecided(anyhow!(e)))? {
        let root = state.in_force(&name).map_err(|e| Failure::undecided(anyhow!(e)))?;
        views.push(TrustView::build(name, &root.root));
    }
    views.push(held.roots.default);
    views.extend(held.roots.named.into_values());
    Ok(Logs::new(views))
}

fn status(fate: Fate) -> Status {
    match fate {
        Fate::Mirrored => Status::Allowed,
        Fate::Refused => Status::Denied,
        Fate::Unknown => Status::Undecided,
    }
}

fn human(report: &Report) -> String {
    let mut text = String::new();
    for image in &report.images {
        let said = match (image.fate, report.dry_run) {
            (Fate::Mirrored, true) => "can be mirrored",
            (Fate::Mirrored, false) => "mirrored",
            (Fate::Refused, _) => "refused",
            (Fate::Unknown, _) => "unknown",
        };
        let digest = image.digest.map(|digest| format!(" {digest}")).unwrap_or_default();
        let verdict =
            image.verdict.map(|verdict| format!(", the far side would say {verdict}")).unwrap_or_default();
        let _ = writeln!(text, "{}{digest}: {said}{verdict}", escape(&image.name));
        for reason in &image.reasons {
            let _ = writeln!(text, "  {}", escape(reason));
        }
        for refused in &image.refused {
            let _ = writeln!(text, "  left out: {} ({})", refused.digest, escape(&refused.reason));
        }
    }
    let [found, absent, unknown, waived] = commit::counts(&report.images);
    let _ = writeln!(
        text,
        "questions: {found} found, {absent} proven absent, {unknown} unknown, {waived} waived"
    );
    let fetched = &report.fetched;
    let verb = if report.dry_run { "to fetch" } else { "fetched" };
    let _ =
        writeln!(text, "blobs: {} {verb} ({} bytes), {} held", fetched.blobs, fetched.bytes, fetched.held);
    for log in &report.logs {
        let name = if log.origin.is_empty() { &log.url } else { &log.origin };
        let size = log.size.map_or("no head".to_owned(), |size| format!("{size} leaves"));
        let before = log.before.map(|before| format!(", {before} before")).unwrap_or_default();
        let _ = writeln!(
            text,
            "log {}: {size}{before}, {} checkpoints of evidence tied to it",
            escape(name),
            log.tied
        );
        if log.split {
            let _ = writeln!(
                text,
                "  it shows two histories ({}): what it vouches for will be undecided on the far side",
                codes::SPLIT_VIEW.name
            );
        }
        if let Some(unknown) = &log.unknown {
            let _ = writeln!(text, "  unknown: {}", escape(unknown));
        }
    }
    if let Some(ledger) = &report.ledger {
        let _ = writeln!(text, "ledger: snapshots/{ledger}");
    }
    report.carried.say(&mut text, report.dry_run);
    text
}
