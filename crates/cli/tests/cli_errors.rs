//! Each exit code, and what is told beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use support::{Chantal, feed, ran, repository};

#[test]
fn help_and_version_go_to_stdout_with_exit_0() {
    let chantal = Chantal::new();
    let version = chantal.run_bare(&["--version"]).expect(0);
    assert_eq!(version.stdout, format!("chantal {}\n", env!("CARGO_PKG_VERSION")));
    for words in [
        &["--help"][..],
        &["repo", "sync", "--help"],
        &["help", "publish", "repo"],
    ] {
        let help = chantal.run_bare(words).expect(0);
        assert!(
            help.stdout.contains("Usage: chantal") && help.stderr.is_empty(),
            "{words:?}: {help:?}"
        );
    }
}

#[test]
fn a_mistake_in_the_command_line_is_exit_2_on_stderr() {
    let chantal = Chantal::with(&repository("el9", "http://127.0.0.1:1/", ""));
    for words in [
        &["nonsense"][..],
        &["repo", "list", "--nonsense"],
        &["repo", "list", "--format", "xml"],
        &["-v", "-q", "repo", "list"],
        &["repo", "sync"],
        &["repo", "sync", "el9", "--all"],
        &["repo", "sync", "--pattern", "a{"],
        &["repo", "sync", "--tag", "no-such-tag"],
        &["repo", "sync", "el9", "--wait=soon"],
        &["repo", "sync", "el9", "--snapshot-name", "latest"],
        &["repo", "show", "../etc"],
        &["snapshot", "diff", "el9", "only-one"],
        &["snapshot", "create", "el9", "--name", "r12"],
        &["publish", "switch", "el9"],
        &["publish", "switch", "el9", "--latest", "--snapshot", "x"],
        &["cache", "clear"],
        &["package", "list", "--snapshot", "x"],
        &["mirror", "ftp://example.org/", "x"],
        &["mirror", "--mode", "mirror", "--latest", "http://127.0.0.1:1/", "x"],
        &["mirror", "--include", "(", "http://127.0.0.1:1/", "x"],
    ] {
        let told = chantal.run(words).expect(2);
        assert!(
            told.stdout.is_empty() && told.stderr.starts_with("error: "),
            "{words:?}: {told:?}"
        );
    }
}

#[test]
fn mistakes_are_told_as_json_when_that_is_the_format() {
    let chantal = Chantal::new();
    let mistake = chantal.run_bare(&["repo", "lst", "--format", "json"]).expect(2).error();
    assert!(mistake["message"].as_str().unwrap().contains("lst"), "{mistake}");
    let absent = chantal
        .run_bare(&["repo", "list", "--format=json", "--config", "absent.yaml"])
        .expect(2)
        .error();
    assert_eq!(absent["code"], 2);
    assert!(absent["hint"].as_str().unwrap().contains("chantal init"), "{absent}");
}

#[test]
fn without_a_configuration_every_place_is_named() {
    if std::path::Path::new("/etc/chantal/config.yaml").exists() {
        eprintln!("SKIPPED: this machine has /etc/chantal/config.yaml");
        return;
    }
    let told = Chantal::new().run_bare(&["repo", "list"]).expect(2).stderr;
    for place in [
        "$CHANTAL_CONFIG",
        "/etc/chantal/config.yaml",
        "/.config/chantal/config.yaml",
        "config.yaml",
    ] {
        assert!(told.contains(place), "{place} is not in {told}");
    }
    assert!(told.contains("hint: `chantal init`"), "{told}");
}

#[test]
fn a_configuration_that_cannot_be_read_shows_line_and_text() {
    let chantal = Chantal::new();
    chantal.configure("  - id: el9\n    type: rpm\n    feeed: https://example.org/\n");
    let told = chantal.run(&["config", "validate"]).expect(2).stderr;
    assert!(
        told.contains("config.yaml:7:") && told.contains("feeed: https://example.org/"),
        "{told}"
    );
    let error = chantal
        .run(&["config", "validate", "--format", "json"])
        .expect(2)
        .error();
    assert_eq!(error["diagnostics"][0]["line"], 7, "{error}");
}

#[test]
fn a_repository_that_is_not_there_is_exit_2_with_what_was_probably_meant() {
    let chantal = Chantal::with(&repository("rhel9-baseos", "http://127.0.0.1:1/", ""));
    let commands = [
        &["repo", "sync", "rhel9-baseso"][..],
        &["repo", "show", "rhel9-baseso"],
        &["publish", "repo", "--repo-id", "rhel9-baseso"],
        &["snapshot", "create", "rhel9-baseso", "--name", "x"],
        &["config", "show", "rhel9-baseso"],
    ];
    for words in commands {
        let told = chantal.run(words).expect(2).stderr;
        assert!(told.contains("hint: did you mean `rhel9-baseos`?"), "{words:?}: {told}");
    }
}

#[test]
fn a_repository_that_needs_what_is_not_built_is_refused_by_name_and_left_out_by_rule() {
    let chantal = Chantal::new();
    let directory = chantal.path("feed");
    feed::write(&directory, 1, &[("bash", "5.1")]);
    let url = feed::url(&directory);
    let scheduled = repository("later", &url, "mode: mirror\nretention: {policy: keep-all}");
    chantal.configure(&(repository("now", &url, "") + &scheduled));
    chantal.run(&["init"]).expect(0);

    chantal.run(&["config", "validate"]).expect(0);
    chantal.run(&["config", "validate", "--strict"]).expect(2);
    let told = chantal.run(&["repo", "sync", "later"]).expect(2).stderr;
    assert!(told.contains("retention") && told.contains("config.yaml:"), "{told}");

    let all = chantal.run(&["repo", "sync", "--all", "--format", "json"]).expect(9);
    let runs = all.json("repo-sync");
    let status = |id: &str| runs.as_array().unwrap().iter().find(|run| run["repo"] == id).unwrap()["status"].clone();
    assert_eq!(
        (status("now"), status("later")),
        ("succeeded".into(), "left-out".into())
    );
    assert!(all.stderr.contains("left out"), "{}", all.stderr);
}

#[test]
fn an_upstream_that_cannot_be_reached_is_exit_3() {
    let port = free_port();
    let chantal = Chantal::with(&repository(
        "el9",
        &format!("http://127.0.0.1:{port}/"),
        "download: {retry_attempts: 0}",
    ));
    let told = chantal.run(&["repo", "sync", "el9"]).expect(3).stderr;
    assert!(
        told.contains("el9") && told.contains(&format!("127.0.0.1:{port}")),
        "{told}"
    );
    chantal.run(&["config", "test", "el9"]).expect(3);
}

#[test]
fn a_directory_that_is_no_repository_is_exit_3() {
    let chantal = Chantal::new();
    std::fs::create_dir(chantal.path("empty")).unwrap();
    chantal.configure(&repository("el9", &feed::url(&chantal.path("empty")), ""));
    chantal.run(&["init"]).expect(0);
    let told = chantal.run(&["repo", "sync", "el9"]).expect(3).stderr;
    assert!(
        told.contains("repomd.xml does not exist") && !told.contains("HTTP"),
        "{told}"
    );
}

#[test]
fn bytes_that_are_not_what_was_promised_are_exit_4_and_malformed_ones_exit_5() {
    let chantal = Chantal::new();
    let directory = chantal.path("feed");
    feed::write(&directory, 1, &[("bash", "5.1")]);
    let repo = repository("el9", &feed::url(&directory), "on_package_error: fail");
    chantal.configure(&repo);
    chantal.run(&["init"]).expect(0);

    let package = directory.join("bash-5.1-1.noarch.rpm");
    let size = std::fs::metadata(&package).unwrap().len() as usize;
    std::fs::write(&package, vec![b'x'; size]).unwrap();
    chantal.run(&["repo", "sync", "el9"]).expect(4);

    std::fs::write(feed::entry(&directory), "<repomd><data").unwrap();
    chantal.run(&["repo", "sync", "el9"]).expect(5);
}

#[test]
fn several_failures_of_one_kind_keep_their_code_and_mixed_ones_are_9() {
    let chantal = Chantal::new();
    let directory = chantal.path("good");
    feed::write(&directory, 1, &[("bash", "5.1")]);
    let nowhere = |id| repository(id, &feed::url(&chantal.path("nowhere")), "");
    chantal.configure(&(nowhere("bad-one") + &nowhere("bad-two") + &repository("good", &feed::url(&directory), "")));
    chantal.run(&["init"]).expect(0);

    chantal.run(&["repo", "sync", "bad-one", "bad-two"]).expect(3);
    chantal.run(&["repo", "sync", "--pattern", "bad-*"]).expect(3);
    let told = chantal.run(&["repo", "sync", "--all"]).expect(9).stderr;
    assert!(
        told.contains("1 of 3 repositories succeeded; failed: bad-one, bad-two"),
        "{told}"
    );
}

#[test]
fn a_second_process_is_exit_7_and_the_first_rolls_back_when_it_is_stopped() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let chantal = Chantal::with(&repository("el9", &url, ""));
        let mut first = chantal.command(&["--config", "config.yaml", "repo", "sync", "el9"]);
        let first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It holds the repository from before its first request, which is never answered.
        let (_connection, _) = listener.accept().unwrap();

        let busy = chantal.run(&["repo", "sync", "el9"]).expect(7).stderr;
        assert!(busy.contains("el9"), "{busy}");

        let killed = std::process::Command::new("kill")
            .args([format!("-{signal}"), first.id().to_string()])
            .status();
        assert!(killed.unwrap().success());
        let first = ran(first.wait_with_output().unwrap()).expect(code);
        assert!(
            first.stderr.contains(&format!("error: stopped by SIG{signal}")),
            "{}",
            first.stderr
        );
        assert_eq!(
            chantal
                .run(&["repo", "list", "--format", "json"])
                .expect(0)
                .json("repo-list")[0]["revision"],
            serde_json::Value::Null
        );
    }
}

#[test]
fn a_damaged_database_is_exit_8() {
    let chantal = Chantal::with("  []\n");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(chantal.path("state/chantal.db"))
        .unwrap();
    file.write_all(&[0x5a; 4096]).unwrap();
    drop(file);
    for side in ["state/chantal.db-wal", "state/chantal.db-shm"] {
        let _ = std::fs::remove_file(chantal.path(side));
    }
    chantal.run(&["repo", "list"]).expect(8);
}

#[test]
fn a_missing_database_is_exit_2_with_the_way_out() {
    let chantal = Chantal::new();
    chantal.configure("  []\n");
    let told = chantal.run(&["repo", "list"]).expect(2).stderr;
    assert!(told.contains("hint: `chantal init`"), "{told}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let chantal = Chantal::new();
    let mut child = chantal.command(&["completions", "zsh"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn init_makes_everything_once() {
    let chantal = Chantal::new();
    chantal.configure("  []\n");
    let first = chantal.run(&["init", "--format", "json"]).expect(0).json("init");
    assert!(!first["made"].as_array().unwrap().is_empty(), "{first}");
    let again = chantal.run(&["init"]).expect(0);
    assert!(
        again.stdout.is_empty() && again.stderr.contains("nothing to do"),
        "{again:?}"
    );
    let again = chantal.run(&["init", "--format", "json"]).expect(0).json("init");
    assert_eq!(again["made"], serde_json::json!([]));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
