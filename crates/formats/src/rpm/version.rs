//! Versions of packages: epoch, version, release.

use std::borrow::Cow;
use std::cmp::Ordering;

use chantal_model::{Comparison, VersionKey};
use rpm_version::EvrSortKey;

/// First byte of keys that follow rpm's order; a new algorithm gets the next number.
const ALGORITHM: u8 = 1;
/// First byte of keys of what is no version; it sorts before everything valid.
const INVALID: u8 = 0;
/// `rpm-version` keeps the number of digits in one byte.
const MAX_DIGITS: usize = 255;

/// Sort key of `[epoch:]version-release`, in the order of `rpmvercmp` with `~` and `^`.
pub(super) fn key(text: &str) -> VersionKey {
    if !is_valid(text) {
        let mut key = vec![INVALID];
        key.extend_from_slice(text.as_bytes());
        return VersionKey(key.into());
    }
    let sortkey = EvrSortKey::parse(text);
    let mut key = Vec::with_capacity(1 + sortkey.as_bytes().len());
    key.push(ALGORITHM);
    key.extend_from_slice(sortkey.as_bytes());
    VersionKey(key.into())
}

fn is_valid(text: &str) -> bool {
    let (epoch, version) = text.split_once(':').unwrap_or(("0", text));
    is_epoch(epoch)
        && version.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && version
            .split(|c: char| !c.is_ascii_digit())
            .all(|digits| digits.trim_start_matches('0').len() <= MAX_DIGITS)
}

/// Whether text is an epoch: a number of 32 bits.
pub(super) fn is_epoch(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok()
}

/// `[epoch:]version-release`, epoch 0 left out.
pub(super) fn text(epoch: &str, version: &str, release: &str) -> String {
    match epoch.trim_start_matches('0') {
        "" => format!("{version}-{release}"),
        epoch => format!("{epoch}:{version}-{release}"),
    }
}

/// `[epoch:]version[-release]`, epoch 0 and an empty release left out.
pub(super) fn range(epoch: &str, version: &str, release: &str) -> String {
    let text = text(epoch, version, release);
    match release {
        "" => text.trim_end_matches('-').to_owned(),
        _ => text,
    }
}

/// Whether two ranges of `[epoch:]version[-release]` have anything in common, as rpm's `rpmverOverlap` decides.
///
/// A missing epoch is 0. Without one of the releases, the releases do not count; then a range that has none and includes
/// its end (`= 1.0`, `>= 1.0`) includes every release of it.
pub(super) fn overlap(one: (Comparison, &str), other: (Comparison, &str)) -> bool {
    let (one_version, one_release) = split(one.1);
    let (other_version, other_release) = split(other.1);
    let mut ordering = rpm_version::rpm_evr_compare(one_version, other_version);
    if ordering == Ordering::Equal {
        match (one_release, other_release) {
            (Some(one), Some(other)) => ordering = rpm_version::rpm_evr_compare(one, other),
            (Some(_), None) if other.0.allows_equal() => return true,
            (None, Some(_)) if one.0.allows_equal() => return true,
            _ => {}
        }
    }
    one.0.overlaps(ordering, other.0)
}

/// `[epoch:]version-release` with the epoch if the wanted version, or pattern of one, names an epoch, even 0; else
/// without.
pub(super) fn beside<'v>(version: &'v str, wanted: &str) -> Cow<'v, str> {
    let bare = match version.split_once(':') {
        Some((epoch, bare)) if is_epoch(epoch) => bare,
        _ => version,
    };
    match (wanted.contains(':'), bare.len() == version.len()) {
        (false, _) => bare.into(),
        (true, false) => version.into(),
        (true, true) => format!("0:{version}").into(),
    }
}

/// Version with epoch, and release.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('-') {
        Some((version, release)) if !release.is_empty() => (version, Some(release)),
        _ => (text.trim_end_matches('-'), None),
    }
}

/// `name-epoch:version-release.arch`, epoch 0 written, as advisories and modules are resolved.
pub(super) fn label(name: &str, epoch: &str, version: &str, release: &str, arch: &str) -> String {
    let epoch = match epoch.trim_start_matches('0') {
        "" => "0",
        epoch => epoch,
    };
    format!("{name}-{epoch}:{version}-{release}.{arch}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_is_rpms() {
        let ascending = [
            "junk:1-1",
            "1.0~rc1-1",
            "1.0-1",
            "1.0^git1-1",
            "1.0.1-1",
            "9-1.el9",
            "10-1.el9",
            "10-1.el10",
            "1:0.1-1",
        ];
        let keys: Vec<VersionKey> = ascending.iter().map(|text| key(text)).collect();
        for pair in keys.windows(2).zip(ascending.windows(2)) {
            assert!(pair.0[0] < pair.0[1], "{:?}", pair.1);
        }
    }

    #[test]
    fn what_cannot_be_compared_sorts_first() {
        let long = format!("{}-1", "9".repeat(256));
        for text in ["", "-", "x:1-1", "4294967296:1-1", "-1:1-1", &long] {
            assert!(key(text) < key("0~~-0"), "{text:?}");
        }
        assert!(key(&format!("{}-1", "9".repeat(255))) > key("8-1"));
    }

    #[test]
    fn epoch_zero_is_left_out_of_versions_and_kept_in_labels() {
        assert_eq!(text("0", "1", "2"), "1-2");
        assert_eq!(text("01", "1", "2"), "1:1-2");
        assert_eq!(label("a", "", "1", "2", "noarch"), "a-0:1-2.noarch");
        assert_eq!(label("a", "3", "1", "2", "noarch"), "a-3:1-2.noarch");
    }

    #[test]
    fn ranges_overlap_as_rpm_says() {
        let parse = |text: &str| {
            let (symbol, version) = text.split_once(' ').unwrap();
            let all = [
                Comparison::Less,
                Comparison::LessOrEqual,
                Comparison::Equal,
                Comparison::GreaterOrEqual,
                Comparison::Greater,
            ];
            let comparison = all.into_iter().find(|one| one.symbol() == symbol).unwrap();
            (comparison, version.to_owned())
        };
        for (one, other, overlaps) in [
            ("= 1.0-3", "= 1.0", true),
            ("= 1.0-3", ">= 1.0", true),
            ("= 1.0-3", "<= 1.0", true),
            ("= 1.0-3", "> 1.0", false),
            ("= 1.0-3", "< 1.0", false),
            ("= 1.0-3", "> 1.0-2", true),
            ("= 1.0-3", "= 1.0-4", false),
            ("= 1:1.0-3", "> 9.9", true),
            ("= 1:1.0-3", "= 1.0-3", false),
            ("= 0:1.0-3", "= 1.0-3", true),
            ("= 1.0~rc1-1", "< 1.0", true),
            ("= 1.0~rc1-1", ">= 1.0", false),
            (">= 2", "< 1", false),
            (">= 1", "< 2", true),
            ("= 10", "> 9", true),
        ] {
            let (a, b) = (parse(one), parse(other));
            assert_eq!(overlap((a.0, &a.1), (b.0, &b.1)), overlaps, "{one} {other}");
            assert_eq!(overlap((b.0, &b.1), (a.0, &a.1)), overlaps, "{other} {one}");
        }
    }

    #[test]
    fn an_epoch_counts_where_the_wanted_version_names_one() {
        for (version, wanted, expected) in [
            ("1:1.22.0-1.el9", "1.20", "1.22.0-1.el9"),
            ("1:1.22.0-1.el9", "1.22*", "1.22.0-1.el9"),
            ("1:1.22.0-1.el9", "0:1.22.0", "1:1.22.0-1.el9"),
            ("1:1.22.0-1.el9", "1:*", "1:1.22.0-1.el9"),
            ("1.22.0-1.el9", "1.20", "1.22.0-1.el9"),
            ("1.22.0-1.el9", "0:1.22.0", "0:1.22.0-1.el9"),
            ("1.22.0-1.el9", "1:1.22.0", "0:1.22.0-1.el9"),
            ("x:1-1", "1", "x:1-1"),
        ] {
            assert_eq!(beside(version, wanted), expected, "{version} {wanted}");
        }
    }

    #[test]
    fn a_range_leaves_out_what_is_not_there() {
        assert_eq!(range("0", "1", ""), "1");
        assert_eq!(range("", "1", "2"), "1-2");
        assert_eq!(range("2", "1", ""), "2:1");
    }

    proptest! {
        #[test]
        fn any_two_texts_can_be_compared(a in "\\PC*", b in "\\PC*") {
            let equal = overlap((Comparison::Equal, &a), (Comparison::Equal, &b));
            prop_assert_eq!(equal, overlap((Comparison::Equal, &b), (Comparison::Equal, &a)));
            prop_assert!(overlap((Comparison::Equal, &a), (Comparison::Equal, &a)), "{}", a);
        }

        #[test]
        fn keys_compare_as_rpm_does(
            a in "([0-3]:)?[0-9a-c.~^_]{1,8}[0-9a]-[0-9a.~^]{1,6}",
            b in "([0-3]:)?[0-9a-c.~^_]{1,8}[0-9a]-[0-9a.~^]{1,6}",
        ) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), rpm_version::rpm_evr_compare(&a, &b), "{} {}", a, b);
        }

        #[test]
        fn any_text_has_a_key(text in "\\PC*") {
            prop_assert!(!key(&text).0.is_empty());
        }
    }
}
