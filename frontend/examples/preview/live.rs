//! Made-up values of the live pages: a pool of 20,000 slots on a bad night.

use headroom_frontend::model::*;
use headroom_frontend::slotmap::SlotState;

use crate::{DAY, HOUR, NOW, chart, named};

const MINUTE: i64 = 60_000;

/// The states of 20,000 slots, and those that stand out.
pub(crate) fn states() -> (String, Vec<SlotRow>) {
    let mut chance = 42_u64;
    let mut next = move || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % 20_000
    };
    let mut text = String::with_capacity(20_000);
    let mut rows = Vec::new();
    for slot in 1..=20_000_i64 {
        let state = match next() {
            0..38 => SlotState::Leaked,
            38..88 => SlotState::Draining,
            88..108 => SlotState::Offline,
            108..122 => SlotState::Hot,
            122..720 => SlotState::Free,
            _ => SlotState::Occupied,
        };
        text.push(match state {
            SlotState::Free => '.',
            SlotState::Occupied => 'o',
            SlotState::Leaked => 'l',
            SlotState::Draining => 'd',
            SlotState::Offline => 'x',
            SlotState::Hot => 'h',
        });
        if state.is_anomaly() {
            rows.push(SlotRow {
                slot,
                state,
                tenant: (state != SlotState::Offline)
                    .then(|| named(["acme-search", "billing", "ml-batch"][slot as usize % 3])),
                holder: if state == SlotState::Offline { String::new() } else { format!("edge-{}", slot % 40) },
                since_ms: Some(NOW - (slot % 900) * 1_000 - 12_000),
                p95_ms: (state == SlotState::Hot).then_some(480.0 + (slot % 500) as f64),
                node: format!("n-{:02}", slot % 12),
            });
        }
    }
    (text, rows)
}

pub(crate) fn slot_map(spotlight: Option<SlotState>) -> SlotMapModel {
    let (states, anomalies) = states();
    SlotMapModel {
        by: None,
        groups: Vec::new(),
        group_of: String::new(),
        chosen: None,
        pool: named("ingress-eu"),
        states,
        anomalies_total: anomalies.len() as i64,
        anomalies: anomalies.into_iter().take(200).collect(),
        spotlight,
        as_of_ms: NOW - 1_000,
        state: PanelState::Ready,
    }
}

/// A pool of a size where each slot has room for its number.
pub(crate) fn small_map(slots: usize) -> SlotMapModel {
    let states: String = "oooohooloood..ooxooooooo..".chars().cycle().take(slots).collect();
    SlotMapModel { pool: named("checkout"), states, anomalies: Vec::new(), anomalies_total: 0, ..slot_map(None) }
}

pub(crate) fn pool_map(spotlight: Option<SlotState>) -> PoolTab {
    PoolTab::Map(Box::new(PoolMap {
        mode: PoolMode::Open,
        queued: Some(46),
        claim_p95_us: Some(210_400),
        rejected_1m: Some(82),
        granted_1m: Some(4_812),
        map: slot_map(spotlight),
    }))
}

pub(crate) fn live_policy() -> LivePolicy {
    let row = |label: &str, value: &str, source, note: &str| PolicyRow {
        label: label.into(),
        value: value.into(),
        source,
        note: note.into(),
    };
    LivePolicy {
        version: 12,
        changed: Some((NOW - 3 * DAY, "Dana Okafor".into())),
        groups: vec![
            PolicyGroup {
                title: "Leases".into(),
                rows: vec![
                    row(
                        "Lease time",
                        "60\u{202F}s",
                        PolicySource::Policy,
                        "renewed every 20\u{202F}s by well-behaved holders",
                    ),
                    row("Longest lease", "10\u{202F}m", PolicySource::Default, ""),
                    row("Grace before reclaim", "5\u{202F}s", PolicySource::Default, ""),
                    row(
                        "Silent holder is suspect after",
                        "15\u{202F}s",
                        PolicySource::Derived,
                        "three missed heartbeats",
                    ),
                ],
            },
            PolicyGroup {
                title: "Admission".into(),
                rows: vec![
                    row("Claims", "open", PolicySource::Policy, ""),
                    row("Quota of acme-search", "1,200 slots", PolicySource::Override, "until 10:30, then 2,000 again"),
                    row("Longest queue", "500 claims", PolicySource::Policy, ""),
                    row(
                        "Longest wait",
                        "800\u{202F}ms",
                        PolicySource::Policy,
                        "then the claim is rejected as waited-too-long",
                    ),
                ],
            },
            PolicyGroup {
                title: "Scaling".into(),
                rows: vec![row(
                    "Emergency range",
                    "16,000–24,000 slots",
                    PolicySource::Policy,
                    "what on-call may choose",
                )],
            },
        ],
    }
}

fn act(label: &str, href: &str, first: bool) -> OfferedAction {
    OfferedAction { link: Link { label: label.into(), href: href.into() }, first }
}

pub(crate) fn oncall() -> OnCallModel {
    let finding = |id: &str, severity, mode, sentence: &str, minutes: i64| Finding {
        id: id.into(),
        severity,
        mode,
        sentence: sentence.into(),
        pool: Some(named("ingress-eu")),
        tenants: vec![named("acme-search"), named("billing")],
        tenants_total: 4,
        since_ms: NOW - minutes * MINUTE - 12_000,
        facts: Vec::new(),
        actions: Vec::new(),
        runbook: Some("/runbooks/f4-exhaustion?pool=ingress-eu".into()),
        pool_runbook: Some("https://wiki.example.org/ingress".into()),
    };
    OnCallModel {
        alerts: headroom_frontend::model::AlertBoard::default(),
        findings: vec![
            Finding {
                facts: vec!["46 waiting".into(), "page: customer-facing".into()],
                actions: vec![
                    act("Resize", "/pools/ingress-eu/act/resize?to=22000", true),
                    act("Hold claims", "/pools/ingress-eu/act/hold", false),
                ],
                ..finding(
                    "F4-ingress-eu",
                    Severity::Critical,
                    FailureMode::Exhaustion,
                    "ingress-eu saturated: 412 claims rejected in 5 min",
                    4,
                )
            },
            Finding {
                pool: Some(named("stream-01")),
                tenants: Vec::new(),
                tenants_total: 0,
                facts: vec!["last pass 7 m ago (limit 2 m)".into(), "38 leases past their end".into()],
                actions: vec![act("Preview reclaim", "/pools/stream-01/act/reclaim?slots=leaked", true)],
                ..finding(
                    "F5-stream-01",
                    Severity::Critical,
                    FailureMode::SlowReclaim,
                    "Reconciler stalled on stream-01",
                    6,
                )
            },
            Finding {
                pool: Some(named("ci-runners")),
                facts: vec!["limit 0.10\u{202F}%/h".into(), "ticket, not a page".into()],
                actions: vec![act("Preview reclaim", "/pools/ci-runners/act/reclaim?slots=leaked", true)],
                ..finding(
                    "F1-ci-runners",
                    Severity::Warning,
                    FailureMode::Leak,
                    "Leak rate 0.14\u{202F}%/h on ci-runners",
                    22,
                )
            },
        ],
        findings_state: PanelState::Ready,
        pools_watched: 6,
        vitals: Vitals {
            occupied: Some(19_402),
            free: Some(180),
            capacity: Some(20_000),
            rejected_1m: Some(82),
            rejected_spark: (0..60)
                .map(|minute| Some(f64::from(minute * minute) / 45.0 + f64::from(minute % 7)))
                .collect(),
            granted_1m: Some(4_812),
            queued: Some(46),
            claim_p95_us: Some(210_400),
            claim_p99_us: Some(388_000),
            claim_limit_us: 50_000,
            claim_spark: (0..60)
                .map(|minute| Some(30.0 + f64::from(minute) * 3.0 + f64::from(minute * 7 % 11)))
                .collect(),
            wait_p99_ms: vec![(9, 40), (5, 310), (1, 800)],
            reconciled_pools: 6,
            stalled: 1,
            last_pass_ms_ago: Some(1_200),
            reclaim_p95_ms: Some(18_000),
            leaked: Some(38),
            silent_network: false,
            commit_p95_us: Some(4_200),
            commit_queue: Some(12),
            disk_free: Some(0.42),
            as_of_ms: Some(NOW - 1_000),
        },
        map: Some(slot_map(None)),
        map_pools: vec![named("ingress-eu"), named("stream-01"), named("ci-runners")],
        slowest: [
            (4_711, "acme-search", 910.0),
            (92, "billing", 480.0),
            (1_204, "ml-batch", 410.0),
            (18_004, "web", 262.0),
            (77, "fraud", 240.0),
            (9_120, "etl", 190.0),
        ]
        .into_iter()
        .map(|(slot, tenant, p95_ms)| SlowSlot {
            pool: named("ingress-eu"),
            slot,
            tenant: Some(named(tenant)),
            p95_ms,
            slo_ms: Some(250.0),
            hot: p95_ms > 400.0,
        })
        .collect(),
        holders: (0..6)
            .map(|row| HolderRow {
                pool: named(if row % 2 == 0 { "ingress-eu" } else { "stream-01" }),
                tenant: named(["acme-search", "ml-batch", "billing"][row as usize % 3]),
                holder: format!("job-{}", 88 + row * 13),
                slots: 120 / (row + 1),
                first_slot: 4_711 + row,
                since_ms: NOW - (9 - row) * HOUR,
                remaining_ms: [Some(41_000), None, Some(-372_000)][row as usize % 3],
                priority: 5 - row % 4,
            })
            .collect(),
        bulkheads: vec![
            Bulkhead {
                name: "ingress-eu".into(),
                href: Some("/pools/ingress-eu".into()),
                kind: BulkheadKind::Pool,
                pool: "ingress-eu".into(),
                utilisation: Some(0.97),
                queue: Some(46),
                latency_us: Some(210_400),
                mark: Some(WallMark::TooFew),
            },
            Bulkhead {
                name: "batch-us".into(),
                href: Some("/pools/batch-us".into()),
                kind: BulkheadKind::Pool,
                pool: "batch-us".into(),
                utilisation: Some(0.04),
                queue: Some(0),
                latency_us: Some(800),
                mark: Some(WallMark::TooMany),
            },
            Bulkhead {
                name: "pages and API".into(),
                href: None,
                kind: BulkheadKind::Connections,
                pool: String::new(),
                utilisation: Some(0.3),
                queue: Some(0),
                latency_us: Some(310),
                mark: None,
            },
            Bulkhead {
                name: "committer".into(),
                href: None,
                kind: BulkheadKind::Connections,
                pool: String::new(),
                utilisation: Some(0.5),
                queue: Some(12),
                latency_us: Some(4_200),
                mark: None,
            },
        ],
    }
}

/// A night on which nothing happens.
pub(crate) fn calm() -> OnCallModel {
    OnCallModel {
        findings: Vec::new(),
        map: None,
        map_pools: Vec::new(),
        slowest: Vec::new(),
        holders: Vec::new(),
        bulkheads: Vec::new(),
        vitals: Vitals { claim_limit_us: 50_000, ..Vitals::default() },
        ..oncall()
    }
}

pub(crate) fn events(count: i64) -> Vec<LogRow> {
    (0..count)
        .map(|index| {
            let kind = ["claim", "release", "reject", "renew", "preempt", "expire", "enqueue"][index as usize % 7];
            LogRow {
                id: 900_000 - index,
                at_ms: NOW - index * 131,
                pool: "ingress-eu".into(),
                kind: kind.into(),
                slot: (kind != "reject" && kind != "enqueue").then_some(4_711 + index * 17),
                tenant: ["acme-search", "billing", "ml-batch"][index as usize % 3].into(),
                holder: format!("job-{}", 88 + index % 5),
                reason: if kind == "reject" { "full".into() } else { String::new() },
                work_ms: (kind == "release").then_some(41_200),
                wait_ms: (kind == "claim").then_some(8 + index),
                trace: if index % 2 == 0 { "7f3a9c04b1d24e8895aa00c1d2e3f405".into() } else { String::new() },
            }
        })
        .collect()
}

pub(crate) fn trace() -> TraceModel {
    let span = |name: &str, depth, start_ms: i64, took_ms: i64, note: &str, failed| SpanRow {
        name: name.into(),
        depth,
        start_us: start_ms * 1_000,
        duration_us: took_ms * 1_000,
        note: note.into(),
        failed,
    };
    TraceModel {
        trace: "7f3a9c04b1d24e8895aa00c1d2e3f405".into(),
        pool: named("ingress-eu"),
        tenant: "acme-search".into(),
        outcome: "rejected: full".into(),
        rejected: true,
        at_ms: NOW - 42_000,
        total_us: 412_000,
        spans: vec![
            span("gateway.admit", 0, 0, 12, "", false),
            span("allocator.claim", 0, 14, 388, "", false),
            span("store.cas slot 4711", 1, 16, 31, "conflict (held by job-88, priority 2, lease 41 s of 60 s)", true),
            span("store.cas slot 4712", 1, 48, 29, "conflict", true),
            span("backoff", 1, 80, 300, "", false),
            span("answer", 0, 403, 0, "full", false),
        ],
        skewed: false,
    }
}

pub(crate) fn debug() -> DebugModel {
    DebugModel {
        answers: None,
        pool: Some(named("ingress-eu")),
        pools: vec![named("ingress-eu"), named("stream-01")],
        filter: DebugFilter::default(),
        latency: chart("latency", "Claim latency", &[ChartWidth::Compact, ChartWidth::Medium, ChartWidth::Wide], 0.5),
        claims: (0..9)
            .map(|row| ClaimRow {
                trace: format!("{:08x}04b1d24e88", 0x7f3a_9c04_u32.wrapping_add(row * 7_919)),
                at_ms: NOW - i64::from(row) * 4_300,
                tenant: ["acme-search", "billing"][row as usize % 2].into(),
                outcome: ["rejected: full", "granted after a wait", "rejected: waited too long"][row as usize % 3]
                    .into(),
                rejected: row % 3 != 1,
                total_us: 412_000 - i64::from(row) * 31_000,
            })
            .collect(),
        trace: Some(trace()),
        events: events(60),
        events_state: PanelState::Ready,
        leases: [
            ("past its end", 38, true),
            ("below 10 s", 310, false),
            ("10–30 s", 6_210, false),
            ("30–60 s", 11_900, false),
            ("1–5 m", 820, false),
            ("longer", 0, false),
        ]
        .into_iter()
        .map(|(label, count, past)| LeaseBar { label: label.into(), count, past })
        .collect(),
        moves: chart(
            "moves",
            "Moves per minute",
            &[ChartWidth::Compact, ChartWidth::Medium, ChartWidth::Wide, ChartWidth::Full],
            0.3,
        ),
        affinity: Affinity {
            nodes: (1..=5).map(|node| format!("n-{node:02}")).collect(),
            shards: (1..=10).map(|shard| format!("sh{shard:02}")).collect(),
            share: (0..5)
                .map(|node| {
                    (0..10)
                        .map(|shard| {
                            (shard != 9)
                                .then(|| if shard % 5 == node { 0.86 } else { f64::from((shard + node) % 3) * 0.05 })
                        })
                        .collect()
                })
                .collect(),
            on_preferred: Some(0.86),
        },
    }
}

pub(crate) fn slot_page(leaked: bool) -> SlotPageModel {
    SlotPageModel {
        pool: named("ingress-eu"),
        capacity: 20_000,
        row: SlotRow {
            slot: 4_711,
            state: if leaked { SlotState::Leaked } else { SlotState::Occupied },
            tenant: Some(named("acme-search")),
            holder: "edge-07".into(),
            since_ms: Some(NOW - 372_000),
            p95_ms: Some(910.0),
            node: "n-07".into(),
        },
        fence: Some(1_204),
        claim: "0198c1f2-7a31-7e02-9c11-55aa00c1d2e3".into(),
        trace_href: Some("/debug/claims/7f3a9c04".into()),
        lease: Some(Lease {
            claimed_ms: NOW - 12 * MINUTE,
            renewed_ms: Some(NOW - if leaked { 432_000 } else { 20_000 }),
            expires_ms: NOW + if leaked { -372_000 } else { 40_000 },
            ttl_ms: 60_000,
        }),
        shard: "12".into(),
        priority: Some(3),
        slo_ms: Some(250.0),
        spark: (0..60).map(|minute| (minute % 17 != 3).then(|| 200.0 + f64::from(minute * minute) / 5.0)).collect(),
        events: events(12),
        neighbours: (Some(4_602), Some(4_980)),
        as_of_ms: NOW - 1_000,
        state: PanelState::Ready,
    }
}

pub(crate) fn reclaim() -> ActModel {
    ActModel {
        now: String::new(),
        pool: named("ingress-eu"),
        action: SlotAction::Reclaim,
        fields: vec![Field::of("leaked")],
        tenants: vec![named("acme-search")],
        reason: Field::of("F1 slot leak: 38 leases past their end"),
        preview: Some(ActPreview {
            verb: "Reclaim 38 slots".into(),
            changes: vec![
                ("38 slots".into(), "leaked".into(), "free".into()),
                ("free slots".into(), "180".into(), "218".into()),
                ("fence of each".into(), "n".into(), "n + 1".into()),
            ],
            hit: vec![
                ActHit {
                    tenant: named("acme-search"),
                    slots: 31,
                    what: "its old holders are refused from now on".into(),
                },
                ActHit { tenant: named("billing"), slots: 7, what: "its old holders are refused from now on".into() },
            ],
            permanent: vec!["A holder that is alive after all loses its work in these slots.".into()],
            undo: "The tenants can claim again at once.".into(),
            warnings: vec!["2 of the holders sent a heartbeat in the last 15 s.".into()],
            blocked: None,
        }),
        error: None,
        version: "88120".into(),
    }
}

pub(crate) fn cut_quota() -> ActModel {
    ActModel {
        action: SlotAction::CutQuota,
        fields: vec![
            Field::of("acme-search"),
            Field { value: "-1".into(), error: Some("found -1, expected a whole number, 0 or more".into()) },
            Field::of("60"),
        ],
        preview: None,
        reason: Field::default(),
        ..reclaim()
    }
}
