//! How long a server asks to wait before the next try.

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};

/// The pause that a server asks for (RFC 9110, section 10.2.3): seconds, or until a date. A date is compared with the one
/// of the answer, so that it does not matter what this machine's clock says. What is neither means the client's own pause.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, &header::RETRY_AFTER)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is longer than anybody waits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = self::text(headers, &header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or(Duration::ZERO))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn asked(text: &str) -> Option<u64> {
        let headers = HeaderMap::from_iter([
            (header::DATE, NOW.parse().unwrap()),
            (header::RETRY_AFTER, text.parse().unwrap()),
        ]);
        retry_after(&headers).map(|pause| pause.as_secs())
    }

    #[test]
    fn a_pause_is_a_number_of_seconds_or_a_date() {
        for (text, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("1000000000", Some(1_000_000_000)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:00 GMT", Some(23)),
            // The two forms that senders must not use any more, and recipients must read.
            ("Sunday, 06-Nov-94 08:50:00 GMT", Some(23)),
            ("Sun Nov  6 08:50:00 1994", Some(23)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(252_618_189_022)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994", None),
        ] {
            assert_eq!(asked(text), seconds, "{text:?}");
        }
    }

    #[test]
    fn without_a_date_of_the_answer_the_clock_is_asked() {
        let after = |text: &str| retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(after(NOW), Some(Duration::ZERO));
        assert!(after("Fri, 31 Dec 9999 23:59:59 GMT") > Some(Duration::from_secs(1 << 32)));
    }
}
