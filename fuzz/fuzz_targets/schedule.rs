#![no_main]

#[path = "../schedule_harness.rs"]
mod schedule_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schedule_harness::run(bytes));
