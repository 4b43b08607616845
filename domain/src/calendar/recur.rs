//! When an event that repeats begins, by the rules that calendars write (RFC 5545, 3.3.10).
//!
//! Calendars of other programs hold rules that a plan would not take, such as yearly ones. What would come more often than once a
//! day is refused: such a series is no event.

use chrono::{Datelike, NaiveDateTime, TimeDelta, TimeZone};
use rrule::RRuleSet;

/// Most beginnings that a rule may have in the stretch that is asked for.
pub const MOST_STARTS: u16 = 5_000;
/// A series may have begun so many years before that stretch: it is gone through from its beginning.
const MOST_YEARS: i32 = 40;
/// Longest rule, in characters.
const LONGEST_RULE: usize = 500;

/// Which rules are taken.
pub const RULE_FORM: &str = "a rule with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, and INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, \
     BYMONTH, BYSETPOS or WKST";

/// The beginnings of a series in `[from, to)`, on the clock of its zone: a rule repeats at the same time on the wall, whatever
/// clocks do. The first begins at `first`, whatever the rule says.
///
/// # Errors
/// What was expected of the rule.
pub fn starts(
    first: NaiveDateTime,
    rule: &str,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Result<Vec<NaiveDateTime>, String> {
    let rule = rule.trim().to_ascii_uppercase();
    if !is_taken(&rule) {
        return Err(RULE_FORM.to_owned());
    }
    if from.year().saturating_sub(first.year()) > MOST_YEARS {
        return Err(format!("a series that began within {MOST_YEARS} years"));
    }
    // The library reckons in a time without changes, the wall's; an end in UTC is at most a day off of it.
    let text = format!("DTSTART:{}\nRRULE:{}", first.format("%Y%m%dT%H%M%SZ"), with_utc_end(&rule));
    let set: RRuleSet = text.parse().map_err(|problem: rrule::RRuleError| format!("{RULE_FORM}; {problem}"))?;
    let since = from.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(from);
    let (since, upto) = (rrule::Tz::UTC.from_utc_datetime(&since), rrule::Tz::UTC.from_utc_datetime(&to));
    let found = set.after(since).before(upto).all(MOST_STARTS);
    if found.limited {
        return Err(format!("a rule that begins at most {MOST_STARTS} times"));
    }
    let mut starts: Vec<NaiveDateTime> = found.dates.iter().map(chrono::DateTime::naive_utc).collect();
    if first >= from && starts.first() != Some(&first) {
        starts.insert(0, first);
    }
    Ok(starts.into_iter().filter(|at| *at >= from && *at < to).collect())
}

fn is_taken(rule: &str) -> bool {
    const PARTS: [&str; 9] =
        ["FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"];
    let mut seen = Vec::new();
    let all_known = rule.split(';').all(|part| {
        let Some((name, value)) = part.split_once('=') else { return false };
        let is_new = !seen.contains(&name);
        seen.push(name);
        let is_good = match name {
            "FREQ" => ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].contains(&value),
            "INTERVAL" => value.parse().is_ok_and(|number: u16| (1..=1000).contains(&number)),
            _ => !value.is_empty(),
        };
        is_new && is_good && PARTS.contains(&name)
    });
    rule.len() <= LONGEST_RULE && all_known && seen.contains(&"FREQ")
}

/// The library wants the end in the zone of the start: a day alone is its last second, a local time is taken as it stands.
fn with_utc_end(rule: &str) -> String {
    let parts = rule.split(';').map(|part| match part.strip_prefix("UNTIL=") {
        Some(day) if day.len() == 8 => format!("UNTIL={day}T235959Z"),
        Some(time) if !time.ends_with('Z') => format!("UNTIL={time}Z"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn at(year: i32, month: u32, day: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(year, month, day).unwrap().and_hms_opt(9, 0, 0).unwrap()
    }

    fn days(first: NaiveDateTime, rule: &str) -> Result<Vec<String>, String> {
        let found = starts(first, rule, at(2026, 1, 1), at(2027, 1, 1))?;
        Ok(found.iter().map(|start| start.format("%m-%d").to_string()).collect())
    }

    #[test]
    fn rules_of_calendars_are_worked_out_within_a_stretch() {
        assert_eq!(days(at(2019, 12, 24), "FREQ=YEARLY").unwrap(), ["12-24"]);
        // The last Friday of November, the day after the fourth Thursday at the earliest.
        assert_eq!(days(at(2020, 11, 27), "FREQ=YEARLY;BYMONTH=11;BYDAY=4FR").unwrap(), ["11-27"]);
        assert_eq!(days(at(2026, 3, 2), "freq=weekly;count=3").unwrap(), ["03-02", "03-09", "03-16"]);
        assert_eq!(days(at(2026, 3, 2), "FREQ=DAILY;UNTIL=20260304").unwrap(), ["03-02", "03-03", "03-04"]);
        assert_eq!(days(at(2026, 3, 2), "FREQ=DAILY;UNTIL=20260304T090000").unwrap(), ["03-02", "03-03", "03-04"]);
        assert_eq!(
            days(at(2026, 3, 3), "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;COUNT=2").unwrap(),
            ["03-03", "04-06", "05-04"]
        );
        assert_eq!(days(at(2028, 1, 1), "FREQ=DAILY").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_rule_or_comes_too_often_is_refused() {
        for rule in [
            "",
            "DAILY",
            "FREQ=HOURLY",
            "FREQ=SECONDLY",
            "FREQ=DAILY;BYHOUR=1,2,3",
            "FREQ=DAILY;BYSECOND=1",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=WEEKLY;BYDAY=XX",
            "FREQ=DAILY;UNTIL=soon",
            "FREQ=DAILY;UNTIL=",
            "FREQ=YEARLY;BYMONTH=13",
        ] {
            assert!(days(at(2026, 1, 5), rule).is_err(), "{rule}");
        }
        assert_eq!(days(at(1990, 1, 1), "FREQ=DAILY").map(|days| days.len()), Ok(365), "an old series is one");
        assert_eq!(days(at(1990, 1, 1), "FREQ=DAILY;COUNT=400").map(|days| days.len()), Ok(0), "it ended long ago");
        assert!(days(at(1900, 1, 1), "FREQ=DAILY").is_err(), "more than can be gone through");
    }
}
