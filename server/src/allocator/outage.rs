//! What a server sees while nothing can be written down: that the database does not answer, or that it did not move itself.

use super::{ALIVE_EVERY, ALIVE_MS};
use headroom_domain::Millis;
use headroom_domain::failure::{Severity, What};
use headroom_store::finding::Seen;
use std::time::{Duration, Instant};

/// A shorter silence of the database is a restart of a connection.
const AWAY_MS: Millis = 3_000;

/// What is told when it can be written down again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) seen: Seen,
    pub(super) seen_ms: Millis,
    pub(super) over_ms: Millis,
}

/// Watches the questions that keep a server alive, and their answers.
#[derive(Debug)]
pub(super) struct Outage {
    server: String,
    /// When the last question was asked.
    asked: Option<Instant>,
    /// The last answer, by the database's clock.
    answered: Option<Millis>,
    /// When the first question since was not answered.
    missed: Option<Millis>,
    /// How late this question is, if it is late.
    paused: Option<Duration>,
    told: Option<Told>,
}

impl Outage {
    pub(super) fn new(server: String) -> Self {
        Self { server, asked: None, answered: None, missed: None, paused: None, told: None }
    }

    /// A question is asked.
    pub(super) fn asked(&mut self, at: Instant) {
        let since = self.asked.replace(at).map(|before| at.saturating_duration_since(before)).unwrap_or_default();
        // Others took this server for dead meanwhile.
        if since.as_millis() as Millis > ALIVE_MS {
            self.paused = Some(since.saturating_sub(ALIVE_EVERY));
        }
    }

    /// It was not answered; the time is reckoned.
    pub(super) fn missed(&mut self, now: Millis) {
        if self.answered.is_some() {
            self.missed.get_or_insert(now);
        }
    }

    /// It was answered.
    pub(super) fn answered(&mut self, at: Millis) {
        let last = self.answered.replace(at);
        let missed = self.missed.take();
        let server = self.server.clone();
        if let Some(paused) = self.paused.take() {
            let paused_ms = paused.as_millis() as Millis;
            self.tell(What::ServerPaused { server, paused_ms }, at - paused_ms, at, at);
        } else if let (Some(last), Some(missed)) = (last, missed)
            && at - last >= AWAY_MS
        {
            self.tell(What::StoreAway { server, away_ms: at - last }, last, missed.clamp(last, at), at);
        }
    }

    fn tell(&mut self, what: What, since_ms: Millis, seen_ms: Millis, over_ms: Millis) {
        let seen = Seen {
            pool: None,
            subject: self.server.clone(),
            severity: Severity::Critical,
            what,
            tenants: Vec::new(),
            concerns: Vec::new(),
            since_ms,
        };
        self.told = Some(Told { seen, seen_ms, over_ms });
    }

    /// What is to be written down, once.
    pub(super) fn told(&mut self) -> Option<Told> {
        self.told.take()
    }

    /// It could not be written down: the next time.
    pub(super) fn tell_again(&mut self, told: Told) {
        self.told.get_or_insert(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions at these seconds, and what came of each: the database's time in seconds, or when nothing came.
    fn told(questions: &[(u64, Result<Millis, Millis>)]) -> Option<(What, Millis, Millis, Millis)> {
        let start = Instant::now();
        let mut outage = Outage::new("here".into());
        for (second, answer) in questions {
            outage.asked(start + Duration::from_secs(*second));
            match answer {
                Ok(at) => outage.answered(at * 1_000),
                Err(at) => outage.missed(at * 1_000),
            }
        }
        outage
            .told()
            .map(|told| (told.seen.what, told.seen.since_ms / 1_000, told.seen_ms / 1_000, told.over_ms / 1_000))
    }

    #[test]
    fn silence_and_pauses_are_told_when_they_are_over() {
        let away = |away_ms| What::StoreAway { server: "here".into(), away_ms };
        let paused = |paused_ms| What::ServerPaused { server: "here".into(), paused_ms };
        assert_eq!(told(&[(0, Ok(100)), (1, Ok(101)), (2, Ok(102))]), None);
        assert_eq!(
            told(&[(0, Ok(100)), (1, Err(103)), (4, Err(107)), (8, Ok(108))]),
            Some((away(8_000), 100, 103, 108))
        );
        assert_eq!(told(&[(0, Ok(100)), (1, Err(101)), (2, Ok(102))]), None, "a connection was renewed");
        assert_eq!(told(&[(0, Ok(100)), (1, Err(103))]), None, "not yet");
        assert_eq!(told(&[(0, Err(0)), (9, Ok(109))]).map(|told| told.0), Some(paused(8_000)));
        assert_eq!(told(&[(0, Ok(100)), (21, Ok(121))]), Some((paused(20_000), 101, 121, 121)));
        // Whose own clock stood still cannot tell who was away.
        let both = [(0, Ok(100)), (1, Err(118)), (18, Ok(118))];
        assert_eq!(told(&both).map(|told| told.0), Some(paused(16_000)));
        assert_eq!(told(&[(0, Err(0)), (3, Err(0)), (6, Ok(100))]), None, "nothing was known before");
    }
}
