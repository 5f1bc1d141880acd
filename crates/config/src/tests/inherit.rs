use super::*;

fn with_defaults(defaults: &str, lines: &str) -> String {
    format!("defaults:\n{defaults}{}", repository(lines))
}

fn first(text: &str) -> Repository {
    load_str(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .config
        .repositories
        .remove(0)
}

#[test]
fn a_repository_comes_before_the_defaults_and_those_before_the_global_block() {
    let text = "download: {parallel: 1, per_host: 2, retry_attempts: 4, timeout: 9s}\n".to_owned()
        + &with_defaults(
            "  download: {parallel: 5, retry_attempts: 6}\n",
            "  download: {parallel: 7}\n",
        );
    let download = first(&text).download;
    assert_eq!(
        (download.parallel, download.retry_attempts, download.per_host),
        (7, 6, 2)
    );
    assert_eq!((download.timeout.as_secs(), download.idle_timeout.as_secs()), (9, 30));

    let proxy = "proxy: {http_proxy: \"http://global/\"}\n".to_owned();
    let defaults = "  proxy: {http_proxy: \"http://default/\"}\n";
    let host = |text: &str| first(text).proxy.http_proxy.unwrap().host_str().unwrap().to_owned();
    assert_eq!(host(&(proxy.clone() + &with_defaults(defaults, ""))), "default");
    assert_eq!(host(&(proxy + &with_defaults(defaults, "  proxy: null\n"))), "global");
}

#[test]
fn maps_are_put_together_lists_are_replaced_and_null_leaves_out() {
    let defaults =
        "  tags: [a, b]\n  enabled: false\n  filters: {patterns: {include: [x], exclude: [y]}}\n  max_age: 3d\n";
    let repo = first(&with_defaults(
        defaults,
        "  tags: [c]\n  max_age: null\n  filters: {patterns: {exclude: [z]}, metadata: {architectures: {include: [noarch]}}}\n",
    ));
    assert_eq!(
        (repo.tags, repo.enabled, repo.guards.max_age),
        (vec!["c".to_owned()], false, None)
    );
    assert_eq!(
        (repo.filters.patterns_include, repo.filters.patterns_exclude),
        (vec!["x".into()], vec!["z".into()])
    );
    assert_eq!(repo.filters.architectures.include, ["noarch"]);
    let repo = first(&with_defaults(defaults, "  filters: {patterns: null}\n  tags:\n"));
    assert!(repo.filters.patterns_include.is_empty() && repo.tags.is_empty());
}

#[test]
fn a_block_of_another_kind_is_the_repositorys_alone() {
    let defaults =
        "  auth: {type: basic, username: u, password: \"env:P\"}\n  retention: {policy: keep-last-n, keep_count: 3}\n";
    let repo = first(&with_defaults(
        defaults,
        "  auth: {type: bearer, token: \"env:T\"}\n  retention: {policy: keep-all}\n",
    ));
    assert!(matches!(repo.auth, Some(Auth::Bearer { .. })));
    assert_eq!((repo.retention.keep, repo.unbuilt.len()), (Keep::All, 0));
    let repo = first(&with_defaults(
        defaults,
        "  retention: {keep_count: 5}\n  auth: {username: v}\n",
    ));
    assert_eq!(repo.retention.keep, Keep::Newest(5));
    assert!(matches!(repo.auth, Some(Auth::Basic { username, .. }) if username == "v"));
}

#[test]
fn what_each_repository_has_for_itself_cannot_be_a_default() {
    for key in [
        "id",
        "type",
        "name",
        "feed",
        "upstream",
        "feeds",
        "mirrorlist",
        "metalink",
        "matrix",
        "latest_path",
        "snapshots_path",
        "apt",
        "apk",
    ] {
        let found = errors(&with_defaults(&format!("  {key}: x\n"), ""));
        assert_eq!(found.len(), 1, "{key}: {found:?}");
        assert!(
            found[0].starts_with("2:3: ") && found[0].contains("cannot be a default"),
            "{found:?}"
        );
        assert!(found[0].contains("[set it in the repositories"), "{found:?}");
    }
}

#[test]
fn a_mistake_in_the_defaults_is_said_once_where_it_stands() {
    let two = "repositories:\n- {id: a, type: rpm, feed: http://h/}\n- {id: b, type: rpm, feed: http://h/, download: {parallel: 2}}\n";
    for defaults in [
        "download: {parallel: 0}",
        "download: {timeout: soon}",
        "max_removed_percent: 300",
        "mode: mirrored",
        "filters: {patterns: {include: [\"(\"]}}",
        "max_age: soon",
        "limits: {metadata: much}",
        "publish: {base_url: \"ftp://h/\"}",
        "proxy: {http_proxy: \"ftp://h/\"}",
        "schedule: {enabled: true, cron: often}",
        "retnetion: {}",
        "auth: {type: basik, username: u, password: p}",
        "auth: {type: basic, username: u, pasword: p}",
        "retention: {keep_count: 1, keep_versions: 2}",
    ] {
        let text = format!("defaults: {{{defaults}}}\n");
        let found = errors(&(text.clone() + two));
        assert_eq!(found.len(), 1, "{defaults}: {found:?}");
        assert!(found[0].starts_with("1:"), "{found:?}");
        assert_eq!(errors(&text), found);
    }
    assert_eq!(
        errors(&("defaults: 7\n".to_owned() + two)),
        ["1:11: defaults must be a mapping, not a whole number"]
    );
}

#[test]
fn a_default_that_a_repository_cannot_use_is_refused_at_both_places() {
    for (defaults, lines, expected, hint) in [
        (
            "filters: {patterns: {include: [x]}}",
            "mode: mirror",
            "has no filters, but defaults set filters",
            "filters: null",
        ),
        (
            "modules: {include: [x]}",
            "mode: mirror",
            "has no modules, but defaults set modules",
            "modules: null",
        ),
        (
            "on_package_error: skip",
            "mode: mirror",
            "but defaults set on_package_error",
            "on_package_error: null",
        ),
        (
            "retention: {policy: keep-all}",
            "mode: mirror",
            "no retention.policy keep-all, but defaults set retention.policy",
            "retention: null",
        ),
        (
            "filters: {deb: {}}",
            "enabled: true",
            "does not belong to type rpm, but defaults set filters.deb",
            "filters: {deb: null}",
        ),
    ] {
        let text = |more: &str| {
            format!(
                "defaults: {{{defaults}}}\n{}",
                repository(&format!("  {lines}\n{more}"))
            )
        };
        let found = errors(&text(""));
        assert_eq!(found.len(), 1, "{found:?}");
        let wanted = format!("{expected} for \"r\", in /etc/chantal/config.yaml:1 [`{hint}` in the repository leaves");
        assert!(
            found[0].starts_with("3:7: ") && found[0].contains(&wanted),
            "{wanted:?} in {found:?}"
        );
        assert_eq!(errors(&text(&format!("  {hint}\n"))), [""; 0]);
    }
}

#[test]
fn defaults_reach_included_files_and_each_expansion() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "main.yaml",
        "include: more.yaml\ndefaults: {tags: [all], gpg: {key_file: k}}\n",
    );
    write(
        "more.yaml",
        "repositories:\n- {id: \"a{v}\", type: rpm, feed: \"http://a/{v}\", matrix: {v: [1, 2]}}\n- {id: b, type: rpm, feed: http://b/, tags: [b]}\n",
    );
    let loaded = load(&directory.path().join("main.yaml"), &|_| None).unwrap();
    let tags: Vec<_> = loaded
        .config
        .repositories
        .iter()
        .map(|repo| repo.tags[0].as_str())
        .collect();
    assert_eq!(tags, ["all", "all", "b"]);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert_eq!(
        (loaded.warnings[0].line, loaded.config.repositories[2].unbuilt.len()),
        (2, 1)
    );
}

#[test]
fn placeholders_are_not_replaced_in_defaults() {
    let text = "defaults: {tags: [\"{v}\"]}\nrepositories:\n- {id: \"a{v}\", type: rpm, feed: \"http://a/{v}\", matrix: {v: [1, 2]}}\n";
    assert_eq!(
        errors(text),
        ["1:19: {v} is not replaced in defaults [set the value in the entry that has the matrix]"]
    );
    first(&with_defaults("  filters: {patterns: {include: [\"a{2}\"]}}\n", ""));
}
