//! What the desktop around the window is told: notices and the tray entry, on a thread of its own, so that a desktop that does not
//! answer holds up no window, and a window that waits for its person holds up no notice.

use std::sync::mpsc::{Sender, channel};

use anyhow::Result;

use crate::address::Address;
use crate::alerts::Do;
use crate::api::{Api, client};
use crate::figures::Figures;
use crate::notify::{Answer, Heard, Notifier};
use crate::session::Session;
use crate::tray::{self, Choice, Handle};

/// What the desktop is told. A `run` is the number of the server that was shown then.
#[derive(Debug)]
pub(crate) enum Tell {
    /// Another server is shown, or none: nothing of the last one holds.
    Shown(u64),
    /// In whose name, and where, pages are acknowledged.
    SignedIn(Option<(Address, Session)>),
    /// Notices to give or take back.
    Pages(u64, Vec<Do>),
    /// The numbers of the tray entry.
    Figures(u64, Figures),
    /// No page is heard of any more, and what to do about it, with the path where; `None`: they are heard of again.
    Deaf(u64, Option<(String, &'static str)>),
    /// The notification service said something.
    Heard(Heard),
    /// The server did not acknowledge, for a reason.
    Refused {
        /// Which server.
        run: u64,
        /// Which alert.
        alert: i64,
        /// For people.
        reason: String,
    },
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Back {
    /// Somebody wants to see a path.
    Open(String),
    /// An alert was acknowledged from its notice.
    Acknowledged(i64),
    /// Somebody chose something in the tray.
    Choice(Choice),
    /// Something is missing here; for people.
    Missing(String),
}

/// Starts the thread.
pub(crate) fn start(on_back: impl Fn(Back) + Clone + Send + 'static) -> Result<Sender<Tell>> {
    let (sender, receiver) = channel();
    let own = sender.clone();
    std::thread::Builder::new().name("desktop".into()).spawn(move || {
        let on_heard = own.clone();
        // This thread lives as long as the program.
        let notifier = match Notifier::start(move |heard| drop(on_heard.send(Tell::Heard(heard)))) {
            Ok(notifier) => Some(notifier),
            Err(error) => {
                on_back(missing(&error));
                None
            }
        };
        let on_choice = on_back.clone();
        // Many desktops have no tray, and nobody misses it there.
        let tray = tray::show(move |choice| on_choice(Back::Choice(choice))).ok();
        let mut desk = Desk { run: 0, who: None, notifier, tray, own, on_back };
        let mut is_told = false;
        for tell in receiver {
            if let Err(error) = desk.take(tell)
                && !is_told
            {
                is_told = true;
                (desk.on_back)(missing(&error));
            }
        }
    })?;
    Ok(sender)
}

fn missing(error: &anyhow::Error) -> Back {
    Back::Missing(format!("Pages cannot be told as notifications here: {error:#}."))
}

struct Desk<B> {
    /// What is shown now: what is told of another one comes too late.
    run: u64,
    who: Option<(Address, Session)>,
    notifier: Option<Notifier>,
    tray: Option<Handle>,
    own: Sender<Tell>,
    on_back: B,
}

impl<B: Fn(Back) + Clone + Send + 'static> Desk<B> {
    fn take(&mut self, tell: Tell) -> Result<()> {
        match tell {
            Tell::Shown(run) => {
                self.run = run;
                self.who = None;
                self.figures(Figures::default());
                if let Some(notifier) = &mut self.notifier {
                    notifier.clear();
                }
            }
            Tell::SignedIn(who) => self.who = who,
            Tell::Pages(run, all) if run == self.run => self.pages(all)?,
            Tell::Figures(run, figures) if run == self.run => self.figures(figures),
            Tell::Heard(heard) => {
                let answer = self.notifier.as_mut().and_then(|notifier| notifier.heard(&heard));
                match answer {
                    Some(Answer::Open(path)) => (self.on_back)(Back::Open(path)),
                    Some(Answer::Acknowledge { alert, version }) => self.acknowledge(alert, version)?,
                    None => {}
                }
            }
            Tell::Deaf(run, why) if run == self.run => {
                if let Some(notifier) = &mut self.notifier {
                    notifier.take_back_deaf();
                    if let Some((text, path)) = why {
                        notifier.deaf(&text, path)?;
                    }
                }
            }
            Tell::Refused { run, alert, reason } if run == self.run => self.not_acknowledged(alert, &reason)?,
            Tell::Pages(..) | Tell::Figures(..) | Tell::Deaf(..) | Tell::Refused { .. } => {}
        }
        Ok(())
    }

    fn figures(&self, figures: Figures) {
        if let Some(tray) = &self.tray {
            tray::update(tray, figures);
        }
    }

    fn pages(&mut self, all: Vec<Do>) -> Result<()> {
        let Some(notifier) = &mut self.notifier else { return Ok(()) };
        let mut outcome = Ok(());
        for one in all {
            // One that cannot be shown keeps back none of the others.
            outcome = outcome.and(match one {
                Do::Tell(notice) => notifier.tell(&notice),
                Do::TellMany(count) => notifier.tell_many(count),
                Do::TakeBack(alert) => {
                    notifier.take_back(alert);
                    Ok(())
                }
                Do::TakeBackMany => {
                    notifier.take_back_many();
                    Ok(())
                }
            });
        }
        outcome
    }

    /// The server is asked on a thread of its own, since it may not answer.
    fn acknowledge(&mut self, alert: i64, version: u64) -> Result<()> {
        let Some((address, session)) = self.who.clone() else {
            return self.not_acknowledged(alert, "nobody is signed in");
        };
        let (own, on_back, run) = (self.own.clone(), self.on_back.clone(), self.run);
        std::thread::spawn(move || {
            let done = client().and_then(|client| Api::new(client, address, session).acknowledge(alert, version));
            match done {
                Ok(()) => on_back(Back::Acknowledged(alert)),
                Err(error) => drop(own.send(Tell::Refused { run, alert, reason: format!("{error:#}") })),
            }
        });
        Ok(())
    }

    fn not_acknowledged(&mut self, alert: i64, reason: &str) -> Result<()> {
        let Some(notifier) = &mut self.notifier else { return Ok(()) };
        notifier.say("Not acknowledged", &format!("{reason}."), &format!("/alerts/{alert}"))
    }
}
