//! How many workers clear a pool's backlog: with what somebody says, and what is measured where they say nothing.

use super::{App, AppError, Problem, Result, calendar, forecast, pools};
use headroom_domain::access::Action;
use headroom_domain::backlog::{Answer, Drain, Per, Rate};
use headroom_domain::pool::effective;
use headroom_domain::series::{Step, floor};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::history;
use headroom_store::pool::{self, Pool};

/// Rates are measured over so long.
const MEASURED_MS: Millis = HOUR_MS;
/// The time in which a backlog is to be cleared, if nothing is said.
pub const USUAL_TIME: &str = "5m";
/// The pool as a whole, among the tenants of history.
const WHOLE: i32 = 0;

/// What somebody says, as it was written; nothing is what is measured.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Items that wait.
    pub backlog: Option<String>,
    /// What arrives meanwhile, in a period.
    pub arrivals: Option<String>,
    /// What one worker does in a period.
    pub rate: Option<String>,
    /// The period: second, minute or hour.
    pub per: Option<String>,
    /// In which time, such as `5m`.
    pub time: Option<String>,
    /// Workers that there are.
    pub workers: Option<String>,
}

/// What is known of a pool now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Claims that wait: as the owner of a tracked pool tells it, else in the last minute of the history.
    pub backlog: Option<u64>,
    /// Claims of the last hour, thousandths an hour.
    pub arrivals_milli: Option<u64>,
    /// Claims that one slot in use worked off in the last hour, thousandths an hour.
    pub rate_milli: Option<u64>,
    /// Slots in service.
    pub workers: Option<u64>,
}

impl Measured {
    /// The period in which its rates read best.
    pub fn per(&self) -> Per {
        match self.rate_milli.or(self.arrivals_milli) {
            Some(milli) if milli < 60_000 => Per::Hour,
            Some(milli) if milli < 3_600_000 => Per::Minute,
            _ => Per::Second,
        }
    }

    /// Thousandths an hour in another period.
    fn rate(milli: u64, per: Per) -> Rate {
        let parts = HOUR_MS.unsigned_abs() / per.ms().unsigned_abs();
        Rate { milli: milli / parts, per }
    }

    /// What arrives.
    pub fn arrivals(&self, per: Per) -> Option<Rate> {
        self.arrivals_milli.map(|milli| Self::rate(milli, per))
    }

    /// What one worker does.
    pub fn worker(&self, per: Per) -> Option<Rate> {
        self.rate_milli.map(|milli| Self::rate(milli, per)).filter(|rate| rate.milli > 0)
    }
}

/// A question about a backlog, with its answer.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The pool.
    pub pool: Pool,
    /// What is known of it.
    pub measured: Measured,
    /// What was asked and what comes of it; or what is wrong with the question.
    pub answer: Result<(Drain, Answer), Vec<Problem>>,
}

/// `5m`, `90s`, `2h`, `1d`.
fn time(text: &str) -> Option<Millis> {
    let (number, unit) = text.trim().split_at_checked(text.trim().len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<Millis>().ok().filter(|_| is_number)?.checked_mul(unit)
}

fn whole(text: &str) -> Option<u64> {
    let plain: String = text.trim().chars().filter(|c| !matches!(c, ',' | ' ' | '\u{202f}' | '\u{a0}')).collect();
    plain.parse().ok().filter(|_| plain.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A question put together.
fn drain(asked: &Asked, measured: &Measured) -> Result<Drain, Vec<Problem>> {
    let mut problems = Vec::new();
    let per = match asked.per.as_deref() {
        None => measured.per(),
        Some(word) => Per::parse(word).unwrap_or_else(|| {
            problems.push(Problem::new("per", word, "second, minute or hour"));
            Per::Second
        }),
    };
    let mut number = |field: &str, said: &Option<String>, known: Option<u64>| match said.as_deref() {
        Some(text) => whole(text).unwrap_or_else(|| {
            problems.push(Problem::new(field, text, "a whole number from 0"));
            0
        }),
        None => known.unwrap_or_else(|| {
            problems.push(Problem::new(field, "", "a whole number: nothing is measured of this pool"));
            0
        }),
    };
    let backlog = number("backlog", &asked.backlog, measured.backlog);
    let workers = number("workers", &asked.workers, measured.workers);
    let mut rate = |field: &'static str, said: &Option<String>, known: Option<Rate>| match said.as_deref() {
        Some(text) => Rate::parse(field, text, per).unwrap_or_else(|fault| {
            problems.push(calendar::problem(fault));
            Rate { milli: 1, per }
        }),
        None => known.unwrap_or_else(|| {
            problems.push(Problem::new(field, "", "a number: nothing was measured of this pool in the last hour"));
            Rate { milli: 1, per }
        }),
    };
    let arrivals = rate("arrivals", &asked.arrivals, measured.arrivals(per));
    let worker = rate("rate", &asked.rate, measured.worker(per));
    let text = asked.time.as_deref().unwrap_or(USUAL_TIME);
    let time_ms = time(text).unwrap_or_else(|| {
        problems.push(Problem::new("time", text, "a time up to 30 days, such as 5m, 90s or 2h"));
        1
    });
    if problems.is_empty() { Ok(Drain { backlog, arrivals, worker, time_ms, workers }) } else { Err(problems) }
}

impl App {
    /// What is known of a pool's backlog now.
    pub async fn measured_backlog(&self, slug: &str) -> Result<(Pool, Measured)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let found = pools::find(conn, &self.caller, slug).await?;
        let now = headroom_store::now(conn).await?;
        let from = floor(now, MINUTE_MS) - MEASURED_MS;
        let sums = history::total_series(conn, Step::Minute, &[found.key], &[WHOLE], from, floor(now, MINUTE_MS))
            .await?
            .total();
        let steps = pool::capacity(conn, Some(&[found.key])).await?.remove(&found.key).unwrap_or_default();
        let in_service =
            pool::step_at(&steps, now).map(|step| effective(step.configured.into(), step.planned_down.into()));
        let waiting = forecast::queued(conn, &[found.key], now).await?.remove(&found.key);
        let rate = |items: i64, over: i64| -> Option<u64> {
            let milli =
                i128::from(items) * 1_000 * i128::from(HOUR_MS) / i128::from(Some(over).filter(|over| *over > 0)?);
            u64::try_from(milli).ok()
        };
        let measured = Measured {
            backlog: waiting.map(|claims| claims.ceil() as u64),
            arrivals_milli: Some(sums.claims)
                .filter(|claims| *claims > 0)
                .and_then(|claims| rate(claims, sums.observed_ms)),
            rate_milli: Some(sums.claims - sums.rejections)
                .filter(|granted| *granted > 0)
                .and_then(|granted| rate(granted, sums.occupied_slot_ms)),
            workers: in_service.and_then(|slots| u64::try_from(slots).ok()),
        };
        Ok((found, measured))
    }

    /// How many workers clear a pool's backlog.
    pub async fn plan_backlog(&self, slug: &str, asked: &Asked) -> Result<Planned> {
        let (pool, measured) = self.measured_backlog(slug).await?;
        let answer = drain(asked, &measured).and_then(|drain| {
            let answer = drain.answer();
            answer.map(|answer| (drain, answer)).map_err(|faults| faults.into_iter().map(calendar::problem).collect())
        });
        Ok(Planned { pool, measured, answer })
    }
}

impl Planned {
    /// The answer, or a refusal that names what is wrong.
    pub fn answered(self) -> Result<(Measured, Drain, Answer)> {
        let measured = self.measured;
        self.answer.map(|(drain, answer)| (measured, drain, answer)).map_err(AppError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [("5m", 300_000), ("90s", 90_000), ("2h", 7_200_000), ("1d", DAY_MS), (" 5m ", 300_000)] {
            assert_eq!(time(text), Some(ms), "{text}");
        }
        for text in ["", "m", "5", "-5m", "5 m", "5w", "é", "9999999999d", "1.5h"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_goes_before_what_is_measured_and_what_is_missing_is_named() {
        let asked = |text: &str| Some(text.to_owned());
        let measured =
            Measured { backlog: Some(7), arrivals_milli: None, rate_milli: Some(36_000_000), workers: Some(3) };
        let said = Asked {
            backlog: asked("42,000"),
            arrivals: asked("0"),
            rate: asked("10"),
            per: asked("second"),
            ..Asked::default()
        };
        let drained = drain(&said, &measured).unwrap();
        assert_eq!((drained.backlog, drained.workers, drained.time_ms), (42_000, 3, 300_000));
        assert_eq!(drained.answer().unwrap().more, 11);
        let missing = drain(&Asked::default(), &Measured::default()).unwrap_err();
        let fields: Vec<&str> = missing.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["backlog", "workers", "arrivals", "rate"]);
        let wrong = Asked { backlog: asked("many"), per: asked("day"), time: asked("soon"), ..said };
        let fields: Vec<String> =
            drain(&wrong, &measured).unwrap_err().into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["per", "backlog", "time"]);
        // Ten a second is 36,000 an hour.
        assert_eq!(measured.worker(Per::Second), Some(Rate::whole(10, Per::Second)));
        assert_eq!(measured.per(), Per::Second);
    }
}
