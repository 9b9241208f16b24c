//! Documents of a stream, their kinds, and places in them.

use sealock::policy::AuthorityKind;
use sealock::policy::document::DocumentErrorKind::Unreadable;
use sealock::policy::document::upstream_text;

use super::*;

#[test]
fn every_document_of_a_stream_is_read_whatever_separates_them() {
    for separator in [
        "---\n",
        "--- \n",
        "--- # x\n",
        "---\t\n",
        "...\n---\n",
        "...\n",
        "...\n# x\n---\n",
        "---\n# x\n---\n",
        "--- !!map\n",
    ] {
        let stream = format!("{}{separator}{}", passing("a"), passing("b"));
        for stream in [stream.clone(), stream.replace('\n', "\r\n"), stream.replace('\n', "\r")] {
            let loaded = read(&stream);
            let names: Vec<_> = loaded.policies.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names, ["a", "b"], "{separator:?}: {}", shown(&loaded));
        }
    }
    let bom = format!("\u{feff}{}", passing("a"));
    assert_eq!(read(bom).policies.len(), 1);
    let twice = format!("{}---\n{}", passing("a"), passing("a"));
    assert_eq!(read(twice).policies.len(), 2, "policies of one name all apply");
    for nothing in ["", "\n", "# x\n", "---\n", "---\n---\n...\n", "null\n", "~\n", " \t\n", "--- # x\n"] {
        let loaded = read(nothing);
        assert_eq!((loaded.policies.len(), loaded.errors.len()), (0, 0), "{nothing:?}: {}", shown(&loaded));
    }
}

#[test]
fn json_is_yaml() {
    let json = r#"{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"p"},
	"spec":{"images":[{"glob":"**"}],"authorities":[{"static":{"action":"fail","message":"a\/b \ud83d\ude00"}}]}}"#;
    let loaded = read(json);
    assert_eq!(error_lines(&loaded), Vec::<String>::new());
    let AuthorityKind::Static { message, .. } = &loaded.policies[0].authorities[0].kind else { panic!() };
    assert_eq!(message, "a/b 😀");
    for broken in
        [json.replace("\\ude00", ""), json.replace("}]}}", "}]}"), json.replace("\"kind\"", "\"apiVersion\"")]
    {
        let loaded = read(&broken);
        assert!(has(&loaded, Unreadable) && loaded.policies.is_empty(), "{broken}");
    }
}

#[test]
fn a_broken_document_leaves_the_others() {
    for broken in [
        "a: [1, 2\n",
        "a: \"x\n",
        "a: b: c\n",
        "a: *nothing\n",
        "a: !x y\n",
        "a: b\na: c\n",
        "%YAML 1.1\n",
        "\tb: c\n",
        "5\n",
    ] {
        let stream = format!("{}---\n{broken}---\n{}", passing("a"), passing("b"));
        let loaded = read(&stream);
        let names: Vec<_> = loaded.policies.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "b"], "{broken:?}: {}", shown(&loaded));
        assert_eq!((loaded.errors.len(), loaded.broken.len()), (1, 1), "{broken:?}: {}", shown(&loaded));
        assert!(loaded.broken[0].images.is_none());
        assert!((10..=13).contains(&loaded.errors[0].position.line), "{broken:?}: {}", shown(&loaded));
    }
}

#[test]
fn merge_keys_take_over_entries_unless_one_would_be_given_twice() {
    let with =
        |body: &str| read(document("p", &format!("  images:\n  - glob: '**'\n  authorities:\n{body}")));
    let loaded = with(
        "  - static: &s {action: fail, message: m}\n  - static: {<<: *s}\n  - static: {<<: [{action: pass}, {message: x}]}\n",
    );
    assert_eq!(error_lines(&loaded), Vec::<String>::new());
    let AuthorityKind::Static { pass: false, message } = &loaded.policies[0].authorities[1].kind else {
        panic!()
    };
    assert_eq!(message, "m");
    for (body, text) in [
        ("  - static: &s {action: fail}\n  - static: {<<: *s, action: pass}\n", "\"action\" is given twice"),
        ("  - static: &s {action: fail}\n  - static: {action: pass, <<: *s}\n", "\"action\" is given twice"),
        ("  - static: &s {action: fail}\n  - static: {<<: [*s, *s]}\n", "\"action\" is given twice"),
        ("  - static: {<<: x}\n", "map merge requires map"),
        ("  - static: {<<: [x]}\n", "map merge requires map"),
        ("  - static: {'<<': {action: pass}}\n", "unknown field \"<<\""),
        ("  - static: {\"\\0<<\": {action: pass}}\n", "unknown field"),
    ] {
        let loaded = with(body);
        assert!(loaded.policies.is_empty() && shown(&loaded).contains(text), "{body}: {}", shown(&loaded));
    }
}

#[test]
fn kinds_are_refused_by_name_or_kept_and_no_policy_vanishes() {
    let doc = |api: &str, kind: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: x\nspec:\n  a: 1\n")
    };
    let at = |from_directory, text: &str| load(&[input("d/p.yaml", text.as_bytes(), from_directory)]);
    for (api, kind, directories) in [("v1", "Secret", &[false, true][..]), ("v1", "ConfigMap", &[true])] {
        for &from_directory in directories {
            let loaded = at(from_directory, &doc(api, kind));
            assert_eq!((loaded.others.len(), loaded.errors.len(), loaded.notes.len()), (1, 0, 1), "{kind}");
            assert_eq!((loaded.others[0].kind.as_str(), loaded.others[0].name.as_str()), (kind, "x"));
            assert_eq!(loaded.others[0].position.to_string(), "d/p.yaml:1:1");
        }
    }
    for (api, kind) in [
        ("policy.sigstore.dev/v1beta1", "ClusterImagePolcy"),
        ("policy.sigstore.dev/v1beta1", "clusterimagepolicy"),
        ("policy.sigstore.dev/v1beta1", "TrustRoot"),
        ("policy.sigstore.dev/v1", "ClusterImagePolicy"),
        ("policy.sigstore.dev", "ClusterImagePolicy"),
        ("Policy.Sigstore.dev/v1beta1", "ClusterImagePolicy"),
        ("cosigned.sigstore.dev/v1alpha1", "ClusterImagePolicy"),
        ("policy.sigstor.dev/v1beta1", "ClusterImagePolicy"),
        ("policy.sigstore.dev/v1beta1", "ClusterImagePolicyList"),
        ("v1", "List"),
    ] {
        for from_directory in [false, true] {
            let loaded = at(from_directory, &doc(api, kind));
            let [error] = loaded.errors.as_slice() else { panic!("{api} {kind}: {}", shown(&loaded)) };
            assert!(error.to_string().starts_with("d/p.yaml:2:7: unknown type: "), "{error}");
            assert!(error.message.ends_with(&format!(", Kind={kind}")), "{error}");
        }
    }
    let pod = doc("v1", "Pod");
    assert_eq!(at(false, &pod).errors[0].message, "unknown type: /v1, Kind=Pod");
    let loaded = at(true, &pod);
    assert_eq!((loaded.errors.len(), loaded.others.len(), loaded.notes.len()), (0, 1, 1));
    for (missing, path) in [("apiVersion", "apiVersion"), ("kind", "kind"), ("  name", "metadata.name")] {
        let text = passing("p").replace(&format!("{missing}:"), &format!("{missing}x:"));
        for from_directory in [false, true] {
            let loaded = at(from_directory, &text);
            assert_eq!(upstream_text(&loaded.errors), format!("missing field(s): [0].{path}"));
            assert!(loaded.policies.is_empty());
        }
    }
}

#[test]
fn columns_count_characters_and_lines_end_as_yaml_says() {
    let spec = "  images:\n  - {glob: 'ü', glob2: x}\n  authorities: []\n";
    for separator in ["\n", "\r\n", "\r"] {
        let loaded = read(document("p", spec).replace('\n', separator));
        let lines = error_lines(&loaded);
        assert!(lines.iter().any(|l| l.starts_with("p.yaml:7:17: spec.images[0].glob2: ")), "{lines:#?}");
        assert!(lines.iter().any(|l| l.starts_with("p.yaml:7:12: spec.images[0].glob: ")), "{lines:#?}");
    }
}
