//! What others do: MSTL with two seasons, its trend by ETS, as the crate augurs has them.

use anyhow::{Context, Result, anyhow};
use augurs::Fit as _;
use augurs::Predict as _;
use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;

use super::HORIZON;
use super::score::Answer;

/// Forecasts with an interval of 95 %.
pub(super) fn answer(known: &[f64]) -> Result<Answer> {
    let model = MSTLModel::new(vec![24, 168], AutoETS::non_seasonal().into_trend_model());
    let fitted = model.fit(known).map_err(|error| anyhow!("augurs: {error}"))?;
    let forecast = fitted.predict(HORIZON, 0.95).map_err(|error| anyhow!("augurs: {error}"))?;
    let intervals = forecast.intervals.context("augurs gives no interval")?;
    Ok(Answer { point: forecast.point, lower: intervals.lower, upper: intervals.upper, quantiles: None })
}
