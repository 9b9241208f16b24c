//! Trust roots named on the command line and in policy documents, and the one in force without any.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use sealock_trust_root::disk::{DEFAULT_NAME, InForce, Provenance, StateFault, TrustState};
use sealock_trust_root::freshness::{FreshnessPolicy, judge};

use super::exit::Failure;
use super::files;
use super::pem_root::PemArgs;
use super::place::store_directory;
use super::trust::{status_of, trust_root_given};
use crate::decision::{Finding, Roots, Severity};
use crate::log::Witnesses;
use crate::policy::trust_root::TrustRootDocument;
use crate::policy::{AuthorityKind, Policy};
use crate::report::{RoleNote, TrustRootNote};
use crate::store::transfer;
use crate::trust::{TrustView, freshness};

/// Largest file of witnesses, in bytes.
const MAX_WITNESSES: u64 = 64 * 1024;

/// Flags that name trust roots.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// A `trusted_root.json` or TUF repository directory; NAME=PATH for what policies call `trustRootRef: NAME`
    #[arg(long = "trust-root", visible_alias = "trusted-root", value_name = "[NAME=]PATH")]
    roots: Vec<String>,
    /// Witnesses of transparency logs: a file of verifier keys, one a line, and `quorum N`; what they cosigned is shown
    /// as `log: inclusion+witness`
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    #[command(flatten)]
    pem: PemArgs,
}

impl RootArgs {
    /// What to say before anything is judged.
    pub fn remarks(&self) -> Vec<String> {
        self.pem.unfollowed()
    }
}

/// Trust roots, ready to judge with.
pub struct Held {
    /// By name, and the one in force.
    pub roots: Roots,
    /// What is said about the one in force.
    pub note: TrustRootNote,
}

/// Reads the roots that were named; without one for everything, the one in force in the store.
///
/// # Errors
/// Exit 2 for files that are not there or are no trust root, 3 for a state that cannot be read.
pub fn load(
    args: &RootArgs,
    documents: &[TrustRootDocument],
    policies: &[Policy],
    store: Option<&Path>,
    at: Timestamp,
) -> Result<Held, Failure> {
    let root = store_directory(store);
    let state = TrustState::of_store(&root);
    let mut held = load_with(args, documents, policies, &|name| state.in_force(name), at)?;
    held.roots = held.roots.doubting(&transfer::doubted(&root)?);
    Ok(held)
}

/// As [`load`], with the roots in force as `in_force` tells them by name.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    args: &RootArgs,
    documents: &[TrustRootDocument],
    policies: &[Policy],
    in_force: &dyn Fn(&str) -> Result<InForce, StateFault>,
    at: Timestamp,
) -> Result<Held, Failure> {
    let mut default = None;
    let mut named = BTreeMap::new();
    for given in &args.roots {
        let (name, root) = trust_root_given(given).map_err(|fault| failure(&fault))?;
        let Some(name) = name else {
            if default.replace(root).is_some() {
                return Err(Failure::misuse(anyhow!(
                    "more than one --trust-root without a name: write NAME=PATH for those that policies refer to"
                )));
            }
            continue;
        };
        let view = view(&name, &root, at).0;
        if named.insert(name.clone(), view).is_some() {
            return Err(Failure::misuse(anyhow!("two trust roots are named {name:?}")));
        }
    }
    for document in documents {
        let view = TrustView::build(document.name.clone(), &document.root);
        if named.insert(document.name.clone(), view).is_some() {
            return Err(Failure::misuse(anyhow!(
                "two trust roots are named {:?}, one of them at {}",
                document.name,
                document.position
            )));
        }
    }
    for name in referenced(policies) {
        if named.contains_key(&name) {
            continue;
        }
        match in_force(&name) {
            Ok(root) => drop(named.insert(name.clone(), view(&name, &root, at).0)),
            // The decision says that it is missing, and for which authority.
            Err(StateFault::Unknown { .. } | StateFault::Name { .. }) => {}
            Err(fault) => return Err(failure(&fault)),
        }
    }
    let (default, ages) = match (default, args.pem.root()?) {
        (Some(_), Some(_)) => {
            return Err(Failure::misuse(anyhow!(
                "--trust-root names the trust root, and so do PEM files: give one of them, or write NAME=PATH"
            )));
        }
        (None, Some((name, root))) => (TrustView::build(name, &root), Vec::new()),
        (Some(root), None) => view(&origin(&root.provenance), &root, at),
        (None, None) => {
            let root = in_force(DEFAULT_NAME).map_err(|fault| failure(&fault))?;
            view(&origin(&root.provenance), &root, at)
        }
    };
    let note = TrustRootNote {
        name: default.name().to_owned(),
        digest: hex::encode(default.digest()),
        freshness: ages,
        unused: default.findings().to_vec(),
    };
    let roots = Roots { default, named };
    let roots = match &args.witness {
        Some(path) => roots.witnessed_by(&witnesses(path)?),
        None => roots,
    };
    Ok(Held { roots, note })
}

/// The roots that were named, to know logs by.
///
/// # Errors
/// As [`load`].
pub fn given(args: &RootArgs) -> Result<Vec<TrustView>, Failure> {
    let each = args.roots.iter().map(|text| {
        let (name, root) = trust_root_given(text).map_err(|fault| failure(&fault))?;
        Ok(TrustView::build(name.unwrap_or_else(|| origin(&root.provenance)), &root.root))
    });
    let mut views = each.collect::<Result<Vec<_>, Failure>>()?;
    views.extend(args.pem.root()?.map(|(name, root)| TrustView::build(name, &root)));
    Ok(views)
}

fn witnesses(path: &Path) -> Result<Witnesses, Failure> {
    let bytes = files::read(path, MAX_WITNESSES).map_err(Failure::misuse)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::misuse(anyhow!("{}: it is no text", path.display())))?;
    Witnesses::parse(&text).map_err(|e| Failure::misuse(anyhow!("{}: {e}", path.display())))
}

/// Names that policies refer to.
fn referenced(policies: &[Policy]) -> BTreeSet<String> {
    let authorities = policies.iter().flat_map(|policy| &policy.authorities);
    authorities
        .flat_map(|authority| {
            let keyless = match &authority.kind {
                AuthorityKind::Keyless { trust_root_ref, .. } => trust_root_ref.clone(),
                _ => None,
            };
            [
                keyless,
                authority.ctlog.as_ref().and_then(|ctlog| ctlog.trust_root_ref.clone()),
                authority.timestamp_root.clone(),
            ]
        })
        .flatten()
        .collect()
}

/// The view of a root with the ages of the metadata behind it; one that is too old decides nothing.
fn view(name: &str, held: &InForce, at: Timestamp) -> (TrustView, Vec<RoleNote>) {
    let ages = judge(&held.roles, at, &FreshnessPolicy::default());
    let mut view = TrustView::build(name, &held.root);
    let mut notes = Vec::new();
    for age in &ages {
        let finding = freshness::of_ages(std::slice::from_ref(age)).into_iter().next();
        if let Some(finding) = finding.clone().filter(|finding| finding.severity == Severity::Error) {
            view = view.too_old(finding);
        }
        notes.push(RoleNote {
            role: age.role.to_string(),
            version: age.version,
            expires: age.expires,
            finding,
        });
    }
    (view, notes)
}

fn origin(provenance: &Provenance) -> String {
    match provenance {
        Provenance::Embedded => "public-good (embedded)".to_owned(),
        Provenance::Tuf { name, .. } => format!("{name} (TUF, from the store)"),
        Provenance::Adopted { name } => format!("{name} (adopted into the store)"),
        Provenance::File { path } => path.display().to_string(),
        Provenance::Directory { path } => format!("{} (TUF repository)", path.display()),
    }
}

fn failure(fault: &StateFault) -> Failure {
    let finding: Finding = freshness::of_fault(fault);
    let status = match status_of(fault) {
        // A root that was named and is refused is wrong configuration of this run, not a verdict on an image.
        super::exit::Status::Denied | super::exit::Status::Allowed => super::exit::Status::Misuse,
        other => other,
    };
    Failure { status, error: anyhow!("{}\n  next: {}", finding.message, finding.remedy) }
}
