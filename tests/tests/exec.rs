//! `headroom exec` as a script meets it: exit codes, signals, lost leases, fences.

use anyhow::{Context, Result, ensure};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes longer unless it is broken.
const LIMIT: Duration = Duration::from_secs(30);

/// A server with a tracked pool of four slots and two tenants.
struct World {
    service: Service,
    client: Client,
    _database: Database,
}

impl World {
    async fn create(policy: Value) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        Self::of(service, client, database, policy).await
    }

    /// The same with a server that was started already.
    async fn of(service: Service, client: Client, database: Database, policy: Value) -> Result<Self> {
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 4 });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        client.put("/api/v1/pools/lanes/policy", &json!({ "policy": policy })).await?.expect(200)?;
        Ok(Self { service, client, _database: database })
    }

    /// `headroom exec` of a shell script, with more arguments before it.
    fn exec(&self, more: &[&str], script: &str) -> Result<std::process::Command> {
        let url = self.service.url();
        let mut arguments = vec!["exec", "--pool", "lanes", "--tenant", "acme", "--url", url];
        arguments.extend(more);
        arguments.extend(["--", "sh", "-c", script]);
        let mut command = command(&arguments)?;
        command.env("HEADROOM_TOKEN", people::TOKEN);
        Ok(command)
    }

    fn run(&self, more: &[&str], script: &str) -> Result<Output> {
        Ok(self.exec(more, script)?.output()?)
    }

    async fn slots(&self) -> Result<String> {
        let slots = self.client.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
        Ok(slots["states"].as_str().unwrap_or_default().to_owned())
    }

    async fn slots_become(&self, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.slots().await? != wanted {
            ensure!(Instant::now() < deadline, "expected {wanted}, found {}", self.slots().await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A started command, whose first line of output has come.
struct Started {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Started {
    fn until(mut command: std::process::Command, wanted: &str) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        let line = lines.next().context("it says something")??;
        ensure!(line == wanted, "expected {wanted:?}, found {line:?}");
        Ok(Self { child, lines })
    }

    fn send(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Its code, what else it printed, and what it said.
    async fn end(mut self) -> Result<(Option<i32>, Vec<String>, String)> {
        let deadline = Instant::now() + LIMIT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                anyhow::bail!("it did not end");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let rest = self.lines.map_while(Result::ok).collect();
        let output = self.child.wait_with_output()?;
        Ok((output.status.code(), rest, text(&output.stderr)))
    }
}

#[tokio::test]
async fn the_command_runs_with_its_fences_and_its_code_is_the_answer() -> Result<()> {
    let world = World::create(json!({})).await?;
    let script = r#"echo "$HEADROOM_POOL $HEADROOM_SLOT $HEADROOM_FENCE $HEADROOM_SLOTS $HEADROOM_FENCES $HEADROOM_CLAIM"; exit 7"#;
    let output = world.run(&["--slots", "2", "--node", "n1"], script)?;
    let said = text(&output.stdout);
    ensure!(said.starts_with("lanes 1 1 1,2 1,1 "), "{said} {}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(world.slots().await?, "....");
    let claim = said.split_whitespace().last().context("a claim")?.to_owned();
    let address = format!("/api/v1/slot-events?pool=lanes&kind=release&claim={claim}");
    let events = world.client.get(&address).await?.expect(200)?.json()?;
    assert_eq!(events.as_array().map(Vec::len), Some(2), "{events}");
    assert_eq!((&events[0]["outcome"], &events[0]["node"]), (&json!("failed"), &json!("n1")));
    ensure!(events[0]["work_ms"].as_i64().is_some(), "{events}");

    let output = world.run(&[], "exit 0")?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = world.run(&[], "kill -KILL $$")?;
    assert_eq!(output.status.code(), Some(128 + 9));
    assert_eq!(world.slots().await?, "....");
    Ok(())
}

#[tokio::test]
async fn each_way_not_to_run_has_a_code_of_its_own() -> Result<()> {
    let world = World::create(json!({})).await?;
    let full = world.run(&["--slots", "5"], "exit 0")?;
    assert_eq!(full.status.code(), Some(75));
    ensure!(text(&full.stderr).contains("more-than-pool"), "{}", text(&full.stderr));
    let other = world.run(&["--slots", "5", "--not-acquired-code", "3"], "exit 0")?;
    assert_eq!(other.status.code(), Some(3));

    let held = json!({ "tenant": "beta", "slots": 4, "ttl_ms": 60_000 });
    world.client.post("/api/v1/pools/lanes/claims", &held).await?.expect(201)?;
    let started = Instant::now();
    let late = world.run(&["--wait", "700ms"], "exit 0")?;
    assert_eq!(late.status.code(), Some(75), "{}", text(&late.stderr));
    ensure!(started.elapsed() >= Duration::from_millis(650), "it waited");

    let code = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = command(arguments)?.env("HEADROOM_TOKEN", people::TOKEN).output()?;
        Ok((output.status.code(), text(&output.stderr)))
    };
    let away = ["exec", "--pool", "lanes", "--tenant", "acme", "--url", "http://127.0.0.1:1", "--", "true"];
    let (away, said) = code(&away)?;
    ensure!(away == Some(69) && said.contains("not reached"), "{away:?} {said}");
    let url = world.service.url();
    for wrong in [
        &["exec", "--pool", "lanes", "--", "true"][..],
        &["exec", "--pool", "lanes", "--tenant", "acme", "--wait", "soon", "--", "true"],
        &["exec", "--pool", "lanes", "--tenant", "acme"],
        &["exec", "--pool", "nothing", "--tenant", "acme", "--url", url, "--", "true"],
        &["exec", "--pool", "lanes", "--tenant", "nobody", "--url", url, "--", "true"],
    ] {
        let (found, said) = code(wrong)?;
        ensure!(found == Some(64) && !said.is_empty(), "{wrong:?}: {found:?} {said}");
    }
    let nameless = command(&["exec", "--pool", "lanes", "--tenant", "acme", "--url", url, "--", "true"])?.output()?;
    assert_eq!(nameless.status.code(), Some(77));
    ensure!(text(&nameless.stderr).contains("HEADROOM_TOKEN"), "{}", text(&nameless.stderr));

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{}\n", people::TOKEN))?;
    let file = file.to_string_lossy().into_owned();
    // With a token that works, and a pool that is full for it too.
    let with_file = ["exec", "--pool", "lanes", "--tenant", "acme", "--url", url, "--token-file", &file, "--", "true"];
    assert_eq!(command(&with_file)?.output()?.status.code(), Some(75));
    Ok(())
}

#[tokio::test]
async fn a_command_that_is_not_there_leaves_nothing_behind() -> Result<()> {
    let world = World::create(json!({})).await?;
    let run = |program: &str| -> Result<Option<i32>> {
        let url = world.service.url();
        let mut command = command(&["exec", "--pool", "lanes", "--tenant", "acme", "--url", url, "--", program])?;
        Ok(command.env("HEADROOM_TOKEN", people::TOKEN).output()?.status.code())
    };
    assert_eq!(run("/no/such/program")?, Some(127));
    assert_eq!(run("/etc/passwd")?, Some(126));
    assert_eq!(world.slots().await?, "....");
    Ok(())
}

#[tokio::test]
async fn signals_reach_the_command_and_its_slots_come_back() -> Result<()> {
    let world = World::create(json!({})).await?;
    let script = "trap 'echo usr1' USR1; trap 'echo hup' HUP; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut started = Started::until(world.exec(&["--slots", "3"], script)?, "ready")?;
    assert_eq!(world.slots().await?, "ooo.");
    for (signal, wanted) in [(Signal::SIGUSR1, "usr1"), (Signal::SIGHUP, "hup")] {
        started.send(signal)?;
        let line = started.lines.next().context("an answer")??;
        assert_eq!(line, wanted);
    }
    started.send(Signal::SIGTERM)?;
    let (code, rest, said) = started.end().await?;
    assert_eq!((code, rest), (Some(5), vec!["term".to_owned()]), "{said}");
    assert_eq!(world.slots().await?, "....");
    // One that does not listen ends by the signal.
    let started = Started::until(world.exec(&[], "echo ready; exec sleep 60")?, "ready")?;
    started.send(Signal::SIGINT)?;
    assert_eq!(started.end().await?.0, Some(128 + 2));
    assert_eq!(world.slots().await?, "....");
    Ok(())
}

#[tokio::test]
async fn who_is_told_to_end_while_it_waits_leaves_the_queue() -> Result<()> {
    let world = World::create(json!({})).await?;
    let held = json!({ "tenant": "beta", "slots": 4, "ttl_ms": 60_000 });
    let held = world.client.post("/api/v1/pools/lanes/claims", &held).await?.expect(201)?.json()?;
    let mut waiting = world.exec(&["--wait", "5m"], "exit 0")?.stderr(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let events = world.client.get("/api/v1/slot-events?pool=lanes&kind=enqueue").await?.expect(200)?.json()?;
        if events.as_array().is_some_and(|events| !events.is_empty()) {
            break;
        }
        ensure!(Instant::now() < deadline, "it never began to wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kill(Pid::from_raw(waiting.id().cast_signed()), Signal::SIGTERM)?;
    let status = tokio::task::spawn_blocking(move || waiting.wait()).await??;
    assert_eq!(status.code(), Some(128 + 15));
    let id = held["claim"].as_str().unwrap_or_default();
    world.client.post(&format!("/api/v1/pools/lanes/claims/{id}/release"), &json!({})).await?.expect(200)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.slots().await?, "....", "nobody waits who could be given anything");
    Ok(())
}

#[tokio::test]
async fn a_command_that_outlives_its_lease_is_ended() -> Result<()> {
    let world = World::create(json!({ "ttl_ms": 2_000 })).await?;
    // It does not want to end, and neither does what it started.
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let started = Started::until(world.exec(&["--grace", "500ms", "--slots", "2"], script)?, "ready")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.slots().await?, "oo..", "it is renewed while the server answers");
    let server = Pid::from_raw(world.service.pid().cast_signed());
    kill(server, Signal::SIGSTOP)?;
    let ended = started.end().await;
    kill(server, Signal::SIGCONT)?;
    let (code, _, said) = ended?;
    assert_eq!(code, Some(76), "{said}");
    ensure!(said.contains("lease is lost") && said.contains("killed"), "{said}");
    world.slots_become("....").await
}

#[tokio::test]
async fn a_lease_that_was_lost_unnoticed_is_told_at_the_end() -> Result<()> {
    let world = World::create(json!({})).await?;
    let started = Started::until(world.exec(&[], "echo ready; sleep 1")?, "ready")?;
    let reclaim = json!({ "action": "reclaim", "slots": [1] });
    world.client.post("/api/v1/pools/lanes/actions", &reclaim).await?.expect(200)?;
    let (code, _, said) = started.end().await?;
    assert_eq!(code, Some(76), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_notice_is_passed_on_as_the_caller_wants() -> Result<()> {
    let world = World::create(json!({ "grace_ms": 20_000, "ttl_ms": 3_000 })).await?;
    let script = "trap 'echo saved; exit 0' USR2; echo ready; while :; do sleep 0.05; done";
    let started = Started::until(world.exec(&["--on-notice", "usr2"], script)?, "ready")?;
    let drain = json!({ "action": "drain", "slots": [1] });
    world.client.post("/api/v1/pools/lanes/actions", &drain).await?.expect(200)?;
    let (code, rest, said) = started.end().await?;
    assert_eq!((code, rest), (Some(0), vec!["saved".to_owned()]), "{said}");
    ensure!(said.contains("taken out of service"), "{said}");
    world.slots_become("x...").await
}

#[tokio::test]
async fn a_killed_exec_takes_its_command_along() -> Result<()> {
    let world = World::create(json!({ "ttl_ms": 1_500 })).await?;
    let script = "trap 'echo term; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let mut started = Started::until(world.exec(&[], script)?, "ready")?;
    started.send(Signal::SIGKILL)?;
    let line = started.lines.next().context("the command says that it was told")??;
    assert_eq!(line, "term");
    started.child.wait()?;
    world.slots_become("....").await
}

/// A holder is stopped until its lease is over and its slot is another's, and goes on. Gives what a resource is told about the
/// holder's old fence, how the holder ended, and what was written down about it.
async fn a_holder_that_slept(without: Option<&str>) -> Result<(u16, Option<i32>, Vec<(String, u16)>, Value)> {
    let database = Database::create().await?;
    let mut serve = command(&["serve", "--database-url", database.url()])?;
    if let Some(safeguard) = without {
        serve.env("HEADROOM_NEGATIVE_CONTROL", safeguard);
    }
    let service = Service::spawn(serve)?;
    let client = Client::new(service.url())?;
    let world = World::of(service, client, database, json!({ "ttl_ms": 2_000 })).await?;
    let script = r#"echo "$HEADROOM_CLAIM $HEADROOM_SLOT $HEADROOM_FENCE"; exec sleep 60"#;
    let mut holder = world.exec(&["--slots", "1"], script)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(holder.stdout.take().context("it is piped")?).lines();
    let line = lines.next().context("it says what it holds")??;
    let [claim, slot, fence] = line.split(' ').collect::<Vec<_>>()[..] else { anyhow::bail!("{line}") };
    let (slot, fence): (i64, i64) = (slot.parse()?, fence.parse()?);
    let pid = Pid::from_raw(holder.id().cast_signed());
    kill(pid, Signal::SIGSTOP)?;
    world.slots_become("....").await?;
    for _ in 0..4 {
        let other = json!({ "tenant": "beta", "ttl_ms": 60_000 });
        world.client.post("/api/v1/pools/lanes/claims", &other).await?.expect(201)?;
    }
    let shown = json!({ "pool": "lanes", "slot": slot, "fence": fence });
    let verified = world.client.post("/api/v1/fences/verify", &shown).await?.status;
    let mut refused = Vec::new();
    for what in ["renew", "release"] {
        let path = format!("/api/v1/pools/lanes/claims/{claim}/{what}");
        refused.push((what.to_owned(), world.client.post(&path, &json!({})).await?.status));
    }
    kill(pid, Signal::SIGCONT)?;
    let output = tokio::task::spawn_blocking(move || holder.wait_with_output()).await??;
    assert_eq!(world.slots().await?, "oooo", "what others hold they hold still");
    let events = world.client.get("/api/v1/slot-events?pool=lanes&kind=stale").await?.expect(200)?.json()?;
    Ok((verified, output.status.code(), refused, events))
}

#[tokio::test]
async fn a_holder_that_slept_over_its_lease_is_kept_out_and_that_is_written_down() -> Result<()> {
    let (verified, code, refused, events) = a_holder_that_slept(None).await?;
    assert_eq!((verified, code), (409, Some(76)));
    assert_eq!(refused, [("renew".to_owned(), 409), ("release".to_owned(), 409)]);
    let reasons: Vec<&str> = events.as_array().into_iter().flatten().filter_map(|e| e["reason"].as_str()).collect();
    // The same holder again is no news within a minute.
    assert_eq!(reasons, ["renew", "verify"], "{events}");
    Ok(())
}

#[tokio::test]
async fn without_the_fence_a_holder_that_slept_gets_through() -> Result<()> {
    let (verified, ..) = a_holder_that_slept(Some("fence")).await?;
    assert_eq!(verified, 200, "without its safeguard the old fence was refused: the test sees nothing");
    Ok(())
}
