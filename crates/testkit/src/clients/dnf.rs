use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::HOME;
use crate::chantal::{Output, finish};
use crate::needs::program;

/// dnf 4 as a host of release 9 on `x86_64` would run it, with one repository.
pub struct Dnf {
    directory: PathBuf,
    settings: Vec<String>,
    proxyless: bool,
}

const ID: &str = "bench";

impl Dnf {
    /// Keeps cache, state and log below `directory`.
    pub fn new(directory: &Path) -> Self {
        let directory = directory.join("dnf");
        fs::create_dir_all(directory.join("log")).expect("a temporary directory takes directories");
        fs::write(directory.join("dnf.conf"), "[main]\n").expect("a temporary directory takes files");
        Self {
            directory,
            settings: Vec::new(),
            proxyless: true,
        }
    }

    /// Whether dnf is there.
    pub fn available() -> bool {
        program("dnf").is_some()
    }

    /// Sets a key of the repository, such as `gpgcheck=1`; checks are off otherwise.
    #[must_use]
    pub fn repository_setting(mut self, setting: &str) -> Self {
        self.settings.push(format!("--setopt={ID}.{setting}"));
        self
    }

    /// Sets a key of dnf itself, such as `installonly_limit=2`.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Self {
        self.settings.push(format!("--setopt={setting}"));
        self
    }

    /// Keeps the proxy variables of the environment.
    #[must_use]
    pub fn with_proxy(mut self) -> Self {
        self.proxyless = false;
        self
    }

    /// A run on the repository at `url`, with every isolating option; `root` is where packages are installed.
    pub fn command(&self, url: &str, root: &Path) -> Command {
        let place = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new("dnf");
        command.args([
            "-y",
            "-q",
            "--releasever=9",
            "--forcearch=x86_64",
            "--setopt=reposdir=/dev/null",
        ]);
        command.args(["--setopt=varsdir=/dev/null", "--setopt=module_platform_id=platform:el9"]);
        command
            .arg(format!("--config={}", place("dnf.conf")))
            .arg("--disableplugin=*");
        command.arg(format!("--setopt=cachedir={}", place("cache")));
        command.arg(format!("--setopt=persistdir={}", place("state")));
        command.arg(format!("--setopt=logdir={}", place("log")));
        command
            .arg(format!("--repofrompath={ID},{url}"))
            .arg(format!("--repo={ID}"));
        // Without it a broken repository is ignored with exit code 0, and a test of it passes.
        command.arg(format!("--setopt={ID}.skip_if_unavailable=0"));
        if !self.settings.iter().any(|setting| setting.contains("gpgcheck")) {
            command.arg("--nogpgcheck");
        }
        command
            .args(&self.settings)
            .arg(format!("--installroot={}", root.display()));
        command.env("LANG", "C.UTF-8").env("HOME", HOME);
        if self.proxyless {
            for name in [
                "http_proxy",
                "https_proxy",
                "all_proxy",
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "ALL_PROXY",
            ] {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, url: &str, arguments: &[&str]) -> Output {
        finish(self.command(url, &self.directory.join("root")).args(arguments))
    }

    /// Reads the metadata anew.
    pub fn makecache(&self, url: &str) -> Output {
        self.run(url, &["--refresh", "makecache"])
    }

    /// Lines of a query, sorted; `name-epoch:version-release.arch` each, unless a `--qf` says otherwise.
    ///
    /// # Panics
    ///
    /// If dnf fails.
    #[track_caller]
    pub fn repoquery(&self, url: &str, arguments: &[&str]) -> Vec<String> {
        let mut all = vec!["--refresh", "repoquery", "--available"];
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--qf") || argument.starts_with("--requires"))
        {
            all.push("--qf=%{name}-%{epoch}:%{version}-%{release}.%{arch}");
        }
        all.extend(arguments);
        let mut lines: Vec<String> = self.run(url, &all).ok().stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Installs packages into a directory.
    pub fn install(&self, url: &str, root: &Path, packages: &[&str]) -> Output {
        finish(self.command(url, root).arg("--refresh").arg("install").args(packages))
    }

    /// Downloads packages into a directory; needs dnf-plugins-core.
    pub fn download(&self, url: &str, directory: &Path, packages: &[&str]) -> Output {
        let mut command = self.command(url, &self.directory.join("root"));
        command
            .args(["--enableplugin=download", "download", "--destdir"])
            .arg(directory)
            .args(packages);
        finish(&mut command)
    }

    /// Every advisory about packages whose names are installed below `root`, one line for each package.
    pub fn updateinfo(&self, url: &str, root: &Path) -> Output {
        finish(
            self.command(url, root)
                .args(["--refresh", "updateinfo", "--list", "--all"]),
        )
    }

    /// Every stream of every module.
    pub fn module_list(&self, url: &str) -> Output {
        self.run(url, &["--refresh", "module", "list"])
    }

    /// Every group and environment.
    pub fn group_list(&self, url: &str) -> Output {
        self.run(url, &["--refresh", "group", "list", "--hidden"])
    }
}
