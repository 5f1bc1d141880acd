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
    let repo = built("  feeds: [\"https://a/\", \"https://a/b/\"]\n  auth: {type: basic, username: u, password: p}\n");
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

#[test]
fn a_proxy_without_a_scheme_is_one_of_http() {
    for text in ["p:3128", "u:CANARY@p:3128"] {
        let repo = built(&format!("  feed: http://h/\n  proxy: {{https_proxy: \"{text}\"}}\n"));
        assert_eq!(repo.proxy.https_proxy.unwrap().as_str(), "http://p:3128/");
        assert_eq!(repo.proxy.username.is_some(), text.contains('@'));
    }
}

#[test]
fn credentials_of_a_proxy_are_one_pair() {
    let with = |proxy: &str| with(&format!("  feed: http://h/\n  proxy: {{{proxy}}}\n"));
    for (proxy, part) in [
        ("password: CANARY", "5:21: proxy.password needs proxy.username"),
        (
            "http_proxy: \"http://u@p/\", password: CANARY",
            "proxy.password needs proxy.username",
        ),
        (
            "http_proxy: \"http://u:CANARY@p/\", username: v",
            "the URL has credentials and there is `proxy.username`",
        ),
        (
            "http_proxy: \"http://u:CANARY@p/\", https_proxy: \"http://v:CANARY@p/\"",
            "http_proxy and https_proxy have different credentials",
        ),
        ("usrname: u, password: CANARY", "unknown key \"usrname\""),
    ] {
        let found = errors(&with(proxy));
        assert_eq!(found.len(), 1, "{proxy}: {found:?}");
        assert!(found[0].contains(part) && !found[0].contains("CANARY"), "{found:?}");
        let global = errors(&format!("proxy: {{{proxy}}}\n"));
        assert_eq!(global.len(), 1, "{proxy}: {global:?}");
    }
    let same = "http_proxy: \"http://u:CANARY@p/\", https_proxy: \"u:CANARY@q\"";
    assert_eq!(errors(&with(same)), [""; 0]);
    // What is for all repositories need not fit each, and gives way.
    let defaults = "defaults: {proxy: {password: CANARY}}\n".to_owned();
    assert_eq!(errors(&(defaults + &with("http_proxy: \"http://p/\""))), [""; 0]);
    let defaults = "defaults: {proxy: {username: v, password: CANARY}}\n".to_owned();
    let text = defaults + &with("http_proxy: \"http://u:CANARY@p/\"");
    let proxy = &load_str(&text).unwrap().config.repositories[0].proxy;
    assert_eq!(proxy.username.as_deref(), Some("u"));
}

#[test]
fn variables_of_clients_are_no_part_of_a_url() {
    let with = |line: &str| format!("repositories:\n- {{id: r, type: rpm, {line}}}\n");
    for (line, part) in [
        (
            "feed: \"http://h/$releasever/$basearch/\"",
            "feed holds $basearch and $releasever, which",
        ),
        (
            "feeds: [http://h/, \"http://i/$basearch\"]",
            "feeds holds $basearch, which",
        ),
        (
            "mirrorlist: \"http://h/?arch=$basearch&repo=os-$releasever$rltype\"",
            "mirrorlist holds $basearch and $releasever and $rltype, which",
        ),
        ("metalink: \"http://h/$YUM0\"", "metalink holds $YUM0, which"),
    ] {
        let found = errors(&with(line));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].contains(part) && found[0].contains("`matrix: {"), "{found:?}");
    }
    let loaded = load_str(&with("feed: \"http://h/$rltype/\"")).unwrap();
    assert_eq!(
        loaded.warnings[0].message,
        "feed holds $rltype, which nothing replaces here"
    );
    for text in ["http://h/a$/", "http://h/$9/x", "http://h/%24basearch/", "http://h/$-x"] {
        let loaded = load_str(&with(&format!("feed: \"{text}\""))).unwrap();
        assert_eq!(loaded.warnings, [], "{text}");
    }
}
