//! What events do to forecasts: hours of the past that are not like others are left out of what is learnt, and those to come are
//! changed as the calendar says.

use super::online::{Input, MEDIAN, MOST_HOURS, Mark, Outlook};
use crate::calendar::{Effect, Event};
use crate::{HOUR_MS, Millis};

/// Events that last longer are the new habit: nothing is left out for them.
const LONGEST_MASK_HOURS: i64 = 7 * 24;
/// How many earlier windows stand against "no effect" when an uplift is learnt.
const SHRUNK_BY: f64 = 1.0;
/// Largest factor that is learnt or applied.
const MOST_FACTOR: f64 = 20.0;
/// Weeks back that "like another weekday" looks at.
const LIKE_WEEKS: i64 = 4;

/// A learnt factor of a tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uplift {
    /// Demand while it lasts over what it would have been, drawn towards 1.
    pub factor: f64,
    /// From how many earlier windows.
    pub windows: usize,
}

/// The hours an event touches, half-open; none if it ends before it starts.
fn hours(event: &Event) -> Option<(i64, i64)> {
    let is_right = event.end_ms > event.start_ms;
    is_right.then(|| (event.start_ms.div_euclid(HOUR_MS), last_hour(event.end_ms)))
}

fn last_hour(end_ms: Millis) -> i64 {
    end_ms.saturating_add(HOUR_MS - 1).div_euclid(HOUR_MS)
}

/// The most that events ask for in an hour, in slots; 0 if none does.
pub fn floor_at(events: &[Event], hour: i64) -> u32 {
    let floors = events.iter().filter_map(|event| match event.effect {
        Effect::Floor { slots } if hours(event).is_some_and(|(from, to)| (from..to).contains(&hour)) => Some(slots),
        _ => None,
    });
    floors.max().unwrap_or(0)
}

/// Hours that an event keeps from being learnt from.
fn mask(event: &Event) -> Option<(i64, i64)> {
    hours(event).filter(|(from, to)| to - from <= LONGEST_MASK_HOURS || event.effect == Effect::Exclude)
}

/// Whether an event lies over an hour, so that nothing is learnt from it.
pub(super) fn is_marked(hour: i64, events: &[Event]) -> bool {
    events.iter().filter_map(mask).any(|(from, to)| (from..to).contains(&hour))
}

/// The peaks without those of events: gaps in their place.
pub(super) fn masked(peaks: &[f64], first_hour: i64, events: &[Event]) -> Vec<f64> {
    let mut usual = peaks.to_vec();
    for (from, to) in events.iter().filter_map(mask) {
        let length = usual.len();
        let place = |hour: i64| hour.saturating_sub(first_hour).clamp(0, length as i64) as usize;
        usual[place(from)..place(to)].fill(f64::NAN);
    }
    usual
}

/// What a window of a tag did that lies before the peaks: yearly events are learnt from such ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// The event's tag.
    pub tag: String,
    /// What came over what would have been, see [`ratio`].
    pub ratio: f64,
}

/// The factor of a tag from its windows within the peaks and those before them: what came over what the same hours of other weeks had,
/// as a ratio of sums, drawn towards 1 as if one more window had had no effect.
pub fn uplift(tag: &str, events: &[Event], earlier: &[Earlier], peaks: &[f64], first_hour: i64) -> Uplift {
    let usual = masked(peaks, first_hour, events);
    learnt(tag, events, earlier, peaks, &usual, first_hour)
}

/// What came in the window of an event over what the same hours of other weeks had; none where either is not known. `peaks` reach
/// some weeks to both sides of it, `events` are those of that time.
pub fn ratio(event: &Event, events: &[Event], peaks: &[f64], first_hour: i64) -> Option<f64> {
    ratio_of(event, peaks, &masked(peaks, first_hour, events), first_hour)
}

fn ratio_of(event: &Event, peaks: &[f64], usual: &[f64], first_hour: i64) -> Option<f64> {
    let (from, to) = hours(event)?;
    let (mut came, mut expected) = (0.0, 0.0);
    for hour in from.max(first_hour)..to.min(first_hour.saturating_add(peaks.len() as i64)) {
        let at = (hour - first_hour) as usize;
        if let Some(usually) = same_hours(usual, at)
            && peaks[at].is_finite()
        {
            came += peaks[at];
            expected += usually;
        }
    }
    (expected > 0.0).then(|| (came / expected).min(MOST_FACTOR))
}

fn learnt(tag: &str, events: &[Event], earlier: &[Earlier], peaks: &[f64], usual: &[f64], first_hour: i64) -> Uplift {
    let within = events.iter().filter(|event| event.tag == tag && event.effect != Effect::Exclude);
    let within = within.filter_map(|event| ratio_of(event, peaks, usual, first_hour));
    let before = earlier.iter().filter(|one| one.tag == tag && one.ratio >= 0.0).map(|one| one.ratio.min(MOST_FACTOR));
    let (sum, windows) = within.chain(before).fold((0.0, 0), |(sum, windows), ratio| (sum + ratio, windows + 1));
    let factor = (sum + SHRUNK_BY) / (windows as f64 + SHRUNK_BY);
    Uplift { factor, windows }
}

/// What the same hour of the four nearest weeks on each side had, in the middle.
fn same_hours(usual: &[f64], at: usize) -> Option<f64> {
    let weeks = (1..=4).flat_map(|week| [at.checked_sub(168 * week), at.checked_add(168 * week)]);
    let mut found: Vec<f64> =
        weeks.flatten().filter_map(|at| usual.get(at)).copied().filter(|value| value.is_finite()).collect();
    if found.is_empty() {
        let days = (1..=7).filter_map(|day| at.checked_sub(24 * day)).filter_map(|at| usual.get(at));
        found = days.copied().filter(|value| value.is_finite()).collect();
    }
    middle(&mut found)
}

fn middle(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[values.len() / 2]))
}

/// Changes an outlook by what is known to come. Days of another weekday come first, then factors (one of each tag), then floors.
pub(super) fn apply(outlook: &mut Outlook, usual: &[f64], first_hour: i64, peaks: &[f64], input: &Input<'_>) {
    let horizon = outlook.marks.len();
    let from_hour = outlook.from_hour;
    let steps_of = |event: &Event| {
        let (from, to) = hours(event)?;
        let place = |hour: i64| hour.saturating_sub(from_hour).clamp(0, horizon as i64) as usize;
        Some(place(from)..place(to)).filter(|steps| !steps.is_empty())
    };
    let mut factors: Vec<Vec<(&str, f64)>> = vec![Vec::new(); horizon];
    for event in input.events {
        let Some(steps) = steps_of(event) else { continue };
        let factor = match event.effect {
            Effect::Factor { percent } => f64::from(percent) / 100.0,
            Effect::Learn => learnt(&event.tag, input.events, input.earlier, peaks, usual, first_hour).factor,
            Effect::LikeWeekday { weekday } => {
                for step in steps {
                    let hour = from_hour + step as i64;
                    if let Some(ratio) = like(hour, weekday, usual, first_hour, input.offset_hours, outlook, step) {
                        change(outlook, step, ratio);
                    }
                }
                continue;
            }
            Effect::Floor { .. } | Effect::Exclude => continue,
        };
        for step in steps {
            let known = &mut factors[step];
            match known.iter_mut().find(|(tag, _)| *tag == event.tag) {
                Some((_, other)) => *other = f64::max(*other, factor),
                None => known.push((&event.tag, factor)),
            }
        }
    }
    for (step, factors) in factors.iter().enumerate().filter(|(_, factors)| !factors.is_empty()) {
        let product: f64 = factors.iter().map(|(_, factor)| factor).product();
        change(outlook, step, product.clamp(0.0, MOST_FACTOR));
    }
    without_forecast(outlook, input);
    for step in 0..horizon {
        let floor = outlook.floors[step];
        for steps in &mut outlook.quantiles {
            if let Some(value) = steps.get_mut(step) {
                *value = value.max(floor);
            }
        }
    }
}

/// What events say without a forecast: floors, and hours for which nothing is foreseen.
pub(super) fn without_forecast(outlook: &mut Outlook, input: &Input<'_>) {
    let horizon = outlook.marks.len() as i64;
    for event in input.events {
        let Some((from, to)) = hours(event) else { continue };
        let place = |hour: i64| hour.saturating_sub(outlook.from_hour).clamp(0, horizon) as usize;
        for step in place(from)..place(to) {
            match event.effect {
                Effect::Floor { slots } => {
                    outlook.floors[step] = outlook.floors[step].max(f64::from(slots));
                    if outlook.marks[step] == Mark::Usual {
                        outlook.marks[step] = Mark::Changed;
                    }
                }
                Effect::Exclude => outlook.marks[step] = Mark::Excluded,
                Effect::Factor { .. } | Effect::LikeWeekday { .. } | Effect::Learn => {}
            }
        }
    }
}

/// Multiplies all quantiles of a step.
fn change(outlook: &mut Outlook, step: usize, factor: f64) {
    for steps in &mut outlook.quantiles {
        steps[step] *= factor;
    }
    outlook.marks[step] = Mark::Changed;
}

/// By how much the same hour of another weekday differs from what is forecast for a step.
fn like(
    hour: i64,
    weekday: u8,
    usual: &[f64],
    first_hour: i64,
    offset_hours: i64,
    outlook: &Outlook,
    step: usize,
) -> Option<f64> {
    // 1970-01-01 was a Thursday.
    let of = |hour: i64| (hour.saturating_add(offset_hours).div_euclid(24) + 3).rem_euclid(7) + 1;
    let back = (of(hour) - i64::from(weekday)).rem_euclid(7);
    let latest = hour - 24 * back;
    let mut found: Vec<f64> = (0..MOST_HOURS as i64 / 168)
        .filter_map(|week| usize::try_from(latest - 168 * week - first_hour).ok())
        .filter_map(|at| usual.get(at))
        .copied()
        .filter(|value| value.is_finite())
        .take(LIKE_WEEKS as usize)
        .collect();
    let median = outlook.quantiles.get(MEDIAN)?.get(step).copied().filter(|median| *median > 0.0)?;
    middle(&mut found).map(|like| (like / median).clamp(0.0, MOST_FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(from: i64, to: i64, tag: &str, effect: Effect) -> Event {
        Event { start_ms: from * HOUR_MS, end_ms: to * HOUR_MS, tag: tag.to_owned(), effect }
    }

    #[test]
    fn hours_of_events_are_gaps() {
        let peaks = [1.0; 10];
        let events = [
            event(102, 104, "a", Effect::Learn),
            event(109, 300, "b", Effect::Exclude),
            event(90, 300, "long", Effect::Factor { percent: 200 }),
            event(105, 104, "backwards", Effect::Exclude),
        ];
        let gaps: Vec<usize> =
            masked(&peaks, 100, &events).iter().enumerate().filter(|(_, v)| v.is_nan()).map(|(at, _)| at).collect();
        assert_eq!(gaps, [2, 3, 9]);
        assert!(is_marked(103, &events) && !is_marked(104, &events));
    }

    #[test]
    fn a_part_of_an_hour_is_the_hour() {
        let mut one = event(5, 6, "a", Effect::Learn);
        one.start_ms += 60_000;
        one.end_ms += 1;
        assert_eq!(hours(&one), Some((5, 7)));
    }

    #[test]
    fn an_uplift_is_drawn_towards_one() {
        // Three weeks of 10; four hours of 30 in the second week, four of 50 in the third.
        let mut peaks = vec![10.0; 4 * 168];
        peaks[200..204].fill(30.0);
        peaks[400..404].fill(50.0);
        let first = [event(200, 204, "sale", Effect::Learn), event(900, 904, "sale", Effect::Learn)];
        assert_eq!(uplift("sale", &first, &[], &peaks, 0), Uplift { factor: 2.0, windows: 1 });
        let both = [first[0].clone(), event(400, 404, "sale", Effect::Factor { percent: 500 })];
        assert_eq!(uplift("sale", &both, &[], &peaks, 0), Uplift { factor: 3.0, windows: 2 });
        assert_eq!(uplift("other", &both, &[], &peaks, 0), Uplift { factor: 1.0, windows: 0 });
    }

    #[test]
    fn a_window_of_a_year_ago_counts_like_one_of_last_month() {
        let mut peaks = vec![10.0; 8 * 168];
        peaks[700..704].fill(30.0);
        let long_ago = event(700, 704, "sale", Effect::Learn);
        let found = ratio(&long_ago, std::slice::from_ref(&long_ago), &peaks, 0).expect("it is known");
        assert!((found - 3.0).abs() < 1e-12);
        let earlier = [Earlier { tag: "sale".into(), ratio: found }, Earlier { tag: "sale".into(), ratio: f64::NAN }];
        let ahead = [event(9_000, 9_004, "sale", Effect::Learn)];
        let quiet = vec![10.0; 200];
        assert_eq!(uplift("sale", &ahead, &earlier, &quiet, 8_000), Uplift { factor: 2.0, windows: 1 });
        assert_eq!(ratio(&ahead[0], &ahead, &peaks, 0), None, "nothing is known of it");
    }

    #[test]
    fn nothing_usual_is_no_uplift() {
        let events = [event(0, 4, "sale", Effect::Learn)];
        for peaks in [vec![], vec![f64::NAN; 50], vec![0.0; 500]] {
            assert_eq!(uplift("sale", &events, &[], &peaks, 0).factor.to_bits(), 1.0_f64.to_bits());
        }
    }
}
