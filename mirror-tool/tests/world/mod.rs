//! What the tests share: a client whose clock does not wait.
#![allow(dead_code, reason = "each test target uses its part")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use sealock_mirror::registry::clock::Clock;
use sealock_mirror::registry::token::{Anonymous, Credential, Keychain};
use sealock_mirror::registry::{Network, Registries, Repository};
use sealock_testkit::Registry;

/// A clock on which waiting takes no time, and that remembers how long was waited.
#[derive(Debug, Default)]
pub struct Still {
    now: Mutex<Duration>,
    pub waits: Mutex<Vec<Duration>>,
}

impl Still {
    pub fn waited(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }

    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }
}

impl Clock for Still {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.advance(duration);
        self.waits.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> f64 {
        1.0
    }
}

/// The same credential for everybody.
#[derive(Debug)]
pub struct Held(pub Credential);

impl Keychain for Held {
    fn find(&self, _: &str) -> Result<Option<Credential>, String> {
        Ok(Some(self.0.clone()))
    }
}

pub fn password(user: &str, password: &str) -> Arc<dyn Keychain> {
    Arc::new(Held(Credential::Password { user: user.into(), password: password.into() }))
}

/// A network in which these registries are asked without TLS.
pub fn network(registries: &[&Registry]) -> Network {
    Network {
        plain_http: registries.iter().map(|r| r.host()).collect(),
        read_timeout: Duration::from_millis(1500),
        ..Network::default()
    }
}

pub struct Client {
    pub registries: Registries,
    pub clock: Arc<Still>,
}

pub fn client(network: Network, keychain: Arc<dyn Keychain>) -> Client {
    let clock = Arc::new(Still::default());
    let registries = Registries::new(network, keychain, Arc::<Still>::clone(&clock)).unwrap();
    Client { registries, clock }
}

pub fn anonymous(registry: &Registry) -> Client {
    client(network(&[registry]), Arc::new(Anonymous))
}

pub fn repository(registry: &Registry, path: &str) -> Repository {
    Repository::parse(&format!("{}/{path}", registry.host())).unwrap()
}
