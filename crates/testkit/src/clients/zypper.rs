use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::HOME;
use crate::chantal::{Output, finish};
use crate::needs::workspace;

/// zypper, unpacked by `scripts/install-zypper`, with its configuration and cache below one root.
pub struct Zypper {
    root: PathBuf,
    unpacked: PathBuf,
}

impl Zypper {
    /// Keeps everything below `directory`.
    pub fn new(directory: &Path) -> Self {
        let root = directory.join("zypper");
        fs::create_dir_all(&root).expect("a temporary directory takes directories");
        Self {
            root,
            unpacked: unpacked(),
        }
    }

    /// Whether zypper was unpacked: below `CHANTAL_ZYPPER_ROOT`, else `target/zypper-root`.
    pub fn available() -> bool {
        unpacked().join("usr/bin/zypper").is_file()
    }

    /// The root into which packages are installed.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A run with every isolating option.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.unpacked.join("usr/bin/zypper"));
        command
            .arg("--root")
            .arg(&self.root)
            .args(["--non-interactive", "--no-gpg-checks"]);
        command.env("LD_LIBRARY_PATH", self.unpacked.join("usr/lib/x86_64-linux-gnu"));
        // libzypp starts rpmdb2solv and its like by name.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.unpacked.join("usr/bin").display()));
        command.env("LANG", "C.UTF-8").env("HOME", HOME);
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Adds the repository and reads its metadata.
    pub fn add(&self, url: &str) -> Output {
        let added = finish(self.command().args(["addrepo", "--no-gpgcheck", url, "bench"]));
        if added.code == 0 {
            self.run(&["refresh", "--force"])
        } else {
            added
        }
    }

    /// Any other run.
    pub fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command().args(arguments))
    }
}

fn unpacked() -> PathBuf {
    match std::env::var_os("CHANTAL_ZYPPER_ROOT") {
        Some(root) => PathBuf::from(root),
        None => workspace().join("target/zypper-root"),
    }
}
