//! Queries through the binary: what is found, who needs what, and numbers that are counted again by other means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use chantal_testkit::repository::Repository;
use chantal_testkit::rpm::Rpm;
use serde_json::{Value, json};
use support::{Chantal, Ran, repository};

/// `el9` with the sample repository, synced.
fn sample() -> Chantal {
    synced(&[("el9", &Repository::sample())])
}

fn synced(repositories: &[(&str, &Repository)]) -> Chantal {
    let chantal = Chantal::new();
    let mut text = String::new();
    for (id, made) in repositories {
        let directory = chantal.path(&format!("feed-{id}"));
        made.write_to(&directory).unwrap();
        text += &repository(id, &format!("file://{}/", directory.display()), "");
    }
    chantal.configure(&text);
    chantal.run(&["init"]).expect(0);
    for (id, _) in repositories {
        chantal.run(&["repo", "sync", id]).expect(0);
    }
    chantal
}

fn labels(rows: &Value) -> Vec<String> {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| format!("{}-{}.{}", word(row, "name"), word(row, "version"), word(row, "arch")))
        .collect()
}

fn listed(chantal: &Chantal, words: &[&str]) -> Vec<String> {
    let mut all = vec!["package", "list", "--format", "json"];
    all.extend(words);
    labels(&chantal.run(&all).expect(0).json("package-list"))
}

#[test]
fn queries_find_what_all_their_terms_mean() {
    let chantal = sample();
    for (query, expected) in [
        ("name=libgreet", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version=1:1.2", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version>1:1.2", vec![]),
        ("name=libgreet version>9", vec![]),
        ("name=libgreet version>0:9", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version<9", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version=1.2", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version=0:1.2", vec![]),
        ("name=libgreet version~1.2*", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version~1:1.2*", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet version!~1.*", vec![]),
        ("0.9~rc1", vec!["greet-tools-0.9~rc1-1.el9.noarch"]),
        ("name=hello-chantal arch=src", vec!["hello-chantal-1.0-1.el9.src"]),
        ("name~greet* arch!=x86_64", vec!["greet-tools-0.9~rc1-1.el9.noarch"]),
        ("name~greet-* version<0.9", vec!["greet-tools-0.9~rc1-1.el9.noarch"]),
        ("name=greeter version>=2", vec!["greeter-2.5-1.module_el9+2.x86_64"]),
        ("path~*/hello-chantal-doc*", vec!["hello-chantal-doc-1.0-1.el9.noarch"]),
        ("name=libgreet size>1", vec!["libgreet-1:1.2-3.el9.x86_64"]),
        ("name=libgreet size>1G", vec![]),
        ("repo=el9 name=libgreet", vec!["libgreet-1:1.2-3.el9.x86_64"]),
    ] {
        assert_eq!(listed(&chantal, &["el9", query]), expected, "{query}");
        assert_eq!(listed(&chantal, &["--repo-id", "el9", query]), expected, "{query}");
        assert_eq!(listed(&chantal, &[query]), expected, "{query}");
    }
    let words = ["package", "search", "greeter", "el9", "version<2", "--format", "json"];
    let found = chantal.run(&words).expect(0).json("package-list");
    assert_eq!(labels(&found), ["greeter-1.5-1.module_el9+1.x86_64"]);
    let shown = ["package", "show", "name~greeter version>2", "--format", "json"];
    let shown = chantal.run(&shown).expect(0).json("package-show");
    assert_eq!(labels(&shown), ["greeter-2.5-1.module_el9+2.x86_64"]);
    assert_eq!(shown[0]["repositories"], json!(["el9"]));
}

#[test]
fn packages_are_named_as_they_are_listed_and_versions_may_leave_parts_out() {
    let chantal = sample();
    for name in [
        "libgreet",
        "libgreet-1.2-3.el9.x86_64",
        "libgreet-1:1.2-3.el9.x86_64",
        "greet-tools-0.9~rc1-1.el9.noarch",
        "greet-tools-0:0.9~rc1-1.el9.noarch",
    ] {
        let words = [
            "repo",
            "sync",
            "el9",
            "--dry-run",
            "--explain",
            name,
            "--format",
            "json",
        ];
        let plans = chantal.run(&words).expect(0).json("repo-sync-plan");
        let explained = plans[0]["result"]["explained"].as_array().unwrap();
        assert_eq!(explained.len(), 1, "{name}: {explained:?}");
    }
    for name in ["libgreet-2:1.2-3.el9.x86_64", "nothing"] {
        let told = chantal.run(&["repo", "sync", "el9", "--dry-run", "--explain", name]);
        let told = told.expect(2).stderr;
        assert!(told.contains("is listed") && told.contains("hint:"), "{name}: {told}");
    }
    for (ident, expected) in [
        ("libgreet@1:1.2", GREET),
        ("libgreet@1:1.2-3.el9", GREET),
        ("libgreet@1.2", GREET),
        ("libgreet-1:1.2-3.el9.x86_64", GREET),
        ("libgreet-1.2-3.el9.x86_64", GREET),
        ("greet-tools@0.9~rc1", TOOLS),
        ("greet-tools@0.9~rc1-1.el9", TOOLS),
        ("greet-tools-0.9~rc1-1.el9.noarch", TOOLS),
    ] {
        let shown = chantal.run(&["package", "show", ident, "--format", "json"]);
        assert_eq!(labels(&shown.expect(0).json("package-show")), [expected], "{ident}");
        chantal.run(&["package", "deps", ident]).expect(0);
        chantal.run(&["package", "required-by", ident, "el9"]).expect(0);
    }
    for ident in [
        "libgreet@1:1.3",
        "libgreet@0:1.2",
        "nothing@1",
        "libgreet-0:1.2-3.el9.x86_64",
        "libgreet-1.2-3.el9.noarch",
    ] {
        for verb in ["show", "deps", "required-by"] {
            let told = chantal.run(&["package", verb, ident]).expect(2).stderr;
            assert!(told.contains(&format!("no package {ident}")), "{told}");
        }
    }
}

#[test]
fn a_limit_cuts_after_sorting() {
    let chantal = sample();
    let all = listed(&chantal, &["el9"]);
    assert_eq!(listed(&chantal, &["el9", "--limit", "3"]), all[..3]);
    assert_eq!(all.len(), 7, "{all:?}");
    for (limit, told) in [
        ("6", "6 packages, and there are more"),
        ("7", "7 packages\n"),
        ("0", "0 packages, and"),
    ] {
        let said = chantal
            .run(&["package", "list", "el9", "--limit", limit])
            .expect(0)
            .stderr;
        assert!(said.contains(told), "{limit}: {said}");
    }
    // Paths begin with the name, so that another order would show: the newer stream of two comes second.
    assert_eq!(
        all[1..3],
        ["greeter-1.5-1.module_el9+1.x86_64", "greeter-2.5-1.module_el9+2.x86_64"]
    );
}

#[test]
fn rules_choose_repositories_and_a_snapshot_needs_one() {
    let chantal = synced(&[("el9", &Repository::sample()), ("el8", &Repository::sample_v2())]);
    assert_eq!(listed(&chantal, &["name=greet-tools"]).len(), 2);
    assert_eq!(listed(&chantal, &["name=greet-tools", "--pattern", "*9"]).len(), 1);
    assert_eq!(listed(&chantal, &["name=greet-tools", "el8", "el9"]).len(), 2);
    chantal.run(&["snapshot", "create", "el9", "--name", "may"]).expect(0);
    assert_eq!(
        listed(&chantal, &["name=greet-tools", "el9", "--snapshot", "may"]).len(),
        1
    );
    let refused = chantal.run(&["package", "list", "--snapshot", "may"]).expect(2);
    assert!(
        refused.stderr.contains("--snapshot needs a repository"),
        "{}",
        refused.stderr
    );
    chantal.run(&["package", "list", "nothing"]).expect(2);
}

#[test]
fn a_query_that_is_none_says_at_which_column() {
    let chantal = sample();
    let told = chantal.run(&["package", "list", "name=x  versoin>1"]).expect(2).stderr;
    assert!(
        told.contains("column 9 of the query \"name=x  versoin>1\": expected one of name, version, arch"),
        "{told}"
    );
    assert!(told.contains("hint: a query is such as"), "{told}");
    let failed = chantal
        .run(&["package", "deps", "name>x", "el9", "--format", "json"])
        .expect(2);
    assert!(failed.error()["message"].as_str().unwrap().contains("column 5"));
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_could_be() {
    let chantal = sample();
    let feed = format!("file://{}/", chantal.path("feed-el9").display());
    chantal.configure(&(repository("el9", &feed, "") + &repository("empty", &feed, "")));
    for (words, told) in [
        (&["list", "name=a OR name=b"][..], "\"OR\" in quotes is a text"),
        (&["list", "version>=1.20,name=x"], "with a blank between them"),
        (&["list", "repo=nope"], "no repository nope in the configuration"),
        (&["show", "repo=nope"], "no repository nope in the configuration"),
        (&["deps", "repo=nope"], "no repository nope in the configuration"),
        (&["list", "repo=empty"], "repository empty was never synced"),
        (&["search", ""], "expected a name or a query"),
        (&["show", " "], "expected a name or a query"),
        (
            &["list", "el9", "nginx"],
            "a package is `name=nginx`, or a text `*nginx*`",
        ),
        (&["search", "nginx", "1.22"], "a package is `name=1.22`"),
        (&["show", "nam=x"], "expected one of name, version"),
    ] {
        let refused = chantal.run(&[&["package"], words].concat()).expect(2).stderr;
        assert!(refused.contains(told), "{words:?}: {refused}");
    }
}

#[test]
fn packages_are_described_in_the_order_of_their_versions() {
    let chantal = Chantal::new();
    let directory = chantal.path("feed");
    let tool = |version: &str| Rpm::new("tool", version, "1", "noarch");
    let all = Repository::new().with(tool("10")).with(tool("9")).with(tool("2"));
    all.with(tool("1")).write_to(&directory).unwrap();
    chantal.configure(&repository("r", &format!("file://{}/", directory.display()), ""));
    chantal.run(&["init"]).expect(0);
    chantal.run(&["repo", "sync", "r"]).expect(0);
    let expected = [
        "tool-1-1.noarch",
        "tool-2-1.noarch",
        "tool-9-1.noarch",
        "tool-10-1.noarch",
    ];
    for ident in ["tool", "name=tool"] {
        let shown = chantal.run(&["package", "show", ident, "--format", "json"]).expect(0);
        assert_eq!(labels(&shown.json("package-show")), expected, "{ident}");
    }

    std::fs::remove_dir_all(&directory).unwrap();
    Repository::new().with(tool("10")).write_to(&directory).unwrap();
    chantal.run(&["repo", "sync", "r", "--force-removals"]).expect(0);
    let shown = chantal.run(&["package", "show", "tool@9"]).expect(0).stdout;
    for part in [
        "Only in older revisions of  r\n",
        "Path ",
        "tool-9-1.noarch.rpm",
        "Summary ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = chantal.run(&["package", "show", "tool@10"]).expect(0).stdout;
    assert!(!shown.contains("older"), "{shown}");
}

fn needs(ran: &Ran) -> Vec<(String, String, Vec<String>)> {
    let rows = ran.json("package-deps");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let providers = row["providers"].as_array().unwrap().iter().map(text).collect();
            (text(&row["requirement"]), text(&row["status"]), providers)
        })
        .collect()
}

fn need(requirement: &str, status: &str, providers: &[&str]) -> (String, String, Vec<String>) {
    let providers = providers.iter().map(ToString::to_string).collect();
    (requirement.into(), status.into(), providers)
}

const HELLO: &str = "hello-chantal-1.0-1.el9.x86_64";
const GREET: &str = "libgreet-1:1.2-3.el9.x86_64";
const TOOLS: &str = "greet-tools-0.9~rc1-1.el9.noarch";

#[test]
fn dependencies_are_resolved_by_version_file_and_alternative() {
    let chantal = sample();
    let ask = |words: &[&str]| {
        let mut all = vec!["--format", "json", "package", "deps"];
        all.extend(words);
        chantal.run(&all).expect(0)
    };
    let tools = needs(&ask(&["greet-tools"]));
    assert!(
        tools.contains(&need("/usr/bin/hello-chantal", "provided", &[HELLO])),
        "{tools:?}"
    );
    let rich = tools
        .iter()
        .find(|(text, _, _)| text == "(libgreet or hello-chantal)")
        .unwrap();
    assert_eq!(rich.1, "provided");
    assert!(
        rich.2.contains(&GREET.to_owned()) && rich.2.contains(&HELLO.to_owned()),
        "{rich:?}"
    );
    let hello = needs(&ask(&["name=hello-chantal arch=x86_64 version=1.0", "el9"]));
    assert!(
        hello.contains(&need("libgreet >= 1:1.2", "provided", &[GREET])),
        "{hello:?}"
    );
    let conflicts = needs(&ask(&["greet-tools", "--kind", "conflicts"]));
    assert_eq!(conflicts, [need("ancient-greet <= 0.1-1", "absent", &[])]);
    let weak = needs(&ask(&["libgreet", "--kind", "recommends,suggests"]));
    assert_eq!(
        weak,
        [need(
            "hello-chantal-doc",
            "provided",
            &["hello-chantal-doc-1.0-1.el9.noarch"]
        )]
    );

    for (kinds, told) in [
        ("conflicts", "1 other relation, 1 that no package matches"),
        (
            "requires,conflicts",
            "0 that no package provides; 1 other relation, 1 that no package matches",
        ),
    ] {
        let said = chantal
            .run(&["package", "deps", "greet-tools", "--kind", kinds])
            .expect(0)
            .stderr;
        assert!(said.contains(told), "{said}");
    }
    let table = chantal.run(&["package", "deps", "greet-tools", "el9"]).expect(0);
    assert!(table.stdout.contains("(libgreet or hello-chantal)"), "{}", table.stdout);
    chantal.run(&["package", "deps", "nothing", "el9"]).expect(2);
}

#[test]
fn what_nobody_provides_is_marked_and_another_repository_may_provide_it() {
    let chantal = synced(&[
        ("apps", &Repository::sample().without("libgreet")),
        (
            "base",
            &Repository::sample().without("greet-tools").without("hello-chantal"),
        ),
    ]);
    let ask = |words: &[&str]| {
        let mut all = vec!["--format", "json", "package", "deps", "name=hello-chantal arch=x86_64"];
        all.extend(words);
        needs(&chantal.run(&all).expect(0))
    };
    assert!(ask(&["apps"]).contains(&need("libgreet >= 1:1.2", "missing", &[])));
    assert_eq!(ask(&["apps", "--missing"]), [need("libgreet >= 1:1.2", "missing", &[])]);
    let elsewhere = format!("base/{GREET}");
    assert!(ask(&["apps", "base"]).contains(&need("libgreet >= 1:1.2", "provided", &[&elsewhere])));
    assert!(ask(&[]).contains(&need("libgreet >= 1:1.2", "missing", &[])));
}

#[test]
fn dependents_are_found_by_name_capability_and_file() {
    let chantal = sample();
    let ask = |package: &str| {
        let words = ["--format", "json", "package", "required-by", package, "el9"];
        let rows = chantal.run(&words).expect(0).json("package-required-by");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            (
                text(&row["package"]),
                text(&row["requirement"]),
                row["provided_by"].clone(),
            )
        })
        .collect::<Vec<_>>()
    };
    let tools = "greet-tools-0.9~rc1-1.el9.noarch".to_owned();
    let hello = ask("name=hello-chantal arch=x86_64 version=1.0");
    assert!(
        hello.contains(&(tools.clone(), "/usr/bin/hello-chantal".into(), json!([HELLO]))),
        "{hello:?}"
    );
    assert!(
        hello.contains(&(tools, "(libgreet or hello-chantal)".into(), json!([HELLO]))),
        "{hello:?}"
    );
    let greet = ask("libgreet");
    assert!(
        greet.contains(&(HELLO.into(), "libgreet >= 1:1.2".into(), json!([GREET]))),
        "{greet:?}"
    );
    assert_eq!(ask("greet-tools"), []);
}
