//! Where the store is, unless the command line says so.

use std::path::{Path, PathBuf};

/// `flag`, else `./sealock-store` if it exists, else `$XDG_DATA_HOME/sealock/store`.
///
/// `$SEALOCK_STORE` reaches `flag` through the flag's own environment variable.
pub fn store_directory(flag: Option<&Path>) -> PathBuf {
    if let Some(flag) = flag {
        return flag.to_owned();
    }
    let here = PathBuf::from("sealock-store");
    if here.is_dir() {
        return here;
    }
    let data = std::env::var_os("XDG_DATA_HOME").filter(|v| !v.is_empty()).map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").filter(|v| !v.is_empty()).map(|home| PathBuf::from(home).join(".local/share"))
    });
    data.map_or(here, |data| data.join("sealock/store"))
}
