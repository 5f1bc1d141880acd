//! `chantal mirror`: one repository into one directory, without any configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chantal_config::{Config, Repository};
use chantal_engine::{Access, Engine, SyncOptions};
use chantal_model::{Mode, RelPath};
use clap::{Args, ValueEnum};

use super::Wait;
use super::runs::{Workers, each};
use super::sync;
use crate::app::App;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::select::Selected;

/// Mirrors one repository into a directory, without any configuration.
///
/// The directory is the tree that clients see; what Chantal remembers is in its subdirectory `.chantal`. Running it
/// again brings the tree up to date.
#[derive(Debug, Args)]
pub(crate) struct Mirror {
    /// The feed: an http(s) or file URL, or a directory
    url: String,
    /// The directory that clients will see
    dir: PathBuf,
    /// How metadata come about [default: mirror, or filtered where something is chosen]
    #[arg(long, value_enum)]
    mode: Option<Way>,
    /// Keeps packages whose name, or name-version-release.arch, matches a regular expression; may be given several times
    #[arg(long, value_name = "RE")]
    include: Vec<String>,
    /// Leaves out packages whose name, or name-version-release.arch, matches a regular expression; may be given several times
    #[arg(long, value_name = "RE")]
    exclude: Vec<String>,
    /// Keeps packages of an architecture; may be given several times
    #[arg(long, value_name = "ARCH")]
    arch: Vec<String>,
    /// Keeps only the newest version of each package
    #[arg(long)]
    latest: bool,
    /// URL of the directory's parent as clients reach it; a client file is written there if it is given
    #[arg(long, value_name = "URL")]
    base_url: Option<url::Url>,
    /// Goes on although upstream has dropped most packages
    #[arg(long)]
    force_removals: bool,
    /// Accepts a feed that is older than the last time
    #[arg(long)]
    allow_rollback: bool,
    #[command(flatten)]
    wait: Wait,
}

/// How metadata come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Everything, upstream's metadata byte for byte
    Mirror,
    /// What is chosen, metadata generated
    Filtered,
}

impl Mirror {
    pub(crate) async fn run(self, app: &App) -> Outcome {
        let config = Arc::new(self.config()?);
        app.log(config.log, config.database.echo);
        Engine::init(&config).await?;
        let engine = app.engine_on(config.clone(), Access::Write).await?;
        let selected = Selected {
            ready: config.repositories.iter().collect(),
            left_out: Vec::new(),
            disabled: Vec::new(),
            bulk: false,
        };
        let options = SyncOptions {
            publish: true,
            force_removals: self.force_removals,
            wait: self.wait.duration(),
            ..SyncOptions::default()
        };
        let runs = each(app, &engine, &selected, Workers::ONE, async |repo, engine| {
            sync::one(app, engine, "mirror", &repo.id, &options).await
        })
        .await;
        sync::told(app, &runs)
    }

    fn config(&self) -> Result<Config, Failure> {
        let feed = feed(&self.url)?;
        let directory = std::path::absolute(&self.dir).map_err(|error| Failure::file("use", &self.dir, &error))?;
        let mut config = chantal_config::defaults(feed.as_str(), &directory)?;
        let tree = tree(&directory)?;
        for repo in &mut config.repositories {
            self.choose(repo)?;
            repo.latest_path = Some(tree.clone());
        }
        Ok(config)
    }

    fn choose(&self, repo: &mut Repository) -> Result<(), Failure> {
        let chosen = !(self.include.is_empty() && self.exclude.is_empty() && self.arch.is_empty()) || self.latest;
        repo.mode = match (self.mode, chosen) {
            (Some(Way::Mirror), true) => {
                return Err(
                    Failure::usage("--mode mirror keeps everything, so nothing can be chosen")
                        .hint("leave --mode away, or say --mode filtered"),
                );
            }
            (Some(Way::Mirror) | None, false) => Mode::Mirror,
            (Some(Way::Filtered), _) | (None, true) => Mode::Filtered,
        };
        for (option, patterns) in [("--include", &self.include), ("--exclude", &self.exclude)] {
            for pattern in patterns {
                regex::Regex::new(pattern)
                    .map_err(|error| Failure::usage(format!("{option} {pattern}")).because(&error))?;
            }
        }
        repo.filters.patterns_include.clone_from(&self.include);
        repo.filters.patterns_exclude.clone_from(&self.exclude);
        repo.filters.architectures.include.clone_from(&self.arch);
        repo.filters.latest = u32::from(self.latest);
        repo.publish.base_url.clone_from(&self.base_url);
        repo.guards.allow_rollback = self.allow_rollback;
        Ok(())
    }
}

/// The directory as a path below its parent, which is the published root.
fn tree(directory: &Path) -> Result<RelPath, Failure> {
    let refuse = |why: &str| Failure::usage(format!("{} cannot be mirrored into: {why}", directory.display()));
    let name = directory.file_name().ok_or_else(|| refuse("it has no name"))?;
    let name = name.to_str().ok_or_else(|| refuse("its name is no UTF-8"))?;
    RelPath::parse(name).map_err(|error| refuse("its name is not safe in a URL").because(&error))
}

/// The feed's URL; a directory that is there becomes a file URL.
fn feed(text: &str) -> Result<url::Url, Failure> {
    if let Ok(url) = text.parse::<url::Url>() {
        return if matches!(url.scheme(), "http" | "https" | "file") {
            Ok(url)
        } else {
            Err(Failure::usage(format!(
                "{}: a feed is an http, https or file URL, or a directory",
                url.scheme()
            )))
        };
    }
    let path = Path::new(text);
    let absolute = std::path::absolute(path).map_err(|error| Failure::file("use", path, &error))?;
    if !absolute.is_dir() {
        return Err(Failure::usage(format!("{text} is neither a URL nor a directory")));
    }
    url::Url::from_directory_path(&absolute).map_err(|()| Failure::usage(format!("{text} cannot be a URL")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_a_url_or_a_directory() {
        assert_eq!(feed("https://example.org/x").unwrap().as_str(), "https://example.org/x");
        let directory = tempfile::tempdir().unwrap();
        let url = feed(directory.path().to_str().unwrap()).unwrap();
        assert!(
            url.as_str().starts_with("file:///") && url.as_str().ends_with('/'),
            "{url}"
        );
        for text in ["ftp://example.org/", "/nonexistent/dir", "javascript:alert(1)", ""] {
            assert_eq!(feed(text).map_err(|failure| failure.code), Err(2), "{text}");
        }
    }
}
