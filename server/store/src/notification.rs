//! What is to be told: written with the change that it tells of, and marked when somebody has it.
//!
//! A row waits until a worker has leased it, sent it and got an answer. A lease that runs out is free again, so what was
//! sent by a worker that died then is sent twice, with the same key, and nothing is lost.

use crate::{Result, receiver, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::alert::receiver::Kind;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::fmt::Write as _;

/// A worker has this long to send what it leased, on the database's clock.
pub const LEASE_MS: Millis = 30_000;
/// A channel of Slack takes not more than one message in this time.
pub const SLACK_GAP_MS: Millis = 1_000;
/// Most messages to one receiver that are under way at a time, so that one that hangs does not hold up the others.
const AT_ONCE: i64 = 4;

/// A message about no alert, by which somebody tries a receiver.
pub const TEST: &str = "test";

/// A message about no alert: what capacity a pool is to have.
pub const SCALING: &str = "scaling";

/// The sha256 of a text as 64 hexadecimal digits.
pub fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What a message is known by, whoever sends it and however often. `step` tells the steps of an escalation apart, which
/// change no version: its round and its number.
pub fn key(
    dedup_key: &str,
    episode: u32,
    version: u64,
    receiver: &str,
    message: &str,
    step: Option<(u32, usize)>,
) -> String {
    let step = step.map(|(round, number)| format!("|{round}.{number}")).unwrap_or_default();
    sha256_hex(&format!("{dedup_key}|{episode}|{version}|{receiver}|{message}{step}"))
}

/// A message to a receiver.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The alert's key; `None` if it is about none.
    pub alert: Option<i64>,
    /// The receiver's key.
    pub receiver: i32,
    /// `domain::alert::episode::Message`, [`TEST`] or [`SCALING`].
    pub message: &'a str,
    /// What it is known by, see [`key`].
    pub key: String,
    /// Messages with the same one keep their order, receiver by receiver.
    pub dedup: String,
    /// `page` or `ticket`.
    pub lane: &'a str,
    /// The notice.
    pub body: Value,
    /// Not before then; at once if it is left out.
    pub due_ms: Option<Millis>,
}

/// Writes messages, in the transaction of the change that they tell of. Those whose key is known are there already.
/// Returns how many were written.
pub async fn enqueue(conn: &mut PgConnection, all: &[New<'_>]) -> Result<u64> {
    if all.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "INSERT INTO notification (alert_id, receiver_id, message, key, dedup, lane, body, due_at)
         SELECT alert_id, receiver_id, message, key, dedup, lane, body, coalesce(due_at, hr_now())
         FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[])
             WITH ORDINALITY AS t (alert_id, receiver_id, message, key, dedup, lane, body, due_at, number)
         ORDER BY number
         ON CONFLICT ON CONSTRAINT notification_once DO NOTHING",
    )
    .bind(all.iter().map(|one| one.alert).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.receiver).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.message).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.key.as_str()).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.dedup.as_str()).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.lane).collect::<Vec<_>>())
    .bind(all.iter().map(|one| &one.body).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.due_ms.map(timestamp)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A message that a worker has leased.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// Its number.
    pub id: i64,
    /// The alert's key.
    pub alert: Option<i64>,
    /// The receiver's key.
    pub receiver: i32,
    /// What it tells.
    pub message: String,
    /// What it is known by.
    pub key: String,
    /// What keeps its order.
    pub dedup: String,
    /// `page` or `ticket`.
    pub lane: String,
    /// The notice.
    pub body: Value,
    /// When it was written.
    pub created_ms: Millis,
    /// Which attempt this is, from 1. It tells this lease from later ones.
    pub attempts: i32,
    /// It told of something that was over before.
    pub late: bool,
}

#[derive(FromRow)]
struct LeasedRow {
    notification_id: i64,
    alert_id: Option<i64>,
    receiver_id: i32,
    message: String,
    key: String,
    dedup: String,
    lane: String,
    body: Json<Value>,
    created_at: DateTime<Utc>,
    attempts: i32,
    late: bool,
}

impl From<LeasedRow> for Leased {
    fn from(row: LeasedRow) -> Self {
        Self {
            id: row.notification_id,
            alert: row.alert_id,
            receiver: row.receiver_id,
            message: row.message,
            key: row.key,
            dedup: row.dedup,
            lane: row.lane,
            body: row.body.0,
            created_ms: row.created_at.timestamp_millis(),
            attempts: row.attempts,
            late: row.late,
        }
    }
}

/// Leases messages that are due, at most so many: of each thing and receiver the oldest that waits, and nothing else before
/// that one has an end. Within a transaction of its own.
pub async fn claim(conn: &mut PgConnection, limit: i64) -> Result<Vec<Leased>> {
    #[derive(FromRow)]
    struct Candidate {
        notification_id: i64,
        receiver_id: i32,
        kind: String,
    }
    let found: Vec<Candidate> = sqlx::query_as(
        "WITH head AS (
             SELECT DISTINCT ON (receiver_id, dedup) notification_id, receiver_id, due_at, lease_until
             FROM notification WHERE state = 'waiting' ORDER BY receiver_id, dedup, notification_id),
         ranked AS (
             SELECT notification_id,
                    row_number() OVER (PARTITION BY receiver_id
                                       ORDER BY coalesce(lease_until <= hr_now(), true), due_at, notification_id) AS place
             FROM head)
         SELECT n.notification_id, n.receiver_id, r.kind
         FROM ranked JOIN notification n USING (notification_id) JOIN receiver r USING (receiver_id)
         WHERE ranked.place <= $2 AND n.state = 'waiting' AND n.due_at <= hr_now()
           AND (n.lease_until IS NULL OR n.lease_until <= hr_now()) AND (r.next_at IS NULL OR r.next_at <= hr_now())
         ORDER BY n.due_at, n.notification_id LIMIT $1 FOR UPDATE OF n SKIP LOCKED",
    )
    .bind(limit)
    .bind(AT_ONCE)
    .fetch_all(&mut *conn)
    .await?;
    let mut slow: Vec<i32> =
        found.iter().filter(|one| one.kind == Kind::Slack.as_str()).map(|one| one.receiver_id).collect();
    slow.sort_unstable();
    slow.dedup();
    let mut turns = if slow.is_empty() { Vec::new() } else { receiver::take_turns(conn, &slow, SLACK_GAP_MS).await? };
    let mut next = Vec::with_capacity(found.len());
    for one in found {
        if one.kind == Kind::Slack.as_str() {
            // One message for each turn.
            let Some(turn) = turns.iter().position(|id| *id == one.receiver_id) else { continue };
            turns.swap_remove(turn);
        }
        next.push(one.notification_id);
    }
    if next.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<LeasedRow> = sqlx::query_as(
        "UPDATE notification SET lease_until = hr_now() + $2 * interval '1 millisecond', attempts = attempts + 1
         WHERE notification_id = ANY($1)
         RETURNING notification_id, alert_id, receiver_id, message, key, dedup, lane, body, created_at, attempts, late",
    )
    .bind(next)
    .bind(LEASE_MS)
    .fetch_all(conn)
    .await?;
    let mut leased: Vec<Leased> = rows.into_iter().map(Leased::from).collect();
    leased.sort_by_key(|one| one.id);
    Ok(leased)
}

/// The waiting messages behind one, about the same thing to the same receiver, oldest first.
pub async fn behind(conn: &mut PgConnection, leased: &Leased) -> Result<Vec<Leased>> {
    let rows: Vec<LeasedRow> = sqlx::query_as(
        "SELECT notification_id, alert_id, receiver_id, message, key, dedup, lane, body, created_at, attempts, late
         FROM notification WHERE state = 'waiting' AND receiver_id = $1 AND dedup = $2 AND notification_id > $3
         ORDER BY notification_id",
    )
    .bind(leased.receiver)
    .bind(&leased.dedup)
    .bind(leased.id)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Leased::from).collect())
}

/// What a receiver was told last about the thing of a message; `None` if it was never told of it.
pub async fn told_last(conn: &mut PgConnection, leased: &Leased) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(
        "SELECT message FROM notification
         WHERE alert_id = $1 AND receiver_id = $2 AND dedup = $3 AND state = 'sent' AND notification_id < $4
         ORDER BY notification_id DESC LIMIT 1",
    )
    .bind(leased.alert)
    .bind(leased.receiver)
    .bind(&leased.dedup)
    .bind(leased.id)
    .fetch_optional(conn)
    .await?)
}

/// The receiver has some messages: it answered so. `late` = they told of something that was over before.
pub async fn sent(conn: &mut PgConnection, ids: &[i64], status: Option<u16>, late: bool) -> Result<()> {
    sqlx::query(
        "UPDATE notification SET state = 'sent', sent_at = hr_now(), lease_until = NULL, last_status = $2, last_error = NULL,
             late = late OR $3
         WHERE notification_id = ANY($1) AND state = 'waiting'",
    )
    .bind(ids)
    .bind(status.map(i32::from))
    .bind(late)
    .execute(conn)
    .await?;
    Ok(())
}

/// Some messages tell of something that was over before the receiver could be told.
pub async fn mark_late(conn: &mut PgConnection, ids: &[i64]) -> Result<()> {
    sqlx::query("UPDATE notification SET late = true WHERE notification_id = ANY($1)").bind(ids).execute(conn).await?;
    Ok(())
}

/// The receiver does not have a message: it is sent again after a time. False if it is another worker's by now.
pub async fn retry_at(
    conn: &mut PgConnection,
    leased: &Leased,
    wait_ms: Millis,
    status: Option<u16>,
    error: &str,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE notification SET due_at = hr_now() + $3 * interval '1 millisecond', lease_until = NULL, last_status = $4,
             last_error = $5
         WHERE notification_id = $1 AND attempts = $2 AND state = 'waiting'",
    )
    .bind(leased.id)
    .bind(leased.attempts)
    .bind(wait_ms)
    .bind(status.map(i32::from))
    .bind(error)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A receiver is there again: what it could not be told is due now, unless it said itself when to come. Returns how many.
pub async fn wake(conn: &mut PgConnection, receiver: i32) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE notification SET due_at = hr_now()
         WHERE state = 'waiting' AND receiver_id = $1 AND attempts > 0 AND lease_until IS NULL AND due_at > hr_now()
           AND last_status IS DISTINCT FROM 429",
    )
    .bind(receiver)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The receiver will not have a message. False if it is another worker's by now.
pub async fn dead(conn: &mut PgConnection, leased: &Leased, status: Option<u16>, error: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE notification SET state = 'dead', lease_until = NULL, last_status = $3, last_error = $4
         WHERE notification_id = $1 AND attempts = $2 AND state = 'waiting'",
    )
    .bind(leased.id)
    .bind(leased.attempts)
    .bind(status.map(i32::from))
    .bind(error)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Some messages are not sent, because there is no reason to any more.
pub async fn dropped(conn: &mut PgConnection, ids: &[i64], reason: &str) -> Result<()> {
    sqlx::query(
        "UPDATE notification SET state = 'dropped', lease_until = NULL, last_error = $2
         WHERE notification_id = ANY($1) AND state = 'waiting'",
    )
    .bind(ids)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// A message that was given up is sent again, under the same key. False if it was not given up.
pub async fn replay(conn: &mut PgConnection, id: i64) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE notification SET state = 'waiting', created_at = hr_now(), due_at = hr_now(), lease_until = NULL, attempts = 0
         WHERE notification_id = $1 AND state = 'dead'",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Member of the body of a message that is told because another receiver could not be: that receiver's slug.
pub const INSTEAD_OF: &str = "instead_of";

/// Tells those who are told when another one cannot be reached. Once only, however often this is called. Returns how many
/// messages were written.
pub async fn fail_over(conn: &mut PgConnection, id: i64) -> Result<u64> {
    let done = sqlx::query(
        "INSERT INTO notification (alert_id, receiver_id, message, key, dedup, lane, body)
         SELECT n.alert_id, f.receiver_id, n.message,
                encode(sha256(convert_to(n.key || '|instead|' || f.slug, 'UTF8')), 'hex'),
                n.dedup, n.lane, n.body || jsonb_build_object($2, r.slug)
         FROM notification n JOIN receiver r USING (receiver_id)
         JOIN receiver f ON f.is_failover AND f.enabled AND f.receiver_id <> n.receiver_id AND f.kind <> ALL($3)
         WHERE n.notification_id = $1 AND NOT r.is_failover AND NOT n.body ? $2
         ON CONFLICT ON CONSTRAINT notification_once DO NOTHING",
    )
    .bind(id)
    .bind(INSTEAD_OF)
    .bind(Kind::ALL.iter().filter(|kind| !kind.takes_messages()).map(|kind| kind.as_str()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Tells those who were told of an alert instead of the receiver of a message what that message tells. Once only.
pub async fn follow_up(conn: &mut PgConnection, id: i64) -> Result<u64> {
    let done = sqlx::query(
        "INSERT INTO notification (alert_id, receiver_id, message, key, dedup, lane, body)
         SELECT n.alert_id, f.receiver_id, n.message,
                encode(sha256(convert_to(n.key || '|instead|' || f.slug, 'UTF8')), 'hex'),
                n.dedup, n.lane, n.body || jsonb_build_object($2, r.slug)
         FROM notification n JOIN receiver r USING (receiver_id)
         JOIN receiver f ON f.is_failover AND f.enabled AND f.receiver_id <> n.receiver_id
         WHERE n.notification_id = $1 AND NOT n.body ? $2 AND EXISTS (
             SELECT FROM notification i
             WHERE i.alert_id = n.alert_id AND i.receiver_id = f.receiver_id
               AND i.body ->> $2 = r.slug)
         ON CONFLICT ON CONSTRAINT notification_once DO NOTHING",
    )
    .bind(id)
    .bind(INSTEAD_OF)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// What people do about an alert, and its version; `None` if it is gone.
pub async fn workflow(conn: &mut PgConnection, alert: i64) -> Result<Option<(String, i64)>> {
    Ok(sqlx::query_as("SELECT workflow, version FROM alert WHERE alert_id = $1")
        .bind(alert)
        .fetch_optional(conn)
        .await?)
}

/// Member of the body of a message that was sent: what the receiver calls it, for later changes of it.
pub const THERE: &str = "there";

/// Remembers what a receiver calls a message.
pub async fn remember(conn: &mut PgConnection, id: i64, there: &Value) -> Result<()> {
    sqlx::query("UPDATE notification SET body = body || jsonb_build_object($2, $3) WHERE notification_id = $1")
        .bind(id)
        .bind(THERE)
        .bind(Json(there))
        .execute(conn)
        .await?;
    Ok(())
}

/// What a receiver calls the newest message about an alert that it can change.
pub async fn there(conn: &mut PgConnection, alert: i64, receiver: i32) -> Result<Option<Value>> {
    let found: Option<Json<Value>> = sqlx::query_scalar(
        "SELECT body -> $3 FROM notification WHERE alert_id = $1 AND receiver_id = $2 AND body ? $3
         ORDER BY notification_id DESC LIMIT 1",
    )
    .bind(alert)
    .bind(receiver)
    .bind(THERE)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|found| found.0))
}

/// An alert for those who are told again and again how things are.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The alert's key.
    pub alert: i64,
    /// Slug of its rule.
    pub rule: String,
    /// Name of its rule, if it is there.
    pub title: Option<String>,
    /// Who answers for the rule.
    pub owner: Option<String>,
    /// Where its runbook is.
    pub runbook: Option<String>,
    /// Slug and name of its pool; none if it is about Headroom itself.
    pub pool: Option<(String, String)>,
    /// Slug of its tenant; none for the pool as a whole.
    pub tenant: Option<String>,
    /// `domain::alert::episode::Alert`.
    pub state: Value,
    /// Values of the last judgement.
    pub facts: Value,
    /// The newest notice about it, if somebody was told of it.
    pub notice: Option<Value>,
}

/// Alerts that fire, and those that were over within so long. Without those that nobody is told of.
pub async fn standing(conn: &mut PgConnection, over_ms: Millis) -> Result<Vec<Standing>> {
    #[derive(FromRow)]
    struct StandingRow {
        alert_id: i64,
        rule: String,
        title: Option<String>,
        owner: Option<String>,
        runbook: Option<String>,
        pool: Option<String>,
        pool_name: Option<String>,
        tenant: Option<String>,
        state: Json<Value>,
        facts: Json<Value>,
        notice: Option<Json<Value>>,
    }
    let rows: Vec<StandingRow> = sqlx::query_as(
        "SELECT a.alert_id, a.rule, u.name AS title, u.owner, u.runbook, p.slug AS pool, p.name AS pool_name,
                t.slug AS tenant, a.state, a.facts, n.body AS notice
         FROM alert a LEFT JOIN alert_rule u ON u.slug = a.rule LEFT JOIN pool p USING (pool_id)
         LEFT JOIN tenant t ON t.tenant_id = a.tenant_id
         LEFT JOIN LATERAL (SELECT body FROM notification m WHERE m.alert_id = a.alert_id
                            ORDER BY m.notification_id DESC LIMIT 1) n ON true
         WHERE NOT a.dry_run AND a.silence_id IS NULL AND a.inhibited_by IS NULL
           AND (a.condition IN ('firing', 'frozen')
                OR (a.condition = 'resolved' AND a.resolved_at >= hr_now() - $1 * interval '1 millisecond'))
         ORDER BY a.alert_id",
    )
    .bind(over_ms)
    .fetch_all(conn)
    .await?;
    let standing = |row: StandingRow| Standing {
        alert: row.alert_id,
        rule: row.rule,
        title: row.title,
        owner: row.owner,
        runbook: row.runbook,
        pool: row.pool.zip(row.pool_name),
        tenant: row.tenant,
        state: row.state.0,
        facts: row.facts.0,
        notice: row.notice.map(|notice| notice.0),
    };
    Ok(rows.into_iter().map(standing).collect())
}

/// A message, for lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// The alert's key.
    pub alert: Option<i64>,
    /// Slug of the receiver.
    pub receiver: String,
    /// Name of the receiver.
    pub receiver_name: String,
    /// What it tells.
    pub message: String,
    /// What it is known by.
    pub key: String,
    /// `page` or `ticket`.
    pub lane: String,
    /// The notice.
    pub body: Value,
    /// `waiting`, `sent`, `dead` or `dropped`.
    pub state: String,
    /// When it was written, or given back to be sent again.
    pub created_ms: Millis,
    /// When it is sent next, while it waits.
    pub due_ms: Millis,
    /// How often it was tried.
    pub attempts: i32,
    /// When the receiver had it.
    pub sent_ms: Option<Millis>,
    /// HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// Why it was not sent, or is not.
    pub last_error: Option<String>,
    /// It told of something that was over before.
    pub late: bool,
}

#[derive(FromRow)]
struct Row {
    notification_id: i64,
    alert_id: Option<i64>,
    receiver: String,
    receiver_name: String,
    message: String,
    key: String,
    lane: String,
    body: Json<Value>,
    state: String,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
    attempts: i32,
    sent_at: Option<DateTime<Utc>>,
    last_status: Option<i32>,
    last_error: Option<String>,
    late: bool,
}

impl From<Row> for Notification {
    fn from(row: Row) -> Self {
        Self {
            id: row.notification_id,
            alert: row.alert_id,
            receiver: row.receiver,
            receiver_name: row.receiver_name,
            message: row.message,
            key: row.key,
            lane: row.lane,
            body: row.body.0,
            state: row.state,
            created_ms: row.created_at.timestamp_millis(),
            due_ms: row.due_at.timestamp_millis(),
            attempts: row.attempts,
            sent_ms: row.sent_at.map(|at| at.timestamp_millis()),
            last_status: row.last_status,
            last_error: row.last_error,
            late: row.late,
        }
    }
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// In this state; in any if it is left out.
    pub state: Option<&'a str>,
    /// About this alert.
    pub alert: Option<i64>,
    /// To the receiver of this slug.
    pub receiver: Option<&'a str>,
    /// Only with a lower number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

macro_rules! select_notification {
    ($rest:literal) => {
        concat!(
            "SELECT n.notification_id, n.alert_id, r.slug AS receiver, r.name AS receiver_name, n.message, n.key, n.lane,
                 n.body, n.state, n.created_at, n.due_at, n.attempts, n.sent_at, n.last_status, n.last_error, n.late
             FROM notification n JOIN receiver r USING (receiver_id) ",
            $rest
        )
    };
}

/// Messages, the newest first.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted<'_>) -> Result<Vec<Notification>> {
    let rows: Vec<Row> = sqlx::query_as(select_notification!(
        "WHERE ($1::text IS NULL OR n.state = $1) AND ($2::bigint IS NULL OR n.alert_id = $2)
           AND ($3::text IS NULL OR r.slug = $3) AND ($4::bigint IS NULL OR n.notification_id < $4)
         ORDER BY n.notification_id DESC LIMIT $5"
    ))
    .bind(wanted.state)
    .bind(wanted.alert)
    .bind(wanted.receiver)
    .bind(wanted.before)
    .bind(wanted.limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Notification::from).collect())
}

/// One message.
pub async fn by_id(conn: &mut PgConnection, id: i64) -> Result<Option<Notification>> {
    let row: Option<Row> =
        sqlx::query_as(select_notification!("WHERE n.notification_id = $1")).bind(id).fetch_optional(conn).await?;
    Ok(row.map(Notification::from))
}

/// How the telling goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// Messages that wait.
    pub waiting: i64,
    /// Those of them that were tried before.
    pub failing: i64,
    /// Messages that were given up.
    pub dead: i64,
    /// Those of them that were to wake somebody.
    pub dead_pages: i64,
}

/// How the telling goes.
pub async fn counts(conn: &mut PgConnection) -> Result<Counts> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
                count(*) FILTER (WHERE state = 'waiting' AND last_error IS NOT NULL) AS failing,
                count(*) FILTER (WHERE state = 'dead') AS dead,
                count(*) FILTER (WHERE state = 'dead' AND lane = 'page') AS dead_pages
         FROM notification WHERE state = 'waiting' OR state = 'dead'",
    )
    .fetch_one(conn)
    .await?)
}

/// How the telling goes, by key of the receiver; one that nothing waits for and that was told everything is left out.
pub async fn counts_by_receiver(conn: &mut PgConnection) -> Result<Vec<(i32, Counts)>> {
    #[derive(FromRow)]
    struct Of {
        receiver_id: i32,
        #[sqlx(flatten)]
        counts: Counts,
    }
    let rows: Vec<Of> = sqlx::query_as(
        "SELECT receiver_id, count(*) FILTER (WHERE state = 'waiting') AS waiting,
                count(*) FILTER (WHERE state = 'waiting' AND last_error IS NOT NULL) AS failing,
                count(*) FILTER (WHERE state = 'dead') AS dead,
                count(*) FILTER (WHERE state = 'dead' AND lane = 'page') AS dead_pages
         FROM notification WHERE state = 'waiting' OR state = 'dead' GROUP BY receiver_id",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.receiver_id, row.counts)).collect())
}

/// Pages that were given up and that nobody sent again: what woke nobody.
pub async fn dead_pages(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM notification
         WHERE state = 'dead' AND lane = 'page' AND message <> 'resolved' AND created_at > hr_now() - interval '1 day'",
    )
    .fetch_one(conn)
    .await?)
}

/// Removes messages that were sent or dropped before an instant. Returns how many.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM notification WHERE state IN ('sent', 'dropped') AND created_at < $1")
        .bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_steps_versions_and_receivers_apart() {
        let of = |version, receiver: &str, step| key("saturation-burn|pool-a|*", 3, version, receiver, "firing", step);
        let first = of(1, "oncall", None);
        assert_eq!(first, sha256_hex("saturation-burn|pool-a|*|3|1|oncall|firing"));
        assert_eq!(first.len(), 64);
        let others =
            [of(2, "oncall", None), of(1, "chat", None), of(1, "oncall", Some((0, 0))), of(1, "oncall", Some((0, 1)))];
        assert!(others.iter().all(|other| *other != first));
        assert_ne!(others[2], others[3]);
    }

    #[test]
    fn the_hash_is_the_known_one() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
