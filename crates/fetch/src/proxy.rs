//! Which hosts are reached through a proxy.

use std::net::IpAddr;

use url::{Host, Url};

/// Proxies.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    /// For http. The scheme is http, https, socks5, or socks5h, which leaves names to the proxy.
    pub http: Option<Url>,
    /// For https.
    pub https: Option<Url>,
    /// Hosts that are asked directly: `*` for all, a name with all below it (with or without a dot before it), an
    /// address or a network such as `10.0.0.0/8`; `:` and a port may follow.
    pub no_proxy: Vec<String>,
    /// User name at the proxy, where its URL has none.
    pub username: Option<String>,
    /// Password at the proxy.
    pub password: Option<String>,
}

impl ProxyOptions {
    /// The proxy for a URL's scheme, whatever its host.
    pub(crate) fn server(&self, is_tls: bool) -> Option<&Url> {
        if is_tls {
            self.https.as_ref()
        } else {
            self.http.as_ref()
        }
    }

    /// The proxy through which a URL is reached, with credentials.
    pub(crate) fn of(&self, url: &Url) -> Option<Url> {
        let mut proxy = self.server(url.scheme() == "https")?.clone();
        if self.no_proxy.iter().any(|word| excepts(word, url)) {
            return None;
        }
        if let Some(user) = self.username.as_ref().filter(|_| proxy.username().is_empty()) {
            // In the URL, where SOCKS looks for them as well; both only fail for URLs that cannot have credentials.
            let _ = proxy.set_username(user);
            let _ = proxy.set_password(self.password.as_deref());
        }
        Some(proxy)
    }
}

/// Whether a word of `no_proxy` means a URL's host.
fn excepts(word: &str, url: &Url) -> bool {
    let word = word.trim();
    let (name, port) = split_port(word);
    if port.is_some_and(|port| Some(port) != url.port_or_known_default()) {
        return false;
    }
    if name == "*" {
        return true;
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(host)) => return is_below(host, name),
        None => return false,
    };
    match name.split_once('/') {
        Some((network, bits)) => match (network.parse(), bits.parse()) {
            (Ok(network), Ok(bits)) => is_in(address, network, bits),
            _ => false,
        },
        None => name.parse() == Ok(address),
    }
}

/// A word without the port at its end; addresses of IPv6 with a port are in brackets.
fn split_port(word: &str) -> (&str, Option<u16>) {
    if let Some((name, rest)) = word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (name, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match word.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, port.parse().ok()),
        _ => (word, None),
    }
}

fn is_below(host: &str, name: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let name = name.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
    !name.is_empty() && (host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.')))
}

fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    match bits {
        0 => true,
        _ if bits > width => false,
        _ => (address ^ network) >> (width - bits) == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_excepted_by_name_address_and_network() {
        for (word, url, expected) in [
            ("*", "http://h/", true),
            ("example.org", "http://example.org/", true),
            ("example.org", "http://a.Example.org./", true),
            (".example.org", "https://a.example.org/", true),
            ("*.example.org", "https://a.example.org/", true),
            ("example.org", "http://badexample.org/", false),
            ("", "http://h/", false),
            (".", "http://h/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.0.0.0/33", "http://10.0.0.0/", false),
            ("0.0.0.0/0", "http://9.9.9.9/", true),
            ("127.0.0.1", "http://127.0.0.1:81/", true),
            ("127.0.0.1:81", "http://127.0.0.1:81/", true),
            ("127.0.0.1:80", "http://127.0.0.1:81/", false),
            ("h:443", "https://h/", true),
            ("fe80::/10", "http://[fe80::1]/", true),
            ("::1", "http://[::1]/", true),
            ("[::1]:80", "http://[::1]/", true),
            ("[::1]:81", "http://[::1]/", false),
        ] {
            assert_eq!(excepts(word, &url.parse().unwrap()), expected, "{word} {url}");
        }
    }

    #[test]
    fn credentials_go_into_the_url_of_the_proxy_unless_it_has_its_own() {
        let mut options = ProxyOptions {
            http: Some("socks5://p:1".parse().unwrap()),
            username: Some("u@".into()),
            password: Some("p:/".into()),
            ..ProxyOptions::default()
        };
        let of = |options: &ProxyOptions| options.of(&"http://h/".parse().unwrap()).unwrap().to_string();
        assert_eq!(of(&options), "socks5://u%40:p%3A%2F@p:1");
        options.http = Some("http://own:x@p:1".parse().unwrap());
        assert_eq!(of(&options), "http://own:x@p:1/");
        assert_eq!(options.of(&"https://h/".parse().unwrap()), None);
    }
}
