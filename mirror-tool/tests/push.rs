//! `sealock-mirror push` as a program, from a store to registries on loopback: everything arrives byte for byte, nothing
//! that is there is lost, and a kill leaves nothing half-done visible.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]
#![allow(clippy::disallowed_methods, reason = "tests make stores and look into them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sealock::decision::{Roots, Verdict};
use sealock::image::Reference;
use sealock::store::{Source as _, Store, fsck};
use sealock::trust::{TrustView, TrustedRoot};
use sealock_mirror::pull::judge::judge;
use sealock_testkit::layout::{Image, Index};
use sealock_testkit::registry::{Options, Registry};
use sealock_testkit::{Identity, Sigstore};
use serde_json::Value;

#[path = "push/artifact.rs"]
mod artifact;
#[path = "push/evidence.rs"]
mod evidence;
#[allow(dead_code, reason = "each test target uses its part")]
#[path = "world/kill.rs"]
mod kill;
#[path = "push/kills.rs"]
mod kills;
#[path = "push/names.rs"]
mod names;
#[path = "push/refusals.rs"]
mod refusals;
#[path = "push/round_trip.rs"]
mod round_trip;
#[path = "pull/shop.rs"]
#[allow(dead_code)]
mod shop;
#[path = "push/yard.rs"]
mod yard;
