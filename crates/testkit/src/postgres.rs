//! A PostgreSQL server in a temporary directory, on a socket and, on demand, on loopback, that ends with its owner.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::tls::Pair;

/// A running server.
pub struct Postgres {
    child: Child,
    bin: PathBuf,
    directory: tempfile::TempDir,
    databases: AtomicU32,
    /// The port on loopback, where passwords are asked for.
    port: Option<u16>,
    encrypts: bool,
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

/// Names the socket too.
const DEFAULT_PORT: u16 = 5432;

fn run(bin: &Path, directory: &Path, port: Option<u16>, encrypts: bool) -> Child {
    let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
    let mut command = unprivileged(&bin.join("postgres"));
    command.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
    command.args(setting("listen_addresses", port.map_or("", |_| "127.0.0.1")));
    command.args(setting("port", &port.unwrap_or(DEFAULT_PORT).to_string()));
    command.args(setting("fsync", "off"));
    command.args(setting("max_connections", "200"));
    if encrypts {
        command.args(setting("ssl", "on"));
    }
    command
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres runs")
}

/// Puts a certificate where the server looks for it, and lets only those in over the network who encrypt.
fn place(directory: &Path, pair: &Pair) {
    let access = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    for (name, text) in [
        ("server.crt", pair.certificate.as_str()),
        ("server.key", &pair.key),
        ("pg_hba.conf", access),
    ] {
        let from = directory.join(name);
        std::fs::write(&from, text).expect("an own directory takes a file");
        // What the server reads belongs to whom it runs as.
        let done = unprivileged(Path::new("install"))
            .args(["-m", "600"])
            .arg(&from)
            .arg(directory.join("data").join(name))
            .status();
        assert!(done.is_ok_and(|status| status.success()), "{name} cannot be placed");
    }
}

impl Postgres {
    /// Starts a server on a socket; `None`, said loudly, where none is installed, which `CHANTAL_REQUIRE_CLIENTS` forbids.
    ///
    /// # Panics
    /// If it does not start within 60 seconds.
    pub fn start() -> Option<Self> {
        Self::start_on(None, None)
    }

    /// Starts a server that also listens on 127.0.0.1, where it wants passwords; with a certificate it speaks TLS there.
    ///
    /// # Panics
    /// If it does not start within 60 seconds.
    pub fn start_on_loopback(certificate: Option<&Pair>) -> Option<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        Self::start_on(Some(port), certificate)
    }

    fn start_on(port: Option<u16>, certificate: Option<&Pair>) -> Option<Self> {
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
        let made = unprivileged(&bin.join("initdb"))
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "-D"])
            .arg(directory.path().join("data"))
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if let Some(pair) = certificate {
            place(directory.path(), pair);
        }
        let encrypts = certificate.is_some();
        let server = Self {
            child: run(&bin, directory.path(), port, encrypts),
            bin,
            directory,
            databases: AtomicU32::new(0),
            port,
            encrypts,
        };
        server.answered();
        Some(server)
    }

    fn answered(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server as a crash does: whatever is connected is cut off.
    pub fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Killed outright, it would leave its shared memory behind.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-QUIT", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    /// Starts it again after [`Self::stop`], with all its databases.
    ///
    /// # Panics
    /// If it does not start within 60 seconds.
    pub fn start_again(&mut self) {
        self.child = run(&self.bin, self.directory.path(), self.port, self.encrypts);
        self.answered();
    }

    /// The port on loopback.
    ///
    /// # Panics
    /// If it has none.
    pub fn port(&self) -> u16 {
        self.port.expect("the server was started on loopback")
    }

    fn psql(&self, database: &str, statement: &str) -> (bool, String) {
        let output = Command::new(self.bin.join("psql"))
            .args(["--no-psqlrc", "-U", "postgres", "-tA", "-h"])
            .arg(self.directory.path())
            .args(["-p", &self.port.unwrap_or(DEFAULT_PORT).to_string()])
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
            "postgresql://postgres@localhost:{}/{database}?host={}",
            self.port.unwrap_or(DEFAULT_PORT),
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
        self.stop();
    }
}
