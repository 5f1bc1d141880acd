//! Names and texts that act on terminals, in metadata that are otherwise good.

use super::{Draw, Feed, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[K06];

/// Characters that a terminal obeys, in summaries, names of advisories and groups.
pub const K06: Row = Row {
    id: "K06",
    make: acting_texts,
};

/// What a terminal obeys and XML allows.
pub const ACTING: [&str; 8] = [
    "\u{9b}2J",
    "\u{9b}31m",
    "\u{202e}gpj.exe",
    "\u{2066}x",
    "\u{7f}\u{7f}",
    "\u{85}",
    "\u{9d}0;title\u{9c}",
    "\u{200f}\u{61c}",
];

fn acting_texts(draw: &mut Draw) -> Variant {
    let mut feed = Feed::next();
    let evil = *draw.each(&ACTING);
    let places = [
        ("primary", "<summary>"),
        ("primary", "<description>"),
        ("primary", "<rpm:license>"),
        ("updateinfo", "<title>"),
        ("updateinfo", "<severity>"),
        ("updateinfo", "<id>"),
        ("group", "<name>"),
    ];
    for (kind, tag) in places {
        feed.edit(kind, |text| text.replace(tag, &format!("{tag}{evil}")));
    }
    Variant::taken(format!("{evil:?} in texts"), feed.site()).key("mode: filtered")
}
