//! Workers for a backlog, over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::App;
use crate::app::backlog::Asked;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is to be cleared, and with what; what is left out is what is measured.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BacklogQuery {
    /// Items that wait, up to 1,000,000,000,000; left out = claims that wait now.
    #[serde(default, deserialize_with = "given")]
    backlog: Option<String>,
    /// What arrives meanwhile, in a period, with at most three decimals; left out = claims of the last hour.
    #[serde(default, deserialize_with = "given")]
    arrivals: Option<String>,
    /// What one worker does in a period; left out = what a slot in use worked off in the last hour.
    #[serde(default, deserialize_with = "given")]
    rate: Option<String>,
    /// The period of both: `second`, `minute` or `hour`.
    #[serde(default, deserialize_with = "given")]
    per: Option<String>,
    /// In which time, such as `90s`, `5m` (the usual), `2h`; up to `30d`.
    #[serde(default, deserialize_with = "given")]
    time: Option<String>,
    /// Workers that there are; left out = slots in service.
    #[serde(default, deserialize_with = "given")]
    workers: Option<String>,
}

/// What clears a backlog.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacklogOut {
    /// Items that wait.
    pub backlog: u64,
    /// What arrives meanwhile, thousandths of an item in a period.
    pub arrivals_milli: u64,
    /// What one worker does, thousandths of an item in a period.
    pub rate_milli: u64,
    /// The period.
    pub per: &'static str,
    /// In which time, milliseconds.
    pub time_ms: i64,
    /// Workers that there are.
    pub present: u64,
    /// Workers that clear it in time.
    pub workers: u64,
    /// Of these so many beside those that there are.
    pub more: u64,
    /// So many of those that there are, are not needed for it.
    pub spare: u64,
    /// After how long those that there are clear it, milliseconds; null = never.
    pub alone_ms: Option<i64>,
    /// The most that may arrive so that those that there are clear it in time, thousandths in a period; null = not even nothing.
    pub throttle_milli: Option<u64>,
}

/// How many workers clear a backlog in a time: `ceil((backlog ÷ time + arrivals) ÷ rate of one worker)`, and what else would help.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/backlog", tag = "pools",
    params(("pool" = String, Path, description = "slug of the pool"), BacklogQuery),
    responses((status = 200, body = BacklogOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn plan(
    app: App,
    Path(pool): Path<String>,
    Query(query): Query<BacklogQuery>,
) -> Result<Json<BacklogOut>, ApiError> {
    let BacklogQuery { backlog, arrivals, rate, per, time, workers } = query;
    let asked = Asked { backlog, arrivals, rate, per, time, workers };
    let (_, drain, answer) = app.plan_backlog(&pool, &asked).await?.answered()?;
    Ok(Json(BacklogOut {
        backlog: drain.backlog,
        arrivals_milli: drain.arrivals.milli,
        rate_milli: drain.worker.milli,
        per: drain.arrivals.per.as_str(),
        time_ms: drain.time_ms,
        present: drain.workers,
        workers: answer.workers,
        more: answer.more,
        spare: answer.spare,
        alone_ms: answer.alone_ms,
        throttle_milli: answer.throttle.map(|rate| rate.milli),
    }))
}
