//! `/planner`: which pool and days, which draft, the plan, and what the draft would do.

use leptos::prelude::*;

use super::timeline::{common, new_href, timeline};
use super::{ACT, address, edit_fields, pool_chooser, review, rows};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::islands::PlannerActs;
use crate::model::{DraftHead, Link, PlanView, PlanZoom, PlannerModel, ShellModel};

/// `/planner`
pub fn planner(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    let Some(pool) = &model.pool else {
        let action = shell
            .viewer
            .as_ref()
            .filter(|viewer| viewer.plans)
            .map(|_| Link { label: "New pool".into(), href: "/pools/new".into() });
        let nothing = empty(shell, "There is no pool yet, so there is nothing to plan.", action.as_ref());
        let content = view! { <div class="hr-card">{nothing}</div> };
        return document(shell, Frame::plain("Reservations planner"), content.into_any());
    };
    let frame = Frame {
        sub: Some(sub(shell, model, &pool.name)),
        actions: actions(shell, model, &pool.slug),
        ..Frame::plain("Reservations planner")
    };
    let refused = model.refused.as_ref().map(|text| {
        // What is told at a cell moves nothing above it, and is said aloud.
        let class = model.sheet.as_ref().is_some_and(|sheet| sheet.says_it_all).then_some("hr-vh");
        view! { <div class=class data-plan-refused="" role="alert">{strip(shell, Tone::Critical, text.clone().into_any())}</div> }
    });
    // What a script's edits send along.
    let base = model.may_plan.then(|| {
        let here = here(shell, model);
        view! {
            <form hidden=true method="post" action=ACT data-plan-base="">
                {edit_fields(shell, &pool.slug, model.draft.as_ref(), &here)}
            </form>
        }
    });
    let plan = match model.view {
        PlanView::Timeline => view! {
            <div class="hr-plan-cards hr-only-small">{rows::cards(shell, model)}</div>
            {timeline(shell, model)}
        }
        .into_any(),
        PlanView::Table => rows::table(shell, model, &here(shell, model)),
    };
    let review = match &model.review {
        Some(review) => Some(review::side(shell, review)),
        None if model.may_plan && model.view == PlanView::Timeline => Some(review::nothing(shell)),
        None => None,
    };
    // The table has every field and needs the whole width.
    let is_beside = review.is_some() && model.view == PlanView::Timeline;
    let class = if is_beside { "hr-plan hr-plan--side" } else { "hr-plan" };
    let content = view! {
        <div class="hr-plan-page" data-plan-page="" data-refresh="plan">
            {refused}
            {base}
            {toolbar(shell, model, &pool.slug)}
            <div class=class>
                <div class="hr-plan-main">{plan}</div>
                {review}
            </div>
        </div>
        <PlannerActs enabled=shell.shortcuts/>
    };
    document(shell, frame, content.into_any())
}

/// The address of this page with what it shows.
fn here(shell: &ShellModel, model: &PlannerModel) -> String {
    let mut pairs = common(model);
    pairs.push(("view", if model.view == PlanView::Table { "table" } else { "" }));
    address(shell, "/planner", &pairs)
}

fn sub(shell: &ShellModel, model: &PlannerModel, pool: &str) -> AnyView {
    let zone = format!("{} ({})", shell.zone.name(), shell.zone.offset_text(model.timeline.from_ms));
    let mut text = format!("Pool {pool} · {} · {zone}", model.range);
    if let Some(draft) = &model.draft {
        text.push_str(&format!(" · draft “{}”", draft.name));
        if let Some(owner) = &draft.owner {
            text.push_str(&format!(" of {owner}"));
        }
        text.push_str(&format!(" · {}", draft.counts()));
        if !draft.saved.is_empty() {
            text.push_str(&format!(" · saved {}", draft.saved));
        }
    }
    view! { <span data-refresh="plan-sub">{text}</span> }.into_any()
}

fn actions(shell: &ShellModel, model: &PlannerModel, pool: &str) -> Vec<AnyView> {
    let calendar = button_link(shell, "hr-btn", "clock", "Calendar", "/calendar".to_owned());
    let mut actions = vec![views(shell, model), calendar];
    if model.may_plan {
        let draft = model.draft.as_ref().map_or("", |draft| draft.id.as_str());
        let import = address(shell, "/planner/import", &[("pool", pool), ("draft", draft)]);
        actions.push(button_link(shell, "hr-btn", "upload", "Import CSV", import));
        let new = new_href(shell, model);
        actions.push(
            view! { <a class="hr-btn hr-btn--primary" href=new data-plan-new="">{icon(shell, "plus")}"Reservation"</a> }
                .into_any(),
        );
    }
    actions
}

fn views(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    let link = |view: PlanView, slug: &str, label: &'static str, name: &'static str| {
        let mut pairs = common(model);
        pairs.push(("view", slug));
        let href = address(shell, "/planner", &pairs);
        let current = (model.view == view).then_some("true");
        let key = (view == PlanView::Table).then_some("");
        view! { <a href=href aria-current=current data-plan-table=key>{icon(shell, name)}{label}</a> }
    };
    view! {
        <span class="hr-seg" role="group" aria-label="View">
            {link(PlanView::Timeline, "", "Timeline", "calendar-range")}
            {link(PlanView::Table, "table", "Table", "table-2")}
        </span>
    }
    .into_any()
}

fn toolbar(shell: &ShellModel, model: &PlannerModel, pool: &str) -> AnyView {
    let view = if model.view == PlanView::Table { "table" } else { "" };
    let keep = [("zoom", model.zoom.slug()), ("from", model.from.as_str()), ("view", view)];
    let at = |from: &str, zoom: PlanZoom| {
        let draft = model.draft.as_ref().map_or("", |draft| draft.id.as_str());
        let pairs = [("pool", pool), ("draft", draft), ("from", from), ("zoom", zoom.slug()), ("view", view)];
        address(shell, "/planner", &pairs)
    };
    let zooms = PlanZoom::ALL
        .into_iter()
        .map(|zoom| {
            let current = (zoom == model.zoom).then_some("true");
            view! { <a href=at(&model.from, zoom) aria-current=current>{zoom.label()}</a> }
        })
        .collect_view();
    let snap = model
        .may_plan
        .then(|| view! { <span class="hr-plan-snap">{format!("snap {}", model.zoom.snap_label())}</span> });
    view! {
        <div class="hr-plan-tools">
            {pool_chooser(shell, "/planner", &model.pools, pool, &keep)}
            <span class="hr-plan-range">
                <a class="hr-btn hr-btn--icon" href=at(&model.earlier, model.zoom) aria-label="Earlier">{icon(shell, "chevron-left")}</a>
                <a class="hr-btn" href=at("", model.zoom)>"Today"</a>
                <a class="hr-btn hr-btn--icon" href=at(&model.later, model.zoom) aria-label="Later">{icon(shell, "chevron-right")}</a>
            </span>
            <span class="hr-seg hr-plan-zoom" role="group" aria-label="Zoom">{zooms}</span>
            {snap}
            {drafts(shell, model, pool, &here(shell, model))}
        </div>
    }
    .into_any()
}

fn drafts(shell: &ShellModel, model: &PlannerModel, pool: &str, back: &str) -> AnyView {
    let own = model.draft.as_ref().filter(|_| model.may_plan).map(|draft| draft_tools(shell, draft, pool, back));
    let others =
        model.drafts.iter().map(|link| view! { <a href=link.href.clone()>{link.label.clone()}</a> }).collect_view();
    let file = |href: &str, label: &'static str| {
        (!href.is_empty()).then(|| view! { <a href=href.to_owned()>{icon(shell, "download")}{label}</a> })
    };
    let policy = address(shell, "/planner/policy", &[("pool", pool)]);
    let past = address(shell, "/planner/publications", &[("pool", pool)]);
    let policy =
        model.may_plan.then(|| view! { <a href=policy>{icon(shell, "sliders-horizontal")}"Policy of this pool"</a> });
    let start = (model.may_plan && model.draft.is_some()).then(|| {
        view! {
            <form method="post" action=ACT>
                {edit_fields(shell, pool, None, back)}
                <label class="hr-plan-newname" for="draft-name">"Name of a new draft"</label>
                <input class="hr-input" id="draft-name" name="draft_name" maxlength="80"/>
                <button type="submit" name="do" value="draft">{icon(shell, "plus")}"Begin another draft"</button>
            </form>
        }
    });
    let rename = model.draft.as_ref().filter(|draft| model.may_plan && draft.may_edit).map(|draft| {
        view! {
            <form method="post" action=ACT>
                {edit_fields(shell, pool, Some(draft), back)}
                <label class="hr-plan-newname" for="draft-rename">"Name of this draft"</label>
                <input class="hr-input" id="draft-rename" name="draft_name" maxlength="80" required=true value=draft.name.clone()/>
                <button type="submit" name="do" value="rename">{icon(shell, "pencil")}"Rename this draft"</button>
            </form>
        }
    });
    view! {
        <span class="hr-plan-tools__end">
            {own}
            <details class="hr-pop hr-pop--end">
                <summary>"Plan"{icon(shell, "chevron-down")}</summary>
                <div class="hr-pop__panel hr-menu">
                    {others}
                    {rename}
                    {start}
                    <a href=past>{icon(shell, "history")}"Publications"</a>
                    {policy}
                    {file(&model.csv_href, "As CSV")}
                    {file(&model.ical_href, "As calendar (iCal)")}
                </div>
            </details>
        </span>
    }
    .into_any()
}

/// Undo, redo, discard and the way to the review.
fn draft_tools(shell: &ShellModel, draft: &DraftHead, pool: &str, back: &str) -> AnyView {
    let undo = draft.can_undo.then(|| {
        view! { <button class="hr-btn" type="submit" name="do" value="undo" data-plan-key="undo">"Undo"</button> }
    });
    let redo = draft.can_redo.then(|| {
        view! { <button class="hr-btn" type="submit" name="do" value="redo" data-plan-key="redo">"Redo"</button> }
    });
    let discard = (draft.changes > 0).then(|| {
        view! { <button class="hr-btn" type="submit" name="do" value="discard">"Discard"</button> }
    });
    let edits = draft.may_edit.then(|| {
        view! {
            <form class="hr-plan-undo" method="post" action=ACT data-plan-act="">
                {edit_fields(shell, pool, Some(draft), back)}
                {undo}
                {redo}
                {discard}
            </form>
        }
    });
    let conflict = (draft.conflicts > 0).then(|| state_icon(shell, "state-crit"));
    view! {
        {edits}
        <a class="hr-btn" href=draft.href()>{conflict}"Review"{icon(shell, "chevron-right")}</a>
    }
    .into_any()
}
