//! Samples, intervals and changes from files: exact, once, all or nothing, and what is wrong is told.

use anyhow::{Context, Result, ensure};
use headroom_server::app::import::{
    ChangesOptions, IntervalsOptions, OccupancyOptions, Progress, Report, Silent, Source, import_changes,
    import_intervals, import_occupancy, list_imports, undo_import,
};
use headroom_server::clock::seeded;
use headroom_store::usage::{Wanted, WideSums, sums};
use headroom_tests::database::Database;
use headroom_tests::service::command;
use rand::Rng;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

fn source(text: &str) -> Source {
    Source::reader("rows", Box::new(Cursor::new(text.as_bytes().to_vec())))
}

const MAKE: OccupancyOptions = OccupancyOptions {
    pool: None,
    step_ms: 60_000,
    format: None,
    create_pools: true,
    create_tenants: true,
    end: None,
    skip_bad_lines: false,
    dry_run: false,
};

async fn occupancy(db: &PgPool, text: &str) -> Result<Report> {
    Ok(import_occupancy(db, source(text), &MAKE, &silent()).await?)
}

async fn refused(db: &PgPool, text: &str, options: &OccupancyOptions) -> String {
    match import_occupancy(db, source(text), options, &silent()).await {
        Ok(report) => panic!("was imported: {report:?}"),
        Err(error) => error.to_string(),
    }
}

/// Sums for all time by pool and tenant slug; the pool's own under "".
async fn stored(db: &PgPool) -> Result<BTreeMap<(String, String), WideSums>> {
    let mut conn = db.acquire().await?;
    let pools: Vec<(i32, String)> = sqlx::query_as("select pool_id, slug from pool").fetch_all(&mut *conn).await?;
    let tenants: Vec<(i32, String)> =
        sqlx::query_as("select tenant_id, slug from tenant").fetch_all(&mut *conn).await?;
    let name = |list: &[(i32, String)], key: i32| {
        list.iter().find(|(k, _)| *k == key).map(|(_, slug)| slug.clone()).unwrap_or_default()
    };
    let found = sums(&mut conn, &Wanted::default(), None, None).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
    Ok(found.into_iter().map(|((pool, tenant), sums)| ((name(&pools, pool), name(&tenants, tenant)), sums)).collect())
}

/// Rows of every table that an import may write to.
async fn rows_anywhere(db: &PgPool) -> Result<i64> {
    let mut total = 0;
    for table in [
        "import",
        "pool",
        "tenant",
        "pool_capacity",
        "pool_newest",
        "pool_signal",
        "occ_1m",
        "occ_5m",
        "occ_1h",
        "occ_1d",
        "signal_5m",
        "change_event",
    ] {
        let statement = format!("select count(*) from {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(db).await?;
        total += rows;
    }
    Ok(total)
}

async fn open() -> Result<(Database, PgPool)> {
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    Ok((database, db))
}

type Expected = BTreeMap<(String, String), (i128, i128, i64)>;

/// A file of samples by time, pool and tenant, and its sums (slot-milliseconds, claims, most).
fn sample_file(seed: u64, pools: usize, minutes: i64) -> (String, Expected) {
    let mut rng = seeded(seed);
    let mut text = String::from("pool,ts,tenant,capacity,occupied,claims,signal:lag\n");
    let mut expected = Expected::new();
    let mut note = |pool: &str, tenant: &str, occupied: i64, claims: i64| {
        let entry = expected.entry((pool.into(), tenant.into())).or_default();
        *entry = (entry.0 + i128::from(occupied * 60_000), entry.1 + i128::from(claims), entry.2.max(occupied));
    };
    for minute in 0..minutes {
        if minute % 97 == 5 {
            continue; // a gap
        }
        let ts = headroom_domain::range::rfc3339(1_767_225_600_000 + minute * 60_000);
        for pool in 0..pools {
            let pool = format!("pool-{pool}");
            let (mut total, mut claims) = (0, 0);
            for tenant in ["a", "b", "c"] {
                let (occupied, claimed) = (rng.random_range(0..50), rng.random_range(0..5));
                writeln!(text, "{pool},{ts},{tenant},100,{occupied},{claimed},1.5").expect("memory");
                note(&pool, tenant, occupied, claimed);
                total += occupied;
                claims += claimed;
            }
            note(&pool, "", total, claims);
        }
    }
    (text, expected)
}

fn brief(stored: BTreeMap<(String, String), WideSums>) -> Expected {
    stored.into_iter().map(|(key, s)| (key, (s.occupied_slot_ms, s.claims, s.max_occupied))).collect()
}

#[tokio::test]
async fn samples_are_exact_once_and_can_be_undone() -> Result<()> {
    let (_database, db) = open().await?;
    let (text, expected) = sample_file(1, 4, 3000);
    let dry = import_occupancy(&db, source(&text), &OccupancyOptions { dry_run: true, ..MAKE }, &silent()).await?;
    assert_eq!((dry.dry_run, rows_anywhere(&db).await?), (true, 0), "a dry run writes nothing");
    let report = occupancy(&db, &text).await?;
    assert_eq!((report.rows, report.jobs, report.tenants), (dry.rows, dry.jobs, 3));
    assert_eq!(brief(stored(&db).await?), expected);
    let capacity = stored(&db).await?[&("pool-0".into(), String::new())];
    assert_eq!(capacity.capacity_slot_ms, capacity.observed_ms * 100);
    let signal: (String, i64) = sqlx::query_as("select min(name), count(*) from pool_signal").fetch_one(&db).await?;
    assert_eq!(signal, ("lag".into(), 4));

    let rows = rows_anywhere(&db).await?;
    assert!(occupancy(&db, &text).await?.already_done);
    // The same samples in another order of lines are another file, and are refused for their time.
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    lines.sort_by_key(|line| line.split(',').next());
    let sorted = format!("{}\n{}\n", text.lines().next().context("a header")?, lines.join("\n"));
    let problem = refused(&db, &sorted, &MAKE).await;
    assert!(
        problem.starts_with("pool pool-0 already has history from 2026-01-01T00:00:00Z to 2026-01-03"),
        "{problem}"
    );
    assert!(problem.contains("import 1 (rows)"), "{problem}");
    assert_eq!((rows_anywhere(&db).await?, brief(stored(&db).await?)), (rows, expected.clone()));

    assert!(undo_import(&db, report.part.context("a part")?).await?);
    assert!(!undo_import(&db, 1).await?);
    occupancy(&db, &sorted).await?;
    assert_eq!(brief(stored(&db).await?), expected, "by pool as by time");
    Ok(())
}

#[tokio::test]
async fn killed_half_way_samples_go_on_from_where_they_were() -> Result<()> {
    let (database, db) = open().await?;
    let (text, expected) = sample_file(2, 30, 6000);
    let folder = headroom_tests::service::data_dir()?;
    let path = folder.path().join("samples.csv");
    std::fs::write(&path, &text)?;
    let path = path.to_string_lossy().into_owned();
    let arguments =
        ["import", "occupancy", &path, "--create-pools", "--create-tenants", "--database-url", database.url()];
    let mut child = command(&arguments)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let done: Option<i64> = sqlx::query_scalar("select bytes_done from import").fetch_optional(&db).await?;
        if done.is_some_and(|bytes| bytes > 0) {
            break;
        }
        ensure!(
            child.try_wait()?.is_none() && Instant::now() < deadline,
            "the import ended or hung before its first piece"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill()?;
    child.wait()?;
    let (state, bytes): (String, i64) = sqlx::query_as("select state, bytes_done from import").fetch_one(&db).await?;
    ensure!(state == "running", "the import was done before it could be killed");
    assert!(stored(&db).await?.is_empty(), "nobody sees half an import");

    let written: i64 = sqlx::query_scalar("select count(*) from occ_1m").fetch_one(&db).await?;
    let report = import_occupancy(&db, Source::path(&path), &MAKE, &silent()).await?;
    ensure!(!report.already_done && bytes > 0 && written > 0, "it did not go on from anything");
    assert_eq!(brief(stored(&db).await?), expected);
    assert_eq!(list_imports(&db).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_pool_row_states_the_total_and_promises_without_rows_are_idle() -> Result<()> {
    let (_database, db) = open().await?;
    occupancy(&db, "pool,ts_s,tenant,occupied,capacity\np,60,a,1,9\n").await?;
    sqlx::query(
        "with made as (
             insert into reservation (reservation_id, pool_id, tenant_id, name, terms, from_at)
             select gen_random_uuid(), pool_id, tenant_id, 'all', '{}', to_timestamp(0) from pool, tenant
             returning reservation_id, pool_id, tenant_id)
         insert into promise (reservation_id, pool_id, tenant_id, during, baseline)
         select reservation_id, pool_id, tenant_id, tstzrange(to_timestamp(0), null), 3 from made",
    )
    .execute(&db)
    .await?;
    let text = "{\"pool\":\"p\",\"ts_ms\":120000,\"occupied\":8,\"duration_ms\":1500}\n\
                {\"pool\":\"p\",\"ts_ms\":120000,\"tenant\":\"b\",\"occupied\":2,\"duration_ms\":1500}\n";
    occupancy(&db, text).await?;
    let found = stored(&db).await?;
    let pool = &found[&("p".to_owned(), String::new())];
    assert_eq!((pool.occupied_slot_ms, pool.observed_ms), (60_000 + 8 * 1500, 61_500));
    assert_eq!(
        (pool.capacity_slot_ms, pool.reserved_slot_ms, pool.reserved_idle_slot_ms),
        (9 * 61_500, 3 * 1500, 3 * 1500)
    );
    Ok(())
}

#[tokio::test]
async fn wrong_samples_are_told_by_line_and_leave_nothing() -> Result<()> {
    let (_database, db) = open().await?;
    let head = "pool,ts,tenant,occupied,capacity\n";
    let good = "p,2026-01-01T00:00:00Z,a,1,9\n";
    for (line, expected) in [
        ("p,2026-01-01T00:01:00Z,a,-1,9", "line 3, occupied: found \"-1\", expected a whole number from 0 to 10000000"),
        ("p,2026-01-01T00:01:00Z,a,99999999999999999999,9", "line 3, occupied: found \"99999999999999999999\""),
        ("p,2026-01-01T00:01:00Z,a,1e3,9", "line 3, occupied: found \"1e3\""),
        ("p,2026-01-01,a,1,9", "line 3, ts: found \"2026-01-01\", expected a time such as"),
        ("p,1969-12-31T23:59:59Z,a,1,9", "expected a time from 1970-01-01 to 2200-01-01"),
        ("p,2200-01-01T00:00:00Z,a,1,9", "expected a time from 1970-01-01 to 2200-01-01"),
        ("p,9999-01-01T00:00:00Z,a,1,9", "expected a time from 1970-01-01 to 2200-01-01"),
        ("p,2026-01-01T00:01:00Z,a,1", "line 3, line: found \"4 cells\", expected 5, as in the header"),
        ("p,2026-01-01T00:01:00Z,a,1,9,9", "line 3, line: found \"6 cells\", expected 5"),
        ("P!,2026-01-01T00:01:00Z,a,1,9", "line 3, pool: found \"P!\", expected a slug"),
        ("\u{0},2026-01-01T00:01:00Z,a,1,9", "line 3, pool: found \"\\0\""),
        (",2026-01-01T00:01:00Z,a,1,9", "line 3, pool: nothing found"),
        (
            "p,2026-01-01T00:00:00Z,a,1,9",
            "line 3, ts: found \"2026-01-01T00:00:00Z\", expected one row for a pool, tenant and time",
        ),
        (
            "p,2026-01-01T00:00:30Z,a,1,9",
            "expected a time that no other row of pool p covers (rows before cover 2026-01-01T00:00:00Z to 2026-01-01T00:01:00Z)",
        ),
        ("p,2026-01-01T00:00:00Z,b,1,8", "line 3, capacity: found \"8\", expected 9 as in the other rows"),
        ("q,2026-01-01T00:00:00Z,b,1,", "line 3, capacity: nothing found, expected a number of slots"),
        ("\"p,2026-01-01T00:01:00Z,a,1,9", "expected a closing quote on the same line"),
    ] {
        let problem = refused(&db, &format!("{head}{good}{line}\n"), &MAKE).await;
        assert!(problem.starts_with("rows has 1 wrong lines, nothing was imported"), "{line}: {problem}");
        assert!(problem.contains(expected), "{line}: {problem}");
        assert_eq!(rows_anywhere(&db).await?, 0, "{line}");
    }
    // Left out on demand, and counted.
    let text = format!("{head}{good}p,2026-01-01T00:01:00Z,a,-1,9\np,2026-01-01T00:02:00Z,a,4,9\n");
    let report =
        import_occupancy(&db, source(&text), &OccupancyOptions { skip_bad_lines: true, ..MAKE }, &silent()).await?;
    assert_eq!((report.jobs, report.rejected.total, report.rejected.shown[0].line), (2, 1, 3));
    assert_eq!(stored(&db).await?[&("p".into(), "a".into())].occupied_slot_ms, 5 * 60_000);
    Ok(())
}

#[tokio::test]
async fn unknown_names_are_refused_with_the_nearest_unless_they_are_to_be_made() -> Result<()> {
    let (_database, db) = open().await?;
    occupancy(&db, "pool,ts_s,tenant,occupied,capacity\ningress-eu,60,acme,1,9\n").await?;
    let rows = rows_anywhere(&db).await?;
    let careful = OccupancyOptions { create_pools: false, create_tenants: false, ..MAKE };
    let problem =
        refused(&db, "pool,ts_s,tenant,occupied\ningres-eu,600,acme,1\ningress-eu,600,acmee,1\n", &careful).await;
    assert!(problem.contains("line 2, pool: found \"ingres-eu\", expected a pool that exists, perhaps ingress-eu (--create-pools makes new ones)"), "{problem}");
    assert!(problem.contains("line 3, tenant: found \"acmee\", expected a tenant that exists, perhaps acme (--create-tenants makes new ones)"), "{problem}");
    assert_eq!(rows_anywhere(&db).await?, rows);
    Ok(())
}

#[tokio::test]
async fn files_that_are_no_tables_are_named_for_what_they_are() -> Result<()> {
    let (_database, db) = open().await?;
    let (whole, _) = sample_file(3, 2, 400);
    let packed = {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(whole.as_bytes())?;
        out.finish()?
    };
    let bytes = |bytes: &[u8]| Source::reader("rows", Box::new(Cursor::new(bytes.to_vec())));
    for (content, expected) in [
        (&b""[..], "the file is empty"),
        (b"\xff\xfep\0o\0o\0l\0", "this is UTF-16 text"),
        (b"PK\x03\x04rest", "this is a zip archive"),
        (b"pool;ts;occupied\n", "separated by commas"),
        (b"pool,ts,ocupied\n", "perhaps occupied"),
        (b"pool,ts\n", "has no column occupied"),
        (b"pool,occupied\n", "has no column ts (or ts_s, ts_ms)"),
        (b"pool,ts,occupied\n", "has no row that could be taken"),
        (&packed[..packed.len() / 2], "the gzip data ends or is damaged after line"),
        (&packed[..20], "the gzip data ends or is damaged after line 0"),
    ] {
        let error = import_occupancy(&db, bytes(content), &MAKE, &silent()).await.expect_err("no table").to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(rows_anywhere(&db).await?, 0, "{expected}");
    }
    // Whole and packed it is the same import as plain.
    let packed = import_occupancy(&db, bytes(&packed), &MAKE, &silent()).await?;
    assert_eq!(packed.jobs as usize, whole.lines().count() - 1);
    Ok(())
}

#[tokio::test]
async fn a_gigabyte_without_a_line_end_is_told_by_its_line() -> Result<()> {
    let (_database, db) = open().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sparse.csv");
    std::fs::write(&path, "pool,ts_s,occupied,capacity\np,60,1,9\n")?;
    // A hole: it takes no room on the disk and reads as a gigabyte of zeros.
    std::fs::OpenOptions::new().write(true).open(&path)?.set_len(1 << 30)?;
    let error = import_occupancy(&db, Source::path(&path), &MAKE, &silent())
        .await
        .expect_err("one line is too long")
        .to_string();
    assert!(error.contains("line 3, line: found \"more than 1048576 bytes without a line end\""), "{error}");
    assert_eq!(rows_anywhere(&db).await?, 0);
    Ok(())
}

const MAKE_INTERVALS: IntervalsOptions = IntervalsOptions {
    pool: None,
    tenants: 1000,
    capacity: Some(10),
    format: None,
    create_pools: true,
    create_tenants: true,
    end: None,
    skip_bad_lines: false,
    dry_run: false,
};

#[tokio::test]
async fn intervals_of_many_pools_are_exact() -> Result<()> {
    let (_database, db) = open().await?;
    let mut rng = seeded(7);
    let mut text = String::from("pool,tenant,slots,submit_s,start_s,end_s,state\n");
    // By pool and second: the plainest count there is.
    let mut held: BTreeMap<(i64, i64), BTreeMap<i64, i64>> = BTreeMap::new();
    let mut rows: Vec<String> = Vec::new();
    for _ in 0..300 {
        let (pool, tenant, slots) = (rng.random_range(0..3), rng.random_range(0..5), rng.random_range(1..9));
        let start = 86_000 + rng.random_range(0..3000_i64);
        let (end, wait) = (start + rng.random_range(1..900), rng.random_range(0..3));
        rows.push(format!("pool-{pool},t{tenant},{slots},{},{start},{end},done", start - wait));
        for second in start..end {
            *held.entry((pool, second)).or_default().entry(tenant).or_default() += slots;
        }
    }
    rows.push("pool-0,t0,5,1000,,,PENDING".into());
    text.push_str(&rows.join("\n"));
    let report = import_intervals(&db, source(&text), &MAKE_INTERVALS, &silent()).await?;
    assert_eq!((report.jobs, report.skipped, report.tenants), (300, 1, 5));
    let mut expected: BTreeMap<(String, String), (i128, i64)> = BTreeMap::new();
    for ((pool, _), tenants) in &held {
        let mut note = |tenant: String, slots: i64| {
            let entry = expected.entry((format!("pool-{pool}"), tenant)).or_default();
            *entry = (entry.0 + i128::from(slots * 1000), entry.1.max(slots));
        };
        note(String::new(), tenants.values().sum());
        for (tenant, slots) in tenants {
            note(format!("t{tenant}"), *slots);
        }
    }
    let found = stored(&db).await?;
    let brief: BTreeMap<_, _> =
        found.iter().map(|(key, s)| (key.clone(), (s.occupied_slot_ms, s.max_occupied))).collect();
    assert_eq!(brief, expected);
    let claims: i128 = found.iter().filter(|((_, tenant), _)| tenant.is_empty()).map(|(_, s)| s.claims).sum();
    assert_eq!((claims, report.peak), (300, brief.values().map(|(_, most)| *most).max().unwrap_or_default()));

    assert!(import_intervals(&db, source(&text), &MAKE_INTERVALS, &silent()).await?.already_done);
    let rows = rows_anywhere(&db).await?;
    for (line, expected) in [
        ("pool-9,t0,1,0,10,5,", "line 2, end: found \"5\", expected a time that is not before the start"),
        ("pool-9,,1,0,10,15,", "line 2, tenant: nothing found"),
        ("pool-9,t0,-1,0,10,15,", "line 2, slots: found \"-1\""),
        ("pool-0,t0,1,86000,87000,87010,", "pool pool-0 already has history from 1970-01-02T00:00:00Z"),
    ] {
        let wrong = format!("pool,tenant,slots,submit_s,start_s,end_s,state\n{line}\n");
        let error =
            import_intervals(&db, source(&wrong), &MAKE_INTERVALS, &silent()).await.expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
        assert_eq!(rows_anywhere(&db).await?, rows, "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn changes_are_recorded_once_and_all_or_none() -> Result<()> {
    let (_database, db) = open().await?;
    occupancy(&db, "pool,ts_s,occupied,capacity\np,60,1,9\n").await?;
    let text = "ts,kind,pool,title,url\n2026-01-01T00:00:00Z,deploy,p,v1,https://ci.example/1\n2026-01-02T00:00:00Z,config,,\"limits, raised\",\n";
    let import = |text: String| {
        let db = db.clone();
        async move { import_changes(&db, source(&text), &ChangesOptions::default(), &silent()).await }
    };
    assert_eq!(import(text.to_owned()).await?.jobs, 2);
    assert!(import(text.to_owned()).await?.already_done);
    let more = format!("{text}2026-01-03T00:00:00Z,swap,p,v2,\n");
    let report = import(more.clone()).await?;
    assert_eq!((report.jobs, report.warnings.len()), (1, 1));
    let wrong = format!("{more}2026-01-04T00:00:00Z,scale,p,up,\n2026-01-05T00:00:00Z,party,x,,\n");
    let error = import(wrong).await.expect_err("wrong").to_string();
    assert!(error.contains("line 6, pool: found \"x\", expected a pool that exists"), "{error}");
    let changes: i64 = sqlx::query_scalar("select count(*) from change_event").fetch_one(&db).await?;
    assert_eq!(changes, 3);
    Ok(())
}
