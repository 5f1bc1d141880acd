//! Names and texts that act on terminals, in metadata that are otherwise good.

use super::{Draw, Feed, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[K06];

/// Characters that a terminal obeys, in summaries, names of advisories and groups.
pub const K06: Row = Row {
    id: "K06",
    make: acting_texts,
};

/// Whether a character acts on a terminal rather than being shown by it, or reorders what is shown. Line feeds and tabs
/// do what the program wants.
pub fn acts(c: char) -> bool {
    let marks = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}');
    let overrides = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separators = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() && !matches!(c, '\n' | '\t') || marks || overrides || separators
}

/// What a terminal obeys and XML allows.
pub const ACTING: [&str; 22] = [
    "\u{9b}2J",
    "\u{9b}31m",
    "\u{202e}gpj.exe",
    "\u{2066}x",
    "\u{7f}\u{7f}",
    "\u{85}",
    "\u{9d}0;title\u{9c}",
    "\u{200f}\u{61c}",
    "\u{200e}",
    "\u{202a}x\u{202c}",
    "\u{202b}",
    "\u{202d}x",
    "\u{2067}x\u{2069}",
    "\u{2068}",
    "\u{2028}",
    "\u{2029}",
    "\u{90}q\u{9c}",
    "\u{98}x\u{9c}",
    "\u{9e}x\u{9c}",
    "\u{9f}x\u{9c}",
    "\u{84}\u{8d}",
    "\u{9b}6n\u{200f}",
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
