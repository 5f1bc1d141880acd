use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::nginx::free_port;
use crate::needs::program;

/// Dante's SOCKS server on a free port of 127.0.0.1, open to everybody there; ends when dropped.
pub struct Danted {
    child: Child,
    port: u16,
    log: PathBuf,
}

const START_LIMIT: Duration = Duration::from_secs(20);

impl Danted {
    /// Whether it is there.
    pub fn available() -> bool {
        program("danted").is_some()
    }

    /// Starts it; everything that it writes goes below `directory`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(directory: &Path) -> Self {
        let directory = directory.join("danted");
        fs::create_dir_all(&directory).expect("a temporary directory takes a directory");
        let port = free_port();
        let log = directory.join("danted.log");
        let config = directory.join("danted.conf");
        let text = format!(
            "logoutput: {}\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\nsocksmethod: none\n\
             clientmethod: none\nclient pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: error }}\n\
             socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect error }}\n",
            log.display()
        );
        fs::write(&config, text).expect("it takes a file");
        let danted = program("danted").expect("the test asked whether danted is available");
        let mut command = Command::new(danted);
        command.arg("-f").arg(&config).arg("-p").arg(directory.join("pid"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let mut danted = Self { child, port, log };
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let has_ended = !matches!(danted.child.try_wait(), Ok(None));
            assert!(
                !has_ended && begin.elapsed() < START_LIMIT,
                "danted did not start: {}",
                danted.log()
            );
            std::thread::yield_now();
        }
        danted
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Danted {
    fn drop(&mut self) {
        // On SIGTERM the first process ends the others.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
