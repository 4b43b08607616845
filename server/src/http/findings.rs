//! What is wrong with live pools and servers, over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Query, given};
use crate::app::findings::{Asked, MAX_FINDINGS, Number, Told, numbers};
use crate::app::{App, AppError};
use headroom_domain::failure::{Kind, What};
use headroom_domain::range::{self, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Findings of one answer if nothing is said.
const USUAL: i64 = 200;

/// Which findings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FindingsWanted {
    /// Slugs of pools; repeat for several. Without one those of the servers are there too.
    pool: Vec<String>,
    /// Slugs of tenants; repeat for several: findings about them, and about pools that they use.
    tenant: Vec<String>,
    /// Kinds, such as `saturated`; repeat for several.
    kind: Vec<String>,
    /// `true`: only what is wrong now; `false`: only what is over.
    #[serde(default, deserialize_with = "given")]
    open: Option<bool>,
    /// What was over before this instant is left out, RFC 3339 or such as `now-6h`; a day ago if it is left out.
    from: Option<String>,
    /// Only findings with a lower number: the last of the page before.
    #[serde(default, deserialize_with = "given")]
    before: Option<i64>,
    /// At most so many, 200 if it is left out.
    #[param(minimum = 1, maximum = 1_000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
}

/// What is wrong now or was wrong lately.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingsOut {
    /// When this was so, RFC 3339.
    pub at: String,
    /// When somebody looked last; null if nobody ever did.
    pub looked_at: Option<String>,
    /// The newest first.
    pub findings: Vec<FindingOut>,
}

/// Something that is wrong, or was.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingOut {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// `leaked`, `leaking`, `doubled`, `hot`, `saturated`, `queueing`, `slow-reclaim`, `inverted`, `moving`, `swinging`, `monopoly`,
    /// `stalled`, `refusing`, `breaker`, `silent`, `overcommitted`, `retry-storm`, `held-for-ever`, `closed`, `unowned`,
    /// `server-lost`, `server-paused` or `store-away`.
    pub kind: &'static str,
    /// The failure mode, `F1` to `F8`; null for what is around a pool.
    pub mode: Option<&'static str>,
    /// `critical` (act now), `warning` (look at it in working hours) or `info` (good to know).
    pub severity: &'static str,
    /// Whether it is wrong now.
    pub open: bool,
    /// The pool's slug; null if it is about a server.
    pub pool: Option<String>,
    /// What in the pool it is about.
    pub subject: SubjectOut,
    /// Slugs of the tenants that are hit, worst first.
    pub tenants: Vec<String>,
    /// When it began, RFC 3339.
    pub since: String,
    /// When it was seen first.
    pub seen_at: String,
    /// When it was over; null while it is not.
    pub over_at: Option<String>,
    /// The same in a sentence.
    pub text: String,
    /// The numbers behind it, as they were seen last.
    pub numbers: Vec<NumberOut>,
}

/// What a finding is about, beside its pool; what does not apply is null.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SubjectOut {
    /// Numbers of slots.
    pub slots: Vec<u32>,
    /// A tenant's slug.
    pub tenant: Option<String>,
    /// A holder.
    pub holder: Option<String>,
    /// A shard.
    pub shard: Option<i32>,
    /// A server's address.
    pub server: Option<String>,
}

/// A number with its unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberOut {
    /// What it counts or measures; `_1m` and `_10m` are of the last minute and the last ten.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// `slots`, `claims`, `leases`, `pools`, `moves`, `turns`, `ms`, `ratio`, `ratio/h` (of the pool, in an hour) or `priority`.
    pub unit: &'static str,
}

impl From<Number> for NumberOut {
    fn from(number: Number) -> Self {
        Self { name: number.name, value: number.value, unit: number.unit }
    }
}

fn subject(what: &What, tenant: Option<String>) -> SubjectOut {
    let mut subject = SubjectOut { slots: what.slots(), tenant, ..SubjectOut::default() };
    match what {
        What::Hot { shard, .. } => subject.shard = *shard,
        What::HeldForEver { holder, .. } => subject.holder = Some(holder.clone()),
        What::ServerLost { server, .. } | What::ServerPaused { server, .. } | What::StoreAway { server, .. } => {
            subject.server = Some(server.clone());
        }
        _ => {}
    }
    subject
}

impl From<Told> for FindingOut {
    fn from(told: Told) -> Self {
        let seen = told.finding.seen;
        Self {
            id: told.finding.id,
            kind: seen.what.kind().as_str(),
            mode: seen.what.mode().number(),
            severity: seen.severity.as_str(),
            open: told.finding.over_ms.is_none(),
            pool: told.pool,
            subject: subject(&seen.what, told.tenant),
            tenants: told.tenants,
            since: rfc3339(seen.since_ms),
            seen_at: rfc3339(told.finding.seen_ms),
            over_at: told.finding.over_ms.map(rfc3339),
            text: told.sentence,
            numbers: numbers(&seen.what).into_iter().map(NumberOut::from).collect(),
        }
    }
}

/// What is wrong with live pools and servers now, and what was wrong lately, the newest first.
#[utoipa::path(get, path = "/api/v1/findings", tag = "slots", params(FindingsWanted),
    responses((status = 200, body = FindingsOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(asked): Query<FindingsWanted>) -> Result<Json<FindingsOut>, ApiError> {
    let kinds = asked
        .kind
        .iter()
        .map(|word| word.parse::<Kind>().map_err(|expected| AppError::invalid("kind", word, expected)));
    let kinds = kinds.collect::<Result<_, _>>()?;
    let since_ms = match asked.from {
        Some(text) => {
            let now = app.now().await?;
            Some(range::instant(&text, now).map_err(|error| AppError::range("from", &text, &error))?)
        }
        None => None,
    };
    let limit = asked.limit.unwrap_or(USUAL);
    if !(1..=MAX_FINDINGS).contains(&limit) {
        return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MAX_FINDINGS}")).into());
    }
    let (pools, tenants, open, before) = (asked.pool, asked.tenant, asked.open, asked.before);
    let listed = app.findings(&Asked { pools, tenants, kinds, open, since_ms, before, limit }).await?;
    Ok(Json(FindingsOut {
        at: rfc3339(listed.now),
        looked_at: listed.looked_ms.map(rfc3339),
        findings: listed.findings.into_iter().map(FindingOut::from).collect(),
    }))
}
