//! `chantal db restore`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use chantal_config::Config;
use chantal_engine::{RestorePlan, RestoreReport};
use chantal_model::{Clock, SystemClock};
use clap::Args;

use super::backup::{MISSING, lacking};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column, table_of};

/// Missing blobs that are named one by one, at most.
const NAMED: usize = 20;

/// Puts a backup in the place of everything that the catalog knows
///
/// The archive is read whole and checked before anything is touched. What was there is kept: of a SQLite file a copy beside it, of a server
/// an archive in `backup.directory`. Refused (exit 7) while anything is synced, published or scheduled. An archive
/// of an older schema is brought up to date. Afterwards blobs that the catalog names and the pool lacks are listed (exit
/// 9). The configuration is not restored: `tar -xf FILE config` gets it out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal db restore /mnt/usb/chantal.tar --dry-run
  chantal db restore /mnt/usb/chantal.tar
  chantal db restore /mnt/usb/chantal.tar --yes")]
pub(crate) struct Restore {
    /// The archive
    file: PathBuf,
    /// Loads it into a database that is thrown away, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask
    #[arg(long)]
    yes: bool,
}

pub(super) const RESTORED: &[Column] = &[
    column("Archive", "file", Show::Text),
    column("Made", "created", Show::Time),
    column("Database", "database", Show::Text),
    column("Schema of the archive", "schema_version", Show::Text),
    column("Schema now", "upgraded_to", Show::Text),
    column("Kept as", "previous", Show::Text),
    column("Blobs of the pool", "blobs", Show::Count),
];

pub(super) const TABLES: &[Column] = &[
    column("Table", "table", Show::Text),
    column("In the backup", "backup_rows", Show::Count),
    column("In the database", "database_rows", Show::Count),
];

impl Restore {
    pub(super) async fn run(self, app: &App, config: Arc<Config>) -> Outcome {
        let report = if self.dry_run {
            RestoreReport::of_dry_run(&config, &self.file).await?
        } else {
            let plan = chantal_engine::plan_restore(&config, &self.file).await?;
            if !self.yes {
                confirm(app, &plan)?;
            }
            chantal_engine::restore(&config, &self.file, SystemClock.now()).await?
        };
        if self.dry_run || app.output.explicit() {
            let sections: &[(&str, &str, &[Column])] = &[
                ("Tables", "tables", TABLES),
                ("Missing in the pool", "missing", MISSING),
            ];
            app.output.sections(&report, RESTORED, sections)?;
        }
        Ok(told(app, &report))
    }
}

/// What has to be typed: the file, or the name of the database on the server.
fn word(plan: &RestorePlan) -> &str {
    let Some((_, rest)) = plan.database.split_once("://") else {
        return &plan.database;
    };
    let path = rest.split('?').next().unwrap_or_default();
    match path.rsplit_once('/') {
        Some((_, name)) if !name.is_empty() => name,
        _ => &plan.database,
    }
}

/// Asks for the database's name, which nobody types by accident. Where there is nothing to lose, nothing is asked.
fn confirm(app: &App, plan: &RestorePlan) -> Result<(), Failure> {
    if !plan.exists {
        return Ok(());
    }
    let database = &plan.database;
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("replacing the content of {database} must be confirmed"))
                .hint("`--yes` confirms it where nobody can be asked; nothing was changed"),
        );
    }
    match &plan.damage {
        Some(damage) => app
            .talk
            .show(&format!("{database} is damaged and will be put aside: {damage}")),
        None => app.talk.show(&table_of(&plan.tables, TABLES, app.talk.has_colors())?),
    }
    let word = word(plan);
    let mut stderr = std::io::stderr().lock();
    // Where the question cannot be shown, there is no answer either.
    let asked = write!(
        stderr,
        "Type {word} to replace its content by the backup of {}: ",
        plan.created
    );
    let _ = asked.and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::usage("the answer cannot be read").because(&error))?;
    if answer.trim() == word {
        return Ok(());
    }
    Err(Failure::usage("nothing was restored: the answer was another one"))
}

fn told(app: &App, report: &RestoreReport) -> u8 {
    let plan = &report.plan;
    let rows: u64 = plan.tables.iter().map(|table| table.backup_rows).sum();
    if report.dry_run {
        app.talk
            .say(&format!("{}: nothing was changed (dry run)", plan.database));
    } else {
        if let Some(previous) = &report.previous {
            app.talk.say(&format!("what was there is kept as {previous}"));
        }
        app.talk
            .say(&format!("{}: restored {}", plan.database, counted(rows, "row")));
    }
    if plan.schema_version < report.upgraded_to {
        app.talk.say(&format!(
            "the schema was version {} and is brought to {}",
            plan.schema_version, report.upgraded_to
        ));
    }
    if report.missing.is_empty() {
        return exit::OK;
    }
    app.talk.warn(&lacking(report.missing.len(), report.blobs));
    for blob in report.missing.iter().take(NAMED) {
        app.talk.say(&format!("missing: {} ({} bytes)", blob.blob, blob.bytes));
    }
    if report.missing.len() > NAMED {
        app.talk.say(&format!("and {} more", report.missing.len() - NAMED));
    }
    if !report.dry_run {
        app.talk
            .say("`chantal pool missing` lists all with what they are used by; copy them from where the pool is kept");
    }
    exit::PARTIAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_typed_is_the_file_or_the_name_of_the_database() {
        for (database, expected) in [
            ("/var/lib/chantal/chantal.db", "/var/lib/chantal/chantal.db"),
            ("postgresql://u@h:5432/mirror?sslmode=require", "mirror"),
            ("postgresql:///mirror?host=/run", "mirror"),
            ("postgresql://h?dbname=x", "postgresql://h?dbname=x"),
        ] {
            let plan = RestorePlan {
                file: String::new(),
                created: String::new(),
                database: database.into(),
                exists: true,
                damage: None,
                schema_version: 1,
                tables: Vec::new(),
            };
            assert_eq!(word(&plan), expected);
        }
    }
}
