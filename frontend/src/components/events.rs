//! Lists of what happened.

use leptos::prelude::*;

use super::icon::icon;
use super::value::day_time;
use crate::model::{EventKind, EventRow, ShellModel};

fn icon_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Deploy => "rocket",
        EventKind::Swap => "arrow-left-right",
        EventKind::Scale => "scaling",
        EventKind::Configuration => "sliders-horizontal",
        EventKind::Edit => "pencil",
        EventKind::Import => "upload",
        EventKind::Note => "message-square",
    }
}

/// Events, newest first.
pub(crate) fn event_list(shell: &ShellModel, events: &[EventRow]) -> AnyView {
    let rows = events
        .iter()
        .map(|event| {
            let text = match &event.href {
                Some(href) => view! { <a href=href.clone()>{event.text.clone()}</a> }.into_any(),
                None => event.text.clone().into_any(),
            };
            let by = event.actor.as_ref().map(|actor| {
                view! { <span class="hr-events__by">{format!(" by {actor}")}</span> }
            });
            view! {
                <li>
                    <span class="hr-events__when">{day_time(shell, event.at_ms)}</span>
                    <span class="hr-pill">{icon(shell, icon_name(event.kind))}{event.kind.word()}</span>
                    <span class="hr-events__what">{text}{by}</span>
                </li>
            }
        })
        .collect_view();
    view! { <ol class="hr-events">{rows}</ol> }.into_any()
}

/// The newest changes beside the form that makes them, with the way to all of them.
pub(crate) fn changes_card(shell: &ShellModel, changes: &[EventRow], all: String) -> Option<AnyView> {
    if changes.is_empty() {
        return None;
    }
    Some(
        view! {
            <section class="hr-card hr-narrow" aria-labelledby="changes-title">
                <div class="hr-card__head">
                    <h2 id="changes-title">"Changes"</h2>
                    <a href=all>"All in the audit trail"</a>
                </div>
                {event_list(shell, changes)}
            </section>
        }
        .into_any(),
    )
}

/// What is marked on a chart, by letter.
pub(crate) fn chart_notes(shell: &ShellModel, events: &[EventRow]) -> Option<AnyView> {
    if events.is_empty() {
        return None;
    }
    let rows = events
        .iter()
        .map(|event| {
            let text = match &event.href {
                Some(href) => view! { <a href=href.clone()>{event.text.clone()}</a> }.into_any(),
                None => event.text.clone().into_any(),
            };
            let letter = event.letter.map(|letter| view! { <span class="hr-letter">{letter.to_string()}</span> });
            view! { <li>{letter}<span>{day_time(shell, event.at_ms)}" · "{text}</span></li> }
        })
        .collect_view();
    Some(view! { <ol class="hr-notes">{rows}</ol> }.into_any())
}
