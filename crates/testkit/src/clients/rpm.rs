use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::HOME;
use crate::chantal::{Output, finish};
use crate::needs::program;

/// The command `rpm`.
#[derive(Clone, Copy, Debug)]
pub struct RpmTool;

impl RpmTool {
    /// Whether rpm is there.
    pub fn available() -> bool {
        program("rpm").is_some()
    }

    /// Runs it on a database below `root`.
    pub fn run<T: AsRef<OsStr>>(root: &Path, arguments: &[T]) -> Output {
        finish(
            Command::new("rpm")
                .arg("--root")
                .arg(root)
                .args(arguments)
                .env("LANG", "C.UTF-8")
                .env("HOME", HOME),
        )
    }

    /// Checks digests of packages, signatures left out.
    pub fn check<T: AsRef<OsStr>>(root: &Path, files: &[T]) -> Output {
        finish(
            Command::new("rpm")
                .args(["-K", "--nosignature", "--dbpath"])
                .arg(root.join("rpmdb"))
                .args(files)
                .env("LANG", "C.UTF-8")
                .env("HOME", HOME),
        )
    }

    /// `name-version-release.arch` of what is installed below `root`, sorted.
    ///
    /// # Panics
    ///
    /// If rpm fails.
    #[track_caller]
    pub fn installed(root: &Path) -> Vec<String> {
        let output = Self::run(root, &["-qa"]).ok();
        let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
