//! `chantal repo sync`, and the lines that close it.

use std::fmt::Write as _;
use std::sync::Arc;

use chantal_config::Config;
use chantal_engine::{Access, Counts, Engine, Explained, SyncOptions, SyncPlan, SyncReport};
use chantal_model::{Clock, RepoId, SystemClock};
use clap::Args;
use serde::Serialize;

use super::runs::{Run, Workers, beside, conclude, each, summary};
use super::{Wait, snapshot_name, updates};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::{age, bytes, count, counted, duration};
use crate::output::{Column, Format, Show, column};
use crate::select::{Select, Selected};

/// Brings repositories up to date with their feeds.
///
/// Records a new revision where something changed. Clients see it once it is published. A repository that fails does not
/// stop the others.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal repo sync el9 --publish
  chantal repo sync --all --workers 4
  chantal repo sync --pattern 'el9-*' --tag prod --dry-run
  chantal repo sync --all --create-snapshot --snapshot-name 2026-11")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent option of the command line"
)]
pub(crate) struct Sync {
    #[command(flatten)]
    select: Select,
    /// Shows what would be done, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Publishes each new revision at its repository's path
    #[arg(long)]
    publish: bool,
    /// Makes a snapshot of each repository afterwards
    #[arg(long)]
    create_snapshot: bool,
    /// Makes such a snapshot under this name [default: the time, such as 2026-11-23T081200Z]
    #[arg(long, value_name = "NAME")]
    snapshot_name: Option<String>,
    /// Reads and compares everything, although the feed says that nothing changed
    #[arg(long)]
    force: bool,
    /// Goes on although more packages are removed than `max_removed_percent` allows
    #[arg(long)]
    force_removals: bool,
    /// Says of each package with this name why it is in or out (or name-version-release.arch, as listings print it); exit
    /// code 2 if no repository knows it
    #[arg(long, value_name = "NAME", requires = "dry_run")]
    explain: Option<String>,
    /// Leaves it to a scheduler, and says the number of each task
    #[arg(long, conflicts_with_all = ["dry_run", "workers", "wait"])]
    background: bool,
    #[command(flatten)]
    workers: Workers,
    #[command(flatten)]
    wait: Wait,
}

pub(super) const SYNCED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("Exit code", "exit_code", Show::CsvOnly),
    column("Revision", "result.revision", Show::Revision),
    column("Recorded", "result.recorded", Show::Flag),
    column("Packages", "result.plan.chosen", Show::Count),
    column("Added", "result.plan.counts.added", Show::Count),
    column("Removed", "result.plan.counts.removed", Show::Count),
    column("Upgraded", "result.plan.counts.upgraded", Show::Count),
    column("Downgraded", "result.plan.counts.downgraded", Show::CsvOnly),
    column("Rebuilt", "result.plan.counts.rebuilt", Show::CsvOnly),
    column("Fetched", "result.fetched_bytes", Show::Bytes),
    column("Saved", "result.plan.saved_bytes", Show::Bytes),
    column("Served", "result.served", Show::Text),
    column("Error", "error.message", Show::Text),
];

pub(super) const QUEUED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("Exit code", "exit_code", Show::CsvOnly),
    column("Task", "result.task", Show::Text),
    column("Error", "error.message", Show::Text),
];

/// A sync that was left to the schedulers.
#[derive(Serialize)]
struct Queued {
    /// The task's number.
    task: i64,
}

/// What closes a sync of several repositories.
const SUMMARY: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Status", "status", Show::Text),
    column("Exit code", "exit_code", Show::Count),
    column("Revision", "result.revision", Show::Revision),
    column("New", "result.recorded", Show::Flag),
    column("Packages", "result.plan.chosen", Show::Count),
    column("Added", "result.plan.counts.added", Show::Count),
    column("Removed", "result.plan.counts.removed", Show::Count),
    column("Upgraded", "result.plan.counts.upgraded", Show::Count),
    column("Fetched", "result.fetched_bytes", Show::Bytes),
    column("Time", "result.duration_ms", Show::Duration),
    column("Served", "result.served", Show::Text),
];

const EXPLAINED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Package", "package", Show::Text),
    column("Chosen", "chosen", Show::Flag),
    column("Verdict", "verdict", Show::Text),
    column("Reason", "reason", Show::Text),
];

#[derive(Serialize)]
struct PlannedVerdict<'p> {
    repo: &'p str,
    #[serde(flatten)]
    about: &'p Explained,
}

impl Sync {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let config = app.config()?;
        let selected = self.select.among(&config)?;
        let options = self.options()?;
        if self.dry_run {
            return self.plan(app, &config, &selected, &options).await;
        }
        let engine = app.engine_on(config.clone(), Access::Write).await?;
        if self.background {
            return self.queue(app, &engine, &selected, &options).await;
        }
        let runs = each(app, &engine, &selected, self.workers, async |repo, engine| {
            one(app, engine, "repo sync", &repo.id, &options).await
        })
        .await;
        told(app, &runs)
    }

    async fn queue(&self, app: &App, engine: &Engine, selected: &Selected<'_>, options: &SyncOptions) -> Outcome {
        let runs = each(app, engine, selected, Workers::ONE, async |repo, engine| {
            let task = engine.queue_sync(&repo.id, options).await?;
            Ok((Queued { task }, exit::OK))
        })
        .await;
        if engine.schedulers().await?.is_empty() {
            app.talk
                .warn("no scheduler runs: what was queued waits until one does (`chantal scheduler start`)");
        }
        app.output.rows(&runs, QUEUED)?;
        Ok(conclude(app, &runs))
    }

    async fn plan(&self, app: &App, config: &Arc<Config>, selected: &Selected<'_>, options: &SyncOptions) -> Outcome {
        let engine = app.engine_on(config.clone(), Access::Read).await?;
        let runs = each(app, &engine, selected, self.workers, async |repo, engine| {
            let (id, options) = (repo.id.clone(), options.clone());
            let plan = beside(async move { engine.plan_sync(&id, &options).await }).await?;
            for warning in &plan.warnings {
                app.talk.warn(&format!("{}: {warning}", repo.id));
            }
            for line in intended(&plan) {
                app.talk.say(&format!("{}: {line}", repo.id));
            }
            if let (Some(name), Some([])) = (&self.explain, plan.explained.as_deref()) {
                let told = format!("upstream lists no package {name:?}, and this repository has none");
                app.talk.say(&format!("{}: {told}", repo.id));
            }
            Ok((plan, exit::OK))
        })
        .await;
        if matches!(app.output.format(), Format::Json | Format::Yaml) {
            app.output.rows(&runs, &[])?;
        } else if self.explain.is_some() {
            let plans = runs.iter().filter_map(|run| run.result.as_ref());
            let explained: Vec<_> = plans
                .flat_map(|plan| plan.explained.iter().flatten().map(|about| (plan.repo.as_str(), about)))
                .map(|(repo, about)| PlannedVerdict { repo, about })
                .collect();
            app.output.rows(&explained, EXPLAINED)?;
        } else {
            let plans = runs.iter().filter_map(|run| run.result.as_ref());
            let changes: Vec<_> = plans
                .flat_map(|plan| updates::rows(plan.repo.as_str(), &plan.changes))
                .collect();
            app.output.rows(&changes, updates::CHANGES)?;
        }
        let code = conclude(app, &runs);
        let is_known = |run: &Run<SyncPlan>| {
            let explained = run.result.as_ref().and_then(|plan| plan.explained.as_ref());
            explained.is_none_or(|explained| !explained.is_empty())
        };
        match &self.explain {
            Some(name) if code == exit::OK && !runs.iter().any(is_known) => {
                let hint = "`chantal package list` shows what is recorded, with name, version and architecture";
                Err(Failure::usage(format!("no package {name:?} is listed")).hint(hint))
            }
            _ => Ok(code),
        }
    }

    fn options(&self) -> Result<SyncOptions, Failure> {
        let snapshot = match (&self.snapshot_name, self.create_snapshot) {
            (Some(name), _) => Some(snapshot_name(name)?),
            (None, true) => Some(snapshot_name(
                &SystemClock.now().strftime("%Y-%m-%dT%H%M%SZ").to_string(),
            )?),
            (None, false) => None,
        };
        Ok(SyncOptions {
            force: self.force,
            explain: self.explain.clone(),
            force_removals: self.force_removals,
            publish: self.publish,
            snapshot,
            wait: self.wait.duration(),
        })
    }
}

/// Syncs one repository and says what came of it.
pub(super) async fn one(
    app: &App,
    engine: Engine,
    verb: &'static str,
    id: &RepoId,
    options: &SyncOptions,
) -> Result<(SyncReport, u8), Failure> {
    app.talk.say_of(Some(id), &format!("{id}: syncing"));
    let (own, options) = (id.clone(), options.clone());
    let report = beside(async move {
        let (id, options) = (&own, &options);
        let sync = |engine: Engine| async move { engine.sync(id, options).await };
        engine.task(verb, Some(id.as_str()), sync).await
    })
    .await?;
    for warning in &report.plan.warnings {
        app.talk.warn_of(Some(id), &format!("{id}: {warning}"));
    }
    for failed in &report.failed {
        app.talk.warn_of(
            Some(id),
            &format!("{id}: left out {} ({}): {}", failed.package, failed.url, failed.reason),
        );
    }
    for line in closing(&report) {
        app.talk.say_of(Some(id), &format!("{id}: {line}"));
    }
    let code = if report.is_whole() { exit::OK } else { exit::PARTIAL };
    Ok((report, code))
}

/// Writes the data, if a format was asked for, and gives the exit code.
pub(super) fn told(app: &App, runs: &[Run<SyncReport>]) -> Outcome {
    if app.output.explicit() {
        app.output.rows(runs, SYNCED)?;
    } else {
        summary(app, runs, SUMMARY)?;
    }
    Ok(conclude(app, runs))
}

fn intended(plan: &SyncPlan) -> Vec<String> {
    if plan.unchanged {
        return vec!["the feed has not changed".into()];
    }
    let mut lines = vec![changes(&plan.counts)];
    lines.push(format!(
        "would fetch {} ({}), {} are in the pool already; {} of {} chosen",
        counted(plan.download_files, "file"),
        bytes(plan.download_bytes),
        bytes(plan.saved_bytes),
        count(plan.chosen),
        counted(plan.listed, "package"),
    ));
    lines.extend(left_out(plan));
    lines.push("nothing was changed (dry run)".into());
    lines
}

/// What changed in words; the rare kinds only if there are any.
pub(super) fn changes(counts: &Counts) -> String {
    let mut text = format!(
        "{} added, {} removed, {} upgraded",
        count(counts.added),
        count(counts.removed),
        count(counts.upgraded)
    );
    for (number, word) in [(counts.downgraded, "downgraded"), (counts.rebuilt, "rebuilt")] {
        if number > 0 {
            let _ = write!(text, ", {} {word}", count(number));
        }
    }
    text
}

fn left_out(plan: &SyncPlan) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.retained > 0 {
        lines.push(format!(
            "{} of earlier syncs retained",
            counted(plan.retained, "package")
        ));
    }
    lines.extend(filtered(plan));
    lines
}

fn filtered(plan: &SyncPlan) -> Option<String> {
    let reasons: Vec<_> = plan
        .left_out
        .iter()
        .map(|(verdict, number)| format!("{} {}", reason(verdict), count(*number)))
        .collect();
    (!reasons.is_empty()).then(|| format!("filters left out: {}", reasons.join(", ")))
}

/// What a verdict of the data means, in the words of the configuration and of the guide.
fn reason(verdict: &str) -> &str {
    match verdict {
        "source" => "source packages",
        "not-included" => "no include pattern",
        "excluded" => "an exclude pattern",
        "field-not-included" => "not in an include list",
        "field-excluded" => "in an exclude list",
        "build-time" => "build time",
        "superseded" => "a newer version is there",
        "bundle-dropped" => "module stream left out",
        "gone" => "dropped upstream",
        other => other,
    }
}

/// The lines that close a sync.
fn closing(report: &SyncReport) -> Vec<String> {
    let mut lines = Vec::new();
    if report.plan.unchanged {
        lines.push("the feed has not changed".into());
    } else {
        lines.push(changes(&report.plan.counts));
        lines.extend(left_out(&report.plan));
    }
    lines.push(format!(
        "{} fetched, {} saved, in {}",
        bytes(report.fetched_bytes),
        bytes(report.plan.saved_bytes),
        duration(report.duration_ms)
    ));
    if !report.new_advisories.is_empty() {
        let by: Vec<_> = report
            .new_advisories
            .iter()
            .map(|(word, number)| format!("{word} {}", count(*number)))
            .collect();
        lines.push(format!("new advisories: {}", by.join(", ")));
    }
    if let Some(seconds) = report.feed_age_seconds {
        lines.push(format!("the feed changed {} ago", age(seconds)));
    }
    if let Some(name) = &report.snapshot {
        lines.push(format!("snapshot {name}"));
    }
    if report.retired > 0 {
        lines.push(format!("{} retired", counted(report.retired, "older revision")));
    }
    lines.push(standing(report));
    lines
}

/// What is recorded and what clients see.
fn standing(report: &SyncReport) -> String {
    let repo = &report.plan.repo;
    let Some(revision) = report.revision else {
        return "nothing is recorded".into();
    };
    let recorded = if report.recorded {
        format!("recorded {revision}")
    } else {
        format!("{revision} is up to date")
    };
    match report.served.as_deref() {
        None => format!("{recorded}; clients see nothing yet: `chantal publish repo {repo}`"),
        Some(served) if served == revision.to_string() => format!("{recorded}, which clients see"),
        Some(served) if served.contains("snapshot") => {
            format!("{recorded}; clients see {served}, pinned: `chantal publish switch {repo} --latest`")
        }
        Some(served) => format!("{recorded}; clients still see {served}: `chantal publish repo {repo}`"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chantal_model::{Mode, RevisionNumber};

    pub(crate) fn report() -> SyncReport {
        SyncReport {
            plan: SyncPlan {
                repo: "el9".parse().unwrap(),
                feed: "https://example.org/el9/".into(),
                mode: Mode::Filtered,
                current: Some(RevisionNumber(4)),
                unchanged: false,
                listed: 17_649,
                chosen: 17_000,
                retained: 0,
                left_out: [("architecture".to_owned(), 649)].into(),
                changes: Vec::new(),
                counts: Counts {
                    added: 12,
                    removed: 1,
                    upgraded: 1_040,
                    downgraded: 0,
                    rebuilt: 2,
                },
                download_files: 1_052,
                download_bytes: 3 << 30,
                saved_bytes: 9 << 30,
                warnings: Vec::new(),
                explained: None,
            },
            revision: Some(RevisionNumber(5)),
            recorded: true,
            retired: 0,
            fetched_bytes: 3 << 30,
            new_advisories: [("Critical".to_owned(), 2), ("Moderate".to_owned(), 11)].into(),
            feed_timestamp: Some(1_763_000_000),
            feed_age_seconds: Some(7_300),
            failed: Vec::new(),
            unread: 0,
            snapshot: None,
            published: None,
            served: Some("r4".into()),
            duration_ms: 71_300,
        }
    }

    #[test]
    fn the_closing_lines_tell_what_changed_and_what_clients_see() {
        insta::assert_snapshot!(closing(&report()).join("\n"), @r"
        12 added, 1 removed, 1,040 upgraded, 2 rebuilt
        filters left out: architecture 649
        3.0 GiB fetched, 9.0 GiB saved, in 1 min 11 s
        new advisories: Critical 2, Moderate 11
        the feed changed 2 hours ago
        recorded r5; clients still see r4: `chantal publish repo el9`
        ");
    }

    #[test]
    fn what_filters_left_out_is_told_in_the_words_of_the_guide() {
        let mut plan = report().plan;
        let verdicts = ["architecture", "bundle-dropped", "field-excluded", "superseded"];
        plan.left_out = verdicts.map(|verdict| (verdict.to_owned(), 1)).into();
        insta::assert_snapshot!(filtered(&plan).unwrap(), @"filters left out: architecture 1, module stream left out 1, in an exclude list 1, a newer version is there 1");
    }

    #[test]
    fn what_clients_see_is_told_in_each_case() {
        let with = |served: Option<&str>, recorded| {
            standing(&SyncReport {
                served: served.map(str::to_owned),
                recorded,
                ..report()
            })
        };
        assert_eq!(
            with(None, true),
            "recorded r5; clients see nothing yet: `chantal publish repo el9`"
        );
        assert_eq!(with(Some("r5"), true), "recorded r5, which clients see");
        assert_eq!(with(Some("r5"), false), "r5 is up to date, which clients see");
        assert_eq!(
            with(Some("r3 (snapshot may)"), false),
            "r5 is up to date; clients see r3 (snapshot may), pinned: `chantal publish switch el9 --latest`"
        );
    }

    #[test]
    fn a_plan_tells_what_would_be_fetched() {
        insta::assert_snapshot!(intended(&report().plan).join("\n"), @r"
        12 added, 1 removed, 1,040 upgraded, 2 rebuilt
        would fetch 1,052 files (3.0 GiB), 9.0 GiB are in the pool already; 17,000 of 17,649 packages chosen
        filters left out: architecture 649
        nothing was changed (dry run)
        ");
    }
}
