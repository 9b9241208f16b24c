//! A published TUF repository over loopback, with every misbehaviour of a server scripted.
//!
//! | to | use |
//! |---|---|
//! | serve what is published, and 404 for everything else | [`TufServer::publish`] |
//! | answer one file with anything: 403, 500, endless, short, silent | [`TufServer::answer`], [`TufServer::answer_once`] |
//! | take a file away, or serve it slowly | [`TufServer::withhold`], [`crate::Registry::slow`] |
//! | count requests | [`TufServer::count`], [`TufServer::asked`] |
//!
//! It stands on the scripted registry, which may hold images at the same time ([`TufServer::registry`]).

use std::collections::BTreeMap;

use super::Published;
use crate::registry::{Registry, Reply};

/// Folder below which the repository lies.
const FOLDER: &str = "/tuf";

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct TufServer {
    registry: Registry,
}

impl TufServer {
    /// Starts a server that has nothing.
    pub fn start() -> TufServer {
        TufServer { registry: Registry::start() }
    }

    /// Starts a server of a repository.
    pub fn of(published: &Published) -> TufServer {
        let server = TufServer::start();
        server.publish(published);
        server
    }

    /// Serves a repository in place of what was served, and forgets what was scripted.
    pub fn publish(&self, published: &Published) {
        self.publish_files(&published.files);
    }

    /// As [`TufServer::publish`], for files by published name.
    pub fn publish_files(&self, files: &BTreeMap<String, Vec<u8>>) {
        self.registry.clear_script();
        for (name, bytes) in files {
            self.answer(name, Reply::content("application/octet-stream", bytes));
        }
    }

    /// Answers a file with `reply` from now on.
    pub fn answer(&self, name: &str, reply: Reply) {
        self.registry.script(&request(name), reply);
    }

    /// Answers a file with `reply` once, then as before.
    pub fn answer_once(&self, name: &str, reply: &Reply) {
        self.registry.script_times(&request(name), 1, reply);
    }

    /// Answers 404 for a file.
    pub fn withhold(&self, name: &str) {
        self.answer(name, Reply::status(404).body(b"not found\n"));
    }

    /// How often a file was asked for.
    pub fn count(&self, name: &str) -> usize {
        self.registry.count(&request(name))
    }

    /// Every name that was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        let below = format!("{FOLDER}/");
        let requests = self.registry.requests();
        requests.iter().filter_map(|r| r.path.strip_prefix(&below).map(str::to_owned)).collect()
    }

    /// `http://127.0.0.1:PORT/tuf`.
    pub fn url(&self) -> String {
        format!("http://{}{FOLDER}", self.host())
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.registry.host()
    }

    /// The registry on the same port.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn request(name: &str) -> String {
    format!("GET {FOLDER}/{name}")
}
