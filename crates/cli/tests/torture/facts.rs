//! What a directory holds, seen without the program, and whether it may hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chantal_catalog::{Catalog, Location};
use chantal_model::Sha256;

/// Digests of files by path.
pub(crate) type Tree = BTreeMap<String, String>;

const ENTRY: &str = "repodata/repomd.xml";
const ENTRY_DIR: &str = "repodata/";

/// What counts of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) schema: i64,
    /// Newest revisions by repository.
    pub(crate) revisions: BTreeMap<String, i64>,
    /// Snapshots as `repository/name`.
    pub(crate) snapshots: BTreeSet<String>,
    /// Blobs that the catalog names.
    pub(crate) blobs: BTreeSet<Sha256>,
    /// Those that are not there or have other bytes.
    pub(crate) damaged: BTreeSet<Sha256>,
    /// Served trees by their path.
    pub(crate) served: BTreeMap<String, Tree>,
}

/// Where the parts of a state are.
pub(crate) struct Place<'a> {
    pub(crate) database: &'a Path,
    pub(crate) pool: &'a Path,
    pub(crate) published: &'a Path,
}

/// Reads a state. What cannot be there in any case, such as a tree that is not whole, is an error.
pub(crate) fn read(place: &Place<'_>) -> Result<Facts, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut facts = runtime.block_on(recorded(place))?;
    facts.served = served(place.published)?;
    Ok(facts)
}

async fn recorded(place: &Place<'_>) -> Result<Facts, String> {
    let opened = Catalog::open_any(&Location::File(place.database.to_owned())).await;
    let catalog = opened.map_err(|error| format!("the database cannot be opened: {error:?}"))?;
    let facts = recorded_in(&catalog, place.pool).await;
    catalog.close().await;
    facts
}

async fn recorded_in(catalog: &Catalog, pool: &Path) -> Result<Facts, String> {
    let told = |error: chantal_catalog::CatalogError| format!("the database cannot be read: {error:?}");
    let schema = catalog.schema_status().await.map_err(told)?;
    let mut facts = Facts {
        schema: schema.version,
        ..Facts::default()
    };
    if schema.version != schema.latest {
        return Ok(facts);
    }
    let problems = catalog.verify().await.map_err(told)?;
    if !problems.is_empty() {
        return Err(format!("the database is damaged: {problems:?}"));
    }
    for repository in catalog.repositories().await.map_err(told)? {
        let current = catalog.current(repository.line).await.map_err(told)?;
        let number = current.map_or(0, |revision| revision.number.0);
        facts.revisions.insert(repository.name.to_string(), number);
        for snapshot in catalog.snapshots(repository.id).await.map_err(told)? {
            facts.snapshots.insert(format!("{}/{}", repository.name, snapshot.name));
        }
    }
    for (sha256, size) in catalog.all_blobs().await.map_err(told)? {
        let hex = sha256.hex();
        let bytes = std::fs::read(pool.join(&hex[..2]).join(&hex));
        if !bytes.is_ok_and(|bytes| (bytes.len() as u64, Sha256::of(&bytes)) == (size, sha256)) {
            facts.damaged.insert(sha256);
        }
        facts.blobs.insert(sha256);
    }
    Ok(facts)
}

/// Every tree below a published root that has an entry file. What a mirrorlist names has to be a whole generation.
fn served(root: &Path) -> Result<BTreeMap<String, Tree>, String> {
    let all = match chantal_testkit::tree::digests(root) {
        Ok(all) => all,
        Err(_) if !root.exists() => Tree::new(),
        Err(error) => return Err(format!("the published root cannot be read: {error:#}")),
    };
    let mut trees = BTreeMap::new();
    for path in all.keys().filter_map(|path| path.strip_suffix(ENTRY)) {
        if path.contains("/gen/") || path.contains("/.") {
            continue;
        }
        let files = all.range(path.to_owned()..);
        let files = files.take_while(|(file, _)| file.starts_with(path));
        let files = files.map(|(file, digest)| (file[path.len()..].to_owned(), digest.clone()));
        let files: Tree = files
            .filter(|(file, _)| !file.starts_with('.') && !file.contains("/."))
            .collect();
        check_entry(&root.join(path), &files)?;
        trees.insert(path.trim_end_matches('/').to_owned(), files);
    }
    for list in all.keys().filter(|path| path.ends_with("/mirrorlist")) {
        let text = std::fs::read_to_string(root.join(list)).map_err(|error| format!("{list}: {error}"))?;
        let number = text.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let generation = format!("{}gen/{number}/", list.trim_end_matches("mirrorlist"));
        if !all.contains_key(&format!("{generation}{ENTRY}")) {
            return Err(format!("{list} names {text:?}, which is not there"));
        }
        check_entry(&root.join(&generation), &below(&all, &generation))?;
    }
    Ok(trees)
}

fn below(all: &Tree, directory: &str) -> Tree {
    let files = all
        .iter()
        .filter_map(|(path, digest)| Some((path.strip_prefix(directory)?.to_owned(), digest.clone())));
    files.collect()
}

/// Whether everything that an entry file names is there as it says.
fn check_entry(directory: &Path, files: &Tree) -> Result<(), String> {
    let path = directory.join(ENTRY);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for data in text.split("<data ").skip(1) {
        let (Some(digest), Some(location)) = (
            between(data, "<checksum type=\"sha256\">", "</checksum>"),
            between(data, "<location href=\"", "\""),
        ) else {
            return Err(format!("{} is cut off", path.display()));
        };
        if files.get(location).map(String::as_str) != Some(digest) {
            return Err(format!(
                "{} names {location}, which is not there as it says",
                path.display()
            ));
        }
    }
    if text.trim_end().ends_with("</repomd>") {
        Ok(())
    } else {
        Err(format!("{} is cut off", path.display()))
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

impl Facts {
    /// Whether this can be a state between two others: each part is as the one or as the other, and each tree is whole.
    pub(crate) fn lies_between(&self, before: &Self, after: &Self) -> Result<(), String> {
        if self.schema != before.schema && self.schema != after.schema {
            return Err(format!("the schema is {}", self.schema));
        }
        for name in before
            .revisions
            .keys()
            .chain(after.revisions.keys())
            .chain(self.revisions.keys())
        {
            let [now, old, new] = [self, before, after].map(|facts| facts.revisions.get(name));
            // A repository that is new has a row before it has a revision.
            let is_begun = old.is_none() && now == Some(&0);
            if now != old && now != new && !is_begun {
                return Err(format!("revision of {name}: {now:?}, and not {old:?} or {new:?}"));
            }
        }
        if !before.snapshots.is_subset(&self.snapshots) && !after.snapshots.is_subset(&self.snapshots) {
            return Err(format!("of the snapshots only {:?} are left", self.snapshots));
        }
        let is_whole = |blob: &&Sha256| !before.damaged.contains(blob) && !after.damaged.contains(blob);
        if let Some(blob) = self.damaged.iter().find(is_whole) {
            return Err(format!("the blob {blob}, which the database names, is not there whole"));
        }
        let kept: BTreeSet<_> = before.blobs.intersection(&after.blobs).copied().collect();
        if let Some(lost) = kept.difference(&self.blobs).next() {
            return Err(format!("the blob {lost} is forgotten"));
        }
        self.serves_one_of(before, after)
    }

    fn serves_one_of(&self, before: &Self, after: &Self) -> Result<(), String> {
        let none = Tree::new();
        let of = |facts: &Self, tree: &str| facts.served.get(tree).unwrap_or(&none).clone();
        for tree in before
            .served
            .keys()
            .chain(after.served.keys())
            .chain(self.served.keys())
        {
            let [now, old, new] = [self, before, after].map(|facts| of(facts, tree));
            let entry = |tree: &Tree| tree.get(ENTRY).cloned();
            let needed: Tree = if entry(&old) == entry(&new) {
                let both = old.iter().filter(|(path, digest)| new.get(*path) == Some(digest));
                both.map(|(path, digest)| (path.clone(), digest.clone())).collect()
            } else if entry(&now) == entry(&old) {
                old.clone()
            } else if entry(&now) == entry(&new) {
                new.clone()
            } else {
                return Err(format!("{tree} serves neither the old nor the new entry"));
            };
            if let Some((path, _)) = needed.iter().find(|(path, digest)| now.get(*path) != Some(digest)) {
                return Err(format!("{tree} lacks {path} or has other bytes"));
            }
            let is_known = |path: &String, digest: &String| {
                old.get(path) == Some(digest) || new.get(path) == Some(digest) || path.starts_with(ENTRY_DIR)
            };
            if let Some((path, _)) = now.iter().find(|(path, digest)| !is_known(path, digest)) {
                return Err(format!("{tree} has {path}, which is of no state"));
            }
        }
        Ok(())
    }
}
