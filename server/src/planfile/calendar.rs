//! Reservations as a calendar (RFC 5545), for people who plan in one.

use crate::zones;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::wall::Wall;
use headroom_domain::{DAY_MS, Millis};
use icalendar::{Calendar, Component, Event, EventStatus, Property};
use std::collections::BTreeMap;
use std::fmt::Write;
use uuid::Uuid;

/// Zones are described so far around what is shown: calendars know the rest themselves.
const MARGIN_MS: Millis = 400 * DAY_MS;

/// A reservation to be shown.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// Its id.
    pub id: Uuid,
    /// What it says.
    pub terms: &'a Terms,
    /// Name of its tenant.
    pub tenant: &'a str,
    /// Counts changes.
    pub version: i32,
    /// When it was changed last.
    pub updated_ms: Millis,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after the last occurrence.
    pub to_ms: Option<Millis>,
}

fn local(wall: &Wall) -> String {
    wall.local.format("%Y%m%dT%H%M%S").to_string()
}

fn utc(at: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(at).unwrap_or_default().format("%Y%m%dT%H%M%SZ").to_string()
}

/// A calendar of reservations of a pool.
pub fn write(pool: &str, now: Millis, shown: &[Shown<'_>]) -> String {
    let mut calendar = Calendar::new();
    calendar.name(&format!("Reservations of {pool}"));
    let mut zones: BTreeMap<&str, (Millis, Millis)> = BTreeMap::new();
    for one in shown {
        let (from, to) = zones.entry(&one.terms.zone).or_insert((one.from_ms, now));
        *from = (*from).min(one.from_ms);
        *to = (*to).max(one.to_ms.unwrap_or(now));
    }
    for (name, (from, to)) in &zones {
        let slice = zones::slice(name, *from, (*to).min(now + MARGIN_MS)).unwrap_or_else(ZoneSlice::utc);
        // The library has no builder for zones, but reads them.
        let text = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", zone_text(name, &slice));
        if let Ok(read) = text.parse::<Calendar>() {
            calendar.components.extend(read.components);
        }
    }
    for one in shown {
        calendar.push(event(one));
    }
    calendar.to_string()
}

fn event(one: &Shown<'_>) -> Event {
    let Shown { terms, tenant, .. } = one;
    let in_zone = |name: &str, value: &str| {
        let mut property = Property::new(name, value);
        property.add_parameter("TZID", &terms.zone);
        property.done()
    };
    let mut event = Event::new();
    event.uid(&format!("{}@headroom", one.id));
    event.summary(&format!("{} slots for {tenant} ({})", terms.slots, terms.name));
    event.description(&terms.note);
    event.status(EventStatus::Confirmed);
    event.sequence(u32::try_from(one.version).unwrap_or_default());
    event.add_property("DTSTAMP", utc(one.updated_ms));
    event.add_property("LAST-MODIFIED", utc(one.updated_ms));
    event.append_property(in_zone("DTSTART", &local(&terms.start)));
    if let Some(end) = &terms.end {
        event.append_property(in_zone("DTEND", &local(end)));
    }
    if let Some(repeat) = &terms.repeat {
        // With a zone, the last start is told in UTC (3.3.10).
        let until = repeat.until().map(|day| {
            let last = day.and_time(terms.start.local.time());
            let wall = last.and_utc().timestamp_millis();
            let slice = zones::slice(&terms.zone, wall, wall).unwrap_or_else(ZoneSlice::utc);
            format!(";UNTIL={}", utc(Wall::instant_or_next(last, &slice)))
        });
        event.add_property("RRULE", format!("{}{}", repeat.rule(), until.unwrap_or_default()));
    }
    for day in &terms.except {
        let skipped = Wall::new(day.and_time(terms.start.local.time()));
        event.append_multi_property(in_zone("EXDATE", &local(&skipped)));
    }
    event.done()
}

/// A zone as its changes of offset.
fn zone_text(name: &str, slice: &ZoneSlice) -> String {
    let offset = |seconds: i32| {
        let sign = if seconds < 0 { '-' } else { '+' };
        format!("{sign}{:02}{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
    };
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{name}\r\n");
    let mut before = slice.transitions().first().map_or(0, |first| first.offset_s);
    for change in slice.transitions() {
        let kind = if change.offset_s > before { "DAYLIGHT" } else { "STANDARD" };
        // The start of an offset is told in the time before it.
        let at = chrono::DateTime::from_timestamp_millis(change.utc_ms.saturating_add(i64::from(before) * 1000));
        let at = at.unwrap_or_default().format("%Y%m%dT%H%M%S");
        let (from, to) = (offset(before), offset(change.offset_s));
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "BEGIN:{kind}\r\nDTSTART:{at}\r\nTZOFFSETFROM:{from}\r\nTZOFFSETTO:{to}\r\nTZNAME:{}\r\nEND:{kind}\r\n",
            change.abbr
        );
        before = change.offset_s;
    }
    text.push_str("END:VTIMEZONE\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_has_zones_rules_and_exceptions() {
        let terms: Terms = serde_json::from_value(serde_json::json!({
            "name": "nightly", "tenant": "acme", "start": "2026-10-20T22:00", "end": "2026-10-21T04:00", "zone": "Europe/Berlin",
            "slots": 40, "repeat": "FREQ=DAILY;UNTIL=20261231", "except": ["2026-12-24"], "note": "a; b, c\nd"
        }))
        .unwrap();
        let shown = Shown {
            id: Uuid::nil(),
            terms: &terms,
            tenant: "Acme, Inc.",
            version: 3,
            updated_ms: 1_795_597_200_000,
            from_ms: 1_792_526_400_000,
            to_ms: Some(1_798_700_000_000),
        };
        let text = write("lanes", 1_795_597_200_000, &[shown]);
        for line in [
            "TZID:Europe/Berlin",
            "DTSTART;TZID=Europe/Berlin:20261020T220000",
            "DTEND;TZID=Europe/Berlin:20261021T040000",
            "RRULE:FREQ=DAILY;UNTIL=20261231T210000Z",
            "EXDATE;TZID=Europe/Berlin:20261224T220000",
            "SEQUENCE:3",
            "TZOFFSETTO:+0100",
            "SUMMARY:40 slots for Acme\\, Inc. (nightly)",
        ] {
            assert!(text.lines().any(|found| found.trim_end() == line), "{line} is missing in\n{text}");
        }
        assert!(text.parse::<Calendar>().is_ok(), "it is read back");
        assert!(text.lines().all(|line| line.len() <= 76), "lines are folded");
    }
}
