//! A pool's plan and a draft laid over one another: each reservation as it is published and as it would be.

use crate::app::plan::PlanView;
use crate::app::plan::check::{Conflict, ConflictKind};
use crate::zones;
use headroom_domain::Millis;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::Change;
use headroom_domain::plan::state::State;
use headroom_domain::plan::stretch::{self, Occurrence, Stretch};
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::wall::Wall;
use headroom_frontend::model::PlanMark;
use headroom_store::draft::{self, Draft};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A reservation in view.
pub(super) struct Item<'a> {
    pub id: Uuid,
    /// As it is published.
    pub before: Option<&'a Terms>,
    /// As it would be; `None` = taken back.
    pub after: Option<&'a Terms>,
    /// Where what is published stands.
    pub state: Option<State>,
    /// Slots in use beyond the limit.
    pub over_limit: i64,
    pub mark: PlanMark,
    /// By how many slots there is too little room for it.
    pub short: i64,
    /// What is too little is not room in the pool, but what would be left of what its tenant uses now.
    pub is_in_use: bool,
    /// Its occurrences in view, as it would be, else as it is.
    pub occurrences: Vec<Occurrence>,
    /// Those of what is published, if the draft moves them.
    pub was: Vec<Occurrence>,
    /// It is of the draft.
    pub is_changed: bool,
}

impl<'a> Item<'a> {
    /// What is shown of it.
    pub(super) fn terms(&self) -> Option<&'a Terms> {
        self.after.or(self.before)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.after.is_none()
    }
}

/// Zones by name, as far as the plan reaches: a plan names few, and each is worked out once.
pub(super) struct Zones {
    by_name: HashMap<String, ZoneSlice>,
    from: Millis,
    to: Millis,
}

impl Zones {
    pub(super) fn new(from: Millis, to: Millis) -> Self {
        Self { by_name: HashMap::new(), from, to }
    }

    /// The zone of some terms, from their start on.
    pub(super) fn of(&mut self, terms: &Terms) -> &ZoneSlice {
        let wall = |wall: &Wall| wall.local.and_utc().timestamp_millis();
        let first = wall(&terms.start).min(self.from);
        let last = terms.end.as_ref().map_or(self.to, wall).max(self.to);
        let is_known = self.by_name.get(&terms.zone).is_some_and(|_| first >= self.from && last <= self.to);
        if !is_known {
            // Wider than asked, so that the next terms find it as well.
            const YEAR_MS: Millis = 366 * headroom_domain::DAY_MS;
            if first < self.from || last > self.to {
                self.by_name.clear();
                self.from = self.from.min(first.saturating_sub(YEAR_MS));
                self.to = self.to.max(last.saturating_add(YEAR_MS)).min(headroom_domain::LATEST_MS);
            }
            let zone = zones::slice(&terms.zone, self.from, self.to).unwrap_or_else(ZoneSlice::utc);
            self.by_name.insert(terms.zone.clone(), zone);
        }
        self.by_name.entry(terms.zone.clone()).or_insert_with(ZoneSlice::utc)
    }

    /// Occurrences that touch a range.
    pub(super) fn occurrences(&mut self, terms: &Terms, from: Millis, to: Millis) -> Vec<Occurrence> {
        let all = stretch::occurrences(terms, self.of(terms), to).unwrap_or_default();
        all.into_iter().filter(|o| o.from_ms < to && o.to_ms.is_none_or(|end| end > from)).collect()
    }

    /// What terms promise in a range, without the time before a start.
    pub(super) fn promised(&mut self, terms: &Terms, from: Millis, to: Millis) -> Vec<Stretch> {
        let all = stretch::stretches(terms, self.of(terms), to).unwrap_or_default();
        all.into_iter().filter(|s| !s.is_lead && s.from_ms < to && s.to_ms.is_none_or(|end| end > from)).collect()
    }
}

/// What a mark says about a change.
fn mark(id: Uuid, draft: Option<&Draft>, conflicts: &[Conflict]) -> (PlanMark, i64, bool) {
    let about = |conflict: &&Conflict| {
        let is_in_it = conflict.involved.iter().any(|one| one.reservation == id);
        !conflict.kind.is_warning()
            && (conflict.reservation == Some(id) || (conflict.reservation.is_none() && is_in_it))
    };
    let bad: Vec<&Conflict> = conflicts.iter().filter(about).collect();
    if !bad.is_empty() {
        let most = bad.iter().max_by_key(|conflict| conflict.short);
        let is_in_use = most.is_some_and(|conflict| conflict.kind == ConflictKind::InUse);
        return (PlanMark::Conflict, most.map_or(0, |conflict| conflict.short), is_in_use);
    }
    match draft.map(|draft| draft.state) {
        Some(draft::State::Proposed) => (PlanMark::Pending, 0, false),
        _ => (PlanMark::Draft, 0, false),
    }
}

/// All reservations that are in view, before or after the draft.
pub(super) fn items<'a>(
    view: &'a PlanView,
    draft: Option<&'a Draft>,
    changes: &'a BTreeMap<Uuid, Change>,
    conflicts: &[Conflict],
    zones: &mut Zones,
    (from, to): (Millis, Millis),
) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(view.entries.len());
    for entry in view.entries.iter().filter(|entry| entry.stored.cancelled_ms.is_none()) {
        let before = &entry.stored.terms;
        let change = changes.get(&entry.stored.id);
        let after = change.map_or(Some(before), |change| change.after.as_ref());
        let (mark, short, is_in_use) =
            if change.is_some() { mark(entry.stored.id, draft, conflicts) } else { (PlanMark::None, 0, false) };
        let was = zones.occurrences(before, from, to);
        let occurrences = match after {
            Some(after) if after != before => zones.occurrences(after, from, to),
            _ => was.clone(),
        };
        items.push(Item {
            id: entry.stored.id,
            before: Some(before),
            after,
            state: Some(entry.state),
            over_limit: entry.over_limit,
            mark,
            short,
            is_in_use,
            occurrences,
            was: if change.is_some() { was } else { Vec::new() },
            is_changed: change.is_some(),
        });
    }
    for (id, change) in changes {
        let Some(after) = &change.after else { continue };
        if view.entries.iter().any(|entry| entry.stored.id == *id) {
            continue;
        }
        let (mark, short, is_in_use) = mark(*id, draft, conflicts);
        items.push(Item {
            id: *id,
            before: change.before.as_ref(),
            after: Some(after),
            state: None,
            over_limit: 0,
            mark,
            short,
            is_in_use,
            occurrences: zones.occurrences(after, from, to),
            was: Vec::new(),
            is_changed: true,
        });
    }
    items.retain(|item| !item.occurrences.is_empty() || !item.was.is_empty());
    items.sort_by(|a, b| {
        let key =
            |item: &Item<'_>| item.terms().map(|terms| (terms.tenant.clone(), terms.start.local, terms.name.clone()));
        key(a).cmp(&key(b))
    });
    items
}

/// Steps of a sum over a range: from each instant on so much.
pub(super) fn sum(
    loads: impl Iterator<Item = (Millis, Option<Millis>, i64)>,
    from: Millis,
    to: Millis,
) -> Vec<(Millis, i64)> {
    let mut edges: BTreeMap<Millis, i64> = BTreeMap::from([(from, 0)]);
    for (start, end, slots) in loads {
        let (start, end) = (start.max(from), end.unwrap_or(to).min(to));
        if start < end {
            *edges.entry(start).or_default() += slots;
            *edges.entry(end).or_default() -= slots;
        }
    }
    let mut value = 0;
    let mut steps: Vec<(Millis, i64)> = Vec::new();
    for (at, change) in edges.into_iter().filter(|(at, _)| *at < to) {
        value += change;
        if steps.last().is_none_or(|last| last.1 != value) {
            steps.push((at, value));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_cut_to_the_range_and_merge_what_stays() {
        let loads = [(0, Some(30), 5), (10, None, 7), (30, Some(90), 5)];
        assert_eq!(sum(loads.into_iter(), 5, 60), [(5, 5), (10, 12)]);
        assert_eq!(sum(std::iter::empty(), 5, 60), [(5, 0)]);
    }
}
