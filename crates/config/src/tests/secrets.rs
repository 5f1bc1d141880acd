use super::*;

#[test]
fn secrets_are_never_shown() {
    let text = repository("  auth: {type: basic, username: u, password: CANARY}\n")
        + "proxy: {http_proxy: \"http://u:CANARY@p:1/\", https_proxy: \"u:CANARY@p:1\"}\n\
           defaults: {proxy: {username: u, password: CANARY}}\n";
    let config = load_str(&text).unwrap().config;
    let shown = format!("{config:?} {}", config.to_value());
    assert!(!shown.contains("CANARY"), "{shown}");
    let broken =
        "repositories:\n- id: r\n  type: rpm\n  feed: http://h/\n  auth:\n    type: basic\n    password: [CANARY]\n";
    assert!(!load_str(broken).unwrap_err().to_string().contains("CANARY"));
}

#[test]
fn secrets_come_from_files_and_the_environment_when_they_are_needed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("s"), "hidden\n").unwrap();
    assert_eq!(Secret::new("file:s", directory.path()).reveal().unwrap(), "hidden");
    assert_eq!(Secret::new("plain", directory.path()).reveal().unwrap(), "plain");
    assert!(
        Secret::new("env:CHANTAL_NO_SUCH_VARIABLE", directory.path())
            .reveal()
            .is_err()
    );
    assert!(Secret::new("file:none", directory.path()).reveal().is_err());
}

#[test]
fn credentials_in_urls_become_secrets() {
    let text = "proxy: {https_proxy: \"http://me:p%40ss@proxy:3128/\"}\nrepositories:\n- {id: r, type: rpm, feed: \"https://u:CANARY@h/x\"}\n";
    let config = load_str(text).unwrap().config;
    let repo = &config.repositories[0];
    assert_eq!(repo.feed.as_ref().unwrap().as_str(), "https://h/x");
    let Some(Auth::Basic { username, password }) = &repo.auth else {
        panic!("{:?}", repo.auth)
    };
    assert_eq!(
        (username.as_str(), password.reveal().unwrap().as_str()),
        ("u", "CANARY")
    );
    assert_eq!(repo.proxy.https_proxy.as_ref().unwrap().as_str(), "http://proxy:3128/");
    assert_eq!(repo.proxy.username.as_deref(), Some("me"));
    assert_eq!(repo.proxy.password.as_ref().unwrap().reveal().unwrap(), "p@ss");

    let both =
        "repositories:\n- {id: r, type: rpm, feed: \"https://u:CANARY@h/\", auth: {type: bearer, token: CANARY}}\n";
    let found = load_str(both).unwrap_err().to_string();
    assert!(found.contains("credentials") && !found.contains("CANARY"), "{found}");
}

#[test]
fn errors_on_the_line_of_a_secret_do_not_show_it() {
    for text in [
        "repositories:\n- {id: r, type: rpmm, feed: http://h/, auth: {type: basic, username: u, password: CANARY}}\n",
        "repositories:\n- {id: r, type: rpmm, feed: http://h/, auth: {type: custom, headers: {X-Key: CANARY}}}\n",
        "proxy: {password: \"CANARY\", http_proxy: nonsense}\n",
        "proxy: {password: \"CANARY${UNSET}\"}\n",
        "proxy: {password: \"CANARY${\"}\n",
        "proxy: {password: \"${CANARY!}\"}\n",
        "proxy: {password: CANARY, [\n",
        "proxy: {http_proxy: \"ftp://u:CANARY@h/\"}\n",
        "proxy: {https_proxy: \"u:CANARY@h:x\"}\n",
        "proxy: {https_proxy: u:CANARY@, x: y}\n",
        "repositories:\n- {id: r, type: rpmm, auth: {headers: {X-Key: \"CAN\\x41RY\"}}, name: CANARY}\n",
    ] {
        let found = load_str(text).unwrap_err().to_string();
        assert!(!found.contains("CANARY"), "{text} shows {found}");
    }
}
