//! The other tools: where they are, which version they have, and how they are called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use chantal_testkit::clients::Dnf;
use chantal_testkit::needs::program;

use crate::measure::run;

/// A tool that is there.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// All of them; those that are absent are named loudly, and what needs them is not measured.
pub(crate) struct Peers {
    pub(crate) dnf: Option<Tool>,
    /// Debian's.
    pub(crate) createrepo_old: Option<Tool>,
    /// From `PyPI`, in a virtual environment.
    pub(crate) createrepo_new: Option<Tool>,
    /// The Python that has the module of the newer one, its parser.
    pub(crate) parser: Option<Tool>,
    pub(crate) curl: Option<Tool>,
    pub(crate) strace: Option<Tool>,
    nginx: Option<Tool>,
}

impl Peers {
    /// Looks for them; `environment` is the virtual environment.
    pub(crate) fn find(environment: &Path) -> Self {
        let environment = environment.canonicalize().unwrap_or_else(|_| environment.to_owned());
        let python = environment.join("bin/python");
        let peers = Self {
            dnf: tool(program("dnf"), &["--version"]),
            createrepo_old: tool(Some("/usr/bin/createrepo_c".into()), &["--version"]),
            createrepo_new: tool(Some(environment.join("bin/createrepo_c")), &["--version"]),
            parser: tool(
                Some(python),
                &["-c", "import createrepo_c; print(createrepo_c.VERSION)"],
            ),
            curl: tool(program("curl"), &["--version"]),
            strace: tool(program("strace"), &["--version"]),
            nginx: tool(program("nginx"), &["-v"]),
        };
        for (name, tool) in peers.all() {
            match tool {
                Some(tool) => eprintln!("{name}: {}", tool.version),
                None => eprintln!("ABSENT: {name}; what needs it is not measured"),
            }
        }
        peers
    }

    /// Names and tools.
    pub(crate) fn all(&self) -> [(&'static str, Option<&Tool>); 7] {
        [
            ("dnf", self.dnf.as_ref()),
            ("createrepo_c (Debian)", self.createrepo_old.as_ref()),
            ("createrepo_c (PyPI)", self.createrepo_new.as_ref()),
            ("createrepo_c's Python module", self.parser.as_ref()),
            ("curl", self.curl.as_ref()),
            ("strace", self.strace.as_ref()),
            ("nginx", self.nginx.as_ref()),
        ]
    }

    /// Fails where nothing at all can be measured.
    pub(crate) fn check(&self) -> Result<()> {
        if self.curl.is_none() || self.nginx.is_none() {
            bail!("curl and nginx are needed");
        }
        Ok(())
    }
}

fn tool(path: Option<PathBuf>, ask: &[&str]) -> Option<Tool> {
    let path = path.filter(|path| path.exists())?;
    let output = Command::new(&path).args(ask).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    output.status.success().then_some(Tool {
        path,
        version: version(&said),
    })
}

/// The first word of the first line that begins with a digit, else the line.
fn version(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default();
    let mut words = line.split([' ', '/']);
    let word = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    word.unwrap_or(line).to_owned()
}

/// Fetches the files of a list, 16 at a time.
pub(crate) fn curl(list: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--fail", "--noproxy", "*"]);
    command.args(["--parallel", "--parallel-max", "16", "--create-dirs", "--config"]);
    command.arg(list);
    command
}

/// Fetches one file and throws it away.
pub(crate) fn curl_one(url: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--fail", "--noproxy", "*"]);
    command.args(["--output", "/dev/null", url]);
    command
}

/// Mirrors the repository at `url` into a directory, with dnf's own number of connections or another one.
pub(crate) fn reposync(url: &str, directory: &Path, connections: Option<u32>) -> Command {
    let mut dnf = Dnf::new(directory);
    if let Some(connections) = connections {
        dnf = dnf.setting(&format!("max_parallel_downloads={connections}"));
    }
    let mut command = dnf.command(url, &directory.join("root"));
    command.args([
        "--enableplugin=reposync",
        "reposync",
        "--norepopath",
        "--download-metadata",
    ]);
    command
        .arg("--remote-time")
        .arg("--download-path")
        .arg(directory.join("mirror"));
    command
}

/// Describes the packages of a tree anew, taking from its old metadata what did not change.
pub(crate) fn createrepo(tool: &Tool, tree: &Path) -> Command {
    let mut command = Command::new(&tool.path);
    command.args(["--quiet", "--update"]).arg(tree);
    command
}

/// Reads the three parts of a repository with createrepo_c's parser and does nothing with them.
pub(crate) fn parse(tool: &Tool, repository: &Path) -> Command {
    let mut command = Command::new(&tool.path);
    command.arg("-c").arg(PARSE).arg(repository);
    command
}

const PARSE: &str = "
import sys, os, createrepo_c as cr
root = sys.argv[1]
md = cr.Repomd(os.path.join(root, 'repodata/repomd.xml'))
where = {r.type: os.path.join(root, r.location_href) for r in md.records}
packages = {}
def new(pkgid, name, arch): return packages.get(pkgid)
def keep(package): packages[package.pkgId] = package
cr.xml_parse_primary(where['primary'], pkgcb=keep, do_files=False)
cr.xml_parse_filelists(where['filelists'], newpkgcb=new)
cr.xml_parse_other(where['other'], newpkgcb=new)
assert packages
";

/// Copies a tree by hard links.
pub(crate) fn copy_links(from: &Path, to: &Path) -> Command {
    let mut command = Command::new("cp");
    command.arg("-al").arg(from).arg(to);
    command
}

/// One command after the other, as one.
pub(crate) fn chain(commands: &[Command]) -> Command {
    let mut text = String::from("set -e\n");
    for command in commands {
        text.push_str(&line(command));
        text.push('\n');
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(text);
    shell
}

/// A command as a shell takes it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

/// Digests of every file below a directory by two processes.
pub(crate) fn hash(directory: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("find \"$0\" -type f -print0 | xargs -0 -n 256 -P 2 sha256sum > /dev/null")
        .arg(directory);
    command
}

/// Whether createrepo_c reads a repository without a complaint, and rpm accepts some of its packages.
pub(crate) fn check_repository(tool: &Tool, repository: &Path, packages: &[String]) -> Result<()> {
    run(&mut parse(tool, repository))?;
    let step = (packages.len() / 20).max(1);
    let sample = packages.iter().step_by(step).map(|file| repository.join(file));
    run(Command::new("rpm").args(["-K", "--nosignature"]).args(sample)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say_about_themselves() {
        for (said, expected) in [
            ("4.14.0\n  Installed: dnf\n", "4.14.0"),
            ("Version: 0.17.3 (Features: DeltaRPM )\n", "0.17.3"),
            ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1\n", "7.88.1"),
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            ("no number", "no number"),
        ] {
            assert_eq!(version(said), expected);
        }
    }

    #[test]
    fn a_chain_stops_where_a_command_fails_and_keeps_words_whole() {
        let mut first = Command::new("test");
        first.args(["it's one word", "=", "it's one word"]);
        assert!(chain(&[first]).status().unwrap().success());
        let (fails, fine) = (Command::new("false"), Command::new("true"));
        assert!(!chain(&[fails, fine]).status().unwrap().success());
    }
}
