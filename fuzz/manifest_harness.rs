//! What the fuzz target `manifest`, and the replay test of its corpus, does with an input.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chantal_config::{Config, load_text};
use chantal_engine::{Ports, rebuild};
use chantal_model::{NoProgress, Sha256, SystemClock};

const MAGIC: &[u8] = b"chantal-manifest 1\n";
/// A base that holds one revision, so that the small files beside it count.
const BASE: &str = include_str!("corpus/manifest/base");
/// Files beside a series.
const SMALL: [&str; 5] = [
    "repositories/r/feed",
    "repositories/r/retired",
    "repositories/r/snapshots/s",
    "repositories/r/publications/p",
    "holds",
];

/// Makes a catalog of pools that hold an input as a manifest: as it is, and as chunks whose sum is right, each line a kind
/// and JSON.
///
/// # Panics
/// Something is refused, and a database is there; damage is not told.
pub(crate) fn run(bytes: &[u8]) {
    let series = rebuilt(&[("repositories/r/base-1", bytes)]);
    assert!(
        series.is_none_or(|complete| !complete) || is_whole(bytes),
        "damage was not told"
    );
    let written = scroll(bytes);
    rebuilt(&[("repositories/r/base-1", &written)]);
    let base = scroll(BASE.as_bytes());
    let mut files = vec![("repositories/r/base-1", &*base)];
    files.extend(SMALL.map(|name| (name, &*written)));
    rebuilt(&files);
}

/// Whether an input is by itself what the pool writes.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
        && bytes.len() > 37
        && Sha256::of(&bytes[..bytes.len() - 37]).0 == bytes[bytes.len() - 32..]
}

/// A manifest of lines, with its sum. What follows the kind of a pack is its body.
fn scroll(lines: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let (kind, rest) = line.split_at(1);
        let body = match kind {
            b"P" | b"Q" => rest.to_vec(),
            _ => zstd::bulk::compress(rest, 1).expect("there is memory"),
        };
        chunk(&mut file, kind[0], &body);
    }
    let sum = Sha256::of(&file).0;
    chunk(&mut file, b'E', &sum);
    file
}

fn chunk(file: &mut Vec<u8>, kind: u8, body: &[u8]) {
    file.push(kind);
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(body);
}

/// Makes a catalog; whether it is complete, `None` if that is refused.
fn rebuilt(files: &[(&str, &[u8])]) -> Option<bool> {
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    let config = config(directory.path());
    for (name, bytes) in files {
        let path = config.storage.pool_path.join("manifests").join(name);
        let parent = path.parent().expect("a file is in a directory");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, bytes))
            .expect("files can be written");
    }
    let ports = Ports {
        clock: Arc::new(SystemClock),
        progress: Arc::new(NoProgress),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .expect("a runtime starts")
        .block_on(rebuild(&config, &ports, false));
    let database = directory.path().join("chantal.db");
    assert_eq!(done.is_ok(), database.exists(), "{done:?}");
    done.ok().map(|report| report.is_complete())
}

fn config(directory: &Path) -> Config {
    let text = format!(
        "storage: {{base_path: '{0}', published_path: '{0}/www'}}\nrepositories: []\n",
        directory.display()
    );
    let loaded = load_text(&directory.join("config.yaml"), text, &|_| None);
    loaded.expect("the configuration is right").config
}
