//! Brings upstream's raw records of the chosen packages into the catalog, part by part, in a stream.

use std::collections::HashMap;
use std::sync::Arc;

use chantal_catalog::{Catalog, Lease};
use chantal_formats::{Format, FormatError, Stop};
use chantal_model::{Package, Sha256};
use tokio::sync::mpsc;

use crate::content::PARTS;
use crate::error::{Doing, EngineError};
use crate::files::Files;

/// Records that travel together from the parser to the catalog.
const BATCH: usize = 1024;
/// Batches that may wait for the catalog.
const AHEAD: usize = 3;

/// Digests and ids of each chosen package's records, by index of the listed package.
pub(crate) struct Records {
    pub(crate) digests: Vec<[Option<Sha256>; PARTS]>,
    pub(crate) ids: Vec<[Option<i64>; PARTS]>,
    /// For each part, packages that upstream does not describe there.
    pub(crate) missing: [u64; PARTS],
    /// For each part, records of packages that upstream does not list.
    pub(crate) unknown: [u64; PARTS],
}

struct Found {
    package: u32,
    digest: Sha256,
    record: Vec<u8>,
}

/// Which listed packages a part's keys name, in listing order.
fn keys(packages: &[Package]) -> HashMap<&str, Vec<u32>> {
    let mut keys: HashMap<&str, Vec<u32>> = HashMap::with_capacity(packages.len());
    for (index, package) in packages.iter().enumerate() {
        keys.entry(&package.part_key).or_default().push(index as u32);
    }
    keys
}

/// Passes over all parts and records what is new.
pub(crate) async fn record_parts(
    format: &'static dyn Format,
    files: Arc<Files>,
    packages: Arc<Vec<Package>>,
    chosen: Arc<Vec<bool>>,
    catalog: &Catalog,
    lease: &Lease,
    repo: &str,
) -> Result<Records, EngineError> {
    let mut records = Records {
        digests: vec![[None; PARTS]; packages.len()],
        ids: vec![[None; PARTS]; packages.len()],
        missing: [0; PARTS],
        unknown: [0; PARTS],
    };
    for part in 0..format.parts().len().min(PARTS) {
        let (send, mut receive) = mpsc::channel::<Vec<Found>>(AHEAD);
        let (files, packages_of, chosen_of) = (files.clone(), packages.clone(), chosen.clone());
        let pass = tokio::task::spawn_blocking(move || pass(format, part, &files, &packages_of, &chosen_of, &send));
        while let Some(batch) = receive.recv().await {
            let (places, bodies): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|found| ((found.package, found.digest), (found.digest, found.record)))
                .unzip();
            let ids = catalog.add_records(lease, part, &bodies).await.doing("store records")?;
            for ((package, digest), id) in places.into_iter().zip(ids) {
                records.digests[package as usize][part] = Some(digest);
                records.ids[package as usize][part] = Some(id);
            }
        }
        let unknown = pass.await.map_err(|error| EngineError::Worker(error.to_string()))?;
        records.unknown[part] = unknown.map_err(|source| EngineError::Metadata {
            repo: repo.to_owned(),
            source,
        })?;
        let without = |i: usize| chosen[i] && records.ids[i][part].is_none();
        records.missing[part] = (0..packages.len()).filter(|&i| without(i)).count() as u64;
    }
    Ok(records)
}

/// One pass over one part, on a blocking thread; gives the number of records of unknown packages.
fn pass(
    format: &dyn Format,
    part: usize,
    files: &Files,
    packages: &[Package],
    chosen: &[bool],
    send: &mpsc::Sender<Vec<Found>>,
) -> Result<u64, FormatError> {
    let keys = if part == 0 { HashMap::new() } else { keys(packages) };
    let mut next = 0_u32;
    let mut unknown = 0_u64;
    let mut batch = Vec::with_capacity(BATCH);
    let mut one = [0_u32];
    format.part(part, files, &mut |key, record| {
        let places: &[u32] = if part == 0 {
            // Part 0 comes in the order of the listing.
            one = [next];
            next += 1;
            &one
        } else if let Some(places) = keys.get(key) {
            places
        } else {
            unknown += 1;
            return Ok(());
        };
        let mut places = places
            .iter()
            .filter(|&&i| chosen.get(i as usize).copied().unwrap_or(false))
            .peekable();
        if places.peek().is_none() {
            return Ok(());
        }
        let digest = Sha256::of(record);
        for &package in places {
            batch.push(Found {
                package,
                digest,
                record: record.to_vec(),
            });
        }
        if batch.len() >= BATCH {
            send.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))
                .map_err(|_| Stop)?;
        }
        Ok(())
    })?;
    if !batch.is_empty() {
        send.blocking_send(batch).map_err(|_| FormatError::Stopped)?;
    }
    Ok(unknown)
}
