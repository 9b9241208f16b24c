//! TLS in front of a registry on loopback: HTTP/1.1 passed through, or HTTP/2 answered from it; with or without a demand
//! for the client's certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;

/// An authority, a certificate of it for 127.0.0.1 and registry.example.com, one for a client, and a stranger's.
pub fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = "set -e
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1; }
        authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -subj /CN=$1 -days 2; }
        sign() { openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -out $1.pem -days 2 -extfile ext; }
        printf 'subjectAltName=IP:127.0.0.1,DNS:registry.example.com\\nbasicConstraints=CA:FALSE\\n' > ext
        authority ca; authority other; new server; sign server ca; new client; sign client ca; new stranger; sign stranger other";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success(), "openssl makes certificates");
    folder
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

/// What a front saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Protocols that each connection offered.
    pub offered: Vec<Vec<String>>,
    /// Requests over HTTP/2.
    pub streams: Vec<String>,
}

/// A running front; it ends with the test.
pub struct Front {
    pub host: String,
    seen: Arc<Mutex<Seen>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Front {
    fn drop(&mut self) {
        // A test may be asynchronous itself, and must not wait here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How a front behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Whether the client must show a certificate of the authority.
    pub asks: bool,
    /// Whether it speaks HTTP/2 where that is offered.
    pub two: bool,
}

impl Front {
    pub fn start(folder: &Path, registry: &str, manner: Manner) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if manner.asks {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(chain(&folder.join("ca.pem")));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let mut config = builder.with_single_cert(chain(&folder.join("server.pem")), key).unwrap();
        config.alpn_protocols =
            if manner.two { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let config = Arc::new(config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (registry, remembered) = (registry.to_owned(), Arc::clone(&seen));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((connection, _)) = listener.accept().await {
                let (config, registry) = (Arc::clone(&config), registry.clone());
                tokio::spawn(answer(connection, config, registry, Arc::clone(&remembered)));
            }
        });
        Self { host: address.to_string(), seen, runtime: Some(runtime) }
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().offered.len()
    }

    pub fn offered(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().offered.clone()
    }

    pub fn streams(&self) -> Vec<String> {
        self.seen.lock().unwrap().streams.clone()
    }
}

async fn answer(
    connection: TcpStream,
    config: Arc<ServerConfig>,
    registry: String,
    seen: Arc<Mutex<Seen>>,
) -> Option<()> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), connection).await.ok()?;
    let text = |protocol: &[u8]| String::from_utf8_lossy(protocol).into_owned();
    let offered = hello.client_hello().alpn().map(|all| all.map(text).collect()).unwrap_or_default();
    seen.lock().unwrap().offered.push(offered);
    let mut tls = hello.into_stream(config).await.ok()?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        let mut upstream = TcpStream::connect(&registry).await.ok()?;
        tokio::io::copy_bidirectional(&mut tls, &mut upstream).await.ok()?;
        return None;
    }
    let mut streams = h2::server::handshake(tls).await.ok()?;
    while let Some(Ok((request, respond))) = streams.accept().await {
        seen.lock().unwrap().streams.push(format!("{} {}", request.method(), request.uri().path()));
        tokio::spawn(stream(request, respond, registry.clone()));
    }
    None
}

/// Answers one request with what the registry answers.
async fn stream(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<bytes::Bytes>,
    registry: String,
) -> Option<()> {
    let mut upstream = TcpStream::connect(&registry).await.ok()?;
    let path = request.uri().path_and_query()?;
    let head = format!("{} {path} HTTP/1.1\r\nHost: {registry}\r\n\r\n", request.method());
    upstream.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    let mut length = None;
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        if let (Some(end), None) = (end, length) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let stated = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length = Some(end + stated.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0));
        }
        if request.method() == http::Method::HEAD && end.is_some() || length.is_some_and(|l| bytes.len() >= l)
        {
            break;
        }
        if upstream.read_buf(&mut bytes).await.ok()? == 0 {
            break;
        }
    }
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status: u16 = head.split_whitespace().nth(1)?.parse().ok()?;
    let mut answer = http::Response::builder().status(status);
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        answer = answer.header(name, value);
    }
    let body = bytes::Bytes::copy_from_slice(&bytes[end..]);
    let mut send = respond.send_response(answer.body(()).ok()?, body.is_empty()).ok()?;
    if !body.is_empty() {
        send.send_data(body, true).ok()?;
    }
    None
}
