//! Logs of two real machines become history whose sums equal sums computed another way.

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use headroom_server::app::import::{
    By, End, Progress, Report, Silent, Source, SwfOptions, import_swf, list_imports, undo_import,
};
use headroom_store::usage::{Wanted, WideSums, sums};
use headroom_tests::database::Database;
use headroom_tests::service::command;
use sqlx::PgPool;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A log of the archive and what the issue of this product says about it.
struct Log {
    folder: &'static str,
    pool: &'static str,
    occupied_slot_s: i128,
    jobs: u64,
    users: usize,
    peak: i64,
    capacity: i64,
}

const KTH: Log = Log {
    folder: "swf-kth-sp2",
    pool: "kth-sp2",
    occupied_slot_s: 2_016_591_520,
    jobs: 28_467,
    users: 214,
    peak: 104,
    capacity: 100,
};
const NASA: Log = Log {
    folder: "swf-nasa-ipsc",
    pool: "nasa-ipsc",
    occupied_slot_s: 474_238_015,
    jobs: 18_066,
    users: 69,
    peak: 176,
    capacity: 128,
};

impl Log {
    /// The file, if the public logs are here.
    fn path(&self) -> Option<PathBuf> {
        let Some(data) = std::env::var_os("HEADROOM_DATA") else {
            println!("SKIPPED: HEADROOM_DATA does not name the folder of the public workload logs");
            return None;
        };
        let folder = PathBuf::from(data).join(self.folder);
        let found = std::fs::read_dir(&folder)
            .ok()?
            .flatten()
            .map(|e| e.path())
            .find(|p| p.to_string_lossy().ends_with(".swf.gz"));
        if found.is_none() {
            println!("SKIPPED: {} holds no .swf.gz", folder.display());
        }
        found
    }
}

/// The log read in the plainest way: no code of the product.
struct Plain {
    /// Slot-seconds by user.
    by_user: BTreeMap<i64, i128>,
    /// Jobs that count.
    jobs: u64,
    /// Most slots held in any one second, and in how many seconds more than `capacity` were.
    peak: i64,
    seconds_above: i64,
    /// Jobs that waited, and for how many seconds in all.
    waited: i128,
    wait_s: i128,
}

fn read_plainly(log: &Log) -> Result<Option<Plain>> {
    let Some(path) = log.path() else { return Ok(None) };
    let mut text = String::new();
    GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let mut plain = Plain { by_user: BTreeMap::new(), jobs: 0, peak: 0, seconds_above: 0, waited: 0, wait_s: 0 };
    // Change of the number of slots held, by second: a table of every second instead of a sweep.
    let mut change: Vec<i32> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()) {
        let field: Vec<i64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let slots = if field[4] > 0 { field[4] } else { field[7] };
        if slots <= 0 || field[3] <= 0 {
            continue;
        }
        plain.jobs += 1;
        *plain.by_user.entry(field[11]).or_default() += i128::from(slots * field[3]);
        let wait = field[2].max(0);
        plain.waited += i128::from(wait > 0);
        plain.wait_s += i128::from(wait);
        let (start, end) = ((field[1] + wait) as usize, (field[1] + wait + field[3]) as usize);
        if change.len() <= end {
            change.resize(end + 1, 0);
        }
        change[start] += slots as i32;
        change[end] -= slots as i32;
    }
    let mut held = 0;
    for step in change {
        held += i64::from(step);
        plain.peak = plain.peak.max(held);
        plain.seconds_above += i64::from(held > log.capacity);
    }
    Ok(Some(plain))
}

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

async fn import(db: &PgPool, log: &Log, options: &SwfOptions) -> Result<Report> {
    let path = log.path().context("looked for before")?;
    Ok(import_swf(db, Source::path(path), options, &silent()).await?)
}

/// Exact sums for all time by tenant slug; the pool's own under "".
async fn stored(db: &PgPool, pool: &str) -> Result<HashMap<String, WideSums>> {
    let mut conn = db.acquire().await?;
    let key: i32 =
        sqlx::query_scalar("select pool_id from pool where slug = $1").bind(pool).fetch_one(&mut *conn).await?;
    let slugs: Vec<(i32, String)> = sqlx::query_as("select tenant_id, slug from tenant").fetch_all(&mut *conn).await?;
    let slugs: HashMap<i32, String> = slugs.into_iter().collect();
    let wanted = Wanted { pools: Some(vec![key]), tenants: None };
    let sums = sums(&mut conn, &wanted, None, None).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
    Ok(sums.into_iter().map(|((_, tenant), sums)| (slugs.get(&tenant).cloned().unwrap_or_default(), sums)).collect())
}

/// Everything that an import may write, as text that changes when it does.
async fn fingerprint(db: &PgPool) -> Result<String> {
    let mut out = String::new();
    for table in [
        "import",
        "pool",
        "tenant",
        "pool_capacity",
        "pool_newest",
        "occ_1m",
        "occ_5m",
        "occ_1h",
        "occ_1d",
        "signal_5m",
    ] {
        let statement = format!(
            "select count(*)::text || ' ' || coalesce(md5(string_agg(t::text, '' order by t::text)), '') from {table} t"
        );
        let row: String = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(db).await?;
        writeln!(out, "{table} {row}")?;
    }
    Ok(out)
}

async fn exact(log: &Log) -> Result<()> {
    let Some(plain) = read_plainly(log)? else { return Ok(()) };
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let report = import(&db, log, &SwfOptions::default()).await?;

    // What the product's issue says, to the slot-second.
    ensure!(
        plain.jobs == log.jobs && plain.by_user.len() == log.users && plain.peak == log.peak,
        "the plain reading is off"
    );
    assert_eq!((report.jobs, report.tenants as usize, report.peak), (log.jobs, log.users, log.peak));
    assert!(
        report.warnings.iter().any(|w| w.contains(&format!("{} of {} slots", log.peak, log.capacity))),
        "{:?}",
        report.warnings
    );

    let mut found = stored(&db, log.pool).await?;
    let total = found.remove("").context("the pool has a total")?;
    assert_eq!(total.occupied_slot_ms, log.occupied_slot_s * 1000);
    assert_eq!(total.max_occupied, log.peak);
    assert_eq!((total.claims, total.rejections), (log.jobs.into(), 0));
    assert_eq!((total.waited, total.queue_ms), (plain.waited, plain.wait_s * 1000));
    assert_eq!(total.capacity_slot_ms, total.observed_ms * i128::from(log.capacity));
    let span = report.to_ms.zip(report.from_ms).map(|(to, from)| i128::from(to - from));
    assert_eq!(Some(total.observed_ms), span, "observed from the start of the log to its last end");
    assert!(total.saturated_ms >= i128::from(plain.seconds_above) * 1000);

    // Every tenant, and no other.
    assert_eq!(found.len(), plain.by_user.len());
    for (user, slot_s) in &plain.by_user {
        let tenant = format!("{}-u{user}", log.pool);
        let sums = found.get(&tenant).with_context(|| format!("{tenant} has no history"))?;
        assert_eq!(sums.occupied_slot_ms, slot_s * 1000, "{tenant}");
    }
    let longest = found.values().map(|s| s.max_occupied).max();
    assert!(longest <= Some(log.peak));

    // Again: nothing changes.
    let before = fingerprint(&db).await?;
    let again = import(&db, log, &SwfOptions::default()).await?;
    assert!(again.already_done);
    assert_eq!((again.jobs, again.peak, again.part), (report.jobs, report.peak, report.part));
    assert_eq!(fingerprint(&db).await?, before);

    // The same time twice, differently: refused, nothing left behind.
    let other = SwfOptions { by: By::Group, ..SwfOptions::default() };
    let refused = import(&db, log, &other).await.expect_err("covers the same time").to_string();
    assert!(
        refused.contains(log.pool) && refused.contains("already has history from") && refused.contains("import 1"),
        "{refused}"
    );
    assert_eq!(fingerprint(&db).await?, before);

    // Undone: no history, and then it may come again.
    assert!(undo_import(&db, report.part.context("a part")?).await?);
    assert!(stored(&db, log.pool).await?.is_empty());
    assert!(!import(&db, log, &other).await?.already_done);
    Ok(())
}

#[tokio::test]
async fn kth_sp2_is_exact() -> Result<()> {
    exact(&KTH).await
}

#[tokio::test]
async fn nasa_ipsc_is_exact() -> Result<()> {
    exact(&NASA).await
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_the_same() -> Result<()> {
    let Some(plain) = read_plainly(&NASA)? else { return Ok(()) };
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let before = fingerprint(&db).await?;
    let report = import(&db, &NASA, &SwfOptions { dry_run: true, ..SwfOptions::default() }).await?;
    assert_eq!((report.jobs, report.peak, report.dry_run, report.part), (plain.jobs, NASA.peak, true, None));
    assert_eq!(fingerprint(&db).await?, before);
    Ok(())
}

#[tokio::test]
async fn the_largest_tenants_and_others_add_up_and_a_shifted_log_keeps_its_sums() -> Result<()> {
    let Some(plain) = read_plainly(&NASA)? else { return Ok(()) };
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let end = 1_795_248_000_000;
    let options =
        SwfOptions { tenants: 5, end: Some(End::At(end)), pool: Some("shifted".into()), ..SwfOptions::default() };
    let report = import(&db, &NASA, &options).await?;
    let to = report.to_ms.context("an end")?;
    assert!(to <= end && end - to < 60_000, "ends in the minute asked for: {to}");
    let mut found = stored(&db, "shifted").await?;
    let total = found.remove("").context("a total")?;
    assert_eq!((total.occupied_slot_ms, total.max_occupied), (NASA.occupied_slot_s * 1000, NASA.peak));
    let mut largest: Vec<i128> = plain.by_user.values().copied().collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(found.len(), 6);
    assert_eq!(found["others"].occupied_slot_ms, largest[5..].iter().sum::<i128>() * 1000);
    Ok(())
}

/// Kills the program once a piece of its import is in the database; false if it was too quick.
async fn kill_half_way(db: &PgPool, arguments: &[&str]) -> Result<bool> {
    let mut child = command(arguments)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let begun: Option<(String, i64)> =
            sqlx::query_as("select state, rows_done from import").fetch_optional(db).await?;
        match begun {
            Some((state, _)) if state == "done" => {
                child.wait()?;
                return Ok(false);
            }
            Some((_, rows)) if rows > 0 => break,
            _ => {}
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("headroom {arguments:?} ended with {status} before it wrote anything");
        }
        ensure!(Instant::now() < deadline, "headroom {arguments:?} wrote nothing within two minutes");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill()?;
    child.wait()?;
    let state: String = sqlx::query_scalar("select state from import").fetch_one(db).await?;
    Ok(state == "running")
}

#[tokio::test]
async fn killed_half_way_and_repeated_the_sums_are_the_same() -> Result<()> {
    let Some(path) = KTH.path() else { return Ok(()) };
    let path = path.to_string_lossy().into_owned();
    let reference = Database::create().await?;
    let reference = PgPool::connect(reference.url()).await?;
    import(&reference, &KTH, &SwfOptions::default()).await?;

    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let was_half_way = kill_half_way(&db, &["import", "swf", &path, "--database-url", database.url()]).await?;
    ensure!(was_half_way, "the import was done before it could be killed");
    // Nobody sees it: no pool, no tenant, no sums.
    let seen: i64 =
        sqlx::query_scalar("select (select count(*) from pool) + (select count(*) from tenant)").fetch_one(&db).await?;
    assert_eq!(seen, 0);

    let report = import(&db, &KTH, &SwfOptions::default()).await?;
    assert!(!report.already_done);
    let (once, repeated) = (stored(&reference, KTH.pool).await?, stored(&db, KTH.pool).await?);
    assert_eq!(repeated, once);
    assert_eq!(repeated[""].occupied_slot_ms, KTH.occupied_slot_s * 1000);
    assert_eq!(list_imports(&db).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn two_at_once_import_once() -> Result<()> {
    if NASA.path().is_none() {
        return Ok(());
    }
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let options = SwfOptions::default();
    let (a, b) = tokio::join!(import(&db, &NASA, &options), import(&db, &NASA, &options));
    // The second either waits for the lock and finds it done, or is told that it is running.
    let done = [&a, &b].iter().filter(|r| r.as_ref().is_ok_and(|r| !r.already_done)).count();
    assert_eq!(done, 1, "{a:?} {b:?}");
    for refused in [a, b].into_iter().filter_map(Result::err) {
        assert!(refused.to_string().contains("is running in another process"), "{refused}");
    }
    assert_eq!(stored(&db, NASA.pool).await?[""].occupied_slot_ms, NASA.occupied_slot_s * 1000);
    Ok(())
}
