//! Reading `ClusterImagePolicy` documents: policy-controller's answers to the corpus, word for word, and what no
//! document may do to the reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: a test reads the corpus, says so when it is missing, and measures how long the reader takes.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod attacks;
mod corpus;
mod fields;
mod streams;

use std::path::{Path, PathBuf};

use sealock::policy::document::DocumentErrorKind;
use sealock::policy::{Input, Loaded, load};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("SEALOCK_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: there is no corpus at {}", path.display());
    None
}

fn input(file: &str, bytes: &[u8], from_directory: bool) -> Input {
    Input { file: file.into(), bytes: bytes.to_vec(), from_directory }
}

fn read(bytes: impl AsRef<[u8]>) -> Loaded {
    load(&[input("p.yaml", bytes.as_ref(), false)])
}

fn read_file(path: &Path) -> Loaded {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    load(&[input(&path.file_name().unwrap().to_string_lossy(), &bytes, false)])
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn shown(loaded: &Loaded) -> String {
    loaded.errors.iter().map(|e| format!("{:?} {e}", e.kind)).collect::<Vec<_>>().join("\n")
}

fn has(loaded: &Loaded, kind: DocumentErrorKind) -> bool {
    loaded.errors.iter().any(|e| e.kind == kind)
}

const KEY: &str = "        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhy0Wbs0kgF3nmPoiB+tvvMHeuKry
        XHNsoHaeWMgtzrSZhIZSOYspm47gOEiJ2MMICkzZ9Ht5BoJxiN1aVbyDvQ==
        -----END PUBLIC KEY-----
";

/// A valid document whose `spec` is `spec`, indented by two.
fn document(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

fn passing(name: &str) -> String {
    document(name, "  images:\n  - glob: '**'\n  authorities:\n  - static:\n      action: pass\n")
}

fn error_lines(loaded: &Loaded) -> Vec<String> {
    loaded.errors.iter().map(ToString::to_string).collect()
}
