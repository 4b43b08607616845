//! From verdicts to conditions: when a lane opens, when it is held, when it closes.

use super::window::{Lane, Truth};
use crate::{MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};

/// What a rule says of one pool or tenant at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// Whether people are to be woken.
    pub page: Truth,
    /// Whether there is work at all; holds whenever `page` does.
    pub ticket: Truth,
    /// The first tier that holds in the higher lane, for messages.
    pub tier: String,
    /// The page is an urgent one.
    pub critical: bool,
}

impl Verdicts {
    /// Of a rule with one condition and one lane.
    pub fn of(lane: Lane, truth: Truth) -> Self {
        let page = if lane == Lane::Page { truth } else { Truth::False };
        Self { page, ticket: truth, tier: String::new(), critical: false }
    }
}

/// How long things must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// A condition holds for so long before it counts.
    #[serde(default)]
    pub for_ms: Millis,
    /// It is over when it has not held for so long.
    pub resolve_after_ms: Millis,
    /// And when there was nothing to judge for so long.
    pub idle_after_ms: Millis,
}

impl Default for Timing {
    fn default() -> Self {
        Self { for_ms: 0, resolve_after_ms: 2 * MINUTE_MS, idle_after_ms: 30 * MINUTE_MS }
    }
}

/// Why something is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The condition does not hold any more.
    Clear,
    /// There is nothing left to judge.
    Idle,
    /// A person said so.
    Person,
    /// Its rule or its pool is gone.
    Gone,
}

impl Why {
    /// The word in the API, in the database and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Idle => "idle",
            Self::Person => "person",
            Self::Gone => "gone",
        }
    }
}

/// One lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// It is open: people know, or are about to.
    pub open: bool,
    /// So long has it been seen not to hold.
    clear_ms: Millis,
    /// So long has there been nothing to judge.
    idle_ms: Millis,
    /// What was said last, and of which instant.
    last: Option<(Millis, Truth)>,
}

impl LaneState {
    /// What was said last.
    pub fn truth(&self) -> Option<Truth> {
        self.last.map(|(_, truth)| truth)
    }

    /// Takes up what is said of an instant. `may_open` is false while the condition is only pending.
    fn step(&mut self, at: Millis, truth: Truth, may_open: bool, timing: &Timing) -> Option<Turn> {
        let before = self.last.replace((at, truth));
        // Time counts where both its ends say the same: what was not seen in between does not.
        let since = before.filter(|(_, before)| *before == truth).map_or(0, |(before, _)| (at - before).max(0));
        match truth {
            Truth::True => (self.clear_ms, self.idle_ms) = (0, 0),
            Truth::False => {
                self.clear_ms += since;
                self.idle_ms = 0;
            }
            Truth::Idle => self.idle_ms += since,
            Truth::Unknown => {}
        }
        if !self.open {
            self.open = truth == Truth::True && may_open;
            return self.open.then_some(Turn::Opened);
        }
        let why = if truth == Truth::False && self.clear_ms >= timing.resolve_after_ms {
            Why::Clear
        } else if truth == Truth::Idle && self.idle_ms >= timing.idle_after_ms {
            Why::Idle
        } else {
            return None;
        };
        *self = Self { last: self.last, ..Self::default() };
        Some(Turn::Closed(why))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Opened,
    Closed(Why),
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It holds, and not yet for long enough.
    Pending,
    /// It held, and not for long enough.
    PendingOver,
    /// It fires.
    Fired(Lane),
    /// A ticket became a page.
    Upgraded,
    /// The page is over; the ticket stays, unless [`Change::Over`] follows.
    PageOver(Why),
    /// All is over.
    Over(Why),
}

/// The lanes of one rule for one pool or tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lanes {
    /// Somebody is woken.
    pub page: LaneState,
    /// There is work.
    pub ticket: LaneState,
    /// Since when it holds without having fired.
    pub pending_ms: Option<Millis>,
}

impl Lanes {
    /// True if it fires.
    pub fn is_open(&self) -> bool {
        self.page.open || self.ticket.open
    }

    /// True if nothing needs to be remembered.
    pub fn is_idle(&self) -> bool {
        !self.is_open() && self.pending_ms.is_none()
    }

    /// The higher of the open lanes.
    pub fn severity(&self) -> Option<Lane> {
        if self.page.open { Some(Lane::Page) } else { self.ticket.open.then_some(Lane::Ticket) }
    }

    /// True if it fires, and nobody can tell whether it still would.
    pub fn is_frozen(&self) -> bool {
        let of = match self.severity() {
            Some(Lane::Page) => &self.page,
            Some(Lane::Ticket) => &self.ticket,
            None => return false,
        };
        of.truth() == Some(Truth::Unknown)
    }

    /// True if the condition is known to hold now.
    pub fn holds(&self) -> bool {
        self.ticket.truth() == Some(Truth::True) || self.page.truth() == Some(Truth::True)
    }

    /// Takes up what is said of an instant. An earlier one changes nothing; the same again, with data that came late, can open a
    /// lane and adds no time to what lasts.
    pub fn step(&mut self, at: Millis, said: &Verdicts, timing: &Timing) -> Vec<Change> {
        if self.ticket.last.is_some_and(|(last, _)| at < last) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let any = Truth::any([said.page, said.ticket]);
        let was_open = self.is_open();
        let mut may_open = true;
        if !was_open {
            match any {
                Truth::True => {
                    let since = *self.pending_ms.get_or_insert_with(|| {
                        changes.push(Change::Pending);
                        at
                    });
                    may_open = at - since >= timing.for_ms;
                }
                Truth::False | Truth::Idle => {
                    if self.pending_ms.take().is_some() {
                        changes.push(Change::PendingOver);
                    }
                }
                // What is not known neither begins nor ends anything.
                Truth::Unknown => {}
            }
        }
        let (had_page, had_ticket) = (self.page.open, self.ticket.open);
        let page = self.page.step(at, said.page, may_open, timing);
        let ticket = self.ticket.step(at, any, may_open, timing);
        if self.is_open() {
            self.pending_ms = None;
        }
        if page == Some(Turn::Opened) {
            // Whoever is woken has work.
            self.ticket.open = true;
            changes.push(if was_open { Change::Upgraded } else { Change::Fired(Lane::Page) });
        } else if ticket == Some(Turn::Opened) && !was_open {
            changes.push(Change::Fired(Lane::Ticket));
        }
        if let Some(Turn::Closed(why)) = page {
            changes.push(Change::PageOver(why));
        }
        // A page that stays open keeps its work open.
        if self.page.open && had_ticket {
            self.ticket.open = true;
        }
        if (had_page || had_ticket) && !self.is_open() {
            let why = match (ticket, page) {
                (Some(Turn::Closed(why)), _) | (_, Some(Turn::Closed(why))) => why,
                _ => Why::Clear,
            };
            changes.push(Change::Over(why));
        }
        // A condition with no time to wait for is never seen pending.
        if changes.iter().any(|change| matches!(change, Change::Fired(_))) {
            changes.retain(|change| *change != Change::Pending);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of one minute; the changes that each makes.
    fn run(timing: Timing, said: &[Truth]) -> Vec<(i64, Change)> {
        let mut lanes = Lanes::default();
        let mut all = Vec::new();
        for (minute, truth) in said.iter().enumerate() {
            let minute = minute as i64;
            let changes = lanes.step(minute * MINUTE_MS, &Verdicts::of(Lane::Page, *truth), &timing);
            all.extend(changes.into_iter().map(|change| (minute, change)));
        }
        all
    }

    #[test]
    fn a_lane_opens_is_held_and_closes() {
        use Change::{Fired, Over, PageOver, Pending, PendingOver};
        use Truth::{False as F, Idle as I, True as T, Unknown as U};
        let quick = Timing::default();
        let slow = Timing { for_ms: 2 * MINUTE_MS, ..quick };
        let short_idle = Timing { idle_after_ms: 3 * MINUTE_MS, ..quick };
        let over = |at, why| vec![(at, PageOver(why)), (at, Over(why))];
        let cases: Vec<(&str, Timing, Vec<Truth>, Vec<(i64, Change)>)> = vec![
            ("quiet", quick, vec![F, I, U, F], vec![]),
            ("at once", quick, vec![F, T], vec![(1, Fired(Lane::Page))]),
            ("unknown opens nothing", quick, vec![U, U], vec![]),
            (
                "clear for two minutes",
                quick,
                vec![T, F, F, F],
                [vec![(0, Fired(Lane::Page))], over(3, Why::Clear)].concat(),
            ),
            ("held while nothing is known", quick, vec![T, F, U, U, U, F, F], vec![(0, Fired(Lane::Page))]),
            (
                "time that was not seen does not count",
                quick,
                vec![T, F, F, U, U, U, F, F],
                [vec![(0, Fired(Lane::Page))], over(7, Why::Clear)].concat(),
            ),
            ("it comes back", quick, vec![T, F, F, T, F, F], vec![(0, Fired(Lane::Page))]),
            ("idle", short_idle, vec![T, I, I, I, I], [vec![(0, Fired(Lane::Page))], over(4, Why::Idle)].concat()),
            ("too short (V30)", slow, vec![T, F], vec![(0, Pending), (1, PendingOver)]),
            ("long enough (V30)", slow, vec![T, T, T], vec![(0, Pending), (2, Fired(Lane::Page))]),
            ("pending over a gap", slow, vec![T, U, T], vec![(0, Pending), (2, Fired(Lane::Page))]),
        ];
        for (name, timing, said, expected) in cases {
            assert_eq!(run(timing, &said), expected, "{name}");
        }
    }

    #[test]
    fn the_past_changes_nothing_and_the_same_instant_can_be_judged_again() {
        let mut lanes = Lanes::default();
        let (yes, no) = (Verdicts::of(Lane::Ticket, Truth::True), Verdicts::of(Lane::Ticket, Truth::False));
        let timing = Timing { resolve_after_ms: 1, ..Timing::default() };
        assert_eq!(lanes.step(MINUTE_MS, &no, &timing), []);
        // V21: a slice was sent again, and now it holds.
        assert_eq!(lanes.step(MINUTE_MS, &yes, &timing), [Change::Fired(Lane::Ticket)]);
        assert_eq!(lanes.step(MINUTE_MS, &yes, &timing), []);
        let kept = lanes.clone();
        assert_eq!(lanes.step(0, &no, &timing), []);
        assert_eq!(lanes, kept);
        assert_eq!((lanes.step(MINUTE_MS, &no, &timing), lanes.step(MINUTE_MS, &no, &timing)), (vec![], vec![]));
        assert!(lanes.is_open(), "no time has passed");
    }

    #[test]
    fn a_ticket_becomes_a_page_and_a_ticket_again() {
        let mut lanes = Lanes::default();
        let timing = Timing { resolve_after_ms: 0, ..Timing::default() };
        let mut step = |minute: i64, page: Truth, ticket: Truth| {
            let said = Verdicts { page, ticket, ..Verdicts::of(Lane::Page, Truth::True) };
            lanes.step(minute * MINUTE_MS, &said, &timing)
        };
        assert_eq!(step(1, Truth::False, Truth::True), [Change::Fired(Lane::Ticket)]);
        assert_eq!(step(2, Truth::True, Truth::True), [Change::Upgraded]);
        assert_eq!(step(3, Truth::False, Truth::True), [Change::PageOver(Why::Clear)]);
        assert_eq!(step(4, Truth::False, Truth::Idle), []);
        assert_eq!(step(5, Truth::False, Truth::False), [Change::Over(Why::Clear)]);
    }
}
