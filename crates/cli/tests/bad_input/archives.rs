//! Compressed metadata.

use chantal_testkit::corpus::archives;

use crate::bench::try_all;

#[test]
fn gzip_bombs_are_a_limit() {
    try_all(archives::C01);
}

#[test]
fn xz_bombs_and_dictionaries_are_a_limit() {
    try_all(archives::C02);
}

#[test]
fn zstd_bombs_and_windows_are_a_limit() {
    try_all(archives::C03);
}

#[test]
fn bzip2_bombs_are_a_limit() {
    try_all(archives::C04);
}

#[test]
fn a_method_is_known_by_its_first_bytes_whatever_the_name_says() {
    try_all(archives::C07);
}

#[test]
fn damaged_streams_are_refused() {
    try_all(archives::DAMAGED);
}
