//! For tests only: a faulty upstream server, repository builders, runners of real clients.

pub mod compress;
pub mod repository;
pub mod rpm;
pub mod tree;
