//! Chantal over a made feed, and what the published metadata say.

use chantal_testkit::chantal::{Chantal, Output};
use chantal_testkit::repository::Repository;
use chantal_testkit::upstream::Upstream;

/// Chantal over a feed with these keys; published metadata are plain text.
pub(crate) fn bench(feed: &Repository, keys: &[&str]) -> (Chantal, Upstream) {
    let upstream = Upstream::start(feed.build().site());
    let chantal = Chantal::new(env!("CARGO_BIN_EXE_chantal"));
    configure(&chantal, &upstream, keys);
    (chantal, upstream)
}

pub(crate) fn configure(chantal: &Chantal, upstream: &Upstream, keys: &[&str]) {
    let mut all = keys.to_vec();
    if !keys.contains(&"mode: mirror") {
        all.push("metadata: {compression: none}");
    }
    chantal.repository("r", &upstream.url("/"), &all);
}

pub(crate) fn sync(chantal: &Chantal) -> Output {
    chantal.run(&["repo", "sync", "r", "--publish"]).ok()
}

/// A published metadata file of a kind; empty if there is none.
pub(crate) fn metadata(chantal: &Chantal, kind: &str) -> String {
    let repodata = chantal.published().join("r/latest/repodata");
    let repomd = std::fs::read_to_string(repodata.join("repomd.xml")).unwrap();
    let Some((_, data)) = repomd.split_once(&format!("<data type=\"{kind}\">")) else {
        return String::new();
    };
    let (_, href) = data.split_once("<location href=\"repodata/").unwrap();
    let (name, _) = href.split_once('"').unwrap();
    std::fs::read_to_string(repodata.join(name)).unwrap()
}

/// What lies between two texts, each time.
pub(crate) fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> Vec<&'a str> {
    let rest = text.split(before).skip(1);
    rest.map(|rest| rest.split(after).next().unwrap()).collect()
}

/// `name-version` of every package in the published metadata, whose file must lie in the tree; sorted.
pub(crate) fn published(chantal: &Chantal) -> Vec<String> {
    let primary = metadata(chantal, "primary");
    let filelists = metadata(chantal, "filelists");
    let mut found: Vec<String> = between(&primary, "<package ", "</package>")
        .into_iter()
        .map(|package| {
            let href = between(package, "<location href=\"", "\"")[0];
            let file = chantal.published().join("r/latest").join(href);
            assert!(file.is_file(), "{} is published and not there", file.display());
            let pkgid = between(package, "pkgid=\"YES\">", "<")[0];
            assert!(filelists.contains(pkgid), "{href} has no filelists");
            let version = between(package, " ver=\"", "\"")[0];
            format!("{}-{version}", between(package, "<name>", "</name>")[0])
        })
        .collect();
    found.sort();
    found
}
