//! A PostgreSQL server in a temporary directory, on a socket only, that ends with its owner.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A running server.
pub struct Postgres {
    child: Child,
    bin: PathBuf,
    directory: tempfile::TempDir,
    databases: AtomicU32,
}

/// The programs of the newest server that is installed.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

impl Postgres {
    /// Starts a server; `None`, said loudly, where none is installed, which `CHANTAL_REQUIRE_CLIENTS` forbids.
    ///
    /// # Panics
    /// If it does not start within 60 seconds.
    pub fn start() -> Option<Self> {
        let Some(bin) = programs() else {
            assert!(
                std::env::var_os("CHANTAL_REQUIRE_CLIENTS").is_none(),
                "no PostgreSQL server is installed"
            );
            eprintln!("SKIPPED: no PostgreSQL server is installed");
            return None;
        };
        // Sockets have short names.
        let directory = tempfile::tempdir_in("/tmp").expect("/tmp takes a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777))
            .expect("an own directory takes a mode");
        let data = directory.path().join("data");
        let made = unprivileged(&bin.join("initdb"))
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "-D"])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = unprivileged(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ])
            .arg("-k")
            .arg(directory.path())
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let server = Self {
            child,
            bin,
            directory,
            databases: AtomicU32::new(0),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !server.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn psql(&self, database: &str, statement: &str) -> (bool, String) {
        let output = Command::new(self.bin.join("psql"))
            .args(["--no-psqlrc", "-U", "postgres", "-tA", "-h"])
            .arg(self.directory.path())
            .args(["-d", database, "-c", statement])
            .output()
            .expect("psql runs");
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        )
    }

    /// Makes a database that nobody else uses; gives its name.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (done, text) = self.psql("postgres", &format!("CREATE DATABASE {name}"));
        assert!(done, "{text}");
        name
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres@localhost/{database}?host={}",
            self.directory.path().display()
        )
    }

    /// What a query gives, as psql shows it without headings.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn query(&self, database: &str, statement: &str) -> String {
        let (done, text) = self.psql(database, statement);
        assert!(done, "{statement}: {text}");
        text
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
