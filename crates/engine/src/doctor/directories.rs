//! Directories: there, ours, linkable, exchangeable, labelled, tidy.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chantal_config::{Config, LinkMode};
use chantal_model::Clock;
use chantal_pool::Pool;
use chantal_publish::Site;
use rustix::fs::Access;

use super::{Check, together};
use crate::error::{Doing, EngineError};
use crate::{check_file_systems, pool_options, site_options};

/// Names that one file should be able to have; a popular package is in many snapshots.
const LINKS: u32 = 1200;
/// What is older belongs to no living process.
const OLD: Duration = Duration::from_secs(24 * 3600);
/// Types that web servers may read.
const READABLE_LABELS: [&str; 3] = ["httpd_sys_content_t", "httpd_sys_rw_content_t", "public_content_t"];

/// The configured directories, each under a name of its own.
pub(super) fn check(config: &Config) -> Vec<Check> {
    let storage = &config.storage;
    let user = rustix::process::geteuid().as_raw();
    [
        ("base-directory", &storage.base_path),
        ("pool-directory", &storage.pool_path),
        ("temp-directory", &storage.temp_path),
        ("published-directory", &storage.published_path),
    ]
    .map(|(name, path)| directory(name, path, user))
    .into()
}

fn directory(check: &'static str, path: &Path, user: u32) -> Check {
    let shown = path.display();
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => {
            return Check::fail(check, 2, format!("cannot look at {shown}: {error}")).hint("`chantal init` makes it");
        }
    };
    if !meta.is_dir() {
        return Check::fail(check, 2, format!("{shown} is no directory"));
    }
    if let Err(error) = rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        return Check::fail(check, 2, format!("this user may not read and write {shown}: {error}"))
            .hint("run as its owner, or give it to this user");
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Check::fail(check, 2, format!("everybody may write to {shown} (mode {mode:04o})"))
            .hint(format!("`chmod o-w {shown}`"));
    }
    if meta.uid() != user {
        let message = format!("{shown} belongs to user {}, and this is user {user}", meta.uid());
        return Check::warn(
            check,
            message,
            "what this user makes there, its owner may not be able to change",
        );
    }
    Check::ok(check, shown.to_string())
}

/// Whether files get from the pool into trees, and whether trees can be switched in one step.
pub(super) fn links(config: &Config) -> Vec<Check> {
    let storage = &config.storage;
    if !storage.pool_path.is_dir() || !storage.published_path.is_dir() {
        let skipped = |name| Check::skipped(name, "pool and published root are not both there");
        return ["file-system", "hard-links", "exchange"].map(skipped).into();
    }
    let pool = Pool::open(&storage.pool_path, pool_options(config)).doing("be opened");
    let shared = pool.and_then(|pool| check_file_systems(config, &pool));
    let (is_shared, file_system) = match shared {
        Ok(()) => (
            true,
            Check::ok("file-system", "pool and published root fit the link mode"),
        ),
        Err(error) => (false, told("file-system", &error)),
    };
    let links = match storage.link_mode {
        LinkMode::Hardlink if is_shared => hard_links(&storage.pool_path.join("tmp"), &storage.published_path),
        LinkMode::Hardlink => Check::skipped("hard-links", "pool and published root are on two file systems"),
        _ => Check::skipped("hard-links", "`storage.link_mode` makes no hard links"),
    };
    vec![file_system, links, exchange(config)]
}

/// A failure with the hint that it carries.
fn told(check: &'static str, error: &EngineError) -> Check {
    let failed = Check::failed(check, error);
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

fn hard_links(from: &Path, to: &Path) -> Check {
    match try_links(from, to) {
        Ok(made) => judge_links(made),
        Err(error) => Check::fail(
            "hard-links",
            2,
            format!(
                "no hard link can be made from {} to {}: {error}",
                from.display(),
                to.display()
            ),
        )
        .hint("set `storage.link_mode: reflink` or `copy`"),
    }
}

/// Gives one file as many names as are wanted; tells how many it could have.
fn try_links(from: &Path, to: &Path) -> std::io::Result<u32> {
    let file = tempfile::Builder::new().prefix("doctor-").tempfile_in(from)?;
    let names = tempfile::Builder::new().prefix(".doctor-").tempdir_in(to)?;
    for number in 0..LINKS {
        match std::fs::hard_link(file.path(), names.path().join(number.to_string())) {
            Err(error) if number == 0 => return Err(error),
            Err(_) => return Ok(number),
            Ok(()) => {}
        }
    }
    Ok(LINKS)
}

fn judge_links(made: u32) -> Check {
    if made < LINKS {
        let message = format!("a file can have {made} further names only");
        return Check::warn(
            "hard-links",
            message,
            "what is published more often than that is copied",
        );
    }
    Check::ok("hard-links", format!("a file can have {LINKS} names and more"))
}

fn exchange(config: &Config) -> Check {
    let root = &config.storage.published_path;
    let found = Site::open(root, site_options(config)).and_then(|site| site.exchanges());
    match found {
        Ok(works) => judge_exchange(works),
        Err(source) => Check::failed(
            "exchange",
            &EngineError::Publish {
                path: root.display().to_string(),
                source,
            },
        ),
    }
}

fn judge_exchange(works: bool) -> Check {
    if works {
        return Check::ok("exchange", "trees are switched in one step");
    }
    Check::warn(
        "exchange",
        "the file system cannot exchange two directories, so trees are switched file by file",
        "put the published root on ext4, xfs or btrfs",
    )
}

/// What killed runs left: old temporary files of the pool and of tasks, unfinished files in trees.
pub(super) fn left_overs(config: &Config, clock: &dyn Clock) -> Check {
    let now = SystemTime::from(clock.now());
    let mut found = Vec::new();
    for directory in [config.storage.pool_path.join("tmp"), config.storage.temp_path.clone()] {
        let count = entries(&directory).filter(|entry| is_old(entry, now)).count();
        if count > 0 {
            found.push(left_over(count, &directory));
        }
    }
    let mut directories = vec![config.storage.published_path.clone()];
    let mut unfinished = 0;
    while let Some(directory) = directories.pop() {
        for entry in entries(&directory) {
            if chantal_publish::is_unfinished(&entry.file_name().to_string_lossy()) {
                unfinished += usize::from(is_old(&entry, now));
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(entry.path());
            }
        }
    }
    if unfinished > 0 {
        found.push(left_over(unfinished, &config.storage.published_path));
    }
    together("left-overs", &found, "nothing of killed runs is left")
}

fn entries(directory: &Path) -> impl Iterator<Item = std::fs::DirEntry> + use<> {
    std::fs::read_dir(directory).into_iter().flatten().flatten()
}

fn is_old(entry: &std::fs::DirEntry, now: SystemTime) -> bool {
    let written = entry.metadata().and_then(|meta| meta.modified());
    written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > OLD))
}

fn left_over(count: usize, directory: &Path) -> Check {
    let message = format!("{count} left by killed runs in {}", directory.display());
    Check::warn(
        "left-overs",
        message,
        "the next sync or publish removes them; what stays after it can be deleted",
    )
}

/// Security labels, where it is enabled.
pub(super) fn labels(config: &Config) -> Check {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        return Check::skipped("selinux", "SELinux is not enabled");
    }
    let mut label = vec![0_u8; 256];
    let root = &config.storage.published_path;
    match rustix::fs::getxattr(root, "security.selinux", &mut label) {
        Ok(length) => judge_label(root, &String::from_utf8_lossy(label.get(..length).unwrap_or_default())),
        Err(error) => Check::warn(
            "selinux",
            format!("{} has no label: {error}", root.display()),
            "`restorecon` gives it one",
        ),
    }
}

fn judge_label(root: &Path, label: &str) -> Check {
    let label = label.trim_end_matches('\0');
    if READABLE_LABELS
        .iter()
        .any(|readable| label.split(':').any(|part| part == *readable))
    {
        return Check::ok("selinux", label.to_owned());
    }
    let root = root.display();
    Check::warn(
        "selinux",
        format!("{root} has the label {label}, which a web server may not read"),
        format!("`semanage fcontext -a -t httpd_sys_content_t '{root}(/.*)?'`, then `restorecon -R {root}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn few_links_a_refused_exchange_and_a_strange_label_are_warnings() {
        assert_eq!(judge_links(LINKS).status, CheckStatus::Ok);
        assert_eq!(judge_links(1023).status, CheckStatus::Warn);
        assert_eq!(judge_exchange(true).status, CheckStatus::Ok);
        assert_eq!(judge_exchange(false).status, CheckStatus::Warn);
        let label = |text| judge_label(Path::new("/srv"), text).status;
        assert_eq!(label("system_u:object_r:httpd_sys_content_t:s0\0"), CheckStatus::Ok);
        assert_eq!(label("system_u:object_r:var_lib_t:s0\0"), CheckStatus::Warn);
    }

    #[test]
    fn links_to_nowhere_fail() {
        let directory = tempfile::tempdir().unwrap();
        let check = hard_links(directory.path(), &directory.path().join("nowhere"));
        assert_eq!((check.status, check.exit_code), (CheckStatus::Fail, 2));
        assert_eq!(hard_links(directory.path(), directory.path()).status, CheckStatus::Ok);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_of_somebody_else_is_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let owner = std::fs::metadata(directory.path()).unwrap().uid();
        assert_eq!(super::directory("x", directory.path(), owner).status, CheckStatus::Ok);
        assert_eq!(
            super::directory("x", directory.path(), owner + 1).status,
            CheckStatus::Warn
        );
    }
}
