//! The windows of burn-rate alerts beside those of Prometheus: the same slices through the same thresholds fire in the same
//! minutes, give or take one evaluation. Complete data, because Prometheus has no third value for what is missing.

use anyhow::{Context, Result, ensure};
use headroom_domain::MINUTE_MS;
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::replay::Recorded;
use headroom_domain::alert::window::{Lane, Tier, Truth};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;
use std::process::{Command, Output};

/// Slices of history before anything burns: the longest window.
const HISTORY: usize = 4_320;
/// Slices of a pattern.
const PATTERN: usize = 1_440;
/// What may be bad.
const BUDGET: Fraction = Fraction::of(1, 10_000);

/// The tiers that both know: Prometheus' usual rules have no window that says that it still burns.
fn tiers() -> Vec<Tier> {
    let mut tiers = Tier::defaults();
    for tier in &mut tiers {
        tier.all.truncate(2);
    }
    tiers
}

/// Runs of equal slices: how many, how many bad, of how many.
type Runs = Vec<(usize, u64, u64)>;

/// A burn that begins, changes and ends at random, after a clean history.
fn pattern(seed: u64) -> Runs {
    let mut chance = StdRng::seed_from_u64(seed);
    let total = [1_000, 2_000, 10_000][chance.random_range(0..3)];
    let mut runs = vec![(HISTORY, 0, total)];
    let mut left = PATTERN;
    while left > 0 {
        let length = chance.random_range(5..=240).min(left);
        // Up to forty times what may be bad; a third of the time nothing is.
        let most = total * 40 / 10_000;
        let bad = if chance.random_bool(0.35) { 0 } else { chance.random_range(0..=most) };
        runs.push((length, bad, total));
        left -= length;
    }
    runs
}

/// A counter in the notation of promtool: its value at each minute.
fn counter(runs: &Runs, of: impl Fn(u64, u64) -> u64) -> String {
    let mut text = "0".to_owned();
    let mut value = 0;
    for (slices, bad, total) in runs {
        let step = of(*bad, *total);
        let _ = write!(text, " {}+{step}x{}", value + step, slices - 1);
        value += step * *slices as u64;
    }
    text
}

fn expression(tier: &Tier) -> String {
    let parts = tier.all.iter().map(|part| {
        let minutes = part.window_ms / MINUTE_MS;
        let over = part.over.to_f64() * BUDGET.to_f64();
        format!(
            "sum(increase(bad[{minutes}m])) / sum(increase(total[{minutes}m])) > {over} and sum(increase(bad[{minutes}m])) >= {} - 0.001",
            part.least_bad
        )
    });
    parts.collect::<Vec<_>>().join(" and ")
}

fn rules() -> String {
    let mut text = "groups:\n- name: burn\n  rules:\n".to_owned();
    for tier in tiers() {
        let lane = if tier.lane == Lane::Page { "page" } else { "ticket" };
        let _ =
            write!(text, "  - alert: {}\n    expr: {}\n    labels: {{lane: {lane}}}\n", tier.name, expression(&tier));
    }
    text
}

/// Minutes of the whole series at which our engine says that a tier holds.
fn holds(tier: &Tier, series: &Recorded) -> Vec<bool> {
    let truth = |end| tier.judge(BUDGET, |window_ms| series.window(end, window_ms)).truth == Truth::True;
    (0..=series.len()).map(truth).collect()
}

/// What Prometheus is asked about one series: at these minutes, which tiers fire. Minutes beside a change are left out, those next
/// to them are not. `late` moves what is expected, to see that a difference is noticed.
fn questions(runs: &Runs, late: usize) -> (String, usize, usize) {
    let slices = runs.iter().flat_map(|(slices, bad, total)| std::iter::repeat_n(Some((*bad, *total)), *slices));
    let series = Recorded::new(MINUTE_MS, slices);
    let (mut text, mut asked, mut changes) = (String::new(), 0, 0);
    for tier in tiers() {
        let holds = holds(&tier, &series);
        let near = |at: usize, distance: usize| {
            let from = at.saturating_sub(distance);
            let to = (at + distance).min(holds.len() - 1);
            holds[from..=to].windows(2).any(|pair| pair[0] != pair[1])
        };
        changes += holds.windows(2).filter(|pair| pair[0] != pair[1]).count();
        // Each minute beside a change, and one in fifty of the others.
        let wanted = (HISTORY..series.len()).filter(|at| !near(*at, 1) && (near(*at, 2) || at % 50 == 0));
        for at in wanted {
            asked += 1;
            let expected = holds[at.saturating_sub(late)];
            let _ = write!(text, "  - eval_time: {at}m\n    alertname: {}\n    exp_alerts:", tier.name);
            if expected {
                let _ = writeln!(text, "\n    - exp_labels: {{lane: {}}}", tier.lane.as_str());
            } else {
                text.push_str(" []\n");
            }
        }
    }
    (text, asked, changes)
}

fn ask(seeds: &[u64], late: usize) -> Result<(Output, usize, usize)> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("rules.yml"), rules())?;
    let mut text = "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n".to_owned();
    let (mut asked, mut changes) = (0, 0);
    for seed in seeds {
        let runs = pattern(*seed);
        let (questions, more, turns) = questions(&runs, late);
        asked += more;
        changes += turns;
        let (bad, total) = (counter(&runs, |bad, _| bad), counter(&runs, |_, total| total));
        let _ = write!(
            text,
            "- interval: 1m\n  input_series:\n  - series: bad\n    values: '{bad}'\n  - series: total\n    values: '{total}'\n  alert_rule_test:\n{questions}"
        );
    }
    std::fs::write(folder.path().join("tests.yml"), text)?;
    let output = Command::new("promtool").current_dir(&folder).args(["test", "rules", "tests.yml"]).output();
    Ok((output.context("promtool runs")?, asked, changes))
}

#[test]
fn windows_fire_in_the_same_minutes_as_those_of_prometheus() -> Result<()> {
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("SKIPPED: there is no promtool; Debian has it in the package prometheus");
        return Ok(());
    }
    let seeds: Vec<u64> = (0..headroom_tests::soak::count(2, 20)).collect();
    let (output, asked, changes) = ask(&seeds, 0)?;
    let told = |output: &Output| {
        let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        all.chars().take(3_000).collect::<String>()
    };
    ensure!(output.status.success(), "Prometheus does not say the same:\n{}", told(&output));
    println!("{} series, {changes} changes of tiers, the same at {asked} minutes", seeds.len());
    ensure!(changes > 4 * seeds.len(), "tiers came and went {changes} times only: nothing was compared");

    // What is told five minutes late is a difference, and it is noticed.
    let (output, ..) = ask(&seeds[..1], 5)?;
    ensure!(!output.status.success(), "a difference of five minutes was not noticed:\n{}", told(&output));
    Ok(())
}
