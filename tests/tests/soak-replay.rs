//! A real machine's log replayed through the allocator gives the history that importing the log gives, to the slot-millisecond.
//!
//! Every start of a job claims its slots and every end releases them, at its own instant on a clock that is held still. In a pool
//! as large as the log's own peak nothing is refused; in a smaller one what a sweep over the same log says is refused, and nothing
//! else.

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use headroom_domain::allocation::{Ask, Report};
use headroom_domain::lease::{LONGEST_TTL_MS, Policy, Reason};
use headroom_domain::slug::Slug;
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};
use headroom_server::allocator::{Allocator, Op, Origin, Reply};
use headroom_server::app::import::{Silent, Source, SwfOptions, import_swf};
use headroom_server::clock::uuid;
use headroom_server::db::Db;
use headroom_server::jobs::feed;
use headroom_store::partition::{self, Cut};
use headroom_store::pool::{self, CapacityStep, PoolFields};
use headroom_store::usage::{Wanted, WideSums, sums};
use headroom_store::{owner, tenant};
use headroom_tests::database::Database;
use headroom_tests::soak;
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A start or an end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    at: Millis,
    /// Ends come before starts of the same instant: stretches are half-open.
    is_start: bool,
    job: usize,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    user: i64,
    slots: u32,
}

fn path() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("HEADROOM_DATA") else {
        println!("SKIPPED: HEADROOM_DATA does not name the folder of the public workload logs");
        return None;
    };
    let folder = PathBuf::from(data).join("swf-kth-sp2");
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.to_string_lossy().ends_with(".swf.gz"))
}

/// The log read in the plainest way.
fn read(path: &PathBuf) -> Result<(Vec<Job>, Vec<Step>)> {
    let mut text = String::new();
    GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let start = text.lines().find_map(|line| line.strip_prefix("; UnixStartTime:")).context("the log's start")?;
    let start: i64 = start.trim().parse()?;
    let (mut jobs, mut steps) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()) {
        let field: Vec<i64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let slots = if field[4] > 0 { field[4] } else { field[7] };
        if slots <= 0 || field[3] <= 0 {
            continue;
        }
        let begins = (start + field[1] + field[2].max(0)) * 1_000;
        steps.push(Step { at: begins, is_start: true, job: jobs.len() });
        steps.push(Step { at: begins + field[3] * 1_000, is_start: false, job: jobs.len() });
        jobs.push(Job { user: field[11], slots: u32::try_from(slots)? });
    }
    steps.sort_unstable();
    Ok((jobs, steps))
}

/// A tracked pool of so many slots from before the log begins.
async fn make_pool(conn: &mut PgConnection, slug: &str, capacity: i32, from: Millis) -> Result<i32> {
    let fields = PoolFields {
        slug: Slug::parse(slug)?,
        name: slug.to_owned(),
        description: String::new(),
        kind: headroom_domain::pool::PoolKind::Fixed,
        properties: headroom_domain::pool::Properties::default(),
        min_slots: None,
        max_slots: None,
        unit_cost_micros: None,
        owner: String::new(),
        runbook_url: String::new(),
        labels: BTreeMap::new(),
        services: Vec::new(),
        zone: "UTC".into(),
        region: None,
        stamp: None,
        feed_period_ms: None,
        retention_days: None,
    };
    let key = pool::create(conn, uuid(), &fields).await?;
    let step = CapacityStep {
        from_ms: from,
        configured: capacity,
        planned_down: 0,
        reason: String::new(),
        actor: "test".into(),
    };
    pool::set_capacity(conn, key, &step).await?;
    let policy = Policy { ttl_ms: LONGEST_TTL_MS, longest_ttl_ms: LONGEST_TTL_MS, ..Policy::default() };
    ensure!(owner::set_policy(conn, key, None, &policy).await?, "the pool is tracked");
    Ok(key)
}

/// Replays steps before an instant. Gives the jobs that were refused.
async fn replay(
    conn: &mut PgConnection,
    allocator: &Allocator,
    pool: i32,
    tenants: &HashMap<i64, i32>,
    (jobs, steps): (&[Job], &[Step]),
    until: Millis,
) -> Result<Vec<usize>> {
    let mut claims = HashMap::new();
    let mut refused = Vec::new();
    let mut clock = 0;
    for step in steps.iter().take_while(|step| step.at < until) {
        if step.at != clock {
            headroom_store::hold_test_clock(conn, step.at).await?;
            clock = step.at;
        }
        let job = jobs[step.job];
        if step.is_start {
            let claim = uuid();
            let ask = Ask {
                claim,
                tenant: tenants[&job.user],
                slots: job.slots,
                ttl_ms: LONGEST_TTL_MS,
                holder: format!("job-{}", step.job),
                actor: "test".to_owned(),
                ..Ask::default()
            };
            match allocator.ask(pool, Op::Claim(Box::new(ask), Origin::now()), None).await {
                Reply::Claim(view) => {
                    ensure!(view.slots.len() == job.slots as usize, "all or none");
                    claims.insert(step.job, view.claim);
                }
                Reply::Refused { reason: Reason::Full | Reason::MoreThanPool, .. } => refused.push(step.job),
                other => anyhow::bail!("job {} met {other:?}", step.job),
            }
        } else if let Some(claim) = claims.remove(&step.job) {
            let op = Op::Release { claim, report: Report::default(), actor: "test".to_owned() };
            let reply = allocator.ask(pool, op, None).await;
            ensure!(matches!(reply, Reply::Claim(_)), "job {} ended with {reply:?}", step.job);
        }
    }
    Ok(refused)
}

/// What a sweep over the same steps refuses.
fn sweep(jobs: &[Job], steps: &[Step], capacity: u32, until: Millis) -> Vec<usize> {
    let (mut held, mut refused) = (0, Vec::new());
    for step in steps.iter().take_while(|step| step.at < until) {
        let slots = jobs[step.job].slots;
        match step.is_start {
            true if held + slots > capacity => refused.push(step.job),
            true => held += slots,
            false if !refused.contains(&step.job) => held -= slots,
            false => {}
        }
    }
    refused
}

async fn of_pool(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<BTreeMap<i32, WideSums>> {
    let wanted = Wanted { pools: Some(vec![pool]), tenants: None };
    let found = sums(conn, &wanted, Some(from), Some(to)).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
    Ok(found
        .into_iter()
        .map(|((_, tenant), sums)| (tenant, sums))
        .filter(|(_, sums)| sums.occupied_slot_ms > 0)
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_log_is_the_imported_log() -> Result<()> {
    let Some(path) = path() else { return Ok(()) };
    let (jobs, steps) = read(&path)?;
    let first = steps.first().context("the log has jobs")?.at / MINUTE_MS * MINUTE_MS;
    let last = steps.last().context("the log has jobs")?.at / MINUTE_MS * MINUTE_MS + MINUTE_MS;
    let until = soak::count(first + 10 * DAY_MS, last);

    let database = Database::create().await?;
    let db = Db::connect(&database.url().parse()?);
    import_swf(&db.jobs, Source::path(path), &SwfOptions::default(), &(Arc::new(Silent) as Arc<_>)).await?;
    let mut conn = database.connect().await?;
    let imported: i32 =
        sqlx::query_scalar("SELECT pool_id FROM pool WHERE slug = 'kth-sp2'").fetch_one(&mut conn).await?;
    let tenants: HashMap<i64, i32> = tenant::keys(&mut conn)
        .await?
        .into_iter()
        .filter_map(|(key, slug)| Some((slug.strip_prefix("kth-sp2-u")?.parse().ok()?, key)))
        .collect();
    headroom_store::hold_test_clock(&mut conn, first).await?;
    partition::ensure(&mut conn, Cut::SlotEvents, first, until + 2 * DAY_MS).await?;
    let wide = make_pool(&mut conn, "wide", 104, first).await?;
    let tight = [
        (100, make_pool(&mut conn, "tight", 100, first).await?),
        (60, make_pool(&mut conn, "tighter", 60, first).await?),
    ];
    let cancel = CancellationToken::new();
    let (allocator, task) = Allocator::start(&db, String::new(), &cancel);

    let refused = replay(&mut conn, &allocator, wide, &tenants, (&jobs, &steps), until).await?;
    assert_eq!(refused, Vec::<usize>::new(), "the pool is as large as the log's own peak");
    headroom_store::hold_test_clock(&mut conn, until + 10_000).await?;
    feed::run(&db).await?;
    let expected = of_pool(&mut conn, imported, first, until).await?;
    let found = of_pool(&mut conn, wide, first, until).await?;
    ensure!(expected.len() > 20, "only {} tenants: the test does not test what it says", expected.len());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (tenant, sums) in &expected {
        assert_eq!(found[tenant].occupied_slot_ms, sums.occupied_slot_ms, "tenant {tenant}");
        assert_eq!(found[tenant].max_occupied, sums.max_occupied, "tenant {tenant}");
    }
    let mut day = first;
    while day + DAY_MS <= until {
        let expected = of_pool(&mut conn, imported, day, day + DAY_MS).await?;
        let found = of_pool(&mut conn, wide, day, day + DAY_MS).await?;
        for (tenant, sums) in &expected {
            let of = found.get(tenant).map(|sums| sums.occupied_slot_ms);
            assert_eq!(of, Some(sums.occupied_slot_ms), "tenant {tenant} on the day from {day}");
        }
        day += DAY_MS;
    }

    println!("{} tenants, exact", expected.len());
    for (capacity, pool) in tight {
        headroom_store::hold_test_clock(&mut conn, first).await?;
        let refused = replay(&mut conn, &allocator, pool, &tenants, (&jobs, &steps), until).await?;
        let told = sweep(&jobs, &steps, capacity, until);
        assert_eq!(refused, told, "refused where a sweep says, and nowhere else");
        println!("{} of {} jobs refused at {capacity} slots", refused.len(), jobs.len());
        ensure!(capacity == 100 || !refused.is_empty(), "nothing was refused: the test does not test what it says");
    }
    cancel.cancel();
    task.await?;
    Ok(())
}
