//! Names that users give.

use std::fmt;
use std::str::FromStr;

/// Why a string cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {reason}")]
pub struct NameError {
    /// Which kind of name was wanted.
    pub what: &'static str,
    /// The offending string, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn check(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    let refuse = |reason| {
        Err(NameError {
            what,
            text: text.chars().take(80).collect(),
            reason,
        })
    };
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > max {
        return refuse("it is too long");
    }
    if text.starts_with(['.', '-']) {
        return refuse("it starts with `.` or `-`");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return refuse("only ASCII letters, digits, `-`, `_` and `.` are allowed");
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name_type! {
    /// The name that a user gives a repository.
    ///
    /// 1 to 64 ASCII letters, digits, `-`, `_`, `.`, not starting with `.` or `-`, and none of the reserved names
    /// `views` and `env`. It becomes a directory name and a URL segment, so it is checked once, here.
    RepoId, |text| {
        check("repository id", text, 64)?;
        reserve("repository id", text, matches!(text, "views" | "env"))
    }
}

name_type! {
    /// The name that a user gives a snapshot.
    ///
    /// 1 to 128 ASCII letters, digits, `-`, `_`, `.`, not starting with `.` or `-`; not `latest`, `upstream`,
    /// `published` or `r` and digits, which name other states, and not ending in `.repo`, which names a client file.
    SnapshotName, |text| {
        check("snapshot name", text, 128)?;
        let revision = text.strip_prefix('r').is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())
        });
        let reserved = revision || matches!(text, "latest" | "upstream" | "published") || std::path::Path::new(text).extension().is_some_and(|suffix| suffix == "repo");
        reserve("snapshot name", text, reserved)
    }
}

fn reserve(what: &'static str, text: &str, reserved: bool) -> Result<(), NameError> {
    if reserved {
        return Err(NameError {
            what,
            text: text.to_owned(),
            reason: "the name is reserved",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_directories_so_only_safe_ones_pass() {
        for text in [
            "", ".", "..", ".x", "-x", "a/b", "../x", "a b", "é", "a\n", "views", "env",
        ] {
            assert!(text.parse::<RepoId>().is_err(), "{text:?}");
        }
        for text in ["rhel9-baseos", "a", "9", "x_1.2", "latest"] {
            assert!(text.parse::<RepoId>().is_ok(), "{text:?}");
        }
        assert!("x".repeat(64).parse::<RepoId>().is_ok());
        assert!("x".repeat(65).parse::<RepoId>().is_err());
    }

    #[test]
    fn words_for_other_states_are_no_snapshot_names() {
        for text in ["latest", "upstream", "published", "r1", "r0042", "x.repo", "a/b"] {
            assert!(text.parse::<SnapshotName>().is_err(), "{text:?}");
        }
        for text in ["r", "r1x", "2026-11-23", "before-patchday"] {
            assert!(text.parse::<SnapshotName>().is_ok(), "{text:?}");
        }
    }
}
