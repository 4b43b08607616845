//! Follows a server's alerts in the name of whoever is signed in, on a thread of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::address::Address;
use crate::alerts::{self, Do, Told};
use crate::api::{Api, SignedOut, client, stream_client};
use crate::figures::{self, Figures};
use crate::session::Session;

/// After a failure one looks again this much later.
const RETRY: Duration = Duration::from_secs(3);
/// Numbers that change slowly are read this often.
const FIGURES: Duration = Duration::from_mins(1);

/// What a watcher tells.
#[derive(Debug)]
pub(crate) enum News {
    /// Notices to give or take back, and how many pages nobody has.
    Pages(Vec<Do>, usize),
    /// The numbers of the tray entry.
    Figures(Figures),
    /// The session is worth nothing any more.
    SignedOut,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    over: bool,
}

/// The session that a watcher uses, as the window learns of it.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
    /// The same for whoever follows a stream.
    interrupt: Notify,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a session other than one that was refused; `None` once all is over.
    fn session(&self, refused: Option<&Session>) -> Option<Session> {
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            match &state.session {
                Some(session) if Some(session) != refused => return Some(session.clone()),
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits, unless something changes.
    fn pause(&self, time: Duration) {
        drop(self.changed.wait_timeout(self.state(), time));
    }

    /// Changes what is known, and wakes whoever waits for a change.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
        // One thread follows at most one stream; a permit that nobody takes ends the next at once, and it is looked again.
        self.interrupt.notify_one();
    }

    fn still(&self, session: &Session) -> bool {
        let state = self.state();
        !state.over && state.session.as_ref() == Some(session)
    }
}

/// A running watcher; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Watcher(Arc<Slot>);

impl Watcher {
    /// Starts one.
    pub(crate) fn start(address: Address, on_news: impl Fn(News) + Send + 'static) -> Result<Self> {
        let slot = Arc::new(Slot::default());
        let (shared, client) = (Arc::clone(&slot), client()?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stream = Stream { runtime, client: stream_client()? };
        std::thread::Builder::new().name("alerts".into()).spawn(move || {
            let mut refused = None;
            while let Some(session) = shared.session(refused.as_ref()) {
                let api = Api::new(client.clone(), address.clone(), session.clone());
                match follow(&api, &stream, &shared, &session, &on_news) {
                    Ok(()) => {}
                    Err(error) if error.is::<SignedOut>() => {
                        if shared.still(&session) {
                            on_news(News::SignedOut);
                        }
                        refused = Some(session);
                    }
                    Err(_) => {
                        if shared.still(&session) {
                            on_news(News::Figures(Figures::default()));
                        }
                        shared.pause(RETRY);
                    }
                }
            }
        })?;
        Ok(Self(slot))
    }

    /// Whoever is signed in now.
    pub(crate) fn signed_in(&self, session: Option<Session>) {
        self.0.change(|state| state.session = session);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.change(|state| state.over = true);
    }
}

/// What follows a stream until it is interrupted.
#[derive(Debug)]
struct Stream {
    runtime: Runtime,
    client: reqwest::Client,
}

impl Stream {
    fn wait(&self, api: &Api, seen: i64, slot: &Slot) -> Result<()> {
        self.runtime.block_on(async {
            tokio::select! {
                happened = api.wait(&self.client, seen) => happened,
                () = slot.interrupt.notified() => Ok(()),
            }
        })
    }
}

/// Follows until the session is another one. What was told is forgotten with it: somebody else is told anew.
fn follow(api: &Api, stream: &Stream, slot: &Slot, session: &Session, on_news: &impl Fn(News)) -> Result<()> {
    let still = || slot.still(session);
    let mut told = Told::default();
    let mut figures = Figures::default();
    let mut figures_at: Option<Instant> = None;
    loop {
        if !still() {
            return Ok(());
        }
        let now = api.open_pages()?;
        if !still() {
            return Ok(());
        }
        let waiting = alerts::count(&now.open);
        on_news(News::Pages(told.update(&now.open), waiting));
        if figures_at.is_none_or(|at| at.elapsed() >= FIGURES) {
            figures.fullest = figures::fullest(&api.pools()?);
            let month = figures::month_of(&now.at);
            figures.waste = month.and_then(|from| figures::waste(&api.overview(&from).ok()?));
            figures_at = Some(Instant::now());
        }
        if !still() {
            return Ok(());
        }
        on_news(News::Figures(Figures { open: Some(waiting), ..figures.clone() }));
        stream.wait(api, now.version, slot)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(value: &str) -> Session {
        Session::among([("headroom", value)]).unwrap()
    }

    #[test]
    fn a_refused_session_is_not_tried_again_and_another_is() {
        let slot = Arc::new(Slot::default());
        slot.state().session = Some(session("a"));
        assert_eq!(slot.session(None), Some(session("a")));
        let waiting = std::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.session(Some(&session("a")))
        });
        slot.change(|state| state.session = Some(session("b")));
        assert_eq!(waiting.join().unwrap(), Some(session("b")));
        assert!(slot.still(&session("b")) && !slot.still(&session("a")));
    }

    #[test]
    fn who_waits_is_told_that_all_is_over() {
        let slot = Arc::new(Slot::default());
        let watcher = Watcher(Arc::clone(&slot));
        let waiting = std::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.session(None)
        });
        drop(watcher);
        assert_eq!(waiting.join().unwrap(), None);
    }
}
