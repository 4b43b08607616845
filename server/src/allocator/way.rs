//! The way of a claim through the server: how long it waited for what, kept for the debug view.
//!
//! Times are taken of every claim, which costs a look at the clock; rows are written for some: those whose caller asked for it
//! (W3C trace context, the sampled flag), those that were refused, waited, met a conflict or were slow, and one of many others.
//! All together are limited, so that an outage does not fill the disk with its own traces.

use crate::db::Db;
use headroom_domain::Millis;
use headroom_store::claim_trace::{self, ClaimTrace, Step};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A claim that takes longer is slow (M6).
const SLOW: Duration = Duration::from_millis(50);
/// One of so many claims is kept though nothing is special about it.
const ONE_OF: u64 = 64;
/// Rows per second, on the average.
const PER_SECOND: f64 = 20.0;
/// Rows at once after a quiet time.
const BURST: f64 = 200.0;
/// Rows that wait to be written; more are dropped.
const WAITING: usize = 512;
/// Rows are written this often.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// What the caller says about its own trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The caller's span.
    pub parent: [u8; 8],
    /// The caller keeps this trace.
    pub sampled: bool,
}

/// What is known of a claim's way before it reaches the allocator.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// When the request came.
    pub asked: Instant,
    /// The caller's trace.
    pub context: Option<TraceContext>,
    /// If it must wait, that is the answer: the caller comes back for it.
    pub at_once: bool,
}

impl Origin {
    /// A claim that is asked for now, by somebody without a trace.
    pub fn now() -> Self {
        Self { asked: Instant::now(), context: None, at_once: false }
    }
}

/// A part of the way.
#[derive(Debug)]
struct Leg {
    name: &'static str,
    from: Instant,
    to: Instant,
    note: Note,
}

/// What came of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Nothing,
    /// Claims, renewals and ends that shared a statement.
    Together(usize),
    /// A slot was not as remembered: the claim is tried again.
    Conflict,
}

/// The statement that made something durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement {
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) changes: usize,
}

/// The way of one claim so far.
#[derive(Debug)]
pub(super) struct Way {
    origin: Origin,
    /// When the committer was asked.
    arrived: Instant,
    /// When the present try began to wait.
    since: Instant,
    tenant: i32,
    legs: Vec<Leg>,
    conflicts: u32,
    queued: bool,
}

impl Way {
    pub(super) fn new(origin: Origin, arrived: Instant, tenant: i32) -> Self {
        Self { origin, arrived, since: arrived, tenant, legs: Vec::new(), conflicts: 0, queued: false }
    }

    /// The claim was part of a statement. What it did until then was waiting: for the committer, or for a slot.
    pub(super) fn committed(&mut self, statement: Statement, conflict: bool) {
        let name = if self.queued { "queue.wait" } else { "committer.wait" };
        self.legs.push(Leg { name, from: self.since, to: statement.from, note: Note::Nothing });
        let note = if conflict { Note::Conflict } else { Note::Together(statement.changes) };
        self.legs.push(Leg { name: "store.commit", from: statement.from, to: statement.to, note });
        self.since = statement.to;
        self.conflicts += u32::from(conflict);
    }

    /// It is in the queue from here on.
    pub(super) fn queued(&mut self) {
        self.queued = true;
    }

    /// If it must wait, that is the answer.
    pub(super) fn is_told_at_once(&self) -> bool {
        self.origin.at_once
    }

    fn is_unusual(&self, granted: bool, took: Duration) -> bool {
        !granted || self.queued || self.conflicts > 0 || took > SLOW
    }

    /// The way as it is kept. `now` is the instant of the answer, `at` the same by the database's clock.
    fn written(&self, claim: Uuid, pool: i32, outcome: &str, (now, at): (Instant, Millis)) -> ClaimTrace {
        let us = |from: Instant, to: Instant| to.saturating_duration_since(from).as_micros() as i64;
        let asked = self.origin.asked;
        let granted = outcome == "granted";
        let step = |name: &str, depth, from, to| Step {
            name: name.to_owned(),
            depth,
            from_us: us(asked, from),
            took_us: us(from, to),
            note: String::new(),
            failed: false,
        };
        let mut steps = vec![step("gateway.admit", 1, asked, self.arrived)];
        let refusal = if granted || outcome == "queued" { String::new() } else { outcome.to_owned() };
        let failed = !refusal.is_empty();
        steps.push(Step { note: refusal, failed, ..step("allocator.claim", 1, self.arrived, now) });
        for leg in &self.legs {
            let (note, failed) = match leg.note {
                Note::Nothing => (String::new(), false),
                Note::Together(1) => ("1 change".to_owned(), false),
                Note::Together(changes) => (format!("{changes} changes together"), false),
                Note::Conflict => ("conflict: a slot was not as remembered, tried again".to_owned(), true),
            };
            steps.push(Step { note, failed, ..step(leg.name, 2, leg.from, leg.to) });
        }
        if outcome == "queued" {
            steps.push(step("queue.wait", 2, self.since, now));
        }
        ClaimTrace {
            at_us: at * 1_000 - us(asked, now),
            claim,
            pool,
            tenant: self.tenant,
            outcome: outcome.to_owned(),
            took_us: us(asked, now),
            parent: self.origin.context.map(|context| context.parent.to_vec()),
            steps,
        }
    }
}

/// A bucket of tokens: rows that may be kept.
#[derive(Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        self.at = now;
        let some_left = self.left >= 1.0;
        if some_left {
            self.left -= 1.0;
        }
        some_left
    }
}

/// Decides which ways are kept, and hands them on.
#[derive(Debug)]
pub(super) struct Keeper {
    out: mpsc::Sender<ClaimTrace>,
    budget: Budget,
    answered: u64,
}

impl Keeper {
    /// A keeper whose rows `out` takes.
    pub(super) fn new(out: mpsc::Sender<ClaimTrace>) -> Self {
        Self { out, budget: Budget { left: BURST, at: Instant::now() }, answered: 0 }
    }

    /// A claim was answered: `outcome` is `granted`, `queued` or the reason of its refusal, `at` the database's time.
    pub(super) fn answered(&mut self, way: &Way, claim: Uuid, pool: i32, outcome: &str, at: Millis) {
        let now = Instant::now();
        let took = now.saturating_duration_since(way.origin.asked);
        self.answered += 1;
        let asked_for = way.origin.context.is_some_and(|context| context.sampled);
        let wanted = asked_for || way.is_unusual(outcome == "granted", took) || self.answered.is_multiple_of(ONE_OF);
        if wanted && self.budget.take(now) && self.out.try_send(way.written(claim, pool, outcome, (now, at))).is_err() {
            metrics::counter!("slot_trace_dropped_total").increment(1);
        }
    }
}

/// The channel of rows.
pub(super) fn channel() -> (mpsc::Sender<ClaimTrace>, mpsc::Receiver<ClaimTrace>) {
    mpsc::channel(WAITING)
}

/// Writes what is kept, some at a time, until all who send are gone.
pub(super) async fn write(db: Db, mut inbox: mpsc::Receiver<ClaimTrace>) {
    let mut together = Vec::new();
    while inbox.recv_many(&mut together, WAITING).await > 0 {
        let written = async {
            let mut conn = db.jobs.acquire().await?;
            claim_trace::keep(&mut conn, &together).await
        };
        if let Err(error) = written.await {
            // Nothing is decided by them.
            tracing::debug!(%error, "ways of claims were not kept");
            metrics::counter!("slot_trace_dropped_total").increment(together.len() as u64);
        }
        together.clear();
        tokio::time::sleep(WRITE_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn claimed(start: Instant, sampled: bool) -> Way {
        let context = TraceContext { trace: [1; 16], parent: [2; 8], sampled };
        Way::new(Origin { asked: start, context: Some(context), at_once: false }, at(start, 2), 7)
    }

    #[test]
    fn steps_follow_one_another_and_lie_within_their_parents() {
        let start = Instant::now();
        let mut way = claimed(start, true);
        way.committed(Statement { from: at(start, 5), to: at(start, 8), changes: 3 }, true);
        way.committed(Statement { from: at(start, 9), to: at(start, 11), changes: 1 }, false);
        way.queued();
        way.committed(Statement { from: at(start, 40), to: at(start, 42), changes: 2 }, false);
        let kept = way.written(Uuid::nil(), 4, "granted", (at(start, 43), 1_000));
        assert_eq!((kept.at_us, kept.took_us, kept.pool, kept.tenant), (957_000, 43_000, 4, 7));
        assert_eq!(kept.parent.as_deref(), Some([2; 8].as_slice()));
        let steps: Vec<(&str, u8, i64, i64, bool)> = kept
            .steps
            .iter()
            .map(|step| (step.name.as_str(), step.depth, step.from_us / 1_000, step.took_us / 1_000, step.failed))
            .collect();
        let expected = [
            ("gateway.admit", 1, 0, 2, false),
            ("allocator.claim", 1, 2, 41, false),
            ("committer.wait", 2, 2, 3, false),
            ("store.commit", 2, 5, 3, true),
            ("committer.wait", 2, 8, 1, false),
            ("store.commit", 2, 9, 2, false),
            ("queue.wait", 2, 11, 29, false),
            ("store.commit", 2, 40, 2, false),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_is_special_is_kept_and_all_together_are_limited() {
        let (out, mut kept) = mpsc::channel(10_000);
        let mut keeper = Keeper::new(out);
        let now = Instant::now();
        for _ in 0..ONE_OF {
            keeper.answered(&claimed(now, false), Uuid::nil(), 1, "granted", 0);
        }
        assert_eq!(kept.len(), 1, "one of many that are as usual");
        keeper.answered(&claimed(now, true), Uuid::nil(), 1, "granted", 0);
        keeper.answered(&claimed(now, false), Uuid::nil(), 1, "full", 0);
        assert_eq!(kept.len(), 3);
        for _ in 0..1_000 {
            keeper.answered(&claimed(now, false), Uuid::nil(), 1, "full", 0);
        }
        let rows = kept.len() as f64;
        assert!((BURST..BURST + 2.0 * PER_SECOND).contains(&rows), "{rows} rows");
        let refused = std::iter::from_fn(|| kept.try_recv().ok()).filter(|row| row.steps[1].failed).count();
        assert!(refused > 100, "{refused}");
    }
}
