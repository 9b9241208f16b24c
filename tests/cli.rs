//! The command line as its users meet it: exit status, output, and what happens to a wrong question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const SIGNED: &str = "registry.example.com/demo/app:1.0";
const UNSIGNED: &str = "registry.example.com/demo/unsigned:1.0";

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart").join(name).display().to_string()
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn sealock(home: &Path, args: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(args)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().expect("an exit status"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A home with a store that holds the example.
fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("sealock-store");
    assert_eq!(sealock(home.path(), &["store", "init", "--store", store.to_str().unwrap()]).code, 0);
    let imported = sealock(home.path(), &["import", &example("layout")]);
    assert_eq!(imported.code, 0, "{}", imported.err);
    (home, store)
}

fn verify<'a>(more: &[&'a str], policy: &'a str, root: &'a str) -> Vec<&'a str> {
    [&["verify", "--policy", policy, "--trust-root", root][..], more].concat()
}

#[test]
fn exit_status_says_what_it_came_to() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let other = home.path().join("other.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&other, text.replace("refs/heads/main", "refs/heads/other")).unwrap();
    let other = other.to_str().unwrap();
    let missing = "registry.example.com/demo/missing:1.0";
    for (code, policy, images) in [
        (0, policy.as_str(), vec![SIGNED]),
        (1, other, vec![SIGNED]),
        (3, &policy, vec![UNSIGNED]),
        (3, &policy, vec![missing]),
        (3, &policy, vec![SIGNED, UNSIGNED]),
        (3, other, vec![UNSIGNED, SIGNED]),
        (1, &policy, vec!["elsewhere.example.com/app:1.0"]),
        (2, &policy, vec!["Not An Image"]),
        (2, "no-such-policy.yaml", vec![SIGNED]),
    ] {
        let answer = sealock(home.path(), &verify(&images, policy, &root));
        assert_eq!(answer.code, code, "{images:?} under {policy}: {}{}", answer.out, answer.err);
    }
}

#[test]
fn without_a_policy_everything_is_denied() {
    let (home, _) = home();
    std::fs::create_dir(home.path().join("none")).unwrap();
    for args in [vec!["verify", SIGNED], vec!["verify", "--policy", "none", SIGNED]] {
        let answer = sealock(home.path(), &args);
        assert_eq!(answer.code, 1);
        assert!(answer.out.contains("no matching policies"), "{}", answer.out);
    }
}

#[test]
fn json_is_one_document_also_when_denied() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let answer = sealock(home.path(), &verify(&["-o", "json", SIGNED, UNSIGNED], &policy, &root));
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["schema"], "sealock.dev/decision/v1");
    let decisions = document["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 2);
    assert_eq!((&decisions[0]["image"], &decisions[0]["verdict"]), (&SIGNED.into(), &"allow".into()));
    let evidence = &decisions[0]["policies"][0]["authorities"][0]["evidence"][0];
    assert_eq!((&evidence["kind"], &evidence["verdict"]), (&"classic-signature".into(), &"passed".into()));
    let checks = evidence["checks"].as_array().unwrap();
    assert!(checks.iter().all(|c| c["result"] == "passed" || c["result"] == "not-required"), "{checks:?}");
    assert!(checks.iter().any(|c| c["check"] == "certificate-chain" && c["result"] == "passed"));
    assert_eq!(decisions[1]["verdict"], "undecided");
    let finding = &decisions[1]["policies"][0]["authorities"][0]["findings"][0];
    assert_eq!(finding["code"], "evidence/not-mirrored");
    assert!(finding["remedy"].as_str().unwrap().contains("sealock-mirror pull"));
    assert!(document["evaluatedAt"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_hypothetical_moment_is_marked() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let at = ["--at", "2031-01-02T03:04:05Z", "-o", "json", SIGNED];
    let answer = sealock(home.path(), &verify(&at, &policy, &root));
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        (&document["hypothetical"], &document["evaluatedAt"]),
        (&true.into(), &"2031-01-02T03:04:05Z".into())
    );
    // The signature is judged at its proven time, whatever the clock says.
    assert_eq!(answer.code, 0);
}

#[test]
fn a_verdict_that_could_not_be_written_is_no_success() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(verify(&["-o", "json", SIGNED], &policy, &root))
        .current_dir(home.path())
        .env("HOME", home.path())
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn errors_of_documents_carry_place_code_and_next_step() {
    let home = tempfile::tempdir().unwrap();
    let head = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\nspec:\n  images: [{glob: \"**\"}]\n";
    let write = |name: &str, text: &str| {
        std::fs::write(home.path().join(name), text).unwrap();
        name.to_owned()
    };
    let cases = [
        (write("invalid.yaml", &format!("{head}  mode: maybe\n")), "policy/invalid", "invalid.yaml:6:"),
        (
            write(
                "unsupported.yaml",
                &format!(
                    "{head}  authorities: [{{key: {{kms: \"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k\"}}}}]\n"
                ),
            ),
            "policy/unsupported",
            "unsupported.yaml:6:",
        ),
        (write("unreadable.yaml", &format!("{head}  mode: [\n")), "policy/unreadable", "unreadable.yaml:"),
    ];
    for (file, code, place) in cases {
        let answer = sealock(home.path(), &["verify", "--policy", &file, SIGNED]);
        assert_eq!(answer.code, 2);
        for part in [code, place, "next: "] {
            assert!(answer.err.contains(part), "{part} in {}", answer.err);
        }
        assert!(answer.out.is_empty(), "{}", answer.out);
    }
    std::fs::create_dir(home.path().join("d")).unwrap();
    write("d/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n");
    let answer = sealock(home.path(), &["verify", "--policy", "d", "--store", "nowhere", SIGNED]);
    assert!(answer.err.contains("policy/unused"), "{}", answer.err);
    // The same content under two names is a slip.
    let text = std::fs::read_to_string(example("policy.yaml")).unwrap();
    let (a, b) = (write("a.yaml", &text), write("b.yaml", &text));
    let answer = sealock(home.path(), &["verify", "--policy", &a, "--policy", &b, SIGNED]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("given twice"), "{}", answer.err);
}

#[test]
fn layouts_and_archives_are_judged_where_they_lie() {
    let home = tempfile::tempdir().unwrap();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let image = format!("oci:{}:{SIGNED}", example("layout"));
    let answer = sealock(home.path(), &verify(&[&image], &policy, &root));
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let tar = home.path().join("layout.tar");
    let packed = Command::new("tar")
        .args([
            "-C",
            &example("layout"),
            "--format=ustar",
            "-cf",
            tar.to_str().unwrap(),
            "oci-layout",
            "index.json",
            "blobs",
        ])
        .status()
        .unwrap();
    assert!(packed.success());
    let image = format!("oci-archive:{}:{SIGNED}", tar.display());
    let answer = sealock(home.path(), &verify(&[&image], &policy, &root));
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let said = format!("note store/claimed-name: judged as {SIGNED};");
    assert!(answer.out.contains(&said), "{}", answer.out);
    let answer = sealock(home.path(), &verify(&["oci:nowhere:x"], &policy, &root));
    assert_eq!(answer.code, 2, "{}", answer.err);
}

#[test]
fn inspect_and_tree_judge_nothing() {
    let (home, _) = home();
    let answer = sealock(home.path(), &["inspect", SIGNED]);
    assert_eq!(answer.code, 0);
    assert!(answer.out.lines().all(|line| line.starts_with("unverified  ")), "{}", answer.out);
    assert!(answer.out.contains("https://github.com/example/app/"));
    assert!(answer.out.contains("signer.extensions.githubWorkflowRepository: example/app"), "{}", answer.out);
    let digest = answer.out.lines().find_map(|l| l.strip_prefix("unverified  digest: ")).unwrap().to_owned();
    let by_digest = sealock(home.path(), &["inspect", "-o", "json", &digest]);
    let document: Value = serde_json::from_str(&by_digest.out).unwrap();
    assert_eq!((&document["verified"], document["evidence"].as_array().unwrap().len()), (&false.into(), 1));
    for image in [SIGNED, digest.as_str()] {
        let answer = sealock(home.path(), &["tree", image]);
        assert_eq!(answer.code, 0);
        assert!(
            answer.out.contains("signature tag sha256:") && answer.out.contains("layer sha256:"),
            "{}",
            answer.out
        );
    }
    let answer = sealock(home.path(), &["inspect", UNSIGNED]);
    assert!(answer.code == 0 && answer.err.contains("no proof that none exists"), "{}", answer.err);
}

#[test]
fn verbose_shows_every_check_and_quiet_nothing() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let answer = sealock(home.path(), &verify(&["-v", SIGNED], &policy, &root));
    for check in sealock::verify::CHECKS {
        assert!(answer.out.contains(&format!("{check}: ")), "{check} in {}", answer.out);
    }
    assert!(!answer.out.contains('\u{1b}'), "no colours where there is no terminal");
    let answer = sealock(home.path(), &verify(&["--quiet", SIGNED], &policy, &root));
    assert_eq!((answer.code, answer.out.as_str()), (0, ""));
}

#[test]
fn the_environment_loosens_nothing() {
    let (home, store) = home();
    let root = example("trusted_root.json");
    let output = Command::new(env!("CARGO_BIN_EXE_sealock"))
        .args(["verify", SIGNED])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("SEALOCK_STORE", &store)
        .env("SEALOCK_POLICY", example("policy.yaml"))
        .env("SEALOCK_TRUST_ROOT", &root)
        .env("SIGSTORE_ROOT_FILE", &root)
        .env("SIGSTORE_REKOR_PUBLIC_KEY", &root)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "policy and trust come from flags alone");
}

/// Whoever makes a layout must not choose which policies apply, and an index must not be drawn a thousand times over.
#[test]
fn a_layout_chooses_no_policy_and_bombs_nothing() {
    use sealock_testkit::json::{Json, object};
    use sealock_testkit::layout::{INDEX, Image, Layout, MANIFEST, descriptor};
    let home = tempfile::tempdir().unwrap();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let (ours, free) =
        (Image::new("registry.example.com/demo/app", "1"), Image::new("free.example.com/app", "1"));
    assert_eq!(ours.digest(), free.digest());
    let two = home.path().join("two");
    Layout::new()
        .image("free.example.com/app:1", &free)
        .image("registry.example.com/demo/app:1", &ours)
        .write(&two);
    for reference in ["oci:two".to_owned(), format!("oci:two:{}", ours.digest())] {
        let answer = sealock(home.path(), &verify(&[&reference], &policy, &root));
        assert_eq!(answer.code, 2, "{}{}", answer.out, answer.err);
        assert!(answer.err.contains("give the full name"), "{}", answer.err);
    }
    let answer = sealock(home.path(), &verify(&["oci:two:registry.example.com/demo/app:1"], &policy, &root));
    assert!(answer.out.starts_with("UNDECIDED"), "{}{}", answer.out, answer.err);
    let (mut layout, mut below, mut bytes) = (
        Layout::new().image("registry.example.com/demo/app:1", &ours),
        descriptor(MANIFEST, b"x"),
        Vec::new(),
    );
    for _ in 0..4 {
        let children = Json::Array(vec![below; 1000]);
        bytes =
            object([("schemaVersion", 2_i64.into()), ("mediaType", INDEX.into()), ("manifests", children)])
                .compact()
                .into_bytes();
        below = descriptor(INDEX, &bytes);
        layout = layout.blob(&bytes);
    }
    layout.manifest("registry.example.com/demo/bomb:1", INDEX, &bytes).write(home.path().join("bomb"));
    let answer = sealock(home.path(), &["tree", "oci:bomb:registry.example.com/demo/bomb:1"]);
    assert!(answer.out.lines().count() < 5000, "{}", answer.out.lines().count());
}

#[test]
fn a_pipe_does_not_hang_and_an_error_sends_nothing_to_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let made = Command::new("mkfifo").arg(home.path().join("p.yaml")).status().unwrap();
    assert!(made.success());
    let answer = sealock(home.path(), &["verify", "--policy", "p.yaml", SIGNED]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("not a plain file"), "{}", answer.err);
    let layout = home.path().join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    let entry = |kind: &str| {
        let digest = "sha256:92feb11634a0218533f7a4096b6b049a9ff02479c62de0e4a7a63fbea8dafed1";
        format!("{{\"mediaType\":\"{kind}\",\"digest\":\"{digest}\",\"size\":1}}")
    };
    let (one, two) = (entry("a\\u001b[2J\\nALLOW everything"), entry("b"));
    std::fs::write(layout.join("index.json"), format!("{{\"schemaVersion\":2,\"manifests\":[{one},{two}]}}"))
        .unwrap();
    let answer = sealock(home.path(), &["tree", "oci:layout"]);
    assert!(answer.err.contains("ALLOW everything"), "{}", answer.err);
    assert!(answer.err.lines().all(|line| !line.starts_with("ALLOW")), "{}", answer.err);
}

/// Witnesses never weaken a verdict; a file that cannot mean what it says is wrong use, not "no witness".
#[test]
fn a_file_of_witnesses_is_read_or_refused() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    let file = home.path().join("witnesses");
    let path = file.to_str().unwrap();
    for (text, code) in [
        (None, 2),
        (Some(""), 2),
        (Some("quorum 2\nw.example+3ad6f2cd+BEXxt2Nfxd4Dpn8PkDcVvLAZYUgB4ZzSeVKm3bPzbWqA"), 2),
        (Some("w.example+00000000+BEXxt2Nfxd4Dpn8PkDcVvLAZYUgB4ZzSeVKm3bPzbWqA"), 2),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let answer = sealock(home.path(), &verify(&["--witness", path, SIGNED], &policy, &root));
        assert_eq!(answer.code, code, "{text:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains("witness"), "{}", answer.err);
    }
}

/// One wrong name among several leaves the others their answers, and outweighs them in the exit status.
#[test]
fn one_wrong_name_leaves_the_others_their_answers() {
    let (home, _) = home();
    let (policy, root) = (example("policy.yaml"), example("trusted_root.json"));
    for images in
        [[SIGNED, "not a name", UNSIGNED], ["not a name", SIGNED, UNSIGNED], [SIGNED, UNSIGNED, "not a name"]]
    {
        let answer = sealock(home.path(), &verify(&[&["-o", "json"][..], &images].concat(), &policy, &root));
        assert_eq!(answer.code, 2, "{}", answer.err);
        assert!(answer.err.contains("not a name"), "{}", answer.err);
        let document: Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(document["decisions"].as_array().unwrap().len(), 2);
        assert_eq!(document["decisions"][0]["verdict"], "allow");
        assert_eq!(document["failures"][0]["image"], "not a name");
    }
    // All of them wrong, and one alone: no answer that reads like one.
    let answer = sealock(home.path(), &verify(&["not a name", "nor this"], &policy, &root));
    assert_eq!(answer.code, 2, "{}{}", answer.out, answer.err);
    let answer = sealock(home.path(), &verify(&["not a name"], &policy, &root));
    assert!(answer.code == 2 && answer.out.is_empty(), "{}{}", answer.out, answer.err);
}
