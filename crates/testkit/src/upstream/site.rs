//! What a server serves.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Fault;

/// Where a file's bytes come from.
#[derive(Clone)]
pub enum Body {
    /// Memory.
    Bytes(Arc<[u8]>),
    /// A file.
    File(PathBuf),
    /// Made on the fly.
    Made(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
}

impl Body {
    /// The bytes; `None` if the file is not there.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.to_vec()),
            Self::File(path) => std::fs::read(path).ok(),
            Self::Made(make) => Some(make()),
        }
    }
}

/// What a server serves.
#[derive(Clone, Default)]
pub struct Site {
    files: HashMap<String, Body>,
    directory: Option<PathBuf>,
    faults: HashMap<String, VecDeque<(Fault, usize)>>,
    credentials: Option<String>,
    /// Whether answers carry an `ETag`.
    pub no_validators: bool,
    /// Milliseconds before each answer.
    pub delay_millis: u64,
}

impl Site {
    /// An empty site.
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory, as it is at each request.
    pub fn directory(path: &Path) -> Self {
        Self {
            directory: Some(path.to_owned()),
            ..Self::default()
        }
    }

    /// Puts a file at a path, which begins with a slash.
    pub fn put(&mut self, path: &str, body: Body) {
        self.files.insert(path.to_owned(), body);
    }

    /// Puts many files.
    pub fn put_all(&mut self, files: impl IntoIterator<Item = (String, Body)>) {
        self.files.extend(files);
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// Every file with its bytes, those of a directory aside.
    pub fn files(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        let files = self.files.iter();
        files.map(|(path, body)| (path.as_str(), body.bytes().unwrap_or_default()))
    }

    /// Serves another directory from now on.
    pub fn set_directory(&mut self, path: &Path) {
        self.directory = Some(path.to_owned());
    }

    /// Misbehaves at a path for the next `times` requests.
    pub fn set_fault(&mut self, path: &str, fault: Fault, times: usize) {
        self.set_faults(path, vec![(fault, times)]);
    }

    /// Misbehaves at a path in one way after another, each for so many requests.
    pub fn set_faults(&mut self, path: &str, faults: Vec<(Fault, usize)>) {
        self.faults.insert(path.to_owned(), faults.into());
    }

    /// Requires a user name and password.
    pub fn require_basic(&mut self, user: &str, password: &str) {
        use base64::Engine as _;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.credentials = Some(format!("Basic {token}"));
    }

    pub(crate) fn is_allowed(&self, authorization: Option<&str>) -> bool {
        self.credentials
            .as_deref()
            .is_none_or(|required| authorization == Some(required))
    }

    pub(crate) fn take_fault(&mut self, path: &str) -> Option<Fault> {
        let faults = self.faults.get_mut(path)?;
        while faults.front().is_some_and(|(_, left)| *left == 0) {
            faults.pop_front();
        }
        let (fault, left) = faults.front_mut()?;
        *left -= 1;
        Some(fault.clone())
    }

    pub(crate) fn find(&self, path: &str) -> Option<Body> {
        let path = path.split('?').next().unwrap_or_default();
        if let Some(body) = self.files.get(path) {
            return Some(body.clone());
        }
        let decoded = decode(path);
        if let Some(body) = self.files.get(&decoded) {
            return Some(body.clone());
        }
        let directory = self.directory.as_ref()?;
        let file = directory.join(decoded.trim_start_matches('/'));
        (!decoded.contains("..") && file.is_file()).then_some(Body::File(file))
    }
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
