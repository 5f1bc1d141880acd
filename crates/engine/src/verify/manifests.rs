//! Manifests that are not as they were written, or that are behind the catalog.

use chantal_model::Sha256;

use super::{Kind, Problem, Scan, VerifyOptions, of_blob};
use crate::Engine;
use crate::error::{Doing, EngineError, blocking, chain};
use crate::manifest::{below, repositories};

impl Engine {
    /// Reads every manifest; a series that does not hold the newest revision is worth a note, since the next sync begins it
    /// anew.
    pub(super) async fn look_at_manifests(&self, scan: &mut Scan) -> Result<(), EngineError> {
        for row in self.catalog.repositories().await.doing("read repositories")? {
            if let Some(current) = self.catalog.current(row.line).await.doing("find the newest revision")?
                && !self.holds_manifest(&row, &current)?
            {
                let hint = "the next sync writes them, or `chantal db rebuild --write-manifests`";
                scan.report
                    .notes
                    .push(format!("the pool's manifests of {} are behind: {hint}", row.name));
            }
        }
        let pool = self.pool.clone();
        let torn = blocking(move || {
            let mut torn = Vec::new();
            for (repository, _) in pool.manifests(Some(&repositories())).doing("list manifests")? {
                for directory in ["", "snapshots", "publications"] {
                    let path = below(&repository, directory)?;
                    for (file, bytes) in pool.manifests(Some(&path)).doing("list manifests")? {
                        if directory.is_empty() && ["snapshots", "publications"].contains(&&*file) {
                            continue;
                        }
                        let name = below(&repository, format!("{directory}/{file}").trim_start_matches('/'))?;
                        if pool.read_manifest(&name).is_err() {
                            torn.push((repository.clone(), name, bytes));
                        }
                    }
                }
            }
            Ok(torn)
        })
        .await?;
        scan.problems.extend(torn.into_iter().map(|(_, name, bytes)| Problem {
            name: format!("manifests/{name}"),
            sha256: None,
            ..of_blob(Kind::Manifest, &Sha256::of(b""), bytes, false)
        }));
        Ok(())
    }

    /// Puts torn manifests aside and writes those of their repositories anew.
    pub(super) async fn mend_manifests(&self, scan: &mut Scan, options: VerifyOptions) -> Result<(), EngineError> {
        let torn = |problem: &&mut Problem| problem.kind == Kind::Manifest;
        if !scan.problems.iter_mut().any(|problem| torn(&problem)) {
            return Ok(());
        }
        for problem in scan.problems.iter_mut().filter(torn) {
            self.pool
                .put_foreign_aside(&problem.name)
                .doing("put a manifest aside")?;
        }
        let written = self.write_manifests_waiting(true, options.wait).await;
        for problem in scan.problems.iter_mut().filter(torn) {
            match &written {
                Ok(_) => problem.settle(true, "written again from the catalog"),
                Err(error) => problem.settle(false, chain(error)),
            }
        }
        Ok(())
    }
}
