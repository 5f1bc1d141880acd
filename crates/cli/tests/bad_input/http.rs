//! Servers that misbehave.

use std::io::{BufRead as _, BufReader};

use chantal_testkit::corpus::{Draw, Feed, Variant, http};
use chantal_testkit::upstream::Fault;

use crate::bench::{Bench, none_is, try_all, try_apart, try_variant, variants};

#[test]
fn bodies_without_end_are_cut_off() {
    try_all(http::G01);
}

#[test]
fn bodies_that_end_early_are_refused_or_resumed() {
    try_apart(http::G02);
}

#[test]
fn headers_that_are_too_large_or_none_are_refused() {
    try_all(http::G04);
}

#[test]
fn redirects_without_end_are_refused() {
    try_all(http::G06);
}

#[test]
fn redirects_to_other_schemes_are_refused() {
    try_all(http::G07);
}

#[test]
fn a_server_that_cannot_resume_is_asked_for_everything() {
    try_apart(http::G11);
}

#[test]
fn an_encoding_that_nobody_asked_for_changes_nothing() {
    try_all(http::G15);
}

#[test]
fn pages_for_people_are_no_repository() {
    try_all(http::G16);
}

#[test]
fn every_status_is_told_apart() {
    try_apart(http::G18);
}

/// Syncs from a server that asks for years, until the run says how long it waits; what is wrong, if anything.
fn pauses(bench: &Bench, seed: u64) -> Option<String> {
    let variant = http::G18_WAITS.variant(seed);
    bench.upstream.change(|site| *site = variant.site.clone());
    bench.configure(&variant.keys);
    let mut run = bench.chantal.spawn(&["repo", "sync", "r", "--publish"]);
    let mut said = Vec::new();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        said.push(line);
        if said.last().is_some_and(|line| line.contains("asks to wait")) {
            run.kill().unwrap();
        }
    }
    run.wait().unwrap();
    let told = said.iter().find(|line| line.contains("127.0.0.1 asks to wait"));
    let is_bounded = told.is_some_and(|line| line.contains("trying again in 60 s"));
    (!is_bounded).then(|| format!("seed {seed}: {}:\n{}", variant.what, said.join("\n")))
}

#[test]
fn a_server_that_asks_to_wait_for_years_is_asked_again_in_a_minute_and_that_is_told() {
    let bench = Bench::new();
    let before = bench.tree();
    let wrong: Vec<String> = (0..variants()).filter_map(|seed| pauses(&bench, seed)).collect();
    none_is(&wrong);
    assert_eq!(bench.tree(), before);
}

#[test]
fn closed_connections_are_told() {
    try_all(http::CLOSED);
}

#[test]
fn answers_that_stall_time_out() {
    // Each waits for its timeout, so they wait together.
    try_apart(http::G05);
}

/// A feed with a package that is large enough to be gone on with.
fn large(draw: &mut Draw) -> Feed {
    let mut feed = Feed::next();
    let bytes = draw.bytes(4 << 20);
    feed.replace_package(&feed.newcomer(), bytes);
    feed
}

/// Two states of a feed: a run breaks off in the middle of a package of the first one, the next run finds the second.
fn replaced(draw: &mut Draw, bench: &Bench) -> Variant {
    let before = large(draw);
    let path = before.newcomer();
    let mut site = before.site();
    let cut = draw.between(1, (4 << 20) - 1);
    site.set_fault(&format!("/{path}"), Fault::TruncateAfter(cut), 1);
    bench.upstream.change(|served| *served = site);
    bench.configure(&["mode: mirror".to_owned()]);
    bench.run(&["repo", "sync", "r", "--publish"]).expect(3);

    let after = large(draw);
    let what = format!("{path} is another one after {cut} bytes");
    match draw.turn() % 3 {
        // Metadata that promise the new bytes, and a server that may not know what a range is.
        0 => Variant::taken(what, after.site()).mirrored(),
        1 => {
            let mut site = after.site();
            site.set_fault(&format!("/{path}"), Fault::IgnoreRange, 1);
            Variant::taken(what, site).mirrored()
        }
        // Metadata that still promise the old ones.
        _ => {
            let mut feed = before;
            feed.tree.put(path.clone(), after.tree.bytes(&path).to_vec());
            Variant::refused(what, feed.site(), &[4], "expected sha256:").mirrored()
        }
    }
}

#[test]
fn a_package_that_is_another_one_when_it_is_gone_on_with_is_fetched_anew() {
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        let variant = replaced(&mut Draw::new(seed, seed), &bench);
        wrong.extend(try_variant(&mut bench, "G13", seed, &variant));
    }
    none_is(&wrong);
}
