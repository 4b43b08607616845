//! What the planner says about terms: times, repetitions, changes.

use headroom_domain::format;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::{Change, Field, Verb, differing};
use headroom_domain::plan::terms::{Repeat, Terms};
use headroom_domain::plan::wall::Wall;
use headroom_frontend::model::{ChangeRow, ChangeVerb, ChangedField};
use uuid::Uuid;

/// A wall-clock time in a form or table: `2026-11-28 09:00`.
pub(super) fn wall(wall: &Wall) -> String {
    wall.to_string().replacen('T', " ", 1)
}

/// A field's label.
pub(super) const fn label(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Tenant => "tenant",
        Field::Kind => "kind",
        Field::Start => "start",
        Field::End => "end",
        Field::Zone => "zone",
        Field::Repeat => "repeats",
        Field::Except => "except on",
        Field::Slots => "slots",
        Field::Ceiling => "ceiling",
        Field::Lending => "lends at most",
        Field::Borrowing => "borrows at most",
        Field::Lead => "free before the start",
        Field::Release => "released if unused",
        Field::Priority => "priority",
        Field::Shrinking => "if it shrinks",
        Field::DrainUntil => "drain until",
        Field::Overrides => "temporary changes",
        Field::Note => "note",
    }
}

/// What a field says, as people read it; empty = nothing.
pub(super) fn value(field: Field, terms: &Terms) -> String {
    match field {
        Field::Start => wall(&terms.start),
        Field::End => terms.end.as_ref().map_or_else(|| "until further notice".to_owned(), wall),
        Field::DrainUntil => terms.drain_until.as_ref().map(wall).unwrap_or_default(),
        Field::Repeat => terms.repeat.as_ref().map(repeat).unwrap_or_default(),
        Field::Slots => format::count(terms.slots),
        Field::Ceiling => terms.ceiling.map(format::count).unwrap_or_default(),
        Field::Lending => terms.lending_limit.map(format::count).unwrap_or_default(),
        Field::Borrowing => terms.borrowing_limit.map(format::count).unwrap_or_default(),
        Field::Lead if terms.lead_minutes == 0 => String::new(),
        Field::Lead => format!("{} min", terms.lead_minutes),
        Field::Release => terms.release_after_minutes.map(|minutes| format!("after {minutes} min")).unwrap_or_default(),
        Field::Shrinking => terms.shrink.label().to_owned(),
        _ => field.text(terms),
    }
}

const DAYS: [(&str, &str); 7] =
    [("MO", "Mon"), ("TU", "Tue"), ("WE", "Wed"), ("TH", "Thu"), ("FR", "Fri"), ("SA", "Sat"), ("SU", "Sun")];

/// A rule in words: `every week on Mon, Fri until 2026-12-31`.
pub(super) fn repeat(rule: &Repeat) -> String {
    let part = |name: &str| rule.rule().split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let unit = match part("FREQ") {
        Some("DAILY") => "day",
        Some("MONTHLY") => "month",
        _ => "week",
    };
    let mut text = match part("INTERVAL") {
        None | Some("1") => format!("every {unit}"),
        Some(n) => format!("every {n} {unit}s"),
    };
    if let Some(days) = part("BYDAY") {
        let named = |day: &str| {
            let (number, code) = day.split_at(day.len().saturating_sub(2));
            let name = DAYS.iter().find(|one| one.0 == code).map_or(code, |one| one.1);
            match number {
                "" => name.to_owned(),
                "-1" => format!("last {name}"),
                n => format!("{n}. {name}"),
            }
        };
        text.push_str(&format!(" on {}", days.split(',').map(named).collect::<Vec<_>>().join(", ")));
    }
    if let Some(days) = part("BYMONTHDAY") {
        text.push_str(&format!(" on day {days}"));
    }
    if let Some(times) = part("COUNT") {
        text.push_str(&format!(", {times} times"));
    }
    if let Some(until) = rule.until() {
        text.push_str(&format!(" until {}", until.format("%Y-%m-%d")));
    }
    text
}

/// `28 Nov 00:00 – 30 Nov 12:00`, on the wall clock of the terms.
pub(super) fn when(terms: &Terms) -> String {
    let start = format::day_time(terms.start.local);
    let mut text = match &terms.end {
        Some(end) => format!("{start} – {}", format::day_time(end.local)),
        None => format!("from {start} until further notice"),
    };
    if let Some(rule) = &terms.repeat {
        text.push_str(&format!(", {}", repeat(rule)));
    }
    text
}

/// Fields that a change touches.
pub(super) fn fields(change: &Change) -> Vec<ChangedField> {
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return Vec::new() };
    differing(before, after)
        .into_iter()
        .map(|field| ChangedField {
            label: label(field).to_owned(),
            was: value(field, before),
            becomes: value(field, after),
        })
        .collect()
}

/// What a change does.
pub(super) fn verb(change: &Change) -> ChangeVerb {
    match change.verb() {
        Verb::Create => ChangeVerb::Create,
        Verb::Cancel => ChangeVerb::Cancel,
        Verb::Edit | Verb::Nothing => ChangeVerb::Edit,
    }
}

/// A change as a row.
pub(super) fn change(id: Uuid, change: &Change, edit_href: String) -> ChangeRow {
    let terms = change.after.as_ref().or(change.before.as_ref());
    let mut when = terms.map(when).unwrap_or_default();
    if let (Some(after), None) = (&change.after, &change.before) {
        when.push_str(&format!(" · {} slots", format::count(after.slots)));
    }
    if let (None, Some(before)) = (&change.after, &change.before) {
        when.push_str(&format!(" · {} slots", format::count(before.slots)));
    }
    ChangeRow {
        reservation: id.to_string(),
        name: change.name().to_owned(),
        tenant: terms.map(|terms| terms.tenant.clone()).unwrap_or_default(),
        when,
        verb: verb(change),
        fields: fields(change),
        edit_href,
    }
}

/// An instant in a sentence: the time of day today, else with its day.
pub(super) fn moment(zone: &ZoneSlice, at: i64, now: i64) -> String {
    let (local, today) = (zone.local(at), zone.local(now).date());
    if local.date() == today { format::hour_minute(local) } else { format::day_time(local) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_in_words() {
        for (rule, expected) in [
            ("FREQ=DAILY", "every day"),
            ("FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20261231", "every week on Mon, Fri until 2026-12-31"),
            ("FREQ=WEEKLY;INTERVAL=2", "every 2 weeks"),
            ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=12", "every month on last Fri, 12 times"),
            ("FREQ=MONTHLY;BYMONTHDAY=1,-1", "every month on day 1,-1"),
        ] {
            assert_eq!(repeat(&rule.parse().unwrap()), expected);
        }
    }
}
