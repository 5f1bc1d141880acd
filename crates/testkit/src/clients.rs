//! Runners of real clients, each in isolation: no configuration, cache or package database of the machine is used.
//!
//! A test asks `available()` through [`crate::needs::need`] first.

mod createrepo;
mod danted;
mod dnf;
mod nginx;
mod rpm;
mod squid;
mod zypper;

pub use createrepo::Createrepo;
pub use danted::Danted;
pub use dnf::Dnf;
pub use nginx::Nginx;
pub use rpm::RpmTool;
pub use squid::Squid;
pub use zypper::Zypper;

/// Debian's rpm keeps its database in the user's home, below the root of an installation: the same home for all tools.
const HOME: &str = "/";
