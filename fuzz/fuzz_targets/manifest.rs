#![no_main]

#[path = "../manifest_harness.rs"]
mod manifest_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manifest_harness::run(bytes));
