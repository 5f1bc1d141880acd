use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::needs::{is_root, program};
use crate::tls::Pair;

/// nginx on a free port of 127.0.0.1, serving one directory as user `nobody`; ends when dropped.
pub struct Nginx {
    child: Child,
    port: u16,
    directory: PathBuf,
    scheme: &'static str,
}

const START_LIMIT: Duration = Duration::from_secs(10);

impl Nginx {
    /// Whether nginx is there.
    pub fn available() -> bool {
        program("nginx").is_some()
    }

    /// Serves `root`; configuration, logs and temporary files go below `directory`.
    ///
    /// # Panics
    ///
    /// If it does not start within ten seconds.
    pub fn serve(root: &Path, directory: &Path) -> Self {
        Self::serve_with(root, directory, "")
    }

    /// The same with more lines in the `server` block.
    ///
    /// # Panics
    ///
    /// If it does not start within ten seconds.
    pub fn serve_with(root: &Path, directory: &Path, server_lines: &str) -> Self {
        Self::launch(root, directory, "", server_lines)
    }

    /// The same over https, with HTTP/2.
    ///
    /// # Panics
    ///
    /// If it does not start within ten seconds.
    pub fn serve_tls(root: &Path, directory: &Path, pair: &Pair, server_lines: &str) -> Self {
        let (certificate, key) = (directory.join("server.pem"), directory.join("server-key.pem"));
        fs::write(&certificate, &pair.certificate).expect("a temporary directory takes a file");
        fs::write(&key, &pair.key).expect("a temporary directory takes a file");
        let lines = format!(
            "ssl_certificate {}; ssl_certificate_key {};\n    {server_lines}",
            certificate.display(),
            key.display()
        );
        Self::launch(root, directory, " ssl http2", &lines)
    }

    fn launch(root: &Path, directory: &Path, listen: &str, server_lines: &str) -> Self {
        let directory = directory.join("nginx");
        for name in ["logs", "temporary"] {
            fs::create_dir_all(directory.join(name)).expect("a temporary directory takes directories");
        }
        // Another process may take the port between asking for it and nginx's own bind: then another one is tried.
        for _ in 0..5 {
            let port = free_port();
            let config = directory.join("nginx.conf");
            let text = configuration(root, &directory, &format!("{port}{listen}"), server_lines);
            fs::write(&config, text).expect("it takes a file, too");
            let child = start(&config, &directory);
            let mut nginx = Self {
                child,
                port,
                directory: directory.clone(),
                scheme: if listen.is_empty() { "http" } else { "https" },
            };
            if nginx.wait() {
                return nginx;
            }
        }
        let log = fs::read_to_string(directory.join("logs/error.log")).unwrap_or_default();
        panic!("nginx did not start: {log}");
    }

    /// URL of a path of the root.
    pub fn url(&self, path: &str) -> String {
        format!(
            "{}://127.0.0.1:{}/{}",
            self.scheme,
            self.port,
            path.trim_start_matches('/')
        )
    }

    /// Status and path of each request so far.
    pub fn log(&self) -> Vec<(u16, String)> {
        let text = fs::read_to_string(self.directory.join("logs/access.log")).unwrap_or_default();
        let parse = |line: &str| {
            let (status, path) = line.split_once(' ')?;
            Some((status.parse().ok()?, path.to_owned()))
        };
        text.lines().filter_map(parse).collect()
    }

    /// Protocol, number of the connection, user and the subject of the client's certificate of each request so far.
    pub fn peers(&self) -> Vec<[String; 4]> {
        let text = fs::read_to_string(self.directory.join("logs/peers.log")).unwrap_or_default();
        let parse = |line: &str| {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            [(); 4].map(|()| words.next().unwrap_or_default())
        };
        text.lines().map(parse).collect()
    }

    fn wait(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < START_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM; on SIGKILL they would stay.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn start(config: &Path, directory: &Path) -> Child {
    let nginx = program("nginx").expect("the test asked whether nginx is available");
    let mut command = Command::new(nginx);
    command
        .arg("-e")
        .arg(directory.join("logs/error.log"))
        .arg("-c")
        .arg(config)
        .arg("-p")
        .arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"))
}

/// A port that nobody listens on.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn configuration(root: &Path, directory: &Path, port: &str, server_lines: &str) -> String {
    let user = if is_root() { "user nobody nogroup;\n" } else { "" };
    let (root, directory) = (root.display(), directory.display());
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "  {kind}_temp_path {directory}/temporary/{kind};");
    }
    format!(
        "{user}daemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log {directory}/logs/error.log;\n\
         events {{ worker_connections 256; }}\nhttp {{\n{temporary}  log_format test '$status $request_uri';\n  \
         log_format peers '$server_protocol $connection $remote_user $ssl_client_s_dn';\n  \
         access_log {directory}/logs/access.log test;\n  access_log {directory}/logs/peers.log peers;\n  default_type application/octet-stream;\n  sendfile on;\n  \
         server {{\n    listen 127.0.0.1:{port};\n    root {root};\n    {server_lines}\n  }}\n}}\n"
    )
}
