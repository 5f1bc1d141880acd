use super::*;
use crate::effective::{Auth, FeedKind};

fn with(lines: &str) -> String {
    format!("repositories:\n- id: r\n  type: rpm\n{lines}")
}

fn built(lines: &str) -> Repository {
    let loaded = load_str(&with(lines)).unwrap_or_else(|error| panic!("{lines}: {error}"));
    assert_eq!(loaded.warnings.len(), 0, "{lines}: {:?}", loaded.warnings);
    loaded.config.repositories.into_iter().next().unwrap()
}

#[test]
fn content_comes_from_a_feed_several_or_a_list() {
    let repo = built("  feeds: [\"https://a/x/\", \"file:///b\"]\n");
    assert_eq!(
        (repo.feed.unwrap().as_str(), repo.feed_kind),
        ("https://a/x/", FeedKind::Directory)
    );
    assert_eq!(repo.other_feeds.len(), 1);
    for (key, kind) in [("mirrorlist", FeedKind::Mirrorlist), ("metalink", FeedKind::Metalink)] {
        let repo = built(&format!("  {key}: https://l/list?repo=x\n"));
        assert_eq!(
            (repo.feed.unwrap().as_str(), repo.feed_kind),
            ("https://l/list?repo=x", kind)
        );
    }
}

#[test]
fn credentials_of_a_url_are_for_that_one_and_the_block_is_for_all() {
    let user = |auth: &Option<Auth>| match auth {
        Some(Auth::Basic { username, .. }) => username.clone(),
        other => format!("{other:?}"),
    };
    let repo = built("  feeds: [\"https://one:CANARY@a/\", \"https://two:CANARY@b/\", \"https://c/\"]\n");
    assert_eq!(
        (user(&repo.auth), user(&repo.other_feeds[0].auth)),
        ("one".into(), "two".into())
    );
    assert!(repo.other_feeds[1].auth.is_none());
    assert!(!repo.to_value().to_string().contains("CANARY"));
    let repo = built("  feeds: [\"https://a/\", \"https://b/\"]\n  auth: {type: basic, username: u, password: p}\n");
    assert_eq!(
        (user(&repo.auth), user(&repo.other_feeds[0].auth)),
        ("u".into(), "u".into())
    );
    let repo = built("  mirrorlist: https://u:CANARY@l/\n");
    assert_eq!(
        (user(&repo.auth), repo.feed.unwrap().as_str()),
        ("u".into(), "https://l/")
    );
}

#[test]
fn what_cannot_be_a_source_is_said() {
    for (lines, part) in [
        ("  feeds: []\n", "needs a feed"),
        ("  feeds: [\"ftp://h/\"]\n", "scheme \"ftp\" is not supported"),
        ("  feeds: [\"http://h/\", \"http://h/\"]\n", "is there twice"),
        (
            "  feed: http://h/\n  metalink: http://l/\n",
            "feed and metalink exclude each other",
        ),
        ("  metalink: list\n", "not a URL"),
        (
            "  feeds: [\"http://u:p@h/\"]\n  auth: {type: bearer, token: t}\n",
            "give one",
        ),
        (
            "  feed: https://h/\n  auth: {type: client_cert, cert_dir: d, cert_file: c, key_file: k}\n",
            "cert_dir alone",
        ),
        (
            "  feed: http://h/\n  download: {bandwidth: 0}\n",
            "would let nothing through",
        ),
        (
            "  feed: http://h/\n  download: {timeout: 0}\n",
            "download.timeout of 0 would let nothing through",
        ),
        (
            "  feed: http://h/\n  download: {idle_timeout: 0s}\n",
            "download.idle_timeout of 0 would",
        ),
        (
            "  feed: http://h/\n  limits: {metadata: 0}\n",
            "limits.metadata of 0 would let nothing through",
        ),
        (
            "  feed: http://h/\n  limits: {package: 0MiB}\n",
            "limits.package of 0 would",
        ),
        ("  feed: http://h/\n  download: {min_speed: fast}\n", "is not a size"),
        (
            "  feed: http://h/\n  proxy: {http_proxy: \"ftp://p/\"}\n",
            "scheme \"ftp\" is not supported",
        ),
    ] {
        let errors = errors(&with(lines));
        assert!(errors.iter().any(|error| error.contains(part)), "{lines}: {errors:?}");
    }
}

#[test]
fn a_global_value_that_lets_nothing_through_is_told_once_where_it_stands() {
    let text = format!("download: {{timeout: 0}}\n{}", with("  feed: http://h/\n"));
    let found = errors(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("1:21: "), "{found:?}");
}

#[test]
fn speeds_are_a_repositorys_own_or_everybodys() {
    let text = format!(
        "download: {{min_speed: 2KiB/s, bandwidth: 8MiB/s}}\n{}",
        with("  feed: http://h/\n")
    );
    let config = load_str(&text).unwrap().config;
    let download = config.repositories[0].download;
    assert_eq!(
        (config.bandwidth, download.bandwidth, download.min_speed),
        (Some(8 << 20), None, 2048)
    );
    let own = built("  feed: http://h/\n  download: {min_speed: 0, bandwidth: 1MiB/s}\n").download;
    assert_eq!((own.bandwidth, own.min_speed), (Some(1 << 20), 0));
}

#[test]
fn a_repository_can_switch_the_proxy_off() {
    let text = format!(
        "proxy: {{http_proxy: \"http://p:3128\"}}\n{}",
        with("  feed: http://h/\n")
    );
    assert!(load_str(&text).unwrap().config.repositories[0].proxy.enabled);
    let off = load_str(&format!("{text}  proxy: {{enabled: false}}\n")).unwrap();
    let proxy = &off.config.repositories[0].proxy;
    assert!(!proxy.enabled && proxy.http_proxy.is_none());
}
