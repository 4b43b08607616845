//! The document around every page: head, top bar, rail, title row, footer, scripts. Before sign-in: one card.

use headroom_domain::{format, range};
use leptos::prelude::*;

use super::field::csrf;
use super::filters::{choice_text, filters};
use super::icon::{icon, icon_20, state_icon};
use super::state::{Tone, strip};
use super::theme_colour::page_colours;
use super::value::as_of_text;
use crate::islands::{ChartCrosshair, CopyLink, FreshnessPill, Palette, PrintButton, Shortcuts, ThemeMenu};
use crate::model::{BannerKind, Density, Feed, Link, ShellModel, Theme, Viewer};
use crate::routes::RailEntry;

/// What a page puts around its content.
pub(crate) struct Frame {
    /// The one `h1`.
    pub heading: String,
    /// Second part of the document title, for example `Pools`; `None` if the page is the section itself.
    pub section: Option<&'static str>,
    /// The line under the heading.
    pub sub: Option<AnyView>,
    /// Where the page lies below its section.
    pub crumbs: Vec<Link>,
    /// Buttons beside the heading.
    pub actions: Vec<AnyView>,
    /// Whether the filter chips, copy link and print are offered.
    pub data_page: bool,
    /// Seconds after which the page is loaded again where no script keeps it current.
    pub reload_s: Option<u32>,
}

impl Frame {
    /// A page with data: filters, copy link, print.
    pub(crate) fn data(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            section: None,
            sub: None,
            crumbs: Vec::new(),
            actions: Vec::new(),
            data_page: true,
            reload_s: None,
        }
    }

    /// A page of words or a form.
    pub(crate) fn plain(heading: impl Into<String>) -> Self {
        Self { data_page: false, ..Self::data(heading) }
    }
}

/// `Thing · Section · Headroom`
pub(crate) fn document_title(thing: &str, section: Option<&str>) -> String {
    match section {
        Some(section) if section != thing => format!("{thing} · {section} · Headroom"),
        _ => format!("{thing} · Headroom"),
    }
}

/// The whole document.
pub(crate) fn document(shell: &ShellModel, frame: Frame, content: AnyView) -> AnyView {
    let (light, dark) = page_colours();
    let title = document_title(&shell.title, frame.section);
    let theme = match shell.theme {
        Theme::System => None,
        chosen => Some(chosen.slug()),
    };
    let density = (shell.density == Density::Compact).then(|| shell.density.slug());
    let kiosk = (shell.kiosk && shell.viewer.is_some()).then_some("");
    let font = (!shell.assets.font.is_empty()).then(|| {
        view! { <link rel="preload" href=shell.assets.font.clone() r#as="font" r#type="font/woff2" crossorigin="anonymous"/> }
    });
    let reload = frame.reload_s.map(|seconds| {
        // Without a script the page has to come again as a whole; a tab that nobody looks at does no harm by it.
        view! { <noscript><meta http-equiv="refresh" content=seconds.to_string()/></noscript> }
    });
    let head = view! {
        <head>
            {reload}
            <meta charset="utf-8"/>
            <title>{title}</title>
            <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover"/>
            <meta name="color-scheme" content="light dark"/>
            {theme_colour(light, "(prefers-color-scheme: light)")}
            {theme_colour(dark, "(prefers-color-scheme: dark)")}
            <meta name="referrer" content="same-origin"/>
            {font}
            <link rel="stylesheet" href=shell.assets.css.clone()/>
            <link rel="icon" href=shell.assets.favicon.clone() r#type="image/svg+xml"/>
            <link rel="apple-touch-icon" href=shell.assets.touch_icon.clone()/>
            <link rel="manifest" href=shell.assets.manifest.clone()/>
            {boot(shell)}
        </head>
    };
    let body = match &shell.viewer {
        Some(viewer) => full_body(shell, viewer, frame, content),
        None => card_body(shell, frame, content),
    };
    view! {
        <html lang="en" data-theme=theme data-density=density data-kiosk=kiosk>
            {head}
            {body}
        </html>
    }
    .into_any()
}

fn full_body(shell: &ShellModel, viewer: &Viewer, frame: Frame, content: AnyView) -> AnyView {
    let chips = frame.data_page.then(|| filters(shell));
    view! {
        <body>
            <a class="hr-skip" href="#content">"Skip to content"</a>
            <div class="hr-shell">
                {if shell.kiosk { strip_bar(shell, &frame) } else { top_bar(shell, viewer) }}
                {(!shell.kiosk).then(|| rail(shell, viewer))}
                <main class="hr-main" id="content" tabindex="-1">
                    <div class="hr-main__in">
                        {banner(shell)}
                        {flash(shell)}
                        {print_head(shell)}
                        {title_row(shell, frame)}
                        {chips}
                        {notices(shell)}
                        {content}
                        {print_foot(shell)}
                    </div>
                </main>
                {(!shell.kiosk).then(|| bottom_bar(shell, viewer))}
            </div>
            {live_regions()}
            <Palette links=palette_links(shell, viewer)/>
            <Shortcuts enabled=shell.shortcuts links=shortcut_links(shell, viewer)/>
            <ChartCrosshair/>
        </body>
    }
    .into_any()
}

/// What is seen before sign-in: one card, without anything that leads to a page one may not open yet.
fn card_body(shell: &ShellModel, frame: Frame, content: AnyView) -> AnyView {
    let sub = frame.sub.map(|sub| view! { <p class="hr-head__sub">{sub}</p> });
    let back = shell.url.replace(&shell.path, &[]);
    view! {
        <body>
            <div class="hr-door">
                <div class="hr-card hr-door__card">
                    <header class="hr-door__top">
                        <span class="hr-brand">{icon_20(shell, "brand")}"Headroom"</span>
                        // Without an account the choice is kept by the browser alone, so this needs a script.
                        <details class="hr-pop hr-pop--end hr-pop--icon hr-needs-js">
                            <summary aria-label="Theme">{icon(shell, "sun")}</summary>
                            <div class="hr-pop__panel hr-menu">
                                <ThemeMenu current=shell.theme.slug().to_owned() csrf=shell.csrf.clone() back=back icons=shell.assets.icons.clone()/>
                            </div>
                        </details>
                    </header>
                    <main class="hr-door__main" id="content" tabindex="-1">
                        {banner(shell)}
                        {flash(shell)}
                        <div class="hr-head__titles"><h1 tabindex="-1">{frame.heading}</h1>{sub}</div>
                        {notices(shell)}
                        {content}
                    </main>
                </div>
            </div>
            {live_regions()}
            <Shortcuts enabled=false links=String::new()/>
        </body>
    }
    .into_any()
}

fn live_regions() -> AnyView {
    view! {
        <div id="live-polite" class="hr-said" role="status"></div>
        <div id="live-assertive" class="hr-vh" role="alert"></div>
    }
    .into_any()
}

fn banner(shell: &ShellModel) -> Option<AnyView> {
    let banner = shell.banner.as_ref()?;
    let tone = match banner.kind {
        BannerKind::Info => Tone::Info,
        BannerKind::Warn => Tone::Warn,
        BannerKind::Critical => Tone::Critical,
    };
    Some(strip(shell, tone, banner.text.clone().into_any()))
}

fn flash(shell: &ShellModel) -> Option<AnyView> {
    let text = shell.flash.clone()?;
    Some(view! { <div role="status">{strip(shell, Tone::Ok, text.into_any())}</div> }.into_any())
}

fn notices(shell: &ShellModel) -> AnyView {
    shell.notices.iter().map(|text| strip(shell, Tone::Warn, text.clone().into_any())).collect_view().into_any()
}

/// `media` is a late addition to `<meta>`, so the view macro does not know it there.
fn theme_colour(colour: &'static str, media: &'static str) -> AnyView {
    leptos::html::meta().name("theme-color").content(colour).attr("media", media).into_any()
}

/// Loads the browser module after the first paint and gives each island its function. A module script is deferred by
/// nature, so it blocks nothing; without the module every page still works.
fn boot(shell: &ShellModel) -> Option<AnyView> {
    if shell.assets.js.is_empty() {
        return None;
    }
    let script = include_str!("../boot.js");
    Some(
        view! {
            <link rel="modulepreload" href=shell.assets.js.clone() fetchpriority="low"/>
            <script
                r#type="module"
                nonce=shell.nonce.clone()
                id="boot"
                data-js=shell.assets.js.clone()
                data-wasm=shell.assets.wasm.clone()
                inner_html=script
            ></script>
        }
        .into_any(),
    )
}

fn top_bar(shell: &ShellModel, viewer: &Viewer) -> AnyView {
    let jobs = shell.open_jobs.filter(|_| viewer.sees_jobs).map(|jobs| {
        let progress = jobs.percent.map(|percent| format!(" {percent}{}%", format::NNBSP)).unwrap_or_default();
        let noun = if jobs.count == 1 { "job" } else { "jobs" };
        view! { <a class="hr-pill hr-pill--info hr-fresh hr-hide-small" href="/jobs">{format!("{} {noun}{progress}", jobs.count)}</a> }
    });
    view! {
        <header class="hr-top">
            {brand(shell)}
            <div class="hr-top__tools">
                {jobs}
                <a class="hr-search hr-hide-small" href="/search" data-palette="">
                    {icon(shell, "search")}
                    "Search"
                    <span class="hr-search__keys" aria-hidden="true"><kbd>"Ctrl"</kbd>" "<kbd>"K"</kbd></span>
                </a>
                <a class="hr-btn hr-btn--icon hr-only-small" href="/search" data-palette="" aria-label="Search">{icon(shell, "search")}</a>
                {freshness(shell)}
                {user_menu(shell, viewer)}
            </div>
        </header>
    }
    .into_any()
}

fn brand(shell: &ShellModel) -> AnyView {
    view! {
        <a class="hr-brand" href=shell.url.link("/overview")>{icon_20(shell, "brand")}"Headroom"</a>
    }
    .into_any()
}

/// The strip of wall screens: navigation is hidden, what is shown is not.
fn strip_bar(shell: &ShellModel, frame: &Frame) -> AnyView {
    let leave = {
        let mut url = shell.url.clone();
        url.kiosk = false;
        url.replace(&shell.path, &[])
    };
    let clock = format::hour_minute(shell.zone.local(shell.now_ms));
    view! {
        <header class="hr-top">
            <a class="hr-brand" href=leave title="Leave kiosk">{icon_20(shell, "brand")}{frame.heading.clone()}</a>
            <div class="hr-strip">
                <span>{scope_text(shell)}</span>
            </div>
            <div class="hr-top__tools">
                <time class="hr-strip" datetime=range::rfc3339(shell.now_ms)><strong>{clock}</strong></time>
                {freshness(shell)}
            </div>
        </header>
    }
    .into_any()
}

fn freshness(shell: &ShellModel) -> AnyView {
    let reload = shell.url.replace(&shell.path, &[]);
    let icons = shell.assets.icons.clone();
    let (period_ms, as_of) = match shell.freshness.feed {
        Feed::Live { period_ms } => (Some(period_ms), shell.freshness.as_of_ms),
        Feed::History => (None, shell.freshness.as_of_ms),
    };
    // History is days old by nature: its time of day would only take room.
    let as_of_label = as_of
        .map(|at| if period_ms.is_none() { format::day(shell.zone.local(at)) } else { as_of_text(shell, at) })
        .unwrap_or_default();
    // Without scripts nothing is live, and an age that does not tick would be a lie a minute later.
    let still = format!("Loaded {}", format::time(shell.zone.local(shell.now_ms)));
    let again = reload.clone();
    view! {
        <FreshnessPill as_of_ms=as_of as_of_label=as_of_label now_ms=shell.now_ms period_ms=period_ms reload=reload icons=icons/>
        <a class="hr-pill hr-fresh hr-fresh--still" href=again title="Live updates need JavaScript. Reload for newer data." data-ticks="">
            {state_icon(shell, "state-info")}<span>{still}</span>
        </a>
    }
    .into_any()
}

/// Who is signed in, what they prefer, and the way out.
fn user_menu(shell: &ShellModel, viewer: &Viewer) -> AnyView {
    let back = shell.url.replace(&shell.path, &[]);
    let roles = (!viewer.roles.is_empty()).then(|| view! { <span class="hr-menu__note">{viewer.roles.clone()}</span> });
    view! {
        <details class="hr-pop hr-pop--end hr-pop--icon">
            <summary title=viewer.name.clone()>
                <span class="hr-avatar" aria-hidden="true">{initials(viewer)}</span>
                <span class="hr-vh">{format!("Account of {}", viewer.name)}</span>
            </summary>
            <div class="hr-pop__panel hr-menu">
                <p class="hr-who">
                    <strong>{viewer.name.clone()}</strong>
                    <span>{viewer.email.clone()}</span>
                    {roles}
                </p>
                <hr/>
                <a href="/me">{icon(shell, "sliders-horizontal")}"Account and preferences"</a>
                <a href="/help/shortcuts">{icon(shell, "keyboard")}"Keyboard shortcuts"</a>
                <hr/>
                <ThemeMenu current=shell.theme.slug().to_owned() csrf=shell.csrf.clone() back=back icons=shell.assets.icons.clone()/>
                <hr/>
                <form method="post" action="/logout">
                    {csrf(shell)}
                    <button type="submit">{icon(shell, "arrow-right")}"Sign out"</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

/// The first letters of the first and the last name; of the address if there is no name.
fn initials(viewer: &Viewer) -> String {
    let mut words = viewer.name.split_whitespace();
    let first = words.next().unwrap_or(&viewer.email);
    let letters = [Some(first), words.next_back()];
    letters.into_iter().flatten().filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
}

/// The entries that lead somewhere for this person.
fn open_to(entries: impl IntoIterator<Item = RailEntry>, viewer: &Viewer) -> impl Iterator<Item = RailEntry> {
    entries.into_iter().filter(|entry| viewer.may_open(*entry))
}

fn rail_link(shell: &ShellModel, entry: RailEntry) -> AnyView {
    let current = (shell.rail == Some(entry)).then_some("page");
    view! {
        <li>
            <a href=shell.url.link(entry.path()) aria-current=current title=entry.label()>
                {icon_20(shell, entry.icon())}
                <span class="hr-rail__label">{entry.label()}</span>
            </a>
        </li>
    }
    .into_any()
}

fn rail(shell: &ShellModel, viewer: &Viewer) -> AnyView {
    let main = open_to(RailEntry::MAIN, viewer).map(|entry| rail_link(shell, entry)).collect_view();
    let more = open_to(RailEntry::MORE, viewer).map(|entry| rail_link(shell, entry)).collect_view();
    view! {
        <nav class="hr-rail" aria-label="Main">
            <ul class="hr-rail__main">{main}</ul>
            <ul class="hr-rail__more">{more}</ul>
        </nav>
    }
    .into_any()
}

/// Navigation within reach of a thumb.
fn bottom_bar(shell: &ShellModel, viewer: &Viewer) -> AnyView {
    let main = open_to(RailEntry::THUMB, viewer)
        .map(|entry| {
            let current = (shell.rail == Some(entry)).then_some("page");
            view! {
                <li>
                    <a href=shell.url.link(entry.path()) aria-current=current>{icon_20(shell, entry.icon())}{entry.label()}</a>
                </li>
            }
        })
        .collect_view();
    let rest = RailEntry::MAIN.into_iter().filter(|entry| !RailEntry::THUMB.contains(entry)).chain(RailEntry::MORE);
    let more = open_to(rest, viewer)
        .map(|entry| {
            let current = (shell.rail == Some(entry)).then_some("page");
            view! { <a href=shell.url.link(entry.path()) aria-current=current>{icon_20(shell, entry.icon())}{entry.label()}</a> }
        })
        .collect_view();
    view! {
        <nav class="hr-bottom" aria-label="Main, bottom">
            <ul class="hr-bottom__row">
                {main}
                <li>
                    <details>
                        <summary>{icon_20(shell, "ellipsis")}"More"</summary>
                        <div class="hr-bottom__more">
                            {more}
                            <a href="/me">{icon_20(shell, "sliders-horizontal")}"Account and preferences"</a>
                        </div>
                    </details>
                </li>
            </ul>
        </nav>
    }
    .into_any()
}

fn title_row(shell: &ShellModel, frame: Frame) -> AnyView {
    let crumbs = (!frame.crumbs.is_empty()).then(|| {
        let links = frame
            .crumbs
            .iter()
            .map(|crumb| view! { <a href=crumb.href.clone()>{crumb.label.clone()}</a><span aria-hidden="true">"/"</span> })
            .collect_view();
        view! { <nav class="hr-crumbs" aria-label="Breadcrumb">{links}</nav> }
    });
    let tools = frame.data_page.then(|| {
        view! {
            <CopyLink live=live_link(shell) frozen=frozen_link(shell) icons=shell.assets.icons.clone()/>
            <PrintButton icons=shell.assets.icons.clone()/>
        }
    });
    let sub = frame.sub.map(|sub| view! { <p class="hr-head__sub">{sub}</p> });
    let actions = frame.actions.into_iter().collect_view();
    view! {
        <div class="hr-head">
            <div class="hr-head__titles">
                {crumbs}
                <h1 tabindex="-1">{frame.heading}</h1>
                {sub}
            </div>
            <div class="hr-head__actions">{actions}{tools}</div>
        </div>
    }
    .into_any()
}

/// What the page shows, in one line: pools, tenants, range, zone, age of the data.
pub(crate) fn scope_text(shell: &ShellModel) -> String {
    let model = &shell.filters;
    let mut parts = Vec::new();
    if model.honoured.pool {
        parts.push(choice_text("pools", &model.pools, &shell.url.pools));
    }
    if model.honoured.tenant && !shell.url.tenants.is_empty() {
        parts.push(choice_text("tenants", &model.tenants, &shell.url.tenants));
    }
    if model.honoured.range {
        parts.push(days_text(shell));
    }
    parts.push(format!("{} ({})", shell.zone.name(), shell.zone.offset_text(model.to_ms)));
    parts.push(match shell.freshness.as_of_ms {
        Some(at) => format!("data to {}", as_of_text(shell, at)),
        None => "no data yet".to_owned(),
    });
    parts.join(" · ")
}

/// `7 Oct – 21 Nov 2026`, with times of day for ranges of less than three days.
fn days_text(shell: &ShellModel) -> String {
    use chrono::Datelike;
    let (from_ms, to_ms) = (shell.filters.from_ms, shell.filters.to_ms);
    let (from, to) = (shell.zone.local(from_ms), shell.zone.local(to_ms));
    if to_ms - from_ms < 3 * headroom_domain::DAY_MS {
        return format!("{} – {} {}", format::day_time(from), format::day_time(to), to.year());
    }
    if from.year() == to.year() {
        format!("{} – {}", format::day_month(from), format::day(to))
    } else {
        format!("{} – {}", format::day(from), format::day(to))
    }
}

/// The link that follows time: the range as written, the zone always.
fn live_link(shell: &ShellModel) -> String {
    let model = &shell.filters;
    let ends = [("from", model.from_raw.as_str()), ("to", model.to_raw.as_str()), ("tz", shell.zone.name())];
    shell.url.replace(&shell.path, if model.honoured.range { &ends } else { &ends[2..] })
}

/// The frozen link: relative times resolved.
fn frozen_link(shell: &ShellModel) -> String {
    let model = &shell.filters;
    let (from, to) = (range::rfc3339(model.from_ms), range::rfc3339(model.to_ms));
    let ends = [("from", from.as_str()), ("to", to.as_str()), ("tz", shell.zone.name())];
    shell.url.replace(&shell.path, if model.honoured.range { &ends } else { &ends[2..] })
}

fn print_head(shell: &ShellModel) -> AnyView {
    let made =
        format!("Headroom · {} · generated {}", scope_text(shell), format::date_time(shell.zone.local(shell.now_ms)));
    view! { <p class="hr-print">{made}</p> }.into_any()
}

fn print_foot(shell: &ShellModel) -> AnyView {
    view! { <p class="hr-print hr-print__foot">{frozen_link(shell)}</p> }.into_any()
}

/// Pages that the palette offers before it knows any names: `label|href`, one per line.
fn palette_links(shell: &ShellModel, viewer: &Viewer) -> String {
    let mut lines: Vec<String> = open_to(RailEntry::MAIN.into_iter().chain(RailEntry::MORE), viewer)
        .map(|entry| format!("{}|{}", entry.label(), shell.url.link(entry.path())))
        .collect();
    if viewer.plans {
        lines.push("New pool|/pools/new".to_owned());
        lines.push("New tenant|/tenants/new".to_owned());
    }
    lines.push("Account and preferences|/me".to_owned());
    lines.push("Keyboard shortcuts|/help/shortcuts".to_owned());
    lines.join("\n")
}

/// Where the shortcuts lead: `keys|href`, one per line. Times are moved on the server's clock, so that the link is exact.
fn shortcut_links(shell: &ShellModel, viewer: &Viewer) -> String {
    let model = &shell.filters;
    let go = [
        ("g o", RailEntry::Overview),
        ("g c", RailEntry::OnCall),
        ("g p", RailEntry::Pools),
        ("g t", RailEntry::Tenants),
        ("g r", RailEntry::Planner),
        ("g f", RailEntry::Forecast),
        ("g d", RailEntry::Debug),
    ];
    let mut lines: Vec<String> = go
        .into_iter()
        .filter(|(_, entry)| viewer.may_open(*entry))
        .map(|(keys, entry)| format!("{keys}|{}", shell.url.link(entry.path())))
        .collect();
    lines.push("?|/help/shortcuts".to_owned());
    let zone = if shell.zone.name() == "UTC" { "" } else { "UTC" };
    lines.push(format!("t u|{}", shell.url.replace(&shell.path, &[("tz", zone)])));
    if model.honoured.range {
        let span = model.to_ms - model.from_ms;
        let half = span / 2;
        let moved = |from_ms: i64, to_ms: i64| {
            let to_ms = to_ms.min(shell.now_ms);
            let (from, to) = (range::rfc3339(from_ms.max(0)), range::rfc3339(to_ms));
            shell.url.replace(&shell.path, &[("from", &from), ("to", &to)])
        };
        lines.push(format!("t ArrowLeft|{}", moved(model.from_ms - half, model.to_ms - half)));
        lines.push(format!("t ArrowRight|{}", moved(model.from_ms + half, model.to_ms + half)));
        let wider = span.min(range::MAX_SPAN_MS - span).max(0) / 2;
        lines.push(format!("t z|{}", moved(model.from_ms - wider, model.to_ms + wider)));
        let narrower = span / 4;
        lines.push(format!("t +|{}", moved(model.from_ms + narrower, model.to_ms - narrower)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Viewer {
        Viewer {
            name: name.to_owned(),
            email: "dana@example.org".to_owned(),
            roles: String::new(),
            plans: false,
            administers: false,
            audits: false,
            sees_jobs: false,
            operates: false,
            debugs: false,
        }
    }

    #[test]
    fn initials_come_from_the_name_or_else_the_address() {
        let of = |name: &str| initials(&named(name));
        assert_eq!(of("Dana Okafor"), "DO");
        assert_eq!(of("dana van der okafor"), "DO");
        assert_eq!(of("Dana"), "D");
        assert_eq!(of(" "), "D");
        assert_eq!(of("émile ßen"), "ÉSS");
    }

    #[test]
    fn titles_follow_one_grammar() {
        assert_eq!(document_title("ingress-eu", Some("Pools")), "ingress-eu · Pools · Headroom");
        assert_eq!(document_title("Pools", Some("Pools")), "Pools · Headroom");
        assert_eq!(document_title("Overview", None), "Overview · Headroom");
    }
}
