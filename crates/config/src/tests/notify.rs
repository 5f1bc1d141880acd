use super::*;

#[test]
fn who_is_told_is_read_with_defaults() {
    let text = "notify:\n- {webhook: \"https://u:CANARY@hooks.example.org/CANARY?t=CANARY\", headers: {X-Key: CANARY}}\n\
                - {command: [./tell, now], on: [success, changed], repositories: [\"el9-*\"], timeout: 5s}\n\
                - {webhook: \"env:HOOK\", on: [busy]}\n";
    let config = load_str(text).unwrap().config;
    let [hook, program, reference] = &config.notify[..] else {
        panic!("{:?}", config.notify)
    };
    assert_eq!(hook.on, [NotifyOn::Failure, NotifyOn::Partial, NotifyOn::Recovered]);
    assert_eq!(hook.shown(), "https://hooks.example.org");
    assert_eq!((hook.timeout.as_secs(), program.timeout.as_secs()), (10, 5));
    assert_eq!(program.shown(), "/etc/chantal/./tell");
    assert_eq!(reference.shown(), "env:HOOK");
    let id = |text: &str| text.parse::<chantal_model::RepoId>().unwrap();
    assert!(program.is_about(Some(&id("el9-base"))) && !program.is_about(Some(&id("el8"))));
    assert!(!program.is_about(None) && hook.is_about(None) && hook.is_about(Some(&id("x"))));
    let shown = format!("{config:?} {}", config.to_value());
    assert!(!shown.contains("CANARY"), "{shown}");
}

#[test]
fn entries_that_tell_nobody_are_errors_and_never_show_the_url() {
    for (text, expected) in [
        ("notify: [{on: [failure]}]", "needs either webhook or command"),
        (
            "notify: [{webhook: \"http://h/\", command: [x]}]",
            "needs either webhook or command",
        ),
        ("notify: [{webhook: CANARY}]", "webhook is no http or https URL"),
        (
            "notify: [{webhook: \"ftp://CANARY/\"}]",
            "webhook is no http or https URL",
        ),
        ("notify: [{command: []}]", "command names no program"),
        ("notify: [{command: x}]", "notify.command must be a list"),
        (
            "notify: [{command: [x], headers: {a: b}}]",
            "headers belong to a webhook",
        ),
        (
            "notify: [{webhook: \"http://h/\", headers: {\"a b\": c}}]",
            "notify.headers: \"a b\" cannot be the name of a header",
        ),
        (
            "notify: [{webhook: \"http://h/\", headers: {X-A: \"CANARY\\n\"}}]",
            "notify.headers.X-A holds a line break",
        ),
        ("notify: [{command: [x], timeout: 0}]", "a timeout of 0"),
        ("notify: [{command: [x], on: []}]", "nobody is ever told"),
        ("notify: [{command: [x], on: [sucess]}]", "did you mean `success`"),
        ("notify: [{command: [x], repositories: [\"[\"]}]", "is no pattern"),
        ("scheduler: {listen: \"9464\"}", "no address with a port"),
        ("scheduler: {listen: \"localhost:9464\"}", "no address with a port"),
        ("metrics: {textfile: /x/chantal.txt}", "ends in .prom"),
    ] {
        let found = load_str(text).expect_err(text).to_string();
        assert!(found.contains(expected), "{text}: {found}");
        assert!(!found.contains("CANARY"), "{found}");
    }
    let loaded = load_str("scheduler: {listen: \"[::1]:9464\"}\nmetrics: {textfile: m.prom}\n").unwrap();
    assert_eq!(loaded.warnings.len(), 0);
    assert_eq!(loaded.config.listen.unwrap().port(), 9464);
    assert_eq!(loaded.config.textfile.unwrap(), Path::new("/etc/chantal/m.prom"));
}
