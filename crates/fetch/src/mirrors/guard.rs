//! Hosts that content from elsewhere must not lead to: this machine and its link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// Whether a URL names this machine or its link: literally, in any notation, or as `localhost`.
pub(crate) fn is_guarded(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_local(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_local(IpAddr::V6(address)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Whether a URL names an address of this machine's link, in any notation.
pub(crate) fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            address.is_unicast_link_local() || embedded(address).is_some_and(|inner| inner.is_link_local())
        }
        _ => false,
    }
}

/// Whether what a URL leads to may name such hosts: it is one itself, or a file of this machine.
pub(crate) fn is_near(url: &Url) -> bool {
    url.scheme() == "file" || is_guarded(url)
}

/// Whether an address is one of this machine or its link.
pub(crate) fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_local_v4(address),
        IpAddr::V6(address) => is_local_v6(address),
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local() || address.is_unspecified() || address.octets()[0] == 0
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unicast_link_local()
        || embedded(address).is_some_and(is_local_v4)
}

/// The address of the older kind that one of the newer kind stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    address.to_ipv4_mapped().or_else(|| {
        // The form of RFC 4291 that is not used any more, `::127.0.0.1`.
        let octets = address.octets();
        (octets[..12] == [0; 12]).then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
    })
}

/// Resolves names as the system does, and leaves out addresses of this machine and its link.
pub(crate) struct Elsewhere {
    /// The proxy's host, which the configuration names and the same resolver looks up.
    proxy: Option<String>,
}

impl Elsewhere {
    pub(crate) fn except(proxy: Option<&Url>) -> Self {
        Self {
            proxy: proxy.and_then(Url::host_str).map(str::to_owned),
        }
    }
}

impl reqwest::dns::Resolve for Elsewhere {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let others: Vec<SocketAddr> = found
                .iter()
                .filter(|at| is_proxy || !is_local(at.ip()))
                .copied()
                .collect();
            if others.is_empty() && !found.is_empty() {
                return Err(LeadsHere.into());
            }
            Ok(Box::new(others.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// A name that resolves to this machine or its link only.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a loopback or link-local address, which content from elsewhere must not")]
pub(crate) struct LeadsHere;
