//! What counts: a trusted root, proven once, so that each piece of evidence is judged against ready answers.
//!
//! Input: a [`TrustedRoot`]. Output: [`TrustView`]: certificates that may issue, each with the interval for which
//! that is proven, and the keys of logs by their ids.
//!
//! | rule | source |
//! |---|---|
//! | every certificate of a chain is signed by the next one and names it | RFC 5280 §6.1.3 (a)(1), (a)(4) |
//! | issuers have `cA`, `keyCertSign` and a path length that fits | RFC 5280 §6.1.4 (k) to (n) |
//! | an issuer's EKU, where it has one, contains code signing (time stamping for a TSA) | CA/B code-signing requirements; webpki does the same |
//! | a TSA's leaf is critically for time stamping and nothing else | RFC 3161 §2.3 |
//! | the last certificate of a chain is the anchor, self-signed or not | protobuf-specs `CertificateAuthority` |
//! | an issuer counts where all dates above it and the authority's window meet | RFC 5280 §6.1.3 (a)(2); protobuf-specs `valid_for` |
//!
//! Not checked here: leaves (`verify::certificate`), freshness of TUF metadata (`sealock_trust_root`).
//! Attacks considered: an expired or demoted intermediate that still stands in the root file.

pub mod codes;
pub mod freshness;
pub mod parts;
pub mod view;

pub use sealock_trust_root::root::{Authority, LogKey, RootFinding, TrustedRoot, Window};
pub use view::{Issuer, TrustView};
