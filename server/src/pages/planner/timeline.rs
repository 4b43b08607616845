//! Items as bars and rows: places, lanes, axis, promised against capacity.

use super::items::{Item, Zones, sum};
use super::words;
use crate::app::plan::PlanView;
use chrono::{Datelike, NaiveDate, Timelike};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::Field;
use headroom_domain::plan::state::State;
use headroom_domain::plan::terms::Terms;
use headroom_domain::reservation::ReservationKind;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_frontend::model::{
    AxisPart, ClockJump, Named, PlanBar, PlanBarKind, PlanMark, PlanRow, Span, StripModel, StripStep, TimelineModel,
    Track,
};
use headroom_frontend::plan_steps;
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// Bars of one page.
const MOST_BARS: usize = 2_000;
/// Rows of one page.
pub(super) const MOST_ROWS: usize = 500;

/// The range in view.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub from: Millis,
    pub to: Millis,
    pub now: Millis,
    pub zone: ZoneSlice,
}

impl Range {
    fn part(&self, at: Millis) -> f64 {
        (at - self.from) as f64 / (self.to - self.from).max(1) as f64
    }

    /// A stretch cut to the range.
    fn span(&self, from: Millis, to: Option<Millis>) -> Span {
        let start = self.part(from.max(self.from));
        Span { start, size: self.part(to.unwrap_or(self.to).min(self.to)) - start }
    }

    fn span_ms(&self) -> Millis {
        self.to - self.from
    }

    /// Instants of wall-clock hours that a number divides.
    fn hours(&self, every: u32) -> Vec<Millis> {
        let mut found: Vec<Millis> = Vec::new();
        for midnight in self.days() {
            let date = self.zone.local(midnight).date();
            for hour in (0..24).step_by(every as usize) {
                let at = date.and_hms_opt(hour, 0, 0).map(|local| self.zone.to_utc(local).unwrap_or_else(|jump| jump));
                found.extend(at.filter(|at| (self.from..self.to).contains(at)));
            }
        }
        found.dedup();
        found
    }

    /// Midnights in the range; the first day's even if it began before.
    fn days(&self) -> Vec<Millis> {
        let mut days = self.zone.midnights(self.from, self.to - 1);
        if days.first() != Some(&self.from) {
            days.insert(0, self.from);
        }
        days
    }
}

fn parts(range: &Range, starts: &[Millis], label: impl Fn(Millis) -> String) -> Vec<AxisPart> {
    let ends = starts.iter().skip(1).copied().chain([range.to]);
    starts.iter().zip(ends).map(|(at, end)| AxisPart { at: range.span(*at, Some(end)), label: label(*at) }).collect()
}

/// Both rows of the axis.
fn axis(range: &Range) -> (Vec<AxisPart>, Vec<AxisPart>) {
    let local = |at| range.zone.local(at);
    let day = |at: Millis| format!("{} {}", local(at).format("%a"), local(at).day());
    let days = range.days();
    if range.span_ms() > 10 * DAY_MS {
        let mut weeks: Vec<Millis> =
            days.iter().copied().filter(|at| local(*at).weekday() == chrono::Weekday::Mon).collect();
        if weeks.first() != days.first() {
            weeks.insert(0, days[0]);
        }
        let week = |at: Millis| {
            let is_short = weeks.get(1).is_some_and(|next| weeks[0] == at && next - at < 3 * DAY_MS);
            if is_short {
                String::new()
            } else {
                format!("{} {}", local(at).format("%a"), format::day_month(local(at)))
            }
        };
        let is_long = range.span_ms() > 45 * DAY_MS;
        let number = |at: Millis| if is_long { String::new() } else { local(at).day().to_string() };
        return (parts(range, &weeks, week), parts(range, &days, number));
    }
    let every = match range.span_ms() {
        span if span <= 2 * DAY_MS => 2,
        span if span <= 4 * DAY_MS => 6,
        _ => 12,
    };
    let hour = |at: Millis| if local(at).hour() == 0 { String::new() } else { local(at).format("%H").to_string() };
    let long = |at: Millis| format!("{} {}", local(at).format("%a"), format::day_month(local(at)));
    let major = if range.span_ms() <= 4 * DAY_MS { parts(range, &days, long) } else { parts(range, &days, day) };
    (major, parts(range, &range.hours(every), hour))
}

fn weekends(range: &Range) -> Vec<Span> {
    let days = range.days();
    let mut found: Vec<Span> = Vec::new();
    for (place, at) in days.iter().enumerate() {
        if !matches!(range.zone.local(*at).weekday(), chrono::Weekday::Sat | chrono::Weekday::Sun) {
            continue;
        }
        let end = days.get(place + 1).copied().unwrap_or(range.to);
        let span = range.span(*at, Some(end));
        match found.last_mut() {
            Some(last) if (last.start + last.size - span.start).abs() < 1e-9 => last.size += span.size,
            _ => found.push(span),
        }
    }
    found
}

fn jumps(range: &Range) -> Vec<ClockJump> {
    let changes = range.zone.transitions();
    let pairs = changes.windows(2).filter(|pair| (range.from..range.to).contains(&pair[1].utc_ms));
    pairs
        .filter(|pair| pair[0].offset_s != pair[1].offset_s)
        .map(|pair| {
            let minutes = (pair[1].offset_s - pair[0].offset_s) / 60;
            let sign = if minutes < 0 { '\u{2212}' } else { '+' };
            let size =
                if minutes % 60 == 0 { format!("{} h", minutes.abs() / 60) } else { format!("{} min", minutes.abs()) };
            let after = range.zone.local(pair[1].utc_ms);
            let before = after - chrono::TimeDelta::minutes(i64::from(minutes));
            ClockJump {
                at: range.part(pair[1].utc_ms),
                label: format!("{sign}{size}"),
                title: format!(
                    "Clocks go from {} to {} on {}",
                    before.format("%H:%M"),
                    after.format("%H:%M"),
                    format::day(after)
                ),
            }
        })
        .collect()
}

/// The label of a bar: what it promises, and what it was.
fn label(item: &Item<'_>, terms: &Terms) -> String {
    let word = if item.is_gone() { "cancelled" } else { terms.kind.label() };
    let mut text = format!("{} · {word}", format::count(terms.slots));
    if let (Some(before), Some(after)) = (item.before, item.after)
        && before.slots != after.slots
    {
        text.push_str(&format!(" (was {})", format::count(before.slots)));
    }
    text
}

fn bars(range: &Range, item: &Item<'_>, zones: &mut Zones) -> Vec<PlanBar> {
    let Some(terms) = item.terms() else { return Vec::new() };
    let zone = zones.of(terms).clone();
    let one = |place: usize, occurrence: &headroom_domain::plan::stretch::Occurrence| {
        let (from, to) = (occurrence.from_ms, occurrence.to_ms);
        let at = range.span(from, to);
        let mut said = plan_steps::times(&range.zone, from, to);
        if item.mark == PlanMark::Conflict && item.short > 0 {
            let what = if item.is_in_use { "has more in use than is left, by" } else { "exceeds capacity by" };
            said.push_str(&format!(", {what} {}", format::count(item.short)));
        }
        if item.mark != PlanMark::None {
            said.push_str(&format!(", {}", item.mark.word()));
        }
        let moved = item.was.get(place).filter(|was| !item.is_gone() && (was.from_ms, was.to_ms) != (from, to));
        let parts = terms.overrides.iter().filter_map(|other| {
            let (start, end) = (other.start.instant(&zone).ok()?, other.end.instant(&zone).ok()?);
            let (start, end) = (start.max(from).max(range.from), end.min(to.unwrap_or(range.to)).min(range.to));
            if start >= end || at.size <= 0.0 {
                return None;
            }
            let whole = range.span(start, Some(end));
            let inside = Span { start: (whole.start - at.start) / at.size, size: whole.size / at.size };
            Some(AxisPart { at: inside, label: format::count(other.slots) })
        });
        let lead = Millis::from(terms.lead_minutes) * MINUTE_MS;
        let is_in_view = from > range.from;
        PlanBar {
            reservation: item.id.to_string(),
            name: terms.name.clone(),
            at,
            lane: 0,
            from_ms: from,
            to_ms: to,
            slots: terms.slots,
            label: label(item, terms),
            said,
            kind: match terms.kind {
                _ if item.is_gone() => PlanBarKind::Cancelled,
                ReservationKind::Guaranteed => PlanBarKind::Guaranteed,
                ReservationKind::Burst => PlanBarKind::Burst,
            },
            mark: item.mark,
            was: moved.map(|was| range.span(was.from_ms, was.to_ms)),
            parts: parts.collect(),
            lead: if is_in_view { (at.start - range.part((from - lead).max(range.from))).max(0.0) } else { 0.0 },
            opens_before: from < range.from,
            opens_after: to.is_none_or(|to| to > range.to),
            repeats: terms.repeat.is_some(),
            may_move: !item.is_gone() && from > range.now,
        }
    };
    let shown = if item.is_gone() { &item.was } else { &item.occurrences };
    shown.iter().enumerate().map(|(place, occurrence)| one(place, occurrence)).collect()
}

/// Gives each bar the first lane that is free; returns how many there are.
fn stack(bars: &mut [PlanBar]) -> u32 {
    bars.sort_by_key(|bar| (bar.from_ms, bar.to_ms));
    let mut ends: Vec<Millis> = Vec::new();
    for bar in bars.iter_mut() {
        let end = bar.to_ms.unwrap_or(Millis::MAX);
        let free = ends.iter().position(|busy| *busy <= bar.from_ms);
        let lane = free.unwrap_or(ends.len());
        match free {
            Some(lane) => ends[lane] = end,
            None => ends.push(end),
        }
        bar.lane = u32::try_from(lane).unwrap_or(0);
    }
    u32::try_from(ends.len().max(1)).unwrap_or(1)
}

fn steps(range: &Range, steps: &[(Millis, i64)]) -> Vec<StripStep> {
    steps.iter().map(|(at, value)| StripStep { at: range.part(*at), at_ms: *at, value: *value }).collect()
}

/// A step function cut to the range.
fn cut(range: &Range, all: &[(Millis, i64)]) -> Vec<(Millis, i64)> {
    let started = all.partition_point(|step| step.0 <= range.from);
    let first = started.checked_sub(1).or((!all.is_empty()).then_some(0)).map(|place| (range.from, all[place].1));
    let rest = all[started..].iter().copied().filter(|step| step.0 < range.to);
    first.into_iter().chain(rest).collect()
}

fn value_at(steps: &[(Millis, i64)], at: Millis) -> i64 {
    let after = steps.partition_point(|step| step.0 <= at);
    after.checked_sub(1).map_or(0, |place| steps[place].1)
}

/// Promised against what may be promised, before and after the draft.
pub(super) fn strip(range: &Range, view: &PlanView, items: &[Item<'_>], zones: &mut Zones) -> StripModel {
    let changed: HashSet<Uuid> = items.iter().filter(|item| item.is_changed).map(|item| item.id).collect();
    let changed = &changed;
    let of_plan = |skips: bool| {
        let kept = view.promises.iter().filter(move |p| !(p.is_lead || skips && changed.contains(&p.id)));
        kept.map(|p| (p.reservation.from_ms, p.reservation.to_ms, p.reservation.baseline)).collect::<Vec<_>>()
    };
    let has_changes = items.iter().any(|item| item.is_changed);
    let mut loads = of_plan(true);
    for item in items.iter().filter(|item| item.is_changed) {
        if let Some(after) = item.after {
            loads.extend(zones.promised(after, range.from, range.to).iter().map(|s| (s.from_ms, s.to_ms, s.slots)));
        }
    }
    let promised = sum(loads.into_iter(), range.from, range.to);
    let before = if has_changes { sum(of_plan(false).into_iter(), range.from, range.to) } else { Vec::new() };
    let capacity = cut(range, &view.capacity);
    let overcommit = view.plan.policy.overcommit;
    let limit: Vec<(Millis, i64)> =
        capacity.iter().map(|(at, slots)| (*at, overcommit.limit(*slots).unwrap_or(*slots))).collect();
    let mut edges: Vec<Millis> = promised.iter().chain(&limit).map(|step| step.0).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.push(range.to);
    let mut over: Vec<(Millis, Millis, i64)> = Vec::new();
    let mut peak = (0, value_at(&limit, range.from));
    for pair in edges.windows(2) {
        let (sum, most) = (value_at(&promised, pair[0]), value_at(&limit, pair[0]));
        if sum > peak.0 {
            peak = (sum, most);
        }
        if sum > most && !limit.is_empty() {
            match over.last_mut() {
                Some(last) if last.1 == pair[0] => (last.1, last.2) = (pair[1], last.2.max(sum - most)),
                _ => over.push((pair[0], pair[1], sum - most)),
            }
        }
    }
    let time = |at: Millis| format::day_time(range.zone.local(at));
    let mut said = format!("Promised at most {} of {} slots", format::count(peak.0), format::count(peak.1));
    for (from, to, by) in over.iter().take(5) {
        said.push_str(&format!("; over by {} from {} to {}", format::count(*by), time(*from), time(*to)));
    }
    said.push('.');
    let top = [&promised, &before, &limit].into_iter().flatten().map(|step| step.1).max().unwrap_or(0);
    let at_all = limit.iter().all(|step| Some(step.1) == limit.first().map(|first| first.1));
    let word = if overcommit.limit(100) == Some(100) { "capacity" } else { "limit" };
    StripModel {
        // Some room above the highest value, so that its line is seen.
        top: (top + top / 8).max(1),
        promised: steps(range, &promised),
        before: steps(range, &before),
        limit: steps(range, &limit),
        over: labels(range, &over),
        peak: format!("{} of {}", format::count(peak.0), format::count(peak.1)),
        limit_label: match limit.first() {
            Some(first) if at_all => format!("{word} {}", format::count(first.1)),
            Some(first) => format!("{word} {} at first", format::count(first.1)),
            None => "no capacity known".to_owned(),
        },
        said,
    }
}

/// Where too much is promised; of labels that would lie on one another only the first stays.
fn labels(range: &Range, over: &[(Millis, Millis, i64)]) -> Vec<AxisPart> {
    /// The width of a label, as a part of the whole.
    const ROOM: f64 = 0.16;
    let mut parts: Vec<AxisPart> = Vec::new();
    let mut free = 0.0;
    for (from, to, by) in over {
        let at = range.span(*from, Some(*to));
        let has_room = at.start >= free;
        if has_room {
            free = at.start + ROOM;
        }
        let label = if has_room { format!("over by {}", format::count(*by)) } else { String::new() };
        parts.push(AxisPart { at, label });
    }
    parts.truncate(40);
    parts
}

/// Highest promise and slot-hours of a strip's steps.
pub(super) fn totals(range: &Range, steps: &[StripStep]) -> (i64, i64) {
    let ends = steps.iter().skip(1).map(|step| step.at_ms).chain([range.to]);
    let slot_ms = steps.iter().zip(ends).map(|(step, end)| step.value * (end - step.at_ms)).sum();
    (steps.iter().map(|step| step.value).max().unwrap_or(0), slot_ms)
}

/// The timeline.
pub(super) fn timeline(range: &Range, view: &PlanView, items: &[Item<'_>], zones: &mut Zones) -> TimelineModel {
    let mut by_tenant: BTreeMap<(String, String), Vec<PlanBar>> = BTreeMap::new();
    let (mut count, mut left) = (0, 0);
    for item in items {
        let Some(terms) = item.terms() else { continue };
        let bars = bars(range, item, zones);
        if count + bars.len() > MOST_BARS {
            left += bars.len() as i64;
            continue;
        }
        count += bars.len();
        let key = (name_of(view, &terms.tenant), terms.tenant.clone());
        by_tenant.entry(key).or_default().extend(bars);
    }
    let tracks = by_tenant.into_iter().map(|((name, slug), mut bars)| {
        let lanes = stack(&mut bars);
        Track { tenant: Named { slug, name }, lanes, bars }
    });
    let (major, minor) = axis(range);
    TimelineModel {
        from_ms: range.from,
        to_ms: range.to,
        major,
        minor,
        weekends: weekends(range),
        now: (range.from..range.to).contains(&range.now).then(|| range.part(range.now)),
        jumps: jumps(range),
        tracks: tracks.collect(),
        strip: strip(range, view, items, zones),
        bars_left: left,
    }
}

/// What a tenant is called.
pub(super) fn name_of(view: &PlanView, slug: &str) -> String {
    let found = view.tenants.values().find(|(known, _)| known == slug);
    found.map_or_else(|| slug.to_owned(), |(_, name)| name.clone())
}

/// Fields that the table has no column for.
const MORE: [Field; 10] = [
    Field::Ceiling,
    Field::Lending,
    Field::Borrowing,
    Field::Lead,
    Field::Release,
    Field::Priority,
    Field::DrainUntil,
    Field::Except,
    Field::Overrides,
    Field::Note,
];

/// A reservation as a row.
pub(super) fn row(range: &Range, view: &PlanView, item: &Item<'_>, edit_href: Option<String>) -> Option<PlanRow> {
    let terms = item.terms()?;
    let first = item.occurrences.first().or(item.was.first())?;
    let length = first.to_ms.map_or_else(String::new, |to| plan_steps::length(&range.zone, first.from_ms, to));
    let problem = match (item.short, item.over_limit) {
        (short, _) if short > 0 && item.is_in_use => Some(format!("{} more in use than left", format::count(short))),
        (short, _) if short > 0 => Some(format!("over capacity by {}", format::count(short))),
        (_, over) if over > 0 => Some(format!("over limit by {}", format::count(over))),
        _ if item.mark == PlanMark::Conflict => Some("cannot be published".to_owned()),
        _ => None,
    };
    let was = item.before.zip(item.after).filter(|(before, after)| before.slots != after.slots);
    let state =
        if item.is_gone() { "cancelled in the draft" } else { item.state.map_or("new in the draft", State::as_str) };
    Some(PlanRow {
        reservation: item.id.to_string(),
        name: terms.name.clone(),
        tenant: Named { slug: terms.tenant.clone(), name: name_of(view, &terms.tenant) },
        slots: format::count(terms.slots),
        slots_was: was.map(|(before, _)| format::count(before.slots)),
        kind: terms.kind.label().to_owned(),
        start: words::wall(&terms.start),
        end: terms.end.as_ref().map_or_else(|| "until further notice".to_owned(), words::wall),
        length,
        zone: terms.zone.clone(),
        repeat: terms.repeat.as_ref().map(words::repeat).unwrap_or_default(),
        more: MORE
            .iter()
            .map(|field| (words::label(*field).to_owned(), words::value(*field, terms)))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        state: state.to_owned(),
        mark: item.mark,
        problem,
        edit_href,
        cells: Vec::new(),
    })
}

/// The start of a day of a zone.
pub(super) fn midnight(zone: &ZoneSlice, day: NaiveDate) -> Millis {
    let local = day.and_time(chrono::NaiveTime::MIN);
    zone.to_utc(local).unwrap_or_else(|jump| jump)
}

/// `24 Nov – 1 Dec 2026`: the days of a range, the last one included.
pub(super) fn days_text(range: &Range) -> String {
    let (first, last) = (range.zone.local(range.from), range.zone.local(range.to - HOUR_MS / 60));
    if first.date() == last.date() {
        format::day(first)
    } else if first.year() == last.year() {
        format!("{} – {}", format::day_month(first), format::day(last))
    } else {
        format!("{} – {}", format::day(first), format::day(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(from: &str, days: i64) -> Range {
        let day: NaiveDate = from.parse().unwrap();
        let about = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
        let zone = crate::zones::slice("Europe/Berlin", about, about + days * DAY_MS).unwrap();
        let to = midnight(&zone, day + chrono::TimeDelta::days(days));
        Range { from: midnight(&zone, day), to, now: 0, zone }
    }

    #[test]
    fn days_are_as_long_as_they_are() {
        let range = berlin("2026-03-28", 3);
        let (major, _) = axis(&range);
        let labels: Vec<_> = major.iter().map(|part| part.label.as_str()).collect();
        assert_eq!(labels, ["Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar"]);
        assert!((major[1].at.size / major[0].at.size - 23.0 / 24.0).abs() < 1e-9);
        let jump = &jumps(&range)[0];
        assert_eq!(
            (jump.label.as_str(), jump.title.as_str()),
            ("+1 h", "Clocks go from 02:00 to 03:00 on 29 Mar 2026")
        );
        let back = &jumps(&berlin("2026-10-24", 3))[0];
        assert_eq!(
            (back.label.as_str(), back.title.as_str()),
            ("\u{2212}1 h", "Clocks go from 03:00 to 02:00 on 25 Oct 2026")
        );
    }

    #[test]
    fn every_zoom_has_labels_and_covers_its_range() {
        for days in [1, 3, 7, 35, 80] {
            let range = berlin("2026-11-24", days);
            let (major, minor) = axis(&range);
            for row in [&major, &minor] {
                let covered: f64 = row.iter().map(|part| part.at.size).sum();
                assert!((covered - 1.0).abs() < 1e-9, "{days} days: {covered}");
            }
            assert!(major.iter().any(|part| !part.label.is_empty()), "{days}");
        }
        assert_eq!(days_text(&berlin("2026-11-24", 8)), "24 Nov – 1 Dec 2026");
        assert_eq!(days_text(&berlin("2026-12-31", 1)), "31 Dec 2026");
        assert_eq!(weekends(&berlin("2026-11-24", 8)).len(), 1);
    }
}
