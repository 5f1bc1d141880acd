//! Servers that misbehave.

use super::{Draw, Feed, Row, Variant};
use crate::upstream::{Fault, Site};

/// Every row of this module.
pub const ROWS: &[Row] = &[G01, G02, G04, G05, G06, G07, G11, G15, G16, G18, G18_WAITS, CLOSED];

/// More bytes than there may be.
pub const G01: Row = Row {
    id: "G01",
    make: too_much,
};

/// Fewer bytes than there must be.
pub const G02: Row = Row {
    id: "G02",
    make: too_little,
};

/// Headers of many megabytes, or that are none.
pub const G04: Row = Row {
    id: "G04",
    make: large_headers,
};

/// Answers that do not come, or do not go on.
pub const G05: Row = Row {
    id: "G05",
    make: stalls,
};

/// Redirects without end.
pub const G06: Row = Row {
    id: "G06",
    make: redirect_loops,
};

/// Redirects to other schemes.
pub const G07: Row = Row {
    id: "G07",
    make: redirects_elsewhere,
};

/// Range requests that are answered with something else.
pub const G11: Row = Row {
    id: "G11",
    make: ranges,
};

/// An encoding that nobody asked for.
pub const G15: Row = Row {
    id: "G15",
    make: encodings,
};

/// Pages for people.
pub const G16: Row = Row { id: "G16", make: pages };

/// Statuses of all kinds.
pub const G18: Row = Row {
    id: "G18",
    make: statuses,
};

/// Pauses beyond all bounds. Whoever is given one waits for a minute before he asks again.
pub const G18_WAITS: Row = Row {
    id: "G18-waits",
    make: long_waits,
};

/// Connections that are closed without an answer.
pub const CLOSED: Row = Row {
    id: "G-closed",
    make: closed,
};

const ENTRY: &str = "/repodata/repomd.xml";
/// More requests than any run makes.
const ALWAYS: usize = 1000;

/// A feed of which nothing new is in the pool.
struct Upstream {
    feed: Feed,
    /// The entry point, a metadata file or a new package.
    path: String,
}

impl Upstream {
    fn new(draw: &mut Draw) -> Self {
        let feed = Feed::fresh(draw);
        let path = match draw.below(3) {
            0 => ENTRY.to_owned(),
            1 => format!("/{}", draw.pick(&feed.documents[..6]).href),
            _ => format!("/{}", feed.newcomer()),
        };
        Self { feed, path }
    }

    fn site(&self, fault: Fault, times: usize) -> Site {
        let mut site = self.feed.site();
        site.set_fault(&self.path, fault, times);
        site
    }

    /// A fault of metadata is refused in either mode; one of a package is what a mirror refuses.
    fn refused(&self, draw: &mut Draw, fault: Fault, codes: &'static [i32], text: &'static str) -> Variant {
        let what = format!("{}: {fault:.60?}", self.path);
        let variant = Variant::refused(what, self.site(fault, ALWAYS), codes, text);
        self.in_its_modes(draw, variant)
    }

    fn in_its_modes(&self, draw: &mut Draw, variant: Variant) -> Variant {
        if self.path.contains(".rpm") {
            variant.mirrored()
        } else {
            variant.in_any_mode(draw)
        }
    }
}

fn too_much(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    if draw.coin() {
        return upstream.refused(draw, Fault::EndlessChunked, &[4, 6], "more than|expected");
    }
    let more = Fault::WrongLength(draw.between(1, 1 << 30));
    upstream.refused(draw, more, &[3, 4, 6], "more than|expected|ended after|broke")
}

fn too_little(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let fault = Fault::TruncateAfter(draw.below(200));
    if draw.coin() {
        let what = format!("{}: {fault:?} once", upstream.path);
        return Variant::taken(what, upstream.site(fault, 1)).key("download: {retry_attempts: 2}");
    }
    upstream.refused(draw, fault, &[3], "ended after|broke")
}

fn large_headers(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let bytes = draw.between(2 << 20, 10 << 20);
    let headers = match draw.turn() % 4 {
        0 => vec![("X-Long".to_owned(), "x".repeat(bytes))],
        1 => vec![("X-Many".to_owned(), "x".repeat(60)); bytes / 70],
        2 => vec![("X\u{1}Bad".to_owned(), "x".to_owned())],
        _ => vec![("Content-Length".to_owned(), "-1".to_owned())],
    };
    let (count, first) = (headers.len(), headers[0].0.clone());
    let mut variant = upstream.refused(draw, Fault::Status(200, headers), &[3], "broke|connect|header|parse");
    variant.what = format!("{}: {count} headers, the first {first:?}", upstream.path);
    variant
}

fn stalls(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let fault = match draw.turn() % 3 {
        0 => Fault::DelayMillis(60_000),
        1 => Fault::StallAfter(draw.below(100)),
        _ => Fault::SlowBytes(400),
    };
    let variant = upstream.refused(draw, fault, &[3], "within [0-9.]+ s");
    variant.key("download: {retry_attempts: 0, timeout: 1s, idle_timeout: 1s}")
}

fn redirect_loops(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let length = draw.between(1, 60);
    let mut site = upstream.feed.site();
    let hop = |n: usize| match n {
        0 => upstream.path.clone(),
        n => format!("/hop/{n}"),
    };
    for n in 0..length {
        site.set_fault(&hop(n), Fault::RedirectTo(hop((n + 1) % length)), ALWAYS);
    }
    let what = format!("{}: a loop of {length} redirects", upstream.path);
    let variant = Variant::refused(what, site, &[3], "too many redirects");
    upstream.in_its_modes(draw, variant)
}

fn redirects_elsewhere(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let to = *draw.each(&[
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:text/plain,x",
        "javascript:1",
        "gopher://127.0.0.1/",
        "http:///",
        "http://[::1",
        "FILE:///etc/shadow",
        "about:blank",
        "unix:/run/x",
    ]);
    upstream.refused(draw, Fault::RedirectTo(to.into()), &[3, 4], "redirect refused")
}

fn ranges(draw: &mut Draw) -> Variant {
    let feed = Feed::fresh(draw);
    let path = feed.newcomer();
    let bytes = feed.tree.bytes(&path).len();
    let mut site = feed.site();
    // The first answer is cut; how the second is answered differs.
    let cut = Fault::TruncateAfter(draw.between(1, bytes - 1));
    let then = draw.pick(&[Fault::IgnoreRange, Fault::WrongContentRange]).clone();
    let what = format!("{path}: {cut:?}, then {then:?}");
    site.set_faults(&format!("/{path}"), vec![(cut, 1), (then, 1)]);
    Variant::taken(what, site).key("download: {retry_attempts: 3}")
}

fn encodings(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let what = format!("{}: Content-Encoding: gzip", upstream.path);
    Variant::taken(what, upstream.site(Fault::ContentEncodingGzip, ALWAYS)).in_any_mode(draw)
}

fn pages(draw: &mut Draw) -> Variant {
    let feed = Feed::next();
    let word = draw.word(10);
    let page = match draw.turn() % 5 {
        0 => format!("<!DOCTYPE html><html><body>{word}</body></html>"),
        1 => format!("\n\n  <HTML><head><title>{word}</title>"),
        2 => format!("\u{feff}<!doctype HTML>\n<script>{word}</script>"),
        3 => format!("{{\"error\": \"{word}\"}}"),
        _ => format!("404 {word} not found\n"),
    };
    let text = if draw.turn() % 5 < 3 {
        "captive portal or login"
    } else {
        "root|outside"
    };
    let site = feed.site_with_entry(page.clone().into_bytes());
    Variant::refused(format!("repomd.xml is {page:?}"), site, &[5], text).in_any_mode(draw)
}

/// A header that asks for years: by seconds, more of them than fit, or by a date.
fn asking(draw: &mut Draw) -> Vec<(String, String)> {
    let value = match draw.below(4) {
        0 => "1000000000".to_owned(),
        1 => format!("{}0000000000000000000000", draw.between(1, 9)),
        2 => {
            let days = [
                "Wed, 01 Jan 2200",
                "Tue, 15 Jun 2500",
                "Wed, 29 Feb 6192",
                "Fri, 31 Dec 9999",
            ];
            format!("{} {:02}:59:59 GMT", draw.pick(&days), draw.below(24))
        }
        _ => draw.between(3600, 1 << 40).to_string(),
    };
    vec![("Retry-After".to_owned(), value)]
}

fn long_waits(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    let status = *draw.pick(&[429, 503, 500]);
    let fault = Fault::Status(status, asking(draw));
    let variant = upstream.refused(draw, fault, &[3], "");
    variant.key("download: {retry_attempts: 1}")
}

fn statuses(draw: &mut Draw) -> Variant {
    let retry = asking(draw);
    let mut upstream = Upstream::new(draw);
    let (status, headers, text): (u16, _, _) = match draw.turn() % 11 {
        0 => (429, retry, "asks to slow down \\(HTTP 429\\)"),
        1 => (503, retry, "answers HTTP 503"),
        2 => (
            401,
            Vec::new(),
            "credentials are wanted \\(HTTP 401\\); no credentials are configured",
        ),
        3 => (
            403,
            Vec::new(),
            "access refused \\(HTTP 403\\); no credentials are configured",
        ),
        4 => (404, Vec::new(), "missing upstream \\(HTTP 404\\)"),
        5 => (410, Vec::new(), "missing upstream \\(HTTP 410\\)"),
        6 => (500, Vec::new(), "answers HTTP 500"),
        7 => (418, Vec::new(), "answers HTTP 418"),
        8 => (407, Vec::new(), "proxy refuses the credentials \\(HTTP 407\\)"),
        9 => (400, Vec::new(), "answers HTTP 400"),
        _ => {
            let times = draw.between(1, 2);
            // Pauses that are none, and what is no pause.
            let none = ["0", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970"];
            let headers = match draw.below(6) {
                0 => Vec::new(),
                n => vec![("Retry-After".to_owned(), none[n - 1].to_owned())],
            };
            let what = format!("{}: 503, {times} times, {headers:?}", upstream.path);
            let site = upstream.site(Fault::Status(503, headers), times);
            return Variant::taken(what, site).key("download: {retry_attempts: 2}");
        }
    };
    if draw.coin() {
        ENTRY.clone_into(&mut upstream.path);
    }
    upstream.refused(draw, Fault::Status(status, headers), &[3], text)
}

fn closed(draw: &mut Draw) -> Variant {
    let upstream = Upstream::new(draw);
    upstream.refused(draw, Fault::DropConnection, &[3], "broke|connect|closed|ended")
}
