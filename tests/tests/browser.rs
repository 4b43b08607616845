//! What holds on every page, for every route of the router, in a real browser over the demo world.
//!
//! Each test has its own service, database and browser; each failure names page, window and theme.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use headroom_frontend::routes::{Policy, ROUTES, sample_paths};
use headroom_tests::browser::{Browser, Scheme};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use headroom_tests::world;
use serde::Deserialize;
use serde_json::json;

/// Windows: desktop, tablet, phone, and the narrowest that people have.
const WINDOWS: [(u32, u32); 4] = [(1440, 900), (768, 1024), (390, 844), (320, 640)];
const DESKTOP: (u32, u32) = WINDOWS[0];
const PHONE: (u32, u32) = WINDOWS[2];

/// Most bytes that a first visit may transfer.
const FIRST_LOAD_BYTES: u64 = 300_000;

/// The smallest text that people read on a phone, in CSS pixels.
const SMALLEST_TEXT_PX: f64 = 11.0;

/// The service over the demo world, a browser, and the pages to look at.
struct Suite {
    service: Service,
    browser: Browser,
    paths: Vec<String>,
    database: Database,
}

impl Suite {
    async fn start() -> Result<Self> {
        let database = world::demo().await?;
        // Without jobs, and with a clock that stands, nothing changes while a test looks.
        let mut conn = database.connect().await?;
        let now = headroom_store::now(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, now).await?;
        let service = Service::start(&["serve", "--no-jobs", "--test-clock", "--database-url", database.url()])?;
        let browser = Browser::start().await?;
        browser.sign_in(service.url()).await?;
        let (pool, tenant) = (first_link(&service, "/pools").await?, first_link(&service, "/tenants").await?);
        let mut paths: Vec<String> = ROUTES.iter().flat_map(|route| sample_paths(route, &pool, &tenant)).collect();
        // Pages about one person and one token: their ids are known only now.
        paths.push(format!("/admin/users/{}", first_id(&service, "/api/v1/users").await?));
        paths.push(format!("/admin/tokens/{}/revoke", first_id(&service, "/api/v1/tokens").await?));
        Ok(Self { service, browser, paths, database })
    }

    /// Opens a page: signed in, but for those on which one signs in.
    async fn open(&self, path: &str) -> Result<()> {
        if ROUTES.iter().any(|route| route.policy == Policy::Open && path.starts_with(route.pattern)) {
            self.browser.sign_out(self.service.url()).await?;
        } else {
            self.browser.sign_in(self.service.url()).await?;
        }
        self.browser.open(&self.service.at(path)).await
    }

    /// The same pages over a week that is past: what they show does not depend on when they are opened.
    async fn paths_with_fixed_range(&self) -> Result<Vec<String>> {
        const DAY_MS: i64 = 86_400_000;
        let now = headroom_store::now(&mut self.database.connect().await?).await?;
        let midnight = now - now.rem_euclid(DAY_MS);
        let (from, to) = (rfc3339(midnight - 8 * DAY_MS), rfc3339(midnight - DAY_MS));
        let with_range = |path: &String| {
            let joint = if path.contains('?') { '&' } else { '?' };
            format!("{path}{joint}from={from}&to={to}")
        };
        Ok(self.paths.iter().map(with_range).collect())
    }

    /// What an address of the service answers to whoever is signed in.
    async fn read(&self, address: &str) -> Result<String> {
        let path = address.strip_prefix(self.service.url()).with_context(|| format!("{address} is elsewhere"))?;
        Ok(Client::new(self.service.url())?.page(path).await?.expect(200)?.body)
    }

    /// Ends everything, then says what was wrong.
    async fn finish(self, faults: Vec<String>) -> Result<()> {
        self.browser.close().await?;
        self.service.stop()?;
        self.database.remove().await?;
        assert!(faults.is_empty(), "{} faults:\n{}\n", faults.len(), faults.join("\n"));
        Ok(())
    }
}

/// The id of the first thing in a list of the API.
async fn first_id(service: &Service, list: &str) -> Result<String> {
    let all = Client::new(service.url())?.get(list).await?.expect(200)?.json()?;
    Ok(all[0]["id"].as_str().with_context(|| format!("{list} is empty"))?.to_owned())
}

/// The slug of the first pool or tenant that a list links to.
async fn first_link(service: &Service, list: &str) -> Result<String> {
    let html = Client::new(service.url())?.page(list).await?.expect(200)?.body;
    let start = format!("href=\"{list}/");
    let slugs = html.split(&start).skip(1).filter_map(|rest| rest.split(['"', '?', '/', '#']).next());
    let slug = slugs.into_iter().find(|slug| !slug.is_empty() && *slug != "new");
    slug.map(str::to_owned).with_context(|| format!("{list} links to nothing"))
}

/// An instant as it is written in a URL.
fn rfc3339(at_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A name for a screenshot.
fn file_name(path: &str, width: u32, scheme: Scheme) -> String {
    // Ids differ from run to run; the picture's name does not.
    let steps = path.split('/').map(|step| if step.len() == 36 { "id" } else { step }).collect::<Vec<_>>().join("/");
    let page: String = steps.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let page = page.trim_matches('-');
    format!("{}-{width}-{}", if page.is_empty() { "home" } else { page }, scheme.name())
}

#[tokio::test]
async fn no_page_scrolls_sideways() -> Result<()> {
    /// Elements that stick out, except inside a marked scroller.
    const STICKING_OUT: &str = "
        const width = arguments[0];
        if (document.documentElement.scrollWidth <= width) return [];
        const inScroller = (element) => {
            for (let up = element.parentElement; up && up !== document.body; up = up.parentElement) {
                if (getComputedStyle(up).overflowX !== 'visible') return true;
            }
            return false;
        };
        const out = [...document.body.querySelectorAll('*')]
            .filter((element) => element.getBoundingClientRect().right > width + 1 && !inScroller(element))
            .map((element) => element.outerHTML.slice(0, 120));
        return ['scrollWidth ' + document.documentElement.scrollWidth, ...out.slice(0, 5)];";
    /// Tables whose head lies on their first row.
    const HIDDEN_ROWS: &str = "
        scrollTo(0, 0);
        return [...document.querySelectorAll('table')].filter((table) => {
            const head = table.tHead?.getBoundingClientRect();
            const cell = table.tHead?.querySelector('th')?.getBoundingClientRect();
            const row = table.tBodies[0]?.rows[0]?.getBoundingClientRect();
            return head?.height > 1 && row?.height > 0 && cell.bottom > row.top + 1;
        }).map((table) => table.outerHTML.slice(0, 120));";
    let suite = Suite::start().await?;
    let mut faults = Vec::new();
    for path in &suite.paths {
        suite.open(path).await?;
        for (width, height) in WINDOWS {
            suite.browser.window(width, height).await?;
            let out: Vec<String> = suite.browser.evaluate_with(STICKING_OUT, vec![json!(width)]).await?;
            if !out.is_empty() {
                faults.push(format!("{path} at {width} px: {}", out.join("\n    ")));
            }
            let hidden: Vec<String> = suite.browser.evaluate(HIDDEN_ROWS).await?;
            faults
                .extend(hidden.into_iter().map(|table| format!("{path} at {width} px: the head hides a row: {table}")));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn every_page_has_one_heading_a_main_part_and_a_title() -> Result<()> {
    #[derive(Deserialize)]
    struct Outline {
        headings: usize,
        mains: usize,
        title: String,
        language: String,
    }
    let suite = Suite::start().await?;
    let mut faults = Vec::new();
    let mut titles = BTreeSet::new();
    for path in &suite.paths {
        suite.open(path).await?;
        let outline: Outline = suite
            .browser
            .evaluate(
                "return { headings: document.querySelectorAll('h1').length, mains: document.querySelectorAll('main').length,
                          title: document.title, language: document.documentElement.lang };",
            )
            .await?;
        if outline.headings != 1 || outline.mains != 1 {
            faults.push(format!("{path} has {} h1 and {} main, needs one of each", outline.headings, outline.mains));
        }
        if !outline.title.ends_with("· Headroom") || outline.language.is_empty() {
            faults.push(format!("{path} is titled {:?} in language {:?}", outline.title, outline.language));
        }
        titles.insert(outline.title);
    }
    // Several samples may show one page, but not all of them.
    if titles.len() < ROUTES.len() / 2 {
        faults.push(format!("only {} different titles: {titles:?}", titles.len()));
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn axe_finds_nothing_in_the_light_theme() -> Result<()> {
    axe_finds_nothing(Scheme::Light).await
}

#[tokio::test]
async fn axe_finds_nothing_in_the_dark_theme() -> Result<()> {
    axe_finds_nothing(Scheme::Dark).await
}

/// Looks at every page on desktop and phone, and keeps a picture of each for people to look at.
async fn axe_finds_nothing(scheme: Scheme) -> Result<()> {
    let suite = Suite::start().await?;
    suite.browser.scheme(scheme).await?;
    let mut faults = Vec::new();
    for path in &suite.paths {
        for (width, height) in [DESKTOP, PHONE] {
            suite.browser.window(width, height).await?;
            suite.open(path).await?;
            suite.browser.screenshot(&file_name(path, width, scheme)).await?;
            for violation in suite.browser.axe().await? {
                faults.push(format!("{path} at {width} px, {}: {violation}", scheme.name()));
            }
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn a_page_says_the_same_before_and_after_its_islands_wake_up() -> Result<()> {
    /// Keeps the page as the server sent it, before any script of its own runs.
    const KEEP: &str = "
        document.addEventListener('readystatechange', () => {
            if (document.readyState === 'interactive') window.asSent = document.body.cloneNode(true);
        });";
    /// Text that ticks is compared as an empty place.
    const TEXTS: &str = "
        const text = () => {
            document.querySelectorAll('[data-ticks]').forEach((element) => { element.textContent = ''; });
            return document.body.innerText.replace(/\\s+/g, ' ').trim();
        };
        const after = text();
        document.body.replaceWith(window.asSent);
        return [text(), after];";
    let suite = Suite::start().await?;
    // The service runs in UTC: whoever formats a time in the browser's own zone is found out.
    suite.browser.zone("Asia/Kolkata").await?;
    suite.browser.before_every_page(KEEP).await?;
    let mut faults = Vec::new();
    for path in &suite.paths {
        suite.open(path).await?;
        suite.browser.wait_until_awake().await.with_context(|| path.clone())?;
        let (before, after): (String, String) = suite.browser.evaluate(TEXTS).await?;
        if before != after {
            faults.push(format!("{path}: {}", difference(&before, &after)));
        }
        if before.is_empty() {
            faults.push(format!("{path} says nothing"));
        }
        faults.extend(suite.browser.console().await?.into_iter().map(|line| format!("{path}: console: {line}")));
    }
    suite.finish(faults).await
}

/// Where two texts part.
fn difference(before: &str, after: &str) -> String {
    let same = before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count();
    let from = same.saturating_sub(40);
    let part = |text: &str| text.chars().skip(from).take(120).collect::<String>();
    format!("sent {:?}, then {:?}", part(before), part(after))
}

#[tokio::test]
async fn every_page_is_complete_without_scripts() -> Result<()> {
    /// What a reader gets: the words of the main part, without what ticks and without the instant at which the page was made.
    const CONTENT: &str = "
        const main = document.querySelector('main').cloneNode(true);
        main.querySelectorAll('[data-ticks]').forEach((element) => element.remove());
        const words = main.textContent.replace(/generated \\S+ \\S+/g, 'generated').replace(/\\s+/g, ' ').trim();
        const rows = document.querySelectorAll('main tbody tr').length;
        const dead = [...document.querySelectorAll('main button, header button')]
            .filter((button) => button.type !== 'submit' && button.checkVisibility({ visibilityProperty: true }))
            .map((button) => button.outerHTML.slice(0, 120));
        return { words, rows, dead };";
    #[derive(Deserialize)]
    struct Content {
        words: String,
        rows: usize,
        dead: Vec<String>,
    }
    let suite = Suite::start().await?;
    let mut faults = Vec::new();
    let mut rows = 0;
    for path in suite.paths_with_fixed_range().await? {
        suite.browser.scripts(false).await?;
        suite.open(&path).await?;
        let without: Content = suite.browser.evaluate(CONTENT).await?;
        suite.browser.scripts(true).await?;
        suite.open(&path).await?;
        suite.browser.wait_until_awake().await.with_context(|| path.clone())?;
        let with: Content = suite.browser.evaluate(CONTENT).await?;
        if without.words != with.words {
            faults.push(format!("{path}: {}", difference(&without.words, &with.words)));
        }
        for button in without.dead {
            faults.push(format!("{path} shows a button that does nothing without scripts: {button}"));
        }
        rows += without.rows;
    }
    if rows == 0 {
        faults.push("no page has a table row".to_owned());
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn a_link_says_the_same_in_another_zone_and_without_cookies() -> Result<()> {
    const WORDS: &str = "
        document.querySelectorAll('[data-ticks]').forEach((element) => element.remove());
        return document.querySelector('main').innerText.replace(/generated \\S+ \\S+/g, 'generated');";
    let suite = Suite::start().await?;
    let mut faults = Vec::new();
    for path in suite.paths_with_fixed_range().await? {
        let link = format!("{path}&tz=America/New_York");
        suite.browser.zone("Asia/Kolkata").await?;
        // Preferences of another person.
        for (name, value) in [("hr_tz", "Asia/Tokyo"), ("hr_density", "compact")] {
            let cookie = json!({ "name": name, "value": value, "url": suite.service.url() });
            suite.browser.cdp("Network.setCookie", cookie).await?;
        }
        suite.open(&link).await?;
        suite.browser.wait_until_awake().await.with_context(|| link.clone())?;
        let theirs: String = suite.browser.evaluate(WORDS).await?;
        suite.browser.forget().await?;
        suite.browser.zone("Pacific/Auckland").await?;
        suite.open(&link).await?;
        suite.browser.wait_until_awake().await.with_context(|| link.clone())?;
        let ours: String = suite.browser.evaluate(WORDS).await?;
        // The page of preferences shows whose they are.
        if theirs != ours && !path.starts_with("/me") {
            faults.push(format!("{link}: {}", difference(&theirs, &ours)));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn back_returns_to_each_state() -> Result<()> {
    const STATE: &str = "return [location.search, document.querySelector('main').innerText.length > 0, scrollY]";
    let suite = Suite::start().await?;
    let queries = ["?range=7d", "?range=30d", "?range=30d&tz=UTC"];
    for query in queries {
        suite.open(&format!("/pools{query}")).await?;
        suite.browser.evaluate::<()>("scrollTo(0, 120)").await?;
    }
    for query in queries.iter().rev().skip(1) {
        suite.browser.client().back().await?;
        let (search, filled, scrolled): (String, bool, f64) = suite.browser.evaluate(STATE).await?;
        let can_scroll: bool =
            suite.browser.evaluate("return document.documentElement.scrollHeight >= innerHeight + 120").await?;
        assert_eq!(search, *query);
        assert!(filled && (!can_scroll || (scrolled - 120.0).abs() < 1.0), "{query}: scrolled to {scrolled}");
    }
    suite.finish(Vec::new()).await
}

#[tokio::test]
async fn links_and_forms_work_without_scripts() -> Result<()> {
    let suite = Suite::start().await?;
    suite.browser.scripts(false).await?;
    suite.open("/overview").await?;
    let pools = suite.browser.client().find(fantoccini::Locator::Css("nav a[href^='/pools']")).await?;
    pools.click().await?;
    assert!(suite.browser.client().current_url().await?.path().starts_with("/pools"));
    suite.open("/search").await?;
    let field = suite.browser.client().find(fantoccini::Locator::Css("main input[name='q']")).await?;
    field.send_keys("a\n").await?;
    // Whoever presses a key is not told when the page that it asks for is there.
    suite
        .browser
        .wait_for("location.search.includes('q=a') && document.readyState === 'complete'", "the results")
        .await?;
    suite.finish(Vec::new()).await
}

#[tokio::test]
async fn a_first_visit_transfers_little() -> Result<()> {
    const TRANSFERRED: &str = "
        const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        return all.map((entry) => [entry.name, entry.transferSize]);";
    let suite = Suite::start().await?;
    let mut faults = Vec::new();
    for path in ["/overview", "/pools"] {
        suite.browser.forget().await?;
        suite.open(path).await?;
        suite.browser.wait_until_awake().await?;
        let files: Vec<(String, u64)> = suite.browser.evaluate(TRANSFERRED).await?;
        let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        println!("{path}: {total} bytes in {} files", files.len());
        let module = files.iter().any(|(name, bytes)| name.contains(".wasm") && *bytes > 0);
        if !module {
            faults.push(format!("{path} did not load the browser module, so this measures nothing: {files:?}"));
        }
        if total > FIRST_LOAD_BYTES {
            faults.push(format!("{path} transfers {total} bytes, at most {FIRST_LOAD_BYTES}: {files:?}"));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn charts_can_be_read_on_a_phone_and_by_those_who_do_not_see_them() -> Result<()> {
    #[derive(Deserialize)]
    struct Chart {
        label: String,
        drawings: usize,
        untitled: usize,
        rows: usize,
        csv: Option<String>,
        small: Vec<String>,
        overlaps: Vec<String>,
    }
    const CHARTS: &str = "
        const least = arguments[0];
        return [...document.querySelectorAll('figure.hr-chart')].map((figure) => {
            const drawings = [...figure.querySelectorAll('svg')];
            const texts = [...figure.querySelectorAll('svg text')].filter((text) => text.getBoundingClientRect().width > 0);
            const size = (text) => parseFloat(getComputedStyle(text).fontSize) * Math.abs(text.getScreenCTM().d);
            const boxes = texts.map((text) => [text, text.getBoundingClientRect()]);
            const meet = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
            const overlaps = boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) => meet(one, other))
                .map((other) => one[0].textContent + ' over ' + other[0].textContent));
            const panel = figure.closest('section') ?? figure.parentElement;
            return {
                label: figure.querySelector('[role=img]')?.getAttribute('aria-label') ?? '',
                drawings: drawings.length,
                untitled: drawings.filter((svg) => !svg.querySelector('title')?.textContent || !svg.querySelector('desc')?.textContent).length,
                rows: panel.querySelectorAll('details table tbody tr').length,
                csv: panel.querySelector('details a[download]')?.href ?? null,
                small: texts.filter((text) => size(text) < least).map((text) => text.textContent + ' ' + size(text).toFixed(1)),
                overlaps,
            };
        });";
    let suite = Suite::start().await?;
    let (width, height) = PHONE;
    suite.browser.window(width, height).await?;
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in &suite.paths {
        suite.open(path).await?;
        let charts: Vec<Chart> = suite.browser.evaluate_with(CHARTS, vec![json!(SMALLEST_TEXT_PX)]).await?;
        seen += charts.len();
        for chart in charts {
            let mut fault = |what: String| faults.push(format!("{path}, chart {:?}: {what}", chart.label));
            if chart.label.is_empty() || chart.drawings == 0 {
                fault(format!("{} drawings, and no words for those who do not see them", chart.drawings));
            }
            if chart.untitled > 0 {
                fault(format!("{} drawings without title and desc", chart.untitled));
            }
            if !chart.small.is_empty() {
                fault(format!("text below {SMALLEST_TEXT_PX} px: {:?}", chart.small));
            }
            if !chart.overlaps.is_empty() {
                fault(format!("labels overlap: {:?}", chart.overlaps));
            }
            let Some(csv) = &chart.csv else {
                fault("no rows to download".to_owned());
                continue;
            };
            let text = suite.read(csv).await?;
            let records = csv::Reader::from_reader(text.as_bytes()).into_records().collect::<Result<Vec<_>, _>>()?;
            if records.len() != chart.rows || records.is_empty() {
                fault(format!("its table has {} rows, its CSV {}", chart.rows, records.len()));
            }
        }
        let source = suite.browser.client().source().await?;
        if source.contains("#0100") {
            faults.push(format!("{path} shows a mark of the drawing library instead of a colour"));
        }
    }
    if seen == 0 {
        faults.push("no page has a chart".to_owned());
    }
    suite.finish(faults).await
}

/// A stat card as a reader finds it.
#[derive(Debug, Deserialize)]
struct Card {
    title: String,
    number: String,
    aside: String,
    delta: String,
    class: String,
    has_spark: bool,
}

/// The stat cards of the page.
const CARDS: &str = "
    const text = (element) => (element?.textContent ?? '').replace(/\\s+/g, ' ').trim();
    return [...document.querySelectorAll('.hr-stat')].map((card) => ({
        title: text(card.querySelector('h2')),
        number: text(card.querySelector('.hr-stat__num')),
        aside: text(card.querySelector('.hr-stat__aside')),
        delta: text(card.querySelector('.hr-stat__delta')),
        class: card.querySelector('.hr-stat__delta')?.className ?? '',
        has_spark: card.querySelector('svg.hr-spark path') !== null,
    }));";

#[tokio::test]
async fn the_overview_answers_without_scrolling() -> Result<()> {
    /// What a meeting asks for, each with the place of its lower edge.
    const EDGES: &str = "
        const edge = (name, element) => [name, element ? element.getBoundingClientRect().bottom : 1e9];
        const named = [...document.querySelectorAll('.hr-stat')].map((card) => edge(card.querySelector('h2').textContent, card));
        const drawing = [...document.querySelectorAll('#occupancy svg, figure.hr-chart svg')]
            .find((svg) => svg.getBoundingClientRect().width > 0);
        const tenants = [...document.querySelectorAll('#top-tenants tbody tr')].map((row, at) => edge('tenant ' + (at + 1), row));
        return [...named, edge('trend', drawing), ...tenants];";
    let suite = Suite::start().await?;
    let (width, height) = DESKTOP;
    suite.browser.window(width, height).await?;
    suite.open("/overview").await?;
    suite.browser.wait_until_awake().await?;
    let edges: Vec<(String, f64)> = suite.browser.evaluate(EDGES).await?;
    let mut faults: Vec<String> = edges
        .iter()
        .filter(|(_, bottom)| *bottom > f64::from(height))
        .map(|(name, bottom)| format!("{name} ends at {bottom} px of {height}"))
        .collect();
    let expected = ["Total pool size", "Occupancy now", "Saturation events", "Reservation waste", "trend", "tenant 5"];
    for name in expected {
        if !edges.iter().any(|(found, _)| found == name) {
            faults.push(format!("{name} is not there: {edges:?}"));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn stat_cards_say_how_much_since_when_and_whether_it_is_good() -> Result<()> {
    const HOUR_MS: i64 = 3_600_000;
    let suite = Suite::start().await?;
    let now = headroom_store::now(&mut suite.database.connect().await?).await?;
    let mut faults = Vec::new();
    // Ends at every other hour of a day and of many days: occupancy is above what it was in some of them, below in others.
    let mut seen = BTreeSet::new();
    for hours in (2..26).step_by(2).chain((2..20).map(|days| days * 24)) {
        let end = now - now.rem_euclid(HOUR_MS) - hours * HOUR_MS;
        let path = format!("/overview?from={}&to={}", rfc3339(end - 48 * HOUR_MS), rfc3339(end));
        suite.open(&path).await?;
        let cards: Vec<Card> = suite.browser.evaluate(CARDS).await?;
        if cards.len() != 4 {
            faults.push(format!("{path}: {} cards", cards.len()));
        }
        for card in cards {
            let mut fault = |what: &str| faults.push(format!("{path}: {what}: {card:?}"));
            let is_percent = matches!(card.title.as_str(), "Occupancy" | "Reservation waste");
            let unit = match card.title.as_str() {
                "Total pool size" => "slots",
                // Its title is its unit: events.
                "Saturation events" => "",
                _ => "%",
            };
            if !card.number.starts_with(|c: char| c.is_ascii_digit()) || !card.number.ends_with(unit) {
                fault("no number with its unit");
            }
            if !card.delta.contains("vs ") || !card.has_spark {
                fault("no comparison with its basis, or no spark line");
            }
            let direction = if card.delta.starts_with("up ") {
                "up"
            } else if card.delta.starts_with("down ") {
                "down"
            } else {
                ""
            };
            if is_percent && !direction.is_empty() && !card.delta.contains("pp vs") {
                fault("percentages differ in points");
            }
            if card.title == "Occupancy" && !card.aside.starts_with("peak ") {
                fault("no peak beside the value");
            }
            let (colour, word) = match (card.title.as_str(), direction) {
                ("Total pool size", _) | (_, "") => ("hr-same", ""),
                ("Occupancy", "up") => ("hr-bad", "closer to limit"),
                ("Occupancy", "down") => ("hr-good", "further from limit"),
                (_, "up") => ("hr-bad", "worse"),
                _ => ("hr-good", "better"),
            };
            if !card.class.contains(colour) || !card.delta.contains(word) {
                fault(&format!("expected {colour} and {word:?}"));
            }
            seen.insert(format!("{} {direction}", card.title));
        }
    }
    for needed in ["Occupancy up", "Occupancy down", "Saturation events down"] {
        if !seen.contains(needed) {
            faults.push(format!("{needed:?} was never seen, so it was not tested: {seen:?}"));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn the_occupancy_card_its_chart_and_its_csv_end_with_one_number() -> Result<()> {
    const CHART: &str = "
        const panel = document.querySelector('#occupancy');
        const rows = [...panel.querySelectorAll('details table tbody tr')];
        const known = rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim())).filter((cells) => /\\d/.test(cells[1]));
        return [known.at(-1)[1], panel.querySelector('details a[download]').href];";
    let suite = Suite::start().await?;
    let now = headroom_store::now(&mut suite.database.connect().await?).await?;
    let mut faults = Vec::new();
    for (from, to) in [(45 * 24, 0), (24, 0), (6, 0), (72, 31)] {
        let at = |hours: i64| rfc3339(now - hours * 3_600_000);
        let path = format!("/overview?from={}&to={}", at(from), at(to));
        suite.open(&path).await?;
        let cards: Vec<Card> = suite.browser.evaluate(CARDS).await?;
        let card = cards.iter().find(|card| card.title.starts_with("Occupancy")).context("an occupancy card")?;
        let (shown, csv): (String, String) = suite.browser.evaluate(CHART).await?;
        let text = suite.read(&csv).await?;
        let records = csv::Reader::from_reader(text.as_bytes()).into_records().collect::<Result<Vec<_>, _>>()?;
        // Columns: the start in UTC, the start on the shown clock, the average.
        let last =
            records.iter().rev().find_map(|record| record.get(2)?.parse::<f64>().ok()).context("a known value")?;
        let digits = |text: &str| text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect::<String>();
        let expected = format!("{:.1}", last * 100.0);
        if digits(&card.number) != expected || digits(&shown) != expected {
            faults.push(format!("{path}: card {}, chart {shown}, CSV {last}", card.number));
        }
    }
    suite.finish(faults).await
}

#[tokio::test]
async fn the_first_frame_has_the_right_theme() -> Result<()> {
    const BACKGROUND: &str = "return getComputedStyle(document.body).backgroundColor";
    let suite = Suite::start().await?;
    // Scripts are off, so what is seen is what the server and the style sheet say: there can be no flash.
    suite.browser.scripts(false).await?;
    suite.browser.scheme(Scheme::Light).await?;
    suite.open("/overview").await?;
    let light: String = suite.browser.evaluate(BACKGROUND).await?;
    suite.browser.scheme(Scheme::Dark).await?;
    suite.open("/overview").await?;
    let dark: String = suite.browser.evaluate(BACKGROUND).await?;
    assert_ne!(light, dark);

    let cookie = json!({ "name": "hr_theme", "value": "light", "url": suite.service.url() });
    suite.browser.cdp("Network.setCookie", cookie).await?;
    suite.open("/overview").await?;
    assert_eq!(suite.browser.evaluate::<String>(BACKGROUND).await?, light, "a choice is stronger than the system");
    suite.finish(Vec::new()).await
}
