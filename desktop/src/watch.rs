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
/// A stream that ends sooner is not asked for again at once: whatever is between us and the server would end the next as well.
const SHORTEST: Duration = Duration::from_secs(1);
/// Numbers that change slowly are read this often.
const FIGURES: Duration = Duration::from_mins(1);

/// A server that does not answer for so long is told of: whoever waits for pages must not take silence for quiet.
pub(crate) const DEAF_AFTER: Duration = Duration::from_mins(1);

/// What a watcher tells.
#[derive(Debug)]
pub(crate) enum News {
    /// Notices to give or take back, and how many pages nobody has; `None` where that is not known.
    Pages(Vec<Do>, Option<usize>),
    /// The numbers of the tray entry.
    Figures(Figures),
    /// No page is heard of from now on, for a reason; `None`: they are heard of again.
    Deaf(Option<Deaf>),
}

/// Why no page is heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// The session is worth nothing any more.
    SignedOut,
    /// The server does not answer, or not as expected; for people.
    NoAnswer(String),
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
    pub(crate) fn start(
        address: Address,
        deaf_after: Duration,
        on_news: impl Fn(News) + Send + 'static,
    ) -> Result<Self> {
        let slot = Arc::new(Slot::default());
        let (shared, client) = (Arc::clone(&slot), client()?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stream = Stream { runtime, client: stream_client()? };
        std::thread::Builder::new().name("alerts".into()).spawn(move || {
            // What was told outlives a hiccup, and is forgotten with the session: somebody else is told anew.
            let mut told = Told::default();
            let mut refused = None;
            let mut hearing = Hearing::default();
            while let Some(session) = shared.session(refused.as_ref()) {
                let api = Api::new(client.clone(), address.clone(), session.clone());
                let followed = follow(&api, &stream, &shared, &session, &mut told, &mut hearing, &on_news);
                if !shared.still(&session) {
                    forget(&mut told, &on_news);
                    hearing.again(&on_news);
                    continue;
                }
                match followed {
                    Ok(()) => {}
                    Err(error) if error.is::<SignedOut>() => {
                        forget(&mut told, &on_news);
                        hearing.signed_out(&on_news);
                        refused = Some(session);
                    }
                    Err(error) => {
                        on_news(News::Figures(Figures::default()));
                        hearing.failed(&error, deaf_after, &on_news);
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

/// Whether pages are heard of.
#[derive(Debug, Default)]
struct Hearing {
    /// Since when nothing is heard.
    since: Option<Instant>,
    /// That was told.
    is_told: bool,
}

impl Hearing {
    fn again(&mut self, on_news: &impl Fn(News)) {
        if std::mem::take(self).is_told {
            on_news(News::Deaf(None));
        }
    }

    fn failed(&mut self, error: &anyhow::Error, deaf_after: Duration, on_news: &impl Fn(News)) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !self.is_told && since.elapsed() >= deaf_after {
            self.is_told = true;
            // How many wait is not known, which is not none; notices that are shown stay.
            on_news(News::Pages(Vec::new(), None));
            on_news(News::Deaf(Some(Deaf::NoAnswer(format!("{error:#}")))));
        }
    }

    fn signed_out(&mut self, on_news: &impl Fn(News)) {
        *self = Self { since: None, is_told: true };
        on_news(News::Pages(Vec::new(), None));
        on_news(News::Deaf(Some(Deaf::SignedOut)));
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

/// Nobody is signed in any more, or somebody else: nothing holds of what was told.
fn forget(told: &mut Told, on_news: &impl Fn(News)) {
    on_news(News::Pages(told.update(&[]), Some(0)));
    on_news(News::Figures(Figures::default()));
}

/// Follows until the session is another one, or something fails.
fn follow(
    api: &Api,
    stream: &Stream,
    slot: &Slot,
    session: &Session,
    told: &mut Told,
    hearing: &mut Hearing,
    on_news: &impl Fn(News),
) -> Result<()> {
    let still = || slot.still(session);
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
        hearing.again(on_news);
        let waiting = alerts::count(&now.open);
        // Whoever cannot answer a page is not woken by it: they see the count.
        let notices = told.update(if now.may_answer { &now.open } else { &[] });
        on_news(News::Pages(notices, Some(waiting)));
        if figures_at.is_none_or(|at| at.elapsed() >= FIGURES) {
            figures.fullest = api.pools().ok().and_then(|pools| figures::fullest(&pools));
            let month = figures::month_of(&now.at);
            figures.waste = month.and_then(|from| figures::waste(&api.overview(&from).ok()?));
            figures_at = Some(Instant::now());
        }
        if !still() {
            return Ok(());
        }
        on_news(News::Figures(Figures { open: Some(waiting), ..figures.clone() }));
        let began = Instant::now();
        stream.wait(api, now.version, slot)?;
        if began.elapsed() < SHORTEST && still() {
            slot.pause(SHORTEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::alerts::Notice;

    const LIMIT: Duration = Duration::from_mins(1);

    /// A server of which a test says what it answers to a path, in whose name, and for the how manieth time.
    fn server(answer: impl Fn(&str, &str, usize) -> (u16, String) + Send + 'static) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            let mut asked = std::collections::HashMap::<String, usize>::new();
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let Some(first) = lines.next() else { continue };
                let headers = lines.take_while(|line| !line.is_empty());
                let cookie = headers.filter(|line| line.to_ascii_lowercase().starts_with("cookie:")).last();
                let path = first.split([' ', '?']).nth(1).unwrap().to_owned();
                let times = asked.entry(path.clone()).or_default();
                *times += 1;
                let (status, body) = answer(&path, &cookie.unwrap_or_default(), *times);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
                let _ = write!(stream, "{head}\r\n{body}");
            }
        });
        address
    }

    fn open(alerts: &[i64]) -> (u16, String) {
        let alerts: Vec<_> = alerts
            .iter()
            .map(|id| {
                serde_json::json!({
                    "id": id, "version": 1, "episode": 1, "reopened": 0, "title": "Saturated", "text": "full",
                    "pool": "ci", "state": "firing", "severity": "page", "dry_run": false
                })
            })
            .collect();
        (200, serde_json::json!({ "at": "2026-11-27T09:00:00Z", "version": 1, "alerts": alerts }).to_string())
    }

    fn notice(alert: i64) -> Do {
        Do::Tell(Notice { alert, version: 1, title: "Saturated: ci".into(), text: "full".into() })
    }

    /// What is done about notices, up to something that is waited for.
    fn until(news: &Receiver<News>, mut wanted: impl FnMut(&News) -> bool) -> Vec<Do> {
        let mut done = Vec::new();
        loop {
            let one = news.recv_timeout(LIMIT).unwrap();
            let is_it = wanted(&one);
            if let News::Pages(all, _) = one {
                done.extend(all);
            }
            if is_it {
                return done;
            }
        }
    }

    fn waiting(count: usize) -> impl Fn(&News) -> bool {
        move |news| matches!(news, News::Pages(_, Some(waiting)) if *waiting == count)
    }

    #[test]
    fn a_hiccup_tells_nothing_twice_and_loses_nothing() {
        // Pools never answer, streams end at once, and the second look fails; meanwhile somebody took the first page.
        let address = server(|path, _, times| match (path, times) {
            ("/api/v1/alerts", 1) => open(&[1, 2]),
            ("/api/v1/alerts", 2) => (502, String::new()),
            ("/api/v1/alerts", 3) => open(&[2]),
            ("/api/v1/alerts", _) => open(&[2, 3, 4]),
            ("/api/v1/alerts/stream", _) => (200, String::new()),
            _ => (500, String::new()),
        });
        let (sender, news) = channel();
        let watcher = Watcher::start(address, LIMIT, move |news| drop(sender.send(news))).unwrap();
        watcher.signed_in(Some(session("a")));
        assert_eq!(until(&news, waiting(2)), [notice(1), notice(2)]);
        let known = |news: &News| matches!(news, News::Figures(Figures { open: Some(2), .. }));
        assert_eq!(until(&news, known), [], "what does not answer only leaves a number unknown");
        assert_eq!(until(&news, waiting(1)), [Do::TakeBack(1)], "the other one is not told again");
        assert_eq!(until(&news, waiting(3)), [notice(3), notice(4)]);
    }

    #[test]
    fn nothing_stays_of_who_signs_out_or_is_signed_out() {
        let address = server(|path, cookie, _| match path {
            "/api/v1/alerts" if cookie.ends_with("=gone") => (401, String::new()),
            "/api/v1/alerts" => open(&[1]),
            _ => (500, String::new()),
        });
        let (sender, news) = channel();
        let watcher = Watcher::start(address, LIMIT, move |news| drop(sender.send(news))).unwrap();
        watcher.signed_in(Some(session("a")));
        assert_eq!(until(&news, waiting(1)), [notice(1)]);
        watcher.signed_in(None);
        assert_eq!(until(&news, waiting(0)), [Do::TakeBack(1)]);
        watcher.signed_in(Some(session("b")));
        assert_eq!(until(&news, waiting(1)), [notice(1)], "somebody else is told anew");
        watcher.signed_in(Some(session("gone")));
        let signed_out = |news: &News| matches!(news, News::Deaf(Some(Deaf::SignedOut)));
        assert_eq!(until(&news, signed_out), [Do::TakeBack(1)]);
        watcher.signed_in(Some(session("c")));
        until(&news, |news| matches!(news, News::Deaf(None)));
        assert_eq!(until(&news, waiting(1)), [notice(1)]);
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_of_once_and_taken_back() {
        let address = server(|path, _, times| match (path, times) {
            ("/api/v1/alerts", 1 | 4..) => open(&[1]),
            ("/api/v1/alerts", _) => (502, String::new()),
            ("/api/v1/alerts/stream", _) => (200, String::new()),
            _ => (500, String::new()),
        });
        let (sender, news) = channel();
        let watcher = Watcher::start(address, Duration::ZERO, move |news| drop(sender.send(news))).unwrap();
        watcher.signed_in(Some(session("a")));
        assert_eq!(until(&news, waiting(1)), [notice(1)]);
        let is_deaf = |news: &News| matches!(news, News::Deaf(Some(Deaf::NoAnswer(why))) if why.contains("502"));
        assert_eq!(until(&news, is_deaf), [], "the notice that is shown stays");
        let mut told = 0;
        until(&news, |news| {
            told += usize::from(matches!(news, News::Deaf(Some(_))));
            matches!(news, News::Deaf(None))
        });
        assert_eq!(told, 0, "once");
        assert_eq!(until(&news, waiting(1)), [], "and the page is not told again");
    }

    #[test]
    fn whoever_cannot_answer_pages_sees_only_how_many_wait() {
        let address = server(|path, _, _| match path {
            "/api/v1/alerts" => {
                let (status, body) = open(&[1]);
                (status, body.replacen('{', "{\"may_answer\":false,", 1))
            }
            _ => (500, String::new()),
        });
        let (sender, news) = channel();
        let watcher = Watcher::start(address, LIMIT, move |news| drop(sender.send(news))).unwrap();
        watcher.signed_in(Some(session("a")));
        assert_eq!(until(&news, waiting(1)), []);
    }

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
