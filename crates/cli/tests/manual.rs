//! Manual pages and completion scripts, for those who package the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use chantal_testkit::needs::{need, programs};
use support::Chantal;

/// The commands that a help text lists.
fn commands(chantal: &Chantal, path: &[&str]) -> Vec<String> {
    let mut words = path.to_vec();
    words.push("--help");
    let help = chantal.run_bare(&words).expect(0).stdout;
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    // Lines that go on are indented more than two columns.
    listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(first)
        .filter(|name| name != "help")
        .collect()
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let chantal = Chantal::new();
    let pages = chantal.path("man/man1");
    chantal.run_bare(&["man", pages.to_str().unwrap()]).expect(0);
    let names = names(&pages);
    let mut expected = vec!["chantal.1".to_owned()];
    for group in commands(&chantal, &[]) {
        expected.push(format!("chantal-{group}.1"));
        expected.extend(
            commands(&chantal, &[&group])
                .iter()
                .map(|verb| format!("chantal-{group}-{verb}.1")),
        );
    }
    assert!(expected.len() > 50, "{expected:?}");
    for page in &expected {
        assert!(names.contains(page), "{page} is missing: {names:?}");
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(text.contains(section), "{page} has no {section}");
        }
    }
    let sync = std::fs::read_to_string(pages.join("chantal-repo-sync.1")).unwrap();
    assert!(sync.contains("dry\\-run") || sync.contains("dry-run"), "{sync}");
    let list = std::fs::read_to_string(pages.join("chantal-package-list.1")).unwrap();
    assert!(list.contains("Examples:"), "{list}");
}

#[test]
fn pages_are_the_same_each_time_and_man_reads_them() {
    let chantal = Chantal::new();
    for directory in ["one", "two"] {
        chantal.run_bare(&["man", directory]).expect(0);
    }
    let (one, two) = (chantal.path("one"), chantal.path("two"));
    assert_eq!(names(&one), names(&two));
    for name in names(&one) {
        assert_eq!(
            std::fs::read(one.join(&name)).unwrap(),
            std::fs::read(two.join(&name)).unwrap(),
            "{name}"
        );
    }
    if !need(programs(&["groff"]), "groff") {
        return;
    }
    let page = one.join("chantal-pool-adopt.1");
    let output = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww"])
        .arg(page)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_help_names_the_pages_and_the_scripts() {
    let listed = commands(&Chantal::new(), &[]);
    for name in ["man", "completions"] {
        assert!(listed.iter().any(|one| one == name), "{name}: {listed:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_a_mistake_of_usage() {
    let chantal = Chantal::new();
    std::fs::write(chantal.path("file"), b"").unwrap();
    let told = chantal.run_bare(&["man", "file/man"]).expect(2).stderr;
    assert!(told.contains("file/man"), "{told}");
}

#[test]
fn completion_scripts_know_every_command_and_their_shells_read_them() {
    let chantal = Chantal::new();
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = chantal.run_bare(&["completions", shell]).expect(0).stdout;
        for word in ["required-by", "adopt", "dry-run", "repo-id"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        let file = chantal.path(shell);
        std::fs::write(&file, &script).unwrap();
        if need(programs(&[shell]), shell) {
            let output = Command::new(shell).args(check).arg(&file).output().unwrap();
            assert!(
                output.status.success(),
                "{shell}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}
