//! Grace: what clients in the middle of a transaction may still ask for, and what nobody needs any more.

use std::collections::HashSet;

use chantal_catalog::Lease;
use chantal_formats::Format;
use chantal_model::{RelPath, Step};
use chantal_publish::Pruned;

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::listing::{Tag, Tagger};
use crate::site::Place;

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
        let needs = self.needs(place, entry_dir, now).await?;
        let strays = self.catalog.strays(&place.key()).await.doing("read publications")?;
        let expired: HashSet<RelPath> = strays
            .iter()
            .filter(|(_, seen)| now - **seen > place.package_grace_seconds)
            .filter_map(|(path, _)| RelPath::parse(path).ok())
            .collect();
        let (site, tree, key) = (place.site.clone(), place.tree.clone(), place.key());
        let states_over = needs.states_over.clone();
        let (pruned, unknown) = blocking(move || {
            let mut unknown = Vec::new();
            let mut keep = |path: &RelPath| {
                let is_kept = needs.is_kept(path);
                let known = needs.is_over(path) || expired.contains(path);
                // Names with a dot at the top of a tree are often people's own, such as `.htaccess`.
                let may_be_theirs = path.top().starts_with('.');
                if !known && !is_kept && !may_be_theirs {
                    unknown.push(path.to_string());
                }
                is_kept || !known
            };
            let pruned = site
                .prune(&tree, &mut keep)
                // A client keeps the base URL that it was told as long as its metadata.
                .and_then(|pruned| {
                    site.prune_generations(&tree, &|number| needs.generations.contains(&number))?;
                    Ok(pruned)
                })
                .map_err(|source| EngineError::Publish { path: key, source })?;
            Ok((pruned, unknown))
        })
        .await?;
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
