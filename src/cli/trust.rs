//! `sealock trust show | update | adopt | history`.

mod answer;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use sealock_trust_root::crypto::sha256;
use sealock_trust_root::disk::{
    self, Action, DEFAULT_NAME, DirectorySource, HistoryLine, InForce, StateFault, TrustState,
};
use sealock_trust_root::freshness::{self, FreshnessPolicy, RoleAge, judge};
use sealock_trust_root::root::TrustedRoot;
use sealock_trust_root::source::RepositorySource;
use sealock_trust_root::{document, tuf};
use serde_json::json;

use super::clock;
use super::exit::{Failure, Status};
use super::findings::lines;
use super::output::Output;
use super::place::store_directory;
use crate::decision::Finding;
use crate::report::text::escape;
use crate::trust::{codes, freshness as words};
use answer::{describe, human, pretty};

/// Arguments of `sealock trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the trust root in force: where it comes from, how old it is, and whom it trusts
    Show(ShowArgs),
    /// Take in a TUF repository, verified from the pinned root and against what was seen before
    Update(UpdateArgs),
    /// Take in a bare `trusted_root.json` by its digest
    Adopt(AdoptArgs),
    /// Show every change of the trust roots in the store
    History(HistoryArgs),
}

#[derive(Debug, Args)]
struct Common {
    /// The store's directory. Default: `$SEALOCK_STORE`, else ./sealock-store if it exists, else
    /// `$XDG_DATA_HOME/sealock/store`
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Format of the answer
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Common {
    fn state(&self) -> TrustState {
        TrustState::of_store(&store_directory(self.store.as_deref()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    common: Common,
    /// Show this `trusted_root.json` or TUF repository directory instead
    #[arg(long, visible_alias = "trusted-root", value_name = "FILE|DIR", conflicts_with = "name")]
    trust_root: Option<PathBuf>,
    /// Show the root that the store has under this name
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// Judge the ages at this time instead of now, as 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Change a limit: ROLE=TIME:ACTION, as in root=90d:deny or all=0d:warn
    #[arg(long, value_name = "LIMIT")]
    freshness: Vec<String>,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    #[command(flatten)]
    common: Common,
    /// The name that policies call the root by
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// The first trusted root of a repository other than the public-good one; needs --sha256
    #[arg(long, value_name = "FILE", requires = "sha256")]
    root: Option<PathBuf>,
    /// SHA-256 of the file given with --root, in hex
    #[arg(long, value_name = "HEX", requires = "root")]
    sha256: Option<String>,
    /// Change a limit: ROLE=TIME:ACTION, as in root=90d:deny or all=0d:warn
    #[arg(long, value_name = "LIMIT")]
    freshness: Vec<String>,
    /// A TUF repository in published layout: timestamp.json here or in metadata/, targets in targets/
    #[arg(value_name = "DIR")]
    repository: PathBuf,
}

#[derive(Debug, Args)]
struct AdoptArgs {
    #[command(flatten)]
    common: Common,
    /// The name that policies call the root by; without it, it becomes the one in force
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// SHA-256 of the file, in hex, with or without `sha256:`
    #[arg(long, value_name = "HEX")]
    sha256: String,
    /// A `trusted_root.json`
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct HistoryArgs {
    #[command(flatten)]
    common: Common,
}

/// Runs the verb.
///
/// # Errors
/// A [`Failure`] for wrong use; refusals are answers with findings.
pub fn run(args: &TrustArgs, output: &mut Output) -> Result<Status, Failure> {
    match &args.verb {
        Verb::Show(args) => show(args, output),
        Verb::Update(args) => update(args, output),
        Verb::Adopt(args) => adopt(args, output),
        Verb::History(args) => history(args, output),
    }
}

/// The trust root in force: that of the store, or the embedded one where there is no store or none newer in it.
///
/// # Errors
/// A [`StateFault`]; a state that cannot be read is never taken for an absent one. [`status_of`] says what it
/// comes to, [`words::of_fault`] what to say.
pub fn trust_root_in_force(store: Option<&Path>) -> Result<InForce, StateFault> {
    match store {
        None => InForce::embedded(),
        Some(store) => TrustState::of_store(store).in_force(DEFAULT_NAME),
    }
}

/// The root that the store has under `name`, for a policy's `trustRootRef`.
///
/// # Errors
/// See [`trust_root_in_force`].
pub fn trust_root_named(store: &Path, name: &str) -> Result<InForce, StateFault> {
    TrustState::of_store(store).in_force(name)
}

/// A value of `--trust-root`: `FILE`, `DIR` or `NAME=PATH`; the name comes first.
///
/// # Errors
/// See [`InForce::named`].
pub fn trust_root_given(value: &str) -> Result<(Option<String>, InForce), StateFault> {
    match value.split_once('=') {
        Some((name, path)) if disk::is_name(name) => {
            Ok((Some(name.to_owned()), InForce::named(Path::new(path))?))
        }
        _ => Ok((None, InForce::named(Path::new(value))?)),
    }
}

/// What a fault comes to: refused evidence is denied, what cannot be read is undecided, a wrong question is misuse.
pub fn status_of(fault: &StateFault) -> Status {
    use tuf::TufFault;
    match fault {
        StateFault::Name { .. } | StateFault::Unknown { .. } | StateFault::Pinned { .. } => Status::Misuse,
        StateFault::Unreadable { .. }
        | StateFault::Damaged { .. }
        | StateFault::Floor { .. }
        | StateFault::Tuf(TufFault::Floor(_) | TufFault::Unreadable { .. } | TufFault::System(_)) => {
            Status::Undecided
        }
        StateFault::NotAuthentic { .. } | StateFault::Root(_) | StateFault::Tuf(_) => Status::Denied,
    }
}

fn policy(limits: &[String]) -> Result<FreshnessPolicy, Failure> {
    let mut policy = FreshnessPolicy::default();
    for limit in limits {
        policy.set(limit).map_err(Failure::misuse)?;
    }
    Ok(policy)
}

fn show(args: &ShowArgs, output: &mut Output) -> Result<Status, Failure> {
    let policy = policy(&args.freshness)?;
    let (now, hypothetical) = clock::moment(args.at);
    let found = match &args.trust_root {
        Some(path) => {
            // A path that does not exist is a wrong question; anything else about it is an answer.
            std::fs::metadata(path).with_context(|| path.display().to_string()).map_err(Failure::misuse)?;
            InForce::named(path)
        }
        None => args.common.state().in_force(&args.name),
    };
    let in_force = match found {
        Ok(in_force) => in_force,
        Err(fault) => return refuse(&fault, args.common.format, output),
    };
    let ages = judge(&in_force.roles, now, &policy);
    let mut findings = words::of_ages(&ages);
    findings.extend(words::of_root(&in_force.root));
    let mut value = describe(&in_force, &ages, &findings);
    if let Some(object) = value.as_object_mut() {
        object.insert("evaluatedAt".to_owned(), json!(now.to_string()));
        object.insert("hypothetical".to_owned(), json!(hypothetical));
    }
    match args.common.format {
        Format::Json => output.data(&pretty(&value))?,
        Format::Human => {
            output.data(&human(&in_force, &ages))?;
            output.note(&lines(&findings));
        }
    }
    Ok(status_of_ages(&ages))
}

/// Trust that is stale beyond its limit decides nothing.
fn status_of_ages(ages: &[RoleAge]) -> Status {
    match freshness::heaviest(ages) {
        Some(freshness::Action::Deny) => Status::Undecided,
        _ => Status::Allowed,
    }
}

fn update(args: &UpdateArgs, output: &mut Output) -> Result<Status, Failure> {
    let policy = policy(&args.freshness)?;
    let first = args
        .root
        .as_deref()
        .map(|path| {
            let bytes = disk::read_named(path, 1 << 20)
                .with_context(|| path.display().to_string())
                .map_err(Failure::misuse)?;
            Ok::<_, Failure>((path, bytes))
        })
        .transpose()?;
    if let (Some((path, bytes)), Some(wanted)) = (&first, &args.sha256)
        && let Some(finding) = mismatch(path, bytes, wanted)?
    {
        return say(Status::Denied, &[finding], args.common.format, output);
    }
    let source = DirectorySource::open(&args.repository)
        .with_context(|| args.repository.display().to_string())
        .map_err(Failure::misuse)?;
    let source: Arc<dyn RepositorySource> = Arc::new(source);
    let first = first.as_ref().map(|(_, bytes)| bytes.as_slice());
    let taken = take_in(&args.common.state(), &args.name, first, &source, &policy);
    let taken = match taken {
        Ok(taken) => taken,
        Err(fault) => return refuse(&fault, args.common.format, output),
    };
    let mut findings = words::of_ages(&taken.ages);
    findings.extend(words::of_resets(&taken.resets));
    let Some(after) = &taken.after else {
        return say(status_of_ages(&taken.ages), &findings, args.common.format, output);
    };
    findings.extend(words::of_root(&after.root));
    match args.common.format {
        Format::Json => {
            let mut value = describe(after, &taken.ages, &findings);
            if let Some(object) = value.as_object_mut() {
                object.insert("changes".to_owned(), json!(taken.changes));
            }
            output.data(&pretty(&value))?;
        }
        Format::Human => {
            let mut text = String::new();
            if taken.changes.is_empty() {
                text.push_str("nothing new\n");
            }
            for change in &taken.changes {
                let _ = writeln!(text, "{}", escape(change));
            }
            output.data(&text)?;
            output.note(&lines(&findings));
        }
    }
    Ok(Status::Allowed)
}

struct Taken {
    /// What is in force now; `None` when the repository is too old and nothing was committed.
    after: Option<InForce>,
    ages: Vec<RoleAge>,
    resets: Vec<sealock_trust_root::floor::Reset>,
    changes: Vec<String>,
}

/// Loads under the lock, judges, and commits only what is not too old.
fn take_in(
    state: &TrustState,
    name: &str,
    first: Option<&[u8]>,
    source: &Arc<dyn RepositorySource>,
    policy: &FreshnessPolicy,
) -> Result<Taken, StateFault> {
    let writer = state.writer()?;
    let before = match state.in_force(name) {
        Ok(before) => Some(before),
        Err(StateFault::Unknown { .. }) => None,
        Err(other) => return Err(other),
    };
    let (pinned, floor) = writer.start(name, first)?;
    let loaded = tuf::load(source, &pinned, floor.as_ref())?;
    let root = TrustedRoot::from_json(&loaded.trusted_root)?;
    let now = clock::now();
    let ages = judge(&loaded.roles, now, policy);
    let (mut changes, mut after) = (Vec::new(), None);
    if status_of_ages(&ages) == Status::Allowed {
        writer.commit_tuf(name, &pinned, &loaded, now)?;
        changes = changed(before.as_ref(), &root, &loaded);
        after = Some(state.in_force(name)?);
    }
    Ok(Taken { after, ages, resets: loaded.resets, changes })
}

fn changed(before: Option<&InForce>, root: &TrustedRoot, loaded: &tuf::Loaded) -> Vec<String> {
    let mut out = Vec::new();
    let old = before.map(|b| b.root.digest);
    if old != Some(root.digest) {
        let was = old.map_or_else(|| "none".to_owned(), |d| format!("sha256:{}", hex::encode(d)));
        out.push(format!("trusted root: {was} -> sha256:{}", hex::encode(root.digest)));
    }
    for role in &loaded.roles {
        let was = before.and_then(|b| b.roles.iter().find(|r| r.role == role.role)).map(|r| r.version);
        if was != Some(role.version) {
            let was = was.map_or_else(|| "none".to_owned(), |v| v.to_string());
            out.push(format!("{}: {was} -> {}, expires {}", role.role, role.version, role.expires));
        }
    }
    out
}

fn adopt(args: &AdoptArgs, output: &mut Output) -> Result<Status, Failure> {
    let bytes = disk::read_named(&args.file, document::MAX_BYTES as u64)
        .with_context(|| args.file.display().to_string())
        .map_err(Failure::misuse)?;
    if let Some(finding) = mismatch(&args.file, &bytes, &args.sha256)? {
        return say(Status::Denied, &[finding], args.common.format, output);
    }
    let state = args.common.state();
    let adopted = TrustedRoot::from_json(&bytes).map_err(StateFault::Root).and_then(|_| {
        let writer = state.writer()?;
        writer.commit_adopted(&args.name, &bytes, clock::now())?;
        state.in_force(&args.name)
    });
    match adopted {
        Err(fault) => refuse(&fault, args.common.format, output),
        Ok(in_force) => {
            let findings = words::of_root(&in_force.root);
            match args.common.format {
                Format::Json => output.data(&pretty(&describe(&in_force, &[], &findings)))?,
                Format::Human => {
                    let digest = hex::encode(in_force.root.digest);
                    output.data(&format!("adopted sha256:{digest} as {}\n", args.name))?;
                    output.note(&lines(&findings));
                }
            }
            Ok(Status::Allowed)
        }
    }
}

/// A finding if `bytes` do not have the digest `wanted`; misuse if that is no digest.
fn mismatch(path: &Path, bytes: &[u8], wanted: &str) -> Result<Option<Finding>, Failure> {
    let hex_text = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let valid = hex_text.len() == 64 && hex_text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !valid {
        return Err(Failure::misuse(anyhow!(
            "--sha256 {wanted:?}: 64 lower-case hexadecimal digits are expected"
        )));
    }
    let found = hex::encode(sha256(bytes));
    Ok((found != hex_text).then(|| {
        Finding::error(&codes::DIGEST_MISMATCH, format!("{} has another digest", path.display()))
            .with_facts(format!("sha256:{hex_text}"), format!("sha256:{found}"))
    }))
}

fn history(args: &HistoryArgs, output: &mut Output) -> Result<Status, Failure> {
    let (entries, torn) = match args.common.state().history() {
        Ok(found) => found,
        Err(fault) => return refuse(&fault, args.common.format, output),
    };
    match args.common.format {
        Format::Json => {
            let value = json!({ "schema": "sealock.dev/trust-history/v1", "entries": entries, "torn": torn });
            output.data(&pretty(&value))?;
        }
        Format::Human => {
            let mut text = String::new();
            for entry in &entries {
                let _ = writeln!(text, "{}", escape(&history_line(entry)));
            }
            output.data(&text)?;
            if torn {
                output.note(
                    "note: the last line was cut off by a run that was killed; the next change replaces it\n",
                );
            }
        }
    }
    Ok(Status::Allowed)
}

fn history_line(entry: &HistoryLine) -> String {
    let action = match entry.action {
        Action::Update => "update",
        Action::Adopt => "adopt",
        Action::Recovered => "recovered",
    };
    let mut text =
        format!("{} {} {action} {} sha256:{}", entry.seq, entry.at, entry.name, entry.trusted_root);
    for part in entry.roles.iter().chain(&entry.resets) {
        let _ = write!(text, ", {part}");
    }
    text
}

/// Prints a refusal in the format asked for.
fn refuse(fault: &StateFault, format: Format, output: &mut Output) -> Result<Status, Failure> {
    say(status_of(fault), &[words::of_fault(fault)], format, output)
}

fn say(status: Status, findings: &[Finding], format: Format, output: &mut Output) -> Result<Status, Failure> {
    match format {
        Format::Json => {
            output.data(&pretty(&json!({ "schema": "sealock.dev/trust/v1", "findings": findings })))?;
        }
        Format::Human => output.note(&lines(findings)),
    }
    Ok(status)
}
