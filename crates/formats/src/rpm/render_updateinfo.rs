//! Advisories.
