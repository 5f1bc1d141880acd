use super::*;

/// A configuration that sets every key that has a default to that default.
fn every_default() -> serde_json::Value {
    let mut file = serde_json::json!({ "repositories": [{ "id": "r", "type": "rpm", "feed": "http://h/" }] });
    for leaf in reference::leaves(&json_schema()) {
        let Some(default) = leaf.default else { continue };
        // Blocks of other formats, and lists of mappings, are not this repository's.
        let key = leaf.key.replacen("repositories[].", "repositories.0.", 1);
        if key.contains("[]") || key.starts_with("repositories.0.ap") {
            continue;
        }
        let mut at = &mut file;
        for step in key.split('.') {
            at = match step.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[step],
            };
        }
        *at = default;
    }
    file
}

#[test]
fn setting_a_default_changes_nothing() {
    let file = every_default();
    // Whether to sign is a question of its own: the switch says yes, and no key is named.
    let mut file = file.clone();
    file["gpg"] = serde_json::Value::Null;
    file["repositories"][0]["gpg"] = serde_json::Value::Null;
    let explicit = load_str(&file.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let implicit = load_str(&repository("")).unwrap();
    assert_eq!(explicit.config.to_value(), implicit.config.to_value());
    assert!(explicit.warnings.is_empty(), "{:?}", explicit.warnings);
}

#[test]
fn a_value_other_than_the_default_is_warned_about_even_if_it_is_false() {
    for (text, warned) in [
        ("scheduler: {lease_seconds: 60}\n", 0),
        ("scheduler: {lease_seconds: 61}\n", 0),
        ("database: {pool_size: 5, echo: false}\n", 0),
        ("database: {pool_size: 6}\n", 0),
        ("database: {echo: true}\n", 0),
        ("cache: {max_age_hours: 3}\n", 0),
        ("cache: {enabled: true}\n", 1),
        ("gpg: {enabled: false, key_file: k}\n", 0),
        ("gpg: {key_file: k}\n", 1),
        ("gpg: {enabled: true}\n", 1),
        ("defaults: {mode: mirror}\n", 0),
    ] {
        assert_eq!(load_str(text).unwrap().warnings.len(), warned, "{text}");
    }
    assert!(errors("defaults: {mdoe: mirror}\n")[0].contains("did you mean `mode`?"));
}

#[test]
fn no_file_but_those_of_the_formats_names_a_format() {
    let names = ["rpm", "apt", "deb", "apk", "helm", "pypi"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    let mut directories = vec![source.clone()];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let relative = path.strip_prefix(&source).unwrap();
            if path.is_dir() {
                if relative != Path::new("tests") && relative != Path::new("formats") {
                    directories.push(path);
                }
                continue;
            }
            let is_code = path.extension().is_some_and(|suffix| suffix == "rs");
            if !is_code || relative == Path::new("tests.rs") {
                continue;
            }
            checked += 1;
            for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default().to_lowercase();
                let mut words = code.split(|c: char| !c.is_ascii_alphanumeric());
                let named = words.find(|word| names.contains(word));
                assert_eq!(named, None, "{}:{}: {line}", relative.display(), number + 1);
            }
        }
    }
    assert!(checked > 15, "{checked}");
}
