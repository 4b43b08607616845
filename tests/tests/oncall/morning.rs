//! Steps 18 to 24, without the kill of step 21: many at once, a silence, a pager that is away, keys only, who may look, and what
//! is to be learnt from the night.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use headroom_domain::access::Role;
use headroom_domain::alert::slo::Sli;
use headroom_tests::browser::Browser;
use headroom_tests::inbox::Reply;
use headroom_tests::night::{Engineer, Night, actions, taken};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// 18: five at once, of which somebody else has one by then.
pub(crate) async fn many_at_once(night: &mut Night) -> Result<()> {
    let pools = ["bulk-1", "bulk-2", "bulk-3", "bulk-4", "bulk-5"];
    for pool in pools {
        night.slices(pool, 539..540, 100).await?;
    }
    night.slices("pool-c", 535..640, 2).await?;
    night.at(540).await?;
    let taken = night.alert("pool=bulk-3").await?["id"].clone();
    for engineer in [&night.first, &night.second] {
        engineer.open(&night.service, "/oncall").await?;
        let all = "document.querySelectorAll('[data-alert]').length === 5";
        engineer.browser.wait_for(all, "five alerts").await?;
    }
    let second = &night.second;
    for tick in second.browser.client().find_all(Locator::Css("[data-alert] input[type=checkbox]")).await? {
        tick.click().await?;
    }
    second.browser.client().find(Locator::Css("#bulk-note")).await?.send_keys("one cause").await?;
    night.first.click(&format!("[data-alert=\"{taken}\"] [data-key=a]")).await?;
    night.first.sees("acknowledged by You").await?;
    let ticked: i64 =
        second.browser.evaluate("return document.querySelectorAll('[data-alert] input:checked').length").await?;
    ensure!(ticked == 5, "what is ticked stays while the board goes on: {ticked}");
    second.click("#bulk button[type=submit]:not([name])").await?;
    second.sees("4 acknowledged. 1 not changed:").await?;
    second.sees(&format!("A-{taken}: already acknowledged by {}", night.first.name)).await?;
    for pool in pools {
        let alert = night.alert(&format!("pool={pool}")).await?;
        let who = if alert["id"] == taken { night.first.name } else { second.name };
        ensure!(alert["state"] == "acknowledged" && alert["ack"]["by"] == who, "{alert}");
    }
    night.at(548).await?;
    Ok(())
}

/// 19: a silence needs a reason, is seen, ends with a reminder and a page.
pub(crate) async fn silenced(night: &mut Night) -> Result<()> {
    night.at(560).await?;
    let alert = night.alert("pool=pool-c").await?;
    ensure!(alert["state"] == "firing", "{alert}");
    let second = &night.second;
    second.open(&night.service, "/oncall").await?;
    second.click(&format!("[data-alert=\"{}\"] a[href^=\"/silences\"]", alert["id"])).await?;
    second.browser.wait_for("location.pathname === '/silences'", "the form of silences").await?;
    second.browser.wait_until_awake().await?;
    let matchers: String = second.browser.evaluate("return document.querySelector('#matchers').value").await?;
    assert_eq!(matchers, "pool=pool-c");
    let missing: bool = second.browser.evaluate("return document.querySelector('#note').validity.valueMissing").await?;
    ensure!(missing, "the browser says that a reason is missing");
    // The server says so too.
    second.browser.evaluate::<()>("document.querySelector('#new').noValidate = true").await?;
    second.click("#new button[value=save]").await?;
    second.browser.wait_for("document.querySelector('#note[aria-invalid=true]')", "the refusal").await?;
    ensure!(night.alert("pool=pool-c").await?["state"] == "firing", "nothing was silenced");
    second.browser.client().find(Locator::Css("#note")).await?.send_keys("new switch in row 4").await?;
    second.click("#new button[value=save]").await?;
    second.browser.wait_for("!document.querySelector('#note[aria-invalid=true]')", "the silence").await?;
    second.sees("new switch in row 4").await?;

    night.first.open(&night.service, "/oncall").await?;
    night.first.sees("silenced until").await?;
    night.first.sees("1 silenced").await?;
    let row: String = night
        .first
        .browser
        .evaluate_with(
            "const row = document.querySelector(`[data-alert='${arguments[0]}']`);
             return row.className + ' ' + row.innerText.replaceAll('\\u202f', ' ')",
            vec![alert["id"].clone()],
        )
        .await?;
    for part in ["hr-alert--hidden", "22:20", &format!("by {}", night.second.name)] {
        ensure!(row.contains(part), "{part}: {row}");
    }

    let pages = night.inbox.at_path("/pagerduty").len();
    let own = night.inbox.at_path("/engineer2").len();
    night.at(604).await?;
    night.told("/engineer2", own).await?;
    night.at(605).await?;
    let reminder = night.told("/engineer2", own + 1).await?.pop().context("a reminder")?;
    ensure!(reminder.body["message"] == "reminder", "{}", reminder.body);
    night.at(619).await?;
    night.told("/pagerduty", pages).await?;
    night.at(620).await?;
    let again = night.tells("/pagerduty", pages + 1).await?;
    ensure!(actions(&again[pages..]).iter().all(|what| what == "trigger"), "{:?}", actions(&again));
    let shown = night.alert("pool=pool-c").await?;
    ensure!(shown["state"] == "firing", "{shown}");
    let wish = json!({ "expected_version": shown["version"], "note": "the switch is in" });
    night.first.client.post(&format!("/api/v1/alerts/{}/ack", shown["id"]), &wish).await?.expect(200)?;
    night.at(650).await?;
    ensure!(night.alert("pool=pool-c&state=resolved").await?["id"] == shown["id"]);
    Ok(())
}

/// 20: PagerDuty fails for ten minutes, and then refuses.
pub(crate) async fn pager_away(night: &mut Night) -> Result<()> {
    night.world.all_told(Some("pagerduty")).await?;
    let before = night.inbox.at_path("/pagerduty").len();
    night.inbox.answer(|path, _, _| if path == "/pagerduty" { Reply::status(500) } else { taken(path) });
    night.slices("bulk-1", 659..700, 100).await?;
    night.at(660).await?;
    let key = night.tells("/pagerduty", before + 1).await?[before].key().to_owned();
    for (attempts, ms) in [(1, 0), (2, 1_000), (3, 3_000)] {
        night.more(660, ms).await?;
        message(night, &key, "attempts = $2 AND last_status = 500 AND due_at > hr_now()", attempts).await?;
    }
    let instead = night.tells("/failover", 1).await?.remove(0);
    ensure!(instead.body["instead_of"] == "pagerduty" && instead.body["message"] == "firing", "{}", instead.body);
    night.first.open(&night.service, "/oncall").await?;
    night.first.sees("pagerduty delivery retrying (3): answered 500").await?;
    night.at(669).await?;
    let refused = key.clone();
    night.inbox.answer(
        move |path, key, _| if key == refused { Reply::status(400).with("no such service") } else { taken(path) },
    );
    night.at(675).await?;
    message(night, &key, "state = 'dead' AND last_status = 400 AND attempts > $2", 3).await?;
    night.at(676).await?;
    let own = night.alert("rule=dead-letter").await?;
    ensure!(own["state"] == "firing", "{own}");

    night.first.open(&night.service, "/oncall").await?;
    let id: Value = night.alert("pool=bulk-1").await?["id"].clone();
    for text in
        ["1 page could not be delivered", "pagerduty was not told", &format!("A-{id}"), "answered 400: no such service"]
    {
        night.first.sees(text).await?;
    }
    night.inbox.answer(|path, _, _| taken(path));
    night.first.click("form[action$=\"/replay\"] button").await?;
    night.first.sees("It is sent to pagerduty again, under the same key.").await?;
    message(night, &key, "state = 'sent' AND attempts = $2", 1).await?;
    let posts = night.inbox.at_path("/pagerduty");
    let statuses: Vec<u16> = posts.iter().filter(|post| post.key() == key).map(|post| post.status).collect();
    ensure!(statuses.ends_with(&[400, 202]) && statuses[0] == 500, "one key all the time: {statuses:?}");
    night
        .first
        .browser
        .wait_for("!document.querySelector('form[action$=\"/replay\"]')", "the list to be empty")
        .await?;
    for minute in [677, 680] {
        night.at(minute).await?;
    }
    ensure!(night.alert("rule=dead-letter&state=resolved").await?["id"] == own["id"]);
    Ok(())
}

/// Waits until a message is as wanted.
async fn message(night: &mut Night, key: &str, condition: &str, number: i32) -> Result<()> {
    let query = format!("SELECT EXISTS (SELECT FROM notification WHERE key = $1 AND {condition})");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let is_so: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(query.clone()))
            .bind(key)
            .bind(number)
            .fetch_one(&mut night.world.conn)
            .await?;
        if is_so {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "message {key} never is {condition}, {number}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// 22: a phone's width, no mouse, no colours.
pub(crate) async fn keys_only(night: &mut Night) -> Result<()> {
    for pool in ["bulk-2", "bulk-3"] {
        night.slices(pool, 689..720, 100).await?;
    }
    let old = night.alert("pool=bulk-1").await?;
    let wish = json!({ "expected_version": old["version"] });
    night.first.client.post(&format!("/api/v1/alerts/{}/ack", old["id"]), &wish).await?.expect(200)?;
    night.at(690).await?;
    let second = &night.second;
    second.browser.window(360, 780).await?;
    second.open(&night.service, "/oncall").await?;
    let fits: bool = second.browser.evaluate("return document.documentElement.scrollWidth <= innerWidth").await?;
    ensure!(fits, "the board is wider than a phone");
    let bare: Vec<String> = second
        .browser
        .evaluate(
            "return [...document.querySelectorAll('[data-alert]')]
                 .filter((row) => { const pill = row.querySelector('.hr-pill');
                     return !pill || !pill.innerText.trim() || !pill.querySelector('svg') || !row.querySelector('.hr-alert__state').innerText.trim(); })
                 .map((row) => row.innerText)",
        )
        .await?;
    ensure!(bare.is_empty(), "severity and state are words and shapes: {bare:?}");
    let broken = second.browser.axe().await?;
    ensure!(broken.is_empty(), "{}", broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));

    // Everything that can be done about the first alert is reached with Tab, once its lists are opened with Enter.
    second.press("j").await?;
    let first_row = "document.activeElement.closest('[data-alert]')";
    let wanted: Vec<String> = second
        .browser
        .evaluate(&format!(
            "const row = {first_row};
             window.things = () => [...row.querySelectorAll('a[href], button, summary, textarea, select, input:not([type=hidden])')];
             window.name_of = (e) => [e.tagName, e.id, e.name, e.value, e.textContent.trim()].join('|').slice(0, 80);
             return things().map(name_of)"
        ))
        .await?;
    let mut reached = BTreeSet::new();
    // A field for a time has a stop for each of its parts.
    for _ in 0..wanted.len() + 20 {
        second.press(TAB).await?;
        let (name, is_summary): (Option<String>, bool) = second
            .browser
            .evaluate(
                "const e = document.activeElement;
                 return [things().includes(e) ? name_of(e) : null, e.matches('summary') && !e.parentElement.open]",
            )
            .await?;
        let Some(name) = name else { break };
        reached.insert(name);
        if is_summary {
            second.press(ENTER).await?;
        }
    }
    let missed: Vec<&String> = wanted.iter().filter(|name| !reached.contains(*name)).collect();
    ensure!(missed.is_empty(), "not reached: {missed:?}; reached: {reached:?}");

    // Two keys take it on.
    second.open(&night.service, "/oncall").await?;
    let pool: String = second.browser.evaluate("return document.querySelector('[data-alert] h3').innerText").await?;
    second.press("j").await?;
    second.press("a").await?;
    second.sees("acknowledged by You").await?;
    let (mine, other) = if pool.starts_with("bulk-2") { ("bulk-2", "bulk-3") } else { ("bulk-3", "bulk-2") };
    ensure!(night.alert(&format!("pool={mine}")).await?["ack"]["by"] == second.name, "{pool}");

    // The focus is kept where somebody else was faster: on what is said about it, with what can be done next.
    second.open(&night.service, "/oncall").await?;
    second.press("j").await?;
    let alert = night.alert(&format!("pool={other}")).await?;
    let wish = json!({ "expected_version": alert["version"], "note": "mine" });
    night.first.client.post(&format!("/api/v1/alerts/{}/ack", alert["id"]), &wish).await?.expect(200)?;
    second.press("a").await?;
    second.sees(&format!("{} acknowledged this", night.first.name)).await?;
    second.sees("They said: “mine”").await?;
    ensure!(second.browser.evaluate::<bool>("return document.activeElement.matches('[data-conflict]')").await?);
    second.press(TAB).await?;
    ensure!(second.focus().await?.starts_with("Join"), "{}", second.focus().await?);
    second.press(ENTER).await?;
    let only = json!([second.name]);
    night.until(&format!("pool={other}"), "joined", |alert| alert["participants"] == only).await?;
    second.browser.window(1440, 900).await
}

/// 23: who may only look may do nothing, and who sees one tenant sees nobody else's.
pub(crate) async fn who_may_look(night: &mut Night) -> Result<()> {
    for tenant in ["t3", "t9"] {
        night.world.slices("pool-a", Some(tenant), Sli::Saturation, 699..760, 1_000, 1_000).await?;
    }
    night.at(702).await?;
    let foreign = night.alert("pool=pool-a&tenant=t9").await?;
    let own = night.alert("pool=pool-a&tenant=t3").await?;
    let browser = Browser::start().await?;
    let viewer = Engineer::new(&mut night.world, &night.service, "Vera Viewer", &[Role::Viewer], &[], browser).await?;
    viewer.open(&night.service, "/oncall").await?;
    let board = viewer.board().await?;
    ensure!(board.contains("pool-a, t9"), "{board}");
    let acts: i64 = viewer
        .browser
        .evaluate("return document.querySelectorAll('main form[method=post], [data-key]').length")
        .await?;
    ensure!(acts == 0, "{acts} things can be done by somebody who may only look");
    let ack = format!("/api/v1/alerts/{}/ack", own["id"]);
    let wish = json!({ "expected_version": own["version"] });
    viewer.client.post(&ack, &wish).await?.problem(403)?;
    viewer
        .client
        .form(&format!("/alerts/{}/act", own["id"]), &[("deed", "ack"), ("expected_version", "1")])
        .await?
        .expect(403)?;
    let Engineer { browser, .. } = viewer;
    let tenant =
        Engineer::new(&mut night.world, &night.service, "Theo Third", &[Role::TenantViewer], &["t3"], browser).await?;
    for path in ["/oncall", "/oncall?show=all", "/alerts", &format!("/alerts/{}", own["id"])] {
        tenant.open(&night.service, path).await?;
        let (text, html): (String, String) = tenant
            .browser
            .evaluate("return [document.querySelector('main').innerText, document.documentElement.outerHTML]")
            .await?;
        ensure!(text.contains("t3"), "{path}: {text}");
        let words = html.split(|c: char| !c.is_ascii_alphanumeric());
        let others: Vec<&str> = words.filter(|word| ["t1", "t7", "t9"].contains(word)).collect();
        ensure!(others.is_empty(), "{path} names {others:?}");
    }
    tenant.open(&night.service, "/oncall?show=all").await?;
    let rows: i64 = tenant.browser.evaluate("return document.querySelectorAll('[data-alert]').length").await?;
    ensure!(rows == 1, "{rows} rows: {}", tenant.board().await?);
    tenant.client.get(&format!("/api/v1/alerts/{}", foreign["id"])).await?.problem(404)?;
    tenant.client.post(&ack, &wish).await?.problem(403)?;
    tenant.browser.close().await?;
    ensure!(night.alert("pool=pool-a&tenant=t3").await?["state"] == "firing");
    Ok(())
}

/// 24: which rules are worth it.
pub(crate) async fn quality(night: &mut Night) -> Result<()> {
    let listed = night.first.client.get("/api/v1/reports/alert-quality?from=now-3h").await?.expect(200)?.json()?;
    night.first.open(&night.service, "/alerts/quality?from=now-3h").await?;
    let rows: Vec<Vec<String>> = night
        .first
        .browser
        .evaluate("return [...document.querySelectorAll('main tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))")
        .await?;
    let heads: Vec<String> = night
        .first
        .browser
        .evaluate("return [...document.querySelectorAll('main thead th')].map((cell) => cell.innerText.trim())")
        .await?;
    assert_eq!(
        heads,
        ["Rule", "Fires", "Pages", "Time firing", "Acknowledged", "Median to ack", "Never", "What it was"]
    );
    let burn =
        rows.iter().find(|row| row[0].starts_with("Saturation budget burn")).with_context(|| format!("{rows:?}"))?;
    ensure!(burn[0].contains("noisy"), "it fires for more than a fifth of the time: {burn:?}; {listed}");
    ensure!(burn[1].parse::<i64>()? >= 5 && burn[4].contains('%') && burn[6].parse::<i64>().is_ok(), "{burn:?}");
    let dead = rows
        .iter()
        .find(|row| row[0].contains("delivered") || row[0].contains("Dead"))
        .with_context(|| format!("{rows:?}"))?;
    ensure!(
        !dead[0].contains("noisy") && dead[6] == "1",
        "it fired for a minute, and nobody acknowledged it: {dead:?}"
    );
    Ok(())
}
