//! Addresses that people type in must not lead into the server's own network.
//!
//! A name is resolved once and the connection goes to the very addresses that were checked, so that a name which answers
//! something else the second time gains nothing. Redirects are not followed and proxies are not asked (`post.rs`).

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Longest address, characters.
const LONGEST: usize = 2_000;

/// Where clouds tell their machines their secrets. Never a receiver of messages.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// An address that is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Says which addresses may be called.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard {
    /// Addresses of this machine and of private networks may be called too.
    pub allow_private: bool,
}

impl Guard {
    /// Checks an address as far as that can be done without asking anybody.
    ///
    /// # Errors
    /// If it is not called, with what was expected instead.
    pub fn address(self, text: &str) -> Result<Url, Refused> {
        let refused = |expected: &str| Refused(expected.to_owned());
        if text.chars().count() > LONGEST {
            return Err(refused("at most 2,000 characters"));
        }
        let url = Url::parse(text).map_err(|_| refused("an address such as https://example.org/hook"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("an address that begins with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("an address without a name and a password in it"));
        }
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check(ip.into())?,
            Some(Host::Ipv6(ip)) => self.check(ip.into())?,
            Some(Host::Domain(name)) if !name.is_empty() => {}
            _ => return Err(refused("an address with a host")),
        }
        Ok(url)
    }

    /// Checks an IP address.
    ///
    /// # Errors
    /// If it is not called.
    pub fn check(self, ip: IpAddr) -> Result<(), Refused> {
        let is_allowed = match kind(ip) {
            Kind::Public => true,
            Kind::Private => self.allow_private,
            Kind::Never => false,
        };
        if is_allowed {
            return Ok(());
        }
        let hint = if kind(ip) == Kind::Private { " (--allow-private-receivers allows it)" } else { "" };
        Err(Refused(format!("an address on the public internet, not {ip}{hint}")))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    /// Of this machine, of a private network, or of none that can be reached from elsewhere.
    Private,
    /// Nothing that takes a message.
    Never,
}

fn kind(ip: IpAddr) -> Kind {
    if METADATA.contains(&ip) {
        return Kind::Never;
    }
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

fn kind_v4(ip: Ipv4Addr) -> Kind {
    let [a, b, c, _] = ip.octets();
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        return Kind::Never;
    }
    let is_special = ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        // shared between a provider's customers; protocol assignments; benchmarks; reserved
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    if is_special { Kind::Private } else { Kind::Public }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    let segments = ip.segments();
    if ip.is_unspecified() || ip.is_multicast() {
        return Kind::Never;
    }
    let low = Ipv4Addr::from((u32::from(segments[6]) << 16) | u32::from(segments[7]));
    // An IPv4 address in another dress is no public address, whatever it is; it may be worse.
    let dressed = match segments {
        _ if ip.is_loopback() => None,
        [0, 0, 0, 0, 0, 0xffff | 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(low),
        [0x2002, high, next, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(next))),
        _ => None,
    };
    if let Some(ip) = dressed {
        let worse = kind(IpAddr::V4(ip));
        return if worse == Kind::Never { Kind::Never } else { Kind::Private };
    }
    let is_special = ip.is_loopback()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || segments[0] & 0xffc0 == 0xfec0
        || (segments[0] == 0x2001 && (segments[1] == 0 || segments[1] == 0xdb8))
        || (segments[0] == 0x64 && segments[1] == 0xff9b)
        || segments[0] & 0xe000 != 0x2000;
    if is_special { Kind::Private } else { Kind::Public }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One that is not called spoils them all: which of them is tried first is not ours to say.
            for address in &found {
                guard
                    .check(address.ip())
                    .map_err(|refused| Refused(format!("{} is {}, expected {refused}", name.as_str(), address.ip())))?;
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// What the guard said, if it is the reason why a request failed.
pub fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refused> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// The causes of a failed request, outermost first, without the address: it may hold a secret.
pub fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = next {
        let word = error.to_string();
        // Some errors repeat what their cause says.
        if words.last().is_none_or(|last| !last.contains(&word)) {
            words.push(word);
        }
        next = error.source();
    }
    words.join(": ")
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allow_private { "public and private addresses" } else { "public addresses" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const STRICT: Guard = Guard { allow_private: false };
    const LOOSE: Guard = Guard { allow_private: true };

    #[test]
    fn addresses_of_the_inside_are_refused() {
        // address, whether the setting allows it
        let table = [
            ("http://127.0.0.1/", true),
            ("http://127.1/", true),
            ("http://2130706433/", true),
            ("http://0x7f000001/", true),
            ("http://017700000001/", true),
            ("http://10.1.2.3/", true),
            ("http://172.16.0.1/", true),
            ("http://172.31.255.255/", true),
            ("http://192.168.1.1:8080/x", true),
            ("http://100.64.0.1/", true),
            ("http://169.254.1.1/", true),
            ("http://198.18.0.1/", true),
            ("http://240.0.0.1/", true),
            ("http://[::1]/", true),
            ("http://[fe80::1]/", true),
            ("http://[fc00::1]/", true),
            ("http://[fd12:3456::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://[::ffff:8.8.8.8]/", true),
            ("http://[::127.0.0.1]/", true),
            ("http://[64:ff9b::10.0.0.1]/", true),
            ("http://[2002:7f00:1::]/", true),
            ("http://[2001:db8::1]/", true),
            ("http://[fec0::1]/", true),
            ("http://0.0.0.0/", false),
            ("http://[::]/", false),
            ("http://224.0.0.1/", false),
            ("http://255.255.255.255/", false),
            ("http://[ff02::1]/", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://[::ffff:169.254.169.254]/", false),
            ("http://[64:ff9b::169.254.169.254]/", false),
            ("http://[fd00:ec2::254]/", false),
            ("http://100.100.100.200/", false),
        ];
        for (address, is_allowed) in table {
            assert!(STRICT.address(address).is_err(), "{address} is refused");
            assert_eq!(LOOSE.address(address).is_ok(), is_allowed, "{address} with the setting");
        }
    }

    #[test]
    fn addresses_of_the_outside_are_called() {
        for address in [
            "https://hooks.slack.com/services/a/b/c",
            "http://example.org",
            "https://8.8.8.8/x",
            "https://172.32.0.1",
            "https://[2606:4700::1111]/",
            "https://example.org:8443/x?y=z",
        ] {
            STRICT.address(address).unwrap_or_else(|refused| panic!("{address}: {refused}"));
        }
    }

    #[test]
    fn what_is_no_address_of_a_receiver_is_refused() {
        let long = format!("https://example.org/{}", "x".repeat(2_000));
        for address in [
            "",
            "example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "gopher://example.org",
            "https://user@example.org",
            "https://user:secret@example.org",
            "https://",
            &long,
        ] {
            assert!(LOOSE.address(address).is_err(), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let name = || Name::from_str("localhost").expect("a name");
        let refused = STRICT.resolve(name()).await.err().expect("the name of this machine");
        assert!(refusal(refused.as_ref()).is_some(), "{refused}");
        assert!(LOOSE.resolve(name()).await.is_ok());
    }
}
