//! The place of a run: fresh directories, a web server, the binary.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chantal_testkit::clients::Nginx;
use chantal_testkit::tls::Authority;

use crate::data::{DataSet, State};
use crate::measure::{Sample, like, measure, run};
use crate::mirror::Mirror;

/// Everything that a bar needs to run.
///
/// Nothing is deleted before the end of a run: on ext4, making files soon after deleting thousands costs several times
/// as much, and whoever comes next would pay for it.
pub(crate) struct Stage {
    root: PathBuf,
    nginx: Nginx,
    pub(crate) chantal: PathBuf,
    pub(crate) pairs: usize,
    made: Cell<usize>,
}

/// Whom Debian trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A server with TLS.
pub(crate) struct Secure {
    nginx: Nginx,
    authorities: PathBuf,
}

impl Secure {
    /// URL of the feed.
    pub(crate) fn feed(&self) -> String {
        self.nginx.url("feed")
    }

    /// A command that takes the system's authorities, and that of the server with them, for those that it trusts.
    pub(crate) fn trusted(&self, mut command: Command) -> Command {
        // Where the second is set, curl takes it.
        for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
            command.env(name, &self.authorities);
        }
        command.env_remove("SSL_CERT_DIR");
        command
    }
}

/// Copies a binary as an installation does.
///
/// What a linker wrote is in the kernel's cache in single pages, so that every start maps it piece by piece: it takes a
/// millisecond more of nine. The programs that it is compared with were installed, not linked just before.
fn installed(binary: &Path, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join("chantal");
    fs::copy(binary, &copy).with_context(|| format!("copy {}", binary.display()))?;
    Ok(copy)
}

impl Stage {
    /// Makes the place below `work`, installs the binary there, and starts the server.
    pub(crate) fn new(work: &Path, binary: &Path, pairs: usize) -> Result<Self> {
        fs::create_dir_all(work).with_context(|| format!("make {}", work.display()))?;
        let root = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(work)
            .with_context(|| format!("make a directory in {}", work.display()))?
            .keep();
        // The server runs as nobody.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        let root = root.canonicalize()?;
        let site = root.join("www");
        fs::create_dir(&site)?;
        Ok(Self {
            nginx: Nginx::serve(&site, &root),
            chantal: installed(binary, &root)?,
            root,
            pairs,
            made: Cell::new(0),
        })
    }

    /// A directory that nobody used before.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        self.made.set(self.made.get() + 1);
        let directory = self.root.join(format!("{:04}-{name}", self.made.get()));
        fs::create_dir(&directory).with_context(|| format!("make {}", directory.display()))?;
        Ok(directory)
    }

    /// Serves a state of a data set as the feed from now on.
    pub(crate) fn serve(&self, set: &DataSet, state: State) -> Result<()> {
        self.serve_directory(&set.state(state))
    }

    /// Serves any directory as the feed from now on.
    pub(crate) fn serve_directory(&self, directory: &Path) -> Result<()> {
        let target = directory.canonicalize()?;
        let (link, next) = (self.root.join("www/feed"), self.root.join("www/next"));
        std::os::unix::fs::symlink(target, &next).with_context(|| format!("make {}", next.display()))?;
        fs::rename(&next, &link).with_context(|| format!("make {}", link.display()))
    }

    /// URL of the feed.
    pub(crate) fn feed(&self) -> String {
        self.nginx.url("feed")
    }

    /// The same feed over TLS, by a server whose authority is one of those that a system trusts.
    pub(crate) fn secure(&self) -> Result<Secure> {
        let directory = self.fresh("tls")?;
        let authority = Authority::new();
        let system = fs::read(SYSTEM_AUTHORITIES).with_context(|| format!("read {SYSTEM_AUTHORITIES}"))?;
        let authorities = directory.join("authorities.pem");
        fs::write(&authorities, [&system, authority.pem.as_bytes()].concat())
            .with_context(|| format!("write {}", authorities.display()))?;
        let nginx = Nginx::serve_tls(&self.root.join("www"), &directory, &authority.server(), "");
        Ok(Secure { nginx, authorities })
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.nginx.log().len()
    }

    /// Measures a command.
    pub(crate) fn measure(&self, name: &str, command: &Command) -> Result<Sample> {
        self.made.set(self.made.get() + 1);
        measure(
            command,
            &self.root.join("logs"),
            &format!("{:04}-{name}", self.made.get()),
        )
    }

    /// A new mirror of the feed.
    pub(crate) fn mirror(&self, name: &str, lines: &[&str]) -> Result<Mirror> {
        self.mirror_of(&self.feed(), name, lines)
    }

    /// The same of a feed elsewhere.
    pub(crate) fn mirror_of(&self, feed: &str, name: &str, lines: &[&str]) -> Result<Mirror> {
        Mirror::create(&self.chantal, self.fresh(name)?, feed, lines)
    }

    /// A copy of a mirror whose blobs and published files are links to the same files.
    pub(crate) fn copy(&self, mirror: &Mirror, name: &str) -> Result<Mirror> {
        mirror.copy(self.fresh(name)?)
    }

    /// Writes what `curl -K` reads: these files of the feed, into a directory.
    pub(crate) fn curl_list(&self, files: &[String], into: &Path) -> Result<PathBuf> {
        self.curl_list_of(&self.feed(), files, into)
    }

    /// The same for another server.
    pub(crate) fn curl_list_of(&self, url: &str, files: &[String], into: &Path) -> Result<PathBuf> {
        let line = |file: &String| format!("url=\"{url}/{file}\"\noutput=\"{}/{file}\"\n", into.display());
        let list = into.join("list");
        fs::write(&list, files.iter().map(line).collect::<String>())
            .with_context(|| format!("write {}", list.display()))?;
        Ok(list)
    }

    /// Calls of the kinds that make things durable, counted by strace in a run that is not timed.
    pub(crate) fn durability_calls(&self, command: &Command) -> Result<u64> {
        let table = self.fresh("strace")?.join("table");
        let mut traced = Command::new("strace");
        traced.args([
            "-f",
            "-c",
            "-e",
            "trace=fsync,fdatasync,syncfs,sync_file_range,sync",
            "-o",
        ]);
        traced.arg(&table).arg(command.get_program()).args(command.get_args());
        like(&mut traced, command);
        run(&mut traced)?;
        calls(&fs::read_to_string(&table)?)
    }

    /// Ends the server and deletes everything.
    pub(crate) fn clear(self) -> Result<()> {
        drop(self.nginx);
        fs::remove_dir_all(&self.root).with_context(|| format!("delete {}", self.root.display()))
    }
}

/// Sum of the calls in the table of `strace -c`.
fn calls(table: &str) -> Result<u64> {
    let mut sum = 0;
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line about a thread that strace lost at the end of the process begins with a whole number.
        let is_share = |word: &&str| word.contains('.') && word.parse::<f64>().is_ok();
        let is_row = words.first().is_some_and(is_share);
        if is_row && words.last() != Some(&"total") {
            ensure!(words.len() >= 5, "a line of strace's table has five columns: {line:?}");
            sum += words[3].parse::<u64>().with_context(|| format!("calls in {line:?}"))?;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_without_the_total() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     90.00    0.001000          50        20           syncfs\n \
                     10.00    0.000100          50         2         1 fsync\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.001100          50        22         1 total\n";
        assert_eq!(calls(table).unwrap(), 22);
        assert_eq!(calls(&format!("24059 ???( <detached ...>\n{table}")).unwrap(), 22);
        assert_eq!(calls("").unwrap(), 0);
    }
}
