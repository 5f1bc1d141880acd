//! `chantal pool adopt`.

use std::path::PathBuf;
use std::sync::Arc;

use chantal_engine::{Access, AdoptMode, AdoptOptions, AdoptReport, Names};
use clap::Args;

use crate::app::App;
use crate::commands::Wait;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::{bytes, counted};
use crate::output::{Column, Show, column};

/// Takes the packages of another mirror's tree into the pool, so that syncs need not fetch them
///
/// Every file is read, and enters the pool under its SHA-256: as a hard link where tree and pool are on one file system
/// and this user owns the file, else as a copy. A linked file shares its bytes and its mode with the tree: the mode
/// becomes 0444, and whatever later writes into the file in place alters the blob, which `chantal pool verify` finds. Use
/// --copy for a tree that its old tool still writes. A file named `<sha256>_<name>` must have that SHA-256.
///
/// The pool and the trees that Chantal publishes are left alone wherever they are in the tree.
///
/// Packages are told by their names, in the formats that this version mirrors. Packages of other formats, such as the
/// files of a tree of apt-mirror, are counted, and `--include '*.deb' --include '*.udeb'` takes them. Nothing relies on
/// those yet: `chantal pool cleanup` removes them again unless they are held, so do not --move them.
///
/// Interrupted, it can be run again: what is in the pool is not read again. Until a sync relies on them, adopted blobs
/// are orphaned.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal pool adopt /srv/mirror/el9 --dry-run
  chantal pool adopt /srv/mirror/el9
  chantal pool adopt /var/lib/old/pool --move
  chantal pool adopt /media/dvd --copy --include '*.package'")]
pub(crate) struct Adopt {
    /// The tree
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Copies every file
    #[arg(long)]
    copy: bool,
    /// Removes each file from the tree once it is in the pool
    #[arg(long = "move", conflicts_with = "copy")]
    r#move: bool,
    /// Files whose name matches a glob, in place of packages; may be given several times
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Reads everything and changes nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const ADOPTED: &[Column] = &[
    column("Tree", "directory", Show::Text),
    column("Packages", "files", Show::Count),
    column("Their size", "bytes", Show::Bytes),
    column("Linked", "linked", Show::Count),
    column("Size of linked", "linked_bytes", Show::Bytes),
    column("Copied", "copied", Show::Count),
    column("Size of copied", "copied_bytes", Show::Bytes),
    column("Already there", "already_there", Show::Count),
    column("Mode changed to 0444", "modes_changed", Show::Count),
    column("Removed from the tree", "removed", Show::Count),
    column("Other files", "other_files", Show::Count),
];

const LEFT_OUT: &[Column] = &[column("File", "path", Show::Text), column("Why", "reason", Show::Text)];

impl Adopt {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let options = AdoptOptions {
            names: names(&self.include)?,
            mode: match (self.copy, self.r#move) {
                (true, _) => AdoptMode::Copy,
                (_, true) => AdoptMode::Move,
                _ => AdoptMode::Link,
            },
            directory: self.directory,
            dry_run: self.dry_run,
            wait: self.wait.duration(),
        };
        let directory = &options.directory;
        if std::fs::metadata(directory).is_ok_and(|meta| !meta.is_dir()) {
            return Err(Failure::usage(format!("{} is no directory", directory.display()))
                .hint("name the directory that it is in; `--include GLOB` takes single files"));
        }
        let access = if options.dry_run { Access::Read } else { Access::Write };
        let report = app.engine(access).await?.adopt(&options).await?;
        app.output
            .sections(&report, ADOPTED, &[("Left out", "left_out", LEFT_OUT)])?;
        say(app, &report);
        Ok(if report.left_out.is_empty() {
            exit::OK
        } else {
            exit::PARTIAL
        })
    }
}

fn names(globs: &[String]) -> Result<Option<Names>, Failure> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = globset::GlobSetBuilder::new();
    for glob in globs {
        set.add(globset::Glob::new(glob).map_err(|error| Failure::usage(format!("--include {glob}")).because(&error))?);
    }
    let set = set
        .build()
        .map_err(|error| Failure::usage("--include").because(&error))?;
    Ok(Some(Arc::new(move |name: &str| set.is_match(name))))
}

fn say(app: &App, report: &AdoptReport) {
    let (done, not, now) = if report.dry_run {
        ("would be", "would not be", "would be")
    } else {
        ("were", "were not", "are")
    };
    app.talk.say(&format!(
        "{} {now} in the pool: {} linked, {} copied ({}), {} already there",
        counted(
            report.files - report.left_out.len().min(report.files as usize) as u64,
            "file"
        ),
        report.linked,
        report.copied,
        bytes(report.copied_bytes),
        report.already_there
    ));
    for (count, why) in [
        (report.copied_from_elsewhere, "links cannot go from there to the pool"),
        (report.copied_of_others, "somebody else owns them"),
    ] {
        if count > 0 {
            app.talk.say(&format!("{count} {done} copied, since {why}"));
        }
    }
    if report.dry_run && report.removed > 0 {
        let files = counted(report.removed, "file");
        app.talk.say(&format!("{files} would be removed from the tree"));
    }
    if report.foreign_files > 0 {
        app.talk.say(&format!(
            "{} may be packages of formats that this version does not mirror, and {not} taken: `--include GLOB` takes \
             such files",
            counted(report.foreign_files, "file")
        ));
    }
    if report.modes_changed > 0 {
        app.talk.say(&format!(
            "{} of the tree {done} made read-only (0444): linked files share it with their blobs",
            counted(report.modes_changed, "file")
        ));
    }
}
