//! Which of the listed packages and items belong to the repository, and what of the current revision stays with them.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use chantal_formats::{Format, Rule};
use chantal_model::{Fields, Mode, Package, RelPath, Sha256, VersionKey};
use chantal_select::{Bundle, Candidate, Fate, Filters, Idle, Origin, Selection, Verdict, idle, select};

use crate::explain::{Explained, explain};
use crate::held::Held;
use crate::listing::{ListedItem, Listing};
use crate::paths::{UnmirrorablePath, free_paths, upstream_paths};
use crate::warn::{about_filters, warnings};

/// The choice, as indices into a [`Listing`].
pub(crate) struct Choice {
    /// What was decided about each package.
    pub(crate) verdicts: Vec<Verdict>,
    /// The chosen packages with their published paths, in path order.
    pub(crate) packages: Vec<(u32, RelPath)>,
    /// The items that belong to the chosen packages.
    pub(crate) items: Vec<u32>,
    /// Those of the items that are there only for the sake of retained packages.
    pub(crate) for_retained: HashSet<u32>,
    /// Places in [`Held::packages`] of those that stay, in path order.
    pub(crate) retained: Vec<u32>,
    /// Places in [`Held::items`] of those that stay.
    pub(crate) retained_items: Vec<u32>,
    /// What needs attention.
    pub(crate) warnings: Vec<String>,
    /// Why packages are in or out, each with its index, if that was asked for.
    pub(crate) explained: Option<Vec<(u32, Explained)>>,
}

impl Choice {
    /// The blobs of the packages that stay although upstream dropped them.
    pub(crate) fn retained_blobs(&self, held: &Held) -> Vec<Sha256> {
        let rows = self.retained.iter().map(|at| &held.packages[*at as usize].row);
        rows.map(|row| row.sha256).collect()
    }

    /// Which of the listed packages have a published path.
    pub(crate) fn flags(&self) -> Vec<bool> {
        let mut flags = vec![false; self.verdicts.len()];
        for (index, _) in &self.packages {
            flags[*index as usize] = true;
        }
        flags
    }
}

/// Why nothing could be chosen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    /// In mode `mirror` a path cannot be kept.
    #[error(transparent)]
    Path(#[from] UnmirrorablePath),
    /// The spool of records could not be read back.
    #[error("cannot read the spool back")]
    Spool(#[source] io::Error),
}

/// What is to be chosen from.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) format: &'a dyn Format,
    pub(crate) mode: Mode,
    pub(crate) filters: &'a Filters,
    pub(crate) listing: &'a Listing,
    pub(crate) held: &'a Held,
    /// The name of packages whose verdicts are to be explained.
    pub(crate) explain: Option<&'a str>,
}

/// Applies filters and retention, then the rules of items, then finds paths.
pub(crate) fn choose(question: Question<'_>) -> Result<Choice, ChooseError> {
    if question.mode == Mode::Mirror {
        return mirror(question);
    }
    let Question {
        format, listing, held, ..
    } = question;
    let count = listing.packages.len();
    let wholes: Vec<u32> = wholes(listing).collect();
    let Selected {
        selection,
        explained,
        idle,
    } = selected(question, &wholes);
    let retained: Vec<u32> = (0..held.packages.len() as u32)
        .filter(|at| selection.verdicts[count + *at as usize].is_chosen())
        .collect();
    let retained_items = (0..held.items.len() as u32)
        .filter(|at| selection.fates[wholes.len() + *at as usize] == Fate::Kept)
        .collect();
    let (items, for_retained) = items(question, &wholes, &selection, &retained)?;
    let mut warnings = warnings(listing, held, &selection, &wholes).map_err(ChooseError::Spool)?;
    warnings.extend(about_filters(&idle, &selection.verdicts[..count]));
    let mut verdicts = selection.verdicts;
    verdicts.truncate(count);
    let reserved = retained
        .iter()
        .filter_map(|at| RelPath::parse(&held.packages[*at as usize].row.path).ok());
    Ok(Choice {
        packages: free_paths(format, &listing.packages, &verdicts, reserved)?,
        verdicts,
        items,
        for_retained,
        retained,
        retained_items,
        warnings,
        explained,
    })
}

/// What filters and retention say.
struct Selected {
    selection: Selection,
    /// Why, if that was asked for.
    explained: Option<Vec<(u32, Explained)>>,
    /// What of the filters is of no use.
    idle: Vec<Idle>,
}

fn selected(question: Question<'_>, wholes: &[u32]) -> Selected {
    let Question {
        filters, listing, held, ..
    } = question;
    let is_plain = wholes.is_empty() && held.packages.is_empty() && held.items.is_empty();
    if is_plain && filters.are_open() && question.explain.is_none() {
        // Facts of a hundred thousand packages take much room, and nothing would come of them.
        let selection = Selection {
            verdicts: vec![Verdict::Chosen; listing.packages.len()],
            fates: Vec::new(),
        };
        return Selected {
            selection,
            explained: None,
            idle: Vec::new(),
        };
    }
    let facts = facts(question);
    let candidates: Vec<Candidate<'_>> = facts.iter().map(Facts::candidate).collect();
    let bundles = bundles(question, wholes);
    let selection = select(&candidates, &bundles, filters);
    let explained = question.explain.map(|name| {
        let (asked, shown) = (asked(name, question), |index| shown(question, index));
        explain(&asked, &candidates, &bundles, filters, &selection, &shown)
    });
    Selected {
        idle: idle(&candidates, &bundles, filters),
        selection,
        explained,
    }
}

/// A candidate's name for people, as listings print it.
fn shown(question: Question<'_>, index: usize) -> String {
    let Question { listing, held, .. } = question;
    match index.checked_sub(listing.packages.len()) {
        None => {
            let package = listing.packages.get(index as u32);
            format!("{}-{}.{}", package.name, package.version, package.arch)
        }
        Some(dropped) => {
            let row = &held.packages[dropped].row;
            format!("{}-{}.{}", row.name, row.version, row.arch)
        }
    }
}

/// The candidates of a name, or of a name, version and architecture as listings print them, with or without the epoch.
fn asked(name: &str, question: Question<'_>) -> HashSet<usize> {
    let is_asked = |of: &str, version: &str, arch: &str| {
        of == name
            || name.strip_prefix(of).is_some_and(|rest| rest.starts_with('-'))
                && (full_name(of, version, arch) == name || format!("{of}-{version}.{arch}") == name)
    };
    let Question { listing, held, .. } = question;
    let listed = listing.packages.iter();
    let listed = listed
        .map(|(_, package)| &*package.label == name || is_asked(&package.name, &package.version.text, &package.arch));
    let dropped = held.packages.iter().map(|one| &one.row);
    let dropped = dropped.map(|row| is_asked(&row.name, &row.version, &row.arch));
    let all = listed.chain(dropped).enumerate();
    all.filter(|(_, is_asked)| *is_asked).map(|(index, _)| index).collect()
}

/// Everything, where upstream has it.
fn mirror(question: Question<'_>) -> Result<Choice, ChooseError> {
    let listing = question.listing;
    let verdicts = vec![Verdict::Chosen; listing.packages.len()];
    let explained = question.explain.map(|name| {
        let facts = facts(question);
        let candidates: Vec<Candidate<'_>> = facts.iter().map(Facts::candidate).collect();
        let open = Filters::default();
        let selection = select(&candidates, &[], &open);
        let (asked, shown) = (asked(name, question), |index| shown(question, index));
        explain(&asked, &candidates, &[], &open, &selection, &shown)
    });
    Ok(Choice {
        verdicts,
        packages: upstream_paths(question.format, &listing.packages)?,
        items: (0..listing.items.len() as u32).collect(),
        for_retained: HashSet::new(),
        retained: Vec::new(),
        retained_items: Vec::new(),
        warnings: Vec::new(),
        explained,
    })
}

/// `name-version.arch` without an epoch, which is what patterns search beside the name.
pub(crate) fn full_name(name: &str, version: &str, arch: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}-{version}.{arch}")
}

/// What the filters look at.
struct Facts {
    /// Begins with the name, of so many bytes.
    full_name: Box<str>,
    name_bytes: usize,
    arch: Arc<str>,
    version: VersionKey,
    is_source: bool,
    size_bytes: Option<u64>,
    build_time: Option<i64>,
    fields: Fields,
    origin: Origin,
}

impl Facts {
    fn of_listed(package: Package, held: bool, filters: &Filters) -> Self {
        Self {
            full_name: full_name(&package.name, &package.version.text, &package.arch).into(),
            name_bytes: package.name.len(),
            arch: package.arch,
            version: package.version.key,
            is_source: package.is_source,
            size_bytes: package.promise.size,
            build_time: package.build_time,
            fields: if filters.fields.is_empty() {
                Fields::default()
            } else {
                package.fields
            },
            origin: Origin { listed: true, held },
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            name: &self.full_name[..self.name_bytes],
            full_name: &self.full_name,
            arch: &self.arch,
            version: &self.version,
            is_source: self.is_source,
            size_bytes: self.size_bytes,
            build_time: self.build_time,
            fields: &self.fields,
            origin: self.origin,
        }
    }
}

/// Listed packages, then those that upstream dropped.
fn facts(question: Question<'_>) -> Vec<Facts> {
    let Question {
        listing, held, filters, ..
    } = question;
    let listed = listing
        .packages
        .iter()
        .map(|(index, package)| Facts::of_listed(package, held.listed.contains(&index), filters));
    let dropped = held.packages.iter().map(|one| Facts {
        full_name: full_name(&one.row.name, &one.row.version, &one.row.arch).into(),
        name_bytes: one.row.name.len(),
        arch: one.row.arch.as_str().into(),
        version: one.row.version_key.clone(),
        is_source: one.row.is_source,
        size_bytes: Some(one.row.size),
        build_time: one.row.build_time,
        fields: one.fields.clone(),
        origin: Origin::DROPPED,
    });
    listed.chain(dropped).collect()
}

fn wholes(listing: &Listing) -> impl Iterator<Item = u32> + '_ {
    let items = listing.items.iter().enumerate();
    items
        .filter(|(_, item)| item.rule == Rule::Whole)
        .map(|(index, _)| index as u32)
}

/// Listed whole items, then those that upstream dropped.
fn bundles<'a>(question: Question<'a>, wholes: &[u32]) -> Vec<Bundle<'a>> {
    let Question { listing, held, .. } = question;
    let listed = wholes.iter().map(|index| {
        let item = &listing.items[*index as usize];
        let (series, rank) = series(item);
        let held = held.keys.contains(&*item.key);
        Bundle {
            members: item.members.to_vec(),
            series,
            rank,
            origin: Origin { listed: true, held },
        }
    });
    let dropped = held.items.iter().map(|item| Bundle {
        members: item.members.clone(),
        series: &item.series,
        rank: item.rank,
        origin: Origin::DROPPED,
    });
    listed.chain(dropped).collect()
}

fn series(item: &ListedItem) -> (&str, u64) {
    item.series
        .as_deref()
        .map_or((&*item.key, 0), |(series, rank)| (series, *rank))
}

/// The items that belong to the choice, and which of them are there for retained packages only.
fn items(
    question: Question<'_>,
    wholes: &[u32],
    selection: &Selection,
    retained: &[u32],
) -> Result<(Vec<u32>, HashSet<u32>), ChooseError> {
    let Question {
        format, listing, held, ..
    } = question;
    let labels: HashSet<&str> = retained
        .iter()
        .map(|at| held.packages[*at as usize].row.label.as_str())
        .collect();
    let mut fates = wholes.iter().zip(&selection.fates).peekable();
    let mut items = Vec::new();
    let mut for_retained = HashSet::new();
    for (index, item) in listing.items.iter().enumerate() {
        let index = index as u32;
        let fate = fates.next_if(|(whole, _)| **whole == index).map(|(_, fate)| *fate);
        let any = || item.members.iter().any(|&i| selection.verdicts[i as usize].is_chosen());
        let belongs = match (item.rule, fate) {
            (Rule::Always, _) => true,
            (_, Some(fate)) => fate == Fate::Kept || fate == Fate::NoneChosen && !item.refers_to_packages,
            (_, None) => !item.refers_to_packages || any(),
        };
        if belongs {
            items.push(index);
        } else if item.rule == Rule::AnyOf && !labels.is_empty() {
            let (record, _) = listing.record(item).map_err(ChooseError::Spool)?;
            let again = format.item(item.kind, &record);
            if again.is_some_and(|again| again.refers.iter().any(|label| labels.contains(&**label))) {
                items.push(index);
                for_retained.insert(index);
            }
        }
    }
    Ok((items, for_retained))
}
