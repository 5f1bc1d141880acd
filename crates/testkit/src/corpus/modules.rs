//! YAML that grows, nests or refers to itself.

use std::fmt::Write as _;

use super::{Draw, Feed, Row, Variant};

/// Every row of this module.
pub const ROWS: &[Row] = &[E01, E02, E03, BROKEN];

/// Aliases that expand without end.
pub const E01: Row = Row {
    id: "E01",
    make: laughs,
};

/// Collections within collections.
pub const E02: Row = Row { id: "E02", make: deep };

/// Anchors that hold themselves.
pub const E03: Row = Row {
    id: "E03",
    make: cycles,
};

/// Documents that are no YAML, or no modules.
pub const BROKEN: Row = Row {
    id: "E-broken",
    make: broken,
};

/// A feed whose modules go on with another document.
fn with_document(document: &str) -> Feed {
    let mut feed = Feed::next();
    feed.edit("modules", |text| {
        format!("{}\n{document}", text.trim_end().trim_end_matches("..."))
    });
    feed
}

fn laughs(draw: &mut Draw) -> Variant {
    let width = draw.between(8, 30);
    let depth = draw.between(8, 30);
    let flow = draw.coin();
    let mut document = String::from("---\ndocument: modulemd\nversion: 2\ndata:\n");
    let words = vec![draw.word(4); width].join(", ");
    let _ = writeln!(document, "  a0: &a0 [{words}]");
    for level in 1..=depth {
        let alias = format!("*a{}", level - 1);
        let _ = if flow {
            writeln!(document, "  a{level}: &a{level} [{}]", vec![alias; width].join(", "))
        } else {
            let entries = format!("\n    - {alias}").repeat(width);
            writeln!(document, "  a{level}: &a{level}{entries}")
        };
    }
    let what = format!("{width}^{depth} laughs");
    Variant::refused(what, with_document(&document).site(), &[6], "exceeds").key("mode: filtered")
}

fn deep(draw: &mut Draw) -> Variant {
    let depth = match draw.turn() {
        0 => 100_000,
        _ => draw.between(200, 20_000),
    };
    let nest = match draw.below(4) {
        0 => "[".repeat(depth),
        1 => format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        2 => "{a: ".repeat(depth),
        _ => {
            let lines = (0..depth.min(1000)).map(|n| format!("\n{}-", " ".repeat(n + 2)));
            lines.collect()
        }
    };
    let site = with_document(&format!("---\ndocument: modulemd\ndata: {nest}\n")).site();
    Variant::refused(format!("{depth} levels of {nest:.4}"), site, &[6], "exceeds").key("mode: filtered")
}

fn cycles(draw: &mut Draw) -> Variant {
    let documents = [
        "---\ndocument: modulemd\nversion: 2\ndata: &a [*a]\n",
        "---\ndocument: modulemd\nversion: 2\ndata: &a {x: *a}\n",
        "---\n&a document: modulemd\ndata: &b {<<: *b}\n",
        "---\ndocument: modulemd\nversion: 2\ndata: {name: *nowhere}\n",
        "---\n- &a\n  - *a\n",
    ];
    let document = *draw.each(&documents);
    Variant::left_out(document.replace('\n', "⏎"), with_document(document).site(), "left out").key("mode: filtered")
}

fn broken(draw: &mut Draw) -> Variant {
    let documents = [
        "---\ndocument: modulemd\nversion: 2\ndata: {name: \n",
        "---\ndocument: modulemd\nversion: 2\ndata: \"never closed\n",
        "---\ndocument: modulemd\n\tversion: 2\n",
        "---\ndocument: modulemd\nversion: 2\ndata: [a, b\n",
        "---\ndocument: modulemd\nversion: 2\ndata: @\n",
        "---\n%YAML 9.9\n---\nx\n",
        "---\ndocument: modulemd\nversion: 2\n",
        "---\ndocument: modulemd\nversion: 2\ndata: {stream: '1'}\n",
        "---\n42\n",
    ];
    let document = *draw.each(&documents);
    Variant::left_out(document.replace('\n', "⏎"), with_document(document).site(), "left out").key("mode: filtered")
}
