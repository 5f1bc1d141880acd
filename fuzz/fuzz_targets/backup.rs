#![no_main]

#[path = "../backup_harness.rs"]
mod backup_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| backup_harness::run(bytes));
