//! For tests only: a faulty upstream server, repository builders, runners of real clients.

pub mod chantal;
pub mod clients;
pub mod compress;
pub mod needs;
pub mod repository;
pub mod rpm;
pub mod tree;
pub mod proxy;
pub mod tls;
pub mod upstream;
