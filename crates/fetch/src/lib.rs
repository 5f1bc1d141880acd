//! Bounded, verified reads from a feed over http, https and file.
//!
//! Bytes go into a [`chantal_model::Landing`], which hashes them; what comes is compared with its promise before
//! [`Client::fetch`] returns. A broken transfer is resumed where the server can prove that it is still the same file,
//! and begun anew otherwise. `Accept-Encoding: identity` is sent; what a server encodes all the same is hashed as it
//! comes.

mod answer;
mod bandwidth;
mod client;
mod connect;
mod error;
mod gate;
mod identity;
mod later;
mod local;
pub mod mirrors;
mod options;
mod pace;
mod post;
mod proxy;
mod resolve;

pub use bandwidth::Bandwidth;
pub use client::{Client, Landed, Outcome, Request, Validators};
pub use error::{FetchError, Kind};
pub use gate::Hosts;
pub use identity::{Candidate, Identity, IdentityError, expiries, usable};
pub use mirrors::{Found, Mirrors, Reference, Wish};
pub use options::{Auth, ClientOptions, Trust};
pub use post::Post;
pub use proxy::ProxyOptions;
pub use resolve::{ResolveError, resolve};
