//! An HTTP proxy over loopback: plain requests and `CONNECT`, with or without credentials, and hosts that exist nowhere.
//!
//! It leads each `host:port` to where [`Proxy::lead`] says, else to that address itself, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base64;

#[derive(Debug, Default)]
struct State {
    leads: BTreeMap<String, String>,
    /// `METHOD target` of each request.
    asked: Vec<String>,
    /// A status that every request gets.
    refusal: Option<u16>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    credentials: Option<(String, String)>,
    state: Mutex<State>,
    stopped: AtomicBool,
}

/// A running proxy; it takes no new connections once dropped.
#[derive(Debug)]
pub struct Proxy {
    server: Arc<Server>,
}

impl Proxy {
    /// Starts one for everybody.
    pub fn start() -> Proxy {
        Proxy::for_whom(None)
    }

    /// Starts one that asks for a user and a password.
    pub fn with_password(user: &str, password: &str) -> Proxy {
        Proxy::for_whom(Some((user.to_owned(), password.to_owned())))
    }

    fn for_whom(credentials: Option<(String, String)>) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Server {
            address,
            credentials,
            state: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&server);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let server = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&server, &connection));
            }
        });
        Proxy { server }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Its URL with credentials.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}", self.server.address)
    }

    /// Leads `host:port` to another address.
    pub fn lead(&self, from: &str, to: &str) {
        self.server.state.lock().unwrap().leads.insert(from.to_owned(), to.to_owned());
    }

    /// Answers everything with this status from now on.
    pub fn refuse(&self, status: u16) {
        self.server.state.lock().unwrap().refusal = Some(status);
    }

    /// `METHOD target` of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.server.state.lock().unwrap().asked.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.server.address);
    }
}

/// Answers one request of a connection.
fn serve(server: &Server, client: &TcpStream) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut client = client;
    let Some((first, headers)) = head(&mut reader) else { return };
    let mut words = first.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let header =
        |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let refusal = {
        let mut state = server.state.lock().unwrap();
        state.asked.push(format!("{method} {target}"));
        state.refusal
    };
    let wanted = server
        .credentials
        .as_ref()
        .map(|(user, password)| format!("Basic {}", base64(format!("{user}:{password}").as_bytes())));
    let status = match refusal {
        None if wanted.is_some() && header("proxy-authorization") != wanted.as_deref() => Some(407),
        other => other,
    };
    if let Some(status) = status {
        let challenge = if status == 407 { "Proxy-Authenticate: Basic realm=\"proxy\"\r\n" } else { "" };
        let _ = write!(
            client,
            "HTTP/1.1 {status} no\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        return;
    }
    let (authority, path) = match target.strip_prefix("http://") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => (target, ""),
    };
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let to = server.state.lock().unwrap().leads.get(&authority).cloned().unwrap_or(authority);
    let Ok(upstream) = TcpStream::connect(&to) else {
        let _ =
            client.write_all(b"HTTP/1.1 502 nobody there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    };
    if method == "CONNECT" {
        let _ = client.write_all(b"HTTP/1.1 200 connected\r\n\r\n");
        tunnel(reader, client, &upstream);
        return;
    }
    let mut request = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers.iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("proxy-")) {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    request.extend_from_slice(b"\r\n");
    if (&upstream).write_all(&request).is_err() {
        return;
    }
    let mut upstream = BufReader::new(upstream);
    let Some((first, headers)) = head(&mut upstream) else { return };
    let mut answer = format!("{first}\r\n").into_bytes();
    let mut length = 0;
    for (name, value) in &headers {
        let _ = write!(answer, "{name}: {value}\r\n");
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    answer.extend_from_slice(b"Connection: close\r\n\r\n");
    let _ = client.write_all(&answer);
    if method != "HEAD" {
        let _ = std::io::copy(&mut upstream.take(length), &mut client);
    }
}

/// First line and headers.
fn head(reader: &mut impl BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let next = line()?;
        if next.is_empty() {
            return Some((first, headers));
        }
        let (name, value) = next.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Copies both ways until one side ends.
fn tunnel(mut from_client: BufReader<TcpStream>, client: &TcpStream, upstream: &TcpStream) {
    let (Ok(mut to_client), Ok(mut to_upstream)) = (client.try_clone(), upstream.try_clone()) else { return };
    let Ok(mut from_upstream) = upstream.try_clone() else { return };
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_upstream, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut from_client, &mut to_upstream);
    let _ = to_upstream.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}
