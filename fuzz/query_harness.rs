//! What the fuzz target `query`, and the replay test of its corpus, does with an input.

use chantal_model::Comparison;
use chantal_select::{Query, Row};

/// Quoted again, what is longer than this may be too long for a query.
const SHORT_BYTES: usize = 16 << 10;

/// Reads an input as a query.
///
/// # Panics
/// What is refused is refused without a reason or a place; what is accepted does not read back as it is shown.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let row = Row {
        repo: "r",
        name: "nginx",
        version: "1.20",
        arch: "x86_64",
        summary: &text,
        path: "Packages/n/nginx.rpm",
        sha256: "ab12",
        size: 4096,
    };
    match Query::parse(&text) {
        Ok(query) => {
            let versions = |have: &str, comparison: Comparison, wanted: &str| comparison.holds(have.cmp(wanted));
            let _ = query.matches(&row, &versions);
            let shown = query.to_string();
            if text.len() <= SHORT_BYTES {
                assert_eq!(Query::parse(&shown), Ok(query), "{shown:?}");
            }
        }
        Err(error) => {
            let columns = 1..=text.chars().count() + 1;
            assert!(columns.contains(&error.column), "refused at column {}", error.column);
            assert!(!error.message.is_empty(), "refused without a reason");
        }
    }
}
