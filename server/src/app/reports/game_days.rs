//! The game days of a quarter: what was tried, what of it was found and how soon, and what is to follow.

use super::period::Period;
use crate::app::Result;
use headroom_domain::game_day::Score;
use headroom_domain::report::{Cell, Row, Table};
use headroom_store::game_day::{self, GameDay};
use sqlx::PgConnection;

/// Pools that a row names.
const POOLS_NAMED: usize = 4;
/// What a quarter without one is told.
const NONE: &str =
    "No game day was written down for this quarter: whether failures would be found, and how soon, was not tried.";
/// What one with some is told.
const SOME: &str = "What was broken on purpose in the quarter, how much of it was found, the longest time until something was found, and what was found though nothing was broken, as it was written down; what nobody measured is unknown.";

/// What a report says of game days. The first table is there without rows too: that there was none is said by it.
pub(super) struct Told {
    pub(super) tables: Vec<Table>,
    pub(super) facts: Vec<(String, Cell)>,
}

/// A text of several lines on one.
fn on_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first pools by name, and how many more: a row has to fit on paper.
fn pools_of(slugs: &[String]) -> String {
    match slugs.len() {
        0 => "none in particular".to_owned(),
        count if count <= POOLS_NAMED => slugs.join(", "),
        count => format!("{} and {} more", slugs[..POOLS_NAMED].join(", "), count - POOLS_NAMED),
    }
}

/// Those that were held on days of a period.
pub(super) async fn told(conn: &mut PgConnection, quarter: Period) -> Result<Told> {
    let (first, end) = quarter.days();
    let mut days = game_day::held(conn, first, end).await?;
    days.reverse();
    Ok(of(&days))
}

fn of(days: &[GameDay]) -> Told {
    let mut scores = Table::new(
        "game_days",
        "Game days",
        if days.is_empty() { NONE } else { SOME },
        &[
            ("game_day", "Game day"),
            ("held_on", "Held on"),
            ("run_by", "Run by"),
            ("pools", "Pools"),
            ("broken", "Broken"),
            ("found", "Found"),
            ("found_share", "Found of broken"),
            ("slowest_ms", "Last found after"),
            ("false_findings", "False findings"),
        ],
    );
    scores.has_total = true;
    let mut broken = Table::new(
        "game_day_breakages",
        "What was broken on game days",
        "Each thing that was broken, in which pool, and after how long it was found.",
        &[("game_day", "Game day"), ("what", "Broken"), ("pool", "Pool"), ("found", "Found"), ("after_ms", "After")],
    );
    let mut texts = Table::new(
        "game_day_notes",
        "What was learnt on game days",
        "What was tried, what happened, and what is to follow, as it was written down.",
        &[("game_day", "Game day"), ("tried", "Tried"), ("happened", "Happened"), ("follow_ups", "To follow")],
    );
    for day in days {
        let fields = &day.fields;
        let score = Score::of(&fields.breakages);
        let is_scored = score.broken > 0;
        let pools = pools_of(&day.pool_slugs);
        scores.rows.push(Row::of(vec![
            Cell::text(&fields.title),
            Cell::text(fields.held_on.to_string()),
            Cell::text(&fields.run_by),
            Cell::text(pools),
            // What nobody scored is not known; it is not nothing.
            Cell::Count(is_scored.then_some(score.broken)),
            Cell::Count(is_scored.then_some(score.found)),
            Cell::Ratio(score.found, score.broken),
            Cell::Time(score.slowest_ms),
            Cell::Count(fields.false_findings.map(i64::from)),
        ]));
        broken.rows.extend(fields.breakages.iter().map(|one| {
            Row::of(vec![
                Cell::text(&fields.title),
                Cell::text(&one.what),
                Cell::text(one.pool.as_deref().unwrap_or("all")),
                Cell::text(if one.found { "yes" } else { "no" }),
                Cell::Time(one.after_ms),
            ])
        }));
        let follow_ups = if fields.follow_ups.is_empty() { "nothing" } else { &fields.follow_ups };
        texts.rows.push(Row::of(vec![
            Cell::text(&fields.title),
            Cell::text(on_a_line(&fields.tried)),
            Cell::text(on_a_line(&fields.happened)),
            Cell::text(on_a_line(follow_ups)),
        ]));
    }
    let mut tables = vec![scores];
    tables.extend([broken, texts].into_iter().filter(|table| !table.rows.is_empty()));
    Told { tables, facts: vec![("Game days".into(), Cell::Count(Some(days.len() as i64)))] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use headroom_domain::game_day::Breakage;
    use headroom_store::game_day::Fields;

    fn day(title: &str, breakages: &[&str], false_findings: Option<i32>) -> GameDay {
        GameDay {
            id: 1,
            fields: Fields {
                held_on: NaiveDate::default(),
                title: title.into(),
                run_by: "Mika".into(),
                tried: "a\nb".into(),
                happened: "c".into(),
                follow_ups: String::new(),
                breakages: breakages.iter().filter_map(|line| Breakage::parse(line)).collect(),
                false_findings,
                pools: Vec::new(),
            },
            pool_slugs: Vec::new(),
            author: "Mika".into(),
            version: 1,
            written_ms: 0,
        }
    }

    #[test]
    fn a_quarter_without_one_says_so() {
        let told = of(&[]);
        assert!(told.tables[0].basis.contains("No game day"), "{}", told.tables[0].basis);
        assert_eq!(told.facts, [("Game days".into(), Cell::Count(Some(0)))]);
        assert!(told.tables.len() == 1 && told.tables[0].rows.is_empty() && told.tables[0].total().is_none());
    }

    #[test]
    fn a_row_names_the_first_pools() {
        let slugs: Vec<String> = (1..=6).map(|number| format!("p{number}")).collect();
        assert_eq!(pools_of(&[]), "none in particular");
        assert_eq!(pools_of(&slugs[..4]), "p1, p2, p3, p4");
        assert_eq!(pools_of(&slugs), "p1, p2, p3, p4 and 2 more");
    }

    #[test]
    fn scores_add_up_and_what_was_not_scored_is_unknown() {
        let told = of(&[
            day("one", &["F4, p, 1.4", "F2, all, not found"], Some(2)),
            day("two", &["F1, p, found"], None),
            day("three", &[], None),
        ]);
        let scores = &told.tables[0];
        assert_eq!(scores.total_of("broken"), Some(Cell::Count(Some(3))));
        assert_eq!(scores.total_of("found"), Some(Cell::Count(Some(2))));
        assert_eq!(scores.total_of("found_share"), Some(Cell::Ratio(2, 3)));
        assert_eq!(scores.total_of("slowest_ms"), Some(Cell::Time(None)));
        let cell = |row: usize, key: &str| scores.cell(&scores.rows[row].cells, key).cloned();
        assert_eq!(cell(0, "slowest_ms"), Some(Cell::Time(Some(1_400))));
        assert_eq!(cell(1, "slowest_ms"), Some(Cell::Time(None)), "nobody measured it");
        assert_eq!((cell(2, "broken"), cell(2, "false_findings")), (Some(Cell::Count(None)), Some(Cell::Count(None))));
        assert_eq!(told.tables[1].rows.len(), 3);
        assert_eq!(told.tables[2].rows[0].cells[1], Cell::text("a b"));
    }
}
