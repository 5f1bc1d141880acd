//! Numbers and times as people read them.

/// Bytes with a binary unit: `1.2 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count with its thousands apart: `17,649`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 package`, `2 packages`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{} {stem}ies", count(number)),
        _ => format!("{} {noun}s", count(number)),
    }
}

/// A span of time in its largest whole unit: `3 days`.
pub(crate) fn age(seconds: i64) -> String {
    let seconds = seconds.max(0) as u64;
    match seconds {
        0..60 => counted(seconds, "second"),
        60..3_600 => counted(seconds / 60, "minute"),
        3_600..172_800 => counted(seconds / 3_600, "hour"),
        _ => format!("{} days", count(seconds / 86_400)),
    }
}

/// An RFC 3339 time to the minute, in UTC; text that is no time comes back as it is.
pub(crate) fn time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Milliseconds as seconds: `1.3 s`.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..60_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_never_show_a_thousand_of_a_unit() {
        let shown: Vec<_> = [0, 1023, 1024, 1_048_575, 1_048_576, u64::MAX]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "16.0 EiB"]);
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        let shown: Vec<_> = [0, 999, 1000, 1_234_567].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "advisory"), "1 advisory");
        assert_eq!(counted(2, "advisory"), "2 advisories");
        assert_eq!(counted(0, "package"), "0 packages");
    }

    #[test]
    fn ages_use_their_largest_unit() {
        let shown: Vec<_> = [-5, 59, 60, 7_199, 172_799, 172_800].into_iter().map(age).collect();
        assert_eq!(
            shown,
            ["0 seconds", "59 seconds", "1 minute", "1 hour", "47 hours", "2 days"]
        );
    }

    #[test]
    fn times_are_cut_to_the_minute_and_other_text_is_kept() {
        assert_eq!(time("2026-11-23T08:12:59Z"), "2026-11-23 08:12Z");
        assert_eq!(time("never"), "never");
    }
}
