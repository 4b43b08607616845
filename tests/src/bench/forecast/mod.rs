//! Forecasts: how right they are, whether their quantiles hold, and what they cost.
//!
//! The series are the hourly ones of the M4 competition, each with 48 hours to forecast. What a design choice may look at is the
//! end of the training part (`validate`); the test part is scored and nothing else. Beside them: days of New York's taxis that could
//! be known beforehand (`taxi`), what the hourly plan of many pools costs (`fleet`), and whether pages and claims notice it (`beside`).

mod beside;
mod fleet;
mod peer;
mod score;
mod series;
mod taxi;

use std::hint::black_box;

use anyhow::{Context, Result};
use headroom_domain::forecast::{Question, forecast};

use self::score::{Answer, Score};
use self::series::Case;
use super::figures::{Goal, Pair, Report, short};
use super::{about, load, processor};

/// Hours that are forecast, as in the competition.
const HORIZON: usize = 48;
/// Levels that are asked for; the first and the last bound 95 %.
const LEVELS: [f64; 6] = [0.025, 0.05, 0.5, 0.9, 0.95, 0.975];

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The end of the training part in place of the test.
    pub validate: bool,
    /// Without the peer.
    pub quick: bool,
    /// Only pages and claims beside forecasts.
    pub beside: bool,
}

/// Measures every folder of series that is there.
pub fn run(options: &Options) -> Result<String> {
    let mut report = Report::default();
    about(&mut report)?;
    if options.beside {
        beside::measure(&mut report)?;
        return Ok(report.summary());
    }
    let folders = series::folders();
    if folders.is_empty() {
        report.note("SKIPPED: HEADROOM_DATA does not name a folder with m4-hourly…/train.csv and test.csv");
    }
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        report.step(&format!("reading {name}"));
        let cases = if options.validate { series::validation(&folder)? } else { series::test(&folder)? };
        let what = if options.validate { "the last 48 hours of train.csv" } else { "test.csv" };
        report.note(format!("== {name}: {} series, forecast of {what}", cases.len()));
        measure(&cases, options, &mut report)?;
        fleet::measure(&cases, &mut report)?;
    }
    taxi::measure(&mut report)?;
    if !options.quick {
        beside::measure(&mut report)?;
    }
    report.note(format!("load average at the end: {}; {:.0} s in all", load()?, report.seconds()));
    Ok(report.summary())
}

fn measure(cases: &[Case], options: &Options, report: &mut Report) -> Result<()> {
    let question = Question::new(&[24, 168], HORIZON, &LEVELS).context("the question is within bounds")?;
    let rounds = if options.quick { 3 } else { 10 };
    report.step("our forecasts");
    let before = processor::of(std::process::id())?;
    for _ in 0..rounds {
        for case in cases {
            black_box(forecast(&case.known, &question));
        }
    }
    let spent = processor::of(std::process::id())? - before;
    let ms = 1e3 * spent / (rounds * cases.len()) as f64;
    let ours = Score::mean(cases.iter().map(|case| {
        let forecast = forecast(&case.known, &question);
        Score::of(case, &Answer::ours(&forecast))
    }));
    let naive = Score::mean(cases.iter().map(|case| Score::of(case, &Answer::seasonal_naive(&case.known))));
    report.note(format!(
        "seasonal naive 24, to check the scale: sMAPE {}, MASE {} (published for all 414 series: 13.912, 1.193)",
        short(naive.smape),
        short(naive.mase)
    ));
    report.value("OWA (Naive2 18.383, 2.395)", ours.owa(), "", Goal::AtMost(0.392));
    report.value("OWA, stretch", ours.owa(), "", Goal::AtMost(0.385));
    report.note(format!("sMAPE {:.3}, MASE {:.4}", ours.smape, ours.mase));
    report.value("MSIS at 95 %", ours.msis, "", Goal::AtMost(5.9));
    report.note(format!(
        "coverage: {:.3} below 0.9, {:.3} below 0.95, {:.3} between 0.025 and 0.975; pinball at 0.95 {:.4}",
        ours.below_90, ours.below_95, ours.within_95, ours.pinball_95
    ));
    report.value("processor time a series", ms, "ms", Goal::AtMost(1.5));
    report.value("processor time a series, stretch", ms, "ms", Goal::AtMost(0.6));
    if options.quick {
        return Ok(());
    }
    report.step("the forecasts of augurs");
    let before = processor::of(std::process::id())?;
    let answers = cases.iter().map(|case| peer::answer(&case.known)).collect::<Result<Vec<_>>>()?;
    let spent = processor::of(std::process::id())? - before;
    let theirs = Score::mean(cases.iter().zip(&answers).map(|(case, answer)| Score::of(case, answer)));
    let theirs_ms = 1e3 * spent / cases.len() as f64;
    let name = "augurs MSTL + AutoETS";
    let pair = |measured, peer, unit| Pair { measured, peer, peer_name: name, unit };
    report.note(format!(
        "{name}: sMAPE {:.3}, MASE {:.4}, {:.3} within 95 %",
        theirs.smape, theirs.mase, theirs.within_95
    ));
    report.ratio("OWA", pair(ours.owa(), theirs.owa(), ""), Goal::AtMost(0.7));
    report.ratio("MSIS", pair(ours.msis, theirs.msis, ""), Goal::AtMost(0.6));
    report.ratio("processor time a series", pair(ms, theirs_ms, "ms"), Goal::AtMost(0.2));
    Ok(())
}
