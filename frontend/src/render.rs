//! From a view to the text of an HTML document.

use leptos::prelude::*;

/// Renders a page. Synchronous and pure: a page has no resources to wait for, its model is complete.
///
/// The view is built inside its own reactive owner, which islands need, and which is dropped with everything in it before
/// this returns; nothing is kept between requests.
pub fn document(view: impl FnOnce() -> AnyView) -> String {
    let owner = Owner::new();
    let html = owner.with(|| view().to_html());
    owner.unset_with_forced_cleanup();
    format!("<!DOCTYPE html>{html}")
}

#[cfg(test)]
mod tests {
    use headroom_domain::localtime::ZoneSlice;

    use super::*;
    use crate::model::{
        AssetUrls, Compare, Density, ErrorModel, Feed, Field, FilterModel, FilterSet, Freshness, Link, LoginModel,
        Named, ResetModel, SearchModel, ShellModel, Theme, Viewer,
    };
    use crate::pages;
    use crate::url::UrlState;

    const HOSTILE: &str = "</svg><script>alert(1)</script>\"'&";

    fn shell() -> ShellModel {
        let hostile = || Named { slug: HOSTILE.to_owned(), name: HOSTILE.to_owned() };
        ShellModel {
            title: HOSTILE.to_owned(),
            path: "/search".to_owned(),
            rail: None,
            url: UrlState { tenants: vec![HOSTILE.to_owned()], ..UrlState::default() },
            filters: FilterModel {
                honoured: FilterSet::ALL,
                from_raw: "now-45d".to_owned(),
                to_raw: "now".to_owned(),
                from_ms: 0,
                to_ms: 45 * headroom_domain::DAY_MS,
                step_ms: headroom_domain::HOUR_MS,
                pools: vec![hostile()],
                pools_total: 1,
                tenants: vec![hostile()],
                tenants_total: 500,
                stamps: vec![hostile()],
                zones: vec![HOSTILE.to_owned()],
                compare: Compare::Previous,
            },
            zone: ZoneSlice::utc(),
            now_ms: 45 * headroom_domain::DAY_MS,
            freshness: Freshness { as_of_ms: None, feed: Feed::History },
            theme: Theme::Dark,
            density: Density::Compact,
            shortcuts: true,
            kiosk: false,
            nonce: "n0nce".to_owned(),
            is_private: true,
            csrf: HOSTILE.to_owned(),
            assets: AssetUrls {
                css: "/assets/app.css".to_owned(),
                icons: "/assets/icons.svg".to_owned(),
                manifest: "/assets/app/manifest.webmanifest".to_owned(),
                js: "/assets/client.js".to_owned(),
                wasm: "/assets/client.wasm".to_owned(),
                favicon: "/assets/app/icon.svg".to_owned(),
                touch_icon: "/assets/app/icon-180.png".to_owned(),
                font: String::new(),
            },
            banner: None,
            notices: vec![HOSTILE.to_owned()],
            flash: Some(HOSTILE.to_owned()),
            open_jobs: None,
            viewer: Some(Viewer {
                name: HOSTILE.to_owned(),
                email: HOSTILE.to_owned(),
                roles: HOSTILE.to_owned(),
                plans: true,
                administers: true,
                audits: true,
                sees_jobs: true,
                operates: true,
                debugs: true,
            }),
        }
    }

    fn search_model() -> SearchModel {
        let hostile = vec![Named { slug: HOSTILE.to_owned(), name: HOSTILE.to_owned() }];
        SearchModel {
            q: HOSTILE.to_owned(),
            pools: hostile.clone(),
            pools_total: 1,
            tenants: hostile,
            tenants_total: 9,
        }
    }

    fn search_page() -> String {
        document(|| pages::search(&shell(), &search_model()))
    }

    #[test]
    fn hostile_names_stay_text() {
        let html = search_page();
        assert!(!html.contains("<script>alert"), "a name became markup");
        assert!(html.contains("&lt;/svg&gt;&lt;script&gt;alert(1)"));
        // The one script of the page is ours, and carries the nonce.
        assert_eq!(html.matches("<script").count(), 1);
        assert!(html.contains("nonce=\"n0nce\""));
    }

    #[test]
    fn a_page_is_one_complete_document() {
        let html = search_page();
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\""));
        assert!(html.contains("data-theme=\"dark\"") && html.contains("data-density=\"compact\""));
        assert_eq!(html.matches("<h1").count(), 1);
        assert_eq!(html.matches("<main").count(), 1);
        assert!(html.contains(" · Headroom</title>"));
        assert!(html.ends_with("</html>"));
    }

    #[test]
    fn error_pages_offer_a_way_on() {
        let model = ErrorModel {
            status: 404,
            what: "No pool called ingres-eu.".to_owned(),
            hint: String::new(),
            suggestions: vec![Link { label: "ingress-eu".to_owned(), href: "/pools/ingress-eu".to_owned() }],
            retry_after_s: None,
            id: "7f3a".to_owned(),
            retry_href: None,
        };
        let html = document(|| pages::error(&shell(), &model));
        assert!(html.contains("href=\"/pools/ingress-eu\"") && html.contains("action=\"/search\""));
        assert!(html.contains("id 7f3a"));
    }

    #[test]
    fn before_sign_in_nothing_leads_further_in() {
        let door = ShellModel { viewer: None, kiosk: true, ..shell() };
        let model = LoginModel {
            error: Some(HOSTILE.to_owned()),
            asks_code: true,
            next: "/pools?q=a".to_owned(),
            sso: Some(HOSTILE.to_owned()),
            insecure: true,
            ..LoginModel::default()
        };
        let html = document(|| pages::login(&door, &model));
        for absent in
            ["<nav", "data-palette", "action=\"/search\"", "hr-fresh", "data-kiosk", "href=\"/overview", "/me\">"]
        {
            assert!(!html.contains(absent), "{absent}");
        }
        for present in
            ["autocomplete=\"username\"", "autocomplete=\"current-password\"", "autocomplete=\"one-time-code\""]
        {
            assert!(html.contains(present), "{present}");
        }
        assert!(html.contains("not encrypted") && html.contains("value=\"/pools?q=a\""));
        assert!(!html.contains("<script>alert"));
        assert_eq!(html.matches("<h1").count(), 1);
        assert_eq!(html.matches("<main").count(), 1);
    }

    #[test]
    fn passwords_are_never_sent_back() {
        let door = ShellModel { viewer: None, ..shell() };
        let model = ResetModel { password: Field::of("correct horse"), ..ResetModel::default() };
        assert!(!document(|| pages::reset(&door, &model)).contains("correct horse"));
    }

    #[test]
    fn what_a_person_may_not_do_is_absent() {
        let with = |plans: bool| {
            let viewer = Viewer { name: "Dana".to_owned(), plans, ..shell().viewer.expect("the sample has a viewer") };
            let shell = ShellModel { viewer: Some(viewer), ..shell() };
            document(|| pages::search(&shell, &SearchModel { q: String::new(), ..search_model() }))
        };
        assert!(with(true).contains("/pools/new") && !with(false).contains("/pools/new"));
    }

    #[test]
    fn nothing_is_left_behind_between_pages() {
        assert_eq!(search_page(), search_page());
    }
}
