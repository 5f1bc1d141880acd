//! Bounded, verified reads from a feed over http, https and file.
