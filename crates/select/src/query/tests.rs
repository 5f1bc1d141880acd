use super::*;
use proptest::prelude::*;

const NGINX: Row<'_> = Row {
    repo: "el9",
    name: "nginx",
    version: "1.20",
    arch: "x86_64",
    summary: "A high performance web server",
    path: "Packages/n/nginx-1.20.x86_64.pkg",
    sha256: "ab12",
    size: 4096,
};

fn numbers(have: &str, comparison: Comparison, wanted: &str) -> bool {
    let number = |text: &str| text.replace('.', "").parse::<u32>().unwrap_or_default();
    comparison.holds(number(have).cmp(&number(wanted)))
}

fn holds(query: &str) -> bool {
    Query::parse(query).unwrap().matches(&NGINX, &numbers)
}

#[test]
fn all_terms_must_hold() {
    for query in [
        "",
        "name=nginx",
        "name=nginx arch=x86_64 version>=1.20",
        "name != httpd version < 1.21 version>1.19 version<=1.20 version=1.20",
        "name~NG*x summary~'*web server*' path~packages/n/*",
        "name!~http* summary!~\"*\\\"*\"",
        "size>=4K size<4097 size=4096 size=4KiB size!=1G",
        "sha256=AB12 repo=el9",
        "gin",
        "\"1.2\"",
        "n*x arch=x86_64",
    ] {
        assert!(holds(query), "{query}");
    }
    for query in [
        "name=Nginx",
        "name=nginx arch=aarch64",
        "name!=nginx",
        "version!=1.20",
        "version>1.20",
        "size>4K",
        "x86_64",
        "name~ngin",
        "repo=el8",
    ] {
        assert!(!holds(query), "{query}");
    }
}

#[test]
fn errors_name_the_column_and_what_was_expected() {
    for (query, column, message) in [
        (
            "nam=x",
            1,
            "expected one of name, version, arch, summary, path, size, sha256, repo before the operator, got \"nam\"",
        ),
        (
            "name=x  =y",
            9,
            "expected one of name, version, arch, summary, path, size, sha256, repo before the operator, got \"=\"",
        ),
        ("name=", 6, "expected a value, got the end"),
        ("ä name>x", 7, "> applies to version and size, not to name"),
        ("size~1", 5, "~ does not apply to size, which is a number"),
        (
            "size<ten",
            6,
            "expected a number of bytes such as 4096, 10M or 2G, got \"ten\"",
        ),
        (
            "size<99999999999999999999",
            6,
            "expected a number of bytes such as 4096, 10M or 2G, got \"99999999999999999999\"",
        ),
        ("name==x", 5, "expected one of =, !=, <, <=, >, >=, ~, !~, got \"==\""),
        ("name!x", 5, "expected one of =, !=, <, <=, >, >=, ~, !~, got \"!\""),
        ("name=\"x", 6, "the quote \" is not closed"),
        ("name='x'y", 9, "expected a blank after the closing quote"),
        (
            "nam~x*",
            1,
            "expected one of name, version, arch, summary, path, size, sha256, repo before the operator, got \"nam\"",
        ),
    ] {
        let error = Query::parse(query).unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (column, message), "{query}");
    }
}

#[test]
fn what_joins_terms_elsewhere_is_refused() {
    let joint = "terms stand side by side and must all hold, without a word between them";
    let comma = "terms stand side by side, with a blank between them; a value with a comma stands in quotes";
    for (query, column, message) in [
        ("name=x OR name=y", 8, joint),
        ("name=x and", 8, joint),
        ("not name=y", 1, joint),
        ("x && y", 3, joint),
        ("version>=1.20,name=x", 14, comma),
        ("name=a, name=b", 7, comma),
    ] {
        let error = Query::parse(query).unwrap_err();
        assert_eq!(error.column, column, "{query}");
        assert!(error.message.starts_with(message), "{query}: {error}");
    }
}

#[test]
fn a_tilde_is_an_operator_only_behind_a_field() {
    let row = Row {
        name: "tool",
        version: "3~rc1-1",
        ..NGINX
    };
    for (query, expected) in [
        ("3~rc1", true),
        ("tool 3~rc1-1", true),
        ("3~rc2", false),
        ("version~3~rc1*", true),
        ("version~3~rc2*", false),
        ("or", false),
        ("\"or\" name=tool", false),
        ("summary~*web,*", false),
    ] {
        let found = Query::parse(query).unwrap().matches(&row, &numbers);
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn a_query_is_told_from_the_name_of_a_package() {
    for (text, is_query) in [
        ("nginx", false),
        ("nginx@1.20", false),
        ("tool@3~rc1-1", false),
        ("tool-3~rc1-1.x86_64", false),
        ("nginx-1:1.22.0-1.el9.x86_64", false),
        ("name~nginx*", true),
        ("name=a@b", true),
        ("version~3~rc1", true),
        ("name = nginx", true),
        ("nam=nginx", true),
        ("n*x", true),
        ("'tool@3'", true),
    ] {
        assert_eq!(Query::is_meant(text), is_query, "{text}");
    }
}

/// Versions in which an epoch counts where the wanted one has it.
struct Epochs;

impl Versions for Epochs {
    fn satisfies(&self, have: &str, comparison: Comparison, wanted: &str) -> bool {
        numbers(&self.beside(have, wanted), comparison, wanted)
    }

    fn beside<'v>(&self, have: &'v str, pattern: &str) -> Cow<'v, str> {
        match have.split_once(':') {
            Some((_, bare)) if !pattern.contains(':') => bare.into(),
            _ => have.into(),
        }
    }
}

#[test]
fn versions_are_compared_with_the_parts_that_the_wanted_one_names() {
    let row = Row {
        version: "1:1.20",
        ..NGINX
    };
    for (query, expected) in [
        ("version=1.20", true),
        ("version>1.20", false),
        ("version~1.2*", true),
        ("version~1:*", true),
        ("version~2:*", false),
        ("version!~1.2*", false),
    ] {
        let found = Query::parse(query).unwrap().matches(&row, &Epochs);
        assert_eq!(found, expected, "{query}");
    }
    let query = Query::parse("repo=a repo!=b name=c repo~d*").unwrap();
    assert_eq!(query.words(Field::Repo).collect::<Vec<_>>(), ["a"]);
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_has_a_column_inside_it(text in "\\PC*") {
        match Query::parse(&text) {
            Ok(query) => { query.matches(&NGINX, &numbers); }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }

    #[test]
    fn text_made_of_query_characters_reads_back_as_it_is_shown_or_is_refused(
        text in "((name|version|size|sha256|x) ?)?[a-z=!<>~\"'\\\\ *?0-9K]{0,30}",
    ) {
        if let Ok(query) = Query::parse(&text) {
            prop_assert_eq!(Query::parse(&query.to_string()), Ok(query), "{}", text);
        }
    }

    #[test]
    fn a_comparison_reads_back_as_it_was_written(
        terms in prop::collection::vec(("version|size", "=|!=|<|<=|>|>=", 0..u64::MAX >> 10, "K?"), 1..4),
    ) {
        let terms = terms.iter().map(|(field, operator, value, unit)| format!("{field} {operator} {value}{unit}"));
        let query = Query::parse(&terms.collect::<Vec<_>>().join(" ")).unwrap();
        prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
    }

    #[test]
    fn a_query_reads_back_as_it_was_written(
        terms in prop::collection::vec(("name|version|arch|path|summary", "=|!=|~|!~", "\\PC{0,12}"), 0..4),
    ) {
        let quoted = |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let text: Vec<String> = terms.iter().map(|(f, op, value)| format!("{f}{op}{}", quoted(value))).collect();
        let query = Query::parse(&text.join(" ")).unwrap();
        prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
    }
}
