//! Test vectors of burn-rate alerting: series of slices, and the events that a right engine tells of them.
//!
//! A file says which tiers are watched and how long things last, and lists cases: slices of history that count and of which
//! nothing is told, then the slices of the pattern. An event has the minute of the pattern at which it is told; a slice is known
//! once it is over.

use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::lanes::Timing;
use headroom_domain::alert::replay::{BurnRule, Recorded, Slice, replay};
use headroom_domain::alert::window::{COVERAGE_FLOOR, Conjunct, LEAST_SLICES, Lane, Tier};
use headroom_domain::{MINUTE_MS, Millis};
use serde::Deserialize;
use std::fmt;

/// Slices that one case may have: ten years of minutes.
const MOST_SLICES: usize = 5_300_000;
/// Longest time that a file may name: a year.
const MOST_MINUTES: i64 = 527_040;

/// A file of vectors.
#[derive(Debug, Deserialize)]
pub struct Vectors {
    tiers: Vec<TierRow>,
    coverage_floor: Fraction,
    min_observable_slices: u64,
    resolve_after_min: i64,
    nodata_after_min: i64,
    idle_resolve_after_min: i64,
    /// The cases, in their order.
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct TierRow {
    name: String,
    threshold: Fraction,
    long_min: i64,
    short_min: i64,
    now_min: Option<i64>,
    now_threshold: Option<Number>,
    severity: Lane,
    min_bad_long: u64,
    min_bad_short: u64,
}

/// A number that is written as one, or as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Text(Fraction),
    Whole(u64),
}

impl Number {
    fn exact(&self) -> Option<Fraction> {
        match self {
            Self::Text(fraction) => Some(*fraction),
            Self::Whole(whole) => Fraction::new(*whole, 1),
        }
    }
}

/// A series and what is told of it.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub title: String,
    budget: Fraction,
    slice_seconds: i64,
    history: Run,
    series: Vec<Part>,
    expected: Vec<Event>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    Repeated { repeat: usize, block: Vec<Self> },
    Run(Run),
}

/// Equal slices; without numbers they were not seen.
#[derive(Debug, Deserialize)]
struct Run {
    slices: usize,
    bad: Option<u64>,
    total: Option<u64>,
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// Minutes of the pattern before it.
    pub minute: f64,
    /// A word such as `fire:page:W1`.
    pub event: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at minute {}", self.event, self.minute)
    }
}

/// The first thing that is not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What a right engine tells here; `None` = nothing more.
    pub expected: Option<Event>,
    /// What this one tells.
    pub found: Option<Event>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |event: &Option<Event>| event.as_ref().map_or_else(|| "nothing more".to_owned(), Event::to_string);
        write!(f, "expected {}, found {}", of(&self.expected), of(&self.found))
    }
}

impl Vectors {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence: what is no vector file, or asks for what this engine does not do.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Self =
            serde_json::from_str(text).map_err(|error| format!("this is no file of alert vectors: {error}"))?;
        let times = [read.resolve_after_min, read.nodata_after_min, read.idle_resolve_after_min].into_iter();
        let windows = read.tiers.iter().flat_map(|row| [row.long_min, row.short_min, row.now_min.unwrap_or(1)]);
        if let Some(wrong) = times.chain(windows).find(|minutes| !(0..=MOST_MINUTES).contains(minutes)) {
            return Err(format!("{wrong} minutes are asked for, expected 0 to {MOST_MINUTES}"));
        }
        if read.coverage_floor != COVERAGE_FLOOR || read.min_observable_slices != LEAST_SLICES {
            return Err(format!(
                "windows are judged with coverage_floor {COVERAGE_FLOOR} and min_observable_slices {LEAST_SLICES}, found {} and {}",
                read.coverage_floor, read.min_observable_slices
            ));
        }
        Ok(read)
    }

    fn rule(&self, case: &Case) -> Result<BurnRule, String> {
        let tiers = self.tiers.iter().map(|row| {
            let part = |minutes: i64, over, least_bad| Conjunct { window_ms: minutes * MINUTE_MS, over, least_bad };
            let mut all = vec![
                part(row.long_min, row.threshold, row.min_bad_long),
                part(row.short_min, row.threshold, row.min_bad_short),
            ];
            if let Some(minutes) = row.now_min {
                let over = row.now_threshold.as_ref().map_or(Some(Fraction::ONE), Number::exact);
                all.push(part(minutes, over.ok_or_else(|| format!("{}: now_threshold is too large", row.name))?, 0));
            }
            Ok(Tier { name: row.name.clone(), lane: row.severity, all })
        });
        Ok(BurnRule {
            budget: case.budget,
            tiers: tiers.collect::<Result<_, String>>()?,
            critical_over: None,
            timing: Timing {
                for_ms: 0,
                resolve_after_ms: self.resolve_after_min * MINUTE_MS,
                idle_after_ms: self.idle_resolve_after_min * MINUTE_MS,
            },
        })
    }

    /// What the engine tells of a case.
    ///
    /// # Errors
    /// A sentence, if the case cannot be played.
    pub fn play(&self, case: &Case) -> Result<Vec<Event>, String> {
        let slice_ms: Millis = case.slice_seconds.saturating_mul(1_000);
        if slice_ms <= 0 || MINUTE_MS % slice_ms != 0 {
            return Err(format!("slice_seconds is {}, expected a part of a minute", case.slice_seconds));
        }
        let mut slices = Vec::new();
        let bounded = |slices: &Vec<Slice>, more: usize| {
            if slices.len().saturating_add(more) > MOST_SLICES {
                return Err(format!("more than {MOST_SLICES} slices"));
            }
            Ok(())
        };
        bounded(&slices, case.history.slices)?;
        push(&mut slices, &case.history);
        let from = slices.len();
        let mut parts: Vec<&Part> = case.series.iter().rev().collect();
        let mut taken = 0_usize;
        while let Some(part) = parts.pop() {
            taken += 1;
            bounded(&slices, taken)?;
            match part {
                Part::Run(run) => {
                    bounded(&slices, run.slices)?;
                    push(&mut slices, run);
                }
                Part::Repeated { repeat, block } => {
                    if block.is_empty() {
                        return Err("a block has no parts".to_owned());
                    }
                    bounded(&slices, repeat.saturating_mul(block.len()).saturating_add(parts.len()))?;
                    for _ in 0..*repeat {
                        parts.extend(block.iter().rev());
                    }
                }
            }
        }
        let series = Recorded::new(slice_ms, slices);
        let said = replay(&self.rule(case)?, &series, from, self.nodata_after_min * MINUTE_MS);
        let events = said.into_iter().filter_map(|(end, said)| {
            let minute = ((end - from) as i64 * slice_ms) as f64 / MINUTE_MS as f64;
            said.word().map(|event| Event { minute, event })
        });
        Ok(events.collect())
    }

    /// The first event of a case that differs, if any does.
    ///
    /// # Errors
    /// A sentence, if the case cannot be played.
    pub fn check(&self, case: &Case) -> Result<Option<Difference>, String> {
        let found = self.play(case)?;
        let longest = found.len().max(case.expected.len());
        Ok((0..longest)
            .map(|at| (case.expected.get(at), found.get(at)))
            .find(|(expected, found)| expected != found)
            .map(|(expected, found)| Difference { expected: expected.cloned(), found: found.cloned() }))
    }
}

fn push(slices: &mut Vec<Slice>, run: &Run) {
    slices.extend(std::iter::repeat_n(run.bad.zip(run.total), run.slices));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("alert_vectors.json");

    #[test]
    fn every_case_is_told_as_expected() {
        let vectors = Vectors::read(FILE).expect("the file is read");
        assert_eq!(vectors.cases.len(), 18);
        for case in &vectors.cases {
            assert_eq!(vectors.check(case), Ok(None), "{} {}", case.id, case.title);
        }
    }

    #[test]
    fn a_difference_is_seen_wherever_it_is() {
        for (changed, expected) in [
            (r#""minute": 49,"#, "expected fire:page:W1 at minute 50, found fire:page:W1 at minute 49"),
            (r#""event": "fire:page:W1""#, "expected nothing at minute 49, found fire:page:W1 at minute 49"),
        ] {
            let to = if changed.contains("49") { r#""minute": 50,"# } else { r#""event": "nothing""# };
            let mut vectors = Vectors::read(&FILE.replace(changed, to)).expect("it is still a file of vectors");
            vectors.cases.retain(|case| case.id == "V10");
            let difference = vectors.check(&vectors.cases[0]).expect("it can be played").expect("it differs");
            assert_eq!(difference.to_string(), expected);
        }
        let mut vectors = Vectors::read(FILE).expect("the file is read");
        let case = vectors.cases.iter_mut().find(|case| case.id == "V10").expect("it is there");
        case.expected.clear();
        let case = vectors.cases.iter().find(|case| case.id == "V10").expect("it is there");
        let difference = vectors.check(case).expect("it can be played").expect("it differs");
        assert_eq!(difference.to_string(), "expected nothing more, found fire:page:W1 at minute 49");
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        assert!(Vectors::read("{}").expect_err("empty").contains("missing field"));
        assert!(
            Vectors::read(&FILE.replace("\"4/5\"", "\"1/2\""))
                .expect_err("another floor")
                .contains("coverage_floor 4/5")
        );
        let vectors =
            Vectors::read(&FILE.replace("\"slice_seconds\": 60", "\"slice_seconds\": 7")).expect("it is read");
        assert!(vectors.play(&vectors.cases[0]).expect_err("no part of a minute").contains("slice_seconds is 7"));
        assert!(
            Vectors::read(&FILE.replace("\"long_min\": 60", "\"long_min\": 9000000000"))
                .expect_err("long")
                .contains("9000000000 minutes")
        );
        for series in [
            r#"[{"repeat": 18446744073709551615, "block": []}]"#,
            r#"[{"repeat": 5000000, "block": [{"repeat": 5000000, "block": [{"slices": 0, "bad": 0, "total": 0}]}]}]"#,
        ] {
            let mut vectors = Vectors::read(FILE).expect("it is read");
            vectors.cases[0].series = serde_json::from_str(series).expect("it is a series");
            vectors.play(&vectors.cases[0]).expect_err("it would take for ever");
        }
        let many = FILE.replace("\"repeat\": 1500", "\"repeat\": 15000000");
        let vectors = Vectors::read(&many).expect("it is read");
        let case = vectors.cases.iter().find(|case| case.id == "V15").expect("it is there");
        assert!(vectors.play(case).expect_err("too many").contains("slices"));
    }
}
