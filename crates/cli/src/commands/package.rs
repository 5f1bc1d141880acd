//! `chantal package`, alias `content`.

use clap::Subcommand;

use crate::app::App;
use crate::exit::Outcome;
use crate::output::{Column, Show, column};

/// What is common to the help of all commands that take a query, after examples.
macro_rules! query_help {
    ($($example:literal),+) => {
        concat!(
            "Examples:\n",
            $("  chantal package ", $example, "\n",)+
            "\nA query is terms that must all hold, in quotes for the shell:\n",
            "  name=nginx, name!=nginx        exactly, or not\n",
            "  name~nginx*, summary!~*devel*  as a pattern: * any text, ? one character; case does not matter\n",
            "  version>=1.20, version~1.2*    in the order of the format; without an epoch every epoch counts, without a\n",
            "                                 release every release: 1.20.1 is also 1:1.20.1-16.el9\n",
            "  size>10M                       bytes; K, M, G and T count in 1024s\n",
            "  *nginx*, 3~rc1, \"web server\"   a text in name or version\n",
            "Fields: name, version, arch, summary, path, size, sha256, repo."
        )
    };
}
use query_help;

mod find;
mod relations;

pub(super) use find::{FOUND, MORE, Place};

/// Finds packages.
#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    List(find::List),
    Search(find::Search),
    Show(find::Find),
    Deps(relations::Deps),
    RequiredBy(relations::RequiredBy),
}

/// The columns of a package without its repository.
pub(super) const LISTED: &[Column] = &[
    column("Package", "name", Show::Text),
    column("Version", "version", Show::Text),
    column("Arch", "arch", Show::Text),
    column("Size", "size", Show::Bytes),
    column("Path", "path", Show::Text),
    column("SHA-256", "sha256", Show::CsvOnly),
    column("Summary", "summary", Show::CsvOnly),
];

impl Package {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        match self {
            Self::List(options) => options.run(app).await,
            Self::Search(options) => options.run(app).await,
            Self::Show(options) => options.run(app).await,
            Self::Deps(options) => options.run(app).await,
            Self::RequiredBy(options) => options.run(app).await,
        }
    }
}

/// The columns of this group, under the names of their schemas.
#[cfg(test)]
pub(super) fn columns() -> Vec<(&'static str, &'static [Column])> {
    vec![
        ("packages", LISTED),
        ("package-list", find::FOUND),
        ("package-show", find::DETAIL),
        ("package-deps", relations::NEEDED),
        ("package-required-by", relations::NEEDING),
    ]
}
