//! Events from calendars of other programs (RFC 5545), and the calendar as such a file.
//!
//! A calendar is read in two steps: its lines, unfolded and numbered, are cut into components, and each component is read by
//! itself. So a broken one is named with its line, and those around it are read.

use crate::zones;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use headroom_domain::calendar::recur;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::wall::Wall;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::event::Stored;
use icalendar::parser::{Component as Parsed, Property, read_components};
use icalendar::{Calendar, Component, Event, EventStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Largest file, in bytes.
pub const MOST_BYTES: usize = 1024 * 1024;
/// Most components of a file.
const MOST_COMPONENTS: usize = 5_000;
/// Most occurrences that a file may come to.
pub const MOST_OCCURRENCES: usize = 5_000;
/// Occurrences so far around now are taken: what is learnt from lies a year back, what is planned a year ahead.
pub const AROUND_MS: Millis = 400 * DAY_MS;
/// Longest name of an event, as the database keeps it.
const LONGEST_UID: usize = 500;
/// Longest line that is quoted, in characters.
const LONGEST_QUOTE: usize = 60;
/// Most faults that are told one by one.
pub const MOST_FAULTS: usize = 200;

/// Something in a file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its line, from 1.
    pub line: usize,
    /// What its component is called; empty outside of components.
    pub of: String,
    /// The property.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// An occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// When it was to begin by the rule of its series: its name.
    pub occurrence_ms: Millis,
    /// When it begins.
    pub start_ms: Millis,
    /// When it is over.
    pub end_ms: Millis,
    /// What people call it.
    pub title: String,
    /// What kind of event its author says it is.
    pub categories: Vec<String>,
    /// Line of its component.
    pub line: usize,
}

/// An event of a file, with its occurrences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What its calendar calls it.
    pub uid: String,
    /// Line of its component.
    pub line: usize,
    /// Its zone.
    pub zone: String,
    /// It does not take place any more: of it everything goes.
    pub is_cancelled: bool,
    /// Only single occurrences of it are in the file: the others stay as they are.
    pub is_partial: bool,
    /// When it takes place, in order.
    pub occurrences: Vec<Occurrence>,
    /// Single occurrences that do not take place.
    pub cancelled: BTreeSet<Millis>,
}

/// A file that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What the calendar is called.
    pub name: String,
    /// Its events.
    pub series: Vec<Series>,
    /// What cannot be taken.
    pub faults: Vec<Fault>,
    /// Occurrences that lie too far from now.
    pub outside: usize,
}

/// A component's lines.
struct Block {
    line: usize,
    text: String,
    /// The first of its lines that is none.
    broken: Option<(usize, String)>,
}

fn quoted(text: &str) -> String {
    let mut quote: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_QUOTE).collect();
    if quote.len() < text.len() {
        quote.push('…');
    }
    quote
}

fn fault(line: usize, field: &str, found: &str, expected: impl Into<String>) -> Fault {
    Fault { line, of: String::new(), field: field.into(), found: quoted(found), expected: expected.into() }
}

/// Lines that belong together, with the number of the first.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((index + 1, line.to_owned())),
        }
    }
    lines
}

fn is_content_line(line: &str) -> bool {
    let name = line.split([':', ';']).next().unwrap_or_default();
    line.contains(':') && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What stands around the events.
#[derive(Default)]
struct Frame {
    name: String,
    zone: Option<String>,
    cancels: bool,
}

/// Cuts a file into its events. What is no calendar at all is one fault.
fn blocks(text: &str, faults: &mut Vec<Fault>) -> Result<(Frame, Vec<Block>), Fault> {
    let lines = unfolded(text);
    let is = |line: &str, what: &str| line.trim().eq_ignore_ascii_case(what);
    match lines.first() {
        Some((_, line)) if is(line, "BEGIN:VCALENDAR") => {}
        Some((number, line)) => {
            return Err(fault(*number, "", line, "an iCalendar file: BEGIN:VCALENDAR in its first line"));
        }
        None => return Err(fault(1, "", "", "an iCalendar file: this one is empty")),
    }
    let (mut frame, mut found, mut open) = (Frame::default(), Vec::new(), None::<Block>);
    // Components inside of the calendar that are no events, and those inside of events, such as alarms.
    let mut inner: Vec<String> = Vec::new();
    let mut is_ended = false;
    for (number, line) in &lines[1..] {
        let upper = line.trim().to_ascii_uppercase();
        if is_ended && upper != "BEGIN:VCALENDAR" {
            faults.push(fault(*number, "", line, "nothing after END:VCALENDAR"));
            break;
        }
        is_ended = false;
        if upper == "BEGIN:VCALENDAR" {
            continue;
        }
        if upper == "END:VCALENDAR" {
            if let Some(block) = open.take() {
                faults.push(fault(block.line, "VEVENT", "END:VCALENDAR", format!("END:VEVENT before line {number}")));
            }
            inner.clear();
            is_ended = true;
            continue;
        }
        if upper == "BEGIN:VEVENT" {
            if let Some(block) = open.take() {
                faults.push(fault(block.line, "VEVENT", "BEGIN:VEVENT", format!("END:VEVENT before line {number}")));
            }
            if found.len() >= MOST_COMPONENTS {
                return Err(fault(*number, "", "", format!("at most {MOST_COMPONENTS} events: split the file")));
            }
            inner.clear();
            open = Some(Block { line: *number, text: "BEGIN:VEVENT\r\n".into(), broken: None });
            continue;
        }
        if upper == "END:VEVENT" {
            match open.take() {
                Some(mut block) => {
                    block.text.push_str("END:VEVENT\r\n");
                    if let Some(name) = inner.last() {
                        block.broken.get_or_insert((*number, format!("END:{name} before END:VEVENT")));
                    }
                    found.push(block);
                }
                None => faults.push(fault(*number, "VEVENT", line, "BEGIN:VEVENT before it")),
            }
            inner.clear();
            continue;
        }
        if let Some(name) = upper.strip_prefix("BEGIN:") {
            inner.push(name.to_owned());
            continue;
        }
        if let Some(name) = upper.strip_prefix("END:") {
            if inner.pop().as_deref() != Some(name) {
                faults.push(fault(*number, "", line, format!("BEGIN:{name} before it")));
            }
            continue;
        }
        if !inner.is_empty() {
            continue;
        }
        let is_good = is_content_line(line);
        match &mut open {
            Some(block) if is_good => {
                block.text.push_str(line);
                block.text.push_str("\r\n");
            }
            Some(block) => {
                block
                    .broken
                    .get_or_insert((*number, format!("a line such as SUMMARY:Black Friday, found {:?}", quoted(line))));
            }
            None if is_good => {
                let value = line.split_once(':').map_or("", |(_, value)| value.trim());
                if upper.starts_with("X-WR-CALNAME") {
                    frame.name = quoted(value);
                } else if upper.starts_with("X-WR-TIMEZONE") {
                    frame.zone = Some(value.to_owned()).filter(|zone| zones::is_known(zone));
                } else if upper == "METHOD:CANCEL" {
                    frame.cancels = true;
                }
            }
            None => faults.push(fault(*number, "", line, "a line such as VERSION:2.0")),
        }
    }
    if !is_ended {
        let number = lines.last().map_or(1, |(number, _)| *number);
        if let Some(block) = open.take() {
            faults.push(fault(block.line, "VEVENT", "the end of the file", "END:VEVENT: the file is cut off"));
        } else {
            faults.push(fault(number, "", "the end of the file", "END:VCALENDAR: the file is cut off"));
        }
    }
    Ok((frame, found))
}

/// A time as a calendar writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct When {
    local: NaiveDateTime,
    zone: String,
    is_day: bool,
}

impl When {
    fn instant(&self) -> Millis {
        instant(self.local, &self.zone)
    }
}

fn instant(local: NaiveDateTime, zone: &str) -> Millis {
    let wall = local.and_utc().timestamp_millis();
    let slice = zones::slice(zone, wall, wall).unwrap_or_else(ZoneSlice::utc);
    Wall::instant_or_next(local, &slice)
}

/// The zone that a name stands for; some programs put a path before it, and those of Windows have names of their own.
fn zone_named(name: &str) -> Option<String> {
    let name = name.trim_matches('"');
    if let Some(zone) = localzone::win_zone_to_iana(name, None).filter(|zone| zones::is_known(zone)) {
        return Some(zone.to_owned());
    }
    let tail = |parts: usize| {
        let all: Vec<&str> = name.split('/').collect();
        all.get(all.len().checked_sub(parts)?..).map(|parts| parts.join("/"))
    };
    [Some(name.to_owned()), tail(3), tail(2)].into_iter().flatten().find(|name| zones::is_known(name))
}

const TIME_FORM: &str = "a time such as 20261127T090000, 20261127T080000Z or, for whole days, 20261127";

fn whens(property: &Property<'_>, zone: &str) -> Result<Vec<When>, String> {
    let named = property.params.iter().find(|one| one.key.as_str().eq_ignore_ascii_case("TZID"));
    let zone = match named.and_then(|one| one.val.as_ref()) {
        Some(name) => zone_named(name.as_str()).ok_or_else(|| {
            format!("a zone by its IANA name, such as Europe/Berlin; {} is none", quoted(name.as_str()))
        })?,
        None => zone.to_owned(),
    };
    property.val.as_str().split(',').map(|text| when(text.trim(), &zone).ok_or_else(|| TIME_FORM.to_owned())).collect()
}

fn when(text: &str, zone: &str) -> Option<When> {
    // A period: its start counts.
    let text = text.split('/').next().unwrap_or_default();
    let is_known = |local: &NaiveDateTime| (1970..2200).contains(&chrono::Datelike::year(local));
    if text.len() == 8 {
        let day = NaiveDate::parse_from_str(text, "%Y%m%d").ok()?.and_time(NaiveTime::MIN);
        return Some(When { local: day, zone: zone.to_owned(), is_day: true }).filter(|when| is_known(&when.local));
    }
    let (plain, zone) = text.strip_suffix(['Z', 'z']).map_or((text, zone), |plain| (plain, "UTC"));
    let local = NaiveDateTime::parse_from_str(plain, "%Y%m%dT%H%M%S").ok().filter(is_known)?;
    Some(When { local, zone: zone.to_owned(), is_day: false })
}

/// `P1D`, `PT1H30M`, `P2W` (3.3.6).
fn length(text: &str) -> Option<TimeDelta> {
    let rest = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    let (mut total, mut number, mut is_time, mut any) = (0_i64, String::new(), false, false);
    for c in rest.chars() {
        let seconds = match c {
            '0'..='9' if number.len() < 7 => {
                number.push(c);
                continue;
            }
            'T' if !is_time && number.is_empty() => {
                is_time = true;
                continue;
            }
            'W' => 604_800,
            'D' => 86_400,
            'H' if is_time => 3_600,
            'M' if is_time => 60,
            'S' if is_time => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(seconds)?)?;
        number.clear();
        any = true;
    }
    (any && number.is_empty()).then(|| TimeDelta::try_seconds(total)).flatten()
}

/// A component that was read: one event, or one occurrence of it.
struct One {
    line: usize,
    uid: String,
    title: String,
    categories: Vec<String>,
    /// Which occurrence it is, if it is a single one.
    recurrence: Option<Millis>,
    is_cancelled: bool,
    start: When,
    /// On the clock of its zone.
    length: TimeDelta,
    rule: Option<String>,
    more: Vec<When>,
    except: Vec<When>,
}

struct Reader<'a> {
    component: &'a Parsed<'a>,
    line: usize,
    of: String,
}

impl Reader<'_> {
    fn all(&self, name: &str) -> Vec<&Property<'_>> {
        let is_named = |property: &&Property<'_>| property.name.as_str().eq_ignore_ascii_case(name);
        self.component.properties.iter().filter(is_named).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(|property| property.val.as_str().trim()).filter(|text| !text.is_empty())
    }

    fn wrong(&self, field: &str, found: &str, expected: impl Into<String>) -> Fault {
        Fault { of: self.of.clone(), ..fault(self.line, field, found, expected) }
    }

    fn times(&self, name: &str, zone: &str) -> Result<Vec<When>, Fault> {
        let mut found = Vec::new();
        for property in self.all(name) {
            found.extend(whens(property, zone).map_err(|expected| self.wrong(name, property.val.as_str(), expected))?);
        }
        Ok(found)
    }

    fn read(&self, zone: &str) -> Result<One, Fault> {
        let uid = self
            .text("UID")
            .ok_or_else(|| self.wrong("UID", "", "a name that stays the same when the event is changed"))?;
        if uid.chars().count() > LONGEST_UID || uid.chars().any(char::is_control) {
            return Err(self.wrong("UID", uid, format!("at most {LONGEST_UID} characters on one line")));
        }
        let is_cancelled = self.text("STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED"));
        let start = self.times("DTSTART", zone)?.into_iter().next();
        let start = start.ok_or_else(|| self.wrong("DTSTART", "", TIME_FORM))?;
        let end = self.times("DTEND", &start.zone)?.into_iter().next();
        let length = match (&end, self.text("DURATION")) {
            (Some(end), _) if end.is_day != start.is_day => {
                return Err(self.wrong(
                    "DTEND",
                    &self.raw("DTEND"),
                    "a day if DTSTART is a day, a time if it is a time",
                ));
            }
            (Some(end), _) if end.zone == start.zone => end.local - start.local,
            (Some(end), _) => TimeDelta::milliseconds(end.instant() - start.instant()),
            (None, Some(text)) => {
                length(text).ok_or_else(|| self.wrong("DURATION", text, "a length such as PT2H or P1D"))?
            }
            (None, None) if start.is_day => TimeDelta::days(1),
            // What is called off does not have to say how long it would have been.
            (None, None) if is_cancelled => TimeDelta::zero(),
            (None, None) => return Err(self.wrong("DTEND", "", "a time at which it is over, or DURATION")),
        };
        if length <= TimeDelta::zero() && !is_cancelled {
            let found = if end.is_some() { self.raw("DTEND") } else { self.raw("DURATION") };
            return Err(self.wrong("DTEND", &found, format!("a time after DTSTART {}", self.raw("DTSTART"))));
        }
        let recurrence = self.times("RECURRENCE-ID", &start.zone)?.into_iter().next().map(|when| when.instant());
        let all = self.all("CATEGORIES");
        let categories = all.iter().flat_map(|one| one.val.as_str().split(','));
        Ok(One {
            line: self.line,
            uid: uid.to_owned(),
            title: title_of(self.text("SUMMARY").unwrap_or_default()),
            categories: categories.map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).take(20).collect(),
            recurrence,
            is_cancelled,
            more: self.times("RDATE", &start.zone)?,
            except: self.times("EXDATE", &start.zone)?,
            start,
            length,
            rule: self.text("RRULE").map(str::to_owned),
        })
    }

    fn raw(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }
}

/// A summary as a title: on one line and no longer than one may be.
fn title_of(summary: &str) -> String {
    let words: Vec<&str> =
        summary.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let title: String = words.join(" ").chars().take(headroom_domain::slug::MAX_NAME).collect();
    if title.is_empty() { "Event without a title".to_owned() } else { title }
}

/// Reads a calendar: what takes place around `now`. Whole days, and times without a zone, are those of `zone`.
///
/// # Errors
/// Why nothing of it can be read.
pub fn read(content: &[u8], zone: &str, now: Millis) -> Result<Read, Fault> {
    if content.len() > MOST_BYTES {
        let found = format!("{} bytes", content.len());
        return Err(fault(1, "", &found, format!("a file of at most {MOST_BYTES} bytes: split it")));
    }
    let text = std::str::from_utf8(content).map_err(|problem| {
        let line = memchr::memchr_iter(b'\n', content.get(..problem.valid_up_to()).unwrap_or_default()).count() + 1;
        fault(line, "", "", "text in UTF-8")
    })?;
    let mut read = Read::default();
    let (frame, blocks) = blocks(text.trim_start_matches('\u{feff}'), &mut read.faults)?;
    let zone = frame.zone.as_deref().unwrap_or(zone);
    let mut ones = Vec::new();
    for block in &blocks {
        match one(block, zone) {
            Ok(mut one) => {
                one.is_cancelled |= frame.cancels;
                ones.push(one);
            }
            Err(fault) => read.faults.push(fault),
        }
    }
    read.name = frame.name;
    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    let (singles, masters): (Vec<One>, Vec<One>) = ones.into_iter().partition(|one| one.recurrence.is_some());
    let mut total = 0;
    for one in masters {
        let of = one.title.clone();
        if series.contains_key(&one.uid) {
            read.faults.push(Fault { of, ..fault(one.line, "UID", &one.uid, "a UID that the file has once") });
            continue;
        }
        match occurrences(&one, now) {
            Ok((found, outside)) => {
                read.outside += outside;
                total += found.len();
                if total > MOST_OCCURRENCES {
                    let expected = format!("a file that comes to at most {MOST_OCCURRENCES} occurrences: split it");
                    return Err(Fault { of, ..fault(one.line, "RRULE", "", expected) });
                }
                series.insert(one.uid.clone(), whole(&one, found));
            }
            Err(expected) => {
                let rule = one.rule.as_deref().unwrap_or_default();
                read.faults.push(Fault { of, ..fault(one.line, "RRULE", rule, expected) });
            }
        }
    }
    for one in singles {
        let Some(named) = one.recurrence else { continue };
        let entry =
            series.entry(one.uid.clone()).or_insert_with(|| Series { is_partial: true, ..whole(&one, Vec::new()) });
        entry.occurrences.retain(|occurrence| occurrence.occurrence_ms != named);
        if one.is_cancelled {
            entry.cancelled.insert(named);
            entry.is_cancelled &= !entry.is_partial;
            continue;
        }
        let start = one.start.instant();
        if (start - now).abs() > AROUND_MS {
            read.outside += 1;
            continue;
        }
        entry.occurrences.push(at(&one, named, one.start.local));
        entry.occurrences.sort_by_key(|occurrence| occurrence.start_ms);
    }
    read.series = series.into_values().collect();
    read.series.sort_by_key(|series| series.line);
    read.faults.sort_by_key(|fault| fault.line);
    Ok(read)
}

fn one(block: &Block, zone: &str) -> Result<One, Fault> {
    let parsed = read_components(&block.text);
    let component = parsed.as_ref().ok().and_then(|components| components.first());
    let summary = |component: &Parsed<'_>| {
        let is_summary = |property: &&Property<'_>| property.name.as_str().eq_ignore_ascii_case("SUMMARY");
        component.properties.iter().find(is_summary).map(|property| title_of(property.val.as_str()))
    };
    let of = component.and_then(summary).unwrap_or_default();
    if let Some((line, expected)) = &block.broken {
        return Err(Fault { of, ..fault(*line, "VEVENT", "", expected.clone()) });
    }
    let Some(component) = component else {
        return Err(fault(block.line, "VEVENT", "", "a component whose lines can be read: NAME;PARAMETER=value:value"));
    };
    Reader { component, line: block.line, of }.read(zone)
}

fn whole(one: &One, occurrences: Vec<Occurrence>) -> Series {
    Series {
        uid: one.uid.clone(),
        line: one.line,
        zone: one.start.zone.clone(),
        is_cancelled: one.is_cancelled,
        is_partial: false,
        occurrences: if one.is_cancelled { Vec::new() } else { occurrences },
        cancelled: BTreeSet::new(),
    }
}

fn at(one: &One, occurrence_ms: Millis, local: NaiveDateTime) -> Occurrence {
    let end = local.checked_add_signed(one.length).unwrap_or(local);
    Occurrence {
        occurrence_ms,
        start_ms: instant(local, &one.start.zone),
        end_ms: instant(end, &one.start.zone),
        title: one.title.clone(),
        categories: one.categories.clone(),
        line: one.line,
    }
}

/// The occurrences of an event around now, and how many lie too far away.
fn occurrences(one: &One, now: Millis) -> Result<(Vec<Occurrence>, usize), String> {
    let slice = zones::slice(&one.start.zone, now - AROUND_MS, now + AROUND_MS).unwrap_or_else(ZoneSlice::utc);
    let (from, to) = (slice.local(now - AROUND_MS), slice.local(now + AROUND_MS));
    let mut locals: BTreeSet<NaiveDateTime> = match &one.rule {
        Some(rule) => recur::starts(one.start.local, rule, from, to)?.into_iter().collect(),
        None => BTreeSet::from([one.start.local]),
    };
    locals.extend(
        one.more.iter().map(|when| if when.zone == one.start.zone { when.local } else { slice.local(when.instant()) }),
    );
    let all = locals.len();
    locals.retain(|local| *local >= from && *local < to);
    let outside = all - locals.len();
    // Each is looked up once, however many exceptions there are.
    let (days, times): (Vec<&When>, Vec<&When>) = one.except.iter().partition(|when| when.is_day);
    let days: BTreeSet<NaiveDate> = days.into_iter().map(|when| when.local.date()).collect();
    let times: BTreeSet<Millis> = times.into_iter().map(When::instant).collect();
    locals.retain(|local| {
        !days.contains(&local.date()) && (times.is_empty() || !times.contains(&instant(*local, &one.start.zone)))
    });
    Ok((locals.into_iter().map(|local| at(one, instant(local, &one.start.zone), local)).collect(), outside))
}

fn utc(at: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(at).unwrap_or_default().format("%Y%m%dT%H%M%SZ").to_string()
}

/// The calendar as a file: an event each, with the pool it is about and what it does.
pub fn write(events: &[(Stored, String)]) -> String {
    let mut calendar = Calendar::new();
    calendar.name("Events of Headroom");
    for (stored, pool) in events {
        let mut event = Event::new();
        event.uid(&format!("{}@headroom", stored.id));
        event.summary(&stored.title);
        event.description(&format!("{pool}: {}", stored.event.effect.says()));
        event.status(EventStatus::Confirmed);
        event.sequence(u32::try_from(stored.version).unwrap_or_default());
        event.add_property("DTSTAMP", utc(stored.updated_ms));
        event.add_property("LAST-MODIFIED", utc(stored.updated_ms));
        event.add_property("DTSTART", utc(stored.event.start_ms));
        event.add_property("DTEND", utc(stored.event.end_ms));
        event.add_multi_property("CATEGORIES", &stored.event.tag);
        calendar.push(event.done());
    }
    calendar.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27T00:00:00Z.
    const NOW: Millis = 1_795_737_600_000;

    fn file(events: &[&str]) -> String {
        let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME:Shop\r\n".to_owned();
        for event in events {
            text.push_str("BEGIN:VEVENT\r\n");
            text.push_str(&event.replace('\n', "\r\n"));
            text.push_str("\r\nEND:VEVENT\r\n");
        }
        text + "END:VCALENDAR\r\n"
    }

    fn good(events: &[&str]) -> Read {
        let read = read(file(events).as_bytes(), "Europe/Berlin", NOW).unwrap();
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        read
    }

    fn starts(series: &Series) -> Vec<String> {
        series.occurrences.iter().map(|one| headroom_domain::range::rfc3339(one.start_ms)).collect()
    }

    #[test]
    fn whole_days_are_those_of_the_deployment_and_times_those_of_their_zone() {
        let read = good(&[
            "UID:1\nSUMMARY:Black\n  Friday\\, sale\nCATEGORIES:Sale,Shop\nDTSTART;VALUE=DATE:20261127\nDTEND;VALUE=DATE:20261128",
            "UID:2\nSUMMARY:Launch\nDTSTART;TZID=America/New_York:20261201T090000\nDURATION:PT1H30M",
            "UID:3\nSUMMARY:UTC\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
            "UID:4\nSUMMARY:Path\nDTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20261201T090000\nDTEND:20261201T093000Z",
            "UID:5\nSUMMARY:One day\nDTSTART:20261224",
            "UID:6\nSUMMARY:As Windows says\nDTSTART;TZID=\"W. Europe Standard Time\":20261201T090000\nDTEND;TZID=Eastern Standard Time:20261201T090000",
        ]);
        assert_eq!(read.name, "Shop");
        let first = &read.series[0].occurrences[0];
        assert_eq!(
            (first.title.as_str(), first.categories.clone()),
            ("Black Friday, sale", vec!["Sale".to_owned(), "Shop".into()])
        );
        assert_eq!((first.start_ms, first.end_ms - first.start_ms), (NOW - 3_600_000, DAY_MS));
        assert_eq!(starts(&read.series[1]), ["2026-12-01T14:00:00Z"]);
        assert_eq!(read.series[1].occurrences[0].end_ms - read.series[1].occurrences[0].start_ms, 5_400_000);
        assert_eq!(starts(&read.series[2]), ["2026-12-01T09:00:00Z"]);
        assert_eq!(read.series[3].occurrences[0].end_ms - read.series[3].occurrences[0].start_ms, 5_400_000);
        assert_eq!(starts(&read.series[4]), ["2026-12-23T23:00:00Z"]);
        assert_eq!(starts(&read.series[5]), ["2026-12-01T08:00:00Z"]);
        assert_eq!(read.series[5].occurrences[0].end_ms - read.series[5].occurrences[0].start_ms, 6 * 3_600_000);
    }

    #[test]
    fn series_are_worked_out_over_changes_of_clocks_with_what_is_moved_and_what_is_called_off() {
        let read = good(&[
            "UID:w\nSUMMARY:Batch\nDTSTART;TZID=Europe/Berlin:20260323T090000\nDTEND;TZID=Europe/Berlin:20260323T100000\nRRULE:FREQ=WEEKLY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20260330T090000",
            "UID:w\nSUMMARY:Batch moved\nRECURRENCE-ID;TZID=Europe/Berlin:20260406T090000\nDTSTART;TZID=Europe/Berlin:20260407T090000\nDTEND;TZID=Europe/Berlin:20260407T100000",
            "UID:w\nSUMMARY:Batch\nSTATUS:CANCELLED\nRECURRENCE-ID;TZID=Europe/Berlin:20260413T090000\nDTSTART;TZID=Europe/Berlin:20260413T090000",
            "UID:y\nSUMMARY:Christmas\nDTSTART;VALUE=DATE:20001224\nRRULE:FREQ=YEARLY",
            "UID:off\nSUMMARY:Off\nSTATUS:CANCELLED\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
            "UID:old\nSUMMARY:Old\nDTSTART:20191201T090000Z\nDTEND:20191201T100000Z",
        ]);
        let [weekly, yearly, off, old] = &read.series[..] else { panic!("{:?}", read.series) };
        // Clocks went forward on 29 March.
        assert_eq!(starts(weekly), ["2026-03-23T08:00:00Z", "2026-04-07T07:00:00Z"]);
        assert_eq!(weekly.occurrences[1].title, "Batch moved");
        assert_eq!(weekly.cancelled.len(), 1);
        assert_eq!(starts(yearly), ["2025-12-23T23:00:00Z", "2026-12-23T23:00:00Z", "2027-12-23T23:00:00Z"]);
        assert!(off.is_cancelled && off.occurrences.is_empty());
        assert!(old.occurrences.is_empty() && !old.is_cancelled);
        assert_eq!(read.outside, 1);
        let all = file(&["UID:1\nSUMMARY:x\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z"])
            .replace("VERSION", "METHOD:CANCEL\r\nVERSION");
        assert!(super::read(all.as_bytes(), "UTC", NOW).unwrap().series[0].is_cancelled);
    }

    #[test]
    fn what_is_broken_is_named_by_line_and_component_and_the_rest_is_read() {
        let read = read(
            file(&[
                "UID:good\nSUMMARY:Good\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
                "UID:b\nSUMMARY:Backwards\nDTSTART:20261201T090000Z\nDTEND:20261201T080000Z",
                "UID:c\nSUMMARY:When\nDTSTART:tomorrow\nDTEND:20261201T080000Z",
                "UID:d\nSUMMARY:Where\nDTSTART;TZID=Middle Earth Standard Time:20261201T090000\nDURATION:PT1H",
                "SUMMARY:Nameless\nDTSTART:20261201T090000Z\nDURATION:PT1H",
                "UID:f\nSUMMARY:Often\nDTSTART:20261201T090000Z\nDURATION:PT1M\nRRULE:FREQ=MINUTELY",
                "UID:good\nSUMMARY:Again\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
                "UID:h\nSUMMARY:Garbage\nthis is no line\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
                "UID:i\nSUMMARY:No end\nDTSTART:20261201T090000Z",
                "UID:j\nSUMMARY:Mixed\nDTSTART:20261201\nDTEND:20261201T100000Z",
                "UID:k\nSUMMARY:Long\nDTSTART:20261201T090000Z\nDURATION:1 hour",
            ])
            .as_bytes(),
            "UTC",
            NOW,
        )
        .unwrap();
        assert_eq!(read.series.len(), 1);
        let told: Vec<(usize, &str, &str)> =
            read.faults.iter().map(|fault| (fault.line, fault.of.as_str(), fault.field.as_str())).collect();
        assert_eq!(
            told,
            [
                (10, "Backwards", "DTEND"),
                (16, "When", "DTSTART"),
                (22, "Where", "DTSTART"),
                (28, "Nameless", "UID"),
                (33, "Often", "RRULE"),
                (40, "Again", "UID"),
                (49, "Garbage", "VEVENT"),
                (53, "No end", "DTEND"),
                (58, "Mixed", "DTEND"),
                (64, "Long", "DURATION"),
            ]
        );
        assert!(read.faults.iter().all(|fault| !fault.expected.is_empty()));
    }

    #[test]
    fn files_that_are_none_are_refused_whole_and_cut_ones_say_where() {
        for (text, line) in [("", 1), ("hello", 1), ("\n\nBEGIN:VEVENT\n", 3), ("PK\u{3}\u{4}", 1)] {
            assert_eq!(read(text.as_bytes(), "UTC", NOW).unwrap_err().line, line, "{text:?}");
        }
        assert_eq!(read(b"BEGIN:VCALENDAR\nX:\xff\xfe\n", "UTC", NOW).unwrap_err().line, 2);
        assert!(read(&vec![b' '; MOST_BYTES + 1], "UTC", NOW).is_err());
        for text in [
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n",
            "BEGIN:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nEND:VEVENT\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nmore\n",
            "BEGIN:VCALENDAR\nwhat\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR",
        ] {
            let read = read(text.as_bytes(), "UTC", NOW).unwrap();
            assert!(!read.faults.is_empty() && read.series.is_empty(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn lengths_are_read() {
        for (text, seconds) in
            [("PT2H", 7_200), ("P1D", 86_400), ("P2W", 1_209_600), ("P1DT1H30M15S", 91_815), ("+PT1S", 1)]
        {
            assert_eq!(length(text), TimeDelta::try_seconds(seconds), "{text}");
        }
        for text in ["", "P", "PT", "1H", "P1H", "PT1D2", "P99999999D", "-PT1H", "PTT1H", "PH"] {
            assert_eq!(length(text), None, "{text}");
        }
    }
}
