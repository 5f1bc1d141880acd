//! What a test needs and the machine may lack.
//!
//! Where it lacks it, the test says so loudly and is skipped; under `CHANTAL_REQUIRE_CLIENTS=1`, which `make test`
//! sets, it fails instead.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a test may go on.
///
/// # Panics
///
/// If `available` is false and `CHANTAL_REQUIRE_CLIENTS` is `1`.
pub fn need(available: bool, what: &str) -> bool {
    if !available {
        let required = std::env::var("CHANTAL_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "{what} is not available, and CHANTAL_REQUIRE_CLIENTS=1 demands it"
        );
        eprintln!("SKIPPED: {what} is not available");
    }
    available
}

/// Finds a program in `PATH`, or where administrators' programs are.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Whether every one of these programs is there.
pub fn programs(names: &[&str]) -> bool {
    names.iter().all(|name| program(name).is_some())
}

/// The collection of real repository data beside the project, or what `CHANTAL_DATA` names; never required.
///
/// Says loudly that the test is skipped where there is none.
pub fn real_data(path: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("CHANTAL_DATA") {
        Some(root) => PathBuf::from(root),
        None => workspace().join("../shared/data"),
    };
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: no real data at {}", found.display());
    None
}

/// The top of the project.
pub fn workspace() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory
        .ancestors()
        .nth(2)
        .expect("the crate is at crates/testkit")
        .to_owned()
}

/// Whether tests run as root.
pub fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}
