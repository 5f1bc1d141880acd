//! Packages.

use chantal_model::RepoId;

use super::package_row;
use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::report::{PackageDetail, PackageRow};

impl Engine {
    /// Packages of a state, or of the newest revisions of all repositories, whose name or version has a text.
    pub async fn packages(
        &self,
        scope: Option<(&RepoId, &str)>,
        text: Option<&str>,
        limit: u64,
    ) -> Result<Vec<PackageRow>, EngineError> {
        let mut states = Vec::new();
        match scope {
            Some((id, state)) => states.push(self.resolve_state(id, state).await?),
            None => {
                for repository in self.catalog.repositories().await.doing("read repositories")? {
                    if let Some(current) = self
                        .catalog
                        .current(repository.line)
                        .await
                        .doing("find the newest revision")?
                    {
                        states.push((current.line, current.number));
                    }
                }
            }
        }
        let mut rows: Vec<PackageRow> = Vec::new();
        for (line, revision) in states {
            let left = limit.saturating_sub(rows.len() as u64);
            if left == 0 {
                break;
            }
            let found = self
                .catalog
                .search(line, revision, text, left as i64)
                .await
                .doing("search packages")?;
            rows.extend(found.into_iter().map(package_row));
        }
        Ok(rows)
    }

    /// A package by SHA-256, `name` or `name@version`, and where it is.
    pub async fn package(&self, ident: &str) -> Result<Vec<PackageDetail>, EngineError> {
        let found = self.catalog.find_package(ident).await.doing("search packages")?;
        if found.is_empty() {
            return Err(EngineError::request(
                format!("no package {ident}"),
                Some("give a name, `name@version` or a SHA-256"),
            ));
        }
        Ok(found
            .into_iter()
            .map(|found| PackageDetail {
                row: package_row(found.package),
                repositories: found.repositories,
                snapshots: found.snapshots,
            })
            .collect())
    }
}
