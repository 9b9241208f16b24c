//! The way to registries: certificates on both sides, proxies, stand-ins, HTTP/2, patience. What breaks on the way is
//! never an absence, and what is meant for one host reaches no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests measure time and write files")]

#[path = "network/front.rs"]
mod front;
mod world;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front::{Front, Manner, certificates};
use sealock::store::{Source as _, Store};
use sealock_mirror::registry::manifest::By;
use sealock_mirror::registry::tls::PemFile;
use sealock_mirror::registry::token::{Anonymous, Credential, Keychain};
use sealock_mirror::registry::{Answer, Network, Repository};
use sealock_testkit::registry::{Access, Options, Registry, Reply};
use sealock_testkit::{Image, Proxy};
use serde_json::Value;
use world::{client, network};

const PATH: &str = "demo/app";

/// Runs `pull` into a new store; tells status, answer, and what was said.
fn pull(folder: &Path, flags: &[&str], environment: &[(&str, &str)]) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"));
    command.args(["pull", "-o", "json", "--no-progress"]).args(flags);
    command.env("SEALOCK_STORE", folder.join("store")).env("DOCKER_CONFIG", folder.join("docker"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
        command.env_remove(name);
    }
    let run = command.envs(environment.iter().copied()).output().unwrap();
    let notes = String::from_utf8(run.stderr).unwrap();
    (run.status.code().unwrap_or(-1), serde_json::from_slice(&run.stdout).unwrap_or_default(), notes)
}

fn registry() -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::new(&format!("any.example/{PATH}"), "text");
    registry.image("1", &image);
    (registry, image)
}

fn pem(folder: &Path, name: &str) -> PemFile {
    PemFile { name: name.to_owned(), bytes: std::fs::read(folder.join(name)).unwrap() }
}

/// What becomes of a question over the network.
async fn ask(network: Network, host: &str) -> Result<(), String> {
    let client = client(network, Arc::new(Anonymous));
    let repository = Repository::parse(&format!("{host}/{PATH}")).unwrap();
    match client.registries.manifest(&repository, By::Tag("1")).await {
        Answer::Found(_) => Ok(()),
        Answer::Absent(absence) => panic!("nothing proves an absence here: {absence}"),
        Answer::Unknown(doubt) => Err(doubt.reason),
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let files = certificates();
    let at = files.path();
    let (registry, _) = registry();
    let front = Front::start(at, &registry.host(), Manner { asks: true, two: false });
    let with = |identity| Network {
        authorities: vec![pem(at, "ca.pem")],
        identity,
        system_roots: false,
        read_timeout: Duration::from_secs(2),
        ..Network::default()
    };
    // Nobody, and somebody whom the authority does not know, see nothing; and that is no absence.
    ask(with(None), &front.host).await.unwrap_err();
    let stranger = Some((pem(at, "stranger.pem"), pem(at, "stranger.key")));
    ask(with(stranger), &front.host).await.unwrap_err();
    assert_eq!(registry.requests(), []);
    ask(with(Some((pem(at, "client.pem"), pem(at, "client.key")))), &front.host).await.unwrap();

    // The same by flags, and what does not fit together is wrong use.
    let flag = |name: &str| at.join(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (flag("ca.pem"), flag("client.pem"), flag("client.key"));
    let name = format!("{}/{PATH}:1", front.host);
    let (status, report, notes) =
        pull(at, &["--ca-file", &ca, "--client-cert", &cert, "--client-key", &key, &name], &[]);
    assert_eq!((status, &report["images"][0]["fate"]), (0, &"mirrored".into()), "{report} {notes}");
    let other = flag("stranger.key");
    for (cert, key) in [(&cert, &other), (&cert, &cert), (&key, &key)] {
        let flags = ["--ca-file", &ca, "--client-cert", cert, "--client-key", key, &name];
        let (status, _, notes) = pull(at, &flags, &[]);
        assert_eq!(status, 2, "{cert} {key}: {notes}");
    }
    assert_eq!(pull(at, &["--client-cert", &cert, &name], &[]).0, 2, "a certificate has a key");
}

/// Files of authorities are counted: an empty one, a key, garbage, and no file at all.
#[test]
fn a_bundle_without_a_certificate_is_an_error() {
    let files = certificates();
    std::fs::write(files.path().join("empty"), "").unwrap();
    std::fs::write(files.path().join("garbage"), "garbage\n").unwrap();
    for name in ["empty", "garbage", "ca.key", "nothing"] {
        let file = files.path().join(name);
        let (status, _, notes) =
            pull(files.path(), &["--ca-file", file.to_str().unwrap(), "a.example/b/c:1"], &[]);
        assert!(status == 2 && notes.contains(name), "{name}: {status} {notes}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_hosts_that_only_it_knows() {
    let (registry, image) = registry();
    let proxy = Proxy::start();
    proxy.lead("registry.example.com:80", &registry.host());
    let folder = tempfile::tempdir().unwrap();
    let name = format!("registry.example.com/{PATH}:1");
    let plain = ["--plain-http", "registry.example.com"];
    let url = proxy.url();
    let flags = [&plain[..], &["--http-proxy", &url, &name]].concat();
    let (status, report, notes) = pull(folder.path(), &flags, &[]);
    assert_eq!((status, &report["images"][0]["digest"]), (0, &image.digest().into()), "{report} {notes}");
    assert!(proxy.asked().contains(&format!("GET http://registry.example.com/v2/{PATH}/manifests/1")));
    // By the environment, too.
    let folder = tempfile::tempdir().unwrap();
    let count = proxy.asked().len();
    let (status, ..) = pull(folder.path(), &[&plain[..], &[&name]].concat(), &[("HTTP_PROXY", &proxy.url())]);
    assert!(status == 0 && proxy.asked().len() > count);
    // One that refuses, or that does not know the host, proves nothing.
    for status in [403, 500, 502] {
        let strict = Proxy::start();
        strict.refuse(status);
        let network = Network {
            plain_http: ["registry.example.com".to_owned()].into(),
            http_proxy: Some(strict.url()),
            ..Network::default()
        };
        let reason = ask(network, "registry.example.com").await.unwrap_err();
        assert!(reason.contains(&status.to_string()), "{reason}");
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_hosts_that_are_excepted() {
    let (registry, _) = registry();
    for (except, asked) in
        [("", true), ("127.0.0.1", false), ("10.0.0.0/8", true), ("127.0.0.0/8", false), ("*", false)]
    {
        let proxy = Proxy::start();
        let network = Network {
            http_proxy: Some(proxy.url()),
            no_proxy: Some(except.to_owned()).filter(|text| !text.is_empty()),
            ..network(&[&registry])
        };
        ask(network, &registry.host()).await.unwrap();
        assert_eq!(!proxy.asked().is_empty(), asked, "{except}");
    }
    // By flag and by environment.
    let proxy = Proxy::start();
    let name = format!("{}/{PATH}:1", registry.host());
    let (host, url) = (registry.host(), proxy.url());
    let flags = ["--plain-http", &host, "--http-proxy", &url, &name];
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(pull(folder.path(), &[&["--no-proxy", "127.0.0.1"], &flags[..]].concat(), &[]).0, 0);
    assert_eq!(pull(folder.path(), &flags, &[("NO_PROXY", "127.0.0.1")]).0, 0);
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

/// With TLS the proxy sees where to, and nothing else; its credentials stay with it.
#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let files = certificates();
    let at = files.path();
    let (registry, image) = registry();
    let front = Front::start(at, &registry.host(), Manner::default());
    let proxy = Proxy::with_password("user", "secret");
    proxy.lead("registry.example.com:443", &front.host);
    let name = format!("registry.example.com/{PATH}:1");
    let ca = at.join("ca.pem").to_str().unwrap().to_owned();
    let url = proxy.url_as("user", "secret");
    let (status, report, notes) = pull(at, &["--ca-file", &ca, "--https-proxy", &url, &name], &[]);
    assert_eq!((status, &report["images"][0]["digest"]), (0, &image.digest().into()), "{report} {notes}");
    assert!(
        proxy.asked().iter().all(|asked| asked == "CONNECT registry.example.com:443"),
        "{:?}",
        proxy.asked()
    );
    let odd = |r: &sealock_testkit::registry::Request| r.header("proxy-authorization").is_some();
    assert!(!registry.requests().iter().any(odd));
    // Without them, with wrong ones, or where the proxy refuses: an open question, without the password in it.
    let before = registry.requests().len();
    for url in [proxy.url(), proxy.url_as("user", "wr0ng")] {
        let network =
            Network { authorities: vec![pem(at, "ca.pem")], https_proxy: Some(url), ..Network::default() };
        let reason = ask(network, "registry.example.com").await.unwrap_err();
        assert!(!reason.contains("wr0ng"), "{reason}");
    }
    for status in [403, 404] {
        let strict = Proxy::start();
        strict.refuse(status);
        let network = Network { https_proxy: Some(strict.url()), ..Network::default() };
        ask(network, "registry.example.com").await.unwrap_err();
    }
    assert_eq!(registry.requests().len(), before);
    // Characters that a URL spells otherwise.
    let odd = Proxy::with_password("us er", "p@ss:w/rd");
    odd.lead("registry.example.com:443", &front.host);
    let network = Network {
        authorities: vec![pem(at, "ca.pem")],
        https_proxy: Some(odd.url_as("us%20er", "p%40ss%3Aw%2Frd")),
        ..Network::default()
    };
    ask(network, "registry.example.com").await.unwrap();
    // The certificate must still be that of the registry.
    proxy.lead("another.example.com:443", &front.host);
    let network = Network {
        authorities: vec![pem(at, "ca.pem")],
        https_proxy: Some(proxy.url_as("user", "secret")),
        ..Network::default()
    };
    ask(network, "another.example.com").await.unwrap_err();
    let (status, _, notes) = pull(at, &["--https-proxy", "http://user:secret@:0/", &name], &[]);
    assert!(status == 2 && !notes.contains("secret"), "{status} {notes}");
}

/// Remembers for whom credentials were looked up.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<String>>);

impl Keychain for Asked {
    fn find(&self, registry: &str) -> Result<Option<Credential>, String> {
        self.0.lock().unwrap().push(registry.to_owned());
        Ok(Some(Credential::Password { user: "u".into(), password: "p".into() }))
    }
}

/// Another registry stands in: names stay as they are, and credentials of the one that is named stay at home.
#[tokio::test]
async fn a_stand_in_gets_no_credentials_of_the_other() {
    let (registry, image) = registry();
    let folder = tempfile::tempdir().unwrap();
    let mirror = format!("ghcr.io={}", registry.host());
    let host = registry.host();
    let flags = ["--registry-mirror", &mirror, "--plain-http", &host];
    let name = format!("ghcr.io/{PATH}:1");
    let (status, report, notes) = pull(folder.path(), &[&flags[..], &[&name]].concat(), &[]);
    assert_eq!((status, &report["images"][0]["name"]), (0, &name.as_str().into()), "{report} {notes}");
    let store = Store::open(&folder.path().join("store")).unwrap();
    let found = store.resolve(&format!("ghcr.io/{PATH}"), "1").unwrap();
    assert_eq!(found.digest.to_string(), image.digest());

    let access = Access::Basic { user: "u".into(), password: "p".into() };
    let closed = Registry::with(Options { access, ..Options::default() });
    closed.image("1", &image);
    let keychain = Arc::new(Asked::default());
    let network =
        Network { stand_ins: [("ghcr.io".to_owned(), closed.host())].into(), ..network(&[&closed]) };
    let client = client(network, Arc::<Asked>::clone(&keychain));
    let repository = Repository::parse(&format!("ghcr.io/{PATH}")).unwrap();
    let answer = client.registries.manifest(&repository, By::Tag("1")).await;
    assert!(matches!(answer, Answer::Found(_)), "{answer:?}");
    assert_eq!(*keychain.0.lock().unwrap(), [closed.host()]);
    for slip in ["ghcr.io", "=x", "ghcr.io="] {
        assert_eq!(pull(folder.path(), &["--registry-mirror", slip, &name], &[]).0, 2, "{slip}");
    }
}

/// A token realm of another site gets credentials where the user says so, and only there.
#[tokio::test]
async fn a_token_realm_elsewhere_is_named_by_the_user() {
    let access = Access::Token { user: Some(("u".into(), "p".into())), identity: None, seconds: 300 };
    let realm = Registry::with(Options { access, ..Options::default() });
    let (registry, _) = registry();
    let challenge = format!(r#"Bearer realm="http://{}/token",service="x""#, realm.host());
    let closed = Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge);
    let request = format!("GET /v2/{PATH}/manifests/1");
    let repository = world::repository(&registry, PATH);
    for (named, fine) in [(None, false), (Some("elsewhere.example"), false), (Some(""), true)] {
        registry.script_times(&request, 1, &closed);
        let named = named.map(|host| if host.is_empty() { realm.host() } else { host.to_owned() });
        let network = Network {
            realms: named.into_iter().map(|host| (registry.host(), [host].into())).collect(),
            ..network(&[&registry, &realm])
        };
        let client = client(network, world::password("u", "p"));
        let answer = client.registries.manifest(&repository, By::Tag("1")).await;
        assert_eq!(matches!(answer, Answer::Found(_)), fine, "{answer:?}");
        let given = realm.requests().iter().any(|r| r.header("authorization").is_some());
        assert_eq!(given, fine, "credentials went there");
    }
    // By the flag, with a file of credentials.
    let folder = tempfile::tempdir().unwrap();
    let auth = sealock_testkit::base64(b"u:p");
    let file = folder.path().join("credentials.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.host())).unwrap();
    registry.script_times(&request, 1, &closed);
    let (host, named) = (registry.host(), format!("{}={}", registry.host(), realm.host()));
    let name = format!("{host}/{PATH}:1");
    let flags =
        ["--plain-http", &host, "--registry-config", file.to_str().unwrap(), "--token-realm", &named, &name];
    let (status, report, notes) = pull(folder.path(), &flags, &[]);
    assert_eq!(status, 0, "{report} {notes}");
}

#[test]
fn http_2_where_the_registry_speaks_it() {
    let files = certificates();
    let (registry, image) = registry();
    let ca = files.path().join("ca.pem").to_str().unwrap().to_owned();
    for two in [true, false] {
        let front = Front::start(files.path(), &registry.host(), Manner { asks: false, two });
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{}/{PATH}:1", front.host);
        let (status, report, notes) = pull(folder.path(), &["--ca-file", &ca, &name], &[]);
        assert_eq!((status, &report["images"][0]["digest"]), (0, &image.digest().into()), "{report} {notes}");
        assert!(
            front.offered().iter().all(|offered| offered == &["h2", "http/1.1"]),
            "{:?}",
            front.offered()
        );
        let streams = front.streams();
        assert_eq!(streams.iter().any(|s| *s == format!("GET /v2/{PATH}/manifests/1")), two, "{streams:?}");
        assert!(!two || front.connections() < streams.len(), "{} {streams:?}", front.connections());
    }
}

/// A registry that says when to come again is left alone until then.
#[test]
fn retry_after_is_honoured() {
    let (registry, _) = registry();
    let request = format!("GET /v2/{PATH}/manifests/1");
    registry.script_times(&request, 1, &Reply::status(503).header("Retry-After", "2"));
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}/{PATH}:1", registry.host());
    let start = Instant::now();
    let (status, report, _) = pull(folder.path(), &["--plain-http", &registry.host(), &name], &[]);
    assert_eq!(status, 0, "{report}");
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(registry.count(&request), 2);
}

/// No more requests at once than were allowed, however many images there are; and more than one where more are.
#[test]
fn requests_under_way_to_one_host_are_limited() {
    for (limit, text) in [(1, "1"), (3, "3")] {
        let registry = Registry::start();
        let mut names = Vec::new();
        for n in 0..6 {
            let image = Image::new(&format!("any.example/{PATH}{n}"), &format!("text {n}"));
            registry.image("1", &image);
            names.push(format!("{}/{PATH}{n}:1", registry.host()));
        }
        registry.linger(Duration::from_millis(10));
        let folder = tempfile::tempdir().unwrap();
        let host = registry.host();
        let mut flags = vec!["--plain-http", &host, "--in-flight", text];
        flags.extend(names.iter().map(String::as_str));
        let (status, report, _) = pull(folder.path(), &flags, &[]);
        assert_eq!(status, 0, "{report}");
        let most = registry.most_at_once();
        assert!(most <= limit && (limit == 1 || most > 1), "{most} of {limit}");
    }
}
