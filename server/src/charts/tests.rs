//! What every chart must hold, and goldens of the usual ones.

use super::*;
use headroom_domain::localtime::{Transition, ZoneSlice};
use headroom_domain::occupancy::Sums;
use headroom_domain::pool::{OCCUPANCY_CRIT, OCCUPANCY_WARN};
use headroom_domain::series::Bucket;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use proptest::prelude::*;

/// 2026-11-21T08:41:00Z.
const NOW: Millis = 1_795_250_460_000;

fn berlin() -> ZoneSlice {
    ZoneSlice::new(
        "Europe/Berlin",
        vec![
            Transition { utc_ms: 1_774_746_000_000, offset_s: 7200, abbr: "CEST".into() },
            Transition { utc_ms: 1_792_890_000_000, offset_s: 3600, abbr: "CET".into() },
        ],
    )
}

/// A day's wave that grows, with a ripple; a share of capacity.
fn wave(at: Millis) -> f64 {
    let day = (at % DAY_MS) as f64 / DAY_MS as f64 * std::f64::consts::TAU;
    let growth = (at - (NOW - 45 * DAY_MS)) as f64 / (45 * DAY_MS) as f64;
    let ripple = ((at / HOUR_MS * 7919) % 97) as f64 / 97.0;
    0.58 - 0.13 * day.cos() + 0.08 * growth + 0.05 * ripple
}

/// Buckets of 1,000 slots over `[from, to)`; `share` gives the occupancy, `None` where nothing was seen.
fn buckets(from: Millis, to: Millis, step: Millis, share: impl Fn(Millis) -> Option<f64>) -> Vec<Bucket> {
    let edges = headroom_domain::series::boundaries(from, to, step, &berlin());
    edges
        .windows(2)
        .map(|edge| {
            let seen = (edge[1].min(NOW) - edge[0]).max(0);
            let Some(share) = share(edge[0]).filter(|_| seen > 0) else {
                return Bucket { from_ms: edge[0], to_ms: edge[1], sums: Sums::default(), least: None, peak: None };
            };
            let rejections = if share > 0.72 { ((share - 0.72) * 900.0) as i64 } else { 0 };
            let sums = Sums {
                capacity_slot_ms: 1_000 * seen,
                occupied_slot_ms: (share * 1_000.0) as i64 * seen,
                reserved_slot_ms: 300 * seen,
                observed_ms: seen,
                max_occupied: (share * 1_080.0) as i64,
                claims: 40_000,
                rejections,
                ..Sums::default()
            };
            Bucket {
                from_ms: edge[0],
                to_ms: edge[1],
                sums,
                least: Some(share * 0.9),
                peak: Some((share * 1.12).min(share.max(1.0))),
            }
        })
        .collect()
}

fn events() -> Vec<Annotation> {
    let mut events = clock_changes(&berlin(), NOW - 45 * DAY_MS, NOW);
    events.push(Annotation { at_ms: NOW - 9 * DAY_MS, text: "+1,200 slots stream-01".into() });
    events.push(Annotation { at_ms: NOW - 9 * DAY_MS + 2 * HOUR_MS, text: "deploy".into() });
    events.push(Annotation { at_ms: NOW - 8 * DAY_MS, text: "deploy".into() });
    events
}

fn frame<'a>(
    id: &'a str,
    from_ms: Millis,
    to_ms: Millis,
    zone: &'a ZoneSlice,
    annotations: &'a [Annotation],
) -> Frame<'a> {
    Frame { id, title: "Global occupancy trend", from_ms, to_ms, now_ms: NOW, zone, annotations }
}

fn trend_45_days() -> ChartSpec {
    let (from, zone, events) = (NOW - 45 * DAY_MS, berlin(), events());
    let gap = NOW - 11 * DAY_MS..NOW - 11 * DAY_MS + 9 * HOUR_MS;
    let data = buckets(from, NOW, 2 * HOUR_MS, |at| (!gap.contains(&at)).then(|| wave(at)));
    occupancy(&frame("occupancy", from, NOW, &zone, &events), &data, OCCUPANCY_WARN, OCCUPANCY_CRIT)
}

fn over_capacity_6_hours() -> ChartSpec {
    let (from, zone) = (NOW - 6 * HOUR_MS, berlin());
    let gap = NOW - 200 * MINUTE_MS..NOW - 175 * MINUTE_MS;
    let data = buckets(from, NOW + 4 * MINUTE_MS, 5 * MINUTE_MS, |at| {
        (!gap.contains(&at)).then(|| 0.9 + 0.14 * ((at - from) as f64 / HOUR_MS as f64).sin())
    });
    occupancy(&frame("over", from, NOW + HOUR_MS, &zone, &[]), &data, OCCUPANCY_WARN, OCCUPANCY_CRIT)
}

fn slots_7_days() -> ChartSpec {
    let (from, zone) = (NOW - 7 * DAY_MS, berlin());
    let mut data = buckets(from, NOW, HOUR_MS, |at| Some(wave(at)));
    for bucket in data.iter_mut().filter(|b| b.from_ms > NOW - 3 * DAY_MS) {
        bucket.sums.capacity_slot_ms = bucket.sums.capacity_slot_ms * 6 / 5;
    }
    ChartSpec { title: "Slots".into(), ..slots(&frame("slots", from, NOW, &zone, &[]), &data) }
}

fn rejections_2_days() -> ChartSpec {
    let (from, zone) = (NOW - 2 * DAY_MS, berlin());
    let data = buckets(from, NOW + 10 * MINUTE_MS, HOUR_MS, |at| Some(wave(at)));
    ChartSpec { title: "Rejected claims".into(), ..rejections(&frame("rejections", from, NOW, &zone, &[]), &data) }
}

fn lag_24_hours() -> ChartSpec {
    let (from, zone) = (NOW - DAY_MS, berlin());
    let samples: Vec<SignalSample> = (0..288)
        .map(|i| {
            let from_ms = from + i * 5 * MINUTE_MS;
            let mean = 3_000.0 + 2_500.0 * (i as f64 / 20.0).sin() + if i == 200 { 9_000.0 } else { 0.0 };
            let open = i > 270;
            SignalSample {
                from_ms,
                to_ms: from_ms + 5 * MINUTE_MS,
                mean: (!open).then_some(mean),
                least: Some(mean * 0.8),
                greatest: Some(mean * 1.3),
            }
        })
        .collect();
    ChartSpec {
        title: "Consumer lag".into(),
        ..signal(&frame("lag", from, NOW, &zone, &[]), "Consumer lag", "messages", &samples)
    }
}

fn pools_30_days() -> ChartSpec {
    let (from, zone) = (NOW - 30 * DAY_MS, berlin());
    let shifted = |by: f64| buckets(from, NOW, DAY_MS, move |at| Some(wave(at + (by * 7.0) as i64 * HOUR_MS) * by));
    let data = [shifted(1.0), shifted(0.7), shifted(1.2)];
    let lines: Vec<(&str, &[Bucket])> = vec![("ingress-eu", &data[0]), ("stream-01", &data[1]), ("batch-us", &data[2])];
    ChartSpec { title: "Pools".into(), ..occupancy_lines(&frame("pools", from, NOW, &zone, &[]), &lines) }
}

fn all() -> Vec<ChartSpec> {
    vec![trend_45_days(), over_capacity_6_hours(), slots_7_days(), rejections_2_days(), lag_24_hours(), pools_30_days()]
}

fn golden(name: &str, text: &str) {
    // One element per line, so that a difference can be read.
    let lines = text.replace("><", ">\n<");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, lines);
    });
}

#[test]
fn goldens() {
    for spec in [over_capacity_6_hours(), rejections_2_days(), pools_30_days()] {
        golden(&format!("{}-wide", spec.id), &render(&spec, Variant::Wide));
    }
    golden("slots-compact", &render(&slots_7_days(), Variant::Compact));
    golden("occupancy-mini", &render(&trend_45_days(), Variant::Mini));
    let values: Vec<Option<f64>> = (0..30).map(|i| (i != 7).then(|| f64::from(i * i % 17) / 20.0)).collect();
    golden("sparkline", &sparkline(&values, Unit::Ratio));
}

#[test]
fn descriptions() {
    let words: Vec<String> = all().iter().map(|s| format!("{}: {}", s.id, describe(s))).collect();
    golden("descriptions", &words.join("\n").replace('\u{202F}', " "));
}

/// What no drawing may contain, and what every one must.
fn check(spec: &ChartSpec, variant: Variant) {
    let drawing = draw(spec, variant);
    let svg = &drawing.svg;
    let id = format!("{}-{}", spec.id, variant.slug());
    assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf,"), "{svg}");
    let hex = svg.match_indices("\"#").map(|(at, _)| svg[at..].chars().take(9).collect::<String>()).next();
    assert_eq!(hex, None, "a colour was written");
    assert!(!svg.contains("style=") && !svg.contains("rotate(9") && !svg.contains("<script"), "{svg}");
    assert!(svg.contains(&format!("aria-labelledby=\"{id}-title {id}-desc\"")), "{svg}");
    let (width, height) = variant.size();
    assert!(svg.contains(&format!("width=\"{width}\" height=\"{height}\"")));
    for (i, a) in drawing.boxes.iter().enumerate() {
        assert!(
            a.0 >= -0.5 && a.2 <= f64::from(width) + 0.5 && a.1 >= -0.5 && a.3 <= f64::from(height) + 0.5,
            "{a:?} leaves {variant:?}\n{svg}"
        );
        for b in &drawing.boxes[i + 1..] {
            assert!(!(a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3), "{a:?} covers {b:?} in {variant:?}\n{svg}");
        }
    }
    for size in svg.split("font-size=\"").skip(1) {
        let px: f64 = size.split('"').next().expect("an attribute ends").parse().expect("a number");
        assert!(px >= 10.99, "{px} CSS pixels are too small to read");
    }
    let plot = drawing.plot;
    assert!(
        plot.left < plot.right && plot.top < plot.bottom && plot.right <= width && plot.bottom <= height,
        "{plot:?}"
    );
}

#[test]
fn every_chart_holds_at_every_width() {
    for spec in all() {
        for variant in Variant::ALL {
            check(&spec, variant);
            assert_eq!(render(&spec, variant), render(&spec, variant));
        }
    }
}

#[test]
fn a_value_above_capacity_is_inside_the_axis() {
    let drawing = draw(&over_capacity_6_hours(), Variant::Wide);
    let full = drawing.svg.split("var(--hr-text-2)").nth(1).expect("the line that means full is drawn");
    let y: f64 = full
        .split(" d=\"M")
        .nth(1)
        .and_then(|d| d.split([' ', 'l']).nth(1))
        .expect("a path")
        .parse()
        .expect("a number");
    assert!(y / 4.0 > f64::from(drawing.plot.top) + 10.0, "the axis goes on above 100 %: {y}");
}

#[test]
fn a_pair_of_charts_fits_its_budget() {
    use std::io::Write;
    for spec in all() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        for variant in [Variant::Compact, Variant::Wide] {
            packed.write_all(render(&spec, variant).as_bytes()).expect("memory is writable");
        }
        let bytes = packed.finish().expect("memory is writable").len();
        assert!(bytes <= 12_000, "{} takes {bytes} bytes of 12,000", spec.id);
    }
}

#[test]
fn markup_in_names_stays_text() {
    let evil = "</svg><script>alert(1)</script>\"'&\u{0}";
    let mut spec = pools_30_days();
    spec.title = evil.into();
    spec.id = "a\"><script>".into();
    spec.axis = Axis::Number { unit: evil.into() };
    spec.lines.iter_mut().for_each(|l| l.name = evil.into());
    spec.annotations = vec![Annotation { at_ms: NOW - DAY_MS, text: evil.into() }];
    for variant in Variant::ALL {
        let svg = render(&spec, variant);
        assert!(!svg.contains("<script") && !svg.contains('\u{0}'), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert_eq!(svg.matches("<title").count(), 1);
    }
}

#[test]
fn nothing_at_all_can_be_drawn() {
    let zone = ZoneSlice::utc();
    let empty = occupancy(&frame("none", NOW - DAY_MS, NOW, &zone, &[]), &[], 0.8, 0.95);
    assert_eq!(describe(&empty), "No data in this range.");
    for variant in Variant::ALL {
        check(&empty, variant);
    }
    check(&ChartSpec { lines: Vec::new(), ..empty }, Variant::Wide);
    assert!(sparkline(&[], Unit::Ratio).contains("no data"));
}

#[test]
fn the_table_holds_every_interval_and_the_peak() {
    let spec = trend_45_days();
    let chart = chart(&spec, &[Variant::Compact, Variant::Wide]);
    assert_eq!(chart.columns.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), ["Average", "Peak"]);
    assert_eq!(chart.rows.len(), spec.lines[0].points.len());
    assert!(chart.rows.iter().any(|r| r.values == [None, None]));
    let letters: Vec<&str> = chart.annotations.iter().map(|(l, _)| l.as_str()).collect();
    assert_eq!(letters, ["A", "B", "C", "D"]);
    assert_eq!(chart.annotations[0].1.text, "Clock change: 03:00 becomes 02:00 (CET)");
}

#[test]
fn missing_time_is_hatched_and_said() {
    let spec = over_capacity_6_hours();
    let svg = render(&spec, Variant::Wide);
    assert!(svg.contains("fill=\"url(#over-wide-gap)\"") && svg.contains("no data 06:"), "{svg}");
    assert!(describe(&spec).contains("no data 06:"), "{}", describe(&spec));
}

/// Any number a source could send, the impossible ones included.
fn any_value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (-0.5_f64..1.5).prop_map(Some),
        1 => Just(None),
        1 => any::<f64>().prop_map(Some),
        1 => (0.0_f64..1e9).prop_map(Some),
    ]
}

fn any_line() -> impl Strategy<Value = Line> {
    let point = (0_i64..20 * DAY_MS, -5 * MINUTE_MS..DAY_MS, any_value(), any_value(), any_value(), any::<bool>());
    (
        "\\PC{0,24}",
        prop::sample::select(vec![Mark::Line, Mark::Step, Mark::HatchedStep, Mark::Bars]),
        0_usize..7,
        any::<bool>(),
        prop::collection::vec(point, 0..60),
    )
        .prop_map(|(name, mark, colour, band, points)| Line {
            name,
            mark,
            colour: Colour::SERIES.get(colour).copied().unwrap_or(Colour::Other),
            unit: Unit::Number,
            envelope: band.then(|| Envelope { legend: "band".into(), upper: "Peak".into(), unit: Unit::Number }),
            points: points
                .into_iter()
                .map(|(back, length, value, low, high, incomplete)| Point {
                    from_ms: NOW - back,
                    to_ms: NOW - back + length,
                    value,
                    low,
                    high,
                    incomplete,
                })
                .collect(),
        })
}

fn any_spec() -> impl Strategy<Value = ChartSpec> {
    let axis = prop_oneof![
        Just(Axis::Occupancy),
        Just(Axis::Slots),
        "\\PC{0,40}".prop_map(|unit| Axis::Count { unit }),
        "\\PC{0,40}".prop_map(|unit| Axis::Number { unit }),
    ];
    (
        prop::collection::vec(any_line(), 0..5),
        axis,
        prop_oneof![0_i64..HOUR_MS, 0_i64..40 * DAY_MS, any::<i64>()],
        prop_oneof![0_i64..DAY_MS, any::<i64>()],
        prop::collection::vec(
            (0_i64..30 * DAY_MS).prop_map(|back| Annotation { at_ms: NOW - back, text: "x".into() }),
            0..40,
        ),
        prop::collection::vec(prop_oneof![0.0_f64..2.0, any::<f64>()], 0..4),
    )
        .prop_map(|(lines, axis, span, ahead, annotations, thresholds)| ChartSpec {
            id: "any".into(),
            title: "any".into(),
            from_ms: NOW.saturating_sub(span),
            to_ms: NOW.saturating_add(ahead),
            now_ms: NOW,
            zone: berlin(),
            axis,
            thresholds: thresholds.into_iter().map(|from| Threshold { from, level: Level::Warn }).collect(),
            lines,
            annotations,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn anything_can_be_drawn_and_no_text_covers_another(spec in any_spec(), variant in prop::sample::select(Variant::ALL.to_vec())) {
        check(&spec, variant);
        let _ = chart(&spec, &[variant]);
    }

    #[test]
    fn any_sparkline_can_be_drawn(values in prop::collection::vec(any_value(), 0..400)) {
        let svg = sparkline(&values, Unit::Number);
        prop_assert!(!svg.contains("NaN") && !svg.contains("\"#"));
    }
}

/// Every chart of this file at every width on one page per theme, for eyes: `HEADROOM_CHARTS=FOLDER cargo test -p
/// headroom-server --lib charts -- --ignored`.
#[test]
#[ignore = "writes pages to look at"]
fn pages_to_look_at() {
    let Ok(folder) = std::env::var("HEADROOM_CHARTS") else { return };
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
    let tokens = std::fs::read_to_string(format!("{assets}/tokens.css")).expect("the tokens are in assets");
    let font = format!(
        "@font-face{{font-family:'Inter Variable';src:url(file://{assets}/fonts/inter-latin-wght-normal.woff2);font-weight:100 900}}"
    );
    let rest = "body{margin:16px;background:var(--hr-surface);color:var(--hr-text);font:14px var(--hr-font);font-variant-numeric:tabular-nums}svg{margin:6px}";
    let mut body = String::new();
    for spec in all() {
        body.extend(["<h3>", &spec.id, "</h3><p>", &describe(&spec), "</p>"]);
        for variant in Variant::ALL {
            body.push_str(&render(&spec, variant));
        }
    }
    let values: Vec<Option<f64>> =
        (0..60).map(|i| (i != 17).then(|| wave(NOW - f64::from(i) as i64 * 5 * HOUR_MS))).collect();
    body.push_str(&sparkline(&values, Unit::Ratio));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for theme in ["light", "dark"] {
        let page = format!(
            "<!doctype html><html data-theme={theme}><meta charset=utf-8><style>{font}{tokens}{rest}</style>{body}</html>"
        );
        std::fs::write(format!("{folder}/{theme}.html"), page).expect("a page can be written");
    }
}
