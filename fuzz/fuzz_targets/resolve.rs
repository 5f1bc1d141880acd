#![no_main]

#[path = "../resolve_harness.rs"]
mod resolve_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| resolve_harness::run(bytes));
