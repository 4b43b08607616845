//! A lease that is kept in the background.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::key;
use crate::wire::{Beat, Granted, Look, Notice, Report};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A renewal that failed is tried again after this, at the latest.
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// However short a lease is, the server is not asked more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The least time that an answer is given.
const SHORTEST_ANSWER: Duration = Duration::from_millis(250);
/// How often a lease is looked at for notices if nothing else is said.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a holder beats if nothing else is said.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// How a lease is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// What renewals ask for; the pool's usual time to live if it is left out.
    pub ttl: Option<Duration>,
    /// The holder's generation, for its beats.
    pub generation: u64,
    /// How often the holder says that it is alive; `None` if it does so itself, or not at all.
    pub beat_every: Option<Duration>,
    /// How often the lease is looked at between renewals, so that a notice arrives soon.
    pub look_every: Option<Duration>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { ttl: None, generation: 0, beat_every: Some(BEAT_EVERY), look_every: Some(LOOK_EVERY) }
    }
}

/// Whether a lease is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is held.
    Held,
    /// It is lost, and why: stop writing.
    Lost(String),
}

/// What is known of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether it is held.
    pub state: State,
    /// It lasts at least until here.
    pub until: Instant,
    /// What the holder is asked to do.
    pub notice: Option<Notice>,
}

impl Status {
    /// Whether the slots may be used right now. The clock is asked too: a program that was stopped for a while may look before
    /// the task that keeps the lease has had its turn.
    pub fn is_held(&self) -> bool {
        self.state == State::Held && Instant::now() < self.until
    }
}

/// Slots that are held, and kept by renewing in the background.
///
/// Dropping it stops that without giving the slots back: they come back when the lease runs out. [`Lease::release`] gives them
/// back at once.
#[derive(Debug)]
pub struct Lease {
    client: Client,
    granted: Granted,
    status: watch::Receiver<Status>,
    tasks: Vec<JoinHandle<()>>,
}

impl Lease {
    pub(crate) fn start(client: Client, granted: Granted, keeping: Keeping) -> Self {
        let first = Status { state: State::Held, until: granted.until, notice: granted.notice };
        let (sender, status) = watch::channel(first);
        let mut tasks = Vec::new();
        if let Some(every) = keeping.beat_every {
            tasks.push(tokio::spawn(beat(client.clone(), granted.clone(), keeping.generation, every, sender.clone())));
        }
        tasks.push(tokio::spawn(keep(client.clone(), granted.clone(), keeping, sender)));
        Self { client, granted, status, tasks }
    }

    /// What was granted at first; [`Lease::status`] says until when it lasts now.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Whether the slots may be used right now.
    pub fn is_held(&self) -> bool {
        self.status.borrow().is_held()
    }

    /// Tells each change.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until it is lost, and says why.
    pub async fn lost(&self) -> String {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.state != State::Held).await.map(|status| status.state.clone()) {
            Ok(State::Lost(why)) => why,
            Ok(State::Held) | Err(_) => "it is not kept any more".to_owned(),
        }
    }

    /// Waits until the holder is asked to end.
    pub async fn noticed(&self) -> Notice {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.notice.is_some()).await.map(|status| status.notice) {
            Ok(Some(notice)) => notice,
            // Nobody will ask any more.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Gives the slots back, with what there is to say about the work.
    ///
    /// # Errors
    /// [`Error::Lost`] if they were taken before. See [`Error`] for the rest; without an answer they come back when the lease
    /// runs out.
    pub async fn release(mut self, report: &Report) -> Result<()> {
        self.stop();
        self.client.release(&self.granted.pool, self.granted.claim, report).await
    }

    /// Acknowledges a notice: the work is safe, and the slots go at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn checkpoint(mut self) -> Result<()> {
        self.stop();
        self.client.checkpoint(&self.granted.pool, self.granted.claim).await
    }

    fn stop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lose(status: &watch::Sender<Status>, why: String) {
    status.send_if_modified(|status| {
        // The first reason is the one that matters.
        let is_news = status.state == State::Held;
        if is_news {
            status.state = State::Lost(why);
        }
        is_news
    });
}

fn told(status: &watch::Sender<Status>, granted: &Granted) {
    status.send_if_modified(|status| {
        let is_news = status.until != granted.until || status.notice.is_some() != granted.notice.is_some();
        status.until = granted.until;
        status.notice = granted.notice;
        is_news
    });
}

async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// Renews and looks until the lease is lost.
async fn keep(client: Client, first: Granted, keeping: Keeping, status: watch::Sender<Status>) {
    let (pool, claim) = (first.pool.as_str(), first.claim);
    let mut latest = first.clone();
    let mut last_error = None;
    let mut renew_at = due(&latest);
    let mut look_at = keeping.look_every.map(|every| Instant::now() + every);
    loop {
        let next = look_at.map_or(renew_at, |look| look.min(renew_at)).min(latest.until);
        sleep_until(next).await;
        let now = Instant::now();
        if now >= latest.until {
            let because = last_error.map(|error: Error| format!(": {error}")).unwrap_or_default();
            return lose(&status, format!("it could not be renewed in time{because}"));
        }
        let left = latest.until - now;
        let answer = if now >= renew_at {
            // Several tries have room in what is left.
            let within = (left / 3).max(SHORTEST_ANSWER).min(left);
            client.renew_within(pool, claim, keeping.ttl, &Report::default(), within).await
        } else {
            let within = (left / 3).max(SHORTEST_ANSWER);
            match tokio::time::timeout(within, client.look(pool, claim, Duration::ZERO)).await {
                Ok(Ok(Look::Granted(granted))) => Ok(granted),
                Ok(Ok(other)) => Err(Error::Lost(format!("the claim stands otherwise: {other:?}"))),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(Error::Unknown("no answer to a look".to_owned())),
            }
        };
        let was_renewal = now >= renew_at;
        look_at = keeping.look_every.map(|every| Instant::now() + every);
        match answer {
            Ok(granted) => {
                told(&status, &granted);
                if was_renewal {
                    renew_at = due(&granted);
                }
                latest = granted;
                last_error = None;
            }
            Err(Error::Lost(why)) => return lose(&status, why),
            Err(error) => {
                tracing::debug!(%error, pool, "a lease was not renewed yet");
                if was_renewal {
                    let left = latest.until.saturating_duration_since(Instant::now());
                    renew_at = Instant::now() + key::spread((left / 6).clamp(SHORTEST_PAUSE, LONGEST_RETRY));
                }
                last_error = Some(error);
            }
        }
    }
}

/// When to renew: after a third of what is left. A lease that no renewal can make longer is left alone until it ends.
fn due(granted: &Granted) -> Instant {
    let now = Instant::now();
    if granted.ends.is_some_and(|ends| ends <= granted.until) {
        return granted.until;
    }
    now + (granted.until.saturating_duration_since(now) / 3).max(SHORTEST_PAUSE)
}

/// Says that the holder is alive.
async fn beat(client: Client, granted: Granted, generation: u64, every: Duration, status: watch::Sender<Status>) {
    let beats = [Beat { holder: granted.holder.clone(), generation }];
    loop {
        match client.heartbeat(&granted.pool, &beats).await {
            Ok(superseded) => {
                if let Some(by) = superseded.first() {
                    let why = format!("generation {} of {} has replaced this one", by.generation, by.holder);
                    return lose(&status, why);
                }
            }
            Err(error) => tracing::debug!(%error, pool = granted.pool, "a beat was not heard"),
        }
        tokio::time::sleep(every).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{Stub, granted};
    use crate::wire::Ask;

    fn keeping() -> Keeping {
        Keeping { beat_every: None, look_every: None, ..Keeping::default() }
    }

    #[tokio::test]
    async fn a_lease_that_nobody_renews_is_lost_at_its_end_and_not_later() {
        // The claim is granted; no renewal is ever answered.
        let stub = Stub::start(|n, _| (n == 0).then(|| (201, granted(1_200)))).await;
        let client = stub.client();
        let asked = Instant::now();
        let first = client.claim("lanes", &Ask::new("acme")).await.expect("granted");
        let lease = client.keep(first, keeping());
        let why = tokio::time::timeout(Duration::from_secs(5), lease.lost()).await.expect("it is lost");
        let after = asked.elapsed();
        assert!(why.contains("renewed in time"), "{why}");
        assert!(after >= Duration::from_millis(1_150) && after < Duration::from_millis(2_500), "{after:?}");
        assert!(!lease.is_held());
        let renewals = stub.seen().iter().filter(|one| one.path.ends_with("/renew")).count();
        assert!(renewals >= 2, "it tried {renewals} times");
    }

    #[tokio::test]
    async fn renewals_come_after_a_third_and_one_lost_answer_does_no_harm() {
        let stub = Stub::start(|n, _| match n {
            1 => None,
            _ => Some((200, granted(900))),
        })
        .await;
        let client = stub.client();
        let first = client.claim("lanes", &Ask::new("acme")).await.expect("granted");
        let lease = client.keep(first, keeping());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(lease.is_held(), "{:?}", lease.status());
        let renewals = stub.seen().len() - 1;
        assert!((4..=12).contains(&renewals), "{renewals} renewals in 2 s of a lease of 0.9 s");
        lease.release(&Report::ok()).await.expect("released");
        let last = stub.seen().pop().expect("a request");
        assert!(last.path.ends_with("/release") && last.body.contains("\"ok\""), "{last:?}");
    }

    #[tokio::test]
    async fn a_replaced_holder_learns_it_from_its_beat() {
        let stub = Stub::start(|_, seen| {
            Some(if seen.path.ends_with("/heartbeats") {
                (200, r#"{"accepted":0,"superseded":[{"holder":"h","generation":3}]}"#.to_owned())
            } else {
                (201, granted(30_000))
            })
        })
        .await;
        let client = stub.client();
        let lease = client.lease("lanes", &Ask::new("acme")).await.expect("granted");
        let why = tokio::time::timeout(Duration::from_secs(5), lease.lost()).await.expect("it is lost");
        assert!(why.contains("generation 3"), "{why}");
    }
}
