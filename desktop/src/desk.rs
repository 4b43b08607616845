//! What the desktop around the window is told: notices and the tray entry, on a thread of its own, so that a desktop that does not
//! answer holds up no window.

use std::sync::mpsc::{Sender, channel};

use anyhow::Result;

use crate::alerts::Do;
use crate::figures::Figures;
use crate::notify::{Answer, Notifier};
use crate::tray::{self, Choice};

/// What the desktop is told.
#[derive(Debug)]
pub(crate) enum Tell {
    /// Notices to give or take back.
    Pages(Vec<Do>),
    /// The numbers of the tray entry.
    Figures(Figures),
    /// A sentence about an alert that has a page.
    Sentence {
        /// One line.
        title: String,
        /// What happened.
        text: String,
        /// Where to look.
        path: String,
    },
    /// Another server is shown: nothing of the last one holds.
    Clear,
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Back {
    /// Somebody answered a notice.
    Answer(Answer),
    /// Somebody chose something in the tray.
    Choice(Choice),
    /// Something is missing here; for people.
    Missing(String),
}

/// Starts the thread.
pub(crate) fn start(on_back: impl Fn(Back) + Clone + Send + 'static) -> Result<Sender<Tell>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("desktop".into()).spawn(move || {
        let on_answer = on_back.clone();
        let notifier = match Notifier::start(move |answer| on_answer(Back::Answer(answer))) {
            Ok(notifier) => Some(notifier),
            Err(error) => {
                on_back(Back::Missing(format!("Pages cannot be told as notifications here: {error:#}.")));
                None
            }
        };
        let on_choice = on_back.clone();
        // Many desktops have no tray, and nobody misses it there.
        let tray = tray::show(move |choice| on_choice(Back::Choice(choice))).ok();
        let mut is_told = false;
        for tell in receiver {
            if let Tell::Figures(figures) = tell {
                if let Some(tray) = &tray {
                    tray::update(tray, figures);
                }
                continue;
            }
            let Some(notifier) = &notifier else { continue };
            if let Err(error) = notice(notifier, tell)
                && !is_told
            {
                is_told = true;
                on_back(Back::Missing(format!("Pages cannot be told as notifications here: {error:#}.")));
            }
        }
    })?;
    Ok(sender)
}

fn notice(notifier: &Notifier, tell: Tell) -> Result<()> {
    match tell {
        Tell::Pages(all) => {
            for one in all {
                match one {
                    Do::Tell(notice) => notifier.tell(&notice)?,
                    Do::TellMany(count) => notifier.tell_many(count)?,
                    Do::TakeBack(alert) => notifier.take_back(alert),
                }
            }
        }
        Tell::Sentence { title, text, path } => notifier.say(&title, &text, &path)?,
        Tell::Clear => notifier.clear(),
        Tell::Figures(_) => {}
    }
    Ok(())
}
