//! How far an import has come, for whoever waits for it.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Is told how far an import has come.
pub trait Progress: Send + Sync {
    /// A stage begins: what is done, and its whole size in bytes.
    fn stage(&self, what: &'static str, total: u64);
    /// Bytes of the stage that are done.
    fn at(&self, bytes: u64);
    /// The stage is over.
    fn end(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: u64) {}
    fn at(&self, _: u64) {}
    fn end(&self) {}
}

/// A stage and how far it is, in bytes of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where {
    pub(super) what: &'static str,
    pub(super) done: u64,
    pub(super) total: u64,
}

/// Remembers how far an import is, for those who do not stand at its terminal.
#[derive(Clone)]
pub(super) struct Watched {
    inner: Arc<dyn Progress>,
    at: Arc<Mutex<Where>>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Watched {
    /// Over somebody who is told.
    pub(super) fn over(inner: &Arc<dyn Progress>) -> Self {
        Self { inner: Arc::clone(inner), at: Arc::new(Mutex::new(Where { what: "beginning", done: 0, total: 0 })) }
    }

    /// How far it is.
    pub(super) fn now(&self) -> Where {
        // Whoever panicked with the lock left a whole value behind.
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Where)) {
        change(&mut self.at.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Watched {
    fn stage(&self, what: &'static str, total: u64) {
        self.set(|at| *at = Where { what, done: 0, total });
        self.inner.stage(what, total);
    }

    fn at(&self, bytes: u64) {
        self.set(|at| at.done = bytes);
        self.inner.at(bytes);
    }

    fn end(&self) {
        self.inner.end();
    }
}

/// A bar on the terminal: bytes, rate and time left.
#[derive(Debug, Default)]
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn with(&self, f: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.bar.lock() {
            f(&mut bar);
        }
    }
}

impl Progress for Bar {
    fn stage(&self, what: &'static str, total: u64) {
        const TEMPLATE: &str = "{msg:>9} [{bar:40}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(total).with_style(style).with_message(what);
        bar.enable_steady_tick(Duration::from_millis(250));
        self.with(|held| *held = Some(bar));
    }

    fn at(&self, bytes: u64) {
        self.with(|held| {
            if let Some(bar) = held {
                bar.set_position(bytes);
            }
        });
    }

    fn end(&self) {
        self.with(|held| {
            if let Some(bar) = held.take() {
                bar.finish_and_clear();
            }
        });
    }
}
