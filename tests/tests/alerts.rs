//! Alerts from slices to messages: what fires when, what explains what, who has it, who is told.

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::episode::{Condition, Workflow};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::window::Lane;
use headroom_server::app::AppError;
use headroom_server::app::alerts::deeds::{Deed, Wish};
use headroom_server::app::alerts::{engine, tick};
use headroom_store::alert::Row;
use headroom_tests::alerts::World;

fn ack(seen: u64, note: &str, key: Option<&str>) -> Wish {
    Wish { deed: Deed::Acknowledge, seen: Some(seen), note: note.into(), key: key.map(str::to_owned) }
}

/// Rule, condition and severity of every alert.
fn shown(rows: &[Row]) -> Vec<(String, Condition, Lane)> {
    rows.iter().map(|row| (row.rule.clone(), row.alert.condition, row.alert.severity)).collect()
}

fn burn(condition: Condition, severity: Lane) -> Vec<(String, Condition, Lane)> {
    vec![("saturation-burn".to_owned(), condition, severity)]
}

#[tokio::test]
async fn a_fast_burn_pages_once_becomes_critical_and_ends() -> Result<()> {
    // V11, and its end: twenty times too fast for 50 minutes.
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.receiver("pager", &["page"]).await?;
    world.receiver("tracker", &["ticket"]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..50, 2, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 50..80, 0, 1_000).await?;
    let told = world.run(20..=60, shown).await?;
    assert_eq!(
        told,
        [(20, vec![]), (25, burn(Condition::Firing, Lane::Page)), (55, burn(Condition::Resolved, Lane::Page))]
    );
    let row = world.alerts().await?.remove(0);
    let events = world.events(row.id).await?;
    assert_eq!(events, ["fired", "asked", "escalated", "escalated", "critical", "resolved"]);
    let says = row.facts.says.replace('\u{202f}', " ");
    ensure!(says.contains("claims rejected in 1 h"), "{says}");
    // Asked at 0, 5 and 15 minutes, and told that it is over: nothing twice, nothing for it becoming critical.
    let messages = world.messages("pager").await?;
    let expected = [(25, "firing"), (30, "escalated"), (40, "escalated"), (55, "resolved")];
    assert_eq!(messages, expected.map(|(at, what)| (at, what.to_owned())));
    assert_eq!(world.messages("tracker").await?, [], "a page is no ticket");
    Ok(())
}

#[tokio::test]
async fn an_outage_leaves_a_ticket_and_a_gap_freezes() -> Result<()> {
    // V14 with its ticket, then V17.
    let mut world = World::create(&["pool-a", "pool-b"], &[]).await?;
    world.receiver("pager", &["page"]).await?;
    for pool in ["pool-a", "pool-b"] {
        world.clean(pool).await?;
        world.slices(pool, None, Sli::Saturation, 0..10, 1_000, 1_000).await?;
    }
    world.slices("pool-a", None, Sli::Saturation, 10..400, 0, 1_000).await?;
    world.slices("pool-b", None, Sli::Saturation, 20..60, 0, 1_000).await?;
    let pool_b = world.pool("pool-b").await?;
    let told = world
        .run(0..=32, |rows| {
            let of = |b: bool| {
                let row = rows.iter().find(|row| row.rule == "saturation-burn" && (row.pool == Some(pool_b)) == b);
                row.map(|row| (row.alert.condition, row.alert.severity))
            };
            (of(false), of(true))
        })
        .await?;
    use Condition::{Firing, Frozen};
    use Lane::{Page, Ticket};
    assert_eq!(
        told,
        [
            (0, (None, None)),
            (1, (Some((Firing, Page)), Some((Firing, Page)))),
            (13, (Some((Firing, Page)), Some((Frozen, Page)))),
            (22, (Some((Firing, Ticket)), Some((Frozen, Page)))),
            (28, (Some((Firing, Ticket)), Some((Firing, Page)))),
            (30, (Some((Firing, Ticket)), Some((Firing, Ticket)))),
        ]
    );
    let over: Vec<(i64, String)> =
        world.messages("pager").await?.into_iter().filter(|(_, what)| what == "page-over").collect();
    assert_eq!(over, [(22, "page-over".to_owned()), (30, "page-over".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn a_slice_that_is_sent_again_is_judged_at_once_and_counts_once() -> Result<()> {
    // V21.
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..4, 0, 1_000).await?;
    assert_eq!(world.run(0..=4, shown).await?, [(0, vec![])]);
    world.hold(4, 5_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 0..1, 100, 1_000).await?;
    world.hold(4, 10_000).await?;
    engine::round(&world.db).await?;
    assert_eq!(
        shown(&world.alerts().await?),
        burn(Condition::Firing, Lane::Page),
        "at the watermark that was judged before"
    );
    let bad = |rows: &[Row]| rows[0].facts.tiers[0].bad;
    assert_eq!(bad(&world.alerts().await?), 100);
    world.slices("pool-a", None, Sli::Saturation, 0..1, 100, 1_000).await?;
    world.hold(4, 20_000).await?;
    engine::round(&world.db).await?;
    assert_eq!(bad(&world.alerts().await?), 100, "sent twice, counted once");
    Ok(())
}

#[tokio::test]
async fn rounds_at_the_same_time_judge_once() -> Result<()> {
    // V47.
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.receiver("pager", &["page"]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..3, 1_000, 1_000).await?;
    world.judge(0).await?;
    world.hold(2, 0).await?;
    let rounds = futures::future::join_all((0..4).map(|_| engine::round(&world.db))).await;
    // One that came too late finds that the alert exists or that the mark moved; neither writes anything.
    ensure!(rounds.iter().any(Result::is_ok), "{rounds:?}");
    assert_eq!(world.alerts().await?.len(), 1);
    assert_eq!(world.messages("pager").await?, [(2, "firing".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn one_cause_wakes_once_and_what_is_left_is_told_later() -> Result<()> {
    // V32: the pool and three tenants at once; the pool recovers, one tenant does not.
    let mut world = World::create(&["pool-a"], &["t1", "t3", "t9"]).await?;
    world.receiver("pager", &["page"]).await?;
    world.clean("pool-a").await?;
    for tenant in ["t1", "t3", "t9"] {
        world.slices("pool-a", Some(tenant), Sli::Saturation, -600..0, 0, 1_000).await?;
        let until = if tenant == "t3" { 200 } else { 5 };
        world.slices("pool-a", Some(tenant), Sli::Saturation, 0..until, 500, 1_000).await?;
        if tenant != "t3" {
            world.slices("pool-a", Some(tenant), Sli::Saturation, 5..200, 0, 1_000).await?;
        }
    }
    world.slices("pool-a", None, Sli::Saturation, 0..5, 500, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 5..200, 0, 1_000).await?;
    world.judge(0).await?;
    for minute in 1..=20 {
        world.judge(minute).await?;
    }
    let rows = world.alerts().await?;
    let whole = rows.iter().find(|row| row.tenant == 0).context("the pool's own alert")?;
    assert_eq!(whole.alert.severity, Lane::Ticket, "the page is over: {:?}", whole.alert);
    let messages = world.messages("pager").await?;
    let pages: Vec<&(i64, String)> = messages.iter().filter(|(_, what)| what == "firing").collect();
    ensure!(pages.len() == 2 && pages[0].0 == 1, "one for all at first, one for who is left: {messages:?}");
    let over = messages.iter().find(|(_, what)| what == "page-over").context("the pool's page is over")?.0;
    assert_eq!(pages[1].0, over + 1, "60 s after: {messages:?}");
    let left = rows.iter().find(|row| row.tenant != 0 && !row.is_muted() && row.alert.severity == Lane::Page);
    let left = left.context("the tenant that is left")?;
    ensure!(world.events(left.id).await?.contains(&"not-inhibited".to_owned()), "its timeline says so");
    Ok(())
}

#[tokio::test]
async fn sixty_people_at_once_have_one_winner() -> Result<()> {
    // V34, V35, V36 and V37.
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.receiver("pager", &["page"]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..10, 1_000, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 10..400, 0, 1_000).await?;
    world.judge(0).await?;
    for minute in 1..=4 {
        world.judge(minute).await?;
    }
    let row = world.alerts().await?.remove(0);
    assert_eq!((row.alert.version, row.eval_seq), (1, 4), "evaluations move no version");
    let app = world.app();
    let wishes: Vec<Wish> =
        (0..60).map(|number| ack(1, &format!("mine {number}"), Some(&format!("key-{number}")))).collect();
    let results = futures::future::join_all(wishes.iter().map(|wish| app.answer_alert(row.id, wish))).await;
    let winners: Vec<usize> = (0..60).filter(|number| results[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    for (number, result) in results.iter().enumerate().filter(|(number, _)| *number != winners[0]) {
        let Err(AppError::Answered { refusal, version: 2 }) = result else {
            anyhow::bail!("{number}: {result:?}");
        };
        use headroom_domain::alert::episode::Refusal;
        let Refusal::AlreadyAcknowledged(owner) = refusal.as_ref() else { anyhow::bail!("{refusal:?}") };
        assert_eq!(owner.note, format!("mine {}", winners[0]), "each is told what the winner said");
    }
    let again = app.answer_alert(row.id, &wishes[winners[0]]).await?;
    ensure!(again.replayed, "the winner asks again");
    let events = world.events(row.id).await?;
    assert_eq!(events.iter().filter(|what| *what == "acknowledged").count(), 1);
    let acks = world.messages("pager").await?.into_iter().filter(|(_, what)| what == "acknowledged").count();
    assert_eq!(acks, 1);
    for minute in 5..=372 {
        world.judge(minute).await?;
    }
    let row = world.alerts().await?.remove(0);
    assert_eq!((row.alert.condition, row.alert.workflow), (Condition::Resolved, Workflow::Closed));
    let late = app.answer_alert(row.id, &ack(row.alert.version, "", None)).await;
    ensure!(
        matches!(&late, Err(AppError::Answered { refusal, .. }) if refusal.code() == "already_resolved"),
        "{late:?}"
    );
    Ok(())
}

#[tokio::test]
async fn whoever_has_it_is_asked_and_others_are_asked_again() -> Result<()> {
    // V39: reminded after an hour, open again ten minutes later; and nobody answers at all (V38).
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.receiver("pager", &["page"]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..300, 1_000, 1_000).await?;
    world.judge(0).await?;
    world.judge(1).await?;
    world.judge(6).await?;
    let row = world.alerts().await?.remove(0);
    world.app().answer_alert(row.id, &ack(1, "", None)).await?;
    for minute in 7..=80 {
        world.judge(minute).await?;
    }
    let expected = [
        (1, "firing"),
        (6, "escalated"),
        (6, "acknowledged"),
        (66, "reminder"),
        // Nobody said that they still have it.
        (77, "escalated"),
    ];
    let messages = world.messages("pager").await?;
    let head: Vec<(i64, &str)> = messages.iter().map(|(at, what)| (*at, what.as_str())).take(4).collect();
    assert_eq!(head, expected[..4]);
    ensure!(world.events(row.id).await?.contains(&"ack-expired".to_owned()), "{messages:?}");
    for minute in 81..=170 {
        world.hold(minute, 0).await?;
        tick::turn(&world.db).await?;
    }
    let events = world.events(row.id).await?;
    ensure!(events.contains(&"exhausted".to_owned()), "{events:?}");
    Ok(())
}

#[tokio::test]
async fn silence_everywhere_is_one_page_and_no_ticket() -> Result<()> {
    // V49: 12 of 20 pools stop at once.
    let names: Vec<String> = (0..20).map(|number| format!("pool-{number}")).collect();
    let slugs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::create(&slugs, &[]).await?;
    sqlx::query("UPDATE pool SET feed_period_ms = 60000").execute(&mut world.conn).await?;
    world.receiver("all", &["page", "ticket"]).await?;
    for (number, slug) in slugs.iter().enumerate() {
        let until = if number < 12 { 0 } else { 60 };
        world.slices(slug, None, Sli::Saturation, -120..until, 0, 1_000).await?;
    }
    let down = |rows: &[Row]| rows.iter().map(|row| (row.rule.clone(), row.alert.condition)).collect::<Vec<_>>();
    for minute in 0..=4 {
        world.judge(minute).await?;
    }
    assert_eq!(down(&world.alerts().await?), [], "nobody is silent for long enough");
    for minute in 5..=9 {
        world.judge(minute).await?;
    }
    let rows = world.alerts().await?;
    assert_eq!(rows.iter().filter(|row| row.rule == "ingest-down").count(), 1);
    let silent: Vec<&Row> = rows.iter().filter(|row| row.rule == "no-data").collect();
    ensure!(silent.len() == 12 && silent.iter().all(|row| row.inhibited_by.is_some()), "{:?}", down(&rows));
    assert_eq!(world.messages("all").await?, [(5, "firing".to_owned())], "one message for all of them");
    // A single pool is its own ticket.
    for slug in &slugs[..11] {
        world.slices(slug, None, Sli::Saturation, 10..60, 0, 1_000).await?;
    }
    for minute in 10..=20 {
        world.judge(minute).await?;
    }
    let rows = world.alerts().await?;
    let told: Vec<&Row> = rows.iter().filter(|row| row.alert.is_active() && !row.is_muted()).collect();
    ensure!(told.len() == 1 && told[0].rule == "no-data", "{:?}", down(&rows));
    Ok(())
}
