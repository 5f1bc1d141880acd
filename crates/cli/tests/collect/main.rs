//! Collection: what nothing needs goes, and nothing else, whatever runs meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod kept;
mod meanwhile;
mod rows;
mod unused;
