//! What keeps a blob, and holds that people put on one.

use chantal_catalog::{Keeper, Keepers};
use chantal_model::Sha256;
use serde::Serialize;

use crate::Engine;
use crate::error::{Doing, EngineError};
use crate::query::time;

/// A reason for which a blob stays, or that there is none.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The blob's SHA-256.
    pub blob: String,
    /// `newest`, `snapshot`, `published`, `grace`, `revision`, `rendered`, `hold`, `unused` or `unknown`.
    pub keeper: &'static str,
    /// The repository.
    pub repo: Option<String>,
    /// Its path there, or that of the rendered file.
    pub path: Option<String>,
    /// The snapshot, the published tree, the revisions or the reason of the hold.
    pub what: String,
}

/// A hold.
#[derive(Clone, Debug, Serialize)]
pub struct HoldRow {
    /// The blob's SHA-256.
    pub blob: String,
    /// Its size in bytes, where the catalog knows the blob.
    pub bytes: Option<u64>,
    /// Why it stays.
    pub reason: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl Engine {
    /// What keeps the blobs that a SHA-256, `name` or `name@version` means.
    pub async fn why(&self, ident: &str) -> Result<Vec<Reason>, EngineError> {
        let mut reasons = Vec::new();
        for name in self.blobs_of(ident).await? {
            let keepers = self.catalog.keepers(&name).await.doing("find what keeps a blob")?;
            let before = reasons.len();
            self.add_reasons(&name, &keepers, &mut reasons);
            if reasons.len() == before {
                reasons.push(self.nothing(&name, &keepers).await?);
            }
        }
        Ok(reasons)
    }

    /// Holds the blobs that a SHA-256, `name` or `name@version` means; gives them.
    pub async fn hold(&self, ident: &str, reason: &str) -> Result<Vec<String>, EngineError> {
        let names = self.blobs_of(ident).await?;
        let now = self.clock.now().as_second();
        for name in &names {
            self.catalog.hold(name, reason, now).await.doing("hold a blob")?;
        }
        self.keep_holds().await?;
        Ok(names.iter().map(Sha256::hex).collect())
    }

    /// Lets blobs go that are held; gives them.
    pub async fn let_go(&self, ident: &str) -> Result<Vec<String>, EngineError> {
        let mut gone = Vec::new();
        for name in self.blobs_of(ident).await? {
            if self.catalog.let_go(&name).await.doing("let a blob go")? {
                gone.push(name.hex());
            }
        }
        self.keep_holds().await?;
        if gone.is_empty() {
            return Err(EngineError::request(
                format!("nothing holds {ident}"),
                Some("`chantal pool holds` lists what is held"),
            ));
        }
        Ok(gone)
    }

    /// Every hold.
    pub async fn holds(&self) -> Result<Vec<HoldRow>, EngineError> {
        let holds = self.catalog.holds().await.doing("read holds")?;
        Ok(holds
            .into_iter()
            .map(|hold| HoldRow {
                blob: hold.sha256.hex(),
                bytes: hold.size,
                reason: hold.reason,
                since: time(hold.created_at),
            })
            .collect())
    }

    /// A SHA-256 need not be known to the catalog: a file of the pool may have lost its row.
    async fn blobs_of(&self, ident: &str) -> Result<Vec<Sha256>, EngineError> {
        if let Ok(name) = ident.parse::<Sha256>() {
            return Ok(vec![name]);
        }
        let names = self.catalog.blobs_named(ident).await.doing("search packages")?;
        if names.is_empty() {
            return Err(EngineError::request(
                format!("no package {ident}"),
                Some("give a name, `name@version` or a SHA-256"),
            ));
        }
        Ok(names)
    }

    fn add_reasons(&self, name: &Sha256, keepers: &Keepers, reasons: &mut Vec<Reason>) {
        for keeper in &keepers.content {
            let mut add = |word, what| {
                reasons.push(Reason {
                    blob: name.hex(),
                    keeper: word,
                    repo: Some(keeper.repository.clone()),
                    path: Some(keeper.path.clone()),
                    what,
                });
            };
            if keeper.is_current {
                add("newest", "the newest revision has it".to_owned());
            }
            for snapshot in &keeper.snapshots {
                add("snapshot", snapshot.clone());
            }
            for (path, until) in &keeper.published {
                match until {
                    None => add("published", path.clone()),
                    Some(until) => add("grace", format!("{path}, served until {}", time(*until))),
                }
            }
            if !keeper.is_current && keeper.snapshots.is_empty() && keeper.published.is_empty() {
                add("revision", revisions(keeper));
            }
        }
        for (file, tree) in &keepers.rendered {
            reasons.push(Reason {
                blob: name.hex(),
                keeper: "rendered",
                repo: None,
                path: Some(file.clone()),
                what: tree.clone().unwrap_or_else(|| "no tree serves it any more".to_owned()),
            });
        }
        reasons.extend(keepers.hold.as_ref().map(|hold| Reason {
            blob: name.hex(),
            keeper: "hold",
            repo: None,
            path: None,
            what: hold.reason.clone(),
        }));
    }

    async fn nothing(&self, name: &Sha256, keepers: &Keepers) -> Result<Reason, EngineError> {
        let known = self.catalog.blobs(&[*name]).await.doing("look up blobs")?;
        let is_known = known.contains_key(name);
        let is_there = self.pool.touched(name).is_some();
        let (keeper, what) = match (is_known, is_there, keepers.unused_since) {
            (true, _, Some(since)) => ("unused", format!("nothing, as was seen at {}", time(since))),
            (true, _, None) => ("unused", "nothing; the next collection begins to count".to_owned()),
            (false, true, _) => ("unused", "nothing; the catalog does not know it".to_owned()),
            (false, false, _) => ("unknown", "neither the catalog nor the pool has it".to_owned()),
        };
        Ok(Reason {
            blob: name.hex(),
            keeper,
            repo: None,
            path: None,
            what,
        })
    }
}

fn revisions(keeper: &Keeper) -> String {
    match (keeper.oldest, keeper.revisions) {
        (Some(oldest), 1) => format!("{oldest}, which `revisions:` keeps"),
        (Some(oldest), count) => format!("{count} revisions from {oldest} on, which `revisions:` keeps"),
        (None, _) => "revisions that were retired".to_owned(),
    }
}
