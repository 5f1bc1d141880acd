//! Where a package may be published, and which files of `repodata` have fixed names.

use chantal_model::{Digest, Package, RelPath};

use super::href;
use super::repomd::ENTRY_PATH;

/// The directory that holds the entry point.
pub(super) const ENTRY_DIR: &str = "repodata";

/// See [`crate::Format::paths`].
pub(super) fn paths(package: &Package) -> Vec<RelPath> {
    let upstream = upstream(package);
    let digest = package
        .promise
        .digests
        .first()
        .map_or_else(|| package.description.hex(), Digest::hex);
    let file = upstream
        .as_ref()
        .map(|path| path.file_name().to_owned())
        .or_else(|| last_segment(&package.href))
        .unwrap_or_else(|| format!("{digest}.rpm"));
    let letter = letter(&file);
    let digits = &digest[..16];
    let made = [
        format!("Packages/{letter}/{file}"),
        format!("Packages/{letter}/{digits}/{file}"),
    ];
    let mut paths: Vec<RelPath> = upstream.into_iter().collect();
    for path in made {
        let path = RelPath::parse(&path).expect("a file name below three short segments is a path");
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Upstream's own path, if it can be published beside generated metadata.
fn upstream(package: &Package) -> Option<RelPath> {
    if package.base.is_some() {
        return None;
    }
    href::path(&package.href)
        .ok()
        .filter(|path| path.top() != ENTRY_DIR && !is_made_directory(path))
}

/// Whether a path is one of the directories of [`paths`]: no package may take their place.
fn is_made_directory(path: &RelPath) -> bool {
    let mut segments = path.as_str().split('/');
    segments.next() == Some("Packages")
        && segments.next().is_none_or(|letter| letter.chars().count() == 1)
        && segments
            .next()
            .is_none_or(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && segments.next().is_none()
}

/// The last segment of a location that is no path below the root, such as a URL.
fn last_segment(location: &str) -> Option<String> {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    let segment = location.rsplit('/').next().unwrap_or_default();
    href::path(segment).ok().map(|path| path.file_name().to_owned())
}

fn letter(file: &str) -> char {
    let first = file.chars().next().map_or('_', |c| c.to_ascii_lowercase());
    if first.is_ascii_alphanumeric() { first } else { '_' }
}

/// See [`crate::Format::entry_rank`].
pub(super) fn entry_rank(file_name: &str) -> Option<u8> {
    let entry = ENTRY_PATH.rsplit('/').next().unwrap_or_default();
    match file_name.strip_prefix(entry) {
        Some("") => Some(2),
        Some(".asc" | ".key") => Some(1),
        _ if has_digest(file_name) => None,
        _ => Some(0),
    }
}

/// Whether a name begins with a digest, as createrepo_c's `--unique-md-filenames` makes it.
fn has_digest(file_name: &str) -> bool {
    let Some((digits, _)) = file_name.split_once('-') else {
        return false;
    };
    digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_package_takes_the_place_of_a_directory_that_any_may_need() {
        for path in ["Packages", "Packages/a", "Packages/_", "Packages/a/0123456789abcdef"] {
            assert!(is_made_directory(&RelPath::parse(path).unwrap()), "{path}");
        }
        for path in [
            "a",
            "Packages/ab",
            "Packages/a/b.rpm",
            "Packages/a/0123456789abcdef/b.rpm",
        ] {
            assert!(!is_made_directory(&RelPath::parse(path).unwrap()), "{path}");
        }
    }

    #[test]
    fn only_names_that_begin_with_a_digest_change_with_their_content() {
        let digest = "0123456789abcdef0123456789ABCDEF";
        for (name, rank) in [
            ("repomd.xml", Some(2)),
            ("repomd.xml.asc", Some(1)),
            ("repomd.xml.key", Some(1)),
            ("primary.xml.gz", Some(0)),
            ("0123-primary.xml.gz", Some(0)),
            (digest, Some(0)),
            (&format!("{digest}-primary.xml.gz"), None),
            (&format!("{digest}x-primary.xml.gz"), Some(0)),
        ] {
            assert_eq!(entry_rank(name), rank, "{name}");
        }
    }
}
