//! Small file systems, and files that fill them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chantal_testkit::needs::need;

/// A tmpfs that is unmounted at the end. It is to be dropped before the directory that it is in.
pub(crate) struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts one; `None`, told loudly, where that is not allowed.
    pub(crate) fn tmpfs(path: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], path);
        need(mounted, "mounting a tmpfs, which needs root").then(|| Self { path: path.to_owned() })
    }

    pub(crate) fn remount(&self, options: &str) {
        assert!(
            mount(&["-o", &format!("remount,{options}")], &self.path),
            "remount {options}"
        );
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a server thread may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    Command::new("mount")
        .args(arguments)
        .arg(path)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Fills a file system up to `free` bytes, page by page.
pub(crate) fn fill_bytes(directory: &Path, free: u64) -> PathBuf {
    let ballast = directory.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    let page = [1_u8; 4096];
    while free_of(directory).0 > free {
        file.write_all(&page).unwrap();
    }
    ballast
}

/// Uses up inodes until `free` are left.
pub(crate) fn fill_inodes(directory: &Path, free: u64) -> PathBuf {
    let ballast = directory.join("ballast");
    std::fs::create_dir(&ballast).unwrap();
    let mut count = 0;
    while free_of(directory).1 > free {
        File::create(ballast.join(count.to_string())).unwrap();
        count += 1;
    }
    ballast
}

/// Free bytes and inodes.
pub(crate) fn free_of(directory: &Path) -> (u64, u64) {
    let stat = rustix::fs::statvfs(directory).unwrap();
    (stat.f_bavail * stat.f_frsize, stat.f_favail)
}
