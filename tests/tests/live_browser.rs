//! Live pages in a real browser: claims are made through the API, and what people see follows, holds still, grows old visibly,
//! and can be told apart by everybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headroom_frontend::slotmap::SlotState;
use headroom_server::clock;
use headroom_tests::browser::{Browser, Vision};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use headroom_tests::soak;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DESKTOP: (u32, u32) = (1440, 900);
const PHONE: (u32, u32) = (390, 844);

/// A server with a tracked pool `lanes` and two tenants, and a browser.
struct World {
    database: Database,
    service: Service,
    client: Client,
    browser: Browser,
}

impl World {
    async fn create(capacity: i64) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": capacity });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for (slug, name) in [("acme", "Acme"), ("beta", "Beta Works")] {
            client.post("/api/v1/tenants", &json!({ "name": name, "slug": slug })).await?.expect(201)?;
        }
        let policy = json!({ "policy": { "longest_ttl_ms": 3_600_000 } });
        client.put("/api/v1/pools/lanes/policy", &policy).await?.expect(200)?;
        let browser = Browser::start().await?;
        browser.sign_in(service.url()).await?;
        browser.window(DESKTOP.0, DESKTOP.1).await?;
        Ok(Self { database, service, client, browser })
    }

    async fn open(&self, path: &str) -> Result<()> {
        self.browser.open(&self.service.at(path)).await?;
        self.browser.wait_until_awake().await
    }

    async fn claim(&self, tenant: &str, slots: i64) -> Result<Value> {
        claim(&self.client, tenant, slots).await
    }

    async fn release(&self, held: &Value) -> Result<()> {
        release(&self.client, held).await
    }

    /// Lets leases run out that the owner does not know of yet: what the map shows then is a leak.
    async fn leak(&self, every: i64) -> Result<u64> {
        let mut conn = self.database.connect().await?;
        let done = sqlx::query(
            "UPDATE slot SET expires_at = hr_now() - interval '6 minutes'
             WHERE claim IS NOT NULL AND (slot_id & 16777215) % $1 = 0",
        )
        .bind(every)
        .execute(&mut conn)
        .await?;
        Ok(done.rows_affected())
    }

    async fn finish(self) -> Result<()> {
        self.browser.close().await?;
        self.service.stop()?;
        self.database.remove().await
    }
}

async fn claim(client: &Client, tenant: &str, slots: i64) -> Result<Value> {
    const ATTEMPTS: usize = 5;
    let body = json!({ "tenant": tenant, "slots": slots, "ttl_ms": 600_000, "holder": "edge-1" });
    // On a machine with much else to do a claim may take longer than it is waited for: it is asked for again, as the answer says.
    let key = clock::uuid().to_string();
    let mut answer = client.post_once("/api/v1/pools/lanes/claims", &key, &body).await?;
    for _ in 1..ATTEMPTS {
        if answer.status != 503 {
            break;
        }
        answer = client.post_once("/api/v1/pools/lanes/claims", &key, &body).await?;
    }
    answer.expect(201)?.json()
}

async fn release(client: &Client, held: &Value) -> Result<()> {
    let id = held["claim"].as_str().context("a claim has an id")?;
    client.post(&format!("/api/v1/pools/lanes/claims/{id}/release"), &json!({})).await?.expect(200)?;
    Ok(())
}

/// Claims and releases until it is dropped, so that every message of the stream says something new.
struct Churn {
    stop: Arc<AtomicBool>,
}

impl Churn {
    fn start(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, stopped) = (client.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut held = Vec::new();
            let mut turn = 0_i64;
            // The stream speaks once a second. What is held must not come round in a second too: it would always say the same.
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(one) = claim(&client, if turn % 2 == 0 { "acme" } else { "beta" }, 1 + turn % 7).await {
                    held.push(one);
                }
                if held.len() > 3 {
                    let _ = release(&client, &held.remove(0)).await;
                }
                turn += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Self { stop }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Notes each shift of the layout and each text that the live numbers have.
const WATCH: &str = "
    window.watched = { shifts: [], texts: {} };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            watched.shifts.push(entry.value + ' ' + entry.sources.map((source) =>
                (source.node?.outerHTML ?? source.node?.textContent ?? '').slice(0, 160)
                + JSON.stringify(source.previousRect) + JSON.stringify(source.currentRect)).join(' | '));
        }
    }).observe({ type: 'layout-shift', buffered: true });
    setInterval(() => {
        for (const place of document.querySelectorAll('[data-live]')) {
            const name = place.dataset.live + '/' + (place.dataset.pool ?? '');
            (watched.texts[name] ??= new Set()).add(place.textContent);
        }
    }, 100);";

/// How many live numbers have had more than one text.
const MOVED: &str = "return Object.values(watched.texts).filter((texts) => texts.size > 1).length;";

#[tokio::test]
async fn live_updates_move_numbers_and_nothing_else() -> Result<()> {
    let world = World::create(60).await?;
    let lasts = Duration::from_secs(soak::count(9, 60));
    history(&world).await?;
    let churn = Churn::start(&world.client);

    world.open("/oncall").await?;
    world.browser.evaluate::<()>(WATCH).await?;
    let first: i64 = slots_in_use(&world.browser).await?;
    ensure!(first >= 0, "the board has a number of slots in use");
    // A number is selected for copying, and the pointer rests on a slot.
    let chosen: String = world
        .browser
        .evaluate(
            "const number = document.querySelector('#vital-occupied .hr-live');
             getSelection().selectAllChildren(number);
             const stage = document.querySelector('[data-slots-stage]');
             stage.scrollIntoView({ block: 'center' });
             const box = stage.querySelector('canvas').getBoundingClientRect();
             stage.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + 5, clientY: box.top + 5, bubbles: true }));
             return String(getSelection());",
        )
        .await?;
    ensure!(!chosen.is_empty(), "a number is selected");
    tokio::time::sleep(lasts).await;
    let selected: String = world.browser.evaluate("return String(getSelection());").await?;
    assert_eq!(selected, chosen, "what is selected stays");
    let tip: String = world.browser.evaluate("return document.querySelector('[data-slots-tip]').textContent;").await?;
    ensure!(tip.starts_with("Slot 1,"), "the tip of the map stays: {tip:?}");
    still(&world.browser, "/oncall").await?;

    world.open("/overview").await?;
    world.browser.evaluate::<()>(WATCH).await?;
    world.browser.wait_for("document.querySelector('.hr-chart [data-plot] svg')", "the trend to be drawn").await?;
    let pinned: String = world
        .browser
        .evaluate(
            "const draw = [...document.querySelectorAll('.hr-chart [data-plot]')].find((one) => one.offsetWidth > 0);
             const box = draw.getBoundingClientRect();
             const at = { clientX: box.left + box.width * 0.7, clientY: box.top + box.height / 2, bubbles: true };
             draw.dispatchEvent(new PointerEvent('pointermove', at));
             draw.dispatchEvent(new MouseEvent('click', at));
             draw.dispatchEvent(new PointerEvent('pointerleave', { bubbles: false }));
             getSelection().selectAllChildren(document.querySelector('h1'));
             const tip = document.querySelector('.hr-chart__tip');
             return tip.hidden ? '' : tip.textContent;",
        )
        .await?;
    ensure!(pinned.contains("pinned"), "the tip says that it is pinned: {pinned:?}");
    tokio::time::sleep(lasts).await;
    let (tip, selected): (String, String) = world
        .browser
        .evaluate(
            "const tip = document.querySelector('.hr-chart__tip');
             return [tip.hidden ? '' : tip.textContent, String(getSelection())];",
        )
        .await?;
    assert_eq!(tip, pinned, "a pinned tip stays as it was");
    assert_eq!(selected, "Executive overview", "selected text stays");
    still(&world.browser, "/overview").await?;
    drop(churn);
    world.finish().await
}

/// Use of a pool that another system keeps, so that the overview has a line to draw.
async fn history(world: &World) -> Result<()> {
    let pool = json!({ "name": "Elsewhere", "slug": "elsewhere", "capacity": 100 });
    world.client.post("/api/v1/pools", &pool).await?.expect(201)?;
    let now = headroom_store::now(&mut world.database.connect().await?).await?;
    let rows: Vec<Value> = (0..60)
        .map(|n| json!({ "pool": "elsewhere", "tenant": "acme", "ts_ms": now - 700_000 + n * 10_000, "occupied": 40 + n % 9, "claims": 3 }))
        .collect();
    let batch = json!({ "source": "browser", "seq": 0, "rows": rows });
    world.client.post("/api/v1/ingest/occupancy", &batch).await?.expect(200)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !world.client.page("/overview").await?.body.contains("data-plot") {
        ensure!(Instant::now() < deadline, "the overview never has a line");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn slots_in_use(browser: &Browser) -> Result<i64> {
    let text: String =
        browser.evaluate("return document.querySelector('[data-live=\"occupied\"]').textContent;").await?;
    Ok(text.replace(',', "").trim().parse().unwrap_or(-1))
}

/// What one shift adds to the sum.
fn value_of(shift: &str) -> Option<f64> {
    shift.split_whitespace().next()?.parse().ok()
}

/// Numbers moved, and nothing else did.
async fn still(browser: &Browser, path: &str) -> Result<()> {
    let shifts: Vec<String> = browser.evaluate("return watched.shifts;").await?;
    // The sum is told with three digits, and they are noughts: a number that needs a digit more on a slow machine moves itself by
    // a hundred-thousandth.
    let sum: f64 = shifts.iter().map(|one| value_of(one).unwrap_or(f64::INFINITY)).fold(0.0, std::ops::Add::add);
    println!("{path}: layout shift {sum:.6} in {} moves", shifts.len());
    ensure!(sum < 0.0005, "{path} shifts {} times, by {sum} in all:\n{}", shifts.len(), shifts.join("\n"));
    let moved: usize = browser.evaluate(MOVED).await?;
    ensure!(moved > 0, "no number of {path} is live");
    let pill: String = browser.evaluate("return document.querySelector('.hr-fresh').textContent;").await?;
    ensure!(pill.contains("Live"), "{path} says {pill:?}");
    Ok(())
}

#[tokio::test]
async fn numbers_that_nobody_renews_grow_old_and_stay() -> Result<()> {
    let world = World::create(12).await?;
    // The page's clock can be put forward; at full length it is left alone.
    world
        .browser
        .before_every_page(
            "window.ahead = 0; const real = performance.now.bind(performance); performance.now = () => real() + window.ahead;",
        )
        .await?;
    world.claim("acme", 7).await?;
    world.open("/oncall").await?;
    world
        .browser
        .wait_for(
            "document.querySelector('#vital-occupied [data-live=\"occupied\"]').textContent === '7'",
            "seven slots",
        )
        .await?;
    let texts = "return [...document.querySelectorAll('[data-live]')]
        .filter((one) => !one.dataset.live.endsWith('ago')).map((one) => one.textContent);";
    let colour = "return getComputedStyle(document.querySelector('#vital-occupied [data-live]')).color;";
    // What is counted over the last minute comes to rest first.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.service.freeze()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (before, fresh): (Vec<String>, String) =
        (world.browser.evaluate(texts).await?, world.browser.evaluate(colour).await?);
    if soak::count(true, false) {
        world.browser.evaluate::<()>("window.ahead = 40_000;").await?;
    }
    world.browser.wait_for("document.documentElement.dataset.stale !== undefined", "the numbers to look old").await?;
    let (after, old): (Vec<String>, String) =
        (world.browser.evaluate(texts).await?, world.browser.evaluate(colour).await?);
    assert_eq!(before, after, "no number changes, least of all to 0");
    assert_ne!(fresh, old, "old numbers have the colour of old numbers");
    let note: String = world
        .browser
        .evaluate(
            "const note = document.querySelector('[data-live-note]'); return note.hidden ? '' : note.textContent;",
        )
        .await?;
    ensure!(note.contains("last") && note.contains("not zero"), "the page says since when: {note:?}");
    let pill: String = world.browser.evaluate("return document.querySelector('.hr-fresh').textContent;").await?;
    ensure!(pill.contains("Delayed") || pill.contains("Offline"), "the pill says {pill:?}");
    world.service.go_on()?;
    world.browser.evaluate::<()>("window.ahead = 0;").await?;
    world.browser.wait_for("document.documentElement.dataset.stale === undefined", "the numbers to be new").await?;
    world.finish().await
}

#[tokio::test]
async fn no_line_is_drawn_over_a_time_without_claims() -> Result<()> {
    let world = World::create(12).await?;
    for _ in 0..3 {
        let held = world.claim("acme", 2).await?;
        world.release(&held).await?;
    }
    // What happened is moved into the past; what comes then is ten minutes later.
    let mut conn = world.database.connect().await?;
    sqlx::query("UPDATE slot_event SET at = at - interval '10 minutes'").execute(&mut conn).await?;
    for _ in 0..3 {
        let held = world.claim("acme", 2).await?;
        world.release(&held).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Without minutes that the owner measured the chart is of what the events say.
    sqlx::query("DELETE FROM claim_minute").execute(&mut conn).await?;
    world.open("/debug?pool=lanes").await?;
    let (known, gaps): (usize, usize) = world
        .browser
        .evaluate(
            "const rows = [...document.querySelectorAll('#waits tr[data-t]')];
             const empty = (row) => row.cells[1].textContent.trim() === '–';
             return [rows.filter((row) => !empty(row)).length, rows.filter(empty).length];",
        )
        .await?;
    ensure!(known >= 2 && gaps > 5, "{known} intervals have claims, {gaps} have none");
    // A line over ten minutes would be two thirds of the plot wide; each mark is no wider than its interval.
    let widest: f64 = world
        .browser
        .evaluate(
            "const draw = [...document.querySelectorAll('[id*=waits] [data-plot]')].find((one) => one.offsetWidth > 0);
             const whole = draw.getBoundingClientRect().width;
             const lines = [...draw.querySelectorAll('polyline[class*=\"l1\"], polyline, path')]
                 .filter((line) => /c1|c2|c3|line/.test(line.getAttribute('class') ?? ''));
             return Math.max(0, ...lines.map((line) => line.getBoundingClientRect().width / whole));",
        )
        .await?;
    ensure!(widest < 0.3, "a line covers {:.0} % of the chart", widest * 100.0);
    world.finish().await
}

/// A proxy that speaks TCP and knows how many streams of events are open.
struct Counter {
    address: String,
    streams: Arc<AtomicI64>,
    most: Arc<AtomicI64>,
    connections: Arc<AtomicUsize>,
}

impl Counter {
    async fn before(service: &Service) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let to = service.url().trim_start_matches("http://").to_owned();
        let counter = Self { address, streams: Arc::default(), most: Arc::default(), connections: Arc::default() };
        let (streams, most) = (Arc::clone(&counter.streams), Arc::clone(&counter.most));
        let connections = Arc::clone(&counter.connections);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass(from, to.clone(), Arc::clone(&streams), Arc::clone(&most)));
            }
        });
        Ok(counter)
    }
}

/// Passes bytes on both ways. A stream lasts as long as its connection.
async fn pass(from: TcpStream, to: String, streams: Arc<AtomicI64>, most: Arc<AtomicI64>) {
    let Ok(to) = TcpStream::connect(&to).await else { return };
    let (mut read, mut write) = from.into_split();
    let (mut back, mut forth) = to.into_split();
    let is_stream = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_stream);
    let count = Arc::clone(&streams);
    let up = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = read.read(&mut buffer).await {
            if length == 0 || forth.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            if buffer[..length].starts_with(b"GET /events?") && !told.swap(true, Ordering::Relaxed) {
                let now = count.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
            }
        }
    };
    let down = async move {
        let _ = tokio::io::copy(&mut back, &mut write).await;
    };
    tokio::select! { () = up => {}, () = down => {} }
    if is_stream.load(Ordering::Relaxed) {
        streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn eight_tabs_share_one_stream() -> Result<()> {
    const TABS: usize = 8;
    let world = World::create(60).await?;
    let counter = Counter::before(&world.service).await?;
    let at = |path: &str| format!("{}{path}", counter.address);
    world.browser.sign_in(&counter.address).await?;
    let tabs = world.browser.client();
    world.browser.open(&at("/oncall")).await?;
    for tab in 1..TABS {
        let new = tabs.new_window(true).await?;
        tabs.switch_to_window(new.handle).await?;
        world.browser.open(&at(if tab % 2 == 0 { "/oncall" } else { "/pools/lanes?tab=map" })).await?;
    }
    let windows = tabs.windows().await?;
    assert_eq!(windows.len(), TABS);
    let shows = |number: i64| {
        format!(
            "[...document.querySelectorAll('[data-live=occupied], [data-slots-count=occupied]')].some((one) => one.textContent === '{number}')"
        )
    };
    for (place, window) in windows.iter().enumerate() {
        tabs.switch_to_window(window.clone()).await?;
        world.claim("acme", 1).await?;
        if let Err(error) =
            world.browser.wait_for(&shows(place as i64 + 1), &format!("tab {place} to show a new claim")).await
        {
            let state: String = world
                .browser
                .evaluate(
                    "return [location.href, document.visibilityState, document.querySelector('.hr-fresh').textContent,
                         ...[...document.querySelectorAll('[data-live=occupied], [data-slots-count=occupied]')].map((one) => one.textContent)]
                         .join('; ');",
                )
                .await?;
            return Err(error.context(state));
        }
        world.browser.wait_for("/Live/.test(document.querySelector('.hr-fresh').textContent)", "a live pill").await?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(counter.streams.load(Ordering::Relaxed), 1, "the server sees one stream");
    let took: f64 = {
        let answer = tabs
            .execute_async(
                "const done = arguments[0]; const began = performance.now();
                 fetch('/api/v1/pools', { cache: 'no-store' }).then((answer) => answer.text())
                     .then(() => done(performance.now() - began));",
                Vec::new(),
            )
            .await?;
        answer.as_f64().context("a time")?
    };
    ensure!(took < 1_000.0, "the ninth request takes {took:.0} ms");
    // Whoever keeps the stream goes; another takes over.
    tabs.switch_to_window(windows[0].clone()).await?;
    tabs.close_window().await?;
    let began = Instant::now();
    tabs.switch_to_window(windows[TABS - 1].clone()).await?;
    world.claim("acme", 1).await?;
    world.browser.wait_for(&shows(TABS as i64 + 1), "another tab to take over").await?;
    println!(
        "eight tabs: one stream (at most {} at once while they opened, {} connections), a further request {took:.0} ms, taken over in {:.1} s",
        counter.most.load(Ordering::Relaxed),
        counter.connections.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64()
    );
    world.finish().await
}

/// Groups of pixels of one colour on the map: width and height of each.
const BLOTS: &str = "
    const stage = document.querySelector('[data-slots-stage]');
    const canvas = stage.querySelector('canvas');
    const probe = document.createElement('i');
    probe.style.color = getComputedStyle(stage).getPropertyValue(arguments[0]);
    document.body.append(probe);
    const [red, green, blue] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    probe.remove();
    const { width, height } = canvas;
    const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    const is = (at) => Math.abs(pixels[4 * at] - red) + Math.abs(pixels[4 * at + 1] - green) + Math.abs(pixels[4 * at + 2] - blue) < 120
        && pixels[4 * at + 3] > 100;
    const seen = new Uint8Array(width * height);
    const blots = [];
    for (let start = 0; start < width * height; start++) {
        if (seen[start] || !is(start)) continue;
        let [left, right, top, bottom] = [width, 0, height, 0];
        const open = [start];
        seen[start] = 1;
        while (open.length) {
            const at = open.pop();
            const [x, y] = [at % width, Math.floor(at / width)];
            [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
            for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]]) {
                const [nx, ny] = [x + dx, y + dy];
                const next = ny * width + nx;
                if (nx >= 0 && nx < width && ny >= 0 && ny < height && !seen[next] && is(next)) { seen[next] = 1; open.push(next); }
            }
        }
        const scale = width / canvas.clientWidth;
        blots.push([(right - left + 1) / scale, (bottom - top + 1) / scale]);
    }
    return blots;";

#[tokio::test]
async fn one_leak_in_twenty_thousand_is_seen() -> Result<()> {
    const SLOTS: i64 = 20_000;
    let world = World::create(SLOTS).await?;
    for _ in 0..4 {
        world.claim("acme", 4_900).await?;
    }
    let leaked = world.leak(521).await?;
    ensure!(leaked >= 30, "{leaked} slots are leaked");
    for (width, height) in [DESKTOP, PHONE] {
        world.browser.window(width, height).await?;
        for path in ["/oncall?map=lanes", "/pools/lanes?tab=map"] {
            world.open(path).await?;
            world.browser.wait_for("document.querySelector('[data-slots-stage] canvas')", "the map").await?;
            let blots: Vec<(f64, f64)> = world.browser.evaluate_with(BLOTS, vec![json!("--hr-slot-leak")]).await?;
            let small = blots.iter().filter(|(w, h)| *w < 7.0 || *h < 7.0).count();
            assert_eq!(blots.len() as u64, leaked, "{path} at {width} px: each leaked slot is a mark");
            assert_eq!(small, 0, "{path} at {width} px: {small} marks are below 7 px: {blots:?}");
            let scale: String =
                world.browser.evaluate("return document.querySelector('[data-slots-scale]').textContent;").await?;
            ensure!(scale.starts_with("1 box = ") && scale.ends_with(" slots"), "{path} says {scale:?}");
            // The whole map is laid out and painted when the window changes.
            let times: Vec<f64> = world
                .browser
                .evaluate(
                    "const canvas = document.querySelector('[data-slots-stage] canvas');
                     return [0, 1, 2, 3, 4].map(() => {
                         const began = performance.now();
                         window.dispatchEvent(new Event('resize'));
                         canvas.getContext('2d').getImageData(0, 0, 1, 1);
                         return performance.now() - began;
                     });",
                )
                .await?;
            let slowest = times.iter().copied().fold(0.0, f64::max);
            println!("{path} at {width} px, {scale}: 20,000 slots painted in {times:.0?} ms");
            ensure!(slowest < 1_500.0, "{path} at {width} px takes {slowest:.0} ms to paint");
        }
    }
    world.finish().await
}

#[tokio::test]
async fn the_map_is_walked_by_keyboard() -> Result<()> {
    let world = World::create(60).await?;
    world.claim("acme", 20).await?;
    world.claim("beta", 20).await?;
    world.leak(7).await?;
    world.open("/pools/lanes?tab=map").await?;
    let press =
        async |key: &str| -> Result<()> { Ok(world.browser.client().active_element().await?.send_keys(key).await?) };
    // From what stands before the map, Tab leads to it.
    let mut steps = 0;
    while !world.browser.evaluate::<bool>("return document.activeElement.matches('[data-slots-stage]');").await? {
        press("\u{e004}").await?;
        steps += 1;
        ensure!(steps < 150, "Tab never comes to the map");
    }
    let role: Vec<String> = world
        .browser
        .evaluate(
            "const stage = document.activeElement;
             return [stage.getAttribute('role'), stage.getAttribute('aria-roledescription'), stage.getAttribute('aria-label')];",
        )
        .await?;
    assert_eq!((role[0].as_str(), role[1].as_str()), ("application", "slot map"));
    ensure!(role[2].contains("leaked"), "its name sums it up: {}", role[2]);
    let listed: BTreeSet<i64> = world
        .browser
        .evaluate("return [...document.querySelectorAll('[data-slots] tr[data-slot]')].map((row) => Number(row.dataset.slot));")
        .await?;
    ensure!(listed.len() >= 4, "the table lists what is unusual: {listed:?}");
    let mut walked = BTreeSet::new();
    for _ in 0..listed.len() {
        press("]").await?;
        let said: String =
            world.browser.evaluate("return document.querySelector('[data-slots-said]').textContent;").await?;
        let (_, rest) = said.split_once("Slot ").with_context(|| format!("{said:?} names no slot"))?;
        let slot: i64 = rest.split(',').next().unwrap_or_default().parse()?;
        ensure!(said.contains("leaked"), "the state is told: {said:?}");
        let tenant = if slot <= 20 { "Acme" } else { "Beta Works" };
        ensure!(said.contains(tenant), "the tenant of slot {slot} is told: {said:?}");
        walked.insert(slot);
    }
    assert_eq!(walked, listed, "keys and table lead to the same slots");
    world.finish().await
}

#[tokio::test]
async fn slots_are_picked_grouped_and_looked_at() -> Result<()> {
    let world = World::create(60).await?;
    world.claim("acme", 20).await?;
    world.claim("beta", 10).await?;
    world.open("/pools/lanes?tab=map&by=tenant").await?;
    let text = |selector: &'static str| {
        let script = format!("return document.querySelector('{selector}')?.textContent ?? '';");
        let browser = &world.browser;
        async move { browser.evaluate::<String>(&script).await }
    };
    let groups: Vec<String> = world
        .browser
        .evaluate("return document.querySelector('[data-slots-stage]').dataset.groupNames.split('\\n');")
        .await?;
    assert_eq!(groups, ["Acme", "Beta Works", "nobody"]);
    // With Shift the keyboard picks what lies between.
    world.browser.evaluate::<()>("document.querySelector('[data-slots-stage]').focus();").await?;
    let press = |key: &'static str, shift: bool| {
        let script = format!(
            "document.querySelector('[data-slots-stage]').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', shiftKey: {shift}, bubbles: true }}));"
        );
        let browser = &world.browser;
        async move { browser.evaluate::<()>(&script).await }
    };
    press("ArrowRight", true).await?;
    press("ArrowRight", true).await?;
    assert_eq!(text("[data-slots-picked-count]").await?, "3 slots");
    let link: String = world
        .browser
        .evaluate("return document.querySelector('[data-slots-act$=drain]').getAttribute('href');")
        .await?;
    assert_eq!(link, "/pools/lanes/act/drain?slots=1-3");
    ensure!(world.client.page(&link).await?.expect(200)?.body.contains("Drain 3 slots"), "the link leads to a preview");
    press("Escape", false).await?;
    ensure!(world.browser.evaluate::<bool>("return document.querySelector('[data-slots-picked]').hidden;").await?);
    // What the pointer rests on is told with its lease.
    world
        .browser
        .wait_for(
            "/left, .*last: claim/.test(document.querySelector('[data-slots-tip]').textContent)",
            "lease and event",
        )
        .await?;
    // Enter opens what is known of a slot, and the address says so.
    press("Enter", false).await?;
    world.browser.wait_for("document.querySelector('#slot-chosen')", "the slot's panel").await?;
    ensure!(text("[data-slots-panel]").await?.contains("edge-1"), "its holder is told");
    let address: String = world.browser.evaluate("return location.search;").await?;
    ensure!(address.contains("sel=slot:3") && address.contains("by=tenant"), "the address is {address}");
    let body = world.client.page(&format!("/pools/lanes{address}")).await?.expect(200)?.body;
    ensure!(body.contains("slot-chosen"), "the same page comes from the server");
    // Closer, and back.
    let scale = "const c = document.querySelector('[data-slots-stage]'); return c.hasAttribute('data-larger');";
    world.browser.evaluate::<()>("document.querySelector('[data-slots-zoom=in]').click();").await?;
    world.browser.evaluate::<()>("document.querySelector('[data-slots-zoom=in]').click();").await?;
    let zoomed: bool = world.browser.evaluate(scale).await?;
    world.browser.evaluate::<()>("document.querySelector('[data-slots-zoom=fit]').click();").await?;
    let fitted: bool = world.browser.evaluate(scale).await?;
    assert_eq!((zoomed, fitted), (true, false), "a closer look is larger than the stage, and fits again");
    world.finish().await
}

/// Live numbers with text so close behind them that the room they keep shows as a gap.
const GAPS: &str = "
    const gaps = [];
    const range = document.createRange();
    for (const place of document.querySelectorAll('[data-live]')) {
        if (place.offsetParent === null) continue;
        range.selectNodeContents(place);
        const number = range.getBoundingClientRect();
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        texts.currentNode = place;
        let next = texts.nextNode();
        while (next && (place.contains(next) || !next.textContent.trim())) next = texts.nextNode();
        if (!next) continue;
        range.selectNodeContents(next);
        const text = range.getClientRects()[0];
        const figure = place.closest('.hr-fig');
        const isAnother = figure && next.parentElement.closest('.hr-fig') !== figure;
        const isBeside = text && text.top < number.bottom && text.bottom > number.top && text.left >= number.left;
        if (isBeside && !isAnother && text.left - number.right > 8) {
            gaps.push(place.dataset.live + ' ' + place.textContent + ' is ' + Math.round(text.left - number.right) + ' px before ' + next.textContent.trim());
        }
    }
    return [document.querySelectorAll('[data-live]').length, gaps];";

#[tokio::test]
async fn the_room_that_numbers_keep_does_not_show() -> Result<()> {
    let world = World::create(60).await?;
    world.claim("acme", 3).await?;
    for (width, height) in [DESKTOP, PHONE] {
        world.browser.window(width, height).await?;
        for path in ["/oncall", "/overview", "/pools/lanes?tab=map"] {
            world.open(path).await?;
            let (numbers, gaps): (usize, Vec<String>) = world.browser.evaluate(GAPS).await?;
            ensure!(numbers >= 4, "{path} has {numbers} live numbers");
            ensure!(gaps.is_empty(), "{path} at {width} px: {gaps:#?}");
        }
    }
    world.finish().await
}

/// The middle of the map's stage in the window, after bringing it there.
const STAGE: &str = "
    const stage = document.querySelector('[data-slots-stage]');
    stage.scrollIntoView({ block: 'center' });
    const box = stage.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];";

impl World {
    /// The mouse as the browser gets it from the hand.
    async fn mouse(&self, kind: &str, (x, y): (f64, f64), down: bool) -> Result<()> {
        let button = if kind == "mouseMoved" && !down { "none" } else { "left" };
        let event =
            json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": i32::from(down), "clickCount": 1 });
        self.browser.cdp("Input.dispatchMouseEvent", event).await?;
        Ok(())
    }

    /// The slot that is told at a place.
    async fn slot_at(&self, place: (f64, f64)) -> Result<String> {
        self.mouse("mouseMoved", place, false).await?;
        let tip = "document.querySelector('[data-slots-tip]').textContent";
        self.browser.wait_for(&format!("{tip}.startsWith('Slot ')"), "a slot under the pointer").await?;
        let told: String = self.browser.evaluate(&format!("return {tip};")).await?;
        Ok(told.split(',').next().unwrap_or_default().to_owned())
    }

    /// Fingers on the screen.
    async fn touch(&self, kind: &str, fingers: &[(f64, f64)]) -> Result<()> {
        let points: Vec<Value> =
            fingers.iter().enumerate().map(|(id, (x, y))| json!({ "x": x, "y": y, "id": id })).collect();
        self.browser.cdp("Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points })).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_close_map_is_dragged_about() -> Result<()> {
    let world = World::create(400).await?;
    world.claim("acme", 100).await?;
    world.open("/pools/lanes?tab=map").await?;
    for _ in 0..2 {
        world.browser.evaluate::<()>("document.querySelector('[data-slots-zoom=in]').click();").await?;
    }
    let (x, y): (f64, f64) = world.browser.evaluate(STAGE).await?;
    let before = world.slot_at((x, y)).await?;
    // The same slot is under the pointer when it lets go.
    let to = (x - 180.0, y - 60.0);
    world.mouse("mousePressed", (x, y), true).await?;
    for part in [0.25, 0.5, 0.75, 1.0] {
        world.mouse("mouseMoved", (x - 180.0 * part, y - 60.0 * part), true).await?;
    }
    world.mouse("mouseReleased", to, false).await?;
    assert_eq!(world.slot_at(to).await?, before, "the map goes with the pointer");
    ensure!(world.slot_at((x, y)).await? != before, "something else is where it was");
    let address: String = world.browser.evaluate("return location.search;").await?;
    ensure!(!address.contains("sel="), "dragging chooses nothing: {address}");
    // A press without a way is a click.
    world.mouse("mousePressed", to, true).await?;
    world.mouse("mouseReleased", to, false).await?;
    let number = before.trim_start_matches("Slot ");
    world.browser.wait_for(&format!("location.search.includes('sel=slot:{number}')"), "the slot to be chosen").await?;
    world.finish().await
}

#[tokio::test]
async fn two_fingers_zoom_the_map() -> Result<()> {
    let world = World::create(20_000).await?;
    world.browser.window(PHONE.0, PHONE.1).await?;
    world.open("/pools/lanes?tab=map").await?;
    let bundle = "return document.querySelector('[data-slots-scale]').textContent;";
    let page = "return [scrollY, visualViewport.scale];";
    let (x, y): (f64, f64) = world.browser.evaluate(STAGE).await?;
    let (far, still): (String, (f64, f64)) =
        (world.browser.evaluate(bundle).await?, world.browser.evaluate(page).await?);
    let apart = |distance: f64| [(x - distance, y), (x + distance, y)];
    let pinch = async |from: f64, to: f64| -> Result<()> {
        world.touch("touchStart", &apart(from)[..1]).await?;
        world.touch("touchStart", &apart(from)).await?;
        for part in 1..=8 {
            world.touch("touchMove", &apart(from + (to - from) * f64::from(part) / 8.0)).await?;
        }
        world.touch("touchEnd", &apart(to)[..1]).await?;
        world.touch("touchEnd", &[]).await
    };
    pinch(15.0, 150.0).await?;
    let near: String = world.browser.evaluate(bundle).await?;
    ensure!(near != far, "ten times closer, {far:?} comes apart");
    ensure!(
        world
            .browser
            .evaluate::<bool>("return document.querySelector('[data-slots-stage]').hasAttribute('data-larger');")
            .await?
    );
    let address: String = world.browser.evaluate("return location.search;").await?;
    ensure!(!address.contains("sel="), "two fingers choose nothing: {address}");
    assert_eq!(world.browser.evaluate::<(f64, f64)>(page).await?, still, "the page itself stays");
    // That the map now takes the finger, and not the page, is known to the browser with its next picture.
    let frames = "return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))));";
    world.browser.evaluate::<()>(frames).await?;
    // One finger moves what is close: what it was put on goes with it.
    let slot_at = async |(x, y): (f64, f64)| -> Result<String> {
        let hover = format!(
            "document.querySelector('[data-slots-stage]').dispatchEvent(new PointerEvent('pointermove', {{ clientX: {x}, clientY: {y}, bubbles: true }}));
             return document.querySelector('[data-slots-tip]').textContent.split(',')[0];"
        );
        world.browser.evaluate(&hover).await
    };
    let (before, to) = (slot_at((x, y)).await?, (x + 96.0, y + 64.0));
    ensure!(before.starts_with("Slot "), "{before:?}");
    world.touch("touchStart", &[(x, y)]).await?;
    for part in [0.25, 0.5, 0.75, 1.0] {
        world.touch("touchMove", &[(x + 96.0 * part, y + 64.0 * part)]).await?;
    }
    world.touch("touchEnd", &[]).await?;
    assert_eq!(slot_at(to).await?, before, "the map goes with the finger");
    assert_eq!(world.browser.evaluate::<(f64, f64)>(page).await?, still, "and not the page");
    pinch(150.0, 10.0).await?;
    assert_eq!(world.browser.evaluate::<String>(bundle).await?, far, "all of it fits again");
    world.finish().await
}

#[tokio::test]
async fn copies_are_on_the_clipboard() -> Result<()> {
    let world = World::create(60).await?;
    world.claim("acme", 20).await?;
    world.open("/pools/lanes?tab=map").await?;
    world.browser.permission("clipboard-read", "granted").await?;
    world.browser.permission("clipboard-write", "granted").await?;
    let said = "document.getElementById('live-polite').textContent";
    let clipboard = async || -> Result<String> {
        let script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done('refused: ' + error));";
        let text = world.browser.client().execute_async(script, Vec::new()).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    };
    let click = async |selector: &str| -> Result<()> {
        Ok(world.browser.client().find(fantoccini::Locator::Css(selector)).await?.click().await?)
    };
    // Slots that were picked.
    let shift_right = "document.querySelector('[data-slots-stage]').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', shiftKey: true, bubbles: true }));";
    world
        .browser
        .evaluate::<()>(&format!("document.querySelector('[data-slots-stage]').focus(); {shift_right} {shift_right}"))
        .await?;
    click("[data-slots-copy]").await?;
    world.browser.wait_for(&format!("{said} === 'Slot numbers copied'"), "what was copied to be said").await?;
    assert_eq!(clipboard().await?, "1-3");
    // The page's own address, of both kinds.
    for link in ["a:first-child", "a:last-child"] {
        click("[data-copy-link] > summary").await?;
        let href: String = world
            .browser
            .evaluate(&format!("return document.querySelector('[data-copy-link] .hr-menu {link}').href;"))
            .await?;
        click(&format!("[data-copy-link] .hr-menu {link}")).await?;
        world.browser.wait_for(&format!("{said} === 'Link copied'"), "the copy to be said").await?;
        assert_eq!(clipboard().await?, href);
        ensure!(href.starts_with(world.service.url()) && href.contains("from=") && href.contains("tab=map"), "{href}");
    }
    // Where pages may not write there, the text is offered for copying by hand.
    world.browser.permission("clipboard-write", "denied").await?;
    click("[data-slots-copy]").await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let offered = loop {
        match world.browser.client().get_alert_text().await {
            Ok(text) => break text,
            Err(error) => ensure!(Instant::now() < deadline, "nothing is offered: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    ensure!(offered.contains("Ctrl C"), "{offered:?}");
    world.browser.client().dismiss_alert().await?;
    world.finish().await
}

#[tokio::test]
async fn numbers_are_on_all_slots_or_on_none() -> Result<()> {
    // At 1,440 px boxes of 400 slots have room for three digits; those of 1,200 have not, though two digits would fit.
    for (slots, expected) in [(400, true), (1_200, false)] {
        let world = World::create(slots).await?;
        world
            .browser
            .before_every_page(
                "window.written = new Set();
                 const real = CanvasRenderingContext2D.prototype.fillText;
                 CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { written.add(text); return real.call(this, text, ...rest); };",
            )
            .await?;
        world.open("/pools/lanes?tab=map").await?;
        let written: i64 = world.browser.evaluate("return written.size;").await?;
        assert_eq!(written, if expected { slots } else { 0 }, "{slots} slots");
        world.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_scripts_nothing_looks_live_or_dead() -> Result<()> {
    let world = World::create(12).await?;
    world.claim("acme", 2).await?;
    world.browser.scripts(false).await?;
    for path in ["/oncall", "/pools/lanes?tab=map"] {
        world.browser.open(&world.service.at(path)).await?;
        let shown: Vec<String> = world
            .browser
            .evaluate(
                "return [...document.querySelectorAll('.hr-top .hr-fresh, .hr-slots__bar button')]
                     .filter((one) => one.getClientRects().length > 0).map((one) => one.textContent.trim());",
            )
            .await?;
        ensure!(shown.len() == 1 && shown[0].starts_with("Loaded "), "{path} shows {shown:?}");
        let drawn: f64 = world
            .browser
            .evaluate("return document.querySelector('[data-slots-stage] svg').getBoundingClientRect().height;")
            .await?;
        ensure!(drawn > 20.0, "{path} has a drawing of the map, {drawn} px high");
    }
    world.browser.scripts(true).await?;
    world.finish().await
}

#[tokio::test]
async fn time_and_latency_fit_a_phone() -> Result<()> {
    let world = World::create(12).await?;
    let held = world.claim("acme", 2).await?;
    world.release(&held).await?;
    world.browser.window(PHONE.0, PHONE.1).await?;
    world.open("/debug?pool=lanes").await?;
    let (inside, room, cells, names): (f64, f64, usize, Vec<String>) = world
        .browser
        .evaluate(
            "const map = document.querySelector('[data-answers]');
             const clipped = [...map.querySelectorAll('tbody th')].filter((name) => name.scrollWidth > name.clientWidth).map((name) => name.textContent);
             return [map.scrollWidth, map.clientWidth, map.querySelector('tbody tr').cells.length, clipped];",
        )
        .await?;
    ensure!(cells >= 28, "the map has {cells} cells in a row");
    ensure!(inside <= room, "the newest claims are beyond the edge: {inside} of {room} px");
    ensure!(names.is_empty(), "cut: {names:?}");
    // A lease that nobody has is no bar.
    let bars: Vec<(f64, i64)> = world
        .browser
        .evaluate(
            "return [...document.querySelectorAll('.hr-hist tbody tr')]
                 .map((row) => [row.querySelector('.hr-hist__bar').getBoundingClientRect().width, Number(row.cells[2].textContent)]);",
        )
        .await?;
    ensure!(bars.iter().all(|(width, count)| (*width > 0.0) == (*count > 0)), "{bars:?}");
    world.finish().await
}

#[tokio::test]
async fn a_lease_with_notice_drains_on_the_map() -> Result<()> {
    let world = World::create(6).await?;
    world.claim("acme", 2).await?;
    world.open("/pools/lanes?tab=map").await?;
    let preempt = json!({ "action": "preempt", "tenant": "acme", "size": 2, "reason": "room", "preview": false });
    world.client.post("/api/v1/pools/lanes/actions", &preempt).await?.expect(200)?;
    world
        .browser
        .wait_for("document.querySelector('[data-slots-count=draining]').textContent === '2'", "the notice to be seen")
        .await?;
    let states = world.client.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
    assert_eq!(states["states"], "dd....");
    ensure!(
        world.client.page("/pools/lanes?tab=map").await?.body.contains("data-states=\"dd....\""),
        "the page agrees"
    );
    world.finish().await
}

#[tokio::test]
async fn a_part_of_the_heatmap_is_compared_with_the_rest() -> Result<()> {
    let world = World::create(12).await?;
    for (tenant, node) in [("acme", "n-01"), ("acme", "n-01"), ("beta", "n-02")] {
        let body = json!({ "tenant": tenant, "slots": 2, "ttl_ms": 600_000, "holder": "edge-1", "node": node });
        world.client.post("/api/v1/pools/lanes/claims", &body).await?.expect(201)?;
    }
    // Two of the three were slow.
    let mut conn = world.database.connect().await?;
    sqlx::query("UPDATE slot_event SET wait_ms = 450 WHERE node = 'n-01'").execute(&mut conn).await?;
    world.open("/debug?pool=lanes").await?;
    let filled =
        "return [...document.querySelectorAll('[data-answers] td a')].map((link) => link.getAttribute('href'));";
    let cells: Vec<String> = world.browser.evaluate(filled).await?;
    ensure!(cells.len() >= 2, "slow and fast claims are in cells of their own: {cells:?}");
    let heading: String = world.browser.evaluate("return document.querySelector('h1').textContent;").await?;
    ensure!(heading.starts_with("Debug · Lanes · last 15"), "{heading:?}");
    // From the first column of the slow row to the last.
    world
        .browser
        .evaluate::<()>(
            "const slow = document.querySelector('[data-answers] td a').closest('tr');
             const [first, last] = [slow.cells[1], slow.cells[slow.cells.length - 1]];
             const send = (kind, cell) => cell.dispatchEvent(new PointerEvent(kind, { bubbles: true, button: 0 }));
             send('pointerdown', first); send('pointermove', last); send('pointerup', last);",
        )
        .await?;
    world.browser.wait_for("location.search.includes('box=')", "the address to name the box").await?;
    world.browser.wait_for("document.querySelector('#different table')", "the differences").await?;
    let said: String =
        world.browser.evaluate("return document.querySelector('#different').innerText.replace(/\\s+/g, ' ');").await?;
    for text in ["2 claims against 1", "node = n-01 100", "tenant = acme 100"] {
        ensure!(said.contains(text), "{text:?} is missing in {said:?}");
    }
    let without = world.client.page("/debug?pool=lanes&box=1-2.0-99").await?.expect(200)?.body;
    ensure!(without.contains("No part of the map is chosen"), "nonsense chooses nothing");
    world.finish().await
}

/// The light of each pixel of a part of a picture, as the eye weighs colours.
const LIGHT: &str = "
    const done = arguments[1];
    const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
    createImageBitmap(new Blob([bytes], { type: 'image/png' })).then((picture) => {
        const paper = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
        paper.drawImage(picture, 0, 0);
        const pixels = paper.getImageData(0, 0, picture.width, picture.height).data;
        const light = [];
        for (let at = 0; at < pixels.length; at += 4) {
            light.push(Math.round(0.2126 * pixels[at] + 0.7152 * pixels[at + 1] + 0.0722 * pixels[at + 2]));
        }
        done(light);
    });";

#[derive(Deserialize)]
struct Place {
    name: String,
    x: f64,
    y: f64,
    side: f64,
}

impl World {
    /// What a place in the window looks like, without its colours.
    async fn light(&self, place: &Place) -> Result<Vec<i64>> {
        let clip = json!({ "x": place.x, "y": place.y, "width": place.side, "height": place.side, "scale": 1 });
        let shot = self.browser.cdp("Page.captureScreenshot", json!({ "format": "png", "clip": clip })).await?;
        let light = self.browser.client().execute_async(LIGHT, vec![shot["data"].clone()]).await?;
        Ok(serde_json::from_value(light)?)
    }
}

#[tokio::test]
async fn states_are_told_apart_without_colours() -> Result<()> {
    /// Two marks are different if their light differs by so much of 255 on average.
    const APART: f64 = 12.0;
    let world = World::create(12).await?;
    for tenant in ["acme", "beta", "acme"] {
        world.claim(tenant, 3).await?;
    }
    let mut conn = world.database.connect().await?;
    sqlx::query("UPDATE slot SET expires_at = hr_now() - interval '1 minute' WHERE (slot_id & 16777215) = 2")
        .execute(&mut conn)
        .await?;
    for (slot, service) in [(3, 3), (12, 4)] {
        sqlx::query("UPDATE slot SET service = $2 WHERE (slot_id & 16777215) = $1")
            .bind(slot)
            .bind(service)
            .execute(&mut conn)
            .await?;
    }
    world.open("/oncall?map=lanes").await?;
    let states: String =
        world.browser.evaluate("return document.querySelector('[data-slots-stage]').dataset.states;").await?;
    assert_eq!(states, "oldoooooo..x");
    // Slots are painted side by side; the keys of the legend have all states, the hot one too.
    let places: Vec<Place> = world
        .browser
        .evaluate(
            "document.querySelector('[data-slots]').scrollIntoView({ block: 'start' });
             const rect = (box) => ({ x: box.left + scrollX, y: box.top + scrollY });
             const canvas = document.querySelector('[data-slots-stage] canvas').getBoundingClientRect();
             const pitch = 32;
             const slot = (name, index) => ({ name: 'slot ' + name, side: pitch - 1, x: canvas.left + scrollX + index * pitch, y: canvas.top + scrollY });
             const keys = [...document.querySelectorAll('.hr-slots__legend .hr-slots__key')].map((key) => (
                 { name: 'key ' + key.textContent.trim().split(/[^A-Za-z]/)[0], side: 13, ...rect(key.querySelector('svg').getBoundingClientRect()) }));
             return [slot('occupied', 0), slot('leaked', 1), slot('draining', 2), slot('free', 9), slot('offline', 11), ...keys];",
        )
        .await?;
    assert_eq!(places.len(), 5 + SlotState::ALL.len());
    let mut closest = (f64::MAX, String::new());
    for vision in [Vision::Full, Vision::Protanopia, Vision::Deuteranopia, Vision::Tritanopia, Vision::Achromatopsia] {
        world.browser.vision(vision).await?;
        let mut seen = Vec::new();
        for place in &places {
            seen.push((place.name.as_str(), world.light(place).await?));
        }
        for (index, (one, light)) in seen.iter().enumerate() {
            for (other, theirs) in &seen[index + 1..] {
                if one.split(' ').next() != other.split(' ').next() {
                    continue;
                }
                let sum: i64 = light.iter().zip(theirs).map(|(a, b)| (a - b).abs()).sum();
                let apart = sum as f64 / light.len() as f64;
                if apart < closest.0 {
                    closest = (apart, format!("{one} and {other} with {}", vision.name()));
                }
                ensure!(apart >= APART, "{one} and {other} look alike with {}: {apart:.1} of 255 apart", vision.name());
            }
        }
    }
    println!("closest by light alone: {} are {:.0} of 255 apart", closest.1, closest.0);
    world.browser.vision(Vision::Full).await?;
    world.finish().await
}

#[tokio::test]
async fn a_claim_is_painted_in_another_browser_within_a_second() -> Result<()> {
    /// A loaded machine gets more; what it took is printed.
    const PATIENCE_MS: f64 = 4_000.0;
    let world = World::create(60).await?;
    world.open("/pools/lanes?tab=map").await?;
    // Each change of the painted map is noted with its time, on the browser's clock.
    world
        .browser
        .evaluate::<()>(
            "window.painted = [];
             const canvas = document.querySelector('[data-slots-stage] canvas');
             let before = '';
             const look = () => {
                 const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                 let sum = 0;
                 for (let at = 0; at < data.length; at += 4) sum = (sum * 31 + data[at] + data[at + 1] * 3 + data[at + 2] * 7) % 1000000007;
                 if (sum !== before) { painted.push(Date.now()); before = sum; }
                 requestAnimationFrame(look);
             };
             look();",
        )
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut took = Vec::new();
    for _ in 0..soak::count(5, 60) {
        let began: f64 = world.browser.evaluate("return Date.now();").await?;
        world.claim("acme", 1).await?;
        let first = format!("painted.find((at) => at >= {began})");
        world.browser.wait_for(&first, "the claim to be painted").await?;
        let painted: f64 = world.browser.evaluate(&format!("return {first};")).await?;
        took.push(painted - began);
        // Not in step with the stream's own clock.
        tokio::time::sleep(Duration::from_millis(330)).await;
    }
    took.sort_by(f64::total_cmp);
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "from a claim to its pixels in another browser: median {median:.0} ms, longest {longest:.0} ms of {}",
        took.len()
    );
    ensure!(longest < PATIENCE_MS, "a claim takes {longest:.0} ms to be seen");
    world.finish().await
}
