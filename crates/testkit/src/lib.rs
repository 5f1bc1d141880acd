//! For tests only: a faulty upstream server, repository builders, runners of real clients.

pub mod rpm;
