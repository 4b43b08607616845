//! `/planner/publications`: who published what, when and why, and the way back.

use leptos::prelude::*;

use super::{address, hidden, pool_chooser, review};
use crate::components::field::csrf;
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::empty;
use crate::components::value::{instant, times_in};
use crate::model::{Link, PublicationRow, PublicationsModel, ShellModel};

/// `/planner/publications`
pub fn publications(shell: &ShellModel, model: &PublicationsModel) -> AnyView {
    let slug = model.pool.as_ref().map_or("", |pool| pool.slug.as_str());
    let back = address(shell, "/planner", &[("pool", slug)]);
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![Link { label: "Planner".into(), href: back }],
        ..Frame::plain("Publications")
    };
    let rows = model.rows.iter().map(|row| publication(shell, model, row)).collect_view();
    let body = if model.rows.is_empty() {
        empty(shell, "Nothing was published for this pool yet.", None)
    } else {
        view! { <ol class="hr-plan-publications">{rows}</ol> }.into_any()
    };
    let older = (!model.older_href.is_empty())
        .then(|| view! { <p><a class="hr-btn" href=model.older_href.clone()>"Older"</a></p> });
    let content = view! {
        <div class="hr-plan-tools">{pool_chooser(shell, "/planner/publications", &model.pools, slug, &[])}</div>
        <section class="hr-card" aria-labelledby="publications-title">
            <div class="hr-card__head"><h2 id="publications-title">"What was published"</h2></div>
            {body}
        </section>
        {older}
    };
    document(shell, frame, content.into_any())
}

fn publication(shell: &ShellModel, model: &PublicationsModel, row: &PublicationRow) -> AnyView {
    let count = match row.changes.len() {
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    };
    let changes = row.changes.iter().map(|change| review::change(change, None)).collect_view();
    let revert = model.may_revert.then(|| {
        let name = format!("Revert this publish: {}", row.version);
        view! {
            <form method="post" action=format!("/planner/publications/{}/revert", row.id)>
                {csrf(shell)}
                {hidden("pool", model.pool.as_ref().map_or("", |pool| pool.slug.as_str()))}
                <button class="hr-btn hr-btn--small" type="submit" aria-label=name>"Revert this publish"</button>
            </form>
        }
    });
    let note = row.note.clone().map(|note| view! { <span class="hr-pill">{note}</span> });
    view! {
        <li>
            <div class="hr-plan-publication">
                <p>
                    <strong>{row.version.clone()}</strong>" · "{instant(shell, row.at_ms)}" · "{row.who.clone()}
                    <span class="hr-muted">{format!(" · {}", row.via)}</span>" "{note}
                </p>
                {revert}
            </div>
            <p class="hr-wrap">{row.reason.clone()}</p>
            <details class="hr-rota__all">
                <summary>{icon(shell, "chevron-down")}{count}</summary>
                <ul class="hr-plan-changes">{changes}</ul>
            </details>
        </li>
    }
    .into_any()
}
