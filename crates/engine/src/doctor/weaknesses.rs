//! Options that are allowed and weak.

use chantal_config::{Config, Repository};

use super::{Check, together};

pub(super) fn check(config: &Config) -> Check {
    let found: Vec<Check> = config.repositories.iter().flat_map(of_repository).collect();
    together("weaknesses", &found, "no repository has a weak option")
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
    let others = repo.other_feeds.iter().map(|feed| &feed.url);
    if repo.feed.iter().chain(others).any(|feed| feed.scheme() == "http") {
        say(
            "a feed is plain http, so nothing proves that upstream sent what comes",
            "use an https feed",
        );
    }
    found
}
