//! Packages of revisions, found by query.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chantal_catalog::{FoundPackage, PackageRow as Found, Repository as Row};
use chantal_formats::Format;
use chantal_model::{Comparison, RepoId, RevisionNumber};
use chantal_select::{Field, Query, Row as Subject, Versions};

use super::package_row;
use super::relations::Ident;
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

/// Versions as a format compares them, where people may leave parts out.
#[derive(Clone, Copy)]
pub(super) struct Order(pub(super) &'static dyn Format);

impl Versions for Order {
    fn satisfies(&self, have: &str, comparison: Comparison, wanted: &str) -> bool {
        let have = self.beside(have, wanted);
        self.0.overlap((Comparison::Equal, &have), (comparison, wanted))
    }

    fn beside<'v>(&self, have: &'v str, pattern: &str) -> Cow<'v, str> {
        self.0.beside(have, pattern)
    }
}

impl Order {
    /// Whether a package is of this version.
    pub(super) fn is(self, package: &Found, version: &str) -> bool {
        self.satisfies(&package.version, Comparison::Equal, version)
    }

    /// Whether text names a package as listings do: `name-version.arch`.
    pub(super) fn is_label(self, package: &Found, text: &str) -> bool {
        let rest = text.strip_prefix(&package.name).and_then(|rest| rest.strip_prefix('-'));
        let version = rest.and_then(|rest| rest.strip_suffix(&package.arch)?.strip_suffix('.'));
        version.is_some_and(|version| !version.is_empty() && self.is(package, version))
    }
}

/// Whether a package matches.
pub(super) fn matches(query: &Query, place: &Place, package: &Found) -> bool {
    let sha256 = if query.mentions(Field::Sha256) {
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
    query.matches(&row, &Order(place.format))
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
        self.check(query).await?;
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

    /// Packages and where they are: of any revision that is kept, or, by query, of the newest ones.
    pub async fn package(&self, ident: &Ident) -> Result<Vec<PackageDetail>, EngineError> {
        let mut found = match ident {
            Ident::Sha256(sha256) => self.found(&sha256.hex()).await?,
            Ident::Name(name) => self.found_by_name(name).await?,
            Ident::Version(name, version) => {
                let mut found = self.found(name).await?;
                found.retain(|one| order(one).is_some_and(|order| order.is(&one.package, version)));
                found
            }
            Ident::Query(query) => {
                let listed = self.packages(&Scope::default(), query, u64::MAX).await?;
                let idents: BTreeSet<String> = listed.into_iter().map(|one| one.row.sha256).collect();
                let mut found = Vec::new();
                for sha256 in idents {
                    found.extend(self.found(&sha256).await?);
                }
                found
            }
        };
        if found.is_empty() {
            return Err(EngineError::request(
                format!("no package {ident}"),
                Some("give a name, `name@version`, a SHA-256 or a query such as `name~nginx*`"),
            ));
        }
        found.sort_by(|a, b| {
            let key = |one: &FoundPackage| (one.package.name.clone(), one.package.version_key.clone());
            (key(a), &a.package.arch, &a.package.sha256).cmp(&(key(b), &b.package.arch, &b.package.sha256))
        });
        Ok(found
            .into_iter()
            .map(|found| PackageDetail {
                row: package_row(found.package),
                repositories: found.repositories,
                snapshots: found.snapshots,
                older: found.older,
            })
            .collect())
    }

    async fn found(&self, ident: &str) -> Result<Vec<FoundPackage>, EngineError> {
        self.catalog.find_package(ident).await.doing("search packages")
    }

    /// Packages of a name, or else the one that listings call so.
    async fn found_by_name(&self, text: &str) -> Result<Vec<FoundPackage>, EngineError> {
        let mut found = self.found(text).await?;
        let dashes = text.match_indices('-').map(|(at, _)| at);
        for at in dashes.rev() {
            if !found.is_empty() {
                break;
            }
            found = self.found(&text[..at]).await?;
            found.retain(|one| order(one).is_some_and(|order| order.is_label(&one.package, text)));
        }
        Ok(found)
    }

    /// Refuses a query for a repository that there is not, or that has nothing yet: it would find nothing.
    pub(super) async fn check(&self, query: &Query) -> Result<(), EngineError> {
        for word in query.words(Field::Repo) {
            let id: RepoId = word
                .parse()
                .map_err(|error: chantal_model::NameError| EngineError::request(error.to_string(), None))?;
            if self
                .catalog
                .repository(&id)
                .await
                .doing("find the repository")?
                .is_none()
            {
                self.configured(&id)?;
            }
            self.resolve_state(&id, "latest").await?;
        }
        Ok(())
    }
}

fn order(found: &FoundPackage) -> Option<Order> {
    chantal_formats::by_name(&found.format).map(Order)
}

fn place(repo: Row, revision: RevisionNumber) -> Result<Place, EngineError> {
    let format = chantal_formats::by_name(&repo.format).ok_or_else(|| EngineError::Configuration {
        repo: repo.name.to_string(),
        message: format!("type {} is not supported by this version", repo.format),
        hint: None,
    })?;
    Ok(Place { repo, revision, format })
}
