//! The same for a person: verdict first, then the reasons, then what to do next.

use std::fmt::Write;

use super::Report;
use super::text::escape;
use crate::decision::{AuthorityResult, Decision, EvidenceResult, Finding, PolicyResult, Severity, Verdict};
use crate::policy::Mode;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Detail {
    /// Every check of every piece of evidence.
    pub verbose: bool,
}

/// The report as text. Colours are ANSI and stripped by the stream where they do not belong.
pub fn render(report: &Report<'_>, detail: Detail) -> String {
    let mut out = String::new();
    for decision in report.decisions {
        render_decision(&mut out, decision, detail);
    }
    let root = &report.trust_root;
    line(&mut out, 0, &format!("trust root: {} (sha256:{})", escape(&root.name), root.digest));
    for role in &root.freshness {
        let judgement =
            role.finding.as_ref().map_or_else(String::new, |f| format!(": {}", escape(&f.message)));
        line(&mut out, 1, &format!("{} {} expires {}{judgement}", role.role, role.version, role.expires));
    }
    for part in root.unused.iter().filter(|part| detail.verbose || !part.kept) {
        line(&mut out, 1, &format!("{} is not used: {}", escape(&part.part), escape(&part.reason)));
    }
    if report.hypothetical {
        line(&mut out, 0, &format!("hypothetical: evaluated for {}", report.evaluated_at));
    }
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing into a string cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}

fn render_decision(out: &mut String, decision: &Decision, detail: Detail) {
    let name = escape(&decision.image);
    let digest = decision
        .digest
        .filter(|digest| !decision.image.contains(&digest.hex()))
        .map_or_else(String::new, |digest| format!(" ({digest})"));
    line(out, 0, &format!("{} {name}{digest}", badge(decision.verdict)));
    for finding in &decision.findings {
        render_finding(out, 1, finding);
    }
    for policy in &decision.policies {
        render_policy(out, policy, detail);
    }
}

fn badge(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "\u{1b}[1;32mALLOW\u{1b}[0m    ",
        Verdict::Warn => "\u{1b}[1;33mWARN\u{1b}[0m     ",
        Verdict::Undecided => "\u{1b}[1;35mUNDECIDED\u{1b}[0m",
        Verdict::Deny => "\u{1b}[1;31mDENY\u{1b}[0m     ",
    }
}

fn render_policy(out: &mut String, policy: &PolicyResult, detail: Detail) {
    let mode = match policy.mode {
        Mode::Enforce => "",
        Mode::Warn => " (mode: warn)",
    };
    line(out, 1, &format!("policy {}{mode}: {}", escape(&policy.name), policy.verdict.name()));
    for finding in &policy.findings {
        render_finding(out, 2, finding);
    }
    for authority in &policy.authorities {
        render_authority(out, authority, detail);
    }
}

fn render_authority(out: &mut String, authority: &AuthorityResult, detail: Detail) {
    line(out, 2, &format!("{}: {}", escape(&authority.name), authority.verdict.name()));
    for evidence in &authority.evidence {
        if detail.verbose || evidence.verdict == "passed" {
            render_evidence(out, evidence, detail);
        }
    }
    for finding in &authority.findings {
        render_finding(out, 3, finding);
    }
}

fn render_evidence(out: &mut String, evidence: &EvidenceResult, detail: Detail) {
    let who = match (&evidence.identity, evidence.strength.as_ref().and_then(|s| s.key.as_ref())) {
        (_, Some(key)) => format!("key sha256:{key}"),
        (Some(identity), None) => {
            format!("{} (issuer {})", escape(&identity.subject), escape(&identity.issuer))
        }
        (None, None) => "nobody by name".into(),
    };
    let claim = if evidence.verdict == "passed" { "signed by" } else { "unverified, claims" };
    line(out, 3, &format!("{} {}: {claim} {who}", evidence.kind.name(), evidence.digest));
    if let Some(strength) = &evidence.strength {
        let when = evidence.signed_at.map_or_else(|| "at no proven time".to_owned(), |t| format!("at {t}"));
        let root = strength.root.as_ref().map_or_else(String::new, |r| format!(", root {}", escape(r)));
        line(out, 4, &format!("{when}, log: {}, time: {}{root}", strength.log, strength.time));
    }
    if detail.verbose {
        for (check, outcome) in &evidence.checks {
            line(out, 4, &format!("{check}: {}", outcome.name()));
        }
    }
}

fn render_finding(out: &mut String, depth: usize, finding: &Finding) {
    let weight = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    line(out, depth, &format!("{weight} {}: {}", finding.code, escape(&finding.message)));
    if let Some(expected) = &finding.expected {
        line(out, depth + 1, &format!("expected: {}", escape(expected)));
    }
    if let Some(found) = &finding.found {
        line(out, depth + 1, &format!("found:    {}", escape(found)));
    }
    if finding.severity != Severity::Note {
        line(out, depth + 1, &format!("next:     {}", finding.remedy));
    }
}
