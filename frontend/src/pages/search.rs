//! Search: what the command palette finds, as a page.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::empty;
use crate::model::{Link, Named, SearchModel, ShellModel};
use crate::routes::RailEntry;
use crate::url::{pool_path, tenant_path};

/// `/search`
pub fn search(shell: &ShellModel, model: &SearchModel) -> AnyView {
    let frame = Frame::plain("Search");
    let results = if model.q.trim().is_empty() {
        pages(shell)
    } else if model.pools.is_empty() && model.tenants.is_empty() {
        let clear = Link { label: "All pools".into(), href: shell.url.link("/pools") };
        empty(shell, &format!("No pool or tenant matches “{}”.", model.q), Some(&clear))
    } else {
        view! {
            <div class="hr-grid hr-grid--half">
                {group(shell, "Pools", "layers", "/pools", &model.pools, model.pools_total, &model.q, pool_path)}
                {group(shell, "Tenants", "users", "/tenants", &model.tenants, model.tenants_total, &model.q, tenant_path)}
            </div>
        }
        .into_any()
    };
    let content = view! {
        <form class="hr-tools" method="get" action="/search" role="search">
            <input class="hr-input" style="inline-size:min(100%,28rem)" type="search" name="q" value=model.q.clone() aria-label="Search pools and tenants" placeholder="Name of a pool or tenant" autofocus=true/>
            <button class="hr-btn hr-btn--primary" type="submit">{icon(shell, "search")}"Search"</button>
        </form>
        {results}
    };
    document(shell, frame, content.into_any())
}

fn pages(shell: &ShellModel) -> AnyView {
    let links = RailEntry::MAIN
        .into_iter()
        .chain(RailEntry::MORE)
        .filter(|entry| shell.viewer.as_ref().is_some_and(|viewer| viewer.may_open(*entry)))
        .map(|entry| {
            view! { <li><a href=shell.url.link(entry.path())>{icon(shell, entry.icon())}{entry.label()}</a></li> }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="pages-title">
            <div class="hr-card__head"><h2 id="pages-title">"Go to"</h2></div>
            <ul class="hr-menu">{links}</ul>
        </section>
    }
    .into_any()
}

#[expect(clippy::too_many_arguments, reason = "two calls, each argument plain")]
fn group(
    shell: &ShellModel,
    title: &'static str,
    icon_name: &'static str,
    list: &'static str,
    hits: &[Named],
    total: i64,
    q: &str,
    path: fn(&str) -> String,
) -> Option<AnyView> {
    if hits.is_empty() {
        return None;
    }
    let links = hits
        .iter()
        .map(|hit| {
            let slug = (hit.slug != hit.name).then(|| view! { <span class="hr-muted">{hit.slug.clone()}</span> });
            view! { <li><a href=shell.url.link(&path(&hit.slug))>{icon(shell, icon_name)}{hit.name.clone()}" "{slug}</a></li> }
        })
        .collect_view();
    let more = (total > hits.len() as i64).then(|| {
        let href = shell.url.link_with(list, &[("q", q)]);
        view! { <p class="hr-card__foot"><a href=href>{format!("All {} matches", format::count(total))}</a></p> }
    });
    let id = format!("{icon_name}-hits");
    Some(
        view! {
            <section class="hr-card" aria-labelledby=id.clone()>
                <div class="hr-card__head"><h2 id=id.clone()>{title}</h2><span class="hr-card__sub">{format::count(total)}</span></div>
                <ul class="hr-menu">{links}</ul>
                {more}
            </section>
        }
        .into_any(),
    )
}
