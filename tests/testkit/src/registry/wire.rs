//! HTTP/1.1 as far as registries need it: requests in, answers out, connections kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Reply, Server};

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether only a part of the body was read.
    pub broken: bool,
}

impl Request {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A value of the query, undecoded but for `%3A` and `%2F`.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(n, _)| *n == name).map(|(_, v)| v.replace("%3A", ":").replace("%2F", "/")).next()
    }
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All of it, with its length.
    Whole,
    /// All of it, and the announced length is this; the connection closes after it.
    Announced(usize),
    /// Its bytes over and over, in chunks, without an end.
    Endless,
    /// The connection closes without an answer.
    Hangup,
    /// Nothing is sent until the client has gone.
    Silence,
}

/// Answers one connection until it ends.
pub(super) fn serve(server: &Server, connection: &TcpStream) {
    let _ = connection.set_nodelay(true);
    let _ = connection.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = connection.set_write_timeout(Some(Duration::from_secs(60)));
    let Ok(reading) = connection.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    let mut writer = connection;
    while let Some(request) = read(&mut reader, server) {
        let (reply, pause) = {
            let mut state = server.state.lock().unwrap();
            state.requests.push(request.clone());
            let reply = super::answer::answer(&mut state, server, &request);
            (reply, state.slow)
        };
        if request.header("expect").is_some() {
            let _ = writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if !write(&mut writer, &request, &reply, pause) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, server: &Server) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut request = Request { method, path, query, headers, body: Vec::new(), broken: false };
    request.body = if request.header("transfer-encoding").is_some() {
        chunks(reader)?
    } else {
        let length = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let (most, pause) = {
            let mut state = server.state.lock().unwrap();
            let upload = request.path.contains("/blobs/uploads/");
            let cut = if upload && state.cuts.first().is_some_and(|cut| *cut < length) {
                Some(state.cuts.remove(0))
            } else {
                None
            };
            (cut, state.slow)
        };
        request.broken = most.is_some();
        let mut body = vec![0; most.unwrap_or(length)];
        for piece in body.chunks_mut(64 * 1024) {
            if length > 64 * 1024 {
                std::thread::sleep(pause);
            }
            reader.read_exact(piece).ok()?;
        }
        body
    };
    Some(request)
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// Sends an answer; tells whether the connection may go on.
fn write(out: &mut &TcpStream, request: &Request, reply: &Reply, pause: Duration) -> bool {
    use std::fmt::Write as _;
    match reply.shape {
        Shape::Hangup => return false,
        Shape::Silence => {
            // Until the client goes, or a minute has passed.
            let _ = out.read(&mut [0; 1]);
            return false;
        }
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let length = match reply.shape {
        Shape::Announced(length) => length,
        _ => reply.body.len(),
    };
    if reply.shape == Shape::Endless {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        if out.write_all(head.as_bytes()).is_err() {
            return false;
        }
        let piece = reply.body.repeat((64 * 1024 / reply.body.len().max(1)).max(1));
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(&piece);
        chunk.extend_from_slice(b"\r\n");
        // A client that does not stop is stopped after 1 GiB.
        for _ in 0..16 * 1024 {
            if out.write_all(&chunk).is_err() {
                return false;
            }
        }
        return false;
    }
    if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if request.method == "HEAD" {
        return out.write_all(&bytes).is_ok();
    }
    if pause.is_zero() {
        bytes.extend_from_slice(&reply.body);
        return out.write_all(&bytes).is_ok() && length == reply.body.len();
    }
    if out.write_all(&bytes).is_err() {
        return false;
    }
    for piece in reply.body.chunks(64 * 1024) {
        std::thread::sleep(pause);
        if out.write_all(piece).is_err() {
            return false;
        }
    }
    length == reply.body.len()
}
