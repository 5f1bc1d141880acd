//! `chantal package`, alias `content`.

use chantal_engine::{Access, PackageRow};
use chantal_model::RepoId;
use clap::{Args, Subcommand};

use super::snapshot_name;
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::failure::Failure;
use crate::output::human::counted;
use crate::output::{Column, Show, column};
use crate::select::Maybe;

/// Finds packages.
#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// Lists packages of the newest revisions, or of a snapshot
    List(Scope),
    /// Lists packages whose name or version has a text in it; `*` stands for any text
    Search(Search),
    /// Describes packages by SHA-256, name or name@version, and says where they are
    Show(Find),
}

/// Where packages are looked for.
#[derive(Debug, Args)]
pub(crate) struct Scope {
    #[command(flatten)]
    which: Maybe,
    /// Packages of this snapshot; needs a repository
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// At most so many packages
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
}

/// Options of `package search`.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Part of a name or version
    text: String,
    #[command(flatten)]
    scope: Scope,
}

/// Options of `package show`.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// SHA-256, name or name@version
    ident: String,
}

pub(super) const LISTED: &[Column] = &[
    column("Package", "name", Show::Text),
    column("Version", "version", Show::Text),
    column("Arch", "arch", Show::Text),
    column("Size", "size", Show::Bytes),
    column("Path", "path", Show::Text),
    column("SHA-256", "sha256", Show::CsvOnly),
    column("Summary", "summary", Show::CsvOnly),
];

const DETAIL: &[Column] = &[
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

impl Package {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::List(scope) => list(app, &scope, None).await,
            Self::Search(options) => list(app, &options.scope, Some(&options.text)).await,
            Self::Show(options) => {
                let found = app.engine(Access::Read).await?.package(&options.ident).await?;
                app.output.rows(&found, DETAIL)?;
                Ok(exit::OK)
            }
        }
    }
}

impl Scope {
    /// The repository and the state of it that are meant; none: the newest revisions of all.
    fn state(&self) -> Result<Option<(RepoId, String)>, Failure> {
        match (self.which.id()?, &self.snapshot) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Failure::usage("--snapshot needs a repository").hint("add --repo-id REPO")),
            (Some(id), None) => Ok(Some((id, "latest".to_owned()))),
            (Some(id), Some(name)) => Ok(Some((id, snapshot_name(name)?.to_string()))),
        }
    }
}

async fn list(app: &App, scope: &Scope, text: Option<&str>) -> Outcome {
    let state = scope.state()?;
    let engine = match &state {
        Some((id, _)) => app.known_repository(id).await?,
        None => app.engine(Access::Read).await?,
    };
    let named = state.as_ref().map(|(id, state)| (id, state.as_str()));
    let rows: Vec<PackageRow> = engine.packages(named, text, scope.limit).await?;
    app.output.rows(&rows, LISTED)?;
    let more = if rows.len() as u64 >= scope.limit {
        "; --limit shows more, if there are more"
    } else {
        ""
    };
    app.talk
        .say(&format!("{}{more}", counted(rows.len() as u64, "package")));
    Ok(exit::OK)
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![("packages", LISTED), ("package-show", DETAIL)]
}
