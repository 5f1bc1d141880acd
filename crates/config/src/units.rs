//! Durations, sizes and schedules as users write them.

use std::time::Duration;

/// Reads `90`, `30s`, `5m`, `24h`, `3d`, `2w`; a bare number means seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong_duration(text))?;
    let factor = match text[digits..].trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong_duration(text)),
    };
    number
        .checked_mul(factor)
        .map(Duration::from_secs)
        .ok_or_else(|| wrong_duration(text))
}

fn wrong_duration(text: &str) -> String {
    format!("{text:?} is not a duration: expected a number with s, m, h, d or w, such as 30s or 24h")
}

/// Reads `2026-01-31`, `2026-01-31T12:00:00` (both UTC) or a time with its zone; gives seconds since 1970.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    let utc = |time: jiff::civil::DateTime| time.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_second());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    civil
        .and_then(utc)
        .map(|time| time.timestamp().as_second())
        .ok_or_else(|| format!("{text:?} is not a time: expected 2026-01-31 or 2026-01-31T12:00:00Z"))
}

/// Reads `1048576`, `1KiB`, `512MiB`, `4GiB`, `1kB`, with or without a blank and a trailing `/s`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: expected a number with KiB, MiB, GiB or TiB, such as 512MiB");
    let trimmed = text.trim().strip_suffix("/s").unwrap_or(text.trim());
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let number: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
    let factor: u64 = match trimmed[digits..].trim() {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Checks a cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
pub(crate) fn cron(text: &str) -> Result<(), String> {
    if matches!(
        text,
        "@hourly" | "@daily" | "@midnight" | "@weekly" | "@monthly" | "@yearly" | "@annually"
    ) {
        return Ok(());
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let limits = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day", 1, 31),
        ("month", 1, 12),
        ("weekday", 0, 7),
    ];
    if fields.len() != limits.len() {
        return Err(format!(
            "{text:?} is not a cron expression: expected five fields, got {}",
            fields.len()
        ));
    }
    for (field, (name, low, high)) in fields.iter().zip(limits) {
        for part in field.split(',') {
            cron_part(part, low, high)
                .map_err(|()| format!("{text:?} is not a cron expression: bad {name} {part:?}"))?;
        }
    }
    Ok(())
}

fn cron_part(part: &str, low: u32, high: u32) -> Result<(), ()> {
    let names = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let number = |text: &str| -> Result<u32, ()> {
        let word = text.to_ascii_lowercase();
        let named = match high {
            12 => names.iter().position(|name| *name == word).map(|at| at as u32 + 1),
            7 => days.iter().position(|day| *day == word).map(|at| at as u32),
            _ => None,
        };
        named
            .or_else(|| text.parse().ok())
            .filter(|n| (low..=high).contains(n))
            .ok_or(())
    };
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)),
        None => (part, Some(1)),
    };
    step.ok_or(())?;
    if range == "*" {
        return Ok(());
    }
    match range.split_once('-') {
        Some((from, to)) => (number(from)? <= number(to)?).then_some(()).ok_or(()),
        None => number(range).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("1KiB/s"), Ok(1024));
        for text in ["", "h", "1x", "-1s", "99999999999999999999s", "18446744073709551615w"] {
            assert!(duration(text).is_err(), "{text}");
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_in_utc_unless_they_have_a_zone() {
        for (text, seconds) in [
            ("1970-01-02", 86_400),
            ("1970-01-01T00:01:00", 60),
            ("1970-01-01 00:01:00", 60),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
        ] {
            assert_eq!(time(text), Ok(seconds), "{text}");
        }
        for text in ["", "yesterday", "1970", "1970-13-01", "01/02/1970", "99999-01-01"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cron_expressions_are_checked_field_by_field() {
        for text in ["0 2 * * *", "*/15 0-6,22 1 jan-mar mon", "@daily"] {
            assert_eq!(cron(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "@often",
        ] {
            assert!(cron(text).is_err(), "{text}");
        }
    }
}
