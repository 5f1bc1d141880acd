//! The verbs that are disturbed, in the order in which a first run does them.

/// One of them.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) words: &'static [&'static str],
    /// What the program says when it is asked to do it again, where that is refused.
    pub(crate) was_done: Option<&'static str>,
    /// The configuration it runs with.
    pub(crate) config: Config,
    /// What fails in any case.
    pub(crate) failpoints: &'static str,
}

/// Which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    /// Everything is kept for an hour.
    Usual,
    /// Graces are over at once, and one revision is kept.
    Least,
    /// A database of its own, of the first schema.
    Old,
}

const fn verb(name: &'static str, words: &'static [&'static str]) -> Verb {
    Verb {
        name,
        words,
        was_done: None,
        config: Config::Usual,
        failpoints: "",
    }
}

/// The tree that is adopted, in the directory of the bench.
pub(crate) const ADOPTED: &str = "extra";

/// Where the chain ends and what has a start of its own begins.
pub(crate) const CHAIN: usize = 9;
/// Starts from blobs and published files that are damaged.
pub(crate) const REPAIR: &str = "repair";
/// Its place in the chain.
pub(crate) const PUBLISH: usize = 3;

pub(crate) const VERBS: [Verb; CHAIN + 3] = [
    verb("adopt", &["pool", "adopt", ADOPTED, "--copy"]),
    verb("sync", &["repo", "sync", "r"]),
    Verb {
        was_done: Some("has a snapshot second already"),
        ..verb("snapshot", &["snapshot", "create", "r", "--name", "second"])
    },
    verb("publish", &["publish", "repo", "r"]),
    verb(
        "publish-snapshot",
        &["publish", "snapshot", "r", "--snapshot", "second"],
    ),
    verb("switch", &["publish", "switch", "r", "--snapshot", "first"]),
    Verb {
        was_done: Some("nothing is recorded of repository gone"),
        ..verb("delete", &["repo", "delete", "gone", "--yes", "--force", "--unpublish"])
    },
    Verb {
        config: Config::Least,
        ..verb("collect", &["pool", "cleanup", "--keep-for", "0s"])
    },
    Verb {
        config: Config::Least,
        ..verb("clean", &["db", "cleanup"])
    },
    Verb {
        // The file system cannot exchange directories.
        failpoints: "publish::exchange::before=return(22)",
        ..verb("publish-by-renames", &["publish", "repo", "r"])
    },
    verb(REPAIR, &["pool", "verify", "--repair"]),
    Verb {
        config: Config::Old,
        ..verb("migrate", &["db", "upgrade"])
    },
];
