//! Drafts: edits of a plan that are not published, with every step so that it can be undone.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::plan::change::Change;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is edited.
    Open,
    /// It waits for somebody's approval.
    Proposed,
    /// Somebody approved it; any further edit opens it again.
    Approved,
    /// Somebody refused it; it can be edited and proposed again.
    Rejected,
    /// It became the plan.
    Published,
    /// Nobody wants it.
    Discarded,
}

impl State {
    const ALL: [Self; 6] =
        [Self::Open, Self::Proposed, Self::Approved, Self::Rejected, Self::Published, Self::Discarded];

    /// The word in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Published => "published",
            Self::Discarded => "discarded",
        }
    }

    /// Whether nothing happens to it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Published | Self::Discarded)
    }
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The API's id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// What people call it.
    pub name: String,
    /// Who began it.
    pub owner: String,
    /// Id of the account or token.
    pub owner_id: Option<Uuid>,
    /// Where it stands.
    pub state: State,
    /// Why, as it was proposed.
    pub reason: String,
    /// Who decided about it.
    pub decided_by: Option<String>,
    /// What they said.
    pub decision: String,
    /// The publication that it takes back.
    pub reverts: Option<Uuid>,
    /// Counts edits.
    pub version: i32,
    /// Steps that are done.
    pub steps: i32,
    /// Steps that were undone and can be redone.
    pub undone: i32,
    /// When it began.
    pub created_ms: Millis,
    /// When it was changed last.
    pub updated_ms: Millis,
    /// What it changes, by reservation.
    pub changes: BTreeMap<Uuid, Change>,
}

#[derive(FromRow)]
struct Row {
    draft_id: Uuid,
    pool_id: i32,
    name: String,
    owner: String,
    owner_id: Option<Uuid>,
    state: String,
    reason: String,
    decided_by: Option<String>,
    decision: String,
    reverts: Option<Uuid>,
    version: i32,
    steps: i32,
    undone: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

macro_rules! select_draft {
    ($rest:literal) => {
        concat!(
            "SELECT draft_id, pool_id, name, owner, owner_id, state, reason, decided_by, decision, reverts, version, steps,
                    (SELECT count(DISTINCT step) FROM draft_step s WHERE s.draft_id = draft.draft_id AND s.step > steps)::int AS undone,
                    created_at, updated_at
             FROM draft ",
            $rest
        )
    };
}

async fn with_changes(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<Draft>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.draft_id).collect();
    let changes: Vec<(Uuid, Uuid, Json<Change>)> =
        sqlx::query_as("SELECT draft_id, reservation_id, change FROM draft_change WHERE draft_id = ANY($1)")
            .bind(&ids)
            .fetch_all(conn)
            .await?;
    let mut by: BTreeMap<Uuid, BTreeMap<Uuid, Change>> = BTreeMap::new();
    for (draft, reservation, change) in changes {
        by.entry(draft).or_default().insert(reservation, change.0);
    }
    let one = |row: Row| {
        let state = State::ALL.into_iter().find(|state| state.as_str() == row.state);
        let damaged = || StoreError::Damaged {
            what: format!("draft {}", row.draft_id),
            problem: format!("its state {:?} is unknown", row.state),
        };
        Ok(Draft {
            changes: by.remove(&row.draft_id).unwrap_or_default(),
            state: state.ok_or_else(damaged)?,
            id: row.draft_id,
            pool: row.pool_id,
            name: row.name,
            owner: row.owner,
            owner_id: row.owner_id,
            reason: row.reason,
            decided_by: row.decided_by,
            decision: row.decision,
            reverts: row.reverts,
            version: row.version,
            steps: row.steps,
            undone: row.undone,
            created_ms: row.created_at.timestamp_millis(),
            updated_ms: row.updated_at.timestamp_millis(),
        })
    };
    rows.into_iter().map(one).collect()
}

/// A draft to begin.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The API's id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// What people call it.
    pub name: &'a str,
    /// Who begins it.
    pub owner: &'a str,
    /// Id of the account or token.
    pub owner_id: Option<Uuid>,
    /// The publication that it takes back.
    pub reverts: Option<Uuid>,
}

/// Begins a draft.
pub async fn create(conn: &mut PgConnection, new: &New<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO draft (draft_id, pool_id, name, owner, owner_id, reverts) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id)
    .bind(new.pool)
    .bind(new.name)
    .bind(new.owner)
    .bind(new.owner_id)
    .bind(new.reverts)
    .execute(conn)
    .await
    .map_err(meaning)?;
    Ok(())
}

/// What a refusal of the database means.
fn meaning(error: sqlx::Error) -> StoreError {
    match StoreError::constraint(&error) {
        Some("draft_name_form") => {
            StoreError::Invalid { field: "name", problem: "expected 1 to 120 characters".into() }
        }
        _ => error.into(),
    }
}

/// Gives a draft another name. It stays at its version: what it does is the same.
pub async fn rename(conn: &mut PgConnection, id: Uuid, name: &str) -> Result<()> {
    sqlx::query("UPDATE draft SET name = $2 WHERE draft_id = $1")
        .bind(id)
        .bind(name)
        .execute(conn)
        .await
        .map_err(meaning)?;
    Ok(())
}

/// A draft.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<Draft>> {
    let rows: Vec<Row> = sqlx::query_as(select_draft!("WHERE draft_id = $1")).bind(id).fetch_all(&mut *conn).await?;
    Ok(with_changes(conn, rows).await?.pop())
}

/// A draft, locked until the caller's transaction ends.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<Draft>> {
    let rows: Vec<Row> =
        sqlx::query_as(select_draft!("WHERE draft_id = $1 FOR UPDATE")).bind(id).fetch_all(&mut *conn).await?;
    Ok(with_changes(conn, rows).await?.pop())
}

/// Drafts of a pool that are not over, newest first.
pub async fn of_pool(conn: &mut PgConnection, pool: i32, limit: i64) -> Result<Vec<Draft>> {
    let rows: Vec<Row> = sqlx::query_as(select_draft!(
        "WHERE pool_id = $1 AND state NOT IN ('published', 'discarded') ORDER BY updated_at DESC LIMIT $2"
    ))
    .bind(pool)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    with_changes(conn, rows).await
}

/// One reservation's part of a step: how its change was and is, `None` = none.
pub type StepPart = (Uuid, Option<Change>, Option<Change>);

/// Does a step in a locked draft: later ones that were undone are forgotten.
pub async fn step(conn: &mut PgConnection, draft: &Draft, parts: &[StepPart]) -> Result<()> {
    sqlx::query("DELETE FROM draft_step WHERE draft_id = $1 AND step > $2")
        .bind(draft.id)
        .bind(draft.steps)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO draft_step (draft_id, step, ordinal, reservation_id, before, after)
         SELECT $1, $2, ordinal, reservation, before, after
         FROM unnest($3::uuid[], $4::jsonb[], $5::jsonb[]) WITH ORDINALITY AS s (reservation, before, after, ordinal)",
    )
    .bind(draft.id)
    .bind(draft.steps + 1)
    .bind(parts.iter().map(|part| part.0).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| part.1.as_ref().map(Json)).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| part.2.as_ref().map(Json)).collect::<Vec<_>>())
    .execute(&mut *conn)
    .await?;
    let after: Vec<_> = parts.iter().map(|(id, _, after)| (*id, after.clone())).collect();
    set(conn, draft, draft.steps + 1, &after).await
}

/// Takes the last step back (`back`), or does the next one again. `false` if there is none.
pub async fn go(conn: &mut PgConnection, draft: &Draft, back: bool) -> Result<bool> {
    let step = if back { draft.steps } else { draft.steps + 1 };
    let parts: Vec<(Uuid, Option<Json<Change>>, Option<Json<Change>>)> = sqlx::query_as(
        "SELECT reservation_id, before, after FROM draft_step WHERE draft_id = $1 AND step = $2 ORDER BY ordinal",
    )
    .bind(draft.id)
    .bind(step)
    .fetch_all(&mut *conn)
    .await?;
    if parts.is_empty() {
        return Ok(false);
    }
    let side = |(id, before, after): (Uuid, Option<Json<Change>>, Option<Json<Change>>)| {
        (id, if back { before } else { after }.map(|change| change.0))
    };
    let changes: Vec<_> = parts.into_iter().map(side).collect();
    set(conn, draft, if back { step - 1 } else { step }, &changes).await?;
    Ok(true)
}

async fn set(conn: &mut PgConnection, draft: &Draft, steps: i32, changes: &[(Uuid, Option<Change>)]) -> Result<()> {
    let gone: Vec<Uuid> = changes.iter().filter(|(_, change)| change.is_none()).map(|(id, _)| *id).collect();
    let there: Vec<(Uuid, Json<&Change>)> =
        changes.iter().filter_map(|(id, change)| Some((*id, Json(change.as_ref()?)))).collect();
    sqlx::query("DELETE FROM draft_change WHERE draft_id = $1 AND reservation_id = ANY($2)")
        .bind(draft.id)
        .bind(gone)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO draft_change (draft_id, reservation_id, change)
         SELECT $1, reservation, change FROM unnest($2::uuid[], $3::jsonb[]) AS c (reservation, change)
         ON CONFLICT (draft_id, reservation_id) DO UPDATE SET change = EXCLUDED.change",
    )
    .bind(draft.id)
    .bind(there.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(there.into_iter().map(|(_, change)| change).collect::<Vec<_>>())
    .execute(&mut *conn)
    .await?;
    // Whoever approved it approved something else.
    sqlx::query(
        "UPDATE draft SET steps = $2, version = version + 1, updated_at = hr_now(), state = 'open', decided_by = NULL,
                decided_id = NULL, decision = ''
         WHERE draft_id = $1",
    )
    .bind(draft.id)
    .bind(steps)
    .execute(conn)
    .await?;
    Ok(())
}

/// What somebody decides about a draft.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Where it stands then.
    pub state: State,
    /// Why it is proposed; `None` = as before.
    pub reason: Option<&'a str>,
    /// Who decided, and what they said.
    pub decided: Option<(&'a str, Option<Uuid>, &'a str)>,
}

/// Moves a locked draft on.
pub async fn decide(conn: &mut PgConnection, id: Uuid, decision: &Decision<'_>) -> Result<()> {
    let (by, by_id, said) = match decision.decided {
        Some((by, id, said)) => (Some(by), id, Some(said)),
        None => (None, None, None),
    };
    sqlx::query(
        "UPDATE draft SET state = $2, reason = COALESCE($3, reason), decided_by = COALESCE($4, decided_by),
                decided_id = COALESCE($5, decided_id), decision = COALESCE($6, decision), updated_at = hr_now()
         WHERE draft_id = $1",
    )
    .bind(id)
    .bind(decision.state.as_str())
    .bind(decision.reason)
    .bind(by)
    .bind(by_id)
    .bind(said)
    .execute(conn)
    .await?;
    Ok(())
}
