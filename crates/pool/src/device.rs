//! What the file system below the pool is and has: free space, mounts, whether links can cross.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::Pool;
use crate::error::PoolError;

/// `syncfs` reports write errors from this Linux on.
const SYNCFS_REPORTS_ERRORS: (u32, u32) = (5, 8);

impl Pool {
    /// Free bytes and inodes for an ordinary user. File systems without a fixed number of inodes have very many.
    pub fn free_space(&self) -> Result<(u64, u64), PoolError> {
        let root = self.root();
        let stat = rustix::fs::statvfs(root)
            .map_err(|source| PoolError::io("ask for the free space of", root, source.into()))?;
        let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), inodes))
    }

    /// `None` if hard links can go from here to `other`; else the mount points of both.
    ///
    /// Two mounts of one file system count as two: the kernel refuses links between them too. Where `other` is not
    /// there yet, the nearest directory above it answers.
    pub fn shares_file_system(&self, other: &Path) -> Result<Option<(PathBuf, PathBuf)>, PoolError> {
        let look = |path: &Path| place(path).map_err(|source| PoolError::io("look at", path, source));
        let other = std::path::absolute(other).map_err(|source| PoolError::io("look at", other, source))?;
        let there = other
            .ancestors()
            .find(|ancestor| ancestor.exists())
            .unwrap_or(Path::new("/"));
        if look(self.root())? == look(there)? {
            return Ok(None);
        }
        Ok(Some((mount_point(self.root()), mount_point(there))))
    }
}

/// Device and mount of a path. Where the kernel does not tell the mount (before Linux 5.8), the device alone decides.
fn place(path: &Path) -> std::io::Result<(u64, u64)> {
    let device = std::fs::metadata(path)?.dev();
    let mount = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
        .ok()
        .filter(|found| found.stx_mask & StatxFlags::MNT_ID.bits() != 0)
        .map_or(0, |found| found.stx_mnt_id);
    Ok((device, mount))
}

/// The topmost directory of the same mount.
fn mount_point(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = place(&path).ok();
    let topmost = path
        .ancestors()
        .take_while(|ancestor| place(ancestor).ok() == own)
        .last();
    topmost.unwrap_or(&path).to_owned()
}

/// Whether this kernel's `syncfs` reports write errors.
pub(crate) fn syncfs_reports_errors() -> bool {
    let system = rustix::system::uname();
    version(&system.release().to_string_lossy()).is_none_or(|version| version >= SYNCFS_REPORTS_ERRORS)
}

/// Major and minor number of a kernel release such as `6.1.0-13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_compared_by_number() {
        for (release, reports) in [
            ("5.7.19", false),
            ("4.19.0-26-amd64", false),
            ("5.8.0", true),
            ("5.10.0-30-amd64", true),
            ("6.18.44-fc", true),
            ("10.0", true),
        ] {
            assert_eq!(
                version(release).is_some_and(|v| v >= SYNCFS_REPORTS_ERRORS),
                reports,
                "{release}"
            );
        }
        assert_eq!(version("unknown"), None);
    }
}
