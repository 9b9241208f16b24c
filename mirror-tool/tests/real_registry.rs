//! Against Debian's `docker-registry` (no referrers API): plain, with a password, and with TLS from a private authority.
//! Where the program is not on the machine, each test says so and returns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests start programs and write files")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use sealock_testkit::layout::Image;

struct Real {
    child: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Real {
    /// Starts a registry whose configuration has `more` in its `http` section and after it.
    fn start(http: &str, more: &str) -> Option<Real> {
        if !has("docker-registry") || !has("skopeo") {
            eprintln!("skipped: docker-registry and skopeo are not both on this machine");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let at = folder.path().display();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {at}/data\nhttp:\n  addr: 127.0.0.1:{port}\n{}{}",
            http.replace("AT", &at.to_string()),
            more.replace("AT", &at.to_string())
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        make_files(folder.path());
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let real = Real { child, host: format!("127.0.0.1:{port}"), folder };
        for _ in 0..100 {
            if TcpStream::connect(&real.host).is_ok() {
                return Some(real);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mirror(&self, verb: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sealock-mirror"))
            .arg(verb)
            .args(more)
            .env("SEALOCK_STORE", self.path("store"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .env_remove("HTTPS_PROXY")
            .output()
            .unwrap()
    }

    /// Pushes an image and its signature tag with skopeo; gives the image.
    fn push(&self, more: &[&str]) -> Image {
        let image = Image::new(&format!("{}/demo/app", self.host), "real");
        let signature = Image::new(&image.repository, "stands for a signature");
        let tag = format!("{}.sig", image.digest().replace(':', "-"));
        let layout = sealock_testkit::Layout::new()
            .image(&format!("{}:1", image.repository), &image)
            .image(&format!("{}:{tag}", image.repository), &signature);
        layout.write(self.path("layout"));
        for tag in ["1", &tag] {
            let from = format!("oci:{}:{}:{tag}", self.path("layout").display(), image.repository);
            let to = format!("docker://{}:{tag}", image.repository);
            let run = Command::new("skopeo")
                .args(["--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"])
                .args(more)
                .args([&from, &to])
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
        image
    }

    fn holds(&self, digest: &str) -> bool {
        self.path("store/blobs").join(digest.replace(':', "/")).exists()
    }
}

/// An authority, a certificate of it for 127.0.0.1, and a password file, as far as the tools are there.
fn make_files(folder: &Path) {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj /CN=registry &&
        printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > ext &&
        openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tls.pem -days 2 -extfile ext &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -out client.csr -subj /CN=client &&
        openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out client.cert -days 2 -extfile ext;
        htpasswd -Bbc htpasswd user secret";
    let _ = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn plain() {
    let Some(real) = Real::start("", "") else { return };
    let image = real.push(&[]);
    let name = format!("{}:1", image.repository);
    let run = real.mirror("pull", &["-o", "json", "--plain-http", &real.host, &name]);
    let report = json(&run);
    assert_eq!(run.status.code(), Some(0), "{report}");
    assert!(real.holds(&image.digest()));
    let questions = report["images"][0]["questions"].as_array().unwrap();
    let about = |channel: &str| {
        questions.iter().find(|q| q["channel"] == channel && q["subject"] == image.digest()).unwrap().clone()
    };
    assert_eq!(about("signature-tag")["state"], "found");
    assert_eq!(
        (about("referrers")["state"].as_str(), about("referrers")["answer"].as_str()),
        (Some("absent"), Some("404"))
    );
    assert_eq!(about("attestation-tag")["answer"], "404 MANIFEST_UNKNOWN");
    let again = json(&real.mirror("pull", &["-o", "json", "--plain-http", &real.host, &name]));
    assert_eq!((again["fetched"]["blobs"].as_u64(), again["fetched"]["new"].as_u64()), (Some(0), Some(0)));
    let missing = real.mirror("pull", &["--plain-http", &real.host, &format!("{}/no/such:1", real.host)]);
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn with_a_password() {
    let Some(real) = Real::start("", "auth:\n  htpasswd:\n    realm: real\n    path: AT/htpasswd\n") else {
        return;
    };
    if !real.path("htpasswd").exists() {
        eprintln!("skipped: htpasswd is not on this machine");
        return;
    }
    let image = real.push(&["--dest-creds", "user:secret"]);
    let name = format!("{}:1", image.repository);
    let flags = ["-o", "json", "--plain-http", &real.host, &name];
    assert_eq!(real.mirror("pull", &flags).status.code(), Some(3));
    std::fs::create_dir_all(real.path("docker")).unwrap();
    let auth = sealock_testkit::base64(b"user:secret");
    std::fs::write(
        real.path("docker/config.json"),
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, real.host),
    )
    .unwrap();
    let run = real.mirror("pull", &flags);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(real.holds(&image.digest()));
}

/// A registry that asks for a certificate.
#[test]
fn with_a_client_certificate() {
    let tls = "  tls:\n    certificate: AT/tls.pem\n    key: AT/tls.key\n    clientcas: [AT/ca.pem]\n";
    let Some(real) = Real::start(tls, "") else { return };
    let certificates = real.path("certificates");
    std::fs::create_dir(&certificates).unwrap();
    for (from, to) in [("client.cert", "client.cert"), ("client.key", "client.key"), ("ca.pem", "ca.crt")] {
        std::fs::copy(real.path(from), certificates.join(to)).unwrap();
    }
    let image = real.push(&["--dest-cert-dir", certificates.to_str().unwrap()]);
    let name = format!("{}:1", image.repository);
    let file = |name: &str| real.path(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (file("ca.pem"), file("client.cert"), file("client.key"));
    let nobody = real.mirror("pull", &["--dry-run", "--ca-file", &ca, &name]);
    assert_eq!(nobody.status.code(), Some(3), "without a certificate nothing is known");
    let flags = ["-o", "json", "--ca-file", &ca, "--client-cert", &cert, "--client-key", &key, &name];
    let run = real.mirror("pull", &flags);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(real.holds(&image.digest()));
}

#[test]
fn with_tls_of_a_private_authority() {
    let Some(real) = Real::start("  tls:\n    certificate: AT/tls.pem\n    key: AT/tls.key\n", "") else {
        return;
    };
    let image = real.push(&[]);
    let name = format!("{}:1", image.repository);
    let ca = real.path("ca.pem");
    let stranger = real
        .mirror("pull", &["-o", "json", "--connect-timeout", "2", "--in-flight", "1", "--dry-run", &name]);
    assert_eq!(stranger.status.code(), Some(3), "an authority that nobody named is not trusted");
    let run = real.mirror("pull", &["-o", "json", "--ca-file", ca.to_str().unwrap(), &name]);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(real.holds(&image.digest()));
    let key = real.path("ca.key");
    let run = real.mirror("pull", &["--ca-file", key.to_str().unwrap(), &name]);
    assert_eq!(run.status.code(), Some(2), "a key is no certificate");
}

/// A store with an image, its signature tag and a referrer, made from a layout that is imported by `pull` from a registry of
/// the testkit; gives the image and the referrer's digest.
fn stocked(real: &Real) -> (Image, String, sealock_testkit::Registry) {
    let outside = sealock_testkit::Registry::start();
    let image = Image::new(&format!("{}/demo/app", outside.host()), "real");
    outside.image("1", &image);
    let sigstore = sealock_testkit::Sigstore::new(7);
    let identity = sealock_testkit::Identity::example();
    outside.layers(&image, ".sig", &[sigstore.sign_keyless(&identity, &image)]);
    let referrer = outside.referrer(&image, &sigstore.keyless(&identity).image_statement(&image.digest()));
    let run = real.mirror("pull", &["--plain-http", &outside.host(), &format!("{}:1", image.repository)]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    (image, referrer, outside)
}

fn skopeo(real: &Real, more: &[&str]) -> Output {
    let run = Command::new("skopeo").arg("--insecure-policy").args(more).output().unwrap();
    assert!(run.status.success(), "{}: {}", real.host, String::from_utf8_lossy(&run.stderr));
    run
}

#[test]
fn push_to_a_plain_registry() {
    let Some(real) = Real::start("", "") else { return };
    let (image, referrer, outside) = stocked(&real);
    let target = format!("{}/in", real.host);
    let flags = ["-o", "json", "--plain-http", &real.host, &target];
    let report = json(&real.mirror("push", &flags));
    assert_eq!(report["images"][0]["fate"], "pushed", "{report}");
    // skopeo reads the image, its signature and the index of referrers, byte for byte.
    let stem = image.digest().replace(':', "-");
    let raw = |name: &str| {
        let from = format!("docker://{}/in/demo/app{name}", real.host);
        skopeo(&real, &["inspect", "--raw", "--tls-verify=false", &from]).stdout
    };
    assert_eq!(raw(":1"), image.manifest);
    let signature = outside.tag("demo/app", &format!("{stem}.sig")).unwrap();
    assert_eq!(Some(raw(&format!(":{stem}.sig"))), outside.held("demo/app", &signature));
    assert_eq!(Some(raw(&format!("@{referrer}"))), outside.held("demo/app", &referrer));
    let index: Value = serde_json::from_slice(&raw(&format!(":{stem}"))).unwrap();
    assert_eq!(index["manifests"][0]["digest"], referrer, "the registry has no referrers API");
    let copy = format!("dir:{}", real.path("copy").display());
    let from = format!("docker://{}/in/demo/app:1", real.host);
    skopeo(&real, &["copy", "--src-tls-verify=false", &from, &copy]);
    // Once more nothing is sent; and both places are equal.
    let again = json(&real.mirror("push", &flags));
    assert_eq!((&again["sent"]["blobs"], &again["sent"]["manifests"]), (&0.into(), &0.into()), "{again}");
    let store = real.path("store");
    let run =
        real.mirror("diff", &["--plain-http", &real.host, store.to_str().unwrap(), &format!("{target}/")]);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    // A signature that is made inside stays when the store is pushed again.
    let inside = Image { repository: format!("{}/in/demo/app", real.host), ..image.clone() };
    let key = sealock_testkit::Sigstore::new(7).key("inside", sealock_testkit::Algorithm::P256);
    let sigstore = sealock_testkit::Sigstore::new(7);
    let own = sigstore.keyed(&key).image(&inside.repository, &inside.digest()).layer();
    let layout = sealock_testkit::Layout::new().image(&format!("{}:1", inside.repository), &inside);
    layout.signature(&inside, &own).write(real.path("signed"));
    let name = format!("{}:{stem}.sig", inside.repository);
    let from = format!("oci:{}:{name}", real.path("signed").display());
    skopeo(
        &real,
        &["copy", "--preserve-digests", "--dest-tls-verify=false", &from, &format!("docker://{name}")],
    );
    let report = json(&real.mirror("push", &flags));
    assert_eq!(report["images"][0]["evidence"][0]["tag"], "merged", "{report}");
    let manifest: Value = serde_json::from_slice(&raw(&format!(":{stem}.sig"))).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
    // The united manifest is an image to skopeo, with a configuration that fits.
    let from = format!("docker://{name}");
    let signatures = real.path("signatures");
    skopeo(&real, &["copy", "--src-tls-verify=false", &from, &format!("dir:{}", signatures.display())]);
    skopeo(&real, &["inspect", "--config", "--tls-verify=false", &from]);
}

#[test]
fn push_with_a_password_and_mounts() {
    let Some(real) = Real::start("", "auth:\n  htpasswd:\n    realm: real\n    path: AT/htpasswd\n") else {
        return;
    };
    if !real.path("htpasswd").exists() {
        eprintln!("skipped: htpasswd is not on this machine");
        return;
    }
    let (image, _, outside) = stocked(&real);
    let mut other = image.clone();
    other.repository = format!("{}/demo/other", outside.host());
    outside.image("1", &other);
    let run = real.mirror("pull", &["--plain-http", &outside.host(), &format!("{}:1", other.repository)]);
    assert!(run.status.success());
    let target = format!("{}/in", real.host);
    let flags = ["-o", "json", "--plain-http", &real.host, &target];
    assert_eq!(real.mirror("push", &flags).status.code(), Some(3));
    std::fs::create_dir_all(real.path("docker")).unwrap();
    let auth = sealock_testkit::base64(b"user:secret");
    std::fs::write(
        real.path("docker/config.json"),
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, real.host),
    )
    .unwrap();
    let run = real.mirror("push", &flags);
    let report = json(&run);
    assert_eq!(run.status.code(), Some(0), "{report}");
    assert!(report["sent"]["mounted"].as_u64().unwrap() >= 2, "{report}");
}

#[test]
fn push_with_tls_of_a_private_authority_and_large_layers() {
    let Some(real) = Real::start("  tls:\n    certificate: AT/tls.pem\n    key: AT/tls.key\n", "") else {
        return;
    };
    let outside = sealock_testkit::Registry::start();
    let layer: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let image = Image::with_layers(&format!("{}/demo/app", outside.host()), "linux/amd64", &[layer]);
    outside.image("1", &image);
    let name = format!("{}:1", image.repository);
    assert!(real.mirror("pull", &["--plain-http", &outside.host(), &name]).status.success());
    let stranger =
        real.mirror("push", &["-o", "json", "--connect-timeout", "2", "--in-flight", "1", &real.host]);
    assert_eq!(stranger.status.code(), Some(3), "an authority that nobody named is not trusted");
    let ca = real.path("ca.pem");
    let run = real.mirror("push", &["-o", "json", "--ca-file", ca.to_str().unwrap(), &real.host]);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    let from = format!("docker://{}/demo/app:1", real.host);
    let copy = format!("dir:{}", real.path("copy").display());
    skopeo(&real, &["copy", "--src-tls-verify=false", &from, &copy]);
}

/// A transfer that is published comes back with skopeo as the files that it was.
#[test]
fn push_a_transfer_to_a_plain_registry() {
    let Some(real) = Real::start("", "") else { return };
    let (_, _, _outside) = stocked(&real);
    let path = |name: &str| real.path(name).to_str().unwrap().to_owned();
    let key = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out", &path("k")]).output();
    if !key.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: openssl is not on this machine");
        return;
    }
    let (named, operators, output) = (format!("olga={}", path("k")), path("operators.json"), path("t.tar"));
    assert!(real.mirror("operators", &["init", "--key", &named, "-o", &operators]).status.success());
    let key = path("k");
    let seal = [
        "--audience",
        "far",
        "--operators",
        &operators,
        "--key",
        &key,
        "--segment-size",
        "16K",
        "-o",
        &output,
    ];
    assert!(real.mirror("seal", &seal).status.success());
    let first = path("t.tar.000");
    let target = format!("{}/transfers", real.host);
    let run = real.mirror("push", &["-o", "json", "--plain-http", &real.host, "--seal", &first, &target]);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    let copy = real.path("copy");
    let from = format!("docker://{target}:seal-far-1");
    let to = format!("dir:{}", copy.display());
    skopeo(&real, &["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(copy.join("manifest.json")).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert!(layers.len() > 2, "{manifest}");
    for layer in layers {
        let title = layer["annotations"]["org.opencontainers.image.title"].as_str().unwrap();
        let hex = layer["digest"].as_str().unwrap().trim_start_matches("sha256:");
        assert!(
            std::fs::read(copy.join(hex)).unwrap() == std::fs::read(real.path(title)).unwrap(),
            "{title}"
        );
    }
}
