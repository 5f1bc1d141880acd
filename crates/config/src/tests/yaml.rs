use super::*;

#[test]
fn switches_and_numbers_may_be_written_as_text() {
    let text =
        repository("  enabled: off\n  download: {parallel: \"7\"}\n  publish: {auto: yes, require_closure: off}\n");
    let loaded = load_str(&text).unwrap();
    let repo = &loaded.config.repositories[0];
    assert!(!repo.enabled && repo.publish.auto);
    assert_eq!(repo.download.parallel, 7);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn merge_keys_share_a_block() {
    let text = "repositories:\n- &base {id: a, type: rpm, feed: http://a/, tags: [x], enabled: false}\n\
                - {<<: *base, id: b, feed: http://b/}\n- {<<: [{id: c, feed: http://c/}, *base], enabled: true}\n";
    let config = load_str(text).unwrap().config;
    let rows: Vec<_> = config
        .repositories
        .iter()
        .map(|repo| {
            (
                repo.id.as_str(),
                repo.feed.as_ref().unwrap().as_str(),
                repo.enabled,
                repo.tags.len(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("a", "http://a/", false, 1),
            ("b", "http://b/", false, 1),
            ("c", "http://c/", true, 1)
        ]
    );
    assert!(errors("storage: {<<: 7}\n")[0].contains("unknown key \"<<\""));
}

#[test]
fn what_is_no_usable_yaml_is_refused_with_its_line() {
    let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let list = vec![format!("*a{}", n - 1); 9].join(", ");
        text + &format!("a{n}: &a{n} [{list}]\n")
    });
    let deep = "[".repeat(100);
    for (text, expected) in [
        (laughs.as_str(), "too many values"),
        (deep.as_str(), "nested too deeply"),
        ("a: 1\n---\nb: 2\n", "a second YAML document"),
        ("storage: {}\nstorage: {}\n", "was given before, in line 1"),
        ("storage: *nothing\n", "1:"),
        ("{[a]: 1}\n", "a key that is not text"),
        ("- a\n", "the configuration must be a mapping, not a list"),
        ("download: {parallel: 99999999999}\n", "at most 100"),
        ("revisions: {keep_last: 99999999999}\n", "at most 4294967295"),
        ("revisions: {keep_last: -1}\n", "at least 0"),
    ] {
        let found = errors(text);
        assert!(
            found.iter().any(|error| error.contains(expected)),
            "expected {expected:?} in {found:?} of {text}"
        );
    }
}

#[test]
fn an_error_shows_the_line_and_points_at_the_place() {
    let text = "storage:\n\tbase_path: /x\n";
    assert!(matches!(load_str(text), Err(LoadError::Invalid(_))));

    let text = "storage:\n  base_paht: /x\ndownload: {parallel: 0, timeout: soon}\n";
    insta::assert_snapshot!(load_str(text).unwrap_err(), @r#"
    /etc/chantal/config.yaml:2:3: unknown key "base_paht" in storage
    2 |   base_paht: /x
      |   ^
    hint: did you mean `base_path`?
    /etc/chantal/config.yaml:3:22: download.parallel must be at least 1, not 0
    3 | download: {parallel: 0, timeout: soon}
      |                      ^
    /etc/chantal/config.yaml:3:34: "soon" is not a duration: expected a number with s, m, h, d or w, such as 30s or 24h
    3 | download: {parallel: 0, timeout: soon}
      |                                  ^
    "#);
}

#[test]
fn of_a_long_line_only_the_part_around_the_place_is_shown() {
    let text = format!(
        "storage: {{pool_path: \"/{}\", link_mode: hradlink, temp_path: \"/{}\"}}\n",
        "p".repeat(500),
        "t".repeat(500)
    );
    let shown = load_str(&text).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.iter().all(|line| line.len() < 160), "{shown}");
    let column = lines[2].find('^').unwrap();
    assert!(lines[1][column..].starts_with("hradlink"), "{shown}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = format!("\u{feff}{}", repository("  enabled: false\n").replace('\n', "\r\n"));
    assert!(!load_str(&text).unwrap().config.repositories[0].enabled);
}

#[test]
fn an_include_pattern_may_match_the_file_itself() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "main.yaml",
        "include: \"*.yaml\"\nrepositories:\n- {id: a, type: rpm, feed: http://a/}\n",
    );
    let main = directory.path().join("main.yaml");
    let found = load(&main, &|_| None).unwrap_err().to_string();
    assert!(found.contains("matches no file"), "{found}");

    write("more.yaml", "repositories:\n- {id: b, type: rpm, feed: http://b/}\n");
    assert_eq!(load(&main, &|_| None).unwrap().config.repositories.len(), 2);

    // The same line of another file is still another place.
    write("more.yaml", "\nrepositories:\n- {id: a, type: rpm, feed: http://b/}\n");
    let LoadError::Invalid(found) = load(&main, &|_| None).unwrap_err() else {
        panic!("it was loaded")
    };
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].file.ends_with("more.yaml") && found[0].message.contains("main.yaml:3"),
        "{found:?}"
    );
}
