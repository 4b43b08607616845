//! Which pages somebody is told of, once each.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::Alert;

/// More new pages at once than this are told as one: a screen full of notices helps nobody.
const MOST_AT_ONCE: usize = 4;
/// Longest text of a notice, characters.
const MAX_TEXT: usize = 300;

/// What is to be done about notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Do {
    /// Tell of a page.
    Tell(Notice),
    /// Tell that there are so many new ones.
    TellMany(usize),
    /// Take back the notice of an alert: somebody has it, or it is over, or another notice says how it is now.
    TakeBack(i64),
    /// Take back the one of many: none of them waits any more, or another one follows.
    TakeBackMany,
}

/// A page as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The alert's number.
    pub(crate) alert: i64,
    /// Its version when it was told: acknowledging is about what was read.
    pub(crate) version: u64,
    /// One line.
    pub(crate) title: String,
    /// What, how much of how much.
    pub(crate) text: String,
}

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// By alert, what of it was told.
    happened: BTreeMap<i64, Happening>,
    /// Those that were told as one and still wait.
    as_one: BTreeSet<i64>,
}

/// What makes a page another one: which time it happens, how often it came back, and its version, which moves on with what people
/// or the rule did to it. A notice of an earlier version could not be acknowledged any more.
type Happening = (u32, u32, u64);

impl Told {
    /// Compares what is open now with what was told.
    pub(crate) fn update(&mut self, open: &[Alert]) -> Vec<Do> {
        let waiting: BTreeMap<i64, &Alert> =
            open.iter().filter(|alert| wants_somebody(alert)).map(|alert| (alert.id, alert)).collect();
        let mut all = Vec::new();
        self.happened.retain(|id, _| {
            let waits = waiting.contains_key(id);
            if !waits {
                all.push(Do::TakeBack(*id));
            }
            waits
        });
        let was_told_as_one = !self.as_one.is_empty();
        self.as_one.retain(|id| waiting.contains_key(id));
        let mut new = Vec::new();
        for (id, alert) in &waiting {
            let happening = (alert.episode, alert.reopened, alert.version);
            let before = self.happened.insert(*id, happening);
            if before == Some(happening) {
                continue;
            }
            if before.is_some() {
                all.push(Do::TakeBack(*id));
                self.as_one.remove(id);
            }
            new.push(Notice::of(alert));
        }
        let is_many = new.len() > MOST_AT_ONCE;
        // One notice of many at a time: a second one speaks for those of the first too.
        if was_told_as_one && (is_many || self.as_one.is_empty()) {
            all.push(Do::TakeBackMany);
        }
        if is_many {
            self.as_one.extend(new.iter().map(|notice| notice.alert));
            all.push(Do::TellMany(self.as_one.len()));
        } else {
            all.extend(new.into_iter().map(Do::Tell));
        }
        all
    }
}

/// Pages that nobody has yet.
pub(crate) fn count(open: &[Alert]) -> usize {
    open.iter().filter(|alert| wants_somebody(alert)).count()
}

fn wants_somebody(alert: &Alert) -> bool {
    alert.severity == "page" && alert.state == "firing" && !alert.dry_run
}

impl Notice {
    fn of(alert: &Alert) -> Self {
        let title = match &alert.pool {
            Some(pool) => format!("{}: {pool}", alert.title),
            None => alert.title.clone(),
        };
        Self { alert: alert.id, version: alert.version, title: one_line(&title), text: one_line(&alert.text) }
    }
}

fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(id: i64) -> Alert {
        Alert {
            id,
            version: 3,
            episode: 1,
            reopened: 0,
            title: "Pool saturated".into(),
            text: "412 claims refused\nin 5 min".into(),
            pool: Some("ingress-eu".into()),
            state: "firing".into(),
            severity: "page".into(),
            dry_run: false,
        }
    }

    #[test]
    fn a_page_is_told_once_and_taken_back_when_somebody_has_it() {
        let mut told = Told::default();
        let notice = Notice {
            alert: 7,
            version: 3,
            title: "Pool saturated: ingress-eu".into(),
            text: "412 claims refused in 5 min".into(),
        };
        assert_eq!(told.update(&[page(7)]), [Do::Tell(notice)]);
        assert_eq!(told.update(&[Alert { text: "500 claims refused".into(), ..page(7) }]), [], "a number is no news");
        assert_eq!(told.update(&[Alert { state: "acknowledged".into(), ..page(7) }]), [Do::TakeBack(7)]);
        assert_eq!(told.update(&[Alert { state: "acknowledged".into(), ..page(7) }]), []);
        assert_eq!(told.update(&[page(7)]).len(), 1, "given up by whoever had it, it is told again");
        assert_eq!(told.update(&[]), [Do::TakeBack(7)]);
    }

    #[test]
    fn what_comes_back_is_told_anew_in_place_of_the_older_notice() {
        let mut told = Told::default();
        told.update(&[page(7)]);
        for again in [
            Alert { reopened: 1, ..page(7) },
            Alert { episode: 2, ..page(7) },
            // Acknowledged and given up between two looks: the older notice could not be acknowledged.
            Alert { version: 5, ..page(7) },
        ] {
            let seen = std::slice::from_ref(&again);
            assert_eq!(told.update(seen), [Do::TakeBack(7), Do::Tell(Notice::of(&again))]);
            assert_eq!(told.update(seen), []);
        }
    }

    #[test]
    fn only_pages_that_nobody_has_are_told() {
        for state in ["acknowledged", "snoozed", "silenced", "inhibited", "resolved", "no-data", "pending"] {
            let alert = Alert { state: state.into(), ..page(1) };
            assert_eq!((Told::default().update(std::slice::from_ref(&alert)), count(&[alert])), (vec![], 0), "{state}");
        }
        let others = [Alert { severity: "ticket".into(), ..page(1) }, Alert { dry_run: true, ..page(2) }];
        assert_eq!((Told::default().update(&others), count(&others)), (vec![], 0));
        assert_eq!(count(&[page(1), page(2)]), 2);
    }

    #[test]
    fn many_at_once_are_told_as_one() {
        let mut told = Told::default();
        let many: Vec<Alert> = (1..=5).map(page).collect();
        assert_eq!(told.update(&many), [Do::TellMany(5)]);
        assert_eq!(told.update(&many), []);
        assert_eq!(told.update(&many[1..]), [Do::TakeBack(1)], "the others still wait");
        let mut four = Told::default();
        assert_eq!(four.update(&many[1..]).len(), 4);
    }

    #[test]
    fn the_notice_of_many_is_replaced_and_goes_with_the_last_of_them() {
        let mut told = Told::default();
        let all: Vec<Alert> = (1..=11).map(page).collect();
        assert_eq!(told.update(&all[..5]), [Do::TellMany(5)]);
        assert_eq!(told.update(&all[..6]), [Do::Tell(Notice::of(&page(6)))], "one more is one more");
        assert_eq!(told.update(&all), [Do::TakeBackMany, Do::TellMany(10)], "it speaks for those of the first too");
        assert_eq!(told.update(&all[4..6]).iter().filter(|one| **one == Do::TakeBackMany).count(), 0);
        assert_eq!(told.update(&all[5..6]), [Do::TakeBack(5), Do::TakeBackMany], "six was told by itself");
        assert_eq!(told.update(&[]), [Do::TakeBack(6)]);
        // One of them that comes back is told by itself, and then the notice of many does not speak for it.
        assert_eq!(told.update(&all[..5]), [Do::TellMany(5)]);
        told.update(&all[..1]);
        let again = Alert { reopened: 1, ..page(1) };
        let expected = [Do::TakeBack(1), Do::TakeBackMany, Do::Tell(Notice::of(&again))];
        assert_eq!(told.update(&[again]), expected);
    }

    #[test]
    fn texts_are_bounded_and_of_one_line() {
        let alert = Alert { text: "x\u{7}\n".repeat(1_000), ..page(1) };
        let notice = Notice::of(&alert);
        assert!(notice.text.chars().count() == MAX_TEXT && !notice.text.contains(char::is_control));
    }
}
