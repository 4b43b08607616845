//! Comparing what was broken with what the server found: was it found, how soon, how soon was it over, and what was found while
//! nothing was broken.
//!
//! Reading is done through the API; the comparison itself is a pure function of labels and findings. The server's clock counts:
//! labels are moved onto it.

use super::record::{Edge, Label};
use super::scenario::Scenario;
use crate::clock;
use chrono::DateTime;
use headroom_domain::Millis;
use headroom_domain::range::rfc3339;
use headroom_slots::{CancellationToken, Client, Error, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::{Duration, Instant};

/// After a breakage was mended its traces are found for so long: figures are of the last minute.
const ECHO_MS: Millis = 75_000;
/// Findings are read this often.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Findings of one answer.
const PAGE: usize = 1_000;

/// A finding as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Its number.
    pub id: i64,
    /// What it is.
    pub kind: String,
    /// How bad.
    pub severity: String,
    /// The pool's slug; `None` if it is about a server.
    pub pool: Option<String>,
    /// When it was seen first.
    #[serde(deserialize_with = "millis")]
    pub seen_at: Millis,
    /// When it was over.
    #[serde(default, deserialize_with = "maybe_millis")]
    pub over_at: Option<Millis>,
    /// A sentence.
    pub text: String,
}

fn parse(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

fn millis<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(value)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no RFC 3339 instant")))
}

fn maybe_millis<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Millis>, D::Error> {
    Ok(Option::<String>::deserialize(value)?.as_deref().and_then(parse))
}

/// What became of one breakage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `F1` to `F8`, or a word for what has no number.
    pub mode: String,
    /// The pool's slug; null for all.
    pub pool: Option<String>,
    /// Kinds of findings that count as its detection.
    pub expected: Vec<String>,
    /// When it began and when it was mended, by the server's clock, RFC 3339.
    pub begin: String,
    /// When it was mended.
    pub mended: String,
    /// Whether it was found.
    pub detected: bool,
    /// As what, first.
    pub kind: Option<String>,
    /// From the break to its detection.
    pub detected_after_s: Option<f64>,
    /// From the mend until nothing of it was found any more; 0 if that was so before. Null while something is.
    pub over_after_s: Option<f64>,
}

/// Something that was found while nothing was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct False {
    /// What it is.
    pub kind: String,
    /// The pool's slug.
    pub pool: Option<String>,
    /// When it was seen, RFC 3339.
    pub seen_at: String,
    /// A sentence.
    pub text: String,
}

/// How well the server found what was broken.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Each breakage.
    pub breakages: Vec<Row>,
    /// Findings while nothing was broken.
    pub false_findings: Vec<False>,
    /// Other findings while something was broken: consequences, or mistakes.
    pub beside: usize,
    /// Why the findings could not be read; then nothing is known of the rest.
    pub problem: Option<String>,
}

impl Score {
    /// Everything was found, and nothing else.
    pub fn is_perfect(&self) -> bool {
        self.problem.is_none() && self.false_findings.is_empty() && self.breakages.iter().all(|row| row.detected)
    }

    /// Everything was found, and is over.
    fn is_settled(&self) -> bool {
        self.problem.is_none() && self.breakages.iter().all(|row| row.over_after_s.is_some())
    }
}

/// A breakage by the server's clock.
#[derive(Debug)]
struct Broken {
    mode: &'static str,
    pool: Option<String>,
    begin: Millis,
    end: Millis,
}

impl Broken {
    /// Whether a finding may come of it: while it lasts and shortly after, in the pool that is broken or about the servers.
    fn may_cause(&self, found: &Found) -> bool {
        let is_there = match (&self.pool, &found.pool) {
            (Some(broken), Some(pool)) => broken == pool,
            _ => true,
        };
        is_there && (self.begin..=self.end + ECHO_MS).contains(&found.seen_at)
    }
}

fn broken(labels: &[Label], ahead_ms: Millis) -> Vec<Broken> {
    let at = |label: &Label| parse(&label.at).unwrap_or_default() + ahead_ms;
    let begins = labels.iter().filter(|label| label.edge == Edge::Begin);
    begins
        .map(|begin| {
            let end = labels.iter().find(|label| label.edge == Edge::End && label.pool == begin.pool);
            let begin_ms = at(begin);
            Broken { mode: begin.mode, pool: begin.pool.clone(), begin: begin_ms, end: end.map_or(begin_ms, at) }
        })
        .collect()
}

/// Compares. `ahead_ms` is how far the server's clock is ahead of the labels', `start` the beginning of the simulation by the
/// server's clock; findings of other pools are not looked at.
pub fn score(
    scenario: Scenario,
    labels: &[Label],
    findings: &[Found],
    (pools, start, ahead_ms): (&[String], Millis, Millis),
) -> Score {
    let broken = broken(labels, ahead_ms);
    let is_ours =
        |found: &&Found| found.pool.as_ref().is_none_or(|pool| pools.contains(pool)) && found.seen_at >= start;
    let mut findings: Vec<&Found> = findings.iter().filter(is_ours).collect();
    findings.sort_by_key(|found| (found.seen_at, found.id));
    let expected = scenario.found_as();
    let is_expected = |found: &Found| expected.iter().any(|kind| kind.as_str() == found.kind);
    let seconds = |ms: Millis| ms as f64 / 1_000.0;
    let rows = broken.iter().map(|one| {
        let of_it: Vec<&&Found> = findings.iter().filter(|f| is_expected(f) && one.may_cause(f)).collect();
        let first = of_it.first();
        let over = of_it.iter().map(|found| found.over_at).collect::<Option<Vec<_>>>();
        let over = over.and_then(|all| all.into_iter().max());
        Row {
            mode: one.mode.to_owned(),
            pool: one.pool.clone(),
            expected: expected.iter().map(ToString::to_string).collect(),
            begin: rfc3339(one.begin),
            mended: rfc3339(one.end),
            detected: first.is_some(),
            kind: first.map(|found| found.kind.clone()),
            detected_after_s: first.map(|found| seconds(found.seen_at - one.begin)),
            over_after_s: over.map(|at| seconds((at - one.end).max(0))),
        }
    });
    let rows = rows.collect();
    let (caused, other): (Vec<&Found>, Vec<&Found>) =
        findings.iter().partition(|found| broken.iter().any(|one| one.may_cause(found)));
    // A note is no alarm.
    let false_findings = other.iter().filter(|found| found.severity != "info").map(|found| False {
        kind: found.kind.clone(),
        pool: found.pool.clone(),
        seen_at: rfc3339(found.seen_at),
        text: found.text.clone(),
    });
    Score {
        breakages: rows,
        false_findings: false_findings.collect(),
        beside: caused.iter().filter(|found| found.severity != "info" && !is_expected(found)).count(),
        problem: None,
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problem) = &self.problem {
            return write!(f, "detection cannot be scored: {problem}");
        }
        if !self.breakages.is_empty() {
            writeln!(
                f,
                "{:<20} {:<20} {:<14} {:>12} {:>12}",
                "broken", "pool", "found as", "found after", "over after"
            )?;
        }
        for row in &self.breakages {
            let after =
                |seconds: Option<f64>, missing: &str| seconds.map_or(missing.to_owned(), |s| format!("{s:.1} s"));
            writeln!(
                f,
                "{:<20} {:<20} {:<14} {:>12} {:>12}",
                row.mode,
                row.pool.as_deref().unwrap_or("all"),
                row.kind.as_deref().unwrap_or("-"),
                after(row.detected_after_s, "not found"),
                after(row.over_after_s, if row.detected { "still there" } else { "-" }),
            )?;
        }
        write!(
            f,
            "{} false findings while nothing was broken, {} others beside",
            self.false_findings.len(),
            self.beside
        )?;
        for one in &self.false_findings {
            write!(f, "\n  {} {}: {}", one.seen_at, one.kind, one.text)?;
        }
        Ok(())
    }
}

/// Reads findings while a simulation is played.
#[derive(Debug)]
pub struct Scorer {
    client: Client,
    scenario: Scenario,
    pools: Vec<String>,
    start: Millis,
    ahead_ms: Millis,
}

impl Scorer {
    /// Begins: reads the server's clock.
    ///
    /// # Errors
    /// What the API refuses.
    pub async fn begin(client: Client, scenario: Scenario, pools: Vec<String>) -> Result<Self, Error> {
        let asked = clock::now_ms();
        let answer = client.call(Method::GET, "/api/v1/findings?limit=1", None).await?;
        let here = i64::midpoint(asked, clock::now_ms());
        let start = answer["at"].as_str().and_then(parse).unwrap_or(here);
        Ok(Self { client, scenario, pools, start, ahead_ms: start - here })
    }

    /// Compares once everything is over, or when the time for that is.
    pub async fn end(&self, labels: &[Label], settle: Duration, cut: &CancellationToken) -> Score {
        let until = Instant::now() + settle;
        loop {
            let score = match self.read().await {
                Ok(findings) => score(self.scenario, labels, &findings, (&self.pools, self.start, self.ahead_ms)),
                Err(error) => Score { problem: Some(error.to_string()), ..Score::default() },
            };
            if score.is_settled() || Instant::now() >= until || cut.is_cancelled() {
                return score;
            }
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                () = cut.cancelled() => {}
            }
        }
    }

    async fn read(&self) -> Result<Vec<Found>, Error> {
        let mut all: Vec<Found> = Vec::new();
        let mut before = String::new();
        loop {
            // Instants end in Z, so nothing of them is escaped in a query.
            let path = format!("/api/v1/findings?limit={PAGE}&from={}{before}", rfc3339(self.start));
            let mut answer = self.client.call(Method::GET, &path, None).await?;
            let page: Vec<Value> = answer["findings"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let count = page.len();
            all.extend(page.into_iter().filter_map(|one| serde_json::from_value(one).ok()));
            match all.last() {
                Some(last) if count == PAGE => before = format!("&before={}", last.id),
                _ => return Ok(all),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = 1_000_000;

    fn label(edge: Edge, at_s: Millis, pool: Option<&str>) -> Label {
        Label {
            simulated: true,
            at: rfc3339(START + at_s * 1_000),
            scenario: "surge",
            seed: 1,
            mode: "F4",
            pool: pool.map(str::to_owned),
            slot: None,
            edge,
            detail: String::new(),
        }
    }

    fn found(kind: &str, pool: &str, seen_s: Millis, over_s: Option<Millis>) -> Found {
        Found {
            id: seen_s,
            kind: kind.to_owned(),
            severity: if kind == "closed" { "info" } else { "warning" }.to_owned(),
            pool: (!pool.is_empty()).then(|| pool.to_owned()),
            seen_at: START + seen_s * 1_000,
            over_at: over_s.map(|at| START + at * 1_000),
            text: String::new(),
        }
    }

    #[test]
    fn what_was_broken_is_compared_with_what_was_found() {
        let labels = [label(Edge::Begin, 10, Some("a")), label(Edge::End, 20, Some("a"))];
        let pools = ["a".to_owned(), "b".to_owned()];
        type Expected = (bool, Option<f64>, Option<f64>, usize, usize);
        let cases: Vec<(&str, Vec<Found>, Expected)> = vec![
            ("nothing", vec![], (false, None, None, 0, 0)),
            ("found and over", vec![found("saturated", "a", 12, Some(80))], (true, Some(2.0), Some(60.0), 0, 0)),
            ("found and still there", vec![found("saturated", "a", 12, None)], (true, Some(2.0), None, 0, 0)),
            ("over before the mend", vec![found("queueing", "a", 11, Some(15))], (true, Some(1.0), Some(0.0), 0, 0)),
            (
                "twice: the first counts, and the last end",
                vec![found("saturated", "a", 14, Some(90)), found("queueing", "a", 11, Some(14))],
                (true, Some(1.0), Some(70.0), 0, 0),
            ),
            ("an echo", vec![found("saturated", "a", 94, Some(99))], (true, Some(84.0), Some(79.0), 0, 0)),
            ("too late", vec![found("saturated", "a", 96, Some(99))], (false, None, None, 1, 0)),
            ("too early", vec![found("saturated", "a", 9, None)], (false, None, None, 1, 0)),
            ("before all that", vec![found("saturated", "a", -1, None)], (false, None, None, 0, 0)),
            ("another pool of ours", vec![found("saturated", "b", 12, None)], (false, None, None, 1, 0)),
            ("a pool of others", vec![found("saturated", "c", 12, None)], (false, None, None, 0, 0)),
            ("another kind", vec![found("monopoly", "a", 12, None)], (false, None, None, 0, 1)),
            ("a server, meanwhile", vec![found("server-paused", "", 12, None)], (false, None, None, 0, 1)),
            ("a server, before", vec![found("server-paused", "", 5, None)], (false, None, None, 1, 0)),
            ("a note", vec![found("closed", "a", 5, None), found("closed", "a", 12, None)], (false, None, None, 0, 0)),
        ];
        for (name, findings, expected) in cases {
            let score = score(Scenario::Surge, &labels, &findings, (&pools, START, 0));
            let row = &score.breakages[0];
            let false_findings = score.false_findings.len();
            let got = (row.detected, row.detected_after_s, row.over_after_s, false_findings, score.beside);
            assert_eq!(got, expected, "{name}");
            assert_eq!(score.is_perfect(), row.detected && false_findings == 0, "{name}");
        }
    }

    #[test]
    fn clocks_that_differ_are_made_up_for() {
        let labels = [label(Edge::Begin, 10, Some("a")), label(Edge::End, 20, Some("a"))];
        let findings = [found("saturated", "a", 42, Some(53))];
        let score = score(Scenario::Surge, &labels, &findings, (&["a".to_owned()], START, 30_000));
        assert_eq!(score.breakages[0].detected_after_s, Some(2.0));
        assert_eq!(score.breakages[0].over_after_s, Some(3.0));
    }

    #[test]
    fn with_nothing_broken_everything_is_false_but_notes() {
        let findings =
            [found("saturated", "a", 1, None), found("closed", "a", 1, None), found("store-away", "", 2, None)];
        let score = score(Scenario::Steady, &[], &findings, (&["a".to_owned()], START, 0));
        assert_eq!((score.breakages.len(), score.false_findings.len(), score.is_perfect()), (0, 2, false));
    }

    #[test]
    fn the_table_says_what_became_of_each() {
        let labels = [label(Edge::Begin, 10, None), label(Edge::End, 20, None)];
        let pools = ["a".to_owned()];
        let lost = score(Scenario::LostPostgres, &labels, &[], (&pools, START, 0)).to_string();
        assert!(lost.contains("not found") && lost.contains("0 false"), "{lost}");
        let seen = [found("store-away", "", 13, Some(21))];
        let seen = score(Scenario::LostPostgres, &labels, &seen, (&pools, START, 0)).to_string();
        assert!(seen.contains("store-away") && seen.contains("3.0 s") && seen.contains("1.0 s"), "{seen}");
    }
}
