use super::*;

#[test]
fn what_excludes_each_other_is_refused() {
    for (lines, expected) in [
        (
            "  mode: mirror\n  on_package_error: skip\n",
            "mode mirror cannot leave packages out",
        ),
        ("  latest_path: views/x\n", "are kept for other trees"),
        ("  snapshots_path: env\n", "are kept for other trees"),
        ("  latest_path: a/.b\n", "starts with a dot"),
        ("  latest_path: r\n", "lie in each other"),
        ("  ssl: {client_cert: c.pem}\n", "belong together"),
        ("  auth: {username: u}\n", "auth needs \"type\""),
        (
            "  auth: {type: client_cert, cert_file: c}\n",
            "needs cert_file and key_file",
        ),
        ("  auth: {type: bearer}\n", "needs token"),
        ("  auth: {type: custom}\n", "needs headers"),
        ("  download: {backend: aria2c}\n", "aria2c is not offered"),
        ("  id: views\n", "was given before"),
        ("  retention: {keep_count: 1, keep_versions: 2}\n", "are the same key"),
        ("  limits: {metadata: -1}\n", "limits.metadata"),
    ] {
        let found = errors(&repository(lines));
        assert!(
            found.iter().any(|error| error.contains(expected)),
            "expected {expected:?} in {found:?}"
        );
    }
    assert!(errors("repositories:\n- {id: views, type: rpm, feed: http://h/}\n")[0].contains("reserved"));
    assert!(errors("repositories:\n- {id: r, type: rpm}\n")[0].contains("needs a feed"));
    assert!(errors("repositories:\n- {id: r, type: rpm, metalink: nonsense}\n")[0].contains("not a URL"));
}

#[test]
fn one_repository_must_not_publish_into_another() {
    let two = |path: &str| {
        errors(&format!(
            "repositories:\n- {{id: a, type: rpm, feed: http://h/}}\n- {{id: b, type: rpm, feed: http://h/, latest_path: {path}}}\n"
        ))
    };
    for path in ["a/latest", "a/latest/x", "a/snapshots/s", "a", "b/snapshots/x"] {
        assert!(
            two(path).iter().any(|error| error.contains("lie in each other")),
            "{path}"
        );
    }
    for path in ["a2", "a/latest2", "a-b/latest", "b"] {
        let found = two(path);
        assert_eq!(found.is_empty(), path != "b", "{path}: {found:?}");
    }
}

#[test]
fn global_blocks_are_checked_once_however_many_repositories_use_them() {
    let global = "download: {timeout: soon}\npublish: {base_url: \"ftp://h/\"}\nproxy: {http_proxy: \"ftp://h/\"}\nlimits: {metadata: much}\n";
    let two = "repositories:\n- {id: a, type: rpm, feed: http://h/}\n- {id: b, type: rpm, feed: http://h/}\n";
    assert_eq!(errors(global).len(), 4, "{:?}", errors(global));
    assert_eq!(errors(&(global.to_owned() + two)), errors(global));
}

#[test]
fn views_name_repositories_that_are_there() {
    let views = |lines: &str| errors(&(repository("") + "views:\n" + lines));
    assert_eq!(views("- {name: v, repos: [r]}\n"), [""; 0]);
    assert!(views("- {name: v, repos: [q]}\n")[0].contains("which is not there"));
    assert!(views("- {name: v, repos: [r]}\n- {name: v, repos: [r]}\n")[0].contains("defined before"));
    assert!(views("- {name: v, repos: [r], schedule: {cron: often}}\n")[0].contains("cron"));
}

#[test]
fn blocks_of_another_format_are_refused() {
    let text = "repositories:\n- {id: a, type: apk, feed: http://h/, filters: {rpm: {}}}\n\
                - {id: b, type: apt, feed: http://h/, apt: {distribution: stable}}\n";
    let found = errors(text);
    assert_eq!(found, ["2:54: filters.rpm does not belong to type apk"]);
}

#[test]
fn a_format_that_is_not_built_is_one_warning() {
    let text = "repositories:\n- {id: b, type: apt, feed: http://h/, apt: {distribution: stable}}\n";
    let loaded = load_str(text).unwrap();
    let messages: Vec<_> = loaded.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        ["type: apt is accepted but not acted on (this format: not built yet)"]
    );
    assert_eq!(loaded.config.repositories[0].unbuilt.len(), 1);
}

#[test]
fn a_misspelt_key_is_not_also_named_as_missing() {
    let found = errors("repositories:\n- {id: r, type: rpm, feeed: http://h/}\n");
    assert_eq!(
        found,
        ["2:22: unknown key \"feeed\" in repositories [did you mean `feed`?]"]
    );
    let found = errors(&repository("  auth: {type: basic, username: u, pasword: p}\n"));
    assert_eq!(
        found,
        ["5:36: unknown key \"pasword\" in repositories.auth [did you mean `password`?]"]
    );
}

#[test]
fn mode_mirror_generates_no_metadata() {
    for (key, value) in [("compression", "zstd"), ("checksum", "sha512")] {
        let found = errors(&repository(&format!(
            "  mode: mirror\n  metadata: {{{key}: {value}}}\n"
        )));
        assert_eq!(found.len(), 1, "{found:?}");
        let wanted = format!("mode mirror generates nothing and has no metadata.{key} [in mode mirror");
        assert!(found[0].starts_with("6:") && found[0].contains(&wanted), "{found:?}");
        // A default is for those that do.
        let defaults = format!("defaults: {{metadata: {{{key}: {value}}}}}\n");
        assert_eq!(errors(&(defaults + &repository("  mode: mirror\n"))), [""; 0]);
    }
    let same = "  mode: mirror\n  metadata: {compression: auto, checksum: sha256}\n";
    assert_eq!(errors(&repository(same)), [""; 0]);
}
