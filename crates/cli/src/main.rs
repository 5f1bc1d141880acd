//! The command `chantal`.
fn main() {}
