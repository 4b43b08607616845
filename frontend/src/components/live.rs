//! Numbers that the browser keeps current, and what is said when it cannot.

use headroom_domain::format;
use leptos::prelude::*;

use super::icon::state_icon;
use crate::islands::LiveUpdates;
use crate::live::Figure;
use crate::model::ShellModel;

/// A live number. `name` is its name in the stream: `occupied` of one pool or summed up, `reconciler.lag_ms`, `store.queue`.
pub(crate) fn live(
    name: &'static str,
    pool: Option<&str>,
    figure: Figure,
    value: Option<f64>,
    reason: &str,
) -> AnyView {
    let text = value.map_or_else(|| format::UNKNOWN.to_owned(), |value| figure.text(value));
    let title = value.is_none().then(|| format!("unknown: {reason}"));
    let room = room(figure.room(name), &text);
    view! {
        <span class="hr-live" style=room data-live=name data-as=figure.word() data-pool=pool.map(str::to_owned) data-ticks="" title=title>{text}</span>
    }
    .into_any()
}

/// Keeps room for a text and at least so many characters: what stands behind a number that gets longer stays where it is.
pub(crate) fn room(least: usize, text: &str) -> String {
    format!("min-inline-size:{}ch", text.chars().count().max(least))
}

/// A live number with its word, for a row of the class `hr-figs`: the word comes first, so that the room the number keeps reads
/// as the space before the next one.
pub(crate) fn figure(word: &'static str, number: AnyView) -> AnyView {
    view! { <span class="hr-fig">{word}" "{number}</span> }.into_any()
}

/// A whole number of [`live`].
pub(crate) fn live_count(name: &'static str, pool: Option<&str>, value: Option<i64>, reason: &str) -> AnyView {
    live(name, pool, Figure::Count, value.map(|value| value as f64), reason)
}

/// What a page listens to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening {
    /// Topics of the stream, with commas.
    pub topics: &'static str,
    /// The pool of the topics `slots` and `log`; empty if none.
    pub pool: String,
    /// Ask for the page again now and then, and put its lists in place.
    pub refreshes: bool,
}

/// Begins to listen, and keeps a place for what is said when nothing comes. The place is there from the start, and empty.
pub(crate) fn listen(shell: &ShellModel, what: Listening) -> AnyView {
    let pools = shell.url.pools.join(",");
    view! {
        <p class="hr-live-note" data-live-note="" data-ticks="" hidden="">{state_icon(shell, "state-unknown")}<span></span></p>
        <LiveUpdates topics=what.topics.to_owned() pool=what.pool pools=pools refreshes=what.refreshes/>
    }
    .into_any()
}
