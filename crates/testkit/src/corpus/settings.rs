//! Configurations that are wrong, and names that must not become paths.

use std::fmt::Write as _;

use super::Draw;

/// A configuration that must be refused.
pub struct Settings {
    /// What is wrong with it, in words.
    pub what: String,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// A pattern of what must be said.
    pub text: &'static str,
}

/// One way to be wrong.
pub type Make = fn(&mut Draw) -> Settings;

const PLACE: &str = r"config\.yaml:\d+:\d+";

/// A configuration in which nothing is wrong.
pub fn good(extra: &str) -> String {
    format!(
        "storage:\n  base_path: state\n  published_path: published\nrepositories:\n  - id: r\n    type: rpm\n    \
         feed: http://127.0.0.1:1/r\n    mode: filtered\n    tags: [a, b]\n    filters:\n      patterns:\n        \
         include: ['^a']\n    download: {{retry_attempts: 1}}\n{extra}"
    )
}

fn settings(what: impl Into<String>, text: &str, pattern: &'static str) -> Settings {
    Settings {
        what: what.into(),
        bytes: text.as_bytes().to_vec(),
        text: pattern,
    }
}

/// Keys that nobody knows, at any level.
pub fn unknown_keys(draw: &mut Draw) -> Settings {
    let word = draw.word(9);
    let (before, after) = *draw.each(&[
        ("storage:\n", ""),
        ("storage:\n", "  "),
        ("    mode: filtered\n", "    "),
        ("      patterns:\n", "        "),
        ("    filters:\n", "      "),
    ]);
    let line = if after.is_empty() {
        format!("{word}: 1\n{before}")
    } else {
        format!("{before}{after}{word}: 1\n")
    };
    settings(format!("the key {word}"), &good("").replacen(before, &line, 1), PLACE)
}

/// Values of another type than the key takes.
pub fn wrong_types(draw: &mut Draw) -> Settings {
    let (from, to) = *draw.each(&[
        ("tags: [a, b]", "tags: {a: b}"),
        ("mode: filtered", "mode: [filtered]"),
        ("mode: filtered", "mode: filterd"),
        ("retry_attempts: 1", "retry_attempts: -1"),
        ("retry_attempts: 1", "retry_attempts: 1.5"),
        ("retry_attempts: 1", "retry_attempts: many"),
        ("retry_attempts: 1", "retry_attempts: 99999999999999999999"),
        ("retry_attempts: 1", "retry_attempts: 11"),
        ("retry_attempts: 1", "timeout: 5 parsecs"),
        ("retry_attempts: 1", "timeout: -5s"),
        ("feed: http://127.0.0.1:1/r", "feed: 42"),
        ("feed: http://127.0.0.1:1/r", "feed: [x]"),
        ("type: rpm", "type: cobol"),
        ("  base_path: state\n", "  base_path: [state]\n"),
        ("repositories:\n", "repositories: none\nothers:\n"),
        ("download: {retry_attempts: 1}", "download: fast"),
        (
            "    filters:\n      patterns:\n",
            "    filters:\n      patterns: x\n      more:\n",
        ),
    ]);
    settings(to, &good("").replacen(from, to, 1), PLACE)
}

/// Patterns that are no regular expressions, or far too large ones.
pub fn bad_patterns(draw: &mut Draw) -> Settings {
    let (open, count) = (draw.word(4), draw.between(100, 1000));
    let patterns = [
        format!("({open}"),
        format!("[{open}"),
        format!("*{open}"),
        "(?P<".to_owned(),
        "\\".to_owned(),
        format!("(?={open})"),
        format!("({open})\\1"),
        format!("((a{{{count}}}){{{count}}}){{{count}}}"),
        format!("{}{}", "(".repeat(10_000), ")".repeat(10_000)),
        "\\p{Nowhere}".to_owned(),
    ];
    let pattern = draw.each(&patterns);
    let text = good("").replacen("'^a'", &format!("'{pattern}'"), 1);
    settings(
        format!("the pattern {pattern:.40}"),
        &text,
        "regular expression|pattern|regex",
    )
}

/// Feeds that are no URLs of a feed.
pub fn bad_feeds(draw: &mut Draw) -> Settings {
    let word = draw.word(5);
    let feeds = [
        format!("ftp://{word}/"),
        word.clone(),
        format!("//{word}/x"),
        "http://".to_owned(),
        "http://[::1".to_owned(),
        "http://a b/".to_owned(),
        "javascript:alert(1)".to_owned(),
        format!("http://{word}:99999/"),
        "http:///x y\u{1}".to_owned(),
        "''".to_owned(),
    ];
    let feed = draw.each(&feeds);
    let text = good("").replacen("http://127.0.0.1:1/r", &format!("\"{}\"", feed.escape_default()), 1);
    settings(format!("the feed {feed}"), &text, PLACE)
}

/// Ids that must not become directories.
pub fn bad_ids(draw: &mut Draw) -> Settings {
    let id = bad_name(draw);
    let mut quoted = String::from("\"");
    for c in id.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_control() || !c.is_ascii() => write!(quoted, "\\U{:08x}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    let text = good("").replacen("id: r", &format!("id: {quoted}\""), 1);
    settings(format!("the id {id:?}"), &text, PLACE)
}

/// A name that must not become a directory or a segment of a URL.
pub fn bad_name(draw: &mut Draw) -> String {
    let word = draw.word(4);
    let names = [
        format!("../{word}"),
        "..".to_owned(),
        ".".to_owned(),
        format!(".{word}"),
        format!("/{word}"),
        format!("{word}/{word}"),
        format!("{word}\\{word}"),
        format!("{word} {word}"),
        format!("{word}\u{1b}[2J"),
        format!("{word}\u{202e}"),
        format!("{word}\u{9b}31m"),
        format!("{word}\n{word}"),
        format!("{word}%2f{word}"),
        format!("{word}é"),
        "x".repeat(65),
        "x".repeat(5000),
        format!("{word}:{word}"),
        format!("{word}?{word}"),
        format!("{word}*"),
        format!("<{word}>"),
        String::new(),
    ];
    draw.each(&names).clone()
}

/// One id twice, whatever lies between.
pub fn duplicates(draw: &mut Draw) -> Settings {
    let word = draw.word(5);
    let extra = match draw.turn() % 3 {
        0 => "  - id: r\n    type: rpm\n    feed: http://127.0.0.1:1/x\n".to_owned(),
        1 => format!("storage:\n  base_path: {word}\n"),
        _ => "    mode: mirror\n".to_owned(),
    };
    settings(format!("twice: {extra}"), &good(&extra), PLACE)
}

/// Files that are no YAML, or YAML that never ends.
pub fn no_yaml(draw: &mut Draw) -> Settings {
    let word = draw.word(6);
    let laughs = |width: usize, depth: usize| {
        let mut text = format!("a0: &a0 [{word}]\n");
        for level in 1..=depth {
            let aliases = vec![format!("*a{}", level - 1); width].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} [{aliases}]");
        }
        text
    };
    let depth = draw.between(200, 50_000);
    let texts = [
        ("a tab", "storage:\n\tbase_path: x\n".to_owned()),
        ("an open quote", format!("storage: \"{word}\n")),
        ("an open list", format!("repositories: [{word}, \n")),
        ("an unknown alias", format!("storage: *{word}\n")),
        ("a list", format!("- {word}\n")),
        ("a word", word.clone()),
        ("nested lists", format!("repositories: {}", "[".repeat(depth))),
        ("nested maps", format!("repositories: {}", "{a: ".repeat(depth))),
        ("laughs", laughs(draw.between(5, 20), draw.between(8, 20))),
        ("a cycle", "storage: &a {base_path: *a}\n".to_owned()),
        ("two documents", format!("{}---\n{word}: 1\n", good(""))),
        ("a long line", format!("storage: {}", "x".repeat(1 << 20))),
        ("a page", format!("<html><body>{word}</body></html>")),
        ("a merge of itself", "storage: &a\n  <<: *a\n".to_owned()),
        ("a tag", "storage: !!python/object:os.system [x]\n".to_owned()),
        ("nothing but a colon", ":\n".to_owned()),
    ];
    let (what, text) = draw.each(&texts);
    settings(*what, text, "config.yaml")
}

/// Bytes that are no text.
pub fn no_text(draw: &mut Draw) -> Settings {
    let mut bytes = good("").into_bytes();
    let what = match draw.turn() % 4 {
        0 => {
            let at = draw.below(bytes.len());
            let count = draw.between(1, 20);
            let noise: Vec<u8> = draw.bytes(count).into_iter().map(|byte| byte | 0x80).collect();
            bytes.splice(at..at, noise);
            "not UTF-8"
        }
        1 => {
            bytes.insert(draw.below(bytes.len()), 0);
            "a NUL"
        }
        2 => {
            let count = draw.between(1, 5000);
            bytes = draw.bytes(count);
            bytes.push(0xff);
            "noise"
        }
        _ => {
            let wide: Vec<u8> = good("").encode_utf16().flat_map(u16::to_be_bytes).collect();
            bytes = [&[0xfe, 0xff][..], &wide].concat();
            "UTF-16"
        }
    };
    Settings {
        what: what.to_owned(),
        bytes,
        text: "config.yaml",
    }
}

/// A good file with one damage; it may be good still.
pub fn mutated(draw: &mut Draw) -> Vec<u8> {
    super::mutate::mutate(good("").as_bytes(), draw).1
}
