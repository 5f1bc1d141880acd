//! Keys that are accepted and that this version does not act on: one table, so that nothing is ignored silently.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::node::{Node, Place, Value};
use crate::{formats, reference};

/// Whom such a key concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// A feature of its own: a warning is enough.
    Nobody,
    /// Every repository: none can be acted on.
    Everybody,
}

/// Keys of the reference system's cache of metadata, which has nothing to do here: no later version acts on them, and
/// whatever they say is so anyway.
pub(crate) const MOOT: &[&str] = &["cache", "storage.cache_path", "repositories[].cache_enabled"];
const WHY_MOOT: &str = "the pool keeps metadata by digest, so that nothing is fetched twice";

/// Top-level keys.
pub(crate) const TOP: &[(&str, &str, Concerns)] = &[
    ("publish.require_closure", "the dependency check", Concerns::Everybody),
    ("gpg", "signing", Concerns::Everybody),
    ("verify", "signature checks", Concerns::Everybody),
    ("views", "views", Concerns::Nobody),
    ("environments", "environments", Concerns::Nobody),
];

/// Keys below a repository.
pub(crate) const REPOSITORY: &[(&str, &str)] = &[
    ("filters.with_dependencies", "dependency closure"),
    ("filters.dependency_repositories", "dependency closure"),
    ("filters.weak_dependencies", "dependency closure"),
    ("publish.require_closure", "the dependency check"),
    ("gpg", "signing"),
    ("verify", "signature checks"),
];

/// Weaknesses that cannot be accepted, and why.
const UNBUILT_WEAKNESSES: [(&str, Why); 2] = [
    ("md5", Why::Never("MD5 is never accepted")),
    ("unsigned_downgrade", Why::Unbuilt("signature checks")),
];

/// Why something is not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It belongs to this feature, which is not built.
    Unbuilt(&'static str),
    /// No version acts on it, for this reason.
    Never(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbuilt(feature) => write!(f, "{feature}: not built yet"),
            Self::Never(reason) => f.write_str(reason),
        }
    }
}

/// Whether a word of a key, as the reference writes it, is not acted on.
pub(crate) fn is_unbuilt_word(key: &str, word: &str) -> bool {
    match key {
        "repositories[].type" => !formats::is_built(word),
        "repositories[].mode" => word == "hosted",
        "repositories[].allow_weak" => UNBUILT_WEAKNESSES.iter().any(|(known, _)| *known == word),
        _ => false,
    }
}

/// Something in a repository's configuration that this version does not act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// The key, as a path below the repository or the top level.
    pub key: String,
    /// Why: the feature that it belongs to and that is not built, or what holds instead.
    pub why: String,
    /// File and line.
    pub place: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.place, self.why)
    }
}

/// A key of the tables, or a value, that is set.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) key: String,
    pub(crate) why: Why,
    pub(crate) place: Place,
    pub(crate) concerns: Concerns,
    pub(crate) hint: Option<&'static str>,
}

/// Defaults by key: a value that is the default anyway asks for nothing.
static DEFAULTS: LazyLock<BTreeMap<String, serde_json::Value>> = LazyLock::new(|| {
    let leaves = reference::leaves(&crate::schema::whole());
    let with_default = leaves.into_iter().filter_map(|leaf| Some((leaf.key, leaf.default?)));
    with_default.collect()
});

/// What the top level sets.
pub(crate) fn top(root: &Node) -> Vec<Set> {
    TOP.iter()
        .filter_map(|(path, feature, concerns)| {
            Some(Set {
                concerns: *concerns,
                ..set(root, "", path, feature)?
            })
        })
        .collect()
}

/// What a repository sets.
pub(crate) fn repository(node: &Node) -> Vec<Set> {
    let format = text_at(node, &["type"]);
    let is_built = format.is_none_or(|(word, _)| formats::is_built(word));
    let of_format: &[(&str, &str)] = if is_built { formats::UNBUILT } else { &[] };
    let mut sets = values(node);
    sets.extend(
        REPOSITORY
            .iter()
            .chain(of_format)
            .filter_map(|(path, feature)| set(node, "repositories[].", path, feature)),
    );
    sets
}

/// What is set and has nothing to do: the key, its place, and why.
pub(crate) fn moot(root: &Node) -> Vec<(String, Place, &'static str)> {
    let repositories = root.get("repositories").map(Node::items).unwrap_or_default();
    let mut found = Vec::new();
    let mut look = |node: &Node, path: &str, key: &str| {
        if let Some((_, place)) = at(node, path).filter(|(value, _)| !is_nothing(value, key)) {
            found.push((path.to_owned(), place, WHY_MOOT));
        }
    };
    for key in MOOT {
        match key.strip_prefix("repositories[].") {
            Some(own) => repositories
                .iter()
                .chain(root.get("defaults"))
                .for_each(|node| look(node, own, key)),
            None => look(root, key, key),
        }
    }
    found
}

/// The value at a path of keys, and where its key is.
fn at<'a>(node: &'a Node, path: &str) -> Option<(&'a Node, Place)> {
    path.split('.').try_fold((node, node.place), |(at, _), step| {
        let (key, value) = at.entry(step)?;
        Some((value, key.place))
    })
}

fn set(node: &Node, prefix: &str, path: &str, feature: &'static str) -> Option<Set> {
    let (value, place) = at(node, path)?;
    (!is_nothing(value, &format!("{prefix}{path}"))).then(|| Set {
        key: path.to_owned(),
        why: Why::Unbuilt(feature),
        place,
        concerns: Concerns::Everybody,
        hint: None,
    })
}

/// Whether a value changes nothing: null, the default, empty, a block that is switched off.
fn is_nothing(node: &Node, key: &str) -> bool {
    if let (Some(default), false) = (DEFAULTS.get(key), matches!(node.value, Value::Null)) {
        return node.to_json() == *default;
    }
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => {
            let switch = format!("{key}.enabled");
            match node.get("enabled").map(|enabled| &enabled.value) {
                Some(Value::Bool(is_on)) => return !is_on,
                _ if DEFAULTS.get(&switch) == Some(&false.into()) => return true,
                _ => {}
            }
            entries
                .iter()
                .all(|(name, value)| is_nothing(value, &format!("{key}.{}", name.name)))
        }
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

fn text_at<'a>(node: &'a Node, path: &[&str]) -> Option<(&'a str, Place)> {
    match node.at(path).map(|node| (&node.value, node.place)) {
        Some((Value::Text(text), place)) => Some((text, place)),
        _ => None,
    }
}

/// Values, rather than keys, of a repository that this version does not act on.
fn values(node: &Node) -> Vec<Set> {
    let one = |key: String, why, place| Set {
        key,
        why,
        place,
        concerns: Concerns::Everybody,
        hint: None,
    };
    let mut found = Vec::new();
    if let Some((word, place)) = text_at(node, &["type"]).filter(|(word, _)| !formats::is_built(word)) {
        found.push(one(format!("type: {word}"), Why::Unbuilt("this format"), place));
    }
    let mode = text_at(node, &["mode"]);
    if let Some((_, place)) = mode.filter(|(mode, _)| *mode == "hosted") {
        found.push(one("mode: hosted".to_owned(), Why::Unbuilt("uploading"), place));
    }
    found.extend(retention(node, mode.is_some_and(|(mode, _)| mode == "mirror")));
    for weakness in node.get("allow_weak").map(Node::items).unwrap_or_default() {
        if let Value::Text(word) = &weakness.value
            && let Some((_, why)) = UNBUILT_WEAKNESSES.iter().find(|(known, _)| known == word)
        {
            found.push(one(format!("allow_weak: {word}"), *why, weakness.place));
        }
    }
    found
}

/// Values of `retention` that have no meaning beside the others.
fn retention(node: &Node, is_mirror: bool) -> Vec<Set> {
    let one = |key: String, why, place, hint| Set {
        key,
        why: Why::Never(why),
        place,
        concerns: Concerns::Everybody,
        hint: Some(hint),
    };
    let policy = text_at(node, &["retention", "policy"]);
    let deleted = text_at(node, &["retention", "deleted_packages"]);
    let mut found = Vec::new();
    if is_mirror {
        let other = policy
            .filter(|(policy, _)| *policy != "mirror")
            .map(|set| ("policy", set));
        let kept = deleted
            .filter(|(what, _)| *what != "remove")
            .map(|set| ("deleted_packages", set));
        found.extend(other.into_iter().chain(kept).map(|(key, (word, place))| {
            one(
                format!("retention.{key}: {word}"),
                "in mode mirror the metadata are upstream's own and keep nothing that it dropped",
                place,
                "`mode: filtered` keeps what upstream drops",
            )
        }));
    }
    let count = node.at(&["retention", "keep_count"]);
    if let Some(count) = count.filter(|count| !matches!(count.value, Value::Null))
        && policy.is_none_or(|(policy, _)| policy != "keep-last-n")
    {
        found.push(one(
            "retention.keep_count".to_owned(),
            "no policy but `keep-last-n` counts versions",
            count.place,
            "`policy: keep-last-n`, or remove the key",
        ));
    }
    found
}
