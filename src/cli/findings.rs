//! Findings about a store or a trust root, as text for people.

use std::fmt::Write as _;

use crate::decision::{Finding, Severity};
use crate::report::text::escape;

/// One line each, and the next step where something is wrong.
pub fn lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let weight = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let _ = write!(text, "{weight}: {} [{}]", escape(&finding.message), finding.code);
        if let (Some(expected), Some(found)) = (&finding.expected, &finding.found) {
            let _ = write!(text, ": {} → {}", escape(expected), escape(found));
        }
        text.push('\n');
        if finding.severity != Severity::Note {
            let _ = writeln!(text, "  next: {}", escape(&finding.remedy));
        }
    }
    text
}
