//! What fires, what people did about it, and what they were told.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::alert::episode::{Alert, Person};
use headroom_domain::alert::facts::Facts;
use headroom_domain::alert::outcome::Outcome;
use headroom_domain::alert::window::Lane;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::{BTreeSet, HashMap};

/// An alert in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number; 0 = it is not in the store yet.
    pub id: i64,
    /// Slug of its rule.
    pub rule: String,
    /// The pool's key; `None` if it is about Headroom itself.
    pub pool: Option<i32>,
    /// The tenant's key; 0 = the pool as a whole.
    pub tenant: i32,
    /// What it is and what people did.
    pub alert: Alert,
    /// Figures of its last judgement.
    pub facts: Facts,
    /// How often it was judged.
    pub eval_seq: i64,
    /// The silence that keeps it from people.
    pub silence: Option<i64>,
    /// The alert that explains it.
    pub inhibited_by: Option<i64>,
    /// That one is over; told from here on if this still fires.
    pub inhibited_until: Option<Millis>,
    /// Of a rule that is only tried.
    pub dry_run: bool,
}

impl Row {
    /// True if nobody is told of it.
    pub fn is_muted(&self) -> bool {
        self.dry_run || self.silence.is_some() || self.inhibited_by.is_some()
    }
}

#[derive(FromRow)]
struct Stored {
    alert_id: i64,
    rule: String,
    pool_id: Option<i32>,
    tenant_id: i32,
    state: Json<Value>,
    facts: Json<Value>,
    eval_seq: i64,
    silence_id: Option<i64>,
    inhibited_by: Option<i64>,
    inhibited_until: Option<DateTime<Utc>>,
    dry_run: bool,
}

macro_rules! select_alert {
    () => {
        "SELECT alert_id, rule, pool_id, tenant_id, state, facts, eval_seq, silence_id, inhibited_by, inhibited_until, dry_run FROM alert "
    };
}

impl TryFrom<Stored> for Row {
    type Error = StoreError;

    fn try_from(row: Stored) -> Result<Self> {
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            what: format!("alert {}", row.alert_id),
            problem: error.to_string(),
        };
        Ok(Self {
            id: row.alert_id,
            rule: row.rule,
            pool: row.pool_id,
            tenant: row.tenant_id,
            alert: serde_json::from_value(row.state.0).map_err(damaged)?,
            // Figures of another version are left out: they are written again with the next judgement.
            facts: serde_json::from_value(row.facts.0).unwrap_or_default(),
            eval_seq: row.eval_seq,
            silence: row.silence_id,
            inhibited_by: row.inhibited_by,
            inhibited_until: row.inhibited_until.map(|at| at.timestamp_millis()),
            dry_run: row.dry_run,
        })
    }
}

fn rows(rows: Vec<Stored>) -> Result<Vec<Row>> {
    rows.into_iter().map(Row::try_from).collect()
}

/// The alerts of some pools that are not over, locked until the caller's transaction ends. `None` = those about Headroom itself.
pub async fn lock_open(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<Row>> {
    let found: Vec<Stored> =
        match pools {
            Some(pools) => sqlx::query_as(concat!(
                select_alert!(),
                "WHERE pool_id = ANY($1) AND condition IN ('pending', 'firing', 'frozen') ORDER BY alert_id FOR UPDATE"
            ))
            .bind(pools)
            .fetch_all(conn)
            .await?,
            None => sqlx::query_as(concat!(
                select_alert!(),
                "WHERE pool_id IS NULL AND condition IN ('pending', 'firing', 'frozen') ORDER BY alert_id FOR UPDATE"
            ))
            .fetch_all(conn)
            .await?,
        };
    rows(found)
}

/// All alerts that are not over, those that have not fired yet included, oldest first; none of rules that are only tried.
pub async fn list_active(conn: &mut PgConnection, limit: i64) -> Result<Vec<Row>> {
    let found: Vec<Stored> = sqlx::query_as(concat!(
        select_alert!(),
        "WHERE condition IN ('pending', 'firing', 'frozen') AND NOT dry_run ORDER BY alert_id LIMIT $1"
    ))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows(found)
}

/// The alerts about Headroom itself that are not over.
pub async fn list_open_system(conn: &mut PgConnection) -> Result<Vec<Row>> {
    let found: Vec<Stored> = sqlx::query_as(concat!(
        select_alert!(),
        "WHERE pool_id IS NULL AND condition IN ('pending', 'firing', 'frozen') ORDER BY alert_id"
    ))
    .fetch_all(conn)
    .await?;
    rows(found)
}

/// Pools with an alert that is not over.
pub async fn pools_with_open(conn: &mut PgConnection) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT pool_id FROM alert WHERE condition IN ('pending', 'firing', 'frozen') AND pool_id IS NOT NULL",
    )
    .fetch_all(conn)
    .await?)
}

/// Pools with a page that fires.
pub async fn pools_with_page(conn: &mut PgConnection) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT pool_id FROM alert
         WHERE condition IN ('firing', 'frozen') AND severity = 'page' AND rule <> 'no-data' AND pool_id IS NOT NULL",
    )
    .fetch_all(conn)
    .await?)
}

/// The last alert of the same thing, over or not, locked until the caller's transaction ends.
pub async fn lock_last(conn: &mut PgConnection, rule: &str, pool: Option<i32>, tenant: i32) -> Result<Option<Row>> {
    let row: Option<Stored> = sqlx::query_as(concat!(
        select_alert!(),
        "WHERE rule = $1 AND pool_id IS NOT DISTINCT FROM $2 AND tenant_id = $3 ORDER BY alert_id DESC LIMIT 1 FOR UPDATE"
    ))
    .bind(rule)
    .bind(pool)
    .bind(tenant)
    .fetch_optional(conn)
    .await?;
    row.map(Row::try_from).transpose()
}

/// An alert, locked until the caller's transaction ends.
pub async fn lock(conn: &mut PgConnection, id: i64) -> Result<Option<Row>> {
    let row: Option<Stored> = sqlx::query_as(concat!(select_alert!(), "WHERE alert_id = $1 FOR UPDATE"))
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.map(Row::try_from).transpose()
}

/// An alert.
pub async fn get(conn: &mut PgConnection, id: i64) -> Result<Option<Row>> {
    let row: Option<Stored> =
        sqlx::query_as(concat!(select_alert!(), "WHERE alert_id = $1")).bind(id).fetch_optional(conn).await?;
    row.map(Row::try_from).transpose()
}

/// Alerts that the clock has something to do with, oldest first.
pub async fn due(conn: &mut PgConnection, limit: i64) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar("SELECT alert_id FROM alert WHERE tick_at <= hr_now() ORDER BY tick_at LIMIT $1")
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Gives the clock something to do with every alert that is not over, at once: what keeps them from people changed.
pub async fn wake_open(conn: &mut PgConnection) -> Result<u64> {
    // Locked in the order in which the engine locks them, so that neither waits for the other for ever.
    let done = sqlx::query(
        "UPDATE alert SET tick_at = hr_now() WHERE alert_id IN (
             SELECT alert_id FROM alert WHERE condition IN ('pending', 'firing', 'frozen') ORDER BY alert_id FOR UPDATE)",
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Writes an alert: a new one if it has no number yet. `tick` is when the clock has something to do with it.
pub async fn put(conn: &mut PgConnection, row: &mut Row, tick: Option<Millis>) -> Result<()> {
    let alert = &row.alert;
    let statement = if row.id == 0 {
        "INSERT INTO alert (rule, pool_id, tenant_id, episode, condition, workflow, severity, critical, version, eval_seq,
                            began_at, fired_at, resolved_at, state, facts, silence_id, inhibited_by, inhibited_until, dry_run,
                            owner_id, tick_at)
         SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22
         WHERE $1 = 0 RETURNING alert_id"
    } else {
        "UPDATE alert SET rule = $2, pool_id = $3, tenant_id = $4, episode = $5, condition = $6, workflow = $7, severity = $8,
                critical = $9, version = $10, eval_seq = $11, began_at = $12, fired_at = $13, resolved_at = $14, state = $15,
                facts = $16, silence_id = $17, inhibited_by = $18, inhibited_until = $19, dry_run = $20, owner_id = $21,
                tick_at = $22, outcome = CASE WHEN $6 IN ('pending', 'firing', 'frozen') THEN NULL ELSE outcome END
         WHERE alert_id = $1 RETURNING alert_id"
    };
    let id: Option<i64> = sqlx::query_scalar(statement)
        .bind(row.id)
        .bind(&row.rule)
        .bind(row.pool)
        .bind(row.tenant)
        .bind(i32::try_from(alert.episode).unwrap_or(i32::MAX))
        .bind(alert.condition.as_str())
        .bind(alert.workflow.as_str())
        .bind(alert.severity.as_str())
        .bind(alert.critical)
        .bind(i64::try_from(alert.version).unwrap_or(i64::MAX))
        .bind(row.eval_seq)
        .bind(timestamp(alert.began_ms))
        .bind(alert.fired_ms.map(timestamp))
        .bind(alert.resolved_ms.map(timestamp))
        .bind(Json(alert))
        .bind(Json(&row.facts))
        .bind(row.silence)
        .bind(row.inhibited_by)
        .bind(row.inhibited_until.map(timestamp))
        .bind(row.dry_run)
        .bind(alert.owner.as_ref().map(|owner| &owner.who.id))
        .bind(tick.map(timestamp))
        .fetch_optional(conn)
        .await?;
    row.id = id.unwrap_or(row.id);
    Ok(())
}

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// The alert.
    pub alert: i64,
    /// When.
    pub at: Millis,
    /// What, a word.
    pub what: String,
    /// Who did it; `None` = by itself.
    pub who: Option<Person>,
    /// What they said.
    pub note: String,
    /// Version of the alert after it.
    pub version: u64,
    /// Further facts.
    pub detail: Value,
}

/// Writes down what happened. The number and the instant are given by the database.
pub async fn log(conn: &mut PgConnection, events: &[Event]) -> Result<()> {
    for event in events {
        sqlx::query(
            "INSERT INTO alert_event (alert_id, what, actor_id, actor, note, version, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(event.alert)
        .bind(&event.what)
        .bind(event.who.as_ref().map(|who| &who.id))
        .bind(event.who.as_ref().map(|who| who.name.as_str()).unwrap_or_default())
        .bind(&event.note)
        .bind(i64::try_from(event.version).unwrap_or(i64::MAX))
        .bind(Json(&event.detail))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct EventRow {
    alert_event_id: i64,
    alert_id: i64,
    at: DateTime<Utc>,
    what: String,
    actor_id: Option<String>,
    actor: String,
    note: String,
    version: i64,
    detail: Json<Value>,
}

fn event(row: EventRow) -> Event {
    Event {
        id: row.alert_event_id,
        alert: row.alert_id,
        at: row.at.timestamp_millis(),
        what: row.what,
        who: row.actor_id.map(|id| Person { id, name: row.actor }),
        note: row.note,
        version: row.version.max(0) as u64,
        detail: row.detail.0,
    }
}

/// What happened to an alert, oldest first; the newest if there is more than can be told.
pub async fn events(conn: &mut PgConnection, alert: i64, limit: i64) -> Result<Vec<Event>> {
    let mut rows: Vec<EventRow> = sqlx::query_as(
        "SELECT alert_event_id, alert_id, at, what, actor_id, actor, note, version, detail FROM alert_event
         WHERE alert_id = $1 ORDER BY alert_event_id DESC LIMIT $2",
    )
    .bind(alert)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.reverse();
    Ok(rows.into_iter().map(event).collect())
}

/// Number of the newest event of any alert; 0 if there is none.
pub async fn newest_event(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT COALESCE(max(alert_event_id), 0) FROM alert_event").fetch_one(conn).await?)
}

/// The deed that somebody did with a key, if they did: the alert and the word.
pub async fn deed(conn: &mut PgConnection, actor: &str, key: &str) -> Result<Option<(i64, String)>> {
    Ok(sqlx::query_as("SELECT alert_id, deed FROM alert_deed WHERE actor_id = $1 AND key = $2")
        .bind(actor)
        .bind(key)
        .fetch_optional(conn)
        .await?)
}

/// Remembers a deed with its key. False if that key was used meanwhile.
pub async fn remember_deed(conn: &mut PgConnection, actor: &str, key: &str, alert: i64, deed: &str) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO alert_deed (actor_id, key, alert_id, deed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(actor)
    .bind(key)
    .bind(alert)
    .bind(deed)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which alerts.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only those that fire, or only those that are over. Both never show what only might fire.
    pub open: Option<bool>,
    /// In this lane.
    pub lane: Option<Lane>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Of these pools; of all and of Headroom itself if it is left out.
    pub pools: Option<Vec<i32>>,
    /// Without those about Headroom itself.
    pub no_system: bool,
    /// Only about these tenants.
    pub tenants: Option<Vec<i32>>,
    /// Fired at or after.
    pub since: Option<Millis>,
    /// Fired before.
    pub until: Option<Millis>,
    /// Only those explained by another one, or only those that are not.
    pub inhibited: Option<bool>,
    /// Of rules that are only tried, too.
    pub dry_run: bool,
    /// Only with a lower number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// Alerts, the newest first.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<Row>> {
    let found: Vec<Stored> = sqlx::query_as(concat!(
        select_alert!(),
        "WHERE condition <> 'inactive' AND fired_at IS NOT NULL
           AND ($1::bool IS NULL OR (condition IN ('firing', 'frozen')) = $1)
           AND ($2::text IS NULL OR severity = $2) AND ($3::text IS NULL OR rule = $3)
           AND ($4::int[] IS NULL OR pool_id = ANY($4)) AND (NOT $5 OR pool_id IS NOT NULL)
           AND ($6::int[] IS NULL OR tenant_id = ANY($6))
           AND ($7::timestamptz IS NULL OR fired_at >= $7) AND ($8::timestamptz IS NULL OR fired_at < $8)
           AND ($9::bool IS NULL OR (inhibited_by IS NOT NULL) = $9) AND ($10 OR NOT dry_run)
           AND ($11::bigint IS NULL OR alert_id < $11)
         ORDER BY alert_id DESC LIMIT $12"
    ))
    .bind(wanted.open)
    .bind(wanted.lane.map(Lane::as_str))
    .bind(&wanted.rule)
    .bind(&wanted.pools)
    .bind(wanted.no_system)
    .bind(&wanted.tenants)
    .bind(wanted.since.map(timestamp))
    .bind(wanted.until.map(timestamp))
    .bind(wanted.inhibited)
    .bind(wanted.dry_run)
    .bind(wanted.before)
    .bind(wanted.limit)
    .fetch_all(conn)
    .await?;
    rows(found)
}

/// How many alerts are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct OpenCounts {
    /// Pages.
    pub pages: i64,
    /// Tickets.
    pub tickets: i64,
    /// Of the pages, those that nobody has.
    pub unowned: i64,
}

/// How many alerts are open, of some pools and tenants or of all: neither put off nor explained by another one, as on the board.
pub async fn open_counts(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
    no_system: bool,
) -> Result<OpenCounts> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE severity = 'page') AS pages, count(*) FILTER (WHERE severity = 'ticket') AS tickets,
                count(*) FILTER (WHERE severity = 'page' AND workflow = 'open') AS unowned
         FROM alert
         WHERE condition IN ('pending', 'firing', 'frozen') AND condition <> 'pending' AND fired_at IS NOT NULL AND NOT dry_run
           AND (condition = 'frozen' OR silence_id IS NOT NULL OR (inhibited_by IS NULL AND workflow <> 'snoozed'))
           AND ($1::int[] IS NULL OR pool_id = ANY($1)) AND ($2::int[] IS NULL OR tenant_id = ANY($2))
           AND (NOT $3 OR pool_id IS NOT NULL)",
    )
    .bind(pools)
    .bind(tenants)
    .bind(no_system)
    .fetch_one(conn)
    .await?)
}

/// Other episodes of the same thing, the newest first.
pub async fn episodes(conn: &mut PgConnection, row: &Row, limit: i64) -> Result<Vec<Row>> {
    let found: Vec<Stored> = sqlx::query_as(concat!(
        select_alert!(),
        "WHERE rule = $1 AND pool_id IS NOT DISTINCT FROM $2 AND tenant_id = $3 AND alert_id <> $4 AND fired_at IS NOT NULL
         ORDER BY alert_id DESC LIMIT $5"
    ))
    .bind(&row.rule)
    .bind(row.pool)
    .bind(row.tenant)
    .bind(row.id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows(found)
}

/// How a rule did over a time.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Quality {
    /// Slug of the rule.
    pub rule: String,
    /// Episodes that fired.
    pub fires: i64,
    /// Of these, pages.
    pub pages: i64,
    /// Milliseconds in which any of it fired, within the time.
    pub firing_ms: i64,
    /// Episodes that somebody acknowledged.
    pub acked: i64,
    /// Median time from firing to the first acknowledgement, milliseconds.
    pub median_ack_ms: Option<i64>,
    /// Episodes of things that were never acknowledged in that time.
    pub never_acked: i64,
}

/// How rules did over `[from, to)`, of some pools and tenants or of all. Pending conditions that never fired are not counted.
pub async fn quality(
    conn: &mut PgConnection,
    from: Millis,
    to: Millis,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
) -> Result<Vec<Quality>> {
    Ok(sqlx::query_as(
        "WITH of AS (
             SELECT a.alert_id, a.rule, a.severity, greatest(a.began_at, a.fired_at) AS from_at,
                    (SELECT min(e.at) FROM alert_event e WHERE e.alert_id = a.alert_id AND e.what = 'fired') AS fired,
                    LEAST(COALESCE(a.resolved_at, $2), $2) AS to_at,
                    (SELECT min(e.at) FROM alert_event e WHERE e.alert_id = a.alert_id AND e.what = 'acknowledged') AS acked_at
             FROM alert a
             WHERE a.fired_at IS NOT NULL AND NOT a.dry_run AND a.fired_at < $2 AND COALESCE(a.resolved_at, $2) >= $1
               AND ($3::int[] IS NULL OR a.pool_id = ANY($3)) AND ($4::int[] IS NULL OR a.tenant_id = ANY($4)))
         SELECT rule, count(*) AS fires, count(*) FILTER (WHERE severity = 'page') AS pages,
                COALESCE(sum(extract(epoch FROM greatest(to_at - greatest(from_at, $1), interval '0')) * 1000), 0)::bigint AS firing_ms,
                count(acked_at) AS acked,
                (percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM acked_at - COALESCE(fired, from_at)) * 1000)
                    FILTER (WHERE acked_at IS NOT NULL))::bigint AS median_ack_ms,
                count(*) FILTER (WHERE acked_at IS NULL) AS never_acked
         FROM of GROUP BY rule ORDER BY fires DESC, rule",
    )
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(pools)
    .bind(tenants)
    .fetch_all(conn)
    .await?)
}

/// Steps of the runbook that somebody did for an alert: number, who, when.
pub async fn steps(conn: &mut PgConnection, alert: i64) -> Result<Vec<(i32, String, Millis)>> {
    let rows: Vec<(i32, String, DateTime<Utc>)> =
        sqlx::query_as("SELECT step, actor, at FROM alert_step WHERE alert_id = $1 ORDER BY step")
            .bind(alert)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(step, actor, at)| (step, actor, at.timestamp_millis())).collect())
}

/// Somebody did a step of the runbook for an alert, or did not do it after all. False if that was known.
pub async fn set_step(conn: &mut PgConnection, alert: i64, step: i32, by: Option<&str>) -> Result<bool> {
    let done = match by {
        Some(actor) => {
            sqlx::query("INSERT INTO alert_step (alert_id, step, actor) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(alert)
                .bind(step)
                .bind(actor)
                .execute(conn)
                .await?
        }
        None => {
            sqlx::query("DELETE FROM alert_step WHERE alert_id = $1 AND step = $2")
                .bind(alert)
                .bind(step)
                .execute(conn)
                .await?
        }
    };
    Ok(done.rows_affected() == 1)
}

/// Says what an alert that is over turned out to be.
pub async fn set_outcome(conn: &mut PgConnection, alert: i64, outcome: Outcome) -> Result<()> {
    sqlx::query("UPDATE alert SET outcome = $2 WHERE alert_id = $1")
        .bind(alert)
        .bind(outcome.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// What some alerts turned out to be; those of which nobody said it are left out.
pub async fn outcomes(conn: &mut PgConnection, alerts: &[i64]) -> Result<HashMap<i64, Outcome>> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT alert_id, outcome FROM alert WHERE alert_id = ANY($1) AND outcome IS NOT NULL")
            .bind(alerts)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().filter_map(|(id, word)| Some((id, word.parse().ok()?))).collect())
}

/// What the alerts of each rule over `[from, to)` turned out to be, of some pools and tenants or of all: rule, outcome, how many.
pub async fn outcome_counts(
    conn: &mut PgConnection,
    from: Millis,
    to: Millis,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
) -> Result<Vec<(String, Outcome, i64)>> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT rule, outcome, count(*) FROM alert
         WHERE outcome IS NOT NULL AND fired_at IS NOT NULL AND NOT dry_run AND fired_at < $2 AND COALESCE(resolved_at, $2) >= $1
           AND ($3::int[] IS NULL OR pool_id = ANY($3)) AND ($4::int[] IS NULL OR tenant_id = ANY($4))
         GROUP BY rule, outcome ORDER BY rule, count(*) DESC, outcome",
    )
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(pools)
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(|(rule, word, count)| Some((rule, word.parse().ok()?, count))).collect())
}

/// Keys of the receivers that were told, or are about to be told, anything of an alert.
pub async fn told(conn: &mut PgConnection, alert: i64) -> Result<BTreeSet<i32>> {
    let keys: Vec<i32> =
        sqlx::query_scalar("SELECT DISTINCT receiver_id FROM notification WHERE alert_id = $1 AND state <> 'dropped'")
            .bind(alert)
            .fetch_all(conn)
            .await?;
    Ok(keys.into_iter().collect())
}
