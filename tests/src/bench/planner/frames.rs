//! Part 4: what a browser's main thread does for a frame, on a timeline of 1,000 bars that is scrolled and a bar that is dragged. From
//! the browser's own trace.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headroom_server::clock;
use rand::Rng;
use serde_json::{Value, json};

use super::Options;
use crate::bench::figures::{Goal, Report, median, percentile};
use crate::browser::Browser;
use crate::client::Client;
use crate::database::Database;
use crate::people;
use crate::service::Service;

const BARS: usize = 1_000;
const TENANTS: usize = 50;
/// The goal: 95 of 100 frames take no longer.
const GOAL_MS: f64 = 8.0;
/// What is recorded: tasks of threads, and the steps of drawing.
const CATEGORIES: [&str; 2] = ["devtools.timeline", "disabled-by-default-devtools.timeline"];
/// Between two moves of a hand: a display's frame.
const FRAME: Duration = Duration::from_millis(16);

/// Part 4.
pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let database = match Database::create().await {
        Ok(database) => database,
        Err(error) => {
            report.note(format!("frames of the timeline: SKIPPED: {error}"));
            return Ok(());
        }
    };
    let mut conn = database.connect().await?;
    people::prepare(&mut conn).await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    report.step("a plan of 1,000 reservations");
    // Whole hours from now on.
    let now = clock::now_ms() / 3_600_000 * 3_600_000;
    plan(&client, now).await?;
    let browser = Browser::start().await?;
    browser.window(1440, 900).await?;
    browser.sign_in(service.url()).await?;
    let day = chrono::DateTime::from_timestamp_millis(now).context("a day")?.format("%Y-%m-%d");
    browser.open(&service.at(&format!("/planner?pool=lanes&from={day}&zoom=w"))).await?;
    browser.wait_until_awake().await?;
    let bars: usize = browser.evaluate("return document.querySelectorAll('[data-bar]').length").await?;
    ensure!(bars >= BARS, "{bars} bars are on the page, expected {BARS}");
    let moves = if options.quick { 60 } else { 240 };
    for what in ["scrolling", "dragging"] {
        report.step(what);
        let trace = browser.trace(&CATEGORIES).await?;
        match what {
            "scrolling" => scroll(&browser, moves).await?,
            _ => drag(&browser, moves).await?,
        }
        let trace = trace.end().await?;
        let steps = steps(&trace);
        let frames = frames(&tasks(trace));
        ensure!(frames.len() > moves / 4, "only {} frames were drawn while {what}", frames.len());
        let p95 = percentile(&frames, 95.0);
        report.value(
            &format!("main thread for a frame while {what} over {bars} bars, p95"),
            p95,
            "ms",
            Goal::AtMost(GOAL_MS),
        );
        report.note(format!("{what}: {} frames, half of them {:.2} ms or less", frames.len(), median(&frames)));
        let each = |(name, us): &(String, i64)| format!("{name} {:.2} ms", *us as f64 / 1e3 / frames.len() as f64);
        report.note(format!("{what}, for a frame: {}", steps.iter().map(each).collect::<Vec<_>>().join(", ")));
    }
    browser.close().await?;
    service.stop()?;
    database.remove().await
}

async fn plan(client: &Client, now: i64) -> Result<()> {
    let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 1_000_000, "zone": "Europe/Berlin" });
    client.post("/api/v1/pools", &pool).await?.expect(201)?;
    for number in 0..TENANTS {
        let slug = format!("t-{number}");
        client.post("/api/v1/tenants", &json!({ "name": slug, "slug": slug })).await?.expect(201)?;
    }
    let chance = &mut clock::seeded(11);
    let text = |at: i64| chrono::DateTime::from_timestamp_millis(at).map(|at| at.format("%Y-%m-%dT%H:%M").to_string());
    let mut edits = Vec::new();
    for number in 0..BARS {
        let start = now + (chance.random_range(3..120)) * 3_600_000;
        let end = start + chance.random_range(2..30) * 3_600_000;
        edits.push(json!({ "terms": {
            "name": format!("r-{number}"), "tenant": format!("t-{}", number % TENANTS), "slots": chance.random_range(1..90),
            "zone": "UTC", "start": text(start), "end": text(end),
        }}));
    }
    let draft = client.post("/api/v1/pools/lanes/drafts", &json!({ "name": "all" })).await?.expect(201)?.json()?;
    let path = format!("/api/v1/drafts/{}", draft["id"].as_str().context("an id")?);
    let body = json!({ "edits": edits }).to_string().into_bytes();
    let headers = [("content-type", "application/json"), ("if-match", "\"v1\"")];
    client.send(http::Method::POST, &format!("{path}/edits"), &headers, Some(body)).await?.expect(200)?;
    let seen = client.post(&format!("{path}/preview"), &json!({ "weeks": 0 })).await?.expect(200)?.json()?;
    let body = json!({ "token": seen["token"], "reason": "bench", "accept_warnings": true });
    client.post(&format!("{path}/publish"), &body).await?.expect(200)?;
    Ok(())
}

async fn scroll(browser: &Browser, moves: usize) -> Result<()> {
    for step in 0..moves {
        let by = if step / 20 % 2 == 0 { 60 } else { -60 };
        let event = json!({ "type": "mouseWheel", "x": 600, "y": 500, "deltaX": 0, "deltaY": by });
        browser.cdp("Input.dispatchMouseEvent", event).await?;
        tokio::time::sleep(FRAME).await;
    }
    Ok(())
}

async fn drag(browser: &Browser, moves: usize) -> Result<()> {
    let script = "const all = [...document.querySelectorAll('[data-bar]')];
        const bar = all.find((bar) => bar.getBoundingClientRect().width > 60 && bar.getBoundingClientRect().left > 400) ?? all[0];
        bar.scrollIntoView({ block: 'center' });
        const r = bar.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]";
    let (x, y): (f64, f64) = browser.evaluate(script).await?;
    let mouse = async |kind: &str, x: f64| {
        let buttons = u8::from(kind != "mouseReleased");
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1 });
        browser.cdp("Input.dispatchMouseEvent", event).await
    };
    mouse("mousePressed", x).await?;
    for step in 0..moves {
        // To and fro, a few pixels each time.
        let turn = (step % 80) as f64;
        let by = if turn < 40.0 { turn } else { 80.0 - turn };
        mouse("mouseMoved", x + by * 4.0).await?;
        tokio::time::sleep(FRAME).await;
    }
    // It goes back: what is measured is the hand, not the server.
    browser.cdp("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": "Escape", "code": "Escape" })).await?;
    mouse("mouseReleased", x).await?;
    Ok(())
}

/// What took most of the time, those within others included, in microseconds.
fn steps(trace: &[Value]) -> Vec<(String, i64)> {
    const MOST: usize = 6;
    let mut by: BTreeMap<&str, i64> = BTreeMap::new();
    for event in trace {
        let Some(name) = event["name"].as_str().filter(|name| *name != "RunTask") else { continue };
        *by.entry(name).or_default() += event["dur"].as_i64().unwrap_or_default();
    }
    let mut steps: Vec<(String, i64)> = by.into_iter().map(|(name, us)| (name.to_owned(), us)).collect();
    steps.sort_by_key(|(_, us)| std::cmp::Reverse(*us));
    steps.truncate(MOST);
    steps
}

/// One piece of work of a renderer's main thread: when it began and how long it took, in microseconds.
type Task = (i64, i64);

/// The tasks of the page's main thread, and where its frames begin. Tasks that evaluate a script are left out: they are the questions
/// of the program that drives the browser, one after each of its moves. A page that is awake evaluates none.
fn tasks(trace: Vec<Value>) -> (Vec<Task>, Vec<i64>) {
    #[derive(Default)]
    struct Thread {
        tasks: Vec<Task>,
        frames: Vec<i64>,
        questions: Vec<i64>,
    }
    let mut threads: BTreeMap<(i64, i64), Thread> = BTreeMap::new();
    for event in trace {
        let key = (event["pid"].as_i64().unwrap_or_default(), event["tid"].as_i64().unwrap_or_default());
        let at = event["ts"].as_i64().unwrap_or_default();
        let thread = threads.entry(key).or_default();
        match event["name"].as_str() {
            Some("RunTask") => thread.tasks.push((at, event["dur"].as_i64().unwrap_or_default())),
            Some("FireAnimationFrame" | "UpdateLayoutTree" | "PrePaint") => thread.frames.push(at),
            Some("EvaluateScript") => thread.questions.push(at),
            _ => {}
        }
    }
    // The page's thread is the one that draws.
    let Thread { mut tasks, mut frames, questions } =
        threads.into_values().max_by_key(|thread| thread.frames.len()).unwrap_or_default();
    tasks.retain(|(at, length)| !questions.iter().any(|asked| (*at..=at + length).contains(asked)));
    tasks.sort_unstable();
    frames.sort_unstable();
    (tasks, frames)
}

/// Work for each frame in milliseconds: all tasks from one frame's first drawing to the next one's.
fn frames((tasks, marks): &(Vec<Task>, Vec<i64>)) -> Vec<f64> {
    /// Marks closer than this belong to one frame, in microseconds.
    const ONE_FRAME: i64 = 8_000;
    let mut starts: Vec<i64> = Vec::new();
    for mark in marks {
        if starts.last().is_none_or(|last| mark - last > ONE_FRAME) {
            starts.push(*mark);
        }
    }
    let work = |pair: &[i64]| -> f64 {
        let within = tasks.iter().filter(|(at, length)| at + length > pair[0] && at + length <= pair[1]);
        within.map(|(_, length)| *length).sum::<i64>() as f64 / 1e3
    };
    starts.windows(2).map(work).collect()
}
