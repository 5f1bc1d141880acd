//! Where a state is published, and what lies beside its tree: client file, mirrorlist, generations.

use std::path::{Path, PathBuf};

use chantal_config::Repository;
use chantal_formats::{ClientFile, Format};
use chantal_model::{RelPath, SnapshotName};
use chantal_publish::{PublishError, Site};

use crate::Engine;
use crate::error::EngineError;

/// A tree below a published root.
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) root: PathBuf,
    pub(crate) tree: RelPath,
    /// Whether the tree is a snapshot's own, which never changes.
    pub(crate) is_snapshot: bool,
    /// Whether the tree lies below the configured published root, rather than where `--target` says.
    pub(crate) is_configured: bool,
    /// URL of the tree for clients, with a slash at its end.
    pub(crate) url: Option<String>,
    pub(crate) snapshot: Option<SnapshotName>,
    /// The format of its repository.
    pub(crate) format: &'static dyn Format,
    pub(crate) metadata_grace_seconds: i64,
    pub(crate) package_grace_seconds: i64,
}

impl Place {
    /// How the catalog names the tree: below the published root its relative path, elsewhere its absolute one.
    pub(crate) fn key(&self) -> String {
        if self.is_configured {
            self.tree.to_string()
        } else {
            self.directory().display().to_string()
        }
    }

    /// The tree's directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.tree.below(&self.root)
    }

    /// Whether immutable generations are kept beside the tree: only for a tree that changes and has a URL.
    pub(crate) fn has_generations(&self) -> bool {
        self.is_configured && !self.is_snapshot && self.url.is_some() && self.tree.parent().is_some()
    }
}

/// Wraps an error of the publish stage with the tree's name.
pub(crate) fn publishing(place: &Place, source: PublishError) -> EngineError {
    EngineError::Publish {
        path: place.key(),
        source,
    }
}

impl Engine {
    /// Finds the tree of a repository, or of one of its snapshots.
    pub(crate) fn place(
        &self,
        repo: &Repository,
        snapshot: Option<&SnapshotName>,
        target_dir: Option<PathBuf>,
    ) -> Result<Place, EngineError> {
        let is_configured = target_dir.is_none();
        let (root, tree) = match target_dir {
            Some(directory) => split(&directory)?,
            None => (self.config.storage.published_path.clone(), tree(repo, snapshot)),
        };
        if !is_configured {
            std::fs::create_dir_all(&root).map_err(|source| EngineError::Io {
                what: "create",
                path: root.clone(),
                source,
            })?;
        }
        let site = self.site(&root)?;
        let url = repo
            .publish
            .base_url
            .as_ref()
            .filter(|_| is_configured)
            .map(|base| format!("{}/{tree}/", base.as_str().trim_end_matches('/')));
        Ok(Place {
            site,
            root,
            tree,
            is_snapshot: snapshot.is_some(),
            is_configured,
            url,
            snapshot: snapshot.cloned(),
            format: self.format(repo)?,
            metadata_grace_seconds: repo.publish.metadata_grace.as_secs() as i64,
            package_grace_seconds: repo.publish.package_grace.as_secs() as i64,
        })
    }
}

/// `<repo>/latest` or `<repo>/snapshots/<name>`, unless the configuration says otherwise.
pub(crate) fn tree(repo: &Repository, snapshot: Option<&SnapshotName>) -> RelPath {
    let path = match snapshot {
        None => repo
            .latest_path
            .as_ref()
            .map_or_else(|| format!("{}/latest", repo.id), ToString::to_string),
        Some(name) => {
            let parent = repo
                .snapshots_path
                .as_ref()
                .map_or_else(|| format!("{}/snapshots", repo.id), ToString::to_string);
            format!("{parent}/{name}")
        }
    };
    RelPath::parse(&path).expect("ids and names are safe segments and configured paths were checked")
}

pub(crate) fn split(directory: &Path) -> Result<(PathBuf, RelPath), EngineError> {
    let refuse = || EngineError::request(format!("{} cannot hold a published tree", directory.display()), None);
    let absolute = std::path::absolute(directory).map_err(|_| refuse())?;
    let parent = absolute.parent().ok_or_else(refuse)?.to_owned();
    let name = absolute.file_name().and_then(|name| name.to_str()).ok_or_else(refuse)?;
    Ok((parent, RelPath::parse(name).map_err(|_| refuse())?))
}

/// The client file and its path: beside the tree, named after the repository or snapshot.
pub(crate) fn client_file(repo: &Repository, format: &dyn Format, place: &Place, url: &str) -> (RelPath, String) {
    let id = match &place.snapshot {
        Some(name) => format!("{}-{name}", repo.id),
        None => repo.id.to_string(),
    };
    let parent_url = url
        .trim_end_matches('/')
        .rsplit_once('/')
        .map_or(url, |(parent, _)| parent);
    let mirrorlist = place.has_generations().then(|| format!("{parent_url}/mirrorlist"));
    let (file_name, text) = format.client_file(&ClientFile {
        id: &id,
        name: repo.name.as_deref().unwrap_or(&id),
        base_url: url,
        mirrorlist: mirrorlist.as_deref(),
        package_key: None,
        metadata_key: None,
    });
    (client_path(&file_name, place.snapshot.as_ref(), &place.tree), text)
}

/// Where a client file lies: beside the tree.
pub(crate) fn client_path(file_name: &str, snapshot: Option<&SnapshotName>, tree: &RelPath) -> RelPath {
    // Snapshots lie side by side, so their files carry the snapshot's name alone.
    let file_name = match snapshot {
        Some(name) => match file_name.rsplit_once('.') {
            Some((_, suffix)) => format!("{name}.{suffix}"),
            None => name.to_string(),
        },
        None => file_name.to_owned(),
    };
    let path = match tree.parent() {
        Some(parent) => format!("{parent}/{file_name}"),
        None => file_name,
    };
    RelPath::parse(&path).expect("ids and names are safe segments")
}
