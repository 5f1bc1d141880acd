//! What a sync would change: the listed choice against the current revision, without holding either as a whole.

use std::collections::HashMap;

use chantal_catalog::Revision;
use chantal_model::{Package, RelPath, Sha256};

use crate::Engine;
use crate::blobs::Blobs;
use crate::diff::{Changed, Counts, DiffEntry, Side, pair};
use crate::error::{Doing, EngineError};
use crate::packed::Packed;
use crate::retain::Retained;
use crate::sync::Prepared;

impl Engine {
    /// Compares what is chosen, by index and published path, with a revision by the bytes of packages.
    ///
    /// Without a revision everything is new, and is listed only if `detailed`.
    pub(crate) async fn compare(
        &self,
        current: Option<&Revision>,
        packages: &Packed,
        chosen: &[(u32, RelPath)],
        hits: &Blobs,
        retained: &[Sha256],
        detailed: bool,
    ) -> Result<(Vec<DiffEntry>, Counts), EngineError> {
        if current.is_none() && !detailed {
            let counts = Counts {
                added: chosen.len() as u64,
                ..Counts::default()
            };
            return Ok((Vec::new(), counts));
        }
        // Whether the revision holds each blob of the choice.
        let mut held: HashMap<Sha256, bool> = chosen
            .iter()
            .filter_map(|(index, _)| hits.get(*index))
            .map(|(sha256, _)| sha256)
            .chain(retained.iter().copied())
            .map(|sha256| (sha256, false))
            .collect();
        let mut removed = Vec::new();
        if let Some(current) = current {
            self.catalog
                .each_package(current.line, current.number, &mut |package| {
                    if let Some(is_held) = held.get_mut(&package.sha256) {
                        *is_held = true;
                        return;
                    }
                    removed.push(Changed {
                        name: package.name,
                        arch: package.arch,
                        side: Side {
                            version: package.version,
                            path: package.path,
                            key: package.version_key,
                        },
                    });
                })
                .await
                .doing("read the current revision")?;
        }
        let added = added(packages, chosen, |index| {
            hits.get(index).is_none_or(|(sha256, _)| !held[&sha256])
        });
        let changes = pair(removed, added);
        let counts = Counts::of(&changes);
        Ok((changes, counts))
    }

    /// Compares anew where a chosen package could not be had: the plan counts it.
    pub(crate) async fn recount(
        &self,
        prepared: &mut Prepared,
        blobs: &Blobs,
        retained: &[Retained],
        current: Option<&Revision>,
    ) -> Result<(), EngineError> {
        let is_there = |(index, _): &&(u32, RelPath)| blobs.get(*index).is_some();
        let chosen = &prepared.choice.packages;
        if chosen.iter().all(|one| is_there(&one)) {
            return Ok(());
        }
        let had: Vec<_> = chosen.iter().filter(is_there).cloned().collect();
        let retained: Vec<Sha256> = retained.iter().map(|one| one.blob.0).collect();
        let compared = self.compare(current, &prepared.packages, &had, blobs, &retained, false);
        (prepared.plan.changes, prepared.plan.counts) = compared.await?;
        Ok(())
    }
}

fn added(packages: &Packed, chosen: &[(u32, RelPath)], is_new: impl Fn(u32) -> bool) -> Vec<Changed> {
    let new: HashMap<u32, &str> = chosen
        .iter()
        .filter(|(index, _)| is_new(*index))
        .map(|(index, path)| (*index, path.as_str()))
        .collect();
    if new.is_empty() {
        return Vec::new();
    }
    packages
        .iter()
        .filter_map(|(index, package)| Some(changed(package, new.get(&index)?)))
        .collect()
}

fn changed(package: Package, path: &str) -> Changed {
    Changed {
        name: package.name.into(),
        arch: package.arch.to_string(),
        side: Side {
            version: package.version.text.into(),
            path: path.to_owned(),
            key: package.version.key,
        },
    }
}
