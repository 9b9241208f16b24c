//! Docker's configuration file and credential helpers, read and run.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::credentials::{self, Configuration, Lookup};
use crate::registry::token::{Credential, Keychain};

/// Longest a helper may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Credentials of docker's configuration.
#[derive(Debug)]
pub struct DockerKeychain {
    file: Option<PathBuf>,
}

/// `config.json` in `$DOCKER_CONFIG`, else in `~/.docker`.
pub fn default_place() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("DOCKER_CONFIG")
        .or_else(|| variable("HOME").map(|home| home.join(".docker")))
        .map(|folder| folder.join("config.json"))
}

/// Reads a configuration; one that is not there is an empty one.
///
/// # Errors
/// With the path.
pub fn read(path: &Path) -> Result<Configuration, String> {
    let shown = path.display();
    let bytes = match std::fs::File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(credentials::MAX + 1).read_to_end(&mut bytes).map_err(|e| format!("{shown}: {e}"))?;
            bytes
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Configuration::default()),
        Err(e) => return Err(format!("{shown}: {e}")),
    };
    if bytes.len() as u64 > credentials::MAX {
        return Err(format!("{shown} is larger than {} bytes", credentials::MAX));
    }
    Configuration::parse(&bytes).map_err(|e| format!("{shown}: {e}"))
}

/// Replaces a configuration as a whole; only its owner may read it.
///
/// # Errors
/// With the path.
pub fn write(path: &Path, configuration: &Configuration) -> Result<(), String> {
    let shown = path.display();
    let fault = |e: std::io::Error| format!("{shown}: {e}");
    // A link is followed once, so that the file it leads to is replaced and not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().ok_or_else(|| format!("{shown} has no folder"))?;
    std::fs::create_dir_all(folder).map_err(fault)?;
    let part = folder.join(format!(".config.json.{}.part", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&configuration.bytes().map_err(std::io::Error::other)?)?;
        file.sync_all()?;
        std::fs::rename(&part, &target)?;
        std::fs::File::open(folder)?.sync_all()
    })();
    written.map_err(|e| {
        let _ = std::fs::remove_file(&part);
        fault(e)
    })
}

/// Runs `docker-credential-<name> <verb>` with `input`; its output, or nothing where it knows nothing.
///
/// # Errors
/// In one line, without content.
pub fn helper(name: &str, verb: &str, input: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let program = format!("docker-credential-{name}");
    let fault = |e: std::io::Error| format!("{program}: {e}");
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fault)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input may still answer.
        let _ = stdin.write_all(input);
    }
    let Some(stdout) = child.stdout.take() else { return Err(format!("{program}: no output")) };
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(credentials::MAX + 1).read_to_end(&mut bytes);
        let _ = send.send(read.map(|_| bytes));
    });
    let output = receive.recv_timeout(PATIENCE);
    if !matches!(&output, Ok(Ok(bytes)) if bytes.len() as u64 <= credentials::MAX) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(fault)?;
    let output = match output {
        Ok(Ok(output)) if output.len() as u64 <= credentials::MAX => output,
        Ok(Ok(_)) => return Err(format!("{program} says too much")),
        Ok(Err(e)) => return Err(fault(e)),
        Err(_) => return Err(format!("{program} took longer than {} s", PATIENCE.as_secs())),
    };
    if status.success() {
        return Ok(Some(output));
    }
    // The helpers' protocol has no other way to say it.
    if output.windows(NOT_FOUND.len()).any(|w| w == NOT_FOUND) {
        return Ok(None);
    }
    Err(format!("{program} failed ({status})"))
}

const NOT_FOUND: &[u8] = b"credentials not found";

impl DockerKeychain {
    /// From the file at that place, if there is one.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }
}

impl Keychain for DockerKeychain {
    fn find(&self, registry: &str) -> Result<Option<Credential>, String> {
        let Some(file) = &self.file else { return Ok(None) };
        match read(file)?.look_up(registry)? {
            Lookup::None => Ok(None),
            Lookup::Held(credential) => Ok(Some(credential)),
            Lookup::Helper { name, server } => helper(&name, "get", server.as_bytes())?
                .map(|answer| credentials::answer(&answer))
                .transpose(),
        }
    }
}
