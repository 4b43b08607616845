//! Terms as text, field by field: files, forms and spreadsheets. What is written here is read back as it was.

use super::Fault;
use super::change::Field;
use super::terms::{Override, REPEAT_FORM, Shrink, Terms};
use super::wall::WALL_FORM;
use crate::reservation::ReservationKind;
use chrono::NaiveDate;
use std::str::FromStr;

/// Reads terms from what each field says; nothing or blanks are left out.
///
/// # Errors
/// Every field that cannot be read, and what [`Terms::faults`] finds if all can.
pub fn read(get: impl Fn(Field) -> Option<String>) -> Result<Terms, Vec<Fault>> {
    let mut reader = Reader { get, faults: Vec::new() };
    let terms = Terms {
        name: reader.needed(Field::Name, "a name: a-z, 0-9 and hyphens inside"),
        tenant: reader.needed(Field::Tenant, "the slug of a tenant"),
        kind: reader.parsed(Field::Kind, "guaranteed or burst").unwrap_or(ReservationKind::Guaranteed),
        start: reader.parsed_needed(Field::Start, WALL_FORM).unwrap_or_else(nothing),
        end: reader.parsed(Field::End, WALL_FORM),
        zone: reader.needed(Field::Zone, "an IANA time zone such as Europe/Berlin"),
        repeat: reader.parsed(Field::Repeat, REPEAT_FORM),
        except: reader.list(Field::Except, "days such as 2026-12-24 with blanks between", |text| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
        }),
        slots: reader.parsed_needed(Field::Slots, WHOLE).unwrap_or(1),
        ceiling: reader.parsed(Field::Ceiling, WHOLE),
        lending_limit: reader.parsed(Field::Lending, WHOLE),
        borrowing_limit: reader.parsed(Field::Borrowing, WHOLE),
        lead_minutes: reader.parsed(Field::Lead, MINUTES).unwrap_or(0),
        release_after_minutes: reader.parsed(Field::Release, MINUTES),
        priority: reader.parsed(Field::Priority, "a whole number, 0 to 9"),
        shrink: reader.parsed(Field::Shrinking, "refuse, drain or reclaim").unwrap_or(Shrink::Refuse),
        drain_until: reader.parsed(Field::DrainUntil, WALL_FORM),
        overrides: reader.list(
            Field::Overrides,
            "temporary changes such as 2026-11-28T00:00/2026-11-29T00:00=40 with blanks between",
            |text| Override::from_str(text).ok(),
        ),
        note: reader.text(Field::Note).unwrap_or_default(),
    };
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let faults = terms.faults();
    if faults.is_empty() { Ok(terms) } else { Err(faults) }
}

const WHOLE: &str = "a whole number of slots";
const MINUTES: &str = "a whole number of minutes";

/// Stands for a start that cannot be read; the terms are not given out then.
fn nothing() -> super::wall::Wall {
    super::wall::Wall::new(chrono::NaiveDateTime::default())
}

struct Reader<G> {
    get: G,
    faults: Vec<Fault>,
}

impl<G: Fn(Field) -> Option<String>> Reader<G> {
    fn text(&self, field: Field) -> Option<String> {
        (self.get)(field).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn fault(&mut self, field: Field, found: &str, expected: &str) {
        let found: String = found.chars().take(80).collect();
        self.faults.push(Fault::new(field.as_str(), found, expected));
    }

    fn needed(&mut self, field: Field, expected: &str) -> String {
        self.text(field).unwrap_or_else(|| {
            self.fault(field, "", expected);
            String::new()
        })
    }

    fn parsed<T: FromStr>(&mut self, field: Field, expected: &str) -> Option<T> {
        let text = self.text(field)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(field, &text, expected);
        }
        parsed
    }

    fn parsed_needed<T: FromStr>(&mut self, field: Field, expected: &str) -> Option<T> {
        if self.text(field).is_none() {
            self.fault(field, "", expected);
            return None;
        }
        self.parsed(field, expected)
    }

    fn list<T>(&mut self, field: Field, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(text) = self.text(field) else { return Vec::new() };
        let parts: Vec<&str> = text.split([' ', ',', '\n', '\r', '\t']).filter(|part| !part.is_empty()).collect();
        let read: Vec<T> = parts.iter().filter_map(|part| parse(part)).collect();
        if read.len() < parts.len() {
            self.fault(field, &text, expected);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::super::terms::tests::terms;
    use super::super::wall::Wall;
    use super::*;
    use chrono::{NaiveDateTime, TimeDelta};
    use proptest::prelude::*;

    fn back(terms: &Terms) -> Result<Terms, Vec<Fault>> {
        read(|field| Some(field.text(terms)))
    }

    #[test]
    fn all_that_cannot_be_read_is_told_at_once() {
        let wrong = |field: Field| match field {
            Field::Name => None,
            Field::Start => Some("tomorrow".to_owned()),
            Field::Slots => Some("4OO".to_owned()),
            Field::Repeat => Some("daily".to_owned()),
            Field::Except => Some("2026-12-24 christmas".to_owned()),
            _ => Some(field.text(&terms())),
        };
        let faults = read(wrong).expect_err("much is wrong");
        let told: Vec<_> = faults.iter().map(|fault| (fault.field, fault.found.as_str())).collect();
        assert_eq!(
            told,
            [
                ("name", ""),
                ("start", "tomorrow"),
                ("repeat", "daily"),
                ("except", "2026-12-24 christmas"),
                ("slots", "4OO")
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            start in 0_i64..4_000_000, length in prop::option::of(1_i64..100_000), slots in 1_i64..1_000_000,
            limits in prop::array::uniform3(prop::option::of(0_i64..1000)), small in prop::array::uniform3(prop::option::of(1_u32..2880)),
            priority in prop::option::of(0_u8..10), repeats in any::<bool>(), except in prop::collection::vec(0_u32..9000, 0..4),
            others in prop::collection::vec((0_i64..90_000, 1_i64..9000, 0_i64..100), 0..4), note in "[ -~]{0,60}", drains in any::<bool>(),
        ) {
            let at = |minutes: i64| Wall::new(NaiveDateTime::default() + TimeDelta::minutes(minutes));
            let repeats = repeats && length.is_some();
            let some = Terms {
                start: at(start),
                end: length.map(|length| at(start + length)),
                repeat: repeats.then(|| "FREQ=WEEKLY;BYDAY=MO,-1FR;UNTIL=20301231".parse().unwrap()),
                except: if repeats { except.iter().map(|d| NaiveDate::from_num_days_from_ce_opt(730_000 + *d as i32).unwrap()).collect() } else { Vec::new() },
                slots,
                ceiling: limits[0].map(|more| slots + more),
                lending_limit: limits[1].map(|less| (slots - less).max(0)),
                borrowing_limit: limits[2],
                lead_minutes: small[0].unwrap_or(0),
                release_after_minutes: small[1],
                priority,
                shrink: if drains { Shrink::Drain } else { Shrink::Reclaim },
                drain_until: drains.then(|| at(start + 5)),
                overrides: others.iter().map(|(from, length, slots)| Override { start: at(start + from), end: at(start + from + length), slots: *slots }).collect(),
                note: note.trim().to_owned(),
                ..terms()
            };
            prop_assert_eq!(back(&some), Ok(some));
        }
    }
}
