//! What the far side would say, with the library that says it there.

use sealock::decision::{self, Decision, Question, Roots, Verdict};
use sealock::image::{Digest, Reference};
use sealock::policy::Policy;
use sealock::store::{Source, gather};

/// Judges one image of a source.
pub fn judge(
    source: &dyn Source,
    written: &str,
    reference: &Reference,
    digest: Digest,
    policies: &[Policy],
    roots: &Roots,
) -> Decision {
    let evidence = gather::for_policies(source, policies, reference, &digest);
    decision::decide(&Question {
        written,
        reference,
        digest: Ok(digest),
        policies,
        evidence: &evidence,
        roots,
    })
}

/// Why a decision is not a yes, in lines; nothing where it is one.
pub fn objections(decision: &Decision) -> Vec<String> {
    if matches!(decision.verdict, Verdict::Allow | Verdict::Warn) {
        return Vec::new();
    }
    let mut lines: Vec<String> = decision.findings.iter().map(|f| f.message.clone()).collect();
    for policy in &decision.policies {
        if matches!(policy.verdict, Verdict::Allow | Verdict::Warn) {
            continue;
        }
        lines.extend(policy.findings.iter().map(|f| format!("{}: {}", policy.name, f.message)));
        for authority in &policy.authorities {
            lines.extend(
                authority
                    .findings
                    .iter()
                    .map(|f| format!("{}/{}: {} ({})", policy.name, authority.name, f.message, f.code)),
            );
        }
    }
    lines.dedup();
    lines
}
