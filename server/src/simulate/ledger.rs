//! What came of the claims, and whether the allocator kept its promises.

use headroom_slots::{Error, Granted};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most promises that are told one by one when they were broken.
const SHOWN: usize = 20;

/// Counts of claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Clients that asked.
    pub asked: u64,
    /// Asks that were granted.
    pub granted: u64,
    /// Given back.
    pub released: u64,
    /// Left behind on purpose.
    pub vanished: u64,
    /// Lost: taken, expired, or not renewed in time.
    pub lost: u64,
    /// It is not known what came of them.
    pub unknown: u64,
    /// The server was away, or did not understand.
    pub failed: u64,
    /// Asks that were refused.
    pub refused: u64,
}

/// Waiting times of what was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Half waited no longer.
    pub p50_ms: u64,
    /// 95 of 100 waited no longer.
    pub p95_ms: u64,
    /// 99 of 100 waited no longer.
    pub p99_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl Waits {
    fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let at = |part: usize| {
            let place = (waits.len() * part).div_ceil(100).saturating_sub(1);
            waits.get(place).copied().unwrap_or_default()
        };
        Self { p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), max_ms: at(100) }
    }
}

/// What a simulation found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Counts of claims.
    pub claims: Claims,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Other errors, by their beginning.
    pub errors: BTreeMap<String, u64>,
    /// From the ask to the grant.
    pub waits: Waits,
    /// Most slots held at once.
    pub most_held: u64,
    /// How often a promise was broken: a slot given to two, or a fence that did not grow.
    pub broken_promises: u64,
    /// The first of them.
    pub broken: Vec<String>,
}

/// A slot as we know it.
#[derive(Debug)]
struct Known {
    fence: i64,
    /// Held by us until here at least; `None` if we gave it back.
    until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Book {
    findings: Findings,
    waits: Vec<u64>,
    slots: HashMap<(String, u32), Known>,
    held: u64,
}

/// Counts and checks. Shared by all clients of a simulation.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Counts stay counts, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client asks.
    pub fn asked(&self) {
        self.book().findings.claims.asked += 1;
    }

    /// It was granted, after so long.
    pub fn granted(&self, granted: &Granted, after: Duration) {
        let mut book = self.book();
        let book = &mut *book;
        book.findings.claims.granted += 1;
        book.waits.push(after.as_millis() as u64);
        book.held += granted.slots.len() as u64;
        book.findings.most_held = book.findings.most_held.max(book.held);
        let now = Instant::now();
        for held in &granted.slots {
            let new = Known { fence: held.fence, until: Some(granted.until) };
            let before = book.slots.insert((granted.pool.clone(), held.slot), new);
            let Some(before) = before else { continue };
            let broken = if before.fence >= held.fence {
                format!("slot {} of {}: fence {} after {}", held.slot, granted.pool, held.fence, before.fence)
            } else if before.until.is_some_and(|until| until > now) {
                format!("slot {} of {} was given to two", held.slot, granted.pool)
            } else {
                continue;
            };
            book.findings.broken_promises += 1;
            if book.findings.broken.len() < SHOWN {
                book.findings.broken.push(broken);
            }
        }
    }

    /// It is about to be given back, is left behind, or was lost: from here on others may hold it. Said before the release is
    /// sent, because its answer comes late.
    pub fn leaves(&self, granted: &Granted) {
        let mut book = self.book();
        book.held = book.held.saturating_sub(granted.slots.len() as u64);
        for held in &granted.slots {
            if let Some(known) = book.slots.get_mut(&(granted.pool.clone(), held.slot))
                && known.fence == held.fence
            {
                known.until = None;
            }
        }
    }

    /// It was given back.
    pub fn released(&self) {
        self.book().findings.claims.released += 1;
    }

    /// It is left behind.
    pub fn vanished(&self) {
        self.book().findings.claims.vanished += 1;
    }

    /// It was lost.
    pub fn lost(&self) {
        self.book().findings.claims.lost += 1;
    }

    /// A call failed.
    pub fn error(&self, error: &Error) {
        let mut book = self.book();
        let claims = &mut book.findings.claims;
        match error {
            Error::Refused { reason, .. } => {
                claims.refused += 1;
                *book.findings.refusals.entry(reason.clone()).or_default() += 1;
                return;
            }
            Error::Lost(_) => claims.lost += 1,
            Error::Unknown(_) => claims.unknown += 1,
            _ => claims.failed += 1,
        }
        /// Errors are told apart by so many characters.
        const BEGINNING: usize = 80;
        let text: String = error.to_string().chars().take(BEGINNING).collect();
        *book.findings.errors.entry(text).or_default() += 1;
    }

    /// The sum of all waiting times.
    pub fn total_wait(&self) -> Duration {
        Duration::from_millis(self.book().waits.iter().sum())
    }

    /// What was found so far.
    pub fn findings(&self) -> Findings {
        let book = self.book();
        Findings { waits: Waits::of(book.waits.clone()), ..book.findings.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_slots::{Fenced, Uuid};

    fn granted(slot: u32, fence: i64) -> Granted {
        Granted {
            claim: Uuid::nil(),
            pool: "p".into(),
            tenant: "t".into(),
            holder: "h".into(),
            priority: 5,
            slots: vec![Fenced { slot, fence }],
            until: Instant::now() + Duration::from_mins(1),
            ends: None,
            waited: Duration::ZERO,
            notice: None,
        }
    }

    #[test]
    fn a_slot_that_comes_back_may_be_given_again() {
        let ledger = Ledger::default();
        let first = granted(1, 1);
        ledger.granted(&first, Duration::from_millis(5));
        ledger.leaves(&first);
        ledger.granted(&granted(1, 3), Duration::from_millis(9));
        ledger.granted(&granted(2, 1), Duration::ZERO);
        let findings = ledger.findings();
        assert_eq!((findings.broken_promises, findings.claims.granted, findings.most_held), (0, 3, 2));
        assert_eq!((findings.waits.p50_ms, findings.waits.max_ms), (5, 9));
    }

    #[test]
    fn a_slot_that_is_given_to_two_and_a_fence_that_does_not_grow_are_found() {
        let ledger = Ledger::default();
        ledger.granted(&granted(1, 1), Duration::ZERO);
        ledger.granted(&granted(1, 2), Duration::ZERO);
        assert_eq!(ledger.findings().broken_promises, 1);
        let back = granted(1, 2);
        ledger.leaves(&back);
        ledger.granted(&granted(1, 2), Duration::ZERO);
        let findings = ledger.findings();
        assert_eq!(findings.broken_promises, 2);
        assert!(findings.broken[0].contains("two") && findings.broken[1].contains("fence"), "{findings:?}");
    }
}
