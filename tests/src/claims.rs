//! Clients that claim slots and write down what they were told: the history that [`crate::checker`] reads.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use headroom_server::clock::seeded;
use headroom_server::postgres::{self, Options, Postgres, Source};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::checker::{Kind, Line, Outcome};
use crate::client::{Answer, Client};
use crate::people;
use crate::service::{Service, command, data_dir};

/// A PostgreSQL of the test's own, whose commits are on disk, that comes back when it is killed.
#[derive(Debug)]
pub struct Durable {
    folder: TempDir,
    postgres: Postgres,
}

impl Durable {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let folder = data_dir()?;
        let source = Source::Private { data_dir: folder.path().to_owned() };
        let options = Options { shared_buffers_mib: 64, durable: true, ..Options::default() };
        let postgres = postgres::start(source, options).await.context("cannot start a PostgreSQL for the test")?;
        Ok(Self { folder, postgres })
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.postgres.url()
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A connection, when it answers again.
    pub async fn connect(&self) -> Result<PgConnection> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match PgConnection::connect(&self.url()).await {
                Ok(conn) => return Ok(conn),
                Err(error) if Instant::now() > deadline => return Err(error).context("PostgreSQL does not come back"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Its first process.
    pub fn pid(&self) -> Result<i32> {
        let file: PathBuf = self.folder.path().join("postgres/postmaster.pid");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.lines().next().unwrap_or_default().trim().parse().context("a process number")
    }

    /// Kills the postmaster and all that belongs to it, as a power cut would.
    pub fn kill(&self) -> Result<()> {
        let pid = self.pid()?;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        Ok(())
    }

    /// A server on it, as it is or without a safeguard.
    pub fn serve(&self, without: Option<&str>) -> Result<Service> {
        let mut command = command(&["serve", "--database-url", &self.url()])?;
        if let Some(safeguard) = without {
            command.env("HEADROOM_NEGATIVE_CONTROL", safeguard);
        }
        Service::spawn(command)
    }

    /// Makes the administrator, and a tracked pool `lanes` with tenants `acme` and `beta`.
    pub async fn prepare(&self, client: &Client, capacity: i64, policy: Value) -> Result<()> {
        let mut conn = self.connect().await?;
        people::prepare(&mut conn).await?;
        conn.close().await?;
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": capacity });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        client.put("/api/v1/pools/lanes/policy", &json!({ "policy": policy })).await?.expect(200)?;
        Ok(())
    }

    /// What the database says in the end: every event, and who holds what.
    pub async fn end(&self) -> Result<Vec<Line>> {
        let mut conn = self.connect().await?;
        let events: Vec<(i32, i64, i16, Option<String>)> = sqlx::query_as(
            "SELECT slot, fence, kind, holder FROM slot_event WHERE slot IS NOT NULL AND kind IN (0, 1, 2, 5, 6, 7, 8, 13)
             ORDER BY event_id",
        )
        .fetch_all(&mut conn)
        .await?;
        let slots: Vec<(i64, i64, Option<String>)> =
            sqlx::query_as("SELECT slot_id & 16777215, fence, holder FROM slot").fetch_all(&mut conn).await?;
        conn.close().await?;
        let kind_of = |number: i16| match number {
            0 | 7 => Kind::Claim,
            1 => Kind::Renew,
            _ => Kind::Release,
        };
        let events = events.into_iter().map(|(slot, fence, kind, holder)| Line::Event {
            slot: u64::from(slot.unsigned_abs()),
            fence: fence.unsigned_abs(),
            kind: kind_of(kind),
            holder: holder.unwrap_or_default(),
        });
        let finals = slots.into_iter().map(|(slot, fence, holder)| Line::Final {
            slot: slot.unsigned_abs(),
            fence: fence.unsigned_abs(),
            holder,
        });
        Ok(events.chain(finals).collect())
    }
}

/// Who writes the history.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    lines: Mutex<Vec<Line>>,
    /// Claims are numbered, so that no two holders have one name.
    next: AtomicU64,
    /// Ends the clients.
    pub stop: AtomicBool,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { began: Instant::now(), lines: Mutex::default(), next: AtomicU64::new(0), stop: AtomicBool::new(false) }
    }
}

/// A claim as its holder knows it.
#[derive(Debug, Clone)]
struct Lease {
    id: String,
    holder: String,
    slot: u64,
    fence: u64,
}

impl Recorder {
    fn ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn tell(&self, lease: &Lease, kind: Kind, asked_ns: u64, answer: Option<&Value>, outcome: Outcome) {
        let lasts = answer.and_then(|answer| answer["remaining_ms"].as_u64()).unwrap_or_default();
        let line = Line::Operation {
            slot: lease.slot,
            kind,
            holder: lease.holder.clone(),
            asked_ns,
            answered_ns: self.ns(),
            outcome,
            fence: if kind == Kind::Release { lease.fence + 1 } else { lease.fence },
            lasts_ns: lasts * 1_000_000,
        };
        if let Ok(mut lines) = self.lines.lock() {
            lines.push(line);
        }
    }

    /// What was written so far.
    pub fn history(&self) -> Vec<Line> {
        self.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    /// Claims, holds, renews and releases one slot at a time until it is told to stop, at whichever server it finds.
    pub async fn client(&self, seed: u64, servers: &Mutex<Vec<Client>>) {
        let mut rng = seeded(seed);
        while !self.stop.load(Ordering::Relaxed) {
            let client = {
                let servers = servers.lock().map(|servers| servers.clone()).unwrap_or_default();
                if servers.is_empty() { None } else { Some(servers[rng.random_range(0..servers.len())].clone()) }
            };
            let Some(client) = client else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Some(lease) = self.claim(&client, &mut rng).await else {
                tokio::time::sleep(Duration::from_millis(rng.random_range(1..20))).await;
                continue;
            };
            // Held for a moment, or overlaps would go unseen.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..4))).await;
            if rng.random_bool(0.2) {
                let asked = self.ns();
                let answer = act(&client, &lease, "renew", &json!({ "ttl_ms": 2_000 })).await;
                let (outcome, body) = outcome_of(answer, 200);
                self.tell(&lease, Kind::Renew, asked, body.as_ref(), outcome);
            }
            // Some holders go away without a word.
            if rng.random_bool(0.05) {
                continue;
            }
            let asked = self.ns();
            let (outcome, body) = outcome_of(act(&client, &lease, "release", &json!({})).await, 200);
            self.tell(&lease, Kind::Release, asked, body.as_ref(), outcome);
        }
    }

    async fn claim(&self, client: &Client, rng: &mut impl Rng) -> Option<Lease> {
        let holder = format!("h{}", self.next.fetch_add(1, Ordering::Relaxed));
        let tenant = if rng.random_bool(0.5) { "acme" } else { "beta" };
        let asked = self.ns();
        let body = json!({ "tenant": tenant, "holder": holder, "ttl_ms": 2_000 });
        let (outcome, answer) = outcome_of(client.post("/api/v1/pools/lanes/claims", &body).await, 201);
        let answer = answer.filter(|_| outcome == Outcome::Ok)?;
        let lease = Lease {
            id: answer["claim"].as_str()?.to_owned(),
            holder,
            slot: answer["slots"][0]["slot"].as_u64()?,
            fence: answer["slots"][0]["fence"].as_u64()?,
        };
        self.tell(&lease, Kind::Claim, asked, Some(&answer), Outcome::Ok);
        Some(lease)
    }
}

async fn act(client: &Client, lease: &Lease, what: &str, body: &Value) -> Result<Answer> {
    client.post(&format!("/api/v1/pools/lanes/claims/{}/{what}", lease.id), body).await
}

/// What a client knows after an answer, or without one.
fn outcome_of(answer: Result<Answer>, done: u16) -> (Outcome, Option<Value>) {
    match answer {
        Ok(answer) if answer.status == done => match answer.json() {
            Ok(body) => (Outcome::Ok, Some(body)),
            Err(_) => (Outcome::Unknown, None),
        },
        Ok(answer) if answer.status == 503 && answer.body.contains("unknown") => (Outcome::Unknown, None),
        Ok(_) => (Outcome::Refused, None),
        Err(_) => (Outcome::Unknown, None),
    }
}
