//! The reference of the command line is what the program prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "the page is read, and written where that is asked for")]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use std::path::Path;

#[test]
fn the_reference_of_the_connected_side_is_what_the_program_prints() {
    let mut text = String::from(
        "# Command line of the connected side\n\nWhat `sealock-mirror --help` and the help of each of its verbs print. This page is \
         generated:\n`SEALOCK_BLESS=1 cargo test -p sealock-mirror --test reference`.\n\nExit status: `0` done · `1` refused · `2` wrong use or \
         configuration · `3` unknown. Of several, 2 wins over 3 over 1 over 0.\nAnswers go to standard output, everything else to standard error.\n",
    );
    reference::document(Path::new(env!("CARGO_BIN_EXE_sealock-mirror")), &[], &mut text);
    assert!(text.contains("## `sealock-mirror seal sign`"), "verbs below verbs are found");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cli-mirror.md");
    reference::agrees(&page, &text);
}
