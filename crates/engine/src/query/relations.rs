//! What packages need, who provides it, and who needs them: read from upstream's own records.
//!
//! Records are passed over in a stream, so that memory holds only what was asked about.

use std::collections::{BTreeMap, HashMap, HashSet};

use chantal_catalog::{PackageRow as Found, RecordReader};
use chantal_formats::{Capability, Format, FormatError, Relation, RelationKind, Relations};
use chantal_model::{ItemKind, Sha256};
use chantal_select::Query;

use super::packages::{Order, Place, Scope, matches};
use super::resolve::{Provided, Providers};
use crate::Engine;
use crate::error::{Doing, EngineError, blocking};

/// Members and records read at a time.
const PAGE: u32 = 2000;
/// Threads that read records.
const MAX_THREADS: usize = 4;

/// Which packages a question is about.
#[derive(Clone, Debug)]
pub enum Ident {
    /// The one with these bytes.
    Sha256(Sha256),
    /// The newest of a name, for each architecture; or the one that listings call so, as `name-version.arch`.
    Name(String),
    /// A name in one version; the version may leave parts out.
    Version(String, String),
    /// All that match.
    Query(Query),
}

/// One line of what a package needs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Dependency {
    /// The repository of the package.
    pub repo: String,
    /// The package, as `name-version.arch`.
    pub package: String,
    /// What the line means.
    pub kind: RelationKind,
    /// What is needed, as the format writes it.
    pub requirement: String,
    /// Of requirements `provided`, `missing`, or `built-in` for what the package manager has itself; of what only asks for
    /// something, `provided` or `absent`; of what excludes another package, `present` or `absent`.
    pub status: &'static str,
    /// Who provides it, as `name-version.arch`, with `repository/` before it where it is another one's.
    pub providers: Vec<String>,
    /// The parts of a requirement that has several.
    pub atoms: Vec<Atom>,
}

/// A part of a requirement.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Atom {
    /// What is needed.
    pub requirement: String,
    /// Who provides it, as in [`Dependency::providers`].
    pub providers: Vec<String>,
}

/// A package that needs the one that was asked about.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Dependent {
    /// The repository of the package.
    pub repo: String,
    /// The package, as `name-version.arch`.
    pub package: String,
    /// What the line means.
    pub kind: RelationKind,
    /// What it needs, as the format writes it.
    pub requirement: String,
    /// The packages asked about that provide it, as `name-version.arch`.
    pub provided_by: Vec<String>,
}

/// A package of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Index of its place.
    pub(super) place: usize,
    pub(super) path: String,
    pub(super) label: String,
}

impl Holder {
    /// How it is shown beside a package of another place.
    pub(super) fn shown(&self, beside: usize, places: &[Place]) -> String {
        if self.place == beside {
            self.label.clone()
        } else {
            format!("{}/{}", places[self.place].repo.name, self.label)
        }
    }
}

impl Ident {
    fn wants(&self, place: &Place, package: &Found) -> bool {
        match self {
            Self::Sha256(sha256) => package.sha256 == *sha256,
            Self::Name(name) => package.name == *name || Order(place.format).is_label(package, name),
            Self::Version(name, version) => package.name == *name && Order(place.format).is(package, version),
            Self::Query(query) => matches(query, place, package),
        }
    }
}

impl std::fmt::Display for Ident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha256(sha256) => write!(f, "{}", sha256.hex()),
            Self::Name(name) => write!(f, "{name}"),
            Self::Version(name, version) => write!(f, "{name}@{version}"),
            Self::Query(query) => write!(f, "{query}"),
        }
    }
}

impl Engine {
    /// What packages need and who provides it.
    ///
    /// The repositories of a scope are looked at together: what one needs, another may provide. Without any, each
    /// repository that holds the package answers for itself.
    pub async fn dependencies(
        &self,
        scope: &Scope,
        ident: &Ident,
        kinds: &[RelationKind],
    ) -> Result<Vec<Dependency>, EngineError> {
        let (mut rows, mut is_there) = (Vec::new(), false);
        for places in self.together(scope, ident).await? {
            let asked = self.asked(&places, ident).await?;
            is_there |= asked.iter().any(|paths| !paths.is_empty());
            let mut needs: Vec<(Holder, Relation)> = Vec::new();
            self.each_relations(&places, Some(&asked), &mut |holder, found| {
                let found = found.relations.into_iter().filter(|one| kinds.contains(&one.kind));
                needs.extend(found.map(|relation| (holder.clone(), relation)));
            })
            .await?;
            let names = needs.iter().flat_map(|(_, relation)| relation.need.atoms());
            let mut providers = Providers::of(names.map(|atom| atom.name.clone()).collect());
            if !needs.is_empty() {
                self.each_relations(&places, None, &mut |holder, found| providers.add(holder, &found))
                    .await?;
            }
            rows.extend(
                needs
                    .iter()
                    .map(|(holder, relation)| dependency(&places, &providers, holder, relation)),
            );
        }
        require_some(is_there, ident)?;
        Ok(rows)
    }

    /// Packages that need something which the packages asked about provide: by name, capability, or a file that their
    /// records name.
    pub async fn dependents(
        &self,
        scope: &Scope,
        ident: &Ident,
        kinds: &[RelationKind],
    ) -> Result<Vec<Dependent>, EngineError> {
        let (mut rows, mut is_there) = (Vec::new(), false);
        for places in self.together(scope, ident).await? {
            let asked = self.asked(&places, ident).await?;
            if asked.iter().all(HashSet::is_empty) {
                continue;
            }
            is_there = true;
            let mut given: Vec<(Holder, Relations)> = Vec::new();
            self.each_relations(&places, Some(&asked), &mut |holder, found| given.push((holder, found)))
                .await?;
            let mut offers = Provided::default();
            for (index, (_, relations)) in given.iter().enumerate() {
                offers.add(index, relations);
            }
            let labels: Vec<&Holder> = given.iter().map(|(holder, _)| holder).collect();
            self.each_relations(&places, None, &mut |holder, found| {
                let wanted = found.relations.iter().filter(|one| kinds.contains(&one.kind));
                rows.extend(wanted.filter_map(|relation| dependent(&places, &offers, &labels, &holder, relation)));
            })
            .await?;
        }
        require_some(is_there, ident)?;
        rows.sort_by(|a, b| (&a.repo, &a.package, &a.requirement).cmp(&(&b.repo, &b.package, &b.requirement)));
        Ok(rows)
    }

    /// The places of a scope, in groups that are looked at together.
    async fn together(&self, scope: &Scope, ident: &Ident) -> Result<Vec<Vec<Place>>, EngineError> {
        if let Ident::Query(query) = ident {
            self.check(query).await?;
        }
        let places = self.places(scope).await?;
        if !scope.repositories.is_empty() {
            return Ok(vec![places]);
        }
        Ok(places.into_iter().map(|place| vec![place]).collect())
    }

    /// The paths of the packages that are asked about, for each place.
    async fn asked(&self, places: &[Place], ident: &Ident) -> Result<Vec<HashSet<String>>, EngineError> {
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            let mut found: Vec<Found> = Vec::new();
            let mut take = |package: Found| {
                if ident.wants(place, &package) {
                    found.push(package);
                }
            };
            self.catalog
                .each_package(place.repo.line, place.revision, &mut take)
                .await
                .doing("search packages")?;
            if matches!(ident, Ident::Name(_)) {
                found = newest(found);
            }
            asked.push(found.into_iter().map(|package| package.path).collect());
        }
        Ok(asked)
    }

    /// Hands out what every package of these places says, or only those at some paths. Within a place packages come in
    /// the order in which their records are stored.
    async fn each_relations(
        &self,
        places: &[Place],
        only: Option<&[HashSet<String>]>,
        take: &mut (dyn FnMut(Holder, Relations) + Send),
    ) -> Result<(), EngineError> {
        for (index, place) in places.iter().enumerate() {
            let mut holders = self.holders(index, place).await?;
            if let Some(only) = only {
                holders.retain(|(_, holder)| only[index].contains(&holder.path));
            }
            holders.sort_by_key(|(record, _)| *record);
            let mut reader = RecordReader::new(&self.catalog);
            let mut holders = holders.into_iter().peekable();
            while holders.peek().is_some() {
                let page: Vec<(i64, Holder)> = holders.by_ref().take(PAGE as usize).collect();
                let ids: Vec<i64> = page.iter().map(|(record, _)| *record).collect();
                let records = reader.read(&ids).await.doing("read records")?;
                let format = place.format;
                let found = blocking(move || Ok(parse_all(format, &records))).await?;
                let found = found.map_err(|source| EngineError::Metadata {
                    repo: place.repo.name.to_string(),
                    source,
                })?;
                for ((_, holder), relations) in page.into_iter().zip(found) {
                    take(holder, relations);
                }
            }
        }
        Ok(())
    }

    /// Every package of a place that has a record, with the record's row.
    async fn holders(&self, index: usize, place: &Place) -> Result<Vec<(i64, Holder)>, EngineError> {
        let mut holders: Vec<(i64, Holder)> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .catalog
                .members(
                    place.repo.line,
                    place.revision,
                    ItemKind::Package,
                    after.as_deref(),
                    PAGE,
                )
                .await
                .doing("read a revision")?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map(|member| member.path.clone());
            holders.extend(page.into_iter().filter_map(|member| {
                let package = member.package?;
                let label = format!("{}-{}.{}", package.name, package.version, package.arch);
                let holder = Holder {
                    place: index,
                    path: member.path,
                    label,
                };
                Some((member.records[0]?, holder))
            }));
            if is_last {
                return Ok(holders);
            }
        }
    }
}

/// Reads records in a few threads; gives what they say, in order.
fn parse_all(format: &dyn Format, records: &[Vec<u8>]) -> Result<Vec<Relations>, FormatError> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS);
    let share = records.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = records
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(|record| format.relations(record)).collect()))
            .collect();
        let mut found = Vec::with_capacity(records.len());
        for thread in threads {
            let part: Result<Vec<Relations>, FormatError> = match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            found.extend(part?);
        }
        Ok(found)
    })
}

/// The newest of each name and architecture; all of those that are equally new.
fn newest(found: Vec<Found>) -> Vec<Found> {
    let mut newest: BTreeMap<(String, String), Vec<Found>> = BTreeMap::new();
    for package in found {
        let kept = newest.entry((package.name.clone(), package.arch.clone())).or_default();
        match kept.first().map(|first| package.version_key.cmp(&first.version_key)) {
            Some(std::cmp::Ordering::Less) => {}
            Some(std::cmp::Ordering::Greater) => *kept = vec![package],
            _ => kept.push(package),
        }
    }
    newest.into_values().flatten().collect()
}

fn require_some(is_there: bool, ident: &Ident) -> Result<(), EngineError> {
    if !is_there {
        return Err(EngineError::request(
            format!("no package {ident} there"),
            Some("give a name, `name@version`, a SHA-256 or a query; `chantal package list` shows what is there"),
        ));
    }
    Ok(())
}

fn dependency(places: &[Place], providers: &Providers, holder: &Holder, relation: &Relation) -> Dependency {
    let place = &places[holder.place];
    let overlap = |have: &Capability, want: &Capability| overlap(place, have, want);
    let shown = |found: &std::collections::BTreeSet<usize>| {
        found
            .iter()
            .map(|index| providers.holder(*index).shown(holder.place, places))
            .collect::<Vec<_>>()
    };
    let (is_provided, found) = providers.resolve(&relation.need, &overlap);
    let atoms = relation.need.atoms();
    let atoms = if atoms.len() > 1 { atoms } else { Vec::new() };
    Dependency {
        repo: place.repo.name.to_string(),
        package: holder.label.clone(),
        kind: relation.kind,
        requirement: relation.text.to_string(),
        status: match (relation.is_built_in, is_provided, relation.kind) {
            (true, ..) => "built-in",
            (_, false, RelationKind::Requires) => "missing",
            (_, false, _) => "absent",
            (_, true, RelationKind::Conflicts | RelationKind::Obsoletes) => "present",
            (_, true, _) => "provided",
        },
        providers: shown(&found),
        atoms: atoms
            .into_iter()
            .map(|atom| Atom {
                requirement: atom.to_string(),
                providers: shown(&providers.of_one(atom, &overlap)),
            })
            .collect(),
    }
}

fn dependent(
    places: &[Place],
    offers: &Provided,
    asked: &[&Holder],
    holder: &Holder,
    relation: &Relation,
) -> Option<Dependent> {
    let place = &places[holder.place];
    let overlap = |have: &Capability, want: &Capability| overlap(place, have, want);
    let mut found: Vec<usize> = relation
        .need
        .atoms()
        .into_iter()
        .flat_map(|atom| offers.of(atom, &overlap))
        .filter(|index| asked[*index] != holder)
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    Some(Dependent {
        repo: place.repo.name.to_string(),
        package: holder.label.clone(),
        kind: relation.kind,
        requirement: relation.text.to_string(),
        provided_by: found
            .into_iter()
            .map(|index| asked[index].shown(holder.place, places))
            .collect(),
    })
}

/// Whether what is there is what is wanted. Names are equal already.
fn overlap(place: &Place, have: &Capability, want: &Capability) -> bool {
    match (&have.version, &want.version) {
        (Some((one, have)), Some((other, want))) => place.format.overlap((*one, have), (*other, want)),
        _ => true,
    }
}

/// What packages provide, by name.
pub(super) type Offers = HashMap<Box<str>, Vec<(usize, Capability)>>;
