//! Where a click or a redirect may lead.

use url::Url;

use crate::address::{Address, for_the_system};
use crate::pages::AGAIN;

/// The address of pages of our own.
pub(crate) const BLANK: &str = "about:blank";
/// Where a sign-in at somebody else's server begins.
const SINGLE_SIGN_ON: &str = "/login/sso";

/// The page on which one signs in.
pub(crate) const LOGIN: &str = "/login";

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The window goes there.
    Here,
    /// The system's browser goes there.
    System,
    /// Nobody goes there.
    Nowhere,
    /// The server inside is started again.
    Again,
}

/// The server that is shown, and whether somebody is on the way to sign in elsewhere and come back.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// The server.
    pub(crate) address: Option<Address>,
    is_signing_in: bool,
}

impl Around {
    /// A server, or none.
    pub(crate) fn of(address: Option<Address>) -> Self {
        Self { address, is_signing_in: false }
    }

    /// Decides about `target`, wanted from the page `from`; `is_wanted` if a person clicked.
    pub(crate) fn decide(&mut self, from: &str, target: &str, is_wanted: bool) -> Way {
        if target == AGAIN {
            // Only a page of our own has that link.
            return if from == BLANK { Way::Again } else { Way::Nowhere };
        }
        if target == BLANK || target.is_empty() {
            return Way::Here;
        }
        let Some(address) = &self.address else { return Way::Nowhere };
        if address.owns(target) {
            let is_sign_in = Url::parse(target).is_ok_and(|url| {
                url.path().strip_prefix(SINGLE_SIGN_ON).is_some_and(|rest| rest.is_empty() || rest == "/")
            });
            self.is_signing_in = is_sign_in;
            return Way::Here;
        }
        let is_private = target.starts_with("https://");
        if self.is_signing_in && is_private {
            return Way::Here;
        }
        if is_wanted && for_the_system(target).is_some() { Way::System } else { Way::Nowhere }
    }
}

/// Where somebody wants to be who has to sign in first: the page that is shown, or the one that the page for signing in leads on to.
/// Only paths of the server's own.
pub(crate) fn wanted(address: &Address, shown: &str) -> Option<String> {
    let page = Url::parse(shown).ok().filter(|page| address.owns(page.as_str()))?;
    let path = if page.path() == LOGIN {
        page.query_pairs().find(|(name, _)| name == "next").map(|(_, next)| next.into_owned())?
    } else {
        page[url::Position::BeforePath..].to_owned()
    };
    // What a browser reads as another server's address, or is no address.
    let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\n', '\r', '\t']);
    (is_path && address.owns(&address.at(&path))).then_some(path)
}

/// Whether a page is the one for signing in to which somebody was led who wanted another.
pub(crate) fn is_refused(address: &Address, shown: &str) -> bool {
    // Who signs out comes to that page too, but with nowhere to go on to.
    is_login(shown) && wanted(address, shown).is_some()
}

/// Whether a page is the one for signing in.
pub(crate) fn is_login(shown: &str) -> bool {
    Url::parse(shown).is_ok_and(|page| page.path() == LOGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Around {
        Around::of(Some(Address::parse("https://headroom.example.org").unwrap()))
    }

    const PAGE: &str = "https://headroom.example.org/pools";

    #[test]
    fn own_pages_open_here_and_others_in_the_browser() {
        let mut around = around();
        assert_eq!(around.decide(PAGE, "https://headroom.example.org/alerts/7", false), Way::Here);
        assert_eq!(around.decide(PAGE, "https://example.org/runbook", true), Way::System);
        assert_eq!(around.decide(PAGE, "mailto:a@example.org", true), Way::System);
        assert_eq!(around.decide(PAGE, "https://example.org/", false), Way::Nowhere, "nobody clicked");
        for other in ["file:///etc/passwd", "javascript:alert(1)", "headroom://alerts/1", "ssh://host"] {
            assert_eq!(around.decide(PAGE, other, true), Way::Nowhere, "{other}");
        }
        assert_eq!(around.decide(BLANK, BLANK, false), Way::Here);
        assert_eq!(Around::default().decide(BLANK, PAGE, true), Way::Nowhere, "before there is a server");
    }

    #[test]
    fn whoever_signs_in_again_goes_on_to_where_they_were() {
        let address = Address::parse("https://headroom.example.org").unwrap();
        let wanted = |path: &str| wanted(&address, &address.at(path));
        assert_eq!(wanted("/pools?a=b#c").as_deref(), Some("/pools?a=b#c"));
        assert_eq!(wanted("/login?next=%2Falerts%2F7%3Fa%3Db").as_deref(), Some("/alerts/7?a=b"));
        assert_eq!(wanted("/login?x=1&next=/pools").as_deref(), Some("/pools"));
        for none in [
            "/login",
            "/login?next=",
            "/login?next=//evil.example",
            "/login?next=https://evil.example/",
            "/login?next=/%5Cevil.example",
            "/login?next=/%09/evil.example",
            "/login?next=@evil.example",
            "/login?next=.evil.example",
        ] {
            assert_eq!(wanted(none), None, "{none}");
        }
        assert_eq!(super::wanted(&address, "https://login.example.org/authorize"), None, "a page elsewhere");
        assert_eq!(super::wanted(&address, BLANK), None);
        assert!(is_refused(&address, "https://headroom.example.org/login?next=/pools"));
        assert!(!is_refused(&address, "https://headroom.example.org/login"), "who signed out");
        assert!(!is_refused(&address, PAGE) && !is_login(PAGE));
    }

    #[test]
    fn only_our_own_page_starts_the_server_again() {
        assert_eq!(around().decide(BLANK, AGAIN, true), Way::Again);
        assert_eq!(around().decide(PAGE, AGAIN, true), Way::Nowhere);
    }

    #[test]
    fn a_sign_in_elsewhere_goes_out_and_comes_back() {
        let mut around = around();
        let provider = "https://login.example.org/authorize?x";
        assert_eq!(around.decide(PAGE, provider, false), Way::Nowhere);
        assert_eq!(around.decide(PAGE, "https://headroom.example.org/login/sso?next=/pools", true), Way::Here);
        assert_eq!(around.decide(PAGE, provider, false), Way::Here);
        assert_eq!(around.decide(provider, "https://login.example.org/password", true), Way::Here);
        assert_eq!(around.decide(provider, "http://login.example.org/", false), Way::Nowhere, "never unencrypted");
        assert_eq!(around.decide(provider, "https://headroom.example.org/login/sso/return?code=x", false), Way::Here);
        assert_eq!(around.decide(PAGE, provider, false), Way::Nowhere, "the way out is closed again");
    }
}
