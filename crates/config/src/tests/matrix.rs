use super::*;

const FOUR: &str = "repositories:\n- id: el{releasever}-{basearch}\n  type: rpm\n  name: EL {releasever}\n  \
                    feed: http://h/{releasever}/{basearch}/\n  matrix: {releasever: [8, 9.10], basearch: [x86_64, aarch64]}\n";

fn ids(text: &str) -> Vec<String> {
    let config = load_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")).config;
    config.repositories.iter().map(|repo| repo.id.to_string()).collect()
}

/// One entry with an id, a feed and a matrix.
fn entry(id: &str, matrix: &str) -> String {
    format!("repositories:\n- id: \"{id}\"\n  type: rpm\n  feed: \"http://h/{id}/\"\n  matrix: {matrix}\n")
}

#[test]
fn a_matrix_is_the_product_in_the_order_written_and_numbers_keep_their_form() {
    assert_eq!(
        ids(FOUR),
        ["el8-x86_64", "el8-aarch64", "el9.10-x86_64", "el9.10-aarch64"]
    );
    assert_eq!(ids(&entry("r{v}", "{v: [08, 1_0, true, \"x\", 0x1f, 1.0]}"))[0], "r08");
    assert_eq!(
        ids(
            "repositories:\n- &a {id: \"a{v}\", type: rpm, feed: \"http://h/{v}\", matrix: {v: &v [9.0, 9]}}\n\
             - {<<: *a, id: \"b{v}\", matrix: {v: *v}}\n"
        ),
        ["a9.0", "a9", "b9.0", "b9"]
    );
    let loaded = load_str(FOUR).unwrap();
    let last = &loaded.config.repositories[3];
    assert_eq!(last.name.as_deref(), Some("EL 9.10"));
    assert_eq!(last.feed.as_ref().unwrap().as_str(), "http://h/9.10/aarch64/");
    assert!(loaded.config.repositories.iter().all(|repo| repo.line == 2));
    assert!(loaded.warnings.is_empty() && last.unbuilt.is_empty());
}

#[test]
fn every_text_is_filled_and_other_braces_stay() {
    let text = entry("r{v}", "{v: [8, 9], n: [3]}")
        + "  tags: [\"el{v}\"]\n  latest_path: trees/{v}/\n  max_removed_percent: \"{n}\"\n  \
           ssl: {ca_bundle: \"/ca/{v}.pem\"}\n  auth: {type: basic, username: u, password: \"env:PASS_{v}\"}\n  \
           filters: {patterns: {include: [\"^a{2}b{1,3}{n}-{v}$\", \"\\\\p{Lu}[{]{v}[}]\"]}}\n";
    let config = load_str(&text).unwrap().config;
    let repo = &config.repositories[1];
    assert_eq!(repo.tags, ["el9"]);
    assert_eq!(repo.latest_path.as_ref().unwrap().as_str(), "trees/9");
    assert_eq!(repo.guards.max_removed_percent, 3);
    assert_eq!(repo.ssl.ca_bundle.as_deref(), Some(Path::new("/ca/9.pem")));
    let shown = config.to_value();
    assert_eq!(shown["repositories"][1]["auth"]["password"], "env:PASS_9");
    assert_eq!(repo.filters.patterns_include, ["^a{2}b{1,3}3-9$", "\\p{Lu}[{]9[}]"]);
}

#[test]
fn what_is_wrong_with_a_matrix_is_said_at_its_place() {
    for (id, matrix, expected) in [
        ("r", "[8]", "5:11: matrix must be a mapping of lists, not a list"),
        ("r", "{}", "5:3: matrix has no key"),
        ("r{v}", "{v: 8}", "5:15: matrix.v must be a list, not a whole number"),
        ("r{v}", "{v: []}", "5:15: matrix.v is empty"),
        ("r{v}", "{v: [8, 9, \"8\"]}", "5:22: matrix.v holds \"8\" twice"),
        (
            "r{v}",
            "{v: [8, [9]]}",
            "5:19: matrix.v must hold texts or numbers, not a list",
        ),
        (
            "r{v}",
            "{v: [8, ~]}",
            "5:19: matrix.v must hold texts or numbers, not nothing",
        ),
        (
            "r{v}",
            "{v: [8, 9], w: [1]}",
            "5:23: matrix key \"w\" is not used [write `{w}`",
        ),
        ("r{v}", "{v: [8], 9x: [1]}", "5:20: \"9x\" cannot be a placeholder"),
        ("r", "{v: [8, 9]}", "5:12: matrix key \"v\" is not used"),
        (
            "r{ver}",
            "{vre: [8, 9]}",
            "2:7: {ver} in id is no key of the matrix [did you mean `{vre}`?]",
        ),
    ] {
        let found = errors(&entry(id, matrix));
        assert!(
            found.iter().any(|error| error.contains(expected)),
            "{expected:?} in {found:?}"
        );
    }
    let large = format!("{{v: {:?}, w: {0:?}}}", (0..32).collect::<Vec<_>>());
    let found = errors(&entry("r{v}-{w}", &large));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("gives 1024 repositories; at most 1000"), "{found:?}");
}

#[test]
fn expansions_must_not_share_an_id_or_a_tree() {
    let text = "repositories:\n- id: r\n  type: rpm\n  feed: http://h/{v}/\n  latest_path: t\n  matrix: {v: [8, 9]}\n";
    assert_eq!(
        errors(text),
        [
            "2:7: id \"r\" does not hold {v}, so that several repositories would share it [such as `r-{v}`]",
            "5:16: latest_path \"t\" does not hold {v}, so that several repositories would share it [such as `t-{v}`]",
        ]
    );
    let found = errors(&entry("r{a}{b}", "{a: [1, 11], b: [1, 11]}"));
    assert_eq!(
        found,
        ["2:7: the matrix gives the id \"r111\" twice [put something between the placeholders]"]
    );
}

#[test]
fn a_placeholder_without_a_matrix_was_forgotten() {
    let found = errors("repositories:\n- {id: r, type: rpm, feed: \"http://u:CANARY@h/{releasever}/\"}\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("{releasever} in feed stands for nothing: the repository has no matrix"));
    assert!(!found[0].contains("CANARY"));
}

#[test]
fn an_error_in_every_expansion_is_said_once_and_one_in_some_names_them() {
    let text = entry("r{v}", "{v: [8, 9]}") + "  download: {timeout: soon}\n";
    assert_eq!(errors(&text).len(), 1, "{:?}", errors(&text));
    assert!(errors(&text)[0].starts_with("6:23: \"soon\" is not a duration"));
    let found = errors(&(entry("r{v}", "{v: [30, 4y]}") + "  max_age: \"{v}s\"\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("repository \"r4y\": \"4ys\" is not a duration"),
        "{found:?}"
    );
    let found = errors(&("defaults: {max_age: soon}\n".to_owned() + &entry("r{a}{b}", "{a: [1, 11], b: [1, 11]}")));
    assert_eq!(found.len(), 2, "{found:?}");
    let found = errors(&(entry("r{v}", "{v: [1, 2, 3, 4, 5], w: [9]}") + "  max_age: x\n  tags: [\"{w}\"]\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    let found = errors(&(entry("r{v}", "{v: [\"1/\", \"2/\"]}")));
    assert_eq!(found.len(), 2, "{found:?}");
    let found = errors(&(entry("r{v}", "{v: [8, \"9/x\"]}")));
    assert_eq!(
        found,
        [
            "2:7: repository \"r9/x\": \"r9/x\" is not a repository id: only ASCII letters, digits, `-`, `_` and `.` are allowed"
        ]
    );
}

#[test]
fn a_secret_with_a_placeholder_is_not_shown() {
    let text = entry("r{v}", "{v: [8]}") + "  auth: {type: custom, headers: {X-Key: \"CANARY{v}\"}, tpye: x}\n";
    let shown = load_str(&text).unwrap_err().to_string();
    assert!(shown.contains("unknown key") && !shown.contains("CANARY"), "{shown}");
}

#[test]
fn views_name_what_a_matrix_gives() {
    let views = |repos: &str| errors(&format!("{FOUR}views:\n- {{name: v, repos: [{repos}]}}\n"));
    assert_eq!(views("el8-x86_64, el9.10-aarch64"), [""; 0]);
    let found = views("el8-x86_64, el9-aarch64");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("\"el9-aarch64\", which is not there"), "{found:?}");
}

#[test]
fn keys_that_are_not_built_are_one_warning_and_each_expansion_is_left_out() {
    let text = entry("r{v}", "{v: [8, 9]}") + "  gpg: {key_file: k}\n";
    let loaded = load_str(&text).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.config.repositories.iter().all(|repo| repo.unbuilt.len() == 1));
}

proptest! {
    #[test]
    fn a_matrix_expands_to_the_product_of_its_sizes(sizes in prop::collection::vec(1_usize..5, 1..5)) {
        let keys: Vec<String> = (0..sizes.len()).map(|key| format!("k{key}")).collect();
        let id = keys.iter().fold(String::new(), |id, key| id + "-{" + key + "}");
        let lists = keys.iter().zip(&sizes).map(|(key, size)| format!("{key}: {:?}", (0..*size).collect::<Vec<_>>()));
        let found = ids(&entry(&format!("r{id}"), &format!("{{{}}}", lists.collect::<Vec<_>>().join(", "))));
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        prop_assert_eq!(found.len(), sizes.iter().product::<usize>());
        prop_assert_eq!(distinct.len(), found.len());
        let mut numbers: Vec<Vec<usize>> = Vec::new();
        for id in &found {
            numbers.push(id.split('-').skip(1).map(|number| number.parse().unwrap()).collect());
        }
        prop_assert!(numbers.is_sorted());
    }

    #[test]
    fn no_matrix_makes_it_panic(id in "[a{}v]{0,6}", key in "[v{} ]{0,2}", value in "[\\[\\]v9{}:, ~.]{0,8}", pattern in "\\PC{0,8}") {
        let text = serde_json::json!({ "repositories": [{
            "id": id, "type": "rpm", "feed": format!("http://h/{pattern}"), "tags": [pattern], "matrix": { key.as_str(): [value, 1] },
        }]});
        let _ = load_str(&text.to_string());
        let _ = load_str(&format!("repositories:\n- {{id: \"{{v}}\", type: rpm, feed: \"http://h/\", matrix: {{v: {value}}}}}\n"));
    }
}
