//! The card of a pool's page that reckons how many workers clear a backlog.

use super::form::error_of;
use super::visit::Visit;
use crate::app::backlog::{Asked, Planned, USUAL_TIME};
use crate::app::{App, Problem, Result};
use headroom_domain::backlog::{Answer, Drain, Rate};
use headroom_domain::format;
use headroom_frontend::model::{BacklogCard, Field};

/// Longest text of a field that is read.
const LONGEST: usize = 40;

fn asked(visit: &Visit) -> Asked {
    let text = |field: &str| visit.get(field).map(|text| text.chars().take(LONGEST).collect::<String>());
    Asked {
        backlog: text("backlog"),
        arrivals: text("arrivals"),
        rate: text("rate"),
        per: text("per"),
        time: text("time"),
        workers: text("workers"),
    }
}

/// The card, with an answer if the address asks.
pub(super) async fn card(app: &App, visit: &Visit, slug: &str) -> Result<BacklogCard> {
    let asked = asked(visit);
    let said = [&asked.backlog, &asked.arrivals, &asked.rate, &asked.time, &asked.workers];
    let is_asked = said.iter().any(|text| text.is_some());
    let Planned { measured, answer, .. } = app.plan_backlog(slug, &asked).await?;
    let problems: &[Problem] = match &answer {
        Err(problems) if is_asked => problems,
        _ => &[],
    };
    let per = measured.per();
    let field = |name: &str, said: &Option<String>, known: Option<String>| Field {
        value: said.clone().or(known).unwrap_or_default(),
        error: error_of(name, problems),
    };
    let number = |rate: Option<Rate>| rate.map(|rate| milli(rate.milli));
    let is_measured = [measured.backlog, measured.arrivals_milli, measured.rate_milli].iter().any(Option::is_some);
    Ok(BacklogCard {
        backlog: field("backlog", &asked.backlog, measured.backlog.map(|count| count.to_string())),
        arrivals: field("arrivals", &asked.arrivals, number(measured.arrivals(per))),
        rate: field("rate", &asked.rate, number(measured.worker(per))),
        per: field("per", &asked.per, Some(per.as_str().to_owned())),
        time: field("time", &asked.time, Some(USUAL_TIME.to_owned())),
        workers: field("workers", &asked.workers, measured.workers.map(|count| count.to_string())),
        is_measured,
        answer: answer.ok().filter(|_| is_asked).map(|(drain, answer)| words(&drain, &answer)),
        is_open: is_asked,
    })
}

/// Thousandths as a form takes them again.
fn milli(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1_000, milli % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn count(number: u64) -> String {
    format::count(i64::try_from(number).unwrap_or(i64::MAX))
}

fn workers(number: u64) -> String {
    if number == 1 { "1 worker".to_owned() } else { format!("{} workers", count(number)) }
}

/// The answer in words.
fn words(drain: &Drain, answer: &Answer) -> (String, Vec<String>) {
    let time = format::duration(drain.time_ms);
    let beside = match (answer.more, answer.spare) {
        (0, 0) => format!("which is what there is: {}", workers(drain.workers)),
        (0, spare) => {
            format!("of the {} that there are; {} could do something else", count(drain.workers), count(spare))
        }
        (more, _) => format!("{} beside the {} that there are", count(more), count(drain.workers)),
    };
    let headline = format!(
        "{} clear a backlog of {} in {time} while {} arrive: {beside}.",
        workers(answer.workers),
        count(drain.backlog),
        drain.arrivals
    );
    let mut more = vec![match answer.alone_ms {
        Some(0) => "The workers that there are keep up: nothing is left to clear.".to_owned(),
        Some(ms) => format!("The {} that there are clear it in {}.", workers(drain.workers), format::duration(ms)),
        None => format!("The {} that there are never clear it at these arrivals.", workers(drain.workers)),
    }];
    if answer.more > 0 {
        more.push(match answer.throttle {
            Some(rate) => {
                format!("Or throttle producers to {rate}: then the workers that there are clear it in {time}.")
            }
            None => "Throttling producers alone is not enough: even if nothing arrives it takes longer.".to_owned(),
        });
    }
    (headline, more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::backlog::Per;

    #[test]
    fn the_answer_says_workers_or_throttling() {
        let a_second = |items| Rate::whole(items, Per::Second);
        let drain =
            Drain { backlog: 42_000, arrivals: a_second(0), worker: a_second(10), time_ms: 300_000, workers: 3 };
        let (headline, more) = words(&drain, &drain.answer().unwrap());
        let time = format::duration(300_000);
        let expected = format!(
            "14 workers clear a backlog of 42,000 in {time} while 0 a second arrive: 11 beside the 3 that there are."
        );
        assert_eq!(headline, expected);
        assert!(more[1].starts_with("Throttling producers alone is not enough"), "{more:?}");
        let drain = Drain { backlog: 600, arrivals: a_second(29), workers: 3, ..drain };
        let (_, more) = words(&drain, &drain.answer().unwrap());
        let expected =
            format!("Or throttle producers to 28 a second: then the workers that there are clear it in {time}.");
        assert_eq!(more[1], expected);
        assert_eq!(milli(2_500), "2.5");
        assert_eq!(milli(10_000), "10");
    }
}
