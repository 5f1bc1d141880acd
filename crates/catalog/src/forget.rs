//! Forgetting a repository. Blobs, packages and records stay for other repositories and for collection.

use crate::connect::Catalog;
use crate::db;
use crate::error::CatalogError;
use crate::lease::Lease;
use crate::sql;

/// What the catalog holds of a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Revisions.
    pub revisions: i64,
    /// Intervals of members.
    pub members: i64,
    /// Its snapshots.
    pub snapshots: i64,
    /// Its published trees.
    pub publications: i64,
    /// Runs in its history.
    pub runs: i64,
    /// Pins that others have on its revisions.
    pub foreign_pins: i64,
}

/// What may go with a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Its snapshots.
    pub snapshots: bool,
    /// The record of its published trees.
    pub publications: bool,
}

/// What came of forgetting a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It is gone; this was there.
    Gone(Held),
    /// Something that may not go was there; nothing was changed.
    InUse(Held),
}

/// In the order that references between tables ask for.
const STEPS: [&str; 12] = [
    sql::FORGET_STRAYS,
    sql::FORGET_STATES,
    sql::FORGET_PUBLICATIONS,
    sql::FORGET_PINS,
    sql::FORGET_SNAPSHOTS,
    sql::FORGET_MEMBERS,
    sql::FORGET_REVISIONS,
    sql::FORGET_LINES,
    sql::FORGET_FEED,
    sql::FORGET_HISTORY,
    sql::FORGET_TALLIES,
    sql::FORGET_REPOSITORY,
];

/// In the order of the fields of [`Held`].
const COUNTS: [&str; 6] = [
    sql::COUNT_REVISIONS,
    sql::COUNT_MEMBERS,
    sql::COUNT_SNAPSHOTS,
    sql::COUNT_PUBLICATIONS,
    sql::COUNT_RUNS,
    sql::COUNT_FOREIGN_PINS,
];

fn held([revisions, members, snapshots, publications, runs, foreign_pins]: [i64; COUNTS.len()]) -> Held {
    Held {
        revisions,
        members,
        snapshots,
        publications,
        runs,
        foreign_pins,
    }
}

impl Catalog {
    /// What the catalog holds of a repository.
    pub async fn held(&self, repository: i64) -> Result<Held, CatalogError> {
        let mut counts = [0; COUNTS.len()];
        for (count, text) in counts.iter_mut().zip(COUNTS) {
            (*count,) = db::query_as(text).bind(repository).fetch_one(&self.reader).await?;
        }
        Ok(held(counts))
    }

    /// Paths at which a state of a repository was staged, though no publication was recorded: a publisher was killed.
    pub async fn unrecorded_paths(&self, repository: i64) -> Result<Vec<String>, CatalogError> {
        let rows: Vec<(String,)> = db::query_as(sql::UNRECORDED_PATHS)
            .bind(repository)
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.into_iter().map(|(path,)| path).collect())
    }

    /// Forgets a repository and everything that is its own, in one transaction.
    pub async fn forget_repository(
        &self,
        lease: &Lease,
        repository: i64,
        allowed: Allowed,
    ) -> Result<Forgotten, CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        let mut counts = [0; COUNTS.len()];
        for (count, text) in counts.iter_mut().zip(COUNTS) {
            (*count,) = db::query_as(text).bind(repository).fetch_one(&mut transaction).await?;
        }
        let held = held(counts);
        let in_use = held.foreign_pins > 0
            || held.snapshots > 0 && !allowed.snapshots
            || held.publications > 0 && !allowed.publications;
        if in_use {
            return Ok(Forgotten::InUse(held));
        }
        for text in STEPS {
            db::query(text).bind(repository).execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(Forgotten::Gone(held))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::{Bench, member, revision};
    use crate::{Publication, PublicationKind};

    const EMPTY: [&str; 11] = [
        "repository",
        "line",
        "revision",
        "member",
        "snapshot",
        "pin",
        "publication",
        "publication_state",
        "stray",
        "feed_state",
        "history",
    ];

    async fn rows(catalog: &Catalog, table: &str) -> i64 {
        let text = format!("SELECT count(*) FROM {table}");
        let (count,): (i64,) = db::query_as(text).fetch_one(&catalog.reader).await.unwrap();
        count
    }

    /// A repository with something in every table.
    async fn full(bench: &Bench) -> (crate::Repository, Lease) {
        let catalog = &bench.catalog;
        let (repository, lease) = bench.repository().await;
        let open = vec![member(catalog, &lease, 1).await, member(catalog, &lease, 2).await];
        let number = catalog
            .commit_revision(&lease, revision(&repository, &open, vec![]), &mut open.into_iter())
            .await
            .unwrap();
        let name = "s".parse().unwrap();
        catalog
            .create_snapshot(repository.id, &name, None, repository.line, number, 5)
            .await
            .unwrap();
        let publication = Publication {
            path: "r/latest".into(),
            repository: repository.id,
            kind: PublicationKind::Latest,
            snapshot_id: None,
            snapshot: None,
            pinned: false,
            generation: 0,
        };
        catalog.save_publication(&lease, &publication).await.unwrap();
        for text in [
            "INSERT INTO publication_state (path, line_id, revision, render_key, generation, status, served_from) \
             VALUES ('r/latest', 1, 1, 'k', 0, 'live', 5)",
            "INSERT INTO stray (path, file, seen_at) VALUES ('r/latest', 'f', 5)",
        ] {
            db::query(text).execute(&catalog.writer).await.unwrap();
        }
        let feed_state = "INSERT INTO feed_state (repository_id, entry_url, entry_sha256, selection, complete, checked_at, \
                          changed_at) VALUES (1, 'u', $1, 's', 1, 5, 5) ON CONFLICT DO NOTHING";
        let entry = vec![0_u8];
        db::query(feed_state)
            .bind(entry)
            .execute(&catalog.writer)
            .await
            .unwrap();
        catalog.begin_history(repository.id, "sync").await.unwrap();
        (repository, lease)
    }

    #[tokio::test]
    pub(crate) async fn everything_of_a_repository_goes_but_for_what_others_may_share() {
        let bench = Bench::new().await;
        let (repository, lease) = full(&bench).await;
        for table in EMPTY {
            assert!(rows(&bench.catalog, table).await > 0, "{table} has nothing to lose");
        }
        let blobs = rows(&bench.catalog, "blob").await;
        let allowed = Allowed {
            snapshots: true,
            publications: true,
        };
        let before = bench.catalog.held(repository.id).await.unwrap();
        let gone = bench
            .catalog
            .forget_repository(&lease, repository.id, allowed)
            .await
            .unwrap();
        assert_eq!(gone, Forgotten::Gone(before));
        for table in EMPTY {
            assert_eq!(rows(&bench.catalog, table).await, 0, "{table}");
        }
        assert_eq!(rows(&bench.catalog, "blob").await, blobs);
        assert!(bench.catalog.verify().await.unwrap().is_empty());
    }

    #[tokio::test]
    pub(crate) async fn what_may_not_go_keeps_everything() {
        let bench = Bench::new().await;
        let (repository, lease) = full(&bench).await;
        let before = bench.catalog.held(repository.id).await.unwrap();
        for (snapshots, publications) in [(false, false), (true, false), (false, true)] {
            let allowed = Allowed {
                snapshots,
                publications,
            };
            let kept = bench
                .catalog
                .forget_repository(&lease, repository.id, allowed)
                .await
                .unwrap();
            assert_eq!(kept, Forgotten::InUse(before));
        }
        assert_eq!(bench.catalog.held(repository.id).await.unwrap(), before);
    }

    #[tokio::test]
    pub(crate) async fn a_revision_that_somebody_else_pins_keeps_everything() {
        let bench = Bench::new().await;
        let (repository, lease) = full(&bench).await;
        bench
            .catalog
            .ensure_repository(&"view".parse().unwrap(), "x")
            .await
            .unwrap();
        db::query("UPDATE snapshot SET repository_id = 2")
            .execute(&bench.catalog.writer)
            .await
            .unwrap();
        let allowed = Allowed {
            snapshots: true,
            publications: true,
        };
        let kept = bench
            .catalog
            .forget_repository(&lease, repository.id, allowed)
            .await
            .unwrap();
        assert!(
            matches!(kept, Forgotten::InUse(held) if held.foreign_pins == 1),
            "{kept:?}"
        );
    }
}
