//! A repository's series of revisions.

use std::collections::{BTreeSet, HashMap, HashSet};

use chantal_catalog::{FOREVER, Fact, FeedState, NewMember, NewRevision, Repository as Row, Revision};
use chantal_model::Sha256;

use super::scroll::unpacked;
use super::{Head, RevisionForm, Scroll, below};
use crate::Engine;
use crate::content::PARTS;
use crate::error::{Doing, EngineError, blocking};

/// Members written at a time.
const CHUNK: usize = 1000;
/// Files of revisions may be so many bytes larger together than the one that they follow before a new base is written.
const SLACK_BYTES: u64 = 1 << 20;

const BASE: &str = "base-";
const STEP: &str = "r-";

/// A member that a revision opens.
pub(crate) enum Opened {
    /// What its manifest says of it, and the rows of its records.
    Known(Box<Fact>, [Option<i64>; PARTS]),
    /// Rows from which that can be read.
    Rows(NewMember),
}

/// What a file has so far.
struct Written {
    packs: HashSet<i64>,
    /// Names of blobs; `None` if no blob has a digest under another algorithm.
    names: Option<HashSet<Sha256>>,
}

/// A file of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) number: i64,
    pub(crate) is_base: bool,
    pub(crate) bytes: u64,
    pub(crate) name: String,
}

/// The files of a repository that follow each other from its newest base on, oldest first; then all that there are.
pub(crate) fn links(names: &[(String, u64)]) -> (Vec<Link>, Vec<Link>) {
    let link = |(name, bytes): &(String, u64)| {
        let (is_base, number) = match (name.strip_prefix(BASE), name.strip_prefix(STEP)) {
            (Some(number), _) => (true, number),
            (None, Some(number)) => (false, number),
            (None, None) => return None,
        };
        Some(Link {
            number: number.parse().ok()?,
            is_base,
            bytes: *bytes,
            name: name.clone(),
        })
    };
    let all: Vec<Link> = names.iter().filter_map(link).collect();
    let mut chain: Vec<Link> = Vec::new();
    chain.extend(
        all.iter()
            .filter(|link| link.is_base)
            .max_by_key(|link| link.number)
            .cloned(),
    );
    let mut next = chain.first().map_or(1, |base| base.number + 1);
    while let Some(step) = all.iter().find(|link| !link.is_base && link.number == next) {
        chain.push(step.clone());
        next += 1;
    }
    (chain, all)
}

impl Engine {
    /// Makes sure that a series holds the current revision: of a pool that is older than manifests, or of a database that
    /// came from elsewhere, it does not. Whoever calls holds the repository.
    pub(crate) async fn keep_series(&self, row: &Row, current: Option<&Revision>) -> Result<(), EngineError> {
        let Some(current) = current else { return Ok(()) };
        if self.holds_manifest(row, current)? {
            return Ok(());
        }
        self.write_base(row, current).await
    }

    /// Keeps what a sync that records no revision may have changed.
    pub(crate) async fn keep_up(
        &self,
        row: &Row,
        current: Option<&Revision>,
        state: Option<&FeedState>,
    ) -> Result<(), EngineError> {
        let names = self.links_of(row)?;
        if let Some(current) = current
            && !self.is_last_of(&names, row, current)?
        {
            self.write_base(row, current).await?;
        }
        // Of a commit that never came.
        self.forget_some(row, &names, |link| {
            current.is_none_or(|current| link.number > current.number.0)
        })?;
        self.keep_feed_at(row, state.cloned(), current.map(|current| current.number.0))
    }

    /// Whether a series holds a revision as its last.
    pub(crate) fn holds_manifest(&self, row: &Row, current: &Revision) -> Result<bool, EngineError> {
        self.is_last_of(&self.links_of(row)?, row, current)
    }

    /// Names and sizes of the files of a repository.
    fn links_of(&self, row: &Row) -> Result<Vec<(String, u64)>, EngineError> {
        self.pool
            .manifests(Some(&below(row.name.as_str(), "")?))
            .doing("list manifests")
    }

    fn is_last_of(&self, names: &[(String, u64)], row: &Row, current: &Revision) -> Result<bool, EngineError> {
        let (chain, _) = links(names);
        let Some(last) = chain.iter().find(|link| link.number == current.number.0) else {
            return Ok(false);
        };
        let head = self.pool.peek_manifest(&below(row.name.as_str(), &last.name)?);
        let head = head.and_then(|head| unpacked::<Head>(&head).ok());
        Ok(head.is_some_and(|head| head.fingerprint == current.fingerprint.hex()))
    }

    pub(super) async fn rewrite_series(&self, row: &Row) -> Result<(), EngineError> {
        match self.catalog.current(row.line).await.doing("find the newest revision")? {
            Some(current) => self.write_base(row, &current).await,
            None => Ok(()),
        }
    }

    /// Writes what a revision that is about to be recorded adds and removes, after [`Engine::keep_series`].
    pub(crate) async fn keep_revision(
        &self,
        row: &Row,
        current: Option<&Revision>,
        new: &NewRevision,
        open: &mut (dyn Iterator<Item = Opened> + Send),
    ) -> Result<(), EngineError> {
        let number = current.map_or(1, |current| current.number.0 + 1);
        self.forget_links(row, |link| link.number >= number)?;
        let mut scroll = Scroll::begin(&self.pool, &below(row.name.as_str(), &format!("{STEP}{number:010}"))?)?;
        let form = RevisionForm {
            number,
            mode: new.mode.name().to_owned(),
            settings: new.settings.clone(),
            fingerprint: new.fingerprint.hex(),
            created_at: new.created_at,
            upstream_revision: new.upstream_revision.clone(),
            upstream_timestamp: new.upstream_timestamp,
            package_count: new.package_count,
            package_bytes: new.package_bytes,
            retired_at: None,
        };
        scroll.head(&Head {
            format: row.format.clone(),
            created_at: row.created_at,
            number,
            fingerprint: form.fingerprint.clone(),
            parent: current.map(|current| current.fingerprint.hex()),
            revisions: vec![form],
        })?;
        for chunk in new.close.chunks(CHUNK) {
            scroll.closed(&self.catalog.closed(chunk).await.doing("read members")?)?;
        }
        let mut written = self.nothing_written().await?;
        loop {
            let chunk: Vec<Opened> = open.take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            self.write_opened(&mut scroll, chunk, number, &mut written).await?;
        }
        self.end(scroll, &written).await?;
        match new.feed_state.clone() {
            Some(state) => self.keep_feed_at(row, Some(state), Some(number)),
            None => Ok(()),
        }
    }

    /// Writes all members of a line, then removes the files before.
    async fn write_base(&self, row: &Row, current: &Revision) -> Result<(), EngineError> {
        let name = format!("{BASE}{:010}", current.number.0);
        let mut scroll = Scroll::begin(&self.pool, &below(row.name.as_str(), &name)?)?;
        let revisions = self.catalog.all_revisions(row.line).await.doing("read revisions")?;
        scroll.head(&Head {
            format: row.format.clone(),
            created_at: row.created_at,
            number: current.number.0,
            fingerprint: current.fingerprint.hex(),
            parent: None,
            revisions: revisions.iter().map(RevisionForm::from).collect(),
        })?;
        let mut written = self.nothing_written().await?;
        let mut after = 0;
        loop {
            let page = self.catalog.line_members(row.line, after).await.doing("read members")?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let page: Vec<_> = page
                .into_iter()
                .map(|one| (one.member, one.added_in, one.removed_in))
                .collect();
            self.write_members(&mut scroll, &page, &mut written).await?;
        }
        self.end(scroll, &written).await?;
        self.forget_links(row, |link| link.name != name)
    }

    /// Writes members that a revision opens. What they say is at hand, so that only their packs are looked up.
    async fn write_opened(
        &self,
        scroll: &mut Scroll,
        opened: Vec<Opened>,
        number: i64,
        written: &mut Written,
    ) -> Result<(), EngineError> {
        let mut facts = Vec::with_capacity(opened.len());
        let mut records = Vec::with_capacity(opened.len() * PARTS);
        let mut rows = Vec::new();
        for one in opened {
            match one {
                Opened::Known(fact, of) => {
                    records.extend(of.into_iter().flatten());
                    facts.push(Fact {
                        added_in: number,
                        ..*fact
                    });
                }
                Opened::Rows(member) => rows.push((member, number, FOREVER)),
            }
        }
        records.sort_unstable();
        records.dedup();
        let needed = self.catalog.packs_of(&records).await.doing("read records")?;
        self.write_facts(scroll, (&facts, needed), written).await?;
        if rows.is_empty() {
            return Ok(());
        }
        self.write_members(scroll, &rows, written).await
    }

    async fn write_members(
        &self,
        scroll: &mut Scroll,
        members: &[(NewMember, i64, i64)],
        written: &mut Written,
    ) -> Result<(), EngineError> {
        let (facts, needed) = self.catalog.facts(members).await.doing("read members")?;
        self.write_facts(scroll, (&facts, needed), written).await
    }

    /// Writes members after those packs of their records that the file does not have yet.
    async fn write_facts(
        &self,
        scroll: &mut Scroll,
        (facts, needed): (&[Fact], BTreeSet<i64>),
        written: &mut Written,
    ) -> Result<(), EngineError> {
        for id in needed {
            if written.packs.insert(id) {
                let (part, body, count) = self.catalog.pack(id).await.doing("read records")?;
                scroll.pack(part, &body, count)?;
            }
        }
        if let Some(names) = &mut written.names {
            let name = |fact: &Fact| fact.blob.as_ref().and_then(|(name, _)| name.parse::<Sha256>().ok());
            names.extend(facts.iter().filter_map(name));
        }
        scroll.members(facts)
    }

    async fn nothing_written(&self) -> Result<Written, EngineError> {
        let has_others = self.catalog.has_other_digests().await.doing("read digests")?;
        Ok(Written {
            packs: HashSet::new(),
            names: has_others.then(HashSet::new),
        })
    }

    async fn end(&self, mut scroll: Scroll, written: &Written) -> Result<(), EngineError> {
        if let Some(names) = &written.names {
            let digests = self.catalog.other_digests(&|name| names.contains(name)).await;
            let digests = digests.doing("read digests")?;
            if !digests.is_empty() {
                scroll.digests(&digests)?;
            }
        }
        blocking(move || scroll.finish()).await
    }

    /// Removes files of a series.
    fn forget_links(&self, row: &Row, is_meant: impl Fn(&Link) -> bool) -> Result<(), EngineError> {
        self.forget_some(row, &self.links_of(row)?, is_meant)
    }

    fn forget_some(
        &self,
        row: &Row,
        names: &[(String, u64)],
        is_meant: impl Fn(&Link) -> bool,
    ) -> Result<(), EngineError> {
        for link in links(names).1.iter().filter(|link| is_meant(link)) {
            let name = below(row.name.as_str(), &link.name)?;
            self.pool.remove_manifest(&name).doing("remove a manifest")?;
        }
        Ok(())
    }

    /// Notes which revisions retired, and begins the series anew where what it holds beside its base has outgrown that.
    /// Whoever calls holds the repository.
    pub(crate) async fn retire_manifests(&self, row: &Row) -> Result<(), EngineError> {
        self.keep_retired(row).await?;
        let names = self.links_of(row)?;
        let (chain, _) = links(&names);
        let Some((first, steps)) = chain.split_first() else {
            return Ok(());
        };
        if steps.iter().map(|step| step.bytes).sum::<u64>() > first.bytes + SLACK_BYTES {
            self.rewrite_series(row).await?;
        }
        Ok(())
    }

    /// Notes which revisions retired.
    pub(super) async fn keep_retired(&self, row: &Row) -> Result<(), EngineError> {
        let revisions = self.catalog.all_revisions(row.line).await.doing("read revisions")?;
        let retired: HashMap<i64, i64> = revisions
            .iter()
            .filter_map(|revision| Some((revision.number.0, revision.retired_at?)))
            .collect();
        let mut retired: Vec<(i64, i64)> = retired.into_iter().collect();
        retired.sort_unstable();
        if retired.is_empty() {
            return Ok(());
        }
        self.keep_value(&below(row.name.as_str(), "retired")?, &retired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_begins_with_the_newest_base_and_ends_before_a_gap() {
        let names = |list: &[&str]| -> Vec<(String, u64)> { list.iter().map(|name| ((*name).to_owned(), 1)).collect() };
        let chain =
            |list: &[&str]| -> Vec<String> { links(&names(list)).0.into_iter().map(|link| link.name).collect() };
        assert_eq!(chain(&["r-1", "r-2", "r-4", "feed"]), ["r-1", "r-2"]);
        assert_eq!(
            chain(&["base-3", "base-7", "r-4", "r-8", "r-9"]),
            ["base-7", "r-8", "r-9"]
        );
        assert!(chain(&["r-2", "snapshots"]).is_empty());
    }
}
