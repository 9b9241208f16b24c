//! The committed example: what `examples/quickstart` in the repository's root holds, byte for byte.
//!
//! One image signed by a workflow, one that nobody signed, the policy that tells them apart, and the trusted root of
//! the private Sigstore that vouches for the first. `mint-example` writes it; a test compares.

use std::collections::BTreeMap;
use std::path::Path;

use crate::identity::Identity;
use crate::layout::{Image, Layout, write_files};
use crate::sigstore::{Options, Sigstore};

/// Name of the signed image.
pub const SIGNED: &str = "registry.example.com/demo/app:1.0";
/// Name of the unsigned image.
pub const UNSIGNED: &str = "registry.example.com/demo/unsigned:1.0";

const SEED: u64 = 2025;

/// The Sigstore of the example.
pub fn sigstore() -> Sigstore {
    Sigstore::build(&Options { domain: "sigstore.example.com".to_owned(), ..Options::new(SEED) })
}

/// The layout of the example: both images, one signature.
pub fn layout(sigstore: &Sigstore) -> Layout {
    let signed = Image::new("registry.example.com/demo/app", "An image that a release workflow signed.");
    let unsigned = Image::new("registry.example.com/demo/unsigned", "An image that nobody signed.");
    let signature = sigstore.sign_keyless(&Identity::example(), &signed);
    Layout::new().image(SIGNED, &signed).image(UNSIGNED, &unsigned).signature(&signed, &signature)
}

/// Every file of the example by its path below `examples/quickstart`.
pub fn quickstart() -> BTreeMap<String, Vec<u8>> {
    let sigstore = sigstore();
    let mut files: BTreeMap<String, Vec<u8>> = layout(&sigstore)
        .files()
        .into_iter()
        .map(|(path, bytes)| (format!("layout/{path}"), bytes))
        .collect();
    files.insert("trusted_root.json".to_owned(), sigstore.trusted_root().json().into_bytes());
    files.insert("policy.yaml".to_owned(), policy(&sigstore).into_bytes());
    files.insert("README.md".to_owned(), README.as_bytes().to_vec());
    files
}

/// Writes the example below a directory.
pub fn write(directory: impl AsRef<Path>) {
    write_files(directory.as_ref(), &quickstart());
}

fn policy(sigstore: &Sigstore) -> String {
    let identity = Identity::example();
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\n\
         kind: ClusterImagePolicy\n\
         metadata:\n  \
           name: demo-images-are-signed\n\
         spec:\n  \
           images:\n    \
             - glob: registry.example.com/demo/**\n  \
           authorities:\n    \
             - keyless:\n        \
                 url: https://fulcio.{domain}\n        \
                 identities:\n          \
                   - issuer: {issuer}\n            \
                     subject: {subject}\n      \
               ctlog:\n        \
                 url: {rekor}\n",
        domain = sigstore.domain,
        issuer = identity.issuer,
        subject = identity.name.text(),
        rekor = sigstore.rekor.base_url(),
    )
}

const README: &str = "\
# Quickstart example

An OCI image layout with two tiny images, `registry.example.com/demo/app:1.0` and
`registry.example.com/demo/unsigned:1.0`; a policy that asks for a signature by one release workflow; and the trusted
root of the private Sigstore that vouches for it. The hosts exist nowhere, and nothing is asked of any network.

From the repository's root:

    sealock verify --policy examples/quickstart/policy.yaml --trust-root examples/quickstart/trusted_root.json \\
      oci:examples/quickstart/layout:registry.example.com/demo/app:1.0

allows the first image. The same command with `registry.example.com/demo/unsigned:1.0` does not allow the second.

Every byte here is minted by the testkit from a fixed seed; after a change of the generator, write it anew with

    cargo run -p sealock-testkit --bin mint-example -- examples/quickstart

Keys and certificates are test data. Never trust them for anything else.
";
