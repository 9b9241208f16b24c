//! What `pull` brings beside images: TUF repositories and policies, kept in the store for the next seal.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use sealock::cli::exit::Failure;
use sealock::image::Digest;
use sealock::report::text::escape;
use serde::Serialize;

use super::network::NetworkArgs;
use crate::plan::Carried;
use crate::pull::commit::Fate;
use crate::trust_root::keep::{Keeper, KeptReport};
use crate::trust_root::kept;

/// What a run says about them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    trust_roots: Vec<KeptReport>,
    policies: Vec<KeptPolicy>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeptPolicy {
    name: String,
    digest: Digest,
    /// Whether the store did not keep it, or kept another one of this name.
    new: bool,
}

impl Report {
    /// How each repository came out, as far as it counts.
    pub(super) fn fates(&self) -> impl Iterator<Item = Fate> {
        self.trust_roots.iter().map(|root| match root.fate {
            Fate::Unknown if root.optional => Fate::Mirrored,
            fate => fate,
        })
    }

    /// For people.
    pub(super) fn say(&self, text: &mut String, dry_run: bool) {
        for root in &self.trust_roots {
            let said = match (root.fate, dry_run) {
                (Fate::Mirrored, true) => "can be kept",
                (Fate::Mirrored, false) => "kept",
                (Fate::Refused, _) => "refused",
                (Fate::Unknown, _) => "unknown",
            };
            let _ = write!(text, "trust root {} from {}: {said}", root.name, escape(&root.url));
            for (name, role) in &root.roles {
                let _ = write!(text, ", {} {}", escape(name), role.version);
            }
            let _ = writeln!(text, ", {} files, {} new", root.files, root.new_files.len());
            for name in &root.expired {
                let until = root.roles.get(name).map(|role| role.expires.to_string()).unwrap_or_default();
                let name = escape(name);
                let _ = writeln!(
                    text,
                    "  note: its {name} expired at {until}: `seal` refuses it until it is renewed"
                );
            }
            for reason in &root.reasons {
                let _ = writeln!(text, "  {} [{}]", escape(reason), root.code.unwrap_or_default());
            }
            if root.fate == Fate::Unknown && root.optional {
                let _ = writeln!(text, "  it is optional: what was kept before stays");
            }
        }
        for policy in &self.policies {
            let new = if policy.new { ", new" } else { "" };
            let _ = writeln!(text, "policy {}: {}{new}", policy.name, policy.digest);
        }
    }
}

/// Keeps them. A repository that is refused or unknown is in the report, and does not stop the run.
///
/// # Errors
/// Exit 2 where the network's flags do not fit, exit 3 where the store cannot be written.
pub(super) fn keep(
    carried: &Carried,
    store: Option<&Path>,
    network: &NetworkArgs,
    dry_run: bool,
    now: Timestamp,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    for (name, bytes) in &carried.policies {
        let new = match store {
            Some(store) if dry_run => {
                kept::policies(store).map_err(Failure::undecided)?.get(name) != Some(bytes)
            }
            Some(store) => kept::write_policy(store, name, bytes).map_err(Failure::undecided)?,
            None => true,
        };
        report.policies.push(KeptPolicy { name: name.clone(), digest: Digest::sha256(bytes), new });
    }
    if carried.trust_roots.is_empty() {
        return Ok(report);
    }
    // A client of its own: connections do not outlive the threads that made them.
    let registries = network.client()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::undecided(anyhow::Error::new(e).context("no threads")))?;
    let keeper = Keeper { store, registries: &registries, handle: runtime.handle().clone(), dry_run, now };
    report.trust_roots = carried.trust_roots.iter().map(|wanted| keeper.keep(wanted)).collect();
    Ok(report)
}
