//! The committed example is what the generator writes, and what the generator writes is sound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "reads the committed files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealock_testkit::example;

fn read(directory: &Path, below: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, below, into);
        } else {
            let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
            into.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn committed_example_equals_the_generator() {
    let committed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/quickstart"));
    let mut found = BTreeMap::new();
    read(&committed, &committed, &mut found);
    let minted = example::quickstart();
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&minted));
    for (name, bytes) in &minted {
        assert!(
            found[name] == *bytes,
            "{name} differs: run mint-example (see examples/quickstart/README.md)"
        );
    }
}
