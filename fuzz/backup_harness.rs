//! What the fuzz target `backup`, and the replay test of its corpus, does with an input.

use std::fs;
use std::ops::Range;
use std::path::Path;

use chantal_config::{Config, load_text};
use chantal_engine::{backup_info, verify_backup};
use chantal_model::Sha256;
use serde_json::Value;

/// Of headers, and what members are filled up to.
const BLOCK: usize = 512;
/// Header and content of the sum, and two empty blocks.
const TRAILER: usize = 4 * BLOCK;

/// Reads an input as an archive: as it is, and with sums that are right, so that what they guard is read too.
///
/// # Panics
/// Bytes are accepted that do not have the sum that they end with.
pub(crate) fn run(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    let config = config(directory.path());
    let is_summed = bytes.len() > TRAILER && summed(bytes) == bytes;
    let is_good = verified(&config, directory.path(), bytes);
    assert!(!is_good || is_summed, "an archive is believed whose sum is wrong");
    verified(&config, directory.path(), &summed(&members(bytes)));
}

fn verified(config: &Config, directory: &Path, bytes: &[u8]) -> bool {
    let file = directory.join("archive.tar");
    fs::write(&file, bytes).expect("files can be written");
    let _ = backup_info(&file);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .expect("a runtime starts")
        .block_on(verify_backup(config, &file, false));
    done.is_ok()
}

/// The same bytes with the right sum at their end.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(TRAILER) {
        let sum = Sha256::of(&bytes[..end]).hex();
        bytes[end + BLOCK..end + BLOCK + sum.len()].copy_from_slice(sum.as_bytes());
    }
    bytes
}

/// The same bytes with the right digests of members in the manifest, as far as it can be read.
fn members(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some((text, mut at)) = manifest(&bytes) else {
        return bytes;
    };
    let Ok(manifest) = serde_json::from_slice::<Value>(&bytes[text.clone()]) else {
        return bytes;
    };
    for list in ["tables", "configuration"] {
        for member in manifest[list].as_array().into_iter().flatten() {
            let (Some(size), Some(old)) = (member["bytes"].as_u64(), member["sha256"].as_str()) else {
                return bytes;
            };
            let start = at + BLOCK;
            let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
            let Some(content) = end.and_then(|end| bytes.get(start..end)) else {
                return bytes;
            };
            let new = Sha256::of(content).hex();
            let place = bytes[text.clone()]
                .windows(64)
                .position(|window| window == old.as_bytes());
            if let Some(place) = place {
                bytes[text.start + place..][..64].copy_from_slice(new.as_bytes());
            }
            at = start + (size as usize).div_ceil(BLOCK) * BLOCK;
        }
    }
    bytes
}

/// Where the manifest is, and where the first member begins.
fn manifest(bytes: &[u8]) -> Option<(Range<usize>, usize)> {
    let digits = std::str::from_utf8(bytes.get(124..135)?).ok()?;
    let size = usize::from_str_radix(digits, 8).ok()?;
    let end = BLOCK.checked_add(size).filter(|end| *end <= bytes.len())?;
    Some((BLOCK..end, BLOCK + size.div_ceil(BLOCK) * BLOCK))
}

fn config(directory: &Path) -> Config {
    let text = format!(
        "storage: {{base_path: '{0}', published_path: '{0}/www'}}\nrepositories: []\n",
        directory.display()
    );
    let loaded = load_text(&directory.join("config.yaml"), text, &|_| None);
    loaded.expect("the configuration is right").config
}
