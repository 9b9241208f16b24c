//! Links, pipes, sockets and devices in place of files, in the store and in bundles.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::attacks::codes;

/// Plants one thing after the other in place of `path` and says what stands there.
fn plant(path: &Path, mut check: impl FnMut(&str)) {
    let fifo = |p: &Path| assert!(Command::new("mkfifo").arg(p).status().unwrap().success());
    let elsewhere = path.with_extension("elsewhere");
    let content = std::fs::read(path).unwrap();
    std::fs::write(&elsewhere, &content).unwrap();
    std::fs::remove_file(path).unwrap();
    symlink(&elsewhere, path).unwrap();
    check("a link to the very same content");
    std::fs::remove_file(path).unwrap();
    symlink("/dev/zero", path).unwrap();
    check("a link to a device");
    std::fs::remove_file(path).unwrap();
    fifo(path);
    check("a pipe");
    std::fs::remove_file(path).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(path);
    if socket.is_ok() {
        check("a socket");
        std::fs::remove_file(path).unwrap();
    }
    std::fs::create_dir(path).unwrap();
    check("a directory");
    std::fs::remove_dir(path).unwrap();
    std::fs::rename(&elsewhere, path).unwrap();
}

#[test]
fn store_special_files() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let digest: Digest = index.digest().parse().unwrap();
    let path = shop.blob(&index.digest());
    plant(&path, |what| {
        let store = Store::open(&shop.root()).unwrap();
        let read = store.read(&digest, 1 << 20);
        assert!(
            matches!(read, Err(SourceFault::Damaged { .. } | SourceFault::Unreadable { .. })),
            "{what}: {read:?}"
        );
        let check = fsck(&shop.root()).unwrap();
        assert!(!check.clean, "{what}");
        assert!(codes(&check).contains(&"store/special-file"), "{what}: {check:?}");
        assert!(check.findings.iter().any(|f| f.path.contains(&digest.hex())), "{what}");
        assert_eq!(run(&["store", "fsck", "--store", &shop.store()]).status, 1, "{what}");
    });
    assert!(fsck(&shop.root()).unwrap().clean);
    // A sparse giant costs neither memory nor time: the limit stands before the first byte.
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let store = Store::open(&shop.root()).unwrap();
    assert!(matches!(store.read(&digest, 4 << 20), Err(SourceFault::TooLarge { size: 0x100_0000_0000, .. })));
    std::fs::remove_file(&path).unwrap();
    // Special files of the store itself.
    for name in ["index.json", "oci-layout"] {
        plant(&shop.root().join(name), |what| {
            let check = fsck(&shop.root()).unwrap();
            assert!(codes(&check).contains(&"store/special-file"), "{name} {what}: {check:?}");
        });
    }
    plant(&shop.root().join("store.json"), |what| {
        assert!(Store::open(&shop.root()).is_err(), "{what}");
    });
    plant(&shop.root().join("catalog.sqlite"), |what| {
        assert!(Store::open(&shop.root()).is_err(), "{what}");
    });
}

#[test]
fn special_files_in_a_bundle() {
    let (layout, index) = everything();
    let shop = Shop::new();
    let bundle = shop.path("bundle");
    layout.write(&bundle);
    let before = bytes_below(&shop.root());
    for name in
        [format!("blobs/{}", index.digest().replace(':', "/")), "index.json".into(), "oci-layout".into()]
    {
        plant(&Path::new(&bundle).join(&name), |what| {
            let run = run(&["import", "--store", &shop.store(), &bundle]);
            assert_eq!(run.status, 1, "{name} {what}: {}", run.notes);
            assert!(run.notes.contains("[store/special-file]"), "{name} {what}: {}", run.notes);
            assert_eq!(before, bytes_below(&shop.root()), "{name} {what}");
        });
    }
}
