//! Docker's configuration file: who holds which credentials for which registry.
//!
//! Input: the file's bytes. Output: what to do for a registry ([`Lookup`]), and the bytes with one entry changed.
//!
//! | rule | source |
//! |---|---|
//! | `credHelpers` for the host, then `auths`, then `credsStore` | docker CLI, which asks a helper first |
//! | keys are hosts, with or without scheme and `/v1/`, `/v2/` | docker CLI writes `https://index.docker.io/v1/` |
//! | `auth` is base64 of `user:password`; `identitytoken` goes before it | docker CLI |
//! | a helper's name is letters, digits, `_`, `-`, `.` | it becomes the name of a program |
//! | what is not ours in the file stays as it is | |
//!
//! Not here: reading and writing the file, running helpers (`cli`).
//!
//! Attacks considered: a helper's name with a path in it, a password in an error text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::registry::token::Credential;

/// Largest configuration that is read, and largest answer of a helper, in bytes.
pub const MAX: u64 = 1024 * 1024;

/// What a configuration says about a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing.
    None,
    /// This.
    Held(Credential),
    /// Ask `docker-credential-<name>` for this server.
    Helper {
        /// Name without `docker-credential-`.
        name: String,
        /// What to ask for.
        server: String,
    },
}

/// A configuration.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    root: Map<String, Value>,
}

impl Configuration {
    /// Reads one; empty text is an empty one.
    ///
    /// # Errors
    /// In one line, without content.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(root)) => Ok(Self { root }),
            Ok(_) => Err("it is not a JSON object".to_owned()),
            Err(e) => Err(format!("it is not JSON (line {}, column {})", e.line(), e.column())),
        }
    }

    /// What it says about a registry.
    ///
    /// # Errors
    /// Where an entry is there and cannot be understood.
    pub fn look_up(&self, registry: &str) -> Result<Lookup, String> {
        if let Some(name) = self.section("credHelpers").and_then(|all| entry(all, registry)) {
            return helper(name.1, registry);
        }
        if let Some((key, Value::Object(entry))) = self.section("auths").and_then(|all| entry(all, registry))
        {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
            if let Some(token) = text("identitytoken") {
                return Ok(Lookup::Held(Credential::Identity { token: token.to_owned() }));
            }
            if let Some(auth) = text("auth") {
                let broken = || format!("the entry for {key} holds no base64 of user:password");
                let bytes = STANDARD.decode(auth).map_err(|_| broken())?;
                let text = String::from_utf8(bytes).map_err(|_| broken())?;
                let (user, password) = text.split_once(':').ok_or_else(broken)?;
                // docker pads passwords with NUL.
                let password = password.trim_end_matches('\0').to_owned();
                return Ok(Lookup::Held(Credential::Password { user: user.to_owned(), password }));
            }
            if let (Some(user), Some(password)) = (text("username"), text("password")) {
                return Ok(Lookup::Held(Credential::Password {
                    user: user.to_owned(),
                    password: password.to_owned(),
                }));
            }
        }
        match self.root.get("credsStore") {
            Some(name) if name.as_str() != Some("") => helper(name, registry),
            _ => Ok(Lookup::None),
        }
    }

    /// The helper that keeps credentials for a registry, where there is one.
    ///
    /// # Errors
    /// Where its name is none.
    pub fn keeper(&self, registry: &str) -> Result<Option<(String, String)>, String> {
        let named = self.section("credHelpers").and_then(|all| entry(all, registry)).map(|(_, v)| v);
        let store = self.root.get("credsStore").filter(|name| name.as_str() != Some(""));
        match named.or(store).map(|name| helper(name, registry)).transpose()? {
            Some(Lookup::Helper { name, server }) => Ok(Some((name, server))),
            _ => Ok(None),
        }
    }

    fn section(&self, name: &str) -> Option<&Map<String, Value>> {
        self.root.get(name).and_then(Value::as_object)
    }

    /// Puts user and password in, or takes the entry out; tells whether anything changed.
    pub fn set(&mut self, registry: &str, credential: Option<(&str, &str)>) -> bool {
        let auths = self.root.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(auths) = auths else { return false };
        let before = auths.len();
        auths.retain(|key, _| !same(key, registry));
        let removed = auths.len() != before;
        if let Some((user, password)) = credential {
            let mut entry = Map::new();
            entry.insert("auth".into(), STANDARD.encode(format!("{user}:{password}")).into());
            auths.insert(server(registry), Value::Object(entry));
            return true;
        }
        removed
    }

    /// As written to the file.
    ///
    /// # Errors
    /// Only where memory fails.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = serde_json::to_vec_pretty(&self.root).map_err(|e| e.to_string())?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The key that docker writes for a registry.
pub fn server(registry: &str) -> String {
    if registry == "index.docker.io" { "https://index.docker.io/v1/".to_owned() } else { registry.to_owned() }
}

fn same(key: &str, registry: &str) -> bool {
    let host = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    host == registry
        || (registry == "index.docker.io" && matches!(host, "docker.io" | "registry-1.docker.io"))
}

fn entry<'m>(all: &'m Map<String, Value>, registry: &str) -> Option<(&'m String, &'m Value)> {
    all.iter().find(|(key, _)| *key == registry).or_else(|| all.iter().find(|(key, _)| same(key, registry)))
}

fn helper(name: &Value, registry: &str) -> Result<Lookup, String> {
    let name = name.as_str().unwrap_or_default();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        return Err("the name of the credential helper is none".to_owned());
    }
    Ok(Lookup::Helper { name: name.to_owned(), server: server(registry) })
}

/// Reads the answer of a helper's `get`.
///
/// # Errors
/// In one line, without content.
pub fn answer(bytes: &[u8]) -> Result<Credential, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|_| "the helper's answer is not JSON".to_owned())?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match (text("Username"), text("Secret")) {
        (Some(user), Some(token)) if user == "<token>" => Ok(Credential::Identity { token }),
        (Some(user), Some(password)) => Ok(Credential::Password { user, password }),
        _ => Err("the helper's answer lacks Username or Secret".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str, registry: &str) -> Result<Lookup, String> {
        Configuration::parse(text.as_bytes()).unwrap().look_up(registry)
    }

    fn password(user: &str, password: &str) -> Lookup {
        Lookup::Held(Credential::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn who_holds_what() {
        let text = r#"{"auths":{"a.io":{"auth":"dTpwOnE="},"https://index.docker.io/v1/":{"auth":"aDpo"},
            "t.io":{"auth":"dTpw","identitytoken":"I"},"bad.io":{"auth":"!"},"empty.io":{}},
            "credHelpers":{"gcr.io":"gcloud","evil.io":"../../bin/x"}}"#;
        assert_eq!(look(text, "a.io").unwrap(), password("u", "p:q"));
        assert_eq!(look(text, "index.docker.io").unwrap(), password("h", "h"));
        assert_eq!(look(text, "t.io").unwrap(), Lookup::Held(Credential::Identity { token: "I".into() }));
        assert_eq!(
            look(text, "gcr.io").unwrap(),
            Lookup::Helper { name: "gcloud".into(), server: "gcr.io".into() }
        );
        assert!(look(text, "bad.io").is_err() && look(text, "evil.io").is_err());
        for none in ["empty.io", "b.io", "xa.io", "a.io.evil.example"] {
            assert_eq!(look(text, none).unwrap(), Lookup::None, "{none}");
        }
        let store = r#"{"auths":{"a.io":{}},"credsStore":"pass"}"#;
        assert_eq!(
            look(store, "a.io").unwrap(),
            Lookup::Helper { name: "pass".into(), server: "a.io".into() }
        );
    }

    #[test]
    fn entries_change_and_the_rest_stays() {
        let mut configuration =
            Configuration::parse(br#"{"HttpHeaders":{"X":"y"},"auths":{"b.io":{}}}"#).unwrap();
        assert!(configuration.set("a.io", Some(("u", "p"))));
        let again = Configuration::parse(&configuration.bytes().unwrap()).unwrap();
        assert_eq!(again.look_up("a.io").unwrap(), password("u", "p"));
        assert!(
            again.root.contains_key("HttpHeaders") && again.section("auths").unwrap().contains_key("b.io")
        );
        assert!(configuration.set("a.io", None) && !configuration.set("a.io", None));
    }

    #[test]
    fn answers_of_helpers() {
        assert_eq!(
            answer(br#"{"ServerURL":"x","Username":"<token>","Secret":"s"}"#),
            Ok(Credential::Identity { token: "s".into() })
        );
        assert!(answer(b"credentials not found").is_err() && answer(b"{}").is_err());
    }
}
