//! Predicate types and the short names that policies and cosign's flags have for them.

use super::address;

/// Whether policy-controller has no warning for it: an absolute URI or path.
pub fn is_predicate_uri(text: &str) -> bool {
    address::url(text).is_ok_and(|parts| !parts.scheme.is_empty() || text.starts_with('/'))
}

/// The predicate type that `name` stands for; a name that is none of the short ones stands for itself (behaviour §2.9).
pub fn predicate_uri(name: &str) -> &str {
    match name {
        "custom" => "https://cosign.sigstore.dev/attestation/v1",
        "slsaprovenance" | "slsaprovenance02" => "https://slsa.dev/provenance/v0.2",
        "slsaprovenance1" => "https://slsa.dev/provenance/v1",
        "spdx" | "spdxjson" => "https://spdx.dev/Document",
        "cyclonedx" => "https://cyclonedx.org/bom",
        "link" => "https://in-toto.io/Link/v1",
        "vuln" => "https://cosign.sigstore.dev/attestation/vuln/v1",
        "openvex" => "https://openvex.dev/ns",
        other => other,
    }
}
