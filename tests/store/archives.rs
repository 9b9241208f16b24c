//! `tar_corpus`: archives that break one rule each, and the code that each is refused with.

use sealock::store::{LayoutArchive, Source};
use sealock_testkit::layout::Layout;
use sealock_testkit::tar::{self, Member};
use sealock_testkit::{Image, sha256_hex};

use crate::everything;
use crate::shop::{Shop, bytes_below, run};

/// Imports `bytes` into an empty store; it must be refused with `code`, and nothing may be left behind.
fn refused(what: &str, bytes: &[u8], code: &str) {
    refused_as(what, bytes, code, 1);
}

fn refused_as(what: &str, bytes: &[u8], code: &str, status: i32) {
    let shop = Shop::new();
    let before = bytes_below(&shop.root());
    let run = shop.try_archive(bytes);
    assert_eq!(run.status, status, "{what}: {}{}", run.data, run.notes);
    assert!(run.notes.contains(&format!("[{code}]")), "{what}: {}", run.notes);
    assert!(run.notes.contains("next: "), "{what}: {}", run.notes);
    assert_eq!(before, bytes_below(&shop.root()), "{what}");
    // The reader that leaves the archive where it lies refuses it as well.
    let opened = LayoutArchive::open(shop.path("bundle.tar").as_ref());
    if !["store/damaged"].contains(&code) {
        assert_eq!(opened.unwrap_err().code().name, code, "{what}");
    }
}

/// The members of a sound archive with `extra` at the front.
fn with(extra: &[Member]) -> Vec<u8> {
    let mut members = extra.to_vec();
    members.extend(everything().0.members());
    tar::archive(&members)
}

fn blob_member(content: &[u8]) -> Member {
    Member::file(&format!("blobs/sha256/{}", sha256_hex(content)), content)
}

#[test]
fn tar_corpus_sound() {
    let (layout, _) = everything();
    let members = layout.members();
    // Without folders, with ./ before each name, in the reverse order, with docker's files: all the same.
    let dotted = members.iter().map(|m| Member { name: [b"./", m.name.as_slice()].concat(), ..m.clone() });
    let mut docker = members.clone();
    docker.push(Member::file("manifest.json", b"[]"));
    docker.push(Member::file("repositories", b"{}"));
    let gnu = members.iter().map(|m| Member { magic: *b"ustar  \0", ..m.clone() });
    let old_kind = members.iter().map(|m| if m.kind == b'0' { m.clone().of_kind(0) } else { m.clone() });
    let comment = std::iter::once(Member::global_pax(&[("comment", "made by git")])).chain(members.clone());
    let agreeing = members.iter().flat_map(|m| {
        let name = String::from_utf8(m.name.clone()).unwrap();
        let size = m.content.len().to_string();
        [Member::pax(&[("path", &name), ("size", &size), ("mtime", "1.5")]), m.clone()]
    });
    for (what, members) in [
        ("plain", members.clone()),
        ("dotted", dotted.collect()),
        ("reverse", members.iter().rev().cloned().collect()),
        ("files only", members.iter().filter(|m| m.kind == b'0').cloned().collect()),
        ("docker", docker),
        ("gnu", gnu.collect()),
        ("old kind", old_kind.collect()),
        ("comment", comment.collect()),
        ("agreeing headers", agreeing.collect()),
    ] {
        let shop = Shop::new();
        shop.import_archive(&tar::archive(&members));
        assert!(sealock::store::fsck(&shop.root()).unwrap().clean, "{what}");
        LayoutArchive::open(shop.path("bundle.tar").as_ref()).unwrap();
    }
    // Writers fill up to a record.
    let mut padded = layout.archive();
    padded.resize(padded.len().next_multiple_of(10_240), 0);
    Shop::new().import_archive(&padded);
}

#[test]
fn tar_corpus_long_names() {
    // A sha512 name has 141 bytes: too long for a header, so PAX or GNU carries it and the header holds its start.
    let content = b"content";
    let digest = sealock::image::Digest::Sha512(sealock::crypto::sha512(content));
    let name = format!("blobs/sha512/{}", digest.hex());
    let short = Member { name: name.as_bytes()[..100].to_vec(), ..Member::file("", content) };
    for extended in [Member::pax(&[("path", &name)]), Member::gnu_long_name(&name)] {
        let shop = Shop::new();
        shop.import_archive(&with(&[extended.clone(), short.clone()]));
        let other = Member { name: b"blobs/sha512/00".to_vec(), ..short.clone() };
        refused("another start", &with(&[extended, other]), "store/tar-conflict");
    }
}

#[test]
fn tar_corpus_names() {
    let content = b"x";
    let hex = sha256_hex(content);
    for name in [
        "/oci-layout",
        "../oci-layout",
        "blobs/sha256/../../oci-layout",
        "blobs\\sha256\\x",
        "etc/passwd",
        "INDEX.JSON",
        "Blobs/sha256/x",
        "blobs/sha256/x",
        "blobs/md5/d41d8cd98f00b204e9800998ecf8427e",
        "blobs/sha256",
        "blobs//sha256/x",
        "index.json/",
        "././oci-layout",
        "",
        "sha256",
        &format!("blobs/sha256/{}", hex.to_uppercase()),
        &format!("blobs/sha256/{hex}/"),
        &format!("blobs/sha512/{hex}"),
        &format!("blobs/sha256/{hex}.tmp"),
    ] {
        refused(name, &with(&[Member::file(name, content)]), "store/tar-name");
    }
    let after_nul =
        Member { name: format!("blobs/sha256/{hex}\0evil").into_bytes(), ..Member::file("", content) };
    refused("bytes after a NUL", &with(&[after_nul]), "store/tar-name");
    let not_utf8 = Member { name: b"blobs/\xff".to_vec(), ..Member::file("", content) };
    refused("not UTF-8", &with(&[not_utf8]), "store/tar-name");
    let prefix = Member { prefix: b"..".to_vec(), ..Member::file("oci-layout", content) };
    refused("prefix", &with(&[prefix]), "store/tar-name");
    refused("directory", &with(&[Member::directory("blobs/sha256/x/")]), "store/tar-name");
    let long = format!("blobs/{}", "x".repeat(260));
    let short = Member { name: long.as_bytes()[..100].to_vec(), ..Member::file("", content) };
    refused("long", &with(&[Member::pax(&[("path", &long)]), short]), "store/limit");
}

#[test]
fn tar_corpus_kinds() {
    let name = format!("blobs/sha256/{}", sha256_hex(b"x"));
    for member in [
        Member::symlink(&name, "/etc/passwd"),
        Member::symlink("index.json", "blobs/sha256/x"),
        Member::hardlink(&name, "oci-layout"),
        Member::character_device(&name),
        Member::block_device(&name),
        Member::fifo(&name),
        Member::file(&name, b"x").of_kind(b'7'),
        Member::file(&name, b"x").of_kind(b'V'),
        Member::file("././@LongLink", b"x\0").of_kind(b'K'),
    ] {
        refused(&format!("kind {}", char::from(member.kind)), &with(&[member]), "store/tar-entry-type");
    }
    let link = Member { link: b"elsewhere".to_vec(), ..Member::file(&name, b"x") };
    refused("a file with a target", &with(&[link]), "store/tar-conflict");
    let heavy = Member { content: b"x".to_vec(), ..Member::directory("blobs/sha256/") };
    refused("a directory with content", &tar::archive(&[heavy]), "store/tar-conflict");
    for (what, member) in [
        ("linkpath", Member::pax(&[("linkpath", "/etc/passwd")])),
        ("global linkpath", Member::global_pax(&[("linkpath", "/etc/passwd")])),
    ] {
        refused(what, &with(&[member]), "store/tar-entry-type");
    }
}

#[test]
fn tar_corpus_conflicts() {
    let content = b"content";
    let honest = blob_member(content);
    let name = String::from_utf8(honest.name.clone()).unwrap();
    let other = format!("blobs/sha256/{}", sha256_hex(b"other"));
    for (what, extra) in [
        ("size", vec![Member::pax(&[("size", "0")]), honest.clone()]),
        ("larger size", vec![Member::pax(&[("size", "1024")]), honest.clone()]),
        ("size is no number", vec![Member::pax(&[("size", "7x")]), honest.clone()]),
        ("path", vec![Member::pax(&[("path", &other)]), honest.clone()]),
        ("empty path", vec![Member::pax(&[("path", "")]), honest.clone()]),
        ("path twice", vec![Member::pax(&[("path", &name), ("path", &name)]), honest.clone()]),
        ("GNU name", vec![Member::gnu_long_name(&other), honest.clone()]),
        ("PAX and GNU", vec![Member::pax(&[("path", &name)]), Member::gnu_long_name(&name), honest.clone()]),
        ("GNU and PAX", vec![Member::gnu_long_name(&name), Member::pax(&[("path", &name)]), honest.clone()]),
        ("PAX twice", vec![Member::pax(&[("mtime", "1")]), Member::pax(&[("mtime", "1")]), honest.clone()]),
        ("global size", vec![Member::global_pax(&[("size", "7")]), honest.clone()]),
        ("global path", vec![Member::global_pax(&[("path", &name)]), honest.clone()]),
    ] {
        refused(what, &with(&extra), "store/tar-conflict");
    }
    // TARmageddon: a header of size 0 whose PAX size hides a whole archive.
    let inner = tar::without_end(&[Member::file("index.json", b"{}")]);
    let hidden = Member { content: inner.clone(), ..Member::file(&name, b"") }.stating(0);
    let size = inner.len().to_string();
    refused("nested", &with(&[Member::pax(&[("size", &size)]), hidden]), "store/tar-conflict");
    let (layout, _) = everything();
    let mut members = layout.members();
    members.push(Member::pax(&[("mtime", "1")]));
    refused("nothing follows", &tar::archive(&members), "store/tar-conflict");
}

#[test]
fn tar_corpus_sparse() {
    let honest = blob_member(b"content");
    for (what, extra) in [
        ("GNU", vec![honest.clone().of_kind(b'S')]),
        ("PAX 0.0", vec![Member::pax(&[("GNU.sparse.size", "7")]), honest.clone()]),
        (
            "PAX 1.0",
            vec![Member::pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]), honest.clone()],
        ),
        ("star", vec![Member::pax(&[("SCHILY.realsize", "7")]), honest.clone()]),
    ] {
        refused(what, &with(&extra), "store/tar-sparse");
    }
}

#[test]
fn tar_corpus_duplicates() {
    let honest = blob_member(b"content");
    for (what, extra) in [
        ("a blob", vec![honest.clone(), honest.clone()]),
        (
            "two spellings",
            vec![honest.clone(), Member { name: [b"./", honest.name.as_slice()].concat(), ..honest.clone() }],
        ),
        ("index.json", vec![Member::file("index.json", b"{}")]),
        ("oci-layout", vec![Member::file("oci-layout", b"{}")]),
        ("a directory", vec![Member::directory("blobs/")]),
    ] {
        refused(what, &with(&extra), "store/tar-duplicate");
    }
}

#[test]
fn tar_corpus_headers() {
    let honest = blob_member(b"content");
    for (what, extra) in [
        ("checksum", vec![Member::file("repositories", b"x"), honest.clone().with_wrong_checksum()]),
        ("magic", vec![Member::file("repositories", b"x"), Member { magic: [0; 8], ..honest.clone() }]),
        (
            "half magic",
            vec![Member::file("repositories", b"x"), Member { magic: *b"ustar\x0001", ..honest.clone() }],
        ),
        ("PAX without length", vec![Member::file("PaxHeaders", b"path=x\n").of_kind(b'x'), honest.clone()]),
        (
            "PAX length past the end",
            vec![Member::file("PaxHeaders", b"99 path=x\n").of_kind(b'x'), honest.clone()],
        ),
        (
            "PAX length too short",
            vec![Member::file("PaxHeaders", b"3 path=x\n").of_kind(b'x'), honest.clone()],
        ),
        ("PAX charset", vec![Member::pax(&[("hdrcharset", "BINARY")]), honest.clone()]),
    ] {
        refused(what, &with(&extra), "store/tar-header");
    }
    let mut negative = honest.bytes();
    negative[124..136].copy_from_slice(&[0xff; 12]);
    fix_checksum(&mut negative);
    refused(
        "negative size",
        &[Member::file("repositories", b"x").bytes(), negative].concat(),
        "store/tar-header",
    );
    let mut letters = honest.bytes();
    letters[124..136].copy_from_slice(b"0000000000z\0");
    fix_checksum(&mut letters);
    refused(
        "size of letters",
        &[Member::file("repositories", b"x").bytes(), letters].concat(),
        "store/tar-header",
    );
    let long = Member::file("PaxHeaders", &vec![b'x'; 70_000]).of_kind(b'x');
    refused("endless PAX header", &with(&[long]), "store/limit");
}

fn fix_checksum(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn tar_corpus_ends() {
    let (layout, _) = everything();
    let members = layout.members();
    let whole = layout.archive();
    refused(
        "concatenated",
        &tar::concatenated(&members, &[Member::file("index.json", b"{}")]),
        "store/tar-trailing",
    );
    refused("trailing bytes", &[whole.as_slice(), b"more"].concat(), "store/tar-trailing");
    let one_zero_block = [tar::without_end(&members), vec![0; 512], Member::file("x", b"").bytes()].concat();
    refused("one zero block", &one_zero_block, "store/tar-trailing");
    refused("endless zeros", &[whole.as_slice(), &vec![0; 2 << 20]].concat(), "store/tar-trailing");
    refused("no end", &tar::without_end(&members), "store/tar-truncated");
    refused("half an end", &whole[..whole.len() - 512], "store/tar-truncated");
    // Cut anywhere: never a success, never a panic.
    for cut in (1..whole.len() - 1024).step_by(1777) {
        refused(&format!("cut at {cut}"), &whole[..cut], "store/tar-truncated");
    }
    let giant = blob_member(b"content").stating(1 << 50);
    refused("a petabyte", &tar::without_end(&[giant]), "store/tar-truncated");
}

#[test]
fn tar_corpus_other_kinds_of_file() {
    for (what, bytes, code) in [
        ("gzip", &b"\x1f\x8b\x08"[..], "store/compressed-archive"),
        ("zstd", b"\x28\xb5\x2f\xfd", "store/compressed-archive"),
        ("xz", b"\xfd7zXZ\0", "store/compressed-archive"),
        ("text", b"hello", "store/not-a-bundle"),
    ] {
        let mut bytes = bytes.to_vec();
        bytes.resize(2048, b'x');
        refused_as(what, &bytes, code, 2);
    }
    refused_as("no layout", &tar::archive(&[]), "store/not-a-bundle", 2);
    refused_as("no index", &tar::archive(&[Member::file("oci-layout", b"{}")]), "store/not-a-bundle", 2);
    let shop = Shop::new();
    assert_eq!(run(&["import", "--store", &shop.store(), "/dev/null"]).status, 2);
    let nothing = run(&["import", "--store", &shop.store(), &shop.path("nothing")]);
    assert_eq!(nothing.status, 3);
    assert!(nothing.notes.contains("[store/unreadable]"), "{}", nothing.notes);
}

#[test]
fn docker_save_without_a_layout() {
    let hex = sha256_hex(b"config");
    for (what, members) in [
        (
            "old docker",
            vec![Member::directory(&format!("{hex}/")), Member::file(&format!("{hex}/layer.tar"), b"x")],
        ),
        (
            "config first",
            vec![Member::file(&format!("{hex}.json"), b"{}"), Member::file("manifest.json", b"[]")],
        ),
        ("crane", vec![Member::file(&format!("sha256:{hex}"), b"{}"), Member::file("manifest.json", b"[]")]),
        ("manifest only", vec![Member::file("manifest.json", b"[]"), blob_member(b"x")]),
    ] {
        let bytes = tar::archive(&members);
        refused_as(what, &bytes, "store/docker-save", 2);
        let shop = Shop::new();
        assert!(shop.try_archive(&bytes).notes.contains("no manifest digest"), "{what}");
    }
}

#[test]
fn damaged_content_is_refused_whole() {
    let image = Image::new("registry.example.com/demo/app", "x");
    let good = Layout::new().image("registry.example.com/demo/app:1", &image);
    let other = image.blobs[1].iter().map(|b| b ^ 1).collect::<Vec<_>>();
    let digest = format!("sha256:{}", sha256_hex(&image.blobs[1]));
    let bad = good.blob_as(&digest, &other);
    refused("archive", &bad.archive(), "store/damaged");
    let shop = Shop::new();
    let before = bytes_below(&shop.root());
    let run = shop.try_import(&bad);
    assert_eq!(run.status, 1);
    assert!(run.notes.contains("[store/damaged]"), "{}", run.notes);
    assert_eq!(before, bytes_below(&shop.root()));
}

#[test]
fn tar_corpus_every_byte() {
    // One byte changed anywhere: refused, or what comes out still hashes to its name. Never a panic.
    let image = Image::new("registry.example.com/demo/app", "x");
    let bytes = Layout::new().image("registry.example.com/demo/app:1", &image).archive();
    let shop = Shop::empty();
    let path = shop.path("mutant.tar");
    let wanted: Vec<sealock::image::Digest> = [image.manifest.as_slice(), &image.blobs[0], &image.blobs[1]]
        .map(sealock::image::Digest::sha256)
        .to_vec();
    let (mut refused, mut opened) = (0, 0);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut mutant = bytes.clone();
            mutant[at] ^= flip;
            std::fs::write(&path, mutant).unwrap();
            let Ok(layout) = LayoutArchive::open(path.as_ref()) else {
                refused += 1;
                continue;
            };
            opened += 1;
            for digest in &wanted {
                if let Ok(read) = layout.read(digest, 1 << 20) {
                    assert!(digest.matches(&read), "byte {at}");
                }
                let _ = layout.attachments("registry.example.com/demo/app", digest);
            }
        }
    }
    assert!(refused > 1000 && opened > 1000, "{refused} {opened}");
}
