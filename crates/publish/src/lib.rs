//! A tree of links and files: add, switch, prune.
