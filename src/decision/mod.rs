//! Policies × proofs → decisions, with findings that say what to do next.
//!
//! Input: a [`Question`]: one image, the policies, the evidence that was gathered, the trust views. Output: one
//! [`Decision`]. Nothing is read and no clock is asked.
//!
//! | rule | source |
//! |---|---|
//! | a policy applies if any of its globs matches the canonical name | policy-controller behaviour §2.1 |
//! | every applying policy must hold | §2.2 |
//! | within a policy one authority suffices | §2.2 |
//! | no policy applies: denied, `no matching policies` | §3.4 |
//! | `mode: warn` turns its own policy's failure into a warning and weakens no other | ours: upstream leaks |
//! | evidence found and failing denies; none found, unreadable, or a missing root is undecided | ours |
//! | which log must vouch | §2.5, read offline ([`authority`]) |
//!
//! Not checked here: signatures (`verify`), documents (`policy`).
//! Attacks considered: evidence withheld so that nothing fails (undecided, never allowed), floods (filtered before
//! they cost anything, bounded after), a warning that hides a denial.

pub mod ad_hoc;
pub mod authority;
pub mod code;
pub mod codes;
pub mod finding;
pub mod model;
mod search;

use std::collections::{BTreeMap, BTreeSet};

pub use code::Code;
pub use finding::{Finding, Severity};
pub use model::{AuthorityResult, Decision, EvidenceResult, PolicyResult, Verdict};

use crate::evidence::{Gathered, Place};
use crate::image::{Digest, Reference};
use crate::log::Witnesses;
use crate::policy::{Authority, Mode, Policy};
use crate::trust::TrustView;

/// Trust roots by name: the one in force, and those that policies refer to.
#[derive(Debug)]
pub struct Roots {
    /// Used where a policy names none.
    pub default: TrustView,
    /// Used where a policy says `trustRootRef`.
    pub named: BTreeMap<String, TrustView>,
}

impl Roots {
    /// The same roots, where these witnesses say which heads of logs others saw too.
    #[must_use]
    pub fn witnessed_by(self, witnesses: &Witnesses) -> Self {
        let named = self.named.into_iter().map(|(name, view)| (name, view.witnessed_by(witnesses)));
        Self { default: self.default.witnessed_by(witnesses), named: named.collect() }
    }

    /// The same roots, where logs with these key ids (SHA-256) have shown two histories.
    #[must_use]
    pub fn doubting(self, key_ids: &BTreeSet<[u8; 32]>) -> Self {
        let named = self.named.into_iter().map(|(name, view)| (name, view.doubting(key_ids)));
        Self { default: self.default.doubting(key_ids), named: named.collect() }
    }
}

/// One image and everything that its verdict may rest on.
#[derive(Debug)]
pub struct Question<'a> {
    /// The image as the user wrote it.
    pub written: &'a str,
    /// The same, parsed.
    pub reference: &'a Reference,
    /// The digest that is judged; absent when the name does not resolve, with the reason.
    pub digest: Result<Digest, String>,
    /// Every policy given.
    pub policies: &'a [Policy],
    /// What was found, by place.
    pub evidence: &'a BTreeMap<Place, Gathered>,
    /// Trust roots.
    pub roots: &'a Roots,
}

/// Policies that apply to a name.
pub fn applying<'p>(policies: &'p [Policy], reference: &Reference) -> Vec<&'p Policy> {
    policies.iter().filter(|p| p.images.iter().any(|glob| glob.matches_reference(reference))).collect()
}

/// Where an authority's evidence is looked for.
pub fn place(authority: &Authority, reference: &Reference) -> Place {
    let source = authority.sources.first();
    Place {
        repository: source.and_then(|s| s.oci.clone()).unwrap_or_else(|| reference.repository().to_owned()),
        tag_prefix: source.and_then(|s| s.tag_prefix.clone()).unwrap_or_default(),
    }
}

/// Decides about one image.
pub fn decide(question: &Question<'_>) -> Decision {
    let mut decision = Decision {
        image: question.written.to_owned(),
        digest: question.digest.as_ref().ok().copied(),
        verdict: Verdict::Deny,
        policies: Vec::new(),
        findings: Vec::new(),
    };
    let policies = applying(question.policies, question.reference);
    if policies.is_empty() {
        decision.findings.push(
            Finding::error(&codes::NO_MATCH, "no matching policies")
                .with_facts("a ClusterImagePolicy with a glob for this name", question.reference.name()),
        );
        return decision;
    }
    if let Err(reason) = &question.digest {
        decision.findings.push(Finding::error(&codes::NOT_HELD, reason.clone()));
    }
    for policy in policies {
        decision.policies.push(judge(policy, question));
    }
    decision.verdict = combine(decision.policies.iter().map(|p| p.verdict));
    if question.digest.is_err() {
        // A verdict is about a digest: without one even a policy that allows everything allows nothing.
        decision.verdict = decision.verdict.max(Verdict::Undecided);
    }
    decision
}

/// All must hold: a denial outweighs an open question, which outweighs a warning.
fn combine(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.max().unwrap_or(Verdict::Deny)
}

fn judge(policy: &Policy, question: &Question<'_>) -> PolicyResult {
    let authorities: Vec<_> =
        policy.authorities.iter().map(|a| authority::judge(policy, a, question)).collect();
    let best = authorities.iter().map(|a| a.verdict).min();
    let mut findings = Vec::new();
    let verdict = match (best, policy.mode) {
        (None, _) => {
            findings.push(Finding::error(&codes::NO_AUTHORITY, "the policy names no authority"));
            Verdict::Deny
        }
        (Some(Verdict::Allow), _) => Verdict::Allow,
        // One authority that is undecided might yet have held, so the policy is open.
        (Some(_), Mode::Enforce) if authorities.iter().any(|a| a.verdict == Verdict::Undecided) => {
            Verdict::Undecided
        }
        (Some(_), Mode::Enforce) => Verdict::Deny,
        (Some(_), Mode::Warn) => Verdict::Warn,
    };
    PolicyResult { name: policy.name.clone(), mode: policy.mode, verdict, authorities, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warn_never_weakens_enforce() {
        use Verdict::{Allow, Deny, Undecided, Warn};
        for (verdicts, expected) in [
            (vec![Allow, Allow], Allow),
            (vec![Allow, Warn], Warn),
            (vec![Warn, Deny], Deny),
            (vec![Deny, Warn], Deny),
            (vec![Undecided, Warn], Undecided),
            (vec![Undecided, Deny, Allow], Deny),
            (vec![], Deny),
        ] {
            assert_eq!(combine(verdicts.clone().into_iter()), expected, "{verdicts:?}");
        }
    }
}
