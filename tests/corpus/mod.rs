//! The corpus of genuine evidence: `$SEALOCK_CORPUS`, else the folder beside the project.

#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::path::PathBuf;

/// Where the corpus is; prints why a test is skipped where it is not.
pub fn path() -> Option<PathBuf> {
    let folder = std::env::var_os("SEALOCK_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpus at {} and SEALOCK_CORPUS is not set", folder.display());
    None
}

/// One line of `classic/signatures.jsonl`.
#[derive(serde::Deserialize)]
pub struct Row {
    pub id: String,
    pub image: String,
    pub manifest_digest: String,
    pub payload_b64: String,
    pub signature: String,
    pub certificate_pem: String,
    pub bundle: serde_json::Value,
    pub issuer: String,
    pub identity: String,
}

/// All of `classic/signatures.jsonl`.
pub fn signatures() -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(path()?.join("classic/signatures.jsonl")).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
