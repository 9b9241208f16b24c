//! Trusted roots: all genuine ones are read whole, and one broken part never poisons the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Reason: tests read their data from files and say what they skip.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod corpus;

use sealock_trust_root::document::RootFault;
use sealock_trust_root::embedded;
use sealock_trust_root::json::{Fault, ParseFault};
use sealock_trust_root::root::{KeyAlgorithm, TrustedRoot};
use serde_json::{Value, json};

fn production() -> Value {
    serde_json::from_slice(embedded::TRUSTED_ROOT).unwrap()
}

fn read(value: &Value) -> TrustedRoot {
    TrustedRoot::from_json(&serde_json::to_vec(value).unwrap()).unwrap()
}

#[test]
fn every_genuine_root_is_read_without_loss() {
    let Some(corpus) = corpus::place() else { return };
    let mut pending = vec![corpus];
    let mut count = 0;
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "policies" {
                pending.push(path);
            } else if name.starts_with("trusted_root") && path.extension().is_some_and(|e| e == "json") {
                let root = TrustedRoot::from_json(&std::fs::read(&path).unwrap())
                    .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let dropped: Vec<_> = root.findings.iter().filter(|f| !f.kept).collect();
                assert!(dropped.is_empty(), "{}: {dropped:?}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 25, "{count}");
}

#[test]
fn staging_root_has_a_bare_rsa_key() {
    let Some(corpus) = corpus::place() else { return };
    let bytes = std::fs::read(corpus.join("trust-roots/trusted_root.staging.json")).unwrap();
    let root = TrustedRoot::from_json(&bytes).unwrap();
    assert!(root.ct_logs.iter().any(|log| log.algorithm == KeyAlgorithm::Rsa));
    // For a CT log the id is the hash of the key (RFC 6962 §3.2): wrapping it must give the id that is declared.
    for log in &root.ct_logs {
        assert_eq!(log.log_id, log.key_id, "{}", log.base_url);
    }
}

#[test]
fn one_unsupported_part_does_not_poison_the_rest() {
    let whole = read(&production());
    for (pointer, bad) in [
        ("/tlogs/0/publicKey/rawBytes", json!("MCowBQYDK2VwAyEA")),
        ("/tlogs/0/publicKey/rawBytes", json!("not base64!")),
        ("/tlogs/0/publicKey/rawBytes", json!(7)),
        ("/tlogs/0/publicKey", Value::Null),
        ("/tlogs/0/publicKey/validFor/start", json!("2021-01-12 11:53:27Z")),
        ("/tlogs/0/hashAlgorithm", json!("SHA2_512")),
        ("/tlogs/0", json!("a log")),
    ] {
        let mut value = production();
        *value.pointer_mut(pointer).unwrap() = bad;
        let root = read(&value);
        assert_eq!(root.transparency_logs, whole.transparency_logs[1..], "{pointer}");
        assert_eq!(root.ct_logs, whole.ct_logs);
        assert_eq!(root.certificate_authorities, whole.certificate_authorities);
        assert_eq!(root.findings.len(), 1, "{:?}", root.findings);
        assert_eq!(root.findings[0].part, "tlogs[0]");
        assert!(!root.findings[0].kept);
    }
    for (pointer, bad) in [
        ("/certificateAuthorities/0/certChain/certificates", json!([])),
        ("/certificateAuthorities/0/certChain", Value::Null),
        ("/certificateAuthorities/0/certChain/certificates/0/rawBytes", json!("MIIB")),
    ] {
        let mut value = production();
        *value.pointer_mut(pointer).unwrap() = bad;
        let root = read(&value);
        assert_eq!(root.certificate_authorities, whole.certificate_authorities[1..], "{pointer}");
        assert_eq!(root.transparency_logs, whole.transparency_logs);
        assert_eq!(root.findings[0].part, "certificateAuthorities[0]");
    }
}

#[test]
fn an_anchor_that_is_no_ca_is_left_out() {
    // The leaf of the time stamping authority is neither a CA nor for code signing.
    let mut value = production();
    let leaf = value.pointer("/timestampAuthorities/0/certChain/certificates/0").unwrap().clone();
    value.pointer_mut("/certificateAuthorities/0/certChain").unwrap()["certificates"] = json!([leaf]);
    let root = read(&value);
    assert_eq!(root.certificate_authorities.len(), 1);
    assert!(root.findings[0].reason.contains("extended key usage"), "{:?}", root.findings);

    // And a code signing CA does not stamp times.
    let mut value = production();
    let ca = value.pointer("/certificateAuthorities/1/certChain/certificates/0").unwrap().clone();
    value.pointer_mut("/timestampAuthorities/0/certChain").unwrap()["certificates"] = json!([ca]);
    assert!(read(&value).timestamp_authorities.is_empty());
}

#[test]
fn hex_log_ids_are_normalised_and_duplicates_noted() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let whole = read(&production());
    let id = &whole.transparency_logs[0].log_id;
    assert_eq!(id.len(), 32);
    let mut value = production();
    *value.pointer_mut("/tlogs/0/logId/keyId").unwrap() = json!(STANDARD.encode(hex::encode(id)));
    assert_eq!(read(&value).transparency_logs, whole.transparency_logs);

    let mut value = production();
    let log = value.pointer("/tlogs/0").unwrap().clone();
    value["tlogs"].as_array_mut().unwrap().push(log);
    let root = read(&value);
    assert_eq!(root.transparency_logs.len(), 3);
    assert_eq!((root.findings[0].part.as_str(), root.findings[0].kept), ("tlogs[2]", true));

    let mut value = production();
    *value.pointer_mut("/tlogs/0/logId/keyId").unwrap() = json!("AAEC");
    let root = read(&value);
    assert_eq!(root.transparency_logs[0].log_id, [0, 1, 2]);
    assert!(root.findings[0].kept);
}

#[test]
fn both_spellings_are_read_but_not_together() {
    let text = std::str::from_utf8(embedded::TRUSTED_ROOT).unwrap();
    let snake = text.replace("\"publicKey\"", "\"public_key\"").replace("\"mediaType\"", "\"media_type\"");
    let root = TrustedRoot::from_json(snake.as_bytes()).unwrap();
    assert_eq!(root.transparency_logs, read(&production()).transparency_logs);
    let both = text.replacen('{', "{\"media_type\":\"x\",", 1);
    assert!(matches!(
        TrustedRoot::from_json(both.as_bytes()),
        Err(RootFault::Json(ParseFault::Scan(Fault::Duplicate { .. })))
    ));
    let trailing = format!("{text}{{}}");
    assert!(matches!(
        TrustedRoot::from_json(trailing.as_bytes()),
        Err(RootFault::Json(ParseFault::Scan(Fault::Trailing { .. })))
    ));
}

#[test]
fn media_types() {
    for (found, good) in [
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.1", true),
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.2", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.1+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.2+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.3+json", false),
        ("application/vnd.dev.sigstore.signingconfig.v0.2+json", false),
        ("", false),
    ] {
        let mut value = production();
        value["mediaType"] = json!(found);
        let answer = TrustedRoot::from_json(&serde_json::to_vec(&value).unwrap());
        assert_eq!(answer.is_ok(), good, "{found}");
    }
    assert!(matches!(TrustedRoot::from_json(b"{}"), Err(RootFault::MediaType { .. })));
    assert!(matches!(TrustedRoot::from_json(&vec![b' '; (1 << 20) + 1]), Err(RootFault::TooLarge { .. })));
}

#[test]
fn windows_include_both_ends() {
    let root = read(&production());
    let window = root.certificate_authorities[0].window;
    let (start, end) = (window.start.unwrap(), window.end.unwrap());
    assert_eq!(end.to_string(), "2022-12-31T23:59:59.999Z");
    let tick = jiff::SignedDuration::from_millis(1);
    assert!(window.contains(start) && window.contains(end));
    assert!(!window.contains(start - tick) && !window.contains(end + tick));
}
