//! Writes every page with believable sample data to a folder, so that its look can be judged without a server or a database.
//!
//! `cargo run -p headroom-frontend --features ssr --example preview -- FOLDER`, then serve the folder with any static file
//! server (the icon sprite needs `http:`) and open `/overview.html`.

#![expect(clippy::wildcard_imports, reason = "the sample uses nearly every model")]

mod live;
mod planner;
mod reports;

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use headroom_domain::localtime::{Transition, ZoneSlice};
use headroom_domain::pool::{PoolKind, Properties, Service};
use headroom_frontend::model::*;
use headroom_frontend::routes::RailEntry;
use headroom_frontend::url::UrlState;
use headroom_frontend::{pages, render};

const NOW: i64 = 1_795_250_518_000; // 2026-11-21 08:41:58 UTC
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "target/preview".to_owned()));
    assets(&folder)?;
    for (name, html) in all_pages() {
        fs::write(folder.join(format!("{name}.html")), html)?;
    }
    Ok(())
}

/// Concatenates the style sheets and icons as the build does, without hashing.
fn assets(folder: &Path) -> io::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let target = folder.join("assets");
    fs::create_dir_all(target.join("fonts"))?;
    let mut css = fs::read_to_string(source.join("tokens.css"))?;
    for name in fs::read_to_string(source.join("styles/ORDER"))?.split_whitespace() {
        css += &fs::read_to_string(source.join("styles").join(name))?;
    }
    fs::write(target.join("app.css"), css)?;
    let mut sprite = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\">");
    for entry in fs::read_dir(source.join("icons"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            let svg = fs::read_to_string(&path)?;
            let open = svg.find("<svg").unwrap_or(0);
            let view_box =
                svg.split("viewBox=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("0 0 24 24");
            let inner = &svg[open + svg[open..].find('>').unwrap_or(0) + 1..svg.rfind("</svg>").unwrap_or(svg.len())];
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let _ = write!(sprite, "<symbol id=\"{name}\" viewBox=\"{view_box}\">{inner}</symbol>");
        }
    }
    sprite += "</svg>";
    fs::write(target.join("icons.svg"), sprite)?;
    for entry in fs::read_dir(source.join("fonts"))? {
        let path = entry?.path();
        fs::copy(&path, target.join("fonts").join(path.file_name().unwrap_or_default()))?;
    }
    fs::create_dir_all(target.join("app"))?;
    for entry in fs::read_dir(source.join("app"))? {
        let path = entry?.path();
        fs::copy(&path, target.join("app").join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn named(slug: &str) -> Named {
    Named { slug: slug.to_owned(), name: slug.to_owned() }
}

const POOLS: [&str; 8] =
    ["ingress-eu", "stream-01", "ci-runners", "checkout", "batch-us", "api-quota", "web-slots", "ml-gpu"];
const TENANTS: [&str; 12] = [
    "acme-search",
    "billing",
    "ml-batch",
    "checkout",
    "reports",
    "mobile",
    "partners",
    "web",
    "fraud",
    "email",
    "etl",
    "others",
];

fn shell(title: &str, path: &str, rail: Option<RailEntry>, honoured: FilterSet) -> ShellModel {
    let zone = ZoneSlice::new(
        "Europe/Berlin",
        vec![
            Transition { utc_ms: 1_774_746_000_000, offset_s: 7_200, abbr: "CEST".into() },
            Transition { utc_ms: 1_792_890_000_000, offset_s: 3_600, abbr: "CET".into() },
        ],
    );
    ShellModel {
        title: title.to_owned(),
        path: path.to_owned(),
        rail,
        url: UrlState::default(),
        filters: FilterModel {
            honoured,
            from_raw: "now-45d".into(),
            to_raw: "now".into(),
            from_ms: NOW - 45 * DAY,
            to_ms: NOW,
            step_ms: 6 * HOUR,
            pools: POOLS.iter().map(|slug| named(slug)).collect(),
            pools_total: 8,
            tenants: TENANTS.iter().map(|slug| named(slug)).collect(),
            tenants_total: 12,
            stamps: Vec::new(),
            zones: vec!["UTC".into(), "Europe/Berlin".into(), "America/New_York".into(), "Asia/Kolkata".into()],
            compare: Compare::Previous,
        },
        zone,
        now_ms: NOW,
        freshness: Freshness { as_of_ms: Some(NOW - 2_000), feed: Feed::Live { period_ms: 10_000 } },
        theme: Theme::System,
        density: Density::Cosy,
        shortcuts: true,
        kiosk: false,
        nonce: "preview".into(),
        is_private: true,
        csrf: "preview".into(),
        assets: AssetUrls {
            css: "/assets/app.css".into(),
            icons: "/assets/icons.svg".into(),
            manifest: "/assets/app/manifest.webmanifest".into(),
            js: env::var("PREVIEW_JS").unwrap_or_default(),
            wasm: env::var("PREVIEW_WASM").unwrap_or_default(),
            favicon: "/assets/app/icon.svg".into(),
            touch_icon: "/assets/app/icon-180.png".into(),
            font: "/assets/fonts/inter-latin-wght-normal.woff2".into(),
        },
        banner: None,
        notices: Vec::new(),
        flash: None,
        open_jobs: None,
        viewer: Some(Viewer {
            name: "Dana Okafor".into(),
            email: "dana@example.org".into(),
            roles: "Admin, On-call engineer".into(),
            plans: true,
            administers: true,
            audits: true,
            sees_jobs: true,
            operates: true,
            debugs: true,
        }),
    }
}

/// A daily and weekly wave, deterministic.
fn wave(at: i64, base: f64) -> f64 {
    let days = at as f64 / DAY as f64;
    let daily = (days * TAU - 1.9).sin() * 0.11;
    let weekly = if (days as i64 + 4) % 7 >= 5 { -0.09 } else { 0.0 };
    let noise = ((at / HOUR * 2_654_435_761) % 1_000) as f64 / 1_000.0 * 0.04;
    base + daily + weekly + noise + (at - NOW) as f64 / (45 * DAY) as f64 * 0.08
}

fn svg(width: ChartWidth, series: &[f64], peaks: &[f64], top: f64) -> ChartVariant {
    let (w, h) = width.size();
    let (left, right, upper, lower) = (44_i32, w as i32 - 12, 10_i32, h as i32 - 26);
    let x = |index: usize| f64::from(left) + f64::from(right - left) * index as f64 / (series.len() - 1) as f64;
    let y = |value: f64| f64::from(lower) - f64::from(lower - upper) * value / top;
    let mut body = String::new();
    for step in 0..=5 {
        let value = top * f64::from(step) / 5.0;
        let _ = write!(
            body,
            "<path d='M{left} {0:.1}H{right}' stroke='var(--hr-grid)'/><text x='{1}' y='{2:.1}' font-size='12' fill='var(--hr-axis)' text-anchor='end'>{3:.0}%</text>",
            y(value),
            left - 8,
            y(value) + 4.0,
            value * 100.0
        );
    }
    let labels: &[&str] = if w < 400 {
        &["7 Oct", "22 Oct", "6 Nov", "21 Nov"]
    } else {
        &["7 Oct", "14 Oct", "21 Oct", "28 Oct", "4 Nov", "11 Nov", "18 Nov"]
    };
    for (index, label) in labels.iter().enumerate() {
        let anchor = if index + 1 == labels.len() { "end" } else { "start" };
        let at = f64::from(left) + f64::from(right - left) * index as f64 / (labels.len() - 1) as f64;
        let _ = write!(
            body,
            "<text x='{at:.0}' y='{}' font-size='12' fill='var(--hr-axis)' text-anchor='{anchor}'>{label}</text>",
            h - 6
        );
    }
    let points = |values: &[f64]| {
        values.iter().enumerate().map(|(i, v)| format!("{:.1},{:.1}", x(i), y(*v))).collect::<Vec<_>>()
    };
    let mut band = points(peaks);
    let mut back = points(series);
    back.reverse();
    band.extend(back);
    let _ = write!(
        body,
        "<rect x='{left}' y='{upper}' width='{0}' height='{1:.1}' fill='var(--hr-band-crit)'/><rect x='{left}' y='{2:.1}' width='{0}' height='{3:.1}' fill='var(--hr-band-warn)'/><polygon points='{4}' fill='var(--hr-chart-1)' opacity='.18'/><polyline points='{5}' fill='none' stroke='var(--hr-chart-1)' stroke-width='2'/>",
        right - left,
        y(0.95) - f64::from(upper),
        y(0.95),
        y(0.80) - y(0.95),
        band.join(" "),
        points(series).join(" ")
    );
    ChartVariant {
        width,
        svg: format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{w}' height='{h}' viewBox='0 0 {w} {h}'>{body}</svg>"
        ),
        plot: PlotArea { left, right, top: upper, bottom: lower },
    }
}

fn chart(id: &str, title: &str, widths: &[ChartWidth], base: f64) -> ChartModel {
    let step_ms = 6 * HOUR;
    let from_ms = NOW - 45 * DAY;
    let times: Vec<i64> = (0..180).map(|index| from_ms + index * step_ms).collect();
    let average: Vec<f64> = times.iter().map(|at| wave(*at, base)).collect();
    let peaks: Vec<f64> =
        average.iter().enumerate().map(|(i, v)| v + 0.05 + 0.04 * ((i * 7 % 11) as f64 / 11.0)).collect();
    let top = peaks.iter().copied().fold(1.0_f64, f64::max).max(1.0);
    ChartModel {
        id: id.to_owned(),
        title: title.to_owned(),
        subtitle: "average and peak per 6 h, % of capacity".into(),
        description: "Rose from 62 % to 78 %; peak 93.1 % on 19 Nov 14:05.".into(),
        variants: widths.iter().map(|width| svg(*width, &average, &peaks, top)).collect(),
        legend: vec![
            LegendEntry { label: "Average".into(), mark: LegendMark::Line, colour: 1 },
            LegendEntry { label: "Up to the peak".into(), mark: LegendMark::Band, colour: 1 },
        ],
        from_ms,
        to_ms: NOW,
        step_ms,
        columns: vec![
            ChartColumn { label: "Average".into(), unit: Unit::Ratio },
            ChartColumn { label: "Peak".into(), unit: Unit::Ratio },
        ],
        rows: times
            .iter()
            .zip(average.iter().zip(&peaks))
            .map(|(at, (mean, peak))| ChartRow {
                from_ms: *at,
                values: vec![Some(*mean), Some(*peak)],
                incomplete: *at + step_ms > NOW,
            })
            .collect(),
        annotations: vec![
            event(EventKind::Note, 27, "clock change", None, Some('A')),
            event(EventKind::Scale, 9, "+1,200 slots in stream-01", None, Some('B')),
        ],
        csv_href: "/overview?format=csv".into(),
        state: PanelState::Ready,
    }
}

fn event(kind: EventKind, days_ago: i64, text: &str, actor: Option<&str>, letter: Option<char>) -> EventRow {
    EventRow {
        at_ms: NOW - days_ago * DAY - 2 * HOUR,
        kind,
        text: text.into(),
        actor: actor.map(Into::into),
        href: None,
        letter,
    }
}

fn heatmap(id: &str, title: &str) -> HeatmapModel {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    HeatmapModel {
        id: id.into(),
        title: title.into(),
        subtitle: "highest occupancy in that hour, last 6 weeks".into(),
        columns: (0..24).map(|hour| format!("{hour:02}")).collect(),
        rows: days
            .iter()
            .enumerate()
            .map(|(day, label)| HeatmapRow {
                label: (*label).to_owned(),
                cells: (0..24)
                    .map(|hour| {
                        let shape = ((f64::from(hour) - 4.0) / 24.0 * TAU - 1.6).sin() * 0.3;
                        let peak = 0.62
                            + shape
                            + if day >= 5 { -0.14 } else { 0.06 }
                            + if (day, hour) == (2, 15) { 0.15 } else { 0.0 };
                        HeatmapCell {
                            peak: ((day, hour) != (6, 3)).then_some(peak),
                            mean: Some(peak - 0.1),
                            rejections: Some(i64::from(peak > 0.96) * 12),
                        }
                    })
                    .collect(),
            })
            .collect(),
        scale: (0.0, 1.0),
        csv_href: "/overview?format=csv&table=heatmap".into(),
        state: PanelState::Ready,
    }
}

fn card(metric: Metric, value: f64, previous: f64, rising: f64) -> StatCard {
    StatCard {
        metric,
        window: "last 45 d".into(),
        value: Some(value),
        unknown_because: None,
        peak: None,
        previous: Some(previous),
        basis: "prior 45 d".into(),
        detail: String::new(),
        money: None,
        spark: (0..45)
            .map(|i| {
                Some(value * (1.0 - rising * f64::from(45 - i) / 45.0) + value * 0.05 * (f64::from(i) * 1.7).sin())
            })
            .collect(),
        href: "/pools".into(),
        as_of_ms: None,
    }
}

fn overview() -> OverviewModel {
    OverviewModel {
        now: None,
        standing: None,
        pools_in_scope: 8,
        cards: vec![
            StatCard { window: "now".into(), ..card(Metric::PoolSize, 48_200.0, 47_000.0, 0.1) },
            StatCard {
                window: "now".into(),
                peak: Some(Peak { value: 0.931, at_ms: Some(NOW - 2 * DAY) }),
                as_of_ms: Some(NOW - 2_000),
                ..card(Metric::Occupancy, 0.784, 0.722, 0.2)
            },
            StatCard { detail: "1.9 per 10k claims".into(), ..card(Metric::SaturationEvents, 37.0, 49.0, -0.3) },
            StatCard {
                money: Some(Money { minor: 3_511_218, currency: "EUR".into() }),
                detail: "target below 10 %".into(),
                ..card(Metric::ReservationWaste, 0.118, 0.107, 0.1)
            },
        ],
        trend: chart(
            "trend",
            "Global occupancy trend",
            &[ChartWidth::Compact, ChartWidth::Medium, ChartWidth::Wide],
            0.66,
        ),
        top_tenants: [
            ("acme-search", 0.91, 0.72, 0.26),
            ("billing", 0.84, 0.8, 0.21),
            ("ml-batch", 0.77, 0.85, 0.17),
            ("checkout", 0.63, 0.7, 0.12),
            ("reports", 0.41, 0.6, 0.08),
        ]
        .into_iter()
        .map(|(slug, quota, fair, share)| TopTenant {
            tenant: named(slug),
            occupied_slot_ms: (share * 40_000_000.0 * HOUR as f64) as i64,
            share: Some(share),
            quota_use: Some(quota),
            quota_peak: Some(quota + 0.08),
            fair_share: Some(fair),
        })
        .collect(),
        tenants_in_scope: 12,
        risks: vec![Risk {
            pool: named("ingress-eu"),
            full: FullIn { text: "21\u{202f}d (1 in 10: 14\u{202f}d)".into(), urgency: Urgency::Warn },
        }],
        without_risk: 7,
        top_tenants_state: PanelState::Ready,
        heatmap: heatmap("saturation", "When we saturate"),
        completeness: PanelState::Ready,
        over_capacity: Vec::new(),
    }
}

fn table(sort: &str, total: i64) -> TableState {
    TableState {
        sort: sort.into(),
        descending: true,
        first_row: 1,
        total,
        next: (total > 50).then(|| "50".into()),
        csv_href: "/pools?format=csv".into(),
        ..TableState::default()
    }
}

fn pool_rows() -> Vec<PoolRow> {
    let rows = [
        ("ingress-eu", PoolKind::Autoscaling, 20_000, 19_402, 0.994, Some("platform")),
        ("ci-runners", PoolKind::Fixed, 2_000, 2_084, 1.092, Some("build")),
        ("stream-01", PoolKind::Partitioned, 1_200, 974, 0.94, Some("data")),
        ("checkout", PoolKind::TenantQuota, 6_000, 4_210, 0.81, Some("payments")),
        ("batch-us", PoolKind::Fixed, 12_000, 7_700, 0.77, None),
        ("api-quota", PoolKind::RateLimited, 5_000, 2_100, 0.66, Some("platform")),
        ("web-slots", PoolKind::Staging, 12, 4, 0.5, Some("web")),
        ("ml-gpu", PoolKind::Fixed, 1_988, 0, 0.4, Some("ml")),
    ];
    rows.into_iter()
        .map(|(slug, kind, capacity, occupied, peak, owner)| {
            let stale = slug == "ml-gpu";
            PoolRow {
                pool: named(slug),
                kind,
                capacity: Some(capacity),
                occupied: (!stale).then_some(occupied),
                occupancy: (!stale).then(|| occupied as f64 / capacity as f64),
                mean: Some(peak - 0.2),
                peak: Some(Peak { value: peak, at_ms: Some(NOW - 3 * DAY) }),
                reserved_idle: (kind != PoolKind::RateLimited).then_some(capacity / 60),
                rejected: (kind != PoolKind::Staging).then_some(if peak > 0.99 { 412 } else { 0 }),
                claims: Some(2_160_000),
                full: FullIn { text: "not within 90\u{202f}d".into(), urgency: Urgency::Fine },
                owner: owner.map(Into::into),
                region: Some("eu-west".into()),
                as_of_ms: Some(if stale { NOW - 4 * HOUR } else { NOW - 2_000 }),
                stale,
                archived: false,
            }
        })
        .collect()
}

fn pools(as_multiples: bool) -> PoolsModel {
    PoolsModel {
        total: 8,
        capacity: Some(48_200),
        occupancy: Some(0.784),
        rows: pool_rows(),
        table: table("occupancy", 8),
        kind: None,
        owner: String::new(),
        with_archived: false,
        multiples: POOLS
            .iter()
            .map(|slug| SmallMultiple {
                link: Link { label: (*slug).into(), href: format!("/pools/{slug}") },
                svg: svg(
                    ChartWidth::Compact,
                    &(0..60).map(|i| wave(NOW - (60 - i) * 18 * HOUR, 0.6)).collect::<Vec<_>>(),
                    &(0..60).map(|i| wave(NOW - (60 - i) * 18 * HOUR, 0.68)).collect::<Vec<_>>(),
                    1.0,
                )
                .svg,
                description: "average 61.2 %, peak 84.0 %".into(),
            })
            .collect(),
        as_multiples,
        state: PanelState::Ready,
    }
}

fn head() -> PoolHead {
    PoolHead {
        pool: named("ingress-eu"),
        kind: PoolKind::Autoscaling,
        description: "Concurrent connections of the European edge.".into(),
        full: None,
        configured: Some(20_020),
        planned_down: 20,
        capacity: Some(20_000),
        min: Some(16_000),
        max: Some(24_000),
        occupied: Some(19_402),
        reserved_idle: Some(310),
        occupancy: Some(0.9701),
        mean: Some(0.812),
        peak: Some(Peak { value: 0.994, at_ms: Some(NOW - 2 * DAY) }),
        rejected: Some(412),
        claims: Some(2_160_000),
        region: Some("eu-west".into()),
        owner: Some("platform".into()),
        runbook_url: Some("https://runbooks.example/ingress".into()),
        as_of_ms: Some(NOW - 2_000),
        stale: false,
        archived_ms: None,
    }
}

fn use_rows(slugs: &[&str]) -> Vec<PoolTenantRow> {
    slugs
        .iter()
        .enumerate()
        .map(|(index, slug)| PoolTenantRow {
            subject: named(slug),
            used: Some(1_820 / (index as i64 + 1)),
            quota: (index != 3).then_some(2_000 / (index as i64 + 1)),
            reserved: (index < 3).then_some(1_400 / (index as i64 + 1)),
            fair_share: Some(1_440.0 / (index as f64 + 1.0)),
            occupied_slot_ms: 1_700_000 * HOUR / (index as i64 + 1),
            share: Some(0.26 / (index as f64 + 1.0)),
            peak_used: Some(2_040 / (index as i64 + 1)),
            rejected: Some(412 / (index as i64 + 1)),
            reserved_idle_slot_ms: (index < 3).then_some(12_000 * HOUR),
        })
        .collect()
}

fn events() -> Vec<EventRow> {
    vec![
        event(EventKind::Scale, 0, "capacity 18,800 → 20,000", Some("autoscaler"), None),
        event(EventKind::Deploy, 1, "edge-proxy 4.12.0", Some("ci"), Some('C')),
        event(EventKind::Configuration, 3, "idle timeout 90 s → 60 s", Some("dana.okafor"), None),
        event(EventKind::Swap, 8, "web: staging ⇄ production", Some("release-bot"), Some('B')),
    ]
}

fn pool(tab: PoolTab) -> PoolModel {
    PoolModel { head: head(), tab, tenants_count: 41, tracked: true }
}

fn trend_tab() -> PoolTab {
    let mut occupancy = chart(
        "occupancy",
        "Occupancy",
        &[ChartWidth::Compact, ChartWidth::Medium, ChartWidth::Wide, ChartWidth::Full],
        0.8,
    );
    occupancy.legend.push(LegendEntry { label: "Capacity".into(), mark: LegendMark::Step, colour: 2 });
    PoolTab::Trend(Box::new(PoolTrend {
        occupancy,
        rejections: Some(chart("rejections", "Rejections", &[ChartWidth::Compact, ChartWidth::Medium], 0.3)),
        heatmap: heatmap("hours", "When it is full"),
        signals: vec![chart("latency", "Queue length", &[ChartWidth::Compact, ChartWidth::Medium], 0.4)],
        changes: events(),
        backlog: BacklogCard {
            backlog: Field::of("42000"),
            arrivals: Field::of("0"),
            rate: Field::of("10"),
            per: Field::of("second"),
            time: Field::of("5m"),
            workers: Field::of("3"),
            is_measured: true,
            answer: Some((
                "14 workers clear a backlog of 42,000.".into(),
                vec!["11 beside the 3 that there are.".into()],
            )),
            is_open: true,
        },
    }))
}

fn policy() -> PoolTab {
    PoolTab::Policy(Box::new(PoolPolicy {
        properties: Properties::default(),
        feed_period_ms: Some(10_000),
        zone: "Europe/Berlin".into(),
        shows_money: true,
        unit_cost: Some(UnitCost { micros: 2_400, currency: "EUR".into() }),
        cost_in_window: Some(Money { minor: 86_400_000, currency: "EUR".into() }),
        labels: vec![("env".into(), "prod".into()), ("team".into(), "</svg><script>alert(1)</script>".into())],
        services: vec![Service { service: "edge".into(), endpoint: "/".into(), customer_facing: true }],
        capacity_history: vec![
            CapacityRow {
                from_ms: NOW + 7 * DAY,
                configured: 22_000,
                planned_down: 0,
                note: Some("new nodes".into()),
                actor: Some("dana.okafor".into()),
            },
            CapacityRow {
                from_ms: NOW - 9 * DAY,
                configured: 20_020,
                planned_down: 20,
                note: None,
                actor: Some("autoscaler".into()),
            },
        ],
        quotas: vec![QuotaRow { subject: named("acme-search"), slots: 2_000, from_ms: NOW - 90 * DAY }],
        reservations: vec![ReservationRow {
            subject: named("acme-search"),
            baseline: 1_400,
            ceiling: None,
            from_ms: NOW - 30 * DAY,
            to_ms: None,
        }],
        live: Some(live::live_policy()),
    }))
}

fn tenant(tab: TenantTab) -> TenantModel {
    TenantModel {
        tenant: named("acme-search"),
        tier: "gold".into(),
        cost_centre: "CC-411".into(),
        owner: Some("search".into()),
        reserved: Some(1_400),
        quota: Some(2_000),
        fair_share: Some(1_440.0),
        fair_share_rule: "an equal part of each pool it uses: 1,440 slots".into(),
        cards: vec![
            StatCard { window: "now".into(), ..card(Metric::UsedNow, 1_820.0, 1_600.0, 0.1) },
            StatCard {
                window: "now".into(),
                peak: Some(Peak { value: 1.02, at_ms: None }),
                ..card(Metric::QuotaUse, 0.91, 0.8, 0.1)
            },
            card(Metric::FairShare, 1.26, 1.1, 0.1),
            StatCard {
                value: None,
                unknown_because: Some("claims are not reported".into()),
                spark: vec![],
                ..card(Metric::SaturationEvents, 0.0, 0.0, 0.0)
            },
        ],
        tab,
        archived_ms: None,
    }
}

fn share() -> TenantTab {
    TenantTab::Share(Box::new(TenantShare {
        usage: chart("usage", "Used against quota", &[ChartWidth::Compact, ChartWidth::Medium, ChartWidth::Full], 0.7),
        heatmap: heatmap("where", "When it uses most"),
        pools: use_rows(&["ingress-eu", "checkout", "stream-01", "ci-runners"]),
        quotas: vec![QuotaRow { subject: named("ingress-eu"), slots: 2_000, from_ms: NOW - 90 * DAY }],
        reservations: Vec::new(),
        state: PanelState::Partial {
            text: "2 of 8 pools sent nothing in this window (ci-runners, batch-us). Totals leave them out.".into(),
        },
    }))
}

fn metering() -> TenantTab {
    let sums = |day: i64| MeterSums {
        occupied_slot_ms: (35_212 - day * 91) * HOUR + 77_123,
        reserved_slot_ms: 33_600 * HOUR,
        reserved_idle_slot_ms: day * 91 * HOUR,
        borrowed_slot_ms: 1_612 * HOUR + 77_123,
        lent_slot_ms: day * 40 * HOUR,
        billed_slot_ms: 35_212 * HOUR + 77_123,
        amount_minor: Some(161_240),
        max_occupied: Some(1_840),
        rejections: Some(12),
    };
    TenantTab::Metering(Box::new(TenantMetering {
        rows: (0..14)
            .map(|day| MeterRow {
                day_ms: NOW - NOW % DAY - day * DAY - HOUR,
                rate_micros: Some(45_790),
                record: "5b1c9a7e02d4f836".into(),
                pool: named("ingress-eu"),
                sums: sums(day),
            })
            .collect(),
        total: sums(3),
        currency: Some("EUR".into()),
        explained: None,
        table: table("day", 45),
        state: PanelState::Ready,
    }))
}

fn tenants() -> TenantsModel {
    TenantsModel {
        fairness: Some(0.93),
        total: 12,
        rows: TENANTS
            .iter()
            .enumerate()
            .map(|(index, slug)| TenantRow {
                tenant: named(slug),
                tier: if index < 3 { "gold".into() } else { "silver".into() },
                used: Some(1_820 - index as i64 * 140),
                quota: (index != 5).then_some(2_000),
                quota_use: (index != 5).then_some(0.91 - index as f64 * 0.07),
                quota_peak: Some(1.03 - index as f64 * 0.07),
                fair_share_use: Some(1.62 - index as f64 * 0.13),
                occupied_slot_ms: 1_700_000 * HOUR / (index as i64 + 1),
                share: Some(0.26 / (index as f64 + 1.0)),
                reserved: (index < 4).then_some(1_400),
                reserved_idle: (index < 4).then_some(0),
                rejected: Some(412 / (index as i64 + 1)),
                owner: (index % 4 != 3).then(|| "search".into()),
                archived: false,
            })
            .collect(),
        table: table("slot-hours", 12),
        with_archived: false,
        state: PanelState::Ready,
    }
}

fn pool_form(mode: FormMode, with_errors: bool) -> PoolFormModel {
    let mut form = PoolForm::for_new("Europe/Berlin");
    form.name = Field::of("Ingress Europe");
    form.slug = Field::of("ingress-eu");
    if with_errors {
        form.slug = Field {
            value: "Ingress EU".into(),
            error: Some("“Ingress EU” has a space and capitals; use a–z, 0–9 and hyphens.".into()),
        };
        form.max_slots =
            Field { value: "-4".into(), error: Some("−4 is below 0; write a whole number, 0 or more.".into()) };
    }
    PoolFormModel {
        mode,
        form,
        capacity: CapacityForm { slots: Field::of("20000"), ..CapacityForm::default() },
        elastic_price: Field::of("0.09"),
        error: None,
        known_owners: vec!["platform".into()],
        known_regions: vec!["eu-west".into()],
        zones: vec!["UTC".into(), "Europe/Berlin".into()],
        shows_money: true,
    }
}

fn all_pages() -> Vec<(&'static str, String)> {
    use RailEntry::{Admin, Audit, Debug, Help, Jobs, OnCall, Overview, Pools, Tenants};

    let overview_shell = shell("Overview", "/overview", Some(Overview), FilterSet::ALL);
    let kiosk = ShellModel { kiosk: true, ..overview_shell.clone() };
    let noisy = ShellModel {
        banner: Some(Banner { kind: BannerKind::Info, text: "Demo world: generated data that keeps moving.".into() }),
        notices: vec!["`from` could not be read (“yesterdy”). Showing the last 45 days.".into()],
        flash: Some("Pool ingress-eu was created.".into()),
        open_jobs: Some(OpenJobs { count: 2, percent: Some(64) }),
        freshness: Freshness { as_of_ms: Some(NOW - 64_000), feed: Feed::Live { period_ms: 10_000 } },
        ..overview_shell.clone()
    };
    let hurt = OverviewModel {
        completeness: PanelState::Partial {
            text: "2 of 8 pools sent nothing in this window (ci-runners, batch-us). Totals leave them out.".into(),
        },
        over_capacity: vec![named("ci-runners")],
        top_tenants_state: PanelState::Failed { text: "the database did not answer in 5 s".into(), id: "7f3a".into() },
        trend: ChartModel {
            state: PanelState::Empty {
                text: "No samples in this range. The newest is from 3 Oct 1993.".into(),
                action: Some(Link { label: "Show that time".into(), href: "/overview".into() }),
            },
            ..overview().trend
        },
        ..overview()
    };
    let pools_shell = shell("Pools", "/pools", Some(Pools), FilterSet::ALL);
    let pool_shell = shell("ingress-eu", "/pools/ingress-eu", Some(Pools), FilterSet::POOL);
    let debug_shell = shell("Debug ingress-eu", "/debug", Some(Debug), FilterSet { range: true, ..FilterSet::NONE });
    let oncall_shell =
        shell("On-call", "/oncall", Some(OnCall), FilterSet { pool: true, tenant: true, ..FilterSet::NONE });
    let tenants_shell = shell("Tenants", "/tenants", Some(Tenants), FilterSet::ALL);
    let tenant_shell = shell("acme-search", "/tenants/acme-search", Some(Tenants), FilterSet::TENANT);
    let plain = |title: &str, path: &str, rail| shell(title, path, rail, FilterSet::NONE);
    let plan = |title: &str, path: &str| plain(title, path, Some(RailEntry::Planner));
    let edit = |slug: &str| FormMode::Edit { subject: named(slug), version: "7".into() };
    let door = |title: &str, path: &str| ShellModel { viewer: None, ..plain(title, path, None) };
    let admin = |title: &str, path: &str| plain(title, path, Some(Admin));
    vec![
        ("login", render::document(|| pages::login(&door("Sign in", "/login"), &login()))),
        (
            "setup",
            render::document(|| {
                let email = Field {
                    value: "dana".into(),
                    error: Some("found dana, expected an e-mail address such as dana@example.org".into()),
                };
                let model =
                    SetupModel { name: Field::of("Dana Okafor"), email, insecure: true, ..SetupModel::default() };
                pages::setup(&door("Set up Headroom", "/setup"), &model)
            }),
        ),
        (
            "reset",
            render::document(|| {
                pages::reset(
                    &door("Set a password", "/reset"),
                    &ResetModel { sends_mail: true, ..ResetModel::default() },
                )
            }),
        ),
        ("admin", render::document(|| pages::admin(&admin("Admin", "/admin")))),
        ("users", render::document(|| pages::users(&admin("Users", "/admin/users"), &users()))),
        ("user-new", render::document(|| pages::user_form(&admin("New user", "/admin/users/new"), &user(None)))),
        ("user", render::document(|| pages::user_form(&admin("Mika Lind", "/admin/users/2"), &user(Some("2"))))),
        ("roles", render::document(|| pages::roles(&admin("Roles", "/admin/roles"), &roles()))),
        ("tokens", render::document(|| pages::tokens(&admin("Tokens", "/admin/tokens"), &tokens()))),
        (
            "revoke",
            render::document(|| {
                let token = token("grafana-ro", TokenStatus::Active);
                pages::revoke(&admin("Revoke grafana-ro", "/admin/tokens/1/revoke"), &RevokeModel { token })
            }),
        ),
        ("settings", render::document(|| pages::settings(&admin("Settings", "/admin/settings"), &settings()))),
        ("audit", render::document(|| pages::audit(&plain("Audit trail", "/audit", Some(Audit)), &audit()))),
        (
            "ended",
            render::document(|| {
                let model = ErrorModel {
                    status: 401,
                    what: String::new(),
                    hint: String::new(),
                    suggestions: Vec::new(),
                    retry_after_s: None,
                    id: "7f3a".into(),
                    retry_href: Some("/pools?q=eu".into()),
                };
                pages::error(&door("Your session ended", "/pools"), &model)
            }),
        ),
        ("overview", render::document(|| pages::overview(&overview_shell, &overview()))),
        ("oncall", render::document(|| pages::oncall(&oncall_shell, &live::oncall()))),
        ("oncall-calm", render::document(|| pages::oncall(&oncall_shell, &live::calm()))),
        ("oncall-kiosk", {
            let kiosk = ShellModel { kiosk: true, ..oncall_shell.clone() };
            render::document(|| pages::oncall(&kiosk, &live::oncall()))
        }),
        ("oncall-small", {
            let model = OnCallModel { map: Some(live::small_map(60)), ..live::oncall() };
            render::document(|| pages::oncall(&oncall_shell, &model))
        }),
        ("oncall-middle", {
            let model = OnCallModel { map: Some(live::small_map(1_200)), ..live::oncall() };
            render::document(|| pages::oncall(&oncall_shell, &model))
        }),
        ("debug", render::document(|| pages::debug(&debug_shell, &live::debug()))),
        ("debug-claim", {
            let twin = TraceModel { at_ms: NOW - 41_900, ..live::trace() };
            let model = ClaimTraceModel { trace: live::trace(), twin: Some(twin), events: live::events(5) };
            render::document(|| pages::claim_trace(&plain("7f3a9c04", "/debug/claims/7f3a9c04", Some(Debug)), &model))
        }),
        ("pool-map", render::document(|| pages::pool(&pool_shell, &pool(live::pool_map(None))))),
        ("pool-map-lit", {
            let lit = Some(headroom_frontend::slotmap::SlotState::Leaked);
            render::document(|| pages::pool(&pool_shell, &pool(live::pool_map(lit))))
        }),
        ("slot", {
            let shell = plain("Slot 4711", "/pools/ingress-eu/slots/4711", Some(Pools));
            render::document(|| pages::slot(&shell, &live::slot_page(true)))
        }),
        ("slot-used", {
            let shell = plain("Slot 4711", "/pools/ingress-eu/slots/4711", Some(Pools));
            render::document(|| pages::slot(&shell, &live::slot_page(false)))
        }),
        ("act", {
            let shell = plain("Reclaim slots", "/pools/ingress-eu/act/reclaim", Some(Pools));
            render::document(|| pages::act(&shell, &live::reclaim()))
        }),
        ("act-form", {
            let shell = plain("Cut a quota", "/pools/ingress-eu/act/cut-quota", Some(Pools));
            render::document(|| pages::act(&shell, &live::cut_quota()))
        }),
        ("kiosk", render::document(|| pages::overview(&kiosk, &overview()))),
        ("states", render::document(|| pages::overview(&noisy, &hurt))),
        ("pools", render::document(|| pages::pools(&pools_shell, &pools(false)))),
        ("pools-charts", render::document(|| pages::pools(&pools_shell, &pools(true)))),
        ("pool", render::document(|| pages::pool(&pool_shell, &pool(trend_tab())))),
        (
            "pool-tenants",
            render::document(|| {
                pages::pool(
                    &pool_shell,
                    &pool(PoolTab::Tenants(PoolTenants {
                        rows: use_rows(&TENANTS),
                        table: table("used", 41),
                        state: PanelState::Ready,
                    })),
                )
            }),
        ),
        ("pool-policy", render::document(|| pages::pool(&pool_shell, &pool(policy())))),
        (
            "pool-history",
            render::document(|| {
                pages::pool(
                    &pool_shell,
                    &pool(PoolTab::History(PoolHistory {
                        events: events(),
                        table: table("", 4),
                        state: PanelState::Ready,
                    })),
                )
            }),
        ),
        (
            "pool-new",
            render::document(|| {
                pages::pool_form(&plain("New pool", "/pools/new", Some(Pools)), &pool_form(FormMode::New, true))
            }),
        ),
        (
            "pool-edit",
            render::document(|| {
                pages::pool_form(
                    &plain("Edit ingress-eu", "/pools/ingress-eu/edit", Some(Pools)),
                    &pool_form(edit("ingress-eu"), false),
                )
            }),
        ),
        (
            "pool-archive",
            render::document(|| {
                pages::archive(
                    &plain("Archive ingress-eu", "/pools/ingress-eu/archive", Some(Pools)),
                    &ArchiveModel {
                        noun: ArchiveNoun::Pool,
                        subject: named("ingress-eu"),
                        archived: false,
                        effects: vec!["20,000 slots leave the totals from now on.".into()],
                        keeps: vec!["100 days of history stay readable.".into()],
                        version: "7".into(),
                        error: None,
                    },
                )
            }),
        ),
        (
            "planner",
            render::document(|| pages::planner(&plan("Planner", "/planner"), &planner::model(PlanView::Timeline))),
        ),
        (
            "planner-table",
            render::document(|| pages::planner(&plan("Planner", "/planner"), &planner::model(PlanView::Table))),
        ),
        (
            "planner-review",
            render::document(|| pages::draft_review(&plan("Review", "/planner/drafts/7f3a"), &planner::review())),
        ),
        (
            "planner-moved",
            render::document(|| pages::draft_review(&plan("Review", "/planner/drafts/7f3a"), &planner::moved())),
        ),
        (
            "planner-edit",
            render::document(|| {
                pages::reservation_form(&plan("Edit train", "/planner/edit"), &planner::form(FormTab::Fields))
            }),
        ),
        (
            "planner-occurrences",
            render::document(|| {
                pages::reservation_form(&plan("Edit train", "/planner/edit"), &planner::form(FormTab::Occurrences))
            }),
        ),
        (
            "planner-history",
            render::document(|| {
                pages::reservation_form(&plan("Edit train", "/planner/edit"), &planner::form(FormTab::History))
            }),
        ),
        (
            "planner-policy",
            render::document(|| pages::plan_policy(&plan("Policy", "/planner/policy"), &planner::policy())),
        ),
        (
            "planner-publications",
            render::document(|| {
                pages::publications(&plan("Publications", "/planner/publications"), &planner::publications())
            }),
        ),
        (
            "planner-import",
            render::document(|| pages::plan_import(&plan("Import", "/planner/import"), &planner::import())),
        ),
        (
            "planner-import-columns",
            render::document(|| pages::import_step(&plan("Import", "/planner/import"), &planner::import_columns())),
        ),
        (
            "planner-import-check",
            render::document(|| pages::import_step(&plan("Import", "/planner/import"), &planner::import_check())),
        ),
        (
            "planner-import-preview",
            render::document(|| pages::import_step(&plan("Import", "/planner/import"), &planner::import_preview())),
        ),
        (
            "waste",
            render::document(|| {
                let shell = plain("Reservation waste", "/waste", Some(RailEntry::Waste));
                pages::report(&shell, &reports::waste())
            }),
        ),
        (
            "reports",
            render::document(|| {
                pages::reports(&plain("Reports", "/reports", Some(RailEntry::Waste)), &reports::archive())
            }),
        ),
        ("tenants", render::document(|| pages::tenants(&tenants_shell, &tenants()))),
        ("tenant", render::document(|| pages::tenant(&tenant_shell, &tenant(share())))),
        ("tenant-metering", render::document(|| pages::tenant(&tenant_shell, &tenant(metering())))),
        (
            "tenant-history",
            render::document(|| {
                pages::tenant(
                    &tenant_shell,
                    &tenant(TenantTab::History(Box::new(TenantHistory {
                        events: events(),
                        table: table("", 4),
                        state: PanelState::Ready,
                    }))),
                )
            }),
        ),
        (
            "tenant-edit",
            render::document(|| {
                pages::tenant_form(
                    &plain("Edit acme-search", "/tenants/acme-search/edit", Some(Tenants)),
                    &TenantFormModel {
                        mode: edit("acme-search"),
                        form: TenantForm {
                            name: Field::of("Acme Search"),
                            slug: Field::of("acme-search"),
                            ..TenantForm::default()
                        },
                        quota: QuotaForm::default(),
                        quotas: vec![QuotaRow { subject: named("ingress-eu"), slots: 2_000, from_ms: NOW - 90 * DAY }],
                        pools: POOLS.iter().map(|slug| named(slug)).collect(),
                        error: None,
                        known_owners: vec![],
                    },
                )
            }),
        ),
        (
            "search",
            render::document(|| {
                pages::search(
                    &plain("Search", "/search", None),
                    &SearchModel {
                        q: "eu".into(),
                        pools: vec![named("ingress-eu")],
                        pools_total: 1,
                        tenants: vec![named("reuters")],
                        tenants_total: 1,
                    },
                )
            }),
        ),
        ("jobs", render::document(|| pages::jobs(&plain("Jobs", "/jobs", Some(Jobs)), &jobs()))),
        (
            "me",
            render::document(|| {
                pages::me(
                    &plain("Preferences", "/me", None),
                    &MeModel {
                        account: Some(account(TotpModel::Off { current: Field::default() })),
                        tz: Field::of("Europe/Berlin"),
                        theme: Theme::System,
                        density: Density::Cosy,
                        shortcuts: true,
                        letters: Some(true),
                        reports: Some(false),
                        zones: vec!["UTC".into()],
                    },
                )
            }),
        ),
        (
            "me-second-factor",
            render::document(|| {
                pages::me(
                    &plain("Account and preferences", "/me", None),
                    &MeModel {
                        account: Some(account(TotpModel::Begun {
                            secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".into(),
                            uri: "otpauth://totp/Headroom:dana@example.org?secret=JBSWY3DPEHPK3PXP".into(),
                            qr_svg: "<svg viewBox='0 0 4 4'><path fill='currentColor' d='M0 0h1v1H0zM2 0h2v2H2zM0 3h3v1H0z'/></svg>".into(),
                            code: Field { value: String::new(), error: Some("123456 is not the code of now; wait for the next one.".into()) },
                        })),
                        tz: Field::of("Europe/Berlin"),
                        theme: Theme::System,
                        density: Density::Cosy,
                        shortcuts: true,
                        letters: Some(true),
                        reports: Some(false),
                        zones: vec!["UTC".into()],
                    },
                )
            }),
        ),
        (
            "help",
            render::document(|| {
                pages::help(
                    &plain("Help", "/help", Some(Help)),
                    &HelpModel { base_url: "http://127.0.0.1:8080".into(), version: "0.1.0".into() },
                )
            }),
        ),
        (
            "shortcuts",
            render::document(|| pages::shortcuts(&plain("Keyboard shortcuts", "/help/shortcuts", Some(Help)))),
        ),
        (
            "error",
            render::document(|| {
                pages::error(
                    &plain("Nothing is here", "/pools/ingres-eu", None),
                    &ErrorModel {
                        status: 404,
                        what: "No pool called ingres-eu.".into(),
                        hint: String::new(),
                        suggestions: vec![Link { label: "ingress-eu".into(), href: "/pools/ingress-eu".into() }],
                        retry_after_s: None,
                        id: "7f3a".into(),
                        retry_href: None,
                    },
                )
            }),
        ),
    ]
}

fn jobs() -> JobsModel {
    let run = |name: &str, outcome, started: i64| JobRun {
        name: name.into(),
        outcome,
        started_ms: NOW - started,
        duration_ms: (outcome != JobOutcome::Running).then_some(1_840),
        done: Some(41_200_000),
        total: Some(64_400_000),
        unit: "rows".into(),
        message: if outcome == JobOutcome::Failed {
            "line 5412, column 9: found \"-3\", expected slots ≥ 0".into()
        } else {
            String::new()
        },
        href: Some("/jobs/plans".into()),
        due_ms: None,
        asked_by: None,
        server: None,
    };
    JobsModel {
        scheduled: vec![
            ScheduledJob {
                name: "roll-up".into(),
                purpose: "sums minutes to hours and days".into(),
                period_ms: 60_000,
                why: "pages are at most so much later than the samples".into(),
                running_since_ms: None,
                server: None,
                asked_by: None,
                may_run: false,
                last: Some(run("roll-up", JobOutcome::Succeeded, 32_000)),
                next_ms: Some(NOW + 28_000),
            },
            ScheduledJob {
                name: "partitions".into(),
                purpose: "makes and drops history partitions".into(),
                period_ms: HOUR,
                why: "partitions exist eight days ahead".into(),
                running_since_ms: Some(NOW - 3_000),
                server: Some("http://10.0.0.7:8080".into()),
                asked_by: None,
                may_run: true,
                last: None,
                next_ms: Some(NOW + HOUR),
            },
        ],
        runs: vec![
            run("import swf KTH-SP2.swf", JobOutcome::Running, 180_000),
            run("import occupancy eu.csv", JobOutcome::Failed, 2 * HOUR),
            run("import changes.csv", JobOutcome::Partial, DAY),
        ],
        table: table("", 3),
        state: PanelState::Ready,
    }
}

fn login() -> LoginModel {
    let demo = |role: &str, sees: &str, email: &str| DemoAccount {
        role: role.into(),
        sees: sees.into(),
        email: email.into(),
        password: "demo".into(),
    };
    LoginModel {
        email: Field::of("dana@example.org"),
        error: Some("The address or the password is wrong.".into()),
        asks_code: true,
        next: "/pools".into(),
        sso: Some("Example ID".into()),
        insecure: true,
        demo: vec![
            demo("Admin", "Everything, with people and settings.", "admin@demo.example"),
            demo("Tenant viewer", "One tenant and nothing of the others.", "acme@demo.example"),
        ],
    }
}

fn account(totp: TotpModel) -> AccountModel {
    let session = |id: &str, agent: &str, current| SessionRow {
        id: id.into(),
        agent: agent.into(),
        address: "192.0.2.17".into(),
        since_ms: NOW - 3 * DAY,
        seen_ms: NOW - 95_000,
        current,
    };
    AccountModel {
        name: "Dana Okafor".into(),
        email: "dana@example.org".into(),
        roles: vec![
            "Admin: manages people, tokens and settings, and may do everything else".into(),
            "On-call engineer: answers alerts".into(),
        ],
        tenants: vec!["acme-search".into()],
        has_password: true,
        current: Field::default(),
        password: Field { value: String::new(), error: Some("found 4 characters, expected at least 10".into()) },
        totp,
        sessions: vec![session("1", "Firefox 145 on Linux", true), session("2", "Chrome 142 on Android", false)],
    }
}

fn users() -> UsersModel {
    let row = |id: &str, name: &str, roles: &str, seen: Option<i64>, disabled, invited| UserRow {
        id: id.into(),
        name: name.into(),
        email: format!("{}@example.org", name.to_lowercase().replace(' ', ".")),
        roles: roles.into(),
        seen_ms: seen.map(|ago| NOW - ago),
        sessions: i64::from(seen.is_some()),
        disabled,
        invited,
    };
    UsersModel {
        rows: vec![
            row("1", "Dana Okafor", "Admin, On-call engineer", Some(126_000), false, false),
            row("2", "Mika Lind", "Planner", Some(2 * DAY), true, false),
            row("3", "Noor Haddad", "Tenant viewer", None, false, true),
        ],
        table: table("", 3),
        state: PanelState::Ready,
    }
}

fn choices(words: &[(&str, &str, &str)]) -> Vec<RoleChoice> {
    words
        .iter()
        .enumerate()
        .map(|(index, (word, label, allows))| RoleChoice {
            word: (*word).into(),
            label: (*label).into(),
            allows: (*allows).into(),
            chosen: index == 1,
        })
        .collect()
}

fn user(id: Option<&str>) -> UserFormModel {
    UserFormModel {
        id: id.map(str::to_owned),
        name: Field::of(if id.is_some() { "Mika Lind" } else { "" }),
        email: Field::of(if id.is_some() { "mika@example.org" } else { "" }),
        roles: choices(&[
            ("viewer", "Viewer", "Sees capacity, use and money."),
            ("planner", "Planner", "Changes pools, tenants and what is promised to them."),
            ("tenant-viewer", "Tenant viewer", "Sees its own tenants and nothing of the others."),
        ]),
        roles_error: id.is_none().then(|| "choose at least one role".into()),
        tenants: Field::default(),
        version: "3".into(),
        error: None,
        disabled: false,
        totp: true,
        sessions: 2,
        seen_ms: Some(NOW - HOUR),
        code: id.map(|_| ShownOnce {
            secret: "K7QD-2MXP-9RTA".into(),
            hint: "Hand it to Mika Lind, who enters it at /reset and chooses a password.".into(),
            expires_ms: Some(NOW + DAY),
        }),
        sends_mail: false,
        changes: vec![event(EventKind::Edit, 1, "update: roles viewer → viewer, planner", Some("Dana Okafor"), None)],
    }
}

fn roles() -> RolesModel {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RolesModel {
        roles: names(&["Viewer", "On-call engineer", "Planner", "Admin", "Tenant viewer"]),
        rows: vec![
            ("see capacity".into(), vec![true, true, true, true, true]),
            ("change pools and tenants".into(), vec![false, false, true, true, false]),
        ],
        scopes: names(&["Read", "Ingest", "Allocate", "Plan", "Alert", "Admin"]),
        scope_rows: vec![("send samples".into(), vec![false, true, false, false, false, false])],
    }
}

fn token(name: &str, status: TokenStatus) -> TokenRow {
    TokenRow {
        id: name.into(),
        name: name.into(),
        prefix: "hr_4f2a91".into(),
        scopes: "Read".into(),
        limits: "ingress-eu, stream-01".into(),
        made_by: "Dana Okafor".into(),
        expires_ms: Some(NOW + 60 * DAY),
        used_ms: Some(NOW - 11_000),
        used_by: "Grafana/11.3".into(),
        status,
    }
}

fn tokens() -> TokensModel {
    TokensModel {
        rows: vec![
            token("grafana-ro", TokenStatus::Active),
            token("edge-ingest", TokenStatus::Expiring),
            TokenRow { used_ms: None, limits: String::new(), ..token("old-import", TokenStatus::Revoked) },
        ],
        table: table("", 3),
        form: TokenForm {
            days: Field::of("90"),
            scopes: choices(&[
                ("read", "Read", "Reading what viewers see."),
                ("ingest", "Ingest", "Sending samples and change events."),
            ]),
            ..TokenForm::default()
        },
        made: Some(ShownOnce {
            secret: "hr_4f2a91c07d5be8136a0f9be2417c5d83e6b1f4a2".into(),
            hint: "Send it as the header Authorization: Bearer, and keep it where the program keeps its secrets."
                .into(),
            expires_ms: Some(NOW + 90 * DAY),
        }),
        changes: vec![event(EventKind::Edit, 1, "grafana-ro: create", Some("Dana Okafor"), None)],
    }
}

fn settings() -> SettingsModel {
    SettingsModel {
        ack_needs_note: false,
        half_life_hours: Field::of("168"),
        name: Field::of("Acme"),
        currency: Field { value: "euro".into(), error: Some("found euro, expected three letters such as EUR".into()) },
        zone: Field::of("Europe/Berlin"),
        money: true,
        zones: vec!["UTC".into(), "Europe/Berlin".into()],
        error: None,
        changes: vec![event(EventKind::Edit, 1, "update: currency USD → EUR", Some("Dana Okafor"), None)],
    }
}

fn audit() -> AuditModel {
    let row = |number: i64, action: &str, object: &str, subject: &str, changes: &[(&str, &str, &str)], reason: &str| {
        AuditRow {
            number,
            at_ms: NOW - (88_200 - number) * HOUR,
            actor: "Dana Okafor".into(),
            source: "page".into(),
            address: "192.0.2.17".into(),
            action: action.into(),
            object: object.into(),
            subject: subject.into(),
            href: (object == "pool").then(|| format!("/pools/{subject}")),
            changes: changes.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect(),
            reason: reason.into(),
        }
    };
    AuditModel {
        rows: vec![
            row(
                88_123,
                "update",
                "pool",
                "ingress-eu",
                &[
                    ("owner", "", "platform"),
                    ("unit cost", "0.0120", "0.0125"),
                    ("runbook", "https://wiki.example.org/old/ingress", "https://wiki.example.org/ingress"),
                ],
                "new contract",
            ),
            row(88_122, "sign-in", "session", "", &[], ""),
            row(88_121, "set quota", "tenant", "acme-search", &[("most slots", "2000", "1800")], ""),
        ],
        actor: String::new(),
        action: "update".into(),
        object: String::new(),
        actions: vec!["update".into(), "sign-in".into()],
        objects: vec!["pool".into(), "tenant".into()],
        table: table("", 88_123),
        own_only: false,
        state: PanelState::Ready,
    }
}
