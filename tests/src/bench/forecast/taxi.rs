//! Days that are not like others: New York's taxis over five days of which four could be known beforehand.
//!
//! Every event is what somebody who plans could have written the day before, with the reason beside it; nothing of it was worked out
//! from the day itself. The fifth day, a blizzard, is shown as what it was: unforeseen.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use chrono::{Datelike, NaiveDate};
use headroom_domain::HOUR_MS;
use headroom_domain::backtest::{Tally, hourly_peaks};
use headroom_domain::calendar::{Effect, Event};
use headroom_domain::forecast::online::{DEFAULT_KAPPA, Input, MOST_HOURS, Memory, Outlook, accuracy, refresh};
use headroom_server::forecasting::demand;

use super::super::figures::{Goal, Report, short};

/// The first day of the series; its clock is that of New York.
const FIRST_DAY: (i32, u32, u32) = (2014, 7, 1);
/// Trips of half an hour that a slot stands for.
const SCALE: f64 = 0.01;
/// The level that capacity follows.
const LEVEL: f64 = 0.95;
/// Hours before a day whose forecasts teach how wide it has to be.
const WARM_UP: usize = 336;

/// Hours of a day with an effect, and why.
struct Written {
    day: (i32, u32, u32),
    hours: (i64, i64),
    tag: &'static str,
    effect: Effect,
    reason: &'static str,
}

const SUNDAY: Effect = Effect::LikeWeekday { weekday: 7 };

/// What somebody could have written.
const CALENDAR: [Written; 9] = [
    Written {
        day: (2014, 11, 2),
        hours: (1, 2),
        tag: "clocks-go-back",
        effect: Effect::Factor { percent: 200 },
        reason: "the hour from 1 to 2 happens twice",
    },
    Written {
        day: (2014, 11, 27),
        hours: (0, 5),
        tag: "night-before-holiday",
        effect: Effect::Factor { percent: 150 },
        reason: "the night before Thanksgiving people go out, tomorrow is free",
    },
    Written {
        day: (2014, 11, 27),
        hours: (5, 24),
        tag: "thanksgiving",
        effect: SUNDAY,
        reason: "Thanksgiving: offices are closed, it is like a Sunday",
    },
    Written {
        day: (2014, 11, 27),
        hours: (5, 19),
        tag: "at-home",
        effect: Effect::Factor { percent: 75 },
        reason: "a feast at home: a quarter less than on a Sunday, until guests go home; most have Friday off",
    },
    Written {
        day: (2014, 12, 25),
        hours: (5, 24),
        tag: "christmas",
        effect: SUNDAY,
        reason: "Christmas: offices are closed, it is like a Sunday",
    },
    Written {
        day: (2014, 12, 25),
        hours: (5, 24),
        tag: "at-home",
        effect: Effect::Factor { percent: 65 },
        reason: "as Thanksgiving was, and shops and theatres are closed too",
    },
    Written {
        day: (2015, 1, 1),
        hours: (0, 24),
        tag: "new-year",
        effect: SUNDAY,
        reason: "New Year: the night is like one from Saturday to Sunday, offices are closed",
    },
    Written {
        day: (2015, 1, 1),
        hours: (0, 5),
        tag: "new-year-night",
        effect: Effect::Factor { percent: 125 },
        reason: "the busiest night of the year: a quarter more than any Saturday's",
    },
    Written {
        day: (2015, 1, 1),
        hours: (5, 24),
        tag: "new-year-day",
        effect: Effect::Factor { percent: 85 },
        reason: "many are out of town between the years",
    },
];

/// Days that are shown; the last could not be known.
const DAYS: [(i32, u32, u32, &str); 5] = [
    (2014, 11, 2, "marathon, clocks go back"),
    (2014, 11, 27, "Thanksgiving"),
    (2014, 12, 25, "Christmas"),
    (2015, 1, 1, "New Year"),
    (2015, 1, 27, "blizzard, unforeseen"),
];

/// Measures the days, each from a forecast at its midnight.
pub(super) fn measure(report: &mut Report) -> Result<()> {
    let Some(path) = file() else {
        report.note("SKIPPED: HEADROOM_DATA has no nab/realKnownCause/nyc_taxi.csv");
        return Ok(());
    };
    report.step("taxis, hour by hour");
    let source = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let demand = demand::from_csv(source, SCALE).map_err(|why| anyhow!("{}: {why}", path.display()))?;
    let peaks = hourly_peaks(&demand);
    report
        .note("== taxis of New York: days known beforehand, capacity by the quantile of 0.95 from the midnight before");
    let mut events = Vec::with_capacity(CALENDAR.len());
    for one in &CALENDAR {
        let start = hour_of(one.day)?;
        let of = |hours: i64| (start + hours) * HOUR_MS;
        let tag = one.tag.to_owned();
        events.push(Event { start_ms: of(one.hours.0), end_ms: of(one.hours.1), tag, effect: one.effect });
        let (year, month, day) = one.day;
        let (from, to) = one.hours;
        report.note(format!("written: {year}-{month:02}-{day:02} {from:02}-{to:02} {:?}: {}", one.effect, one.reason));
    }
    let first_hour = hour_of(FIRST_DAY)?;
    let (mut tagged, mut untagged) = (Tally::default(), Tally::default());
    for (year, month, day, name) in DAYS {
        let at = usize::try_from(hour_of((year, month, day))? - first_hour)?;
        let wanted = demand.get(60 * at..60 * (at + 24)).context("the series ends before the day")?;
        let of = |events: &[Event]| {
            let outlook = outlook(&peaks, first_hour, at, events);
            let hours = outlook.quantile(LEVEL);
            let capacity: Vec<f64> = (0..wanted.len()).map(|minute| hours[minute / 60].ceil().max(1.0)).collect();
            Tally::of(wanted, &capacity)
        };
        let (with, without) = (of(&events), of(&[]));
        report.note(format!(
            "{year}-{month:02}-{day:02} {name}: tagged {}; untagged {}",
            words(&with),
            words(&without)
        ));
        if !name.contains("unforeseen") {
            (tagged, untagged) = (tagged + with, untagged + without);
        }
    }
    report.note(format!("the four without events: {}", words(&untagged)));
    let percent = |part: Option<f64>| 100.0 * part.unwrap_or(f64::NAN);
    report.value("known days: unmet", percent(tagged.unmet_part()), "%", Goal::AtMost(1.0));
    report.value("known days: over", percent(tagged.over_part()), "%", Goal::AtMost(35.0));
    held(&peaks, first_hour, report);
    Ok(())
}

/// Whether the published quantiles of all hours held, and how right they were.
fn held(peaks: &[f64], first_hour: i64, report: &mut Report) {
    let mut memory = Memory::default();
    let (mut count, mut within) = (0.0, 0.0);
    let mut said = f64::NAN;
    for at in 24..peaks.len() {
        // What was said an hour ago is for the hour that runs now.
        if at > 30 * 24 && !said.is_nan() {
            count += 1.0;
            within += f64::from(u8::from(peaks[at] <= said));
        }
        let outlook = refresh(&mut memory, &input(peaks, first_hour, at, &[], 2));
        said = outlook.quantile(LEVEL).get(1).copied().unwrap_or(f64::NAN);
    }
    let coverage = within / count;
    report.value("coverage of all hours at 0.95, lower", coverage, "", Goal::AtLeast(0.93));
    report.value("coverage of all hours at 0.95, upper", coverage, "", Goal::AtMost(0.97));
    let told = accuracy(&memory, peaks, first_hour + peaks.len() as i64, 0);
    let part = |value: Option<f64>| value.map_or("unknown".to_owned(), short);
    report.note(format!(
        "last two weeks: WAPE {} beside {} as last week, {} of hours within 0.1 and 0.9",
        part(told.wape),
        part(told.naive_wape),
        part(told.coverage_80)
    ));
}

fn outlook(peaks: &[f64], first_hour: i64, at: usize, events: &[Event]) -> Outlook {
    let mut memory = Memory::default();
    for now in at - WARM_UP..at {
        refresh(&mut memory, &input(peaks, first_hour, now, events, 2));
    }
    refresh(&mut memory, &input(peaks, first_hour, at, events, 24))
}

fn input<'a>(peaks: &'a [f64], first_hour: i64, at: usize, events: &'a [Event], horizon: usize) -> Input<'a> {
    let known = &peaks[at.saturating_sub(MOST_HOURS)..at];
    Input {
        now_hour: first_hour + at as i64,
        peaks: known,
        events,
        earlier: &[],
        offset_hours: 0,
        horizon,
        kappa: DEFAULT_KAPPA,
    }
}

fn words(tally: &Tally) -> String {
    let percent = |part: Option<f64>| part.map_or("?".to_owned(), |part| format!("{:.2} %", 100.0 * part));
    format!("unmet {}, over {}", percent(tally.unmet_part()), percent(tally.over_part()))
}

/// The first hour of a day, since 1970.
fn hour_of((year, month, day): (i32, u32, u32)) -> Result<i64> {
    let date = NaiveDate::from_ymd_opt(year, month, day).context("it is a day")?;
    let since = NaiveDate::from_ymd_opt(1970, 1, 1).context("it is a day")?.num_days_from_ce();
    Ok(24 * i64::from(date.num_days_from_ce() - since))
}

fn file() -> Option<PathBuf> {
    let folder = std::env::var_os("HEADROOM_DATA").map(PathBuf::from)?;
    Some(folder.join("nab/realKnownCause/nyc_taxi.csv")).filter(|path| path.is_file())
}
