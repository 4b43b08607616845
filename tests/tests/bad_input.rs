//! Input that is wrong in every way we could think of: logs, and what is posted to the ingest API.

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use headroom_server::app::import::{Progress, Silent, Source, SwfOptions, import_swf};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use http::Method;
use serde_json::json;
use sqlx::{Connection, PgPool};
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

const HEADER: &str =
    "; Computer: Test\n; MaxProcs: 10\n; UnixStartTime: 800000000\n; TimeZoneString: Europe/Stockholm\n";
const JOB: &str = "1 0 5 10 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n";

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

async fn nothing_is_there(db: &PgPool) -> Result<bool> {
    let rows: i64 = sqlx::query_scalar(
        "select (select count(*) from import) + (select count(*) from pool) + (select count(*) from tenant) + (select count(*) from occ_1d)",
    )
    .fetch_one(db)
    .await?;
    Ok(rows == 0)
}

#[tokio::test]
async fn logs_that_are_damaged_are_refused_and_leave_nothing() -> Result<()> {
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let long: String = (0..20_000)
        .map(|i| format!("{i} {i} 5 10 2 -1 -1 2 -1 -1 1 {} 1 -1 0 -1 -1 -1", i % 97))
        .collect::<Vec<_>>()
        .join("\n");
    let packed = gzip(format!("{HEADER}{long}").as_bytes())?;
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let text = |line: &str| format!("{HEADER}{JOB}{line}").into_bytes();
    for (content, expected) in [
        (
            text("2 0 5 ten 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"),
            "line 6, run time (field 4): found \"ten\", expected a number",
        ),
        (text("2 0 5"), "line 6, line: found \"3 fields\", expected 18 fields"),
        (text("2 0 5 10 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1 9\n"), "found \"19 fields\""),
        (
            text("2 0 5 99999999999999999999 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"),
            "run time (field 4): found \"99999999999999999999\"",
        ),
        (text("2 0 5 10 10000001 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"), "expected -1 to 10000000"),
        (text("2 -9 5 10 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"), "submit time (field 2): found \"-9\""),
        (text("2 \0 5 10 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"), "submit time (field 2): found"),
        (text("\u{ff}\u{fe} garbage\n"), "line 6, job number (field 1): found"),
        ([HEADER.as_bytes(), b"\xff\xff\xff\n"].concat(), "line 5, job number (field 1)"),
        (b"\xff\xfe;\0 \0".to_vec(), "this is UTF-16 text"),
        (packed[..packed.len() / 2].to_vec(), "the gzip data ends or is damaged after line"),
        (flipped, "the gzip data ends or is damaged after line"),
        (HEADER.as_bytes().to_vec(), "has no job that held slots"),
        (Vec::new(), "does not say how many processors"),
        (
            JOB.as_bytes().to_vec(),
            "does not say how many processors the machine has (MaxProcs in its header); state them with --capacity",
        ),
        (
            format!("; MaxProcs: 5\n{JOB}").into_bytes(),
            "does not say when it starts (UnixStartTime in its header); state it with --start or --end",
        ),
        (
            text("2 3000000000 5 10 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"),
            "submit time (field 2): found \"3000000000\", expected -1 to 631152000",
        ),
        (
            text("2 600000000 5 600000000 2 -1 -1 2 -1 -1 1 7 1 -1 0 -1 -1 -1\n"),
            "the log would reach over 13888 days, at most 7320 are taken",
        ),
    ] {
        let source = Source::reader("log.swf", Box::new(Cursor::new(content)));
        let error = import_swf(&db, source, &SwfOptions::default(), &silent()).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(nothing_is_there(&db).await?, "{expected}");
    }
    for (options, expected) in [
        (
            SwfOptions { zone: Some("Europe/Stokholm".into()), ..SwfOptions::default() },
            "--zone is \"Europe/Stokholm\", expected an IANA zone such as Europe/Berlin, perhaps Europe/Stockholm",
        ),
        (SwfOptions { pool: Some("No Slug".into()), ..SwfOptions::default() }, "--pool is \"No Slug\", which"),
        (SwfOptions { tenants: 0, ..SwfOptions::default() }, "--tenants is 0, expected 1 to 10000"),
        (SwfOptions { capacity: Some(-1), ..SwfOptions::default() }, "--capacity is -1"),
    ] {
        let source = Source::reader("log.swf", Box::new(Cursor::new(text(""))));
        let error = import_swf(&db, source, &options, &silent()).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let error = import_swf(&db, Source::path("/nowhere/at/all.swf"), &SwfOptions::default(), &silent())
        .await
        .expect_err("no file")
        .to_string();
    assert!(error.starts_with("all.swf cannot be opened: "), "{error}");
    assert!(nothing_is_there(&db).await?);
    Ok(())
}

#[tokio::test]
async fn a_log_of_one_gigabyte_in_one_line_is_told_by_its_line() -> Result<()> {
    let database = Database::create().await?;
    let db = PgPool::connect(database.url()).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sparse.swf");
    std::fs::write(&path, format!("{HEADER}{JOB}"))?;
    std::fs::OpenOptions::new().write(true).open(&path)?.set_len(1 << 30)?;
    let error = import_swf(&db, Source::path(&path), &SwfOptions::default(), &silent())
        .await
        .expect_err("too long")
        .to_string();
    assert!(error.contains("line 6, line: found \"more than 1048576 bytes\""), "{error}");
    assert!(nothing_is_there(&db).await?);
    Ok(())
}

/// A service with one pool that has a capacity.
async fn service() -> Result<(Database, Service, Client)> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    sqlx::query("insert into pool (id, slug, name, kind) values (gen_random_uuid(), 'p', 'p', 'fixed')")
        .execute(&mut conn)
        .await?;
    sqlx::query("insert into pool_capacity (pool_id, from_at, configured, actor) select pool_id, to_timestamp(0), 10, 'test' from pool")
        .execute(&mut conn)
        .await?;
    conn.close().await?;
    let service = Service::start(&["serve", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    Ok((database, service, client))
}

const PATH: &str = "/api/v1/ingest/occupancy";

async fn post(client: &Client, headers: &[(&str, &str)], path: &str, body: Vec<u8>) -> Result<Answer> {
    client.send(Method::POST, path, headers, Some(body)).await
}

#[tokio::test]
async fn batches_that_cannot_be_read_are_problems_and_never_a_failure() -> Result<()> {
    let (database, service, client) = service().await?;
    let json = [("content-type", "application/json")];
    let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let ndjson = [("content-type", "application/x-ndjson")];
    let whole = json!({"source": "s", "seq": 1, "rows": []}).to_string().into_bytes();
    let cut = gzip(&whole)?;
    let bomb = gzip(&vec![b' '; 70 << 20])?;
    let many = format!(r#"{{"source":"s","seq":1,"rows":[{}]}}"#, vec!["{}"; 100_001].join(","));
    for (headers, path, body, status) in [
        (&json[..], PATH, Vec::new(), 422),
        (&json, PATH, b"{".to_vec(), 422),
        (&json, PATH, b"[]".to_vec(), 422),
        (&json, PATH, b"\xff\xfe\0".to_vec(), 422),
        (&json, PATH, b"{\"source\":\"\xff\",\"seq\":1,\"rows\":[]}".to_vec(), 422),
        (&json, PATH, br#"{"source":"s","seq":-1,"rows":[]}"#.to_vec(), 422),
        (&json, PATH, br#"{"source":"s","seq":99999999999999999999,"rows":[]}"#.to_vec(), 422),
        (&json, PATH, br#"{"source":"","seq":1,"rows":[]}"#.to_vec(), 422),
        (&json, PATH, br#"{"source":"s","seq":1,"step_ms":-5,"rows":[]}"#.to_vec(), 422),
        (&json, PATH, many.into_bytes(), 422),
        (&packed, PATH, cut[..cut.len() - 9].to_vec(), 422),
        (&packed, PATH, b"not gzip at all".to_vec(), 422),
        (&packed, PATH, bomb, 413),
        (&[("content-encoding", "br")], PATH, whole.clone(), 415),
        (&ndjson, PATH, b"{}".to_vec(), 422),
        (&ndjson, "/api/v1/ingest/occupancy?source=s", b"{}".to_vec(), 422),
        (&ndjson, "/api/v1/ingest/occupancy?source=s&seq=x", b"{}".to_vec(), 400),
    ] {
        let start: String = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = post(&client, headers, path, body).await.with_context(|| start.clone())?;
        answer.problem(status).with_context(|| start)?;
    }
    // Refused by its length, before a byte of it is read.
    let address = service.url().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&address)?;
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 99000000\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{answer}");
    let answer = client.get("/api/v1/ingest/sources/never").await?;
    answer.problem(404)?;
    let mut conn = database.connect().await?;
    let batches: i64 = sqlx::query_scalar("select count(*) from occ_raw").fetch_one(&mut conn).await?;
    assert_eq!(batches, 0, "nothing of it was kept");
    assert!(service.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn wrong_rows_get_a_verdict_each_and_the_right_ones_count() -> Result<()> {
    let (database, _service, client) = service().await?;
    let mut conn = database.connect().await?;
    let now = headroom_store::now(&mut conn).await?;
    let at = now - 60_000;
    let rows = json!([
        {"pool": "p", "ts_ms": at, "occupied": 5},
        {"pool": "q", "ts_ms": at, "occupied": 5},
        {"pool": "p", "tenant": "nobody", "ts_ms": at, "occupied": 5},
        {"pool": "p", "ts_ms": at + 10_000, "occupied": -5},
        {"pool": "p", "ts_ms": at + 10_000, "occupied": 10_000_001},
        {"pool": "p", "ts_ms": at + 10_000, "occupied": 1e300},
        {"pool": "p", "ts_ms": at + 10_000, "occupied": "many"},
        {"pool": "p", "ts_ms": now + 600_000, "occupied": 5},
        {"pool": "p", "ts_ms": now - 49 * 3_600_000, "occupied": 5},
        {"pool": "p", "ts": "1900-01-01T00:00:00Z", "occupied": 5},
        {"pool": "p", "ts_ms": at, "occupied": 6},
        {"pool": "p", "ts_ms": at + 10_000, "occupied": 5, "colour": "red"},
        {"pool": {"slug": "p"}, "ts_ms": at, "occupied": 5},
        17,
        null
    ]);
    let body = json!({"source": "s", "seq": 1, "rows": rows});
    let verdict = client.json(Method::POST, PATH, &body).await?.expect(200)?.json()?;
    assert_eq!(
        (&verdict["accepted"], &verdict["rejected"], &verdict["replayed"]),
        (&json!(1), &json!(14), &json!(false))
    );
    let fields: Vec<&str> =
        verdict["verdicts"].as_array().context("a list")?.iter().filter_map(|v| v["field"].as_str()).collect();
    let expected = [
        "pool", "tenant", "occupied", "occupied", "occupied", "occupied", "ts", "ts", "ts", "ts", "column", "line",
        "line", "line",
    ];
    assert_eq!(fields, expected, "{verdict}");
    for one in verdict["verdicts"].as_array().context("a list")? {
        assert!(
            one["row"].as_u64() >= Some(2) && one["expected"].as_str().is_some_and(|text| !text.is_empty()),
            "{one}"
        );
    }
    // Sent again the answer is the same, but for saying so.
    let again = client.json(Method::POST, PATH, &body).await?.expect(200)?.json()?;
    assert_eq!((&again["verdicts"], &again["replayed"]), (&verdict["verdicts"], &json!(true)));
    let state = client.get("/api/v1/ingest/sources/s").await?.expect(200)?.json()?;
    assert_eq!(state["last_seq"], 1);
    let other = json!({"source": "s", "seq": 1, "rows": []});
    let conflict = client.json(Method::POST, PATH, &other).await?.problem(409)?;
    assert!(conflict["detail"].as_str().is_some_and(|text| text.contains("last number is 1")), "{conflict}");
    Ok(())
}
