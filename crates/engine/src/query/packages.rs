//! Packages of revisions, found by query.

use std::collections::BTreeSet;

use chantal_catalog::{PackageRow as Found, Repository as Row};
use chantal_formats::Format;
use chantal_model::{Comparison, RepoId, RevisionNumber};
use chantal_select::{Query, Row as Subject};

use super::package_row;
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::{PackageDetail, PackageRow};

/// Where packages are looked for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Which repositories; none: all that were ever synced.
    pub repositories: Vec<RepoId>,
    /// The snapshot; none: the newest revision.
    pub snapshot: Option<String>,
}

/// A package and the repository that it was found in.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedPackage {
    /// The repository.
    pub repo: String,
    /// The package.
    #[serde(flatten)]
    pub row: PackageRow,
}

/// A revision that is looked at.
pub(super) struct Place {
    pub(super) repo: Row,
    pub(super) revision: RevisionNumber,
    pub(super) format: &'static dyn Format,
}

/// Whether a version is what a query asks for, in the order of a format.
pub(super) fn satisfies(format: &'static dyn Format) -> impl Fn(&str, Comparison, &str) -> bool {
    move |have, comparison, wanted| format.overlap((Comparison::Equal, have), (comparison, wanted))
}

/// Whether a package matches.
pub(super) fn matches(query: &Query, place: &Place, package: &Found) -> bool {
    let sha256 = if query.mentions(chantal_select::Field::Sha256) {
        package.sha256.hex()
    } else {
        String::new()
    };
    let row = Subject {
        repo: place.repo.name.as_str(),
        name: &package.name,
        version: &package.version,
        arch: &package.arch,
        summary: &package.summary,
        path: &package.path,
        sha256: &sha256,
        size: package.size,
    };
    query.matches(&row, &satisfies(place.format))
}

/// The first so many in the order of name, version and architecture, whatever the order in which they come.
struct First {
    limit: usize,
    kept: Vec<Found>,
}

impl First {
    fn push(&mut self, package: Found) {
        self.kept.push(package);
        if self.kept.len() > self.limit.saturating_mul(2).saturating_add(1000) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.kept.sort_by(|a, b| {
            (&a.name, &a.version_key, &a.arch, &a.path).cmp(&(&b.name, &b.version_key, &b.arch, &b.path))
        });
        self.kept.truncate(self.limit);
    }
}

impl Engine {
    /// The revisions that a scope means, repositories without any left out.
    pub(super) async fn places(&self, scope: &Scope) -> Result<Vec<Place>, EngineError> {
        let mut places = Vec::new();
        let state = scope.snapshot.as_deref().unwrap_or("latest");
        if !scope.repositories.is_empty() {
            for id in &scope.repositories {
                let repo = self.known(id).await?;
                let (line, revision) = self.resolve_state(id, state).await?;
                places.push(place(Row { line, ..repo }, revision)?);
            }
            return Ok(places);
        }
        for repo in self.catalog.repositories().await.doing("read repositories")? {
            let current = self.catalog.current(repo.line).await;
            if let Some(current) = current.doing("find the newest revision")? {
                places.push(place(repo, current.number)?);
            }
        }
        Ok(places)
    }

    /// Packages that match, by repository, name, version and architecture; at most `limit`.
    pub async fn packages(&self, scope: &Scope, query: &Query, limit: u64) -> Result<Vec<ListedPackage>, EngineError> {
        let mut rows: Vec<ListedPackage> = Vec::new();
        for place in self.places(scope).await? {
            let left = limit.saturating_sub(rows.len() as u64);
            if left == 0 {
                break;
            }
            let mut first = First {
                limit: usize::try_from(left).unwrap_or(usize::MAX),
                kept: Vec::new(),
            };
            let mut take = |package: Found| {
                if matches(query, &place, &package) {
                    first.push(package);
                }
            };
            self.catalog
                .each_package(place.repo.line, place.revision, &mut take)
                .await
                .doing("search packages")?;
            first.settle();
            rows.extend(first.kept.into_iter().map(|package| ListedPackage {
                repo: place.repo.name.to_string(),
                row: package_row(package),
            }));
        }
        Ok(rows)
    }

    /// Packages by SHA-256, `name`, `name@version` (which may leave parts out) or, of the newest revisions, by query, and where they are.
    pub async fn package(&self, ident: &str, query: Option<&Query>) -> Result<Vec<PackageDetail>, EngineError> {
        let idents: BTreeSet<String> = match query {
            None => [ident.to_owned()].into(),
            Some(query) => {
                let found = self.packages(&Scope::default(), query, u64::MAX).await?;
                found.into_iter().map(|found| found.row.sha256).collect()
            }
        };
        let mut details = Vec::new();
        for one in idents {
            let mut found = self.catalog.find_package(&one).await.doing("search packages")?;
            if let Some((name, version)) = one.split_once('@').filter(|_| found.is_empty()) {
                found = self.catalog.find_package(name).await.doing("search packages")?;
                found.retain(|one| is_version(one, version));
            }
            details.extend(found.into_iter().map(|found| PackageDetail {
                row: package_row(found.package),
                repositories: found.repositories,
                snapshots: found.snapshots,
            }));
        }
        if details.is_empty() {
            return Err(EngineError::request(
                format!("no package {ident}"),
                Some("give a name, `name@version`, a SHA-256 or a query such as `name~nginx*`"),
            ));
        }
        details.sort_by(|a, b| a.row.name.cmp(&b.row.name));
        Ok(details)
    }
}

/// Whether a package is of a version, which may leave parts out.
fn is_version(found: &chantal_catalog::FoundPackage, version: &str) -> bool {
    let format = chantal_formats::by_name(&found.format);
    format.is_some_and(|format| satisfies(format)(&found.package.version, Comparison::Equal, version))
}

fn place(repo: Row, revision: RevisionNumber) -> Result<Place, EngineError> {
    let format = chantal_formats::by_name(&repo.format).ok_or_else(|| EngineError::Configuration {
        repo: repo.name.to_string(),
        message: format!("type {} is not supported by this version", repo.format),
        hint: None,
    })?;
    Ok(Place { repo, revision, format })
}
