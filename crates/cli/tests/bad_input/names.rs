//! Names that must not become paths, and texts that must not reach a terminal.

use chantal_testkit::chantal::finish;
use chantal_testkit::corpus::names::acts;
use chantal_testkit::corpus::{Draw, Row, names, settings};

use crate::bench::{Bench, none_is, variants};

/// Commands that show what upstream says.
const SHOWING: [&[&str]; 8] = [
    &["package", "list", "r"],
    &["package", "search", "hello"],
    &["package", "show", "hello-chantal"],
    &["snapshot", "content", "r", "latest"],
    &["repo", "show", "r"],
    &["repo", "history", "r"],
    &["--format", "csv", "package", "list", "r"],
    &["--format", "yaml", "package", "list", "r"],
];

/// What a command writes on a terminal.
fn on_a_terminal(bench: &Bench, arguments: &[&str]) -> String {
    let command = bench.chantal.command(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    script.env("NO_COLOR", "1").env("HOME", bench.chantal.path());
    let ran = finish(script.stdin(std::process::Stdio::null())).ok();
    ran.stdout + &ran.stderr
}

#[test]
fn no_text_of_upstream_acts_on_a_terminal() {
    if !chantal_testkit::needs::need(chantal_testkit::needs::program("script").is_some(), "script") {
        return;
    }
    let row: Row = names::K06;
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let variant = row.variant(seed);
        wrong.extend(bench.judge(&variant).err());
        for command in SHOWING {
            let said = on_a_terminal(&bench, command).replace('\r', "");
            assert!(
                said.contains("hello-chantal") || said.contains("r2"),
                "{command:?}: {said}"
            );
            if let Some(c) = said.chars().find(|c| acts(*c)) {
                wrong.push(format!(
                    "seed {seed}: {}: {command:?} says {c:?}:\n{said}",
                    variant.what
                ));
            }
        }
    }
    none_is(&wrong);
}

#[test]
fn names_on_the_command_line_never_become_paths() {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    let before = chantal_testkit::tree::digests(&bench.chantal.published()).unwrap();
    for seed in 0..variants().max(21) {
        let name = settings::bad_name(&mut Draw::new(seed, seed));
        // A snapshot may have a longer name than a repository.
        let name = if name.len() == 65 { name.repeat(2) } else { name };
        for command in [
            vec!["snapshot", "create", "r", "--name", &name],
            vec!["snapshot", "delete", "r", &name],
            vec!["repo", "sync", &name],
            vec!["publish", "repo", &name],
            vec!["publish", "snapshot", "r", "--snapshot", &name],
            vec!["repo", "sync", "r", "--force", "--snapshot-name", &name],
        ] {
            let ran = bench.run(&command);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let acting = said.chars().find(|c| acts(*c));
            if ran.code != 2 || said.contains("panicked") || acting.is_some() {
                wrong.push(format!(
                    "seed {seed}: {command:.200?} gives {}, {acting:?}:\n{said:.500}",
                    ran.code
                ));
            }
        }
    }
    none_is(&wrong);
    assert_eq!(
        chantal_testkit::tree::digests(&bench.chantal.published()).unwrap(),
        before
    );
}
