//! `docs/reference/cli.md`, generated from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use crate::args::Cli;

const INTRODUCTION: &str = "\
# Command line

This page is generated from the program (`make docs`). Data go to stdout, everything else to stderr. Every listing knows
`--format table|json|csv|yaml`; the schemas of the JSON forms are in [json/](json/). Without `--format`, commands that
change something write no data. CSV has the names of JSON as its header; an answer with several lists is one CSV, whose
column `section` says which list a row is of (`summary`: none of them). `$CHANTAL_LOG` sets what is logged, such as
`debug` or `chantal_fetch=debug`.

Repositories are named (`REPO …`, or `--repo-id REPO`, which is the same) or chosen by a rule: `--all`, `--pattern`,
`--tag` and `--type`, which narrow each other down and skip repositories with `enabled: false`. One that fails does not
stop the others. If all end with one exit code, that is the exit code; otherwise it is 9.

With `--progress json`, each line of stderr is one JSON object ([schema](json/event.schema.json)): how far steps are,
messages, warnings, errors and what is logged. `repo` names the repository that an event is about.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | ok |
| 1 | internal error |
| 2 | usage or configuration |
| 3 | upstream unreachable; a later try may help |
| 4 | verification refused: digest, size, signature, a feed that goes back in time |
| 5 | malformed upstream data |
| 6 | a limit was hit: disk, inodes, a bomb, more packages dropped than allowed |
| 7 | busy: another process is at work on it |
| 8 | the local store is damaged or read-only, or the server of its database cannot be reached |
| 9 | finished, but something was left out; each is named |
| 10 | differences found, with `--exit-code` |
| 130, 143 | stopped by SIGINT, SIGTERM; what was recorded and served is as it was |
";

fn reference() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n## Global options\n\n");
    arguments(
        &mut text,
        command
            .get_arguments()
            .filter(|arg| arg.get_id() != "help" && arg.get_id() != "version"),
    );
    for child in command
        .get_subcommands()
        .filter(|child| child.get_name() != "help" && !child.is_hide_set())
    {
        section(&mut text, "chantal", child, 2);
    }
    text
}

fn section(text: &mut String, parent: &str, command: &Command, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let _ = write!(text, "\n{} {name}\n\n", "#".repeat(level));
    let about = command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    let _ = writeln!(text, "{}", about.trim_end());
    let aliases: Vec<_> = command
        .get_visible_aliases()
        .map(|alias| format!("`{parent} {alias}`"))
        .collect();
    if !aliases.is_empty() {
        let _ = write!(text, "\nAlias: {}\n", aliases.join(", "));
    }
    let children: Vec<_> = command
        .get_subcommands()
        .filter(|child| child.get_name() != "help" && !child.is_hide_set())
        .collect();
    if children.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(text, "\n```\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
        let own: Vec<&Arg> = command
            .get_arguments()
            .filter(|arg| !arg.is_global_set() && arg.get_id() != "help")
            .collect();
        if !own.is_empty() {
            text.push('\n');
            arguments(text, own.into_iter());
        }
        if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
            let _ = write!(text, "\n```text\n{}\n```\n", more.to_string().trim_end());
        }
    }
    for child in children {
        section(text, &name, child, level + 1);
    }
}

fn arguments<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | meaning |\n| --- | --- |\n");
    for arg in arguments.filter(|arg| !arg.is_hide_set()) {
        let help = arg
            .get_long_help()
            .or(arg.get_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let default: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let mut meaning = help.split_whitespace().collect::<Vec<_>>().join(" ");
        if arg.get_action().takes_values() && !values.is_empty() {
            let _ = write!(meaning, ": {}", values.join(", "));
        }
        if arg.get_action().takes_values() && !default.is_empty() {
            let _ = write!(meaning, " (default `{}`)", default.join(" "));
        }
        let _ = writeln!(text, "| `{}` | {} |", shape(arg), meaning.replace('|', "\\|"));
    }
}

fn shape(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let value = arg
        .get_value_names()
        .map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .unwrap_or_default();
    match (arg.get_short(), arg.get_long()) {
        (None, None) => value,
        (short, long) => {
            let mut names: Vec<String> = short.map(|short| format!("-{short}")).into_iter().collect();
            names.extend(long.map(|long| format!("--{long}")));
            let optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
            match (takes, optional) {
                (true, true) => format!("{}[={value}]", names.join(", ")),
                (true, false) => format!("{} {value}", names.join(", ")),
                (false, _) => names.join(", "),
            }
        }
    }
}

#[test]
fn the_reference_of_the_command_line_is_generated() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let text = reference();
    if std::env::var_os("CHANTAL_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/reference/cli.md is stale: `make docs` writes it anew"
    );
}

/// The help of a command, as wide as a terminal of 100 columns.
fn help(words: &[&str]) -> String {
    let mut command = Cli::command().term_width(100).color(clap::ColorChoice::Never);
    command.build();
    let mut found = &mut command;
    for word in words {
        found = found.find_subcommand_mut(word).unwrap();
    }
    let text = found.render_help().to_string();
    // The global options are the same everywhere and are in the first one.
    match (words.is_empty(), text.split_once("\nGlobal options:")) {
        (false, Some((own, _))) => own.to_owned(),
        _ => text,
    }
}

macro_rules! help_is_as_written {
    ($($test:ident: $($word:literal)*;)*) => {$(
        #[test]
        fn $test() {
            let words: &[&str] = &[$($word),*];
            insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(stringify!($test), help(words));
            });
        }
    )*};
}

help_is_as_written! {
    help_of_chantal: ;
    help_of_config: "config";
    help_of_repo: "repo";
    help_of_repo_sync: "repo" "sync";
    help_of_repo_check_updates: "repo" "check-updates";
    help_of_repo_sync_status: "repo" "sync-status";
    help_of_repo_history: "repo" "history";
    help_of_repo_retire: "repo" "retire";
    help_of_repo_delete: "repo" "delete";
    help_of_snapshot: "snapshot";
    help_of_snapshot_diff: "snapshot" "diff";
    help_of_publish: "publish";
    help_of_publish_switch: "publish" "switch";
    help_of_package: "package";
    help_of_pool: "pool";
    help_of_cache: "cache";
    help_of_db: "db";
    help_of_mirror: "mirror";
    help_of_task: "task";
    help_of_task_cancel: "task" "cancel";
}
