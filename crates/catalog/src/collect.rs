//! Collection: which blobs nothing refers to, since when, and how they go without anybody missing them.
//!
//! Rows go before files, so that the catalog never names a file that is not there. Whoever relies on a blob says so
//! ([`Catalog::intend`]) before it looks whether the blob is there; both that and each step here lock the leases, so
//! that one of the two comes first: either the blob is spared, or it is seen to be gone.

use std::collections::{HashMap, HashSet};

use chantal_model::Sha256;

use crate::blobs::sha256;
use crate::connect::Catalog;
use crate::counting::Amount;
use crate::db::{self, Executor, Transaction};
use crate::error::CatalogError;
use crate::lease::{Lease, rfc3339};
use crate::process::Process;
use crate::retire::Retention;
use crate::sql;

/// The name of the lease of collection.
pub const COLLECT: &str = "collect";
/// Blobs read at a time.
const PAGE: i64 = 500;

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// Its name.
    pub name: String,
    /// Who holds it, for people.
    pub holder: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: i64,
    /// Since when.
    pub since: i64,
}

/// Blobs that nothing refers to, but not for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many and how large.
    pub amount: Amount,
    /// Since when the first of them.
    pub since: Option<i64>,
}

/// What a collection does beside sweeping, so that a plan can do it in a transaction that is taken back.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Rows of snapshots that go.
    pub snapshots: Vec<i64>,
    /// Published paths that are taken down.
    pub publications: Vec<String>,
    /// Rows of states whose grace is over.
    pub states: Vec<i64>,
    /// Lines whose revisions retire.
    pub lines: Vec<i64>,
}

/// What a collection would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Revisions that retire, by line.
    pub retired: Vec<(i64, u64)>,
    /// Sets of rendered metadata that are forgotten; `None` where something is being published.
    pub renders: Option<u64>,
    /// Blobs that go.
    pub swept: Vec<(Sha256, u64)>,
    /// Blobs that something which runs relies on.
    pub spared: Amount,
    /// Blobs that go later.
    pub waiting: Waiting,
}

/// What running tasks rely on. What they have not said anew is not read anew.
#[derive(Default)]
pub struct Intents {
    names: HashSet<[u8; 32]>,
    seen: HashMap<(String, i64), i64>,
}

impl Intents {
    /// Reads what living holders rely on.
    async fn refresh(&mut self, now: i64, transaction: &mut Transaction) -> Result<(), CatalogError> {
        type Row = (String, i64, i64, String, String, i64, i64, i64);
        let holders: Vec<Row> = db::query_as(sql::INTENT_HOLDERS).fetch_all(&mut *transaction).await?;
        let mut living = HashMap::new();
        for (name, fence, rows, host, boot_id, pid, start, expires_at) in holders {
            let process = Process {
                host,
                boot_id,
                pid,
                start,
            };
            if expires_at > now && !process.is_gone() {
                living.insert((name, fence), rows);
            }
        }
        if living == self.seen {
            return Ok(());
        }
        self.names.clear();
        for (name, fence) in living.keys() {
            let rows: Vec<(Vec<u8>,)> = db::query_as(sql::INTENTS)
                .bind(name)
                .bind(*fence)
                .fetch_all(&mut *transaction)
                .await?;
            for (names,) in rows {
                self.names.extend(names.as_chunks::<32>().0);
            }
        }
        self.seen = living;
        Ok(())
    }

    fn has(&self, name: &Sha256) -> bool {
        self.names.contains(&name.0)
    }
}

/// Names of which nobody else can make use until this is let go: files under them may be removed.
pub struct Claim {
    transaction: Transaction,
    /// Those of the names asked for that no row and no intent names.
    pub names: Vec<Sha256>,
}

impl Claim {
    /// Lets others go on.
    pub async fn release(self) -> Result<(), CatalogError> {
        Ok(self.transaction.commit().await?)
    }
}

impl Catalog {
    /// Every lease whose holder lives, as far as is known.
    pub async fn living_leases(&self) -> Result<Vec<HeldLease>, CatalogError> {
        let now = self.now().await?;
        living(now, &self.reader).await
    }

    /// How often collection has begun so far, and whether it is at work: what was looked up while neither changed was
    /// not collected meanwhile.
    pub async fn collection_epoch(&self) -> Result<(i64, bool), CatalogError> {
        type Row = (String, String, i64, i64, i64, i64, i64);
        let row: Option<Row> = db::query_as(sql::LEASE)
            .bind(COLLECT)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map_or((0, false), |row| (row.4, row.6 > 0)))
    }

    /// Marks the blobs that nothing refers to since now, and takes the mark from those that are used again.
    pub async fn mark_unused(&self, lease: &Lease, now: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin_as(lease).await?;
        mark(now, &mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets rendered metadata that no recorded state names; `None` while something is being published, since that
    /// may be about to name them. Gives how many sets.
    pub async fn drop_renders(&self, lease: &Lease) -> Result<Option<u64>, CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin_alone_as(lease).await?;
        let dropped = drop_renders(now, &mut transaction).await?;
        transaction.commit().await?;
        Ok(dropped)
    }

    /// Blobs that have been unused since `before` or longer, those whose name comes after `after`, by name.
    pub async fn condemned(&self, before: i64, after: &[u8]) -> Result<Vec<(Sha256, u64)>, CatalogError> {
        condemned(before, after, &self.reader).await
    }

    /// Blobs that have been unused for a shorter time.
    pub async fn waiting(&self, before: i64) -> Result<Waiting, CatalogError> {
        waiting(before, &self.reader).await
    }

    /// Forgets blobs with their descriptions, but for those that something refers to or relies on by now. Gives those
    /// that are forgotten; their files can be claimed.
    pub async fn drop_blobs(
        &self,
        lease: &Lease,
        intents: &mut Intents,
        names: &[Sha256],
    ) -> Result<Vec<Sha256>, CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin_alone_as(lease).await?;
        intents.refresh(now, &mut transaction).await?;
        let mut dropped = Vec::with_capacity(names.len());
        for name in names.iter().filter(|name| !intents.has(name)) {
            let row: Option<(i64,)> = db::query_as(sql::UNUSED_BLOB)
                .bind(&name.0[..])
                .fetch_optional(&mut transaction)
                .await?;
            let Some((id,)) = row else { continue };
            for text in [sql::DROP_BLOB_PACKAGES, sql::DROP_BLOB_DIGESTS, sql::DROP_BLOB] {
                db::query(text).bind(id).execute(&mut transaction).await?;
            }
            dropped.push(*name);
        }
        transaction.commit().await?;
        Ok(dropped)
    }

    /// Claims the names among these that no row and no running task names.
    pub async fn claim(&self, lease: &Lease, intents: &mut Intents, names: &[Sha256]) -> Result<Claim, CatalogError> {
        let now = self.now().await?;
        let mut transaction = self.begin_alone_as(lease).await?;
        intents.refresh(now, &mut transaction).await?;
        let mut free = Vec::with_capacity(names.len());
        let mut query = db::among_as::<(Vec<u8>, i64, i64)>(sql::many::BLOBS).persistent(false);
        for name in names {
            query = query.bind(&name.0[..]);
        }
        let rows = match names {
            [] => Vec::new(),
            _ => query.fetch_all(&mut transaction).await?,
        };
        let named: HashSet<Vec<u8>> = rows.into_iter().map(|(name, _, _)| name).collect();
        for name in names {
            if !named.contains(&name.0[..]) && !intents.has(name) && !is_held(name, &mut transaction).await? {
                free.push(*name);
            }
        }
        Ok(Claim {
            transaction,
            names: free,
        })
    }

    /// What a collection would do now. Everything is done in a transaction and then taken back.
    pub async fn plan_collection(
        &self,
        steps: &Steps,
        retention: Retention,
        (now, before): (i64, i64),
    ) -> Result<Planned, CatalogError> {
        let clock = self.now().await?;
        let mut transaction = self.begin().await?;
        transaction.hold_leases().await?;
        let mut planned = Planned::default();
        for path in &steps.publications {
            for text in [sql::DELETE_STATES, sql::DELETE_STRAYS, sql::DELETE_PUBLICATION] {
                db::query(text).bind(path).execute(&mut transaction).await?;
            }
        }
        for text in [sql::DELETE_PINS, sql::DELETE_SNAPSHOT] {
            for snapshot in &steps.snapshots {
                db::query(text).bind(*snapshot).execute(&mut transaction).await?;
            }
        }
        for state in &steps.states {
            db::query(sql::DROP_STATE)
                .bind(*state)
                .execute(&mut transaction)
                .await?;
        }
        for line in &steps.lines {
            let retired = crate::retire::retire_in(&mut transaction, *line, retention, now).await?;
            if !retired.revisions.is_empty() {
                planned.retired.push((*line, retired.revisions.len() as u64));
            }
        }
        planned.renders = drop_renders(clock, &mut transaction).await?;
        mark(now, &mut transaction).await?;
        let mut intents = Intents::default();
        intents.refresh(clock, &mut transaction).await?;
        let mut after = Vec::new();
        loop {
            let page = condemned(before, &after, &mut transaction).await?;
            let is_last = page.len() < PAGE as usize;
            if let Some((last, _)) = page.last() {
                after = last.0.to_vec();
            }
            for (name, size) in page {
                if intents.has(&name) {
                    planned.spared.count += 1;
                    planned.spared.bytes += size as i64;
                } else {
                    planned.swept.push((name, size));
                }
            }
            if is_last {
                break;
            }
        }
        planned.waiting = waiting(before, &mut transaction).await?;
        // Dropped, the transaction is taken back.
        Ok(planned)
    }
}

async fn mark(now: i64, transaction: &mut Transaction) -> Result<(), CatalogError> {
    db::query(sql::BLOB_USED_AGAIN).execute(&mut *transaction).await?;
    db::query(sql::BLOB_UNUSED).bind(now).execute(transaction).await?;
    Ok(())
}

async fn drop_renders(now: i64, transaction: &mut Transaction) -> Result<Option<u64>, CatalogError> {
    let publishing: Option<(String, String, i64, i64)> = db::query_as(sql::PUBLISHING)
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
    if publishing.is_some() {
        return Ok(None);
    }
    let (sets,): (i64,) = db::query_as(sql::UNREACHABLE_RENDERS)
        .fetch_one(&mut *transaction)
        .await?;
    db::query(sql::DROP_UNREACHABLE_RENDERS).execute(transaction).await?;
    Ok(Some(sets as u64))
}

async fn condemned(before: i64, after: &[u8], on: impl Executor) -> Result<Vec<(Sha256, u64)>, CatalogError> {
    let rows: Vec<(Vec<u8>, i64)> = db::query_as(sql::CONDEMNED)
        .bind(before)
        .bind(after)
        .bind(PAGE)
        .fetch_all(on)
        .await?;
    rows.into_iter()
        .map(|(name, size)| Ok((sha256(&name)?, size as u64)))
        .collect()
}

async fn waiting(before: i64, on: impl Executor) -> Result<Waiting, CatalogError> {
    let (count, bytes, since): (i64, i64, Option<i64>) = db::query_as(sql::WAITING).bind(before).fetch_one(on).await?;
    Ok(Waiting {
        amount: Amount { count, bytes },
        since,
    })
}

async fn is_held(name: &Sha256, transaction: &mut Transaction) -> Result<bool, CatalogError> {
    let hold: Option<(String, i64)> = db::query_as(sql::HOLD)
        .bind(&name.0[..])
        .fetch_optional(transaction)
        .await?;
    Ok(hold.is_some())
}

pub(crate) async fn living(now: i64, on: impl Executor) -> Result<Vec<HeldLease>, CatalogError> {
    type Row = (String, String, String, i64, i64, i64, i64, i64);
    let rows: Vec<Row> = db::query_as(sql::LEASES).fetch_all(on).await?;
    let mut held = Vec::new();
    for (name, host, boot_id, pid, start, _, since, expires_at) in rows {
        let process = Process {
            host,
            boot_id,
            pid,
            start,
        };
        if expires_at > now && !process.is_gone() {
            held.push(HeldLease {
                name,
                holder: format!("process {pid} on {}, since {}", process.host, rfc3339(since)),
                host: process.host,
                pid,
                since,
            });
        }
    }
    Ok(held)
}

#[cfg(test)]
pub(crate) mod tests {
    use chantal_model::Sha256;

    use super::*;
    use crate::tests::{Bench, blob, member, revision};

    /// A revision with packages 1 and 2, and a blob 9 that nothing refers to.
    async fn with_unused(bench: &Bench) -> (crate::Repository, Lease, Lease) {
        let catalog = &bench.catalog;
        let (repository, lease) = bench.repository().await;
        let open = vec![member(catalog, &lease, 1).await, member(catalog, &lease, 2).await];
        catalog
            .commit_revision(&lease, revision(&repository, &open, vec![]), &mut open.into_iter())
            .await
            .unwrap();
        catalog.add_blobs(&lease, &[blob(9)]).await.unwrap();
        let collect = catalog.acquire(COLLECT, None).await.unwrap();
        (repository, lease, collect)
    }

    fn nine() -> Sha256 {
        blob(9).sha256
    }

    #[tokio::test]
    pub(crate) async fn what_nothing_refers_to_waits_and_then_goes() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let (_, lease, collect) = with_unused(&bench).await;
        catalog.mark_unused(&collect, 100).await.unwrap();
        catalog.mark_unused(&collect, 200).await.unwrap();
        assert!(catalog.condemned(99, &[]).await.unwrap().is_empty());
        let waiting = catalog.waiting(99).await.unwrap();
        assert_eq!(
            (waiting.amount.count, waiting.since),
            (1, Some(100)),
            "the first mark counts"
        );
        assert_eq!(catalog.condemned(100, &[]).await.unwrap(), [(nine(), 4)]);
        assert!(catalog.condemned(100, &nine().0).await.unwrap().is_empty());
        // Whoever adds it again wants it.
        catalog.add_blobs(&lease, &[blob(9)]).await.unwrap();
        assert!(catalog.condemned(100, &[]).await.unwrap().is_empty());
        catalog.mark_unused(&collect, 300).await.unwrap();
        let names = [nine(), blob(1).sha256];
        let dropped = catalog
            .drop_blobs(&collect, &mut Intents::default(), &names)
            .await
            .unwrap();
        assert_eq!(dropped, [nine()], "what content refers to stays");
        assert!(catalog.blobs(&[nine()]).await.unwrap().is_empty());
        assert!(catalog.verify().await.unwrap().is_empty());
        let claim = catalog.claim(&collect, &mut Intents::default(), &names).await.unwrap();
        assert_eq!(claim.names, [nine()]);
        claim.release().await.unwrap();
    }

    #[tokio::test]
    pub(crate) async fn what_a_running_task_relies_on_is_spared() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let (_, lease, collect) = with_unused(&bench).await;
        catalog.mark_unused(&collect, 100).await.unwrap();
        let mut intents = Intents::default();
        catalog.intend(&lease, &[nine()]).await.unwrap();
        assert!(
            catalog
                .drop_blobs(&collect, &mut intents, &[nine()])
                .await
                .unwrap()
                .is_empty()
        );
        let claim = catalog.claim(&collect, &mut intents, &[nine()]).await.unwrap();
        assert!(claim.names.is_empty());
        claim.release().await.unwrap();
        let other = Sha256::of(b"said later");
        catalog.intend(&lease, &[other]).await.unwrap();
        let claim = catalog.claim(&collect, &mut intents, &[other]).await.unwrap();
        assert!(claim.names.is_empty(), "what was said meanwhile counts");
        claim.release().await.unwrap();
        lease.release().await.unwrap();
        assert_eq!(
            catalog.drop_blobs(&collect, &mut intents, &[nine()]).await.unwrap(),
            [nine()]
        );
        let epoch = catalog.collection_epoch().await.unwrap();
        assert_eq!(epoch, (collect.fence(), true));
        collect.release().await.unwrap();
        assert_eq!(catalog.collection_epoch().await.unwrap(), (epoch.0, false));
    }

    #[tokio::test]
    pub(crate) async fn holds_and_rendered_metadata_keep_blobs() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let (repository, lease, collect) = with_unused(&bench).await;
        catalog.hold(&nine(), "why", 5).await.unwrap();
        catalog.add_blobs(&lease, &[blob(8)]).await.unwrap();
        catalog
            .save_rendered(&lease, "key", &[("f".into(), blob(8).sha256)])
            .await
            .unwrap();
        catalog.mark_unused(&collect, 100).await.unwrap();
        assert!(catalog.condemned(100, &[]).await.unwrap().is_empty());
        assert_eq!(catalog.keepers(&nine()).await.unwrap().hold.unwrap().reason, "why");
        assert!(catalog.let_go(&nine()).await.unwrap());
        assert!(!catalog.let_go(&nine()).await.unwrap());

        let publishing = catalog.acquire("publish:p", None).await.unwrap();
        assert_eq!(
            catalog.drop_renders(&collect).await.unwrap(),
            None,
            "it may be about to be named"
        );
        publishing.release().await.unwrap();
        let steps = Steps {
            lines: vec![repository.line],
            ..Steps::default()
        };
        let retention = Retention {
            keep_last: 1,
            newest_since: i64::MAX,
        };
        let planned = catalog.plan_collection(&steps, retention, (200, 200)).await.unwrap();
        let mut swept = planned.swept.clone();
        swept.sort_unstable();
        let mut expected = vec![(nine(), 4), (blob(8).sha256, 4)];
        expected.sort_unstable();
        assert_eq!((planned.renders, swept), (Some(1), expected));
        let again = catalog.plan_collection(&steps, retention, (200, 200)).await.unwrap();
        assert_eq!(again, planned, "a plan is taken back");
        assert_eq!(catalog.drop_renders(&collect).await.unwrap(), Some(1));
        catalog.mark_unused(&collect, 200).await.unwrap();
        assert_eq!(catalog.condemned(200, &[]).await.unwrap().len(), 2);
    }

    #[tokio::test]
    pub(crate) async fn whom_collection_holds_off_is_not_turned_away() {
        let bench = Bench::new().await;
        let catalog = bench.catalog.clone();
        let collect = catalog.acquire(COLLECT, None).await.unwrap();
        let held = catalog.acquire_to_collect("sync:r").await.unwrap();
        assert!(
            catalog.acquire_to_collect("sync:r").await.is_err(),
            "collection itself is"
        );
        let other = catalog.clone();
        let waits = tokio::spawn(async move { other.acquire("sync:r", None).await.unwrap().release().await });
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(!waits.is_finished());
        held.release().await.unwrap();
        waits.await.unwrap().unwrap();
        collect.release().await.unwrap();
        let _other = catalog.acquire("sync:r", None).await.unwrap();
        assert!(catalog.acquire("sync:r", None).await.is_err(), "by others everybody is");
    }

    #[tokio::test]
    pub(crate) async fn unused_rows_go_and_half_dead_packs_are_packed_anew() {
        let bench = Bench::new().await;
        let catalog = &bench.catalog;
        let (_, lease, collect) = with_unused(&bench).await;
        let records: Vec<(Sha256, Vec<u8>)> = (0..300_u32)
            .map(|n| (Sha256::of(&n.to_be_bytes()), format!("<record {n}>").into_bytes()))
            .collect();
        let ids = catalog.add_records(&lease, 1, &records).await.unwrap();
        // One record of the second pack is somebody's.
        db::query("UPDATE member SET record_1 = $1 WHERE id = 1")
            .bind(ids[200])
            .execute(&catalog.writer)
            .await
            .unwrap();
        let refused = catalog.clean(Some(&collect)).await.unwrap().unwrap_err();
        assert_eq!(refused.0[0].name, "sync:r");
        lease.release().await.unwrap();
        let planned = catalog.clean(None).await.unwrap();
        // For a plan, collection itself is in the way.
        assert_eq!(planned.unwrap_err().0[0].name, COLLECT);
        let cleaned = catalog.clean(Some(&collect)).await.unwrap().unwrap();
        assert_eq!((cleaned.records, cleaned.packs, cleaned.new_packs), (299, 3, 1));
        let read = crate::RecordReader::new(catalog).read(&[ids[200]]).await.unwrap();
        assert_eq!(read, [b"<record 200>".to_vec()]);
        assert!(catalog.verify().await.unwrap().is_empty());
        assert_eq!(catalog.clean(Some(&collect)).await.unwrap().unwrap().records, 0);
    }
}
