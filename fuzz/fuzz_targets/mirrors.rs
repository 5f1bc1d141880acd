#![no_main]

#[path = "../mirrors_harness.rs"]
mod mirrors_harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mirrors_harness::run(bytes));
