//! For tests only: a faulty upstream server, repository builders, runners of real clients.

pub mod chantal;
pub mod clients;
pub mod compress;
pub mod corpus;
pub mod needs;
pub mod postgres;
pub mod proxy;
pub mod rebody;
pub mod repository;
pub mod rpm;
pub mod tls;
pub mod tree;
pub mod upstream;
