//! The store and its archives beside skopeo and umoci, where these are installed.

use std::path::Path;
use std::process::Command;

use sealock::store::fsck;

use crate::shop::{Shop, run};
use crate::{REPOSITORY, everything};

/// Runs a tool; nothing, and a remark, where it is not installed.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(name).args(args).output() else {
        #[allow(clippy::print_stderr, reason = "a skipped test says so")]
        let () = eprintln!("skipped: {name} is not installed");
        return None;
    };
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn skopeo_reads_the_store_and_we_read_its_archives() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let from = format!("oci:{}:{REPOSITORY}:1.0", shop.store());
    let Some(raw) = tool("skopeo", &["inspect", "--raw", &from]) else { return };
    assert_eq!(raw.as_bytes(), index.manifest);
    let archive = format!("oci-archive:{}:{REPOSITORY}:1.0", shop.path("copy.tar"));
    let directory = format!("oci:{}:{REPOSITORY}:1.0", shop.path("copy"));
    for to in [&archive, &directory] {
        tool("skopeo", &["copy", "--insecure-policy", "--all", "--preserve-digests", "-q", &from, to]);
    }
    for bundle in ["copy.tar", "copy"] {
        let other = Shop::new();
        let imported = run(&["import", "--store", &other.store(), &shop.path(bundle)]);
        assert_eq!(imported.status, 0, "{bundle}: {}", imported.notes);
        assert!(imported.data.contains(&index.digest()), "{bundle}: {}", imported.data);
        assert!(fsck(&other.root()).unwrap().clean);
    }
    let docker = format!("docker-archive:{}:x.example/x:1", shop.path("docker.tar"));
    tool("skopeo", &["copy", "--insecure-policy", "-q", &from, &docker]);
    let refused = run(&["import", "--store", &shop.store(), &shop.path("docker.tar")]);
    assert_eq!(refused.status, 2, "{}", refused.notes);
    assert!(refused.notes.contains("[store/docker-save]"), "{}", refused.notes);
}

#[test]
fn umoci_lists_the_store() {
    let shop = Shop::new();
    shop.import(&everything().0);
    let Some(listed) = tool("umoci", &["ls", "--layout", &shop.store()]) else { return };
    assert!(listed.lines().any(|line| line == format!("{REPOSITORY}:1.0")), "{listed}");
    assert!(Path::new(&shop.store()).join("index.json").exists());
}
