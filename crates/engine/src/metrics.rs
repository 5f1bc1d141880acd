//! Numbers for Prometheus, from the catalog, the file systems and the configuration. Nothing is read that grows with the
//! number of packages but for one pass over the rows of blobs.

mod runs;
mod text;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chantal_catalog::RepositoryGauges;

use crate::Engine;
use crate::error::{Doing, EngineError, blocking, chain};
use text::{Exposition, Kind, Labels};

/// A gauge of a repository: its name, what it is, where it comes from.
type Gauge = (&'static str, &'static str, fn(&RepositoryGauges) -> Option<i64>);

/// A gauge of a file system: its name, what it is, where it comes from.
type Room = (&'static str, &'static str, fn(&rustix::fs::StatVfs) -> u64);

const REPOSITORY: &[Gauge] = &[
    ("chantal_repository_revision", "Number of the newest revision.", |row| {
        row.revision
    }),
    (
        "chantal_repository_packages",
        "Packages of the newest revision.",
        |row| row.packages,
    ),
    (
        "chantal_repository_package_bytes",
        "Bytes of the packages of the newest revision.",
        |row| row.package_bytes,
    ),
    (
        "chantal_repository_revisions",
        "Revisions that did not retire.",
        |row| Some(row.revisions),
    ),
    ("chantal_repository_snapshots", "Snapshots.", |row| Some(row.snapshots)),
    ("chantal_repository_publications", "Published trees.", |row| {
        Some(row.publications)
    }),
    (
        "chantal_upstream_checked_timestamp_seconds",
        "When the feed was last read with success.",
        |row| row.checked_at,
    ),
    (
        "chantal_upstream_changed_timestamp_seconds",
        "When the feed was last found changed.",
        |row| row.changed_at,
    ),
    (
        "chantal_upstream_timestamp_seconds",
        "When upstream made what is mirrored, as it says itself.",
        |row| row.upstream_timestamp,
    ),
];

impl Engine {
    /// Every number, in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String, EngineError> {
        let mut text = Exposition::default();
        let schema = self.catalog.schema_status().await.doing("tell its schema")?;
        text.family(
            Kind::Gauge,
            "chantal_build_info",
            "The program and the schema of the database.",
        )
        .sample(
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                ("schema", &schema.version.to_string()),
            ],
            1,
        );
        self.of_repositories(&mut text).await?;
        self.of_runs(&mut text).await?;
        self.of_schedules(&mut text).await?;
        self.of_leases(&mut text).await?;
        let blobs = self.catalog.blob_gauges().await.doing("count blobs")?;
        text.number("chantal_pool_blobs", "Blobs in the pool.", blobs.blobs);
        text.number("chantal_pool_bytes", "Bytes of the blobs in the pool.", blobs.bytes);
        text.number(
            "chantal_pool_unused_blobs",
            "Blobs that the last cleanup found unused and left for a later one.",
            blobs.unused,
        );
        text.number("chantal_pool_unused_bytes", "Bytes of those.", blobs.unused_bytes);
        text.number("chantal_database_bytes", "Size of the database.", schema.size_bytes);
        self.of_file_systems(&mut text);
        self.of_certificates(&mut text);
        Ok(text.finish())
    }

    /// Writes every number into a file, in one step: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// What was there is still there.
    pub async fn write_metrics(&self, path: &Path) -> Result<(), EngineError> {
        let text = self.metrics().await?;
        let path = path.to_owned();
        blocking(move || write(&path, &text)).await
    }

    /// Writes the file that the configuration names, if it names one. Nothing depends on it, so a failure is a warning.
    pub(crate) async fn write_configured_metrics(&self) {
        let Some(path) = &self.config.textfile else { return };
        if let Err(error) = self.write_metrics(path).await {
            tracing::warn!(path = %path.display(), "metrics were not written: {}", chain(&error));
        }
    }

    async fn of_repositories(&self, text: &mut Exposition) -> Result<(), EngineError> {
        let mut family = text.family(
            Kind::Gauge,
            "chantal_repository_info",
            "The repositories of the configuration.",
        );
        for repo in &self.config.repositories {
            let enabled = if repo.enabled { "true" } else { "false" };
            let labels: Labels<'_> = &[
                ("repo", repo.id.as_str()),
                ("type", &repo.r#type),
                ("mode", &repo.mode.to_string()),
                ("enabled", enabled),
            ];
            family.sample(labels, 1);
        }
        let rows = self.catalog.repository_gauges().await.doing("count")?;
        for (name, help, of) in REPOSITORY {
            let mut family = text.family(Kind::Gauge, name, help);
            for row in &rows {
                if let Some(value) = of(row) {
                    family.sample(&[("repo", &row.repository)], value);
                }
            }
        }
        let now = self.clock.now().as_second();
        let mut family = text.family(
            Kind::Gauge,
            "chantal_upstream_age_seconds",
            "Age of what is mirrored: since upstream made it, or where it does not say so, since it was found changed.",
        );
        for row in &rows {
            if let Some(made) = row.upstream_timestamp.or(row.changed_at) {
                family.sample(&[("repo", &row.repository)], now - made);
            }
        }
        Ok(())
    }

    async fn of_leases(&self, text: &mut Exposition) -> Result<(), EngineError> {
        let leases = self.catalog.living_leases().await.doing("read leases")?;
        let mut family = text.family(
            Kind::Gauge,
            "chantal_lease_since_timestamp_seconds",
            "Since when somebody holds what only one may hold: a sync, a path, a schedule.",
        );
        for lease in &leases {
            family.sample(&[("lease", &lease.name), ("host", &lease.host)], lease.since);
        }
        Ok(())
    }

    /// Room on the file systems below each directory.
    fn of_file_systems(&self, text: &mut Exposition) {
        let storage = &self.config.storage;
        let directories: [(&str, &PathBuf); 4] = [
            ("pool", &storage.pool_path),
            ("published", &storage.published_path),
            ("temp", &storage.temp_path),
            ("base", &storage.base_path),
        ];
        let found: Vec<_> = directories
            .into_iter()
            .filter_map(|(name, path)| Some((name, rustix::fs::statvfs(path).ok()?)))
            .collect();
        let rooms: [Room; 4] = [
            (
                "chantal_filesystem_free_bytes",
                "Bytes that are free for this program where the directory is.",
                |room| room.f_bavail.saturating_mul(room.f_frsize),
            ),
            (
                "chantal_filesystem_size_bytes",
                "Size of the file system where the directory is.",
                |room| room.f_blocks.saturating_mul(room.f_frsize),
            ),
            (
                "chantal_filesystem_free_inodes",
                "Inodes that are free where the directory is; 0 of 0 where there is no limit.",
                |room| room.f_favail,
            ),
            (
                "chantal_filesystem_inodes",
                "Inodes of the file system where the directory is.",
                |room| room.f_files,
            ),
        ];
        for (name, help, of) in rooms {
            let mut family = text.family(Kind::Gauge, name, help);
            for (directory, room) in &found {
                family.sample(&[("directory", directory)], of(room));
            }
        }
    }

    /// When certificates end that the configuration names. What cannot be read is `chantal doctor`'s to tell.
    fn of_certificates(&self, text: &mut Exposition) {
        let now = self.clock.now().as_second();
        let mut family = text.family(
            Kind::Gauge,
            "chantal_certificate_expiry_timestamp_seconds",
            "When a certificate ends that the configuration names; of several in one file, the first to end.",
        );
        for repo in &self.config.repositories {
            let id = repo.id.as_str();
            if let Some((name, end)) = crate::certificate::authorities_end(&repo.ssl) {
                family.sample(&[("repo", id), ("kind", "ca"), ("file", &name)], end);
            }
            if let Ok(Some(found)) = crate::certificate::of(repo, now) {
                let (name, end) = found.end();
                family.sample(&[("repo", id), ("kind", "client"), ("file", name)], end);
            }
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), EngineError> {
    let failed = |source| EngineError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".chantal-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    // The mask of the process does not count: another user's program reads it.
    let readable = std::fs::Permissions::from_mode(0o644);
    file.as_file().set_permissions(readable).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
