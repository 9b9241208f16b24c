//! What an honest registry answers.

use super::wire::{Request, Shape};
use super::{Access, Reply, Repository, Server, State};
use crate::layout::INDEX;
use crate::{base64, sha256_digest};

/// Answers a request: the script first, then access, then content.
pub(super) fn answer(state: &mut State, server: &Server, request: &Request) -> Reply {
    let key = format!("{} {}", request.method, request.path);
    if let Some(script) = state.script.get_mut(&key) {
        match script.front() {
            Some((reply, true)) => return reply.clone(),
            Some((reply, false)) => {
                let reply = reply.clone();
                script.pop_front();
                return reply;
            }
            None => {}
        }
    }
    if request.path == "/token" {
        return token(state, server, request);
    }
    if let Some(refusal) = refuse(state, server, request) {
        return refusal;
    }
    let Some(rest) = request.path.strip_prefix("/v2/") else { return not_found() };
    if rest.is_empty() {
        return Reply::content("application/json", b"{}");
    }
    for (kind, act) in [
        ("/manifests/", manifests as fn(&mut State, &Server, &Request, &str, &str) -> Reply),
        ("/blobs/uploads/", uploads),
        ("/blobs/", blobs),
        ("/referrers/", referrers),
        ("/tags/", tags),
    ] {
        if let Some((path, what)) = rest.rsplit_once(kind) {
            return act(state, server, request, path, what);
        }
    }
    not_found()
}

fn not_found() -> Reply {
    Reply::status(404).header("Content-Type", "text/plain; charset=utf-8").body(b"404 page not found\n")
}

fn refuse(state: &State, server: &Server, request: &Request) -> Option<Reply> {
    let given = request.header("authorization").unwrap_or("");
    let (fine, challenge) = match &server.options.access {
        Access::Open => return None,
        Access::Basic { user, password } => (
            given == format!("Basic {}", base64(format!("{user}:{password}").as_bytes())),
            r#"Basic realm="testkit""#.to_owned(),
        ),
        Access::Token { .. } => {
            let scope = request
                .path
                .strip_prefix("/v2/")
                .and_then(|rest| {
                    let ends = ["/manifests/", "/blobs/", "/referrers/", "/tags/"];
                    ends.iter().find_map(|end| rest.split_once(end)).map(|(path, _)| path)
                })
                .map(|path| format!(r#",scope="repository:{path}:pull""#))
                .unwrap_or_default();
            (
                given
                    .strip_prefix("Bearer token-")
                    .and_then(|n| n.parse().ok())
                    .is_some_and(|n: u64| n > 0 && n <= state.tokens),
                format!(r#"Bearer realm="http://{}/token",service="testkit"{scope}"#, server.address),
            )
        }
    };
    (!fine).then(|| Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge))
}

fn token(state: &mut State, server: &Server, request: &Request) -> Reply {
    let Access::Token { user, identity, seconds } = &server.options.access else { return not_found() };
    let fine = if request.method == "POST" {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        identity.as_ref().is_some_and(|identity| {
            body.contains("grant_type=refresh_token") && body.contains(&format!("refresh_token={identity}"))
        })
    } else {
        let given = request.header("authorization").unwrap_or("");
        user.as_ref().is_none_or(|(user, password)| {
            given == format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
        })
    };
    if !fine {
        return Reply::error(401, "UNAUTHORIZED");
    }
    state.tokens += 1;
    let body =
        format!(r#"{{"token":"token-{0}","access_token":"token-{0}","expires_in":{seconds}}}"#, state.tokens);
    Reply::content("application/json", body.as_bytes())
}

fn manifests(state: &mut State, server: &Server, request: &Request, path: &str, reference: &str) -> Reply {
    if request.method == "PUT" {
        let media_type = request.header("content-type").unwrap_or("").to_owned();
        let tag = if reference.contains(':') { "" } else { reference };
        if reference.contains(':') && reference != sha256_digest(&request.body) {
            return Reply::error(400, "DIGEST_INVALID");
        }
        let digest = state.keep_manifest(path, tag, &media_type, &request.body);
        let reply = Reply::status(201)
            .header("Location", &format!("/v2/{path}/manifests/{reference}"))
            .header("Docker-Content-Digest", &digest);
        return match subject_of(&request.body) {
            Some(subject) if server.options.referrers => reply.header("OCI-Subject", &subject),
            _ => reply,
        };
    }
    let Some(repository) = state.repositories.get(path) else { return Reply::error(404, "NAME_UNKNOWN") };
    let digest = repository.tags.iter().find(|(tag, _)| tag == reference).map(|(_, digest)| digest.as_str());
    let digest = digest.unwrap_or(reference);
    match repository.manifests.get(digest) {
        Some(kept) => Reply::content(&kept.media_type, &kept.bytes).header("Docker-Content-Digest", digest),
        None => Reply::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn blobs(state: &mut State, _: &Server, request: &Request, path: &str, digest: &str) -> Reply {
    let Some(blob) = state.repositories.get(path).and_then(|r| r.blobs.get(digest)) else {
        return Reply::error(404, "BLOB_UNKNOWN");
    };
    let reply = Reply::content("application/octet-stream", blob)
        .header("Docker-Content-Digest", digest)
        .header("Accept-Ranges", "bytes");
    let Some(range) = request.header("range") else { return reply };
    let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    if from >= blob.len() {
        // As docker-registry 2.8: a length and no body.
        return Reply::status(416).header("Content-Length", "147").shape(Shape::Announced(147));
    }
    let mut reply = reply.body(&blob[from..]);
    reply.status = 206;
    reply.header("Content-Range", &format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()))
}

fn uploads(state: &mut State, server: &Server, request: &Request, path: &str, upload: &str) -> Reply {
    if request.broken {
        // What came before the connection broke is kept.
        if let Some(bytes) = upload.parse().ok().and_then(|id| state.uploads.get_mut(&id)) {
            bytes.extend_from_slice(&request.body);
        }
        return Reply::status(0).shape(Shape::Hangup);
    }
    match request.method.as_str() {
        "GET" => match upload.parse().ok().and_then(|id| state.uploads.get(&id).map(|b| (id, b.len()))) {
            Some((id, length)) => Reply { status: 204, ..accepted(server, path, id, length) },
            None => Reply::error(404, "BLOB_UPLOAD_UNKNOWN"),
        },
        "POST" => {
            if let (Some(digest), Some(from)) = (request.parameter("mount"), request.parameter("from")) {
                let bytes = state.repositories.get(&from).and_then(|r| r.blobs.get(&digest)).cloned();
                let refused = state.unmounted.contains(&(path.to_owned(), digest.clone()));
                if let Some(bytes) = bytes.filter(|_| !refused) {
                    let repository = state.repositories.entry(path.to_owned()).or_default();
                    repository.blobs.insert(digest.clone(), bytes);
                    return Reply::status(201)
                        .header("Location", &format!("/v2/{path}/blobs/{digest}"))
                        .header("Docker-Content-Digest", &digest);
                }
            }
            if let Some(digest) = request.parameter("digest") {
                return finish(state, path, &digest, request.body.clone());
            }
            state.next_upload += 1;
            let id = state.next_upload;
            state.uploads.insert(id, Vec::new());
            accepted(server, path, id, 0)
        }
        "PATCH" => {
            let Some((id, bytes)) =
                upload.parse().ok().and_then(|id| state.uploads.get_mut(&id).map(|b| (id, b)))
            else {
                return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
            };
            let range = request.header("content-range").and_then(|r| r.split_once('-'));
            if range.and_then(|(from, _)| from.parse().ok()).is_some_and(|from: usize| from != bytes.len()) {
                return Reply { status: 416, ..accepted(server, path, id, bytes.len()) };
            }
            bytes.extend_from_slice(&request.body);
            let length = bytes.len();
            accepted(server, path, id, length)
        }
        "PUT" => {
            let (Some(mut bytes), Some(digest)) =
                (upload.parse().ok().and_then(|id| state.uploads.remove(&id)), request.parameter("digest"))
            else {
                return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
            };
            bytes.extend_from_slice(&request.body);
            finish(state, path, &digest, bytes)
        }
        _ => Reply::error(405, "UNSUPPORTED"),
    }
}

fn accepted(server: &Server, path: &str, id: u64, length: usize) -> Reply {
    Reply::status(202)
        .header("Location", &format!("http://{}/v2/{path}/blobs/uploads/{id}", server.address))
        .header("Docker-Upload-UUID", &id.to_string())
        .header("Range", &format!("0-{}", length.saturating_sub(1)))
}

fn finish(state: &mut State, path: &str, digest: &str, bytes: Vec<u8>) -> Reply {
    if sha256_digest(&bytes) != digest {
        return Reply::error(400, "DIGEST_INVALID");
    }
    let repository = state.repositories.entry(path.to_owned()).or_default();
    repository.blobs.insert(digest.to_owned(), bytes);
    Reply::status(201)
        .header("Location", &format!("/v2/{path}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest)
}

fn referrers(state: &mut State, server: &Server, request: &Request, path: &str, subject: &str) -> Reply {
    if !server.options.referrers {
        return not_found();
    }
    let all: Vec<String> = state
        .repositories
        .get(path)
        .map(|r: &Repository| {
            r.referrers.iter().filter(|(on, _)| on == subject).map(|(_, d)| d.clone()).collect()
        })
        .unwrap_or_default();
    let from: usize = request.parameter("from").and_then(|n| n.parse().ok()).unwrap_or(0);
    let (page, next) = paged(&all, from, server.options.page);
    let reply = Reply::content(INDEX, &index_of(page));
    match next {
        Some(next) => {
            reply.header("Link", &format!("</v2/{path}/referrers/{subject}?from={next}>; rel=\"next\""))
        }
        None => reply,
    }
}

fn tags(state: &mut State, server: &Server, request: &Request, path: &str, _: &str) -> Reply {
    let Some(repository) = state.repositories.get(path) else { return Reply::error(404, "NAME_UNKNOWN") };
    let all: Vec<String> = repository.tags.iter().map(|(tag, _)| format!("\"{tag}\"")).collect();
    let last = request.parameter("last").map(|last| format!("\"{last}\""));
    let from = last.and_then(|last| all.iter().position(|tag| *tag == last)).map_or(0, |at| at + 1);
    let (page, next) = paged(&all, from, server.options.page);
    let body = format!(r#"{{"name":"{path}","tags":[{}]}}"#, page.join(","));
    let reply = Reply::content("application/json", body.as_bytes());
    match (next, page.last()) {
        (Some(_), Some(last)) => {
            let last = last.trim_matches('"');
            reply
                .header("Link", &format!("</v2/{path}/tags/list?last={last}&n={}>; rel=\"next\"", page.len()))
        }
        _ => reply,
    }
}

fn paged(all: &[String], from: usize, page: usize) -> (&[String], Option<usize>) {
    let from = from.min(all.len());
    let to = if page == 0 { all.len() } else { (from + page).min(all.len()) };
    (&all[from..to], (to < all.len()).then_some(to))
}

/// An index of descriptors given as JSON text.
pub(super) fn index_of(entries: &[String]) -> Vec<u8> {
    format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, entries.join(",")).into_bytes()
}

/// The digest in `"subject":{…"digest":"…"…}`, as compact JSON has it.
pub(super) fn subject_of(manifest: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(manifest).ok()?;
    let (_, rest) = text.split_once(r#""subject":{"#)?;
    let (_, rest) = rest.split_once(r#""digest":""#)?;
    rest.split_once('"').map(|(digest, _)| digest.to_owned())
}
