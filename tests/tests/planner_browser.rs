//! The planner in a browser: by keys alone, by mouse alone, over a change of clocks, against the capacity, two planners on one
//! reservation, and without scripts.

use anyhow::{Context, Result, ensure};
use headroom_domain::Millis;
use headroom_domain::access::Scope;
use headroom_tests::browser::{Browser, Scheme};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::forms;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};

/// 2026-03-25T08:00:00Z, the Wednesday before clocks go forward in Berlin.
const NOW: Millis = 1_774_425_600_000;
/// A week in view, with that Sunday in it.
const VIEW: &str = "/planner?pool=lanes&from=2026-03-25";
/// Somebody else who plans, over the API.
const SECOND: &str = "hr_SECONDSECONDSECONDSECONDSECONDSECONDSEC";

struct Plan {
    database: Database,
    service: Service,
    browser: Browser,
    client: Client,
    second: Client,
}

fn terms(name: &str, tenant: &str, slots: i64, start: &str, end: &str) -> Value {
    json!({ "name": name, "tenant": tenant, "slots": slots, "start": start, "end": end, "zone": "Europe/Berlin" })
}

impl Plan {
    /// A pool of 1,200 slots on a clock that stands still, with two promises.
    async fn start() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        people::add_token(&mut conn, SECOND, Scope::ALL, &[], &[]).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let second = Client::nobody(service.url())?.with_token(SECOND);
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 1200, "zone": "Europe/Berlin" });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "billing", "train"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        let browser = Browser::start().await?;
        browser.window(1440, 900).await?;
        browser.sign_in(service.url()).await?;
        let plan = Self { database, service, browser, client, second };
        plan.publish(terms("search", "acme", 400, "2026-03-26T00:00", "2026-03-31T00:00")).await?;
        plan.publish(terms("night", "train", 450, "2026-03-27T00:00", "2026-03-28T00:00")).await?;
        Ok(plan)
    }

    async fn publish(&self, terms: Value) -> Result<String> {
        let body = json!({ "terms": terms, "reason": "as agreed" });
        let key = terms["name"].as_str().unwrap_or_default();
        let answer = self.second.post_once("/api/v1/pools/lanes/reservations", key, &body).await?;
        Ok(answer.expect(201)?.json()?["id"].as_str().context("it has an id")?.to_owned())
    }

    async fn open(&self, path: &str) -> Result<()> {
        self.browser.open(&self.service.at(path)).await?;
        self.browser.wait_until_awake().await?;
        let listen = "const region = document.querySelector('#live-polite'); window.heard = [];
                      const hear = () => window.heard.push(region.textContent.replaceAll('\\u202f', ' '));
                      new MutationObserver(hear).observe(region, { childList: true, characterData: true, subtree: true })";
        self.browser.evaluate::<()>(listen).await
    }

    async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.browser.client().active_element().await?.send_keys(keys).await?)
    }

    /// A key with others held, which stay down over several keys if they were sent as text.
    async fn chord(&self, key: &str, code: &str, modifiers: u32) -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": code, "modifiers": modifiers });
            self.browser.cdp("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Waits until something was said since it was asked last.
    async fn hears(&self, text: &str) -> Result<()> {
        let condition = format!("window.heard?.some((said) => said.includes({}))", json!(text));
        if self.browser.wait_for(&condition, &format!("{text:?} to be said")).await.is_err() {
            let heard: Value = self.browser.evaluate("return [location.href, ...(window.heard ?? [])]").await?;
            anyhow::bail!("{text:?} was not said but {heard}");
        }
        self.browser.evaluate::<()>("window.heard = []").await
    }

    async fn sees(&self, text: &str) -> Result<()> {
        let condition = format!("document.body.innerText.replaceAll('\\u202f', ' ').includes({})", json!(text));
        self.browser.wait_for(&condition, &format!("{text:?} to be read")).await
    }

    /// A bar's start, end and slots, as the page has them.
    async fn bar(&self, name: &str) -> Result<(i64, i64, i64)> {
        let script = "const d = document.querySelector(`[data-bar][data-name=\"${arguments[0]}\"]`).dataset;
                      return [Number(d.start), Number(d.end), Number(d.slots)]";
        self.browser.evaluate_with(script, vec![json!(name)]).await
    }

    /// A bar's left, right and middle height in the window.
    async fn place(&self, name: &str) -> Result<(f64, f64, f64)> {
        let script = "const b = document.querySelector(`[data-bar][data-name=\"${arguments[0]}\"]`);
                      b.scrollIntoView({ block: 'center' });
                      const r = b.getBoundingClientRect(); return [r.left, r.right, r.top + r.height / 2]";
        self.browser.evaluate_with(script, vec![json!(name)]).await
    }

    /// Pixels of an hour.
    async fn hour(&self) -> Result<f64> {
        let script = "const g = document.querySelector('[data-plan]');
                      return g.querySelector('[data-plan-track]').getBoundingClientRect().width * 3600000 / (g.dataset.to - g.dataset.from)";
        self.browser.evaluate(script).await
    }

    async fn mouse(&self, kind: &str, (x, y): (f64, f64)) -> Result<()> {
        let buttons = u8::from(kind != "mouseReleased");
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1 });
        self.browser.cdp("Input.dispatchMouseEvent", event).await?;
        Ok(())
    }

    async fn pull(&self, from: (f64, f64), by: f64) -> Result<()> {
        self.mouse("mousePressed", from).await?;
        for step in 1..=5 {
            self.mouse("mouseMoved", (from.0 + by * f64::from(step) / 5.0, from.1)).await?;
        }
        self.mouse("mouseReleased", (from.0 + by, from.1)).await
    }

    async fn wait_for_bar(&self, name: &str, condition: &str) -> Result<()> {
        let element = format!("document.querySelector('[data-bar][data-name=\"{name}\"]')");
        let found = format!("(() => {{ const bar = {element}; return bar && ({condition}) }})()");
        self.browser.wait_for(&found, &format!("{name}: {condition}")).await
    }

    /// Changes of all drafts together.
    async fn drafted(&self) -> Result<usize> {
        let drafts = self.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?;
        let drafts = drafts.as_array().cloned().unwrap_or_default();
        Ok(drafts.iter().map(|draft| draft["changes"].as_array().map_or(0, Vec::len)).sum())
    }

    async fn end(self) -> Result<()> {
        self.browser.close().await?;
        self.service.stop()?;
        self.database.remove().await
    }
}

const HOUR: i64 = 3_600_000;
const SHIFT: u32 = 8;
const CONTROL: u32 = 2;

#[tokio::test]
async fn keys_alone_move_stretch_resize_cancel_and_undo() -> Result<()> {
    let plan = Plan::start().await?;
    plan.open(VIEW).await?;
    // Tab leads to one bar; arrows to the others.
    let is_bar = "return Boolean(document.activeElement.dataset?.bar)";
    for _ in 0..60 {
        plan.chord("Tab", "Tab", 0).await?;
        if plan.browser.evaluate::<bool>(is_bar).await? {
            break;
        }
    }
    ensure!(plan.browser.evaluate::<bool>(is_bar).await?, "Tab leads to a bar");
    plan.chord("ArrowDown", "ArrowDown", 0).await?;
    let name: String = plan.browser.evaluate("return document.activeElement.dataset.name").await?;
    ensure!(name == "night", "arrows lead to {name}");
    let (start, end, slots) = plan.bar("night").await?;

    plan.press(" ").await?;
    plan.hears("Grabbed, move: night, 27 Mar 00:00 to 28 Mar 00:00, 24 h, 450 slots").await?;
    plan.chord("ArrowRight", "ArrowRight", 0).await?;
    plan.hears("night, 27 Mar 01:00 to 28 Mar 01:00, 24 h, 450 slots").await?;
    plan.chord("ArrowRight", "ArrowRight", SHIFT).await?;
    plan.hears("night, 27 Mar 11:00 to 28 Mar 11:00").await?;
    plan.press("e").await?;
    plan.hears("End: night").await?;
    plan.chord("ArrowLeft", "ArrowLeft", 0).await?;
    plan.hears("28 Mar 10:00, 23 h").await?;
    plan.press("s").await?;
    plan.hears("Start: night").await?;
    plan.chord("ArrowLeft", "ArrowLeft", 0).await?;
    plan.hears("27 Mar 10:00 to 28 Mar 10:00, 24 h").await?;
    plan.chord("ArrowUp", "ArrowUp", SHIFT).await?;
    plan.hears("460 slots").await?;
    plan.chord("ArrowDown", "ArrowDown", 0).await?;
    plan.hears("459 slots").await?;
    ensure!(plan.drafted().await? == 0, "nothing is sent while it is held");
    // Escape puts it back as it was.
    plan.chord("Escape", "Escape", 0).await?;
    plan.hears("Put back: night, 27 Mar 00:00").await?;
    ensure!(plan.bar("night").await? == (start, end, slots), "it is where it was");

    plan.press(" ").await?;
    plan.chord("ArrowRight", "ArrowRight", 0).await?;
    plan.chord("ArrowDown", "ArrowDown", SHIFT).await?;
    plan.press("\u{e007}").await?;
    plan.hears("Saved in the draft: night, 27 Mar 01:00").await?;
    plan.wait_for_bar("night", &format!("bar.dataset.start == {}", start + HOUR)).await?;
    ensure!(plan.bar("night").await? == (start + HOUR, end + HOUR, 440), "it was dropped there");
    let focus: String = plan.browser.evaluate("return document.activeElement.dataset.name ?? 'elsewhere'").await?;
    ensure!(focus == "night", "the focus stays on it, not {focus}");

    plan.press("\u{e017}").await?;
    plan.hears("night is cancelled in the draft").await?;
    plan.wait_for_bar("night", "bar.classList.contains('hr-plan-bar--gone')").await?;
    plan.chord("z", "KeyZ", CONTROL).await?;
    plan.hears("Undone").await?;
    plan.wait_for_bar("night", "!bar.classList.contains('hr-plan-bar--gone')").await?;
    plan.chord("z", "KeyZ", CONTROL).await?;
    plan.wait_for_bar("night", &format!("bar.dataset.start == {start}")).await?;
    plan.chord("y", "KeyY", CONTROL).await?;
    plan.hears("Done again").await?;

    // A new one at the focus, by the form.
    plan.browser.evaluate::<()>("document.querySelector('[data-bar][data-name=\"night\"]').focus()").await?;
    plan.press("n").await?;
    plan.browser.wait_for("document.querySelector('#slots')", "the form").await?;
    plan.browser.evaluate::<()>("document.querySelector('#slots').select()").await?;
    plan.press("30\u{e007}").await?;
    plan.sees("train-1 is in the draft").await?;
    plan.wait_for_bar("train-1", "bar.dataset.slots == 30").await?;
    plan.end().await
}

#[tokio::test]
async fn the_mouse_alone_moves_stretches_draws_and_a_click_changes_nothing() -> Result<()> {
    let plan = Plan::start().await?;
    plan.open(VIEW).await?;
    let (start, end, slots) = plan.bar("night").await?;
    let (left, right, y) = plan.place("night").await?;
    let (middle, hour) = (f64::midpoint(left, right), plan.hour().await?);

    // Pulled out and back to where it was.
    plan.mouse("mousePressed", (middle, y)).await?;
    plan.mouse("mouseMoved", (middle + 40.0, y)).await?;
    plan.mouse("mouseMoved", (middle, y)).await?;
    plan.mouse("mouseReleased", (middle, y)).await?;
    plan.hears("Nothing was changed").await?;
    // Let go with Escape.
    plan.mouse("mousePressed", (middle, y)).await?;
    plan.mouse("mouseMoved", (middle + 80.0, y)).await?;
    plan.chord("Escape", "Escape", 0).await?;
    plan.mouse("mouseReleased", (middle + 80.0, y)).await?;
    plan.hears("Put back").await?;
    ensure!(plan.drafted().await? == 0 && plan.bar("night").await? == (start, end, slots), "nothing was changed");

    plan.pull((middle, y), hour * 6.0).await?;
    plan.wait_for_bar("night", &format!("bar.dataset.start == {}", start + 6 * HOUR)).await?;
    ensure!(plan.bar("night").await? == (start + 6 * HOUR, end + 6 * HOUR, slots), "it moved as a whole");
    let ((left, _, y), hour) = (plan.place("night").await?, plan.hour().await?);
    plan.pull((left + 3.0, y), -hour * 3.0).await?;
    plan.hears("Saved in the draft: night, 27 Mar 03:00 to 28 Mar 06:00, 27 h").await?;
    plan.wait_for_bar("night", &format!("bar.dataset.start == {}", start + 3 * HOUR)).await?;
    let (_, right, y) = plan.place("night").await?;
    plan.pull((right - 3.0, y), hour * 4.0).await?;
    plan.wait_for_bar("night", &format!("bar.dataset.end == {}", end + 10 * HOUR)).await?;
    ensure!(plan.drafted().await? == 1, "one reservation is changed");

    // Drawn on an empty track: the form opens with it.
    let (_, right, y) = plan.place("night").await?;
    plan.pull((right + hour * 12.0, y), hour * 8.0).await?;
    plan.browser.wait_for("document.querySelector('#slots')", "the form").await?;
    let drawn: (String, String) = plan
        .browser
        .evaluate("return [document.querySelector('#tenant').value, document.querySelector('#start').value]")
        .await?;
    ensure!(drawn.0 == "train" && drawn.1.ends_with(":00"), "the form knows what was drawn: {drawn:?}");

    // A click opens the form and changes nothing.
    let before = plan.drafted().await?;
    plan.open(VIEW).await?;
    let (left, right, y) = plan.place("search").await?;
    for kind in ["mousePressed", "mouseReleased"] {
        plan.mouse(kind, (f64::midpoint(left, right), y)).await?;
    }
    plan.browser.wait_for("document.querySelector('#name')?.value === 'search'", "the form of search").await?;
    ensure!(plan.drafted().await? == before, "a click changes nothing");
    plan.end().await
}

#[tokio::test]
async fn a_day_moved_over_the_change_of_clocks_keeps_its_wall_times() -> Result<()> {
    let plan = Plan::start().await?;
    plan.open(VIEW).await?;
    plan.sees("+1 h").await?;
    plan.browser.evaluate::<()>("document.querySelector('[data-bar][data-name=\"night\"]').focus()").await?;
    plan.press(" ").await?;
    for _ in 0..4 {
        plan.chord("ArrowRight", "ArrowRight", SHIFT).await?;
    }
    for _ in 0..8 {
        plan.chord("ArrowRight", "ArrowRight", 0).await?;
    }
    plan.hears("night, 29 Mar 00:00 to 30 Mar 00:00, 23 h (clock change), 450 slots").await?;
    plan.press("\u{e007}").await?;
    plan.hears("Saved in the draft").await?;
    let said: String =
        plan.browser.evaluate("return document.querySelector('[data-bar][data-name=\"night\"]').ariaLabel").await?;
    ensure!(said.contains("29 Mar 00:00 to 30 Mar 00:00, 23 h (clock change)"), "the bar says {said}");
    let drafts = plan.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?;
    let after = &drafts[0]["changes"][0]["after"];
    ensure!(after["start"] == "2026-03-29T00:00" && after["end"] == "2026-03-30T00:00", "wall times stay: {after}");
    plan.end().await
}

#[tokio::test]
async fn what_promises_too_much_is_named_helped_and_then_published() -> Result<()> {
    let plan = Plan::start().await?;
    plan.publish(terms("month-end", "billing", 250, "2026-03-27T00:00", "2026-03-30T00:00")).await?;
    plan.open(VIEW).await?;
    plan.browser.evaluate::<()>("document.querySelector('[data-bar][data-name=\"night\"]').focus()").await?;
    plan.press(" ").await?;
    for _ in 0..15 {
        plan.chord("ArrowUp", "ArrowUp", SHIFT).await?;
    }
    plan.hears("600 slots, exceeds capacity by 50").await?;
    plan.press("\u{e007}").await?;
    plan.wait_for_bar("night", "bar.classList.contains('hr-plan-bar--crit')").await?;
    for text in ["over by 50", "1 conflict", "search of acme (400)", "month-end of billing (250)", "Blocked until"] {
        plan.sees(text).await?;
    }
    let blocked: bool = plan
        .browser
        .evaluate("return document.querySelector('.hr-plan-publish button[value=publish]').disabled")
        .await?;
    ensure!(blocked, "what is in conflict cannot be published");
    for scheme in [Scheme::Light, Scheme::Dark] {
        for width in [1440, 390] {
            plan.browser.scheme(scheme).await?;
            plan.browser.window(width, 900).await?;
            for page in ["", "&view=table", "&zoom=m", "&zoom=h"] {
                plan.open(&format!("{VIEW}{page}")).await?;
                let faults = plan.browser.axe().await?;
                ensure!(faults.is_empty(), "{page} at {width} in {}: {}", scheme.name(), faults[0]);
                let sideways: bool =
                    plan.browser.evaluate("return document.documentElement.scrollWidth > innerWidth").await?;
                ensure!(!sideways, "{page} scrolls sideways at {width}");
            }
            plan.open(VIEW).await?;
            plan.browser.screenshot(&format!("planner-{width}-{}", scheme.name())).await?;
        }
    }
    plan.browser.window(1440, 900).await?;
    plan.open(VIEW).await?;
    let fixed: bool = plan
        .browser
        .evaluate(
            "const b = [...document.querySelectorAll('.hr-plan-fixes button')].find((b) => b.textContent.includes('550'));
             b?.click(); return Boolean(b)",
        )
        .await?;
    ensure!(fixed, "550 slots are offered");
    plan.wait_for_bar("night", "bar.dataset.slots == 550").await?;
    plan.browser.evaluate::<()>("document.querySelector('#reason').focus()").await?;
    plan.press("Q1 peak").await?;
    plan.browser
        .evaluate::<()>(
            "document.querySelectorAll('.hr-plan-warnings input').forEach((tick) => tick.checked = true);
             document.querySelector('.hr-plan-publish button[value=publish]').click()",
        )
        .await?;
    plan.sees("published: the plan is at v4").await?;
    let now = plan.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?.to_string();
    ensure!(now.contains("\"slots\":550"), "the plan has it: {now}");
    // And back: an inverse draft.
    plan.open("/planner/publications?pool=lanes").await?;
    plan.sees("Q1 peak").await?;
    plan.browser.evaluate::<()>("document.querySelector('[aria-label=\"Revert this publish: v4\"]').click()").await?;
    plan.sees("Review of “Revert of version 4”").await?;
    ensure!(plan.browser.axe().await?.is_empty(), "the review is clean");
    plan.end().await
}

#[tokio::test]
async fn two_planners_on_one_reservation_lose_nothing() -> Result<()> {
    let plan = Plan::start().await?;
    plan.open(VIEW).await?;
    plan.browser.evaluate::<()>("document.querySelector('[data-bar][data-name=\"night\"]').focus()").await?;
    plan.press(" ").await?;
    plan.chord("ArrowUp", "ArrowUp", SHIFT).await?;
    plan.chord("ArrowRight", "ArrowRight", 0).await?;
    plan.press("\u{e007}").await?;
    plan.hears("Saved in the draft").await?;
    let draft: String =
        plan.browser.evaluate("return document.querySelector('[data-plan-base] [name=draft]').value").await?;
    // Somebody else publishes first: other slots, and a note that nobody else touches.
    let list = plan.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?;
    let all = list["reservations"].as_array().cloned().unwrap_or_default();
    let night = all.iter().find(|one| one["terms"]["name"] == "night").context("it is in the plan")?;
    let mut other = terms("night", "train", 500, "2026-03-27T00:00", "2026-03-28T00:00");
    other["note"] = json!("agreed with Mika");
    let tag = format!("\"v{}\"", night["version"]);
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    let body = json!({ "terms": other, "reason": "more of it" }).to_string().into_bytes();
    let path = format!("/api/v1/reservations/{}", night["id"].as_str().unwrap_or_default());
    plan.second.send(http::Method::PUT, &path, &headers, Some(body)).await?.expect(200)?;

    plan.open(&format!("/planner/drafts/{draft}")).await?;
    for text in ["The plan moved", "was (before v3)", "theirs (v3)", "450", "500", "460", "note from"] {
        plan.sees(text).await?;
    }
    ensure!(plan.browser.axe().await?.is_empty(), "the table of three columns is clean");
    plan.browser.screenshot("planner-moved").await?;
    let click = |selector: &str| format!("document.querySelector({}).click()", json!(selector));
    plan.browser.evaluate::<()>(&click("input[type=radio][value=yours]")).await?;
    plan.browser.evaluate::<()>(&click("button[value=preview]")).await?;
    plan.browser.wait_for("document.querySelector('button[value=publish]')?.disabled === false", "the result").await?;
    plan.browser.evaluate::<()>("document.querySelector('#reason').focus()").await?;
    plan.press("as drawn").await?;
    plan.browser
        .evaluate::<()>(
            "document.querySelectorAll('.hr-plan-warnings input').forEach((tick) => tick.checked = true);
             document.querySelector('button[value=publish]').click()",
        )
        .await?;
    plan.sees("published: the plan is at v4").await?;
    let now = plan.client.get(&path).await?.expect(200)?.json()?;
    ensure!(now["terms"]["slots"] == 460, "mine: {now}");
    ensure!(now["terms"]["note"] == "agreed with Mika", "theirs: {now}");
    ensure!(now["terms"]["start"] == "2026-03-27T01:00", "and what only I changed: {now}");
    plan.end().await
}

#[tokio::test]
async fn without_scripts_a_draft_is_written_and_published() -> Result<()> {
    let plan = Plan::start().await?;
    let form = plan.client.page("/planner/edit?pool=lanes&tenant=billing").await?.expect(200)?.body;
    let fields = forms::fields(&form, "/planner/edit")?;
    // What is wrong is told at its field, and nothing typed is lost.
    let wrong = [("slots", "4OO"), ("start", "2026-03-29 02:30"), ("end", "2026-03-30 00:00"), ("note", "kept")];
    let refused = plan.client.form("/planner/edit", &forms::with(&fields, &wrong)).await?.expect(422)?.body;
    ensure!(
        refused.contains("id=\"slots-error\"") && refused.contains(">kept</textarea>"),
        "told at the field: {refused}"
    );
    let skipped = [("slots", "400"), ("start", "2026-03-29 02:30"), ("end", "2026-03-30 00:00")];
    let refused = plan.client.form("/planner/edit", &forms::with(&fields, &skipped)).await?.expect(422)?.body;
    ensure!(refused.contains("id=\"start-error\"") && refused.contains("02:00"), "both neighbours are told: {refused}");
    let good = [("slots", "400"), ("start", "2026-03-29 09:00"), ("end", "2026-03-30 00:00")];
    let to = plan.client.form("/planner/edit", &forms::with(&fields, &good)).await?.expect(303)?;
    let back = to.header("location").to_owned();
    ensure!(back.starts_with("/planner?") && back.contains("draft="), "back to the draft: {back}");
    let page = plan.client.page(&back).await?.expect(200)?.body;
    let draft = back.split("draft=").nth(1).and_then(|rest| rest.split('&').next()).context("a draft")?.to_owned();
    ensure!(page.contains("billing-1") && page.contains("1 change"), "the page shows it");
    let review = format!("/planner/drafts/{draft}");
    let target = format!("{review}/publish");
    let html = plan.client.page(&review).await?.expect(200)?.body;
    let fields = forms::fields(&html, &target)?;
    let ticks: Vec<&str> = html
        .match_indices("name=\"accept\" value=\"")
        .filter_map(|(at, found)| html[at + found.len()..].split('"').next())
        .collect();
    let mut others = vec![("do", "publish"), ("reason", "")];
    others.extend(ticks.iter().map(|tick| ("accept", *tick)));
    plan.client.form(&target, &forms::with(&fields, &others)).await?.expect(422)?;
    others[1] = ("reason", "month's end");
    let done = plan.client.form(&target, &forms::with(&fields, &others)).await?.expect(303)?;
    ensure!(done.header("location").starts_with("/planner?pool=lanes"), "published");
    let now = plan.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?.to_string();
    ensure!(now.contains("billing-1"), "it is in the plan: {now}");
    let past = plan.client.page("/planner/publications?pool=lanes").await?.expect(200)?.body;
    ensure!(past.contains("month&#x27;s end") || past.contains("month's end"), "with its reason");
    plan.end().await
}

/// A table of three rows in the order `search`, `month-end`, `night`.
const TABLE: &str = "/planner?pool=lanes&from=2026-03-25&view=table";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

impl Plan {
    /// Puts the focus on a cell, as a click does.
    async fn click_cell(&self, name: &str, field: &str) -> Result<()> {
        let script = "document.querySelector(`[data-name=\"${arguments[0]}\"] [data-cell=${arguments[1]}]`).click()";
        self.browser.evaluate_with::<()>(script, vec![json!(name), json!(field)]).await
    }

    /// Which cell has the focus: `night slots`.
    async fn at_cell(&self) -> Result<String> {
        let script = "const at = document.activeElement.closest('[data-plan-sheet] td, [data-plan-sheet] th');
                      return at ? `${at.parentElement.dataset.name} ${at.dataset.cell ?? at.dataset.label ?? 'pick'}` : 'elsewhere'";
        self.browser.evaluate(script).await
    }

    /// Waits until a cell says something, as it is written.
    async fn wait_for_cell(&self, name: &str, field: &str, condition: &str) -> Result<()> {
        let element = format!("document.querySelector('[data-name=\"{name}\"] [data-cell={field}]')");
        let found = format!("(() => {{ const cell = {element}; return cell && ({condition}) }})()");
        if self.browser.wait_for(&found, "a cell").await.is_err() {
            let html: Option<String> = self.browser.evaluate(&format!("return {element}?.outerHTML")).await?;
            anyhow::bail!("{name} {field}: not {condition}: {}", html.unwrap_or_default());
        }
        Ok(())
    }

    async fn paste(&self, text: &str) -> Result<()> {
        let script = "const data = new DataTransfer(); data.setData('text/plain', arguments[0]);
                      const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
                      document.activeElement.dispatchEvent(event)";
        self.browser.evaluate_with::<()>(script, vec![json!(text)]).await
    }
}

#[tokio::test]
async fn the_table_is_edited_by_keys_pasted_into_and_changed_by_rows() -> Result<()> {
    let plan = Plan::start().await?;
    plan.publish(terms("month-end", "billing", 250, "2026-03-27T00:00", "2026-03-30T00:00")).await?;
    plan.open(TABLE).await?;
    // One stop of Tab, and arrows from there on.
    let mut stops = Vec::new();
    for _ in 0..80 {
        plan.chord("Tab", "Tab", 0).await?;
        let at = plan.at_cell().await?;
        if at != "elsewhere" {
            stops.push(at);
        } else if !stops.is_empty() {
            break;
        }
    }
    ensure!(stops == ["search name"], "Tab stops once in the grid: {stops:?}");
    plan.chord("Tab", "Tab", SHIFT).await?;
    for (key, expected) in [
        ("ArrowLeft", "search pick"),
        ("ArrowRight", "search name"),
        ("ArrowRight", "search tenant"),
        ("ArrowDown", "month-end tenant"),
        ("End", "month-end pick"),
        ("Home", "month-end pick"),
        ("ArrowUp", "search pick"),
        ("ArrowUp", "search pick"),
        ("PageDown", "night pick"),
    ] {
        plan.chord(key, key, 0).await?;
        ensure!(plan.at_cell().await? == expected, "{key} leads to {}, not {expected}", plan.at_cell().await?);
    }

    // Typed one after the other without waiting: each is a step, and none is lost.
    plan.click_cell("night", "slots").await?;
    plan.press("440").await?;
    plan.chord("Tab", "Tab", 0).await?;
    plan.press("burst").await?;
    plan.chord("Tab", "Tab", 0).await?;
    plan.press("2026-03-27 06:00").await?;
    plan.chord("Tab", "Tab", 0).await?;
    ensure!(plan.at_cell().await? == "night end", "Tab goes on");
    plan.wait_for_cell("night", "start", "cell.dataset.value === '2026-03-27 06:00' && !cell.dataset.pending").await?;
    plan.wait_for_cell("night", "slots", "cell.dataset.value === '440' && !cell.querySelector('[data-typed]')").await?;
    plan.wait_for_cell("night", "kind", "cell.dataset.value === 'burst'").await?;
    ensure!(plan.at_cell().await? == "night end", "the focus is where it was, not at {}", plan.at_cell().await?);
    let steps: usize = plan.client.get("/api/v1/pools/lanes/drafts").await?.json()?[0]["version"]
        .as_u64()
        .unwrap_or_default() as usize;
    ensure!(steps >= 3, "three steps, not {steps}");

    // Enter goes down; Escape puts back; F2 edits what is there.
    plan.click_cell("search", "slots").await?;
    plan.chord("F2", "F2", 0).await?;
    plan.press("9").await?;
    plan.press(ESCAPE).await?;
    plan.wait_for_cell("search", "slots", "cell.dataset.value === '400' && !cell.querySelector('input, [data-typed]')")
        .await?;
    plan.press("390").await?;
    plan.press(ENTER).await?;
    ensure!(plan.at_cell().await? == "month-end slots", "Enter goes down, not to {}", plan.at_cell().await?);
    plan.hears("search, slots: 390 in the draft").await?;

    // What is refused stays with its error while other cells are edited.
    plan.click_cell("search", "end").await?;
    plan.press("2026-03-20 00:00").await?;
    plan.press(ENTER).await?;
    plan.hears("It is not saved").await?;
    let is_marked = "cell.getAttribute('aria-invalid') === 'true' && cell.textContent.includes('2026-03-20 00:00') &&
        document.getElementById(cell.getAttribute('aria-describedby'))?.textContent.includes('expected')";
    plan.wait_for_cell("search", "end", is_marked).await?;
    ensure!(plan.at_cell().await? == "month-end end", "the focus went on");
    plan.click_cell("month-end", "slots").await?;
    plan.press("240").await?;
    plan.press(ENTER).await?;
    plan.wait_for_cell("month-end", "slots", "cell.dataset.value === '240'").await?;
    plan.wait_for_cell("search", "end", is_marked).await?;
    for scheme in [Scheme::Light, Scheme::Dark] {
        plan.browser.scheme(scheme).await?;
        let faults = plan.browser.axe().await?;
        ensure!(faults.is_empty(), "the table with an error: {}", faults[0]);
    }
    plan.browser.scheme(Scheme::Light).await?;
    plan.browser.screenshot("planner-sheet-error").await?;
    plan.click_cell("search", "end").await?;
    plan.press(ENTER).await?;
    let typed: String = plan.browser.evaluate("return document.activeElement.value").await?;
    ensure!(typed == "2026-03-20 00:00", "what was typed is opened again: {typed:?}");
    plan.press(ESCAPE).await?;
    plan.press(ESCAPE).await?;
    plan.hears("Put back: 2026-03-31 00:00").await?;

    // Three rows of three cells as one step; one of them is wrong.
    let before = plan.drafted().await?;
    plan.click_cell("search", "slots").await?;
    plan.paste("380\tburst\t2026-03-26 01:00\n4OO\tburst\t2026-03-27 02:00\n430\tguaranteed\t2026-03-27 03:00\n")
        .await?;
    plan.hears("8 cells are in the draft. 1 cell was not taken and is marked").await?;
    plan.wait_for_cell("month-end", "slots", "cell.dataset.value === '240' && cell.textContent.includes('4OO')")
        .await?;
    plan.wait_for_cell("month-end", "start", "cell.dataset.value === '2026-03-27 02:00'").await?;
    plan.wait_for_cell("night", "slots", "cell.dataset.value === '430'").await?;
    ensure!(plan.at_cell().await? == "search slots" && plan.drafted().await? >= before, "the focus is where it was");
    plan.chord("z", "KeyZ", CONTROL).await?;
    plan.hears("Undone").await?;
    plan.wait_for_cell("search", "slots", "cell.dataset.value === '390'").await?;
    plan.wait_for_cell("night", "slots", "cell.dataset.value === '440'").await?;
    let copied: String = plan
        .browser
        .evaluate(
            "const data = new DataTransfer();
             const event = new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true });
             document.activeElement.dispatchEvent(event); return data.getData('text/plain')",
        )
        .await?;
    ensure!(copied == "390", "the cell is copied as it is written: {copied:?}");

    // Two rows a day later.
    plan.click_cell("search", "name").await?;
    for name in ["search", "night"] {
        plan.click_cell(name, "name").await?;
        plan.chord(" ", "Space", SHIFT).await?;
    }
    plan.hears("2 selected").await?;
    plan.sees("2 selected").await?;
    ensure!(plan.browser.axe().await?.is_empty(), "the table with selected rows is clean");
    plan.browser.evaluate::<()>("document.querySelector('#bulk-by').focus()").await?;
    plan.press("1").await?;
    plan.press(ENTER).await?;
    plan.hears("2 reservations are changed in the draft").await?;
    plan.wait_for_cell("search", "start", "cell.dataset.value === '2026-03-27 00:00'").await?;
    plan.wait_for_cell("night", "end", "cell.dataset.value === '2026-03-29 00:00'").await?;
    plan.sees("2 selected").await?;
    plan.browser.screenshot("planner-sheet-selected").await?;
    for _ in 0..20 {
        if plan.drafted().await? == 0 {
            break;
        }
        plan.chord("z", "KeyZ", CONTROL).await?;
        plan.hears("Undone").await?;
    }
    ensure!(plan.drafted().await? == 0, "undo brings all of it back");
    plan.wait_for_cell("night", "slots", "cell.dataset.value === '450'").await?;
    plan.browser.window(390, 844).await?;
    plan.open(TABLE).await?;
    let grids: usize = plan.browser.evaluate("return document.querySelectorAll('[role=grid]').length").await?;
    ensure!(grids == 0 && plan.browser.axe().await?.is_empty(), "cards are no grid, and clean");
    plan.browser.screenshot("planner-sheet-390").await?;
    plan.end().await
}

#[tokio::test]
async fn without_scripts_many_rows_are_changed_by_the_bar() -> Result<()> {
    let plan = Plan::start().await?;
    let html = plan.client.page(TABLE).await?.expect(200)?.body;
    ensure!(!html.contains("role=\"grid\""), "without scripts it is a table");
    let picks: Vec<String> = html
        .split("<input type=\"checkbox\" name=\"pick\" value=\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    ensure!(picks.len() == 2, "each row has its box: {picks:?}");
    let bar = html.split_once("id=\"plan-bulk\"").context("the bar is there")?.1;
    let bar = format!("<form {bar}");
    let fields = forms::fields(&bar, "/planner/act")?;
    let mut others = vec![("by", "2"), ("unit", "days"), ("do", "bulk")];
    others.extend(picks.iter().map(|pick| ("pick", pick.as_str())));
    let to = plan.client.form("/planner/act", &forms::with(&fields, &others)).await?.expect(303)?;
    let told = to.set_cookie("hr_flash").context("it is told")?;
    ensure!(told.contains("2%20reservations"), "how many is told: {told}");
    let page = plan.client.page(to.header("location")).await?.expect(200)?.body;
    ensure!(page.contains("2026-03-29 00:00") && page.contains("2 changes"), "the page shows them moved");
    plan.end().await
}
