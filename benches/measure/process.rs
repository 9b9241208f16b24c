//! Whole processes: how long they take, and how much memory they hold at most.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program that is measured: `$SEALOCK_BIN`, else the one that Cargo built beside the bench.
pub fn sealock() -> PathBuf {
    std::env::var_os("SEALOCK_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sealock")), PathBuf::from)
}

/// Runs `command` and tells how many milliseconds it took; its exit status must be 0.
pub fn milliseconds(command: &mut Command) -> f64 {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let elapsed = start.elapsed().as_secs_f64() * 1e3;
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    elapsed
}

/// Runs `command` and tells its peak resident memory in KiB.
///
/// What `wait4` says is spoilt by the memory of whoever forked. So the program gets a full pipe as its standard
/// output: it stops at its first line of output, when its work is done, and `/proc` is asked then.
pub fn peak_kib(command: &mut Command) -> u64 {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // Linux gives a pipe 64 KiB unless asked otherwise.
    let filler = vec![b'x'; 65536];
    writer.write_all(&filler).unwrap();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::from(writer)).stderr(Stdio::null()).spawn().unwrap();
    // The command holds the other end too; a fresh one lets go of it.
    command.stdout(Stdio::null());
    let mut peak = 0;
    let mut asleep = 0;
    // Asleep with the very same processor time and memory for half a second: it waits for the pipe.
    let mut before = String::new();
    while asleep < 50 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id()));
        let Ok(status) = read("status") else { break };
        peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(peak);
        let now = read("stat").unwrap_or_default();
        let same = now == before && status.contains("State:\tS");
        asleep = if same { asleep + 1 } else { 0 };
        before = now;
    }
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    peak
}
