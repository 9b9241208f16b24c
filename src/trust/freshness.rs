//! What trust roots, TUF and ages have to say, as findings.
//!
//! Input: faults, ages and lint of `sealock-trust-root`. Output: findings with codes. Pure.
//!
//! | rule | source |
//! |---|---|
//! | an age beyond its limit weighs what the limit's action says; an expired role within it is a note | DESIGN rule 8 |
//! | ages never come out as a yes or no alone: dates stand in the finding | DESIGN rule 8 |
//!
//! Not checked here: anything; the crate judged. Exit status: `cli`.
//!
//! Attacks considered: an unreadable state that passes for an empty one (each has a code of its own).

use jiff::SignedDuration;
use sealock_trust_root::disk::StateFault;
use sealock_trust_root::floor::Reset;
use sealock_trust_root::freshness::{Action, Judgement, Role, RoleAge};
use sealock_trust_root::root::TrustedRoot;
use sealock_trust_root::tuf::MetadataFault;
use sealock_trust_root::tuf::TufFault;

use super::codes;
use crate::decision::{Code, Finding, Severity};

/// Findings about every role that is expired; the heaviest decides.
pub fn of_ages(ages: &[RoleAge]) -> Vec<Finding> {
    ages.iter()
        .filter_map(|age| {
            let severity = match age.judgement {
                Judgement::Fresh => return None,
                Judgement::WithinLimit | Judgement::Beyond(Action::Note) => Severity::Note,
                Judgement::Beyond(Action::Warn) => Severity::Warning,
                Judgement::Beyond(Action::Deny) => Severity::Error,
            };
            let code = if age.role == Role::Root { &codes::ROOT_EXPIRED } else { &codes::ROLE_EXPIRED };
            let beyond =
                if matches!(age.judgement, Judgement::Beyond(_)) { ", beyond its limit" } else { "" };
            Some(Finding::new(
                code,
                severity,
                format!(
                    "{} {} expired {} ago, on {}{beyond}",
                    age.role,
                    age.version,
                    span(age.past_expiry),
                    age.expires
                ),
            ))
        })
        .collect()
}

/// A span as people say it: whole days, or hours below two days.
pub fn span(of: SignedDuration) -> String {
    let hours = of.abs().as_hours();
    if hours >= 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}

/// Findings about parts of a root.
pub fn of_root(root: &TrustedRoot) -> Vec<Finding> {
    root.findings
        .iter()
        .map(|finding| {
            let (code, severity) = if finding.kept {
                (&codes::PART_REMARKABLE, Severity::Note)
            } else {
                (&codes::PART_UNUSABLE, Severity::Warning)
            };
            Finding::new(code, severity, format!("{}: {}", finding.part, finding.reason))
        })
        .collect()
}

/// Findings about floors that fell.
pub fn of_resets(resets: &[Reset]) -> Vec<Finding> {
    resets
        .iter()
        .map(|reset| {
            Finding::new(
                &codes::FLOOR_RESET,
                Severity::Warning,
                format!("the keys of {} were rotated, its floor is set anew", reset.role),
            )
            .with_facts(format!("at least version {}", reset.floor), format!("version {}", reset.found))
        })
        .collect()
}

/// The finding of a state or repository that cannot be used.
pub fn of_fault(fault: &StateFault) -> Finding {
    let plain = |code: &'static Code| Finding::error(code, fault.to_string());
    match fault {
        StateFault::Unreadable { .. } => plain(&codes::STATE_UNREADABLE),
        StateFault::Damaged { .. } => plain(&codes::STATE_DAMAGED),
        StateFault::Floor { .. } => plain(&codes::UNREADABLE_FLOOR),
        StateFault::NotAuthentic { .. } => plain(&codes::NOT_AUTHENTIC),
        StateFault::Root(_) => plain(&codes::ROOT_DOCUMENT),
        StateFault::Unknown { .. } | StateFault::Name { .. } => plain(&codes::UNKNOWN_NAME),
        StateFault::Pinned { .. } => plain(&codes::PINNED_OTHERWISE),
        StateFault::Tuf(fault) => of_tuf(fault),
    }
}

/// The finding of a repository that is refused.
pub fn of_tuf(fault: &TufFault) -> Finding {
    let plain = |code: &'static Code| Finding::error(code, fault.to_string());
    match fault {
        TufFault::Floor(_) => plain(&codes::UNREADABLE_FLOOR),
        TufFault::Rollback(rollback) => plain(&codes::ROLLBACK).with_facts(
            format!("at least version {}", rollback.floor),
            format!("version {}", rollback.found),
        ),
        TufFault::RootWithheld { .. } => plain(&codes::ROOT_WITHHELD),
        TufFault::Unreadable { .. } => plain(&codes::REPOSITORY_UNREADABLE),
        TufFault::Budget { .. } => plain(&codes::LIMIT_EXCEEDED),
        TufFault::KeyIds { .. } => plain(&codes::KEY_IDS),
        TufFault::NoTrustedRoot => plain(&codes::NO_TRUSTED_ROOT),
        TufFault::System(_) => plain(&codes::SYSTEM),
        TufFault::Metadata(MetadataFault::Signatures { threshold, found, .. }) => {
            plain(&codes::REPOSITORY_INVALID)
                .with_facts(format!("{threshold} distinct keys"), format!("{found} distinct keys"))
        }
        TufFault::Metadata(_) | TufFault::NotStrict { .. } | TufFault::Invalid { .. } => {
            plain(&codes::REPOSITORY_INVALID)
        }
    }
}
