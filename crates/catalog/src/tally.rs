//! How often each verb ended how, and when last. Counts only grow, whatever becomes of the history.

use chantal_model::RepoId;

use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::process::now;
use crate::{db, schema, sql};

/// The first schema that keeps tallies.
const HAS_TALLIES: i64 = 7;

/// A run that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What was done.
    pub verb: &'a str,
    /// To which repository; `None` for what concerns none alone.
    pub repository: Option<&'a RepoId>,
    /// How it ended.
    pub exit_code: u8,
    /// How long it took.
    pub duration_ms: u64,
    /// Bytes fetched.
    pub bytes_fetched: u64,
    /// Bytes that the pool had.
    pub bytes_saved: u64,
}

/// All runs of a verb on a repository that ended with one exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyRow {
    /// What was done.
    pub verb: String,
    /// The repository's id; empty for what concerns none alone.
    pub repository: String,
    /// How they ended.
    pub exit_code: i64,
    /// How many.
    pub runs: i64,
    /// How long they took together.
    pub duration_ms: i64,
    /// Bytes that they fetched.
    pub bytes_fetched: i64,
    /// Bytes that the pool had for them.
    pub bytes_saved: i64,
    /// When the last of them ended, in seconds since 1970.
    pub last_at: i64,
    /// The number of that one among all runs of the verb on the repository, from 1.
    pub number: i64,
}

type Row = (String, String, i64, i64, i64, i64, i64, i64, i64);

impl Catalog {
    /// Counts a run; gives the exit code of the one before it that was not turned away as busy (7).
    pub async fn count_run(&self, ended: &Ended<'_>) -> Result<Option<i64>, CatalogError> {
        let repository = ended.repository.map_or("", RepoId::as_str);
        let mut transaction = self.begin_passing().await?;
        let before: Option<(i64,)> = db::query_as(sql::LAST_TALLY)
            .bind(ended.verb)
            .bind(repository)
            .fetch_optional(&mut transaction)
            .await?;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        db::query(sql::COUNT_RUN)
            .bind(ended.verb)
            .bind(repository)
            .bind(i64::from(ended.exit_code))
            .bind(whole(ended.duration_ms))
            .bind(whole(ended.bytes_fetched))
            .bind(whole(ended.bytes_saved))
            .bind(now())
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(before.map(|(exit_code,)| exit_code))
    }

    /// Every tally; none of a database that was not upgraded yet.
    pub async fn tallies(&self) -> Result<Vec<TallyRow>, CatalogError> {
        if schema::version(&self.reader).await? < Some(HAS_TALLIES) {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = db::query_as(sql::TALLIES).fetch_all(&self.reader).await?;
        let row = |row: Row| TallyRow {
            verb: row.0,
            repository: row.1,
            exit_code: row.2,
            runs: row.3,
            duration_ms: row.4,
            bytes_fetched: row.5,
            bytes_saved: row.6,
            last_at: row.7,
            number: row.8,
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::Bench;

    #[tokio::test]
    pub(crate) async fn runs_are_counted_by_how_they_ended_and_the_one_before_is_told() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let id: RepoId = "r".parse().unwrap();
        let run = |exit_code, repository| Ended {
            verb: "sync",
            repository,
            exit_code,
            duration_ms: 5,
            bytes_fetched: 7,
            bytes_saved: 11,
        };
        for (exit_code, before) in [(0, None), (3, Some(0)), (3, Some(3)), (0, Some(3)), (0, Some(0))] {
            assert_eq!(catalog.count_run(&run(exit_code, Some(&id))).await.unwrap(), before);
        }
        assert_eq!(catalog.count_run(&run(1, None)).await.unwrap(), None);
        assert_eq!(catalog.count_run(&run(7, None)).await.unwrap(), Some(1));
        assert_eq!(catalog.count_run(&run(7, None)).await.unwrap(), Some(1));
        let rows = catalog.tallies().await.unwrap();
        let counted: Vec<_> = rows
            .iter()
            .map(|row| (row.repository.as_str(), row.exit_code, row.runs, row.number))
            .collect();
        assert_eq!(counted, [("", 1, 1, 1), ("", 7, 2, 3), ("r", 0, 3, 5), ("r", 3, 2, 3)]);
        assert_eq!(
            (rows[2].duration_ms, rows[2].bytes_fetched, rows[2].bytes_saved),
            (15, 21, 33)
        );
        assert!(rows.iter().all(|row| row.last_at > 1_700_000_000));
    }
}
