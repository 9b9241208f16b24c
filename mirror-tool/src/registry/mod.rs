//! The client of OCI registries: bounded, patient, and never guessing.
//!
//! Input: repositories and digests. Output: [`Answer`]: found, proven absent, or unknown.
//!
//! | rule | where | source |
//! |---|---|---|
//! | only a 404 proves absence, and not one whose error code says something else | [`answer`] | DESIGN §4 rule 5 |
//! | manifests and pages of referrers are at most 4 MiB; 64 pages, 4096 descriptors | [`limits`] | containers/image, oras |
//! | bytes are kept as they came; their digest must be the one asked for and the one in `Docker-Content-Digest` | [`manifest`] | OCI distribution-spec 1.1 |
//! | 408, 425, 429, 500, 502, 503, 504 and broken connections are tried again; 400, 403, 404 never; 401 once, with a new token | [`retry`] | |
//! | one 429 pauses everything that talks to that host | [`retry`] | |
//! | a partial blob goes on only where `Content-Range` says what was asked for | [`blob`] | RFC 9110 §14.4 |
//! | referrers and tags never follow a redirect to another host; blobs may, without credentials, and not towards machines that are nearer to us than the registry | [`reach`] | |
//! | credentials go to the host they are for, and to a token realm of the same site | [`token`] | |
//! | a registry that stands in for another gets its own credentials, never the other's | [`request`] | |
//! | every TLS configuration names its provider and counts its certificates | [`tls`] | |
//! | `urls` in descriptors are never fetched | nothing reads them | |
//! | content is sent to the registry's own origin only, and follows no redirect | [`upload`] | |
//!
//! `oci-client` is not used: its TLS takes the process's default provider, which panics or differs with two in the
//! graph; it swallows failures of the token endpoint, ignores `expires_in`, knows no identity tokens, keeps the first
//! credentials it saw, and does not compare `Content-Range`. What would be left of it is a path builder.
//!
//! Not here: what evidence is looked for (`pull`), and whether it proves anything (the `sealock` library).
//!
//! Attacks considered: `ssrf_and_credential_leak`, `digest_grammar`, throttling that looks like absence, endless
//! bodies, paging without an end, redirects to the metadata service, a realm on somebody else's host.

pub mod answer;
pub mod blob;
pub mod clock;
mod document;
pub mod endpoint;
pub mod limits;
pub mod manifest;
pub mod network;
pub mod outflow;
pub mod reach;
pub mod referrers;
pub mod request;
pub mod retry;
pub mod tags;
pub mod tls;
pub mod token;
pub mod upload;

pub use answer::{Absence, Answer, Doubt};
pub use endpoint::Repository;
pub use manifest::Fetched;
pub use network::{Network, NetworkFault};
pub use outflow::Origin;
pub use request::Registries;
pub use upload::{Delivered, Placed, Sent, Unsent};
