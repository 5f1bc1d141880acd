//! Grace: what clients in the middle of a transaction may still ask for, and what nobody needs any more.

use std::collections::HashSet;

use chantal_catalog::{Lease, PublicationKind};
use chantal_formats::Format;
use chantal_model::{RelPath, Step, fault};
use chantal_publish::Pruned;

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::listing::{Tag, Tagger};
use crate::site::{Place, publishing};

impl Engine {
    /// Names in the entry directory that recently served states still need.
    pub(crate) async fn carried(
        &self,
        place: &Place,
        format: &dyn Format,
        entry_dir: &RelPath,
        now: i64,
    ) -> Result<HashSet<String>, EngineError> {
        let mut carried = HashSet::new();
        let mut seen = HashSet::new();
        for state in self.catalog.states(&place.key()).await.doing("read publications")? {
            if state
                .served_until
                .is_some_and(|until| until + place.metadata_grace_seconds < now)
            {
                continue;
            }
            if !seen.insert((state.line, state.revision, state.render_key.clone())) {
                continue;
            }
            for file in self.metadata_of(&state).await? {
                // A file of fixed name belongs to one state alone: an old signature must not stay beside a new entry.
                let is_fixed = format.entry_rank(file.path.file_name()).is_some();
                if !is_fixed && file.path.parent().as_ref() == Some(entry_dir) {
                    carried.insert(file.path.file_name().to_owned());
                }
            }
        }
        Ok(carried)
    }

    /// What each recorded state of a tree still needs, and what only states need whose grace is over.
    async fn needs(&self, place: &Place, entry_dir: &RelPath, now: i64) -> Result<Needs, EngineError> {
        let mut needs = Needs::default();
        let mut seen = HashSet::new();
        for state in self.catalog.states(&place.key()).await.doing("read publications")? {
            let retired_for = state.served_until.map_or(0, |until| now - until);
            let metadata_over = retired_for > place.metadata_grace_seconds;
            let packages_over = retired_for > place.package_grace_seconds;
            if !packages_over {
                needs.generations.insert(state.generation);
            }
            if metadata_over && packages_over {
                needs.states_over.push(state.id);
            }
            // A state that was served often is looked up once for each answer to "is its grace over".
            if !seen.insert((
                state.line,
                state.revision,
                state.render_key.clone(),
                metadata_over,
                packages_over,
            )) {
                continue;
            }
            for file in self.metadata_of(&state).await? {
                let in_entry_dir = file.path.parent().as_ref() == Some(entry_dir);
                let is_over = if in_entry_dir { metadata_over } else { packages_over };
                needs.add(&file.path, is_over);
            }
            self.each_package_path(&state, &mut |path| needs.add(path, packages_over))
                .await?;
        }
        Ok(needs)
    }

    /// Removes files whose grace is over. A file that no recorded state ever named is noted when it is first seen and
    /// removed one package grace later, so that a lost record never breaks a client.
    pub(crate) async fn prune(&self, place: &Place, entry_dir: &RelPath, lease: &Lease) -> Result<Pruned, EngineError> {
        self.progress.begin(Step::Prune, 0);
        let now = self.clock.now().as_second();
        let judge = self.judge(place, entry_dir, now).await?;
        let (site, tree, key) = (place.site.clone(), place.tree.clone(), place.key());
        let states_over = judge.needs.states_over.clone();
        let (pruned, unknown) = blocking(move || {
            let mut unknown = Vec::new();
            let mut keep = |path: &RelPath| {
                let verdict = judge.of(path);
                if verdict == Verdict::Unknown {
                    unknown.push(path.to_string());
                }
                verdict != Verdict::Over
            };
            let pruned = site
                .prune(&tree, &mut keep)
                // A client keeps the base URL that it was told as long as its metadata.
                .and_then(|pruned| {
                    site.prune_generations(&tree, &|number| judge.needs.generations.contains(&number))?;
                    Ok(pruned)
                })
                .map_err(|source| EngineError::Publish { path: key, source })?;
            Ok((pruned, unknown))
        })
        .await?;
        fault!("engine::prune::removed").doing("end pruning")?;
        self.catalog
            .save_strays(lease, &place.key(), &unknown, now)
            .await
            .doing("note unknown files")?;
        for state in states_over {
            self.catalog
                .drop_state(lease, state)
                .await
                .doing("forget a served state")?;
        }
        self.progress.end(Step::Prune);
        Ok(pruned)
    }

    /// Prunes at the end of a publication. Where nothing changed, only the live state of the tree is recorded and nothing
    /// in it is watched, nothing can be over; collection looks at the files of such a tree all the same.
    pub(crate) async fn prune_after(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        lease: &Lease,
        is_unchanged: bool,
    ) -> Result<Pruned, EngineError> {
        let states = self.catalog.states(&place.key()).await.doing("read publications")?;
        let strays = self.catalog.strays(&place.key()).await.doing("read publications")?;
        let is_settled = strays.is_empty() && states.len() == 1 && states[0].served_until.is_none();
        if is_unchanged && is_settled {
            return Ok(Pruned::default());
        }
        self.prune(place, entry_dir, lease).await
    }

    async fn judge(&self, place: &Place, entry_dir: &RelPath, now: i64) -> Result<Judge, EngineError> {
        let strays = self.catalog.strays(&place.key()).await.doing("read publications")?;
        Ok(Judge {
            needs: self.needs(place, entry_dir, now).await?,
            expired: strays
                .iter()
                .filter(|(_, seen)| now - **seen > place.package_grace_seconds)
                .filter_map(|(path, _)| RelPath::parse(path).ok())
                .collect(),
        })
    }

    /// The trees that are served, each with its entry directory. What cannot be looked after is said in `left`.
    pub(crate) async fn published_places(&self, left: &mut Vec<String>) -> Result<Vec<(Place, RelPath)>, EngineError> {
        let repositories = self.catalog.repositories().await.doing("read repositories")?;
        let mut places = Vec::new();
        for publication in self.catalog.publications().await.doing("read publications")? {
            let row = repositories.iter().find(|row| row.id == publication.repository);
            let repo = row.and_then(|row| self.configured(&row.name).ok());
            let Some(repo) = repo else {
                let reason = "its repository is not in the configuration";
                left.push(format!("the tree {}: {reason}", publication.path));
                continue;
            };
            let target = publication
                .path
                .starts_with('/')
                .then(|| publication.path.clone().into());
            let is_gone = |path: &std::path::PathBuf| !path.is_dir();
            if target.as_ref().is_some_and(is_gone) {
                left.push(format!("the tree {}: it is not there", publication.path));
                continue;
            }
            let own = publication.kind == PublicationKind::Snapshot;
            let snapshot = publication.snapshot.as_deref().filter(|_| own);
            let snapshot = snapshot.and_then(|name| name.parse().ok());
            let place = self.place(repo, snapshot.as_ref(), target)?;
            if place.key() != publication.path {
                left.push(format!(
                    "the tree {}: the configuration publishes elsewhere now",
                    publication.path
                ));
                continue;
            }
            let format = self.format(repo)?;
            let entry_dir = RelPath::parse(format.entry_dir()).expect("a format's entry directory is a safe path");
            places.push((place, entry_dir));
        }
        Ok(places)
    }

    /// Prunes a tree that nobody publishes meanwhile.
    pub(crate) async fn prune_tree(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        lease: &Lease,
    ) -> Result<Pruned, EngineError> {
        let guard = place.site.lock(&place.tree).map_err(|e| publishing(place, e))?;
        place
            .site
            .recover(&place.tree, entry_dir)
            .map_err(|e| publishing(place, e))?;
        let pruned = self.prune(place, entry_dir, lease).await;
        drop(guard);
        pruned
    }

    /// What pruning a tree would do now.
    pub(crate) async fn plan_prune(
        &self,
        place: &Place,
        entry_dir: &RelPath,
        now: i64,
    ) -> Result<PlannedPrune, EngineError> {
        let judge = self.judge(place, entry_dir, now).await?;
        let there = place.site.files(&place.tree).map_err(|e| publishing(place, e))?;
        let over = there.iter().filter(|path| judge.of(path) == Verdict::Over);
        Ok(PlannedPrune {
            files: over.count() as u64,
            states_over: judge.needs.states_over,
        })
    }
}

/// What pruning a tree would do.
pub(crate) struct PlannedPrune {
    /// Files that would go.
    pub(crate) files: u64,
    /// Rows of states that would be forgotten.
    pub(crate) states_over: Vec<i64>,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A state needs it, or it may be somebody's own.
    Kept,
    /// No state ever named it; it is watched for a while.
    Unknown,
    /// Its grace is over.
    Over,
}

/// Decides about the files of a tree.
struct Judge {
    needs: Needs,
    /// Files that no state ever named, and that were watched for long enough.
    expired: HashSet<RelPath>,
}

impl Judge {
    fn of(&self, path: &RelPath) -> Verdict {
        if self.needs.is_kept(path) {
            return Verdict::Kept;
        }
        if self.needs.is_over(path) || self.expired.contains(path) {
            return Verdict::Over;
        }
        // Names with a dot at the top of a tree are often people's own, such as `.htaccess`.
        if path.top().starts_with('.') {
            Verdict::Kept
        } else {
            Verdict::Unknown
        }
    }
}

/// Names in a tree by whether a served state may still be asked for them.
#[derive(Default)]
struct Needs {
    tagger: Tagger,
    kept: HashSet<Tag>,
    over: HashSet<Tag>,
    generations: HashSet<i64>,
    states_over: Vec<i64>,
}

impl Needs {
    fn add(&mut self, path: &RelPath, is_over: bool) {
        let tag = self.tagger.tag(path.as_str());
        let names = if is_over { &mut self.over } else { &mut self.kept };
        names.insert(tag);
    }

    fn is_kept(&self, path: &RelPath) -> bool {
        self.kept.contains(&self.tagger.tag(path.as_str()))
    }

    fn is_over(&self, path: &RelPath) -> bool {
        self.over.contains(&self.tagger.tag(path.as_str()))
    }
}
