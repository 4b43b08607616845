//! Sample of the planner: a week with four tenants and a draft that promises too much.

use headroom_frontend::model::*;

use super::{DAY, HOUR, named};

/// 24 Nov 2026, 00:00 in Berlin.
const FROM: i64 = 1_795_474_800_000;
const WEEK: i64 = 8 * DAY;

fn part(ms: i64) -> f64 {
    ms as f64 / WEEK as f64
}

fn span(from_h: i64, to_h: i64) -> Span {
    Span { start: part(from_h * HOUR), size: part((to_h - from_h) * HOUR) }
}

fn steps(pairs: &[(i64, i64)]) -> Vec<StripStep> {
    pairs
        .iter()
        .map(|(hour, value)| StripStep { at: part(hour * HOUR), at_ms: FROM + hour * HOUR, value: *value })
        .collect()
}

fn strip() -> StripModel {
    StripModel {
        top: 1_400,
        promised: steps(&[(0, 400), (72, 650), (96, 1_250), (132, 850), (156, 120), (184, 0)]),
        before: steps(&[(0, 400), (72, 650), (96, 1_100), (132, 700), (156, 120), (184, 0)]),
        limit: steps(&[(0, 1_200)]),
        over: vec![AxisPart { at: span(96, 132), label: "over by 50".into() }],
        peak: "1,250 of 1,200".into(),
        limit_label: "capacity 1,200".into(),
        said: "Promised at most 1,250 of 1,200 slots; over by 50 from 28 Nov 00:00 to 29 Nov 12:00.".into(),
    }
}

fn bar(name: &str, from_h: i64, to_h: i64, slots: i64, label: &str) -> PlanBar {
    PlanBar {
        reservation: format!("00000000-0000-0000-0000-{from_h:012}"),
        name: name.into(),
        at: span(from_h, to_h),
        lane: 0,
        from_ms: FROM + from_h * HOUR,
        to_ms: Some(FROM + to_h * HOUR),
        slots,
        label: label.into(),
        said: format!("28 Nov 00:00 to 30 Nov 12:00, {} h", to_h - from_h),
        kind: PlanBarKind::Guaranteed,
        mark: PlanMark::None,
        was: None,
        parts: Vec::new(),
        lead: 0.0,
        opens_before: false,
        opens_after: false,
        repeats: false,
        may_move: true,
    }
}

fn track(tenant: &str, lanes: u32, bars: Vec<PlanBar>) -> Track {
    Track { tenant: named(tenant), lanes, bars }
}

fn timeline() -> TimelineModel {
    let days = ["Tue 24", "Wed 25", "Thu 26", "Fri 27", "Sat 28", "Sun 29", "Mon 30", "Tue 1"];
    let major = days
        .iter()
        .enumerate()
        .map(|(day, label)| AxisPart { at: span(day as i64 * 24, day as i64 * 24 + 24), label: (*label).into() });
    let minor = (0..16).map(|half| AxisPart {
        at: span(half * 12, half * 12 + 12),
        label: if half % 2 == 0 { String::new() } else { "12".into() },
    });
    TimelineModel {
        from_ms: FROM,
        to_ms: FROM + WEEK,
        major: major.collect(),
        minor: minor.collect(),
        weekends: vec![span(96, 144)],
        now: Some(part(10 * HOUR)),
        jumps: vec![ClockJump { at: part(122 * HOUR), label: "−1 h".into(), title: "Clocks go back".into() }],
        tracks: vec![
            track(
                "acme-search",
                1,
                vec![PlanBar { opens_before: true, ..bar("search", 0, 132, 400, "400 · guaranteed") }],
            ),
            track(
                "billing",
                2,
                vec![
                    PlanBar { lead: part(5 * HOUR), ..bar("month-end", 72, 132, 250, "250 · guaranteed") },
                    PlanBar { lane: 1, kind: PlanBarKind::Burst, ..bar("reports", 96, 120, 80, "80 · burst") },
                ],
            ),
            track(
                "ml-batch",
                1,
                vec![PlanBar {
                    mark: PlanMark::Conflict,
                    was: Some(span(90, 150)),
                    ..bar("train", 96, 156, 600, "600 · guaranteed (was 450)")
                }],
            ),
            track(
                "checkout",
                1,
                vec![PlanBar {
                    mark: PlanMark::Draft,
                    parts: vec![AxisPart { at: Span { start: 0.5, size: 0.2 }, label: "40".into() }],
                    ..bar("peak", 150, 184, 120, "120")
                }],
            ),
            track(
                "a-tenant-with-a-very-long-name",
                1,
                vec![PlanBar {
                    kind: PlanBarKind::Cancelled,
                    mark: PlanMark::Draft,
                    ..bar("old", 20, 60, 60, "60 · cancelled")
                }],
            ),
        ],
        strip: strip(),
        bars_left: 0,
    }
}

fn head() -> DraftHead {
    DraftHead {
        id: "7f3a".into(),
        name: "Q4 peak".into(),
        owner: None,
        version: "4".into(),
        changes: 3,
        conflicts: 1,
        saved: "09:41".into(),
        can_undo: true,
        can_redo: true,
        may_edit: true,
    }
}

fn row(name: &str, tenant: &str, slots: &str, mark: PlanMark) -> PlanRow {
    PlanRow {
        reservation: name.into(),
        name: name.into(),
        tenant: named(tenant),
        slots: slots.into(),
        slots_was: (mark == PlanMark::Conflict).then(|| "450".into()),
        kind: "guaranteed".into(),
        start: "2026-11-28 00:00".into(),
        end: "2026-11-30 12:00".into(),
        length: "60 h".into(),
        zone: "Europe/Berlin".into(),
        repeat: if name == "reports" { "every week on Mon, Fri".into() } else { String::new() },
        more: vec![("ceiling".into(), "700".into()), ("lead".into(), "30 min".into())],
        state: "approved".into(),
        mark,
        problem: (mark == PlanMark::Conflict).then(|| "over capacity by 50".into()),
        edit_href: Some("/planner-edit.html".into()),
        cells: cells(name, tenant, slots, mark),
    }
}

fn cells(name: &str, tenant: &str, slots: &str, mark: PlanMark) -> Vec<PlanCell> {
    let fault = || PlanCellFault {
        typed: "2026-11-27 12:00".into(),
        text: "Found \u{201c}2026-11-27T12:00\u{201d}, expected a time after the start.".into(),
    };
    [
        ("name", name),
        ("tenant", tenant),
        ("slots", slots),
        ("kind", "guaranteed"),
        ("start", "2026-11-28 00:00"),
        ("end", "2026-11-30 12:00"),
        ("repeat", ""),
        ("zone", "Europe/Berlin"),
    ]
    .into_iter()
    .map(|(field, text)| PlanCell {
        field,
        text: text.into(),
        fault: (field == "end" && mark == PlanMark::Draft).then(fault),
    })
    .collect()
}

pub(super) fn model(view: PlanView) -> PlannerModel {
    PlannerModel {
        pool: Some(named("stream-01")),
        pools: ["ingress-eu", "stream-01", "ci-runners"].iter().map(|slug| named(slug)).collect(),
        view,
        zoom: PlanZoom::Week,
        range: "24 Nov – 1 Dec 2026".into(),
        from: "2026-11-24".into(),
        to: "2026-12-02".into(),
        earlier: "2026-11-17".into(),
        later: "2026-12-01".into(),
        may_plan: true,
        draft: Some(head()),
        drafts: vec![Link { label: "Draft “Spring” of Mika Lind".into(), href: "/planner".into() }],
        timeline: timeline(),
        rows: vec![
            row("search", "acme-search", "400", PlanMark::None),
            row("train", "ml-batch", "600", PlanMark::Conflict),
            row("reports", "billing", "80", PlanMark::Draft),
        ],
        rows_left: 0,
        review: Some(review()),
        refused: None,
        sheet: (view == PlanView::Table).then(SheetModel::default),
        ical_href: "/x".into(),
        csv_href: "/x".into(),
    }
}

fn field(label: &str, was: &str, becomes: &str) -> ChangedField {
    ChangedField { label: label.into(), was: was.into(), becomes: becomes.into() }
}

fn change(name: &str, tenant: &str, verb: ChangeVerb, fields: Vec<ChangedField>) -> ChangeRow {
    ChangeRow {
        reservation: name.into(),
        name: name.into(),
        tenant: tenant.into(),
        when: "28 Nov 00:00 – 30 Nov 12:00".into(),
        verb,
        fields,
        edit_href: "/planner-edit.html".into(),
    }
}

fn figure(label: &str, before: &str, after: &str, is_better: Option<bool>) -> EffectFigure {
    EffectFigure { label: label.into(), before: before.into(), after: after.into(), is_better }
}

pub(super) fn review() -> ReviewModel {
    let figures = || {
        vec![
            figure("Saturated", "12 min", "3 h 10 min", Some(false)),
            figure("Unmet slot-hours", "4.1", "61.0", Some(false)),
            figure("Borrowed", "120", "80", None),
            figure("Wasted", "310", "290", Some(true)),
            figure("Cost", "€ 1,200.00", "€ 1,650.00", Some(false)),
        ]
    };
    ReviewModel {
        draft: head(),
        pool: Some(named("stream-01")),
        changes: vec![
            change(
                "train",
                "ml-batch",
                ChangeVerb::Edit,
                vec![field("slots", "450", "600"), field("ceiling", "", "700")],
            ),
            change("peak", "checkout", ChangeVerb::Create, Vec::new()),
            change("old", "a-tenant-with-a-very-long-name", ChangeVerb::Cancel, Vec::new()),
        ],
        effect: Some(EffectModel {
            strip: strip(),
            ends: ("24 Nov".into(), "2 Dec".into()),
            basis: "Replay of the last 8 weeks through the rules of the allocator.".into(),
            figures: vec![
                figure("Cost", "€ 1,200.00", "€ 1,650.00", Some(false)),
                figure("Saturation risk", "4 %", "31 %", Some(false)),
                figure("Tenants below their fair share", "0", "1", Some(false)),
            ],
            tenants: ["ml-batch", "billing", "acme-search"]
                .iter()
                .map(|tenant| EffectTenant { tenant: named(tenant), figures: figures() })
                .collect(),
            riskiest: vec![
                "Sat 28 Nov 14:00: 50 slots short for ml-batch".into(),
                "Sat 28 Nov 15:00: 42 slots short for ml-batch".into(),
            ],
            bases: [("Last weeks", false), ("Forecast", true), ("Forecast, 0.9", false)]
                .map(|(label, is_chosen)| BasisLink {
                    label: label.into(),
                    href: "/planner-review.html".into(),
                    is_chosen,
                })
                .into(),
            missing: None,
        }),
        conflicts: vec![ConflictRow {
            text: "Over capacity by 50 slots, 28 Nov 00:00 – 29 Nov 12:00".into(),
            with: vec!["billing (250)".into(), "acme-search (400)".into()],
            fixes: vec![
                Fix { label: "550 slots".into(), pairs: Vec::new(), href: None },
                Fix { label: "start 29 Nov 12:00".into(), pairs: Vec::new(), href: None },
                Fix {
                    label: "Raise capacity…".into(), pairs: Vec::new(), href: Some("/pools/stream-01/edit".into())
                },
            ],
        }],
        warnings: vec![WarningRow {
            key: "margin".into(),
            text: "Less than 10 % of the capacity is left on 5 days.".into(),
            accepted: false,
        }],
        notified: "Mia Vogt (ml-batch), by mail".into(),
        merge: None,
        token: "t".into(),
        reason: Field::default(),
        approval: ApprovalModel::NotNeeded,
        error: None,
        may_publish: true,
        back: "/planner.html".into(),
        here: "/planner.html".into(),
        publish_href: "/planner.html".into(),
    }
}

pub(super) fn moved() -> ReviewModel {
    ReviewModel {
        merge: Some(MergeModel {
            text: "The plan moved from v41 to v42 while you edited (Mika Lind, 09:38, 2 changes). 1 of your changes touches the same reservation.".into(),
            was: "was (v41)".into(),
            theirs: "theirs (v42)".into(),
            rows: vec![MergeRow {
                name: "train".into(),
                label: "slots".into(),
                key: "side.train.slots".into(),
                was: "450".into(),
                theirs: "500".into(),
                yours: "600".into(),
                chosen: String::new(),
            }],
            merged: vec!["train: end from Mika Lind, ceiling from you".into()],
        }),
        conflicts: Vec::new(),
        approval: ApprovalModel::Proposed { text: "Mika Lind asked for approval at 09:38: more than 500 slots.".into(), may_decide: true },
        ..review()
    }
}

pub(super) fn form(tab: FormTab) -> ReservationFormModel {
    ReservationFormModel {
        pool: named("stream-01"),
        draft: "7f3a".into(),
        version: "4".into(),
        reservation: Some("train".into()),
        title: "train".into(),
        form: TermsForm {
            name: Field::of("train"),
            tenant: Field::of("ml-batch"),
            kind: Field::of("guaranteed"),
            start: Field::of("2026-11-28 00:00"),
            end: Field {
                value: "2026-11-27 00:00".into(),
                error: Some("Found “2026-11-27 00:00”, expected a time after the start.".into()),
            },
            zone: Field::of("Europe/Berlin"),
            repeat: Field::of("FREQ=WEEKLY"),
            slots: Field::of("600"),
            shrink: Field::of("refuse"),
            ..TermsForm::default()
        },
        tenants: vec![named("ml-batch")],
        zones: vec!["Europe/Berlin".into()],
        error: None,
        back: "/planner.html".into(),
        occurrences: vec![
            OccurrenceRow {
                day: "2026-11-28".into(),
                text: "Sat 28 Nov 00:00 – Mon 30 Nov 12:00, 60 h".into(),
                is_skipped: false,
            },
            OccurrenceRow {
                day: "2026-12-05".into(),
                text: "Sat 5 Dec 00:00 – Mon 7 Dec 12:00, 60 h".into(),
                is_skipped: true,
            },
        ],
        history: vec![HistoryRow {
            at_ms: FROM - DAY,
            who: "Mika Lind".into(),
            via: "CSV".into(),
            reason: "Q4".into(),
            fields: vec![field("slots", "400", "450")],
            verb: ChangeVerb::Edit,
        }],
        tab,
        is_cancelled: false,
    }
}

pub(super) fn policy() -> PlanPolicyModel {
    PlanPolicyModel {
        pool: named("stream-01"),
        pools: vec![named("stream-01")],
        overcommit: Field::of("reject"),
        percent: Field::default(),
        longest_days: Field::of("90"),
        approve_from_slots: Field::of("500"),
        approve_within_minutes: Field::default(),
        caps: Field::of("ml-batch: 400 over 168"),
        error: None,
        version: "1".into(),
        may_change: true,
    }
}

pub(super) fn publications() -> PublicationsModel {
    PublicationsModel {
        pool: Some(named("stream-01")),
        pools: vec![named("stream-01")],
        rows: vec![PublicationRow {
            id: "42".into(),
            version: "v42".into(),
            at_ms: FROM,
            who: "Mika Lind".into(),
            via: "UI".into(),
            reason: "Q4 peak".into(),
            changes: review().changes,
            note: None,
        }],
        may_revert: true,
        older_href: String::new(),
    }
}

pub(super) fn import() -> PlanImportModel {
    PlanImportModel {
        pool: named("stream-01"),
        pools: vec![named("stream-01")],
        draft: "7f3a".into(),
        text: Field::default(),
        file_error: None,
        columns: vec![("name".into(), "a slug".into()), ("slots".into(), "1 to 10,000,000".into())],
        template_href: "/x".into(),
        error: None,
        held: vec![HeldImport {
            id: "7f3b".into(),
            file: "q4.csv".into(),
            says: "for Stream 01 · 1,204 rows · kept until 28 Nov 09:00".into(),
            is_taken: false,
        }],
    }
}

fn import_at(step: ImportStep) -> ImportStepModel {
    ImportStepModel {
        id: "7f3b".into(),
        pool: named("stream-01"),
        draft: "the draft \u{201c}Q4 peak\u{201d}".into(),
        file: "q4.csv".into(),
        kept: "1,204 rows · kept until 28 Nov 09:00".into(),
        error: None,
        step,
    }
}

pub(super) fn import_columns() -> ImportStepModel {
    let options: Vec<(String, String)> = ["", "name", "tenant", "slots"].map(|word| (word.into(), word.into())).into();
    let column = |name: &str, field: &str, known: ColumnKnown| ImportColumn {
        name: name.into(),
        field: field.into(),
        known,
        sample: vec!["night".into(), String::new(), "day".into()],
        options: options.clone(),
    };
    import_at(ImportStep::Columns(vec![
        column("name", "name", ColumnKnown::Named),
        column("customer", "tenant", ColumnKnown::Guessed),
        column("colour", "", ColumnKnown::Not),
    ]))
}

pub(super) fn import_check() -> ImportStepModel {
    let problem = |row: i64, column: &str, expected: &str, found: &str, hint: &str| ImportProblem {
        row,
        column: column.into(),
        expected: expected.into(),
        found: found.into(),
        hint: hint.into(),
        cell: Some((3, found.into())),
        is_again: false,
    };
    import_at(ImportStep::Check(ImportCheck {
        rows: 1_204,
        ready: 1_187,
        bad: 16,
        skipped: 1,
        values: vec![ImportValues {
            title: "Unknown tenant".into(),
            field: "tenant".into(),
            values: vec![ImportValue {
                value: "acme-serch".into(),
                rows: Some(7),
                first: vec![12, 22, 32],
                by: "acme-search".into(),
                options: vec!["acme-search".into(), "billing".into()],
            }],
            left: 0,
            rows: 7,
            group: Some(ImportGroup {
                title: "Unknown tenant".into(),
                problems: vec![problem(12, "tenant", "the slug of a tenant; acme-search is one", "acme-serch", "")],
                left: 6,
            }),
        }],
        groups: vec![
            ImportGroup {
                title: "End before start".into(),
                problems: vec![problem(42, "end", "a time after the start 2026-11-28 00:00", "2026-11-27", "")],
                left: 3,
            },
            ImportGroup {
                title: "Not a number: slots".into(),
                problems: vec![problem(310, "slots", "a whole number of slots", "4OO", "letter O")],
                left: 0,
            },
        ],
        left_out: vec![ImportSkipped { row: 9, text: "r-7, acme, 2026-12-01".into() }],
        corrected: 2,
        ..ImportCheck::default()
    }))
}

pub(super) fn import_preview() -> ImportStepModel {
    import_at(ImportStep::Preview(ImportPreview {
        creates: 1_000,
        changes: 180,
        same: 7,
        skipped: 1,
        bad: 16,
        listed: review().changes,
        left: 1_177,
        refusal: None,
    }))
}
