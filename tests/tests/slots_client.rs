//! The client crate against the real server.

use anyhow::{Context, Result, ensure};
use headroom_slots::{Ask, Beat, CancellationToken, Client, Error, Keeping, Look, NoticeKind, Operation, Report, Uuid};
use headroom_tests::client::Client as Admin;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A server with a tracked pool of four slots and two tenants.
struct World {
    service: Service,
    admin: Admin,
    client: Client,
    database: Database,
}

impl World {
    async fn create(policy: Value) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let admin = Admin::new(service.url())?;
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 4 });
        admin.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            admin.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        admin.put("/api/v1/pools/lanes/policy", &json!({ "policy": policy })).await?.expect(200)?;
        let client = Client::new(service.url(), people::TOKEN)?;
        Ok(Self { service, admin, client, database })
    }

    async fn slots(&self) -> Result<String> {
        let slots = self.admin.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
        Ok(slots["states"].as_str().unwrap_or_default().to_owned())
    }

    async fn slots_become(&self, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.slots().await? != wanted {
            ensure!(Instant::now() < deadline, "expected {wanted}, found {}", self.slots().await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn slots(slots: u32) -> Ask {
    Ask { slots, ..Ask::new("acme") }
}

#[tokio::test]
async fn a_lease_outlives_its_time_to_live_and_is_given_back() -> Result<()> {
    let world = World::create(json!({ "ttl_ms": 1_500 })).await?;
    let lease = world.client.lease("lanes", &slots(3)).await?;
    let held = lease.granted().clone();
    assert_eq!(held.slots.iter().map(|held| held.slot).collect::<Vec<_>>(), [1, 2, 3]);
    ensure!(held.remaining() <= Duration::from_millis(1_500), "{:?}", held.remaining());
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(lease.is_held(), "{:?}", lease.status());
    assert_eq!(world.slots().await?, "ooo.");
    let first = held.slots[0];
    ensure!(world.client.verify("lanes", first.slot, first.fence).await?.is_some(), "the fence holds");
    assert_eq!(world.client.verify("lanes", first.slot, first.fence - 1).await?, None);
    lease.release(&Report::ok()).await?;
    assert_eq!(world.slots().await?, "....");
    assert_eq!(world.client.verify("lanes", first.slot, first.fence).await?, None);
    // Again, and after that nothing can be renewed.
    world.client.release("lanes", held.claim, &Report::ok()).await?;
    let renewed = world.client.renew("lanes", held.claim, None, &Report::default()).await;
    ensure!(matches!(renewed, Err(Error::Lost(_))), "{renewed:?}");
    Ok(())
}

#[tokio::test]
async fn a_lease_that_is_dropped_comes_back_by_itself() -> Result<()> {
    let world = World::create(json!({ "ttl_ms": 1_000 })).await?;
    let lease = world.client.lease("lanes", &slots(4)).await?;
    drop(lease);
    let next = Ask { wait: Duration::from_secs(8), ..slots(1) };
    let next = world.client.claim("lanes", &next).await?;
    assert_eq!(next.slots[0].fence, 3, "claim, end and claim are three fences");
    Ok(())
}

#[tokio::test]
async fn refusals_have_reasons_and_waiting_goes_on_beyond_one_of_the_servers_limits() -> Result<()> {
    let world = World::create(json!({ "longest_wait_ms": 500 })).await?;
    let held = world.client.claim("lanes", &slots(4)).await?;
    match world.client.claim("lanes", &slots(1)).await {
        Err(Error::Refused { reason, retry_after, .. }) => {
            assert_eq!(reason, "full");
            ensure!(retry_after > Duration::ZERO, "it says when to come back");
        }
        other => anyhow::bail!("{other:?}"),
    }
    match world.client.claim("lanes", &Ask { wait: Duration::from_secs(9), ..slots(5) }).await {
        Err(Error::Refused { reason, .. }) => assert_eq!(reason, "more-than-pool"),
        other => anyhow::bail!("{other:?}"),
    }
    // The server lets a claim wait for half a second; the caller wants more.
    let patient = Ask { wait: Duration::from_secs(10), ..slots(2) };
    let waiting = world.client.claim("lanes", &patient);
    let release = async {
        tokio::time::sleep(Duration::from_millis(1_800)).await;
        world.client.release("lanes", held.claim, &Report::ok()).await
    };
    let (granted, released) = tokio::join!(waiting, release);
    released?;
    assert_eq!(granted?.slots.len(), 2);
    Ok(())
}

#[tokio::test]
async fn who_gives_up_leaves_the_queue() -> Result<()> {
    let world = World::create(json!({})).await?;
    let held = world.client.claim("lanes", &slots(4)).await?;
    let given_up = CancellationToken::new();
    let patient = Ask { wait: Duration::from_mins(1), ..slots(2) };
    let waiting = world.client.claim_unless("lanes", &patient, &given_up);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        given_up.cancel();
    };
    let (result, ()) = tokio::join!(waiting, stop);
    ensure!(matches!(result, Err(Error::GivenUp)), "{result:?}");
    world.client.release("lanes", held.claim, &Report::ok()).await?;
    // Nobody is in the queue who could be given anything.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.slots().await?, "....");
    Ok(())
}

#[tokio::test]
async fn a_holder_is_told_to_end_and_acknowledges() -> Result<()> {
    let world = World::create(json!({ "grace_ms": 20_000 })).await?;
    let granted = world.client.claim("lanes", &slots(2)).await?;
    let keeping = Keeping { look_every: Some(Duration::from_millis(200)), ..Keeping::default() };
    let lease = world.client.keep(granted, keeping);
    let drain = json!({ "action": "drain", "slots": [1] });
    world.admin.post("/api/v1/pools/lanes/actions", &drain).await?.expect(200)?;
    let notice = tokio::time::timeout(Duration::from_secs(5), lease.noticed()).await.context("a notice")?;
    assert_eq!(notice.kind, NoticeKind::Drain);
    let left = notice.by.saturating_duration_since(Instant::now());
    ensure!((15..=20).contains(&left.as_secs()), "{left:?}");
    lease.checkpoint().await?;
    world.slots_become("x...").await
}

#[tokio::test]
async fn a_lease_that_is_taken_is_lost_within_a_look() -> Result<()> {
    let world = World::create(json!({})).await?;
    let granted = world.client.claim("lanes", &slots(1)).await?;
    let keeping = Keeping { look_every: Some(Duration::from_millis(200)), ..Keeping::default() };
    let lease = world.client.keep(granted, keeping);
    let reclaim = json!({ "action": "reclaim", "slots": [1] });
    world.admin.post("/api/v1/pools/lanes/actions", &reclaim).await?.expect(200)?;
    tokio::time::timeout(Duration::from_secs(5), lease.lost()).await.context("it is lost")?;
    let released = lease.release(&Report::ok()).await;
    ensure!(matches!(released, Err(Error::Lost(_))), "{released:?}");
    Ok(())
}

#[tokio::test]
async fn a_killed_server_is_waited_for_under_the_same_key() -> Result<()> {
    let world = World::create(json!({})).await?;
    let url = world.service.url().trim_start_matches("http://").to_owned();
    let ask = Ask { key: Some("job-7".to_owned()), ..slots(1) };
    let first = world.client.claim("lanes", &ask).await?;
    world.service.kill()?;
    let client = world.client.clone().with_patience(Duration::from_secs(25));
    let again = client.claim("lanes", &ask);
    let restart = async {
        let command = headroom_tests::service::command(&["serve", "--database-url", world.database.url()])?;
        Service::spawn_on(command, &url)
    };
    let (again, service) = tokio::join!(again, restart);
    let _service = service?;
    assert_eq!(again?.claim, first.claim, "one key is one claim, whoever answers");
    Ok(())
}

#[tokio::test]
async fn several_operations_go_in_one_call() -> Result<()> {
    let world = World::create(json!({})).await?;
    let first = world.client.claim("lanes", &slots(1)).await?;
    let operations = [
        Operation::Claim(Box::new(slots(2))),
        Operation::Renew { claim: first.claim, ttl: Some(Duration::from_secs(50)) },
        Operation::Claim(Box::new(slots(2))),
        Operation::Release { claim: Uuid::nil(), report: Report::ok() },
    ];
    let results = world.client.batch("lanes", &operations).await?;
    ensure!(matches!(&results[0], Ok(Look::Granted(granted)) if granted.slots.len() == 2), "{results:?}");
    ensure!(matches!(&results[1], Ok(Look::Granted(granted)) if granted.remaining().as_secs() >= 40), "{results:?}");
    ensure!(matches!(&results[2], Err(Error::Refused { reason, .. }) if reason == "full"), "{results:?}");
    ensure!(matches!(&results[3], Err(Error::Lost(_))), "{results:?}");
    let release = [Operation::Release { claim: first.claim, report: Report::ok() }];
    let released = world.client.batch("lanes", &release).await?;
    ensure!(matches!(&released[0], Ok(Look::Ended(how)) if how == "released"), "{released:?}");
    Ok(())
}

#[tokio::test]
async fn wrong_words_and_wrong_tokens_are_told_apart() -> Result<()> {
    let world = World::create(json!({})).await?;
    let unknown = world.client.claim("nothing", &slots(1)).await;
    ensure!(matches!(unknown, Err(Error::Invalid(ref problem)) if problem.status == 404), "{unknown:?}");
    let nobody = world.client.claim("lanes", &Ask::new("nobody")).await;
    ensure!(matches!(nobody, Err(Error::Invalid(ref problem)) if problem.errors[0].field == "tenant"), "{nobody:?}");
    let stranger = Client::new(world.service.url(), "hr_NOTATOKENNOTATOKENNOTATOKENNOTATOKENNOTA")?;
    let refused = stranger.claim("lanes", &slots(1)).await;
    ensure!(matches!(refused, Err(Error::Unauthorised(_))), "{refused:?}");
    let beats = [Beat { holder: "worker-1".to_owned(), generation: 2 }];
    ensure!(world.client.heartbeat("lanes", &beats).await?.is_empty(), "nobody replaced it");
    Ok(())
}
