//! Versions of packages: epoch, version, release.

use chantal_model::VersionKey;
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

    proptest! {
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
