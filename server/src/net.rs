//! Who is at the other end of a connection, and whether anybody in between can listen.

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address: the connection's, or the one a trusted proxy names.
    pub address: IpAddr,
    /// Whether passwords may travel: the connection is encrypted, here or in front of a trusted proxy.
    pub is_private: bool,
}

/// A range of addresses, such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u8,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is no range of addresses, expected one such as 10.0.0.0/8 or 127.0.0.1");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let base: IpAddr = address.parse().map_err(|_| expected())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| expected()))?;
        if bits > most { Err(expected()) } else { Ok(Self { base, bits }) }
    }
}

impl Range {
    /// Whether an address is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let prefix = |bytes: &[u8]| -> u128 {
            let whole = bytes.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
            let spare = bytes.len() as u32 * 8 - u32::from(self.bits);
            whole.checked_shr(spare).unwrap_or_default()
        };
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(other)) => prefix(&base.octets()) == prefix(&other.octets()),
            (IpAddr::V6(base), IpAddr::V6(other)) => prefix(&base.octets()) == prefix(&other.octets()),
            _ => false,
        }
    }
}

/// How the server is reached.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// It speaks TLS itself.
    pub tls: bool,
    /// Proxies whose word about a request is believed.
    pub proxies: Vec<Range>,
}

impl Surroundings {
    /// The other end of a request.
    pub fn recognise(&self, request: &Request) -> Peer {
        let connected = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        self.peer(connected.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), request.headers())
    }

    /// The other end of a request that came over a connection from `connected`.
    pub fn peer(&self, connected: IpAddr, headers: &HeaderMap) -> Peer {
        let connected = connected.to_canonical();
        let trusted = |address: IpAddr| self.proxies.iter().any(|range| range.holds(address));
        if !trusted(connected) {
            return Peer { address: connected, is_private: self.tls };
        }
        let all = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(|part| part.trim().to_owned()).collect()
        };
        // Each proxy adds the address it saw at the end; the last that is no proxy of ours is the other end.
        let hops = all("x-forwarded-for");
        let named = hops.iter().rev().map_while(|hop| hop.parse::<IpAddr>().ok()).find(|hop| !trusted(*hop));
        let https = all("x-forwarded-proto").last().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        Peer { address: named.unwrap_or(connected), is_private: self.tls || https }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, axum::http::HeaderValue::from_static(value));
        }
        headers
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "203.0.113.7", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ] {
            let range: Range = range.parse().expect("a range");
            assert!(range.holds(address(inside)) && !range.holds(address(outside)), "{range:?}");
        }
        assert!("10.0.0.0/8".parse::<Range>().expect("a range").holds(address("::ffff:10.0.0.1")));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let claims = headers(&[("x-forwarded-for", "203.0.113.7, 10.1.1.1"), ("x-forwarded-proto", "https")]);
        let alone = Surroundings::default();
        let peer = alone.peer(address("198.51.100.9"), &claims);
        assert_eq!(peer, Peer { address: address("198.51.100.9"), is_private: false });
        let behind = Surroundings { tls: false, proxies: vec!["10.0.0.0/8".parse().expect("a range")] };
        let peer = behind.peer(address("10.0.0.2"), &claims);
        assert_eq!(peer, Peer { address: address("203.0.113.7"), is_private: true });
        // What stands before the proxy's own word was written by whoever asked.
        let forged = headers(&[("x-forwarded-for", "1.2.3.4, 203.0.113.7"), ("x-forwarded-proto", "https, http")]);
        let peer = behind.peer(address("10.0.0.2"), &forged);
        assert_eq!(peer, Peer { address: address("203.0.113.7"), is_private: false });
        assert_eq!(behind.peer(address("10.0.0.2"), &headers(&[])).address, address("10.0.0.2"));
        assert!(Surroundings { tls: true, proxies: Vec::new() }.peer(address("1.1.1.1"), &headers(&[])).is_private);
    }
}
