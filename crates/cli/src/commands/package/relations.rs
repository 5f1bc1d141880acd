//! `package deps` and `package required-by`.

use chantal_engine::{Dependency, RelationKind};
use clap::{Args, ValueEnum};

use super::find::{Place, ident};
use crate::app::App;
use crate::exit::{self, Outcome};
use crate::output::human::counted;
use crate::output::{Column, Show, column};

/// Shows what packages need, and which packages provide it
///
/// Without a repository, each one that holds the package answers for itself. Several repositories are looked at
/// together: what a package of one needs, another may provide. Of a bare name only the newest version is looked at; a
/// version may leave out epoch and release.
///
/// What is required is `provided`, `missing`, or `built-in`: the package manager has it. What is only recommended,
/// suggested, supplemented or enhanced is `provided` or `absent`; what is in conflict or made obsolete `present` or `absent`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal package deps nginx el9-appstream el9-baseos
  chantal package deps nginx@1.20.1 --repo-id el9-appstream --missing
  chantal package deps 'name~nginx-mod-* arch=x86_64' el9-appstream --kind requires,recommends")]
pub(crate) struct Deps {
    #[command(flatten)]
    which: Which,
    /// Only what no package provides
    #[arg(long)]
    missing: bool,
}

/// Shows which packages need something that these provide: their name, a capability, or a file
///
/// Files count as far as the main index names them. Without a repository, each one that holds the package answers for
/// itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chantal package required-by openssl-libs el9-baseos el9-appstream
  chantal package required-by openssl-libs el9-baseos --snapshot may --format json")]
pub(crate) struct RequiredBy {
    #[command(flatten)]
    which: Which,
}

/// Options of both.
#[derive(Debug, Args)]
struct Which {
    /// SHA-256, name, name@version, name-version.arch, or a query
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// Ids of repositories
    #[arg(value_name = "REPO")]
    repos: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// What counts
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        value_delimiter = ',',
        default_value = "requires"
    )]
    kind: Vec<Kind>,
}

/// What a relation means.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Without it the package cannot be installed
    Requires,
    /// Installed with it unless the user objects
    Recommends,
    /// Worth to be offered with it
    Suggests,
    /// Installed when the other one is
    Supplements,
    /// Worth to be offered when the other one is installed
    Enhances,
    /// Cannot be installed together
    Conflicts,
    /// Replaces the other one
    Obsoletes,
}

impl From<Kind> for RelationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Requires => Self::Requires,
            Kind::Recommends => Self::Recommends,
            Kind::Suggests => Self::Suggests,
            Kind::Supplements => Self::Supplements,
            Kind::Enhances => Self::Enhances,
            Kind::Conflicts => Self::Conflicts,
            Kind::Obsoletes => Self::Obsoletes,
        }
    }
}

pub(super) const NEEDED: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Package", "package", Show::Text),
    column("Kind", "kind", Show::Text),
    column("Needs", "requirement", Show::Text),
    column("Status", "status", Show::Text),
    column("Provided by", "providers", Show::List),
];

pub(super) const NEEDING: &[Column] = &[
    column("Repository", "repo", Show::Text),
    column("Package", "package", Show::Text),
    column("Kind", "kind", Show::Text),
    column("Needs", "requirement", Show::Text),
    column("Provided by", "provided_by", Show::List),
];

impl Which {
    fn kinds(&self) -> Vec<RelationKind> {
        self.kind.iter().map(|kind| RelationKind::from(*kind)).collect()
    }
}

impl Deps {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let which = self.which;
        let ident = ident(&which.package)?;
        let (engine, scope) = which.place.open(app, &which.repos).await?;
        let mut rows = engine.dependencies(&scope, &ident, &which.kinds()).await?;
        let told = told(&rows);
        if self.missing {
            rows.retain(|row| matches!(row.status, "missing" | "absent"));
        }
        app.output.rows(&rows, NEEDED)?;
        app.talk.say(&told);
        Ok(exit::OK)
    }
}

/// Counts what is required, and apart from it what is not.
fn told(rows: &[Dependency]) -> String {
    let count = |wanted: &dyn Fn(&Dependency) -> bool| rows.iter().filter(|row| wanted(row)).count() as u64;
    let required = count(&|row| row.kind == RelationKind::Requires);
    let others = rows.len() as u64 - required;
    let required = format!(
        "{}, {} that no package provides",
        counted(required, "requirement"),
        count(&|row| row.status == "missing")
    );
    let absent = count(&|row| row.status == "absent");
    let other = format!(
        "{}, {absent} that no package matches",
        counted(others, "other relation")
    );
    match (rows.len() as u64 == others, others) {
        (_, 0) => required,
        (true, _) => other,
        (false, _) => format!("{required}; {other}"),
    }
}

impl RequiredBy {
    pub(super) async fn run(self, app: &App) -> Outcome {
        let which = self.which;
        let ident = ident(&which.package)?;
        let (engine, scope) = which.place.open(app, &which.repos).await?;
        let rows = engine.dependents(&scope, &ident, &which.kinds()).await?;
        app.output.rows(&rows, NEEDING)?;
        app.talk.say(&counted(rows.len() as u64, "requirement"));
        Ok(exit::OK)
    }
}
