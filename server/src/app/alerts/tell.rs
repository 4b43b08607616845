//! What follows from a change of an alert: lines of its timeline, and messages to whom they concern. Written in the transaction
//! of the change, so that nobody is told of what did not happen, and nothing happens that nobody is told of.

use super::super::Result;
use super::context::Context;
use headroom_domain::Millis;
use headroom_domain::alert::episode::{Condition, Effect, Message, Person, Workflow};
use headroom_domain::alert::lanes::Verdicts;
use headroom_domain::alert::notice::{Notice, WHOLE};
use headroom_domain::alert::rule::Rule;
use headroom_domain::alert::window::Lane;
use headroom_domain::{MINUTE_MS, format};
use headroom_store::alert::{self, Event, Row};
use headroom_store::notification::{self, New};
use headroom_store::receiver::Receiver;
use headroom_store::silence;
use serde_json::json;
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// Somebody who is told something.
struct Told<'a> {
    receiver: &'a Receiver,
    message: Message,
    step: Option<(u32, usize)>,
    asked: Vec<String>,
}

/// Writes the timeline and the messages of what follows from a change of an alert that is in the store.
pub async fn write(
    conn: &mut PgConnection,
    context: &Context,
    row: &mut Row,
    effects: &[Effect],
    now: Millis,
) -> Result<()> {
    let mut events = Vec::new();
    let mut told: Vec<Told<'_>> = Vec::new();
    let mut actor: Option<(Person, String)> = None;
    let event = |row: &Row, what: &str, who: Option<Person>, note: &str, detail: serde_json::Value| Event {
        id: 0,
        alert: row.id,
        at: now,
        what: what.to_owned(),
        who,
        note: note.to_owned(),
        version: row.alert.version,
        detail,
    };
    for effect in effects {
        match effect {
            Effect::Log { what, who, note } => {
                let detail = match *what {
                    "fired" | "upgraded" | "reopened" | "critical" | "resolved" => {
                        json!({ "tier": row.alert.tier, "says": row.facts.says, "severity": row.alert.severity.as_str() })
                    }
                    _ => json!({}),
                };
                if let Some(who) = who {
                    actor = Some((who.clone(), note.clone()));
                }
                events.push(event(row, what, who.clone(), note, detail));
            }
            Effect::Tell { message, to } => {
                let is_over = matches!(message, Message::Resolved | Message::PageOver);
                if row.is_muted() && !is_over {
                    continue;
                }
                let earlier = if is_over { alert::told(conn, row.id).await? } else { BTreeSet::new() };
                for receiver in recipients(context, row, *message, to.as_ref(), &earlier) {
                    told.push(Told { receiver, message: *message, step: None, asked: Vec::new() });
                }
            }
            Effect::Ask { step, round } => {
                if row.is_muted() {
                    continue;
                }
                let owner = context.owner_of(row);
                let people = context.oncall.asked(&owner, *step, now);
                let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
                let is_first = *step == 0 && *round == 0;
                let what = if is_first { "asked" } else { "escalated" };
                events.push(event(row, what, None, &names.join(", "), json!({ "step": step + 1, "round": round + 1 })));
                let at = Some((*round, *step));
                let message = if is_first { Message::Firing } else { Message::Escalated };
                let own: Vec<&Receiver> = people.iter().flat_map(|person| own_receivers(context, person)).collect();
                if people.is_empty() && context.oncall.has_policy(&owner) {
                    // Nobody hears of it: whoever is there for that is told at once.
                    events.push(event(row, "no-one-on-call", None, "", json!({ "step": step + 1 })));
                    for receiver in context.receivers.iter().filter(|one| one.enabled && one.is_failover) {
                        told.push(Told { receiver, message, step: at, asked: names.clone() });
                    }
                }
                for receiver in own {
                    told.push(Told { receiver, message, step: at, asked: names.clone() });
                }
                if !is_first {
                    for receiver in general(context, row, Lane::Page) {
                        told.push(Told { receiver, message, step: at, asked: names.clone() });
                    }
                }
            }
        }
    }
    alert::log(conn, &events).await?;
    if told.is_empty() {
        return Ok(());
    }
    let key = format!("{}|{}|{}", row.rule, context.pool_slug(row.pool), context.tenant_slug(row.tenant));
    let mut bodies = Vec::new();
    for one in &told {
        let notice = notice(context, row, one.message, now, actor.as_ref(), &one.asked);
        bodies.push(serde_json::to_value(notice).unwrap_or_default());
    }
    let new: Vec<New<'_>> = told
        .iter()
        .zip(bodies)
        .map(|(one, body)| New {
            alert: Some(row.id),
            receiver: one.receiver.id,
            message: one.message.as_str(),
            key: notification::key(
                &key,
                row.alert.episode,
                row.alert.version,
                &one.receiver.slug,
                one.message.as_str(),
                one.step.filter(|_| one.message == Message::Escalated).or_else(|| again(one.message, now)),
            ),
            dedup: format!("{key}|{}", row.alert.episode),
            lane: lane_of(row, one.message).as_str(),
            body,
            due_ms: None,
        })
        .collect();
    notification::enqueue(conn, &new).await?;
    Ok(())
}

/// What may be told again of the same version is told apart by its minute.
fn again(message: Message, now: Millis) -> Option<(u32, usize)> {
    let repeats = matches!(message, Message::Reminder | Message::Upgraded | Message::SilenceEnded);
    repeats.then(|| (0, usize::try_from(now / MINUTE_MS).unwrap_or_default()))
}

/// A message of the end of a page goes where pages go, though the alert is a ticket by then.
fn lane_of(row: &Row, message: Message) -> Lane {
    if message == Message::PageOver { Lane::Page } else { row.alert.severity }
}

/// Receivers that get every message of a lane.
fn general<'a>(context: &'a Context, row: &Row, lane: Lane) -> impl Iterator<Item = &'a Receiver> {
    let owner = context.owner_of(row);
    context.receivers.iter().filter(move |receiver| {
        receiver.enabled
            && receiver.kind.takes_messages()
            && receiver.account.is_none()
            && !receiver.is_failover
            && receiver.lanes.contains(&lane)
            && (receiver.owners.is_empty() || receiver.owners.contains(&owner))
    })
}

/// A person's own receivers.
fn own_receivers<'a>(context: &'a Context, person: &Person) -> impl Iterator<Item = &'a Receiver> {
    let account = context.accounts.get(&person.id).copied();
    context.receivers.iter().filter(move |receiver| {
        receiver.enabled && receiver.kind.takes_messages() && receiver.account.is_some() && receiver.account == account
    })
}

fn recipients<'a>(
    context: &'a Context,
    row: &Row,
    message: Message,
    to: Option<&Person>,
    earlier: &BTreeSet<i32>,
) -> Vec<&'a Receiver> {
    let lane = lane_of(row, message);
    if let Some(person) = to {
        let own: Vec<&Receiver> = own_receivers(context, person).collect();
        // Whoever cannot be reached in person is reached where all are.
        return if own.is_empty() { general(context, row, lane).collect() } else { own };
    }
    match message {
        // Whoever was told that it began is told that it is over, silence or not.
        Message::Resolved | Message::PageOver => context
            .receivers
            .iter()
            .filter(|receiver| receiver.enabled && earlier.contains(&receiver.id))
            .filter(|receiver| message == Message::Resolved || receiver.lanes.contains(&Lane::Page))
            .collect(),
        Message::Exhausted => {
            let failover = context.receivers.iter().filter(|receiver| receiver.enabled && receiver.is_failover);
            general(context, row, lane).chain(failover).collect()
        }
        _ => general(context, row, lane).collect(),
    }
}

/// What somebody is told about an alert now.
pub fn notice(
    context: &Context,
    row: &Row,
    message: Message,
    now: Millis,
    actor: Option<&(Person, String)>,
    asked: &[String],
) -> Notice {
    let alert = &row.alert;
    let rule = context.rule(&row.rule);
    let meta = row.pool.and_then(|key| context.pools.get(&key));
    let (burn_long, burn_short) = row.facts.burns(&alert.tier);
    let (actor, note) = actor.map(|(who, note)| (who.name.clone(), note.clone())).unwrap_or_default();
    let inhibited = row.facts.explains.iter().filter(|(_, tenant)| *tenant != 0);
    Notice {
        message,
        alert: row.id,
        rule: row.rule.clone(),
        alertname: alertname(&row.rule),
        title: rule.map_or_else(|| row.rule.clone(), |rule| rule.name.clone()),
        pool: context.pool_slug(row.pool).to_owned(),
        pool_name: meta.map(|meta| meta.name.clone()).unwrap_or_default(),
        tenant: context.tenant_slug(row.tenant).to_owned(),
        severity: lane_of(row, message),
        critical: alert.critical,
        tier: alert.tier.clone(),
        episode: alert.episode,
        version: alert.version,
        condition: alert.condition,
        workflow: alert.workflow,
        reopened: alert.reopened,
        summary: summary(context, row),
        details: details(context, row),
        runbook_url: context.runbook_of(row),
        // Made absolute by whoever sends it.
        url: format!("/alerts/{}", row.id),
        external_url: "/".to_owned(),
        owner: context.owner_of(row),
        fired_ms: alert.fired_ms.unwrap_or(alert.began_ms),
        resolved_ms: alert.resolved_ms,
        at_ms: now,
        burn_long,
        burn_short,
        inhibited: inhibited.map(|(_, tenant)| context.tenant_slug(*tenant).to_owned()).collect(),
        actor,
        note,
        asked: asked.to_vec(),
    }
}

/// What the author of a silence is told before it ends.
pub fn about_silence(one: &silence::Stored, hides: i64, now: Millis) -> Notice {
    let left = format::duration(one.times.until_ms - now);
    let hidden = if hides == 1 { "1 alert".to_owned() } else { format!("{hides} alerts") };
    Notice {
        message: Message::Reminder,
        alert: 0,
        rule: "silence".to_owned(),
        alertname: "SilenceEnds".to_owned(),
        title: "A silence ends soon".to_owned(),
        pool: WHOLE.to_owned(),
        pool_name: String::new(),
        tenant: WHOLE.to_owned(),
        severity: Lane::Ticket,
        critical: false,
        tier: String::new(),
        episode: 1,
        version: one.version.unsigned_abs().into(),
        condition: Condition::Firing,
        workflow: Workflow::Open,
        reopened: 0,
        summary: format!("The silence {:?} of {} ends in {left}; it hides {hidden} now", one.note, one.author),
        details: one.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        runbook_url: String::new(),
        url: format!("/silences?silence={}", one.id),
        external_url: "/".to_owned(),
        owner: String::new(),
        fired_ms: one.times.from_ms,
        resolved_ms: None,
        at_ms: now,
        burn_long: None,
        burn_short: None,
        inhibited: Vec::new(),
        actor: one.author.clone(),
        note: one.note.clone(),
        asked: Vec::new(),
    }
}

/// `ingress-eu: 20x budget burn; 50 of 60000 claims rejected in 1 h; budget gone in 1 d 12 h`
pub fn summary(context: &Context, row: &Row) -> String {
    let whose = match (row.pool, row.tenant) {
        (None, _) => "Headroom".to_owned(),
        (pool, 0) => context.pool_slug(pool).to_owned(),
        (pool, tenant) => format!("{}, {}", context.pool_slug(pool), context.tenant_slug(tenant)),
    };
    let says = if row.facts.says.is_empty() {
        context.rule(&row.rule).map_or_else(|| row.rule.clone(), |rule| rule.name.clone())
    } else {
        row.facts.says.clone()
    };
    format!("{whose}: {says}")
}

fn details(context: &Context, row: &Row) -> String {
    let mut parts = Vec::new();
    if let Some((free, capacity)) = row.facts.free {
        parts.push(format!("free {free}/{capacity}"));
    }
    if let Some((tenant, share)) = row.facts.users.first() {
        parts.push(format!("top tenant {} {}", context.tenant_slug(*tenant), format::percent(*share)));
    }
    let hit: Vec<&str> = row.facts.hit.iter().take(5).map(|tenant| context.tenant_slug(*tenant)).collect();
    if !hit.is_empty() {
        parts.push(format!("hit: {}", hit.join(", ")));
    }
    let inhibited: Vec<&str> = row
        .facts
        .explains
        .iter()
        .filter(|(_, tenant)| *tenant != 0)
        .map(|(_, tenant)| context.tenant_slug(*tenant))
        .collect();
    if !inhibited.is_empty() {
        parts.push(format!("inhibited: {}", inhibited.join(", ")));
    }
    parts.join(", ")
}

/// A rule as other tools call it.
pub fn alertname(slug: &str) -> String {
    let built_in = Rule::built_in();
    built_in.iter().find(|one| one.slug == slug).map_or_else(|| camel(slug), |one| one.alertname.to_owned())
}

/// `a-rule` as other tools would call it.
fn camel(slug: &str) -> String {
    slug.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// When the clock has something to do with an alert.
pub fn next_tick(context: &Context, row: &Row) -> Option<Millis> {
    let plan = context.oncall.plan(&context.owner_of(row));
    let own = if row.is_muted() && row.alert.workflow == Workflow::Open { None } else { row.alert.next_tick(&plan) };
    let silence = row.silence.and_then(|id| context.silences.iter().find(|one| one.id == id)).map(|one| one.until_ms);
    // A silence that is not known any more is over.
    let silence = silence.or_else(|| row.silence.map(|_| context.now));
    let times = [own, row.inhibited_until, silence, context.silence_begins];
    times.into_iter().flatten().min().filter(|_| row.alert.is_active())
}

/// True if there is nothing to say of something that nobody knows of.
pub fn is_nothing(said: &Verdicts) -> bool {
    use headroom_domain::alert::window::Truth;
    said.page != Truth::True && said.ticket != Truth::True
}
