//! Panels that cannot show everything: empty, partial, stale, failed.

use headroom_domain::format;
use leptos::prelude::*;

use super::icon::{icon, icon_32, state_icon};
use super::value::as_of_text;
use crate::model::{Link, PanelState, ShellModel};

/// Severity of a strip.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    /// For your information.
    Info,
    /// It worked.
    Ok,
    /// Look at it.
    Warn,
    /// It failed.
    Critical,
}

/// A strip with mark and text.
pub(crate) fn strip(shell: &ShellModel, tone: Tone, body: AnyView) -> AnyView {
    let (class, shape) = match tone {
        Tone::Info => ("hr-notice", "state-info"),
        Tone::Ok => ("hr-notice hr-notice--ok", "state-ok"),
        Tone::Warn => ("hr-notice hr-notice--warn", "state-warn"),
        Tone::Critical => ("hr-notice hr-notice--crit", "state-crit"),
    };
    view! {
        <div class=class>
            {state_icon(shell, shape)}
            <div class="hr-notice__text">{body}</div>
        </div>
    }
    .into_any()
}

/// The empty state: what is missing, and one action.
pub(crate) fn empty(shell: &ShellModel, text: &str, action: Option<&Link>) -> AnyView {
    let action = action.map(|link| {
        view! { <a class="hr-btn" href=link.href.clone()>{link.label.clone()}</a> }
    });
    view! {
        <div class="hr-empty">
            {icon_32(shell, "inbox")}
            <p>{text.to_owned()}</p>
            {action}
        </div>
    }
    .into_any()
}

/// Wraps a panel's content in its state: replaced when there is nothing to show, preceded by a strip when something is amiss.
pub(crate) fn panel(shell: &ShellModel, state: &PanelState, content: impl FnOnce() -> AnyView) -> AnyView {
    match state {
        PanelState::Ready => content(),
        PanelState::Empty { text, action } => empty(shell, text, action.as_ref()),
        PanelState::Failed { text, id } => {
            let retry = shell.url.replace(&shell.path, &[]);
            let body = view! {
                {format!("Could not load this panel: {text}. The rest of the page is complete. ")}
                <a href=retry>"Retry"</a>
                <span class="hr-muted">{format!(" · id {id}")}</span>
            };
            strip(shell, Tone::Critical, body.into_any())
        }
        other => {
            let note = note(shell, other);
            view! { {note} {content()} }.into_any()
        }
    }
}

/// The strip of a partial or stale state; nothing otherwise.
pub(crate) fn note(shell: &ShellModel, state: &PanelState) -> Option<AnyView> {
    match state {
        PanelState::Partial { text } => Some(strip(shell, Tone::Warn, text.clone().into_any())),
        PanelState::Stale { last_ms } => {
            let age = format::duration((shell.now_ms - last_ms).max(0));
            let text = format!("No data for {age} (last {}). Not zero: unknown.", as_of_text(shell, *last_ms));
            Some(
                view! {
                    <div class="hr-notice hr-notice--warn">
                        {state_icon(shell, "state-unknown")}
                        <div class="hr-notice__text">{text}</div>
                    </div>
                }
                .into_any(),
            )
        }
        _ => None,
    }
}

/// A link styled as a button with an icon.
pub(crate) fn button_link(
    shell: &ShellModel,
    class: &'static str,
    icon_name: &str,
    label: &str,
    href: String,
) -> AnyView {
    view! { <a class=class href=href>{icon(shell, icon_name)}{label.to_owned()}</a> }.into_any()
}
