//! Reaching feeds: mirrors, parts of large files, proxies, certificates and speeds, through the binary.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "published names are of one spelling"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod certificates;
mod credentials;
mod mirrors;
mod parts;
mod proxies;
mod speed;

use chantal_testkit::chantal::Chantal;
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::{Site, Upstream};

const ENTRY: &str = "/repodata/repomd.xml";

/// A configuration of one repository whose source `lines` say, with quick retries.
fn chantal(lines: &[&str]) -> Chantal {
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    configure(&chantal, lines);
    chantal
}

fn configure(chantal: &Chantal, lines: &[&str]) {
    let download = "download: {retry_attempts: 0}";
    let own = lines.iter().any(|line| line.starts_with("download:"));
    let lines = lines.iter().copied().chain((!own).then_some(download));
    let lines: Vec<String> = lines.map(|line| format!("    {line}\n")).collect();
    let text = format!("repositories:\n  - id: r\n    type: rpm\n{}", lines.concat());
    chantal.config(&text);
}

fn sample() -> Site {
    Repository::sample().build().site()
}

fn mirror() -> Upstream {
    Upstream::start(sample())
}

/// The path of a package of the sample.
fn doc() -> String {
    let repository = Repository::sample();
    format!("/{}", repository.href(repository.package("hello-chantal-doc")))
}

fn packages(upstream: &Upstream) -> usize {
    let log = upstream.log();
    log.iter()
        .filter(|hit| hit.path.ends_with(".rpm") && hit.status == 200)
        .count()
}

/// A line of two feeds.
fn feeds(first: &Upstream, second: &Upstream) -> String {
    format!("feeds: [\"{}\", \"{}\"]", first.url("/"), second.url("/"))
}

#[track_caller]
fn says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}
