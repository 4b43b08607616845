//! Native notifications, as the desktop's own service shows them (org.freedesktop.Notifications).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use zbus::blocking::Connection;
use zbus::zvariant::Value;

use crate::alerts::Notice;

/// Most notices of which an answer is expected.
const MOST: usize = 500;
/// Keys of actions; `default` is a click on the notice itself.
const ACKNOWLEDGE: &str = "acknowledge";
const OPEN: &str = "open";
const DEFAULT: &str = "default";
/// The notice stays until somebody does something, or the page is over.
const UNTIL_ANSWERED: i32 = 0;
/// As long as the service thinks fit.
const A_WHILE: i32 = -1;
/// Urgencies of the service.
const NORMAL: u8 = 1;
const CRITICAL: u8 = 2;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_async = false
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the service's own signature")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: &str) -> zbus::Result<()>;
}

/// What somebody chose on a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// They have it.
    Acknowledge {
        /// Which alert.
        alert: i64,
        /// The version that was shown.
        version: u64,
    },
    /// They want to see it: a path.
    Open(String),
}

/// What a notice was about.
#[derive(Debug, Clone)]
enum About {
    Alert { alert: i64, version: u64 },
    Page(String),
}

type Shown = Arc<Mutex<BTreeMap<u32, About>>>;

/// The connection to the service.
#[derive(Debug)]
pub(crate) struct Notifier {
    proxy: NotificationsProxy<'static>,
    shown: Shown,
}

fn lock(shown: &Shown) -> MutexGuard<'_, BTreeMap<u32, About>> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notifier {
    /// Connects, and hands on what people answer from a thread of its own.
    pub(crate) fn start(on_answer: impl Fn(Answer) + Send + 'static) -> Result<Self> {
        let connection = Connection::session().context("there is no message bus")?;
        let proxy = NotificationsProxy::new(&connection).context("there is no notification service")?;
        // Before anything is shown, so that no answer is missed.
        let answers = proxy.receive_action_invoked().context("the notification service takes no answers")?;
        let shown = Shown::default();
        let known = Arc::clone(&shown);
        std::thread::Builder::new().name("answers".into()).spawn(move || {
            for signal in answers {
                let Ok(arguments) = signal.args() else { continue };
                // Other programs' notices are answered on the same bus.
                let about = lock(&known).get(&arguments.id).cloned();
                if let Some(answer) = about.and_then(|about| answer(about, arguments.action_key)) {
                    on_answer(answer);
                }
            }
        })?;
        Ok(Self { proxy, shown })
    }

    /// Shows a page.
    pub(crate) fn tell(&self, notice: &Notice) -> Result<()> {
        let about = About::Alert { alert: notice.alert, version: notice.version };
        let actions = [DEFAULT, "Open", ACKNOWLEDGE, "Acknowledge", OPEN, "Open"];
        self.show(&notice.title, &notice.text, &actions, CRITICAL, about)
    }

    /// Shows that there are many pages.
    pub(crate) fn tell_many(&self, count: usize) -> Result<()> {
        let title = format!("{count} pages are open");
        let about = About::Page("/oncall".to_owned());
        self.show(
            &title,
            "More at once than are worth a notice each.",
            &[DEFAULT, "Open", OPEN, "Open"],
            CRITICAL,
            about,
        )
    }

    /// Shows a sentence, with a page to look at.
    pub(crate) fn say(&self, title: &str, text: &str, path: &str) -> Result<()> {
        self.show(title, text, &[DEFAULT, "Open", OPEN, "Open"], NORMAL, About::Page(path.to_owned()))
    }

    fn show(&self, title: &str, text: &str, actions: &[&str], urgency: u8, about: About) -> Result<()> {
        // The service may be another one than last time.
        let has_markup = self.proxy.get_capabilities()?.iter().any(|capability| capability == "body-markup");
        let body = if has_markup { escaped(text) } else { text.to_owned() };
        let hints = HashMap::from([
            ("urgency", Value::U8(urgency)),
            ("desktop-entry", Value::from("headroom")),
            ("category", Value::from("device.error")),
        ]);
        let time = if urgency == CRITICAL { UNTIL_ANSWERED } else { A_WHILE };
        let id = self.proxy.notify("Headroom", 0, "headroom", title, &body, actions, hints, time)?;
        let mut shown = lock(&self.shown);
        shown.insert(id, about);
        while shown.len() > MOST {
            shown.pop_first();
        }
        Ok(())
    }

    /// Takes back the notices of an alert.
    pub(crate) fn take_back(&self, of: i64) {
        self.close(|about| matches!(about, About::Alert { alert, .. } if *alert == of));
    }

    /// Takes back all.
    pub(crate) fn clear(&self) {
        self.close(|_| true);
    }

    fn close(&self, which: impl Fn(&About) -> bool) {
        let mut shown = lock(&self.shown);
        let ids: Vec<u32> = shown.iter().filter(|(_, about)| which(about)).map(|(id, _)| *id).collect();
        for id in ids {
            shown.remove(&id);
            // Somebody may have closed it already.
            let _ = self.proxy.close_notification(id);
        }
    }
}

fn answer(about: About, key: &str) -> Option<Answer> {
    match (about, key) {
        (About::Alert { alert, version }, ACKNOWLEDGE) => Some(Answer::Acknowledge { alert, version }),
        (About::Alert { alert, .. }, OPEN | DEFAULT) => Some(Answer::Open(format!("/alerts/{alert}"))),
        (About::Page(path), OPEN | DEFAULT) => Some(Answer::Open(path)),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_about_what_was_shown() {
        let alert = || About::Alert { alert: 7, version: 3 };
        assert_eq!(answer(alert(), ACKNOWLEDGE), Some(Answer::Acknowledge { alert: 7, version: 3 }));
        assert_eq!(answer(alert(), DEFAULT), Some(Answer::Open("/alerts/7".into())));
        assert_eq!(answer(alert(), OPEN), Some(Answer::Open("/alerts/7".into())));
        assert_eq!(answer(About::Page("/oncall".into()), OPEN), Some(Answer::Open("/oncall".into())));
        assert_eq!(answer(About::Page("/oncall".into()), ACKNOWLEDGE), None);
        assert_eq!(answer(alert(), "rm"), None);
        assert_eq!(escaped("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }
}
