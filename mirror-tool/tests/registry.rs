//! The registry client against a registry that does what it wants: every answer is found, proven absent, or unknown,
//! and nothing else is ever taken for absence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod world;

use std::time::Duration;

use sealock::image::Digest;
use sealock_mirror::registry::blob::{Broken, Sink};
use sealock_mirror::registry::manifest::By;
use sealock_mirror::registry::token::Credential;
use sealock_mirror::registry::{Answer, limits};
use sealock_testkit::layout::{INDEX, Image, MANIFEST};
use sealock_testkit::registry::{Access, Options, Registry, Reply, Shape};
use world::{anonymous, client, network, password, repository};

const PATH: &str = "demo/app";

/// The bytes of a blob under way.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    restarts: usize,
}

impl Sink for Bytes {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.bytes.clear();
        self.restarts += 1;
        Ok(())
    }
}

fn word<T>(answer: &Answer<T>) -> String {
    match answer {
        Answer::Found(_) => "found".into(),
        Answer::Absent(absence) => format!("absent {absence}"),
        Answer::Unknown(doubt) => format!("unknown {}", doubt.status.map_or(0, |s| s)),
    }
}

fn subject() -> (Image, Digest) {
    let image = Image::new("any.example/demo/app", "text");
    let digest = image.digest().parse().unwrap();
    (image, digest)
}

/// Every answer on a tag and on the referrers API, and what it proves.
#[tokio::test]
async fn registry_table() {
    let (_, digest) = subject();
    let html = Reply::content("text/html", b"<html>log in</html>");
    let cases: Vec<(&str, Reply, &str, &str)> = vec![
        ("401 without a challenge", Reply::error(401, "UNAUTHORIZED"), "unknown 401", "unknown 401"),
        ("403", Reply::error(403, "DENIED"), "unknown 403", "unknown 403"),
        ("403 that claims absence", Reply::error(403, "MANIFEST_UNKNOWN"), "unknown 403", "unknown 403"),
        (
            "404",
            Reply::error(404, "MANIFEST_UNKNOWN"),
            "absent 404 MANIFEST_UNKNOWN",
            "absent 404 MANIFEST_UNKNOWN",
        ),
        (
            "404 of a repository",
            Reply::error(404, "NAME_UNKNOWN"),
            "absent 404 NAME_UNKNOWN",
            "absent 404 NAME_UNKNOWN",
        ),
        ("404 in plain text", Reply::status(404).body(b"404 page not found\n"), "absent 404", "absent 404"),
        ("404 that means no", Reply::error(404, "DENIED"), "unknown 404", "unknown 404"),
        ("404 that means later", Reply::error(404, "TOOMANYREQUESTS"), "unknown 404", "unknown 404"),
        ("400", Reply::error(400, "UNSUPPORTED"), "unknown 400", "unknown 400"),
        ("405", Reply::error(405, "UNSUPPORTED"), "unknown 405", "unknown 405"),
        ("410", Reply::error(410, "MANIFEST_UNKNOWN"), "unknown 410", "unknown 410"),
        ("429", Reply::error(429, "TOOMANYREQUESTS"), "unknown 429", "unknown 429"),
        (
            "429 for an hour",
            Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "3600"),
            "unknown 429",
            "unknown 429",
        ),
        ("500", Reply::status(500), "unknown 500", "unknown 500"),
        ("503", Reply::status(503), "unknown 503", "unknown 503"),
        (
            "303 to another host",
            Reply::status(303).header("Location", "https://github.example/login"),
            "unknown 303",
            "unknown 303",
        ),
        ("302 in a circle", Reply::status(302).header("Location", "?again"), "unknown 302", "unknown 302"),
        ("hangs up", Reply::status(200).shape(Shape::Hangup), "unknown 0", "unknown 0"),
        (
            "short body",
            Reply::content(INDEX, b"{\"schemaVersion\":2").shape(Shape::Announced(900)),
            "unknown 0",
            "unknown 0",
        ),
        (
            "endless body",
            Reply::content(INDEX, b"xxxxxxxx").shape(Shape::Endless),
            "unknown 200",
            "unknown 200",
        ),
        (
            "length over the limit",
            Reply::content(INDEX, b"{}").header("Content-Length", "314572800"),
            "unknown 200",
            "unknown 200",
        ),
        (
            "wrong digest header",
            Reply::content(MANIFEST, b"{}")
                .header("Docker-Content-Digest", &format!("sha256:{}", "0".repeat(64))),
            "unknown 200",
            "unknown 200",
        ),
        // A tag may stand for any bytes; whoever walks reads them. The list of referrers must be one.
        ("a web page", html, "found", "unknown 200"),
        ("no JSON", Reply::content(INDEX, b"hello"), "found", "unknown 200"),
        (
            "a manifest that is also an index",
            Reply::content(INDEX, br#"{"schemaVersion":2,"config":{},"manifests":[]}"#),
            "found",
            "unknown 200",
        ),
        ("an empty index", Reply::content(INDEX, br#"{"schemaVersion":2,"manifests":[]}"#), "found", "found"),
    ];
    for (what, reply, tag, referrers) in cases {
        let registry = Registry::start();
        let reply_here = Reply { headers: reply.headers.clone(), ..reply.clone() };
        registry.script(&format!("GET /v2/{PATH}/manifests/x.sig"), reply_here);
        registry.script(&format!("GET /v2/{PATH}/referrers/{digest}"), reply);
        let client = anonymous(&registry);
        let repository = repository(&registry, PATH);
        let answer = client.registries.manifest(&repository, By::Tag("x.sig")).await;
        assert_eq!(word(&answer), tag, "tag: {what}: {answer:?}");
        let answer = client.registries.referrers(&repository, &digest).await;
        assert_eq!(word(&answer), referrers, "referrers: {what}: {answer:?}");
    }
}

/// What is tried again, how often, and how long is waited.
#[tokio::test]
async fn tries_and_waits() {
    let seconds = |n: f64| Duration::from_secs_f64(n);
    for (reply, requests, waits) in [
        (Reply::status(500), 6, vec![0.5, 1.0, 2.0, 4.0, 8.0]),
        (Reply::error(429, "TOOMANYREQUESTS"), 6, vec![0.5, 1.0, 2.0, 4.0, 8.0]),
        (Reply::status(503).header("Retry-After", "9"), 6, vec![9.0, 9.0, 9.0, 9.0, 9.0]),
        (Reply::status(503).header("Retry-After", "Thu, 01 Jan 2026 00:00:30 GMT"), 6, vec![30.0; 5]),
        (Reply::status(429).header("Retry-After", "301"), 1, vec![]),
        (Reply::error(403, "DENIED"), 1, vec![]),
        (Reply::error(400, "UNSUPPORTED"), 1, vec![]),
        (Reply::error(404, "MANIFEST_UNKNOWN"), 1, vec![]),
    ] {
        let registry = Registry::start();
        let request = format!("GET /v2/{PATH}/manifests/v1");
        registry.script(&request, reply.clone());
        let client = anonymous(&registry);
        client.registries.manifest(&repository(&registry, PATH), By::Tag("v1")).await;
        assert_eq!(registry.count(&request), requests, "{reply:?}");
        assert_eq!(client.clock.waited(), waits.into_iter().map(seconds).collect::<Vec<_>>(), "{reply:?}");
    }
    // What was only busy is found.
    let (image, digest) = subject();
    let registry = Registry::start();
    registry.image("v1", &image);
    registry.script_times(&format!("GET /v2/{PATH}/manifests/v1"), 3, &Reply::status(503));
    let client = anonymous(&registry);
    let answer = client.registries.manifest(&repository(&registry, PATH), By::Tag("v1")).await;
    let Answer::Found(fetched) = answer else { panic!("{answer:?}") };
    assert_eq!((fetched.digest, fetched.bytes), (digest, image.manifest));
}

/// One 429 holds back everybody who talks to that host.
#[tokio::test]
async fn one_gate_for_a_host() {
    let (image, digest) = subject();
    let registry = Registry::start();
    registry.image("v1", &image);
    let busy = Reply::status(429).header("Retry-After", "20");
    registry.script_times(&format!("GET /v2/{PATH}/manifests/v1"), 1, &busy);
    let client = anonymous(&registry);
    let repository = repository(&registry, PATH);
    client.registries.manifest(&repository, By::Tag("v1")).await;
    assert_eq!(client.clock.waited(), [Duration::from_secs(20)]);
    client.registries.referrers(&repository, &digest).await;
    assert_eq!(client.clock.waited().len(), 1, "the gate is open again");
}

#[tokio::test]
async fn digest_asked_for_is_digest_got() {
    let (image, digest) = subject();
    let other = Image::new("any.example/demo/app", "other");
    let registry = Registry::start();
    registry.image("v1", &image);
    let by_digest = format!("GET /v2/{PATH}/manifests/{digest}");
    let repository = repository(&registry, PATH);
    registry.script(&by_digest, Reply::content(MANIFEST, &other.manifest));
    let client = anonymous(&registry);
    let answer = client.registries.manifest(&repository, By::Digest(&digest)).await;
    assert!(matches!(&answer, Answer::Unknown(d) if d.reason.contains(&other.digest())), "{answer:?}");
    registry.clear_script();
    let answer = client.registries.manifest(&repository, By::Digest(&digest)).await;
    assert_eq!(word(&answer), "found");
    assert!(client.registries.unchanged(&repository, "v1", &digest).await);
    assert!(!client.registries.unchanged(&repository, "v1", &other.digest().parse().unwrap()).await);
    assert!(!client.registries.unchanged(&repository, "v2", &digest).await);
}

#[tokio::test]
async fn every_page_of_referrers_and_tags() {
    let (image, digest) = subject();
    let registry = Registry::with(Options { page: 2, ..Options::default() });
    registry.image("v1", &image);
    for n in 0..7 {
        registry.referrer_bytes(&image, format!("bundle {n}").as_bytes(), None);
        registry.manifest(PATH, &format!("t{n}"), MANIFEST, &image.manifest);
    }
    let client = anonymous(&registry);
    let repository = repository(&registry, PATH);
    let Answer::Found(found) = client.registries.referrers(&repository, &digest).await else { panic!() };
    assert_eq!(found.len(), 7);
    let Answer::Found(tags) = client.registries.tags(&repository).await else { panic!() };
    assert_eq!(tags, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "v1"]);
    // A page that is missing is no end of the list.
    registry.script(&format!("GET /v2/{PATH}/referrers/{digest}"), {
        Reply::content(INDEX, br#"{"schemaVersion":2,"manifests":[]}"#)
            .header("Link", &format!("</v2/{PATH}/referrers/gone>; rel=\"next\""))
    });
    registry.script(&format!("GET /v2/{PATH}/referrers/gone"), Reply::error(404, "NAME_UNKNOWN"));
    assert_eq!(word(&client.registries.referrers(&repository, &digest).await), "unknown 404");
}

/// Pages without an end, in a circle, or on another host; and more referrers than anybody has.
#[tokio::test]
async fn referrers_flood() {
    let (_, digest) = subject();
    let descriptor = format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1}}"#);
    let index = |n: usize| {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, vec![descriptor.as_str(); n].join(","))
    };
    let registry = Registry::start();
    let first = format!("GET /v2/{PATH}/referrers/{digest}");
    let page = |n: usize, link: &str| Reply::content(INDEX, index(n).as_bytes()).header("Link", link);
    let client = anonymous(&registry);
    let repository = repository(&registry, PATH);
    for link in [
        format!("</v2/{PATH}/referrers/{digest}>; rel=\"next\""),
        "<https://other.example/v2/x>; rel=\"next\"".to_owned(),
        "</elsewhere>; rel=\"next\"".to_owned(),
    ] {
        registry.clear_script();
        registry.script(&first, page(1, &link));
        let answer = client.registries.referrers(&repository, &digest).await;
        assert_eq!(word(&answer), "unknown 200", "{link}");
    }
    registry.clear_script();
    for n in 0..100 {
        let next = format!("</v2/{PATH}/referrers/{}>; rel=\"next\"", n + 1);
        let at = if n == 0 { first.clone() } else { format!("GET /v2/{PATH}/referrers/{n}") };
        registry.script(&at, page(1, &next));
    }
    let answer = client.registries.referrers(&repository, &digest).await;
    assert!(matches!(&answer, Answer::Unknown(d) if d.reason.contains("64 pages")), "{answer:?}");
    registry.clear_script();
    registry.script(&first, Reply::content(INDEX, index(limits::DESCRIPTORS + 1).as_bytes()));
    let answer = client.registries.referrers(&repository, &digest).await;
    assert!(matches!(&answer, Answer::Unknown(d) if d.reason.contains("4096")), "{answer:?}");
}

/// One spelling of a digest; nothing else in a list of referrers is ever asked for.
#[tokio::test]
async fn digest_grammar() {
    let (_, digest) = subject();
    let hex = digest.hex();
    for bad in [
        "sha256:../../x".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        "sha256:00".to_owned(),
        format!("sha512:{hex}"),
        format!("md5:{}", "0".repeat(32)),
        String::new(),
    ] {
        let registry = Registry::start();
        registry.list_referrer(
            PATH,
            &digest.to_string(),
            &format!(r#"{{"mediaType":"{MANIFEST}","digest":"{bad}","size":1}}"#),
        );
        let client = anonymous(&registry);
        let answer = client.registries.referrers(&repository(&registry, PATH), &digest).await;
        assert_eq!(word(&answer), "unknown 200", "{bad:?}");
        assert_eq!(registry.requests().len(), 1, "{bad:?}");
    }
}

#[tokio::test]
async fn basic_and_tokens() {
    let (image, _) = subject();
    let accesses = [
        (Access::Basic { user: "u".into(), password: "p".into() }, password("u", "p"), 0),
        (
            Access::Token { user: Some(("u".into(), "p".into())), identity: None, seconds: 300 },
            password("u", "p"),
            1,
        ),
        (
            Access::Token { user: None, identity: Some("refresh".into()), seconds: 300 },
            std::sync::Arc::new(world::Held(Credential::Identity { token: "refresh".into() })) as _,
            1,
        ),
    ];
    for (access, keychain, tokens) in accesses {
        let registry = Registry::with(Options { access: access.clone(), ..Options::default() });
        registry.image("v1", &image);
        let client = client(network(&[&registry]), keychain);
        let repository = repository(&registry, PATH);
        // Many at once fetch one token.
        let asked = (0..12).map(|_| client.registries.manifest(&repository, By::Tag("v1")));
        for answer in futures::future::join_all(asked).await {
            assert_eq!(word(&answer), "found", "{access:?}");
        }
        let fetched = registry.requests().iter().filter(|r| r.path == "/token").count();
        assert_eq!(fetched, tokens, "{access:?}");
        // The token ends: a new one is fetched before anything is refused.
        client.clock.advance(Duration::from_secs(301));
        assert_eq!(word(&client.registries.manifest(&repository, By::Tag("v1")).await), "found");
        // Wrong credentials are an open question, never an absence. A realm that gives tokens to everybody takes them.
        let open = matches!(access, Access::Token { user: None, .. });
        let wrong = world::client(network(&[&registry]), password("u", "wrong"));
        for (tag, there) in [("v1", "found"), ("v2", "absent 404 MANIFEST_UNKNOWN")] {
            let answer = wrong.registries.manifest(&repository, By::Tag(tag)).await;
            assert_eq!(word(&answer), if open { there } else { "unknown 401" }, "{access:?}");
        }
        let none = anonymous(&registry);
        let answer = none.registries.manifest(&repository, By::Tag("v1")).await;
        assert_eq!(word(&answer), if open { "found" } else { "unknown 401" }, "{access:?}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_told() {
    let (image, _) = subject();
    let access = Access::Token { user: None, identity: None, seconds: 300 };
    let registry = Registry::with(Options { access, ..Options::default() });
    registry.image("v1", &image);
    registry.script("GET /token", Reply::status(500));
    let client = anonymous(&registry);
    let answer = client.registries.manifest(&repository(&registry, PATH), By::Tag("v1")).await;
    assert!(matches!(&answer, Answer::Unknown(d) if d.reason.contains("token endpoint")), "{answer:?}");
    let anonymous_tries = registry
        .requests()
        .iter()
        .filter(|r| r.path != "/token" && r.header("authorization").is_some())
        .count();
    assert_eq!(anonymous_tries, 0);
}

/// Credentials reach the registry they are for and nobody else: not a realm elsewhere, not where a blob is redirected
/// to, not where a manifest, a list or a page is said to be. And nobody sends us to the machines next door.
#[tokio::test]
async fn ssrf_and_credential_leak() {
    let (image, digest) = subject();
    let stranger = Registry::start();
    stranger.blob(PATH, &image.blobs[1]);
    let access = Access::Basic { user: "u".into(), password: "p".into() };
    let registry = Registry::with(Options { access, ..Options::default() });
    registry.image("v1", &image);
    let client = client(network(&[&registry, &stranger]), password("u", "p"));
    let repository = repository(&registry, PATH);
    assert_eq!(word(&client.registries.manifest(&repository, By::Tag("v1")).await), "found");

    // A blob may be elsewhere; what we hold for the registry stays.
    let blob = image.blobs[1].clone();
    let blob_digest = Digest::sha256(&blob);
    let at = format!("GET /v2/{PATH}/blobs/{blob_digest}");
    let there = format!("http://{}/v2/{PATH}/blobs/{blob_digest}", stranger.host());
    registry.script(&at, Reply::status(307).header("Location", &there));
    let mut sink = Bytes::default();
    let size = blob.len() as u64;
    client.registries.blob(&repository, &blob_digest, size, &mut sink, &|_| ()).await.unwrap();
    assert_eq!(sink.bytes, blob);
    assert!(stranger.requests().iter().all(|r| r.header("authorization").is_none()));
    assert!(registry.requests().iter().any(|r| r.header("authorization").is_some()));
    stranger.forget_requests();

    // Manifests, tags and referrers must not.
    let elsewhere = Reply::status(303).header("Location", &format!("http://{}/x", stranger.host()));
    for rest in [
        format!("manifests/{digest}"),
        "manifests/v9".into(),
        format!("referrers/{digest}"),
        "tags/list".into(),
    ] {
        registry.script(&format!("GET /v2/{PATH}/{rest}"), elsewhere.clone());
    }
    assert_eq!(word(&client.registries.manifest(&repository, By::Digest(&digest)).await), "unknown 303");
    assert_eq!(word(&client.registries.manifest(&repository, By::Tag("v9")).await), "unknown 303");
    assert_eq!(word(&client.registries.referrers(&repository, &digest).await), "unknown 303");
    assert_eq!(word(&client.registries.tags(&repository).await), "unknown 303");
    assert_eq!(stranger.requests(), []);

    // A realm elsewhere does not get them either.
    let bearer = format!(r#"Bearer realm="http://{}/token",service="x""#, stranger.host());
    let greedy = Registry::start();
    greedy.script(
        &format!("GET /v2/{PATH}/manifests/v1"),
        Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &bearer),
    );
    let held = world::client(network(&[&greedy, &stranger]), password("u", "p"));
    let answer = held.registries.manifest(&world::repository(&greedy, PATH), By::Tag("v1")).await;
    assert!(matches!(&answer, Answer::Unknown(d) if d.reason.contains("--token-realm")), "{answer:?}");
    assert_eq!(stranger.requests(), []);

    // What is fetched from elsewhere is never named by a descriptor's `urls`: nothing in the client reads them. And a
    // registry with TLS cannot lead to a machine without (`reach` has the whole table).
    registry.script(&at, Reply::status(307).header("Location", "file:///etc/passwd"));
    let mut sink = Bytes::default();
    let broken =
        client.registries.blob(&repository, &blob_digest, size, &mut sink, &|_| ()).await.unwrap_err();
    assert!(matches!(broken, Broken::Remote(_)), "{broken:?}");
    assert!(sink.bytes.is_empty());
}

fn large() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_blob_goes_on_where_it_broke_off() {
    let registry = Registry::start();
    let bytes = large();
    let digest: Digest = registry.blob(PATH, &bytes).parse().unwrap();
    let at = format!("GET /v2/{PATH}/blobs/{digest}");
    let cut =
        Reply::content("application/octet-stream", &bytes[..500_000]).shape(Shape::Announced(bytes.len()));
    registry.script_times(&at, 1, &cut);
    let client = anonymous(&registry);
    let repository = repository(&registry, PATH);
    let mut sink = Bytes::default();
    client.registries.blob(&repository, &digest, bytes.len() as u64, &mut sink, &|_| ()).await.unwrap();
    assert!(sink.bytes == bytes && sink.restarts == 0);
    let ranges: Vec<_> = registry.requests().iter().map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges.len(), 2);
    assert!(ranges[0].is_none() && ranges[1].as_deref().unwrap().starts_with("bytes="));
    // With all of it there, nothing is asked for.
    registry.forget_requests();
    client.registries.blob(&repository, &digest, bytes.len() as u64, &mut sink, &|_| ()).await.unwrap();
    assert_eq!(registry.requests(), []);
}

#[tokio::test]
async fn the_rest_of_a_blob_must_be_the_rest() {
    let bytes = large();
    let half = bytes.len() / 2;
    let size = bytes.len() as u64;
    let ranged = |from: usize, range: &str| {
        let mut reply =
            Reply::content("application/octet-stream", &bytes[from..]).header("Content-Range", range);
        reply.status = 206;
        reply
    };
    let right = format!("bytes {half}-{}/{size}", size - 1);
    for (what, reply, fine, restarts) in [
        ("the rest", ranged(half, &right), true, 0),
        ("the front as if it were the rest", ranged(0, &format!("bytes 0-{}/{size}", size - 1)), false, 0),
        ("another size", ranged(half, &format!("bytes {half}-{}/{}", size - 1, size + 1)), false, 0),
        (
            "no range",
            {
                let mut r = ranged(half, &right);
                r.headers.truncate(1);
                r
            },
            false,
            0,
        ),
        ("all of it", Reply::content("application/octet-stream", &bytes), true, 1),
        ("more than announced", ranged(half - 1, &right), false, 0),
        ("416", Reply::status(416).header("Content-Length", "147").shape(Shape::Announced(147)), false, 0),
        ("404", Reply::error(404, "BLOB_UNKNOWN"), false, 0),
    ] {
        let registry = Registry::start();
        let digest: Digest = registry.blob(PATH, &bytes).parse().unwrap();
        registry.script(&format!("GET /v2/{PATH}/blobs/{digest}"), reply);
        let client = anonymous(&registry);
        let mut sink = Bytes { bytes: bytes[..half].to_vec(), restarts: 0 };
        let repository = repository(&registry, PATH);
        let done = client.registries.blob(&repository, &digest, size, &mut sink, &|_| ()).await;
        assert_eq!(done.is_ok(), fine, "{what}: {done:?}");
        assert_eq!(sink.restarts, restarts, "{what}");
        assert!(!fine || sink.bytes == bytes, "{what}");
        assert!(sink.bytes.len() as u64 <= size, "{what}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let registry = Registry::start();
    let request = format!("GET /v2/{PATH}/manifests/v1");
    registry.script_times(&request, 1, &Reply::status(200).shape(Shape::Silence));
    let client = anonymous(&registry);
    let answer = client.registries.manifest(&repository(&registry, PATH), By::Tag("v1")).await;
    assert_eq!(word(&answer), "absent 404 NAME_UNKNOWN", "the second try was answered");
    assert_eq!(registry.count(&request), 2);
}

/// Files of authorities are counted; garbage is an error and never an empty list.
#[test]
fn certificates_are_counted() {
    use sealock_mirror::registry::tls::{PemFile, certificates, configuration};
    let file = |bytes: &[u8]| PemFile { name: "ca.pem".into(), bytes: bytes.to_vec() };
    let sigstore = sealock_testkit::Sigstore::new(1);
    let signed = sigstore
        .keyless(&sealock_testkit::Identity::example())
        .image("a.example/b", &format!("sha256:{}", "0".repeat(64)));
    let pem = signed.certificate_pem().unwrap();
    assert_eq!(certificates(&file(pem.as_bytes())).unwrap().len(), 1);
    assert_eq!(certificates(&file(pem.repeat(3).as_bytes())).unwrap().len(), 3);
    for bad in [
        &b""[..],
        b"garbage",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA").as_bytes(),
    ] {
        assert!(certificates(&file(bad)).is_err(), "{}", String::from_utf8_lossy(bad));
    }
    let der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(configuration(&[file(der)], None, false).is_err());
}
