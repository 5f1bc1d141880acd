//! Repositories and their lines.

use chantal_model::RepoId;

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::process::now;
use crate::sql;

/// A repository that was synced or tried to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its row.
    pub id: i64,
    /// Its main line.
    pub line: i64,
    /// The name that the user gave it.
    pub name: RepoId,
    /// Its format.
    pub format: String,
    /// When it was first seen.
    pub created_at: i64,
}

type Row = (i64, i64, String, String, i64);

fn read((id, line, name, format, created_at): Row) -> Result<Repository, CatalogError> {
    Ok(Repository {
        id,
        line,
        name: name
            .parse()
            .map_err(|_| CatalogError::corrupt(format!("repository {id} is named {name:?}")))?,
        format,
        created_at,
    })
}

impl Catalog {
    /// Every repository, by name.
    pub async fn repositories(&self) -> Result<Vec<Repository>, CatalogError> {
        let rows: Vec<Row> = db::query_as(sql::REPOSITORIES).fetch_all(&self.reader).await?;
        rows.into_iter().map(read).collect()
    }

    /// One repository.
    pub async fn repository(&self, id: &RepoId) -> Result<Option<Repository>, CatalogError> {
        let row: Option<Row> = db::query_as(sql::REPOSITORY)
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(read).transpose()
    }

    /// One repository, made with its main line if it is new.
    pub async fn ensure_repository(&self, id: &RepoId, format: &str) -> Result<Repository, CatalogError> {
        if let Some(found) = self.repository(id).await? {
            return Ok(found);
        }
        let mut transaction = self.begin().await?;
        let there: Option<Row> = db::query_as(sql::REPOSITORY)
            .bind(id.as_str())
            .fetch_optional(&mut transaction)
            .await?;
        if let Some(row) = there {
            return read(row);
        }
        let created_at = now();
        let (repository,): (i64,) = db::query_as(sql::ADD_REPOSITORY)
            .bind(id.as_str())
            .bind(format)
            .bind(created_at)
            .fetch_one(&mut transaction)
            .await?;
        let (line,): (i64,) = db::query_as(sql::ADD_LINE)
            .bind(repository)
            .fetch_one(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Repository {
            id: repository,
            line,
            name: id.clone(),
            format: format.to_owned(),
            created_at,
        })
    }
}
