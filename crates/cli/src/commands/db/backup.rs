//! `chantal db backup`, `backup-list`, `backup-info`, `backup-verify`.

use std::path::PathBuf;
use std::sync::Arc;

use chantal_config::Config;
use chantal_engine::BackupOptions;
use chantal_model::{Clock, SystemClock};
use clap::Args;

use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::{bytes, counted};
use crate::output::{Column, Show, column};

/// Writes the catalog and the configuration into one archive
///
/// Whatever else runs goes on; the archive holds everything as it was at one moment. Either database restores it: it is
/// also the way from SQLite to PostgreSQL and back. Passwords and tokens that stand in the configuration, and its comments, are left
/// out. The pool is not in it: copy that too, after the backup. Without FILE the archive gets a name of its own in
/// `backup.directory`, and old ones go by `backup.keep_last`. docs/reference/backup-format.md says what is in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db backup
  chantal db backup /mnt/usb/chantal.tar
  chantal db backup --include-secrets /mnt/safe/whole.tar")]
pub(crate) struct Backup {
    /// The archive; no file may be there yet
    file: Option<PathBuf>,
    /// Copies the configuration as it is, with the passwords and tokens that stand in it
    #[arg(long, conflicts_with = "no_config")]
    include_secrets: bool,
    /// Leaves the configuration out
    #[arg(long)]
    no_config: bool,
}

/// Lists the backups in a directory
#[derive(Debug, Args)]
pub(crate) struct BackupList {
    /// The directory; without it `backup.directory`
    directory: Option<PathBuf>,
}

/// Shows what a backup says about itself
#[derive(Debug, Args)]
pub(crate) struct BackupInfo {
    /// The archive
    file: PathBuf,
}

/// Reads every byte of a backup and loads it into a database that is thrown away; exit 8 if it is damaged
///
/// With --pool, blobs that it names and the pool lacks are listed; exit 9 if there are any.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db backup-verify /mnt/usb/chantal.tar --pool")]
pub(crate) struct BackupVerify {
    /// The archive
    file: PathBuf,
    /// Looks whether the pool has what it names
    #[arg(long)]
    pool: bool,
}

pub(super) const MADE: &[Column] = &[
    column("Archive", "file", Show::Text),
    column("Size", "bytes", Show::Bytes),
    column("Made", "created", Show::Time),
    column("Database", "database", Show::Text),
    column("Schema", "schema_version", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Blobs of the pool", "blobs", Show::Count),
    column("Size of the blobs", "blob_bytes", Show::Bytes),
    column("Configuration", "configuration", Show::List),
    column("Secrets", "secrets", Show::Text),
    column("Deleted", "deleted", Show::List),
];

pub(super) const LISTED: &[Column] = &[
    column("Archive", "file", Show::Text),
    column("Made", "created", Show::Time),
    column("Size", "bytes", Show::Bytes),
    column("Database", "database", Show::Text),
    column("Schema", "schema_version", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Secrets", "secrets", Show::Text),
    column("Problem", "problem", Show::Text),
];

pub(super) const INFO: &[Column] = &[
    column("Archive", "file", Show::Text),
    column("Size", "bytes", Show::Bytes),
    column("Made", "created", Show::Time),
    column("Host", "host", Show::Text),
    column("Program", "program_version", Show::Text),
    column("Database", "database", Show::Text),
    column("Schema", "schema_version", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Pool", "pool", Show::Text),
    column("Blobs of the pool", "blobs", Show::Count),
    column("Size of the blobs", "blob_bytes", Show::Bytes),
    column("Secrets", "secrets", Show::Text),
    column("Configuration", "configuration", Show::List),
];

pub(super) const TABLES: &[Column] = &[
    column("Table", "table", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Size", "bytes", Show::Bytes),
];

pub(super) const CHECKED: &[Column] = &[
    column("Archive", "file", Show::Text),
    column("Size", "bytes", Show::Bytes),
    column("Made", "created", Show::Time),
    column("Schema", "schema_version", Show::Text),
    column("Rows", "rows", Show::Count),
    column("Problems", "problems", Show::List),
    column("Blobs of the pool", "blobs", Show::Count),
    column("Pool checked", "pool_checked", Show::Flag),
];

pub(super) const MISSING: &[Column] = &[column("Blob", "blob", Show::Text), column("Size", "bytes", Show::Bytes)];

impl Backup {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        let options = BackupOptions {
            file: self.file,
            configuration: if self.no_config {
                Vec::new()
            } else {
                app.config_files()?
            },
            include_secrets: self.include_secrets,
        };
        let report = chantal_engine::back_up(&config, SystemClock.now(), &options).await?;
        if self.include_secrets {
            app.talk.warn(&format!(
                "{} holds passwords and tokens: keep it as you keep them",
                report.file
            ));
        }
        for file in &report.deleted {
            app.talk.say(&format!("deleted {file} (`backup.keep_last`)"));
        }
        app.talk.say(&format!(
            "{}: {} in {}; its {} ({}) are in the pool, which is copied by itself",
            report.file,
            counted(report.rows, "row"),
            bytes(report.bytes),
            counted(report.blobs, "blob"),
            bytes(report.blob_bytes)
        ));
        if app.output.explicit() {
            app.output.record(&report, MADE)?;
        }
        Ok(exit::OK)
    }
}

impl BackupList {
    pub(super) fn run(self, app: &App, config: &Config) -> Outcome {
        let directory = self.directory.unwrap_or_else(|| config.backup.directory.clone());
        let files = chantal_engine::backup_list(&directory)?;
        app.output.rows(&files, LISTED)?;
        if files.is_empty() {
            app.talk.say(&format!("no backups in {}", directory.display()));
        }
        Ok(exit::OK)
    }
}

impl BackupInfo {
    pub(super) fn run(self, app: &App) -> Outcome {
        let info = chantal_engine::backup_info(&self.file)?;
        app.output.sections(&info, INFO, &[("Tables", "tables", TABLES)])?;
        Ok(exit::OK)
    }
}

impl BackupVerify {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        let check = chantal_engine::verify_backup(&config, &self.file, self.pool).await?;
        app.output
            .sections(&check, CHECKED, &[("Missing in the pool", "missing", MISSING)])?;
        if let Some(problem) = check.problems.first() {
            return Err(Failure::new(
                exit::DAMAGED,
                format!("the backup {} cannot be trusted: {problem}", check.file),
            ));
        }
        if check.missing.is_empty() {
            app.talk.say("nothing found");
            return Ok(exit::OK);
        }
        app.talk.warn(&lacking(check.missing.len(), check.blobs));
        Ok(exit::PARTIAL)
    }
}

/// Says that the pool and a backup do not agree.
pub(super) fn lacking(missing: usize, blobs: u64) -> String {
    format!("the pool lacks {missing} of {}", counted(blobs, "blob"))
}
