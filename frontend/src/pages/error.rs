//! Error pages: what happened, what it means, what to do, the id. The shell stays, so there is always a way on.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::model::{ErrorModel, ShellModel};
use crate::url::with_query;

struct Words {
    heading: &'static str,
    what: &'static str,
    hint: &'static str,
}

fn words(status: u16) -> Words {
    match status {
        400 => Words {
            heading: "That request could not be read",
            what: "Something in the address or the form was not what this page expects.",
            hint: "Go back and check it, or start from a page below.",
        },
        401 => Words {
            heading: "Your session ended",
            what: "You are not signed in any more, so nothing was shown or changed.",
            hint: "Sign in to continue; you will come back to this page.",
        },
        403 => Words {
            heading: "Your roles do not allow this",
            what: "You may see other pages, but not this one, and nothing was changed.",
            hint: "Ask an administrator for a role that allows it.",
        },
        404 => Words {
            heading: "Nothing is here",
            what: "There is no page at this address.",
            hint: "It may have been renamed or archived. Search for it, or start from a page below.",
        },
        405 => Words {
            heading: "This page does not take that",
            what: "The address exists, but not for this kind of request.",
            hint: "Open it with a link instead.",
        },
        409 => Words {
            heading: "Somebody was faster",
            what: "It changed after you opened the form, so nothing was saved.",
            hint: "Open the form again: it will show the current values.",
        },
        413 => Words {
            heading: "That is too large",
            what: "The request is larger than the server accepts. Nothing was saved.",
            hint: "Split it into smaller parts, or import the file on the command line.",
        },
        422 => Words {
            heading: "That could not be saved",
            what: "A field has a value that is not possible. Nothing was saved.",
            hint: "Go back, check the marked fields and send the form again.",
        },
        429 => Words {
            heading: "Too many requests",
            what: "The server is protecting itself from a burst of requests.",
            hint: "Wait a moment and try again.",
        },
        503 => Words {
            heading: "Not available right now",
            what: "The database did not answer, so the numbers cannot be shown. Nothing was changed.",
            hint: "This page tries again when you reload it.",
        },
        500..=599 => Words {
            heading: "Headroom could not build this page",
            what: "Something went wrong on the server. Nothing was changed.",
            hint: "Try again; if it stays, give the id below to whoever runs this server.",
        },
        _ => Words {
            heading: "That did not work",
            what: "The request was refused. Nothing was changed.",
            hint: "Go back, or start from a page below.",
        },
    }
}

/// An error page of any status.
pub fn error(shell: &ShellModel, model: &ErrorModel) -> AnyView {
    let words = words(model.status);
    let or_default =
        |text: &str, default: &'static str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let what = or_default(&model.what, words.what);
    let hint = or_default(&model.hint, words.hint);
    let suggestions = (!model.suggestions.is_empty()).then(|| {
        let links = model
            .suggestions
            .iter()
            .map(|link| view! { <a class="hr-dot" href=link.href.clone()><strong>{link.label.clone()}</strong></a> })
            .collect_view();
        view! { <p>"Did you mean "{links}"?"</p> }
    });
    let wait = model.retry_after_s.map(|seconds| {
        view! { <p>{format!("Try again in {}.", format::duration(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000)))}</p> }
    });
    let retry = model.retry_href.as_ref().filter(|_| model.status != 401).map(|href| {
        view! { <a class="hr-btn hr-btn--primary" href=href.clone()>{icon(shell, "refresh-cw")}"Retry"</a> }
    });
    let mut reference = format!("Status {}", model.status);
    if !model.id.is_empty() {
        reference += &format!(" · id {}", model.id);
    }
    let search = shell.viewer.is_some().then(|| {
        view! {
            <form class="hr-tools" method="get" action="/search" role="search">
                <input class="hr-input" style="inline-size:min(100%,22rem)" type="search" name="q" aria-label="Search pools and tenants" placeholder="Name of a pool or tenant"/>
                <button class="hr-btn" type="submit">{icon(shell, "search")}"Search"</button>
            </form>
        }
    });
    let content = view! {
        <section class="hr-card hr-prose" aria-label="What happened">
            <p><strong>{what}</strong></p>
            {suggestions}
            <p>{hint}</p>
            {wait}
            <p class="hr-head__actions">
                {retry}
                {ways_on(shell, model)}
            </p>
            <p class="hr-muted hr-mono">{reference}</p>
        </section>
        {search}
    };
    document(shell, Frame::plain(words.heading), content.into_any())
}

/// Pages that work although this one did not. Before sign-in there is one way on, and none while nobody can sign in.
fn ways_on(shell: &ShellModel, model: &ErrorModel) -> Option<AnyView> {
    if shell.viewer.is_some() {
        return Some(
            view! {
                <a class="hr-btn" href=shell.url.link("/overview")>"Overview"</a>
                <a class="hr-btn" href=shell.url.link("/pools")>"Pools"</a>
                <a class="hr-btn" href="/help">"Help"</a>
            }
            .into_any(),
        );
    }
    if model.status >= 500 {
        return None;
    }
    let next: Vec<(&str, &str)> = model.retry_href.iter().map(|href| ("next", href.as_str())).collect();
    Some(view! { <a class="hr-btn" href=with_query("/login", &next)>"Sign in"</a> }.into_any())
}
