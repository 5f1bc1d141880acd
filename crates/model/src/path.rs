//! Relative paths that stay where they belong.

use std::fmt;
use std::path::{Path, PathBuf};

/// A path below some root, checked once, at the border.
///
/// One or more segments joined by `/`. No segment is empty, `.` or `..`; none holds `\`, NUL or another control
/// character; each has at most 255 bytes, the whole at most 3,072. So `root.join(path)` never leaves `root`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Box<str>);

/// Why a string is no [`RelPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsafe path {path:?}: {reason}")]
pub struct PathError {
    /// The offending string, cut to 200 characters.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RelPath {
    /// The longest segment in bytes, which is what common file systems allow.
    pub const MAX_SEGMENT_BYTES: usize = 255;
    /// The longest path in bytes.
    pub const MAX_BYTES: usize = 3072;

    /// Checks a path. Percent signs are ordinary characters here: who holds a URL decodes it first, once.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let refuse = |reason| {
            Err(PathError {
                path: text.chars().take(200).collect(),
                reason,
            })
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > Self::MAX_BYTES {
            return refuse("name too long");
        }
        if text.starts_with('/') {
            return refuse("it is absolute");
        }
        if text.contains('\\') {
            return refuse("it holds a backslash");
        }
        if text.chars().any(char::is_control) {
            return refuse("it holds a control character");
        }
        for segment in text.split('/') {
            match segment {
                "" => return refuse("it has an empty segment"),
                "." | ".." => return refuse("it has a segment `.` or `..`"),
                _ if segment.len() > Self::MAX_SEGMENT_BYTES => return refuse("name too long"),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for the file system, still relative.
    pub fn as_path(&self) -> &Path {
        Path::new(&*self.0)
    }

    /// The path below a root.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(self.as_path())
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().expect("split yields at least one segment")
    }

    /// All but the last segment; `None` for a single segment.
    pub fn parent(&self) -> Option<RelPath> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// The first segment.
    pub fn top(&self) -> &str {
        self.0.split('/').next().expect("split yields at least one segment")
    }

    /// This path with another one appended.
    pub fn join(&self, tail: &RelPath) -> Result<RelPath, PathError> {
        Self::parse(&format!("{self}/{tail}"))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for RelPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_could_leave_the_root_are_refused() {
        for text in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "a/b/../../../x",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "a/\u{7f}",
            "a\u{85}b",
        ] {
            assert!(RelPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_no_file_system_takes_are_refused() {
        assert!(RelPath::parse(&"x".repeat(255)).is_ok());
        assert!(RelPath::parse(&"x".repeat(256)).is_err());
        assert!(RelPath::parse(&"x/".repeat(2000)).is_err());
    }

    #[test]
    fn percent_signs_and_dots_inside_names_stay_as_they_are() {
        for text in [
            "a%2e%2e/b",
            "...",
            "..a",
            "a..",
            "Packages/l/libstdc++-1.0~rc^1.x86_64.rpm",
            "é/ü",
        ] {
            assert_eq!(RelPath::parse(text).unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_below_the_root(text in "\\PC*|[./a\\\\]{0,20}") {
            if let Ok(path) = RelPath::parse(&text) {
                let mut depth = 0_i32;
                for component in path.below(Path::new("/root")).components().skip(2) {
                    prop_assert!(matches!(component, std::path::Component::Normal(_)));
                    depth += 1;
                }
                prop_assert!(depth >= 1);
            }
        }
    }
}
