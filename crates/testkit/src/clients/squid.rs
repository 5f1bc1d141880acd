use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::nginx::free_port;
use crate::needs::program;

/// squid on a free port of 127.0.0.1, asking for a user name and password; ends when dropped.
pub struct Squid {
    child: Child,
    port: u16,
    log: PathBuf,
}

const HELPER: &str = "/usr/lib/squid/basic_ncsa_auth";
const START_LIMIT: Duration = Duration::from_secs(20);

impl Squid {
    /// Whether squid and its helper for passwords are there.
    pub fn available() -> bool {
        program("squid").is_some() && Path::new(HELPER).is_file()
    }

    /// Starts it for one user; everything that it writes goes below `directory`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(directory: &Path, user: &str, password: &str) -> Self {
        let directory = directory.join("squid");
        fs::create_dir_all(&directory).expect("a temporary directory takes a directory");
        // As root it works as another user.
        for path in [directory.parent().unwrap_or(&directory), &directory] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is our own");
        }
        let hash = Command::new("openssl").args(["passwd", "-apr1", password]).output();
        let hash = String::from_utf8_lossy(&hash.expect("openssl is there").stdout)
            .trim()
            .to_owned();
        let passwords = directory.join("passwords");
        fs::write(&passwords, format!("{user}:{hash}\n")).expect("it takes a file");
        let port = free_port();
        let log = directory.join("access.log");
        let config = directory.join("squid.conf");
        let text = format!(
            "http_port 127.0.0.1:{port}\npid_filename none\npinger_enable off\ncache deny all\n\
             coredump_dir {directory}\ncache_log {directory}/cache.log\naccess_log stdio:{log}\nlogfile_rotate 0\n\
             shutdown_lifetime 0 seconds\nauth_param basic program {HELPER} {passwords}\nauth_param basic children 1\n\
             acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n",
            directory = directory.display(),
            log = log.display(),
            passwords = passwords.display(),
        );
        fs::write(&config, text).expect("it takes a file");
        let squid = program("squid").expect("the test asked whether squid is available");
        let mut command = Command::new(squid);
        command.arg("-N").arg("-f").arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let mut squid = Self { child, port, log };
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let has_ended = !matches!(squid.child.try_wait(), Ok(None));
            let log = || fs::read_to_string(directory.join("cache.log")).unwrap_or_default();
            assert!(
                !has_ended && begin.elapsed() < START_LIMIT,
                "squid did not start: {}",
                log()
            );
            std::thread::yield_now();
        }
        squid
    }

    /// Its address as a URL without credentials.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its access log.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        // On SIGTERM it ends its helpers; on SIGKILL they would stay.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
