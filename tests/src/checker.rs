//! Checks a recorded history of claims, renewals and releases against what the allocator promises about a slot.
//!
//! The fence of a slot is a total order of its transitions, so each rule takes one pass over a slot's operations in that order:
//!
//! 1. no fence is acknowledged to two claims;
//! 2. real time: what was acknowledged before something else was asked for has the lower fence;
//! 3. holds never overlap: a hold is certain from the claim's answer until its release is asked for, or until the deadline
//!    that the server gave, counted from before it was asked;
//! 4. nothing acknowledged is lost: in the end the slot's fence is at least the last one acknowledged, and where it is the same
//!    the holder is too;
//! 5. every acknowledged transition has exactly one event, and events follow each other fence by fence.
//!
//! An operation whose outcome is unknown may or may not have happened, never both.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::BufRead;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A slot for a holder; raises the fence.
    Claim,
    /// More time; keeps the fence.
    Renew,
    /// An end; raises the fence.
    Release,
}

/// How it ended, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Ok,
    /// Not done.
    Refused,
    /// Not known.
    Unknown,
}

/// A line of a history. Nanoseconds are of one monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// An operation of a client.
    Operation {
        /// Slot.
        slot: u64,
        /// What.
        kind: Kind,
        /// For whom.
        holder: String,
        /// Before it was sent.
        asked_ns: u64,
        /// After the answer came.
        answered_ns: u64,
        /// How it ended.
        outcome: Outcome,
        /// The fence that the answer gave; 0 without one.
        fence: u64,
        /// Nanoseconds that the answer gave the holder, from when it was asked; 0 without any.
        lasts_ns: u64,
    },
    /// A transition as the database recorded it.
    Event {
        /// Slot.
        slot: u64,
        /// The fence after it.
        fence: u64,
        /// What; expiry counts as a release.
        kind: Kind,
        /// For whom.
        holder: String,
    },
    /// A slot in the end.
    Final {
        /// Slot.
        slot: u64,
        /// Its fence.
        fence: u64,
        /// Who holds it.
        holder: Option<String>,
    },
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Number of the rule.
    pub rule: u8,
    /// Slot.
    pub slot: u64,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: slot {}: {}", self.rule, self.slot, self.what)
    }
}

#[derive(Debug, Clone)]
struct Operation {
    kind: Kind,
    holder: String,
    asked: u64,
    answered: u64,
    fence: u64,
    lasts: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Acknowledged, in the order of the history.
    done: Vec<Operation>,
    /// Releases of which nobody knows whether they happened: holder, and when they were asked for. A hold that is certain ends
    /// there.
    perhaps_released: Vec<(String, u64)>,
    events: Vec<(u64, Kind, String)>,
    end: Option<(u64, Option<String>)>,
}

/// Reads a history, one JSON object a line.
pub fn read(lines: impl BufRead) -> Result<Vec<Line>> {
    let parsed = lines.lines().enumerate().map(|(number, line)| {
        serde_json::from_str(&line?).with_context(|| format!("line {} of the history cannot be read", number + 1))
    });
    parsed.collect()
}

/// All violations of a history, and how many acknowledged operations it has.
pub fn check(history: &[Line]) -> (Vec<Violation>, usize) {
    let mut slots: BTreeMap<u64, Slot> = BTreeMap::new();
    for line in history {
        match line.clone() {
            Line::Operation { slot, kind, holder, asked_ns, answered_ns, outcome: Outcome::Ok, fence, lasts_ns } => {
                let operation =
                    Operation { kind, holder, asked: asked_ns, answered: answered_ns, fence, lasts: lasts_ns };
                slots.entry(slot).or_default().done.push(operation);
            }
            Line::Operation { slot, kind: Kind::Release, holder, asked_ns, outcome: Outcome::Unknown, .. } => {
                slots.entry(slot).or_default().perhaps_released.push((holder, asked_ns));
            }
            Line::Operation { .. } => {}
            Line::Event { slot, fence, kind, holder } => {
                slots.entry(slot).or_default().events.push((fence, kind, holder));
            }
            Line::Final { slot, fence, holder } => slots.entry(slot).or_default().end = Some((fence, holder)),
        }
    }
    let acknowledged = slots.values().map(|slot| slot.done.len()).sum();
    let mut found = Vec::new();
    for (number, slot) in &mut slots {
        let mut tell = |rule: u8, what: String| found.push(Violation { rule, slot: *number, what });
        slot.done.sort_by_key(|operation| (operation.fence, operation.asked));
        once_each(slot, &mut tell);
        in_real_time(slot, &mut tell);
        apart(slot, &mut tell);
        kept(slot, &mut tell);
        recorded(slot, &mut tell);
    }
    (found, acknowledged)
}

/// Operations that raise the fence.
fn transitions(slot: &Slot) -> impl Iterator<Item = &Operation> {
    slot.done.iter().filter(|operation| operation.kind != Kind::Renew)
}

fn once_each(slot: &Slot, tell: &mut impl FnMut(u8, String)) {
    let all: Vec<&Operation> = transitions(slot).collect();
    for pair in all.windows(2).filter(|pair| pair[0].fence == pair[1].fence) {
        tell(1, format!("fence {} was given to {} and to {}", pair[0].fence, pair[0].holder, pair[1].holder));
    }
}

fn in_real_time(slot: &Slot, tell: &mut impl FnMut(u8, String)) {
    // From the highest fence down: whoever was answered before something of a lower fence was asked is out of order.
    let mut earliest: Option<&Operation> = None;
    let all: Vec<&Operation> = transitions(slot).collect();
    for operation in all.iter().rev() {
        if let Some(later) = earliest.filter(|later| later.answered < operation.asked && later.fence > operation.fence)
        {
            tell(2, format!("fence {} was answered before fence {} was asked for", later.fence, operation.fence));
        }
        if earliest.is_none_or(|best| operation.answered < best.answered) {
            earliest = Some(operation);
        }
    }
}

/// A time in which a holder certainly had the slot.
struct Hold<'a> {
    holder: &'a str,
    from: u64,
    to: u64,
}

fn apart(slot: &Slot, tell: &mut impl FnMut(u8, String)) {
    let mut holds: Vec<Hold<'_>> = Vec::new();
    for claim in slot.done.iter().filter(|operation| operation.kind == Kind::Claim) {
        let mine = |operation: &&Operation| operation.holder == claim.holder && operation.asked >= claim.asked;
        let renewals = slot.done.iter().filter(mine).filter(|o| o.kind == Kind::Renew && o.fence == claim.fence);
        let until = renewals.chain([claim]).map(|o| o.asked + o.lasts).max().unwrap_or_default();
        let release = slot.done.iter().filter(mine).filter(|o| o.kind == Kind::Release && o.fence == claim.fence + 1);
        let perhaps =
            slot.perhaps_released.iter().filter(|(holder, asked)| *holder == claim.holder && *asked >= claim.asked);
        let to = release.map(|o| o.asked).chain(perhaps.map(|(_, asked)| *asked)).min().unwrap_or(u64::MAX).min(until);
        if claim.answered < to {
            holds.push(Hold { holder: &claim.holder, from: claim.answered, to });
        }
    }
    holds.sort_by_key(|hold| hold.from);
    let mut longest: Option<&Hold<'_>> = None;
    for hold in &holds {
        if let Some(before) = longest.filter(|before| before.to > hold.from && before.holder != hold.holder) {
            let together = before.to.min(hold.to) - hold.from;
            tell(3, format!("{} and {} held it together for {together} ns", before.holder, hold.holder));
        }
        if longest.is_none_or(|best| hold.to > best.to) {
            longest = Some(hold);
        }
    }
}

fn kept(slot: &Slot, tell: &mut impl FnMut(u8, String)) {
    let (Some((fence, holder)), Some(last)) = (&slot.end, transitions(slot).last()) else { return };
    if *fence < last.fence {
        tell(4, format!("fence {} was acknowledged, and in the end it is {fence}", last.fence));
    }
    if *fence == last.fence {
        let expected = (last.kind == Kind::Claim).then_some(last.holder.as_str());
        if holder.as_deref() != expected {
            tell(4, format!("fence {fence} was acknowledged for {expected:?}, and in the end {holder:?} has it"));
        }
    }
}

fn recorded(slot: &mut Slot, tell: &mut impl FnMut(u8, String)) {
    let renewals_aside = |events: &[(u64, Kind, String)]| -> Vec<(u64, Kind, String)> {
        events.iter().filter(|(_, kind, _)| *kind != Kind::Renew).cloned().collect()
    };
    slot.events.sort_by_key(|(fence, ..)| *fence);
    let events = renewals_aside(&slot.events);
    for pair in events.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1) {
        tell(5, format!("the event of fence {} follows that of fence {}", pair[1].0, pair[0].0));
    }
    let by_fence: HashMap<u64, &(u64, Kind, String)> = events.iter().map(|event| (event.0, event)).collect();
    for operation in slot.done.iter().filter(|operation| operation.kind != Kind::Renew) {
        match by_fence.get(&operation.fence) {
            None => tell(5, format!("fence {} was acknowledged and has no event", operation.fence)),
            Some((_, kind, holder)) if (*kind, holder) != (operation.kind, &operation.holder) => {
                tell(5, format!("the event of fence {} tells of {kind:?} by {holder}", operation.fence));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (kind, holder, asked, answered, fence, lasts)
    type Told<'a> = (Kind, &'a str, u64, u64, u64, u64);

    fn history(operations: &[Told<'_>], end: (u64, Option<&str>)) -> Vec<Line> {
        let done = operations.iter().map(|(kind, holder, asked, answered, fence, lasts)| Line::Operation {
            slot: 7,
            kind: *kind,
            holder: (*holder).to_owned(),
            asked_ns: *asked,
            answered_ns: *answered,
            outcome: Outcome::Ok,
            fence: *fence,
            lasts_ns: *lasts,
        });
        let mut seen = Vec::new();
        let events =
            operations.iter().filter(|told| told.0 != Kind::Renew).filter_map(|(kind, holder, _, _, fence, _)| {
                let fresh = !seen.contains(fence);
                seen.push(*fence);
                fresh.then(|| Line::Event { slot: 7, fence: *fence, kind: *kind, holder: (*holder).to_owned() })
            });
        let end = Line::Final { slot: 7, fence: end.0, holder: end.1.map(str::to_owned) };
        done.chain(events.collect::<Vec<_>>()).chain([end]).collect()
    }

    fn rules(history: &[Line]) -> Vec<u8> {
        check(history).0.iter().map(|violation| violation.rule).collect()
    }

    use Kind::{Claim, Release, Renew};

    #[test]
    fn an_orderly_history_passes() {
        let fine = history(
            &[
                (Claim, "a", 0, 10, 1, 100),
                (Renew, "a", 50, 60, 1, 100),
                (Release, "a", 140, 150, 2, 0),
                (Claim, "b", 141, 160, 3, 100),
                // b ran out, c came after.
                (Claim, "c", 241, 250, 5, 100),
            ],
            (5, Some("c")),
        );
        let (found, acknowledged) = check(&fine);
        // The expiry between b and c is an event that nobody was answered.
        let with_expiry: Vec<Line> =
            fine.into_iter().chain([Line::Event { slot: 7, fence: 4, kind: Release, holder: "b".into() }]).collect();
        assert_eq!((found.len(), acknowledged), (1, 5), "{found:?}");
        assert_eq!(rules(&with_expiry), Vec::<u8>::new());
    }

    #[test]
    fn each_rule_finds_what_it_is_there_for() {
        let twice = history(&[(Claim, "a", 0, 10, 1, 5), (Claim, "b", 20, 30, 1, 5)], (1, Some("b")));
        assert!(rules(&twice).contains(&1));
        let backwards = history(&[(Claim, "a", 50, 60, 1, 1), (Release, "a", 10, 20, 2, 0)], (2, None));
        assert_eq!(rules(&backwards), [2]);
        let together = history(
            &[(Claim, "a", 0, 10, 1, 100), (Release, "x", 20, 30, 2, 0), (Claim, "b", 40, 50, 3, 100)],
            (3, Some("b")),
        );
        assert_eq!(rules(&together), [3]);
        let renewed = history(
            &[
                (Claim, "a", 0, 10, 1, 20),
                (Renew, "a", 15, 16, 1, 100),
                (Release, "x", 30, 31, 2, 0),
                (Claim, "b", 40, 50, 3, 9),
            ],
            (3, Some("b")),
        );
        assert!(!rules(&renewed).contains(&3), "b had nothing left when it was answered");
        let lost = history(&[(Claim, "a", 0, 10, 4, 100)], (3, None));
        assert_eq!(rules(&lost), [4]);
        let other = history(&[(Claim, "a", 0, 10, 4, 100)], (4, Some("b")));
        assert_eq!(rules(&other), [4]);
        let mut silent = history(&[(Claim, "a", 0, 10, 4, 100)], (4, Some("a")));
        silent.retain(|line| !matches!(line, Line::Event { .. }));
        assert_eq!(rules(&silent), [5]);
        let mut gap = history(&[(Claim, "a", 0, 10, 1, 5), (Claim, "b", 20, 30, 3, 5)], (3, Some("b")));
        assert_eq!(rules(&gap), [5]);
        gap.push(Line::Event { slot: 7, fence: 2, kind: Release, holder: "a".into() });
        assert_eq!(rules(&gap), Vec::<u8>::new());
    }

    #[test]
    fn what_is_not_known_counts_neither_way() {
        let mut unknown = history(&[(Claim, "a", 0, 10, 1, 50)], (3, None));
        for (fence, kind) in [(2, Release), (3, Claim)] {
            unknown.push(Line::Operation {
                slot: 7,
                kind,
                holder: "b".into(),
                asked_ns: 20,
                answered_ns: 30,
                outcome: if fence == 2 { Outcome::Unknown } else { Outcome::Refused },
                fence: 0,
                lasts_ns: 0,
            });
        }
        assert_eq!(rules(&unknown), Vec::<u8>::new());
        // A release without an answer may have happened: what comes after it is no overlap.
        let mut perhaps = history(&[(Claim, "a", 0, 10, 1, 500), (Claim, "b", 60, 70, 3, 50)], (3, Some("b")));
        perhaps.push(Line::Event { slot: 7, fence: 2, kind: Release, holder: "a".into() });
        assert_eq!(rules(&perhaps), [3]);
        perhaps.push(Line::Operation {
            slot: 7,
            kind: Release,
            holder: "a".into(),
            asked_ns: 50,
            answered_ns: 90,
            outcome: Outcome::Unknown,
            fence: 2,
            lasts_ns: 0,
        });
        assert_eq!(rules(&perhaps), Vec::<u8>::new());
        let text: Vec<String> = unknown.iter().filter_map(|line| serde_json::to_string(line).ok()).collect();
        assert_eq!(read(text.join("\n").as_bytes()).expect("it can be read again"), unknown);
    }
}
