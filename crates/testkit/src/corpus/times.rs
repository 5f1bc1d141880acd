//! Feeds of another time than now.

use super::{Draw, Feed, Row, Variant};
use crate::upstream::Site;

/// Every row of this module.
pub const ROWS: &[Row] = &[J02, J05, J07];

/// Feeds that are older than the one before.
pub const J02: Row = Row { id: "J02", make: older };

/// Feeds that have not changed for longer than they may.
pub const J05: Row = Row { id: "J05", make: stale };

/// Feeds of a day that has not come, as every feed is to a clock that stands at 1970.
pub const J07: Row = Row {
    id: "J07",
    make: future,
};

/// Revision and time of [`Feed::good`].
const GOOD: i64 = 1_700_000_000;

/// A feed that says so about its revision and about the times of its files.
fn dated(revision: i64, time: i64) -> Site {
    let mut feed = Feed::next();
    let (said, made) = (format!("<timestamp>{}<", feed.revision), format!("<timestamp>{time}<"));
    feed.revision = revision.to_string();
    let entry = feed.entry().replace(&said, &made);
    feed.site_with_entry(entry.into_bytes())
}

fn older(draw: &mut Draw) -> Variant {
    let back = match draw.below(3) {
        0 => draw.between(1, 100),
        1 => draw.between(100, 100_000_000),
        _ => GOOD as usize - draw.below(100),
    } as i64;
    let (what, site, text) = match draw.below(3) {
        0 => (
            "older files",
            dated(GOOD + 1, GOOD - back),
            "went back.*it is of .*, after one of ",
        ),
        1 => (
            "a lower revision",
            dated(GOOD - back, GOOD),
            "went back.*its revision is .*, after ",
        ),
        _ => (
            "older altogether",
            dated(GOOD - back, GOOD - back),
            "went back.*it is of .*, after one of ",
        ),
    };
    Variant::refused(format!("{what} by {back}"), site, &[4], text).in_any_mode(draw)
}

fn stale(draw: &mut Draw) -> Variant {
    // These feeds are of 2023.
    let age = match draw.below(3) {
        0 => format!("{}d", draw.between(1, 900)),
        1 => format!("{}h", draw.between(1, 20_000)),
        _ => format!("{}w", draw.between(1, 100)),
    };
    let (what, site) = match draw.below(3) {
        0 => ("the same feed", Feed::next().site()),
        1 => ("other files of the same time", Feed::fresh(draw).site()),
        _ => (
            "another entry point of the same time",
            dated(1_700_200_000, 1_700_200_000),
        ),
    };
    let told = "has not changed since 2023-.*, which is longer than `max_age`";
    Variant::warned(format!("{what}, {age}"), site, told)
        .key(format!("max_age: {age}"))
        .in_any_mode(draw)
}

fn future(draw: &mut Draw) -> Variant {
    // From 2100 to 9999.
    let time = draw.between(4_102_444_800, 253_402_300_799) as i64;
    let time = if draw.below(8) == 0 { i64::MAX - time } else { time };
    let revision = if draw.coin() { time } else { GOOD + 1 };
    let site = dated(revision, time);
    Variant::refused(format!("a feed of {time}"), site, &[4], "the feed is of .*clock").in_any_mode(draw)
}
