//! An alert in a list: what is broken, how much, since when, who has it, and what to do about it. Each thing to do is a form of
//! its own that says which version was seen, so it works without a script and two people never overwrite each other.

use headroom_domain::alert::episode::{SNOOZE_PAGE_MS, SNOOZE_TICKET_MS};
use headroom_domain::alert::outcome::Outcome;
use headroom_domain::format;
use leptos::prelude::*;

use super::field::{csrf, escaped};
use super::hits::hits;
use super::icon::{icon, state_icon};
use super::value::{ago, day_time, day_time_text};
use crate::model::{AlertConflict, AlertRow, AlertState, ShellModel};
use crate::url::{pool_path, tenant_path};

/// Where a form about an alert leads back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    /// The board.
    Board,
    /// The alert's own page.
    Own,
}

impl Back {
    const fn word(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Own => "own",
        }
    }
}

/// How urgent it is, in words and shape.
pub(crate) fn severity(shell: &ShellModel, row: &AlertRow) -> AnyView {
    let (class, shape, word) = match (row.is_page, row.critical) {
        _ if row.state == AlertState::Resolved => ("hr-pill hr-pill--ok", "state-ok", "RESOLVED"),
        (true, true) => ("hr-pill hr-pill--crit", "state-crit", "CRITICAL"),
        (true, false) => ("hr-pill hr-pill--crit", "state-crit", "PAGE"),
        (false, _) => ("hr-pill hr-pill--warn", "state-warn", "TICKET"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{word}</span> }.into_any()
}

/// Who has it, or what else keeps it from people.
pub(crate) fn state_words(shell: &ShellModel, row: &AlertRow) -> AnyView {
    let by = |word: &'static str| {
        let owner = row.owner.clone().unwrap_or_default();
        let since = row.acked_ms.map(|at| view! { " · "{ago(shell, at)} });
        view! { {word}" "<b>{owner}</b>{since} }.into_any()
    };
    let words = match row.state {
        AlertState::Acknowledged => by("acknowledged by"),
        AlertState::Snoozed => {
            let until = row.snoozed_until_ms.map(|at| day_time(shell, at));
            view! { "snoozed until "{until} }.into_any()
        }
        AlertState::Silenced | AlertState::Inhibited => {
            let why = row.hidden_why.clone().unwrap_or_default();
            view! { {row.state.words().to_lowercase()}" "{why} }.into_any()
        }
        AlertState::NoData => view! { {row.state.words()} }.into_any(),
        AlertState::Firing => match &row.asks {
            Some((who, at)) => view! { "nobody has it · next "{who.clone()}", "{day_time(shell, *at)} }.into_any(),
            None => "nobody has it".into_any(),
        },
        AlertState::Pending => "not for long enough yet".into_any(),
        AlertState::Resolved => view! { "over"{row.resolved_ms.map(|at| view! { " "{ago(shell, at)} })} }.into_any(),
    };
    view! { <span class="hr-alert__state" data-now="state">{words}</span> }.into_any()
}

/// An alert with its facts and what can be done.
pub(crate) fn alert_row(shell: &ShellModel, row: &AlertRow, may_act: bool, selects: bool) -> AnyView {
    let mut class = String::from("hr-finding hr-alert");
    class.push_str(match (row.state, row.is_page) {
        (AlertState::Silenced | AlertState::Inhibited, _) => " hr-alert--hidden",
        (_, true) => " hr-finding--crit",
        (_, false) => " hr-finding--warn",
    });
    let heading = format!("alert-{}", row.id);
    let select = (selects && may_act && row.is_open()).then(|| {
        let name = format!("Select: {}", row.sentence);
        let seen = format!("{}:{}", row.id, row.version);
        view! {
            <label class="hr-alert__select">
                <input type="checkbox" name="alert" form="bulk" value=seen.clone() aria-label=name/>
            </label>
            // What "all" is: what is on the page, as it is on it.
            {(!row.is_taken()).then(|| view! { <input type="hidden" name="shown" form="bulk" value=seen.clone()/> })}
        }
    });
    let title = format!("{} · {}", row.title, row.href());
    view! {
        <li>
            <article class=class aria-labelledby=heading.clone() data-finding=heading.clone() data-alert=row.id tabindex="-1">
                <p class="hr-finding__mark">{select}<span data-now="severity">{severity(shell, row)}</span></p>
                <div class="hr-finding__what">
                    <h3 id=heading.clone()><a href=row.href() title=title>{row.sentence.clone()}</a></h3>
                    <p class="hr-finding__facts">{facts(shell, row)}</p>
                    <p class="hr-finding__facts">{state_words(shell, row)}</p>
                    {row.conflict.as_ref().map(|conflict| conflict_panel(shell, row, conflict, Back::Board))}
                </div>
                <p class="hr-finding__since">{ago(shell, row.fired_ms)}</p>
                {acts(shell, row, may_act, Back::Board)}
            </article>
        </li>
    }
    .into_any()
}

/// Pool, tenants, numbers, badges.
pub(crate) fn facts(shell: &ShellModel, row: &AlertRow) -> AnyView {
    let pool = row.pool.as_ref().map(|pool| {
        view! { <span class="hr-dot"><a href=shell.url.link(&pool_path(&pool.slug))>{pool.name.clone()}</a></span> }
    });
    let tenant = row.tenant.as_ref().map(|tenant| {
        view! { <span class="hr-dot">"tenant "<a href=shell.url.link(&tenant_path(&tenant.slug))>{tenant.name.clone()}</a></span> }
    });
    // An alert about a tenant names it already.
    let hits = row.tenant.is_none().then(|| hits(shell, &row.hits, row.hits_total)).flatten();
    let numbers = row.facts.iter().map(|fact| view! { <span class="hr-dot">{fact.clone()}</span> }).collect_view();
    let flapping = row.flapping.then(|| view! { <span class="hr-dot"><b>"flapping"</b></span> });
    let reopened =
        (row.reopened > 0).then(|| view! { <span class="hr-dot">{format!("reopened ({})", row.reopened)}</span> });
    let inhibited = (!row.explains.is_empty()).then(|| {
        let links = row
            .explains
            .iter()
            .enumerate()
            .map(|(index, (id, whom))| {
                view! { {(index > 0).then_some(", ")}<a href=format!("/alerts/{id}")>{whom.clone()}</a> }
            })
            .collect_view();
        let words = if row.explains.len() == 1 {
            "1 alert inhibited".to_owned()
        } else {
            format!("{} alerts inhibited", row.explains.len())
        };
        view! {
            <details class="hr-dot hr-alert__more"><summary>{words}</summary>" "{links}</details>
        }
    });
    let source = row.explained_by.map(|id| {
        view! { <span class="hr-dot"><a href=format!("/alerts/{id}")>{format!("explained by A-{id}")}</a></span> }
    });
    let page = if row.is_page { "page" } else { "ticket, not a page" };
    view! {
        {pool}{tenant}{hits}{numbers}<span class="hr-dot">{page}</span>{flapping}{reopened}{source}{inhibited}
    }
    .into_any()
}

/// A form that does one thing.
fn form(shell: &ShellModel, row: &AlertRow, deed: &'static str, back: Back, inside: AnyView) -> AnyView {
    // The same thing done twice to what is still the same is done once.
    let key = format!("{}-v{}-{deed}", row.id, row.version);
    view! {
        <form method="post" action=format!("/alerts/{}/act", row.id) data-act=deed>
            {csrf(shell)}
            <input type="hidden" name="deed" value=deed/>
            <input type="hidden" name="expected_version" value=row.version/>
            <input type="hidden" name="idempotency_key" value=key/>
            <input type="hidden" name="back" value=back.word()/>
            {inside}
        </form>
    }
    .into_any()
}

fn note_field(row: &AlertRow, id: &str, label: &'static str, required: bool, typed: &str) -> AnyView {
    let id = format!("{id}-{}", row.id);
    view! {
        <label class="hr-field__label" for=id.clone()>{label}</label>
        <textarea class="hr-input" id=id name="note" rows="2" maxlength="2000" required=required inner_html=escaped(typed)></textarea>
    }
    .into_any()
}

/// What can be done about it, most likely first.
pub(crate) fn acts(shell: &ShellModel, row: &AlertRow, may_act: bool, back: Back) -> AnyView {
    let runbook = row.runbook.as_ref().map(|href| {
        let name = format!("Runbook: {}", row.sentence);
        let outside = !href.starts_with('/');
        view! {
            <a class="hr-btn" href=href.clone() rel=outside.then_some("noreferrer") aria-label=name>
                "Runbook"{outside.then(|| icon(shell, "external-link"))}
            </a>
        }
    });
    if !may_act || !row.is_open() {
        let was = (may_act && row.state == AlertState::Resolved && back == Back::Own).then(|| what_it_was(shell, row));
        return view! { <div class="hr-finding__acts hr-alert__acts">{was}{runbook}</div> }.into_any();
    }
    let first = match row.state {
        AlertState::Acknowledged if row.is_mine => {
            let inside = view! {
                <button class="hr-btn" type="submit" data-busy="Giving it back…" aria-label=format!("Give back: {}", row.sentence)>"Give back"</button>
            };
            form(shell, row, "unack", back, inside.into_any())
        }
        AlertState::Acknowledged => {
            let inside = view! {
                <button class="hr-btn" type="submit" data-busy="Joining…" aria-label=format!("Join: {}", row.sentence)>"Join"</button>
            };
            form(shell, row, "join", back, inside.into_any())
        }
        _ if row.needs_note => acknowledge_with_note(shell, row, back),
        _ => {
            let inside = view! {
                <button class="hr-btn hr-btn--primary hr-btn--tall" type="submit" data-key="a" data-busy="Acknowledging…" aria-label=format!("Acknowledge: {}", row.sentence)>
                    "Acknowledge"
                </button>
            };
            form(shell, row, "ack", back, inside.into_any())
        }
    };
    view! {
        <div class="hr-finding__acts hr-alert__acts">
            {first}
            {snooze(shell, row, back)}
            {more(shell, row, back)}
            {runbook}
            <span class="hr-alert__say" role="status" data-say=""></span>
        </div>
    }
    .into_any()
}

/// Where an acknowledgement must say something: the button opens the form.
fn acknowledge_with_note(shell: &ShellModel, row: &AlertRow, back: Back) -> AnyView {
    let inside = view! {
        {note_field(row, "ack", "What you see or do (needed)", true, "")}
        <button class="hr-btn hr-btn--primary" type="submit" data-busy="Acknowledging…">"Acknowledge with this note"</button>
    };
    view! {
        <details class="hr-pop hr-alert__pop hr-alert__pop--first">
            <summary class="hr-btn hr-btn--primary hr-btn--tall" data-key="a" aria-label=format!("Acknowledge: {}", row.sentence)>
                "Acknowledge"{icon(shell, "chevron-down")}
            </summary>
            <div class="hr-pop__panel">{form(shell, row, "ack", back, inside.into_any())}</div>
        </details>
    }
    .into_any()
}

/// What an alert turned out to be: a choice and a note.
fn outcome_fields(row: &AlertRow, id: &str) -> AnyView {
    let field = format!("{id}-outcome-{}", row.id);
    let options = Outcome::ALL
        .iter()
        .map(|one| {
            view! { <option value=one.as_str() selected=row.outcome == Some(*one)>{one.label()}</option> }
        })
        .collect_view();
    view! {
        <label class="hr-field__label" for=field.clone()>"What it was"</label>
        <select class="hr-input" id=field name="outcome" required="">
            <option value="">"Choose"</option>
            {options}
        </select>
        {note_field(row, id, "Note, for the next time", false, "")}
    }
    .into_any()
}

/// An alert that is over by itself has an outcome, too.
fn what_it_was(shell: &ShellModel, row: &AlertRow) -> AnyView {
    let inside = view! {
        {outcome_fields(row, "was")}
        <button class="hr-btn hr-btn--primary" type="submit" data-busy="Writing…">"Save what it was"</button>
    };
    let label = row
        .outcome
        .map_or_else(|| "Say what it was".to_owned(), |one| format!("It was: {}", one.label().to_lowercase()));
    view! {
        <details class="hr-pop hr-alert__pop hr-alert__pop--first">
            <summary class="hr-btn">{label}{icon(shell, "chevron-down")}</summary>
            <div class="hr-pop__panel">{form(shell, row, "outcome", Back::Own, inside.into_any())}</div>
        </details>
    }
    .into_any()
}

/// A time on the reader's clock, as `datetime-local` takes it.
fn local_time(shell: &ShellModel, at: i64) -> String {
    shell.zone.local(at).format("%Y-%m-%dT%H:%M").to_string()
}

fn snooze(shell: &ShellModel, row: &AlertRow, back: Back) -> AnyView {
    let choices = [("now+15m", "15 min"), ("now+1h", "1 h"), ("now+4h", "4 h"), ("now+24h", "24 h")]
        .into_iter()
        .map(|(until, label)| {
            view! { <button class="hr-btn" type="submit" name="until" value=until data-busy="Snoozing…">{label}</button> }
        })
        .collect_view();
    let shift = row.shift_ends_ms.map(|at| {
        view! {
            <button class="hr-btn" type="submit" name="until" value="shift" data-busy="Snoozing…">
                {format!("Until my shift ends, {}", day_time_text(shell, at))}
            </button>
        }
    });
    let inside = view! {
        <p class="hr-pop__title">"Put it off for"</p>
        <div class="hr-alert__choices">{choices}{shift}</div>
        {note_field(row, "snooze", "Note", false, "")}
    };
    let most_ms = if row.is_page { SNOOZE_PAGE_MS } else { SNOOZE_TICKET_MS };
    let field = format!("snooze-at-{}", row.id);
    // A form of its own: the Enter key in it must not choose another time.
    let custom = view! {
        <input type="hidden" name="until" value="custom"/>
        <label class="hr-field__label" for=field.clone()>
            {format!("Or until ({}, at most {})", shell.zone.name(), format::duration(most_ms))}
        </label>
        <input
            class="hr-input"
            type="datetime-local"
            id=field
            name="at"
            required=""
            min=local_time(shell, shell.now_ms)
            max=local_time(shell, shell.now_ms + most_ms)
        />
        {note_field(row, "snooze-until", "Note", false, "")}
        <button class="hr-btn" type="submit" data-busy="Snoozing…">"Snooze until then"</button>
    };
    view! {
        <details class="hr-pop hr-alert__pop">
            <summary class="hr-btn" data-key="s" aria-label=format!("Snooze: {}", row.sentence)>"Snooze"{icon(shell, "chevron-down")}</summary>
            <div class="hr-pop__panel hr-alert__forms">
                {form(shell, row, "snooze", back, inside.into_any())}
                {form(shell, row, "snooze", back, custom.into_any())}
            </div>
        </details>
    }
    .into_any()
}

fn more(shell: &ShellModel, row: &AlertRow, back: Back) -> AnyView {
    let with_note = view! {
        {note_field(row, "ack", "Note, for whoever comes next", false, "")}
        <button class="hr-btn" type="submit" data-busy="Acknowledging…">"Acknowledge with a note"</button>
    };
    let is_taken = row.state == AlertState::Acknowledged;
    let ack = (!is_taken && !row.needs_note).then(|| form(shell, row, "ack", back, with_note.into_any()));
    let take = (is_taken && !row.is_mine).then(|| {
        let inside = view! {
            {note_field(row, "take", "Why you take it over", true, "")}
            <button class="hr-btn" type="submit" data-busy="Taking it over…">"Take over"</button>
        };
        form(shell, row, "takeover", back, inside.into_any())
    });
    let confirm = (is_taken && row.is_mine).then(|| {
        let inside = view! { <button class="hr-btn" type="submit" data-busy="Confirming…">"I still have it"</button> };
        form(shell, row, "confirm", back, inside.into_any())
    });
    let escalate = view! {
        {note_field(row, "escalate", "What the next person should know", false, "")}
        <button class="hr-btn" type="submit" data-key="e" data-busy="Escalating…">"Escalate to the next person"</button>
    };
    let note = view! {
        {note_field(row, "note", "Add to the timeline", true, "")}
        <button class="hr-btn" type="submit" data-busy="Writing…">"Add note"</button>
    };
    let resolve = view! {
        {outcome_fields(row, "resolve")}
        <button class="hr-btn" type="submit" data-busy="Resolving…">"Resolve"</button>
    };
    view! {
        <details class="hr-pop hr-alert__pop">
            <summary class="hr-btn" data-key="m" aria-label=format!("More for: {}", row.sentence)>"More"{icon(shell, "chevron-down")}</summary>
            <div class="hr-pop__panel hr-alert__forms">
                {ack}{take}{confirm}
                {form(shell, row, "escalate", back, escalate.into_any())}
                {form(shell, row, "notes", back, note.into_any())}
                {form(shell, row, "resolve", back, resolve.into_any())}
                <p><a href=silence_href(row)>"Silence this…"</a></p>
            </div>
        </details>
    }
    .into_any()
}

fn silence_href(row: &AlertRow) -> String {
    let mut fields = Vec::new();
    if let Some(pool) = &row.pool {
        fields.push(("pool", pool.slug.as_str()));
    }
    if let Some(tenant) = &row.tenant {
        fields.push(("tenant", tenant.slug.as_str()));
    }
    crate::url::with_query("/silences", &fields)
}

/// What was not done and why, with what can be done instead. What was typed is kept.
pub(crate) fn conflict_panel(shell: &ShellModel, row: &AlertRow, conflict: &AlertConflict, back: Back) -> AnyView {
    let said = (!conflict.note.is_empty()).then(|| view! { <p>"They said: “"{conflict.note.clone()}"”"</p> });
    let close = match back {
        Back::Board => "/oncall".to_owned(),
        Back::Own => row.href(),
    };
    let choices = conflict.is_taken.then(|| {
        let join = view! { <button class="hr-btn" type="submit" data-busy="Joining…">"Join"</button> };
        let take = view! {
            {note_field(row, "conflict", "Your note, kept", true, &conflict.typed)}
            <button class="hr-btn" type="submit" data-busy="Taking it over…">"Take over"</button>
        };
        view! {
            {form(shell, row, "join", back, join.into_any())}
            {form(shell, row, "takeover", back, take.into_any())}
        }
    });
    let kept = (!conflict.is_taken && !conflict.typed.is_empty())
        .then(|| view! { <p>"You wrote: “"{conflict.typed.clone()}"”"</p> });
    view! {
        <div class="hr-notice hr-notice--info hr-alert__conflict" role="alert" tabindex="-1" data-conflict="">
            <p>{state_icon(shell, "state-info")}<b>{conflict.sentence.clone()}</b>" Nothing was changed by you."</p>
            {said}{kept}
            <div class="hr-alert__choices">
                {choices}
                <a class="hr-btn" href=close>"Close"</a>
            </div>
        </div>
    }
    .into_any()
}

/// `4 m 12 s`, or an en dash.
pub(crate) fn span(ms: Option<i64>) -> String {
    ms.map_or_else(|| format::UNKNOWN.to_owned(), format::duration)
}
