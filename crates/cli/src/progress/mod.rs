//! How far a task is, on stderr: bars, lines, JSON events or nothing.

mod bars;
mod json;
mod plain;

use std::io::IsTerminal;
use std::sync::Arc;

use chantal_model::{NoProgress, Progress, RepoId, Step};

use crate::output::human;
use crate::talk::Talk;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// Bars on a terminal, lines otherwise
    Auto,
    /// Bars
    Bar,
    /// Lines, at most one per second and step
    Plain,
    /// One JSON object per line
    Json,
    /// Nothing
    None,
}

impl Style {
    /// Settles `auto`, and what `--quiet` means.
    pub(crate) fn settle(self, quiet: bool) -> Self {
        match self {
            Self::Auto if quiet => Self::None,
            Self::Auto if std::io::stderr().is_terminal() => Self::Bar,
            Self::Auto => Self::Plain,
            chosen => chosen,
        }
    }
}

/// What progress is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// The repository, where the work is on one.
    pub(crate) repo: Option<RepoId>,
    /// Room for its name in front of people's lines; 0 where it is the only one.
    pub(crate) width: usize,
}

impl About {
    /// A line with the repository in front where there are several.
    fn line(&self, text: &str) -> String {
        match &self.repo {
            Some(repo) if self.width > 0 => format!("{repo}: {text}"),
            _ => text.to_owned(),
        }
    }

    /// The same, as wide for each repository.
    fn column(&self, text: &str) -> String {
        match &self.repo {
            Some(repo) if self.width > 0 => format!("{:width$}  {text}", repo.as_str(), width = self.width),
            _ => text.to_owned(),
        }
    }
}

/// Makes the port that the engine reports to.
pub(crate) fn port(style: Style, talk: &Arc<Talk>, about: About) -> Arc<dyn Progress> {
    match style {
        Style::Bar => Arc::new(bars::Bars::new(talk.clone(), about)),
        Style::Json => Arc::new(json::Events::new(talk.clone(), about)),
        Style::None => Arc::new(NoProgress),
        Style::Auto | Style::Plain => Arc::new(plain::Lines::new(talk.clone(), about)),
    }
}

/// What a step counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Packages,
    Files,
    None,
}

impl Unit {
    fn amount(self, number: u64) -> String {
        match self {
            Self::Bytes => human::bytes(number),
            Self::Packages => human::counted(number, "package"),
            Self::Files => human::counted(number, "file"),
            Self::None => String::new(),
        }
    }
}

fn index(step: Step) -> usize {
    Step::ALL.iter().position(|one| *one == step).unwrap_or_default()
}

fn label(step: Step) -> (&'static str, Unit) {
    match step {
        Step::Metadata => ("reading metadata", Unit::Bytes),
        Step::Select => ("choosing packages", Unit::Packages),
        Step::Download => ("fetching packages", Unit::Bytes),
        Step::Record => ("recording", Unit::Packages),
        Step::Render => ("generating metadata", Unit::Packages),
        Step::Add => ("linking files", Unit::Files),
        Step::Switch => ("switching", Unit::None),
        Step::Prune => ("removing old files", Unit::Files),
        Step::Adopt => ("reading files", Unit::Bytes),
        Step::Collect => ("removing what nothing needs", Unit::Files),
        Step::Verify => ("reading blobs", Unit::Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_place_of_its_own_and_one_word_everywhere() {
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(index(step), place);
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
            assert_eq!(Step::from_name(step.name()), Some(step));
        }
    }

    #[test]
    fn the_repository_is_in_front_where_there_are_several() {
        let about = |repo: &str, width| About {
            repo: repo.parse().ok(),
            width,
        };
        assert_eq!(about("el9", 0).line("recording"), "recording");
        assert_eq!(about("el9", 5).line("recording"), "el9: recording");
        assert_eq!(about("el9", 5).column("recording"), "el9    recording");
        assert_eq!(About::default().column("recording"), "recording");
    }

    #[test]
    fn quiet_means_no_progress_unless_it_is_asked_for() {
        assert_eq!(Style::Auto.settle(true), Style::None);
        assert_eq!(Style::Json.settle(true), Style::Json);
    }
}
