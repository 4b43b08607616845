//! Which instants are written on the time axis: round ones in the zone, whatever its clock does.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};

/// An instant with its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at_ms: Millis,
    pub(super) text: String,
}

/// How far apart ticks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    /// Wall-clock time divisible by this.
    Clock(Millis),
    /// Every so many local midnights.
    Days(i32),
    /// Every so many Mondays.
    Mondays(i32),
    /// The first of every so many months.
    Months(i32),
}

/// Finest first.
const STEPS: [Every; 25] = [
    Every::Clock(MINUTE_MS),
    Every::Clock(2 * MINUTE_MS),
    Every::Clock(5 * MINUTE_MS),
    Every::Clock(10 * MINUTE_MS),
    Every::Clock(15 * MINUTE_MS),
    Every::Clock(30 * MINUTE_MS),
    Every::Clock(HOUR_MS),
    Every::Clock(2 * HOUR_MS),
    Every::Clock(3 * HOUR_MS),
    Every::Clock(4 * HOUR_MS),
    Every::Clock(6 * HOUR_MS),
    Every::Clock(12 * HOUR_MS),
    Every::Days(1),
    Every::Days(2),
    Every::Mondays(1),
    Every::Mondays(2),
    Every::Months(1),
    Every::Months(2),
    Every::Months(3),
    Every::Months(6),
    Every::Months(12),
    Every::Months(24),
    Every::Months(60),
    Every::Months(120),
    Every::Months(600),
];

/// The densest ticks in `[from, to]` that `fits` accepts; where none fit, the two ends.
pub(super) fn ticks(
    from: Millis,
    to: Millis,
    zone: &ZoneSlice,
    most: usize,
    fits: impl Fn(&[Tick]) -> bool,
) -> Vec<Tick> {
    for every in STEPS {
        if (to - from) / every.about_ms() > most as i64 + 2 {
            continue;
        }
        let instants = every.instants(from, to, zone);
        if instants.is_empty() {
            break;
        }
        if instants.len() > most {
            continue;
        }
        let dated = every.words(&instants, zone, true);
        if fits(&dated) {
            return dated;
        }
        let plain = every.words(&instants, zone, false);
        if fits(&plain) {
            return plain;
        }
    }
    let seconds = to - from < 2 * MINUTE_MS;
    let word = |at: Millis| match to - from {
        _ if seconds => format::time(zone.local(at)),
        span if span < 2 * DAY_MS => format::hour_minute(zone.local(at)),
        _ => format::day_month(zone.local(at)),
    };
    [from, to].map(|at_ms| Tick { at_ms, text: word(at_ms) }).into()
}

impl Every {
    fn about_ms(self) -> Millis {
        match self {
            Self::Clock(ms) => ms,
            Self::Days(n) => i64::from(n) * DAY_MS,
            Self::Mondays(n) => i64::from(n) * 7 * DAY_MS,
            Self::Months(n) => i64::from(n) * 30 * DAY_MS,
        }
    }

    fn instants(self, from: Millis, to: Millis, zone: &ZoneSlice) -> Vec<Millis> {
        match self {
            Self::Clock(step) => clock(from, to, step, zone),
            Self::Days(n) => days(from, to, zone, |day| day.num_days_from_ce().rem_euclid(n) == 0),
            Self::Mondays(n) => days(from, to, zone, |day| {
                day.weekday().num_days_from_monday() == 0 && (day.num_days_from_ce() / 7).rem_euclid(n) == 0
            }),
            Self::Months(n) => months(from, to, zone, n),
        }
    }

    /// The words of the ticks. With `dated`, the first carries its day or year if no other tick says it.
    fn words(self, instants: &[Millis], zone: &ZoneSlice, dated: bool) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = instants
            .iter()
            .map(|&at_ms| {
                let local = zone.local(at_ms);
                let text = match self {
                    Self::Clock(_) if local.time() == NaiveTime::MIN => format::day_month(local),
                    Self::Clock(_) => format::hour_minute(local),
                    Self::Days(_) | Self::Mondays(_) => format::day_month(local),
                    Self::Months(n) if n % 12 == 0 || local.month() == 1 => local.year().to_string(),
                    Self::Months(_) => month(local.date()),
                };
                Tick { at_ms, text }
            })
            .collect();
        if matches!(self, Self::Clock(_)) {
            name_repeated_hours(&mut ticks, zone);
        }
        let (Some(first), Some(first_at)) = (ticks.first_mut(), instants.first()) else { return ticks };
        let local = zone.local(*first_at);
        match self {
            Self::Clock(_) if dated && instants.iter().all(|at| zone.local(*at).time() != NaiveTime::MIN) => {
                first.text = format!("{} {}", format::day_month(local), first.text);
            }
            Self::Months(n) if dated && n % 12 != 0 && instants.iter().all(|at| zone.local(*at).month() != 1) => {
                first.text = format!("{} {}", first.text, local.year());
            }
            _ => {}
        }
        ticks
    }
}

fn month(day: NaiveDate) -> String {
    let text = format::day_month(day.and_time(NaiveTime::MIN));
    text.split_once(' ').map_or(text.clone(), |(_, month)| month.to_owned())
}

/// Where clocks go back an hour is written twice: both get their abbreviation.
fn name_repeated_hours(ticks: &mut [Tick], zone: &ZoneSlice) {
    let walls: Vec<_> = ticks.iter().map(|t| zone.local(t.at_ms)).collect();
    for i in 0..ticks.len() {
        if walls.iter().filter(|w| **w == walls[i]).count() > 1 {
            let (_, abbreviation) = zone.offset_at(ticks[i].at_ms);
            ticks[i].text = format!("{} {abbreviation}", ticks[i].text);
        }
    }
}

/// Instants whose wall-clock time is a multiple of `step` (which divides a day), offset by offset.
fn clock(from: Millis, to: Millis, step: Millis, zone: &ZoneSlice) -> Vec<Millis> {
    let mut instants = Vec::new();
    let changes = zone.transitions().iter().map(|t| t.utc_ms).filter(|at| *at > from && *at <= to);
    let mut edges: Vec<Millis> = std::iter::once(from).chain(changes).collect();
    edges.push(to + 1);
    for edge in edges.windows(2) {
        let offset = i64::from(zone.offset_at(edge[0]).0) * 1000;
        let mut at = (edge[0] + offset + step - 1).div_euclid(step) * step - offset;
        while at < edge[1] {
            instants.push(at);
            at += step;
        }
    }
    instants
}

fn days(from: Millis, to: Millis, zone: &ZoneSlice, wanted: impl Fn(NaiveDate) -> bool) -> Vec<Millis> {
    zone.midnights(from, to).into_iter().filter(|at| wanted(zone.local(*at).date())).collect()
}

fn months(from: Millis, to: Millis, zone: &ZoneSlice, every: i32) -> Vec<Millis> {
    let (first, last) = (zone.local(from), zone.local(to));
    let count = |day: NaiveDate| day.year() * 12 + day.month0() as i32;
    (count(first.date())..=count(last.date()))
        .filter(|months| months.rem_euclid(every) == 0)
        .filter_map(|months| {
            NaiveDate::from_ymd_opt(months.div_euclid(12), months.rem_euclid(12).unsigned_abs() + 1, 1)
        })
        .map(|day| zone.to_utc(day.and_time(NaiveTime::MIN)).unwrap_or_else(|jump| jump))
        .filter(|at| (from..=to).contains(at))
        .collect()
}

/// An interval in words: `02:10–02:35`, with its day where the reader cannot know it, `9 Nov 22:00 – 10 Nov 04:00`.
pub(super) fn interval(from: Millis, to: Millis, zone: &ZoneSlice, with_day: bool) -> String {
    let (a, b) = (zone.local(from), zone.local(to));
    let midnight_end = b.num_seconds_from_midnight() == 0 && to > from;
    let last_day = if midnight_end { zone.local(to - 1).date() } else { b.date() };
    let end = if midnight_end { "24:00".to_owned() } else { format::hour_minute(b) };
    if a.date() != last_day {
        let end_day = format::day_month(last_day.and_time(NaiveTime::MIN));
        return format!("{} – {end_day} {end}", format::day_time(a));
    }
    if with_day { format!("{}–{end}", format::day_time(a)) } else { format!("{}–{end}", format::hour_minute(a)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDateTime;
    use headroom_domain::localtime::Transition;

    fn wall(month: u32, day: u32, hour: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, month, day).and_then(|d| d.and_hms_opt(hour, 0, 0)).expect("a date")
    }

    fn berlin() -> ZoneSlice {
        let at = |month, day| wall(month, day, 1).and_utc().timestamp_millis();
        ZoneSlice::new(
            "Europe/Berlin",
            vec![
                Transition { utc_ms: 0, offset_s: 3600, abbr: "CET".into() },
                Transition { utc_ms: at(3, 29), offset_s: 7200, abbr: "CEST".into() },
                Transition { utc_ms: at(10, 25), offset_s: 3600, abbr: "CET".into() },
            ],
        )
    }

    fn at(zone: &ZoneSlice, month: u32, day: u32, hour: u32) -> Millis {
        zone.to_utc(wall(month, day, hour)).expect("the clock shows it")
    }

    fn words(from: Millis, to: Millis, zone: &ZoneSlice, most: usize) -> Vec<String> {
        ticks(from, to, zone, most, |_| true).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn days_across_a_clock_change_are_midnights() {
        let zone = berlin();
        let found = ticks(at(&zone, 10, 23, 0), at(&zone, 10, 27, 0), &zone, 5, |_| true);
        assert!(found.iter().all(|t| zone.local(t.at_ms).time() == NaiveTime::MIN));
        assert_eq!(found.len(), 5);
        assert_eq!(found[3].at_ms - found[2].at_ms, 25 * HOUR_MS);
    }

    #[test]
    fn the_repeated_hour_is_named_and_the_missing_one_absent() {
        let zone = berlin();
        let autumn = words(at(&zone, 10, 25, 0), at(&zone, 10, 25, 4), &zone, 9);
        assert_eq!(autumn, ["25 Oct", "01:00", "02:00 CEST", "02:00 CET", "03:00", "04:00"]);
        let spring = words(at(&zone, 3, 29, 0), at(&zone, 3, 29, 4), &zone, 9);
        assert_eq!(spring, ["29 Mar", "00:30", "01:00", "01:30", "03:00", "03:30", "04:00"]);
    }

    #[test]
    fn weeks_are_mondays_and_months_their_first() {
        let zone = berlin();
        let weeks = ticks(at(&zone, 10, 7, 9), at(&zone, 11, 21, 9), &zone, 8, |_| true);
        assert!(weeks.iter().all(|t| zone.local(t.at_ms).weekday() == chrono::Weekday::Mon));
        assert_eq!(weeks.len(), 6);
        assert_eq!(words(at(&zone, 8, 3, 0), at(&zone, 12, 9, 0), &zone, 5), ["Sep 2026", "Oct", "Nov", "Dec"]);
    }

    #[test]
    fn offsets_of_three_quarters_of_an_hour() {
        let nepal =
            ZoneSlice::new("Asia/Kathmandu", vec![Transition { utc_ms: 0, offset_s: 20_700, abbr: "+0545".into() }]);
        assert_eq!(words(10 * HOUR_MS, 12 * HOUR_MS, &nepal, 5), ["1 Jan 16:00", "16:30", "17:00", "17:30"]);
    }

    #[test]
    fn seconds_have_their_ends() {
        assert_eq!(words(1_000, 31_000, &ZoneSlice::utc(), 5), ["00:00:01", "00:00:31"]);
    }

    #[test]
    fn intervals_in_words() {
        let zone = ZoneSlice::utc();
        assert_eq!(interval(HOUR_MS, 2 * HOUR_MS, &zone, false), "01:00–02:00");
        assert_eq!(interval(HOUR_MS, DAY_MS, &zone, true), "1 Jan 01:00–24:00");
        assert_eq!(interval(HOUR_MS, DAY_MS + HOUR_MS, &zone, false), "1 Jan 01:00 – 2 Jan 01:00");
    }
}
