#![no_main]

#[path = "../config_harness.rs"]
mod config_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config_harness::run(bytes));
