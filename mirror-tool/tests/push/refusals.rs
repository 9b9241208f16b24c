//! What registries answer when they do not do what is asked: nothing half-done is named, nothing is believed.

use super::*;
use crate::shop::APP;
use crate::yard::{OPEN, Yard};
use sealock_testkit::registry::{Access, Reply, Shape};

const PATH: &str = "in/demo/app";

fn layer(image: &Image) -> String {
    sealock_testkit::sha256_digest(&image.blobs[1])
}

fn start() -> String {
    format!("POST /v2/{PATH}/blobs/uploads/")
}

/// A store with an image of one large layer, signed.
fn large() -> (Yard, Image) {
    let yard = Yard::new();
    let bytes: Vec<u8> = (0..2_500_000_u32).flat_map(u32::to_le_bytes).collect();
    let repository = format!("{}/{APP}", yard.shop.registry.host());
    let image = Image::with_layers(&repository, "linux/amd64", &[bytes]);
    yard.shop.registry.image("1", &image);
    yard.pull("1");
    (yard, image)
}

#[test]
fn answers_that_are_no_success_leave_the_image_unnamed() {
    let (mut yard, image) = Yard::signed();
    let blob = format!("HEAD /v2/{PATH}/blobs/{}", layer(&image));
    let get = format!("GET /v2/{PATH}/manifests/1");
    let put = format!("PUT /v2/{PATH}/manifests/{}", image.digest());
    let head = format!("HEAD /v2/{PATH}/manifests/{}", image.digest());
    let tag = format!("PUT /v2/{PATH}/manifests/1");
    let long = Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "9999");
    let another = Reply::status(201).header("Docker-Content-Digest", &layer(&image));
    for (request, reply, status, said) in [
        (&start(), Reply::error(401, "UNAUTHORIZED"), 3, "401"),
        (&start(), Reply::error(403, "DENIED"), 3, "403"),
        (&start(), Reply::error(404, "NAME_UNKNOWN"), 1, "404"),
        (&start(), long.clone(), 3, "9999"),
        (&start(), Reply::status(202), 3, "no Location"),
        (&start(), Reply::status(307).header("Location", "/v2/elsewhere"), 3, "307"),
        (&blob, Reply::error(403, "DENIED"), 3, "403"),
        (&get, Reply::error(404, "DENIED"), 3, "404"),
        (&blob, Reply::content("x/y", b"another size"), 3, "bytes"),
        (&put, Reply::error(400, "MANIFEST_INVALID"), 1, "MANIFEST_INVALID"),
        (&put, Reply::error(403, "DENIED"), 3, "DENIED"),
        (&put, long, 3, "9999"),
        (&put, another.clone(), 3, "says that it has"),
        (&head, Reply::status(200).header("Docker-Content-Digest", &layer(&image)), 3, "says that it has"),
        (
            &head,
            Reply::status(200).header("Docker-Content-Digest", "sha256:../x"),
            3,
            "where a digest belongs",
        ),
        (&tag, Reply::error(405, "UNSUPPORTED"), 1, "405"),
    ] {
        yard.inside = Registry::start();
        yard.inside.script(request, reply);
        let run = yard.push(&[]);
        assert_eq!(run.status, status, "{request}: {}{}", run.data, run.notes);
        assert!(run.data.contains(said), "{request}: {said}: {}", run.data);
        assert_eq!(yard.inside.tag(PATH, "1"), None, "{request}");
    }
}

#[test]
fn what_passes_is_waited_for() {
    let (yard, image) = Yard::signed();
    let put = format!("PUT /v2/{PATH}/manifests/{}", image.digest());
    let busy = Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "1");
    yard.inside.script_times(&start(), 1, &Reply::error(503, "UNAVAILABLE"));
    yard.inside.script_times(&start(), 1, &Reply::status(500).shape(Shape::Hangup));
    yard.inside.script_times(&put, 1, &busy);
    yard.inside.script_times(&put, 1, &Reply::error(500, "UNKNOWN"));
    yard.inside.script_times(
        &format!("PUT /v2/{PATH}/manifests/1"),
        1,
        &Reply::status(201).shape(Shape::Hangup),
    );
    yard.pushed(&[]);
    assert_eq!(yard.inside.tag(PATH, "1"), Some(image.digest()));
    yard.complete();
}

/// An upload that breaks off goes on where the registry says that it is.
#[test]
fn push_resumes_within_a_blob() {
    let (yard, image) = large();
    yard.inside.cut_uploads(&[5_000_000, 1_000_000]);
    yard.pushed(&[]);
    yard.complete();
    let requests = yard.inside.requests();
    let digest = layer(&image);
    let ranges: Vec<_> =
        requests.iter().filter(|r| r.method == "PATCH").filter_map(|r| r.header("content-range")).collect();
    assert_eq!(ranges.first(), Some(&"5000000-9194303"), "{ranges:?}");
    assert_eq!(ranges.get(1), Some(&"6000000-9999999"), "{ranges:?}");
    assert!(requests.iter().any(|r| r.method == "GET" && r.path.contains("/blobs/uploads/")));
    let whole =
        requests.iter().filter(|r| r.method == "PUT" && r.query.contains(&digest.replace(':', "%3A")));
    assert_eq!(whole.count(), 2, "one that broke off, and one that ended it");
}

/// A registry that does not take a blob in one request gets pieces.
#[test]
fn push_in_pieces_where_one_request_is_too_much() {
    let (yard, image) = large();
    // The registry counts its uploads; the layer's is the first, because the configuration is there.
    yard.inside.blob(PATH, &image.blobs[0]);
    let first = format!("PUT /v2/{PATH}/blobs/uploads/1");
    yard.inside.script_times(&first, 1, &Reply::error(413, "SIZE_INVALID"));
    yard.pushed(&[]);
    yard.complete();
    assert!(yard.inside.requests().iter().any(|r| r.method == "PATCH" && r.body.len() == 4 << 20));
}

/// The content and the credentials stay with the registry that was named.
#[test]
fn push_location_on_another_host() {
    let other = Registry::start();
    for location in [
        format!("http://{}/v2/x/blobs/uploads/1", other.host()),
        "https://169.254.169.254/latest".to_owned(),
        format!("//{}/v2/x", other.host()),
        "file:///etc/passwd".to_owned(),
    ] {
        let (yard, _) = Yard::signed();
        yard.inside.script(&start(), Reply::status(202).header("Location", &location));
        let run = yard.push(&[]);
        assert_eq!(run.status, 3, "{location}: {}{}", run.data, run.notes);
        assert!(run.data.contains("which is not the registry"), "{location}: {}", run.data);
        assert_eq!(yard.inside.tag(PATH, "1"), None);
    }
    assert!(other.requests().is_empty());
}

/// A blob that was damaged in the store is never whole in the registry.
#[test]
fn push_damaged_store() {
    let (yard, image) = large();
    let path = yard.shop.path("store/blobs").join(layer(&image).replace(':', "/"));
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let run = yard.push(&[]);
    assert_eq!(run.status, 3, "{}{}", run.data, run.notes);
    assert!(run.data.contains("hash"), "{}", run.data);
    assert_eq!(yard.inside.held(PATH, &layer(&image)), None);
    assert_eq!(yard.inside.tag(PATH, "1"), None);
    let sent = yard.inside.requests().into_iter().map(|r| r.body.len()).max().unwrap();
    assert!(sent < bytes.len(), "the last piece is kept back");
}

/// An index whose platforms are not all held goes where the registry takes it; else the reason is said.
#[test]
fn an_index_without_some_platforms() {
    let yard = Yard::new();
    let (index, _) = yard.shop.everything();
    let file = yard.shop.path("mirror.yaml");
    let name = yard.shop.name(APP, "1.0");
    std::fs::write(
        &file,
        format!("apiVersion: sealock.dev/v1\nkind: Mirror\nplatforms: [linux/amd64]\nimages: [{{name: '{name}'}}]\n"),
    )
    .unwrap();
    let run = yard.shop.pull(&["-f", file.to_str().unwrap()]);
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    let put = format!("PUT /v2/{PATH}/manifests/{}", index.digest());
    yard.inside.script_times(&put, 1, &Reply::error(400, "MANIFEST_BLOB_UNKNOWN"));
    let run = yard.push(&[]);
    assert_eq!(run.status, 1, "{}{}", run.data, run.notes);
    assert!(run.data.contains("takes only whole indexes"), "{}", run.data);
    assert_eq!(yard.inside.tag(PATH, "1.0"), None);
    let report = yard.pushed(&[]);
    assert_eq!(report["images"][0]["leftOut"], serde_json::json!([index.children[1].digest()]));
    assert_eq!(yard.inside.tag(PATH, "1.0"), Some(index.digest()));
}

/// Tokens are asked for that let us write, and for a mount that let us read the other repository.
#[test]
fn tokens_for_writing() {
    let access = Access::Token { user: Some(("u".into(), "p".into())), identity: None, seconds: 300 };
    let yard = Yard::with(OPEN(), sealock_testkit::registry::Options { access, ..OPEN() });
    let image = yard.image("1", "x");
    let mut other = image.clone();
    other.repository = format!("{}/demo/other", yard.shop.registry.host());
    yard.shop.registry.image("1", &other);
    yard.pull("1");
    assert_eq!(yard.shop.pull(&[&yard.shop.name("demo/other", "1")]).status, 0);
    assert_eq!(yard.push(&[]).status, 3, "nobody logged in");
    std::fs::create_dir_all(yard.shop.path("docker")).unwrap();
    let auth = sealock_testkit::base64(b"u:p");
    std::fs::write(
        yard.shop.path("docker/config.json"),
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, yard.inside.host()),
    )
    .unwrap();
    yard.pushed(&[]);
    let asked: Vec<_> =
        yard.inside.requests().into_iter().filter(|r| r.path == "/token").map(|r| r.query).collect();
    assert!(asked.iter().any(|q| q.contains("in%2Fdemo%2Fapp%3Apull%2Cpush")), "{asked:?}");
    let mounts = asked.iter().filter(|q| q.matches("scope=").count() == 2);
    assert!(mounts.count() >= 1, "{asked:?}");
}
