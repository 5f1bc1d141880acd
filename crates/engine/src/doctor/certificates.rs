//! Certificates that the configuration names: when they end.
//!
//! Only the validity is read, from DER as RFC 5280 (section 4.1) lays it out: the second `Time` of the `Validity` in the
//! `TBSCertificate`. Nothing is verified here; that is done where connections are made.

use std::path::Path;

use base64::Engine as _;
use chantal_config::{Auth, Config, Repository};
use chantal_model::Clock;
use jiff::civil::DateTime;

use super::{Check, together};
use crate::query::time;

/// One that ends sooner is worth a warning, in seconds.
const SOON: i64 = 30 * 24 * 3600;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const EXPLICIT_VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

pub(super) fn check(config: &Config, clock: &dyn Clock) -> Check {
    let now = clock.now().as_second();
    let mut found = Vec::new();
    let mut seen = 0;
    for repo in &config.repositories {
        for (name, text) in certificates(repo) {
            seen += 1;
            found.extend(match text {
                Ok(text) => judge(&name, &text, now),
                Err(error) => vec![Check::fail(
                    "certificates",
                    2,
                    format!("{}: cannot read {name}: {error}", repo.id),
                )],
            });
        }
    }
    if seen == 0 {
        return Check::skipped("certificates", "the configuration names none");
    }
    together("certificates", &found, "all are valid for 30 days and more")
}

type Text = Result<String, std::io::Error>;

/// Names and texts of what a repository's configuration names.
fn certificates(repo: &Repository) -> Vec<(String, Text)> {
    let read = |path: &Path| (path.display().to_string(), std::fs::read_to_string(path));
    let mut found: Vec<(String, Text)> = [&repo.ssl.ca_bundle, &repo.ssl.client_cert]
        .into_iter()
        .flatten()
        .map(|path| read(path))
        .collect();
    if let Some(text) = &repo.ssl.ca_cert {
        found.push((format!("ssl.ca_cert of {}", repo.id), Ok(text.clone())));
    }
    found.extend(super::auths(repo).filter_map(|auth| match auth {
        Auth::ClientCert { cert_file, .. } => Some(read(cert_file)),
        _ => None,
    }));
    found
}

fn judge(name: &str, text: &str, now: i64) -> Vec<Check> {
    let ends: Vec<Option<i64>> = blocks(text).map(|der| not_after(&der)).collect();
    if ends.is_empty() {
        return vec![Check::fail(
            "certificates",
            2,
            format!("{name} holds no certificate in PEM"),
        )];
    }
    let of_one = |end: Option<i64>| match end {
        None => Some(Check::fail(
            "certificates",
            2,
            format!("{name} holds a certificate that cannot be read"),
        )),
        Some(end) if end <= now => Some(
            Check::fail(
                "certificates",
                2,
                format!("a certificate in {name} has expired at {}", time(end)),
            )
            .hint("renew it"),
        ),
        Some(end) if end - now < SOON => Some(Check::warn(
            "certificates",
            format!("a certificate in {name} expires at {}", time(end)),
            "renew it",
        )),
        Some(_) => None,
    };
    ends.into_iter().filter_map(of_one).collect()
}

/// The bytes of every certificate in a PEM text; of one that is no base64 nothing.
fn blocks(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.split("-----BEGIN CERTIFICATE-----").skip(1).map(|rest| {
        let body: String = rest
            .split("-----END")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        base64::engine::general_purpose::STANDARD
            .decode(body)
            .unwrap_or_default()
    })
}

/// When a certificate ends, in seconds since 1970.
fn not_after(der: &[u8]) -> Option<i64> {
    let mut whole = Der(der).enter(SEQUENCE)?;
    let mut signed = whole.enter(SEQUENCE)?;
    if signed.0.first() == Some(&EXPLICIT_VERSION) {
        signed.enter(EXPLICIT_VERSION)?;
    }
    signed.enter(INTEGER)?;
    signed.enter(SEQUENCE)?;
    signed.enter(SEQUENCE)?;
    let mut validity = signed.enter(SEQUENCE)?;
    validity.next()?;
    let (tag, value) = validity.next()?;
    seconds(tag, std::str::from_utf8(value).ok()?)
}

/// Values one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value with its tag.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0x80 | 0x85.. => return None,
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (
                    bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
                    rest,
                )
            }
            length => (usize::from(length), rest),
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    /// What is in the next value, which must have this tag.
    fn enter(&mut self, wanted: u8) -> Option<Self> {
        let (tag, value) = self.next()?;
        (tag == wanted).then_some(Self(value))
    }
}

/// `YYMMDDHHMMSSZ`, years before 50 in this century, or the same with four digits.
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let digits = text
        .strip_suffix('Z')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let digits = match (tag, digits.len()) {
        (UTC_TIME, 12) if digits < "50" => format!("20{digits}"),
        (UTC_TIME, 12) => format!("19{digits}"),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse::<i16>().ok()?;
    let moment = DateTime::new(
        year,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    let moment = moment.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(moment.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn times_are_read_as_rfc_5280_writes_them() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        for (tag, text) in [
            (UTC_TIME, "700101000000"),
            (UTC_TIME, "701301000000Z"),
            (GENERALIZED_TIME, "x"),
            (0, "700101000000Z"),
        ] {
            assert_eq!(seconds(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for der in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x02\x30\x00",
            &[0x30; 64],
        ] {
            assert_eq!(not_after(der), None, "{der:?}");
        }
        let told = |text| judge("x", text, 0).remove(0).status;
        assert_eq!(told("no pem"), CheckStatus::Fail);
        assert_eq!(
            told("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"),
            CheckStatus::Fail
        );
    }

    #[test]
    fn a_real_certificate_warns_before_it_ends() {
        let authority = chantal_testkit::tls::Authority::new();
        let pair = authority.server();
        let end = not_after(&blocks(&pair.certificate).next().unwrap()).unwrap();
        let status = |now| judge("x", &pair.certificate, now).first().map(|check| check.status);
        assert_eq!(status(end - SOON), None);
        assert_eq!(status(end - SOON + 1), Some(CheckStatus::Warn));
        assert_eq!(status(end), Some(CheckStatus::Fail));
    }
}
