//! What has to be said again and again: to an Alertmanager how things are, to a watchdog that we are there.

use super::payload::Told;
use super::send::{Outcome, Sender};
use crate::app::AppError;
use crate::db::Db;
use crate::outward::Outward;
use headroom_domain::Millis;
use headroom_domain::alert::episode::{Alert, Condition, Message};
use headroom_domain::alert::notice::{Notice, WHOLE};
use headroom_domain::alert::receiver::Kind;
use headroom_store::notification::{self, Standing};
use headroom_store::receiver::{self, Receiver};

/// How often it is said.
const PERIOD_MS: Millis = 60_000;
/// Whoever has taken a turn says it within this; otherwise it is the next one's turn.
const TURN_MS: Millis = 15_000;
/// An Alertmanager is told for so long that something is over.
const OVER_MS: Millis = 15 * 60_000;

/// Takes the turns that are due. Of several servers, one gets each.
pub(super) async fn take(db: &Db) -> Result<Vec<Receiver>, AppError> {
    Ok(receiver::take_beats(&mut *db.jobs.acquire().await?, TURN_MS).await?)
}

/// One turn.
pub(super) async fn say(db: &Db, sender: &Sender, outward: &Outward, to: &Receiver) -> Result<(), AppError> {
    let outcome = if to.kind == Kind::Alertmanager {
        let (standing, now) = {
            let mut conn = db.jobs.acquire().await?;
            (notification::standing(&mut conn, OVER_MS).await?, headroom_store::now(&mut conn).await?)
        };
        let notices = standing.iter().filter_map(|one| notice(one, outward, now));
        let told: Vec<Told> = notices.filter(|notice| concerns(to, notice)).map(told).collect();
        sender.push(to, &told, now).await
    } else {
        let now = headroom_store::now(&mut *db.jobs.acquire().await?).await?;
        sender.beat(to, now).await
    };
    let mut conn = db.jobs.acquire().await?;
    match outcome {
        Outcome::Taken { .. } => {
            receiver::rest(&mut conn, to.id, PERIOD_MS).await?;
            receiver::reached(&mut conn, to.id).await?;
        }
        Outcome::Again { error, .. } | Outcome::Never { error, .. } => {
            tracing::warn!(receiver = to.slug, error, "a receiver was not reached");
            receiver::failed(&mut conn, to.id, &error).await?;
        }
    }
    Ok(())
}

fn concerns(to: &Receiver, notice: &Notice) -> bool {
    to.lanes.contains(&notice.severity) && (to.owners.is_empty() || to.owners.contains(&notice.owner))
}

fn told(notice: Notice) -> Told {
    Told { notice, late: false, instead_of: None, is_test: false, key: String::new() }
}

/// `saturation-burn` as other tools would call it: `SaturationBurn`.
fn camel(slug: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    slug.split('-').map(word).collect()
}

/// How an alert stands: by the newest notice about it, or, where nobody was told of it, by what is known of it.
fn notice(standing: &Standing, outward: &Outward, now: Millis) -> Option<Notice> {
    let alert: Alert = serde_json::from_value(standing.state.clone()).ok()?;
    let newest = standing.notice.clone().and_then(|body| serde_json::from_value(body).ok());
    let mut notice: Notice = newest.unwrap_or_else(|| first(standing, &alert, outward, now));
    let is_over = alert.condition == Condition::Resolved;
    notice.message = if is_over { Message::Resolved } else { Message::Firing };
    notice.fired_ms = alert.fired_ms.unwrap_or(alert.began_ms);
    notice.resolved_ms = alert.resolved_ms.filter(|_| is_over);
    (notice.severity, notice.critical) = (alert.severity, alert.critical);
    (notice.episode, notice.version) = (alert.episode, alert.version);
    (notice.condition, notice.workflow) = (alert.condition, alert.workflow);
    // Who did what is news, and this is none.
    notice.actor.clear();
    notice.note.clear();
    notice.asked.clear();
    Some(notice)
}

fn first(standing: &Standing, alert: &Alert, outward: &Outward, now: Millis) -> Notice {
    let title = standing.title.clone().unwrap_or_else(|| standing.rule.clone());
    let (pool, pool_name) = standing.pool.clone().unwrap_or_else(|| (WHOLE.to_owned(), String::new()));
    let summary = standing.facts["summary"].as_str().map_or_else(|| title.clone(), str::to_owned);
    Notice {
        message: Message::Firing,
        alert: standing.alert,
        rule: standing.rule.clone(),
        alertname: camel(&standing.rule),
        title,
        pool,
        pool_name,
        tenant: standing.tenant.clone().unwrap_or_else(|| WHOLE.to_owned()),
        severity: alert.severity,
        critical: alert.critical,
        tier: alert.tier.clone(),
        episode: alert.episode,
        version: alert.version,
        condition: alert.condition,
        workflow: alert.workflow,
        reopened: alert.reopened,
        summary,
        details: String::new(),
        runbook_url: standing.runbook.clone().unwrap_or_default(),
        url: outward.address_of(&format!("/alerts/{}", standing.alert)),
        external_url: outward.address_of("/"),
        owner: standing.owner.clone().unwrap_or_default(),
        fired_ms: alert.began_ms,
        resolved_ms: None,
        at_ms: now,
        burn_long: None,
        burn_short: None,
        inhibited: Vec::new(),
        actor: String::new(),
        note: String::new(),
        asked: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alert_that_nobody_was_told_of_is_known_all_the_same() {
        let mut alert = Alert::new(1_000, None);
        (alert.condition, alert.fired_ms) = (Condition::Firing, Some(2_000));
        let mut standing = Standing {
            alert: 7,
            rule: "saturation-burn".into(),
            title: None,
            owner: None,
            runbook: None,
            pool: Some(("pool-a".into(), "Pool A".into())),
            tenant: None,
            state: serde_json::to_value(&alert).expect("plain data"),
            facts: json!({}),
            notice: None,
        };
        let known = notice(&standing, &Outward::default(), 9_000).expect("it is read");
        assert_eq!(
            (known.alertname.as_str(), known.pool.as_str(), known.tenant.as_str()),
            ("SaturationBurn", "pool-a", "*")
        );
        assert_eq!((known.message, known.fired_ms, known.resolved_ms), (Message::Firing, 2_000, None));
        (alert.condition, alert.resolved_ms) = (Condition::Resolved, Some(5_000));
        standing.state = serde_json::to_value(&alert).expect("plain data");
        // The newest notice may be older than the state: an acknowledgement, say.
        standing.notice = serde_json::to_value(Notice { message: Message::Acknowledged, ..known }).ok();
        let over = notice(&standing, &Outward::default(), 9_000).expect("it is read");
        assert_eq!((over.message, over.resolved_ms, over.is_over()), (Message::Resolved, Some(5_000), true));
    }
}
