//! The worker: leases what waits, sends it, marks it. Any number of servers run one.
//!
//! A row is marked only after its receiver has answered. Whoever dies in between leaves a lease that runs out, and the same
//! message goes out again under the same key.

use super::beats;
use super::payload::{Told, begins};
use super::send::{Outcome, Sender};
use crate::app::AppError;
use crate::db::Db;
use crate::outward::Outward;
use headroom_domain::alert::episode::{Message, Workflow};
use headroom_domain::alert::receiver::Kind;
use headroom_domain::{HOUR_MS, Millis};
use headroom_store::notification::{self, Leased, SCALING, TEST};
use headroom_store::receiver::{self, Receiver};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often a worker looks for what waits, if nothing tells it to.
const LOOK: Duration = Duration::from_millis(500);
/// Without certificates of this machine there is no client: another look for them after this time.
const CLIENT_AGAIN: Duration = Duration::from_mins(1);
/// Most messages that a worker sends at a time.
const AT_ONCE: usize = 16;
/// A page is tried for so long,
const PAGE_MS: Millis = 6 * HOUR_MS;
/// a ticket for so long.
const TICKET_MS: Millis = 24 * HOUR_MS;
/// After so many failures of a page others are told too.
const FAILURES: i32 = 3;
/// Longest wait before the next attempt, unless the receiver asks for a longer one.
const LONGEST_MS: Millis = 300_000;
/// What was sent is marked at once; where the database does not answer, again after so long, so many times.
const MARK_AGAIN: Duration = Duration::from_secs(1);
const MARKS: usize = 3;

/// Sends what waits.
#[derive(Debug, Clone)]
pub struct Worker {
    db: Db,
    outward: Arc<Outward>,
    /// Told when a message is done: what waited behind it may go.
    done: Arc<Notify>,
}

impl Worker {
    /// A worker.
    pub(crate) fn new(db: Db, outward: Arc<Outward>) -> Self {
        Self { db, outward, done: Arc::default() }
    }

    /// Works until cancelled, and then ends what is under way.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let sender = loop {
            match Sender::new(self.outward.clone()) {
                Ok(sender) => break sender,
                Err(error) => tracing::error!(%error, "nobody can be told of alerts: there is no client for it"),
            }
            tokio::select! {
                () = tokio::time::sleep(CLIENT_AGAIN) => {}
                () = cancel.cancelled() => return,
            }
        };
        let mut under_way = JoinSet::new();
        while !cancel.is_cancelled() {
            while under_way.try_join_next().is_some() {}
            if let Err(error) = self.look(&sender, &mut under_way).await {
                tracing::warn!(%error, "messages about alerts were not looked for, they are at the next turn");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.done.notified() => {}
                () = cancel.cancelled() => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn look(&self, sender: &Sender, under_way: &mut JoinSet<()>) -> Result<(), AppError> {
        for to in beats::take(&self.db).await? {
            let (worker, sender) = (self.clone(), sender.clone());
            under_way.spawn(async move {
                if let Err(error) = beats::say(&worker.db, &sender, &worker.outward, &to).await {
                    tracing::warn!(receiver = to.slug, %error, "a turn failed, it is taken again");
                }
            });
        }
        let free = AT_ONCE.saturating_sub(under_way.len());
        if free == 0 {
            return Ok(());
        }
        let mut tx = self.db.jobs.begin().await?;
        let leased = notification::claim(&mut tx, free as i64).await?;
        tx.commit().await?;
        for one in leased {
            let (worker, sender) = (self.clone(), sender.clone());
            under_way.spawn(async move {
                let (id, receiver) = (one.id, one.receiver);
                if let Err(error) = worker.deliver(&sender, one).await {
                    tracing::warn!(id, receiver, %error, "a message was not marked, it is sent again");
                }
                worker.done.notify_one();
            });
        }
        Ok(())
    }

    /// One message that was leased, to its end or to its next attempt.
    #[tracing::instrument(name = "notify", skip_all, fields(id = leased.id, receiver = leased.receiver))]
    async fn deliver(&self, sender: &Sender, leased: Leased) -> Result<(), AppError> {
        let mut conn = self.db.jobs.acquire().await?;
        let Some(to) = receiver::with_keys(&mut conn, &[leased.receiver]).await?.pop() else {
            let error = "a receiver of a kind that this server does not know";
            notification::retry_at(&mut conn, &leased, LONGEST_MS, None, error).await?;
            return Ok(());
        };
        let is_test = leased.message == TEST;
        if !to.enabled && !is_test {
            notification::dropped(&mut conn, &[leased.id], "its receiver is switched off").await?;
            return Ok(());
        }
        let now = headroom_store::now(&mut conn).await?;
        if leased.message == SCALING {
            // What a pool is to have now is all that counts: who was away does not go through what it was to have before.
            if !notification::behind(&mut conn, &leased).await?.is_empty() {
                notification::dropped(&mut conn, &[leased.id], "a newer decision about the pool waits").await?;
                return Ok(());
            }
            drop(conn);
            let outcome = sender.scaling(&to, &leased.key, &leased.body, now).await;
            return self.scaled(&to, &leased, now, outcome).await;
        }
        let parcel = match self.parcel(&mut conn, &to, &leased).await? {
            Decided::Send(parcel) => *parcel,
            Decided::Drop(reason) => {
                notification::dropped(&mut conn, &[leased.id], &reason).await?;
                return Ok(());
            }
            Decided::Unreadable(error) => {
                drop(conn);
                let outcome = Outcome::Again { status: None, error, wait_ms: None };
                return self.failed(&to, &leased, now, outcome).await;
            }
        };
        let there = match leased.alert {
            Some(alert) if to.kind == Kind::Slack => notification::there(&mut conn, alert, to.id).await?,
            _ => None,
        };
        if marks_first() {
            notification::sent(&mut conn, &parcel.sent, None, parcel.is_late).await?;
        }
        drop(conn);
        let outcome = sender.tell(&to, &parcel.told, now, there.as_ref()).await;
        let word = match outcome {
            Outcome::Taken { .. } => "sent",
            Outcome::Again { .. } => "failed",
            Outcome::Never { .. } => "refused",
        };
        metrics::counter!("notification_attempts_total", "kind" => to.kind.as_str(), "outcome" => word).increment(1);
        match outcome {
            Outcome::Taken { status, there } => {
                let mut left = MARKS;
                loop {
                    left -= 1;
                    match self.taken(&to, &leased, &parcel, status, there.as_ref()).await {
                        Err(error) if left > 0 => {
                            tracing::debug!(%error, "a message was sent and is to be marked");
                            tokio::time::sleep(MARK_AGAIN).await;
                        }
                        marked => return marked,
                    }
                }
            }
            failed => self.failed(&to, &leased, now, failed).await,
        }
    }

    /// Marks a message about scaling, which nothing covers and nothing follows.
    async fn scaled(&self, to: &Receiver, leased: &Leased, now: Millis, outcome: Outcome) -> Result<(), AppError> {
        let Outcome::Taken { status, .. } = outcome else { return self.failed(to, leased, now, outcome).await };
        let mut tx = self.db.jobs.begin().await?;
        notification::sent(&mut tx, &[leased.id], status, false).await?;
        receiver::reached(&mut tx, to.id).await?;
        if to.failures > 0 {
            notification::wake(&mut tx, to.id).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Decides what is sent for a message: that one, one that covers it, or none.
    async fn parcel(&self, conn: &mut sqlx::PgConnection, to: &Receiver, leased: &Leased) -> Result<Decided, AppError> {
        let read = |one: &Leased, late: bool| Told::read(&one.message, &one.key, &one.body, late);
        let told = match read(leased, leased.late) {
            Ok(told) => told,
            Err(error) => return Ok(Decided::Unreadable(format!("a message that this server cannot read: {error}"))),
        };
        let whole =
            |told| Parcel { told, sent: vec![leased.id], late: Vec::new(), covered: Vec::new(), is_late: leased.late };
        if told.is_test {
            return Ok(Decided::Send(Box::new(whole(told))));
        }
        let is_escalation = told.notice.message == Message::Escalated;
        if begins(told.notice.message) {
            let behind = notification::behind(conn, leased).await?;
            let end = behind.iter().position(|one| is_over(&one.message));
            // Who was told that it began, and is asked once more, is not told late that it is over: that comes in its turn.
            let knows = match end {
                Some(_) if is_escalation => notification::told_last(conn, leased).await?.is_some_and(|m| !is_over(&m)),
                _ => false,
            };
            if let Some(end) = end.filter(|_| !knows) {
                let (between, last) = (&behind[..end], &behind[end]);
                let covered = between.iter().map(|one| one.id).collect();
                if to.kind == Kind::PagerDuty {
                    // An incident is opened and closed again: there is a record of it.
                    let told = Told { late: true, ..told };
                    let (sent, late) = (vec![leased.id], vec![last.id]);
                    return Ok(Decided::Send(Box::new(Parcel { told, sent, late, covered, is_late: true })));
                }
                if let Ok(told) = read(last, true) {
                    let sent = vec![leased.id, last.id];
                    let parcel = Parcel { told, sent, late: Vec::new(), covered, is_late: true };
                    return Ok(Decided::Send(Box::new(parcel)));
                }
            }
        }
        if is_escalation && let Some(alert) = leased.alert {
            let found = notification::workflow(conn, alert).await?;
            if let Some(reason) = not_asked(found.as_ref(), told.notice.version) {
                return Ok(Decided::Drop(reason));
            }
        }
        Ok(Decided::Send(Box::new(whole(told))))
    }

    /// The receiver has it.
    async fn taken(
        &self,
        to: &Receiver,
        leased: &Leased,
        parcel: &Parcel,
        status: Option<u16>,
        there: Option<&serde_json::Value>,
    ) -> Result<(), AppError> {
        let mut tx = self.db.jobs.begin().await?;
        notification::sent(&mut tx, &parcel.sent, status, parcel.is_late).await?;
        notification::mark_late(&mut tx, &parcel.late).await?;
        let reason = format!("it was over before it could be told; message {} tells so", leased.id);
        notification::dropped(&mut tx, &parcel.covered, &reason).await?;
        if let Some(there) = there {
            notification::remember(&mut tx, leased.id, there).await?;
        }
        receiver::reached(&mut tx, to.id).await?;
        if to.failures > 0 {
            notification::wake(&mut tx, to.id).await?;
        }
        for id in parcel.sent.iter().filter(|_| !begins(parcel.told.notice.message)) {
            notification::follow_up(&mut tx, *id).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The receiver does not have it.
    async fn failed(&self, to: &Receiver, leased: &Leased, now: Millis, outcome: Outcome) -> Result<(), AppError> {
        let (status, error, wait_ms, is_final) = match outcome {
            Outcome::Taken { .. } => return Ok(()),
            Outcome::Again { status, error, wait_ms } => (status, error, wait_ms, false),
            Outcome::Never { status, error } => (status, error, None, true),
        };
        let is_page = leased.lane == "page";
        let patience = if is_page { PAGE_MS } else { TICKET_MS };
        let is_given_up = now - leased.created_ms >= patience;
        let mut tx = self.db.jobs.begin().await?;
        let is_ours = if is_final || is_given_up {
            let reason =
                if is_final { error.clone() } else { format!("given up after {} h: {error}", patience / HOUR_MS) };
            tracing::warn!(receiver = to.slug, id = leased.id, reason, "a message is given up");
            notification::dead(&mut tx, leased, status, &reason).await?
        } else {
            let in_tests = headroom_store::has_test_clock(&mut tx).await?;
            let wait = wait_ms.unwrap_or_else(|| backoff(&leased.key, leased.attempts, in_tests));
            if to.kind == Kind::Slack && status == Some(429) {
                // The channel is full, not the message wrong: nothing else goes there meanwhile.
                receiver::rest(&mut tx, to.id, wait).await?;
            }
            notification::retry_at(&mut tx, leased, wait, status, &error).await?
        };
        if is_ours {
            receiver::failed(&mut tx, to.id, &error).await?;
            // Whoever is to be woken is: by another way, if this one does not work.
            if is_page && (leased.attempts >= FAILURES || is_final || is_given_up) {
                notification::fail_over(&mut tx, leased.id).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What is sent for a message that was leased.
#[derive(Debug)]
struct Parcel {
    told: Told,
    /// The messages that are told by it.
    sent: Vec<i64>,
    /// Those that follow, and are late too.
    late: Vec<i64>,
    /// Those that have no reason any more once it is told.
    covered: Vec<i64>,
    is_late: bool,
}

enum Decided {
    Send(Box<Parcel>),
    /// There is no reason to send it any more, because of this.
    Drop(String),
    Unreadable(String),
}

fn is_over(message: &str) -> bool {
    Message::from_str(message).is_ok_and(|message| matches!(message, Message::Resolved | Message::PageOver))
}

/// Why somebody who was to be asked is not, if there is a reason.
fn not_asked(found: Option<&(String, i64)>, version: u64) -> Option<String> {
    match found {
        None => Some("the alert is gone".to_owned()),
        Some((workflow, _)) if workflow != Workflow::Open.as_str() => Some(format!("the alert is {workflow} by now")),
        Some((_, found)) if u64::try_from(*found) != Ok(version) => {
            Some(format!("the alert changed: it is at version {found}, and this asks about version {version}"))
        }
        Some(_) => None,
    }
}

/// The wait after some number of attempts: twice as long each time, and anything up to that, so that not all come back at
/// the same time. Exactly that in tests.
fn backoff(key: &str, attempts: i32, in_tests: bool) -> Millis {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(20);
    let most = (1_000_i64 << doublings).min(LONGEST_MS);
    if in_tests {
        return most;
    }
    // Chance enough: keys are hashes, and no two attempts of one are alike.
    let hash = blake3::hash(format!("{key}|{attempts}").as_bytes());
    let number = hash.as_bytes().iter().take(4).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    number % (most + 1)
}

/// Whether what was not sent yet is marked as sent, where a test wants to see that this loses messages.
fn marks_first() -> bool {
    cfg!(feature = "negative-control")
        && std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "delivery")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<_> = (1..=11).map(|attempts| backoff("k", attempts, true)).collect();
        let seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        assert_eq!(waits, seconds.map(|seconds| seconds * 1_000));
        assert_eq!(backoff("k", i32::MAX, true), 300_000);
    }

    #[test]
    fn chance_spreads_them_over_the_whole_wait() {
        let waits: Vec<_> = (0..200).map(|number| backoff(&format!("key {number}"), 4, false)).collect();
        assert!(waits.iter().all(|wait| (0..=8_000).contains(wait)));
        let early = waits.iter().filter(|wait| **wait < 4_000).count();
        assert!((60..140).contains(&early), "{early} of 200 in the first half");
        assert_eq!(backoff("key", 4, false), backoff("key", 4, false));
    }

    #[test]
    fn nobody_is_asked_about_what_somebody_has() {
        let is = |workflow: &str, version| Some((workflow.to_owned(), version));
        assert_eq!(not_asked(is("open", 3).as_ref(), 3), None);
        for (found, version, part) in [
            (None, 3, "gone"),
            (is("acknowledged", 4), 3, "acknowledged"),
            (is("snoozed", 3), 3, "snoozed"),
            (is("closed", 3), 3, "closed"),
            (is("open", 4), 3, "version 4"),
        ] {
            let reason = not_asked(found.as_ref(), version).expect("a reason");
            assert!(reason.contains(part), "{reason}");
        }
    }
}
