//! Demand by minute, from tables of times and values and from workload logs.

use chrono::{DateTime, NaiveDateTime};
use headroom_domain::backtest::MOST_MINUTES;
use headroom_domain::swf::Job;
use std::collections::BTreeMap;
use std::io::Read;

/// Largest demand of a minute, in slots.
const MOST_DEMAND: f64 = 1e9;

/// Reads a table `time,value`, with or without a header: times ascending, values in slots after `scale`.
///
/// A value holds until the next row, but no longer than the shortest distance of two rows: after that nothing is known (NaN).
///
/// # Errors
/// A sentence with the row, the field, what was found and what is expected.
pub fn from_csv(source: impl Read, scale: f64) -> Result<Vec<f64>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut rows: Vec<(i64, f64)> = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        number += 1;
        let [time, value] = [0, 1].map(|field| record.get(field).unwrap_or_default().trim());
        let Some(minute) = minute(time) else {
            if number == 1 {
                continue;
            }
            return Err(format!("row {number}, field 1: found {time:?}, expected a time such as 2014-07-01 00:30:00"));
        };
        let scaled =
            if value.is_empty() { Some(f64::NAN) } else { value.parse::<f64>().ok().map(|value| value * scale) };
        let Some(slots) =
            scaled.filter(|slots| slots.is_nan() && value.is_empty() || (0.0..=MOST_DEMAND).contains(slots))
        else {
            let expected = format!("a number from 0 to {MOST_DEMAND} after scaling, or nothing");
            return Err(format!("row {number}, field 2: found {value:?}, expected {expected}"));
        };
        if let Some((before, _)) = rows.last()
            && *before >= minute
        {
            return Err(format!(
                "row {number}, field 1: found {time:?}, expected a minute after that of the row before"
            ));
        }
        rows.push((minute, slots));
        if minute - rows[0].0 >= MOST_MINUTES as i64 {
            return Err(format!("row {number}: found more than {MOST_MINUTES} minutes, expected at most so many"));
        }
    }
    let Some(step) = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).min() else {
        return Err("expected two rows or more of a time and a value".to_owned());
    };
    let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
    let mut demand = vec![f64::NAN; (last + step - first) as usize];
    for (at, slots) in rows {
        let from = (at - first) as usize;
        demand[from..from + step as usize].fill(slots);
    }
    Ok(demand)
}

fn minute(text: &str) -> Option<i64> {
    let plain = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc()).ok();
    let time = time.or_else(|| plain.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()));
    time.map(|time| time.and_utc().timestamp().div_euclid(60))
}

/// Slots wanted by the jobs of a log if each had begun when it was submitted: the most of each minute.
///
/// # Errors
/// If there is no job, or the log is longer than a replay may be.
pub fn from_jobs(jobs: &[Job]) -> Result<Vec<f64>, String> {
    let first = jobs.iter().map(|job| job.submit_s).min().ok_or("there is no job that held slots")?.div_euclid(60);
    let last = jobs.iter().map(|job| job.submit_s).max().unwrap_or_default().div_euclid(60);
    let minutes = (last - first + 1) as usize;
    if minutes > MOST_MINUTES {
        return Err(format!("found {minutes} minutes, expected at most {MOST_MINUTES}"));
    }
    // What begins and ends in the same second changes the level once.
    let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
    for job in jobs {
        *changes.entry(job.submit_s).or_default() += job.slots;
        *changes.entry(job.submit_s + job.run_s).or_default() -= job.slots;
    }
    let mut demand = vec![0.0_f64; minutes];
    let mut level = 0;
    let ends = changes.keys().skip(1).copied().chain([i64::MAX]);
    for ((from, by), to) in changes.iter().zip(ends) {
        level += by;
        let end = (to - 1).div_euclid(60).min(last);
        for minute in from.div_euclid(60)..=end {
            let most = &mut demand[(minute - first) as usize];
            *most = most.max(level as f64);
        }
    }
    Ok(demand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_for_a_step() {
        let text = "timestamp,value\n2014-07-01 00:00:00,300\n2014-07-01 00:02:00,\n2014-07-01 00:04:00,100\n2014-07-01 00:08:00,200\n";
        let demand = from_csv(text.as_bytes(), 0.01).expect("it is right");
        let known: Vec<Option<f64>> = demand.iter().map(|slots| (!slots.is_nan()).then_some(*slots)).collect();
        let gap = [None, None];
        assert_eq!(known, [[Some(3.0); 2], gap, [Some(1.0); 2], gap, [Some(2.0); 2]].concat());
    }

    #[test]
    fn a_wrong_row_is_named() {
        let fault = |text: &str| from_csv(text.as_bytes(), 1.0).expect_err("it is wrong");
        assert!(fault("2014-07-01 00:00:00,1\nyesterday,2\n").starts_with("row 2, field 1: found \"yesterday\""));
        assert!(
            fault("2014-07-01 00:00:00,-1\n").starts_with("row 1, field 2: found \"-1\", expected a number from 0")
        );
        assert!(
            fault("2014-07-01 00:00:00,1\n2014-07-01 00:00:30,2\n").contains("a minute after that of the row before")
        );
        assert!(fault("time,value\n").contains("two rows or more"));
        assert!(fault("2014-07-01 00:00:00,nan\n").contains("row 1, field 2"));
        assert!(fault("1914-07-01 00:00:00,1\n2014-07-01 00:00:00,1\n").starts_with("row 2: found more than"));
    }

    fn job(submit_s: i64, run_s: i64, slots: i64) -> Job {
        Job { submit_s, wait_s: 500, run_s, slots, user: 1, group: 1, queue: 1 }
    }

    #[test]
    fn waits_do_not_count_and_peaks_within_a_minute_do() {
        // 2 slots for two minutes, 5 more for ten seconds of the second minute, and one in the fourth.
        let jobs = [job(0, 120, 2), job(70, 10, 5), job(185, 5, 1)];
        assert_eq!(from_jobs(&jobs), Ok(vec![2.0, 7.0, 0.0, 1.0]));
        assert!(from_jobs(&[]).is_err());
    }

    #[test]
    fn who_ends_makes_room_for_who_begins() {
        assert_eq!(from_jobs(&[job(0, 30, 4), job(30, 30, 4), job(90, 1, 1)]), Ok(vec![4.0, 1.0]));
    }
}
