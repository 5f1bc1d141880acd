use super::*;

#[test]
fn keys_of_another_way_to_authenticate_are_refused() {
    for (auth, found) in [
        (
            "{type: basic, username: u, password: p, token: t}",
            "5:56: auth of type basic has no token [`type: bearer` is what has it]",
        ),
        (
            "{type: bearer, token: t, headers: {X: y}}",
            "5:43: auth of type bearer has no headers [`type: custom` is what has it]",
        ),
        (
            "{type: custom, headers: {X: y}, cert_file: c}",
            "5:52: auth of type custom has no cert_file [a client certificate beside it goes into \
             `ssl.client_cert` and `ssl.client_key`]",
        ),
        (
            "{type: client_cert, cert_dir: d, username: u}",
            "5:52: auth of type client_cert has no username [`type: basic` is what has it]",
        ),
    ] {
        assert_eq!(errors(&repository(&format!("  auth: {auth}\n"))), [found], "{auth}");
    }
}

#[test]
fn keys_of_another_way_that_defaults_give_are_wrong_there_and_nowhere_else() {
    let repo = repository("  auth: {type: basic, username: u, password: p}\n");
    assert_eq!(errors(&format!("defaults: {{auth: {{token: t}}}}\n{repo}")), [""; 0]);
    let defaults = "defaults: {auth: {type: bearer, token: t, username: u}}\n";
    let found = errors(&(defaults.to_owned() + &repository("")));
    assert_eq!(
        found,
        ["1:53: auth of type bearer has no username [`type: basic` is what has it]"]
    );
    assert_eq!(errors(defaults), found);
}

#[test]
fn a_way_that_is_misspelt_is_not_also_named_as_missing() {
    let found = errors(&repository("  auth: {type: basik, username: u, password: p}\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("did you mean `basic`?"), "{found:?}");
}

#[test]
fn what_no_header_can_hold_is_refused_by_its_key() {
    for (auth, part) in [
        (
            "{type: custom, headers: {\"bad name\": x}}",
            "auth.headers: \"bad name\" cannot be the name",
        ),
        (
            "{type: custom, headers: {\"\": x}}",
            "auth.headers: \"\" cannot be the name",
        ),
        (
            "{type: custom, headers: {\"a:\": x}}",
            "auth.headers: \"a:\" cannot be the name",
        ),
        (
            "{type: custom, headers: {X-Key: \"CANARY\\nX: y\"}}",
            "auth.headers.X-Key holds a line break",
        ),
        ("{type: bearer, token: \"CANARY\\r\"}", "auth.token holds a line break"),
    ] {
        let found = errors(&repository(&format!("  auth: {auth}\n")));
        assert_eq!(found.len(), 1, "{auth}: {found:?}");
        assert!(found[0].contains(part) && !found[0].contains("CANARY"), "{found:?}");
    }
    let good = "  auth: {type: custom, headers: {X_a.b~1: \"env:KEY\", X-Name: \"gr\u{fc}n\\tx\"}}\n";
    assert_eq!(errors(&repository(good)), [""; 0]);
}

#[test]
fn there_is_one_client_certificate() {
    let auth = "  auth: {type: client_cert, cert_dir: d}\n";
    let ssl = "ssl: {client_cert: c, client_key: k}\n";
    let found = errors(&repository(&format!("{auth}  {ssl}")));
    assert_eq!(
        found,
        ["6:22: auth of type client_cert and ssl.client_cert exclude each other; give one"]
    );
    // What is for all repositories gives way.
    assert_eq!(errors(&(repository(auth) + ssl)), [""; 0]);
    assert_eq!(errors(&format!("defaults:\n  {ssl}{}", repository(auth))), [""; 0]);
    let found = errors(&format!("defaults:\n{auth}{}", repository(&format!("  {ssl}"))));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("7:22: ") && found[0].contains("`auth: null`"),
        "{found:?}"
    );
    let found = errors(&format!("defaults:\n{auth}  {ssl}{}", repository("")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("3:"), "{found:?}");
}

#[test]
fn credentials_that_several_hosts_get_to_see_are_warned_about() {
    let warnings = |feeds: &str, auth: &str| {
        let text = format!("repositories:\n- id: r\n  type: rpm\n  feeds: [{feeds}]\n  auth: {auth}\n");
        let loaded = load_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let warnings = loaded.warnings.iter();
        warnings.map(|one| (one.line, one.message.clone())).collect::<Vec<_>>()
    };
    let (two, one) = ("\"http://b/\", \"http://a/x\"", "\"http://a/\", \"https://a:81/\"");
    let told = (4, "auth is for every one of these feeds: it is sent to a, b".to_owned());
    for (feeds, auth, is_told) in [
        (two, "{type: bearer, token: t}", true),
        (two, "{type: basic, username: u, password: p}", true),
        (two, "{type: custom, headers: {X: y}}", true),
        (two, "{type: client_cert, cert_dir: d}", false),
        (two, "null", false),
        (one, "{type: bearer, token: t}", false),
        ("\"http://a/\", \"file:///b/\"", "{type: bearer, token: t}", false),
    ] {
        let expected: &[_] = if is_told { std::slice::from_ref(&told) } else { &[] };
        assert_eq!(warnings(feeds, auth), expected, "{feeds} {auth}");
    }
}
