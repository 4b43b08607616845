//! Silences: what is kept from people for a while. What fires goes on firing; it is told when the silence is over.

use super::super::Result;
use super::context::Context;
use super::tell;
use crate::db::Db;
use headroom_domain::Millis;
use headroom_domain::alert::episode::{Effect, Message};
use headroom_domain::alert::matcher::{Labels, Matchers};
use headroom_domain::alert::silence::Silence;
use headroom_store::alert::Row;
use headroom_store::notification::{self, New};
use headroom_store::receiver::Receiver;
use headroom_store::{account, receiver, silence};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::HashMap;

/// Silences that are looked at.
const MOST: i64 = 2_000;

/// A silence that holds.
#[derive(Debug, Clone)]
pub struct Active {
    /// Its number.
    pub id: i64,
    /// Until when.
    pub until_ms: Millis,
    /// Who made it.
    pub author: String,
    matchers: Matchers,
}

impl Active {
    /// Whether it hides an alert.
    pub fn hides(&self, context: &Context, row: &Row) -> bool {
        self.matchers.matches(&labels(context, row))
    }
}

/// What matchers see of an alert.
pub fn labels<'a>(context: &'a Context, row: &'a Row) -> Labels<'a> {
    Labels {
        rule: &row.rule,
        pool: context.pool_slug(row.pool),
        tenant: context.tenant_slug(row.tenant),
        severity: row.alert.severity.as_str(),
    }
}

/// The silences that hold. One whose matchers cannot be read hides nothing.
pub async fn active(conn: &mut PgConnection, now: Millis) -> Result<Vec<Active>> {
    let all = silence::list(conn, now, MOST).await?;
    let active = all.into_iter().filter(|one| one.times.is_active(now)).filter_map(|one| {
        let matchers = Matchers::read(&one.matchers).ok()?;
        Some(Active { id: one.id, until_ms: one.times.until_ms, author: one.author, matchers })
    });
    Ok(active.collect())
}

/// Marks an alert that a silence keeps from people, or does not any more.
pub fn mark(context: &Context, row: &mut Row, effects: &mut Vec<Effect>) {
    let hiding = context.silences.iter().find(|one| one.hides(context, row)).map(|one| one.id);
    if hiding == row.silence || !(row.alert.is_active() || row.silence.is_some()) {
        return;
    }
    let was = std::mem::replace(&mut row.silence, hiding);
    match (was, hiding) {
        (None, Some(_)) => {
            effects.push(Effect::Log { what: "silenced", who: None, note: String::new() });
        }
        (Some(_), None) => {
            effects.push(Effect::Log { what: "silence-ended", who: None, note: String::new() });
            if !row.is_muted() {
                effects.extend(row.alert.tell_now(Message::SilenceEnded, context.now));
            }
        }
        // Another one hides it now.
        _ => {}
    }
}

/// Reminds of silences that end soon, ends those that end with what they hid, and remembers which ones are of use.
pub async fn turn(db: &Db) -> Result<usize> {
    let mut conn = db.jobs.acquire().await?;
    let now = headroom_store::now(&mut conn).await?;
    let all = silence::list(&mut conn, now, MOST).await?;
    if all.is_empty() {
        return Ok(0);
    }
    let hidden: HashMap<i64, i64> = silence::hidden(&mut conn).await?.into_iter().collect();
    let matched: Vec<i64> = hidden.keys().copied().collect();
    silence::set_matched(&mut conn, &matched).await?;
    let mut done = 0;
    for one in all {
        let hides = hidden.get(&one.id).copied().unwrap_or_default();
        if one.times.is_done(now, usize::try_from(hides).unwrap_or_default()) {
            done += usize::from(silence::end(&mut conn, one.id, None).await?);
        } else if one.times.is_reminder_due(now) {
            let mut tx = db.jobs.begin().await?;
            if silence::set_reminded(&mut tx, one.id).await? {
                remind(&mut tx, &one, hides, now).await?;
                done += 1;
            }
            tx.commit().await?;
        }
    }
    Ok(done)
}

/// Tells the author of a silence that it ends soon: in person if that can be done, otherwise where tickets go.
async fn remind(conn: &mut PgConnection, one: &silence::Stored, hides: i64, now: Millis) -> Result<()> {
    let receivers = receiver::list(conn).await?;
    let author = account::list(conn).await?.into_iter().find(|account| account.id.to_string() == one.author_id);
    let takes = |receiver: &&Receiver| receiver.enabled && receiver.kind.takes_messages();
    let own: Vec<&Receiver> = receivers
        .iter()
        .filter(takes)
        .filter(|receiver| receiver.account.is_some() && receiver.account == author.as_ref().map(|author| author.key))
        .collect();
    let told = if own.is_empty() {
        let ticket = headroom_domain::alert::window::Lane::Ticket;
        receivers.iter().filter(takes).filter(|r| r.account.is_none() && r.lanes.contains(&ticket)).collect()
    } else {
        own
    };
    let notice = tell::about_silence(one, hides, now);
    let body = serde_json::to_value(notice).unwrap_or_else(|_| json!({}));
    let new: Vec<New<'_>> = told
        .iter()
        .map(|receiver| New {
            alert: None,
            receiver: receiver.id,
            message: Message::Reminder.as_str(),
            key: notification::key(
                &format!("silence|{}", one.id),
                1,
                one.version.unsigned_abs().into(),
                &receiver.slug,
                "reminder",
                None,
            ),
            dedup: format!("silence|{}", one.id),
            lane: "ticket",
            body: body.clone(),
            due_ms: None,
        })
        .collect();
    notification::enqueue(conn, &new).await?;
    Ok(())
}

/// The stretches in which maintenance leaves a pool's promises alone, of those that touch `[from, to)`; merged and in order.
pub async fn maintained(
    conn: &mut PgConnection,
    pool: &str,
    from: Millis,
    to: Millis,
) -> Result<Vec<(Millis, Millis)>> {
    let labels = Labels { pool, ..Labels::default() };
    let mut spans: Vec<(Millis, Millis)> = silence::maintenance(conn, from, to)
        .await?
        .into_iter()
        .filter(|one| Matchers::read(&one.matchers).is_ok_and(|matchers| matchers.matches(&labels)))
        .map(|one: silence::Stored| {
            let times: Silence = one.times;
            (times.from_ms.max(from), times.end_ms().min(to))
        })
        .filter(|(from, to)| from < to)
        .collect();
    spans.sort_unstable();
    let mut merged: Vec<(Millis, Millis)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    Ok(merged)
}
