//! Policies on arrival.

use super::*;

/// Policies of `mirror.yaml` are policies: nobody has to name them twice, and without any there is nothing to hold to.
#[test]
fn require_verifiable_takes_the_policies_of_the_file() {
    let shop = Shop::new();
    let (name, unsigned) = (shop.name(APP, "1"), shop.image("unsigned"));
    shop.registry.image("1", &unsigned);
    let root = shop.path("root.json").display().to_string();
    let none = shop.pull(&["--require-verifiable", &name]);
    assert!(none.status == 2 && none.notes.contains("needs policies"), "{}", none.notes);
    let file = format!(
        "apiVersion: sealock.dev/v1\nkind: Mirror\nimages: [{{name: \"{name}\"}}]\npolicies: [policy.yaml]\n"
    );
    std::fs::write(shop.path("mirror.yaml"), file).unwrap();
    let file = shop.path("mirror.yaml").display().to_string();
    let run = shop.pull(&["-f", &file, "--require-verifiable", "--trust-root", &root]);
    assert_eq!(
        (run.status, &run.json()["images"][0]["fate"]),
        (1, &"refused".into()),
        "{}{}",
        run.data,
        run.notes
    );
}

/// What will not fit is not begun: the sizes are known before the first layer.
#[test]
fn what_does_not_fit_is_not_fetched() {
    let shop = Shop::new();
    let config = shop.registry.blob(APP, b"{}");
    let layer = shop.registry.blob(APP, b"small in truth");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 1_u64 << 50}],
    });
    shop.registry.manifest(APP, "1", MANIFEST, manifest.to_string().as_bytes());
    let run = shop.pull(&[&shop.name(APP, "1")]);
    assert!(
        run.status == 3 && run.notes.contains("are free where the store is"),
        "{}{}",
        run.data,
        run.notes
    );
    assert!(!shop.registry.requests().iter().any(|r| r.path.contains("/blobs/")), "nothing was begun");
    assert_eq!(shop.store().list().unwrap(), []);
}
