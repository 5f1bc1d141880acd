//! Listings: what there is, in values that every output format prints.

mod cache;
mod database;
mod packages;
mod publications;
mod relations;
mod repositories;
mod resolve;
mod stats;

use chantal_catalog::{HistoryRow as Run, PackageRow as Found};

pub use database::{DatabaseStats, OrphanedRows, RecordStats, TableStats};
pub use packages::{ListedPackage, Scope};
pub use relations::{Atom, Dependency, Dependent, Ident};
pub use stats::{ArchStats, DedupStats, PackageStats, RepositoryShare, SeriesStats};

use crate::report::{AdvisoryRow, HistoryRow, PackageRow};

/// Seconds since 1970 as RFC 3339.
pub(crate) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

pub(crate) fn package_row(package: Found) -> PackageRow {
    PackageRow {
        name: package.name,
        version: package.version,
        arch: package.arch,
        size: package.size,
        sha256: package.sha256.hex(),
        path: package.path,
        summary: package.summary,
    }
}

pub(crate) fn advisory_row(id: String, attributes: Option<&str>) -> AdvisoryRow {
    let attributes: serde_json::Value = attributes
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
    AdvisoryRow {
        r#type: text("type"),
        severity: crate::items::severity(Some(&attributes.to_string())),
        title: text("title"),
        cves: attributes["cves"]
            .as_array()
            .map(|cves| cves.iter().filter_map(|cve| cve.as_str().map(str::to_owned)).collect())
            .unwrap_or_default(),
        id,
    }
}

pub(crate) fn history_row(row: Run) -> HistoryRow {
    HistoryRow {
        repo: row.repository,
        verb: row.verb,
        started: time(row.started_at),
        finished: row.finished_at.map(time),
        status: row.status,
        exit_code: row.exit_code,
        revision: row.revision,
        added: row.added as u64,
        removed: row.removed as u64,
        upgraded: row.upgraded as u64,
        fetched_bytes: row.bytes_fetched as u64,
        error: row.error,
    }
}
