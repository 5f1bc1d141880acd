//! Data from upstream on a terminal: nothing in it may move the cursor, change colours or reorder text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character acts on a terminal rather than being shown by it.
fn acts(c: char) -> bool {
    let bidirectional = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || bidirectional || matches!(c, '\u{2028}' | '\u{2029}')
}

/// One line without control characters, escape sequences and bidirectional overrides.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts) {
        Cow::Owned(strip(text, |_| false))
    } else {
        Cow::Borrowed(text)
    }
}

/// Several lines without control characters other than line feeds and tabs.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let kept = |c| matches!(c, '\n' | '\t');
    if text.chars().any(|c| acts(c) && !kept(c)) {
        Cow::Owned(strip(text, kept))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON text whose acting characters are written as `\uXXXX`, so that nothing is lost.
pub(crate) fn json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && c != '\n' {
            let _ = write!(clean, "\\u{:04x}", u32::from(c));
        } else {
            clean.push(c);
        }
    }
    clean
}

fn strip(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_parameters(&mut chars),
            c if kept(c) => clean.push(c),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => clean.push(' '),
            c if acts(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Skips what follows an escape character: a control sequence, a string up to its terminator, or one character.
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_parameters(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if matches!(c, '\u{7}' | '\u{9c}') {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {
            chars.next_if(|c| c.is_ascii() && !c.is_ascii_control());
        }
    }
}

/// Skips the parameters of a control sequence and its final byte.
fn skip_parameters(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_data_acts_on_a_terminal() {
        for (dirty, clean) in [
            ("plain, ünïcode 漢字", "plain, ünïcode 漢字"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://evil\u{1b}\\link", "link"),
            ("a\u{9b}2Jb", "ab"),
            ("safe\u{202e}gnp.exe", "safegnp.exe"),
            ("two\nlines\ttab\r", "two lines tab "),
            ("bell\u{7}\u{0}\u{7f}", "bell"),
            ("cut \u{1b}", "cut "),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(line(dirty), clean, "{dirty:?}");
        }
        assert_eq!(text("a\n\tb\u{1b}[2J\n"), "a\n\tb\n");
    }

    #[test]
    fn whatever_the_corpus_of_bad_input_counts_as_acting_is_taken_out() {
        use chantal_testkit::corpus::names;
        for c in ('\0'..=char::MAX).filter(|c| names::acts(*c)) {
            let dirty = format!("a{c}b");
            assert!(!line(&dirty).chars().any(names::acts), "{dirty:?}");
            assert!(!text(&dirty).chars().any(names::acts), "{dirty:?}");
            assert!(!json(&dirty).chars().any(names::acts), "{dirty:?}");
        }
        for dirty in names::ACTING {
            assert!(!line(dirty).chars().any(names::acts), "{dirty:?}");
        }
    }

    #[test]
    fn json_keeps_what_it_escapes() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{9b}z\u{7f}"});
        let clean = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!clean.contains('\u{202e}') && !clean.contains('\u{7f}') && !clean.contains('\u{9b}'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&clean).unwrap(), value);
    }
}
