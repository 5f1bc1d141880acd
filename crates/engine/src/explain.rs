//! Why each package of a name is in or out.

use std::collections::{BTreeSet, HashSet};

use chantal_catalog::FeedState;
use chantal_config::Repository;
use chantal_model::{RelPath, VersionKey};
use chantal_select::{Bundle, Candidate, Fate, Filters, Keep, Selection, Verdict};
use serde::Serialize;

use crate::Engine;
use crate::diff::DiffEntry;
use crate::error::{Doing, EngineError};

/// Newer versions, similar names or streams that one reason names.
const SHOWN: usize = 3;

/// Why a package is in or out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its name, version with the epoch unless that is 0, and architecture.
    pub package: String,
    /// Whether it is chosen.
    pub chosen: bool,
    /// The verdict in a word.
    pub verdict: Verdict,
    /// Whether upstream lists it now; if not, the current revision holds it.
    pub listed: bool,
    /// The reason in a sentence.
    pub reason: String,
}

/// Explains the candidates that were asked for, each with its index. `shown` is a candidate's name for people.
pub(crate) fn explain(
    asked: &HashSet<usize>,
    candidates: &[Candidate<'_>],
    bundles: &[Bundle<'_>],
    filters: &Filters,
    selection: &Selection,
    shown: &dyn Fn(usize) -> String,
) -> Vec<(u32, Explained)> {
    let case = Case {
        candidates,
        bundles,
        filters,
        selection,
        shown,
    };
    let found = candidates.iter().enumerate().filter(|(index, _)| asked.contains(index));
    let mut explained: Vec<(usize, Explained)> = found
        .map(|(index, candidate)| {
            let verdict = selection.verdicts[index];
            let one = Explained {
                package: shown(index),
                chosen: verdict.is_chosen(),
                verdict,
                listed: candidate.origin.listed,
                reason: case.reason(index),
            };
            (index, one)
        })
        .collect();
    explained.sort_by(|(a, _), (b, _)| {
        let key = |index: usize| (candidates[index].arch, std::cmp::Reverse(candidates[index].version));
        key(*a).cmp(&key(*b))
    });
    explained.into_iter().map(|(index, one)| (index as u32, one)).collect()
}

impl Engine {
    /// What was explained, with what became of it: that a package is chosen does not say that it could be had.
    ///
    /// `changes` is what a sync would change, `state` the feed as it is now.
    pub(crate) async fn became(
        &self,
        repo: &Repository,
        explained: Vec<(u32, Explained)>,
        chosen: &[(u32, RelPath)],
        changes: &[DiffEntry],
        state: &FeedState,
    ) -> Result<Vec<Explained>, EngineError> {
        let row = self.catalog.repository(&repo.id).await.doing("find the repository")?;
        let known = match row {
            Some(row) => self.catalog.feed_state(row.id).await.doing("read the feed's state")?,
            None => None,
        };
        // Of a feed or a selection that no sync has seen, nothing is missing yet.
        let seen =
            known.filter(|known| (known.entry_sha256, &known.selection) == (state.entry_sha256, &state.selection));
        let Some(seen) = seen else {
            return Ok(explained.into_iter().map(|(_, one)| one).collect());
        };
        let new: HashSet<&str> = changes
            .iter()
            .filter_map(|change| Some(change.to.as_ref()?.path.as_str()))
            .collect();
        let lacking: HashSet<u32> = chosen
            .iter()
            .filter(|(_, path)| new.contains(path.as_str()))
            .map(|(index, _)| *index)
            .collect();
        let why = if seen.complete {
            "this repository does not hold it"
        } else {
            "this repository does not hold it: the last sync could not fetch it"
        };
        let told = explained.into_iter().map(|(index, mut one)| {
            if lacking.contains(&index) {
                one.reason = format!("{}, but {why}", one.reason);
            }
            one
        });
        Ok(told.collect())
    }
}

struct Case<'a> {
    candidates: &'a [Candidate<'a>],
    bundles: &'a [Bundle<'a>],
    filters: &'a Filters,
    selection: &'a Selection,
    shown: &'a dyn Fn(usize) -> String,
}

impl Case<'_> {
    fn reason(&self, index: usize) -> String {
        let candidate = &self.candidates[index];
        let filters = self.filters;
        match self.selection.verdicts[index] {
            Verdict::Chosen => match self.streams(index, Fate::Kept).first() {
                Some(stream) => format!("it passes every filter, and module stream {stream} is kept"),
                None => "it passes every filter".to_owned(),
            },
            Verdict::ChosenWithBundle => format!(
                "a filter would leave it out, but module stream {} is kept whole",
                self.streams(index, Fate::Kept).join(" and ")
            ),
            Verdict::Retained => self.retained(index),
            Verdict::Source => "source packages are left out".to_owned(),
            Verdict::Architecture => format!("architecture {} is left out", candidate.arch),
            Verdict::NotIncluded => "no include pattern matches it".to_owned(),
            Verdict::Excluded => {
                let pattern = filters.excluding(candidate).unwrap_or_default();
                format!("the exclude pattern {pattern:?} matches it")
            }
            Verdict::FieldNotIncluded => self.field(filters.not_admitting(candidate), candidate),
            Verdict::FieldExcluded => self.field(filters.denying(candidate), candidate),
            Verdict::Size => format!(
                "its size, {}, is not in the range {}",
                candidate
                    .size_bytes
                    .map_or_else(unknown, |size| format!("{size} bytes")),
                range(filters.size_bytes.min, filters.size_bytes.max, &|size| size.to_string())
            ),
            Verdict::BuildTime => format!(
                "its build time, {}, is not in the range {}",
                candidate.build_time.map_or_else(unknown, time),
                range(filters.build_time.min, filters.build_time.max, &time)
            ),
            Verdict::Superseded => self.superseded(index),
            Verdict::BundleDropped => self.dropped(index),
            Verdict::Gone => self.gone(index),
        }
    }

    fn field(&self, choice: Option<&chantal_select::FieldChoice>, candidate: &Candidate<'_>) -> String {
        let Some(choice) = choice else {
            return "a filter by field leaves it out".to_owned();
        };
        let field = &choice.field;
        match candidate.fields.get(field) {
            None => format!("it has no {field}, so that the include list for it does not let it in"),
            Some(text)
                if self.selection.verdicts.is_empty() || !choice.choice.exclude.iter().any(|one| one == text) =>
            {
                format!("its {field} {text:?} is not in the include list")
            }
            Some(text) => format!("its {field} {text:?} is in the exclude list"),
        }
    }

    /// Streams that hold a package and have this fate.
    fn streams(&self, index: usize, fate: Fate) -> Vec<&str> {
        let bundles = self.bundles.iter().zip(&self.selection.fates);
        let with = bundles.filter(|(bundle, of)| **of == fate && bundle.members.contains(&(index as u32)));
        with.map(|(bundle, _)| bundle.series).take(SHOWN).collect()
    }

    fn retained(&self, index: usize) -> String {
        let candidate = &self.candidates[index];
        let how = match self.filters.retention.keep {
            _ if !self.upstream_has_series(index) => {
                "upstream has dropped the name altogether, and those are kept".into()
            }
            Keep::Newest(1) => "nothing newer is there, and the newest is kept".to_owned(),
            Keep::Newest(count) => format!("it is among the {count} newest versions, which are kept"),
            Keep::All | Keep::Listed => "every version is kept".to_owned(),
        };
        if candidate.origin.listed {
            format!("it would make room for a newer version, but this repository has it: {how}")
        } else {
            format!("upstream has dropped it, but this repository has it: {how}")
        }
    }

    fn upstream_has_series(&self, index: usize) -> bool {
        let of = &self.candidates[index];
        let mut all = self.candidates.iter();
        all.any(|one| one.origin.listed && one.name == of.name && one.arch == of.arch)
    }

    fn superseded(&self, index: usize) -> String {
        if let Some(stream) = self.streams(index, Fate::Superseded).first() {
            return format!("a newer version of module stream {stream} is there");
        }
        let of = &self.candidates[index];
        let by_retention = match self.filters.retention.keep {
            Keep::Newest(count) if of.origin.held || self.is_latest(index) => Some(count),
            _ => None,
        };
        let counts = |verdict: Verdict| verdict.is_chosen() && (by_retention.is_some() || verdict != Verdict::Retained);
        let verdicts = &self.selection.verdicts;
        let mut newer: Vec<usize> = self.newer(index).filter(|newer| counts(verdicts[*newer])).collect();
        newer.sort_by(|a, b| self.candidates[*b].version.cmp(self.candidates[*a].version));
        let names: Vec<String> = newer.into_iter().take(SHOWN).map(|newer| (self.shown)(newer)).collect();
        let names = names.join(", ");
        let whose = if by_retention.is_none() && self.filters.retention.looks_back() {
            " of those that upstream has"
        } else {
            ""
        };
        match by_retention.unwrap_or(self.filters.latest) {
            count @ 2.. => format!("the {count} newest versions{whose} are kept, such as {names}"),
            _ => format!("only the newest version{whose} is kept: {names}"),
        }
    }

    /// Newer candidates of the same name and architecture.
    fn newer(&self, index: usize) -> impl Iterator<Item = usize> {
        let of = &self.candidates[index];
        let candidates = self.candidates.iter().enumerate();
        candidates
            .filter(|(_, one)| one.name == of.name && one.arch == of.arch && one.version > of.version)
            .map(|(newer, _)| newer)
    }

    /// Whether a package is among the newest versions that upstream has, as far as only those are taken.
    fn is_latest(&self, index: usize) -> bool {
        let takes_part = |verdict: Verdict| verdict.is_chosen() || verdict == Verdict::Superseded;
        let newer: BTreeSet<&VersionKey> = self
            .newer(index)
            .filter(|newer| self.candidates[*newer].origin.listed && takes_part(self.selection.verdicts[*newer]))
            .map(|newer| self.candidates[newer].version)
            .collect();
        let latest = self.filters.latest;
        self.candidates[index].origin.listed && (latest == 0 || newer.len() < latest)
    }

    fn dropped(&self, index: usize) -> String {
        let fates = [
            (Fate::NotAllowed, "is left out by `modules`"),
            (
                Fate::Vetoed,
                "is left out as a whole, since an exclude list names one of its packages",
            ),
            (Fate::Superseded, "is superseded"),
            (Fate::Gone, "was dropped by upstream"),
        ];
        let told: Vec<String> = fates
            .into_iter()
            .flat_map(|(fate, what)| self.streams(index, fate).into_iter().map(move |one| (one, what)))
            .map(|(stream, what)| format!("module stream {stream} {what}"))
            .collect();
        told.join("; ")
    }

    fn gone(&self, index: usize) -> String {
        let of = &self.candidates[index];
        let replaced = self
            .candidates
            .iter()
            .any(|one| one.origin.listed && one.full_name == of.full_name && one.version == of.version);
        if replaced {
            "upstream has the same version with other bytes in its place".to_owned()
        } else if self.upstream_has_series(index) {
            "upstream has dropped this version, and retention does not keep it".to_owned()
        } else {
            "upstream has dropped the name altogether, and those are removed".to_owned()
        }
    }
}

fn unknown() -> String {
    "which is not known".to_owned()
}

fn range<T: Copy>(min: Option<T>, max: Option<T>, show: &dyn Fn(T) -> String) -> String {
    let show = |end: Option<T>| end.map(show).unwrap_or_default();
    format!("{}..{}", show(min), show(max))
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
