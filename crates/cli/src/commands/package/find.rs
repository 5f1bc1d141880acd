//! `package list`, `search` and `show`.

use chantal_engine::{Access, Engine, Ident, Scope};
use chantal_model::RepoId;
use chantal_select::Query;
use clap::Args;

use crate::app::App;
use crate::commands::snapshot_name;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::{Among, unknown};

/// Lists packages of the newest revisions, or of a snapshot
#[derive(Debug, Args)]
#[command(after_help = super::query_help!(
    "list el9",
    "list el9 'name=nginx version>=1.20'",
    "list el9 '*nginx*'",
    "list --pattern 'el*' 'size>100M' --limit 10"
))]
pub(crate) struct List {
    /// Ids of repositories, and terms of a query
    #[arg(value_name = "REPO|QUERY")]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// At most so many packages
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
}

/// Lists packages that match a query; a bare text is looked for in name and version
#[derive(Debug, Args)]
#[command(after_help = super::query_help!(
    "search nginx",
    "search 'nginx 1.22'",
    "search 'name~python3-* summary~*http*' el9 --snapshot may"
))]
pub(crate) struct Search {
    /// A text, or a query
    #[arg(value_name = "QUERY")]
    query: String,
    /// Ids of repositories, and more terms
    #[arg(value_name = "REPO|QUERY")]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// At most so many packages
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
}

/// Describes packages by SHA-256, name, name@version, name-version.arch or query, and says where they are
///
/// Every version of a name that any revision or snapshot holds is told; a query looks at the newest revisions.
#[derive(Debug, Args)]
#[command(after_help = super::query_help!(
    "show nginx",
    "show nginx@1.20.1",
    "show nginx-1:1.20.1-16.el9.x86_64 --format json",
    "show 'name=nginx arch=x86_64'"
))]
pub(crate) struct Find {
    /// SHA-256, name, name@version, name-version.arch, or a query
    ident: String,
}

/// Where packages are looked for.
#[derive(Debug, Args)]
pub(in crate::commands) struct Place {
    #[command(flatten)]
    among: Among,
    /// Packages of this snapshot; needs a repository
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
}

pub(in crate::commands) const FOUND: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Package", "name", Show::Text),
    column("Version", "version", Show::Text),
    column("Arch", "arch", Show::Text),
    column("Size", "size", Show::Bytes),
    column("Path", "path", Show::Text),
    column("SHA-256", "sha256", Show::CsvOnly),
    column("Summary", "summary", Show::CsvOnly),
];

pub(super) const DETAIL: &[Column] = &[
    column("Package", "name", Show::Text),
    column("Version", "version", Show::Text),
    column("Arch", "arch", Show::Text),
    column("Size", "size", Show::Bytes),
    column("Summary", "summary", Show::Text),
    column("SHA-256", "sha256", Show::Text),
    column("Path", "path", Show::Text),
    column("Repositories", "repositories", Show::List),
    column("Snapshots", "snapshots", Show::List),
    column("Only in older revisions of", "older", Show::List),
];

impl List {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let (terms, repos): (Vec<_>, Vec<_>) = self.words.into_iter().partition(|word| is_term(word));
        list(app, &self.place, &repos, &terms, self.limit).await
    }
}

impl Search {
    pub(super) async fn run(self, app: &App) -> Outcome {
        some(&self.query)?;
        let (mut terms, repos): (Vec<_>, Vec<_>) = self.words.into_iter().partition(|word| is_term(word));
        terms.insert(0, self.query);
        list(app, &self.place, &repos, &terms, self.limit).await
    }
}

impl Find {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let ident = ident(&self.ident)?;
        let engine = app.engine(Access::Read).await?;
        app.output.records(&engine.package(&ident).await?, DETAIL)?;
        Ok(exit::OK)
    }
}

impl Place {
    /// The engine and what it is to look at.
    pub(in crate::commands) async fn open(&self, app: &App, repos: &[String]) -> Result<(Engine, Scope), Failure> {
        let repositories = self.among.ids(repos, &*app.config()?)?;
        let snapshot = match &self.snapshot {
            None => None,
            Some(_) if repositories.is_empty() => {
                return Err(Failure::usage("--snapshot needs a repository").hint("add --repo-id REPO"));
            }
            Some(name) => Some(snapshot_name(name)?.to_string()),
        };
        let engine = app.known_repositories(&repositories).await?;
        Ok((engine, Scope { repositories, snapshot }))
    }
}

const EXAMPLE: &str = "a query is such as 'name=nginx version>=1.20 summary~*server*'";

/// What is said where a limit cut something off.
pub(in crate::commands) const MORE: &str = ", and there are more, which a larger --limit shows";

/// Whether a word belongs to a query: it has something in it that no repository's id has.
fn is_term(word: &str) -> bool {
    word.contains(|c: char| c.is_whitespace() || "=<>~!\"'*?".contains(c))
}

fn parse(text: &str) -> Result<Query, Failure> {
    Query::parse(text).map_err(|error| Failure::usage(error.to_string()).hint(EXAMPLE))
}

/// Refuses a text that says nothing.
fn some(text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::usage("expected a name or a query, got an empty text").hint(EXAMPLE));
    }
    Ok(())
}

/// A package as people name it.
pub(super) fn ident(text: &str) -> Result<Ident, Failure> {
    some(text)?;
    if Query::is_meant(text) {
        return parse(text).map(Ident::Query);
    }
    if let Ok(sha256) = text.parse() {
        return Ok(Ident::Sha256(sha256));
    }
    Ok(match text.split_once('@') {
        Some((name, version)) => Ident::Version(name.to_owned(), version.to_owned()),
        None => Ident::Name(text.to_owned()),
    })
}

/// Says of a repository that is none how a package is asked for: people write a name where an id is expected.
fn or_package(failure: Failure, repos: &[String]) -> Failure {
    let is_none = |word: &&String| match word.parse::<RepoId>() {
        Ok(id) => failure.message == unknown(&id),
        Err(error) => failure.message == error.to_string(),
    };
    let Some(word) = repos.iter().find(is_none) else {
        return failure;
    };
    let hint = format!("a word of its own is a repository; a package is `name={word}`, or a text `*{word}*`");
    let hint = match &failure.hint {
        Some(there) => format!("{there}; {hint}"),
        None => hint,
    };
    failure.hint(hint)
}

async fn list(app: &App, place: &Place, repos: &[String], terms: &[String], limit: u64) -> Outcome {
    let query = parse(&terms.join(" "))?;
    let opened = place.open(app, repos).await;
    let (engine, scope) = opened.map_err(|failure| or_package(failure, repos))?;
    let mut rows = engine.packages(&scope, &query, limit.saturating_add(1)).await?;
    let is_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    app.output.rows(&rows, FOUND)?;
    let more = if is_more { MORE } else { "" };
    app.talk
        .say(&format!("{}{more}", counted(rows.len() as u64, "package")));
    Ok(exit::OK)
}
