//! Addresses of servers: what is accepted, and what belongs to one.

use std::fmt;

use anyhow::{Result, bail, ensure};
use url::{Host, Url};

/// Longest address that is looked at.
const MAX_ADDRESS: usize = 2_000;

/// Where a Headroom is: `https://host[:port]`, or plain `http` to this machine. Always without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads what a person typed; without a scheme it is `https`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        ensure!(!text.is_empty(), "an address is missing; expected one such as https://headroom.example.org");
        ensure!(text.len() <= MAX_ADDRESS, "the address is longer than {MAX_ADDRESS} bytes");
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let Ok(url) = Url::parse(&whole) else {
            bail!("{text:?} is no address; expected one such as https://headroom.example.org");
        };
        let Some(host) = url.host() else { bail!("{text:?} names no host") };
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&host) => {}
            "http" => bail!("{text:?} is not encrypted; expected https (plain http only to this machine)"),
            other => bail!("{text:?} begins with {other}; expected https"),
        }
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            "{text:?} has a name or password in it; sign in on the page instead"
        );
        ensure!(
            url.path() == "/" && url.query().is_none() && url.fragment().is_none(),
            "{text:?} goes on after the host; expected nothing there"
        );
        Ok(Self(url))
    }

    /// As one writes it, without a slash at the end.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The host with its port, for people.
    pub(crate) fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The host alone, for cookies: of an IPv6 address without the brackets that it has in an address.
    pub(crate) fn domain(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_private(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// A path on it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }

    /// Whether a page is one of its own.
    pub(crate) fn owns(&self, page: &str) -> bool {
        Url::parse(page).is_ok_and(|page| page.origin() == self.0.origin())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

/// A link as it may be handed to the system's browser or mail program. A mail has what it is about and a text, and nothing else:
/// some programs would attach files that a link names.
pub(crate) fn for_the_system(link: &str) -> Option<String> {
    let mut url = Url::parse(link).ok().filter(|_| link.len() <= MAX_ADDRESS)?;
    match url.scheme() {
        "https" | "http" => Some(link.to_owned()),
        "mailto" => {
            // Form encoding would make pluses of blanks, which mail programs keep.
            let is_text = |field: &&str| {
                let name = field.split_once('=').map_or(*field, |(name, _)| name);
                name.eq_ignore_ascii_case("subject") || name.eq_ignore_ascii_case("body")
            };
            let kept = url.query().map(|query| query.split('&').filter(is_text).collect::<Vec<_>>().join("&"));
            url.set_query(kept.as_deref().filter(|query| !query.is_empty()));
            url.set_fragment(None);
            Some(url.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_or_of_this_machine() {
        for (typed, read) in [
            ("headroom.example.org", "https://headroom.example.org"),
            (" https://Headroom.Example.org:8443/ ", "https://headroom.example.org:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(Address::parse(typed).unwrap().as_str(), read);
        }
        for wrong in [
            "",
            "http://headroom.example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "ftp://headroom.example.org",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
            "https://me:secret@headroom.example.org",
            "https://headroom.example.org/pools",
            "https://headroom.example.org/?a",
            "https://headroom.example.org/#a",
            "two words",
            &"a".repeat(3_000),
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn pages_belong_to_one_server() {
        let address = Address::parse("https://headroom.example.org").unwrap();
        assert!(address.owns("https://headroom.example.org/pools?a=b#c"));
        assert!(address.owns("https://headroom.example.org:443/"));
        for other in [
            "http://headroom.example.org/",
            "https://headroom.example.org:444/",
            "https://headroom.example.org.evil.example/",
            "https://headroom.example.org@evil.example/",
            "about:blank",
            "nonsense",
        ] {
            assert!(!address.owns(other), "{other}");
        }
        assert_eq!(address.at("/alerts/7"), "https://headroom.example.org/alerts/7");
    }

    #[test]
    fn only_harmless_links_leave_the_window() {
        for (link, handed) in [
            ("https://example.org/?a=b#c", "https://example.org/?a=b#c"),
            ("mailto:a@example.org", "mailto:a@example.org"),
            (
                "mailto:a@example.org?subject=A%20b&attach=/etc/passwd&Body=c&bcc=d@example.org#x",
                "mailto:a@example.org?subject=A%20b&Body=c",
            ),
            ("mailto:a@example.org?attach=/etc/passwd", "mailto:a@example.org"),
        ] {
            assert_eq!(for_the_system(link).as_deref(), Some(handed));
        }
        for other in ["file:///etc/passwd", "javascript:alert(1)", "headroom://alerts/1", "ssh://host", "x"] {
            assert_eq!(for_the_system(other), None, "{other}");
        }
    }
}
