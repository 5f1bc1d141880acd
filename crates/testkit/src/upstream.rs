//! An upstream server on loopback that can misbehave, and that keeps a log of what it was asked.
//!
//! HTTP/1.1 with keep-alive, Range and If-Range, conditional GET, Basic auth and TLS with client certificates, written
//! by hand so that every fault is possible. It stops when it is dropped.

mod connection;
mod fault;
mod site;

pub use fault::Fault;
pub use site::{Body, Site};

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::tls::ServerTls;

/// One request as the server saw it.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// `GET`, `CONNECT` and so on.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// The Host header.
    pub host: String,
    /// The Range header.
    pub range: Option<String>,
    /// The If-Range header.
    pub if_range: Option<String>,
    /// The If-None-Match header.
    pub if_none_match: Option<String>,
    /// The Authorization header.
    pub authorization: Option<String>,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Subject of the client's certificate.
    pub client_subject: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes_sent: u64,
}

/// A running server.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    scheme: &'static str,
}

pub(crate) struct Shared {
    pub(crate) site: Mutex<Site>,
    pub(crate) log: Mutex<Vec<Hit>>,
    pub(crate) stop: AtomicBool,
    /// Requests that are being answered and are not in the log yet.
    pub(crate) open: AtomicUsize,
    /// Requests whose answer is being delayed.
    pub(crate) waiting: AtomicUsize,
    pub(crate) most_waiting: AtomicUsize,
    pub(crate) tls: Option<ServerTls>,
}

impl Upstream {
    /// Serves a site over http.
    pub fn start(site: Site) -> Self {
        Self::launch(site, None)
    }

    /// Serves a site over https.
    pub fn start_tls(site: Site, tls: ServerTls) -> Self {
        Self::launch(site, Some(tls))
    }

    /// Serves a directory as it is at each request.
    pub fn serve_dir(directory: &Path) -> Self {
        Self::start(Site::directory(directory))
    }

    fn launch(site: Site, tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            site: Mutex::new(site),
            log: Mutex::new(Vec::new()),
            stop: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            most_waiting: AtomicUsize::new(0),
            tls,
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = shared.clone();
                    std::thread::spawn(move || connection::serve(stream, &shared));
                }
            }
        });
        Self {
            address,
            shared,
            accepting: Some(accepting),
            scheme,
        }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL on this server; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.address.port())
    }

    /// The same with the name `localhost`, which is another origin.
    pub fn url_by_name(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// What it was asked so far. An answer is in the log once it was sent whole, which a client may notice a moment
    /// earlier; so this waits for answers that are under way, but for stalled ones not long.
    pub fn log(&self) -> Vec<Hit> {
        for _ in 0..400 {
            if self.shared.open.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was asked for one path.
    pub fn hits(&self, path: &str) -> Vec<Hit> {
        self.log().into_iter().filter(|hit| hit.path == path).collect()
    }

    /// The most requests that were there at the same time; counted where a site delays its answers.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_waiting.load(Ordering::SeqCst)
    }

    /// Forgets what it was asked.
    pub fn clear_log(&self) {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Changes what is served.
    pub fn change(&self, change: impl FnOnce(&mut Site)) {
        change(&mut self.shared.site.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts a file at a path.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.change(|site| site.put(path, Body::Bytes(bytes.into())));
    }

    /// Takes a file away.
    pub fn remove(&self, path: &str) {
        self.change(|site| site.remove(path));
    }

    /// Misbehaves at a path for the next `times` requests.
    pub fn set_fault(&self, path: &str, fault: Fault, times: usize) {
        self.change(|site| site.set_fault(path, fault, times));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which sees the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}
