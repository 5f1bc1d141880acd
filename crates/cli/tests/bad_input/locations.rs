//! Locations that metadata name.

use chantal_testkit::corpus::locations;
use chantal_testkit::proxy::Proxy;

use crate::bench::{Bench, none_is, try_all, try_variant, variants};

#[test]
fn locations_of_metadata_outside_of_the_feed_are_refused() {
    try_all(locations::A01);
}

#[test]
fn packages_above_the_feed_are_published_below_it_or_refused() {
    try_all(locations::A02);
}

#[test]
fn packages_of_other_schemes_are_refused() {
    try_all(locations::A06);
}

#[test]
fn packages_at_link_local_addresses_are_refused_and_nothing_is_asked_there() {
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    for seed in 0..variants().max(21) {
        // All requests go to the proxy, which leads to the feed.
        let proxy = Proxy::leading_to(bench.upstream.address());
        let url = proxy.url();
        let keys = format!("proxy: {{http_proxy: \"{url}\", https_proxy: \"{url}\"}}");
        let variant = locations::A06_LINK.variant(seed).key(keys);
        wrong.extend(try_variant(&mut bench, "A06-link", seed, &variant));
        let asked: Vec<String> = proxy.log().into_iter().map(|asked| asked.line).collect();
        let here = format!("http://{}/", bench.upstream.address());
        if asked.is_empty() || asked.iter().any(|line| !line.contains(&here)) {
            wrong.push(format!("seed {seed}: {}: asked {asked:?}", variant.what));
        }
    }
    none_is(&wrong);
}

#[test]
fn locations_that_differ_by_case_alone_are_two() {
    try_all(locations::A11);
}

#[test]
fn control_characters_in_locations_of_packages_are_refused() {
    try_all(locations::A15);
}

#[test]
fn names_too_long_for_a_file_system_get_another_path_or_are_refused() {
    try_all(locations::A14);
}
