//! One fuzz target, named by `SEALOCK_FUZZ_TARGET`: under libFuzzer with the feature of that name, else over files.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg_attr(feature = "libfuzzer", allow(dead_code, reason = "seeds are written without libFuzzer"))]
mod seeds;
mod targets;

fn target() -> targets::Target {
    let name = std::env::var("SEALOCK_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
    let found = targets::ALL.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("SEALOCK_FUZZ_TARGET is none of {}", names.join(", ")))
}

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: std::sync::OnceLock<targets::Target> = std::sync::OnceLock::new();
    let _ = (TARGET.get_or_init(target).run)(data);
});

/// `--seeds FOLDER` writes the target's seeds; any other argument is a file to run it over.
#[cfg(not(feature = "libfuzzer"))]
fn main() {
    let target = target();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--seeds" {
            let folder = std::path::PathBuf::from(arguments.next().expect("a folder"));
            std::fs::create_dir_all(&folder).expect("a folder");
            for (number, seed) in seeds::of(target.name).iter().enumerate() {
                std::fs::write(folder.join(number.to_string()), seed).expect("a file");
            }
        } else {
            let read = (target.run)(&std::fs::read(&argument).expect("a file"));
            println!("{argument}: {}", if read { "read" } else { "refused" });
        }
    }
}
