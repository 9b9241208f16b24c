//! Kills the program at random moments of taking a repository over: what is kept is the state before or the one after,
//! each whole and in force, and the next run completes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealock_mirror::trust_root::kept;
use sealock_testkit::tuf::{Role, TufServer};
use sealock_testkit::{Random, Sigstore};
use sealock_trust_root::disk::TrustState;
use sealock_trust_root::source::RepositorySource;
use sealock_trust_root::tuf::load;

use crate::keeping::{NAME, repository};

#[test]
fn kill_at_random_points_of_taking_over() {
    /// Kills that met the program at work; those that came too late do not count.
    const KILLS: usize = 120;
    // In memory where that is possible: nothing here depends on what a power failure leaves.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let (store, saved) = (folder.path().join("store"), folder.path().join("saved"));
    let mut repository = repository();
    let first = repository.first_root();
    std::fs::write(folder.path().join("first.json"), &first).unwrap();
    let old = repository.published();
    // Every key of the old timestamp is gone: old and new files together load in no order.
    repository.rotate_key(Role::Root, 0);
    repository.rotate_key(Role::Timestamp, 0);
    repository.publish_next_root();
    repository.set_target("trusted_root.json", Sigstore::new(4).trusted_root().json().as_bytes());
    let new = repository.publish_next();
    let server = TufServer::of(&old);
    let text = format!(
        "apiVersion: sealock.dev/v1\nkind: Mirror\ntrustRoots:\n- {{name: {NAME}, url: '{}', root: first.json}}\n",
        server.url()
    );
    let file = folder.path().join("mirror.yaml");
    std::fs::write(&file, text).unwrap();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-mirror"));
        command.args(["pull", "--no-progress", "--plain-http", &server.host(), "-f"]).arg(&file);
        command.arg("--store").arg(&store).env_remove("HTTP_PROXY");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
    };
    let versions = || {
        let kept = kept::read(&store, NAME).unwrap().unwrap();
        let source: Arc<dyn RepositorySource> = Arc::new(kept.source());
        let loaded = load(&source, &first, None).unwrap();
        let held = TrustState::of_store(&store).in_force(NAME).unwrap().roles[0].version;
        let root = loaded.roles[0].version;
        // The floor is raised last.
        assert!(held == root || held + 1 == root, "{held} is in force, {root} is kept");
        (root, held)
    };
    assert!(command().status().unwrap().success());
    assert_eq!(versions(), (1, 1));
    copy(&store, &saved);
    server.publish(&new);
    let mut whole = Duration::MAX;
    for _ in 0..3 {
        copy(&saved, &store);
        let start = Instant::now();
        assert!(command().status().unwrap().success());
        whole = whole.min(start.elapsed());
    }
    assert_eq!(versions(), (2, 2));
    let complete = kept::read(&store, NAME).unwrap().unwrap().files;
    copy(&saved, &store);
    let mut random = Random(20_261_126);
    let (mut hits, mut kill, mut before, mut after, mut between) = (0, 0, 0, 0, 0);
    while hits < KILLS {
        kill += 1;
        assert!(kill < 20 * KILLS, "{hits} of {kill} kills met the program");
        // Most of them towards the end, when files are written.
        let most = whole.as_nanos() * 4 / 3;
        let nanos = if kill % 4 == 0 { random.below(most) } else { most / 2 + random.below(most / 2) };
        let mut child = command().spawn().unwrap();
        std::thread::sleep(Duration::from_nanos(u64::try_from(nanos).unwrap()));
        let _ = child.kill();
        let met = !child.wait().unwrap().success();
        hits += usize::from(met);
        let state = versions();
        match state {
            (1, 1) => before += usize::from(met),
            (2, 1) => between += 1,
            (2, 2) => after += usize::from(met),
            other => panic!("kill {kill}: {other:?}"),
        }
        if state.0 == 2 || kill % 3 == 2 {
            assert!(command().status().unwrap().success(), "kill {kill}");
            assert_eq!(versions(), (2, 2), "kill {kill}");
            assert!(kept::read(&store, NAME).unwrap().unwrap().files == complete, "kill {kill}");
            copy(&saved, &store);
        }
    }
    println!("{hits} kills within {whole:?}: {before} before, {between} between, {after} after");
    assert!(before > 0 && between + after > 0, "{before} {between} {after}");
}
