use super::*;

/// A minute of a pool of ten slots.
fn minute(occupied: i64, rejected: i64, tenants: &[(i32, i64, i64)]) -> Minute {
    let ms = MINUTE_MS;
    let whole = Sums {
        capacity_slot_ms: 10 * ms,
        occupied_slot_ms: occupied * ms,
        observed_ms: ms,
        saturated_ms: if occupied >= 10 { ms } else { 0 },
        claims: 100,
        rejections: rejected,
        ..Sums::default()
    };
    let tenants = tenants
        .iter()
        .map(|(key, held, rejections)| {
            (*key, Sums { occupied_slot_ms: held * ms, observed_ms: ms, rejections: *rejections, ..Sums::default() })
        })
        .collect();
    Minute { whole, tenants, attempts: 0, failed: 0 }
}

fn judge(watch: Watch, minutes: &[Minute]) -> Vec<(i32, Truth)> {
    let view = View { at: MINUTE_MS, minutes, quotas: BTreeMap::from([(1, 4)]), ..View::default() };
    watch.judge(&view).into_iter().map(|holds| (holds.tenant, holds.truth)).collect()
}

#[test]
fn a_full_pool_is_exhausted_if_it_rejects() {
    let watch = Watch::Exhausted { least_rejected: 5 };
    for (name, minutes, truth) in [
        ("full and rejecting", vec![minute(10, 2, &[]), minute(10, 3, &[])], Truth::True),
        ("full", vec![minute(10, 2, &[]), minute(10, 2, &[])], Truth::False),
        ("not full", vec![minute(10, 9, &[]), minute(9, 9, &[])], Truth::False),
        ("seen for a minute", vec![minute(10, 9, &[])], Truth::Unknown),
        ("a minute is missing", vec![Minute::default(), minute(10, 9, &[])], Truth::Unknown),
    ] {
        assert_eq!(judge(watch, &minutes), [(0, truth)], "{name}");
    }
}

#[test]
fn failures_count_from_their_part_on() {
    let watch = Watch::Failing { over: Fraction::of(1, 20), least: 20 };
    let of = |attempts, failed| vec![Minute { attempts, failed, ..minute(1, 0, &[]) }];
    for (attempts, failed, truth) in [
        (20, 1, Truth::True),
        (100, 4, Truth::False),
        (100, 5, Truth::True),
        (19, 19, Truth::False),
        (0, 0, Truth::False),
    ] {
        assert_eq!(judge(watch, &of(attempts, failed)), [(0, truth)], "{failed} of {attempts}");
    }
}

#[test]
fn tenants_above_their_quota_and_above_all_others() {
    assert_eq!(judge(Watch::OverQuota, &[minute(9, 0, &[(1, 5, 0), (2, 4, 0)])]), [(1, Truth::True)]);
    assert_eq!(judge(Watch::OverQuota, &[minute(9, 0, &[(1, 4, 0), (2, 5, 0)])]), []);
    let watch = Watch::Monopoly { over: Fraction::of(1, 2) };
    assert_eq!(judge(watch, &[minute(10, 3, &[(1, 6, 0), (2, 4, 3)])]), [(1, Truth::True)]);
    assert_eq!(judge(watch, &[minute(10, 3, &[(1, 5, 0), (2, 4, 3)])]), [], "half is not more than half");
    assert_eq!(judge(watch, &[minute(10, 3, &[(1, 6, 3), (2, 4, 0)])]), [], "nobody else is rejected");
    let mut reserved = minute(10, 3, &[(1, 6, 0), (2, 4, 3)]);
    reserved.whole.reserved_slot_ms = 1;
    assert_eq!(judge(watch, &[reserved]), [], "who has reserved may hold it");
}

#[test]
fn capacity_and_metering_are_compared_exactly() {
    assert_eq!(judge(Watch::Overcommitted, &[minute(10, 0, &[])]), [(0, Truth::False)]);
    assert_eq!(judge(Watch::Overcommitted, &[minute(11, 0, &[])]), [(0, Truth::True)]);
    let watch = Watch::Unmetered { over: Fraction::of(1, 100) };
    assert_eq!(judge(watch, &[minute(10, 0, &[(1, 6, 0), (2, 4, 0)])]), [(0, Truth::False)]);
    assert_eq!(judge(watch, &[minute(10, 0, &[(1, 6, 0), (2, 3, 0)])]), [(0, Truth::True)]);
    assert_eq!(judge(watch, &[minute(0, 0, &[])]), [(0, Truth::False)]);
}

#[test]
fn silence_is_a_ticket_and_a_page_where_somebody_was_woken() {
    let watch = Watch::NoData { after_ms: 5 * MINUTE_MS };
    let of = |seen_ms, feed_ms, has_page| {
        let view = View { at: 10 * MINUTE_MS, seen_ms, feed_ms, has_page, ..View::default() };
        watch.judge(&view).into_iter().map(|holds| (holds.truth, holds.lane)).collect::<Vec<_>>()
    };
    let fed = Some(MINUTE_MS);
    assert_eq!(of(Some(5 * MINUTE_MS), fed, false), [(Truth::True, Lane::Ticket)]);
    assert_eq!(of(Some(6 * MINUTE_MS), fed, false), [(Truth::False, Lane::Ticket)]);
    assert_eq!(of(Some(0), fed, true), [(Truth::True, Lane::Page)]);
    assert_eq!(of(Some(0), None, true), [], "nobody expects samples");
    assert_eq!(of(None, fed, false), [], "there never were any");
    assert_eq!(of(Some(0), Some(5 * MINUTE_MS), false), [(Truth::False, Lane::Ticket)], "they come every five minutes");
    let critical = |silent| {
        let (at, is_critical) = (60 * MINUTE_MS, true);
        let view = View { at, seen_ms: Some(at - silent), feed_ms: fed, is_critical, ..View::default() };
        watch.judge(&view)[0].lane
    };
    assert_eq!((critical(14 * MINUTE_MS), critical(15 * MINUTE_MS)), (Lane::Ticket, Lane::Page));
    let down = |silent, fed| Silent { fed, silent }.is_widespread(Fraction::of(1, 2));
    assert_eq!((down(12, 20), down(10, 20), down(9, 20), down(1, 1)), (true, true, false, false), "V49");
}

#[test]
fn far_above_the_usual() {
    // V29: nine times the usual, and the budget burns.
    let watch = Watch::Baseline { times: Fraction::of(8, 1) };
    let of = |short, hour, burns| {
        let view = View { usual: Some(Usual { short, hour, usual: (5, 100_000), burns }), ..View::default() };
        watch.judge(&view)[0].truth
    };
    assert_eq!(of((45, 100_000), (45, 100_000), true), Truth::True);
    assert_eq!(of((40, 100_000), (40, 100_000), true), Truth::False, "exactly eight times");
    assert_eq!(of((45, 100_000), (45, 100_000), false), Truth::False);
    assert_eq!(of((1, 10), (9, 900), true), Truth::False, "one is not enough");
    assert_eq!(of((3, 10), (4, 900), true), Truth::False, "nor are four in an hour");
    assert_eq!(watch.judge(&View::default())[0].truth, Truth::Unknown, "nothing is usual yet");
}

#[test]
fn leaks_page_when_they_fill_the_pool_soon() {
    let watch = Watch::ForecastFull { within_ms: 24 * 60 * MINUTE_MS };
    let of = |foreseen| watch.judge(&View { at: 1_000, foreseen, ..View::default() }).first().map(|holds| holds.truth);
    let full_in = |minutes: i64| Some(Foreseen::FullAt(1_000 + minutes * MINUTE_MS));
    assert_eq!(of(None), None, "without a forecast nothing is said");
    assert_eq!(of(Some(Foreseen::NotFull)), Some(Truth::False));
    assert_eq!((of(full_in(24 * 60)), of(full_in(24 * 60 - 1))), (Some(Truth::False), Some(Truth::True)));
    assert_eq!(of(full_in(-60)), Some(Truth::True), "an hour that began is now");
    let of = |honesty| Watch::ForecastOff.judge(&View { honesty, ..View::default() }).pop();
    assert_eq!(of(None), None, "without a week of hours nothing is said");
    assert_eq!(of(Some(Honesty { within_permille: 950, is_off: false })).map(|h| h.truth), Some(Truth::False));
    let off = of(Some(Honesty { within_permille: 871, is_off: true })).expect("it is said");
    assert_eq!((off.truth, off.says.contains("87.1")), (Truth::True, true), "{}", off.says);
    let watch = Watch::LeaksFill { within_ms: 240 * MINUTE_MS };
    let of = |left| watch.judge(&View { full_of_leaks_ms: left, ..View::default() })[0].truth;
    assert_eq!(
        (of(Some(239 * MINUTE_MS)), of(Some(240 * MINUTE_MS)), of(None)),
        (Truth::True, Truth::False, Truth::False)
    );
}

#[test]
fn what_was_found_holds_for_whom_it_was_found() {
    let findings = [What::RetryStorm { tenant: 3, rejected_1m: 900 }, What::Stalled { age_ms: Some(200_000) }];
    let view = View { findings: &findings, ..View::default() };
    let of = |watch: Watch| watch.judge(&view).into_iter().map(|holds| (holds.tenant, holds.truth)).collect::<Vec<_>>();
    assert_eq!(of(Watch::RetryStorm), [(3, Truth::True)]);
    assert_eq!(of(Watch::Stalled), [(0, Truth::True)]);
    assert_eq!(of(Watch::Doubled), [(0, Truth::False)]);
    let leaks = |leaks| View { leaks, ..View::default() };
    let grows = |leaks_of| Watch::LeakGrowth { least: 3 }.judge(&leaks(leaks_of))[0].truth;
    assert_eq!(
        (grows((3, 2, false)), grows((3, 3, false)), grows((3, 2, true))),
        (Truth::True, Truth::False, Truth::False)
    );
}
