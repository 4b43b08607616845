//! Turns of jobs on two servers, one of which is killed in the middle of each: every turn is done once, and so is what it writes.
//!
//! Development build: the clock stands still, and a safeguard is left out to see that it is missed.

use anyhow::{Context, Result, ensure};
use headroom_domain::{DAY_MS, MINUTE_MS};
use headroom_server::app::jobs::PLANS;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, command};
use headroom_tests::soak;
use serde_json::json;
use sqlx::types::chrono::DateTime;
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// 2026-11-25T09:00:00Z, a whole minute.
const NOW: i64 = 1_795_597_200_000;
/// When the reservations begin: the turns are the minutes after it.
const START: i64 = NOW + MINUTE_MS;
/// Where a turn is stopped in its middle, one after the other: before its first statement, in the middle of what it writes, and when all
/// that is left is to record it.
const PLACES: [&str; 3] = ["reservation", "change", "job_run"];
/// Only a failure waits this long.
const LIMIT: Duration = Duration::from_mins(1);
/// Longer than a lease.
const LEASE_MS: i64 = PLANS.margin_ms + 5_000;

struct World {
    database: Database,
    conn: PgConnection,
    careless: bool,
}

impl World {
    /// A pool with a reservation for each turn, whose end is 30 days after it: each turn has one thing to tell.
    async fn create(turns: usize, careless: bool) -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let arguments = ["serve", "--test-clock", "--no-jobs", "--database-url", database.url()];
        let service = Service::start(&arguments)?;
        let client = Client::new(service.url())?;
        client
            .post("/api/v1/pools", &json!({ "name": "Lanes", "slug": "lanes", "capacity": 1_000_000 }))
            .await?
            .expect(201)?;
        client.post("/api/v1/tenants", &json!({ "name": "acme", "slug": "acme" })).await?.expect(201)?;
        let minute = |at: i64| DateTime::from_timestamp_millis(at).map(|at| at.format("%Y-%m-%dT%H:%M").to_string());
        for turn in 1..=turns as i64 {
            let end = minute(START + 30 * DAY_MS + turn * MINUTE_MS).context("a time")?;
            let start = minute(START).context("a time")?;
            let body = json!({ "terms": { "name": format!("r-{turn}"), "tenant": "acme", "slots": 1, "start": start, "end": end, "zone": "UTC" },
                               "reason": "a turn each" });
            client.post_once("/api/v1/pools/lanes/reservations", &format!("key-{turn}"), &body).await?.expect(201)?;
        }
        service.stop()?;
        Ok(Self { database, conn, careless })
    }

    fn serve(&self) -> Result<Service> {
        let mut command = command(&["serve", "--test-clock", "--database-url", self.database.url()])?;
        if self.careless {
            command.env("HEADROOM_NEGATIVE_CONTROL", "jobs");
        }
        Service::spawn(command)
    }

    async fn hold(&mut self, at: i64) -> Result<()> {
        Ok(headroom_store::hold_test_clock(&mut self.conn, at).await?)
    }

    /// Asks the database until it says yes.
    async fn until(&mut self, what: &str, question: &'static str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let yes: bool = sqlx::query_scalar(question).fetch_one(&mut self.conn).await?;
            if yes {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Nobody does a turn, and the last one that was due was done.
    async fn quiet(&mut self) -> Result<()> {
        self.until(
            "the turn is done",
            "SELECT coalesce(bool_or(owner IS NULL AND next_due > hr_now()), false) FROM job_lease WHERE job = 'plans'",
        )
        .await
    }

    /// Which server is at the turn.
    async fn leader(&mut self) -> Result<String> {
        let server: Option<String> =
            sqlx::query_scalar("SELECT server FROM job_lease WHERE job = 'plans'").fetch_one(&mut self.conn).await?;
        server.context("somebody is at it")
    }

    /// Begins the turn of a minute and stops it at a place. Gives what holds it there.
    async fn stopped_at(&mut self, turn: i64, place: &str) -> Result<PgConnection> {
        self.quiet().await?;
        let mut blocker = self.database.connect().await?;
        sqlx::query("BEGIN").execute(&mut blocker).await?;
        let lock = match place {
            "reservation" => "LOCK TABLE reservation IN ACCESS EXCLUSIVE MODE",
            "change" => "LOCK TABLE change_event IN ACCESS EXCLUSIVE MODE",
            _ => "LOCK TABLE job_run IN ACCESS EXCLUSIVE MODE",
        };
        sqlx::query(lock).execute(&mut blocker).await?;
        self.hold(START + turn * MINUTE_MS).await?;
        self.until(
            "the turn began",
            "SELECT coalesce(bool_or(running_since IS NOT NULL AND owner IS NOT NULL), false) FROM job_lease WHERE job = 'plans'",
        )
        .await?;
        let waits = match place {
            "reservation" => {
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'reservation'::regclass)"
            }
            "change" => {
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'change_event'::regclass)"
            }
            // Other jobs record their runs, too: this turn has done its work when its effect is there.
            _ => {
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'job_run'::regclass)
                      AND (SELECT count(*) FROM change_event WHERE title LIKE 'reservation r-% ends within 30 days%')
                          >= (extract(epoch FROM hr_now() - to_timestamp(1795597260)) / 60)::int"
            }
        };
        self.until("it is in the middle", waits).await?;
        Ok(blocker)
    }

    /// How often a turn was done. A run that finds nothing to do any more, because what it was to do was written before a kill, counts;
    /// of those only the newest is kept.
    async fn times(&mut self, turn: i64) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM job_run WHERE job = 'plans' AND outcome IN ('done', 'nothing') AND due_at = to_timestamp($1)",
        )
        .bind(((START + turn * MINUTE_MS) / 1_000) as f64)
        .fetch_one(&mut self.conn)
        .await?)
    }

    /// How often each turn has a run that did something, and how often each reservation was told about.
    async fn counted(&mut self) -> Result<(Vec<i64>, Vec<(String, i64)>)> {
        let done = sqlx::query_scalar(
            "SELECT count(*) FROM job_run WHERE job = 'plans' AND outcome = 'done' AND due_at > to_timestamp(1795597260) GROUP BY due_at",
        )
        .fetch_all(&mut self.conn)
        .await?;
        let told = sqlx::query_as(
            "SELECT split_part(title, ' ', 2), count(*) FROM change_event WHERE title LIKE 'reservation r-% ends within 30 days%'
             GROUP BY 1 ORDER BY 1",
        )
        .fetch_all(&mut self.conn)
        .await?;
        Ok((done, told))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_in_the_middle_is_followed_and_each_turn_is_done_once() -> Result<()> {
    let turns = soak::count(6, 50);
    let mut world = World::create(turns, false).await?;
    let mut services = vec![world.serve()?, world.serve()?];
    for turn in 1..=turns as i64 {
        let place = PLACES[turn as usize % PLACES.len()];
        let blocker = world.stopped_at(turn, place).await?;
        let leader = world.leader().await?;
        let at = services.iter().position(|service| service.url() == leader).context("it is one of ours")?;
        services.remove(at).kill()?;
        blocker.close().await?;
        // Its lease runs out; the minute stays the same, so it is the same turn.
        world.hold(START + turn * MINUTE_MS + LEASE_MS).await?;
        services.push(world.serve()?);
        world.quiet().await?;
        assert_eq!(world.times(turn).await?, 1, "turn {turn}, killed at {place}");
    }
    let (done, told) = world.counted().await?;
    ensure!(done.iter().all(|times| *times == 1), "no turn is done twice: {done:?}");
    ensure!(
        told.len() == turns && told.iter().all(|(_, times)| *times == 1),
        "each reservation is told about once: {told:?}"
    );
    println!("{turns} turns, each with a server killed in its middle");
    for service in services {
        service.stop()?;
    }
    Ok(())
}

/// A server that stood still finds its turn done by another one. Gives how often the turn was done.
async fn stood_still(careless: bool) -> Result<i64> {
    let mut world = World::create(1, careless).await?;
    let services = [world.serve()?, world.serve()?];
    let blocker = world.stopped_at(1, "reservation").await?;
    let leader = world.leader().await?;
    let frozen = services.iter().find(|service| service.url() == leader).context("it is one of ours")?;
    frozen.freeze()?;
    blocker.close().await?;
    world.hold(START + MINUTE_MS + LEASE_MS).await?;
    world.quiet().await?;
    frozen.go_on()?;
    if careless {
        world
            .until(
                "it does it again",
                "SELECT count(*) > 1 FROM job_run WHERE job = 'plans' AND due_at = to_timestamp(1795597320)",
            )
            .await?;
    } else {
        let deadline = Instant::now() + LIMIT;
        while !frozen.log().contains("lost its turn") {
            ensure!(Instant::now() < deadline, "it does not say that it lost its turn: {}", frozen.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let times = world.times(1).await?;
    for service in services {
        service.stop()?;
    }
    Ok(times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stood_still_does_nothing_of_a_turn_that_another_did() -> Result<()> {
    assert_eq!(stood_still(false).await?, 1);
    Ok(())
}

/// The control: without looking whose turn it is, it is done twice, and this test sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_looking_whose_turn_it_is_it_would_be_done_twice() -> Result<()> {
    assert_eq!(stood_still(true).await?, 2);
    Ok(())
}
