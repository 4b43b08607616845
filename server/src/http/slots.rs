//! Live slots over the API: rules of tracked pools, slots, events, and what operators do.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::allocator::PoolFigures;
use crate::app::follow::letter;
use crate::app::slots::{Act, MAX_EVENTS, PoolSlots};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use headroom_domain::Millis;
use headroom_domain::allocation::{Service, Stored};
use headroom_domain::lease::{EventKind, Outcome, Policy};
use headroom_domain::range::{self, rfc3339};
use headroom_store::owner::Rules;
use headroom_store::slot_event::{SlotEvent, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The rules of a tracked pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyOut {
    /// Whether slots are given out here; if not, the pool is metered and the rest is as it would begin.
    pub tracked: bool,
    /// `open`, `held` or `draining`.
    pub mode: &'static str,
    /// Counts changes.
    pub version: i32,
    /// The rules, each with its value in force.
    #[schema(value_type = Object)]
    pub policy: Policy,
}

fn policy_out(rules: Option<Rules>) -> PolicyOut {
    match rules {
        Some(rules) => {
            PolicyOut { tracked: true, mode: rules.mode.as_str(), version: rules.version, policy: rules.policy }
        }
        None => PolicyOut { tracked: false, mode: "open", version: 0, policy: Policy::default() },
    }
}

/// Rules for a pool. Fields of the policy that are left out have their usual values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyIn {
    /// The version that the change is made on; left out for a pool that has none yet.
    pub version: Option<i32>,
    /// `ttl_ms`, `longest_ttl_ms`, `longest_hold_ms`, `lock_delay_ms`, `queue_limit`, `longest_wait_ms`, `wait_goal_ms`,
    /// `grace_ms`, `preempt`, `work_goal_ms`, `heartbeats`, `breaker`, `limits`, `emergency`, `shards`.
    #[schema(value_type = Object)]
    pub policy: Value,
}

/// The rules by which a pool gives out its slots.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/policy", tag = "slots", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = PolicyOut), (status = 404, body = ProblemBody)))]
pub async fn policy(app: App, Path(pool): Path<String>) -> Result<Json<PolicyOut>, ApiError> {
    let (_, rules) = app.pool_rules(&pool).await?;
    Ok(Json(policy_out(rules)))
}

/// Sets them, which makes the pool tracked.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/policy", tag = "slots", request_body = PolicyIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = PolicyOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn set_policy(
    app: App,
    Path(pool): Path<String>,
    Json(body): Json<PolicyIn>,
) -> Result<Json<PolicyOut>, ApiError> {
    if !body.policy.is_object() {
        return Err(AppError::invalid("policy", body.policy.to_string(), "an object of rules").into());
    }
    let found = body.policy.to_string();
    let policy: Policy =
        serde_json::from_value(body.policy).map_err(|error| AppError::invalid("policy", found, error.to_string()))?;
    Ok(Json(policy_out(Some(app.set_policy(&pool, body.version, &policy).await?))))
}

/// A slot's state in one word and one letter.
fn state_of(slot: &Stored, asked_to_end: bool, now: Millis) -> (&'static str, char) {
    let letter = letter(slot, asked_to_end, now);
    let word = match letter {
        'l' => "leaked",
        'o' => "occupied",
        'd' => "draining",
        '.' => "free",
        _ => "offline",
    };
    (word, letter)
}

/// All slots of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlotsOut {
    /// When this was so, RFC 3339.
    pub at: String,
    /// Number of the last event that is in it: what the stream tells under a higher one is news.
    pub version: i64,
    /// Slots in service.
    pub capacity: usize,
    /// One letter for each slot by number from 1: `.` free, `o` occupied, `d` draining, `l` leaked, `x` out of service.
    pub states: String,
    /// Slots that are neither free nor simply occupied: the first thousand.
    pub anomalies: Vec<SlotOut>,
}

/// A slot.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlotOut {
    /// Number in the pool, from 1.
    pub slot: u32,
    /// `free`, `occupied`, `draining`, `leaked` or `offline`.
    pub state: &'static str,
    /// Its fence; not for the slots of tenants that the caller does not see.
    pub fence: Option<i64>,
    /// The claim that holds it.
    pub claim: Option<Uuid>,
    /// Who holds it.
    pub holder: Option<String>,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// For how long it has been held, milliseconds.
    pub held_ms: Option<i64>,
    /// What is left of the lease, milliseconds; below 0 it is over.
    pub remaining_ms: Option<i64>,
    /// The node on which it was last used.
    pub node: Option<String>,
}

fn slot_out(slot: &Stored, asked_to_end: bool, now: Millis) -> SlotOut {
    let held = slot.held.as_ref().filter(|held| !held.claim.is_nil());
    SlotOut {
        slot: slot.number,
        state: state_of(slot, asked_to_end, now).0,
        fence: Some(slot.fence).filter(|_| slot.held.is_none() || held.is_some()),
        claim: held.map(|held| held.claim),
        holder: held.map(|held| held.holder.clone()),
        priority: held.map(|held| held.priority),
        held_ms: held.map(|held| now - held.claimed_at),
        remaining_ms: held.map(|held| held.expires_at - now),
        node: slot.node.clone(),
    }
}

/// All slots of a pool as one word, and those that stand out.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/slots", tag = "slots", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = SlotsOut), (status = 404, body = ProblemBody)))]
pub async fn list(app: App, Path(pool): Path<String>) -> Result<Json<SlotsOut>, ApiError> {
    let PoolSlots { stored, noticed, now, version, .. } = app.slots(&pool).await?;
    let is_noticed = |slot: &Stored| noticed.contains(&slot.number);
    let letter = |slot: &Stored| state_of(slot, is_noticed(slot), now).1;
    let stands_out = |slot: &&Stored| !matches!(letter(slot), '.' | 'o');
    Ok(Json(SlotsOut {
        at: rfc3339(now),
        version,
        capacity: stored.iter().filter(|slot| slot.service == Service::In).count(),
        states: stored.iter().map(letter).collect(),
        anomalies: stored
            .iter()
            .filter(stands_out)
            .take(1_000)
            .map(|slot| slot_out(slot, is_noticed(slot), now))
            .collect(),
    }))
}

/// A slot with its last events.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlotDetailOut {
    /// The slot.
    pub slot: SlotOut,
    /// Its last events, newest first.
    pub events: Vec<EventOut>,
}

/// One slot.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/slots/{slot}", tag = "slots",
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), ("slot" = i64, Path, description = "number, from 1", example = 1)),
    responses((status = 200, body = SlotDetailOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path((pool, slot)): Path<(String, i64)>) -> Result<Json<SlotDetailOut>, ApiError> {
    let (stored, asked_to_end, events, now) = app.slot(&pool, slot).await?;
    Ok(Json(SlotDetailOut {
        slot: slot_out(&stored, asked_to_end, now),
        events: events.into_iter().map(EventOut::from).collect(),
    }))
}

/// What a pool looks like now, as the server that decides about it told last.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/live", tag = "slots", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = Object), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody, description = "nothing is known about now")))]
pub async fn live(app: App, Path(pool): Path<String>) -> Result<Json<PoolFigures>, ApiError> {
    let (found, _) = app.pool_rules(&pool).await?;
    let figures = app.live_figures(Some(&[found.key])).await?.remove(&found.key);
    let figures = figures
        .ok_or_else(|| AppError::Conflict(format!("nothing is known about {pool} now: no server decides about it")))?;
    Ok(Json(figures))
}

/// What happened to a slot, or to a claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOut {
    /// Its number.
    pub id: i64,
    /// When, RFC 3339.
    pub at: String,
    /// The pool's slug.
    pub pool: String,
    /// `claim`, `renew`, `release`, `reject`, `enqueue`, `expire`, `preempt`, `reassign`, `reconcile`, `scale`, `hold`, `drain`, `suspect`, `dead` or `stale`.
    pub kind: &'static str,
    /// The slot's number, if one is concerned.
    pub slot: Option<i32>,
    /// Its fence afterwards.
    pub fence: Option<i64>,
    /// The claim.
    pub claim: Option<Uuid>,
    /// The tenant's slug.
    pub tenant: Option<String>,
    /// 0 to 9.
    pub priority: Option<i16>,
    /// Who holds it.
    pub holder: Option<String>,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// From the claim to its answer, milliseconds.
    pub wait_ms: Option<i32>,
    /// From the claim to its end, milliseconds.
    pub held_ms: Option<i64>,
    /// Work as the holder reported it, milliseconds.
    pub work_ms: Option<i32>,
    /// `ok`, `failed` or `cancelled`.
    pub outcome: Option<&'static str>,
    /// Where.
    pub node: Option<String>,
    /// On which shard.
    pub shard: Option<i32>,
    /// For which cohort.
    pub cohort: Option<String>,
    /// The trace, in hexadecimal digits.
    pub trace: Option<String>,
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits, of a whole number of bytes.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

impl From<SlotEvent> for EventOut {
    fn from(event: SlotEvent) -> Self {
        Self {
            id: event.id,
            at: rfc3339(event.at),
            pool: event.pool_slug,
            kind: event.kind.as_str(),
            slot: event.slot,
            fence: event.fence,
            claim: event.claim,
            tenant: event.tenant,
            priority: event.priority,
            holder: event.holder,
            actor: event.actor,
            reason: event.reason,
            wait_ms: event.wait_ms,
            held_ms: event.held_ms,
            work_ms: event.work_ms,
            outcome: event.outcome.map(Outcome::as_str),
            node: event.node,
            shard: event.shard,
            cohort: event.cohort,
            trace: event.trace.as_deref().map(hex),
        }
    }
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventsWanted {
    /// Slugs of pools; repeat for several.
    pool: Vec<String>,
    /// Slugs of tenants; repeat for several.
    tenant: Vec<String>,
    /// Kinds; repeat for several.
    kind: Vec<String>,
    /// The slot's number.
    #[param(minimum = 1)]
    #[serde(default, deserialize_with = "given")]
    slot: Option<i32>,
    /// The claim's id.
    #[param(value_type = Option<String>)]
    claim: Option<Uuid>,
    /// The trace, in hexadecimal digits.
    trace: Option<String>,
    /// From this instant on, RFC 3339 or such as `now-6h`; an hour ago if it is left out.
    from: Option<String>,
    /// Only events with a lower number: the last of the page before.
    #[serde(default, deserialize_with = "given")]
    before: Option<i64>,
    /// At most so many, 200 if it is left out.
    #[param(minimum = 1, maximum = 2_000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
}

/// What happened to slots and claims, newest first.
#[utoipa::path(get, path = "/api/v1/slot-events", tag = "slots", params(EventsWanted),
    responses((status = 200, body = Vec<EventOut>), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn events(app: App, Query(asked): Query<EventsWanted>) -> Result<Json<Vec<EventOut>>, ApiError> {
    let kinds = asked
        .kind
        .iter()
        .map(|word| word.parse::<EventKind>().map_err(|expected| AppError::invalid("kind", word, expected)));
    let trace = asked.trace.map(|text| {
        from_hex(&text)
            .filter(|id| id.len() == 16)
            .ok_or_else(|| AppError::invalid("trace", &text, "32 hexadecimal digits"))
    });
    let since = match asked.from {
        Some(text) => {
            let now = app.now().await?;
            Some(range::instant(&text, now).map_err(|error| AppError::range("from", &text, &error))?)
        }
        None => None,
    };
    if let Some(slot) = asked.slot.filter(|slot| *slot < 1) {
        return Err(AppError::invalid("slot", slot.to_string(), "a slot's number, from 1").into());
    }
    let limit = asked.limit.unwrap_or(200);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MAX_EVENTS}")).into());
    }
    let wanted = Wanted {
        kinds: kinds.collect::<Result<_, _>>()?,
        slot: asked.slot,
        claim: asked.claim,
        trace: trace.transpose()?,
        since: since.unwrap_or_default(),
        before: asked.before,
        limit,
        ..Wanted::default()
    };
    let events = app.slot_events(wanted, &asked.pool, &asked.tenant).await?;
    Ok(Json(events.into_iter().map(EventOut::from).collect()))
}

/// What an operator does.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActIn {
    /// `hold`, `open`, `drain`, `restore`, `reclaim`, `preempt`, `resize` or `cut-quota`.
    pub action: String,
    /// Slots by number: which to drain (all if it is left out), restore or reclaim.
    pub slots: Option<Vec<u32>>,
    /// The new size (`resize`), how many slots are wanted (`preempt`), or the most that the tenant may hold (`cut-quota`).
    pub size: Option<i64>,
    /// The tenant's slug (`cut-quota`); of `preempt`, everybody if it is left out.
    pub tenant: Option<String>,
    /// For how many minutes (`cut-quota`).
    pub minutes: Option<i64>,
    /// Why; it goes into the audit trail.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: String,
    /// Only say what it would do.
    #[serde(default)]
    pub preview: bool,
}

impl ActIn {
    fn act(&self) -> Result<Act, AppError> {
        let missing = |field: &str, expected: &str| AppError::invalid(field, "", expected);
        let slots = || self.slots.clone().ok_or_else(|| missing("slots", "slot numbers"));
        let size = || self.size.ok_or_else(|| missing("size", "a number of slots"));
        match self.action.as_str() {
            "hold" => Ok(Act::Hold),
            "open" => Ok(Act::Open),
            "drain" => Ok(Act::Drain(self.slots.clone())),
            "restore" => Ok(Act::Restore(slots()?)),
            "reclaim" => Ok(Act::Reclaim(slots()?)),
            "preempt" => Ok(Act::Preempt { tenant: self.tenant.clone(), slots: size()? }),
            "resize" => Ok(Act::Resize(size()?)),
            "cut-quota" => Ok(Act::CutQuota {
                tenant: self.tenant.clone().ok_or_else(|| missing("tenant", "the slug of a tenant"))?,
                slots: size()?,
                minutes: self.minutes.ok_or_else(|| missing("minutes", "a number of minutes"))?,
            }),
            other => Err(AppError::invalid(
                "action",
                other,
                "one of hold, open, drain, restore, reclaim, preempt, resize, cut-quota",
            )),
        }
    }
}

/// What an act does or would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActOut {
    /// Whether it was done: not for a preview, and not yet if the pool's server does not answer. It is recorded then, and will be
    /// done by that server or its successor.
    pub done: bool,
    /// Leases or slots that it concerned, or would concern.
    pub concerned: usize,
    /// What changes: field, before, after.
    pub changes: Vec<(String, String, String)>,
    /// Slots of the tenants that are hit.
    pub tenants: BTreeMap<String, u32>,
    /// What one should know.
    pub warnings: Vec<String>,
}

/// Holds, opens, drains or resizes a pool, takes slots back, cuts a quota for a while; or says what that would do.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/actions", tag = "slots", request_body = ActIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = ActOut), (status = 202, body = ActOut, description = "recorded, and not yet carried out"), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn act(app: App, Path(pool): Path<String>, Json(body): Json<ActIn>) -> Result<Response, ApiError> {
    let act = body.act()?;
    let preview = app.preview_act(&pool, &act).await?;
    let done = if body.preview { None } else { app.act(&pool, &act, &body.reason).await? };
    let status = if body.preview || done.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let out = ActOut {
        done: done.is_some(),
        concerned: done.unwrap_or(preview.leases),
        changes: preview.changes,
        tenants: preview.tenants,
        warnings: preview.warnings,
    };
    Ok((status, Json(out)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_there_and_back() {
        assert_eq!(from_hex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        assert_eq!((from_hex("0"), from_hex("zz"), from_hex("é")), (None, None, None));
    }
}
