//! Which policy a pool uses, chosen once a day by what each would have cost over two weeks, with the reason in words.

use super::cleaned;
use crate::backtest::{
    CHOICE_DAYS, Policy, REFERENCE_UTILISATION, Tally, base, candidates, guard, hourly_peaks, shortfall,
};
use crate::format::NNBSP;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY: usize = 1_440;
/// Days that are looked at: those judged, and as many before for their widths.
const MOST_DAYS: usize = 2 * CHOICE_DAYS;
/// Fewest days: those judged, and one before.
const FEWEST_DAYS: usize = CHOICE_DAYS + 1;
/// Days before now by which [`headroom`] is reckoned; more change nothing.
pub const HEADROOM_DAYS: usize = CHOICE_DAYS + 1;
/// Days that are less alike than this are bursty, and more alike than the second are regular.
const ALIKE: (f64, f64) = (0.5, 0.8);

/// A day's choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What is used.
    pub policy: Policy,
    /// Why, in words.
    pub reason: String,
    /// Whether the forecast has a say.
    pub pays: bool,
    /// Part of the reference's slot-minutes that the policy would have saved.
    pub saved_share: f64,
    /// How alike the hours of a day and of the one before are, in [-1, 1]; none if they do not vary or are not known.
    pub correlation: Option<f64>,
    /// Days that were judged.
    pub days: usize,
    /// Following at 75 %.
    pub reference: Tally,
    /// The policy.
    pub chosen: Tally,
    /// Foreseeing at 0.95 and following; none without forecasts.
    pub foreseen: Option<Tally>,
}

/// Chooses. `minutes` is demand by minute, NaN unknown, ending with a whole day; 28 days are best and more are not looked at.
/// `medians` are what was foreseen for the hours of the same time at the lead of a plan, ending with it, NaN unknown.
pub fn choose(minutes: &[f64], medians: &[f64]) -> Choice {
    let days = (minutes.len() / DAY).min(MOST_DAYS);
    let minutes = &cleaned(&minutes[minutes.len() - days * DAY..])[..];
    let peaks = hourly_peaks(minutes);
    let correlation = correlation(&peaks);
    let mut choice = Choice {
        policy: Policy::default(),
        reason: String::new(),
        pays: false,
        saved_share: 0.0,
        correlation,
        days: 0,
        reference: Tally::default(),
        chosen: Tally::default(),
        foreseen: None,
    };
    if days < FEWEST_DAYS {
        choice.reason = format!("{days} of {FEWEST_DAYS} days of demand are known: following it until then");
        return choice;
    }
    let medians = aligned(medians, peaks.len());
    let judged = &medians[(days - CHOICE_DAYS) * 24..];
    let known = judged.iter().filter(|median| median.is_finite()).count();
    let has_forecasts = known * 10 >= judged.len() * 9;
    let all = candidates(minutes, has_forecasts.then_some(&medians[..]));
    let is_wanted = all.first().is_some_and(|reference| reference.over(days - CHOICE_DAYS, days).demand > 0.0);
    let place = if is_wanted { guard(&all, days) } else { 0 };
    let over = |place: usize| all.get(place).map(|candidate| candidate.over(days - CHOICE_DAYS, days));
    choice.days = CHOICE_DAYS;
    choice.reference = over(0).unwrap_or_default();
    choice.chosen = over(place).unwrap_or_default();
    choice.policy = all.get(place).map(|candidate| candidate.policy).unwrap_or_default();
    choice.pays = choice.policy.foresees();
    let told = Policy::Foresee { permille: 950 };
    choice.foreseen = all.iter().position(|candidate| candidate.policy == told).and_then(over);
    if choice.reference.capacity > 0.0 {
        choice.saved_share = 1.0 - choice.chosen.capacity / choice.reference.capacity;
    }
    choice.reason = if is_wanted {
        reason(&choice, known)
    } else {
        "nothing was wanted over two weeks: following demand".to_owned()
    };
    choice
}

/// The last `hours` of medians; what is missing in front is unknown.
fn aligned(medians: &[f64], hours: usize) -> Vec<f64> {
    let recent = &medians[medians.len().saturating_sub(hours)..];
    let mut found = vec![f64::NAN; hours - recent.len()];
    found.extend(recent.iter().map(|median| if (0.0..1e12).contains(median) { *median } else { f64::NAN }));
    found
}

/// Pearson's correlation of hourly peaks with those of the day before.
fn correlation(peaks: &[f64]) -> Option<f64> {
    let pairs = peaks.iter().zip(peaks.iter().skip(24));
    let pairs: Vec<(f64, f64)> =
        pairs.filter(|(one, other)| one.is_finite() && other.is_finite()).map(|(one, other)| (*one, *other)).collect();
    if pairs.len() < 48 {
        return None;
    }
    let count = pairs.len() as f64;
    let scale = pairs.iter().fold(0.0, |most: f64, (one, other)| most.max(one.abs()).max(other.abs()));
    if scale <= 0.0 {
        return None;
    }
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(|pair| of(pair) / scale).sum::<f64>() / count;
    let (one, other) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for pair in &pairs {
        let (a, b) = (pair.0 / scale - one, pair.1 / scale - other);
        both += a * b;
        first += a * a;
        second += b * b;
    }
    let found = both / (first * second).sqrt();
    (found.is_finite() && first > 1e-12 && second > 1e-12).then(|| found.clamp(-1.0, 1.0))
}

fn minutes(count: u64) -> String {
    if count == 1 { "1 minute".to_owned() } else { format!("{count} minutes") }
}

fn reason(choice: &Choice, known: usize) -> String {
    let reference = f64::round(REFERENCE_UTILISATION * 100.0);
    let kind = match choice.correlation {
        None => "demand hardly changes".to_owned(),
        Some(found) if found < ALIKE.0 => format!("bursty: day-to-day correlation {found:.2}"),
        Some(found) if found < ALIKE.1 => format!("days are somewhat alike: day-to-day correlation {found:.2}"),
        Some(found) => format!("regular: day-to-day correlation {found:.2}"),
    };
    let foreseeing = match choice.foreseen {
        Some(foreseen) if choice.reference.capacity > 0.0 => {
            let more = 100.0 * (foreseen.capacity / choice.reference.capacity - 1.0);
            let violations = foreseen.violation_minutes;
            let beside = choice.reference.violation_minutes;
            if more >= 0.5 {
                format!("predicting would cost {more:.0}{NNBSP}% more")
            } else if violations * 10 > beside * 9 {
                format!("predicting would be short in {}, following in {beside}", minutes(violations))
            } else {
                format!("predicting would save {:.0}{NNBSP}%", -more)
            }
        }
        _ => format!("forecasts of {known} of {} hours are there to judge predicting by", CHOICE_DAYS * 24),
    };
    if choice.policy == Policy::default() {
        return format!("{kind}, {foreseeing}: staying reactive");
    }
    let saved = 100.0 * choice.saved_share;
    let (short, before) = (choice.chosen.violation_minutes, choice.reference.violation_minutes);
    let gain = format!(
        "{saved:.1}{NNBSP}% fewer slot-hours than following at {reference}{NNBSP}%, short in {} in place of {before}, over {} days",
        minutes(short),
        choice.days
    );
    if choice.pays {
        format!("{kind}, predicting pays: {gain}")
    } else {
        format!("{kind}, {foreseeing}: following with calibrated headroom, {gain}")
    }
}

/// Slots to add to what a policy provides now, by what it fell short by lately: 0 for those without headroom.
///
/// `minutes` end now, of them the last [`HEADROOM_DAYS`] days count; `medians` end with the running hour (as
/// [`crate::forecast::online::Memory::medians`] gives them).
pub fn headroom(policy: &Policy, minutes: &[f64], medians: &[f64]) -> f64 {
    let Policy::Headroom { base: from, permille, is_factor } = policy else { return 0.0 };
    let minutes = &minutes[minutes.len().saturating_sub(HEADROOM_DAYS * DAY)..];
    // Whole hours, ending now.
    let minutes = &cleaned(&minutes[minutes.len() % 60..])[..];
    let medians = aligned(medians, minutes.len() / 60);
    let provided = base(*from, minutes, &medians);
    let level = f64::from((*permille).clamp(1, 999)) / 1e3;
    let short = shortfall(minutes, &provided, level, *is_factor);
    let now = provided.last().copied().unwrap_or(0.0);
    let slots = match (short.is_finite(), is_factor) {
        (false, _) => 0.0,
        (true, true) => now * (short.max(1.0) - 1.0),
        (true, false) => short,
    };
    if slots.is_finite() { slots.clamp(0.0, crate::MAX_SLOTS as f64) } else { 0.0 }
}
