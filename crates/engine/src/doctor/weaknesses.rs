//! Options that are allowed and weak.

use chantal_config::{Auth, Config, NotifyTarget, Repository};
use url::Url;

use super::{Check, together};

pub(super) fn check(config: &Config) -> Check {
    let mut found: Vec<Check> = config.repositories.iter().flat_map(of_repository).collect();
    found.extend(of_the_rest(config));
    together("weaknesses", &found, "no option is weak")
}

fn of_repository(repo: &Repository) -> Vec<Check> {
    let mut found = Vec::new();
    let mut say = |what: &str, hint: &str| found.push(Check::warn("weaknesses", format!("{}: {what}", repo.id), hint));
    if !repo.ssl.verify {
        say(
            "certificates are not checked",
            "take `ssl.verify: false` away, or name the authority in `ssl.ca_bundle`",
        );
    }
    if repo.allows_sha1() {
        say(
            "SHA-1 digests are accepted",
            "take `sha1` from `allow_weak` when upstream has moved on",
        );
    }
    if repo.allows_future_date() {
        say(
            "a feed that is dated in the future is accepted",
            "take `future_date` from `allow_weak` when upstream's clock is right",
        );
    }
    if repo.guards.allow_rollback {
        say(
            "a feed may go back in time, so an old state can be replayed",
            "take `allow_rollback: true` away when upstream has settled",
        );
    }
    if repo.guards.max_removed_percent >= 100 {
        say(
            "a feed may remove everything",
            "`max_removed_percent: 50` stops a feed that loses most of its packages",
        );
    }
    let others = repo.other_feeds.iter().map(|feed| &feed.url);
    if repo.feed.iter().chain(others).any(|feed| feed.scheme() == "http") {
        say(
            "a feed is plain http, so nothing proves that upstream sent what comes",
            "use an https feed",
        );
        let has_secret = |auth: &Auth| !matches!(auth, Auth::ClientCert { .. } | Auth::ClientCertDir { .. });
        if super::auths(repo).any(has_secret) {
            say(
                "credentials are sent over plain http, where everybody on the way can read them",
                "use an https feed",
            );
        }
    }
    found
}

fn of_the_rest(config: &Config) -> Vec<Check> {
    let mut found = Vec::new();
    let mut say = |message: String, hint: &str| found.push(Check::warn("weaknesses", message, hint));
    if let Some(address) = config.listen.filter(|address| !address.ip().is_loopback()) {
        say(
            format!("whoever reaches {address} may read the scheduler's metrics"),
            "`scheduler.listen: 127.0.0.1:9464`, or a firewall",
        );
    }
    for notify in &config.notify {
        let NotifyTarget::Webhook { url, .. } = &notify.target else {
            continue;
        };
        let url = url.reveal().ok().and_then(|text| Url::parse(text.trim()).ok());
        if url.is_some_and(|url| url.scheme() == "http" && !is_here(&url)) {
            say(
                format!("the webhook {} is plain http", notify.shown()),
                "use an https URL",
            );
        }
    }
    if !config.ssl.verify && !config.notify.is_empty() {
        say(
            "certificates of webhooks are not checked".to_owned(),
            "take `ssl.verify: false` away, or name the authority in `ssl.ca_bundle`",
        );
    }
    if let Some(server) = config.database.server()
        && let Ok(url) = Url::parse(&server.url)
        && url.has_host()
        && !is_here(&url)
        && !url
            .query_pairs()
            .any(|(key, value)| key == "sslmode" && value.starts_with("verify-"))
    {
        say(
            format!("nothing proves that {} is the server that is meant", server.shown),
            "`sslmode=verify-full` in its URL",
        );
    }
    found
}

/// Whether a URL leads to this machine.
fn is_here(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
