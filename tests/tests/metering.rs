//! What tenants are billed for: bills add up, say what exact sums and events say, and can be explained; fair share and its
//! settings; the demand that the planner plays; requests of a public log as promises.

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
use headroom_domain::metering::Meter;
use headroom_domain::occupancy::Sums;
use headroom_domain::range;
use headroom_domain::whatif::{UNKNOWN, wanted};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS};
use headroom_server::app::App;
use headroom_server::app::caller::Caller;
use headroom_server::app::whatif::NOBODY;
use headroom_server::db::Db;
use headroom_store::partition::{self, Cut};
use headroom_store::{history, pool, tenant};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct World {
    database: Database,
    _service: Service,
    client: Client,
}

impl World {
    /// Days of the demo world.
    async fn demo() -> Result<Self> {
        Self::with(&["demo", "--quiet", "--days", "9"]).await
    }

    async fn empty() -> Result<Self> {
        Self::with(&["serve"]).await
    }

    async fn with(command: &[&str]) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&[command, &["--database-url", database.url()]].concat())?;
        let client = Client::new(service.url())?;
        Ok(Self { database, _service: service, client })
    }

    fn app(&self) -> Result<App> {
        Ok(App::new(Db::connect(&self.database.url().parse()?)).acting(Arc::new(Caller::machine("test"))))
    }
}

fn int(row: &Value, field: &str) -> Result<i128> {
    Ok(row[field].as_i64().with_context(|| format!("{field} of {row}"))?.into())
}

/// The parts of a bill that are exact slot time.
const EXACT: [&str; 3] = ["used_slot_ms", "reserved_slot_ms", "idle_slot_ms"];

#[tokio::test]
async fn a_bill_is_the_sum_of_its_rows_and_says_what_usage_says() -> Result<()> {
    let world = World::demo().await?;
    let usage = world.client.get("/api/v1/usage?by=tenant").await?.expect(200)?.json()?;
    let mut amounts = 0;
    for tenant in ["acme-search", "billing"] {
        let bill =
            world.client.get(&format!("/api/v1/tenants/{tenant}/metering?from=now-400d")).await?.expect(200)?.json()?;
        let rows = bill["rows"].as_array().context("rows")?;
        ensure!(rows.len() > 10, "{tenant}: {} rows", rows.len());
        let mut by_pool: BTreeMap<&str, [i128; 3]> = BTreeMap::new();
        let mut total = 0;
        for row in rows {
            let of_pool = by_pool.entry(row["pool"].as_str().context("a pool")?).or_default();
            for (sum, field) in of_pool.iter_mut().zip(EXACT) {
                *sum += int(row, field)?;
            }
            let [used, reserved, idle] =
                [EXACT[0], EXACT[1], EXACT[2]].map(|field| int(row, field).unwrap_or_default());
            assert_eq!(int(row, "borrowed_slot_ms")?, used - reserved + idle, "{row}");
            assert_eq!(int(row, "billed_slot_ms")?, used + idle, "promises, and what is held beyond: {row}");
            ensure!((0..=idle).contains(&int(row, "lent_slot_ms")?), "{row}");
            // Cents, in whole numbers: twice the exact amount, plus one, halved and rounded down.
            let (price, unit) = (int(row, "unit_cost_micros")?, 3_600_000 * 10_000);
            let amount = (2 * (used + idle) * price + unit).div_euclid(2 * unit);
            assert_eq!(int(row, "amount_minor")?, amount, "{row}");
            total += amount;
        }
        assert_eq!(int(&bill, "amount_minor")?, total, "to the cent");
        for (at, field) in EXACT.iter().enumerate() {
            assert_eq!(int(&bill, field)?, by_pool.values().map(|sums| sums[at]).sum::<i128>(), "{field}");
        }
        for row in usage.as_array().into_iter().flatten().filter(|row| row["tenant"] == tenant) {
            let sums = by_pool.remove(row["pool"].as_str().context("a pool")?).context("a pool of the bill")?;
            let said =
                ["occupied_slot_ms", "reserved_slot_ms", "reserved_idle_slot_ms"].map(|field| int(row, field).ok());
            assert_eq!(said, sums.map(Some), "{row}");
        }
        ensure!(by_pool.is_empty(), "usage does not know of {by_pool:?}");
        amounts += total;

        // The table says the same, row by row.
        let path = format!("/tenants/{tenant}?tab=metering&from=now-400d&format=csv");
        let csv = world.client.get(&path).await?.csv()?;
        let columns =
            ["occupied_slot_ms", "amount_minor", "record"].map(|name| csv[0].iter().position(|cell| cell == name));
        let [used, amount, record] = columns.map(Option::unwrap_or_default);
        assert_eq!(csv.len() - 1, rows.len());
        for (cells, row) in csv[1..].iter().zip(rows) {
            assert_eq!(cells[used], row["used_slot_ms"].to_string());
            assert_eq!(cells[amount], row["amount_minor"].to_string());
            assert_eq!(Some(cells[record].as_str()), row["record"].as_str());
        }
        // A day of it, explained by its hours.
        let row = rows.iter().find(|row| row["idle_slot_ms"] != 0).unwrap_or(&rows[rows.len() / 2]);
        let (day, pool) = (row["day"].as_str().context("a day")?, row["pool"].as_str().context("a pool")?);
        let hours = world.app()?.metered_hours(tenant, pool, range::instant(day, 0)?).await?;
        assert_eq!(hours.len(), 24);
        let mut sum = Meter::default();
        for hour in &hours {
            sum.add(&hour.meter);
        }
        let said = [sum.used_slot_ms, sum.reserved_slot_ms, sum.idle_slot_ms, sum.lent_slot_ms].map(i128::from);
        assert_eq!(said[..3], EXACT.map(|field| int(row, field).unwrap_or(-1)), "{row}");
        assert_eq!(said[3], int(row, "lent_slot_ms")?);
        let date = day.split('T').next().unwrap_or_default();
        let path = format!("/tenants/{tenant}?tab=metering&from=now-400d&explain={date}~{pool}");
        let page = world.client.page(&path).await?.expect(200)?.body;
        ensure!(page.contains("by the hour") && page.contains("rounded half up to a cent"), "the day is explained");
    }
    ensure!(amounts > 0, "the demo bills something");
    let wrong = world.client.get("/api/v1/tenants/acme-serch/metering").await?.problem(404)?;
    ensure!(wrong.to_string().contains("acme-search"), "{wrong}");
    world.client.get("/api/v1/tenants/billing/metering?from=yesteryear").await?.problem(422)?;
    Ok(())
}

#[tokio::test]
async fn what_is_lent_is_what_others_held_of_promises_in_the_same_hour() -> Result<()> {
    let world = World::empty().await?;
    let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 10, "unit_cost_micros": 45_000 });
    world.client.post("/api/v1/pools", &pool).await?.expect(201)?;
    for tenant in ["lender", "borrower"] {
        world.client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
    }
    let mut conn = world.database.connect().await?;
    let pool = pool::list(&mut conn, true).await?[0].key;
    let keys: BTreeMap<String, i32> =
        tenant::keys(&mut conn).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    let day = headroom_store::now(&mut conn).await? / DAY_MS * DAY_MS - 2 * DAY_MS;
    let mut acc = Accumulator::default();
    // Of 10 slots 8 are promised to one tenant, which uses 2; the other holds 8, then 4, then none.
    for (hour, borrowed) in (0..).zip([8, 4, 0]) {
        let reading = |slug: &str, occupied, reserved| TenantReading {
            tenant: keys[slug],
            occupied,
            reserved,
            ..TenantReading::default()
        };
        let tenants = vec![reading("lender", 2, 8), reading("borrower", borrowed, 0)];
        let at = day + hour * HOUR_MS;
        acc.reading(pool, &Reading { at, duration_ms: HOUR_MS, capacity: 10, tenants, ..Reading::default() });
    }
    partition::ensure(&mut conn, Cut::Minutes, day, day + DAY_MS).await?;
    partition::ensure(&mut conn, Cut::FiveMinutes, day, day + DAY_MS).await?;
    history::merge(&mut conn, history::LIVE, acc.take()).await?;
    let client = &world.client;
    let bill = |tenant: &'static str| async move {
        let path = format!("/api/v1/tenants/{tenant}/metering?from=now-3d");
        client.get(&path).await?.expect(200)?.json()
    };
    let (lender, borrower) = (bill("lender").await?, bill("borrower").await?);
    let hours = |hours: i64| json!(hours * HOUR_MS);
    assert_eq!(lender["rows"][0]["idle_slot_ms"], hours(18));
    // Two slots were promised to nobody: of 8 borrowed 6 were lent, of 4 two.
    assert_eq!(lender["rows"][0]["lent_slot_ms"], hours(8));
    assert_eq!((&lender["billed_slot_ms"], &lender["amount_minor"]), (&hours(24), &json!(108)));
    assert_eq!((&borrower["borrowed_slot_ms"], &borrower["amount_minor"]), (&hours(12), &json!(54)));
    let explained: Vec<i64> = world
        .app()?
        .metered_hours("lender", "lanes", day)
        .await?
        .iter()
        .map(|hour| hour.meter.lent_slot_ms / HOUR_MS)
        .take(4)
        .collect();
    assert_eq!(explained, [6, 2, 0, 0]);
    ensure!(world.app()?.metered_hours("lender", "lanes", day + 1).await.is_err(), "no day begins there");
    Ok(())
}

#[tokio::test]
async fn a_tracked_pool_is_billed_by_the_millisecond_of_its_events() -> Result<()> {
    let world = World::empty().await?;
    let client = &world.client;
    client.post("/api/v1/pools", &json!({ "name": "Lanes", "slug": "lanes", "capacity": 4 })).await?.expect(201)?;
    client.post("/api/v1/tenants", &json!({ "name": "acme", "slug": "acme" })).await?.expect(201)?;
    client.put("/api/v1/pools/lanes/policy", &json!({ "policy": {} })).await?.expect(200)?;
    for slots in [1, 3, 2] {
        let body = json!({ "tenant": "acme", "slots": slots, "holder": "worker" });
        let claim = client.post("/api/v1/pools/lanes/claims", &body).await?.expect(201)?.json()?;
        tokio::time::sleep(Duration::from_millis(137)).await;
        let id = claim["claim"].as_str().context("an id")?;
        client.post(&format!("/api/v1/pools/lanes/claims/{id}/release"), &json!({})).await?.expect(200)?;
    }
    let events = client.get("/api/v1/slot-events?pool=lanes").await?.expect(200)?.json()?;
    let mut expected = 0;
    for event in events.as_array().or_else(|| events["events"].as_array()).context("events")? {
        let at = i128::from(range::instant(event["at"].as_str().context("an instant")?, 0)?);
        match event["kind"].as_str() {
            Some("claim") => expected -= at,
            Some("release") => expected += at,
            _ => {}
        }
    }
    ensure!(expected >= 6 * 137, "three claims were held: {expected}");
    // The history follows the events a little later.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let bill = client.get("/api/v1/tenants/acme/metering?from=now-1d").await?.expect(200)?.json()?;
        let used = int(&bill, "used_slot_ms")?;
        ensure!(used <= expected, "more than the events say: {used} and {expected}");
        if used == expected {
            assert_eq!(int(&bill, "borrowed_slot_ms")?, expected, "nothing is promised to it");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{used} of {expected}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn weight_and_half_life_can_be_set_and_what_is_wrong_is_told() -> Result<()> {
    let world = World::demo().await?;
    let client = &world.client;
    let mut organisation = client.get("/api/v1/organisation").await?.expect(200)?.json()?;
    assert_eq!(organisation["half_life_hours"], 168);
    for wrong in [23, 8_761] {
        organisation["half_life_hours"] = json!(wrong);
        let problem = client.put("/api/v1/organisation", &organisation).await?.problem(422)?;
        ensure!(problem.to_string().contains("24 to 8,760 hours"), "{problem}");
    }
    let recent = |page: &str| {
        page.split("Recent use").nth(1).and_then(|rest| rest.split("slot-hours").next()).map(str::to_owned)
    };
    let before = recent(&client.page("/tenants/acme-search").await?.expect(200)?.body).context("recent use is told")?;
    organisation["half_life_hours"] = json!(24);
    assert_eq!(client.put("/api/v1/organisation", &organisation).await?.expect(200)?.json()?["half_life_hours"], 24);
    let after = recent(&client.page("/tenants/acme-search").await?.expect(200)?.body).context("recent use is told")?;
    ensure!(before != after, "it fades faster: {before}");

    let share = |page: &str| {
        page.split("Fair share: weight ").nth(1).and_then(|rest| rest.split(" slots of").next()).map(str::to_owned)
    };
    let before =
        share(&client.page("/tenants/billing").await?.expect(200)?.body).context("the fair share is explained")?;
    let form = client.page("/tenants/billing/edit").await?.expect(200)?.body;
    let fields = headroom_tests::forms::fields(&form, "/tenants/billing/edit")?;
    let with = |weight: &'static str| -> Vec<(&str, &str)> {
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), if name == "weight" { weight } else { value.as_str() }))
            .collect()
    };
    for wrong in ["0", "10001", "many"] {
        let page = client.form("/tenants/billing/edit", &with(wrong)).await?.expect(422)?.body;
        ensure!(page.contains("1 to 10,000") || page.contains("1 to 10000"), "{wrong}");
    }
    client.form("/tenants/billing/edit", &with("7")).await?.expect(303)?;
    assert_eq!(client.get("/api/v1/tenants/billing").await?.expect(200)?.json()?["weight"], 7);
    let after =
        share(&client.page("/tenants/billing").await?.expect(200)?.body).context("the fair share is explained")?;
    ensure!(after.starts_with("7 of ") && after != before, "{before}, {after}");
    let list = client.page("/tenants").await?.expect(200)?.body;
    ensure!(list.contains("Fairness 0.") || list.contains("Fairness 1."), "the index is told");
    Ok(())
}

#[tokio::test]
async fn demand_is_what_history_says_a_week_before() -> Result<()> {
    let world = World::demo().await?;
    let app = world.app()?;
    let mut conn = world.database.connect().await?;
    let now = headroom_store::now(&mut conn).await?;
    let found = pool::list(&mut conn, true).await?;
    let found = found.iter().find(|pool| pool.fields.slug.as_str() == "ingress-eu").context("a pool of the demo")?;
    for weeks in [0, 9] {
        ensure!(app.demand_of_pool(found, weeks, now).await.is_err(), "{weeks} weeks");
    }
    let past = app.demand_of_pool(found, 1, now).await?;
    ensure!(Arc::ptr_eq(&past, &app.demand_of_pool(found, 1, now).await?), "it is remembered");
    let demand = &past.demand;
    assert_eq!((demand.minutes(), demand.start_ms(), past.to_ms - past.from_ms), (7 * 1_440, past.to_ms, 7 * DAY_MS));
    assert_eq!((past.clocks_changed_minutes, past.folded.len()), (0, 0));
    let minutes = history::minutes(&mut conn, &[found.key], past.from_ms, past.to_ms).await?.remove(&found.key);
    let minutes = minutes.unwrap_or_default();
    let mut known = 0;
    for minute in 0..demand.minutes() {
        let sums = minutes.get(&(past.from_ms + i64::from(minute) * MINUTE_MS));
        let whole = sums.and_then(|sums| sums.get(&NOBODY)).copied().unwrap_or_default();
        let row = demand.at(minute).context("a minute of the demand")?;
        let mut rest = whole;
        for (tenant, want) in demand.tenants().iter().zip(row).filter(|(tenant, _)| **tenant != NOBODY) {
            let own = sums.and_then(|sums| sums.get(tenant)).copied().unwrap_or_default();
            let expected = wanted(&Sums { observed_ms: whole.observed_ms, ..own }).unwrap_or(UNKNOWN);
            assert_eq!(*want, expected, "tenant {tenant} in minute {minute}");
            known += u64::from(*want != UNKNOWN);
            rest.occupied_slot_ms -= own.occupied_slot_ms;
        }
        if demand.tenants().contains(&NOBODY) {
            ensure!(rest.occupied_slot_ms >= 0, "no more than the pool held");
        }
    }
    ensure!(known > 10_000, "the demo has a week of history: {known}");
    Ok(())
}

/// A job of the log: when it began, how long it ran and asked to run, in seconds; processors it used and asked for.
struct Request {
    user: i64,
    start_s: i64,
    run_s: i64,
    asked_s: i64,
    used: i64,
    asked: i64,
}

/// The log read in the plainest way: no code of the product.
fn requests() -> Result<Option<Vec<Request>>> {
    let Some(data) = std::env::var_os("HEADROOM_DATA").map(PathBuf::from) else {
        println!("SKIPPED: HEADROOM_DATA does not name the folder of the public workload logs");
        return Ok(None);
    };
    let path = data.join("swf-kth-sp2").join("KTH-SP2-1996-2.1-cln.swf.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("SKIPPED: {} is not there", path.display());
        return Ok(None);
    };
    let mut requests = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
        let line = line?;
        if line.starts_with(';') || line.trim().is_empty() {
            continue;
        }
        let fields = line.split_whitespace().map(str::parse).collect::<Result<Vec<i64>, _>>()?;
        let [submit, wait, run, used] = [fields[1], fields[2], fields[3], fields[4]];
        let (asked, asked_s, user) = (fields[7], fields[8], fields[11]);
        requests.push(Request {
            user,
            start_s: submit + wait.max(0),
            run_s: run.max(0),
            asked_s: asked_s.max(0),
            used: used.max(0),
            asked: if asked > 0 { asked } else { used.max(0) },
        });
    }
    Ok(Some(requests))
}

/// What a user wasted: its promises over its use wherever they are greater, second by second between changes.
fn wasted_slot_seconds(requests: &[&Request]) -> i128 {
    let mut changes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for request in requests {
        changes.entry(request.start_s).or_default().0 += request.asked;
        changes.entry(request.start_s + request.asked_s).or_default().0 -= request.asked;
        changes.entry(request.start_s).or_default().1 += request.used;
        changes.entry(request.start_s + request.run_s).or_default().1 -= request.used;
    }
    let (mut promised, mut used, mut since, mut wasted) = (0_i64, 0_i64, 0_i64, 0_i128);
    for (at, (of_promised, of_used)) in changes {
        wasted += i128::from((promised - used).max(0)) * i128::from(at - since);
        promised += of_promised;
        used += of_used;
        since = at;
    }
    wasted
}

#[test]
fn requests_of_a_log_as_promises_waste_exactly_what_the_log_says() -> Result<()> {
    let Some(requests) = requests()? else { return Ok(()) };
    let mut by_user: BTreeMap<i64, Vec<&Request>> = BTreeMap::new();
    for request in &requests {
        by_user.entry(request.user).or_default().push(request);
    }
    ensure!(by_user.len() > 200 && requests.len() > 28_000, "{} users, {} jobs", by_user.len(), requests.len());
    let (mut all, mut expected_of_all, mut plain) = (Meter::default(), 0, 0);
    for (user, own) in &by_user {
        let tenant = i32::try_from(user + 2)?;
        // Readings between the instants at which something of this user begins or ends.
        let mut edges: Vec<i64> =
            own.iter().flat_map(|job| [job.start_s, job.start_s + job.run_s, job.start_s + job.asked_s]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut jobs: Vec<&&Request> = own.iter().collect();
        jobs.sort_by_key(|job| job.start_s);
        let (mut begun, mut under_way): (usize, Vec<&Request>) = (0, Vec::new());
        let mut acc = Accumulator::default();
        for edge in edges.windows(2) {
            while jobs.get(begun).is_some_and(|job| job.start_s <= edge[0]) {
                under_way.push(jobs[begun]);
                begun += 1;
            }
            under_way.retain(|job| job.start_s + job.run_s.max(job.asked_s) > edge[0]);
            let while_held = |slots: fn(&Request) -> (i64, i64)| -> i64 {
                under_way
                    .iter()
                    .map(|job| (job.start_s, slots(job)))
                    .filter(|(start, (_, length))| start + length > edge[0])
                    .map(|(_, (slots, _))| slots)
                    .sum()
            };
            let occupied = while_held(|job| (job.used, job.run_s));
            let reserved = while_held(|job| (job.asked, job.asked_s));
            if occupied == 0 && reserved == 0 {
                continue;
            }
            let reading = TenantReading { tenant, occupied, reserved, ..TenantReading::default() };
            acc.reading(
                1,
                &Reading {
                    at: edge[0] * 1_000,
                    duration_ms: (edge[1] - edge[0]) * 1_000,
                    capacity: 100,
                    tenants: vec![reading],
                    ..Reading::default()
                },
            );
        }
        let mut meter = Meter::default();
        for ((key, _), block) in acc.take().hours {
            if key.tenant == tenant {
                for sums in block.iter() {
                    meter.add(&Meter::of(sums));
                }
            }
        }
        let expected = wasted_slot_seconds(own) * 1_000;
        assert_eq!(i128::from(meter.idle_slot_ms), expected, "user {user}");
        let used: i128 = own.iter().map(|job| i128::from(job.used * job.run_s)).sum();
        let promised: i128 = own.iter().map(|job| i128::from(job.asked * job.asked_s)).sum();
        assert_eq!(
            (i128::from(meter.used_slot_ms), i128::from(meter.reserved_slot_ms)),
            (used * 1_000, promised * 1_000),
            "user {user}"
        );
        all.add(&meter);
        expected_of_all += expected;
        plain += promised - used;
    }
    assert_eq!(i128::from(all.idle_slot_ms), expected_of_all);
    // In all, what is promised and not used is what is wasted less what is used beyond.
    assert_eq!(i128::from(all.idle_slot_ms - all.borrowed_slot_ms()), plain * 1_000);
    println!(
        "KTH-SP2: {} users promised {} and wasted {} slot-hours",
        by_user.len(),
        all.reserved_slot_ms / HOUR_MS,
        all.idle_slot_ms / HOUR_MS
    );
    Ok(())
}
