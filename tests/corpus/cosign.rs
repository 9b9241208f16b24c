//! Rows of `private-sigstore/cases.jsonl` as flags of `sealock verify` and `verify-blob`, which are cosign's.

use std::path::Path;

use serde_json::Value;

/// What a row asks for, without the image or blob that it asks about.
pub fn flags(corpus: &Path, row: &Value) -> Vec<String> {
    let root = corpus.join("private-sigstore");
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let trusted = row["trusted_root"].as_str().unwrap().replace("$SEALOCK_CORPUS", corpus.to_str().unwrap());
    let mut args = vec!["--trusted-root".to_owned(), path(&trusted)];
    if let Some(key) = row["key"].as_str() {
        args.extend(["--key".to_owned(), path(key)]);
    }
    for (field, flag) in [
        ("identity", "--certificate-identity"),
        ("identity_regexp", "--certificate-identity-regexp"),
        ("issuer", "--certificate-oidc-issuer"),
        ("issuer_regexp", "--certificate-oidc-issuer-regexp"),
        ("predicate_type", "--type"),
    ] {
        if let Some(value) = row[field].as_str() {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    for (name, value) in row["github_workflow"].as_object().into_iter().flatten() {
        args.extend([format!("--certificate-github-workflow-{name}"), value.as_str().unwrap().to_owned()]);
    }
    for annotation in row["annotations"].as_array().into_iter().flatten() {
        args.extend(["-a".to_owned(), annotation.as_str().unwrap().to_owned()]);
    }
    for flag in row["flags"].as_array().unwrap() {
        match flag.as_str().unwrap() {
            "ignore-tlog" => args.push("--insecure-ignore-tlog".into()),
            "ignore-sct" => args.push("--insecure-ignore-sct".into()),
            "signed-timestamps" => args.push("--use-signed-timestamps".into()),
            "allow-chain" => args.push("--allow-certificate-chain".into()),
            _ => {}
        }
    }
    args
}
