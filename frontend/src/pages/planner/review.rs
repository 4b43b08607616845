//! What a draft does before anything is published: changes, effect, conflicts with what would help, warnings, who is told,
//! and the form that publishes. Beside the timeline in short, as a page of its own in full.

use leptos::prelude::*;

use super::{ACT, edit_fields, hidden, mark, strip};
use crate::components::field::{Ask, csrf, input};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip as notice};
use crate::islands::PlannerActs;
use crate::model::{
    ApprovalModel, ChangeRow, ChangeVerb, ChangedField, ConflictRow, EffectFigure, EffectModel, Fix, MergeModel,
    MergeRow, PlanMark, ReviewModel, ShellModel,
};

const REASON: Ask =
    Ask::new("reason", "Reason", "Why this is done; it is kept with the change, for example: Q4 peak, CAP-114.");

/// `/planner/drafts/{draft}`
pub fn draft_review(shell: &ShellModel, model: &ReviewModel) -> AnyView {
    let pool = model.pool.as_ref();
    let heading = format!("Review of “{}”", model.draft.name);
    let mut sub = pool.map(|pool| format!("Pool {} · ", pool.name)).unwrap_or_default();
    if let Some(owner) = &model.draft.owner {
        sub.push_str(&format!("of {owner} · "));
    }
    sub.push_str(&format!("{} · saved {}", model.draft.counts(), model.draft.saved));
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(view! { <span data-refresh="plan-sub">{sub}</span> }.into_any()),
        crumbs: vec![crate::model::Link { label: "Planner".into(), href: model.back.clone() }],
        actions: vec![button_link(shell, "hr-btn", "calendar-range", "Go on editing", model.back.clone())],
        ..Frame::plain(heading)
    };
    let merge = model.merge.as_ref().map(|merge| merge_card(shell, model, merge));
    let content = view! {
        <div class="hr-plan-page" data-plan-page="" data-refresh="plan">
            {merge}
            <div class="hr-plan-review hr-plan-review--full" aria-live="off">{parts(shell, model, true)}</div>
        </div>
        <PlannerActs enabled=shell.shortcuts/>
    };
    document(shell, frame, content.into_any())
}

/// The panel beside the timeline.
pub(super) fn side(shell: &ShellModel, model: &ReviewModel) -> AnyView {
    view! {
        <aside class="hr-plan-review" aria-label="Review changes" data-plan-review="">
            {parts(shell, model, false)}
        </aside>
    }
    .into_any()
}

/// Its place before there is anything to review, so that the timeline keeps its width with the first edit.
pub(super) fn nothing(shell: &ShellModel) -> AnyView {
    side(shell, &ReviewModel::default())
}

fn parts(shell: &ShellModel, model: &ReviewModel, is_full: bool) -> AnyView {
    if model.changes.is_empty() && model.merge.is_none() {
        return view! {
            <section class="hr-card" aria-labelledby="review-title">
                <div class="hr-card__head"><h2 id="review-title">"Review changes"</h2></div>
                {empty(shell, "Nothing is changed yet. Edits are kept in the draft; the plan that holds stays as it is until they are published.", None)}
            </section>
        }
        .into_any();
    }
    let moved = model.merge.as_ref().filter(|_| !is_full).map(|merge| {
        let href = model.draft.href();
        notice(
            shell,
            Tone::Warn,
            view! { <p>{merge.text.clone()}</p><p><a href=href>"Choose field by field"</a></p> }.into_any(),
        )
    });
    let effect = model.effect.as_ref().map(|effect| effect_part(shell, effect, is_full));
    let body = view! {
        {moved}
        {changes(shell, model)}
        {conflicts(shell, model, is_full)}
    };
    let foot = view! { {notified(model)} {publish(shell, model, is_full)} };
    if is_full {
        let tenants = model.effect.as_ref().filter(|effect| !effect.tenants.is_empty()).map(tenants_part);
        return view! {
            <section class="hr-card" aria-labelledby="review-title">
                <div class="hr-card__head"><h2 id="review-title">"Changes"</h2></div>
                {body}
            </section>
            <section class="hr-card hr-plan-effect-card" aria-labelledby="effect-title">
                <div class="hr-card__head"><h2 id="effect-title">"Effect"</h2></div>
                {effect}
            </section>
            <section class="hr-card" aria-labelledby="publish-title">
                <div class="hr-card__head"><h2 id="publish-title">"Publish"</h2></div>
                {foot}
            </section>
            {tenants}
        }
        .into_any();
    }
    view! {
        <section class="hr-card" aria-labelledby="review-title">
            <div class="hr-card__head">
                <h2 id="review-title">"Review changes"</h2>
                <span class="hr-plan-busy" aria-hidden="true">"updating"</span>
            </div>
            {body}
            {effect}
            {foot}
        </section>
    }
    .into_any()
}

fn verb(verb: ChangeVerb) -> AnyView {
    let class = match verb {
        ChangeVerb::Create => "hr-pill hr-pill--ok",
        ChangeVerb::Edit => "hr-pill hr-pill--info",
        ChangeVerb::Cancel => "hr-pill hr-pill--crit",
    };
    view! { <span class=class>{verb.word()}</span> }.into_any()
}

/// A field with what it was and what it becomes, in words too.
pub(super) fn field_change(field: &ChangedField) -> AnyView {
    let or_nothing = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    view! {
        <div>
            <dt>{field.label.clone()}</dt>
            <dd>
                <small>"was "</small><del class="hr-plan-old">{or_nothing(&field.was)}</del>
                <small>" becomes "</small><ins class="hr-plan-new">{or_nothing(&field.becomes)}</ins>
            </dd>
        </div>
    }
    .into_any()
}

/// One change with its fields.
pub(super) fn change(row: &ChangeRow, tools: Option<AnyView>) -> AnyView {
    let fields = row.fields.iter().map(field_change).collect_view();
    let fields = (row.verb == ChangeVerb::Edit).then(|| view! { <dl class="hr-plan-fields">{fields}</dl> });
    view! {
        <li class="hr-plan-change">
            <div class="hr-plan-change__head">
                <strong>{row.name.clone()}</strong>
                <span class="hr-muted">{format!("{} · {}", row.tenant, row.when)}</span>
                {verb(row.verb)}
                {tools}
            </div>
            {fields}
        </li>
    }
    .into_any()
}

fn changes(shell: &ShellModel, model: &ReviewModel) -> AnyView {
    let pool = model.pool.as_ref().map_or("", |pool| pool.slug.as_str());
    let items = model
        .changes
        .iter()
        .map(|row| {
            let tools = model.draft.may_edit.then(|| {
                let (edit, drop) = (format!("Edit {}", row.name), format!("Leave out the change of {}", row.name));
                view! {
                    <span class="hr-plan-change__tools">
                        <a class="hr-btn hr-btn--small" href=row.edit_href.clone() aria-label=edit>"Edit"</a>
                        <form method="post" action=ACT data-plan-act="">
                            {edit_fields(shell, pool, Some(&model.draft), &model.here)}
                            {hidden("reservation", &row.reservation)}
                            <button class="hr-btn hr-btn--small" type="submit" name="do" value="drop" aria-label=drop>"Leave out"</button>
                        </form>
                    </span>
                }
                .into_any()
            });
            change(row, tools)
        })
        .collect_view();
    view! { <ul class="hr-plan-changes">{items}</ul> }.into_any()
}

/// Was and becomes, on one line unless it may break between them.
fn figure(figure: &EffectFigure, may_break: bool) -> AnyView {
    if figure.before == figure.after {
        return view! { <span>{figure.after.clone()}</span> }.into_any();
    }
    let class = match figure.is_better {
        Some(true) => "hr-good",
        Some(false) => "hr-bad",
        None => "",
    };
    let whole = if may_break { "" } else { "hr-nowrap" };
    view! {
        <span class=whole>
            <span class="hr-muted">{figure.before.clone()}</span>
            <span aria-hidden="true">" → "</span>
            <span class="hr-vh">" becomes "</span>
            <strong class=class>{figure.after.clone()}</strong>
        </span>
    }
    .into_any()
}

/// What is played, and the ways to the rest.
fn bases(effect: &EffectModel) -> Option<AnyView> {
    if effect.bases.is_empty() {
        return None;
    }
    let links = effect
        .bases
        .iter()
        .map(|one| {
            let current = one.is_chosen.then_some("true");
            view! { <a href=one.href.clone() aria-current=current>{one.label.clone()}</a> }
        })
        .collect_view();
    Some(
        view! { <div><span class="hr-seg" role="group" aria-label="Demand that is played">{links}</span></div> }
            .into_any(),
    )
}

fn effect_part(shell: &ShellModel, effect: &EffectModel, is_full: bool) -> AnyView {
    let over = !effect.strip.over.is_empty();
    let peak_class = if over { "hr-plan-peak hr-bad" } else { "hr-plan-peak" };
    let peak_icon = over.then(|| state_icon(shell, "state-crit"));
    let figures = effect
        .figures
        .iter()
        .map(|one| view! { <div><dt>{one.label.clone()}</dt><dd>{figure(one, false)}</dd></div> })
        .collect_view();
    let riskiest = (!effect.riskiest.is_empty()).then(|| {
        let most = if is_full { 10 } else { 3 };
        let hours = effect.riskiest.iter().take(most).map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        view! { <h3 class="hr-plan-h3">"Riskiest hours"</h3><ul class="hr-plan-risks">{hours}</ul> }
    });
    let missing = effect.missing.clone().map(|text| notice(shell, Tone::Info, text.into_any()));
    view! {
        <div class="hr-plan-effect" data-plan-effect="">
            {bases(effect)}
            <p class=peak_class>{peak_icon}<span>"Peak "{effect.strip.peak.clone()}</span></p>
            <div class="hr-plan-strip hr-plan-strip--mini">{strip::drawing(&effect.strip)}</div>
            <p class="hr-plan-ends" aria-hidden="true"><span>{effect.ends.0.clone()}</span><span>{effect.ends.1.clone()}</span></p>
            <p class="hr-vh">{effect.strip.said.clone()}</p>
            <dl class="hr-plan-figures">{figures}</dl>
            {missing}
            {riskiest}
            <p class="hr-card__foot">{effect.basis.clone()}</p>
        </div>
    }
    .into_any()
}

/// What it does to each tenant, before and after.
fn tenants_part(effect: &EffectModel) -> AnyView {
    let heads = effect.tenants.first().map(|first| {
        first.figures.iter().map(|one| view! { <th scope="col" class="hr-num">{one.label.clone()}</th> }).collect_view()
    });
    let rows = effect
        .tenants
        .iter()
        .map(|row| {
            let cells = row
                .figures
                .iter()
                .map(|one| view! { <td class="hr-num" data-label=one.label.clone()>{figure(one, true)}</td> })
                .collect_view();
            view! { <tr><th scope="row" class="hr-table__name">{row.tenant.name.clone()}</th>{cells}</tr> }
        })
        .collect_view();
    view! {
        <section class="hr-card hr-plan-tenants" aria-labelledby="tenants-title">
            <div class="hr-card__head"><h2 id="tenants-title">"Effect on tenants"</h2></div>
            <div class="hr-scroll">
                <table class="hr-table hr-table--plain hr-table--cards">
                    <caption class="hr-vh">"What it does to each tenant"</caption>
                    <thead><tr><th scope="col">"Tenant"</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn fix(shell: &ShellModel, model: &ReviewModel, fix: &Fix) -> AnyView {
    if let Some(href) = &fix.href {
        return view! { <a class="hr-btn hr-btn--small" href=href.clone()>{fix.label.clone()}</a> }.into_any();
    }
    let pool = model.pool.as_ref().map_or("", |pool| pool.slug.as_str());
    let pairs = fix.pairs.iter().map(|(name, value)| hidden(name, value)).collect_view();
    view! {
        <form method="post" action=ACT data-plan-act="">
            {edit_fields(shell, pool, Some(&model.draft), &model.here)}
            {pairs}
            <button class="hr-btn hr-btn--small" type="submit">{fix.label.clone()}</button>
        </form>
    }
    .into_any()
}

fn conflict(shell: &ShellModel, model: &ReviewModel, row: &ConflictRow) -> AnyView {
    let with = (!row.with.is_empty()).then(|| view! { <p>{format!("With {}.", row.with.join(", "))}</p> });
    let fixes = (model.draft.may_edit && !row.fixes.is_empty()).then(|| {
        let fixes = row.fixes.iter().map(|one| fix(shell, model, one)).collect_view();
        view! { <div class="hr-plan-fixes"><span>"Fix:"</span>{fixes}</div> }
    });
    view! {
        <li class="hr-notice hr-notice--crit">
            {state_icon(shell, "state-crit")}
            <div class="hr-notice__text"><p><strong>{row.text.clone()}</strong></p>{with}{fixes}</div>
        </li>
    }
    .into_any()
}

fn conflicts(shell: &ShellModel, model: &ReviewModel, is_full: bool) -> Option<AnyView> {
    const MOST_BESIDE: usize = 3;
    if model.conflicts.is_empty() {
        return None;
    }
    let most = if is_full { usize::MAX } else { MOST_BESIDE };
    let rows = model.conflicts.iter().take(most).map(|row| conflict(shell, model, row)).collect_view();
    let left = model.conflicts.len().saturating_sub(most);
    let left = (left > 0).then(|| {
        let href = model.draft.href();
        view! { <p><a href=href>{format!("{left} more in the full review")}</a></p> }
    });
    Some(view! { <h3 class="hr-plan-h3">"Conflicts"</h3><ul class="hr-plan-conflicts">{rows}</ul>{left} }.into_any())
}

fn notified(model: &ReviewModel) -> Option<AnyView> {
    let who = model.notified.clone();
    (!who.is_empty()).then(|| view! { <p class="hr-plan-told"><strong>"Who is told: "</strong>{who}"."</p> }.into_any())
}

fn warnings(model: &ReviewModel) -> Option<AnyView> {
    if model.warnings.is_empty() {
        return None;
    }
    let rows = model
        .warnings
        .iter()
        .map(|row| {
            view! {
                <label class="hr-check hr-check--told">
                    <input type="checkbox" name="accept" value=row.key.clone() checked=row.accepted/>
                    <span>{row.text.clone()}</span>
                </label>
            }
        })
        .collect_view();
    Some(
        view! {
            <fieldset class="hr-plan-warnings">
                <legend class="hr-field__label">"Warnings: tick what you accept"</legend>
                {rows}
            </fieldset>
        }
        .into_any(),
    )
}

fn approval(shell: &ShellModel, model: &ReviewModel) -> Option<AnyView> {
    let (tone, text) = match &model.approval {
        ApprovalModel::NotNeeded => return None,
        ApprovalModel::Needed(why) => (Tone::Warn, format!("Somebody else has to approve this: {why}.")),
        ApprovalModel::Proposed { text, .. } => (Tone::Info, text.clone()),
        ApprovalModel::Approved(text) => (Tone::Ok, text.clone()),
        ApprovalModel::Rejected(text) => (Tone::Critical, text.clone()),
    };
    Some(notice(shell, tone, text.into_any()))
}

fn count_of(model: &ReviewModel) -> String {
    match model.changes.len() {
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    }
}

fn publish(shell: &ShellModel, model: &ReviewModel, is_full: bool) -> AnyView {
    let error = model.error.clone().map(|text| {
        view! { <div data-plan-refused="" role="alert">{notice(shell, Tone::Critical, text.into_any())}</div> }
    });
    if !model.may_publish {
        let text = "Publishing needs the planner role.";
        return view! { {error} {approval(shell, model)} <p class="hr-muted">{text}</p> }.into_any();
    }
    let is_open = model.merge.as_ref().is_some_and(|merge| merge.rows.iter().any(|row| row.chosen.is_empty()));
    let blocked = !model.conflicts.is_empty() || is_open;
    let buttons = match &model.approval {
        ApprovalModel::Needed(_) | ApprovalModel::Rejected(_) => view! {
            <button class="hr-btn hr-btn--primary" type="submit" name="do" value="propose" disabled=blocked>"Ask for approval"</button>
        }
        .into_any(),
        ApprovalModel::Proposed { may_decide: true, .. } => view! {
            <button class="hr-btn hr-btn--primary" type="submit" name="do" value="approve" disabled=blocked>"Approve"</button>
            <button class="hr-btn" type="submit" name="do" value="reject">"Reject"</button>
        }
        .into_any(),
        ApprovalModel::Proposed { .. } => ().into_any(),
        ApprovalModel::NotNeeded | ApprovalModel::Approved(_) => view! {
            <button class="hr-btn hr-btn--primary" type="submit" name="do" value="publish" disabled=blocked>
                {format!("Publish {}", count_of(model))}
            </button>
        }
        .into_any(),
    };
    let why = match (model.conflicts.len(), is_open) {
        (0, false) => None,
        (_, true) => Some("Choose whose value holds, field by field, first."),
        _ => Some("Blocked until the conflicts are solved."),
    };
    let why = why.map(|text| {
        view! { <span class="hr-level hr-level--crit hr-plan-wraps">{state_icon(shell, "state-crit")}{text}</span> }
    });
    let discard = model.draft.may_edit.then(|| {
        view! { <button class="hr-btn" type="submit" name="do" value="discard" formnovalidate=true formaction=ACT>"Discard"</button> }
    });
    let pool = model.pool.as_ref().map_or("", |pool| pool.slug.as_str());
    let all = (!is_full).then(|| {
        let href = model.draft.href();
        view! { <a class="hr-btn" href=href>"Full review"{icon(shell, "chevron-right")}</a> }
    });
    view! {
        {error}
        {approval(shell, model)}
        <form class="hr-plan-publish" method="post" action=model.publish_href.clone() id="publish">
            {csrf(shell)}
            {hidden("pool", pool)}
            {hidden("draft", &model.draft.id)}
            {hidden("version", &model.draft.version)}
            {hidden("token", &model.token)}
            {warnings(model)}
            {input(shell, REASON, &model.reason, None)}
            {why}
            <div class="hr-form__foot">{buttons}{discard}{all}</div>
        </form>
    }
    .into_any()
}

fn merge_row(model: &MergeModel, row: &MergeRow) -> AnyView {
    let cell = |side: &'static str, value: &str, head: &str| {
        let said = format!("{} of {}: {head}, {value}", row.label, row.name);
        let value = if value.is_empty() { "nothing".to_owned() } else { value.to_owned() };
        view! {
            <td data-label=head.to_owned()>
                <label class="hr-radio">
                    <input type="radio" name=row.key.clone() value=side required=true checked=row.chosen == side form="publish" aria-label=said/>
                    <span>{value}</span>
                </label>
            </td>
        }
    };
    let was = if row.was.is_empty() { "nothing".to_owned() } else { row.was.clone() };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">{row.label.clone()}<small>{row.name.clone()}</small></th>
            <td data-label=model.was.clone()>{was}</td>
            {cell("theirs", &row.theirs, &model.theirs)}
            {cell("yours", &row.yours, "yours")}
        </tr>
    }
    .into_any()
}

/// Was, theirs, yours. The choices belong to the form that publishes; they can also be looked at first.
fn merge_card(shell: &ShellModel, review: &ReviewModel, model: &MergeModel) -> AnyView {
    let merged = (!model.merged.is_empty()).then(|| {
        let items = model.merged.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        view! { <p class="hr-muted">"Came together by itself:"</p><ul class="hr-plan-risks">{items}</ul> }
    });
    let rows = model.rows.iter().map(|row| merge_row(model, row)).collect_view();
    let table = (!model.rows.is_empty()).then(|| {
        view! {
            <div class="hr-scroll">
                <table class="hr-table hr-table--plain hr-table--cards hr-plan-merge">
                    <caption class="hr-vh">"Fields that both changed"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Field"</th>
                            <th scope="col">{model.was.clone()}</th>
                            <th scope="col">{model.theirs.clone()}</th>
                            <th scope="col">"yours"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <div class="hr-form__foot">
                <button class="hr-btn" type="submit" form="publish" name="do" value="preview" formnovalidate=true>"Preview the result"</button>
                <span class="hr-muted">"Nothing of either edit is lost; the choice is made below with Publish."</span>
            </div>
        }
    });
    let pending = mark(shell, PlanMark::Pending).filter(|_| review.draft.owner.is_some());
    view! {
        <section class="hr-card hr-plan-moved" aria-labelledby="merge-title">
            <div class="hr-card__head"><h2 id="merge-title">"The plan moved while you edited"</h2>{pending}</div>
            {notice(shell, Tone::Warn, model.text.clone().into_any())}
            {merged}
            {table}
        </section>
    }
    .into_any()
}
