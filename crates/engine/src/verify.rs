//! Verification: what lies in the pool and in the published trees is compared with what must be there; repair makes good
//! what it can.
//!
//! A scan reads and changes nothing. A repair scans under the lease of collection, so that nothing goes meanwhile and
//! one repair runs at a time; syncs may run. What is damaged or foreign is put aside, never deleted.

mod fetch;
mod heal;
mod manifests;
mod trees;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chantal_catalog::Keepers;
use chantal_model::{Progress, Sha256, Step};
use chantal_pool::{Damage, DamageKind, Looking, Survey, Turn};
use chantal_publish::{Due, Flaw};

use crate::Engine;
use crate::error::{Doing, EngineError, blocking};
use crate::report::PoolProblem;

/// Threads that read blobs.
const THREADS: usize = 4;

/// Which blobs are read; all are looked at in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Share {
    /// Every blob.
    #[default]
    All,
    /// So many percent; the next run goes on where this one ends.
    Percent(f64),
    /// One of so many parts, counted from 1.
    Part(u32, u32),
}

/// How to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Which blobs are read.
    pub share: Share,
    /// Whether what is wrong is made good.
    pub repair: bool,
    /// How long a repair waits for another process that collects or repairs.
    pub wait: Option<Duration>,
}

/// What verification found and did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct VerifyReport {
    /// What is wrong, or was.
    pub problems: Vec<PoolProblem>,
    /// Blobs that were looked at.
    pub blobs: u64,
    /// Blobs that were read.
    pub read: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// What could not be looked at, and why.
    pub left: Vec<String>,
    /// Whether an error, and not somebody at work, kept it from something.
    #[serde(skip)]
    pub failed: bool,
    /// What is not wrong but worth knowing.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// How many problems remain.
    pub fn remaining(&self) -> usize {
        let is_open = |problem: &&PoolProblem| problem.repaired != Some(true);
        self.problems.iter().filter(is_open).count()
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Missing,
    Truncated,
    Damaged(DamageKind),
    Published(FlawKind),
    Manifest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FlawKind {
    Missing,
    Altered,
    Mode,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Damaged(kind) => kind.name(),
            Self::Published(FlawKind::Missing) => "published-missing",
            Self::Published(FlawKind::Altered) => "published-altered",
            Self::Published(FlawKind::Mode) => "published-mode",
            Self::Manifest => "manifest",
        }
    }
}

/// Something wrong, and what became of it.
struct Problem {
    kind: Kind,
    /// A blob's digest, or the path of a foreign file below the pool.
    name: String,
    sha256: Option<Sha256>,
    bytes: u64,
    /// Whether the catalog names the blob.
    is_known: bool,
    /// The published file: number of the place, the tree and the file.
    published: Option<(usize, trees::Flawed)>,
    outcome: Option<(bool, String)>,
}

impl Problem {
    fn settle(&mut self, is_repaired: bool, outcome: impl Into<String>) {
        self.outcome = Some((is_repaired, outcome.into()));
    }
}

/// What a scan found.
#[derive(Default)]
struct Scan {
    problems: Vec<Problem>,
    report: VerifyReport,
    named: HashMap<Sha256, u64>,
}

impl Engine {
    /// See [`Engine::verify`].
    pub(crate) async fn verify_now(&self, options: VerifyOptions) -> Result<VerifyReport, EngineError> {
        if !options.repair {
            let scan = self.scan(options.share).await?;
            return self.told(scan).await;
        }
        let lease = self
            .catalog
            .acquire(chantal_catalog::COLLECT, options.wait)
            .await
            .doing("hold the right to repair")?;
        let repaired = self.repair(options, &lease).await;
        lease.release().await.doing("release the right to repair")?;
        self.catalog.tidy().await;
        self.told(repaired?).await
    }

    async fn scan(&self, share: Share) -> Result<Scan, EngineError> {
        let named: HashMap<Sha256, u64> = self.named_blobs().await?;
        let turn = match share {
            Share::All => Turn::All,
            Share::Percent(percent) => self.pool.next_turn(percent),
            Share::Part(number, of) => Turn::part(number, of),
        };
        let (survey, damages) = self.read_blobs(turn).await?;
        let mut scan = Scan {
            report: VerifyReport {
                blobs: survey.blobs.len() as u64,
                ..VerifyReport::default()
            },
            ..Scan::default()
        };
        for blob in survey.blobs.iter().filter(|blob| turn.has(&blob.sha256)) {
            scan.report.read += 1;
            scan.report.read_bytes += blob.size;
        }
        scan.problems = self.damages_of(&named, &survey, damages).await?;
        scan.named = named;
        self.look_at_trees(turn, &mut scan).await?;
        self.look_at_manifests(&mut scan).await?;
        if let Share::Percent(_) = share
            && let Err(error) = self.pool.end_turn(turn)
        {
            let reason = "the next run reads the same share again";
            scan.report.left.push(format!("{error}: {reason}"));
        }
        Ok(scan)
    }

    /// Looks at all blobs and reads those whose turn it is.
    async fn read_blobs(&self, turn: Turn) -> Result<(Survey, Vec<Damage>), EngineError> {
        let (pool, progress) = (self.pool.clone(), self.progress.clone());
        blocking(move || {
            let survey = pool.survey().doing("be listed")?;
            let sizes = survey.blobs.iter().filter(|blob| turn.has(&blob.sha256));
            progress.begin(Step::Verify, sizes.map(|blob| blob.size).sum());
            let damages = pool
                .verify_survey(
                    &survey,
                    &Looking {
                        threads: THREADS,
                        reads: &|sha256| turn.has(sha256),
                        on_blob: &|bytes| progress.advance(Step::Verify, bytes),
                    },
                )
                .doing("be verified")?;
            progress.end(Step::Verify);
            Ok((survey, damages))
        })
        .await
    }

    /// Puts together what is wrong with the files of the pool; one problem for each.
    async fn damages_of(
        &self,
        named: &HashMap<Sha256, u64>,
        survey: &Survey,
        damages: Vec<Damage>,
    ) -> Result<Vec<Problem>, EngineError> {
        let sizes: HashMap<Sha256, u64> = survey.blobs.iter().map(|blob| (blob.sha256, blob.size)).collect();
        let others: HashSet<Sha256> = survey.not_files.iter().copied().collect();
        let mut problems = Vec::new();
        let mut absent = Vec::new();
        let mut resized = HashSet::new();
        for (sha256, size) in named {
            let kind = match sizes.get(sha256) {
                Some(there) if there == size => continue,
                Some(there) if there < size => Kind::Truncated,
                Some(_) => Kind::Damaged(DamageKind::Altered),
                None if others.contains(sha256) => continue,
                None => {
                    absent.push(*sha256);
                    continue;
                }
            };
            resized.insert(*sha256);
            problems.push(of_blob(kind, sha256, sizes.get(sha256).copied().unwrap_or(0), true));
        }
        // Collected or fetched while this looked.
        let still = self.catalog.blobs(&absent).await.doing("look up blobs")?;
        let is_absent = |name: &&Sha256| {
            still
                .get(*name)
                .is_some_and(|blob| !self.pool.contains(name, blob.size))
        };
        problems.extend(
            absent
                .iter()
                .filter(is_absent)
                .map(|name| of_blob(Kind::Missing, name, 0, true)),
        );
        problems.extend(damages.into_iter().filter_map(|damage| match damage.sha256 {
            Some(sha256) if resized.contains(&sha256) => None,
            Some(sha256) => {
                let is_known = named.contains_key(&sha256);
                Some(of_blob(Kind::Damaged(damage.kind), &sha256, damage.size, is_known))
            }
            None => Some(Problem {
                name: damage.name,
                sha256: None,
                ..of_blob(Kind::Damaged(damage.kind), &Sha256::of(b""), damage.size, false)
            }),
        }));
        problems.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        Ok(problems)
    }

    /// The report of what was found, with everybody whom it concerns.
    async fn told(&self, scan: Scan) -> Result<VerifyReport, EngineError> {
        let mut report = scan.report;
        for problem in scan.problems {
            let (used_by, mut published) = match problem.sha256 {
                Some(sha256) => self.users(&sha256).await?,
                None => Default::default(),
            };
            let path = problem.published.map(|(_, flawed)| {
                published.retain(|tree| flawed.is_below(tree));
                flawed.shown()
            });
            let (repaired, outcome) = problem.outcome.unzip();
            report.problems.push(PoolProblem {
                blob: problem.name,
                kind: problem.kind.name().to_owned(),
                bytes: problem.bytes,
                used_by,
                published,
                path,
                repaired,
                outcome,
            });
        }
        Ok(report)
    }

    /// Repositories and snapshots that name a blob, and the published trees that serve it.
    pub(crate) async fn users(&self, sha256: &Sha256) -> Result<(Vec<String>, Vec<String>), EngineError> {
        let keepers = self.catalog.keepers(sha256).await.doing("find what keeps a blob")?;
        Ok(users_of(&keepers))
    }
}

fn users_of(keepers: &Keepers) -> (Vec<String>, Vec<String>) {
    let snapshots = |repository: &str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{repository}/{name}")).collect()
    };
    let mut used_by: Vec<String> = keepers
        .content
        .iter()
        .flat_map(|keeper| {
            let snapshots = snapshots(&keeper.repository, &keeper.snapshots);
            std::iter::once(keeper.repository.clone()).chain(snapshots)
        })
        .collect();
    let trees = keepers.content.iter().flat_map(|keeper| &keeper.published);
    let mut published: Vec<String> = trees.map(|(tree, _)| tree.clone()).collect();
    published.extend(keepers.rendered.iter().filter_map(|(_, tree)| tree.clone()));
    for list in [&mut used_by, &mut published] {
        list.sort();
        list.dedup();
    }
    (used_by, published)
}

fn of_blob(kind: Kind, sha256: &Sha256, bytes: u64, is_known: bool) -> Problem {
    Problem {
        kind,
        name: sha256.hex(),
        sha256: Some(*sha256),
        bytes,
        is_known,
        published: None,
        outcome: None,
    }
}

fn of_flaw(place: usize, flawed: trees::Flawed, flaw: Flaw) -> Problem {
    let Due { sha256, size, .. } = flawed.due;
    let kind = match flaw {
        Flaw::Missing => FlawKind::Missing,
        Flaw::Altered => FlawKind::Altered,
        Flaw::Mode => FlawKind::Mode,
    };
    Problem {
        published: Some((place, flawed)),
        ..of_blob(Kind::Published(kind), &sha256, size, true)
    }
}
