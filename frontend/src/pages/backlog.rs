//! The card of a pool's page that reckons how many workers clear a backlog.

use leptos::prelude::*;

use crate::components::field::{Ask, Mode, choice, input};
use crate::components::state::{Tone, strip};
use crate::components::table::carry;
use crate::model::{BacklogCard, ShellModel};

const BACKLOG: Ask = Ask::new("backlog", "Backlog", "Items that wait.").takes(Mode::Whole);
const ARRIVALS: Ask = Ask::new("arrivals", "Arrivals", "What arrives meanwhile in the period.").takes(Mode::Decimal);
const RATE: Ask = Ask::new("rate", "Rate of one worker", "What one does in the period.").takes(Mode::Decimal);
const PER: Ask = Ask::new("per", "Period", "Of both rates.");
const TIME: Ask = Ask::new("time", "To be cleared in", "Such as 90s, 5m or 2h.").takes(Mode::Code);
const WORKERS: Ask = Ask::new("workers", "Workers there are", "A slot is a worker.").takes(Mode::Whole);
/// What the form sends.
const FIELDS: [&str; 6] = ["backlog", "arrivals", "rate", "per", "time", "workers"];

/// A form that asks by its address, so that an answer can be sent to somebody.
pub(super) fn backlog_card(shell: &ShellModel, card: &BacklogCard) -> AnyView {
    let periods =
        [("second", "a second".to_owned()), ("minute", "a minute".to_owned()), ("hour", "an hour".to_owned())];
    let answer = card.answer.as_ref().map(|(headline, more)| {
        let more = more.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        let body = view! { <strong>{headline.clone()}</strong><ul>{more}</ul> };
        view! { <div role="status">{strip(shell, Tone::Info, body.into_any())}</div> }
    });
    let measured = card
        .is_measured
        .then(|| view! { <p class="hr-muted hr-small">"Filled in from what waits now, the claims of the last hour and the slots in service; change what you want to try."</p> });
    view! {
        <section class="hr-card" id="backlog" aria-labelledby="backlog-title">
            <div class="hr-card__head">
                <h2 id="backlog-title">"Workers for a backlog"</h2>
                <span class="hr-card__sub">"(backlog ÷ time + arrivals) ÷ rate of one worker, rounded up"</span>
            </div>
            {answer}
            <details open=card.is_open>
                <summary>"Reckon"</summary>
                <form class="hr-form" method="get" action=format!("{}#backlog", shell.path)>
                    {carry(shell, &FIELDS)}
                    <div class="hr-form__row">
                        {input(shell, BACKLOG, &card.backlog, None)}
                        {input(shell, ARRIVALS, &card.arrivals, None)}
                        {input(shell, RATE, &card.rate, None)}
                        {choice(shell, PER, &card.per, &periods)}
                        {input(shell, TIME, &card.time, None)}
                        {input(shell, WORKERS, &card.workers, None)}
                    </div>
                    {measured}
                    <div class="hr-form__foot"><button class="hr-btn" type="submit">"Reckon"</button></div>
                </form>
            </details>
        </section>
    }
    .into_any()
}
