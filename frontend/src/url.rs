//! Building the URLs of pages: filters travel with navigation, in one order, defaults left out.

use crate::model::Compare;

/// The filters exactly as a URL carries them. A field that is `None` or empty is at its default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlState {
    /// `from`: `now-45d` or RFC 3339 UTC.
    pub from: Option<String>,
    /// `to`: `now` or RFC 3339 UTC.
    pub to: Option<String>,
    /// `tz`: IANA name.
    pub tz: Option<String>,
    /// `pool`, repeated.
    pub pools: Vec<String>,
    /// `tenant`, repeated.
    pub tenants: Vec<String>,
    /// `stamp`, repeated.
    pub stamps: Vec<String>,
    /// `cmp`.
    pub compare: Option<Compare>,
    /// Parameters of this view alone, in canonical order (`q`, `sort`, `dir`, `cur`, `view`, `tab`, `kind`, …).
    /// Navigation links leave them behind; sort links and filter forms keep them.
    pub view: Vec<(String, String)>,
    /// `kiosk=1`.
    pub kiosk: bool,
}

impl UrlState {
    /// The filters that navigation carries, as pairs in canonical order.
    pub fn carried(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(self.from.as_deref().map(|from| ("from", from)));
        pairs.extend(self.to.as_deref().map(|to| ("to", to)));
        pairs.extend(self.tz.as_deref().map(|tz| ("tz", tz)));
        pairs.extend(self.pools.iter().map(|pool| ("pool", pool.as_str())));
        pairs.extend(self.tenants.iter().map(|tenant| ("tenant", tenant.as_str())));
        pairs.extend(self.stamps.iter().map(|stamp| ("stamp", stamp.as_str())));
        let compare = self.compare.filter(|compare| *compare != Compare::default());
        pairs.extend(compare.map(|compare| ("cmp", compare.slug())));
        pairs
    }

    /// Every pair of this URL, view parameters included.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = self.carried();
        pairs.extend(self.view.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        if self.kiosk {
            pairs.push(("kiosk", "1"));
        }
        pairs
    }

    /// A link to another page with the filters that travel.
    pub fn link(&self, path: &str) -> String {
        with_query(path, &self.carried())
    }

    /// A link to another page with the filters that travel and further parameters.
    pub fn link_with(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut pairs = self.carried();
        pairs.extend(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        with_query(path, &pairs)
    }

    /// This page again with some parameters replaced. An empty value removes the parameter. Changing anything but the
    /// cursor goes back to the first page.
    pub fn replace(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let changed = |key: &str| changes.iter().any(|(other, _)| *other == key);
        let keeps_cursor = changed("cur");
        let mut pairs: Vec<(&str, &str)> =
            self.pairs().into_iter().filter(|(key, _)| !changed(key) && (keeps_cursor || *key != "cur")).collect();
        pairs.extend(changes.iter().copied().filter(|(_, value)| !value.is_empty()));
        with_query(path, &pairs)
    }

    /// A view parameter.
    pub fn view_value(&self, key: &str) -> Option<&str> {
        self.view.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }
}

/// A path with a query; just the path if there are no pairs.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut url = path.to_owned();
    for (index, (key, value)) in pairs.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&encode(key));
        url.push('=');
        url.push_str(&encode(value));
    }
    url
}

/// A path segment or query value, percent-encoded. The characters left alone are those that need no encoding in either
/// place and that keep links readable (`Europe/Berlin`, `2026-11-21T08:00:00Z`).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' => {
                encoded.push(byte as char);
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(HEX[usize::from(byte >> 4)] as char);
                encoded.push(HEX[usize::from(byte & 15)] as char);
            }
        }
    }
    encoded
}

/// The page of a pool.
pub fn pool_path(slug: &str) -> String {
    format!("/pools/{}", encode(slug))
}

/// The page of a tenant.
pub fn tenant_path(slug: &str) -> String {
    format!("/tenants/{}", encode(slug))
}

/// The admin page of an account.
pub fn user_path(id: &str) -> String {
    format!("/admin/users/{}", encode(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> UrlState {
        UrlState {
            from: Some("now-45d".into()),
            tz: Some("Europe/Berlin".into()),
            pools: vec!["a".into(), "b".into()],
            compare: Some(Compare::Previous),
            view: vec![("sort".into(), "peak".into()), ("cur".into(), "50".into())],
            ..UrlState::default()
        }
    }

    #[test]
    fn filters_travel_in_canonical_order_without_defaults() {
        assert_eq!(state().link("/tenants"), "/tenants?from=now-45d&tz=Europe/Berlin&pool=a&pool=b");
    }

    #[test]
    fn no_filters_no_question_mark() {
        assert_eq!(UrlState::default().link("/pools"), "/pools");
    }

    #[test]
    fn a_changed_sort_goes_back_to_the_first_page() {
        assert_eq!(
            state().replace("/pools", &[("sort", "free"), ("dir", "desc")]),
            "/pools?from=now-45d&tz=Europe/Berlin&pool=a&pool=b&sort=free&dir=desc"
        );
    }

    #[test]
    fn paging_keeps_the_sort_and_an_empty_value_removes() {
        assert!(state().replace("/pools", &[("cur", "100")]).ends_with("&sort=peak&cur=100"));
        assert_eq!(state().replace("/pools", &[("pool", "")]), "/pools?from=now-45d&tz=Europe/Berlin&sort=peak");
    }

    #[test]
    fn hostile_names_are_encoded() {
        assert_eq!(encode("</svg><script>&\"' ü"), "%3C/svg%3E%3Cscript%3E%26%22%27%20%C3%BC");
        assert_eq!(UrlState::default().link_with("/search", &[("q", "a&b=c")]), "/search?q=a%26b%3Dc");
    }
}
