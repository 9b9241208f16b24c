//! Where the store lies when no flag says so.

use std::path::{Path, PathBuf};

/// The store's directory: the flag, else `$SEALOCK_STORE`, else `./sealock-store` if it exists, else
/// `$XDG_DATA_HOME/sealock/store` (`~/.local/share` where that is not set).
pub fn store_directory(flag: Option<&Path>) -> PathBuf {
    if let Some(flag) = flag {
        return flag.to_owned();
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(place) = variable("SEALOCK_STORE") {
        return place;
    }
    let here = Path::new("sealock-store");
    if here.is_dir() {
        return here.to_owned();
    }
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| here.to_owned(), |data| data.join("sealock/store"))
}
