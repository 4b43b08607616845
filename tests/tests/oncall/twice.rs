//! Step 21: a second night in which the server is killed while it judges and while it tells.

use anyhow::{Result, ensure};
use headroom_domain::alert::slo::Sli;
use headroom_tests::alerts::World;
use headroom_tests::inbox::Inbox;
use headroom_tests::night::{judged, receivers, serve};
use headroom_tests::service::Service;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was decided, and how often each message came.
type Outcome = (Vec<String>, BTreeMap<String, usize>);

pub(crate) async fn killed_and_started_again_tells_the_same() -> Result<()> {
    let (calm, once) = night(false).await?;
    let (killed, came) = night(true).await?;
    assert_eq!(killed, calm, "whoever is killed decides nothing else");
    assert_eq!(
        came.keys().collect::<Vec<_>>(),
        once.keys().collect::<Vec<_>>(),
        "no page is lost, and none has a second key"
    );
    ensure!(once.values().all(|times| *times == 1), "{once:?}");
    ensure!(came.values().any(|times| *times > 1), "the kill hit nothing: {came:?}");
    Ok(())
}

async fn night(is_killed: bool) -> Result<Outcome> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    let inbox = Inbox::start().await?;
    inbox.answer(|path, _, _| headroom_tests::night::taken(path));
    world.clean("pool-a").await?;
    receivers(&mut world, &inbox).await?;
    world.slices("pool-a", None, Sli::Saturation, 0..40, 2, 1_000).await?;
    let mut service = Service::start(&serve(&world))?;
    judged(&mut world, 24).await?;
    if is_killed {
        // While it judges,
        world.hold(25, 0).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
        service.kill()?;
        world.end_leases().await?;
        // and while it tells: the messages came, and nobody is told so.
        let gate = inbox.hold();
        service = Service::start(&serve(&world))?;
        judged(&mut world, 25).await?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while inbox.posts().is_empty() {
            ensure!(Instant::now() < deadline, "nobody is told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        service.kill()?;
        drop(gate);
        inbox.release();
        world.end_leases().await?;
        service = Service::start(&serve(&world))?;
        // A channel of Slack takes one message a second.
        world.hold(25, 2_000).await?;
        world.all_told(None).await?;
    } else {
        judged(&mut world, 25).await?;
        world.all_told(None).await?;
    }
    for minute in [26, 27] {
        judged(&mut world, minute).await?;
    }
    world.all_told(None).await?;
    let decided = world.decided().await?;
    service.stop()?;
    let mut came = BTreeMap::new();
    for post in inbox.posts() {
        *came.entry(format!("{} {}", post.path, post.key())).or_insert(0) += 1;
    }
    world.database.remove().await?;
    Ok((decided, came))
}
