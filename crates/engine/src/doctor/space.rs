//! Free space and inodes.

use std::path::Path;

use chantal_config::Config;

use super::{Check, together};

/// Below so many bytes no work is possible,
const FEW_BYTES: u64 = 64 << 20;
/// and so many are enough on any file system;
const PLENTY_OF_BYTES: u64 = 20 << 30;
/// the same for inodes.
const FEW_INODES: u64 = 1000;
const PLENTY_OF_INODES: u64 = 1_000_000;

pub(super) fn check(config: &Config) -> Vec<Check> {
    let storage = &config.storage;
    let (mut bytes, mut inodes) = (Vec::new(), Vec::new());
    for path in [
        &storage.pool_path,
        &storage.published_path,
        &storage.temp_path,
        &storage.base_path,
    ] {
        let Ok(found) = rustix::fs::statvfs(path) else { continue };
        let size = found.f_frsize;
        bytes.push(judge(
            "space",
            path,
            found.f_bavail.saturating_mul(size),
            found.f_blocks.saturating_mul(size),
        ));
        if found.f_files > 0 {
            inodes.push(judge("inodes", path, found.f_favail, found.f_files));
        }
    }
    if bytes.is_empty() {
        return ["space", "inodes"]
            .map(|name| Check::skipped(name, "no directory is there"))
            .into();
    }
    vec![
        together("space", &bytes, "enough is free everywhere"),
        together("inodes", &inodes, "enough is free everywhere"),
    ]
}

/// Less than 5 % free is a warning, unless that is plenty; next to nothing is a failure.
fn judge(check: &'static str, path: &Path, free: u64, all: u64) -> Check {
    let (unit, few, plenty) = match check {
        "inodes" => ("inodes", FEW_INODES, PLENTY_OF_INODES),
        _ => ("bytes", FEW_BYTES, PLENTY_OF_BYTES),
    };
    let message = format!("{free} of {all} {unit} are free on {}", path.display());
    let hint = "make room, or move the directory to a larger file system";
    if free < few {
        return Check::fail(check, 6, message).hint(hint);
    }
    if free < (all / 20).min(plenty) {
        return Check::warn(check, message, hint);
    }
    Check::ok(check, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn little_is_a_warning_and_next_to_nothing_a_failure() {
        let of = |free, all| judge("space", Path::new("/x"), free, all).status;
        assert_eq!(of(50 << 30, 100 << 30), CheckStatus::Ok);
        assert_eq!(of(4 << 30, 100 << 30), CheckStatus::Warn);
        assert_eq!(of(30 << 30, 10_000 << 30), CheckStatus::Ok);
        assert_eq!(of(1 << 20, 100 << 30), CheckStatus::Fail);
        assert_eq!(of(65 << 20, 70 << 20), CheckStatus::Ok);
    }
}
