//! What terms come to, and how that is written.

use super::super::{AppError, Problem, Result};
use crate::zones;
use headroom_domain::plan::Fault;
use headroom_domain::plan::stretch::{self, Occurrence, Stretch};
use headroom_domain::plan::terms::Terms;
use headroom_domain::reservation::Promise;
use headroom_domain::series::{ceil, floor};
use headroom_domain::{DAY_MS, EARLIEST_MS, LATEST_MS, MINUTE_MS, Millis};
use headroom_store::reservation::{self, Fields, Stored};
use headroom_store::{StoreError, promise};
use sqlx::PgConnection;
use uuid::Uuid;

/// What repeats without an end is worked out for so many days.
const HORIZON_DAYS: i64 = 400;
/// What repeats with an end ends within so many days of its start: ten years.
const LONGEST_REPEAT_DAYS: i64 = 3_660;

/// What is worked out of terms.
#[derive(Debug, Clone)]
pub struct WorkedOut {
    /// Its occurrences.
    pub occurrences: Vec<Occurrence>,
    /// Slots over time.
    pub stretches: Vec<Stretch>,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after the last; `None` = until further notice.
    pub to_ms: Option<Millis>,
    /// It goes on beyond here.
    pub worked_out_to_ms: Option<Millis>,
}

/// What goes on without an end is worked out up to here: the same for all that is done on one day.
pub(super) fn horizon(now: Millis) -> Millis {
    floor(now, DAY_MS) + HORIZON_DAYS * DAY_MS
}

/// From here on a change holds: the next whole minute.
pub(super) fn cut(now: Millis) -> Millis {
    ceil(now, MINUTE_MS)
}

/// A fault as a problem of the field of something, such as `changes[0].`.
pub(super) fn problem(prefix: &str, fault: &Fault) -> Problem {
    Problem::new(format!("{prefix}{}", fault.field), &fault.found, fault.expected.clone())
}

/// Works terms out.
///
/// # Errors
/// Every field that is wrong.
pub fn work_out(terms: &Terms, now: Millis) -> Result<WorkedOut, Vec<Fault>> {
    let faults = terms.faults();
    if !faults.is_empty() {
        return Err(faults);
    }
    let wall = |local: chrono::NaiveDateTime| local.and_utc().timestamp_millis();
    let first = wall(terms.start.local);
    let in_time = |field, wall_ms: Millis, wall: &dyn ToString| {
        let is_in_time = (EARLIEST_MS..LATEST_MS).contains(&wall_ms);
        if is_in_time { Ok(()) } else { Err(vec![Fault::new(field, wall.to_string(), "a time from 1970 to 2199")]) }
    };
    in_time("start", first, &terms.start)?;
    let last = terms.end.map_or(first, |end| wall(end.local));
    if let Some(end) = terms.end {
        in_time("end", last, &end)?;
    }
    let goes_on = terms.is_open() && terms.repeat.is_some();
    let bound = first + LONGEST_REPEAT_DAYS * DAY_MS;
    let until = match (&terms.repeat, goes_on) {
        (Some(_), true) => horizon(now),
        (Some(_), false) => bound,
        (None, _) => LATEST_MS,
    };
    let reach = if terms.repeat.is_some() { until.max(last) } else { last };
    let Some(zone) = zones::slice(&terms.zone, first, reach) else {
        let expected = "an IANA time zone such as Europe/Berlin; `UTC` is one";
        return Err(vec![Fault::new("zone", &terms.zone, expected)]);
    };
    let occurrences = stretch::occurrences(terms, &zone, until)?;
    let stretches = stretch::stretches(terms, &zone, until)?;
    let over = |fault: Fault| Err(vec![fault]);
    let Some((earliest, latest)) = occurrences.first().zip(occurrences.last()) else {
        return over(Fault::new(
            "repeat",
            terms.repeat.as_ref().map_or(String::new(), ToString::to_string),
            "at least one occurrence",
        ));
    };
    if let Some(repeat) = terms.repeat.as_ref().filter(|_| !goes_on)
        && (repeat.until().is_some_and(|day| wall(day.and_time(chrono::NaiveTime::MIN)) > bound)
            || latest.from_ms > bound - 31 * DAY_MS)
    {
        return over(Fault::new("repeat", repeat, "an end within ten years of the start, or none"));
    }
    Ok(WorkedOut {
        from_ms: earliest.from_ms,
        to_ms: if terms.is_open() { None } else { latest.to_ms },
        worked_out_to_ms: goes_on.then_some(until),
        occurrences,
        stretches,
    })
}

/// Promises of a reservation from an instant on.
pub(super) fn promises(
    id: Uuid,
    pool: i32,
    tenant: i32,
    terms: &Terms,
    stretches: &[Stretch],
    from: Millis,
) -> Vec<promise::New> {
    let later = stretches.iter().filter(|s| s.to_ms.is_none_or(|to| to > from));
    later
        .map(|s| promise::New {
            id,
            reservation: Promise {
                pool,
                tenant,
                from_ms: s.from_ms.max(from),
                to_ms: s.to_ms,
                baseline: s.slots,
                // A temporary change has other slots than the limits were written for.
                ceiling: terms.ceiling.map(|ceiling| ceiling.max(s.slots)),
                lending_limit: if s.is_lead { Some(0) } else { terms.lending_limit.map(|limit| limit.min(s.slots)) },
                borrowing_limit: terms.borrowing_limit,
            },
            kind: terms.kind,
            is_lead: s.is_lead,
            priority: terms.priority.map(i16::from),
        })
        .collect()
}

/// Writes a reservation and what it comes to from an instant on; what was promised before stays. Returns its version.
pub(in super::super) async fn write(
    conn: &mut PgConnection,
    (id, pool, tenant): (Uuid, i32, i32),
    terms: &Terms,
    worked_out: &WorkedOut,
    from: Millis,
) -> Result<i32, StoreError> {
    let fields = Fields {
        id,
        pool,
        tenant,
        terms,
        from_ms: worked_out.from_ms,
        to_ms: worked_out.to_ms,
        worked_out_to_ms: worked_out.worked_out_to_ms,
    };
    let version = reservation::put(conn, &fields).await?;
    promise::end_at(conn, &[id], from).await?;
    promise::add(conn, &promises(id, pool, tenant, terms, &worked_out.stretches, from)).await?;
    Ok(version)
}

/// Works out further what repeats without an end, of a pool or of all. Returns how many reservations.
pub(super) async fn work_out_further(conn: &mut PgConnection, pool: Option<i32>, now: Millis) -> Result<usize> {
    let due = reservation::to_work_out(conn, pool, horizon(now)).await?;
    for stored in &due {
        let worked_out = work_out(&stored.terms, now).map_err(|faults| damaged(stored, &faults))?;
        let Some((from, to)) = stored.worked_out_to_ms.zip(worked_out.worked_out_to_ms) else { continue };
        // An occurrence that began before has been written whole.
        let begun = worked_out.occurrences.iter().rev().find(|o| o.from_ms < from).and_then(|o| o.to_ms);
        let from = begun.map_or(from, |end| end.max(from));
        let more = promises(stored.id, stored.pool, stored.tenant, &stored.terms, &worked_out.stretches, from);
        promise::add(conn, &more).await?;
        reservation::set_worked_out(conn, stored.id, to).await?;
    }
    Ok(due.len())
}

fn damaged(stored: &Stored, faults: &[Fault]) -> AppError {
    let told: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.found)).collect();
    AppError::Internal(format!("reservation {} cannot be worked out: {}", stored.id, told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Millis = 1_795_000_000_000; // 2026-11-18

    fn terms(changes: &Value) -> Terms {
        let mut value = json!({
            "name": "peak", "tenant": "acme", "start": "2026-11-28T00:00", "end": "2026-11-30T12:00",
            "zone": "Europe/Berlin", "slots": 100
        });
        value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn bad_terms_are_named_by_field() {
        for (field, changes) in [
            ("zone", json!({ "zone": "Mars/Olympus" })),
            ("end", json!({ "end": "2026-11-27T00:00" })),
            ("start", json!({ "start": "2026-03-29T02:30" })),
            ("start", json!({ "start": "1960-03-29T02:30" })),
            ("end", json!({ "end": "2300-03-29T02:30" })),
            ("repeat", json!({ "repeat": "FREQ=WEEKLY;UNTIL=20400101" })),
            ("repeat", json!({ "repeat": "FREQ=MONTHLY;INTERVAL=12;COUNT=20" })),
            ("repeat", json!({ "repeat": "FREQ=DAILY" })),
        ] {
            let faults = work_out(&terms(&changes), NOW).expect_err("something is wrong");
            assert_eq!(faults[0].field, field, "{faults:?}");
        }
    }

    #[test]
    fn what_goes_on_is_worked_out_to_a_horizon() {
        let weekly = work_out(&terms(&json!({ "repeat": "FREQ=WEEKLY" })), NOW).unwrap();
        assert_eq!((weekly.to_ms, weekly.worked_out_to_ms), (None, Some(horizon(NOW))));
        assert_eq!(weekly.occurrences.len(), 56);
        let ends = work_out(&terms(&json!({ "repeat": "FREQ=WEEKLY;COUNT=100" })), NOW).unwrap();
        assert_eq!((ends.worked_out_to_ms, ends.occurrences.len()), (None, 100));
        let open = work_out(&terms(&json!({ "end": null })), NOW).unwrap();
        assert_eq!((open.to_ms, open.worked_out_to_ms, open.stretches.len()), (None, None, 1));
    }
}
