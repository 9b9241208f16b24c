//! Other people's registries on loopback, and their content as HTTP shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A program of somebody else's: built by `.ci/full interop`, or the machine's.
pub fn tool(name: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("SEALOCK_TOOLS").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/sealock-tools"));
    let built = tools.or(home).map(|tools| tools.join("bin").join(name)).filter(|path| path.is_file());
    let here = || Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = built.or_else(|| here().is_ok().then(|| PathBuf::from(name)));
    if found.is_none() {
        println!("skipped: {name} is not here (`.ci/full interop` builds what comes from Go modules)");
    }
    found
}

/// Which registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// go-containerregistry's, with the referrers API.
    Referrers,
    /// Debian's `docker-registry`, without.
    Fallback,
}

pub struct Server {
    child: Child,
    pub host: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start(kind: Kind) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if kind == Kind::Referrers {
            let mut child =
                Command::new(tool("registry")?).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut port = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
            return Some(Self { child, host: format!("127.0.0.1:{}", port.trim()), _folder: folder });
        }
        let program = tool("docker-registry")?;
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.path().join("data").display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        let child =
            command.arg("serve").arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, host: format!("127.0.0.1:{port}"), _folder: folder };
        for _ in 0..200 {
            if TcpStream::connect(&server.host).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen");
    }

    /// Status and body of a `GET`.
    pub fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let accept =
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
        let head = format!("GET {path} HTTP/1.0\r\nHost: {}\r\nAccept: {accept}\r\n\r\n", self.host);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[..12]).split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer[end + 4..].to_vec())
    }

    pub fn manifest(&self, path: &str, reference: &str) -> Option<Vec<u8>> {
        let (status, bytes) = self.get(&format!("/v2/{path}/manifests/{reference}"));
        (status == 200).then_some(bytes)
    }

    pub fn tags(&self, path: &str) -> BTreeSet<String> {
        let (status, bytes) = self.get(&format!("/v2/{path}/tags/list"));
        assert_eq!(status, 200, "{path}");
        let list: Value = serde_json::from_slice(&bytes).unwrap();
        list["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    /// What a repository holds behind its tags and its referrers: digest → bytes.
    pub fn holdings(&self, path: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open: Vec<String> = self.tags(path).into_iter().collect();
        while let Some(reference) = open.pop() {
            if found.contains_key(&reference) {
                continue;
            }
            let bytes =
                self.manifest(path, &reference).unwrap_or_else(|| panic!("{path}: {reference} is gone"));
            let digest = sealock_testkit::sha256_digest(&bytes);
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            let text = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
            open.extend(manifest["manifests"].as_array().into_iter().flatten().map(text));
            for blob in manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config")) {
                let (status, bytes) = self.get(&format!("/v2/{path}/blobs/{}", text(blob)));
                assert_eq!(status, 200, "{path}: {blob}");
                found.insert(text(blob), bytes);
            }
            let (status, referrers) = self.get(&format!("/v2/{path}/referrers/{digest}"));
            if status == 200 {
                let list: Value = serde_json::from_slice(&referrers).unwrap();
                open.extend(list["manifests"].as_array().into_iter().flatten().map(text));
            }
            found.insert(digest, bytes);
        }
        found
    }
}
