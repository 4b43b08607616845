//! `headroom simulate`: scenarios are played against the real server, labelled, and leave nothing behind.

use anyhow::{Context, Result, ensure};
use headroom_tests::claims::Durable;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server, and a folder for what simulations write.
struct World {
    service: Service,
    client: Client,
    folder: TempDir,
    database: Database,
}

/// What a simulation left.
#[derive(Debug)]
struct Played {
    labels: Vec<Value>,
    record: Value,
    said: String,
    code: Option<i32>,
}

/// Exit code: something that was broken was not found, or something was found while nothing was broken.
const NOT_FOUND: i32 = 3;

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        Ok(Self { service, client, folder: tempfile::tempdir()?, database })
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record.json")
    }

    fn simulate(&self, arguments: &[&str]) -> Result<std::process::Command> {
        let record = self.record().to_string_lossy().into_owned();
        let mut all = vec!["simulate"];
        all.extend(arguments);
        // Figures are of the last minute: only some tests wait until nothing of it is left.
        if !arguments.contains(&"--settle") && arguments.first() != Some(&"replay") {
            all.extend(["--settle", "3s"]);
        }
        all.extend(["--url", self.service.url(), "--record", &record]);
        let mut command = command(&all)?;
        command.env("HEADROOM_TOKEN", people::TOKEN).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    async fn play(&self, arguments: &[&str]) -> Result<Played> {
        let mut command = self.simulate(arguments)?;
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        // Whether everything is found in so short a time is what some tests are about, and others not.
        ensure!([Some(0), Some(NOT_FOUND)].contains(&code), "{arguments:?}: {said}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let labels = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        let record = serde_json::from_str(&std::fs::read_to_string(self.record())?)?;
        Ok(Played { labels: labels.with_context(|| text.clone())?, record, said, code })
    }

    async fn slots(&self, pool: &str) -> Result<String> {
        let slots = self.client.get(&format!("/api/v1/pools/{pool}/slots")).await?.expect(200)?.json()?;
        Ok(slots["states"].as_str().unwrap_or_default().to_owned())
    }

    async fn becomes_free(&self, pool: &str, capacity: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let slots = self.slots(pool).await?;
            if slots == ".".repeat(capacity) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "slots of {pool} stay held: {slots}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Played {
    fn count(&self, what: &str) -> u64 {
        self.record["claims"][what].as_u64().unwrap_or_default()
    }

    /// The breakage was found as one of these, and when; the time from the break in seconds.
    fn is_found_as(&self, kinds: &[&str]) -> Result<f64> {
        let row = &self.record["score"]["breakages"][0];
        let kind = row["kind"].as_str().unwrap_or_default();
        ensure!(row["detected"] == true && kinds.contains(&kind), "{}\n{}", self.record["score"], self.said);
        row["detected_after_s"].as_f64().context("when it was found")
    }

    /// One breakage with its two edges.
    fn is_labelled(&self, mode: &str) -> Result<()> {
        let edges: Vec<_> = self.labels.iter().map(|label| (&label["mode"], &label["edge"])).collect();
        let (mode, begin, end) = (json!(mode), json!("begin"), json!("end"));
        ensure!(edges == [(&mode, &begin), (&mode, &end)], "{:?}", self.labels);
        ensure!(self.labels.iter().all(|label| label["simulated"] == true) && self.record["simulated"] == true);
        ensure!(self.record["labels"] == Value::Array(self.labels.clone()), "{}", self.record);
        let at = |place: usize| self.labels[place]["at"].as_str().unwrap_or_default().to_owned();
        let of_record = |field: &str| self.record[field].as_str().unwrap_or_default().to_owned();
        ensure!(of_record("start") < at(0) && at(0) < at(1) && at(1) < of_record("end"), "{}", self.record);
        Ok(())
    }
}

#[test]
fn the_list_says_what_each_breaks() -> Result<()> {
    let output = command(&["simulate", "--list"])?.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["steady", "surge (F4)", "crashed-holders (F1)", "noisy-tenant (F8)", "hot-slot (F3)", "replay"] {
        ensure!(text.contains(word), "{word}: {text}");
    }
    let wrong = command(&["simulate", "nonsense"])?.output()?;
    assert_eq!(wrong.status.code(), Some(2));
    ensure!(String::from_utf8_lossy(&wrong.stderr).contains("--list"), "it says where to look");
    Ok(())
}

#[tokio::test]
async fn a_surge_is_refused_labelled_and_gone() -> Result<()> {
    let world = World::create().await?;
    let played = world.play(&["surge", "--make", "--for", "40s", "--speed", "4"]).await?;
    played.is_labelled("F4")?;
    let after = played.is_found_as(&["saturated", "queueing"])?;
    ensure!((0.0..=7.0).contains(&after), "{after} s");
    ensure!(played.count("granted") > 50, "{}", played.record);
    ensure!(played.record["refusals"]["full"].as_u64() > Some(5), "{}", played.record);
    assert_eq!(played.record["broken_promises"], 0);
    assert_eq!(played.record["scenario"], "surge");
    ensure!(played.record["most_held"].as_u64() >= Some(55), "every slot was held: {}", played.record);
    ensure!(played.count("released") + played.count("lost") == played.count("granted"), "{}", played.record);
    ensure!(played.said.contains("refused full"), "{}", played.said);
    assert_eq!(world.slots("game-day").await?, ".".repeat(60));
    Ok(())
}

#[tokio::test]
async fn crashed_holders_leave_slots_that_the_server_takes_back() -> Result<()> {
    let world = World::create().await?;
    let played = world
        .play(&["crashed-holders", "--make", "--for", "40s", "--speed", "4", "--seed", "9", "--settle", "10s"])
        .await?;
    played.is_labelled("F1")?;
    played.is_found_as(&["leaking", "leaked"])?;
    ensure!(played.count("vanished") > 10, "{}", played.record);
    assert_eq!(played.record["broken_promises"], 0);
    world.becomes_free("game-day", 60).await?;
    let kinds = "/api/v1/slot-events?pool=game-day&kind=expire&kind=dead&kind=reconcile&limit=2000";
    let events = world.client.get(kinds).await?.expect(200)?.json()?;
    ensure!(events.as_array().map(Vec::len) >= Some(10), "the server noticed: {events}");
    Ok(())
}

#[tokio::test]
async fn a_pool_that_thrashes_has_its_size_again_even_if_cut_short() -> Result<()> {
    let world = World::create().await?;
    let mut child = world.simulate(&["thrash", "--make", "--for", "5m", "--speed", "6"])?.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    let begin: Value = serde_json::from_str(&lines.next().context("a label")??)?;
    assert_eq!((&begin["mode"], &begin["edge"]), (&json!("F7"), &json!("begin")));
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.slots("game-day").await?.chars().filter(|slot| *slot == 'x' || *slot == 'd').count() < 10 {
        ensure!(Instant::now() < deadline, "it never became smaller: {}", world.slots("game-day").await?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let end: Value = serde_json::from_str(&lines.next().context("a label")??)?;
    assert_eq!(end["edge"], "end");
    let record: Value = serde_json::from_str(&std::fs::read_to_string(world.record())?)?;
    assert_eq!((&record["cut_short"], &record["broken_promises"]), (&json!(true), &json!(0)));
    world.becomes_free("game-day", 60).await
}

#[tokio::test]
async fn a_stalled_server_goes_on_and_nothing_was_given_twice() -> Result<()> {
    let world = World::create().await?;
    let pid = world.service.pid().to_string();
    let arguments = ["stalled-reconciler", "--make", "--for", "36s", "--speed", "2", "--pid", &pid];
    let played = world.play(&arguments).await?;
    played.is_labelled("stalled-reconciler")?;
    // It is alone, so nobody could tell before it moved again: as its own pause, or by its sign of life that ran out.
    played.is_found_as(&["server-lost", "server-paused"])?;
    assert_eq!(played.record["broken_promises"], 0);
    ensure!(played.said.contains("SIGSTOP") && played.said.contains("SIGCONT"), "{}", played.said);
    world.becomes_free("game-day", 60).await
}

#[tokio::test]
async fn with_nothing_broken_nothing_is_found_and_a_mended_breakage_is_over() -> Result<()> {
    let world = World::create().await?;
    let played = world.play(&["steady", "--make", "--for", "12s", "--speed", "2"]).await?;
    assert_eq!(played.record["score"]["false_findings"], json!([]), "{}", played.said);
    assert_eq!((played.code, &played.record["score"]["breakages"]), (Some(0), &json!([])), "{}", played.said);
    let unscored = world.play(&["steady", "--make", "--for", "1s", "--no-score"]).await?;
    assert_eq!((unscored.code, &unscored.record["score"]), (Some(0), &Value::Null));
    let played = world.play(&["inversion", "--make", "--for", "24s", "--speed", "2", "--settle", "90s"]).await?;
    played.is_found_as(&["inverted"])?;
    let row = &played.record["score"]["breakages"][0];
    ensure!(row["over_after_s"].as_f64().is_some_and(|after| after < 60.0), "{}", played.record["score"]);
    ensure!(played.said.contains("found after") && played.said.contains("inverted"), "{}", played.said);
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_look_finds_nothing_and_the_exit_code_says_so() -> Result<()> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let world = World { service, client, folder: tempfile::tempdir()?, database };
    let played = world.play(&["surge", "--make", "--for", "20s", "--speed", "4", "--keep"]).await?;
    assert_eq!(played.record["score"]["breakages"][0]["detected"], false, "{}", played.said);
    assert_eq!(played.code, Some(NOT_FOUND), "{}", played.said);
    // The score is kept as it was.
    let kept = world.client.get("/api/v1/game-days").await?.expect(200)?.json()?["game_days"][0].clone();
    ensure!(kept["title"] == "headroom simulate surge, seed 1" && kept["pools"] == json!(["game-day"]), "{kept}");
    let expected = json!([{ "what": "F4 surge", "pool": "game-day", "found": false, "found_after_s": null }]);
    assert_eq!((&kept["breakages"], &kept["false_findings"]), (&expected, &json!(0)), "{kept}");
    ensure!(played.said.contains(&format!("it is game day {}", kept["id"])), "{}", played.said);
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("Nobody has looked for failures yet"), "{board}");
    Ok(())
}

/// No slot was ever given to two, as the events tell it.
async fn nothing_was_doubled(mut conn: PgConnection) -> Result<()> {
    let doubled = headroom_store::slot_event::doubled(&mut conn, None, 0).await?;
    ensure!(doubled.is_empty(), "{doubled:?}");
    Ok(conn.close().await?)
}

#[tokio::test]
async fn the_owner_is_killed_and_another_server_tells_it_and_goes_on() -> Result<()> {
    let owner = World::create().await?;
    // Who makes the pool decides about it.
    owner.play(&["steady", "--make", "--for", "1s", "--no-score"]).await?;
    let pid = owner.service.pid().to_string();
    let other = Service::start(&["serve", "--database-url", owner.database.url()])?;
    let client = Client::new(other.url())?;
    let mut conn = owner.database.connect().await?;
    let decides = "SELECT r.url FROM pool_owner o JOIN replica r USING (replica_id)";
    let url: String = sqlx::query_scalar(decides).fetch_one(&mut conn).await?;
    assert_eq!(url, owner.service.url());
    let World { service: killed, folder, database, .. } = owner;
    let world = World { service: other, client, folder, database };
    let arguments = ["crashed-allocator", "--make", "--for", "44s", "--speed", "2", "--pid", &pid, "--settle", "30s"];
    let played = world.play(&arguments).await?;
    played.is_labelled("crashed-allocator")?;
    ensure!(played.said.contains("SIGKILL was sent"), "{}", played.said);
    // It counts as dead after five seconds, and whoever ran the jobs may have died with it.
    let after = played.is_found_as(&["server-lost"])?;
    ensure!(after < 14.0, "told after {after} s");
    ensure!(played.record["score"]["breakages"][0]["over_after_s"].as_f64().is_some(), "{}", played.record["score"]);
    assert_eq!(played.record["broken_promises"], 0, "{}", played.record);
    ensure!(played.count("granted") > 20, "{}", played.record);
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("fell silent without ending"), "it is on the board");
    let url: String = sqlx::query_scalar(decides).fetch_one(&mut conn).await?;
    assert_eq!(url, world.service.url(), "the other server decides now");
    drop(killed);
    world.becomes_free("game-day", 60).await?;
    nothing_was_doubled(conn).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_stands_still_and_goes_on_and_nothing_is_lost_or_given_twice() -> Result<()> {
    let durable = Durable::start().await?;
    let service = durable.serve(None)?;
    let mut conn = durable.connect().await?;
    people::prepare(&mut conn).await?;
    conn.close().await?;
    let client = Client::new(service.url())?;
    // The database is of no use to it; its own is the one that is stopped.
    let world = World { service, client, folder: tempfile::tempdir()?, database: Database::create().await? };
    let pid = durable.pid()?.to_string();
    let arguments = ["lost-postgres", "--make", "--for", "44s", "--speed", "2", "--pid", &pid, "--settle", "30s"];
    let mut meanwhile = Vec::new();
    let played = {
        let playing = world.play(&arguments);
        tokio::pin!(playing);
        loop {
            tokio::select! {
                played = &mut playing => break played?,
                () = tokio::time::sleep(Duration::from_millis(300)) => {
                    let page = world.client.page("/oncall").await?;
                    if page.status != 200 {
                        meanwhile.push((page.status, page.body));
                    }
                }
            }
        }
    };
    played.is_labelled("lost-postgres")?;
    ensure!(played.said.contains("and its children"), "its backends are stopped too: {}", played.said);
    let (status, body) = meanwhile.first().context("the page said nothing while PostgreSQL stood still")?;
    ensure!(*status == 503 && body.contains("<h1"), "a page, and not {status}: {body}");
    let after = played.is_found_as(&["store-away"])?;
    ensure!(after < 6.0, "noticed after {after} s");
    assert_eq!(played.record["broken_promises"], 0, "{}", played.record);
    ensure!(played.count("granted") > 20, "{}", played.record);
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("had no answer from PostgreSQL for"), "it is on the board");
    world.becomes_free("game-day", 60).await?;
    nothing_was_doubled(durable.connect().await?).await
}

#[tokio::test]
async fn the_other_scenarios_play_to_their_end() -> Result<()> {
    for (scenario, mode) in
        [("noisy-tenant", "F8"), ("inversion", "F6"), ("slow-reclaim", "F5"), ("retry-storm", "retry-storm")]
    {
        let world = World::create().await?;
        let played = world.play(&[scenario, "--make", "--for", "30s", "--speed", "6"]).await?;
        played.is_labelled(mode)?;
        ensure!(played.count("granted") > 0, "{scenario}: {}", played.record);
        assert_eq!(played.record["broken_promises"], 0, "{scenario}");
        match scenario {
            "noisy-tenant" | "retry-storm" => {
                ensure!(played.count("refused") > 10, "{scenario}: {}", played.record);
            }
            "slow-reclaim" => ensure!(played.count("vanished") >= 30, "{}", played.record),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_hot_slot_is_seen_in_the_reports() -> Result<()> {
    let world = World::create().await?;
    let played = world.play(&["hot-slot", "--make", "--for", "60s", "--speed", "6"]).await?;
    played.is_labelled("F3")?;
    let slot = played.labels[0]["slot"].as_i64().context("a slot")?;
    let address = format!("/api/v1/slot-events?pool=game-day&kind=release&slot={slot}&limit=2000");
    let events = world.client.get(&address).await?.expect(200)?.json()?;
    let longest = events.as_array().into_iter().flatten().filter_map(|event| event["work_ms"].as_i64()).max();
    ensure!(longest > Some(40_000), "work in slot {slot} is slow: {events}");
    Ok(())
}

fn log(jobs: &[(i64, i64, i64)]) -> String {
    let line = |(number, (submit, run, slots)): (usize, &(i64, i64, i64))| {
        format!("{number} {submit} 0 {run} {slots} -1 -1 {slots} -1 -1 1 7 1 -1 0 -1 -1 -1\n")
    };
    jobs.iter().enumerate().map(line).collect()
}

async fn make_pool(client: &Client, slots: u32) -> Result<()> {
    let pool = json!({ "name": "hpc", "slug": "hpc", "capacity": slots });
    client.post("/api/v1/pools", &pool).await?.expect(201)?;
    client.post("/api/v1/tenants", &json!({ "name": "users", "slug": "users" })).await?.expect(201)?;
    client.put("/api/v1/pools/hpc/policy", &json!({ "policy": {} })).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_log_is_replayed_and_queues_where_there_is_no_room() -> Result<()> {
    let world = World::create().await?;
    make_pool(&world.client, 4).await?;
    let path = world.folder.path().join("small.swf");
    // Two jobs that fit together, one that must wait for both, one that asks for more than there is.
    std::fs::write(&path, log(&[(0, 100, 2), (0, 100, 2), (10, 50, 4), (20, 10, 5)]))?;
    let path = path.to_string_lossy().into_owned();
    let arguments = ["replay", &path, "--pool", "hpc", "--tenant", "users", "--speed", "50"];
    let played = world.play(&arguments).await?;
    assert_eq!((&played.record["jobs"], played.count("granted"), played.count("released")), (&json!(4), 3, 3));
    assert_eq!(played.record["refusals"], json!({ "more-than-pool": 1 }));
    let longest = played.record["max_wait_s"].as_f64().context("a wait")?;
    ensure!((80.0..140.0).contains(&longest), "the third job waited for about 90 s of the log: {longest}");
    assert_eq!((&played.record["most_held"], &played.record["broken_promises"]), (&json!(4), &json!(0)));
    assert_eq!(world.slots("hpc").await?, "....");
    Ok(())
}

#[tokio::test]
async fn a_real_machines_submissions_queue_and_nothing_is_lost_or_given_twice() -> Result<()> {
    let Some(data) = std::env::var_os("HEADROOM_DATA") else {
        println!("SKIPPED: HEADROOM_DATA does not name the folder of the public workload logs");
        return Ok(());
    };
    let folder = PathBuf::from(data).join("swf-kth-sp2");
    let found = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let log = found.into_iter().find(|path| path.to_string_lossy().ends_with(".swf.gz")).context("the log")?;
    let world = World::create().await?;
    make_pool(&world.client, 100).await?;
    let log = log.to_string_lossy().into_owned();
    let arguments = ["replay", &log, "--pool", "hpc", "--tenant", "users", "--speed", "40000", "--jobs", "400"];
    let played = world.play(&arguments).await?;
    assert_eq!(
        (played.count("asked"), played.count("granted"), played.count("released")),
        (400, 400, 400),
        "{}",
        played.record
    );
    assert_eq!(played.record["broken_promises"], 0);
    ensure!(played.record["most_held"].as_u64() > Some(60), "it was busy: {}", played.record);
    assert_eq!(world.slots("hpc").await?, ".".repeat(100));
    Ok(())
}
