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
