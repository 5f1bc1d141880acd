//! `package list`, `search` and `show`.

use chantal_engine::{Access, Engine, Ident, Scope};
use chantal_select::Query;
use clap::Args;

use crate::app::App;
use crate::commands::snapshot_name;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::Among;

/// Lists packages of the newest revisions, or of a snapshot
#[derive(Debug, Args)]
#[command(after_help = super::query_help!("\
  chantal package list el9
  chantal package list el9 'name=nginx version>=1.20'
  chantal package list --pattern 'el*' 'size>100M' --limit 10"))]
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
#[command(after_help = super::query_help!("\
  chantal package search nginx
  chantal package search 'name~python3-* summary~*http*' el9 --snapshot may"))]
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

/// Describes packages by SHA-256, name, name@version or query, and says where they are
#[derive(Debug, Args)]
#[command(after_help = super::query_help!("\
  chantal package show nginx
  chantal package show nginx@1:1.20.1-16.el9 --format json
  chantal package show 'name=nginx arch=x86_64'"))]
pub(crate) struct Find {
    /// SHA-256, name, name@version, or a query
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
    column("SHA-256", "sha256", Show::Text),
    column("Path", "path", Show::CsvOnly),
    column("Summary", "summary", Show::CsvOnly),
    column("Repositories", "repositories", Show::List),
    column("Snapshots", "snapshots", Show::List),
];

impl List {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let (terms, repos): (Vec<_>, Vec<_>) = self.words.into_iter().partition(|word| is_term(word));
        list(app, &self.place, &repos, &terms, self.limit).await
    }
}

impl Search {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let (mut terms, repos): (Vec<_>, Vec<_>) = self.words.into_iter().partition(|word| is_term(word));
        terms.insert(0, self.query);
        list(app, &self.place, &repos, &terms, self.limit).await
    }
}

impl Find {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let query = if is_term(&self.ident) {
            Some(parse(&self.ident)?)
        } else {
            None
        };
        let engine = app.engine(Access::Read).await?;
        let found = engine.package(&self.ident, query.as_ref()).await?;
        app.output.rows(&found, DETAIL)?;
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

/// Whether a word belongs to a query: it has something in it that no repository's id has.
fn is_term(word: &str) -> bool {
    word.contains(|c: char| c.is_whitespace() || "=<>~!\"'*?".contains(c))
}

fn parse(text: &str) -> Result<Query, Failure> {
    Query::parse(text).map_err(|error| {
        Failure::usage(error.to_string()).hint("a query is such as 'name=nginx version>=1.20 summary~*server*'")
    })
}

/// A package as people name it.
pub(super) fn ident(text: &str) -> Result<Ident, Failure> {
    if is_term(text) {
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

async fn list(app: &App, place: &Place, repos: &[String], terms: &[String], limit: u64) -> Outcome {
    let query = parse(&terms.join(" "))?;
    let (engine, scope) = place.open(app, repos).await?;
    let rows = engine.packages(&scope, &query, limit).await?;
    app.output.rows(&rows, FOUND)?;
    let more = if rows.len() as u64 >= limit {
        "; --limit shows more, if there are more"
    } else {
        ""
    };
    app.talk
        .say(&format!("{}{more}", counted(rows.len() as u64, "package")));
    Ok(exit::OK)
}
