//! A trend and a ranking through HTTP beside Prometheus with the same samples, and what a row of a month weighs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use headroom_domain::range::rfc3339;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_server::clock;
use rand::Rng;
use serde_json::Value;

use super::import::occupied_of_pools;
use super::{Options, Rows, bytes_a_row, folder, plain_client, timed};
use crate::bench::figures::{Goal, Pair, Report, list, median, percentile, short};
use crate::bench::place::{self, Place};
use crate::bench::prometheus::{Loader, Programs, Prometheus};
use crate::bench::rows::{CSV_HEADER, Fleet, POOLS, Slugs, TENANTS, TENANTS_A_POOL, pool_slug};
use crate::people;

const GOAL_TREND: Goal = Goal::AtMost(0.5);
const GOAL_TOP: Goal = Goal::AtMost(0.05);
const SEED: u64 = 2;

const FULL_DAYS: i64 = 30;
const QUICK_DAYS: i64 = 3;
const STEP_MS: Millis = 5 * MINUTE_MS;
/// Trends of each side in a round, and before the first.
const TRENDS: usize = 40;
const WARM_TRENDS: usize = 10;
/// Rankings of each side in a round; Prometheus takes seconds for one.
const RANKINGS: usize = 20;
const PEER_RANKINGS: usize = 3;
/// Averages are told to a thousandth of a slot.
const ROUNDING: f64 = 0.001;

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let programs = Programs::find()?;
    report.note(programs.version.clone());
    let days = if options.quick { QUICK_DAYS } else { FULL_DAYS };
    let to = clock::now_ms().div_euclid(HOUR_MS) * HOUR_MS;
    let window = Window { from: to - days * DAY_MS, to };
    let files = folder()?;
    let mut loader = Loader::new(programs)?;
    let rows = write(&files.path().join("rows.csv"), window, &mut loader, report)?;
    report.step("starting Prometheus");
    let seconds = loader.seconds;
    let prometheus = loader.start().await?;
    report.note(format!(
        "queries: {} samples of {POOLS} pools x {TENANTS_A_POOL} tenants, {days} days at 1 min; promtool took {seconds:.0} s, {}B on disk",
        rows.count - rows.count / (1 + TENANTS_A_POOL as u64),
        short(prometheus.bytes()? as f64)
    ));

    let place = Place::new(&["--no-jobs"])?;
    people::prepare_at(place.folder()).await?;
    report.step(&format!("importing {} rows, {}B", rows.count, short(rows.file.metadata()?.len() as f64)));
    let seconds = place.import(&rows.file)?;
    let mut connection = place.connect().await?;
    let found = place::occupied_slot_ms(&mut connection).await?;
    ensure!(
        found == rows.occupied_slot_ms,
        "{found} slot-milliseconds were imported, expected {}",
        rows.occupied_slot_ms
    );
    report.note(format!(
        "queries: headroom import of {} rows took {seconds:.0} s, {} rows/s",
        rows.count,
        short(rows.count as f64 / seconds)
    ));
    if options.wants(4) {
        let part = bare_bytes(&place, &rows.file, files.path()).await?;
        bytes_a_row(&place, &format!("bytes a sample, {days} days"), rows.count, part, report).await?;
    }
    drop(files);
    place::settle(&mut connection).await?;
    drop(connection);

    let sides = Sides { place: &place, prometheus: &prometheus, window, client: plain_client()? };
    report.step("asking both sides");
    sides.agree().await?;
    trends(&sides, options.rounds(), days, report).await?;
    rankings(&sides, options.rounds(), days, report).await?;
    place.end()
}

#[derive(Debug, Clone, Copy)]
struct Window {
    from: Millis,
    to: Millis,
}

/// Writes the rows for us, and the tenants' samples for Prometheus.
fn write(file: &Path, window: Window, loader: &mut Loader, report: &Report) -> Result<Rows> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    out.write_all(CSV_HEADER.as_bytes())?;
    let (mut fleet, slugs, mut rows) = (Fleet::new(SEED, POOLS), Slugs::default(), Vec::new());
    let (mut count, mut occupied) = (0, 0);
    let mut at = window.from;
    while at < window.to {
        if at.rem_euclid(3 * DAY_MS) == 0 || at == window.from {
            let done = 100 * (at - window.from) / (window.to - window.from);
            report.step(&format!("writing samples and loading Prometheus: {done} %"));
        }
        fleet.minute(at, &mut rows);
        slugs.csv(at, &rows, &mut out)?;
        slugs.openmetrics(at, &rows, loader.at(at)?)?;
        count += rows.len() as u64;
        occupied += occupied_of_pools(&rows);
        at += MINUTE_MS;
    }
    out.flush()?;
    Ok(Rows { file: file.to_owned(), count, occupied_slot_ms: occupied * MINUTE_MS })
}

/// Bytes of a copied row, from the beginning of the file: all rows are alike.
async fn bare_bytes(place: &Place, file: &Path, folder: &Path) -> Result<f64> {
    use std::io::{BufRead, BufReader};
    const LINES: usize = 200_000;
    let beginning = folder.join("beginning.csv");
    let mut out = BufWriter::new(File::create(&beginning)?);
    for line in BufReader::new(File::open(file)?).lines().take(1 + LINES) {
        writeln!(out, "{}", line?)?;
    }
    out.flush()?;
    place.copy(&[&beginning]).await?;
    let mut connection = place.connect().await?;
    let bytes = place::bare_bytes_a_row(&mut connection).await?;
    place::drop_bare(&mut connection).await?;
    Ok(bytes)
}

/// Both sides, asked by the same client.
struct Sides<'a> {
    place: &'a Place,
    prometheus: &'a Prometheus,
    window: Window,
    client: reqwest::Client,
}

impl Sides<'_> {
    fn our_trend(&self, pool: usize) -> String {
        let (from, to) = (rfc3339(self.window.from), rfc3339(self.window.to));
        self.place.service().at(&format!("/api/v1/pools/{}/trend?from={from}&to={to}&step=5m", pool_slug(pool)))
    }

    /// Evaluated a second before each five minutes end, so that a range holds the five samples of a point and no other.
    fn peer_trend(&self, pool: usize) -> Result<String> {
        let query = format!(r#"sum(avg_over_time(occupied{{pool="{}"}}[5m]))"#, pool_slug(pool));
        let (start, end) = (self.window.from + STEP_MS - 1000, self.window.to - 1000);
        let parameters =
            [("query", query), ("start", seconds(start)), ("end", seconds(end)), ("step", seconds(STEP_MS))];
        Ok(url::Url::parse_with_params(&self.prometheus.at("/api/v1/query_range"), &parameters)?.into())
    }

    fn our_top(&self) -> String {
        let (from, to) = (rfc3339(self.window.from), rfc3339(self.window.to));
        self.place.service().at(&format!("/api/v1/tenants/top?from={from}&to={to}&limit=5"))
    }

    fn peer_top(&self) -> Result<String> {
        let span = (self.window.to - self.window.from) / 1000;
        let query = format!("topk(5, sum by (tenant) (sum_over_time(occupied[{span}s])))");
        let parameters = [("query", query), ("time", seconds(self.window.to - 1000))];
        Ok(url::Url::parse_with_params(&self.prometheus.at("/api/v1/query"), &parameters)?.into())
    }

    /// Makes sure that both sides say the same.
    async fn agree(&self) -> Result<()> {
        let pool = POOLS / 3;
        let ours: Value = serde_json::from_slice(&timed(&self.client, &self.our_trend(pool)).await?.1)?;
        let theirs: Value = serde_json::from_slice(&timed(&self.client, &self.peer_trend(pool)?).await?.1)?;
        let ours = ours["occupied"].as_array().context("a trend has a column of occupied slots")?;
        let theirs = theirs["data"]["result"][0]["values"].as_array().context("Prometheus has values")?;
        let points = ((self.window.to - self.window.from) / STEP_MS) as usize;
        ensure!(ours.len() == points && theirs.len() == points, "{} and {} points", ours.len(), theirs.len());
        for (at, (mine, other)) in ours.iter().zip(theirs).enumerate() {
            let (mine, other) = (mine.as_f64(), other[1].as_str().and_then(|text| text.parse::<f64>().ok()));
            let close = mine.zip(other).is_some_and(|(mine, other)| (mine - other).abs() <= ROUNDING);
            ensure!(close, "point {at} is {mine:?} here and {other:?} in Prometheus");
        }

        let ours: Value = serde_json::from_slice(&timed(&self.client, &self.our_top()).await?.1)?;
        let theirs: Value = serde_json::from_slice(&timed(&self.client, &self.peer_top()?).await?.1)?;
        let ours = ours.as_array().context("a ranking is a list")?;
        let theirs = theirs["data"]["result"].as_array().context("Prometheus has a ranking")?;
        ensure!(ours.len() == 5 && theirs.len() == 5, "{} and {} tenants", ours.len(), theirs.len());
        for mine in ours {
            let other = theirs.iter().find(|other| other["metric"]["tenant"] == mine["tenant"]);
            let other = other.with_context(|| format!("{} is not in Prometheus' ranking", mine["tenant"]))?;
            let minutes: f64 = other["value"][1].as_str().context("a value is text")?.parse()?;
            let hours = mine["slot_hours"].as_f64().context("slot-hours are a number")?;
            ensure!((hours - minutes / 60.0).abs() < 0.01, "{mine} here and {other} in Prometheus");
        }
        Ok(())
    }
}

fn seconds(ms: Millis) -> String {
    (ms / 1000).to_string()
}

async fn trends(sides: &Sides<'_>, rounds: usize, days: i64, report: &mut Report) -> Result<()> {
    let mut chance = clock::seeded(SEED);
    let (mut ours, mut theirs, mut ours_by_round, mut theirs_by_round) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sizes = (0, 0);
    for round in 0..=rounds {
        let warm = round == 0;
        let (mut mine, mut other) = (Vec::new(), Vec::new());
        for _ in 0..if warm { WARM_TRENDS } else { TRENDS } {
            let pool = chance.random_range(0..POOLS);
            let (ms, body) = timed(&sides.client, &sides.our_trend(pool)).await?;
            mine.push(1000.0 * ms);
            sizes.0 = body.len();
            let (ms, body) = timed(&sides.client, &sides.peer_trend(pool)?).await?;
            other.push(1000.0 * ms);
            sizes.1 = body.len();
        }
        if warm {
            continue;
        }
        ours_by_round.push(median(&mine));
        theirs_by_round.push(median(&other));
        ours.extend(mine);
        theirs.extend(other);
    }
    report.note(format!(
        "trend: {} calls each, one connection, random pool; rounds {} ms, Prometheus {} ms; p95 {} and {} ms; bytes {} and {}",
        ours.len(),
        list(&ours_by_round),
        list(&theirs_by_round),
        short(percentile(&ours, 95.0)),
        short(percentile(&theirs, 95.0)),
        sizes.0,
        sizes.1
    ));
    let pair = Pair { measured: median(&ours), peer: median(&theirs), peer_name: "Prometheus", unit: "ms" };
    report.ratio(&format!("trend of a pool, {days} days at 5 min"), pair, GOAL_TREND);
    Ok(())
}

async fn rankings(sides: &Sides<'_>, rounds: usize, days: i64, report: &mut Report) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let warm = round == 0;
        for _ in 0..if warm { 1 } else { PEER_RANKINGS } {
            let (seconds, _) = timed(&sides.client, &sides.peer_top()?).await?;
            theirs.extend((!warm).then_some(1000.0 * seconds));
        }
        for _ in 0..RANKINGS {
            let (seconds, _) = timed(&sides.client, &sides.our_top()).await?;
            ours.extend((!warm).then_some(1000.0 * seconds));
        }
    }
    report.note(format!("top tenants: {TENANTS} tenants, {} and {} calls", ours.len(), theirs.len()));
    let pair = Pair { measured: median(&ours), peer: median(&theirs), peer_name: "Prometheus", unit: "ms" };
    report.ratio(&format!("top 5 tenants, {days} days"), pair, GOAL_TOP);
    Ok(())
}
