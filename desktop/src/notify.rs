//! Native notifications, as the desktop's own service shows them (org.freedesktop.Notifications).

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use zbus::Message;
use zbus::blocking::fdo::DBusProxy;
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::Value;

use crate::alerts::Notice;

/// The service's name on the bus, and what it speaks.
const SERVICE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
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
/// Where all pages are.
const ON_CALL: &str = "/oncall";
/// Urgencies of the service.
const NORMAL: u8 = 1;
const CRITICAL: u8 = 2;

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

/// What the service said, by its unique name on the bus: another one that follows it counts its notices anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Somebody chose something on a notice.
    Chosen {
        /// Who says so.
        service: String,
        /// Which notice.
        id: u32,
        /// What.
        key: String,
    },
    /// A notice is gone.
    Closed {
        /// Who says so.
        service: String,
        /// Which notice.
        id: u32,
    },
    /// The service ended, and its notices with it.
    Ended(String),
}

/// What a notice was about.
#[derive(Debug, Clone)]
enum About {
    Alert {
        alert: i64,
        version: u64,
    },
    Many,
    Page(String),
    /// That no page is heard of, and where to do something about it.
    Deaf(String),
}

/// Notices that are shown, by their number, each with the service that shows it.
#[derive(Debug, Default)]
struct Shown(BTreeMap<u32, (String, About)>);

impl Shown {
    fn insert(&mut self, service: String, id: u32, about: About) {
        self.0.insert(id, (service, about));
        while self.0.len() > MOST {
            self.0.pop_first();
        }
    }

    /// Takes in what the service said; the answer if somebody gave one to a notice of ours.
    fn heard(&mut self, heard: &Heard) -> Option<Answer> {
        match heard {
            Heard::Chosen { service, id, key } => {
                let (from, about) = self.0.get(id)?;
                if from == service { answer(about, key) } else { None }
            }
            Heard::Closed { service, id } => {
                if self.0.get(id).is_some_and(|(from, _)| from == service) {
                    self.0.remove(id);
                }
                None
            }
            Heard::Ended(service) => {
                self.0.retain(|_, (from, _)| from != service);
                None
            }
        }
    }

    /// Takes out those about something.
    fn take(&mut self, which: impl Fn(&About) -> bool) -> Vec<u32> {
        let ids: Vec<u32> = self.0.iter().filter(|(_, (_, about))| which(about)).map(|(id, _)| *id).collect();
        for id in &ids {
            self.0.remove(id);
        }
        ids
    }
}

/// The connection to the service.
#[derive(Debug)]
pub(crate) struct Notifier {
    proxy: Proxy<'static>,
    shown: Shown,
}

impl Notifier {
    /// Connects, and hands on what the service says, from threads of its own: [`Notifier::heard`] takes it.
    pub(crate) fn start(on_heard: impl Fn(Heard) + Clone + Send + 'static) -> Result<Self> {
        Self::on(&Connection::session().context("there is no message bus")?, on_heard)
    }

    fn on(connection: &Connection, on_heard: impl Fn(Heard) + Clone + Send + 'static) -> Result<Self> {
        let proxy = Proxy::new(connection, SERVICE, PATH, SERVICE).context("there is no notification service")?;
        // Before anything is shown, so that no answer is missed. One stream, so that an answer comes before the end of its notice.
        let signals = proxy.receive_all_signals().context("the notification service takes no answers")?;
        let bus = DBusProxy::new(connection).context("the message bus does not answer")?;
        let owners =
            bus.receive_name_owner_changed_with_args(&[(0, SERVICE)]).context("the message bus tells nothing")?;
        let on_signal = on_heard.clone();
        std::thread::Builder::new().name("answers".into()).spawn(move || {
            signals.filter_map(|signal| understand(&signal)).for_each(on_signal);
        })?;
        std::thread::Builder::new().name("services".into()).spawn(move || {
            for change in owners {
                let Ok(change) = change.args() else { continue };
                if let Some(ended) = change.old_owner().as_ref() {
                    on_heard(Heard::Ended(ended.to_string()));
                }
            }
        })?;
        Ok(Self { proxy, shown: Shown::default() })
    }

    /// Takes in what the service said; the answer if somebody gave one to a notice that is shown.
    pub(crate) fn heard(&mut self, heard: &Heard) -> Option<Answer> {
        self.shown.heard(heard)
    }

    /// Shows a page.
    pub(crate) fn tell(&mut self, notice: &Notice) -> Result<()> {
        let about = About::Alert { alert: notice.alert, version: notice.version };
        let actions = [DEFAULT, "Open", ACKNOWLEDGE, "Acknowledge", OPEN, "Open"];
        self.show(&notice.title, &notice.text, &actions, CRITICAL, about)
    }

    /// Shows that there are many pages.
    pub(crate) fn tell_many(&mut self, count: usize) -> Result<()> {
        let title = format!("{count} new pages");
        let actions = [DEFAULT, "Open", OPEN, "Open"];
        self.show(&title, "More at once than are worth a notice each.", &actions, CRITICAL, About::Many)
    }

    /// Shows that no page is heard of, until that is over: silence looks like quiet.
    pub(crate) fn deaf(&mut self, text: &str, path: &str) -> Result<()> {
        let about = About::Deaf(path.to_owned());
        self.show("You are not told of pages", text, &[DEFAULT, "Open", OPEN, "Open"], CRITICAL, about)
    }

    /// Takes that back.
    pub(crate) fn take_back_deaf(&mut self) {
        self.close(|about| matches!(about, About::Deaf(_)));
    }

    /// Shows a sentence, with a page to look at.
    pub(crate) fn say(&mut self, title: &str, text: &str, path: &str) -> Result<()> {
        self.show(title, text, &[DEFAULT, "Open", OPEN, "Open"], NORMAL, About::Page(path.to_owned()))
    }

    fn show(&mut self, title: &str, text: &str, actions: &[&str], urgency: u8, about: About) -> Result<()> {
        // The service may be another one than last time.
        let capabilities: Vec<String> = self.proxy.call("GetCapabilities", &())?;
        let has_markup = capabilities.iter().any(|capability| capability == "body-markup");
        let body = if has_markup { escaped(text) } else { text.to_owned() };
        let hints = HashMap::from([
            ("urgency", Value::U8(urgency)),
            ("desktop-entry", Value::from("headroom")),
            ("category", Value::from("device.error")),
        ]);
        let time = if urgency == CRITICAL { UNTIL_ANSWERED } else { A_WHILE };
        let (program, icon, replaced) = ("Headroom", "headroom", 0u32);
        let answer = self.proxy.call_method("Notify", &(program, replaced, icon, title, body, actions, hints, time))?;
        let id: u32 = answer.body().deserialize()?;
        self.shown.insert(sender(&answer), id, about);
        Ok(())
    }

    /// Takes back the notices of an alert.
    pub(crate) fn take_back(&mut self, of: i64) {
        self.close(|about| matches!(about, About::Alert { alert, .. } if *alert == of));
    }

    /// Takes back the notice of many.
    pub(crate) fn take_back_many(&mut self) {
        self.close(|about| matches!(about, About::Many));
    }

    /// Takes back all.
    pub(crate) fn clear(&mut self) {
        self.close(|_| true);
    }

    fn close(&mut self, which: impl Fn(&About) -> bool) {
        for id in self.shown.take(which) {
            // Somebody may have closed it already.
            let _: zbus::Result<()> = self.proxy.call("CloseNotification", &(id,));
        }
    }
}

fn sender(message: &Message) -> String {
    message.header().sender().map(ToString::to_string).unwrap_or_default()
}

fn understand(signal: &Message) -> Option<Heard> {
    let service = sender(signal);
    match signal.header().member()?.as_str() {
        "ActionInvoked" => {
            let (id, key): (u32, String) = signal.body().deserialize().ok()?;
            Some(Heard::Chosen { service, id, key })
        }
        "NotificationClosed" => {
            let (id, _why): (u32, u32) = signal.body().deserialize().ok()?;
            Some(Heard::Closed { service, id })
        }
        _ => None,
    }
}

fn answer(about: &About, key: &str) -> Option<Answer> {
    match (about, key) {
        (About::Alert { alert, version }, ACKNOWLEDGE) => {
            Some(Answer::Acknowledge { alert: *alert, version: *version })
        }
        (About::Alert { alert, .. }, OPEN | DEFAULT) => Some(Answer::Open(format!("/alerts/{alert}"))),
        (About::Many, OPEN | DEFAULT) => Some(Answer::Open(ON_CALL.to_owned())),
        (About::Page(path) | About::Deaf(path), OPEN | DEFAULT) => Some(Answer::Open(path.clone())),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use zbus::blocking::connection;

    use super::*;

    /// A message bus of a test's own.
    struct Bus {
        daemon: Child,
        address: String,
        _folder: tempfile::TempDir,
    }

    impl Bus {
        fn start() -> Option<Self> {
            let mut command = Command::new("dbus-daemon");
            let folder = tempfile::tempdir().unwrap();
            command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
            command.arg(format!("--address=unix:dir={}", folder.path().display()));
            let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
            let mut address = String::new();
            BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
            Some(Self { daemon, address: address.trim().to_owned(), _folder: folder })
        }

        fn connect(&self) -> connection::Builder<'_> {
            connection::Builder::address(self.address.as_str()).unwrap()
        }

        /// A service that shows nothing, and counts from one.
        fn service(&self) -> Connection {
            let service = self.connect().serve_at(PATH, Service::default()).unwrap().name(SERVICE).unwrap();
            service.build().unwrap()
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
    }

    #[derive(Default)]
    struct Service(u32);

    #[expect(clippy::unused_self, reason = "an object on the bus has methods, whatever they answer")]
    #[zbus::interface(name = "org.freedesktop.Notifications")]
    impl Service {
        fn get_capabilities(&self) -> Vec<String> {
            vec!["actions".into(), "body-markup".into()]
        }

        #[expect(clippy::too_many_arguments, reason = "the service's own signature")]
        fn notify(
            &mut self,
            program: &str,
            replaced: u32,
            icon: &str,
            title: &str,
            body: &str,
            actions: Vec<String>,
            hints: HashMap<String, Value<'_>>,
            time: i32,
        ) -> u32 {
            assert_eq!((program, icon, replaced, time), ("Headroom", "headroom", 0, UNTIL_ANSWERED));
            assert!(!title.is_empty() && !body.contains('<') && hints.contains_key("urgency"));
            assert!(actions.len().is_multiple_of(2), "a key and a word each");
            self.0 += 1;
            self.0
        }
    }

    fn emit(service: &Connection, name: &str, body: &(impl serde::Serialize + zbus::zvariant::DynamicType)) {
        service.emit_signal(None::<&str>, PATH, SERVICE, name, body).unwrap();
    }

    fn next(heard: &Receiver<Heard>) -> Heard {
        heard.recv_timeout(Duration::from_mins(1)).unwrap()
    }

    #[test]
    fn services_come_and_go_and_are_not_mistaken_for_each_other() {
        let Some(bus) = Bus::start() else {
            eprintln!("SKIPPED: dbus-daemon is not installed");
            return;
        };
        let first = bus.service();
        let (sender, heard) = channel();
        let connection = bus.connect().build().unwrap();
        let mut notifier = Notifier::on(&connection, move |heard| drop(sender.send(heard))).unwrap();
        let notice = Notice { alert: 7, version: 3, title: "Saturated".into(), text: "<b>full</b>".into() };
        let acknowledged = Some(Answer::Acknowledge { alert: 7, version: 3 });

        notifier.tell(&notice).unwrap();
        emit(&first, "ActionInvoked", &(2u32, ACKNOWLEDGE));
        assert_eq!(notifier.heard(&next(&heard)), None, "another program's");
        emit(&first, "ActionInvoked", &(1u32, ACKNOWLEDGE));
        assert_eq!(notifier.heard(&next(&heard)), acknowledged);
        emit(&first, "NotificationClosed", &(1u32, 2u32));
        assert_eq!(notifier.heard(&next(&heard)), None);
        emit(&first, "ActionInvoked", &(1u32, ACKNOWLEDGE));
        assert_eq!(notifier.heard(&next(&heard)), None, "it is gone");

        // Two notices are shown when the service ends, and the next one counts from one again.
        notifier.tell(&notice).unwrap();
        notifier.tell_many(5).unwrap();
        let name = first.unique_name().unwrap().to_string();
        first.close().unwrap();
        assert_eq!(next(&heard), Heard::Ended(name.clone()));
        let second = bus.service();
        notifier.tell(&notice).unwrap();
        notifier.heard(&Heard::Ended(name));
        for id in [2u32, 3] {
            emit(&second, "ActionInvoked", &(id, OPEN));
            assert_eq!(notifier.heard(&next(&heard)), None, "{id} is another program's now");
        }
        emit(&second, "ActionInvoked", &(1u32, ACKNOWLEDGE));
        assert_eq!(
            notifier.heard(&next(&heard)),
            acknowledged,
            "what the next one shows is not forgotten with the last"
        );
    }

    fn chosen(service: &str, id: u32, key: &str) -> Heard {
        Heard::Chosen { service: service.into(), id, key: key.into() }
    }

    #[test]
    fn answers_are_about_what_was_shown() {
        let mut shown = Shown::default();
        shown.insert(":1.5".into(), 4, About::Alert { alert: 7, version: 3 });
        shown.insert(":1.5".into(), 5, About::Many);
        shown.insert(":1.5".into(), 6, About::Page("/alerts/9".into()));
        shown.insert(":1.5".into(), 7, About::Deaf("/login".into()));
        let mut answer = |id, key| shown.heard(&chosen(":1.5", id, key));
        assert_eq!(answer(4, ACKNOWLEDGE), Some(Answer::Acknowledge { alert: 7, version: 3 }));
        assert_eq!(answer(4, DEFAULT), Some(Answer::Open("/alerts/7".into())));
        assert_eq!(answer(4, OPEN), Some(Answer::Open("/alerts/7".into())));
        assert_eq!(answer(5, OPEN), Some(Answer::Open("/oncall".into())));
        assert_eq!(answer(5, ACKNOWLEDGE), None);
        assert_eq!(answer(6, OPEN), Some(Answer::Open("/alerts/9".into())));
        assert_eq!(answer(6, ACKNOWLEDGE), None);
        assert_eq!(answer(7, OPEN), Some(Answer::Open("/login".into())));
        assert_eq!(answer(4, "rm"), None);
        assert_eq!(answer(3, ACKNOWLEDGE), None, "another program's");
        assert_eq!(escaped("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }

    #[test]
    fn a_notice_that_is_gone_is_neither_answered_nor_closed_again() {
        let mut shown = Shown::default();
        let alert = || About::Alert { alert: 7, version: 3 };
        shown.insert(":1.5".into(), 4, alert());
        shown.heard(&Heard::Closed { service: ":1.5".into(), id: 4 });
        assert_eq!(shown.heard(&chosen(":1.5", 4, ACKNOWLEDGE)), None);
        assert_eq!(shown.take(|_| true), Vec::<u32>::new());

        // Another service counts from one again: its notices are not those of the last one.
        shown.insert(":1.5".into(), 1, alert());
        assert_eq!(shown.heard(&chosen(":1.9", 1, ACKNOWLEDGE)), None);
        shown.heard(&Heard::Closed { service: ":1.9".into(), id: 1 });
        assert!(shown.heard(&chosen(":1.5", 1, ACKNOWLEDGE)).is_some());
        shown.insert(":1.9".into(), 2, About::Many);
        shown.heard(&Heard::Ended(":1.5".into()));
        assert_eq!(shown.take(|_| true), [2], "what the new one shows is not forgotten with the old one");
    }

    #[test]
    fn notices_are_taken_back_by_what_they_are_about() {
        let mut shown = Shown::default();
        for (id, alert) in [(1, 7), (2, 8), (3, 7)] {
            shown.insert(String::new(), id, About::Alert { alert, version: 1 });
        }
        shown.insert(String::new(), 4, About::Many);
        assert_eq!(shown.take(|about| matches!(about, About::Alert { alert: 7, .. })), [1, 3]);
        assert_eq!(shown.take(|about| matches!(about, About::Many)), [4]);
        assert_eq!(shown.take(|_| true), [2]);
    }
}
