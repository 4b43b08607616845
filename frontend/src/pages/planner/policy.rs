//! `/planner/policy`: what a pool allows its planners.

use leptos::prelude::*;

use super::{hidden, pool_chooser};
use crate::components::field::{Ask, Mode, choice, csrf, error_summary, input, lines};
use crate::components::shell::{Frame, document};
use crate::model::{Link, PlanPolicyModel, ShellModel};
use crate::url::with_query;

const OVERCOMMIT: Ask =
    Ask::new("overcommit", "More promises than slots", "What happens to a draft that promises more than there is.");
const PERCENT: Ask = Ask::new("percent", "Per cent beyond the capacity", "1 to 900; with “up to a share” only.")
    .optional()
    .takes(Mode::Whole);
const LONGEST: Ask = Ask::new("longest_days", "Longest reservation", "Days, 1 to 3,660; empty is no limit.")
    .optional()
    .takes(Mode::Whole);
const FROM_SLOTS: Ask =
    Ask::new("approve_from_slots", "Approval from", "Slots of one reservation; empty is never for its size.")
        .optional()
        .takes(Mode::Whole);
const WITHIN: Ask = Ask::new(
    "approve_within_minutes",
    "Approval if it starts within",
    "Minutes after publishing; empty is never for its time.",
)
.optional()
.takes(Mode::Whole);
const CAPS: Ask = Ask::new(
    "caps",
    "Rolling caps",
    "One a line: tenant: slots over hours, for example ml-batch: 400 over 168. On average over any such window.",
)
.optional()
.takes(Mode::Code);

/// `/planner/policy`
pub fn plan_policy(shell: &ShellModel, model: &PlanPolicyModel) -> AnyView {
    let back = with_query("/planner", &[("pool", &model.pool.slug)]);
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(
            format!("Pool {}: what reservations it takes, and which ones somebody else approves", model.pool.name)
                .into_any(),
        ),
        crumbs: vec![Link { label: "Planner".into(), href: back.clone() }],
        ..Frame::plain("Policy of the plan")
    };
    let fields = [
        (OVERCOMMIT, &model.overcommit),
        (PERCENT, &model.percent),
        (LONGEST, &model.longest_days),
        (FROM_SLOTS, &model.approve_from_slots),
        (WITHIN, &model.approve_within_minutes),
        (CAPS, &model.caps),
    ];
    let summary = error_summary(shell, model.error.as_deref(), &fields.map(|(ask, field)| (ask.id, ask.label, field)));
    let choices = [
        ("reject", "Refuse it".to_owned()),
        ("allow-to", "Allow it up to a share beyond the capacity".to_owned()),
        ("warn", "Allow it and warn".to_owned()),
    ];
    let content = view! {
        <div class="hr-plan-tools">{pool_chooser(shell, "/planner/policy", &model.pools, &model.pool.slug, &[])}</div>
        {summary}
        <form class="hr-form" method="post" action="/planner/policy" novalidate=true>
            {csrf(shell)}
            {hidden("pool", &model.pool.slug)}
            {hidden("version", &model.version)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Room"</legend>
                <div class="hr-form__row">
                    {choice(shell, OVERCOMMIT, &model.overcommit, &choices)}
                    {input(shell, PERCENT, &model.percent, None)}
                </div>
                {input(shell, LONGEST, &model.longest_days, None)}
                {lines(shell, CAPS, &model.caps, 3)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Approval by somebody else"</legend>
                <div class="hr-form__row">
                    {input(shell, FROM_SLOTS, &model.approve_from_slots, None)}
                    {input(shell, WITHIN, &model.approve_within_minutes, None)}
                </div>
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">"Save policy"</button>
                <a class="hr-btn" href=back>"Back"</a>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
