//! Proofs that were fetched after signing: they only ever add.

use super::*;

/// A manifest of fetched log entries about the `.sig` manifest `signature`.
fn fetched_manifest(signature: &[u8], layer_type: &str, layers: &[&[u8]], nonce: usize) -> Vec<u8> {
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let digest = |bytes: &[u8]| sealock::image::Digest::sha256(bytes).to_string();
    let layers: Vec<_> = layers
        .iter()
        .map(|l| serde_json::json!({"mediaType": layer_type, "digest": digest(l), "size": l.len()}))
        .collect();
    serde_json::json!({
        "schemaVersion": 2, "mediaType": oci, "artifactType": layer_type,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": layers,
        "subject": {"mediaType": oci, "digest": digest(signature), "size": signature.len()},
        "annotations": {"nonce": nonce.to_string()},
    })
    .to_string()
    .into_bytes()
}

/// A blob of 4 MiB that is listed two hundred times as a fetched proof of somebody's signature must not use up what
/// may be read of the genuine one.
#[test]
fn fetched_proofs_take_nothing_from_evidence() {
    // What is read first depends on digests.
    for seed in 41..46 {
        let world = World::new(seed);
        let signer = world.sigstore.keyless(&Identity::example());
        let genuine = signer.image_statement(&world.image.digest());
        let junk = world.layer(&Identity::email("https://accounts.example.com", "mallory@example.com"));
        let (signature, _) = sealock_testkit::layout::evidence_manifest(std::slice::from_ref(&junk));
        // Down to the last bytes.
        let blobs = [4 * 1024 * 1024, 64 * 1024, 512].map(|size| vec![b' '; size]);
        let layers: Vec<&[u8]> =
            blobs.iter().flat_map(|blob| std::iter::repeat_n(blob.as_slice(), 200)).collect();
        let planted = fetched_manifest(&signature, sealock::evidence::fetched::ARTIFACT_TYPE, &layers, 0);
        let layout = world.layout(&[junk]).referrer(&world.image, &genuine);
        let name = Identity::example();
        let bundles = policies(&keyless("enforce", name.name.text(), "    signatureFormat: bundle\n"));
        let allowed = world.decide(&layout, &bundles);
        assert_eq!(allowed.verdict, Verdict::Allow, "{allowed:?}");
        let layout = blobs.iter().fold(layout, |layout, blob| layout.blob(blob)).blob(b"{}").manifest(
            "registry.example.com/demo/app:planted",
            "application/vnd.oci.image.manifest.v1+json",
            &planted,
        );
        let decision = world.decide(&layout, &bundles);
        assert_eq!(decision.verdict, Verdict::Allow, "{decision:?}");
    }
}

/// Other things that hang on a signature, however many, do not crowd its inclusion proof out.
#[test]
fn a_fetched_proof_is_not_crowded_out() {
    let world = World::new(42);
    let layer = world.layer(&Identity::example());
    let (signature, _) = sealock_testkit::layout::evidence_manifest(std::slice::from_ref(&layer));
    let entry = world.sigstore.rekor.entries()[0].bundle().canonical();
    let log_entry = sealock::evidence::fetched::ARTIFACT_TYPE;
    let honest = fetched_manifest(&signature, log_entry, &[entry.as_bytes()], 0);
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let mut layout = world.layout(&[layer]).blob(entry.as_bytes()).blob(b"{}").blob(b"other");
    layout = layout.manifest("registry.example.com/demo/app:honest", oci, &honest);
    let digest = |bytes: &[u8]| sealock::image::Digest::sha256(bytes);
    let others = (1..).map(|n| fetched_manifest(&signature, "application/other", &[b"other"], n));
    for (at, other) in others.filter(|m| digest(m) < digest(&honest)).take(40).enumerate() {
        layout = layout.manifest(&format!("registry.example.com/demo/app:o{at}"), oci, &other);
    }
    let decision = world.decide(&layout, &own("enforce"));
    assert_eq!(decision.verdict, Verdict::Allow);
    let evidence = &decision.policies[0].authorities[0].evidence[0];
    assert_eq!(evidence.strength.as_ref().unwrap().log, "inclusion");
}
