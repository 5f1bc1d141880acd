//! A small HTTP proxy that keeps a log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A request as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Proxied {
    /// The first line, such as `CONNECT host:443 HTTP/1.1`.
    pub line: String,
    /// The Proxy-Authorization header.
    pub authorization: Option<String>,
}

/// A running proxy; it stops when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Proxied>>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy; `required` is the Proxy-Authorization that it asks for.
    pub fn start(required: Option<&str>) -> Self {
        Self::launch(required, None)
    }

    /// Starts a proxy for which every host is at this address: so a test reaches hosts of any name on loopback.
    pub fn leading_to(address: SocketAddr) -> Self {
        Self::launch(None, Some(address))
    }

    fn launch(required: Option<&str>, to: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let accepting = std::thread::spawn({
            let (log, stop, required) = (log.clone(), stop.clone(), required.map(str::to_owned));
            move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (log, required) = (log.clone(), required.clone());
                    std::thread::spawn(move || serve(stream, &log, required.as_deref(), to));
                }
            }
        });
        Self {
            address,
            log,
            stop,
            accepting: Some(accepting),
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.address.port())
    }

    /// What it was asked.
    pub fn log(&self) -> Vec<Proxied> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Proxied>>, required: Option<&str>, to: Option<SocketAddr>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut head = Vec::new();
    let mut authorization = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let lower = header.to_ascii_lowercase();
        if header.trim().is_empty() {
            break;
        }
        if lower.starts_with("proxy-authorization:") {
            authorization = header.split_once(':').map(|(_, value)| value.trim().to_owned());
        } else if !lower.starts_with("connection:") && !lower.starts_with("proxy-connection:") {
            head.push(header);
        }
    }
    let refused = required.is_some() && authorization.as_deref() != required;
    log.lock().unwrap_or_else(PoisonError::into_inner).push(Proxied {
        line: line.trim().to_owned(),
        authorization,
    });
    if refused {
        return writer
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            .ok();
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    if method == "CONNECT" {
        let upstream = connect(target, to)?;
        writer.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        return tunnel(reader, writer, upstream);
    }
    let rest = target.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut upstream = connect(host, to)?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\n{}Connection: close\r\n\r\n",
        head.concat()
    );
    upstream.write_all(request.as_bytes()).ok()?;
    // The upstream server keeps connections open, so its own length tells where the answer ends.
    relay(upstream, &mut writer)
}

fn connect(host: &str, to: Option<SocketAddr>) -> Option<TcpStream> {
    match to {
        Some(address) => TcpStream::connect(address).ok(),
        None => TcpStream::connect(host).ok(),
    }
}

/// Passes one answer on.
fn relay(upstream: TcpStream, writer: &mut TcpStream) -> Option<()> {
    let mut reader = BufReader::new(upstream);
    let mut length = 0_u64;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            // This connection is not used again, and whoever is not told would try.
            writer.write_all(b"Connection: close\r\n\r\n").ok()?;
            break;
        }
        writer.write_all(line.as_bytes()).ok()?;
    }
    std::io::copy(&mut reader.take(length), writer).ok()?;
    writer.shutdown(std::net::Shutdown::Write).ok()
}

fn tunnel(mut reader: BufReader<TcpStream>, mut writer: TcpStream, upstream: TcpStream) -> Option<()> {
    let mut to = upstream.try_clone().ok()?;
    let mut from = upstream;
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut writer);
        let _ = writer.shutdown(std::net::Shutdown::Both);
    });
    let mut buffer = [0; 16 * 1024];
    while let Ok(n) = reader.read(&mut buffer) {
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    back.join().ok()
}
