//! Real clients on trees that the binary published, over HTTP.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(
    clippy::format_collect,
    clippy::print_stdout,
    reason = "small texts of tests; what was counted is told"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use chantal_model::{Algorithm, Compression};
use chantal_testkit::chantal::Chantal;
use chantal_testkit::clients::{Createrepo, Dnf, Nginx, RpmTool, Zypper};
use chantal_testkit::needs::{is_root, need};
use chantal_testkit::repository::{Names, Place, Repository};
use chantal_testkit::tree::tree_digests;
use chantal_testkit::upstream::Upstream;

struct Bench {
    chantal: Chantal,
    upstream: Upstream,
    work: tempfile::TempDir,
}

impl Bench {
    /// A repository `r` of the sample, published; `{base}` in `more` is filled in where `serve` gives a base URL.
    fn new(repository: &Repository, keys: &[&str], more: &str) -> Self {
        let work = tempfile::tempdir().unwrap();
        let upstream = Upstream::start(repository.build().site());
        let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
        let keys: String = keys.iter().map(|key| format!("    {key}\n")).collect();
        let feed = upstream.url("/");
        chantal.config(&format!(
            "repositories:\n  - id: r\n    type: rpm\n    feed: {feed}\n{keys}{more}"
        ));
        Self {
            chantal,
            upstream,
            work,
        }
    }

    fn published(repository: &Repository, keys: &[&str]) -> Self {
        let bench = Self::new(repository, keys, "");
        bench.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        bench
    }

    fn work(&self, name: &str) -> PathBuf {
        let path = self.work.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn serve(&self) -> Upstream {
        Upstream::serve_dir(&self.chantal.published())
    }
}

/// Everything that a client reads of a package: epochs, dependencies, files, sizes.
fn tuples(repository: &std::path::Path) -> Vec<serde_json::Value> {
    let parsed = Createrepo::parse(repository);
    let mut packages: Vec<serde_json::Value> = parsed["packages"].as_array().unwrap().clone();
    for package in &mut packages {
        package.as_object_mut().unwrap().remove("location_href");
    }
    packages.sort_by_key(ToString::to_string);
    packages
}

#[test]
fn dnf_reads_and_installs_every_kind_of_thing_from_a_filtered_tree() {
    if !need(Dnf::available(), "dnf") {
        return;
    }
    let bench = Bench::published(&Repository::sample(), &["filters: {rpm: {exclude_source_rpms: true}}"]);
    let web = bench.serve();
    let url = web.url("/r/latest/");
    let dnf = Dnf::new(&bench.work("dnf"));
    dnf.makecache(&url).ok();
    let names = dnf.repoquery(&url, &["--qf", "%{name}", "--setopt=r.module_hotfixes=1"]);
    for name in ["hello-chantal", "libgreet", "hello-chantal-doc", "greet-tools"] {
        assert!(names.iter().any(|one| one == name), "{names:?}");
    }
    assert_eq!(
        dnf.repoquery(&url, &["--whatprovides", "libgreet.so.1()(64bit)", "--qf", "%{name}"]),
        ["libgreet"]
    );
    assert_eq!(
        dnf.repoquery(&url, &["--whatprovides", "/usr/bin/greet-tools", "--qf", "%{name}"]),
        ["greet-tools"]
    );
    let requires = dnf.repoquery(&url, &["--requires", "greet-tools"]);
    assert!(
        requires.iter().any(|line| line == "(libgreet or hello-chantal)"),
        "{requires:?}"
    );
    assert!(dnf.module_list(&url).ok().stdout.contains("greeter"));
    assert!(dnf.group_list(&url).ok().stdout.to_lowercase().contains("greet"));

    let root = bench.work("root");
    dnf.install(&url, &root, &["hello-chantal"]).ok();
    let installed = RpmTool::installed(&root);
    assert!(
        installed.iter().any(|one| one.contains("hello-chantal-1.0")),
        "{installed:?}"
    );
    assert!(dnf.updateinfo(&url, &root).ok().stdout.contains("TEST-2024:0001"));
}

#[test]
fn a_mirror_is_upstream_byte_for_byte_and_installs_too() {
    let mut repository = Repository::sample();
    repository = repository.compression(Compression::Xz).checksum(Algorithm::Sha512);
    let bench = Bench::published(&repository, &["mode: mirror"]);
    let expected = tree_digests(&repository.build());
    let mut published = bench.chantal.published_digests("r/latest");
    published.retain(|path, _| !path.starts_with('.'));
    assert_eq!(published, expected);
    if !need(Dnf::available(), "dnf") {
        return;
    }
    let web = bench.serve();
    let root = bench.work("root");
    Dnf::new(&bench.work("dnf"))
        .install(&web.url("/r/latest/"), &root, &["hello-chantal"])
        .ok();
}

#[test]
fn the_old_state_installs_from_its_snapshot_and_the_new_one_from_latest() {
    if !need(Dnf::available(), "dnf") {
        return;
    }
    let bench = Bench::published(&Repository::sample(), &[]);
    bench.chantal.run(&["snapshot", "create", "r", "--name", "before"]).ok();
    bench
        .upstream
        .change(|site| *site = Repository::sample_v2().build().site());
    bench.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    bench
        .chantal
        .run(&["publish", "snapshot", "r", "--snapshot", "before"])
        .ok();
    let diff = bench.chantal.json(&["snapshot", "diff", "r", "before", "latest"]);
    let delta = Repository::sample_delta();
    assert_eq!(diff["counts"]["upgraded"], delta.upgraded.len());
    assert_eq!(diff["counts"]["added"], delta.added.len());
    assert_eq!(diff["counts"]["removed"], delta.removed.len());

    let web = bench.serve();
    for (path, version) in [("/r/snapshots/before/", "1.0"), ("/r/latest/", "2.0")] {
        let root = bench.work(&format!("root-{version}"));
        let dnf = Dnf::new(&bench.work(&format!("dnf-{version}")));
        dnf.install(&web.url(path), &root, &["hello-chantal"]).ok();
        let installed = RpmTool::installed(&root);
        assert!(
            installed
                .iter()
                .any(|one| one.contains(&format!("hello-chantal-{version}"))),
            "{path}: {installed:?}"
        );
    }
    // Rolled back, clients get the old state at the same path, and the mtime rose for those that cache.
    bench
        .chantal
        .run(&["publish", "switch", "r", "--snapshot", "before"])
        .ok();
    let root = bench.work("root-back");
    Dnf::new(&bench.work("dnf-back"))
        .install(&web.url("/r/latest/"), &root, &["hello-chantal"])
        .ok();
    assert!(
        RpmTool::installed(&root)
            .iter()
            .any(|one| one.contains("hello-chantal-1.0"))
    );
}

#[test]
fn the_client_file_and_the_mirrorlist_lead_to_a_generation() {
    if !need(Dnf::available(), "dnf") {
        return;
    }
    let placeholder = tempfile::tempdir().unwrap();
    let web = Upstream::serve_dir(placeholder.path());
    let more = format!("publish: {{base_url: \"{}\"}}\n", web.url("/"));
    let bench = Bench::new(&Repository::sample(), &[], &more);
    bench.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    web.change(|site| site.set_directory(&bench.chantal.published()));
    let file = std::fs::read_to_string(bench.chantal.published().join("r/r.repo")).unwrap();
    assert!(
        file.contains(&format!("mirrorlist={}", web.url("/r/mirrorlist"))),
        "{file}"
    );
    let list = std::fs::read_to_string(bench.chantal.published().join("r/mirrorlist")).unwrap();
    assert_eq!(list, format!("{}\n", web.url("/r/gen/1/")));

    let repositories = bench.work("repos.d");
    std::fs::write(repositories.join("r.repo"), &file).unwrap();
    let root = bench.work("root");
    let mut command = Dnf::new(&bench.work("dnf")).command(&web.url("/r/latest/"), &root);
    command.arg(format!("--setopt=reposdir={}", repositories.display()));
    command.args(["--repo=r", "install", "hello-chantal"]);
    let ran = chantal_testkit::chantal::finish(&mut command);
    assert!(
        RpmTool::installed(&root)
            .iter()
            .any(|one| one.contains("hello-chantal")),
        "{}",
        ran.stderr
    );
    assert!(
        web.log().iter().any(|hit| hit.path.starts_with("/r/gen/1/repodata/")),
        "the generation was not asked"
    );
}

#[test]
fn zypper_refreshes_and_installs() {
    if !need(Zypper::available() && is_root(), "zypper, as root") {
        return;
    }
    let bench = Bench::published(&Repository::sample(), &["metadata: {compression: gzip}"]);
    let web = bench.serve();
    let zypper = Zypper::new(&bench.work("zypper"));
    zypper.add(&web.url("/r/latest/")).ok();
    zypper.run(&["refresh"]).ok();
    zypper.run(&["install", "-y", "hello-chantal"]).ok();
    let installed = RpmTool::installed(zypper.root());
    assert!(
        installed.iter().any(|one| one.contains("hello-chantal")),
        "{installed:?}"
    );
}

/// The lines of the documented `server` block that do not depend on the place.
fn documented_nginx() -> String {
    let guide = chantal_testkit::needs::workspace().join("docs/guides/web-server.md");
    let text = std::fs::read_to_string(guide).unwrap();
    let block = text.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = block.lines().skip(1).filter(|line| {
        let line = line.trim();
        !["listen", "server_name", "root"]
            .iter()
            .any(|word| line.starts_with(word))
    });
    let mut lines: Vec<&str> = lines.collect();
    lines.pop();
    lines.join("\n")
}

/// Status and headers of an answer.
fn head(url: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split("\r\n\r\n").next().unwrap().to_lowercase())
}

#[test]
fn nginx_as_nobody_serves_every_file_with_the_documented_headers() {
    use std::os::unix::fs::PermissionsExt;
    if !need(Nginx::available() && is_root(), "nginx, as root") {
        return;
    }
    let placeholder = "publish: {base_url: \"http://mirror.example.org/\"}\n";
    let bench = Bench::new(&Repository::sample(), &[], placeholder);
    let mut command = std::process::Command::new("sh");
    let config = bench.chantal.config_path();
    // The published modes must not depend on the umask of whoever publishes.
    let ran = command
        .args(["-c", "umask 0077; exec \"$0\" --config \"$1\" repo sync r --publish"])
        .arg(env!("CARGO_BIN_EXE_chantal"))
        .arg(&config)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    std::fs::set_permissions(bench.chantal.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let work = tempfile::tempdir().unwrap();
    let nginx = Nginx::serve_with(&bench.chantal.published(), work.path(), &documented_nginx());
    let mut files: Vec<String> = bench
        .chantal
        .published_digests("r/latest")
        .into_keys()
        .map(|path| format!("latest/{path}"))
        .collect();
    files.extend(["r.repo", "mirrorlist", "gen/1/repodata/repomd.xml"].map(str::to_owned));
    let mut immutable = 0;
    for path in &files {
        let (status, headers) = head(&nginx.url(&format!("/r/{path}")));
        if path.rsplit('/').next().unwrap().starts_with('.') {
            assert_eq!(status, 404, "{path}");
            continue;
        }
        assert_eq!(status, 200, "{path}: {headers}");
        let is_fixed = ["repomd.xml", "mirrorlist", "r.repo"]
            .iter()
            .any(|name| path.ends_with(name));
        let digest_named = path.contains("/repodata/") && path.rsplit('/').next().unwrap().len() > 64;
        let expected = if path.ends_with(".rpm") || digest_named {
            immutable += 1;
            "immutable"
        } else {
            assert!(is_fixed || path.contains("repodata/"), "{path}");
            "no-cache"
        };
        assert!(headers.contains(expected), "{path}: {headers}");
    }
    assert!(immutable > 10, "{immutable}");
}

#[test]
fn createrepo_c_reads_the_same_of_kept_packages_in_every_compression() {
    if !need(Createrepo::available(), "createrepo_c") {
        return;
    }
    let repository = Repository::sample();
    let upstream = tempfile::tempdir().unwrap();
    repository.write_to(upstream.path()).unwrap();
    let expected = tuples(upstream.path());
    for compression in ["gzip", "zstd", "xz", "bzip2", "none"] {
        let key = format!("metadata: {{compression: {compression}, checksum: sha512}}");
        let bench = Bench::published(&repository, &[&key]);
        let tree = bench.chantal.published().join("r/latest");
        // createrepo_c 0.17 does not read zstd.
        if compression != "zstd" {
            assert_eq!(tuples(&tree), expected, "{compression}");
        }
        let entry = std::fs::read_to_string(tree.join("repodata/repomd.xml")).unwrap();
        assert!(entry.contains("checksum type=\"sha512\""), "{entry}");
    }
}

#[test]
fn a_vendor_element_in_primary_survives() {
    let repository = Repository::sample().vendor_elements();
    let bench = Bench::published(&repository, &["metadata: {compression: none}"]);
    let tree = bench.chantal.published().join("r/latest");
    let primary = bench
        .chantal
        .published_digests("r/latest")
        .into_keys()
        .find(|path| path.ends_with("-primary.xml"))
        .map(|path| std::fs::read_to_string(tree.join(path)).unwrap())
        .unwrap();
    assert_eq!(primary.matches("<vendor:note").count(), repository.packages.len());
    assert!(primary.contains("xmlns:vendor="));
}

#[test]
fn places_that_are_unsafe_to_publish_are_fetched_and_moved() {
    for repository in [
        Repository::sample().place(Place::Prefix("../pool".into())).root("sub"),
        Repository::sample().names(Names::Plain).place(Place::Flat),
    ] {
        let upstream = Upstream::start(repository.build().site());
        let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
        let feed = upstream.url(if repository.build().contains("repodata/repomd.xml") {
            "/"
        } else {
            "/sub"
        });
        chantal.repository("r", &feed, &[]);
        chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        let tree = chantal.published_digests("r/latest");
        let packages: BTreeSet<&String> = tree.keys().filter(|path| path.ends_with(".rpm")).collect();
        assert_eq!(packages.len(), repository.packages.len());
        assert!(packages.iter().all(|path| !path.contains("..")), "{packages:?}");
    }
}

#[test]
fn a_mirror_refuses_places_that_lead_out_of_the_tree() {
    let repository = Repository::sample().place(Place::Prefix("../pool".into())).root("sub");
    let upstream = Upstream::start(repository.build().site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    chantal.repository("r", &upstream.url("/sub/"), &["mode: mirror"]);
    let ran = chantal.run(&["repo", "sync", "r"]).expect(5);
    assert!(ran.stderr.contains("mode: filtered"), "{}", ran.stderr);
}

#[test]
fn an_unchanged_feed_costs_one_request_and_a_changed_one_only_what_is_new() {
    let bench = Bench::published(&Repository::sample(), &[]);
    bench.upstream.clear_log();
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    let hits = bench.upstream.log();
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0].status, 304);
    let revisions = bench.chantal.json(&["repo", "show", "r"]);
    assert_eq!(revisions["revisions"].as_array().unwrap().len(), 1);

    let old: BTreeSet<String> = bench.chantal.published_digests("r/latest").into_values().collect();
    bench
        .upstream
        .change(|site| *site = Repository::sample_v2().build().site());
    bench.upstream.clear_log();
    bench.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
    let new = bench.chantal.published_digests("r/latest");
    let fetched: Vec<String> = bench
        .upstream
        .log()
        .into_iter()
        .map(|hit| hit.path)
        .filter(|path| path.ends_with(".rpm"))
        .collect();
    let expected = new
        .iter()
        .filter(|(path, digest)| path.ends_with(".rpm") && !old.contains(*digest))
        .count();
    assert_eq!(fetched.len(), expected, "{fetched:?}");
}

#[test]
fn a_changed_selection_asks_whether_the_feed_changed_and_metadata_come_from_the_pool() {
    let bench = Bench::published(&Repository::sample(), &[]);
    bench.upstream.clear_log();
    let feed = bench.upstream.url("/");
    bench
        .chantal
        .repository("r", &feed, &["filters: {patterns: {include: [\"^libgreet$\"]}}"]);
    bench.chantal.run(&["repo", "sync", "r"]).ok();
    let asked: Vec<String> = bench.upstream.log().into_iter().map(|hit| hit.path).collect();
    // Only what nothing promises is asked for.
    assert_eq!(asked, ["/repodata/repomd.xml", "/.treeinfo", "/treeinfo"]);
    let content = bench.chantal.json(&["snapshot", "content", "r", "latest"]);
    assert_eq!(content.as_array().unwrap().len(), 1, "{content}");
}

#[test]
fn sha1_is_refused_unless_it_is_allowed_by_name() {
    let repository = Repository::sample().checksum(Algorithm::Sha1);
    let bench = Bench::new(&repository, &[], "");
    let ran = bench.chantal.run(&["repo", "sync", "r"]).expect(4);
    assert!(ran.stderr.to_lowercase().contains("sha1"), "{}", ran.stderr);
    let bench = Bench::published(&repository, &["allow_weak: [sha1]"]);
    let show = bench.chantal.run(&["repo", "sync", "r", "--force"]).ok();
    assert!(
        show.stderr.to_lowercase().contains("sha1"),
        "the weakness is not named: {}",
        show.stderr
    );
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_the_run_then_does() {
    let bench = Bench::published(&Repository::sample(), &[]);
    bench
        .upstream
        .change(|site| *site = Repository::sample_v2().build().site());
    let state = |bench: &Bench| chantal_testkit::tree::digests(&bench.chantal.pool()).unwrap();
    let before = state(&bench);
    let planned = bench.chantal.json(&["repo", "sync", "r", "--dry-run"]);
    assert_eq!(state(&bench), before);
    let done = bench.chantal.json(&["repo", "sync", "r"]);
    assert_eq!(planned[0]["result"]["changes"], done[0]["result"]["plan"]["changes"]);
    assert_eq!(planned[0]["result"]["counts"], done[0]["result"]["plan"]["counts"]);
}

#[test]
fn a_module_is_kept_whole_or_dropped_whole() {
    let names = |keys: &str| -> BTreeSet<String> {
        let bench = Bench::published(&Repository::sample(), &[keys]);
        let content = bench.chantal.json(&["snapshot", "content", "r", "latest"]);
        content
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{}-{}", row["name"].as_str().unwrap(), row["version"].as_str().unwrap()))
            .collect()
    };
    let kept = names("filters: {patterns: {include: [\"^greeter-1\"]}}");
    assert!(
        kept.iter().all(|one| one.starts_with("greeter-1")) && kept.len() == 1,
        "{kept:?}"
    );
    let dropped = names("filters: {patterns: {exclude: [\"^greeter-1\"]}}");
    assert!(
        !dropped.iter().any(|one| one.starts_with("greeter-1"))
            && dropped.iter().any(|one| one.starts_with("greeter-2"))
    );
}
