//! Trust roots named on the command line, and the one in force without any.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use sealock_trust_root::embedded;
use sealock_trust_root::root::TrustedRoot;

use super::exit::{Failure, Status};
use super::files;
use crate::decision::Roots;
use crate::policy::trust_root::TrustRootDocument;
use crate::report::TrustRootNote;
use crate::trust::TrustView;

/// Largest `trusted_root.json` that is read, in bytes.
const MAX_ROOT: u64 = 4 * 1024 * 1024;

/// Flags that name trust roots.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// A `trusted_root.json` or TUF repository directory; NAME=PATH for what policies call `trustRootRef: NAME`
    #[arg(long = "trust-root", visible_alias = "trusted-root", value_name = "[NAME=]PATH")]
    roots: Vec<String>,
}

/// Trust roots, ready to judge with.
pub struct Held {
    /// By name, and the one in force.
    pub roots: Roots,
    /// What is said about the one in force.
    pub note: TrustRootNote,
}

impl Held {
    /// Whether the age of the root in force leaves anything to be decided.
    pub fn status(&self) -> Status {
        Status::Allowed
    }
}

/// Reads the roots that were named; without one for everything, the one in force.
///
/// # Errors
/// Exit 2 for files that are not there or are no trust root.
pub fn load(
    args: &RootArgs,
    documents: &[TrustRootDocument],
    _store: Option<&Path>,
    _at: Timestamp,
) -> Result<Held, Failure> {
    let mut default = None;
    let mut named = BTreeMap::new();
    for given in &args.roots {
        match split(given) {
            (Some(name), path) => {
                let view = TrustView::build(name, &read(&path).map_err(Failure::misuse)?);
                if named.insert(name.to_owned(), view).is_some() {
                    return Err(Failure::misuse(anyhow!("two trust roots are named {name:?}")));
                }
            }
            (None, path) => {
                if default.is_some() {
                    return Err(Failure::misuse(anyhow!(
                        "more than one --trust-root without a name: write NAME=PATH for those that policies refer to"
                    )));
                }
                let root = read(&path).map_err(Failure::misuse)?;
                default = Some(TrustView::build(path.display().to_string(), &root));
            }
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
    let default = match default {
        Some(view) => view,
        None => {
            TrustView::build("public-good (embedded)", &embedded::trusted_root().map_err(Failure::undecided)?)
        }
    };
    let note = TrustRootNote {
        name: default.name().to_owned(),
        digest: hex::encode(default.digest()),
        freshness: Vec::new(),
        unused: default.findings().to_vec(),
    };
    Ok(Held { roots: Roots { default, named }, note })
}

fn read(path: &Path) -> anyhow::Result<TrustedRoot> {
    let bytes = files::read(path, MAX_ROOT)?;
    TrustedRoot::from_json(&bytes).with_context(|| format!("{} is no trust root", path.display()))
}

/// `NAME=PATH`, where NAME is no path.
fn split(given: &str) -> (Option<&str>, PathBuf) {
    match given.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains(['/', '.']) => {
            (Some(name), PathBuf::from(path))
        }
        _ => (None, PathBuf::from(given)),
    }
}
