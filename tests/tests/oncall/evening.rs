//! Steps 1 to 17: from a quiet board over one long alert to its second episode.

use anyhow::{Result, ensure};
use headroom_domain::alert::slo::Sli;
use headroom_tests::inbox::Post;
use headroom_tests::night::{Night, POOLS, actions, bodies};
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) async fn from_quiet_to_a_second_episode(night: &mut Night) -> Result<()> {
    // 1: nothing happens.
    night.at(0).await?;
    for pool in POOLS.iter().filter(|pool| **pool != "pool-a") {
        night.slices(pool, 0..900, 0).await?;
    }
    night.first.open(&night.service, "/oncall").await?;
    night.second.open(&night.service, "/oncall").await?;
    night.first.sees("All clear: no open alerts.").await?;
    night.first.sees("judged up to").await?;
    ensure!(
        night.first.board().await?.contains("You are on call"),
        "whoever is on call sees it: {}",
        night.first.board().await?
    );

    // 2: twenty times too many rejections: nothing before minute 25, and then one row, by the stream.
    night.slices("pool-a", 0..70, 2).await?;
    night.at(24).await?;
    ensure!(night.inbox.posts().is_empty(), "nobody is told before: {}", bodies(&night.inbox.posts()));
    night.first.browser.evaluate::<()>("window.stays = 'here'").await?;
    night.at(25).await?;
    let fired = Instant::now();
    night.first.sees("20x budget burn; 50 of 60000 claims rejected in 1 h").await?;
    ensure!(fired.elapsed() < Duration::from_secs(4), "by the stream, not by a reload: {:?}", fired.elapsed());
    ensure!(
        night.first.browser.evaluate::<String>("return window.stays").await? == "here",
        "the page was not loaded again"
    );
    let board = night.first.board().await?;
    for text in ["PAGE", "pool-a", "budget gone in 1 d 12 h", "Runbook", "nobody has it"] {
        ensure!(board.contains(text), "{text}: {board}");
    }

    // 3: each receiver was told once, with a key.
    let page = night.told("/pagerduty", 1).await?.remove(0).body;
    ensure!(page["event_action"] == "trigger" && page["payload"]["severity"] == "error", "{page}");
    ensure!(page["dedup_key"].as_str().is_some_and(|key| key.starts_with("hr1:") && key.len() == 44), "{page}");
    let slack = night.told("/slack", 1).await?.remove(0).body;
    ensure!(slack["blocks"].is_array(), "{slack}");
    let webhook = night.told("/webhook", 1).await?.remove(0).body;
    ensure!(
        webhook["version"] == "4" && webhook["alerts"][0]["labels"]["alertname"] == "SlotSaturationBurn",
        "{webhook}"
    );
    let runbook = webhook["alerts"][0]["annotations"]["runbook_url"].as_str().unwrap_or_default();
    ensure!(runbook.starts_with("https://headroom.test/runbooks/"), "{webhook}");
    night.told("/engineer1", 1).await?;
    night.told("/engineer2", 0).await?;
    let alert = night.alert("pool=pool-a").await?;
    let id = alert["id"].clone();

    // 4: two tenants burn as well: no new page, and the row says so.
    for tenant in ["t3", "t9"] {
        night.world.slices("pool-a", Some(tenant), Sli::Saturation, 0..26, 30, 1_000).await?;
        night.world.slices("pool-a", Some(tenant), Sli::Saturation, 26..70, 0, 1_000).await?;
    }
    night.at(26).await?;
    night.first.sees("2 alerts inhibited").await?;
    night.told("/pagerduty", 1).await?;
    night.first.open(&night.service, "/oncall?show=inhibited").await?;
    let hidden = night.first.board().await?;
    ensure!(hidden.matches(&format!("explained by A-{id}")).count() == 2, "{hidden}");

    // 5: one alert with all that helps.
    night.first.open(&night.service, &format!("/alerts/{id}")).await?;
    for text in ["One pool: pool-a", "Budget burn", "The alert fired", "How the rule sees it", "Timeline", "version 1"]
    {
        night.first.sees(text).await?;
    }
    ensure!(night.first.browser.evaluate::<i64>("return document.querySelectorAll('figure svg').length").await? >= 2);

    // 7: five minutes, nobody answered: the second engineer is asked.
    night.at(30).await?;
    night.more(30, 1_000).await?;
    night.told("/engineer2", 1).await?;
    night.told("/engineer1", 1).await?;
    let events = night.whole(&id).await?["events"].to_string();
    ensure!(events.contains("escalated") && events.contains("Sam Lindqvist"), "{events}");

    // 8: both acknowledge at once, one with a note.
    night.at(31).await?;
    night.first.open(&night.service, "/oncall").await?;
    night.second.open(&night.service, "/oncall").await?;
    let acks = |posts: &[Post]| actions(posts).iter().filter(|what| *what == "acknowledge").count();
    night
        .first
        .browser
        .evaluate::<()>("document.querySelector('[data-alert] [id^=ack-]').value = 'scaling up'")
        .await?;
    let (one, other) = (
        night.first.click("[data-alert] details form[data-act=ack] button"),
        night.second.click("[data-alert] [data-key=a]"),
    );
    let (one, other) = futures::future::join(one, other).await;
    one?;
    other?;
    let taken = night.until("pool=pool-a", "acknowledged", |alert| alert["state"] == "acknowledged").await?;
    let winner_is_first = taken["ack"]["by"] == night.first.name;
    let (winner, loser) = if winner_is_first { (&night.first, &night.second) } else { (&night.second, &night.first) };
    loser.sees(&format!("{} acknowledged this", winner.name)).await?;
    loser.sees("Nothing was changed by you.").await?;
    winner.sees("acknowledged by You").await?;
    let typed: String =
        loser.browser.evaluate("return document.querySelector('[data-conflict] textarea').value").await?;
    ensure!(typed == if winner_is_first { "" } else { "scaling up" }, "what was typed is kept: {typed:?}");
    let pages = night.told("/pagerduty", 3).await?;
    ensure!(acks(&pages) == 1, "{:?}", actions(&pages));
    let events = night.whole(&id).await?["events"].to_string();
    assert_eq!(events.matches("\"acknowledged\"").count(), 1, "{events}");

    // 9: the loser joins.
    loser.click("[data-conflict] form[data-act=join] button").await?;
    loser.sees("acknowledged by").await?;
    let only = json!([loser.name]);
    let joined = night.until("pool=pool-a", "joined", |alert| alert["participants"] == only).await?;
    ensure!(joined["version"] == 2, "{joined}");

    // 10: a page that is ten minutes old changes nothing.
    let stale = json!({ "expected_version": 1, "note": "late" });
    let late = loser.client.post(&format!("/api/v1/alerts/{id}/ack"), &stale).await?.problem(409)?;
    ensure!(late["reason"] == "already_acknowledged" && late["alert"]["acked_by"] == winner.name, "{late}");

    // 11: evaluations go on, notes are added, and nothing conflicts.
    let note = |text: &str| json!({ "note": text });
    winner.client.post(&format!("/api/v1/alerts/{id}/notes"), &note("first")).await?.expect(200)?;
    let path = format!("/api/v1/alerts/{id}/notes");
    night.at(44).await?;
    let winner = if winner_is_first { &night.first } else { &night.second };
    winner.client.post(&path, &note("second")).await?.expect(200)?;
    let whole = night.whole(&id).await?;
    ensure!(whole["version"] == 2 && whole["eval_seq"].as_i64() >= Some(19), "{whole}");
    let notes = whole["events"].to_string();
    ensure!(notes.contains("\"first\"") && notes.contains("\"second\""), "{notes}");

    // 6: it is critical now, and nobody is told twice.
    ensure!(whole["critical"] == true && whole["state"] == "acknowledged", "{whole}");
    night.first.sees("CRITICAL").await?;

    // 12: nobody is asked while somebody has it.
    night.at(55).await?;
    night.told("/pagerduty", 3).await?;
    night.told("/engineer2", 1).await?;

    // 13: no more data from the pool.
    night.at(75).await?;
    let frozen = night.alert("pool=pool-a&rule=saturation-burn").await?;
    ensure!(frozen["state"] == "no-data", "{frozen}");
    night.first.sees("No data, state held").await?;
    let silent = night.alert("pool=pool-a&rule=no-data").await?;
    ensure!(silent["state"] == "firing", "{silent}");

    // 14: it is back, and clean.
    night.slices("pool-a", 80..900, 0).await?;
    for tenant in ["t3", "t9"] {
        night.world.slices("pool-a", Some(tenant), Sli::Saturation, 80..900, 0, 1_000).await?;
    }
    night.at(85).await?;
    ensure!(night.alert("pool=pool-a&rule=saturation-burn").await?["resolved_at"].is_null());
    night.at(86).await?;
    let over = night.alert("pool=pool-a&rule=saturation-burn&state=resolved").await?;
    ensure!(over["state"] == "resolved" && over["why"] == "clear", "{over}");
    let key = page["dedup_key"].clone();
    let resolves = |posts: &[Post]| {
        posts.iter().filter(|post| post.body["event_action"] == "resolve" && post.body["dedup_key"] == key).count()
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(resolves(&night.inbox.at_path("/pagerduty")), 1, "{}", bodies(&night.inbox.at_path("/pagerduty")));

    // 15: the history.
    night.first.open(&night.service, "/alerts").await?;
    night.first.sees("RESOLVED").await?;
    night.first.open(&night.service, &format!("/alerts/{id}")).await?;
    for text in ["Who was told", "pagerduty", "sent", "Timeline", "resolved"] {
        night.first.sees(text).await?;
    }

    // 16: back after four minutes: the same episode, and whoever had it hears of it first.
    let before = (night.inbox.at_path("/engineer1").len(), night.inbox.at_path("/engineer2").len());
    night.slices("pool-a", 89..90, 100).await?;
    night.at(90).await?;
    let again = night.alert("pool=pool-a&rule=saturation-burn").await?;
    ensure!(
        again["id"] == id && again["reopened"] == 1 && again["state"] == "firing" && again["ack"].is_null(),
        "{again}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = (night.inbox.at_path("/engineer1").len(), night.inbox.at_path("/engineer2").len());
    let expected = if winner_is_first { (before.0 + 1, before.1) } else { (before.0, before.1 + 1) };
    assert_eq!(after, expected, "the last owner first");
    night.first.open(&night.service, "/oncall").await?;
    night.first.sees("reopened (1)").await?;

    // 17: and half an hour after its end: another episode.
    night.at(110).await?;
    ensure!(night.alert("pool=pool-a&rule=saturation-burn&state=resolved").await?["id"] == id);
    night.slices("pool-a", 139..140, 100).await?;
    night.at(141).await?;
    let new = night.alert("pool=pool-a&rule=saturation-burn").await?;
    ensure!(new["id"] != id && new["episode"] == 2 && new["ack"].is_null() && new["reopened"] == 0, "{new}");
    night.first.open(&night.service, &format!("/alerts/{}", new["id"])).await?;
    night.first.sees(&format!("A-{id} ")).await?;

    // 15, second half: ten minutes of nothing but rejections on another pool; the page ends, the damage stays for six hours.
    night.slices("pool-b", 150..160, 1_000).await?;
    night.at(152).await?;
    let alert = night.alert("pool=pool-b").await?;
    let wish = json!({ "expected_version": alert["version"], "note": "on it" });
    night.first.client.post(&format!("/api/v1/alerts/{}/ack", alert["id"]), &wish).await?.expect(200)?;
    night.at(172).await?;
    let damaged = night.alert("pool=pool-b").await?;
    ensure!(damaged["severity"] == "ticket" && damaged["state"] == "acknowledged", "{damaged}");
    // The engine judges the newest hour of what it missed.
    night.at(480).await?;
    night.at(521).await?;
    ensure!(night.alert("pool=pool-b").await.is_ok(), "it is still there");
    night.at(522).await?;
    ensure!(night.alert("pool=pool-b&state=resolved").await?["id"] == damaged["id"], "{damaged}");
    Ok(())
}
