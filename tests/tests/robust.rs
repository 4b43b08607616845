//! What happens when things go wrong: processes that are killed, a disk that is full, a file that is damaged, two servers
//! on one database. Nothing is lost, nothing hangs, and the service says what it is waiting for.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, data_dir, run, wait_for_postgres_to_end};
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Every request is answered within the service's own deadline of 15 s, and a little for a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a service may take to be whole again after what it needs is back.
const RECOVERY_LIMIT: Duration = Duration::from_mins(2);

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Runs a command that succeeds; what it said.
fn done(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    ensure!(output.status.success(), "headroom {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command that is refused; its sentence.
fn refused(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "headroom {} ended with {}: {said}", arguments.join(" "), output.status);
    ensure!(!said.contains("panicked"), "{said}");
    Ok(said)
}

fn usage(folder: &Path) -> Result<String> {
    done(&["usage", "--by", "tenant", "--data-dir", text(folder)])
}

/// Looks until something is so.
async fn until(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !is_so().await? {
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// An answer within the deadline.
async fn in_time(answer: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    tokio::time::timeout(ANSWER_LIMIT, answer).await.with_context(|| format!("no answer within {ANSWER_LIMIT:?}"))?
}

/// The process number of a private PostgreSQL.
fn postmaster(folder: &Path) -> Result<Pid> {
    let file = folder.join("postgres/postmaster.pid");
    let content = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Pid::from_raw(content.lines().next().context("a process number")?.trim().parse()?))
}

/// A process and those it started.
fn family(parent: Pid) -> Result<Vec<Pid>> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let children =
        children.split_whitespace().map(|pid| Ok(Pid::from_raw(pid.parse()?))).collect::<Result<Vec<_>>>()?;
    Ok([&[parent], &children[..]].concat())
}

/// Fails unless the service says everywhere that its database is away, and that it itself is well.
async fn says_the_database_is_away(client: &Client) -> Result<()> {
    let pages = ["/overview", "/pools", "/pools/render", "/tenants", "/jobs", "/pools/render/edit"];
    let routes = ["/api/v1/pools", "/api/v1/overview", "/api/v1/usage", "/api/v1/pools/render", "/readyz"];
    let body = json!({ "slug": "lost", "capacity": 1 });
    let (pages, routes, made, form, health) = tokio::join!(
        join_all(pages.map(|path| in_time(client.page(path)))),
        join_all(routes.map(|path| in_time(client.get(path)))),
        in_time(client.json(Method::POST, "/api/v1/pools", &body)),
        in_time(client.form("/pools/new", &[("name", "Lost"), ("slug", "lost"), ("slots", "1")])),
        in_time(client.get("/healthz")),
    );
    for page in pages.into_iter().chain([form]) {
        let page = page?.expect(503)?;
        ensure!(page.body.starts_with("<!DOCTYPE html>") && page.body.ends_with("</html>"), "{}: no page", page.asked);
        // A refused form keeps what was typed and is sent again by hand.
        let again = page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0);
        ensure!(again || page.asked.starts_with("POST"), "{}: it does not say when to come back", page.asked);
    }
    for answer in routes.into_iter().chain([made]) {
        let answer = answer?;
        answer.problem(503)?;
        ensure!(!answer.header("retry-after").is_empty(), "{}: it does not say when to come back", answer.asked);
    }
    health?.expect(200)?;
    Ok(())
}

async fn is_ready(client: &Client) -> Result<bool> {
    Ok(in_time(client.get("/readyz")).await?.status == 200)
}

#[tokio::test]
async fn a_backup_brings_everything_back() -> Result<()> {
    let (from, to) = (data_dir()?, data_dir()?);
    let file = from.path().join("all.backup");
    let service = Service::start(&["demo", "--days", "2", "--quiet", "--data-dir", text(from.path())])?;
    people::prepare_at(from.path()).await?;
    let before = usage(from.path())?;
    assert!(before.lines().count() > 20, "there is something to lose: {before}");
    let said = done(&["backup", text(&file), "--data-dir", text(from.path())])?;
    assert!(said.starts_with("wrote ") && said.contains(text(&file)), "{said}");
    assert_eq!(usage(from.path())?, before, "the server runs on");
    let pools = done(&["pool", "list", "--data-dir", text(from.path())])?;

    let said = done(&["restore", text(&file), "--data-dir", text(to.path())])?;
    assert!(said.starts_with("restored "), "{said}");
    assert_eq!(usage(to.path())?, before, "every sum is back");
    assert_eq!(usage(to.path())?.lines().count(), before.lines().count());
    let again = done(&["pool", "list", "--data-dir", text(to.path())])?;
    let names =
        |list: &str| list.lines().filter_map(|l| l.split_whitespace().next().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(names(&again), names(&pools));
    let restored = Service::start(&["serve", "--data-dir", text(to.path())])?;
    people::prepare_at(to.path()).await?;
    Client::new(restored.url())?.page("/overview?from=now-1d").await?.expect(200)?;

    // What is there is not overwritten under a running server, nor by accident.
    let at = ["--data-dir", text(to.path())];
    let said = refused(&[&["restore", text(&file), "--replace"], &at[..]].concat())?;
    assert!(said.contains("stop the running headroom first"), "{said}");
    restored.stop()?;
    let said = refused(&[&["restore", text(&file)], &at[..]].concat())?;
    assert!(said.contains("--replace"), "{said}");
    done(&["pool", "create", "added-later", "--capacity", "1", "--data-dir", text(to.path())])?;

    // A damaged file changes nothing.
    let whole = fs::read(&file)?;
    let damaged = from.path().join("damaged.backup");
    let mut garbled = whole.clone();
    let middle = garbled.len() / 2;
    for byte in &mut garbled[middle..middle + 4_096] {
        *byte = !*byte;
    }
    for (what, content) in [
        ("empty", Vec::new()),
        ("text", b"this is no backup".to_vec()),
        ("cut early", whole[..2_000].to_vec()),
        ("cut late", whole[..whole.len() * 3 / 4].to_vec()),
        ("garbled", garbled),
    ] {
        fs::write(&damaged, content)?;
        let said = refused(&["restore", text(&damaged), "--replace", "--data-dir", text(to.path())])?;
        assert!(said.contains("nothing was changed"), "{what}: {said}");
        let pools = done(&["pool", "list", "--data-dir", text(to.path())])?;
        assert!(pools.contains("added-later"), "{what}: {pools}");
    }
    assert!(refused(&["restore", "/nowhere/at/all", "--data-dir", text(to.path())])?.contains("/nowhere/at/all"));
    assert_eq!(usage(to.path())?, before);
    done(&["restore", text(&file), "--replace", "--data-dir", text(to.path())])?;
    assert!(!done(&["pool", "list", "--data-dir", text(to.path())])?.contains("added-later"), "replaced as a whole");
    assert_eq!(usage(to.path())?, before);

    let nowhere = from.path().join("no/such/folder/x.backup");
    assert!(refused(&["backup", text(&nowhere), "--data-dir", text(from.path())])?.contains("cannot write the backup"));
    service.stop()?;
    Ok(())
}

#[tokio::test]
async fn a_killed_server_loses_nothing() -> Result<()> {
    let folder = data_dir()?;
    let service = Service::start(&["demo", "--days", "2", "--quiet", "--data-dir", text(folder.path())])?;
    people::prepare_at(folder.path()).await?;
    let client = Client::new(service.url())?;
    let body = json!({ "slug": "render", "capacity": 10 });
    client.json(Method::POST, "/api/v1/pools", &body).await?.expect(201)?;
    let before = usage(folder.path())?;
    let database = postmaster(folder.path())?;
    service.kill()?;
    wait_for_postgres_to_end(folder.path())?;
    until(Duration::from_secs(30), "PostgreSQL ends with its server", async || Ok(kill(database, None).is_err()))
        .await?;

    for _ in 0..2 {
        let service = Service::start(&["serve", "--data-dir", text(folder.path())])?;
        people::prepare_at(folder.path()).await?;
        let client = Client::new(service.url())?;
        assert_eq!(client.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"], 10);
        assert_eq!(usage(folder.path())?, before);
        // Killed at once and started at once: the next start meets whatever the last one left.
        service.kill()?;
    }
    assert_eq!(usage(folder.path())?, before);
    Ok(())
}

#[tokio::test]
async fn a_server_outlives_its_postgresql() -> Result<()> {
    let folder = data_dir()?;
    let service = Service::start(&["serve", "--data-dir", text(folder.path())])?;
    people::prepare_at(folder.path()).await?;
    let client = Client::new(service.url())?;
    client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "render", "capacity": 10 })).await?.expect(201)?;
    client.page("/overview").await?.expect(200)?;

    // Whoever holds this lock starts PostgreSQL; while we hold it, nobody does.
    let lock = File::options().write(true).open(folder.path().join("postgres.lock"))?;
    lock.lock()?;
    kill(postmaster(folder.path())?, Signal::SIGKILL)?;
    until(ANSWER_LIMIT, "the loss is noticed", async || Ok(!is_ready(&client).await?)).await?;
    says_the_database_is_away(&client).await?;

    lock.unlock()?;
    until(RECOVERY_LIMIT, "the service is ready again", async || is_ready(&client).await).await?;
    assert_eq!(
        client.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"],
        10,
        "what was committed is there"
    );
    client.get("/api/v1/pools/lost").await?.problem(404)?;
    client.page("/overview").await?.expect(200)?;
    client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "after", "capacity": 1 })).await?.expect(201)?;

    // Again and at once, under load: every answer is a whole one.
    let load = tokio::spawn({
        let client = client.clone();
        async move {
            let mut seen = Vec::new();
            for i in 0..200 {
                let path = ["/overview", "/api/v1/pools", "/pools/render", "/api/v1/usage"][i % 4];
                seen.push(in_time(client.get(path)).await?.status);
            }
            Ok::<_, anyhow::Error>(seen)
        }
    });
    kill(postmaster(folder.path())?, Signal::SIGKILL)?;
    let seen = load.await??;
    assert!(seen.iter().all(|status| [200, 503].contains(status)), "{seen:?}");
    until(RECOVERY_LIMIT, "the service is ready again", async || is_ready(&client).await).await?;
    assert!(!service.log().contains("panicked"), "{}", service.log());
    assert!(service.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn a_postgresql_that_hangs_does_not_hang_the_server() -> Result<()> {
    let folder = data_dir()?;
    let service = Service::start(&["serve", "--data-dir", text(folder.path())])?;
    people::prepare_at(folder.path()).await?;
    let client = Client::new(service.url())?;
    client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "render", "capacity": 10 })).await?.expect(201)?;
    let stopped = family(postmaster(folder.path())?)?;
    for pid in &stopped {
        kill(*pid, Signal::SIGSTOP)?;
    }
    let started = Instant::now();
    let (ready, api, page, health) = tokio::join!(
        in_time(client.get("/readyz")),
        in_time(client.get("/api/v1/pools")),
        in_time(client.page("/overview")),
        in_time(client.get("/healthz")),
    );
    for pid in &stopped {
        // One that ended meanwhile needs no waking.
        let _ = kill(*pid, Signal::SIGCONT);
    }
    health?.expect(200)?;
    ready?.problem(503)?;
    let api = api?;
    api.problem(503)?;
    assert!(!api.header("retry-after").is_empty());
    let page = page?.expect(503)?;
    assert!(page.body.starts_with("<!DOCTYPE html>") && !page.header("retry-after").is_empty(), "{page:?}");
    assert!(started.elapsed() < ANSWER_LIMIT, "{:?}", started.elapsed());
    until(RECOVERY_LIMIT, "the service is ready again", async || is_ready(&client).await).await?;
    client.page("/overview").await?.expect(200)?;
    assert!(service.stop()?.success());
    Ok(())
}

/// A small file system of its own; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount one.
    fn mount(at: &Path, mib: u32) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let size = format!("size={mib}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "headroom-test"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Writes until nothing fits any more.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = File::create(&path)?;
        for size in [1 << 20, 1 << 12, 1 << 9] {
            let block = vec![b'x'; size];
            while file.write_all(&block).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process that just ended may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() -> Result<()> {
    let folder = data_dir()?;
    let Some(disk) = SmallDisk::mount(folder.path(), 256) else {
        println!("SKIPPED: only root can mount a small file system");
        return Ok(());
    };
    let service = Service::start(&["serve", "--data-dir", text(folder.path())])?;
    people::prepare_at(folder.path()).await?;
    let client = Client::new(service.url())?;
    let pool = |i: i32| json!({ "slug": format!("pool-{i}"), "capacity": 1, "description": "x".repeat(500) });
    client.json(Method::POST, "/api/v1/pools", &pool(0)).await?.expect(201)?;
    let filler = disk.fill()?;

    // Room that PostgreSQL has already is used up first.
    let mut made = vec![0];
    let mut said = None;
    for i in 1..20_000 {
        let answer = in_time(client.json(Method::POST, "/api/v1/pools", &pool(i))).await?;
        if answer.status != 201 {
            said = Some(answer.problem(503)?);
            assert!(!answer.header("retry-after").is_empty());
            break;
        }
        made.push(i);
    }
    let said = said.context("the disk is full and everything can be written")?;
    let detail = said["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("nothing was changed"), "{said}");
    assert!(
        detail.contains("disk is full") || detail.contains("does not answer"),
        "it says what is the matter: {said}"
    );
    in_time(client.get("/healthz")).await?.expect(200)?;
    let form = in_time(client.form("/tenants/new", &[("name", "x"), ("slug", "x")])).await?;
    assert!([303, 503].contains(&form.status), "{}", form.status);
    let page = in_time(client.page("/pools")).await?;
    assert!([200, 503].contains(&page.status), "{}", page.status);

    fs::remove_file(&filler)?;
    until(RECOVERY_LIMIT, "the service is ready again", async || is_ready(&client).await).await?;
    until(RECOVERY_LIMIT, "writing works again", async || {
        let answer =
            in_time(client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "after", "capacity": 1 }))).await?;
        Ok([201, 409].contains(&answer.status))
    })
    .await?;
    let pools = client.get("/api/v1/pools").await?.expect(200)?.json()?;
    let slugs: Vec<&str> = pools.as_array().into_iter().flatten().filter_map(|p| p["slug"].as_str()).collect();
    for i in &made {
        assert!(slugs.contains(&format!("pool-{i}").as_str()), "pool-{i} was acknowledged and is gone");
    }
    assert!(
        slugs.len() <= made.len() + 2,
        "what was refused is not there, but for the one under way: {} of {}",
        slugs.len(),
        made.len()
    );
    client.page("/overview").await?.expect(200)?;
    assert!(!service.log().contains("panicked"), "{}", service.log());
    assert!(service.stop()?.success());
    Ok(())
}

#[tokio::test]
async fn a_disk_that_is_full_from_the_start_is_told() -> Result<()> {
    let folder = data_dir()?;
    let Some(_disk) = SmallDisk::mount(folder.path(), 8) else {
        println!("SKIPPED: only root can mount a small file system");
        return Ok(());
    };
    let said = refused(&["serve", "--listen", "127.0.0.1:0", "--data-dir", text(folder.path())])?;
    assert!(said.contains("No space left on device"), "it says what is the matter: {said}");
    Ok(())
}

#[tokio::test]
async fn two_servers_on_one_database_share_the_work() -> Result<()> {
    let database = Database::create().await?;
    let serve = || Service::start(&["serve", "--database-url", database.url()]);
    let (first, second) = (serve()?, serve()?);
    let (one, two) = (Client::new(first.url())?, Client::new(second.url())?);
    one.json(Method::POST, "/api/v1/pools", &json!({ "slug": "render", "capacity": 10 })).await?.expect(201)?;
    assert_eq!(two.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"], 10, "both serve the same");
    two.page("/overview").await?.expect(200)?;

    let mut conn = database.connect().await?;
    let mut leases = async || -> Result<Vec<(String, Option<sqlx::types::Uuid>, i64)>> {
        Ok(sqlx::query_as("SELECT job, owner, epoch FROM job_lease ORDER BY job").fetch_all(&mut conn).await?)
    };
    until(ANSWER_LIMIT, "the jobs ran", async || {
        let runs: Value = one.get("/api/v1/jobs").await?.expect(200)?.json()?;
        let ran = |job: &str| runs.as_array().is_some_and(|runs| runs.iter().any(|r| r["job"] == job));
        Ok(headroom_server::jobs::JOBS.iter().all(|job| ran(job.schedule.name)))
    })
    .await?;
    let before = leases().await?;
    assert_eq!(before.len(), headroom_server::jobs::JOBS.len(), "{before:?}");
    let runs_always = |name: &str| {
        headroom_server::jobs::JOBS.iter().any(|job| job.schedule.name == name && job.schedule.is_continuous())
    };
    assert!(
        before.iter().all(|(job, owner, epoch)| *epoch == 1 && (owner.is_some() || !runs_always(job))),
        "a job that runs all the time has one owner, and keeps it; a turn is done once: {before:?}"
    );

    // With one server gone in order, the other has the jobs at its next turn.
    assert!(first.stop()?.success());
    until(Duration::from_secs(30), "the other server has the rollup", async || {
        let now = leases().await?;
        Ok(now.iter().any(|(job, owner, _)| job == "rollup" && owner.is_some()))
    })
    .await?;
    two.page("/overview").await?.expect(200)?;
    let runs: i64 = {
        let mut conn = database.connect().await?;
        sqlx::query_scalar("SELECT count(*) FROM job_run WHERE job = 'partitions' AND outcome = 'done'")
            .fetch_one(&mut conn)
            .await?
    };
    assert_eq!(runs, 1, "the partitions were made once, not by each");
    assert!(second.stop()?.success());
    Ok(())
}
