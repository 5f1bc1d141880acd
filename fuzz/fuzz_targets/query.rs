#![no_main]

#[path = "../query_harness.rs"]
mod query_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query_harness::run(bytes));
