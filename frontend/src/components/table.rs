//! Parts of tables: sortable heads, paging, the text filter's hidden companions.

use headroom_domain::format;
use leptos::prelude::*;

use super::icon::icon;
use crate::model::{ShellModel, TableState};

/// One column head.
pub(crate) struct Head {
    /// Column id in the URL; empty for a column that cannot be sorted.
    pub id: &'static str,
    /// Its text.
    pub label: &'static str,
    /// Numbers stand at the end.
    pub number: bool,
}

impl Head {
    /// A column of words.
    pub(crate) const fn text(id: &'static str, label: &'static str) -> Self {
        Self { id, label, number: false }
    }

    /// A column of numbers.
    pub(crate) const fn number(id: &'static str, label: &'static str) -> Self {
        Self { id, label, number: true }
    }
}

/// The head row: sorting is a link, so it works without scripts.
pub(crate) fn heads(shell: &ShellModel, state: &TableState, columns: &[Head]) -> AnyView {
    let cells = columns
        .iter()
        .map(|column| {
            let class = column.number.then_some("hr-num");
            if column.id.is_empty() {
                return view! { <th scope="col" class=class>{column.label}</th> }.into_any();
            }
            let current = state.sort == column.id;
            // A second click turns round; the first click sorts numbers from the top and words from A.
            let descending = if current { !state.descending } else { column.number };
            let href = shell
                .url
                .replace(&shell.path, &[("sort", column.id), ("dir", if descending { "desc" } else { "asc" })]);
            let sorted = current.then_some(if state.descending { "descending" } else { "ascending" });
            let arrow = match (current, state.descending) {
                (false, _) => "arrow-up-down",
                (true, true) => "arrow-down",
                (true, false) => "arrow-up",
            };
            view! {
                <th scope="col" class=class aria-sort=sorted>
                    <a class="hr-sort" href=href>{column.label}{icon(shell, arrow)}</a>
                </th>
            }
            .into_any()
        })
        .collect_view();
    view! { <thead><tr>{cells}</tr></thead> }.into_any()
}

/// `1–50 of 1,204`, previous and next, CSV.
pub(crate) fn pager(shell: &ShellModel, state: &TableState, shown: usize) -> AnyView {
    let position = if state.total == 0 {
        "0 rows".to_owned()
    } else {
        format!(
            "{}–{} of {}",
            format::count(state.first_row),
            format::count(state.first_row + shown as i64 - 1),
            format::count(state.total)
        )
    };
    let link = |cursor: &Option<String>, label: &'static str, name: &'static str, before: bool| {
        cursor.as_ref().map(|cursor| {
            let href = shell.url.replace(&shell.path, &[("cur", cursor)]);
            let mark = icon(shell, name);
            if before {
                view! { <a class="hr-btn hr-btn--small" rel="prev" href=href>{mark}{label}</a> }.into_any()
            } else {
                view! { <a class="hr-btn hr-btn--small" rel="next" href=href>{label}{mark}</a> }.into_any()
            }
        })
    };
    view! {
        <div class="hr-pager">
            <span>{position}</span>
            <span class="hr-pager__links">
                {link(&state.previous, "Previous", "chevron-left", true)}
                {link(&state.next, "Next", "chevron-right", false)}
                {csv(shell, &state.csv_href)}
            </span>
        </div>
    }
    .into_any()
}

/// The export link: the same filters, sort and columns, all rows.
pub(crate) fn csv(shell: &ShellModel, href: &str) -> Option<AnyView> {
    (!href.is_empty()).then(|| {
        view! {
            <a class="hr-btn hr-btn--small" href=href.to_owned() download="">{icon(shell, "download")}"CSV"</a>
        }
        .into_any()
    })
}

/// Hidden inputs that carry the page's other parameters through a GET form.
pub(crate) fn carry(shell: &ShellModel, except: &[&str]) -> AnyView {
    shell
        .url
        .pairs()
        .into_iter()
        .filter(|(key, _)| *key != "cur" && !except.contains(key))
        .map(|(key, value)| view! { <input type="hidden" name=key.to_owned() value=value.to_owned()/> })
        .collect_view()
        .into_any()
}

/// The text filter above a table.
pub(crate) fn text_filter(shell: &ShellModel, state: &TableState, label: &'static str) -> AnyView {
    let clear = (!state.q.is_empty()).then(|| {
        let href = shell.url.replace(&shell.path, &[("q", "")]);
        view! { <a class="hr-btn hr-btn--quiet" href=href>"Clear"</a> }
    });
    view! {
        <form class="hr-tools" method="get" action=shell.path.clone() role="search" aria-label=label>
            {carry(shell, &["q"])}
            <input class="hr-input" style="inline-size:14rem" type="search" name="q" value=state.q.clone() placeholder="Filter…" aria-label=label/>
            <button class="hr-btn" type="submit">"Filter"</button>
            {clear}
        </form>
    }
    .into_any()
}
