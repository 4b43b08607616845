//! What surrounds every page, filled from the request and the database.

use super::answer::form_cookie;
use super::visit::Visit;
use crate::app::caller::{Caller, Who};
use crate::app::overview::FRESH_MS;
use crate::app::window::{Comparison, Reading, Window};
use crate::app::{App, Result};
use crate::{assets, clock, zones};
use headroom_domain::access::Action;
use headroom_domain::localtime::ZoneSlice;
use headroom_frontend::model::{
    AssetUrls, Banner, BannerKind, Compare, Feed, FilterModel, FilterSet, Freshness, Named, ShellModel, Viewer,
};
use headroom_frontend::routes::RailEntry;

/// What a page says about its shell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec<'a> {
    /// First part of the title.
    pub title: &'a str,
    /// Current rail entry.
    pub rail: Option<RailEntry>,
    /// Filters the page honours.
    pub honoured: FilterSet,
    /// Range without `from`.
    pub default_from: &'a str,
    /// The page's own parameters, in canonical order.
    pub view: &'a [&'a str],
}

/// The shell of a page and its window.
pub(crate) async fn shell(app: &App, visit: &Visit, spec: Spec<'_>) -> Result<(ShellModel, Window)> {
    let window = app.window(&visit.asked(), spec.default_from, Reading::Lenient).await?;
    let facts = app.shell_facts(&window).await?;
    let mut url = visit.url(spec.view);
    let known = |asked: &Option<Vec<(i32, String)>>| asked.iter().flatten().map(|(_, slug)| slug.clone()).collect();
    url.pools = if spec.honoured.pool {
        visit.all("pool").into_iter().filter(|s| named(window.pools.as_deref(), s)).collect()
    } else {
        known(&window.pools)
    };
    url.tenants = visit.all("tenant").into_iter().filter(|s| named(window.tenants.as_deref(), s)).collect();
    url.stamps.clone_from(&window.stamps);
    // A range that was refused is not carried on to the next page.
    let was_taken = |key: &str, raw: &str| visit.get(key).is_none_or(|asked| asked == raw);
    if !was_taken("from", &window.from_raw) || !was_taken("to", &window.to_raw) {
        (url.from, url.to) = (None, None);
    }
    if visit.get("tz").is_some_and(|tz| tz != window.zone.name()) {
        url.tz = None;
    }
    let compare = match window.compare {
        Comparison::Previous => Compare::Previous,
        Comparison::Week => Compare::Week,
        Comparison::Month => Compare::Month,
        Comparison::Year => Compare::Year,
        Comparison::None => Compare::None,
    };
    let names =
        |list: Vec<(String, String)>| list.into_iter().map(|(slug, name)| Named { slug, name }).collect::<Vec<_>>();
    let feed = match facts.feed_period_ms {
        Some(period_ms) => Feed::Live { period_ms },
        None => Feed::History,
    };
    let shell = ShellModel {
        url,
        filters: FilterModel {
            honoured: spec.honoured,
            from_raw: window.from_raw.clone(),
            to_raw: window.to_raw.clone(),
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            step_ms: headroom_domain::series::chart_step(window.span_ms(), crate::app::trend::CHART_POINTS),
            pools: names(facts.pools),
            pools_total: facts.pools_total,
            tenants: names(facts.tenants),
            tenants_total: facts.tenants_total,
            stamps: names(facts.stamps),
            zones: zones::OFFERED.iter().map(|z| (*z).to_owned()).collect(),
            compare,
        },
        zone: window.zone.clone(),
        now_ms: window.now_ms,
        freshness: Freshness { as_of_ms: facts.newest_ms, feed },
        notices: window.notices.clone(),
        viewer: viewer(app.caller()),
        csrf: csrf(app.caller()),
        banner: facts
            .demo
            .then(|| Banner { kind: BannerKind::Info, text: "Demo data: these are not your slots.".into() }),
        ..without_database(visit, spec)
    };
    Ok((shell, window))
}

/// Who looks, as the frame shows it.
fn viewer(caller: &Caller) -> Option<Viewer> {
    let account = caller.account()?;
    Some(Viewer {
        name: account.fields.name.clone(),
        email: account.fields.email.clone(),
        roles: account.fields.roles.iter().map(|role| role.label()).collect::<Vec<_>>().join(", "),
        plans: caller.may(Action::Plan),
        administers: caller.may(Action::Administer),
        audits: caller.may(Action::SeeOwnChanges),
        sees_jobs: caller.may(Action::SeeJobs),
        operates: caller.may(Action::Operate),
        debugs: caller.may(Action::Debug),
    })
}

fn csrf(caller: &Caller) -> String {
    match &caller.who {
        Who::Person { csrf, .. } => csrf.clone(),
        _ => String::new(),
    }
}

/// Under which number the change was recorded that this very answer reports.
pub(super) fn recorded(app: &App) -> Option<String> {
    app.caller().actor.receipt.number().map(|number| format!("Recorded as #{number}."))
}

fn named(known: Option<&[(i32, String)]>, slug: &str) -> bool {
    known.into_iter().flatten().any(|(_, s)| s == slug)
}

/// A shell that needs no database: error pages while PostgreSQL is away.
pub(crate) fn without_database(visit: &Visit, spec: Spec<'_>) -> ShellModel {
    let now_ms = clock::now_ms();
    ShellModel {
        title: spec.title.to_owned(),
        path: visit.path.clone(),
        rail: spec.rail,
        url: visit.url(spec.view),
        filters: FilterModel {
            honoured: FilterSet::NONE,
            from_raw: spec.default_from.to_owned(),
            to_raw: "now".into(),
            from_ms: now_ms - FRESH_MS,
            to_ms: now_ms,
            step_ms: headroom_domain::MINUTE_MS,
            pools: Vec::new(),
            pools_total: 0,
            tenants: Vec::new(),
            tenants_total: 0,
            stamps: Vec::new(),
            zones: Vec::new(),
            compare: Compare::default(),
        },
        zone: ZoneSlice::utc(),
        now_ms,
        freshness: Freshness { as_of_ms: None, feed: Feed::History },
        theme: visit.theme(),
        density: visit.density(),
        shortcuts: visit.cookie("hr_keys").as_deref() != Some("off"),
        kiosk: visit.get("kiosk") == Some("1"),
        nonce: clock::nonce(),
        is_private: visit.is_private,
        // Before sign-in the browser keeps its own token; one that is no token of ours is replaced.
        csrf: visit
            .cookie(form_cookie(visit.is_private))
            .filter(|token| token.len() == 32)
            .unwrap_or_else(clock::nonce),
        viewer: None,
        assets: asset_urls(),
        banner: None,
        notices: Vec::new(),
        flash: visit.cookie(super::answer::FLASH).filter(|text| !text.is_empty()),
        open_jobs: None,
    }
}

fn asset_urls() -> AssetUrls {
    let url = |logical: &str| assets::url(logical).unwrap_or_default().to_owned();
    AssetUrls {
        css: url("app.css"),
        icons: url("icons.svg"),
        manifest: url("app/manifest.webmanifest"),
        js: url("client.js"),
        wasm: url("client.wasm"),
        favicon: url("app/icon.svg"),
        touch_icon: url("app/icon-180.png"),
        font: url("fonts/inter-latin-wght-normal.woff2"),
    }
}
