use super::super::window::Truth;
use super::*;

const S: Millis = 1_000;

fn person(name: &str) -> Person {
    Person { id: name.to_lowercase(), name: name.into() }
}

fn page(truth: Truth) -> Verdicts {
    Verdicts { tier: "W1".into(), ..Verdicts::of(Lane::Page, truth) }
}

/// Messages and askings, as words.
fn words(effects: &[Effect]) -> Vec<String> {
    let word = |effect: &Effect| match effect {
        Effect::Tell { message, to: None } => Some(message.as_str().to_owned()),
        Effect::Tell { message, to: Some(who) } => Some(format!("{message}>{}", who.name)),
        Effect::Ask { step, .. } => Some(format!("ask {step}")),
        Effect::Log { .. } => None,
    };
    effects.iter().filter_map(word).collect()
}

fn logs(effects: &[Effect]) -> Vec<&str> {
    let word = |effect: &Effect| if let Effect::Log { what, .. } = effect { Some(*what) } else { None };
    effects.iter().filter_map(word).collect()
}

fn firing() -> Alert {
    let mut alert = Alert::new(0, None);
    alert.observe(0, 0, &page(Truth::True), &Timing::default());
    alert.tick(0, &Escalation::default());
    alert
}

/// Fires at once, and is over as soon as it is seen to be.
const AT_ONCE: Timing = Timing { for_ms: 0, resolve_after_ms: 0, idle_after_ms: 30 * MINUTE_MS };

#[test]
fn nobody_answers() {
    // V38.
    let mut alert = Alert::new(0, None);
    let plan = Escalation::default();
    assert_eq!(words(&alert.observe(0, 0, &page(Truth::True), &Timing::default())), ["firing"]);
    let mut sends = Vec::new();
    for second in 0..=6_000 {
        let effects = alert.tick(second * S, &plan);
        sends.extend(words(&effects).into_iter().map(|word| (second, word)));
    }
    let asked: Vec<i64> = sends.iter().filter(|(_, word)| word.starts_with("ask")).map(|(at, _)| *at).collect();
    assert_eq!(asked, [0, 300, 900, 1_800, 2_100, 2_700, 3_600, 3_900, 4_500]);
    assert_eq!(sends.last(), Some(&(5_400, "exhausted".into())));
    assert_eq!(sends.len(), 10);
}

#[test]
fn an_acknowledged_alert_asks_its_owner_and_then_all_again() {
    // V39.
    let mut alert = firing();
    let plan = Escalation::default();
    assert_eq!(words(&alert.tick(300 * S, &plan)), ["ask 1"]);
    alert.acknowledge(Some(1), &person("Dana"), "", 310 * S).expect("nobody was first");
    let mut sends = Vec::new();
    for second in 311..=310 + 4_200 + 300 {
        sends.extend(words(&alert.tick(second * S, &plan)).into_iter().map(|word| (second - 310, word)));
    }
    assert_eq!(sends, [(3_600, "reminder>Dana".into()), (4_200, "ask 0".into()), (4_500, "ask 1".into())]);
    assert_eq!((alert.workflow, alert.version, &alert.owner), (Workflow::Open, 3, &None));
}

#[test]
fn whoever_confirms_keeps_it() {
    let mut alert = firing();
    alert.acknowledge(None, &person("Dana"), "", 0).expect("nobody was first");
    assert_eq!(words(&alert.tick(ACK_MS, &Escalation::default())), ["reminder>Dana"]);
    assert_eq!(alert.confirm(&person("Mika"), ACK_MS + S).map_err(|no| no.code()), Err("already_acknowledged"));
    alert.confirm(&person("Dana"), ACK_MS + S).expect("she has it");
    assert_eq!(words(&alert.tick(ACK_MS + CONFIRM_MS, &Escalation::default())), [""; 0]);
    assert_eq!(alert.workflow, Workflow::Acknowledged);
}

#[test]
fn the_second_one_is_told_who_was_first() {
    // V34, V36, V37.
    let mut alert = firing();
    for minute in 1..=50 {
        alert.observe(minute * MINUTE_MS, minute * MINUTE_MS, &page(Truth::True), &Timing::default());
    }
    let effects =
        alert.acknowledge(Some(1), &person("Dana"), "scaling up", 60 * S).expect("evaluations move no version");
    assert_eq!((words(&effects), alert.version), (vec!["acknowledged".into()], 2));
    let kept = alert.clone();
    let refusal = alert.acknowledge(Some(1), &person("Mika"), "me too", 61 * S).expect_err("Dana has it");
    assert_eq!(refusal.code(), "already_acknowledged");
    assert_eq!(refusal.to_string(), "Dana acknowledged this before you; nothing was changed by you");
    let Refusal::AlreadyAcknowledged(owner) = refusal else { panic!("{refusal:?}") };
    assert_eq!((owner.who, owner.at_ms, &*owner.note), (person("Dana"), 60 * S, "scaling up"));
    assert_eq!(alert, kept, "nothing was changed");

    let join = alert.join(&person("Mika")).expect("anybody may");
    assert_eq!((logs(&join), alert.version, alert.participants.len()), (vec!["joined"], 2, 1));
    assert_eq!(alert.join(&person("Mika")), Ok(vec![]));
    assert_eq!(alert.take_over(Some(2), &person("Mika"), " ", 70 * S).map_err(|no| no.code()), Err("note"));
    assert_eq!(
        alert.take_over(Some(1), &person("Mika"), "Dana sleeps", 70 * S).map_err(|no| no.code()),
        Err("stale_version")
    );
    let effects = alert.take_over(Some(2), &person("Mika"), "Dana sleeps", 70 * S).expect("said why");
    assert_eq!((words(&effects), alert.version), (vec!["transferred>Dana".into()], 3));

    alert.observe(60 * MINUTE_MS, 0, &page(Truth::False), &AT_ONCE);
    assert_eq!(alert.condition, Condition::Resolved);
    let late = alert.acknowledge(Some(3), &person("Dana"), "", 70 * MINUTE_MS).map_err(|no| no.code());
    assert_eq!((late, alert.condition), (Err("already_resolved"), Condition::Resolved));
}

#[test]
fn what_comes_back_soon_is_the_same_episode() {
    // V31.
    let mut alert = firing();
    alert.acknowledge(None, &person("Dana"), "", S).expect("nobody was first");
    let over = 20 * MINUTE_MS;
    assert_eq!(words(&alert.observe(over, over, &page(Truth::False), &AT_ONCE)), ["resolved"]);
    assert!(alert.reopens_at(over + REOPEN_MS) && !alert.reopens_at(over + REOPEN_MS + 1));

    let mut same = alert.clone();
    let again = over + 5 * MINUTE_MS;
    let effects = same.observe(again, again, &page(Truth::True), &AT_ONCE);
    assert_eq!(words(&effects), ["reopened>Dana"]);
    assert_eq!((same.episode, same.reopened, same.workflow, &same.owner), (1, 1, Workflow::Open, &None));
    assert_eq!(words(&same.tick(again, &Escalation::default())), [""; 0], "Dana is asked first");
    assert_eq!(words(&same.tick(again + FIRST_ASK_MS, &Escalation::default())), ["ask 0"]);

    let mut next = Alert::new(over + 15 * MINUTE_MS, Some(&alert));
    let effects = next.observe(over + 15 * MINUTE_MS, 0, &page(Truth::True), &AT_ONCE);
    assert_eq!((words(&effects), next.episode, next.version, next.reopened), (vec!["firing".into()], 2, 1, 0));
}

#[test]
fn what_comes_and_goes_is_told_once() {
    // V40: it fires for five minutes in every fifteen.
    let mut alert = Alert::new(0, None);
    let mut told = Vec::new();
    for minute in 0..=90_i64 {
        let at = minute * MINUTE_MS;
        let truth = Truth::from(minute < 50 && minute % 15 < 5);
        let effects = alert.observe(at, at, &page(truth), &AT_ONCE);
        told.extend(words(&effects).into_iter().map(|word| (minute, word)));
        assert_eq!(alert.flapping, (45..80).contains(&minute), "minute {minute}");
    }
    let expected = [
        (0, "firing"),
        (5, "resolved"),
        (15, "reopened"),
        (20, "resolved"),
        (30, "reopened"),
        (35, "resolved"),
        (45, "flapping"),
        (80, "resolved"),
    ];
    assert_eq!(told, expected.map(|(at, word)| (at, word.to_owned())));
    assert_eq!((alert.episode, alert.reopened), (1, 3));
}

/// Messages and askings of an alert that fires for five minutes in every fifteen, from minute 46 on. `critical` at some minutes;
/// with a ticket that stays open in between or not.
fn after_flapping(critical: &[i64], ticket: bool, until: i64) -> Vec<(i64, String)> {
    let mut alert = Alert::new(0, None);
    let mut told = Vec::new();
    for minute in 0..=until {
        let at = minute * MINUTE_MS;
        let page_truth = Truth::from(minute % 15 < 5);
        let ticket_truth = if ticket { Truth::True } else { page_truth };
        let critical = critical.contains(&minute);
        let said = Verdicts { critical, ticket: ticket_truth, ..page(page_truth) };
        let mut effects = alert.observe(at, at, &said, &AT_ONCE);
        effects.extend(alert.tick(at, &Escalation::default()));
        told.extend(words(&effects).into_iter().map(|word| (minute, word)));
    }
    told.retain(|(minute, _)| *minute > 45);
    told
}

#[test]
fn a_flapping_alert_wakes_again_only_for_more_than_it_was() {
    let told = |words: &[(i64, &str)]| words.iter().map(|(at, word)| (*at, (*word).to_owned())).collect::<Vec<_>>();
    // Asked anew each time that it is back and nobody has it; nobody is asked in between.
    assert_eq!(after_flapping(&[], false, 70), told(&[(60, "ask 0")]));
    for minute in [60, 61] {
        let all = after_flapping(&[minute], false, 70);
        let upgraded: Vec<_> = all.iter().filter(|(_, word)| word == "upgraded").collect();
        assert_eq!(upgraded, [&(minute, "upgraded".to_owned())], "an urgent page is told once: {all:?}");
    }
}

#[test]
fn what_flaps_settles_when_it_goes_on() {
    let mut alert = Alert::new(0, None);
    for minute in 0..=200_i64 {
        let at = minute * MINUTE_MS;
        let truth = Truth::from(minute % 15 < 5 || minute > 45);
        alert.observe(at, at, &page(truth), &AT_ONCE);
        assert_eq!(alert.flapping, (45..75).contains(&minute), "minute {minute}");
    }
    assert!(alert.is_active());
}

#[test]
fn a_held_alert_stays_open_while_it_is_pending_again_and_a_ticket_that_flaps_can_become_a_page() {
    let slow = Timing { for_ms: 2 * MINUTE_MS, ..AT_ONCE };
    let mut alert = Alert::new(0, None);
    let ticket = |truth| Verdicts { page: Truth::False, ..page(truth) };
    for minute in 0..=53_i64 {
        let at = minute * MINUTE_MS;
        alert.observe(at, at, &ticket(Truth::from(minute % 15 < 5)), &slow);
    }
    assert!(alert.flapping && alert.held_ms.is_some() && alert.condition == Condition::Firing);
    let at = 54 * MINUTE_MS;
    alert.observe(at, at, &ticket(Truth::True), &slow);
    assert_eq!(alert.condition, Condition::Firing, "it is held, not pending");
    let at = 56 * MINUTE_MS;
    let effects = alert.observe(at, at, &page(Truth::True), &slow);
    assert_eq!((words(&effects), alert.severity), (vec!["upgraded".into()], Lane::Page));
    assert_eq!(words(&alert.tick(at, &Escalation::default())), ["ask 0"]);
    // Its rule goes and comes back: nothing of it is held any more.
    alert.forget(57 * MINUTE_MS);
    assert_eq!((alert.flapping, alert.held_ms, alert.condition), (false, None, Condition::Resolved));
}

#[test]
fn a_ticket_that_becomes_a_page_has_nobody() {
    let mut alert = Alert::new(0, None);
    let ticket = Verdicts { page: Truth::False, ..page(Truth::True) };
    assert_eq!(words(&alert.observe(0, 0, &ticket, &AT_ONCE)), ["firing"]);
    assert_eq!(words(&alert.tick(0, &Escalation::default())), [""; 0], "nobody is woken for a ticket");
    alert.acknowledge(Some(1), &person("Dana"), "", S).expect("nobody was first");
    let effects = alert.observe(MINUTE_MS, MINUTE_MS, &page(Truth::True), &AT_ONCE);
    assert_eq!((words(&effects), alert.version, alert.workflow), (vec!["upgraded".into()], 3, Workflow::Open));
    assert_eq!(words(&alert.tick(MINUTE_MS, &Escalation::default())), ["ask 0"]);
    // And a ticket again: whoever has it keeps it.
    alert.acknowledge(Some(3), &person("Mika"), "", 2 * MINUTE_MS).expect("nobody was first");
    let effects = alert.observe(3 * MINUTE_MS, 3 * MINUTE_MS, &ticket, &AT_ONCE);
    assert_eq!((words(&effects), alert.severity), (vec!["page-over".into()], Lane::Ticket));
    assert_eq!(alert.owner.as_ref().map(|owner| &*owner.who.name), Some("Mika"));
}

#[test]
fn nothing_resolves_while_nothing_is_known() {
    let mut alert = firing();
    for minute in 1..=60 {
        alert.observe(minute * MINUTE_MS, minute * MINUTE_MS, &page(Truth::Unknown), &AT_ONCE);
    }
    assert_eq!((alert.condition, alert.severity), (Condition::Frozen, Lane::Page));
    alert.acknowledge(Some(1), &person("Dana"), "", S).expect("it can be taken on");
    assert_eq!(alert.resolve(Some(2), &person("Dana"), "", S).map_err(|no| no.code()), Err("note"));
    assert_eq!(words(&alert.resolve(Some(2), &person("Dana"), "sensor died", S).expect("said why")), ["resolved"]);
    assert_eq!((alert.condition, alert.why), (Condition::Resolved, Some(Why::Person)));
    let mut goes_on = firing();
    assert_eq!(goes_on.resolve(Some(1), &person("Dana"), "done", S).map_err(|no| no.code()), Err("still_firing"));
}

#[test]
fn what_is_put_off_comes_back() {
    let mut alert = firing();
    let dana = person("Dana");
    for until in [0, S, S + SNOOZE_PAGE_MS + 1] {
        assert_eq!(alert.snooze(Some(1), &dana, until, "", S).map_err(|no| no.code()), Err("snooze"), "{until}");
    }
    alert.snooze(Some(1), &dana, 900 * S, "after the deploy", S).expect("within a day");
    assert_eq!((alert.workflow, alert.version), (Workflow::Snoozed, 2));
    assert_eq!(words(&alert.tick(899 * S, &Escalation::default())), [""; 0]);
    assert_eq!(words(&alert.tick(900 * S, &Escalation::default())), ["snooze-ended", "ask 0"]);
    assert_eq!((alert.workflow, alert.version), (Workflow::Open, 3));
}

#[test]
fn what_is_given_back_asks_again_and_what_is_brought_forward_is_not_asked_twice() {
    let mut alert = firing();
    let (dana, plan) = (person("Dana"), Escalation::default());
    alert.acknowledge(Some(1), &dana, "", S).expect("nobody was first");
    assert_eq!(words(&alert.give_back(Some(2), &dana, "", 2 * S).expect("she has it")), ["unacknowledged"]);
    assert_eq!(words(&alert.tick(2 * S, &plan)), ["ask 0"]);
    assert_eq!(words(&alert.escalate(&dana, "help", 60 * S, &plan).expect("it fires")), ["ask 1"]);
    let mut asked = Vec::new();
    for second in 61..1_500 {
        asked.extend(words(&alert.tick(second * S, &plan)).into_iter().map(|word| (second, word)));
    }
    assert_eq!(asked, [(660, "ask 2".into())], "ten minutes after the step that was brought forward");
}
