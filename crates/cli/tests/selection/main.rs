//! What is selected, judged by the metadata that are published.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod explaining;
mod filters;
mod retention;
