//! What no bytes may do: hang, stop the process, hide a document or a value.

use sealock::policy::document::DocumentErrorKind::Unreadable;

use super::*;

/// Reads within a time that no honest document needs, and expects exactly one error with these words.
fn refused_quickly(what: &str, bytes: &[u8], words: &str) {
    let started = std::time::Instant::now();
    let loaded = read(bytes);
    let took = started.elapsed();
    assert!(loaded.policies.is_empty(), "{what}");
    let first = loaded.errors.first().unwrap_or_else(|| panic!("{what}: no error")).to_string();
    assert!(first.contains(words), "{what}: {first}");
    assert!(first.len() < 1000, "{what}: {} bytes", first.len());
    assert!(took.as_secs() < 10, "{what} took {took:?}");
    println!("{what:?}: {took:?}, {} errors", loaded.errors.len());
}

#[test]
fn floods_and_broken_bytes_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.extend([format!("a{i}: &a{i} [{aliases}]\n")]);
    }
    refused_quickly("alias bomb", bomb.as_bytes(), "nodes, aliases expanded");
    let mut text = format!("a: &a \"{}\"\nb: [", "x".repeat(100_000));
    text.push_str(&vec!["*a"; 100].join(", "));
    text.push(']');
    refused_quickly("text bomb", text.as_bytes(), "bytes of text, aliases expanded");
    let mut merges = "a: &a {".to_owned();
    merges.push_str(&(0..1000).map(|i| format!("k{i}: v")).collect::<Vec<_>>().join(", "));
    merges.push_str("}\nb: {<<: [");
    merges.push_str(&vec!["*a"; 1000].join(", "));
    merges.push_str("]}\n");
    refused_quickly("merge flood", merges.as_bytes(), "nodes, aliases expanded");
    refused_quickly("alias in its anchor", b"a: &a [*a]\n", "inside its own anchor");
    refused_quickly("alias chain", chain(80).as_bytes(), "collections inside each other");
    let deep = "more than 64 collections inside each other";
    refused_quickly("brackets", "[".repeat(200_000).as_bytes(), deep);
    refused_quickly("braces", "{a: ".repeat(200_000).as_bytes(), deep);
    refused_quickly("dashes", "- ".repeat(200_000).as_bytes(), deep);
    refused_quickly("question marks", "? ".repeat(200_000).as_bytes(), deep);
    let stairs = joined(1000, |i| format!("{}a:\n", " ".repeat(i)));
    refused_quickly("stairs", stairs.as_bytes(), deep);
    refused_quickly("many nodes", "- a\n".repeat(200_000).as_bytes(), "more than 50000 nodes");
    refused_quickly("many keys", joined(60_000, |i| format!("k{i}: v\n")).as_bytes(), "nodes");
    refused_quickly("many documents", "---\na\n".repeat(200_000).as_bytes(), "cannot unmarshal string");
    refused_quickly("many broken documents", "---\n]\n".repeat(200_000).as_bytes(), "yaml: ");
    refused_quickly(
        "a scalar of 10 MB",
        format!("a: {}\n", "x".repeat(10 << 20)).as_bytes(),
        "more than 4194304",
    );
    refused_quickly(
        "a scalar of 3 MB",
        format!("a: {}\n", "x".repeat(3 << 20)).as_bytes(),
        "more than 1048576 bytes",
    );
    refused_quickly(
        "a quoted scalar of 3 MB",
        format!("a: \"{}\"\n", "x\n ".repeat(1 << 20)).as_bytes(),
        "more than 1048576 bytes",
    );
    refused_quickly("a key of 1 MB", format!("{}: a\n", "x".repeat(1 << 20)).as_bytes(), "");
    refused_quickly(
        "a long glob",
        passing("p").replace("**", &"a".repeat(500_000)).as_bytes(),
        "spec.images[0].glob",
    );
    refused_quickly("anchors", joined(40_000, |i| format!("- &a{i} x\n")).as_bytes(), "array");
    refused_quickly("duplicate keys", b"a: 1\nb: 2\na: 3\n", "p.yaml:3:1: key \"a\" is given twice");
    refused_quickly("NUL", b"a: b\0\n", "p.yaml:1:5: yaml: control characters are not allowed (U+0000)");
    refused_quickly("escape", b"a: \x1b[2J\n", "U+001B");
    refused_quickly("NEL", "a: b # c\u{85}d: e\n".as_bytes(), "p.yaml:1:9: U+0085 is a line break to some");
    refused_quickly("LS", "# c\u{2028}d: e\n".as_bytes(), "p.yaml:1:4: U+2028 is a line break to some");
    refused_quickly(
        "BOM",
        "# x\n\u{feff}d: e\n".as_bytes(),
        "p.yaml:2:1: U+FEFF is a byte order mark to some",
    );
    refused_quickly("anchor name", b"a: &b: c\n", "anchor \"b:\" holds more than letters");
    refused_quickly("Latin-1", b"a: caf\xe9\n", "p.yaml:1:7: yaml: invalid trailing UTF-8 octet");
    refused_quickly("cut UTF-8", b"a: \xe2\x82", "incomplete UTF-8");
    refused_quickly("UTF-16", b"\xff\xfea\0", "p.yaml:1:1: yaml: invalid leading UTF-8 octet");
    refused_quickly("directive", b"%YAML 1.1\n---\na: b\n", "directives");
    refused_quickly("tag directive", b"%TAG !! tag:x,2000:\n---\na: b\n", "directives");
    for tab in [
        "\ta: b\n",
        " a: b\n\tc: d\n",
        "a:\n\tb: c\n",
        "a:\n\tb\n",
        "a:\n\t- b\n",
        "a:\n - b\n\t- c\n",
        "-\ta: b\n\tc: d\n",
    ] {
        refused_quickly(tab, tab.as_bytes(), "");
        let error = read(tab).errors[0].clone();
        assert_eq!(error.kind, Unreadable, "{tab:?}: {error}");
    }
    for flow in ["m: {a:}", "m: {a:, b: c}", "m: {a :}", "m: {?a: b}", "m: {:a b}", "m: [?a]"] {
        refused_quickly(flow, flow.as_bytes(), "between brackets is read differently");
    }
    refused_quickly("custom tag", b"a: !x b\n", "tag \"!x\" is not supported");
    refused_quickly("number as a key", b"1: b\n", "quote it");
    refused_quickly("boolean as a key", b"y: b\n", "key \"y\" without quotes is a bool");
    refused_quickly(
        "terminal escape in an error",
        passing("p").replace("**", "\\u001b[2J").replace('\'', "\"").as_bytes(),
        "\\u{1b}[2J",
    );
}

fn joined(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().concat()
}

/// Aliases that nest: each anchor holds the one before.
fn chain(length: usize) -> String {
    let mut text = "a0: &a0 [x]\n".to_owned();
    text.extend((1..length).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)));
    text
}

#[test]
fn a_file_name_cannot_break_the_line() {
    let loaded = load(&[input("d/\n\u{1b}[2J\u{202e}.yaml", b"a: [", true)]);
    let line = loaded.errors[0].to_string();
    assert!(line.starts_with("d/\\n\\u{1b}[2J\\u{202e}.yaml:1:"), "{line}");
}

/// xorshift64*: enough for mutations that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % limit
    }
}

#[test]
fn no_mutation_of_a_document_stops_the_reader() {
    let mut seeds = vec![passing("a"), format!("{}--- # x\n{}", passing("a"), passing("b")), chain(5)];
    if let Some(corpus) = corpus() {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join("policies/documents"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        seeds.extend(files.iter().map(|path| std::fs::read_to_string(path).unwrap()));
    }
    let pieces: [&[u8]; 24] = [
        b"\n",
        b"\r",
        b"---\n",
        b"...\n",
        b"- ",
        b": ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"*a",
        b"&a ",
        b"<<: *a\n",
        b"!!str ",
        b"|\n",
        b">-\n",
        b"'",
        b"\"",
        b"\\",
        b"#",
        b"\t",
        b"%YAML 1.2\n",
        b"? ",
        b"\xef\xbb\xbf",
    ];
    let mut random = Random(0x5ea1_0c4b);
    let mut policies = 0;
    for seed in &seeds {
        for _ in 0..40 {
            let mut bytes = seed.clone().into_bytes();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() + 1);
                match random.below(5) {
                    0 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                    1 => {
                        let end = (at + random.below(60)).min(bytes.len());
                        bytes.drain(at..end);
                    }
                    2 => {
                        let end = (at + random.below(200)).min(bytes.len());
                        let part = bytes[at..end].to_vec();
                        let to = random.below(bytes.len() + 1);
                        bytes.splice(to..to, part);
                    }
                    3 => bytes.truncate(at),
                    _ => {
                        let piece = pieces[random.below(pieces.len())];
                        bytes.splice(at..at, piece.iter().copied());
                    }
                }
            }
            let loaded = read(&bytes);
            policies += loaded.policies.len();
            let all =
                loaded.errors.iter().map(|e| &e.position).chain(loaded.broken.iter().map(|b| &b.position));
            for position in all {
                assert!(position.line > 0 && position.column > 0);
            }
            for error in &loaded.errors {
                let line = error.to_string();
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            assert_eq!(loaded.errors.is_empty(), loaded.broken.is_empty());
        }
    }
    assert!(policies > 0, "some mutations leave a policy");
}
