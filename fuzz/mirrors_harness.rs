//! What the fuzz target `mirrors`, and the replay test of its corpus, does with an input.

use chantal_fetch::mirrors::{MAX_MIRRORS, read};
use url::Url;

/// Reads an input as a list of mirrors.
///
/// # Panics
/// A list is taken that names nothing, too much, another scheme, or this machine though it came from elsewhere.
pub(crate) fn run(bytes: &[u8]) {
    for (from, schemes) in [
        ("https://lists.example.org/list", &["https"][..]),
        ("http://lists.example.org/list", &["http", "https"]),
    ] {
        let from = Url::parse(from).expect("a URL");
        let Ok(listed) = read(bytes, &from, "repodata/repomd.xml") else {
            continue;
        };
        assert!(
            (1..=MAX_MIRRORS).contains(&listed.bases.len()),
            "{} mirrors",
            listed.bases.len()
        );
        for base in &listed.bases {
            // Over http only what the list itself vouches for.
            let is_vouched = listed.promise.is_some() && base.scheme() == "http";
            assert!(is_vouched || schemes.contains(&base.scheme()), "{from} leads to {base}");
            let is_here = match base.host() {
                Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
                Some(url::Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
                None => true,
            };
            assert!(!is_here, "{from} leads to this machine: {base}");
        }
    }
}
