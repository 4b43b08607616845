//! `/forecast/{pool}/apply`: what a recommended step does, before it is taken.

use headroom_domain::format;
use leptos::prelude::*;

use super::forecast::path;
use crate::components::field::{Ask, Mode, check, csrf, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::components::value::times_in;
use crate::model::{Link, ShellModel, StepModel};

const GUARD: Ask = Ask::new(
    "guard",
    "Take it back by itself",
    "The slots come back at once if more claims are rejected than this while it is on trial.",
);
const REJECTED: Ask = Ask::new("rejected", "Rejected, of 10,000 claims", "More than so many.").takes(Mode::Whole);
const MINUTES: Ask = Ask::new("minutes", "On trial, minutes", "From the change on.").takes(Mode::Whole);

fn fact(name: &'static str, value: AnyView) -> AnyView {
    view! { <div><dt>{name}</dt><dd>{value}</dd></div> }.into_any()
}

/// `/forecast/{pool}/apply`
pub fn scaling_step(shell: &ShellModel, model: &StepModel) -> AnyView {
    let back = path(&model.pool.slug);
    let frame = Frame {
        section: Some("Forecast"),
        sub: Some(
            format!(
                "Pool {}: what this step of its plan does. Nothing is changed yet. {}",
                model.pool.name,
                times_in(shell)
            )
            .into_any(),
        ),
        crumbs: vec![
            Link { label: "Forecast".into(), href: "/forecast".into() },
            Link { label: model.pool.name.clone(), href: back.clone() },
        ],
        ..Frame::plain("Take a step of the plan")
    };
    let summary = error_summary(
        shell,
        model.error.as_deref(),
        &[(REJECTED.id, REJECTED.label, &model.rejected), (MINUTES.id, MINUTES.label, &model.minutes)],
    );
    let change = format!(
        "{} → {} slots ({}{})",
        format::count(model.from),
        format::count(model.to),
        if model.to > model.from { "+" } else { "−" },
        format::count((model.to - model.from).abs())
    );
    let risk = model.risks.map_or_else(
        || "nothing is foreseen for these hours".to_owned(),
        |(before, after)| {
            format!(
                "{} as it is, {} after it: the greatest of an hour",
                format::percent(before),
                format::percent(after)
            )
        },
    );
    let after = model.kept.unwrap_or(model.to);
    let kept = model.kept.map(|slots| {
        let text = format!("{}, for what is promised later", format::count(slots));
        fact("Not below", text.into_any())
    });
    let refused = model.refused.clone().map(|text| {
        let text = format!("It would be refused: {text}");
        strip(shell, Tone::Critical, text.into_any())
    });
    let overtakes = model.overtakes.clone().map(|text| strip(shell, Tone::Info, text.into_any()));
    let guard = model.is_guardable.then(|| {
        view! {
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Rollback"</legend>
                {check(GUARD, model.is_guarded)}
                <div class="hr-form__row">{input(shell, REJECTED, &model.rejected, None)}{input(shell, MINUTES, &model.minutes, None)}</div>
            </fieldset>
        }
    });
    let act = model.refused.is_none().then(|| {
        view! {
            <button class="hr-btn hr-btn--primary" type="submit">
                {format!("Set the capacity to {}", format::count(after))}
            </button>
        }
    });
    let target = format!("{back}/apply");
    let content = view! {
        {summary}
        {refused}
        {overtakes}
        <section class="hr-card" aria-labelledby="step-title">
            <div class="hr-card__head"><h2 id="step-title">{change}</h2></div>
            <dl class="hr-facts">
                {fact("When", model.when.clone().into_any())}
                {fact("In effect", model.there.clone().into_any())}
                {fact("Why", model.why.clone().into_any())}
                {fact("Lasts until", model.until.clone().into_any())}
                {kept}
                {fact("Cost until then", model.cost.clone().unwrap_or_else(|| format::UNKNOWN.to_owned()).into_any())}
                {fact("Risk of being short", risk.into_any())}
                {fact("Stabilisation", model.patience.clone().into_any())}
            </dl>
        </section>
        <form class="hr-form" method="post" action=target novalidate=true>
            {csrf(shell)}
            <input type="hidden" name="at" value=model.at.clone()/>
            <input type="hidden" name="slots" value=model.to.to_string()/>
            {guard}
            <div class="hr-form__foot">{act}<a class="hr-btn" href=back>"Back"</a></div>
        </form>
    };
    document(shell, frame, content.into_any())
}
