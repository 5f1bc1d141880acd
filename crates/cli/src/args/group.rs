//! The command line of one group alone.
//!
//! Making the descriptions of all verbs takes longer than a verb that finds nothing to do. What parses with one group
//! alone parses the same with all of them; whatever does not is parsed again with all, which know what to say.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches, Subcommand};

use super::{Cli, Globals};
use crate::commands;

/// Global options that take a value.
const WITH_VALUE: [&str; 4] = ["--config", "--format", "--color", "--progress"];
/// Those that do not, but for short ones that are joined.
const WITHOUT_VALUE: [&str; 8] = ["--verbose", "--quiet", "-v", "-q", "-vv", "-vvv", "-vq", "-qv"];

/// Parses words that name a group which has verbs; nothing if they do not, or are not right.
pub(crate) fn parsed(words: &[OsString]) -> Option<Cli> {
    let alone = command(group_of(words)?)?;
    let matches = alone.try_get_matches_from(words).ok()?;
    Cli::from_arg_matches(&matches).ok()
}

/// The first word that is neither a global option nor its value.
fn group_of(words: &[OsString]) -> Option<&str> {
    let mut words = words.iter().skip(1);
    loop {
        let word = words.next()?.to_str()?;
        let is_joined = || WITH_VALUE.iter().any(|name| word.starts_with(&format!("{name}=")));
        if WITH_VALUE.contains(&word) {
            words.next()?;
        } else if !WITHOUT_VALUE.contains(&word) && !is_joined() {
            return Some(word).filter(|word| !word.starts_with('-'));
        }
    }
}

fn command(group: &str) -> Option<Command> {
    let verbs: fn(Command) -> Command = match group {
        "config" => commands::config::Config::augment_subcommands,
        "repo" => commands::repo::Repo::augment_subcommands,
        "snapshot" => commands::snapshot::Snapshot::augment_subcommands,
        "publish" => commands::publish::Publish::augment_subcommands,
        "package" => commands::package::Package::augment_subcommands,
        "pool" => commands::pool::Pool::augment_subcommands,
        "cache" => commands::cache::Cache::augment_subcommands,
        "db" => commands::db::Db::augment_subcommands,
        "scheduler" => commands::scheduler::Scheduler::augment_subcommands,
        "task" => commands::task::Task::augment_subcommands,
        "notify" => commands::notify::Notify::augment_subcommands,
        _ => return None,
    };
    let group = verbs(Command::new(group.to_owned())).subcommand_required(true);
    Some(Globals::augment_args(Command::new("chantal")).subcommand(group))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    /// Every example of the help of every verb, below `command`.
    fn examples(command: &Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().map(str::trim).filter(|line| line.starts_with("chantal "));
        found.extend(lines.map(|line| line.split("  ").next().unwrap_or_default().to_owned()));
        command.get_subcommands().for_each(|verb| examples(verb, found));
    }

    #[test]
    fn one_group_alone_parses_as_all_do() {
        let mut lines = Vec::new();
        examples(&Cli::command(), &mut lines);
        assert!(lines.len() > 30, "{lines:?}");
        lines.extend(
            [
                "chantal --config c.yaml -v repo sync a b --publish",
                "chantal --format=json --quiet repo list",
                "chantal repo sync --all --workers 3 --progress json -vv",
                "chantal --color never --progress=none config show",
                "chantal snapshot create r --name s",
                "chantal publish repo r",
                "chantal cache stats",
            ]
            .map(str::to_owned),
        );
        let mut seen = std::collections::BTreeSet::new();
        for line in lines {
            // Quoted words are for a shell.
            let words = words(&line);
            let Ok(all) = Cli::try_parse_from(&words) else {
                continue;
            };
            let Some(group) = group_of(&words).filter(|group| command(group).is_some()) else {
                continue;
            };
            let alone = parsed(&words).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(format!("{alone:?}"), format!("{all:?}"), "{line}");
            seen.insert(group.to_owned());
        }
        let is_group = |command: &&Command| command.has_subcommands() && command.get_name() != "stats";
        let mut cli = Cli::command();
        cli.build();
        let groups = cli.get_subcommands().filter(is_group).map(Command::get_name);
        let groups = groups.filter(|name| *name != "help").map(str::to_owned);
        assert_eq!(seen, groups.collect());
    }

    #[test]
    fn what_is_not_right_is_left_to_all() {
        for line in [
            "chantal",
            "chantal repo",
            "chantal repo --help",
            "chantal --help",
            "chantal --version",
            "chantal repo sync --nonsense",
            "chantal nonsense",
            "chantal --nonsense repo list",
            "chantal --config",
            "chantal -- repo list",
            "chantal --color purple repo list",
            "chantal --quiet --verbose repo list",
        ] {
            assert!(parsed(&words(line)).is_none(), "{line}");
            assert!(Cli::try_parse_from(words(line)).is_err(), "{line}");
        }
    }
}
