use super::*;
use crate::localtime::{Transition, ZoneSlice};
use crate::{DAY_MS, HOUR_MS, MINUTE_MS};
use chrono::NaiveDateTime;
use proptest::prelude::*;

/// 2026-03-29T01:00:00Z: Berlin's clocks go from 02:00 to 03:00.
const SPRING: Millis = 1_774_746_000_000;
/// 2026-10-25T01:00:00Z: Berlin's clocks go from 03:00 to 02:00.
const AUTUMN: Millis = 1_792_890_000_000;

fn zone_of(name: &str, first: (i32, &str), changes: &[(Millis, i32, &str)]) -> ZoneSlice {
    let transition = |utc_ms, offset_s, abbr: &str| Transition { utc_ms, offset_s, abbr: abbr.into() };
    let mut all = vec![transition(0, first.0, first.1)];
    all.extend(changes.iter().map(|(utc_ms, offset_s, abbr)| transition(*utc_ms, *offset_s, abbr)));
    ZoneSlice::new(name, all)
}

fn berlin() -> ZoneSlice {
    zone_of("Europe/Berlin", (3_600, "CET"), &[(SPRING, 7_200, "CEST"), (AUTUMN, 3_600, "CET")])
}

fn who(name: &str) -> Person {
    Person { id: name.to_owned(), name: name.to_owned() }
}

fn time(text: &str) -> TimeOfDay {
    text.parse().expect(text)
}

fn utc(text: &str) -> Millis {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").expect(text).and_utc().timestamp_millis()
}

fn layer(people: &str, start: &str, hand_over: HandOver) -> Layer {
    let people = people.split(' ').filter(|name| !name.is_empty()).map(who).collect();
    Layer { people, start: start.parse().expect(start), hand_over, only: Vec::new() }
}

fn daily(at: &str) -> HandOver {
    HandOver::Day { at: time(at) }
}

fn weekly(weekday: Weekday, at: &str) -> HandOver {
    HandOver::Week { weekday, at: time(at) }
}

fn window(weekdays: &[Weekday], from: &str, until: &str) -> Window {
    Window { weekdays: weekdays.to_vec(), from: time(from), until: time(until) }
}

fn over(person: &str, from: &str, until: &str) -> Override {
    Override { person: who(person), from_ms: utc(from), until_ms: utc(until), note: String::new() }
}

fn rota(layers: Vec<Layer>) -> Rota {
    Rota { zone: "Europe/Berlin".into(), layers, overrides: Vec::new() }
}

/// `ann 29 00:00-06:00 L0`, day and times in UTC.
fn shown(shifts: &[Shift]) -> Vec<String> {
    let text = |at: Millis| rfc3339(at)[8..16].replace('T', " ");
    shifts
        .iter()
        .map(|shift| {
            let by = match shift.by {
                By::Layer(number) => format!("L{number}"),
                By::Override(number) => format!("O{number}"),
            };
            format!("{} {} - {} {by}", shift.person.id, text(shift.from_ms), text(shift.to_ms))
        })
        .collect()
}

fn spans(gaps: &[Span]) -> Vec<String> {
    let text = |at: Millis| rfc3339(at)[8..16].replace('T', " ");
    gaps.iter().map(|gap| format!("{} - {}", text(gap.from_ms), text(gap.to_ms))).collect()
}

#[test]
fn a_day_of_a_rota_has_the_hours_that_clocks_give_it() {
    let one = rota(vec![layer("ann bob cem", "2026-01-01T08:00", daily("08:00"))]);
    let hours = |from: &str, to: &str| -> Vec<i64> {
        let shifts = one.shifts(utc(from), utc(to), &berlin());
        shifts.iter().map(|shift| (shift.to_ms - shift.from_ms) / HOUR_MS).collect()
    };
    assert_eq!(hours("2026-03-27T07:00", "2026-03-30T06:00"), [24, 23, 24]);
    assert_eq!(hours("2026-10-23T06:00", "2026-10-26T07:00"), [24, 25, 24]);
}

#[test]
fn a_week_of_a_rota_has_the_hours_that_clocks_give_it() {
    let one = rota(vec![layer("ann bob", "2026-03-02T09:00", weekly(Weekday::Mon, "09:00"))]);
    let shifts = one.shifts(utc("2026-03-16T08:00"), utc("2026-04-06T07:00"), &berlin());
    assert_eq!(
        shown(&shifts),
        ["ann 16 08:00 - 23 08:00 L0", "bob 23 08:00 - 30 07:00 L0", "ann 30 07:00 - 06 07:00 L0"]
    );
    assert_eq!((shifts[1].to_ms - shifts[1].from_ms) / HOUR_MS, 7 * 24 - 1);
    let autumn = one.shifts(utc("2026-10-19T07:00"), utc("2026-10-26T08:00"), &berlin());
    assert_eq!((autumn.len(), (autumn[0].to_ms - autumn[0].from_ms) / HOUR_MS), (1, 7 * 24 + 1));
}

#[test]
fn a_hand_over_that_clocks_leave_out_or_show_twice() {
    let at_half_past_two = rota(vec![layer("ann bob", "2026-01-01T02:30", daily("02:30"))]);
    // 02:30 is left out: 03:00 summer time, the first instant after the gap.
    let spring = at_half_past_two.shifts(utc("2026-03-28T01:30"), utc("2026-03-30T00:30"), &berlin());
    assert_eq!(shown(&spring), ["ann 28 01:30 - 29 01:00 L0", "bob 29 01:00 - 30 00:30 L0"]);
    // 02:30 comes twice: the first time, summer time.
    let autumn = at_half_past_two.shifts(utc("2026-10-24T00:30"), utc("2026-10-26T01:30"), &berlin());
    assert_eq!(shown(&autumn), ["ann 24 00:30 - 25 00:30 L0", "bob 25 00:30 - 26 01:30 L0"]);
    // Between the two, and when clocks show an earlier time than the hand-over that was.
    for (at, expected) in [("2026-10-25T00:29", "ann"), ("2026-10-25T00:30", "bob"), ("2026-10-25T01:10", "bob")] {
        let on_call = at_half_past_two.on_call(utc(at), &berlin()).expect("always somebody");
        assert_eq!(on_call.person.id, expected, "{at}");
    }
    // A turn that lies in the hour that is left out is none; the next one has its own time.
    let hourly = rota(vec![layer("ann bob cem", "2026-03-28T00:00", HandOver::Hours { hours: 1 })]);
    let spring = hourly.shifts(utc("2026-03-29T00:00"), utc("2026-03-29T03:00"), &berlin());
    assert_eq!(
        shown(&spring),
        ["bob 29 00:00 - 29 01:00 L0", "ann 29 01:00 - 29 02:00 L0", "bob 29 02:00 - 29 03:00 L0"]
    );
}

#[test]
fn turns_are_counted_from_the_start() {
    for (name, hand_over, start, at, expected) in [
        ("before the start", daily("08:00"), "2026-05-04T12:00", "2026-05-04T09:59", None),
        ("the first, shorter turn", daily("08:00"), "2026-05-04T12:00", "2026-05-04T10:00", Some("ann")),
        ("its end", daily("08:00"), "2026-05-04T12:00", "2026-05-05T06:00", Some("bob")),
        ("a start before the time of day", daily("08:00"), "2026-05-04T07:00", "2026-05-04T06:00", Some("bob")),
        ("a start at the time of day", daily("08:00"), "2026-05-04T08:00", "2026-05-04T06:00", Some("ann")),
        (
            "a week begins on a Wednesday",
            weekly(Weekday::Mon, "09:00"),
            "2026-05-06T00:00",
            "2026-05-11T06:59",
            Some("ann"),
        ),
        ("and ends on Monday", weekly(Weekday::Mon, "09:00"), "2026-05-06T00:00", "2026-05-11T07:00", Some("bob")),
        (
            "a week begins earlier on its day",
            weekly(Weekday::Mon, "09:00"),
            "2026-05-04T08:00",
            "2026-05-04T07:00",
            Some("bob"),
        ),
        ("the third week", weekly(Weekday::Mon, "09:00"), "2026-05-04T09:00", "2026-05-18T07:00", Some("cem")),
        (
            "from the beginning again",
            weekly(Weekday::Mon, "09:00"),
            "2026-05-04T09:00",
            "2026-05-25T07:00",
            Some("ann"),
        ),
        ("twelve hours", HandOver::Hours { hours: 12 }, "2026-05-04T08:00", "2026-05-04T18:00", Some("bob")),
        ("and twelve more", HandOver::Hours { hours: 12 }, "2026-05-04T08:00", "2026-05-05T06:00", Some("cem")),
        // 13,272 days, which is a multiple of three.
        ("years later", daily("08:00"), "1990-01-01T08:00", "2026-05-04T06:00", Some("ann")),
        ("and the day before", daily("08:00"), "1990-01-01T08:00", "2026-05-04T05:59", Some("cem")),
    ] {
        let one = rota(vec![layer("ann bob cem", start, hand_over)]);
        let found = one.on_call(utc(at), &berlin()).map(|on_call| on_call.person.id.as_str());
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_higher_layer_and_an_override_count_more() {
    let mut one = rota(vec![
        layer("ann bob", "2026-05-04T08:00", daily("08:00")),
        Layer {
            only: vec![window(&[], "12:00", "14:00")],
            ..layer("day", "2026-05-04T00:00", weekly(Weekday::Mon, "00:00"))
        },
    ]);
    one.overrides.push(over("eve", "2026-05-05T04:00", "2026-05-05T11:00"));
    one.overrides.push(over("fay", "2026-05-05T05:00", "2026-05-05T06:00"));
    let shifts = one.shifts(utc("2026-05-04T22:00"), utc("2026-05-05T22:00"), &berlin());
    assert_eq!(
        shown(&shifts),
        [
            "ann 04 22:00 - 05 04:00 L0",
            "eve 05 04:00 - 05 05:00 O0",
            "fay 05 05:00 - 05 06:00 O1",
            "eve 05 06:00 - 05 11:00 O0", // over the hand-over at 06:00 UTC, and into the window of the higher layer
            "day 05 11:00 - 05 12:00 L1",
            "bob 05 12:00 - 05 22:00 L0",
        ]
    );
    let at = |text: &str| one.on_call(utc(text), &berlin()).map(|on_call| (on_call.person.id.as_str(), on_call.by));
    assert_eq!(at("2026-05-05T05:30"), Some(("fay", By::Override(1))));
    assert_eq!(at("2026-05-05T10:59"), Some(("eve", By::Override(0))));
    assert_eq!(at("2026-05-05T11:00"), Some(("day", By::Layer(1))));
    one.forget_overrides(utc("2026-05-05T06:00"));
    assert_eq!(one.overrides.iter().map(|one| one.person.id.as_str()).collect::<Vec<_>>(), ["eve"]);
}

#[test]
fn windows_may_reach_over_midnight_and_over_changes_of_clocks() {
    use Weekday::{Fri, Sat, Sun};
    let night = |weekdays: &[Weekday], from: &str, until: &str| {
        rota(vec![Layer {
            only: vec![window(weekdays, from, until)],
            ..layer("ann", "2026-01-01T00:00", daily("00:00"))
        }])
    };
    for (name, one, from, to, expected) in [
        (
            "Friday night ends on Saturday",
            night(&[Fri], "22:00", "06:00"),
            "2026-05-07T22:00",
            "2026-05-09T22:00",
            vec!["ann 08 20:00 - 09 04:00 L0"],
        ),
        (
            "seen from the middle of it",
            night(&[Fri], "22:00", "06:00"),
            "2026-05-09T01:00",
            "2026-05-09T02:00",
            vec!["ann 09 01:00 - 09 02:00 L0"],
        ),
        (
            "seven hours in spring",
            night(&[Sat], "22:00", "06:00"),
            "2026-03-28T00:00",
            "2026-03-30T00:00",
            vec!["ann 28 21:00 - 29 04:00 L0"],
        ),
        (
            "nine hours in autumn",
            night(&[Sat], "22:00", "06:00"),
            "2026-10-24T00:00",
            "2026-10-26T00:00",
            vec!["ann 24 20:00 - 25 05:00 L0"],
        ),
        (
            "an end that clocks leave out",
            night(&[Sat], "22:00", "02:30"),
            "2026-03-28T00:00",
            "2026-03-30T00:00",
            vec!["ann 28 21:00 - 29 01:00 L0"],
        ),
        (
            "a window that clocks leave out",
            night(&[Sun], "02:10", "02:50"),
            "2026-03-28T00:00",
            "2026-03-30T00:00",
            vec![],
        ),
        (
            "a whole day from time to time",
            night(&[Sat], "12:00", "12:00"),
            "2026-05-08T00:00",
            "2026-05-11T00:00",
            vec!["ann 09 10:00 - 10 10:00 L0"],
        ),
        (
            "two days that touch are one shift",
            night(&[Sat, Sun], "00:00", "00:00"),
            "2026-05-08T00:00",
            "2026-05-11T00:00",
            vec!["ann 08 22:00 - 10 22:00 L0"],
        ),
    ] {
        assert_eq!(shown(&one.shifts(utc(from), utc(to), &berlin())), expected, "{name}");
    }
}

#[test]
fn turns_change_inside_a_window() {
    let one = rota(vec![Layer {
        only: vec![window(&[], "20:00", "08:00")],
        ..layer("ann bob", "2026-05-04T00:00", daily("00:00"))
    }]);
    let shifts = one.shifts(utc("2026-05-04T12:00"), utc("2026-05-05T12:00"), &berlin());
    assert_eq!(shown(&shifts), ["ann 04 18:00 - 04 22:00 L0", "bob 04 22:00 - 05 06:00 L0"]);
    let gaps = one.gaps(utc("2026-05-04T12:00"), utc("2026-05-05T12:00"), &berlin());
    assert_eq!(spans(&gaps), ["04 12:00 - 04 18:00", "05 06:00 - 05 12:00"]);
}

#[test]
fn clocks_that_are_put_back_over_midnight() {
    // At 00:30 local time on 1 May, clocks go back to 23:30 of 30 April: the first of May begins, is left, and comes again.
    let zone = zone_of("Odd/Zone", (3_600, "OST"), &[(utc("2026-04-30T23:30"), 0, "OWT")]);
    let one = rota(vec![Layer {
        only: vec![window(&[Weekday::Fri], "00:10", "06:00")],
        ..layer("ann", "2026-01-01T00:00", daily("00:00"))
    }]);
    let shifts = one.shifts(utc("2026-04-30T12:00"), utc("2026-05-01T12:00"), &zone);
    assert_eq!(shown(&shifts), ["ann 30 23:10 - 01 06:00 L0"]);
    for (at, expected) in [("2026-04-30T23:09", false), ("2026-04-30T23:10", true), ("2026-04-30T23:45", true)] {
        assert_eq!(one.on_call(utc(at), &zone).is_some(), expected, "{at}");
    }
}

#[test]
fn a_day_that_a_zone_leaves_out() {
    // Samoa went from 29 December 2011 to the 31st.
    let jump = utc("2011-12-30T10:00");
    let zone = zone_of("Pacific/Apia", (-10 * 3_600, "-10"), &[(jump, 14 * 3_600, "+14")]);
    let one = rota(vec![layer("ann bob cem", "2011-12-27T08:00", daily("08:00"))]);
    let shifts = one.shifts(utc("2011-12-29T18:00"), utc("2011-12-31T18:00"), &zone);
    assert_eq!(
        shown(&shifts),
        [
            "cem 29 18:00 - 30 10:00 L0",
            "ann 30 10:00 - 30 18:00 L0", // of the day that was left out only the night is there
            "bob 30 18:00 - 31 18:00 L0",
        ]
    );
}

#[test]
fn the_next_hand_over_is_to_somebody_else() {
    let weekly = layer("ann ann bob", "2026-05-04T09:00", weekly(Weekday::Mon, "09:00"));
    let mut one = rota(vec![weekly.clone()]);
    let next = |one: &Rota, at: &str| one.next_hand_over(utc(at), &berlin()).map(rfc3339);
    assert_eq!(next(&one, "2026-05-05T00:00").as_deref(), Some("2026-05-18T07:00:00Z"), "not from ann to ann");
    assert_eq!(next(&one, "2026-05-18T07:00").as_deref(), Some("2026-05-25T07:00:00Z"));
    assert_eq!(next(&one, "2026-05-01T00:00").as_deref(), Some("2026-05-04T07:00:00Z"), "from nobody to ann");
    one.overrides.push(over("ann", "2026-05-18T07:00", "2026-05-19T07:00"));
    assert_eq!(next(&one, "2026-05-17T00:00").as_deref(), Some("2026-05-19T07:00:00Z"), "she stays");
    let alone = rota(vec![layer("ann", "2026-05-04T09:00", daily("09:00"))]);
    assert_eq!(next(&alone, "2026-05-05T00:00"), None);
    let by_day = rota(vec![Layer { only: vec![window(&[], "09:00", "17:00")], ..weekly }]);
    assert_eq!(next(&by_day, "2026-05-05T10:00").as_deref(), Some("2026-05-05T15:00:00Z"), "to nobody");
    assert_eq!(next(&by_day, "2026-05-05T15:00").as_deref(), Some("2026-05-06T07:00:00Z"), "from nobody");
}

#[test]
fn what_was_never_checked_does_no_harm() {
    let mut one = rota(vec![
        layer("", "2026-05-04T08:00", daily("08:00")),
        layer("ann", "2026-05-04T08:00", HandOver::Hours { hours: 0 }),
        layer("bob", "2026-05-04T08:00", HandOver::Hours { hours: u32::MAX }),
    ]);
    one.overrides.push(over("eve", "2026-05-05T08:00", "2026-05-05T07:00"));
    let shifts = one.shifts(utc("2026-05-05T00:00"), utc("2026-05-06T00:00"), &berlin());
    assert_eq!(shown(&shifts), ["bob 05 00:00 - 06 00:00 L2"]);
    one.layers.pop();
    let shifts = one.shifts(utc("2026-05-05T00:00"), utc("2026-05-06T00:00"), &berlin());
    assert_eq!(shown(&shifts), ["ann 05 00:00 - 06 00:00 L1"]);
    assert_eq!(one.shifts(5, 5, &berlin()), []);
    assert_eq!(one.gaps(9, 5, &berlin()), []);
    for at in [Millis::MIN, -1, LATEST_MS, Millis::MAX] {
        assert_eq!(one.on_call(at, &berlin()), None);
        assert_eq!(one.next_hand_over(at, &berlin()), None, "{at}");
    }
    assert!(rota(Vec::new()).on_call(utc("2026-05-05T00:00"), &berlin()).is_none());
}

#[test]
fn it_is_stored_as_it_is_written() {
    let text = r#"{
        "zone": "Europe/Berlin",
        "layers": [{
            "people": [{"id": "7", "name": "Dana Okafor"}],
            "start": "2026-05-04T08:00",
            "hand_over": {"every": "week", "weekday": "mon", "at": "08:00"},
            "only": [{"weekdays": ["sat", "sun"], "from": "20:00", "until": "08:00"}]
        }, {
            "people": [{"id": "7", "name": "Dana Okafor"}],
            "start": "2026-05-04T08:00",
            "hand_over": {"every": "hours", "hours": 12}
        }],
        "overrides": [{"person": {"id": "8", "name": "Eve"}, "from_ms": 1, "until_ms": 2, "note": "swap"}]
    }"#;
    let read: Rota = serde_json::from_str(text).expect("it can be read");
    assert_eq!(read.check(|zone| zone == "Europe/Berlin"), []);
    assert_eq!(read.layers[0].hand_over, weekly(Weekday::Mon, "08:00"));
    let written = serde_json::to_string(&read).expect("it can be written");
    assert_eq!(serde_json::from_str::<Rota>(&written).expect("it can be read again"), read);
    for (from, to) in [("\"08:00\"", "\"8am\""), ("\"week\"", "\"month\""), ("\"swap\"", "\"swap\", \"why\": 1")] {
        assert!(serde_json::from_str::<Rota>(&text.replace(from, to)).is_err(), "{to}");
    }
}

fn fields(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.field.as_str()).collect()
}

#[test]
fn each_wrong_field_of_a_rota_is_named() {
    let good = layer("ann bob", "2026-05-04T08:00", daily("08:00"));
    let mut one = rota(vec![
        Layer { people: Vec::new(), ..good.clone() },
        Layer { people: vec![who("ann"); MOST_PEOPLE + 1], ..good.clone() },
        Layer { people: vec![who("a b"), who("bob")], hand_over: HandOver::Hours { hours: 0 }, ..good.clone() },
        Layer {
            hand_over: HandOver::Hours { hours: LONGEST_TURN_H + 1 },
            only: vec![window(&[Weekday::Mon, Weekday::Mon], "08:00", "09:00"); MOST_WINDOWS + 1],
            ..good.clone()
        },
    ]);
    one.layers[3].only.iter_mut().skip(1).for_each(|window| window.weekdays = Vec::new());
    one.layers[2].people[1].name = " ".into();
    one.zone = "Mars/Olympus".into();
    one.overrides = vec![
        over("eve", "2026-05-05T08:00", "2026-05-05T08:00"),
        Override { from_ms: -1, ..over("eve", "2026-05-05T08:00", "2026-05-05T09:00") },
        over("eve", "2026-05-05T08:00", "2028-05-05T09:00"),
        Override { note: "x".repeat(OVERRIDE_NOTE_CHARS + 1), ..over("", "2026-05-05T08:00", "2026-05-05T09:00") },
    ];
    let problems = one.check(|zone| zone == "Europe/Berlin");
    assert_eq!(
        fields(&problems),
        [
            "zone",
            "layers[0].people",
            "layers[1].people",
            "layers[2].people[0].id",
            "layers[2].people[1].name",
            "layers[2].hand_over.hours",
            "layers[3].hand_over.hours",
            "layers[3].only",
            "layers[3].only[0].weekdays",
            "overrides[0].until_ms",
            "overrides[1].from_ms",
            "overrides[2].until_ms",
            "overrides[3].person.id",
            "overrides[3].person.name",
            "overrides[3].note",
        ]
    );
    assert_eq!(problems[0].found, "Mars/Olympus");
    assert_eq!(problems[9].expected, "later than its beginning, 2026-05-05T08:00:00Z");
    assert_eq!(fields(&rota(Vec::new()).check(|_| true)), ["layers"]);
    let mut many = rota(vec![good; MOST_LAYERS + 1]);
    many.overrides = vec![over("eve", "2026-05-05T08:00", "2026-05-05T09:00"); MOST_OVERRIDES + 1];
    assert_eq!(fields(&many.check(|_| true)), ["layers", "overrides"]);
}

fn schedules(slugs: &[&str]) -> Vec<Target> {
    slugs.iter().map(|slug| Target::Schedule((*slug).to_owned())).collect()
}

#[test]
fn the_usual_policy_has_the_times_of_the_specification() {
    let usual = Policy::usual("primary", "secondary", "lead");
    assert_eq!(usual.check(|slug| ["primary", "secondary", "lead"].contains(&slug)), []);
    assert_eq!(usual.escalation(), crate::alert::episode::Escalation::default());
    let times: Vec<Millis> = usual.steps.iter().map(|step| step.after_ms / 1_000).collect();
    assert_eq!((times, usual.round_ms / 1_000, usual.rounds), (vec![0, 300, 900], 1_800, 3));
    let written = serde_json::to_string(&usual.steps[0]).expect("it can be written");
    assert_eq!(written, r#"{"after_ms":0,"targets":[{"schedule":"primary"}]}"#);
}

#[test]
fn each_wrong_field_of_a_policy_is_named() {
    let usual = || Policy::usual("primary", "secondary", "lead");
    let steps = |times: &[Millis]| {
        let step = |after_ms: &Millis| Step { after_ms: *after_ms, targets: schedules(&["primary"]) };
        Policy { steps: times.iter().map(step).collect(), ..usual() }
    };
    let targets = |targets: Vec<Target>| Policy { steps: vec![Step { after_ms: 0, targets }], ..usual() };
    let m = MINUTE_MS;
    for (name, policy, expected) in [
        ("good", usual(), vec![]),
        ("one step", steps(&[0]), vec![]),
        ("no steps", steps(&[]), vec!["steps"]),
        ("too many steps", steps(&(0..11).map(|at| at * m).collect::<Vec<_>>()), vec!["steps"]),
        ("not at once", steps(&[m, 2 * m]), vec!["steps[0].after_ms"]),
        ("not in order", steps(&[0, 2 * m, 2 * m]), vec!["steps[2].after_ms"]),
        ("beyond the round", steps(&[0, 30 * m]), vec!["steps[1].after_ms"]),
        ("a short round", Policy { round_ms: m - 1, ..steps(&[0]) }, vec!["round_ms"]),
        ("a long round", Policy { round_ms: DAY_MS + 1, ..steps(&[0]) }, vec!["round_ms"]),
        ("no rounds", Policy { rounds: 0, ..steps(&[0]) }, vec!["rounds"]),
        ("too many rounds", Policy { rounds: 21, ..steps(&[0]) }, vec!["rounds"]),
        ("nobody to ask", targets(Vec::new()), vec!["steps[0].targets"]),
        ("an unknown schedule", targets(schedules(&["primry"])), vec!["steps[0].targets[0].schedule"]),
        ("the same twice", targets(schedules(&["primary", "lead", "primary"])), vec!["steps[0].targets[2]"]),
        (
            "a person without a name",
            targets(vec![Target::Person(Person { id: "7".into(), name: String::new() })]),
            vec!["steps[0].targets[0].person.name"],
        ),
        (
            "too many to ask",
            targets((0..21).map(|id| Target::Person(who(&id.to_string()))).collect()),
            vec!["steps[0].targets"],
        ),
    ] {
        let problems = policy.check(|slug| ["primary", "secondary", "lead"].contains(&slug));
        assert_eq!(fields(&problems), expected, "{name}: {problems:?}");
    }
}

#[test]
fn everybody_of_a_step_is_asked_once() {
    let targets = vec![
        Target::Schedule("primary".into()),
        Target::Person(who("ann")),
        Target::Schedule("nobody".into()),
        Target::Person(who("bob")),
    ];
    let policy = Policy { steps: vec![Step { after_ms: 0, targets }], round_ms: HOUR_MS, rounds: 1 };
    let resolve = |target: &Target| match target {
        Target::Schedule(slug) if slug == "primary" => vec![who("cem"), who("ann")],
        Target::Schedule(_) => Vec::new(),
        Target::Person(person) => vec![person.clone()],
    };
    assert_eq!(policy.who(0, resolve), [who("cem"), who("ann"), who("bob")]);
    assert_eq!(policy.who(1, resolve), []);
}

#[test]
fn steps_that_ask_nobody_are_found() {
    let now = utc("2026-05-04T10:00"); // a Monday
    let zone = berlin();
    let always = layer("ann bob", "2026-05-04T08:00", daily("08:00"));
    let by_day = rota(vec![Layer { only: vec![window(&[], "08:00", "18:00")], ..always.clone() }]);
    let by_night = rota(vec![Layer { only: vec![window(&[], "18:00", "08:00")], ..always.clone() }]);
    let by_long_day = rota(vec![Layer { only: vec![window(&[], "08:00", "20:00")], ..always.clone() }]);
    let to_come = rota(vec![Layer { start: "2026-05-05T08:00".parse().expect("a time"), ..always.clone() }]);
    let all = rota(vec![always]);
    let schedule = |slug: &str| {
        let rota = match slug {
            "all" => &all,
            "day" => &by_day,
            "night" => &by_night,
            "long-day" => &by_long_day,
            "to-come" => &to_come,
            _ => return None,
        };
        Some((rota, &zone))
    };
    for (name, targets, gaps, found) in [
        ("always somebody", schedules(&["all"]), 0, ""),
        ("a person is always there", vec![Target::Schedule("none".into()), Target::Person(who("ann"))], 0, ""),
        ("day and night", schedules(&["day", "night"]), 0, ""),
        (
            "only by day",
            schedules(&["day"]),
            14,
            "nobody from 2026-05-04T16:00:00Z to 2026-05-05T06:00:00Z, and 13 more gaps",
        ),
        ("what both lack", schedules(&["day", "long-day"]), 14, "nobody from 2026-05-04T18:00:00Z"),
        ("nobody yet", schedules(&["to-come"]), 1, "nobody now and until 2026-05-05T06:00:00Z"),
        ("by night", schedules(&["night"]), 15, "nobody now and until 2026-05-04T16:00:00Z, and 14 more gaps"),
        ("an unknown schedule", schedules(&["none"]), 1, "nobody at any time"),
    ] {
        let steps = vec![Step { after_ms: 0, targets: schedules(&["all"]) }, Step { after_ms: MINUTE_MS, targets }];
        let policy = Policy { steps, round_ms: HOUR_MS, rounds: 1 };
        let unmanned = policy.unmanned(now, schedule);
        assert_eq!(unmanned.first().map_or(0, |one| one.gaps.len()), gaps, "{name}: {unmanned:?}");
        if let Some(one) = unmanned.first() {
            let problem = one.problem(now);
            assert_eq!((one.step, problem.field.as_str()), (1, "steps[1].targets"), "{name}");
            assert!(problem.found.starts_with(found), "{name}: {problem:?}");
        }
    }
}

fn any_time() -> impl Strategy<Value = TimeOfDay> {
    (0_u16..24, prop::sample::select(vec![0_u16, 0, 10, 30, 59]))
        .prop_map(|(hour, minute)| TimeOfDay::new(hour, minute).expect("a clock shows it"))
}

fn any_weekday() -> impl Strategy<Value = Weekday> {
    prop::sample::select(Weekday::ALL)
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let hand_over = prop_oneof![
        any_time().prop_map(|at| HandOver::Day { at }),
        (any_weekday(), any_time()).prop_map(|(weekday, at)| HandOver::Week { weekday, at }),
        (1_u32..40).prop_map(|hours| HandOver::Hours { hours }),
    ];
    let window = (prop::collection::vec(any_weekday(), 0..4), any_time(), any_time())
        .prop_map(|(weekdays, from, until)| Window { weekdays, from, until });
    let start = (-10_i64..4, any_time());
    (1_usize..4, start, hand_over, prop::collection::vec(window, 0..3), any::<bool>()).prop_map(
        |(people, (day, time), hand_over, only, is_spring)| {
            let near = if is_spring { SPRING } else { AUTUMN };
            let date = chrono::DateTime::from_timestamp_millis(near + day * DAY_MS).expect("an instant").date_naive();
            let start = WallTime::new(date, time).expect("a year of the scale");
            let people = ["ann", "bob", "cem"][..people].iter().map(|name| who(name)).collect();
            Layer { people, start, hand_over, only }
        },
    )
}

fn any_rota(near: Millis) -> impl Strategy<Value = Rota> {
    let one =
        (0_i64..400, 1_i64..200, prop::sample::select(vec!["ann", "eve"])).prop_map(move |(from, length, person)| {
            let from_ms = near - 4 * DAY_MS + from * 30 * MINUTE_MS;
            Override { person: who(person), from_ms, until_ms: from_ms + length * 10 * MINUTE_MS, note: String::new() }
        });
    (prop::collection::vec(any_layer(), 1..4), prop::collection::vec(one, 0..4)).prop_map(|(layers, overrides)| Rota {
        zone: "Europe/Berlin".into(),
        layers,
        overrides,
    })
}

proptest! {
    #[test]
    fn shifts_and_gaps_are_the_whole_stretch_and_agree_with_who_is_on_call(
        (near, one) in prop::sample::select(vec![SPRING, AUTUMN]).prop_flat_map(|near| (Just(near), any_rota(near))),
        (before, length) in (0_i64..5 * 24 * 60, 1_i64..10 * 24 * 60),
        probes in prop::collection::vec(0.0_f64..1.0, 20),
    ) {
        let zone = berlin();
        let from = near - before * MINUTE_MS;
        let to = from + length * MINUTE_MS;
        let (shifts, gaps) = (one.shifts(from, to, &zone), one.gaps(from, to, &zone));

        let mut all: Vec<(Span, Option<&Shift>)> = gaps.iter().map(|gap| (*gap, None)).collect();
        all.extend(shifts.iter().map(|shift| (Span { from_ms: shift.from_ms, to_ms: shift.to_ms }, Some(shift))));
        all.sort_by_key(|(span, _)| span.from_ms);
        let mut end = from;
        for (span, _) in &all {
            prop_assert_eq!(span.from_ms, end, "no hole and no overlap: {:?}", &all);
            prop_assert!(span.to_ms > span.from_ms);
            end = span.to_ms;
        }
        prop_assert_eq!(end, to);
        prop_assert!(all.windows(2).all(|two| two[0].1.is_some() || two[1].1.is_some()), "gaps are as long as can be");

        // Instants anywhere, and those at which something changes.
        let anywhere = probes.iter().map(|part| from + ((to - from) as f64 * part) as i64);
        let edges = all.iter().flat_map(|(span, _)| [span.from_ms, span.to_ms - 1]);
        for at in anywhere.chain(edges) {
            let (_, expected) = all.iter().find(|(span, _)| (span.from_ms..span.to_ms).contains(&at)).expect("whole");
            let found = one.on_call(at, &zone).map(|on_call| (on_call.person, on_call.by));
            prop_assert_eq!(found, expected.map(|shift| (&shift.person, shift.by)), "at {}", rfc3339(at));
        }

        // A stretch is the same whether it is looked at as a whole or in two parts.
        let middle = from + (to - from) / 2;
        let length_of = |shifts: &[Shift]| shifts.iter().map(|shift| shift.to_ms - shift.from_ms).sum::<Millis>();
        let parts = length_of(&one.shifts(from, middle, &zone)) + length_of(&one.shifts(middle, to, &zone));
        prop_assert_eq!(length_of(&shifts), parts);
    }

    #[test]
    fn until_the_next_hand_over_nobody_else_is_on_call(
        (near, one) in prop::sample::select(vec![SPRING, AUTUMN]).prop_flat_map(|near| (Just(near), any_rota(near))),
        minute in 0_i64..8 * 24 * 60,
    ) {
        let zone = berlin();
        let at = near + (minute - 4 * 24 * 60) * MINUTE_MS;
        let id = |at: Millis| one.on_call(at, &zone).map(|on_call| on_call.person.id.clone());
        let next = one.next_hand_over(at, &zone);
        if let Some(next) = next {
            prop_assert!(next > at);
            prop_assert_ne!(id(next), id(at), "somebody else from {}", rfc3339(next));
        }
        let end = next.unwrap_or(at + 10 * DAY_MS).min(at + 10 * DAY_MS);
        let mut probe = at;
        while probe < end {
            prop_assert_eq!(id(probe), id(at), "still the same at {}", rfc3339(probe));
            probe += 10 * MINUTE_MS;
        }
    }
}
