//! The files that published trees must have, and those that are not as they must be.

use std::collections::HashSet;

use chantal_catalog::{PublicationState, StateStatus};
use chantal_formats::Format;
use chantal_model::RelPath;
use chantal_pool::Turn;
use chantal_publish::{Due, Flaw};

use super::{Scan, of_flaw};
use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::site::{Place, publishing};
use crate::state::StateFile;

/// How often a tree is looked at anew because it was published meanwhile.
const TRIES: usize = 3;

/// A published file that is not as it must be.
#[derive(Clone, Debug)]
pub(super) struct Flawed {
    /// How the catalog names the tree.
    key: String,
    /// The directory below the published root that the file's path begins at: the tree or one of its generations.
    pub(super) tree: RelPath,
    pub(super) due: Due,
    /// Whether the tree is named by its whole path.
    is_elsewhere: bool,
}

impl Flawed {
    pub(super) fn is_below(&self, key: &str) -> bool {
        self.key == key
    }

    /// For people: its path below the published root, or its whole path.
    pub(super) fn shown(&self) -> String {
        if self.is_elsewhere {
            format!("{}/{}", self.key, self.due.path)
        } else {
            format!("{}/{}", self.tree, self.due.path)
        }
    }
}

/// Files that a directory must have.
pub(super) struct Spot {
    pub(super) tree: RelPath,
    pub(super) dues: Vec<Due>,
    /// Whether a file that is not there is as it must be: only the live state's files are all there.
    pub(super) may_lack: bool,
}

impl Engine {
    /// Looks at every published tree.
    pub(super) async fn look_at_trees(&self, turn: Turn, scan: &mut Scan) -> Result<(), EngineError> {
        let places = self.published_places(&mut scan.report.left).await?;
        for (number, (place, entry_dir)) in places.iter().enumerate() {
            let mut found = None;
            for _ in 0..TRIES {
                let before = self.catalog.states(&place.key()).await.doing("read publications")?;
                let flaws = self.flaws(place, entry_dir, &before, turn).await?;
                let after = self.catalog.states(&place.key()).await.doing("read publications")?;
                if before == after {
                    found = Some(flaws);
                    break;
                }
            }
            match found {
                Some(flaws) => {
                    let flaws = flaws.into_iter().map(|(flawed, flaw)| of_flaw(number, flawed, flaw));
                    scan.problems.extend(flaws);
                }
                None => scan
                    .report
                    .left
                    .push(format!("the tree {}: it is being published", place.key())),
            }
        }
        Ok(())
    }

    async fn flaws(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        states: &[PublicationState],
        turn: Turn,
    ) -> Result<Vec<(Flawed, Flaw)>, EngineError> {
        let mut found = Vec::new();
        for spot in self.spots(place, entry_dir, states).await? {
            found.extend(self.inspect(place, spot, turn).await?);
        }
        Ok(found)
    }

    /// Compares the files of a directory with what they must be.
    pub(super) async fn inspect(
        &self,
        place: &Place,
        spot: Spot,
        turn: Turn,
    ) -> Result<Vec<(Flawed, Flaw)>, EngineError> {
        let (site, key, is_elsewhere) = (place.site.clone(), place.key(), !place.is_configured);
        blocking(move || {
            let mut found = Vec::new();
            let flawed = Flawed {
                key: key.clone(),
                tree: spot.tree.clone(),
                due: Due {
                    path: spot.tree.clone(),
                    sha256: chantal_model::Sha256::of(b""),
                    size: 0,
                    source: std::path::PathBuf::new(),
                    is_own: false,
                },
                is_elsewhere,
            };
            let mut take = |due: Due, flaw: Flaw| {
                if flaw != Flaw::Missing || !spot.may_lack {
                    let flawed = Flawed { due, ..flawed.clone() };
                    found.push((flawed, flaw));
                }
            };
            site.inspect(
                &spot.tree,
                &mut spot.dues.into_iter(),
                &|sha256| turn.has(sha256),
                &mut take,
            )
            .map_err(|source| EngineError::Publish { path: key, source })?;
            Ok(found)
        })
        .await
    }

    /// What the directories of a published tree must hold: the live state everything, those before it and generations
    /// what is still there of them.
    pub(super) async fn spots(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        states: &[PublicationState],
    ) -> Result<Vec<Spot>, EngineError> {
        let format = place.format;
        // Whether a staged state is served, only the entry file tells; publishing again settles that.
        let is_interrupted = states.iter().any(|state| state.status == StateStatus::Staged);
        let live = |state: &&PublicationState| state.status == StateStatus::Live;
        let mut spots = Vec::new();
        let mut named: HashSet<RelPath> = HashSet::new();
        let mut seen = HashSet::new();
        let in_order = states.iter().filter(live).chain(states.iter().filter(|s| !live(s)));
        for state in in_order {
            let is_live = state.status == StateStatus::Live && !is_interrupted;
            if state.generation > 0 {
                spots.extend(self.generation_spot(place, entry_dir, format, state).await?);
            }
            if !seen.insert((state.line, state.revision, state.render_key.clone())) {
                continue;
            }
            let files = self.files_of(state).await?;
            let dues = files.into_iter().map(|file| self.due(format, entry_dir, file));
            // A name that a state before this one has too holds that one's bytes; a fixed name holds the live state's.
            let is_meant = |due: &Due| (is_live || !due.is_own) && !named.contains(&due.path);
            let dues: Vec<Due> = dues.filter(is_meant).collect();
            named.extend(dues.iter().map(|due| due.path.clone()));
            spots.push(Spot {
                tree: place.tree.clone(),
                dues,
                may_lack: !is_live,
            });
        }
        Ok(spots)
    }

    async fn generation_spot(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        format: &'static dyn Format,
        state: &PublicationState,
    ) -> Result<Option<Spot>, EngineError> {
        if place.tree.parent().is_none() {
            return Ok(None);
        }
        let tree = place.site.generation_path(&place.tree, state.generation);
        let files = self.metadata_of(state).await?;
        let dues = files
            .into_iter()
            .filter(|file| file.path.parent().as_ref() == Some(entry_dir))
            .map(|file| self.due(format, entry_dir, file));
        Ok(Some(Spot {
            tree: tree.map_err(|e| publishing(place, e))?,
            dues: dues.collect(),
            may_lack: true,
        }))
    }

    fn due(&self, format: &dyn Format, entry_dir: &RelPath, file: StateFile) -> Due {
        let is_entry = file.path.parent().as_ref() == Some(entry_dir);
        Due {
            is_own: is_entry && format.entry_rank(file.path.file_name()).is_some(),
            source: self.pool.path(&file.sha256),
            path: file.path,
            sha256: file.sha256,
            size: file.size,
        }
    }
}
