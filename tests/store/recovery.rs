//! Writers that died or wait, readers beside them, catalogues and indexes that are lost.

use super::*;

#[test]
fn the_writer_clears_up_after_a_dead_one() {
    let (layout, _) = everything();
    let shop = Shop::new();
    std::fs::write(shop.root().join("ingest/sha256-00.part"), "half").unwrap();
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean);
    assert_eq!(check.findings[0].finding.code, "store/leftover");
    shop.import(&layout);
    assert!(std::fs::read_dir(shop.root().join("ingest")).unwrap().next().is_none());
    assert!(fsck(&shop.root()).unwrap().findings.is_empty());
}

#[test]
fn sound_content_without_a_row_is_a_note_and_is_taken_over() {
    let (layout, _) = everything();
    let shop = Shop::new();
    let (path, bytes) = layout.files().into_iter().find(|(path, _)| path.starts_with("blobs/")).unwrap();
    std::fs::write(shop.root().join(&path), bytes).unwrap();
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean);
    assert_eq!(check.findings[0].finding.code, "store/unlisted-blob");
    shop.import(&layout);
    assert!(fsck(&shop.root()).unwrap().findings.is_empty());
}

#[test]
fn an_index_one_import_behind_is_a_note_and_is_written_again() {
    let (layout, index) = everything();
    let shop = Shop::new();
    let path = shop.root().join("index.json");
    let old = std::fs::read(&path).unwrap();
    shop.import(&layout);
    let new = std::fs::read(&path).unwrap();
    // Killed between the catalogue's commit and the rename.
    std::fs::write(&path, &old).unwrap();
    let database = rusqlite::Connection::open(shop.root().join("catalog.sqlite")).unwrap();
    let before = Digest::sha256(&old).to_string();
    database.execute("INSERT INTO state VALUES ('index-before', ?1)", [before]).unwrap();
    drop(database);
    let check = fsck(&shop.root()).unwrap();
    assert!(check.clean);
    assert_eq!(check.findings.len(), 1);
    assert_eq!(check.findings[0].finding.code, "store/index-behind");
    let store = Store::open(&shop.root()).unwrap();
    assert_eq!(store.resolve(REPOSITORY, "1.0").unwrap().digest.to_string(), index.digest());
    drop(store);
    // Another content in its place is not what an interrupted import leaves.
    std::fs::write(&path, br#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    assert!(!fsck(&shop.root()).unwrap().clean);
    std::fs::write(&path, &old).unwrap();
    drop(Writer::open(&shop.root(), "import", Duration::ZERO).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), new);
    assert!(fsck(&shop.root()).unwrap().findings.is_empty());
}

#[test]
fn a_second_writer_waits_then_says_who_writes() {
    let (layout, _) = everything();
    let shop = Shop::new();
    layout.write(shop.path("bundle"));
    let writer = Writer::open(&shop.root(), "import", Duration::ZERO).unwrap();
    let fault = Writer::open(&shop.root(), "import", Duration::from_millis(60)).unwrap_err();
    assert_eq!(fault.code().name, "store/busy");
    assert!(fault.to_string().contains(&format!("process {}", std::process::id())), "{fault}");
    // One that waits long enough gets its turn.
    let (root, bundle) = (shop.root(), shop.path("bundle"));
    let waiting = std::thread::spawn(move || {
        let mut writer = Writer::open(&root, "import", Duration::from_secs(60)).unwrap();
        Plan::prepare(&mut writer, Path::new(&bundle), &ImportOptions::default())
            .unwrap()
            .commit()
            .unwrap()
            .counts
            .names
    });
    std::thread::sleep(Duration::from_millis(50));
    drop(writer);
    assert_eq!(waiting.join().unwrap(), 3);
}

#[test]
fn readers_never_wait_and_never_see_half_an_import() {
    let shop = Shop::new();
    shop.import(&everything().0);
    let before = Store::open(&shop.root()).unwrap().list().unwrap().len();
    let images: Vec<_> = (0..40).map(|n| Image::new(REPOSITORY, &format!("image {n}"))).collect();
    let layout = images
        .iter()
        .enumerate()
        .fold(Layout::new(), |layout, (n, image)| layout.image(&format!("{REPOSITORY}:n{n}"), image));
    layout.write(shop.path("bundle"));
    let (root, bundle) = (shop.root(), shop.path("bundle"));
    let held = Writer::open(&root, "import", Duration::ZERO).unwrap();
    // A held lock does not stop a reader.
    assert_eq!(Store::open(&root).unwrap().list().unwrap().len(), before);
    drop(held);
    let writing = std::thread::spawn({
        let root = root.clone();
        move || {
            let mut writer = Writer::open(&root, "import", Duration::from_secs(10)).unwrap();
            Plan::prepare(&mut writer, Path::new(&bundle), &ImportOptions::default())
                .unwrap()
                .commit()
                .unwrap();
        }
    });
    let mut seen = BTreeSet::new();
    while !writing.is_finished() {
        let store = Store::open(&root).unwrap();
        let listed = store.list().unwrap();
        seen.insert(listed.len());
        for entry in listed {
            store.read(&entry.digest, 1 << 20).unwrap();
        }
        assert!(fsck(&root).unwrap().clean);
    }
    writing.join().unwrap();
    seen.insert(Store::open(&root).unwrap().list().unwrap().len());
    assert!(seen.is_subset(&[before, before + 40].into()), "{seen:?}");
    assert!(seen.contains(&(before + 40)));
}

#[test]
fn reindex_rebuilds_a_lost_or_broken_catalogue() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let listing = || run(&["store", "ls", "--all", "-o", "json", "--store", &shop.store()]);
    let before = listing();
    let breaks: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, [b'x'; 5000]).unwrap(),
        |path| {
            let mut bytes = std::fs::read(path).unwrap();
            for byte in bytes.iter_mut().skip(4096).take(3 * 4096) {
                *byte = 0xff;
            }
            std::fs::write(path, bytes).unwrap();
        },
    ];
    for break_it in breaks {
        break_it(&shop.root().join("catalog.sqlite"));
        // No answer is not "none".
        let answer = Store::open(&shop.root())
            .map_err(|fault| assert_eq!(fault.code().name, "store/catalogue-unreadable"))
            .and_then(|store| {
                store
                    .attachments(REPOSITORY, &index.digest().parse().unwrap())
                    .map_err(|fault| assert!(matches!(fault, SourceFault::Unreadable { .. }), "{fault}"))
            });
        assert!(answer.is_err());
        let unreadable = run(&["store", "fsck", "--store", &shop.store()]);
        assert_eq!(unreadable.status, 3, "{}", unreadable.notes);
        assert!(unreadable.notes.contains("store reindex"));
        let rebuilt = run(&["store", "reindex", "--store", &shop.store()]);
        assert_eq!(rebuilt.status, 0, "{}{}", rebuilt.data, rebuilt.notes);
        assert_eq!(listing().data, before.data);
        assert!(fsck(&shop.root()).unwrap().clean);
    }
}

#[test]
fn reindex_leaves_out_what_is_damaged() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    overwrite(&shop.blob(&index.digest()), b"{}");
    let rebuilt = run(&["store", "reindex", "--store", &shop.store()]);
    assert_eq!(rebuilt.status, 1);
    assert!(rebuilt.notes.contains("store/damaged"));
    let store = Store::open(&shop.root()).unwrap();
    assert!(store.resolve(REPOSITORY, "1.0").is_err());
    // The same content again makes it whole.
    shop.import(&layout);
    assert!(fsck(&shop.root()).unwrap().clean);
}

#[test]
fn a_lost_index_is_written_again() {
    let (layout, _) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    let path = shop.root().join("index.json");
    let before = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let check = fsck(&shop.root()).unwrap();
    assert_eq!(check.findings[0].finding.code, "store/index-differs");
    assert_eq!(run(&["store", "init", "--store", &shop.store()]).status, 0);
    assert_eq!(before, std::fs::read(&path).unwrap());
}

#[test]
fn a_store_on_a_read_only_medium() {
    let (layout, index) = everything();
    let shop = Shop::new();
    shop.import(&layout);
    for suffix in ["-wal", "-shm"] {
        assert!(!shop.root().join(format!("catalog.sqlite{suffix}")).exists(), "the last writer clears up");
    }
    let copy = shop.path("copy");
    let done = std::process::Command::new("cp").args(["-r", &shop.store(), &copy]).status().unwrap();
    assert!(done.success());
    let set = |mode: &str| std::process::Command::new("chmod").args(["-R", mode, &copy]).status().unwrap();
    assert!(set("a-w").success());
    let store = Store::open(Path::new(&copy)).unwrap();
    assert_eq!(store.resolve(REPOSITORY, "1.0").unwrap().digest.to_string(), index.digest());
    drop(store);
    assert!(set("u+w").success());
}
