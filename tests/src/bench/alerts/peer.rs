//! The same windows in Prometheus: what its rules take for a series, beside what it takes here.
//!
//! Each series has two counters, one sample a minute for three days. Its rules are written as is best for it: the increase of a
//! counter over each window is recorded once, and the four tiers are judged from what was recorded. It keeps them in memory or
//! in mapped files, reads and decides, and sends nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::window::{Lane, Tier};
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_server::clock;

use super::Options;
use super::simulate::BUDGET_OF;
use crate::bench::figures::{Goal, Pair, Report, list, median};
use crate::bench::prometheus::{Loader, Programs, Prometheus};

/// Of history: the longest window, and a little.
const HISTORY_MS: Millis = 72 * HOUR_MS + 10 * MINUTE_MS;
/// Its rules are judged so often.
const EVERY: Duration = Duration::from_secs(10);
/// Rounds of its rules that are measured, after one that reads everything for the first time.
const ROUNDS: usize = 4;
/// How long those may take.
const LIMIT: Duration = Duration::from_mins(5);
const PEER: &str = "Prometheus";

/// Seconds that it takes here, by pool or tenant.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ours {
    /// To decide, from memory.
    pub(super) decided: Option<f64>,
    /// In a whole round.
    pub(super) round: Option<f64>,
}

fn minutes(window_ms: Millis) -> String {
    format!("{}m", window_ms / MINUTE_MS)
}

/// Rules for all series.
fn rules() -> String {
    let tiers = Tier::defaults();
    let windows: BTreeSet<Millis> = tiers.iter().flat_map(|tier| &tier.all).map(|part| part.window_ms).collect();
    let mut text = "groups:\n- name: burn\n  rules:\n".to_owned();
    for window in windows.into_iter().map(minutes) {
        for counter in ["bad", "total"] {
            let _ = writeln!(text, "  - record: pool:{counter}:increase{window}");
            let _ = writeln!(text, "    expr: sum by (pool) (increase(slots_{counter}[{window}]))");
        }
    }
    for tier in &tiers {
        let parts = tier.all.iter().map(|part| {
            let window = minutes(part.window_ms);
            let over = part.over.to_f64() / BUDGET_OF as f64;
            let bad = format!("pool:bad:increase{window}");
            format!("{bad} / pool:total:increase{window} > {over} and {bad} >= {} - 0.001", part.least_bad)
        });
        let lane = if tier.lane == Lane::Page { "page" } else { "ticket" };
        let _ = writeln!(text, "  - alert: {}", tier.name);
        let _ = writeln!(text, "    expr: {}", parts.collect::<Vec<_>>().join(" and "));
        let _ = writeln!(text, "    labels: {{lane: {lane}}}");
    }
    text
}

/// Three days of counters that end now. In three series of a hundred a part of the claims is rejected in the last half hour.
async fn fill(programs: Programs, series: usize) -> Result<Prometheus> {
    let mut loader = Loader::evaluating(programs, rules(), EVERY)?;
    let begin = clock::now_ms();
    let first = begin - begin.rem_euclid(MINUTE_MS) - HISTORY_MS;
    let mut counted = vec![(0_u64, 0_u64); series];
    let mut at = first;
    // What takes a while to write is followed by what has passed meanwhile.
    while at <= clock::now_ms() {
        let out = loader.at(at)?;
        let minute = (at - first) / MINUTE_MS;
        for (number, (bad, total)) in counted.iter_mut().enumerate() {
            *total += 2_000 + ((minute + number as i64) % 100) as u64;
            let fails = number % 100 >= 97 && at >= begin - 30 * MINUTE_MS;
            *bad += if fails { 40 } else { u64::from((minute + 7 * number as i64) % 20 == 0) };
            let (whole, thousandths) = (at / 1_000, at % 1_000);
            writeln!(out, "slots_bad{{pool=\"pool-{number}\"}} {bad} {whole}.{thousandths:03}")?;
            writeln!(out, "slots_total{{pool=\"pool-{number}\"}} {total} {whole}.{thousandths:03}")?;
        }
        at += MINUTE_MS;
    }
    loader.start().await
}

/// A figure that it tells of itself.
fn figure(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// How long the rounds of its rules took, in seconds.
async fn rounds(prometheus: &Prometheus) -> Result<Vec<f64>> {
    let (mut seen, mut last, deadline) = (Vec::new(), 0.0, Instant::now() + LIMIT);
    while seen.len() <= ROUNDS {
        ensure!(Instant::now() < deadline, "{} rounds of rules in {} s", seen.len(), LIMIT.as_secs());
        tokio::time::sleep(Duration::from_millis(500)).await;
        let metrics = reqwest::get(prometheus.at("/metrics")).await?.text().await?;
        let of = |name: &str| figure(&metrics, &format!("prometheus_rule_{name}"));
        let Some(count) = of("group_iterations_total{") else { continue };
        let failures = of("evaluation_failures_total{").unwrap_or_default();
        ensure!(failures < 0.5, "{failures} rules failed");
        if count > last {
            last = count;
            // The figure is set after the round is counted: an instant later it is that round's.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let metrics = reqwest::get(prometheus.at("/metrics")).await?.text().await?;
            let seconds = figure(&metrics, "prometheus_rule_group_last_duration_seconds{");
            if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0 && seen.last() != Some(seconds)) {
                seen.push(seconds);
            }
        }
    }
    seen.remove(0);
    Ok(seen)
}

/// How many alerts fire, by the name of the tier.
async fn firing(prometheus: &Prometheus) -> Result<f64> {
    let query = "count(ALERTS{alertname=\"W1\",alertstate=\"firing\"})";
    let client = reqwest::Client::new();
    let answer = client.get(prometheus.at("/api/v1/query")).query(&[("query", query)]).send().await?;
    let answer: serde_json::Value = answer.error_for_status()?.json().await?;
    let count = answer.pointer("/data/result/0/value/1").and_then(serde_json::Value::as_str);
    count.unwrap_or("0").parse().context("a count is a number")
}

/// Part 4.
pub(super) async fn measure(options: &Options, ours: Ours, report: &mut Report) -> Result<()> {
    let series = options.peer_series();
    let programs = Programs::find()?;
    report.note(format!("peer: {}", programs.version));
    report.step(&format!("three days of {series} series in {PEER}"));
    let prometheus = fill(programs, series).await?;
    report.step("its rules");
    let seconds = rounds(&prometheus).await?;
    let firing = firing(&prometheus).await?;
    let expected = (0..series).filter(|number| number % 100 >= 97).count() as f64;
    ensure!((firing - expected).abs() < 0.5, "{firing} of {expected} series that burn are paged");
    report.note(format!(
        "{PEER}: W1 to W4 of {series} series in {} s (median {:.2} s), in one group and so one rule after the other",
        list(&seconds),
        median(&seconds)
    ));
    let peer = median(&seconds) / series as f64 * 1e6;
    let mut beside = |name: &str, ours: Option<f64>| {
        if let Some(ours) = ours {
            let pair = Pair { measured: ours * 1e6, peer, peer_name: PEER, unit: "µs a series" };
            report.ratio(name, pair, Goal::AtMost(1.0));
        }
    };
    beside("W1 to W4 of a pool or tenant, decided", ours.decided);
    beside("W1 to W4 of a pool or tenant, all of a round with its database", ours.round);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_recorded_once_and_each_tier_is_judged() {
        let rules = rules();
        assert_eq!(rules.matches("record:").count(), 2 * 8);
        assert_eq!(rules.matches("alert:").count(), 4);
        assert!(rules.contains("increase(slots_bad[4320m])"));
        assert!(
            rules.contains(
                "pool:bad:increase60m / pool:total:increase60m > 0.0008 and pool:bad:increase60m >= 5 - 0.001"
            )
        );
    }

    #[test]
    fn a_figure_is_found() {
        let metrics = "# HELP x y\nprometheus_rule_group_last_duration_seconds{rule_group=\"a b;burn\"} 0.25\n";
        assert_eq!(figure(metrics, "prometheus_rule_group_last_duration_seconds{"), Some(0.25));
        assert_eq!(figure(metrics, "nothing"), None);
    }
}
