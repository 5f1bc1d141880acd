//! Each number against another count of the same thing.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use chantal_testkit::needs::need;
use chantal_testkit::postgres::Postgres;
use chantal_testkit::tls::Authority;
use serde_json::Value;

use super::exposition::Exposition;
use super::support::{Chantal, feed};
use super::{bench, configure};

fn numbers(chantal: &Chantal) -> Exposition {
    Exposition::read(&chantal.run(&["metrics"]).expect(0).stdout)
}

fn json(chantal: &Chantal, words: &[&str]) -> Value {
    let mut all = words.to_vec();
    all.extend(["--format", "json"]);
    serde_json::from_str(&chantal.run(&all).expect(0).stdout).unwrap()
}

/// Two syncs, a snapshot, a publication, a failure and two cleanups.
fn busy_bench() -> Chantal {
    let chantal = bench("revisions: {keep_last: 1, keep_days: 0}\n");
    chantal.run(&["repo", "sync", "good"]).expect(0);
    feed::write(
        &chantal.path("feed"),
        2,
        &[("bash", "5.2"), ("zsh", "5.8"), ("tcsh", "6.2")],
    );
    chantal.run(&["repo", "sync", "good", "--publish"]).expect(0);
    chantal.run(&["snapshot", "create", "good", "--name", "s"]).expect(0);
    chantal.run(&["repo", "sync", "bad"]).expect(3);
    chantal.run(&["repo", "sync", "bad"]).expect(3);
    chantal.run(&["repo", "sync", "good"]).expect(0);
    chantal.run(&["pool", "cleanup"]).expect(0);
    chantal
}

#[test]
fn numbers_of_repositories_and_of_the_pool_are_what_listings_say() {
    let chantal = busy_bench();
    // Everything goes from the log into the file, whose size is compared.
    chantal.run(&["db", "vacuum"]).expect(0);
    let found = numbers(&chantal);
    let listed = json(&chantal, &["repo", "show", "good"]);
    let of_good = |name: &str| found.value(name, &[("repo", "good")]).or(Some(-1.0));
    for (name, value) in [
        ("chantal_repository_revision", &listed["revision"]),
        ("chantal_repository_packages", &listed["packages"]),
        ("chantal_repository_package_bytes", &listed["bytes"]),
        ("chantal_repository_snapshots", &listed["snapshots"]),
    ] {
        assert_eq!(of_good(name), value.as_f64(), "{name}");
    }
    let count = |key: &str| listed[key].as_array().unwrap().len() as f64;
    assert_eq!(of_good("chantal_repository_revisions"), Some(count("revisions")));
    assert_eq!(of_good("chantal_repository_publications"), Some(count("publications")));
    assert_eq!(found.labels("chantal_repository_info", "repo"), ["good", "bad"]);
    let seconds = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() as f64;
    assert_eq!(
        of_good("chantal_upstream_checked_timestamp_seconds"),
        Some(seconds(&listed["last_sync"]))
    );
    // The feed of the tests says when it was made: with its revision, soon after 1970.
    let [age, made] = ["chantal_upstream_age_seconds", "chantal_upstream_timestamp_seconds"].map(of_good);
    let age = age.unwrap() + made.unwrap();
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((now - age).abs() < 600.0, "{age} {now}");

    let pool = json(&chantal, &["pool", "stats"]);
    assert!(pool["unused"].as_u64() > Some(0), "{pool}");
    for (name, key) in [
        ("chantal_pool_blobs", "blobs"),
        ("chantal_pool_bytes", "bytes"),
        ("chantal_pool_unused_blobs", "unused"),
        ("chantal_pool_unused_bytes", "unused_bytes"),
    ] {
        assert_eq!(found.value(name, &[]), pool[key].as_f64(), "{name}: {pool}");
    }
    let stats = json(&chantal, &["db", "status"]);
    assert_eq!(found.value("chantal_database_bytes", &[]), stats["size_bytes"].as_f64());
    let version = stats["version"].to_string();
    let build = [("version", env!("CARGO_PKG_VERSION")), ("schema", version.as_str())];
    assert_eq!(found.value("chantal_build_info", &build), Some(1.0));
    for directory in ["pool", "published", "temp", "base"] {
        for name in ["free_bytes", "size_bytes", "free_inodes", "inodes"] {
            let value = found.value(&format!("chantal_filesystem_{name}"), &[("directory", directory)]);
            assert!(value.is_some(), "{name} {directory}");
        }
    }
    assert!(chantal_is_named(&found));
}

/// Names begin with the program's, and have base units only.
fn chantal_is_named(found: &Exposition) -> bool {
    let wrong = ["_ms", "_milliseconds", "_kb", "_mb", "_days", "_percent"];
    found.0.iter().all(|(name, family)| {
        name.starts_with("chantal_") && wrong.iter().all(|unit| !name.ends_with(unit)) && family.help.ends_with('.')
    })
}

#[test]
fn numbers_of_runs_are_what_the_history_says() {
    let chantal = busy_bench();
    let found = numbers(&chantal);
    let history = json(&chantal, &["repo", "history", "good"]);
    let runs = history.as_array().unwrap();
    let sync = [("repo", "good"), ("verb", "sync")];
    let sum = |key: &str| runs.iter().map(|run| run[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(
        found.value("chantal_fetched_bytes_total", &sync),
        Some(sum("fetched_bytes"))
    );
    assert_eq!(
        found.value("chantal_run_duration_seconds_count", &sync),
        Some(runs.len() as f64)
    );
    assert!(found.value("chantal_run_duration_seconds_sum", &sync) > Some(0.0));
    assert!(found.value("chantal_saved_bytes_total", &sync) > Some(0.0));
    let count = |repo, verb, kind| found.value("chantal_runs_total", &[("repo", repo), ("verb", verb), ("kind", kind)]);
    assert_eq!(count("good", "sync", "ok"), Some(3.0));
    assert_eq!(count("good", "publish", "ok"), Some(1.0));
    assert_eq!(count("bad", "sync", "unreachable"), Some(2.0));
    assert_eq!(count("bad", "sync", "ok"), None);
    assert_eq!(count("", "cleanup", "ok"), Some(1.0));
    let bad = [("repo", "bad"), ("verb", "sync")];
    assert_eq!(found.value("chantal_last_exit_code", &bad), Some(3.0));
    assert_eq!(found.value("chantal_last_exit_code", &sync), Some(0.0));
    assert_eq!(found.value("chantal_last_success_timestamp_seconds", &bad), None);
    let last = [("repo", "bad"), ("verb", "sync"), ("kind", "unreachable")];
    assert_eq!(found.value("chantal_last_outcome", &last), Some(1.0));
    // Newest first.
    let ended = |run: &Value| run["finished"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for name in [
        "chantal_last_success_timestamp_seconds",
        "chantal_last_attempt_timestamp_seconds",
    ] {
        let told = found.value(name, &sync).unwrap();
        assert!((told - ended(&runs[0]).as_second() as f64).abs() < 60.0, "{name}");
    }
    // A repository that is forgotten takes its numbers along.
    chantal.run(&["repo", "delete", "bad", "--yes"]).expect(0);
    assert_eq!(numbers(&chantal).value("chantal_last_exit_code", &bad), None);
}

#[test]
fn schedules_leases_and_certificates_have_their_times() {
    let chantal = bench("");
    let authority = Authority::new();
    std::fs::write(chantal.path("ca.pem"), authority.server().certificate).unwrap();
    let schedule = "schedule: {enabled: true, cron: '0 0 1 1 *', time_zone: UTC}\nssl: {ca_bundle: ca.pem}";
    configure(&chantal, "scheduler: {cleanup: '@yearly'}\n", schedule);
    let found = numbers(&chantal);
    let listed = json(&chantal, &["scheduler", "list"]);
    for row in listed.as_array().unwrap() {
        let job = row["job"].as_str().unwrap();
        let next = row["next"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let labels = [("job", job)];
        let told = found.value("chantal_schedule_next_timestamp_seconds", &labels);
        assert_eq!(told, Some(next.as_second() as f64), "{job}");
        assert_eq!(found.value("chantal_schedule_running", &labels), Some(0.0));
        assert_eq!(found.value("chantal_schedule_last_timestamp_seconds", &labels), None);
    }
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(found.value("chantal_scheduler_up", &[]), Some(0.0));
    let pem = chantal.path("ca.pem");
    let labels = [("repo", "good"), ("kind", "ca"), ("file", pem.to_str().unwrap())];
    let end = found.value("chantal_certificate_expiry_timestamp_seconds", &labels);
    assert!(end > Some(1_700_000_000.0), "{end:?}");
    let scheduler = super::Scheduler::start(&chantal);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while numbers(&chantal).value("chantal_scheduler_up", &[]) != Some(1.0) {
        assert!(std::time::Instant::now() < deadline, "it never began");
    }
    let leases = numbers(&chantal).labels("chantal_lease_since_timestamp_seconds", "lease");
    assert!(leases.iter().any(|lease| lease.starts_with("scheduler:")), "{leases:?}");
    assert_eq!(scheduler.stop().1, Some(0));
    assert_eq!(numbers(&chantal).value("chantal_schedulers", &[]), Some(0.0));
}

#[test]
fn the_file_is_written_after_each_run_and_its_failure_changes_nothing() {
    let chantal = bench("metrics: {textfile: out/chantal.prom}\n");
    let refused = chantal.run(&["repo", "sync", "good"]).expect(0);
    assert!(refused.stderr.contains("metrics were not written"), "{refused:?}");
    std::fs::create_dir(chantal.path("out")).unwrap();
    let path = chantal.path("out/chantal.prom");
    let runs = |verb: &str, kind: &str, repo: &str| {
        let found = Exposition::read(&std::fs::read_to_string(&path).unwrap());
        found.value("chantal_runs_total", &[("repo", repo), ("verb", verb), ("kind", kind)])
    };
    chantal.run(&["repo", "sync", "good"]).expect(0);
    assert_eq!(runs("sync", "ok", "good"), Some(2.0));
    chantal.run(&["repo", "sync", "bad"]).expect(3);
    assert_eq!(runs("sync", "unreachable", "bad"), Some(1.0));
    chantal.run(&["publish", "repo", "good"]).expect(0);
    assert_eq!(runs("publish", "ok", "good"), Some(1.0));
    chantal.run(&["pool", "cleanup"]).expect(0);
    assert_eq!(runs("cleanup", "ok", ""), Some(1.0));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "another user reads it");
    assert_eq!(std::fs::read_dir(chantal.path("out")).unwrap().count(), 1);
    let other = chantal.path("other");
    chantal.run(&["metrics", "--write", other.to_str().unwrap()]).expect(0);
    let (one, two) = (
        std::fs::read_to_string(&path).unwrap(),
        std::fs::read_to_string(other).unwrap(),
    );
    assert_eq!(one.lines().count(), two.lines().count());
    chantal.run(&["metrics", "--write", "nowhere/x.prom"]).expect(2);
}

#[test]
fn a_catalog_on_a_server_has_the_same_series() {
    let Some(server) = Postgres::start() else { return };
    let series = |top: &str| {
        let chantal = bench(top);
        chantal.run(&["repo", "sync", "good", "--publish"]).expect(0);
        chantal.run(&["repo", "sync", "bad"]).expect(3);
        chantal.run(&["pool", "cleanup"]).expect(0);
        numbers(&chantal).series()
    };
    let url = server.url(&server.database());
    assert_eq!(series(&format!("database: {{url: \"{url}\"}}\n")), series(""));
}

#[test]
fn the_reader_of_prometheus_own_library_takes_it() {
    let script = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as read\n\
                  print(sum(len(family.samples) for family in read(sys.stdin.read())))";
    let python = |script: &str| {
        Command::new("/usr/bin/python3")
            .args(["-c", script])
            .stderr(Stdio::null())
            .output()
    };
    let is_there = python("import prometheus_client.parser").is_ok_and(|output| output.status.success());
    if !need(is_there, "python3-prometheus-client") {
        return;
    }
    let chantal = busy_bench();
    let text = chantal.run(&["metrics"]).expect(0).stdout;
    std::fs::write(chantal.path("text"), &text).unwrap();
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(std::fs::File::open(chantal.path("text")).unwrap())
        .output()
        .unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        samples.to_string(),
        "{output:?}"
    );
}
