//! `docs/regressions.md` names tests that exist.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use chantal_testkit::needs::workspace;

/// What is wrong with a table of bugs and the tests that notice them.
fn wrong(text: &str, root: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [bug, lesson, tests] = cells[..] else {
            wrong.push(format!("not three cells: {line}"));
            continue;
        };
        if bug == "bug" || bug.starts_with("---") || tests.starts_with("*not built*: ") {
            continue;
        }
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("no test for {bug}, {lesson}"));
        }
        wrong.extend(
            named
                .into_iter()
                .filter(|test| !exists(test, root))
                .map(|test| format!("no test {test} for {bug}, {lesson}")),
        );
    }
    wrong
}

/// Whether `file::function` is a test: plain, of tokio, or a property.
fn exists(test: &str, root: &Path) -> bool {
    let Some((file, function)) = test.split_once("::") else {
        return false;
    };
    let Ok(source) = std::fs::read_to_string(root.join(file)) else {
        return false;
    };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_function = |line: &str| {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("async ");
        line.strip_prefix("fn ")
            .is_some_and(|rest| rest.starts_with(&format!("{function}(")))
    };
    let Some(at) = lines.iter().position(|line| is_function(line)) else {
        return false;
    };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    attributes
        .into_iter()
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

#[test]
fn every_bug_of_the_table_has_tests_that_exist() {
    let root = workspace();
    let text = std::fs::read_to_string(root.join("docs/regressions.md")).unwrap();
    assert!(text.lines().filter(|line| line.starts_with("| ")).count() > 50);
    assert_eq!(wrong(&text, &root), Vec::<String>::new());
}

#[test]
fn a_test_that_is_gone_is_noticed() {
    let line = |test: &str| format!("| #1 | a lesson | {test} |");
    let here = "`crates/testkit/tests/regressions.rs::a_test_that_is_gone_is_noticed`";
    assert_eq!(wrong(&line(here), &workspace()), Vec::<String>::new());
    for gone in [
        "`crates/testkit/tests/regressions.rs::nowhere`",
        "`crates/testkit/tests/regressions.rs::exists`",
        "`crates/nowhere.rs::a_test_that_is_gone_is_noticed`",
        "`nowhere`",
        "none",
    ] {
        assert_eq!(wrong(&line(gone), &workspace()).len(), 1, "{gone}");
    }
}
