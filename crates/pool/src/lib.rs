//! Content-addressed blobs: add, open, verify.
