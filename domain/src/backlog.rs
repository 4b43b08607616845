//! How many workers clear a backlog in a time, and what backlog comes of more that arrives than is worked off.
//!
//! A queue before workers levels load. Its depth changes by what arrives less what is worked off; to clear a depth in a time T,
//! workers must do what arrives meanwhile and a T-th of the depth: `ceil((backlog ÷ T + arrivals) ÷ rate of one worker)`. All of it is
//! exact: rates are thousandths of an item in a period, and what is no whole worker is rounded up.

use crate::format::{count, duration};
use crate::plan::Fault;
use crate::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use std::fmt;

/// Most items of a backlog.
pub const MAX_ITEMS: u64 = 1_000_000_000_000;
/// Highest rate, in thousandths of an item in its period.
pub const MAX_MILLI: u64 = 1_000_000_000_000;
/// Longest time in which a backlog is to be cleared, or grows.
pub const MAX_TIME_MS: Millis = 30 * DAY_MS;
/// Most workers.
pub const MAX_WORKERS: u64 = 10_000_000;

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Items a second.
    Second,
    /// Items a minute.
    Minute,
    /// Items an hour.
    Hour,
}

impl Per {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    /// The inverse of [`Per::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|per| per.as_str() == word)
    }

    /// Its length.
    pub const fn ms(self) -> Millis {
        match self {
            Self::Second => 1_000,
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
        }
    }
}

/// So many items in a period, to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of an item.
    pub milli: u64,
    /// In which period.
    pub per: Per,
}

impl Rate {
    /// Whole items in a period.
    pub const fn whole(items: u64, per: Per) -> Self {
        Self { milli: items.saturating_mul(1_000), per }
    }

    /// Reads `1500` or `2.5`; grouping by commas, blanks or thin blanks is left out.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(field: &'static str, text: &str, per: Per) -> Result<Self, Fault> {
        let fault = || Fault::new(field, text, "a number from 0 to 1,000,000,000 with at most three decimals");
        let plain: String = text.trim().chars().filter(|c| !matches!(c, ',' | ' ' | '\u{202f}' | '\u{a0}')).collect();
        let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_form = !whole.is_empty() && whole.len() <= 10 && part.len() <= 3 && is_digits(whole) && is_digits(part);
        if !is_form || plain.ends_with('.') {
            return Err(fault());
        }
        let items: u64 = whole.parse().map_err(|_| fault())?;
        let part: u64 = format!("{part:0<3}").parse().map_err(|_| fault())?;
        Some(items * 1_000 + part)
            .filter(|milli| *milli <= MAX_MILLI)
            .map(|milli| Self { milli, per })
            .ok_or_else(fault)
    }

    /// Thousandths of an item in a time, times the milliseconds of its period: sums of rates of one period stay exact.
    fn over(self, time_ms: Millis) -> i128 {
        i128::from(self.milli) * i128::from(time_ms)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.milli / 1_000, self.milli % 1_000);
        f.write_str(&count(i64::try_from(whole).unwrap_or(i64::MAX)))?;
        if part > 0 {
            f.write_str(format!(".{part:03}").trim_end_matches('0'))?;
        }
        write!(f, " a {}", self.per.as_str())
    }
}

/// What is to be cleared, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Items that wait.
    pub backlog: u64,
    /// What arrives meanwhile.
    pub arrivals: Rate,
    /// What one worker does.
    pub worker: Rate,
    /// In which time.
    pub time_ms: Millis,
    /// Workers that there are.
    pub workers: u64,
}

/// What clears a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Workers that clear it in time.
    pub workers: u64,
    /// Of these so many beside those that there are.
    pub more: u64,
    /// So many of those that there are, are not needed for it.
    pub spare: u64,
    /// With the workers that there are: after how long it is cleared, rounded up; `None` if it never is.
    pub alone_ms: Option<Millis>,
    /// With the workers that there are: the most that may arrive so that it is cleared in time, rounded down; `None` if it is not even when
    /// nothing arrives.
    pub throttle: Option<Rate>,
}

/// The smallest whole number that is not below `part ÷ whole`; 0 for what is negative.
fn ceil(part: i128, whole: i128) -> i128 {
    if part <= 0 { 0 } else { (part + whole - 1) / whole }
}

impl Drain {
    /// How many workers it takes, and what else would help.
    ///
    /// # Errors
    /// Every field that is out of bounds.
    pub fn answer(&self) -> Result<Answer, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut bounded = |field, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                let group = |value| count(i64::try_from(value).unwrap_or(i64::MAX));
                faults.push(Fault::new(
                    field,
                    value,
                    format!("a whole number from {} to {}", group(least), group(most)),
                ));
            }
        };
        bounded("backlog", self.backlog, 0, MAX_ITEMS);
        bounded("workers", self.workers, 0, MAX_WORKERS);
        for (field, rate, least) in [("arrivals", self.arrivals, 0), ("rate", self.worker, 1)] {
            if rate.milli < least || rate.milli > MAX_MILLI {
                let least = if least == 0 { "0" } else { "0.001" };
                faults.push(Fault::new(field, rate, format!("a number from {least} to 1,000,000,000")));
            }
        }
        if !(1..=MAX_TIME_MS).contains(&self.time_ms) {
            faults.push(Fault::new("time", duration(self.time_ms), "a time up to 30 days, such as 5m or 2h"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (per_in, per_out) = (i128::from(self.arrivals.per.ms()), i128::from(self.worker.per.ms()));
        let (time, milli) = (i128::from(self.time_ms), i128::from(self.backlog) * 1_000);
        let one = i128::from(self.worker.milli);
        // Everything in thousandths of an item over the time, on the common denominator of both periods.
        let due = (milli * per_in + self.arrivals.over(self.time_ms)) * per_out;
        let workers = u64::try_from(ceil(due, one * time * per_in)).unwrap_or(u64::MAX);
        if workers > MAX_WORKERS {
            let expected = format!(
                "so much that at most {} workers are needed; {} would be",
                count(MAX_WORKERS as i64),
                count(i64::try_from(workers).unwrap_or(i64::MAX))
            );
            return Err(vec![Fault::new("rate", self.worker, expected)]);
        }
        let there = i128::from(self.workers);
        // What is worked off beyond what arrives, in thousandths over `per_in * per_out` milliseconds.
        let net = there * one * per_in - i128::from(self.arrivals.milli) * per_out;
        let alone_ms = match (self.backlog, net) {
            (0, 0..) => Some(0),
            (_, 1..) => i64::try_from(ceil(milli * per_in * per_out, net)).ok(),
            _ => None,
        };
        // What is left of their work for what arrives, in thousandths over the time, on `per_out`.
        let left = there * one * time - milli * per_out;
        let throttle = (left >= 0).then(|| {
            let milli = u64::try_from(left * per_in / (time * per_out)).unwrap_or(u64::MAX);
            Rate { milli, per: self.arrivals.per }
        });
        Ok(Answer {
            workers,
            more: workers.saturating_sub(self.workers),
            spare: self.workers.saturating_sub(workers),
            alone_ms,
            throttle,
        })
    }
}

/// What waits after a time, rounded up to whole items: what waited, and what arrived less what was worked off. Never below nothing.
///
/// # Errors
/// Every field that is out of bounds.
pub fn reached(backlog: u64, arrivals: Rate, drained: Rate, time_ms: Millis) -> Result<u64, Vec<Fault>> {
    let mut faults = Vec::new();
    if backlog > MAX_ITEMS {
        faults.push(Fault::new("backlog", backlog, "a whole number from 0 to 1,000,000,000,000"));
    }
    for (field, rate) in [("arrivals", arrivals), ("drained", drained)] {
        if rate.milli > MAX_MILLI {
            faults.push(Fault::new(field, rate, "a number from 0 to 1,000,000,000"));
        }
    }
    if !(0..=MAX_TIME_MS).contains(&time_ms) {
        faults.push(Fault::new("time", duration(time_ms), "a time up to 30 days, such as 5m or 2h"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let (per_in, per_out) = (i128::from(arrivals.per.ms()), i128::from(drained.per.ms()));
    let milli = i128::from(backlog) * 1_000 * per_in * per_out + arrivals.over(time_ms) * per_out
        - drained.over(time_ms) * per_in;
    Ok(u64::try_from(ceil(milli, 1_000 * per_in * per_out)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a_second(items: u64) -> Rate {
        Rate::whole(items, Per::Second)
    }

    fn drain(backlog: u64, arrivals: u64, worker: u64, workers: u64) -> Answer {
        Drain { backlog, arrivals: a_second(arrivals), worker: a_second(worker), time_ms: 5 * MINUTE_MS, workers }
            .answer()
            .unwrap()
    }

    #[test]
    fn ten_thousand_a_second_for_a_minute_leave_what_22_workers_clear_in_five() {
        let backlog = reached(0, a_second(10_000), a_second(1_500), MINUTE_MS).unwrap();
        assert_eq!(backlog, 510_000);
        let answer = drain(backlog, 1_500, 150, 10);
        assert_eq!((answer.workers, answer.more, answer.spare), (22, 12, 0));
        // The ten do 1,500 a second, which is what arrives: alone they never clear it.
        assert_eq!(answer.alone_ms, None);
        assert_eq!(answer.throttle, None, "510,000 are more than they do in five minutes");
    }

    #[test]
    fn a_hundred_a_second_for_ten_minutes_leave_what_14_workers_clear_in_five() {
        let backlog = reached(0, a_second(100), a_second(30), 10 * MINUTE_MS).unwrap();
        assert_eq!(backlog, 42_000);
        let answer = drain(backlog, 0, 10, 3);
        assert_eq!((answer.workers, answer.more), (14, 11));
        assert_eq!(answer.alone_ms, Some(1_400_000), "42,000 at 30 a second");
    }

    #[test]
    fn fifty_thousand_in_two_minutes_against_five_thousand_a_minute_leave_forty_thousand() {
        let arrivals = Rate::whole(25_000, Per::Minute);
        assert_eq!(reached(0, arrivals, Rate::whole(5_000, Per::Minute), 2 * MINUTE_MS).unwrap(), 40_000);
        // The same in other periods.
        assert_eq!(
            reached(0, Rate::whole(1_500_000, Per::Hour), Rate::whole(5_000, Per::Minute), 2 * MINUTE_MS).unwrap(),
            40_000
        );
    }

    #[test]
    fn a_backlog_does_not_fall_below_nothing_and_parts_of_an_item_count_as_one() {
        assert_eq!(reached(100, a_second(0), a_second(1_000), MINUTE_MS).unwrap(), 0);
        assert_eq!(reached(0, Rate { milli: 1, per: Per::Second }, a_second(0), 1_500).unwrap(), 1);
        assert_eq!(reached(7, a_second(0), a_second(0), 0).unwrap(), 7);
    }

    #[test]
    fn whoever_is_not_needed_is_told_and_so_is_what_may_arrive() {
        let answer = drain(3_000, 100, 50, 10);
        // 10 a second for the backlog and 100 that arrive: 2.2 workers.
        assert_eq!((answer.workers, answer.more, answer.spare), (3, 0, 7));
        assert_eq!(answer.alone_ms, Some(7_500), "3,000 at 400 a second");
        assert_eq!(answer.throttle, Some(a_second(490)));
        let idle = drain(0, 0, 50, 2);
        assert_eq!((idle.workers, idle.spare, idle.alone_ms), (0, 2, Some(0)));
        assert_eq!(drain(0, 100, 50, 2).alone_ms, Some(0), "what arrives is done");
        assert_eq!(drain(0, 101, 50, 2).alone_ms, None, "it grows");
    }

    #[test]
    fn bad_input_is_named() {
        let good = Drain { backlog: 1, arrivals: a_second(1), worker: a_second(1), time_ms: 1, workers: 1 };
        let cases = [
            ("backlog", Drain { backlog: MAX_ITEMS + 1, ..good }),
            ("workers", Drain { workers: MAX_WORKERS + 1, ..good }),
            ("arrivals", Drain { arrivals: Rate { milli: MAX_MILLI + 1, per: Per::Hour }, ..good }),
            ("rate", Drain { worker: a_second(0), ..good }),
            ("time", Drain { time_ms: 0, ..good }),
            ("time", Drain { time_ms: -5, ..good }),
            ("time", Drain { time_ms: MAX_TIME_MS + 1, ..good }),
            ("rate", Drain { backlog: MAX_ITEMS, worker: Rate { milli: 1, per: Per::Hour }, ..good }),
        ];
        for (field, drain) in cases {
            let faults = drain.answer().unwrap_err();
            assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), [field], "{drain:?}");
        }
        assert_eq!(
            reached(u64::MAX, Rate { milli: u64::MAX, per: Per::Hour }, a_second(0), i64::MAX).unwrap_err().len(),
            3
        );
        let largest = Drain {
            backlog: MAX_ITEMS,
            arrivals: a_second(1_000_000_000),
            worker: a_second(1_000_000_000),
            time_ms: MAX_TIME_MS,
            workers: MAX_WORKERS,
        };
        assert!(largest.answer().is_ok());
    }

    #[test]
    fn rates_are_read_exactly() {
        let read = |text| Rate::parse("rate", text, Per::Second).map(|rate| rate.milli);
        for (text, milli) in [
            ("0", 0),
            ("150", 150_000),
            ("2.5", 2_500),
            ("0.001", 1),
            ("1,500", 1_500_000),
            (" 10 000 ", 10_000_000),
            ("1000000000", MAX_MILLI),
        ] {
            assert_eq!(read(text), Ok(milli), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0001",
            "1000000001",
            "99999999999999999999",
            "NaN",
            "a",
            "1.2.3",
            "½",
        ] {
            assert_eq!(read(text).unwrap_err().field, "rate", "{text}");
        }
        assert_eq!(Rate { milli: 2_500, per: Per::Minute }.to_string(), "2.5 a minute");
        assert_eq!(a_second(1_700).to_string(), "1,700 a second");
    }

    proptest! {
        #[test]
        fn so_many_workers_clear_it_and_one_less_does_not(
            backlog in 0_u64..1_000_000,
            arrivals in 0_u64..100_000,
            worker in 1_u64..100_000,
            per_in in 0_usize..3,
            per_out in 0_usize..3,
            time_ms in 1_000_i64..10_000_000,
        ) {
            let (arrivals, worker) = (Rate { milli: arrivals, per: Per::ALL[per_in] }, Rate { milli: worker, per: Per::ALL[per_out] });
            let drain = Drain { backlog, arrivals, worker, time_ms, workers: 0 };
            if let Ok(answer) = drain.answer() {
                let left = |workers: u64| {
                    let all = Rate { milli: worker.milli * workers, per: worker.per };
                    // Without the bounds on rates: many workers do more than one rate may say.
                    let (per_in, per_out) = (i128::from(arrivals.per.ms()), i128::from(all.per.ms()));
                    i128::from(backlog) * 1_000 * per_in * per_out + arrivals.over(time_ms) * per_out - i128::from(all.milli) * i128::from(time_ms) * per_in
                };
                prop_assert!(left(answer.workers) <= 0);
                if answer.workers > 0 {
                    prop_assert!(left(answer.workers - 1) > 0);
                }
            }
        }
    }
}
